#pragma once
/// The input itself, f(x) = x: a linear term beside other features. (`Identity` is an inverse
/// link.)

#include <stdexcept>

#include "spikeglm/basis/family.hpp"

namespace spikeglm {

struct IdentityBasis {
    static constexpr std::string_view name = "Identity";
    static constexpr bool takes_raw_values = true;

    static std::vector<double> prepare(const BasisParameters& p) {
        if (p.n_basis_funcs != 1)
            throw std::invalid_argument(
                "the identity is one function: `n_basis_funcs` must be 1, got " +
                std::to_string(p.n_basis_funcs) + ".");
        return {};
    }

    static void evaluate(const BasisView&, double x, double* out) { out[0] = x; }
};

}  // namespace spikeglm
