#include "overlap_save.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "spikeglm/backend/kernels.hpp"

namespace spikeglm {
namespace {

/// Doubles per point: the lanes' real parts, then their imaginary parts.
constexpr std::ptrdiff_t point = 2 * fft_lanes;

/// Filters that are convolved before their rows are written: up to a cache line of output, and no
/// more than 4 MiB.
constexpr std::ptrdiff_t group = 8;
constexpr std::ptrdiff_t group_points = (std::ptrdiff_t{4} << 20) / (point * sizeof(double));

/// Memory from `frame`, at the start of a cache line, which packets then do not straddle.
double* take_aligned(Workspace::Frame& frame, std::ptrdiff_t count) {
    double* data = frame.take(count + 8);
    const auto offset = reinterpret_cast<std::uintptr_t>(data) % 64 / sizeof(double);
    return data + (offset == 0 ? 0 : 8 - offset);
}

double largest_of(const OverlapSave::Segment& segment, std::ptrdiff_t n) {
    double largest = 0.0;
    for (std::ptrdiff_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(segment.x[i]));
    return largest;
}

}  // namespace

OverlapSave::OverlapSave(std::span<const double> filters, std::ptrdiff_t window,
                         std::ptrdiff_t n_filters, std::ptrdiff_t size)
    : window_(window), n_filters_(n_filters), size_(size) {
    const auto n = static_cast<double>(size);
    for (std::ptrdiff_t m = 0; m < size; ++m) {
        const double angle = 2.0 * std::numbers::pi * static_cast<double>(m) / n;
        twiddles_.push_back(std::cos(angle));
        twiddles_.push_back(-std::sin(angle));
    }
    spectra_.resize(static_cast<std::size_t>(n_filters * 2 * size));
    std::vector<double> lanes(static_cast<std::size_t>(size * point));
    for (std::ptrdiff_t f = 0; f < n_filters; ++f) {
        std::fill(lanes.begin(), lanes.end(), 0.0);
        for (std::ptrdiff_t k = 0; k < window; ++k)
            lanes[static_cast<std::size_t>(k * point)] =
                filters[static_cast<std::size_t>(k * n_filters + f)] / n;
        kernels().fft_forward(size, twiddles_.data(), lanes.data());
        double* spectrum = spectra_.data() + f * 2 * size;
        for (std::ptrdiff_t i = 0; i < size; ++i) {
            spectrum[2 * i] = lanes[static_cast<std::size_t>(i * point)];
            spectrum[2 * i + 1] = lanes[static_cast<std::size_t>(i * point + fft_lanes)];
        }
    }
}

void OverlapSave::convolve(std::span<const Segment> segments, std::ptrdiff_t out_stride,
                           Workspace& workspace) const {
    Workspace::Frame frame(workspace);
    double* data = take_aligned(frame, size_ * point);
    std::fill_n(data, size_ * point, 0.0);
    double unscale[batch];
    // Segments 2 i and 2 i + 1 are the real and the imaginary part of lane i.
    const auto place = [](std::size_t s) {
        return static_cast<std::ptrdiff_t>(s % 2 * fft_lanes + s / 2);
    };
    for (std::size_t s = 0; s < segments.size(); ++s) {
        const std::ptrdiff_t n = segments[s].n_rows + window_ - 1;
        const double largest = largest_of(segments[s], n);
        // Kept where the inverse of the scale is a normal number too.
        const int exponent = largest > 0.0 ? std::clamp(std::ilogb(largest) + 1, -1000, 1000) : 0;
        const double scale = std::ldexp(1.0, -exponent);
        unscale[s] = largest > 0.0 ? std::ldexp(1.0, exponent) : 0.0;
        double* lane = data + place(s);
        for (std::ptrdiff_t i = 0; i < n; ++i) lane[i * point] = segments[s].x[i] * scale;
    }
    kernels().fft_forward(size_, twiddles_.data(), data);

    const std::ptrdiff_t n_together =
        std::min(n_filters_, std::clamp<std::ptrdiff_t>(group_points / size_, 1, group));
    double* products[group];
    for (std::ptrdiff_t g = 0; g < n_together; ++g)
        products[g] = take_aligned(frame, size_ * point);
    for (std::ptrdiff_t f = 0; f < n_filters_; f += n_together) {
        const std::ptrdiff_t n_here = std::min(n_together, n_filters_ - f);
        for (std::ptrdiff_t g = 0; g < n_here; ++g)
            kernels().fft_filter(size_, twiddles_.data(), spectra_.data() + (f + g) * 2 * size_,
                                 data, products[g]);
        for (std::size_t s = 0; s < segments.size(); ++s) {
            const std::ptrdiff_t offset = (window_ - 1) * point + place(s);
            for (std::ptrdiff_t r = 0; r < segments[s].n_rows; ++r) {
                double* out = segments[s].out + r * out_stride + f;
                for (std::ptrdiff_t g = 0; g < n_here; ++g)
                    out[g] = products[g][offset + r * point] * unscale[s];
            }
        }
    }
}

}  // namespace spikeglm
