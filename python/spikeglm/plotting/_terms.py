"""Coefficients, and what they make of a basis: filters and curves, with their bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import FloatArray
from ._axes import BAND_ALPHA, BLUE, as_floats, new_axes, percent, quantile_of, zero_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMES = 60


def plot_coefficients(
    coef: ArrayLike,
    *,
    standard_errors: ArrayLike | None = None,
    band: tuple[ArrayLike, ArrayLike] | None = None,
    level: float = 0.95,
    names: Any = None,
    ax: Axes | None = None,
    **errorbar_kwargs: Any,
) -> Axes:
    """Draw coefficients as points, the first at the top, with their intervals.

    Parameters
    ----------
    coef : array_like, shape (n_features,)
        Coefficients; a NaN leaves its place empty.
    standard_errors : array_like, shape (n_features,), optional
        Intervals are the normal ones of `level`. A NaN, of a coefficient that the data do not
        identify, has no interval.
    band : (low, high), arrays (n_features,), optional
        The intervals themselves, in place of `standard_errors`; `level` names them.
    level : float, default 0.95
        Coverage of the intervals.
    names : sequence of str, optional
        Names of the features; their numbers by default, and where there are more than 60.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new pyplot figure by default.
    **errorbar_kwargs
        Passed to ``Axes.errorbar``: ``color``, ``label`` and so on.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        A shape does not fit, both kinds of interval are given, or `level` is not between 0 and 1.
    ImportError
        If matplotlib is missing and ``ax`` is not given.

    Examples
    --------
    >>> from spikeglm.plotting import plot_coefficients
    >>> ax = plot_coefficients([0.5, -1.0], standard_errors=[0.1, 0.2], names=["speed", "theta"])
    >>> ax.get_xlabel()
    'coefficient (95 % interval)'
    """
    values = np.asarray(coef, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(
            f"`coef` must have shape (n_features,), got {values.shape}; for a population pass "
            "those of one neuron."
        )
    n = len(values)
    if names is not None and len(names) != n:
        raise ValueError(f"`names` must name {n} features, got {len(names)} names.")
    limits = _limits(values, standard_errors, band, level)
    if ax is None:
        ax = new_axes(figsize=(4.5, float(np.clip(0.8 + 0.25 * n, 2.0, 10.0))))
    style = {"fmt": "o", "color": BLUE, "capsize": 2.5, "markersize": 5, "elinewidth": 1.2}
    lengths = None if limits is None else np.abs(np.array(limits) - values)
    places = np.arange(n)
    zero_line(ax, vertical=True)
    ax.errorbar(values, places, xerr=lengths, **(style | errorbar_kwargs))
    if names is not None and n <= MOST_NAMES:
        ax.set_yticks(places, [str(name) for name in names])
    else:
        ax.yaxis.get_major_locator().set_params(integer=True)
        ax.set_ylabel("feature")
    interval = "" if limits is None else f" ({percent(level)} interval)"
    ax.set(ylim=(n - 0.5, -0.5), xlabel=f"coefficient{interval}")
    return ax


def plot_term(
    basis: Any,
    coef: ArrayLike,
    *,
    covariance: ArrayLike | None = None,
    band: tuple[ArrayLike, ArrayLike] | None = None,
    level: float = 0.95,
    bin_size: float | None = None,
    n_points: int | None = None,
    ax: Axes | None = None,
    **line_kwargs: Any,
) -> Axes:
    """Draw a filter or a curve, the sum of the functions of a basis with their coefficients.

    Parameters
    ----------
    basis : Basis
        One additive component, of one input; a component of two inputs is drawn as an image,
        without a band. In conv mode the picture is the filter over its lags.
    coef : array_like, shape (n_basis_funcs,)
        Coefficients of its functions.
    covariance : array_like, shape (n_basis_funcs, n_basis_funcs), optional
        Of the coefficients. The standard error of the curve f = B c is ``sqrt(diag(B C B'))``; the
        band is that of each point on its own, not of all at once.
    band : (low, high), arrays (n_points,), optional
        The band itself, at the points where the curve is drawn, in place of `covariance`.
    level : float, default 0.95
        Coverage of the band at each point.
    bin_size : float, optional
        Duration of a bin in seconds, for conv mode; lags are in bins without it.
    n_points : int, optional
        As in `Basis.plot`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new pyplot figure by default. Polar Axes show one turn per range of the
        bounds.
    **line_kwargs
        Passed to ``Axes.plot``: ``color``, ``linestyle``, ``label`` and so on.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        A shape does not fit; a band is asked of an image; the basis is a sum.
    ImportError
        If matplotlib is missing and ``ax`` is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from spikeglm.basis import RaisedCosineBasisLog
    >>> from spikeglm.plotting import plot_term
    >>> history = RaisedCosineBasisLog(3, mode="conv", window_size=50)
    >>> ax = plot_term(history, [-2, 1, 0.5], covariance=0.04 * np.eye(3), bin_size=0.001)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('lag (s)', 'filter (linear predictor)')
    """
    from ..basis._plot import _name_categories

    picture, weights = picture_of(basis, coef, bin_size, n_points)
    if len(picture.inputs) > 1:
        if covariance is not None or band is not None or line_kwargs:
            raise ValueError(
                f"{basis.label} has two inputs: it is drawn as an image, which has no band and no "
                "line."
            )
        return basis.plot(new_axes() if ax is None else ax, coef=weights, bin_size=bin_size)
    (axis,) = picture.inputs
    values = picture.values @ weights
    errors = None
    if covariance is not None:
        errors = curve_errors(picture.values, covariance)
    limits = _limits(values, errors, band, level)
    if ax is None:
        ax = new_axes(figsize=(5, 3.5))
    x = axis.points
    polar = ax.name == "polar"
    if polar:
        if axis.is_discrete:
            raise ValueError(f"polar Axes show a bounded input, which {basis.label} has not.")
        x = 2 * np.pi * x / (x[-1] - x[0])
    if axis.categories is not None:
        lengths = None if limits is None else np.abs(np.array(limits) - values)
        style = {"fmt": "o", "color": BLUE, "capsize": 3} | line_kwargs
        ax.errorbar(x, values, lengths, **style)
        _name_categories(ax.xaxis, axis.categories)
    else:
        style = {"color": BLUE, "lw": 2.0} | line_kwargs
        if axis.in_bins and len(x) <= 40:
            style = {"marker": "o", "markersize": 4} | style
        (line,) = ax.plot(x, values, **style)
        if limits is not None:
            ax.fill_between(x, *limits, color=line.get_color(), alpha=BAND_ALPHA, linewidth=0)
    if polar:
        return ax
    zero_line(ax)
    what = "filter" if axis.in_bins else "term"
    ax.set(xlabel=axis.name, ylabel=f"{what} (linear predictor)", xlim=axis.limits)
    return ax


def picture_of(basis: Any, coef: Any, bin_size: Any, n_points: Any) -> tuple[Any, FloatArray]:
    """Return the functions of a component on their grid, and its coefficients, checked."""
    from ..basis._plot import _check_time, _picture, _weights

    components = [component for component in basis if component.n_basis_funcs]
    if len(components) != 1:
        raise ValueError(
            f"{basis.label} is a sum of {len(components)} components: pass one, basis[label], and "
            "its coefficients."
        )
    _check_time(components, bin_size)
    (weights,) = _weights(components, coef)
    assert weights is not None
    return _picture(components[0], n_points, bin_size, weights), weights


def curve_errors(functions: FloatArray, covariance: ArrayLike) -> FloatArray:
    """Return the standard error of functions (..., p) times coefficients of a covariance."""
    p = functions.shape[-1]
    matrix = as_floats(covariance, "covariance", (p, p))
    variance = np.einsum("...i,ij,...j->...", functions, matrix, functions, optimize=True)
    scale = np.nanmax(np.abs(variance), initial=0.0)
    if np.any(variance < -1e-8 * scale):
        raise ValueError("`covariance` is not one: a curve would have a negative variance.")
    return np.sqrt(np.maximum(variance, 0.0))


def _limits(
    values: FloatArray,
    errors: Any,
    band: tuple[ArrayLike, ArrayLike] | None,
    level: float,
) -> tuple[FloatArray, FloatArray] | None:
    """Return where a band begins and ends, or None."""
    z = quantile_of(level)
    if band is not None:
        if errors is not None:
            raise ValueError("give `band` or what it follows from, not both.")
        if len(band) != 2:
            raise ValueError("`band` must be a pair (low, high).")
        low, high = (as_floats(each, "band", values.shape) for each in band)
        if np.any(low > high):
            raise ValueError("`band` must be a pair (low, high), but its low is above its high.")
        return low, high
    if errors is None:
        return None
    half = z * as_floats(errors, "standard_errors", values.shape)
    if np.any(half < 0):
        raise ValueError("`standard_errors` must not be negative.")
    return values - half, values + half
