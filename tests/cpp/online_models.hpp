#pragma once
/// Models for the tests and the benchmark of spikeglm/online.h; C++17.

#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

#include "spikeglm/online.h"

/// Every output is coupled to the history of every input.
struct CoupledModel {
    std::size_t n_inputs, n_outputs, n_basis, window;
    std::vector<double> filters, coef, intercept;
    spikeglm_node node{};

    CoupledModel(std::size_t inputs, std::size_t outputs, std::size_t basis, std::size_t length)
        : n_inputs(inputs), n_outputs(outputs), n_basis(basis), window(length) {
        std::mt19937 generator(7);
        std::normal_distribution<double> normal;
        // Bumps that reach further back, each over a part of the window, as of raised cosines.
        for (std::size_t k = 0; k < window; ++k)
            for (std::size_t b = 0; b < n_basis; ++b) {
                const double at = std::log1p(static_cast<double>(k)) /
                                  std::log1p(static_cast<double>(window)) *
                                  static_cast<double>(n_basis);
                const double angle = 0.5 * 3.14159265358979 * (at - static_cast<double>(b));
                filters.push_back(std::abs(angle) < 3.14159265358979 ? 0.5 + 0.5 * std::cos(angle)
                                                                     : 0.0);
            }
        for (std::size_t i = 0; i < n_inputs * n_basis * n_outputs; ++i)
            coef.push_back(0.02 * normal(generator));
        for (std::size_t o = 0; o < n_outputs; ++o) intercept.push_back(normal(generator) - 2.0);
        node.kind = SPIKEGLM_CONVOLUTION;
        node.n_channels = n_inputs;
        node.n_basis_funcs = n_basis;
        node.window_size = window;
    }

    /// Refers to this model.
    spikeglm_online_description description() {
        static const char* const link = "exp";
        node.filters = filters.data();
        spikeglm_online_description made{};
        made.n_inputs = n_inputs;
        made.n_outputs = n_outputs;
        made.n_nodes = 1;
        made.nodes = &node;
        made.n_features = n_inputs * n_basis;
        made.coef = coef.data();
        made.intercept = intercept.data();
        made.n_links = 1;
        made.links = &link;
        return made;
    }

    /// (n_bins, n_inputs) samples, of which a share is not zero.
    std::vector<double> recording(std::size_t n_bins, double density) const {
        std::mt19937 generator(11);
        std::uniform_real_distribution<double> uniform;
        std::vector<double> x;
        for (std::size_t i = 0; i < n_bins * n_inputs; ++i)
            x.push_back(uniform(generator) < density ? 1.0 + std::floor(3.0 * uniform(generator))
                                                     : 0.0);
        return x;
    }
};

/// One term of each kind and family: (place * linear channel by channel), every other family,
/// Fourier in two dimensions, history in products and sums.
struct EveryKind {
    static constexpr std::size_t n_inputs = 12;
    static constexpr std::size_t n_features = 6 + 6 + 5 + 4 + 4 + 3 + 2 * 2 + 2 * (3 + 2);

    double unit[4] = {0.0, 1.0, 0.0, 1.0};
    double unbounded[4] = {-infinity, infinity, -infinity, infinity};
    double frequencies[4] = {1.0, 2.0, 0.0, 1.0};
    double filters[6] = {0.5, 1.0, -1.0, 0.25, 2.0, 0.0};
    std::vector<double> coef = std::vector<double>(n_features, 0.1);
    double intercept = 0.3;
    const char* link = "logistic";
    std::vector<spikeglm_node> nodes;

    EveryKind() {
        evaluation("BSpline", 6, 0);
        evaluation("CyclicBSpline", 6, 1);
        evaluation("MSpline", 5, 2);
        evaluation("RaisedCosineLinear", 4, 3);
        evaluation("RaisedCosineLog", 4, 4);
        evaluation("OneHot", 3, 5);
        spikeglm_node waves{};
        waves.kind = SPIKEGLM_FOURIER;
        waves.first_input = 6;
        waves.n_channels = 1;
        waves.bounds = unit;
        waves.n_dims = waves.n_waves = 2;
        waves.frequencies = frequencies;
        nodes.push_back(waves);
        convolution(3, 2);  // channel by channel: (history + history) * linear
        convolution(2, 3);
        operation(SPIKEGLM_SUM);
        evaluation("Identity", 1, 10, 2);
        operation(SPIKEGLM_PRODUCT);
    }
    EveryKind(const EveryKind&) = delete;

    spikeglm_online_description description() const {
        spikeglm_online_description made{};
        made.n_inputs = n_inputs;
        made.n_outputs = 1;
        made.n_nodes = nodes.size();
        made.nodes = nodes.data();
        made.n_features = n_features;
        made.coef = coef.data();
        made.intercept = &intercept;
        made.n_links = 1;
        made.links = &link;
        return made;
    }

private:
    static constexpr double infinity = std::numeric_limits<double>::infinity();

    void evaluation(const char* family, std::size_t n, std::size_t input,
                    std::size_t channels = 1) {
        spikeglm_node node{};
        node.kind = SPIKEGLM_EVALUATION;
        node.first_input = input;
        node.n_channels = channels;
        node.n_basis_funcs = n;
        node.family = family;
        node.order = 4;
        node.width = 2.0;
        node.time_scaling = 50.0;
        node.fill_value = std::numeric_limits<double>::quiet_NaN();
        node.bounds = channels == 1 ? unit : unbounded;
        nodes.push_back(node);
    }
    void convolution(std::size_t n_basis, std::size_t window) {
        spikeglm_node node{};
        node.kind = SPIKEGLM_CONVOLUTION;
        node.first_input = 8;
        node.n_channels = 2;
        node.n_basis_funcs = n_basis;
        node.window_size = window;
        node.filters = filters;
        nodes.push_back(node);
    }
    void operation(int kind) {
        spikeglm_node node{};
        node.kind = kind;
        nodes.push_back(node);
    }
};
