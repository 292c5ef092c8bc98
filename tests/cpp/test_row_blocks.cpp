// Kernels on blocks of dense and sparse parts against plain loops.
#include <algorithm>
#include <random>

#include "check.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/design/design.hpp"

using namespace spikeglm;
using Index = std::ptrdiff_t;
using Vector = std::vector<double>;

namespace {

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

/// What a part looks like; n_runs of zero: dense.
struct Shape {
    Index cols = 0;
    Index n_runs = 0;
    Index run_length = 0;
};

/// A block with random values and runs in random order at random places, and the same as a matrix.
struct Example {
    Index rows;
    Index cols = 0;
    std::vector<Vector> values;
    std::vector<std::vector<std::int32_t>> starts;
    std::vector<RowPart> parts;
    Vector dense;

    Example(Index n, const std::vector<Shape>& shapes) : rows(n) {
        for (const Shape& shape : shapes) {
            const bool sparse = shape.n_runs > 0;
            const Index stored = sparse ? shape.n_runs * shape.run_length : shape.cols;
            const Index stride = stored + 2;
            values.push_back(random_vector(rows * stride + 1));
            starts.emplace_back();
            for (Index r = 0; sparse && r < rows; ++r) place_runs(shape);
            parts.push_back({cols, shape.cols, values.back().data(), stride,
                             sparse ? starts.back().data() : nullptr, sparse ? shape.n_runs : 1,
                             sparse ? shape.run_length : shape.cols});
            if (sparse && rows == 0) {
                starts.back().push_back(0);
                parts.back().starts = starts.back().data();
            }
            cols += shape.cols;
        }
        dense.assign(at(rows * cols), 0.0);
        for (const RowPart& part : parts)
            for (Index r = 0; r < rows; ++r)
                for (Index i = 0; i < part.stored(); ++i) {
                    const Index run = i / part.run_length;
                    const Index column =
                        part.sparse() ? part.starts[r * part.n_runs + run] + i % part.run_length
                                      : i;
                    dense[at(r * cols + part.first_col + column)] =
                        part.values[r * part.stride + i];
                }
    }

    /// Spreads the columns that runs leave free at random between them.
    void place_runs(const Shape& shape) {
        std::vector<Index> gaps(at(shape.n_runs + 1), 0);
        std::uniform_int_distribution<Index> which(0, shape.n_runs);
        for (Index i = shape.n_runs * shape.run_length; i < shape.cols; ++i)
            ++gaps[at(which(generator()))];
        std::vector<std::int32_t> row;
        Index column = 0;
        for (Index i = 0; i < shape.n_runs; ++i) {
            column += gaps[at(i)];
            row.push_back(static_cast<std::int32_t>(column));
            column += shape.run_length;
        }
        std::shuffle(row.begin(), row.end(), generator());
        starts.back().insert(starts.back().end(), row.begin(), row.end());
    }

    [[nodiscard]] RowBlock block() const {
        return {rows, cols, parts.data(), static_cast<Index>(parts.size())};
    }
    [[nodiscard]] double operator()(Index r, Index c) const { return dense[at(r * cols + c)]; }
};

const std::vector<std::vector<Shape>> shapes = {
    {{7, 1, 1}},
    {{9, 1, 4}},
    {{25, 4, 4}},
    {{13, 2, 3}},
    {{11, 3, 3}},
    {{8, 2, 2}},
    {{20, 4, 1}},
    {{23, 3, 5}},
    {{40, 6, 6}},
    {{12, 3, 4}},
    {{9, 1, 4}, {5}},
    {{5}, {9, 1, 4}},
    {{9, 4, 1}, {17, 4, 4}, {6, 1, 5}},
    {{3}, {30, 4, 4}, {7}, {12, 2, 3}, {2}},
};

std::string text_of(const std::vector<Shape>& parts, Index rows) {
    std::string text = std::to_string(rows) + " rows";
    for (const Shape& shape : parts)
        text += ", " + std::to_string(shape.n_runs) + " x " + std::to_string(shape.run_length) +
                " of " + std::to_string(shape.cols);
    return text;
}

template <class F>
void for_each_example(F&& f) {
    for (const auto& parts : shapes)
        for (const Index rows : {0, 1, 7, 128, 129}) {
            check::context() = text_of(parts, rows);
            f(Example(rows, parts));
        }
}

}  // namespace

TEST("products of blocks with sparse parts agree with plain loops") {
    for_each_example([](const Example& x) {
        for (const Index problems : {1, 2, 5}) {
            const Vector coef = random_vector(x.cols * problems);
            const Vector d = random_vector(x.rows * problems + 1);
            const Vector eta_before = random_vector(x.rows * problems + 1);
            const Vector out_before = random_vector(x.cols * problems);
            Vector eta = eta_before;
            Vector out = out_before;
            kernels().matvec(x.block(), coef.data(), x.cols, problems, eta.data(), x.rows);
            kernels().transpose_matvec(x.block(), d.data(), x.rows, problems, out.data(), x.cols);
            for (Index m = 0; m < problems; ++m) {
                for (Index r = 0; r < x.rows; ++r) {
                    double sum = eta_before[at(r + m * x.rows)];
                    for (Index c = 0; c < x.cols; ++c) sum += x(r, c) * coef[at(c + m * x.cols)];
                    CHECK_CLOSE(eta[at(r + m * x.rows)], sum, 1e-13);
                }
                for (Index c = 0; c < x.cols; ++c) {
                    double sum = out_before[at(c + m * x.cols)];
                    for (Index r = 0; r < x.rows; ++r) sum += x(r, c) * d[at(r + m * x.rows)];
                    CHECK_CLOSE(out[at(c + m * x.cols)], sum, 1e-12);
                }
            }
        }
    });
}

TEST("the sandwich of blocks with sparse parts has every pair of columns once") {
    for_each_example([](const Example& x) {
        const Vector w = random_vector(x.rows + 1);  // both signs
        const Index stride = x.cols + 1;
        Vector out(at(stride * x.cols), 0.0);
        Vector scratch(at(x.rows * x.cols + 1));
        kernels().sandwich(x.block(), w.data(), out.data(), stride, scratch.data());
        for (Index j = 0; j < x.cols; ++j) {
            for (Index i = j; i < x.cols; ++i) {
                double sum = 0.0;
                for (Index r = 0; r < x.rows; ++r) sum += w[at(r)] * x(r, i) * x(r, j);
                const double found =
                    out[at(i + j * stride)] + (i == j ? 0.0 : out[at(j + i * stride)]);
                CHECK_CLOSE(found, sum, 1e-12);
            }
            CHECK(out[at(x.cols + j * stride)] == 0.0);
        }
    });
}

TEST("the row-wise product of two parts is the Kronecker product of their rows") {
    const std::vector<Shape> factors = {{6}, {12, 2, 4}, {6, 2, 1}, {18, 4, 3}, {14, 2, 6}};
    for (const Shape& a : factors)
        for (const Shape& b : factors)
            for (const Index rows : {0, 1, 9}) {
                check::context() = text_of({a, b}, rows);
                const Example left(rows, {a});
                const Example right(rows, {b});
                const RowPart& l = left.parts.front();
                const RowPart& r = right.parts.front();
                const Index stored = l.stored() * r.stored();
                Vector values(at(rows * stored + 1), -7.0);
                std::vector<std::int32_t> starts(at(rows * l.stored() * r.n_runs) + 1, -7);
                const bool sparse = l.sparse() || r.sparse();
                kernels().multiply(l, r, 1, rows, values.data(), stored,
                                   sparse ? starts.data() : nullptr);
                CHECK(values.back() == -7.0 && starts.back() == -7);
                const RowPart product{0,
                                      l.cols * r.cols,
                                      values.data(),
                                      stored,
                                      sparse ? starts.data() : nullptr,
                                      sparse ? l.stored() * r.n_runs : 1,
                                      sparse ? r.run_length : l.cols * r.cols};
                Vector out(at(rows * product.cols));
                expand(product, rows, out.data(), product.cols);
                for (Index row = 0; row < rows; ++row)
                    for (Index i = 0; i < l.cols; ++i)
                        for (Index j = 0; j < r.cols; ++j)
                            CHECK(out[at((row * l.cols + i) * r.cols + j)] ==
                                  left(row, i) * right(row, j));
            }
}
