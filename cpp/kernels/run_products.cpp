#include "run_products.hpp"

#include <Eigen/Core>

namespace spikeglm {
namespace {

/// A run of L values; Eigen::Dynamic for lengths that are not compiled in.
template <int L>
using Run = Eigen::Map<Eigen::Matrix<double, L, 1>>;
template <int L>
using ConstRun = Eigen::Map<const Eigen::Matrix<double, L, 1>>;

/// Calls f.operator()<L>() for the length of the runs of `x`.
template <class F>
void with_length(const RowPart& x, F&& f) {
    switch (x.run_length) {
        case 1: return f.template operator()<1>();
        case 2: return f.template operator()<2>();
        case 3: return f.template operator()<3>();
        case 4: return f.template operator()<4>();
        default: return f.template operator()<Eigen::Dynamic>();
    }
}

}  // namespace

void run_matvec(const RowPart& x, std::ptrdiff_t rows, const double* coef,
                std::ptrdiff_t coef_stride, std::ptrdiff_t n_problems, double* eta,
                std::ptrdiff_t eta_stride) {
    with_length(x, [&]<int L>() {
        for (std::ptrdiff_t m = 0; m < n_problems; ++m)
            for (std::ptrdiff_t r = 0; r < rows; ++r) {
                const std::int32_t* starts = x.starts + r * x.n_runs;
                const double* values = x.values + r * x.stride;
                double sum = 0.0;
                for (std::ptrdiff_t i = 0; i < x.n_runs; ++i)
                    sum += ConstRun<L>(values + i * x.run_length, x.run_length)
                               .dot(ConstRun<L>(coef + m * coef_stride + starts[i], x.run_length));
                eta[r + m * eta_stride] += sum;
            }
    });
}

void run_transpose_matvec(const RowPart& x, std::ptrdiff_t rows, const double* d,
                          std::ptrdiff_t d_stride, std::ptrdiff_t n_problems, double* out,
                          std::ptrdiff_t out_stride) {
    with_length(x, [&]<int L>() {
        for (std::ptrdiff_t m = 0; m < n_problems; ++m)
            for (std::ptrdiff_t r = 0; r < rows; ++r) {
                const std::int32_t* starts = x.starts + r * x.n_runs;
                const double* values = x.values + r * x.stride;
                const double factor = d[r + m * d_stride];
                for (std::ptrdiff_t i = 0; i < x.n_runs; ++i)
                    Run<L>(out + m * out_stride + starts[i], x.run_length) +=
                        factor * ConstRun<L>(values + i * x.run_length, x.run_length);
            }
    });
}

void run_sandwich(const RowPart& x, std::ptrdiff_t rows, const double* weighted, double* out,
                  std::ptrdiff_t out_stride) {
    with_length(x, [&]<int L>() {
        const std::ptrdiff_t length = L == Eigen::Dynamic ? x.run_length : L;
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
            const std::int32_t* starts = x.starts + r * x.n_runs;
            const double* values = x.values + r * x.stride;
            const double* factors = weighted + r * x.stored();
            for (std::ptrdiff_t i = 0; i < x.n_runs; ++i)
                for (std::ptrdiff_t k = 0; k < length; ++k) {
                    double* column = out + (starts[i] + k) * out_stride;
                    const double factor = factors[i * length + k];
                    // Of a run with itself half, the lower triangle.
                    for (std::ptrdiff_t l = k; l < length; ++l)
                        column[starts[i] + l] += factor * values[i * length + l];
                    for (std::ptrdiff_t j = i + 1; j < x.n_runs; ++j)
                        Run<L>(column + starts[j], length) +=
                            factor * ConstRun<L>(values + j * length, length);
                }
        }
    });
}

void run_cross(const RowPart& a, const double* a_values, const RowPart& b, std::ptrdiff_t rows,
               double* out, std::ptrdiff_t out_stride) {
    with_length(b, [&]<int L>() {
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

}  // namespace spikeglm
