"""Bases that are one family of functions of one input."""

import inspect
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .._expression import Convolution, Evaluation, Expression, Range, core_basis
from .._timeseries import Epochs
from .._validation import FloatArray, bounds_ranges, real_number, warn, whole_number
from ..exceptions import ConstantInputWarning, WindowWarning
from ._base import Basis, Scan

CAUSALITIES = ("causal", "anti-causal", "acausal")


class ParameterBasis(Basis):
    """A basis whose parameters are its attributes, checked whenever one of them is set."""

    _ready = False

    @abstractmethod
    def _check(self) -> None:
        """Raise when a parameter is out of range."""

    def _start(self, label: str | None, **parameters: Any) -> None:
        """Set the parameters in a constructor."""
        for name, value in parameters.items():
            setattr(self, name, value)
        self._check()
        self.label = label
        self.__dict__["_ready"] = True

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a parameter; a value that is refused leaves the old one."""
        learned = name.endswith("_") or name.startswith("_")
        if learned or not self._ready or name == "label" or name not in self._get_param_names():
            super().__setattr__(name, value)
            return
        old = getattr(self, name)
        super().__setattr__(name, value)
        try:
            self._check()
        except (TypeError, ValueError):
            super().__setattr__(name, old)
            raise
        self.__dict__.pop("_frozen", None)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in self._get_param_names()}

    def set_params(self, **params: Any) -> "ParameterBasis":
        """Set parameters by name; when one is refused, all stay as they were."""
        names = self._get_param_names()
        unknown = [name for name in params if name not in names]
        if unknown:
            raise ValueError(
                f"Invalid parameter {unknown[0]!r} for {self!r}. Valid parameters are: {names}."
            )
        before = dict(self.__dict__)
        self.__dict__["_ready"] = False
        try:
            for name, value in params.items():
                setattr(self, name, value)
            self._check()
        except (TypeError, ValueError):
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        self.__dict__["_ready"] = True
        self.__dict__.pop("_frozen", None)
        return self

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """Return the call that makes this basis."""
        shown = []
        for name, parameter in inspect.signature(type(self)).parameters.items():
            value = self._label if name == "label" else getattr(self, name)
            if not _same(value, parameter.default):
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


class AtomicBasis(ParameterBasis):
    """One family of functions of one input, evaluated or convolved.

    In ``mode="eval"`` the functions are evaluated at the values of the input, rescaled to [0, 1]
    by the bounds; in ``mode="conv"`` the input is convolved with the functions on
    ``linspace(0, 1, window_size)``.
    """

    _labels_by_mode: ClassVar[dict[str, str]]
    _has_bounds = True  # in eval mode
    mode: str = "eval"
    window_size: int | None = None
    bounds: Any = None
    fill_value: float = np.nan
    predictor_causality: str = "causal"
    shift: bool | None = None
    bounds_: FloatArray
    n_outside_: NDArray[np.int64]

    @property
    def n_inputs(self) -> int:
        """One."""
        return 1

    # What a family has to define.

    @abstractmethod
    def _family_values(self, u: FloatArray, width: float) -> FloatArray:
        """Return (n, n_basis_funcs) values at u, which is 0 and 1 at the bounds; no u is NaN.

        `width` is that of the bounds, for functions that are densities.
        """

    @abstractmethod
    def _evaluation(self, array: NDArray[Any], bounds: list[Range]) -> Expression:
        """Return the features of (n_samples, n_channels) as an expression."""

    def _filters(self) -> FloatArray:
        """Return the filters of conv mode, (window_size, n_basis_funcs)."""
        window = int(self.window_size or 1)
        return self._family_values(np.arange(window) / max(window - 1, 1), 1.0)

    # Parameters.

    def _default_label(self) -> str:
        return getattr(self, "_labels_by_mode", {}).get(self.mode, type(self).__name__)

    def _check(self) -> None:
        if self.mode not in ("eval", "conv"):
            raise ValueError(f'`mode` must be "eval" or "conv", got {self.mode!r}.')
        real_number(self.fill_value, "fill_value")
        if self.predictor_causality not in CAUSALITIES:
            raise ValueError(
                f"`predictor_causality` must be one of {', '.join(CAUSALITIES)}, got "
                f"{self.predictor_causality!r}."
            )
        if self.shift is not None and not isinstance(self.shift, bool | np.bool_):
            raise TypeError(f"`shift` must be True, False or None, got {self.shift!r}.")
        ranges = bounds_ranges(self.bounds)
        if self.mode == "eval":
            if self.window_size is not None:
                raise ValueError('`window_size` has no meaning with mode="eval".')
            if self.predictor_causality != "causal" or self.shift is not None:
                raise ValueError(
                    '`predictor_causality` and `shift` have no meaning with mode="eval".'
                )
            return
        if self.window_size is None:
            raise ValueError('`window_size` (in samples) must be given with mode="conv".')
        if isinstance(self.window_size, float | np.floating):
            raise ValueError(f"`window_size` must be an int, got {self.window_size!r}.")
        whole_number(self.window_size, "window_size", 1)
        if ranges is not None:
            raise ValueError('`bounds` has no meaning with mode="conv".')
        if self.shift and self.predictor_causality == "acausal":
            raise ValueError("an acausal window lies around its sample: `shift` must be False.")

    @property
    def kernel_(self) -> FloatArray:
        """The filters of conv mode, (window_size, n_basis_funcs)."""
        if self.mode != "conv":
            raise AttributeError('only a basis in mode="conv" has a kernel_.')
        return self._filters()

    @property
    def conv_kwargs(self) -> dict[str, Any]:
        """How conv mode convolves, under the name that NeMoS gives it."""
        found = {"predictor_causality": self.predictor_causality, "shift": self.shift}
        return {} if found == {"predictor_causality": "causal", "shift": None} else found

    def _shifts(self) -> bool:
        return self.predictor_causality != "acausal" if self.shift is None else bool(self.shift)

    def _context(self) -> tuple[int, int] | None:
        if self.mode == "eval":
            return 0, 0
        reach = int(self.window_size or 1) + 1
        return {"causal": (reach, 0), "anti-causal": (0, reach), "acausal": (reach, reach)}[
            self.predictor_causality
        ]

    # Bounds.

    def _scan(self, arrays: list[NDArray[Any]]) -> list[Scan]:
        if self.mode == "conv":
            return []
        ranges = self._fixed_ranges(arrays[0].shape[1]) if self._bounded() else None
        known = None if ranges is None else [_core.Bounds(*pair) for pair in ranges]
        return [scan_columns(arrays[0], known)]

    def _keep(self, scans: list[list[Scan]]) -> None:
        if not self._bounded():
            return
        learned = merged_ranges([scan[0][0] for scan in scans])
        self.n_outside_ = np.sum([scan[0][1] for scan in scans], axis=0)
        fixed = self._fixed_ranges(len(learned))
        if fixed is None and np.any(learned[:, 0] == learned[:, 1]):
            warn(
                f"an input of {self.label} takes only one value, from which no range can be "
                "learned; pass `bounds`.",
                ConstantInputWarning,
            )
        self.bounds_ = np.array(learned if fixed is None else fixed)

    def _bounded(self) -> bool:
        return self.mode == "eval" and self._has_bounds

    def _fixed_ranges(self, n_channels: int) -> list[Range] | None:
        """Return the bounds that were given or frozen, one per channel; None: to be learned."""
        ranges = bounds_ranges(self.bounds)
        if ranges is None and self.__dict__.get("_frozen") and hasattr(self, "bounds_"):
            ranges = [(float(low), float(high)) for low, high in self.bounds_]
        if ranges is None or len(ranges) == n_channels:
            return ranges
        if len(ranges) != 1 or self.bounds is None:
            raise ValueError(
                f"{self.label} has bounds for {len(ranges)} channels, the input has {n_channels}. "
                "Pass bounds for each channel, or set_bounds(None) to learn them anew."
            )
        return ranges * n_channels

    def _set_own_bounds(self, index: int, bounds: Any) -> None:
        if not self._bounded():
            super()._set_own_bounds(index, bounds)
            return
        if bounds is ...:
            if not hasattr(self, "bounds_"):
                raise ValueError(f"{self.label} has learned no bounds yet: compute features first.")
            bounds = self.bounds_
            if np.isinf(bounds).any():  # of an identity, which learns none
                return
        ranges = bounds_ranges(bounds)
        if ranges is None:
            self.bounds = None
        else:
            self.bounds = ranges[0] if len(ranges) == 1 else tuple(ranges)
        self.__dict__.pop("_frozen", None)

    def _own_outside(self, index: int, array: NDArray[Any]) -> NDArray[np.bool_]:
        ranges = self._fixed_ranges(array.shape[1]) if self._bounded() else None
        if ranges is None:
            return super()._own_outside(index, array)
        low, high = np.array(ranges).T
        return np.any((array < low) | (array > high), axis=1)

    # Features.

    def _check_epochs(self, epochs: Epochs) -> None:
        if self.mode == "conv":
            padding = int(self.window_size or 1) - 1 + self._shifts()
            warn_about_short_epochs(epochs, int(self.window_size or 1), padding)

    def _bind(self, inputs: list[NDArray[Any]], epochs: Epochs, by_channel: bool) -> Expression:
        (array,) = inputs
        if self.mode == "eval":
            unbounded = [(-np.inf, np.inf)] * array.shape[1]
            ranges = self.bounds_ if self._bounded() else unbounded
            return self._evaluation(array, [(float(a), float(b)) for a, b in ranges])
        return Convolution(
            self._filters(), array, self.predictor_causality, self._shifts(), tuple(epochs)
        )

    def _values(self, inputs: list[FloatArray]) -> FloatArray:
        (values,) = inputs
        columns = values.reshape(len(values), -1) if values.ndim > 1 else values.reshape(-1, 1)
        ranges = self._fixed_ranges(columns.shape[1]) if self.mode == "eval" else None
        learned, _ = scan_columns(columns, None)
        if ranges is None:
            ranges = [(float(low), float(high)) for low, high in merged_ranges([learned])]
        found = [
            self._between(np.ascontiguousarray(column), *pair)
            for column, pair in zip(columns.T, ranges, strict=True)
        ]
        return np.stack(found, axis=1).reshape(*values.shape, -1)

    def _between(self, x: FloatArray, low: float, high: float) -> FloatArray:
        half = 0.5 if np.isinf(high - low) else 1.0
        width = half * high - half * low if high > low else 1.0
        u = (half * x - half * low) / width
        known = ~np.isnan(u)
        values = self._family_values(u[known], width / half)
        if known.all():
            return values
        out = np.full((len(u), values.shape[1]), np.nan)
        out[known] = values
        return out

    def _ranges(self) -> list[Range]:
        fixed = self._fixed_ranges(1) if self.mode == "eval" else None
        return [(0.0, 1.0) if fixed is None else fixed[0]]


class CoreBasis(AtomicBasis):
    """A family of the compiled core."""

    _family: ClassVar[str]

    @abstractmethod
    def _parameters(self) -> dict[str, Any]:
        """Return the parameters of the core's basis, checked for type."""

    def _check(self) -> None:
        core_basis(self._family, self._parameters())
        super()._check()

    def _family_values(self, u: FloatArray, width: float) -> FloatArray:
        return self._between(u, 0.0, 1.0)

    def _between(self, x: FloatArray, low: float, high: float) -> FloatArray:
        return core_basis(self._family, self._parameters()).evaluate(x, _core.Bounds(low, high))

    def _filters(self) -> FloatArray:
        return core_basis(self._family, self._parameters()).filters(int(self.window_size or 1))

    def _evaluation(self, array: NDArray[Any], bounds: list[Range]) -> Expression:
        return Evaluation(
            self._family, (self._parameters(),), array, tuple(bounds), float(self.fill_value)
        )


def _same(value: Any, default: Any) -> bool:
    """Whether a parameter has its default value; NaN is one."""
    if isinstance(value, np.ndarray) or isinstance(default, np.ndarray):
        return False
    return value is default or bool(value == default) or bool(value != value and default != default)


def scan_columns(array: NDArray[Any], known: list[_core.Bounds] | None) -> Scan:
    """Return the range of each column, NaN where it has no values, and what lies outside `known`.

    Refuses infinities.
    """
    ranges, n_outside = _core.column_range(array, known)
    for c, bound in enumerate(ranges):
        # What the core says of a column without values; it may be a column's range as well.
        if (bound.low, bound.high) == (0.0, 1.0) and np.isnan(array[:, c]).all():
            ranges[c] = _core.Bounds(np.nan, np.nan)
    return ranges, n_outside


def merged_ranges(scans: list[list[_core.Bounds]]) -> FloatArray:
    """Return the range (n_channels, 2) over all scans; (0, 1) for a channel without values."""
    low = np.fmin.reduce([[bound.low for bound in scan] for scan in scans])
    high = np.fmax.reduce([[bound.high for bound in scan] for scan in scans])
    ranges = np.stack([low, high], axis=-1)
    ranges[np.isnan(low)] = [0.0, 1.0]
    return ranges


def warn_about_short_epochs(epochs: Epochs, window: int, padding: int) -> None:
    """Warn about epochs in which no sample has a complete window."""
    lengths = [end - begin for begin, end in epochs]
    short = [i for i, length in enumerate(lengths) if 0 < length <= padding]
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
