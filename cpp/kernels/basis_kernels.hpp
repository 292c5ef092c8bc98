#pragma once
#include "spikeglm/backend/kernel_table.hpp"

namespace spikeglm {

void evaluate_basis_kernel(const BasisView& basis, std::ptrdiff_t n, const double* u, double* out,
                           std::ptrdiff_t out_stride, double* scratch);
void fourier_kernel(const WavesView& waves, const Period* periods, std::ptrdiff_t n,
                    const double* x, double* out, std::ptrdiff_t out_stride, double* scratch);

}  // namespace spikeglm
