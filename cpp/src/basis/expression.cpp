#include "spikeglm/basis/expression.hpp"

#include <algorithm>
#include <stdexcept>

namespace spikeglm {
namespace {

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

    [[nodiscard]] std::ptrdiff_t write_rows() const override {
        return std::max(left_->write_rows(), right_->write_rows());
    }

    void write(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
               Workspace& workspace) const override {
        write_in_steps(*left_, first, count, out, stride, workspace);
        write_in_steps(*right_, first, count, out + left_->n_features(), stride, workspace);
    }

private:
    static void write_in_steps(const Expression& term, std::ptrdiff_t first, std::ptrdiff_t count,
                               double* out, std::ptrdiff_t stride, Workspace& workspace) {
        for (std::ptrdiff_t done = 0; done < count;) {
            const std::ptrdiff_t step = term.write_rows() - (first + done) % term.write_rows();
            const std::ptrdiff_t n = std::min(step, count - done);
            term.write(first + done, n, out + done * stride, stride, workspace);
            done += n;
        }
    }

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

}  // namespace spikeglm
