#include "block_products.hpp"

#include <Eigen/Core>
#include <algorithm>

#include "factored_products.hpp"
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

/// The product of two different parts with weights; `weighted`: a dense first part with them.
void cross(const RowPart& a, const double* weighted, const RowPart& b, std::ptrdiff_t rows,
           const double* w, double* out, std::ptrdiff_t out_stride) {
    double* below = out + b.first_col + a.first_col * out_stride;  // rows of b, columns of a
    double* above = out + a.first_col + b.first_col * out_stride;
    if (a.sparse() && b.sparse())
        run_cross(a, b, rows, w, below, out_stride);
    else if (a.sparse())
        run_dense_cross(a, b, rows, w, below, out_stride);
    else if (b.sparse())
        run_dense_cross(b, a, rows, w, above, out_stride);
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
        const auto product = part.factored() ? factored_matvec
                             : part.sparse() ? run_matvec
                                             : dense_matvec;
        product(part, x.rows, coef + part.first_col, coef_stride, n_problems, eta, eta_stride);
    });
}

void transpose_matvec_kernel(const RowBlock& x, const double* d, std::ptrdiff_t d_stride,
                             std::ptrdiff_t n_problems, double* out, std::ptrdiff_t out_stride) {
    for_each_part(x, [&](const RowPart& part) {
        const auto product = part.factored() ? factored_transpose_matvec
                             : part.sparse() ? run_transpose_matvec
                                             : dense_transpose_matvec;
        product(part, x.rows, d, d_stride, n_problems, out + part.first_col, out_stride);
    });
}

namespace {

/// Adds all pairs of columns but those within factored parts.
void add_sandwich(const RowBlock& x, const double* w, double* out, double* scratch) {
    const std::ptrdiff_t stride = x.cols;
    for_each_part(x, [&](const RowPart& part) {
        double* own = out + part.first_col * (stride + 1);
        if (!part.sparse()) {
            Eigen::Map<RowMajor> weighted(scratch, x.rows, part.cols);
            weighted.noalias() =
                Eigen::Map<const Eigen::VectorXd>(w, x.rows).asDiagonal() * stored_of(part, x.rows);
            Columns(own, part.cols, part.cols, Stride(stride)).triangularView<Eigen::Lower>() +=
                stored_of(part, x.rows).transpose() * weighted;
        } else if (!part.factored()) {
            run_sandwich(part, x.rows, w, own, stride);
        }
        for_each_part(x, [&](const RowPart& later) {
            if (later.first_col > part.first_col)
                cross(part, scratch, later, x.rows, w, out, stride);
        });
    });
}

/// The sums of a block: vectors and sandwich as they are meant, but not where a factored part is
/// all there is, and then the sums of the factored parts.
std::ptrdiff_t size_as_meant(const RowBlock& x, std::ptrdiff_t n_vectors) {
    return x.cols * (n_vectors + x.cols);
}

std::ptrdiff_t size_of_others(const RowBlock& x, std::ptrdiff_t n_vectors) {
    return x.n_parts == 1 && x.parts[0].factored() ? 0 : size_as_meant(x, n_vectors);
}

/// Calls f(part, its sums) for the factored parts.
template <class Sums, class F>
void for_each_factored(const RowBlock& x, std::ptrdiff_t n_vectors, Sums* sums, F&& f) {
    sums += size_of_others(x, n_vectors);
    for (std::ptrdiff_t i = 0; i < x.n_parts; ++i)
        if (x.parts[i].factored()) {
            f(x.parts[i], sums);
            sums += factored_sums_size(x.parts[i], n_vectors);
        }
}

}  // namespace

std::ptrdiff_t products_size_kernel(const RowBlock& parts, std::ptrdiff_t n_vectors) {
    std::ptrdiff_t size = size_of_others(parts, n_vectors);
    for (std::ptrdiff_t i = 0; i < parts.n_parts; ++i)
        if (parts.parts[i].factored()) size += factored_sums_size(parts.parts[i], n_vectors);
    return size;
}

void add_products_kernel(const RowBlock& x, const double* d, std::ptrdiff_t d_stride,
                         std::ptrdiff_t n_vectors, double* sums, double* scratch) {
    const double* w = d + (n_vectors - 1) * d_stride;
    for_each_factored(x, n_vectors, sums, [&](const RowPart& part, double* own) {
        add_factored_products(part, x.rows, d, d_stride, n_vectors, own);
    });
    if (size_of_others(x, n_vectors) == 0) return;
    for_each_part(x, [&](const RowPart& part) {
        if (part.factored()) return;
        const auto product = part.sparse() ? run_transpose_matvec : dense_transpose_matvec;
        product(part, x.rows, d, d_stride, n_vectors, sums + part.first_col, x.cols);
    });
    add_sandwich(x, w, sums + n_vectors * x.cols, scratch);
}

void collect_products_kernel(const RowBlock& parts, std::ptrdiff_t n_vectors, const double* sums,
                             double* out) {
    const std::ptrdiff_t size = size_as_meant(parts, n_vectors);
    if (size_of_others(parts, n_vectors) > 0)
        std::copy_n(sums, size, out);
    else
        std::fill_n(out, size, 0.0);
    for_each_factored(parts, n_vectors, sums, [&](const RowPart& part, const double* own) {
        collect_factored_products(part, n_vectors, own, out + part.first_col, parts.cols,
                                  out + n_vectors * parts.cols + part.first_col * (parts.cols + 1),
                                  parts.cols);
    });
}

}  // namespace spikeglm
