// After construction nothing is allocated: malloc and operator new are counted.

#include <limits>
#include <vector>

#include "check.hpp"
#include "count_allocations.hpp"
#include "online_models.hpp"
#include "spikeglm/online.hpp"

using spikeglm::online::Model;
using spikeglm::online::Precision;

TEST("allocations are counted") {
    const long before = n_allocations;
    const std::vector<double> some(100);
    const long after = n_allocations;
    CHECK(after > before && some.size() == 100);
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
