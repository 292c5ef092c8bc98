#include "spikeglm/glm/information.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>

#include "../solver/methods.hpp"
#include "lanes.hpp"
#include "problem.hpp"
#include "side_by_side.hpp"
#include "spikeglm/backend/kernels.hpp"

namespace spikeglm {
namespace {

std::size_t at(std::ptrdiff_t i) { return static_cast<std::size_t>(i); }

/// Scores of the rows of a problem, in order, in standardised coordinates.
class Scores {
public:
    Scores(const Design& design, const Problem& problem, std::span<const double> gamma)
        : problem_(problem), split_(problem.coordinates().split()) {
        const bool all_used = problem.rows().moments().n_used == design.rows();
        prepared_.emplace(design,
                          all_used ? std::span<const std::uint8_t>() : problem.rows().used(),
                          split_.row_location, split_.row_spread);
        intercept_ = gamma.back();
        for (std::size_t j = 0; j < split_.sum_spread.size(); ++j) {
            beta_.push_back(gamma[j] / split_.sum_spread[j]);
            intercept_ -= split_.sum_location[j] * beta_[j];
        }
    }

    /// Calls f(row, score) for every row in use; the score counts a row once, times the root of its
    /// weight.
    template <class F>
    void for_each(const Execution& execution, F&& f) const {
        const Sample& sample = problem_.sample();
        const auto p = static_cast<std::ptrdiff_t>(beta_.size());
        std::vector<double> score(at(p + 1));
        Workspace workspace;
        const std::ptrdiff_t step = prepared_->rows_per_block();
        for (std::ptrdiff_t first = 0; first < prepared_->rows(); first += step) {
            if (execution.monitor) execution.monitor();
            Workspace::Frame frame(workspace);
            const std::ptrdiff_t count = std::min(step, prepared_->rows() - first);
            const RowBlock x = prepared_->block(first, count, frame);
            double* eta = frame.take(count);
            double* d1 = frame.take(count);
            for (std::ptrdiff_t r = 0; r < count; ++r)
                eta[r] = intercept_ + (sample.offset.empty() ? 0.0 : sample.offset[at(first + r)]);
            kernels().matvec(x, beta_.data(), eta);
            const double* weight = sample.weight.empty() ? nullptr : &sample.weight[at(first)];
            static_cast<void>(kernels().row_terms(problem_.loss(), Curvature::none, count,
                                                  &sample.y[at(first)], eta, weight, d1, nullptr));
            for (std::ptrdiff_t r = 0; r < count; ++r) {
                if (problem_.rows().used()[at(first + r)] == 0) continue;
                const double slope = weight == nullptr ? d1[r] : d1[r] / std::sqrt(weight[r]);
                for (std::ptrdiff_t j = 0; j < p; ++j)
                    score[at(j)] = -slope * split_.sum_location[at(j)] / split_.sum_spread[at(j)];
                for (std::ptrdiff_t i = 0; i < x.n_parts; ++i)
                    for_each_stored(x.parts[i], r, [&](std::ptrdiff_t c, double value) {
                        const std::size_t j = at(x.parts[i].first_col + c);
                        score[j] += slope * value / split_.sum_spread[j];
                    });
                score[at(p)] = slope;
                f(first + r, std::span<const double>(score));
            }
        }
    }

private:
    const Problem& problem_;
    Coordinates::Split split_;
    std::optional<PreparedDesign> prepared_;
    std::vector<double> beta_;
    double intercept_;
};

/// Sums outer products of dense rows, many at a time.
class OuterProducts {
public:
    explicit OuterProducts(std::ptrdiff_t cols)
        : cols_(cols), rows_(at(block_rows * cols)), weight_(at(block_rows)), scratch_(rows_) {
        sums_.assign(at(kernels().products_size(block(0), 1)), 0.0);
    }
    void add(std::span<const double> row, double weight) {
        std::copy(row.begin(), row.end(), rows_.begin() + n_ * cols_);
        weight_[at(n_)] = weight;
        if (++n_ == block_rows) flush();
    }
    [[nodiscard]] std::vector<double> collect() {
        flush();
        std::vector<double> collected(at(cols_ * (1 + cols_)));
        kernels().collect_products(block(0), 1, sums_.data(), collected.data());
        collected.erase(collected.begin(), collected.begin() + cols_);
        for (std::ptrdiff_t j = 0; j < cols_; ++j)
            for (std::ptrdiff_t i = j; i < cols_; ++i)
                collected[at(j + i * cols_)] = collected[at(i + j * cols_)];
        return collected;
    }

private:
    RowBlock block(std::ptrdiff_t rows) {
        part_ = RowPart::dense(rows_.data(), cols_, cols_);
        return {rows, cols_, &part_, 1};
    }
    void flush() {
        if (n_ > 0)
            kernels().add_products(block(n_), weight_.data(), block_rows, 1, sums_.data(),
                                   scratch_.data());
        n_ = 0;
    }

    std::ptrdiff_t cols_;
    std::ptrdiff_t n_ = 0;
    RowPart part_;
    std::vector<double> rows_, weight_, scratch_, sums_;
};

/// Bartlett's weights are those of sums over windows of lags + 1 scores: with zeros before and
/// after a chain,
///   sum_l (1 - |l| / (L + 1)) sum_t s_t s_{t-l}' = sum_t b_t b_t' / (L + 1),
///   b_t = s_t + ... + s_{t-L}.
/// Such a sum cannot have a negative eigenvalue.
std::vector<double> meat_of(const Scores& scores, std::ptrdiff_t size,
                            const InformationOptions& wanted, const Execution& execution) {
    OuterProducts products(size);
    const std::ptrdiff_t window = wanted.lags + 1;
    if (window == 1) {
        scores.for_each(execution, [&](std::ptrdiff_t, std::span<const double> score) {
            products.add(score, 1.0);
        });
        return products.collect();
    }
    // The last scores of the chain, in a ring, and their sum, made anew with each turn.
    std::vector<double> ring(at(window * size), 0.0);
    std::vector<double> sum(at(size), 0.0);
    std::ptrdiff_t position = 0;
    std::ptrdiff_t in_window = 0;
    const double weight = 1.0 / static_cast<double>(window);
    const auto advance = [&](std::span<const double> score) {
        double* oldest = ring.data() + position * size;
        for (std::ptrdiff_t j = 0; j < size; ++j) {
            const double incoming = score.empty() ? 0.0 : score[at(j)];
            sum[at(j)] += incoming - oldest[j];
            oldest[j] = incoming;
        }
        if (++position == window) {
            position = 0;
            std::fill(sum.begin(), sum.end(), 0.0);
            for (std::ptrdiff_t t = 0; t < window; ++t)
                for (std::ptrdiff_t j = 0; j < size; ++j) sum[at(j)] += ring[at(t * size + j)];
        }
        products.add(sum, weight);
    };
    const auto end_chain = [&] {
        for (; in_window > 1; --in_window) advance({});
        std::fill(ring.begin(), ring.end(), 0.0);
        std::fill(sum.begin(), sum.end(), 0.0);
        in_window = 0;
        position = 0;
    };
    std::ptrdiff_t last = -1;
    auto chain = wanted.chains.begin();
    scores.for_each(execution, [&](std::ptrdiff_t row, std::span<const double> score) {
        bool begins = row != last + 1;
        for (; chain != wanted.chains.end() && *chain <= row; ++chain) begins = true;
        if (begins) end_chain();
        last = row;
        in_window = window;
        advance(score);
    });
    end_chain();
    return products.collect();
}

/// Gram matrices of the rows in use, which problems share.
struct KnownGram {
    std::shared_ptr<const Selection> selection;
    std::vector<double> gram;
};

/// sum_i d3_i (z_i'V z_i) z_i. d3 is a central difference of d2; V is taken to the user's columns,
/// x'Ux + 2 u'x + v, so that designs keep their structure.
std::vector<double> skew_of(const Design& design, const Problem& problem,
                            std::span<const double> gamma, std::span<const double> covariance,
                            const Execution& execution) {
    constexpr double h = 1e-4;
    const Coordinates::Split split = problem.coordinates().split();
    const bool all_used = problem.rows().moments().n_used == design.rows();
    const PreparedDesign prepared(
        design, all_used ? std::span<const std::uint8_t>() : problem.rows().used(),
        split.row_location, split.row_spread);
    const std::ptrdiff_t p = design.cols();
    const SideBySide layout(p, at(p), true);
    AlignedNumbers quadratic(layout.size());
    AlignedNumbers beta(p);
    std::vector<double> linear(at(p), 0.0);
    double intercept = gamma[at(p)];
    const auto v = [&](std::ptrdiff_t i, std::ptrdiff_t j) {
        return covariance[at(i + j * (p + 1))];
    };
    double constant = v(p, p);
    for (std::ptrdiff_t j = 0; j < p; ++j) {
        beta[j] = gamma[at(j)] / split.sum_spread[at(j)];
        intercept -= split.sum_location[at(j)] * beta[j];
        // V m of the centres, in units of the columns.
        double centre = v(p, j);
        for (std::ptrdiff_t i = 0; i < p; ++i) {
            quadratic[layout(i, j)] = v(i, j) / split.sum_spread[at(i)] / split.sum_spread[at(j)];
            centre -= v(i, j) * split.sum_location[at(i)] / split.sum_spread[at(i)];
        }
        linear[at(j)] = centre / split.sum_spread[at(j)];
        constant -= (centre + v(p, j)) * split.sum_location[at(j)] / split.sum_spread[at(j)];
    }
    const Sample& sample = problem.sample();
    const std::ptrdiff_t step = prepared.rows_per_block();
    const RowPlan plan = RowPlan::make(prepared.rows(), p + 1, step);
    Lanes lanes = make_lanes(plan, p + 1);
    for_each_block(
        plan, execution,
        [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
            Workspace::Frame& frame) {
            const RowBlock x = prepared.block(first, count, frame);
            double* sums = lanes[at(lane)].data();
            double* eta = frame.take(count);
            double* d1 = frame.take(count);
            double* low = frame.take(count);
            double* high = frame.take(count);
            const double* y = &sample.y[at(first)];
            const double* weight = sample.weight.empty() ? nullptr : &sample.weight[at(first)];
            for (std::ptrdiff_t r = 0; r < count; ++r)
                eta[r] =
                    intercept - h + (sample.offset.empty() ? 0.0 : sample.offset[at(first + r)]);
            kernels().matvec(x, beta.data(), eta);
            static_cast<void>(kernels().row_terms(problem.loss(), Curvature::observed, count, y,
                                                  eta, weight, d1, low));
            for (std::ptrdiff_t r = 0; r < count; ++r) eta[r] += 2.0 * h;
            static_cast<void>(kernels().row_terms(problem.loss(), Curvature::observed, count, y,
                                                  eta, weight, d1, high));
            double* products = frame.take(count * p);
            for (std::ptrdiff_t j = 0; j < p; ++j)
                std::fill_n(products + j * count, count, 2.0 * linear[at(j)]);
            layout.add_eta(x, quadratic.data(), 0, p, products);
            for (std::ptrdiff_t r = 0; r < count; ++r) {
                double leverage = constant;
                for (std::ptrdiff_t i = 0; i < x.n_parts; ++i)
                    for_each_stored(x.parts[i], r, [&](std::ptrdiff_t c, double value) {
                        leverage += value * products[r + (x.parts[i].first_col + c) * count];
                    });
                d1[r] = leverage * (high[r] - low[r]) / (2.0 * h);
            }
            sums[p] += sum_of(d1, count);
            kernels().transpose_matvec(x, d1, sums);
        });
    add_lanes(lanes);
    std::vector<double> skew = std::move(lanes.front());
    for (std::ptrdiff_t j = 0; j < p; ++j)
        skew[at(j)] =
            (skew[at(j)] - split.sum_location[at(j)] * skew[at(p)]) / split.sum_spread[at(j)];
    return skew;
}

Information at_point(const Design& design, const FitProblem& given, const FitOptions& options,
                     Rows rows, const InformationOptions& wanted,
                     std::span<const double> covariance, std::vector<KnownGram>& known) {
    if (given.start_coef.empty())
        throw std::invalid_argument("the information of a problem is that of its coefficients.");
    Problem problem(design, given, options, std::move(rows));
    problem.prepare();
    Information result;
    result.n_used = problem.rows().moments().n_used;
    result.sum_of_weights = problem.rows().sum_of_weights();
    result.silent = problem.silent();
    if (result.silent) return result;
    const auto& coordinates = problem.coordinates();
    result.location.assign(coordinates.location().begin(), coordinates.location().end());
    result.spread.assign(coordinates.spread().begin(), coordinates.spread().end());
    result.objective_scale = problem.objective_scale();
    const std::vector<double> gamma = problem.given_start();
    Evaluation evaluation;
    problem.likelihood().evaluate(gamma, wanted.kind, evaluation);
    result.value = evaluation.value;
    if (!all_finite(evaluation)) {
        result.value = std::numeric_limits<double>::infinity();
        return result;
    }
    result.gradient = std::move(evaluation.gradient);
    result.curvature = std::move(evaluation.curvature);
    result.penalty = problem.quadratic_penalty();
    const auto& selection = problem.rows().selection;
    auto gram = std::find_if(known.begin(), known.end(),
                             [&](const KnownGram& k) { return k.selection == selection; });
    if (gram == known.end())
        gram = known.insert(gram, {selection, problem.likelihood().gram(selection->weight)});
    const RankReport rank = rank_at(coordinates, gram->gram);
    result.identified = rank.independent;
    result.null_vectors = rank.null_vectors;
    std::sort(result.identified.begin(), result.identified.end());
    if (wanted.meat) {
        const std::span<const double> weight = problem.sample().weight;
        if (wanted.lags > 0 && std::any_of(weight.begin(), weight.end(),
                                           [](double w) { return w != 0.0 && w != 1.0; }))
            throw std::invalid_argument(
                "scores that are correlated in time need rows that count once: sample_weight must "
                "be 0 or 1.");
        result.meat =
            meat_of(Scores(design, problem, gamma), std::ssize(gamma), wanted, options.execution);
    }
    if (!covariance.empty()) {
        if (covariance.size() != gamma.size() * gamma.size())
            throw std::invalid_argument("a covariance needs " + std::to_string(gamma.size()) +
                                        " rows and columns.");
        result.skew = skew_of(design, problem, gamma, covariance, options.execution);
    }
    return result;
}

}  // namespace

std::vector<Information> information(const Design& design, std::span<const FitProblem> problems,
                                     const FitOptions& options, const InformationOptions& wanted) {
    if (wanted.lags < 0)
        throw std::invalid_argument("expected lags >= 0, got " + std::to_string(wanted.lags) + ".");
    RowSelector selector(design, options);
    std::vector<KnownGram> known;
    std::vector<Information> results;
    if (!wanted.covariances.empty() && wanted.covariances.size() != problems.size())
        throw std::invalid_argument("expected a covariance for each problem.");
    for (std::size_t i = 0; i < problems.size(); ++i)
        results.push_back(at_point(
            design, problems[i], options, selector.select(problems[i].sample), wanted,
            wanted.covariances.empty() ? std::span<const double>() : wanted.covariances[i], known));
    return results;
}

}  // namespace spikeglm
