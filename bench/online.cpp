// Times one push of an online model: inputs = outputs coupled all to all, 8 filters of window 100.
//
//   bench_online [seconds per row, 1 by default]
//
// `in reads` is the median in multiples of reading the weights once (the fastest of many sums over
// them, from whatever cache holds them). Allocations are counted by a replaced operator new and, on
// glibc, a replaced malloc.

#include "spikeglm/online.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../tests/cpp/count_allocations.hpp"
#include "../tests/cpp/online_models.hpp"
#include "spikeglm/backend/kernels.hpp"

#if defined(__linux__)
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

using spikeglm::online::Model;
using spikeglm::online::Precision;

namespace {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::duration time) {
    return std::chrono::duration<double, std::micro>(time).count();
}

/// Instructions of this process in user mode, where the system lets it count them.
class Instructions {
public:
    Instructions() {
#if defined(__linux__)
        perf_event_attr attributes{};
        attributes.type = PERF_TYPE_HARDWARE;
        attributes.size = sizeof attributes;
        attributes.config = PERF_COUNT_HW_INSTRUCTIONS;
        attributes.exclude_kernel = 1;
        attributes.exclude_hv = 1;
        file_ = static_cast<int>(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
#endif
    }
    /// -1: not known.
    [[nodiscard]] long long count() const {
        long long value = -1;
#if defined(__linux__)
        if (file_ >= 0 && read(file_, &value, sizeof value) != sizeof value) value = -1;
#endif
        return value;
    }

private:
    int file_ = -1;
};

/// The shortest time in which `n` weights of type T are read.
#if defined(__x86_64__) && defined(__GNUC__)
#define FOR_THIS_PROCESSOR __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define FOR_THIS_PROCESSOR
#endif

FOR_THIS_PROCESSOR double sum_of(const double* values, std::size_t n) {
    double sums[64] = {};
    for (std::size_t i = 0; i + 64 <= n; i += 64)
        for (std::size_t k = 0; k < 64; ++k) sums[k] += values[i + k];
    double total = 0.0;
    for (const double sum : sums) total += sum;
    return total;
}

template <class T>
double read_time(std::size_t n) {
    const std::vector<double> weights(n * sizeof(T) / sizeof(double), 1.0);
    double best = 1e9;
    volatile double sink = 0.0;
    for (int turn = 0; turn < 200; ++turn) {
        const auto start = Clock::now();
        sink = sum_of(weights.data(), weights.size());
        best = std::min(best, microseconds(Clock::now() - start));
    }
    (void)sink;
    return best;
}

void row(std::size_t n, Precision precision, double density, double seconds) {
    CoupledModel coupled(n, n, 8, 100);
    Model model(coupled.description(), precision);
    constexpr std::size_t n_bins = 1000;
    const auto x = coupled.recording(n_bins, density);
    std::vector<double> rates(n), times;
    times.reserve(20'000'000);
    const Instructions instructions;
    std::size_t t = 0;
    const auto push = [&] {
        model.push(x.data() + t * n, rates.data());
        t = t + 1 == n_bins ? 0 : t + 1;
    };
    for (int i = 0; i < 300; ++i) push();
    const long allocated = n_allocations;
    const auto start = Clock::now();
    while (microseconds(Clock::now() - start) < 1e6 * seconds && times.size() < times.capacity()) {
        const auto before = Clock::now();
        push();
        times.push_back(microseconds(Clock::now() - before));
    }
    const long n_allocated = n_allocations - allocated;
    const long long counted = instructions.count();
    for (int i = 0; i < 1000; ++i) push();
    const long long n_instructions = counted < 0 ? -1 : (instructions.count() - counted) / 1000;
    std::sort(times.begin(), times.end());
    const auto quantile = [&](double q) {
        return times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1))];
    };
    const bool single = precision == Precision::float32;
    const double reading = single ? read_time<float>(8 * n * n) : read_time<double>(8 * n * n);
    std::printf("%4zu  %s  %4.0f %%  %8.2f  %8.2f  %8.2f  %8.1f  %5ld  %s\n", n,
                single ? "float32" : "float64", 100.0 * density, quantile(0.5), quantile(0.99),
                quantile(0.999), quantile(0.5) / reading, n_allocated,
                n_instructions < 0 ? "unknown" : std::to_string(n_instructions).c_str());
    std::fflush(stdout);
}

}  // namespace

int main(int n_arguments, char** arguments) {
    const double seconds = n_arguments > 1 ? std::atof(arguments[1]) : 1.0;
    std::printf("kernels %s; microseconds per push\n", spikeglm::config().isa.c_str());
    std::printf(
        "   n  weights  spikes    median       99%%     99.9%%  in reads  alloc  instructions\n");
    for (const std::size_t n : {32, 128, 384})
        for (const auto precision : {Precision::float64, Precision::float32})
            for (const double density : {0.02, 1.0}) row(n, precision, density, seconds);
}
