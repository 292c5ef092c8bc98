#include "rows.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/observation/all.hpp"

namespace spikeglm {
namespace {

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

double weight_of(const Sample& sample, std::size_t row) {
    return sample.weight.empty() ? 1.0 : sample.weight[row];
}

/// Marks the rows that weights, offset and y allow; X decides on the rest.
void mark_usable(const Sample& sample, LossSelector loss, std::vector<std::uint8_t>& used,
                 std::ptrdiff_t& n_nan_y) {
    with_type<Observations>(loss.model, [&]<class Model>() {
        for (std::size_t i = 0; i < sample.y.size(); ++i) {
            const double weight = weight_of(sample, i);
            if (!(weight >= 0.0) || std::isinf(weight))
                refuse("sample_weight", i, weight, "a finite number, zero or above");
            if (!sample.offset.empty() && !std::isfinite(sample.offset[i]))
                refuse("offset", i, sample.offset[i], "a finite number");
            const double y = sample.y[i];
            const bool missing = std::isnan(y);
            if (std::isinf(y) || (weight > 0.0 && !missing && !Model::in_support(y)))
                refuse("y", i, y, Model::support);
            n_nan_y += missing;
            used[i] = weight > 0.0 && !missing;
        }
    });
}

/// The model without coefficients: one parameter, no X.
class ConstantModel final : public Objective {
public:
    ConstantModel(const Sample& sample, LossSelector loss) : sample_(sample), loss_(loss) {}
    [[nodiscard]] std::ptrdiff_t size() const override { return 1; }
    [[nodiscard]] bool canonical() const override { return false; }

    void evaluate(std::span<const double> x, Curvature kind, Evaluation& out) const override {
        constexpr std::ptrdiff_t block = 1024;
        double eta[block];
        double d1[block];
        double d2[block];
        out = {0.0, {0.0}, {0.0}, kind};
        const auto n = static_cast<std::ptrdiff_t>(sample_.y.size());
        for (std::ptrdiff_t first = 0; first < n; first += block) {
            const std::ptrdiff_t count = std::min(block, n - first);
            for (std::ptrdiff_t i = 0; i < count; ++i)
                eta[i] = x[0] + sample_.offset[static_cast<std::size_t>(first + i)];
            out.value += kernels().row_terms(
                loss_, kind, count, sample_.y.data() + first, eta,
                sample_.weight.empty() ? nullptr : sample_.weight.data() + first, d1, d2);
            for (std::ptrdiff_t i = 0; i < count; ++i) {
                out.gradient[0] += d1[i];
                if (kind != Curvature::none) out.curvature[0] += d2[i];
            }
        }
    }

private:
    const Sample& sample_;
    LossSelector loss_;
};

/// Best of the intercepts that put the mean, the largest and the smallest offset at g(mean of y):
/// one of them is inside the domain and does not overflow.
double start_with_offset(const ConstantModel& model, const Sample& sample, const Rows& rows,
                         double link_of_mean) {
    double sum = 0.0;
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    for (std::size_t i = 0; i < rows.used().size(); ++i) {
        if (rows.used()[i] == 0) continue;
        sum += weight_of(sample, i) * sample.offset[i];
        low = std::min(low, sample.offset[i]);
        high = std::max(high, sample.offset[i]);
    }
    double best = 0.0;
    double best_value = std::numeric_limits<double>::infinity();
    for (const double centre : {sum / rows.sum_of_weights(), high, low}) {
        Evaluation at;
        const double candidate = link_of_mean - centre;
        model.evaluate(std::span(&candidate, 1), Curvature::none, at);
        if (!(at.value < best_value)) continue;
        best = candidate;
        best_value = at.value;
    }
    if (!std::isfinite(best_value))
        throw std::invalid_argument(
            "no intercept gives every row a finite likelihood: the offsets range from " +
            std::to_string(low) + " to " + std::to_string(high) + ".");
    return best;
}

}  // namespace

/// Weights count in the rows that are used only: two samples differ when their vectors do.
const RowSelector::Known& RowSelector::find(const Sample& sample, std::vector<std::uint8_t> asked) {
    for (const Known& known : known_)
        if (known.weight == sample.weight.data() && known.asked == asked) return known;
    auto selection = std::make_shared<Selection>();
    selection->used = asked;
    std::ptrdiff_t n_nan_x = 0;
    selection->moments = column_moments(design_, selection->used, n_nan_x, options_.execution);
    if (!sample.weight.empty() || selection->moments.n_used < design_.rows()) {
        selection->weight.resize(selection->used.size());
        for (std::size_t i = 0; i < selection->used.size(); ++i)
            selection->weight[i] = selection->used[i] == 0 ? 0.0 : weight_of(sample, i);
    }
    selection->sum_of_weights = static_cast<double>(selection->moments.n_used);
    if (!sample.weight.empty()) {
        selection->sum_of_weights = 0.0;
        for (const double weight : selection->weight) selection->sum_of_weights += weight;
    }
    known_.push_back({std::move(asked), sample.weight.data(), std::move(selection), n_nan_x});
    return known_.back();
}

Rows RowSelector::select(const Sample& sample) {
    const std::ptrdiff_t n = design_.rows();
    require_length(sample.y, n, "y");
    if (!sample.weight.empty()) require_length(sample.weight, n, "sample_weight");
    if (!sample.offset.empty()) require_length(sample.offset, n, "offset");
    if (n == 0) throw std::invalid_argument("X and y hold 0 samples; a fit needs at least one.");

    std::vector<std::uint8_t> asked(static_cast<std::size_t>(n));
    std::ptrdiff_t n_nan_y = 0;
    mark_usable(sample, options_.loss, asked, n_nan_y);
    const Known& known = find(sample, std::move(asked));
    Rows rows{known.selection};
    if (rows.moments().n_used == 0)
        throw std::invalid_argument(
            "no row can be used: of " + std::to_string(n) + " rows " +
            std::to_string(known.n_nan_x) + " have a NaN in X, " + std::to_string(n_nan_y) +
            " a NaN in y, the others weight zero. Is a convolution window longer than every "
            "epoch?");

    double sum_y = 0.0;
    for (std::size_t i = 0; i < rows.used().size(); ++i) {
        const double weight = weight_of(sample, i);
        if (rows.used()[i] == 0)
            rows.n_dropped += weight > 0.0;
        else
            sum_y += weight * sample.y[i];
    }
    rows.mean_y = sum_y / rows.sum_of_weights();
    return rows;
}

NullModel fit_null_model(const Sample& sample, const Rows& rows, LossSelector loss,
                         bool intercept) {
    NullModel result;
    with_type<InverseLinks>(loss.link, [&]<class Link>() {
        with_type<Observations>(loss.model, [&]<class Model>() {
            const auto model = make_model<Model>(loss.parameter);
            result.silent = intercept && ((Model::mean_must_be_positive && rows.mean_y <= 0.0) ||
                                          (Model::mean_must_be_below_one && rows.mean_y >= 1.0));
            result.intercept = Link::link(rows.mean_y);
            if (result.silent) return;
            if (intercept && !std::isfinite(result.intercept))
                throw std::invalid_argument(
                    "the mean of y is " + std::to_string(rows.mean_y) +
                    ", which the inverse link '" + std::string(Link::name) +
                    "' cannot reach; choose another inverse link, or scale y.");
            double pearson = 0.0;
            for (std::size_t i = 0; i < rows.used().size(); ++i) {
                if (rows.used()[i] == 0) continue;
                const double residual =
                    (sample.y[i] - rows.mean_y) / model.standard_deviation(rows.mean_y);
                pearson += weight_of(sample, i) * residual * residual;
            }
            if (std::isfinite(pearson)) result.dispersion = pearson / rows.sum_of_weights();
        });
    });
    if (!intercept) result.intercept = 0.0;
    if (!intercept || result.silent || sample.offset.empty()) return result;

    const ConstantModel model(sample, loss);
    std::vector<double> x = {start_with_offset(model, sample, rows, result.intercept)};
    Evaluation at;
    model.evaluate(x, Curvature::observed, at);
    static_cast<void>(
        minimise(*make_newton(), model, GroupPenalty({0.0}), {1e-3, 200, 1.0}, x, at));
    result.intercept = x[0];
    return result;
}

bool has_parameter(int model) {
    bool found = false;
    with_type<Observations>(model, [&]<class Model>() { found = is_parametric<Model>; });
    return found;
}

double moment_dispersion(const Sample& sample, const Rows& rows) {
    double squares = 0.0;
    for (std::size_t i = 0; i < rows.used().size(); ++i) {
        if (rows.used()[i] == 0) continue;
        const double deviation = sample.y[i] - rows.mean_y;
        squares += weight_of(sample, i) * deviation * deviation;
    }
    const double excess = squares / rows.sum_of_weights() - rows.mean_y;
    const double found = excess / (rows.mean_y * rows.mean_y);
    return found > 0.01 && std::isfinite(found) ? found : 0.01;
}

}  // namespace spikeglm
