"""How good a result is, in plain numpy: no contender is judged by its own words."""

from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from formulas import Array, bspline, cyclic_bspline, raised_cosine_log, row_products
from numpy.lib.stride_tricks import sliding_window_view
from problems import Problem

FUNCTIONS = {"bspline": bspline, "cyclic": cyclic_bspline, "cosine": raised_cosine_log}

ROWS = 1 << 14


class Objective:
    """The penalised objective of one neuron, in float64."""

    def __init__(self, problem: Problem, y: Array) -> None:
        self.X, self.y = problem.X, y
        self.strength, self.gamma = problem.strength, problem.family == "gamma"
        self.null = self(np.zeros(problem.X.shape[1]), float(np.log(y.mean())))

    def __call__(self, coef: Array, intercept: float) -> float:
        eta = self.X @ np.asarray(coef, np.float64) + intercept
        with np.errstate(over="ignore", invalid="ignore"):
            loss = eta + self.y * np.exp(-eta) if self.gamma else np.exp(eta) - self.y * eta
        value = float(loss.mean() + 0.5 * self.strength * np.sum(np.square(coef)))
        return value if np.isfinite(value) else np.inf

    def newton_step(self, coef: Array, intercept: float) -> tuple[Array, float]:
        """Return the Newton step for (coef, intercept), and the decrease that it predicts.

        The prediction is the distance to the minimum, up to terms of third order.
        """
        n, p = self.X.shape
        gradient = np.append(self.strength * coef, 0.0)
        hessian = np.diag(np.append(np.full(p, self.strength), 0.0))
        for first in range(0, n, ROWS):
            rows = self.X[first : first + ROWS]
            rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
            mu = np.exp(rows @ np.append(coef, intercept))
            y = self.y[first : first + ROWS]
            d1, d2 = (1.0 - y / mu, y / mu) if self.gamma else (mu - y, mu)
            gradient += rows.T @ d1 / n
            hessian += rows.T @ (d2[:, None] * rows) / n
        step = -np.linalg.solve(hessian, gradient)
        return step, float(-0.5 * gradient @ step)


class FitJudge:
    """Judges fits by the share of the achievable improvement over the null model they miss.

    The minimum is found by Newton's method, from `start` or from the null model, to 1e-10 of that
    improvement. For a population the improvements of its neurons are added up.
    """

    measure = "gap"

    def __init__(self, problem: Problem, start: tuple[Array, Array] | None = None) -> None:
        columns = problem.y.reshape(len(problem.X), -1).T
        self.objectives = [Objective(problem, np.ascontiguousarray(y)) for y in columns]
        self.minima = []
        self.certificate = 0.0
        for neuron, objective in enumerate(self.objectives):
            coef, intercept = np.zeros(problem.X.shape[1]), float(np.log(objective.y.mean()))
            if start is not None:
                coef, intercept = _column(start, neuron)
            minimum, missing = _minimise(objective, coef, intercept)
            self.minima.append(minimum)
            self.certificate = max(self.certificate, missing)

    def __call__(self, result: tuple[Array, Array]) -> float:
        """Return (F - F*) / (F_null - F*)."""
        missed = achievable = 0.0
        for neuron, objective in enumerate(self.objectives):
            missed += objective(*_column(result, neuron)) - self.minima[neuron]
            achievable += objective.null - self.minima[neuron]
        return missed / achievable


class PathJudge:
    """Judges paths by the worst share, over their strengths, of the improvement that they miss.

    The minimum is what `start` attains; how far it may be from it at most is found from its own
    gradient: by the Newton decrement of the coefficients that are not zero, and by the largest
    excess of the gradient of the others over the penalty.
    """

    measure = "gap"

    def __init__(self, problem: Problem, start: tuple[Array, Array]) -> None:
        self.problem = problem
        self.loss = Objective(problem, problem.y)
        coefs, intercepts = start
        self.minima = [
            self._value(*one) for one in zip(problem.strengths, coefs, intercepts, strict=True)
        ]
        # At the largest strength nothing can be gained.
        self.judged = [
            i for i, best in enumerate(self.minima) if self.loss.null - best > 1e-6 * abs(best)
        ]
        self.certificate = max(
            self._missing(problem.strengths[i], coefs[i], float(intercepts[i]))
            / (self.loss.null - self.minima[i])
            for i in self.judged
        )

    def __call__(self, result: tuple[Array, Array]) -> float:
        """Return the largest (F - F*) / (F_null - F*)."""
        coefs, intercepts = result
        return max(
            (self._value(self.problem.strengths[i], coefs[i], intercepts[i]) - self.minima[i])
            / (self.loss.null - self.minima[i])
            for i in self.judged
        )

    def _groups(self, coef: Array) -> Array:
        return np.asarray(coef).reshape(-1, self.problem.group_size or 1)

    def _value(self, strength: float, coef: Array, intercept: float) -> float:
        groups = self._groups(coef)
        norms = np.linalg.norm(groups, axis=1).sum() * np.sqrt(groups.shape[1])
        return self.loss(coef, intercept) + strength * float(norms)

    def _missing(self, strength: float, coef: Array, intercept: float) -> float:
        """Return a bound of the decrease that is left, by the quadratic model there."""
        groups = self._groups(coef)
        weight = strength * np.sqrt(groups.shape[1])
        X, mu = self.problem.X, np.exp(self.problem.X @ coef + intercept)
        gradient = self._groups(X.T @ (mu - self.problem.y) / len(X))
        norms = np.linalg.norm(groups, axis=1)
        active = norms > 0.0
        excess = np.linalg.norm(gradient[~active], axis=1) - weight
        slope = gradient[active] + weight * groups[active] / norms[active, None]
        columns = np.repeat(active, groups.shape[1])
        Z = np.column_stack([X[:, columns], np.ones(len(X))])
        curvature = Z.T @ (mu[:, None] * Z) / len(X)
        g = np.append(slope.ravel(), np.mean(mu - self.problem.y))
        curved = np.mean(mu) * np.mean(np.square(X[:1000]))  # of a column at zero
        outside = float(np.square(np.maximum(excess, 0.0)).sum() / (2.0 * curved))
        return float(0.5 * g @ np.linalg.solve(curvature, g)) + outside


class StrengthJudge:
    """Judges a fit at a strength that was chosen: by the gap at the strength that suits it best."""

    measure = "gap"

    def __init__(self, problem: Problem, start: tuple[Array, Array]) -> None:
        best = [FitJudge(replace(problem, strength=s), start) for s in problem.strengths]
        self.judges, self.certificate = best, max(judge.certificate for judge in best)

    def __call__(self, result: tuple[Array, Array]) -> float:
        """Return the smallest gap."""
        return min(judge(result) for judge in self.judges)


class FeatureJudge:
    """Judges features by their error on some rows.

    Peers place the outer knots of splines differently, or number the functions otherwise, so what
    is compared is what they can express: the part of the true features that no linear combination
    of the given ones is. A result holds the rows of `rows` only.
    """

    measure = "error"

    def __init__(self, problem: Problem) -> None:
        self.truth = true_features(problem, sample_rows(problem))
        self.certificate = 0.0

    def __call__(self, result: Array) -> float:
        if result.shape != self.truth.shape or not np.all(np.isfinite(result)):
            return np.inf
        coef, *_ = np.linalg.lstsq(result, self.truth, rcond=None)
        return float(np.abs(result @ coef - self.truth).max() / np.abs(self.truth).max())


def judge_of(problem: Problem, start: Any = None) -> Any:
    if problem.y is None:
        return FeatureJudge(problem)
    judges = {"path": PathJudge, "cv": StrengthJudge}
    return judges.get(problem.kind, FitJudge)(problem, start)


def sample_rows(problem: Problem) -> Array:
    """Return the rows, of the n - window_size complete ones, by which features are judged."""
    n = len(problem.X) - problem.window_size
    return np.unique(np.linspace(0, n - 1, 2000).astype(int))


def true_features(problem: Problem, rows: Array) -> Array:
    if problem.kind == "convolution":
        # (rows, trains, filters)
        windows = sliding_window_view(problem.X, problem.window_size, axis=0)[rows]
        return (windows @ problem.kernels[::-1]).reshape(len(rows), -1)
    values = FUNCTIONS[problem.kind]
    return reduce(row_products, (values(x[rows], problem.n_basis_funcs) for x in problem.inputs))


def _column(result: tuple[Array, Array], neuron: int) -> tuple[Array, float]:
    coef, intercept = result
    return np.asarray(coef).reshape(len(coef), -1)[:, neuron], float(np.ravel(intercept)[neuron])


def _minimise(objective: Objective, coef: Array, intercept: float) -> tuple[float, float]:
    """Return the minimum and the share of the improvement that it may still miss."""
    value = objective(coef, intercept)
    for _ in range(100):
        step, decrease = objective.newton_step(coef, intercept)
        missing = decrease / (objective.null - value) if value < objective.null else 1.0
        if missing < 1e-10:
            return value, missing
        length = 1.0
        while True:
            trial = coef + length * step[:-1], intercept + length * float(step[-1])
            trial_value = objective(*trial)
            if trial_value < value or length < 1e-10:
                break
            length /= 2
        if trial_value >= value:
            return value, missing
        (coef, intercept), value = trial, trial_value
    raise RuntimeError("the reference solution was not found in 100 Newton steps")
