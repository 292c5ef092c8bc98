#pragma once
/// What an observation model is made of.
///
/// A model is a plain struct, with one double as its parameter or empty, and
///   name                    what users call it;
///   default_link            a link of inverse_link.hpp;
///   canonical_link          the link with which observed and expected curvature agree, or void;
///   mean_must_be_positive, mean_must_be_below_one   whether mu <= 0, mu >= 1 are outside its
///                           domain;
///   estimates_dispersion    whether phi is estimated (Pearson) or one;
///   objective_factor        what the loss counts in a penalised objective;
///   support, in_support(y)  the values y may take, in words and as a test;
///   terms(link, y, eta)     loss per row as a jet in eta, and its expected second derivative;
///   standard_deviation(mu)  of y, with phi = 1;
///   deviance(y, mu), log_likelihood(y, mu, phi)   the textbook quantities;
///   parameter_score(y, mu)  of a model with a parameter: d log p / d log parameter.
/// `loss` is -log p without the terms that do not depend on eta, and with phi = 1.

#include <cmath>

#include "spikeglm/glm/jet.hpp"

namespace spikeglm {

template <class V>
struct RowTerms {
    Jet<V> loss;    ///< with the first and the observed second derivative in eta
    V expected_d2;  ///< E[loss'']: mu'^2 / V(mu)
};

/// x log y with 0 log y = 0.
inline double x_log_y(double x, double y) { return x == 0.0 ? 0.0 : x * std::log(y); }

/// log Gamma(x) without the global `signgam` that std::lgamma writes, so that threads may share it.
inline double log_gamma(double x) {
#if defined(__unix__) || defined(__APPLE__)
    int sign = 0;
    return ::lgamma_r(x, &sign);
#else
    return std::lgamma(x);
#endif
}

/// psi(x) = d log Gamma / dx for x > 0: recurrence up to 10, then the asymptotic series, whose next
/// term is 5 / (660 x^10). Abramowitz & Stegun (1964), 6.3.5 and 6.3.18.
inline double digamma(double x) {
    double sum = 0.0;
    for (; x < 10.0; x += 1.0) sum -= 1.0 / x;
    const double square = 1.0 / (x * x);
    return sum + std::log(x) - 0.5 / x -
           square * (1.0 / 12 - square * (1.0 / 120 - square * (1.0 / 252 - square * (1.0 / 240))));
}

}  // namespace spikeglm
