#pragma once
/// The number-like type of the CPU row loops: eight doubles with element-wise arithmetic.
/// A type of its own around Eigen's array, so that every operation yields a value (expressions that
/// refer to temporaries do not mix with generic code) and overloads do not compete with Eigen's.

#include <Eigen/Core>
#include <cmath>

namespace spikeglm::math {

inline constexpr int packet_size = 8;

struct Mask {
    Eigen::Array<bool, packet_size, 1> lanes;
    friend Mask operator&&(const Mask& a, const Mask& b) { return {a.lanes && b.lanes}; }
};

struct Packet {
    using Lanes = Eigen::Array<double, packet_size, 1>;
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
    friend Mask operator<(const Packet& a, const Packet& b) { return {a.lanes < b.lanes}; }
    friend Mask operator>(const Packet& a, const Packet& b) { return {a.lanes > b.lanes}; }
    friend Mask operator>=(const Packet& a, const Packet& b) { return {a.lanes >= b.lanes}; }
    friend Mask operator==(const Packet& a, const Packet& b) { return {a.lanes == b.lanes}; }
    friend Mask operator!=(const Packet& a, const Packet& b) { return {a.lanes != b.lanes}; }
};

inline Packet select(const Mask& condition, const Packet& a, const Packet& b) {
    return Packet(condition.lanes.select(a.lanes, b.lanes));
}

inline Packet abs(const Packet& x) { return Packet(x.lanes.abs()); }

/// Eigen's vector exp clamps its argument; outside the range in which it is exact to rounding the
/// library function gives zero, subnormal numbers and infinity as they should be.
inline Packet exp(const Packet& x) {
    if ((x.lanes.abs() < 708.0).all()) [[likely]]
        return Packet(x.lanes.exp());
    return Packet(x.lanes.unaryExpr([](double v) { return std::exp(v); }));
}

/// As exp: zero, negative, subnormal and non-finite numbers are left to the library function.
inline Packet log(const Packet& x) {
    if ((x.lanes > 1e-300 && x.lanes < 1e300).all()) [[likely]]
        return Packet(x.lanes.log());
    return Packet(x.lanes.unaryExpr([](double v) { return std::log(v); }));
}

inline Packet log1p(const Packet& x) {
    return Packet(x.lanes.unaryExpr([](double v) { return std::log1p(v); }));
}

}  // namespace spikeglm::math
