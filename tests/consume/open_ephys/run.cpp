// Plays the host: two channels, of which the first drives the second.
#include <cstdio>

#include "rate_trigger.hpp"

int main() {
    const double filters[2] = {1.0, 0.5};
    const double coef[4] = {0.0, 4.0, 0.0, -1.0};  // (inputs, neurons)
    const double intercept[2] = {-3.0, -3.0};
    const char* const link = "exp";
    spikeglm_node node{};
    node.kind = SPIKEGLM_CONVOLUTION;
    node.n_channels = 2;
    node.n_basis_funcs = 1;
    node.window_size = 2;
    node.filters = filters;
    spikeglm_online_description description{};
    description.n_inputs = description.n_outputs = description.n_features = 2;
    description.n_nodes = description.n_links = 1;
    description.nodes = &node;
    description.coef = coef;
    description.intercept = intercept;
    description.links = &link;

    RateTrigger::Settings settings;
    settings.samples_per_bin = 4;
    settings.neuron = 1;
    settings.rate_per_bin = 1.0;
    RateTrigger plugin(spikeglm::online::Model(description), settings);
    plugin.startAcquisition();
    AudioBuffer<float> buffer(2, 40);
    buffer.getWritePointer(0)[17] = -80.0F;  // in bin 4: the rate is high in bin 5, not in bin 6
    plugin.process(buffer);
    for (const auto& [line, state] : plugin.events)
        std::printf("line %d: %s\n", line, state ? "high" : "low");
    return plugin.events.size() == 2 && plugin.events[0].second && !plugin.events[1].second ? 0 : 1;
}
