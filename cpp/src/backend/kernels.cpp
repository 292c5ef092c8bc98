#include "spikeglm/backend/kernels.hpp"

#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <vector>

#ifndef SPIKEGLM_STATIC
#include <dlfcn.h>
#endif

namespace spikeglm {
namespace {

struct Loaded {
    const KernelTable* table = nullptr;
    std::string path;
};

const KernelTable* checked(const KernelTable* table, const std::string& path) {
    if (table == nullptr || table->abi != kernel_abi)
        throw std::runtime_error("spikeglm: " + path + " holds kernels of another version (" +
                                 (table ? std::to_string(table->abi) : "none") + ", expected " +
                                 std::to_string(kernel_abi) +
                                 "). Reinstall spikeglm so that all its files match.");
    return table;
}

#ifdef SPIKEGLM_STATIC

Loaded load() { return {checked(spikeglm_kernels(), "(static)"), "(static)"}; }

#else

/// The folder of the file that this code was loaded from.
std::string own_folder() {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&own_folder), &info) == 0 || info.dli_fname == nullptr)
        throw std::runtime_error("spikeglm: the dynamic loader cannot tell where libspikeglm is.");
    const std::string file = info.dli_fname;
    const auto slash = file.rfind('/');
    return slash == std::string::npos ? std::string(".") : file.substr(0, slash);
}

/// Levels that this library was built with, from the most general to the most capable.
std::vector<std::string> built_levels() {
    std::vector<std::string> levels;
    std::istringstream list(SPIKEGLM_LEVELS);
    for (std::string level; std::getline(list, level, ',');) levels.push_back(level);
    return levels;
}

/// Whether this processor, and the system on it, run code of a level of the x86-64 psABI.
bool runs_here(const std::string& level) {
    if (level == "baseline") return true;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    if (level == "v3") return v3;
    if (level == "v4")
        return v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
#endif
    return false;
}

/// The level that SPIKEGLM_ISA asks for, else the most capable one that runs here.
std::string choose_level() {
    std::string usable;
    std::string best;
    const char* wanted = std::getenv("SPIKEGLM_ISA");
    for (const std::string& level : built_levels()) {
        if (!runs_here(level)) continue;
        if (wanted != nullptr && level == wanted) return level;
        usable += (usable.empty() ? "" : ", ") + level;
        best = level;
    }
    if (wanted != nullptr && *wanted != '\0')
        throw std::runtime_error("spikeglm: SPIKEGLM_ISA is '" + std::string(wanted) +
                                 "'; this processor and this build offer " + usable + ".");
    return best;
}

Loaded load() {
    const std::string path =
        own_folder() + "/libspikeglm_kernels_" + choose_level() + SPIKEGLM_MODULE_SUFFIX;
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr)
        throw std::runtime_error(std::string("spikeglm: cannot load its kernels: ") + dlerror() +
                                 ". They belong next to libspikeglm; reinstall spikeglm.");
    using Entry = const KernelTable* (*)();
    const auto entry = reinterpret_cast<Entry>(dlsym(handle, "spikeglm_kernels"));
    return {checked(entry ? entry() : nullptr, path), path};
}

#endif

const Loaded& loaded() {
    static const Loaded instance = load();
    return instance;
}

}  // namespace

const KernelTable& kernels() { return *loaded().table; }

Config config() {
    const Loaded& instance = loaded();
    return {SPIKEGLM_VERSION, instance.table->isa, instance.path, SPIKEGLM_COMPILER,
            SPIKEGLM_EIGEN_VERSION};
}

}  // namespace spikeglm
