#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/memory.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/family.hpp"
#include "spikeglm/basis/fourier.hpp"
#include "spikeglm/glm/inverse_link.hpp"

namespace spikeglm {
namespace {

/// Indices of rows and channels are 32-bit.
constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();

void require(bool condition, const std::string& message) {
    if (!condition) throw std::invalid_argument(message);
}

template <class T>
class CouplingIn final : public Coupling {
public:
    CouplingIn(const spikeglm_online_description& model)
        : n_outputs_(model.n_outputs),
          stride_((model.n_outputs + per_line - 1) / per_line * per_line),
          weights_(model.n_features * stride_),
          intercept_(stride_),
          eta_(stride_),
          rows_(model.n_features),
          values_(model.n_features) {
        for (std::size_t o = 0; o < n_outputs_; ++o)
            intercept_.data()[o] = static_cast<T>(model.intercept[o]);
        for (std::size_t j = 0; j < model.n_features; ++j)
            for (std::size_t o = 0; o < n_outputs_; ++o)
                weights_.data()[place(model.n_features, j, o)] =
                    static_cast<T>(model.coef[j * n_outputs_ + o]);
    }

    void multiply(std::span<const double> features, double offset, double* eta) noexcept override {
        const auto n_features = static_cast<std::ptrdiff_t>(features.size());
        std::ptrdiff_t count = 0;
        if constexpr (std::is_same_v<T, double>)
            count = kernels().compress(features.data(), n_features, values_.data(), rows_.data());
        else
            count = kernels().compress_single(features.data(), n_features, values_.data(),
                                              rows_.data());
        const T constant = static_cast<T>(offset);
        for (std::size_t o = 0; o < stride_; ++o) eta_.data()[o] = intercept_.data()[o] + constant;
        for (std::size_t first = 0; first < stride_; first += strip) {
            const T* weights = weights_.data() + first * features.size();
            const auto width = static_cast<std::ptrdiff_t>(std::min(strip, stride_ - first));
            if constexpr (std::is_same_v<T, double>)
                kernels().couple(weights, width, rows_.data(), values_.data(), count,
                                 eta_.data() + first);
            else
                kernels().couple_single(weights, width, rows_.data(), values_.data(), count,
                                        eta_.data() + first);
        }
        std::copy_n(eta_.data(), n_outputs_, eta);
    }

private:
    static constexpr std::size_t per_line = couple_alignment / sizeof(T);
    /// Outputs whose weights lie together, all features: the sums that the largest registers hold.
    /// They are read as one stream.
    static constexpr std::size_t strip = 16 * per_line;

    [[nodiscard]] std::size_t place(std::size_t n_features, std::size_t feature,
                                    std::size_t output) const {
        const std::size_t first = output / strip * strip;
        return first * n_features + feature * std::min(strip, stride_ - first) + output - first;
    }

    std::size_t n_outputs_;
    std::size_t stride_;  // outputs, padded
    AlignedArray<T> weights_, intercept_, eta_;
    std::vector<std::int32_t> rows_;  // of the features that are not zero, and their values
    std::vector<T> values_;
};

std::vector<Bounds> bounds_of(const spikeglm_node& node, const double* values, bool finite) {
    require(values != nullptr, "a term of evaluation needs `bounds`, two for each channel.");
    std::vector<Bounds> bounds;
    for (std::size_t c = 0; c < node.n_channels; ++c) {
        const double low = values[2 * c];
        const double high = values[2 * c + 1];
        require(low <= high && (!finite || (std::isfinite(low) && std::isfinite(high))),
                "bounds must be finite and in order, got " + std::to_string(low) + " and " +
                    std::to_string(high) + ".");
        bounds.push_back({low, high});
    }
    return bounds;
}

ExpressionPtr pop(std::vector<ExpressionPtr>& stack) {
    require(!stack.empty(), "a product or sum has fewer than two nodes before it.");
    ExpressionPtr last = std::move(stack.back());
    stack.pop_back();
    return last;
}

}  // namespace

OnlineModel::OnlineModel(const spikeglm_online_description& model, bool single_precision)
    : n_outputs_(model.n_outputs) {
    require(n_outputs_ >= 1 && n_outputs_ <= most && model.n_features <= most,
            "a model has at least one output, and at most 2^31 - 1 outputs and features; got " +
                std::to_string(n_outputs_) + " and " + std::to_string(model.n_features) + ".");
    require(model.intercept != nullptr && model.links != nullptr &&
                (model.coef != nullptr || model.n_features == 0) &&
                (model.nodes != nullptr || model.n_nodes == 0),
            "`coef`, `intercept`, `links` and `nodes` must not be NULL.");
    for (std::size_t o = 0; o < n_outputs_; ++o)
        require(model.intercept[o] < std::numeric_limits<double>::infinity(),
                "an intercept is a number, or minus infinity.");
    require(model.n_links == 1 || model.n_links == n_outputs_,
            "expected one inverse link, or one for each of " + std::to_string(n_outputs_) +
                " outputs, got " + std::to_string(model.n_links) + ".");
    for (std::size_t i = 0; i < model.n_links; ++i) {
        require(model.links[i] != nullptr, "the name of an inverse link is NULL.");
        const int link = index_of<InverseLinks>(model.links[i], "inverse link");
        const std::size_t count = model.n_links == 1 ? n_outputs_ : 1;
        if (!links_.empty() && links_.back().link == link)
            ++links_.back().count;
        else
            links_.push_back(
                {link, static_cast<std::ptrdiff_t>(i), static_cast<std::ptrdiff_t>(count)});
    }

    // Every input belongs to a term: what a file says of their number is bounded by its terms.
    std::size_t n_used = 0;
    for (std::size_t i = 0; i < model.n_nodes; ++i) {
        const spikeglm_node& node = model.nodes[i];
        const std::size_t n_dims = node.kind == SPIKEGLM_FOURIER ? node.n_dims : 1;
        if (node.kind == SPIKEGLM_PRODUCT || node.kind == SPIKEGLM_SUM) continue;
        require(node.n_channels >= 1 && node.n_channels <= most && n_dims >= 1 && n_dims <= most &&
                    node.first_input <= model.n_inputs &&
                    n_dims * node.n_channels <= model.n_inputs - node.first_input,
                "node " + std::to_string(i) + " reads " + std::to_string(node.n_channels) +
                    " channels from input " + std::to_string(node.first_input) + "; there are " +
                    std::to_string(model.n_inputs) + " inputs.");
        n_used = std::max(n_used, node.first_input + n_dims * node.n_channels);
    }
    require(n_used == model.n_inputs, "the terms read " + std::to_string(n_used) + " inputs, not " +
                                          std::to_string(model.n_inputs) + ".");
    inputs_.assign(model.n_inputs, 0.0);

    std::vector<ExpressionPtr> stack;
    for (std::size_t i = 0; i < model.n_nodes; ++i) {
        const int kind = model.nodes[i].kind;
        if (kind != SPIKEGLM_PRODUCT && kind != SPIKEGLM_SUM) {
            stack.push_back(leaf(model.nodes[i], i, model.n_features, single_precision));
            continue;
        }
        ExpressionPtr right = pop(stack);
        ExpressionPtr left = pop(stack);
        stack.push_back(kind == SPIKEGLM_PRODUCT
                            ? make_product(std::move(left), std::move(right))
                            : make_sum(std::move(left), std::move(right), true));
        require(stack.back()->n_features() <= static_cast<std::ptrdiff_t>(model.n_features),
                "the terms make more features than the model has coefficients.");
    }
    for (ExpressionPtr& term : stack)
        root_ = root_ ? make_sum(std::move(root_), std::move(term)) : std::move(term);
    const auto n_made = root_ ? static_cast<std::size_t>(root_->n_features()) : 0;
    require(n_made == model.n_features, "the terms make " + std::to_string(n_made) +
                                            " features, the model has coefficients of " +
                                            std::to_string(model.n_features) + ".");

    for (std::size_t i = 0; i < model.n_features * n_outputs_; ++i)
        require(std::isfinite(model.coef[i]), "coefficients must be finite.");

    for (const auto& convolution : convolutions_) {
        const auto window = static_cast<std::size_t>(convolution->window_size());
        n_initial_ = std::max(n_initial_, convolution->includes_own_bin() ? window - 1 : window);
        predictive_ = predictive_ && !convolution->includes_own_bin();
    }
    require_memory(static_cast<std::ptrdiff_t>(model.n_features + 1),
                   static_cast<std::ptrdiff_t>(n_outputs_ + 16), sizeof(double), "the weights");
    if (single_precision)
        coupling_ = std::make_unique<CouplingIn<float>>(model);
    else
        coupling_ = std::make_unique<CouplingIn<double>>(model);
    features_.resize(model.n_features);
    eta_.resize(n_outputs_);
    std::vector<double> rates(n_outputs_);
    predict(0.0, rates.data());  // takes the scratch memory that a bin needs, and loads the kernels
    reset();
}

ExpressionPtr OnlineModel::leaf(const spikeglm_node& node, std::size_t index,
                                std::size_t n_features, bool single_precision) {
    const std::string name = "node " + std::to_string(index);
    const auto n_channels = static_cast<std::ptrdiff_t>(node.n_channels);
    const double* channels = inputs_.data() + node.first_input;
    const auto n_functions = [&](std::size_t n) {
        require(n >= 1 && n <= n_features / node.n_channels,
                name + " makes " + std::to_string(n) + " features of each of " +
                    std::to_string(node.n_channels) + " channels; the model has coefficients of " +
                    std::to_string(n_features) + ".");
        return static_cast<std::ptrdiff_t>(n);
    };
    const auto view = [&](std::size_t dim) {
        return MatrixView{channels + dim * node.n_channels,
                          ElementType::f64,
                          1,
                          n_channels,
                          n_channels * std::ptrdiff_t{sizeof(double)},
                          sizeof(double)};
    };
    if (node.kind == SPIKEGLM_CONVOLUTION) {
        require(node.filters != nullptr && node.window_size >= 1 && node.window_size <= most &&
                    node.window_size * node.n_channels <= most,
                name +
                    " needs filters of at least one bin, and fewer than 2^31 samples in its "
                    "window.");
        const auto window = static_cast<std::ptrdiff_t>(node.window_size);
        const std::ptrdiff_t n_basis = n_functions(node.n_basis_funcs);
        convolutions_.push_back(make_streaming_convolution(
            {{node.filters, static_cast<std::size_t>(window * n_basis)}, window, n_basis}, channels,
            n_channels, node.includes_own_bin != 0, single_precision));
        return convolutions_.back();
    }
    predictive_ = false;
    if (node.kind == SPIKEGLM_EVALUATION) {
        require(node.family != nullptr, name + " needs the name of a family of functions.");
        const Basis basis(node.family, {.n_basis_funcs = n_functions(node.n_basis_funcs),
                                        .order = node.order,
                                        .width = node.width,
                                        .time_scaling = node.time_scaling,
                                        .enforce_decay_to_zero = node.enforce_decay_to_zero != 0,
                                        .decay_rates = {},
                                        .mixing = {}});
        return make_evaluation(basis, view(0),
                               bounds_of(node, node.bounds, !basis.takes_raw_values()),
                               node.fill_value);
    }
    require(node.kind == SPIKEGLM_FOURIER,
            name + " is of kind " + std::to_string(node.kind) + ", which is not known.");
    require(node.frequencies != nullptr && node.bounds != nullptr,
            name + " needs `frequencies` and `bounds`.");
    const auto n_waves = static_cast<std::size_t>(n_functions(node.n_waves));
    std::vector<MatrixView> views;
    std::vector<std::vector<Bounds>> bounds;
    for (std::size_t d = 0; d < node.n_dims; ++d) {
        views.push_back(view(d));
        bounds.push_back(bounds_of(node, node.bounds + 2 * d * node.n_channels, true));
    }
    return make_fourier(std::move(views), bounds, {node.frequencies, node.n_dims * n_waves});
}

void OnlineModel::reset() noexcept {
    for (const auto& convolution : convolutions_) convolution->reset();
}

int OnlineModel::take(const double* inputs, double& offset) noexcept {
    bool infinite = std::isinf(offset);
    if (infinite) offset = nan_value;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        const bool here = std::isinf(inputs[i]);
        inputs_[i] = here ? nan_value : inputs[i];
        infinite |= here;
    }
    return infinite ? SPIKEGLM_INFINITE_INPUT : SPIKEGLM_OK;
}

int OnlineModel::push(const double* inputs, double offset, double* rates) noexcept {
    if (inputs == nullptr && !inputs_.empty()) return SPIKEGLM_INVALID_ARGUMENT;
    const int status = take(inputs, offset);
    for (const auto& convolution : convolutions_)
        if (convolution->includes_own_bin()) convolution->append();
    if (rates != nullptr) predict(offset, rates);
    for (const auto& convolution : convolutions_)
        if (!convolution->includes_own_bin()) convolution->append();
    return status;
}

int OnlineModel::next(const double* inputs, double offset, double* rates) noexcept {
    for (const auto& convolution : convolutions_)
        if (convolution->includes_own_bin()) return SPIKEGLM_INVALID_ARGUMENT;
    if ((inputs == nullptr && !predictive_) || rates == nullptr) return SPIKEGLM_INVALID_ARGUMENT;
    const int status = take(inputs == nullptr ? inputs_.data() : inputs, offset);
    predict(offset, rates);
    return status;
}

void OnlineModel::predict(double offset, double* rates) {
    if (root_)
        root_->fill(0, 1, features_.data(), static_cast<std::ptrdiff_t>(features_.size()),
                    workspace_);
    coupling_->multiply(features_, offset, eta_.data());
    for (const LinkRun& run : links_)
        kernels().inverse_link(run.link, run.count, eta_.data() + run.first, rates + run.first);
}

}  // namespace spikeglm
