#include "spikeglm/backend/threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <list>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace spikeglm {
namespace {

/// Thrown inside tasks to leave them when the run has been abandoned; never reaches the caller.
struct Abandoned {};

struct Job {
    Job(std::ptrdiff_t count, const std::function<void(std::ptrdiff_t, const Monitor&)>& what,
        int workers)
        : n_tasks(count), task(what), places(workers) {}

    std::ptrdiff_t n_tasks;
    const std::function<void(std::ptrdiff_t, const Monitor&)>& task;
    int places;  // for workers
    std::atomic<std::ptrdiff_t> next{0};
    std::atomic<bool> abandoned{false};
    int inside = 0;  // workers at work, guarded by the pool's mutex
    std::exception_ptr error;
    std::mutex error_mutex;
    std::condition_variable left;

    void fail(std::exception_ptr what) {
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::move(what);
        abandoned = true;
    }

    void work(const Monitor& poll) {
        try {
            while (!abandoned) {
                const std::ptrdiff_t index = next.fetch_add(1);
                if (index >= n_tasks) return;
                task(index, poll);
                poll();
            }
        } catch (const Abandoned&) {
        } catch (...) {
            fail(std::current_exception());
        }
    }
};

class Pool {
public:
    void run(Job& job, const Monitor& poll) {
        {
            const std::lock_guard lock(mutex_);
            start_workers(job.places);
            jobs_.push_back(&job);
        }
        wake_.notify_all();
        job.work(poll);
        std::unique_lock lock(mutex_);
        jobs_.remove(&job);
        while (job.inside > 0) {
            job.left.wait_for(lock, std::chrono::milliseconds(20));
            lock.unlock();
            try {
                if (!job.abandoned) poll();
            } catch (...) {
                job.fail(std::current_exception());
            }
            lock.lock();
        }
    }

private:
    void start_workers(int wanted) {
        try {
            for (; n_workers_ < wanted; ++n_workers_) std::thread([this] { serve(); }).detach();
        } catch (const std::system_error&) {
            // The system grants no more threads: those that there are do the work.
        }
    }

    [[noreturn]] void serve() {
        std::unique_lock lock(mutex_);
        while (true) {
            Job* job = nullptr;
            wake_.wait(lock, [&] { return (job = open_job()) != nullptr; });
            --job->places;
            ++job->inside;
            lock.unlock();
            job->work([job] {
                if (job->abandoned) throw Abandoned{};
            });
            lock.lock();
            --job->inside;
            ++job->places;
            job->left.notify_all();
        }
    }

    Job* open_job() {
        for (Job* job : jobs_)
            if (job->places > 0 && !job->abandoned && job->next < job->n_tasks) return job;
        return nullptr;
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    std::list<Job*> jobs_;
    int n_workers_ = 0;
};

/// Never destroyed: workers wait in it until the process ends. A forked child has none of the
/// workers, so it forgets the pool and makes a new one.
std::atomic<Pool*> current_pool{nullptr};

Pool& pool() {
    if (Pool* existing = current_pool.load()) return *existing;
#if defined(__unix__) || defined(__APPLE__)
    static std::once_flag once;
    std::call_once(once, [] { pthread_atfork(nullptr, nullptr, [] { current_pool = nullptr; }); });
#endif
    auto* fresh = new Pool;
    Pool* expected = nullptr;
    if (current_pool.compare_exchange_strong(expected, fresh)) return *fresh;
    delete fresh;
    return *expected;
}

int from_environment(const char* name) {
    const char* text = std::getenv(name);
    if (text == nullptr) return 0;
    const long value = std::strtol(text, nullptr, 10);
    return value >= 1 && value <= 4096 ? static_cast<int>(value) : 0;
}

#ifdef __linux__
/// Whole processors of a quota "used period", rounded up; 0: none.
int processors_of(double quota, double period) {
    return quota > 0.0 && period > 0.0 ? std::max(1, static_cast<int>(quota / period + 0.999)) : 0;
}

/// Smallest quota of the control groups that hold this process, versions 2 and 1; 0: none.
int cgroup_quota() {
    int smallest = 0;
    const auto consider = [&](int processors) {
        if (processors > 0 && (smallest == 0 || processors < smallest)) smallest = processors;
    };
    std::string group = "/";
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);)
        if (line.rfind("0::", 0) == 0) group = line.substr(3);
    while (true) {
        std::ifstream file("/sys/fs/cgroup" + group + "/cpu.max");
        std::string quota;
        double period = 0.0;
        if (file >> quota >> period && quota != "max")
            consider(processors_of(std::strtod(quota.c_str(), nullptr), period));
        const auto slash = group.rfind('/');
        if (group.size() <= 1 || slash == std::string::npos) break;
        group.resize(std::max<std::size_t>(slash, 1));
    }
    std::ifstream quota_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    std::ifstream period_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    double quota = 0.0;
    double period = 0.0;
    if (quota_file >> quota && period_file >> period) consider(processors_of(quota, period));
    return smallest;
}
#endif

int available_processors() {
    int processors = static_cast<int>(std::thread::hardware_concurrency());
#ifdef __linux__
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) processors = CPU_COUNT(&allowed);
    static const int quota = cgroup_quota();
    if (quota > 0) processors = std::min(processors, quota);
#endif
    return std::max(processors, 1);
}

}  // namespace

int default_threads() {
    for (const char* name : {"SPIKEGLM_NUM_THREADS", "OMP_NUM_THREADS"})
        if (const int threads = from_environment(name)) return threads;
    return available_processors();
}

void run_tasks(std::ptrdiff_t n_tasks, const Execution& execution,
               const std::function<void(std::ptrdiff_t, const Monitor&)>& task) {
    const Monitor poll = execution.monitor ? execution.monitor : [] {};
    const int threads = execution.n_threads > 0 ? execution.n_threads : default_threads();
    if (threads == 1 || n_tasks <= 1) {
        for (std::ptrdiff_t i = 0; i < n_tasks; ++i) task(i, poll);
        return;
    }
    const auto workers = static_cast<int>(std::min<std::ptrdiff_t>(threads, n_tasks)) - 1;
    Job job(n_tasks, task, workers);
    const Monitor poll_or_leave = [&] {
        if (job.abandoned) throw Abandoned{};
        poll();
    };
    pool().run(job, poll_or_leave);
    if (job.error) std::rethrow_exception(job.error);
}

}  // namespace spikeglm
