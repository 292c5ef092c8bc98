// The thread pool and the instruction-set levels, from C++. Also run under ThreadSanitizer.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"
#include "sanitizers.hpp"
#include "spikeglm/backend/kernels.hpp"
#include "spikeglm/backend/threads.hpp"
#include "spikeglm/glm/fit.hpp"

using namespace spikeglm;

namespace {

void take_a_while() { std::this_thread::sleep_for(std::chrono::microseconds(200)); }

struct Data {
    std::vector<double> x, y;
    std::ptrdiff_t n = 20'000, p = 6;

    Data() {
        std::mt19937 generator(1);
        std::normal_distribution<double> normal;
        for (std::ptrdiff_t i = 0; i < n; ++i) {
            double eta = -0.5;
            for (std::ptrdiff_t j = 0; j < p; ++j) {
                x.push_back(normal(generator));
                eta += 0.1 * x.back();
            }
            y.push_back(std::poisson_distribution<int>(std::exp(eta))(generator));
        }
    }

    [[nodiscard]] FitResult fit_on(int n_threads) const {
        const auto row = p * static_cast<std::ptrdiff_t>(sizeof(double));
        const DenseDesign design({x.data(), ElementType::f64, n, p, row, sizeof(double)});
        FitProblem problem;
        problem.sample.y = y;
        FitOptions options;
        options.loss = select_loss("Poisson", "exp");
        options.execution.n_threads = n_threads;
        return fit(design, std::span(&problem, 1), options).front();
    }
};

}  // namespace

TEST("every task runs once, on up to the given number of threads") {
    for (const int threads : {1, 2, 3, 7}) {
        std::vector<std::atomic<int>> runs(100);
        std::mutex mutex;
        std::set<std::thread::id> seen;
        run_tasks(100, {{}, threads}, [&](std::ptrdiff_t i, const Monitor&) {
            ++runs[static_cast<std::size_t>(i)];
            take_a_while();
            const std::lock_guard lock(mutex);
            seen.insert(std::this_thread::get_id());
        });
        for (const auto& count : runs) CHECK(count == 1);
        CHECK(static_cast<int>(seen.size()) <= threads);
        CHECK((seen.size() > 1) == (threads > 1));
    }
    run_tasks(0, {{}, 2}, [](std::ptrdiff_t, const Monitor&) { CHECK(false); });
}

TEST("an error in a task or in the monitor ends the run and reaches the caller") {
    for (const int threads : {1, 4}) {
        std::atomic<int> runs{0};
        const auto fails = [&](std::ptrdiff_t i, const Monitor&) {
            ++runs;
            if (i == 5) throw std::runtime_error("task five");
            take_a_while();
        };
        CHECK_THROWS(run_tasks(1000, {{}, threads}, fails), std::runtime_error, "task five");
        CHECK(runs < 1000);

        int polls = 0;
        const Monitor stop = [&] {
            if (++polls == 3) throw std::runtime_error("stopped");
        };
        const auto long_task = [&](std::ptrdiff_t, const Monitor& poll) {
            for (int k = 0; k < 10; ++k) {
                poll();
                take_a_while();
            }
        };
        CHECK_THROWS(run_tasks(1000, {stop, threads}, long_task), std::runtime_error, "stopped");
        CHECK(polls == 3);
        // The pool serves the next run.
        std::atomic<int> after{0};
        run_tasks(10, {{}, threads}, [&](std::ptrdiff_t, const Monitor&) { ++after; });
        CHECK(after == 10);
    }
}

TEST("a fit has the same bits for any number of threads") {
    const Data data;
    const FitResult one = data.fit_on(1);
    CHECK(one.status == Status::converged);
    for (const int threads : {2, 3, 7}) {
        const FitResult other = data.fit_on(threads);
        CHECK(other.coef == one.coef);
        CHECK(other.intercept == one.intercept);
        CHECK(other.kkt == one.kkt);
    }
}

TEST("several threads fit at once") {
    const Data data;
    const FitResult alone = data.fit_on(2);
    std::vector<FitResult> results(4);
    std::vector<std::thread> threads;
    for (FitResult& result : results)
        threads.emplace_back([&] {
            for (int i = 0; i < 3; ++i) result = data.fit_on(2);
        });
    for (std::thread& thread : threads) thread.join();
    for (const FitResult& result : results) CHECK(result.coef == alone.coef);
}

#if !SANITIZES_THREADS  // which cannot follow a fork of a process with threads
TEST("a forked child fits after its parent has") {
    const Data data;
    const FitResult parent = data.fit_on(2);
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(data.fit_on(2).coef == parent.coef ? 0 : 1);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

TEST("the level in use is the one that SPIKEGLM_ISA asks for") {
    const char* wanted = std::getenv("SPIKEGLM_ISA");
    if (wanted != nullptr && *wanted != '\0') CHECK(config().isa == wanted);
    CHECK(default_threads() >= 1);
}
