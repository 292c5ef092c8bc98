"""What the core is told to compute: expressions of plain values, built anew after pickling."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from . import _core
from ._validation import FloatArray

Range = tuple[float, float]


def core_basis(family: str, parameters: dict[str, Any]) -> _core.Basis:
    """Return a family of the core with its parameters."""
    return _core.Basis(family, **parameters)


def _core_bounds(ranges: tuple[Range, ...]) -> list[_core.Bounds]:
    return [_core.Bounds(low, high) for low, high in ranges]


@dataclass(frozen=True)
class Evaluation:
    """A family at the values of an input, between bounds for each channel.

    `parameters` has one entry, or one per channel.
    """

    family: str
    parameters: tuple[dict[str, Any], ...]
    input: NDArray[Any]
    bounds: tuple[Range, ...]
    fill_value: float

    def build(self) -> _core.BoundExpression:
        """Return the expression of the core."""
        bases = [core_basis(self.family, parameters) for parameters in self.parameters]
        return _core.evaluation(bases, self.input, _core_bounds(self.bounds), self.fill_value)


@dataclass(frozen=True)
class Convolution:
    """An input convolved with filters (window_size, n_filters), epoch by epoch."""

    filters: FloatArray
    input: NDArray[Any]
    causality: str
    shift: bool
    epochs: tuple[tuple[int, int], ...]

    def build(self) -> _core.BoundExpression:
        """Return the expression of the core."""
        return _core.convolution(
            self.filters, self.input, self.causality, self.shift, list(self.epochs)
        )


@dataclass(frozen=True)
class Fourier:
    """Cosines and sines of combinations of frequencies over several inputs."""

    inputs: tuple[NDArray[Any], ...]
    bounds: tuple[tuple[Range, ...], ...]
    frequencies: FloatArray

    def build(self) -> _core.BoundExpression:
        """Return the expression of the core."""
        return _core.fourier(
            list(self.inputs), [_core_bounds(ranges) for ranges in self.bounds], self.frequencies
        )


@dataclass(frozen=True)
class Columns:
    """Features that are there already, (n_samples, n_channels * n_functions)."""

    values: NDArray[Any]
    channels: int

    def build(self) -> _core.BoundExpression:
        """Return the expression of the core."""
        return _core.columns(self.values, self.channels)


@dataclass(frozen=True)
class Pair:
    """Sum or product of two expressions.

    The columns of a sum that is a factor of a product are ordered by channel.
    """

    left: "Expression"
    right: "Expression"
    product: bool
    by_channel: bool = False

    def build(self) -> _core.BoundExpression:
        """Return the expression of the core."""
        left, right = self.left.build(), self.right.build()
        if self.product:
            return _core.product_of(left, right)
        return _core.sum_of(left, right, self.by_channel)


Expression = Evaluation | Convolution | Fourier | Columns | Pair
