#include <map>
#include <utility>

#include "bindings.hpp"
#include "spikeglm/backend/memory.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"

namespace spikeglm::bindings {
namespace {

using Filters = py::array_t<double, py::array::c_style | py::array::forcecast>;

BoundExpression combine(const BoundExpression& left, const BoundExpression& right,
                        ExpressionPtr (*make)(ExpressionPtr, ExpressionPtr)) {
    BoundExpression result{make(left.expression, right.expression), left.inputs};
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
    constexpr int needed = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_ |
                           py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
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
        .def(py::init([](const std::string& family, std::ptrdiff_t n_basis_funcs, int order,
                         double width, double time_scaling, bool enforce_decay_to_zero) {
                 return Basis(family,
                              {n_basis_funcs, order, width, time_scaling, enforce_decay_to_zero});
             }),
             py::arg("family"), py::arg("n_basis_funcs"), py::arg("order") = 4,
             py::arg("width") = 2.0, py::arg("time_scaling") = 50.0,
             py::arg("enforce_decay_to_zero") = true)
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

    m.def("evaluation", [](const Basis& basis, const py::array& input,
                           const std::vector<Bounds>& bounds, double fill_value) {
        return BoundExpression{make_evaluation(basis, matrix_view(input), bounds, fill_value),
                               {input}};
    });
    m.def(
        "convolution",
        [](const Filters& filters, const py::array& input, const std::string& causality, bool shift,
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
            if (filters.ndim() != 2) throw std::invalid_argument("a bank of filters is 2-D.");
            const FilterBank bank{{filters.data(), static_cast<std::size_t>(filters.size())},
                                  filters.shape(0),
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
    m.def("sum_of", [](const BoundExpression& left, const BoundExpression& right) {
        return combine(left, right, make_sum);
    });
    m.def("product_of", [](const BoundExpression& left, const BoundExpression& right) {
        return combine(left, right, make_product);
    });

    m.def("column_range", [](const py::array& input) {
        const MatrixView view = matrix_view(input);
        const py::gil_scoped_release release;
        return column_range(view);
    });

    m.def("basis_families", [] {
        std::vector<std::string> names;
        for_each_type<BasisFamilies>([&]<class Family>(int) { names.emplace_back(Family::name); });
        return names;
    });
}

}  // namespace spikeglm::bindings
