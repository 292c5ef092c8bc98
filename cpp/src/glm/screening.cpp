#include "screening.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "batch_pass.hpp"
#include "problem.hpp"

namespace spikeglm {
namespace {

constexpr std::ptrdiff_t many_columns = 1000;
/// Groups that join the working set in a round: at least so many, or half of what is there.
constexpr std::size_t least_growth = 200;

std::size_t at(std::ptrdiff_t i) { return static_cast<std::size_t>(i); }

std::ptrdiff_t n_penalised(const FitProblem& problem) {
    const auto positive = [](double weight) { return weight > 0.0; };
    if (!problem.absolute.empty())
        return std::count_if(problem.absolute.begin(), problem.absolute.end(), positive);
    std::ptrdiff_t count = 0;
    for (std::size_t g = 0; g < problem.groups.weights.size(); ++g)
        if (problem.groups.weights[g] > 0.0)
            count += problem.groups.begin[g + 1] - problem.groups.begin[g];
    return count;
}

/// The part of a problem that has the columns of a working set.
struct Part {
    std::vector<double> quadratic, absolute, start, weights;
    std::vector<std::ptrdiff_t> begin, members;
    std::vector<std::uint8_t> excluded;
    FitProblem problem;
};

template <class T>
std::vector<T> gather(std::span<const T> values, std::span<const std::ptrdiff_t> columns) {
    std::vector<T> part;
    if (values.empty()) return part;
    for (const std::ptrdiff_t j : columns) part.push_back(values[at(j)]);
    return part;
}

class Screening {
public:
    Screening(const Design& design, std::span<const FitProblem> problems, const FitOptions& options,
              std::span<const Rows> rows);
    std::vector<FitResult> solve(const SolveProblems& solve);

private:
    void part_of(std::size_t k, std::span<const std::ptrdiff_t> columns, bool warm,
                 Part& part) const;
    [[nodiscard]] std::vector<BatchPass::Request> look(bool diagnose);
    [[nodiscard]] std::vector<std::size_t> violated(std::span<const BatchPass::Request> requests);
    void finish(std::size_t k, const BatchPass::Request& request);

    const Design& design_;
    std::span<const FitProblem> problems_;
    const Rows& rows_;
    Coordinates coordinates_;
    Coordinates::Split split_;
    PreparedDesign prepared_;
    BatchPass pass_;
    std::vector<BlockUse> blocks_;
    std::vector<std::unique_ptr<Problem>> own_;
    std::vector<GroupNorms> norms_;
    std::vector<BatchPass::Member> members_;
    std::vector<std::vector<double>> points_;  // in standardised coordinates
    std::vector<bool> in_set_;                 // by group of the first problem's norms
    std::vector<FitResult> results_;
};

Coordinates shared_coordinates(const Rows& rows, const FitProblem& first, bool intercept) {
    Coordinates coordinates(rows.moments(), {}, intercept);
    coordinates.share_spread(first.groups.begin, first.groups.members);
    return coordinates;
}

Screening::Screening(const Design& design, std::span<const FitProblem> problems,
                     const FitOptions& options, std::span<const Rows> rows)
    : design_(design),
      problems_(problems),
      rows_(rows.front()),
      coordinates_(shared_coordinates(rows_, problems.front(), options.intercept)),
      split_(coordinates_.split()),
      prepared_(
          design,
          rows_.moments().n_used == design.rows() ? std::span<const std::uint8_t>() : rows_.used(),
          split_.row_location, split_.row_spread),
      pass_(prepared_, split_.sum_location, split_.sum_spread, options.execution),
      blocks_(pass_.blocks_of(*rows_.selection)) {
    for (std::size_t k = 0; k < problems.size(); ++k) {
        const FitProblem& given = problems[k];
        const Coordinates own = coordinates_.without(given.excluded);
        own_.push_back(std::make_unique<Problem>(design, given, options, rows[k], &own));
        const Problem& problem = *own_.back();
        norms_.push_back(problem.group_norms());
        members_.push_back({problem.sample(), problem.loss(), &blocks_});
        points_.push_back(given.start_coef.empty() ? problem.null_point() : problem.given_start());
        results_.push_back(problem.describe());
    }
}

/// Gradients of all columns where the problems are.
std::vector<BatchPass::Request> Screening::look(bool diagnose) {
    std::vector<BatchPass::Request> requests;
    for (std::size_t k = 0; k < problems_.size(); ++k)
        requests.push_back({&members_[k], points_[k], nullptr, nullptr, diagnose});
    pass_.evaluate(requests, Curvature::observed);
    return requests;
}

/// Groups outside the set that a problem would move, the strongest first.
std::vector<std::size_t> Screening::violated(std::span<const BatchPass::Request> requests) {
    std::vector<double> score(in_set_.size(), 0.0);
    for (std::size_t k = 0; k < requests.size(); ++k) {
        if (own_[k]->silent()) continue;
        for (std::size_t g = 0; g < in_set_.size(); ++g) {
            if (in_set_[g] || g >= norms_[k].n_groups()) continue;
            double squares = 0.0;
            double curvature = 0.0;
            for (const std::ptrdiff_t j : norms_[k].members(g)) {
                if (!own_[k]->coordinates().is_candidate(j)) continue;
                squares += requests[k].gradient[at(j)] * requests[k].gradient[at(j)];
                if (!requests[k].diagonal.empty())
                    curvature = std::max(curvature, requests[k].diagonal[at(j)]);
            }
            const double excess = std::sqrt(squares) - norms_[k].weight(g);
            // In standard errors, where the curvature is known.
            const double distance =
                requests[k].diagonal.empty() ? excess : excess / std::sqrt(curvature);
            if (distance > own_[k]->tolerance()) score[g] = std::max(score[g], distance);
        }
    }
    std::vector<std::size_t> found;
    for (std::size_t g = 0; g < score.size(); ++g)
        if (score[g] > 0.0) found.push_back(g);
    std::stable_sort(found.begin(), found.end(),
                     [&](std::size_t a, std::size_t b) { return score[a] > score[b]; });
    return found;
}

void Screening::part_of(std::size_t k, std::span<const std::ptrdiff_t> columns, bool warm,
                        Part& part) const {
    const FitProblem& given = problems_[k];
    part.quadratic = gather(given.quadratic, columns);
    part.absolute = gather(given.absolute, columns);
    part.excluded = gather(given.excluded, columns);
    for (std::size_t g = 0; g < given.groups.weights.size(); ++g) {
        const auto begin = at(given.groups.begin[g]);
        const auto end = at(given.groups.begin[g + 1]);
        const auto first =
            std::lower_bound(columns.begin(), columns.end(), given.groups.members[begin]);
        if (first == columns.end() || *first != given.groups.members[begin]) continue;
        if (part.begin.empty()) part.begin.push_back(0);
        for (std::size_t i = begin; i < end; ++i)
            part.members.push_back(
                std::lower_bound(columns.begin(), columns.end(), given.groups.members[i]) -
                columns.begin());
        part.begin.push_back(static_cast<std::ptrdiff_t>(part.members.size()));
        part.weights.push_back(given.groups.weights[g]);
    }
    part.problem = given;
    part.problem.sample.weight = rows_.weight();  // zero where any column has a NaN
    part.problem.quadratic = part.quadratic;
    part.problem.absolute = part.absolute;
    part.problem.excluded = part.excluded;
    part.problem.groups = {part.begin, part.members, part.weights};
    if (warm) {
        part.start = gather(std::span<const double>(results_[k].coef), columns);
        part.problem.start_intercept = results_[k].intercept;
    } else {
        part.start = gather(given.start_coef, columns);
    }
    part.problem.start_coef = part.start;
}

std::vector<FitResult> Screening::solve(const SolveProblems& solve) {
    const std::ptrdiff_t p = design_.cols();
    in_set_.assign(norms_.front().n_groups(), false);
    // Columns that some problem does not penalise are always there.
    std::vector<bool> free(at(p), false);
    for (const GroupNorms& norms : norms_)
        for (const std::ptrdiff_t j : norms.others(at(p))) free[at(j)] = true;
    for (std::size_t g = 0; g < in_set_.size(); ++g)
        for (const std::ptrdiff_t j : norms_.front().members(g))
            if (free[at(j)] || std::any_of(points_.begin(), points_.end(),
                                           [&](const auto& x) { return x[at(j)] != 0.0; }))
                in_set_[g] = true;

    bool warm = false;
    auto requests = look(false);
    for (auto wanted = violated(requests);; wanted = violated(requests)) {
        if (wanted.empty() && warm) break;
        const auto size =
            static_cast<std::size_t>(std::count(in_set_.begin(), in_set_.end(), true));
        const std::size_t growth = std::max(least_growth, size / 2);
        for (std::size_t i = 0; i < std::min(growth, wanted.size()); ++i) in_set_[wanted[i]] = true;
        std::vector<std::ptrdiff_t> columns;
        for (std::ptrdiff_t j = 0; j < p; ++j)
            if (free[at(j)]) columns.push_back(j);
        for (std::size_t g = 0; g < in_set_.size(); ++g)
            if (in_set_[g])
                for (const std::ptrdiff_t j : norms_.front().members(g))
                    if (!free[at(j)]) columns.push_back(j);
        std::sort(columns.begin(), columns.end());

        std::vector<Part> parts(problems_.size());
        std::vector<FitProblem> sub;
        for (std::size_t k = 0; k < parts.size(); ++k) {
            part_of(k, columns, warm && !own_[k]->silent(), parts[k]);
            sub.push_back(parts[k].problem);
        }
        const ColumnSubset subset(design_, columns);
        const std::vector<FitResult> found = solve(subset, sub);
        for (std::size_t k = 0; k < found.size(); ++k) {
            FitResult& result = results_[k];
            result.status = found[k].status;
            result.n_iterations += found[k].n_iterations;
            result.decrement = found[k].decrement;
            result.dispersion = found[k].dispersion;
            result.rank = found[k].rank;
            result.intercept = found[k].intercept;
            std::fill(result.coef.begin(), result.coef.end(), 0.0);
            for (std::size_t i = 0; i < columns.size(); ++i)
                result.coef[at(columns[i])] = found[k].coef[i];
            if (own_[k]->silent()) continue;
            points_[k] = own_[k]->coordinates().from_user_units(result.coef, result.intercept);
        }
        warm = true;
        requests = look(true);
    }
    for (std::size_t k = 0; k < results_.size(); ++k) finish(k, requests[k]);
    return std::move(results_);
}

/// The residual over all columns.
void Screening::finish(std::size_t k, const BatchPass::Request& request) {
    const Problem& problem = *own_[k];
    if (problem.silent()) return;
    const GroupPenalty penalty(problem.ridge_weights(), norms_[k]);
    results_[k].kkt = kkt_residual(penalty, points_[k], request.gradient, request.diagonal,
                                   problem.coordinates().candidates());
}

}  // namespace

bool alike(const FitProblem& a, const FitProblem& b) {
    const auto same = [](auto x, auto y) {
        return std::equal(x.begin(), x.end(), y.begin(), y.end());
    };
    const auto same_signs = [](std::span<const double> x, std::span<const double> y) {
        return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                          [](double v, double w) { return (v > 0.0) == (w > 0.0); });
    };
    return same_signs(a.absolute, b.absolute) && same(a.groups.begin, b.groups.begin) &&
           same(a.groups.members, b.groups.members) &&
           same_signs(a.groups.weights, b.groups.weights);
}

bool worth_screening(const Design& design, const FitProblem& problem, const FitOptions& options) {
    const std::ptrdiff_t p = design.cols();
    return options.solver.empty() && p >= many_columns && problem.matrix.empty() &&
           !std::isnan(problem.parameter) && n_penalised(problem) > p - p / 4;
}

std::vector<FitResult> fit_screened(const Design& design, std::span<const FitProblem> problems,
                                    const FitOptions& options, std::span<const Rows> rows,
                                    const SolveProblems& solve) {
    return Screening(design, problems, options, rows).solve(solve);
}

}  // namespace spikeglm
