// Every way to convolve against the sums that define a convolution.
#include <cstdint>
#include <cstring>
#include <random>
#include <stdexcept>

#include "check.hpp"
#include "spikeglm/basis/expression.hpp"
#include "spikeglm/basis/family.hpp"

using namespace spikeglm;
using Index = std::ptrdiff_t;
using Vector = std::vector<double>;
using Method = ConvolutionMethod;

namespace {

constexpr Index element = sizeof(double);
constexpr Method methods[] = {Method::automatic, Method::direct, Method::events, Method::dense,
                              Method::fourier};
constexpr const char* names[] = {"automatic", "direct", "events", "dense", "fourier"};

struct Case {
    Index rows;
    Index channels;
    Index window;
    Index n_filters;
    double density;
    std::vector<Epoch> epochs;
};

struct Data {
    Vector filters;
    Vector x;
    [[nodiscard]] FilterBank bank(const Case& c) const { return {filters, c.window, c.n_filters}; }
    [[nodiscard]] MatrixView view(const Case& c) const {
        return {x.data(), ElementType::f64, c.rows, c.channels, c.channels * element};
    }
};

Data make_data(const Case& c) {
    std::mt19937 random(static_cast<unsigned>(c.rows * 31 + c.window));
    std::uniform_real_distribution<double> uniform;
    Data data;
    for (Index i = 0; i < c.window * c.n_filters; ++i)
        data.filters.push_back(uniform(random) < 0.1 ? 0.0 : uniform(random) - 0.5);
    for (Index i = 0; i < c.rows * c.channels; ++i)
        data.x.push_back(uniform(random) < c.density ? uniform(random) + 0.5 : 0.0);
    return data;
}

/// The sums, epoch by epoch: X[t] = sum_k K[k] x[t - lag - k], NaN where one of the samples lies
/// outside the epoch or is missing.
Vector expected(const Case& c, const Data& data, Index lag) {
    Vector out(static_cast<std::size_t>(c.rows * c.channels * c.n_filters), nan_value);
    for (const Epoch& epoch : c.epochs)
        for (Index t = epoch.begin; t < epoch.end; ++t) {
            if (t - lag - (c.window - 1) < epoch.begin || t - lag >= epoch.end) continue;
            for (Index j = 0; j < c.channels; ++j)
                for (Index f = 0; f < c.n_filters; ++f) {
                    double sum = 0.0;
                    for (Index k = 0; k < c.window; ++k)
                        sum += data.filters[static_cast<std::size_t>(k * c.n_filters + f)] *
                               data.x[static_cast<std::size_t>((t - lag - k) * c.channels + j)];
                    out[static_cast<std::size_t>((t * c.channels + j) * c.n_filters + f)] = sum;
                }
        }
    return out;
}

Vector materialised(const Design& design, int n_threads = 1) {
    Vector out(static_cast<std::size_t>(design.rows() * design.cols()));
    materialise(design, out.data(), {{}, n_threads});
    return out;
}

bool same_bits(const Vector& a, const Vector& b) {
    if (a.size() != b.size()) return false;
    return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

void check_equal(const Vector& values, const Vector& reference, double tolerance) {
    CHECK(values.size() == reference.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        CHECK(std::isnan(values[i]) == std::isnan(reference[i]));
        if (!std::isnan(reference[i])) CHECK_CLOSE(values[i], reference[i], tolerance);
    }
}

std::vector<Case> cases() {
    return {
        {60, 1, 8, 4, 0.6, {{2, 25}, {25, 30}, {40, 58}}},
        {300, 3, 1, 1, 0.02, {{0, 300}}},
        {300, 1, 2, 5, 1.0, {{0, 151}, {151, 300}}},
        {700, 9, 33, 3, 0.05, {{10, 200}, {200, 220}, {300, 700}}},
        {1100, 2, 100, 8, 1.0, {{0, 1100}}},
        {400, 17, 7, 9, 0.3, {{0, 400}}},
        {50, 2, 64, 2, 0.5, {{0, 50}}},
        {0, 2, 5, 2, 0.5, {}},
    };
}

}  // namespace

TEST("every method, causality and shift: the sums of the definition, NaN elsewhere") {
    for (const Case& c : cases()) {
        const Data data = make_data(c);
        const Index around = (c.window - 1) / 2 + 1 - c.window;
        const struct {
            Causality causality;
            bool shift;
            Index lag;
        } kinds[] = {{Causality::causal, true, 1},
                     {Causality::causal, false, 0},
                     {Causality::anti_causal, true, -c.window},
                     {Causality::anti_causal, false, 1 - c.window},
                     {Causality::acausal, false, around}};
        for (const auto& kind : kinds) {
            const Vector reference = expected(c, data, kind.lag);
            for (std::size_t m = 0; m < std::size(methods); ++m) {
                check::context() = std::string(names[m]) + ", window " + std::to_string(c.window) +
                                   ", lag " + std::to_string(kind.lag);
                const BasisDesign design(make_convolution(
                    data.bank(c), data.view(c), kind.causality, kind.shift, c.epochs, methods[m]));
                check_equal(materialised(design), reference, 1e-12 * static_cast<double>(c.window));
            }
        }
    }
}

TEST("a NaN marks the rows whose window holds it, in its channel only, whatever the filters") {
    const Case c{500, 3, 20, 2, 0.3, {{0, 260}, {260, 500}}};
    Data data = make_data(c);
    for (Index k = 0; k < c.window; ++k) data.filters[static_cast<std::size_t>(k * 2 + 1)] = 0.0;
    for (const std::size_t missing : {0U, 100U, 101U, 259U, 260U, 480U, 499U}) {
        data.x[missing * 3 + 1] = nan_value;
    }
    const Vector reference = expected(c, data, 1);
    for (std::size_t m = 0; m < std::size(methods); ++m) {
        check::context() = names[m];
        const BasisDesign design(make_convolution(data.bank(c), data.view(c), Causality::causal,
                                                  true, c.epochs, methods[m]));
        check_equal(materialised(design), reference, 1e-11);
    }
}

TEST("the same bits for any number of threads, and for any blocks of rows when computed directly") {
    for (const Case& c : cases()) {
        const Data data = make_data(c);
        for (std::size_t m = 0; m < std::size(methods); ++m) {
            check::context() = std::string(names[m]) + ", window " + std::to_string(c.window);
            const BasisDesign design(make_convolution(data.bank(c), data.view(c), Causality::causal,
                                                      true, c.epochs, methods[m]));
            const Vector all = materialised(design);
            CHECK(same_bits(all, materialised(design, 2)));
            CHECK(same_bits(all, materialised(design, 5)));
            if (methods[m] == Method::automatic || methods[m] == Method::fourier) continue;
            for (const Index step : {1, 13, 128, 1000}) {
                Vector blocks;
                Workspace workspace;
                for (Index first = 0; first < c.rows; first += step) {
                    Workspace::Frame frame(workspace);
                    const Index count = std::min(step, c.rows - first);
                    const RowBlock block = design.block(first, count, frame);
                    const double* rows = block.parts[0].values;
                    CHECK(block.n_parts == 1 && block.parts[0].stride == block.cols);
                    blocks.insert(blocks.end(), rows, rows + count * block.cols);
                }
                CHECK(same_bits(all, blocks));
            }
        }
    }
}

TEST("a channel does not feel the scale of the channels beside it") {
    const Case c{400, 4, 30, 3, 1.0, {{0, 400}}};
    Data data = make_data(c);
    const double scales[] = {1e-150, 1.0, 1e150, 0.0};
    for (std::size_t i = 0; i < data.x.size(); ++i) data.x[i] *= scales[i % 4];
    const Vector reference = expected(c, data, 1);
    const BasisDesign design(make_convolution(data.bank(c), data.view(c), Causality::causal, true,
                                              c.epochs, Method::fourier));
    const Vector values = materialised(design);
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!std::isnan(reference[i]))
            CHECK_CLOSE(values[i], reference[i], 1e-12 * 30 * scales[i / 3 % 4]);
}

TEST("an identity of filters gives lagged copies") {
    const Case c{300, 2, 6, 6, 0.7, {{0, 170}, {170, 300}}};
    Data data = make_data(c);
    for (std::size_t i = 0; i < 36; ++i) data.filters[i] = i % 7 == 0 ? 1.0 : 0.0;
    data.x[40] = nan_value;
    const Vector reference = expected(c, data, 1);
    for (const Method method : {Method::automatic, Method::copies, Method::dense}) {
        const BasisDesign design(make_convolution(data.bank(c), data.view(c), Causality::causal,
                                                  true, c.epochs, method));
        check_equal(materialised(design), reference, 0.0);
    }
}

TEST("any element type and strides") {
    constexpr Index n = 90;
    Vector as_double;
    std::vector<std::uint8_t> bytes;
    std::vector<float> floats;  // a column of three, backwards
    for (Index i = 0; i < n; ++i) {
        const auto value = static_cast<std::uint8_t>(i * 7 % 4);
        as_double.push_back(value);
        bytes.push_back(value);
        floats.insert(floats.begin(), {-1.0f, static_cast<float>(value), -2.0f});
    }
    const Case c{n, 1, 9, 2, 1.0, {{0, n}}};
    const Data data{make_data(c).filters, as_double};
    const Vector reference = expected(c, data, 1);
    const MatrixView views[] = {
        {bytes.data(), ElementType::u8, n, 1, 1, 1},
        {floats.data() + 3 * (n - 1) + 1, ElementType::f32, n, 1, -12, 4},
    };
    for (const MatrixView& view : views)
        for (const Method method : methods) {
            const BasisDesign design(
                make_convolution(data.bank(c), view, Causality::causal, true, c.epochs, method));
            check_equal(materialised(design), reference, 1e-11);
        }
}

TEST("a basis as filters; beside other terms; in float32") {
    constexpr Index n = 900;
    const Basis basis("RaisedCosineLog", {.n_basis_funcs = 4});
    const Case c{n, 2, 70, 4, 1.0, {{0, n}}};
    const Data data{basis.filters(70), make_data(c).x};
    const auto history = make_convolution(basis, data.view(c), 70, c.epochs);
    const Vector reference = expected(c, data, 1);
    check_equal(materialised(BasisDesign(history)), reference, 1e-10);

    const Basis spline("BSpline", {.n_basis_funcs = 5});
    const auto position =
        make_evaluation(spline, data.view(c), {{0.0, 2.0}, {0.0, 2.0}}, nan_value);
    const auto transformed = make_convolution(data.bank(c), data.view(c), Causality::causal, true,
                                              c.epochs, Method::fourier);
    const BasisDesign both(make_sum(position, transformed));
    const Vector left = materialised(BasisDesign(position));
    const Vector right = materialised(BasisDesign(transformed));
    const Vector sum = materialised(both);
    std::vector<float> single(sum.size());
    materialise(both, single.data(), {});
    for (std::size_t r = 0; r < n; ++r)
        for (std::size_t j = 0; j < 18; ++j) {
            const double value = sum[r * 18 + j];
            const double term = j < 10 ? left[r * 10 + j] : right[r * 8 + j - 10];
            CHECK(std::isnan(value) == std::isnan(term));
            if (std::isnan(value)) continue;
            CHECK_CLOSE(value, term, 1e-10);
            CHECK(single[r * 18 + j] == static_cast<float>(value));
        }
}

TEST("what cannot be convolved is refused") {
    const Case c{60, 2, 5, 2, 1.0, {{0, 60}}};
    Data data = make_data(c);
    const auto make = [&](const FilterBank& bank, std::vector<Epoch> epochs,
                          Method method = Method::automatic) {
        return make_convolution(bank, data.view(c), Causality::causal, true, std::move(epochs),
                                method);
    };
    const FilterBank bank = data.bank(c);
    CHECK_THROWS(make(bank, {{0, 10}, {9, 20}}), std::invalid_argument, "[9, 20)");
    CHECK_THROWS(make(bank, {{0, 61}}), std::invalid_argument, "[0, 61)");
    CHECK_THROWS(make({data.filters, 0, 2}, {}), std::invalid_argument, "at least one");
    CHECK_THROWS(make({data.filters, 6, 2}, {}), std::invalid_argument, "holds 10");
    CHECK_THROWS(make(bank, {}, Method::copies), std::invalid_argument, "identity");
    CHECK_THROWS(make_convolution(bank, data.view(c), Causality::acausal, true, {}),
                 std::invalid_argument, "shift");
    const Basis basis("BSpline", {});
    CHECK_THROWS(make_convolution(basis, data.view(c), 0, c.epochs), std::invalid_argument,
                 "window_size");
    data.x[7] = nan_value;
    data.x[9] = -INFINITY;
    CHECK_THROWS(make(bank, {}), std::invalid_argument, "sample 4, channel 1");
    data.filters[3] = nan_value;
    CHECK_THROWS(make(bank, {}), std::invalid_argument, "not finite");
}
