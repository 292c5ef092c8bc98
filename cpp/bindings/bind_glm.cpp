#include <map>

#include "bindings.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/fit.hpp"
#include "spikeglm/glm/observation/all.hpp"

namespace spikeglm::bindings {
namespace {

using OptionalVector = std::optional<Vector>;

/// One problem per column of y; per-problem arguments are lists of that length.
std::vector<FitResult> fit_columns(const py::object& x, const std::vector<Vector>& y,
                                   const std::string& model, const std::string& link,
                                   const OptionalVector& weight, const OptionalVector& offset,
                                   const std::vector<OptionalVector>& strength,
                                   const std::vector<OptionalVector>& start_coef,
                                   const std::vector<double>& start_intercept, double tolerance,
                                   int max_iterations, int n_threads) {
    if (strength.size() != y.size() || start_coef.size() != y.size() ||
        start_intercept.size() != y.size())
        throw std::invalid_argument(
            "strength, start_coef and start_intercept need an entry for "
            "each of the " +
            std::to_string(y.size()) + " columns of y.");
    const std::shared_ptr<const Design> design = design_of(x);
    const FitOptions options{
        select_loss(model, link), {tolerance, max_iterations}, interruptible(n_threads)};
    std::vector<FitProblem> problems;
    for (std::size_t m = 0; m < y.size(); ++m)
        problems.push_back({{vector_view(y[m]), vector_view(weight), vector_view(offset)},
                            vector_view(strength[m]),
                            vector_view(start_coef[m]),
                            start_intercept[m]});
    const py::gil_scoped_release release;
    return fit(*design, problems, options);
}

py::array predict_mean(const py::object& x, const Vector& coef, double intercept,
                       const OptionalVector& offset, const std::string& link, int n_threads) {
    const std::shared_ptr<const Design> design = design_of(x);
    const int link_index = index_of<InverseLinks>(link, "inverse link");
    py::array_t<double> out(design->rows());
    double* data = out.mutable_data();
    const auto coef_view = vector_view(coef);
    const auto offset_view = vector_view(offset);
    const Execution execution = interruptible(n_threads);
    {
        const py::gil_scoped_release release;
        predict(*design, coef_view, intercept, offset_view, link_index, data, execution);
    }
    return out;
}

py::array quantity_per_row(const std::string& model, const std::string& quantity, const Vector& y,
                           const Vector& mu, double dispersion) {
    static const std::map<std::string, RowQuantity> known = {
        {"log_likelihood", RowQuantity::log_likelihood},
        {"deviance", RowQuantity::deviance},
        {"pearson_residual", RowQuantity::pearson_residual}};
    py::array_t<double> out(y.size());
    row_quantity(index_of<Observations>(model, "observation model"), known.at(quantity),
                 vector_view(y), vector_view(mu), dispersion, out.mutable_data());
    return out;
}

/// Loss and derivatives row by row, through the kernel that fits use.
py::tuple loss_per_row(const std::string& model, const std::string& link, const Vector& y,
                       const Vector& eta, double parameter) {
    LossSelector selector = select_loss(model, link);
    selector.parameter = parameter;
    const auto ys = vector_view(y);
    const auto etas = vector_view(eta);
    if (ys.size() != etas.size()) throw std::invalid_argument("y and eta differ in length.");
    py::array_t<double> loss(y.size()), d1(y.size()), d2(y.size()), expected(y.size());
    for (std::size_t i = 0; i < ys.size(); ++i) {
        const auto at = static_cast<py::ssize_t>(i);
        double* slope = d1.mutable_data(at);
        kernels().row_terms(selector, Curvature::expected, 1, &ys[i], &etas[i], nullptr, slope,
                            expected.mutable_data(at));
        loss.mutable_at(at) = kernels().row_terms(selector, Curvature::observed, 1, &ys[i],
                                                  &etas[i], nullptr, slope, d2.mutable_data(at));
    }
    return py::make_tuple(loss, d1, d2, expected);
}

py::array mean_of(const std::string& link, const Vector& eta) {
    py::array_t<double> out(eta.size());
    kernels().inverse_link(index_of<InverseLinks>(link, "inverse link"), eta.size(), eta.data(),
                           out.mutable_data());
    return out;
}

}  // namespace

void bind_glm(py::module_& m) {
    py::class_<FitResult>(m, "FitResult")
        .def_property_readonly("coef", [](const FitResult& r) { return to_array(r.coef); })
        .def_readonly("intercept", &FitResult::intercept)
        .def_readonly("dispersion", &FitResult::dispersion)
        .def_property_readonly("status",
                               [](const FitResult& r) { return std::string(to_string(r.status)); })
        .def_readonly("n_iterations", &FitResult::n_iterations)
        .def_readonly("decrement", &FitResult::decrement)
        .def_readonly("kkt", &FitResult::kkt)
        .def_readonly("sum_of_weights", &FitResult::sum_of_weights)
        .def_readonly("rank", &FitResult::rank)
        .def_readonly("n_used", &FitResult::n_used)
        .def_readonly("n_dropped", &FitResult::n_dropped)
        .def_property_readonly("aliased", [](const FitResult& r) { return to_array(r.aliased); })
        .def_property_readonly("separated",
                               [](const FitResult& r) { return to_array(r.separated); })
        .def_readonly("penalised", &FitResult::penalised)
        .def_readonly("n_separated_rows", &FitResult::n_separated_rows);

    m.def("fit", &fit_columns, py::arg("x"), py::arg("y"), py::kw_only(), py::arg("model"),
          py::arg("link"), py::arg("weight"), py::arg("offset"), py::arg("strength"),
          py::arg("start_coef"), py::arg("start_intercept"), py::arg("tolerance"),
          py::arg("max_iterations"), py::arg("n_threads"));
    m.def("predict", &predict_mean, py::arg("x"), py::arg("coef"), py::arg("intercept"),
          py::arg("offset"), py::arg("link"), py::arg("n_threads"));
    m.def("row_quantity", &quantity_per_row, py::arg("model"), py::arg("quantity"), py::arg("y"),
          py::arg("mu"), py::arg("dispersion"));
    m.def("row_terms", &loss_per_row, py::arg("model"), py::arg("link"), py::arg("y"),
          py::arg("eta"), py::arg("parameter"));
    m.def("inverse_link", &mean_of, py::arg("link"), py::arg("eta"));

    m.def("observation_models", [] {
        py::dict models;
        for_each_type<Observations>([&]<class Model>(int) {
            py::dict facts;
            facts["default_link"] = std::string(Model::default_link::name);
            if constexpr (std::is_void_v<typename Model::canonical_link>)
                facts["canonical_link"] = py::none();
            else
                facts["canonical_link"] = std::string(Model::canonical_link::name);
            facts["estimates_dispersion"] = Model::estimates_dispersion;
            facts["support"] = std::string(Model::support);
            models[py::str(std::string(Model::name))] = facts;
        });
        return models;
    });
    m.def("inverse_links", [] {
        std::vector<std::string> names;
        for_each_type<InverseLinks>([&]<class Link>(int) { names.emplace_back(Link::name); });
        return names;
    });
}

}  // namespace spikeglm::bindings
