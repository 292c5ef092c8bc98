#pragma once
/// What the rows say about coefficients near a point: for standard errors, tests and the choice of
/// smoothness.
///
/// All is in standardised coordinates, gamma_j = s_j beta_j and gamma_0 = b + sum_j m_j beta_j with
/// the intercept last, and of the total: the sum of the weighted losses, and the penalty times the
/// number of times by which that exceeds the stated objective. Matrices are (p + 1) x (p + 1),
/// column-major. With dispersion phi the log-likelihood is the negative loss over phi.
///
/// Cost: a pass with curvature for each problem, and one more pass for `meat` or `skew`.

#include <cstddef>
#include <span>
#include <vector>

#include "spikeglm/glm/fit.hpp"

namespace spikeglm {

struct InformationOptions {
    Curvature kind = Curvature::observed;  ///< or expected
    /// Whether to sum the outer products of the scores.
    bool meat = false;
    /// Rows over which scores may be correlated, with Bartlett's weights 1 - l / (lags + 1): Newey
    /// & West (1987), Econometrica 55, eq. 5. Rows that are not used end a chain.
    std::ptrdiff_t lags = 0;
    /// Rows at which a chain begins, ascending: the first ones of epochs.
    std::span<const std::ptrdiff_t> chains = {};
    /// For each problem a symmetric matrix V in standardised coordinates, or none at all: asks for
    /// the derivative of tr(V H) / 2 in gamma, of which log det H changes by when V is its inverse.
    /// Wood (2011), J. R. Stat. Soc. B 73, section 3.5.
    std::span<const std::span<const double>> covariances = {};
};

struct Information {
    std::vector<double> location, spread;
    /// Of the loss; infinite where a mean is outside the model's domain, and then there is no
    /// derivative.
    double value = 0.0;
    std::vector<double> gradient;   ///< of the loss
    std::vector<double> curvature;  ///< of the loss
    std::vector<double> penalty;    ///< quadratic part of the penalty
    std::vector<double> meat;       ///< or empty
    std::vector<double> skew;  ///< sum_i dd2_i/deta z_i'Vz_i z_i, for V of `covariances`; or empty
    /// Coordinates that the rows identify, and for each other candidate the direction along which
    /// the rows see nothing.
    std::vector<std::ptrdiff_t> identified;
    std::vector<std::vector<double>> null_vectors;
    double sum_of_weights = 0.0;
    /// The total of the loss is this many times the objective that users state.
    double objective_scale = 1.0;
    std::ptrdiff_t n_used = 0;
    bool silent = false;  ///< then there is nothing but the rows in use
};

/// One result per problem, at its start_coef and start_intercept. Throws as `fit` does.
[[nodiscard]] std::vector<Information> information(const Design& design,
                                                   std::span<const FitProblem> problems,
                                                   const FitOptions& options,
                                                   const InformationOptions& wanted);

}  // namespace spikeglm
