"""Bases and their products in plain numpy: what problems are made of and features are judged by."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def bspline(x: Array, n: int, order: int = 4) -> Array:
    """Clamped B-splines on [0, 1]."""
    knots = np.linspace(0.0, 1.0, n - order + 2)
    return cox_de_boor(x, np.pad(knots, order - 1, mode="edge"), order)


def cyclic_bspline(x: Array, n: int, order: int = 4) -> Array:
    """B-splines of period 1: those that stick out at the end come in again at the beginning."""
    values = cox_de_boor(x, np.arange(1 - order, n + order) / n, order)
    values[:, : order - 1] += values[:, n:]
    return values[:, :n]


def cox_de_boor(x: Array, t: Array, order: int) -> Array:
    """B-splines on the knots t by the recursion of Cox and de Boor."""
    values = ((t[:-1] <= x[:, None]) & (x[:, None] < t[1:])).astype(float)
    for k in range(1, order):
        width = t[k:] - t[:-k]
        slope = np.divide(1.0, width, out=np.zeros_like(width), where=width > 0.0)
        rising = (x[:, None] - t[: -k - 1]) * slope[:-1]
        falling = (t[k + 1 :] - x[:, None]) * slope[1:]
        values = rising * values[:, :-1] + falling * values[:, 1:]
    return values


def raised_cosine_log(x: Array, n: int, scaling: float = 50.0) -> Array:
    """Bumps on a logarithmic axis over [0, 1], the last of which ends at 1; width 2."""
    v = np.log1p(scaling * x) / np.log1p(scaling)
    peaks = np.linspace(0.0, 1.0 - 2.0 / (n + 1.0), n)
    phase = (v[:, None] - peaks) / (2.0 * (peaks[1] - peaks[0]))
    return 0.5 * (1.0 + np.cos(np.pi * np.clip(phase, -1.0, 1.0)))


def row_products(a: Array, b: Array) -> Array:
    """Every column of a times every column of b, those of b fastest."""
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)
