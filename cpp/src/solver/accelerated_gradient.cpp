// Gradient and proximal gradient steps with Nesterov's acceleration: GradientDescent,
// ProximalGradient. FISTA with backtracking: Beck & Teboulle (2009), SIAM J. Imaging Sci. 2,
// section 4; adaptive restart: O'Donoghue & Candes (2015), Found. Comput. Math. 15, eq. 13.
//
// Steps are taken in the metric M = diag(H) / mean(diag(H)), one value per group, so that the prox
// keeps its closed form:  z = prox(y - (s / scale) M^-1 grad F(y)).
#include <algorithm>
#include <cmath>

#include "methods.hpp"

namespace spikeglm {
namespace {

using Vector = std::vector<double>;

/// A step size that held so often in a row is tried larger.
constexpr int grow_after = 8;

class AcceleratedGradient final : public Solver {
public:
    AcceleratedGradient(const SolverSettings& settings, bool proximal)
        : proximal_(proximal),
          accelerated_(settings.at("acceleration") != 0.0),
          fixed_step_(settings.at("stepsize")),
          decrease_(settings.at("decrease_factor")),
          largest_step_(settings.at("max_stepsize")),
          max_trials_(static_cast<int>(settings.at("maxls"))) {}

    Step step(const Objective& objective, const Penalty& penalty, const SolveOptions& options,
              std::span<double> x, Evaluation& at_x) override;
    [[nodiscard]] bool handles_groups() const override { return proximal_; }

private:
    void begin(const Penalty& penalty, const SolveOptions& options, std::span<const double> x,
               const Evaluation& at_x);
    bool extrapolate(const Objective& objective, std::span<const double> x);
    bool descend(const Objective& objective, const Penalty& penalty, double scale,
                 const Evaluation& at_y);

    bool proximal_, accelerated_;
    double fixed_step_, decrease_, largest_step_;
    int max_trials_;

    Vector metric_, before_, last_;  // x before the last step, and after it
    double step_ = 0.0;
    double momentum_ = 1.0;  // t of FISTA; 1: none
    int held_ = 0;
    Vector y_, z_, steps_, gradient_y_, gradient_z_;
    Evaluation at_y_, at_z_;
};

void AcceleratedGradient::begin(const Penalty& penalty, const SolveOptions& options,
                                std::span<const double> x, const Evaluation& at_x) {
    if (metric_.size() != x.size()) {
        metric_ = diagonal_metric(penalty, at_x, options.scale);
        double mean = 0.0;
        for (const double m : metric_) mean += m / static_cast<double>(metric_.size());
        for (double& m : metric_) m /= mean;
        // The step for a unit metric: no larger one can hold everywhere.
        step_ = fixed_step_ > 0.0 ? fixed_step_ : std::min(options.scale / mean, largest_step_);
        last_.clear();
    }
    if (!std::equal(x.begin(), x.end(), last_.begin(), last_.end())) momentum_ = 1.0;
}

/// y from the last two points; false where it is x itself or the objective is not finite there.
bool AcceleratedGradient::extrapolate(const Objective& objective, std::span<const double> x) {
    const double next = 0.5 * (1.0 + std::sqrt(1.0 + 4.0 * momentum_ * momentum_));
    const double beta = (momentum_ - 1.0) / next;
    momentum_ = accelerated_ ? next : 1.0;
    if (beta == 0.0) return false;
    for (std::size_t j = 0; j < x.size(); ++j) y_[j] = x[j] + beta * (x[j] - before_[j]);
    objective.evaluate(y_, Curvature::none, at_y_);
    if (all_finite(at_y_)) return true;
    momentum_ = 1.0;
    return false;
}

/// A proximal gradient step from y to z whose quadratic model majorises F between them.
bool AcceleratedGradient::descend(const Objective& objective, const Penalty& penalty, double scale,
                                  const Evaluation& at_y) {
    const std::size_t n = y_.size();
    gradient_y_ = at_y.gradient;
    penalty.add_gradient(y_, gradient_y_);
    const double value = at_y.value + penalty.smooth_value(y_);
    const double noise = noise_of(value);
    if (fixed_step_ <= 0.0 && held_ >= grow_after) {
        step_ = std::min(step_ / decrease_, largest_step_);
        held_ = 0;
    }
    for (int i = 0; i < max_trials_; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
            steps_[j] = step_ / (scale * metric_[j]);
            z_[j] = y_[j] - steps_[j] * gradient_y_[j];
        }
        penalty.groups().prox(steps_, z_);
        objective.evaluate(z_, Curvature::none, at_z_);
        const bool finite = all_finite(at_z_);
        if (fixed_step_ > 0.0) return finite;
        if (finite) {
            gradient_z_ = at_z_.gradient;
            penalty.add_gradient(z_, gradient_z_);
            double linear = 0.0;
            double bent = 0.0;   // (grad F(z) - grad F(y))'(z - y)
            double bound = 0.0;  // what the metric makes of it
            for (std::size_t j = 0; j < n; ++j) {
                const double change = z_[j] - y_[j];
                linear += gradient_y_[j] * change;
                bent += (gradient_z_[j] - gradient_y_[j]) * change;
                bound += change * change / steps_[j];
            }
            const double value_z = at_z_.value + penalty.smooth_value(z_);
            const bool drowned = bound <= noise;
            if (drowned ? value_z <= value + linear + noise && bent <= bound
                        : value_z <= value + linear + 0.5 * bound) {
                ++held_;
                return true;
            }
        }
        step_ *= decrease_;
        held_ = 0;
    }
    return false;
}

Step AcceleratedGradient::step(const Objective& objective, const Penalty& penalty,
                               const SolveOptions& options, std::span<double> x, Evaluation& at_x) {
    begin(penalty, options, x, at_x);
    const std::size_t n = x.size();
    for (Vector* v : {&y_, &z_, &steps_}) v->resize(n);
    const double value = at_x.value + penalty.value(x);
    bool extrapolated = extrapolate(objective, x);
    bool accepted = false;
    if (extrapolated) {
        accepted = descend(objective, penalty, options.scale, at_y_) &&
                   at_z_.value + penalty.value(z_) <= value + noise_of(value);
        if (!accepted) momentum_ = 1.0;
    }
    if (!accepted) {
        extrapolated = false;
        y_.assign(x.begin(), x.end());
        accepted = descend(objective, penalty, options.scale, at_x);
    }
    if (!accepted) return {false, Status::line_search_failed};
    if (!extrapolated && std::equal(x.begin(), x.end(), z_.begin()))
        return {false, Status::precision_limit};

    double against = 0.0;  // the momentum points away from where the step went
    for (std::size_t j = 0; j < n; ++j) against += metric_[j] * (y_[j] - z_[j]) * (z_[j] - x[j]);
    if (against > 0.0) momentum_ = 1.0;
    before_.assign(x.begin(), x.end());
    last_ = z_;
    std::copy(z_.begin(), z_.end(), x.begin());
    std::swap(at_x, at_z_);
    return {true, Status::max_iterations};
}

}  // namespace

std::unique_ptr<Solver> make_gradient_descent(const SolverSettings& settings) {
    return std::make_unique<AcceleratedGradient>(settings, false);
}
std::unique_ptr<Solver> make_proximal_gradient(const SolverSettings& settings) {
    return std::make_unique<AcceleratedGradient>(settings, true);
}

}  // namespace spikeglm
