#pragma once
/// The smooth part of what a solver minimises.

#include <cstddef>
#include <span>
#include <vector>

#include "spikeglm/backend/kernel_table.hpp"

namespace spikeglm {

/// Value and derivatives at one point. `curvature` is symmetric, size x size, or empty.
struct Evaluation {
    double value = 0.0;
    std::vector<double> gradient;
    std::vector<double> curvature;
    Curvature kind = Curvature::none;
};

/// A sum over rows of data.
class Objective {
public:
    virtual ~Objective() = default;
    [[nodiscard]] virtual std::ptrdiff_t size() const = 0;

    /// True when observed and expected curvature are the same function.
    [[nodiscard]] virtual bool canonical() const = 0;

    /// One pass over the data. The value may be +inf (outside the domain); it is never NaN for
    /// finite x unless an overflow makes it so, which callers treat alike.
    virtual void evaluate(std::span<const double> x, Curvature kind, Evaluation& out) const = 0;

    /// For stochastic solvers: the number of rows, and the sum of the gradients of the rows listed,
    /// repetitions counted. Both throw std::invalid_argument unless an objective provides them.
    [[nodiscard]] virtual std::ptrdiff_t n_rows() const;
    virtual void row_gradients(std::span<const std::ptrdiff_t> rows, std::span<const double> x,
                               std::span<double> sum) const;
};

}  // namespace spikeglm
