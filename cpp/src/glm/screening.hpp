#pragma once
/// Penalties that set coefficients to zero, on many columns: most columns are never looked at more
/// than through their gradient. Internal to src/glm.
///
/// Solves the problems on a working set of columns, W, and checks all others with one pass over X:
/// those whose gradient outweighs their penalty join W, the strongest first, until none does.
/// Memory: |W|^2 and n |W| flops per step instead of p^2 and n p. Johnson & Guestrin (2015), Blitz,
/// ICML 37.

#include <functional>
#include <span>
#include <vector>

#include "rows.hpp"

namespace spikeglm {

/// Whether screening pays: many columns, of which a penalty may hold most at zero.
[[nodiscard]] bool worth_screening(const Design& design, const FitProblem& problem,
                                   const FitOptions& options);

/// Solves problems on other designs.
using SolveProblems =
    std::function<std::vector<FitResult>(const Design& design, std::span<const FitProblem>)>;

/// Whether two problems with the same rows can be screened together: they penalise the same
/// columns.
[[nodiscard]] bool alike(const FitProblem& a, const FitProblem& b);

/// Results of problems that are alike, with the same rows, all worth screening.
/// `rank` and what is made of it count the columns of the working set only.
[[nodiscard]] std::vector<FitResult> fit_screened(const Design& design,
                                                  std::span<const FitProblem> problems,
                                                  const FitOptions& options,
                                                  std::span<const Rows> rows,
                                                  const SolveProblems& solve);

}  // namespace spikeglm
