#include "spikeglm/glm/categorical.hpp"

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "coordinates.hpp"
#include "lanes.hpp"
#include "problem.hpp"
#include "rows.hpp"
#include "side_by_side.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/solver/rank.hpp"
#include "standardise.hpp"

namespace spikeglm {
namespace {

/// Linear predictors this far apart are probabilities of zero and one to rounding.
constexpr double certain = 30.0;

std::size_t at(std::ptrdiff_t i) { return static_cast<std::size_t>(i); }

/// -sum w log p of softmax. Parameters are those of Likelihood, class by class: the coefficients
/// in standardised coordinates and then the intercept. The curvature, canonical, has the blocks
///   sum_i w_i p_k (delta_kl - p_l) z_i z_i'.
/// Cost of a pass: 4 n p K flops for value and gradient, n p^2 K (K + 1) / 2 for the curvature.
class Softmax final : public Objective {
public:
    Softmax(const Design& design, std::span<const double> y, std::span<const double> weight,
            std::ptrdiff_t n_classes, std::span<const double> location,
            std::span<const double> spread, const Execution& execution)
        : design_(design),
          y_(y),
          weight_(weight),
          n_classes_(n_classes),
          layout_(design.cols(), static_cast<std::size_t>(n_classes)),
          location_(location),
          spread_(spread),
          execution_(execution) {}

    [[nodiscard]] std::ptrdiff_t size() const override { return (design_.cols() + 1) * n_classes_; }
    [[nodiscard]] bool canonical() const override { return true; }
    [[nodiscard]] std::ptrdiff_t n_rows() const override { return design_.rows(); }

    void evaluate(std::span<const double> gamma, Curvature kind, Evaluation& out) const override;
    void row_gradients(std::span<const std::ptrdiff_t> rows, std::span<const double> gamma,
                       std::span<double> sum) const override;
    /// Largest difference between linear predictors of a row.
    [[nodiscard]] double widest(std::span<const double> gamma) const;
    /// X' diag(w) X in standardised coordinates.
    [[nodiscard]] std::vector<double> gram() const;

private:
    struct Predictors {
        AlignedNumbers beta;
        std::vector<double> intercept;
    };
    [[nodiscard]] Predictors in_user_units(std::span<const double> gamma) const;
    [[nodiscard]] double weight(std::ptrdiff_t row) const {
        return weight_.empty() ? 1.0 : weight_[at(row)];
    }
    void eta_of(const RowBlock& x, const Predictors& predictors, double* eta) const;
    /// Turns eta (count x K) into w p; returns the loss. `d` becomes w (p - [y = k]).
    double row_terms(std::ptrdiff_t first, std::ptrdiff_t count, double* eta, double* d) const;

    const Design& design_;
    std::span<const double> y_, weight_;
    std::ptrdiff_t n_classes_;
    SideBySide layout_;
    std::span<const double> location_, spread_;
    const Execution& execution_;
};

Softmax::Predictors Softmax::in_user_units(std::span<const double> gamma) const {
    const std::ptrdiff_t p = design_.cols();
    Predictors predictors{AlignedNumbers(layout_.size()), {}};
    for (std::ptrdiff_t k = 0; k < n_classes_; ++k) {
        double intercept = gamma[at(k * (p + 1) + p)];
        for (std::ptrdiff_t j = 0; j < p; ++j) {
            const double beta = gamma[at(k * (p + 1) + j)] / spread_[at(j)];
            predictors.beta[layout_(j, k)] = beta;
            intercept -= location_[at(j)] * beta;
        }
        predictors.intercept.push_back(intercept);
    }
    return predictors;
}

void Softmax::eta_of(const RowBlock& x, const Predictors& predictors, double* eta) const {
    for (std::ptrdiff_t k = 0; k < n_classes_; ++k)
        std::fill_n(eta + k * x.rows, x.rows, predictors.intercept[at(k)]);
    layout_.add_eta(x, predictors.beta.data(), 0, n_classes_, eta);
}

double Softmax::row_terms(std::ptrdiff_t first, std::ptrdiff_t count, double* eta,
                          double* d) const {
    double loss = 0.0;
    for (std::ptrdiff_t r = 0; r < count; ++r) {
        const double w = weight(first + r);
        if (w == 0.0) {
            for (std::ptrdiff_t k = 0; k < n_classes_; ++k)
                eta[r + k * count] = d[r + k * count] = 0.0;
            continue;
        }
        const auto own = static_cast<std::ptrdiff_t>(y_[at(first + r)]);
        double largest = eta[r];
        for (std::ptrdiff_t k = 1; k < n_classes_; ++k)
            largest = std::max(largest, eta[r + k * count]);
        const double reached = eta[r + own * count] - largest;
        double sum = 0.0;
        double others = 0.0;  // all but the own class: 1 - p without a difference
        for (std::ptrdiff_t k = 0; k < n_classes_; ++k) {
            const double share = std::exp(eta[r + k * count] - largest);
            eta[r + k * count] = share;
            sum += share;
            if (k != own) others += share;
        }
        loss += w * ((reached == 0.0 ? std::log1p(others) : std::log(sum)) - reached);
        for (std::ptrdiff_t k = 0; k < n_classes_; ++k) {
            eta[r + k * count] *= w / sum;
            d[r + k * count] = k == own ? -w * (others / sum) : eta[r + k * count];
        }
    }
    return loss;
}

void Softmax::evaluate(std::span<const double> gamma, Curvature kind, Evaluation& out) const {
    const std::ptrdiff_t p = design_.cols();
    const std::ptrdiff_t classes = n_classes_;
    const Predictors predictors = in_user_units(gamma);
    Workspace workspace;
    Workspace::Frame parts_frame(workspace);
    const RowBlock parts = design_.block(0, 0, parts_frame);
    const bool curved = kind != Curvature::none;
    // A lane: loss, sums of d (K), X'd (p K); of each pair of classes the sum of h, and X'h with
    // X' diag(h) X in the form of the kernels.
    const std::ptrdiff_t products = kernels().products_size(parts, 1);
    const std::ptrdiff_t pairs = classes * (classes + 1) / 2;
    const std::ptrdiff_t first_pair = 1 + classes + layout_.size();
    const std::ptrdiff_t lane_size = first_pair + (curved ? pairs * (1 + products) : 0);
    const RowPlan plan = RowPlan::make(design_.rows(), lane_size, design_.rows_per_block());
    Lanes lanes = make_lanes(plan, lane_size);
    for_each_block(plan, execution_,
                   [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
                       Workspace::Frame& frame) {
                       const RowBlock x = design_.block(first, count, frame);
                       double* sums = lanes[at(lane)].data();
                       double* share = frame.take(count * classes);  // w p
                       double* d = frame.take(count * classes);
                       eta_of(x, predictors, share);
                       sums[0] += row_terms(first, count, share, d);
                       for (std::ptrdiff_t k = 0; k < classes; ++k)
                           for (std::ptrdiff_t r = 0; r < count; ++r)
                               sums[1 + k] += d[r + k * count];
                       layout_.add_products(x, d, 0, classes, sums + 1 + classes);
                       if (!curved) return;
                       double* h = frame.take(count);
                       double* scratch = frame.take(count * p);
                       double* pair = sums + first_pair;
                       for (std::ptrdiff_t k = 0; k < classes; ++k)
                           for (std::ptrdiff_t l = 0; l <= k; ++l, pair += 1 + products) {
                               for (std::ptrdiff_t r = 0; r < count; ++r) {
                                   const double w = weight(first + r);
                                   const double pk = share[r + k * count];
                                   h[r] = w == 0.0 ? 0.0
                                          : k == l ? pk * (w - pk) / w
                                                   : -pk * share[r + l * count] / w;
                                   pair[0] += h[r];
                               }
                               kernels().add_products(x, h, count, 1, pair + 1, scratch);
                           }
                   });
    add_lanes(lanes);

    const double* sums = lanes.front().data();
    const std::ptrdiff_t size = (p + 1) * classes;
    out.value = sums[0];
    out.kind = kind;
    out.gradient.resize(at(size));
    for (std::ptrdiff_t k = 0; k < classes; ++k) {
        for (std::ptrdiff_t j = 0; j < p; ++j)
            out.gradient[at(k * (p + 1) + j)] =
                (sums[1 + classes + layout_(j, k)] - location_[at(j)] * sums[1 + k]) /
                spread_[at(j)];
        out.gradient[at(k * (p + 1) + p)] = sums[1 + k];
    }
    out.curvature.assign(curved ? at(size * size) : 0, 0.0);
    if (!curved) return;
    std::vector<double> collected(at(p + p * p));
    const double* pair = sums + first_pair;
    for (std::ptrdiff_t k = 0; k < classes; ++k)
        for (std::ptrdiff_t l = 0; l <= k; ++l, pair += 1 + products) {
            kernels().collect_products(parts, 1, pair + 1, collected.data());
            const auto write = [&](std::ptrdiff_t row, std::ptrdiff_t col) {
                standardise_curvature(
                    location_, spread_, pair[0], collected.data(), collected.data() + p,
                    out.curvature.data() + row * (p + 1) + col * (p + 1) * size, at(size));
            };
            write(k, l);
            if (k != l) write(l, k);
        }
}

void Softmax::row_gradients(std::span<const std::ptrdiff_t> rows, std::span<const double> gamma,
                            std::span<double> sum) const {
    const std::ptrdiff_t p = design_.cols();
    const Predictors predictors = in_user_units(gamma);
    AlignedNumbers product(layout_.size());
    std::vector<double> total(at(n_classes_), 0.0);
    std::vector<double> eta(at(n_classes_));
    std::vector<double> d(at(n_classes_));
    Workspace workspace;
    for (const std::ptrdiff_t row : rows) {
        if (weight(row) == 0.0) continue;
        Workspace::Frame frame(workspace);
        const RowBlock x = design_.block(row, 1, frame);
        eta_of(x, predictors, eta.data());
        row_terms(row, 1, eta.data(), d.data());
        layout_.add_products(x, d.data(), 0, n_classes_, product.data());
        for (std::size_t k = 0; k < d.size(); ++k) total[k] += d[k];
    }
    for (std::ptrdiff_t k = 0; k < n_classes_; ++k) {
        for (std::ptrdiff_t j = 0; j < p; ++j)
            sum[at(k * (p + 1) + j)] =
                (product[layout_(j, k)] - location_[at(j)] * total[at(k)]) / spread_[at(j)];
        sum[at(k * (p + 1) + p)] = total[at(k)];
    }
}

double Softmax::widest(std::span<const double> gamma) const {
    const Predictors predictors = in_user_units(gamma);
    double widest = 0.0;
    Workspace workspace;
    for (std::ptrdiff_t first = 0; first < design_.rows(); first += block_rows) {
        Workspace::Frame frame(workspace);
        const std::ptrdiff_t count = std::min(block_rows, design_.rows() - first);
        const RowBlock x = design_.block(first, count, frame);
        double* eta = frame.take(count * n_classes_);
        eta_of(x, predictors, eta);
        for (std::ptrdiff_t r = 0; r < count; ++r) {
            if (weight(first + r) == 0.0) continue;
            double least = eta[r];
            double most = eta[r];
            for (std::ptrdiff_t k = 1; k < n_classes_; ++k) {
                least = std::min(least, eta[r + k * count]);
                most = std::max(most, eta[r + k * count]);
            }
            widest = std::max(widest, most - least);
        }
    }
    return widest;
}

std::vector<double> Softmax::gram() const {
    return Likelihood(design_, {y_, weight_, {}}, {}, location_, spread_, execution_).gram(weight_);
}

/// The problem in standardised coordinates.
class CategoricalFit {
public:
    CategoricalFit(const Design& design, const CategoricalProblem& problem,
                   const FitOptions& options);
    CategoricalResult solve();

private:
    [[nodiscard]] std::ptrdiff_t index(std::ptrdiff_t j, std::ptrdiff_t k) const {
        return k * (p_ + 1) + j;
    }
    [[nodiscard]] bool excluded(std::ptrdiff_t j, std::ptrdiff_t k) const {
        return !problem_.excluded.empty() && problem_.excluded[at(j + k * p_)] != 0;
    }
    /// Whether a shift of a column's coefficients of all classes changes nothing.
    [[nodiscard]] bool shifts_freely(std::ptrdiff_t j) const;
    [[nodiscard]] std::vector<double> scaled(std::span<const double> strengths, int power) const;
    [[nodiscard]] GroupNorms group_norms() const;
    [[nodiscard]] std::vector<double> start() const;
    void to_smallest_norm(std::vector<double>& gamma, const RankReport& rank) const;

    const CategoricalProblem& problem_;
    const FitOptions& options_;
    std::ptrdiff_t p_, classes_;
    Rows rows_;
    std::vector<std::uint8_t> in_no_class_;
    std::optional<Coordinates> coordinates_;
    Coordinates::Split split_;
    std::optional<PreparedDesign> prepared_;
    std::vector<double> count_;  // weight of each class
};

CategoricalFit::CategoricalFit(const Design& design, const CategoricalProblem& problem,
                               const FitOptions& options)
    : problem_(problem), options_(options), p_(design.cols()), classes_(problem.n_classes) {
    const auto require = [](std::size_t size, std::ptrdiff_t expected, const char* what) {
        if (size != 0 && size != at(expected))
            throw std::invalid_argument("expected " + std::to_string(expected) + " " + what +
                                        ", got " + std::to_string(size) + ".");
    };
    if (classes_ < 2) throw std::invalid_argument("a categorical model has at least two classes.");
    require(problem.quadratic.size(), p_ * classes_, "regularizer strengths");
    require(problem.absolute.size(), p_ * classes_, "regularizer strengths");
    require(problem.excluded.size(), p_ * classes_, "entries of the feature mask");
    require(problem.start_coef.size(), p_ * classes_, "initial coefficients");
    if (!problem.start_coef.empty())
        require(problem.start_intercept.size(), classes_, "initial intercepts");
    for (const std::ptrdiff_t member : problem.groups.members)
        if (member < 0 || member >= p_ * classes_)
            throw std::invalid_argument("a penalty group has the member " + std::to_string(member) +
                                        ", which does not exist.");
    // Labels are any number to the selection of rows, which asks for no more than a finite y.
    FitOptions selecting = options;
    selecting.loss = select_loss("Gaussian", "identity");
    rows_ = RowSelector(design, selecting).select({problem.y, problem.weight, {}});
    count_.assign(at(classes_), 0.0);
    for (std::size_t i = 0; i < problem.y.size(); ++i) {
        if (rows_.used()[i] == 0) continue;
        const double y = problem.y[i];
        if (!(y >= 0.0 && y < static_cast<double>(classes_)) || y != std::floor(y))
            throw std::invalid_argument("the class at row " + std::to_string(i) + " is " +
                                        std::to_string(y) + ", not one of 0 .. " +
                                        std::to_string(classes_ - 1) + ".");
        count_[static_cast<std::size_t>(y)] += rows_.weight().empty() ? 1.0 : rows_.weight()[i];
    }
    for (std::ptrdiff_t k = 0; k < classes_; ++k)
        if (!(count_[at(k)] > 0.0))
            throw std::invalid_argument("class " + std::to_string(k) + " has no row in use.");

    in_no_class_.assign(at(p_), 1);
    for (std::ptrdiff_t j = 0; j < p_; ++j)
        for (std::ptrdiff_t k = 0; k < classes_; ++k)
            if (!excluded(j, k)) in_no_class_[at(j)] = 0;
    coordinates_.emplace(rows_.moments(), in_no_class_, options.intercept);
    // Groups may hold any coefficients: all their columns have one spread.
    std::vector<std::ptrdiff_t> grouped;
    for (const std::ptrdiff_t member : problem.groups.members) grouped.push_back(member % p_);
    std::sort(grouped.begin(), grouped.end());
    grouped.erase(std::unique(grouped.begin(), grouped.end()), grouped.end());
    const std::vector<std::ptrdiff_t> all = {0, static_cast<std::ptrdiff_t>(grouped.size())};
    coordinates_->share_spread(all, grouped);
    split_ = coordinates_->split();
    const bool all_used = rows_.moments().n_used == design.rows();
    prepared_.emplace(design, all_used ? std::span<const std::uint8_t>() : rows_.used(),
                      split_.row_location, split_.row_spread);
}

bool CategoricalFit::shifts_freely(std::ptrdiff_t j) const {
    for (std::ptrdiff_t k = 0; k < classes_; ++k) {
        const std::size_t i = at(j + k * p_);
        if (excluded(j, k) || (!problem_.quadratic.empty() && problem_.quadratic[i] > 0.0) ||
            (!problem_.absolute.empty() && problem_.absolute[i] > 0.0))
            return false;
    }
    for (std::size_t g = 0; g < problem_.groups.weights.size(); ++g)
        for (auto i = problem_.groups.begin[g]; i < problem_.groups.begin[g + 1]; ++i)
            if (problem_.groups.weights[g] > 0.0 && problem_.groups.members[at(i)] % p_ == j)
                return false;
    return true;
}

/// Strengths for the total and for gamma = s beta instead of beta.
std::vector<double> CategoricalFit::scaled(std::span<const double> strengths, int power) const {
    std::vector<double> weights(at((p_ + 1) * classes_), 0.0);
    for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(strengths.size()); ++i) {
        double weight = rows_.sum_of_weights() * strengths[at(i)];
        for (int n = 0; n < power; ++n) weight /= coordinates_->spread()[at(i % p_)];
        weights[at(index(i % p_, i / p_))] = weight;
    }
    return weights;
}

GroupNorms CategoricalFit::group_norms() const {
    if (!problem_.absolute.empty()) return GroupNorms::singletons(scaled(problem_.absolute, 1));
    std::vector<std::ptrdiff_t> begin = {0};
    std::vector<std::ptrdiff_t> members;
    std::vector<double> weights;
    for (std::size_t g = 0; g < problem_.groups.weights.size(); ++g) {
        double weight = 0.0;
        for (auto i = problem_.groups.begin[g]; i < problem_.groups.begin[g + 1]; ++i) {
            const std::ptrdiff_t member = problem_.groups.members[at(i)];
            if (coordinates_->is_candidate(member % p_))
                weight = rows_.sum_of_weights() * problem_.groups.weights[g] /
                         coordinates_->spread()[at(member % p_)];
            members.push_back(index(member % p_, member / p_));
        }
        begin.push_back(static_cast<std::ptrdiff_t>(members.size()));
        weights.push_back(weight);
    }
    return {begin, members, weights};
}

/// The constant model, or what was given; with classes counted from the last where they shift.
std::vector<double> CategoricalFit::start() const {
    std::vector<double> gamma(at((p_ + 1) * classes_), 0.0);
    for (std::ptrdiff_t k = 0; k < classes_; ++k) {
        if (problem_.start_coef.empty()) {
            if (options_.intercept)
                gamma[at(index(p_, k))] = std::log(count_[at(k)] / count_.back());
            continue;
        }
        std::vector<double> coef(at(p_));
        for (std::ptrdiff_t j = 0; j < p_; ++j)
            coef[at(j)] = excluded(j, k) ? 0.0 : problem_.start_coef[at(j + k * p_)];
        const std::vector<double> own =
            coordinates_->from_user_units(coef, problem_.start_intercept[at(k)]);
        std::copy(own.begin(), own.end(), gamma.begin() + index(0, k));
    }
    for (std::ptrdiff_t j = 0; j <= p_; ++j)
        if (j == p_ || shifts_freely(j)) {
            const double last = gamma[at(index(j, classes_ - 1))];
            for (std::ptrdiff_t k = 0; k < classes_; ++k) gamma[at(index(j, k))] -= last;
        }
    return gamma;
}

/// For each class, along the null vectors to the smallest squares in the user's units; then each
/// column that shifts freely to a sum of zero.
void CategoricalFit::to_smallest_norm(std::vector<double>& gamma, const RankReport& rank) const {
    const auto n_null = static_cast<std::ptrdiff_t>(rank.null_vectors.size());
    if (n_null > 0) {
        Eigen::MatrixXd null_space(p_, n_null);
        for (std::ptrdiff_t c = 0; c < n_null; ++c)
            for (std::ptrdiff_t j = 0; j < p_; ++j)
                null_space(j, c) = rank.null_vectors[at(c)][at(j)] / coordinates_->spread()[at(j)];
        const auto qr = null_space.colPivHouseholderQr();
        for (std::ptrdiff_t k = 0; k < classes_; ++k) {
            Eigen::VectorXd beta(p_);
            for (std::ptrdiff_t j = 0; j < p_; ++j)
                beta(j) = gamma[at(index(j, k))] / coordinates_->spread()[at(j)];
            const Eigen::VectorXd amount = qr.solve(beta);
            for (std::ptrdiff_t c = 0; c < n_null; ++c)
                for (std::ptrdiff_t j = 0; j <= p_; ++j)
                    gamma[at(index(j, k))] -= amount(c) * rank.null_vectors[at(c)][at(j)];
        }
    }
    for (std::ptrdiff_t j = 0; j <= p_; ++j) {
        if (j < p_ && !shifts_freely(j)) continue;
        double sum = 0.0;
        for (std::ptrdiff_t k = 0; k < classes_; ++k) sum += gamma[at(index(j, k))];
        for (std::ptrdiff_t k = 0; k < classes_; ++k)
            gamma[at(index(j, k))] -= sum / static_cast<double>(classes_);
    }
}

CategoricalResult CategoricalFit::solve() {
    CategoricalResult result;
    result.n_used = rows_.moments().n_used;
    result.n_dropped = rows_.n_dropped;
    result.sum_of_weights = rows_.sum_of_weights();
    result.aliased = coordinates_->aliased();

    const Softmax objective(*prepared_, problem_.y, rows_.weight(), classes_, split_.sum_location,
                            split_.sum_spread, options_.execution);
    RankReport rank = rank_of_gram(objective.gram(), p_ + 1, coordinates_->candidates(),
                                   64.0 * std::numeric_limits<double>::epsilon() *
                                       static_cast<double>(std::max<std::ptrdiff_t>(p_, 10)));
    result.rank = static_cast<std::ptrdiff_t>(rank.independent.size());

    const GroupPenalty penalty(scaled(problem_.quadratic, 2), group_norms());
    const auto positive = [](std::span<const double> values) {
        return std::any_of(values.begin(), values.end(), [](double v) { return v > 0.0; });
    };
    result.penalised = positive(problem_.quadratic) || !penalty.smooth();
    // A penalty identifies what the data leave open.
    if (result.penalised) rank = {coordinates_->candidates(), {}, {}};
    std::vector<std::ptrdiff_t> free;
    std::vector<std::ptrdiff_t> searched = rank.independent;
    std::sort(searched.begin(), searched.end());
    for (std::ptrdiff_t k = 0; k < classes_; ++k)
        for (const std::ptrdiff_t j : searched)
            if (j == p_ ? k + 1 < classes_
                        : !excluded(j, k) && (k + 1 < classes_ || !shifts_freely(j)))
                free.push_back(index(j, k));

    std::vector<double> gamma = start();
    for (std::ptrdiff_t k = 0; k < classes_; ++k)
        for (std::size_t c = 0; c < rank.dependent.size(); ++c) {
            const double amount = gamma[at(index(rank.dependent[c], k))];
            for (std::ptrdiff_t j = 0; j <= p_; ++j)
                gamma[at(index(j, k))] -= amount * rank.null_vectors[c][at(j)];
        }
    Evaluation evaluation;
    objective.evaluate(gamma, Curvature::expected, evaluation);
    std::vector<double> ridge;
    const std::vector<double> all_ridge = scaled(problem_.quadratic, 2);
    for (const std::ptrdiff_t i : free) ridge.push_back(all_ridge[at(i)]);
    const GroupPenalty of_free(std::move(ridge), penalty.groups().restricted(free));
    const std::unique_ptr<Solver> solver = solver_of(options_, of_free.smooth());
    const double mean_weight = rows_.sum_of_weights() / static_cast<double>(rows_.moments().n_used);
    const SolveResult solved =
        minimise_within(objective, of_free, *solver, free,
                        {options_.tolerance * std::sqrt(std::min(1.0, mean_weight)),
                         options_.max_iterations, rows_.sum_of_weights()},
                        gamma, evaluation);
    result.status = solved.status;
    result.n_iterations = solved.n_iterations;
    result.decrement = solved.decrement;
    result.kkt = kkt_residual(penalty, gamma, evaluation, free);
    if (!result.penalised && objective.widest(gamma) > certain) result.status = Status::separated;

    to_smallest_norm(gamma, rank);
    for (std::ptrdiff_t k = 0; k < classes_; ++k) {
        std::vector<double> coef(at(p_));
        double intercept = 0.0;
        coordinates_->to_user_units(std::span(gamma).subspan(at(index(0, k)), at(p_ + 1)), coef,
                                    intercept);
        result.coef.insert(result.coef.end(), coef.begin(), coef.end());
        result.intercept.push_back(intercept);
    }
    double sum = 0.0;
    for (const double intercept : result.intercept) sum += intercept;
    for (double& intercept : result.intercept) intercept -= sum / static_cast<double>(classes_);
    return result;
}

}  // namespace

CategoricalResult fit_categorical(const Design& design, const CategoricalProblem& problem,
                                  const FitOptions& options) {
    return CategoricalFit(design, problem, options).solve();
}

}  // namespace spikeglm
