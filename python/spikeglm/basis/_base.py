"""What every basis can do: features, values, the algebra of sums and products, labels."""

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from .. import _core
from .._expression import Expression
from .._timeseries import Epochs, common_axis, like_input, plain
from .._validation import FloatArray, numeric_array, whole_number
from ..design import Design
from . import _labels
from ._inputs import Inputs, Slot, as_channels, read_inputs, steps

if TYPE_CHECKING:
    from ._composite import AdditiveBasis
    from ._transformer import TransformerBasis

Shape = tuple[int, ...]
Scan = tuple[list[_core.Bounds], list[int]]  # range and number of samples outside, by channel


class Basis(ABC, BaseEstimator):
    """Base of all bases.

    A basis is a small value object. ``a + b`` puts the features of two bases side by side,
    ``a * b`` multiplies every function of one with every function of the other; both copy what they
    are made of. ``a * 3`` is ``a + a + a`` and ``a**2`` is ``a * a``, each on inputs of its own.
    """

    _parent: "Basis | None" = None
    _label: str | None = None
    _operator = ""
    __array_ufunc__ = None  # numpy is not to take a basis for a sequence of numbers

    # What a basis has to define.

    @property
    @abstractmethod
    def n_inputs(self) -> int:
        """Number of time series that the basis takes."""

    @property
    @abstractmethod
    def n_basis_funcs(self) -> int:
        """Number of features for one-dimensional inputs."""

    @abstractmethod
    def _bind(self, inputs: list[NDArray[Any]], epochs: Epochs, by_channel: bool) -> Expression:
        """Return the features as an expression, from (n_samples, n_channels) inputs.

        `by_channel`: whether the columns of a sum are to be ordered by channel.
        """

    @abstractmethod
    def _values(self, inputs: list[FloatArray]) -> FloatArray:
        """Return (*shape, n_basis_funcs) values at inputs of one shape."""

    @abstractmethod
    def _ranges(self) -> list[tuple[float, float]]:
        """Return the interval of each input that `evaluate_on_grid` covers."""

    def _children(self) -> "tuple[Basis, ...]":
        return ()

    def _leaves(self) -> "list[Basis]":
        return [basis for basis in _labels.nodes(self) if not basis._children()]

    def _default_label(self) -> str:
        return type(self).__name__

    def _as_array(self, values: Any, index: int) -> NDArray[Any]:
        """Return the data of the index-th input as an array that the core reads."""
        return numeric_array(values, "a basis input")

    def _context(self) -> tuple[int, int] | None:
        """Return how many samples before and after a row its features depend on.

        None where they may depend on all samples.
        """
        return 0, 0

    # Features.

    def compute_features(self, *inputs: Any, out: NDArray[Any] | None = None) -> Any:
        """Return the features of time series, (n_samples, n_features).

        Parameters
        ----------
        *inputs : (n_samples, ...)
            One per input of the basis, in order of appearance, all with the same number of samples.
            Trailing dimensions are channels: each has its own features, side by side. Any real
            dtype; NaN marks missing samples. pynapple series are taken epoch by epoch. HDF5 and
            zarr arrays are read in chunks.
        out : (n_samples, n_features), optional
            C-contiguous float64 or float32 array (a memory map, say) that is filled and returned in
            place of a new one. Writing new memory takes longer than most features, so reuse one
            where many are computed.

        Returns
        -------
        :
            Columns are channel-major, functions of the basis fastest. A product is the row-wise
            Kronecker product with the first factor slow. float32 when all inputs are float32, else
            float64. NaN: rows of a missing sample, of a sample outside `bounds` (`fill_value`
            there), or without a complete window in their epoch. Labelled inputs give their own
            kind, with their axis: pynapple TsdFrame, xarray DataArray, pandas or polars DataFrame.

        Raises
        ------
        TypeError
            The number of inputs is wrong, or one does not hold real numbers.
        ValueError
            Inputs differ in length or time axis, one holds an infinity, or `out` does not fit.
        """
        read = self._read(inputs)
        if read.stored and self._context() is not None:
            features = self._compute_in_chunks(read, out)
        else:
            features = self._design_of(read).materialise(out)
        if out is not None:
            return out
        axis = read.axis if self._keeps_axis() else None
        return like_input(features, axis, None if axis is None else self.feature_names())

    def design(self, *inputs: Any) -> Design:
        """Return the features as a lazy design, which computes them when they are needed.

        Parameters and errors are those of `compute_features`. Every estimator takes the result in
        place of X; the features are the same, but they are never stored. HDF5 and zarr arrays are
        read into memory, in the type they have. A model that was fitted to a design fixes the
        bounds that the basis had learned for it.

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
        return self._design_of(self._read(inputs))

    def _design_of(self, read: Inputs) -> Design:
        read = read.in_memory()
        self._learn(read)
        return self._bound(read)

    def _bound(self, read: Inputs) -> Design:
        """Return a design with the bounds that hold now."""
        arrays = [as_channels(array) for array in read.data]
        expression = self._bind(arrays, read.epochs, False)
        learned = [(leaf, leaf.bounds_) for leaf in self._leaves() if hasattr(leaf, "bounds_")]
        dtype = np.float32 if read.single else np.float64
        return Design(expression, dtype, read.axis, learned=learned)

    def _learn(self, read: Inputs) -> None:
        """Learn shapes and bounds, and warn about epochs that are too short."""
        self._remember_shapes(read.shapes)
        leaves = self._leaves()
        for leaf in leaves:
            leaf._check_epochs(read.epochs)
        scans: list[list[list[Scan]]] = [[] for _ in leaves]
        for chunk in read.chunks():
            arrays = iter(chunk.data)
            for leaf, found in zip(leaves, scans, strict=True):
                found.append(leaf._scan([as_channels(next(arrays)) for _ in range(leaf.n_inputs)]))
        for leaf, found in zip(leaves, scans, strict=True):
            leaf._keep(found)

    def _check_epochs(self, epochs: Epochs) -> None:
        """Warn about epochs that are too short for the basis."""

    def _scan(self, arrays: list[NDArray[Any]]) -> list[Scan]:
        """Return what can be learned from some samples of each input of this basis alone."""
        return []

    def _keep(self, scans: list[list[Scan]]) -> None:
        """Learn from the scans of all samples, one after the other."""

    def _compute_in_chunks(self, read: Inputs, out: NDArray[Any] | None) -> NDArray[Any]:
        """Compute features of stored inputs, holding no more than some rows of them in memory."""
        before, after = self._context() or (0, 0)
        self._learn(read)
        n_samples, n_features = read.n_samples, self.n_output_features or 0
        if out is None:
            out = np.empty((n_samples, n_features), np.float32 if read.single else np.float64)
        for begin, end in steps(n_samples, 8 * n_features):
            first, last = max(0, begin - before), min(n_samples, end + after)
            chunk = self._bound(dataclasses.replace(read.rows(first, last), axis=None))
            chunk[begin - first : end - first].materialise(out[begin:end])
        return out

    def setup_basis(self, *inputs: Any) -> "Basis":
        """Learn what `compute_features` would learn from the inputs: shapes and bounds."""
        self.design(*inputs)
        return self

    def evaluate(self, *inputs: ArrayLike) -> FloatArray:
        """Return the values of the basis at points, (*shape, n_basis_funcs).

        All inputs have the same shape. Without bounds each column of an input is rescaled by its
        own smallest and largest value. Points outside the bounds get what the formula of the family
        gives there, not `fill_value`. Bases in conv mode give their filters, whose support is
        rescaled alike.
        """
        self._require_inputs(len(inputs))
        arrays = [
            leaf._as_array(plain(values), index)
            for (leaf, index), values in zip(self._slots(), inputs, strict=True)
        ]
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            raise ValueError(f"evaluate needs inputs of one shape, got {sorted(shapes)}.")
        return self._values([array.astype(np.float64) for array in arrays])

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
            (*n_samples, n_basis_funcs). With `window_size` points, a basis in conv mode gives
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
        values = self._values([grid.ravel() for grid in grids])
        return (*grids, values.reshape(*grids[0].shape, values.shape[-1]))

    def _read(self, inputs: tuple[Any, ...]) -> Inputs:
        self._require_inputs(len(inputs))
        axis = common_axis((f"input {i}", values) for i, values in enumerate(inputs))
        return read_inputs(self._slots(), inputs, axis)

    def _slots(self) -> list[Slot]:
        """Return, for each input, the basis that takes it and its place among that one's inputs."""
        return [(leaf, i) for leaf in self._leaves() for i in range(leaf.n_inputs)]

    def _require_inputs(self, given: int) -> None:
        if given != self.n_inputs:
            raise TypeError(
                f"This basis requires {self.n_inputs} input(s) for evaluation, but {given} were "
                "provided."
            )

    def _keeps_axis(self) -> bool:
        return all(getattr(leaf, "pynapple_support", True) for leaf in self._leaves())

    # Shapes.

    @property
    def input_shape(self) -> list[Shape | None]:
        """Shape of each input without its samples; None until it is known."""
        return [shape for leaf in self._leaves() for shape in leaf._own_shapes()]

    def _own_shapes(self) -> list[Shape | None]:
        return list(self.__dict__.get("_shapes", [None] * self.n_inputs))

    @property
    def n_output_features(self) -> int | None:
        """Number of features; None until the shapes of the inputs are known."""
        counts = [component._n_own_features() for component in self]
        return None if None in counts else sum(count for count in counts if count is not None)

    def _n_own_features(self) -> int | None:
        shape = self.input_shape[0] if self.n_inputs else ()
        return None if shape is None else self.n_basis_funcs * int(np.prod(shape))

    def set_input_shape(self, *shapes: Any) -> "Basis":
        """Say what shape each input has, before there are data.

        Parameters
        ----------
        *shapes :
            One per input: the number of channels (1 for a plain time series), a tuple of trailing
            dimensions, or an array (n_samples, ...) that has them. A single None forgets all
            shapes.
        """
        if self._parent is not None:
            raise ValueError(
                "Cannot set input shape on a child basis. Set it for the whole expression: "
                "basis.set_input_shape(n, m), one for each input."
            )
        if len(shapes) == 1 and shapes[0] is None:
            for leaf in self._leaves():
                leaf.__dict__.pop("_shapes", None)
            return self
        if len(shapes) != self.n_inputs:
            raise ValueError(
                f"set_input_shape expects {self.n_inputs} inputs, but {len(shapes)} were provided."
            )
        self._remember_shapes([_trailing_shape(shape) for shape in shapes])
        return self

    def _remember_shapes(self, shapes: list[Shape]) -> None:
        for leaf in self._leaves():
            leaf.__dict__["_shapes"], shapes = shapes[: leaf.n_inputs], shapes[leaf.n_inputs :]

    def split_by_feature(self, x: Any, axis: int = 1) -> dict[str, NDArray[Any]]:
        """Cut features, or coefficients, into those of each additive component.

        Parameters
        ----------
        x :
            Array with `n_output_features` entries along `axis`: features with axis 1, coefficients
            with axis 0.
        axis :
            The axis to cut.

        Returns
        -------
        :
            Label of each component, in order, and its part of x, with `axis` replaced by
            (*input shape, n_basis_funcs).
        """
        array = np.asarray(x)
        axis = axis + array.ndim if axis < 0 else axis
        if not 0 <= axis < array.ndim or array.shape[axis] != self.n_output_features:
            found = array.shape[axis] if 0 <= axis < array.ndim else "no such axis"
            raise ValueError(
                "`x.shape[axis]` does not match the expected number of features: "
                f"`x.shape[axis] == {found}`, expected {self.n_output_features}"
                + ("." if self.n_output_features is not None else " (call set_input_shape first).")
            )
        labels = _labels.labels_of(_labels.root_of(self))
        parts, start = {}, 0
        for component in self:
            count = component._n_own_features() or 0
            part = array.take(range(start, start + count), axis=axis)
            start += count
            shape = (*component._feature_shape(), -1 if count else 0)
            parts[labels[id(component)]] = part.reshape(
                *array.shape[:axis], *shape, *array.shape[axis + 1 :]
            )
        return parts

    def _feature_shape(self) -> Shape:
        return (self.input_shape[0] or ()) if self.n_inputs else ()

    def feature_names(self) -> list[str]:
        """Return a name for each feature: label, channel (where there are several), function."""
        labels = _labels.labels_of(_labels.root_of(self))
        names = []
        for component in self:
            label, shape = labels[id(component)], component._feature_shape()
            channels = [
                f"{label}_{'_'.join(map(str, i))}" if i else label for i in np.ndindex(shape)
            ]
            n_funcs = (component._n_own_features() or 0) // max(len(channels), 1)
            names += [f"{channel}_{b}" for channel in channels for b in range(n_funcs)]
        return names

    # Bounds.

    def set_bounds(self, *bounds: Any) -> "Basis":
        """Fix the bounds of the inputs, so that all features are on one scale.

        Parameters
        ----------
        *bounds :
            One per input: (low, high), or (n_channels, 2) with a range for each channel, or None to
            learn it again at each call. No arguments at all fix what was learned last.
        """
        slots = self._slots()
        if bounds and len(bounds) != len(slots):
            raise ValueError(f"set_bounds expects {len(slots)} bounds, got {len(bounds)}.")
        for (leaf, index), given in zip(slots, bounds or [...] * len(slots), strict=True):
            leaf._set_own_bounds(index, given)
        return self

    def _set_own_bounds(self, index: int, bounds: Any) -> None:
        if bounds is not None and bounds is not ...:
            raise ValueError(f"a {type(self).__name__} has no bounds to set.")

    def _freeze(self, bounds: NDArray[Any]) -> None:
        """Keep the bounds that were learned for some inputs of this basis alone."""
        self.__dict__ |= {"bounds_": bounds, "_frozen": True}

    def outside(self, *inputs: Any) -> NDArray[np.bool_]:
        """Return which samples lie outside the bounds in any input, (n_samples,).

        Bounds that would be learned from the inputs have nothing outside.
        """
        arrays = self._read(inputs).in_memory().data
        found = np.zeros(len(arrays[0]) if arrays else 0, dtype=bool)
        for (leaf, index), array in zip(self._slots(), arrays, strict=True):
            found |= leaf._own_outside(index, as_channels(array))
        return found

    def _own_outside(self, index: int, array: NDArray[Any]) -> NDArray[np.bool_]:
        return np.zeros(len(array), dtype=bool)

    # The algebra.

    def __add__(self, other: "Basis") -> "AdditiveBasis":
        """Put the features of two bases side by side."""
        from ._composite import AdditiveBasis

        return AdditiveBasis(self, other) if isinstance(other, Basis) else NotImplemented

    def __mul__(self, other: "Basis | int") -> "Basis":
        """Multiply every function of this basis with every function of the other; repeat it."""
        from ._composite import MultiplicativeBasis

        if isinstance(other, Basis):
            return MultiplicativeBasis(self, other)
        return self._repeat(other, "multiplicative factor", lambda a, b: a + b)

    def __rmul__(self, other: int) -> "Basis":
        """Repeat this basis, each time with an input of its own."""
        return self * other

    def __pow__(self, exponent: int) -> "Basis":
        """Multiply this basis with itself, each time with an input of its own."""
        return self._repeat(exponent, "exponent", lambda a, b: a * b)

    def _repeat(self, times: Any, what: str, combine: Any) -> "Basis":
        if isinstance(times, bool) or not isinstance(times, int | np.integer):
            raise TypeError(
                f"Basis {what} should be a Basis object or a positive integer, got {times!r}."
                if what == "multiplicative factor"
                else f"Basis {what} should be a positive integer, got {times!r}."
            )
        if times <= 0:
            raise ValueError(f"Basis {what} must be positive, got {times}.")
        if times > 1 and _labels.user_labels(self):
            raise ValueError(
                "Cannot repeat a basis with user-defined labels, because then they would not be "
                "unique. Set labels afterwards."
            )
        result = copy.deepcopy(self)
        for _ in range(int(times) - 1):
            result = combine(result, self)
        return result

    @property
    def is_complex(self) -> bool:
        """Whether the functions are real and imaginary parts, as Fourier's are."""
        return any(child.is_complex for child in self._children())

    def to_transformer(self) -> "TransformerBasis":
        """Return a scikit-learn transformer that computes these features."""
        from ._transformer import TransformerBasis

        return TransformerBasis(self)

    # Pictures.

    def plot(
        self,
        ax: Any = None,
        *,
        n_points: int | None = None,
        bin_size: float | None = None,
        coef: ArrayLike | None = None,
    ) -> Any:
        """Draw the functions, or with coefficients what a model makes of them.

        Each additive component has a panel of its own, with its label as title. Functions of one
        input are curves, in colours from dark to light; Fourier sines are dashed. In eval mode they
        cover the bounds that were given, frozen or learned, else, or where channels have different
        ones, [0, 1] ("rescaled"). In conv mode they are the filters bin by bin, against the time
        from a sample back to the bins that it looks at. Categories are bars, a history is stems.

        Functions of two inputs are images: up to 36 tiles with the same axes, each coloured from 0
        to its own peak, those of a product in columns along the first input and rows along the
        second. More would be too small, so they are drawn over each other, each as the contour line
        at half of its maximum, coloured by the function of the first factor. Functions that change
        sign have no such outline: of more than 36 the first 36 are shown.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw: one, or an array with one for each component; a new pyplot figure by
            default. Polar Axes show a function of one input over a full turn per range of its
            bounds.
        n_points :
            Number of points over the bounds of an input; None means 500 for curves and 101 for
            images.
        bin_size :
            Duration of a sample in seconds, for conv mode; lags are in bins without it.
        coef : (n_basis_funcs,), optional
            Coefficients of the functions, of all components one after the other: for inputs of
            several channels those of one channel. The weighted sum, which is a tuning curve or a
            filter, is drawn as a dark line over the weighted functions; of two inputs as an image,
            or where one of them is a category as a line for each.

        Returns
        -------
        matplotlib.axes.Axes
            An array of them where there are several components.

        Raises
        ------
        ValueError
            A component has more than two inputs, or `coef` or `ax` does not fit the basis.
        ImportError
            If matplotlib is missing: ``pip install 'spikeglm[plot]'``.

        Examples
        --------
        >>> import spikeglm as nmo
        >>> place = nmo.basis.BSplineBasis(8, bounds=(0, 100), label="position (cm)")
        >>> history = nmo.basis.RaisedCosineBasisLog(5, mode="conv", window_size=100)
        >>> panels = (place + history).plot(bin_size=0.001)
        >>> [panel.get_xlabel() for panel in panels]
        ['position (cm)', 'lag (s)']
        """
        from ._plot import draw

        return draw(self, ax, n_points, bin_size, coef)

    # Labels and parts.

    @property
    def label(self) -> str:
        """Name of the basis, unique in its expression."""
        return _labels.labels_of(_labels.root_of(self))[id(self)]

    @label.setter
    def label(self, label: str | None) -> None:
        checked = _labels.check_label(label, self._default_label())
        root = _labels.root_of(self)
        others = [b._label for b in _labels.nodes(root) if b is not self and b._label is not None]
        if checked is not None and checked in others:
            raise ValueError(f"Label {checked!r} is already in use; labels must be unique.")
        self._label = checked

    def __getitem__(self, label: str) -> "Basis":
        """Return the basis of that label in this expression."""
        if not isinstance(label, str):
            raise IndexError(
                f"bases are indexed by label, got {label!r}; iterate over a basis for its additive "
                "components in order."
            )
        labels = _labels.labels_of(_labels.root_of(self))
        known = {labels[id(basis)]: basis for basis in _labels.nodes(self)}
        if label not in known:
            raise IndexError(
                f"Basis label {label!r} not found. Available labels: {', '.join(map(repr, known))}."
            )
        return known[label]

    def __iter__(self) -> Iterator["Basis"]:
        """Iterate over the additive components."""
        yield self

    def __len__(self) -> int:
        """Return the number of additive components."""
        return sum(1 for _ in self)

    # Copies. A basis that is copied out of an expression does not take the expression along.

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.pop("_parent", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for child in self._children():
            child.__dict__["_parent"] = self

    def __sklearn_clone__(self) -> "Basis":
        """Return a copy with the same parameters, labels and input shapes, nothing learned."""
        copied = copy.deepcopy(self)
        for leaf in copied._leaves():
            for name in [n for n in leaf.__dict__ if n.endswith("_") or n == "_frozen"]:
                del leaf.__dict__[name]
        return copied


def _trailing_shape(shape: Any) -> Shape:
    if isinstance(shape, tuple):
        if not all(isinstance(n, int | np.integer) and n > 0 for n in shape):
            raise ValueError(f"an input shape is a tuple of positive integers, got {shape}.")
        return tuple(int(n) for n in shape)
    if hasattr(shape, "shape") and np.ndim(shape) > 0:
        return tuple(int(n) for n in shape.shape[1:])
    n_channels = whole_number(shape, "input shape", 1)
    return () if n_channels == 1 else (n_channels,)
