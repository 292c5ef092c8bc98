#pragma once
/// Coefficients of several problems over one X, and sums of X'd of each, as the kernels take them:
/// side by side where there are several. Internal to src/glm.

#include <cstddef>
#include <memory>
#include <vector>

#include "spikeglm/backend/kernels.hpp"

namespace spikeglm {

/// Where the number of column j of X and problem k lies.
class SideBySide {
public:
    SideBySide(std::ptrdiff_t cols, std::size_t n_problems)
        : SideBySide(cols, n_problems, n_problems > 1) {}
    /// `many`: side by side whatever their number.
    SideBySide(std::ptrdiff_t cols, std::size_t n_problems, bool many)
        : many_(many),
          cols_(cols),
          stride_(many ? (static_cast<std::ptrdiff_t>(n_problems) + problem_lanes - 1) /
                             problem_lanes * problem_lanes
                       : static_cast<std::ptrdiff_t>(n_problems)) {}

    [[nodiscard]] std::ptrdiff_t operator()(std::ptrdiff_t j, std::ptrdiff_t k) const {
        return j * stride_ + k;
    }
    [[nodiscard]] std::ptrdiff_t size() const { return cols_ * stride_; }
    /// Ranges of problems begin at multiples of this.
    [[nodiscard]] std::ptrdiff_t granule() const { return many_ ? problem_lanes : 1; }

    /// Adds x beta for `n` problems from `first` on; eta (x.rows x n).
    void add_eta(const RowBlock& x, const double* beta, std::ptrdiff_t first, std::ptrdiff_t n,
                 double* eta) const {
        if (many_)
            kernels().matvec_many(x, beta + first, stride_, n, eta, x.rows);
        else
            kernels().matvec(x, beta, eta);
    }
    /// Adds x'd for `n` problems from `first` on; d (x.rows x n).
    void add_products(const RowBlock& x, const double* d, std::ptrdiff_t first, std::ptrdiff_t n,
                      double* sums) const {
        if (many_)
            kernels().transpose_matvec_many(x, d, x.rows, n, sums + first, stride_);
        else
            kernels().transpose_matvec(x, d, sums);
    }

private:
    bool many_;
    std::ptrdiff_t cols_, stride_;
};

/// Numbers, zero at first, that begin where a line of the cache does.
class AlignedNumbers {
public:
    explicit AlignedNumbers(std::ptrdiff_t size)
        : values_(static_cast<std::size_t>(size) + line, 0.0) {
        void* begin = values_.data();
        std::size_t space = values_.size() * sizeof(double);
        aligned_ = static_cast<double*>(std::align(
            line * sizeof(double), static_cast<std::size_t>(size) * sizeof(double), begin, space));
    }
    [[nodiscard]] double& operator[](std::ptrdiff_t i) { return aligned_[i]; }
    [[nodiscard]] double* data() { return aligned_; }
    [[nodiscard]] const double* data() const { return aligned_; }

private:
    static constexpr std::size_t line = 8;
    std::vector<double> values_;
    double* aligned_;
};

}  // namespace spikeglm
