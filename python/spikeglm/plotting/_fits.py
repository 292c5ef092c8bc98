"""Regularization paths and cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import FloatArray
from ._axes import BLUE, DARK, GREY, ORANGE, as_floats, new_axes, zero_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLES = ("-", "--", "-.", ":")
MOST_IN_LEGEND = 12


def plot_path(
    strengths: ArrayLike,
    coef: ArrayLike,
    *,
    names: Any = None,
    chosen: float | None = None,
    ax: Axes | None = None,
    **line_kwargs: Any,
) -> Axes:
    """Draw coefficients against the strength of the penalty, on a logarithmic axis.

    Parameters
    ----------
    strengths : array_like, shape (n_strengths,)
        Strengths; where one is zero the axis is linear below the smallest other one.
    coef : array_like, shape (n_strengths, n_features)
        Coefficients at each.
    names : sequence of str, optional
        Names of the features, for a legend of at most 12.
    chosen : float, optional
        A strength to mark.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new pyplot figure by default.
    **line_kwargs
        Passed to ``Axes.plot`` for every line.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the shapes do not fit.
    ImportError
        If matplotlib is missing and ``ax`` is not given.

    Examples
    --------
    >>> from spikeglm.plotting import plot_path
    >>> ax = plot_path([1.0, 0.1, 0.01], [[0, 0], [0.4, 0], [0.9, -0.2]], names=["a", "b"])
    >>> ax.get_xscale(), len(ax.get_legend().get_texts())
    ('log', 2)
    """
    x = np.asarray(strengths, dtype=np.float64)
    values = np.asarray(coef, dtype=np.float64)
    if x.ndim != 1 or values.ndim != 2 or len(values) != len(x):
        raise ValueError(
            "`strengths` and `coef` must have shapes (n_strengths,) and (n_strengths, n_features), "
            f"got {x.shape} and {values.shape}; for a population pass one neuron's."
        )
    if names is not None and len(names) != values.shape[1]:
        raise ValueError(f"`names` must name {values.shape[1]} features, got {len(names)} names.")
    from ..basis._plot import CATEGORY_COLORS

    if ax is None:
        ax = new_axes(figsize=(5.5, 3.8))
    zero_line(ax)
    n_colors = len(CATEGORY_COLORS)
    for i, column in enumerate(values.T):
        style = {
            "color": CATEGORY_COLORS[i % n_colors],
            "linestyle": _STYLES[i % len(_STYLES)],
            "lw": 1.5,
        }
        if names is not None:
            style["label"] = str(names[i])
        ax.plot(x, column, **(style | line_kwargs))
    if chosen is not None:
        ax.axvline(chosen, color=DARK, linestyle=":", lw=1.2, label=f"chosen, {chosen:.3g}")
    _strength_axis(ax, x)
    ax.set_ylabel("coefficient")
    n_entries = len(ax.get_legend_handles_labels()[0])
    if 0 < n_entries <= MOST_IN_LEGEND + 1:
        ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def plot_scores(
    strengths: ArrayLike,
    scores: ArrayLike,
    *,
    chosen: float | None = None,
    score_name: str = "score",
    ax: Axes | None = None,
    **errorbar_kwargs: Any,
) -> Axes:
    """Draw the cross-validation curve with its best strength and the one-standard-error mark.

    Points are means over the folds, their bars one standard error, ``std / sqrt(n_folds)``. The
    best mean is marked, and the largest strength whose mean is within one standard error of it
    (Breiman, Friedman, Olshen & Stone 1984, section 3.4.3); a dashed line shows how far that is.

    Parameters
    ----------
    strengths : array_like, shape (n_strengths,)
        Strengths, in any order.
    scores : array_like, shape (n_strengths, n_folds)
        Score of each fold, the higher the better. A strength with a NaN is left out.
    chosen : float, optional
        The strength that the fit took, for the legend.
    score_name : str
        What the vertical axis is called.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new pyplot figure by default.
    **errorbar_kwargs
        Passed to ``Axes.errorbar``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the shapes do not fit, or no strength has a score.
    ImportError
        If matplotlib is missing and ``ax`` is not given.

    Examples
    --------
    >>> from spikeglm.plotting import plot_scores
    >>> ax = plot_scores([1.0, 0.1, 0.01], [[1.0, 2.0], [2.5, 2.9], [2.4, 3.2]])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['best, 0.01', 'one standard error, 0.1']
    """
    from .._cross_validation import choose

    x = np.asarray(strengths, dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"`strengths` must have shape (n_strengths,), got {x.shape}.")
    given = np.asarray(scores, dtype=np.float64)
    if given.ndim != 2:
        raise ValueError(
            f"`scores` must have shape (n_strengths, n_folds), got {given.shape}; for a "
            "population pass one neuron's."
        )
    values = as_floats(given, "scores", (len(x), given.shape[1]))
    order = np.argsort(x)[::-1]
    x, values = x[order], values[order]
    mean = values.mean(axis=1)
    n_folds = values.shape[1]
    error = values.std(axis=1, ddof=1) / np.sqrt(n_folds) if n_folds > 1 else None
    best = choose(values, "best")
    if ax is None:
        ax = new_axes(figsize=(5.5, 3.8))
    style = {
        "fmt": "o-",
        "color": GREY,
        "ecolor": "0.75",
        "markersize": 3,
        "lw": 1.0,
        "elinewidth": 1.0,
    }
    ax.errorbar(x, mean, error, **(style | errorbar_kwargs))
    marks = [(best, "best", BLUE, "o")]
    if error is not None:
        ax.axhline(mean[best] - error[best], color=ORANGE, linestyle="--", lw=1.0, zorder=0)
        marks.append((choose(values, "one-standard-error"), "one standard error", ORANGE, "D"))
    for place, name, color, marker in marks:
        taken = " (chosen)" if chosen is not None and np.isclose(x[place], chosen) else ""
        ax.plot(
            x[place],
            mean[place],
            marker,
            color=color,
            markersize=9 if marker == "o" else 7,
            markeredgecolor="black",
            linestyle="none",
            label=f"{name}, {x[place]:.3g}{taken}",
            zorder=4,
        )
    _strength_axis(ax, x)
    ax.set_ylabel(f"{score_name}\n(mean and s.e. of {n_folds} folds)")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize="small")
    return ax


def _strength_axis(ax: Axes, strengths: FloatArray) -> None:
    positive = strengths[strengths > 0]
    if not len(positive):
        raise ValueError("every strength is zero: there is no axis to draw them on.")
    if len(positive) < len(strengths):
        ax.set_xscale("symlog", linthresh=float(positive.min()))
    else:
        ax.set_xscale("log")
    ax.set_xlabel("strength of the penalty")
