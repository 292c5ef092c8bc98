#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include "construct.hpp"
#include "model.hpp"
#include "spikeglm/online.h"

struct spikeglm_online {
    std::unique_ptr<spikeglm::OnlineModel> model;
};

namespace {

using spikeglm::construct;

auto wrapped(std::unique_ptr<spikeglm::OnlineModel> model) {
    return std::make_unique<spikeglm_online>(spikeglm_online{std::move(model)});
}

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

std::vector<std::byte> content_of(const char* path) {
    const auto refuse = [&](const char* why) {
        throw spikeglm::InvalidFile(std::string(path) + ": " + why);
    };
    if (path == nullptr) throw std::invalid_argument("the path is NULL.");
    const std::unique_ptr<std::FILE, Close> file(std::fopen(path, "rb"));
    if (!file) refuse(std::strerror(errno));
    std::vector<std::byte> bytes;
    std::vector<std::byte> piece(1 << 16);
    while (const std::size_t n = std::fread(piece.data(), 1, piece.size(), file.get())) {
        bytes.insert(bytes.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(n));
        if (bytes.size() > 0xffffffffU) refuse("too large for a model file.");
    }
    if (std::ferror(file.get()) != 0) refuse("cannot be read.");
    return bytes;
}

}  // namespace

extern "C" {

int spikeglm_online_create(const spikeglm_online_description* description, int single_precision,
                           spikeglm_online** model, char* message, size_t message_size) {
    return construct(model, message, message_size, [&] {
        if (description == nullptr) throw std::invalid_argument("the description is NULL.");
        return wrapped(
            std::make_unique<spikeglm::OnlineModel>(*description, single_precision != 0));
    });
}

int spikeglm_online_load(const char* path, int single_precision, spikeglm_online** model,
                         char* message, size_t message_size) {
    return construct(model, message, message_size, [&] {
        return wrapped(spikeglm::read_online_model(content_of(path), single_precision != 0));
    });
}

int spikeglm_online_load_memory(const void* data, size_t size, int single_precision,
                                spikeglm_online** model, char* message, size_t message_size) {
    return construct(model, message, message_size, [&] {
        if (data == nullptr) size = 0;
        return wrapped(spikeglm::read_online_model({static_cast<const std::byte*>(data), size},
                                                   single_precision != 0));
    });
}

void spikeglm_online_free(spikeglm_online* model) { delete model; }

size_t spikeglm_online_n_inputs(const spikeglm_online* model) { return model->model->n_inputs(); }
size_t spikeglm_online_n_outputs(const spikeglm_online* model) { return model->model->n_outputs(); }
size_t spikeglm_online_n_features(const spikeglm_online* model) {
    return model->model->features().size();
}
size_t spikeglm_online_n_initial(const spikeglm_online* model) { return model->model->n_initial(); }
int spikeglm_online_is_predictive(const spikeglm_online* model) {
    return model->model->is_predictive();
}

void spikeglm_online_reset(spikeglm_online* model) { model->model->reset(); }

int spikeglm_online_push(spikeglm_online* model, const double* inputs, double offset,
                         double* rates) {
    return model->model->push(inputs, offset, rates);
}

int spikeglm_online_push_many(spikeglm_online* model, size_t n_bins, const double* inputs,
                              const double* offsets, double* rates) {
    const size_t n_inputs = model->model->n_inputs();
    const size_t n_outputs = model->model->n_outputs();
    int status = SPIKEGLM_OK;
    for (size_t t = 0; t < n_bins; ++t) {
        const int of_bin =
            model->model->push(inputs + t * n_inputs, offsets == nullptr ? 0.0 : offsets[t],
                               rates == nullptr ? nullptr : rates + t * n_outputs);
        if (of_bin != SPIKEGLM_OK) status = of_bin;
    }
    return status;
}

int spikeglm_online_next(spikeglm_online* model, const double* inputs, double offset,
                         double* rates) {
    return model->model->next(inputs, offset, rates);
}

void spikeglm_online_features(const spikeglm_online* model, double* features) {
    const auto values = model->model->features();
    std::copy(values.begin(), values.end(), features);
}

void spikeglm_online_linear_predictors(const spikeglm_online* model, double* eta) {
    const auto values = model->model->linear_predictors();
    std::copy(values.begin(), values.end(), eta);
}

}  // extern "C"
