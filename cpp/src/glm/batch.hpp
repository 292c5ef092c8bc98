#pragma once
/// Many problems over one X as a batch: one pass gives the values and gradients of all that still
/// search. Internal to src/glm.
///
/// Curvature is bought once for all problems with the same rows, from some of the blocks: H ~ s C,
/// s a number for each problem. Each problem corrects it with secant pairs of its own (BFGS,
/// Nocedal & Wright (2006), Numerical Optimization, eq. 6.19), minimises the quadratic model with
/// its penalty exactly, and searches along the way. A problem that is alone with its rows takes C
/// from where Newton's method ends on the model rows.
///
/// C steers; what certifies is a bound. Where each model row's d2 is at least c times its weight
/// in C and no row's is negative, H >= c C, since the other rows add to H, and with Q(H) = -min_d
/// g'd + d'Hd/2 + change of the penalty:
///   lambda(H)^2 <= 2 Q(H) <= 2 Q(c C).
/// Problems that are not certified, or whose end the bound cannot judge, are left to Newton's
/// method with the exact curvature.

#include <optional>
#include <span>
#include <vector>

#include "rows.hpp"

namespace spikeglm {

struct BatchOutcome {
    std::optional<FitResult> result;  ///< where certified
    /// Where the search arrived without a certificate, in the user's units; else empty.
    std::vector<double> coef = {};
    double intercept = 0.0;
    int n_iterations = 0;
};

/// One outcome per problem; `rows` are those of their samples.
[[nodiscard]] std::vector<BatchOutcome> fit_batch(const Design& design,
                                                  std::span<const FitProblem> problems,
                                                  const FitOptions& options,
                                                  std::span<const Rows> rows);

}  // namespace spikeglm
