"""Lazy designs: the features of a basis, computed when a fit asks for them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import _core
from ._expression import Expression
from ._timeseries import Axis, like_estimate

if TYPE_CHECKING:
    from .basis import Basis

__all__ = ["Design"]


class Design:
    """Features of a basis that are computed block by block instead of stored.

    Made by `Basis.design`, taken by every estimator in place of X. The inputs are kept as they are
    (uint8 counts stay uint8) and must not be changed. The memory that a fit needs does not grow
    with the number of samples times that of features.

    ``design[rows]`` and ``design[rows, ...]`` select rows by slice, boolean mask or indices: the
    result is a view whose features are those of the full recording, so that the first row of a
    test fold keeps the history that precedes it.
    """

    ndim = 2

    def __init__(
        self,
        expression: Expression,
        dtype: DTypeLike,
        time_axis: Axis | None,
        rows: NDArray[np.intp] | None = None,
        learned: "Sequence[tuple[Basis, NDArray[Any]]]" = (),
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.time_axis = time_axis
        self._expression = expression
        self._rows = rows
        self._learned = learned  # who takes the inputs, and the bounds that hold here
        core = expression.build().design()
        self._core = core if rows is None else core.rows(rows)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the expression with its inputs; the core is built anew."""
        return Design, (self._expression, self.dtype, self.time_axis, self._rows)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_features)."""
        return self._core.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Design(shape={self.shape}, dtype={self.dtype})"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Compute all features."""
        if copy is False:
            raise ValueError("a Design has no array to share; its features are computed.")
        features = self.materialise()
        return features if dtype is None else features.astype(dtype, copy=False)

    def materialise(self, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Compute all features, into `out` where it is given: see `Basis.compute_features`."""
        dtype = self.dtype if out is None else getattr(out, "dtype", self.dtype)
        return self._core.materialise(dtype == np.float32, 0, out)

    def freeze_bounds(self) -> None:
        """Make the basis keep the bounds that it had learned for this design."""
        for leaf, bounds in self._learned:
            leaf._freeze(bounds)

    def __matmul__(self, coef: ArrayLike) -> Any:
        """Return design @ coef for coef of shape (n_features,) or (n_features, k)."""
        coef = np.asarray(coef, dtype=np.float64)
        if coef.ndim not in (1, 2) or coef.shape[0] != self.shape[1]:
            raise ValueError(
                f"cannot multiply a design of shape {self.shape} with an array of shape "
                f"{coef.shape}."
            )
        columns = [
            _core.predict(self._core, np.ascontiguousarray(column), 0.0, None, "identity", 0)
            for column in coef.reshape(self.shape[1], -1).T
        ]
        if coef.ndim == 1:
            return like_estimate(columns[0], self.time_axis)
        product = np.empty((self.shape[0], coef.shape[1]))
        for k, column in enumerate(columns):
            product[:, k] = column
        return like_estimate(product, self.time_axis)

    def __getitem__(self, key: Any) -> "Design":
        """Return a view of some rows."""
        if isinstance(key, tuple):
            rest = [part for part in key[1:] if part is not Ellipsis and part != slice(None)]
            if rest or not key:
                raise IndexError(
                    "a Design is indexed by rows only, design[rows] or design[rows, ...]; for some "
                    "columns use numpy.asarray(design)[:, columns]."
                )
            key = key[0]
        if isinstance(key, int | np.integer):
            raise IndexError("index a Design with a slice, a mask or a list of rows.")
        n_samples = self.shape[0]
        if key is Ellipsis:
            key = slice(None)
        key = key if isinstance(key, slice) else np.asarray(key)
        if not isinstance(key, slice) and key.dtype.kind not in "iub":
            if key.size:
                raise IndexError(f"rows must be selected by integers or a mask, got {key.dtype}.")
            key = key.astype(np.intp)
        index = (np.arange(n_samples) if self._rows is None else self._rows)[key]
        if index.ndim != 1:
            raise IndexError(f"rows must be selected by a 1-dimensional index, got {index.ndim}-d.")
        axis = self.time_axis.rows(key) if self.time_axis is not None else None
        return Design(self._expression, self.dtype, axis, index, self._learned)
