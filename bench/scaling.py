"""Times of fits over samples, columns and neurons: `python bench/scaling.py [--json FILE]`.

Draws docs/scaling.svg. Contenders, accuracy and rounds are those of run.py.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import numpy as np
from problems import Problem, generator
from run import arguments, measure

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "scaling.svg"
PEERS = ["spikeglm", "sklearn-newton", "sklearn-lbfgs", "glum"]
STYLES = dict(zip(PEERS, ["o-", "s--", "^:", "d-."], strict=True))
COLORS = dict(zip(PEERS, ["#0072B2", "#D55E00", "#009E73", "#CC79A7"], strict=True))


def problem(n: int, p: int, neurons: int) -> Problem:
    """Return Poisson ridge of independent normal columns."""
    rng = generator(20)
    X = rng.standard_normal((n, p))
    eta = X @ (0.5 / np.sqrt(p) * rng.standard_normal((p, neurons))) - 0.5
    y = rng.poisson(np.exp(eta)).astype(float)
    kind = "population" if neurons > 1 else "glm"
    return Problem("scaling", kind, X, y if neurons > 1 else y[:, 0], strength=1e-3)


AXES = {
    "samples (50 columns)": [(n, (n, 50, 1)) for n in (3_000, 10_000, 30_000, 100_000, 300_000)],
    "columns (50,000 samples)": [(p, (50_000, p, 1)) for p in (10, 30, 100, 300)],
    "neurons (50,000 samples, 50 columns)": [(m, (50_000, 50, m)) for m in (1, 3, 10, 30)],
}


def main() -> None:
    """Measure, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=False)
    parser.add_argument("--json", type=Path)
    own, rest = parser.parse_known_args()
    sys.argv[1:] = [*rest, "--peers", ",".join(PEERS), "--modes", "matched"]
    options = arguments()
    times: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for axis, points in AXES.items():
        times[axis] = {peer: [] for peer in PEERS}
        for at, shape in points:
            for row in measure(problem(*shape), options)["rows"]:
                if row["peer"] in PEERS and row["seconds"]:
                    times[axis][row["peer"]].append((at, statistics.median(row["seconds"])))
            print(axis, at, {peer: line[-1:] for peer, line in times[axis].items()}, flush=True)
    if own.json is not None:
        own.json.write_text(json.dumps(times, indent=1))
    draw(times)


def draw(times: dict[str, dict[str, list[tuple[int, float]]]]) -> None:
    """Draw a panel for each axis."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True)
    for ax, (axis, lines) in zip(axes, times.items(), strict=True):
        for peer, line in lines.items():
            if line:
                ax.loglog(*zip(*line, strict=True), STYLES[peer], color=COLORS[peer], label=peer)
        ax.set_xlabel(axis)
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("median time of a fit (s)")
    axes[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(PICTURE, metadata={"Date": None})
    lines = PICTURE.read_text().splitlines()
    PICTURE.write_text("\n".join(line.rstrip() for line in lines) + "\n")


if __name__ == "__main__":
    main()
