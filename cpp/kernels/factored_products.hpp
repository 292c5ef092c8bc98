#pragma once
/// Products with factored parts, from the factors a (slow) and b (fast): x = a b' flattened.

#include "spikeglm/backend/row_block.hpp"

namespace spikeglm {

/// As `matvec` and `transpose_matvec` of the kernel table; `coef` and `out` begin at the part.
void factored_matvec(const RowPart& x, std::ptrdiff_t rows, const double* coef, double* eta);
void factored_transpose_matvec(const RowPart& x, std::ptrdiff_t rows, const double* d, double* out);

/// As `add_products` and its companions of the kernel table, for one part. The sums are those of
/// cells: of d a b' for each vector d and, with the last as w, of w (aa') x (bb'), where each of
/// the symmetric factors has only its triangle, so that 100 numbers stand for 16^2. `collect` adds
/// to x'd_m, out_stride apart, and to columns of x' diag(w) x.
std::ptrdiff_t factored_sums_size(const RowPart& part, std::ptrdiff_t n_vectors);
void add_factored_products(const RowPart& x, std::ptrdiff_t rows, const double* d,
                           std::ptrdiff_t d_stride, std::ptrdiff_t n_vectors, double* sums);
void collect_factored_products(const RowPart& part, std::ptrdiff_t n_vectors, const double* sums,
                               double* vectors, std::ptrdiff_t vector_stride, double* sandwich,
                               std::ptrdiff_t sandwich_stride);

void add_cell_moments_kernel(const RowPart& x, std::ptrdiff_t rows, const std::uint8_t* used,
                             double* sums);

}  // namespace spikeglm
