#pragma once
/// Poisson counts: p(y) = mu^y exp(-mu) / y!.
///   loss      mu - y log mu
///   variance  mu
///   deviance  2 (y log(y / mu) - (y - mu)),  0 log 0 = 0
/// McCullagh & Nelder (1989), Generalized Linear Models, table 2.1 and section 2.3.
/// Non-integer y are accepted (quasi-likelihood); log y! is then lgamma(y + 1).

#include "spikeglm/glm/inverse_link.hpp"
#include "spikeglm/glm/observation/model.hpp"

namespace spikeglm {

struct Poisson {
    static constexpr std::string_view name = "Poisson";
    using default_link = Exp;
    using canonical_link = Exp;
    static constexpr bool mean_must_be_positive = true;
    static constexpr bool mean_must_be_below_one = false;
    static constexpr bool estimates_dispersion = false;
    static constexpr double objective_factor = 1.0;
    static constexpr std::string_view support = "y >= 0 (spike counts per bin)";

    template <class Link, class V>
    RowTerms<V> terms(const Link& link, const V& y, const V& eta) const {
        const Jet<V> mu = link.mean(eta);
        const Jet<V> log_mu = log_mean(link, eta);
        return {mu - y * log_mu, mu.d1 * log_mu.d1};
    }

    static bool in_support(double y) { return y >= 0.0; }
    static double standard_deviation(double mu) { return std::sqrt(mu); }
    static double deviance(double y, double mu) { return 2.0 * (x_log_y(y, y / mu) - (y - mu)); }
    static double log_likelihood(double y, double mu, double /*dispersion*/) {
        return x_log_y(y, mu) - mu - log_gamma(y + 1.0);
    }
};

}  // namespace spikeglm
