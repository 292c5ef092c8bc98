// The solvers by name, with their settings.
#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "methods.hpp"

namespace spikeglm {
namespace {

constexpr double unbounded = std::numeric_limits<double>::infinity();
constexpr double above_zero = std::numeric_limits<double>::min();
constexpr double largest_integer = 9007199254740992.0;  // 2^53

constexpr SettingInfo lbfgs_settings[] = {
    {"memory_size", 10, 1, 1000, true, "pairs of steps and gradient changes that are kept"}};

constexpr SettingInfo gradient_settings[] = {
    {"acceleration", 1, 0, 1, true, "whether to use Nesterov's momentum"},
    {"stepsize", 0, 0, unbounded, false,
     "step size, in units of the mean loss; 0: found by backtracking"},
    {"decrease_factor", 0.5, 0.01, 0.99, false, "what backtracking multiplies the step size with"},
    {"max_stepsize", unbounded, above_zero, unbounded, false,
     "largest step size that backtracking tries, in units of the mean loss"},
    {"maxls", 30, 1, 1000, true, "step sizes tried in one step"}};

constexpr SettingInfo svrg_settings[] = {
    {"batch_size", 1, 1, largest_integer, true, "rows drawn for one inner step"},
    {"stepsize", 1e-3, above_zero, unbounded, false,
     "step size, in units of the mean loss; halved when an epoch climbs"},
    {"seed", 123, 0, largest_integer, true, "of the random numbers that draw the rows"}};

constexpr SolverInfo table[] = {
    {"Newton",
     false,
     true,
     false,
     1e-8,
     100,
     "Newton's method with a line search. Boyd & Vandenberghe (2004), 9.5.",
     {},
     [](const SolverSettings&) { return make_newton(); }},
    {"ProxNewton",
     true,
     true,
     false,
     1e-8,
     100,
     "Proximal Newton with block coordinate descent. Lee, Sun & Saunders (2014), SIAM J. Optim. "
     "24.",
     {},
     make_prox_newton},
    {"LBFGS", false, false, false, 1e-8, 1000,
     "Limited-memory BFGS. Nocedal & Wright (2006), algorithm 7.5.", lbfgs_settings, make_lbfgs},
    {"BFGS",
     false,
     false,
     false,
     1e-8,
     1000,
     "BFGS. Nocedal & Wright (2006), algorithm 6.1.",
     {},
     make_bfgs},
    {"NonlinearCG",
     false,
     false,
     false,
     1e-8,
     10000,
     "Polak-Ribiere+ conjugate gradients. Nocedal & Wright (2006), 5.2.",
     {},
     make_nonlinear_cg},
    {"GradientDescent", false, false, false, 1e-8, 10000,
     "Accelerated gradient descent. Beck & Teboulle (2009), SIAM J. Imaging Sci. 2.",
     gradient_settings, make_gradient_descent},
    {"ProximalGradient", true, false, false, 1e-8, 10000,
     "FISTA with adaptive restart. Beck & Teboulle (2009), SIAM J. Imaging Sci. 2.",
     gradient_settings, make_proximal_gradient},
    {"SVRG", false, false, true, 1e-3, 10000,
     "Stochastic gradients with reduced variance. Johnson & Zhang (2013), NIPS 26.", svrg_settings,
     make_svrg},
    {"ProxSVRG", true, false, true, 1e-3, 10000,
     "Proximal SVRG. Xiao & Zhang (2014), SIAM J. Optim. 24.", svrg_settings, make_prox_svrg},
};

template <class Infos>
std::string names_of(const Infos& infos) {
    std::string names;
    for (const auto& info : infos) names += (names.empty() ? "" : ", ") + std::string(info.name);
    return names;
}

std::string text(double value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

void check(const SolverInfo& solver, const SettingInfo& info, double value) {
    if (value >= info.lowest && value <= info.highest &&
        (!info.integer || value == std::floor(value)))
        return;
    const std::string low = info.lowest == above_zero ? "above 0" : "from " + text(info.lowest);
    const std::string high = std::isinf(info.highest) ? "" : " to " + text(info.highest);
    throw std::invalid_argument(std::string(solver.name) + ": " + std::string(info.name) + " is " +
                                text(value) + "; expected " +
                                (info.integer ? "an integer " : "a number ") + low + high + ".");
}

}  // namespace

std::span<const SolverInfo> solvers() { return table; }

const SolverInfo& solver_info(std::string_view name) {
    for (const SolverInfo& info : table)
        if (info.name == name) return info;
    throw std::invalid_argument("unknown solver '" + std::string(name) +
                                "'; known: " + names_of(table) + ".");
}

std::unique_ptr<Solver> make_solver(std::string_view name, const SolverSettings& settings) {
    const SolverInfo& solver = solver_info(name);
    SolverSettings complete;
    for (const SettingInfo& info : solver.settings)
        complete[std::string(info.name)] = info.default_value;
    for (const auto& [key, value] : settings) {
        const auto found = complete.find(key);
        if (found == complete.end())
            throw std::invalid_argument(
                std::string(solver.name) + " has no setting '" + key + "'; " +
                (complete.empty() ? "it has none." : "known: " + names_of(solver.settings) + "."));
        found->second = value;
    }
    for (const SettingInfo& info : solver.settings)
        check(solver, info, complete[std::string(info.name)]);
    return solver.make(complete);
}

}  // namespace spikeglm
