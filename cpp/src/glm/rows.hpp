#pragma once
/// Which rows a problem uses, and the model without coefficients on them. Internal to src/glm.

#include <cstdint>
#include <memory>
#include <vector>

#include "spikeglm/glm/fit.hpp"

namespace spikeglm {

/// What rows are used and how often each counts. Problems with the same choice share it.
struct Selection {
    std::vector<std::uint8_t> used;  ///< a byte per row
    std::vector<double> weight;      ///< empty when all rows count once
    ColumnMoments moments;
    double sum_of_weights = 0.0;
};

struct Rows {
    std::shared_ptr<const Selection> selection;
    std::ptrdiff_t n_dropped = 0;
    double mean_y = 0.0;

    [[nodiscard]] const std::vector<std::uint8_t>& used() const { return selection->used; }
    [[nodiscard]] const std::vector<double>& weight() const { return selection->weight; }
    [[nodiscard]] const ColumnMoments& moments() const { return selection->moments; }
    [[nodiscard]] double sum_of_weights() const { return selection->sum_of_weights; }
};

/// Checks samples against a design and a model, and selects their rows: one pass over X for each
/// choice of rows that was not asked for before.
class RowSelector {
public:
    RowSelector(const Design& design, const FitOptions& options)
        : design_(design), options_(options) {}

    /// Throws std::invalid_argument naming the first offending row.
    [[nodiscard]] Rows select(const Sample& sample);

private:
    struct Known {
        std::vector<std::uint8_t> asked;
        const double* weight;
        std::shared_ptr<const Selection> selection;
        std::ptrdiff_t n_nan_x;
    };
    const Known& find(const Sample& sample, std::vector<std::uint8_t> asked);

    const Design& design_;
    const FitOptions& options_;
    std::vector<Known> known_;
};

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
