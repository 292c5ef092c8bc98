#include "convolution_input.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace spikeglm {
namespace {

/// Samples that stay in the nearest cache together with their copy.
constexpr std::ptrdiff_t tile_bytes = 16384;

}  // namespace

InputSummary summarise(const MatrixView& input) {
    InputSummary summary;
    if (input.rows == 0 || input.cols == 0) return summary;
    const std::ptrdiff_t step = std::max<std::ptrdiff_t>(
        1, tile_bytes / static_cast<std::ptrdiff_t>(sizeof(double)) / input.cols);
    std::vector<double> tile(static_cast<std::size_t>(step * input.cols));
    double n_nonzero = 0.0;
    for (std::ptrdiff_t first = 0; first < input.rows; first += step) {
        const std::ptrdiff_t count = std::min(step, input.rows - first);
        input.load(first, count, tile.data(), input.cols);
        const std::ptrdiff_t size = count * input.cols;
        double nonzero = 0.0;
        double times_zero = 0.0;  // NaN when a sample is not finite
        for (std::ptrdiff_t i = 0; i < size; ++i) {
            const double value = tile[static_cast<std::size_t>(i)];
            nonzero += value != 0.0 ? 1.0 : 0.0;
            times_zero += value * 0.0;
        }
        n_nonzero += nonzero;
        if (times_zero == 0.0) continue;
        summary.has_nan = true;
        for (std::ptrdiff_t i = 0; i < size; ++i)
            if (std::isinf(tile[static_cast<std::size_t>(i)]))
                throw std::invalid_argument(
                    "a basis input holds an infinite value at sample " +
                    std::to_string(first + i / input.cols) + ", channel " +
                    std::to_string(i % input.cols) +
                    ". NaN marks missing samples; an infinity is an error upstream.");
    }
    summary.density =
        n_nonzero / (static_cast<double>(input.rows) * static_cast<double>(input.cols));
    return summary;
}

void load_channels(const MatrixView& input, std::ptrdiff_t first, std::ptrdiff_t count,
                   std::ptrdiff_t channel, std::ptrdiff_t n_channels, double* out,
                   std::ptrdiff_t stride) {
    // Rows at a time, so that the channels beside each other in a cache line are read once.
    const std::ptrdiff_t step = std::max<std::ptrdiff_t>(
        8, tile_bytes / std::max<std::ptrdiff_t>(1, std::abs(input.row_stride)));
    for (std::ptrdiff_t r = 0; r < count; r += step)
        for (std::ptrdiff_t c = 0; c < n_channels; ++c)
            input.column(channel + c)
                .load(first + r, std::min(step, count - r), out + c * stride + r);
}

}  // namespace spikeglm
