#include "spikeglm/backend/array_view.hpp"

#include <cstring>
#include <type_traits>

namespace spikeglm {
namespace {

template <class T>
void load_strided(const char* source, std::ptrdiff_t stride, std::ptrdiff_t count, double* out,
                  std::ptrdiff_t out_stride) {
    if (std::is_same_v<T, double> && stride == sizeof(T) && out_stride == 1) {
        std::memcpy(out, source, static_cast<std::size_t>(count) * sizeof(T));
        return;
    }
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        T value;
        std::memcpy(&value, source + i * stride, sizeof(T));  // the element may be unaligned
        out[i * out_stride] = static_cast<double>(value);
    }
}

void load_any(ElementType type, const char* source, std::ptrdiff_t stride, std::ptrdiff_t count,
              double* out, std::ptrdiff_t out_stride) {
    switch (type) {
        case ElementType::f64: return load_strided<double>(source, stride, count, out, out_stride);
        case ElementType::f32: return load_strided<float>(source, stride, count, out, out_stride);
        case ElementType::i64:
            return load_strided<std::int64_t>(source, stride, count, out, out_stride);
        case ElementType::i32:
            return load_strided<std::int32_t>(source, stride, count, out, out_stride);
        case ElementType::i16:
            return load_strided<std::int16_t>(source, stride, count, out, out_stride);
        case ElementType::i8:
            return load_strided<std::int8_t>(source, stride, count, out, out_stride);
        case ElementType::u64:
            return load_strided<std::uint64_t>(source, stride, count, out, out_stride);
        case ElementType::u32:
            return load_strided<std::uint32_t>(source, stride, count, out, out_stride);
        case ElementType::u16:
            return load_strided<std::uint16_t>(source, stride, count, out, out_stride);
        case ElementType::u8:
            return load_strided<std::uint8_t>(source, stride, count, out, out_stride);
    }
}

}  // namespace

void ColumnView::load(std::ptrdiff_t first, std::ptrdiff_t count, double* out) const {
    load_any(type, static_cast<const char*>(data) + first * stride, stride, count, out, 1);
}

ColumnView MatrixView::column(std::ptrdiff_t index) const {
    return {static_cast<const char*>(data) + index * col_stride, type, rows, row_stride};
}

void MatrixView::load(std::ptrdiff_t first, std::ptrdiff_t count, double* out,
                      std::ptrdiff_t stride) const {
    const auto* base = static_cast<const char*>(data) + first * row_stride;
    // Along the dimension that lies closer in memory, so that each cache line is read once.
    const auto magnitude = [](std::ptrdiff_t value) { return value < 0 ? -value : value; };
    if (magnitude(col_stride) <= magnitude(row_stride)) {
        for (std::ptrdiff_t r = 0; r < count; ++r)
            load_any(type, base + r * row_stride, col_stride, cols, out + r * stride, 1);
    } else {
        for (std::ptrdiff_t c = 0; c < cols; ++c)
            load_any(type, base + c * col_stride, row_stride, count, out + c, stride);
    }
}

const double* MatrixView::contiguous_row(std::ptrdiff_t row) const {
    const bool adjacent = col_stride == sizeof(double) || cols == 1;
    const auto address = reinterpret_cast<std::uintptr_t>(data);
    const bool aligned =
        address % alignof(double) == 0 && row_stride % std::ptrdiff_t{alignof(double)} == 0;
    if (type != ElementType::f64 || !adjacent || !aligned || row_stride < 0) return nullptr;
    return reinterpret_cast<const double*>(static_cast<const char*>(data) + row * row_stride);
}

}  // namespace spikeglm
