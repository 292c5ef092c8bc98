#include "run_products.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "block_products.hpp"
#include "runs.hpp"

namespace spikeglm {
namespace {

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

}  // namespace

void run_matvec(const RowPart& x, std::ptrdiff_t rows, const double* coef, double* eta) {
    with_runs(x, [&]<int L, int N>() {
        const std::ptrdiff_t length = fixed_or(L, x.run_length);
        const std::ptrdiff_t n_runs = fixed_or(N, x.n_runs);
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            const std::int32_t* starts = x.starts + r * n_runs;
            const double* values = x.values + r * x.stride;
            const auto product = [&](std::ptrdiff_t i) {
                return ConstRun<L>(values + i * length, length) *
                       ConstRun<L>(coef + starts[i], length);
            };
            if constexpr (L == Eigen::Dynamic) {
                for (std::ptrdiff_t i = 0; i < n_runs; ++i) eta[r] += product(i).sum();
            } else {
                Eigen::Array<double, L, 1> sum = product(0);
                for (std::ptrdiff_t i = 1; i < n_runs; ++i) sum += product(i);
                eta[r] += sum.sum();
            }
        }
    });
}

void run_transpose_matvec(const RowPart& x, std::ptrdiff_t rows, const double* d,
                          std::ptrdiff_t d_stride, std::ptrdiff_t n_vectors, double* out,
                          std::ptrdiff_t out_stride) {
    with_runs(x, [&]<int L, int N>() {
        const std::ptrdiff_t length = fixed_or(L, x.run_length);
        const std::ptrdiff_t n_runs = fixed_or(N, x.n_runs);
        const auto add = [&]<int P>() {
            for (std::ptrdiff_t r = 0; r < rows; ++r) {
                const std::int32_t* starts = x.starts + r * n_runs;
                const double* values = x.values + r * x.stride;
                for (std::ptrdiff_t i = 0; i < n_runs; ++i) {
                    const ConstRun<L> run(values + i * length, length);
                    for (std::ptrdiff_t m = 0; m < P; ++m)
                        Run<L>(out + m * out_stride + starts[i], length) +=
                            d[r + m * d_stride] * run;
                }
            }
        };
        // Two: the gradient and what centres the curvature.
        if (n_vectors == 2)
            add.template operator()<2>();
        else
            add.template operator()<1>();
    });
}

namespace {

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
                if constexpr (offset == 0) {
                    Eigen::Array<double, L, 1> sum = values[0][i * L + k] * weighted[0].col(j);
                    unrolled<G - 1>(
                        [&](auto g) { sum += values[g + 1][i * L + k] * weighted[g + 1].col(j); });
                    target += ConstRun<L>(lower_columns<L>.data() + k * L) * sum;
                } else {
                    Eigen::Array<double, L, 1> sum = target;
                    unrolled<G>([&](auto g) { sum += values[g][i * L + k] * weighted[g].col(j); });
                    target = sum;
                }
            });
        }
    });
}

/// Rows that are ordered at a time, and buckets to order them by: memory on the stack.
constexpr std::ptrdiff_t max_chunk = 256;
constexpr std::ptrdiff_t n_buckets = 256;

/// Orders rows by their first start modulo the number of buckets: most of those with the same
/// starts come together, in their own order.
void order_rows(const RowPart& x, std::ptrdiff_t rows, std::int16_t* order) {
    std::int16_t begin[n_buckets + 1] = {};
    const auto bucket = [&](std::ptrdiff_t r) { return x.starts[r * x.n_runs] % n_buckets; };
    for (std::ptrdiff_t r = 0; r < rows; ++r) ++begin[bucket(r) + 1];
    std::partial_sum(begin, begin + n_buckets, begin);
    for (std::ptrdiff_t r = 0; r < rows; ++r)
        order[begin[bucket(r)]++] = static_cast<std::int16_t>(r);
}

/// For lengths and numbers of runs that are compiled in.
template <int L, int N>
void sandwich_in_groups(RowPart x, std::ptrdiff_t rows, const double* w, double* out,
                        std::ptrdiff_t out_stride) {
    std::int16_t order[max_chunk];
    for (; rows > 0; rows -= max_chunk, w += max_chunk) {
        const std::ptrdiff_t count = std::min(max_chunk, rows);
        order_rows(x, count, order);
        for (std::ptrdiff_t i = 0; i < count;) {
            const std::int32_t* starts = x.starts + order[i] * N;
            std::ptrdiff_t equal = 1;
            while (equal < 4 && i + equal < count &&
                   std::equal(starts, starts + N, x.starts + order[i + equal] * N))
                ++equal;
            if (equal == 4) {
                add_outer_products<L, N, 4>(x, order + i, w, out, out_stride);
            } else if (equal >= 2) {
                add_outer_products<L, N, 2>(x, order + i, w, out, out_stride);
                equal = 2;
            } else {
                add_outer_products<L, N, 1>(x, order + i, w, out, out_stride);
            }
            i += equal;
        }
        x.values += count * x.stride;
        x.starts += count * N;
    }
}

template <int L>
void sandwich_row_by_row(const RowPart& x, std::ptrdiff_t rows, const double* w, double* out,
                         std::ptrdiff_t out_stride) {
    const std::ptrdiff_t length = fixed_or(L, x.run_length);
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

}  // namespace

void run_sandwich(const RowPart& x, std::ptrdiff_t rows, const double* w, double* out,
                  std::ptrdiff_t out_stride) {
    with_runs(x, [&]<int L, int N>() {
        if constexpr (L != Eigen::Dynamic && N != Eigen::Dynamic)
            sandwich_in_groups<L, N>(x, rows, w, out, out_stride);
        else
            sandwich_row_by_row<L>(x, rows, w, out, out_stride);
    });
}

namespace {

/// Single rows of a part of runs; those of a factored part are multiplied out.
class RowRuns {
public:
    explicit RowRuns(const RowPart& part) : part_(part) {}

    /// Goes to a row. Its runs follow each other in `values`.
    void go_to(std::ptrdiff_t r) {
        if (!part_.factored()) {
            values = part_.values + r * part_.stride;
            starts = part_.starts + r * part_.n_runs;
            return;
        }
        const RowPart& slow = part_.factors[0];
        const RowPart& fast = part_.factors[1];
        const std::ptrdiff_t begin = slow.starts[r] * fast.cols + fast.starts[r];
        for (std::ptrdiff_t i = 0; i < part_.n_runs; ++i) {
            product_starts_[i] = static_cast<std::int32_t>(begin + i * fast.cols);
            for (std::ptrdiff_t k = 0; k < part_.run_length; ++k)
                product_[i * part_.run_length + k] =
                    slow.values[r * slow.stride + i] * fast.values[r * fast.stride + k];
        }
        values = product_;
        starts = product_starts_;
    }

    const double* values = nullptr;
    const std::int32_t* starts = nullptr;

private:
    const RowPart& part_;
    double product_[max_factor_run * max_factor_run];
    std::int32_t product_starts_[max_factor_run];
};

}  // namespace

void run_cross(const RowPart& a, const RowPart& b, std::ptrdiff_t rows, const double* w,
               double* out, std::ptrdiff_t out_stride) {
    RowRuns of_a(a);
    RowRuns of_b(b);
    with_length(b.run_length, [&]<int L>() {
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            of_a.go_to(r);
            of_b.go_to(r);
            for (std::ptrdiff_t i = 0; i < a.n_runs; ++i)
                for (std::ptrdiff_t k = 0; k < a.run_length; ++k) {
                    double* column = out + (of_a.starts[i] + k) * out_stride;
                    const double factor = w[r] * of_a.values[i * a.run_length + k];
                    for (std::ptrdiff_t j = 0; j < b.n_runs; ++j)
                        Run<L>(column + of_b.starts[j], b.run_length) +=
                            factor * ConstRun<L>(of_b.values + j * b.run_length, b.run_length);
                }
        }
    });
}

void run_dense_cross(const RowPart& a, const RowPart& dense, std::ptrdiff_t rows, const double* w,
                     double* out, std::ptrdiff_t out_stride) {
    RowRuns of_a(a);
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
        of_a.go_to(r);
        const ConstRun<Eigen::Dynamic> values(dense.values + r * dense.stride, dense.cols);
        for (std::ptrdiff_t i = 0; i < a.n_runs; ++i)
            for (std::ptrdiff_t k = 0; k < a.run_length; ++k)
                Run<Eigen::Dynamic>(out + (of_a.starts[i] + k) * out_stride, dense.cols) +=
                    w[r] * of_a.values[i * a.run_length + k] * values;
    }
}

namespace {

/// L: length of the fast runs; S: length of the slow run, where there is one; N: number of fast
/// runs.
template <int L, int S, int N>
void multiply_rows(const ChannelRuns& slow, const ChannelRuns& fast, std::ptrdiff_t channels,
                   std::ptrdiff_t rows, double* values, std::ptrdiff_t stride,
                   std::int32_t* starts) {
    const std::ptrdiff_t length = fixed_or(L, fast.run_length());
    const std::ptrdiff_t n_fast = fixed_or(N, fast.n_runs());
    const std::ptrdiff_t slow_length = fixed_or(S, slow.run_length());
    const std::ptrdiff_t n_slow = S == Eigen::Dynamic ? slow.n_runs() : 1;
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
        double* out = values + r * stride;
        for (std::ptrdiff_t c = 0; c < channels; ++c) {
            const double* factors = slow.values(r, c);
            const double* source = fast.values(r, c);
            for (std::ptrdiff_t i = 0; i < n_slow * slow_length; ++i)
                for (std::ptrdiff_t j = 0; j < n_fast; ++j, out += length)
                    Run<L>(out, length) = factors[i] * ConstRun<L>(source + j * length, length);
            if (starts == nullptr) continue;
            for (std::ptrdiff_t i = 0; i < n_slow; ++i) {
                const std::ptrdiff_t function = c * slow.cols() + slow.start(r, c, i);
                for (std::ptrdiff_t j = 0; j < n_fast; ++j) {
                    const std::ptrdiff_t begin = function * fast.cols() + fast.start(r, c, j);
                    for (std::ptrdiff_t k = 0; k < slow_length; ++k)
                        starts[k * n_fast + j] = static_cast<std::int32_t>(begin + k * fast.cols());
                }
                starts += slow_length * n_fast;
            }
        }
    }
}

}  // namespace

void multiply_kernel(const RowPart& left, const RowPart& right, std::ptrdiff_t channels,
                     std::ptrdiff_t rows, double* values, std::ptrdiff_t stride,
                     std::int32_t* starts) {
    const ChannelRuns slow(left, channels);
    const ChannelRuns fast(right, channels);
    with_length(fast.run_length(), [&]<int L>() {
        const auto multiply = fast.n_runs() != 1 ? multiply_rows<L, Eigen::Dynamic, Eigen::Dynamic>
                              : slow.n_runs() == 1 && slow.run_length() == L
                                  ? multiply_rows<L, L, 1>
                                  : multiply_rows<L, Eigen::Dynamic, 1>;
        multiply(slow, fast, channels, rows, values, stride, starts);
    });
}

}  // namespace spikeglm
