#include "batch.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "../solver/methods.hpp"
#include "../solver/models.hpp"
#include "batch_state.hpp"

namespace spikeglm::batch {
namespace {

/// With fewer columns Newton's method costs no more, nor with so few rows that none can be left
/// out.
constexpr std::ptrdiff_t least_columns = 16;
/// A curvature comes from at least so many rows, and so many per coefficient.
constexpr std::ptrdiff_t least_model_rows = 4096;
constexpr std::ptrdiff_t model_rows_per_column = 20;
constexpr std::ptrdiff_t largest_stride = 17;
/// Newton steps on the model rows, and the decrement per root of a coefficient that ends them: the
/// rows that are left out cost one.
constexpr int max_coarse_steps = 8;
constexpr double coarse_decrement = 0.2;
/// A model curvature that has lost all but this share where Newton's method ended on the model rows
/// is no guide for the others.
constexpr double least_guide = 1e-2;
/// What is left of the curvature where no direction can be separated; see exact_fit.cpp.
constexpr double surely_not_separated = 1e-3;
/// What must remain of a unit diagonal for coordinates of the model rows to be independent.
constexpr double well_determined = 1e-7;

/// The least ratio of a value per model row to the row's weight, of rows with weight.
double least_share(const Thinned& rows, std::span<const double> values,
                   std::span<const double> weight) {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double own =
            weight.empty() ? 1.0 : weight[at(rows.base_row(static_cast<std::ptrdiff_t>(i)))];
        if (own > 0.0) least = std::min(least, values[i] / own);
    }
    return least;
}

}  // namespace

double weight_of(const Thinned& rows, std::span<const double> weight) {
    if (weight.empty()) return static_cast<double>(rows.rows());
    double sum = 0.0;
    for (std::ptrdiff_t i = 0; i < rows.rows(); ++i) sum += weight[at(rows.base_row(i))];
    return sum;
}

std::vector<std::size_t> Batch::in_phase(Phase phase) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < states_.size(); ++i)
        if (states_[i].phase == phase) found.push_back(i);
    return found;
}

/// Problems that can be solved together: with the first one's groups of columns, whose spread is
/// shared, and with rows enough to show the curvature; of one alone a part of them must do.
bool Batch::choose() {
    const auto same = [](std::span<const std::ptrdiff_t> a, std::span<const std::ptrdiff_t> b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    };
    const std::ptrdiff_t p = design_.cols();
    if (p < least_columns) return false;
    const std::ptrdiff_t needed = std::max(least_model_rows, model_rows_per_column * p);
    for (std::size_t i = 0; i < problems_.size(); ++i) {
        const FitProblem& problem = problems_[i];
        const GroupsView& groups = problems_.front().groups;
        if (rows_[i].moments().n_used >= needed && !std::isnan(problem.parameter) &&
            same(problem.groups.begin, groups.begin) &&
            same(problem.groups.members, groups.members))
            chosen_.push_back(i);
    }
    if (chosen_.empty()) return false;
    return chosen_.size() > 1 || rows_[chosen_.front()].moments().n_used >= 4 * needed;
}

/// Groups of problems with the same rows, in coordinates that all share: those of the largest. A
/// problem that has other constant columns is left out.
void Batch::form_groups() {
    const auto largest =
        *std::max_element(chosen_.begin(), chosen_.end(), [&](std::size_t a, std::size_t b) {
            return rows_[a].moments().n_used < rows_[b].moments().n_used;
        });
    const GroupsView& columns = problems_.front().groups;
    coordinates_.emplace(rows_[largest].moments(), std::span<const std::uint8_t>{},
                         options_.intercept);
    coordinates_->share_spread(columns.begin, columns.members);
    split_ = coordinates_->split();
    used_.assign(at(design_.rows()), 0);
    for (const std::size_t i : chosen_) {
        const auto& selection = rows_[i].selection;
        auto group = std::find_if(groups_.begin(), groups_.end(),
                                  [&](const Group& known) { return known.selection == selection; });
        if (group == groups_.end()) {
            const auto constant = [](double a, double b) { return (a == 0.0) == (b == 0.0); };
            const auto& sd = selection->moments.sd;
            const auto& shared = rows_[largest].moments().sd;
            if (!std::equal(sd.begin(), sd.end(), shared.begin(), constant)) continue;
            groups_.emplace_back();
            group = groups_.end() - 1;
            group->selection = selection;
            for (std::size_t r = 0; r < used_.size(); ++r) used_[r] |= selection->used[r];
        }
        group->states.push_back(states_.size());
        State state;
        state.index = i;
        state.group = static_cast<std::size_t>(group - groups_.begin());
        states_.push_back(std::move(state));
    }
}

void Batch::set_up(State& state) {
    const FitProblem& given = problems_[state.index];
    const Coordinates own = coordinates_->without(given.excluded);
    state.problem = std::make_unique<Problem>(design_, given, options_, rows_[state.index], &own);
    const Problem& problem = *state.problem;
    Group& group = groups_[state.group];
    state.member = {problem.sample(), problem.loss(), &group.blocks};
    state.free = problem.coordinates().candidates();
    state.full = given.start_coef.empty() ? problem.null_point() : problem.given_start();
    state.penalty = problem.penalty_of(state.free);
    state.tolerance = margin() * problem.tolerance();
    state.result = problem.describe();
    if (problem.silent() || state.free.empty()) state.phase = Phase::failed;
}

/// The model rows decide where they show full rank; all rows where they do not.
void Batch::determine_rank(Group& group) {
    const auto size = static_cast<std::ptrdiff_t>(coordinates_->cols()) + 1;
    const auto& candidates = coordinates_->candidates();
    group.rank = rank_of_gram(group.curvature, size, candidates, well_determined);
    if (group.rank.dependent.empty()) return;
    const Sample sample{{}, group.selection->weight, {}};
    const Likelihood all(*prepared_, sample, options_.loss, split_.sum_location, split_.sum_spread,
                         options_.execution);
    group.rank = rank_at(*coordinates_, all.gram(sample.weight));
}

/// The curvature of the constant model of the first problem, for all.
void Batch::start_group(Group& group) {
    State& first = states_[group.states.front()];
    auto model = pass_->evaluate_model(*fine_, first.member, first.problem->null_point(),
                                       Curvature::expected);
    group.curvature = std::move(model.at.curvature);
    group.model_weights = std::move(model.d2);
}

/// Newton's method on the model rows: a start, and the curvature there. False where it ends
/// nowhere that is of use.
bool Batch::start_alone(State& state, Group& group) {
    const double share =
        weight_of(*coarse_, group.selection->weight) / group.selection->sum_of_weights;
    if (!(share > 0.0)) return false;
    const std::unique_ptr<Penalty> penalty = state.problem->penalty_of(state.free, share);
    const double enough = coarse_decrement * std::sqrt(static_cast<double>(state.free.size()));
    std::vector<double> x = gather(state, state.full);
    BatchPass::ModelEvaluation here;
    Evaluation model;
    CompositeModel composite;
    const auto evaluate = [&](std::span<const double> point) {
        scatter(state, point);
        return pass_->evaluate_model(*coarse_, state.member, state.full, Curvature::expected);
    };
    here = evaluate(x);
    if (!all_finite(here.at)) return false;
    const double constant_total = std::accumulate(here.d2.begin(), here.d2.end(), 0.0);
    std::vector<double> step(x.size());
    double decrement = std::numeric_limits<double>::infinity();
    for (int i = 0; i < max_coarse_steps; ++i) {
        group.curvature = here.at.curvature;
        gather_curvature(state, 1.0, model);
        model.value = here.at.value;
        model.gradient = gather(state, here.at.gradient);
        if (penalty->smooth()) {
            NewtonModel newton = newton_model(*penalty, x, model);
            step = std::move(newton.step);
            decrement = newton.decrement;
        } else {
            decrement = composite.minimise(*penalty, x, model, 0.1 * enough).decrement;
            for (std::size_t j = 0; j < x.size(); ++j) step[j] = composite.minimiser()[j] - x[j];
        }
        // The last step is taken without a look: the curvature here is as good as there.
        std::vector<double> trial(x.size());
        const bool last = decrement <= enough;
        const double value = here.at.value + penalty->value(x);
        const double total = std::accumulate(here.d2.begin(), here.d2.end(), 0.0);
        double length = std::min(1.0, largest_move * std::sqrt(total) / decrement);
        bool accepted = false;
        for (int trials = 0; trials < 8 && !accepted; ++trials, length *= 0.5) {
            for (std::size_t j = 0; j < x.size(); ++j) trial[j] = x[j] + length * step[j] + 0.0;
            if (last) break;
            auto there = evaluate(trial);
            accepted = all_finite(there.at) && there.at.value + penalty->value(trial) < value;
            if (accepted) here = std::move(there);
        }
        if (!last && !accepted) return false;
        x = std::move(trial);
        if (last) break;
    }
    if (decrement > enough) return false;
    const double total = std::accumulate(here.d2.begin(), here.d2.end(), 0.0);
    if (!(total > least_guide * constant_total)) return false;
    scatter(state, x);
    auto model_there = pass_->evaluate_model(*fine_, state.member, state.full, Curvature::expected);
    if (!all_finite(model_there.at)) return false;
    group.curvature = std::move(model_there.at.curvature);
    group.model_weights = std::move(model_there.d2);
    state.constant_d2 = constant_total / (share * group.selection->sum_of_weights);
    return true;
}

/// What results state, for all that are certified; a dispersion below one asks for more steps.
void Batch::finish() {
    while (true) {
        const auto states = in_phase(Phase::certified);
        if (states.empty()) return;
        std::vector<BatchPass::Request> requests;
        std::vector<std::size_t> undiagnosed;
        for (const std::size_t i : states) {
            scatter(states_[i], states_[i].x);
            if (!states_[i].diagonal.empty()) continue;
            undiagnosed.push_back(i);
            requests.push_back({&states_[i].member, states_[i].full, nullptr, nullptr, true});
        }
        if (!requests.empty()) pass_->evaluate(requests, Curvature::observed);
        for (std::size_t k = 0; k < requests.size(); ++k) {
            states_[undiagnosed[k]].diagonal = std::move(requests[k].diagonal);
            states_[undiagnosed[k]].pearson = requests[k].pearson;
        }
        bool again = false;
        for (const std::size_t i : states) {
            State& state = states_[i];
            const Problem& problem = *state.problem;
            FitResult& result = state.result;
            result.rank =
                groups_[state.group].rank.dependent.empty()
                    ? static_cast<std::ptrdiff_t>(state.free.size())
                    : static_cast<std::ptrdiff_t>(groups_[state.group].rank.independent.size());
            if (problem.estimates_dispersion()) {
                const double dof =
                    problem.rows().sum_of_weights() - static_cast<double>(result.rank);
                result.dispersion =
                    dof > 0.0 ? state.pearson / dof : std::numeric_limits<double>::quiet_NaN();
                const double needed = margin() * problem.tolerance() * std::sqrt(result.dispersion);
                if (state.decrement > needed) {
                    state.tolerance = needed;
                    state.phase = Phase::searching;
                    state.diagonal.clear();
                    again = true;
                    continue;
                }
            }
            std::vector<std::ptrdiff_t> every(state.free.size());
            std::iota(every.begin(), every.end(), std::ptrdiff_t{0});
            result.kkt = kkt_residual(*state.penalty, state.x, state.gradient,
                                      gather(state, state.diagonal), every);
            result.status = Status::converged;
            result.n_iterations = state.rounds;
            result.decrement = state.decrement;
            problem.to_user_units(state.full, result);
        }
        if (!again) return;
        search();
    }
}

void Batch::prepare() {
    const bool all_used =
        std::all_of(used_.begin(), used_.end(), [](std::uint8_t used) { return used != 0; });
    prepared_.emplace(design_, all_used ? std::span<const std::uint8_t>() : used_,
                      split_.row_location, split_.row_spread);

    // A curvature that costs as much as a pass for all.
    const std::ptrdiff_t p = design_.cols();
    const auto per_group = static_cast<std::ptrdiff_t>(states_.size() / groups_.size());
    const std::ptrdiff_t by_rows =
        design_.rows() / std::max(least_model_rows, model_rows_per_column * p);
    const auto by_cost = static_cast<std::ptrdiff_t>(
        std::ceil(static_cast<double>(p) / (columns_per_pass() * static_cast<double>(per_group))));
    const auto stride_of = [&](std::ptrdiff_t wanted) {
        const std::ptrdiff_t stride =
            std::clamp<std::ptrdiff_t>(std::min(by_rows, wanted), 1, largest_stride);
        return stride - (stride % 2 == 0);
    };
    const auto thin = [&](std::optional<Thinned>& rows, std::ptrdiff_t wanted) {
        const std::ptrdiff_t stride = stride_of(wanted);
        rows.emplace(*prepared_, stride, stride / 2);
    };
    thin(fine_, by_cost);
    thin(coarse_, largest_stride);
    pass_.emplace(*prepared_, split_.sum_location, split_.sum_spread, options_.execution);
    for (Group& group : groups_) {
        group.blocks = pass_->blocks_of(*group.selection);
        group.model_rows = &*fine_;
        group.to_full =
            group.selection->sum_of_weights / weight_of(*fine_, group.selection->weight);
    }
}

/// The curvature of a group, its rank, and the start of a problem that is alone.
void Batch::start(Group& group) {
    std::erase_if(group.states,
                  [&](std::size_t i) { return states_[i].phase != Phase::searching; });
    if (group.states.empty()) return;
    State& first = states_[group.states.front()];
    bool started = false;
    if (!std::isfinite(group.to_full)) {
        for (const std::size_t i : group.states) states_[i].phase = Phase::failed;
        return;
    }
    if (group.states.size() == 1) {
        const std::vector<double> start = first.full;
        started = start_alone(first, group);
        if (!started) first.full = start;
    }
    if (!started) start_group(group);
    group.total = std::accumulate(group.model_weights.begin(), group.model_weights.end(), 0.0);
    determine_rank(group);
    if (!group.rank.dependent.empty()) require_identified(group);
}

/// Where not all is determined, a penalty that shows beside the data must do it.
void Batch::require_identified(const Group& group) {
    for (const std::size_t i : group.states) {
        State& state = states_[i];
        const bool all_free = state.free.size() == coordinates_->candidates().size();
        if (!all_free) state.phase = Phase::failed;
        if (!all_free || !state.penalty->smooth()) continue;
        Evaluation model;
        gather_curvature(state, group.to_full, model);
        state.penalty->add_curvature(model.curvature);
        std::vector<std::ptrdiff_t> every(state.free.size());
        std::iota(every.begin(), every.end(), std::ptrdiff_t{0});
        const bool identified =
            state.result.penalised &&
            rank_of_gram(model.curvature, static_cast<std::ptrdiff_t>(every.size()), every, 1e-8)
                .dependent.empty();
        if (!identified) state.phase = Phase::failed;
    }
}

/// Without a penalty the optimum may lie at infinity, which curvature that is kept rules out.
void Batch::require_kept() {
    for (const std::size_t i : in_phase(Phase::certified)) {
        State& state = states_[i];
        const Group& group = groups_[state.group];
        if (state.result.penalised) continue;
        const double kept = state.weakest * least_share(*group.model_rows, group.model_weights,
                                                        group.selection->weight);
        if (!(kept > surely_not_separated * state.constant_d2)) state.phase = Phase::arrived;
    }
}

std::vector<BatchOutcome> Batch::solve() {
    std::vector<BatchOutcome> outcomes(problems_.size());
    if (!choose()) return outcomes;
    form_groups();
    if (states_.empty()) return outcomes;
    prepare();
    const std::vector<std::size_t> all = in_phase(Phase::searching);
    for_each_state(all, [&](State& state) { set_up(state); });

    for (Group& group : groups_) start(group);
    if (const auto states = in_phase(Phase::searching); !states.empty()) evaluate(states, true);
    search();
    require_kept();
    finish();
    for (State& state : states_) {
        BatchOutcome& outcome = outcomes[state.index];
        outcome.n_iterations = state.rounds;
        if (state.phase == Phase::certified) {
            outcome.result = std::move(state.result);
        } else if (state.phase == Phase::arrived) {
            scatter(state, state.x);
            FitResult place = state.problem->describe();
            state.problem->to_user_units(state.full, place);
            outcome.coef = std::move(place.coef);
            outcome.intercept = place.intercept;
        } else {
            outcome.n_iterations = 0;
        }
    }
    return outcomes;
}

}  // namespace spikeglm::batch

namespace spikeglm {

std::vector<BatchOutcome> fit_batch(const Design& design, std::span<const FitProblem> problems,
                                    const FitOptions& options, std::span<const Rows> rows) {
    return batch::Batch(design, problems, options, rows).solve();
}

}  // namespace spikeglm
