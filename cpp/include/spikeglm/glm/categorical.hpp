#pragma once
/// Fits multinomial (softmax) models: y is one of K classes with
///   p_k = exp(eta_k) / sum_l exp(eta_l),   eta_k = X beta_k + intercept_k,
/// a vector of coefficients and an intercept for every class. Minimised is
///   -sum_i w_i log p_{i, y_i} / sum_i w_i
///     + sum quadratic beta^2 / 2 + sum absolute |beta| + sum_g weight_g ||beta_g||_2.
/// The likelihood sees only differences between classes: where no class's coefficient of a column
/// is penalised or excluded, and for the intercepts, the returned values sum to zero over classes,
/// which of all equivalent ones have the smallest squares. McCullagh & Nelder (1989), Generalized
/// Linear Models, section 5.

#include <cstdint>
#include <span>
#include <vector>

#include "spikeglm/glm/fit.hpp"

namespace spikeglm {

/// Coefficients are numbered column + cols * class.
struct CategoricalProblem {
    /// Class of each row, 0 .. n_classes - 1, each of which occurs; NaN leaves the row out.
    std::span<const double> y = {};
    std::span<const double> weight = {};  ///< per row, or empty
    std::ptrdiff_t n_classes = 2;
    std::span<const double> quadratic = {};  ///< one per coefficient, or empty
    std::span<const double> absolute = {};   ///< one per coefficient, or empty
    GroupsView groups = {};                  ///< not together with `absolute`
    std::span<const std::uint8_t> excluded = {};
    std::span<const double> start_coef = {};
    std::span<const double> start_intercept = {};  ///< one per class, read with start_coef
};

/// As FitResult, with coefficients and intercepts of all classes.
struct CategoricalResult {
    std::vector<double> coef;
    std::vector<double> intercept;
    Status status = Status::converged;
    int n_iterations = 0;
    double decrement = 0.0;
    double kkt = 0.0;
    double sum_of_weights = 0.0;
    std::ptrdiff_t rank = 0;  ///< of [1, X] over the rows in use
    std::ptrdiff_t n_used = 0;
    std::ptrdiff_t n_dropped = 0;
    std::vector<std::ptrdiff_t> aliased;
    bool penalised = false;
};

/// Solves one problem; the model and link of `options` are not read. A fit without penalty whose
/// rows come to be predicted to rounding ends with the status "separated". Throws
/// std::invalid_argument as `fit`, and where a class has no row in use.
[[nodiscard]] CategoricalResult fit_categorical(const Design& design,
                                                const CategoricalProblem& problem,
                                                const FitOptions& options);

}  // namespace spikeglm
