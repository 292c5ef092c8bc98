"""What a basis is: evaluation, convolution and the algebra of sums and products."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from . import _core
from ._timeseries import common_axis, like_input, plain
from ._validation import (
    FloatArray,
    bounds_pair,
    numeric_array,
    warn,
    whole_number,
)
from .design import Design, Expression, Pair, Term
from .exceptions import ConstantInputWarning, WindowWarning

Epochs = list[tuple[int, int]]


class Basis(ABC, BaseEstimator):
    """Base of all bases."""

    @property
    @abstractmethod
    def n_inputs(self) -> int:
        """Number of time series that the basis takes."""

    @property
    @abstractmethod
    def n_basis_functions(self) -> int:
        """Number of features for one-dimensional inputs."""

    @abstractmethod
    def _bind(self, inputs: list[NDArray[Any]], epochs: Epochs) -> Expression:
        """Return the features as an expression, from (n_samples, n_channels) inputs."""

    @abstractmethod
    def _evaluate(self, inputs: list[FloatArray]) -> FloatArray:
        """Return (*shape, n_basis_functions) values at inputs of one shape."""

    @abstractmethod
    def _ranges(self) -> list[tuple[float, float]]:
        """Return the interval of each input that `evaluate_on_grid` covers."""

    def __add__(self, other: "Basis") -> "AdditiveBasis":
        """Put the features of two bases side by side."""
        return AdditiveBasis(self, other) if isinstance(other, Basis) else NotImplemented

    def __mul__(self, other: "Basis") -> "MultiplicativeBasis":
        """Multiply every function of this basis with every function of the other."""
        return MultiplicativeBasis(self, other) if isinstance(other, Basis) else NotImplemented

    def compute_features(self, *inputs: Any) -> Any:
        """Return the features of time series, (n_samples, n_features).

        Parameters
        ----------
        *inputs : (n_samples, ...)
            One per input of the basis, in order of appearance, all with the same number of samples.
            Trailing dimensions are channels: each has its own features, side by side. Any real
            dtype; NaN marks missing samples. pynapple series are taken epoch by epoch.

        Returns
        -------
        :
            Columns are channel-major, functions of the basis fastest. A product is the row-wise
            Kronecker product with the first factor slow. float32 when all inputs are float32, else
            float64. NaN: rows of a missing sample, of a sample outside `bounds`, or without a
            complete window in their epoch. A pynapple TsdFrame, with the time axis and support of
            the input, when an input is a pynapple series.

        Raises
        ------
        TypeError
            The number of inputs is wrong, or one does not hold real numbers.
        ValueError
            Inputs differ in length or time axis, or one holds an infinity.
        """
        design = self.design(*inputs)
        return like_input(np.asarray(design), design.time_axis)

    def design(self, *inputs: Any) -> Design:
        """Return the features as a lazy design, which computes them when they are needed.

        Parameters and errors are those of `compute_features`. Every estimator takes the result in
        place of X; the features are the same, but they are never stored.

        Examples
        --------
        >>> import numpy as np, spikeglm as nmo
        >>> counts = np.random.default_rng(0).poisson(0.1, size=(5000, 20)).astype(np.uint8)
        >>> history = nmo.basis.RaisedCosineBasisLog(5, mode="conv", window_size=100)
        >>> X = history.design(counts)
        >>> X.shape
        (5000, 100)
        >>> model = nmo.glm.GLM(regularizer="Ridge", regularizer_strength=1e-3)
        >>> model.fit(X, counts[:, 0]).converged_
        True
        """
        arrays = [np.atleast_1d(array) for array in self._checked(inputs)]
        axis = common_axis((f"input {i}", values) for i, values in enumerate(inputs))
        epochs = axis.epochs() if axis is not None else [(0, arrays[0].shape[0])]
        single = all(array.dtype == np.float32 for array in arrays)
        expression = self._bind([_as_channels(array) for array in arrays], epochs)
        return Design(expression, np.float32 if single else np.float64, axis)

    def evaluate(self, *inputs: ArrayLike) -> FloatArray:
        """Return the values of the basis at points, (*shape, n_basis_functions).

        All inputs have the same shape. Without bounds each input is rescaled by its own smallest
        and largest value. Bases in conv mode give their filters, whose support is rescaled alike.
        """
        arrays = self._checked(inputs)
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            raise ValueError(f"evaluate needs inputs of one shape, got {sorted(shapes)}.")
        return self._evaluate([array.astype(np.float64) for array in arrays])

    def evaluate_on_grid(self, *n_samples: int) -> tuple[FloatArray, ...]:
        """Return a grid over the bounds of each input (or over [0, 1]) and the values on it.

        Parameters
        ----------
        *n_samples :
            Number of grid points, one per input.

        Returns
        -------
        (*grids, values) :
            Grids as `numpy.meshgrid` makes them with indexing "ij", and values of shape
            (*n_samples, n_basis_functions). With `window_size` points, a basis in conv mode gives
            its filters bin by bin.
        """
        if len(n_samples) != self.n_inputs:
            raise TypeError(
                f"This basis has {self.n_inputs} inputs, but {len(n_samples)} grid sizes were "
                "given."
            )
        axes = [
            np.linspace(low, high, whole_number(n, "n_samples", 1))
            for n, (low, high) in zip(n_samples, self._ranges(), strict=True)
        ]
        grids = np.meshgrid(*axes, indexing="ij")
        return (*grids, self._evaluate(list(grids)))

    def _checked(self, inputs: tuple[ArrayLike, ...]) -> list[NDArray[Any]]:
        if len(inputs) != self.n_inputs:
            raise TypeError(
                f"This basis requires {self.n_inputs} input(s) for evaluation, but {len(inputs)} "
                "were provided."
            )
        arrays = [numeric_array(plain(values), "a basis input") for values in inputs]
        lengths = [array.shape[0] if array.ndim else 1 for array in arrays]
        if len(set(lengths)) > 1:
            raise ValueError(
                "Sample size mismatch. The inputs of a basis must have the same number of samples, "
                f"got {lengths}."
            )
        return arrays


class AtomicBasis(Basis):
    """One family of functions of one input."""

    _family: ClassVar[str]
    mode: str
    window_size: int | None
    bounds: tuple[float, float] | None
    label: str | None
    n_basis_funcs: int

    @abstractmethod
    def _parameters(self) -> dict[str, Any]:
        """Return the parameters of the core's basis, checked for type."""

    def _core_basis(self) -> _core.Basis:
        return _core.Basis(self._family, **self._parameters())

    @property
    def n_inputs(self) -> int:
        """One."""
        return 1

    @property
    def n_basis_functions(self) -> int:
        """`n_basis_funcs`."""
        return self.n_basis_funcs

    def _check(self) -> None:
        self._core_basis()
        if self.mode not in ("eval", "conv"):
            raise ValueError(f'`mode` must be "eval" or "conv", got {self.mode!r}.')
        if self.mode == "conv":
            if self.window_size is None:
                raise ValueError('`window_size` (in samples) must be given with mode="conv".')
            if isinstance(self.window_size, float | np.floating):
                raise ValueError(f"`window_size` must be an int, got {self.window_size!r}.")
            whole_number(self.window_size, "window_size", 1)
            if self.bounds is not None:
                raise ValueError('`bounds` has no meaning with mode="conv".')
        elif self.window_size is not None:
            raise ValueError('`window_size` has no meaning with mode="eval".')
        bounds_pair(self.bounds)

    def _bind(self, inputs: list[NDArray[Any]], epochs: Epochs) -> Expression:
        self._check()
        (array,) = inputs
        if self.mode == "conv":
            window = int(self.window_size or 0)
            _warn_about_short_epochs(epochs, window)
            return Term(
                self._family, self._parameters(), array, [], window=window, epochs=tuple(epochs)
            )
        given = bounds_pair(self.bounds)
        ranges = [(bound.low, bound.high) for bound in _core.column_range(array)]
        if given is None and array.shape[0] and any(low == high for low, high in ranges):
            warn(
                f"an input of {type(self).__name__} takes only one value, from which no range can "
                "be learned; pass `bounds`.",
                ConstantInputWarning,
            )
        bounds = ranges if given is None else [given] * len(ranges)
        self.bounds_ = np.array(bounds)
        return Term(self._family, self._parameters(), array, bounds)

    def _evaluate(self, inputs: list[FloatArray]) -> FloatArray:
        self._check()
        (values,) = inputs
        given = bounds_pair(self.bounds)
        (learned,) = _core.column_range(values.reshape(-1))  # refuses infinities
        bounds = learned if given is None else _core.Bounds(*given)
        basis = self._core_basis()
        flat = basis.evaluate(values.reshape(-1), bounds)
        return flat.reshape(*values.shape, basis.n_basis_funcs)

    def _ranges(self) -> list[tuple[float, float]]:
        return [bounds_pair(self.bounds) or (0.0, 1.0)]


class _CompositeBasis(Basis):
    def __init__(self, basis1: Basis, basis2: Basis, label: str | None = None) -> None:
        self.basis1 = basis1
        self.basis2 = basis2
        self.label = label

    @property
    def n_inputs(self) -> int:
        """Inputs of the first basis, then those of the second."""
        return self.basis1.n_inputs + self.basis2.n_inputs

    def _split(self, inputs: list[Any]) -> tuple[list[Any], list[Any]]:
        n_first = self.basis1.n_inputs
        return inputs[:n_first], inputs[n_first:]

    def _bind_both(self, inputs: list[NDArray[Any]], epochs: Epochs, product: bool) -> Expression:
        first, second = self._split(inputs)
        return Pair(self.basis1._bind(first, epochs), self.basis2._bind(second, epochs), product)

    def _evaluate_both(self, inputs: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        first, second = self._split(inputs)
        return self.basis1._evaluate(first), self.basis2._evaluate(second)

    def _ranges(self) -> list[tuple[float, float]]:
        return self.basis1._ranges() + self.basis2._ranges()


class AdditiveBasis(_CompositeBasis):
    """Features of two bases side by side: ``basis1 + basis2``."""

    @property
    def n_basis_functions(self) -> int:
        """Sum of the two."""
        return self.basis1.n_basis_functions + self.basis2.n_basis_functions

    def _bind(self, inputs: list[NDArray[Any]], epochs: Epochs) -> Expression:
        return self._bind_both(inputs, epochs, product=False)

    def _evaluate(self, inputs: list[FloatArray]) -> FloatArray:
        return np.concatenate(self._evaluate_both(inputs), axis=-1)


class MultiplicativeBasis(_CompositeBasis):
    """Every function of one basis times every function of another: ``basis1 * basis2``.

    Column ``i * n2 + j`` is function i of `basis1` times function j of `basis2`; inputs with
    several channels are multiplied channel by channel.
    """

    @property
    def n_basis_functions(self) -> int:
        """Product of the two."""
        return self.basis1.n_basis_functions * self.basis2.n_basis_functions

    def _bind(self, inputs: list[NDArray[Any]], epochs: Epochs) -> Expression:
        return self._bind_both(inputs, epochs, product=True)

    def _evaluate(self, inputs: list[FloatArray]) -> FloatArray:
        first, second = self._evaluate_both(inputs)
        product = first[..., :, None] * second[..., None, :]
        return product.reshape(*first.shape[:-1], -1)


def _as_channels(array: NDArray[Any]) -> NDArray[Any]:
    """Flatten all dimensions after the first into channels."""
    if array.ndim == 1:
        return array[:, None]
    if 0 in array.shape[1:]:
        raise ValueError(f"a basis input has no channels: its shape is {array.shape}.")
    return array.reshape(array.shape[0], int(np.prod(array.shape[1:])))


def _warn_about_short_epochs(epochs: Epochs, window: int, shift: bool = True) -> None:
    lengths = [end - begin for begin, end in epochs]
    short = [i for i, length in enumerate(lengths) if 0 < length < window + shift]
    if short:
        shown = ", ".join(map(str, short[:10])) + (", ..." if len(short) > 10 else "")
        where = (
            f"epochs {shown} of {len(epochs)}"
            if len(epochs) > 1
            else f"an input of {lengths[0]} samples"
        )
        warn(
            f"the convolution window of {window} samples leaves no complete sample in {where}: "
            "all features are NaN there.",
            WindowWarning,
        )
