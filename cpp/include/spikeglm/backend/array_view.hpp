#pragma once
/// Views of memory that somebody else owns: a pointer, extents, strides and an element type.
/// Nothing here allocates, and no view keeps its memory alive.

#include <cstddef>
#include <cstdint>

namespace spikeglm {

/// Element types that cross the library boundary. Whatever is stored, arithmetic is in float64.
enum class ElementType { f64, f32, i64, i32, i16, i8, u64, u32, u16, u8 };

/// One column of numbers in its own element type. `stride` is in bytes and may be negative or zero;
/// elements need not be aligned.
struct ColumnView {
    const void* data = nullptr;
    ElementType type = ElementType::f64;
    std::ptrdiff_t size = 0;
    std::ptrdiff_t stride = sizeof(double);

    /// Converts elements [first, first + count) to float64.
    void load(std::ptrdiff_t first, std::ptrdiff_t count, double* out) const;
};

/// A matrix in its own element type, any strides (bytes), alignment not required.
struct MatrixView {
    const void* data = nullptr;
    ElementType type = ElementType::f64;
    std::ptrdiff_t rows = 0;
    std::ptrdiff_t cols = 0;
    std::ptrdiff_t row_stride = 0;
    std::ptrdiff_t col_stride = sizeof(double);

    [[nodiscard]] ColumnView column(std::ptrdiff_t index) const;

    /// Converts rows [first, first + count) to float64, row-major with `stride` elements per row.
    void load(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride) const;

    /// The rows as they lie, when they are aligned float64 with adjacent columns; else nullptr.
    [[nodiscard]] const double* contiguous_row(std::ptrdiff_t row) const;
};

}  // namespace spikeglm
