#pragma once
/// numpy arrays as views of the core, and back. Memory safety is checked here; meaning is checked
/// in Python (_validation.py).

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "spikeglm/backend/array_view.hpp"
#include "spikeglm/backend/threads.hpp"

namespace spikeglm::bindings {

namespace py = pybind11;

using Vector = py::array_t<double, py::array::c_style | py::array::forcecast>;

inline ElementType element_type(const py::dtype& dtype) {
    const char kind = dtype.kind();
    const auto size = dtype.itemsize();
    if (dtype.byteorder() == '>' || dtype.byteorder() == '<')
        // numpy reports the machine's own order as '='.
        throw std::invalid_argument("array has a foreign byte order; convert it to native first.");
    if (kind == 'f' && size == 8) return ElementType::f64;
    if (kind == 'f' && size == 4) return ElementType::f32;
    if (kind == 'b' && size == 1) return ElementType::u8;
    if (kind == 'i' || kind == 'u') {
        const bool is_signed = kind == 'i';
        switch (size) {
            case 8: return is_signed ? ElementType::i64 : ElementType::u64;
            case 4: return is_signed ? ElementType::i32 : ElementType::u32;
            case 2: return is_signed ? ElementType::i16 : ElementType::u16;
            case 1: return is_signed ? ElementType::i8 : ElementType::u8;
            default: break;
        }
    }
    throw std::invalid_argument("array has dtype " + py::str(dtype).cast<std::string>() +
                                "; expected float64, float32, an integer type or bool.");
}

/// A 1-D array is one column.
inline MatrixView matrix_view(const py::array& array) {
    if (array.ndim() != 1 && array.ndim() != 2)
        throw std::invalid_argument("expected a 1-D or 2-D array, got " +
                                    std::to_string(array.ndim()) + "-D.");
    const bool flat = array.ndim() == 1;
    return {
        array.data(),     element_type(array.dtype()),
        array.shape(0),   flat ? 1 : array.shape(1),
        array.strides(0), flat ? static_cast<std::ptrdiff_t>(array.itemsize()) : array.strides(1)};
}

inline std::span<const double> vector_view(const Vector& array) {
    if (array.ndim() != 1)
        throw std::invalid_argument("expected a 1-D array, got " + std::to_string(array.ndim()) +
                                    "-D.");
    return {array.data(), static_cast<std::size_t>(array.size())};
}

inline std::span<const double> vector_view(const std::optional<Vector>& array) {
    return array ? vector_view(*array) : std::span<const double>();
}

template <class T>
py::array_t<T> to_array(const std::vector<T>& values) {
    return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

/// Lets Ctrl-C end a long pass: asks the interpreter for pending signals every 50 ms. The pass runs
/// without the GIL; the exception crosses it as error_already_set. The environment is read here,
/// under the GIL, which is what keeps os.environ from changing meanwhile.
inline Execution interruptible(int n_threads) {
    using clock = std::chrono::steady_clock;
    return {[last = clock::now()]() mutable {
                const auto now = clock::now();
                if (now - last < std::chrono::milliseconds(50)) return;
                last = now;
                const py::gil_scoped_acquire gil;
                if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            },
            n_threads > 0 ? n_threads : default_threads()};
}

}  // namespace spikeglm::bindings
