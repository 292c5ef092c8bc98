// How the problems of a batch search: models, bounds, steps and passes.
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

using Eigen::Map;
using Eigen::MatrixXd;
using Eigen::VectorXd;

Map<const VectorXd> view(std::span<const double> v) {
    return {v.data(), static_cast<std::ptrdiff_t>(v.size())};
}

bool is_finite(const BatchPass::Request& request) {
    double sum = request.value;
    for (const double g : request.gradient) sum += 0.0 * g;  // NaN where one is not finite
    return std::isfinite(sum);
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

}  // namespace

std::vector<double> Batch::gather(const State& state, std::span<const double> all) const {
    std::vector<double> x;
    x.reserve(state.free.size());
    for (const std::ptrdiff_t j : state.free) x.push_back(all[at(j)]);
    return x;
}

void Batch::scatter(State& state, std::span<const double> x) const {
    for (std::size_t i = 0; i < x.size(); ++i) state.full[at(state.free[i])] = x[i];
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
        // What the bound adds to the model's own decrement changes little from step to step.
        if (state.slack == 0.0 || !std::isfinite(state.slack) || decrement <= state.tolerance) {
            state.decrement = certificate(state, model);
            state.slack = state.decrement / decrement;
        } else {
            state.decrement = std::max(state.slack * decrement, 1.01 * state.tolerance);
        }
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
    state.slack = 0.0;
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

}  // namespace spikeglm::batch
