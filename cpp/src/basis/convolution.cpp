#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>

#include "convolution_cost.hpp"
#include "convolution_input.hpp"
#include "overlap_save.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/basis/expression.hpp"

namespace spikeglm {
namespace {

using Method = ConvolutionMethod;

/// Rows at a time when all are wanted and no transform cuts them: few enough to stay in cache, and
/// not many fewer than the window, which is read before them.
std::ptrdiff_t direct_rows(std::ptrdiff_t window) {
    return std::clamp<std::ptrdiff_t>(window, 256, 4096);
}

/// Channels that are convolved before their rows are written: many, so that long runs of memory are
/// written, but no more than 1 MiB of sums.
std::ptrdiff_t channels_together(std::ptrdiff_t n_rows, std::ptrdiff_t n_filters) {
    constexpr std::ptrdiff_t budget = (std::ptrdiff_t{1} << 20) / sizeof(double);
    return std::max<std::ptrdiff_t>(8, budget / (n_rows * n_filters));
}

/// Stride between the samples of two channels: an odd number of cache lines, so that the channels
/// do not compete for the same sets, and room for the last tile of the dense kernel.
std::ptrdiff_t channel_stride(std::ptrdiff_t n_samples) {
    return ((n_samples + dense_tile_rows) / 16 * 2 + 3) * 8;
}

bool is_identity(const FilterBank& filters) {
    if (filters.window_size != filters.n_basis_funcs) return false;
    for (std::size_t i = 0; i < filters.values.size(); ++i) {
        const bool diagonal = i % (static_cast<std::size_t>(filters.window_size) + 1) == 0;
        if (filters.values[i] != (diagonal ? 1.0 : 0.0)) return false;
    }
    return true;
}

/// Copies row-major (n_rows, n_cols) blocks, one behind the other, to columns beside each other. A
/// width known to the compiler spares a call per run of a few numbers.
template <int width>
void put_side_by_side(const double* blocks, std::ptrdiff_t n_rows, std::ptrdiff_t n_blocks,
                      std::ptrdiff_t n_cols, double* out, std::ptrdiff_t stride) {
    for (std::ptrdiff_t r = 0; r < n_rows; ++r)
        for (std::ptrdiff_t b = 0; b < n_blocks; ++b)
            std::copy_n(blocks + (b * n_rows + r) * n_cols, width > 0 ? width : n_cols,
                        out + r * stride + b * n_cols);
}

void put_side_by_side(const double* blocks, std::ptrdiff_t n_rows, std::ptrdiff_t n_blocks,
                      std::ptrdiff_t n_cols, double* out, std::ptrdiff_t stride) {
    const auto put = [&]<int... width>(std::integer_sequence<int, width...>) {
        const bool found =
            ((n_cols == width &&
              (put_side_by_side<width>(blocks, n_rows, n_blocks, n_cols, out, stride), true)) ||
             ...);
        if (!found) put_side_by_side<0>(blocks, n_rows, n_blocks, n_cols, out, stride);
    };
    put(std::integer_sequence<int, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10>());
}

class Convolution final : public Expression {
public:
    Convolution(const FilterBank& filters, const MatrixView& input, Causality causality, bool shift,
                std::vector<Epoch> epochs, Method method)
        : input_(input),
          window_(filters.window_size),
          n_basis_(filters.n_basis_funcs),
          kernel_(filters.values.begin(), filters.values.end()),
          epochs_(std::move(epochs)) {
        const std::ptrdiff_t step = shift ? 1 : 0;
        // X[t] = sum_k K[k] x[t - lag - k]
        lag_ = causality == Causality::causal        ? step
               : causality == Causality::anti_causal ? 1 - window_ - step
                                                     : (window_ - 1) / 2 + 1 - window_;
        choose(method, is_identity(filters));
    }

    [[nodiscard]] std::ptrdiff_t rows() const override { return input_.rows; }
    [[nodiscard]] std::ptrdiff_t channels() const override { return input_.cols; }
    [[nodiscard]] std::ptrdiff_t n_features() const override { return input_.cols * n_basis_; }

    void fill(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
              Workspace& workspace) const override {
        fill_incomplete(first, count, out, stride);
        for_each_run(first, first + count, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
            const std::ptrdiff_t together = channels_together(end - begin, n_basis_);
            for (std::ptrdiff_t c = 0; c < input_.cols; c += together)
                fill_channels(begin, end, c, std::min(together, input_.cols - c),
                              out + (begin - first) * stride + c * n_basis_, stride, workspace);
        });
    }

    [[nodiscard]] std::ptrdiff_t write_rows() const override {
        if (!fourier_) return direct_rows(window_);
        // As many segments as fill whole batches.
        const std::ptrdiff_t segments =
            OverlapSave::batch / std::gcd(OverlapSave::batch, input_.cols);
        return segments * fourier_->rows();
    }

    void write(std::ptrdiff_t first, std::ptrdiff_t count, double* out, std::ptrdiff_t stride,
               Workspace& workspace) const override {
        if (!fourier_) return fill(first, count, out, stride, workspace);
        fill_incomplete(first, count, out, stride);
        Batch batch(*this, stride, workspace);
        for_each_segment(first, first + count, fourier_->rows(),
                         [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
                             batch.add(begin, end, out + (begin - first) * stride);
                         });
        batch.finish();
    }

private:
    /// Samples of up to OverlapSave::batch segments, convolved when there are that many.
    class Batch {
    public:
        Batch(const Convolution& owner, std::ptrdiff_t out_stride, Workspace& workspace)
            : owner_(owner),
              out_stride_(out_stride),
              workspace_(workspace),
              frame_(workspace),
              x_stride_(channel_stride(owner.fourier_->rows() + owner.window_ - 1)),
              x_(frame_.take(OverlapSave::batch * x_stride_)),
              missing_(owner.has_nan_ ? frame_.take(OverlapSave::batch * x_stride_) : nullptr) {}

        /// Adds rows [begin, end) of all channels.
        void add(std::ptrdiff_t begin, std::ptrdiff_t end, double* out) {
            const std::ptrdiff_t n_rows = end - begin;
            const std::ptrdiff_t n_channels = owner_.input_.cols;
            for (std::ptrdiff_t c = 0; c < n_channels;) {
                const std::ptrdiff_t n = std::min(OverlapSave::batch - size_, n_channels - c);
                owner_.load(begin, n_rows, c, n, x_ + size_ * x_stride_, x_stride_,
                            missing_ ? missing_ + size_ * x_stride_ : nullptr);
                for (const std::ptrdiff_t last = c + n; c < last; ++c, ++size_)
                    segments_[static_cast<std::size_t>(size_)] = {x_ + size_ * x_stride_, n_rows,
                                                                  out + c * owner_.n_basis_};
                if (size_ == OverlapSave::batch) finish();
            }
        }

        void finish() {
            const std::span<const OverlapSave::Segment> segments(segments_.data(),
                                                                 static_cast<std::size_t>(size_));
            owner_.fourier_->convolve(segments, out_stride_, workspace_);
            for (std::ptrdiff_t s = 0; missing_ && s < size_; ++s) {
                const auto& segment = segments_[static_cast<std::size_t>(s)];
                owner_.mark_missing(missing_ + s * x_stride_, segment.n_rows, segment.out,
                                    out_stride_);
            }
            size_ = 0;
        }

    private:
        const Convolution& owner_;
        std::ptrdiff_t out_stride_;
        Workspace& workspace_;
        Workspace::Frame frame_;
        std::ptrdiff_t x_stride_;
        double* x_;
        double* missing_;
        std::array<OverlapSave::Segment, OverlapSave::batch> segments_;
        std::ptrdiff_t size_ = 0;
    };

    void choose(Method method, bool identity) {
        const InputSummary input = summarise(input_);
        has_nan_ = input.has_nan;
        const convolution_cost::Problem problem{window_, n_basis_, input_.cols, input.density};
        const bool sparse = convolution_cost::events(problem) < convolution_cost::dense(problem);
        const bool automatic = method == Method::automatic || method == Method::direct;
        direct_ = !automatic ? method
                  : identity ? Method::copies
                  : sparse   ? Method::events
                             : Method::dense;
        if (method == Method::fourier) direct_ = sparse ? Method::events : Method::dense;
        if (method != Method::automatic && method != Method::fourier) return;
        if (method == Method::automatic && identity) return;

        std::ptrdiff_t n_rows = 0;
        for_each_run(0, input_.rows,
                     [&](std::ptrdiff_t begin, std::ptrdiff_t end) { n_rows += end - begin; });
        double least = method == Method::fourier ? std::numeric_limits<double>::infinity()
                                                 : static_cast<double>(n_rows) *
                                                       std::min(convolution_cost::events(problem),
                                                                convolution_cost::dense(problem));
        std::ptrdiff_t best = 0;
        // Segments from the window to 16 windows, none of which is longer than the input.
        auto size = static_cast<std::ptrdiff_t>(std::bit_ceil(static_cast<std::size_t>(window_)));
        for (int i = 0; i < 5 && (i == 0 || size < 2 * input_.rows); ++i, size *= 2) {
            std::ptrdiff_t n_segments = 0;
            for_each_segment(0, input_.rows, size - window_ + 1,
                             [&](std::ptrdiff_t, std::ptrdiff_t) { ++n_segments; });
            const double cost =
                static_cast<double>(n_segments) * convolution_cost::fourier_segment(problem, size);
            if (cost >= least) continue;
            least = cost;
            best = size;
        }
        if (best > 0) fourier_.emplace(kernel_, window_, n_basis_, best);
    }

    /// Calls body(begin, end) for the runs of rows in [first, last) that have a complete window.
    template <class Body>
    void for_each_run(std::ptrdiff_t first, std::ptrdiff_t last, const Body& body) const {
        auto epoch = std::upper_bound(
            epochs_.begin(), epochs_.end(), first,
            [](std::ptrdiff_t row, const Epoch& candidate) { return row < candidate.end; });
        for (; epoch != epochs_.end() && epoch->begin < last; ++epoch) {
            const std::ptrdiff_t begin =
                std::max({first, epoch->begin, epoch->begin + window_ - 1 + lag_});
            const std::ptrdiff_t end = std::min({last, epoch->end, epoch->end + lag_});
            if (begin < end) body(begin, end);
        }
    }

    /// The same runs, cut at multiples of `length` rows.
    template <class Body>
    void for_each_segment(std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t length,
                          const Body& body) const {
        for_each_run(first, last, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
            while (begin < end) {
                const std::ptrdiff_t cut = std::min(end, (begin / length + 1) * length);
                body(begin, cut);
                begin = cut;
            }
        });
    }

    /// Writes NaN to the rows without a complete window.
    void fill_incomplete(std::ptrdiff_t first, std::ptrdiff_t count, double* out,
                         std::ptrdiff_t stride) const {
        std::ptrdiff_t next = first;
        const auto fill_until = [&](std::ptrdiff_t end) {
            for (; next < end; ++next)
                std::fill_n(out + (next - first) * stride, n_features(), nan_value);
        };
        for_each_run(first, first + count, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
            fill_until(begin);
            next = end;
        });
        fill_until(first + count);
    }

    /// Samples of the windows of rows [begin, begin + n_rows), channel after channel. Where there
    /// are NaN, writes zero in their place and says in `missing` where they were.
    void load(std::ptrdiff_t begin, std::ptrdiff_t n_rows, std::ptrdiff_t channel,
              std::ptrdiff_t n_channels, double* x, std::ptrdiff_t stride, double* missing) const {
        const std::ptrdiff_t n_samples = n_rows + window_ - 1;
        load_channels(input_, begin - lag_ - window_ + 1, n_samples, channel, n_channels, x,
                      stride);
        if (missing == nullptr) return;
        for (std::ptrdiff_t i = 0; i < n_channels * stride; ++i) {
            missing[i] = std::isnan(x[i]) ? 1.0 : 0.0;
            x[i] = std::isnan(x[i]) ? 0.0 : x[i];
        }
    }

    /// Writes NaN to the rows of one channel whose window holds a missing sample.
    void mark_missing(const double* missing, std::ptrdiff_t n_rows, double* out,
                      std::ptrdiff_t stride) const {
        std::ptrdiff_t next = 0;  // rows before it are done
        for (std::ptrdiff_t s = 0; s < n_rows + window_ - 1; ++s) {
            if (missing[s] == 0.0) continue;
            next = std::max(next, s - window_ + 1);
            for (; next < std::min(n_rows, s + 1); ++next)
                std::fill_n(out + next * stride, n_basis_, nan_value);
        }
    }

    void fill_channels(std::ptrdiff_t begin, std::ptrdiff_t end, std::ptrdiff_t channel,
                       std::ptrdiff_t n_channels, double* out, std::ptrdiff_t stride,
                       Workspace& workspace) const {
        Workspace::Frame frame(workspace);
        const std::ptrdiff_t n_rows = end - begin;
        const std::ptrdiff_t x_stride = channel_stride(n_rows + window_ - 1);
        double* x = frame.take(n_channels * x_stride);
        double* missing = has_nan_ ? frame.take(n_channels * x_stride) : nullptr;
        load(begin, n_rows, channel, n_channels, x, x_stride, missing);
        if (direct_ == Method::events)
            add_events(x, n_rows, n_channels, x_stride, out, stride, frame);
        else
            for (std::ptrdiff_t c = 0; c < n_channels; ++c)
                fill_channel(x + c * x_stride, n_rows, out + c * n_basis_, stride, frame);
        for (std::ptrdiff_t c = 0; missing && c < n_channels; ++c)
            mark_missing(missing + c * x_stride, n_rows, out + c * n_basis_, stride);
    }

    void add_events(const double* x, std::ptrdiff_t n_rows, std::ptrdiff_t n_channels,
                    std::ptrdiff_t x_stride, double* out, std::ptrdiff_t stride,
                    Workspace::Frame& frame) const {
        const bool in_place = stride == n_basis_;
        const std::ptrdiff_t size = n_rows * n_basis_;
        double* sums = in_place ? out : frame.take(n_channels * size);
        std::fill_n(sums, n_channels * size, 0.0);
        for (std::ptrdiff_t c = 0; c < n_channels; ++c)
            kernels().convolve_events(kernel_.data(), window_, n_basis_, x + c * x_stride, n_rows,
                                      sums + c * size);
        if (!in_place) put_side_by_side(sums, n_rows, n_channels, n_basis_, out, stride);
    }

    void fill_channel(const double* x, std::ptrdiff_t n_rows, double* out, std::ptrdiff_t stride,
                      Workspace::Frame& frame) const {
        if (direct_ == Method::dense)
            return kernels().convolve_dense(kernel_.data(), window_, n_basis_, x, n_rows, out,
                                            stride);
        const std::ptrdiff_t n_samples = n_rows + window_ - 1;
        double* reversed = frame.take(n_samples);
        std::reverse_copy(x, x + n_samples, reversed);
        for (std::ptrdiff_t r = 0; r < n_rows; ++r)
            std::copy_n(reversed + n_rows - 1 - r, window_, out + r * stride);
    }

    MatrixView input_;
    std::ptrdiff_t window_;
    std::ptrdiff_t n_basis_;
    std::vector<double> kernel_;
    std::ptrdiff_t lag_ = 0;
    std::vector<Epoch> epochs_;
    bool has_nan_ = false;
    Method direct_ = Method::events;      // block by block
    std::optional<OverlapSave> fourier_;  // for all rows, where that is cheaper
};

}  // namespace

ExpressionPtr make_convolution(const FilterBank& filters, const MatrixView& input,
                               Causality causality, bool shift, std::vector<Epoch> epochs,
                               ConvolutionMethod method) {
    if (filters.window_size < 1 || filters.n_basis_funcs < 1)
        throw std::invalid_argument(
            "a bank of filters needs at least one sample and one filter, "
            "got " +
            std::to_string(filters.window_size) + " samples and " +
            std::to_string(filters.n_basis_funcs) + " filters.");
    if (static_cast<std::ptrdiff_t>(filters.values.size()) !=
        filters.window_size * filters.n_basis_funcs)
        throw std::invalid_argument("a bank of " + std::to_string(filters.n_basis_funcs) +
                                    " filters of " + std::to_string(filters.window_size) +
                                    " samples holds " + std::to_string(filters.values.size()) +
                                    " values.");
    if (!std::all_of(filters.values.begin(), filters.values.end(),
                     [](double value) { return std::isfinite(value); }))
        throw std::invalid_argument("a bank of filters holds a value that is not finite.");
    if (shift && causality == Causality::acausal)
        throw std::invalid_argument(
            "an acausal window lies around its sample: `shift` must be "
            "false.");
    if (method == ConvolutionMethod::copies && !is_identity(filters))
        throw std::invalid_argument(
            "only an identity matrix of filters convolves by copies; got another bank.");
    std::ptrdiff_t previous = 0;
    for (const Epoch& epoch : epochs) {
        if (epoch.begin < previous || epoch.end < epoch.begin || epoch.end > input.rows)
            throw std::invalid_argument("epochs must be sorted, disjoint and within the " +
                                        std::to_string(input.rows) + " samples; got [" +
                                        std::to_string(epoch.begin) + ", " +
                                        std::to_string(epoch.end) + ").");
        previous = epoch.end;
    }
    return std::make_shared<Convolution>(filters, input, causality, shift, std::move(epochs),
                                         method);
}

}  // namespace spikeglm
