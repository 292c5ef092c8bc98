#include "spikeglm/design/design.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "spikeglm/backend/threads.hpp"

namespace spikeglm {

void Design::write(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
                   Workspace::Frame& frame) const {
    const RowBlock rows = block(first, count, frame);
    for (std::ptrdiff_t r = 0; r < count; ++r)
        std::copy_n(rows.data + r * rows.stride, rows.cols, out + r * stride);
}

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
    bool clean = location_.empty();
    for (std::ptrdiff_t r = 0; clean && r < count; ++r) clean = usable(r);
    if (clean) return source;

    double* copy = frame.take(count * source.cols);
    for (std::ptrdiff_t r = 0; r < count; ++r) {
        const double* from = source.data + r * source.stride;
        double* to = copy + r * source.cols;
        if (!usable(r))
            std::fill_n(to, source.cols, 0.0);
        else if (location_.empty())
            std::copy_n(from, source.cols, to);
        else
            for (std::ptrdiff_t c = 0; c < source.cols; ++c) {
                const auto j = static_cast<std::size_t>(c);
                to[c] = (from[c] - location_[j]) / spread_[j];
            }
    }
    return {copy, count, source.cols, source.cols};
}

RowSubset::RowSubset(std::shared_ptr<const Design> base, std::vector<std::ptrdiff_t> indices)
    : base_(std::move(base)), indices_(std::move(indices)) {
    for (const std::ptrdiff_t index : indices_)
        if (index < 0 || index >= base_->rows())
            throw std::invalid_argument("row " + std::to_string(index) +
                                        " does not exist in a design of " +
                                        std::to_string(base_->rows()) + " rows.");
}

RowBlock RowSubset::block(std::ptrdiff_t first, std::ptrdiff_t count,
                          Workspace::Frame& frame) const {
    const std::ptrdiff_t* index = indices_.data() + first;
    const auto run_length = [&](std::ptrdiff_t r) {
        std::ptrdiff_t length = 1;
        while (r + length < count && index[r + length] == index[r] + length) ++length;
        return length;
    };
    if (count > 0 && run_length(0) == count) return base_->block(index[0], count, frame);

    double* out = frame.take(count * cols());
    for (std::ptrdiff_t r = 0; r < count;) {
        const std::ptrdiff_t length = run_length(r);
        Workspace::Frame inner(frame.workspace());
        const RowBlock run = base_->block(index[r], length, inner);
        for (std::ptrdiff_t i = 0; i < length; ++i)
            std::copy_n(run.data + i * run.stride, run.cols, out + (r + i) * run.cols);
        r += length;
    }
    return {out, count, cols(), cols()};
}

namespace {

/// Calls body(first, count, frame) for steps of the rows. Contiguous runs of steps are tasks.
template <class Body>
void for_each_step(const Design& design, const Execution& execution, const Body& body) {
    const std::ptrdiff_t step = design.write_rows();
    const std::ptrdiff_t n_steps = (design.rows() + step - 1) / step;
    const std::ptrdiff_t n_tasks = std::min<std::ptrdiff_t>(n_steps, 32);
    run_tasks(n_tasks, execution, [&](std::ptrdiff_t task, const Monitor& poll) {
        Workspace workspace;
        for (std::ptrdiff_t i = task * n_steps / n_tasks; i < (task + 1) * n_steps / n_tasks; ++i) {
            poll();
            Workspace::Frame frame(workspace);
            body(i * step, std::min(step, design.rows() - i * step), frame);
        }
    });
}

}  // namespace

void materialise(const Design& design, double* out, const Execution& execution) {
    const std::ptrdiff_t cols = design.cols();
    for_each_step(design, execution,
                  [&](std::ptrdiff_t first, std::ptrdiff_t count, Workspace::Frame& frame) {
                      design.write(first, count, out + first * cols, cols, frame);
                  });
}

void materialise(const Design& design, float* out, const Execution& execution) {
    const std::ptrdiff_t cols = design.cols();
    for_each_step(design, execution,
                  [&](std::ptrdiff_t first, std::ptrdiff_t count, Workspace::Frame& frame) {
                      double* rows = frame.take(count * cols);
                      design.write(first, count, rows, cols, frame);
                      std::copy_n(rows, count * cols, out + first * cols);
                  });
}

}  // namespace spikeglm
