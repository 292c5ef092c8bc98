// Every registered solver against the others and against closed forms, on objectives of its own.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <random>
#include <stdexcept>

#include "check.hpp"
#include "spikeglm/solver/restricted.hpp"
#include "spikeglm/solver/solver.hpp"

using namespace spikeglm;
using Index = std::ptrdiff_t;
using Vector = std::vector<double>;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

enum class Loss { squares, logistic, poisson, softplus };

/// sum_i w loss(y_i, x_i' b) over the rows of X, row-major. softplus: Poisson counts with that
/// inverse link, where observed and expected curvature differ.
class Regression final : public Objective {
public:
    Regression(Loss loss, Vector x, Vector y, Index columns)
        : loss_(loss), x_(std::move(x)), y_(std::move(y)), p_(static_cast<std::size_t>(columns)) {}

    [[nodiscard]] Index size() const override { return static_cast<Index>(p_); }
    [[nodiscard]] bool canonical() const override { return loss_ != Loss::softplus; }
    [[nodiscard]] Index n_rows() const override { return static_cast<Index>(y_.size()); }

    void evaluate(std::span<const double> b, Curvature kind, Evaluation& out) const override {
        ++n_evaluations;
        out.value = 0.0;
        out.kind = kind;
        out.gradient.assign(p_, 0.0);
        out.curvature.assign(kind == Curvature::none ? 0 : p_ * p_, 0.0);
        for (std::size_t i = 0; i < y_.size(); ++i) {
            double d1 = 0.0;
            double d2 = 0.0;
            out.value += terms(i, b, kind, d1, d2);
            const double* x = &x_[i * p_];
            for (std::size_t j = 0; j < p_; ++j) {
                out.gradient[j] += d1 * x[j];
                if (kind == Curvature::none || x[j] == 0.0) continue;
                for (std::size_t k = 0; k < p_; ++k) out.curvature[j * p_ + k] += d2 * x[j] * x[k];
            }
        }
        if (beyond > 0.0 && std::abs(b[0]) > beyond) out.value = infinity;
    }

    void row_gradients(std::span<const Index> rows, std::span<const double> b,
                       std::span<double> sum) const override {
        std::fill(sum.begin(), sum.end(), 0.0);
        for (const Index row : rows) {
            const auto i = static_cast<std::size_t>(row);
            double d1 = 0.0;
            double d2 = 0.0;
            static_cast<void>(terms(i, b, Curvature::none, d1, d2));
            for (std::size_t j = 0; j < p_; ++j) sum[j] += d1 * x_[i * p_ + j];
        }
    }

    double beyond = 0.0;  ///< where |b_0| exceeds it the value is infinite
    mutable int n_evaluations = 0;

private:
    double terms(std::size_t i, std::span<const double> b, Curvature kind, double& d1,
                 double& d2) const {
        double eta = 0.0;
        for (std::size_t j = 0; j < p_; ++j) eta += x_[i * p_ + j] * b[j];
        const double y = y_[i];
        const double log1p_exp =
            eta > 0.0 ? eta + std::log1p(std::exp(-eta)) : std::log1p(std::exp(eta));
        const double s = 1.0 / (1.0 + std::exp(-eta));
        switch (loss_) {
            case Loss::squares:
                d1 = eta - y;
                d2 = 1.0;
                return 0.5 * d1 * d1;
            case Loss::logistic:
                d1 = s - y;
                d2 = s * (1.0 - s);
                return log1p_exp - y * eta;
            case Loss::poisson:
                d1 = std::exp(eta) - y;
                d2 = std::exp(eta);
                return std::exp(eta) - y * eta;
            case Loss::softplus: {
                const double mu = log1p_exp;
                d1 = s * (1.0 - y / mu);
                d2 = kind == Curvature::expected
                         ? s * s / mu
                         : s * (1.0 - s) * (1.0 - y / mu) + y * s * s / (mu * mu);
                return mu - y * std::log(mu);
            }
        }
        return 0.0;
    }

    Loss loss_;
    Vector x_, y_;
    std::size_t p_;
};

/// Columns of correlation 0.3 with each other, the last one constant; y follows the first columns.
Regression random_problem(Loss loss, Index n, Index p, unsigned seed) {
    std::mt19937_64 generator(seed);
    std::normal_distribution<double> normal;
    Vector x, y;
    for (Index i = 0; i < n; ++i) {
        const double common = std::sqrt(0.3) * normal(generator);
        double eta = loss == Loss::logistic ? 0.2 : 0.5;
        for (Index j = 0; j < p; ++j) {
            const double value = j == p - 1 ? 1.0 : std::sqrt(0.7) * normal(generator) + common;
            x.push_back(value);
            if (j < 4 && j < p - 1) eta += (j % 2 ? -0.3 : 0.4) * value;
        }
        switch (loss) {
            case Loss::squares: y.push_back(eta + 0.5 * normal(generator)); break;
            case Loss::logistic:
                y.push_back(std::bernoulli_distribution(1.0 / (1.0 + std::exp(-eta)))(generator));
                break;
            case Loss::poisson:
                y.push_back(std::poisson_distribution<int>(std::exp(eta))(generator));
                break;
            case Loss::softplus:
                y.push_back(std::poisson_distribution<int>(std::log1p(std::exp(eta)))(generator));
                break;
        }
    }
    return {loss, std::move(x), std::move(y), p};
}

/// Groups of the sizes given, one after the other from coordinate 0.
GroupNorms consecutive(const std::vector<Index>& sizes, const Vector& weights) {
    std::vector<Index> begin = {0};
    for (const Index size : sizes) begin.push_back(begin.back() + size);
    std::vector<Index> members(static_cast<std::size_t>(begin.back()));
    for (std::size_t j = 0; j < members.size(); ++j) members[j] = static_cast<Index>(j);
    return {begin, members, weights};
}

struct Solved {
    SolveResult result;
    Vector x;
    double value = 0.0;
    double kkt = 0.0;  ///< length of the subgradient of least norm over sqrt(diag H)
};

Solved solve(Solver& solver, const Objective& objective, const Penalty& penalty,
             const SolveOptions& options, Vector x = {}) {
    Solved solved;
    const auto p = static_cast<std::size_t>(objective.size());
    solved.x = x.empty() ? Vector(p, 0.0) : std::move(x);
    Evaluation at;
    objective.evaluate(solved.x, Curvature::none, at);
    solved.result = minimise(solver, objective, penalty, options, solved.x, at);
    solved.value = at.value + penalty.value(solved.x);
    CHECK(at.kind != Curvature::none);
    penalty.add_gradient(solved.x, at.gradient);
    penalty.add_curvature(at.curvature);
    penalty.groups().min_norm_subgradient(solved.x, at.gradient);
    for (std::size_t j = 0; j < p; ++j) {
        CHECK(!(solved.x[j] == 0.0 && std::signbit(solved.x[j])));
        if (at.curvature[j * (p + 1)] > 0.0)
            solved.kkt = std::max(solved.kkt,
                                  std::abs(at.gradient[j]) / std::sqrt(at.curvature[j * (p + 1)]));
    }
    return solved;
}

Solved solve(const char* name, const Objective& objective, const Penalty& penalty,
             const SolveOptions& options, Vector x = {}) {
    return solve(*make_solver(name), objective, penalty, options, std::move(x));
}

const bool verbose = std::getenv("SPIKEGLM_VERBOSE") != nullptr;

struct Timer {
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    [[nodiscard]] double ms() const {
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count();
    }
};

}  // namespace

TEST("all solvers agree on all losses and penalties") {
    constexpr Index n = 400;
    constexpr Index p = 9;
    const double strength = 0.08 * n;
    Vector ridge(p, 0.05 * n);
    ridge.back() = 0.0;
    Vector lasso(p, strength);
    lasso.back() = 0.0;
    Vector half = lasso;
    for (double& weight : half) weight *= 0.5;
    Vector none(p, 0.0);
    const GroupNorms groups =
        consecutive({3, 1, 2, 2}, {strength, strength, 2.0 * strength, strength});
    struct Case {
        const char* name;
        GroupPenalty penalty;
    };
    const Case cases[] = {{"none", GroupPenalty(none)},
                          {"ridge", GroupPenalty(ridge)},
                          {"lasso", GroupPenalty({}, GroupNorms::singletons(lasso))},
                          {"elastic net", GroupPenalty(ridge, GroupNorms::singletons(half))},
                          {"group lasso", GroupPenalty({}, groups)},
                          {"group lasso and ridge", GroupPenalty(ridge, groups)}};
    const char* losses[] = {"squares", "logistic", "poisson", "softplus"};
    for (const Loss loss : {Loss::squares, Loss::logistic, Loss::poisson, Loss::softplus}) {
        const Regression objective = random_problem(loss, n, p, 7);
        for (const Case& c : cases) {
            SolveOptions options{.tolerance = 1e-9, .max_iterations = 100, .scale = n};
            check::context() = std::string(losses[static_cast<int>(loss)]) + ", " + c.name;
            const Solved best = solve("ProxNewton", objective, c.penalty, options);
            for (const SolverInfo& info : solvers()) {
                if (!c.penalty.smooth() && !info.handles_groups) continue;
                check::context() = std::string(losses[static_cast<int>(loss)]) + ", " + c.name +
                                   ", " + std::string(info.name);
                SolverSettings settings;
                options.max_iterations = info.default_max_iterations;
                options.tolerance = info.stochastic ? 1e-5 : 1e-9;
                if (info.stochastic) settings = {{"stepsize", 0.02}};
                objective.n_evaluations = 0;
                const Timer timer;
                const Solved solved =
                    solve(*make_solver(info.name, settings), objective, c.penalty, options);
                if (verbose)
                    std::printf("%-60s %5d steps %5d passes %8.2f ms  %-15s %.1e\n",
                                check::context().c_str(), solved.result.n_iterations,
                                objective.n_evaluations, timer.ms(),
                                std::string(to_string(solved.result.status)).c_str(),
                                solved.result.decrement);
                CHECK(solved.result.status == Status::converged);
                CHECK(solved.result.decrement <= options.tolerance);
                CHECK(solved.kkt <= 10.0 * options.tolerance);
                CHECK_CLOSE(solved.value, best.value, 1e-10 * std::abs(best.value));
                for (std::size_t j = 0; j < best.x.size(); ++j) {
                    CHECK_CLOSE(solved.x[j], best.x[j], 3.0 * options.tolerance);
                    if (!info.stochastic) CHECK((solved.x[j] == 0.0) == (best.x[j] == 0.0));
                }
                // The solution is where a start at it stays.
                const Solved again = solve(*make_solver(info.name, settings), objective, c.penalty,
                                           options, solved.x);
                CHECK(again.result.n_iterations == 0);
                CHECK(again.x == solved.x);
            }
        }
    }
}
