#pragma once
/// The standard normal distribution function Phi and its logarithm, accurate in both tails.
///
/// With h = phi / Phi (the inverse Mills ratio), d log Phi / dx = h and d^2 log Phi / dx^2 = -h k,
/// k = x + h. Far below zero h and -x agree in most digits; there k comes from the continued
/// fraction 1 / (t + 2 / (t + 3 / (t + ...))), t = -x, and h = t + k. Laplace (1805); Abramowitz &
/// Stegun (1964), 26.2.14.

#include <cmath>
#include <limits>
#include <numbers>

namespace spikeglm {

inline constexpr double log_sqrt_two_pi = 0.91893853320467274178;

/// With what rounding took from the square, which the exponential would multiply by x^2 / 2.
inline double normal_density(double x) {
    if (std::abs(x) > 40.0) return 0.0;  // 1e-348; and an infinite square has no rest
    const double square = x * x;
    const double rest = std::fma(x, x, -square);
    constexpr double at_zero = 0.39894228040143267794;
    return at_zero * std::exp(-0.5 * square) * (1.0 - 0.5 * rest);
}

/// x + phi(x) / Phi(x).
inline double mills_excess(double x) {
    // From 5 on the error of sixteen terms, exp(-2 t sqrt(2 n)), is below rounding.
    if (x > -5.0) return x + 2.0 * normal_density(x) / std::erfc(-x / std::numbers::sqrt2);
    const double t = -x;
    double k = 0.0;
    for (int n = 16; n >= 1; --n) k = n / (t + k);
    return k;
}

/// phi(x) / Phi(x).
inline double inverse_mills(double x) {
    return x > -5.0 ? 2.0 * normal_density(x) / std::erfc(-x / std::numbers::sqrt2)
                    : mills_excess(x) - x;
}

/// Far below zero erfc would multiply the rounding of its argument by x^2.
inline double normal_cdf(double x) {
    return x > -5.0 ? 0.5 * std::erfc(-x / std::numbers::sqrt2)
                    : normal_density(x) / inverse_mills(x);
}

inline double log_normal_cdf(double x) {
    if (x >= 0.0) return std::log1p(-normal_cdf(-x));
    if (x > -5.0) return std::log(normal_cdf(x));
    return -0.5 * x * x - log_sqrt_two_pi - std::log(inverse_mills(x));
}

/// x with Phi(x) = p, by bisection of log Phi on the side where it is steep; infinite at 0 and 1.
inline double normal_quantile(double p) {
    if (!(p > 0.0)) return -std::numeric_limits<double>::infinity();
    if (!(p < 1.0)) return std::numeric_limits<double>::infinity();
    const bool upper = p > 0.5;
    const double target = upper ? std::log1p(-p) : std::log(p);
    double low = -40.0;
    double high = 0.0;
    for (int i = 0; i < 60; ++i) {
        const double middle = 0.5 * (low + high);
        (log_normal_cdf(middle) < target ? low : high) = middle;
    }
    return upper ? -high : high;
}

}  // namespace spikeglm
