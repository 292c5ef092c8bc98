#include "spikeglm/basis/expression.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/memory.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"

namespace spikeglm {
namespace {

/// Rescales to units of the bounds, in place. A range that overflows is halved first; a range of
/// zero (bounds learned from a constant) only shifts.
void to_unit(const Bounds& bounds, std::span<double> values) {
    const double half = std::isinf(bounds.high - bounds.low) ? 0.5 : 1.0;
    const double low = half * bounds.low;
    const double range = bounds.high > bounds.low ? half * bounds.high - low : 1.0;
    for (double& value : values) value = (half * value - low) / range;
}

/// Values per unit of x, for families that are densities.
void per_unit(const Bounds& bounds, std::span<double> row) {
    const double range = bounds.high > bounds.low ? bounds.high - bounds.low : 1.0;
    for (double& value : row) value /= range;
}

class Evaluation final : public Expression {
public:
    Evaluation(const Basis& basis, const MatrixView& input, std::vector<Bounds> bounds,
               double fill_value)
        : basis_(basis), input_(input), bounds_(std::move(bounds)), fill_value_(fill_value) {}

    [[nodiscard]] std::ptrdiff_t rows() const override { return input_.rows; }
    [[nodiscard]] std::ptrdiff_t channels() const override { return input_.cols; }
    [[nodiscard]] std::ptrdiff_t n_features() const override {
        return input_.cols * basis_.n_basis_funcs();
    }

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace& workspace) const override {
        Workspace::Frame frame(workspace);
        double* u = frame.take(count);
        double* outside = frame.take(count);
        std::fill_n(outside, count, 0.0);
        const std::ptrdiff_t n_basis = basis_.n_basis_funcs();
        for (std::ptrdiff_t c = 0; c < input_.cols; ++c) {
            input_.column(c).load(first, count, u);
            const Bounds& bounds = bounds_[static_cast<std::size_t>(c)];
            for (std::ptrdiff_t r = 0; r < count; ++r)
                if (u[r] < bounds.low || u[r] > bounds.high) outside[r] = 1.0;
            to_unit(bounds, {u, static_cast<std::size_t>(count)});
            kernels().evaluate_basis(basis_.view(), count, u, out + c * n_basis, stride);
            for (std::ptrdiff_t r = 0; basis_.is_density() && r < count; ++r)
                per_unit(bounds,
                         {out + r * stride + c * n_basis, static_cast<std::size_t>(n_basis)});
        }
        for (std::ptrdiff_t r = 0; r < count; ++r)
            if (outside[r] != 0.0) std::fill_n(out + r * stride, n_features(), fill_value_);
    }

private:
    Basis basis_;
    MatrixView input_;
    std::vector<Bounds> bounds_;
    double fill_value_;
};

class Convolution final : public Expression {
public:
    Convolution(const Basis& basis, const MatrixView& input, std::ptrdiff_t window_size,
                std::vector<Epoch> epochs)
        : input_(input),
          window_(window_size),
          n_basis_(basis.n_basis_funcs()),
          epochs_(std::move(epochs)) {
        require_memory(window_size, n_basis_, sizeof(double), "a bank of filters");
        kernel_.resize(static_cast<std::size_t>(window_size * n_basis_));
        std::vector<double> grid(static_cast<std::size_t>(window_size));
        for (std::ptrdiff_t k = 0; k < window_size; ++k)
            grid[static_cast<std::size_t>(k)] =
                window_size == 1 ? 0.0
                                 : static_cast<double>(k) / static_cast<double>(window_size - 1);
        basis.evaluate(grid, {0.0, 1.0}, kernel_.data());
    }

    [[nodiscard]] std::ptrdiff_t rows() const override { return input_.rows; }
    [[nodiscard]] std::ptrdiff_t channels() const override { return input_.cols; }
    [[nodiscard]] std::ptrdiff_t n_features() const override { return input_.cols * n_basis_; }

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace& workspace) const override {
        constexpr std::ptrdiff_t lag = 1;  // a bin never sees itself
        for (std::ptrdiff_t r = 0; r < count; ++r)
            std::fill_n(out + r * stride, n_features(), nan_value);

        const std::ptrdiff_t end = first + count;
        auto epoch = std::upper_bound(
            epochs_.begin(), epochs_.end(), first,
            [](std::ptrdiff_t row, const Epoch& candidate) { return row < candidate.end; });
        for (; epoch != epochs_.end() && epoch->begin < end; ++epoch) {
            const std::ptrdiff_t complete = epoch->begin + window_ - 1 + lag;
            const std::ptrdiff_t begin = std::max(first, complete);
            const std::ptrdiff_t n_out = std::min(end, epoch->end) - begin;
            if (n_out <= 0) continue;

            Workspace::Frame frame(workspace);
            const std::ptrdiff_t source = begin - lag - window_ + 1;
            const std::ptrdiff_t n_source = n_out + window_ - 1;
            double* x = frame.take(n_source);
            double* sums = frame.take(n_out * n_basis_);
            for (std::ptrdiff_t c = 0; c < input_.cols; ++c) {
                input_.column(c).load(source, n_source, x);
                std::fill_n(sums, n_out * n_basis_, 0.0);
                kernels().convolve(kernel_.data(), window_, n_basis_, x, n_source, begin - source,
                                   n_out, lag, sums);
                for (std::ptrdiff_t r = 0; r < n_out; ++r)
                    std::copy_n(sums + r * n_basis_, n_basis_,
                                out + (begin - first + r) * stride + c * n_basis_);
            }
        }
    }

private:
    MatrixView input_;
    std::ptrdiff_t window_;
    std::ptrdiff_t n_basis_;
    std::vector<double> kernel_;
    std::vector<Epoch> epochs_;
};

class Sum final : public Expression {
public:
    Sum(ExpressionPtr left, ExpressionPtr right)
        : left_(std::move(left)), right_(std::move(right)) {}

    [[nodiscard]] std::ptrdiff_t rows() const override { return left_->rows(); }
    /// Terms lie side by side, so only a sum over single channels is channel-major; 0: it is not.
    [[nodiscard]] std::ptrdiff_t channels() const override {
        return left_->channels() == 1 && right_->channels() == 1 ? 1 : 0;
    }
    [[nodiscard]] std::ptrdiff_t n_features() const override {
        return left_->n_features() + right_->n_features();
    }

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace& workspace) const override {
        left_->fill(first, count, out, stride, workspace);
        right_->fill(first, count, out + left_->n_features(), stride, workspace);
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

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace& workspace) const override {
        Workspace::Frame frame(workspace);
        const std::ptrdiff_t n_left = left_->n_features();
        const std::ptrdiff_t n_right = right_->n_features();
        double* left = frame.take(count * n_left);
        double* right = frame.take(count * n_right);
        left_->fill(first, count, left, n_left, workspace);
        right_->fill(first, count, right, n_right, workspace);
        const std::ptrdiff_t slow = n_left / channels();
        const std::ptrdiff_t fast = n_right / channels();
        for (std::ptrdiff_t r = 0; r < count; ++r)
            for (std::ptrdiff_t c = 0; c < channels(); ++c)
                for (std::ptrdiff_t i = 0; i < slow; ++i) {
                    const double factor = left[r * n_left + c * slow + i];
                    const double* source = right + r * n_right + c * fast;
                    double* target = out + r * stride + (c * slow + i) * fast;
                    for (std::ptrdiff_t j = 0; j < fast; ++j) target[j] = factor * source[j];
                }
    }

private:
    ExpressionPtr left_, right_;
};

void require_same_rows(const Expression& left, const Expression& right) {
    if (left.rows() != right.rows())
        throw std::invalid_argument(
            "inputs of one basis must have the same number of samples, got " +
            std::to_string(left.rows()) + " and " + std::to_string(right.rows()) + ".");
}

}  // namespace

Basis::Basis(std::string_view family, const BasisParameters& parameters)
    : family_(index_of<BasisFamilies>(family, "basis")),
      n_basis_funcs_(parameters.n_basis_funcs),
      order_(parameters.order) {
    if (n_basis_funcs_ < 1)
        throw std::invalid_argument("`n_basis_funcs` must be at least 1, got " +
                                    std::to_string(n_basis_funcs_) + ".");
    with_type<BasisFamilies>(family_, [&]<class Family>() {
        table_ = Family::prepare(parameters);
        if constexpr (requires { Family::is_density; }) is_density_ = Family::is_density;
    });
}

BasisView Basis::view() const {
    return {family_, n_basis_funcs_, order_, table_.data(),
            static_cast<std::ptrdiff_t>(table_.size())};
}

void Basis::evaluate(std::span<const double> x, const Bounds& bounds, double* out) const {
    std::vector<double> u(x.begin(), x.end());
    to_unit(bounds, u);
    kernels().evaluate_basis(view(), static_cast<std::ptrdiff_t>(u.size()), u.data(), out,
                             n_basis_funcs_);
    if (is_density_) per_unit(bounds, {out, u.size() * static_cast<std::size_t>(n_basis_funcs_)});
}

ExpressionPtr make_evaluation(const Basis& basis, const MatrixView& input,
                              std::vector<Bounds> bounds, double fill_value) {
    if (static_cast<std::ptrdiff_t>(bounds.size()) != input.cols)
        throw std::invalid_argument("expected bounds for " + std::to_string(input.cols) +
                                    " channels, got " + std::to_string(bounds.size()) + ".");
    return std::make_shared<Evaluation>(basis, input, std::move(bounds), fill_value);
}

ExpressionPtr make_convolution(const Basis& basis, const MatrixView& input,
                               std::ptrdiff_t window_size, std::vector<Epoch> epochs) {
    if (window_size < 1)
        throw std::invalid_argument("`window_size` must be at least 1 sample, got " +
                                    std::to_string(window_size) + ".");
    std::ptrdiff_t previous = 0;
    for (const Epoch& epoch : epochs) {
        if (epoch.begin < previous || epoch.end < epoch.begin || epoch.end > input.rows)
            throw std::invalid_argument("epochs must be sorted, disjoint and within the " +
                                        std::to_string(input.rows) + " samples; got [" +
                                        std::to_string(epoch.begin) + ", " +
                                        std::to_string(epoch.end) + ").");
        previous = epoch.end;
    }
    return std::make_shared<Convolution>(basis, input, window_size, std::move(epochs));
}

ExpressionPtr make_sum(ExpressionPtr left, ExpressionPtr right) {
    require_same_rows(*left, *right);
    return std::make_shared<Sum>(std::move(left), std::move(right));
}

ExpressionPtr make_product(ExpressionPtr left, ExpressionPtr right) {
    require_same_rows(*left, *right);
    if (left->channels() == 0 || right->channels() == 0)
        throw std::invalid_argument(
            "a sum of bases can be a factor of a product only when each of its inputs is "
            "one-dimensional; multiply its terms instead.");
    if (left->channels() != right->channels())
        throw std::invalid_argument(
            "the factors of a product need inputs with the same number of channels, got " +
            std::to_string(left->channels()) + " and " + std::to_string(right->channels()) + ".");
    return std::make_shared<Product>(std::move(left), std::move(right));
}

RowBlock BasisDesign::block(std::ptrdiff_t first, std::ptrdiff_t count,
                            Workspace::Frame& frame) const {
    double* out = frame.take(count * cols());
    root_->fill(first, count, out, cols(), frame.workspace());
    return {out, count, cols(), cols()};
}

std::vector<Bounds> column_range(const MatrixView& input) {
    std::vector<Bounds> range(static_cast<std::size_t>(input.cols));
    std::vector<double> values(static_cast<std::size_t>(block_rows));
    for (std::ptrdiff_t c = 0; c < input.cols; ++c) {
        double low = std::numeric_limits<double>::infinity();
        double high = -low;
        for (std::ptrdiff_t first = 0; first < input.rows; first += block_rows) {
            const std::ptrdiff_t count = std::min(block_rows, input.rows - first);
            input.column(c).load(first, count, values.data());
            for (std::ptrdiff_t r = 0; r < count; ++r) {
                const double value = values[static_cast<std::size_t>(r)];
                if (std::isinf(value))
                    throw std::invalid_argument(
                        "a basis input holds an infinite value at sample " +
                        std::to_string(first + r) + ", channel " + std::to_string(c) +
                        ". NaN marks missing samples; an infinity is an error upstream.");
                low = std::min(low, std::isnan(value) ? low : value);
                high = std::max(high, std::isnan(value) ? high : value);
            }
        }
        range[static_cast<std::size_t>(c)] = low <= high ? Bounds{low, high} : Bounds{0.0, 1.0};
    }
    return range;
}

}  // namespace spikeglm
