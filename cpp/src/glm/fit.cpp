#include "spikeglm/glm/fit.hpp"

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/observation/all.hpp"
#include "spikeglm/solver/rank.hpp"

namespace spikeglm {
namespace {

/// Columns further from zero than this many of their standard deviations are shifted row by row;
/// nearer ones lose at most the square of it in units of rounding.
constexpr double shift_beyond = 30.0;
/// What may remain of a unit diagonal for a column to count as independent of the others.
constexpr double rank_tolerance = 1e-11;
/// A Newton step that still moves some row's eta by more than this while the decrement is below
/// tolerance belongs to an optimum at infinity: at a finite one the two vanish together.
constexpr double separation_step = 1e-3;

/// The rows in use, and y and weights in the form the pass wants them.
struct Rows {
    std::vector<std::uint8_t> used;  // a byte per row
    std::vector<double> weight;      // empty when all rows count once
    ColumnMoments moments;
    std::ptrdiff_t n_dropped = 0;
    double sum_of_weights = 0.0;
    double mean_y = 0.0;
    double mean_offset = 0.0;
    double smallest_offset = 0.0;
};

void require_length(std::span<const double> values, std::ptrdiff_t expected, const char* what) {
    if (static_cast<std::ptrdiff_t>(values.size()) != expected)
        throw std::invalid_argument(std::string(what) + " has " + std::to_string(values.size()) +
                                    " values, X has " + std::to_string(expected) + " rows.");
}

[[noreturn]] void refuse(const char* what, std::size_t row, double value,
                         std::string_view expected) {
    throw std::invalid_argument(std::string(what) + " is " + std::to_string(value) + " at row " +
                                std::to_string(row) + "; expected " + std::string(expected) + ".");
}

/// Marks the rows that weights, offset and y allow; X decides on the rest.
void mark_usable(const Sample& sample, LossSelector loss, std::vector<std::uint8_t>& used,
                 std::ptrdiff_t& n_nan_y) {
    with_type<Observations>(loss.model, [&]<class Model>() {
        for (std::size_t i = 0; i < sample.y.size(); ++i) {
            const double weight = sample.weight.empty() ? 1.0 : sample.weight[i];
            if (!(weight >= 0.0) || std::isinf(weight))
                refuse("sample_weight", i, weight, "a finite number, zero or above");
            if (!sample.offset.empty() && !std::isfinite(sample.offset[i]))
                refuse("offset", i, sample.offset[i], "a finite number");
            const double y = sample.y[i];
            const bool missing = std::isnan(y);
            if (!missing && (std::isinf(y) || !Model::in_support(y)))
                refuse("y", i, y, Model::support);
            n_nan_y += missing;
            used[i] = weight > 0.0 && !missing;
        }
    });
}

Rows select_rows(const Design& design, const Sample& sample, const FitOptions& options) {
    const std::ptrdiff_t n = design.rows();
    require_length(sample.y, n, "y");
    if (!sample.weight.empty()) require_length(sample.weight, n, "sample_weight");
    if (!sample.offset.empty()) require_length(sample.offset, n, "offset");
    if (n == 0) throw std::invalid_argument("X and y hold 0 samples; a fit needs at least one.");

    Rows rows;
    rows.used.resize(static_cast<std::size_t>(n));
    std::ptrdiff_t n_nan_y = 0;
    mark_usable(sample, options.loss, rows.used, n_nan_y);
    std::ptrdiff_t n_nan_x = 0;
    rows.moments = column_moments(design, rows.used, n_nan_x, options.monitor);
    if (rows.moments.n_used == 0)
        throw std::invalid_argument(
            "no row can be used: of " + std::to_string(n) + " rows " + std::to_string(n_nan_x) +
            " have a NaN in X, " + std::to_string(n_nan_y) +
            " a NaN in y, the others weight zero. Is a convolution window longer than every epoch?");

    rows.smallest_offset = sample.offset.empty() ? 0.0 : std::numeric_limits<double>::infinity();
    double sum_y = 0.0;
    double sum_offset = 0.0;
    for (std::size_t i = 0; i < rows.used.size(); ++i) {
        const double given = sample.weight.empty() ? 1.0 : sample.weight[i];
        if (rows.used[i] == 0) {
            rows.n_dropped += given > 0.0;
            continue;
        }
        rows.sum_of_weights += given;
        sum_y += given * sample.y[i];
        if (sample.offset.empty()) continue;
        sum_offset += given * sample.offset[i];
        rows.smallest_offset = std::min(rows.smallest_offset, sample.offset[i]);
    }
    rows.mean_y = sum_y / rows.sum_of_weights;
    rows.mean_offset = sum_offset / rows.sum_of_weights;

    if (!sample.weight.empty() || rows.moments.n_used < n) {
        rows.weight.resize(rows.used.size());
        for (std::size_t i = 0; i < rows.used.size(); ++i)
            rows.weight[i] =
                rows.used[i] == 0 ? 0.0 : (sample.weight.empty() ? 1.0 : sample.weight[i]);
    }
    return rows;
}

/// Intercept of the model without coefficients; a mean on the border of the domain gives the
/// intercept that predicts it exactly, which is infinite for most links (`silent`).
double null_intercept(LossSelector loss, const Rows& rows, bool& silent) {
    double intercept = 0.0;
    with_type<InverseLinks>(loss.link, [&]<class Link>() {
        with_type<Observations>(loss.model, [&]<class Model>() {
            silent = Model::mean_must_be_positive && rows.mean_y <= 0.0;
            intercept = Link::link(rows.mean_y);
            if (silent) return;
            intercept -= rows.mean_offset;
            // Links that give a positive mean for positive eta only: keep every row inside.
            if (Model::mean_must_be_positive && !Link::mean_positive &&
                intercept + rows.smallest_offset <= 0.0)
                intercept = Link::link(rows.mean_y) - rows.smallest_offset;
        });
    });
    return intercept;
}

/// Everything one problem needs, in standardised coordinates.
class Problem {
public:
    Problem(const Design& design, const FitProblem& problem, const FitOptions& options)
        : problem_(problem),
          options_(options),
          rows_(select_rows(design, problem.sample, options)),
          p_(static_cast<std::size_t>(design.cols())) {
        if (!problem.strength.empty() && problem.strength.size() != p_)
            throw std::invalid_argument("expected " + std::to_string(p_) +
                                        " regularizer strengths, got " +
                                        std::to_string(problem.strength.size()) + ".");
        spread_ = rows_.moments.sd;
        location_ = rows_.moments.mean;
        for (std::size_t j = 0; j < p_; ++j) {
            if (spread_[j] > 0.0)
                candidates_.push_back(static_cast<std::ptrdiff_t>(j));
            else
                spread_[j] = 1.0;  // constant: its coefficient stays zero
            if (std::abs(location_[j]) > shift_beyond * spread_[j] && rows_.moments.sd[j] > 0.0)
                shift_ = rows_.moments.mean;
        }
        candidates_.push_back(static_cast<std::ptrdiff_t>(p_));
        if (!shift_.empty()) location_.assign(p_, 0.0);
        const bool all_used = rows_.moments.n_used == design.rows();
        prepared_.emplace(design, all_used ? std::span<const std::uint8_t>() : rows_.used, shift_);
        sample_ = {problem.sample.y, rows_.weight, problem.sample.offset};
        likelihood_.emplace(*prepared_, sample_, options.loss, location_, spread_, options.monitor);
    }

    FitResult solve();

private:
    [[nodiscard]] std::vector<double> penalty_weights() const;
    void set_start(std::span<double> gamma) const;
    void smallest_norm(std::span<double> gamma) const;
    void check_separation(const NewtonResult& newton, FitResult& result) const;
    [[nodiscard]] double estimate_dispersion(std::span<const double> gamma,
                                             std::ptrdiff_t rank) const;

    const FitProblem& problem_;
    const FitOptions& options_;
    Rows rows_;
    std::size_t p_;
    std::vector<double> spread_, location_, shift_;
    std::vector<std::ptrdiff_t> candidates_;
    RankReport rank_;
    Sample sample_;
    std::optional<PreparedDesign> prepared_;
    std::optional<Likelihood> likelihood_;
};

/// Strengths for the total instead of the mean loss, and for gamma = s beta instead of beta.
std::vector<double> Problem::penalty_weights() const {
    std::vector<double> weights(p_ + 1, 0.0);
    for (std::size_t j = 0; j < problem_.strength.size(); ++j)
        weights[j] = rows_.sum_of_weights * problem_.strength[j] / (spread_[j] * spread_[j]);
    return weights;
}

void Problem::set_start(std::span<double> gamma) const {
    if (problem_.start_coef.size() != p_)
        throw std::invalid_argument("expected " + std::to_string(p_) +
                                    " initial coefficients, got " +
                                    std::to_string(problem_.start_coef.size()) + ".");
    std::vector<double> start(p_ + 1, 0.0);
    start.back() = problem_.start_intercept;
    for (std::size_t j = 0; j < p_; ++j) {
        if (rows_.moments.sd[j] > 0.0) start[j] = problem_.start_coef[j] * spread_[j];
        start.back() += rows_.moments.mean[j] * problem_.start_coef[j];
    }
    Evaluation trial;
    likelihood_->evaluate(start, Curvature::none, trial);
    if (!std::isfinite(trial.value))
        throw std::invalid_argument(
            "the initial parameters give some rows a mean outside the domain of the model, or one "
            "that overflows; leave init_params out to start from the constant model.");
    std::copy(start.begin(), start.end(), gamma.begin());
}

/// Moves along the null vectors to the smallest sum of squared coefficients in the user's units.
void Problem::smallest_norm(std::span<double> gamma) const {
    const auto k = static_cast<std::ptrdiff_t>(rank_.null_vectors.size());
    if (k == 0) return;
    Eigen::MatrixXd null_space(static_cast<std::ptrdiff_t>(p_), k);
    Eigen::VectorXd beta(static_cast<std::ptrdiff_t>(p_));
    for (std::size_t j = 0; j < p_; ++j) {
        const auto row = static_cast<std::ptrdiff_t>(j);
        beta(row) = gamma[j] / spread_[j];
        for (std::ptrdiff_t c = 0; c < k; ++c)
            null_space(row, c) = rank_.null_vectors[static_cast<std::size_t>(c)][j] / spread_[j];
    }
    const Eigen::VectorXd amount = null_space.colPivHouseholderQr().solve(beta);
    for (std::ptrdiff_t c = 0; c < k; ++c)
        for (std::size_t j = 0; j <= p_; ++j)
            gamma[j] -= amount(c) * rank_.null_vectors[static_cast<std::size_t>(c)][j];
}

void Problem::check_separation(const NewtonResult& newton, FitResult& result) const {
    // |change of eta| of a row is at most |step| |x|, and |x| at most sqrt(n p) in units of spread.
    double length = 0.0;
    for (const double value : newton.step) length += value * value;
    const double bound =
        std::sqrt(length * static_cast<double>(rows_.moments.n_used) * static_cast<double>(p_ + 1));
    if (bound < separation_step) return;
    const auto change = likelihood_->row_change(newton.step, 0.1);
    if (change.largest < separation_step) return;
    result.status = Status::separated;
    result.n_separated_rows = change.n_above;
    const double largest =
        *std::max_element(newton.step.begin(), newton.step.end(),
                          [](double a, double b) { return std::abs(a) < std::abs(b); });
    for (std::size_t j = 0; j < p_; ++j)
        if (std::abs(newton.step[j]) > 1e-3 * std::abs(largest))
            result.separated.push_back(static_cast<std::ptrdiff_t>(j));
}

double Problem::estimate_dispersion(std::span<const double> gamma, std::ptrdiff_t rank) const {
    const double dof = rows_.sum_of_weights - static_cast<double>(rank);
    return dof > 0.0 ? likelihood_->pearson(gamma) / dof : std::numeric_limits<double>::quiet_NaN();
}

FitResult Problem::solve() {
    FitResult result;
    result.n_used = rows_.moments.n_used;
    result.n_dropped = rows_.n_dropped;
    result.sum_of_weights = rows_.sum_of_weights;
    result.penalised = std::any_of(problem_.strength.begin(), problem_.strength.end(),
                                   [](double strength) { return strength > 0.0; });
    result.coef.assign(p_, 0.0);
    for (std::size_t j = 0; j < p_; ++j)
        if (rows_.moments.sd[j] == 0.0) result.aliased.push_back(static_cast<std::ptrdiff_t>(j));

    bool silent = false;
    result.intercept = null_intercept(options_.loss, rows_, silent);
    if (silent) {
        result.status = Status::silent;
        result.rank = 1;
        return result;
    }

    // The curvature of the constant model has positive weights on all rows in use: it shows the
    // rank of [1, X], whatever the optimum does to the weights.
    std::vector<double> gamma(p_ + 1, 0.0);
    gamma.back() = result.intercept;
    Evaluation at_gamma;
    likelihood_->evaluate(gamma, Curvature::expected, at_gamma);
    if (!std::isfinite(at_gamma.value))
        throw std::invalid_argument(
            "the constant model has no finite log-likelihood for these y and offset: mean of y " +
            std::to_string(rows_.mean_y) + ", mean of the offset " +
            std::to_string(rows_.mean_offset) + ".");
    rank_ = rank_of_gram(at_gamma.curvature, static_cast<std::ptrdiff_t>(p_ + 1), candidates_,
                         rank_tolerance);
    result.rank = static_cast<std::ptrdiff_t>(rank_.independent.size());

    // A penalty identifies coefficients that the data do not.
    const RidgePenalty penalty(penalty_weights());
    std::vector<std::ptrdiff_t> free = rank_.independent;
    if (!rank_.dependent.empty() && !problem_.strength.empty()) {
        std::vector<double> penalised = at_gamma.curvature;
        penalty.add_curvature(penalised);
        rank_ = rank_of_gram(penalised, static_cast<std::ptrdiff_t>(p_ + 1), candidates_,
                             std::numeric_limits<double>::epsilon());
        free = rank_.independent;
    }
    std::sort(free.begin(), free.end());

    if (!problem_.start_coef.empty()) {
        set_start(gamma);
        for (std::size_t k = 0; k < rank_.dependent.size(); ++k) {
            const double amount = gamma[static_cast<std::size_t>(rank_.dependent[k])];
            for (std::size_t j = 0; j <= p_; ++j) gamma[j] -= amount * rank_.null_vectors[k][j];
        }
        likelihood_->evaluate(gamma, Curvature::expected, at_gamma);
    }

    NewtonResult newton_result =
        newton(*likelihood_, penalty, free, options_.newton, gamma, at_gamma);
    with_type<Observations>(options_.loss.model, [&]<class Model>() {
        if (!Model::estimates_dispersion) return;
        // With dispersion phi a standard error is sqrt(phi) times what the loss says.
        result.dispersion = estimate_dispersion(gamma, result.rank);
        if (!(result.dispersion < 1.0) || newton_result.status != Status::converged) return;
        NewtonOptions tighter = options_.newton;
        tighter.tolerance *= std::sqrt(result.dispersion);
        tighter.max_iterations -= newton_result.n_iterations;
        const int before = newton_result.n_iterations;
        newton_result = newton(*likelihood_, penalty, free, tighter, gamma, at_gamma);
        newton_result.n_iterations += before;
        if (newton_result.n_iterations > before)
            result.dispersion = estimate_dispersion(gamma, result.rank);
    });
    result.status = newton_result.status;
    result.n_iterations = newton_result.n_iterations;
    result.decrement = newton_result.decrement;
    if (result.status == Status::converged || result.status == Status::precision_limit)
        check_separation(newton_result, result);

    penalty.add_gradient(gamma, at_gamma.gradient);
    penalty.add_curvature(at_gamma.curvature);
    for (const std::ptrdiff_t j : candidates_) {
        const auto i = static_cast<std::size_t>(j);
        const double h = at_gamma.curvature[i * (p_ + 2)];
        if (h > 0.0)
            result.kkt = std::max(result.kkt, std::abs(at_gamma.gradient[i]) / std::sqrt(h));
    }
    smallest_norm(gamma);
    result.intercept = gamma.back();
    for (std::size_t j = 0; j < p_; ++j) {
        if (rows_.moments.sd[j] == 0.0) continue;
        result.coef[j] = gamma[j] / spread_[j] + 0.0;  // + 0.0: no negative zeros
        result.intercept -= rows_.moments.mean[j] * result.coef[j];
    }
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
