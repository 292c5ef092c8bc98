"""Inverse links: how the mean of y follows from the linear predictor eta.

Those of the core go by name ("exp", "softplus", "logistic", "probit", "cloglog", "reciprocal",
"identity"); one of your own is an `InverseLink`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from ._validation import FloatArray

__all__ = ["InverseLink"]

Function = Callable[[Any], Any]


class InverseLink(BaseEstimator):
    """An inverse link of your own, written in Python.

    A fit evaluates it in numpy and holds X in memory: expect ten times the time of a link of the
    core.

    Parameters
    ----------
    mean, first, second : callable
        Vectorised functions of eta, an ndarray of float64: the mean of y, its first and its second
        derivative, of the same shape. They are compared with differences before a fit.
    link : callable, optional
        The inverse of `mean`, for starting values; a search stands in for it.

    Examples
    --------
    A rate that grows with the square of the drive above threshold:

    >>> import numpy as np, spikeglm as nmo
    >>> square = nmo.links.InverseLink(
    ...     mean=lambda eta: np.maximum(eta, 0) ** 2 + 1e-3,
    ...     first=lambda eta: 2 * np.maximum(eta, 0),
    ...     second=lambda eta: 2.0 * (eta > 0),
    ... )
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(1000, 1))
    >>> y = rng.poisson((0.5 + X[:, 0]) ** 2)
    >>> model = nmo.glm.GLM(inverse_link_function=square).fit(X, y)
    >>> model.converged_, bool(abs(model.coef_[0] - 1) < 0.2)
    (True, True)
    """

    def __init__(
        self, mean: Function, first: Function, second: Function, link: Function | None = None
    ) -> None:
        self.mean = mean
        self.first = first
        self.second = second
        self.link = link

    def __call__(self, eta: ArrayLike) -> FloatArray:
        """Return the mean for eta, of any shape; NaN for NaN."""
        values = np.asarray(eta, dtype=np.float64)
        known = ~np.isnan(values)
        result = np.full(values.shape, np.nan)
        result[known] = checked(self.mean, values[known], "mean")
        return result

    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the mean with its first and second derivative."""
        return (
            checked(self.mean, eta, "mean"),
            checked(self.first, eta, "first"),
            checked(self.second, eta, "second"),
        )

    def start(self, mean: float) -> float:
        """Return an eta whose mean is, or is close to, the one given."""
        if self.link is not None:
            return float(checked(self.link, np.array([mean]), "link")[0])
        grid = np.concatenate([-np.geomspace(1e3, 1e-3, 200), [0.0], np.geomspace(1e-3, 1e3, 200)])
        with np.errstate(all="ignore"):
            distance = np.abs(checked(self.mean, grid, "mean", finite=False) - mean)
        distance[~np.isfinite(distance)] = np.inf
        return float(grid[np.argmin(distance)])


def checked(
    function: Function, values: FloatArray, name: str, finite: bool = True
) -> NDArray[np.float64]:
    """Return what a user's function gives, of the right shape and never NaN."""
    with np.errstate(all="ignore"):
        found = np.asarray(function(values))
    if found.shape != values.shape:
        raise ValueError(
            f"`{name}` returned an array of shape {found.shape} for one of shape {values.shape}: "
            "it must be vectorised."
        )
    if found.dtype.kind not in "fiub":
        raise TypeError(f"`{name}` must return real numbers, got dtype {found.dtype}.")
    result = found.astype(np.float64)
    if finite and np.any(np.isnan(result)):
        raise ValueError(f"`{name}` returned NaN for {values[np.isnan(result)].flat[0]!r}.")
    return result


def require_derivative(
    function: Callable[[FloatArray], FloatArray],
    derivative: Callable[[FloatArray], FloatArray],
    at: FloatArray,
    name: str,
) -> None:
    """Compare a derivative with central differences; raise ValueError where both differ clearly."""
    step = 1e-5 * (1.0 + np.abs(at))
    with np.errstate(all="ignore"):
        slope = (function(at + step) - function(at - step)) / (2.0 * step)
        coarse = (function(at + 2 * step) - function(at - 2 * step)) / (4.0 * step)
        found = derivative(at)
    # Where the difference itself is unsure, at a kink for example, nothing is said.
    sure = np.isfinite(slope) & (np.abs(slope - coarse) <= 1e-4 * (np.abs(slope) + 1e-6))
    wrong = sure & (np.abs(found - slope) > 1e-2 * (np.abs(slope) + np.abs(found)) + 1e-5)
    if np.any(wrong):
        i = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"`{name}` is {found.flat[i]:g} at {at.flat[i]:g}, where the difference quotient is "
            f"{slope.flat[i]:g}: it is not the derivative."
        )
