#include "spikeglm/glm/fit.hpp"

#include <algorithm>
#include <cmath>

#include "batch.hpp"
#include "exact_fit.hpp"
#include "problem.hpp"
#include "screening.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/observation/all.hpp"

namespace spikeglm {

LossSelector select_loss(std::string_view model, std::string_view link) {
    LossSelector selector;
    selector.model = index_of<Observations>(model, "observation model");
    selector.link =
        index_of<InverseLinks>(link.empty() ? default_link(model) : link, "inverse link");
    return selector;
}

std::string_view default_link(std::string_view model) {
    std::string_view name;
    with_type<Observations>(index_of<Observations>(model, "observation model"),
                            [&]<class Model>() { name = Model::default_link::name; });
    return name;
}

namespace {

std::vector<FitResult> fit_directly(const Design& design, std::span<const FitProblem> problems,
                                    const FitOptions& options, std::span<const Rows> rows) {
    std::vector<FitResult> results;
    results.reserve(problems.size());
    std::vector<BatchOutcome> outcomes(problems.size());
    if (options.solver.empty()) outcomes = fit_batch(design, problems, options, rows);
    auto left = static_cast<std::size_t>(std::count_if(
        outcomes.begin(), outcomes.end(), [](const BatchOutcome& o) { return !o.result; }));
    for (std::size_t i = 0; i < problems.size(); ++i) {
        BatchOutcome& outcome = outcomes[i];
        // Those that the others' curvature does not suit are tried with one of their own.
        const bool failed = !outcome.result;
        if (options.solver.empty() && problems.size() > 1 && failed && outcome.coef.empty()) {
            FitOptions alone = options;
            alone.progress = {};
            outcome = fit_batch(design, problems.subspan(i, 1), alone, rows.subspan(i, 1)).front();
        }
        if (outcome.result) {
            results.push_back(std::move(*outcome.result));
            if (failed && options.progress)
                options.progress(problems.size() - --left, problems.size());
            continue;
        }
        FitProblem problem = problems[i];
        FitOptions own = options;
        own.progress = {};
        if (!outcome.coef.empty()) {
            problem.start_coef = outcome.coef;
            problem.start_intercept = outcome.intercept;
        }
        own.max_iterations = std::max(0, options.max_iterations - outcome.n_iterations);
        results.push_back(fit_exactly(design, problem, own, rows[i]));
        results.back().n_iterations += outcome.n_iterations;
        if (options.progress) options.progress(problems.size() - --left, problems.size());
    }
    return results;
}

std::vector<Rows> rows_of(const Design& design, std::span<const FitProblem> problems,
                          const FitOptions& options) {
    RowSelector selector(design, options);
    std::vector<Rows> rows;
    for (const FitProblem& problem : problems) rows.push_back(selector.select(problem.sample));
    return rows;
}

}  // namespace

std::vector<FitResult> fit(const Design& design, std::span<const FitProblem> problems,
                           const FitOptions& options) {
    const std::vector<Rows> rows = rows_of(design, problems, options);
    const bool screened = std::any_of(
        problems.begin(), problems.end(),
        [&](const FitProblem& problem) { return worth_screening(design, problem, options); });
    if (!screened) return fit_directly(design, problems, options, rows);

    // Those that can be screened together are; the others are solved one by one.
    FitOptions quiet = options;
    quiet.progress = {};
    const SolveProblems solve = [&](const Design& part, std::span<const FitProblem> some) {
        return fit_directly(part, some, quiet, rows_of(part, some, quiet));
    };
    std::vector<FitResult> results(problems.size());
    std::vector<bool> solved(problems.size(), false);
    std::size_t n_solved = 0;
    for (std::size_t i = 0; i < problems.size(); ++i) {
        if (solved[i]) continue;
        std::vector<std::size_t> together = {i};
        const bool worth = worth_screening(design, problems[i], options);
        for (std::size_t k = i + 1; worth && k < problems.size(); ++k)
            if (!solved[k] && rows[k].selection == rows[i].selection &&
                alike(problems[i], problems[k]) && worth_screening(design, problems[k], options))
                together.push_back(k);
        std::vector<FitProblem> chosen;
        std::vector<Rows> chosen_rows;
        for (const std::size_t k : together) {
            chosen.push_back(problems[k]);
            chosen_rows.push_back(rows[k]);
        }
        auto found = worth ? fit_screened(design, chosen, options, chosen_rows, solve)
                           : fit_directly(design, chosen, quiet, chosen_rows);
        for (std::size_t k = 0; k < together.size(); ++k) {
            results[together[k]] = std::move(found[k]);
            solved[together[k]] = true;
        }
        n_solved += together.size();
        if (options.progress) options.progress(n_solved, problems.size());
    }
    return results;
}

std::vector<double> gradient_at_zero(const Design& design, const FitProblem& given,
                                     const FitOptions& options) {
    const auto p = static_cast<std::size_t>(design.cols());
    RowSelector selector(design, options);
    Problem problem(design, given, options, selector.select(given.sample));
    std::vector<std::uint8_t> held(p, 0);
    std::copy(given.excluded.begin(), given.excluded.end(), held.begin());
    for (std::size_t j = 0; j < given.absolute.size(); ++j)
        if (given.absolute[j] > 0.0) held[j] = 1;
    for (std::size_t g = 0; g < given.groups.weights.size(); ++g)
        for (auto i = given.groups.begin[g]; i < given.groups.begin[g + 1]; ++i)
            if (given.groups.weights[g] > 0.0)
                held[static_cast<std::size_t>(given.groups.members[static_cast<std::size_t>(i)])] =
                    1;

    // A fit to the columns that are not held.
    std::vector<std::ptrdiff_t> free;
    std::vector<double> quadratic;
    for (std::size_t j = 0; j < p; ++j) {
        if (held[j] != 0) continue;
        free.push_back(static_cast<std::ptrdiff_t>(j));
        if (!given.quadratic.empty()) quadratic.push_back(given.quadratic[j]);
    }
    std::vector<double> matrix;
    for (std::size_t j = 0; j < free.size() && !given.matrix.empty(); ++j)
        for (const std::ptrdiff_t i : free)
            matrix.push_back(
                given.matrix[static_cast<std::size_t>(i) + static_cast<std::size_t>(free[j]) * p]);
    const ColumnSubset columns(design, free);
    FitProblem rest = given;
    rest.sample.weight = problem.rows().weight();  // zero where any column has a NaN
    rest.quadratic = quadratic;
    rest.matrix = matrix;
    rest.excluded = {};
    rest.absolute = {};
    rest.groups = {};
    rest.start_coef = {};
    FitOptions smooth = options;
    smooth.solver = "Newton";
    smooth.settings = {};
    FitResult null =
        fit_exactly(columns, rest, smooth, RowSelector(columns, smooth).select(rest.sample));
    std::vector<double> coef(p, 0.0);
    for (std::size_t i = 0; i < free.size(); ++i)
        coef[static_cast<std::size_t>(free[i])] = null.coef[i];
    null.coef = std::move(coef);
    std::vector<double> gradient(p, 0.0);
    if (problem.silent()) return gradient;

    problem.prepare();
    if (std::isnan(given.parameter)) problem.likelihood().set_parameter(null.dispersion);
    const std::vector<double> gamma =
        problem.coordinates().from_user_units(null.coef, null.intercept);
    Evaluation at;
    problem.likelihood().evaluate(gamma, Curvature::none, at);
    for (std::size_t j = 0; j < p; ++j)
        if (problem.coordinates().is_candidate(static_cast<std::ptrdiff_t>(j)))
            gradient[j] =
                at.gradient[j] * problem.coordinates().spread()[j] / problem.objective_scale();
    for (std::size_t k = 0; k < p && !given.matrix.empty(); ++k)
        for (std::size_t j = 0; j < p; ++j) gradient[j] += given.matrix[j + k * p] * null.coef[k];
    return gradient;
}

}  // namespace spikeglm
