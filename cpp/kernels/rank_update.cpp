#include "rank_update.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "register_tiles.hpp"

namespace spikeglm {
namespace {

using namespace tiles;

/// Rows that are weighted at a time; with the columns of a tile they stay in the first cache.
constexpr std::ptrdiff_t chunk_rows = 64;

std::ptrdiff_t packets_of(std::ptrdiff_t cols) { return (cols + lanes - 1) / lanes; }

/// Where packet q begins: the last one ends with the columns, so that no load is partial.
std::ptrdiff_t packet_begin(std::ptrdiff_t q, std::ptrdiff_t cols) {
    return std::min(q * lanes, cols - lanes);
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

/// Writes w x for the packets of a group, packed_stride from row to row, and adds the sums over
/// rows to `weighted_sums`; WithD: those of d x to `sums`.
template <int Packets, bool WithD>
void pack(const DenseRows& x, std::ptrdiff_t first, const double* w, const double* d,
          double* packed, double* weighted_sums, double* sums) {
    const double* source[Packets];
    Register weighted_total[Packets];
    Register total[Packets];
    for (int v = 0; v < Packets; ++v) {
        source[v] = x.values + packet_begin(first + v, x.cols);
        weighted_total[v] = total[v] = packets::pset1<Register>(0.0);
    }
    for (std::ptrdiff_t r = 0; r < x.rows; ++r) {
        const Register weight = packets::pset1<Register>(w[r]);
        unrolled<Packets>([&](auto v) {
            const auto value = packets::ploadu<Register>(source[v] + r * x.stride);
            const Register product = packets::pmul(weight, value);
            packets::pstore(packed + r * packed_stride + v * lanes, product);
            weighted_total[v] = packets::padd(weighted_total[v], product);
            if constexpr (WithD)
                total[v] = packets::pmadd(packets::pset1<Register>(d[r]), value, total[v]);
        });
    }
    for (int v = 0; v < Packets; ++v) {
        add_to(weighted_sums + (first + v) * lanes, weighted_total[v]);
        if constexpr (WithD) add_to(sums + (first + v) * lanes, total[v]);
    }
}

using Pack = decltype(&pack<1, false>);
constexpr auto pack_of = []<int... V>(std::integer_sequence<int, V...>) {
    return std::array<Pack, 2 * tile_packets>{pack<V / 2 + 1, V % 2 != 0>...};
}(std::make_integer_sequence<int, 2 * tile_packets>());
/// Columns that are summed: fewer than a packet has are filled up with zeros.
std::ptrdiff_t filled(std::ptrdiff_t cols) {
    return cols > 0 ? std::max<std::ptrdiff_t>(cols, lanes) : 0;
}

struct Sizes {
    std::ptrdiff_t n_tiles = 0;
    std::ptrdiff_t doubles = 0;
};

Sizes sizes_of(std::ptrdiff_t cols, std::ptrdiff_t n_vectors) {
    Sizes sizes{0, n_vectors * packets_of(cols) * lanes};
    for_each_group(packets_of(cols), [&](std::ptrdiff_t group, std::ptrdiff_t n_packets) {
        for_each_tile(
            cols, group, n_packets,
            [&](std::ptrdiff_t, std::ptrdiff_t columns, std::ptrdiff_t, std::ptrdiff_t count) {
                ++sizes.n_tiles;
                sizes.doubles += columns * count * lanes;
            });
    });
    return sizes;
}

/// Adds the sums of at most chunk_rows rows.
void add_chunk(const DenseRows& x, const double* w, const double* d, const char* ahead,
               std::ptrdiff_t ahead_stride, double* sums) {
    alignas(64) std::array<double, chunk_rows * packed_stride> packed;
    const std::ptrdiff_t vector_size = packets_of(x.cols) * lanes;
    const bool with_d = d != nullptr;
    double* weighted_sums = with_d ? sums + vector_size : sums;
    double* tile = weighted_sums + vector_size;
    for_each_group(packets_of(x.cols), [&](std::ptrdiff_t group, std::ptrdiff_t n_packets) {
        pack_of[static_cast<std::size_t>(2 * (n_packets - 1) + with_d)](
            x, group, w, d, packed.data(), weighted_sums, sums);
        for_each_tile(x.cols, group, n_packets,
                      [&](std::ptrdiff_t j, std::ptrdiff_t columns, std::ptrdiff_t first,
                          std::ptrdiff_t count) {
                          tile_of(columns, count)(x.values + j, x.stride,
                                                  packed.data() + (first - group) * lanes, x.rows,
                                                  {ahead, ahead_stride}, tile, count * lanes);
                          tile += columns * count * lanes;
                          ahead += x.rows * ahead_stride;
                      });
    });
}

}  // namespace

std::ptrdiff_t rank_update_size(std::ptrdiff_t cols, std::ptrdiff_t n_vectors) {
    return sizes_of(filled(cols), n_vectors).doubles;
}

void add_rank_update(const DenseRows& x, const double* d, std::ptrdiff_t d_stride,
                     std::ptrdiff_t n_vectors, double* sums) {
    if (x.cols == 0) return;
    // What follows in memory is most likely the next block: it comes while the registers work. Only
    // addresses, which need not be anyone's.
    const std::ptrdiff_t n_tiles = sizes_of(filled(x.cols), 0).n_tiles;
    const std::ptrdiff_t row_bytes = x.cols * static_cast<std::ptrdiff_t>(sizeof(double));
    const std::ptrdiff_t ahead_stride = (row_bytes + n_tiles - 1) / n_tiles;
    std::array<double, chunk_rows * lanes> narrow;
    if (x.cols < lanes) narrow.fill(0.0);
    for (std::ptrdiff_t row = 0; row < x.rows; row += chunk_rows) {
        DenseRows chunk = x;
        chunk.values += row * x.stride;
        chunk.rows = std::min(chunk_rows, x.rows - row);
        const auto* ahead = reinterpret_cast<const char*>(chunk.values + x.rows * x.stride);
        if (x.cols < lanes) {
            for (std::ptrdiff_t r = 0; r < chunk.rows; ++r)
                for (std::ptrdiff_t c = 0; c < x.cols; ++c)
                    narrow[static_cast<std::size_t>(r * lanes + c)] =
                        chunk.values[r * x.stride + c];
            chunk = {narrow.data(), lanes, chunk.rows, lanes};
        }
        add_chunk(chunk, d + (n_vectors - 1) * d_stride + row, n_vectors > 1 ? d + row : nullptr,
                  ahead, ahead_stride, sums);
    }
}

void collect_rank_update(std::ptrdiff_t cols, std::ptrdiff_t n_vectors, const double* sums,
                         const std::ptrdiff_t* columns, double* vectors, double* sandwich,
                         std::ptrdiff_t stride) {
    const std::ptrdiff_t n = filled(cols);
    // Every column in the packet in which it would be if the last did not overlap.
    const auto for_each_lane = [&](std::ptrdiff_t q, auto&& f) {
        const std::ptrdiff_t end = std::min(cols, (q + 1) * lanes);
        for (std::ptrdiff_t i = q * lanes; i < end; ++i) f(i, sums[i - packet_begin(q, n)]);
        sums += lanes;
    };
    for (std::ptrdiff_t m = 0; m < n_vectors; ++m)
        for (std::ptrdiff_t q = 0; q < packets_of(n); ++q)
            for_each_lane(
                q, [&](std::ptrdiff_t i, double sum) { vectors[columns[i] + m * stride] = sum; });
    for_each_group(packets_of(n), [&](std::ptrdiff_t group, std::ptrdiff_t n_packets) {
        for_each_tile(n, group, n_packets,
                      [&](std::ptrdiff_t j, std::ptrdiff_t n_columns, std::ptrdiff_t first,
                          std::ptrdiff_t count) {
                          for (std::ptrdiff_t k = j; k < j + n_columns; ++k)
                              for (std::ptrdiff_t q = first; q < first + count; ++q)
                                  for_each_lane(q, [&](std::ptrdiff_t i, double sum) {
                                      if (i >= k) sandwich[columns[i] + columns[k] * stride] = sum;
                                  });
                      });
    });
}

}  // namespace spikeglm
