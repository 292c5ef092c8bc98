#include "local_basis.hpp"

#include <algorithm>
#include <cmath>

#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"

namespace spikeglm {

void evaluate_runs_kernel(const BasisView& basis, std::ptrdiff_t n, const double* u, double* values,
                          std::ptrdiff_t stride, std::int32_t* starts, std::ptrdiff_t starts_stride,
                          std::int32_t first_col) {
    with_type<BasisFamilies>(basis.family, [&]<class Family>() {
        if constexpr (LocalFamily<Family>) {
            const LocalSupport support = Family::support(basis);
            for (std::ptrdiff_t r = 0; r < n; ++r) {
                const bool missing = std::isnan(u[r]);
                Family::evaluate_runs(basis, missing ? 0.0 : u[r], values + r * stride,
                                      starts + r * starts_stride);
                if (missing)
                    std::fill_n(values + r * stride, support.n_runs * support.run_length,
                                nan_value);
                for (std::ptrdiff_t i = 0; i < support.n_runs; ++i)
                    starts[r * starts_stride + i] += first_col;
            }
        }
    });
}

}  // namespace spikeglm
