#pragma once
/// Scratch memory that is reused from block to block.

#include <algorithm>
#include <cstddef>
#include <type_traits>
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

        /// Memory for `count` elements of a type that needs neither construction nor more than the
        /// alignment of `new`; not initialised.
        template <class T = double>
        [[nodiscard]] T* take(std::ptrdiff_t count) {
            static_assert(std::is_trivially_copyable_v<T> &&
                          alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
            return reinterpret_cast<T*>(owner_.take(static_cast<std::size_t>(count) * sizeof(T)));
        }
        [[nodiscard]] Workspace& workspace() { return owner_; }

    private:
        Workspace& owner_;
        std::size_t mark_;
    };

private:
    std::byte* take(std::size_t size) {
        if (used_ == buffers_.size()) buffers_.emplace_back();
        auto& buffer = buffers_[used_++];
        // Never null: a sparse part without rows has starts too.
        if (buffer.size() < size || buffer.empty()) buffer.resize(std::max<std::size_t>(size, 1));
        return buffer.data();
    }

    std::vector<std::vector<std::byte>> buffers_;
    std::size_t used_ = 0;
};

}  // namespace spikeglm
