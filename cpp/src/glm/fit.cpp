#include "spikeglm/glm/fit.hpp"

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>

#include "rows.hpp"
#include "separation.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/observation/all.hpp"
#include "spikeglm/solver/rank.hpp"
#include "spikeglm/solver/restricted.hpp"

namespace spikeglm {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
/// Columns further from zero than this many of their standard deviations, or of a scale whose
/// square may leave the range of doubles, are standardised row by row; centring by sums costs the
/// others at most the square of it in units of rounding.
constexpr double centre_by_sums_below = 3.0;
constexpr double extreme_scale = 1e100;
/// Where the curvature at the solution keeps less than this share of the Gram matrix in some
/// direction, compared with the average, the data are checked for separation: it keeps 1e-6 of it
/// in strongly modulated neurons, and 1e-16 at an optimum at infinity.
constexpr double suspicious_share = 1e-3;

/// What must remain of a unit diagonal for a penalised curvature to be factored as it is.
constexpr double well_identified = 1e-8;

/// What may remain of a unit diagonal for a column to count as independent of the others: the
/// rounding of a Gram matrix, with room.
double rank_tolerance(std::size_t p) {
    return 64.0 * epsilon * static_cast<double>(std::max<std::size_t>(p, 10));
}

std::vector<double> submatrix(std::span<const double> full, std::size_t size,
                              std::span<const std::ptrdiff_t> chosen) {
    std::vector<double> part;
    part.reserve(chosen.size() * chosen.size());
    for (const std::ptrdiff_t j : chosen)
        for (const std::ptrdiff_t i : chosen)
            part.push_back(full[static_cast<std::size_t>(i) + static_cast<std::size_t>(j) * size]);
    return part;
}

/// Everything one problem needs, in standardised coordinates.
class Problem {
public:
    Problem(const Design& design, const FitProblem& problem, const FitOptions& options);
    FitResult solve();

private:
    [[nodiscard]] std::vector<double> penalty_weights() const;
    [[nodiscard]] QuadraticPenalty penalty_of_independent(std::span<const double> weights) const;
    [[nodiscard]] std::vector<double> gram(const Evaluation& null, bool flat) const;
    [[nodiscard]] std::vector<double> given_start() const;
    void start_within_free(std::vector<double>& gamma) const;
    SolveResult minimise(const Penalty& penalty, std::vector<double>& gamma, Evaluation& at,
                         FitResult& result) const;
    [[nodiscard]] double estimate_dispersion(std::span<const double> gamma,
                                             std::ptrdiff_t rank) const;
    void to_smallest_norm(std::vector<double>& gamma) const;
    void to_user_units(std::span<const double> gamma, FitResult& result) const;
    [[nodiscard]] bool solve_separated(std::span<const double> gram, const Evaluation& at,
                                       FitResult& result) const;

    const Design& design_;
    const FitProblem& problem_;
    const FitOptions& options_;
    Rows rows_;
    NullModel null_;
    std::size_t p_;
    bool penalised_;
    std::vector<double> location_, spread_;          // of the columns, for the user's units
    std::vector<double> row_location_, row_spread_;  // of the columns standardised row by row
    std::vector<double> sum_location_, sum_spread_;  // of those left to the arithmetic of sums
    std::vector<std::ptrdiff_t> candidates_;
    std::vector<std::ptrdiff_t> free_;
    RankReport rank_;
    Sample sample_;
    std::optional<PreparedDesign> prepared_;
    std::optional<Likelihood> likelihood_;
};

Problem::Problem(const Design& design, const FitProblem& problem, const FitOptions& options)
    : design_(design),
      problem_(problem),
      options_(options),
      rows_(select_rows(design, problem.sample, options)),
      p_(static_cast<std::size_t>(design.cols())),
      penalised_(std::any_of(problem.strength.begin(), problem.strength.end(),
                             [](double strength) { return strength > 0.0; })),
      location_(rows_.moments.mean),
      spread_(rows_.moments.sd) {
    if (!problem.strength.empty() && problem.strength.size() != p_)
        throw std::invalid_argument("expected " + std::to_string(p_) +
                                    " regularizer strengths, got " +
                                    std::to_string(problem.strength.size()) + ".");
    row_location_.assign(p_, 0.0);
    row_spread_.assign(p_, 1.0);
    sum_location_ = row_location_;
    sum_spread_ = row_spread_;
    bool any_row_by_row = false;
    for (std::size_t j = 0; j < p_; ++j) {
        if (spread_[j] == 0.0) {
            spread_[j] = 1.0;  // constant: its coefficient stays zero
            sum_location_[j] = location_[j];
            continue;
        }
        candidates_.push_back(static_cast<std::ptrdiff_t>(j));
        const bool row_by_row = std::abs(location_[j]) > centre_by_sums_below * spread_[j] ||
                                spread_[j] > extreme_scale || spread_[j] < 1.0 / extreme_scale;
        any_row_by_row = any_row_by_row || row_by_row;
        (row_by_row ? row_location_ : sum_location_)[j] = location_[j];
        (row_by_row ? row_spread_ : sum_spread_)[j] = spread_[j];
    }
    candidates_.push_back(static_cast<std::ptrdiff_t>(p_));
    const bool all_used = rows_.moments.n_used == design.rows();
    prepared_.emplace(design, all_used ? std::span<const std::uint8_t>() : rows_.used,
                      any_row_by_row ? row_location_ : std::span<const double>(),
                      any_row_by_row ? row_spread_ : std::span<const double>());
    sample_ = {problem.sample.y, rows_.weight, problem.sample.offset};
    null_ = fit_null_model(sample_, rows_, options.loss);
    likelihood_.emplace(*prepared_, sample_, options.loss, sum_location_, sum_spread_,
                        options.execution);
}

/// Strengths for the total instead of the mean loss, and for gamma = s beta instead of beta.
std::vector<double> Problem::penalty_weights() const {
    std::vector<double> weights(p_ + 1, 0.0);
    for (std::size_t j = 0; j < problem_.strength.size(); ++j)
        weights[j] = rows_.sum_of_weights * (problem_.strength[j] / spread_[j]) / spread_[j];
    return weights;
}

/// The data do not see movement along the null vectors N: with P = diag(weights), the penalty of
/// the independent coordinates is min_a (x + N a)' P (x + N a) / 2, exact however weak P is beside
/// the data.
QuadraticPenalty Problem::penalty_of_independent(std::span<const double> weights) const {
    const auto size = static_cast<std::ptrdiff_t>(p_ + 1);
    const auto k = static_cast<std::ptrdiff_t>(rank_.null_vectors.size());
    Eigen::MatrixXd weighted(size, k);  // sqrt(P) N
    for (std::ptrdiff_t c = 0; c < k; ++c)
        for (std::ptrdiff_t j = 0; j < size; ++j)
            weighted(j, c) =
                std::sqrt(weights[static_cast<std::size_t>(j)]) *
                rank_.null_vectors[static_cast<std::size_t>(c)][static_cast<std::size_t>(j)];
    const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(weighted);
    const Eigen::MatrixXd basis = qr.householderQ() * Eigen::MatrixXd::Identity(size, qr.rank());
    std::vector<double> matrix(static_cast<std::size_t>(size * size));
    Eigen::Map<Eigen::MatrixXd> left(matrix.data(), size, size);
    left = Eigen::MatrixXd::Identity(size, size) - basis * basis.transpose();
    for (std::ptrdiff_t j = 0; j < size; ++j)
        for (std::ptrdiff_t i = 0; i < size; ++i)
            left(i, j) *= std::sqrt(weights[static_cast<std::size_t>(i)] *
                                    weights[static_cast<std::size_t>(j)]);
    return QuadraticPenalty(submatrix(matrix, p_ + 1, free_));
}

/// X'WX with the weights of the rows: it shows the rank whatever the model does to the weights. The
/// curvature of a constant mean (`flat`) is a multiple of it.
std::vector<double> Problem::gram(const Evaluation& null, bool flat) const {
    const double scale = null.curvature.back();
    if (flat && scale > 1e-200 && scale < 1e200) return null.curvature;
    return likelihood_->gram(rows_.weight);
}

std::vector<double> Problem::given_start() const {
    if (problem_.start_coef.size() != p_)
        throw std::invalid_argument("expected " + std::to_string(p_) +
                                    " initial coefficients, got " +
                                    std::to_string(problem_.start_coef.size()) + ".");
    std::vector<double> start(p_ + 1, 0.0);
    start.back() = problem_.start_intercept;
    for (std::size_t j = 0; j < p_; ++j) {
        if (rows_.moments.sd[j] > 0.0) start[j] = problem_.start_coef[j] * spread_[j];
        start.back() += location_[j] * problem_.start_coef[j];
    }
    return start;
}

/// Moves along the null vectors until the dependent coordinates are zero.
void Problem::start_within_free(std::vector<double>& gamma) const {
    for (std::size_t k = 0; k < rank_.dependent.size(); ++k) {
        const double amount = gamma[static_cast<std::size_t>(rank_.dependent[k])];
        for (std::size_t j = 0; j <= p_; ++j) gamma[j] -= amount * rank_.null_vectors[k][j];
    }
}

double Problem::estimate_dispersion(std::span<const double> gamma, std::ptrdiff_t rank) const {
    const double dof = rows_.sum_of_weights - static_cast<double>(rank);
    return dof > 0.0 ? likelihood_->pearson(gamma) / dof : std::numeric_limits<double>::quiet_NaN();
}

/// Newton's method to the tolerance in standard errors. With dispersion phi a standard error is
/// sqrt(phi) times what the loss says: phi is estimated where the model has one, and otherwise only
/// guards against y or weights in small units, whose loss knows nothing of them.
SolveResult Problem::minimise(const Penalty& penalty, std::vector<double>& gamma, Evaluation& at,
                              FitResult& result) const {
    const double mean_weight = rows_.sum_of_weights / static_cast<double>(rows_.moments.n_used);
    SolveOptions settings = options_.newton;
    settings.tolerance *= std::sqrt(std::min(1.0, mean_weight));
    const double in_loss_units = settings.tolerance;
    bool estimates_dispersion = false;
    with_type<Observations>(options_.loss.model, [&]<class Model>() {
        estimates_dispersion = Model::estimates_dispersion;
    });
    if (!estimates_dispersion) settings.tolerance *= std::sqrt(std::min(1.0, null_.dispersion));

    const Restricted restricted(*likelihood_, free_, gamma);
    const auto newton = [&] {
        std::vector<double> x = restricted.gather(gamma);
        Evaluation at_x;
        restricted.gather(at, at_x);
        const SolveResult solved =
            spikeglm::minimise(*make_newton(), restricted, penalty, settings, x, at_x);
        restricted.scatter(x, gamma);
        if (free_.size() < gamma.size()) {
            likelihood_->evaluate(gamma, at_x.kind, at);
        } else {
            at = std::move(at_x);
        }
        return solved;
    };
    SolveResult newton_result = newton();
    if (!estimates_dispersion) return newton_result;
    result.dispersion = estimate_dispersion(gamma, result.rank);
    if (!(result.dispersion < 1.0) || newton_result.status != Status::converged)
        return newton_result;
    const int before = newton_result.n_iterations;
    settings.tolerance = in_loss_units * std::sqrt(result.dispersion);
    settings.max_iterations -= before;
    newton_result = newton();
    newton_result.n_iterations += before;
    if (newton_result.n_iterations > before)
        result.dispersion = estimate_dispersion(gamma, result.rank);
    // The first tolerance was met; only digits can be missing for the second.
    if (newton_result.status == Status::line_search_failed)
        newton_result.status = Status::precision_limit;
    return newton_result;
}

/// Moves along the null vectors to the smallest sum of squared coefficients in the user's units,
/// each weighted with its strength where a penalty is too weak to be seen beside the data.
void Problem::to_smallest_norm(std::vector<double>& gamma) const {
    const auto k = static_cast<std::ptrdiff_t>(rank_.null_vectors.size());
    if (k == 0) return;
    Eigen::MatrixXd null_space(static_cast<std::ptrdiff_t>(p_), k);
    Eigen::VectorXd beta(static_cast<std::ptrdiff_t>(p_));
    for (std::size_t j = 0; j < p_; ++j) {
        const auto row = static_cast<std::ptrdiff_t>(j);
        const double unit = (penalised_ ? std::sqrt(problem_.strength[j]) : 1.0) / spread_[j];
        beta(row) = gamma[j] * unit;
        for (std::ptrdiff_t c = 0; c < k; ++c)
            null_space(row, c) = rank_.null_vectors[static_cast<std::size_t>(c)][j] * unit;
    }
    const Eigen::VectorXd amount = null_space.colPivHouseholderQr().solve(beta);
    for (std::ptrdiff_t c = 0; c < k; ++c)
        for (std::size_t j = 0; j <= p_; ++j)
            gamma[j] -= amount(c) * rank_.null_vectors[static_cast<std::size_t>(c)][j];
}

void Problem::to_user_units(std::span<const double> gamma, FitResult& result) const {
    result.intercept = gamma.back();
    result.coef.assign(p_, 0.0);
    for (std::size_t j = 0; j < p_; ++j) {
        if (rows_.moments.sd[j] == 0.0) continue;
        result.coef[j] = gamma[j] / spread_[j] + 0.0;  // + 0.0: no negative zeros
        result.intercept -= location_[j] * result.coef[j];
    }
}

/// Where the maximum is at infinity: fits the rows that are not separated, and moves along the
/// separating direction until the separated ones have gained all that they can.
bool Problem::solve_separated(std::span<const double> gram, const Evaluation& at,
                              FitResult& result) const {
    if (weakest_share(gram, at.curvature, static_cast<std::ptrdiff_t>(p_ + 1), free_) >
        suspicious_share)
        return false;
    const auto separation = find_separation(*likelihood_, gram, free_);
    if (!separation) return false;

    std::vector<double> weight = rows_.weight;
    if (weight.empty()) weight.assign(rows_.used.size(), 1.0);
    for (const std::ptrdiff_t row : separation->rows) weight[static_cast<std::size_t>(row)] = 0.0;
    FitProblem finite = problem_;
    finite.sample.weight = weight;
    finite.start_coef = {};
    FitResult limit = Problem(design_, finite, options_).solve();

    FitResult direction;
    std::vector<double> smallest = separation->direction;
    to_smallest_norm(smallest);
    to_user_units(smallest, direction);
    // Far enough for the separated rows to be predicted to rounding.
    constexpr double far = 37.0;
    const std::vector<double> unit = likelihood_->change_of_eta(separation->direction);
    std::vector<double> eta(unit.size());
    predict(design_, limit.coef, limit.intercept, problem_.sample.offset,
            index_of<InverseLinks>("identity", "inverse link"), eta.data(), options_.execution);
    double amount = 0.0;
    for (const std::ptrdiff_t row : separation->rows) {
        const double towards = unit[static_cast<std::size_t>(row)];
        const double gained = towards > 0.0 ? eta[static_cast<std::size_t>(row)]
                                            : -eta[static_cast<std::size_t>(row)];
        amount = std::max(amount, (far - gained) / std::abs(towards));
    }
    double largest = 0.0;
    for (std::size_t j = 0; j < p_; ++j)
        largest = std::max(largest, std::abs(direction.coef[j]) * spread_[j]);
    for (std::size_t j = 0; j < p_; ++j) {
        result.coef[j] = limit.coef[j] + amount * direction.coef[j];
        if (std::abs(direction.coef[j]) * spread_[j] > 0.3 * largest)
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

FitResult Problem::solve() {
    FitResult result;
    result.n_used = rows_.moments.n_used;
    result.n_dropped = rows_.n_dropped;
    result.sum_of_weights = rows_.sum_of_weights;
    result.penalised = penalised_;
    result.coef.assign(p_, 0.0);
    result.intercept = null_.intercept;
    result.rank = 1;
    for (std::size_t j = 0; j < p_; ++j)
        if (rows_.moments.sd[j] == 0.0) result.aliased.push_back(static_cast<std::ptrdiff_t>(j));
    if (null_.silent) {
        result.status = Status::silent;
        return result;
    }

    std::vector<double> gamma(p_ + 1, 0.0);
    gamma.back() = null_.intercept;
    Evaluation at_gamma;
    likelihood_->evaluate(gamma, Curvature::expected, at_gamma);
    const std::vector<double> gram_matrix = gram(at_gamma, problem_.sample.offset.empty());
    const auto size = static_cast<std::ptrdiff_t>(p_ + 1);
    rank_ = rank_of_gram(gram_matrix, size, candidates_, rank_tolerance(p_));
    result.rank = static_cast<std::ptrdiff_t>(rank_.independent.size());

    const GroupPenalty ridge(penalty_weights());
    bool reduced = false;
    if (!rank_.dependent.empty() && penalised_) {
        // A penalty that shows beside the data identifies the rest by itself.
        std::vector<double> penalised = at_gamma.curvature;
        ridge.add_curvature(penalised);
        RankReport with_penalty = rank_of_gram(penalised, size, candidates_, well_identified);
        if (with_penalty.dependent.empty())
            rank_ = std::move(with_penalty);
        else
            reduced = true;
    }
    free_ = rank_.independent;
    std::sort(free_.begin(), free_.end());
    if (!problem_.start_coef.empty()) {
        gamma = given_start();
        start_within_free(gamma);
        likelihood_->evaluate(gamma, Curvature::expected, at_gamma);
        if (!std::isfinite(at_gamma.value))
            throw std::invalid_argument(
                "the initial parameters give some rows a mean outside the domain of the model, or "
                "one that overflows; leave init_params out to start from the constant model.");
    }

    const std::vector<double> weights = penalty_weights();
    std::vector<double> free_weights;
    for (const std::ptrdiff_t j : free_)
        free_weights.push_back(weights[static_cast<std::size_t>(j)]);
    const SolveResult newton_result =
        reduced ? minimise(penalty_of_independent(weights), gamma, at_gamma, result)
                : minimise(GroupPenalty(free_weights), gamma, at_gamma, result);
    result.status = newton_result.status;
    result.n_iterations = newton_result.n_iterations;
    result.decrement = newton_result.decrement;
    if (!penalised_ && solve_separated(gram_matrix, at_gamma, result)) return result;

    to_smallest_norm(gamma);
    ridge.add_gradient(gamma, at_gamma.gradient);
    ridge.add_curvature(at_gamma.curvature);
    for (const std::ptrdiff_t j : candidates_) {
        const auto i = static_cast<std::size_t>(j);
        const double h = at_gamma.curvature[i * (p_ + 2)];
        if (h > 0.0)
            result.kkt = std::max(result.kkt, std::abs(at_gamma.gradient[i]) / std::sqrt(h));
    }
    to_user_units(gamma, result);
    return result;
}

}  // namespace

LossSelector select_loss(std::string_view model, std::string_view link) {
    LossSelector selector;
    selector.model = index_of<Observations>(model, "observation model");
    selector.link =
        index_of<InverseLinks>(link.empty() ? default_link(model) : link, "inverse link");
    return selector;
}

std::string_view default_link(std::string_view model) {
    std::string_view name;
    with_type<Observations>(index_of<Observations>(model, "observation model"),
                            [&]<class Model>() { name = Model::default_link::name; });
    return name;
}

std::vector<FitResult> fit(const Design& design, std::span<const FitProblem> problems,
                           const FitOptions& options) {
    std::vector<FitResult> results;
    results.reserve(problems.size());
    for (const FitProblem& problem : problems)
        results.push_back(Problem(design, problem, options).solve());
    return results;
}

}  // namespace spikeglm
