#include "spikeglm/backend/row_pass.hpp"

#include "spikeglm/backend/threads.hpp"

namespace spikeglm {

void for_each_block(const RowPlan& plan, const Execution& execution, const BlockBody& body) {
    run_tasks(plan.n_lanes, execution, [&](std::ptrdiff_t lane, const Monitor& poll) {
        Workspace workspace;
        const std::ptrdiff_t end = plan.lane_begin(lane + 1);
        for (std::ptrdiff_t first = plan.lane_begin(lane); first < end; first += plan.per_block) {
            poll();
            Workspace::Frame frame(workspace);
            body(lane, first, std::min(plan.per_block, end - first), frame);
        }
    });
}

void add_lanes(std::vector<std::vector<double>>& lanes) {
    for (std::size_t step = 1; step < lanes.size(); step *= 2)
        for (std::size_t i = 0; i + step < lanes.size(); i += 2 * step)
            for (std::size_t k = 0; k < lanes[i].size(); ++k) lanes[i][k] += lanes[i + step][k];
}

}  // namespace spikeglm
