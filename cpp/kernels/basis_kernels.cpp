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

}  // namespace spikeglm
