// Runs a solver until the exact curvature certifies its result.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "methods.hpp"
#include "models.hpp"

namespace spikeglm {
namespace {

/// First-order solvers are looked at after so many steps, then after ever more times as many,
/// unless the decrement is predicted to be met before.
constexpr int first_look = 50;
constexpr int look_factor = 3;
/// Damping beyond rounding: the curvature is indefinite.
constexpr double rounding_damping = 1e-8;

/// The decrement at a point and, in the metric of the curvature's diagonal, the length of the
/// subgradient of least norm there. The first divided by the second changes slowly.
class Certificate {
public:
    Certificate(const Objective& objective, const Penalty& penalty, const SolveOptions& options)
        : objective_(objective), penalty_(penalty), options_(options) {}

    void look(std::span<const double> x, Evaluation& at_x) {
        const Curvature exact = exact_curvature(objective_, at_x);
        if (at_x.kind != exact) objective_.evaluate(x, exact, at_x);
        metric_ = diagonal_metric(penalty_, at_x, options_.scale);
        if (penalty_.smooth()) {
            const NewtonModel model = newton_model(penalty_, x, at_x);
            decrement_ = model.decrement;
            positive_ = model.damping <= rounding_damping;
        } else {
            const auto solution = model_.minimise(penalty_, x, at_x, 1e-2 * options_.tolerance);
            decrement_ = solution.decrement;
            positive_ = solution.positive_curvature;
        }
        const double now = length(x, at_x);
        ratio_ = now > 0.0 ? decrement_ / now : 0.0;
    }

    [[nodiscard]] double predict(std::span<const double> x, const Evaluation& at_x) {
        return ratio_ * length(x, at_x);
    }
    [[nodiscard]] double decrement() const { return decrement_; }
    [[nodiscard]] bool positive() const { return positive_; }

private:
    double length(std::span<const double> x, const Evaluation& at_x) {
        gradient_ = at_x.gradient;
        penalty_.add_gradient(x, gradient_);
        penalty_.groups().min_norm_subgradient(x, gradient_);
        double sum = 0.0;
        for (std::size_t j = 0; j < x.size(); ++j) sum += gradient_[j] * gradient_[j] / metric_[j];
        return std::sqrt(sum);
    }

    const Objective& objective_;
    const Penalty& penalty_;
    const SolveOptions& options_;
    CompositeModel model_;
    std::vector<double> metric_, gradient_;
    double decrement_ = 0.0;
    double ratio_ = 0.0;
    bool positive_ = false;
};

[[noreturn]] void refuse_groups() {
    std::string names;
    for (const SolverInfo& info : solvers())
        if (info.handles_groups) names += (names.empty() ? "" : ", ") + std::string(info.name);
    throw std::invalid_argument(
        "this solver needs a smooth penalty; those that hold lasso, elastic net and group lasso: " +
        names + ".");
}

}  // namespace

SolveResult minimise(Solver& solver, const Objective& objective, const Penalty& penalty,
                     const SolveOptions& options, std::span<double> x, Evaluation& at_x) {
    if (!penalty.smooth() && !solver.handles_groups()) refuse_groups();
    Certificate certificate(objective, penalty, options);
    SolveResult result;
    const auto finish = [&](Status status) {
        certificate.look(x, at_x);
        result.decrement = certificate.decrement();
        result.status = status;
        if (result.decrement <= options.tolerance)
            result.status = certificate.positive() ? Status::converged : Status::saddle_point;
        else if (status != Status::max_iterations &&
                 arrived(result.decrement, at_x.value + penalty.value(x)))
            result.status = Status::precision_limit;
        return result;
    };

    const bool steered = !solver.certifies();
    if (steered) certificate.look(x, at_x);
    int next_look = first_look;
    int earliest = 1;
    int gap = 1;
    while (!steered || certificate.decrement() > options.tolerance) {
        if (result.n_iterations >= options.max_iterations) return finish(Status::max_iterations);
        const Step step = solver.step(objective, penalty, options, x, at_x);
        if (!step.moved && steered) return finish(step.status);
        if (!step.moved) {
            result.status = step.status;
            result.decrement = step.decrement;
            return result;
        }
        const int n = ++result.n_iterations;
        if (!steered) continue;
        const bool promising =
            n >= earliest && certificate.predict(x, at_x) <= 0.7 * options.tolerance;
        if (!promising && n < next_look) continue;
        certificate.look(x, at_x);
        if (n >= next_look) next_look *= look_factor;
        if (promising) gap *= 2;
        earliest = n + gap;
    }
    return finish(Status::converged);
}

std::vector<double> diagonal_metric(const Penalty& penalty, const Evaluation& at_x, double scale) {
    const std::size_t n = at_x.gradient.size();
    std::vector<double> metric(n, scale);
    if (at_x.kind == Curvature::none) return metric;
    std::vector<double> curvature = at_x.curvature;
    penalty.add_curvature(curvature);
    double largest = 0.0;
    for (std::size_t j = 0; j < n; ++j) largest = std::max(largest, curvature[j * (n + 1)]);
    if (!(largest > 0.0)) return metric;
    // A coordinate without curvature must not run away.
    for (std::size_t j = 0; j < n; ++j)
        metric[j] = std::max(curvature[j * (n + 1)], 1e-10 * largest);
    for (std::size_t g = 0; g < penalty.groups().n_groups(); ++g) {
        double most = 0.0;
        for (const std::ptrdiff_t j : penalty.groups().members(g))
            most = std::max(most, metric[static_cast<std::size_t>(j)]);
        for (const std::ptrdiff_t j : penalty.groups().members(g))
            metric[static_cast<std::size_t>(j)] = most;
    }
    return metric;
}

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

}  // namespace spikeglm
