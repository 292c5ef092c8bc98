#pragma once
/// Which algorithm convolves. The costs below were measured per core on x86-64-v3 at 3 GHz; only
/// their ratios matter, and they are the same for every instruction set, so that the choice is too.
///
///   events    every sample that is not zero adds the bank to the window after it
///             density * window * n_filters * 0.125 ns + 0.5 ns per row and channel
///   dense     register tiles of rows and filters
///             window * n_filters * 0.055 ns per row and channel
///   fourier   overlap-save in segments of N samples, when all rows are wanted
///             (n_filters + 1) * 0.28 ns * N log2 N + 1.5 ns * n_filters * N per segment
///
/// For eight filters and no zeros, `fourier` wins from windows of about 80 samples on.

#include <bit>
#include <cmath>
#include <cstddef>
#include <span>

namespace spikeglm::convolution_cost {

struct Problem {
    std::ptrdiff_t window = 0;
    std::ptrdiff_t n_filters = 0;
    std::ptrdiff_t n_channels = 0;
    double density = 0.0;
};

inline double events(const Problem& p) {
    return 0.125 * p.density * static_cast<double>(p.window * p.n_filters) + 0.5;
}

inline double dense(const Problem& p) {
    return 0.055 * static_cast<double>(p.window * p.n_filters);
}

inline double fourier_segment(const Problem& p, std::ptrdiff_t size) {
    const auto n = static_cast<double>(size);
    const auto filters = static_cast<double>(p.n_filters);
    return (filters + 1.0) * 0.28 * n * std::log2(n) + 1.5 * filters * n;
}

}  // namespace spikeglm::convolution_cost
