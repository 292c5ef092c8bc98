"""The workloads: seeded problems, one function each. Needs numpy only."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Work to be done.

    `kind` is "glm" (y is a vector), "population" (y has a column per neuron), "convolution" (X is
    a train of counts, to be convolved with raised cosines) or "spline" (X are samples in [0, 1], at
    which B-splines are evaluated). A fit minimises the mean negative log-likelihood under the exp
    link plus strength / 2 * sum(coef**2).
    """

    name: str
    kind: str
    X: Array
    y: Array | None = None
    family: str = "poisson"
    strength: float = 0.0
    n_basis_funcs: int = 0
    window_size: int = 0

    @property
    def kernels(self) -> Array:
        """The filters of a convolution, (window_size, n_basis_funcs); row 0 is the latest bin."""
        return raised_cosine_log(self.n_basis_funcs, self.window_size)

    @property
    def size(self) -> str:
        return " x ".join(f"{n:,}" for n in self.X.shape)


WORKLOADS: dict[str, Callable[[str], Problem]] = {}


def workload(*names: str) -> Callable[[Callable[[str], Problem]], Callable[[str], Problem]]:
    def register(make: Callable[[str], Problem]) -> Callable[[str], Problem]:
        WORKLOADS.update(dict.fromkeys(names, make))
        return make

    return register


def make(name: str) -> Problem:
    return WORKLOADS[name](name)


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))  # the fastest of numpy's


# Fits


@workload("small", "3a", "3b", "3c", "3d")
def poisson_ridge(name: str) -> Problem:
    """Poisson, independent normal columns."""
    n, p = {
        "small": (2_000, 20),
        "3a": (100_000, 50),
        "3b": (100_000, 200),
        "3c": (1_000_000, 50),
        "3d": (1_000_000, 200),
    }[name]
    rng = generator(1)
    X = rng.standard_normal((n, p))
    eta = X @ (0.5 / np.sqrt(p) * rng.standard_normal(p)) - 0.5
    return Problem(name, "glm", X, rng.poisson(np.exp(eta)).astype(float), strength=1e-3)


@workload("6")
def gamma_ridge(name: str) -> Problem:
    """Gamma with exp link, shape 2."""
    rng = generator(2)
    X = rng.standard_normal((100_000, 50))
    mean = np.exp(X @ (0.5 / np.sqrt(50) * rng.standard_normal(50)) + 0.5)
    return Problem(name, "glm", X, rng.gamma(2.0, mean / 2.0), "gamma", 1e-3)


@workload("history", "recording", "population")
def spike_history(name: str) -> Problem:
    """Poisson on five history filters of each of several units: rows correlated in time.

    The units fire at rates from 0.005 to 0.2 per bin, which a few slow signals that they share
    modulate by a factor of e. "history" has the shape of 3a; "recording" and "population" that of a
    session of head-direction cells.
    """
    n, units, targets = {
        "history": (100_000, 10, 1),
        "recording": (195_820, 19, 1),
        "population": (195_820, 19, 19),
    }[name]
    rng = generator(3)
    window = 100
    signals = smooth(rng.standard_normal((n + window, 4)), 200)
    gain = rng.standard_normal((4, units))
    gain /= np.linalg.norm(gain, axis=0)
    base = rng.permutation(np.geomspace(0.005, 0.2, units))
    spikes = rng.poisson(base * np.exp(signals @ gain)).astype(float)
    features = causal_filter(spikes, raised_cosine_log(5, window))
    X = np.ascontiguousarray(features[window:].reshape(n, 5 * units))
    if targets > 1:
        return Problem(name, "population", X, spikes[window:].copy(), strength=1e-4)
    drive = X @ rng.standard_normal(X.shape[1])
    eta = np.log(0.05) + 0.7 * (drive - drive.mean()) / drive.std()
    return Problem(name, "glm", X, rng.poisson(np.exp(eta)).astype(float), strength=1e-4)


# Features


@workload("2a", "2a-dense")
def convolution(name: str) -> Problem:
    """One train of a million bins, 2 % of them with a spike (all of them in 2a-dense)."""
    rng = generator(4)
    n = 1_000_000
    x = (rng.random(n) < 0.02).astype(float) if name == "2a" else rng.standard_normal(n)
    return Problem(name, "convolution", x, n_basis_funcs=8, window_size=100)


@workload("1a")
def spline(name: str) -> Problem:
    """Ten cubic B-splines at a million samples."""
    return Problem(name, "spline", generator(5).random(1_000_000), n_basis_funcs=10)


# What they are made of


def raised_cosine_log(n: int, window: int, scaling: float = 50.0) -> Array:
    """Bumps on a logarithmic axis, the last of which ends with the window; width 2."""
    v = np.log1p(scaling * np.linspace(0.0, 1.0, window)) / np.log1p(scaling)
    peaks = np.linspace(0.0, 1.0 - 2.0 / (n + 1.0), n)
    phase = (v[:, None] - peaks) / (2.0 * (peaks[1] - peaks[0]))
    return 0.5 * (1.0 + np.cos(np.pi * np.clip(phase, -1.0, 1.0)))


def causal_filter(x: Array, kernels: Array) -> Array:
    """Return (n, units, filters): the sum over k of kernels[k] * x[t - 1 - k], none before 0.

    x and the kernels must not be negative: rounding of the Fourier transform is set to zero.
    """
    n, window = len(x), len(kernels)
    length = 1 << int(np.ceil(np.log2(n + window)))
    spectrum = np.fft.rfft(kernels, length, axis=0)
    out = np.zeros((n, x.shape[1], kernels.shape[1]))
    for unit in range(x.shape[1]):
        product = np.fft.rfft(x[:, unit], length)[:, None] * spectrum
        out[1:, unit] = np.fft.irfft(product, length, axis=0)[: n - 1]
    out[out < 1e-12] = 0.0
    return out


def smooth(noise: Array, width: int) -> Array:
    """Return moving averages, scaled to unit variance."""
    total = np.cumsum(np.concatenate([np.zeros((1, noise.shape[1])), noise]), axis=0)
    index = np.arange(len(noise))
    low, high = np.maximum(index - width, 0), np.minimum(index + width, len(noise))
    return (total[high] - total[low]) / np.sqrt(2.0 * width)


# Between processes


def save(problem: Problem, folder: Path) -> None:
    """Write a problem, so that every process works on the same numbers."""
    settings = asdict(problem)
    for name in ("X", "y"):
        array = settings.pop(name)
        if array is not None:
            np.save(folder / f"{name}.npy", array)
    (folder / "problem.json").write_text(json.dumps(settings))


def load(folder: Path) -> Problem:
    arrays = {file.stem: np.load(file) for file in folder.glob("[Xy].npy")}
    return Problem(**arrays, **json.loads((folder / "problem.json").read_text()))
