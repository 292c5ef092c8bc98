#include "spikeglm/solver/newton.hpp"

#include <Eigen/Cholesky>
#include <cmath>
#include <limits>

namespace spikeglm {
namespace {

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
    // Evaluates with the exact curvature; with the expected one where that is indefinite.
    const auto evaluate = [&](std::span<const double> point, Evaluation& out) {
        objective.evaluate(point, exact, out);
        Model model;
        if (!std::isfinite(out.value)) return model;
        model = quadratic_model(penalty, free, point, out);
        if (!model.positive_definite && !objective.canonical()) {
            objective.evaluate(point, Curvature::expected, out);
            model = quadratic_model(penalty, free, point, out);
        }
        return model;
    };
    Model model = quadratic_model(penalty, free, x, at_x);
    const auto finish = [&](Status status) {
        result.status = status;
        result.decrement = model.decrement;
        return result;
    };

    std::vector<double> trial(x.begin(), x.end());
    Evaluation at_trial;
    while (true) {
        if (model.decrement <= options.tolerance && at_x.kind != exact) {
            // Only the exact curvature may certify.
            model = evaluate(x, at_x);
            if (at_x.kind != exact) return finish(Status::saddle_point);
        }
        if (model.decrement <= options.tolerance)
            return finish(model.positive_definite ? Status::converged : Status::precision_limit);
        if (result.n_iterations >= options.max_iterations) return finish(Status::max_iterations);

        // What rounding may leave of a difference of two values (large coefficients that cancel
        // each other add to it); where the expected decrease drowns in it, the gradient decides.
        const double noise = 8e3 * std::numeric_limits<double>::epsilon() * std::abs(model.value);
        const double slope = model.decrement * model.decrement;
        const bool drowned = slope <= noise;
        const int tries = drowned ? 1 : max_halvings;
        Model next;
        bool accepted = false;
        double length = 1.0;
        for (int i = 0; i < tries && !accepted; ++i, length *= 0.5) {
            for (std::ptrdiff_t j = 0; j < model.step.size(); ++j) {
                const auto coordinate = static_cast<std::size_t>(free[static_cast<std::size_t>(j)]);
                trial[coordinate] = x[coordinate] + length * model.step(j);
            }
            next = evaluate(trial, at_trial);
            if (!std::isfinite(at_trial.value) || !std::isfinite(next.value) ||
                !std::isfinite(next.decrement))
                continue;
            accepted = drowned ? next.value <= model.value + noise &&
                                     next.decrement < 0.9 * model.decrement
                               : next.value <= model.value - 1e-4 * length * slope;
        }
        if (!accepted) {
            // The gradient itself has a rounding error of about eps sqrt(|value|) in decrements.
            const double attainable =
                3.0 * std::sqrt(noise * std::numeric_limits<double>::epsilon());
            const bool arrived =
                model.decrement <= precision_limit || (drowned && model.decrement <= attainable);
            return finish(arrived ? Status::precision_limit : Status::line_search_failed);
        }
        std::swap(at_x, at_trial);
        model = std::move(next);
        for (const std::ptrdiff_t j : free)
            x[static_cast<std::size_t>(j)] = trial[static_cast<std::size_t>(j)];
        ++result.n_iterations;
    }
}

}  // namespace spikeglm
