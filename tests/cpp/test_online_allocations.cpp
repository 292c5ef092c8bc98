// After construction nothing is allocated: malloc and operator new are counted.

#include <cmath>
#include <limits>
#include <vector>

#include "check.hpp"
#include "count_allocations.hpp"
#include "online_models.hpp"
#include "spikeglm/online_decoding.hpp"

using spikeglm::online::Model;
using spikeglm::online::Precision;

TEST("allocations are counted") {
    const long before = n_allocations;
    const std::vector<double> some(100);
    const void* volatile used = some.data();  // a compiler may leave out what nobody looks at
    const long after = n_allocations;
    CHECK(after > before && used != nullptr);
}

namespace {

void check_silent(Model& model, const std::vector<double>& x) {
    const std::size_t n_bins = x.size() / model.n_inputs();
    std::vector<double> rates(model.n_outputs() * n_bins), features(model.n_features());
    const long before = n_allocations;
    for (std::size_t t = 0; t < n_bins; ++t)
        model.push(x.data() + t * model.n_inputs(), rates.data());
    model.next(x.data(), rates.data());
    model.next(nullptr, rates.data());
    model.features(features.data());
    model.reset();
    model.push_many(n_bins, x.data(), rates.data());
    const long after = n_allocations;  // CHECK allocates
    CHECK(after == before);
}

}  // namespace

TEST("no allocation in push, next and reset: sparse, dense, missing and infinite inputs") {
    for (const auto precision : {Precision::float64, Precision::float32}) {
        CoupledModel coupled(19, 23, 5, 13);
        Model model(coupled.description(), precision);
        auto x = coupled.recording(100, 0.02);
        const auto dense = coupled.recording(100, 1.0);
        x.insert(x.end(), dense.begin(), dense.end());
        x[900] = std::numeric_limits<double>::quiet_NaN();
        x[1500] = std::numeric_limits<double>::infinity();
        check_silent(model, x);
    }
}

TEST("no allocation in terms of every kind") {
    const EveryKind every;
    Model model(every.description());
    std::vector<double> x;
    for (std::size_t i = 0; i < 50 * EveryKind::n_inputs; ++i)
        x.push_back(static_cast<double>(i % 13) / 10.0 - 0.1);  // also outside of the bounds
    x[100] = std::numeric_limits<double>::quiet_NaN();
    check_silent(model, x);
}

TEST("no allocation in decoders and learners, for models with and without a parameter") {
    const double unit[4] = {1.0, 0.0, 0.0, 1.0};
    const double start[3] = {0.1, 0.2, 0.3};
    const double dispersion[3] = {0.5, 1.0, 2.0};
    const double loadings[6] = {0.3, -0.2, 0.1, 0.0, 0.4, -0.5};
    const std::vector<double> tuning(18, 0.2), covariance = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    const double y[3] = {1.0, 0.0, std::numeric_limits<double>::quiet_NaN()};
    for (const char* model : {"Poisson", "Gaussian", "NegativeBinomial"}) {
        const spikeglm_observations observed{3, model, nullptr, dispersion};
        spikeglm::online::Filter filter({observed, 2, loadings, unit, unit, start, unit});
        spikeglm::online::Grid grid({observed, 3, 2, tuning.data(), nullptr, unit, nullptr});
        spikeglm::online::Learner learner(
            {observed, 2, loadings, start, covariance.data(), 1e-3, 0.99});
        double found[9], spread[4];
        const long before = n_allocations;
        for (int t = 0; t < 50; ++t) {
            filter.push(start, y, found, spread);
            grid.push(start, y, found);
            learner.push(unit, y, found);
            learner.weights(found, spread);
        }
        filter.reset();
        grid.reset();
        const long after = n_allocations;
        CHECK(after == before);
        CHECK(std::isfinite(found[0]) && std::isfinite(spread[0]));
    }
}
