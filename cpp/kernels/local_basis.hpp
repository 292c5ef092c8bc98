#pragma once
#include "spikeglm/backend/kernel_table.hpp"

namespace spikeglm {

void evaluate_runs_kernel(const BasisView& basis, std::ptrdiff_t n, const double* u, double* values,
                          std::ptrdiff_t stride, std::int32_t* starts, std::ptrdiff_t starts_stride,
                          std::int32_t first_col);

}  // namespace spikeglm
