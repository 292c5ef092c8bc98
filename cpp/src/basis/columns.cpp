#include <stdexcept>
#include <string>

#include "spikeglm/basis/expression.hpp"

namespace spikeglm {
namespace {

class Columns final : public Expression {
public:
    Columns(const MatrixView& values, std::ptrdiff_t channels)
        : values_(values), channels_(channels) {}

    [[nodiscard]] std::ptrdiff_t rows() const override { return values_.rows; }
    [[nodiscard]] std::ptrdiff_t channels() const override { return channels_; }
    [[nodiscard]] std::ptrdiff_t n_features() const override { return values_.cols; }

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace&) const override {
        values_.load(first, count, out, stride);
    }

private:
    MatrixView values_;
    std::ptrdiff_t channels_;
};

}  // namespace

ExpressionPtr make_columns(const MatrixView& values, std::ptrdiff_t channels) {
    if (channels < 1 || values.cols % channels != 0)
        throw std::invalid_argument("expected the same number of columns for each of " +
                                    std::to_string(channels) + " channels, got " +
                                    std::to_string(values.cols) + " columns in all.");
    return std::make_shared<Columns>(values, channels);
}

}  // namespace spikeglm
