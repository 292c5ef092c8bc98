#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "bindings.hpp"
#include "spikeglm/solver/solver.hpp"

namespace spikeglm::bindings {
namespace {

using Indices = py::array_t<std::ptrdiff_t, py::array::c_style | py::array::forcecast>;

/// An objective that Python computes: evaluate(x, kind) returns value, gradient and curvature, or
/// None for it; row_gradients(rows, x) the sum of the gradients of rows. Every call holds the GIL.
class PythonObjective final : public Objective {
public:
    PythonObjective(py::function evaluate, py::function row_gradients, std::ptrdiff_t size,
                    std::ptrdiff_t n_rows, bool canonical)
        : evaluate_(std::move(evaluate)),
          row_gradients_(std::move(row_gradients)),
          size_(size),
          n_rows_(n_rows),
          canonical_(canonical) {}

    [[nodiscard]] std::ptrdiff_t size() const override { return size_; }
    [[nodiscard]] std::ptrdiff_t n_rows() const override { return n_rows_; }
    [[nodiscard]] bool canonical() const override { return canonical_; }

    void evaluate(std::span<const double> x, Curvature kind, Evaluation& out) const override {
        const char* name = kind == Curvature::none       ? "none"
                           : kind == Curvature::observed ? "observed"
                                                         : "expected";
        const py::tuple found = evaluate_(array_of(x), name);
        out.value = found[0].cast<double>();
        out.gradient = values_of(found[1], size_, "gradient");
        out.kind = kind;
        out.curvature.clear();
        if (kind != Curvature::none)
            out.curvature = values_of(found[2], size_ * size_, "curvature");
    }
    void row_gradients(std::span<const std::ptrdiff_t> rows, std::span<const double> x,
                       std::span<double> sum) const override {
        const Indices index(static_cast<py::ssize_t>(rows.size()), rows.data());
        const auto found = values_of(row_gradients_(index, array_of(x)), size_, "gradient");
        std::copy(found.begin(), found.end(), sum.begin());
    }

private:
    static py::array_t<double> array_of(std::span<const double> values) {
        return py::array_t<double>(static_cast<py::ssize_t>(values.size()), values.data());
    }
    static std::vector<double> values_of(const py::object& object, std::ptrdiff_t size,
                                         const char* what) {
        const auto array = object.cast<Vector>();
        if (array.size() != size)
            throw std::invalid_argument(std::string("the ") + what + " has " +
                                        std::to_string(array.size()) + " values, expected " +
                                        std::to_string(size) + ".");
        return {array.data(), array.data() + array.size()};
    }

    py::function evaluate_, row_gradients_;
    std::ptrdiff_t size_, n_rows_;
    bool canonical_;
};

py::dict minimise_in_python(const py::function& evaluate, const py::function& row_gradients,
                            const Vector& start, std::ptrdiff_t n_rows, bool canonical,
                            const Vector& quadratic, const Indices& begin, const Indices& members,
                            const Vector& weights, const std::string& solver,
                            const std::map<std::string, double>& settings, double tolerance,
                            int max_iterations, double scale) {
    std::vector<double> x(start.data(), start.data() + start.size());
    if (quadratic.size() != start.size())
        throw std::invalid_argument("`quadratic` and `start` differ in length.");
    for (py::ssize_t i = 0; i < members.size(); ++i)
        if (members.data()[i] < 0 || members.data()[i] >= start.size())
            throw std::invalid_argument("a penalty group has a member that does not exist.");
    const auto ends = std::span(begin.data(), static_cast<std::size_t>(begin.size()));
    if (ends.size() != static_cast<std::size_t>(weights.size()) + 1 || ends.front() != 0 ||
        ends.back() != members.size() || !std::is_sorted(ends.begin(), ends.end()))
        throw std::invalid_argument("`begin` does not divide the members into the groups.");
    const GroupPenalty penalty(
        std::vector<double>(quadratic.data(), quadratic.data() + quadratic.size()),
        GroupNorms(ends, std::span(members.data(), static_cast<std::size_t>(members.size())),
                   vector_view(weights)));
    const PythonObjective objective(evaluate, row_gradients, start.size(), n_rows, canonical);
    const SolverSettings complete(settings.begin(), settings.end());
    const std::unique_ptr<Solver> chosen = make_solver(solver, complete);
    Evaluation at;
    objective.evaluate(x, Curvature::expected, at);
    if (!std::isfinite(at.value))
        throw std::invalid_argument("the loss is not finite at the starting point.");
    const SolveResult solved =
        minimise(*chosen, objective, penalty, {tolerance, max_iterations, scale}, x, at);

    penalty.add_gradient(x, at.gradient);
    penalty.add_curvature(at.curvature);
    penalty.groups().min_norm_subgradient(x, at.gradient);
    double kkt = 0.0;
    for (std::size_t j = 0; j < x.size(); ++j) {
        const double h = at.curvature[j * (x.size() + 1)];
        if (h > 0.0) kkt = std::max(kkt, std::abs(at.gradient[j]) / std::sqrt(h));
    }
    py::dict result;
    result["x"] = to_array(x);
    result["status"] = std::string(to_string(solved.status));
    result["n_iterations"] = solved.n_iterations;
    result["decrement"] = solved.decrement;
    result["kkt"] = kkt;
    return result;
}

}  // namespace

void bind_solver(py::module_& m) {
    m.def("minimise", &minimise_in_python, py::arg("evaluate"), py::arg("row_gradients"),
          py::arg("start"), py::kw_only(), py::arg("n_rows"), py::arg("canonical"),
          py::arg("quadratic"), py::arg("begin"), py::arg("members"), py::arg("weights"),
          py::arg("solver"), py::arg("settings"), py::arg("tolerance"), py::arg("max_iterations"),
          py::arg("scale"));
}

}  // namespace spikeglm::bindings
