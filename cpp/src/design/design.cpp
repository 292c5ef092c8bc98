#include "spikeglm/design/design.hpp"

#include <algorithm>

namespace spikeglm {

RowBlock DenseDesign::block(std::ptrdiff_t first, std::ptrdiff_t count,
                            Workspace::Frame& frame) const {
    if (const double* row = matrix_.contiguous_row(first))
        return {row, count, matrix_.cols,
                matrix_.row_stride / static_cast<std::ptrdiff_t>(sizeof(double))};
    double* copy = frame.take(count * matrix_.cols);
    matrix_.load(first, count, copy, matrix_.cols);
    return {copy, count, matrix_.cols, matrix_.cols};
}

RowBlock PreparedDesign::block(std::ptrdiff_t first, std::ptrdiff_t count,
                               Workspace::Frame& frame) const {
    const RowBlock source = base_.block(first, count, frame);
    const auto usable = [&](std::ptrdiff_t r) {
        return usable_.empty() || usable_[static_cast<std::size_t>(first + r)] != 0;
    };
    bool clean = shift_.empty();
    for (std::ptrdiff_t r = 0; clean && r < count; ++r) clean = usable(r);
    if (clean) return source;

    double* copy = frame.take(count * source.cols);
    for (std::ptrdiff_t r = 0; r < count; ++r) {
        const double* from = source.data + r * source.stride;
        double* to = copy + r * source.cols;
        if (!usable(r))
            std::fill_n(to, source.cols, 0.0);
        else if (shift_.empty())
            std::copy_n(from, source.cols, to);
        else
            std::transform(from, from + source.cols, shift_.begin(), to, std::minus<>());
    }
    return {copy, count, source.cols, source.cols};
}

namespace {

template <class T>
void materialise_as(const Design& design, T* out, const Monitor& monitor) {
    Workspace workspace;
    const std::ptrdiff_t cols = design.cols();
    for_each_block(RowPlan::make(design.rows(), cols), monitor,
                   [&](std::ptrdiff_t, std::ptrdiff_t first, std::ptrdiff_t count) {
                       Workspace::Frame frame(workspace);
                       const RowBlock block = design.block(first, count, frame);
                       for (std::ptrdiff_t r = 0; r < count; ++r)
                           std::copy_n(block.data + r * block.stride, cols,
                                       out + (first + r) * cols);
                   });
}

}  // namespace

void materialise(const Design& design, double* out, const Monitor& monitor) {
    materialise_as(design, out, monitor);
}

void materialise(const Design& design, float* out, const Monitor& monitor) {
    materialise_as(design, out, monitor);
}

}  // namespace spikeglm
