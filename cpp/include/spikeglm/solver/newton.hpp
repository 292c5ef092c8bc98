#pragma once
/// Newton's method for a smooth objective with a smooth penalty.
///
/// The distance to the optimum is measured by the Newton decrement
///   lambda = sqrt(g' H^-1 g),
/// for a negative log-likelihood the distance in standard errors, whatever the scales of the
/// parameters and the size of the data. Boyd & Vandenberghe (2004), Convex Optimization, 9.5.
///
/// The observed curvature is used wherever it is positive definite, which makes convergence
/// quadratic; elsewhere the expected one, which always is (Fisher scoring). Only the observed one
/// certifies the result.

#include <span>
#include <string_view>

#include "spikeglm/solver/objective.hpp"

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

struct NewtonOptions {
    double tolerance = 1e-8;   ///< of lambda, in standard errors
    int max_iterations = 100;  ///< accepted steps
};

struct NewtonResult {
    Status status = Status::max_iterations;
    int n_iterations = 0;
    double decrement = 0.0;  ///< lambda at the returned point
};

/// Minimises objective + penalty over the coordinates listed in `free`; the others stay as they
/// are. `x` holds the starting point, at which the objective is finite, and then the solution;
/// `at_x` its evaluation, with curvature, on entry and on return. The penalty must be smooth.
NewtonResult newton(const Objective& objective, const Penalty& penalty,
                    std::span<const std::ptrdiff_t> free, const NewtonOptions& options,
                    std::span<double> x, Evaluation& at_x);

}  // namespace spikeglm
