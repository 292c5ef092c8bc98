"""Makes docs/benchmark.md from what run.py saved: `python bench/page.py rounds.json`."""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from problems import WORKLOADS
from report import LIMIT, LIMITS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmark.md"
HEAD = """# Benchmark

Made by `bench/page.py` from what `bench/run.py` found; [bench/README.md](../bench/README.md) says
what the workloads and the columns are. Ratios are medians over rounds, of times within a round, at
equal accuracy; on a shared machine those under 1.7 are ties.
"""
SCALING = """
## Scaling

Times at equal accuracy over the number of samples, of columns and of neurons (`bench/scaling.py`).

![Time of a fit over samples, columns and neurons](scaling.svg)
"""


def section(found: dict[str, Any]) -> list[str]:
    """Return the lines of one workload."""
    title = (WORKLOADS[found["workload"]].__doc__ or "").strip().splitlines()[0].rstrip(".")
    lines = [f"## {found['workload']}: {title}", "", f"{found['size']}.", ""]
    if found["foreign_load"] > 0.05:
        share = 100 * found["foreign_load"]
        lines += [f"Other work took {share:.0f} % of the machine.", ""]
    limit = statistics.median(
        next((r["seconds"] for r in found["rows"] if r["peer"] == LIMIT and r["seconds"]), [0.0])
    )
    lines += [
        f"| contender | tolerance | median s | x spikeglm | x limit | {found['measure']} | MB |",
        "|---|---|---|---|---|---|---|",
    ]
    left_out = []
    for row in found["rows"]:
        if row["peer"] in (LIMIT, *LIMITS.values()):
            continue
        if row["note"] or not row["seconds"]:
            left_out.append(f"{row['peer']}: {row['note']}")
            continue
        median = statistics.median(row["seconds"])
        tolerance = "" if row["tolerance"] is None else f"{row['tolerance']:.0e}"
        cells = [
            row["peer"] + (" (default)" if row["mode"] == "default" else ""),
            tolerance,
            f"{median:.4g}",
            f"{statistics.median(row['ratios']):.3g}" if row["ratios"] else "",
            f"{median / limit:.3g}" if limit else "",
            "" if row["quality"] is None else f"{row['quality']:.0e}",
            f"{row['memory'] / 1e6:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    for goal in found["goals"]:
        if goal["best"] is None:
            continue
        met = "met" if goal["ratio"] >= goal["goal"] else "**missed**"
        lines.append(
            f"- goal {goal['goal']:g} x {goal['best']}: {goal['ratio']:.3g}, {met}"
            + (f" (not measured: {', '.join(goal['missing'])})" if goal["missing"] else "")
        )
    lines += [f"- {text}" for text in left_out]
    return [*lines, ""]


def page(report: dict[str, Any], notes: str) -> str:
    """Return the page of a run."""
    machine = report["machine"]
    versions: dict[str, str] = {}
    for found in report["workloads"]:
        for row in found["rows"]:
            versions |= row["versions"]
    lines = [
        HEAD,
        f"{report['date']}; {machine['cpu']}, {report['threads']} threads, "
        f"{machine['memory_gb']} GB; Python {machine['python']}; "
        + ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        + f". Gap to be attained: {report['goal']:.0e}.",
        "",
    ]
    for found in report["workloads"]:
        lines += section(found)
    text = "\n".join(lines).rstrip() + "\n"
    if (PAGE.parent / "scaling.svg").exists():
        text += SCALING
    return text + notes


def main() -> None:
    """Write the page; what stands under its last heading, "Limits", is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=Path, nargs="+", help="files of run.py --json")
    reports = [json.loads(path.read_text()) for path in parser.parse_args().rounds]
    report = reports[0]
    for other in reports[1:]:
        report["workloads"] += other["workloads"]
    before = PAGE.read_text() if PAGE.exists() else ""
    _, heading, notes = before.partition("\n## Limits\n")
    PAGE.write_text(page(report, heading + notes))


if __name__ == "__main__":
    main()
