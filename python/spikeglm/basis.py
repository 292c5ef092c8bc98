"""Composable bases: they turn time series into the columns of a design matrix.

A basis is a small value object. `a + b` puts features side by side, `a * b` multiplies each
function of `a` with each of `b`. In `mode="eval"` a basis is evaluated at the values of its input;
in `mode="conv"` the input is convolved with the basis, causally and without the present bin.
"""

from typing import Any

from ._basis import AdditiveBasis, AtomicBasis, Basis, MultiplicativeBasis
from ._validation import real_number, whole_number

__all__ = [
    "AdditiveBasis",
    "BSplineBasis",
    "Basis",
    "CyclicBSplineBasis",
    "MSplineBasis",
    "MultiplicativeBasis",
    "RaisedCosineBasisLinear",
    "RaisedCosineBasisLog",
]


class _SplineBasis(AtomicBasis):
    def __init__(
        self,
        n_basis_funcs: int,
        mode: str = "eval",
        order: int = 4,
        window_size: int | None = None,
        bounds: tuple[float, float] | None = None,
        label: str | None = None,
    ) -> None:
        self.n_basis_funcs = n_basis_funcs
        self.mode = mode
        self.order = order
        self.window_size = window_size
        self.bounds = bounds
        self.label = label
        self._check()

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
        (low, high), the range that the functions cover; eval mode only. None learns it from each
        input and leaves it in `bounds_` (n_channels, 2).
    label :
        Name of the basis.
    """

    _family = "BSpline"


class CyclicBSplineBasis(_SplineBasis):
    """Periodic B-splines, for angles and phases: the two ends of the range meet smoothly.

    Parameters are those of `BSplineBasis`; `order` is at least 2. For an angle pass
    ``bounds=(0, 2 * numpy.pi)`` rather than have the period learned from the data.
    """

    _family = "CyclicBSpline"


class MSplineBasis(_SplineBasis):
    """M-splines: B-splines scaled so that each integrates to one over the bounds.

    Ramsay (1988), Statistical Science 3:425. Parameters are those of `BSplineBasis`, but for
    `order`, which is 2 (piecewise linear) by default; outside the bounds the features are NaN.
    """

    _family = "MSpline"

    def __init__(
        self,
        n_basis_funcs: int,
        mode: str = "eval",
        order: int = 2,
        window_size: int | None = None,
        bounds: tuple[float, float] | None = None,
        label: str | None = None,
    ) -> None:
        super().__init__(n_basis_funcs, mode, order, window_size, bounds, label)


class RaisedCosineBasisLinear(AtomicBasis):
    """Raised-cosine bumps with equally spaced peaks.

    Pillow et al. (2005), J. Neurosci. 25:11003.

    Parameters
    ----------
    n_basis_funcs :
        Number of bumps, at least 2.
    mode, window_size, bounds, label :
        As in `BSplineBasis`.
    width :
        Half width of a bump in distances between peaks; above 1 and a multiple of 0.5.
    """

    _family = "RaisedCosineLinear"

    def __init__(
        self,
        n_basis_funcs: int,
        mode: str = "eval",
        width: float = 2.0,
        window_size: int | None = None,
        bounds: tuple[float, float] | None = None,
        label: str | None = None,
    ) -> None:
        self.n_basis_funcs = n_basis_funcs
        self.mode = mode
        self.width = width
        self.window_size = window_size
        self.bounds = bounds
        self.label = label
        self._check()

    def _parameters(self) -> dict[str, Any]:
        return {
            "n_basis_funcs": whole_number(self.n_basis_funcs, "n_basis_funcs", 1),
            "width": real_number(self.width, "width"),
        }


class RaisedCosineBasisLog(AtomicBasis):
    """Raised-cosine bumps on a logarithmic axis: narrow for recent events, wide for remote ones.

    The usual basis for spike history and coupling filters. Pillow et al. (2005), J. Neurosci.
    25:11003; Pillow et al. (2008), Nature 454:995.

    Parameters
    ----------
    n_basis_funcs :
        Number of bumps, at least 2.
    mode, window_size, bounds, label :
        As in `BSplineBasis`.
    width :
        Half width of a bump in distances between peaks; above 1 and a multiple of 0.5.
    time_scaling :
        How strongly the axis is compressed; None means 50.
    enforce_decay_to_zero :
        Whether the last bump ends at the end of the range.
    """

    _family = "RaisedCosineLog"

    def __init__(
        self,
        n_basis_funcs: int,
        mode: str = "eval",
        width: float = 2.0,
        time_scaling: float | None = None,
        enforce_decay_to_zero: bool = True,
        window_size: int | None = None,
        bounds: tuple[float, float] | None = None,
        label: str | None = None,
    ) -> None:
        self.n_basis_funcs = n_basis_funcs
        self.mode = mode
        self.width = width
        self.time_scaling = time_scaling
        self.enforce_decay_to_zero = enforce_decay_to_zero
        self.window_size = window_size
        self.bounds = bounds
        self.label = label
        self._check()

    def _parameters(self) -> dict[str, Any]:
        scaling = 50.0 if self.time_scaling is None else self.time_scaling
        return {
            "n_basis_funcs": whole_number(self.n_basis_funcs, "n_basis_funcs", 1),
            "width": real_number(self.width, "width"),
            "time_scaling": real_number(scaling, "time_scaling"),
            "enforce_decay_to_zero": bool(self.enforce_decay_to_zero),
        }
