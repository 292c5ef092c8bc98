#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "spikeglm/basis/expression.hpp"

namespace spikeglm {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Extremes and numbers of values outside the bounds, of the columns of one lane. Narrow rows are
/// taken several at a time, `width` values in all, so that the loops fill vector registers.
struct LaneRange {
    std::vector<double> low, high, n_outside;

    explicit LaneRange(std::ptrdiff_t width)
        : low(static_cast<std::size_t>(width), infinity),
          high(static_cast<std::size_t>(width), -infinity),
          n_outside(static_cast<std::size_t>(width), 0.0) {}

    /// Comparisons with NaN are false: it changes nothing.
    void add(const double* x, std::ptrdiff_t n) {
        double* __restrict l = low.data();
        double* __restrict h = high.data();
        for (std::ptrdiff_t i = 0; i < n; ++i) {
            l[i] = x[i] < l[i] ? x[i] : l[i];
            h[i] = x[i] > h[i] ? x[i] : h[i];
        }
    }
    void count_outside(const double* x, std::ptrdiff_t n, const double* from, const double* to) {
        double* __restrict outside = n_outside.data();
        for (std::ptrdiff_t i = 0; i < n; ++i)
            outside[i] += (x[i] < from[i] ? 1.0 : 0.0) + (x[i] > to[i] ? 1.0 : 0.0);
    }
};

[[noreturn]] void refuse_infinity(const MatrixView& input, std::ptrdiff_t channel) {
    std::ptrdiff_t sample = 0;
    for (double value = 0.0; sample < input.rows; ++sample) {
        input.column(channel).load(sample, 1, &value);
        if (std::isinf(value)) break;
    }
    throw std::invalid_argument("a basis input holds an infinite value at sample " +
                                std::to_string(sample) + ", channel " + std::to_string(channel) +
                                ". NaN marks missing samples; an infinity is an error upstream.");
}

}  // namespace

ColumnRange column_range(const MatrixView& input, std::span<const Bounds> bounds,
                         const Execution& execution) {
    const std::ptrdiff_t cols = input.cols;
    if (!bounds.empty() && static_cast<std::ptrdiff_t>(bounds.size()) != cols)
        throw std::invalid_argument("expected bounds for " + std::to_string(cols) +
                                    " channels, got " + std::to_string(bounds.size()) + ".");
    constexpr std::ptrdiff_t least_width = 16;
    const std::ptrdiff_t n_together = (least_width + cols - 1) / std::max<std::ptrdiff_t>(cols, 1);
    const std::ptrdiff_t width = n_together * cols;
    std::vector<double> from, to;
    for (std::ptrdiff_t i = 0; !bounds.empty() && i < width; ++i) {
        from.push_back(bounds[static_cast<std::size_t>(i % cols)].low);
        to.push_back(bounds[static_cast<std::size_t>(i % cols)].high);
    }

    const RowPlan plan = RowPlan::make(input.rows, 3 * width);
    std::vector<LaneRange> lanes(static_cast<std::size_t>(plan.n_lanes), LaneRange(width));
    for_each_block(plan, execution,
                   [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
                       Workspace::Frame& frame) {
                       LaneRange& range = lanes[static_cast<std::size_t>(lane)];
                       const double* x = input.contiguous_row(first);
                       std::ptrdiff_t stride = input.row_stride / std::ptrdiff_t{sizeof(double)};
                       if (x == nullptr || (n_together > 1 && stride != cols)) {
                           double* copy = frame.take(count * cols);
                           input.load(first, count, copy, cols);
                           x = copy;
                           stride = cols;
                       }
                       for (std::ptrdiff_t r = 0; r < count; r += n_together) {
                           const double* row = x + r * stride;
                           const std::ptrdiff_t n = std::min(n_together, count - r) * cols;
                           range.add(row, n);
                           if (!bounds.empty()) range.count_outside(row, n, from.data(), to.data());
                       }
                   });

    ColumnRange result{std::vector<Bounds>(static_cast<std::size_t>(cols)),
                       std::vector<std::ptrdiff_t>(static_cast<std::size_t>(cols), 0)};
    for (std::ptrdiff_t c = 0; c < cols; ++c) {
        const auto column = static_cast<std::size_t>(c);
        double low = infinity;
        double high = -infinity;
        for (const LaneRange& range : lanes)
            for (auto i = column; i < static_cast<std::size_t>(width);
                 i += static_cast<std::size_t>(cols)) {
                low = std::min(low, range.low[i]);
                high = std::max(high, range.high[i]);
                result.n_outside[column] += static_cast<std::ptrdiff_t>(range.n_outside[i]);
            }
        if (low == -infinity || high == infinity) refuse_infinity(input, c);
        if (low <= high) result.bounds[column] = {low, high};
    }
    return result;
}

}  // namespace spikeglm
