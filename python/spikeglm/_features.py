"""X in all its forms: array, series, lazy design, or a dict of arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._timeseries import Axis, common_axis, plain
from ._validation import FloatArray, design_matrix, numeric_array, warn
from .design import Design

Coef = FloatArray | dict[str, FloatArray]


@dataclass
class Features:
    """X as the core takes it, and what is known about its columns."""

    matrix: Any
    shape: tuple[int, int]
    dtype: Any  # of predictions
    axis: Axis | None
    widths: dict[str, int] | None  # of the arrays of a dict, None for one array
    names: NDArray[Any] | None = None  # of the columns of a data frame
    source: Any = None  # a lazy design

    def dense(self) -> NDArray[Any]:
        """Return X as an array."""
        return np.asarray(self.matrix) if self.source is None else np.asarray(self.source)


def features_of(X: Any) -> Features:
    """Read X; a dict of arrays (n_samples, n_features_i) is joined in its own order."""
    if isinstance(X, Design):
        return Features(X._core, X.shape, X.dtype, X.time_axis, None, source=X)
    if not isinstance(X, Mapping) or hasattr(X, "tocsr"):  # sparse matrices may be dicts
        matrix = design_matrix(plain(X))
        dtype = np.float32 if matrix.dtype == np.float32 else np.float64
        return Features(matrix, matrix.shape, dtype, common_axis([("X", X)]), None, column_names(X))
    if not X:
        raise ValueError("X is a dict without arrays.")
    axis = common_axis([(f"X[{key!r}]", part) for key, part in X.items()])
    parts = {
        str(key): np.asarray(part)
        if isinstance(part, Design)
        else design_matrix(plain(part), f"X[{key!r}]")
        for key, part in X.items()
    }
    lengths = {key: len(part) for key, part in parts.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the arrays of X differ in their number of samples: {lengths}.")
    matrix = np.hstack(list(parts.values()))
    dtype = np.float32 if matrix.dtype == np.float32 else np.float64
    widths = {key: part.shape[1] for key, part in parts.items()}
    return Features(matrix, matrix.shape, dtype, axis, widths)


def column_names(X: Any) -> NDArray[Any] | None:
    """Return the columns of a data frame where all are strings, as scikit-learn does."""
    if not (hasattr(X, "columns") and hasattr(X, "dtypes")) or hasattr(X, "time_support"):
        return None
    names = list(X.columns)
    named = bool(names) and all(isinstance(name, str) for name in names)
    return np.array(names, dtype=object) if named else None


def keep_names(estimator: Any, names: NDArray[Any] | None) -> None:
    """Set `feature_names_in_` to the names of the columns of training, if they have any."""
    if names is not None:
        estimator.feature_names_in_ = names
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def check_names(estimator: Any, names: NDArray[Any] | None) -> None:
    """Compare the names of columns with those of training, as scikit-learn does."""
    known = getattr(estimator, "feature_names_in_", None)
    who = type(estimator).__name__
    if known is None and names is not None:
        warn(f"X has feature names, but {who} was fitted without feature names", UserWarning)
    elif known is not None and names is None:
        warn(
            f"X does not have valid feature names, but {who} was fitted with feature names",
            UserWarning,
        )
    elif known is not None and names is not None and list(known) != list(names):
        raise ValueError(
            "The feature names should match those that were passed during fit: X has "
            f"{list(names)}, expected {list(known)}."
        )


def split_coef(coef: FloatArray, widths: dict[str, int] | None) -> Coef:
    """Return coefficients (n_features, ...) as the dict that X was, or as they are."""
    if widths is None:
        return coef
    ends = np.cumsum(list(widths.values()))
    return dict(zip(widths, np.split(coef, ends[:-1]), strict=True))


def join_coef(coef: Any, widths: dict[str, int] | None, what: str) -> NDArray[Any]:
    """Return coefficients that are a dict where X is one as one array (n_features, ...)."""
    if (widths is not None) != isinstance(coef, Mapping):
        raise ValueError(
            f"{what} must be {'a dict, as X is' if widths else 'an array, as X is'}; got "
            f"{type(coef).__name__}."
        )
    if widths is None:
        return numeric_array(coef, what)
    if set(coef) != set(widths):
        raise ValueError(
            f"{what} has the keys {sorted(map(str, coef))}, X has {sorted(widths)}: they must be "
            "the same."
        )
    parts = [np.asarray(coef[key]) for key in widths]
    for key, part in zip(widths, parts, strict=True):
        if part.ndim == 0 or part.shape[0] != widths[key]:
            raise ValueError(
                f"{what}[{key!r}] has shape {part.shape}; X[{key!r}] has {widths[key]} columns."
            )
    return np.concatenate(parts)


def keep_bounds(X: Any) -> None:
    """Fix the bounds of the basis behind a lazy design, so that later features are on its scale."""
    if isinstance(X, Design):
        X.freeze_bounds()
    elif isinstance(X, Mapping):
        for part in X.values():
            keep_bounds(part)
