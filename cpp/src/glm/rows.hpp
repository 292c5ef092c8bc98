#pragma once
/// Which rows a problem uses, and the model without coefficients on them. Internal to src/glm.

#include <cstdint>
#include <vector>

#include "spikeglm/glm/fit.hpp"

namespace spikeglm {

struct Rows {
    std::vector<std::uint8_t> used;  ///< a byte per row
    std::vector<double> weight;      ///< empty when all rows count once
    ColumnMoments moments;
    std::ptrdiff_t n_dropped = 0;
    double sum_of_weights = 0.0;
    double mean_y = 0.0;
};

/// Checks the sample against the design and the model, and selects the rows. One pass over X.
/// Throws std::invalid_argument naming the first offending row.
[[nodiscard]] Rows select_rows(const Design& design, const Sample& sample,
                               const FitOptions& options);

struct NullModel {
    double intercept = 0.0;
    /// Whether the mean of y lies on the border of the model's domain; the intercept then predicts
    /// it exactly, and is infinite for most links.
    bool silent = false;
    /// Pearson statistic per row of the constant mean.
    double dispersion = 1.0;
};

/// Intercept that maximises the likelihood without coefficients; every row has a finite loss at it.
/// `sample` has the weights of `rows`. Throws std::invalid_argument when there is none. Without an
/// intercept it is zero.
[[nodiscard]] NullModel fit_null_model(const Sample& sample, const Rows& rows, LossSelector loss,
                                       bool intercept);

/// Whether a model has a parameter, and where its estimation starts: the value that gives y the
/// variance that it has about its mean, and no less than 0.01.
[[nodiscard]] bool has_parameter(int model);
[[nodiscard]] double moment_dispersion(const Sample& sample, const Rows& rows);

}  // namespace spikeglm
