#pragma once
/// Negative binomial counts with dispersion a (NB2): variance mu + a mu^2.
///   loss      log(1 + a mu) / a + y log(1 + 1 / (a mu))
///             = -log p without what does not depend on eta
///   deviance  2 (y log(y / mu) - (y + 1 / a) log((1 + a y) / (1 + a mu)))
///   log p     lgamma(y + r) - lgamma(y + 1) - lgamma(r) + r log(r / (r + mu))
///             + y log(mu / (r + mu)),  r = 1 / a
/// Hilbe (2011), Negative Binomial Regression, chapter 8. As a goes to zero: Poisson.

#include "spikeglm/glm/inverse_link.hpp"
#include "spikeglm/glm/observation/model.hpp"

namespace spikeglm {

struct NegativeBinomial {
    double dispersion = 1.0;  ///< a > 0

    static constexpr std::string_view name = "NegativeBinomial";
    using default_link = Exp;
    using canonical_link = void;
    static constexpr bool mean_must_be_positive = true;
    static constexpr bool mean_must_be_below_one = false;
    static constexpr bool estimates_dispersion = false;
    static constexpr double objective_factor = 1.0;
    static constexpr std::string_view support = "y >= 0 (spike counts per bin)";

    /// With t = log(a mu) and s = a mu / (1 + a mu), the logistic function of t, nothing overflows
    /// and nothing is a difference of nearly equal numbers, however small a is.
    template <class Link, class V>
    RowTerms<V> terms(const Link& link, const V& y, const V& eta) const {
        using math::log1p, math::min;
        const Jet<V> log_mu = log_mean(link, eta);
        const V t = log_mu.value + V(std::log(dispersion));
        const V inverse(1.0 / dispersion);
        const Logistic::Shares<V> s(t);
        const V correction = log1p(s.tail);
        const V grown = correction - min(-t, V(0.0));   // log(1 + exp(t))
        const V shrunk = correction - min(t, V(0.0));   // log(1 + exp(-t))
        const V slope = s.mean * inverse - y * s.rest;  // in t
        const V square = log_mu.d1 * log_mu.d1;
        const V bend = s.mean * s.rest * (inverse + y);
        return {
            {grown * inverse + y * shrunk, log_mu.d1 * slope, square * bend + log_mu.d2 * slope},
            square * s.mean * inverse};
    }

    static bool in_support(double y) { return y >= 0.0; }
    [[nodiscard]] double standard_deviation(double mu) const {
        return std::sqrt(mu + dispersion * mu * mu);
    }
    [[nodiscard]] double deviance(double y, double mu) const {
        const double a = dispersion;
        const double ratio = a * (y - mu) / (1.0 + a * mu);
        // Of nearly equal means one plus their difference, of others the difference.
        const double log_of_both =
            std::abs(ratio) < 0.5 ? std::log1p(ratio) : std::log1p(a * y) - std::log1p(a * mu);
        return 2.0 * (x_log_y(y, y / mu) - (y + 1.0 / a) * log_of_both);
    }
    [[nodiscard]] static double log_likelihood(double y, double mu, double dispersion) {
        const double r = 1.0 / dispersion;
        const double shared = x_log_y(y, mu) - log_gamma(y + 1.0) - (y + r) * std::log1p(mu / r);
        if (r < 1e3) return shared + log_gamma(y + r) - log_gamma(r) - y * std::log(r);
        // Stirling's series of both, whose leading terms cancel (next term 1 / (1680 r^7)).
        const auto rest = [](double x) {
            const double square = 1.0 / (x * x);
            return (1.0 / 12 - square * (1.0 / 360 - square / 1260)) / x;
        };
        return shared + (r + y - 0.5) * std::log1p(y / r) - y + rest(r + y) - rest(r);
    }

    /// d log p / d log a. Lawless (1987), Canadian Journal of Statistics 15:3, section 2.
    [[nodiscard]] double parameter_score(double y, double mu) const {
        const double r = 1.0 / dispersion;
        const double d = (y - mu) / (r + mu);
        // psi(y + r) - psi(r) - log(1 + y / r), without a difference of large numbers.
        double rest = 0.0;
        if (y != 0.0 && r < 1e3) {
            rest = digamma(y + r) - digamma(r) - std::log1p(y / r);
        } else if (y != 0.0) {
            const auto tail = [](double x) { return (-0.5 - (1.0 / 12) / x) / x; };
            rest = tail(y + r) - tail(r);
        }
        return -r * (rest + std::log1p(d) - d);
    }
};

}  // namespace spikeglm
