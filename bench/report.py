"""What a run has found, in words: tables, and the goals that spikeglm has set itself."""

import os
import platform
import statistics
from pathlib import Path
from typing import Any

LIMIT = "limit"
LIMITS = {"spikeglm-out": "limit-out"}  # of those who do not write fresh memory
SAME = 1e-9  # largest difference of coefficients that are to be the same

BEST = ("sklearn-newton", "sklearn-lbfgs", "glum", "statsmodels", "adelie")
CONVOLUTIONS = ("nemos", "oaconvolve", "fftconvolve")
GOALS: dict[str, list[tuple[float, tuple[str, ...]]]] = {
    "1a": [(15.0, ("nemos",)), (3.0, ("sklearn-splines",))],
    "1b": [(15.0, ("nemos",)), (3.0, ("sklearn-splines",))],
    "1c": [(10.0, ("nemos",)), (4.0, ("numpy",))],
    "1d": [(2.0, ("nemos", "sklearn-splines", "scipy-splines"))],
    "2a": [(6.0, CONVOLUTIONS)],
    "2b": [(6.0, CONVOLUTIONS)],
    "2c": [(12.0, CONVOLUTIONS)],
    "2d": [(12.0, CONVOLUTIONS)],
    "tensor": [(8.0, ("spikeglm-dense",))],
    "small": [(2.0, BEST), (20.0, ("nemos",))],
    "3a": [(8.0, BEST), (50.0, ("nemos",))],
    "3b": [(8.0, BEST), (25.0, ("nemos",))],
    "3c": [(8.0, BEST), (40.0, ("nemos",))],
    "3d": [(8.0, BEST), (40.0, ("nemos",))],
    "4": [(45.0, BEST), (300.0, ("nemos",))],
    "5a": [(4.0, ("adelie",))],
    "5b": [(8.0, ("adelie",))],
    "5c": [(3.0, ("adelie",))],
    "5c-group": [(3.0, ("adelie",))],
    "6": [(8.0, BEST), (50.0, ("nemos",))],
    "7": [(15.0, BEST)],
}


def table(found: dict[str, Any]) -> str:
    measure = found["measure"]
    limits = {
        row["peer"]: statistics.median(row["seconds"])
        for row in found["rows"]
        if row["peer"] in (LIMIT, *LIMITS.values()) and row["seconds"]
    }
    heads = ["peer", "mode", "tol", "median s", "/ spikeglm", "min..max", "/ limit"]
    heads += [measure, "cold s", "MB"]
    lines = [heads]
    for row in found["rows"]:
        if row["note"] or not row["seconds"]:
            lines.append([row["peer"], row["mode"], row["note"]])
            continue
        median = statistics.median(row["seconds"])
        limit = limits.get(row["peer"], limits.get(LIMITS.get(row["peer"], LIMIT)))
        ratios = row["ratios"]
        lines.append(
            [
                row["peer"],
                row["mode"],
                "" if row["tolerance"] is None else f"{row['tolerance']:.0e}",
                f"{median:.4g}",
                f"{statistics.median(ratios):.3g}" if ratios else "",
                f"{min(ratios):.2g}..{max(ratios):.2g}" if ratios else "",
                f"{median / limit:.3g}" if limit else "",
                "" if row["quality"] is None else f"{row['quality']:.0e}",
                "" if row["cold"] is None else f"{row['cold']:.2f}",
                f"{row['memory'] / 1e6:.0f}",
            ]
        )
    widths = [max(len(line[i]) for line in lines if len(line) > 3) for i in range(len(heads))]
    widths[0] = max(len(line[0]) for line in lines)
    text = [f"{found['workload']}: {found['size']}"]
    if measure == "gap":
        text[0] += f"; minimum known to {found['certificate']:.0e} of the improvement"
    if found["foreign_load"] > 0.05:
        text.append(f"BUSY: other work takes {100 * found['foreign_load']:.0f} % of the machine.")
    for line in lines:
        cells = [
            cell.ljust(width) if i < 2 or len(line) <= 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=False))
        ]
        text.append("  ".join(cells).rstrip())
    difference = found["coefficient_difference"]
    if difference is not None:
        verdict = "met" if difference <= SAME else "MISSED"
        text.append(
            f"goal: lazy and dense coefficients within {SAME:.0e}: {difference:.0e}, {verdict}"
        )
    text += [_sentence(goal) for goal in found["goals"]]
    return "\n".join(text)


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Compare a workload with its goals: how many times as fast as the best of some peers."""
    ratios: dict[str, float] = {}
    for row in found["rows"]:
        if row["ratios"]:  # the first of a contender is at equal accuracy
            ratios.setdefault(row["peer"], statistics.median(row["ratios"]))
    verdicts = []
    for goal, peers in GOALS.get(found["workload"], []):
        measured = [peer for peer in peers if peer in ratios]
        best = min(measured, key=ratios.__getitem__, default=None)
        verdicts.append(
            {
                "goal": goal,
                "best": best,
                "ratio": ratios.get(best),
                "missing": sorted(set(peers) - set(measured)),
            }
        )
    return verdicts


def _sentence(verdict: dict[str, Any]) -> str:
    without = ", ".join(verdict["missing"])
    if verdict["best"] is None:
        return f"goal: {verdict['goal']:g} times as fast as {without}: not measured"
    met = "met" if verdict["ratio"] >= verdict["goal"] else "MISSED"
    text = f"goal: {verdict['goal']:g} times as fast as {verdict['best']}: {verdict['ratio']:.3g}"
    return f"{text}, {met}" + (f"; not measured: {without}" if without else "")


def machine() -> dict[str, Any]:
    cpu = [line for line in lines_of("/proc/cpuinfo") if line.startswith(("model name", "flags"))]
    facts = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in cpu}
    memory = [line.split()[1] for line in lines_of("/proc/meminfo") if line.startswith("MemTotal")]
    flags = set(facts.get("flags", "").split())
    return {
        "cpu": facts.get("model name", platform.processor()),
        "instructions": sorted(flags & {"sse4_2", "avx2", "fma", "avx512f", "amx_tile"}),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(memory[0]) / 1e6) if memory else None,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def lines_of(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
