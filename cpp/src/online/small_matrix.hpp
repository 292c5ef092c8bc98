#pragma once
/// Products and factors of small square matrices, row-major, without allocation; and checks of what
/// a description gives. Internal to src/online.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace spikeglm {

/// out = a b.
inline void multiply(const double* a, const double* b, std::size_t n, double* out) noexcept {
    std::fill_n(out, n * n, 0.0);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t k = 0; k < n; ++k)
            for (std::size_t j = 0; j < n; ++j) out[i * n + j] += a[i * n + k] * b[k * n + j];
}

/// out = a b'.
inline void multiply_transposed(const double* a, const double* b, std::size_t n,
                                double* out) noexcept {
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            double sum = 0.0;
            for (std::size_t k = 0; k < n; ++k) sum += a[i * n + k] * b[j * n + k];
            out[i * n + j] = sum;
        }
}

/// out = a'b.
inline void multiply_transposed_left(const double* a, const double* b, std::size_t n,
                                     double* out) noexcept {
    std::fill_n(out, n * n, 0.0);
    for (std::size_t k = 0; k < n; ++k)
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j) out[i * n + j] += a[k * n + i] * b[k * n + j];
}

/// Cholesky factor of a positive semidefinite matrix: columns whose pivot is zero to rounding are
/// zero. False for a pivot that is clearly negative, or NaN.
inline bool semidefinite_factor(const double* a, std::size_t n, double* factor) noexcept {
    double largest = 0.0;
    for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(a[i * n + i]));
    const double tiny = 1e-13 * largest * static_cast<double>(n);
    std::fill_n(factor, n * n, 0.0);
    for (std::size_t j = 0; j < n; ++j) {
        double pivot = a[j * n + j];
        for (std::size_t k = 0; k < j; ++k) pivot -= factor[j * n + k] * factor[j * n + k];
        if (!(pivot >= -tiny) || std::isinf(pivot)) return false;
        if (pivot <= tiny) continue;
        const double root = std::sqrt(pivot);
        factor[j * n + j] = root;
        for (std::size_t i = j + 1; i < n; ++i) {
            double sum = a[i * n + j];
            for (std::size_t k = 0; k < j; ++k) sum -= factor[i * n + k] * factor[j * n + k];
            factor[i * n + j] = sum / root;
        }
    }
    return true;
}

/// Cholesky factor of a positive definite matrix, in its lower triangle; false where it is not.
inline bool definite_factor(double* a, std::size_t n) noexcept {
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t i = j; i < n; ++i) {
            double sum = a[i * n + j];
            for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
            if (i == j) {
                if (!(sum > 0.0) || std::isinf(sum)) return false;
                a[j * n + j] = std::sqrt(sum);
            } else {
                a[i * n + j] = sum / a[j * n + j];
            }
        }
    return true;
}

/// Finite numbers that a description points to.
inline std::vector<double> checked(const double* values, std::size_t size, const char* what) {
    if (size == 0 || size > (std::size_t{1} << 31))
        throw std::invalid_argument("`" + std::string(what) +
                                    "` has no elements, or more than 2^31.");
    if (values == nullptr) throw std::invalid_argument("`" + std::string(what) + "` is NULL.");
    for (std::size_t i = 0; i < size; ++i)
        if (!std::isfinite(values[i]))
            throw std::invalid_argument("`" + std::string(what) + "` must be finite, got " +
                                        std::to_string(values[i]) + ".");
    return {values, values + size};
}

inline void require_covariance(const std::vector<double>& matrix, std::size_t n, const char* what) {
    std::vector<double> factor(n * n);
    bool symmetric = true;
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < i; ++j)
            symmetric = symmetric &&
                        std::abs(matrix[i * n + j] - matrix[j * n + i]) <=
                            1e-12 * (std::abs(matrix[i * n + i]) + std::abs(matrix[j * n + j]));
    if (!symmetric || !semidefinite_factor(matrix.data(), n, factor.data()))
        throw std::invalid_argument("`" + std::string(what) +
                                    "` must be symmetric and positive semidefinite.");
}

}  // namespace spikeglm
