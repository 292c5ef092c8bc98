#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "construct.hpp"
#include "output_losses.hpp"
#include "small_matrix.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/memory.hpp"
#include "spikeglm/basis/family.hpp"

namespace spikeglm {
namespace {

/// Weights that follow the data: spikeglm/online_decoding.h has the formulas.
class Learner {
public:
    explicit Learner(const spikeglm_learner_description& given)
        : losses_(given.observations),
          n_(given.n_features + 1),
          n_outputs_(losses_.size()),
          noise_(given.noise),
          forgetting_(given.forgetting),
          x_(n_),
          gain_(n_),
          eta_(n_outputs_) {
        if (!(noise_ >= 0.0) || std::isinf(noise_) || !(forgetting_ > 0.0 && forgetting_ <= 1.0))
            throw std::invalid_argument(
                "`noise` must be 0 or more and `forgetting` in (0, 1], got " +
                std::to_string(noise_) + " and " + std::to_string(forgetting_) + ".");
        require_memory(static_cast<std::ptrdiff_t>(n_outputs_),
                       static_cast<std::ptrdiff_t>(n_ * n_), sizeof(double),
                       "the covariances of the weights");
        const auto intercept = checked(given.intercept, n_outputs_, "intercept");
        std::vector<double> coef;
        if (given.n_features > 0) coef = checked(given.coef, given.n_features * n_outputs_, "coef");
        coef.insert(coef.end(), intercept.begin(), intercept.end());
        weights_.resize(n_ * n_outputs_);
        for (std::size_t o = 0; o < n_outputs_; ++o)
            for (std::size_t j = 0; j < n_; ++j) weights_[o * n_ + j] = coef[j * n_outputs_ + o];
        const auto covariance = checked(given.initial_covariance, n_ * n_, "initial_covariance");
        require_covariance(covariance, n_, "initial_covariance");
        for (std::size_t o = 0; o < n_outputs_; ++o)
            covariances_.insert(covariances_.end(), covariance.begin(), covariance.end());
    }

    int push(const double* features, double offset, const double* y, double* rates) noexcept {
        bool complete = std::isfinite(offset);
        for (std::size_t j = 0; j + 1 < n_; ++j) {
            x_[j] = features[j];
            complete = complete && std::isfinite(x_[j]);
        }
        x_[n_ - 1] = 1.0;
        for (std::size_t o = 0; o < n_outputs_; ++o) {
            eta_[o] = complete ? offset : nan_value;
            for (std::size_t j = 0; complete && j < n_; ++j)
                eta_[o] += weights_[o * n_ + j] * x_[j];
        }
        if (rates != nullptr)
            kernels().inverse_link(losses_.link(), static_cast<std::ptrdiff_t>(n_outputs_),
                                   eta_.data(), rates);
        losses_.observe(y, eta_.data());
        losses_.evaluate(eta_.data(), Curvature::expected);
        for (std::size_t o = 0; o < n_outputs_; ++o) {
            walk(covariances_.data() + o * n_ * n_);
            if (complete) update(o);
        }
        return SPIKEGLM_OK;
    }

    void weights(double* coef, double* intercept) const noexcept {
        for (std::size_t o = 0; o < n_outputs_; ++o) {
            for (std::size_t j = 0; j + 1 < n_; ++j)
                coef[j * n_outputs_ + o] = weights_[o * n_ + j];
            intercept[o] = weights_[o * n_ + n_ - 1];
        }
    }

private:
    void walk(double* covariance) const noexcept {
        if (forgetting_ < 1.0)
            for (std::size_t i = 0; i < n_ * n_; ++i) covariance[i] /= forgetting_;
        for (std::size_t j = 0; j < n_; ++j) covariance[j * n_ + j] += noise_;
    }

    void update(std::size_t o) noexcept {
        double* covariance = covariances_.data() + o * n_ * n_;
        const double d1 = losses_.d1()[o];
        const double d2 = losses_.d2()[o];
        double spread = 0.0;
        for (std::size_t i = 0; i < n_; ++i) {
            gain_[i] = 0.0;
            for (std::size_t j = 0; j < n_; ++j) gain_[i] += covariance[i * n_ + j] * x_[j];
            spread += gain_[i] * x_[i];
        }
        const double shrink = 1.0 / (1.0 + d2 * spread);
        // Neither a NaN nor an infinity gets into the weights, of an overflowing rate for example.
        if (!std::isfinite(d1 * shrink) || !std::isfinite(d2) || !(shrink > 0.0)) return;
        for (std::size_t i = 0; i < n_; ++i)
            for (std::size_t j = 0; j < n_; ++j)
                covariance[i * n_ + j] -= gain_[i] * gain_[j] * d2 * shrink;
        // W x of the new W is the old one times `shrink`.
        for (std::size_t j = 0; j < n_; ++j) weights_[o * n_ + j] -= gain_[j] * shrink * d1;
    }

    OutputLosses losses_;
    std::size_t n_;  // weights of an output, the intercept last
    std::size_t n_outputs_;
    double noise_, forgetting_;
    std::vector<double> weights_;      // (n_outputs, n)
    std::vector<double> covariances_;  // (n_outputs, n, n)
    std::vector<double> x_, gain_, eta_;
};

}  // namespace
}  // namespace spikeglm

struct spikeglm_learner {
    spikeglm::Learner learner;
};

extern "C" {

int spikeglm_learner_create(const spikeglm_learner_description* description,
                            spikeglm_learner** learner, char* message, size_t message_size) {
    return spikeglm::construct(learner, message, message_size, [&] {
        if (description == nullptr) throw std::invalid_argument("the description is NULL.");
        return std::make_unique<spikeglm_learner>(
            spikeglm_learner{spikeglm::Learner(*description)});
    });
}
void spikeglm_learner_free(spikeglm_learner* learner) { delete learner; }
int spikeglm_learner_push(spikeglm_learner* learner, const double* features, double offset,
                          const double* y, double* rates) {
    return learner->learner.push(features, offset, y, rates);
}
void spikeglm_learner_weights(const spikeglm_learner* learner, double* coef, double* intercept) {
    learner->learner.weights(coef, intercept);
}

}  // extern "C"
