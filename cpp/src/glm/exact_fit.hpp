#pragma once
/// One problem by a solver with the exact curvature: its rank, its minimum, and whether that lies
/// at infinity. Internal to src/glm.

#include "rows.hpp"
#include "spikeglm/glm/fit.hpp"

namespace spikeglm {

/// `rows` are those of the problem's sample.
[[nodiscard]] FitResult fit_exactly(const Design& design, const FitProblem& problem,
                                    const FitOptions& options, Rows rows);

}  // namespace spikeglm
