#pragma once
#include "spikeglm/backend/kernel_table.hpp"
#include "spikeglm/basis/family.hpp"

namespace spikeglm {

void evaluate_runs_kernel(const BasisView& basis, std::ptrdiff_t n, const double* u, double* values,
                          std::ptrdiff_t stride, std::int32_t* starts, std::ptrdiff_t starts_stride,
                          std::int32_t first_col);

/// All functions of a family with local support, with the bits that its runs have. `scratch`:
/// basis_scratch.
void evaluate_all_of_runs(const BasisView& basis, const LocalSupport& support, std::ptrdiff_t n,
                          const double* u, double* out, std::ptrdiff_t out_stride, double* scratch);

}  // namespace spikeglm
