#pragma once
/// What this machine can do at most: arithmetic per instruction-set level, and memory.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#define SPIKEGLM_BENCH_X86 1
#include <immintrin.h>
#endif

namespace peaks {

inline double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// Seconds of the fastest of several calls: limits are what the machine can do undisturbed.
template <class F>
double fastest(int calls, F&& f) {
    double best = 1e300;
    for (int i = 0; i < calls; ++i) {
        const double start = now();
        f();
        best = std::min(best, now() - start);
    }
    return best;
}

/// Keeps the compiler from leaving out the computation of a value.
inline volatile double sink = 0.0;

struct Level {
    std::string name;
    double gflops = 0.0;  ///< one thread, float64
};

#ifdef SPIKEGLM_BENCH_X86
inline constexpr int chains = 12;  ///< more than latency x units; leaves registers for operands
inline constexpr long turns = 200'000;

/// Read anew each time, so that the compiler can neither compute the chains nor merge them.
inline volatile double half = 0.5;

// One loop for each level; the values tend to 1.
inline void chain_sse2() {
    __m128d sums[chains];
    const __m128d a = _mm_set1_pd(half);
    for (auto& sum : sums) sum = _mm_set1_pd(half);
    for (long i = 0; i < turns; ++i)
#pragma GCC unroll 12
        for (int j = 0; j < chains; ++j) sums[j] = _mm_add_pd(_mm_mul_pd(sums[j], a), a);
    for (const auto& sum : sums) sink = sink + _mm_cvtsd_f64(sum);
}

__attribute__((target("avx2,fma"))) inline void chain_avx2() {
    __m256d sums[chains];
    const __m256d a = _mm256_set1_pd(half);
    for (auto& sum : sums) sum = _mm256_set1_pd(half);
    for (long i = 0; i < turns; ++i)
#pragma GCC unroll 12
        for (int j = 0; j < chains; ++j) sums[j] = _mm256_fmadd_pd(sums[j], a, a);
    for (const auto& sum : sums) sink = sink + _mm256_cvtsd_f64(sum);
}

__attribute__((target("avx512f"))) inline void chain_avx512() {
    __m512d sums[chains];
    const __m512d a = _mm512_set1_pd(half);
    for (auto& sum : sums) sum = _mm512_set1_pd(half);
    for (long i = 0; i < turns; ++i)
#pragma GCC unroll 12
        for (int j = 0; j < chains; ++j) sums[j] = _mm512_fmadd_pd(sums[j], a, a);
    for (const auto& sum : sums) sink = sink + _mm512_cvtsd_f64(sum);
}
#endif

/// The levels that this processor has, slowest first; empty where the benchmark has no loop.
inline std::vector<Level> arithmetic() {
    std::vector<Level> levels;
#ifdef SPIKEGLM_BENCH_X86
    const auto add = [&](const char* name, int lanes, void (*chain)()) {
        const double flops = 2.0 * lanes * chains * static_cast<double>(turns);
        levels.push_back({name, flops / fastest(100, chain) * 1e-9});
    };
    add("SSE2 (multiply, add)", 2, chain_sse2);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        add("AVX2 FMA", 4, chain_avx2);
    if (__builtin_cpu_supports("avx512f")) add("AVX-512 FMA", 8, chain_avx512);
#endif
    return levels;
}

struct Memory {
    double read = 0.0;         ///< GB/s
    double store = 0.0;        ///< into memory that has been touched before
    double first_touch = 0.0;  ///< into fresh memory
};

inline double sum_of(const double* values, std::size_t size) {
    double sums[16] = {};
    for (std::size_t i = 0; i + 16 <= size; i += 16)
        for (std::size_t j = 0; j < 16; ++j) sums[j] += values[i + j];
    double total = 0.0;
    for (const double sum : sums) total += sum;
    return total;
}

/// Bandwidth with `n_threads`, over 1 GiB: more than any cache gives to one machine.
inline Memory memory(unsigned n_threads) {
    constexpr std::size_t size = std::size_t{1} << 27;
    const std::size_t share = size / n_threads;
    const auto in_parallel = [&](auto&& work) {
        std::vector<std::thread> pool;
        for (unsigned t = 0; t < n_threads; ++t) pool.emplace_back([&, t] { work(t * share); });
        for (auto& thread : pool) thread.join();
    };
    const double gigabytes = static_cast<double>(share * n_threads * sizeof(double)) * 1e-9;

    const auto values = std::make_unique_for_overwrite<double[]>(size);
    const auto fill = [&](std::size_t first) {
        std::fill_n(values.get() + first, share, static_cast<double>(first + 1));
    };
    std::vector<double> totals(size / share + 1);
    const auto read = [&](std::size_t first) {
        totals[first / share] = sum_of(values.get() + first, share);
    };
    Memory found;
    found.first_touch = gigabytes / fastest(1, [&] { in_parallel(fill); });
    found.store = gigabytes / fastest(5, [&] { in_parallel(fill); });
    found.read = gigabytes / fastest(5, [&] { in_parallel(read); });
    sink = totals[0];
    return found;
}

}  // namespace peaks
