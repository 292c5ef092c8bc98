#include "local_basis.hpp"

#include <algorithm>
#include <cmath>

#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"

namespace spikeglm {
namespace {

/// Samples whose places are found ahead of their values. The two chains of dependent instructions
/// are long, and a processor overlaps more samples of each when they are apart.
constexpr std::ptrdiff_t chunk = 64;

template <class Family, int Order>
void evaluate_rows(const BasisView& basis, std::ptrdiff_t n, const double* u, double* values,
                   std::ptrdiff_t stride, std::int32_t* starts, std::ptrdiff_t starts_stride,
                   std::int32_t first_col) {
    const BasisView own = basis;  // in registers: no store can change it
    const LocalSupport support = Family::support(own);
    Place places[chunk];
    for (; n > 0; n -= chunk, u += chunk) {
        const std::ptrdiff_t count = std::min(chunk, n);
        for (std::ptrdiff_t r = 0; r < count; ++r) places[r] = Family::place(own, u[r]);
        for (std::ptrdiff_t r = 0; r < count; ++r, values += stride, starts += starts_stride) {
            Family::template evaluate_runs<Order>(own, places[r], values, starts);
            if (std::isnan(u[r])) [[unlikely]]
                std::fill_n(values, support.n_runs * support.run_length, nan_value);
            for (std::ptrdiff_t i = 0; i < support.n_runs; ++i) starts[i] += first_col;
        }
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

void evaluate_all_of_runs(const BasisView& basis, const LocalSupport& support, std::ptrdiff_t n,
                          const double* u, double* out, std::ptrdiff_t out_stride,
                          double* scratch) {
    const std::ptrdiff_t length = support.run_length;
    const std::ptrdiff_t stored = support.n_runs * length;
    double* values = scratch;
    auto* starts = reinterpret_cast<std::int32_t*>(values + chunk * stored);
    for (; n > 0; n -= chunk, u += chunk) {
        const std::ptrdiff_t count = std::min(chunk, n);
        evaluate_runs_kernel(basis, count, u, values, stored, starts, support.n_runs, 0);
        for (std::ptrdiff_t r = 0; r < count; ++r, out += out_stride) {
            const double* row = values + r * stored;
            // NaN in one run stands for a u at which no function is defined.
            std::fill_n(out, basis.n_basis_funcs, std::isnan(row[0]) ? nan_value : 0.0);
            for (std::ptrdiff_t i = 0; i < support.n_runs; ++i)
                std::copy_n(row + i * length, length, out + starts[r * support.n_runs + i]);
        }
    }
}

}  // namespace spikeglm
