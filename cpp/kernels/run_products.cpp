#include "run_products.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "block_products.hpp"

namespace spikeglm {
namespace {

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

/// Calls f.operator()<L, N>() for the length and number of runs. N is compiled in for one run and
/// for L of them, a product of two splines of order L; Eigen::Dynamic stands for all others.
template <class F>
void with_runs(const RowPart& x, F&& f) {
    with_length(x.run_length, [&]<int L>() {
        if (x.n_runs == 1)
            f.template operator()<L, 1>();
        else if (x.n_runs == L)
            f.template operator()<L, L>();
        else
            f.template operator()<L, Eigen::Dynamic>();
    });
}

constexpr std::ptrdiff_t fixed_or(int fixed, std::ptrdiff_t dynamic) {
    return fixed == Eigen::Dynamic ? dynamic : fixed;
}

}  // namespace

void run_matvec(const RowPart& x, std::ptrdiff_t rows, const double* coef,
                std::ptrdiff_t coef_stride, std::ptrdiff_t n_problems, double* eta,
                std::ptrdiff_t eta_stride) {
    with_runs(x, [&]<int L, int N>() {
        const std::ptrdiff_t length = fixed_or(L, x.run_length);
        const std::ptrdiff_t n_runs = fixed_or(N, x.n_runs);
        for (std::ptrdiff_t m = 0; m < n_problems; ++m)
            for (std::ptrdiff_t r = 0; r < rows; ++r) {
                const std::int32_t* starts = x.starts + r * n_runs;
                const double* values = x.values + r * x.stride;
                const auto product = [&](std::ptrdiff_t i) {
                    return ConstRun<L>(values + i * length, length) *
                           ConstRun<L>(coef + m * coef_stride + starts[i], length);
                };
                Eigen::Array<double, L, 1> sum = product(0);
                for (std::ptrdiff_t i = 1; i < n_runs; ++i) sum += product(i);
                eta[r + m * eta_stride] += sum.sum();
            }
    });
}

void run_transpose_matvec(const RowPart& x, std::ptrdiff_t rows, const double* d,
                          std::ptrdiff_t d_stride, std::ptrdiff_t n_problems, double* out,
                          std::ptrdiff_t out_stride) {
    with_runs(x, [&]<int L, int N>() {
        const std::ptrdiff_t length = fixed_or(L, x.run_length);
        const std::ptrdiff_t n_runs = fixed_or(N, x.n_runs);
        for (std::ptrdiff_t m = 0; m < n_problems; ++m)
            for (std::ptrdiff_t r = 0; r < rows; ++r) {
                const std::int32_t* starts = x.starts + r * n_runs;
                const double* values = x.values + r * x.stride;
                const double factor = d[r + m * d_stride];
                for (std::ptrdiff_t i = 0; i < n_runs; ++i)
                    Run<L>(out + m * out_stride + starts[i], length) +=
                        factor * ConstRun<L>(values + i * length, length);
            }
    });
}

namespace {

/// Calls f(std::integral_constant<int, i>) for i < N: indices that the compiler knows.
template <int N, class F>
void unrolled(F&& f) {
    [&]<int... I>(std::integer_sequence<int, I...>) {
        (f(std::integral_constant<int, I>()), ...);
    }(std::make_integer_sequence<int, N>());
}

/// Columns of ones on and below the diagonal: of a run with itself the lower triangle, by whole
/// vectors.
template <int L>
constexpr auto lower_columns = [] {
    std::array<double, L * L> columns{};
    for (std::size_t k = 0; k < L; ++k)
        for (std::size_t l = k; l < L; ++l) columns[k * L + l] = 1.0;
    return columns;
}();

/// Adds the outer products of G rows with the same starts: sums are loaded and stored once for all.
template <int L, int N, int G>
void add_outer_products(const RowPart& x, const std::int16_t* rows, const double* w, double* out,
                        std::ptrdiff_t out_stride) {
    using Stored = Eigen::Array<double, L, N>;
    const std::int32_t* starts = x.starts + rows[0] * N;
    const double* values[G];
    Stored weighted[G];
    unrolled<G>([&](auto g) {
        values[g] = x.values + rows[g] * x.stride;
        weighted[g] = w[rows[g]] * Eigen::Map<const Stored>(values[g]);
    });
    unrolled<N>([&](auto i) {
        for (int k = 0; k < L; ++k) {
            double* column = out + (starts[i] + k) * out_stride;
            unrolled<N - i>([&](auto offset) {
                constexpr int j = i + offset;
                Run<L> target(column + starts[j]);
                Eigen::Array<double, L, 1> sum = target;
                unrolled<G>([&](auto g) {
                    const double factor = values[g][i * L + k];
                    if constexpr (offset == 0)
                        sum += factor *
                               (ConstRun<L>(lower_columns<L>.data() + k * L) * weighted[g].col(j));
                    else
                        sum += factor * weighted[g].col(j);
                });
                target = sum;
            });
        }
    });
}

constexpr std::ptrdiff_t n_buckets = 256;

/// Orders up to `max_chunk` rows by their first start, modulo the number of buckets: rows with the
/// same starts come together, in their own order.
constexpr std::ptrdiff_t max_chunk = 256;
void order_rows(const RowPart& x, std::ptrdiff_t first, std::ptrdiff_t count, std::int16_t* order) {
    std::int16_t begin[n_buckets + 1] = {};
    const auto bucket = [&](std::ptrdiff_t r) {
        return x.starts[(first + r) * x.n_runs] % n_buckets;
    };
    for (std::ptrdiff_t r = 0; r < count; ++r) ++begin[bucket(r) + 1];
    for (std::ptrdiff_t i = 0; i < n_buckets; ++i)
        begin[i + 1] = static_cast<std::int16_t>(begin[i + 1] + begin[i]);
    for (std::ptrdiff_t r = 0; r < count; ++r)
        order[begin[bucket(r)]++] = static_cast<std::int16_t>(r);
}

}  // namespace

void run_sandwich(const RowPart& x, std::ptrdiff_t rows, const double* w, double* out,
                  std::ptrdiff_t out_stride) {
    with_runs(x, [&]<int L, int N>() {
        if constexpr (L != Eigen::Dynamic && N != Eigen::Dynamic) {
            std::int16_t order[max_chunk];
            for (std::ptrdiff_t first = 0; first < rows; first += max_chunk) {
                const std::ptrdiff_t count = std::min(max_chunk, rows - first);
                order_rows(x, first, count, order);
                RowPart chunk = x;
                chunk.values += first * x.stride;
                chunk.starts += first * N;
                for (std::ptrdiff_t i = 0; i < count;) {
                    const std::int32_t* starts = chunk.starts + order[i] * N;
                    if (i + 1 < count &&
                        std::equal(starts, starts + N, chunk.starts + order[i + 1] * N)) {
                        add_outer_products<L, N, 2>(chunk, order + i, w + first, out, out_stride);
                        i += 2;
                    } else {
                        add_outer_products<L, N, 1>(chunk, order + i, w + first, out, out_stride);
                        ++i;
                    }
                }
            }
        } else {
            const std::ptrdiff_t length = x.run_length;
            for (std::ptrdiff_t r = 0; r < rows; ++r) {
                const std::int32_t* starts = x.starts + r * x.n_runs;
                const double* values = x.values + r * x.stride;
                for (std::ptrdiff_t i = 0; i < x.n_runs; ++i)
                    for (std::ptrdiff_t k = 0; k < length; ++k) {
                        double* column = out + (starts[i] + k) * out_stride;
                        const double factor = w[r] * values[i * length + k];
                        for (std::ptrdiff_t l = k; l < length; ++l)
                            column[starts[i] + l] += factor * values[i * length + l];
                        for (std::ptrdiff_t j = i + 1; j < x.n_runs; ++j)
                            Run<L>(column + starts[j], length) +=
                                factor * ConstRun<L>(values + j * length, length);
                    }
            }
        }
    });
}

void run_cross(const RowPart& a, const double* a_values, const RowPart& b, std::ptrdiff_t rows,
               double* out, std::ptrdiff_t out_stride) {
    with_length(b.run_length, [&]<int L>() {
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            const std::int32_t* a_starts = a.starts + r * a.n_runs;
            const std::int32_t* b_starts = b.starts + r * b.n_runs;
            const double* factors = a_values + r * a.stored();
            const double* values = b.values + r * b.stride;
            for (std::ptrdiff_t i = 0; i < a.n_runs; ++i)
                for (std::ptrdiff_t k = 0; k < a.run_length; ++k) {
                    double* column = out + (a_starts[i] + k) * out_stride;
                    const double factor = factors[i * a.run_length + k];
                    for (std::ptrdiff_t j = 0; j < b.n_runs; ++j)
                        Run<L>(column + b_starts[j], b.run_length) +=
                            factor * ConstRun<L>(values + j * b.run_length, b.run_length);
                }
        }
    });
}

void run_dense_cross(const RowPart& a, const double* a_values, std::ptrdiff_t a_stride,
                     const RowPart& dense, const double* dense_values, std::ptrdiff_t dense_stride,
                     std::ptrdiff_t rows, double* out, std::ptrdiff_t out_stride) {
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
        const std::int32_t* starts = a.starts + r * a.n_runs;
        const double* factors = a_values + r * a_stride;
        const ConstRun<Eigen::Dynamic> values(dense_values + r * dense_stride, dense.cols);
        for (std::ptrdiff_t i = 0; i < a.n_runs; ++i)
            for (std::ptrdiff_t k = 0; k < a.run_length; ++k)
                Run<Eigen::Dynamic>(out + (starts[i] + k) * out_stride, dense.cols) +=
                    factors[i * a.run_length + k] * values;
    }
}

void multiply_kernel(const RowPart& left, const RowPart& right, std::ptrdiff_t channels,
                     std::ptrdiff_t rows, double* values, std::ptrdiff_t stride,
                     std::int32_t* starts) {
    const ChannelRuns slow(left, channels);
    const ChannelRuns fast(right, channels);
    const auto multiply = [&]<int L, int N>() {
        const std::ptrdiff_t length = fixed_or(L, fast.run_length());
        const std::ptrdiff_t n_runs = fixed_or(N, fast.n_runs());
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            double* out = values + r * stride;
            for (std::ptrdiff_t c = 0; c < channels; ++c) {
                const double* factor = slow.values(r, c);
                const double* source = fast.values(r, c);
                for (std::ptrdiff_t i = 0; i < slow.n_runs(); ++i) {
                    std::ptrdiff_t first = (c * slow.cols() + slow.start(r, c, i)) * fast.cols();
                    for (std::ptrdiff_t k = 0; k < slow.run_length(); ++k, ++factor) {
                        for (std::ptrdiff_t j = 0; j < n_runs; ++j, out += length)
                            Run<L>(out, length) =
                                *factor * ConstRun<L>(source + j * length, length);
                        for (std::ptrdiff_t j = 0; starts != nullptr && j < n_runs; ++j)
                            *starts++ = static_cast<std::int32_t>(first + fast.start(r, c, j));
                        first += fast.cols();
                    }
                }
            }
        }
    };
    with_length(fast.run_length(), [&]<int L>() {
        if (fast.n_runs() == 1)
            multiply.template operator()<L, 1>();
        else
            multiply.template operator()<L, Eigen::Dynamic>();
    });
}

}  // namespace spikeglm
