#include "bindings.hpp"
#include "spikeglm/backend/kernels.hpp"

namespace spikeglm::bindings {

void bind_backend(py::module_& m) {
    m.def("config", [] {
        const Config c = config();
        py::dict result;
        result["version"] = c.version;
        result["isa"] = c.isa;
        result["kernel_path"] = c.kernel_path;
        result["compiler"] = c.compiler;
        result["eigen"] = c.eigen;
        return result;
    });
    m.def("default_threads", &default_threads);
}

}  // namespace spikeglm::bindings
