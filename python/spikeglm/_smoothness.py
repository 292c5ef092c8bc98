"""The choice of smoothing strengths by restricted maximum likelihood, or by prediction error."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, special

from . import _core
from ._features import Features
from ._settings import Task
from ._validation import FloatArray, warn
from .exceptions import ConvergenceWarning

Penalties = list[tuple[int, FloatArray]]

MAX_ITERATIONS = 60
# Of the criterion in the logarithm of a strength, in nats.
FLAT = 1e-5
# Distance of the coefficients from those that the strengths ask for, in standard errors.
NEAR = 1e-4
LARGEST_STEP = 3.0
MAX_STEPS = 30  # for one quadratic model
# Strengths are looked for between these, in units of what balances penalty and data.
LOWEST, HIGHEST = 1e-7, 2e4


@dataclass
class Block:
    """Penalties of the same columns."""

    members: list[int]
    # Each in a basis of the directions that any of them penalises.
    reduced: list[FloatArray]

    @classmethod
    def of(cls, members: list[int], matrices: list[FloatArray]) -> "Block":
        """Find those directions."""
        total = sum(matrix / np.trace(matrix) for matrix in matrices)
        values, vectors = np.linalg.eigh(total)
        kept = vectors[:, values > 1e-10 * values[-1]]
        return cls(members, [kept.T @ matrix @ kept for matrix in matrices])

    @property
    def rank(self) -> int:
        """Number of those directions."""
        return len(self.reduced[0])

    def derivatives(self, strengths: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return those of log det+ of the sum in the logarithms of the strengths."""
        if len(self.members) == 1:
            return np.array([float(self.rank)]), np.zeros((1, 1))
        parts = [s * r for s, r in zip(strengths[self.members], self.reduced, strict=True)]
        factor = linalg.cho_factor(sum(parts))
        shares = [linalg.cho_solve(factor, part) for part in parts]
        first = np.array([np.trace(share) for share in shares])
        pairs = np.array([[np.sum(a * b.T) for b in shares] for a in shares])
        return first, np.diag(first) - pairs


def blocks_of(penalties: Penalties) -> list[Block]:
    """Group penalties by their columns, which must be the same or apart."""
    by_columns: dict[tuple[int, int], list[int]] = {}
    for j, (first, matrix) in enumerate(penalties):
        by_columns.setdefault((first, len(matrix)), []).append(j)
    spans = sorted(by_columns)
    for (first, size), (after, _) in pairwise(spans):
        if after < first + size:
            raise ValueError(
                f"penalties on columns {first} to {first + size - 1} and from {after} on overlap: "
                "penalties must have the same columns, or none in common."
            )
    return [
        Block.of(members, [penalties[j][1] for j in members]) for members in by_columns.values()
    ]


@dataclass
class Search:
    """One neuron: coefficients and strengths that are improved in turns."""

    coef: FloatArray
    intercept: float
    strengths: FloatArray  # of the total, of its own penalties; empty until the data are seen
    penalties: Penalties
    members: list[int]  # of the penalties of all
    blocks: list[Block]
    dispersion: float = 1.0
    done: bool = False
    objective: float = np.inf  # penalised, at the last accepted point
    before: tuple[FloatArray, float] | None = None
    covariance: FloatArray | None = None  # (H + S)^-1, standardised
    scale: float = 1.0  # of the total over the stated objective
    halvings: int = 0
    bounds: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))

    def retreat(self) -> None:
        """Go half way back: the model was no good that far, or a mean left its domain."""
        assert self.before is not None  # the search begins inside
        self.coef = 0.5 * (self.coef + self.before[0])
        self.intercept = 0.5 * (self.intercept + self.before[1])
        self.halvings += 1
        self.done = self.halvings > 40


class Chooser:
    """Alternates Newton steps of the coefficients with the best strengths for their model.

    At the coefficients that the strengths ask for, the gradient of the criterion is exact: that of
    Wood (2011), J. R. Stat. Soc. B 73, eq. 5, with the change of the information along the
    coefficients. On the way it is that of the quadratic model, as in Wood, Goude & Shaw (2015),
    J. R. Stat. Soc. C 64.
    """

    def __init__(
        self,
        features: Features,
        columns: list[FloatArray],
        task: Task,
        penalties: Penalties,
        method: str,
        estimates_dispersion: bool,
        mask: Any,
    ) -> None:
        self.features, self.columns, self.task = features, columns, task
        self.penalties, self.method = penalties, method
        self.estimates = estimates_dispersion
        self.mask = mask
        self.seen: NDArray[np.bool_] | None = None  # rows without NaN in X
        blocks_of(penalties)  # refuses those that overlap
        keys = ("model", "link", "intercept", "n_threads")
        self.arguments = {key: task.arguments[key] for key in keys} | task.rows

    def choose(self) -> list[Search]:
        """Return coefficients and strengths of every neuron."""
        nulls = _core.fit(
            self.features.matrix,
            [self._problem(i, excluded=True) for i in range(len(self.columns))],
            **{**self.task.arguments, "solver": "Newton", "settings": {}},
            **self.task.rows,
            max_iterations=100,
            shared_groups=None,
        )
        n_features = self.features.shape[1]
        searches = [
            Search(np.zeros(n_features), null.intercept, np.zeros(0), *self._own_penalties(i))
            for i, null in enumerate(nulls)
        ]
        for search, null in zip(searches, nulls, strict=True):
            search.done = null.status == "silent" or not search.members
        for _ in range(MAX_ITERATIONS):
            active = [i for i, search in enumerate(searches) if not search.done]
            if not active:
                break
            covariances = [searches[i].covariance for i in active]
            known = self.method == "REML" and all(c is not None for c in covariances)
            found = _core.information(
                self.features.matrix,
                [self._problem(i, searches[i]) for i in active],
                **self.arguments,
                covariances=covariances if known else [],  # type: ignore[arg-type]
            )
            for i, information in zip(active, found, strict=True):
                self._improve(searches[i], information, i)
        # Who is done in the middle of halvings has given up.
        left = [search for search in searches if not search.done or search.halvings]
        if left:
            warn(
                f"the smoothing strengths of {len(left)} of {len(searches)} neurons did not settle "
                f"within {MAX_ITERATIONS} iterations; their fits are those of the last ones.",
                ConvergenceWarning,
            )
        return searches

    def _own_penalties(self, i: int) -> tuple[Penalties, list[int], list[Block]]:
        """Return the penalties of the features that a neuron has."""
        own, members = [], []
        for j, (first, matrix) in enumerate(self.penalties):
            has = np.ones(len(matrix))
            if self.mask is not None:
                has = self.mask[first : first + len(matrix), i] != 0
            held = matrix * has[:, None] * has
            if np.any(held):
                own.append((first, held))
                members.append(j)
        return own, members, blocks_of(own)

    def _problem(self, i: int, at: Search | None = None, excluded: bool = False) -> _core.Problem:
        given = None if self.mask is None else np.ascontiguousarray(self.mask[:, i] == 0)
        if excluded:
            given = np.ones(self.features.shape[1], dtype=np.uint8)
        return _core.Problem(
            self.columns[i],
            quadratic=self.task.terms.quadratic[i],
            excluded=given,
            start_coef=None if at is None else at.coef,
            start_intercept=0.0 if at is None else at.intercept,
            parameter=self.task.parameter,
        )

    def _improve(self, search: Search, found: dict[str, Any], i: int) -> None:
        if not np.isfinite(found["value"]):
            search.retreat()
            return
        spread, location = found["spread"], found["location"]
        gamma = np.append(search.coef * spread, search.intercept + location @ search.coef)
        parts = []
        for first, matrix in search.penalties:
            own = slice(first, first + len(matrix))
            whole = np.zeros((len(gamma), len(gamma)))
            whole[own, own] = matrix / spread[own, None] / spread[own]
            parts.append(whole)
        H = found["curvature"] + found["penalty"]  # a ridge counts as data
        if not search.strengths.size:
            balance = np.array([np.sum(np.diag(H)[np.diag(S) > 0]) / np.trace(S) for S in parts])
            search.scale = found["objective_scale"]
            search.strengths = 1e-2 * balance
            search.bounds = np.log(balance)[:, None] + np.log([LOWEST, HIGHEST])
        total = sum(s * S for s, S in zip(search.strengths, parts, strict=True))
        ridge = found["penalty"]
        value = found["value"] + 0.5 * gamma @ (total + ridge) @ gamma
        if search.before is not None and not value <= search.objective + 1e-9 * abs(value):
            search.retreat()
            return
        search.halvings = 0
        null_space = self._invisible(found, total)
        Q = _complement(null_space, len(gamma), found)
        model = Model(
            Q.T @ H @ Q,
            Q.T @ (H @ gamma - found["gradient"] - ridge @ gamma),
            [Q.T @ S @ Q for S in parts],
            search.blocks,
            Q.T @ found["skew"] if len(found["skew"]) else None,
        )
        if self.estimates:
            rank = sum(block.rank for block in search.blocks)
            search.dispersion = self._dispersion(value, Q.shape[1] - rank, found, i)
        rho = np.log(search.strengths)
        if self.method == "REML":
            chosen, slope = model.best(rho, search.dispersion, search.bounds)
        else:
            chosen, slope = self._least_error(model, rho, gamma @ Q, found, search, i)
        search.strengths = np.exp(chosen)
        A, step_to = model.at(chosen)
        inverse = linalg.cho_solve(A, np.eye(len(Q.T)))
        new = Q @ step_to
        move = new - gamma
        distance = np.sqrt(max(0.0, (Q.T @ move) @ model.matrix(chosen) @ (Q.T @ move)))
        search.covariance = np.asfortranarray(Q @ inverse @ Q.T)
        total = sum(s * S for s, S in zip(search.strengths, parts, strict=True))
        search.objective = found["value"] + 0.5 * gamma @ (total + ridge) @ gamma
        search.before = (search.coef, search.intercept)
        settled = distance <= NEAR * np.sqrt(search.dispersion) and np.all(np.abs(slope) <= FLAT)
        exact = self.method != "REML" or len(found["skew"]) > 0
        search.done = bool(settled and exact)
        search.coef = new[:-1] / spread
        search.intercept = float(new[-1] - location @ search.coef)

    def _invisible(self, found: dict[str, Any], total: FloatArray) -> FloatArray:
        """Return the directions that neither the rows nor the penalties see."""
        null = np.array(found["null_vectors"]).reshape(-1, len(total)).T
        if not null.size:
            return null
        null = np.linalg.qr(null)[0]
        values, vectors = np.linalg.eigh(null.T @ (total + found["penalty"]) @ null)
        unseen = values <= 1e-9 * max(np.max(np.diag(total)), 1e-300)
        return np.asarray(null @ vectors[:, unseen])

    def _dispersion(self, value: float, n_unpenalised: int, found: dict[str, Any], i: int) -> float:
        """Return the dispersion at which the restricted likelihood is largest."""
        n = found["sum_of_weights"]
        if self.arguments["model"] == "Gaussian":
            return float(2.0 * value / (n - n_unpenalised))
        mean_log = self._mean_log(i)

        def loss(log_phi: float) -> float:
            nu = np.exp(-log_phi)
            constant = n * (nu * np.log(nu) - special.gammaln(nu) + (nu - 1.0) * mean_log)
            return float(value * nu - constant - 0.5 * n_unpenalised * log_phi)

        return float(np.exp(optimize.minimize_scalar(loss, bounds=(-25.0, 10.0)).x))

    def _mean_log(self, i: int) -> float:
        """Return the weighted mean of log y over the rows in use."""
        y = self.columns[i]
        if self.seen is None:
            nothing = np.zeros(self.features.shape[1])
            threads = self.arguments["n_threads"]
            self.seen = ~np.isnan(
                _core.predict(self.features.matrix, nothing, 0.0, None, "identity", threads)
            )
        used = self.seen & ~np.isnan(y)
        weight = self.task.rows["weight"]
        if weight is not None:
            used &= weight > 0.0
        weights = None if weight is None else weight[used]
        return float(np.average(np.log(y[used]), weights=weights))

    def _least_error(
        self,
        model: "Model",
        rho: FloatArray,
        gamma: FloatArray,
        found: dict[str, Any],
        search: Search,
        i: int,
    ) -> tuple[FloatArray, FloatArray]:
        """Minimise the generalised cross-validation score, or that of a known dispersion.

        Craven & Wahba (1979), Numer. Math. 31; Wood (2017), Generalized Additive Models, section
        6.2.
        """
        n = found["sum_of_weights"]
        deviance = 2.0 * found["value"]
        if self.arguments["model"] == "Gamma":
            deviance -= 2.0 * n * (1.0 + self._mean_log(i))
        constant = deviance - model.deviance(gamma)

        def score(at: FloatArray) -> float:
            factor, point = model.at(at)
            edf = float(np.trace(linalg.cho_solve(factor, model.H)))
            distance = model.deviance(point) + constant
            if self.estimates:
                return float(n * max(distance, 1e-300) / (n - edf) ** 2)
            return (distance + 2.0 * edf) / n

        unit = n / max(abs(deviance), 1.0) if self.estimates else 1.0
        found_at = optimize.minimize(
            lambda at: score(at) * unit * n,
            rho,
            method="L-BFGS-B",
            bounds=search.bounds,
            options={"ftol": 1e-13, "gtol": 1e-6},
        )
        # Settled where the strengths stay; on a plateau where the score does.
        moved = found_at.x - rho
        gained = abs(score(rho) - score(found_at.x)) * unit * n
        slope = np.zeros(len(rho)) if gained < 1e-7 else moved
        return found_at.x, slope


class Model:
    """The quadratic model of the loss at a point, with its penalties: gamma' H gamma / 2 - b'gamma.

    Parameters lie in a space where H plus the penalties is definite.
    """

    def __init__(
        self,
        H: FloatArray,
        b: FloatArray,
        parts: list[FloatArray],
        blocks: list[Block],
        skew: FloatArray | None,
    ) -> None:
        self.H, self.b, self.parts, self.blocks, self.skew = H, b, parts, blocks, skew

    def matrix(self, rho: FloatArray) -> FloatArray:
        """Return H + sum of the penalties."""
        return np.asarray(self.H + sum(np.exp(r) * S for r, S in zip(rho, self.parts, strict=True)))

    def at(self, rho: FloatArray) -> tuple[Any, FloatArray]:
        """Return the Cholesky factor of the matrix, and the minimiser."""
        factor = linalg.cho_factor(self.matrix(rho))
        return factor, linalg.cho_solve(factor, self.b)

    def deviance(self, gamma: FloatArray) -> float:
        """Return twice the loss of the model."""
        return float(gamma @ self.H @ gamma - 2.0 * self.b @ gamma)

    def derivatives(self, rho: FloatArray, dispersion: float) -> tuple[FloatArray, FloatArray]:
        """Return gradient and curvature of the restricted likelihood in log strengths."""
        factor, gamma = self.at(rho)
        strengths = np.exp(rho)
        inverse = linalg.cho_solve(factor, np.eye(len(gamma)))
        pulls = np.array([s * (S @ gamma) for s, S in zip(strengths, self.parts, strict=True)])
        moved = pulls @ inverse  # minus the changes of gamma
        shares = [s * (inverse @ S) for s, S in zip(strengths, self.parts, strict=True)]
        traces = np.array([np.trace(share) for share in shares])
        pairs = np.array([[np.sum(a * c.T) for c in shares] for a in shares])
        roughness = pulls @ gamma
        gradient = -0.5 * roughness / dispersion - 0.5 * traces
        curvature = np.diag(-0.5 * roughness / dispersion - 0.5 * traces)
        curvature += pulls @ moved.T / dispersion + 0.5 * pairs
        for block in self.blocks:
            first, second = block.derivatives(strengths)
            gradient[block.members] += 0.5 * first
            curvature[np.ix_(block.members, block.members)] += 0.5 * second
        if self.skew is not None:
            gradient += 0.5 * moved @ self.skew
        return gradient, curvature

    def best(
        self, rho: FloatArray, dispersion: float, bounds: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return where the gradient vanishes, or a bound, and the gradient at `rho`."""
        start = None
        limit = LARGEST_STEP
        last = np.zeros(len(rho))
        for _ in range(MAX_STEPS):
            gradient, curvature = self.derivatives(rho, dispersion)
            # A strength at its bound that would go on is at rest.
            stuck = ((rho <= bounds[:, 0]) & (gradient < 0)) | (
                (rho >= bounds[:, 1]) & (gradient > 0)
            )
            gradient = np.where(stuck, 0.0, gradient)
            start = gradient if start is None else start
            if np.all(np.abs(gradient) <= 0.1 * FLAT):
                break
            if last @ gradient < 0.0:  # beyond the maximum
                limit = 0.5 * np.max(np.abs(last))
            values, vectors = np.linalg.eigh(-curvature)
            # Uphill also where the criterion is not concave. On plateaus slope and curvature fall
            # together, and a step is one.
            scaled = (vectors.T @ gradient) / np.maximum(np.abs(values), 1e-10)
            step = vectors @ scaled
            step *= min(1.0, limit / max(np.max(np.abs(step)), 1e-300))
            moved = np.clip(np.where(stuck, rho, rho + step), bounds[:, 0], bounds[:, 1])
            last, rho = moved - rho, moved
        assert start is not None
        return rho, start


def _complement(null_space: FloatArray, size: int, found: dict[str, Any]) -> FloatArray:
    """Return an orthonormal basis of what is left of the candidates."""
    candidates = np.zeros(size, dtype=bool)
    candidates[found["identified"]] = True
    for vector in found["null_vectors"]:
        candidates |= vector != 0.0
    index = np.flatnonzero(candidates)
    if not null_space.size:
        return np.eye(size)[:, index]
    full = linalg.null_space(null_space[index].T)
    basis = np.zeros((size, full.shape[1]))
    basis[index] = full
    return basis
