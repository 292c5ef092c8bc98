#pragma once
/// Convolution by overlap-save. A segment of `size` samples times the filter, both as discrete
/// Fourier transforms, is a circular convolution, of which the rows from window - 1 on are those of
/// the linear one (Oppenheim & Schafer, Discrete-Time Signal Processing, section 8.7.3). Two real
/// segments are one complex signal, and since filters are real they stay apart:
///   ifft(fft(a + i b) fft(k)) = (a * k) + i (b * k).
/// Each is first brought to a maximum in [1/2, 1) by a power of two, so that neither feels the
/// rounding of the other, and one of zeros gives zeros. Segments are paired by their position in
/// the whole input.

#include <cstddef>
#include <span>
#include <vector>

#include "spikeglm/backend/kernel_table.hpp"
#include "spikeglm/backend/workspace.hpp"

namespace spikeglm {

class OverlapSave {
public:
    /// Segments that are convolved at once.
    static constexpr std::ptrdiff_t batch = 2 * fft_lanes;

    /// `filters`: row-major (window, n_filters); `size`: a power of two, at least the window.
    OverlapSave(std::span<const double> filters, std::ptrdiff_t window, std::ptrdiff_t n_filters,
                std::ptrdiff_t size);

    /// Rows that one segment yields.
    [[nodiscard]] std::ptrdiff_t rows() const { return size_ - window_ + 1; }

    struct Segment {
        const double* x = nullptr;  ///< n_rows + window - 1 finite samples
        std::ptrdiff_t n_rows = 0;
        double* out = nullptr;
    };

    /// Writes the rows of up to `batch` segments, n_filters adjacent values each.
    void convolve(std::span<const Segment> segments, std::ptrdiff_t out_stride,
                  Workspace& workspace) const;

private:
    std::ptrdiff_t window_;
    std::ptrdiff_t n_filters_;
    std::ptrdiff_t size_;
    std::vector<double> twiddles_;
    std::vector<double> spectra_;  ///< (n_filters, size) complex numbers, divided by size
};

}  // namespace spikeglm
