#pragma once
/// What a solver minimises: a smooth objective plus a penalty.

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "spikeglm/backend/kernel_table.hpp"

namespace spikeglm {

/// Value and derivatives at one point. `curvature` is symmetric, size x size.
struct Evaluation {
    double value = 0.0;
    std::vector<double> gradient;
    std::vector<double> curvature;
    Curvature kind = Curvature::none;
};

class Objective {
public:
    virtual ~Objective() = default;
    [[nodiscard]] virtual std::ptrdiff_t size() const = 0;

    /// True when observed and expected curvature are the same function.
    [[nodiscard]] virtual bool canonical() const = 0;

    /// One pass over the data. The value may be +inf (outside the domain); it is never NaN for
    /// finite x unless an overflow makes it so, which callers treat alike.
    virtual void evaluate(std::span<const double> x, Curvature kind, Evaluation& out) const = 0;
};

/// A penalty on the coefficients in the solver's coordinates, added to the objective.
class Penalty {
public:
    virtual ~Penalty() = default;
    /// Whether value, gradient and curvature exist everywhere.
    [[nodiscard]] virtual bool smooth() const = 0;
    [[nodiscard]] virtual double value(std::span<const double> x) const = 0;
    virtual void add_gradient(std::span<const double> x, std::span<double> gradient) const = 0;
    virtual void add_curvature(std::span<double> curvature) const = 0;
};

/// sum_j weight_j x_j^2 / 2. A weight of zero leaves a coordinate unpenalised.
class RidgePenalty final : public Penalty {
public:
    explicit RidgePenalty(std::vector<double> weights) : weights_(std::move(weights)) {}
    [[nodiscard]] bool smooth() const override { return true; }
    [[nodiscard]] double value(std::span<const double> x) const override;
    void add_gradient(std::span<const double> x, std::span<double> gradient) const override;
    void add_curvature(std::span<double> curvature) const override;

private:
    std::vector<double> weights_;
};

/// x' A x / 2 for a symmetric positive semi-definite A, column-major.
class QuadraticPenalty final : public Penalty {
public:
    explicit QuadraticPenalty(std::vector<double> matrix) : matrix_(std::move(matrix)) {}
    [[nodiscard]] bool smooth() const override { return true; }
    [[nodiscard]] double value(std::span<const double> x) const override;
    void add_gradient(std::span<const double> x, std::span<double> gradient) const override;
    void add_curvature(std::span<double> curvature) const override;

private:
    std::vector<double> matrix_;
};

}  // namespace spikeglm
