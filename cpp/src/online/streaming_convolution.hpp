#pragma once
/// One row at a time of a causal convolution of channels whose samples arrive bin by bin. Internal
/// to src/online.
///
/// The window lies in a ring of rows that holds every row twice, `window` rows apart, so that it is
/// contiguous wherever it begins. Beside it the samples that are not zero wait in a queue: where
/// they are few the filters are added up at them, as spikes ask for; otherwise the whole window is
/// multiplied. Cost: min(events, 0.1 window channels) n_basis.

#include <cstdint>
#include <vector>

#include "spikeglm/basis/expression.hpp"

namespace spikeglm {

class StreamingConvolution : public Expression {
public:
    [[nodiscard]] virtual bool includes_own_bin() const = 0;
    [[nodiscard]] virtual std::ptrdiff_t window_size() const = 0;
    virtual void reset() noexcept = 0;
    /// Takes the channels of the next bin from where they are.
    virtual void append() noexcept = 0;
};

/// `channels`: where the channels of the current bin are found. Throws std::invalid_argument for
/// filters that are not finite, OutOfMemory.
std::shared_ptr<StreamingConvolution> make_streaming_convolution(const FilterBank& filters,
                                                                 const double* channels,
                                                                 std::ptrdiff_t n_channels,
                                                                 bool includes_own_bin,
                                                                 bool single_precision);

}  // namespace spikeglm
