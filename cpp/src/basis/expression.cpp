#include "spikeglm/basis/expression.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "spikeglm/backend/kernels.hpp"

namespace spikeglm {
namespace {

/// A sparse part in the making.
struct Runs {
    RowPart part;
    double* values;
    std::int32_t* starts;

    Runs(std::ptrdiff_t count, std::ptrdiff_t cols, std::ptrdiff_t n_runs,
         std::ptrdiff_t run_length, Workspace::Frame& frame)
        : values(frame.take(count * n_runs * run_length)),
          starts(frame.take<std::int32_t>(count * n_runs)) {
        part = {0, cols, values, n_runs * run_length, starts, n_runs, run_length};
    }
};

RowBlock one_part(const RowPart& part, std::ptrdiff_t count, Workspace::Frame& frame) {
    auto* own = frame.take<RowPart>(1);
    *own = part;
    return {count, part.cols, own, 1};
}

/// The product of two parts that are not factored.
RowPart product_of(const RowPart& left, const RowPart& right, std::ptrdiff_t channels,
                   std::ptrdiff_t count, Workspace::Frame& frame) {
    const ChannelRuns slow(left, channels);
    const ChannelRuns fast(right, channels);
    const Runs runs(count, left.cols * right.cols / channels,
                    channels * slow.n_runs() * slow.run_length() * fast.n_runs(), fast.run_length(),
                    frame);
    kernels().multiply(left, right, channels, count, runs.values, runs.part.stride, runs.starts);
    return runs.part;
}

/// A part with its values.
RowPart multiplied_out(const RowPart& part, std::ptrdiff_t count, Workspace::Frame& frame) {
    if (!part.factored()) return part;
    RowPart product = product_of(part.factors[0], part.factors[1], 1, count, frame);
    product.first_col = part.first_col;
    return product;
}

/// Parts side by side within each channel, as one sparse part: runs are cut to a common length.
RowPart side_by_side(std::span<RowPart> parts, std::ptrdiff_t channels, std::ptrdiff_t count,
                     Workspace::Frame& frame) {
    for (RowPart& part : parts) part = multiplied_out(part, count, frame);
    std::ptrdiff_t length = 0;
    std::ptrdiff_t cols = 0;
    std::ptrdiff_t stored = 0;
    for (const RowPart& part : parts) {
        length = std::gcd(length, ChannelRuns(part, channels).run_length());
        cols += part.cols;
        stored += part.stored();
    }
    const Runs runs(count, cols, stored / length, length, frame);
    double* values = runs.values;
    std::int32_t* starts = runs.starts;
    for (std::ptrdiff_t r = 0; r < count; ++r)
        for (std::ptrdiff_t c = 0; c < channels; ++c) {
            std::ptrdiff_t begin = c * (cols / channels);
            for (const RowPart& part : parts) {
                const ChannelRuns runs_of(part, channels);
                values = std::copy_n(runs_of.values(r, c), runs_of.n_runs() * runs_of.run_length(),
                                     values);
                for (std::ptrdiff_t i = 0; i < runs_of.n_runs(); ++i)
                    for (std::ptrdiff_t k = 0; k < runs_of.run_length(); k += length)
                        *starts++ = static_cast<std::int32_t>(begin + runs_of.start(r, c, i) + k);
                begin += runs_of.cols();
            }
        }
    return runs.part;
}

/// Terms side by side. Sums of sums are one sum; dense terms that follow each other are one part.
class Sum final : public Expression {
public:
    Sum(const ExpressionPtr& left, const ExpressionPtr& right) {
        for (const ExpressionPtr& term : {left, right}) {
            if (const auto* sum = dynamic_cast<const Sum*>(term.get()))
                terms_.insert(terms_.end(), sum->terms_.begin(), sum->terms_.end());
            else
                terms_.push_back(term);
        }
        for (const ExpressionPtr& term : terms_) n_features_ += term->n_features();
    }

    [[nodiscard]] std::ptrdiff_t rows() const override { return terms_.front()->rows(); }
    /// Only a sum over single channels is channel-major; 0: it is not.
    [[nodiscard]] std::ptrdiff_t channels() const override {
        return std::all_of(terms_.begin(), terms_.end(),
                           [](const auto& term) { return term->channels() == 1; });
    }
    [[nodiscard]] std::ptrdiff_t n_features() const override { return n_features_; }
    [[nodiscard]] bool sparse() const override {
        return std::any_of(terms_.begin(), terms_.end(),
                           [](const auto& term) { return term->sparse(); });
    }

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace& workspace) const override {
        for (const ExpressionPtr& term : terms_) {
            term->fill(first, count, out, stride, workspace);
            out += term->n_features();
        }
    }

    [[nodiscard]] RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                 Workspace::Frame& frame) const override {
        auto* parts = frame.take<RowPart>(static_cast<std::ptrdiff_t>(terms_.size()));
        std::ptrdiff_t n_parts = 0;
        std::ptrdiff_t begin = 0;
        for (auto term = terms_.begin(); term != terms_.end();) {
            if ((*term)->sparse()) {
                parts[n_parts] = (*term)->block(first, count, frame).parts[0];
                parts[n_parts].first_col = begin;
                ++term;
            } else {
                const auto end = std::find_if(term, terms_.end(),
                                              [](const auto& next) { return next->sparse(); });
                std::ptrdiff_t cols = 0;
                for (auto dense = term; dense != end; ++dense) cols += (*dense)->n_features();
                double* values = frame.take(count * cols);
                for (double* out = values; term != end; ++term) {
                    (*term)->fill(first, count, out, cols, frame.workspace());
                    out += (*term)->n_features();
                }
                parts[n_parts] = RowPart::dense(values, cols, cols, begin);
            }
            begin += parts[n_parts++].cols;
        }
        return {count, n_features_, parts, n_parts};
    }

    [[nodiscard]] std::ptrdiff_t write_rows() const override {
        std::ptrdiff_t rows = 0;
        for (const ExpressionPtr& term : terms_) rows = std::max(rows, term->write_rows());
        return rows;
    }

    /// Each term in steps of its own.
    void write(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
               Workspace& workspace) const override {
        for (const ExpressionPtr& term : terms_) {
            const std::ptrdiff_t step = term->write_rows();
            for (std::ptrdiff_t done = 0; done < count;) {
                const std::ptrdiff_t n = std::min(step - (first + done) % step, count - done);
                term->write(first + done, n, out + done * stride, stride, workspace);
                done += n;
            }
            out += term->n_features();
        }
    }

private:
    std::vector<ExpressionPtr> terms_;
    std::ptrdiff_t n_features_ = 0;
};

/// Terms side by side within each channel.
class ChannelSum final : public Expression {
public:
    ChannelSum(ExpressionPtr left, ExpressionPtr right)
        : left_(std::move(left)), right_(std::move(right)) {}

    [[nodiscard]] std::ptrdiff_t rows() const override { return left_->rows(); }
    [[nodiscard]] std::ptrdiff_t channels() const override { return left_->channels(); }
    [[nodiscard]] std::ptrdiff_t n_features() const override {
        return left_->n_features() + right_->n_features();
    }
    [[nodiscard]] bool sparse() const override { return left_->sparse() || right_->sparse(); }

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace& workspace) const override {
        const std::ptrdiff_t width = n_features() / channels();
        std::ptrdiff_t begin = 0;
        for (const ExpressionPtr& term : {left_, right_}) {
            Workspace::Frame frame(workspace);
            const std::ptrdiff_t cols = term->n_features();
            const std::ptrdiff_t own_width = cols / channels();
            double* values = frame.take(count * cols);
            term->fill(first, count, values, cols, workspace);
            for (std::ptrdiff_t r = 0; r < count; ++r)
                for (std::ptrdiff_t c = 0; c < channels(); ++c)
                    std::copy_n(values + r * cols + c * own_width, own_width,
                                out + r * stride + c * width + begin);
            begin += own_width;
        }
    }

    [[nodiscard]] RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                 Workspace::Frame& frame) const override {
        if (!sparse()) return Expression::block(first, count, frame);
        RowPart parts[] = {left_->block(first, count, frame).parts[0],
                           right_->block(first, count, frame).parts[0]};
        return one_part(side_by_side(parts, channels(), count, frame), count, frame);
    }

private:
    ExpressionPtr left_, right_;
};

class Product final : public Expression {
public:
    Product(ExpressionPtr left, ExpressionPtr right)
        : left_(std::move(left)), right_(std::move(right)) {}

    [[nodiscard]] std::ptrdiff_t rows() const override { return left_->rows(); }
    [[nodiscard]] std::ptrdiff_t channels() const override { return left_->channels(); }
    [[nodiscard]] std::ptrdiff_t n_features() const override {
        return left_->n_features() * right_->n_features() / channels();
    }
    [[nodiscard]] bool sparse() const override { return left_->sparse() || right_->sparse(); }

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace& workspace) const override {
        Workspace::Frame frame(workspace);
        const std::ptrdiff_t n_left = left_->n_features();
        const std::ptrdiff_t n_right = right_->n_features();
        double* left = frame.take(count * n_left);
        double* right = frame.take(count * n_right);
        left_->fill(first, count, left, n_left, workspace);
        right_->fill(first, count, right, n_right, workspace);
        kernels().multiply(RowPart::dense(left, n_left, n_left),
                           RowPart::dense(right, n_right, n_right), channels(), count, out, stride,
                           nullptr);
    }

    /// Sparse rows are summed cell by cell of the product: the more rows, the more of a cell. What
    /// a row stores is little, so that they stay in cache.
    [[nodiscard]] std::ptrdiff_t rows_per_block() const override {
        return left_->sparse() && right_->sparse() ? 1024 : block_rows;
    }

    [[nodiscard]] RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                 Workspace::Frame& frame) const override {
        if (!sparse()) return Expression::block(first, count, frame);
        const RowPart left = factor(*left_, first, count, frame);
        const RowPart right = factor(*right_, first, count, frame);
        if (!may_stay_factored(left) || !may_stay_factored(right))
            return one_part(product_of(left, right, channels(), count, frame), count, frame);
        auto* factors = frame.take<RowPart>(2);
        factors[0] = left;
        factors[1] = right;
        RowPart part;
        part.cols = n_features();
        part.n_runs = left.run_length;
        part.run_length = right.run_length;
        part.factors = factors;
        return one_part(part, count, frame);
    }

private:
    static bool may_stay_factored(const RowPart& part) {
        return part.sparse() && part.n_runs == 1 && part.run_length <= max_factor_run;
    }

    /// A factor as one part with its values; only a sum of single channels has several parts.
    static RowPart factor(const Expression& expression, std::ptrdiff_t first, std::ptrdiff_t count,
                          Workspace::Frame& frame) {
        const RowBlock x = expression.block(first, count, frame);
        if (x.n_parts == 1) return multiplied_out(x.parts[0], count, frame);
        std::vector<RowPart> parts(x.parts, x.parts + x.n_parts);
        return side_by_side(parts, 1, count, frame);
    }

    ExpressionPtr left_, right_;
};

void require_same_rows(const Expression& left, const Expression& right) {
    if (left.rows() != right.rows())
        throw std::invalid_argument(
            "inputs of one basis must have the same number of samples, got " +
            std::to_string(left.rows()) + " and " + std::to_string(right.rows()) + ".");
}

void require_same_channels(const Expression& left, const Expression& right, const char* what) {
    if (left.channels() == 0 || right.channels() == 0)
        throw std::invalid_argument(
            "a sum of bases can be a factor of a product only when each of its inputs is "
            "one-dimensional, or when it is made channel by channel.");
    if (left.channels() != right.channels())
        throw std::invalid_argument(
            "the " + std::string(what) + " need inputs with the same number of channels, got " +
            std::to_string(left.channels()) + " and " + std::to_string(right.channels()) + ".");
}

}  // namespace

RowBlock Expression::block(std::ptrdiff_t first, std::ptrdiff_t count,
                           Workspace::Frame& frame) const {
    double* rows = frame.take(count * n_features());
    fill(first, count, rows, n_features(), frame.workspace());
    return dense_block(rows, count, n_features(), n_features(), frame);
}

ExpressionPtr make_sum(ExpressionPtr left, ExpressionPtr right, bool by_channel) {
    require_same_rows(*left, *right);
    if (!by_channel || (left->channels() == 1 && right->channels() == 1))
        return std::make_shared<Sum>(left, right);
    require_same_channels(*left, *right, "terms of a sum that is a factor of a product");
    return std::make_shared<ChannelSum>(std::move(left), std::move(right));
}

ExpressionPtr make_product(ExpressionPtr left, ExpressionPtr right) {
    require_same_rows(*left, *right);
    require_same_channels(*left, *right, "factors of a product");
    return std::make_shared<Product>(std::move(left), std::move(right));
}

}  // namespace spikeglm
