#include "spikeglm/backend/kernels.hpp"

#include <stdexcept>

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

Loaded load() {
    const std::string path = own_folder() + "/libspikeglm_kernels_baseline" SPIKEGLM_MODULE_SUFFIX;
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
