#include "bindings.hpp"
#include "spikeglm/online.hpp"

namespace spikeglm::bindings {
namespace {

using Matrix = py::array_t<double, py::array::c_style | py::array::forcecast>;
using online::Model;
using online::Precision;

Precision precision_of(bool single) { return single ? Precision::float32 : Precision::float64; }

/// A node with what it points to, from keyword arguments; all shapes are checked here.
struct Node {
    spikeglm_node node{};
    Matrix filters, bounds, frequencies;
    std::string family;
};

Matrix matrix_of(const py::dict& given, const char* key) {
    auto matrix = given[key].cast<Matrix>();
    if (matrix.ndim() != 2) throw std::invalid_argument(std::string(key) + " must be 2-D.");
    return matrix;
}

std::size_t extent(const Matrix& matrix, int dim) {
    return static_cast<std::size_t>(matrix.shape(dim));
}

void require_bounds(const Matrix& bounds, std::size_t n) {
    if (extent(bounds, 0) != n || extent(bounds, 1) != 2)
        throw std::invalid_argument("bounds must have " + std::to_string(n) +
                                    " rows and 2 columns.");
}

Node node_of(const py::dict& given) {
    Node made;
    spikeglm_node& node = made.node;
    const auto kind = given["kind"].cast<std::string>();
    if (kind == "product" || kind == "sum") {
        node.kind = kind == "product" ? SPIKEGLM_PRODUCT : SPIKEGLM_SUM;
        return made;
    }
    node.first_input = given["first_input"].cast<std::size_t>();
    node.n_channels = given["n_channels"].cast<std::size_t>();
    if (kind == "convolution") {
        node.kind = SPIKEGLM_CONVOLUTION;
        made.filters = matrix_of(given, "filters");
        node.window_size = extent(made.filters, 0);
        node.n_basis_funcs = extent(made.filters, 1);
        node.filters = made.filters.data();
        node.includes_own_bin = given["includes_own_bin"].cast<bool>();
        return made;
    }
    made.bounds = matrix_of(given, "bounds");
    node.bounds = made.bounds.data();
    if (kind == "fourier") {
        node.kind = SPIKEGLM_FOURIER;
        made.frequencies = matrix_of(given, "frequencies");
        node.n_dims = extent(made.frequencies, 0);
        node.n_waves = extent(made.frequencies, 1);
        node.frequencies = made.frequencies.data();
        require_bounds(made.bounds, node.n_dims * node.n_channels);
        return made;
    }
    if (kind != "evaluation") throw std::invalid_argument("unknown kind of node: " + kind + ".");
    node.kind = SPIKEGLM_EVALUATION;
    made.family = given["family"].cast<std::string>();
    node.n_basis_funcs = given["n_basis_funcs"].cast<std::size_t>();
    node.order = given["order"].cast<int>();
    node.width = given["width"].cast<double>();
    node.time_scaling = given["time_scaling"].cast<double>();
    node.enforce_decay_to_zero = given["enforce_decay_to_zero"].cast<bool>();
    node.fill_value = given["fill_value"].cast<double>();
    require_bounds(made.bounds, node.n_channels);
    return made;
}

Model model_of(const std::vector<py::dict>& given, const Matrix& coef, const Vector& intercept,
               const std::vector<std::string>& links, std::size_t n_inputs, bool single) {
    std::vector<Node> made;
    for (const py::dict& node : given) made.push_back(node_of(node));
    std::vector<spikeglm_node> nodes;
    for (Node& node : made) {
        node.node.family = node.family.c_str();
        nodes.push_back(node.node);
    }
    std::vector<const char*> names;
    for (const std::string& link : links) names.push_back(link.c_str());
    if (coef.ndim() != 2 || coef.shape(1) != intercept.size())
        throw std::invalid_argument("coef must be 2-D, with a column for each intercept.");
    return Model({n_inputs, static_cast<std::size_t>(intercept.size()), nodes.size(), nodes.data(),
                  extent(coef, 0), coef.data(), intercept.data(), names.size(), names.data()},
                 precision_of(single));
}

/// Rates of bins; inputs are (n_bins, n_inputs).
py::array_t<double> push_many(Model& model, const Matrix& inputs,
                              const std::optional<Vector>& offsets) {
    const auto given = vector_view(offsets);
    if (inputs.ndim() != 2 || extent(inputs, 1) != model.n_inputs())
        throw std::invalid_argument("inputs must be 2-D, with " + std::to_string(model.n_inputs()) +
                                    " columns.");
    if (offsets && given.size() != extent(inputs, 0))
        throw std::invalid_argument("there must be one offset for each bin.");
    py::array_t<double> rates({inputs.shape(0), static_cast<py::ssize_t>(model.n_outputs())});
    const double* in = inputs.data();
    double* out = rates.mutable_data();
    const std::size_t n_bins = extent(inputs, 0);
    int status = SPIKEGLM_OK;
    {
        const py::gil_scoped_release release;
        status = model.push_many(n_bins, in, out, offsets ? given.data() : nullptr);
    }
    if (status == SPIKEGLM_INFINITE_INPUT)
        throw std::invalid_argument("an input or offset is infinite.");
    return rates;
}

py::array_t<double> next(Model& model, const std::optional<Vector>& inputs, double offset) {
    const auto given = vector_view(inputs);
    if (inputs && given.size() != model.n_inputs())
        throw std::invalid_argument("there must be " + std::to_string(model.n_inputs()) +
                                    " inputs.");
    py::array_t<double> rates(static_cast<py::ssize_t>(model.n_outputs()));
    const int status = model.next(inputs ? given.data() : nullptr, rates.mutable_data(), offset);
    if (status == SPIKEGLM_INFINITE_INPUT)
        throw std::invalid_argument("an input or offset is infinite.");
    if (status != SPIKEGLM_OK)
        throw std::invalid_argument(
            "the rates of the next bin depend on that bin: pass its inputs, or push it.");
    return rates;
}

}  // namespace

void bind_online(py::module_& m) {
    py::register_exception_translator([](std::exception_ptr raised) {
        try {
            if (raised) std::rethrow_exception(raised);
        } catch (const online::Error& error) {
            PyErr_SetString(
                error.status() == SPIKEGLM_OUT_OF_MEMORY ? PyExc_MemoryError : PyExc_ValueError,
                error.what());
        }
    });
    py::class_<Model>(m, "OnlineModel")
        .def(py::init(&model_of), py::arg("nodes"), py::arg("coef"), py::arg("intercept"),
             py::arg("links"), py::arg("n_inputs"), py::arg("single_precision"))
        .def_static(
            "load_memory",
            [](const py::bytes& file, bool single) {
                const auto view = static_cast<std::string_view>(file);
                return Model::load_memory(view.data(), view.size(), precision_of(single));
            },
            py::arg("file"), py::arg("single_precision"))
        .def_property_readonly("n_inputs", &Model::n_inputs)
        .def_property_readonly("n_outputs", &Model::n_outputs)
        .def_property_readonly("n_features", &Model::n_features)
        .def_property_readonly("n_initial", &Model::n_initial)
        .def_property_readonly("is_predictive", &Model::is_predictive)
        .def("reset", &Model::reset)
        .def("push_many", &push_many, py::arg("inputs"), py::arg("offsets") = py::none())
        .def("next", &next, py::arg("inputs") = py::none(), py::arg("offset") = 0.0)
        .def("linear_predictors",
             [](const Model& model) {
                 py::array_t<double> out(static_cast<py::ssize_t>(model.n_outputs()));
                 model.linear_predictors(out.mutable_data());
                 return out;
             })
        .def("features", [](const Model& model) {
            py::array_t<double> out(static_cast<py::ssize_t>(model.n_features()));
            model.features(out.mutable_data());
            return out;
        });
}

}  // namespace spikeglm::bindings
