#pragma once
#include <cstddef>

namespace spikeglm {

bool cholesky_kernel(std::ptrdiff_t n, double* a);
void cholesky_solve_kernel(std::ptrdiff_t n, const double* factor, double* b);

}  // namespace spikeglm
