#include "basis_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"

namespace spikeglm {

void evaluate_basis_kernel(const BasisView& basis, std::ptrdiff_t n, const double* u, double* out,
                           std::ptrdiff_t out_stride) {
    with_type<BasisFamilies>(basis.family, [&]<class Family>() {
        for (std::ptrdiff_t r = 0; r < n; ++r) {
            double* row = out + r * out_stride;
            if (std::isnan(u[r]))
                std::fill_n(row, basis.n_basis_funcs, std::numeric_limits<double>::quiet_NaN());
            else
                Family::evaluate(basis, u[r], row);
        }
    });
}

void convolve_kernel(const double* kernel, std::ptrdiff_t window, std::ptrdiff_t n_cols,
                     const double* x, std::ptrdiff_t n_x, std::ptrdiff_t first,
                     std::ptrdiff_t n_out, std::ptrdiff_t lag, double* out) {
    // Sample s adds rows [k_begin, k_end) of the kernel bank to consecutive rows of the output: one
    // run of memory on both sides. Zeros cost a comparison, which is what makes spikes cheap.
    const std::ptrdiff_t s_begin = std::max<std::ptrdiff_t>(0, first - lag - window + 1);
    const std::ptrdiff_t s_end = std::min(n_x, first + n_out - lag);
    for (std::ptrdiff_t s = s_begin; s < s_end; ++s) {
        const double value = x[s];
        if (value == 0.0) continue;
        const std::ptrdiff_t k_begin = std::max<std::ptrdiff_t>(0, first - lag - s);
        const std::ptrdiff_t k_end = std::min(window, first + n_out - lag - s);
        const double* source = kernel + k_begin * n_cols;
        double* target = out + (s + lag + k_begin - first) * n_cols;
        const std::ptrdiff_t length = (k_end - k_begin) * n_cols;
        for (std::ptrdiff_t i = 0; i < length; ++i) target[i] += value * source[i];
    }
}

}  // namespace spikeglm
