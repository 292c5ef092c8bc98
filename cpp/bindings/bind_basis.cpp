#include <map>
#include <utility>

#include "bindings.hpp"
#include "spikeglm/backend/memory.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"
#include "spikeglm/basis/fourier.hpp"

namespace spikeglm::bindings {
namespace {

using Matrix = py::array_t<double, py::array::c_style | py::array::forcecast>;

/// A matrix, row-major, and its shape.
std::span<const double> elements(const Matrix& matrix, const char* what) {
    if (matrix.ndim() != 2)
        throw std::invalid_argument(std::string(what) + " is 2-D, got " +
                                    std::to_string(matrix.ndim()) + "-D.");
    return {matrix.data(), static_cast<std::size_t>(matrix.size())};
}

Basis make_basis(const std::string& family, std::ptrdiff_t n_basis_funcs, int order, double width,
                 double time_scaling, bool enforce_decay_to_zero, std::vector<double> decay_rates,
                 const std::optional<Matrix>& mixing) {
    BasisParameters parameters{
        n_basis_funcs,          order, width, time_scaling, enforce_decay_to_zero,
        std::move(decay_rates), {}};
    if (mixing) {
        const auto values = elements(*mixing, "`mixing`");
        if (mixing->shape(1) != n_basis_funcs)
            throw std::invalid_argument("`mixing` needs `n_basis_funcs` (" +
                                        std::to_string(n_basis_funcs) + ") columns, got " +
                                        std::to_string(mixing->shape(1)) + ".");
        parameters.mixing.assign(values.begin(), values.end());
    }
    return {family, parameters};
}

/// `Bases`: one basis, or a vector of one per channel.
template <class Bases>
BoundExpression evaluation_of(const Bases& bases, const py::array& input,
                              const std::vector<Bounds>& bounds, double fill_value) {
    return {make_evaluation(bases, matrix_view(input), bounds, fill_value), {input}};
}

BoundExpression fourier_of(const std::vector<py::array>& inputs,
                           const std::vector<std::vector<Bounds>>& bounds,
                           const Matrix& frequencies) {
    const auto values = elements(frequencies, "a matrix of frequencies");
    if (frequencies.shape(0) != static_cast<py::ssize_t>(inputs.size()))
        throw std::invalid_argument("expected one row of frequencies for each of " +
                                    std::to_string(inputs.size()) + " inputs, got " +
                                    std::to_string(frequencies.shape(0)) + ".");
    std::vector<MatrixView> views;
    BoundExpression result;
    for (const py::array& input : inputs) {
        views.push_back(matrix_view(input));
        result.inputs.push_back(input);
    }
    result.expression = make_fourier(std::move(views), bounds, values);
    return result;
}

/// `expression` made of two others, with the inputs of both.
BoundExpression combine(const BoundExpression& left, const BoundExpression& right,
                        ExpressionPtr expression) {
    BoundExpression result{std::move(expression), left.inputs};
    result.inputs.insert(result.inputs.end(), right.inputs.begin(), right.inputs.end());
    return result;
}

/// A new array for the features, or `given` after a check that they can be written there.
template <class T>
py::array_t<T> features_in(const Design& design, const py::object& given) {
    if (given.is_none()) {
        require_memory(design.rows(), design.cols(), sizeof(T), "an array of features");
        return py::array_t<T>({design.rows(), design.cols()});
    }
    if (!py::isinstance<py::array>(given)) throw py::type_error("`out` must be a numpy array.");
    const auto array = py::reinterpret_borrow<py::array>(given);
    const std::string shape =
        "(" + std::to_string(design.rows()) + ", " + std::to_string(design.cols()) + ")";
    if (!array.dtype().is(py::dtype::of<T>()) && !array.dtype().equal(py::dtype::of<T>()))
        throw py::type_error("`out` must have dtype " +
                             py::str(py::dtype::of<T>()).cast<std::string>() + ", got " +
                             py::str(array.dtype()).cast<std::string>() + ".");
    if (array.ndim() != 2 || array.shape(0) != design.rows() || array.shape(1) != design.cols())
        throw std::invalid_argument("`out` must have shape " + shape + ", got " +
                                    py::str(array.attr("shape")).cast<std::string>() + ".");
    constexpr int needed = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_} |
                           int{py::detail::npy_api::NPY_ARRAY_WRITEABLE_};
    if ((array.flags() & needed) != needed)
        throw std::invalid_argument(
            "`out` must be writeable, aligned and C-contiguous; pass an array made by numpy.empty "
            "or a numpy.memmap opened for writing.");
    return py::reinterpret_borrow<py::array_t<T>>(given);
}

template <class T>
py::array features_as(const Design& design, int n_threads, const py::object& given) {
    py::array_t<T> out = features_in<T>(design, given);
    T* data = out.mutable_data();
    const Execution execution = interruptible(n_threads);
    const py::gil_scoped_release release;
    materialise(design, data, execution);
    return out;
}

/// Rows of a design, by index.
BoundDesign rows_of(
    const BoundDesign& bound,
    const py::array_t<std::ptrdiff_t, py::array::c_style | py::array::forcecast>& rows) {
    std::vector<std::ptrdiff_t> indices(rows.data(), rows.data() + rows.size());
    return {std::make_shared<RowSubset>(bound.design, std::move(indices)), bound.inputs};
}

}  // namespace

std::shared_ptr<const Design> design_of(const py::object& x) {
    if (py::isinstance<BoundDesign>(x)) return x.cast<const BoundDesign&>().design;
    return std::make_shared<DenseDesign>(matrix_view(x.cast<py::array>()));
}

void bind_basis(py::module_& m) {
    py::class_<Bounds>(m, "Bounds")
        .def(py::init([](double low, double high) { return Bounds{low, high}; }))
        .def_readonly("low", &Bounds::low)
        .def_readonly("high", &Bounds::high);

    py::class_<Basis>(m, "Basis")
        .def(py::init(&make_basis), py::arg("family"), py::arg("n_basis_funcs"),
             py::arg("order") = 4, py::arg("width") = 2.0, py::arg("time_scaling") = 50.0,
             py::arg("enforce_decay_to_zero") = true,
             py::arg("decay_rates") = std::vector<double>(), py::arg("mixing") = py::none())
        .def_property_readonly("n_basis_funcs", &Basis::n_basis_funcs)
        .def("evaluate",
             [](const Basis& basis, const Vector& x, const Bounds& bounds) {
                 const auto values = vector_view(x);
                 const auto n = static_cast<std::ptrdiff_t>(values.size());
                 py::array_t<double> out({n, basis.n_basis_funcs()});
                 basis.evaluate(values, bounds, out.mutable_data());
                 return out;
             })
        .def("filters", [](const Basis& basis, std::ptrdiff_t window_size) {
            const std::vector<double> values = basis.filters(window_size);
            return py::array_t<double>({window_size, basis.n_basis_funcs()}, values.data());
        });

    py::class_<BoundExpression>(m, "BoundExpression")
        .def("design", [](const BoundExpression& bound) {
            return BoundDesign{std::make_shared<BasisDesign>(bound.expression), bound.inputs};
        });
    py::class_<BoundDesign>(m, "BoundDesign")
        .def_property_readonly("shape",
                               [](const BoundDesign& bound) {
                                   return std::pair(bound.design->rows(), bound.design->cols());
                               })
        .def("rows", &rows_of)
        .def(
            "materialise",
            [](const BoundDesign& bound, bool single_precision, int n_threads,
               const py::object& out) {
                return single_precision ? features_as<float>(*bound.design, n_threads, out)
                                        : features_as<double>(*bound.design, n_threads, out);
            },
            py::arg("single_precision"), py::arg("n_threads"), py::arg("out") = py::none());

    m.def("evaluation", &evaluation_of<Basis>);
    m.def("evaluation", &evaluation_of<std::vector<Basis>>);
    m.def("fourier", &fourier_of);
    m.def("columns", [](const py::array& values, std::ptrdiff_t channels) {
        return BoundExpression{make_columns(matrix_view(values), channels), {values}};
    });
    m.def(
        "convolution",
        [](const Matrix& filters, const py::array& input, const std::string& causality, bool shift,
           const std::vector<std::pair<std::ptrdiff_t, std::ptrdiff_t>>& epochs,
           const std::string& method) {
            static const std::map<std::string, Causality> causalities = {
                {"causal", Causality::causal},
                {"anti-causal", Causality::anti_causal},
                {"acausal", Causality::acausal}};
            static const std::map<std::string, ConvolutionMethod> methods = {
                {"automatic", ConvolutionMethod::automatic},
                {"direct", ConvolutionMethod::direct},
                {"copies", ConvolutionMethod::copies},
                {"events", ConvolutionMethod::events},
                {"dense", ConvolutionMethod::dense},
                {"fourier", ConvolutionMethod::fourier}};
            const FilterBank bank{elements(filters, "a bank of filters"), filters.shape(0),
                                  filters.shape(1)};
            std::vector<Epoch> ranges;
            for (const auto& [begin, end] : epochs) ranges.push_back({begin, end});
            const MatrixView view = matrix_view(input);
            const auto make = [&] {
                const py::gil_scoped_release release;
                return make_convolution(bank, view, causalities.at(causality), shift,
                                        std::move(ranges), methods.at(method));
            };
            return BoundExpression{make(), {input}};
        },
        py::arg("filters"), py::arg("input"), py::arg("causality"), py::arg("shift"),
        py::arg("epochs"), py::arg("method") = "automatic");
    m.def(
        "sum_of",
        [](const BoundExpression& left, const BoundExpression& right, bool by_channel) {
            return combine(left, right, make_sum(left.expression, right.expression, by_channel));
        },
        py::arg("left"), py::arg("right"), py::arg("by_channel") = false);
    m.def("product_of", [](const BoundExpression& left, const BoundExpression& right) {
        return combine(left, right, make_product(left.expression, right.expression));
    });

    m.def(
        "column_range",
        [](const py::array& input, const std::optional<std::vector<Bounds>>& bounds) {
            const MatrixView view = matrix_view(input);
            const Execution execution = interruptible(0);
            const py::gil_scoped_release release;
            const ColumnRange range =
                column_range(view, bounds ? *bounds : std::vector<Bounds>(), execution);
            return std::pair(range.bounds, range.n_outside);
        },
        py::arg("input"), py::arg("bounds") = py::none());

    m.def("basis_families", [] {
        std::vector<std::string> names;
        for_each_type<BasisFamilies>([&]<class Family>(int) { names.emplace_back(Family::name); });
        return names;
    });
}

}  // namespace spikeglm::bindings
