#pragma once
/// From sums over rows to a curvature in standardised coordinates. Internal to src/glm.

#include <cstddef>
#include <span>

namespace spikeglm {

/// Writes S^-1 (sum_i h_i z_i z_i') S^-1, z = (x - m, 1), where `total` is sum h, `cross` X'h and
/// `sandwich` X' diag(h) X, each pair of columns at (i, j) or at (j, i). Entry (i, j) goes to
/// out[i + j * stride], the intercept last.
inline void standardise_curvature(std::span<const double> location, std::span<const double> spread,
                                  double total, const double* cross, const double* sandwich,
                                  double* out, std::size_t stride) {
    const auto p = spread.size();
    for (std::size_t j = 0; j < p; ++j) {
        for (std::size_t i = j; i < p; ++i) {
            const double sum =
                i == j ? sandwich[i + i * p] : sandwich[i + j * p] + sandwich[j + i * p];
            const double centred = sum - location[i] * cross[j] - location[j] * cross[i] +
                                   total * location[i] * location[j];
            out[i + j * stride] = out[j + i * stride] = centred / spread[i] / spread[j];
        }
        out[p + j * stride] = out[j + p * stride] = (cross[j] - location[j] * total) / spread[j];
    }
    out[p + p * stride] = total;
}

}  // namespace spikeglm
