// Descent directions with a Wolfe line search, for smooth penalties: LBFGS, BFGS, NonlinearCG.
// Nocedal & Wright (2006), Numerical Optimization: two-loop recursion, algorithm 7.4; BFGS update,
// eq. 6.17; Polak-Ribiere+, eq. 5.45. Near the optimum, where differences of values are rounding,
// slopes decide: the approximate Wolfe conditions of Hager & Zhang (2005), SIAM J. Optim. 16,
// eq. 4.1.
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "methods.hpp"

namespace spikeglm {
namespace {

using Vector = std::vector<double>;

constexpr double decrease = 1e-4;
constexpr int max_trials = 40;

class LineSearchSolver : public Solver {
public:
    Step step(const Objective& objective, const Penalty& penalty, const SolveOptions& options,
              std::span<double> x, Evaluation& at_x) final;

protected:
    /// `flatness`: the slope must fall to this share.
    explicit LineSearchSolver(double flatness) : flatness_(flatness) {}
    /// The direction to search from here, for a gradient of F.
    virtual void direct(std::span<const double> gradient, std::span<double> direction) = 0;
    /// The step taken and the change of the gradient over it.
    virtual void learn(std::span<const double> step, std::span<const double> change) = 0;
    virtual void forget() = 0;
    /// The first length to try, for a slope and what the last step gained to first order.
    [[nodiscard]] virtual double first_length(double /*slope*/, double /*gained*/) const {
        return 1.0;
    }

    Vector metric_;  // diagonal of the curvature where the first step found it

private:
    bool search(const Objective& objective, const Penalty& penalty, std::span<const double> x,
                double value, double slope);
    void evaluate(const Objective& objective, const Penalty& penalty, std::span<const double> x,
                  double length);

    double flatness_;
    Vector gradient_, direction_, trial_, trial_gradient_, moved_, change_;
    double length_ = 0.0;
    double gained_ = 0.0;
    double trial_value_ = 0.0;
    Evaluation at_trial_;
};

void LineSearchSolver::evaluate(const Objective& objective, const Penalty& penalty,
                                std::span<const double> x, double length) {
    length_ = length;
    for (std::size_t j = 0; j < x.size(); ++j) trial_[j] = x[j] + length * direction_[j];
    objective.evaluate(trial_, Curvature::none, at_trial_);
    trial_gradient_ = at_trial_.gradient;
    penalty.add_gradient(trial_, trial_gradient_);
    trial_value_ = at_trial_.value + penalty.smooth_value(trial_);
}

/// Strong Wolfe conditions by bracketing and secants of the slope.
bool LineSearchSolver::search(const Objective& objective, const Penalty& penalty,
                              std::span<const double> x, double value, double slope) {
    const double noise = noise_of(value);
    double low = 0.0;
    double slope_low = slope;
    double high = std::numeric_limits<double>::infinity();
    double slope_high = 0.0;
    double length = first_length(slope, gained_);
    for (int i = 0; i < max_trials; ++i) {
        evaluate(objective, penalty, x, length);
        const double here = dot(direction_, trial_gradient_);
        const bool finite = std::isfinite(trial_value_) && all_finite(at_trial_);
        const bool descends =
            finite && (trial_value_ <= value + decrease * length * slope ||
                       (trial_value_ <= value + noise && here <= (2.0 * decrease - 1.0) * slope));
        if (descends && std::abs(here) <= -flatness_ * slope) return true;
        if (descends && here < 0.0) {
            low = length;
            slope_low = here;
        } else {
            high = length;
            slope_high = finite ? here : 0.0;
        }
        if (std::isinf(high)) {
            length *= 4.0;
            continue;
        }
        const double width = high - low;
        const double secant = slope_high > 0.0 ? slope_low / (slope_low - slope_high) : 0.3;
        length = low + width * std::clamp(secant, 0.05, 0.95);
    }
    if (low > 0.0) evaluate(objective, penalty, x, low);
    return low > 0.0;
}

Step LineSearchSolver::step(const Objective& objective, const Penalty& penalty,
                            const SolveOptions& options, std::span<double> x, Evaluation& at_x) {
    const std::size_t n = x.size();
    if (metric_.size() != n) {
        forget();
        gained_ = 0.0;
        metric_ = diagonal_metric(penalty, at_x, options.scale);
        for (Vector* v : {&direction_, &trial_, &moved_, &change_}) v->assign(n, 0.0);
    }
    gradient_ = at_x.gradient;
    penalty.add_gradient(x, gradient_);
    const double value = at_x.value + penalty.smooth_value(x);
    // Steepest descent where what was learnt leads nowhere.
    for (int attempt = 0; attempt < 2; ++attempt) {
        if (attempt == 1) {
            forget();
            gained_ = 0.0;
        }
        direct(gradient_, direction_);
        const double slope = dot(direction_, gradient_);
        if (!(slope < 0.0) || !search(objective, penalty, x, value, slope)) continue;
        for (std::size_t j = 0; j < n; ++j) {
            moved_[j] = trial_[j] - x[j];
            change_[j] = trial_gradient_[j] - gradient_[j];
        }
        learn(moved_, change_);
        gained_ = length_ * slope;
        std::copy(trial_.begin(), trial_.end(), x.begin());
        std::swap(at_x, at_trial_);
        return {true, Status::max_iterations};
    }
    return {false, Status::line_search_failed};
}

/// Whether a pair keeps an approximation of the curvature safely positive definite.
bool usable(std::span<const double> step, std::span<const double> change) {
    const double product = dot(step, change);
    return product > 1e-14 * std::sqrt(dot(step, step) * dot(change, change));
}

class Lbfgs final : public LineSearchSolver {
public:
    explicit Lbfgs(int memory) : LineSearchSolver(0.9), pairs_(static_cast<std::size_t>(memory)) {}

private:
    struct Pair {
        Vector step, change;
        double product = 0.0;
    };

    void direct(std::span<const double> gradient, std::span<double> direction) override {
        for (std::size_t j = 0; j < gradient.size(); ++j) direction[j] = -gradient[j];
        for (std::size_t i = 0; i < n_pairs_; ++i) {  // the latest first
            const Pair& pair = latest(i);
            weights_[i] = dot(pair.step, direction) / pair.product;
            for (std::size_t j = 0; j < direction.size(); ++j)
                direction[j] -= weights_[i] * pair.change[j];
        }
        double scale = 1.0;
        if (n_pairs_ > 0) {
            double squares = 0.0;
            for (std::size_t j = 0; j < direction.size(); ++j)
                squares += latest(0).change[j] * latest(0).change[j] / metric_[j];
            scale = latest(0).product / squares;
        }
        for (std::size_t j = 0; j < direction.size(); ++j) direction[j] *= scale / metric_[j];
        for (std::size_t i = n_pairs_; i-- > 0;) {
            const Pair& pair = latest(i);
            const double weight = weights_[i] - dot(pair.change, direction) / pair.product;
            for (std::size_t j = 0; j < direction.size(); ++j)
                direction[j] += weight * pair.step[j];
        }
    }

    void learn(std::span<const double> step, std::span<const double> change) override {
        if (!usable(step, change)) return;
        Pair& pair = pairs_[next_];
        pair.step.assign(step.begin(), step.end());
        pair.change.assign(change.begin(), change.end());
        pair.product = dot(step, change);
        next_ = (next_ + 1) % pairs_.size();
        n_pairs_ = std::min(n_pairs_ + 1, pairs_.size());
    }

    void forget() override { n_pairs_ = 0; }

    [[nodiscard]] const Pair& latest(std::size_t i) const {
        return pairs_[(next_ + pairs_.size() - 1 - i) % pairs_.size()];
    }

    std::vector<Pair> pairs_;
    Vector weights_ = Vector(pairs_.size());
    std::size_t next_ = 0;
    std::size_t n_pairs_ = 0;
};

class Bfgs final : public LineSearchSolver {
public:
    Bfgs() : LineSearchSolver(0.9) {}

private:
    using View = Eigen::Map<const Eigen::VectorXd>;
    static View view(std::span<const double> v) {
        return {v.data(), static_cast<std::ptrdiff_t>(v.size())};
    }

    void direct(std::span<const double> gradient, std::span<double> direction) override {
        const auto n = static_cast<std::ptrdiff_t>(gradient.size());
        Eigen::Map<Eigen::VectorXd> to(direction.data(), n);
        if (inverse_.size() > 0)
            to.noalias() = inverse_.selfadjointView<Eigen::Lower>() * view(gradient);
        else
            to = view(gradient).cwiseQuotient(view(metric_));
        to = -to;
    }

    void learn(std::span<const double> step, std::span<const double> change) override {
        if (!usable(step, change)) return;
        const View s = view(step);
        const View y = view(change);
        const double product = s.dot(y);
        if (inverse_.size() == 0) {
            const Eigen::VectorXd diagonal = view(metric_).cwiseInverse();
            inverse_ = Eigen::MatrixXd(
                (product / y.dot(diagonal.cwiseProduct(y)) * diagonal).asDiagonal());
        }
        moved_.noalias() = inverse_.selfadjointView<Eigen::Lower>() * y;
        const double weight = (1.0 + y.dot(moved_) / product) / product;
        moved_ = 0.5 * weight * s - moved_ / product;
        inverse_.selfadjointView<Eigen::Lower>().rankUpdate(moved_, s);
    }

    void forget() override { inverse_.resize(0, 0); }

    Eigen::MatrixXd inverse_;  // its lower triangle
    Eigen::VectorXd moved_;
};

class NonlinearCg final : public LineSearchSolver {
public:
    NonlinearCg() : LineSearchSolver(0.1) {}

private:
    void direct(std::span<const double> gradient, std::span<double> direction) override {
        double conjugate = 0.0;
        if (!before_.empty()) {
            double last = 0.0;
            for (std::size_t j = 0; j < gradient.size(); ++j) {
                conjugate += gradient[j] * (gradient[j] - before_[j]) / metric_[j];
                last += before_[j] * before_[j] / metric_[j];
            }
            conjugate = last > 0.0 ? std::max(0.0, conjugate / last) : 0.0;
        }
        double slope = 0.0;
        for (std::size_t j = 0; j < gradient.size(); ++j) {
            direction[j] = conjugate * direction[j] - gradient[j] / metric_[j];
            slope += direction[j] * gradient[j];
        }
        if (slope >= 0.0)
            for (std::size_t j = 0; j < gradient.size(); ++j)
                direction[j] = -gradient[j] / metric_[j];
        before_.assign(gradient.begin(), gradient.end());
    }

    void learn(std::span<const double>, std::span<const double>) override {}
    void forget() override { before_.clear(); }

    /// As much first-order change as in the step before. Nocedal & Wright, eq. 3.60.
    [[nodiscard]] double first_length(double slope, double gained) const override {
        return gained < 0.0 ? gained / slope : 1.0;
    }

    Vector before_;  // the last gradient
};

}  // namespace

std::unique_ptr<Solver> make_lbfgs(const SolverSettings& settings) {
    return std::make_unique<Lbfgs>(static_cast<int>(settings.at("memory_size")));
}
std::unique_ptr<Solver> make_bfgs(const SolverSettings&) { return std::make_unique<Bfgs>(); }
std::unique_ptr<Solver> make_nonlinear_cg(const SolverSettings&) {
    return std::make_unique<NonlinearCg>();
}

}  // namespace spikeglm
