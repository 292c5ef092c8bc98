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

}  // namespace spikeglm
