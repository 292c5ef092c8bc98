#pragma once
/// Inverse links mu = g^-1(eta), and the one list of them.
///
/// A link is a plain struct with
///   name             what users call it;
///   mean_positive    whether every eta gives mu > 0;
///   mean_below_one   whether every eta gives mu < 1;
///   mean(eta)        mu as a jet in eta;
///   link(mu)         g(mu), for starting values; may be infinite at the border of the domain.
/// and, where the general rule would lose accuracy or overflow,
///   log_mean(eta), inverse_mean(eta), log_complement(eta)   jets of log mu, 1 / mu, log(1 - mu).
/// Where mu is outside a model's domain the loss is +inf, see row_terms.hpp.
///
/// Cost: at most one exp, one log1p and one log per element; probit calls erfc lane by lane.

#include <string_view>
#include <tuple>

#include "spikeglm/glm/jet.hpp"
#include "spikeglm/glm/normal.hpp"

namespace spikeglm {

struct Exp {
    static constexpr std::string_view name = "exp";
    static constexpr bool mean_positive = true;
    static constexpr bool mean_below_one = false;

    template <class V>
    static Jet<V> mean(const V& eta) {
        using math::exp;
        const V mu = exp(eta);
        return {mu, mu, mu};
    }
    template <class V>
    static Jet<V> log_mean(const V& eta) {
        return {eta, V(1.0), V(0.0)};
    }
    template <class V>
    static Jet<V> inverse_mean(const V& eta) {
        using math::exp;
        const V inverse = exp(-eta);
        return {inverse, -inverse, inverse};
    }
    template <class V>
    static Jet<V> log_complement(const V& eta) {
        using math::exp, math::expm1, math::log, math::log1p, math::select;
        const V mu = exp(eta);
        const V rest = -expm1(eta);
        const V odds = mu / rest;
        return {select(eta < V(-1.0), log1p(-mu), log(rest)), -odds, -odds * (V(1.0) + odds)};
    }
    static double link(double mu) { return std::log(mu); }
};

/// mu = log(1 + exp(eta)).
struct Softplus {
    static constexpr std::string_view name = "softplus";
    static constexpr bool mean_positive = true;
    static constexpr bool mean_below_one = false;

    template <class V>
    static Jet<V> mean(const V& eta) {
        using math::abs, math::exp, math::log1p, math::select;
        const V tail = exp(-abs(eta));
        const V share = V(1.0) / (V(1.0) + tail);
        const V slope = select(eta >= V(0.0), share, tail * share);
        return {select(eta >= V(0.0), eta, V(0.0)) + log1p(tail), slope, tail * share * share};
    }
    /// With e = exp(eta): d2 = d1 (log(1 + e) - e) / ((1 + e) mu), where the general rule would
    /// subtract nearly equal numbers below zero; log(1 + e) - e is summed as a series below -4
    /// (truncated at e^11 / 11, 1e-17 of its value). Below -20 the first terms in e are exact to
    /// rounding, and do not divide by what vanishes.
    template <class V>
    static Jet<V> log_mean(const V& eta) {
        using math::exp, math::log1p, math::select;
        const V e = exp(select(eta < V(0.0), eta, V(0.0)));
        const V mu = log1p(e);
        V series(0.0);
        for (int k = 10; k >= 2; --k) series = V(1.0 / k) - e * series;
        const V excess = select(eta < V(-4.0), -e * e * series, mu - e);
        const V slope = e / ((V(1.0) + e) * mu);
        const V bend = slope * excess / ((V(1.0) + e) * mu);
        const Jet<V> general = log_of(mean(eta));
        const auto choose = [&](const V& far, const V& near, const V& above) {
            return select(eta < V(-20.0), far, select(eta < V(0.0), near, above));
        };
        const V half = V(0.5) * e;
        return {choose(eta - half, general.value, general.value),
                choose(V(1.0) - half, slope, general.d1), choose(-half, bend, general.d2)};
    }
    template <class V>
    static Jet<V> inverse_mean(const V& eta) {
        using math::exp, math::select;
        // Below -20: 1 / mu = exp(-eta) + 1/2 + O(exp(eta)).
        const V grown = exp(select(eta < V(-20.0), -eta, V(20.0)));
        const Jet<V> general = inverse_of(mean(eta));
        return {select(eta < V(-20.0), grown + V(0.5), general.value),
                select(eta < V(-20.0), -grown, general.d1),
                select(eta < V(-20.0), grown, general.d2)};
    }
    /// log(exp(mu) - 1), from whichever side does not overflow.
    static double link(double mu) { return mu + std::log(-std::expm1(-mu)); }
};

/// mu = 1 / eta, the canonical link of the Gamma model; for positive means eta > 0.
struct Reciprocal {
    static constexpr std::string_view name = "reciprocal";
    static constexpr bool mean_positive = false;
    static constexpr bool mean_below_one = false;

    template <class V>
    static Jet<V> mean(const V& eta) {
        return inverse_of(inverse_mean(eta));
    }
    template <class V>
    static Jet<V> log_mean(const V& eta) {
        const Jet<V> log_eta = log_of(inverse_mean(eta));
        return {-log_eta.value, -log_eta.d1, -log_eta.d2};
    }
    template <class V>
    static Jet<V> inverse_mean(const V& eta) {
        return {eta, V(1.0), V(0.0)};
    }
    static double link(double mu) { return 1.0 / mu; }
};

struct Identity {
    static constexpr std::string_view name = "identity";
    static constexpr bool mean_positive = false;
    static constexpr bool mean_below_one = false;

    template <class V>
    static Jet<V> mean(const V& eta) {
        return {eta, V(1.0), V(0.0)};
    }
    static double link(double mu) { return mu; }
};

/// mu = 1 / (1 + exp(-eta)), the canonical link of the Bernoulli model.
struct Logistic {
    static constexpr std::string_view name = "logistic";
    static constexpr bool mean_positive = true;
    static constexpr bool mean_below_one = true;

    template <class V>
    static Jet<V> mean(const V& eta) {
        const Shares<V> s(eta);
        const V slope = s.mean * s.rest;
        return {s.mean, slope, slope * (s.rest - s.mean)};
    }
    template <class V>
    static Jet<V> log_mean(const V& eta) {
        using math::log1p, math::min;
        const Shares<V> s(eta);
        return {min(eta, V(0.0)) - log1p(s.tail), s.rest, -s.mean * s.rest};
    }
    template <class V>
    static Jet<V> log_complement(const V& eta) {
        using math::log1p, math::min;
        const Shares<V> s(eta);
        return {min(-eta, V(0.0)) - log1p(s.tail), -s.mean, -s.mean * s.rest};
    }
    template <class V>
    static Jet<V> inverse_mean(const V& eta) {
        using math::exp;
        const V odds = exp(-eta);
        return {V(1.0) + odds, -odds, odds};
    }
    static double link(double mu) { return std::log(mu) - std::log1p(-mu); }

    /// mu and 1 - mu, neither from a difference.
    template <class V>
    struct Shares {
        V tail, mean, rest;
        explicit Shares(const V& eta) {
            using math::abs, math::exp, math::select;
            tail = exp(-abs(eta));
            const V larger = V(1.0) / (V(1.0) + tail);
            mean = select(eta >= V(0.0), larger, tail * larger);
            rest = select(eta >= V(0.0), tail * larger, larger);
        }
    };
};

/// mu = Phi(eta), see normal.hpp.
struct Probit {
    static constexpr std::string_view name = "probit";
    static constexpr bool mean_positive = true;
    static constexpr bool mean_below_one = true;

    template <class V>
    static Jet<V> mean(const V& eta) {
        using math::each;
        const V density = each(normal_density, eta);
        // Where the density vanishes, eta may be infinite.
        using math::select;
        const V bend = select(density > V(0.0), -eta * density, V(0.0));
        return {each(normal_cdf, eta), density, bend};
    }
    template <class V>
    static Jet<V> log_mean(const V& eta) {
        using math::each;
        const V slope = each(inverse_mills, eta);
        return {each(log_normal_cdf, eta), slope, -slope * each(mills_excess, eta)};
    }
    template <class V>
    static Jet<V> log_complement(const V& eta) {
        const Jet<V> mirrored = log_mean(V(-eta));
        return {mirrored.value, -mirrored.d1, mirrored.d2};
    }
    static double link(double mu) { return normal_quantile(mu); }
};

/// Complementary log-log, mu = 1 - exp(-exp(eta)): the chance of at least one event in a bin in
/// which exp(eta) are expected.
struct Cloglog {
    static constexpr std::string_view name = "cloglog";
    static constexpr bool mean_positive = true;
    static constexpr bool mean_below_one = true;

    template <class V>
    static Jet<V> mean(const V& eta) {
        using math::exp, math::expm1, math::min;
        const V e = min(exp(eta), V(largest));
        const V slope = e * exp(-e);
        return {-expm1(-e), slope, slope * (V(1.0) - e)};
    }
    /// d1 = r = e / (exp(e) - 1) with e = exp(eta), and d2 = r (1 - e - r). Where e is small the
    /// bracket is summed as a series in Bernoulli numbers (next term e^10 / 47900160).
    template <class V>
    static Jet<V> log_mean(const V& eta) {
        using math::exp, math::expm1, math::log, math::log1p, math::min, math::select;
        const V e = min(exp(eta), V(largest));
        const V square = e * e;
        const auto tiny = eta < V(-30.0);
        const V r = select(tiny, V(1.0) - V(0.5) * e, e / expm1(select(tiny, V(1.0), e)));
        const V series =
            -e * (V(0.5) + e * (V(1.0 / 12) +
                                square * (V(-1.0 / 720) +
                                          square * (V(1.0 / 30240) - square * V(1.0 / 1209600)))));
        const V bracket = select(e < V(0.1), series, V(1.0) - e - r);
        const V value =
            select(tiny, eta - V(0.5) * e,
                   select(e < V(0.7), log(-expm1(select(tiny, V(-1.0), -e))), log1p(-exp(-e))));
        return {value, r, r * bracket};
    }
    template <class V>
    static Jet<V> log_complement(const V& eta) {
        using math::exp;
        const V e = exp(eta);
        return {-e, -e, -e};
    }
    static double link(double mu) { return std::log(-std::log1p(-mu)); }

    /// Beyond it exp(-e) is zero.
    static constexpr double largest = 800.0;
};

/// The only registry of links: kernels, factory, tests and documentation iterate over it.
using InverseLinks = std::tuple<Exp, Softplus, Logistic, Probit, Cloglog, Reciprocal, Identity>;

template <class Link, class V>
Jet<V> log_mean(const Link& link, const V& eta) {
    if constexpr (requires { link.log_mean(eta); })
        return link.log_mean(eta);
    else
        return log_of(link.mean(eta));
}

/// Through the logarithm where the link has it: the mean itself may underflow.
template <class Link, class V>
Jet<V> inverse_mean(const Link& link, const V& eta) {
    if constexpr (requires { link.inverse_mean(eta); }) {
        return link.inverse_mean(eta);
    } else if constexpr (requires { link.log_mean(eta); }) {
        using math::exp;
        const Jet<V> log_mu = link.log_mean(eta);
        const V inverse = exp(-log_mu.value);
        return {inverse, -log_mu.d1 * inverse, (log_mu.d1 * log_mu.d1 - log_mu.d2) * inverse};
    } else {
        return inverse_of(link.mean(eta));
    }
}

template <class Link, class V>
Jet<V> log_complement(const Link& link, const V& eta) {
    if constexpr (requires { link.log_complement(eta); }) {
        return link.log_complement(eta);
    } else {
        using math::log1p;
        const Jet<V> mu = link.mean(eta);
        const V rest = V(1.0) - mu.value;
        const V ratio = mu.d1 / rest;
        return {log1p(-mu.value), -ratio, -mu.d2 / rest - ratio * ratio};
    }
}

}  // namespace spikeglm
