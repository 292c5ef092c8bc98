"""One contender on one problem, in a process of its own; driven by run.py.

Reads one JSON command per line, answers with one JSON line. Started as
`worker.py PEER FOLDER THREADS`.
"""

import contextlib
import gc
import json
import os
import resource
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any


def status_bytes(field: str) -> int:
    """Return a memory size of this process, or -1 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return -1
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), -1)


def peak_bytes() -> int:
    # Not ru_maxrss first: it starts from the memory of the process that started this one.
    found = status_bytes("VmHWM:")
    return found if found >= 0 else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak() -> None:
    with contextlib.suppress(OSError):  # the peak then includes what came before
        Path("/proc/self/clear_refs").write_text("5")


def main(name: str, folder: Path, n_threads: int) -> None:
    # Whatever a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_threads])

    import numpy as np
    from adapters import PEERS
    from judge import sample_rows
    from problems import load

    before = time.monotonic()
    problem = load(folder)
    peer = PEERS[name, problem.kind]
    load_seconds = time.monotonic() - before

    def answer(**content: Any) -> None:
        answers.write(json.dumps(content) + "\n")

    try:
        versions = peer.load()
    except ImportError as error:
        answer(missing=str(error))
        return
    answer(versions=versions, load_seconds=load_seconds)

    for line in sys.stdin:
        command = json.loads(line)
        result = None
        gc.collect()
        reset_peak()
        baseline = status_bytes("VmRSS:")
        seconds: list[float] = []
        try:
            while not seconds or sum(seconds) < command["at_least"]:
                result = None  # freed before the clock starts
                before = time.perf_counter()
                result = peer.run(problem, command["tolerance"])
                seconds.append(time.perf_counter() - before)
        except NotImplementedError as error:
            answer(not_applicable=str(error))
            continue
        except Exception as error:  # a contender that fails is a result
            first_line = next(iter(str(error).splitlines()), "")
            answer(error=f"{type(error).__name__}: {first_line}")
            continue
        ended = time.monotonic()
        memory = peak_bytes() - baseline
        if "save" in command and result is not None:
            if isinstance(result, tuple):
                np.savez(command["save"], coef=result[0], intercept=np.asarray(result[1]))
            else:
                rows = sample_rows(problem)
                np.savez(command["save"], features=result[rows].reshape(len(rows), -1))
        result = None  # nor kept while others work
        answer(seconds=statistics.median(seconds), ended=ended, memory=memory)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
