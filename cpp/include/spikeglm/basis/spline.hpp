#pragma once
/// B-splines, M-splines and cyclic B-splines of any order.
///
/// The functions are those of the recursion of Cox and de Boor; de Boor (1978), A Practical Guide
/// to Splines, chapter X. A basis tabulates them interval by interval as polynomials. Cost per
/// sample: order^2 multiplications and additions, and order stores.
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

/// Interval [t[j], t[j+1]) that holds u in [0, 1], among `intervals` equal ones from 0 to beyond 1.
/// Product and break points are off by rounding: a u next to a break point is one interval off.
inline std::ptrdiff_t find_interval(const double* t, std::ptrdiff_t intervals, double u) {
    auto j =
        std::min(static_cast<std::ptrdiff_t>(u * static_cast<double>(intervals)), intervals - 1);
    j -= u < t[j] ? 1 : 0;
    j += u >= t[j + 1] ? 1 : 0;
    return j;
}

/// Numbers that `append_polynomials` lays out for one interval.
constexpr std::ptrdiff_t polynomial_size(int order) { return 1 + std::ptrdiff_t{order} * order; }

/// Lays out, for every interval [a, b) of the knots, 1 / (b - a) and the functions that do not
/// vanish there as polynomials of s = (u - a) / (b - a), of degree d = order - 1:
///   B_l(u) = sum_i s^i (1 - s)^(d - i) C[i, l].
/// C[i, l] is binomial(d, i) times the blossom of B_l at i times b and d - i times a, which the
/// recursion gives when each of its steps takes an argument of its own (Ramshaw 1989, Computer
/// Aided Geometric Design 6:323). No term is negative, so that small values are as accurate as
/// large ones.
inline void append_polynomials(std::ptrdiff_t intervals, int order, std::vector<double>& table) {
    const std::vector<double> knots = table;
    for (std::ptrdiff_t j = 0; j < intervals; ++j) {
        const double* t = knots.data() + order - 1 + j;
        table.push_back(1.0 / (t[1] - t[0]));
        double binomial = 1.0;
        for (int i = 0; i < order; ++i) {
            double values[max_spline_order] = {binomial};
            for (int k = 1; k < order; ++k) {
                const double u = k <= i ? t[1] : t[0];
                double carried = 0.0;
                for (int l = 0; l < k; ++l) {
                    const double term = values[l] / (t[l + 1] - t[l + 1 - k]);
                    values[l] = carried + (t[l + 1] - u) * term;
                    carried = (u - t[l + 1 - k]) * term;
                }
                values[k] = carried;
            }
            table.insert(table.end(), values, values + order);
            binomial = binomial * (order - 1 - i) / (i + 1);
        }
    }
}

/// The polynomials of one interval at s, with 1 - s. Here and below `Order` is the order, or 0
/// where the compiler does not know it.
template <int Order>
inline void polynomials_at(const double* __restrict coefficients, int order, double s,
                           double one_minus_s, double* __restrict values) {
    constexpr int size = Order > 0 ? Order : max_spline_order;
    const int n = Order > 0 ? Order : order;
    double power[size];
    double product = 1.0;
    for (int i = 0; i < n; ++i, product *= s) power[i] = product;
    product = 1.0;
    for (int i = n - 1; i >= 0; --i, product *= one_minus_s) power[i] *= product;
    // Over all functions at once: vector instructions.
    for (int l = 0; l < n; ++l) values[l] = power[0] * coefficients[l];
    for (int i = 1; i < n; ++i)
        for (int l = 0; l < n; ++l) values[l] += power[i] * coefficients[i * n + l];
}

/// Finds u in [0, 1] among the intervals of the basis.
inline Place find_place(const BasisView& basis, std::ptrdiff_t intervals, double u) {
    const bool inside = u >= 0.0 && u <= 1.0;
    const double within = inside ? u : 0.0;
    const double* t = basis.table + basis.order - 1;
    const std::ptrdiff_t j = find_interval(t, intervals, within);
    return {static_cast<std::int32_t>(j), inside ? within - t[j] : nan_value, t[j + 1] - within};
}

/// The values of the functions that do not vanish at a place. Outside [0, 1]: `outside`.
template <int Order>
inline void evaluate_place(const BasisView& basis, std::ptrdiff_t intervals, const Place& place,
                           double outside, double* values) {
    const int order = Order > 0 ? Order : basis.order;
    if (std::isnan(place.from_left)) [[unlikely]] {
        std::fill_n(values, order, outside);
        return;
    }
    const double* polynomials =
        basis.table + intervals + 2 * order - 1 + place.interval * polynomial_size(order);
    polynomials_at<Order>(polynomials + 1, order, place.from_left * polynomials[0],
                          place.to_right * polynomials[0], values);
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
        spline_detail::append_polynomials(n, p.order, knots);
        return knots;
    }

    static LocalSupport support(const BasisView& basis) { return {1, basis.order}; }

    static Place place(const BasisView& basis, double u) {
        return spline_detail::find_place(basis, intervals(basis.n_basis_funcs, basis.order), u);
    }

    template <int Order>
    static void evaluate_runs(const BasisView& basis, const Place& place, double* values,
                              std::int32_t* starts) {
        spline_detail::evaluate_place<Order>(basis, intervals(basis.n_basis_funcs, basis.order),
                                             place, nan_value, values);
        starts[0] = place.interval;
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

    static Place place(const BasisView& basis, double u) { return BSpline::place(basis, u); }

    template <int Order>
    static void evaluate_runs(const BasisView& basis, const Place& place, double* values,
                              std::int32_t* starts) {
        spline_detail::evaluate_place<Order>(
            basis, BSpline::intervals(basis.n_basis_funcs, basis.order), place, 0.0, values);
        const double* scale = basis.table + basis.table_size - basis.n_basis_funcs + place.interval;
        for (int i = 0; i < basis.order; ++i) values[i] *= scale[i];
        starts[0] = place.interval;
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
        spline_detail::append_polynomials(intervals, p.order, knots);
        return knots;
    }

    /// Of single functions: they wrap in some rows, and every row stores runs of one length.
    static LocalSupport support(const BasisView& basis) { return {basis.order, 1}; }

    static Place place(const BasisView& basis, double u) {
        return spline_detail::find_place(basis, basis.n_basis_funcs, u);
    }

    template <int Order>
    static void evaluate_runs(const BasisView& basis, const Place& place, double* values,
                              std::int32_t* starts) {
        const auto n = static_cast<std::int32_t>(basis.n_basis_funcs);
        spline_detail::evaluate_place<Order>(basis, n, place, nan_value, values);
        for (int i = 0; i < basis.order; ++i)
            starts[i] = place.interval + i < n ? place.interval + i : place.interval + i - n;
    }
};

}  // namespace spikeglm
