#include "block_products.hpp"

#include <Eigen/Core>

namespace spikeglm {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Stride = Eigen::OuterStride<>;
using ConstRows = Eigen::Map<const RowMajor, 0, Stride>;
using ConstColumns = Eigen::Map<const Eigen::MatrixXd, 0, Stride>;
using Columns = Eigen::Map<Eigen::MatrixXd, 0, Stride>;

ConstRows rows_of(const RowBlock& x) { return {x.data, x.rows, x.cols, Stride(x.stride)}; }

/// Up to this many problems vector products are faster than a matrix product, which packs the rows
/// first.
constexpr std::ptrdiff_t few = 3;

/// Nothing to add; the pointers may be null then, which Eigen does not expect.
bool empty(const RowBlock& x) { return x.rows == 0 || x.cols == 0; }

}  // namespace

void matvec_kernel(const RowBlock& x, const double* coef, std::ptrdiff_t coef_stride,
                   std::ptrdiff_t n_problems, double* eta, std::ptrdiff_t eta_stride) {
    if (empty(x)) return;
    if (n_problems <= few) {
        for (std::ptrdiff_t m = 0; m < n_problems; ++m)
            Eigen::Map<Eigen::VectorXd>(eta + m * eta_stride, x.rows).noalias() +=
                rows_of(x) * Eigen::Map<const Eigen::VectorXd>(coef + m * coef_stride, x.cols);
        return;
    }
    Columns(eta, x.rows, n_problems, Stride(eta_stride)).noalias() +=
        rows_of(x) * ConstColumns(coef, x.cols, n_problems, Stride(coef_stride));
}

void transpose_matvec_kernel(const RowBlock& x, const double* d, std::ptrdiff_t d_stride,
                             std::ptrdiff_t n_problems, double* out, std::ptrdiff_t out_stride) {
    if (empty(x)) return;
    if (n_problems <= few) {
        for (std::ptrdiff_t m = 0; m < n_problems; ++m)
            Eigen::Map<Eigen::VectorXd>(out + m * out_stride, x.cols).noalias() +=
                rows_of(x).transpose() *
                Eigen::Map<const Eigen::VectorXd>(d + m * d_stride, x.rows);
        return;
    }
    Columns(out, x.cols, n_problems, Stride(out_stride)).noalias() +=
        rows_of(x).transpose() * ConstColumns(d, x.rows, n_problems, Stride(d_stride));
}

void sandwich_kernel(const RowBlock& x, const double* w, double* out, std::ptrdiff_t out_stride,
                     double* scratch) {
    if (empty(x)) return;
    Eigen::Map<RowMajor> weighted(scratch, x.rows, x.cols);
    weighted.noalias() = Eigen::Map<const Eigen::VectorXd>(w, x.rows).asDiagonal() * rows_of(x);
    Columns(out, x.cols, x.cols, Stride(out_stride)).triangularView<Eigen::Lower>() +=
        rows_of(x).transpose() * weighted;
}

}  // namespace spikeglm
