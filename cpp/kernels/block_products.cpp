#include "block_products.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <vector>

#include "factored_products.hpp"
#include "rank_update.hpp"
#include "run_products.hpp"

namespace spikeglm {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstRows = Eigen::Map<const RowMajor, 0, Eigen::OuterStride<>>;
using ConstVector = Eigen::Map<const Eigen::VectorXd>;
using Vector = Eigen::Map<Eigen::VectorXd>;

ConstRows dense_of(const RowPart& x, std::ptrdiff_t rows) {
    return {x.values, rows, x.cols, Eigen::OuterStride<>(x.stride)};
}

void dense_matvec(const RowPart& x, std::ptrdiff_t rows, const double* coef, double* eta) {
    Vector(eta, rows).noalias() += dense_of(x, rows) * ConstVector(coef, x.cols);
}

void dense_transpose_matvec(const RowPart& x, std::ptrdiff_t rows, const double* d, double* out) {
    Vector(out, x.cols).noalias() += dense_of(x, rows).transpose() * ConstVector(d, rows);
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

void matvec_kernel(const RowBlock& x, const double* coef, double* eta) {
    for_each_part(x, [&](const RowPart& part) {
        const auto product = part.factored() ? factored_matvec
                             : part.sparse() ? run_matvec
                                             : dense_matvec;
        product(part, x.rows, coef + part.first_col, eta);
    });
}

void transpose_matvec_kernel(const RowBlock& x, const double* d, double* out) {
    for_each_part(x, [&](const RowPart& part) {
        double* own = out + part.first_col;
        if (part.factored())
            factored_transpose_matvec(part, x.rows, d, own);
        else if (part.sparse())
            run_transpose_matvec(part, x.rows, d, 0, 1, own, 0);
        else
            dense_transpose_matvec(part, x.rows, d, own);
    });
}

namespace {

/// The product of two different parts, of which at least one is sparse, with weights.
void cross(const RowPart& a, const RowPart& b, std::ptrdiff_t rows, const double* w, double* out,
           std::ptrdiff_t out_stride) {
    double* below = out + b.first_col + a.first_col * out_stride;  // rows of b, columns of a
    double* above = out + a.first_col + b.first_col * out_stride;
    if (a.sparse() && b.sparse())
        run_cross(a, b, rows, w, below, out_stride);
    else if (a.sparse())
        run_dense_cross(a, b, rows, w, below, out_stride);
    else
        run_dense_cross(b, a, rows, w, above, out_stride);
}

/// Adds all pairs of columns but those of dense parts and those within factored parts.
void add_sandwich(const RowBlock& x, const double* w, double* out) {
    const std::ptrdiff_t stride = x.cols;
    for_each_part(x, [&](const RowPart& part) {
        if (part.sparse() && !part.factored())
            run_sandwich(part, x.rows, w, out + part.first_col * (stride + 1), stride);
        for_each_part(x, [&](const RowPart& later) {
            if (later.first_col > part.first_col && (part.sparse() || later.sparse()))
                cross(part, later, x.rows, w, out, stride);
        });
    });
}

// The sums of a block: those of its dense parts together; where other parts do not stand alone,
// factored, vectors and sandwich as they are meant; and those of the factored parts.

std::ptrdiff_t dense_cols(const RowBlock& x) {
    std::ptrdiff_t cols = 0;
    for (std::ptrdiff_t i = 0; i < x.n_parts; ++i)
        if (!x.parts[i].sparse()) cols += x.parts[i].cols;
    return cols;
}

/// The dense parts side by side, in `scratch` unless there is only one.
DenseRows dense_rows(const RowBlock& x, double* scratch) {
    DenseRows dense{scratch, dense_cols(x), x.rows, dense_cols(x)};
    double* to = scratch;
    for_each_part(x, [&](const RowPart& part) {
        if (part.sparse()) return;
        if (part.cols == dense.cols) {
            dense.values = part.values;
            dense.stride = part.stride;
            return;
        }
        for (std::ptrdiff_t r = 0; r < x.rows; ++r)
            std::copy_n(part.values + r * part.stride, part.cols, to + r * dense.stride);
        to += part.cols;
    });
    return dense;
}

std::ptrdiff_t size_as_meant(const RowBlock& x, std::ptrdiff_t n_vectors) {
    return x.cols * (n_vectors + x.cols);
}

std::ptrdiff_t size_of_others(const RowBlock& x, std::ptrdiff_t n_vectors) {
    if (dense_cols(x) == x.cols || (x.n_parts == 1 && x.parts[0].factored())) return 0;
    return size_as_meant(x, n_vectors);
}

/// Calls f(part, its sums) for the factored parts, whose sums begin at `sums`.
template <class Sums, class F>
void for_each_factored(const RowBlock& x, std::ptrdiff_t n_vectors, Sums* sums, F&& f) {
    for (std::ptrdiff_t i = 0; i < x.n_parts; ++i)
        if (x.parts[i].factored()) {
            f(x.parts[i], sums);
            sums += factored_sums_size(x.parts[i], n_vectors);
        }
}

}  // namespace

std::ptrdiff_t products_size_kernel(const RowBlock& parts, std::ptrdiff_t n_vectors) {
    std::ptrdiff_t size =
        rank_update_size(dense_cols(parts), n_vectors) + size_of_others(parts, n_vectors);
    for (std::ptrdiff_t i = 0; i < parts.n_parts; ++i)
        if (parts.parts[i].factored()) size += factored_sums_size(parts.parts[i], n_vectors);
    return size;
}

void add_products_kernel(const RowBlock& x, const double* d, std::ptrdiff_t d_stride,
                         std::ptrdiff_t n_vectors, double* sums, double* scratch) {
    const DenseRows dense = dense_rows(x, scratch);
    add_rank_update(dense, d, d_stride, n_vectors, sums);
    double* others = sums + rank_update_size(dense.cols, n_vectors);
    const std::ptrdiff_t size = size_of_others(x, n_vectors);
    for_each_factored(x, n_vectors, others + size, [&](const RowPart& part, double* own) {
        add_factored_products(part, x.rows, d, d_stride, n_vectors, own);
    });
    if (size == 0) return;
    for_each_part(x, [&](const RowPart& part) {
        if (part.sparse() && !part.factored())
            run_transpose_matvec(part, x.rows, d, d_stride, n_vectors, others + part.first_col,
                                 x.cols);
    });
    add_sandwich(x, d + (n_vectors - 1) * d_stride, others + n_vectors * x.cols);
}

void collect_products_kernel(const RowBlock& parts, std::ptrdiff_t n_vectors, const double* sums,
                             double* out) {
    std::vector<std::ptrdiff_t> columns;
    for (std::ptrdiff_t i = 0; i < parts.n_parts; ++i)
        for (std::ptrdiff_t c = 0; !parts.parts[i].sparse() && c < parts.parts[i].cols; ++c)
            columns.push_back(parts.parts[i].first_col + c);
    const auto n_dense = static_cast<std::ptrdiff_t>(columns.size());
    const double* others = sums + rank_update_size(n_dense, n_vectors);
    const std::ptrdiff_t size = size_of_others(parts, n_vectors);
    std::fill_n(out, size_as_meant(parts, n_vectors), 0.0);
    std::copy_n(others, size, out);
    double* sandwich = out + n_vectors * parts.cols;
    collect_rank_update(n_dense, n_vectors, sums, columns.data(), out, sandwich, parts.cols);
    for_each_factored(parts, n_vectors, others + size, [&](const RowPart& part, const double* own) {
        collect_factored_products(part, n_vectors, own, out + part.first_col, parts.cols,
                                  sandwich + part.first_col * (parts.cols + 1), parts.cols);
    });
}

}  // namespace spikeglm
