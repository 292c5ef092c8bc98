// From raw counts to rates in the loop, in C++ alone: simulates two coupled neurons, fits a
// population with ridge and history filters, and lets the fitted model run bin by bin.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "spikeglm/basis/expression.hpp"
#include "spikeglm/glm/fit.hpp"
#include "spikeglm/online.hpp"

int main() {
    constexpr std::ptrdiff_t n_bins = 20000;
    constexpr std::ptrdiff_t window = 10;
    constexpr std::ptrdiff_t n_basis = 4;
    constexpr std::size_t n_neurons = 2;

    // Each neuron excites the other in the bin after its spike, and is quiet itself.
    std::mt19937 random(1);
    std::uniform_real_distribution<double> uniform;
    std::vector<std::uint8_t> counts(n_bins * n_neurons);
    for (std::size_t t = 1; t < n_bins; ++t)
        for (std::size_t i = 0; i < n_neurons; ++i) {
            const double own = counts[(t - 1) * n_neurons + i];
            const double other = counts[(t - 1) * n_neurons + 1 - i];
            const double rate = std::exp(-2.0 - own + 0.8 * other);
            // At most one spike in a bin: excitation cannot run away.
            counts[t * n_neurons + i] = uniform(random) < 1.0 - std::exp(-rate);
        }

    // The features are computed while the fit asks for them; counts stay bytes.
    spikeglm::BasisParameters parameters;
    parameters.n_basis_funcs = n_basis;
    const spikeglm::Basis basis("RaisedCosineLog", parameters);
    const spikeglm::MatrixView view{
        counts.data(), spikeglm::ElementType::u8, n_bins, n_neurons, n_neurons, 1};
    const spikeglm::BasisDesign design(
        spikeglm::make_convolution(basis, view, window, {{0, n_bins}}));
    const auto n_features = static_cast<std::size_t>(design.cols());
    std::vector<std::vector<double>> y(n_neurons);
    const std::vector<double> ridge(n_features, 1e-4);
    std::vector<spikeglm::FitProblem> problems(n_neurons);
    for (std::size_t i = 0; i < n_neurons; ++i) {
        for (std::size_t t = 0; t < n_bins; ++t) y[i].push_back(counts[t * n_neurons + i]);
        problems[i].sample.y = y[i];
        problems[i].quadratic = ridge;
    }
    spikeglm::FitOptions options;
    options.loss = spikeglm::select_loss("Poisson", "exp");
    const auto results = spikeglm::fit(design, problems, options);

    // (n_features, n_neurons), as online.h wants it, and one after the other, as `predict_many`
    // does.
    std::vector<double> coef(n_features * n_neurons), side_by_side, intercepts;
    for (std::size_t i = 0; i < n_neurons; ++i) {
        for (std::size_t j = 0; j < n_features; ++j) coef[j * n_neurons + i] = results[i].coef[j];
        side_by_side.insert(side_by_side.end(), results[i].coef.begin(), results[i].coef.end());
        intercepts.push_back(results[i].intercept);
    }
    std::vector<double> expected(n_bins * n_neurons);
    spikeglm::predict_many(design, side_by_side, intercepts, {}, options.loss.link, expected.data(),
                           {});

    const std::vector<double> filters = basis.filters(window);
    spikeglm_node node{};
    node.kind = SPIKEGLM_CONVOLUTION;
    node.n_channels = n_neurons;
    node.n_basis_funcs = n_basis;
    node.window_size = window;
    node.filters = filters.data();
    const char* const link = "exp";
    spikeglm_online_description description{};
    description.n_inputs = description.n_outputs = n_neurons;
    description.n_nodes = description.n_links = 1;
    description.nodes = &node;
    description.n_features = n_features;
    description.coef = coef.data();
    description.intercept = intercepts.data();
    description.links = &link;
    spikeglm::online::Model model(description);

    double largest = 0.0;
    for (std::size_t t = 0; t < n_bins; ++t) {
        const double bin[n_neurons] = {static_cast<double>(counts[t * n_neurons]),
                                       static_cast<double>(counts[t * n_neurons + 1])};
        double rates[n_neurons];
        model.push(bin, rates);
        for (std::size_t i = 0; i < n_neurons && t >= window; ++i)
            largest = std::max(largest, std::abs(rates[i] / expected[i * n_bins + t] - 1.0));
    }
    std::printf("%zu neurons fitted: %s, %s; rates bin by bin differ by %.1e\n", n_neurons,
                results[0].status == spikeglm::Status::converged ? "converged" : "not converged",
                results[1].status == spikeglm::Status::converged ? "converged" : "not converged",
                largest);
    return largest < 1e-10 ? 0 : 1;
}
