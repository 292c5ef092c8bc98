#pragma once
/// Rates bin by bin, in the loop of an experiment: spikeglm/online.h for C++17.
///
/// Construction throws std::runtime_error with a message; `push`, `next` and `reset` are noexcept
/// and keep the promises of online.h: no allocation, no lock, no system call.
///
///   spikeglm::online::Model model = spikeglm::online::Model::load("model.npz");
///   std::vector<double> counts(model.n_inputs()), rates(model.n_outputs());
///   while (acquire(counts)) {
///       model.push(counts.data(), rates.data());
///       if (rates[3] > threshold) trigger();
///   }

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>

#include "spikeglm/online.h"

namespace spikeglm {
namespace online {

enum class Precision { float64, float32 };

/// What a function of online.h says of itself, as an exception.
class Error : public std::runtime_error {
public:
    Error(int status, const char* message) : std::runtime_error(message), status_(status) {}
    int status() const noexcept { return status_; }

private:
    int status_;
};

/// Calls f(message, message_size), and throws if its status is not OK.
template <class F>
void checked(F&& f) {
    char message[512] = "";
    const int status = f(message, sizeof message);
    if (status != SPIKEGLM_OK) throw Error(status, message);
}

class Model {
public:
    explicit Model(const spikeglm_online_description& description,
                   Precision precision = Precision::float64) {
        construct([&](spikeglm_online** out, char* message, std::size_t size) {
            return spikeglm_online_create(&description, single(precision), out, message, size);
        });
    }
    static Model load(const std::string& path, Precision precision = Precision::float64) {
        Model model;
        model.construct([&](spikeglm_online** out, char* message, std::size_t size) {
            return spikeglm_online_load(path.c_str(), single(precision), out, message, size);
        });
        return model;
    }
    static Model load_memory(const void* data, std::size_t n_bytes,
                             Precision precision = Precision::float64) {
        Model model;
        model.construct([&](spikeglm_online** out, char* message, std::size_t size) {
            return spikeglm_online_load_memory(data, n_bytes, single(precision), out, message,
                                               size);
        });
        return model;
    }

    std::size_t n_inputs() const noexcept { return spikeglm_online_n_inputs(get()); }
    std::size_t n_outputs() const noexcept { return spikeglm_online_n_outputs(get()); }
    std::size_t n_features() const noexcept { return spikeglm_online_n_features(get()); }
    std::size_t n_initial() const noexcept { return spikeglm_online_n_initial(get()); }
    bool is_predictive() const noexcept { return spikeglm_online_is_predictive(get()) != 0; }

    void reset() noexcept { spikeglm_online_reset(get()); }

    /// One bin: n_inputs in, n_outputs out, or null. Returns a status of online.h.
    int push(const double* inputs, double* rates, double offset = 0.0) noexcept {
        return spikeglm_online_push(get(), inputs, offset, rates);
    }
    /// A buffer of bins, row-major; `offsets` may be null.
    int push_many(std::size_t n_bins, const double* inputs, double* rates,
                  const double* offsets = nullptr) noexcept {
        return spikeglm_online_push_many(get(), n_bins, inputs, offsets, rates);
    }
    /// The rates of the bin that comes next.
    int next(const double* inputs, double* rates, double offset = 0.0) noexcept {
        return spikeglm_online_next(get(), inputs, offset, rates);
    }
    /// The features of the last bin, n_features of them.
    void features(double* out) const noexcept { spikeglm_online_features(get(), out); }

    /// The linear predictors of the last bin, n_outputs of them.
    void linear_predictors(double* out) const noexcept {
        spikeglm_online_linear_predictors(get(), out);
    }

    /// For functions of the C interface.
    spikeglm_online* get() const noexcept { return model_.get(); }

private:
    struct Free {
        void operator()(spikeglm_online* model) const noexcept { spikeglm_online_free(model); }
    };

    Model() = default;
    static int single(Precision precision) noexcept { return precision == Precision::float32; }

    template <class Make>
    void construct(Make&& make) {
        spikeglm_online* made = nullptr;
        checked([&](char* message, std::size_t size) { return make(&made, message, size); });
        model_.reset(made);
    }

    std::unique_ptr<spikeglm_online, Free> model_;
};

}  // namespace online
}  // namespace spikeglm
