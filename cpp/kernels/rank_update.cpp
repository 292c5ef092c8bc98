#include "rank_update.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <utility>

#include "runs.hpp"

namespace spikeglm {
namespace {

namespace packets = Eigen::internal;
using Register = packets::packet_traits<double>::type;
constexpr int lanes = packets::packet_traits<double>::size;

/// A tile of sums: so many packets of columns, times so many columns that are broadcast. It takes
/// most of the registers; without a fused multiply-add the products need some too.
constexpr bool many_registers = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;
constexpr int tile_packets = many_registers || lanes > 2 ? 3 : 2;
constexpr int tile_columns = many_registers ? 8 : 4;

/// Rows that are weighted at a time; with the columns of a tile they stay in the first cache.
constexpr std::ptrdiff_t chunk_rows = 64;
constexpr std::ptrdiff_t packed_stride = tile_packets * lanes;

std::ptrdiff_t packets_of(std::ptrdiff_t cols) { return (cols + lanes - 1) / lanes; }

/// Where packet q begins. The last one ends with the columns, so that no load is partial, unless
/// one packet is more than all columns.
std::ptrdiff_t packet_begin(std::ptrdiff_t q, std::ptrdiff_t cols) {
    return std::max<std::ptrdiff_t>(std::min(q * lanes, cols - lanes), 0);
}

/// Calls f(first, count) for groups of at most tile_packets packets, about equally many in each.
template <class F>
void for_each_group(std::ptrdiff_t cols, F&& f) {
    const std::ptrdiff_t n = packets_of(cols);
    const std::ptrdiff_t n_groups = (n + tile_packets - 1) / tile_packets;
    for (std::ptrdiff_t g = 0; g < n_groups; ++g) {
        const std::ptrdiff_t first = g * n / n_groups;
        f(first, (g + 1) * n / n_groups - first);
    }
}

/// Calls f(column, columns, first, count) for the tiles of a group, in the order of the sums: those
/// packets of the group that reach below the diagonal, times `columns` columns.
template <class F>
void for_each_tile(std::ptrdiff_t cols, std::ptrdiff_t group, std::ptrdiff_t count, F&& f) {
    const std::ptrdiff_t end = std::min(cols, (group + count) * lanes);
    for (std::ptrdiff_t j = 0; j < end; j += tile_columns) {
        const std::ptrdiff_t first = std::max(group, j / lanes);
        f(j, std::min<std::ptrdiff_t>(tile_columns, cols - j), first, group + count - first);
    }
}

Register load_some(const double* x, std::ptrdiff_t count) {
    alignas(64) std::array<double, lanes> filled{};
    std::copy_n(x, std::min<std::ptrdiff_t>(count, lanes), filled.data());
    return packets::pload<Register>(filled.data());
}

/// Writes w x for the packets of a group, packed_stride from row to row, and adds the sums over
/// rows to `weighted_sums`, those of d x to `sums` unless d is null.
template <int Packets>
void pack(const DenseRows& x, std::ptrdiff_t first, const double* w, const double* d,
          double* packed, double* weighted_sums, double* sums) {
    const double* source[Packets];
    for (int v = 0; v < Packets; ++v) source[v] = x.values + packet_begin(first + v, x.cols);
    const auto pass = [&](auto with_d, auto load) {
        Register weighted_total[Packets];
        Register total[Packets];
        for (int v = 0; v < Packets; ++v)
            weighted_total[v] = total[v] = packets::pset1<Register>(0.0);
        for (std::ptrdiff_t r = 0; r < x.rows; ++r) {
            const Register weight = packets::pset1<Register>(w[r]);
            unrolled<Packets>([&](auto v) {
                const Register value = load(source[v] + r * x.stride);
                const Register product = packets::pmul(weight, value);
                packets::pstore(packed + r * packed_stride + v * lanes, product);
                weighted_total[v] = packets::padd(weighted_total[v], product);
                if constexpr (with_d)
                    total[v] = packets::pmadd(packets::pset1<Register>(d[r]), value, total[v]);
            });
        }
        const auto add = [](double* to, const Register& value) {
            packets::pstoreu(to, packets::padd(packets::ploadu<Register>(to), value));
        };
        for (int v = 0; v < Packets; ++v) {
            add(weighted_sums + (first + v) * lanes, weighted_total[v]);
            if constexpr (with_d) add(sums + (first + v) * lanes, total[v]);
        }
    };
    const auto with_load = [&](auto load) {
        if (d == nullptr)
            pass(std::false_type(), load);
        else
            pass(std::true_type(), load);
    };
    if (x.cols < lanes)
        with_load([&](const double* from) { return load_some(from, x.cols); });
    else
        with_load([](const double* from) { return packets::ploadu<Register>(from); });
}

/// Adds the products of packed rows with columns of x, which begin at `x`, to a tile.
template <int Columns, int Packets>
void add_tile(const double* x, std::ptrdiff_t stride, const double* packed, std::ptrdiff_t rows,
              double* sums) {
    Register total[Columns][Packets];
    for (auto& column : total)
        for (Register& value : column) value = packets::pset1<Register>(0.0);
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
        Register weighted[Packets];
        unrolled<Packets>(
            [&](auto v) { weighted[v] = packets::pload<Register>(packed + v * lanes); });
        unrolled<Columns>([&](auto j) {
            const Register value = packets::pset1<Register>(x[j]);
            unrolled<Packets>(
                [&](auto v) { total[j][v] = packets::pmadd(value, weighted[v], total[j][v]); });
        });
        x += stride;
        packed += packed_stride;
    }
    for (const auto& column : total)
        for (const Register& value : column) {
            packets::pstoreu(sums, packets::padd(packets::ploadu<Register>(sums), value));
            sums += lanes;
        }
}

using Pack = decltype(&pack<1>);
using Tile = decltype(&add_tile<1, 1>);
constexpr auto pack_of = []<int... V>(std::integer_sequence<int, V...>) {
    return std::array<Pack, tile_packets>{pack<V + 1>...};
}(std::make_integer_sequence<int, tile_packets>());
constexpr auto tile_of = []<int... I>(std::integer_sequence<int, I...>) {
    return std::array<Tile, tile_columns * tile_packets>{
        add_tile<I / tile_packets + 1, I % tile_packets + 1>...};
}(std::make_integer_sequence<int, tile_columns * tile_packets>());

}  // namespace

std::ptrdiff_t rank_update_size(std::ptrdiff_t cols, std::ptrdiff_t n_vectors) {
    std::ptrdiff_t size = n_vectors * packets_of(cols) * lanes;
    for_each_group(cols, [&](std::ptrdiff_t group, std::ptrdiff_t n_packets) {
        for_each_tile(cols, group, n_packets,
                      [&](std::ptrdiff_t, std::ptrdiff_t columns, std::ptrdiff_t,
                          std::ptrdiff_t count) { size += columns * count * lanes; });
    });
    return size;
}

void add_rank_update(const DenseRows& x, const double* d, std::ptrdiff_t d_stride,
                     std::ptrdiff_t n_vectors, double* sums) {
    alignas(64) std::array<double, chunk_rows * packed_stride> packed;
    const std::ptrdiff_t vector_size = packets_of(x.cols) * lanes;
    for (std::ptrdiff_t row = 0; row < x.rows; row += chunk_rows) {
        const DenseRows chunk{x.values + row * x.stride, x.stride,
                              std::min(chunk_rows, x.rows - row), x.cols};
        const double* first_d = n_vectors > 1 ? d + row : nullptr;
        const double* w = d + (n_vectors - 1) * d_stride + row;
        double* tile = sums + n_vectors * vector_size;
        for_each_group(x.cols, [&](std::ptrdiff_t group, std::ptrdiff_t n_packets) {
            pack_of[static_cast<std::size_t>(n_packets - 1)](
                chunk, group, w, first_d, packed.data(), sums + (n_vectors - 1) * vector_size,
                sums);
            for_each_tile(x.cols, group, n_packets,
                          [&](std::ptrdiff_t j, std::ptrdiff_t columns, std::ptrdiff_t first,
                              std::ptrdiff_t count) {
                              const auto kind = (columns - 1) * tile_packets + count - 1;
                              tile_of[static_cast<std::size_t>(kind)](
                                  chunk.values + j, chunk.stride,
                                  packed.data() + (first - group) * lanes, chunk.rows, tile);
                              tile += columns * count * lanes;
                          });
        });
    }
}

void collect_rank_update(std::ptrdiff_t cols, std::ptrdiff_t n_vectors, const double* sums,
                         const std::ptrdiff_t* columns, double* vectors, double* sandwich,
                         std::ptrdiff_t stride) {
    // Every column in the packet in which it would be if the last did not overlap.
    const auto for_each_lane = [cols](std::ptrdiff_t q, auto&& f) {
        const std::ptrdiff_t begin = packet_begin(q, cols);
        const std::ptrdiff_t end = std::min(cols, (q + 1) * lanes);
        for (std::ptrdiff_t i = q * lanes; i < end; ++i) f(i, i - begin);
    };
    for (std::ptrdiff_t m = 0; m < n_vectors; ++m)
        for (std::ptrdiff_t q = 0; q < packets_of(cols); ++q, sums += lanes)
            for_each_lane(q, [&](std::ptrdiff_t i, std::ptrdiff_t lane) {
                vectors[columns[i] + m * stride] = sums[lane];
            });
    for_each_group(cols, [&](std::ptrdiff_t group, std::ptrdiff_t n_packets) {
        for_each_tile(cols, group, n_packets,
                      [&](std::ptrdiff_t j, std::ptrdiff_t n_columns, std::ptrdiff_t first,
                          std::ptrdiff_t count) {
                          for (std::ptrdiff_t k = j; k < j + n_columns; ++k)
                              for (std::ptrdiff_t q = first; q < first + count; ++q, sums += lanes)
                                  for_each_lane(q, [&](std::ptrdiff_t i, std::ptrdiff_t lane) {
                                      if (i >= k)
                                          sandwich[columns[i] + columns[k] * stride] = sums[lane];
                                  });
                      });
    });
}

}  // namespace spikeglm
