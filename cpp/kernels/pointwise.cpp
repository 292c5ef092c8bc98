#include "pointwise.hpp"

#include "packet.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/inverse_link.hpp"
#include "spikeglm/glm/observation/all.hpp"
#include "spikeglm/glm/row_terms.hpp"

namespace spikeglm {
namespace {

using math::load;
using math::Packet;
using math::packet_size;

/// What fills up the last packet, without weight.
constexpr double inert = 1.0;

template <class Model, class Link, bool curved>
double row_terms_loop(double parameter, bool observed, std::ptrdiff_t n, const double* y,
                      const double* eta, const double* weight, double* d1, double* d2) {
    const auto model = make_model<Model>(parameter);
    math::Lanes total = math::Lanes::Zero();
    for (std::ptrdiff_t i = 0; i < n; i += packet_size) {
        const std::ptrdiff_t count = n - i;
        const auto t =
            row_terms(model, Link{}, load(y + i, count, inert), load(eta + i, count, inert));
        Packet w(1.0);
        if (weight != nullptr)
            w = load(weight + i, count, 0.0);
        else if (count < packet_size)
            w.lanes.tail(packet_size - count) = 0.0;
        const bool plain = weight == nullptr && count >= packet_size;
        const auto weighted = [&](const Packet& value) {
            return plain ? value : math::select(w != Packet(0.0), w * value, Packet(0.0));
        };
        total += weighted(t.loss.value).lanes;
        store(weighted(t.loss.d1), count, d1 + i);
        if constexpr (curved) store(weighted(observed ? t.loss.d2 : t.expected_d2), count, d2 + i);
    }
    return total.sum();
}

}  // namespace

double row_terms_kernel(LossSelector selector, Curvature curvature, std::ptrdiff_t n,
                        const double* y, const double* eta, const double* weight, double* d1,
                        double* d2) {
    double loss = 0.0;
    with_type<Observations>(selector.model, [&]<class Model>() {
        with_type<InverseLinks>(selector.link, [&]<class Link>() {
            const auto loop = curvature == Curvature::none ? row_terms_loop<Model, Link, false>
                                                           : row_terms_loop<Model, Link, true>;
            loss = loop(selector.parameter, curvature == Curvature::observed, n, y, eta, weight, d1,
                        d2);
        });
    });
    return loss;
}

void inverse_link_kernel(int link, std::ptrdiff_t n, const double* eta, double* mu) {
    with_type<InverseLinks>(link, [&]<class Link>() {
        for (std::ptrdiff_t i = 0; i < n; i += packet_size) {
            const Jet<Packet> mean = Link::mean(load(eta + i, n - i, inert));
            store(mean.value, n - i, mu + i);
        }
    });
}

}  // namespace spikeglm
