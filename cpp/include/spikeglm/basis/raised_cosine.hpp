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
/// Evaluated as the square of the cosine of half the angle. In turns, t = v / (4 delta width):
///   b_j = (cos 2 pi t cos 2 pi t_j + sin 2 pi t sin 2 pi t_j)^2 where |t - t_j| < 1/4, else 0,
/// with t_j = j / (4 width).
/// Cost per sample: one log, one cosine and sine; per bump three multiplications and a comparison.

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

/// Table for an argument x with v = scale x: the turns per x, scale / (4 delta width) with
/// delta = last / (n - 1); then of each bump t_j with its cosine and sine.
inline std::vector<double> bumps(const BasisParameters& p, double scale, double last) {
    std::vector<double> table = {scale * static_cast<double>(p.n_basis_funcs - 1) /
                                 (4.0 * p.width * last)};
    for (std::ptrdiff_t j = 0; j < p.n_basis_funcs; ++j) {
        const double turns = static_cast<double>(j) / (4.0 * p.width);
        table.push_back(turns);
        const double angle = 2.0 * std::numbers::pi * std::remainder(turns, 1.0);
        table.push_back(std::cos(angle));
        table.push_back(std::sin(angle));
    }
    return table;
}

template <class V>
void evaluate(const BasisView& basis, const V& x, V* out) {
    const V turns = V(basis.table[0]) * x;
    const CosSin<V> at = cos_sin(turns);
    for (std::ptrdiff_t j = 0; j < basis.n_basis_funcs; ++j) {
        const double* bump = basis.table + 1 + 3 * j;
        const V cosine = at.cos * V(bump[1]) + at.sin * V(bump[2]);
        // Rounding may take the square past one.
        const V value = min(V(1.0), cosine * cosine);
        out[j] = select(abs(turns - V(bump[0])) >= V(0.25), V(0.0), value);
    }
}

}  // namespace raised_cosine_detail

struct RaisedCosineLinear {
    static constexpr std::string_view name = "RaisedCosineLinear";

    static std::vector<double> prepare(const BasisParameters& p) {
        raised_cosine_detail::check(p);
        return raised_cosine_detail::bumps(p, 1.0, 1.0);
    }

    template <class V>
    static void evaluate(const BasisView& basis, const V& u, V* out) {
        raised_cosine_detail::evaluate(basis, u, out);
    }
};

struct RaisedCosineLog {
    static constexpr std::string_view name = "RaisedCosineLog";

    /// Table: of the bumps, in log(s u + 1); then s.
    static std::vector<double> prepare(const BasisParameters& p) {
        raised_cosine_detail::check(p);
        if (!(p.time_scaling > 0.0) || !std::isfinite(p.time_scaling))
            throw std::invalid_argument("`time_scaling` must be positive and finite, got " +
                                        std::to_string(p.time_scaling) + ".");
        const double n = static_cast<double>(p.n_basis_funcs);
        const double last = p.enforce_decay_to_zero ? 1.0 - p.width / (n + p.width - 1.0) : 1.0;
        std::vector<double> table =
            raised_cosine_detail::bumps(p, 1.0 / std::log1p(p.time_scaling), last);
        table.push_back(p.time_scaling);
        return table;
    }

    template <class V>
    static void evaluate(const BasisView& basis, const V& u, V* out) {
        const double scaling = basis.table[basis.table_size - 1];
        raised_cosine_detail::evaluate(basis, log1p(V(scaling) * u), out);
    }
};

}  // namespace spikeglm
