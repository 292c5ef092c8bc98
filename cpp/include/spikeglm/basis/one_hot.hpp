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

    static void evaluate(const BasisView& basis, double code, double* out) {
        std::fill_n(out, basis.n_basis_funcs, 0.0);
        if (!(code >= 0.0 && code < static_cast<double>(basis.n_basis_funcs))) return;
        const auto j = static_cast<std::ptrdiff_t>(code);
        out[j] = static_cast<double>(j) == code ? 1.0 : 0.0;
    }
};

}  // namespace spikeglm
