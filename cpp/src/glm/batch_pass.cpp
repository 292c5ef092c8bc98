#include "batch_pass.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "lanes.hpp"
#include "side_by_side.hpp"
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

const double* from(std::span<const double> values, std::ptrdiff_t first) {
    return values.empty() ? nullptr : values.data() + first;
}

}  // namespace

std::vector<BlockUse> BatchPass::blocks_of(const Selection& selection) const {
    const std::ptrdiff_t step = design_.rows_per_block();
    const std::ptrdiff_t n = design_.rows();
    std::vector<BlockUse> blocks(at((n + step - 1) / step), BlockUse::all_with_weight_one);
    const std::span<const double> weight = selection.weight;
    for (std::ptrdiff_t b = 0; !weight.empty() && b < std::ssize(blocks); ++b) {
        const auto own = weight.subspan(at(b * step), at(std::min(step, n - b * step)));
        if (std::any_of(own.begin(), own.end(), [](double w) { return w != 1.0; }))
            blocks[at(b)] = std::any_of(own.begin(), own.end(), [](double w) { return w != 0.0; })
                                ? BlockUse::some
                                : BlockUse::none;
    }
    return blocks;
}

struct BatchPass::Predictors {
    SideBySide layout;
    AlignedNumbers beta;
    std::vector<double> intercept;
};

BatchPass::Predictors BatchPass::in_user_units(std::span<const Request> requests) const {
    const SideBySide layout(design_.cols(), requests.size());
    Predictors predictors{layout, AlignedNumbers(layout.size()), {}};
    for (std::size_t k = 0; k < requests.size(); ++k) {
        double intercept = requests[k].gamma.back();
        for (std::ptrdiff_t j = 0; j < design_.cols(); ++j) {
            const double beta = requests[k].gamma[at(j)] / spread_[at(j)];
            predictors.beta[layout(j, static_cast<std::ptrdiff_t>(k))] = beta;
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
        if ((*requests[k].member->blocks)[at(block)] == BlockUse::none) continue;
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
    const auto begin = static_cast<std::ptrdiff_t>(run.begin);
    predictors.layout.add_eta(x, predictors.beta.data(), begin,
                              static_cast<std::ptrdiff_t>(run.end) - begin, eta + begin * x.rows);
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
    const SideBySide& layout = predictors.layout;
    std::vector<std::size_t> diagnosed;
    for (std::size_t k = 0; k < requests.size(); ++k)
        if (requests[k].diagnose) diagnosed.push_back(k);
    const auto n_diagnosed = static_cast<std::ptrdiff_t>(diagnosed.size());
    // Of each problem the loss, the sums of d1 and of d2 over the model rows, and Pearson's; X'd1
    // of all; and of those that are diagnosed the sum of d2, X'd2 and (X^2)'d2.
    const std::ptrdiff_t first_product = 4 * m;
    const std::ptrdiff_t first_diagnosis = first_product + layout.size();
    const SideBySide diagnosis_layout(p, diagnosed.size());
    const std::ptrdiff_t lane_size = first_diagnosis + n_diagnosed + 2 * diagnosis_layout.size();
    const RowPlan plan = RowPlan::make(design_.rows(), lane_size, step);
    Lanes lanes = make_lanes(plan, lane_size);
    Lanes weakest = make_lanes(plan, m, std::numeric_limits<double>::infinity());
    for_each_block(
        plan, execution_,
        [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
            Workspace::Frame& frame) {
            const std::ptrdiff_t block = first / step;
            const std::vector<Run> runs =
                runs_of(requests, block, static_cast<std::size_t>(layout.granule()));
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
                    const BlockUse use = (*member.blocks)[at(block)];
                    if (use == BlockUse::none) {
                        std::fill_n(d1 + column, count, 0.0);
                        continue;
                    }
                    const double* y = member.sample.y.data() + first;
                    const double* weight =
                        use == BlockUse::some ? from(member.sample.weight, first) : nullptr;
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
                layout.add_products(x, d1 + begin * count, begin,
                                    static_cast<std::ptrdiff_t>(run.end) - begin,
                                    sums + first_product);
            }
            if (n_diagnosed == 0) return;
            double* all_d2 = frame.take(count * n_diagnosed);
            double* diagnosis = sums + first_diagnosis;
            for (std::size_t i = 0; i < diagnosed.size(); ++i) {
                const std::size_t k = diagnosed[i];
                const Member& member = *requests[k].member;
                double* own = all_d2 + static_cast<std::ptrdiff_t>(i) * count;
                if ((*member.blocks)[at(block)] == BlockUse::none) {
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
            diagnosis_layout.add_products(x, all_d2, 0, n_diagnosed, products);
            diagnosis_layout.add_products(squared(x, frame), all_d2, 0, n_diagnosed,
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
            const std::ptrdiff_t k = diagnosis_layout(j, static_cast<std::ptrdiff_t>(i));
            const double square = crosses[diagnosis_layout.size() + k];
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
                       kernels().matvec(x, predictors.beta.data(), eta);
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
