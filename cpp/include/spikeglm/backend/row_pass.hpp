#pragma once
/// How a pass over n rows is cut up and spread over threads.
///
/// Rows come in blocks that stay in cache. Blocks are grouped into lanes: contiguous runs whose
/// number depends on n and on the size of what a lane accumulates, never on the number of threads.
/// A lane adds its blocks in order, and lanes are added in a fixed tree, so that the result has the
/// same bits however the lanes are scheduled.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <functional>
#include <vector>

#include "spikeglm/backend/workspace.hpp"

namespace spikeglm {

/// Called between blocks on the calling thread; may throw to abandon the pass (a pending
/// KeyboardInterrupt, say).
using Monitor = std::function<void()>;

/// How work is carried out.
struct Execution {
    Monitor monitor;
    int n_threads = 0;  ///< at most this many, the calling one included; 0: see threads.hpp
};

/// Rows of a block, unless a design asks for others.
inline constexpr std::ptrdiff_t block_rows = 128;

struct RowPlan {
    std::ptrdiff_t rows = 0;
    std::ptrdiff_t n_lanes = 1;
    std::ptrdiff_t per_block = block_rows;

    /// `lane_doubles`: size of one lane's sums. A power of two of lanes, at least four where there
    /// are rows for them, at most 32, and between the two no more than 4 MiB of sums, which stay in
    /// cache.
    [[nodiscard]] static RowPlan make(std::ptrdiff_t rows, std::ptrdiff_t lane_doubles,
                                      std::ptrdiff_t per_block = block_rows) {
        constexpr std::ptrdiff_t budget = (std::ptrdiff_t{4} << 20) / sizeof(double);
        const std::ptrdiff_t by_memory = budget / std::max<std::ptrdiff_t>(lane_doubles, 1);
        const std::ptrdiff_t by_rows = rows / (8 * block_rows);  // below that, threads cost more
        const auto lanes = std::clamp<std::ptrdiff_t>(
            std::min(std::max<std::ptrdiff_t>(by_memory, 4), by_rows), 1, 32);
        return {rows, static_cast<std::ptrdiff_t>(std::bit_floor(static_cast<std::size_t>(lanes))),
                per_block};
    }

    /// First row of a lane; lane borders are block borders.
    [[nodiscard]] std::ptrdiff_t lane_begin(std::ptrdiff_t lane) const {
        const std::ptrdiff_t blocks = (rows + per_block - 1) / per_block;
        const std::ptrdiff_t share = blocks / n_lanes;
        const std::ptrdiff_t rest = blocks % n_lanes;
        return std::min(rows, (lane * share + std::min(lane, rest)) * per_block);
    }
};

/// What is done with one block: `lane` says whose sums it belongs to, `frame` gives scratch memory.
using BlockBody = std::function<void(std::ptrdiff_t lane, std::ptrdiff_t first,
                                     std::ptrdiff_t count, Workspace::Frame& frame)>;

/// Runs `body` for every block of every lane: blocks of a lane in order and on one thread, lanes on
/// several. Rethrows what the body or the monitor throws, after all threads have left the body.
void for_each_block(const RowPlan& plan, const Execution& execution, const BlockBody& body);

/// Adds equally sized lane sums pairwise into lanes[0], in an order that depends on their number
/// only.
void add_lanes(std::vector<std::vector<double>>& lanes);

}  // namespace spikeglm
