#pragma once
/// Weighted products of dense columns with each other, in tiles that fit the registers.

#include <cstddef>

namespace spikeglm {

/// Dense rows: the value of row r and column c is at values[r * stride + c].
struct DenseRows {
    const double* values = nullptr;
    std::ptrdiff_t stride = 0;
    std::ptrdiff_t rows = 0;
    std::ptrdiff_t cols = 0;
};

/// Doubles that the sums of `add_rank_update` take: packets of every x'd_m, then tiles of the lower
/// triangle of x' diag(w) x. Packets overlap where the columns do not fill the last one.
std::ptrdiff_t rank_update_size(std::ptrdiff_t cols, std::ptrdiff_t n_vectors);

/// Adds x'd_m for m < n_vectors, one or two, and x' diag(w) x with the last of them as w.
void add_rank_update(const DenseRows& x, const double* d, std::ptrdiff_t d_stride,
                     std::ptrdiff_t n_vectors, double* sums);

/// Writes x'd_m to vectors[columns[i] + m * stride] and the product of columns i >= j to
/// sandwich[columns[i] + columns[j] * stride].
void collect_rank_update(std::ptrdiff_t cols, std::ptrdiff_t n_vectors, const double* sums,
                         const std::ptrdiff_t* columns, double* vectors, double* sandwich,
                         std::ptrdiff_t stride);

}  // namespace spikeglm
