"""The families of functions."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._expression import Columns, Evaluation, Expression, Range
from .._linalg import BLOCK_ROWS, triangular_factor
from .._timeseries import Epochs
from .._validation import FloatArray, real_number, whole_number
from ._atomic import AtomicBasis, CoreBasis
from ._base import Scan


class _SplineBasis(CoreBasis):
    n_basis_funcs: int = 0

    def __init__(
        self,
        n_basis_funcs: int,
        mode: str = "eval",
        order: int = 4,
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
            order=order,
            window_size=window_size,
            bounds=bounds,
            fill_value=fill_value,
            predictor_causality=predictor_causality,
            shift=shift,
        )

    order: int

    def _parameters(self) -> dict[str, Any]:
        return {
            "n_basis_funcs": whole_number(self.n_basis_funcs, "n_basis_funcs", 1),
            "order": whole_number(self.order, "order", 1),
        }


class BSplineBasis(_SplineBasis):
    """B-splines on equally spaced knots.

    The functions are non-negative, overlap locally and sum to one between the bounds; outside they
    are NaN. de Boor (1978), A Practical Guide to Splines, chapter IX.

    Parameters
    ----------
    n_basis_funcs :
        Number of functions, at least `order`.
    mode :
        "eval": values at the input. "conv": the input convolved with the functions.
    order :
        Degree + 1; 4 is cubic.
    window_size :
        Length of the filters in samples; conv mode only.
    bounds :
        (low, high), the range that the functions cover, or one such pair for each channel; eval
        mode only. None learns it for each channel at each call and leaves it in `bounds_`
        (n_channels, 2). To keep features of different data on one scale give bounds, or fix those
        that were learned: `set_bounds`, `TransformerBasis.fit`, or a model fitted to
        `design(...)`.
    fill_value :
        What all features of a sample become when one of its channels lies outside the bounds; eval
        mode only. `n_outside_` counts such samples of the last call, by channel, and
        `outside(...)` finds them.
    predictor_causality :
        Where the filter looks from each sample: "causal" (into the past), "anti-causal" (into the
        future) or "acausal" (around the sample); conv mode only.
    shift :
        Whether a causal or anti-causal filter leaves out the sample itself; None means yes. Conv
        mode only.
    label :
        Name of the basis in expressions.
    """

    _family = "BSpline"
    _labels_by_mode: ClassVar[dict[str, str]] = {"eval": "BSplineEval", "conv": "BSplineConv"}


class CyclicBSplineBasis(_SplineBasis):
    """Periodic B-splines, for angles and phases: the two ends of the range meet smoothly.

    Parameters are those of `BSplineBasis`; `order` is at least 2. For an angle pass
    ``bounds=(0, 2 * numpy.pi)`` rather than have the period learned from the data.
    """

    _family = "CyclicBSpline"
    _labels_by_mode: ClassVar[dict[str, str]] = {
        "eval": "CyclicBSplineEval",
        "conv": "CyclicBSplineConv",
    }


class MSplineBasis(_SplineBasis):
    """M-splines: B-splines scaled so that each integrates to one over the bounds.

    Ramsay (1988), Statistical Science 3:425. Parameters are those of `BSplineBasis`, but for
    `order`, which is 2 (piecewise linear) by default; outside the bounds the features are
    `fill_value`.
    """

    _family = "MSpline"
    _labels_by_mode: ClassVar[dict[str, str]] = {"eval": "MSplineEval", "conv": "MSplineConv"}

    def __init__(
        self,
        n_basis_funcs: int,
        mode: str = "eval",
        order: int = 2,
        window_size: int | None = None,
        bounds: Any = None,
        *,
        fill_value: float = np.nan,
        predictor_causality: str = "causal",
        shift: bool | None = None,
        label: str | None = None,
    ) -> None:
        super().__init__(
            n_basis_funcs,
            mode,
            order,
            window_size,
            bounds,
            fill_value=fill_value,
            predictor_causality=predictor_causality,
            shift=shift,
            label=label,
        )


class RaisedCosineBasisLinear(CoreBasis):
    """Raised-cosine bumps with equally spaced peaks.

    Pillow et al. (2005), J. Neurosci. 25:11003.

    Parameters
    ----------
    n_basis_funcs :
        Number of bumps, at least 2.
    mode, window_size, bounds, fill_value, predictor_causality, shift, label :
        As in `BSplineBasis`.
    width :
        Half width of a bump in distances between peaks; above 1 and a multiple of 0.5.
    """

    _family = "RaisedCosineLinear"
    _labels_by_mode: ClassVar[dict[str, str]] = {
        "eval": "RaisedCosineLinearEval",
        "conv": "RaisedCosineLinearConv",
    }
    n_basis_funcs: int = 0
    width: float

    def __init__(
        self,
        n_basis_funcs: int,
        mode: str = "eval",
        width: float = 2.0,
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
            width=width,
            window_size=window_size,
            bounds=bounds,
            fill_value=fill_value,
            predictor_causality=predictor_causality,
            shift=shift,
        )

    def _parameters(self) -> dict[str, Any]:
        return {
            "n_basis_funcs": whole_number(self.n_basis_funcs, "n_basis_funcs", 1),
            "width": real_number(self.width, "width"),
        }


class RaisedCosineBasisLog(CoreBasis):
    """Raised-cosine bumps on a logarithmic axis: narrow for recent events, wide for remote ones.

    The usual basis for spike history and coupling filters. Pillow et al. (2005), J. Neurosci.
    25:11003; Pillow et al. (2008), Nature 454:995.

    Parameters
    ----------
    n_basis_funcs :
        Number of bumps, at least 2.
    mode, window_size, bounds, fill_value, predictor_causality, shift, label :
        As in `BSplineBasis`.
    width :
        Half width of a bump in distances between peaks; above 1 and a multiple of 0.5.
    time_scaling :
        How strongly the axis is compressed; None means 50.
    enforce_decay_to_zero :
        Whether the last bump ends at the end of the range.
    """

    _family = "RaisedCosineLog"
    _labels_by_mode: ClassVar[dict[str, str]] = {
        "eval": "RaisedCosineLogEval",
        "conv": "RaisedCosineLogConv",
    }
    n_basis_funcs: int = 0
    width: float
    time_scaling: float | None
    enforce_decay_to_zero: bool

    def __init__(
        self,
        n_basis_funcs: int,
        mode: str = "eval",
        width: float = 2.0,
        time_scaling: float | None = None,
        enforce_decay_to_zero: bool = True,
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
            width=width,
            time_scaling=time_scaling,
            enforce_decay_to_zero=enforce_decay_to_zero,
            window_size=window_size,
            bounds=bounds,
            fill_value=fill_value,
            predictor_causality=predictor_causality,
            shift=shift,
        )

    def _parameters(self) -> dict[str, Any]:
        scaling = 50.0 if self.time_scaling is None else self.time_scaling
        return {
            "n_basis_funcs": whole_number(self.n_basis_funcs, "n_basis_funcs", 1),
            "width": real_number(self.width, "width"),
            "time_scaling": real_number(scaling, "time_scaling"),
            "enforce_decay_to_zero": bool(self.enforce_decay_to_zero),
        }


class OrthExponentialBasis(AtomicBasis):
    """Decaying exponentials, made orthonormal over the samples.

    The columns are the left singular vectors of ``exp(-decay_rates * u)`` at all samples u that are
    not NaN, in [0, 1] units of the bounds: they depend on the whole input, channel by channel, and
    their signs are arbitrary. In conv mode the samples are those of the window.

    Parameters
    ----------
    n_basis_funcs :
        Number of functions.
    decay_rates :
        One rate for each function, all different; per range of the input, or per window.
    mode, window_size, bounds, fill_value, predictor_causality, shift, label :
        As in `BSplineBasis`.
    """

    _labels_by_mode: ClassVar[dict[str, str]] = {
        "eval": "OrthExponentialEval",
        "conv": "OrthExponentialConv",
    }
    n_basis_funcs: int = 0
    decay_rates: Sequence[float]

    def __init__(
        self,
        n_basis_funcs: int,
        decay_rates: Sequence[float],
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
            decay_rates=decay_rates,
            mode=mode,
            window_size=window_size,
            bounds=bounds,
            fill_value=fill_value,
            predictor_causality=predictor_causality,
            shift=shift,
        )

    def _check(self) -> None:
        n = whole_number(self.n_basis_funcs, "n_basis_funcs", 1)
        rates = self._rates()
        if len(rates) != n:
            raise ValueError(
                "The number of basis functions must match the number of decay rates: "
                f"n_basis_funcs is {n}, but {len(rates)} rates were given."
            )
        if not np.all(np.isfinite(rates)):
            raise ValueError(f"`decay_rates` must be finite, got {self.decay_rates!r}.")
        if len(np.unique(rates)) < n:
            raise ValueError(
                f"`decay_rates` must all be different, got {self.decay_rates!r}: equal rates give "
                "linearly dependent functions."
            )
        super()._check()

    def _rates(self) -> FloatArray:
        return np.asarray(self.decay_rates, dtype=np.float64).reshape(-1)

    def _context(self) -> tuple[int, int] | None:
        return None if self.mode == "eval" else super()._context()

    def _mixing(self, u: FloatArray) -> FloatArray:
        """Return what makes the exponentials orthonormal over u, (n_rates, n_basis_funcs).

        With E = Q R and R = W S V', the left singular vectors of E are E V / S. R is found block
        by block, so that E is never held. Singular values that are zero to rounding, as judged by
        scipy.linalg.orth, give columns of zeros.
        """
        rates = self._rates()
        if len(u) < len(rates):
            raise ValueError(
                f"{self.label} has {len(rates)} functions and needs at least as many samples, got "
                f"{len(u)}."
            )
        blocks = (
            np.exp(-np.outer(u[begin : begin + BLOCK_ROWS], rates))
            for begin in range(0, len(u), BLOCK_ROWS)
        )
        r = triangular_factor(blocks, len(rates))
        _, s, vt = np.linalg.svd(r)
        kept = s > np.finfo(float).eps * max(len(u), len(rates)) * s[0]
        return np.where(kept, vt.T / np.where(kept, s, 1.0), 0.0)

    def _family_values(self, u: FloatArray, width: float) -> FloatArray:
        return np.exp(-np.outer(u, self._rates())) @ self._mixing(u)

    def _evaluation(self, array: NDArray[Any], bounds: list[Range]) -> Expression:
        parameters = []
        for column, (low, high) in zip(array.T, bounds, strict=True):
            values = column[~np.isnan(column)].astype(np.float64)
            u = (values - low) / (high - low if high > low else 1.0)
            parameters.append(
                {
                    "n_basis_funcs": self.n_basis_funcs,
                    "decay_rates": self._rates().tolist(),
                    "mixing": self._mixing(u),
                }
            )
        return Evaluation(
            "OrthExponential", tuple(parameters), array, tuple(bounds), float(self.fill_value)
        )


class IdentityBasis(CoreBasis):
    """The input itself as a feature.

    Parameters
    ----------
    bounds, fill_value, label :
        As in `BSplineBasis`; bounds do not rescale the input.
    """

    _family = "Identity"
    _labels_by_mode: ClassVar[dict[str, str]] = {"eval": "IdentityEval"}
    mode = "eval"

    def __init__(
        self, bounds: Any = None, *, fill_value: float = np.nan, label: str | None = None
    ) -> None:
        self._start(label, bounds=bounds, fill_value=fill_value)

    @property
    def n_basis_funcs(self) -> int:
        """One."""
        return 1

    def _parameters(self) -> dict[str, Any]:
        return {"n_basis_funcs": 1}

    def _keep(self, scans: list[list[Scan]]) -> None:
        # Nothing is rescaled, so nothing is learned: a constant is a fine feature.
        n_channels = len(scans[0][0][0])
        fixed = self._fixed_ranges(n_channels)
        self.bounds_ = np.array([(-np.inf, np.inf)] * n_channels if fixed is None else fixed)
        self.n_outside_ = np.sum([scan[0][1] for scan in scans], axis=0)


class HistoryBasis(AtomicBasis):
    """The recent past of the input as features: one for each lag.

    In the default, causal form feature k is the input k + 1 samples ago.

    Parameters
    ----------
    window_size :
        Number of lags.
    predictor_causality, shift, label :
        As in `BSplineBasis`.
    """

    _labels_by_mode: ClassVar[dict[str, str]] = {"conv": "HistoryConv"}
    mode = "conv"

    def __init__(
        self,
        window_size: int,
        *,
        predictor_causality: str = "causal",
        shift: bool | None = None,
        label: str | None = None,
    ) -> None:
        self._start(
            label, window_size=window_size, predictor_causality=predictor_causality, shift=shift
        )

    @property
    def n_basis_funcs(self) -> int:
        """`window_size`."""
        return int(self.window_size or 0)

    def _filters(self) -> FloatArray:
        return np.eye(self.n_basis_funcs)

    def _family_values(self, u: FloatArray, width: float) -> FloatArray:
        return np.eye(len(u), self.n_basis_funcs)

    def _evaluation(self, array: NDArray[Any], bounds: list[Range]) -> Expression:
        raise AssertionError("a history is always a convolution")


class Zero(AtomicBasis):
    """No features at all: the neutral element of ``+``.

    Parameters
    ----------
    label :
        Name of the basis.
    """

    _labels_by_mode: ClassVar[dict[str, str]] = {"eval": "Zero"}
    _has_bounds = False
    mode = "eval"

    def __init__(self, *, label: str | None = None) -> None:
        self._start(label)

    @property
    def n_basis_funcs(self) -> int:
        """Zero."""
        return 0

    def _bind(self, inputs: list[NDArray[Any]], epochs: Epochs, by_channel: bool) -> Expression:
        n_samples, n_channels = inputs[0].shape
        return Columns(np.empty((n_samples, 0)), n_channels)

    def _family_values(self, u: FloatArray, width: float) -> FloatArray:
        return np.empty((len(u), 0))

    def _evaluation(self, array: NDArray[Any], bounds: list[Range]) -> Expression:
        raise AssertionError("nothing is evaluated")
