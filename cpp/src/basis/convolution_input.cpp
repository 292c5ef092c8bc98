#include "convolution_input.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "spikeglm/backend/threads.hpp"

namespace spikeglm {
namespace {

/// Calls body.operator()<T>() with the type of the elements.
template <class Body>
void with_element_type(ElementType type, const Body& body) {
    switch (type) {
        case ElementType::f64: return body.template operator()<double>();
        case ElementType::f32: return body.template operator()<float>();
        case ElementType::i64: return body.template operator()<std::int64_t>();
        case ElementType::i32: return body.template operator()<std::int32_t>();
        case ElementType::i16: return body.template operator()<std::int16_t>();
        case ElementType::i8: return body.template operator()<std::int8_t>();
        case ElementType::u64: return body.template operator()<std::uint64_t>();
        case ElementType::u32: return body.template operator()<std::uint32_t>();
        case ElementType::u16: return body.template operator()<std::uint16_t>();
        case ElementType::u8: return body.template operator()<std::uint8_t>();
    }
}

template <class T>
T element(const char* at) {
    T value;
    std::memcpy(&value, at, sizeof(T));  // it may be unaligned
    return value;
}

struct Counts {
    std::ptrdiff_t nonzero = 0;
    std::ptrdiff_t not_finite = 0;
};

/// Counts are whole numbers, which may be added in any order and hence several at a time.
template <class T>
void count(const char* data, std::ptrdiff_t n, std::ptrdiff_t stride, Counts& counts) {
    std::ptrdiff_t nonzero = 0;
    std::ptrdiff_t not_finite = 0;
    const auto add = [&](const char* at) {
        const T value = element<T>(at);
        nonzero += value != T(0);
        not_finite += !(value - value == T(0));
    };
    constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(T));
    if (stride == size)
        for (std::ptrdiff_t i = 0; i < n; ++i) add(data + i * size);
    else
        for (std::ptrdiff_t i = 0; i < n; ++i) add(data + i * stride);
    counts.nonzero += nonzero;
    counts.not_finite += not_finite;
}

void refuse_infinities(const MatrixView& input) {
    for (std::ptrdiff_t r = 0; r < input.rows; ++r)
        for (std::ptrdiff_t c = 0; c < input.cols; ++c) {
            double value = 0.0;
            input.column(c).load(r, 1, &value);
            if (std::isinf(value))
                throw std::invalid_argument(
                    "a basis input holds an infinite value at sample " + std::to_string(r) +
                    ", channel " + std::to_string(c) +
                    ". NaN marks missing samples; an infinity is an error upstream.");
        }
}

}  // namespace

InputSummary summarise(const MatrixView& input) {
    if (input.rows == 0 || input.cols == 0) return {};
    // Runs along the dimension that lies closer in memory; one run where nothing lies between.
    const bool by_rows = std::abs(input.col_stride) <= std::abs(input.row_stride);
    std::ptrdiff_t n_runs = by_rows ? input.rows : input.cols;
    std::ptrdiff_t length = by_rows ? input.cols : input.rows;
    const std::ptrdiff_t step = by_rows ? input.col_stride : input.row_stride;
    const std::ptrdiff_t run_stride = by_rows ? input.row_stride : input.col_stride;
    const bool gapless = run_stride == length * step;
    if (gapless) {
        length *= n_runs;
        n_runs = 1;
    }
    // Tasks of about a million elements: pieces of the one run, or several runs.
    constexpr std::ptrdiff_t share = std::ptrdiff_t{1} << 20;
    const std::ptrdiff_t n_tasks = std::max<std::ptrdiff_t>(1, n_runs * length / share);
    const auto cut = [&](std::ptrdiff_t task) {
        return (gapless ? length : n_runs) * task / n_tasks;
    };
    std::vector<Counts> partial(static_cast<std::size_t>(n_tasks));
    run_tasks(n_tasks, {}, [&](std::ptrdiff_t task, const Monitor&) {
        const char* data = static_cast<const char*>(input.data);
        Counts& sums = partial[static_cast<std::size_t>(task)];
        const std::ptrdiff_t begin = cut(task);
        const std::ptrdiff_t end = cut(task + 1);
        with_element_type(input.type, [&]<class T>() {
            if (gapless) return count<T>(data + begin * step, end - begin, step, sums);
            for (std::ptrdiff_t run = begin; run < end; ++run)
                count<T>(data + run * run_stride, length, step, sums);
        });
    });
    Counts counts;
    for (const Counts& sums : partial) {
        counts.nonzero += sums.nonzero;
        counts.not_finite += sums.not_finite;
    }
    if (counts.not_finite > 0) refuse_infinities(input);
    return {static_cast<double>(counts.nonzero) /
                (static_cast<double>(input.rows) * static_cast<double>(input.cols)),
            counts.not_finite > 0};
}

void load_channels(const MatrixView& input, std::ptrdiff_t first, std::ptrdiff_t n_samples,
                   std::ptrdiff_t channel, std::ptrdiff_t n_channels, double* out,
                   std::ptrdiff_t stride) {
    // Squares of samples, so that a cache line is read once and written once whichever way it lies.
    constexpr std::ptrdiff_t tile = 8;
    const std::ptrdiff_t row_stride = input.row_stride;
    const char* data =
        static_cast<const char*>(input.data) + first * row_stride + channel * input.col_stride;
    with_element_type(input.type, [&]<class T>() {
        const auto load = [&](std::ptrdiff_t r, std::ptrdiff_t n) {
            for (std::ptrdiff_t c = 0; c < n_channels; ++c) {
                const char* from = data + r * row_stride + c * input.col_stride;
                double* to = out + c * stride + r;
                for (std::ptrdiff_t i = 0; i < n; ++i)
                    to[i] = static_cast<double>(element<T>(from + i * row_stride));
            }
        };
        std::ptrdiff_t r = 0;
        for (; r + tile <= n_samples; r += tile) load(r, tile);
        load(r, n_samples - r);
    });
}

}  // namespace spikeglm
