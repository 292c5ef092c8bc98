#pragma once
/// An objective seen as a function of some of its coordinates.

#include <span>
#include <vector>

#include "spikeglm/solver/objective.hpp"

namespace spikeglm {

/// f(x) with the chosen coordinates free and the others fixed. Refers to the objective and keeps
/// one full evaluation as scratch: not to be evaluated by two threads at once.
class Restricted final : public Objective {
public:
    /// `at` holds all coordinates; those not chosen keep its values.
    Restricted(const Objective& full, std::span<const std::ptrdiff_t> chosen,
               std::span<const double> at);

    [[nodiscard]] std::ptrdiff_t size() const override;
    [[nodiscard]] bool canonical() const override { return full_.canonical(); }
    void evaluate(std::span<const double> x, Curvature kind, Evaluation& out) const override;
    [[nodiscard]] std::ptrdiff_t n_rows() const override { return full_.n_rows(); }
    void row_gradients(std::span<const std::ptrdiff_t> rows, std::span<const double> x,
                       std::span<double> sum) const override;

    [[nodiscard]] std::vector<double> gather(std::span<const double> full) const;
    /// The chosen entries of an evaluation of the full objective.
    void gather(const Evaluation& full, Evaluation& out) const;
    void scatter(std::span<const double> x, std::span<double> full) const;

private:
    const Objective& full_;
    std::vector<std::ptrdiff_t> chosen_;
    mutable std::vector<double> point_;
    mutable std::vector<double> full_gradient_;
    mutable Evaluation at_point_;
};

}  // namespace spikeglm
