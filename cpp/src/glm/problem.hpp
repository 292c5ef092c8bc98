#pragma once
/// One problem in standardised coordinates: what solving it, alone or with others, is made of.
/// Internal to src/glm.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "coordinates.hpp"
#include "rows.hpp"
#include "spikeglm/glm/fit.hpp"
#include "spikeglm/solver/penalty.hpp"
#include "spikeglm/solver/rank.hpp"

namespace spikeglm {

class Problem {
public:
    /// Finds the model without coefficients on rows of the problem's sample. `fixed`: coordinates
    /// to take instead of those of these rows.
    Problem(const Design& design, const FitProblem& problem, const FitOptions& options, Rows rows,
            const Coordinates* fixed = nullptr);

    /// To be changed before `prepare` only.
    [[nodiscard]] Coordinates& coordinates() { return coordinates_; }
    [[nodiscard]] const Coordinates& coordinates() const { return coordinates_; }
    /// Fixes the coordinates.
    void prepare();

    [[nodiscard]] bool silent() const { return null_.silent; }
    [[nodiscard]] const Rows& rows() const { return rows_; }
    [[nodiscard]] const Likelihood& likelihood() const { return *likelihood_; }
    [[nodiscard]] Likelihood& likelihood() { return *likelihood_; }
    [[nodiscard]] const FitProblem& given() const { return problem_; }
    /// With the weights of the rows, and the model.
    [[nodiscard]] const Sample& sample() const { return sample_; }
    [[nodiscard]] LossSelector loss() const { return loss_; }

    /// The total of the loss is this many times the objective that users state.
    [[nodiscard]] double objective_scale() const;
    /// The penalty of the total, for gamma = s beta instead of beta, times `share`: of all
    /// coordinates or of chosen ones, the others held at zero; and its quadratic part as a matrix.
    [[nodiscard]] std::unique_ptr<Penalty> penalty(double share = 1.0) const;
    [[nodiscard]] std::unique_ptr<Penalty> penalty_of(std::span<const std::ptrdiff_t> chosen,
                                                      double share = 1.0) const;
    [[nodiscard]] std::vector<double> quadratic_penalty() const;
    /// Whether that part is more than a weight per coordinate.
    [[nodiscard]] bool has_matrix() const { return !problem_.matrix.empty(); }
    [[nodiscard]] std::vector<double> ridge_weights() const;
    [[nodiscard]] GroupNorms group_norms(double share = 1.0) const;
    [[nodiscard]] bool penalised() const;

    /// The start: the constant model, or what was given, and its evaluation.
    [[nodiscard]] std::vector<double> null_point() const;
    [[nodiscard]] std::vector<double> given_start() const;
    /// X'WX at the constant model, given its evaluation: it shows the rank whatever the model does
    /// to the weights.
    [[nodiscard]] std::vector<double> gram(const Evaluation& null) const;

    /// The tolerance of lambda for the loss as it is: weights in small units, and, where no
    /// dispersion is estimated, y in small units, make all distances small.
    [[nodiscard]] double tolerance() const;
    [[nodiscard]] bool estimates_dispersion() const;
    [[nodiscard]] double pearson_dispersion(std::span<const double> gamma,
                                            std::ptrdiff_t rank) const;

    /// What every result states.
    [[nodiscard]] FitResult describe() const;
    void to_user_units(std::span<const double> gamma, FitResult& result) const;

private:
    [[nodiscard]] std::vector<double> lasso_weights() const;

    const Design& design_;
    const FitProblem& problem_;
    const FitOptions& options_;
    LossSelector loss_;
    Rows rows_;
    Coordinates coordinates_;
    NullModel null_;
    Coordinates::Split split_;
    Sample sample_;
    std::optional<PreparedDesign> prepared_;
    std::optional<Likelihood> likelihood_;
};

/// Minimises within the coordinates listed in `free`: gamma holds the start, at which `at` is the
/// evaluation with curvature, and then the solution. `at` then holds the evaluation there; entries
/// of coordinates that are not free are zero.
SolveResult minimise_within(const Objective& objective, const Penalty& penalty, Solver& solver,
                            std::span<const std::ptrdiff_t> free, const SolveOptions& options,
                            std::span<double> gamma, Evaluation& at);

/// The solver that the options name; for an empty name the one of the exact curvature.
[[nodiscard]] std::unique_ptr<Solver> solver_of(const FitOptions& options, bool smooth);

/// max_j |g_j| / sqrt(h_jj) over `coordinates`, for the subgradient of least norm, given gradient
/// and diagonal of the curvature of the loss.
[[nodiscard]] double kkt_residual(const Penalty& penalty, std::span<const double> gamma,
                                  std::vector<double> gradient, std::vector<double> diagonal,
                                  std::span<const std::ptrdiff_t> coordinates);
[[nodiscard]] double kkt_residual(const Penalty& penalty, std::span<const double> gamma,
                                  const Evaluation& at,
                                  std::span<const std::ptrdiff_t> coordinates);

/// What the Gram matrix at the constant model says about the candidates.
[[nodiscard]] RankReport rank_at(const Coordinates& coordinates, std::span<const double> gram);

/// Throws unless the loss at a starting point is finite.
void require_feasible(const Evaluation& at, bool given);

}  // namespace spikeglm
