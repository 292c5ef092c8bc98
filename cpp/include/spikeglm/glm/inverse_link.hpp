#pragma once
/// Inverse links mu = g^-1(eta), and the one list of them.
///
/// A link is a plain struct with
///   name             what users call it;
///   mean_positive    whether every eta of its domain gives mu > 0;
///   mean(eta)        mu as a jet in eta;
///   link(mu)         g(mu), for starting values; may be infinite at the border of the domain.
/// and, where the general rule would lose accuracy or overflow,
///   log_mean(eta), inverse_mean(eta)   jets of log mu and 1 / mu.
/// Outside the domain of a positive mean (mu <= 0) a loss is +inf, see row_terms.hpp.
///
/// Cost: at most one exp, one log1p and one log per element.

#include <string_view>
#include <tuple>

#include "spikeglm/glm/jet.hpp"

namespace spikeglm {

struct Exp {
    static constexpr std::string_view name = "exp";
    static constexpr bool mean_positive = true;

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
    static double link(double mu) { return std::log(mu); }
};

/// mu = log(1 + exp(eta)).
struct Softplus {
    static constexpr std::string_view name = "softplus";
    static constexpr bool mean_positive = true;

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

    template <class V>
    static Jet<V> mean(const V& eta) {
        return {eta, V(1.0), V(0.0)};
    }
    static double link(double mu) { return mu; }
};

/// The only registry of links: kernels, factory, tests and documentation iterate over it.
using InverseLinks = std::tuple<Exp, Softplus, Reciprocal, Identity>;

template <class Link, class V>
Jet<V> log_mean(const V& eta) {
    if constexpr (requires { Link::log_mean(eta); })
        return Link::log_mean(eta);
    else
        return log_of(Link::mean(eta));
}

template <class Link, class V>
Jet<V> inverse_mean(const V& eta) {
    if constexpr (requires { Link::inverse_mean(eta); })
        return Link::inverse_mean(eta);
    else
        return inverse_of(Link::mean(eta));
}

}  // namespace spikeglm
