"""The workloads: seeded problems, one function each. Needs numpy only."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from formulas import Array, bspline, raised_cosine_log, row_products

GROUPS = {
    "fits": ["small", "3a", "3b", "3c", "6", "history", "recording"],
    "paths": ["5a", "5b", "5c", "5c-group"],
    "basis": ["1a", "1b", "1c", "1d"],
    "conv": ["2a", "2a-dense", "2b", "2b-dense", "2c", "2d"],
}


@dataclass(frozen=True)
class Problem:
    """Work to be done.

    A fit minimises the mean negative log-likelihood under the exp link plus
    strength / 2 * sum(coef**2). Its `kind` is "glm" (y is a vector), "population" (y has a column
    per neuron), "tensor" (a "glm" where X holds the products of the B-splines of the two columns
    of `samples`), "path" (at each of `strengths` an absolute penalty, of groups of `group_size`
    columns where that is not zero, in place of the quadratic one) or "cv" (a "glm" with the one of
    `strengths` that five folds, of rows in order, speak for).

    Features are those of a "convolution" (of counts X, a column per train, with raised cosines),
    or the values of "bspline", "cyclic" or "cosine" functions at samples X in [0, 1): two columns
    of X stand for the products of the functions of each.
    """

    name: str
    kind: str
    X: Array
    y: Array | None = None
    samples: Array | None = None
    family: str = "poisson"
    strength: float = 0.0
    strengths: list[float] = field(default_factory=list)
    group_size: int = 0
    n_basis_funcs: int = 0
    window_size: int = 0

    @property
    def inputs(self) -> list[Array]:
        """What a basis is given: all trains at once, samples one column at a time."""
        given = self.X if self.samples is None else self.samples
        return [given] if self.kind == "convolution" or given.ndim == 1 else list(given.T)

    @property
    def kernels(self) -> Array:
        """The filters of a convolution, (window_size, n_basis_funcs); row 0 is the latest bin."""
        return raised_cosine_log(np.linspace(0.0, 1.0, self.window_size), self.n_basis_funcs)

    @property
    def n_features(self) -> int:
        """Columns that a basis makes of X."""
        n_columns = 1 if self.X.ndim == 1 else self.X.shape[1]
        if self.kind == "convolution":
            return n_columns * self.n_basis_funcs
        return int(self.n_basis_funcs**n_columns)

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
    return Problem(name, "glm", X, rng.gamma(2.0, mean / 2.0), family="gamma", strength=1e-3)


@workload("5a", "5b", "5c", "5c-group", "wide")
def paths(name: str) -> Problem:
    """Poisson, independent normal columns, a fifth of which matter; 50 strengths, or one."""
    n, p = (20_000, 5_000) if name == "wide" else (100_000, 300)
    rng = generator(7)
    X = rng.standard_normal((n, p))
    size = 10 if name in ("5b", "5c-group") else 1
    matter = np.repeat(rng.random(p // size) < (0.01 if name == "wide" else 0.2), size)
    coef = matter * rng.standard_normal(p)
    y = rng.poisson(np.exp(0.5 * (X @ coef) / np.sqrt(matter.sum()) - 0.5)).astype(float)
    gradient = (X.T @ (y - y.mean()) / n).reshape(-1, size)
    largest = float(np.linalg.norm(gradient, axis=1).max() / np.sqrt(size))
    single = name.startswith("5c")
    shares = np.array([0.1]) if single else np.geomspace(1.0, 0.05 if name == "wide" else 0.01, 50)
    strengths = [float(s) for s in largest * shares]
    return Problem(name, "path", X, y, strengths=strengths, group_size=size if size > 1 else 0)


@workload("7")
def cross_validation(name: str) -> Problem:
    """Poisson ridge; five folds, ten strengths."""
    rng = generator(8)
    X = rng.standard_normal((100_000, 100))
    eta = X @ (0.5 / np.sqrt(100) * rng.standard_normal(100)) - 0.5
    y = rng.poisson(np.exp(eta)).astype(float)
    return Problem(name, "cv", X, y, strengths=[float(s) for s in np.geomspace(1.0, 1e-4, 10)])


@workload("4")
def coupled_population(name: str) -> Problem:
    """Poisson ridge: 50 neurons, each on five history filters of all; rates over two decades."""
    n, units, window = 200_000, 50, 100
    rng = generator(9)
    signals = smooth(rng.standard_normal((n + window, 4)), 200)
    gain = rng.standard_normal((4, units))
    gain /= np.linalg.norm(gain, axis=0)
    base = rng.permutation(np.geomspace(1e-3, 0.1, units))
    spikes = rng.poisson(base * np.exp(0.5 * signals @ gain)).astype(float)
    features = causal_filter(spikes, raised_cosine_log(np.linspace(0.0, 1.0, window), 5))
    X = np.ascontiguousarray(features[window:].reshape(n, 5 * units))
    drive = X @ (rng.standard_normal((5 * units, units)) * (rng.random((5 * units, units)) < 0.1))
    # Coupling changes rates up to fourfold.
    eta = 1.4 * np.tanh((drive - drive.mean(axis=0)) / drive.std(axis=0))
    return Problem(
        name, "population", X, rng.poisson(base * np.exp(eta)).astype(float), strength=1e-4
    )


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
    features = causal_filter(spikes, raised_cosine_log(np.linspace(0.0, 1.0, window), 5))
    X = np.ascontiguousarray(features[window:].reshape(n, 5 * units))
    if targets > 1:
        return Problem(name, "population", X, spikes[window:].copy(), strength=1e-4)
    drive = X @ rng.standard_normal(X.shape[1])
    eta = np.log(0.05) + 0.7 * (drive - drive.mean()) / drive.std()
    return Problem(name, "glm", X, rng.poisson(np.exp(eta)).astype(float), strength=1e-4)


@workload("tensor")
def place_field(name: str) -> Problem:
    """Poisson on the products of ten B-splines of each coordinate: a place field."""
    rng = generator(6)
    samples = rng.random((1_000_000, 2))
    X = np.empty((len(samples), 100))
    for first in range(0, len(X), 1 << 14):
        rows = slice(first, first + (1 << 14))
        X[rows] = row_products(*(bspline(x, 10) for x in samples[rows].T))
    distance = (samples - [0.4, 0.6]) / 0.15
    rate = 0.02 + 0.5 * np.exp(-0.5 * np.sum(distance**2, axis=1))
    # Column by column, as two recorded coordinates are.
    samples = np.asfortranarray(samples)
    y = rng.poisson(rate).astype(float)
    return Problem(name, "tensor", X, y, samples, strength=1e-4, n_basis_funcs=10)


# Features


@workload("1a", "1b", "1c")
def evaluation(name: str) -> Problem:
    """Ten cubic B-splines, the same on a circle, or eight raised cosines, at a million samples."""
    kind, n_basis_funcs = {"1a": ("bspline", 10), "1b": ("cyclic", 10), "1c": ("cosine", 8)}[name]
    return Problem(name, kind, generator(5).random(1_000_000), n_basis_funcs=n_basis_funcs)


@workload("1d")
def product(name: str) -> Problem:
    """The hundred products of two times ten cubic B-splines."""
    X = np.asfortranarray(generator(5).random((200_000, 2)))
    return Problem(name, "bspline", X, n_basis_funcs=10)


@workload("2a", "2a-dense", "2b", "2b-dense", "2c", "2d")
def convolution(name: str) -> Problem:
    """One or 50 trains of bins, 2 % of which hold a spike (in "dense" all are not zero)."""
    many, long = name in ("2c", "2d"), name[:2] in ("2b", "2d")
    rng = generator(4)
    shape = (200_000, 50) if many else (1_000_000,)
    dense = name.endswith("dense")
    X = rng.standard_normal(shape) if dense else (rng.random(shape) < 0.02).astype(float)
    n_basis_funcs, window = 5 if many else 8, 250 if long else 100
    return Problem(name, "convolution", X, n_basis_funcs=n_basis_funcs, window_size=window)


# What they are made of


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
    for name in ("X", "y", "samples"):
        array = settings.pop(name)
        if array is not None:
            np.save(folder / f"{name}.npy", array)
    (folder / "problem.json").write_text(json.dumps(settings))


def load(folder: Path) -> Problem:
    arrays = {file.stem: np.load(file) for file in folder.glob("*.npy")}
    return Problem(**arrays, **json.loads((folder / "problem.json").read_text()))
