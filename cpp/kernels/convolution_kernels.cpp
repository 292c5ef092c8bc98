#include "convolution_kernels.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "packet.hpp"

namespace spikeglm {
namespace {

using math::packet_size;
using Row = Eigen::Map<const math::Lanes>;

/// Whether eight numbers are all zero, of either sign.
bool all_zero(const double* x) {
    std::uint64_t bits = 0;
    for (int i = 0; i < packet_size; ++i) bits |= std::bit_cast<std::uint64_t>(x[i]);
    return bits << 1 == 0;
}

/// `n_filters` columns times `n_packets` packets of rows, which stay in registers over the window.
/// Every sum runs over k in order, wherever its row lies in the tile.
template <int n_filters, int n_packets>
void dense_columns(const double* kernel, std::ptrdiff_t window, std::ptrdiff_t n_cols,
                   const double* x, std::ptrdiff_t n_out, double* out, std::ptrdiff_t out_stride) {
    constexpr std::ptrdiff_t tile = n_packets * packet_size;
    static_assert(dense_tile_rows % tile == 0);
    for (std::ptrdiff_t r = 0; r < n_out; r += tile) {
        math::Lanes sums[n_packets][n_filters];
        for (auto& packet : sums)
            for (auto& sum : packet) sum.setZero();
        for (std::ptrdiff_t k = 0; k < window; ++k) {
            const double* source = x + r + window - 1 - k;
            const double* weights = kernel + k * n_cols;
            for (int p = 0; p < n_packets; ++p) {
                const math::Lanes values = Row(source + p * packet_size);
                for (int f = 0; f < n_filters; ++f) sums[p][f] += weights[f] * values;
            }
        }
        const std::ptrdiff_t n = std::min(tile, n_out - r);
        for (std::ptrdiff_t i = 0; i < n; ++i)
            for (int f = 0; f < n_filters; ++f)
                out[(r + i) * out_stride + f] = sums[i / packet_size][f](i % packet_size);
    }
}

using Lanes = Eigen::Array<double, fft_lanes, 1>;

/// A complex number in each lane.
struct Complex {
    Lanes re;
    Lanes im;
};

Complex load(const double* data, std::ptrdiff_t i) {
    const double* at = data + 2 * fft_lanes * i;
    return {Eigen::Map<const Lanes>(at), Eigen::Map<const Lanes>(at + fft_lanes)};
}

void store(double* data, std::ptrdiff_t i, const Lanes& re, const Lanes& im) {
    double* at = data + 2 * fft_lanes * i;
    Eigen::Map<Lanes>{at} = re;
    Eigen::Map<Lanes>(at + fft_lanes) = im;
}

/// Stores z w, or z conj(w) for sign -1.
template <int sign>
Complex times(const Complex& z, const double* w) {
    const double im = sign * w[1];
    return {z.re * w[0] - z.im * im, z.re * im + z.im * w[0]};
}

/// Two radix-2 steps of decimation in frequency at once, then the four quarters: depth first, so
/// that the quarters come to fit in the nearest cache. `step`: table entries per n-th root of one.
void forward(double* data, std::ptrdiff_t n, std::ptrdiff_t step, const double* twiddles) {
    if (n == 1) return;
    if (n == 2) {
        const Complex a = load(data, 0);
        const Complex b = load(data, 1);
        store(data, 0, a.re + b.re, a.im + b.im);
        store(data, 1, a.re - b.re, a.im - b.im);
        return;
    }
    const std::ptrdiff_t q = n / 4;
    for (std::ptrdiff_t i = 0; i < q; ++i) {
        const double* w = twiddles + 2 * step * i;
        const Complex a0 = load(data, i);
        const Complex a1 = load(data, i + q);
        const Complex a2 = load(data, i + 2 * q);
        const Complex a3 = load(data, i + 3 * q);
        const Complex even{a0.re + a2.re, a0.im + a2.im};
        const Complex odd{a1.re + a3.re, a1.im + a3.im};
        const Complex d02{a0.re - a2.re, a0.im - a2.im};
        const Complex d13{a1.re - a3.re, a1.im - a3.im};
        store(data, i, even.re + odd.re, even.im + odd.im);
        const Complex c1 = times<1>({even.re - odd.re, even.im - odd.im}, twiddles + 4 * step * i);
        const Complex c2 = times<1>({d02.re + d13.im, d02.im - d13.re}, w);
        const Complex c3 = times<1>({d02.re - d13.im, d02.im + d13.re}, twiddles + 6 * step * i);
        store(data, i + q, c1.re, c1.im);
        store(data, i + 2 * q, c2.re, c2.im);
        store(data, i + 3 * q, c3.re, c3.im);
    }
    for (int part = 0; part < 4; ++part)
        forward(data + 2 * fft_lanes * q * part, q, 4 * step, twiddles);
}

/// `forward` undone from its last step to its first, times n.
void inverse(double* data, std::ptrdiff_t n, std::ptrdiff_t step, const double* twiddles) {
    if (n <= 2) return forward(data, n, step, twiddles);  // its own inverse
    const std::ptrdiff_t q = n / 4;
    for (int part = 0; part < 4; ++part)
        inverse(data + 2 * fft_lanes * q * part, q, 4 * step, twiddles);
    for (std::ptrdiff_t i = 0; i < q; ++i) {
        const Complex c0 = load(data, i);
        const Complex c1 = times<-1>(load(data, i + q), twiddles + 4 * step * i);
        const Complex c2 = times<-1>(load(data, i + 2 * q), twiddles + 2 * step * i);
        const Complex c3 = times<-1>(load(data, i + 3 * q), twiddles + 6 * step * i);
        const Complex even{c0.re + c1.re, c0.im + c1.im};
        const Complex odd{c0.re - c1.re, c0.im - c1.im};
        const Complex s23{c2.re + c3.re, c2.im + c3.im};
        const Complex d23{c2.re - c3.re, c2.im - c3.im};
        store(data, i, even.re + s23.re, even.im + s23.im);
        store(data, i + 2 * q, even.re - s23.re, even.im - s23.im);
        store(data, i + q, odd.re - d23.im, odd.im + d23.re);
        store(data, i + 3 * q, odd.re + d23.im, odd.im - d23.re);
    }
}

}  // namespace

void convolve_events_kernel(const double* kernel, std::ptrdiff_t window, std::ptrdiff_t n_cols,
                            const double* x, std::ptrdiff_t n_out, double* out) {
    // Sample s adds rows [k_begin, k_end) of the bank to consecutive rows of the output: one run of
    // memory on both sides. Zeros cost a fraction of a comparison, which makes spikes cheap.
    const std::ptrdiff_t n_x = n_out + window - 1;
    const auto add = [&](std::ptrdiff_t s) {
        const double value = x[s];
        if (value == 0.0) return;
        const std::ptrdiff_t k_begin = std::max<std::ptrdiff_t>(0, window - 1 - s);
        const std::ptrdiff_t k_end = std::min(window, n_x - s);
        const double* source = kernel + k_begin * n_cols;
        double* target = out + (s + k_begin - window + 1) * n_cols;
        const std::ptrdiff_t length = (k_end - k_begin) * n_cols;
        for (std::ptrdiff_t i = 0; i < length; ++i) target[i] += value * source[i];
    };
    std::ptrdiff_t s = 0;
    for (; s + packet_size <= n_x; s += packet_size) {
        if (all_zero(x + s)) continue;
        for (std::ptrdiff_t i = s; i < s + packet_size; ++i) add(i);
    }
    for (; s < n_x; ++s) add(s);
}

void convolve_dense_kernel(const double* kernel, std::ptrdiff_t window, std::ptrdiff_t n_cols,
                           const double* x, std::ptrdiff_t n_out, double* out,
                           std::ptrdiff_t out_stride) {
    // Tiles of four sums of packets: enough to hide the latency of a multiply-add, few enough for
    // 16 registers of half a packet. Three columns and two make five, without a lonely fifth.
    for (std::ptrdiff_t c = 0; c < n_cols;) {
        const std::ptrdiff_t left = n_cols - c;
        const auto columns = [&]<int n_filters, int n_packets>() {
            dense_columns<n_filters, n_packets>(kernel + c, window, n_cols, x, n_out, out + c,
                                                out_stride);
            c += n_filters;
        };
        if (left == 1)
            columns.template operator()<1, 4>();
        else if (left == 2)
            columns.template operator()<2, 2>();
        else if (left == 3 || left == 5)
            columns.template operator()<3, 1>();
        else
            columns.template operator()<4, 1>();
    }
}

void fft_forward_kernel(std::ptrdiff_t size, const double* twiddles, double* data) {
    forward(data, size, 1, twiddles);
}

void fft_filter_kernel(std::ptrdiff_t size, const double* twiddles, const double* spectrum,
                       const double* data, double* out) {
    for (std::ptrdiff_t i = 0; i < size; ++i) {
        const Complex z = times<1>(load(data, i), spectrum + 2 * i);
        store(out, i, z.re, z.im);
    }
    inverse(out, size, 1, twiddles);
}

}  // namespace spikeglm
