#pragma once
/// Reading the input of a convolution, in the order in which it lies in memory.

#include <cstddef>

#include "spikeglm/backend/array_view.hpp"

namespace spikeglm {

/// What of the whole input decides how it is convolved.
struct InputSummary {
    double density = 0.0;  ///< share of samples that are not zero
    bool has_nan = false;
};

/// One pass over the input. Throws std::invalid_argument with sample and channel of the first
/// infinity.
[[nodiscard]] InputSummary summarise(const MatrixView& input);

/// Writes samples [first, first + n_samples) of `n_channels` channels as float64, channel after
/// channel, `stride` doubles from one to the next.
void load_channels(const MatrixView& input, std::ptrdiff_t first, std::ptrdiff_t n_samples,
                   std::ptrdiff_t channel, std::ptrdiff_t n_channels, double* out,
                   std::ptrdiff_t stride);

}  // namespace spikeglm
