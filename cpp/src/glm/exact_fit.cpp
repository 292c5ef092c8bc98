#include "exact_fit.hpp"

#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>

#include "problem.hpp"
#include "separation.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/inverse_link.hpp"

namespace spikeglm {
namespace {

/// Where the curvature at the solution keeps less than this share of the Gram matrix in some
/// direction, compared with the average, or of its trace, the data are checked for separation: it
/// keeps 1e-6 in strongly modulated neurons, and 1e-16 at an optimum at infinity.
constexpr double suspicious_share = 1e-3;

/// What must remain of a unit diagonal for a penalised curvature to be factored as it is.
constexpr double well_identified = 1e-8;

/// A dispersion that is estimated with the coefficients stops moving at this relative change.
constexpr double settled_dispersion = 1e-10;
constexpr int max_dispersion_rounds = 100;

/// Householder's method keeps the digits of rows whose scales differ by powers of ten when the
/// columns are pivoted and the rows sorted. Powell & Reid (1969), On applying Householder
/// transformations to linear least squares problems.
Eigen::PermutationMatrix<Eigen::Dynamic> largest_rows_first(const Eigen::MatrixXd& matrix) {
    const Eigen::VectorXd size = matrix.cwiseAbs().rowwise().maxCoeff();
    std::vector<std::ptrdiff_t> rows(static_cast<std::size_t>(matrix.rows()));
    std::iota(rows.begin(), rows.end(), std::ptrdiff_t{0});
    std::stable_sort(rows.begin(), rows.end(),
                     [&](std::ptrdiff_t a, std::ptrdiff_t b) { return size(a) > size(b); });
    Eigen::PermutationMatrix<Eigen::Dynamic> order(matrix.rows());
    for (std::size_t i = 0; i < rows.size(); ++i) order.indices()(rows[i]) = static_cast<int>(i);
    return order;
}

/// A problem with its penalty, and the coordinates that are searched.
class ExactFit {
public:
    ExactFit(const Design& design, const FitProblem& problem, const FitOptions& options, Rows rows)
        : design_(design),
          given_(problem),
          options_(options),
          problem_(design, problem, options, std::move(rows)),
          p_(static_cast<std::size_t>(design.cols())) {
        problem_.coordinates().share_spread(problem.groups.begin, problem.groups.members);
        problem_.prepare();
    }
    /// `rank_below`: a larger rank ends before the search, as a failure.
    FitResult solve(std::ptrdiff_t rank_below = std::numeric_limits<std::ptrdiff_t>::max());

private:
    [[nodiscard]] Eigen::MatrixXd penalty_root() const;
    [[nodiscard]] Eigen::MatrixXd of_null_vectors(const Eigen::MatrixXd& root) const;
    [[nodiscard]] QuadraticPenalty penalty_of_independent() const;
    void choose_coordinates(const Evaluation& null, FitResult& result);
    void start_within_free(std::vector<double>& gamma) const;
    [[nodiscard]] SolveResult run(const Penalty& penalty, double tolerance, int max_iterations,
                                  std::vector<double>& gamma, Evaluation& at) const;
    void minimise_all(std::vector<double>& gamma, Evaluation& at, FitResult& result);
    void estimate_parameter(std::vector<double>& gamma, Evaluation& at, FitResult& result);
    void to_smallest_norm(std::vector<double>& gamma) const;
    [[nodiscard]] double trace_of_free(std::span<const double> curvature) const;
    [[nodiscard]] FitResult without_rows(std::span<const std::ptrdiff_t> rows,
                                         std::ptrdiff_t rank_below) const;
    [[nodiscard]] bool solve_separated(const Evaluation& at, FitResult& result) const;

    const Design& design_;
    const FitProblem& given_;
    const FitOptions& options_;
    Problem problem_;
    std::size_t p_;
    std::vector<double> gram_;
    RankReport rank_;
    std::vector<std::ptrdiff_t> free_;
    double null_trace_ = 0.0;           // of the curvature at the constant model
    std::unique_ptr<Penalty> penalty_;  // of all coordinates
    std::unique_ptr<Penalty> of_free_;  // of those that are searched
};

/// R with the quadratic part of the penalty as R'R.
Eigen::MatrixXd ExactFit::penalty_root() const {
    const auto size = static_cast<std::ptrdiff_t>(p_ + 1);
    if (!problem_.has_matrix()) {
        const std::vector<double> weights = problem_.ridge_weights();
        return Eigen::Map<const Eigen::VectorXd>(weights.data(), size).cwiseSqrt().asDiagonal();
    }
    const std::vector<double> values = problem_.quadratic_penalty();
    Eigen::MatrixXd matrix = Eigen::Map<const Eigen::MatrixXd>(values.data(), size, size);
    // Unit diagonal first: strengths that are far apart keep their digits.
    const Eigen::VectorXd scale = matrix.diagonal().cwiseSqrt();
    const Eigen::VectorXd inverse =
        scale.unaryExpr([](double d) { return d > 0.0 ? 1.0 / d : 0.0; });
    matrix = inverse.asDiagonal() * matrix * inverse.asDiagonal();
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(matrix);
    const double rounding = 1e-14 * static_cast<double>(size);
    const Eigen::VectorXd roots = eigen.eigenvalues().unaryExpr(
        [&](double value) { return value > rounding ? std::sqrt(value) : 0.0; });
    return roots.asDiagonal() * eigen.eigenvectors().transpose() * scale.asDiagonal();
}

/// R N; zero where rounding hides what is left of a sum.
Eigen::MatrixXd ExactFit::of_null_vectors(const Eigen::MatrixXd& root) const {
    constexpr double hidden = 1e-9;
    const auto size = static_cast<std::ptrdiff_t>(p_ + 1);
    Eigen::MatrixXd null_space(size, static_cast<std::ptrdiff_t>(rank_.null_vectors.size()));
    for (std::ptrdiff_t c = 0; c < null_space.cols(); ++c)
        null_space.col(c) = Eigen::Map<const Eigen::VectorXd>(
            rank_.null_vectors[static_cast<std::size_t>(c)].data(), size);
    Eigen::MatrixXd seen = root * null_space;
    if (problem_.has_matrix()) {
        const Eigen::MatrixXd summed = root.cwiseAbs() * null_space.cwiseAbs();
        seen = (seen.cwiseAbs().array() > hidden * summed.array()).select(seen, 0.0);
    }
    return seen;
}

/// The data do not see movement along the null vectors N: with R'R the penalty, that of the
/// independent coordinates is min_a ||R (x + N a)||^2 / 2, exact however weak it is beside the
/// data. It is the squared length of what a QR decomposition of R N leaves of R x; the difference
/// of matrices would lose the digits of weights that are far apart.
QuadraticPenalty ExactFit::penalty_of_independent() const {
    const auto size = static_cast<std::ptrdiff_t>(p_ + 1);
    const auto n = static_cast<std::ptrdiff_t>(free_.size());
    const Eigen::MatrixXd root = penalty_root();
    const Eigen::MatrixXd null_space = of_null_vectors(root);
    Eigen::MatrixXd own(size, n);
    for (std::ptrdiff_t i = 0; i < n; ++i)
        own.col(i) = root.col(free_[static_cast<std::size_t>(i)]);
    const auto order = largest_rows_first(null_space);
    const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(order * null_space);
    own = (order * own).eval();
    own.applyOnTheLeft(qr.householderQ().transpose());
    const Eigen::MatrixXd left = own.bottomRows(size - qr.rank());
    const Eigen::MatrixXd penalty = left.transpose() * left;
    return QuadraticPenalty({penalty.data(), penalty.data() + penalty.size()});
}

/// Finds the rank, and which coordinates are searched under which penalty. Penalties with kinks are
/// searched over all: their solvers take a curvature as it comes.
void ExactFit::choose_coordinates(const Evaluation& null, FitResult& result) {
    const auto& candidates = problem_.coordinates().candidates();
    const auto size = static_cast<std::ptrdiff_t>(p_ + 1);
    gram_ = problem_.gram(null);
    rank_ = rank_at(problem_.coordinates(), gram_);
    result.rank = static_cast<std::ptrdiff_t>(rank_.independent.size());

    penalty_ = problem_.penalty();
    if (!penalty_->smooth()) rank_ = {candidates, {}, {}};
    bool reduced = false;
    if (!rank_.dependent.empty() && result.penalised) {
        // A penalty that shows beside the data identifies the rest by itself.
        std::vector<double> penalised = null.curvature;
        penalty_->add_curvature(penalised);
        RankReport with_penalty = rank_of_gram(penalised, size, candidates, well_identified);
        if (with_penalty.dependent.empty())
            rank_ = std::move(with_penalty);
        else
            reduced = true;
    }
    free_ = rank_.independent;
    std::sort(free_.begin(), free_.end());
    if (reduced)
        of_free_ = std::make_unique<QuadraticPenalty>(penalty_of_independent());
    else
        of_free_ = problem_.penalty_of(free_);
}

/// Moves along the null vectors until the dependent coordinates are zero.
void ExactFit::start_within_free(std::vector<double>& gamma) const {
    for (std::size_t k = 0; k < rank_.dependent.size(); ++k) {
        const double amount = gamma[static_cast<std::size_t>(rank_.dependent[k])];
        for (std::size_t j = 0; j <= p_; ++j) gamma[j] -= amount * rank_.null_vectors[k][j];
    }
}

SolveResult ExactFit::run(const Penalty& penalty, double tolerance, int max_iterations,
                          std::vector<double>& gamma, Evaluation& at) const {
    const std::unique_ptr<Solver> solver = solver_of(options_, penalty.smooth());
    return minimise_within(problem_.likelihood(), penalty, *solver, free_,
                           {tolerance, max_iterations, problem_.rows().sum_of_weights()}, gamma,
                           at);
}

/// To the tolerance in standard errors. With dispersion phi a standard error is sqrt(phi) times
/// what the loss says, so that a small phi, known only afterwards, asks for more.
void ExactFit::minimise_all(std::vector<double>& gamma, Evaluation& at, FitResult& result) {
    double tolerance = problem_.tolerance();
    SolveResult solved = run(*of_free_, tolerance, options_.max_iterations, gamma, at);
    if (problem_.estimates_dispersion()) {
        result.dispersion = problem_.pearson_dispersion(gamma, result.rank);
        if (result.dispersion < 1.0 && solved.status == Status::converged) {
            const int before = solved.n_iterations;
            tolerance *= std::sqrt(result.dispersion);
            solved = run(*of_free_, tolerance, options_.max_iterations - before, gamma, at);
            if (solved.n_iterations > 0)
                result.dispersion = problem_.pearson_dispersion(gamma, result.rank);
            solved.n_iterations += before;
            // The first tolerance was met; only digits can be missing for the second.
            if (solved.status == Status::line_search_failed)
                solved.status = Status::precision_limit;
        }
    }
    result.status = solved.status;
    result.n_iterations += solved.n_iterations;
    result.decrement = solved.decrement;
}

/// In turns: the parameter for given coefficients, and the coefficients for a given parameter, from
/// where they were. The two are orthogonal in expectation, so that few turns are needed. Venables &
/// Ripley (2002), Modern Applied Statistics with S, section 7.4.
void ExactFit::estimate_parameter(std::vector<double>& gamma, Evaluation& at, FitResult& result) {
    for (int round = 0; round < max_dispersion_rounds; ++round) {
        minimise_all(gamma, at, result);
        const double next = problem_.likelihood().best_parameter(gamma);
        const bool settled = std::abs(std::log(next / result.dispersion)) <= settled_dispersion;
        result.dispersion = next;
        problem_.likelihood().set_parameter(next);
        if (settled ||
            (result.status != Status::converged && result.status != Status::precision_limit))
            return;
        problem_.likelihood().evaluate(gamma, Curvature::observed, at);
    }
    result.status = Status::max_iterations;
}

/// Moves along the null vectors to where the penalty is least, and without one, or where it does
/// not see them either, to the smallest sum of squared coefficients in the user's units.
void ExactFit::to_smallest_norm(std::vector<double>& gamma) const {
    const auto k = static_cast<std::ptrdiff_t>(rank_.null_vectors.size());
    if (k == 0) return;
    /// Of the sum of squares beside a penalty: it decides where the penalty does not.
    constexpr double faint = 1e-7;
    const auto size = static_cast<std::ptrdiff_t>(p_ + 1);
    const auto p = static_cast<std::ptrdiff_t>(p_);
    const auto spread = problem_.coordinates().spread();
    const Eigen::Map<Eigen::VectorXd> point(gamma.data(), size);
    Eigen::MatrixXd root = Eigen::MatrixXd::Zero(p, size);
    for (std::ptrdiff_t j = 0; j < p; ++j) root(j, j) = 1.0 / spread[static_cast<std::size_t>(j)];
    if (problem_.has_matrix()) {
        const Eigen::MatrixXd of_penalty = penalty_root();
        root *= faint * of_penalty.cwiseAbs().maxCoeff() / root.cwiseAbs().maxCoeff();
        root.conservativeResize(p + size, size);
        root.bottomRows(size) = of_penalty;
    } else if (problem_.penalised()) {
        for (std::ptrdiff_t j = 0; j < p; ++j)
            root(j, j) *= std::sqrt(given_.quadratic[static_cast<std::size_t>(j)]);
    }
    const Eigen::MatrixXd seen = of_null_vectors(root);
    const auto order = largest_rows_first(seen);
    const Eigen::VectorXd amount =
        (order * seen).eval().colPivHouseholderQr().solve(order * (root * point).eval());
    for (std::ptrdiff_t c = 0; c < k; ++c)
        for (std::size_t j = 0; j <= p_; ++j)
            gamma[j] -= amount(c) * rank_.null_vectors[static_cast<std::size_t>(c)][j];
}

double ExactFit::trace_of_free(std::span<const double> curvature) const {
    double sum = 0.0;
    for (const std::ptrdiff_t j : free_) sum += curvature[static_cast<std::size_t>(j) * (p_ + 2)];
    return sum;
}

/// The fit to all other rows, with a rank below the bound; see `solve`.
FitResult ExactFit::without_rows(std::span<const std::ptrdiff_t> rows,
                                 std::ptrdiff_t rank_below) const {
    if (static_cast<std::ptrdiff_t>(rows.size()) == problem_.rows().moments().n_used) {
        FitResult nothing;
        nothing.coef.assign(p_, 0.0);
        return nothing;
    }
    std::vector<double> weight = problem_.rows().weight();
    if (weight.empty()) weight.assign(problem_.rows().used().size(), 1.0);
    for (const std::ptrdiff_t row : rows) weight[static_cast<std::size_t>(row)] = 0.0;
    FitProblem finite = given_;
    finite.sample.weight = weight;
    finite.start_coef = {};
    return ExactFit(design_, finite, options_, RowSelector(design_, options_).select(finite.sample))
        .solve(rank_below);
}

/// Where the maximum is at infinity: fits the rows that are not separated, and moves along the
/// separating direction until the separated ones have gained all that they can.
bool ExactFit::solve_separated(const Evaluation& at, FitResult& result) const {
    const Likelihood& likelihood = problem_.likelihood();
    if (trace_of_free(at.curvature) > suspicious_share * null_trace_ &&
        weakest_share(gram_, at.curvature, static_cast<std::ptrdiff_t>(p_ + 1), free_) >
            suspicious_share)
        return false;
    const auto separation = find_separation(likelihood, gram_, free_);
    if (!separation) return false;

    // The rows that are left do not move along the direction: their rank is smaller, or the
    // certificate was none.
    FitResult limit = without_rows(separation->rows, result.rank);
    if (limit.rank >= result.rank) return false;
    // Far enough for rows to be predicted to rounding.
    constexpr double far = 37.0;
    if (std::isinf(limit.intercept)) limit.intercept = std::copysign(far, limit.intercept);

    FitResult direction;
    direction.coef.resize(p_);
    std::vector<double> smallest = separation->direction;
    to_smallest_norm(smallest);
    problem_.to_user_units(smallest, direction);
    const std::vector<double> unit = likelihood.change_of_eta(separation->direction);
    std::vector<double> eta(unit.size());
    predict(design_, limit.coef, limit.intercept, given_.sample.offset,
            index_of<InverseLinks>("identity", "inverse link"), eta.data(), options_.execution);
    double amount = 0.0;
    for (const std::ptrdiff_t row : separation->rows) {
        const double towards = unit[static_cast<std::size_t>(row)];
        const double gained = towards > 0.0 ? eta[static_cast<std::size_t>(row)]
                                            : -eta[static_cast<std::size_t>(row)];
        amount = std::max(amount, (far - gained) / std::abs(towards));
    }
    const auto spread = problem_.coordinates().spread();
    double largest = 0.0;
    for (std::size_t j = 0; j < p_; ++j)
        largest = std::max(largest, std::abs(direction.coef[j]) * spread[j]);
    for (std::size_t j = 0; j < p_; ++j) {
        result.coef[j] = limit.coef[j] + amount * direction.coef[j];
        if (std::abs(direction.coef[j]) * spread[j] > 0.3 * largest)
            result.separated.push_back(static_cast<std::ptrdiff_t>(j));
    }
    // Those of later rounds.
    result.separated.insert(result.separated.end(), limit.separated.begin(), limit.separated.end());
    std::sort(result.separated.begin(), result.separated.end());
    result.separated.erase(std::unique(result.separated.begin(), result.separated.end()),
                           result.separated.end());
    result.intercept = limit.intercept + amount * direction.intercept;
    result.status = Status::separated;
    result.n_separated_rows =
        static_cast<std::ptrdiff_t>(separation->rows.size()) + limit.n_separated_rows;
    result.n_iterations += limit.n_iterations;
    result.decrement = limit.decrement;
    result.kkt = limit.kkt;
    result.dispersion = limit.dispersion;
    return true;
}

FitResult ExactFit::solve(std::ptrdiff_t rank_below) {
    FitResult result = problem_.describe();
    if (problem_.silent()) return result;

    std::vector<double> gamma = problem_.null_point();
    Evaluation at;
    problem_.likelihood().evaluate(gamma, Curvature::expected, at);
    const bool given = !given_.start_coef.empty();
    if (!given) require_feasible(at, false);
    if (!std::isfinite(at.value))
        at.curvature = problem_.likelihood().gram(problem_.rows().weight());
    choose_coordinates(at, result);
    if (result.rank >= rank_below) return result;
    null_trace_ = trace_of_free(at.curvature);
    if (given) {
        gamma = problem_.given_start();
        start_within_free(gamma);
        problem_.likelihood().evaluate(gamma, Curvature::expected, at);
        require_feasible(at, true);
    }

    if (std::isnan(given_.parameter))
        estimate_parameter(gamma, at, result);
    else
        minimise_all(gamma, at, result);
    if (!result.penalised && solve_separated(at, result)) return result;

    to_smallest_norm(gamma);
    if (!rank_.dependent.empty()) problem_.likelihood().evaluate(gamma, at.kind, at);
    result.kkt = kkt_residual(*penalty_, gamma, at, problem_.coordinates().candidates());
    problem_.to_user_units(gamma, result);
    return result;
}

}  // namespace

FitResult fit_exactly(const Design& design, const FitProblem& problem, const FitOptions& options,
                      Rows rows) {
    return ExactFit(design, problem, options, std::move(rows)).solve();
}

}  // namespace spikeglm
