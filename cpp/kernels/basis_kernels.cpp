#include "basis_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "local_basis.hpp"
#include "packet.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"
#include "spikeglm/basis/circle.hpp"

namespace spikeglm {
namespace {

using math::Packet;
using math::packet_size;

/// What fills up the last packet: inside the domain of every family.
constexpr double inert = 0.5;

/// The first place in scratch memory that is aligned for packets.
Packet* packets_in(double* scratch) {
    const auto address = reinterpret_cast<std::uintptr_t>(scratch);
    const std::uintptr_t up = (alignof(Packet) - address % alignof(Packet)) % alignof(Packet);
    return reinterpret_cast<Packet*>(reinterpret_cast<std::byte*>(scratch) + up);
}

/// Writes as many lanes of as many columns as a register holds, transposed in registers.
template <class Register>
void store_square(const Packet* columns, std::ptrdiff_t lane, double* out,
                  std::ptrdiff_t out_stride) {
    constexpr int size = Eigen::internal::unpacket_traits<Register>::size;
    Eigen::internal::PacketBlock<Register, size> square;
    for (int k = 0; k < size; ++k)
        square.packet[k] = Eigen::internal::pload<Register>(columns[k].lanes.data() + lane);
    Eigen::internal::ptranspose(square);
    for (int k = 0; k < size; ++k) Eigen::internal::pstoreu(out + k * out_stride, square.packet[k]);
}

/// Writes columns of packets to rows; `count` rows, at most packet_size.
void store_rows(const Packet* columns, std::ptrdiff_t n, std::ptrdiff_t count, double* out,
                std::ptrdiff_t out_stride) {
    using Traits = Eigen::internal::packet_traits<double>;
    using Register = Traits::type;
    std::ptrdiff_t first = 0;
    for (; count >= packet_size && first + Traits::size <= n; first += Traits::size)
        for (std::ptrdiff_t r = 0; r < packet_size; r += Traits::size)
            store_square<Register>(columns + first, r, out + r * out_stride + first, out_stride);
    for (std::ptrdiff_t r = 0; r < std::min<std::ptrdiff_t>(count, packet_size); ++r)
        for (std::ptrdiff_t j = first; j < n; ++j) out[r * out_stride + j] = columns[j].lanes[r];
}

/// The number of periods from the lower bound to x as a sum of two: `high` without its whole part
/// and rounded to 26 bits, so that products with frequencies are exact, and what remains.
struct Turns {
    Packet high, low;
};

Turns turns_of(const Packet& x, const Period& period) {
    using math::nearest;
    const Packet scaled = Packet(period.scale) * x;
    const Packet low(period.low);
    const Packet head(period.head);
    const Packet tail(period.tail);
    const Packet width = head + tail;
    const Packet distance = scaled - low;
    // What rounding took from the difference (Knuth's sum of two).
    const Packet back = distance - scaled;
    const Packet lost = (scaled - (distance - back)) - (low + back);
    const Packet quotient = distance / width;
    const Packet whole = nearest(quotient);
    const Packet high = Packet(0x1p-26) * nearest(Packet(0x1p26) * (quotient - whole));
    // The products with the head are exact, and so are the first two differences; what is left is
    // small enough for the rounding of the others not to matter.
    const Packet rest = distance - whole * head - high * head - (whole + high) * tail + lost;
    return {high, rest / width};
}

}  // namespace

void evaluate_basis_kernel(const BasisView& basis, std::ptrdiff_t n, const double* u, double* out,
                           std::ptrdiff_t out_stride, double* scratch) {
    with_type<BasisFamilies>(basis.family, [&]<class Family>() {
        if constexpr (LocalFamily<Family>) {
            evaluate_all_of_runs(basis, Family::support(basis), n, u, out, out_stride, scratch);
        } else if constexpr (requires(Packet x) { Family::evaluate(basis, x, &x); }) {
            Packet* values = packets_in(scratch);
            for (std::ptrdiff_t i = 0; i < n; i += packet_size) {
                Family::evaluate(basis, math::load(u + i, n - i, inert), values);
                store_rows(values, basis.n_basis_funcs, n - i, out + i * out_stride, out_stride);
            }
        } else {
            for (std::ptrdiff_t r = 0; r < n; ++r)
                Family::evaluate(basis, u[r], out + r * out_stride);
        }
        for (std::ptrdiff_t r = 0; r < n; ++r)
            if (std::isnan(u[r]))
                std::fill_n(out + r * out_stride, basis.n_basis_funcs,
                            std::numeric_limits<double>::quiet_NaN());
    });
}

void fourier_kernel(const WavesView& waves, const Period* periods, std::ptrdiff_t n,
                    const double* x, double* out, std::ptrdiff_t out_stride, double* scratch) {
    auto* turns = reinterpret_cast<Turns*>(packets_in(scratch));
    auto* columns = reinterpret_cast<Packet*>(turns + waves.n_inputs);
    for (std::ptrdiff_t i = 0; i < n; i += packet_size) {
        for (std::ptrdiff_t d = 0; d < waves.n_inputs; ++d)
            turns[d] = turns_of(math::load(x + d * n + i, n - i, inert), periods[d]);
        std::ptrdiff_t n_columns = waves.n_waves;
        for (std::ptrdiff_t k = 0; k < waves.n_waves; ++k) {
            Packet high(0.0);
            Packet low(0.0);
            bool varies = false;
            for (std::ptrdiff_t d = 0; d < waves.n_inputs; ++d) {
                const double frequency = waves.frequencies[d * waves.n_waves + k];
                const Turns& u = turns[d];
                high = high + Packet(frequency) * u.high;
                low = low + Packet(frequency) * u.low;
                varies = varies || frequency != 0.0;
            }
            const auto wave = cos_sin(high - nearest(high) + low);
            columns[k] = wave.cos;
            if (varies) columns[n_columns++] = wave.sin;
        }
        store_rows(columns, n_columns, n - i, out + i * out_stride, out_stride);
    }
}

}  // namespace spikeglm
