#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>

#include "problem.hpp"
#include "spikeglm/backend/memory.hpp"

namespace spikeglm {
namespace {

/// sum_m scale_m f_m over parameters of their own, one after the other: what joins the problems is
/// their penalty.
class JointObjective final : public Objective {
public:
    void add(const Likelihood& part, double scale) {
        parts_.push_back({&part, scale, size_});
        size_ += part.size();
    }

    [[nodiscard]] std::ptrdiff_t size() const override { return size_; }
    [[nodiscard]] bool canonical() const override { return parts_.front().f->canonical(); }
    [[nodiscard]] std::ptrdiff_t n_rows() const override { return parts_.front().f->n_rows(); }

    void evaluate(std::span<const double> x, Curvature kind, Evaluation& out) const override {
        const auto size = static_cast<std::size_t>(size_);
        out.value = 0.0;
        out.kind = kind;
        out.gradient.resize(size);
        out.curvature.assign(kind == Curvature::none ? 0 : size * size, 0.0);
        Evaluation at;
        for (const Part& part : parts_) {
            const auto n = static_cast<std::size_t>(part.f->size());
            const auto first = static_cast<std::size_t>(part.first);
            part.f->evaluate(x.subspan(first, n), kind, at);
            out.value += part.scale * at.value;
            for (std::size_t j = 0; j < n; ++j) {
                out.gradient[first + j] = part.scale * at.gradient[j];
                if (kind == Curvature::none) continue;
                for (std::size_t i = 0; i < n; ++i)
                    out.curvature[first + i + (first + j) * size] =
                        part.scale * at.curvature[i + j * n];
            }
        }
    }

    void row_gradients(std::span<const std::ptrdiff_t> rows, std::span<const double> x,
                       std::span<double> sum) const override {
        for (const Part& part : parts_) {
            const auto n = static_cast<std::size_t>(part.f->size());
            const auto own = sum.subspan(static_cast<std::size_t>(part.first), n);
            part.f->row_gradients(rows, x.subspan(static_cast<std::size_t>(part.first), n), own);
            for (double& value : own) value *= part.scale;
        }
    }

private:
    struct Part {
        const Likelihood* f;
        double scale;
        std::ptrdiff_t first;
    };
    std::vector<Part> parts_;
    std::ptrdiff_t size_ = 0;
};

/// Problems side by side, and where the parameters of each begin.
class JointFit {
public:
    JointFit(const Design& design, std::span<const FitProblem> problems, const GroupsView& groups,
             const FitOptions& options)
        : p_(design.cols()), groups_(groups), options_(options) {
        RowSelector selector(design, options);
        for (const FitProblem& problem : problems) {
            if (!problem.absolute.empty() || !problem.groups.weights.empty() ||
                std::isnan(problem.parameter))
                throw std::invalid_argument(
                    "problems that share penalty groups can have neither penalties with kinks of "
                    "their own nor a dispersion that is estimated with the coefficients.");
            problems_.push_back(std::make_unique<Problem>(design, problem, options,
                                                          selector.select(problem.sample)));
        }
        for (const std::ptrdiff_t member : groups.members)
            if (member < 0 || member >= p_ * static_cast<std::ptrdiff_t>(problems.size()))
                throw std::invalid_argument("a penalty group has the member " +
                                            std::to_string(member) + ", which does not exist.");
        share_spread();
        for (const auto& problem : problems_) problem->prepare();
    }

    std::vector<FitResult> solve();

private:
    struct Member {
        std::size_t problem;
        std::ptrdiff_t column;
    };
    [[nodiscard]] Member member(std::ptrdiff_t index) const {
        return {static_cast<std::size_t>(index / p_), index % p_};
    }
    [[nodiscard]] bool counts(const Member& member) const {
        const Problem& problem = *problems_[member.problem];
        return !problem.silent() && problem.coordinates().is_candidate(member.column);
    }
    /// Calls body(member) for those of a group that may have a coefficient.
    template <class F>
    void for_each_member(std::size_t group, F&& body) const {
        for (auto i = static_cast<std::size_t>(groups_.begin[group]);
             i < static_cast<std::size_t>(groups_.begin[group + 1]); ++i)
            if (const Member own = member(groups_.members[i]); counts(own)) body(own);
    }

    void share_spread();
    [[nodiscard]] GroupNorms group_norms(double scale, std::span<const std::ptrdiff_t> first) const;

    std::ptrdiff_t p_;
    GroupsView groups_;
    const FitOptions& options_;
    std::vector<std::unique_ptr<Problem>> problems_;
};

/// As Coordinates::share_spread, over all problems.
void JointFit::share_spread() {
    for (std::size_t g = 0; g < groups_.weights.size(); ++g) {
        double log_sum = 0.0;
        int count = 0;
        for_each_member(g, [&](const Member& own) {
            const auto spread = problems_[own.problem]->coordinates().spread();
            log_sum += std::log(spread[static_cast<std::size_t>(own.column)]);
            ++count;
        });
        for_each_member(g, [&](const Member& own) {
            problems_[own.problem]->coordinates().set_spread(own.column, std::exp(log_sum / count));
        });
    }
}

/// `first`: where the parameters of each problem begin among all, -1 for those that have none.
GroupNorms JointFit::group_norms(double scale, std::span<const std::ptrdiff_t> first) const {
    std::vector<std::ptrdiff_t> begin = {0};
    std::vector<std::ptrdiff_t> members;
    std::vector<double> weights;
    for (std::size_t g = 0; g < groups_.weights.size(); ++g) {
        double weight = 0.0;
        for_each_member(g, [&](const Member& own) {
            const auto spread = problems_[own.problem]->coordinates().spread();
            weight = scale * (groups_.weights[g] / spread[static_cast<std::size_t>(own.column)]);
            members.push_back(first[own.problem] + own.column);
        });
        begin.push_back(static_cast<std::ptrdiff_t>(members.size()));
        weights.push_back(weight);
    }
    return {begin, members, weights};
}

std::vector<FitResult> JointFit::solve() {
    std::vector<FitResult> results;
    std::vector<std::size_t> active;
    double scale = 0.0;
    for (std::size_t m = 0; m < problems_.size(); ++m) {
        results.push_back(problems_[m]->describe());
        if (problems_[m]->silent()) continue;
        active.push_back(m);
        scale += problems_[m]->objective_scale();
    }
    if (active.empty()) return results;
    scale /= static_cast<double>(active.size());
    const auto total = static_cast<std::ptrdiff_t>(active.size()) * (p_ + 1);
    require_memory(total, 3 * total, sizeof(double), "the curvature of neurons that share groups");

    JointObjective objective;
    std::vector<std::ptrdiff_t> first(problems_.size(), -1);
    std::vector<std::ptrdiff_t> free;
    std::vector<double> ridge;
    std::vector<double> gamma;
    double tolerance = options_.tolerance;
    for (const std::size_t m : active) {
        const Problem& problem = *problems_[m];
        if (problem.has_matrix())
            throw std::invalid_argument(
                "a penalty matrix cannot be had by problems that share groups.");
        const double share = scale / problem.objective_scale();
        first[m] = objective.size();
        objective.add(problem.likelihood(), share);
        for (const std::ptrdiff_t j : problem.coordinates().candidates())
            free.push_back(first[m] + j);
        for (const double weight : problem.ridge_weights()) ridge.push_back(share * weight);
        tolerance = std::min(tolerance, problem.tolerance());

        std::vector<double> start = problem.null_point();
        Evaluation null;
        problem.likelihood().evaluate(start, Curvature::expected, null);
        results[m].rank = static_cast<std::ptrdiff_t>(
            rank_at(problem.coordinates(), problem.gram(null)).independent.size());
        if (!problem.given().start_coef.empty()) start = problem.given_start();
        gamma.insert(gamma.end(), start.begin(), start.end());
    }
    Evaluation at;
    objective.evaluate(gamma, Curvature::expected, at);
    require_feasible(at, !problems_[active.front()]->given().start_coef.empty());

    const GroupNorms norms = group_norms(scale, first);
    const GroupPenalty penalty(ridge, norms);
    std::vector<double> free_ridge;
    for (const std::ptrdiff_t j : free) free_ridge.push_back(ridge[static_cast<std::size_t>(j)]);
    const GroupPenalty of_free(free_ridge, norms.restricted(free));
    const std::unique_ptr<Solver> solver = solver_of(options_, of_free.smooth());
    SolveOptions settings{tolerance, options_.max_iterations, scale};
    SolveResult solved = minimise_within(objective, of_free, *solver, free, settings, gamma, at);

    const auto part = [&](std::size_t m) {
        return std::span<const double>(gamma).subspan(static_cast<std::size_t>(first[m]),
                                                      static_cast<std::size_t>(p_) + 1);
    };
    if (problems_[active.front()]->estimates_dispersion()) {
        double smallest = 1.0;
        for (const std::size_t m : active)
            if (const double phi = problems_[m]->pearson_dispersion(part(m), results[m].rank);
                phi < smallest)
                smallest = phi;
        if (smallest < 1.0 && solved.status == Status::converged) {
            const int before = solved.n_iterations;
            settings.tolerance *= std::sqrt(smallest);
            settings.max_iterations -= before;
            solved = minimise_within(objective, of_free, *solver, free, settings, gamma, at);
            solved.n_iterations += before;
            if (solved.status == Status::line_search_failed)
                solved.status = Status::precision_limit;
        }
    }
    for (const std::size_t m : active) {
        FitResult& result = results[m];
        const Problem& problem = *problems_[m];
        result.status = solved.status;
        result.n_iterations = solved.n_iterations;
        result.decrement = solved.decrement;
        result.penalised = true;
        std::vector<std::ptrdiff_t> own;
        for (const std::ptrdiff_t j : problem.coordinates().candidates())
            own.push_back(first[m] + j);
        result.kkt = kkt_residual(penalty, gamma, at, own);
        problem.to_user_units(part(m), result);
        if (problem.estimates_dispersion())
            result.dispersion = problem.pearson_dispersion(part(m), result.rank);
    }
    return results;
}

}  // namespace

std::vector<FitResult> fit_jointly(const Design& design, std::span<const FitProblem> problems,
                                   const GroupsView& groups, const FitOptions& options) {
    if (problems.empty()) return {};
    return JointFit(design, problems, groups, options).solve();
}

}  // namespace spikeglm
