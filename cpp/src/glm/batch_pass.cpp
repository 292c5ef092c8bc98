#include "batch_pass.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "lanes.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/observation/all.hpp"
#include "standardise.hpp"

namespace spikeglm {
namespace {

std::size_t at(std::ptrdiff_t i) { return static_cast<std::size_t>(i); }

/// The same block with the squares of its values: those of a product are products of squares.
RowBlock squared(const RowBlock& x, Workspace::Frame& frame) {
    const auto square = [&](const RowPart& from) {
        const std::ptrdiff_t stored = from.stored();
        double* values = frame.take(x.rows * stored);
        for (std::ptrdiff_t r = 0; r < x.rows; ++r)
            for (std::ptrdiff_t k = 0; k < stored; ++k) {
                const double value = from.values[r * from.stride + k];
                values[r * stored + k] = value * value;
            }
        RowPart part = from;
        part.values = values;
        part.stride = stored;
        return part;
    };
    auto* parts = frame.take<RowPart>(x.n_parts);
    for (std::ptrdiff_t i = 0; i < x.n_parts; ++i) {
        parts[i] = x.parts[i];
        if (!parts[i].factored()) {
            parts[i] = square(parts[i]);
            continue;
        }
        auto* factors = frame.take<RowPart>(2);
        std::transform(parts[i].factors, parts[i].factors + 2, factors, square);
        parts[i].factors = factors;
    }
    return {x.rows, x.cols, parts, x.n_parts};
}

/// Where the coefficient of column j of X and problem k lies: a few problems lie one after the
/// other, many side by side, filled up.
struct Layout {
    Layout(std::ptrdiff_t n_cols, std::size_t n_problems)
        : many(n_problems > 3),
          cols(n_cols),
          filled(many ? (static_cast<std::ptrdiff_t>(n_problems) + problem_lanes - 1) /
                            problem_lanes * problem_lanes
                      : static_cast<std::ptrdiff_t>(n_problems)) {}
    [[nodiscard]] std::size_t operator()(std::ptrdiff_t j, std::ptrdiff_t k) const {
        return at(many ? j * filled + k : k * cols + j);
    }
    [[nodiscard]] std::ptrdiff_t stride() const { return many ? filled : cols; }
    [[nodiscard]] std::ptrdiff_t size() const { return cols * filled; }
    /// Adds x'd of `n` problems, the first of which has its sums at `sums`.
    void add(const RowBlock& x, const double* d, std::ptrdiff_t n, double* sums) const {
        (many ? kernels().transpose_matvec_many : kernels().transpose_matvec)(x, d, x.rows, n, sums,
                                                                              stride());
    }

    bool many;
    std::ptrdiff_t cols, filled;
};

/// Numbers that begin where a line of the cache does.
class AlignedNumbers {
public:
    explicit AlignedNumbers(std::ptrdiff_t size) : values_(at(size) + line, 0.0) {
        void* begin = values_.data();
        std::size_t space = values_.size() * sizeof(double);
        aligned_ = static_cast<double*>(
            std::align(line * sizeof(double), at(size) * sizeof(double), begin, space));
    }
    [[nodiscard]] double* data() { return aligned_; }
    [[nodiscard]] const double* data() const { return aligned_; }

private:
    static constexpr std::size_t line = 8;
    std::vector<double> values_;
    double* aligned_;
};

const double* from(std::span<const double> values, std::ptrdiff_t first) {
    return values.empty() ? nullptr : values.data() + first;
}

}  // namespace

std::vector<std::uint8_t> BatchPass::used_blocks(std::span<const std::uint8_t> used_rows) const {
    const std::ptrdiff_t step = design_.rows_per_block();
    std::vector<std::uint8_t> used(at((design_.rows() + step - 1) / step), 0);
    for (std::size_t b = 0; b < used.size(); ++b) {
        const auto rows =
            used_rows.subspan(b * at(step), std::min(at(step), used_rows.size() - b * at(step)));
        used[b] = std::any_of(rows.begin(), rows.end(), [](std::uint8_t row) { return row != 0; });
    }
    return used;
}

struct BatchPass::Predictors {
    Layout layout;
    AlignedNumbers beta;
    std::vector<double> intercept;
};

BatchPass::Predictors BatchPass::in_user_units(std::span<const Request> requests) const {
    const Layout layout(design_.cols(), requests.size());
    Predictors predictors{layout, AlignedNumbers(layout.size()), {}};
    for (std::size_t k = 0; k < requests.size(); ++k) {
        double intercept = requests[k].gamma.back();
        for (std::ptrdiff_t j = 0; j < layout.cols; ++j) {
            const double beta = requests[k].gamma[at(j)] / spread_[at(j)];
            predictors.beta.data()[layout(j, static_cast<std::ptrdiff_t>(k))] = beta;
            intercept -= location_[at(j)] * beta;
        }
        predictors.intercept.push_back(intercept);
    }
    return predictors;
}

/// Requests with rows in use in a block, as ranges that begin at multiples of a granule and hold
/// some others.
std::vector<BatchPass::Run> BatchPass::runs_of(std::span<const Request> requests,
                                               std::ptrdiff_t block, std::size_t granule) {
    std::vector<Run> runs;
    for (std::size_t k = 0; k < requests.size(); ++k) {
        if ((*requests[k].member->used_blocks)[at(block)] == 0) continue;
        const std::size_t begin = k / granule * granule;
        if (runs.empty() || begin > runs.back().end)
            runs.push_back({begin, k + 1});
        else
            runs.back().end = k + 1;
    }
    return runs;
}

void BatchPass::eta_of(const RowBlock& x, std::ptrdiff_t first, std::span<const Request> requests,
                       const Predictors& predictors, const Run& run, double* eta) const {
    for (std::size_t k = run.begin; k < run.end; ++k) {
        double* own = eta + static_cast<std::ptrdiff_t>(k) * x.rows;
        std::fill_n(own, x.rows, predictors.intercept[k]);
        if (const double* offset = from(requests[k].member->sample.offset, first))
            for (std::ptrdiff_t r = 0; r < x.rows; ++r) own[r] += offset[r];
    }
    const Layout& layout = predictors.layout;
    const auto begin = static_cast<std::ptrdiff_t>(run.begin);
    const auto product = layout.many ? kernels().matvec_many : kernels().matvec;
    product(x, predictors.beta.data() + layout(0, begin), layout.stride(),
            static_cast<std::ptrdiff_t>(run.end) - begin, eta + begin * x.rows, x.rows);
}

namespace {

/// sum_i w_i (y_i - mu_i)^2 / V(mu_i) of models that estimate a dispersion; `mu` is scratch.
double pearson_of(LossSelector loss, std::ptrdiff_t count, const double* y, const double* eta,
                  const double* weight, double* mu) {
    double sum = 0.0;
    with_type<Observations>(loss.model, [&]<class Model>() {
        if constexpr (Model::estimates_dispersion) {
            const auto model = make_model<Model>(loss.parameter);
            kernels().inverse_link(loss.link, count, eta, mu);
            for (std::ptrdiff_t r = 0; r < count; ++r) {
                const double w = weight == nullptr ? 1.0 : weight[r];
                if (w == 0.0) continue;
                const double residual = (y[r] - mu[r]) / model.standard_deviation(mu[r]);
                sum += w * residual * residual;
            }
        }
    });
    return sum;
}

}  // namespace

void BatchPass::evaluate(std::span<Request> requests, Curvature kind) const {
    const std::ptrdiff_t p = design_.cols();
    const auto m = static_cast<std::ptrdiff_t>(requests.size());
    const std::ptrdiff_t step = design_.rows_per_block();
    const Predictors predictors = in_user_units(requests);
    const Layout& layout = predictors.layout;
    std::vector<std::size_t> diagnosed;
    for (std::size_t k = 0; k < requests.size(); ++k)
        if (requests[k].diagnose) diagnosed.push_back(k);
    const auto n_diagnosed = static_cast<std::ptrdiff_t>(diagnosed.size());
    // Of each problem the loss, the sums of d1 and of d2 over the model rows, and Pearson's; X'd1
    // of all; and of those that are diagnosed the sum of d2, X'd2 and (X^2)'d2.
    const std::ptrdiff_t first_product = 4 * m;
    const std::ptrdiff_t first_diagnosis = first_product + layout.size();
    const Layout diagnosis_layout(p, diagnosed.size());
    const std::ptrdiff_t lane_size = first_diagnosis + n_diagnosed + 2 * diagnosis_layout.size();
    const RowPlan plan = RowPlan::make(design_.rows(), lane_size, step);
    Lanes lanes = make_lanes(plan, lane_size);
    Lanes weakest = make_lanes(plan, m, std::numeric_limits<double>::infinity());
    for_each_block(
        plan, execution_,
        [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
            Workspace::Frame& frame) {
            const std::ptrdiff_t block = first / step;
            const std::vector<Run> runs = runs_of(requests, block, layout.many ? problem_lanes : 1);
            if (runs.empty()) return;
            const RowBlock x = design_.block(first, count, frame);
            double* eta = frame.take(count * m);
            double* d1 = frame.take(count * m);
            double* d2 = frame.take(count);
            double* sums = lanes[at(lane)].data();
            double* thin = frame.take(4 * count);
            for (const Run& run : runs) {
                eta_of(x, first, requests, predictors, run, eta);
                for (std::size_t k = run.begin; k < run.end; ++k) {
                    const Member& member = *requests[k].member;
                    const auto column = static_cast<std::ptrdiff_t>(k) * count;
                    if ((*member.used_blocks)[at(block)] == 0) {
                        std::fill_n(d1 + column, count, 0.0);
                        continue;
                    }
                    const double* y = member.sample.y.data() + first;
                    const double* weight = from(member.sample.weight, first);
                    double* own = sums + 4 * k;
                    // Without the canonical link d2 may be negative, in any row.
                    const Thinned* rows = requests[k].model_rows;
                    const bool all_d2 = rows != nullptr &&
                                        (rows->stride() == 1 || !has_canonical_link(member.loss));
                    own[0] += kernels().row_terms(member.loss, all_d2 ? kind : Curvature::none,
                                                  count, y, eta + column, weight, d1 + column, d2);
                    own[1] += sum_of(d1 + column, count);
                    if (rows == nullptr) continue;
                    double& least = weakest[at(lane)][k];
                    if (!has_canonical_link(member.loss) &&
                        std::any_of(d2, d2 + count, [](double h) { return h < 0.0; }))
                        least = -std::numeric_limits<double>::infinity();
                    // Model rows of this block: r = begin, begin + stride, ...
                    const std::ptrdiff_t stride = rows->stride();
                    const std::ptrdiff_t begin =
                        ((rows->from() - first) % stride + stride) % stride;
                    const std::ptrdiff_t n_model =
                        std::max<std::ptrdiff_t>(0, (count - begin + stride - 1) / stride);
                    if (n_model == 0) continue;
                    const auto gather = [&](const double* values, double* to) -> const double* {
                        if (values == nullptr) return nullptr;
                        for (std::ptrdiff_t r = 0; r < n_model; ++r)
                            to[r] = values[begin + r * stride];
                        return to;
                    };
                    if (!all_d2)
                        kernels().row_terms(member.loss, kind, n_model, gather(y, thin),
                                            gather(eta + column, thin + count),
                                            gather(weight, thin + 2 * count), thin + 3 * count, d2);
                    else if (stride > 1)
                        gather(d2, d2);
                    own[2] += sum_of(d2, n_model);
                    const double* weights =
                        requests[k].model_weights + (first + begin - rows->from()) / stride;
                    for (std::ptrdiff_t r = 0; r < n_model; ++r)
                        if (weights[r] > 0.0 && d2[r] < least * weights[r])
                            least = d2[r] / weights[r];
                }
                const auto begin = static_cast<std::ptrdiff_t>(run.begin);
                layout.add(x, d1 + begin * count, static_cast<std::ptrdiff_t>(run.end) - begin,
                           sums + first_product + layout(0, begin));
            }
            if (n_diagnosed == 0) return;
            double* all_d2 = frame.take(count * n_diagnosed);
            double* diagnosis = sums + first_diagnosis;
            for (std::size_t i = 0; i < diagnosed.size(); ++i) {
                const std::size_t k = diagnosed[i];
                const Member& member = *requests[k].member;
                double* own = all_d2 + static_cast<std::ptrdiff_t>(i) * count;
                if ((*member.used_blocks)[at(block)] == 0) {
                    std::fill_n(own, count, 0.0);
                    continue;
                }
                const double* y = member.sample.y.data() + first;
                const double* weight = from(member.sample.weight, first);
                const double* own_eta = eta + static_cast<std::ptrdiff_t>(k) * count;
                kernels().row_terms(member.loss, Curvature::observed, count, y, own_eta, weight, d2,
                                    own);
                diagnosis[i] += sum_of(own, count);
                sums[4 * k + 3] += pearson_of(member.loss, count, y, own_eta, weight, d2);
            }
            double* products = diagnosis + n_diagnosed;
            diagnosis_layout.add(x, all_d2, n_diagnosed, products);
            diagnosis_layout.add(squared(x, frame), all_d2, n_diagnosed,
                                 products + diagnosis_layout.size());
        });
    add_lanes(lanes);
    const double* sums = lanes.front().data();
    for (std::size_t k = 0; k < requests.size(); ++k) {
        Request& request = requests[k];
        const double* own = sums + 4 * k;
        const double* products = sums + first_product;
        request.value = own[0];
        request.model_d2 = own[2];
        request.pearson = own[3];
        request.weakest = std::numeric_limits<double>::infinity();
        for (const auto& lane : weakest) request.weakest = std::min(request.weakest, lane[k]);
        request.gradient.resize(at(p) + 1);
        for (std::ptrdiff_t j = 0; j < p; ++j)
            request.gradient[at(j)] =
                (products[layout(j, static_cast<std::ptrdiff_t>(k))] - location_[at(j)] * own[1]) /
                spread_[at(j)];
        request.gradient.back() = own[1];
    }
    for (std::size_t i = 0; i < diagnosed.size(); ++i) {
        const double total = sums[at(first_diagnosis) + i];
        const double* crosses = sums + first_diagnosis + n_diagnosed;
        std::vector<double>& diagonal = requests[diagnosed[i]].diagonal;
        diagonal.clear();
        for (std::ptrdiff_t j = 0; j < p; ++j) {
            const std::size_t k = diagnosis_layout(j, static_cast<std::ptrdiff_t>(i));
            const double square = crosses[at(diagnosis_layout.size()) + k];
            const double location = location_[at(j)];
            diagonal.push_back(
                (square - 2.0 * location * crosses[k] + location * location * total) /
                spread_[at(j)] / spread_[at(j)]);
        }
        diagonal.push_back(total);
    }
}

BatchPass::ModelEvaluation BatchPass::evaluate_model(const Thinned& rows, const Member& member,
                                                     std::span<const double> gamma,
                                                     Curvature kind) const {
    const std::ptrdiff_t p = design_.cols();
    const Request request{&member, gamma, &rows};
    const Predictors predictors = in_user_units(std::span(&request, 1));
    Workspace workspace;
    Workspace::Frame parts_frame(workspace);
    const RowBlock parts = design_.block(0, 0, parts_frame);
    ModelEvaluation result{{}, std::vector<double>(at(rows.rows()), 0.0)};
    // Loss, sums of d1 and d2; X'd1, X'd2 and the sandwich in the form of the kernels.
    const std::ptrdiff_t lane_size = 3 + kernels().products_size(parts, 2);
    const RowPlan plan = RowPlan::make(rows.rows(), lane_size, rows.rows_per_block());
    Lanes lanes = make_lanes(plan, lane_size);
    for_each_block(plan, execution_,
                   [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
                       Workspace::Frame& frame) {
                       const RowBlock x = rows.block(first, count, frame);
                       const auto gather = [&](std::span<const double> values) -> double* {
                           if (values.empty()) return nullptr;
                           double* own = frame.take(count);
                           for (std::ptrdiff_t r = 0; r < count; ++r)
                               own[r] = values[at(rows.base_row(first + r))];
                           return own;
                       };
                       double* eta = frame.take(count);
                       double* d = frame.take(2 * count);
                       const double* offset = gather(member.sample.offset);
                       for (std::ptrdiff_t r = 0; r < count; ++r)
                           eta[r] = predictors.intercept[0] + (offset == nullptr ? 0.0 : offset[r]);
                       kernels().matvec(x, predictors.beta.data(), p, 1, eta, count);
                       double* sums = lanes[at(lane)].data();
                       sums[0] +=
                           kernels().row_terms(member.loss, kind, count, gather(member.sample.y),
                                               eta, gather(member.sample.weight), d, d + count);
                       sums[1] += sum_of(d, count);
                       sums[2] += sum_of(d + count, count);
                       std::copy_n(d + count, count, result.d2.data() + first);
                       kernels().add_products(x, d, count, 2, sums + 3, frame.take(count * p));
                   });
    add_lanes(lanes);
    const double* sums = lanes.front().data();
    std::vector<double> collected(at(2 * p + p * p));
    kernels().collect_products(parts, 2, sums + 3, collected.data());
    Evaluation& out = result.at;
    out.value = sums[0];
    out.kind = kind;
    out.gradient.resize(at(p) + 1);
    for (std::size_t j = 0; j < at(p); ++j)
        out.gradient[j] = (collected[j] - location_[j] * sums[1]) / spread_[j];
    out.gradient.back() = sums[1];
    out.curvature.resize((at(p) + 1) * (at(p) + 1));
    standardise_curvature(location_, spread_, sums[2], collected.data() + p,
                          collected.data() + 2 * p, out.curvature.data(), at(p) + 1);
    return result;
}

}  // namespace spikeglm
