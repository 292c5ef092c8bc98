#pragma once
/// Consecutive rows of a design matrix as adjacent parts, each a range of columns.
///
/// A part is dense, or sparse with local support: every row stores the same number of values, in
/// `n_runs` runs of `run_length` adjacent columns, and only where the runs begin differs from row
/// to row. All other entries of the row are zero. A B-spline of order k has one run of k; a cyclic
/// one, which wraps, k runs of 1. A factor with s stored values times one with runs of length l has
/// runs of length l, s for each of the other's: a dense factor is one run of full width.
///
/// A product of two factors with one short run each, of two B-splines, say, may stay as it is: a
/// factored part stores its factors, and the kernels multiply where they need it.

#include <cstddef>
#include <cstdint>
#include <span>

namespace spikeglm {

/// Length that the runs of the factors of a factored part have at most: the usual orders.
inline constexpr std::ptrdiff_t max_factor_run = 4;

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
    /// Factored: two sparse parts of one run each, at most max_factor_run long. Column (i, j) of
    /// columns i and j of theirs is i * factors[1].cols + j. `values` and `starts` are null; n_runs
    /// and run_length are those of the product, the lengths of the first and the second run.
    const RowPart* factors = nullptr;

    [[nodiscard]] bool factored() const { return factors != nullptr; }
    [[nodiscard]] bool sparse() const { return starts != nullptr || factored(); }
    /// Values stored per row.
    [[nodiscard]] std::ptrdiff_t stored() const { return n_runs * run_length; }
    /// The parts that hold what is stored.
    [[nodiscard]] std::span<const RowPart> leaves() const {
        return factored() ? std::span(factors, 2) : std::span(this, 1);
    }

    [[nodiscard]] static RowPart dense(const double* values, std::ptrdiff_t cols,
                                       std::ptrdiff_t stride, std::ptrdiff_t first_col = 0) {
        return {first_col, cols, values, stride, nullptr, 1, cols};
    }
};

/// Calls f(column, value) for what row r of a part stores; columns count from its first one.
template <class F>
void for_each_stored(const RowPart& part, std::ptrdiff_t r, F&& f) {
    const auto of_leaf = [r](const RowPart& leaf, const auto& g) {
        const double* values = leaf.values + r * leaf.stride;
        for (std::ptrdiff_t i = 0; i < leaf.n_runs; ++i) {
            const std::ptrdiff_t start = leaf.sparse() ? leaf.starts[r * leaf.n_runs + i] : 0;
            for (std::ptrdiff_t k = 0; k < leaf.run_length; ++k) g(start + k, *values++);
        }
    };
    if (!part.factored()) return of_leaf(part, f);
    const RowPart& fast = part.factors[1];
    of_leaf(part.factors[0], [&](std::ptrdiff_t i, double a) {
        of_leaf(fast, [&](std::ptrdiff_t j, double b) { f(i * fast.cols + j, a * b); });
    });
}

/// Where the runs of a factored part lie: rows with the same cell store the same columns.
class Cells {
public:
    explicit Cells(const RowPart& part)
        : slow_(part.factors[0]),
          fast_(part.factors[1]),
          per_slow_(fast_.cols - fast_.run_length + 1) {}

    [[nodiscard]] std::ptrdiff_t count() const {
        return (slow_.cols - slow_.run_length + 1) * per_slow_;
    }
    [[nodiscard]] std::ptrdiff_t of_row(std::ptrdiff_t r) const {
        return slow_.starts[r] * per_slow_ + fast_.starts[r];
    }
    /// The column at which the first run of a cell begins; the others follow fast.cols apart.
    [[nodiscard]] std::ptrdiff_t first_col(std::ptrdiff_t cell) const {
        return cell / per_slow_ * fast_.cols + cell % per_slow_;
    }

private:
    const RowPart& slow_;
    const RowPart& fast_;
    std::ptrdiff_t per_slow_;
};

constexpr std::ptrdiff_t cell_moments_size(std::ptrdiff_t stored) { return 1 + 5 * stored; }

/// The runs of a part that is not factored channel by channel: it holds them in order, equally many
/// for each of `channels` equal ranges of its columns. A dense part has one run of full width in
/// each.
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
