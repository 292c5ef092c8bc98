#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "bindings.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/glm/fit.hpp"
#include "spikeglm/glm/information.hpp"
#include "spikeglm/glm/observation/all.hpp"

namespace spikeglm::bindings {
namespace {

using OptionalVector = std::optional<Vector>;

using Indices = py::array_t<std::ptrdiff_t, py::array::c_style | py::array::forcecast>;
using ColumnMajor = py::array_t<double, py::array::f_style | py::array::forcecast>;
using Mask = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>;

template <class T>
std::span<const T> span_of(const py::array_t<T, py::array::c_style | py::array::forcecast>& array) {
    return {array.data(), static_cast<std::size_t>(array.size())};
}

/// Disjoint sets of columns, with the arrays that hold them.
struct Groups {
    Indices begin, members;
    Vector weights;

    Groups(Indices first, Indices all, Vector weight)
        : begin(std::move(first)), members(std::move(all)), weights(std::move(weight)) {
        const auto ends = span_of(begin);
        if (ends.size() != static_cast<std::size_t>(weights.size()) + 1 || ends.front() != 0 ||
            ends.back() != members.size() || !std::is_sorted(ends.begin(), ends.end()))
            throw std::invalid_argument("`begin` does not divide the members into the groups.");
    }
    [[nodiscard]] GroupsView view() const {
        return {span_of(begin), span_of(members), span_of(weights)};
    }
};

/// One problem, with the arrays that hold it.
struct BoundProblem {
    Vector y;
    OptionalVector quadratic, absolute;
    std::optional<Groups> groups;
    std::optional<Mask> excluded;
    OptionalVector start_coef;
    double start_intercept;
    double parameter;
    OptionalVector own_weight;
    std::optional<ColumnMajor> matrix;

    [[nodiscard]] FitProblem view(const OptionalVector& weight,
                                  const OptionalVector& offset) const {
        FitProblem problem{
            {vector_view(y), vector_view(own_weight ? own_weight : weight), vector_view(offset)},
            vector_view(quadratic),
            vector_view(absolute)};
        if (matrix) problem.matrix = {matrix->data(), static_cast<std::size_t>(matrix->size())};
        if (groups) problem.groups = groups->view();
        if (excluded) problem.excluded = span_of(*excluded);
        problem.start_coef = vector_view(start_coef);
        problem.start_intercept = start_intercept;
        problem.parameter = parameter;
        return problem;
    }
};

std::vector<FitResult> fit_problems(const py::object& x, const std::vector<BoundProblem>& bound,
                                    const std::string& model, const std::string& link,
                                    const OptionalVector& weight, const OptionalVector& offset,
                                    const std::optional<Groups>& shared_groups,
                                    const std::string& solver,
                                    const std::map<std::string, double>& settings, double tolerance,
                                    int max_iterations, bool intercept, int n_threads,
                                    const std::optional<py::function>& progress) {
    const std::shared_ptr<const Design> design = design_of(x);
    FitOptions options{select_loss(model, link), solver};
    if (progress)
        options.progress = [&](std::size_t done, std::size_t total) {
            const py::gil_scoped_acquire acquire;
            (*progress)(done, total);
        };
    options.settings.insert(settings.begin(), settings.end());
    options.tolerance = tolerance;
    options.max_iterations = max_iterations;
    options.intercept = intercept;
    options.execution = interruptible(n_threads);
    std::vector<FitProblem> problems;
    for (const BoundProblem& problem : bound) problems.push_back(problem.view(weight, offset));
    const py::gil_scoped_release release;
    if (shared_groups) return fit_jointly(*design, problems, shared_groups->view(), options);
    return fit(*design, problems, options);
}

py::array gradient_where_zero(const py::object& x, const BoundProblem& bound,
                              const std::string& model, const std::string& link,
                              const OptionalVector& weight, const OptionalVector& offset,
                              bool intercept, int n_threads) {
    const std::shared_ptr<const Design> design = design_of(x);
    FitOptions options{select_loss(model, link)};
    options.tolerance = 1e-12;
    options.intercept = intercept;
    options.execution = interruptible(n_threads);
    const FitProblem problem = bound.view(weight, offset);
    std::vector<double> gradient;
    {
        const py::gil_scoped_release release;
        gradient = gradient_at_zero(*design, problem, options);
    }
    return to_array(gradient);
}

py::list information_of(const py::object& x, const std::vector<BoundProblem>& bound,
                        const std::string& model, const std::string& link,
                        const OptionalVector& weight, const OptionalVector& offset, bool intercept,
                        int n_threads, bool expected, bool meat, std::ptrdiff_t lags,
                        const Indices& chains, const std::vector<ColumnMajor>& covariances) {
    const std::shared_ptr<const Design> design = design_of(x);
    FitOptions options{select_loss(model, link)};
    options.intercept = intercept;
    options.execution = interruptible(n_threads);
    std::vector<FitProblem> problems;
    for (const BoundProblem& problem : bound) problems.push_back(problem.view(weight, offset));
    std::vector<std::span<const double>> matrices;
    for (const ColumnMajor& matrix : covariances)
        matrices.emplace_back(matrix.data(), static_cast<std::size_t>(matrix.size()));
    const InformationOptions wanted{expected ? Curvature::expected : Curvature::observed, meat,
                                    lags, span_of(chains), matrices};
    std::vector<Information> found;
    {
        const py::gil_scoped_release release;
        found = information(*design, problems, options, wanted);
    }
    const auto square = [](const std::vector<double>& values) {
        const auto size = static_cast<py::ssize_t>(std::lround(std::sqrt(values.size())));
        return py::array_t<double, py::array::f_style>(std::vector<py::ssize_t>{size, size},
                                                       values.data());
    };
    py::list results;
    for (const Information& one : found) {
        py::dict result;
        result["location"] = to_array(one.location);
        result["spread"] = to_array(one.spread);
        result["value"] = one.value;
        result["gradient"] = to_array(one.gradient);
        result["curvature"] = square(one.curvature);
        result["penalty"] = square(one.penalty);
        result["meat"] = square(one.meat);
        result["skew"] = to_array(one.skew);
        result["identified"] = to_array(one.identified);
        py::list null_vectors;
        for (const auto& vector : one.null_vectors) null_vectors.append(to_array(vector));
        result["null_vectors"] = null_vectors;
        result["sum_of_weights"] = one.sum_of_weights;
        result["objective_scale"] = one.objective_scale;
        result["n_used"] = one.n_used;
        result["silent"] = one.silent;
        results.append(result);
    }
    return results;
}

/// A Stepper with the settings that its steps share.
class BoundStepper {
public:
    BoundStepper(const py::object& x, const BoundProblem& problem, const std::string& model,
                 const std::string& link, const OptionalVector& weight,
                 const OptionalVector& offset, std::string solver,
                 const std::map<std::string, double>& settings, double tolerance, bool intercept,
                 int n_threads)
        : solver_(std::move(solver)) {
        FitOptions options{select_loss(model, link), solver_};
        options.settings.insert(settings.begin(), settings.end());
        options.tolerance = tolerance;
        options.intercept = intercept;
        options.execution = interruptible(n_threads);
        const std::shared_ptr<const Design> design = design_of(x);
        const FitProblem first = problem.view(weight, offset);
        const py::gil_scoped_release release;
        stepper_.emplace(*design, first, options);
    }
    FitResult step(const py::object& x, const BoundProblem& problem, const OptionalVector& weight,
                   const OptionalVector& offset) {
        const std::shared_ptr<const Design> design = design_of(x);
        const FitProblem current = problem.view(weight, offset);
        const py::gil_scoped_release release;
        const std::lock_guard lock(mutex_);
        return stepper_->step(*design, current);
    }

private:
    std::string solver_;
    std::mutex mutex_;
    std::optional<Stepper> stepper_;
};

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

/// Means (n_rows, n_models) of several models; of all rows, or of those listed.
py::array predict_means(const py::object& x, const ColumnMajor& coef, const Vector& intercept,
                        const OptionalVector& offset, const std::string& link,
                        const std::optional<Indices>& rows, int n_threads) {
    std::shared_ptr<const Design> design = design_of(x);
    if (rows) {
        const auto chosen = span_of(*rows);
        design = std::make_shared<RowSubset>(design, std::vector(chosen.begin(), chosen.end()));
    }
    const int link_index = index_of<InverseLinks>(link, "inverse link");
    const auto n_models = static_cast<py::ssize_t>(intercept.size());
    if (n_models == 0 || coef.ndim() != 2 || coef.shape(1) != n_models)
        throw std::invalid_argument("the coefficients need a column for each intercept.");
    py::array_t<double, py::array::f_style> out(std::vector<py::ssize_t>{design->rows(), n_models});
    double* data = out.mutable_data();
    const std::span coefs(coef.data(), static_cast<std::size_t>(coef.size()));
    const auto intercepts = vector_view(intercept);
    const auto offsets = vector_view(offset);
    const Execution execution = interruptible(n_threads);
    {
        const py::gil_scoped_release release;
        predict_many(*design, coefs, intercepts, offsets, link_index, data, execution);
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
        .def_readonly("mean_y", &FitResult::mean_y)
        .def_readonly("rank", &FitResult::rank)
        .def_readonly("n_used", &FitResult::n_used)
        .def_readonly("n_dropped", &FitResult::n_dropped)
        .def_property_readonly("aliased", [](const FitResult& r) { return to_array(r.aliased); })
        .def_property_readonly("separated",
                               [](const FitResult& r) { return to_array(r.separated); })
        .def_readonly("n_free", &FitResult::n_free)
        .def_readonly("penalised", &FitResult::penalised)
        .def_readonly("n_separated_rows", &FitResult::n_separated_rows);

    py::class_<Groups>(m, "Groups")
        .def(py::init<Indices, Indices, Vector>(), py::arg("begin"), py::arg("members"),
             py::arg("weights"));
    py::class_<BoundProblem>(m, "Problem")
        .def(py::init([](Vector y, OptionalVector quadratic, OptionalVector absolute,
                         std::optional<Groups> groups, std::optional<Mask> excluded,
                         OptionalVector start_coef, double start_intercept, double parameter,
                         OptionalVector weight, std::optional<ColumnMajor> matrix) {
                 return BoundProblem{std::move(y),        std::move(quadratic),
                                     std::move(absolute), std::move(groups),
                                     std::move(excluded), std::move(start_coef),
                                     start_intercept,     parameter,
                                     std::move(weight),   std::move(matrix)};
             }),
             py::arg("y"), py::kw_only(), py::arg("quadratic") = py::none(),
             py::arg("absolute") = py::none(), py::arg("groups") = py::none(),
             py::arg("excluded") = py::none(), py::arg("start_coef") = py::none(),
             py::arg("start_intercept") = 0.0, py::arg("parameter") = 1.0,
             py::arg("weight") = py::none(), py::arg("matrix") = py::none());

    m.def("fit", &fit_problems, py::arg("x"), py::arg("problems"), py::kw_only(), py::arg("model"),
          py::arg("link"), py::arg("weight"), py::arg("offset"), py::arg("shared_groups"),
          py::arg("solver"), py::arg("settings"), py::arg("tolerance"), py::arg("max_iterations"),
          py::arg("intercept"), py::arg("n_threads"), py::arg("progress") = py::none());
    m.def("gradient_at_zero", &gradient_where_zero, py::arg("x"), py::arg("problem"), py::kw_only(),
          py::arg("model"), py::arg("link"), py::arg("weight"), py::arg("offset"),
          py::arg("intercept"), py::arg("n_threads"));
    m.def("information", &information_of, py::arg("x"), py::arg("problems"), py::kw_only(),
          py::arg("model"), py::arg("link"), py::arg("weight"), py::arg("offset"),
          py::arg("intercept"), py::arg("n_threads"), py::arg("expected") = false,
          py::arg("meat") = false, py::arg("lags") = 0,
          py::arg("chains") = py::array_t<std::ptrdiff_t>(0),
          py::arg("covariances") = std::vector<ColumnMajor>());
    py::class_<BoundStepper>(m, "Stepper")
        .def(py::init<const py::object&, const BoundProblem&, const std::string&,
                      const std::string&, const OptionalVector&, const OptionalVector&, std::string,
                      const std::map<std::string, double>&, double, bool, int>(),
             py::arg("x"), py::arg("problem"), py::kw_only(), py::arg("model"), py::arg("link"),
             py::arg("weight"), py::arg("offset"), py::arg("solver"), py::arg("settings"),
             py::arg("tolerance"), py::arg("intercept"), py::arg("n_threads"))
        .def("step", &BoundStepper::step, py::arg("x"), py::arg("problem"), py::arg("weight"),
             py::arg("offset"));
    m.def("predict", &predict_mean, py::arg("x"), py::arg("coef"), py::arg("intercept"),
          py::arg("offset"), py::arg("link"), py::arg("n_threads"));
    m.def("predict_many", &predict_means, py::arg("x"), py::arg("coef"), py::arg("intercept"),
          py::arg("offset"), py::arg("link"), py::arg("rows"), py::arg("n_threads"));
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
            facts["has_parameter"] = is_parametric<Model>;
            facts["mean_must_be_positive"] = Model::mean_must_be_positive;
            facts["mean_must_be_below_one"] = Model::mean_must_be_below_one;
            facts["objective_factor"] = Model::objective_factor;
            facts["support"] = std::string(Model::support);
            models[py::str(std::string(Model::name))] = facts;
        });
        return models;
    });
    m.def("solvers", [] {
        py::dict found;
        for (const SolverInfo& info : solvers()) {
            py::dict settings;
            for (const SettingInfo& setting : info.settings) {
                py::dict facts;
                facts["default"] = setting.default_value;
                facts["lowest"] = setting.lowest;
                facts["highest"] = setting.highest;
                facts["integer"] = setting.integer;
                facts["meaning"] = std::string(setting.meaning);
                settings[py::str(std::string(setting.name))] = facts;
            }
            py::dict facts;
            facts["handles_groups"] = info.handles_groups;
            facts["stochastic"] = info.stochastic;
            facts["tol"] = info.default_tolerance;
            facts["maxiter"] = info.default_max_iterations;
            facts["method"] = std::string(info.method);
            facts["settings"] = settings;
            found[py::str(std::string(info.name))] = facts;
        }
        return found;
    });
    m.def("inverse_links", [] {
        std::vector<std::string> names;
        for_each_type<InverseLinks>([&]<class Link>(int) { names.emplace_back(Link::name); });
        return names;
    });
}

}  // namespace spikeglm::bindings
