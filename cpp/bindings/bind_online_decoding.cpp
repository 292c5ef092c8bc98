#include "bindings.hpp"
#include "spikeglm/online_decoding.hpp"

namespace spikeglm::bindings {
namespace {

using Matrix = py::array_t<double, py::array::c_style | py::array::forcecast>;

/// The data of an array that must have a number of elements.
const double* elements(const Matrix& array, std::size_t size, const char* what) {
    if (static_cast<std::size_t>(array.size()) != size)
        throw std::invalid_argument(std::string(what) + " must have " + std::to_string(size) +
                                    " elements, got " + std::to_string(array.size()) + ".");
    return array.data();
}

const double* elements(const std::optional<Matrix>& array, std::size_t size, const char* what) {
    return array ? elements(*array, size, what) : nullptr;
}

spikeglm_observations observations_of(const std::string& model, const std::string& link,
                                      const Vector& dispersion) {
    return {static_cast<std::size_t>(dispersion.size()), model.c_str(), link.c_str(),
            dispersion.data()};
}

struct Filter {
    online::Filter filter;
    std::size_t n_outputs, n_states;
};

struct Grid {
    online::Grid grid;
    std::size_t n_outputs, n_points;
};

struct Learner {
    online::Learner learner;
    std::size_t n_outputs, n_features;
};

}  // namespace

void bind_online_decoding(py::module_& m) {
    py::class_<Filter>(m, "OnlineFilter")
        .def(
            py::init([](const std::string& model, const std::string& link, const Vector& dispersion,
                        const Matrix& loadings, const Matrix& transition, const Matrix& noise,
                        const Vector& mean, const Matrix& covariance) {
                const auto observed = observations_of(model, link, dispersion);
                const auto n = static_cast<std::size_t>(mean.size());
                return Filter{
                    online::Filter(
                        {observed, n, elements(loadings, n * observed.n_outputs, "loadings"),
                         elements(transition, n * n, "transition"), elements(noise, n * n, "noise"),
                         mean.data(), elements(covariance, n * n, "initial_covariance")}),
                    observed.n_outputs, n};
            }),
            py::arg("model"), py::arg("link"), py::arg("dispersion"), py::arg("loadings"),
            py::arg("transition"), py::arg("noise"), py::arg("initial_mean"),
            py::arg("initial_covariance"))
        .def("reset", [](Filter& self) { self.filter.reset(); })
        .def("push", [](Filter& self, const Vector& eta, const Vector& y) {
            const auto n = static_cast<py::ssize_t>(self.n_states);
            py::array_t<double> mean(n);
            py::array_t<double> covariance({n, n});
            const int status = self.filter.push(elements(eta, self.n_outputs, "eta"),
                                                elements(y, self.n_outputs, "y"),
                                                mean.mutable_data(), covariance.mutable_data());
            if (status != SPIKEGLM_OK)
                throw std::runtime_error(
                    "the covariance of the state is no longer positive: the transition may be "
                    "unstable, or the noise zero.");
            return std::pair(mean, covariance);
        });

    py::class_<Grid>(m, "OnlineGrid")
        .def(py::init([](const std::string& model, const std::string& link,
                         const Vector& dispersion, std::size_t n_rows, std::size_t n_columns,
                         const Matrix& tuning, const std::optional<Matrix>& row_transition,
                         const std::optional<Matrix>& column_transition,
                         const std::optional<Vector>& prior) {
                 const auto observed = observations_of(model, link, dispersion);
                 const std::size_t n = n_rows * n_columns;
                 return Grid{
                     online::Grid(
                         {observed, n_rows, n_columns,
                          elements(tuning, n * observed.n_outputs, "tuning"),
                          elements(row_transition, n_rows * n_rows, "row_transition"),
                          elements(column_transition, n_columns * n_columns, "column_transition"),
                          elements(prior, n, "prior")}),
                     observed.n_outputs, n};
             }),
             py::arg("model"), py::arg("link"), py::arg("dispersion"), py::arg("n_rows"),
             py::arg("n_columns"), py::arg("tuning"), py::arg("row_transition"),
             py::arg("column_transition"), py::arg("prior"))
        .def("reset", [](Grid& self) { self.grid.reset(); })
        .def("push", [](Grid& self, const Vector& eta, const Vector& y) {
            py::array_t<double> posterior(static_cast<py::ssize_t>(self.n_points));
            self.grid.push(elements(eta, self.n_outputs, "eta"), elements(y, self.n_outputs, "y"),
                           posterior.mutable_data());
            return posterior;
        });

    py::class_<Learner>(m, "OnlineLearner")
        .def(py::init([](const std::string& model, const std::string& link,
                         const Vector& dispersion, const Matrix& coef, const Vector& intercept,
                         const Matrix& covariance, double noise, double forgetting) {
                 const auto observed = observations_of(model, link, dispersion);
                 const auto n = static_cast<std::size_t>(coef.shape(0));
                 return Learner{
                     online::Learner({observed, n, elements(coef, n * observed.n_outputs, "coef"),
                                      elements(intercept, observed.n_outputs, "intercept"),
                                      elements(covariance, (n + 1) * (n + 1), "initial_covariance"),
                                      noise, forgetting}),
                     observed.n_outputs, n};
             }),
             py::arg("model"), py::arg("link"), py::arg("dispersion"), py::arg("coef"),
             py::arg("intercept"), py::arg("initial_covariance"), py::arg("noise"),
             py::arg("forgetting"))
        .def("push",
             [](Learner& self, const Vector& features, double offset, const Vector& y) {
                 py::array_t<double> rates(static_cast<py::ssize_t>(self.n_outputs));
                 self.learner.push(elements(features, self.n_features, "features"),
                                   elements(y, self.n_outputs, "y"), rates.mutable_data(), offset);
                 return rates;
             })
        .def("weights", [](const Learner& self) {
            const auto n_outputs = static_cast<py::ssize_t>(self.n_outputs);
            py::array_t<double> coef({static_cast<py::ssize_t>(self.n_features), n_outputs});
            py::array_t<double> intercept(n_outputs);
            self.learner.weights(coef.mutable_data(), intercept.mutable_data());
            return std::pair(coef, intercept);
        });
}

}  // namespace spikeglm::bindings
