"""A coupled population whose design matrix would not fit: time per bin, and memory.

    python bench/lazy.py [--bins 2000000]

The shape of workload 4 (50 neurons, each on five history filters of all, Poisson ridge at tolerance
0.01), from the counts of the neurons themselves, as one byte each. A tenth of the bins is fitted
from a dense X and from a lazy design, all of them from the lazy design alone; each fit has its own
process, whose largest resident size, counts and y included, is printed.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

UNITS, WINDOW = 50, 100


def counts(n_bins: int) -> np.ndarray:
    """Spikes of neurons at rates over two decades, which four slow signals modulate."""
    rng = np.random.default_rng(9)
    slow = rng.standard_normal((n_bins // 200 + 2, 4))
    gain = rng.standard_normal((4, UNITS))
    gain /= np.linalg.norm(gain, axis=0)
    base = rng.permutation(np.geomspace(1e-3, 0.1, UNITS))
    spikes = np.empty((n_bins, UNITS), np.uint8)
    for first in range(0, n_bins, 100_000):
        at = np.arange(first, min(first + 100_000, n_bins)) / 200
        left = at.astype(int)
        share = (at - left)[:, None]
        signals = slow[left] * (1 - share) + slow[left + 1] * share
        spikes[first : first + len(at)] = rng.poisson(base * np.exp(0.5 * signals @ gain))
    return spikes


def fit(kind: str, n_bins: int) -> None:
    """Fit once and print microseconds per bin and the largest resident size in MB."""
    import spikeglm as nmo

    spikes = counts(n_bins)
    basis = nmo.basis.RaisedCosineLogConv(5, window_size=WINDOW)
    X = basis.compute_features(spikes) if kind == "dense" else basis.design(spikes)
    model = nmo.glm.PopulationGLM(
        "Poisson",
        "exp",
        regularizer="Ridge",
        regularizer_strength=1e-4,
        solver_kwargs={"tol": 0.01},
    )
    start = time.perf_counter()
    model.fit(X, spikes)
    seconds = time.perf_counter() - start
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{1e6 * seconds / n_bins:.3f} {largest:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bins", type=int, default=2_000_000)
    parser.add_argument("--fit", choices=["dense", "lazy"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit:
        fit(options.fit, options.bins)
        return
    print("design       bins  us per bin  largest resident size")
    per_bin = {}
    for kind, n_bins in [
        ("dense", options.bins // 10),
        ("lazy", options.bins // 10),
        ("lazy", options.bins),
    ]:
        command = [sys.executable, __file__, "--fit", kind, "--bins", str(n_bins)]
        time_per_bin, size = subprocess.check_output(command, text=True).split()
        per_bin[kind] = float(time_per_bin)
        print(f"{kind:6} {n_bins:10,}  {time_per_bin:>10}  {size:>10} MB", flush=True)
    matrix = 8 * 5 * UNITS * options.bins / 2**30
    print(
        f"X would take {matrix:.1f} GB; per bin {per_bin['lazy'] / per_bin['dense']:.2f} of dense"
    )


if __name__ == "__main__":
    main()
