"""Sums and products of bases."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._expression import Expression, Pair
from .._timeseries import Epochs
from .._validation import FloatArray
from . import _labels
from ._base import Basis


class CompositeBasis(Basis):
    """Two bases and what is done with their features."""

    def __init__(self, basis1: Basis, basis2: Basis, label: str | None = None) -> None:
        for basis in (basis1, basis2):
            if not isinstance(basis, Basis):
                raise TypeError(f"a composite is made of two bases, got {basis!r}.")
        _labels.require_distinct(_labels.user_labels(basis1) + _labels.user_labels(basis2))
        self.basis1 = basis1
        self.basis2 = basis2
        self.label = label

    def __setattr__(self, name: str, value: Any) -> None:
        """Take a copy of a basis, so that the expression shares no state with others."""
        if name in ("basis1", "basis2"):
            value = copy.deepcopy(value)
            value.__dict__["_parent"] = self
        super().__setattr__(name, value)

    def _children(self) -> tuple[Basis, ...]:
        return self.basis1, self.basis2

    @property
    def n_inputs(self) -> int:
        """Inputs of the first basis, then those of the second."""
        return self.basis1.n_inputs + self.basis2.n_inputs

    def _split(self, inputs: list[Any]) -> tuple[list[Any], list[Any]]:
        n_first = self.basis1.n_inputs
        return inputs[:n_first], inputs[n_first:]

    def _bind_both(
        self, inputs: list[NDArray[Any]], epochs: Epochs, by_channel: bool
    ) -> tuple[Expression, Expression]:
        first, second = self._split(inputs)
        return (
            self.basis1._bind(first, epochs, by_channel),
            self.basis2._bind(second, epochs, by_channel),
        )

    def _values_of_both(self, inputs: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        first, second = self._split(inputs)
        return self.basis1._values(first), self.basis2._values(second)

    def _ranges(self) -> list[tuple[float, float]]:
        return self.basis1._ranges() + self.basis2._ranges()

    def _context(self) -> tuple[int, int] | None:
        first, second = self.basis1._context(), self.basis2._context()
        if first is None or second is None:
            return None
        return max(first[0], second[0]), max(first[1], second[1])

    # Parameters are those of the parts, by label.

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return parameters by ``label__name``, parts by label, and the label of the whole.

        With ``deep=False`` the two parts, as `basis1` and `basis2`, and the label.
        """
        if not deep:
            return {"basis1": self.basis1, "basis2": self.basis2, "label": self.label}
        params: dict[str, Any] = {}
        for label, basis in _labels.by_label(self).items():
            if basis is self:
                continue
            own = {"label": label} if basis._children() else basis.get_params()
            params |= {f"{label}__{name}": value for name, value in own.items()}
            params[label] = basis
        return params | {"label": self.label}

    def set_params(self, **params: Any) -> "CompositeBasis":
        """Set parameters by ``label__name``, or replace a part by its label."""
        parts = {"basis1": self.basis1, "basis2": self.basis2} | _labels.by_label(self)
        plan: list[tuple[Basis, str | None, Any]] = []
        for key, value in params.items():
            if key == "label":
                plan.append((self, "label", value))
            elif key in parts and parts[key] is not self:
                plan.append((parts[key], None, value))
            else:
                # The longest label, because one may be the beginning of another.
                owners = [label for label in parts if key.startswith(f"{label}__")]
                if not owners:
                    raise ValueError(
                        f"Invalid parameter {key!r} for {self!r}. Parameters are called "
                        f"label__name, with one of the labels {', '.join(map(repr, parts))}."
                    )
                owner = max(owners, key=len)
                plan.append((parts[owner], key[len(owner) + 2 :], value))
        grouped: dict[int, tuple[Basis, dict[str, Any]]] = {}
        for basis, name, value in plan:
            if name is None:
                self._replace(basis, value)
            elif name == "label":
                basis.label = value
            else:
                grouped.setdefault(id(basis), (basis, {}))[1][name] = value
        for basis, own in grouped.values():
            basis.set_params(**own)
        return self

    def _replace(self, old: Basis, new: Any) -> None:
        if not isinstance(new, Basis):
            raise ValueError(f"{old.label!r} can be replaced by a basis only, got {new!r}.")
        parent = old._parent
        assert isinstance(parent, CompositeBasis)
        kept = [b._label for b in _labels.nodes(_labels.root_of(self)) if b._label is not None]
        gone = _labels.user_labels(old)
        _labels.require_distinct(
            [label for label in kept if label not in gone] + _labels.user_labels(new)
        )
        place = "basis1" if parent.basis1 is old else "basis2"
        shapes = old.input_shape
        setattr(parent, place, new)
        replaced = getattr(parent, place)
        if None not in shapes and len(shapes) == replaced.n_inputs:
            replaced._remember_shapes(shapes)

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """Return the formula."""
        parts = [
            f"({child!r})" if self._needs_parentheses(child, index) else repr(child)
            for index, child in enumerate(self._children())
        ]
        return f" {self._operator} ".join(parts)

    def _needs_parentheses(self, child: Basis, index: int) -> bool:
        same = child._operator == self._operator
        return bool(child._operator) and ((index == 1) if same else self._operator == "*")


class AdditiveBasis(CompositeBasis):
    """Features of two bases side by side: ``basis1 + basis2``."""

    _operator = "+"

    @property
    def n_basis_funcs(self) -> int:
        """Sum of the two."""
        return self.basis1.n_basis_funcs + self.basis2.n_basis_funcs

    def __iter__(self) -> Iterator[Basis]:
        """Iterate over the additive components."""
        yield from self.basis1
        yield from self.basis2

    def _bind(self, inputs: list[NDArray[Any]], epochs: Epochs, by_channel: bool) -> Expression:
        left, right = self._bind_both(inputs, epochs, by_channel)
        return Pair(left, right, product=False, by_channel=by_channel)

    def _values(self, inputs: list[FloatArray]) -> FloatArray:
        return np.concatenate(self._values_of_both(inputs), axis=-1)


class MultiplicativeBasis(CompositeBasis):
    """Every function of one basis times every function of another: ``basis1 * basis2``.

    Column ``i * n2 + j`` is function i of `basis1` times function j of `basis2`. Inputs with
    several channels must have the same shape and are multiplied channel by channel.
    """

    _operator = "*"

    def __init__(self, basis1: Basis, basis2: Basis, label: str | None = None) -> None:
        super().__init__(basis1, basis2, label)
        if self.basis1.is_complex and self.basis2.is_complex:
            raise ValueError(
                "two Fourier bases cannot be multiplied: the product of real and imaginary parts "
                "mixes them. For several dimensions use FourierBasis(..., ndim=2)."
            )

    @property
    def n_basis_funcs(self) -> int:
        """Product of the two."""
        return self.basis1.n_basis_funcs * self.basis2.n_basis_funcs

    def _bind(self, inputs: list[NDArray[Any]], epochs: Epochs, by_channel: bool) -> Expression:
        shapes = self.input_shape
        if len(set(shapes)) > 1:
            raise ValueError(
                f"the factors of a product need inputs of the same shape, got {shapes} beside the "
                "samples."
            )
        left, right = self._bind_both(inputs, epochs, True)
        return Pair(left, right, product=True)

    def _values(self, inputs: list[FloatArray]) -> FloatArray:
        first, second = self._values_of_both(inputs)
        product = first[..., :, None] * second[..., None, :]
        return product.reshape(*first.shape[:-1], first.shape[-1] * second.shape[-1])
