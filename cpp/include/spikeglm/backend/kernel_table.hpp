#pragma once
/// The table of hot kernels.
///
/// The sources in cpp/kernels are compiled once per instruction-set level into a shared object that
/// exports one function, `spikeglm_kernels`, and nothing else; the core calls through the table.
/// Only plain data crosses this boundary, because the two sides may be compiled for different
/// instruction sets.

#include <cstddef>

#include "spikeglm/backend/array_view.hpp"

namespace spikeglm {

/// Which second derivative of the loss a pass computes.
enum class Curvature : int { none, observed, expected };

/// Selects the pointwise loss: positions in `Observations` and `InverseLinks`.
struct LossSelector {
    int model = 0;
    int link = 0;
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

inline constexpr unsigned kernel_abi = 2;

struct KernelTable {
    unsigned abi;
    const char* isa;

    /// eta[r + m * eta_stride] += sum_c x(r, c) coef[c + m * coef_stride], for m < n_problems.
    void (*matvec)(const RowBlock& x, const double* coef, std::ptrdiff_t coef_stride,
                   std::ptrdiff_t n_problems, double* eta, std::ptrdiff_t eta_stride);

    /// out[c + m * out_stride] += sum_r x(r, c) d[r + m * d_stride], for m < n_problems.
    void (*transpose_matvec)(const RowBlock& x, const double* d, std::ptrdiff_t d_stride,
                             std::ptrdiff_t n_problems, double* out, std::ptrdiff_t out_stride);

    /// Adds x' diag(w) x to the lower triangle of `out` (column-major). `w` may be negative.
    /// `scratch` holds x.rows * x.cols doubles.
    void (*sandwich)(const RowBlock& x, const double* w, double* out, std::ptrdiff_t out_stride,
                     double* scratch);

    /// Weighted pointwise terms: returns sum_r weight[r] loss(y[r], eta[r]); writes weight * d1
    /// and, unless curvature is none, weight * d2. A null weight means ones. Rows of weight zero
    /// yield zero whatever they hold.
    double (*row_terms)(LossSelector selector, Curvature curvature, std::ptrdiff_t n,
                        const double* y, const double* eta, const double* weight, double* d1,
                        double* d2);

    /// mu[r] = g^-1(eta[r]).
    void (*inverse_link)(int link, std::ptrdiff_t n, const double* eta, double* mu);

    /// Writes the basis at u[r] to out[r * out_stride + 0 .. n_basis_funcs); u is in units of the
    /// bounds: 0 at the lower, 1 at the upper. NaN gives a row of NaN.
    void (*evaluate_basis)(const BasisView& basis, std::ptrdiff_t n, const double* u, double* out,
                           std::ptrdiff_t out_stride);

    /// Writes cos(2 pi sum_d f_dk u_d) of every wave k, then the sines of those with a frequency
    /// above zero, to out[r * out_stride + 0 ..). Input d is x[d * n .. d * n + n), in units of
    /// periods[d].
    void (*fourier)(const WavesView& waves, const Period* periods, std::ptrdiff_t n,
                    const double* x, double* out, std::ptrdiff_t out_stride);

    /// Causal convolution: out[r * n_cols + c] += sum_k kernel[k * n_cols + c] x[r - lag - k] over
    /// the `window` rows k of the kernel bank and over 0 <= r - lag - k < n_x, for r in
    /// [first, first + n_out). The order of the sum is that of x, whatever `first` is.
    void (*convolve)(const double* kernel, std::ptrdiff_t window, std::ptrdiff_t n_cols,
                     const double* x, std::ptrdiff_t n_x, std::ptrdiff_t first,
                     std::ptrdiff_t n_out, std::ptrdiff_t lag, double* out);
};

}  // namespace spikeglm

extern "C" const spikeglm::KernelTable* spikeglm_kernels();
