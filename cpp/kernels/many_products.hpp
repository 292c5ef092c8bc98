#pragma once
#include "spikeglm/backend/row_block.hpp"

namespace spikeglm {

void matvec_many_kernel(const RowBlock& x, const double* coef, std::ptrdiff_t coef_stride,
                        std::ptrdiff_t n_problems, double* eta, std::ptrdiff_t eta_stride);
void transpose_matvec_many_kernel(const RowBlock& x, const double* d, std::ptrdiff_t d_stride,
                                  std::ptrdiff_t n_problems, double* out,
                                  std::ptrdiff_t out_stride);

}  // namespace spikeglm
