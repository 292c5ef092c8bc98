"""The constructors of today's NeMoS, with its names, argument order and defaults."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._validation import whole_number
from ._families import (
    BSplineBasis,
    CyclicBSplineBasis,
    HistoryBasis,
    IdentityBasis,
    MSplineBasis,
    OrthExponentialBasis,
    RaisedCosineBasisLinear,
    RaisedCosineBasisLog,
)
from ._fourier import FourierBasis

_BATCH_SIZES = ("batch_size_samples", "batch_size_channels", "batch_size_basis")


def _conv(window_size: Any, conv_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of conv mode. Batch sizes bound memory in NeMoS; here blocks do."""
    if window_size is None:
        raise ValueError("You must provide a window_size!")
    given = dict(conv_kwargs or {})
    if "axis" in given:
        raise ValueError(
            "Setting the `axis` parameter is not allowed: samples are along the first axis. "
            "Transpose the input."
        )
    for name in _BATCH_SIZES:
        if (size := given.pop(name, None)) is not None:
            whole_number(size, name, 1)
    unknown = sorted(set(given) - {"predictor_causality", "shift"})
    if unknown:
        raise ValueError(
            f"Unrecognized keyword arguments: {unknown}. Allowed convolution keyword arguments "
            f"are: {['predictor_causality', 'shift', *_BATCH_SIZES]}."
        )
    return {"mode": "conv", "window_size": window_size, **given}


def BSplineEval(
    n_basis_funcs: int,
    order: int = 4,
    bounds: Any = None,
    fill_value: float = np.nan,
    label: str | None = None,
) -> BSplineBasis:
    """Return ``BSplineBasis(..., mode="eval")``."""
    return BSplineBasis(
        n_basis_funcs, order=order, bounds=bounds, fill_value=fill_value, label=label
    )


def BSplineConv(
    n_basis_funcs: int,
    window_size: int,
    order: int = 4,
    label: str | None = None,
    conv_kwargs: Mapping[str, Any] | None = None,
) -> BSplineBasis:
    """Return ``BSplineBasis(..., mode="conv")``."""
    return BSplineBasis(n_basis_funcs, order=order, label=label, **_conv(window_size, conv_kwargs))


def CyclicBSplineEval(
    n_basis_funcs: int,
    order: int = 4,
    bounds: Any = None,
    fill_value: float = np.nan,
    label: str | None = None,
) -> CyclicBSplineBasis:
    """Return ``CyclicBSplineBasis(..., mode="eval")``."""
    return CyclicBSplineBasis(
        n_basis_funcs, order=order, bounds=bounds, fill_value=fill_value, label=label
    )


def CyclicBSplineConv(
    n_basis_funcs: int,
    window_size: int,
    order: int = 4,
    label: str | None = None,
    conv_kwargs: Mapping[str, Any] | None = None,
) -> CyclicBSplineBasis:
    """Return ``CyclicBSplineBasis(..., mode="conv")``."""
    return CyclicBSplineBasis(
        n_basis_funcs, order=order, label=label, **_conv(window_size, conv_kwargs)
    )


def MSplineEval(
    n_basis_funcs: int,
    order: int = 4,
    bounds: Any = None,
    fill_value: float = np.nan,
    label: str | None = None,
) -> MSplineBasis:
    """Return ``MSplineBasis(..., mode="eval")``, of order 4 by default."""
    return MSplineBasis(
        n_basis_funcs, order=order, bounds=bounds, fill_value=fill_value, label=label
    )


def MSplineConv(
    n_basis_funcs: int,
    window_size: int,
    order: int = 4,
    label: str | None = None,
    conv_kwargs: Mapping[str, Any] | None = None,
) -> MSplineBasis:
    """Return ``MSplineBasis(..., mode="conv")``, of order 4 by default."""
    return MSplineBasis(n_basis_funcs, order=order, label=label, **_conv(window_size, conv_kwargs))


def RaisedCosineLinearEval(
    n_basis_funcs: int,
    width: float = 2.0,
    bounds: Any = None,
    fill_value: float = np.nan,
    label: str | None = None,
) -> RaisedCosineBasisLinear:
    """Return ``RaisedCosineBasisLinear(..., mode="eval")``."""
    return RaisedCosineBasisLinear(
        n_basis_funcs, width=width, bounds=bounds, fill_value=fill_value, label=label
    )


def RaisedCosineLinearConv(
    n_basis_funcs: int,
    window_size: int,
    width: float = 2.0,
    label: str | None = None,
    conv_kwargs: Mapping[str, Any] | None = None,
) -> RaisedCosineBasisLinear:
    """Return ``RaisedCosineBasisLinear(..., mode="conv")``."""
    return RaisedCosineBasisLinear(
        n_basis_funcs, width=width, label=label, **_conv(window_size, conv_kwargs)
    )


def RaisedCosineLogEval(
    n_basis_funcs: int,
    width: float = 2.0,
    time_scaling: float | None = None,
    enforce_decay_to_zero: bool = True,
    bounds: Any = None,
    fill_value: float = np.nan,
    label: str | None = None,
) -> RaisedCosineBasisLog:
    """Return ``RaisedCosineBasisLog(..., mode="eval")``."""
    return RaisedCosineBasisLog(
        n_basis_funcs,
        width=width,
        time_scaling=time_scaling,
        enforce_decay_to_zero=enforce_decay_to_zero,
        bounds=bounds,
        fill_value=fill_value,
        label=label,
    )


def RaisedCosineLogConv(
    n_basis_funcs: int,
    window_size: int,
    width: float = 2.0,
    time_scaling: float | None = None,
    enforce_decay_to_zero: bool = True,
    label: str | None = None,
    conv_kwargs: Mapping[str, Any] | None = None,
) -> RaisedCosineBasisLog:
    """Return ``RaisedCosineBasisLog(..., mode="conv")``."""
    return RaisedCosineBasisLog(
        n_basis_funcs,
        width=width,
        time_scaling=time_scaling,
        enforce_decay_to_zero=enforce_decay_to_zero,
        label=label,
        **_conv(window_size, conv_kwargs),
    )


def OrthExponentialEval(
    n_basis_funcs: int,
    decay_rates: Sequence[float],
    bounds: Any = None,
    fill_value: float = np.nan,
    label: str | None = None,
) -> OrthExponentialBasis:
    """Return ``OrthExponentialBasis(..., mode="eval")``."""
    return OrthExponentialBasis(
        n_basis_funcs, decay_rates, bounds=bounds, fill_value=fill_value, label=label
    )


def OrthExponentialConv(
    n_basis_funcs: int,
    window_size: int,
    decay_rates: Sequence[float],
    label: str | None = None,
    conv_kwargs: Mapping[str, Any] | None = None,
) -> OrthExponentialBasis:
    """Return ``OrthExponentialBasis(..., mode="conv")``."""
    return OrthExponentialBasis(
        n_basis_funcs, decay_rates, label=label, **_conv(window_size, conv_kwargs)
    )


def IdentityEval(
    bounds: Any = None, fill_value: float = np.nan, label: str | None = None
) -> IdentityBasis:
    """Return ``IdentityBasis(...)``."""
    return IdentityBasis(bounds, fill_value=fill_value, label=label)


def HistoryConv(
    window_size: int,
    label: str | None = None,
    conv_kwargs: Mapping[str, Any] | None = None,
) -> HistoryBasis:
    """Return ``HistoryBasis(...)``."""
    settings = _conv(window_size, conv_kwargs)
    del settings["mode"]
    return HistoryBasis(label=label, **settings)


def FourierEval(
    frequencies: Any,
    ndim: int = 1,
    bounds: Any = None,
    frequency_mask: Any = "no-intercept",
    label: str | None = None,
) -> FourierBasis:
    """Return ``FourierBasis(...)``."""
    return FourierBasis(frequencies, ndim, bounds, frequency_mask, label=label)
