#include "spikeglm/basis/fourier.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "spikeglm/backend/kernels.hpp"

namespace spikeglm {
namespace {

/// As for other bases, a range that overflows is halved first, and one of zero only shifts.
Period period_of(const Bounds& bounds) {
    Period period;
    if (std::isinf(bounds.high - bounds.low)) period.scale = 0.5;
    period.low = period.scale * bounds.low;
    const double high = period.scale * bounds.high;
    const double width = bounds.high > bounds.low ? high - period.low : 1.0;
    // What rounding took from the difference; `low` may be the larger of the two.
    const double part = width - high;
    const double lost = (high - (width - part)) - (period.low + part);
    period.head =
        std::bit_cast<double>(std::bit_cast<std::uint64_t>(width) & ~std::uint64_t{0x7ffffff});
    period.tail = width - period.head + (bounds.high > bounds.low ? lost : 0.0);
    return period;
}

class Fourier final : public Expression {
public:
    Fourier(std::vector<MatrixView> inputs, std::vector<Period> periods,
            std::span<const double> frequencies)
        : inputs_(std::move(inputs)),
          periods_(std::move(periods)),
          frequencies_(frequencies.begin(), frequencies.end()) {
        const auto n_inputs = static_cast<std::ptrdiff_t>(inputs_.size());
        n_waves_ = static_cast<std::ptrdiff_t>(frequencies.size()) / n_inputs;
        n_basis_ = 2 * n_waves_;
        for (std::ptrdiff_t k = 0; k < n_waves_; ++k) {
            bool varies = false;
            for (std::ptrdiff_t d = 0; d < n_inputs; ++d)
                varies = varies || frequencies_[static_cast<std::size_t>(d * n_waves_ + k)] != 0.0;
            if (!varies) --n_basis_;
        }
    }

    [[nodiscard]] std::ptrdiff_t rows() const override { return inputs_.front().rows; }
    [[nodiscard]] std::ptrdiff_t channels() const override { return inputs_.front().cols; }
    [[nodiscard]] std::ptrdiff_t n_features() const override { return channels() * n_basis_; }

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace& workspace) const override {
        Workspace::Frame frame(workspace);
        const auto n_inputs = static_cast<std::ptrdiff_t>(inputs_.size());
        double* x = frame.take(n_inputs * count);
        const WavesView waves{n_inputs, n_waves_, frequencies_.data()};
        double* scratch = frame.take(fourier_scratch(waves));
        for (std::ptrdiff_t c = 0; c < channels(); ++c) {
            for (std::ptrdiff_t d = 0; d < n_inputs; ++d)
                inputs_[static_cast<std::size_t>(d)].column(c).load(first, count, x + d * count);
            kernels().fourier(waves, periods_.data() + c * n_inputs, count, x, out + c * n_basis_,
                              stride, scratch);
        }
    }

private:
    std::vector<MatrixView> inputs_;
    std::vector<Period> periods_;  // channel-major, inputs fastest
    std::vector<double> frequencies_;
    std::ptrdiff_t n_waves_ = 0;
    std::ptrdiff_t n_basis_ = 0;
};

}  // namespace

ExpressionPtr make_fourier(std::vector<MatrixView> inputs,
                           const std::vector<std::vector<Bounds>>& bounds,
                           std::span<const double> frequencies) {
    const std::size_t n_inputs = inputs.size();
    if (n_inputs == 0 || frequencies.empty() || frequencies.size() % n_inputs != 0)
        throw std::invalid_argument(
            "Fourier features need one frequency per input and combination; got " +
            std::to_string(frequencies.size()) + " frequencies for " + std::to_string(n_inputs) +
            " inputs.");
    for (const double frequency : frequencies)
        if (!(frequency >= 0.0) || frequency != std::floor(frequency) || std::isinf(frequency))
            throw std::invalid_argument("frequencies must be whole numbers from zero, got " +
                                        std::to_string(frequency) + ".");
    const MatrixView& first = inputs.front();
    for (const MatrixView& input : inputs)
        if (input.rows != first.rows || input.cols != first.cols)
            throw std::invalid_argument(
                "the inputs of a Fourier basis must have one shape, got (" +
                std::to_string(first.rows) + ", " + std::to_string(first.cols) + ") and (" +
                std::to_string(input.rows) + ", " + std::to_string(input.cols) + ").");
    if (bounds.size() != n_inputs)
        throw std::invalid_argument("expected bounds for " + std::to_string(n_inputs) +
                                    " inputs, got " + std::to_string(bounds.size()) + ".");
    const auto n_channels = static_cast<std::size_t>(first.cols);
    std::vector<Period> periods(n_channels * n_inputs);
    for (std::size_t d = 0; d < n_inputs; ++d) {
        if (bounds[d].size() != n_channels)
            throw std::invalid_argument("expected bounds for " + std::to_string(n_channels) +
                                        " channels of input " + std::to_string(d) + ", got " +
                                        std::to_string(bounds[d].size()) + ".");
        for (std::size_t c = 0; c < n_channels; ++c)
            periods[c * n_inputs + d] = period_of(bounds[d][c]);
    }
    return std::make_shared<Fourier>(std::move(inputs), std::move(periods), frequencies);
}

}  // namespace spikeglm
