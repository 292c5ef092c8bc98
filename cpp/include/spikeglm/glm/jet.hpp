#pragma once
/// Second-order Taylor arithmetic in one variable.
///
/// A Jet is a function of the linear predictor eta together with its first and second derivative.
/// Losses are written as expressions of jets, so their derivatives follow from the link's and are
/// spelled once. V is a number-like type: double, or a packet of doubles with element-wise
/// arithmetic and `exp`, `log`, `log1p`, `select` found by argument-dependent lookup.

#include <cmath>
#include <limits>

namespace spikeglm {

template <class V>
struct Jet {
    V value;
    V d1;
    V d2;
};

template <class V>
Jet<V> operator+(const Jet<V>& a, const Jet<V>& b) {
    return {a.value + b.value, a.d1 + b.d1, a.d2 + b.d2};
}

template <class V>
Jet<V> operator-(const Jet<V>& a, const Jet<V>& b) {
    return {a.value - b.value, a.d1 - b.d1, a.d2 - b.d2};
}

template <class V>
Jet<V> operator-(const Jet<V>& a, const V& constant) {
    return {a.value - constant, a.d1, a.d2};
}

template <class V>
Jet<V> operator*(const V& factor, const Jet<V>& a) {
    return {factor * a.value, factor * a.d1, factor * a.d2};
}

template <class V>
Jet<V> operator*(const Jet<V>& a, const Jet<V>& b) {
    return {a.value * b.value, a.d1 * b.value + a.value * b.d1,
            a.d2 * b.value + V(2.0) * a.d1 * b.d1 + a.value * b.d2};
}

/// Scalar counterparts of what a packet type provides.
namespace math {
inline double exp(double x) { return std::exp(x); }
inline double expm1(double x) { return std::expm1(x); }
inline double log(double x) { return std::log(x); }
inline double log1p(double x) { return std::log1p(x); }
inline double abs(double x) { return std::abs(x); }
inline double min(double a, double b) { return b < a ? b : a; }
/// A scalar function lane by lane, for what has no vector form.
template <class F>
double each(F f, double x) {
    return f(x);
}
inline double select(bool condition, double a, double b) { return condition ? a : b; }
}  // namespace math

/// log of a jet, for positive values.
template <class V>
Jet<V> log_of(const Jet<V>& a) {
    using math::log;
    const V ratio = a.d1 / a.value;
    return {log(a.value), ratio, a.d2 / a.value - ratio * ratio};
}

/// 1 / jet, for non-zero values.
template <class V>
Jet<V> inverse_of(const Jet<V>& a) {
    const V inverse = V(1.0) / a.value;
    const V ratio = a.d1 * inverse;
    return {inverse, -ratio * inverse, (V(2.0) * ratio * ratio - a.d2 * inverse) * inverse};
}

}  // namespace spikeglm
