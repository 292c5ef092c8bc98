#include "bindings.hpp"

PYBIND11_MODULE(_core, m) {
    m.doc() = "Compiled core of spikeglm. Not public: use the Python modules on top of it.";
    spikeglm::bindings::bind_backend(m);
    spikeglm::bindings::bind_basis(m);
    spikeglm::bindings::bind_glm(m);
    spikeglm::bindings::bind_categorical(m);
    spikeglm::bindings::bind_online(m);
    spikeglm::bindings::bind_online_decoding(m);
    spikeglm::bindings::bind_solver(m);
}
