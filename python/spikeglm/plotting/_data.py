"""Models next to the data: tuning curves, rate maps, rates in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.ndimage import gaussian_filter1d

from .._timeseries import common_axis, plain, time_axis
from .._validation import FloatArray, bounds_ranges, numeric_array, real_number, whole_number
from ._axes import (
    BAND_ALPHA,
    BLUE,
    DARK,
    ORANGE,
    as_floats,
    checked_bin_size,
    figure_axes,
    new_axes,
    per_time,
    percent,
    quantile_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_tuning(
    x: Any,
    spike_counts: Any,
    *,
    curve: tuple[ArrayLike, ArrayLike] | None = None,
    band: tuple[ArrayLike, ArrayLike] | None = None,
    rate: Any = None,
    bounds: tuple[float, float] | None = None,
    n_groups: int = 20,
    level: float = 0.95,
    bin_size: float | None = None,
    polar: bool = False,
    name: str = "x",
    ax: Axes | None = None,
    **line_kwargs: Any,
) -> Axes:
    """Draw the raw tuning curve, spikes over occupancy, and a fitted one over it.

    Parameters
    ----------
    x : array_like, shape (n_samples,)
        The variable: position, speed, an angle. Samples with a NaN, or beyond the bounds, are left
        out.
    spike_counts : array_like, shape (n_samples,)
        Number of spikes in each bin.
    curve : (points, means), arrays (n_points,), optional
        A fitted curve, in expected counts per bin, as `GLM.tuning_curve` returns it.
    band : (low, high), arrays (n_points,), optional
        Its band.
    rate : array_like, shape (n_samples,), optional
        Expected number of spikes in each bin, as ``predict`` returns it. Its means in the same
        parts of the range, over the same samples, are drawn as diamonds: the model with everything
        that goes along with x, such as the history of the spikes.
    bounds : (low, high), optional
        Range of x; that of the data by default. On polar axes it is one turn.
    n_groups : int, default 20
        Number of equal parts of the range in which spikes and samples are counted.
    level : float, default 0.95
        Coverage of the raw means' bars, which are exact for Poisson counts (Garwood 1936,
        Biometrika 28:437).
    bin_size : float, optional
        Duration of a bin in seconds: the axis is then in spikes/s.
    polar : bool, default False
        Draw on polar axes, if ``ax`` is not given.
    name : str
        What x is, with its unit.
    ax : matplotlib.axes.Axes, optional
        Where to draw, polar for an angle; a new pyplot figure by default.
    **line_kwargs
        Passed to ``Axes.plot`` for the fitted curve.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        A shape does not fit, counts are negative, no sample lies within the bounds, or there is a
        band without a curve.
    ImportError
        If matplotlib is missing and ``ax`` is not given.

    Examples
    --------
    >>> import spikeglm as nmo
    >>> cell = nmo.datasets.load_place_cell()
    >>> ax = nmo.plotting.plot_tuning(
    ...     cell.position, cell.spike_counts, bin_size=cell.bin_size, name="position (cm)"
    ... )
    >>> ax.get_ylabel()
    'rate (spikes/s)'
    """
    points, counts = _samples(x, spike_counts, "x")
    factor, unit = per_time(bin_size)
    quantile_of(level)
    low, high = _range(points, bounds, "x")
    n_groups = whole_number(n_groups, "n_groups", 1)
    edges = np.linspace(low, high, n_groups + 1)
    inside = (points >= low) & (points <= high) & ~np.isnan(counts)
    expected = None
    if rate is not None:
        common_axis([("x", x), ("rate", rate)])
        means_of_bins = as_floats(plain(rate), "rate", points.shape)
        inside &= ~np.isnan(means_of_bins)
        expected = np.histogram(points[inside], edges, weights=means_of_bins[inside])[0]
    if not np.any(inside):
        raise ValueError(f"no sample of x lies between {low:g} and {high:g}.")
    samples = np.histogram(points[inside], edges)[0].astype(np.float64)
    spikes = np.histogram(points[inside], edges, weights=counts[inside])[0]
    tail = 0.5 * (1 - level)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = factor * spikes / samples
        bottom = (
            factor
            * np.where(spikes > 0, special.gammaincinv(np.maximum(spikes, 1e-300), tail), 0.0)
            / samples
        )
        top = factor * special.gammainccinv(spikes + 1.0, tail) / samples
    visited = samples > 0
    if ax is None:
        if polar:
            ax = figure_axes(1, 1, figsize=(4.4, 4.4), subplot_kw={"projection": "polar"})[0, 0]
        else:
            ax = new_axes(figsize=(5, 3.5))
    is_polar = ax.name == "polar"
    turn = 2 * np.pi / (high - low) if is_polar else 1.0
    centres = turn * 0.5 * (edges[1:] + edges[:-1])
    ax.errorbar(
        centres[visited],
        raw[visited],
        np.abs(np.array([bottom, top]) - raw)[:, visited],
        fmt="o",
        color="0.35",
        ecolor="0.6",
        markersize=4,
        elinewidth=1.0,
        label=f"spikes / occupancy, {percent(level)} interval",
    )
    highest = float(top[visited].max())
    if expected is not None:
        ax.plot(
            centres[visited],
            factor * expected[visited] / samples[visited],
            "D",
            color=BLUE,
            markersize=6,
            markerfacecolor="none",
            label="model, same samples",
        )
        highest = max(highest, float((factor * expected[visited] / samples[visited]).max()))
    if curve is not None:
        grid = np.asarray(curve[0], dtype=np.float64)
        means = factor * as_floats(curve[1], "curve", grid.shape)
        (line,) = ax.plot(
            turn * grid,
            means,
            **({"color": ORANGE, "lw": 2.0, "label": "model, this term"} | line_kwargs),
        )
        highest = max(highest, float(np.nanmax(means)))
        if band is not None:
            limits = [factor * as_floats(each, "band", grid.shape) for each in band]
            ax.fill_between(
                turn * grid, *limits, color=line.get_color(), alpha=BAND_ALPHA, linewidth=0
            )
            highest = max(highest, float(np.nanmax(limits[1])))
    elif band is not None:
        raise ValueError("`band` is that of a fitted `curve`, which is not given.")
    if is_polar:
        ax.set_rlim(0.0, 1.05 * highest)
        ax.set_title(f"{name}\nrate ({unit})", fontsize="medium")
        # Where the numbers of the radial axis hide least.
        ax.set_rlabel_position(np.degrees(centres[visited][np.argmin(raw[visited])]))
        ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.08))
    else:
        ax.set(xlim=(low, high), ylim=(0.0, 1.08 * highest), xlabel=name, ylabel=f"rate ({unit})")
        ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize="small")
    return ax


def plot_rate_map(
    x: Any,
    y: Any,
    spike_counts: Any,
    *,
    bounds: Any = None,
    n_groups: int = 25,
    bin_size: float | None = None,
    names: tuple[str, str] = ("x", "y"),
    ax: Axes | None = None,
    **image_kwargs: Any,
) -> Axes:
    """Draw spikes over occupancy in two dimensions, as an image with a colour bar.

    Parameters
    ----------
    x, y : array_like, shape (n_samples,)
        The two variables. Samples with a NaN, or beyond the bounds, are left out.
    spike_counts : array_like, shape (n_samples,)
        Number of spikes in each bin.
    bounds : pair of (low, high), optional
        Ranges of x and of y; those of the data by default.
    n_groups : int, default 25
        Number of equal parts of each range. Parts without a sample are blank.
    bin_size : float, optional
        Duration of a bin in seconds: colours are then in spikes/s.
    names : (str, str)
        What x and y are, with their units.
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
        As `plot_tuning`.
    ImportError
        If matplotlib is missing and ``ax`` is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from spikeglm.plotting import plot_rate_map
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.uniform(0, 50, (2, 5_000))
    >>> ax = plot_rate_map(x, y, rng.poisson(0.1, 5_000), n_groups=5, bin_size=0.1)
    >>> ax.get_images()[0].get_array().shape
    (5, 5)
    """
    first, counts = _samples(x, spike_counts, "x")
    second, _ = _samples(y, spike_counts, "y")
    ranges = (None, None) if bounds is None else bounds
    if len(ranges) != 2:
        raise ValueError(f"`bounds` must be two ranges, of x and of y; got {bounds!r}.")
    n_groups = whole_number(n_groups, "n_groups", 1)
    extents = [_range(v, r, name) for v, r, name in zip((first, second), ranges, "xy", strict=True)]
    kept = ~(np.isnan(first) | np.isnan(second) | np.isnan(counts))
    place = first[kept], second[kept]
    samples = np.histogram2d(*place, n_groups, extents)[0]
    if not np.any(samples):
        raise ValueError("no sample lies within the bounds.")
    spikes = np.histogram2d(*place, n_groups, extents, weights=counts[kept])[0]
    factor, _ = per_time(bin_size)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(samples > 0, factor * spikes / samples, np.nan)
    return draw_field(
        values,
        (*extents[0], *extents[1]),
        names,
        bin_size,
        ax,
        {"interpolation": "nearest"} | image_kwargs,
    )


def draw_field(
    values: FloatArray,
    extent: tuple[float, ...],
    names: tuple[str, str],
    bin_size: float | None,
    ax: Any,
    image_kwargs: dict[str, Any],
) -> Any:
    """Draw rates (x, y), in the unit that is shown, as an image with a colour bar."""
    if ax is None:
        ax = new_axes(figsize=(5, 4))
    spans = extent[1] - extent[0], extent[3] - extent[2]
    style = {"cmap": "viridis", "vmin": 0.0, "origin": "lower", "extent": extent}
    style["aspect"] = "equal" if 0.2 < spans[0] / spans[1] < 5 else "auto"
    image = ax.imshow(values.T, **(style | image_kwargs))
    ax.figure.colorbar(image, ax=ax, label=f"rate ({per_time(bin_size)[1]})")
    ax.set(xlabel=names[0], ylabel=names[1], xlim=extent[:2], ylim=extent[2:])
    return ax


def plot_rate(
    spike_counts: Any,
    rate: Any,
    *,
    smoothing: float | None = None,
    smooth_rate: bool = True,
    bin_size: float | None = None,
    ax: Axes | None = None,
    **line_kwargs: Any,
) -> Axes:
    """Draw a model's rate in time over smoothed spike counts.

    Parameters
    ----------
    spike_counts : array_like or pynapple Tsd, shape (n_bins,)
        Number of spikes in each bin. A NaN leaves a gap.
    rate : array_like or pynapple Tsd, shape (n_bins,)
        Expected number of spikes in each bin, as ``predict`` returns it. A NaN leaves a gap.
    smoothing : float, optional
        Standard deviation of the Gaussian window of the counts: in seconds if `bin_size` is given,
        else in bins. None: 10 bins; 0: none. The window does not reach across gaps and borders of
        epochs, at which it is cut and what is left of it scaled up.
    smooth_rate : bool, default True
        Smooth the rate as well, so that both can be compared. False draws it as it is.
    bin_size : float, optional
        Duration of a bin in seconds: axes are then in s and spikes/s.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new pyplot figure by default.
    **line_kwargs
        Passed to ``Axes.plot`` for the model.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        A shape does not fit, counts are negative, or `smoothing` is.
    ImportError
        If matplotlib is missing and ``ax`` is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from spikeglm.plotting import plot_rate
    >>> rate = 0.1 * (1 + np.sin(np.arange(1_000) / 50))
    >>> ax = plot_rate(np.random.default_rng(0).poisson(rate), rate, bin_size=0.01, smoothing=0.1)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('time (s)', 'rate (spikes/s)')
    """
    series = common_axis([("spike_counts", spike_counts), ("rate", rate)])
    means, counts = _samples(rate, spike_counts, "rate")
    size = checked_bin_size(bin_size)
    factor, unit = per_time(bin_size)
    width = 10.0 if smoothing is None else real_number(smoothing, "smoothing")
    if not 0 <= width < np.inf:
        raise ValueError(f"`smoothing` must be zero or above, got {smoothing!r}.")
    if smoothing is not None and size is not None:
        width /= size
    n = len(counts)
    epochs = (series.epochs() if series is not None else None) or [(0, n)]
    time, in_seconds = np.arange(n) * (1.0 if size is None else size), size is not None
    kept = time_axis(spike_counts) or time_axis(rate)
    if epochs is not None and kept is not None and kept.epochs() is not None:
        time, in_seconds = np.asarray(kept.t, dtype=np.float64), True
    pieces: list[FloatArray] = []
    for start, stop in epochs:
        t = time[start:stop]
        smooth = _smoothed(counts[start:stop], width)
        mean = _smoothed(means[start:stop], width if smooth_rate else 0.0)
        pieces += [np.stack([t, smooth, mean]), np.full((3, 1), np.nan)]
    t, smooth, mean = np.concatenate(pieces[:-1], axis=1)  # a NaN breaks lines between epochs
    if ax is None:
        ax = new_axes(figsize=(8, 3))
    shown = f"{width:g} bins" if size is None else f"{width * size:g} s"
    ax.fill_between(
        t,
        0.0,
        factor * smooth,
        color="0.8",
        linewidth=0,
        label=f"spikes, smoothed over {shown}" if width else "spikes",
    )
    style = {"color": DARK, "lw": 1.3, "label": "model"}
    ax.plot(t, factor * mean, **(style | line_kwargs))
    highest = factor * float(np.nanmax(np.concatenate([smooth, mean]), initial=0.0))
    ax.set(
        xlim=(time[0], time[-1]),
        ylim=(0.0, 1.25 * highest or 1.0),
        xlabel=f"time ({'s' if in_seconds else 'bins'})",
        ylabel=f"rate ({unit})",
    )
    ax.legend(frameon=False, loc="upper right", ncols=2)
    return ax


def _smoothed(counts: FloatArray, width: float) -> FloatArray:
    """Smooth what is between gaps."""
    known = ~np.isnan(counts)
    result = np.where(known, counts, np.nan)
    if width == 0:
        return result
    borders = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]])))
    for start, stop in borders.reshape(-1, 2):
        run = counts[start:stop]
        settings = {"sigma": width, "mode": "constant"}
        share = gaussian_filter1d(np.ones(len(run)), **settings)
        result[start:stop] = gaussian_filter1d(run, **settings) / share
    return result


def _samples(x: Any, spike_counts: Any, name: str) -> tuple[FloatArray, FloatArray]:
    common_axis([(name, x), ("spike_counts", spike_counts)])
    values = numeric_array(plain(x), name).astype(np.float64)
    counts = numeric_array(plain(spike_counts), "spike_counts").astype(np.float64)
    if values.ndim != 1 or values.shape != counts.shape or not len(values):
        raise ValueError(
            f"{name} and spike_counts must both have shape (n_samples,), one neuron at a time; got "
            f"{values.shape} and {counts.shape}."
        )
    if np.any(counts < 0) or np.any(np.isinf(counts)):
        raise ValueError("spike_counts must be finite and zero or above.")
    return values, counts


def _range(values: FloatArray, bounds: Any, name: str) -> tuple[float, float]:
    given = bounds_ranges(bounds)
    if given is not None:
        if len(given) != 1:
            raise ValueError(f"`bounds` of {name} must be a pair (low, high), got {bounds!r}.")
        return given[0]
    known = values[np.isfinite(values)]
    if not len(known) or known.min() == known.max():
        raise ValueError(f"{name} has no range: pass `bounds`.")
    return float(known.min()), float(known.max())
