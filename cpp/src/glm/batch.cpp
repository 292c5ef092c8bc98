#include "batch.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <memory>
#include <numeric>

#include "../solver/methods.hpp"
#include "../solver/models.hpp"
#include "batch_pass.hpp"
#include "problem.hpp"
#include "spikeglm/backend/threads.hpp"

namespace spikeglm {
namespace {

/// With fewer columns Newton's method costs no more, nor with so few rows that none can be left
/// out.
constexpr std::ptrdiff_t least_columns = 16;
/// A curvature comes from at least so many rows, and so many per coefficient.
constexpr std::ptrdiff_t least_model_rows = 4096;
constexpr std::ptrdiff_t model_rows_per_column = 20;
constexpr std::ptrdiff_t largest_stride = 17;
/// A curvature costs one pass for each so many columns, for a problem that is alone, where a pass
/// costs what is read, and for one of many, where it costs what is computed.
constexpr double columns_per_pass_alone = 24.0;
constexpr double columns_per_pass_of_many = 3.0;
/// Secant pairs that a problem keeps.
constexpr std::size_t max_pairs = 12;
/// Passes after which a problem is left to Newton's method.
constexpr int max_rounds = 40;
constexpr int max_rejections = 8;
/// Secant pairs of rejected trials are kept up to this curvature, in units of the model's.
constexpr double largest_bend = 10.0;
/// One of many that is this slow after so many rounds is left to be solved alone.
constexpr int patience = 8;
constexpr double hopeless_rate = 0.5;
/// Share of the tolerance below which a model's decrement no longer waits for its bound.
constexpr double hopeless = 1e-2;
/// Curvatures of its own that a problem may ask for.
constexpr int max_refreshments = 3;
/// Newton steps on the model rows, and the decrement per root of a coefficient that ends them: the
/// rows that are left out cost one.
constexpr int max_coarse_steps = 8;
constexpr double coarse_decrement = 0.2;
/// Largest root mean square change of eta in one step.
constexpr double largest_move = 2.0;
/// A model curvature that has lost all but this share where Newton's method ended on the model rows
/// is no guide for the others.
constexpr double least_guide = 1e-2;
/// What is left of the curvature where no direction can be separated; see fit.cpp.
constexpr double surely_not_separated = 1e-3;
/// What must remain of a unit diagonal for coordinates of the model rows to be independent.
constexpr double well_determined = 1e-7;

using Eigen::Map;
using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(std::ptrdiff_t i) { return static_cast<std::size_t>(i); }

Map<const VectorXd> view(std::span<const double> v) {
    return {v.data(), static_cast<std::ptrdiff_t>(v.size())};
}

bool is_finite(const BatchPass::Request& request) {
    double sum = request.value;
    for (const double g : request.gradient) sum += 0.0 * g;  // NaN where one is not finite
    return std::isfinite(sum);
}

/// Sum of the weights of the model rows; empty weights are ones.
double weight_of(const Thinned& rows, std::span<const double> weight) {
    if (weight.empty()) return static_cast<double>(rows.rows());
    double sum = 0.0;
    for (std::ptrdiff_t i = 0; i < rows.rows(); ++i) sum += weight[at(rows.base_row(i))];
    return sum;
}

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

/// Problems that use the same rows, and the curvature that they share.
struct Group {
    std::shared_ptr<const Selection> selection;
    std::vector<std::uint8_t> used_blocks;
    std::vector<std::size_t> states;  // of its problems
    const Thinned* model_rows = nullptr;
    std::vector<double> curvature;  // C: over the model rows, all coordinates
    std::vector<double> model_weights;
    double total = 0.0;    // of the model weights
    double to_full = 1.0;  // weight of all rows over that of the model rows
    RankReport rank;       // of all rows
};

struct Pair {
    std::vector<double> step, change;
    double product;
};

enum class Phase { searching, certified, arrived, failed };

/// One problem. Vectors hold the free coordinates unless they say otherwise.
struct State {
    std::size_t index = 0;  // of the problem
    std::unique_ptr<Problem> problem;
    std::size_t group = 0;
    BatchPass::Member member = {};
    std::vector<std::ptrdiff_t> free;
    std::unique_ptr<Penalty> penalty;
    std::vector<double> full;  // the point of the next evaluation, all coordinates

    double scale = 1.0;
    double constant_d2 = 0.0;  // of a row of unit weight, under the constant model
    std::vector<double> x, gradient;
    double value = 0.0;
    double weakest = 0.0;
    std::vector<Pair> pairs;
    std::size_t next_pair = 0;

    std::vector<double> trial;
    double change = 0.0;  // of the objective that the model predicts for the trial
    bool drowned = false;
    double cap = 1.0;  // share of the model's step that is tried
    int rejections = 0;
    int rounds = 0;
    double tolerance = 0.0;
    double steered = std::numeric_limits<double>::infinity();    // lambda of the model
    double decrement = std::numeric_limits<double>::infinity();  // its bound
    double rate = 0.2;                                           // of `steered` from step to step
    int steps_on_curvature = 0;                                  // accepted
    int refreshments = 0;
    bool wants_curvature = false;
    bool ends = false;             // the next evaluation is likely to be the last
    std::vector<double> diagonal;  // of the curvature at x, or empty
    double pearson = 0.0;
    Phase phase = Phase::searching;
    FitResult result;
};

class Batch {
public:
    Batch(const Design& design, std::span<const FitProblem> problems, const FitOptions& options,
          std::span<const Rows> rows)
        : design_(design), problems_(problems), options_(options), rows_(rows) {}
    std::vector<BatchOutcome> solve();

private:
    [[nodiscard]] bool choose();
    void form_groups();
    void set_up(State& state);
    void determine_rank(Group& group);
    void start_group(Group& group);
    [[nodiscard]] bool start_alone(State& state, Group& group);
    void search();
    void refresh(State& state);
    void plan(State& state);
    void evaluate(std::span<const std::size_t> states, bool first);
    void receive(State& state, const BatchPass::Request& request);
    void finish();
    /// Results are the same to about ten digits whatever other problems there are.
    [[nodiscard]] double margin() const { return options_.tolerance <= 1e-8 ? 0.1 : 1.0; }
    [[nodiscard]] bool slow(const State& state) const;
    [[nodiscard]] double columns_per_pass() const;
    [[nodiscard]] const Thinned& rows_for_one() const;
    [[nodiscard]] double certificate(const State& state, Evaluation& model) const;
    void model_of(const State& state, Evaluation& model) const;
    void gather_curvature(const State& state, double factor, Evaluation& model) const;
    void scatter(State& state, std::span<const double> x) const;
    [[nodiscard]] std::vector<double> gather(const State& state, std::span<const double> all) const;
    [[nodiscard]] std::unique_ptr<Penalty> penalty_of(const State& state, double share) const;
    template <class F>
    void for_each_state(std::span<const std::size_t> states, const F& body);
    [[nodiscard]] std::vector<std::size_t> in_phase(Phase phase) const;

    const Design& design_;
    std::span<const FitProblem> problems_;
    const FitOptions& options_;
    std::span<const Rows> rows_;
    std::vector<std::size_t> chosen_;
    std::vector<std::uint8_t> used_;  // by any problem
    std::optional<Coordinates> coordinates_;
    Coordinates::Split split_;
    std::optional<PreparedDesign> prepared_;
    std::optional<BatchPass> pass_;
    std::optional<Thinned> fine_, coarse_;  // model rows
    std::vector<State> states_;
    std::deque<Group> groups_;  // keeps its elements in place
};

std::vector<std::size_t> Batch::in_phase(Phase phase) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < states_.size(); ++i)
        if (states_[i].phase == phase) found.push_back(i);
    return found;
}

template <class F>
void Batch::for_each_state(std::span<const std::size_t> states, const F& body) {
    run_tasks(static_cast<std::ptrdiff_t>(states.size()), options_.execution,
              [&](std::ptrdiff_t i, const Monitor&) { body(states_[states[at(i)]]); });
}

std::vector<double> Batch::gather(const State& state, std::span<const double> all) const {
    std::vector<double> x;
    x.reserve(state.free.size());
    for (const std::ptrdiff_t j : state.free) x.push_back(all[at(j)]);
    return x;
}

void Batch::scatter(State& state, std::span<const double> x) const {
    for (std::size_t i = 0; i < x.size(); ++i) state.full[at(state.free[i])] = x[i];
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
    state.member = {problem.sample(), problem.loss(), &group.used_blocks};
    state.free = problem.coordinates().candidates();
    state.full = given.start_coef.empty() ? problem.null_point() : problem.given_start();
    state.penalty = penalty_of(state, 1.0);
    state.tolerance = margin() * problem.tolerance();
    state.result = problem.describe();
    if (problem.silent() || state.free.empty()) state.phase = Phase::failed;
}

/// The penalty of the free coordinates, times `share`.
std::unique_ptr<Penalty> Batch::penalty_of(const State& state, double share) const {
    std::vector<double> ridge = gather(state, state.problem->ridge_weights());
    for (double& weight : ridge) weight *= share;
    return std::make_unique<GroupPenalty>(std::move(ridge),
                                          state.problem->group_norms(share).restricted(state.free));
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
    const std::unique_ptr<Penalty> penalty = penalty_of(state, share);
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

/// factor C of the free coordinates.
void Batch::gather_curvature(const State& state, double factor, Evaluation& model) const {
    const std::vector<double>& all = groups_[state.group].curvature;
    const std::size_t size = coordinates_->cols() + 1;
    const std::size_t n = state.free.size();
    model.kind = Curvature::observed;
    model.curvature.resize(n * n);
    for (std::size_t j = 0; j < n; ++j) {
        const double* column = all.data() + at(state.free[j]) * size;
        for (std::size_t i = 0; i < n; ++i)
            model.curvature[i + j * n] = factor * column[at(state.free[i])];
    }
}

/// The curvature of a problem as its secant pairs correct it, oldest first.
void Batch::model_of(const State& state, Evaluation& model) const {
    gather_curvature(state, state.scale, model);
    model.value = state.value;
    model.gradient = state.gradient;
    const auto n = static_cast<std::ptrdiff_t>(state.free.size());
    Map<MatrixXd> b(model.curvature.data(), n, n);
    VectorXd moved(n);
    for (std::size_t k = 0; k < state.pairs.size(); ++k) {
        const Pair& pair = state.pairs[(state.next_pair + k) % state.pairs.size()];
        const auto s = view(pair.step);
        const auto y = view(pair.change);
        moved.noalias() = b * s;
        const double along = s.dot(moved);
        if (!(along > 0.0)) continue;
        for (std::ptrdiff_t j = 0; j < n; ++j)
            b.col(j) += (y(j) / pair.product) * y - (moved(j) / along) * moved;
    }
}

/// A bound of lambda at x; see batch.hpp.
double Batch::certificate(const State& state, Evaluation& model) const {
    if (!(state.weakest > 0.0) || std::isinf(state.weakest))
        return std::numeric_limits<double>::infinity();
    gather_curvature(state, state.weakest, model);
    model.value = state.value;
    model.gradient = state.gradient;
    if (state.penalty->smooth()) {
        const NewtonModel newton = newton_model(*state.penalty, state.x, model);
        return newton.positive_definite ? newton.decrement
                                        : std::numeric_limits<double>::infinity();
    }
    CompositeModel composite;
    const auto solution =
        composite.minimise(*state.penalty, state.x, model, 1e-2 * state.tolerance);
    return solution.positive_curvature ? std::sqrt(solution.twice_decrease)
                                       : std::numeric_limits<double>::infinity();
}

/// Chooses the next trial, or ends the search.
void Batch::plan(State& state) {
    const std::size_t n = state.x.size();
    Evaluation model;
    model_of(state, model);
    std::vector<double> step(n);
    double decrement = 0.0;
    if (state.penalty->smooth()) {
        NewtonModel newton = newton_model(*state.penalty, state.x, model);
        step = std::move(newton.step);
        decrement = newton.decrement;
        state.change = -decrement * decrement;
    } else {
        CompositeModel composite;
        const auto solution =
            composite.minimise(*state.penalty, state.x, model, 1e-2 * state.tolerance);
        for (std::size_t j = 0; j < n; ++j) step[j] = composite.minimiser()[j] - state.x[j];
        decrement = solution.decrement;
        state.change = solution.change;
        state.trial.assign(composite.minimiser().begin(), composite.minimiser().end());
    }
    const double value = state.value + state.penalty->value(state.x);
    state.drowned = -state.change <= noise_of(value);
    if (!(decrement >= 0.0) || !std::isfinite(decrement)) {
        state.phase = Phase::failed;
        return;
    }
    if (std::isfinite(state.steered) && decrement < state.steered) {
        const double last = decrement / state.steered;
        state.rate = state.steps_on_curvature > 1 ? std::sqrt(state.rate * last) : last;
    }
    state.steered = decrement;
    if (state.steps_on_curvature > 1 || decrement * state.rate <= state.tolerance) {
        state.decrement = certificate(state, model);
        if (state.decrement <= state.tolerance) {
            state.phase = Phase::certified;
            return;
        }
        state.ends = state.decrement * state.rate <= state.tolerance;
    }
    if (slow(state)) {
        state.wants_curvature = true;
        return;
    }
    if (states_.size() > 1 && state.rounds >= patience && state.rate > hopeless_rate) {
        state.phase = Phase::failed;
        return;
    }
    // What the bound cannot show is left to the exact curvature.
    if (decrement <= hopeless * state.tolerance) {
        state.phase = Phase::arrived;
        return;
    }
    if (state.rounds >= std::min(max_rounds, options_.max_iterations)) {
        state.phase = Phase::failed;
        return;
    }
    // The root mean square change of eta, by the curvature that all share.
    const Group& group = groups_[state.group];
    gather_curvature(state, 1.0, model);
    const auto d = view(step);
    const auto size = static_cast<std::ptrdiff_t>(n);
    const double square =
        d.dot(Map<const MatrixXd>(model.curvature.data(), size, size) * d) / group.total;
    double length = state.cap;
    if (square > largest_move * largest_move)
        length = std::min(length, largest_move / std::sqrt(square));
    state.change *= length;
    if (length == 1.0 && !state.penalty->smooth()) return;  // exact zeros stay so
    state.trial.resize(n);
    for (std::size_t j = 0; j < n; ++j) state.trial[j] = state.x[j] + length * step[j] + 0.0;
}

/// Whether a curvature from here would save more passes than it costs.
bool Batch::slow(const State& state) const {
    if (state.steps_on_curvature < 2 || state.refreshments >= max_refreshments) return false;
    const double n = static_cast<double>(state.free.size());
    const Thinned& rows = rows_for_one();
    const double rows_per_column = static_cast<double>(rows.rows()) / n;
    const auto passes = [&](double rate, double slack) {
        const double target = state.tolerance / (std::max(slack, 1.0) * state.steered);
        return target < 1.0 ? std::log(target) / std::log(std::clamp(rate, 1e-3, 0.99)) : 0.0;
    };
    const double now = passes(state.rate, state.decrement / state.steered);
    const double then = passes(std::min(0.5, 2.0 / std::sqrt(rows_per_column)),
                               std::sqrt(static_cast<double>(rows.stride())));
    return now > then + 2.0 + n / (static_cast<double>(rows.stride()) * columns_per_pass());
}

/// A pass over X for one problem costs what is read, for many what is computed.
double Batch::columns_per_pass() const {
    return states_.size() == 1 ? columns_per_pass_alone : columns_per_pass_of_many;
}

const Thinned& Batch::rows_for_one() const { return states_.size() == 1 ? *fine_ : *coarse_; }

/// A curvature of the problem's own, from where it is.
void Batch::refresh(State& state) {
    scatter(state, state.x);
    const Thinned& rows = rows_for_one();
    auto model = pass_->evaluate_model(rows, state.member, state.full, Curvature::expected);
    state.wants_curvature = false;
    ++state.refreshments;
    state.steps_on_curvature = 0;
    if (!all_finite(model.at)) return;
    const Group& shared = groups_[state.group];
    Group own;
    own.selection = shared.selection;
    own.model_rows = &rows;
    own.to_full = shared.selection->sum_of_weights / weight_of(rows, shared.selection->weight);
    own.rank = shared.rank;
    own.curvature = std::move(model.at.curvature);
    own.model_weights = std::move(model.d2);
    own.total = std::accumulate(own.model_weights.begin(), own.model_weights.end(), 0.0);
    if (!(own.total > 0.0) || !std::isfinite(own.to_full)) return;
    // What certified before is of other weights.
    state.weakest = has_canonical_link(state.member.loss) ? 1.0 : 0.0;
    state.scale = own.to_full;
    state.pairs.clear();
    state.next_pair = 0;
    state.group = groups_.size();
    groups_.push_back(std::move(own));
}

void Batch::evaluate(std::span<const std::size_t> states, bool first) {
    std::vector<BatchPass::Request> requests;
    for (const std::size_t i : states) {
        State& state = states_[i];
        if (!first) scatter(state, state.trial);
        const Group& group = groups_[state.group];
        requests.push_back({&state.member, state.full, group.model_rows, group.model_weights.data(),
                            !first && state.ends});
    }
    pass_->evaluate(requests, first ? Curvature::expected : Curvature::observed);
    for (std::size_t k = 0; k < states.size(); ++k) {
        State& state = states_[states[k]];
        const BatchPass::Request& request = requests[k];
        if (!first) {
            receive(state, request);
            continue;
        }
        Group& group = groups_[state.group];
        state.x = gather(state, state.full);
        state.value = request.value;
        state.gradient = gather(state, request.gradient);
        state.scale = group.to_full * (request.model_d2 / group.total);
        if (state.constant_d2 == 0.0)
            state.constant_d2 =
                request.model_d2 / weight_of(*group.model_rows, group.selection->weight);
        // An expected curvature certifies nothing unless it is the observed one as well.
        state.weakest = has_canonical_link(state.member.loss) ? request.weakest : 0.0;
        if (!is_finite(request) || !(state.scale > 0.0) || !std::isfinite(state.scale))
            state.phase = Phase::failed;
    }
}

/// The (sub)gradient in units of the shared curvature's diagonal.
double residual_of(const State& state, const Group& group, std::span<const double> x,
                   std::span<const double> gradient, std::size_t size) {
    std::vector<double> g(gradient.begin(), gradient.end());
    state.penalty->add_gradient(x, g);
    state.penalty->groups().min_norm_subgradient(x, g);
    double sum = 0.0;
    for (std::size_t j = 0; j < g.size(); ++j) {
        const double h = group.curvature[at(state.free[j]) * (size + 1)];
        if (h > 0.0) sum += g[j] * g[j] / h;
    }
    return std::sqrt(sum);
}

void Batch::receive(State& state, const BatchPass::Request& request) {
    const std::size_t n = state.x.size();
    const std::vector<double> gradient = gather(state, request.gradient);
    const bool usable = is_finite(request);
    const double value = state.value + state.penalty->value(state.x);
    const double trial_value = request.value + state.penalty->value(state.trial);
    bool accepted = usable && (state.drowned ? trial_value <= value + noise_of(value)
                                             : trial_value <= value + 1e-4 * state.change);
    const std::size_t size = coordinates_->cols() + 1;
    const Group& group = groups_[state.group];
    if (accepted && state.drowned)
        accepted = residual_of(state, group, state.trial, gradient, size) <
                   0.9 * residual_of(state, group, state.x, state.gradient, size);
    if (usable) {
        Pair pair{std::vector<double>(n), std::vector<double>(n), 0.0};
        double steps = 0.0;
        double changes = 0.0;
        for (std::size_t j = 0; j < n; ++j) {
            pair.step[j] = state.trial[j] - state.x[j];
            pair.change[j] = gradient[j] - state.gradient[j];
            pair.product += pair.step[j] * pair.change[j];
            steps += pair.step[j] * pair.step[j];
            changes += pair.change[j] * pair.change[j];
        }
        // What an overshoot says of its far end would bend the model beyond use.
        const bool tame = accepted || pair.product < -largest_bend * state.change;
        if (tame && pair.product > 1e-14 * std::sqrt(steps * changes)) {
            if (state.pairs.size() < max_pairs) {
                state.pairs.push_back(std::move(pair));
            } else {
                state.pairs[state.next_pair] = std::move(pair);
                state.next_pair = (state.next_pair + 1) % max_pairs;
            }
        }
    }
    ++state.rounds;
    if (accepted) {
        state.x = state.trial;
        state.gradient = gradient;
        state.value = request.value;
        state.weakest = request.weakest;
        state.diagonal = request.diagonal;
        state.pearson = request.pearson;
        ++state.steps_on_curvature;
        state.rejections = 0;
        state.cap = std::min(1.0, 2.0 * state.cap);
    } else if (state.drowned) {
        state.phase = Phase::arrived;
    } else {
        state.cap *= usable ? 0.5 : 0.2;
        if (++state.rejections > max_rejections) state.phase = Phase::failed;
    }
}

void Batch::search() {
    for (auto states = in_phase(Phase::searching); !states.empty();
         states = in_phase(Phase::searching)) {
        for_each_state(states, [&](State& state) { plan(state); });
        states = in_phase(Phase::searching);
        std::vector<std::size_t> slow_ones;
        for (const std::size_t i : states)
            if (states_[i].wants_curvature) slow_ones.push_back(i);
        for (const std::size_t i : slow_ones) refresh(states_[i]);
        for_each_state(slow_ones, [&](State& state) { plan(state); });
        states = in_phase(Phase::searching);
        if (options_.progress)
            options_.progress(in_phase(Phase::certified).size(), problems_.size());
        if (!states.empty()) evaluate(states, false);
    }
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

std::vector<BatchOutcome> Batch::solve() {
    std::vector<BatchOutcome> outcomes(problems_.size());
    if (!choose()) return outcomes;
    form_groups();
    if (states_.empty()) return outcomes;
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
        group.used_blocks = pass_->used_blocks(group.selection->used);
        group.model_rows = &*fine_;
        group.to_full =
            group.selection->sum_of_weights / weight_of(*fine_, group.selection->weight);
    }
    const std::vector<std::size_t> all = in_phase(Phase::searching);
    for_each_state(all, [&](State& state) { set_up(state); });

    for (Group& group : groups_) {
        std::erase_if(group.states,
                      [&](std::size_t i) { return states_[i].phase != Phase::searching; });
        if (group.states.empty()) continue;
        State& first = states_[group.states.front()];
        bool started = false;
        if (!std::isfinite(group.to_full)) {
            for (const std::size_t i : group.states) states_[i].phase = Phase::failed;
            continue;
        }
        if (group.states.size() == 1) {
            const std::vector<double> start = first.full;
            started = start_alone(first, group);
            if (!started) first.full = start;
        }
        if (!started) start_group(group);
        group.total = std::accumulate(group.model_weights.begin(), group.model_weights.end(), 0.0);
        determine_rank(group);
        // Where not all is determined, a penalty that shows beside the data must do it.
        for (const std::size_t i : group.states) {
            State& state = states_[i];
            if (group.rank.dependent.empty()) continue;
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
                rank_of_gram(model.curvature, static_cast<std::ptrdiff_t>(every.size()), every,
                             1e-8)
                    .dependent.empty();
            if (!identified) state.phase = Phase::failed;
        }
    }
    if (const auto states = in_phase(Phase::searching); !states.empty()) evaluate(states, true);
    search();
    // Without a penalty the optimum may lie at infinity, which curvature that is kept rules out.
    for (const std::size_t i : in_phase(Phase::certified)) {
        State& state = states_[i];
        const Group& group = groups_[state.group];
        if (state.result.penalised) continue;
        const double kept = state.weakest * least_share(*group.model_rows, group.model_weights,
                                                        group.selection->weight);
        if (!(kept > surely_not_separated * state.constant_d2)) state.phase = Phase::arrived;
    }
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

}  // namespace

std::vector<BatchOutcome> fit_batch(const Design& design, std::span<const FitProblem> problems,
                                    const FitOptions& options, std::span<const Rows> rows) {
    return Batch(design, problems, options, rows).solve();
}

}  // namespace spikeglm
