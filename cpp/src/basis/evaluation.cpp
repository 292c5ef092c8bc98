#include <algorithm>
#include <stdexcept>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/basis/expression.hpp"

namespace spikeglm {
namespace {

class Evaluation final : public Expression {
public:
    Evaluation(std::vector<Basis> bases, const MatrixView& input, std::vector<Bounds> bounds,
               double fill_value)
        : bases_(std::move(bases)),
          input_(input),
          bounds_(std::move(bounds)),
          fill_value_(fill_value) {}

    [[nodiscard]] std::ptrdiff_t rows() const override { return input_.rows; }
    [[nodiscard]] std::ptrdiff_t channels() const override { return input_.cols; }
    [[nodiscard]] std::ptrdiff_t n_features() const override {
        return input_.cols * bases_.front().n_basis_funcs();
    }

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace& workspace) const override {
        Workspace::Frame frame(workspace);
        double* u = frame.take(count);
        double* outside = frame.take(count);
        std::fill_n(outside, count, 0.0);
        const std::ptrdiff_t n_basis = bases_.front().n_basis_funcs();
        for (std::ptrdiff_t c = 0; c < input_.cols; ++c) {
            const auto channel = static_cast<std::size_t>(c);
            const Basis& basis = bases_[bases_.size() == 1 ? 0 : channel];
            const Bounds& bounds = bounds_[channel];
            input_.column(c).load(first, count, u);
            for (std::ptrdiff_t r = 0; r < count; ++r)
                outside[r] += (u[r] < bounds.low ? 1.0 : 0.0) + (u[r] > bounds.high ? 1.0 : 0.0);
            if (!basis.takes_raw_values()) to_unit(bounds, {u, static_cast<std::size_t>(count)});
            kernels().evaluate_basis(basis.view(), count, u, out + c * n_basis, stride);
            for (std::ptrdiff_t r = 0; basis.is_density() && r < count; ++r)
                per_unit(bounds,
                         {out + r * stride + c * n_basis, static_cast<std::size_t>(n_basis)});
        }
        for (std::ptrdiff_t r = 0; r < count; ++r)
            if (outside[r] != 0.0) std::fill_n(out + r * stride, n_features(), fill_value_);
    }

private:
    std::vector<Basis> bases_;
    MatrixView input_;
    std::vector<Bounds> bounds_;
    double fill_value_;
};

}  // namespace

ExpressionPtr make_evaluation(std::vector<Basis> bases, const MatrixView& input,
                              std::vector<Bounds> bounds, double fill_value) {
    const auto n_bases = static_cast<std::ptrdiff_t>(bases.size());
    if (n_bases == 0 || (n_bases != 1 && n_bases != input.cols))
        throw std::invalid_argument("expected one basis, or one for each of " +
                                    std::to_string(input.cols) + " channels, got " +
                                    std::to_string(n_bases) + ".");
    for (const Basis& basis : bases)
        if (basis.n_basis_funcs() != bases.front().n_basis_funcs())
            throw std::invalid_argument(
                "the bases of all channels must have the same number of functions, got " +
                std::to_string(bases.front().n_basis_funcs()) + " and " +
                std::to_string(basis.n_basis_funcs()) + ".");
    if (static_cast<std::ptrdiff_t>(bounds.size()) != input.cols)
        throw std::invalid_argument("expected bounds for " + std::to_string(input.cols) +
                                    " channels, got " + std::to_string(bounds.size()) + ".");
    return std::make_shared<Evaluation>(std::move(bases), input, std::move(bounds), fill_value);
}

}  // namespace spikeglm
