"""Fits with an inverse link or an observation model that is written in Python.

The solvers are those of the core; the objective is computed here, in numpy.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from . import _core
from ._validation import FloatArray
from .links import InverseLink, require_derivative
from .observation_models import CustomObservations, Observations
from .regularizer import PenaltyTerms

Terms = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


@dataclass
class CustomResult:
    """As the core's FitResult."""

    coef: FloatArray
    intercept: float
    dispersion: float
    status: str
    n_iterations: int
    decrement: float
    kkt: float
    sum_of_weights: float
    mean_y: float
    rank: int
    n_used: int
    n_dropped: int
    aliased: NDArray[np.intp]
    n_free: int
    penalised: bool
    separated: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    n_separated_rows: int = 0


class Loss:
    """The negative log-likelihood of rows as a function of eta, with derivatives."""

    def __init__(self, model: Observations, link: str | InverseLink, parameter: float) -> None:
        self.model = model
        self.link = link
        self.parameter = parameter

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return the mean of each row."""
        if isinstance(self.link, InverseLink):
            return self.link(eta)
        return _core.inverse_link(self.link, np.ascontiguousarray(eta))

    def link_derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the mean and its derivatives in eta."""
        if isinstance(self.link, InverseLink):
            return self.link.derivatives(eta)
        mu = self.mean(eta)
        # Half the square of (y - mean) has, one below the mean, the slopes of the mean.
        _, first, second, squared = _core.row_terms("Gaussian", self.link, mu - 1.0, eta, 1.0)
        return mu, first, second - squared

    def model_terms(self, y: FloatArray, mu: FloatArray) -> Terms:
        """Return loss, derivatives in the mean, and the expected second one."""
        if isinstance(self.model, CustomObservations):
            return self.model.terms(y, mu)
        value, first, second, expected = _core.row_terms(
            self.model.name, "identity", y, np.ascontiguousarray(mu), self.parameter
        )
        return value, first, second, expected

    def terms(self, y: FloatArray, eta: FloatArray) -> Terms:
        """Return loss, first, second and expected second derivative in eta; inf outside."""
        with np.errstate(all="ignore"):
            mu, m1, m2 = self.link_derivatives(eta)
            value, l1, l2, expected = self.model_terms(y, mu)
            first = l1 * m1
            second = l2 * m1 * m1 + l1 * m2
            return value, first, second, expected * m1 * m1

    def check(self, y: FloatArray, eta: FloatArray) -> None:
        """Compare the user's derivatives with differences at some rows."""
        some = np.unique(np.linspace(0, len(y) - 1, 20).astype(int))
        if isinstance(self.link, InverseLink):
            at = eta[some][:, None] + np.array([-0.5, 0.0, 0.5])
            mean, first, second = (
                lambda e, i=i: self.link.derivatives(e.ravel())[i].reshape(e.shape)  # type: ignore[union-attr]
                for i in range(3)
            )
            require_derivative(mean, first, at, "first")
            require_derivative(first, second, at, "second")
        if isinstance(self.model, CustomObservations):
            model, observed = self.model, y[some]
            at = self.mean(eta[some])
            at = at * (1.0 + 0.1 * np.linspace(-1, 1, at.size))
            loss, first, second = (lambda mu, i=i: model.terms(observed, mu)[i] for i in range(3))
            require_derivative(loss, first, at, "the first derivative of the loss")
            require_derivative(first, second, at, "the second derivative of the loss")


def fit_columns(
    X: Any,
    columns: list[FloatArray],
    loss: Loss,
    terms: PenaltyTerms,
    starts: list[tuple[FloatArray | None, float]],
    mask: NDArray[np.uint8] | None,
    weight: FloatArray | None,
    offset: FloatArray | None,
    arguments: dict[str, Any],
    max_iterations: int,
) -> list[CustomResult]:
    """Fit each column of y, as the core does for its own models."""
    matrix = np.asarray(X, dtype=np.float64)
    if np.any(np.isinf(matrix)):
        row, column = np.argwhere(np.isinf(matrix))[0]
        raise ValueError(f"X is infinite at row {row}, column {column}.")
    groups: list[tuple[Any, Any, Any] | None] = [None] * len(columns)
    if terms.groups is not None:
        for neurons, own in terms.groups.batches():
            if len(neurons) > 1:
                raise NotImplementedError(
                    "groups that join neurons need a model and a link of the core."
                )
            groups[neurons[0]] = terms.groups.arrays_of_batch(neurons, own)
    return [
        _fit_column(
            matrix,
            column,
            loss,
            terms.quadratic[i],
            terms.absolute[i],
            groups[i],
            starts[i],
            None if mask is None else mask[:, i].astype(bool),
            weight,
            offset,
            arguments,
            max_iterations,
        )
        for i, column in enumerate(columns)
    ]


def _fit_column(
    X: FloatArray,
    y: FloatArray,
    loss: Loss,
    quadratic: FloatArray | None,
    absolute: FloatArray | None,
    groups: tuple[Any, Any, Any] | None,
    start: tuple[FloatArray | None, float],
    allowed: NDArray[np.bool_] | None,
    weight: FloatArray | None,
    offset: FloatArray | None,
    arguments: dict[str, Any],
    max_iterations: int,
) -> CustomResult:
    n, p = X.shape
    w = np.ones(n) if weight is None else weight
    if not np.all(np.isfinite(w) & (w >= 0.0)):
        raise ValueError("sample_weight must be finite and not negative.")
    counted = w > 0.0
    used = counted & ~np.isnan(X).any(axis=1) & ~np.isnan(y)
    if not np.any(used):
        raise ValueError(
            f"no row can be used: all {n} rows have a NaN in X or y, or weight zero. Is a "
            "convolution window longer than every epoch?"
        )
    if np.any(np.isinf(y[used])):
        raise ValueError(f"y is infinite at row {int(np.flatnonzero(np.isinf(y))[0])}.")
    if isinstance(loss.model, CustomObservations):
        loss.model.require_support(y, used)
    x, target, w = X[used], y[used], w[used]
    shift = np.zeros(len(target)) if offset is None else offset[used]
    if not np.all(np.isfinite(shift)):
        raise ValueError("offset must be finite.")
    intercept = bool(arguments["intercept"])
    factor = 1.0
    if not isinstance(loss.model, CustomObservations):
        factor = float(_core.observation_models()[loss.model.name]["objective_factor"])
        _core.row_quantity(loss.model.name, "deviance", target, target, 1.0)  # support of y

    # Standardised coordinates, as in the core.
    location = np.average(x, axis=0, weights=w) if intercept else np.zeros(p)
    spread = np.sqrt(np.average((x - location) ** 2, axis=0, weights=w))
    tiny = 1e-13 * np.abs(location)
    aliased = np.flatnonzero(spread <= tiny) if intercept else np.flatnonzero(spread == 0.0)
    candidates = np.setdiff1d(np.arange(p), aliased)
    if allowed is not None:
        candidates = candidates[allowed[candidates]]
        aliased = aliased[allowed[aliased]]
    if groups is not None and np.any(spread[candidates] > 0.0):
        # One spread for all that are in groups: a norm is then one of the coordinates.
        inside = np.intersect1d(groups[1], candidates)
        if inside.size:
            spread[inside] = np.exp(np.mean(np.log(spread[inside])))
    z = (x[:, candidates] - location[candidates]) / spread[candidates]
    if intercept:
        z = np.column_stack([z, np.ones(len(target))])
    scale = w.sum() / factor

    def full(values: FloatArray | None, power: int) -> FloatArray:
        result = np.zeros(z.shape[1])
        if values is not None:
            result[: candidates.size] = scale * values[candidates] / spread[candidates] ** power
        return result

    penalised = full(quadratic, 2)
    begin, members, weights = _norms(full(absolute, 1), groups, candidates, spread, scale)

    def evaluate(gamma: FloatArray, kind: str) -> tuple[float, FloatArray, FloatArray | None]:
        value, first, second, expected = loss.terms(target, z @ gamma + shift)
        total = float(np.dot(w, value))
        if not np.isfinite(total):
            return np.inf, np.zeros(gamma.size), _square(kind, np.zeros((gamma.size, gamma.size)))
        bend = second if kind == "observed" else expected
        curvature = z.T @ (z * (w * bend)[:, None]) if kind != "none" else None
        return total, z.T @ (w * first), curvature

    def row_gradients(rows: NDArray[np.intp], gamma: FloatArray) -> FloatArray:
        part = z[rows]
        first = loss.terms(target[rows], part @ gamma + shift[rows])[1]
        return np.asarray(part.T @ (w[rows] * first))

    gamma = np.zeros(z.shape[1])
    if start[0] is not None:
        gamma[: candidates.size] = start[0][candidates] * spread[candidates]
        if intercept:
            gamma[-1] = start[1] + float(start[0][candidates] @ location[candidates])
    elif intercept:
        gamma[-1] = _start(loss, float(np.average(target, weights=w))) - np.average(
            shift, weights=w
        )
    loss.check(target, z @ gamma + shift)
    tolerance = float(arguments["tolerance"]) * np.sqrt(min(1.0, float(w.mean())))

    rank = int(np.linalg.matrix_rank(z)) if z.size else 0
    is_penalised = bool(np.any(penalised > 0.0) or weights.size)
    whole = z
    if rank < z.shape[1] and not is_penalised:
        # The others stay at zero until the smallest of all solutions is taken.
        kept = np.sort(qr(z, mode="economic", pivoting=True)[2][:rank])
        gamma, z, penalised = gamma[kept], z[:, kept], penalised[kept]
    else:
        kept = np.arange(z.shape[1])

    def solve(at: FloatArray, tolerance: float) -> dict[str, Any]:
        return _core.minimise(
            evaluate,
            row_gradients,
            at,
            n_rows=len(target),
            canonical=False,
            quadratic=penalised,
            begin=begin,
            members=members,
            weights=weights,
            solver=arguments["solver"],
            settings=arguments["settings"],
            tolerance=tolerance,
            max_iterations=max_iterations,
            scale=float(w.sum()),
        )

    solved = solve(gamma, tolerance)
    gamma = solved["x"]
    dof = float(w.sum()) - rank
    mu = loss.mean(z @ gamma + shift)
    dispersion = loss.model.pearson(target, mu, w, dof, loss.parameter)
    if np.isfinite(dispersion) and 0.0 < dispersion < 1.0 and solved["status"] == "converged":
        before = solved["n_iterations"]
        solved = solve(gamma, tolerance * float(np.sqrt(dispersion)))
        solved["n_iterations"] += before
        if solved["status"] == "line search failed":  # only digits were missing
            solved["status"] = "precision limit"
        gamma = solved["x"]
        mu = loss.mean(z @ gamma + shift)
        dispersion = loss.model.pearson(target, mu, w, dof, loss.parameter)
    gamma = np.zeros(whole.shape[1])
    gamma[kept] = solved["x"]
    coef = np.zeros(p)
    coef[candidates] = gamma[: candidates.size] / spread[candidates] + 0.0
    if rank < whole.shape[1] and not is_penalised:
        coef[candidates] = _smallest(x[:, candidates] - location[candidates], coef[candidates])
    value = float(gamma[-1] - coef @ location) if intercept else 0.0
    return CustomResult(
        coef=coef,
        intercept=value,
        dispersion=dispersion,
        status=solved["status"],
        n_iterations=solved["n_iterations"],
        decrement=solved["decrement"],
        kkt=solved["kkt"],
        sum_of_weights=float(w.sum()),
        mean_y=float(np.average(target, weights=w)),
        rank=rank,
        n_used=len(target),
        n_dropped=int((counted & ~used).sum()),
        aliased=aliased.astype(np.intp),
        n_free=whole.shape[1],
        penalised=is_penalised,
    )


def _square(kind: str, zeros: FloatArray) -> FloatArray | None:
    return None if kind == "none" else zeros


def _start(loss: Loss, mean: float) -> float:
    if isinstance(loss.link, InverseLink):
        return loss.link.start(mean)
    if loss.link == "exp":
        return float(np.log(mean))
    named = str(loss.link)
    return InverseLink(lambda eta: _core.inverse_link(named, eta), abs, abs).start(mean)


def _norms(
    lasso: FloatArray,
    groups: tuple[Any, Any, Any] | None,
    candidates: NDArray[np.intp],
    spread: FloatArray,
    scale: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray]:
    """Return the groups of the penalty in standardised coordinates."""
    if groups is None:
        members = np.flatnonzero(lasso > 0.0).astype(np.intp)
        return np.arange(members.size + 1, dtype=np.intp), members, lasso[members]
    position = {int(j): i for i, j in enumerate(candidates)}
    begin, flat, sizes = [0], [], []
    for g, weight in enumerate(groups[2]):
        own = [int(j) for j in groups[1][groups[0][g] : groups[0][g + 1]] if int(j) in position]
        if own and weight > 0.0:
            flat += [position[j] for j in own]
            begin.append(len(flat))
            sizes.append(scale * float(weight) / float(spread[own[0]]))
    return np.array(begin, np.intp), np.array(flat, np.intp), np.array(sizes, dtype=np.float64)


def _smallest(x: FloatArray, coef: FloatArray) -> FloatArray:
    """Return the smallest coefficients with the same predictions."""
    return np.asarray(np.linalg.lstsq(x, x @ coef, rcond=None)[0])
