#pragma once
/// Standardised coordinates, gamma_j = s_j beta_j and gamma_0 = b + sum_j m_j beta_j, of a problem
/// whose columns lie at m_j with spread s_j. Internal to src/glm.

#include <cstdint>
#include <span>
#include <vector>

#include "spikeglm/design/design.hpp"

namespace spikeglm {

class Coordinates {
public:
    /// `excluded`: columns whose coefficients stay zero, a byte each, or empty. Without an
    /// intercept columns are scaled but not centred.
    Coordinates(const ColumnMoments& moments, std::span<const std::uint8_t> excluded,
                bool intercept);

    /// Gives all columns of each group of more than one the same spread, so that the norm of their
    /// coefficients is one of the coordinates.
    void share_spread(std::span<const std::ptrdiff_t> begin,
                      std::span<const std::ptrdiff_t> members);
    void set_spread(std::ptrdiff_t column, double spread);
    /// The same coordinates with more columns excluded.
    [[nodiscard]] Coordinates without(std::span<const std::uint8_t> excluded) const;

    [[nodiscard]] std::size_t cols() const { return spread_.size(); }
    [[nodiscard]] bool intercept() const { return intercept_; }
    [[nodiscard]] std::span<const double> location() const { return location_; }
    [[nodiscard]] std::span<const double> spread() const { return spread_; }
    /// Columns that may have a coefficient, in order, and then the intercept.
    [[nodiscard]] const std::vector<std::ptrdiff_t>& candidates() const { return candidates_; }
    [[nodiscard]] bool is_candidate(std::ptrdiff_t column) const;
    /// Columns that are constant over the rows in use.
    [[nodiscard]] const std::vector<std::ptrdiff_t>& aliased() const { return aliased_; }

    /// What is done to columns row by row, and what to sums over rows; see likelihood.hpp. Empty
    /// where no column needs it.
    struct Split {
        std::vector<double> row_location, row_spread, sum_location, sum_spread;
    };
    [[nodiscard]] Split split() const;

    /// Coefficients and intercept of a point.
    void to_user_units(std::span<const double> gamma, std::span<double> coef,
                       double& intercept) const;
    [[nodiscard]] std::vector<double> from_user_units(std::span<const double> coef,
                                                      double intercept) const;

private:
    bool intercept_;
    std::vector<double> location_, spread_;
    std::vector<std::ptrdiff_t> candidates_, aliased_;
};

}  // namespace spikeglm
