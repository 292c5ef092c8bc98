#pragma once
/// Finds and loads the kernel table for this processor.

#include <string>

#include "spikeglm/backend/kernel_table.hpp"

namespace spikeglm {

/// The table in use; loaded at the first call, from the folder that holds this library (never the
/// working directory). Throws std::runtime_error naming the file that was expected and why it
/// cannot be used.
[[nodiscard]] const KernelTable& kernels();

struct Config {
    std::string version;
    std::string isa;          ///< level of the kernels in use
    std::string kernel_path;  ///< file they came from; "(static)" in the static library
    std::string compiler;
    std::string eigen;
};

[[nodiscard]] Config config();

}  // namespace spikeglm
