#include "block_products.hpp"

#include <Eigen/Core>

#include "run_products.hpp"

namespace spikeglm {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Stride = Eigen::OuterStride<>;
using ConstRows = Eigen::Map<const RowMajor, 0, Stride>;
using ConstColumns = Eigen::Map<const Eigen::MatrixXd, 0, Stride>;
using Columns = Eigen::Map<Eigen::MatrixXd, 0, Stride>;

/// Up to this many problems vector products are faster than a matrix product, which packs the rows
/// first.
constexpr std::ptrdiff_t few = 3;

/// The values that a part stores, sparse or not, as a matrix.
ConstRows stored_of(const RowPart& x, std::ptrdiff_t rows) {
    return {x.values, rows, x.stored(), Stride(x.stride)};
}

void dense_matvec(const RowPart& x, std::ptrdiff_t rows, const double* coef,
                  std::ptrdiff_t coef_stride, std::ptrdiff_t n_problems, double* eta,
                  std::ptrdiff_t eta_stride) {
    if (n_problems <= few) {
        for (std::ptrdiff_t m = 0; m < n_problems; ++m)
            Eigen::Map<Eigen::VectorXd>(eta + m * eta_stride, rows).noalias() +=
                stored_of(x, rows) *
                Eigen::Map<const Eigen::VectorXd>(coef + m * coef_stride, x.cols);
        return;
    }
    Columns(eta, rows, n_problems, Stride(eta_stride)).noalias() +=
        stored_of(x, rows) * ConstColumns(coef, x.cols, n_problems, Stride(coef_stride));
}

void dense_transpose_matvec(const RowPart& x, std::ptrdiff_t rows, const double* d,
                            std::ptrdiff_t d_stride, std::ptrdiff_t n_problems, double* out,
                            std::ptrdiff_t out_stride) {
    if (n_problems <= few) {
        for (std::ptrdiff_t m = 0; m < n_problems; ++m)
            Eigen::Map<Eigen::VectorXd>(out + m * out_stride, x.cols).noalias() +=
                stored_of(x, rows).transpose() *
                Eigen::Map<const Eigen::VectorXd>(d + m * d_stride, rows);
        return;
    }
    Columns(out, x.cols, n_problems, Stride(out_stride)).noalias() +=
        stored_of(x, rows).transpose() * ConstColumns(d, rows, n_problems, Stride(d_stride));
}

/// The product of two different parts, the first with its values already weighted.
void cross(const RowPart& a, const double* weighted, const RowPart& b, std::ptrdiff_t rows,
           double* out, std::ptrdiff_t out_stride) {
    double* below = out + b.first_col + a.first_col * out_stride;  // rows of b, columns of a
    double* above = out + a.first_col + b.first_col * out_stride;
    if (a.sparse() && b.sparse())
        run_cross(a, weighted, b, rows, below, out_stride);
    else if (a.sparse())
        run_dense_cross(a, weighted, a.stored(), b, b.values, b.stride, rows, below, out_stride);
    else if (b.sparse())
        run_dense_cross(b, b.values, b.stride, a, weighted, a.cols, rows, above, out_stride);
    else
        Columns(below, b.cols, a.cols, Stride(out_stride)).noalias() +=
            stored_of(b, rows).transpose() * Eigen::Map<const RowMajor>(weighted, rows, a.cols);
}

/// Calls f(part) unless there is nothing to add; pointers may be null then, which Eigen does not
/// expect.
template <class F>
void for_each_part(const RowBlock& x, F&& f) {
    if (x.rows == 0) return;
    for (std::ptrdiff_t i = 0; i < x.n_parts; ++i)
        if (x.parts[i].cols > 0) f(x.parts[i]);
}

}  // namespace

void matvec_kernel(const RowBlock& x, const double* coef, std::ptrdiff_t coef_stride,
                   std::ptrdiff_t n_problems, double* eta, std::ptrdiff_t eta_stride) {
    for_each_part(x, [&](const RowPart& part) {
        const auto product = part.sparse() ? run_matvec : dense_matvec;
        product(part, x.rows, coef + part.first_col, coef_stride, n_problems, eta, eta_stride);
    });
}

void transpose_matvec_kernel(const RowBlock& x, const double* d, std::ptrdiff_t d_stride,
                             std::ptrdiff_t n_problems, double* out, std::ptrdiff_t out_stride) {
    for_each_part(x, [&](const RowPart& part) {
        const auto product = part.sparse() ? run_transpose_matvec : dense_transpose_matvec;
        product(part, x.rows, d, d_stride, n_problems, out + part.first_col, out_stride);
    });
}

void sandwich_kernel(const RowBlock& x, const double* w, double* out, std::ptrdiff_t out_stride,
                     double* scratch) {
    for_each_part(x, [&](const RowPart& part) {
        double* own = out + part.first_col * (out_stride + 1);
        if (part.sparse()) run_sandwich(part, x.rows, w, own, out_stride);
        const bool last = part.first_col + part.cols == x.cols;
        if (part.sparse() && last) return;
        Eigen::Map<RowMajor> weighted(scratch, x.rows, part.stored());
        weighted.noalias() =
            Eigen::Map<const Eigen::VectorXd>(w, x.rows).asDiagonal() * stored_of(part, x.rows);
        if (!part.sparse())
            Columns(own, part.cols, part.cols, Stride(out_stride)).triangularView<Eigen::Lower>() +=
                stored_of(part, x.rows).transpose() * weighted;
        for_each_part(x, [&](const RowPart& later) {
            if (later.first_col > part.first_col)
                cross(part, scratch, later, x.rows, out, out_stride);
        });
    });
}

}  // namespace spikeglm
