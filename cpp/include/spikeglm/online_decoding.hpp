#pragma once
/// Decoders and weights that follow the data: spikeglm/online_decoding.h for C++17.
///
/// Construction throws spikeglm::online::Error; everything else is noexcept.

#include <cstddef>
#include <memory>

#include "spikeglm/online.hpp"
#include "spikeglm/online_decoding.h"

namespace spikeglm {
namespace online {

/// A C object with what frees it.
template <class T, void (*release)(T*)>
class Handle {
public:
    template <class Description, class Create>
    Handle(const Description& description, Create create) {
        T* made = nullptr;
        checked([&](char* message, std::size_t size) {
            return create(&description, &made, message, size);
        });
        object_.reset(made);
    }
    T* get() const noexcept { return object_.get(); }

private:
    struct Release {
        void operator()(T* object) const noexcept { release(object); }
    };
    std::unique_ptr<T, Release> object_;
};

/// Point-process filter of a linear-Gaussian state.
class Filter {
public:
    explicit Filter(const spikeglm_filter_description& description)
        : handle_(description, spikeglm_filter_create) {}
    void reset() noexcept { spikeglm_filter_reset(handle_.get()); }
    /// `covariance` may be null. Returns a status of online.h.
    int push(const double* eta, const double* y, double* mean, double* covariance) noexcept {
        return spikeglm_filter_push(handle_.get(), eta, y, mean, covariance);
    }

private:
    Handle<spikeglm_filter, spikeglm_filter_free> handle_;
};

/// Bayes' rule on a grid.
class Grid {
public:
    explicit Grid(const spikeglm_grid_description& description)
        : handle_(description, spikeglm_grid_create) {}
    void reset() noexcept { spikeglm_grid_reset(handle_.get()); }
    int push(const double* eta, const double* y, double* posterior) noexcept {
        return spikeglm_grid_push(handle_.get(), eta, y, posterior);
    }

private:
    Handle<spikeglm_grid, spikeglm_grid_free> handle_;
};

/// Weights that walk at random, or are forgotten.
class Learner {
public:
    explicit Learner(const spikeglm_learner_description& description)
        : handle_(description, spikeglm_learner_create) {}
    /// `rates` may be null.
    int push(const double* features, const double* y, double* rates, double offset = 0.0) noexcept {
        return spikeglm_learner_push(handle_.get(), features, offset, y, rates);
    }
    void weights(double* coef, double* intercept) const noexcept {
        spikeglm_learner_weights(handle_.get(), coef, intercept);
    }

private:
    Handle<spikeglm_learner, spikeglm_learner_free> handle_;
};

}  // namespace online
}  // namespace spikeglm
