// One kernel, once warm, for a count of its instructions; see instructions.py.
//   bench_instructions NAME
#include <cstdio>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "../tests/cpp/online_models.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"
#include "spikeglm/glm/inverse_link.hpp"
#include "spikeglm/glm/observation/all.hpp"
#include "spikeglm/online.hpp"

using namespace spikeglm;
using Index = std::ptrdiff_t;
using Vector = std::vector<double>;

/// What callgrind counts: whatever is called from here.
extern "C" [[gnu::noinline]] void measured(const std::function<void()>& work) { work(); }

namespace {

constexpr Index rows = 128;
constexpr Index cols = 100;
constexpr Index problems = 24;

Vector random_vector(Index size, double low = -1.0, double high = 1.0) {
    static std::mt19937_64 generator(1);
    std::uniform_real_distribution<double> uniform(low, high);
    Vector values(static_cast<std::size_t>(size));
    for (double& value : values) value = uniform(generator);
    return values;
}

/// A coupled model of 128 inputs and outputs, 8 filters of window 100, after a window of bins.
class Pushes {
public:
    explicit Pushes(double density)
        : coupled_(n, n, 8, 100),
          model_(coupled_.description(), online::Precision::float64),
          bins_(coupled_.recording(n_bins, density)),
          rates_(n) {
        for (std::size_t t = 0; t + 1 < n_bins; ++t)
            model_.push(bins_.data() + t * n, rates_.data());
    }
    void operator()() { model_.push(bins_.data() + (n_bins - 1) * n, rates_.data()); }

private:
    static constexpr std::size_t n = 128;
    static constexpr std::size_t n_bins = 150;
    CoupledModel coupled_;
    online::Model model_;
    std::vector<double> bins_, rates_;
};

}  // namespace

int main(int argc, char** argv) {
    const Vector x = random_vector(rows * cols);
    const RowPart part = RowPart::dense(x.data(), cols, cols);
    const RowBlock block{rows, cols, &part, 1};
    const Vector coef = random_vector(cols * problems);
    const Vector d = random_vector(rows * problems);
    Vector eta(d.size(), 0.0);
    Vector out(coef.size(), 0.0);
    Vector sums(static_cast<std::size_t>(kernels().products_size(block, 1)), 0.0);
    Vector scratch(x.size());
    Vector y(static_cast<std::size_t>(rows), 1.0);
    Vector slope(y.size());
    Vector curvature(y.size());
    const LossSelector loss{index_of<Observations>("Poisson", "model"),
                            index_of<InverseLinks>("exp", "link"), 1.0};
    BasisParameters parameters;
    parameters.n_basis_funcs = 10;
    const Vector table = BSpline::prepare(parameters);
    const BasisView spline{index_of<BasisFamilies>("BSpline", "basis"), 10, parameters.order,
                           table.data(), static_cast<Index>(table.size())};
    const Vector u = random_vector(rows, 0.0, 1.0);
    Vector features(static_cast<std::size_t>(rows * 10));
    Vector basis(static_cast<std::size_t>(basis_scratch(10)));

    Pushes dense(1.0);
    Pushes sparse(0.02);

    const std::map<std::string, std::function<void()>> known = {
        {"push_all_spiking", [&] { dense(); }},
        {"push_2_percent_spiking", [&] { sparse(); }},
        {"matvec", [&] { kernels().matvec(block, coef.data(), eta.data()); }},
        {"transpose_matvec", [&] { kernels().transpose_matvec(block, d.data(), out.data()); }},
        {"matvec_many",
         [&] { kernels().matvec_many(block, coef.data(), problems, problems, eta.data(), rows); }},
        {"transpose_matvec_many",
         [&] {
             kernels().transpose_matvec_many(block, d.data(), rows, problems, out.data(), problems);
         }},
        {"sandwich",
         [&] { kernels().add_products(block, d.data(), rows, 1, sums.data(), scratch.data()); }},
        {"row_terms",
         [&] {
             kernels().row_terms(loss, Curvature::observed, rows, y.data(), d.data(), nullptr,
                                 slope.data(), curvature.data());
         }},
        {"evaluate_basis",
         [&] {
             kernels().evaluate_basis(spline, rows, u.data(), features.data(), 10, basis.data());
         }},
    };
    const auto chosen = argc == 2 ? known.find(argv[1]) : known.end();
    if (chosen == known.end()) {
        for (const auto& [name, work] : known) std::puts(name.c_str());
        return argc == 1 ? 0 : 1;
    }
    chosen->second();
    measured(chosen->second);
    return 0;
}
