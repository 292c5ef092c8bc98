#pragma once
/// The negative log-likelihood of one problem as an objective: the row-block pass.
///
/// Parameters are (gamma_1 .. gamma_p, gamma_0) in standardised coordinates,
///   gamma_j = s_j beta_j,   gamma_0 = b + sum_j m_j beta_j,
/// for columns located at m_j with spread s_j. Centring is applied to sums, not to rows:
///   eta   = X beta + b + offset
///   dL/dgamma_j = (sum_i x_ij d1_i - m_j sum_i d1_i) / s_j
/// so that designs keep their structure. Columns far from zero are standardised row by row before
/// (PreparedDesign), because there the difference of sums would lose digits; m_j is then 0 and s_j
/// is 1.
///
/// Cost of a pass: 4 n p flops for value and gradient, n p^2 for the curvature; X is read once.

#include <span>
#include <vector>

#include "spikeglm/backend/row_pass.hpp"
#include "spikeglm/design/design.hpp"
#include "spikeglm/solver/objective.hpp"

namespace spikeglm {

/// Rows of one problem. `weight` and `offset` may be empty (ones, zeros). Rows of weight zero are
/// not used; their y may be any number or NaN.
struct Sample {
    std::span<const double> y = {};
    std::span<const double> weight = {};
    std::span<const double> offset = {};
};

/// With its canonical link a model's observed and expected curvature are the same function.
[[nodiscard]] bool has_canonical_link(LossSelector selector);

class Likelihood final : public Objective {
public:
    Likelihood(const Design& design, const Sample& sample, LossSelector selector,
               std::span<const double> location, std::span<const double> spread,
               const Execution& execution);

    [[nodiscard]] std::ptrdiff_t size() const override { return design_.cols() + 1; }
    [[nodiscard]] bool canonical() const override { return canonical_; }
    void evaluate(std::span<const double> gamma, Curvature kind, Evaluation& out) const override;

    [[nodiscard]] std::ptrdiff_t n_rows() const override { return design_.rows(); }
    void row_gradients(std::span<const std::ptrdiff_t> rows, std::span<const double> gamma,
                       std::span<double> sum) const override;

    /// Of a model that has one.
    void set_parameter(double parameter) { selector_.parameter = parameter; }
    /// The parameter that maximises the likelihood for given coefficients, between 1e-8 and 1e8:
    /// the maximum next to the present one.
    [[nodiscard]] double best_parameter(std::span<const double> gamma) const;

    [[nodiscard]] const Sample& sample() const { return sample_; }
    [[nodiscard]] LossSelector loss() const { return selector_; }

    /// X' diag(weight) X in standardised coordinates, intercept last; a weight per row, or empty.
    [[nodiscard]] std::vector<double> gram(std::span<const double> weight) const;

    /// Change of each row's eta along a direction; zero in rows that are not used.
    [[nodiscard]] std::vector<double> change_of_eta(std::span<const double> direction) const;

    /// sum_i w_i (y_i - mu_i)^2 / V(mu_i).
    [[nodiscard]] double pearson(std::span<const double> gamma) const;

private:
    struct LinearPredictor {
        std::vector<double> beta;
        double intercept;
    };
    [[nodiscard]] LinearPredictor in_user_units(std::span<const double> gamma) const;
    [[nodiscard]] bool unused(std::ptrdiff_t first, std::ptrdiff_t count) const;
    void standardise(const double* sums, std::vector<double>& curvature) const;
    void eta_of(const RowBlock& x, std::ptrdiff_t first, const LinearPredictor& predictor,
                bool with_offset, double* eta) const;

    const Design& design_;
    Sample sample_;
    LossSelector selector_;
    std::span<const double> location_;
    std::span<const double> spread_;
    const Execution& execution_;
    bool canonical_;
};

}  // namespace spikeglm
