#include <algorithm>
#include <cmath>
#include <cstdint>
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
          support_(bases_.front().local_support()),
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
        double* scratch = frame.take(basis_scratch(bases_.front().n_basis_funcs()));
        evaluate(first, count, out, stride, bases_.front().n_basis_funcs(), workspace,
                 [&](const Basis& basis, std::ptrdiff_t, const double* u, double* values) {
                     kernels().evaluate_basis(basis.view(), count, u, values, stride, scratch);
                 });
    }

    /// A fill value other than NaN and zero takes all columns of a row.
    [[nodiscard]] bool sparse() const override {
        return support_ && (std::isnan(fill_value_) || fill_value_ == 0.0);
    }

    [[nodiscard]] RowBlock block(std::ptrdiff_t first, std::ptrdiff_t count,
                                 Workspace::Frame& frame) const override {
        if (!sparse()) return Expression::block(first, count, frame);
        const std::ptrdiff_t n_runs = input_.cols * support_->n_runs;
        const std::ptrdiff_t per_channel = support_->n_runs * support_->run_length;
        const std::ptrdiff_t stored = input_.cols * per_channel;
        auto* values = frame.take(count * stored);
        auto* starts = frame.take<std::int32_t>(count * n_runs);
        evaluate(first, count, values, stored, per_channel, frame.workspace(),
                 [&](const Basis& basis, std::ptrdiff_t c, const double* u, double* of_channel) {
                     kernels().evaluate_runs(basis.view(), count, u, of_channel, stored,
                                             starts + c * support_->n_runs, n_runs,
                                             static_cast<std::int32_t>(c * basis.n_basis_funcs()));
                 });
        auto* part = frame.take<RowPart>(1);
        *part = {0, n_features(), values, stored, starts, n_runs, support_->run_length};
        return {count, n_features(), part, 1};
    }

private:
    /// Calls kernel(basis, channel, u, values) for every channel, whose `per_channel` values per
    /// row lie side by side, and does what all forms of a row have in common.
    template <class Kernel>
    void evaluate(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
                  std::ptrdiff_t per_channel, Workspace& workspace, Kernel&& kernel) const {
        Workspace::Frame frame(workspace);
        double* u = frame.take(count);
        bool* outside = frame.take<bool>(count);
        std::fill_n(outside, count, false);
        std::int64_t any_outside = 0;
        for (std::ptrdiff_t c = 0; c < input_.cols; ++c) {
            const auto channel = static_cast<std::size_t>(c);
            const Basis& basis = bases_[bases_.size() == 1 ? 0 : channel];
            const Bounds& bounds = bounds_[channel];
            input_.column(c).load(first, count, u);
            std::int64_t found = 0;
            for (std::ptrdiff_t r = 0; r < count; ++r)
                found |= static_cast<std::int64_t>(u[r] < bounds.low) |
                         static_cast<std::int64_t>(u[r] > bounds.high);
            for (std::ptrdiff_t r = 0; found != 0 && r < count; ++r)
                outside[r] = outside[r] || u[r] < bounds.low || u[r] > bounds.high;
            any_outside |= found;
            if (!basis.takes_raw_values()) to_unit(bounds, {u, static_cast<std::size_t>(count)});
            double* values = out + c * per_channel;
            kernel(basis, c, u, values);
            for (std::ptrdiff_t r = 0; basis.is_density() && r < count; ++r)
                per_unit(bounds, {values + r * stride, static_cast<std::size_t>(per_channel)});
        }
        for (std::ptrdiff_t r = 0; any_outside != 0 && r < count; ++r)
            if (outside[r]) std::fill_n(out + r * stride, input_.cols * per_channel, fill_value_);
    }

    std::vector<Basis> bases_;
    std::optional<LocalSupport> support_;
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
