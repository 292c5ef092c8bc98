"""Times spikeglm beside its peers: `python bench/run.py [workload ...]`; see bench/README.md."""

import argparse
import itertools
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from adapters import PEERS, Peer
from environments import python_of, set_up
from judge import judge_of
from problems import GROUPS, WORKLOADS, Problem, make, save
from report import LIMIT, LIMITS, goals, lines_of, machine, table

US = "spikeglm"
ON_REQUEST = {"3d", "4", "5a", "5b", "7", "population", "wide"}
QUICK = ["small", "3a"]
QUICK_PEERS = ["sklearn-newton", "sklearn-lbfgs", "glum", "nemos"]
GOAL = 1e-6
WRONG = 1e-9  # error of features; who rounds only has 1e-14
LADDER = [1.0, 1e-1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12]
PAUSE = 0.3  # OpenBLAS threads spin for 0.25 s after their work
LISTEN = 0.1  # at the end of a pause, how busy the machine is with the work of others
ROUND = 0.1  # seconds of work of each contender in a round: short fits are repeated
THREAD_VARIABLES = [
    "SPIKEGLM_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
]


class UnavailableError(Exception):
    """A contender that cannot take part, with the reason."""


class Worker:
    """A process that holds one contender and the problem, and works when told to."""

    def __init__(self, peer: Peer, folder: Path, python: Path, n_threads: int, limit: float):
        self.peer, self.folder, self.limit = peer, folder, limit
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(n_threads))
        script = Path(__file__).with_name("worker.py")
        self.log = (folder / f"{peer.name}.log").open("w+")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [python, script, peer.name, folder, str(n_threads)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        hello = self._answer()
        self.versions, self.load_seconds = hello["versions"], hello["load_seconds"]

    def run(
        self, tolerance: float | None, save_as: str | None = None, at_least: float = 0.0
    ) -> dict[str, Any]:
        """Let it work, for `at_least` so many seconds and at least once.

        Return the median of the seconds, the memory and, if it is to be saved, the result.
        """
        command: dict[str, Any] = {"tolerance": tolerance, "at_least": at_least}
        file = self.folder / f"{save_as}.npz"
        if save_as is not None:
            command["save"] = str(file)
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        answer = self._answer()
        if file.exists():
            with np.load(file) as arrays:
                found = dict(arrays)
            file.unlink()
            answer["result"] = found.get("features", (found.get("coef"), found.get("intercept")))
        return answer

    def _answer(self) -> dict[str, Any]:
        if not select.select([self.process.stdout], [], [], self.limit)[0]:
            self.end()
            raise UnavailableError(f"over {self.limit:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            last = (self.log.read().strip().splitlines() or ["no message"])[-1]
            raise UnavailableError(f"ended: {last}")
        answer = json.loads(line)
        for key, words in (
            ("missing", "not installed"),
            ("not_applicable", f"not available: {answer.get('not_applicable')}"),
            ("error", answer.get("error")),
        ):
            if key in answer:
                raise UnavailableError(words)
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


@dataclass
class Row:
    """One line of the table."""

    peer: str
    mode: str  # "matched": the loosest tolerance that attains the goal; "default": its own
    tolerance: float | None = None
    quality: float | None = None  # gap or error
    cold: float | None = None
    memory: int = 0
    seconds: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    note: str = ""


def measure(problem: Problem, options: argparse.Namespace) -> dict[str, Any]:
    """Run all contenders on one problem."""
    rows: list[Row] = []
    workers: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory(prefix="spikeglm-bench-") as name:
        folder = Path(name)
        save(problem, folder)
        try:
            first = {}
            for peer in contenders(problem, options):
                try:
                    workers[peer.name], first[peer.name] = start(peer, problem, folder, options)
                except UnavailableError as reason:
                    rows.append(Row(peer.name, "", note=str(reason)))
            judge = judge_of(problem, our_solution(problem, workers))
            runs = []
            for peer_name, worker in workers.items():
                for row in prepare(worker, judge, problem, first[peer_name], options):
                    rows.append(row)
                    if not row.note:
                        runs.append((worker, row))
            foreign = []
            for _ in range(options.repeats):
                for worker, row in runs:
                    foreign.append(pause())
                    time_once(worker, row)
        finally:
            for worker in workers.values():
                worker.end()
    compare(rows)
    found = {
        "workload": problem.name,
        "size": problem.size,
        "measure": judge.measure,
        "certificate": judge.certificate,
        "foreign_load": statistics.mean(foreign),
        "coefficient_difference": difference(first.get(US), first.get(f"{US}-dense")),
        "rows": [asdict(row) for row in rows],
    }
    return found | {"goals": goals(found)}


def contenders(problem: Problem, options: argparse.Namespace) -> Iterator[Peer]:
    for (name, kind), peer in PEERS.items():
        if kind == problem.kind and (
            options.peers is None or name in options.peers or name.startswith((US, LIMIT))
        ):
            yield peer


def start(
    peer: Peer, problem: Problem, folder: Path, options: argparse.Namespace
) -> tuple[Worker, dict[str, Any]]:
    """Start a contender and let it work once, at its default tolerance."""
    if 0 < peer.largest < problem.X.size:
        raise UnavailableError("too slow at this size")
    python = options.python.get(peer.name, python_of(options.environments, peer.environment))
    time.sleep(PAUSE)
    worker = Worker(peer, folder, python, options.threads, options.limit)
    try:
        answer = worker.run(None, "first")
    except UnavailableError:
        worker.end()
        raise
    answer["cold"] = answer["ended"] - worker.started - worker.load_seconds
    return worker, answer


def our_solution(problem: Problem, workers: dict[str, Worker]) -> Any:
    """Return where the judge starts its search for the minimum."""
    if problem.y is None or US not in workers:
        return None
    return workers[US].run(1e-10, "solution")["result"]


def prepare(
    worker: Worker, judge: Any, problem: Problem, first: dict[str, Any], options: argparse.Namespace
) -> Iterator[Row]:
    """Find the tolerance that attains the goal."""
    row = Row(worker.peer.name, "default", cold=first["cold"], versions=worker.versions)
    if row.peer in (LIMIT, *LIMITS.values()):
        row.mode, row.cold = "", None
        yield row
        return
    row.quality = judge(first["result"])
    by_default = f"default: {judge.measure} {row.quality:.0e} in {first['seconds']:.3g} s"
    if problem.y is None:
        row.note = "" if row.quality <= WRONG else f"wrong: {by_default}"
        yield row
        return
    matched = Row(row.peer, "matched", versions=row.versions)
    began = time.monotonic()
    for tolerance in LADDER:
        try:
            quality = judge(worker.run(tolerance, "trial")["result"])
        except UnavailableError as reason:
            matched.note = f"{reason} at tolerance {tolerance:g}"
            break
        if matched.quality is None or quality < matched.quality:
            matched.tolerance, matched.quality = tolerance, quality
        if quality <= GOAL or time.monotonic() - began > options.limit:
            break
    if matched.quality is None or matched.quality > GOAL:
        matched.note = matched.note or f"goal not attained in {time.monotonic() - began:.0f} s"
        if matched.quality is not None:
            matched.note += f"; gap {matched.quality:.0e} at {matched.tolerance:g}"
        matched.note += f"; {by_default}"
    yield matched
    if options.modes == "both" and worker.process.poll() is None:
        yield row
    else:
        matched.cold = row.cold


def pause() -> float:
    """Let threads come to rest; return the share of the machine that others then use."""
    time.sleep(PAUSE)
    before = busy_seconds()
    time.sleep(LISTEN)
    return (busy_seconds() - before) / (LISTEN * (os.cpu_count() or 1))


def busy_seconds() -> float:
    """Return the processor time used so far by all processes, and by the host's other guests."""
    line = next(iter(lines_of("/proc/stat")), "")
    ticks = [int(word) for word in line.split()[1:9]]
    # user, nice, system, idle, iowait, irq, softirq, steal
    return sum(ticks[:3] + ticks[5:]) / os.sysconf("SC_CLK_TCK")


def time_once(worker: Worker, row: Row) -> None:
    try:
        answer = worker.run(row.tolerance, at_least=ROUND)
    except UnavailableError as reason:
        row.note = str(reason)
        return
    row.seconds.append(answer["seconds"])
    row.memory = max(row.memory, answer["memory"])


def compare(rows: list[Row]) -> None:
    """Set the ratios to our time in the same round and mode."""
    ours = {row.mode: row.seconds for row in rows if row.peer == US}
    for row in rows:
        base = ours.get(row.mode) or next(iter(ours.values()), [])
        row.ratios = [a / b for a, b in zip(row.seconds, base, strict=False)]


def difference(one: dict[str, Any] | None, other: dict[str, Any] | None) -> float | None:
    """Return the largest difference between the coefficients of two fits, if both took part."""
    if one is None or other is None:
        return None
    (coef, intercept), (other_coef, other_intercept) = one["result"], other["result"]
    return float(np.abs(np.append(coef - other_coef, intercept - other_intercept)).max())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("workloads", nargs="*", help=f"of {', '.join([*GROUPS, *WORKLOADS])}")
    add("--quick", action="store_true", help="two workloads, a few peers, under a minute")
    add("--peers", type=lambda text: text.split(","), help="names, separated by commas")
    add("--repeats", type=int, help="rounds (7)")
    add("--modes", choices=["matched", "both"], help="equal accuracy, or also the defaults")
    add("--threads", type=int, default=len(os.sched_getaffinity(0)), help="for every contender")
    add("--limit", type=float, default=120.0, help="seconds for one call, and to reach the goal")
    add("--json", type=Path, help="file for all rounds")
    add("--environments", type=Path, metavar="DIR", help="environments made by --setup")
    add("--setup", type=Path, metavar="DIR", help="make the environments of all peers, and end")
    add("--python", action="append", default=[], metavar="PEER=PATH", help="interpreter of a peer")
    options = parser.parse_args()
    named = [GROUPS.get(name, [name]) for name in options.workloads]
    options.workloads = list(dict.fromkeys(itertools.chain.from_iterable(named)))
    unknown = set(options.workloads) - set(WORKLOADS)
    if unknown:
        parser.error(f"no workload {', '.join(sorted(unknown))}")
    names = {name for name, _ in PEERS}
    if set(options.peers or []) - names:
        parser.error(f"peers are {', '.join(sorted(names))}")
    if not options.workloads:
        options.workloads = QUICK if options.quick else sorted(set(WORKLOADS) - ON_REQUEST)
    options.repeats = options.repeats or (3 if options.quick else 7)
    options.peers = options.peers or (QUICK_PEERS if options.quick else None)
    options.modes = options.modes or ("matched" if options.quick else "both")
    options.python = {
        name: Path(path) for name, path in (item.split("=", 1) for item in options.python)
    }
    return options


def main() -> None:
    options = arguments()
    if options.setup is not None:
        set_up(options.setup)
        return
    report = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "threads": options.threads}
    report |= {"goal": GOAL, "workloads": []}
    print(f"{report['machine']['cpu']}, {options.threads} threads", flush=True)
    for name in options.workloads:
        found = measure(make(name), options)
        report["workloads"].append(found)
        print("\n" + table(found), flush=True)
        if options.json is not None:
            options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    sys.exit(main())
