// Fits through the C++ API, against closed forms and against each other.
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>

#include "check.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/basis/expression.hpp"
#include "spikeglm/glm/categorical.hpp"
#include "spikeglm/glm/fit.hpp"

using namespace spikeglm;
using Index = std::ptrdiff_t;
using Vector = std::vector<double>;

namespace {

constexpr double nan_number = std::numeric_limits<double>::quiet_NaN();

/// A matrix with its view; values are small multiples of 1/4, exact in every element type used.
struct Matrix {
    Index rows, cols;
    Vector values;
    [[nodiscard]] DenseDesign design() const {
        return DenseDesign({values.data(), ElementType::f64, rows, cols,
                            cols * static_cast<Index>(sizeof(double))});
    }
    [[nodiscard]] double operator()(Index r, Index c) const {
        return values[static_cast<std::size_t>(r * cols + c)];
    }
};

Matrix random_matrix(Index rows, Index cols, unsigned seed) {
    std::mt19937_64 generator(seed);
    std::uniform_int_distribution<int> level(-4, 4);
    Matrix x{rows, cols, Vector(static_cast<std::size_t>(rows * cols))};
    for (double& value : x.values) value = 0.25 * level(generator);
    return x;
}

/// Counts whose mean follows the first columns.
Vector random_counts(const Matrix& x, unsigned seed) {
    std::mt19937_64 generator(seed);
    Vector y;
    for (Index r = 0; r < x.rows; ++r) {
        double eta = 0.4;
        for (Index c = 0; c < x.cols; ++c) eta += (c % 2 ? -0.5 : 0.3) * x(r, c);
        y.push_back(std::poisson_distribution<int>(std::exp(eta))(generator));
    }
    return y;
}

FitResult fit_one(const Design& design, const FitProblem& problem, const char* model = "Poisson",
                  const char* link = "") {
    const FitOptions options{.loss = select_loss(model, link)};
    return fit(design, {&problem, 1}, options).front();
}

FitResult fit_one(const Matrix& x, const Vector& y, const char* model = "Poisson",
                  const char* link = "") {
    return fit_one(x.design(), {.sample = {y, {}, {}}}, model, link);
}

double mean(const Vector& values) {
    double sum = 0.0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
}

void check_same(const FitResult& a, const FitResult& b, double tolerance) {
    CHECK(a.coef.size() == b.coef.size());
    for (std::size_t j = 0; j < a.coef.size(); ++j) CHECK_CLOSE(a.coef[j], b.coef[j], tolerance);
    CHECK_CLOSE(a.intercept, b.intercept, tolerance);
    CHECK(a.status == b.status);
}

void check_solved(const FitResult& result) {
    CHECK(result.status == Status::converged);
    CHECK(result.decrement <= 1e-8);
    CHECK(result.kkt <= 1e-7);
}

}  // namespace

TEST("without columns the intercept is the link of the mean") {
    const Matrix none{6, 0, {}};
    const Vector y = {1, 0, 3, 2, 5, 1};
    struct Case {
        const char *model, *link;
        double intercept;
    };
    for (const Case& c : {Case{"Poisson", "exp", std::log(2.0)},
                          Case{"Poisson", "softplus", std::log(std::expm1(2.0))},
                          Case{"Poisson", "identity", 2.0}, Case{"Poisson", "reciprocal", 0.5}}) {
        check::context() = c.link;
        const FitResult result = fit_one(none, y, c.model, c.link);
        CHECK_CLOSE(result.intercept, c.intercept, 1e-10);
        CHECK(result.coef.empty() && result.rank == 1 && result.n_used == 6);
        check_solved(result);
    }
    const Vector positive = {0.5, 1.5, 4.0};
    const FitResult gamma = fit_one(Matrix{3, 0, {}}, positive, "Gamma");
    CHECK_CLOSE(gamma.intercept, 0.5, 1e-10);
    // Pearson: sum of ((y - mu) / mu)^2 over n - 1.
    CHECK_CLOSE(gamma.dispersion, (0.5625 + 0.0625 + 1.0) / 2.0, 1e-9);
}

TEST("two groups: the fit returns their means, whatever the link") {
    const Matrix x{7, 1, {0, 1, 0, 1, 1, 0, 1}};
    const Vector y = {1, 5, 2, 8, 6, 3, 9};
    const double low = 2.0;
    const double high = 7.0;
    const auto check_link = [&](const char* model, const char* link, double a, double b) {
        check::context() = std::string(model) + " " + link;
        const FitResult result = fit_one(x, y, model, link);
        CHECK_CLOSE(result.intercept, a, 3e-8);
        CHECK_CLOSE(result.coef[0], b - a, 3e-8);
        CHECK(result.rank == 2);
        check_solved(result);
    };
    for (const char* model : {"Poisson", "Gamma"}) {
        check_link(model, "exp", std::log(low), std::log(high));
        check_link(model, "identity", low, high);
        check_link(model, "reciprocal", 1.0 / low, 1.0 / high);
        check_link(model, "softplus", std::log(std::expm1(low)), std::log(std::expm1(high)));
    }
}

TEST("the score equations hold at the solution") {
    const Matrix x = random_matrix(3000, 5, 1);
    const Vector y = random_counts(x, 2);
    for (const double strength : {0.0, 0.05}) {
        const Vector strengths(5, strength);
        const FitResult result =
            fit_one(x.design(), {.sample = {y, {}, {}}, .quadratic = strengths});
        check_solved(result);
        Vector mu(3000);
        predict(x.design(), result.coef, result.intercept, {}, select_loss("Poisson", "").link,
                mu.data(), {});
        CHECK_CLOSE(mean(mu), mean(y), 1e-10);
        CHECK_THROWS(predict_many(x.design(), {}, {}, {}, 0, mu.data(), {}), std::invalid_argument,
                     "no model");
        for (Index c = 0; c < 5; ++c) {
            double score = strength * result.coef[static_cast<std::size_t>(c)];
            for (Index r = 0; r < x.rows; ++r) {
                const auto i = static_cast<std::size_t>(r);
                score += (mu[i] - y[i]) * x(r, c) / static_cast<double>(x.rows);
            }
            CHECK_CLOSE(score, 0.0, 1e-10);
        }
    }
}

TEST("element type and strides of X do not matter") {
    const Matrix x = random_matrix(700, 4, 3);
    const Vector y = random_counts(x, 4);
    const FitResult expected = fit_one(x, y);
    check_solved(expected);
    constexpr Index wide = 4 * sizeof(double);

    check::context() = "float32";
    const std::vector<float> floats(x.values.begin(), x.values.end());
    check_same(fit_one(DenseDesign({floats.data(), ElementType::f32, 700, 4, 16, 4}),
                       {.sample = {y, {}, {}}}),
               expected, 0.0);

    check::context() = "int16: four times X, a quarter of the coefficients";
    std::vector<std::int16_t> integers;
    for (const double value : x.values) integers.push_back(static_cast<std::int16_t>(4.0 * value));
    FitResult scaled = fit_one(DenseDesign({integers.data(), ElementType::i16, 700, 4, 8, 2}),
                               {.sample = {y, {}, {}}});
    for (double& value : scaled.coef) value *= 4.0;
    check_same(scaled, expected, 1e-9);

    check::context() = "column-major";
    Vector columns(x.values.size());
    for (Index r = 0; r < 700; ++r)
        for (Index c = 0; c < 4; ++c) columns[static_cast<std::size_t>(c * 700 + r)] = x(r, c);
    check_same(fit_one(DenseDesign({columns.data(), ElementType::f64, 700, 4, 8, 700 * 8}),
                       {.sample = {y, {}, {}}}),
               expected, 0.0);

    check::context() = "rows backwards";
    const Vector backwards(y.rbegin(), y.rend());
    check_same(fit_one(DenseDesign({x.values.data() + 699 * 4, ElementType::f64, 700, 4, -wide}),
                       {.sample = {backwards, {}, {}}}),
               expected, 1e-9);

    check::context() = "columns backwards";
    FitResult mirrored =
        fit_one(DenseDesign({x.values.data() + 3, ElementType::f64, 700, 4, wide, -8}),
                {.sample = {y, {}, {}}});
    mirrored.coef = Vector(mirrored.coef.rbegin(), mirrored.coef.rend());
    check_same(mirrored, expected, 1e-9);
}

TEST("rows of weight zero may hold anything, weight two is a row twice") {
    Matrix x = random_matrix(400, 3, 5);
    Vector y = random_counts(x, 6);
    Vector weight(400, 1.0);
    Matrix kept{0, 3, {}};
    Vector kept_y;
    const auto keep = [&](std::size_t i) {
        kept.values.insert(kept.values.end(), x.values.begin() + static_cast<Index>(i) * 3,
                           x.values.begin() + static_cast<Index>(i + 1) * 3);
        kept_y.push_back(y[i]);
        ++kept.rows;
    };
    for (std::size_t i = 0; i < 400; ++i) {
        weight[i] = static_cast<double>(i % 3);
        for (std::size_t turn = 0; turn < i % 3; ++turn) keep(i);
    }
    for (std::size_t i = 0; i < 400; i += 3) {
        x.values[i * 3 + i % 2] = nan_number;
        if (i % 2) y[i] = nan_number;
    }
    const FitResult weighted = fit_one(x.design(), {.sample = {y, weight, {}}});
    check_same(weighted, fit_one(kept, kept_y), 1e-9);
    check_solved(weighted);
    CHECK(weighted.sum_of_weights == static_cast<double>(kept.rows));
    CHECK(weighted.n_used == 266);
}

TEST("rows with NaN are left out and counted") {
    Matrix x = random_matrix(300, 2, 7);
    Vector y = random_counts(x, 8);
    const Vector weight(300, 1.0);
    Vector without = weight;
    for (const std::size_t i : {0u, 150u, 299u}) {
        x.values[i * 2] = nan_number;
        without[i] = 0.0;
    }
    y[77] = nan_number;
    without[77] = 0.0;
    const FitResult result = fit_one(x, y);
    CHECK(result.n_dropped == 4 && result.n_used == 296);
    check_same(result, fit_one(x.design(), {.sample = {y, without, {}}}), 0.0);
}

TEST("a problem's result does not depend on its batch") {
    const Matrix x = random_matrix(500, 3, 9);
    const std::vector<Vector> y = {random_counts(x, 10), random_counts(x, 11), Vector(500, 0.0)};
    std::vector<FitProblem> problems;
    for (const Vector& column : y) problems.push_back({.sample = {column, {}, {}}});
    const FitOptions options{.loss = select_loss("Poisson", "")};
    const auto together = fit(x.design(), problems, options);
    CHECK(together.size() == 3);
    for (std::size_t m = 0; m < 3; ++m) check_same(together[m], fit_one(x, y[m]), 0.0);
    CHECK(together[2].status == Status::silent);
}

TEST("relations: an offset moves the intercept, a shift of X too, an affine map of X maps back") {
    const Matrix x = random_matrix(600, 2, 12);
    const Vector y = random_counts(x, 13);
    const FitResult plain = fit_one(x, y);

    const Vector offset(600, 1.25);
    FitResult with_offset = fit_one(x.design(), {.sample = {y, {}, offset}});
    with_offset.intercept += 1.25;
    check_same(with_offset, plain, 1e-9);

    for (const double shift : {0.5, 1e6}) {
        check::context() = "shift " + check::text(shift);
        Matrix moved = x;
        for (std::size_t i = 0; i < moved.values.size(); i += 2)
            moved.values[i] = 8.0 * moved.values[i] + shift;
        FitResult result = fit_one(moved, y);
        check_solved(result);
        result.intercept += shift * result.coef[0];
        result.coef[0] *= 8.0;
        check_same(result, plain, 1e-8);
    }

    check::context() = "Gamma: the scale of y";
    Vector positive;
    for (const double count : y) positive.push_back(count + 0.5);
    const FitResult gamma = fit_one(x, positive, "Gamma", "exp");
    for (double& value : positive) value *= 1e3;
    FitResult scaled = fit_one(x, positive, "Gamma", "exp");
    scaled.intercept -= std::log(1e3);
    check_same(scaled, gamma, 1e-9);
    CHECK_CLOSE(scaled.dispersion, gamma.dispersion, 1e-10);
}

TEST("columns that the data do not identify: aliased, or the smallest of all solutions") {
    const Matrix x = random_matrix(200, 2, 14);
    const Vector y = random_counts(x, 15);
    const FitResult plain = fit_one(x, y);
    Matrix more{200, 4, {}};
    for (Index r = 0; r < 200; ++r)
        more.values.insert(more.values.end(), {x(r, 0), 3.0, x(r, 1), x(r, 0)});
    const FitResult result = fit_one(more, y);
    CHECK(result.rank == 3);
    CHECK(result.aliased == std::vector<Index>{1});
    CHECK(result.coef[1] == 0.0);
    CHECK_CLOSE(result.coef[0], 0.5 * plain.coef[0], 1e-9);
    CHECK_CLOSE(result.coef[3], 0.5 * plain.coef[0], 1e-9);
    CHECK_CLOSE(result.coef[2], plain.coef[1], 1e-9);
}

TEST("an optimum at infinity is reported with its columns") {
    const Matrix x{6, 2, {0, 1, 0, -1, 0, 1, 1, -1, 1, 1, 1, -1}};
    const Vector y = {0, 0, 0, 2, 3, 4};
    const FitResult result = fit_one(x, y);
    CHECK(result.status == Status::separated);
    CHECK(result.separated == std::vector<Index>{0});
    const Vector strength(2, 0.1);
    check_solved(fit_one(x.design(), {.sample = {y, {}, {}}, .quadratic = strength}));
}

TEST("a start at the solution stays there") {
    const Matrix x = random_matrix(300, 3, 16);
    const Vector y = random_counts(x, 17);
    const FitResult cold = fit_one(x, y);
    const FitResult warm = fit_one(
        x.design(),
        {.sample = {y, {}, {}}, .start_coef = cold.coef, .start_intercept = cold.intercept});
    CHECK(warm.n_iterations <= 1);
    check_same(warm, cold, 1e-9);
}

TEST("a lazy design gives the fit of its materialised matrix") {
    constexpr Index n = 2000;
    std::mt19937_64 generator(18);
    std::poisson_distribution<int> spikes(0.3);
    Vector counts;
    for (Index t = 0; t < n; ++t) counts.push_back(spikes(generator));
    const MatrixView input{counts.data(), ElementType::f64, n, 1, sizeof(double)};
    const Basis basis("RaisedCosineLog", {.n_basis_funcs = 5});
    const BasisDesign lazy(make_convolution(basis, input, 40, {{0, 900}, {900, n}}));
    Matrix dense{n, 5, Vector(5 * n)};
    materialise(lazy, dense.values.data(), {});
    const FitResult result = fit_one(lazy, {.sample = {counts, {}, {}}});
    check_solved(result);
    CHECK(result.n_dropped == 80);
    check_same(result, fit_one(dense, counts), 0.0);
}

TEST("every solver reaches the same optimum") {
    const Matrix x = random_matrix(400, 3, 22);
    const Vector y = random_counts(x, 23);
    const Vector strength(3, 0.05);
    const FitProblem smooth{.sample = {y, {}, {}}, .quadratic = strength};
    const FitProblem kinks{.sample = {y, {}, {}}, .quadratic = strength, .absolute = strength};
    const FitResult best = fit_one(x.design(), smooth);
    FitOptions options{.loss = select_loss("Poisson", "")};
    options.solver = "ProxNewton";
    const FitResult best_kinks = fit(x.design(), {&kinks, 1}, options).front();
    check_solved(best_kinks);
    for (const SolverInfo& solver : solvers()) {
        check::context() = solver.name;
        options.solver = solver.name;
        options.tolerance = solver.stochastic ? 1e-4 : 1e-8;
        options.max_iterations = 20000;
        const auto same = [&](const FitProblem& problem, const FitResult& expected) {
            const FitResult result = fit(x.design(), {&problem, 1}, options).front();
            CHECK(result.status == Status::converged);
            for (std::size_t j = 0; j < 3; ++j)
                CHECK_CLOSE(result.coef[j], expected.coef[j], solver.stochastic ? 1e-5 : 1e-8);
        };
        same(smooth, best);
        if (solver.handles_groups) same(kinks, best_kinks);
    }
}

TEST("a Gaussian lasso on an orthogonal design is the soft threshold") {
    // Columns of +-1: x'x / n = 1, so that 2 (beta - ols) + absolute sign(beta) = 0.
    const Matrix x{4, 2, {1, 1, 1, -1, -1, 1, -1, -1}};
    const Vector y = {4.0, 2.0, -1.0, -2.0};
    const double ols[] = {2.25, 0.75};
    FitOptions options{.loss = select_loss("Gaussian", "")};
    options.solver = "ProxNewton";
    for (const double strength : {0.5, 1.5, 4.5}) {
        const Vector absolute(2, strength);
        const FitProblem problem{.sample = {y, {}, {}}, .absolute = absolute};
        const FitResult result = fit(x.design(), {&problem, 1}, options).front();
        for (std::size_t j = 0; j < 2; ++j) {
            const double expected = std::max(0.0, ols[j] - 0.5 * strength);
            CHECK_CLOSE(result.coef[j], expected, 1e-9);
            CHECK(expected > 0.0 || !std::signbit(result.coef[j]));
        }
        CHECK_CLOSE(result.intercept, 0.75, 1e-9);
    }
}

TEST("a group of one column is that column's lasso; a large one shrinks to zero as a whole") {
    const Matrix x = random_matrix(300, 3, 24);
    const Vector y = random_counts(x, 25);
    const Vector absolute = {0.1, 0.02, 0.0};
    const FitProblem lasso{.sample = {y, {}, {}}, .absolute = absolute};
    const std::vector<Index> begin = {0, 1, 2};
    const std::vector<Index> members = {0, 1};
    const Vector weights = {0.1, 0.02};
    const FitProblem groups{.sample = {y, {}, {}}, .groups = {begin, members, weights}};
    FitOptions options{.loss = select_loss("Poisson", "")};
    options.solver = "ProxNewton";
    check_same(fit(x.design(), {&groups, 1}, options).front(),
               fit(x.design(), {&lasso, 1}, options).front(), 1e-9);

    const std::vector<Index> pair = {0, 2};
    const Vector heavy = {10.0};
    const FitProblem zero{.sample = {y, {}, {}}, .groups = {pair, members, heavy}};
    const FitResult none = fit(x.design(), {&zero, 1}, options).front();
    CHECK(none.coef[0] == 0.0 && none.coef[1] == 0.0 && none.coef[2] != 0.0);
}

TEST("groups that span problems are solved as one") {
    const Matrix x = random_matrix(300, 2, 26);
    const std::vector<Vector> y = {random_counts(x, 27), random_counts(x, 28)};
    const std::vector<FitProblem> problems = {{.sample = {y[0], {}, {}}},
                                              {.sample = {y[1], {}, {}}}};
    FitOptions options{.loss = select_loss("Poisson", "")};
    // Each coefficient in a group of its own: nothing is shared.
    const std::vector<Index> begin = {0, 1, 2, 3, 4};
    const std::vector<Index> members = {0, 1, 2, 3};
    const Vector weights(4, 0.05);
    const auto joint = fit_jointly(x.design(), problems, {begin, members, weights}, options);
    const Vector absolute(2, 0.05);
    for (std::size_t m = 0; m < 2; ++m) {
        const FitProblem alone{.sample = {y[m], {}, {}}, .absolute = absolute};
        check_same(joint[m], fit(x.design(), {&alone, 1}, options).front(), 1e-8);
    }
    // One group of all: zero for both, or for none.
    const std::vector<Index> all = {0, 4};
    for (const double weight : {0.05, 10.0}) {
        const Vector one(1, weight);
        for (const FitResult& result :
             fit_jointly(x.design(), problems, {all, members, one}, options))
            for (const double coef : result.coef) CHECK((coef == 0.0) == (weight == 10.0));
    }
}

TEST("excluded columns are as good as absent") {
    const Matrix x = random_matrix(300, 3, 29);
    const Vector y = random_counts(x, 30);
    Matrix kept{300, 2, {}};
    for (Index r = 0; r < 300; ++r) kept.values.insert(kept.values.end(), {x(r, 0), x(r, 2)});
    const std::vector<std::uint8_t> excluded = {0, 1, 0};
    const FitResult masked = fit_one(x.design(), {.sample = {y, {}, {}}, .excluded = excluded});
    const FitResult smaller = fit_one(kept, y);
    CHECK(masked.coef[1] == 0.0 && masked.rank == 3);
    CHECK_CLOSE(masked.coef[0], smaller.coef[0], 1e-9);
    CHECK_CLOSE(masked.coef[2], smaller.coef[1], 1e-9);
    CHECK_CLOSE(masked.intercept, smaller.intercept, 1e-9);
}

TEST("without an intercept the line passes through the origin") {
    const Matrix x{3, 1, {1, 2, 4}};
    const Vector y = {3.0, 4.0, 9.0};
    const FitProblem problem{.sample = {y, {}, {}}};
    const FitOptions options{.loss = select_loss("Gaussian", ""), .intercept = false};
    const FitResult result = fit(x.design(), {&problem, 1}, options).front();
    CHECK(result.intercept == 0.0 && result.rank == 1);
    CHECK_CLOSE(result.coef[0], 47.0 / 21.0, 1e-10);
}

TEST("the dispersion of a negative binomial solves its score equation") {
    const Matrix none{12, 0, {}};
    const Vector y = {0, 0, 1, 0, 7, 2, 0, 11, 3, 0, 1, 5};
    const FitProblem problem{.sample = {y, {}, {}}, .parameter = nan_number};
    const FitOptions options{.loss = select_loss("NegativeBinomial", "")};
    const FitResult result = fit(none.design(), {&problem, 1}, options).front();
    check_solved(result);
    CHECK_CLOSE(result.intercept, std::log(2.5), 1e-10);
    // With k = 1 / dispersion: sum over y of sum_{i < y} 1 / (k + i) = n log(1 + mu / k).
    const double k = 1.0 / result.dispersion;
    double score = -12.0 * std::log1p(2.5 / k);
    for (const double count : y)
        for (int i = 0; i < static_cast<int>(count); ++i) score += 1.0 / (k + i);
    CHECK_CLOSE(score, 0.0, 1e-8);
}

TEST("quantities row by row, NaN where y or the mean is NaN") {
    const Vector y = {0.0, 2.0, nan_number, 3.0};
    const Vector mu = {0.5, 2.0, 1.0, nan_number};
    Vector out(4);
    const int poisson = select_loss("Poisson", "").model;
    row_quantity(poisson, RowQuantity::deviance, y, mu, 1.0, out.data());
    CHECK_CLOSE(out[0], 1.0, 1e-15);
    CHECK_CLOSE(out[1], 0.0, 1e-15);
    CHECK(std::isnan(out[2]) && std::isnan(out[3]));
    row_quantity(poisson, RowQuantity::log_likelihood, y, mu, 1.0, out.data());
    CHECK_CLOSE(out[0], -0.5, 1e-15);
    CHECK_CLOSE(out[1], std::log(2.0) - 2.0, 1e-15);
    row_quantity(poisson, RowQuantity::pearson_residual, y, mu, 1.0, out.data());
    CHECK_CLOSE(out[0], -std::sqrt(0.5), 1e-15);
    const Vector negative = {1.0, -2.0, 1.0, 1.0};
    CHECK_THROWS(row_quantity(poisson, RowQuantity::deviance, negative, mu, 1.0, out.data()),
                 std::invalid_argument, "-2.000000 at");
}

TEST("what a fit cannot use is refused with its place") {
    const Matrix x = random_matrix(10, 2, 19);
    Vector y(10, 1.0);
    y[3] = -1.0;
    CHECK_THROWS(fit_one(x, y), std::invalid_argument, "y is -1.000000 at row 3");
    y[3] = HUGE_VAL;
    CHECK_THROWS(fit_one(x, y), std::invalid_argument, "y is inf at row 3");
    CHECK_THROWS(fit_one(x, Vector(9, 1.0)), std::invalid_argument,
                 "y has 9 values, X has 10 rows");
    CHECK_THROWS(fit_one(x, Vector(10, nan_number)), std::invalid_argument, "no row can be used");
    Matrix infinite = x;
    infinite.values[2 * 2 + 1] = HUGE_VAL;
    CHECK_THROWS(fit_one(infinite, Vector(10, 1.0)), std::invalid_argument, "row 2, column 1");
    CHECK_THROWS(fit_one(Matrix{0, 2, {}}, {}), std::invalid_argument, "0 samples");
    CHECK_THROWS(fit_one(x, Vector(10, 0.0), "Gamma"), std::invalid_argument, "y > 0");
    CHECK_THROWS(select_loss("Poison", ""), std::invalid_argument, "known: Poisson, Gamma");
    CHECK_THROWS(select_loss("Poisson", "cauchit"), std::invalid_argument, "known: exp");
    const Vector ones(10, 1.0);
    Vector weight = ones;
    weight[4] = -1.0;
    CHECK_THROWS(fit_one(x.design(), {.sample = {ones, weight, {}}}), std::invalid_argument,
                 "sample_weight is -1.000000 at row 4");
}

TEST("an exception of the monitor ends a fit") {
    const Matrix x = random_matrix(2000, 2, 20);
    const Vector y = random_counts(x, 21);
    const FitProblem problem{.sample = {y, {}, {}}};
    int calls = 0;
    const Monitor monitor = [&] {
        if (++calls == 40) throw std::runtime_error("interrupted");
    };
    const FitOptions options{.loss = select_loss("Poisson", ""), .execution = {monitor, 1}};
    CHECK_THROWS(fit(x.design(), {&problem, 1}, options), std::runtime_error, "interrupted");
}

TEST("a categorical model of two classes is a Bernoulli model") {
    const Matrix x = random_matrix(300, 3, 31);
    Vector y = random_counts(x, 32);
    for (double& value : y) value = value > 1.0 ? 1.0 : 0.0;
    y[5] = nan_number;
    const Vector half(3, 0.05);
    const Vector strengths(6, 0.1);
    const FitResult single =
        fit_one(x.design(), {.sample = {y, {}, {}}, .quadratic = half}, "Bernoulli");
    FitOptions options{.loss = select_loss("Bernoulli", "")};
    for (const SolverInfo& solver : solvers()) {
        check::context() = solver.name;
        options.solver = solver.name;
        options.tolerance = solver.stochastic ? 1e-4 : 1e-9;
        options.max_iterations = 20000;
        const double accuracy = solver.stochastic ? 1e-5 : 1e-8;
        const CategoricalResult both =
            fit_categorical(x.design(), {.y = y, .n_classes = 2, .quadratic = strengths}, options);
        CHECK(both.status == Status::converged);
        CHECK(both.n_dropped == 1 && both.rank == 4);
        for (std::size_t j = 0; j < 3; ++j) {
            CHECK_CLOSE(both.coef[3 + j] - both.coef[j], single.coef[j], accuracy);
            CHECK_CLOSE(both.coef[3 + j] + both.coef[j], 0.0, accuracy);
        }
        CHECK_CLOSE(both.intercept[1] - both.intercept[0], single.intercept, accuracy);
    }
    CHECK_THROWS(fit_categorical(x.design(), {.y = y, .n_classes = 3}, options),
                 std::invalid_argument, "class 2 has no row in use");
    y[7] = 0.5;
    CHECK_THROWS(fit_categorical(x.design(), {.y = y, .n_classes = 2}, options),
                 std::invalid_argument, "the class at row 7");
}

TEST("steps lead where the fit does, and know the columns of the first") {
    const Matrix x = random_matrix(300, 3, 33);
    const Vector y = random_counts(x, 34);
    const Vector strength(3, 0.05);
    FitProblem problem{.sample = {y, {}, {}}, .quadratic = strength};
    const FitResult whole = fit_one(x.design(), problem);
    FitOptions options{.loss = select_loss("Poisson", "")};
    options.solver = "LBFGS";
    Stepper stepper(x.design(), problem, options);
    FitResult at;
    at.coef.assign(3, 0.0);
    for (int i = 0; i < 60; ++i) {
        problem.start_coef = at.coef;
        problem.start_intercept = at.intercept;
        at = stepper.step(x.design(), problem);
    }
    for (std::size_t j = 0; j < 3; ++j) CHECK_CLOSE(at.coef[j], whole.coef[j], 1e-8);
    // Without a name the steps are Newton's.
    problem.start_coef = {};
    Stepper unnamed(x.design(), problem, {.loss = select_loss("Poisson", "")});
    for (int i = 0; i < 8; ++i) {
        at = unnamed.step(x.design(), problem);
        problem.start_coef = at.coef;
        problem.start_intercept = at.intercept;
    }
    for (std::size_t j = 0; j < 3; ++j) CHECK_CLOSE(at.coef[j], whole.coef[j], 1e-10);
    const Matrix narrow = random_matrix(300, 2, 35);
    const FitProblem other{.sample = {y, {}, {}}};
    CHECK_THROWS((void)stepper.step(narrow.design(), other), std::invalid_argument,
                 "expected 3 columns");
}

TEST("the gradient at zero says what a lasso lets in first") {
    const Matrix x = random_matrix(300, 3, 36);
    const Vector y = random_counts(x, 37);
    const Vector ones(3, 1.0);
    const FitProblem problem{.sample = {y, {}, {}}, .absolute = ones};
    const FitOptions options{.loss = select_loss("Poisson", "")};
    const Vector gradient = gradient_at_zero(x.design(), problem, options);
    const double average = mean(y);
    for (Index c = 0; c < 3; ++c) {
        double slope = 0.0;
        for (Index r = 0; r < 300; ++r)
            slope += (average - y[static_cast<std::size_t>(r)]) * x(r, c) / 300.0;
        CHECK_CLOSE(gradient[static_cast<std::size_t>(c)], slope, 1e-10);
    }
}
