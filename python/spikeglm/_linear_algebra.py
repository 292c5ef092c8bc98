"""Inverses of curvatures that may not be definite, and what they leave undetermined."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ._validation import FloatArray

# Of a curvature scaled to a unit diagonal: below this, nothing but rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Covariance:
    """Covariance of parameters.

    Attributes
    ----------
    root : (n, rank)
        A with the covariance as A A', for contrasts that are determined.
    undetermined : (n, k)
        Directions along which the data say nothing, of unit length.
    given : (n,)
        Which parameters are estimated at all.
    """

    root: FloatArray
    undetermined: FloatArray
    given: NDArray[np.bool_]

    @cached_property
    def matrix(self) -> FloatArray:
        """Covariance; of contrasts that are determined, where others are not."""
        return self.root @ self.root.T

    @cached_property
    def determined(self) -> NDArray[np.bool_]:
        """Which parameters are."""
        touched = np.abs(self.undetermined).max(axis=1, initial=0.0) > 1e-8
        return np.asarray(self.given & ~touched)

    @cached_property
    def standard_errors(self) -> FloatArray:
        """Standard errors, NaN where a parameter is not determined."""
        return np.where(self.determined, np.sqrt(np.diag(self.matrix)), np.nan)

    @cached_property
    def shown(self) -> FloatArray:
        """Covariance with NaN in rows and columns of what is not determined."""
        both = self.determined[:, None] & self.determined
        return np.where(both, self.matrix, np.nan)

    def require_estimable(self, contrasts: FloatArray) -> None:
        """Raise ValueError unless the data determine each of the contrasts (m, n)."""
        size = np.linalg.norm(contrasts, axis=1)
        lost = np.abs(contrasts @ self.undetermined).max(axis=1, initial=0.0) > 1e-6 * size
        lost |= (contrasts[:, ~self.given] != 0.0).any(axis=1)
        if lost.any():
            raise ValueError(
                f"the data do not determine contrast {int(np.argmax(lost))} of {len(contrasts)}: "
                "columns of X are dependent, constant, or left out of the model. Use Ridge, or "
                "contrasts that do not depend on how the coefficients share an effect; of curves "
                "`centered` or `intercept`."
            )


def inverse_root(curvature: FloatArray, chosen: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Return A, (n, rank), with A A' an inverse of the chosen rows and columns, and null vectors.

    The curvature is scaled to a unit diagonal first, so that units do not matter.
    """
    n = len(curvature)
    index = np.flatnonzero(chosen)
    part = curvature[np.ix_(index, index)]
    diagonal = np.diag(part)
    # Where the curvature of one parameter has vanished beside the largest, it is not determined.
    positive = diagonal > 0.0
    scale = np.where(positive, 1.0 / np.sqrt(np.where(positive, diagonal, 1.0)), 0.0)
    unit = part * scale[:, None] * scale
    unit[~positive, ~positive] = 0.0
    try:
        factor = linalg.cholesky(unit, lower=True) if positive.all() else None
    except linalg.LinAlgError:
        factor = None
    if factor is not None and np.min(np.diag(factor)) ** 2 > 1e3 * ROUNDING:
        inverse = linalg.solve_triangular(factor, np.diag(scale), lower=True)
        root = np.zeros((n, len(index)))
        root[index] = inverse.T
        return root, np.zeros((n, 0))
    values, vectors = np.linalg.eigh(unit)
    kept = values > ROUNDING * len(values)
    root = np.zeros((n, int(kept.sum())))
    root[index] = scale[:, None] * vectors[:, kept] / np.sqrt(values[kept])
    null = np.zeros((n, int((~kept).sum())))
    null[index] = np.where(positive, scale, 1.0)[:, None] * vectors[:, ~kept]
    length = np.linalg.norm(null, axis=0)
    return root, null / np.where(length > 0.0, length, 1.0)
