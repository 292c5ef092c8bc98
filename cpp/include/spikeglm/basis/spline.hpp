#pragma once
/// B-splines, M-splines and cyclic B-splines of any order.
///
/// Values follow the recursion of Cox and de Boor; de Boor (1978), A Practical Guide to Splines,
/// chapter X, algorithm BSPLVB: the `order` functions that do not vanish at u are computed
/// together. What it divides by depends on the interval only and is tabulated. Cost per sample:
/// 2 order^2 multiplications and order stores.
///
/// Knots lie on linspace(0, 1 + eps, ...): the eps puts u = 1 inside the last, half-open interval.

#include <algorithm>
#include <cmath>
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

constexpr std::ptrdiff_t n_spans(int order) { return std::ptrdiff_t{order} * (order - 1) / 2; }

/// The table of a spline: the knots, then for every interval [t[0], t[1]) the n_spans(order)
/// factors 1 / (t[i + 1] - t[i + 1 - k]), 0 <= i < k < order, that the recursion there multiplies
/// by.
inline std::vector<double> with_inverse_spans(const std::vector<double>& knots, int order,
                                              std::ptrdiff_t intervals) {
    std::vector<double> table = knots;
    for (std::ptrdiff_t j = 0; j < intervals; ++j) {
        const double* t = knots.data() + order - 1 + j;
        for (int k = 1; k < order; ++k)
            for (int i = 0; i < k; ++i) table.push_back(1.0 / (t[i + 1] - t[i + 1 - k]));
    }
    return table;
}

/// The `order` values at u of the B-splines that do not vanish on [t[0], t[1]); t may be indexed
/// from -(order - 1) to order. `Order` is `order`, or 0 where it is not known to the compiler.
template <int Order>
void nonzero_values(const double* t, const double* inverse_span, int order, double u,
                    double* values) {
    constexpr int size = Order > 0 ? Order : max_spline_order;
    const int last = Order > 0 ? Order : order;
    double right[size];
    double left[size];
    values[0] = 1.0;
    for (int k = 1; k < last; ++k) {
        right[k - 1] = t[k] - u;
        left[k - 1] = u - t[1 - k];
        double carried = 0.0;
        for (int i = 0; i < k; ++i) {
            const double term = values[i] * *inverse_span++;
            values[i] = carried + right[i] * term;
            carried = left[k - 1 - i] * term;
        }
        values[k] = carried;
    }
}

/// Finds the interval of u in [0, 1] among those of the basis, writes the values of the functions
/// that do not vanish there, and returns its number. Outside [0, 1]: `outside`, and interval 0.
inline std::ptrdiff_t evaluate_interval(const BasisView& basis, std::ptrdiff_t intervals, double u,
                                        double outside, double* values) {
    if (!(u >= 0.0 && u <= 1.0)) {
        std::fill_n(values, basis.order, outside);
        return 0;
    }
    const double* t = basis.table + basis.order - 1;
    const std::ptrdiff_t j = find_interval(t, intervals, u);
    const double* spans = t + intervals + basis.order + j * n_spans(basis.order);
    switch (basis.order) {
        case 3: nonzero_values<3>(t + j, spans, 3, u, values); break;
        case 4: nonzero_values<4>(t + j, spans, 4, u, values); break;
        default: nonzero_values<0>(t + j, spans, basis.order, u, values);
    }
    return j;
}

/// All functions, from the runs. NaN in one stands for a u at which none is defined.
template <class Family>
void evaluate_all(const BasisView& basis, double u, double* out) {
    double values[max_spline_order];
    std::int32_t starts[max_spline_order];
    Family::evaluate_runs(basis, u, values, starts);
    const LocalSupport support = Family::support(basis);
    std::fill_n(out, basis.n_basis_funcs, std::isnan(values[0]) ? nan_value : 0.0);
    for (std::ptrdiff_t i = 0; i < support.n_runs; ++i)
        std::copy_n(values + i * support.run_length, support.run_length, out + starts[i]);
}

}  // namespace spline_detail

/// Open uniform B-splines: the end knots have multiplicity `order`, the functions sum to one on
/// [0, 1] and are undefined (NaN) outside.
struct BSpline {
    static constexpr std::string_view name = "BSpline";

    static std::ptrdiff_t intervals(std::ptrdiff_t n_basis_funcs, int order) {
        return n_basis_funcs - order + 1;
    }

    static std::vector<double> prepare(const BasisParameters& p) {
        spline_detail::check(p, 1);
        const std::ptrdiff_t n = intervals(p.n_basis_funcs, p.order);
        std::vector<double> knots;
        for (std::ptrdiff_t i = 1 - p.order; i <= n + p.order - 1; ++i)
            knots.push_back(spline_detail::break_point(std::clamp<std::ptrdiff_t>(i, 0, n), n));
        return spline_detail::with_inverse_spans(knots, p.order, n);
    }

    static LocalSupport support(const BasisView& basis) { return {1, basis.order}; }

    static void evaluate_runs(const BasisView& basis, double u, double* values,
                              std::int32_t* starts) {
        starts[0] = static_cast<std::int32_t>(spline_detail::evaluate_interval(
            basis, intervals(basis.n_basis_funcs, basis.order), u, nan_value, values));
    }

    static void evaluate(const BasisView& basis, double u, double* out) {
        spline_detail::evaluate_all<BSpline>(basis, u, out);
    }
};

/// M-splines: B-splines scaled so that each integrates to one, M_i = k / (t_{i+k} - t_i) B_i for
/// order k; zero outside [0, 1]. Ramsay (1988), Statistical Science 3:425, eq. 2.
struct MSpline {
    static constexpr std::string_view name = "MSpline";
    static constexpr bool is_density = true;

    /// The table of the B-splines, then the scale of each function.
    static std::vector<double> prepare(const BasisParameters& p) {
        std::vector<double> table = BSpline::prepare(p);
        for (std::ptrdiff_t i = 0; i < p.n_basis_funcs; ++i) {
            const double* t = table.data() + i;
            table.push_back(p.order / (t[p.order] - t[0]));
        }
        return table;
    }

    static LocalSupport support(const BasisView& basis) { return {1, basis.order}; }

    static void evaluate_runs(const BasisView& basis, double u, double* values,
                              std::int32_t* starts) {
        const std::ptrdiff_t j = spline_detail::evaluate_interval(
            basis, BSpline::intervals(basis.n_basis_funcs, basis.order), u, 0.0, values);
        const double* scale = basis.table + basis.table_size - basis.n_basis_funcs + j;
        for (int i = 0; i < basis.order; ++i) values[i] *= scale[i];
        starts[0] = static_cast<std::int32_t>(j);
    }

    static void evaluate(const BasisView& basis, double u, double* out) {
        spline_detail::evaluate_all<MSpline>(basis, u, out);
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
        return spline_detail::with_inverse_spans(knots, p.order, intervals);
    }

    /// Of single functions: they wrap in some rows, and every row stores runs of one length.
    static LocalSupport support(const BasisView& basis) { return {basis.order, 1}; }

    static void evaluate_runs(const BasisView& basis, double u, double* values,
                              std::int32_t* starts) {
        const std::ptrdiff_t n = basis.n_basis_funcs;
        const std::ptrdiff_t j = spline_detail::evaluate_interval(basis, n, u, nan_value, values);
        for (int i = 0; i < basis.order; ++i)
            starts[i] = static_cast<std::int32_t>(j + i < n ? j + i : j + i - n);
    }

    static void evaluate(const BasisView& basis, double u, double* out) {
        spline_detail::evaluate_all<CyclicBSpline>(basis, u, out);
    }
};

}  // namespace spikeglm
