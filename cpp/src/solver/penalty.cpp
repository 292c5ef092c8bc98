#include "spikeglm/solver/objective.hpp"

namespace spikeglm {

double RidgePenalty::value(std::span<const double> x) const {
    double sum = 0.0;
    for (std::size_t j = 0; j < weights_.size(); ++j) sum += weights_[j] * x[j] * x[j];
    return 0.5 * sum;
}

void RidgePenalty::add_gradient(std::span<const double> x, std::span<double> gradient) const {
    for (std::size_t j = 0; j < weights_.size(); ++j) gradient[j] += weights_[j] * x[j];
}

void RidgePenalty::add_curvature(std::span<double> curvature) const {
    const std::size_t n = weights_.size();
    for (std::size_t j = 0; j < n; ++j) curvature[j * n + j] += weights_[j];
}

double QuadraticPenalty::value(std::span<const double> x) const {
    std::vector<double> product(x.size(), 0.0);
    add_gradient(x, product);
    double sum = 0.0;
    for (std::size_t j = 0; j < x.size(); ++j) sum += x[j] * product[j];
    return 0.5 * sum;
}

void QuadraticPenalty::add_gradient(std::span<const double> x, std::span<double> gradient) const {
    for (std::size_t j = 0; j < x.size(); ++j)
        for (std::size_t i = 0; i < x.size(); ++i) gradient[i] += matrix_[i + j * x.size()] * x[j];
}

void QuadraticPenalty::add_curvature(std::span<double> curvature) const {
    for (std::size_t i = 0; i < matrix_.size(); ++i) curvature[i] += matrix_[i];
}

}  // namespace spikeglm
