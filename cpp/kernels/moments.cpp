#include <algorithm>

#include "block_products.hpp"

namespace spikeglm {
namespace {

/// Columns whose moments stay in registers: so many that additions of one do not wait for another.
constexpr std::ptrdiff_t width = 16;

template <bool full>
void add_columns(const double* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t some,
                 const double* origin, double* sum, double* squares, double* low, double* high) {
    const std::ptrdiff_t n = full ? width : some;
    double s[width], q[width], l[width], h[width], o[width];
    for (std::ptrdiff_t c = 0; c < n; ++c) {
        s[c] = sum[c];
        q[c] = squares[c];
        l[c] = low[c];
        h[c] = high[c];
        o[c] = origin[c];
    }
    for (std::ptrdiff_t r = 0; r < rows; ++r, x += stride)
        for (std::ptrdiff_t c = 0; c < n; ++c) {
            const double deviation = x[c] - o[c];
            s[c] += deviation;
            q[c] += deviation * deviation;
            l[c] = x[c] < l[c] ? x[c] : l[c];
            h[c] = x[c] > h[c] ? x[c] : h[c];
        }
    std::copy_n(s, n, sum);
    std::copy_n(q, n, squares);
    std::copy_n(l, n, low);
    std::copy_n(h, n, high);
}

}  // namespace

void add_moments_kernel(const RowPart& x, std::ptrdiff_t rows, const double* origin, double* sum,
                        double* squares, double* low, double* high) {
    for (std::ptrdiff_t c = 0; c < x.cols; c += width) {
        const std::ptrdiff_t some = std::min(width, x.cols - c);
        const auto add = some == width ? add_columns<true> : add_columns<false>;
        add(x.values + c, x.stride, rows, some, origin + c, sum + c, squares + c, low + c,
            high + c);
    }
}

}  // namespace spikeglm
