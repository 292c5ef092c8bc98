#pragma once
/// Bernoulli: y is 0 or 1 with mean mu; or a share of as many trials as its weight says.
///   loss      -(y log mu + (1 - y) log(1 - mu)),  0 log 0 = 0
///   variance  mu (1 - mu)
///   deviance  2 (y log(y / mu) + (1 - y) log((1 - y) / (1 - mu)))
/// McCullagh & Nelder (1989), Generalized Linear Models, table 2.1 and chapter 4.

#include "spikeglm/glm/inverse_link.hpp"
#include "spikeglm/glm/observation/model.hpp"

namespace spikeglm {

struct Bernoulli {
    static constexpr std::string_view name = "Bernoulli";
    using default_link = Logistic;
    using canonical_link = Logistic;
    static constexpr bool mean_must_be_positive = true;
    static constexpr bool mean_must_be_below_one = true;
    static constexpr bool estimates_dispersion = false;
    static constexpr double objective_factor = 1.0;
    static constexpr std::string_view support = "0 <= y <= 1 (0: no event, 1: event)";

    template <class Link, class V>
    RowTerms<V> terms(const Link& link, const V& y, const V& eta) const {
        using math::select;
        const Jet<V> log_mu = log_mean(link, eta);
        const Jet<V> log_rest = log_complement(link, eta);
        const V failed = V(1.0) - y;
        // A logarithm may be infinite where it does not count.
        const auto mixed = [&](const V& event, const V& none) {
            return V(V(0.0) - select(y > V(0.0), y * event, V(0.0)) -
                     select(failed > V(0.0), failed * none, V(0.0)));
        };
        // Where one factor overflows the other vanishes faster.
        const V expected = -log_mu.d1 * log_rest.d1;
        return {{mixed(log_mu.value, log_rest.value), mixed(log_mu.d1, log_rest.d1),
                 mixed(log_mu.d2, log_rest.d2)},
                select(expected == expected, expected, V(0.0))};
    }

    static bool in_support(double y) { return y >= 0.0 && y <= 1.0; }
    static double standard_deviation(double mu) { return std::sqrt(mu * (1.0 - mu)); }
    static double deviance(double y, double mu) {
        return 2.0 * (x_log_y(y, y / mu) + x_log_y(1.0 - y, (1.0 - y) / (1.0 - mu)));
    }
    static double log_likelihood(double y, double mu, double /*dispersion*/) {
        return x_log_y(y, mu) + (y == 1.0 ? 0.0 : (1.0 - y) * std::log1p(-mu));
    }
};

}  // namespace spikeglm
