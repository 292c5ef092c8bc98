#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "construct.hpp"
#include "output_losses.hpp"
#include "small_matrix.hpp"

namespace spikeglm {
namespace {

/// Point-process filter: spikeglm/online_decoding.h has the formulas.
class Filter {
public:
    explicit Filter(const spikeglm_filter_description& given)
        : losses_(given.observations),
          n_(given.n_states),
          loadings_(checked(given.loadings, n_ * losses_.size(), "loadings")),
          transition_(checked(given.transition, n_ * n_, "transition")),
          noise_(checked(given.noise, n_ * n_, "noise")),
          initial_mean_(checked(given.initial_mean, n_, "initial_mean")),
          initial_covariance_(checked(given.initial_covariance, n_ * n_, "initial_covariance")),
          mean_(n_),
          covariance_(n_ * n_),
          precision_(n_ * n_),
          factor_(n_ * n_),
          scratch_(n_ * n_),
          gradient_(n_),
          eta_(losses_.size()) {
        require_covariance(noise_, n_, "noise");
        require_covariance(initial_covariance_, n_, "initial_covariance");
        reset();
    }

    void reset() noexcept {
        mean_ = initial_mean_;
        covariance_ = initial_covariance_;
    }

    int push(const double* base, const double* y, double* mean, double* covariance) noexcept {
        predict();
        const int status = update(base, y);
        std::copy(mean_.begin(), mean_.end(), mean);
        if (covariance != nullptr) std::copy(covariance_.begin(), covariance_.end(), covariance);
        return status;
    }

private:
    void predict() noexcept {
        for (std::size_t i = 0; i < n_; ++i) {
            gradient_[i] = 0.0;
            for (std::size_t k = 0; k < n_; ++k) gradient_[i] += transition_[i * n_ + k] * mean_[k];
        }
        mean_.swap(gradient_);
        multiply(transition_.data(), covariance_.data(), n_, scratch_.data());
        multiply_transposed(scratch_.data(), transition_.data(), n_, covariance_.data());
        for (std::size_t i = 0; i < n_; ++i)
            for (std::size_t j = 0; j <= i; ++j) {
                const double both =
                    0.5 * (covariance_[i * n_ + j] + covariance_[j * n_ + i]) + noise_[i * n_ + j];
                covariance_[i * n_ + j] = covariance_[j * n_ + i] = both;
            }
    }

    int update(const double* base, const double* y) noexcept {
        const std::size_t n_outputs = losses_.size();
        losses_.observe(y, base);
        std::copy_n(base, n_outputs, eta_.begin());
        for (std::size_t k = 0; k < n_; ++k)
            for (std::size_t o = 0; o < n_outputs; ++o)
                eta_[o] += loadings_[k * n_outputs + o] * mean_[k];
        // In the form that needs no inverse of the predicted covariance, which may be singular:
        // W = (I + P S)^-1 P with S the information, by the factor of P where there is one.
        for (const Curvature curvature : {Curvature::observed, Curvature::expected}) {
            losses_.evaluate(eta_.data(), curvature);
            for (std::size_t i = 0; i < n_; ++i) {
                gradient_[i] = 0.0;
                for (std::size_t o = 0; o < n_outputs; ++o)
                    gradient_[i] += loadings_[i * n_outputs + o] * losses_.d1()[o];
                for (std::size_t j = 0; j <= i; ++j) {
                    double sum = 0.0;
                    for (std::size_t o = 0; o < n_outputs; ++o)
                        sum += loadings_[i * n_outputs + o] * loadings_[j * n_outputs + o] *
                               losses_.d2()[o];
                    precision_[i * n_ + j] = precision_[j * n_ + i] = sum;
                }
            }
            if (posterior()) {
                for (std::size_t i = 0; i < n_; ++i)
                    for (std::size_t k = 0; k < n_; ++k)
                        mean_[i] -= covariance_[i * n_ + k] * gradient_[k];
                return SPIKEGLM_OK;
            }
        }
        return SPIKEGLM_INTERNAL_ERROR;
    }

    /// W = L (I + L'S L)^-1 L' with P = L L'; false, and P as it was, where that is not positive.
    bool posterior() noexcept {
        if (!semidefinite_factor(covariance_.data(), n_, factor_.data())) return false;
        multiply(precision_.data(), factor_.data(), n_, scratch_.data());
        multiply_transposed_left(factor_.data(), scratch_.data(), n_, precision_.data());
        for (std::size_t i = 0; i < n_; ++i) precision_[i * n_ + i] += 1.0;
        if (!definite_factor(precision_.data(), n_)) return false;
        // Rows of Z = C^-1 L' with C the factor of the bracket: W = Z'Z.
        for (std::size_t c = 0; c < n_; ++c)
            for (std::size_t i = 0; i < n_; ++i) {
                double sum = factor_[c * n_ + i];
                for (std::size_t k = 0; k < i; ++k)
                    sum -= precision_[i * n_ + k] * scratch_[k * n_ + c];
                scratch_[i * n_ + c] = sum / precision_[i * n_ + i];
            }
        multiply_transposed_left(scratch_.data(), scratch_.data(), n_, covariance_.data());
        return true;
    }

    OutputLosses losses_;
    std::size_t n_;
    std::vector<double> loadings_, transition_, noise_, initial_mean_, initial_covariance_;
    std::vector<double> mean_, covariance_;
    std::vector<double> precision_, factor_, scratch_, gradient_, eta_;
};

}  // namespace
}  // namespace spikeglm

struct spikeglm_filter {
    spikeglm::Filter filter;
};

extern "C" {

int spikeglm_filter_create(const spikeglm_filter_description* description, spikeglm_filter** filter,
                           char* message, size_t message_size) {
    return spikeglm::construct(filter, message, message_size, [&] {
        if (description == nullptr) throw std::invalid_argument("the description is NULL.");
        return std::make_unique<spikeglm_filter>(spikeglm_filter{spikeglm::Filter(*description)});
    });
}
void spikeglm_filter_free(spikeglm_filter* filter) { delete filter; }
void spikeglm_filter_reset(spikeglm_filter* filter) { filter->filter.reset(); }
int spikeglm_filter_push(spikeglm_filter* filter, const double* eta, const double* y, double* mean,
                         double* covariance) {
    return filter->filter.push(eta, y, mean, covariance);
}

}  // extern "C"
