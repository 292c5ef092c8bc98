#pragma once
/// Indicators of categories, coded as the integers 0 .. n_basis_funcs - 1:
///   f_j(x) = 1 where x = j, else 0.
/// Every other number (-1, say, for a category that is not known) gives zeros.

#include <algorithm>

#include "spikeglm/basis/family.hpp"

namespace spikeglm {

struct OneHot {
    static constexpr std::string_view name = "OneHot";
    static constexpr bool takes_raw_values = true;

    static std::vector<double> prepare(const BasisParameters&) { return {}; }

    static LocalSupport support(const BasisView&) { return {1, 1}; }

    template <int Order = 0>
    static void evaluate_runs(const BasisView& basis, double code, double* values,
                              std::int32_t* starts) {
        const bool known = code >= 0.0 && code < static_cast<double>(basis.n_basis_funcs);
        starts[0] = known ? static_cast<std::int32_t>(code) : 0;
        values[0] = known && static_cast<double>(starts[0]) == code ? 1.0 : 0.0;
    }

    static void evaluate(const BasisView& basis, double code, double* out) {
        double value;
        std::int32_t start;
        evaluate_runs(basis, code, &value, &start);
        std::fill_n(out, basis.n_basis_funcs, 0.0);
        out[start] = value;
    }
};

}  // namespace spikeglm
