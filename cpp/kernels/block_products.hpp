#pragma once
#include "spikeglm/backend/kernel_table.hpp"

namespace spikeglm {

void add_moments_kernel(const RowPart& x, std::ptrdiff_t rows, const double* origin, double* sum,
                        double* squares, double* low, double* high);

void matvec_kernel(const RowBlock& x, const double* coef, double* eta);
void transpose_matvec_kernel(const RowBlock& x, const double* d, double* out);
void add_products_kernel(const RowBlock& x, const double* d, std::ptrdiff_t d_stride,
                         std::ptrdiff_t n_vectors, double* sums, double* scratch);
std::ptrdiff_t products_size_kernel(const RowBlock& parts, std::ptrdiff_t n_vectors);
void collect_products_kernel(const RowBlock& parts, std::ptrdiff_t n_vectors, const double* sums,
                             double* out);
void multiply_kernel(const RowPart& left, const RowPart& right, std::ptrdiff_t channels,
                     std::ptrdiff_t rows, double* values, std::ptrdiff_t stride,
                     std::int32_t* starts);

}  // namespace spikeglm
