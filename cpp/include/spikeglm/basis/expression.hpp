#pragma once
/// Basis expressions bound to inputs: what `a + b` and `a * b` compute, block of rows by block of
/// rows.
///
/// Columns are channel-major and basis-fastest: column (c * n_basis + b) holds function b of
/// channel c. A sum puts its terms side by side; a product is the row-wise Kronecker product, first
/// factor slow, channel by channel.
///
/// Families with local support stay sparse in sums and products (backend/row_block.hpp): a product
/// stores, row by row, the products of what its factors store.

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "spikeglm/basis/family.hpp"
#include "spikeglm/design/design.hpp"

namespace spikeglm {

/// Closed interval on which a basis lives.
struct Bounds {
    double low = 0.0;
    double high = 1.0;
};

/// Rescales to units of the bounds, in place. A range that overflows is halved first; a range of
/// zero (bounds learned from a constant) only shifts.
void to_unit(const Bounds& bounds, std::span<double> values);

/// Divides by the width of the bounds: values per unit of x, for families that are densities.
void per_unit(const Bounds& bounds, std::span<double> values);

/// A family with its prepared table.
class Basis {
public:
    Basis(std::string_view family, const BasisParameters& parameters);
    [[nodiscard]] std::ptrdiff_t n_basis_funcs() const { return n_basis_funcs_; }
    [[nodiscard]] BasisView view() const;
    /// Whether values are per unit of x: to be divided by the width of the bounds.
    [[nodiscard]] bool is_density() const { return is_density_; }
    /// Whether x is taken as it is, not in units of the bounds.
    [[nodiscard]] bool takes_raw_values() const { return takes_raw_values_; }
    /// What a row stores, where that is at most half of the functions.
    [[nodiscard]] std::optional<LocalSupport> local_support() const;

    /// Values at x, row-major (x.size(), n_basis_funcs).
    void evaluate(std::span<const double> x, const Bounds& bounds, double* out) const;

    /// The basis as filters: its values on linspace(0, 1, window_size), row-major
    /// (window_size, n_basis_funcs).
    [[nodiscard]] std::vector<double> filters(std::ptrdiff_t window_size) const;

private:
    int family_;
    std::ptrdiff_t n_basis_funcs_;
    int order_;
    bool is_density_ = false;
    bool takes_raw_values_ = false;
    std::vector<double> table_;
};

class Expression {
public:
    virtual ~Expression() = default;
    [[nodiscard]] virtual std::ptrdiff_t rows() const = 0;
    /// Channels of the inputs; 0 where the columns are not channel-major.
    [[nodiscard]] virtual std::ptrdiff_t channels() const = 0;
    [[nodiscard]] virtual std::ptrdiff_t n_features() const = 0;

    /// Writes rows [first, first + count), `stride` doubles apart.
    virtual void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out,
                      std::ptrdiff_t stride, Workspace& workspace) const = 0;

    /// When all rows are wanted they are written by `write`, which may compute them in another way
    /// than block by block, with other rounding; best `write_rows` at a time from a multiple of it.
    [[nodiscard]] virtual std::ptrdiff_t write_rows() const { return block_rows; }
    virtual void write(std::ptrdiff_t first, std::ptrdiff_t count, double* out,
                       std::ptrdiff_t stride, Workspace& workspace) const {
        fill(first, count, out, stride, workspace);
    }
    /// Whether blocks have sparse parts. Those of an expression with channels are one part then,
    /// with the runs of its channels in order, equally many for each.
    [[nodiscard]] virtual bool sparse() const { return false; }

    /// Rows of a block with which a pass is fastest.
    [[nodiscard]] virtual std::ptrdiff_t rows_per_block() const { return block_rows; }

    /// The same rows in the form that suits them.
    [[nodiscard]] virtual RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                         Workspace::Frame& frame) const;
};

using ExpressionPtr = std::shared_ptr<const Expression>;

/// Half-open range of consecutive samples.
struct Epoch {
    std::ptrdiff_t begin = 0;
    std::ptrdiff_t end = 0;
};

/// The basis at the values of each column of `input` (samples, channels), rescaled to [0, 1] by
/// that column's bounds. A row with a value outside its bounds becomes `fill_value` in all its
/// columns; a NaN makes the columns of its channel NaN. `bases`: one, or one per channel, all with
/// the same number of functions.
ExpressionPtr make_evaluation(std::vector<Basis> bases, const MatrixView& input,
                              std::vector<Bounds> bounds, double fill_value);
inline ExpressionPtr make_evaluation(const Basis& basis, const MatrixView& input,
                                     std::vector<Bounds> bounds, double fill_value) {
    return make_evaluation(std::vector<Basis>{basis}, input, std::move(bounds), fill_value);
}

/// Features that exist already, (samples, channels * functions), as an expression.
ExpressionPtr make_columns(const MatrixView& values, std::ptrdiff_t channels);

/// A bank of filters, row-major (window_size, n_basis_funcs).
struct FilterBank {
    std::span<const double> values;
    std::ptrdiff_t window_size = 0;
    std::ptrdiff_t n_basis_funcs = 0;
};

/// Where the window of a sample lies.
enum class Causality {
    causal,       ///< in the past
    anti_causal,  ///< in the future
    acausal       ///< around the sample
};

enum class ConvolutionMethod {
    automatic,  ///< the cheapest of all
    direct,     ///< the cheapest that does not transform
    copies,     ///< lagged copies, for filters that are the identity matrix
    events,     ///< adds filters at the samples that are not zero
    dense,      ///< a matrix product of shifted inputs and filters
    fourier     ///< overlap-save for all rows at once; single blocks are computed directly
};

/// Convolution of each column with each filter of the bank K, epoch by epoch. With the "valid" sums
///   c[t] = sum_{k < window_size} K[k] x[t + window_size - 1 - k]
/// the rows of an epoch are c, padded with window_size - 1 rows of NaN: before c (causal), after it
/// (anti-causal), or (window_size - 1) / 2 of them before and the others after (acausal). With
/// `shift`, which acausal does not allow, the rows then move one sample away from the window, so
/// that no sample sees itself: causal X[t] = sum_k K[k] x[t - 1 - k]. Epochs are sorted and
/// disjoint; rows outside all of them are NaN. The filters are copied. A NaN in a channel makes all
/// functions of that channel NaN in the rows whose window holds it, and no others. Throws
/// std::invalid_argument for an infinity in the input or a filter that is not finite.
///
/// The sums are exact to 1e-12 sum_k |K[k]| max |x|. What computes them is chosen once, by the cost
/// for the whole input: src/basis/convolution_cost.hpp.
ExpressionPtr make_convolution(const FilterBank& filters, const MatrixView& input,
                               Causality causality, bool shift, std::vector<Epoch> epochs,
                               ConvolutionMethod method = ConvolutionMethod::automatic);

/// The usual history: causal and shifted, with a basis as filters.
inline ExpressionPtr make_convolution(const Basis& basis, const MatrixView& input,
                                      std::ptrdiff_t window_size, std::vector<Epoch> epochs) {
    const std::vector<double> filters = basis.filters(window_size);
    return make_convolution({filters, window_size, basis.n_basis_funcs()}, input, Causality::causal,
                            true, std::move(epochs));
}

/// With `by_channel`, for sums that are factors of a product, the columns are channel-major over
/// both terms: for each channel the functions of `left`, then those of `right`.
ExpressionPtr make_sum(ExpressionPtr left, ExpressionPtr right, bool by_channel = false);
ExpressionPtr make_product(ExpressionPtr left, ExpressionPtr right);

/// An expression as a design: features are computed when a block of rows is asked for.
class BasisDesign final : public Design {
public:
    explicit BasisDesign(ExpressionPtr root) : root_(std::move(root)) {}
    [[nodiscard]] std::ptrdiff_t rows() const override { return root_->rows(); }
    [[nodiscard]] std::ptrdiff_t cols() const override { return root_->n_features(); }
    [[nodiscard]] RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                 Workspace::Frame& frame) const override {
        return root_->block(first, count, frame);
    }
    [[nodiscard]] std::ptrdiff_t rows_per_block() const override { return root_->rows_per_block(); }
    [[nodiscard]] std::ptrdiff_t write_rows() const override { return root_->write_rows(); }
    void write(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
               Workspace::Frame& frame) const override {
        root_->write(first, count, out, stride, frame.workspace());
    }

private:
    ExpressionPtr root_;
};

struct ColumnRange {
    std::vector<Bounds> bounds;             ///< smallest and largest value of each column
    std::vector<std::ptrdiff_t> n_outside;  ///< values of each column below or above given bounds
};

/// One pass over the columns of a basis input. NaN are ignored; a column without values has the
/// range (0, 1). `bounds`: one per column, or empty, and then nothing is outside. Throws
/// std::invalid_argument with row and column of the first infinity.
[[nodiscard]] ColumnRange column_range(const MatrixView& input, std::span<const Bounds> bounds,
                                       const Execution& execution);

}  // namespace spikeglm
