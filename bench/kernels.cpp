// Times the kernels on blocks that stay in cache, beside what the machine can do at most. One
// thread. The level of the kernels is the library's choice.
#include "spikeglm/backend/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "peaks.hpp"
#include "spikeglm/backend/type_list.hpp"
#include "spikeglm/basis/all.hpp"
#include "spikeglm/glm/inverse_link.hpp"
#include "spikeglm/glm/observation/all.hpp"

using namespace spikeglm;
using Index = std::ptrdiff_t;
using Vector = std::vector<double>;

namespace {

constexpr Index rows = 128;

Vector random_vector(Index size, double low, double high) {
    static std::mt19937_64 generator(1);
    std::uniform_real_distribution<double> uniform(low, high);
    Vector values(static_cast<std::size_t>(size));
    for (double& value : values) value = uniform(generator);
    return values;
}

/// Median seconds per call: 15 batches of calls, of 5 ms each.
template <class F>
double seconds_of(F&& f) {
    long calls = 1;
    const auto batch = [&] {
        const double start = peaks::now();
        for (long i = 0; i < calls; ++i) f();
        return peaks::now() - start;
    };
    while (batch() < 5e-3) calls *= 2;
    std::vector<double> times(15);
    for (double& time : times) time = batch() / static_cast<double>(calls);
    std::nth_element(times.begin(), times.begin() + 7, times.end());
    return times[7];
}

double peak_gflops = 0.0;

/// `items` rows or samples, so many multiplications and additions, so many bytes read and written.
void line(const std::string& name, double seconds, Index items, double flops, double bytes) {
    const double rate = flops / seconds * 1e-9;
    std::printf("%-36s %10.2f %9.1f %7.0f %9.1f\n", name.c_str(),
                seconds * 1e9 / static_cast<double>(items), rate,
                peak_gflops > 0.0 ? 100.0 * rate / peak_gflops : 0.0, bytes / seconds * 1e-9);
}

void time_products(Index cols) {
    const Vector x = random_vector(rows * cols, -1.0, 1.0);
    const RowPart part = RowPart::dense(x.data(), cols, cols);
    const RowBlock block{rows, cols, &part, 1};
    const double elements = static_cast<double>(rows * cols);
    const std::string size = ", p = " + std::to_string(cols);

    const Vector w = random_vector(rows, 0.5, 1.5);
    Vector out(static_cast<std::size_t>(kernels().products_size(block, 1)), 0.0);
    Vector scratch(x.size());
    line("sandwich" + size, seconds_of([&] {
             kernels().add_products(block, w.data(), rows, 1, out.data(), scratch.data());
         }),
         rows, elements * static_cast<double>(cols + 3), 8.0 * elements);
    for (const Index problems : {1, 24, 50}) {
        const Index filled = (problems + problem_lanes - 1) / problem_lanes * problem_lanes;
        const Vector coef = random_vector(cols * filled, -1.0, 1.0);
        const Vector d = random_vector(rows * problems, -1.0, 1.0);
        Vector eta(d.size(), 0.0);
        Vector gradient(coef.size(), 0.0);
        const std::string what = size + ", " + std::to_string(problems) + " problem(s)";
        const double flops = 2.0 * elements * static_cast<double>(problems);
        line("matvec" + what, seconds_of([&] {
                 if (problems == 1)
                     kernels().matvec(block, coef.data(), eta.data());
                 else
                     kernels().matvec_many(block, coef.data(), filled, problems, eta.data(), rows);
             }),
             rows, flops, 8.0 * elements);
        line("transpose_matvec" + what, seconds_of([&] {
                 if (problems == 1)
                     kernels().transpose_matvec(block, d.data(), gradient.data());
                 else
                     kernels().transpose_matvec_many(block, d.data(), rows, problems,
                                                     gradient.data(), filled);
             }),
             rows, flops, 8.0 * elements);
    }
}

void time_row_terms() {
    // Inside the domain of every model and link.
    const Vector eta = random_vector(rows, 0.5, 1.5);
    Vector y = random_vector(rows, 1.0, 4.0);
    for (double& value : y) value = std::floor(value);
    Vector d1(y.size());
    Vector d2(y.size());
    for_each_type<Observations>([&]<class Model>(int model) {
        for_each_type<InverseLinks>([&]<class Link>(int link) {
            const std::string name = std::string(Model::name) + " " + std::string(Link::name);
            for (const bool curved : {false, true}) {
                const auto curvature = curved ? Curvature::observed : Curvature::none;
                const double bytes = static_cast<double>(rows) * (curved ? 32.0 : 24.0);
                line("row_terms " + name + (curved ? ", curvature" : ""), seconds_of([&] {
                         peaks::sink =
                             kernels().row_terms({model, link}, curvature, rows, y.data(),
                                                 eta.data(), nullptr, d1.data(), d2.data());
                     }),
                     rows, 0.0, bytes);
            }
        });
    });
}

void time_bases() {
    const Vector u = random_vector(rows, 0.0, 1.0);
    Vector out(static_cast<std::size_t>(rows * 10));
    Vector scratch(static_cast<std::size_t>(basis_scratch(10)));
    BasisParameters parameters;
    parameters.decay_rates = random_vector(10, 0.0, 10.0);
    parameters.mixing = random_vector(100, -1.0, 1.0);
    for_each_type<BasisFamilies>([&]<class Family>(int family) {
        const Index n_basis_funcs = std::is_same_v<Family, IdentityBasis> ? 1 : 10;
        parameters.n_basis_funcs = n_basis_funcs;
        const Vector numbers = Family::prepare(parameters);
        const BasisView basis{family, n_basis_funcs, parameters.order, numbers.data(),
                              static_cast<Index>(numbers.size())};
        const std::string name = std::string(Family::name) + ", " + std::to_string(n_basis_funcs);
        line("evaluate_basis " + name, seconds_of([&] {
                 kernels().evaluate_basis(basis, rows, u.data(), out.data(), n_basis_funcs,
                                          scratch.data());
             }),
             rows, 0.0, 8.0 * static_cast<double>(rows * (n_basis_funcs + 1)));
    });
    const Vector frequencies = {1.0, 2.0, 3.0, 4.0, 5.0};
    const Period period;
    line("fourier, 5 waves", seconds_of([&] {
             kernels().fourier({1, 5, frequencies.data()}, &period, rows, u.data(), out.data(), 10,
                               scratch.data());
         }),
         rows, 0.0, 8.0 * static_cast<double>(rows * 11));
}

void time_convolution() {
    constexpr Index n = 100'000;
    constexpr Index window = 100;
    constexpr Index n_cols = 8;
    const Vector kernel = random_vector(window * n_cols, 0.0, 1.0);
    for (const double density : {0.02, 1.0}) {
        Vector x = random_vector(n + window - 1 + dense_tile_rows, 0.0, 1.0);
        for (double& value : x) value = value < density ? 1.0 : 0.0;
        const auto events = static_cast<double>(std::count(x.begin(), x.end(), 1.0));
        Vector out(static_cast<std::size_t>(rows * n_cols));
        // All blocks of the train, each into the same piece of memory.
        const double seconds = seconds_of([&] {
            for (Index first = 0; first < n; first += rows) {
                const Index count = std::min(rows, n - first);
                std::fill(out.begin(), out.end(), 0.0);
                if (density < 1.0)
                    kernels().convolve_events(kernel.data(), window, n_cols, x.data() + first,
                                              count, out.data());
                else
                    kernels().convolve_dense(kernel.data(), window, n_cols, x.data() + first, count,
                                             out.data(), n_cols);
            }
        });
        line("convolve 8 filters of 100, " + std::to_string(std::lround(100.0 * density)) + " %",
             seconds, n, 2.0 * events * static_cast<double>(window * n_cols),
             8.0 * static_cast<double>(n * (n_cols + 1)));
    }
}

}  // namespace

int main() {
    const Config in_use = config();
    std::printf("kernels: %s, compiled by %s, Eigen %s\n\n", in_use.isa.c_str(),
                in_use.compiler.c_str(), in_use.eigen.c_str());
    std::printf("Peak of one thread, float64:\n");
    for (const auto& level : peaks::arithmetic()) {
        std::printf("  %-24s %7.1f GF/s\n", level.name.c_str(), level.gflops);
        peak_gflops = std::max(peak_gflops, level.gflops);
    }
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned n_threads = 1; n_threads <= cores; n_threads += std::max(1u, cores - 1)) {
        const auto found = peaks::memory(n_threads);
        std::printf("Memory, %u thread(s): read %.1f, store %.1f, first touch %.1f GB/s\n",
                    n_threads, found.read, found.store, found.first_touch);
    }

    std::printf("\nBlocks of %td rows, one thread:\n%-36s %10s %9s %7s %9s\n", rows, "kernel",
                "ns/row", "GF/s", "% peak", "GB/s");
    for (const Index cols : {20, 50, 100, 200, 300}) time_products(cols);
    time_row_terms();
    time_bases();
    time_convolution();
}
