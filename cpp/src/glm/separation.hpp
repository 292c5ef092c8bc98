#pragma once
/// Whether a likelihood has its maximum at infinity, and where. Internal to src/glm.
///
/// A row whose loss falls for ever as its eta goes to -inf or +inf (y = 0 of a Poisson model with a
/// log link) does not stop the coefficients from running away; any other row does. The maximum is
/// at infinity exactly when there is a direction d with x_i d = 0 for the rows that stop it and x_i
/// d >= 0, towards the side that gains, for the others, not zero for all of them. Those with x_i d
/// > 0 are the separated rows. Albert & Anderson (1984), Biometrika 71:1; Correia, Guimaraes &
/// Zylkin (2019), arXiv:1903.01633, whose iterative rectifier finds all of them.

#include <optional>
#include <span>
#include <vector>

#include "spikeglm/glm/likelihood.hpp"

namespace spikeglm {

struct Separation {
    std::vector<double> direction;     ///< standardised coordinates, intercept last
    std::vector<std::ptrdiff_t> rows;  ///< rows that gain clearly; the others stand still
};

/// Share of the Gram matrix that a curvature keeps in its weakest direction, compared with the
/// average; zero where it is singular to rounding. Inverse iteration, cost p^3.
[[nodiscard]] double weakest_share(std::span<const double> gram, std::span<const double> curvature,
                                   std::ptrdiff_t size, std::span<const std::ptrdiff_t> free);

/// `gram`: X'WX of the rows in use, standardised coordinates; `free`: coordinates that it
/// identifies and that no penalty holds. Cost: one curvature pass over X, and a second pass only
/// where that leaves a direction open.
[[nodiscard]] std::optional<Separation> find_separation(const Likelihood& likelihood,
                                                        std::span<const double> gram,
                                                        std::span<const std::ptrdiff_t> free);

}  // namespace spikeglm
