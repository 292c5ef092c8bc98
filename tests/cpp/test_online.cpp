// Models bin by bin, through the C interface and its C++17 wrapper. Also run under ThreadSanitizer.

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "online_models.hpp"
#include "spikeglm/online.hpp"
#include "spikeglm/online_decoding.hpp"

using spikeglm::online::Error;
using spikeglm::online::Model;
using spikeglm::online::Precision;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// rates(t, o) by the formula, sample by sample.
std::vector<double> by_formula(const CoupledModel& model, const std::vector<double>& x,
                               std::size_t n_bins, std::size_t lag) {
    std::vector<double> rates(n_bins * model.n_outputs);
    for (std::size_t t = 0; t < n_bins; ++t)
        for (std::size_t o = 0; o < model.n_outputs; ++o) {
            double eta = model.intercept[o];
            if (t + 1 < model.window + lag) eta = missing;
            for (std::size_t c = 0; c < model.n_inputs && !std::isnan(eta); ++c)
                for (std::size_t b = 0; b < model.n_basis; ++b)
                    for (std::size_t k = 0; k < model.window; ++k)
                        eta += model.filters[k * model.n_basis + b] *
                               x[(t - k - lag) * model.n_inputs + c] *
                               model.coef[(c * model.n_basis + b) * model.n_outputs + o];
            rates[t * model.n_outputs + o] = std::exp(eta);
        }
    return rates;
}

bool same(double a, double b, double tolerance) {
    return (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= tolerance * std::abs(b);
}

}  // namespace

TEST("rates are those of the formula, sparse or dense, in both precisions") {
    for (const double density : {0.03, 1.0})
        for (const int own : {0, 1})
            for (const bool single : {false, true}) {
                CoupledModel coupled(11, 13, 5, 9);
                coupled.node.includes_own_bin = own;
                const std::size_t n_bins = 60;
                const auto x = coupled.recording(n_bins, density);
                const auto expected = by_formula(coupled, x, n_bins, own ? 0 : 1);
                Model model(coupled.description(),
                            single ? Precision::float32 : Precision::float64);
                CHECK(model.n_inputs() == 11 && model.n_outputs() == 13);
                CHECK(model.n_features() == 55 && model.n_initial() == (own ? 8 : 9));
                CHECK(model.is_predictive() == !own);
                std::vector<double> rates(expected.size());
                for (int turn = 0; turn < 2; ++turn, model.reset()) {
                    for (std::size_t t = 0; t < n_bins; ++t)
                        CHECK(model.push(x.data() + t * 11, rates.data() + t * 13) == SPIKEGLM_OK);
                    for (std::size_t i = 0; i < rates.size(); ++i)
                        CHECK(same(rates[i], expected[i], single ? 1e-4 : 1e-12));
                    std::fill(rates.begin(), rates.end(), 0.0);
                }
            }
}

TEST("a bin may be remembered without rates") {
    CoupledModel coupled(3, 2, 2, 4);
    const auto x = coupled.recording(30, 0.5);
    const auto expected = by_formula(coupled, x, 30, 1);
    Model model(coupled.description());
    std::vector<double> rates(2);
    CHECK(model.push_many(29, x.data(), nullptr) == SPIKEGLM_OK);
    CHECK(model.next(nullptr, rates.data()) == SPIKEGLM_OK);
    CHECK_CLOSE(rates[1], expected[29 * 2 + 1], 1e-12);
    CHECK(model.push(x.data() + 29 * 3, rates.data(), std::log(2.0)) == SPIKEGLM_OK);
    CHECK_CLOSE(rates[0], 2.0 * expected[29 * 2], 1e-12);
}

TEST("an infinite input is missing, and said so") {
    CoupledModel coupled(2, 1, 2, 3);
    Model model(coupled.description());
    const double zeros[2] = {0.0, 0.0};
    const double bad[2] = {0.0, -infinity};
    double rate = 0.0;
    for (int t = 0; t < 4; ++t) model.push(zeros, &rate);
    CHECK(std::isfinite(rate));
    CHECK(model.push(bad, &rate) == SPIKEGLM_INFINITE_INPUT);
    CHECK(std::isfinite(rate));  // of the bins before it
    for (int t = 0; t < 3; ++t) {
        CHECK(model.push(zeros, &rate) == SPIKEGLM_OK);
        CHECK(std::isnan(rate));
    }
    CHECK(model.push(zeros, &rate) == SPIKEGLM_OK);
    CHECK(std::isfinite(rate));
    CHECK(model.push(zeros, &rate, infinity) == SPIKEGLM_INFINITE_INPUT);
    CHECK(std::isnan(rate));
}

TEST("each output has its inverse link") {
    CoupledModel coupled(1, 3, 1, 1);
    const char* const links[] = {"identity", "softplus", "identity"};
    auto description = coupled.description();
    description.n_links = 3;
    description.links = links;
    Model model(description);
    const double zero = 0.0;
    double rates[3];
    for (int t = 0; t < 2; ++t) model.push(&zero, rates);
    CHECK_CLOSE(rates[0], coupled.intercept[0], 1e-15);
    CHECK_CLOSE(rates[1], std::log1p(std::exp(coupled.intercept[1])), 1e-15);
    CHECK_CLOSE(rates[2], coupled.intercept[2], 1e-15);
}

TEST("terms of several kinds, and their features") {
    const EveryKind every;
    Model model(every.description());
    CHECK(!model.is_predictive());
    CHECK(model.n_features() == EveryKind::n_features);
    std::vector<double> inputs(EveryKind::n_inputs, 0.25), rate(1), features(model.n_features());
    CHECK(model.next(nullptr, rate.data()) == SPIKEGLM_INVALID_ARGUMENT);
    CHECK(model.next(inputs.data(), nullptr) == SPIKEGLM_INVALID_ARGUMENT);
    CHECK(model.push(nullptr, rate.data()) == SPIKEGLM_INVALID_ARGUMENT);
    for (int t = 0; t < 5; ++t) model.push(inputs.data(), rate.data());
    CHECK(std::isfinite(rate[0]));
    model.features(features.data());
    double total = 0.0;
    for (std::size_t i = 0; i < 6; ++i) total += features[i];  // B-splines add up to one
    CHECK_CLOSE(total, 1.0, 1e-14);
    inputs[0] = missing;
    model.push(inputs.data(), rate.data());
    CHECK(std::isnan(rate[0]));
}

TEST("descriptions that are wrong are refused with a reason") {
    CoupledModel coupled(2, 2, 2, 3);
    const auto refused = [&](const char* part, auto&& change) {
        CoupledModel changed = coupled;
        auto description = changed.description();
        change(changed, description);
        CHECK_THROWS(Model(description), Error, part);
    };
    using D = spikeglm_online_description;
    using C = CoupledModel;
    refused("NULL", [](C&, D& d) { d.coef = nullptr; });
    refused("NULL", [](C&, D& d) { d.links = nullptr; });
    refused("at least one output", [](C&, D& d) { d.n_outputs = 0; });
    refused("finite", [](C& c, D&) { c.coef[1] = missing; });
    refused("minus infinity", [](C& c, D&) { c.intercept[0] = infinity; });
    refused("one inverse link", [](C&, D& d) { d.n_links = 5; });
    refused("read 2 inputs, not 3", [](C&, D& d) { d.n_inputs = 3; });
    refused("channels from input", [](C& c, D&) { c.node.first_input = 1; });
    refused("channels from input", [](C& c, D&) { c.node.n_channels = 0; });
    refused("make 4 features", [](C&, D& d) { d.n_features = 5; });
    refused("makes 2 features of each", [](C&, D& d) { d.n_features = 3; });
    refused("at least one bin", [](C& c, D&) { c.node.window_size = 0; });
    refused("filters must be finite", [](C& c, D&) { c.filters[0] = infinity; });
    refused("not known", [](C& c, D&) { c.node.kind = 77; });
    refused("fewer than two nodes", [](C& c, D& d) {
        static spikeglm_node product{};
        product.kind = SPIKEGLM_PRODUCT;
        c.coef.clear();
        d.n_inputs = d.n_features = 0;
        d.nodes = &product;
    });

    spikeglm_online* model = nullptr;
    char message[20];
    CHECK(spikeglm_online_create(nullptr, 0, &model, message, sizeof message) ==
          SPIKEGLM_INVALID_ARGUMENT);
    CHECK(model == nullptr && std::strlen(message) == 19);
    CHECK(spikeglm_online_create(nullptr, 0, &model, nullptr, 0) == SPIKEGLM_INVALID_ARGUMENT);
    CHECK(spikeglm_online_create(nullptr, 0, nullptr, nullptr, 0) == SPIKEGLM_INVALID_ARGUMENT);
    CHECK(spikeglm_online_load("/nowhere/model.npz", 0, &model, message, sizeof message) ==
          SPIKEGLM_INVALID_FILE);
    CHECK(spikeglm_online_load_memory(nullptr, 7, 0, &model, message, sizeof message) ==
          SPIKEGLM_INVALID_FILE);
    spikeglm_online_free(nullptr);
}

TEST("decoders that are wrong are refused with a reason") {
    using spikeglm::online::Filter;
    using spikeglm::online::Grid;
    using spikeglm::online::Learner;
    const double one = 1.0, minus = -1.0, zero = 0.0;
    const spikeglm_observations observed{1, "Poisson", "exp", nullptr};
    CHECK_THROWS(Filter({{0, "Poisson", "exp", nullptr}, 1, &one, &one, &one, &one, &one}), Error,
                 "at least one output");
    CHECK_THROWS(Filter({{1, "Weibull", "exp", nullptr}, 1, &one, &one, &one, &one, &one}), Error,
                 "unknown observation model");
    CHECK_THROWS(Filter({{1, "Gamma", "exp", &zero}, 1, &one, &one, &one, &one, &one}), Error,
                 "dispersion must be positive");
    CHECK_THROWS(Filter({observed, 1, &one, &one, &minus, &one, &one}), Error, "semidefinite");
    CHECK_THROWS(Filter({observed, 0, &one, &one, &one, &one, &one}), Error, "no elements");
    CHECK_THROWS(Filter({observed, 1, &one, nullptr, &one, &one, &one}), Error, "is NULL");
    CHECK_THROWS(Filter({observed, 1, &missing, &one, &one, &one, &one}), Error, "finite");
    CHECK_THROWS(Grid({observed, 1, 0, &one, nullptr, nullptr, nullptr}), Error, "one point");
    CHECK_THROWS(Grid({observed, 1, 1, &missing, nullptr, nullptr, nullptr}), Error, "excludes");
    CHECK_THROWS(Grid({observed, 1, 1, &one, &minus, nullptr, nullptr}), Error, "add up to one");
    CHECK_THROWS(Grid({observed, 1, 1, &one, nullptr, nullptr, &zero}), Error, "zero at all");
    const double two[4] = {1.0, 0.0, 0.0, 1.0};
    CHECK_THROWS(Learner({observed, 1, &one, &one, two, -1.0, 1.0}), Error, "`noise`");
    CHECK_THROWS(Learner({observed, 1, &one, &one, two, 0.0, 0.0}), Error, "`forgetting`");
    CHECK_THROWS(Learner({observed, 1, &one, nullptr, two, 0.0, 1.0}), Error, "is NULL");
}

TEST("models on several threads at once") {
    CoupledModel coupled(16, 16, 4, 20);
    const auto x = coupled.recording(200, 0.1);
    const auto expected = by_formula(coupled, x, 200, 1);
    const auto description = coupled.description();
    std::atomic<int> n_wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            Model model(description);
            std::vector<double> rates(16);
            for (std::size_t t = 0; t < 200; ++t) {
                model.push(x.data() + t * 16, rates.data());
                for (std::size_t o = 0; o < 16; ++o)
                    if (!same(rates[o], expected[t * 16 + o], 1e-12)) ++n_wrong;
            }
        });
    for (auto& thread : threads) thread.join();
    CHECK(n_wrong == 0);
}
