"""Who drives whom: matrices and grids of coupling filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._validation import FloatArray
from ._axes import BLUE, as_floats, checked_bin_size, figure_axes, new_axes, zero_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMED = 30
MOST_PANELS = 400
DIVERGING = "PuOr_r"  # orange excites, purple suppresses; not red and green


def plot_coupling_matrix(
    matrix: ArrayLike,
    *,
    senders: Any = None,
    receivers: Any = None,
    label: str = "coupling",
    ax: Axes | None = None,
    **image_kwargs: Any,
) -> Axes:
    """Draw a matrix of couplings, from columns to rows, in colours that diverge from zero.

    Parameters
    ----------
    matrix : array_like, shape (n_receivers, n_senders)
        Strength of each coupling: the sum of a filter over its lags, or its peak. A NaN is blank.
    senders, receivers : sequence, optional
        Names of the neurons, shown for up to 30; their numbers by default.
    label : str
        What the colour bar shows, with its unit.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new pyplot figure by default.
    **image_kwargs
        Passed to ``Axes.imshow``: ``cmap``, ``vmin`` and ``vmax`` for example.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If a shape does not fit.
    ImportError
        If matplotlib is missing and ``ax`` is not given.

    Examples
    --------
    >>> from spikeglm.plotting import plot_coupling_matrix
    >>> ax = plot_coupling_matrix([[-1.0, 0.5], [0.0, -0.2]], label="integral of the filter")
    >>> ax.get_images()[0].get_clim()
    (-1.0, 1.0)
    """
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"`matrix` must have shape (n_receivers, n_senders), got {values.shape}.")
    if ax is None:
        ax = new_axes(figsize=(5.2, 4.2))
    largest = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    style = {"cmap": DIVERGING, "vmin": -largest, "vmax": largest, "interpolation": "nearest"}
    image = ax.imshow(values, **(style | image_kwargs))
    ax.figure.colorbar(image, ax=ax, label=label)
    for axis, names, n, name in (
        (ax.xaxis, senders, values.shape[1], "senders"),
        (ax.yaxis, receivers, values.shape[0], "receivers"),
    ):
        if names is None:
            axis.get_major_locator().set_params(integer=True)
            continue
        if len(names) != n:
            raise ValueError(f"`{name}` must name {n} neurons, got {len(names)} names.")
        shown = range(0, n, -(-n // MOST_NAMED))
        turned = axis is ax.xaxis and max(len(str(names[i])) for i in shown) * len(shown) > 50
        axis.set_ticks(
            list(shown), [str(names[i]) for i in shown], **({"rotation": 90} if turned else {})
        )
    ax.set(xlabel="from neuron", ylabel="to neuron")
    return ax


def plot_coupling_filters(
    filters: ArrayLike,
    lags: ArrayLike,
    *,
    band: tuple[ArrayLike, ArrayLike] | None = None,
    senders: Any = None,
    receivers: Any = None,
    bin_size: float | None = None,
    axes: Any = None,
    **line_kwargs: Any,
) -> Any:
    """Draw a grid of filters, a row for each receiving and a column for each sending neuron.

    All panels have the same axes.

    Parameters
    ----------
    filters : array_like, shape (n_receivers, n_senders, n_lags)
        Filters.
    lags : array_like, shape (n_lags,)
        How many bins ago each value looks.
    band : (low, high), arrays of the shape of `filters`, optional
        Where the band of each filter begins and ends.
    senders, receivers : sequence, optional
        Names of the neurons; their numbers by default.
    bin_size : float, optional
        Duration of a bin in seconds; lags are in bins without it.
    axes : ndarray of matplotlib.axes.Axes, shape (n_receivers, n_senders), optional
        Where to draw; a new pyplot figure by default.
    **line_kwargs
        Passed to ``Axes.plot``.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_receivers, n_senders)

    Raises
    ------
    ValueError
        If a shape does not fit, or there are more than 400 filters.
    ImportError
        If matplotlib is missing and ``axes`` is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from spikeglm.plotting import plot_coupling_filters
    >>> axes = plot_coupling_filters(np.zeros((2, 3, 10)), np.arange(1, 11), bin_size=0.001)
    >>> axes.shape, axes[0, 0].get_title(), axes[0, 0].get_ylabel()
    ((2, 3), 'from 0', 'to 0')
    """
    values = np.asarray(filters, dtype=np.float64)
    if values.ndim != 3:
        raise ValueError(
            f"`filters` must have shape (n_receivers, n_senders, n_lags), got {values.shape}."
        )
    n_receivers, n_senders, n_lags = values.shape
    if n_receivers * n_senders > MOST_PANELS:
        raise ValueError(
            f"{n_receivers} x {n_senders} filters are too many to see: draw up to {MOST_PANELS} "
            "of them, or plot_coupling_matrix."
        )
    size = checked_bin_size(bin_size)
    x = as_floats(lags, "lags", (n_lags,)) * (1.0 if size is None else size)
    names = [
        range(n) if given is None else given
        for given, n in ((senders, n_senders), (receivers, n_receivers))
    ]
    if (len(names[0]), len(names[1])) != (n_senders, n_receivers):
        raise ValueError(
            f"`senders` and `receivers` must name {n_senders} and {n_receivers} neurons."
        )
    limits: list[FloatArray] = []
    if band is not None:
        limits = [as_floats(each, "band", values.shape) for each in band]
    if axes is None:
        axes = figure_axes(
            n_receivers,
            n_senders,
            sharex=True,
            sharey=True,
            figsize=(min(1.0 + 1.3 * n_senders, 16.0), min(1.0 + 1.0 * n_receivers, 16.0)),
        )
    panels = np.asarray(axes, dtype=object)
    if panels.shape != (n_receivers, n_senders):
        raise ValueError(
            f"`axes` must be an array of Axes of shape {(n_receivers, n_senders)}, got "
            f"{panels.shape}."
        )
    everything = np.concatenate([values.ravel(), *(each.ravel() for each in limits), [0.0]])
    low, high = np.nanmin(everything), np.nanmax(everything)
    margin = 0.06 * (high - low or 1.0)
    style = {"color": BLUE, "lw": 1.4} | line_kwargs
    for (r, s), ax in np.ndenumerate(panels):
        zero_line(ax)
        (line,) = ax.plot(x, values[r, s], **style)
        if limits:
            ax.fill_between(
                x, limits[0][r, s], limits[1][r, s], color=line.get_color(), alpha=0.25, lw=0
            )
        ax.set(ylim=(low - margin, high + margin))
        ax.tick_params(labelsize="small", labelbottom=r == n_receivers - 1, labelleft=s == 0)
        if r == 0:
            ax.set_title(f"from {names[0][s]}", fontsize="medium")
        if s == 0:
            ax.set_ylabel(f"to {names[1][r]}")
    panels[-1, n_senders // 2].set_xlabel(f"lag ({'bins' if size is None else 's'})")
    return panels
