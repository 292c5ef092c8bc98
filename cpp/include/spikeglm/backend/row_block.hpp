#pragma once
/// Consecutive rows of a design matrix as adjacent parts, each a range of columns.
///
/// A part is dense, or sparse with local support: every row stores the same number of values, in
/// `n_runs` runs of `run_length` adjacent columns, and only where the runs begin differs from row
/// to row. All other entries of the row are zero. A B-spline of order k has one run of k; a cyclic
/// one, which wraps, k runs of 1. A factor with s stored values times one with runs of length l has
/// runs of length l, s for each of the other's: a dense factor is one run of full width.

#include <cstddef>
#include <cstdint>

namespace spikeglm {

/// Columns [first_col, first_col + cols) of a block, float64.
struct RowPart {
    std::ptrdiff_t first_col = 0;
    std::ptrdiff_t cols = 0;
    /// Values stored for row r begin at values[r * stride]; sparse: run by run.
    const double* values = nullptr;
    std::ptrdiff_t stride = 0;
    /// Sparse: starts[r * n_runs + i] is the column, counted from first_col, at which run i of row
    /// r begins. Runs of a row do not overlap; their order is free. Dense: null.
    const std::int32_t* starts = nullptr;
    std::ptrdiff_t n_runs = 1;
    std::ptrdiff_t run_length = 0;

    [[nodiscard]] bool sparse() const { return starts != nullptr; }
    /// Values stored per row.
    [[nodiscard]] std::ptrdiff_t stored() const { return n_runs * run_length; }

    [[nodiscard]] static RowPart dense(const double* values, std::ptrdiff_t cols,
                                       std::ptrdiff_t stride, std::ptrdiff_t first_col = 0) {
        return {first_col, cols, values, stride, nullptr, 1, cols};
    }
};

/// The runs of a part channel by channel: it holds them in order, equally many for each of
/// `channels` equal ranges of its columns. A dense part has one run of full width in each.
class ChannelRuns {
public:
    ChannelRuns(const RowPart& part, std::ptrdiff_t channels)
        : part_(part),
          cols_(part.cols / channels),
          n_runs_(part.sparse() ? part.n_runs / channels : 1),
          run_length_(part.sparse() ? part.run_length : cols_) {}

    [[nodiscard]] std::ptrdiff_t cols() const { return cols_; }
    [[nodiscard]] std::ptrdiff_t n_runs() const { return n_runs_; }
    [[nodiscard]] std::ptrdiff_t run_length() const { return run_length_; }
    [[nodiscard]] const double* values(std::ptrdiff_t r, std::ptrdiff_t channel) const {
        return part_.values + r * part_.stride + channel * n_runs_ * run_length_;
    }
    /// Where a run begins, counted from the first column of its channel.
    [[nodiscard]] std::ptrdiff_t start(std::ptrdiff_t r, std::ptrdiff_t channel,
                                       std::ptrdiff_t run) const {
        if (!part_.sparse()) return 0;
        return part_.starts[r * part_.n_runs + channel * n_runs_ + run] - channel * cols_;
    }

private:
    RowPart part_;
    std::ptrdiff_t cols_, n_runs_, run_length_;
};

/// Parts that together are all columns, in order. Every block of a design has the same parts but
/// for their values, starts and strides.
struct RowBlock {
    std::ptrdiff_t rows = 0;
    std::ptrdiff_t cols = 0;
    const RowPart* parts = nullptr;
    std::ptrdiff_t n_parts = 0;
};

}  // namespace spikeglm
