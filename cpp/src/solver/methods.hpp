#pragma once
/// The solvers behind the registry, and what they share.

#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "spikeglm/solver/solver.hpp"

namespace spikeglm {

[[nodiscard]] std::unique_ptr<Solver> make_prox_newton(const SolverSettings& settings);
[[nodiscard]] std::unique_ptr<Solver> make_lbfgs(const SolverSettings& settings);
[[nodiscard]] std::unique_ptr<Solver> make_bfgs(const SolverSettings& settings);
[[nodiscard]] std::unique_ptr<Solver> make_nonlinear_cg(const SolverSettings& settings);
[[nodiscard]] std::unique_ptr<Solver> make_gradient_descent(const SolverSettings& settings);
[[nodiscard]] std::unique_ptr<Solver> make_proximal_gradient(const SolverSettings& settings);
[[nodiscard]] std::unique_ptr<Solver> make_svrg(const SolverSettings& settings);
[[nodiscard]] std::unique_ptr<Solver> make_prox_svrg(const SolverSettings& settings);

/// Largest decrement at which running out of digits counts as having arrived.
inline constexpr double precision_limit = 1e-6;

/// What rounding may leave of a difference of two values near `value`; large coefficients that
/// cancel each other add to it. Where an expected decrease drowns in it, gradients decide.
[[nodiscard]] inline double noise_of(double value) {
    return 8e3 * std::numeric_limits<double>::epsilon() * std::abs(value);
}

/// Whether a solver that cannot go on has arrived as far as rounding allows. The gradient has a
/// rounding error of about eps sqrt(|value|) in decrements.
[[nodiscard]] inline bool arrived(double decrement, double value) {
    const double attainable =
        3.0 * std::sqrt(noise_of(value) * std::numeric_limits<double>::epsilon());
    return decrement <= precision_limit ||
           (decrement * decrement <= noise_of(value) && decrement <= attainable);
}

/// The curvature that certifies: the observed one, which every kind is for a canonical objective.
[[nodiscard]] inline Curvature exact_curvature(const Objective& objective, const Evaluation& at) {
    return objective.canonical() && at.kind != Curvature::none ? at.kind : Curvature::observed;
}

[[nodiscard]] inline double dot(std::span<const double> a, std::span<const double> b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}

[[nodiscard]] inline bool all_finite(const Evaluation& at) {
    double sum = at.value;
    for (const double g : at.gradient) sum += 0.0 * g;  // NaN where one is not finite
    for (const double h : at.curvature) sum += 0.0 * h;
    return std::isfinite(sum);
}

/// Diagonal of the curvature with the penalty's share, all above zero and equal within a group (its
/// largest); `scale` everywhere where `at_x` has no curvature.
[[nodiscard]] std::vector<double> diagonal_metric(const Penalty& penalty, const Evaluation& at_x,
                                                  double scale);

}  // namespace spikeglm
