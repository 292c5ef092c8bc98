#pragma once
/// How a minimisation ended.

#include <string_view>

namespace spikeglm {

enum class Status {
    converged,        ///< lambda <= tolerance
    precision_limit,  ///< rounding allows no further progress
    max_iterations,
    line_search_failed,
    saddle_point,  ///< the gradient vanishes where the curvature is indefinite
    separated,     ///< the optimum lies at infinity
    silent         ///< the mean of y lies on the border of the model's domain
};

[[nodiscard]] std::string_view to_string(Status status);

}  // namespace spikeglm
