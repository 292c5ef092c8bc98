"""Where pictures are drawn, and in which colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import FloatArray, real_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito (2008); readers who do not see red and green apart see these apart.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
DARK, GREY, PALE = "0.1", "0.55", "0.85"
BAND_ALPHA = 0.25


def new_axes(**figure: Any) -> Axes:
    """Return the Axes of a new pyplot figure."""
    return figure_axes(1, 1, **figure)[0, 0]


def figure_axes(n_rows: int, n_columns: int, **figure: Any) -> Any:
    """Return an array (n_rows, n_columns) of the Axes of a new pyplot figure."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "plotting needs matplotlib: pip install spikeglm[plot], or pass the axes to draw on."
        ) from error
    return plt.subplots(n_rows, n_columns, squeeze=False, layout="constrained", **figure)[1]


def zero_line(ax: Axes, *, vertical: bool = False) -> None:
    """Draw a faint line at zero."""
    (ax.axvline if vertical else ax.axhline)(0.0, color="0.6", lw=0.8, zorder=0)


def checked_bin_size(bin_size: float | None) -> float | None:
    """Return the duration of a bin in seconds, or None."""
    if bin_size is None:
        return None
    value = real_number(bin_size, "bin_size")
    if not 0 < value < np.inf:
        raise ValueError(f"`bin_size` (in seconds) must be above 0, got {bin_size!r}.")
    return value


def per_time(bin_size: float | None, *, unit: str = "spikes") -> tuple[float, str]:
    """Return the factor that turns means per bin into what an axis shows, and its unit."""
    size = checked_bin_size(bin_size)
    return (1.0, f"{unit}/bin") if size is None else (1.0 / size, f"{unit}/s")


def quantile_of(level: float) -> float:
    """Return z such that a normal variable is within z standard deviations with a chance."""
    from scipy.special import ndtri

    chance = real_number(level, "level")
    if not 0 < chance < 1:
        raise ValueError(f"`level` must be between 0 and 1, got {level!r}.")
    return float(ndtri(0.5 * (1 + chance)))


def percent(level: float) -> str:
    """Return a level as a legend shows it."""
    return f"{100 * level:g} %"


def as_floats(values: Any, name: str, shape: tuple[int, ...]) -> FloatArray:
    """Return values as float64 of a shape, or raise."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}, got {array.shape}.")
    return array
