// Newton's method for smooth penalties.
#include <Eigen/Core>
#include <cmath>

#include "methods.hpp"
#include "models.hpp"
#include "spikeglm/backend/kernels.hpp"

namespace spikeglm {
namespace {

constexpr int max_halvings = 60;

class Newton final : public Solver {
public:
    Step step(const Objective& objective, const Penalty& penalty, const SolveOptions& options,
              std::span<double> x, Evaluation& at_x) override;
    [[nodiscard]] bool certifies() const override { return true; }

private:
    std::vector<double> trial_;
    Evaluation at_trial_;
};

/// The model of `at`, which has the exact curvature; with the expected one where that is
/// indefinite.
NewtonModel definite_model(const Objective& objective, const Penalty& penalty,
                           std::span<const double> x, Evaluation& at) {
    NewtonModel model = newton_model(penalty, x, at);
    if (!model.positive_definite && !objective.canonical() && at.kind == Curvature::observed) {
        objective.evaluate(x, Curvature::expected, at);
        model = newton_model(penalty, x, at);
    }
    return model;
}

Step Newton::step(const Objective& objective, const Penalty& penalty, const SolveOptions& options,
                  std::span<double> x, Evaluation& at_x) {
    const Curvature exact = exact_curvature(objective, at_x);
    if (at_x.kind == Curvature::none) objective.evaluate(x, exact, at_x);
    NewtonModel model = definite_model(objective, penalty, x, at_x);
    if (model.decrement <= options.tolerance && at_x.kind != exact) {
        // Only the exact curvature may certify.
        objective.evaluate(x, exact, at_x);
        model = definite_model(objective, penalty, x, at_x);
        if (at_x.kind != exact) return {false, Status::saddle_point, model.decrement};
    }
    if (model.decrement <= options.tolerance)
        return {false, model.positive_definite ? Status::converged : Status::precision_limit,
                model.decrement};

    const double noise = noise_of(model.value);
    const double slope = model.decrement * model.decrement;
    const bool drowned = slope <= noise;
    trial_.assign(x.begin(), x.end());
    bool accepted = false;
    double length = 1.0;
    for (int i = 0; i < (drowned ? 1 : max_halvings) && !accepted; ++i, length *= 0.5) {
        for (std::size_t j = 0; j < x.size(); ++j) trial_[j] = x[j] + length * model.step[j];
        objective.evaluate(trial_, exact, at_trial_);
        const double value = at_trial_.value + penalty.value(trial_);
        if (!std::isfinite(value) || !all_finite(at_trial_)) continue;
        if (!drowned)
            accepted = value <= model.value - 1e-4 * length * slope;
        else
            accepted = value <= model.value + noise &&
                       definite_model(objective, penalty, trial_, at_trial_).decrement <
                           0.9 * model.decrement;
    }
    if (!accepted)
        return {false,
                arrived(model.decrement, model.value) ? Status::precision_limit
                                                      : Status::line_search_failed,
                model.decrement};
    std::swap(at_x, at_trial_);
    std::copy(trial_.begin(), trial_.end(), x.begin());
    return {true, Status::max_iterations};
}

}  // namespace

NewtonModel newton_model(const Penalty& penalty, std::span<const double> x,
                         const Evaluation& at_x) {
    const auto n = static_cast<std::ptrdiff_t>(x.size());
    std::vector<double> gradient = at_x.gradient;
    penalty.add_gradient(x, gradient);
    std::vector<double> matrix = at_x.curvature;
    penalty.add_curvature(matrix);
    Eigen::Map<Eigen::MatrixXd> curvature(matrix.data(), n, n);

    NewtonModel model;
    model.value = at_x.value + penalty.value(x);
    // Unit diagonal first: conditioning and the test of definiteness no longer depend on how far a
    // coordinate's curvature has vanished.
    Eigen::VectorXd scale(n);
    bool positive_diagonal = true;
    for (std::ptrdiff_t i = 0; i < n; ++i) {
        const double diagonal = curvature(i, i);
        positive_diagonal = positive_diagonal && diagonal > 0.0;
        scale(i) = diagonal > 0.0 ? 1.0 / std::sqrt(diagonal) : 1.0;
    }
    curvature = scale.asDiagonal() * curvature * scale.asDiagonal();
    const Eigen::VectorXd scaled_gradient =
        scale.cwiseProduct(Eigen::Map<const Eigen::VectorXd>(gradient.data(), n));

    Eigen::MatrixXd factor = curvature;
    bool factored = kernels().cholesky(n, factor.data());
    model.positive_definite = positive_diagonal && factored;
    // A curvature that is singular to rounding is damped just enough to be factored.
    for (double damping = 1e-14; !factored && damping < 1e3; damping *= 10.0) {
        factor = curvature;
        factor.diagonal().array() += damping;
        factored = kernels().cholesky(n, factor.data());
        model.damping = damping;
    }
    Eigen::VectorXd solution = scaled_gradient;
    kernels().cholesky_solve(n, factor.data(), solution.data());
    model.step.resize(x.size());
    Eigen::Map<Eigen::VectorXd>(model.step.data(), n) = -scale.cwiseProduct(solution);
    model.decrement = std::sqrt(std::max(0.0, scaled_gradient.dot(solution)));
    return model;
}

std::unique_ptr<Solver> make_newton() { return std::make_unique<Newton>(); }

}  // namespace spikeglm
