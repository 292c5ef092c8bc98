#pragma once
/// The loss of one row and its derivatives for any model with any link.
///
/// Outside the domain (a model that needs mu > 0, a link that gives mu <= 0) loss and derivatives
/// are +inf, which a line search rejects. Inside it they are never NaN: where the exact value
/// overflows they are infinite with its sign.

#include "spikeglm/glm/observation/model.hpp"

namespace spikeglm {

template <class Model, class Link, class V>
RowTerms<V> row_terms(const V& y, const V& eta) {
    using math::select;
    RowTerms<V> t = Model::template terms<Link>(y, eta);
    if constexpr (Model::mean_must_be_positive && !Link::mean_positive) {
        const V mu = Link::mean(eta).value;
        const V infinity(std::numeric_limits<double>::infinity());
        // At the border two terms can overflow with opposite signs (value != value); the loss
        // itself is out of range there as well.
        const auto guard = [&](const V& value) {
            return V(select(mu > V(0.0) && value == value, value, infinity));
        };
        t = {{guard(t.loss.value), guard(t.loss.d1), guard(t.loss.d2)}, guard(t.expected_d2)};
    }
    return t;
}

}  // namespace spikeglm
