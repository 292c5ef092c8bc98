// Stochastic gradients with reduced variance: SVRG, ProxSVRG.
// Johnson & Zhang (2013), NIPS 26; Xiao & Zhang (2014), SIAM J. Optim. 24, algorithm 1, with the
// last inner point as the next anchor.
//
// One step is an epoch of n / batch_size inner steps from the anchor a = x, b rows drawn each:
//   v = (n / b) (grad f_b(z) - grad f_b(a)) + grad f(a) + grad smooth penalty(z)
//   z <- prox(z - (stepsize / scale) v)
#include <algorithm>
#include <cmath>
#include <random>

#include "methods.hpp"

namespace spikeglm {
namespace {

using Vector = std::vector<double>;

/// An epoch that climbs is taken back, and repeated with half the step size; each that does not
/// doubles it again, up to the one asked for.
constexpr int max_halvings = 30;

class Svrg final : public Solver {
public:
    Svrg(const SolverSettings& settings, bool proximal)
        : proximal_(proximal),
          asked_step_(settings.at("stepsize")),
          step_(asked_step_),
          rows_(static_cast<std::size_t>(settings.at("batch_size"))),
          generator_(static_cast<std::uint64_t>(settings.at("seed"))) {}

    Step step(const Objective& objective, const Penalty& penalty, const SolveOptions& options,
              std::span<double> x, Evaluation& at_x) override;
    [[nodiscard]] bool handles_groups() const override { return proximal_; }

private:
    void epoch(const Objective& objective, const Penalty& penalty, double step,
               std::span<const double> x, const Evaluation& at_x);

    bool proximal_;
    double asked_step_, step_;
    std::vector<std::ptrdiff_t> rows_;
    std::mt19937_64 generator_;
    Vector z_, here_, there_, smooth_;
    Evaluation at_z_;
};

void Svrg::epoch(const Objective& objective, const Penalty& penalty, double step,
                 std::span<const double> x, const Evaluation& at_x) {
    const auto n = static_cast<std::uint64_t>(objective.n_rows());
    const std::size_t size = x.size();
    const double share = static_cast<double>(n) / static_cast<double>(rows_.size());
    const auto n_inner = std::max<std::uint64_t>(1, n / rows_.size());
    z_.assign(x.begin(), x.end());
    for (Vector* v : {&here_, &there_, &smooth_}) v->resize(size);
    for (std::uint64_t i = 0; i < n_inner; ++i) {
        // The remainder's bias is n / 2^64; a distribution's numbers depend on the library.
        for (std::ptrdiff_t& row : rows_) row = static_cast<std::ptrdiff_t>(generator_() % n);
        objective.row_gradients(rows_, z_, here_);
        objective.row_gradients(rows_, x, there_);
        std::fill(smooth_.begin(), smooth_.end(), 0.0);
        penalty.add_gradient(z_, smooth_);
        for (std::size_t j = 0; j < size; ++j)
            z_[j] -= step * (share * (here_[j] - there_[j]) + at_x.gradient[j] + smooth_[j]);
        penalty.groups().prox({&step, 1}, z_);
    }
}

Step Svrg::step(const Objective& objective, const Penalty& penalty, const SolveOptions& options,
                std::span<double> x, Evaluation& at_x) {
    const double value = at_x.value + penalty.value(x);
    for (int i = 0; i < max_halvings; ++i, step_ *= 0.5) {
        epoch(objective, penalty, step_ / options.scale, x, at_x);
        if (std::equal(x.begin(), x.end(), z_.begin())) return {false, Status::precision_limit};
        objective.evaluate(z_, Curvature::none, at_z_);
        if (!all_finite(at_z_) || !(at_z_.value + penalty.value(z_) <= value + noise_of(value)))
            continue;
        std::copy(z_.begin(), z_.end(), x.begin());
        std::swap(at_x, at_z_);
        step_ = std::min(2.0 * step_, asked_step_);
        return {true, Status::max_iterations};
    }
    return {false, Status::line_search_failed};
}

}  // namespace

std::unique_ptr<Solver> make_svrg(const SolverSettings& settings) {
    return std::make_unique<Svrg>(settings, false);
}
std::unique_ptr<Solver> make_prox_svrg(const SolverSettings& settings) {
    return std::make_unique<Svrg>(settings, true);
}

}  // namespace spikeglm
