#pragma once
/// Designs: things that produce rows of X. X need not exist.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "spikeglm/backend/array_view.hpp"
#include "spikeglm/backend/row_block.hpp"
#include "spikeglm/backend/row_pass.hpp"
#include "spikeglm/backend/workspace.hpp"

namespace spikeglm {

/// A design matrix of rows() x cols(). `block` is called from several threads at once.
class Design {
public:
    virtual ~Design() = default;
    [[nodiscard]] virtual std::ptrdiff_t rows() const = 0;
    [[nodiscard]] virtual std::ptrdiff_t cols() const = 0;

    /// Rows [first, first + count) as float64; where they are not in memory in that form they are
    /// written to memory taken from `frame`. NaN mark rows without features; a sparse part has them
    /// where it stores values.
    [[nodiscard]] virtual RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                         Workspace::Frame& frame) const = 0;

    /// Rows of a block with which a pass is fastest.
    [[nodiscard]] virtual std::ptrdiff_t rows_per_block() const { return block_rows; }

    /// Writes rows [first, first + count), `stride` doubles apart; best `write_rows` at a time from
    /// a multiple of it. Designs that compute their rows write them here without a copy between.
    [[nodiscard]] virtual std::ptrdiff_t write_rows() const { return block_rows; }
    virtual void write(std::ptrdiff_t first, std::ptrdiff_t count, double* out,
                       std::ptrdiff_t stride, Workspace::Frame& frame) const;
};

/// A block of one dense part.
[[nodiscard]] RowBlock dense_block(const double* rows, std::ptrdiff_t count, std::ptrdiff_t cols,
                                   std::ptrdiff_t stride, Workspace::Frame& frame);

/// Writes all columns of a part, `stride` elements from row to row.
void expand(const RowPart& part, std::ptrdiff_t rows, double* out, std::ptrdiff_t stride);

/// A matrix in memory, any element type and strides. Rows of aligned float64 are not copied.
class DenseDesign final : public Design {
public:
    explicit DenseDesign(const MatrixView& matrix) : matrix_(matrix) {}
    [[nodiscard]] std::ptrdiff_t rows() const override { return matrix_.rows; }
    [[nodiscard]] std::ptrdiff_t cols() const override { return matrix_.cols; }
    [[nodiscard]] RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                 Workspace::Frame& frame) const override;

private:
    MatrixView matrix_;
};

/// Another design with rows that must not be used set to zero and, where `location` and `spread`
/// are given, (x - location) / spread in the others. Blocks that need neither pass through
/// untouched.
class PreparedDesign final : public Design {
public:
    /// `usable`: a byte per row, or empty when every row is. `location` and `spread`: one per
    /// column, or empty. A sparse part becomes dense where a column of it has another location
    /// than 0 or another spread than 1.
    PreparedDesign(const Design& base, std::span<const std::uint8_t> usable,
                   std::span<const double> location, std::span<const double> spread)
        : base_(base), usable_(usable), location_(location), spread_(spread) {}
    [[nodiscard]] std::ptrdiff_t rows() const override { return base_.rows(); }
    [[nodiscard]] std::ptrdiff_t cols() const override { return base_.cols(); }
    [[nodiscard]] std::ptrdiff_t rows_per_block() const override { return base_.rows_per_block(); }
    [[nodiscard]] RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                 Workspace::Frame& frame) const override;

private:
    [[nodiscard]] bool usable(std::ptrdiff_t row) const {
        return usable_.empty() || usable_[static_cast<std::size_t>(row)] != 0;
    }
    [[nodiscard]] bool moves(const RowPart& part) const;
    void standardise(std::ptrdiff_t first_col, std::ptrdiff_t count, std::ptrdiff_t cols,
                     double* values) const;

    const Design& base_;
    std::span<const std::uint8_t> usable_;
    std::span<const double> location_;
    std::span<const double> spread_;
};

/// Rows of another design in any order; a row keeps the features that it has there (a convolved row
/// its history). Runs of consecutive rows cost what they cost in the base; scattered rows are
/// produced one by one.
class RowSubset final : public Design {
public:
    /// Throws std::invalid_argument when an index is not a row of `base`.
    RowSubset(std::shared_ptr<const Design> base, std::vector<std::ptrdiff_t> indices);
    [[nodiscard]] std::ptrdiff_t rows() const override {
        return static_cast<std::ptrdiff_t>(indices_.size());
    }
    [[nodiscard]] std::ptrdiff_t cols() const override { return base_->cols(); }
    [[nodiscard]] RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                 Workspace::Frame& frame) const override;
    void write(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
               Workspace::Frame& frame) const override;

private:
    [[nodiscard]] std::ptrdiff_t run_length(std::ptrdiff_t first, std::ptrdiff_t count) const;

    std::shared_ptr<const Design> base_;
    std::vector<std::ptrdiff_t> indices_;
};

/// Some columns of another design, which must outlive it as the list must, in ascending order; one
/// dense part.
class ColumnSubset final : public Design {
public:
    ColumnSubset(const Design& base, std::span<const std::ptrdiff_t> columns)
        : base_(base), columns_(columns) {}
    [[nodiscard]] std::ptrdiff_t rows() const override { return base_.rows(); }
    [[nodiscard]] std::ptrdiff_t cols() const override {
        return static_cast<std::ptrdiff_t>(columns_.size());
    }
    [[nodiscard]] RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                 Workspace::Frame& frame) const override;

private:
    const Design& base_;
    std::span<const std::ptrdiff_t> columns_;
};

/// Every `stride`-th row of another design, which must outlive it, from row `from` on. Values stay
/// where the base has them.
class Thinned final : public Design {
public:
    Thinned(const Design& base, std::ptrdiff_t stride, std::ptrdiff_t from)
        : base_(base), stride_(stride), from_(from) {}
    [[nodiscard]] std::ptrdiff_t rows() const override {
        return std::max<std::ptrdiff_t>(0, (base_.rows() - from_ + stride_ - 1) / stride_);
    }
    [[nodiscard]] std::ptrdiff_t cols() const override { return base_.cols(); }
    [[nodiscard]] std::ptrdiff_t rows_per_block() const override { return base_.rows_per_block(); }
    [[nodiscard]] RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                 Workspace::Frame& frame) const override;
    [[nodiscard]] std::ptrdiff_t stride() const { return stride_; }
    [[nodiscard]] std::ptrdiff_t from() const { return from_; }
    /// Where a row of this one is in the base.
    [[nodiscard]] std::ptrdiff_t base_row(std::ptrdiff_t row) const {
        return from_ + row * stride_;
    }

private:
    const Design& base_;
    std::ptrdiff_t stride_, from_;
};

/// Writes all rows to a row-major float64 or float32 matrix.
void materialise(const Design& design, double* out, const Execution& execution);
void materialise(const Design& design, float* out, const Execution& execution);

/// Throws std::invalid_argument with the position in X when row `r` of a block that begins at row
/// `first` of X holds an infinity.
void refuse_infinities(const RowBlock& x, std::ptrdiff_t r, std::ptrdiff_t first);

/// Location and spread of the columns over the rows in use.
struct ColumnMoments {
    std::vector<double> mean;
    std::vector<double> sd;  ///< exactly zero for a constant column
    std::ptrdiff_t n_used = 0;
};

/// One pass over X. `used`: a byte per row; rows with a NaN in X are cleared in it and counted in
/// `n_nan_rows`. Throws std::invalid_argument with row and column of the first infinity.
[[nodiscard]] ColumnMoments column_moments(const Design& design, std::span<std::uint8_t> used,
                                           std::ptrdiff_t& n_nan_rows, const Execution& execution);

}  // namespace spikeglm
