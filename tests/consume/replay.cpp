// A recording as an experiment sees it: MODEL INPUTS RATES [MICROSECONDS PER BIN].
//
// One thread acquires: it puts a bin into a queue every so often. Another takes bins out, pushes
// them into the model and notes how long after its acquisition each has its rates. The queue has
// one writer and one reader, needs no lock, and drops nothing: a full queue is reported.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "doubles.hpp"
#include "spikeglm/online.hpp"

namespace {

using Clock = std::chrono::steady_clock;

/// What one thread hands to another: up to `capacity` rows of numbers, and when they were acquired.
class Queue {
public:
    Queue(std::size_t row_size, std::size_t capacity)
        : row_size_(row_size), rows_(row_size * capacity), times_(capacity) {}

    bool put(const double* row, Clock::time_point time) noexcept {
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_.load(std::memory_order_acquire) == times_.size()) return false;
        const std::size_t place = tail % times_.size();
        std::copy_n(row, row_size_, rows_.begin() + static_cast<std::ptrdiff_t>(place * row_size_));
        times_[place] = time;
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }
    bool take(double* row, Clock::time_point& time) noexcept {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (head == tail_.load(std::memory_order_acquire)) return false;
        const std::size_t place = head % times_.size();
        std::copy_n(rows_.begin() + static_cast<std::ptrdiff_t>(place * row_size_), row_size_, row);
        time = times_[place];
        head_.store(head + 1, std::memory_order_release);
        return true;
    }

private:
    std::size_t row_size_;
    std::vector<double> rows_;
    std::vector<Clock::time_point> times_;
    // On lines of cache of their own: each is written by one thread.
    alignas(64) std::atomic<std::size_t> head_{0};
    alignas(64) std::atomic<std::size_t> tail_{0};
};

void print_histogram(std::vector<double> latencies) {
    std::sort(latencies.begin(), latencies.end());
    const auto quantile = [&](double q) {
        return latencies[static_cast<std::size_t>(q * static_cast<double>(latencies.size() - 1))];
    };
    std::printf("from acquisition to rates, microseconds: median %.2f, 99%% %.2f, 99.9%% %.2f\n",
                quantile(0.5), quantile(0.99), quantile(0.999));
    auto from = latencies.begin();
    for (double upper = 1.0; from != latencies.end(); upper *= 2.0) {
        const auto to = std::upper_bound(from, latencies.end(), upper);
        const auto n = to - from;
        const auto share = static_cast<int>(60 * n / static_cast<std::ptrdiff_t>(latencies.size()));
        if (n > 0)
            std::printf("%10.0f  %8td  %.*s\n", upper, n, share,
                        "############################################################");
        from = to;
    }
}

}  // namespace

int main(int n_arguments, char** arguments) {
    if (n_arguments != 4 && n_arguments != 5) return 2;
    try {
        auto model = spikeglm::online::Model::load(arguments[1]);
        const std::vector<double> inputs = read_doubles(arguments[2]);
        const std::vector<double> expected = read_doubles(arguments[3]);
        const double period = n_arguments == 5 ? std::atof(arguments[4]) : 20.0;
        const std::size_t n_inputs = model.n_inputs();
        const std::size_t n_bins = inputs.size() / n_inputs;

        Queue queue(n_inputs, 1024);
        std::atomic<std::size_t> n_waits{0};
        std::thread acquisition([&] {
            const auto start = Clock::now();
            for (std::size_t t = 0; t < n_bins; ++t) {
                const auto due =
                    start +
                    std::chrono::duration_cast<Clock::duration>(
                        std::chrono::duration<double, std::micro>(period * static_cast<double>(t)));
                while (Clock::now() < due) std::this_thread::yield();
                while (!queue.put(inputs.data() + t * n_inputs, Clock::now())) {
                    ++n_waits;
                    std::this_thread::yield();
                }
            }
        });
        std::vector<double> bin(n_inputs), rates(n_bins * model.n_outputs()), latencies(n_bins);
        for (std::size_t t = 0; t < n_bins; ++t) {
            Clock::time_point acquired;
            while (!queue.take(bin.data(), acquired)) std::this_thread::yield();
            model.push(bin.data(), rates.data() + t * model.n_outputs());
            latencies[t] =
                std::chrono::duration<double, std::micro>(Clock::now() - acquired).count();
        }
        acquisition.join();
        std::printf("%zu bins of %g microseconds; the queue was full %zu times\n", n_bins, period,
                    n_waits.load());
        print_histogram(std::move(latencies));
        return count_different(rates, expected) == 0 ? 0 : 1;
    } catch (const spikeglm::online::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
