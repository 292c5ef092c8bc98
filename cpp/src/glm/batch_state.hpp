#pragma once
/// The problems of a batch and what they share; see batch.hpp. Internal to src/glm. How they are
/// set up and what their results state is in batch.cpp, how they search in batch_search.cpp.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "batch.hpp"
#include "batch_pass.hpp"
#include "problem.hpp"
#include "spikeglm/backend/threads.hpp"

namespace spikeglm::batch {

/// Largest root mean square change of eta in one step.
inline constexpr double largest_move = 2.0;

inline std::size_t at(std::ptrdiff_t i) { return static_cast<std::size_t>(i); }

/// Sum of the weights of the model rows; empty weights are ones.
[[nodiscard]] double weight_of(const Thinned& rows, std::span<const double> weight);

/// Problems that use the same rows, and the curvature that they share.
struct Group {
    std::shared_ptr<const Selection> selection;
    std::vector<BlockUse> blocks;
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
    double slack = 0.0;          // of the last bound, in units of `steered`; zero before it
    double rate = 0.2;           // of `steered` from step to step
    int steps_on_curvature = 0;  // accepted
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
    void prepare();
    void start(Group& group);
    void require_identified(const Group& group);
    void require_kept();
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
    template <class F>
    void for_each_state(std::span<const std::size_t> states, const F& body) {
        run_tasks(static_cast<std::ptrdiff_t>(states.size()), options_.execution,
                  [&](std::ptrdiff_t i, const Monitor&) { body(states_[states[at(i)]]); });
    }
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

}  // namespace spikeglm::batch
