#include "local_basis.hpp"

#include <algorithm>
#include <cmath>

#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"

namespace spikeglm {
namespace {

template <class Family, int Order>
void evaluate_rows(const BasisView& basis, std::ptrdiff_t n, const double* u, double* values,
                   std::ptrdiff_t stride, std::int32_t* starts, std::ptrdiff_t starts_stride,
                   std::int32_t first_col) {
    const LocalSupport support = Family::support(basis);
    for (std::ptrdiff_t r = 0; r < n; ++r, values += stride, starts += starts_stride) {
        const bool missing = std::isnan(u[r]);
        Family::template evaluate_runs<Order>(basis, missing ? 0.0 : u[r], values, starts);
        if (missing) std::fill_n(values, support.n_runs * support.run_length, nan_value);
        for (std::ptrdiff_t i = 0; i < support.n_runs; ++i) starts[i] += first_col;
    }
}

}  // namespace

void evaluate_runs_kernel(const BasisView& basis, std::ptrdiff_t n, const double* u, double* values,
                          std::ptrdiff_t stride, std::int32_t* starts, std::ptrdiff_t starts_stride,
                          std::int32_t first_col) {
    with_type<BasisFamilies>(basis.family, [&]<class Family>() {
        if constexpr (LocalFamily<Family>) {
            const auto rows = basis.order == 4   ? evaluate_rows<Family, 4>
                              : basis.order == 3 ? evaluate_rows<Family, 3>
                                                 : evaluate_rows<Family, 0>;
            rows(basis, n, u, values, stride, starts, starts_stride, first_col);
        }
    });
}

}  // namespace spikeglm
