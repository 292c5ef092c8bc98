#pragma once
/// Gaussian: any real y with variance phi.
///   loss      (y - mu)^2 / 2
///   variance  phi
///   deviance  (y - mu)^2
/// The penalised objective counts the square in full, (y - mu)^2: objective_factor.
/// McCullagh & Nelder (1989), Generalized Linear Models, table 2.1.

#include "spikeglm/glm/inverse_link.hpp"
#include "spikeglm/glm/normal.hpp"
#include "spikeglm/glm/observation/model.hpp"

namespace spikeglm {

struct Gaussian {
    static constexpr std::string_view name = "Gaussian";
    using default_link = Identity;
    using canonical_link = Identity;
    static constexpr bool mean_must_be_positive = false;
    static constexpr bool mean_must_be_below_one = false;
    static constexpr bool estimates_dispersion = true;
    static constexpr double objective_factor = 2.0;
    static constexpr std::string_view support = "a finite y";

    template <class Link, class V>
    RowTerms<V> terms(const Link& link, const V& y, const V& eta) const {
        const Jet<V> mu = link.mean(eta);
        const V residual = mu.value - y;
        const V square = mu.d1 * mu.d1;
        return {{V(0.5) * residual * residual, residual * mu.d1, square + residual * mu.d2},
                square};
    }

    static bool in_support(double /*y*/) { return true; }
    static double standard_deviation(double /*mu*/) { return 1.0; }
    static double deviance(double y, double mu) { return (y - mu) * (y - mu); }
    static double log_likelihood(double y, double mu, double dispersion) {
        return -log_sqrt_two_pi - 0.5 * std::log(dispersion) -
               0.5 * (y - mu) * (y - mu) / dispersion;
    }
};

}  // namespace spikeglm
