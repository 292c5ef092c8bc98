#pragma once
#include "spikeglm/backend/kernel_table.hpp"

namespace spikeglm {

void convolve_events_kernel(const double* kernel, std::ptrdiff_t window, std::ptrdiff_t n_cols,
                            const double* x, std::ptrdiff_t n_out, double* out);
void convolve_dense_kernel(const double* kernel, std::ptrdiff_t window, std::ptrdiff_t n_cols,
                           const double* x, std::ptrdiff_t n_out, double* out,
                           std::ptrdiff_t out_stride);
void fft_forward_kernel(std::ptrdiff_t size, const double* twiddles, double* data);
void fft_filter_kernel(std::ptrdiff_t size, const double* twiddles, const double* spectrum,
                       const double* data, double* out);

}  // namespace spikeglm
