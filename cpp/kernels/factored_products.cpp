#include "factored_products.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "runs.hpp"

namespace spikeglm {
namespace {

/// Calls f.operator()<S, L>() for the lengths of the slow and the fast run.
template <class F>
void with_factors(const RowPart& x, F&& f) {
    with_length(x.n_runs, [&]<int S>() {
        with_length(x.run_length, [&]<int L>() {
            if constexpr (S != Eigen::Dynamic && L != Eigen::Dynamic) f.template operator()<S, L>();
        });
    });
}

constexpr int pairs_of(int n) { return n * (n + 1) / 2; }

/// N adjacent numbers as vector registers, the last filled up.
template <int N>
struct Vectors {
    static constexpr int whole = Eigen::internal::packet_traits<double>::size;
    static constexpr int half = std::max(2, whole / 2);
    static constexpr int width = N <= half ? half : whole;
    static constexpr int count = (N + width - 1) / width;
    static constexpr int size = count * width;
    using Register = Eigen::Array<double, width, 1>;
};

/// What a cell of slow runs of S and fast ones of L sums up.
template <int S, int L>
struct CellSums {
    using Fast = Vectors<L>;
    using FastPairs = Vectors<pairs_of(L)>;
    /// After the S x L sums of every vector, the pairs of the slow run by those of the fast one.
    static constexpr int vectors(int n_vectors) { return n_vectors * S * Fast::size; }
    static constexpr int size(int n_vectors) {
        return vectors(n_vectors) + pairs_of(S) * FastPairs::size;
    }
};

/// out(k, .) += sum_r left(r, k) right(r, .), for k < K.
template <int K, class V>
void add_tile(std::ptrdiff_t rows, const double* left, std::ptrdiff_t left_stride,
              const double* right, std::ptrdiff_t right_stride, double* out) {
    using Register = typename V::Register;
    Register sums[K][V::count];
    unrolled<K>([&](auto k) {
        unrolled<V::count>([&](auto v) {
            sums[k][v] = Eigen::Map<const Register>(out + k * V::size + v * V::width);
        });
    });
    for (; rows > 0; --rows, left += left_stride, right += right_stride) {
        Register values[V::count];
        unrolled<V::count>(
            [&](auto v) { values[v] = Eigen::Map<const Register>(right + v * V::width); });
        unrolled<K>([&](auto k) {
            unrolled<V::count>([&](auto v) { sums[k][v] += left[k] * values[v]; });
        });
    }
    unrolled<K>([&](auto k) {
        unrolled<V::count>(
            [&](auto v) { Eigen::Map<Register>(out + k * V::size + v * V::width) = sums[k][v]; });
    });
}

/// The same in tiles whose sums fit the registers of the processor, beside the other operands.
template <int K, class V>
void add_outer(std::ptrdiff_t rows, const double* left, std::ptrdiff_t left_stride,
               const double* right, std::ptrdiff_t right_stride, double* out) {
    constexpr int free = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS - V::count - 1;
    constexpr int tile = std::min(K, free / V::count);
    add_tile<tile, V>(rows, left, left_stride, right, right_stride, out);
    if constexpr (K > tile)
        add_outer<K - tile, V>(rows, left + tile, left_stride, right, right_stride,
                               out + tile * V::size);
}

/// x_k y_l for l >= k.
template <int N>
void multiply_pairs(const double* x, const double* y, double* out) {
    unrolled<N>([&](auto k) { unrolled<N - k>([&](auto l) { *out++ = x[k] * y[k + l]; }); });
}

/// Rows that are ordered at a time, and buckets to order them by: memory on the stack.
constexpr std::ptrdiff_t max_chunk = 1024;
constexpr std::ptrdiff_t n_buckets = 256;

/// Orders rows by cell modulo the number of buckets, those of a bucket in their own order.
void order_by_cell(const std::int32_t* cell, std::ptrdiff_t rows, std::int16_t* order) {
    std::int16_t begin[n_buckets + 1] = {};
    for (std::ptrdiff_t r = 0; r < rows; ++r) ++begin[cell[r] % n_buckets + 1];
    std::partial_sum(begin, begin + n_buckets, begin);
    for (std::ptrdiff_t r = 0; r < rows; ++r)
        order[begin[cell[r] % n_buckets]++] = static_cast<std::int16_t>(r);
}

/// Rows whose operands are laid out side by side at a time. Enough for a load not to meet a store
/// that is still on its way to the cache.
constexpr std::ptrdiff_t batch = 32;

template <int S, int L>
void add_cells(const RowPart& x, std::ptrdiff_t rows, const double* d, std::ptrdiff_t d_stride,
               std::ptrdiff_t n_vectors, double* sums) {
    using Sums = CellSums<S, L>;
    constexpr int left_size = 2 * S + pairs_of(S);
    constexpr int right_size = Sums::Fast::size + Sums::FastPairs::size;
    const RowPart& slow = x.factors[0];
    const RowPart& fast = x.factors[1];
    const Cells cells(x);
    const bool two = n_vectors == 2;
    const std::ptrdiff_t vectors_size = Sums::vectors(two ? 2 : 1);
    const std::ptrdiff_t cell_size = Sums::size(two ? 2 : 1);
    const double* w = d + (n_vectors - 1) * d_stride;
    double left[batch * left_size];
    double right[batch * right_size] = {};
    std::int32_t cell[max_chunk];
    std::int16_t order[max_chunk];
    for (std::ptrdiff_t first = 0; first < rows; first += max_chunk) {
        const std::ptrdiff_t count = std::min(max_chunk, rows - first);
        for (std::ptrdiff_t i = 0; i < count; ++i)
            cell[i] = static_cast<std::int32_t>(cells.of_row(first + i));
        order_by_cell(cell, count, order);
        for (std::ptrdiff_t begin = 0; begin < count; begin += batch) {
            const std::ptrdiff_t n = std::min(batch, count - begin);
            for (std::ptrdiff_t i = 0; i < n; ++i) {
                const std::ptrdiff_t r = first + order[begin + i];
                const Eigen::Array<double, S, 1> a = ConstRun<S>(slow.values + r * slow.stride);
                const Eigen::Array<double, L, 1> b = ConstRun<L>(fast.values + r * fast.stride);
                double* l = left + i * left_size;
                const Eigen::Array<double, S, 1> weighted = w[r] * a;
                Run<S>{l} = d[r] * a;
                Run<S>{l + S} = weighted;
                multiply_pairs<S>(weighted.data(), a.data(), l + 2 * S);
                double* t = right + i * right_size;
                Run<L>{t} = b;
                multiply_pairs<L>(b.data(), b.data(), t + Sums::Fast::size);
            }
            for (std::ptrdiff_t i = 0; i < n;) {
                const std::int32_t own = cell[order[begin + i]];
                std::ptrdiff_t end = i + 1;
                while (end < n && cell[order[begin + end]] == own) ++end;
                double* out = sums + own * cell_size;
                const double* l = left + i * left_size;
                const double* t = right + i * right_size;
                if (two)
                    add_outer<2 * S, typename Sums::Fast>(end - i, l, left_size, t, right_size,
                                                          out);
                else
                    add_outer<S, typename Sums::Fast>(end - i, l, left_size, t, right_size, out);
                add_outer<pairs_of(S), typename Sums::FastPairs>(end - i, l + 2 * S, left_size,
                                                                 t + Sums::Fast::size, right_size,
                                                                 out + vectors_size);
                i = end;
            }
        }
    }
}

template <int S, int L>
void collect_cells(const RowPart& part, std::ptrdiff_t n_vectors, const double* sums,
                   double* vectors, std::ptrdiff_t vector_stride, double* sandwich,
                   std::ptrdiff_t sandwich_stride) {
    using Sums = CellSums<S, L>;
    const Cells cells(part);
    const std::ptrdiff_t fast_cols = part.factors[1].cols;
    for (std::ptrdiff_t cell = 0; cell < cells.count(); ++cell) {
        const std::ptrdiff_t first = cells.first_col(cell);
        for (std::ptrdiff_t m = 0; m < n_vectors; ++m)
            for (int i = 0; i < S; ++i, sums += Sums::Fast::size)
                for (int j = 0; j < L; ++j)
                    vectors[m * vector_stride + first + i * fast_cols + j] += sums[j];
        for (int i = 0; i < S; ++i)
            for (int k = i; k < S; ++k, sums += Sums::FastPairs::size) {
                const double* sum = sums;
                for (int j = 0; j < L; ++j)
                    for (int l = j; l < L; ++l, ++sum) {
                        const auto add = [&](int row, int column) {
                            sandwich[first + k * fast_cols + row +
                                     (first + i * fast_cols + column) * sandwich_stride] += *sum;
                        };
                        add(l, j);
                        if (i != k && j != l) add(j, l);
                    }
            }
    }
}

/// 0 where the row has no part in the moments of its cell.
template <int S, int L>
void add_moments(const RowPart& x, std::ptrdiff_t rows, const std::uint8_t* used, double* sums) {
    using Values = Eigen::Array<double, S * L, 1>;
    constexpr std::ptrdiff_t size = cell_moments_size(S * L);
    const RowPart& slow = x.factors[0];
    const RowPart& fast = x.factors[1];
    const Cells cells(x);
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
        if (used[r] == 0) continue;
        double* cell = sums + cells.of_row(r) * size;
        const auto of_cell = [&](int i) { return Eigen::Map<Values>(cell + 1 + i * S * L); };
        Values values;
        unrolled<S>([&](auto i) {
            Run<L>(values.data() + i * L) =
                slow.values[r * slow.stride + i] * ConstRun<L>(fast.values + r * fast.stride);
        });
        if (cell[0]++ == 0.0) [[unlikely]]
            of_cell(0) = of_cell(3) = of_cell(4) = values;
        const Values deviation = values - of_cell(0);
        of_cell(1) += deviation;
        of_cell(2) += deviation.square();
        of_cell(3) = of_cell(3).min(values);
        of_cell(4) = of_cell(4).max(values);
    }
}

}  // namespace

void factored_matvec(const RowPart& x, std::ptrdiff_t rows, const double* coef, double* eta) {
    const RowPart slow = x.factors[0];
    const RowPart fast = x.factors[1];
    with_factors(x, [&]<int S, int L>() {
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            const double* a = slow.values + r * slow.stride;
            const double* own = coef + slow.starts[r] * fast.cols + fast.starts[r];
            Eigen::Array<double, L, 1> sum = a[0] * ConstRun<L>(own);
            unrolled<S - 1>(
                [&](auto i) { sum += a[i + 1] * ConstRun<L>(own + (i + 1) * fast.cols); });
            eta[r] += (sum * ConstRun<L>(fast.values + r * fast.stride)).sum();
        }
    });
}

void factored_transpose_matvec(const RowPart& x, std::ptrdiff_t rows, const double* d,
                               double* out) {
    const RowPart slow = x.factors[0];
    const RowPart fast = x.factors[1];
    with_factors(x, [&]<int S, int L>() {
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            const double* a = slow.values + r * slow.stride;
            const Eigen::Array<double, L, 1> own =
                d[r] * ConstRun<L>(fast.values + r * fast.stride);
            double* target = out + slow.starts[r] * fast.cols + fast.starts[r];
            unrolled<S>([&](auto i) { Run<L>(target + i * fast.cols) += a[i] * own; });
        }
    });
}

std::ptrdiff_t factored_sums_size(const RowPart& part, std::ptrdiff_t n_vectors) {
    std::ptrdiff_t size = 0;
    with_factors(part, [&]<int S, int L>() {
        size = Cells(part).count() * CellSums<S, L>::size(static_cast<int>(n_vectors));
    });
    return size;
}

void add_factored_products(const RowPart& x, std::ptrdiff_t rows, const double* d,
                           std::ptrdiff_t d_stride, std::ptrdiff_t n_vectors, double* sums) {
    with_factors(x,
                 [&]<int S, int L>() { add_cells<S, L>(x, rows, d, d_stride, n_vectors, sums); });
}

void collect_factored_products(const RowPart& part, std::ptrdiff_t n_vectors, const double* sums,
                               double* vectors, std::ptrdiff_t vector_stride, double* sandwich,
                               std::ptrdiff_t sandwich_stride) {
    with_factors(part, [&]<int S, int L>() {
        collect_cells<S, L>(part, n_vectors, sums, vectors, vector_stride, sandwich,
                            sandwich_stride);
    });
}

void add_cell_moments_kernel(const RowPart& x, std::ptrdiff_t rows, const std::uint8_t* used,
                             double* sums) {
    with_factors(x, [&]<int S, int L>() { add_moments<S, L>(x, rows, used, sums); });
}

}  // namespace spikeglm
