#pragma once
/// The sums of a pass, one vector per lane. Internal to src/glm.

#include <cstddef>
#include <vector>

#include "spikeglm/backend/memory.hpp"
#include "spikeglm/backend/row_pass.hpp"

namespace spikeglm {

using Lanes = std::vector<std::vector<double>>;

[[nodiscard]] inline Lanes make_lanes(const RowPlan& plan, std::ptrdiff_t size,
                                      double value = 0.0) {
    require_memory(plan.n_lanes, size, sizeof(double), "the sums of a pass");
    return Lanes(static_cast<std::size_t>(plan.n_lanes),
                 std::vector<double>(static_cast<std::size_t>(size), value));
}

/// Four sums at a time, so that an addition does not wait for the one before it.
[[nodiscard]] inline double sum_of(const double* values, std::ptrdiff_t count) {
    double sums[4] = {};
    std::ptrdiff_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (std::ptrdiff_t k = 0; k < 4; ++k) sums[k] += values[i + k];
    for (; i < count; ++i) sums[0] += values[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace spikeglm
