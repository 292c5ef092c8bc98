#pragma once
/// Products with parts that are stored as runs. The length of a run is a compile-time number up to
/// four, the usual orders of splines, so that a run is one vector instruction.

#include "spikeglm/backend/row_block.hpp"

namespace spikeglm {

/// As `matvec` of the kernel table; `coef` begins at the part.
void run_matvec(const RowPart& x, std::ptrdiff_t rows, const double* coef, double* eta);
/// Adds x'd_m to out + m * out_stride for m < n_vectors, one or two; `out` begins at the part.
void run_transpose_matvec(const RowPart& x, std::ptrdiff_t rows, const double* d,
                          std::ptrdiff_t d_stride, std::ptrdiff_t n_vectors, double* out,
                          std::ptrdiff_t out_stride);

/// Adds x' diag(w) x. Rows whose runs begin at the same columns are taken up to four at a time,
/// so that sums are loaded and stored once for all.
void run_sandwich(const RowPart& x, std::ptrdiff_t rows, const double* w, double* out,
                  std::ptrdiff_t out_stride);

/// Adds b' diag(w) a to rows of b and columns of a, for two parts of runs, factored or not.
void run_cross(const RowPart& a, const RowPart& b, std::ptrdiff_t rows, const double* w,
               double* out, std::ptrdiff_t out_stride);

/// Adds dense' diag(w) a to rows of the dense part and columns of a.
void run_dense_cross(const RowPart& a, const RowPart& dense, std::ptrdiff_t rows, const double* w,
                     double* out, std::ptrdiff_t out_stride);

}  // namespace spikeglm
