#pragma once
/// Sums of products in tiles that fit the registers: of packets of adjacent numbers, laid out in
/// packed rows, times numbers that are broadcast.

#include <Eigen/Core>
#include <array>
#include <cstddef>
#include <utility>

#include "runs.hpp"

namespace spikeglm::tiles {

namespace packets = Eigen::internal;
using Register = packets::packet_traits<double>::type;
inline constexpr int lanes = packets::packet_traits<double>::size;

/// A tile of sums: so many packets, times so many numbers that are broadcast. It takes most of the
/// registers; without a fused multiply-add the products need some too.
inline constexpr bool many_registers = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;
inline constexpr int tile_packets = many_registers || lanes > 2 ? 3 : 2;
inline constexpr int tile_columns = many_registers ? 8 : 4;

/// From one packed row to the next.
inline constexpr std::ptrdiff_t packed_stride = tile_packets * lanes;

inline void add_to(double* sums, const Register& value) {
    packets::pstoreu(sums, packets::padd(packets::ploadu<Register>(sums), value));
}

/// Calls f(first, count) for groups of at most tile_packets packets, about equally many in each.
template <class F>
void for_each_group(std::ptrdiff_t n_packets, F&& f) {
    const std::ptrdiff_t n_groups = (n_packets + tile_packets - 1) / tile_packets;
    for (std::ptrdiff_t g = 0; g < n_groups; ++g) {
        const std::ptrdiff_t first = g * n_packets / n_groups;
        f(first, (g + 1) * n_packets / n_groups - first);
    }
}

/// Memory to be asked for beforehand, `stride` bytes from row to row. Only addresses, which need
/// not be anyone's.
struct Ahead {
    const char* address;
    std::ptrdiff_t stride;
};

/// sums[j * sums_stride + .] += sum_r x[r * stride + j] packed row r, for j < Columns.
template <int Columns, int Packets>
void add_tile(const double* x, std::ptrdiff_t stride, const double* packed, std::ptrdiff_t rows,
              Ahead ahead, double* sums, std::ptrdiff_t sums_stride) {
    Register total[Columns][Packets];
    for (auto& column : total)
        for (Register& value : column) value = packets::pset1<Register>(0.0);
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
        packets::prefetch(ahead.address);
        Register row[Packets];
        unrolled<Packets>([&](auto v) { row[v] = packets::pload<Register>(packed + v * lanes); });
        unrolled<Columns>([&](auto j) {
            const Register value = packets::pset1<Register>(x[j]);
            unrolled<Packets>(
                [&](auto v) { total[j][v] = packets::pmadd(value, row[v], total[j][v]); });
        });
        ahead.address += ahead.stride;
        x += stride;
        packed += packed_stride;
    }
    for (int j = 0; j < Columns; ++j)
        for (int v = 0; v < Packets; ++v) add_to(sums + j * sums_stride + v * lanes, total[j][v]);
}

using Tile = decltype(&add_tile<1, 1>);

inline constexpr auto all_tiles = []<int... I>(std::integer_sequence<int, I...>) {
    return std::array<Tile, tile_columns * tile_packets>{
        add_tile<I / tile_packets + 1, I % tile_packets + 1>...};
}(std::make_integer_sequence<int, tile_columns * tile_packets>());

[[nodiscard]] inline Tile tile_of(std::ptrdiff_t columns, std::ptrdiff_t n_packets) {
    return all_tiles[static_cast<std::size_t>((columns - 1) * tile_packets + n_packets - 1)];
}

}  // namespace spikeglm::tiles
