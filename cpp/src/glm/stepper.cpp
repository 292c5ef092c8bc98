#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "problem.hpp"
#include "spikeglm/solver/restricted.hpp"

namespace spikeglm {

struct Stepper::State {
    FitOptions options;
    std::string solver_name;  // that `options` refers to
    Coordinates coordinates;
    std::ptrdiff_t rank;
    std::unique_ptr<Solver> solver;
    double parameter;  // where it is estimated
    bool first = true;
};

namespace {

std::ptrdiff_t rank_of(const Problem& problem) {
    if (problem.silent()) return problem.describe().n_free;
    Evaluation null;
    problem.likelihood().evaluate(problem.null_point(), Curvature::expected, null);
    return static_cast<std::ptrdiff_t>(
        rank_at(problem.coordinates(), problem.gram(null)).independent.size());
}

}  // namespace

Stepper::Stepper(const Design& design, const FitProblem& problem, const FitOptions& options) {
    Problem first(design, problem, options, RowSelector(design, options).select(problem.sample));
    first.coordinates().share_spread(problem.groups.begin, problem.groups.members);
    first.prepare();
    auto solver = solver_of(options, first.group_norms().empty());
    if (!first.group_norms().empty() && !solver->handles_groups())
        throw std::invalid_argument("the solver '" + std::string(options.solver) +
                                    "' cannot hold a penalty with kinks.");
    state_ = std::make_unique<State>(State{options, std::string(options.solver),
                                           first.coordinates(), rank_of(first), std::move(solver),
                                           first.describe().dispersion});
    state_->options.solver = state_->solver_name;
}

Stepper::Stepper(Stepper&&) noexcept = default;
Stepper& Stepper::operator=(Stepper&&) noexcept = default;
Stepper::~Stepper() = default;

FitResult Stepper::step(const Design& design, const FitProblem& given) {
    FitProblem current = given;
    const bool estimates = std::isnan(given.parameter);
    if (estimates) current.parameter = state_->parameter;
    Problem problem(design, current, state_->options,
                    RowSelector(design, state_->options).select(current.sample),
                    &state_->coordinates);
    problem.prepare();
    if (given.start_coef.empty() && problem.silent()) return problem.describe();

    std::vector<double> gamma =
        given.start_coef.empty() ? problem.null_point() : problem.given_start();
    const std::vector<std::ptrdiff_t>& free = problem.coordinates().candidates();
    const Restricted objective(problem.likelihood(), free, gamma);
    const std::unique_ptr<Penalty> penalty = problem.penalty_of(free);
    std::vector<double> x = objective.gather(gamma);
    Evaluation at;
    objective.evaluate(x, state_->first ? Curvature::expected : Curvature::none, at);
    require_feasible(at, !given.start_coef.empty());
    state_->first = false;
    const Step taken = state_->solver->step(
        objective, *penalty, {problem.tolerance(), 1, problem.rows().sum_of_weights()}, x, at);
    objective.scatter(x, gamma);

    FitResult result = problem.describe();
    result.status = taken.status;
    result.n_iterations = taken.moved;
    result.decrement = taken.decrement;
    result.kkt = std::numeric_limits<double>::quiet_NaN();
    result.rank = state_->rank;
    if (problem.estimates_dispersion())
        result.dispersion = problem.pearson_dispersion(gamma, result.rank);
    if (estimates)
        result.dispersion = state_->parameter = problem.likelihood().best_parameter(gamma);
    problem.to_user_units(gamma, result);
    return result;
}

}  // namespace spikeglm
