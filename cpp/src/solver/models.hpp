#pragma once
/// Quadratic models of the objective at a point: the Newton step, and its composite counterpart.

#include <memory>
#include <span>
#include <vector>

#include "spikeglm/solver/objective.hpp"
#include "spikeglm/solver/penalty.hpp"

namespace spikeglm {

/// Penalised value and Newton step for a smooth penalty.
struct NewtonModel {
    double value = 0.0;
    std::vector<double> step;
    double decrement = 0.0;
    double damping = 0.0;  ///< added to the unit diagonal to factor the curvature
    bool positive_definite = false;
};

[[nodiscard]] NewtonModel newton_model(const Penalty& penalty, std::span<const double> x,
                                       const Evaluation& at_x);

/// Minimises  q(z) = g'(z - x) + (z - x)'H(z - x)/2 + penalty(z)  over z, for a penalty with
/// groups.
///
/// Cyclic block coordinate descent, one block per group and per coordinate in no group, that keeps
/// the gradient of the quadratic up to date: p flops for a coordinate that moves, one comparison
/// for one that stays. Sweeps over the blocks that are not zero alternate with complete ones.
/// Friedman, Hastie & Tibshirani (2010), J. Stat. Softw. 33(1). The minimum over a group of several
/// coordinates is found from the eigenvalues a of its block and the root t = ||z_g|| of the secular
/// equation sum_i c_i^2 / (a_i t + w)^2 = 1. Once the blocks that are not zero are known, Newton's
/// method on them, on which q is smooth, ends what coordinate descent would do slowly.
class CompositeModel {
public:
    CompositeModel();
    ~CompositeModel();

    struct Solution {
        double decrement = 0.0;  ///< sqrt(d'Hd), d = z - x
        double change = 0.0;     ///< g'd plus the change of the norms: below zero
        double residual = 0.0;   ///< of x: its subgradient of least norm over sqrt(diag H)
        /// Twice the decrease that the model predicts: d'Hd plus twice the Bregman distance of the
        /// norms from z to x, to the digits of each, which their difference would lose.
        double twice_decrease = 0.0;
        bool positive_curvature = false;
    };

    /// `tolerance` of the residual of z; a millionth of that of x suffices.
    Solution minimise(const Penalty& penalty, std::span<const double> x, const Evaluation& at_x,
                      double tolerance);
    [[nodiscard]] std::span<const double> minimiser() const;

    /// The residual of another point and gradient of f in the same metric.
    [[nodiscard]] double residual(const Penalty& penalty, std::span<const double> x,
                                  std::span<const double> gradient) const;

private:
    struct Work;
    std::unique_ptr<Work> work_;
};

}  // namespace spikeglm
