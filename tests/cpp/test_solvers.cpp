// Every registered solver against the others and against closed forms, on objectives of its own.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <random>
#include <stdexcept>
#include <tuple>

#include "check.hpp"
#include "spikeglm/solver/restricted.hpp"
#include "spikeglm/solver/solver.hpp"

using namespace spikeglm;
using Index = std::ptrdiff_t;
using Vector = std::vector<double>;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

enum class Loss { squares, logistic, poisson, softplus, identity };

/// sum_i w loss(y_i, x_i' b) over the rows of X, row-major. softplus: Poisson counts with that
/// inverse link, where observed and expected curvature differ; identity: counts above zero whose
/// mean is eta, infinite where one is not positive.
class Regression final : public Objective {
public:
    Regression(Loss loss, Vector x, Vector y, Index columns)
        : loss_(loss), x_(std::move(x)), y_(std::move(y)), p_(static_cast<std::size_t>(columns)) {}

    [[nodiscard]] Index size() const override { return static_cast<Index>(p_); }
    [[nodiscard]] bool canonical() const override { return loss_ < Loss::softplus; }
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
            case Loss::identity:
                if (!(eta > 0.0)) return infinity;
                d1 = 1.0 - y / eta;
                d2 = kind == Curvature::expected ? 1.0 / eta : y / (eta * eta);
                return eta - y * std::log(eta);
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
            case Loss::identity:
                y.push_back(1.0 + std::poisson_distribution<int>(2.0 + std::abs(eta))(generator));
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

TEST("lasso, elastic net and group lasso on orthogonal columns have closed forms") {
    // X'X = 4 I: two-level columns, each twice.
    const Vector x = {1, 1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1, -1, -1, 1};
    const Vector y = {4.0, 1.0, -2.0, 0.5};
    const Regression objective(Loss::squares, x, y, 4);
    Vector cross(4, 0.0);  // X'y
    for (std::size_t i = 0; i < 4; ++i)
        for (std::size_t j = 0; j < 4; ++j) cross[j] += x[i * 4 + j] * y[i];
    const Vector weights = {2.0, 1.0, 0.0, 5.5};
    const Vector ridge = {0.5, 0.0, 3.0, 1.0};
    const auto soft = [](double a, double w) {
        return std::abs(a) > w ? std::copysign(std::abs(a) - w, a) : 0.0;
    };
    for (const char* name : {"ProxNewton", "ProximalGradient"}) {
        check::context() = name;
        const Solved lasso =
            solve(name, objective, GroupPenalty(ridge, GroupNorms::singletons(weights)),
                  {1e-12, 1000, 4.0});
        for (std::size_t j = 0; j < 4; ++j)
            CHECK_CLOSE(lasso.x[j], soft(cross[j], weights[j]) / (4.0 + ridge[j]), 1e-12);
        const Solved group =
            solve(name, objective, GroupPenalty({}, consecutive({2, 2}, {1.5, 100.0})),
                  {1e-12, 1000, 4.0});
        const double length = std::hypot(cross[0], cross[1]);
        for (std::size_t j = 0; j < 2; ++j)
            CHECK_CLOSE(group.x[j], cross[j] * (1.0 - 1.5 / length) / 4.0, 1e-12);
        CHECK(group.x[2] == 0.0 && group.x[3] == 0.0);
    }
}

TEST("at the largest strength all is zero, one step below only the steepest moves") {
    constexpr Index p = 30;
    for (const Loss loss : {Loss::logistic, Loss::poisson}) {
        const Regression objective = random_problem(loss, 300, p, 3);
        Vector weights(p, 1e9);
        weights.back() = 0.0;
        const SolveOptions options{1e-10, 10000, 300.0};
        const Solved null = solve("ProxNewton", objective,
                                  GroupPenalty({}, GroupNorms::singletons(weights)), options);
        Evaluation at;
        objective.evaluate(null.x, Curvature::none, at);
        std::size_t steepest = 0;
        for (std::size_t j = 0; j + 1 < p; ++j)
            if (std::abs(at.gradient[j]) > std::abs(at.gradient[steepest])) steepest = j;
        for (const char* name : {"ProxNewton", "ProximalGradient"})
            for (const double share : {1.0 + 1e-9, 0.999}) {
                check::context() = name + std::string(" ") + std::to_string(share);
                weights.assign(p, share * std::abs(at.gradient[steepest]));
                weights.back() = 0.0;
                const Solved solved =
                    solve(name, objective, GroupPenalty({}, GroupNorms::singletons(weights)),
                          options, null.x);
                CHECK(solved.result.status == Status::converged);
                for (std::size_t j = 0; j + 1 < p; ++j)
                    CHECK((solved.x[j] != 0.0) == (share < 1.0 && j == steepest));
            }
    }
}

TEST("more columns than rows, and columns twice") {
    constexpr Index p = 60;
    Regression objective = random_problem(Loss::logistic, 25, p, 5);
    Vector weights(p, 1.0);
    weights.back() = 0.0;
    const GroupPenalty lasso({}, GroupNorms::singletons(weights));
    const GroupPenalty group({}, consecutive(std::vector<Index>(19, 3), Vector(19, 1.5)));
    const SolveOptions options{1e-9, 20000, 25.0};
    for (const Penalty* penalty :
         {static_cast<const Penalty*>(&lasso), static_cast<const Penalty*>(&group)}) {
        const Solved newton = solve("ProxNewton", objective, *penalty, options);
        const Solved gradient = solve("ProximalGradient", objective, *penalty, options);
        if (verbose)
            std::printf("n = 25, p = 60: %d and %d steps\n", newton.result.n_iterations,
                        gradient.result.n_iterations);
        for (const Solved* solved : {&newton, &gradient}) {
            CHECK(solved->result.status == Status::converged);
            CHECK(solved->kkt <= 1e-8);
        }
        CHECK_CLOSE(newton.value, gradient.value, 1e-10 * newton.value);
    }

    // Each column twice, in one group or in two.
    std::mt19937_64 generator(11);
    std::normal_distribution<double> normal;
    Vector x, y;
    for (int i = 0; i < 100; ++i) {
        const double a = normal(generator);
        const double b = normal(generator);
        x.insert(x.end(), {a, b, a, b, 1.0});
        y.push_back(std::poisson_distribution<int>(std::exp(0.5 * a - 0.3 * b))(generator));
    }
    const Regression twice(Loss::poisson, x, y, 5);
    const GroupNorms together = consecutive({4}, {6.0});
    const GroupNorms apart = consecutive({2, 2}, {6.0, 6.0});
    const GroupNorms single = GroupNorms::singletons(Vector{6.0, 6.0, 6.0, 6.0, 0.0});
    for (const GroupNorms* norms : {&together, &apart, &single})
        for (const char* name : {"ProxNewton", "ProximalGradient"}) {
            check::context() = name;
            const Solved solved =
                solve(name, twice, GroupPenalty({}, *norms), {1e-9, 10000, 100.0});
            CHECK(solved.result.status == Status::converged);
            CHECK(solved.kkt <= 1e-8);
        }
    // Without penalty H is singular: the first-order solvers do not mind.
    for (const char* name : {"LBFGS", "BFGS", "NonlinearCG", "GradientDescent"}) {
        check::context() = name;
        const Solved solved = solve(name, twice, GroupPenalty({}), {1e-8, 10000, 100.0});
        CHECK(solved.result.decrement <= 1e-8);
        CHECK(solved.kkt <= 1e-7);
    }
}

TEST("badly conditioned coordinates without penalty among penalised ones") {
    // Powers of one variable, correlated to 0.9999, and noise columns in groups.
    std::mt19937_64 generator(2);
    std::normal_distribution<double> normal;
    constexpr Index p = 20;
    Vector x, y;
    for (int i = 0; i < 500; ++i) {
        const double t = 1.0 + i / 500.0;
        for (int k = 0; k < 6; ++k) x.push_back(std::pow(t, k));
        for (Index j = 6; j < p; ++j) x.push_back(normal(generator));
        y.push_back(std::poisson_distribution<int>(std::exp(std::sin(6.0 * t)))(generator));
    }
    const Regression objective(Loss::poisson, x, y, p);
    std::vector<Index> members;
    for (Index j = 6; j < p; ++j) members.push_back(j);
    const GroupPenalty penalty(
        {}, GroupNorms(std::vector<Index>{0, 4, 5, 9, 14}, members, Vector{30.0, 5.0, 20.0, 40.0}));
    const Solved solved = solve("ProxNewton", objective, penalty, {1e-8, 100, 500.0});
    CHECK(solved.result.status == Status::converged);
    CHECK(solved.kkt <= 1e-7);
    CHECK(solved.result.n_iterations <= 12);
}

TEST("step by step is the same as a run, also on other data") {
    constexpr Index p = 8;
    const Regression first = random_problem(Loss::poisson, 200, p, 1);
    const Regression second = random_problem(Loss::poisson, 200, p, 2);
    const GroupPenalty ridge(Vector(p, 3.0));
    const SolveOptions options{1e-9, 10000, 200.0};
    for (const SolverInfo& info : solvers()) {
        check::context() = info.name;
        SolverSettings settings;
        if (info.stochastic) settings = {{"stepsize", 0.01}};
        Evaluation at;
        Vector run(p, 0.0);
        first.evaluate(run, Curvature::observed, at);
        auto solver = make_solver(info.name, settings);
        SolveOptions five = options;
        five.max_iterations = 5;
        const SolveResult result = minimise(*solver, first, ridge, five, run, at);

        solver = make_solver(info.name, settings);
        Vector x(p, 0.0);
        first.evaluate(x, Curvature::observed, at);
        for (int i = 0; i < result.n_iterations; ++i)
            CHECK(solver->step(first, ridge, options, x, at).moved);
        CHECK(x == run);

        // Other data of the same size, with what was learnt from the first.
        second.evaluate(x, Curvature::none, at);
        for (int i = 0; i < 3; ++i) {
            const double before = at.value + ridge.value(x);
            const bool moved = solver->step(second, ridge, options, x, at).moved;
            CHECK(!moved || at.value + ridge.value(x) <= before * (1.0 + 1e-12));
        }
        SolveOptions rest = options;
        if (info.stochastic) rest.tolerance = 1e-5;
        CHECK(minimise(*solver, second, ridge, rest, x, at).status == Status::converged);
    }
}

TEST("points where the objective is not finite are refused") {
    // Close to the border of the domain, and where first steps overflow exp.
    constexpr Index p = 5;
    const GroupPenalty ridge(Vector(p, 0.1));
    const std::pair<Loss, Vector> cases[] = {{Loss::identity, {0.0, 0.0, 0.0, 0.0, 0.01}},
                                             {Loss::poisson, {0.0, -3.0, 0.0, 0.0, -4.0}}};
    for (const auto& [loss, start] : cases) {
        const Regression objective = random_problem(loss, 200, p, 4);
        const Solved best = solve("Newton", objective, ridge, {1e-9, 100, 200.0}, start);
        for (const SolverInfo& info : solvers()) {
            check::context() = info.name;
            SolverSettings settings;
            if (info.stochastic) settings = {{"stepsize", 0.05}};
            const double tolerance = info.stochastic ? 1e-5 : 1e-8;
            const Timer timer;
            const Solved solved = solve(*make_solver(info.name, settings), objective, ridge,
                                        {tolerance, 10000, 200.0}, start);
            if (verbose)
                std::printf("border: %-20s %5d steps  %.1f ms\n", check::context().c_str(),
                            solved.result.n_iterations, timer.ms());
            CHECK(solved.result.status == Status::converged);
            for (std::size_t j = 0; j < p; ++j)
                CHECK_CLOSE(solved.x[j], best.x[j], 10.0 * tolerance);
        }
    }
}

TEST("a maximum of iterations and a tolerance out of reach are said") {
    constexpr Index p = 9;
    const Regression objective = random_problem(Loss::poisson, 400, p, 7);
    for (const SolverInfo& info : solvers()) {
        check::context() = info.name;
        const Solved none = solve(info.name.data(), objective, GroupPenalty({}), {1e-9, 0, 400.0});
        CHECK(none.result.status == Status::max_iterations);
        CHECK(none.result.n_iterations == 0);
        CHECK(none.result.decrement > 1.0);
        CHECK(none.x == Vector(p, 0.0));
        const Solved one = solve(info.name.data(), objective, GroupPenalty({}), {1e-9, 1, 400.0});
        CHECK(one.result.status == Status::max_iterations);
        CHECK(one.result.n_iterations == 1);
        CHECK(one.result.decrement > 1e-9);
        if (info.stochastic) continue;
        const Solved never =
            solve(info.name.data(), objective, GroupPenalty({}), {1e-30, 2000, 400.0});
        CHECK(never.result.status == Status::precision_limit ||
              never.result.status == Status::max_iterations);
        CHECK(never.result.decrement < 1e-10);
        if (verbose)
            std::printf("%-20s reaches %.1e in %d steps: %s\n", check::context().c_str(),
                        never.result.decrement, never.result.n_iterations,
                        std::string(to_string(never.result.status)).c_str());
    }
}

TEST("groups: their value, prox, distance to the subdifferential, and what they refuse") {
    const std::vector<Index> begin = {0, 2, 3, 4, 4};
    const std::vector<Index> members = {3, 1, 0, 4};
    const Vector weights = {2.0, 0.5, 0.0, 7.0};
    const GroupNorms norms(begin, members, weights);
    CHECK(norms.n_groups() == 2);
    CHECK(norms.others(6) == (std::vector<Index>{2, 4, 5}));
    const Vector x = {-1.0, 3.0, 5.0, 4.0, 6.0, -0.0};
    CHECK_CLOSE(norms.value(x), 0.5 + 2.0 * 5.0, 1e-15);

    Vector z = x;
    norms.prox(Vector{1.0}, z);
    const Vector expected = {-0.5, 3.0 * 0.6, 5.0, 4.0 * 0.6, 6.0, 0.0};
    for (std::size_t j = 0; j < 6; ++j) CHECK_CLOSE(z[j], expected[j], 1e-15);
    norms.prox(Vector{100.0}, z);
    for (const std::size_t j : {0U, 1U, 3U}) CHECK(z[j] == 0.0 && !std::signbit(z[j]));

    Vector at_zero = {0.4, 3.0, 1.0, -4.0, 1.0, 1.0};
    norms.min_norm_subgradient(Vector(6, 0.0), at_zero);
    const Vector left = {0.0, 3.0 * 0.6, 1.0, -4.0 * 0.6, 1.0, 1.0};
    for (std::size_t j = 0; j < 6; ++j) CHECK_CLOSE(at_zero[j], left[j], 1e-15);
    Vector elsewhere(6, 0.0);
    norms.min_norm_subgradient(x, elsewhere);
    CHECK_CLOSE(elsewhere[0], -0.5, 1e-15);
    CHECK_CLOSE(elsewhere[1], 2.0 * 0.6, 1e-15);
    CHECK_CLOSE(elsewhere[3], 2.0 * 0.8, 1e-15);

    const GroupNorms part = norms.restricted(std::vector<Index>{3, 2, 5});
    CHECK(part.n_groups() == 1);
    CHECK(part.members(0).size() == 1 && part.members(0)[0] == 0 && part.weight(0) == 2.0);

    CHECK_THROWS(consecutive({1, 1}, {1.0, -2.0}), std::invalid_argument,
                 "the weight of group 1 is -2.000000");
    CHECK_THROWS(GroupNorms::singletons(Vector{infinity}), std::invalid_argument, "inf");
    CHECK_THROWS(
        GroupNorms(std::vector<Index>{0, 1, 2}, std::vector<Index>{4, 4}, Vector{1.0, 1.0}),
        std::invalid_argument, "coordinate 4 is in two groups");
    CHECK_THROWS(GroupNorms(std::vector<Index>{0, 1}, std::vector<Index>{4, 3}, Vector{1.0}),
                 std::invalid_argument, "ascending, from 0 to the 2 members");
}

TEST("a restricted objective is the full one with coordinates held") {
    constexpr Index p = 6;
    const Regression full = random_problem(Loss::poisson, 100, p, 9);
    const std::vector<Index> chosen = {4, 0, 5};
    const Vector at = {0.1, 0.2, -0.3, 0.0, 0.4, 0.5};
    const Restricted part(full, chosen, at);
    CHECK(part.size() == 3 && part.canonical() && part.n_rows() == 100);
    const Vector x = part.gather(at);
    CHECK(x == (Vector{0.4, 0.1, 0.5}));
    Evaluation whole, some, gathered;
    full.evaluate(at, Curvature::observed, whole);
    part.evaluate(x, Curvature::observed, some);
    part.gather(whole, gathered);
    CHECK(some.value == whole.value && some.gradient == gathered.gradient);
    CHECK(some.curvature == gathered.curvature && some.kind == Curvature::observed);
    CHECK(some.gradient[0] == whole.gradient[4]);
    CHECK(some.curvature[1 + 2 * 3] == whole.curvature[0 + 5 * 6]);
    part.evaluate(x, Curvature::none, some);
    CHECK(some.curvature.empty());
    Vector sum(3), full_sum(6);
    const std::vector<Index> rows = {3, 3, 8};
    part.row_gradients(rows, x, sum);
    full.row_gradients(rows, at, full_sum);
    CHECK(sum == part.gather(full_sum));
    Vector moved = at;
    part.scatter(Vector{1.0, 2.0, 3.0}, moved);
    CHECK(moved == (Vector{2.0, 0.2, -0.3, 0.0, 1.0, 3.0}));

    // The minimum over some coordinates leaves the gradient of the others.
    Vector solution = x;
    part.evaluate(solution, Curvature::none, some);
    CHECK(minimise(*make_newton(), part, GroupPenalty({}), {}, solution, some).status ==
          Status::converged);
    part.scatter(solution, moved = at);
    full.evaluate(moved, Curvature::none, whole);
    for (const Index j : chosen)
        CHECK_CLOSE(whole.gradient[static_cast<std::size_t>(j)], 0.0, 1e-6);
    CHECK(std::abs(whole.gradient[1]) > 1.0);
}

TEST("a quadratic penalty beside groups") {
    constexpr Index p = 6;
    const Regression objective = random_problem(Loss::logistic, 200, p, 13);
    Vector matrix(p * p, 0.0);  // 20 times squared differences of neighbours
    for (std::size_t j = 0; j + 2 < p; ++j)
        for (const auto& [a, b, v] :
             {std::tuple{j, j, 20.0}, {j + 1, j + 1, 20.0}, {j, j + 1, -20.0}, {j + 1, j, -20.0}})
            matrix[a + b * p] += v;
    Vector weights(p, 6.0);
    weights.back() = 0.0;
    const QuadraticPenalty smooth(matrix);
    const QuadraticPenalty both(matrix, GroupNorms::singletons(weights));
    Evaluation zero{0.0, Vector(p, 0.0), Vector(p * p, 0.0), Curvature::observed};
    const Vector x = {0.3, -0.2, 0.5, 0.1, 0.0, 2.0};
    smooth.add_gradient(x, zero.gradient);
    double product = 0.0;
    for (std::size_t j = 0; j < p; ++j) product += 0.5 * zero.gradient[j] * x[j];
    CHECK_CLOSE(smooth.value(x), product, 1e-14);
    CHECK_CLOSE(both.value(x), product + 6.0 * 1.1, 1e-13);
    for (const Penalty* penalty : {&smooth, &both}) {
        const Solved newton = solve("ProxNewton", objective, *penalty, {1e-9, 100, 200.0});
        for (const SolverInfo& info : solvers()) {
            if (info.stochastic || (!penalty->smooth() && !info.handles_groups)) continue;
            check::context() = info.name;
            const Solved solved =
                solve(info.name.data(), objective, *penalty, {1e-9, 10000, 200.0});
            CHECK(solved.result.status == Status::converged);
            for (std::size_t j = 0; j < p; ++j) CHECK_CLOSE(solved.x[j], newton.x[j], 1e-9);
        }
    }
}

TEST("solvers and settings that are not there are refused with what is") {
    CHECK_THROWS(make_solver("Newtn"), std::invalid_argument,
                 "unknown solver 'Newtn'; known: Newton, ProxNewton, LBFGS");
    CHECK_THROWS(make_solver("LBFGS", {{"memory", 3.0}}), std::invalid_argument,
                 "LBFGS has no setting 'memory'; known: memory_size.");
    CHECK_THROWS(make_solver("Newton", {{"stepsize", 3.0}}), std::invalid_argument, "it has none");
    CHECK_THROWS(make_solver("LBFGS", {{"memory_size", 2.5}}), std::invalid_argument,
                 "memory_size is 2.5; expected an integer from 1 to 1000");
    CHECK_THROWS(make_solver("SVRG", {{"stepsize", 0.0}}), std::invalid_argument,
                 "stepsize is 0; expected a number above 0");
    CHECK_THROWS(make_solver("ProximalGradient", {{"maxls", std::nan("")}}), std::invalid_argument,
                 "maxls is nan");
    for (const SolverInfo& info : solvers()) {
        SolverSettings defaults;
        for (const SettingInfo& setting : info.settings)
            defaults[std::string(setting.name)] = setting.default_value;
        CHECK(make_solver(info.name, defaults)->handles_groups() == info.handles_groups);
        CHECK(&solver_info(info.name) == &info);
    }

    const Regression objective = random_problem(Loss::squares, 20, 3, 1);
    const GroupPenalty lasso({}, GroupNorms::singletons(Vector(3, 1.0)));
    CHECK_THROWS(solve("LBFGS", objective, lasso, {}), std::invalid_argument,
                 "smooth penalty; those that hold lasso, elastic net and group lasso: ProxNewton, "
                 "ProximalGradient, ProxSVRG.");
    struct Bare final : Objective {
        [[nodiscard]] Index size() const override { return 1; }
        [[nodiscard]] bool canonical() const override { return true; }
        void evaluate(std::span<const double> x, Curvature kind, Evaluation& out) const override {
            out = {0.5 * x[0] * x[0] - x[0], {x[0] - 1.0}, {}, kind};
            if (kind != Curvature::none) out.curvature = {1.0};
        }
    };
    CHECK_THROWS(solve("SVRG", Bare(), GroupPenalty({}), {}), std::invalid_argument,
                 "no gradients of single rows");
}

TEST("settings do what they say") {
    const Regression objective = random_problem(Loss::logistic, 300, 9, 21);
    const GroupPenalty ridge(Vector(9, 1.0));
    const SolveOptions options{1e-8, 20000, 300.0};
    const Solved best = solve("Newton", objective, ridge, options);
    const std::pair<const char*, SolverSettings> cases[] = {
        {"LBFGS", {{"memory_size", 1}}},
        {"GradientDescent", {{"acceleration", 0}}},
        {"GradientDescent", {{"stepsize", 0.5}}},
        {"ProximalGradient", {{"max_stepsize", 0.5}, {"decrease_factor", 0.8}}},
        {"ProximalGradient", {{"stepsize", 0.5}, {"acceleration", 0}}},
    };
    for (const auto& [name, settings] : cases) {
        check::context() = name + std::string(" ") + settings.begin()->first;
        const Solved solved = solve(*make_solver(name, settings), objective, ridge, options);
        CHECK(solved.result.status == Status::converged);
        for (std::size_t j = 0; j < 9; ++j) CHECK_CLOSE(solved.x[j], best.x[j], 3e-8);
        if (verbose)
            std::printf("%-40s %d steps\n", check::context().c_str(), solved.result.n_iterations);
    }
    // A batch of several rows, the same numbers for the same seed.
    const SolveOptions loose{1e-4, 1000, 300.0};
    const auto svrg = [&](double seed) {
        return solve(*make_solver("SVRG", {{"batch_size", 7}, {"stepsize", 0.2}, {"seed", seed}}),
                     objective, ridge, loose);
    };
    CHECK(svrg(1).result.status == Status::converged);
    CHECK(svrg(1).x == svrg(1).x);
    CHECK(svrg(1).x != svrg(2).x);
}

TEST("many coordinates: coordinate descent takes milliseconds") {
    constexpr Index p = 500;
    const Regression data = random_problem(Loss::squares, 2000, p, 17);
    /// The quadratic of the data, so that only the solver's own time is measured.
    struct Quadratic final : Objective {
        Evaluation at_zero;
        [[nodiscard]] Index size() const override { return p; }
        [[nodiscard]] bool canonical() const override { return true; }
        void evaluate(std::span<const double> x, Curvature kind, Evaluation& out) const override {
            out.gradient = at_zero.gradient;
            out.value = at_zero.value;
            for (std::size_t j = 0; j < x.size(); ++j) {
                if (x[j] == 0.0) continue;
                const double* column = &at_zero.curvature[j * x.size()];
                for (std::size_t i = 0; i < x.size(); ++i) out.gradient[i] += column[i] * x[j];
            }
            for (std::size_t j = 0; j < x.size(); ++j)
                out.value += 0.5 * x[j] * (out.gradient[j] + at_zero.gradient[j]);
            out.kind = kind;
            if (kind == Curvature::none)
                out.curvature.clear();
            else
                out.curvature = at_zero.curvature;
        }
    } objective;
    data.evaluate(Vector(p, 0.0), Curvature::observed, objective.at_zero);
    for (const double strength : {300.0, 60.0, 10.0, 0.1}) {
        for (const Index size : {1, 10}) {
            Vector weights(p / static_cast<std::size_t>(size), strength * std::sqrt(size));
            const GroupPenalty penalty(
                {}, consecutive(std::vector<Index>(weights.size(), size), weights));
            check::context() =
                "strength " + std::to_string(strength) + ", groups of " + std::to_string(size);
            const Timer timer;
            const Solved solved = solve("ProxNewton", objective, penalty, {1e-8, 100, 2000.0});
            const auto zeros = std::count(solved.x.begin(), solved.x.end(), 0.0);
            if (verbose)
                std::printf("p = 500, %-40s %3td not zero, %d steps, %.1f ms\n",
                            check::context().c_str(), p - zeros, solved.result.n_iterations,
                            timer.ms());
            CHECK(solved.result.status == Status::converged);
            CHECK(solved.kkt <= 1e-7);
        }
    }
}
