#pragma once
/// Which coordinates a Gram matrix identifies.

#include <cstddef>
#include <span>
#include <vector>

namespace spikeglm {

/// `independent`: coordinates whose Gram matrix is well conditioned, the leading one first.
/// Each dependent coordinate k has a null vector: coordinate k minus its combination of independent
/// ones, stored as a full-length vector.
struct RankReport {
    std::vector<std::ptrdiff_t> independent;
    std::vector<std::ptrdiff_t> dependent;
    std::vector<std::vector<double>> null_vectors;
};

/// Cholesky decomposition with complete pivoting of the symmetric `gram` (size x size), scaled to a
/// unit diagonal, restricted to `candidates`. The last coordinate (the intercept) is taken first. A
/// coordinate is dependent when what is left of its diagonal falls below `relative_tolerance`.
[[nodiscard]] RankReport rank_of_gram(std::span<const double> gram, std::ptrdiff_t size,
                                      std::span<const std::ptrdiff_t> candidates,
                                      double relative_tolerance);

}  // namespace spikeglm
