"""Categories as indicator functions."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._expression import Evaluation, Expression, Range
from .._validation import FloatArray, whole_number
from ._atomic import AtomicBasis
from ._base import Scan


class Category(AtomicBasis):
    """An indicator for each category: one is 1, the others are 0.

    Parameters
    ----------
    categories :
        The labels, numbers or strings, all different; features are in their sorted order. An int n
        stands for 0 .. n - 1.
    out_of_category :
        Whether a sample with another label becomes a row of zeros; otherwise it raises ValueError.
        A missing sample (NaN or None) is a row of NaN in either case.
    label :
        Name of the basis in expressions.
    """

    _labels_by_mode: ClassVar[dict[str, str]] = {"eval": "Category"}
    _has_bounds = False
    mode = "eval"
    categories: int | Sequence[Any]
    out_of_category: bool

    def __init__(
        self,
        categories: int | Sequence[Any],
        out_of_category: bool = True,
        *,
        label: str | None = None,
    ) -> None:
        self._start(label, categories=categories, out_of_category=out_of_category)

    @property
    def n_basis_funcs(self) -> int:
        """Number of categories."""
        return len(self._sorted())

    def _check(self) -> None:
        self._sorted()
        if not isinstance(self.out_of_category, bool | np.bool_):
            raise TypeError(
                f"`out_of_category` must be True or False, got {self.out_of_category!r}."
            )

    def _sorted(self) -> NDArray[Any]:
        if np.ndim(self.categories) == 0:
            return np.arange(whole_number(self.categories, "categories", 1))
        labels = np.asarray(self.categories)
        if labels.ndim != 1 or not labels.size:
            raise ValueError(f"`categories` must be a list of labels, got {self.categories!r}.")
        found = np.unique(labels)
        if len(found) != len(labels):
            raise ValueError(f"`categories` holds a label twice: {self.categories!r}.")
        return found

    def _as_array(self, values: Any, index: int) -> NDArray[Any]:
        """Return the code of each sample's category: -1 for none, NaN for a missing sample."""
        array = np.asarray(values)
        known = self._sorted()
        missing = np.zeros(array.shape, dtype=bool)
        if array.dtype.kind == "f":
            missing = np.isnan(array)
        elif array.dtype.kind == "O":
            missing = np.array([v is None or v != v for v in array.ravel()]).reshape(array.shape)
        present = array[~missing]
        if array.dtype.kind == "O" and present.size:
            present = np.array(present.tolist())
        if (known.dtype.kind in "US") != (present.dtype.kind in "US") and present.size:
            found = np.full(present.shape, -1)
        else:
            place = np.clip(np.searchsorted(known, present), 0, len(known) - 1)
            found = np.where(known[place] == present, place, -1)
        if not self.out_of_category and np.any(found < 0):
            raise ValueError(
                f"{self.label} got the label {present[found < 0].tolist()[0]!r}, which is none of "
                f"{known.tolist()}; with out_of_category=True it would become a row of zeros."
            )
        if not missing.any():
            return found.reshape(array.shape).astype(np.int32)
        codes = np.full(array.shape, np.nan)
        codes[~missing] = found
        return codes

    def _scan(self, arrays: list[NDArray[Any]]) -> list[Scan]:
        return []

    def _family_values(self, u: FloatArray, width: float) -> FloatArray:
        return (u[:, None] == np.arange(self.n_basis_funcs)).astype(np.float64)

    def _between(self, x: FloatArray, low: float, high: float) -> FloatArray:
        values = self._family_values(x, 1.0)
        values[np.isnan(x)] = np.nan
        return values

    def _evaluation(self, array: NDArray[Any], bounds: list[Range]) -> Expression:
        return Evaluation(
            "OneHot", ({"n_basis_funcs": self.n_basis_funcs},), array, tuple(bounds), np.nan
        )

    def evaluate_on_grid(self, *n_samples: int) -> tuple[Any, ...]:
        """Return the categories and their indicators; the grid has as many points as categories."""
        if n_samples != (self.n_basis_funcs,):
            raise ValueError(
                f"the grid of {self.label} is its {self.n_basis_funcs} categories, got n_samples = "
                f"{n_samples}."
            )
        return self._sorted(), np.eye(self.n_basis_funcs)

    def _ranges(self) -> list[Range]:
        return [(0.0, float(self.n_basis_funcs - 1))]
