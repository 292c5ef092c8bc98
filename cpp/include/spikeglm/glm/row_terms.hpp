#pragma once
/// The loss of one row and its derivatives for any model with any link.
///
/// Outside the domain (a model that needs mu > 0 or mu < 1, a link that gives others) loss and
/// derivatives are +inf, which a line search rejects. Inside it they are never NaN: where the exact
/// value overflows they are infinite with its sign.

#include "spikeglm/glm/observation/model.hpp"

namespace spikeglm {

template <class Model, class Link, class V>
RowTerms<V> row_terms(const Model& model, const Link& link, const V& y, const V& eta) {
    using math::select;
    RowTerms<V> t = model.terms(link, y, eta);
    constexpr bool low = Model::mean_must_be_positive && !Link::mean_positive;
    constexpr bool high = Model::mean_must_be_below_one && !Link::mean_below_one;
    if constexpr (low || high || !Link::mean_positive) {
        const V mu = link.mean(eta).value;
        const V infinity(std::numeric_limits<double>::infinity());
        // At the border two terms can overflow with opposite signs (value != value); the loss
        // itself is out of range there as well.
        const auto guard = [&](const V& value) {
            V guarded = select(value == value, value, infinity);
            if constexpr (low) guarded = select(mu > V(0.0), guarded, infinity);
            if constexpr (high) guarded = select(mu < V(1.0), guarded, infinity);
            return guarded;
        };
        t = {{guard(t.loss.value), guard(t.loss.d1), guard(t.loss.d2)}, guard(t.expected_d2)};
    }
    return t;
}

}  // namespace spikeglm
