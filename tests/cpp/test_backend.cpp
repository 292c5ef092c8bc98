// Views, the cutting of rows into blocks, and the kernels against plain loops.
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <numbers>
#include <random>
#include <stdexcept>

#include "check.hpp"
#include "spikeglm/backend/array_view.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/row_pass.hpp"
#include "spikeglm/backend/workspace.hpp"

using namespace spikeglm;
using Index = std::ptrdiff_t;
using Vector = std::vector<double>;

namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Vector random_vector(Index size, unsigned seed) {
    std::mt19937_64 generator(seed);
    std::normal_distribution<double> normal;
    Vector values(at(size));
    for (double& value : values) value = normal(generator);
    return values;
}

template <class T>
void check_views(ElementType type) {
    constexpr Index rows = 7;
    constexpr Index cols = 5;
    constexpr auto size = static_cast<Index>(sizeof(T));
    // One byte off, so that no element is aligned.
    std::vector<char> memory(at(rows * cols * size) + 1);
    char* base = memory.data() + 1;
    const auto value = [](Index r, Index c) {
        const auto sign = std::numeric_limits<T>::is_signed ? -1.0 : 1.0;
        return (c % 2 ? 1.0 : sign) * static_cast<double>(10 * r + c);
    };
    for (Index r = 0; r < rows; ++r)
        for (Index c = 0; c < cols; ++c) {
            const T element = static_cast<T>(value(r, c));
            std::memcpy(base + (r * cols + c) * size, &element, sizeof(T));
        }

    struct Layout {
        const char* what;
        MatrixView view;
        Index (*row)(Index);
        Index (*col)(Index);
    };
    const auto same = [](Index i) { return i; };
    const auto zero = [](Index) { return Index{0}; };
    const Index wide = cols * size;
    const Layout layouts[] = {
        {"as it lies", {base, type, rows, cols, wide, size}, same, same},
        {"rows backwards",
         {base + (rows - 1) * wide, type, rows, cols, -wide, size},
         [](Index r) { return rows - 1 - r; },
         same},
        {"columns backwards",
         {base + (cols - 1) * size, type, rows, cols, wide, -size},
         same,
         [](Index c) { return cols - 1 - c; }},
        {"every second row and column",
         {base, type, (rows + 1) / 2, (cols + 1) / 2, 2 * wide, 2 * size},
         [](Index r) { return 2 * r; },
         [](Index c) { return 2 * c; }},
        {"one row repeated", {base, type, 100, cols, 0, size}, zero, same},
        {"one column repeated", {base, type, rows, 9, wide, 0}, same, zero},
    };
    for (const Layout& layout : layouts) {
        check::context() = layout.what;
        const MatrixView& view = layout.view;
        CHECK(view.contiguous_row(0) == nullptr);
        const Index first = 1;
        const Index count = view.rows - 2;
        const Index stride = view.cols + 3;
        Vector out(at(count * stride), -99.0);
        view.load(first, count, out.data(), stride);
        for (Index r = 0; r < count; ++r)
            for (Index c = 0; c < stride; ++c)
                CHECK(out[at(r * stride + c)] ==
                      (c < view.cols ? value(layout.row(first + r), layout.col(c)) : -99.0));
        for (Index c = 0; c < view.cols; ++c) {
            const ColumnView column = view.column(c);
            CHECK(column.size == view.rows);
            Vector loaded(at(count));
            column.load(first, count, loaded.data());
            for (Index r = 0; r < count; ++r)
                CHECK(loaded[at(r)] == value(layout.row(first + r), layout.col(c)));
        }
    }
}

}  // namespace

TEST("views convert every element type, whatever strides and alignment") {
    check_views<double>(ElementType::f64);
    check_views<float>(ElementType::f32);
    check_views<std::int64_t>(ElementType::i64);
    check_views<std::int32_t>(ElementType::i32);
    check_views<std::int16_t>(ElementType::i16);
    check_views<std::int8_t>(ElementType::i8);
    check_views<std::uint64_t>(ElementType::u64);
    check_views<std::uint32_t>(ElementType::u32);
    check_views<std::uint16_t>(ElementType::u16);
    check_views<std::uint8_t>(ElementType::u8);
}

TEST("rows are used in place only where they are aligned float64 with adjacent columns") {
    const Vector memory(64);
    constexpr Index element = sizeof(double);
    const auto in_place = [&](const MatrixView& view) { return view.contiguous_row(2); };
    CHECK(in_place({memory.data(), ElementType::f64, 8, 4, 4 * element}) == memory.data() + 8);
    CHECK(in_place({memory.data(), ElementType::f64, 8, 3, 4 * element}) == memory.data() + 8);
    CHECK(in_place({memory.data(), ElementType::f64, 8, 1, 4 * element, 0}) == memory.data() + 8);
    CHECK(in_place({memory.data(), ElementType::f64, 8, 4, element, 8 * element}) == nullptr);
    CHECK(in_place({memory.data() + 56, ElementType::f64, 8, 4, -4 * element}) == nullptr);
    CHECK(in_place({memory.data(), ElementType::i64, 8, 4, 4 * element}) == nullptr);
    CHECK(in_place({memory.data(), ElementType::f64, 8, 4, 4 * element + 1}) == nullptr);
}

TEST("lanes cover all rows exactly once, in blocks") {
    for (const Index n : {0, 1, 127, 128, 129, 1000, 1023, 1024, 1025, 2048, 40000, 1000003})
        for (const Index size : {0, 1, 100, 10000, 4000000}) {
            check::context() = std::to_string(n) + " rows, sums of " + std::to_string(size);
            const RowPlan plan = RowPlan::make(n, size);
            CHECK(plan.n_lanes >= 1 && plan.n_lanes <= 32);
            CHECK(plan.lane_begin(0) == 0 && plan.lane_begin(plan.n_lanes) == n);
            Index next = 0;
            Index previous_lane = 0;
            Index smallest = n;
            for_each_block(
                plan, {{}, 1}, [&](Index lane, Index first, Index count, Workspace::Frame&) {
                    CHECK(lane == previous_lane || lane == previous_lane + 1);
                    CHECK(first == next && count >= 1 && count <= block_rows);
                    CHECK(count == block_rows || first + count == n);
                    smallest =
                        std::min(smallest, plan.lane_begin(lane + 1) - plan.lane_begin(lane));
                    next = first + count;
                    previous_lane = lane;
                });
            CHECK(next == n);
            CHECK(plan.n_lanes == 1 || smallest >= 7 * block_rows);
            // Beyond four lanes the sums stay within their memory.
            CHECK(plan.n_lanes <= 4 || plan.n_lanes * size * 8 <= (Index{4} << 20));
        }
}

TEST("a pass stops where the monitor throws") {
    int calls = 0;
    int blocks = 0;
    const Monitor monitor = [&] {
        if (++calls == 3) throw std::runtime_error("stop");
    };
    CHECK_THROWS(for_each_block(RowPlan::make(10000, 1), {monitor, 1},
                                [&](Index, Index, Index, Workspace::Frame&) { ++blocks; }),
                 std::runtime_error, "stop");
    CHECK(blocks == 2);
}

TEST("lanes are added in a tree that depends on their number only") {
    for (const int n : {1, 2, 3, 4, 5, 13, 64}) {
        std::vector<Vector> lanes;
        Vector expected(2, 0.0);
        for (int i = 0; i < n; ++i) {
            lanes.push_back({static_cast<double>(i), 1.0});
            expected[0] += i;
            expected[1] += 1.0;
        }
        add_lanes(lanes);
        CHECK(lanes.front() == expected);
    }
    std::vector<Vector> lanes = {{1.0}, {1e-17}, {1e-17}, {-1.0}};
    add_lanes(lanes);
    CHECK(lanes[0][0] == (1.0 + 1e-17) + (1e-17 - 1.0));
}

TEST("the workspace hands out memory that does not overlap and is used again") {
    Workspace workspace;
    const double* first = nullptr;
    for (int turn = 0; turn < 3; ++turn) {
        Workspace::Frame frame(workspace);
        double* a = frame.take(100);
        double* b = frame.take(100);
        CHECK(a + 100 <= b || b + 100 <= a);
        if (turn == 0) first = a;
        CHECK(a == first);
        Workspace::Frame inner(workspace);
        CHECK(inner.take(10) != b);
    }
}

TEST("block products agree with plain loops") {
    for (const Index rows : {0, 1, 7, 8, 9, 127, 128, 129})
        for (Index cols = 1; cols <= 17; ++cols)
            for (const Index gap : {0, 3})
                for (const Index problems : {1, 3, 9}) {
                    check::context() = std::to_string(rows) + " x " + std::to_string(cols) +
                                       ", gap " + std::to_string(gap) + ", " +
                                       std::to_string(problems) + " problems";
                    const Index stride = cols + gap;
                    const Vector data = random_vector(rows * stride, 1);
                    const RowPart part = RowPart::dense(data.data(), cols, stride);
                    const RowBlock x{rows, cols, &part, 1};
                    const auto entry = [&](Index r, Index c) { return data[at(r * stride + c)]; };
                    const Index long_rows = rows + 2;
                    const Index width = problems == 1 ? 1 : 2 * problem_lanes + 1;
                    const Vector coef = random_vector((cols + 1) * width, 2);
                    const Vector d = random_vector(long_rows * problems, 3);
                    // What is there already is added to, what lies between is left alone.
                    const Vector eta_before = random_vector(long_rows * problems, 4);
                    const Vector out_before = random_vector((cols + 1) * width, 5);
                    Vector eta = eta_before;
                    Vector out = out_before;
                    if (problems == 1) {
                        kernels().matvec(x, coef.data(), eta.data());
                        kernels().transpose_matvec(x, d.data(), out.data());
                    } else {
                        kernels().matvec_many(x, coef.data(), width, problems, eta.data(),
                                              long_rows);
                        kernels().transpose_matvec_many(x, d.data(), long_rows, problems,
                                                        out.data(), width);
                    }
                    for (Index m = 0; m < problems; ++m) {
                        for (Index r = 0; r < long_rows; ++r) {
                            double sum = eta_before[at(r + m * long_rows)];
                            for (Index c = 0; r < rows && c < cols; ++c)
                                sum += entry(r, c) * coef[at(c * width + m)];
                            CHECK_CLOSE(eta[at(r + m * long_rows)], sum, 1e-12);
                        }
                        for (Index c = 0; c <= cols; ++c) {
                            double sum = out_before[at(c * width + m)];
                            for (Index r = 0; c < cols && r < rows; ++r)
                                sum += entry(r, c) * d[at(r + m * long_rows)];
                            CHECK_CLOSE(out[at(c * width + m)], sum, 1e-12);
                        }
                    }
                }
}

TEST("the Cholesky factor solves, and refuses what is not positive definite") {
    for (const Index n : {1, 2, 7, 33, 130}) {
        check::context() = std::to_string(n);
        const Vector root = random_vector(n * n, 8);
        Vector matrix(at(n * n), 0.0);
        for (Index i = 0; i < n; ++i)
            for (Index j = 0; j < n; ++j) {
                for (Index k = 0; k < n; ++k)
                    matrix[at(i + j * n)] += root[at(i + k * n)] * root[at(j + k * n)];
                matrix[at(i + j * n)] += i == j ? 1.0 : 0.0;
            }
        const Vector expected = random_vector(n, 9);
        Vector x(at(n), 0.0);
        for (Index i = 0; i < n; ++i)
            for (Index j = 0; j < n; ++j) x[at(i)] += matrix[at(i + j * n)] * expected[at(j)];
        Vector factor = matrix;
        CHECK(kernels().cholesky(n, factor.data()));
        kernels().cholesky_solve(n, factor.data(), x.data());
        for (Index i = 0; i < n; ++i) CHECK_CLOSE(x[at(i)], expected[at(i)], 1e-10);
        matrix.back() -= 1e4 * static_cast<double>(n);
        CHECK(!kernels().cholesky(n, matrix.data()));
    }
}

TEST("the sandwich agrees with plain loops, negative weights included") {
    for (const Index rows : {0, 1, 7, 8, 9, 127, 128, 129})
        for (Index cols = 1; cols <= 17; ++cols) {
            check::context() = std::to_string(rows) + " x " + std::to_string(cols);
            const Index stride = cols + 2;
            const Vector data = random_vector(rows * stride, 6);
            const Vector w = random_vector(rows, 7);  // both signs
            Vector scratch(at(rows * cols));
            const RowPart part = RowPart::dense(data.data(), cols, stride);
            const RowBlock x{rows, cols, &part, 1};
            Vector sums(at(kernels().products_size(x, 1)), 0.0);
            kernels().add_products(x, w.data(), rows, 1, sums.data(), scratch.data());
            Vector out(at(cols * (1 + cols)));
            kernels().collect_products(x, 1, sums.data(), out.data());
            for (Index j = 0; j < cols; ++j)
                for (Index i = 0; i < cols; ++i) {
                    double sum = 0.0;
                    for (Index r = 0; i >= j && r < rows; ++r)
                        sum += w[at(r)] * data[at(r * stride + i)] * data[at(r * stride + j)];
                    CHECK_CLOSE(out[at(cols + i + j * cols)], sum, 1e-12);
                }
        }
}

TEST("convolutions agree with a plain loop and do not depend on how rows are cut") {
    for (const Index window : {1, 2, 5, 31})
        for (const Index n_cols : {1, 2, 3, 5, 8})
            for (const bool sparse : {false, true}) {
                check::context() =
                    "window " + std::to_string(window) + ", " + std::to_string(n_cols) + " columns";
                constexpr Index n = 150;
                const Index stride = n_cols + 2;
                const Vector kernel = random_vector(window * n_cols, 9);
                Vector x = random_vector(n + dense_tile_rows + window - 1, 10);
                for (Index s = 0; sparse && s < n + window - 1; ++s)
                    if (s % 11) x[at(s)] = s % 2 ? 0.0 : -0.0;
                const auto events = [&](Index first, Index count, double* out) {
                    kernels().convolve_events(kernel.data(), window, n_cols, x.data() + first,
                                              count, out + first * n_cols);
                };
                const auto dense = [&](Index first, Index count, double* out) {
                    kernels().convolve_dense(kernel.data(), window, n_cols, x.data() + first, count,
                                             out + first * stride, stride);
                };
                Vector by_events(at(n * n_cols), 0.0);
                Vector by_tiles(at(n * stride), 7.0);
                events(0, n, by_events.data());
                dense(0, n, by_tiles.data());
                for (Index r = 0; r < n; ++r)
                    for (Index c = 0; c < stride; ++c) {
                        double sum = c < n_cols ? 0.0 : 7.0;  // what lies between stays
                        for (Index k = 0; c < n_cols && k < window; ++k)
                            sum += kernel[at(k * n_cols + c)] * x[at(r + window - 1 - k)];
                        CHECK_CLOSE(by_tiles[at(r * stride + c)], sum, 1e-12);
                        if (c < n_cols) CHECK_CLOSE(by_events[at(r * n_cols + c)], sum, 1e-12);
                    }
                for (const Index block : {1, 7, 64, 128, 149}) {
                    Vector cut_events(by_events.size(), 0.0);
                    Vector cut_tiles(by_tiles.size(), 7.0);
                    for (Index first = 0; first < n; first += block) {
                        events(first, std::min(block, n - first), cut_events.data());
                        dense(first, std::min(block, n - first), cut_tiles.data());
                    }
                    CHECK(cut_events == by_events);  // the same bits
                    CHECK(cut_tiles == by_tiles);
                }
            }
}

TEST("Fourier transforms hold the sums of the definition, and their products convolve") {
    using Complex = std::complex<double>;
    for (const Index size : {1, 2, 4, 8, 64, 128}) {
        check::context() = "size " + std::to_string(size);
        const auto root = [&](Index m) {
            return std::polar(1.0, -2.0 * std::numbers::pi * static_cast<double>(m % size) /
                                       static_cast<double>(size));
        };
        Vector twiddles;
        for (Index m = 0; m < size; ++m) {
            twiddles.push_back(root(m).real());
            twiddles.push_back(root(m).imag());
        }
        const Vector signal = random_vector(2 * fft_lanes * size, 11);
        const Vector filter = random_vector(2 * size, 12);
        const auto sample = [&](const Vector& data, Index i, Index lane) {
            const Index re = 2 * fft_lanes * i + lane;
            return Complex(data[at(re)], data[at(re + fft_lanes)]);
        };
        Vector spectrum = signal;
        kernels().fft_forward(size, twiddles.data(), spectrum.data());
        for (Index lane = 0; lane < fft_lanes; ++lane)
            for (Index frequency = 0; frequency < size; ++frequency) {
                Complex sum = 0.0;
                for (Index i = 0; i < size; ++i)
                    sum += sample(signal, i, lane) * root(i * frequency);
                Index place = 0;  // the frequency's binary digits, reversed
                for (Index bit = 1; bit < size; bit *= 2) place = 2 * place + (frequency / bit) % 2;
                CHECK_CLOSE(std::abs(sample(spectrum, place, lane) - sum), 0.0, 1e-12);
            }

        Vector filter_lanes(signal.size(), 0.0);
        for (Index i = 0; i < size; ++i)
            for (const Index part : {0, 1})
                filter_lanes[at(2 * fft_lanes * i + part * fft_lanes)] = filter[at(2 * i + part)];
        kernels().fft_forward(size, twiddles.data(), filter_lanes.data());
        Vector filter_spectrum;
        for (Index i = 0; i < size; ++i) {
            filter_spectrum.push_back(sample(filter_lanes, i, 0).real());
            filter_spectrum.push_back(sample(filter_lanes, i, 0).imag());
        }
        Vector out(signal.size());
        kernels().fft_filter(size, twiddles.data(), filter_spectrum.data(), spectrum.data(),
                             out.data());
        for (Index lane = 0; lane < fft_lanes; ++lane)
            for (Index i = 0; i < size; ++i) {
                Complex sum = 0.0;
                for (Index k = 0; k < size; ++k)
                    sum += Complex(filter[at(2 * k)], filter[at(2 * k + 1)]) *
                           sample(signal, (i - k + size) % size, lane);
                const double n = static_cast<double>(size);
                CHECK_CLOSE(std::abs(sample(out, i, lane) / n - sum), 0.0, 1e-12);
            }
    }
}

TEST("compress keeps what is not zero, in order, in both precisions") {
    for (const Index n : {0, 1, 7, 8, 9, 64, 67})
        for (const int every : {1, 2, 3, 1000}) {
            // Every 1st, 2nd, ... is not zero; negative zeros are zeros, a NaN is not.
            Vector x(at(n), -0.0);
            Vector expected;
            std::vector<std::int32_t> places;
            for (Index i = 0; i < n; i += every) {
                x[at(i)] = i == 6 ? std::nan("") : 0.5 + static_cast<double>(i);
                expected.push_back(x[at(i)]);
                places.push_back(static_cast<std::int32_t>(i));
            }
            const auto check = [&](auto values, auto kernel) {
                // One element beyond, which is nobody's.
                values.assign(at(n) + 1, 99);
                std::vector<std::int32_t> rows(at(n) + 1, 99);
                const Index count = kernel(x.data(), n, values.data(), rows.data());
                CHECK(count == static_cast<Index>(expected.size()));
                CHECK(values.back() == 99 && rows.back() == 99);
                CHECK(std::equal(places.begin(), places.end(), rows.begin()));
                for (Index i = 0; i < count; ++i)
                    CHECK(static_cast<double>(values[at(i)]) == expected[at(i)] ||
                          (std::isnan(values[at(i)]) && std::isnan(expected[at(i)])));
            };
            check(Vector(), kernels().compress);
            check(std::vector<float>(), kernels().compress_single);
        }
}

TEST("the configuration names what is in use") {
    const Config in_use = config();
    CHECK(!in_use.version.empty() && !in_use.compiler.empty() && !in_use.eigen.empty());
    CHECK(in_use.isa == kernels().isa);
    CHECK(in_use.kernel_path.find("spikeglm_kernels_" + in_use.isa) != std::string::npos);
    CHECK(in_use.kernel_path.front() == '/');
    CHECK(kernels().abi == kernel_abi);
}
