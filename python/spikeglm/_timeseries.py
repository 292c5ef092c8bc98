"""Labelled series in and out: pynapple, xarray, pandas, polars, imported only when needed.

Each kind has an axis: what it knows of its samples, and how it wraps results for them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Epochs = list[tuple[int, int]]


class Axis(Protocol):
    """The samples of a labelled series."""

    keeps_estimates: bool  # whether predictions are given in this kind too

    @property
    def t(self) -> NDArray[Any] | None:
        """Time, or another label, of each sample."""

    def epochs(self) -> Epochs | None:
        """Return the half-open range of samples of each epoch; None: all samples are one."""

    def rows(self, index: Any) -> "Axis | None":
        """Return the axis of some rows, or None where they cannot be a series."""

    def wrap(self, data: NDArray[Any], columns: Any, metadata: Any) -> Any:
        """Return the data as a series."""


@dataclass(frozen=True)
class TimeAxis:
    """Time of each sample of a pynapple series, in s, and the epochs in which they were taken."""

    t: NDArray[np.float64]
    support: Any
    keeps_estimates = True

    def epochs(self) -> Epochs:
        """Return the half-open range of samples of each epoch; touching epochs stay apart."""
        starts = np.asarray(self.support.start, dtype=np.float64)
        ends = np.asarray(self.support.end, dtype=np.float64)
        begin = np.searchsorted(self.t, starts, side="left")
        stop = np.searchsorted(self.t, ends, side="right")
        # A sample on the border of two epochs belongs to the earlier one.
        begin = np.maximum(begin, np.concatenate([[0], stop[:-1]]))
        return [(int(a), int(max(a, b))) for a, b in zip(begin, stop, strict=True)]

    def rows(self, index: Any) -> "TimeAxis | None":
        """Return the axis of some rows, or None where they are not in order of time."""
        t = self.t[index]
        return TimeAxis(t, self.support) if np.all(np.diff(t) >= 0) else None

    def wrap(self, data: NDArray[Any], columns: Any, metadata: Any) -> Any:
        """Return a Tsd, TsdFrame or TsdTensor."""
        import pynapple

        settings = {"t": self.t, "d": data, "time_support": self.support}
        if data.ndim == 1:
            return pynapple.Tsd(**settings)
        if data.ndim > 2:
            return pynapple.TsdTensor(**settings)
        frame = pynapple.TsdFrame(**settings, columns=columns)
        if metadata is not None and len(metadata.columns):
            frame.set_info(metadata)
        return frame


@dataclass(frozen=True)
class XarrayAxis:
    """Dimension and coordinate of an xarray DataArray along its samples."""

    dim: str
    t: NDArray[Any] | None
    keeps_estimates = True

    def epochs(self) -> None:
        """Return None."""

    def rows(self, index: Any) -> "XarrayAxis":
        """Return the axis of some rows."""
        return XarrayAxis(self.dim, None if self.t is None else self.t[index])

    def wrap(self, data: NDArray[Any], columns: Any, metadata: Any) -> Any:
        """Return a DataArray whose other dimensions are "feature", "feature_1", ..."""
        import xarray

        rest = ["feature", *(f"feature_{i}" for i in range(1, data.ndim - 1))][: data.ndim - 1]
        coords = {} if self.t is None else {self.dim: self.t}
        if columns is not None and data.ndim == 2:
            coords["feature"] = np.asarray(columns)
        return xarray.DataArray(data, dims=[self.dim, *rest], coords=coords)


@dataclass(frozen=True)
class FrameAxis:
    """Kind, and index where it has one, of a pandas or polars series or frame."""

    backend: Any  # "pandas" or "polars"
    index: Any
    t = None  # frames are matched by position, as scikit-learn does
    keeps_estimates = False  # and predictions for them are arrays

    def epochs(self) -> None:
        """Return None."""

    def rows(self, index: Any) -> "FrameAxis":
        """Return the axis of some rows."""
        return FrameAxis(self.backend, None if self.index is None else self.index[index])

    def wrap(self, data: NDArray[Any], columns: Any, metadata: Any) -> Any:
        """Return a data frame with string column names."""
        try:
            import narwhals
        except ImportError as error:
            raise ImportError(
                "data frames of features need narwhals: pip install 'spikeglm[dataframe]'."
            ) from error
        flat = data.reshape(data.shape[0], -1)
        names = [str(name) for name in (range(flat.shape[1]) if columns is None else columns)]
        frame = narwhals.from_dict(
            {name: flat[:, i] for i, name in enumerate(names)}, backend=self.backend
        )
        native = frame.to_native()
        if self.index is not None:
            native.index = self.index
        return native


def _package(values: Any) -> str:
    return type(values).__module__.partition(".")[0]


def time_axis(values: Any) -> Axis | None:
    """Return the axis of a labelled series, None for anything else."""
    if all(hasattr(values, name) for name in ("t", "values", "time_support")):
        return TimeAxis(np.asarray(values.t, dtype=np.float64), values.time_support)
    package = _package(values)
    if package == "xarray" and hasattr(values, "dims"):
        dim = _sample_dim(values)
        return XarrayAxis(dim, values[dim].values if dim in values.coords else None)
    if package in ("pandas", "polars") and hasattr(values, "to_numpy"):
        return FrameAxis(package, getattr(values, "index", None))
    return None


def _sample_dim(values: Any) -> str:
    if not values.dims:
        raise ValueError("a DataArray without dimensions is no time series.")
    return "time" if "time" in values.dims else str(values.dims[0])


def plain(values: Any) -> Any:
    """Return the data of a labelled series, samples first; other values as they are."""
    if _package(values) == "pynapple" and type(values).__name__ in ("Ts", "TsGroup"):
        raise TypeError(
            f"a {type(values).__name__} holds event times, not samples: bin it first, with "
            "`.count(bin_size)`."
        )
    axis = time_axis(values)
    if axis is None:
        return values
    if isinstance(axis, XarrayAxis):
        return values.transpose(axis.dim, ...).values
    if isinstance(axis, FrameAxis):
        return values.to_numpy()
    return values.values


def common_axis(series: Iterable[tuple[str, Any]]) -> Axis | None:
    """Return the axis that the named series, or axes, share, None when none of them has one."""
    found: tuple[str, Axis] | None = None
    for name, values in series:
        if isinstance(values, TimeAxis | XarrayAxis | FrameAxis):
            axis: Axis | None = values
        else:
            axis = values.time_axis if hasattr(values, "time_axis") else time_axis(values)
        if axis is None:
            continue
        if found is not None and not _same_samples(found[1], axis):
            raise ValueError(
                f"{found[0]} and {name} are sampled at different times: {_extent(found[1])} and "
                f"{_extent(axis)}. Bring them to one time axis, with `value_from` or `bin_average`."
            )
        if found is None or (found[1].epochs() is None and axis.epochs() is not None):
            found = (name, axis)
    return found[1] if found else None


def _same_samples(one: Axis, other: Axis) -> bool:
    """Whether two axes agree; kinds whose labels cannot be compared are left to their lengths."""
    if one.t is None or other.t is None or type(one) is not type(other):
        return True
    if one.t.shape != other.t.shape:
        return False
    if one.t.dtype.kind in "fiu" and other.t.dtype.kind in "fiu":
        return bool(np.allclose(one.t, other.t, rtol=0, atol=1e-6))
    return bool(np.all(one.t == other.t))


def like_input(
    data: NDArray[Any], axis: Axis | None, columns: Any = None, metadata: Any = None
) -> Any:
    """Return features or estimates as a series of the kind of `axis`; without one, as they are."""
    return data if axis is None else axis.wrap(data, columns, metadata)


def like_estimate(
    data: NDArray[Any], axis: Axis | None, columns: Any = None, metadata: Any = None
) -> Any:
    """Return estimates as a time series where the input was one; as an array for data frames."""
    keeps = axis is not None and axis.keeps_estimates
    return like_input(data, axis if keeps else None, columns, metadata)


def _extent(axis: Axis) -> str:
    t = axis.t
    if t is None or not len(t):
        return "0 samples"
    unit = " s" if isinstance(axis, TimeAxis) else ""
    shown = [f"{v:g}" if isinstance(v, int | float | np.number) else str(v) for v in (t[0], t[-1])]
    return f"{len(t)} samples from {shown[0]}{unit} to {shown[1]}{unit}"
