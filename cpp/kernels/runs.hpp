#pragma once
/// Runs whose length is a compile-time number up to four, the usual orders of splines, so that a
/// run is one vector instruction.

#include <Eigen/Core>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace spikeglm {

/// A run of L values; Eigen::Dynamic for lengths that are not compiled in.
template <int L>
using Run = Eigen::Map<Eigen::Array<double, L, 1>>;
template <int L>
using ConstRun = Eigen::Map<const Eigen::Array<double, L, 1>>;

/// Calls f.operator()<L>() for a length of runs.
template <class F>
void with_length(std::ptrdiff_t length, F&& f) {
    switch (length) {
        case 1: return f.template operator()<1>();
        case 2: return f.template operator()<2>();
        case 3: return f.template operator()<3>();
        case 4: return f.template operator()<4>();
        default: return f.template operator()<Eigen::Dynamic>();
    }
}

constexpr std::ptrdiff_t fixed_or(int fixed, std::ptrdiff_t dynamic) {
    return fixed == Eigen::Dynamic ? dynamic : fixed;
}

/// Calls f(std::integral_constant<int, i>) for i < N: indices that the compiler knows.
template <int N, class F>
void unrolled(F&& f) {
    [&]<int... I>(std::integer_sequence<int, I...>) {
        (f(std::integral_constant<int, I>()), ...);
    }(std::make_integer_sequence<int, N>());
}

}  // namespace spikeglm
