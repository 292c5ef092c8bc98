#pragma once
/// Scratch memory that is reused from block to block.

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace spikeglm {

/// A stack of buffers: `take` hands out memory that stays valid until the `Frame` in which it was
/// taken ends. After the first block of a pass nothing is allocated any more.
class Workspace {
public:
    class Frame {
    public:
        explicit Frame(Workspace& owner) : owner_(owner), mark_(owner.used_) {}
        ~Frame() { owner_.used_ = mark_; }
        Frame(const Frame&) = delete;
        Frame& operator=(const Frame&) = delete;

        [[nodiscard]] double* take(std::ptrdiff_t count) { return owner_.take(count); }
        [[nodiscard]] Workspace& workspace() { return owner_; }

    private:
        Workspace& owner_;
        std::size_t mark_;
    };

private:
    double* take(std::ptrdiff_t count) {
        const auto size = static_cast<std::size_t>(count);
        if (used_ == buffers_.size()) buffers_.emplace_back();
        auto& buffer = buffers_[used_++];
        if (buffer.size() < size) buffer.resize(size);
        return buffer.data();
    }

    std::vector<std::vector<double>> buffers_;
    std::size_t used_ = 0;
};

}  // namespace spikeglm
