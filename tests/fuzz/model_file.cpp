// What libFuzzer and mutate.cpp call with the bytes of a model file.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <vector>

#include "checksums.hpp"
#include "spikeglm/online.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

#if defined(LIBFUZZER)
// libFuzzer's own change, after which most checksums are mended.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t largest);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t largest, unsigned seed);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t largest, unsigned seed) {
    size = LLVMFuzzerMutate(data, size, largest);
    if (seed % 8 == 0) return size;
    Bytes file(data, data + size);
    mend(file);
    std::copy(file.begin(), file.end(), data);
    return size;
}
#endif

/// 1 for a file that is a model, else 0. A model must then take bins.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    spikeglm_online* model = nullptr;
    char message[256] = "";
    const int status = spikeglm_online_load_memory(data, size, 0, &model, message, sizeof message);
    if ((status == SPIKEGLM_OK) != (model != nullptr)) std::abort();
    if (model == nullptr) {
        if (message[0] == '\0') std::abort();
        return 0;
    }
    std::vector<double> inputs(spikeglm_online_n_inputs(model) + 1, 1.0);
    std::vector<double> rates(spikeglm_online_n_outputs(model));
    for (const double value : {1.0, 0.0, -3.5, 1e300, std::numeric_limits<double>::quiet_NaN(),
                               std::numeric_limits<double>::infinity()}) {
        inputs[0] = value;
        spikeglm_online_push(model, inputs.data(), 0.0, rates.data());
    }
    spikeglm_online_reset(model);
    spikeglm_online_next(model, inputs.data(), 0.0, rates.data());
    spikeglm_online_free(model);
    return 1;
}
