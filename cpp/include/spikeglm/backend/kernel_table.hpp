#pragma once
/// The table of hot kernels.
///
/// The sources in cpp/kernels are compiled once per instruction-set level into a shared object that
/// exports one function, `spikeglm_kernels`, and nothing else; the core calls through the table.
/// Only plain data crosses this boundary, because the two sides may be compiled for different
/// instruction sets.

#include <cstddef>
#include <cstdint>

#include "spikeglm/backend/row_block.hpp"

namespace spikeglm {

/// Which second derivative of the loss a pass computes.
enum class Curvature : int { none, observed, expected };

/// Selects the pointwise loss: positions in `Observations` and `InverseLinks`, and the parameter of
/// models that have one.
struct LossSelector {
    int model = 0;
    int link = 0;
    double parameter = 1.0;
};

/// Prepared parameters of one basis family: its position in `BasisFamilies`, the number of
/// functions, and a table of numbers (knots, peaks, ...) that the family has laid out for itself.
struct BasisView {
    int family = 0;
    std::ptrdiff_t n_basis_funcs = 0;
    int order = 0;
    const double* table = nullptr;
    std::ptrdiff_t table_size = 0;
};

/// Combinations of whole frequencies, row-major (n_inputs, n_waves).
struct WavesView {
    std::ptrdiff_t n_inputs = 0;
    std::ptrdiff_t n_waves = 0;
    const double* frequencies = nullptr;
};

/// An interval of x that is one turn: u = (scale x - low) / (head + tail). The head has at most 26
/// significant bits.
struct Period {
    double scale = 1.0;
    double low = 0.0;
    double head = 1.0;
    double tail = 0.0;
};

/// A sample that is not zero among those of a window: its row in a ring, its channel, its value.
template <class T>
struct HistoryEvent {
    std::int32_t row;
    std::int32_t channel;
    T value;
};

/// Rows that convolve_dense computes at a time.
inline constexpr std::ptrdiff_t dense_tile_rows = 32;

/// Transforms that the Fourier kernels carry out at once.
inline constexpr int fft_lanes = 4;

/// Problems that lie side by side are filled up to a multiple of this.
inline constexpr int problem_lanes = 8;

/// Doubles that evaluate_basis needs as scratch, and those that fourier needs. Kernels allocate
/// nothing where a caller in real time depends on it.
constexpr std::ptrdiff_t basis_scratch(std::ptrdiff_t n_basis_funcs) {
    return 96 * n_basis_funcs + 64;
}
constexpr std::ptrdiff_t fourier_scratch(const WavesView& waves) {
    return 16 * (waves.n_inputs + waves.n_waves) + 8;
}

/// Bytes to which the rows of weights and the outputs of `couple` are padded.
inline constexpr std::size_t couple_alignment = 64;

inline constexpr unsigned kernel_abi = 7;

struct KernelTable {
    unsigned abi;
    const char* isa;

    /// eta[r] += sum_c x(r, c) coef[c].
    void (*matvec)(const RowBlock& x, const double* coef, double* eta);

    /// out[c] += sum_r x(r, c) d[r].
    void (*transpose_matvec)(const RowBlock& x, const double* d, double* out);

    /// The same for many problems m < n_problems: eta[r + m * eta_stride]. Their coefficients lie
    /// side by side, coef[c * coef_stride + m], filled up with finite numbers to the next multiple
    /// of problem_lanes.
    void (*matvec_many)(const RowBlock& x, const double* coef, std::ptrdiff_t coef_stride,
                        std::ptrdiff_t n_problems, double* eta, std::ptrdiff_t eta_stride);

    /// The same from d[r + m * d_stride] to out[c * out_stride + m]; what fills up keeps its value.
    void (*transpose_matvec_many)(const RowBlock& x, const double* d, std::ptrdiff_t d_stride,
                                  std::ptrdiff_t n_problems, double* out,
                                  std::ptrdiff_t out_stride);

    /// Adds x'd_m for m < n_vectors, one or two, and x' diag(w) x with the last of them as w, which
    /// may be negative. `sums` has a form that is the kernels' own: products_size doubles, zero at
    /// first; those of several passes over blocks with the same parts may be added. `scratch` holds
    /// x.rows * x.cols doubles.
    void (*add_products)(const RowBlock& x, const double* d, std::ptrdiff_t d_stride,
                         std::ptrdiff_t n_vectors, double* sums, double* scratch);
    std::ptrdiff_t (*products_size)(const RowBlock& parts, std::ptrdiff_t n_vectors);

    /// Writes the sums as they are meant: every x'd_m (cols), then x' diag(w) x (cols x cols). The
    /// product of columns i and j is at (i, j) or at (j, i), or in parts at both.
    void (*collect_products)(const RowBlock& parts, std::ptrdiff_t n_vectors, const double* sums,
                             double* out);

    /// Adds `rows` of a dense part to the moments of its columns: sums and sums of squares about
    /// the origins, minima and maxima. A NaN or an infinity makes the sum of its column one too.
    void (*add_moments)(const RowPart& x, std::ptrdiff_t rows, const double* origin, double* sum,
                        double* squares, double* low, double* high);

    /// Adds rows with `used` not zero to the moments of a factored part: cell_moments_size doubles
    /// per cell (row_block.hpp), zero at first. They are the number of rows, and then for all
    /// products that a row stores: the origins (values of the first row), sums and sums of squares
    /// about the origins, minima and maxima.
    void (*add_cell_moments)(const RowPart& x, std::ptrdiff_t rows, const std::uint8_t* used,
                             double* sums);

    /// Weighted pointwise terms: returns sum_r weight[r] loss(y[r], eta[r]); writes weight * d1
    /// and, unless curvature is none, weight * d2. A null weight means ones. Rows of weight zero
    /// yield zero whatever they hold.
    double (*row_terms)(LossSelector selector, Curvature curvature, std::ptrdiff_t n,
                        const double* y, const double* eta, const double* weight, double* d1,
                        double* d2);

    /// Replaces the lower triangle of a symmetric n x n matrix by its Cholesky factor; false, and
    /// nothing of use, where it is not positive definite. Then L L' x = b, in place.
    bool (*cholesky)(std::ptrdiff_t n, double* a);
    void (*cholesky_solve)(std::ptrdiff_t n, const double* factor, double* b);

    /// mu[r] = g^-1(eta[r]).
    void (*inverse_link)(int link, std::ptrdiff_t n, const double* eta, double* mu);

    /// Writes the basis at u[r] to out[r * out_stride + 0 .. n_basis_funcs); u is in units of the
    /// bounds: 0 at the lower, 1 at the upper. NaN gives a row of NaN. `scratch`: basis_scratch.
    void (*evaluate_basis)(const BasisView& basis, std::ptrdiff_t n, const double* u, double* out,
                           std::ptrdiff_t out_stride, double* scratch);

    /// For families with local support: writes the values of its runs at u[r] to
    /// values[r * stride + 0 ...] and where they begin, counted from -first_col, to
    /// starts[r * starts_stride + 0 ...]. NaN gives NaN in all runs.
    void (*evaluate_runs)(const BasisView& basis, std::ptrdiff_t n, const double* u, double* values,
                          std::ptrdiff_t stride, std::int32_t* starts, std::ptrdiff_t starts_stride,
                          std::int32_t first_col);

    /// Row-wise Kronecker product, channel by channel, `left` slow, of what two parts store.
    /// `starts` receives where the runs of the product begin, counted from its own first column; it
    /// is null for two dense parts, whose product is dense.
    void (*multiply)(const RowPart& left, const RowPart& right, std::ptrdiff_t channels,
                     std::ptrdiff_t rows, double* values, std::ptrdiff_t stride,
                     std::int32_t* starts);

    /// Writes cos(2 pi sum_d f_dk u_d) of every wave k, then the sines of those with a frequency
    /// above zero, to out[r * out_stride + 0 ..). Input d is x[d * n .. d * n + n), in units of
    /// periods[d]. `scratch`: fourier_scratch.
    void (*fourier)(const WavesView& waves, const Period* periods, std::ptrdiff_t n,
                    const double* x, double* out, std::ptrdiff_t out_stride, double* scratch);

    /// Valid convolution: out[r * n_cols + c] += sum_k kernel[k * n_cols + c] x[r + window - 1 - k]
    /// over the `window` rows k of the kernel bank, for r < n_out; x holds n_out + window - 1
    /// samples. Costs nothing but a scan for samples that are zero; a sum runs over x in order.
    void (*convolve_events)(const double* kernel, std::ptrdiff_t window, std::ptrdiff_t n_cols,
                            const double* x, std::ptrdiff_t n_out, double* out);

    /// The same sums, over k in order, written with `out_stride` from row to row. Reads x up to
    /// n_out rounded up to dense_tile_rows, plus window - 1.
    void (*convolve_dense)(const double* kernel, std::ptrdiff_t window, std::ptrdiff_t n_cols,
                           const double* x, std::ptrdiff_t n_out, double* out,
                           std::ptrdiff_t out_stride);

    /// In place, `fft_lanes` discrete Fourier transforms of `size` points, a power of two. Point i
    /// holds the real parts of all lanes and then their imaginary parts. The result lies in the
    /// order in which decimation in frequency leaves it. `twiddles`: (cos, -sin)(2 pi m / size) for
    /// m < size.
    void (*fft_forward)(std::ptrdiff_t size, const double* twiddles, double* data);

    /// Writes the inverse transforms, times `size`, of data times `spectrum`, both in the order of
    /// fft_forward; the spectrum has one complex number per point, for all lanes.
    void (*fft_filter)(std::ptrdiff_t size, const double* twiddles, const double* spectrum,
                       const double* data, double* out);

    /// One row of a convolution of many channels: out[c * n_basis + b] =
    /// sum_j filters[j * n_basis + b] x[j * n_channels + c] over the `window` rows j of x.
    void (*project)(const double* filters, std::ptrdiff_t window, std::ptrdiff_t n_basis,
                    const double* x, std::ptrdiff_t n_channels, double* out);
    void (*project_single)(const float* filters, std::ptrdiff_t window, std::ptrdiff_t n_basis,
                           const float* x, std::ptrdiff_t n_channels, float* out);

    /// The same from the samples that are not zero: adds filter (row - oldest_row, modulo window)
    /// times value to the n_basis sums of each event's channel.
    void (*add_events)(const double* filters, std::ptrdiff_t window, std::ptrdiff_t n_basis,
                       std::ptrdiff_t oldest_row, const HistoryEvent<double>* events,
                       std::ptrdiff_t n_events, double* out);
    void (*add_events_single)(const float* filters, std::ptrdiff_t window, std::ptrdiff_t n_basis,
                              std::ptrdiff_t oldest_row, const HistoryEvent<float>* events,
                              std::ptrdiff_t n_events, float* out);

    /// Writes the x[i] that are not zero (a NaN is not) and their places i < n; returns how many.
    /// `values` and `rows` have room for n and hold nothing of use beyond.
    std::ptrdiff_t (*compress)(const double* x, std::ptrdiff_t n, double* values,
                               std::int32_t* rows);
    std::ptrdiff_t (*compress_single)(const double* x, std::ptrdiff_t n, float* values,
                                      std::int32_t* rows);

    /// out[o] += sum_i values[i] weights[rows[i] * n_outputs + o]. `weights` and `out` are aligned
    /// to couple_alignment, of which a row of n_outputs is a multiple.
    void (*couple)(const double* weights, std::ptrdiff_t n_outputs, const std::int32_t* rows,
                   const double* values, std::ptrdiff_t n_rows, double* out);
    void (*couple_single)(const float* weights, std::ptrdiff_t n_outputs, const std::int32_t* rows,
                          const float* values, std::ptrdiff_t n_rows, float* out);
};

}  // namespace spikeglm

extern "C" const spikeglm::KernelTable* spikeglm_kernels();
