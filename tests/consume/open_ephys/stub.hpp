#pragma once
// The two types of the Open Ephys GUI that the plugin needs, with the members that it uses
// (GenericProcessor and juce::AudioBuffer of its plugin interface, version 10). A real plugin
// includes <ProcessorHeaders.h> instead.

#include <cstddef>
#include <utility>
#include <vector>

template <class T>
class AudioBuffer {
public:
    AudioBuffer(int n_channels, int n_samples)
        : channels_(static_cast<std::size_t>(n_channels),
                    std::vector<T>(static_cast<std::size_t>(n_samples))) {}
    int getNumChannels() const { return static_cast<int>(channels_.size()); }
    int getNumSamples() const { return static_cast<int>(channels_.front().size()); }
    const T* getReadPointer(int channel) const { return channel_at(channel).data(); }
    T* getWritePointer(int channel) { return const_cast<T*>(channel_at(channel).data()); }

private:
    const std::vector<T>& channel_at(int channel) const {
        return channels_[static_cast<std::size_t>(channel)];
    }
    std::vector<std::vector<T>> channels_;
};

class GenericProcessor {
public:
    virtual ~GenericProcessor() = default;
    virtual bool startAcquisition() { return true; }
    virtual void process(AudioBuffer<float>& buffer) = 0;

    // Kept by the stub for the program that plays the host.
    std::vector<std::pair<int, bool>> events;

protected:
    void addTTLEvent(int line, bool state) { events.emplace_back(line, state); }
};
