#pragma once
/// Losses of the outputs of one bin, and their derivatives in eta. Internal to src/online.

#include <span>
#include <vector>

#include "spikeglm/backend/kernel_table.hpp"
#include "spikeglm/online_decoding.h"

namespace spikeglm {

class OutputLosses {
public:
    /// Throws std::invalid_argument.
    explicit OutputLosses(const spikeglm_observations& observations);

    [[nodiscard]] std::size_t size() const { return weights_.size(); }
    [[nodiscard]] int link() const { return selector_.link; }

    /// Takes the observations of a bin; those that are NaN or impossible, or whose `base` is NaN,
    /// weigh nothing until the next.
    void observe(const double* y, const double* base) noexcept;

    /// The sum of -log p over the outputs, up to what does not depend on eta; d1 and d2 where
    /// `curvature` is not none, each of `size` numbers.
    double evaluate(const double* eta, Curvature curvature) noexcept;
    [[nodiscard]] std::span<const double> d1() const { return d1_; }
    [[nodiscard]] std::span<const double> d2() const { return d2_; }

private:
    LossSelector selector_;
    std::vector<double> parameters_;  // per output, or one for all
    std::vector<double> weights_;     // 1 / phi
    std::vector<double> y_, used_, d1_, d2_;
};

}  // namespace spikeglm
