#include "streaming_convolution.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/memory.hpp"
#include "spikeglm/basis/family.hpp"

namespace spikeglm {
namespace {

/// What adding one event costs, in samples of the whole window.
constexpr std::ptrdiff_t samples_per_event = 10;

std::size_t size_of(std::ptrdiff_t n) { return static_cast<std::size_t>(n); }

template <class T>
class Stream final : public StreamingConvolution {
public:
    Stream(const FilterBank& filters, const double* current, std::ptrdiff_t n_channels,
           bool includes_own_bin)
        : current_(current),
          n_channels_(n_channels),
          window_(filters.window_size),
          n_basis_(filters.n_basis_funcs),
          includes_own_bin_(includes_own_bin),
          from_oldest_(filters.values.size()),
          ring_(size_of(2 * window_ * n_channels_)),
          events_(size_of(window_ * n_channels_)),
          events_of_row_(size_of(window_)),
          sums_(size_of(n_channels_ * n_basis_)) {
        for (std::ptrdiff_t k = 0; k < window_; ++k)
            std::transform(filters.values.begin() + (window_ - 1 - k) * n_basis_,
                           filters.values.begin() + (window_ - k) * n_basis_,
                           from_oldest_.begin() + k * n_basis_,
                           [](double value) { return static_cast<T>(value); });
    }

    [[nodiscard]] std::ptrdiff_t rows() const override { return 1; }
    [[nodiscard]] std::ptrdiff_t channels() const override { return n_channels_; }
    [[nodiscard]] std::ptrdiff_t n_features() const override { return n_channels_ * n_basis_; }
    [[nodiscard]] bool includes_own_bin() const override { return includes_own_bin_; }
    [[nodiscard]] std::ptrdiff_t window_size() const override { return window_; }

    void reset() noexcept override {
        std::fill(ring_.begin(), ring_.end(), T(0));
        std::fill(events_of_row_.begin(), events_of_row_.end(), 0);
        n_seen_ = 0;
        n_events_ = 0;
    }

    void append() noexcept override {
        T* first = ring_.data() + position_ * n_channels_;
        T* second = first + window_ * n_channels_;
        const auto capacity = static_cast<std::ptrdiff_t>(events_.size());
        // What leaves the window is at the head of the queue.
        std::int32_t& of_row = events_of_row_[size_of(position_)];
        head_ = head_ + of_row < capacity ? head_ + of_row : head_ + of_row - capacity;
        n_events_ -= of_row;
        of_row = 0;
        std::ptrdiff_t tail = head_ + n_events_;
        if (tail >= capacity) tail -= capacity;
        for (std::ptrdiff_t c = 0; c < n_channels_; ++c) {
            const T value = static_cast<T>(current_[c]);
            first[c] = value;
            second[c] = value;
            if (value != T(0)) {
                events_[size_of(tail)] = {static_cast<std::int32_t>(position_),
                                          static_cast<std::int32_t>(c), value};
                tail = tail + 1 == capacity ? 0 : tail + 1;
                ++of_row;
            }
        }
        n_events_ += of_row;
        position_ = position_ + 1 == window_ ? 0 : position_ + 1;
        n_seen_ = std::min(n_seen_ + 1, window_);
    }

    void fill(std::ptrdiff_t, std::ptrdiff_t, double* out, std::ptrdiff_t,
              Workspace&) const override {
        if (n_seen_ < window_) {
            std::fill_n(out, n_features(), nan_value);
            return;
        }
        T* sums = sums_.data();
        if constexpr (std::is_same_v<T, double>) sums = out;
        if (n_events_ * samples_per_event < window_ * n_channels_)
            add_events(sums);
        else
            multiply(ring_.data() + position_ * n_channels_, sums);
        if constexpr (!std::is_same_v<T, double>) std::copy_n(sums, n_features(), out);
    }

private:
    using Event = HistoryEvent<T>;

    void add_events(T* sums) const {
        std::fill_n(sums, n_features(), T(0));
        // The queue may go round the end of its memory.
        const auto capacity = static_cast<std::ptrdiff_t>(events_.size());
        const std::ptrdiff_t n_first = std::min(n_events_, capacity - head_);
        add(events_.data() + head_, n_first, sums);
        add(events_.data(), n_events_ - n_first, sums);
    }

    /// `position_` is the row of the oldest bin.
    void add(const Event* events, std::ptrdiff_t n, T* sums) const {
        if constexpr (std::is_same_v<T, double>)
            kernels().add_events(from_oldest_.data(), window_, n_basis_, position_, events, n,
                                 sums);
        else
            kernels().add_events_single(from_oldest_.data(), window_, n_basis_, position_, events,
                                        n, sums);
    }

    void multiply(const T* window, T* sums) const {
        if constexpr (std::is_same_v<T, double>)
            kernels().project(from_oldest_.data(), window_, n_basis_, window, n_channels_, sums);
        else
            kernels().project_single(from_oldest_.data(), window_, n_basis_, window, n_channels_,
                                     sums);
    }

    const double* current_;
    std::ptrdiff_t n_channels_, window_, n_basis_;
    bool includes_own_bin_;
    std::vector<T> from_oldest_;  // filters of the oldest bin first, (window, n_basis)
    std::vector<T> ring_;         // (2 window, n_channels)
    std::vector<Event> events_;   // a ring: those of a window, oldest first
    std::vector<std::int32_t> events_of_row_;
    mutable std::vector<T> sums_;
    std::ptrdiff_t position_ = 0;  // the row of the ring that the next bin takes
    std::ptrdiff_t n_seen_ = 0;
    std::ptrdiff_t head_ = 0;
    std::ptrdiff_t n_events_ = 0;
};

}  // namespace

std::shared_ptr<StreamingConvolution> make_streaming_convolution(const FilterBank& filters,
                                                                 const double* channels,
                                                                 std::ptrdiff_t n_channels,
                                                                 bool includes_own_bin,
                                                                 bool single_precision) {
    for (const double value : filters.values)
        if (!std::isfinite(value))
            throw std::invalid_argument("filters must be finite, got " + std::to_string(value) +
                                        ".");
    // The ring twice, and the queue.
    require_memory(filters.window_size, n_channels, 4 * sizeof(double), "the history of a model");
    require_memory(filters.n_basis_funcs, n_channels, sizeof(double), "the features of a model");
    if (single_precision)
        return std::make_shared<Stream<float>>(filters, channels, n_channels, includes_own_bin);
    return std::make_shared<Stream<double>>(filters, channels, n_channels, includes_own_bin);
}

}  // namespace spikeglm
