#include "rate_trigger.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

RateTrigger::RateTrigger(spikeglm::online::Model model, const Settings& settings)
    : model_(std::move(model)),
      settings_(settings),
      counts_(model_.n_inputs()),
      rates_(model_.n_outputs()),
      below_(model_.n_inputs()) {
    if (settings.neuron >= rates_.size())
        throw std::invalid_argument("the model has no such neuron.");
    if (!model_.is_predictive())
        throw std::invalid_argument(
            "a trigger needs rates of the bin to come: history terms only.");
}

bool RateTrigger::startAcquisition() {
    model_.reset();
    std::fill(counts_.begin(), counts_.end(), 0.0);
    std::fill(below_.begin(), below_.end(), false);
    n_samples_ = 0;
    high_ = false;
    return true;
}

void RateTrigger::process(AudioBuffer<float>& buffer) {
    const int n_channels = std::min(buffer.getNumChannels(), static_cast<int>(counts_.size()));
    for (int s = 0; s < buffer.getNumSamples(); ++s) {
        for (int c = 0; c < n_channels; ++c) {
            const auto channel = static_cast<std::size_t>(c);
            const bool below = buffer.getReadPointer(c)[s] < settings_.threshold_uv;
            if (below && !below_[channel]) counts_[channel] += 1.0;
            below_[channel] = below;
        }
        if (++n_samples_ == settings_.samples_per_bin) end_bin();
    }
}

void RateTrigger::end_bin() {
    model_.push(counts_.data(), nullptr);
    model_.next(nullptr, rates_.data());  // of the bin to come; NaN at first, which is not above
    const bool high = rates_[settings_.neuron] > settings_.rate_per_bin;
    if (high != high_) addTTLEvent(settings_.ttl_line, high);
    high_ = high;
    std::fill(counts_.begin(), counts_.end(), 0.0);
    n_samples_ = 0;
}
