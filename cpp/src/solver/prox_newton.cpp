// Proximal Newton: a quadratic model plus the penalty, minimised exactly; then a line search.
// Lee, Sun & Saunders (2014), SIAM J. Optim. 24, algorithm 1.
#include <algorithm>
#include <cmath>

#include "methods.hpp"
#include "models.hpp"

namespace spikeglm {
namespace {

constexpr int max_halvings = 60;

class ProxNewton final : public Solver {
public:
    Step step(const Objective& objective, const Penalty& penalty, const SolveOptions& options,
              std::span<double> x, Evaluation& at_x) override;
    [[nodiscard]] bool certifies() const override { return true; }
    [[nodiscard]] bool handles_groups() const override { return true; }

private:
    CompositeModel::Solution solve(const Objective& objective, const Penalty& penalty,
                                   const SolveOptions& options, std::span<const double> x,
                                   Evaluation& at_x);

    CompositeModel model_;
    std::vector<double> trial_;
    Evaluation at_trial_;
};

/// The model of `at_x`; with the expected curvature where the observed one is indefinite.
CompositeModel::Solution ProxNewton::solve(const Objective& objective, const Penalty& penalty,
                                           const SolveOptions& options, std::span<const double> x,
                                           Evaluation& at_x) {
    const double tolerance = 1e-2 * options.tolerance;
    CompositeModel::Solution solution = model_.minimise(penalty, x, at_x, tolerance);
    if (solution.positive_curvature || objective.canonical() || at_x.kind != Curvature::observed)
        return solution;
    objective.evaluate(x, Curvature::expected, at_x);
    return model_.minimise(penalty, x, at_x, tolerance);
}

Step ProxNewton::step(const Objective& objective, const Penalty& penalty,
                      const SolveOptions& options, std::span<double> x, Evaluation& at_x) {
    const Curvature exact = exact_curvature(objective, at_x);
    if (at_x.kind == Curvature::none) objective.evaluate(x, exact, at_x);
    CompositeModel::Solution solution = solve(objective, penalty, options, x, at_x);
    if (solution.decrement <= options.tolerance && at_x.kind != exact) {
        // Only the exact curvature may certify.
        objective.evaluate(x, exact, at_x);
        solution = solve(objective, penalty, options, x, at_x);
        if (at_x.kind != exact) return {false, Status::saddle_point, solution.decrement};
    }
    if (solution.decrement <= options.tolerance)
        return {false, Status::converged, solution.decrement};

    const double value = at_x.value + penalty.value(x);
    const double noise = noise_of(value);
    const bool drowned = -solution.change <= noise;
    const std::span<const double> to = model_.minimiser();
    trial_.assign(to.begin(), to.end());  // exact zeros stay so
    double length = 1.0;
    bool accepted = false;
    for (int i = 0; i < (drowned ? 1 : max_halvings) && !accepted; ++i) {
        if (i > 0) {
            length *= 0.5;
            for (std::size_t j = 0; j < x.size(); ++j)
                trial_[j] = x[j] + length * (to[j] - x[j]) + 0.0;
        }
        // The whole step is mostly taken: its curvature comes with the same pass.
        objective.evaluate(trial_, i == 0 ? exact : Curvature::none, at_trial_);
        const double trial_value = at_trial_.value + penalty.value(trial_);
        if (!std::isfinite(trial_value) || !all_finite(at_trial_)) continue;
        accepted = drowned ? trial_value <= value + noise
                           : trial_value <= value + 1e-4 * length * solution.change;
    }
    if (accepted && drowned)
        accepted = model_.residual(penalty, trial_, at_trial_.gradient) < 0.9 * solution.residual;
    if (!accepted)
        return {false,
                arrived(solution.decrement, value) ? Status::precision_limit
                                                   : Status::line_search_failed,
                solution.decrement};
    if (at_trial_.kind == Curvature::none) objective.evaluate(trial_, exact, at_trial_);
    std::swap(at_x, at_trial_);
    std::copy(trial_.begin(), trial_.end(), x.begin());
    return {true, Status::max_iterations};
}

}  // namespace

std::unique_ptr<Solver> make_prox_newton(const SolverSettings&) {
    return std::make_unique<ProxNewton>();
}

}  // namespace spikeglm
