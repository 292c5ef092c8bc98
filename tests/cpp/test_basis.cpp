// Splines, raised cosines and expressions against what defines them.
#include <array>
#include <numbers>
#include <stdexcept>

#include "check.hpp"
#include "spikeglm/basis/all.hpp"
#include "spikeglm/basis/expression.hpp"

using namespace spikeglm;
using Index = std::ptrdiff_t;
using Vector = std::vector<double>;

namespace {

constexpr const char* splines[] = {"BSpline", "CyclicBSpline"};

Vector evaluate(const Basis& basis, const Vector& x, const Bounds& bounds = {}) {
    Vector out(x.size() * static_cast<std::size_t>(basis.n_basis_funcs()));
    basis.evaluate(x, bounds, out.data());
    return out;
}

double sum(const Vector& values) {
    double total = 0.0;
    for (const double value : values) total += value;
    return total;
}

Vector grid(int n) {
    Vector u;
    for (int i = 0; i <= n; ++i) u.push_back(static_cast<double>(i) / n);
    return u;
}

/// Calls f(basis, order, n) for every size that a spline family allows.
template <class F>
void for_each_size(const char* family, F&& f) {
    const bool cyclic = std::string_view(family) == "CyclicBSpline";
    for (int order = cyclic ? 2 : 1; order <= 6; ++order)
        for (Index n = order; n <= 20; ++n) {
            check::context() = std::string(family) + " order " + std::to_string(order) + ", n " +
                               std::to_string(n);
            f(Basis(family, {.n_basis_funcs = n, .order = order}), order, n);
        }
}

}  // namespace

TEST("splines are a partition of unity inside the bounds, not negative, local, NaN outside") {
    for (const char* family : splines)
        for_each_size(family, [](const Basis& basis, int order, Index) {
            for (const double u : grid(97)) {
                const Vector values = evaluate(basis, {u});
                CHECK_CLOSE(sum(values), 1.0, 1e-13);
                int n_positive = 0;
                for (const double value : values) {
                    CHECK(value >= -1e-15);
                    n_positive += value > 1e-14;
                }
                CHECK(n_positive <= order);
            }
            for (const double u : {-1e-9, 1.0 + 1e-9, -5.0, 5.0})
                for (const double value : evaluate(basis, {u})) CHECK(std::isnan(value));
        });
}

TEST("open splines: one function alone at each bound, mirrored functions are equal") {
    for_each_size("BSpline", [](const Basis& basis, int, Index n) {
        CHECK_CLOSE(evaluate(basis, {0.0}).front(), 1.0, 1e-13);
        CHECK_CLOSE(evaluate(basis, {1.0}).back(), 1.0, 1e-13);
        for (const double u : {0.013, 0.21, 0.4567, 0.77}) {
            const Vector left = evaluate(basis, {u});
            const Vector right = evaluate(basis, {1.0 - u});
            for (std::size_t j = 0; j < left.size(); ++j)
                CHECK_CLOSE(left[j], right[static_cast<std::size_t>(n) - 1 - j], 1e-12);
        }
    });
}

TEST("open splines of maximal order are the Bernstein polynomials") {
    for (int order = 1; order <= 6; ++order) {
        const Basis basis("BSpline", {.n_basis_funcs = order, .order = order});
        for (const double u : grid(23)) {
            const Vector values = evaluate(basis, {u});
            double binomial = 1.0;
            for (int j = 0; j < order; ++j) {
                CHECK_CLOSE(values[static_cast<std::size_t>(j)],
                            binomial * std::pow(u, j) * std::pow(1.0 - u, order - 1 - j), 1e-14);
                binomial *= static_cast<double>(order - 1 - j) / (j + 1);
            }
        }
    }
}

TEST("open splines reproduce polynomials: the Greville abscissae give u") {
    for_each_size("BSpline", [](const Basis& basis, int order, Index n) {
        if (order < 2) return;
        const Index intervals = n - order + 1;
        const auto knot = [&](Index i) {
            return static_cast<double>(std::min(std::max<Index>(i, 0), intervals)) /
                   static_cast<double>(intervals);
        };
        for (const double u : grid(31)) {
            const Vector values = evaluate(basis, {u});
            double line = 0.0;
            for (Index j = 0; j < n; ++j) {
                double abscissa = 0.0;
                for (Index k = 1; k < order; ++k) abscissa += knot(j - order + 1 + k) / (order - 1);
                line += abscissa * values[static_cast<std::size_t>(j)];
            }
            CHECK_CLOSE(line, u, 1e-13);
        }
    });
}

TEST("cyclic splines close: values and, from order 3, slopes are equal at both bounds") {
    for_each_size("CyclicBSpline", [](const Basis& basis, int order, Index n) {
        constexpr double h = 1e-6;
        const Vector at_0 = evaluate(basis, {0.0});
        const Vector at_1 = evaluate(basis, {1.0});
        const Vector after_0 = evaluate(basis, {h});
        const Vector before_1 = evaluate(basis, {1.0 - h});
        for (std::size_t j = 0; j < at_0.size(); ++j) {
            CHECK_CLOSE(at_0[j], at_1[j], 1e-12);
            // The slopes differ by h times the second derivative, which is at most (2 n)^2.
            const double curvature = 4.0 * static_cast<double>(n * n);
            if (order >= 3)
                CHECK_CLOSE((after_0[j] - at_0[j]) / h, (at_1[j] - before_1[j]) / h,
                            2.0 * h * curvature + 1e-8);
        }
    });
}

TEST("cyclic splines are one function, moved by one interval at a time") {
    for_each_size("CyclicBSpline", [](const Basis& basis, int, Index n) {
        const double step = 1.0 / static_cast<double>(n);
        for (const double u : {0.0123, 0.3 * step, 0.77 * step}) {
            const Vector here = evaluate(basis, {u});
            for (Index turns = 1; turns < n; ++turns) {
                const Vector there =
                    evaluate(basis, {std::fmod(u + static_cast<double>(turns) * step, 1.0)});
                for (Index j = 0; j < n; ++j)
                    CHECK_CLOSE(here[static_cast<std::size_t>(j)],
                                there[static_cast<std::size_t>((j + turns) % n)], 1e-11);
            }
        }
    });
}

TEST("splines refuse impossible sizes") {
    for (const char* family : splines) {
        CHECK_THROWS(Basis(family, {.n_basis_funcs = 3, .order = 4}), std::invalid_argument,
                     "`order` (4) cannot be larger than `n_basis_funcs` (3)");
        CHECK_THROWS(Basis(family, {.n_basis_funcs = 100, .order = 33}), std::invalid_argument,
                     "got 33");
        CHECK_THROWS(Basis(family, {.order = 0}), std::invalid_argument, "got 0");
    }
    CHECK_THROWS(Basis("CyclicBSpline", {.order = 1}), std::invalid_argument, "got 1");
}

TEST("M-splines integrate to one, are zero outside and proportional to B-splines") {
    for_each_size("MSpline", [](const Basis& basis, int order, Index n) {
        const Basis open("BSpline", {.n_basis_funcs = n, .order = order});
        const Bounds bounds{-1.0, 3.0};
        // Simpson's rule within each knot interval is exact up to order 4.
        const int intervals = static_cast<int>(n) - order + 1;
        const int parts = 40 * intervals;
        Vector integral(static_cast<std::size_t>(n), 0.0);
        for (int i = 0; order > 1 && i <= parts; ++i) {
            const double x = bounds.low + 4.0 * i / parts;
            const double weight = (i == 0 || i == parts) ? 1.0 : (i % 2 ? 4.0 : 2.0);
            const Vector values = evaluate(basis, {std::min(x, bounds.high)}, bounds);
            const Vector of_open = evaluate(open, {std::min(x, bounds.high)}, bounds);
            for (std::size_t j = 0; j < values.size(); ++j) {
                integral[j] += weight * values[j] * 4.0 / parts / 3.0;
                CHECK((values[j] > 0.0) == (of_open[j] > 0.0));
            }
        }
        for (const double value : integral)
            if (order > 1) CHECK_CLOSE(value, 1.0, order <= 4 ? 1e-12 : 1e-5);
        for (const double x : {-1.001, 3.001})
            for (const double value : evaluate(basis, {x}, bounds)) CHECK(value == 0.0);
    });
}

TEST("linear raised cosines follow their formula") {
    for (const Index n : {2, 3, 10})
        for (const double width : {1.5, 2.0, 3.0}) {
            check::context() = "n " + std::to_string(n) + ", width " + std::to_string(width);
            const Basis basis("RaisedCosineLinear", {.n_basis_funcs = n, .width = width});
            const double delta = 1.0 / static_cast<double>(n - 1);
            for (const double u : grid(61)) {
                const Vector values = evaluate(basis, {u});
                for (Index j = 0; j < n; ++j) {
                    const double distance = std::abs(u - static_cast<double>(j) * delta);
                    const double phase = std::min(distance / (delta * width), 1.0);
                    CHECK_CLOSE(values[static_cast<std::size_t>(j)],
                                0.5 * (1.0 + std::cos(std::numbers::pi * phase)), 1e-13);
                }
                if (width == 2.0 && u >= delta && u <= 1.0 - delta)
                    CHECK_CLOSE(sum(values), 2.0, 1e-12);
            }
        }
}

TEST("logarithmic raised cosines follow their formula") {
    for (const Index n : {2, 3, 5, 10, 20})
        for (const double width : {1.5, 2.0, 3.0})
            for (const double scaling : {0.5, 50.0, 1e4})
                for (const bool decay : {false, true}) {
                    check::context() = "n " + std::to_string(n) + ", width " +
                                       std::to_string(width) + ", scaling " +
                                       std::to_string(scaling);
                    const Basis basis("RaisedCosineLog", {.n_basis_funcs = n,
                                                          .width = width,
                                                          .time_scaling = scaling,
                                                          .enforce_decay_to_zero = decay});
                    const double count = static_cast<double>(n);
                    const double last = decay ? 1.0 - width / (count + width - 1.0) : 1.0;
                    const double delta = last / (count - 1.0);
                    for (const double u : grid(61)) {
                        const Vector values = evaluate(basis, {u});
                        const double v = std::log1p(scaling * u) / std::log1p(scaling);
                        for (Index j = 0; j < n; ++j) {
                            const double phase = std::numbers::pi *
                                                 (v - static_cast<double>(j) * delta) /
                                                 (delta * width);
                            const double expected =
                                0.5 * (1.0 + std::cos(std::min(std::max(phase, -std::numbers::pi),
                                                               std::numbers::pi)));
                            CHECK_CLOSE(values[static_cast<std::size_t>(j)], expected, 1e-12);
                        }
                        // Between the outer peaks bumps of width 2 add up evenly.
                        if (width == 2.0 && v >= delta && v <= last - delta)
                            CHECK_CLOSE(sum(values), 2.0, 1e-12);
                    }
                    if (decay) CHECK_CLOSE(evaluate(basis, {1.0}).back(), 0.0, 1e-12);
                }
}

TEST("raised cosines refuse impossible parameters") {
    constexpr const char* family = "RaisedCosineLog";
    CHECK_THROWS(Basis(family, {.n_basis_funcs = 1}), std::invalid_argument, "at least 2");
    CHECK_THROWS(Basis(family, {.width = 1.0}), std::invalid_argument, "width");
    CHECK_THROWS(Basis(family, {.width = 1.7}), std::invalid_argument, "multiple of 0.5");
    CHECK_THROWS(Basis(family, {.time_scaling = 0.0}), std::invalid_argument, "time_scaling");
    CHECK_THROWS(Basis(family, {.time_scaling = nan_value}), std::invalid_argument, "time_scaling");
}

TEST("expressions: sums side by side, products row by row, channels slow") {
    const Vector data = {0.1, 0.9, 0.2, 0.8, 0.35, 0.65, 0.5, 0.5, 0.75, 0.05};
    constexpr Index element = sizeof(double);
    const MatrixView two{data.data(), ElementType::f64, 5, 2, 2 * element};
    const std::vector<Bounds> bounds(2);
    const Basis a("BSpline", {.n_basis_funcs = 5});
    const Basis b("RaisedCosineLog", {.n_basis_funcs = 3});
    const auto left = make_evaluation(a, two, bounds, nan_value);
    const auto right = make_evaluation(b, two, bounds, nan_value);
    const auto values = [](ExpressionPtr expression) {
        const BasisDesign design(std::move(expression));
        Vector out(static_cast<std::size_t>(design.rows() * design.cols()));
        materialise(design, out.data(), {});
        return out;
    };
    const Vector of_left = values(left);
    const Vector of_right = values(right);
    const Vector of_sum = values(make_sum(left, right));
    const Vector of_product = values(make_product(left, right));
    CHECK(of_sum.size() == 5 * 16 && of_product.size() == 5 * 30);
    for (std::size_t r = 0; r < 5; ++r)
        for (std::size_t c = 0; c < 2; ++c) {
            const Vector alone = evaluate(a, {data[r * 2 + c]});
            for (std::size_t i = 0; i < 5; ++i) {
                CHECK(of_left[r * 10 + c * 5 + i] == alone[i]);
                CHECK(of_sum[r * 16 + c * 5 + i] == of_left[r * 10 + c * 5 + i]);
                for (std::size_t j = 0; j < 3; ++j) {
                    CHECK(of_sum[r * 16 + 10 + c * 3 + j] == of_right[r * 6 + c * 3 + j]);
                    CHECK(of_product[r * 30 + (c * 5 + i) * 3 + j] ==
                          of_left[r * 10 + c * 5 + i] * of_right[r * 6 + c * 3 + j]);
                }
            }
        }
    const MatrixView shorter{data.data(), ElementType::f64, 4, 2, 2 * element};
    CHECK_THROWS(make_sum(left, make_evaluation(a, shorter, bounds, nan_value)),
                 std::invalid_argument, "got 5 and 4");
    const MatrixView one{data.data(), ElementType::f64, 5, 1, 2 * element};
    const auto flat = make_evaluation(a, one, {Bounds{}}, nan_value);
    CHECK_THROWS(make_product(left, flat), std::invalid_argument, "got 2 and 1");
    CHECK_THROWS(make_evaluation(a, two, {Bounds{}}, nan_value), std::invalid_argument, "got 1");
}

TEST("a subset of rows holds the rows asked for, in the order asked for") {
    constexpr Index n = 300;
    Vector x(n);
    for (std::size_t t = 0; t < n; ++t) x[t] = static_cast<double>((t * 37) % 100);
    const MatrixView input{x.data(), ElementType::f64, n, 1, sizeof(double)};
    const Basis basis("RaisedCosineLog", {.n_basis_funcs = 3});
    const auto whole =
        std::make_shared<BasisDesign>(make_convolution(basis, input, 5, {{0, 150}, {150, n}}));
    Vector all(n * 3);
    materialise(*whole, all.data(), {});
    std::vector<Index> rows;
    for (Index t = 40; t < 200; ++t) rows.push_back(t);
    rows.insert(rows.end(), {7, 7, 299, 298, 8, 9, 10, 0});
    const RowSubset subset(whole, rows);
    CHECK(subset.rows() == 168 && subset.cols() == 3);
    Vector out(rows.size() * 3);
    materialise(subset, out.data(), {});
    for (std::size_t i = 0; i < rows.size(); ++i)
        for (std::size_t j = 0; j < 3; ++j) {
            const double expected = all[static_cast<std::size_t>(rows[i]) * 3 + j];
            CHECK(out[i * 3 + j] == expected ||
                  (std::isnan(out[i * 3 + j]) && std::isnan(expected)));
        }
    CHECK_THROWS(RowSubset(whole, {0, n}), std::invalid_argument, "300");
    CHECK_THROWS(RowSubset(whole, {-1}), std::invalid_argument, "-1");
}
