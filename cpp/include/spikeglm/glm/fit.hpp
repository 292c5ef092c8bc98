#pragma once
/// Fits generalized linear models.
///
/// Minimised, for each problem of a batch that shares X, is
///   factor sum_i w_i loss(y_i, eta_i) / sum_i w_i
///     + beta' A beta / 2 + sum_j quadratic_j beta_j^2 / 2
///     + sum_j absolute_j |beta_j| + sum_g weight_g ||beta_g||_2,
///   eta = X beta + intercept + offset,
/// over the rows in use: weight above zero, no NaN in X, none in that problem's y. `factor` is the
/// model's objective_factor: 2 for the Gaussian, whose loss is half a square, and 1 for all others.
/// The intercept is never penalised. Weights count repetitions: weight 2 is the row twice.
///
/// Where X does not identify the coefficients of a smooth objective the answer is the limit of
/// ridge as its strength falls to zero: of all optima the one with the smallest sum of squared
/// coefficients.

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spikeglm/glm/likelihood.hpp"
#include "spikeglm/solver/solver.hpp"

namespace spikeglm {

/// Positions in the registries; throws std::invalid_argument that lists the known names. An empty
/// link name means the model's default.
[[nodiscard]] LossSelector select_loss(std::string_view model, std::string_view link);
[[nodiscard]] std::string_view default_link(std::string_view model);

struct FitOptions {
    LossSelector loss;  ///< its parameter is that of problems that do not bring their own
    /// By name, or empty: chosen by cost. Then `fit` solves problems as a batch on one curvature
    /// that their secant pairs correct, and those that it cannot certify by Newton's method
    /// (ProxNewton under a penalty with kinks), as all else that takes these options does.
    std::string_view solver = {};
    SolverSettings settings = {};
    double tolerance = 1e-8;   ///< distance to the optimum, in standard errors
    int max_iterations = 100;  ///< steps
    bool intercept = true;
    Execution execution = {};
    /// Told after each pass, on the calling thread, how many problems are solved.
    std::function<void(std::size_t done, std::size_t total)> progress = {};
};

/// Disjoint sets of columns: group g has the members begin[g] .. begin[g + 1].
struct GroupsView {
    std::span<const std::ptrdiff_t> begin = {};
    std::span<const std::ptrdiff_t> members = {};
    std::span<const double> weights = {};
};

struct FitProblem {
    Sample sample = {};
    std::span<const double> quadratic = {};       ///< one per column, or empty
    std::span<const double> absolute = {};        ///< one per column, or empty
    GroupsView groups = {};                       ///< of columns; not together with `absolute`
    std::span<const std::uint8_t> excluded = {};  ///< columns held at zero, a byte each, or empty
    std::span<const double> start_coef = {};      ///< or empty
    double start_intercept = 0.0;                 ///< read when start_coef is given
    /// The model's parameter, where it has one; NaN: estimated with the coefficients.
    double parameter = 1.0;
    /// A, symmetric and positive semi-definite, of beta' A beta / 2: p x p, or
    /// empty.
    std::span<const double> matrix = {};
};

struct FitResult {
    std::vector<double> coef;
    double intercept = 0.0;
    /// The model's parameter, or Pearson's estimate (NaN without residual degrees of freedom),
    /// or 1.
    double dispersion = 1.0;
    Status status = Status::converged;
    int n_iterations = 0;
    double decrement = 0.0;  ///< distance to the optimum in standard errors
    double kkt = 0.0;        ///< max_j |g_j| / sqrt(h_jj), centred coordinates; see solver.hpp
    double sum_of_weights = 0.0;
    double mean_y = 0.0;      ///< over the rows in use
    std::ptrdiff_t rank = 0;  ///< of [1, X], or of X without an intercept, over the rows in use
    std::ptrdiff_t n_used = 0;
    std::ptrdiff_t n_dropped = 0;         ///< rows with NaN in X or y
    std::vector<std::ptrdiff_t> aliased;  ///< columns constant over the rows in use: coefficient 0
    std::vector<std::ptrdiff_t> separated;  ///< columns whose coefficients run to infinity
    std::ptrdiff_t n_separated_rows = 0;
    std::ptrdiff_t n_free = 0;  ///< coefficients, and the intercept, that were not held
    bool penalised = false;     ///< whether any strength is above zero
};

/// Solves each problem on its own: a result does not depend on the other problems of the batch.
/// Throws std::invalid_argument for data the model cannot hold, naming the first offending row.
[[nodiscard]] std::vector<FitResult> fit(const Design& design, std::span<const FitProblem> problems,
                                         const FitOptions& options);

/// Solves problems that share penalty groups as one: the sum of their objectives. Member
/// c + m cols of a group is column c of problem m. Distances and statuses are those of the whole.
[[nodiscard]] std::vector<FitResult> fit_jointly(const Design& design,
                                                 std::span<const FitProblem> problems,
                                                 const GroupsView& groups,
                                                 const FitOptions& options);

/// The gradient of the loss part of the objective in the coefficients, where those that a penalty
/// with kinks holds are zero and all others optimal: such a penalty keeps them at zero when it
/// outweighs this gradient. Zero for columns that cannot have a coefficient.
[[nodiscard]] std::vector<double> gradient_at_zero(const Design& design, const FitProblem& problem,
                                                   const FitOptions& options);

/// The steps of a solver one by one, each also on other rows: for data that arrive in parts, or to
/// watch a fit. Units and centres of the columns, and what the solver remembers, stay those of the
/// first rows.
class Stepper {
public:
    /// Throws as `fit` does, and for penalties that the solver cannot hold.
    Stepper(const Design& design, const FitProblem& problem, const FitOptions& options);
    Stepper(Stepper&&) noexcept;
    Stepper& operator=(Stepper&&) noexcept;
    ~Stepper();

    /// One step from start_coef and start_intercept of `problem`, which has the columns, exclusions
    /// and groups of the first one. The status is max_iterations after a step, or says why none was
    /// taken; `decrement` is NaN where the solver does not know it, and `kkt` always. `rank` is
    /// that of the first rows. A dispersion that is estimated takes a step as well.
    [[nodiscard]] FitResult step(const Design& design, const FitProblem& problem);

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// mu[i] = g^-1(X coef + intercept + offset); NaN rows of X stay NaN. `offset` may be empty. Throws
/// std::invalid_argument with row and column of an infinity in X.
void predict(const Design& design, std::span<const double> coef, double intercept,
             std::span<const double> offset, int link, double* mu, const Execution& execution);

/// The same for several models in one pass: coefficients (cols x models) and means (rows x models),
/// both column by column.
void predict_many(const Design& design, std::span<const double> coef,
                  std::span<const double> intercepts, std::span<const double> offset, int link,
                  double* mu, const Execution& execution);

enum class RowQuantity { log_likelihood, deviance, pearson_residual };

/// Textbook quantities row by row, NaN where y or mu is NaN. `dispersion` is phi, or the parameter
/// of a model that has one. Throws std::invalid_argument where y is outside the model's support.
void row_quantity(int model, RowQuantity quantity, std::span<const double> y,
                  std::span<const double> mu, double dispersion, double* out);

}  // namespace spikeglm
