"""Checks of what users pass in: shapes, types, ranges. Done once, here."""

import os
import sys
import warnings
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning

FloatArray = NDArray[np.float64]

# Frames that are no user's: this package, and scikit-learn where it calls callbacks around a fit.
_INNER = (
    os.path.dirname(__file__) + os.sep,
    os.path.join(os.path.dirname(sklearn.__file__), "callback") + os.sep,
)


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line of the user's code that called into this package."""
    level = 1
    frame = sys._getframe(0)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INNER):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def numeric_array(values: Any, name: str) -> NDArray[Any]:
    """Return `values` as an array of a type that the core reads, without a copy where possible.

    float64, float32, integers and bool pass as they are, in any memory layout; other real types
    (float16, longdouble, objects that are numbers, foreign byte orders) are converted, and what a
    mask hides becomes NaN.
    """
    if hasattr(values, "tocsr"):
        raise TypeError(
            f"{name} is a sparse matrix, which is not supported: pass {name}.toarray(), or a basis "
            "design, which never builds the matrix."
        )
    if values is None:
        raise TypeError(f"{name} must hold numbers, got None.")
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    array = np.asarray(values)
    if np.iscomplexobj(array):
        raise ValueError(
            f"Complex data not supported: {name} is complex; pass its real part, or magnitude and "
            "phase."
        )
    if array.dtype.kind not in "fiubO":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}.")
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}: {error}") from None
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float64)
    if array.dtype.byteorder in "<>":  # spelled out, even where it is that of the machine
        native = array.dtype.newbyteorder("=")
        array = array.view(native) if array.dtype.isnative else array.astype(native)
    return array


def design_matrix(values: Any, name: str = "X") -> NDArray[Any]:
    """Return a 2-D numeric array (n_samples, n_features)."""
    array = numeric_array(values, name)
    if array.ndim != 2:
        hint = (
            f" Reshape your data: for a single feature pass {name}[:, None]."
            if array.ndim == 1
            else ""
        )
        raise ValueError(
            f"{name} must be 2-dimensional (n_samples, n_features), got shape {array.shape}.{hint}"
        )
    return array


def _target(values: Any) -> NDArray[Any]:
    if values is None:
        raise ValueError("a fit requires y to be passed, but the target y is None.")
    return numeric_array(values, "y")


def target_vector(values: Any, n_samples: int) -> FloatArray:
    """Return y as float64 (n_samples,); one column is flattened with scikit-learn's warning."""
    array = _target(values)
    if array.ndim == 2 and array.shape[1] == 1:
        warn(
            f"A column-vector y was passed when a 1d array was expected: y has shape {array.shape} "
            "and y[:, 0] is used.",
            DataConversionWarning,
        )
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"y must be 1-dimensional (n_samples,), got shape {array.shape}. Several neurons are "
            "fitted by PopulationGLM."
        )
    _require_length(array, n_samples, "y")
    return array.astype(np.float64)


def target_matrix(values: Any, n_samples: int) -> FloatArray:
    """Return y as float64 (n_samples, n_neurons), a neuron's samples adjacent in memory."""
    array = _target(values)
    if array.ndim != 2:
        hint = " For a single neuron pass y[:, None], or use GLM." if array.ndim == 1 else ""
        raise ValueError(
            f"y must be 2-dimensional (n_samples, n_neurons), got shape {array.shape}.{hint}"
        )
    if array.shape[1] == 0:
        raise ValueError(f"y has no neurons: its shape is {array.shape}.")
    _require_length(array, n_samples, "y")
    return array.astype(np.float64, order="F")


def per_sample(values: Any, n_samples: int, name: str) -> FloatArray | None:
    """Return an optional per-sample vector as float64 (n_samples,)."""
    if values is None:
        return None
    array = numeric_array(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} must be 1-dimensional (n_samples,), got shape {array.shape}.")
    _require_length(array, n_samples, name)
    return array.astype(np.float64)


def _require_length(array: NDArray[Any], n_samples: int, name: str) -> None:
    if array.shape[0] != n_samples:
        raise ValueError(
            f"X and {name} must have the same number of samples, got {n_samples} and "
            f"{array.shape[0]}."
        )


def whole_number(value: Any, name: str, smallest: int) -> int:
    """Return an integer-valued number as int, at least `smallest`."""
    if isinstance(value, bool | np.bool_) or not isinstance(
        value, int | float | np.integer | np.floating
    ):
        raise TypeError(f"`{name}` must be an integer, got {value!r}.")
    number = float(value)
    if not abs(number) < np.inf or value != int(value) or not smallest <= int(value) < 2**31:
        raise ValueError(
            f"`{name}` must be an integer from {smallest} to {2**31 - 1}, got {value!r}."
        )
    return int(value)


def is_whole(value: Any) -> bool:
    """Whether a value is an integer by type; True and False are not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def non_negative_axis(axis: Any, ndim: int, name: str) -> int:
    """Return `axis` as int, an existing dimension counted from the first."""
    if not is_whole(axis) or axis < 0:
        raise ValueError(f"`axis` must be a non negative integer, got {axis!r}.")
    if axis >= ndim:
        raise ValueError(
            f"`axis` must be smaller than the number of dimensions of {name}, got axis {axis} for "
            f"{ndim} dimension(s)."
        )
    return int(axis)


def real_number(value: Any, name: str) -> float:
    """Return a real number as float."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"`{name}` must be a number, got {value!r}.")
    return float(value)


def bounds_ranges(bounds: Any) -> list[tuple[float, float]] | None:
    """Return bounds as ranges: one for (low, high), one per channel for (n_channels, 2)."""
    if bounds is None:
        return None
    try:
        pairs = list(bounds)
        pairs = pairs if all(np.ndim(pair) == 1 for pair in pairs) else [pairs]
        values = [[float(value) for value in pair] for pair in pairs]
    except (TypeError, ValueError) as error:
        raise TypeError(f"`bounds` must be a pair of numbers, got {bounds!r}.") from error
    if not values or any(len(pair) != 2 for pair in values):
        raise ValueError(
            f"`bounds` must be a pair (low, high), or such a pair per channel, got {bounds!r}."
        )
    ranges = [(low, high) for low, high in values]
    for low, high in ranges:
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError(f"`bounds` must be finite, got ({low}, {high}).")
        if low >= high:
            raise ValueError(
                "Lower bound is greater or equal than the upper bound: `bounds` is "
                f"({low}, {high})."
            )
    return ranges
