#include "spikeglm/solver/newton.hpp"

#include <Eigen/Cholesky>
#include <cmath>
#include <limits>

namespace spikeglm {
namespace {

/// Below this decrement the observed curvature replaces the expected one.
constexpr double near_optimum = 0.3;
/// Largest decrement at which running out of digits counts as having arrived.
constexpr double precision_limit = 1e-6;
constexpr int max_halvings = 60;

/// Penalised value, gradient and Newton step over the free coordinates.
struct Model {
    double value = 0.0;
    Eigen::VectorXd step;
    double decrement = 0.0;
    bool positive_definite = false;
};

Eigen::VectorXd gather(std::span<const double> full, std::span<const std::ptrdiff_t> free) {
    Eigen::VectorXd part(static_cast<std::ptrdiff_t>(free.size()));
    for (std::ptrdiff_t i = 0; i < part.size(); ++i)
        part(i) = full[static_cast<std::size_t>(free[static_cast<std::size_t>(i)])];
    return part;
}

Model quadratic_model(const Penalty& penalty, std::span<const std::ptrdiff_t> free,
                      std::span<const double> x, const Evaluation& at_x) {
    const std::size_t size = x.size();
    std::vector<double> full_gradient = at_x.gradient;
    std::vector<double> full_curvature = at_x.curvature;
    penalty.add_gradient(x, full_gradient);
    penalty.add_curvature(full_curvature);

    Model model;
    model.value = at_x.value + penalty.value(x);
    const Eigen::VectorXd gradient = gather(full_gradient, free);
    const std::ptrdiff_t n = gradient.size();
    Eigen::MatrixXd curvature(n, n);
    for (std::ptrdiff_t j = 0; j < n; ++j)
        for (std::ptrdiff_t i = 0; i < n; ++i)
            curvature(i, j) =
                full_curvature[static_cast<std::size_t>(free[static_cast<std::size_t>(i)]) +
                               static_cast<std::size_t>(free[static_cast<std::size_t>(j)]) * size];

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
    const Eigen::VectorXd scaled_gradient = scale.cwiseProduct(gradient);

    Eigen::LLT<Eigen::MatrixXd> factor(curvature);
    model.positive_definite = positive_diagonal && factor.info() == Eigen::Success;
    // A curvature that is singular to rounding is damped just enough to be factored.
    for (double damping = 1e-14; factor.info() != Eigen::Success && damping < 1e3;
         damping *= 10.0) {
        Eigen::MatrixXd damped = curvature;
        damped.diagonal().array() += damping;
        factor.compute(damped);
    }
    const Eigen::VectorXd solution = factor.solve(scaled_gradient);
    model.step = -scale.cwiseProduct(solution);
    model.decrement = std::sqrt(std::max(0.0, scaled_gradient.dot(solution)));
    return model;
}

}  // namespace

std::string_view to_string(Status status) {
    switch (status) {
        case Status::converged: return "converged";
        case Status::precision_limit: return "precision limit";
        case Status::max_iterations: return "max iterations";
        case Status::line_search_failed: return "line search failed";
        case Status::saddle_point: return "saddle point";
        case Status::separated: return "separated";
        case Status::silent: return "silent";
    }
    return "unknown";
}

NewtonResult newton(const Objective& objective, const Penalty& penalty,
                    std::span<const std::ptrdiff_t> free, const NewtonOptions& options,
                    std::span<double> x, Evaluation& at_x) {
    NewtonResult result;
    const Curvature exact = objective.canonical() ? at_x.kind : Curvature::observed;
    Model model = quadratic_model(penalty, free, x, at_x);
    // Near the optimum the observed curvature takes over, unless it is indefinite there.
    const auto refine = [&](std::span<const double> point, Evaluation& evaluation, Model& m) {
        if (m.decrement >= near_optimum || evaluation.kind == exact) return;
        Evaluation observed;
        objective.evaluate(point, exact, observed);
        Model candidate = quadratic_model(penalty, free, point, observed);
        if (!candidate.positive_definite) return;
        evaluation = std::move(observed);
        m = std::move(candidate);
    };
    refine(x, at_x, model);

    std::vector<double> trial(x.begin(), x.end());
    Evaluation at_trial;
    const auto finish = [&](Status status) {
        result.status = status;
        result.decrement = model.decrement;
        result.step.assign(x.size(), 0.0);
        for (std::size_t i = 0; i < free.size(); ++i)
            result.step[static_cast<std::size_t>(free[i])] =
                model.step(static_cast<std::ptrdiff_t>(i));
        return result;
    };

    while (true) {
        if (model.decrement <= options.tolerance)
            return finish(at_x.kind == exact ? Status::converged : Status::saddle_point);
        if (result.n_iterations >= options.max_iterations) return finish(Status::max_iterations);

        // What rounding leaves of a difference of two values.
        const double noise = 8.0 * std::numeric_limits<double>::epsilon() * std::abs(model.value);
        const double slope = model.decrement * model.decrement;
        const bool drowned = slope <= 1e3 * noise;
        Model next;
        bool accepted = false;
        double length = 1.0;
        const int tries = drowned ? 2 : max_halvings;
        for (int halving = 0; halving < tries && !accepted; ++halving, length *= 0.5) {
            for (std::size_t i = 0; i < free.size(); ++i) {
                const auto j = static_cast<std::size_t>(free[i]);
                trial[j] = x[j] + length * model.step(static_cast<std::ptrdiff_t>(i));
            }
            const Curvature kind = model.decrement < near_optimum ? exact : at_x.kind;
            objective.evaluate(trial, kind, at_trial);
            if (!std::isfinite(at_trial.value)) continue;
            next = quadratic_model(penalty, free, trial, at_trial);
            if (!next.positive_definite && kind == Curvature::observed && !objective.canonical()) {
                objective.evaluate(trial, Curvature::expected, at_trial);
                next = quadratic_model(penalty, free, trial, at_trial);
            }
            if (!std::isfinite(next.value) || !std::isfinite(next.decrement)) continue;
            const bool decreased = next.value <= model.value - 1e-4 * length * slope;
            // Where the decrease drowns in rounding the gradient decides.
            const bool closer = drowned && next.value <= model.value + noise &&
                                next.decrement < 0.9 * model.decrement;
            accepted = decreased || closer;
        }
        if (!accepted)
            return finish(model.decrement <= precision_limit ? Status::precision_limit
                                                             : Status::line_search_failed);
        refine(trial, at_trial, next);
        std::swap(at_x, at_trial);
        model = std::move(next);
        for (const std::ptrdiff_t j : free)
            x[static_cast<std::size_t>(j)] = trial[static_cast<std::size_t>(j)];
        ++result.n_iterations;
    }
}

}  // namespace spikeglm
