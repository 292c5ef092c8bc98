#pragma once
/// Mixtures of decaying exponentials,
///   f_j(u) = sum_k exp(-r_k u) M[k, j],
/// with decay rates r_k and a mixing matrix M, chosen such that the f_j are orthonormal over some
/// set of samples (M is what a QR or singular value decomposition of the exponentials leaves).
/// Cost per sample: one exp per rate, and one multiplication per element of M.

#include <cmath>
#include <stdexcept>

#include "spikeglm/basis/family.hpp"

namespace spikeglm {

struct OrthExponential {
    static constexpr std::string_view name = "OrthExponential";

    /// Table: the rates, then M row by row.
    static std::vector<double> prepare(const BasisParameters& p) {
        const auto n = static_cast<std::size_t>(p.n_basis_funcs);
        if (p.decay_rates.empty() || p.mixing.size() != p.decay_rates.size() * n)
            throw std::invalid_argument(
                "exponentials need at least one of `decay_rates` and a matrix `mixing` of one row "
                "per rate and `n_basis_funcs` columns; got " +
                std::to_string(p.decay_rates.size()) + " rates, " + std::to_string(n) +
                " functions and a matrix of " + std::to_string(p.mixing.size()) + " elements.");
        std::vector<double> table = p.decay_rates;
        table.insert(table.end(), p.mixing.begin(), p.mixing.end());
        for (const double value : table)
            if (!std::isfinite(value))
                throw std::invalid_argument("`decay_rates` and `mixing` must be finite, got " +
                                            std::to_string(value) + ".");
        return table;
    }

    template <class V>
    static void evaluate(const BasisView& basis, const V& u, V* out) {
        const std::ptrdiff_t n = basis.n_basis_funcs;
        const std::ptrdiff_t n_rates = basis.table_size / (1 + n);
        const double* mixing = basis.table + n_rates;
        for (std::ptrdiff_t j = 0; j < n; ++j) out[j] = V(0.0);
        for (std::ptrdiff_t k = 0; k < n_rates; ++k) {
            const V decayed = exp(V(-basis.table[k]) * u);
            for (std::ptrdiff_t j = 0; j < n; ++j) out[j] = out[j] + decayed * V(mixing[k * n + j]);
        }
    }
};

}  // namespace spikeglm
