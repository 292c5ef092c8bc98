#pragma once
/// Refuses allocations that cannot fit before they are tried, where an overcommitting system would
/// grant them and end the process later.

#include <cstddef>
#include <new>
#include <string>
#include <utility>

namespace spikeglm {

class OutOfMemory final : public std::bad_alloc {
public:
    explicit OutOfMemory(std::string message) : message_(std::move(message)) {}
    [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }

private:
    std::string message_;
};

/// Throws OutOfMemory, naming the number of bytes, when `rows` x `cols` elements of `size` bytes
/// exceed the physical memory of the machine.
void require_memory(std::ptrdiff_t rows, std::ptrdiff_t cols, std::size_t size, const char* what);

}  // namespace spikeglm
