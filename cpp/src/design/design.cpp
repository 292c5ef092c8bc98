#include "spikeglm/design/design.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "spikeglm/backend/threads.hpp"

namespace spikeglm {

void Design::write(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
                   Workspace::Frame& frame) const {
    const RowBlock x = block(first, count, frame);
    for (std::ptrdiff_t i = 0; i < x.n_parts; ++i)
        expand(x.parts[i], count, out + x.parts[i].first_col, stride);
}

RowBlock dense_block(const double* rows, std::ptrdiff_t count, std::ptrdiff_t cols,
                     std::ptrdiff_t stride, Workspace::Frame& frame) {
    auto* part = frame.take<RowPart>(1);
    *part = RowPart::dense(rows, cols, stride);
    return {count, cols, part, 1};
}

void expand(const RowPart& part, std::ptrdiff_t rows, double* out, std::ptrdiff_t stride) {
    for (std::ptrdiff_t r = 0; r < rows; ++r, out += stride) {
        if (!part.sparse()) {
            std::copy_n(part.values + r * part.stride, part.cols, out);
            continue;
        }
        std::fill_n(out, part.cols, 0.0);
        for_each_stored(part, r, [&](std::ptrdiff_t column, double value) { out[column] = value; });
    }
}

namespace {

/// Memory for the values and starts of a part.
struct Storage {
    double* values;
    std::int32_t* starts;  // null for a dense part
};

/// Calls f(leaf, storage) for every leaf of a part, with new memory for `rows` of its rows, and
/// returns the part that lies there. `keep_starts`: the starts stay where they are.
template <class F>
RowPart rebuild(RowPart part, std::ptrdiff_t rows, bool keep_starts, Workspace::Frame& frame,
                F&& f) {
    const auto of_leaf = [&](const RowPart& from) {
        Storage storage{frame.take(rows * from.stored()), nullptr};
        if (from.sparse() && !keep_starts)
            storage.starts = frame.take<std::int32_t>(rows * from.n_runs);
        f(from, storage);
        RowPart leaf = from;
        leaf.values = storage.values;
        leaf.stride = from.stored();
        if (!keep_starts) leaf.starts = storage.starts;
        return leaf;
    };
    if (!part.factored()) return of_leaf(part);
    auto* factors = frame.take<RowPart>(2);
    std::transform(part.factors, part.factors + 2, factors, of_leaf);
    part.factors = factors;
    return part;
}

}  // namespace

RowBlock DenseDesign::block(std::ptrdiff_t first, std::ptrdiff_t count,
                            Workspace::Frame& frame) const {
    if (const double* row = matrix_.contiguous_row(first))
        return dense_block(row, count, matrix_.cols,
                           matrix_.row_stride / static_cast<std::ptrdiff_t>(sizeof(double)), frame);
    double* copy = frame.take(count * matrix_.cols);
    matrix_.load(first, count, copy, matrix_.cols);
    return dense_block(copy, count, matrix_.cols, matrix_.cols, frame);
}

bool PreparedDesign::moves(const RowPart& part) const {
    if (location_.empty()) return false;
    const auto begin = static_cast<std::size_t>(part.first_col);
    const auto cols = static_cast<std::size_t>(part.cols);
    const auto differ = [&](std::span<const double> values, double from) {
        const auto own = values.subspan(begin, cols);
        return std::any_of(own.begin(), own.end(), [&](double value) { return value != from; });
    };
    return differ(location_, 0.0) || differ(spread_, 1.0);
}

RowBlock PreparedDesign::block(std::ptrdiff_t first, std::ptrdiff_t count,
                               Workspace::Frame& frame) const {
    const RowBlock source = base_.block(first, count, frame);
    bool all_usable = true;
    for (std::ptrdiff_t r = 0; all_usable && r < count; ++r) all_usable = usable(first + r);

    auto* parts = frame.take<RowPart>(source.n_parts);
    for (std::ptrdiff_t i = 0; i < source.n_parts; ++i) {
        const RowPart& part = parts[i] = source.parts[i];
        const auto zero_unusable = [&](double* values, std::ptrdiff_t stored) {
            for (std::ptrdiff_t r = 0; r < count; ++r)
                if (!usable(first + r)) std::fill_n(values + r * stored, stored, 0.0);
        };
        if (moves(part)) {
            double* values = frame.take(count * part.cols);
            expand(part, count, values, part.cols);
            standardise(part.first_col, count, part.cols, values);
            zero_unusable(values, part.cols);
            parts[i] = RowPart::dense(values, part.cols, part.cols, part.first_col);
        } else if (!all_usable) {
            parts[i] =
                rebuild(part, count, true, frame, [&](const RowPart& leaf, const Storage& to) {
                    const std::ptrdiff_t stored = leaf.stored();
                    for (std::ptrdiff_t r = 0; r < count; ++r)
                        std::copy_n(leaf.values + r * leaf.stride, stored, to.values + r * stored);
                    zero_unusable(to.values, stored);
                });
        }
    }
    return {count, source.cols, parts, source.n_parts};
}

void PreparedDesign::standardise(std::ptrdiff_t first_col, std::ptrdiff_t count,
                                 std::ptrdiff_t cols, double* values) const {
    const double* location = location_.data() + first_col;
    const double* spread = spread_.data() + first_col;
    for (std::ptrdiff_t r = 0; r < count; ++r)
        for (std::ptrdiff_t c = 0; c < cols; ++c) {
            double& value = values[r * cols + c];
            value = (value - location[c]) / spread[c];
        }
}

RowSubset::RowSubset(std::shared_ptr<const Design> base, std::vector<std::ptrdiff_t> indices)
    : base_(std::move(base)), indices_(std::move(indices)) {
    for (const std::ptrdiff_t index : indices_)
        if (index < 0 || index >= base_->rows())
            throw std::invalid_argument("row " + std::to_string(index) +
                                        " does not exist in a design of " +
                                        std::to_string(base_->rows()) + " rows.");
}

namespace {

void copy_rows(const RowPart& from, std::ptrdiff_t rows, const Storage& to, std::ptrdiff_t to_row) {
    const std::ptrdiff_t stored = from.stored();
    for (std::ptrdiff_t r = 0; r < rows; ++r)
        std::copy_n(from.values + r * from.stride, stored, to.values + (to_row + r) * stored);
    if (from.sparse())
        std::copy_n(from.starts, rows * from.n_runs, to.starts + to_row * from.n_runs);
}

}  // namespace

/// How many of the rows [first, first + count) follow each other in the base.
std::ptrdiff_t RowSubset::run_length(std::ptrdiff_t first, std::ptrdiff_t count) const {
    const std::ptrdiff_t* index = indices_.data() + first;
    std::ptrdiff_t length = 1;
    while (length < count && index[length] == index[0] + length) ++length;
    return length;
}

RowBlock RowSubset::block(std::ptrdiff_t first, std::ptrdiff_t count,
                          Workspace::Frame& frame) const {
    const std::ptrdiff_t* index = indices_.data() + first;
    if (count == 0) return base_->block(0, 0, frame);
    if (run_length(first, count) == count) return base_->block(index[0], count, frame);

    // The first run shows what the parts are.
    const std::ptrdiff_t length = run_length(first, count);
    const RowBlock head = base_->block(index[0], length, frame);
    auto* parts = frame.take<RowPart>(head.n_parts);
    auto* copies = frame.take<Storage>(2 * head.n_parts);  // leaf by leaf
    std::ptrdiff_t n_leaves = 0;
    for (std::ptrdiff_t i = 0; i < head.n_parts; ++i)
        parts[i] =
            rebuild(head.parts[i], count, false, frame,
                    [&](const RowPart&, const Storage& storage) { copies[n_leaves++] = storage; });
    const auto append = [&](const RowBlock& run, std::ptrdiff_t r) {
        const Storage* copy = copies;
        for (std::ptrdiff_t i = 0; i < run.n_parts; ++i)
            for (const RowPart& leaf : run.parts[i].leaves()) copy_rows(leaf, run.rows, *copy++, r);
    };
    append(head, 0);
    for (std::ptrdiff_t r = length; r < count;) {
        Workspace::Frame inner(frame.workspace());
        const RowBlock run = base_->block(index[r], run_length(first + r, count - r), inner);
        append(run, r);
        r += run.rows;
    }
    return {count, cols(), parts, head.n_parts};
}

RowBlock ColumnSubset::block(std::ptrdiff_t first, std::ptrdiff_t count,
                             Workspace::Frame& frame) const {
    double* chosen = frame.take(count * cols());
    Workspace::Frame inner(frame.workspace());
    const RowBlock source = base_.block(first, count, inner);
    auto column = columns_.begin();
    for (std::ptrdiff_t i = 0; i < source.n_parts; ++i) {
        const RowPart& part = source.parts[i];
        const auto end = std::lower_bound(column, columns_.end(), part.first_col + part.cols);
        if (column == end) continue;
        const double* values = part.values;
        std::ptrdiff_t stride = part.stride;
        if (part.sparse()) {
            double* all = inner.take(count * part.cols);
            expand(part, count, all, part.cols);
            values = all;
            stride = part.cols;
        }
        double* out = chosen + (column - columns_.begin());
        for (std::ptrdiff_t r = 0; r < count; ++r)
            for (auto c = column; c != end; ++c)
                out[r * cols() + (c - column)] = values[r * stride + *c - part.first_col];
        column = end;
    }
    return dense_block(chosen, count, cols(), cols(), frame);
}

RowBlock Thinned::block(std::ptrdiff_t first, std::ptrdiff_t count, Workspace::Frame& frame) const {
    if (count == 0) return base_.block(0, 0, frame);
    const RowBlock source = base_.block(base_row(first), (count - 1) * stride_ + 1, frame);
    const auto thin = [&](RowPart leaf) {
        leaf.stride *= stride_;
        if (!leaf.sparse()) return leaf;
        auto* starts = frame.take<std::int32_t>(count * leaf.n_runs);
        for (std::ptrdiff_t r = 0; r < count; ++r)
            std::copy_n(leaf.starts + r * stride_ * leaf.n_runs, leaf.n_runs,
                        starts + r * leaf.n_runs);
        leaf.starts = starts;
        return leaf;
    };
    auto* parts = frame.take<RowPart>(source.n_parts);
    for (std::ptrdiff_t i = 0; i < source.n_parts; ++i) {
        parts[i] = source.parts[i];
        if (!parts[i].factored()) {
            parts[i] = thin(parts[i]);
            continue;
        }
        auto* factors = frame.take<RowPart>(2);
        std::transform(parts[i].factors, parts[i].factors + 2, factors, thin);
        parts[i].factors = factors;
    }
    return {count, source.cols, parts, source.n_parts};
}

void RowSubset::write(std::ptrdiff_t first, std::ptrdiff_t count, double* out,
                      std::ptrdiff_t stride, Workspace::Frame& frame) const {
    for (std::ptrdiff_t r = 0; r < count;) {
        const std::ptrdiff_t length = run_length(first + r, count - r);
        Workspace::Frame inner(frame.workspace());
        base_->write(indices_[static_cast<std::size_t>(first + r)], length, out + r * stride,
                     stride, inner);
        r += length;
    }
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
