#include "problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/observation/all.hpp"
#include "spikeglm/solver/restricted.hpp"

namespace spikeglm {
namespace {

void require_per_column(std::size_t size, std::size_t p, const char* what) {
    if (size != 0 && size != p)
        throw std::invalid_argument("expected " + std::to_string(p) + " " + what + ", got " +
                                    std::to_string(size) + ".");
}

double objective_factor(int model) {
    double factor = 1.0;
    with_type<Observations>(model, [&]<class Model>() { factor = Model::objective_factor; });
    return factor;
}

bool any_positive(std::span<const double> values) {
    return std::any_of(values.begin(), values.end(), [](double value) { return value > 0.0; });
}

}  // namespace

Problem::Problem(const Design& design, const FitProblem& problem, const FitOptions& options,
                 Rows rows, const Coordinates* fixed)
    : design_(design),
      problem_(problem),
      options_(options),
      loss_(options.loss),
      rows_(std::move(rows)),
      coordinates_(fixed ? *fixed
                         : Coordinates(rows_.moments(), problem.excluded, options.intercept)) {
    const auto p = static_cast<std::size_t>(design.cols());
    if (coordinates_.cols() != p)
        throw std::invalid_argument("expected " + std::to_string(coordinates_.cols()) +
                                    " columns in X, as in the first step, got " +
                                    std::to_string(p) + ".");
    require_per_column(problem.quadratic.size(), p, "regularizer strengths");
    require_per_column(problem.absolute.size(), p, "regularizer strengths");
    require_per_column(problem.matrix.size(), p * p, "entries of the penalty matrix");
    require_per_column(problem.excluded.size(), p, "entries of the feature mask");
    require_per_column(problem.start_coef.size(), p, "initial coefficients");
    loss_.parameter = problem.parameter;
    sample_ = {problem.sample.y, rows_.weight(), problem.sample.offset};
    if (std::isnan(loss_.parameter)) loss_.parameter = moment_dispersion(sample_, rows_);
    if (!(loss_.parameter > 0.0) || std::isinf(loss_.parameter))
        throw std::invalid_argument("the dispersion must be positive and finite, got " +
                                    std::to_string(loss_.parameter) + ".");
    null_ = fit_null_model(sample_, rows_, loss_, options.intercept);
}

void Problem::prepare() {
    split_ = coordinates_.split();
    const bool all_used = rows_.moments().n_used == design_.rows();
    prepared_.emplace(design_, all_used ? std::span<const std::uint8_t>() : rows_.used(),
                      split_.row_location, split_.row_spread);
    likelihood_.emplace(*prepared_, sample_, loss_, split_.sum_location, split_.sum_spread,
                        options_.execution);
}

double Problem::objective_scale() const {
    return rows_.sum_of_weights() / objective_factor(loss_.model);
}

std::vector<double> Problem::ridge_weights() const {
    std::vector<double> weights(coordinates_.cols() + 1, 0.0);
    const auto spread = coordinates_.spread();
    for (std::size_t j = 0; j < problem_.quadratic.size(); ++j)
        weights[j] = objective_scale() * (problem_.quadratic[j] / spread[j]) / spread[j];
    return weights;
}

std::vector<double> Problem::quadratic_penalty() const {
    const std::size_t p = coordinates_.cols();
    const std::size_t size = p + 1;
    const auto spread = coordinates_.spread();
    std::vector<double> matrix(size * size, 0.0);
    if (has_matrix())
        for (std::size_t j = 0; j < p; ++j)
            for (std::size_t i = 0; i < p; ++i)
                matrix[i + j * size] =
                    objective_scale() * (problem_.matrix[i + j * p] / spread[i]) / spread[j];
    const std::vector<double> ridge = ridge_weights();
    for (std::size_t j = 0; j < p; ++j) matrix[j * (size + 1)] += ridge[j];
    return matrix;
}

std::unique_ptr<Penalty> Problem::penalty(double share) const {
    std::vector<std::ptrdiff_t> all(coordinates_.cols() + 1);
    std::iota(all.begin(), all.end(), std::ptrdiff_t{0});
    return penalty_of(all, share);
}

std::unique_ptr<Penalty> Problem::penalty_of(std::span<const std::ptrdiff_t> chosen,
                                             double share) const {
    GroupNorms norms = group_norms(share).restricted(chosen);
    std::vector<double> values;
    if (!has_matrix()) {
        const std::vector<double> ridge = ridge_weights();
        for (const std::ptrdiff_t j : chosen)
            values.push_back(share * ridge[static_cast<std::size_t>(j)]);
        return std::make_unique<GroupPenalty>(std::move(values), std::move(norms));
    }
    const std::vector<double> matrix = quadratic_penalty();
    const auto size = static_cast<std::ptrdiff_t>(coordinates_.cols()) + 1;
    for (const std::ptrdiff_t j : chosen)
        for (const std::ptrdiff_t i : chosen)
            values.push_back(share * matrix[static_cast<std::size_t>(i + j * size)]);
    return std::make_unique<QuadraticPenalty>(std::move(values), std::move(norms));
}

std::vector<double> Problem::lasso_weights() const {
    std::vector<double> weights(coordinates_.cols() + 1, 0.0);
    const auto spread = coordinates_.spread();
    for (std::size_t j = 0; j < problem_.absolute.size(); ++j)
        weights[j] = objective_scale() * (problem_.absolute[j] / spread[j]);
    return weights;
}

GroupNorms Problem::group_norms(double share) const {
    if (!problem_.absolute.empty()) {
        std::vector<double> each = lasso_weights();
        for (double& weight : each) weight *= share;
        return GroupNorms::singletons(each);
    }
    std::vector<double> weights;
    const auto spread = coordinates_.spread();
    for (std::size_t g = 0; g < problem_.groups.weights.size(); ++g) {
        double weight = 0.0;
        const auto begin = static_cast<std::size_t>(problem_.groups.begin[g]);
        const auto end = static_cast<std::size_t>(problem_.groups.begin[g + 1]);
        // Members that may have a coefficient share their spread.
        for (std::size_t i = begin; i < end; ++i) {
            const std::ptrdiff_t j = problem_.groups.members[i];
            if (coordinates_.is_candidate(j))
                weight = objective_scale() *
                         (problem_.groups.weights[g] / spread[static_cast<std::size_t>(j)]);
        }
        weights.push_back(share * weight);
    }
    return {problem_.groups.begin.empty()
                ? std::vector<std::ptrdiff_t>{0}
                : std::vector(problem_.groups.begin.begin(), problem_.groups.begin.end()),
            problem_.groups.members, weights};
}

bool Problem::penalised() const {
    return any_positive(problem_.quadratic) || any_positive(problem_.matrix) ||
           any_positive(problem_.absolute) || any_positive(problem_.groups.weights);
}

std::vector<double> Problem::null_point() const {
    std::vector<double> gamma(coordinates_.cols() + 1, 0.0);
    gamma.back() = null_.intercept;
    return gamma;
}

std::vector<double> Problem::given_start() const {
    std::vector<double> coef(problem_.start_coef.begin(), problem_.start_coef.end());
    for (std::size_t j = 0; j < problem_.excluded.size(); ++j)
        if (problem_.excluded[j] != 0) coef[j] = 0.0;
    return coordinates_.from_user_units(coef, problem_.start_intercept);
}

/// The curvature of a constant mean is a multiple of the Gram matrix.
std::vector<double> Problem::gram(const Evaluation& null) const {
    const double scale = null.curvature.back();
    if (problem_.sample.offset.empty() && scale > 1e-200 && scale < 1e200) return null.curvature;
    return likelihood_->gram(rows_.weight());
}

bool Problem::estimates_dispersion() const {
    bool estimates = false;
    with_type<Observations>(loss_.model,
                            [&]<class Model>() { estimates = Model::estimates_dispersion; });
    return estimates;
}

double Problem::tolerance() const {
    const double mean_weight = rows_.sum_of_weights() / static_cast<double>(rows_.moments().n_used);
    double tolerance = options_.tolerance * std::sqrt(std::min(1.0, mean_weight));
    if (!estimates_dispersion()) tolerance *= std::sqrt(std::min(1.0, null_.dispersion));
    return tolerance;
}

double Problem::pearson_dispersion(std::span<const double> gamma, std::ptrdiff_t rank) const {
    const double dof = rows_.sum_of_weights() - static_cast<double>(rank);
    return dof > 0.0 ? likelihood_->pearson(gamma) / dof : std::numeric_limits<double>::quiet_NaN();
}

FitResult Problem::describe() const {
    FitResult result;
    result.n_used = rows_.moments().n_used;
    result.n_dropped = rows_.n_dropped;
    result.sum_of_weights = rows_.sum_of_weights();
    result.mean_y = rows_.mean_y;
    result.penalised = penalised();
    result.coef.assign(coordinates_.cols(), 0.0);
    result.intercept = null_.intercept;
    result.dispersion = has_parameter(loss_.model) ? loss_.parameter : 1.0;
    result.aliased = coordinates_.aliased();
    result.n_free = static_cast<std::ptrdiff_t>(coordinates_.candidates().size());
    result.rank = coordinates_.intercept();
    if (null_.silent) result.status = Status::silent;
    return result;
}

void Problem::to_user_units(std::span<const double> gamma, FitResult& result) const {
    coordinates_.to_user_units(gamma, result.coef, result.intercept);
}

SolveResult minimise_within(const Objective& objective, const Penalty& penalty, Solver& solver,
                            std::span<const std::ptrdiff_t> free, const SolveOptions& options,
                            std::span<double> gamma, Evaluation& at) {
    if (free.size() == gamma.size())
        return minimise(solver, objective, penalty, options, gamma, at);
    const Restricted within(objective, free, gamma);
    std::vector<double> x = within.gather(gamma);
    Evaluation at_x;
    within.gather(at, at_x);
    const SolveResult result = minimise(solver, within, penalty, options, x, at_x);
    within.scatter(x, gamma);

    const std::size_t size = gamma.size();
    at = {at_x.value, std::vector<double>(size, 0.0), std::vector<double>(size * size, 0.0),
          at_x.kind};
    within.scatter(at_x.gradient, at.gradient);
    for (std::size_t j = 0; j < free.size(); ++j)
        within.scatter(
            std::span(at_x.curvature).subspan(j * free.size(), free.size()),
            std::span(at.curvature).subspan(static_cast<std::size_t>(free[j]) * size, size));
    return result;
}

std::unique_ptr<Solver> solver_of(const FitOptions& options, bool smooth) {
    const std::string_view exact = smooth ? "Newton" : "ProxNewton";
    return make_solver(options.solver.empty() ? exact : options.solver, options.settings);
}

double kkt_residual(const Penalty& penalty, std::span<const double> gamma,
                    std::vector<double> gradient, std::vector<double> diagonal,
                    std::span<const std::ptrdiff_t> coordinates) {
    penalty.add_gradient(gamma, gradient);
    penalty.add_diagonal(diagonal);
    penalty.groups().min_norm_subgradient(gamma, gradient);
    double largest = 0.0;
    for (const std::ptrdiff_t coordinate : coordinates) {
        const auto j = static_cast<std::size_t>(coordinate);
        if (diagonal[j] > 0.0)
            largest = std::max(largest, std::abs(gradient[j]) / std::sqrt(diagonal[j]));
    }
    return largest;
}

double kkt_residual(const Penalty& penalty, std::span<const double> gamma, const Evaluation& at,
                    std::span<const std::ptrdiff_t> coordinates) {
    std::vector<double> diagonal;
    for (std::size_t j = 0; j < gamma.size(); ++j)
        diagonal.push_back(at.curvature[j * (gamma.size() + 1)]);
    return kkt_residual(penalty, gamma, at.gradient, std::move(diagonal), coordinates);
}

/// What may remain of a unit diagonal for a column to count as independent of the others: the
/// rounding of a Gram matrix, with room.
RankReport rank_at(const Coordinates& coordinates, std::span<const double> gram) {
    const std::size_t p = coordinates.cols();
    const double tolerance = 64.0 * std::numeric_limits<double>::epsilon() *
                             static_cast<double>(std::max<std::size_t>(p, 10));
    return rank_of_gram(gram, static_cast<std::ptrdiff_t>(p + 1), coordinates.candidates(),
                        tolerance);
}

void require_feasible(const Evaluation& at, bool given) {
    if (std::isfinite(at.value)) return;
    throw std::invalid_argument(
        given
            ? "the initial parameters give some rows a mean outside the domain of the model, or "
              "one that overflows; leave init_params out to start from the constant model."
            : "without an intercept a fit starts where eta is the offset, or zero, and there some "
              "rows have a mean outside the domain of the model; pass init_params.");
}

}  // namespace spikeglm
