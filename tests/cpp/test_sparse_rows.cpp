// Designs with sparse rows: every form of a row against the dense one.
#include <algorithm>
#include <limits>
#include <random>
#include <stdexcept>

#include "check.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/basis/expression.hpp"
#include "spikeglm/glm/fit.hpp"

using namespace spikeglm;
using Index = std::ptrdiff_t;
using Vector = std::vector<double>;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

std::mt19937_64& generator() {
    static std::mt19937_64 instance(7);
    return instance;
}

Vector random_vector(Index size, double low = -1.0, double high = 1.0) {
    std::uniform_real_distribution<double> uniform(low, high);
    Vector values(at(size));
    for (double& value : values) value = uniform(generator());
    return values;
}

/// Inputs that outlive the expressions over them.
struct Inputs {
    Index rows;
    Vector x, y, two, other_two, counts;

    explicit Inputs(Index n)
        : rows(n),
          x(random_vector(n, 0.0, 1.0)),
          y(random_vector(n, 0.0, 1.0)),
          two(random_vector(2 * n, 0.0, 1.0)),
          other_two(random_vector(2 * n, 0.0, 1.0)),
          counts(random_vector(n, 0.0, 3.0)) {
        for (Index r = 0; r < n; r += 5) x[at(r)] = static_cast<double>((r / 5) % 11) / 10.0;
    }

    [[nodiscard]] static MatrixView view(const Vector& values, Index channels) {
        return {values.data(), ElementType::f64, static_cast<Index>(values.size()) / channels,
                channels, channels * static_cast<Index>(sizeof(double))};
    }
    [[nodiscard]] static ExpressionPtr spline(const char* family, const Vector& values,
                                              Index n_basis_funcs, int order = 4,
                                              Index channels = 1, double fill = nan_value) {
        return make_evaluation(Basis(family, {.n_basis_funcs = n_basis_funcs, .order = order}),
                               view(values, channels),
                               std::vector<Bounds>(at(channels), {0.0, 1.0}), fill);
    }
    [[nodiscard]] ExpressionPtr history() const {
        return make_convolution(Basis("RaisedCosineLog", {.n_basis_funcs = 3}), view(counts, 1), 9,
                                {{0, rows}});
    }
};

struct Named {
    const char* name;
    ExpressionPtr expression;
    bool sparse = true;
};

std::vector<Named> expressions(const Inputs& in) {
    const auto bump = [&](const Vector& values, Index channels = 1) {
        return make_evaluation(Basis("RaisedCosineLinear", {.n_basis_funcs = 3}),
                               Inputs::view(values, channels),
                               std::vector<Bounds>(at(channels), {0.0, 1.0}), nan_value);
    };
    const auto b = [](const Vector& v, Index n, int order = 4, Index channels = 1) {
        return Inputs::spline("BSpline", v, n, order, channels);
    };
    const auto cyclic = [](const Vector& v, Index n, int order = 4) {
        return Inputs::spline("CyclicBSpline", v, n, order);
    };
    const auto m = Inputs::spline("MSpline", in.y, 9, 3);
    return {
        {"B-spline", b(in.x, 10)},
        {"few functions", b(in.x, 7), false},
        {"order 1", b(in.x, 6, 1)},
        {"cyclic", cyclic(in.x, 10)},
        {"M-spline", m},
        {"raised cosines", bump(in.x), false},
        {"two channels", b(in.two, 8, 3, 2)},
        {"product", make_product(b(in.x, 10), b(in.y, 9, 3))},
        {"product with cyclic", make_product(cyclic(in.x, 8), b(in.y, 10))},
        {"product of cyclic", make_product(cyclic(in.x, 8, 3), cyclic(in.y, 8))},
        {"sparse times dense", make_product(b(in.x, 10), bump(in.y))},
        {"dense times sparse", make_product(bump(in.y), b(in.x, 10))},
        {"history times spline", make_product(in.history(), b(in.x, 10))},
        {"product of channels", make_product(b(in.two, 8, 4, 2), b(in.other_two, 6, 3, 2))},
        {"channels times dense", make_product(bump(in.two, 2), b(in.other_two, 6, 3, 2))},
        {"sum", make_sum(b(in.x, 10), make_sum(m, cyclic(in.y, 8)))},
        {"sum with dense terms",
         make_sum(make_sum(in.history(), bump(in.x)), make_sum(b(in.x, 10), bump(in.y)))},
        {"dense sum", make_sum(in.history(), bump(in.x)), false},
        {"sum as a factor", make_product(make_sum(b(in.x, 10), bump(in.y)), b(in.y, 8))},
        {"sum as a fast factor", make_product(b(in.y, 8), make_sum(bump(in.x), b(in.x, 10)))},
        {"sum by channel", make_sum(b(in.two, 8, 4, 2), bump(in.other_two, 2), true)},
        {"product of sums by channel",
         make_product(make_sum(b(in.two, 8, 4, 2), b(in.other_two, 6, 3, 2), true),
                      b(in.two, 6, 2, 2))},
        {"dense sum by channel", make_sum(bump(in.two, 2), bump(in.other_two, 2), true), false},
    };
}

bool has_sparse_part(const RowBlock& x) {
    return std::any_of(x.parts, x.parts + x.n_parts, [](const RowPart& p) { return p.sparse(); });
}

/// A block as a matrix; checks that its parts are adjacent and its runs inside of them, apart.
Vector expanded(const RowBlock& x) {
    Vector out(at(x.rows * x.cols), -7.0);
    Index next = 0;
    for (const RowPart& part : std::span(x.parts, at(x.n_parts))) {
        CHECK(part.first_col == next);
        next += part.cols;
        for (Index r = 0; part.sparse() && r < x.rows; ++r) {
            Vector taken(at(part.cols), 0.0);
            for_each_stored(part, r, [&](Index c, double) { CHECK(taken.at(at(c))++ == 0.0); });
        }
        expand(part, x.rows, out.data() + part.first_col, x.cols);
    }
    CHECK(next == x.cols);
    return out;
}

Vector written(const Design& design) {
    Vector out(at(design.rows() * design.cols()));
    materialise(design, out.data(), {nullptr, 1});
    return out;
}

bool row_is_nan(const Vector& rows, Index r, Index cols) {
    return std::any_of(rows.begin() + r * cols, rows.begin() + (r + 1) * cols,
                       [](double v) { return std::isnan(v); });
}

}  // namespace

TEST("expressions: the rows of a block are those that are written, wherever a block begins") {
    for (const Index n : {1, 127, 300}) {
        const Inputs in(n);
        for (const Named& named : expressions(in)) {
            check::context() = std::string(named.name) + ", " + std::to_string(n) + " rows";
            const BasisDesign design(named.expression);
            const Vector all = written(design);
            CHECK(named.expression->sparse() == named.sparse);
            for (const Index size : {1, 8, 128})
                for (Index first = 0; first < n; first += size) {
                    const Index count = std::min(size, n - first);
                    Workspace workspace;
                    Workspace::Frame frame(workspace);
                    const RowBlock x = design.block(first, count, frame);
                    CHECK(x.rows == count && x.cols == design.cols());
                    CHECK(has_sparse_part(x) == named.sparse);
                    const Vector rows = expanded(x);
                    for (Index i = 0; i < count; ++i)
                        for (Index c = 0; c < x.cols; ++c) {
                            const double expected = all[at((first + i) * x.cols + c)];
                            // Rows without features are marked where values are stored.
                            if (row_is_nan(all, first + i, x.cols))
                                CHECK(row_is_nan(rows, i, x.cols));
                            else
                                CHECK(rows[at(i * x.cols + c)] == expected);
                        }
                }
        }
    }
}

TEST("sums by channel hold the functions of both terms, channel by channel") {
    const Inputs in(40);
    const auto left = Inputs::spline("BSpline", in.two, 8, 4, 2);
    const auto right = Inputs::spline("BSpline", in.other_two, 3, 2, 2);
    const auto sum = make_sum(left, right, true);
    CHECK(sum->channels() == 2 && sum->n_features() == 22);
    CHECK(make_sum(left, right)->channels() == 0);
    const Vector a = written(BasisDesign(left));
    const Vector b = written(BasisDesign(right));
    const Vector both = written(BasisDesign(sum));
    for (std::size_t r = 0; r < 40; ++r)
        for (std::size_t c = 0; c < 2; ++c)
            for (std::size_t i = 0; i < 11; ++i)
                CHECK(both[r * 22 + c * 11 + i] ==
                      (i < 8 ? a[r * 16 + c * 8 + i] : b[r * 6 + c * 3 + i - 8]));
    CHECK_THROWS(make_sum(left, Inputs::spline("BSpline", in.x, 8), true), std::invalid_argument,
                 "got 2 and 1");
    CHECK_THROWS(make_product(left, make_sum(left, right)), std::invalid_argument,
                 "channel by channel");
}

TEST("samples that are missing or outside the bounds, for every fill value") {
    const Vector x = {0.2, nan_value, 1.5, 0.7, -0.1, 1.0};
    const auto rows_with = [&](const char* family, double fill) {
        return Inputs::spline(family, x, 8, 3, 1, fill);
    };
    CHECK(rows_with("BSpline", nan_value)->sparse() && rows_with("BSpline", 0.0)->sparse());
    CHECK(!rows_with("BSpline", 0.5)->sparse());
    for (const char* family : {"BSpline", "CyclicBSpline", "MSpline"})
        for (const double fill : {nan_value, 0.0}) {
            check::context() = std::string(family) + ", fill " + check::text(fill);
            const BasisDesign design(rows_with(family, fill));
            const Vector all = written(design);
            Workspace workspace;
            Workspace::Frame frame(workspace);
            const Vector rows = expanded(design.block(0, 6, frame));
            for (Index r = 0; r < 6; ++r) {
                const bool outside = x[at(r)] < 0.0 || x[at(r)] > 1.0;
                CHECK(row_is_nan(rows, r, 8) ==
                      (std::isnan(x[at(r)]) || (outside && std::isnan(fill))));
                CHECK(row_is_nan(rows, r, 8) == row_is_nan(all, r, 8));
                for (Index c = 0; c < 8 && !row_is_nan(all, r, 8); ++c)
                    CHECK(rows[at(r * 8 + c)] == all[at(r * 8 + c)] &&
                          (!outside || rows[at(r * 8 + c)] == 0.0));
            }
        }
}

TEST("subsets and prepared designs keep the parts of their base") {
    const Index n = 300;
    const Inputs in(n);
    std::vector<Index> indices;
    for (Index r = 40; r < 200; ++r) indices.push_back(r);
    indices.insert(indices.end(), {7, 7, 299, 298, 8, 9, 10, 12});
    const auto size = static_cast<Index>(indices.size());
    std::vector<std::uint8_t> usable(at(size), 1);
    for (Index r = 0; r < size; r += 3) usable[at(r)] = 0;
    for (const Named& named : expressions(in)) {
        check::context() = named.name;
        const auto base = std::make_shared<BasisDesign>(named.expression);
        const Index cols = base->cols();
        const Vector all = written(*base);
        const RowSubset subset(base, indices);
        const Vector chosen = written(subset);
        // The last column is moved, which makes its part dense and leaves the others.
        Vector location(at(cols), 0.0);
        Vector spread(at(cols), 1.0);
        location.back() = 0.25;
        spread.back() = 2.0;
        const PreparedDesign zeroed(subset, usable, {}, {});
        const PreparedDesign moved(subset, usable, location, spread);
        for (const Index first : {0, 100, 159, 160}) {
            const Index count = std::min(block_rows, size - first);
            Workspace workspace;
            Workspace::Frame frame(workspace);
            const RowBlock of_subset = subset.block(first, count, frame);
            const RowBlock of_zeroed = zeroed.block(first, count, frame);
            const RowBlock of_moved = moved.block(first, count, frame);
            CHECK(has_sparse_part(of_subset) == named.sparse);
            CHECK(has_sparse_part(of_zeroed) == named.sparse);
            CHECK(!of_moved.parts[of_moved.n_parts - 1].sparse());
            const Vector a = expanded(of_subset);
            const Vector b = expanded(of_zeroed);
            const Vector c = expanded(of_moved);
            for (Index r = 0; r < count; ++r)
                for (Index j = 0; j < cols; ++j) {
                    const Index row = indices[at(first + r)];
                    const double value = all[at(row * cols + j)];
                    const bool used = usable[at(first + r)] != 0;
                    if (row_is_nan(all, row, cols)) continue;
                    CHECK(chosen[at((first + r) * cols + j)] == value);
                    CHECK(a[at(r * cols + j)] == value);
                    CHECK(b[at(r * cols + j)] == (used ? value : 0.0));
                    const double expected = j + 1 == cols ? (value - 0.25) / 2.0 : value;
                    CHECK(c[at(r * cols + j)] == (used ? expected : 0.0));
                }
        }
    }
}

TEST("column moments count the zeros that are not stored") {
    // Several lanes; the third function of the last spline is constant, the others zero.
    const Index n = 9000;
    Inputs in(n);
    in.x[3] = nan_value;
    const Vector constant(at(n), 0.35);
    std::vector<Named> cases = expressions(in);
    cases.push_back({"order 1 of a constant", Inputs::spline("BSpline", constant, 7, 1)});
    for (const Named& named : cases) {
        check::context() = named.name;
        const BasisDesign design(named.expression);
        const Index cols = design.cols();
        const Vector all = written(design);
        std::vector<std::uint8_t> used(at(n), 1);
        for (Index r = 0; r < n; r += 7) used[at(r)] = 0;
        std::vector<std::uint8_t> expected_used = used;
        Index expected_nan = 0;
        for (Index r = 0; r < n; ++r)
            if (row_is_nan(all, r, cols)) {
                expected_used[at(r)] = 0;
                ++expected_nan;
            }
        Index n_nan = 0;
        const ColumnMoments moments = column_moments(design, used, n_nan, {nullptr, 2});
        CHECK(used == expected_used && n_nan == expected_nan);
        for (Index c = 0; c < cols; ++c) {
            double sum = 0.0;
            double low = infinity;
            double high = -infinity;
            Index count = 0;
            for (Index r = 0; r < n; ++r) {
                if (used[at(r)] == 0) continue;
                const double value = all[at(r * cols + c)];
                sum += value;
                low = std::min(low, value);
                high = std::max(high, value);
                ++count;
            }
            const double mean = sum / static_cast<double>(count);
            double squares = 0.0;
            for (Index r = 0; r < n; ++r)
                if (used[at(r)] != 0)
                    squares += (all[at(r * cols + c)] - mean) * (all[at(r * cols + c)] - mean);
            CHECK(moments.n_used == count);
            CHECK_CLOSE(moments.mean[at(c)], mean, 1e-13 * (high - low + std::abs(mean)));
            if (low == high)
                CHECK(moments.sd[at(c)] == 0.0 && moments.mean[at(c)] == low);
            else
                CHECK_CLOSE(moments.sd[at(c)], std::sqrt(squares / static_cast<double>(count)),
                            1e-12 * (high - low));
        }
    }
}

TEST("an infinity in a sparse part is refused with its row and column") {
    // Densities of bounds that are too narrow for their reciprocal.
    const Vector x = {0.0, 5e-309, 1e-308};
    const BasisDesign design(make_evaluation(Basis("MSpline", {.n_basis_funcs = 9, .order = 2}),
                                             Inputs::view(x, 1), {Bounds{0.0, 1e-308}}, nan_value));
    std::vector<std::uint8_t> used(3, 1);
    Index n_nan = 0;
    CHECK_THROWS(column_moments(design, used, n_nan, {}), std::invalid_argument, "row 0, column 0");
    const Vector coef(9, 1.0);
    Vector mu(3);
    CHECK_THROWS(predict(design, coef, 0.0, {}, 0, mu.data(), {}), std::invalid_argument,
                 "row 0, column 0");
}
