#include "run_products.hpp"

#include <Eigen/Core>

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

void run_sandwich(const RowPart& x, std::ptrdiff_t rows, const double* weighted, double* out,
                  std::ptrdiff_t out_stride) {
    with_runs(x, [&]<int L, int N>() {
        const std::ptrdiff_t length = fixed_or(L, x.run_length);
        const std::ptrdiff_t n_runs = fixed_or(N, x.n_runs);
        // Of a run with itself the lower triangle, by columns of ones and zeros: whole vectors.
        Eigen::Array<double, L, L> lower(length, length);
        for (std::ptrdiff_t k = 0; k < length; ++k)
            for (std::ptrdiff_t l = 0; l < length; ++l) lower(l, k) = l < k ? 0.0 : 1.0;
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            const std::int32_t* starts = x.starts + r * n_runs;
            const double* values = x.values + r * x.stride;
            const double* factors = weighted + r * n_runs * length;
            for (std::ptrdiff_t i = 0; i < n_runs; ++i)
                for (std::ptrdiff_t k = 0; k < length; ++k) {
                    double* column = out + (starts[i] + k) * out_stride;
                    const double factor = factors[i * length + k];
                    Run<L>(column + starts[i], length) +=
                        factor * (lower.col(k) * ConstRun<L>(values + i * length, length));
                    for (std::ptrdiff_t j = i + 1; j < n_runs; ++j)
                        Run<L>(column + starts[j], length) +=
                            factor * ConstRun<L>(values + j * length, length);
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
    with_length(fast.run_length(), [&]<int L>() {
        const std::ptrdiff_t length = fixed_or(L, fast.run_length());
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            double* out = values + r * stride;
            for (std::ptrdiff_t c = 0; c < channels; ++c) {
                const double* factor = slow.values(r, c);
                for (std::ptrdiff_t i = 0; i < slow.n_runs(); ++i) {
                    const std::ptrdiff_t first = c * slow.cols() + slow.start(r, c, i);
                    for (std::ptrdiff_t k = 0; k < slow.run_length(); ++k, ++factor) {
                        for (std::ptrdiff_t j = 0; j < fast.n_runs(); ++j, out += length)
                            Run<L>(out, length) =
                                *factor * ConstRun<L>(fast.values(r, c) + j * length, length);
                        for (std::ptrdiff_t j = 0; starts && j < fast.n_runs(); ++j)
                            *starts++ = static_cast<std::int32_t>((first + k) * fast.cols() +
                                                                  fast.start(r, c, j));
                    }
                }
            }
        }
    });
}

}  // namespace spikeglm
