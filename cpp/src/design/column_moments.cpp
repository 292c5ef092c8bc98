#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/design/design.hpp"

namespace spikeglm {
namespace {

std::ptrdiff_t cell_sums_size(const RowPart& part) {
    return part.factored() ? Cells(part).count() * cell_moments_size(part.stored()) : 0;
}

/// x - x is NaN for NaN and for infinite x, and zero for all others.
bool all_finite(const double* x, std::ptrdiff_t count) {
    std::int64_t not_finite = 0;
    for (std::ptrdiff_t c = 0; c < count; ++c) not_finite |= x[c] - x[c] != 0.0;
    return not_finite == 0;
}

bool row_is_finite(const RowPart& part, std::ptrdiff_t r) {
    if (!part.factored()) return all_finite(part.values + r * part.stride, part.stored());
    bool finite = true;
    for_each_stored(part, r,
                    [&](std::ptrdiff_t, double v) { finite = finite && std::isfinite(v); });
    return finite;
}

/// Whether all values are so small that they and products of two are finite: of sparse parts, for
/// which this is cheaper than to look at them row by row. NaN are not.
bool surely_finite(const RowPart& part, std::ptrdiff_t rows) {
    if (!part.sparse()) return false;
    std::int64_t large = 0;
    for (const RowPart& leaf : part.leaves())
        for (std::ptrdiff_t r = 0; r < rows; ++r)
            for (std::ptrdiff_t k = 0; k < leaf.stored(); ++k)
                large |= !(std::abs(leaf.values[r * leaf.stride + k]) < 1e150);
    return large == 0;
}

/// Sums of one lane: count, minimum, maximum, sum and sum of squares about an origin that lies
/// among the data, so that the variance keeps its digits however far the data are from zero. In
/// sparse parts they are those of the stored values until `add_zeros`, in factored ones those of
/// cells until `add_cells`.
struct LaneMoments {
    std::ptrdiff_t count = 0;
    std::ptrdiff_t n_nan_rows = 0;
    std::vector<double> origin, low, high, sum, squares;
    std::array<std::vector<double>, 4> before;
    std::vector<std::ptrdiff_t> n_stored;    // of a column of a sparse part
    std::vector<std::vector<double>> cells;  // of parts that are factored

    void begin(std::ptrdiff_t cols, std::span<const RowPart> parts) {
        for (const RowPart& part : parts)
            cells.emplace_back(static_cast<std::size_t>(cell_sums_size(part)), 0.0);
        for (auto* values : {&origin, &low, &high, &sum, &squares})
            values->assign(static_cast<std::size_t>(cols), 0.0);
        n_stored.assign(static_cast<std::size_t>(cols), 0);
    }

    void add(const double* x, const RowPart& part, bool first_row) {
        if (first_row)
            for (auto* values : {&origin, &low, &high})
                std::copy_n(x, part.cols, values->data() + part.first_col);
        // Separate loops over memory that does not overlap: each becomes vector instructions.
        double* __restrict s = sum.data() + part.first_col;
        double* __restrict q = squares.data() + part.first_col;
        const double* __restrict o = origin.data() + part.first_col;
        for (std::ptrdiff_t c = 0; c < part.cols; ++c) {
            const double deviation = x[c] - o[c];
            s[c] += deviation;
            q[c] += deviation * deviation;
        }
        double* __restrict l = low.data() + part.first_col;
        double* __restrict h = high.data() + part.first_col;
        for (std::ptrdiff_t c = 0; c < part.cols; ++c) {
            l[c] = x[c] < l[c] ? x[c] : l[c];
            h[c] = x[c] > h[c] ? x[c] : h[c];
        }
    }

    /// L: the length, or 0 where the compiler does not know it.
    template <std::ptrdiff_t L>
    void add_run(const double* x, std::ptrdiff_t begin_col, std::ptrdiff_t any_length) {
        const std::ptrdiff_t length = L > 0 ? L : any_length;
        std::ptrdiff_t* n = n_stored.data() + begin_col;
        double* __restrict o = origin.data() + begin_col;
        double* __restrict l = low.data() + begin_col;
        double* __restrict h = high.data() + begin_col;
        double* __restrict s = sum.data() + begin_col;
        double* __restrict q = squares.data() + begin_col;
        for (std::ptrdiff_t k = 0; k < length; ++k)
            if (n[k]++ == 0) [[unlikely]]
                o[k] = l[k] = h[k] = x[k];
        for (std::ptrdiff_t k = 0; k < length; ++k) {
            const double deviation = x[k] - o[k];
            s[k] += deviation;
            q[k] += deviation * deviation;
            l[k] = x[k] < l[k] ? x[k] : l[k];
            h[k] = x[k] > h[k] ? x[k] : h[k];
        }
    }

    void add_runs(const double* x, const RowPart& part, const std::int32_t* starts) {
        const auto add = part.run_length == 4   ? &LaneMoments::add_run<4>
                         : part.run_length == 3 ? &LaneMoments::add_run<3>
                                                : &LaneMoments::add_run<0>;
        for (std::ptrdiff_t i = 0; i < part.n_runs; ++i)
            (this->*add)(x + i * part.run_length, part.first_col + starts[i], part.run_length);
    }

    /// Dense rows that are all used, as they mostly are: a row that is not finite shows in the
    /// sums, which then become again what they were. False where there is one, or anything else.
    bool add_dense_block(const RowBlock& x, const std::uint8_t* used) {
        const std::span parts(x.parts, static_cast<std::size_t>(x.n_parts));
        if (count == 0 ||
            std::any_of(parts.begin(), parts.end(),
                        [](const RowPart& part) { return part.sparse(); }) ||
            std::any_of(used, used + x.rows, [](std::uint8_t row) { return row == 0; }))
            return false;
        before[0] = sum;
        before[1] = squares;
        before[2] = low;
        before[3] = high;
        for (const RowPart& part : parts) {
            const auto at = part.first_col;
            kernels().add_moments(part, x.rows, origin.data() + at, sum.data() + at,
                                  squares.data() + at, low.data() + at, high.data() + at);
        }
        if (all_finite(sum.data(), x.cols)) {
            count += x.rows;
            return true;
        }
        sum = before[0];
        squares = before[1];
        low = before[2];
        high = before[3];
        return false;
    }

    /// Clears `used` for rows with NaN.
    void add_block(const RowBlock& x, std::ptrdiff_t first, std::uint8_t* used) {
        if (add_dense_block(x, used)) return;
        const std::span parts(x.parts, static_cast<std::size_t>(x.n_parts));
        const bool finite = std::all_of(parts.begin(), parts.end(), [&](const RowPart& part) {
            return surely_finite(part, x.rows);
        });
        for (std::ptrdiff_t r = 0; r < x.rows; ++r) {
            if (!finite && !std::all_of(parts.begin(), parts.end(), [&](const RowPart& part) {
                    return row_is_finite(part, r);
                })) {
                refuse_infinities(x, r, first);
                used[r] = 0;
                ++n_nan_rows;
            }
            if (used[r] == 0) continue;
            const bool first_row = count++ == 0;
            for (const RowPart& part : parts) {
                if (part.factored()) continue;
                const double* values = part.values + r * part.stride;
                if (part.sparse())
                    add_runs(values, part, part.starts + r * part.n_runs);
                else
                    add(values, part, first_row);
            }
        }
        for (std::size_t i = 0; i < parts.size(); ++i)
            if (parts[i].factored())
                kernels().add_cell_moments(parts[i], x.rows, used, cells[i].data());
    }

    void end(std::span<const RowPart> parts) {
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (parts[i].factored()) add_cells(parts[i], cells[i].data());
            if (parts[i].sparse()) add_zeros(parts[i]);
        }
        cells.clear();
    }

    /// What the cells of a factored part say of its columns.
    void add_cells(const RowPart& part, const double* cell) {
        const Cells places(part);
        const std::ptrdiff_t stored = part.stored();
        for (std::ptrdiff_t i = 0; i < places.count(); ++i, cell += cell_moments_size(stored)) {
            const double n = cell[0];
            const double* from = cell + 1;
            const double* sums = from + stored;
            const double* q = sums + stored;
            for (std::ptrdiff_t k = 0; n > 0.0 && k < stored; ++k) {
                const auto c = static_cast<std::size_t>(part.first_col + places.first_col(i) +
                                                        k / part.run_length * part.factors[1].cols +
                                                        k % part.run_length);
                const double lowest = (q + stored)[k];
                const double highest = (q + 2 * stored)[k];
                if (n_stored[c] == 0) {
                    origin[c] = from[k];
                    low[c] = lowest;
                    high[c] = highest;
                }
                const double shift = from[k] - origin[c];
                sum[c] += sums[k] + n * shift;
                squares[c] += q[k] + (2.0 * sums[k] + n * shift) * shift;
                low[c] = std::min(low[c], lowest);
                high[c] = std::max(high[c], highest);
                n_stored[c] += static_cast<std::ptrdiff_t>(n);
            }
        }
    }

    /// The entries that the rows of a sparse part do not store.
    void add_zeros(const RowPart& part) {
        for (std::ptrdiff_t i = 0; i < part.cols; ++i) {
            const auto c = static_cast<std::size_t>(part.first_col + i);
            if (n_stored[c] == count) continue;
            const auto zeros = static_cast<double>(count - n_stored[c]);
            sum[c] -= zeros * origin[c];
            squares[c] += zeros * origin[c] * origin[c];
            low[c] = std::min(low[c], 0.0);
            high[c] = std::max(high[c], 0.0);
        }
    }
};

}  // namespace

void refuse_infinities(const RowBlock& x, std::ptrdiff_t r, std::ptrdiff_t first) {
    for (std::ptrdiff_t i = 0; i < x.n_parts; ++i)
        for_each_stored(x.parts[i], r, [&](std::ptrdiff_t column, double value) {
            if (!std::isinf(value)) return;
            throw std::invalid_argument("X holds an infinite value at row " +
                                        std::to_string(first + r) + ", column " +
                                        std::to_string(x.parts[i].first_col + column) +
                                        ". NaN marks missing rows; an infinity is an error "
                                        "upstream.");
        });
}

ColumnMoments column_moments(const Design& design, std::span<std::uint8_t> used,
                             std::ptrdiff_t& n_nan_rows, const Execution& execution) {
    const std::ptrdiff_t cols = design.cols();
    std::ptrdiff_t lane_size = 5 * cols;
    {
        Workspace workspace;
        Workspace::Frame frame(workspace);
        const RowBlock block = design.block(0, 0, frame);
        for (std::ptrdiff_t i = 0; i < block.n_parts; ++i)
            lane_size += cell_sums_size(block.parts[i]);
    }
    const RowPlan plan = RowPlan::make(design.rows(), lane_size, design.rows_per_block());
    std::vector<LaneMoments> lanes(static_cast<std::size_t>(plan.n_lanes));
    for_each_block(plan, execution,
                   [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::ptrdiff_t count,
                       Workspace::Frame& frame) {
                       const RowBlock block = design.block(first, count, frame);
                       const std::span parts(block.parts, static_cast<std::size_t>(block.n_parts));
                       LaneMoments& moments = lanes[static_cast<std::size_t>(lane)];
                       if (first == plan.lane_begin(lane)) moments.begin(cols, parts);
                       moments.add_block(block, first, used.data() + first);
                       if (first + count == plan.lane_begin(lane + 1)) moments.end(parts);
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
