"""Bases that users write."""

import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._expression import Columns, Expression, Range
from .._timeseries import Epochs
from .._validation import FloatArray, bounds_ranges, real_number, whole_number
from ._atomic import AtomicBasis, ParameterBasis
from ._base import Scan


class PythonBasis(AtomicBasis):
    """Base of bases whose functions are written in Python.

    A subclass has parameters of its own, `n_basis_funcs`, and `functions(u)`; in return it has both
    modes, bounds, epochs, labels and the algebra. In eval mode the features are computed once, in
    Python, also for lazy designs; in conv mode only the filters are, and all is as fast as with the
    families of this package.

    Parameters
    ----------
    n_basis_funcs, mode, window_size, bounds, fill_value, predictor_causality, shift, label :
        As in `BSplineBasis`.

    Examples
    --------
    Powers of the input, with a highest degree:

    >>> import numpy as np, spikeglm as nmo
    >>> class PowerBasis(nmo.basis.PythonBasis):
    ...     def functions(self, u):
    ...         return u[:, None] ** np.arange(1, self.n_basis_funcs + 1)
    >>> basis = PowerBasis(3, bounds=(0, 10)) + nmo.basis.BSplineBasis(5, bounds=(0, 1))
    >>> basis.compute_features(np.array([5.0]), np.array([0.1]))[:, :3]
    array([[0.5  , 0.25 , 0.125]])
    >>> PowerBasis(2, mode="conv", window_size=3).kernel_
    array([[0.  , 0.  ],
           [0.5 , 0.25],
           [1.  , 1.  ]])
    """

    def __init__(
        self,
        n_basis_funcs: int,
        mode: str = "eval",
        window_size: int | None = None,
        bounds: Any = None,
        *,
        fill_value: float = np.nan,
        predictor_causality: str = "causal",
        shift: bool | None = None,
        label: str | None = None,
    ) -> None:
        self._start(
            label,
            n_basis_funcs=n_basis_funcs,
            mode=mode,
            window_size=window_size,
            bounds=bounds,
            fill_value=fill_value,
            predictor_causality=predictor_causality,
            shift=shift,
        )

    n_basis_funcs: int = 0

    @abstractmethod
    def functions(self, u: FloatArray) -> FloatArray:
        """Return the values of all functions, (len(u), n_basis_funcs).

        u is 0 at the lower bound and 1 at the upper; it holds no NaN, but may lie outside [0, 1].
        """

    def _check(self) -> None:
        whole_number(self.n_basis_funcs, "n_basis_funcs", 1)
        super()._check()

    def _family_values(self, u: FloatArray, width: float) -> FloatArray:
        values = np.asarray(self.functions(u), dtype=np.float64)
        if values.shape != (len(u), self.n_basis_funcs):
            raise ValueError(
                f"{type(self).__name__}.functions must return an array of shape "
                f"{(len(u), self.n_basis_funcs)}, got {values.shape}."
            )
        return values

    def _evaluation(self, array: NDArray[Any], bounds: list[Range]) -> Expression:
        n_samples, n_channels = array.shape
        features = np.empty((n_samples, n_channels, self.n_basis_funcs))
        for c, (low, high) in enumerate(bounds):
            features[:, c] = self._between(array[:, c].astype(np.float64), low, high)
        low, high = np.array(bounds).T
        features[np.any((array < low) | (array > high), axis=1)] = self.fill_value
        return Columns(features.reshape(n_samples, -1), n_channels)


class CustomBasis(ParameterBasis):
    """Functions of one or several inputs, each given as a Python callable.

    Parameters
    ----------
    funcs :
        One callable, or a list: one for each basis function. Each takes the same number of arrays,
        which becomes the number of inputs, with the samples first, and returns an array with the
        samples first. The whole inputs are passed, so that a function may look at all samples.
    ndim_input :
        Number of dimensions of the arrays that the functions take; they are called for each element
        of the dimensions beyond these.
    output_shape :
        Shape of what the functions return, beside the samples; found at the first call when None.
    basis_kwargs :
        Keyword arguments for all functions.
    pynapple_support :
        Whether features of labelled series (pynapple, xarray, data frames) are such a series too.
    is_complex :
        Whether the functions are real and imaginary parts; such bases cannot be multiplied with
        each other.
    bounds, fill_value :
        (low, high) for all inputs: samples outside become `fill_value`. Nothing is rescaled.
    label :
        Name of the basis in expressions.

    Examples
    --------
    >>> import numpy as np, spikeglm as nmo
    >>> basis = nmo.basis.CustomBasis([lambda x, y: x * y, lambda x, y: x + y])
    >>> basis.compute_features(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [8., 6.]])
    """

    _labels_by_mode: ClassVar[dict[str, str]] = {"eval": "CustomBasis"}

    def __init__(
        self,
        funcs: Callable[..., Any] | Sequence[Callable[..., Any]],
        ndim_input: int = 1,
        output_shape: int | tuple[int, ...] | None = None,
        basis_kwargs: Mapping[str, Any] | None = None,
        pynapple_support: bool = True,
        label: str | None = None,
        is_complex: bool = False,
        bounds: Any = None,
        fill_value: float = np.nan,
    ) -> None:
        self._start(
            label,
            funcs=funcs,
            ndim_input=ndim_input,
            output_shape=output_shape,
            basis_kwargs=basis_kwargs,
            pynapple_support=pynapple_support,
            is_complex=is_complex,
            bounds=bounds,
            fill_value=fill_value,
        )

    funcs: Any
    ndim_input: int
    output_shape: Any
    basis_kwargs: Any
    pynapple_support: bool
    is_complex: bool = False
    bounds: Any
    fill_value: float

    def _functions(self) -> list[Callable[..., Any]]:
        funcs = [self.funcs] if callable(self.funcs) else list(self.funcs)
        if not funcs or not all(callable(f) for f in funcs):
            raise ValueError(f"`funcs` must be one callable or several, got {self.funcs!r}.")
        return funcs

    @property
    def n_inputs(self) -> int:
        """Number of arrays that the functions take."""
        return self._count_inputs(self._functions()[0])

    @property
    def n_basis_funcs(self) -> int:
        """Number of functions."""
        return len(self._functions())

    def _count_inputs(self, function: Callable[..., Any]) -> int:
        given = set(self.basis_kwargs or {})
        try:
            parameters = inspect.signature(function).parameters.values()
        except ValueError:  # a builtin without one
            return 1
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return sum(
            p.kind in kinds and p.default is inspect.Parameter.empty and p.name not in given
            for p in parameters
        )

    def _check(self) -> None:
        counts = {self._count_inputs(function) for function in self._functions()}
        if len(counts) != 1 or 0 in counts:
            raise ValueError(
                "Each function of a CustomBasis must accept the same number of input time series, "
                f"one at least; got {sorted(counts)}."
            )
        whole_number(self.ndim_input, "ndim_input", 1)
        real_number(self.fill_value, "fill_value")
        if self.output_shape is not None:
            self._given_shape()
        ranges = bounds_ranges(self.bounds)
        if ranges is not None and len(ranges) != 1:
            raise ValueError(f"`bounds` must be one pair for all inputs, got {self.bounds!r}.")

    def _given_shape(self) -> tuple[int, ...]:
        shape = self.output_shape
        shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
        return tuple(whole_number(n, "output_shape", 1) for n in shape)

    def _context(self) -> tuple[int, int] | None:
        return None

    def _bind(self, inputs: list[NDArray[Any]], epochs: Epochs, by_channel: bool) -> Expression:
        shapes = [shape or () for shape in self.input_shape]
        arrays = [a.reshape(len(a), *s) for a, s in zip(inputs, shapes, strict=True)]
        features, n_channels = self._features(arrays)
        self.__dict__["_n_features"] = features.shape[1]
        return Columns(features, n_channels)

    def _features(self, arrays: list[NDArray[Any]]) -> tuple[FloatArray, int]:
        """Return features (n_samples, output, channels, functions), flattened, and channels."""
        n_samples = len(arrays[0])
        inner = self.ndim_input
        shallow = [a.ndim for a in arrays if a.ndim < inner]
        if shallow:
            raise ValueError(
                f"the functions of {self.label} take arrays of {inner} dimensions, samples "
                f"included, but an input has {shallow[0]}."
            )
        outer = {a.shape[inner:] for a in arrays}
        if len(outer) > 1:
            raise ValueError(
                f"inputs of {self.label} must agree in the dimensions beyond the first {inner}, "
                f"got {sorted(outer)}."
            )
        (vectorised,) = outer
        floats = [a.astype(np.float64) for a in arrays]
        found = []
        for element in np.ndindex(vectorised):
            index = (slice(None),) * inner + element
            parts = [a[index] for a in floats]
            values = [np.asarray(f(*parts, **(self.basis_kwargs or {}))) for f in self._functions()]
            shapes = {v.shape for v in values}
            if len(shapes) > 1 or not shapes.copy().pop()[:1] == (n_samples,):
                raise ValueError(
                    f"the functions of {self.label} must return arrays of one shape with "
                    f"{n_samples} samples first, got {sorted(shapes)}."
                )
            found.append(np.stack(values, axis=-1))
        stacked = np.stack(found, axis=-2).astype(np.float64)
        output = stacked.shape[1:-2]
        if self.output_shape is not None and output != self._given_shape():
            raise ValueError(
                f"the functions of {self.label} return samples of shape {output}; `output_shape` "
                f"says {self._given_shape()}."
            )
        stacked[self._outside(arrays)] = self.fill_value
        self.__dict__["_output_shape"] = (*output, *vectorised)
        n_channels = len(found) if not output else 1
        return stacked.reshape(n_samples, -1), n_channels

    def _outside(self, arrays: list[NDArray[Any]]) -> NDArray[np.bool_]:
        found = np.zeros(len(arrays[0]), dtype=bool)
        ranges = bounds_ranges(self.bounds)
        if ranges is not None:
            ((low, high),) = ranges
            for array in arrays:
                flat = array.reshape(len(array), -1)
                found |= np.any((flat < low) | (flat > high), axis=1)
        return found

    def _own_outside(self, index: int, array: NDArray[Any]) -> NDArray[np.bool_]:
        return self._outside([array])

    def _n_own_features(self) -> int | None:
        return self.__dict__.get("_n_features")

    def _feature_shape(self) -> tuple[int, ...]:
        return self.__dict__.get("_output_shape", ())

    def _scan(self, arrays: list[NDArray[Any]]) -> list[Scan]:
        return []

    def _values(self, inputs: list[FloatArray]) -> FloatArray:
        features, _ = self._features([np.atleast_1d(values) for values in inputs])
        return features.reshape(len(features), *self._feature_shape(), self.n_basis_funcs)

    def _ranges(self) -> list[Range]:
        raise AttributeError(
            "a CustomBasis has no evaluate_on_grid: its functions say nothing of where they live."
        )
