#pragma once
/// Raised-cosine bumps on a linear or a logarithmic axis.
///
///   b_j(u) = (1 + cos(clip(pi (v - p_j) / (delta width), -pi, pi))) / 2
/// with peaks p_j equally spaced and delta = p_1 - p_0.
/// Linear: v = u, peaks from 0 to 1.
/// Logarithmic: v = log(s u + 1) / log(s + 1), s = time_scaling, peaks from 0 to p_last. With
/// enforce_decay_to_zero p_last = 1 - width / (n + width - 1), so that the last bump ends at u = 1;
/// without, p_last = 1.
/// Pillow et al. (2005), J. Neurosci. 25:11003, eq. A1; Pillow et al. (2008), Nature 454:995.
///
/// Evaluated as the square of the cosine of half the angle, (cos a cos a_j + sin a sin a_j)^2 with
/// a = pi v / (2 delta width) and a_j its value at the peak.
/// Cost per sample: one log, one cosine and sine; per bump two multiplications and a comparison.

#include <cmath>
#include <numbers>
#include <stdexcept>

#include "spikeglm/basis/circle.hpp"
#include "spikeglm/basis/family.hpp"

namespace spikeglm {

namespace raised_cosine_detail {

inline void check(const BasisParameters& p) {
    if (p.n_basis_funcs < 2)
        throw std::invalid_argument(
            "a raised-cosine basis needs `n_basis_funcs` of at least 2, got " +
            std::to_string(p.n_basis_funcs) + ".");
    if (!(p.width > 1.0) || !std::isfinite(p.width) || 2.0 * p.width != std::floor(2.0 * p.width))
        throw std::invalid_argument(
            "`width` must be larger than 1 and a multiple of 0.5, so that the bumps add up evenly; "
            "got " +
            std::to_string(p.width) + ".");
}

/// delta * width, then of each bump the peak, cos a_j and sin a_j.
inline void append_bumps(const BasisParameters& p, double last, std::vector<double>& table) {
    const double delta = last / static_cast<double>(p.n_basis_funcs - 1);
    table.push_back(delta * p.width);
    for (std::ptrdiff_t j = 0; j < p.n_basis_funcs; ++j) {
        const double step = static_cast<double>(j);
        const double angle = 0.5 * std::numbers::pi * step / p.width;
        table.push_back(j + 1 == p.n_basis_funcs ? last : step * delta);
        table.push_back(std::cos(angle));
        table.push_back(std::sin(angle));
    }
}

/// Values at v; `bumps` as laid out by append_bumps. A NaN of v passes through.
template <class V>
void evaluate(const double* bumps, std::ptrdiff_t n, const V& v, V* out) {
    const V half_width(bumps[0]);
    const CosSin<V> a = cos_sin(v * V(0.25 / bumps[0]));
    for (std::ptrdiff_t j = 0; j < n; ++j) {
        const double* bump = bumps + 1 + 3 * j;
        const V cosine = a.cos * V(bump[1]) + a.sin * V(bump[2]);
        // Rounding may take the square past one.
        const V value = min(V(1.0), cosine * cosine);
        out[j] = select(abs(v - V(bump[0])) >= half_width, V(0.0), value);
    }
}

}  // namespace raised_cosine_detail

struct RaisedCosineLinear {
    static constexpr std::string_view name = "RaisedCosineLinear";

    static std::vector<double> prepare(const BasisParameters& p) {
        raised_cosine_detail::check(p);
        std::vector<double> table;
        raised_cosine_detail::append_bumps(p, 1.0, table);
        return table;
    }

    template <class V>
    static void evaluate(const BasisView& basis, const V& u, V* out) {
        raised_cosine_detail::evaluate(basis.table, basis.n_basis_funcs, u, out);
    }
};

struct RaisedCosineLog {
    static constexpr std::string_view name = "RaisedCosineLog";

    /// Table: s, log(s + 1), then the bumps.
    static std::vector<double> prepare(const BasisParameters& p) {
        raised_cosine_detail::check(p);
        if (!(p.time_scaling > 0.0) || !std::isfinite(p.time_scaling))
            throw std::invalid_argument("`time_scaling` must be positive and finite, got " +
                                        std::to_string(p.time_scaling) + ".");
        const double n = static_cast<double>(p.n_basis_funcs);
        const double last = p.enforce_decay_to_zero ? 1.0 - p.width / (n + p.width - 1.0) : 1.0;
        std::vector<double> table = {p.time_scaling, std::log1p(p.time_scaling)};
        raised_cosine_detail::append_bumps(p, last, table);
        return table;
    }

    template <class V>
    static void evaluate(const BasisView& basis, const V& u, V* out) {
        const V v = log1p(V(basis.table[0]) * u) * V(1.0 / basis.table[1]);
        raised_cosine_detail::evaluate(basis.table + 2, basis.n_basis_funcs, v, out);
    }
};

}  // namespace spikeglm
