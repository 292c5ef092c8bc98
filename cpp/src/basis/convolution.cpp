#include <algorithm>
#include <stdexcept>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/basis/expression.hpp"

namespace spikeglm {
namespace {

class Convolution final : public Expression {
public:
    Convolution(const FilterBank& filters, const MatrixView& input, Causality causality, bool shift,
                std::vector<Epoch> epochs)
        : input_(input),
          window_(filters.window_size),
          n_basis_(filters.n_basis_funcs),
          kernel_(filters.values.begin(), filters.values.end()),
          epochs_(std::move(epochs)) {
        const std::ptrdiff_t step = shift ? 1 : 0;
        // X[t] = sum_k K[k] x[t - lag - k]
        lag_ = causality == Causality::causal        ? step
               : causality == Causality::anti_causal ? 1 - window_ - step
                                                     : (window_ - 1) / 2 + 1 - window_;
    }

    [[nodiscard]] std::ptrdiff_t rows() const override { return input_.rows; }
    [[nodiscard]] std::ptrdiff_t channels() const override { return input_.cols; }
    [[nodiscard]] std::ptrdiff_t n_features() const override { return input_.cols * n_basis_; }

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace& workspace) const override {
        for (std::ptrdiff_t r = 0; r < count; ++r)
            std::fill_n(out + r * stride, n_features(), nan_value);

        const std::ptrdiff_t end = first + count;
        auto epoch = std::upper_bound(
            epochs_.begin(), epochs_.end(), first,
            [](std::ptrdiff_t row, const Epoch& candidate) { return row < candidate.end; });
        for (; epoch != epochs_.end() && epoch->begin < end; ++epoch) {
            const std::ptrdiff_t begin =
                std::max({first, epoch->begin, epoch->begin + window_ - 1 + lag_});
            const std::ptrdiff_t n_out = std::min({end, epoch->end, epoch->end + lag_}) - begin;
            if (n_out <= 0) continue;

            Workspace::Frame frame(workspace);
            const std::ptrdiff_t source = begin - lag_ - window_ + 1;
            const std::ptrdiff_t n_source = n_out + window_ - 1;
            double* x = frame.take(n_source);
            double* sums = frame.take(n_out * n_basis_);
            for (std::ptrdiff_t c = 0; c < input_.cols; ++c) {
                input_.column(c).load(source, n_source, x);
                std::fill_n(sums, n_out * n_basis_, 0.0);
                kernels().convolve(kernel_.data(), window_, n_basis_, x, n_source, begin - source,
                                   n_out, lag_, sums);
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
    std::ptrdiff_t lag_ = 0;
    std::vector<Epoch> epochs_;
};

}  // namespace

ExpressionPtr make_convolution(const FilterBank& filters, const MatrixView& input,
                               Causality causality, bool shift, std::vector<Epoch> epochs) {
    if (filters.window_size < 1 || filters.n_basis_funcs < 1)
        throw std::invalid_argument(
            "a bank of filters needs at least one sample and one filter, "
            "got " +
            std::to_string(filters.window_size) + " samples and " +
            std::to_string(filters.n_basis_funcs) + " filters.");
    if (static_cast<std::ptrdiff_t>(filters.values.size()) !=
        filters.window_size * filters.n_basis_funcs)
        throw std::invalid_argument("a bank of " + std::to_string(filters.n_basis_funcs) +
                                    " filters of " + std::to_string(filters.window_size) +
                                    " samples holds " + std::to_string(filters.values.size()) +
                                    " values.");
    if (shift && causality == Causality::acausal)
        throw std::invalid_argument(
            "an acausal window lies around its sample: `shift` must be "
            "false.");
    std::ptrdiff_t previous = 0;
    for (const Epoch& epoch : epochs) {
        if (epoch.begin < previous || epoch.end < epoch.begin || epoch.end > input.rows)
            throw std::invalid_argument("epochs must be sorted, disjoint and within the " +
                                        std::to_string(input.rows) + " samples; got [" +
                                        std::to_string(epoch.begin) + ", " +
                                        std::to_string(epoch.end) + ").");
        previous = epoch.end;
    }
    return std::make_shared<Convolution>(filters, input, causality, shift, std::move(epochs));
}

}  // namespace spikeglm
