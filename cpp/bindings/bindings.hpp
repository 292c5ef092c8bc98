#pragma once
#include <memory>
#include <vector>

#include "array.hpp"
#include "spikeglm/basis/expression.hpp"

namespace spikeglm::bindings {

/// An expression together with the arrays that it reads.
struct BoundExpression {
    ExpressionPtr expression;
    std::vector<py::object> inputs;
};

/// A design together with the arrays that it reads.
struct BoundDesign {
    std::shared_ptr<const Design> design;
    std::vector<py::object> inputs;
};

/// X as a design: a bound design, or an array, to which the result refers.
std::shared_ptr<const Design> design_of(const py::object& x);

void bind_backend(py::module_& m);
void bind_basis(py::module_& m);
void bind_categorical(py::module_& m);
void bind_glm(py::module_& m);
void bind_online(py::module_& m);
void bind_online_decoding(py::module_& m);
void bind_solver(py::module_& m);

}  // namespace spikeglm::bindings
