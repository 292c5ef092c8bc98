#include "spikeglm/backend/memory.hpp"

#include <limits>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace spikeglm {
namespace {

double physical_memory() {
#if defined(__unix__) || defined(__APPLE__)
    const auto pages = sysconf(_SC_PHYS_PAGES);
    const auto page = sysconf(_SC_PAGE_SIZE);
    if (pages > 0 && page > 0) return static_cast<double>(pages) * static_cast<double>(page);
#endif
    return std::numeric_limits<double>::infinity();
}

}  // namespace

void require_memory(std::ptrdiff_t rows, std::ptrdiff_t cols, std::size_t size, const char* what) {
    // In floating point, which cannot overflow here.
    const double bytes =
        static_cast<double>(rows) * static_cast<double>(cols) * static_cast<double>(size);
    const double available = physical_memory();
    if (bytes <= available) return;
    const auto gigabytes = [](double value) { return std::to_string(value / 1e9) + " GB"; };
    throw OutOfMemory(std::string(what) + " of " + std::to_string(rows) + " x " +
                      std::to_string(cols) + " needs " + gigabytes(bytes) + "; this machine has " +
                      gigabytes(available) + ".");
}

}  // namespace spikeglm
