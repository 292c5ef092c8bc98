"""Proximal operators of the penalties, as plain functions of arrays.

prox(x) = argmin_z ||z - x||^2 / 2 + scaling * penalty(z). Parikh & Boyd (2014), Proximal
Algorithms, Foundations and Trends in Optimization 1:3, section 6. The solvers have their own; these
are for checks and for solvers of one's own.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._validation import FloatArray

__all__ = [
    "compute_normalization",
    "masked_norm_2",
    "prox_elastic_net",
    "prox_group_lasso",
    "prox_lasso",
    "prox_none",
    "prox_ridge",
]


def prox_none(x: ArrayLike, strength: Any = None, scaling: float = 1.0) -> FloatArray:
    """Return x: no penalty."""
    return np.asarray(x, dtype=np.float64)


def prox_ridge(x: ArrayLike, strength: ArrayLike = 1.0, scaling: float = 1.0) -> FloatArray:
    """Prox of sum(strength * x**2) / 2; strength a number or one per entry of x.

    Examples
    --------
    >>> prox_ridge([1.05, -2.1], 0.5, 0.1)
    array([ 1., -2.])
    """
    return np.asarray(x, dtype=np.float64) / (1.0 + scaling * np.asarray(strength))


def prox_lasso(x: ArrayLike, strength: ArrayLike = 1.0, scaling: float = 1.0) -> FloatArray:
    """Prox of sum(strength * abs(x)): soft thresholding.

    Examples
    --------
    >>> prox_lasso([1.0, -0.02], 0.5, 0.1)
    array([0.95, 0.  ])
    """
    values = np.asarray(x, dtype=np.float64)
    shrunk = np.maximum(np.abs(values) - scaling * np.asarray(strength), 0.0)
    return np.copysign(shrunk, values) + 0.0


def prox_elastic_net(
    x: ArrayLike, strength: tuple[ArrayLike, ArrayLike] = (1.0, 0.5), scaling: float = 1.0
) -> FloatArray:
    """Prox of sum(s * ((1 - r) * x**2 / 2 + r * abs(x))), strength = (s, r)."""
    weight, ratio = (np.asarray(part, dtype=np.float64) for part in strength)
    return prox_lasso(x, weight * ratio, scaling) / (1.0 + scaling * weight * (1.0 - ratio))


def prox_group_lasso(
    x: ArrayLike, strength: ArrayLike, mask: ArrayLike, scaling: float = 1.0
) -> FloatArray:
    """Prox of sum_g strength_g sqrt(size_g) norm(x_g).

    Parameters
    ----------
    x :
        Any shape.
    strength :
        Number, or one per group.
    mask :
        Zeros and ones of shape (n_groups, *x.shape); entries in no group stay as they are.
    scaling :
        Step size.
    """
    values = np.asarray(x, dtype=np.float64)
    groups = np.asarray(mask, dtype=bool)
    weight = np.broadcast_to(np.asarray(strength, dtype=np.float64), len(groups))
    weight = weight * compute_normalization(mask)
    result = values.copy()
    for members, threshold in zip(groups, scaling * weight, strict=True):
        norm = np.linalg.norm(values[members])
        share = max(0.0, 1.0 - threshold / norm) if norm > 0.0 else 0.0
        result[members] = values[members] * share + 0.0
    return result


def masked_norm_2(x: ArrayLike, mask: ArrayLike, normalize: bool = True) -> FloatArray:
    """Return the norm of each group, (n_groups,), times the root of its size if `normalize`."""
    values = np.asarray(x, dtype=np.float64)
    groups = np.asarray(mask, dtype=bool)
    norms = np.array([np.linalg.norm(values[members]) for members in groups])
    return norms * compute_normalization(mask) if normalize else norms


def compute_normalization(mask: ArrayLike) -> NDArray[np.float64]:
    """Return the root of the size of each group, (n_groups,)."""
    groups = np.asarray(mask, dtype=np.float64)
    return np.sqrt(groups.reshape(len(groups), -1).sum(axis=1))
