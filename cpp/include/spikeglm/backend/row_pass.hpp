#pragma once
/// How a pass over n rows is cut up.
///
/// Rows come in blocks that stay in cache. Blocks are grouped into lanes: contiguous runs whose
/// number depends on n and on the size of what a lane accumulates, never on the number of threads.
/// A lane adds its blocks in order, and lanes are added in a fixed tree, so that the result has the
/// same bits however the lanes are scheduled.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

namespace spikeglm {

/// Called between blocks; may throw to abandon the pass (a pending KeyboardInterrupt, say).
using Monitor = std::function<void()>;

inline constexpr std::ptrdiff_t block_rows = 128;

struct RowPlan {
    std::ptrdiff_t rows = 0;
    std::ptrdiff_t n_lanes = 1;

    /// `lane_doubles`: size of one lane's sums. At least four lanes where there are rows for them,
    /// at most 64, and between the two no more than 32 MiB of sums.
    [[nodiscard]] static RowPlan make(std::ptrdiff_t rows, std::ptrdiff_t lane_doubles) {
        constexpr std::ptrdiff_t budget = (std::ptrdiff_t{32} << 20) / sizeof(double);
        const std::ptrdiff_t blocks = (rows + block_rows - 1) / block_rows;
        const std::ptrdiff_t by_memory = budget / std::max<std::ptrdiff_t>(lane_doubles, 1);
        const std::ptrdiff_t lanes = std::clamp<std::ptrdiff_t>(by_memory, 4, 64);
        return {rows,
                std::clamp<std::ptrdiff_t>(lanes, 1, std::max<std::ptrdiff_t>(blocks / 8, 1))};
    }

    /// First row of a lane; lane borders are block borders.
    [[nodiscard]] std::ptrdiff_t lane_begin(std::ptrdiff_t lane) const {
        const std::ptrdiff_t blocks = (rows + block_rows - 1) / block_rows;
        const std::ptrdiff_t share = blocks / n_lanes;
        const std::ptrdiff_t rest = blocks % n_lanes;
        return std::min(rows, (lane * share + std::min(lane, rest)) * block_rows);
    }
};

/// Runs `body(lane, first_row, count)` for every block of every lane, blocks of a lane in order.
void for_each_block(
    const RowPlan& plan, const Monitor& monitor,
    const std::function<void(std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t)>& body);

/// Adds equally sized lane sums pairwise into lanes[0], in an order that depends on their number
/// only.
void add_lanes(std::vector<std::vector<double>>& lanes);

}  // namespace spikeglm
