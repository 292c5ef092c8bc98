#pragma once
/// Solvers of  min F(x) = f(x) + penalty(x),  f an Objective.
///
/// The distance to the optimum is measured by the composite Newton decrement
///   lambda = sqrt(d' H d),   d = argmin_d  g'd + d'Hd / 2 + penalty(x + d),
/// H the curvature of f at x; for a smooth penalty sqrt(g' H^-1 g), both with the penalty's share.
/// For a negative log-likelihood it is the distance in standard errors, whatever the scales of the
/// parameters and the size of the data. Boyd & Vandenberghe (2004), Convex Optimization, 9.5.
/// First-order solvers are steered by cheaper measures, but only lambda with the exact (observed)
/// curvature ends them.
///
/// f is a total, a sum over rows. Settings called step sizes are in units of the mean loss,
/// F / scale.
///
/// Cost of one step, n rows, p coordinates: Newton and ProxNewton n p^2 + p^3 (the latter with the
/// number of non-zero coordinates in p^3); LBFGS, BFGS, NonlinearCG about one pass over the data
/// (4 n p), GradientDescent and ProximalGradient two, SVRG and ProxSVRG three. The first-order
/// ones pay n p^2 for each look at lambda, at iteration 0 and then ever more rarely until it is
/// predicted to be met.

#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "spikeglm/solver/objective.hpp"
#include "spikeglm/solver/penalty.hpp"
#include "spikeglm/solver/status.hpp"

namespace spikeglm {

struct SolveOptions {
    double tolerance = 1e-8;   ///< of lambda
    int max_iterations = 100;  ///< steps
    double scale = 1.0;        ///< F / scale is the mean loss; above zero
};

/// What one step did. A step that did not move says why in `status`.
struct Step {
    bool moved = false;
    Status status = Status::max_iterations;
    double decrement = std::numeric_limits<double>::quiet_NaN();  ///< lambda, where known
};

/// An iteration that can be resumed, also on other data of the same size.
class Solver {
public:
    virtual ~Solver() = default;

    /// One iteration. `x` holds a point at which F is finite, `at_x` the evaluation there of this
    /// very objective; both are those of the new point afterwards. Value and gradient suffice:
    /// second-order solvers evaluate the curvature where `at_x` has none; the others take the
    /// units of the coordinates from it where their first step finds one.
    virtual Step step(const Objective& objective, const Penalty& penalty,
                      const SolveOptions& options, std::span<double> x, Evaluation& at_x) = 0;

    /// Whether `step` itself finds out that lambda <= options.tolerance, and then does not move.
    [[nodiscard]] virtual bool certifies() const { return false; }
    /// Whether the penalty may have groups.
    [[nodiscard]] virtual bool handles_groups() const { return false; }
};

struct SolveResult {
    Status status = Status::max_iterations;
    int n_iterations = 0;
    double decrement = 0.0;  ///< lambda at the returned point
};

/// Steps until lambda <= tolerance. `x` holds the starting point, at which F is finite, and then
/// the solution; `at_x` its evaluation, on entry and, with curvature, on return. Throws
/// std::invalid_argument for a penalty with groups that the solver cannot hold.
SolveResult minimise(Solver& solver, const Objective& objective, const Penalty& penalty,
                     const SolveOptions& options, std::span<double> x, Evaluation& at_x);

/// Names and values of settings; switches are 0 or 1. Those left out keep their defaults.
using SolverSettings = std::map<std::string, double, std::less<>>;

struct SettingInfo {
    std::string_view name;
    double default_value;
    double lowest, highest;  ///< the range, both ends included
    bool integer;
    std::string_view meaning;
};

struct SolverInfo {
    std::string_view name;
    bool handles_groups;
    bool second_order;  ///< each step evaluates the curvature
    bool stochastic;    ///< needs gradients of rows
    double default_tolerance;
    int default_max_iterations;
    std::string_view method;  ///< and its source
    std::span<const SettingInfo> settings;
    std::unique_ptr<Solver> (*make)(const SolverSettings& complete);
};

/// The registry.
[[nodiscard]] std::span<const SolverInfo> solvers();

/// Throws std::invalid_argument that lists the known names.
[[nodiscard]] const SolverInfo& solver_info(std::string_view name);

/// Throws std::invalid_argument for unknown names of solvers and settings and values out of range.
[[nodiscard]] std::unique_ptr<Solver> make_solver(std::string_view name,
                                                  const SolverSettings& settings = {});

/// Newton's method, damped by a line search; smooth penalties only. The observed curvature is used
/// wherever it is positive definite, which makes convergence quadratic; elsewhere the expected one,
/// which always is (Fisher scoring).
[[nodiscard]] std::unique_ptr<Solver> make_newton();

}  // namespace spikeglm
