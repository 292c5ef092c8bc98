#pragma once
/// Gamma: positive continuous y with shape k = 1 / phi and mean mu.
///   loss      log mu + y / mu        (the dispersion phi scales it and does not move the optimum)
///   variance  phi mu^2
///   deviance  2 ((y - mu) / mu - log(y / mu))
/// McCullagh & Nelder (1989), Generalized Linear Models, table 2.1 and chapter 8.

#include "spikeglm/glm/inverse_link.hpp"
#include "spikeglm/glm/observation/model.hpp"

namespace spikeglm {

struct Gamma {
    static constexpr std::string_view name = "Gamma";
    using default_link = Reciprocal;
    using canonical_link = Reciprocal;
    static constexpr bool mean_must_be_positive = true;
    static constexpr bool mean_must_be_below_one = false;
    static constexpr bool estimates_dispersion = true;
    static constexpr double objective_factor = 1.0;
    static constexpr std::string_view support =
        "y > 0 (dF/F traces can be negative: add an offset to them or use a Gaussian model)";

    template <class Link, class V>
    RowTerms<V> terms(const Link& link, const V& y, const V& eta) const {
        const Jet<V> log_mu = log_mean(link, eta);
        return {log_mu + y * inverse_mean(link, eta), log_mu.d1 * log_mu.d1};
    }

    static bool in_support(double y) { return y > 0.0; }
    static double standard_deviation(double mu) { return mu; }
    static double deviance(double y, double mu) { return 2.0 * ((y - mu) / mu - std::log(y / mu)); }
    static double log_likelihood(double y, double mu, double dispersion) {
        const double shape = 1.0 / dispersion;
        return (shape - 1.0) * std::log(y) + shape * std::log(shape) - log_gamma(shape) -
               shape * (std::log(mu) + y / mu);
    }
};

}  // namespace spikeglm
