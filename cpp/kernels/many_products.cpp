#include "many_products.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "register_tiles.hpp"
#include "spikeglm/backend/kernel_table.hpp"

namespace spikeglm {
namespace {

using namespace tiles;

static_assert(problem_lanes % lanes == 0 && tile_columns % lanes == 0);

/// Rows that are laid out side by side at a time; with the columns of a tile they stay in the first
/// cache.
constexpr std::ptrdiff_t chunk_rows = 64;

// The alignment of a register is that of its type without the attribute too.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"
using Square = packets::PacketBlock<Register, lanes>;
#pragma GCC diagnostic pop

/// Calls f(first, count) for groups of packets of problems.
template <class F>
void for_each_problem_group(std::ptrdiff_t n_problems, F&& f) {
    for_each_group((n_problems + lanes - 1) / lanes, f);
}

/// eta of a tile of rows and packets of problems.
template <int Rows, int Packets>
struct EtaTile {
    Register sums[Rows][Packets];

    EtaTile() {
        for (auto& row : sums)
            for (Register& value : row) value = packets::pset1<Register>(0.0);
    }

    void add_dense(const double* x, std::ptrdiff_t stride, std::ptrdiff_t cols, const double* coef,
                   std::ptrdiff_t coef_stride) {
        for (std::ptrdiff_t c = 0; c < cols; ++c) {
            Register own[Packets];
            unrolled<Packets>(
                [&](auto v) { own[v] = packets::ploadu<Register>(coef + v * lanes); });
            unrolled<Rows>([&](auto r) {
                const Register value = packets::pset1<Register>(x[r * stride]);
                unrolled<Packets>(
                    [&](auto v) { sums[r][v] = packets::pmadd(value, own[v], sums[r][v]); });
            });
            ++x;
            coef += coef_stride;
        }
    }

    /// Adds to eta[r + m * eta_stride] for m < n_problems.
    void add_to_eta(double* eta, std::ptrdiff_t eta_stride, std::ptrdiff_t n_problems) const {
        if constexpr (Rows % lanes == 0) {
            for (int r = 0; r < Rows; r += lanes)
                for (int v = 0; v < Packets; ++v) {
                    Square square;
                    for (int i = 0; i < lanes; ++i) square.packet[i] = sums[r + i][v];
                    packets::ptranspose(square);
                    const std::ptrdiff_t n =
                        std::min<std::ptrdiff_t>(lanes, n_problems - v * lanes);
                    for (std::ptrdiff_t m = 0; m < n; ++m)
                        add_to(eta + r + (v * lanes + m) * eta_stride, square.packet[m]);
                }
        } else {
            std::array<double, Packets * lanes> row;
            for (int r = 0; r < Rows; ++r) {
                for (int v = 0; v < Packets; ++v)
                    packets::pstoreu(row.data() + v * lanes, sums[r][v]);
                for (std::ptrdiff_t m = 0; m < std::min<std::ptrdiff_t>(n_problems, row.size());
                     ++m)
                    eta[r + m * eta_stride] += row[static_cast<std::size_t>(m)];
            }
        }
    }
};

template <int Rows, int Packets>
void add_eta(const RowPart& x, std::ptrdiff_t first, const double* coef, std::ptrdiff_t coef_stride,
             std::ptrdiff_t n_problems, double* eta, std::ptrdiff_t eta_stride) {
    EtaTile<Rows, Packets> tile;
    if (!x.sparse()) {
        tile.add_dense(x.values + first * x.stride, x.stride, x.cols, coef, coef_stride);
    } else {
        for (int r = 0; r < Rows; ++r)
            for_each_stored(x, first + r, [&](std::ptrdiff_t c, double stored) {
                const Register value = packets::pset1<Register>(stored);
                unrolled<Packets>([&](auto v) {
                    tile.sums[r][v] = packets::pmadd(
                        value, packets::ploadu<Register>(coef + c * coef_stride + v * lanes),
                        tile.sums[r][v]);
                });
            });
    }
    tile.add_to_eta(eta + first, eta_stride, n_problems);
}

using Eta = decltype(&add_eta<1, 1>);

template <int Rows>
constexpr auto eta_of = []<int... V>(std::integer_sequence<int, V...>) {
    return std::array<Eta, tile_packets>{add_eta<Rows, V + 1>...};
}(std::make_integer_sequence<int, tile_packets>());

/// packed[r * packed_stride + m] = d[r + m * d_stride] for `count` packets of problems, zero from
/// n_problems on.
void pack_problems(const double* d, std::ptrdiff_t d_stride, std::ptrdiff_t n_problems,
                   std::ptrdiff_t count, std::ptrdiff_t rows, double* packed) {
    for (std::ptrdiff_t v = 0; v < count; ++v) {
        const std::ptrdiff_t n = std::min<std::ptrdiff_t>(lanes, n_problems - v * lanes);
        const double* source = d + v * lanes * d_stride;
        double* target = packed + v * lanes;
        std::ptrdiff_t r = 0;
        for (; r + lanes <= rows; r += lanes) {
            Square square;
            for (int m = 0; m < lanes; ++m)
                square.packet[m] = m < n ? packets::ploadu<Register>(source + r + m * d_stride)
                                         : packets::pset1<Register>(0.0);
            packets::ptranspose(square);
            for (int i = 0; i < lanes; ++i)
                packets::pstore(target + (r + i) * packed_stride, square.packet[i]);
        }
        for (; r < rows; ++r)
            for (std::ptrdiff_t m = 0; m < lanes; ++m)
                target[r * packed_stride + m] = m < n ? source[r + m * d_stride] : 0.0;
    }
}

void add_sparse(const RowPart& x, std::ptrdiff_t first, std::ptrdiff_t rows, const double* packed,
                std::ptrdiff_t n_packets, double* out, std::ptrdiff_t out_stride) {
    for (std::ptrdiff_t r = 0; r < rows; ++r, packed += packed_stride)
        for_each_stored(x, first + r, [&](std::ptrdiff_t c, double stored) {
            const Register value = packets::pset1<Register>(stored);
            double* target = out + c * out_stride;
            for (std::ptrdiff_t v = 0; v < n_packets; ++v)
                packets::pstoreu(target + v * lanes,
                                 packets::pmadd(value, packets::pload<Register>(packed + v * lanes),
                                                packets::ploadu<Register>(target + v * lanes)));
        });
}

}  // namespace

void matvec_many_kernel(const RowBlock& x, const double* coef, std::ptrdiff_t coef_stride,
                        std::ptrdiff_t n_problems, double* eta, std::ptrdiff_t eta_stride) {
    for (std::ptrdiff_t i = 0; i < x.n_parts; ++i) {
        const RowPart& part = x.parts[i];
        if (part.cols == 0) continue;
        for_each_problem_group(n_problems, [&](std::ptrdiff_t group, std::ptrdiff_t n_packets) {
            const double* own = coef + part.first_col * coef_stride + group * lanes;
            const auto add = [&](const auto& kernels, std::ptrdiff_t r) {
                kernels[static_cast<std::size_t>(n_packets - 1)](
                    part, r, own, coef_stride, n_problems - group * lanes,
                    eta + group * lanes * eta_stride, eta_stride);
            };
            std::ptrdiff_t r = 0;
            for (; r + tile_columns <= x.rows; r += tile_columns) add(eta_of<tile_columns>, r);
            for (; r < x.rows; ++r) add(eta_of<1>, r);
        });
    }
}

void transpose_matvec_many_kernel(const RowBlock& x, const double* d, std::ptrdiff_t d_stride,
                                  std::ptrdiff_t n_problems, double* out,
                                  std::ptrdiff_t out_stride) {
    alignas(64) std::array<double, chunk_rows * packed_stride> packed;
    for (std::ptrdiff_t first = 0; first < x.rows; first += chunk_rows) {
        const std::ptrdiff_t rows = std::min(chunk_rows, x.rows - first);
        for_each_problem_group(n_problems, [&](std::ptrdiff_t group, std::ptrdiff_t n_packets) {
            pack_problems(d + first + group * lanes * d_stride, d_stride,
                          n_problems - group * lanes, n_packets, rows, packed.data());
            for (std::ptrdiff_t i = 0; i < x.n_parts; ++i) {
                const RowPart& part = x.parts[i];
                double* own = out + part.first_col * out_stride + group * lanes;
                if (part.sparse()) {
                    add_sparse(part, first, rows, packed.data(), n_packets, own, out_stride);
                    continue;
                }
                // What follows in memory is most likely the next block: it comes while the
                // registers work.
                const double* values = part.values + first * part.stride;
                const auto* ahead = reinterpret_cast<const char*>(values + x.rows * part.stride);
                for (std::ptrdiff_t c = 0; c < part.cols; c += tile_columns) {
                    const auto columns = std::min<std::ptrdiff_t>(tile_columns, part.cols - c);
                    tile_of(columns, n_packets)(values + c, part.stride, packed.data(), rows,
                                                {ahead + c * 8, part.stride * 8},
                                                own + c * out_stride, out_stride);
                }
            }
        });
    }
}

}  // namespace spikeglm
