#pragma once
/// The thread pool.
///
/// Threads are started when they are first needed and then wait. A forked child starts with an
/// empty pool: it may compute, whatever the parent was doing. Several threads may run tasks at
/// once; they share the workers.

#include <cstddef>
#include <functional>

#include "spikeglm/backend/row_pass.hpp"

namespace spikeglm {

/// Threads to use where the caller asks for none in particular: SPIKEGLM_NUM_THREADS, else
/// OMP_NUM_THREADS, else the processors that the affinity mask and the cgroup quota leave.
[[nodiscard]] int default_threads();

/// Runs task(0) .. task(n_tasks - 1), each once, on up to `execution.n_threads` threads. The
/// monitor is called on the calling thread between its tasks and while it waits, at least every 20
/// ms unless a task takes longer; tasks that take longer call it themselves through `poll`. What a
/// task or the monitor throws is rethrown once no task runs any more; tasks not yet begun are
/// dropped.
///   task(index, poll): poll() calls the monitor on the calling thread, and throws on any thread
///   when the run has been abandoned.
void run_tasks(std::ptrdiff_t n_tasks, const Execution& execution,
               const std::function<void(std::ptrdiff_t, const Monitor&)>& task);

}  // namespace spikeglm
