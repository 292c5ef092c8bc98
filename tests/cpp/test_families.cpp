// Every registered basis family against the contract of families; those that are not splines or
// raised cosines (test_basis.cpp) against what defines them; Fourier features, and what goes with
// inputs: bounds, ranges, columns.
#include <numbers>
#include <stdexcept>

#include "check.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"
#include "spikeglm/basis/expression.hpp"
#include "spikeglm/basis/fourier.hpp"

using namespace spikeglm;
using Index = std::ptrdiff_t;
using Vector = std::vector<double>;

namespace {

constexpr Index element = sizeof(double);

Vector evaluate(const Basis& basis, const Vector& x, const Bounds& bounds = {}) {
    Vector out(x.size() * static_cast<std::size_t>(basis.n_basis_funcs()));
    basis.evaluate(x, bounds, out.data());
    return out;
}

Vector grid(int n) {
    Vector u;
    for (int i = 0; i <= n; ++i) u.push_back(static_cast<double>(i) / n);
    return u;
}

Vector features(ExpressionPtr expression) {
    const BasisDesign design(std::move(expression));
    Vector out(static_cast<std::size_t>(design.rows() * design.cols()));
    materialise(design, out.data(), {});
    return out;
}

/// A basis of the family of about `n` functions, with values in [0, 1] unless it is a density.
template <class Family>
Basis example(Index n) {
    BasisParameters parameters{.n_basis_funcs = n};
    if constexpr (std::is_same_v<Family, Identity>) parameters.n_basis_funcs = 1;
    if constexpr (std::is_same_v<Family, OrthExponential>) {
        parameters.decay_rates = {0.5, 3.0, 20.0};
        for (Index k = 0; k < 3 * n; ++k)
            parameters.mixing.push_back(static_cast<double>(k % 4) / 9.0);
    }
    return {Family::name, parameters};
}

}  // namespace

TEST("every family: as many finite values as asked for inside the bounds, NaN for NaN") {
    for_each_type<BasisFamilies>([]<class Family>(int index) {
        check::context() = Family::name;
        const Basis basis = example<Family>(7);
        CHECK(basis.view().family == index);
        for (const double value : evaluate(basis, grid(50)))
            CHECK(std::isfinite(value) && value >= 0.0 &&
                  (basis.is_density() || value < 1.0 + 1e-14));
        for (const double value : evaluate(basis, {nan_value})) CHECK(std::isnan(value));
        CHECK_THROWS(Basis(Family::name, {.n_basis_funcs = 0}), std::invalid_argument,
                     "n_basis_funcs");
    });
    check::context().clear();
    CHECK_THROWS(Basis("Wavelets", {}), std::invalid_argument, "known: BSpline");
}

TEST("every family: a sample's values do not depend on the samples around it") {
    const Vector around = {nan_value, HUGE_VAL, -HUGE_VAL, 1e300, -1e300, -2.0, 0.3, 1e5};
    for_each_type<BasisFamilies>([&]<class Family>(int) {
        check::context() = Family::name;
        const Basis basis = example<Family>(6);
        const auto n = static_cast<std::size_t>(basis.n_basis_funcs());
        const Vector u = grid(40);
        const Vector together = evaluate(basis, u);
        for (std::size_t i = 0; i < u.size(); ++i) {
            Vector mixed = around;
            mixed[i % around.size()] = u[i];
            const Vector alone = evaluate(basis, {u[i]});
            const Vector among = evaluate(basis, mixed);
            for (std::size_t j = 0; j < n; ++j) {
                CHECK(alone[j] == together[i * n + j]);
                CHECK(alone[j] == among[i % around.size() * n + j]);
            }
        }
    });
}

TEST("every family: bounds rescale x unless it is taken raw, densities have the unit of 1 / x") {
    for_each_type<BasisFamilies>([]<class Family>(int) {
        check::context() = Family::name;
        const Basis basis = example<Family>(6);
        for (const Bounds& bounds : {Bounds{-3.0, 5.0}, Bounds{1e6, 1e6 + 64.0}}) {
            const double width = bounds.high - bounds.low;
            for (const double u : {0.0, 0.125, 0.5, 0.8125, 1.0}) {
                const Vector expected = evaluate(basis, {u});
                const double x = basis.takes_raw_values() ? u : bounds.low + u * width;
                const Vector moved = evaluate(basis, {x}, bounds);
                for (std::size_t j = 0; j < expected.size(); ++j)
                    CHECK_CLOSE(moved[j], expected[j] / (basis.is_density() ? width : 1.0), 1e-14);
            }
        }
    });
}

TEST("raised cosines: in [0, 1], zero outside the bump, one at its peak, on any axis") {
    for (const char* family : {"RaisedCosineLinear", "RaisedCosineLog"})
        for (const Index n : {2, 5, 40, 300})
            for (const double scaling : {1e-9, 1e-3, 50.0, 1e9}) {
                check::context() = std::string(family) + " " + std::to_string(n) + ", scaling " +
                                   std::to_string(scaling);
                const Basis basis(
                    family,
                    {.n_basis_funcs = n, .time_scaling = scaling, .enforce_decay_to_zero = false});
                const bool linear = std::string_view(family) == "RaisedCosineLinear";
                for (const double u : grid(997)) {
                    const Vector values = evaluate(basis, {u});
                    const double v = linear ? u : std::log1p(scaling * u) / std::log1p(scaling);
                    for (Index j = 0; j < n; ++j) {
                        const double value = values[static_cast<std::size_t>(j)];
                        const double phase =
                            (v * static_cast<double>(n - 1) - static_cast<double>(j)) / 2.0;
                        CHECK(value >= 0.0 && value <= 1.0);
                        if (std::abs(phase) > 1.0 + 1e-12)
                            CHECK(value == 0.0);
                        else
                            CHECK_CLOSE(value, 0.5 * (1.0 + std::cos(std::numbers::pi * phase)),
                                        static_cast<double>(n) * 5e-16);
                    }
                }
            }
}

TEST("the identity is the value, whatever the bounds; they decide what is filled") {
    const Basis basis("Identity", {.n_basis_funcs = 1});
    const Vector x = {-7.5, 0.0, 1e-300, 1e300, 3.0, nan_value};
    const MatrixView input{x.data(), ElementType::f64, 6, 1, element};
    const Vector all = features(make_evaluation(basis, input, {{-1e308, 1e308}}, 5.0));
    const Vector filled = features(make_evaluation(basis, input, {{0.0, 3.0}}, 5.0));
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(all[i] == x[i]);
        CHECK(filled[i] == (x[i] < 0.0 || x[i] > 3.0 ? 5.0 : x[i]));
    }
    CHECK(std::isnan(all[5]) && std::isnan(filled[5]));
    CHECK_THROWS(Basis("Identity", {.n_basis_funcs = 2}), std::invalid_argument, "got 2");
}

TEST("one-hot: one where the code is the column, zeros for every other number") {
    const std::vector<std::int32_t> codes = {2, 0, -1, 3, 1, 4};
    const Basis basis("OneHot", {.n_basis_funcs = 4});
    const MatrixView input{codes.data(), ElementType::i32, 6, 1, sizeof(std::int32_t)};
    const Vector values = features(make_evaluation(basis, input, {{-HUGE_VAL, HUGE_VAL}}, 9.0));
    for (std::size_t i = 0; i < 6; ++i)
        for (int j = 0; j < 4; ++j)
            CHECK(values[i * 4 + static_cast<std::size_t>(j)] == (codes[i] == j ? 1.0 : 0.0));
    for (const double code : {0.5, -0.25, 3.999, 1e300, -1e300, HUGE_VAL})
        for (const double value : evaluate(basis, {code})) CHECK(value == 0.0);
    const Vector negative_zero = evaluate(basis, {-0.0});
    CHECK(negative_zero[0] == 1.0 && negative_zero[1] == 0.0);
}

TEST("exponentials: sums of exp(-r u) with the weights of the mixing matrix") {
    const Vector rates = {0.0, 0.7, 12.0, 900.0};
    Vector mixing;
    for (int k = 0; k < 12; ++k) mixing.push_back(std::sin(k + 1.0));
    const Basis basis("OrthExponential",
                      {.n_basis_funcs = 3, .decay_rates = rates, .mixing = mixing});
    for (const double u : grid(100)) {
        const Vector values = evaluate(basis, {u});
        for (std::size_t j = 0; j < 3; ++j) {
            double expected = 0.0;
            for (std::size_t k = 0; k < 4; ++k)
                expected += std::exp(-rates[k] * u) * mixing[k * 3 + j];
            CHECK_CLOSE(values[j], expected, 1e-15);
        }
    }
    constexpr const char* family = "OrthExponential";
    CHECK_THROWS(Basis(family, {}), std::invalid_argument, "0 rates");
    CHECK_THROWS(Basis(family, {.n_basis_funcs = 2, .decay_rates = {1.0}, .mixing = {1.0}}),
                 std::invalid_argument, "a matrix of 1 elements");
    CHECK_THROWS(Basis(family, {.n_basis_funcs = 1, .decay_rates = {HUGE_VAL}, .mixing = {1.0}}),
                 std::invalid_argument, "finite");
}

TEST("evaluation: a basis per channel") {
    const Vector x = {0.1, 0.9, 0.2, 0.8, 0.35, 0.65};
    const MatrixView input{x.data(), ElementType::f64, 3, 2, 2 * element};
    const Basis fast("OrthExponential",
                     {.n_basis_funcs = 2, .decay_rates = {3.0}, .mixing = {1.0, 2.0}});
    const Basis slow(
        "OrthExponential",
        {.n_basis_funcs = 2, .decay_rates = {0.1, 0.3}, .mixing = {1.0, 0.0, 0.0, 1.0}});
    const std::vector<Bounds> bounds(2);
    const Vector values =
        features(make_evaluation(std::vector<Basis>{fast, slow}, input, bounds, nan_value));
    for (std::size_t r = 0; r < 3; ++r) {
        const Vector first = evaluate(fast, {x[2 * r]});
        const Vector second = evaluate(slow, {x[2 * r + 1]});
        for (std::size_t j = 0; j < 2; ++j) {
            CHECK(values[r * 4 + j] == first[j]);
            CHECK(values[r * 4 + 2 + j] == second[j]);
        }
    }
    const auto bind = [&](std::vector<Basis> bases) {
        return make_evaluation(std::move(bases), input, bounds, nan_value);
    };
    CHECK_THROWS(bind({}), std::invalid_argument, "got 0");
    CHECK_THROWS(bind({fast, slow, fast}), std::invalid_argument, "got 3");
    CHECK_THROWS(bind({fast, Basis("OneHot", {.n_basis_funcs = 3})}), std::invalid_argument,
                 "got 2 and 3");
}

TEST("Fourier: plane waves, cosines first, no sine of the constant") {
    constexpr Index n = 61;
    Vector x, y;
    for (int t = 0; t < n; ++t) {
        x.push_back(3.0 * std::sin(t * 1.7));
        y.push_back(95.0 + t * 0.31);
    }
    const Vector frequencies = {0.0, 1.0, 3.0, 0.0, 1000.0,  // of x
                                0.0, 0.0, 2.0, 7.0, 999.0};  // of y
    const Bounds of_x{-std::numbers::pi, std::numbers::pi};
    const Bounds of_y{100.1, 107.3};
    const MatrixView first{x.data(), ElementType::f64, n, 1, element};
    const MatrixView second{y.data(), ElementType::f64, n, 1, element};
    const Vector values = features(make_fourier({first, second}, {{of_x}, {of_y}}, frequencies));
    CHECK(values.size() == n * 9);
    const auto turns = [](double value, const Bounds& bounds) {
        return (static_cast<long double>(value) - bounds.low) /
               (static_cast<long double>(bounds.high) - bounds.low);
    };
    constexpr long double full = 2.0L * std::numbers::pi_v<long double>;
    for (std::size_t t = 0; t < n; ++t) {
        std::size_t sine = 5;
        for (std::size_t k = 0; k < 5; ++k) {
            const long double phase =
                frequencies[k] * turns(x[t], of_x) + frequencies[5 + k] * turns(y[t], of_y);
            const long double angle = full * (phase - std::floor(phase));
            CHECK_CLOSE(values[t * 9 + k], static_cast<double>(std::cos(angle)), 2e-15);
            if (k > 0)
                CHECK_CLOSE(values[t * 9 + sine++], static_cast<double>(std::sin(angle)), 2e-15);
        }
    }
}

TEST("Fourier: exact at quarters of the period, any finite input, NaN for NaN") {
    const Vector x = {0.0, 0.25, 0.5, 0.75, 1.0, -0.25, 7.5, 1e300, -1e22, nan_value, 2.0};
    const auto n = static_cast<Index>(x.size());
    const MatrixView input{x.data(), ElementType::f64, n, 1, element};
    const Vector one = features(make_fourier({input}, {{Bounds{}}}, Vector{0.0, 1.0}));
    const double expected[][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}, {1, 0}, {0, -1}, {-1, 0}};
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (i < 7) CHECK(one[i * 3 + 1] == expected[i][0] && one[i * 3 + 2] == expected[i][1]);
        for (std::size_t j = 0; j < 3; ++j)
            CHECK(i == 9 ? std::isnan(one[i * 3 + j]) : std::abs(one[i * 3 + j]) <= 1.0 + 1e-15);
    }
    // A range that overflows, and one of zero.
    for (const Bounds& bounds : {Bounds{-1.5e308, 1.5e308}, Bounds{0.25, 0.25}})
        for (const double value : features(make_fourier({input}, {{bounds}}, Vector{1.0, 2.0})))
            CHECK(std::isnan(value) || std::abs(value) <= 1.0 + 1e-15);
}

TEST("Fourier: refuses what does not fit") {
    const Vector x(12, 0.5);
    const MatrixView one{x.data(), ElementType::f64, 6, 1, element};
    const MatrixView two{x.data(), ElementType::f64, 6, 2, 2 * element};
    const std::vector<Bounds> bounds(1);
    CHECK_THROWS(make_fourier({one}, {bounds}, Vector{}), std::invalid_argument, "0 frequencies");
    CHECK_THROWS(make_fourier({}, {}, Vector{1.0}), std::invalid_argument, "0 inputs");
    CHECK_THROWS(make_fourier({one}, {bounds}, Vector{1.5}), std::invalid_argument, "got 1.5");
    CHECK_THROWS(make_fourier({one}, {bounds}, Vector{-1.0}), std::invalid_argument, "got -1");
    CHECK_THROWS(make_fourier({one}, {}, Vector{1.0}), std::invalid_argument, "1 inputs, got 0");
    CHECK_THROWS(make_fourier({two}, {bounds}, Vector{1.0}), std::invalid_argument,
                 "2 channels of input 0, got 1");
    CHECK_THROWS(make_fourier({one, two}, {bounds, bounds}, Vector{1.0, 1.0}),
                 std::invalid_argument, "(6, 1) and (6, 2)");
}

TEST("columns: what exists already, as a factor of a product") {
    const std::vector<float> data = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const MatrixView values{data.data(), ElementType::f32, 3, 4, 4 * sizeof(float), sizeof(float)};
    const Vector x = {0.1, 0.9, 0.2, 0.8, 0.35, 0.65};
    const MatrixView input{x.data(), ElementType::f64, 3, 2, 2 * element};
    const auto given = make_columns(values, 2);
    const Basis basis("BSpline", {.n_basis_funcs = 5});
    const auto splines = make_evaluation(basis, input, std::vector<Bounds>(2), nan_value);
    const Vector alone = features(given);
    const Vector of_splines = features(splines);
    const Vector of_product = features(make_product(given, splines));
    for (std::size_t r = 0; r < 3; ++r)
        for (std::size_t c = 0; c < 2; ++c)
            for (std::size_t i = 0; i < 2; ++i) {
                CHECK(alone[r * 4 + c * 2 + i] == data[r * 4 + c * 2 + i]);
                for (std::size_t j = 0; j < 5; ++j)
                    CHECK(of_product[r * 20 + (c * 2 + i) * 5 + j] ==
                          alone[r * 4 + c * 2 + i] * of_splines[r * 10 + c * 5 + j]);
            }
    CHECK_THROWS(make_columns(values, 3), std::invalid_argument, "3 channels, got 4 columns");
    CHECK_THROWS(make_columns(values, 0), std::invalid_argument, "0 channels");
}

TEST("the range of columns: NaN ignored, values outside counted, infinities refused") {
    constexpr Index n = 5000;
    for (const Index cols : {1, 2, 7, 16, 40}) {
        check::context() = std::to_string(cols) + " columns";
        Vector data(static_cast<std::size_t>(n * cols));
        for (std::size_t i = 0; i < data.size(); ++i)
            data[i] = i % 11 == 3 ? nan_value : static_cast<double>((i * 7919) % 10007) - 5000.0;
        for (Index t = 0; t < n; ++t) data[static_cast<std::size_t>(t * cols)] = nan_value;
        std::vector<Bounds> bounds;
        for (Index c = 0; c < cols; ++c) bounds.push_back({-10.0 * static_cast<double>(c), 100.0});
        const MatrixView input{data.data(), ElementType::f64, n, cols, cols * element};
        const ColumnRange range = column_range(input, bounds, {});
        const ColumnRange free = column_range(input, {}, {});
        for (std::size_t c = 0; c < static_cast<std::size_t>(cols); ++c) {
            double low = HUGE_VAL;
            double high = -HUGE_VAL;
            Index n_outside = 0;
            for (std::size_t i = c; i < data.size(); i += static_cast<std::size_t>(cols)) {
                if (std::isnan(data[i])) continue;
                low = std::min(low, data[i]);
                high = std::max(high, data[i]);
                n_outside += data[i] < bounds[c].low || data[i] > bounds[c].high;
            }
            CHECK(range.bounds[c].low == (c == 0 ? 0.0 : low));
            CHECK(range.bounds[c].high == (c == 0 ? 1.0 : high));
            CHECK(range.n_outside[c] == n_outside && free.n_outside[c] == 0);
            CHECK(free.bounds[c].low == range.bounds[c].low);
        }
        // Every second row, backwards: the same extremes as those rows alone.
        Vector reversed;
        for (Index t = n - 1; t > 0; t -= 2)
            for (Index c = 0; c < cols; ++c)
                reversed.push_back(data[static_cast<std::size_t>(t * cols + c)]);
        const MatrixView strided{data.data() + (n - 1) * cols, ElementType::f64, n / 2, cols,
                                 -2 * cols * element};
        const MatrixView copied{reversed.data(), ElementType::f64, n / 2, cols, cols * element};
        const ColumnRange a = column_range(strided, bounds, {});
        const ColumnRange b = column_range(copied, bounds, {});
        CHECK(a.n_outside == b.n_outside);
        for (std::size_t c = 0; c < static_cast<std::size_t>(cols); ++c)
            CHECK(a.bounds[c].low == b.bounds[c].low && a.bounds[c].high == b.bounds[c].high);
        for (const double infinity : {HUGE_VAL, -HUGE_VAL}) {
            Vector spoilt = data;
            spoilt.back() = infinity;
            CHECK_THROWS(
                column_range({spoilt.data(), ElementType::f64, n, cols, cols * element}, {}, {}),
                std::invalid_argument, "sample 4999, channel " + std::to_string(cols - 1));
        }
        CHECK_THROWS(column_range(input, std::vector<Bounds>(50), {}), std::invalid_argument,
                     "got 50");
    }
}
