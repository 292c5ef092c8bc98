"""Cosines and sines of one or several variables."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._expression import Columns, Expression, Fourier, Range
from .._timeseries import Epochs
from .._validation import FloatArray, bounds_ranges, warn, whole_number
from ..exceptions import ConstantInputWarning, SpikeglmWarning
from ._atomic import ParameterBasis, merged_ranges, scan_columns
from ._base import Scan


class FourierBasis(ParameterBasis):
    r"""Cosines and sines over the bounds, in one or several dimensions.

    With inputs in units of the bounds, :math:`u_d \in [0, 1]`, and each combination of frequencies
    :math:`f = (f_1, \ldots, f_D)`,

    .. math:: \cos(2\pi \textstyle\sum_d f_d u_d) \quad\text{and}\quad
              \sin(2\pi \textstyle\sum_d f_d u_d)

    all cosines first, then all sines but that of the frequency zero. Combinations are in C order,
    the last dimension fastest. The bounds are one period: samples outside are not filled.

    Parameters
    ----------
    frequencies :
        In cycles per range of the bounds, whole numbers from 0 on: an int n for 0 .. n - 1, a tuple
        (a, b) for a .. b - 1, or an array. For several dimensions a list with one of these for
        each, or a single one for all.
    ndim :
        Number of inputs.
    bounds :
        (low, high) for all inputs, or one such pair for each. None learns them, as in
        `BSplineBasis`; the first and the last sample then have the same phase.
    frequency_mask :
        Which combinations to use: "no-intercept" leaves out the constant, "all" or None nothing; an
        array of 0 and 1 with a dimension for each input; or a function of D frequencies that
        returns whether to use them.
    label :
        Name of the basis in expressions.
    """

    _labels_by_mode: ClassVar[dict[str, str]] = {"eval": "FourierEval"}
    bounds_: NDArray[np.float64]

    def __init__(
        self,
        frequencies: Any,
        ndim: int = 1,
        bounds: Any = None,
        frequency_mask: str | NDArray[Any] | Callable[..., bool] | None = "no-intercept",
        *,
        label: str | None = None,
    ) -> None:
        self._start(
            label,
            frequencies=frequencies,
            ndim=ndim,
            bounds=bounds,
            frequency_mask=frequency_mask,
        )

    frequencies: Any
    ndim: int
    bounds: Any
    frequency_mask: Any

    def _default_label(self) -> str:
        return self._labels_by_mode["eval"]

    @property
    def n_inputs(self) -> int:
        """`ndim`."""
        return self.ndim

    @property
    def n_basis_funcs(self) -> int:
        """Number of cosines and sines."""
        combinations = self.masked_frequencies
        return 2 * combinations.shape[1] - int(np.sum(np.all(combinations == 0, axis=0)))

    @property
    def is_complex(self) -> bool:
        """True."""
        return True

    @property
    def masked_frequencies(self) -> FloatArray:
        """The combinations in use, (ndim, n_combinations)."""
        axes = self._axes()
        grid = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")])
        mask = self.frequency_mask
        if mask is None or (isinstance(mask, str) and mask == "all"):
            return grid
        if isinstance(mask, str):
            if mask != "no-intercept":
                raise ValueError(
                    '`frequency_mask` must be "no-intercept", "all", None, an array or a function, '
                    f"got {mask!r}."
                )
            return grid[:, np.any(grid != 0, axis=0)]
        if callable(mask):
            used = np.array([mask(*combination) for combination in grid.T], dtype=object)
            if not all(value in (0, 1) for value in used):
                raise ValueError("a function as `frequency_mask` must return True or False.")
            return grid[:, used.astype(bool)]
        array = np.asarray(mask)
        shape = tuple(len(axis) for axis in axes)
        if array.shape != shape or not np.all((array == 0) | (array == 1)):
            raise ValueError(
                f"`frequency_mask` must hold 0 and 1 in the shape {shape}, got shape {array.shape}."
            )
        return grid[:, array.ravel().astype(bool)]

    def _axes(self) -> list[FloatArray]:
        """Return the frequencies of each dimension."""
        given = self.frequencies
        if not isinstance(given, list):
            given = [given] * self.ndim
        if len(given) != self.ndim:
            raise ValueError(
                f"`frequencies` is a list of {len(given)} for {self.ndim} dimension(s): pass one "
                "int, (low, high) tuple or array for each."
            )
        return [_frequencies(one) for one in given]

    def _check(self) -> None:
        whole_number(self.ndim, "ndim", 1)
        given = self.frequencies if isinstance(self.frequencies, list) else [self.frequencies]
        for one in given:
            if not isinstance(one, tuple) and np.ndim(one) == 1 and np.any(np.diff(one) < 0):
                warn("`frequencies` are not sorted; they are used in order.", SpikeglmWarning)
        _ = self.masked_frequencies
        self._given()

    def _given(self) -> list[Range] | None:
        ranges = bounds_ranges(self.bounds)
        if ranges is not None and len(ranges) not in (1, self.ndim):
            raise ValueError(
                f"`bounds` must be one pair, or one for each of the {self.ndim} inputs, got "
                f"{self.bounds!r}."
            )
        return ranges * self.ndim if ranges is not None and len(ranges) == 1 else ranges

    def _fixed(self, n_channels: int) -> NDArray[np.float64] | None:
        """Return the bounds that were given or frozen, (ndim, n_channels, 2); None: learn them."""
        given = self._given()
        if given is not None:
            return np.repeat(np.array(given)[:, None], n_channels, axis=1)
        if not self.__dict__.get("_frozen") or not hasattr(self, "bounds_"):
            return None
        if self.bounds_.shape[1] != n_channels:
            raise ValueError(
                f"{self.label} has bounds for {self.bounds_.shape[1]} channels, the input has "
                f"{n_channels}; set_bounds(None, ...) learns them anew."
            )
        return self.bounds_

    def _scan(self, arrays: list[NDArray[Any]]) -> list[Scan]:
        return [scan_columns(array, None) for array in arrays]

    def _keep(self, scans: list[list[Scan]]) -> None:
        learned = [merged_ranges([scan[i][0] for scan in scans]) for i in range(self.ndim)]
        shapes = {ranges.shape for ranges in learned}
        if len(shapes) > 1:
            raise ValueError(
                f"the inputs of {self.label} must have the same shape, got {self.input_shape} "
                "beside the samples."
            )
        fixed = self._fixed(len(learned[0]))
        found = np.array(learned)
        if fixed is None and np.any(found[..., 0] == found[..., 1]):
            warn(
                f"an input of {self.label} takes only one value, from which no period can be "
                "learned; pass `bounds`.",
                ConstantInputWarning,
            )
        self.bounds_ = found if fixed is None else fixed

    def _set_own_bounds(self, index: int, bounds: Any) -> None:
        if bounds is ...:
            self.__dict__["_frozen"] = True
            return
        pair = bounds_ranges(bounds)
        if pair is None:
            self.bounds = None
            self.__dict__.pop("_frozen", None)
            return
        if len(pair) != 1:
            raise ValueError(f"{self.label} takes one (low, high) for each input, got {bounds!r}.")
        known = self._given() or [(0.0, 1.0)] * self.ndim
        known[index] = pair[0]
        self.bounds = tuple(known) if self.ndim > 1 else known[0]

    def _bind(self, inputs: list[NDArray[Any]], epochs: Epochs, by_channel: bool) -> Expression:
        if not self.n_basis_funcs:
            n_samples, n_channels = inputs[0].shape
            return Columns(np.empty((n_samples, 0)), n_channels)
        ranges = tuple(
            tuple((float(low), float(high)) for low, high in channels) for channels in self.bounds_
        )
        return Fourier(tuple(inputs), ranges, self.masked_frequencies)

    def _values(self, inputs: list[FloatArray]) -> FloatArray:
        shape = inputs[0].shape
        columns = [
            values.reshape(len(values), -1) if values.ndim > 1 else values.reshape(-1, 1)
            for values in inputs
        ]
        fixed = self._fixed(columns[0].shape[1])
        phase = np.zeros((*columns[0].shape, self.masked_frequencies.shape[1]))
        for i, (values, frequencies) in enumerate(
            zip(columns, self.masked_frequencies, strict=True)
        ):
            scans, _ = scan_columns(values, None)
            low, high = (merged_ranges([scans]) if fixed is None else fixed[i]).T
            u = (values - low) / np.where(high > low, high - low, 1.0)
            # Whole turns do not matter; without them the product keeps its digits.
            phase += ((u % 1.0)[..., None] * frequencies) % 1.0
        angle = 2 * np.pi * phase
        sines = np.any(self.masked_frequencies != 0, axis=0)
        values = np.concatenate([np.cos(angle), np.sin(angle)[..., sines]], axis=-1)
        return values.reshape(*shape, values.shape[-1])

    def _ranges(self) -> list[Range]:
        fixed = self._fixed(1)
        return [(0.0, 1.0)] * self.ndim if fixed is None else [tuple(pair) for pair in fixed[:, 0]]


def _frequencies(given: Any) -> FloatArray:
    """Return the frequencies of one dimension, in order."""
    if isinstance(given, tuple):
        if len(given) != 2:
            raise ValueError(f"a tuple of frequencies is (low, high), got {given!r}.")
        low, high = (whole_number(value, "frequencies", 0) for value in given)
        found = np.arange(low, high, dtype=np.float64)
    elif np.ndim(given) == 0:
        found = np.arange(whole_number(given, "frequencies", 0), dtype=np.float64)
    else:
        found = np.unique(np.asarray(given, dtype=np.float64))
        if len(found) != np.size(given):
            raise ValueError(f"`frequencies` holds a frequency twice: {given!r}.")
    if not len(found):
        raise ValueError(f"`frequencies` {given!r} holds no frequency.")
    if np.any(found < 0) or np.any(found != np.floor(found)) or np.any(found > 2**31):
        raise ValueError(f"`frequencies` must be whole numbers from 0 on, got {given!r}.")
    return found
