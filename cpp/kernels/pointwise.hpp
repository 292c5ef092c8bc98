#pragma once
#include "spikeglm/backend/kernel_table.hpp"

namespace spikeglm {

double row_terms_kernel(LossSelector selector, Curvature curvature, std::ptrdiff_t n,
                        const double* y, const double* eta, const double* weight, double* d1,
                        double* d2);
void inverse_link_kernel(int link, std::ptrdiff_t n, const double* eta, double* mu);

}  // namespace spikeglm
