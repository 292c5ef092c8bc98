#pragma once
/// The row-block pass of many problems over one X: values and gradients of all of them at once, and
/// a curvature from some of the rows. Internal to src/glm.
///
/// Parameters are those of Likelihood. Cost of a pass over m problems: 4 n p m flops, X is read
/// once. A curvature is made of model rows, a thinned X, for p^2 flops each: they are spread evenly
/// because rows that follow each other are alike in recordings.

#include <cstdint>
#include <span>
#include <vector>

#include "rows.hpp"
#include "spikeglm/glm/likelihood.hpp"

namespace spikeglm {

/// Which rows of a block a selection uses.
enum class BlockUse : std::uint8_t { none, some, all_with_weight_one };

class BatchPass {
public:
    /// Whose loss: a sample, the weights being those of its selection, and a model.
    struct Member {
        Sample sample;
        LossSelector loss;
        const std::vector<BlockUse>* blocks;
    };

    struct Request {
        const Member* member;
        std::span<const double> gamma;
        const Thinned* model_rows = nullptr;    ///< or null: nothing is asked of them
        const double* model_weights = nullptr;  ///< one per model row
        bool diagnose = false;
        // Results: loss, gradient, sum of d2 over the model rows, and the least ratio there of d2
        // to the model weight where that is not zero; below zero where any row has a negative d2.
        double value = 0.0;
        std::vector<double> gradient = {};
        double model_d2 = 0.0;
        double weakest = 0.0;
        // Where asked for, with twice the cost: the diagonal of the curvature, and, of models that
        // estimate a dispersion, sum_i w_i (y_i - mu_i)^2 / V(mu_i).
        std::vector<double> diagonal = {};
        double pearson = 0.0;
    };

    /// Loss, gradient and curvature over the model rows, and the d2 of each of them.
    struct ModelEvaluation {
        Evaluation at;
        std::vector<double> d2;
    };

    BatchPass(const Design& design, std::span<const double> location,
              std::span<const double> spread, const Execution& execution)
        : design_(design), location_(location), spread_(spread), execution_(execution) {}

    [[nodiscard]] std::vector<BlockUse> blocks_of(const Selection& selection) const;

    /// Requests of the same selection should follow each other. `kind` of d2: not none.
    void evaluate(std::span<Request> requests, Curvature kind) const;
    [[nodiscard]] ModelEvaluation evaluate_model(const Thinned& rows, const Member& member,
                                                 std::span<const double> gamma,
                                                 Curvature kind) const;

private:
    struct Predictors;
    struct Run {
        std::size_t begin, end;
    };
    [[nodiscard]] Predictors in_user_units(std::span<const Request> requests) const;
    void eta_of(const RowBlock& x, std::ptrdiff_t first, std::span<const Request> requests,
                const Predictors& predictors, const Run& run, double* eta) const;
    [[nodiscard]] static std::vector<Run> runs_of(std::span<const Request> requests,
                                                  std::ptrdiff_t block, std::size_t granule);
    const Design& design_;
    std::span<const double> location_, spread_;
    const Execution& execution_;
};

}  // namespace spikeglm
