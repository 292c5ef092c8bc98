#pragma once
/// Indicators of categories, coded as the integers 0 .. n_basis_funcs - 1:
///   f_j(x) = 1 where x = j, else 0.
/// Every other number (-1, say, for a category that is not known) gives zeros.

#include "spikeglm/basis/family.hpp"

namespace spikeglm {

struct OneHot {
    static constexpr std::string_view name = "OneHot";
    static constexpr bool takes_raw_values = true;

    static std::vector<double> prepare(const BasisParameters&) { return {}; }

    static LocalSupport support(const BasisView&) { return {1, 1}; }

    static Place place(const BasisView& basis, double code) {
        const bool known = code >= 0.0 && code < static_cast<double>(basis.n_basis_funcs);
        const auto function = known ? static_cast<std::int32_t>(code) : 0;
        return {function, known ? code - function : nan_value, 0.0};
    }

    template <int Order>
    static void evaluate_runs(const BasisView&, const Place& place, double* values,
                              std::int32_t* starts) {
        starts[0] = place.interval;
        values[0] = place.from_left == 0.0 ? 1.0 : 0.0;
    }
};

}  // namespace spikeglm
