#pragma once
/// B-splines, M-splines and cyclic B-splines of any order.
///
/// Values follow the recursion of Cox and de Boor; de Boor (1978), A Practical Guide to Splines,
/// chapter X, algorithm BSPLVB: the `order` functions that do not vanish at u are computed
/// together. Cost per sample: order^2 / 2 multiplications and n_basis_funcs stores.
///
/// Knots lie on linspace(0, 1 + eps, ...): the eps puts u = 1 inside the last, half-open interval.

#include <algorithm>
#include <stdexcept>

#include "spikeglm/basis/family.hpp"

namespace spikeglm {

/// Orders above this are refused; the stack buffers below rely on it.
inline constexpr int max_spline_order = 32;

namespace spline_detail {

inline void check(const BasisParameters& p, int smallest_order) {
    if (p.order < smallest_order || p.order > max_spline_order)
        throw std::invalid_argument("`order` must be between " + std::to_string(smallest_order) +
                                    " and " + std::to_string(max_spline_order) + ", got " +
                                    std::to_string(p.order) + ".");
    if (p.order > p.n_basis_funcs)
        throw std::invalid_argument("`order` (" + std::to_string(p.order) +
                                    ") cannot be larger than `n_basis_funcs` (" +
                                    std::to_string(p.n_basis_funcs) + ").");
}

/// i-th of the equally spaced break points of `intervals` intervals.
inline double break_point(std::ptrdiff_t i, std::ptrdiff_t intervals) {
    constexpr double end = 1.0 + std::numeric_limits<double>::epsilon();
    return i == intervals ? end : static_cast<double>(i) * (end / static_cast<double>(intervals));
}

/// Interval [t[j], t[j+1]) that holds u, among `intervals` equal ones that begin at t.
inline std::ptrdiff_t find_interval(const double* t, std::ptrdiff_t intervals, double u) {
    auto j = std::clamp<std::ptrdiff_t>(
        static_cast<std::ptrdiff_t>(u * static_cast<double>(intervals)), 0, intervals - 1);
    while (j > 0 && u < t[j]) --j;
    while (j < intervals - 1 && u >= t[j + 1]) ++j;
    return j;
}

/// The `order` values at u of the B-splines that do not vanish on [t[0], t[1]); t may be indexed
/// from -(order - 1) to order.
inline void nonzero_values(const double* t, int order, double u, double* values) {
    double right[max_spline_order];
    double left[max_spline_order];
    values[0] = 1.0;
    for (int k = 1; k < order; ++k) {
        right[k - 1] = t[k] - u;
        left[k - 1] = u - t[1 - k];
        double carried = 0.0;
        for (int i = 0; i < k; ++i) {
            const double term = values[i] / (right[i] + left[k - 1 - i]);
            values[i] = carried + right[i] * term;
            carried = left[k - 1 - i] * term;
        }
        values[k] = carried;
    }
}

}  // namespace spline_detail

/// Open uniform B-splines: the end knots have multiplicity `order`, the functions sum to one on
/// [0, 1] and are undefined (NaN) outside.
struct BSpline {
    static constexpr std::string_view name = "BSpline";

    static std::vector<double> prepare(const BasisParameters& p) {
        spline_detail::check(p, 1);
        const std::ptrdiff_t intervals = p.n_basis_funcs - p.order + 1;
        std::vector<double> knots;
        for (std::ptrdiff_t i = 1 - p.order; i <= intervals + p.order - 1; ++i)
            knots.push_back(
                spline_detail::break_point(std::clamp<std::ptrdiff_t>(i, 0, intervals), intervals));
        return knots;
    }

    static void evaluate(const BasisView& basis, double u, double* out) {
        if (!(u >= 0.0 && u <= 1.0)) {
            std::fill_n(out, basis.n_basis_funcs, nan_value);
            return;
        }
        const double* t = basis.table + basis.order - 1;
        const std::ptrdiff_t j =
            spline_detail::find_interval(t, basis.n_basis_funcs - basis.order + 1, u);
        std::fill_n(out, basis.n_basis_funcs, 0.0);
        spline_detail::nonzero_values(t + j, basis.order, u, out + j);
    }
};

/// M-splines: B-splines scaled so that each integrates to one, M_i = k / (t_{i+k} - t_i) B_i for
/// order k; zero outside [0, 1]. Ramsay (1988), Statistical Science 3:425, eq. 2.
struct MSpline {
    static constexpr std::string_view name = "MSpline";
    static constexpr bool is_density = true;

    static std::vector<double> prepare(const BasisParameters& p) { return BSpline::prepare(p); }

    static void evaluate(const BasisView& basis, double u, double* out) {
        if (!(u >= 0.0 && u <= 1.0)) {
            std::fill_n(out, basis.n_basis_funcs, 0.0);
            return;
        }
        BSpline::evaluate(basis, u, out);
        for (std::ptrdiff_t i = 0; i < basis.n_basis_funcs; ++i)
            if (out[i] != 0.0)
                out[i] *= basis.order / (basis.table[i + basis.order] - basis.table[i]);
    }
};

/// Periodic B-splines on n_basis_funcs equal intervals of the circle [0, 1]; they sum to one.
/// Column 0 is the function whose support begins order - 1 intervals before u = 0.
struct CyclicBSpline {
    static constexpr std::string_view name = "CyclicBSpline";

    static std::vector<double> prepare(const BasisParameters& p) {
        spline_detail::check(p, 2);
        const std::ptrdiff_t intervals = p.n_basis_funcs;
        const double period = spline_detail::break_point(intervals, intervals);
        std::vector<double> knots;
        for (std::ptrdiff_t i = 1 - p.order; i <= intervals + p.order - 1; ++i) {
            const std::ptrdiff_t turns = i < 0 ? -1 : (i > intervals ? 1 : 0);
            knots.push_back(spline_detail::break_point(i - turns * intervals, intervals) +
                            static_cast<double>(turns) * period);
        }
        return knots;
    }

    static void evaluate(const BasisView& basis, double u, double* out) {
        if (!(u >= 0.0 && u <= 1.0)) {
            std::fill_n(out, basis.n_basis_funcs, nan_value);
            return;
        }
        const double* t = basis.table + basis.order - 1;
        const std::ptrdiff_t j = spline_detail::find_interval(t, basis.n_basis_funcs, u);
        double values[max_spline_order];
        spline_detail::nonzero_values(t + j, basis.order, u, values);
        std::fill_n(out, basis.n_basis_funcs, 0.0);
        for (int i = 0; i < basis.order; ++i) out[(j + i) % basis.n_basis_funcs] += values[i];
    }
};

}  // namespace spikeglm
