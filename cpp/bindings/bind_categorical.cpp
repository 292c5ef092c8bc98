#include <algorithm>
#include <map>
#include <string>

#include "bindings.hpp"
#include "spikeglm/glm/categorical.hpp"

namespace spikeglm::bindings {
namespace {

using OptionalVector = std::optional<Vector>;
using Indices = py::array_t<std::ptrdiff_t, py::array::c_style | py::array::forcecast>;
using Mask = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>;

template <class Array>
auto span_of(const std::optional<Array>& array) {
    using Value = typename Array::value_type;
    return array ? std::span<const Value>(array->data(), static_cast<std::size_t>(array->size()))
                 : std::span<const Value>();
}

CategoricalResult fit_classes(const py::object& x, const Vector& y, std::ptrdiff_t n_classes,
                              const OptionalVector& weight, const OptionalVector& quadratic,
                              const OptionalVector& absolute, const std::optional<Indices>& begin,
                              const std::optional<Indices>& members,
                              const OptionalVector& group_weights,
                              const std::optional<Mask>& excluded, const OptionalVector& start_coef,
                              const OptionalVector& start_intercept, const std::string& solver,
                              const std::map<std::string, double>& settings, double tolerance,
                              int max_iterations, bool intercept, int n_threads) {
    const std::shared_ptr<const Design> design = design_of(x);
    CategoricalProblem problem;
    problem.y = vector_view(y);
    problem.n_classes = n_classes;
    problem.weight = vector_view(weight);
    problem.quadratic = vector_view(quadratic);
    problem.absolute = vector_view(absolute);
    problem.groups = {span_of(begin), span_of(members), vector_view(group_weights)};
    const auto ends = problem.groups.begin;
    if (begin && (ends.size() != problem.groups.weights.size() + 1 || ends.front() != 0 ||
                  ends.back() != static_cast<std::ptrdiff_t>(problem.groups.members.size()) ||
                  !std::is_sorted(ends.begin(), ends.end())))
        throw std::invalid_argument("`begin` does not divide the members into the groups.");
    problem.excluded = span_of(excluded);
    problem.start_coef = vector_view(start_coef);
    problem.start_intercept = vector_view(start_intercept);
    FitOptions options;
    options.solver = solver;
    options.settings.insert(settings.begin(), settings.end());
    options.tolerance = tolerance;
    options.max_iterations = max_iterations;
    options.intercept = intercept;
    options.execution = interruptible(n_threads);
    const py::gil_scoped_release release;
    return fit_categorical(*design, problem, options);
}

}  // namespace

void bind_categorical(py::module_& m) {
    using Result = CategoricalResult;
    py::class_<Result>(m, "CategoricalResult")
        .def_property_readonly("coef", [](const Result& r) { return to_array(r.coef); })
        .def_property_readonly("intercept", [](const Result& r) { return to_array(r.intercept); })
        .def_property_readonly("status",
                               [](const Result& r) { return std::string(to_string(r.status)); })
        .def_readonly("n_iterations", &Result::n_iterations)
        .def_readonly("decrement", &Result::decrement)
        .def_readonly("kkt", &Result::kkt)
        .def_readonly("sum_of_weights", &Result::sum_of_weights)
        .def_readonly("rank", &Result::rank)
        .def_readonly("n_used", &Result::n_used)
        .def_readonly("n_dropped", &Result::n_dropped)
        .def_property_readonly("aliased", [](const Result& r) { return to_array(r.aliased); })
        .def_readonly("penalised", &Result::penalised);
    m.def("fit_categorical", &fit_classes, py::arg("x"), py::arg("y"), py::arg("n_classes"),
          py::kw_only(), py::arg("weight"), py::arg("quadratic"), py::arg("absolute"),
          py::arg("begin"), py::arg("members"), py::arg("group_weights"), py::arg("excluded"),
          py::arg("start_coef"), py::arg("start_intercept"), py::arg("solver"), py::arg("settings"),
          py::arg("tolerance"), py::arg("max_iterations"), py::arg("intercept"),
          py::arg("n_threads"));
}

}  // namespace spikeglm::bindings
