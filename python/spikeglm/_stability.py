"""Whether the rates of a coupled model run away when it is simulated."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from . import _core
from ._validation import FloatArray

# f(x + u) <= f(x) + max(u, 0): one more unit of drive is at most one more expected count.
_UNIT_SLOPE = ("identity", "softplus")
_INCREASING = (*_UNIT_SLOPE, "exp")

_HORIZON = 300.0  # of the mean field, in units of its time constant
_CEILING = 1e6  # counts per bin, which no neuron fires
_ROUNDING = 1e-9

Status = Literal["stable", "locally stable", "undecided", "divergent"]


@dataclass(frozen=True, eq=False)
class CouplingStability:
    """Outcome of `coupling_stability`.

    Attributes
    ----------
    status : str
        "stable", "locally stable", "undecided" or "divergent"; see `coupling_stability`.
    excitation : float
        Spectral radius of the matrix of the summed positive parts of the filters.
    gain : float
        Largest real part among the eigenvalues of the gain matrix, which says how much a constant
        change of the rates is passed on, at the mean-field rates. The border is 1.
    rates : ndarray (n_neurons,), float64
        Mean-field rates, in counts per bin; where there is no equilibrium, the last ones of the way
        up, at most about 1e6.
    """

    status: Status
    excitation: float
    gain: float
    rates: FloatArray


def assess(link: str, filters: "Filters", drive: FloatArray) -> CouplingStability:
    """Assess a model with a constant drive (n_neurons,)."""
    excitation = float(np.max(np.abs(np.linalg.eigvals(filters.excitation)), initial=0.0))
    coupling = filters.expected_factor if link == "exp" else filters.total
    if not np.all(np.isfinite(coupling)):  # one spike is followed by an infinite rate
        return CouplingStability("divergent", excitation, np.inf, np.full(drive.size, np.inf))
    rates, end = _mean_field(link, drive, coupling)
    slope = _slope(link, drive + coupling @ rates)
    gain = float(np.max(np.linalg.eigvals(slope[:, None] * coupling).real, initial=-np.inf))

    inhibits = not np.array_equal(filters.excitation, filters.total)
    bounded = link in _UNIT_SLOPE and excitation < 1.0 - _ROUNDING
    runs_away = end == "escaped" or (end in ("rest", "rising") and gain >= 1.0 - _ROUNDING)
    status: Status
    if bounded or (link in _INCREASING and not np.any(filters.excitation)):
        status = "stable"
    elif runs_away or (link in _UNIT_SLOPE and not inhibits):
        status = "divergent"
    else:
        status = "locally stable" if end == "rest" else "undecided"
    return CouplingStability(status, excitation, gain, rates)


class Filters:
    """Sums over lags of the coupling filters, each (n_neurons, n_neurons), receiver first.

    `total` is the sum of h, `excitation` that of its positive part, `expected_factor` that of
    exp(h) - 1: for Poisson counts y of mean r, E exp(h y) = exp((exp(h) - 1) r).
    """

    def __init__(self, coef: FloatArray, basis: FloatArray) -> None:
        n = coef.shape[0]
        self.total, self.excitation, self.expected_factor = (np.empty((n, n)) for _ in range(3))
        for i in range(n):
            filters = coef[i] @ basis.T  # (n_senders, window_size)
            positive = np.maximum(filters, 0.0)
            # Where nothing is negative the two sums are to be the same bits.
            self.excitation[i] = positive.sum(axis=1)
            self.total[i] = filters.sum(axis=1)
            with np.errstate(over="ignore"):
                self.expected_factor[i] = np.expm1(filters).sum(axis=1)


def _mean_field(link: str, drive: FloatArray, coupling: FloatArray) -> tuple[FloatArray, str]:
    """Follow dr/ds = f(drive + coupling r) - r from silence; return where and how it ends."""
    from scipy.integrate import solve_ivp

    def change(_: float, rates: FloatArray) -> FloatArray:
        return _rate(link, drive + coupling @ rates) - rates

    def jacobian(_: float, rates: FloatArray) -> FloatArray:
        slope = _slope(link, drive + coupling @ rates)
        return slope[:, None] * coupling - np.eye(drive.size)

    def room(_: float, rates: FloatArray) -> float:
        return _CEILING - float(np.max(rates))

    room.terminal = True  # type: ignore[attr-defined]
    start = np.zeros(drive.size)
    way = solve_ivp(
        change, (0.0, _HORIZON), start, "BDF", jac=jacobian, events=room, rtol=1e-6, atol=1e-9
    )
    rates = np.asarray(way.y[:, -1])
    if way.t[-1] < _HORIZON:
        return rates, "escaped"
    if np.all(np.abs(change(0.0, rates)) <= 1e-4 * (rates + 1e-6)):
        return rates, "rest"
    return rates, "rising" if np.max(rates) == np.max(way.y) else "moving"


def _rate(link: str, eta: FloatArray) -> FloatArray:
    rate = _core.inverse_link(link, eta)
    return np.clip(np.nan_to_num(rate, nan=np.inf, posinf=np.inf), 0.0, 2.0 * _CEILING)


def _slope(link: str, eta: FloatArray) -> FloatArray:
    step = 1e-6 * np.maximum(1.0, np.abs(eta))
    return (_rate(link, eta + step) - _rate(link, eta - step)) / (2.0 * step)
