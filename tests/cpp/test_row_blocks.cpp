// Kernels on blocks of dense and sparse parts against plain loops.
#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <utility>

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

/// What a part looks like; n_runs of zero: dense. With `slow_cols` it is factored: a slow factor of
/// as many columns and a run of n_runs, times a fast one of `cols` with a run of run_length.
struct Shape {
    Index cols = 0;
    Index n_runs = 0;
    Index run_length = 0;
    Index slow_cols = 0;
};

/// A block with random values and runs in random order at random places, and the same as a matrix.
struct Example {
    Index rows;
    Index cols = 0;
    std::vector<Vector> values;
    std::vector<std::vector<std::int32_t>> starts;
    std::vector<RowPart> parts;
    Vector dense;

    std::vector<std::array<RowPart, 2>> factors;

    Example(Index n, const std::vector<Shape>& shapes) : rows(n), factors(shapes.size()) {
        for (std::size_t k = 0; k < shapes.size(); ++k) {
            const Shape& shape = shapes[k];
            if (shape.slow_cols > 0) {
                factors[k] = {leaf({shape.slow_cols, 1, shape.n_runs}),
                              leaf({shape.cols, 1, shape.run_length})};
                RowPart part;
                part.cols = shape.slow_cols * shape.cols;
                part.n_runs = shape.n_runs;
                part.run_length = shape.run_length;
                part.factors = factors[k].data();
                parts.push_back(part);
            } else {
                parts.push_back(leaf(shape));
            }
            parts.back().first_col = cols;
            cols += parts.back().cols;
        }
        dense.assign(at(rows * cols), 0.0);
        for (const RowPart& part : parts)
            for (Index r = 0; r < rows; ++r)
                for (Index i = 0; i < part.stored(); ++i) {
                    const auto [column, value] = stored(part, r, i);
                    dense[at(r * cols + part.first_col + column)] = value;
                }
    }

    RowPart leaf(const Shape& shape) {
        const bool sparse = shape.n_runs > 0;
        const Index stored = sparse ? shape.n_runs * shape.run_length : shape.cols;
        const Index stride = stored + 2;
        values.push_back(random_vector(rows * stride + 1));
        starts.emplace_back();
        for (Index r = 0; sparse && r < rows; ++r) place_runs(shape);
        if (sparse && rows == 0) starts.back().push_back(0);
        return {0,
                shape.cols,
                values.back().data(),
                stride,
                sparse ? starts.back().data() : nullptr,
                sparse ? shape.n_runs : 1,
                sparse ? shape.run_length : shape.cols};
    }

    /// Value i of row r with its column.
    static std::pair<Index, double> stored(const RowPart& part, Index r, Index i) {
        const Index run = i / part.run_length;
        const Index within = i % part.run_length;
        if (part.factored()) {
            const auto [slow, a] = stored(part.factors[0], r, run);
            const auto [fast, b] = stored(part.factors[1], r, within);
            return {slow * part.factors[1].cols + fast, a * b};
        }
        return {part.sparse() ? part.starts[r * part.n_runs + run] + within : i,
                part.values[r * part.stride + i]};
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
    {{6, 4, 4, 7}},
    {{4, 4, 4, 4}},
    {{5, 3, 3, 6}},
    {{6, 4, 2, 5}},
    {{7, 1, 3, 4}},
    {{5, 2, 4, 6}},
    {{4, 1, 1, 3}},
    {{6, 2, 2, 20}},
    {{6, 4, 3, 5}, {4}},
    {{3}, {5}},
    {{13}, {2}, {9}},
    {{13}, {9, 1, 4}, {2}, {6, 4, 2, 5}, {9}},
    {{5}, {6, 4, 4, 5}, {9, 1, 4}},
    {{9, 4, 1}, {5, 3, 4, 5}, {4, 2, 3, 4}, {3}},
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
        const Vector coef = random_vector(x.cols);
        const Vector d = random_vector(x.rows + 1);
        const Vector eta_before = random_vector(x.rows + 1);
        const Vector out_before = random_vector(x.cols + 1);
        Vector eta = eta_before;
        Vector out = out_before;
        kernels().matvec(x.block(), coef.data(), eta.data());
        kernels().transpose_matvec(x.block(), d.data(), out.data());
        for (Index r = 0; r < x.rows; ++r) {
            double sum = eta_before[at(r)];
            for (Index c = 0; c < x.cols; ++c) sum += x(r, c) * coef[at(c)];
            CHECK_CLOSE(eta[at(r)], sum, 1e-13);
        }
        for (Index c = 0; c < x.cols; ++c) {
            double sum = out_before[at(c)];
            for (Index r = 0; r < x.rows; ++r) sum += x(r, c) * d[at(r)];
            CHECK_CLOSE(out[at(c)], sum, 1e-12);
        }
        CHECK(eta.back() == eta_before.back());
        CHECK(out.back() == out_before.back());
    });
}

TEST("products with many problems side by side agree with plain loops") {
    for_each_example([](const Example& x) {
        for (const Index problems : {1, 4, 8, 13, 25, 50}) {
            const Index filled = (problems + problem_lanes - 1) / problem_lanes * problem_lanes;
            const Index stride = filled + 3;
            const Vector coef = random_vector(x.cols * stride);
            const Vector d = random_vector(x.rows * problems + 1);
            const Vector eta_before = random_vector(x.rows * problems + 1);
            const Vector out_before = random_vector(x.cols * stride);
            Vector eta = eta_before;
            Vector out = out_before;
            kernels().matvec_many(x.block(), coef.data(), stride, problems, eta.data(), x.rows);
            kernels().transpose_matvec_many(x.block(), d.data(), x.rows, problems, out.data(),
                                            stride);
            for (Index m = 0; m < problems; ++m) {
                for (Index r = 0; r < x.rows; ++r) {
                    double sum = eta_before[at(r + m * x.rows)];
                    for (Index c = 0; c < x.cols; ++c) sum += x(r, c) * coef[at(c * stride + m)];
                    CHECK_CLOSE(eta[at(r + m * x.rows)], sum, 1e-13);
                }
                for (Index c = 0; c < x.cols; ++c) {
                    double sum = out_before[at(c * stride + m)];
                    for (Index r = 0; r < x.rows; ++r) sum += x(r, c) * d[at(r + m * x.rows)];
                    CHECK_CLOSE(out[at(c * stride + m)], sum, 1e-12);
                }
            }
            CHECK(eta.back() == eta_before.back());
            for (Index c = 0; c < x.cols; ++c)
                for (Index m = filled; m < stride; ++m)
                    CHECK(out[at(c * stride + m)] == out_before[at(c * stride + m)]);
        }
    });
}

TEST("sums of products, added up over blocks, have every pair of columns once") {
    for_each_example([](const Example& x) {
        for (const Index n_vectors : {1, 2}) {
            const Index d_stride = x.rows + 1;
            const Vector d = random_vector(n_vectors * d_stride);  // weights of both signs
            const double* w = d.data() + (n_vectors - 1) * d_stride;
            const RowBlock block = x.block();
            RowBlock parts = block;
            parts.rows = 0;
            Vector sums(at(kernels().products_size(parts, n_vectors)), 0.0);
            Vector scratch(at(x.rows * x.cols + 1));
            for (int repeat = 0; repeat < 2; ++repeat)
                kernels().add_products(block, d.data(), d_stride, n_vectors, sums.data(),
                                       scratch.data());
            Vector out(at(x.cols * (n_vectors + x.cols) + 1), -7.0);
            kernels().collect_products(parts, n_vectors, sums.data(), out.data());
            CHECK(out.back() == -7.0);
            for (Index m = 0; m < n_vectors; ++m)
                for (Index c = 0; c < x.cols; ++c) {
                    double sum = 0.0;
                    for (Index r = 0; r < x.rows; ++r) sum += x(r, c) * d[at(r + m * d_stride)];
                    CHECK_CLOSE(out[at(c + m * x.cols)], 2.0 * sum, 1e-12);
                }
            const double* sandwich = out.data() + n_vectors * x.cols;
            for (Index j = 0; j < x.cols; ++j)
                for (Index i = j; i < x.cols; ++i) {
                    double sum = 0.0;
                    for (Index r = 0; r < x.rows; ++r) sum += w[r] * x(r, i) * x(r, j);
                    const double found =
                        sandwich[i + j * x.cols] + (i == j ? 0.0 : sandwich[j + i * x.cols]);
                    CHECK_CLOSE(found, 2.0 * sum, 2e-12);
                }
        }
    });
}

TEST("products of dense columns are exact to rounding for all sizes and strides") {
    for (const Index rows : {0, 1, 63, 64, 65, 200, 1024})
        for (const Index cols : {1,  2,  3,  4,  5,  7,  8,  9,  11, 12, 13, 15,  16, 17,
                                 20, 23, 24, 25, 31, 32, 33, 47, 48, 49, 50, 100, 131})
            for (const Index gap : {0, 5}) {
                check::context() = std::to_string(rows) + " x " + std::to_string(cols) + ", gap " +
                                   std::to_string(gap);
                const Index stride = cols + gap;
                // Exactly what the rows take: a sanitizer sees every read beyond.
                const Vector data = random_vector(rows == 0 ? 0 : (rows - 1) * stride + cols);
                const Vector d = random_vector(2 * rows + 1);  // weights of both signs
                // The sums, as they are collected, and those of the magnitudes.
                Vector expected(at(cols * (2 + cols)), 0.0);
                Vector scale = expected;
                const auto add = [&](Index i, double term) {
                    expected[at(i)] += term;
                    scale[at(i)] += std::abs(term);
                };
                for (Index r = 0; r < rows; ++r) {
                    const double* x = data.data() + r * stride;
                    const double w = d[at(r + rows + 1)];
                    for (Index j = 0; j < cols; ++j) {
                        add(j, d[at(r)] * x[j]);
                        add(cols + j, w * x[j]);
                        for (Index i = j; i < cols; ++i) add(i + (2 + j) * cols, w * x[i] * x[j]);
                    }
                }
                // One dense part, and the same columns as two.
                const Index first = cols / 2;
                const double* later = data.data() + (rows == 0 ? 0 : first);
                const RowPart one = RowPart::dense(data.data(), cols, stride);
                const std::array<RowPart, 2> two = {
                    RowPart::dense(data.data(), first, stride),
                    RowPart::dense(later, cols - first, stride, first)};
                for (const RowBlock& block :
                     {RowBlock{rows, cols, &one, 1}, RowBlock{rows, cols, two.data(), 2}}) {
                    Vector scratch(at(rows * cols));
                    Vector sums(at(kernels().products_size(block, 2)), 0.0);
                    Vector found(expected.size());
                    kernels().add_products(block, d.data(), rows + 1, 2, sums.data(),
                                           scratch.data());
                    kernels().collect_products(block, 2, sums.data(), found.data());
                    for (Index j = 0; j < 2 + cols; ++j)
                        for (Index i = std::max<Index>(j - 2, 0); i < cols; ++i) {
                            double sum = found[at(i + j * cols)];
                            if (j >= 2 && i > j - 2) sum += found[at(j - 2 + (2 + i) * cols)];
                            CHECK(std::abs(sum - expected[at(i + j * cols)]) <=
                                  1e-13 * scale[at(i + j * cols)]);
                        }
                }
            }
}

TEST("moments of cells are those of the rows in use") {
    for_each_example([](const Example& x) {
        const RowPart& part = x.parts.front();
        if (!part.factored()) return;
        std::vector<std::uint8_t> used(at(x.rows + 1), 1);
        for (Index r = 0; r < x.rows; r += 3) used[at(r)] = 0;
        const Cells cells(part);
        const Index stored = part.stored();
        const Index size = cell_moments_size(stored);
        Vector sums(at(cells.count() * size), 0.0);
        kernels().add_cell_moments(part, x.rows, used.data(), sums.data());
        Vector expected(sums.size(), 0.0);
        for (Index r = 0; r < x.rows; ++r) {
            if (used[at(r)] == 0) continue;
            double* cell = expected.data() + cells.of_row(r) * size;
            const bool first = cell[0]++ == 0.0;
            for (Index i = 0; i < stored; ++i) {
                const auto [column, value] = Example::stored(part, r, i);
                CHECK(column == cells.first_col(cells.of_row(r)) +
                                    i / part.run_length * part.factors[1].cols +
                                    i % part.run_length);
                double* own = cell + 1 + i;
                if (first) own[0] = own[3 * stored] = own[4 * stored] = value;
                own[stored] += value - own[0];
                own[2 * stored] += (value - own[0]) * (value - own[0]);
                own[3 * stored] = std::min(own[3 * stored], value);
                own[4 * stored] = std::max(own[4 * stored], value);
            }
        }
        for (std::size_t i = 0; i < sums.size(); ++i) CHECK_CLOSE(sums[i], expected[i], 1e-12);
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
