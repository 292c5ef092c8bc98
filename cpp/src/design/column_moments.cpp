#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "spikeglm/design/design.hpp"

namespace spikeglm {
namespace {

/// Sums of one lane: count, minimum, maximum, sum and sum of squares about an origin that lies
/// among the data, so that the variance keeps its digits however far the data are from zero.
struct LaneMoments {
    std::ptrdiff_t count = 0;
    std::ptrdiff_t n_nan_rows = 0;
    std::vector<double> origin, low, high, sum, squares;

    void add(const double* x, std::ptrdiff_t cols) {
        if (count++ == 0) {
            origin.assign(x, x + cols);
            low = high = origin;
            sum.assign(static_cast<std::size_t>(cols), 0.0);
            squares = sum;
        }
        // Separate loops over memory that does not overlap: each becomes vector instructions.
        double* __restrict s = sum.data();
        double* __restrict q = squares.data();
        const double* __restrict o = origin.data();
        for (std::ptrdiff_t c = 0; c < cols; ++c) {
            const double deviation = x[c] - o[c];
            s[c] += deviation;
            q[c] += deviation * deviation;
        }
        double* __restrict l = low.data();
        double* __restrict h = high.data();
        for (std::ptrdiff_t c = 0; c < cols; ++c) {
            l[c] = x[c] < l[c] ? x[c] : l[c];
            h[c] = x[c] > h[c] ? x[c] : h[c];
        }
    }
};

}  // namespace

void refuse_infinity(const double* row, std::ptrdiff_t cols, std::ptrdiff_t index) {
    std::ptrdiff_t c = 0;
    while (c < cols && !std::isinf(row[c])) ++c;
    throw std::invalid_argument("X holds an infinite value at row " + std::to_string(index) +
                                ", column " + std::to_string(c) +
                                ". NaN marks missing rows; an infinity is an error upstream.");
}

ColumnMoments column_moments(const Design& design, std::span<std::uint8_t> used,
                             std::ptrdiff_t& n_nan_rows, const Execution& execution) {
    const std::ptrdiff_t cols = design.cols();
    const RowPlan plan = RowPlan::make(design.rows(), 5 * cols);
    std::vector<LaneMoments> lanes(static_cast<std::size_t>(plan.n_lanes));
    for_each_block(
        plan, execution,
        [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
            Workspace::Frame& frame) {
            const RowBlock block = design.block(first, count, frame);
            LaneMoments& moments = lanes[static_cast<std::size_t>(lane)];
            for (std::ptrdiff_t r = 0; r < count; ++r) {
                const double* row = block.data + r * block.stride;
                // x - x is NaN for NaN and for infinite x, and zero for all others.
                std::int64_t not_finite = 0;
                for (std::ptrdiff_t c = 0; c < cols; ++c) not_finite |= row[c] - row[c] != 0.0;
                auto& usable = used[static_cast<std::size_t>(first + r)];
                if (not_finite != 0) {
                    if (std::any_of(row, row + cols, [](double v) { return std::isinf(v); }))
                        refuse_infinity(row, cols, first + r);
                    usable = 0;
                    ++moments.n_nan_rows;
                }
                if (usable) moments.add(row, cols);
            }
        });

    ColumnMoments result;
    result.mean.assign(static_cast<std::size_t>(cols), 0.0);
    result.sd = result.mean;
    n_nan_rows = 0;
    const LaneMoments* first_lane = nullptr;
    for (const LaneMoments& lane : lanes) {
        n_nan_rows += lane.n_nan_rows;
        result.n_used += lane.count;
        if (first_lane == nullptr && lane.count > 0) first_lane = &lane;
    }
    if (first_lane == nullptr) return result;

    const double n = static_cast<double>(result.n_used);
    for (std::size_t c = 0; c < result.mean.size(); ++c) {
        const double origin = first_lane->origin[c];
        double low = first_lane->low[c];
        double high = first_lane->high[c];
        double sum = 0.0;
        for (const LaneMoments& lane : lanes) {
            if (lane.count == 0) continue;
            low = std::min(low, lane.low[c]);
            high = std::max(high, lane.high[c]);
            sum += static_cast<double>(lane.count) * (lane.origin[c] - origin) + lane.sum[c];
        }
        const double mean = std::clamp(origin + sum / n, low, high);
        // Each lane's squares about its own mean, plus those of the lane means about the mean.
        double squares = 0.0;
        for (const LaneMoments& lane : lanes) {
            if (lane.count == 0) continue;
            const double m = static_cast<double>(lane.count);
            const double lane_shift = lane.sum[c] / m;
            const double between = lane.origin[c] + lane_shift - mean;
            squares += std::max(0.0, lane.squares[c] - m * lane_shift * lane_shift) +
                       m * between * between;
        }
        result.mean[c] = low == high ? low : mean;
        // Squares of very large or very small numbers leave the range of doubles; the numbers do
        // not.
        const double sd = std::sqrt(squares / n);
        const bool in_range = sd > 1e-150 && sd < 1e150;
        result.sd[c] = low == high ? 0.0 : (in_range ? sd : 0.25 * high - 0.25 * low);
    }
    return result;
}

}  // namespace spikeglm
