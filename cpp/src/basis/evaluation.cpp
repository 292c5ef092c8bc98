#include <algorithm>
#include <stdexcept>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/basis/expression.hpp"

namespace spikeglm {
namespace {

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

}  // namespace

ExpressionPtr make_evaluation(const Basis& basis, const MatrixView& input,
                              std::vector<Bounds> bounds, double fill_value) {
    if (static_cast<std::ptrdiff_t>(bounds.size()) != input.cols)
        throw std::invalid_argument("expected bounds for " + std::to_string(input.cols) +
                                    " channels, got " + std::to_string(bounds.size()) + ".");
    return std::make_shared<Evaluation>(basis, input, std::move(bounds), fill_value);
}

}  // namespace spikeglm
