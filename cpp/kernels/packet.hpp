#pragma once
/// The number-like type of the CPU row loops: eight doubles with element-wise arithmetic.
/// A type of its own around Eigen's array, so that every operation yields a value (expressions that
/// refer to temporaries do not mix with generic code) and overloads do not compete with Eigen's.

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstring>

namespace spikeglm::math {

inline constexpr int packet_size = 8;
using Lanes = Eigen::Array<double, packet_size, 1>;

/// Applies `f` to the vector registers that make up arrays of lanes. Eigen's own comparisons and
/// selections of arrays go through bool, lane by lane.
template <class F, class... Arrays>
Lanes by_register(F&& f, const Arrays&... arrays) {
    using Traits = Eigen::internal::packet_traits<double>;
    using Register = Traits::type;
    Lanes result;
    for (int i = 0; i < packet_size; i += Traits::size)
        Eigen::internal::pstore(result.data() + i,
                                f(Eigen::internal::pload<Register>(arrays.data() + i)...));
    return result;
}

/// Per lane all bits set, where a condition holds, or none.
struct Mask {
    Lanes lanes;
    friend Mask operator&&(const Mask& a, const Mask& b) {
        return {by_register([](auto x, auto y) { return Eigen::internal::pand(x, y); }, a.lanes,
                            b.lanes)};
    }
};

struct Packet {
    Lanes lanes;

    Packet() = default;
    explicit Packet(double value) : lanes(Lanes::Constant(value)) {}
    template <class D>
    explicit Packet(const Eigen::ArrayBase<D>& values) : lanes(values) {}

    friend Packet operator+(const Packet& a, const Packet& b) { return Packet(a.lanes + b.lanes); }
    friend Packet operator-(const Packet& a, const Packet& b) { return Packet(a.lanes - b.lanes); }
    friend Packet operator*(const Packet& a, const Packet& b) { return Packet(a.lanes * b.lanes); }
    friend Packet operator/(const Packet& a, const Packet& b) { return Packet(a.lanes / b.lanes); }
    friend Packet operator-(const Packet& a) { return Packet(-a.lanes); }
    friend Mask operator<(const Packet& a, const Packet& b) {
        return {by_register([](auto x, auto y) { return Eigen::internal::pcmp_lt(x, y); }, a.lanes,
                            b.lanes)};
    }
    friend Mask operator>(const Packet& a, const Packet& b) { return b < a; }
    friend Mask operator>=(const Packet& a, const Packet& b) {
        return {by_register([](auto x, auto y) { return Eigen::internal::pcmp_le(y, x); }, a.lanes,
                            b.lanes)};
    }
    friend Mask operator==(const Packet& a, const Packet& b) {
        return {by_register([](auto x, auto y) { return Eigen::internal::pcmp_eq(x, y); }, a.lanes,
                            b.lanes)};
    }
    friend Mask operator!=(const Packet& a, const Packet& b) {
        return {by_register(
            [](auto x, auto y) {
                return Eigen::internal::pandnot(Eigen::internal::ptrue(x),
                                                Eigen::internal::pcmp_eq(x, y));
            },
            a.lanes, b.lanes)};
    }
};

inline Packet select(const Mask& condition, const Packet& a, const Packet& b) {
    return Packet(
        by_register([](auto m, auto x, auto y) { return Eigen::internal::pselect(m, x, y); },
                    condition.lanes, a.lanes, b.lanes));
}

inline Packet abs(const Packet& x) { return Packet(x.lanes.abs()); }
inline Packet min(const Packet& a, const Packet& b) { return Packet(a.lanes.min(b.lanes)); }
/// The nearest integer, the even one of two.
inline Packet nearest(const Packet& x) { return Packet(x.lanes.rint()); }

/// Out of line, because it is rare.
template <class F>
[[gnu::noinline]] Packet patched(const Mask& usual, const Packet& fast, const Packet& x,
                                 F library) {
    return select(usual, fast, Packet(x.lanes.unaryExpr(library)));
}

/// Takes the lanes in which Eigen's vector function is exact to rounding from it, and the others
/// from the library function: what is in one lane never decides about another.
template <class F>
[[gnu::always_inline]] inline Packet with_exceptions(const Mask& usual, const Packet& fast,
                                                     const Packet& x, F library) {
    const Packet one = select(usual, Packet(1.0), Packet(0.0));
    if (one.lanes.sum() == packet_size) [[likely]]
        return fast;
    return patched(usual, fast, x, library);
}

/// Eigen's vector exp clamps its argument; outside the range in which it is exact to rounding the
/// library function gives zero, subnormal numbers and infinity as they should be.
[[gnu::always_inline]] inline Packet exp(const Packet& x) {
    return with_exceptions(abs(x) < Packet(708.0), Packet(x.lanes.exp()), x,
                           [](double v) { return std::exp(v); });
}

/// As exp: zero, negative, subnormal and non-finite numbers are left to the library function.
inline Packet log(const Packet& x) {
    return with_exceptions(x > Packet(1e-300) && x < Packet(1e300), Packet(x.lanes.log()), x,
                           [](double v) { return std::log(v); });
}

/// With w = 1 + x rounded, log(w) and to first order what rounding took from it, (x - (w - 1)) / w:
/// exact to rounding, however small x is. Where w - 1 is x, infinite or -1 too, it took nothing.
inline Packet log1p(const Packet& x) {
    const Packet w = Packet(1.0) + x;
    const Packet back = w - Packet(1.0);
    return Packet(w.lanes.log()) + select(back == x, Packet(0.0), (x - back) / w);
}

inline Packet expm1(const Packet& x) {
    return Packet(x.lanes.unaryExpr([](double v) { return std::expm1(v); }));
}

/// A scalar function lane by lane, for what has no vector form.
template <class F>
Packet each(F f, const Packet& x) {
    return Packet(x.lanes.unaryExpr(f));
}

/// Loads up to packet_size values; the rest is filled, so that every row takes the same path
/// wherever it stands in a block.
[[gnu::always_inline]] inline Packet load(const double* source, std::ptrdiff_t count, double fill) {
    if (count >= packet_size) [[likely]]
        return Packet(Lanes::Map(source));
    Packet packet(fill);
    for (std::ptrdiff_t i = 0; i < count; ++i) packet.lanes[i] = source[i];
    return packet;
}

inline void store(const Packet& packet, std::ptrdiff_t count, double* target) {
    std::memcpy(
        target, packet.lanes.data(),
        static_cast<std::size_t>(std::min<std::ptrdiff_t>(count, packet_size)) * sizeof(double));
}

}  // namespace spikeglm::math
