#include "spikeglm/glm/likelihood.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "lanes.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/observation/all.hpp"
#include "standardise.hpp"

namespace spikeglm {
namespace {

/// Sums over all rows: loss, sum d1, sum d2, X'd1 (p), X'd2 (p), X' diag(d2) X (p x p, each pair of
/// columns at (i, j) or at (j, i)). Those of a lane are in one vector too, so that lanes add as a
/// whole, with what follows the first three in the form of the kernels.
struct Layout {
    std::ptrdiff_t p;

    [[nodiscard]] std::ptrdiff_t d1() const { return 3; }
    [[nodiscard]] std::ptrdiff_t d2() const { return 3 + p; }
    [[nodiscard]] std::ptrdiff_t sandwich() const { return 3 + 2 * p; }
    [[nodiscard]] std::ptrdiff_t size() const { return 3 + 2 * p + p * p; }
};

/// The parts that all blocks of a design have.
class Parts {
public:
    explicit Parts(const Design& design) : frame_(workspace_), block_(design.block(0, 0, frame_)) {}
    [[nodiscard]] const RowBlock& operator*() const { return block_; }

private:
    Workspace workspace_;
    Workspace::Frame frame_;
    RowBlock block_;
};

/// Where a function that falls through zero does so, next to `x`: steps outwards until the sign
/// changes, then the Illinois form of false position. At a border where it does not change, that
/// border. Dowell & Jarratt (1971), BIT 11.
template <class F>
double root_next_to(const F& f, double x, double lowest, double highest) {
    double near = f(x);
    if (near == 0.0) return x;
    const double border = near > 0.0 ? highest : lowest;
    double other = x;
    double far = near;
    for (double step = 0.25; (far > 0.0) == (near > 0.0) && far != 0.0; step *= 2.0) {
        if (other == border) return border;
        x = other;
        near = far;
        other = near > 0.0 ? std::min(x + step, highest) : std::max(x - step, lowest);
        far = f(other);
    }
    for (int i = 0; i < 100 && std::abs(other - x) > 1e-13 * (1.0 + std::abs(x)); ++i) {
        const double next = (x * far - other * near) / (far - near);
        const double value = f(next);
        if (value == 0.0) return next;
        if ((value > 0.0) == (far > 0.0)) {
            near *= 0.5;
        } else {
            x = other;
            near = far;
        }
        other = next;
        far = value;
    }
    return other;
}

}  // namespace

bool has_canonical_link(LossSelector selector) {
    bool canonical = false;
    with_type<Observations>(selector.model, [&]<class Model>() {
        with_type<InverseLinks>(selector.link, [&]<class Link>() {
            canonical = std::is_same_v<typename Model::canonical_link, Link>;
        });
    });
    return canonical;
}

Likelihood::Likelihood(const Design& design, const Sample& sample, LossSelector selector,
                       std::span<const double> location, std::span<const double> spread,
                       const Execution& execution)
    : design_(design),
      sample_(sample),
      selector_(selector),
      location_(location),
      spread_(spread),
      execution_(execution),
      canonical_(has_canonical_link(selector)) {}

Likelihood::LinearPredictor Likelihood::in_user_units(std::span<const double> gamma) const {
    LinearPredictor predictor{std::vector<double>(spread_.size()), gamma.back()};
    for (std::size_t j = 0; j < spread_.size(); ++j) {
        predictor.beta[j] = gamma[j] / spread_[j];
        predictor.intercept -= location_[j] * predictor.beta[j];
    }
    return predictor;
}

bool Likelihood::unused(std::ptrdiff_t first, std::ptrdiff_t count) const {
    if (sample_.weight.empty()) return false;
    const auto rows =
        sample_.weight.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    return std::all_of(rows.begin(), rows.end(), [](double w) { return w == 0.0; });
}

void Likelihood::eta_of(const RowBlock& x, std::ptrdiff_t first, const LinearPredictor& predictor,
                        bool with_offset, double* eta) const {
    if (with_offset && !sample_.offset.empty())
        for (std::ptrdiff_t r = 0; r < x.rows; ++r)
            eta[r] = predictor.intercept + sample_.offset[static_cast<std::size_t>(first + r)];
    else
        std::fill_n(eta, x.rows, predictor.intercept);
    kernels().matvec(x, predictor.beta.data(), eta);
}

void Likelihood::evaluate(std::span<const double> gamma, Curvature kind, Evaluation& out) const {
    const std::ptrdiff_t p = design_.cols();
    const LinearPredictor predictor = in_user_units(gamma);
    const Layout layout{p};
    const Parts parts(design_);
    const bool curved = kind != Curvature::none;
    const std::ptrdiff_t lane_size = 3 + (curved ? kernels().products_size(*parts, 2) : p);
    const RowPlan plan = RowPlan::make(design_.rows(), lane_size, design_.rows_per_block());
    Lanes lanes = make_lanes(plan, lane_size);

    for_each_block(
        plan, execution_,
        [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
            Workspace::Frame& frame) {
            if (unused(first, count)) return;
            const RowBlock x = design_.block(first, count, frame);
            double* sums = lanes[static_cast<std::size_t>(lane)].data();
            double* eta = frame.take(count);
            double* d = frame.take(2 * count);  // d1, then d2
            eta_of(x, first, predictor, true, eta);
            const double* weight = sample_.weight.empty() ? nullptr : sample_.weight.data() + first;
            sums[0] += kernels().row_terms(selector_, kind, count, sample_.y.data() + first, eta,
                                           weight, d, d + count);
            sums[1] += sum_of(d, count);
            if (!curved) {
                kernels().transpose_matvec(x, d, sums + 3);
                return;
            }
            sums[2] += sum_of(d + count, count);
            kernels().add_products(x, d, count, 2, sums + 3, frame.take(count * p));
        });
    add_lanes(lanes);

    // From sums over rows to the standardised coordinates.
    std::vector<double> collected;
    const double* sums = lanes.front().data();
    if (curved) {
        collected.assign(sums, sums + 3);
        collected.resize(static_cast<std::size_t>(layout.size()));
        kernels().collect_products(*parts, 2, sums + 3, collected.data() + layout.d1());
        sums = collected.data();
    }
    out.value = sums[0];
    out.kind = kind;
    out.gradient.resize(static_cast<std::size_t>(p) + 1);
    for (std::size_t j = 0; j < static_cast<std::size_t>(p); ++j)
        out.gradient[j] =
            (sums[layout.d1() + static_cast<std::ptrdiff_t>(j)] - location_[j] * sums[1]) /
            spread_[j];
    out.gradient[static_cast<std::size_t>(p)] = sums[1];
    out.curvature.clear();
    if (kind != Curvature::none) standardise(sums, out.curvature);
}

void Likelihood::standardise(const double* sums, std::vector<double>& curvature) const {
    const auto p = spread_.size();
    const Layout layout{static_cast<std::ptrdiff_t>(p)};
    curvature.resize((p + 1) * (p + 1));
    standardise_curvature(location_, spread_, sums[2], sums + layout.d2(), sums + layout.sandwich(),
                          curvature.data(), p + 1);
}

std::vector<double> Likelihood::gram(std::span<const double> weight) const {
    const std::ptrdiff_t p = design_.cols();
    const Layout layout{p};
    const Parts parts(design_);
    const std::ptrdiff_t lane_size = 3 + kernels().products_size(*parts, 1);
    const RowPlan plan = RowPlan::make(design_.rows(), lane_size, design_.rows_per_block());
    Lanes lanes = make_lanes(plan, lane_size);
    for_each_block(plan, execution_,
                   [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
                       Workspace::Frame& frame) {
                       if (unused(first, count)) return;
                       const RowBlock x = design_.block(first, count, frame);
                       double* sums = lanes[static_cast<std::size_t>(lane)].data();
                       double* w = frame.take(count);
                       if (weight.empty())
                           std::fill_n(w, count, 1.0);
                       else
                           std::copy_n(weight.data() + first, count, w);
                       sums[2] += sum_of(w, count);
                       kernels().add_products(x, w, count, 1, sums + 3, frame.take(count * p));
                   });
    add_lanes(lanes);
    std::vector<double> sums(static_cast<std::size_t>(layout.size()));
    sums[2] = lanes.front()[2];
    kernels().collect_products(*parts, 1, lanes.front().data() + 3, sums.data() + layout.d2());
    std::vector<double> result;
    standardise(sums.data(), result);
    return result;
}

std::vector<double> Likelihood::change_of_eta(std::span<const double> direction) const {
    const LinearPredictor predictor = in_user_units(direction);
    std::vector<double> change(static_cast<std::size_t>(design_.rows()), 0.0);
    for_each_block(
        RowPlan::make(design_.rows(), 1), execution_,
        [&](std::ptrdiff_t, std::ptrdiff_t first, std::ptrdiff_t count, Workspace::Frame& frame) {
            if (unused(first, count)) return;
            const RowBlock x = design_.block(first, count, frame);
            eta_of(x, first, predictor, false, change.data() + first);
        });
    return change;
}

void Likelihood::row_gradients(std::span<const std::ptrdiff_t> rows, std::span<const double> gamma,
                               std::span<double> sum) const {
    const LinearPredictor predictor = in_user_units(gamma);
    const std::ptrdiff_t p = design_.cols();
    std::vector<double> product(static_cast<std::size_t>(p), 0.0);
    double total = 0.0;
    Workspace workspace;
    for (const std::ptrdiff_t row : rows) {
        const auto i = static_cast<std::size_t>(row);
        const double weight = sample_.weight.empty() ? 1.0 : sample_.weight[i];
        if (weight == 0.0) continue;
        Workspace::Frame frame(workspace);
        const RowBlock x = design_.block(row, 1, frame);
        double eta = 0.0;
        double d1 = 0.0;
        double d2 = 0.0;
        eta_of(x, row, predictor, true, &eta);
        kernels().row_terms(selector_, Curvature::none, 1, &sample_.y[i], &eta, &weight, &d1, &d2);
        kernels().transpose_matvec(x, &d1, product.data());
        total += d1;
    }
    for (std::size_t j = 0; j < product.size(); ++j)
        sum[j] = (product[j] - location_[j] * total) / spread_[j];
    sum[product.size()] = total;
}

double Likelihood::best_parameter(std::span<const double> gamma) const {
    const LinearPredictor predictor = in_user_units(gamma);
    std::vector<double> mu(static_cast<std::size_t>(design_.rows()));
    for_each_block(
        RowPlan::make(design_.rows(), 1), execution_,
        [&](std::ptrdiff_t, std::ptrdiff_t first, std::ptrdiff_t count, Workspace::Frame& frame) {
            if (unused(first, count)) return;
            double* eta = frame.take(count);
            eta_of(design_.block(first, count, frame), first, predictor, true, eta);
            kernels().inverse_link(selector_.link, count, eta, mu.data() + first);
        });
    const RowPlan plan = RowPlan::make(design_.rows(), 1);
    const auto score = [&](double log_parameter) {
        Lanes lanes = make_lanes(plan, 1);
        with_type<Observations>(selector_.model, [&]<class Model>() {
            if constexpr (is_parametric<Model>) {
                const auto model = make_model<Model>(std::exp(log_parameter));
                for_each_block(plan, execution_,
                               [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
                                   Workspace::Frame&) {
                                   double& sum = lanes[static_cast<std::size_t>(lane)][0];
                                   for (std::ptrdiff_t r = first; r < first + count; ++r) {
                                       const auto i = static_cast<std::size_t>(r);
                                       const double w =
                                           sample_.weight.empty() ? 1.0 : sample_.weight[i];
                                       if (w > 0.0)
                                           sum += w * model.parameter_score(sample_.y[i], mu[i]);
                                   }
                               });
            }
        });
        add_lanes(lanes);
        return lanes.front()[0];
    };
    return std::exp(
        root_next_to(score, std::log(selector_.parameter), std::log(1e-8), std::log(1e8)));
}

double Likelihood::pearson(std::span<const double> gamma) const {
    const LinearPredictor predictor = in_user_units(gamma);
    const RowPlan plan = RowPlan::make(design_.rows(), 1);
    Lanes lanes = make_lanes(plan, 1);
    with_type<Observations>(selector_.model, [&]<class Model>() {
        const auto model = make_model<Model>(selector_.parameter);
        for_each_block(plan, execution_,
                       [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
                           Workspace::Frame& frame) {
                           if (unused(first, count)) return;
                           const RowBlock x = design_.block(first, count, frame);
                           double* eta = frame.take(count);
                           double* mu = frame.take(count);
                           eta_of(x, first, predictor, true, eta);
                           kernels().inverse_link(selector_.link, count, eta, mu);
                           for (std::ptrdiff_t r = 0; r < count; ++r) {
                               const auto row = static_cast<std::size_t>(first + r);
                               const double w = sample_.weight.empty() ? 1.0 : sample_.weight[row];
                               if (w == 0.0) continue;
                               const double residual =
                                   (sample_.y[row] - mu[r]) / model.standard_deviation(mu[r]);
                               lanes[static_cast<std::size_t>(lane)][0] += w * residual * residual;
                           }
                       });
    });
    add_lanes(lanes);
    return lanes.front()[0];
}

}  // namespace spikeglm
