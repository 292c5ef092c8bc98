#include "online_kernels.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <bit>
#include <type_traits>
#include <utility>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace spikeglm {
namespace {

/// What 64 bytes hold of a T: one register at v4, two at v3, four at the baseline.
template <class T>
inline constexpr int line = static_cast<int>(couple_alignment / sizeof(T));
template <class T>
using Line = Eigen::Array<T, line<T>, 1>;

/// Lines of sums that the registers hold beside what they are made of.
#if defined(__AVX512F__)
inline constexpr int most_lines = 16;
#elif defined(__AVX__)
inline constexpr int most_lines = 4;
#else
inline constexpr int most_lines = 2;
#endif

/// Calls f.template operator()<n>() for the n in 1 .. most_lines that is `count`.
template <class F>
void with_count(std::ptrdiff_t count, F&& f) {
    [&]<int... n>(std::integer_sequence<int, n...>) {
        ((count == n + 1 ? f.template operator()<n + 1>() : void()), ...);
    }(std::make_integer_sequence<int, most_lines>{});
}

/// `n_lines` lines of channels times `n_filters` filters. Channels above `count` of the last line
/// are none of x.
template <class T, int n_lines, int n_filters>
void project_tile(const T* filters, std::ptrdiff_t window, std::ptrdiff_t n_basis, const T* x,
                  std::ptrdiff_t n_channels, T* out) {
    Line<T> sums[n_lines][n_filters];
    for (auto& of_line : sums)
        for (auto& sum : of_line) sum.setZero();
    for (std::ptrdiff_t j = 0; j < window; ++j, x += n_channels, filters += n_basis)
        for (int l = 0; l < n_lines; ++l) {
            const Line<T> samples = Eigen::Map<const Line<T>>(x + l * line<T>);
            for (int f = 0; f < n_filters; ++f) sums[l][f] += filters[f] * samples;
        }
    for (int l = 0; l < n_lines; ++l)
        for (int c = 0; c < line<T>; ++c)
            for (int f = 0; f < n_filters; ++f)
                out[(l * line<T> + c) * n_basis + f] = sums[l][f](c);
}

template <class T>
void project_channel(const T* filters, std::ptrdiff_t window, std::ptrdiff_t n_basis, const T* x,
                     std::ptrdiff_t n_channels, T* out) {
    std::fill_n(out, n_basis, T(0));
    for (std::ptrdiff_t j = 0; j < window; ++j)
        for (std::ptrdiff_t b = 0; b < n_basis; ++b)
            out[b] += filters[j * n_basis + b] * x[j * n_channels];
}

/// `n` is the number of functions where the compiler knows it, else 0.
template <class T, int n>
void add_all(const T* filters, std::ptrdiff_t window, std::ptrdiff_t n_basis,
             std::ptrdiff_t oldest_row, const HistoryEvent<T>* events, std::ptrdiff_t n_events,
             T* out) {
    for (std::ptrdiff_t i = 0; i < n_events; ++i) {
        std::ptrdiff_t age = events[i].row - oldest_row;
        age += age < 0 ? window : 0;
        using Values = Eigen::Array<T, n == 0 ? Eigen::Dynamic : n, 1>;
        const std::ptrdiff_t size = n == 0 ? n_basis : n;
        Eigen::Map<Values>(out + events[i].channel * size, size) +=
            events[i].value * Eigen::Map<const Values>(filters + age * size, size);
    }
}

}  // namespace

/// Channels lie side by side in x, so they fill registers; what is left of them goes one by one.
template <class T>
void project_kernel(const T* filters, std::ptrdiff_t window, std::ptrdiff_t n_basis, const T* x,
                    std::ptrdiff_t n_channels, T* out) {
    constexpr int n_lines = most_lines == 16 ? 2 : 1;
    constexpr int most_filters = most_lines / n_lines / (most_lines == 16 ? 1 : 2);
    std::ptrdiff_t c = 0;
    const auto tiles = [&]<int lines>() {
        for (; c + lines * line<T> <= n_channels; c += lines * line<T>)
            for (std::ptrdiff_t b = 0; b < n_basis; b += most_filters)
                with_count(std::min<std::ptrdiff_t>(most_filters, n_basis - b), [&]<int count>() {
                    if constexpr (count <= most_filters)
                        project_tile<T, lines, count>(filters + b, window, n_basis, x + c,
                                                      n_channels, out + c * n_basis + b);
                });
    };
    tiles.template operator()<n_lines>();
    if constexpr (n_lines > 1) tiles.template operator()<1>();
    for (; c < n_channels; ++c)
        project_channel(filters, window, n_basis, x + c, n_channels, out + c * n_basis);
}

template <class T>
void add_events_kernel(const T* filters, std::ptrdiff_t window, std::ptrdiff_t n_basis,
                       std::ptrdiff_t oldest_row, const HistoryEvent<T>* events,
                       std::ptrdiff_t n_events, T* out) {
    const auto add = n_basis == 4   ? add_all<T, 4>
                     : n_basis == 5 ? add_all<T, 5>
                     : n_basis == 8 ? add_all<T, 8>
                                    : add_all<T, 0>;
    add(filters, window, n_basis, oldest_row, events, n_events, out);
}

template <class T>
std::ptrdiff_t compress_kernel(const double* x, std::ptrdiff_t n, T* values, std::int32_t* rows) {
    std::ptrdiff_t i = 0;
    std::ptrdiff_t count = 0;
#if defined(__AVX512F__) && defined(__AVX512VL__)
    // Stored in full, and what is beyond the count overwritten by what follows: a masked store of
    // compressed lanes is slow on some processors. count <= i, so that it stays within n.
    __m256i places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (; i + 8 <= n; i += 8) {
        const __m512d all = _mm512_loadu_pd(x + i);
        const __mmask8 used = _mm512_cmp_pd_mask(all, _mm512_setzero_pd(), _CMP_NEQ_UQ);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows + count),
                            _mm256_maskz_compress_epi32(used, places));
        const __m512d some = _mm512_maskz_compress_pd(used, all);
        if constexpr (std::is_same_v<T, float>)
            _mm256_storeu_ps(values + count, _mm512_cvtpd_ps(some));
        else
            _mm512_storeu_pd(values + count, some);
        places = _mm256_add_epi32(places, _mm256_set1_epi32(8));
        count += std::popcount(static_cast<unsigned>(used));
    }
#else
    // Counted, not looked for: without an early end the compiler makes vectors of it.
    if (std::count(x, x + n, 0.0) == 0) {
        for (; i < n; ++i) {
            values[i] = static_cast<T>(x[i]);
            rows[i] = static_cast<std::int32_t>(i);
        }
        return n;
    }
#endif
    for (; i < n; ++i) {
        rows[count] = static_cast<std::int32_t>(i);
        values[count] = static_cast<T>(x[i]);
        count += x[i] != 0.0;
    }
    return count;
}

/// The sums stay in registers over all rows; a row of weights is read once.
template <class T>
void couple_kernel(const T* weights, std::ptrdiff_t n_outputs, const std::int32_t* rows,
                   const T* values, std::ptrdiff_t n_rows, T* out) {
    using In = Eigen::Map<const Line<T>, Eigen::AlignedMax>;
    using Out = Eigen::Map<Line<T>, Eigen::AlignedMax>;
    for (std::ptrdiff_t first = 0; first < n_outputs; first += most_lines * line<T>) {
        const std::ptrdiff_t n_lines =
            std::min<std::ptrdiff_t>(most_lines, (n_outputs - first) / line<T>);
        with_count(n_lines, [&]<int count>() {
            Line<T> sums[count];
            for (int l = 0; l < count; ++l) sums[l] = Out(out + first + l * line<T>);
            for (std::ptrdiff_t i = 0; i < n_rows; ++i) {
                const T* row = weights + rows[i] * n_outputs + first;
                const T value = values[i];
                for (int l = 0; l < count; ++l) sums[l] += value * In(row + l * line<T>);
            }
            for (int l = 0; l < count; ++l) Out(out + first + l * line<T>) = sums[l];
        });
    }
}

template void project_kernel(const double*, std::ptrdiff_t, std::ptrdiff_t, const double*,
                             std::ptrdiff_t, double*);
template void project_kernel(const float*, std::ptrdiff_t, std::ptrdiff_t, const float*,
                             std::ptrdiff_t, float*);
template void add_events_kernel(const double*, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t,
                                const HistoryEvent<double>*, std::ptrdiff_t, double*);
template void add_events_kernel(const float*, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t,
                                const HistoryEvent<float>*, std::ptrdiff_t, float*);
template std::ptrdiff_t compress_kernel(const double*, std::ptrdiff_t, double*, std::int32_t*);
template std::ptrdiff_t compress_kernel(const double*, std::ptrdiff_t, float*, std::int32_t*);
template void couple_kernel(const double*, std::ptrdiff_t, const std::int32_t*, const double*,
                            std::ptrdiff_t, double*);
template void couple_kernel(const float*, std::ptrdiff_t, const std::int32_t*, const float*,
                            std::ptrdiff_t, float*);

}  // namespace spikeglm
