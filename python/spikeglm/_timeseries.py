"""pynapple time series in and out, without importing pynapple before it is needed.

A time series is anything with a time axis `t`, `values` and a `time_support` of epochs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TimeAxis:
    """Time of each sample, in s, and the epochs in which samples were taken."""

    t: NDArray[np.float64]
    support: Any

    def epochs(self) -> list[tuple[int, int]]:
        """Return the half-open range of samples of each epoch; touching epochs stay apart."""
        starts = np.asarray(self.support.start, dtype=np.float64)
        ends = np.asarray(self.support.end, dtype=np.float64)
        begin = np.searchsorted(self.t, starts, side="left")
        stop = np.searchsorted(self.t, ends, side="right")
        # A sample on the border of two epochs belongs to the earlier one.
        begin = np.maximum(begin, np.concatenate([[0], stop[:-1]]))
        return [(int(a), int(max(a, b))) for a, b in zip(begin, stop, strict=True)]

    def same_times(self, other: "TimeAxis") -> bool:
        """Whether samples were taken at the same times."""
        return self.t.shape == other.t.shape and bool(
            np.allclose(self.t, other.t, rtol=0, atol=1e-6)
        )

    def rows(self, index: Any) -> "TimeAxis | None":
        """Return the axis of some rows, or None where they are not in order of time."""
        t = self.t[index]
        return TimeAxis(t, self.support) if np.all(np.diff(t) >= 0) else None


def time_axis(values: Any) -> TimeAxis | None:
    """Return the time axis of a pynapple time series, None for anything else."""
    if not all(hasattr(values, name) for name in ("t", "values", "time_support")):
        return None
    return TimeAxis(np.asarray(values.t, dtype=np.float64), values.time_support)


def plain(values: Any) -> Any:
    """Return the data of a time series, other values as they are."""
    return values if time_axis(values) is None else values.values


def common_axis(series: Iterable[tuple[str, Any]]) -> TimeAxis | None:
    """Return the time axis that the named series share, None when none of them has one."""
    found: tuple[str, TimeAxis] | None = None
    for name, values in series:
        axis = values.time_axis if hasattr(values, "time_axis") else time_axis(values)
        if axis is None:
            continue
        if found is not None and not found[1].same_times(axis):
            raise ValueError(
                f"{found[0]} and {name} are sampled at different times: {_extent(found[1])} and "
                f"{_extent(axis)}. Bring them to one time axis, with `value_from` or `bin_average`."
            )
        found = found or (name, axis)
    return found[1] if found else None


def like_input(
    data: NDArray[Any], axis: TimeAxis | None, columns: Any = None, metadata: Any = None
) -> Any:
    """Return `data` as the pynapple series of its dimension, or as it is without a time axis."""
    if axis is None:
        return data
    import pynapple

    settings = {"t": axis.t, "d": data, "time_support": axis.support}
    if data.ndim == 1:
        return pynapple.Tsd(**settings)
    if data.ndim > 2:
        return pynapple.TsdTensor(**settings)
    frame = pynapple.TsdFrame(**settings, columns=columns)
    if metadata is not None and len(metadata.columns):
        frame.set_info(metadata)
    return frame


def _extent(axis: TimeAxis) -> str:
    n = len(axis.t)
    return f"{n} samples from {axis.t[0]:g} s to {axis.t[-1]:g} s" if n else "0 samples"
