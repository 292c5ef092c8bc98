#pragma once
// Raises a TTL line while the predicted rate of a neuron is above a threshold.
//
// Skeleton of a processor of the Open Ephys GUI: samples in, bins of them to the model, events out.
// A count is the number of samples below a voltage in a bin; a real plugin takes spikes from the
// host's detector. Memory is taken in the constructor, `process` takes none.

#include <vector>

#include "spikeglm/online.hpp"
#include "stub.hpp"

class RateTrigger final : public GenericProcessor {
public:
    struct Settings {
        int samples_per_bin = 30;     // 1 ms at 30 kHz
        float threshold_uv = -50.0F;  // of a spike
        std::size_t neuron = 0;       // whose rate decides
        double rate_per_bin = 0.1;    // above which the line is high
        int ttl_line = 0;
    };

    RateTrigger(spikeglm::online::Model model, const Settings& settings);
    bool startAcquisition() override;
    void process(AudioBuffer<float>& buffer) override;

private:
    void end_bin();

    spikeglm::online::Model model_;
    Settings settings_;
    std::vector<double> counts_, rates_;
    std::vector<bool> below_;
    int n_samples_ = 0;  // of the bin that is being filled
    bool high_ = false;
};
