"""Regularization paths: the solutions at a series of strengths."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._features import features_of
from ._reports import CONVERGED
from ._strengths import ProgressBar, StrengthProblems, strength_grid, warn_unfinished
from ._validation import FloatArray, is_whole, numeric_array, whole_number
from .regularizer import Regularizer, resolve_regularizer, resolve_strength


@dataclass(frozen=True)
class RegularizationPath:
    """Solutions at each strength, the largest first.

    Attributes
    ----------
    strengths : ndarray (n_strengths,)
        Strengths; for penalties with strengths per coefficient or group, factors of these.
    coef : ndarray (n_strengths, n_features) or (n_strengths, n_features, n_neurons), float64
        Coefficients. Zeros are exact.
    intercept : ndarray (n_strengths,) or (n_strengths, n_neurons)
        Intercepts.
    converged, n_iter, kkt : ndarray, shape of `intercept`
        As the attributes of `spikeglm.glm.GLM`.
    """

    strengths: FloatArray
    coef: FloatArray = field(repr=False)
    intercept: FloatArray = field(repr=False)
    converged: NDArray[np.bool_] = field(repr=False)
    n_iter: NDArray[np.int_] = field(repr=False)
    kkt: FloatArray = field(repr=False)

    def plot(
        self,
        ax: Any = None,
        *,
        neuron: int | None = None,
        names: Any = None,
        chosen: float | None = None,
        **line_kwargs: Any,
    ) -> Any:
        """Draw the coefficients against the strength; see `spikeglm.plotting.plot_path`.

        Parameters
        ----------
        ax, names, chosen, **line_kwargs :
            As there.
        neuron : int, optional
            Which neuron of a population, by column of y.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from .plotting import plot_path

        coef = one_neuron(self.coef, 2, neuron)
        return plot_path(self.strengths, coef, names=names, chosen=chosen, ax=ax, **line_kwargs)


def one_neuron(values: FloatArray, ndim: int, neuron: int | None) -> FloatArray:
    """Return those of one neuron of a population, whose number is the last axis."""
    n_neurons = values.shape[-1] if values.ndim > ndim else 1
    if neuron is None and n_neurons > 1:
        raise ValueError(f"say which `neuron`, 0 to {n_neurons - 1}, is to be drawn.")
    index = 0 if neuron is None else neuron
    if not is_whole(index) or not 0 <= index < n_neurons:
        raise ValueError(f"`neuron` must be a number from 0 to {n_neurons - 1}, got {neuron!r}.")
    return values[..., index] if values.ndim > ndim else values


def given_strengths(values: ArrayLike) -> FloatArray:
    """Check strengths and return them, the largest first."""
    strengths = numeric_array(values, "`regularizer_strengths`").astype(np.float64)
    if strengths.ndim != 1 or not len(strengths) or not np.all(strengths >= 0.0):
        raise ValueError(
            f"`regularizer_strengths` must be a list of numbers, zero or above, got {values!r}."
        )
    if not np.all(np.isfinite(strengths)):
        raise ValueError("`regularizer_strengths` must be finite.")
    return np.sort(strengths)[::-1]


def chosen_strengths(
    estimator: Any,
    X: Any,
    y: Any,
    values: ArrayLike | None,
    n_strengths: int,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None,
) -> FloatArray:
    """Return the given strengths, or a grid from the largest of interest down."""
    if values is not None:
        return given_strengths(values)
    regularizer = resolve_regularizer(estimator.regularizer)
    n = whole_number(n_strengths, "n_strengths", 1)
    largest = estimator._largest_strength(
        X, y, regularizer, sample_weight=sample_weight, offset=offset
    )
    return strength_grid(largest, n, regularizer.grid_ratio)


def unit_strength(estimator: Any, regularizer: Regularizer) -> Any:
    """Return what the strengths of a path or a grid multiply."""
    strength = resolve_strength(estimator.regularizer_strength, regularizer)
    return regularizer.unit_strength(strength)


def regularization_path(
    estimator: Any,
    X: Any,
    y: Any,
    regularizer_strengths: ArrayLike | None,
    n_strengths: int,
    progress: bool,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None,
) -> RegularizationPath:
    """Fit at all strengths; see `GLM.regularization_path`."""
    features = features_of(X)
    columns = estimator._columns_of(y, features)
    regularizer = resolve_regularizer(estimator.regularizer)
    strengths = chosen_strengths(
        estimator, X, y, regularizer_strengths, n_strengths, sample_weight, offset
    )
    unit = unit_strength(estimator, regularizer)
    task = estimator._task(features, len(columns), sample_weight, offset)
    problems = StrengthProblems.of(estimator, features, columns, task, regularizer, unit, strengths)
    results = problems.fit(
        [problems.problem(s, i, None) for s in range(len(strengths)) for i in range(len(columns))],
        ProgressBar() if progress else None,
    )
    estimator._refuse_missing([result.n_dropped for result in results])
    shape = len(strengths), len(columns)
    warn_unfinished(results, "path")
    coef = np.array([result.coef for result in results]).reshape(*shape, -1).transpose(0, 2, 1)

    def each(values: list[Any]) -> NDArray[Any]:
        return estimator._squeezed(np.array(values).reshape(shape))

    return RegularizationPath(
        strengths,
        estimator._squeezed(np.ascontiguousarray(coef)),
        each([result.intercept for result in results]),
        each([result.status in CONVERGED for result in results]),
        each([result.n_iterations for result in results]),
        each([result.kkt for result in results]),
    )
