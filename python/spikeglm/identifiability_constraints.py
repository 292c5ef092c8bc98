"""Columns of a design matrix that the others determine, and can do without.

A model without a penalty has no unique coefficients when some columns, or some columns and the
intercept, are linearly dependent: B-splines sum to one, for example. Fits of this package handle
that by themselves and warn; these functions remove the columns instead.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._linalg import BLOCK_ROWS, triangular_factor
from ._timeseries import plain
from ._validation import design_matrix, warn
from .basis import Basis
from .design import Design
from .exceptions import SpikeglmWarning

__all__ = [
    "apply_identifiability_constraints",
    "apply_identifiability_constraints_by_basis_component",
]


def apply_identifiability_constraints(
    feature_matrix: Any, add_intercept: bool = True, warn_if_float32: bool = True
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Drop columns until the others, and the intercept, are linearly independent.

    Columns are looked at from left to right: one goes if the rank of what is left does not fall.

    Parameters
    ----------
    feature_matrix : (n_samples, n_features)
        Features: an array, a labelled series, or a lazy design, which is computed. Rows with NaN or
        infinities do not count.
    add_intercept :
        Whether the model has an intercept, a column of ones that always stays.
    warn_if_float32 :
        Whether to warn that the rank of float32 features is uncertain: dependences that hold to
        less than float32's precision are taken as exact.

    Returns
    -------
    features : (n_samples, n_kept)
        The columns that stay, all rows, in the dtype of the input.
    kept_columns : (n_kept,)
        Their indices.

    Raises
    ------
    ValueError
        No row is complete.

    Notes
    -----
    A column goes exactly if it is a combination of the intercept and the columns to its right: that
    is what removal from the left amounts to (the matroid greedy algorithm). It is decided on the
    triangular factor of the complete rows, with the tolerance of `numpy.linalg.matrix_rank`.
    """
    X = _matrix(feature_matrix)
    _warn_about_float32(X, warn_if_float32)
    kept = _independent_columns(X[_complete_rows(X)], add_intercept)
    return X[:, kept], kept


def apply_identifiability_constraints_by_basis_component(
    basis: Basis, feature_matrix: Any, add_intercept: bool = True, warn_if_float32: bool = True
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Drop columns of each additive component, and channel, until those left are independent.

    Parameters
    ----------
    basis :
        The basis that computed the features.
    feature_matrix, add_intercept, warn_if_float32 :
        As in `apply_identifiability_constraints`. Only rows that are complete in all features
        count.

    Returns
    -------
    features, kept_columns :
        As in `apply_identifiability_constraints`.
    """
    X = _matrix(feature_matrix)
    _warn_about_float32(X, warn_if_float32)
    rows = _complete_rows(X)
    kept = []
    columns = np.arange(X.shape[1])
    for component, part in zip(
        basis, basis.split_by_feature(columns, axis=0).values(), strict=True
    ):
        for channel in part.reshape(-1, component.n_basis_funcs):
            inside = _independent_columns(X[np.ix_(rows, channel)], add_intercept)
            kept.append(channel[inside])
    found = np.sort(np.concatenate(kept)) if kept else columns[:0]
    return X[:, found], found


def _matrix(features: Any) -> NDArray[Any]:
    return np.asarray(features) if isinstance(features, Design) else design_matrix(plain(features))


def _warn_about_float32(X: NDArray[Any], wanted: bool) -> None:
    if wanted and X.dtype == np.float32:
        warn(
            "features are float32: columns that depend on each other to within float32's precision "
            "are taken as dependent. Compute the features in float64 for a sharper decision.",
            SpikeglmWarning,
        )


def _complete_rows(X: NDArray[Any]) -> NDArray[np.bool_]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # sums of infinities
        rows = np.isfinite(X.sum(axis=1, dtype=np.float64))
        rows[~rows] = np.isfinite(X[~rows]).all(axis=1)
    if not rows.any():
        raise ValueError("no row of the features is complete: each holds a NaN or an infinity.")
    return rows


def _independent_columns(X: NDArray[Any], add_intercept: bool) -> NDArray[np.intp]:
    """Return the columns that are no combination of the intercept and those to their right."""
    precision = np.finfo(np.float32 if X.dtype == np.float32 else np.float64).eps
    n_rows, n_columns = X.shape
    order = np.arange(n_columns)[::-1]
    parts = (X[begin : begin + BLOCK_ROWS, order] for begin in range(0, n_rows, BLOCK_ROWS))
    blocks = (np.insert(part.astype(np.float64), 0, add_intercept, axis=1) for part in parts)
    r = triangular_factor(blocks, n_columns + 1)
    largest = np.linalg.norm(r, 2) if r.size else 0.0
    tolerance = largest * max(n_rows, n_columns + add_intercept) * precision
    directions = np.empty((len(r), 0))
    kept = []
    for place, column in enumerate(r.T, start=-1):
        rest = column
        for _ in range(2):  # the second time for the digits that cancelled in the first
            rest = rest - directions @ (directions.T @ rest)
        length = np.linalg.norm(rest)
        if length > tolerance:
            directions = np.column_stack([directions, rest / length])
            if place >= 0:
                kept.append(order[place])
    return np.array(kept[::-1], dtype=np.intp)
