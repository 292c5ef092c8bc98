#include "spikeglm/backend/row_pass.hpp"

namespace spikeglm {

void for_each_block(
    const RowPlan& plan, const Monitor& monitor,
    const std::function<void(std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t)>& body) {
    for (std::ptrdiff_t lane = 0; lane < plan.n_lanes; ++lane) {
        const std::ptrdiff_t end = plan.lane_begin(lane + 1);
        for (std::ptrdiff_t first = plan.lane_begin(lane); first < end; first += block_rows) {
            if (monitor) monitor();
            body(lane, first, std::min(block_rows, end - first));
        }
    }
}

void add_lanes(std::vector<std::vector<double>>& lanes) {
    for (std::size_t step = 1; step < lanes.size(); step *= 2)
        for (std::size_t i = 0; i + step < lanes.size(); i += 2 * step)
            for (std::size_t k = 0; k < lanes[i].size(); ++k) lanes[i][k] += lanes[i + step][k];
}

}  // namespace spikeglm
