"""How well a fitted rate explains the data.

Time rescaling and the autocorrelation of rescaled intervals, residuals, calibration, bits per
spike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, ndtri_exp

from ._random import random_generator
from ._residuals import (
    Calibration,
    calibration,
    deviance_residuals,
    pearson_residuals,
    quantile_residuals,
)
from ._timeseries import common_axis, plain
from ._validation import whole_number
from .plotting._axes import BLUE, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Calibration",
    "IntervalAutocorrelation",
    "TimeRescaling",
    "bits_per_spike",
    "calibration",
    "deviance_residuals",
    "pearson_residuals",
    "quantile_residuals",
    "time_rescaling",
]


@dataclass(frozen=True, eq=False)
class IntervalAutocorrelation:
    """Outcome of :meth:`TimeRescaling.autocorrelation`.

    Attributes
    ----------
    lags : ndarray of int, shape (n_lags,)
        Number of intervals from one to the other: 1, 2, ...
    autocorrelation : ndarray of float64, shape (n_lags,)
        Autocorrelation of the intervals, transformed to a normal distribution.
    bound : float
        ``1.96 / sqrt(n_intervals)``: of independent intervals, each lag's value is within it in
        about 95 % of recordings.
    n_intervals : int
        Number of intervals.
    """

    lags: NDArray[np.int64]
    autocorrelation: NDArray[np.float64]
    bound: float
    n_intervals: int

    def plot(self, ax: Axes | None = None, **stem_kwargs: Any) -> Axes:
        """Draw the autocorrelation as stems, with the 95 % band of independent intervals.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new pyplot figure by default.
        **stem_kwargs
            Passed to ``Axes.vlines`` and ``Axes.plot``: ``color``, ``zorder``, ``alpha``.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is missing and ``ax`` is not given.
        """
        if ax is None:
            ax = new_axes(figsize=(5, 3.2))
        style = {"color": BLUE} | stem_kwargs
        ax.axhspan(-self.bound, self.bound, color="0.88", linewidth=0, label="95 % band", zorder=0)
        ax.axhline(0.0, color="0.55", linewidth=0.8, zorder=1)
        ax.vlines(self.lags, 0.0, self.autocorrelation, linewidth=1.2, **style)
        ax.plot(self.lags, self.autocorrelation, "o", markersize=4, **style)
        highest = 1.25 * max(self.bound, float(np.abs(self.autocorrelation).max()))
        ax.set(
            xlim=(0.0, self.lags[-1] + 1.0),
            ylim=(-highest, highest),
            xlabel="lag (intervals)",
            ylabel="autocorrelation",
        )
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(frameon=False, loc="upper right")
        return ax


@dataclass(frozen=True, eq=False)
class TimeRescaling:
    """Outcome of :func:`time_rescaling`.

    Attributes
    ----------
    rescaled_intervals : ndarray of float64, shape (n_intervals,)
        Expected number of spikes from one spike to the next, in order of time; exponential
        with mean 1 if the rate is right. No unit.
    model_cdf : ndarray of float64, shape (n_intervals,)
        ``1 - exp(-rescaled_intervals)``, sorted; uniform on [0, 1] if the rate is right.
    empirical_cdf : ndarray of float64, shape (n_intervals,)
        Uniform quantile of each entry of ``model_cdf``: 1/n, 2/n, ..., 1.
    ks_statistic : float
        Largest distance of the two, over both sides of each step (Kolmogorov-Smirnov).
    ks_bound : float
        ``1.36 / sqrt(n_intervals)``: a right rate stays below it in about 95 % of recordings.
    n_intervals : int
        Number of intervals, equal to the number of spikes; with ``discrete`` of bins with spikes.
    """

    rescaled_intervals: NDArray[np.float64]
    model_cdf: NDArray[np.float64]
    empirical_cdf: NDArray[np.float64]
    ks_statistic: float
    ks_bound: float
    n_intervals: int

    @property
    def passed(self) -> bool:
        """Whether ``ks_statistic`` is within ``ks_bound``."""
        return self.ks_statistic <= self.ks_bound

    def autocorrelation(self, n_lags: int | None = None) -> IntervalAutocorrelation:
        """Return how the length of an interval goes with that of later ones.

        Intervals become normal, ``z = Phi^-1(1 - exp(-interval))``: of normal variables, no
        correlation means independence. Truccolo, Eden, Fellows, Donoghue & Brown (2005), Journal
        of Neurophysiology 93:1074-1089.

        Parameters
        ----------
        n_lags : int, optional
            Largest lag, less than the number of intervals; None: 20, or what is possible.

        Returns
        -------
        IntervalAutocorrelation
            Autocorrelation, its 95 % bound and a ``plot`` method.

        Raises
        ------
        ValueError
            If there are not more intervals than lags, or all have one length.

        Notes
        -----
        Intervals of length 0 (a spike in the very first bin, without an ``rng``) have no normal
        quantile; they take that of a tenth of the smallest share, 0.1 / n_intervals.

        Examples
        --------
        >>> import numpy as np
        >>> from spikeglm.goodness_of_fit import time_rescaling
        >>> rate = np.full(50_000, 0.02)
        >>> test = time_rescaling(np.random.default_rng(0).poisson(rate), rate)
        >>> found = test.autocorrelation(n_lags=5)
        >>> bool(np.abs(found.autocorrelation).max() < 2 * found.bound)
        True
        """
        n = self.n_intervals
        lags = whole_number(min(20, n - 1) if n_lags is None else n_lags, "n_lags", 1)
        if lags >= n:
            raise ValueError(f"`n_lags` must be less than the {n} intervals, got {lags}.")
        # Both tails keep their digits: below from 1 - exp(-interval), above from exp(-interval).
        below = np.maximum(-np.expm1(-self.rescaled_intervals), 0.1 / n)
        normal = np.where(below < 0.5, ndtri(below), -ndtri_exp(-self.rescaled_intervals))
        normal = normal - normal.mean()
        power = float(normal @ normal)
        if power == 0.0:
            raise ValueError("intervals of one length have no autocorrelation.")
        values = np.array([normal[:-lag] @ normal[lag:] for lag in range(1, lags + 1)])
        return IntervalAutocorrelation(
            np.arange(1, lags + 1), values / power, float(1.96 / np.sqrt(n)), n
        )

    def plot(self, ax: Axes | None = None, *, band: bool = True, **line_kwargs: Any) -> Axes:
        """Draw the empirical against the model distribution, with the 95 % band.

        The curve leaves the band exactly when the test fails.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new pyplot figure by default.
        band : bool, default True
            Draw the diagonal and its band. False when they are there already, from another
            model of the same spikes.
        **line_kwargs
            Passed to ``Axes.plot`` for the curve: ``color``, ``label`` and so on.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is missing and ``ax`` is not given.
        """
        if ax is None:
            ax = new_axes(figsize=(4.2, 4.2))
        if band:
            ends = np.array([0.0, 1.0])
            ax.fill_between(
                ends,
                np.clip(ends - self.ks_bound, 0, 1),
                np.clip(ends + self.ks_bound, 0, 1),
                color="0.88",
                linewidth=0,
                label="95 % band",
            )
            ax.plot(ends, ends, color="0.55", linewidth=0.8)
        ax.plot(
            np.concatenate([[0.0], self.model_cdf, [1.0]]),
            np.concatenate([[0.0], self.empirical_cdf, [1.0]]),
            drawstyle="steps-post",
            **line_kwargs,
        )
        ax.set(
            xlim=(0, 1),
            ylim=(0, 1),
            aspect="equal",
            xlabel="model CDF of rescaled intervals",
            ylabel="empirical CDF",
        )
        return ax


def time_rescaling(
    spike_counts: ArrayLike,
    rate: ArrayLike,
    *,
    rng: np.random.Generator | int | None = None,
    discrete: str | None = None,
) -> TimeRescaling:
    """Test a fitted rate by the time-rescaling theorem.

    If the rate is right, the expected number of spikes between one spike and the next is
    exponentially distributed with mean 1, and independent between intervals. The first
    interval runs from the beginning of the data to the first spike; the time after the last
    spike is not used.

    Parameters
    ----------
    spike_counts : array_like, shape (n_bins,)
        Number of spikes in each bin: integers >= 0, of any dtype.
    rate : array_like, shape (n_bins,)
        Expected number of spikes in each bin, as ``predict`` of a fitted model returns it
        (spikes per bin, not per second), >= 0.
    rng : numpy.random.Generator or int, optional
        If given, or its seed, spikes lie at random within their bin. By default they lie evenly,
        the first one at its beginning: one spike per bin, as is usual with 1 ms bins, is at the
        start of its bin. With wide bins (expected counts of 0.1 and more) that discreteness alone
        moves the statistic, and a generator takes it away.
    discrete : {"Bernoulli", "Poisson"}, optional
        Correct for the width of the bins, which a rate that depends on the history of the spikes
        needs where bins are wide: time in bin k runs by ``q_k = -log(1 - p_k)``, an interval begins
        after the bin of the last spike, and its end is drawn at random within its bin, so ``rng``
        must be given. Haslinger, Pipa & Brown (2010). The name is that of the model that
        predicted `rate`: p is the rate of a Bernoulli model, which has at most one spike in a bin;
        of a Poisson model it is ``1 - exp(-rate)``, the chance of at least one spike, and a bin
        with several counts as one event. None: time is continuous.

    Returns
    -------
    TimeRescaling
        Intervals, Kolmogorov-Smirnov statistic and 95 % bound, and a ``plot`` method.

    Raises
    ------
    ValueError
        If the arrays are not 1-dimensional and of one length, the counts are negative or not
        whole, the rate is negative, one of them is infinite, or fewer than 2 spikes remain; if
        `discrete` is unknown or lacks its `rng`, or Bernoulli bins hold several spikes or a rate
        above 1.

    Notes
    -----
    Bins with NaN in either array are taken out, with their spikes, and time runs on as if they
    had not been there; this covers the first bins of a convolution and gaps between epochs, those
    of a pynapple series too. It leaves the intervals exponential, because rescaled spikes are a
    Poisson process, which forgets where it was interrupted. To leave out the intervals that run
    over a border would not: long ones are cut more often.

    The bound does not allow for parameters that were estimated from the same spikes, so it is
    conservative for a fitted model: what fails is wrong, what passes is not thereby right.

    References
    ----------
    E. N. Brown, R. Barbieri, V. Ventura, R. E. Kass and L. M. Frank, "The time-rescaling
    theorem and its application to neural spike train data analysis", *Neural Computation*
    14:325-346, 2002.

    R. Haslinger, G. Pipa and E. Brown, "Discrete time rescaling theorem: determining goodness of
    fit for discrete time statistical models of neural spiking", *Neural Computation*
    22:2477-2506, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from spikeglm.goodness_of_fit import time_rescaling
    >>> rng = np.random.default_rng(0)
    >>> rate = 0.02 * (1 + np.sin(np.arange(20_000) / 300))
    >>> test = time_rescaling(rng.poisson(rate), rate)
    >>> test.passed
    True
    """
    counts, rate_per_bin = _counts_and_rate(spike_counts, rate)
    if counts.sum() < 2:
        raise ValueError(
            f"time rescaling needs at least 2 spikes; {int(counts.sum())} in the "
            f"{counts.size} bins without NaN."
        )

    if discrete is not None:
        intervals = _discrete_intervals(counts, rate_per_bin, discrete, rng)
    else:
        intervals = _intervals(counts, rate_per_bin, rng)
    n = intervals.size
    model_cdf = np.sort(-np.expm1(-intervals))
    empirical_cdf = np.arange(1, n + 1) / n
    distance = np.maximum(empirical_cdf - model_cdf, model_cdf - (empirical_cdf - 1 / n))
    return TimeRescaling(
        rescaled_intervals=intervals,
        model_cdf=model_cdf,
        empirical_cdf=empirical_cdf,
        ks_statistic=float(distance.max()),
        ks_bound=float(1.36 / np.sqrt(n)),
        n_intervals=n,
    )


def _intervals(
    counts: NDArray[np.int64], rate_per_bin: NDArray[np.float64], rng: Any
) -> NDArray[np.float64]:
    bin_of_spike = np.repeat(np.arange(counts.size), counts)
    if rng is None:
        first_of_bin = np.repeat(np.cumsum(counts) - counts, counts)
        place_in_bin = (np.arange(bin_of_spike.size) - first_of_bin) / counts[bin_of_spike]
    else:
        place_in_bin = random_generator(rng).random(bin_of_spike.size)
    expected_before_bin = np.cumsum(rate_per_bin) - rate_per_bin
    rescaled_time = expected_before_bin[bin_of_spike] + place_in_bin * rate_per_bin[bin_of_spike]
    return np.diff(np.sort(rescaled_time), prepend=0.0)


def _discrete_intervals(
    counts: NDArray[np.int64], rate_per_bin: NDArray[np.float64], discrete: str, rng: Any
) -> NDArray[np.float64]:
    """Return the intervals of Haslinger, Pipa & Brown (2010), section 2.2."""
    if rng is None:
        raise ValueError("`discrete` draws where in its bin a spike lies: pass `rng`, or a seed.")
    if discrete == "Bernoulli":
        _refuse_where(counts > 1, counts, "Bernoulli bins hold at most one spike")
        _refuse_where(rate_per_bin > 1, rate_per_bin, "the rate of a Bernoulli model is at most 1")
        with np.errstate(divide="ignore"):
            q = -np.log1p(-rate_per_bin)
        # A bin that must have a spike ends every interval: what comes after begins from zero.
        certain = np.isinf(q)
        _refuse_where(
            certain & (counts == 0), rate_per_bin, "no spike came where the rate says it must"
        )
        q[certain] = 0.0
    elif discrete == "Poisson":
        q, certain = rate_per_bin, np.zeros(counts.size, dtype=bool)
    else:
        raise ValueError(f'`discrete` must be "Bernoulli", "Poisson" or None, got {discrete!r}.')
    spiking = np.flatnonzero(counts > 0)
    place = random_generator(rng).random(spiking.size)
    before = (np.cumsum(q) - q)[spiking]
    passed = np.diff(before, prepend=0.0)  # with the bin of the last spike, where there is one
    passed[1:] -= q[spiking[:-1]]
    chance = np.where(certain[spiking], 1.0, -np.expm1(-q[spiking]))
    return np.maximum(passed, 0.0) - np.log1p(-place * chance)


def bits_per_spike(spike_counts: ArrayLike, rate: ArrayLike) -> Any:
    """Poisson log-likelihood gained over a constant rate, per spike, in bits.

    The constant is the mean count of the same bins. On bins that the model was not fitted to,
    the value may be negative.

    Parameters
    ----------
    spike_counts : array_like, shape (n_bins,) or (n_bins, n_neurons)
        Number of spikes in each bin: integers >= 0, of any dtype.
    rate : array_like, shape of `spike_counts`
        Expected number of spikes in each bin (not per second), >= 0.

    Returns
    -------
    float, or ndarray of float64, shape (n_neurons,)
        Bits per spike; -inf if a spike fell where the rate is 0.

    Raises
    ------
    ValueError
        As :func:`time_rescaling`, but one spike suffices.

    Notes
    -----
    Bins with NaN in either array are left out of the sums and of the constant rate, so give
    models that are to be compared their NaN in the same bins.

    Examples
    --------
    >>> from spikeglm.goodness_of_fit import bits_per_spike
    >>> bits_per_spike([0, 1, 0, 1], [0.0, 1.0, 0.0, 1.0])
    1.0
    """
    if np.ndim(plain(spike_counts)) == 2 and np.shape(spike_counts) == np.shape(rate):
        common_axis([("spike_counts", spike_counts), ("rate", rate)])
        columns = zip(np.asarray(plain(spike_counts)).T, np.asarray(plain(rate)).T, strict=True)
        return np.array([bits_per_spike(*column) for column in columns])
    counts, rate_per_bin = _counts_and_rate(spike_counts, rate)
    n_spikes = int(counts.sum())
    if n_spikes == 0:
        raise ValueError(
            f"bits per spike need at least 1 spike; none in the {counts.size} bins without NaN."
        )
    constant = n_spikes / counts.size
    spiking = counts > 0
    with np.errstate(divide="ignore"):
        gain = counts[spiking] @ np.log(rate_per_bin[spiking] / constant)
    return float((gain - (rate_per_bin.sum() - n_spikes)) / (n_spikes * np.log(2)))


def _counts_and_rate(
    spike_counts: ArrayLike, rate: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Check both arrays and return their bins without NaN."""
    common_axis([("spike_counts", spike_counts), ("rate", rate)])
    counts = np.asarray(plain(spike_counts), dtype=np.float64)
    rate_per_bin = np.asarray(plain(rate), dtype=np.float64)
    if counts.ndim != 1 or rate_per_bin.ndim != 1:
        raise ValueError(
            "spike_counts and rate must be 1-dimensional, one neuron at a time; got shapes "
            f"{counts.shape} and {rate_per_bin.shape}."
        )
    if counts.size != rate_per_bin.size:
        raise ValueError(
            "spike_counts and rate must have one entry per bin each; got "
            f"{counts.size} counts and {rate_per_bin.size} rates."
        )
    # Written so that NaN is not an offence: those bins are taken out below.
    _refuse_where(
        (counts < 0) | np.isinf(counts) | (counts > np.floor(counts)),
        counts,
        "spike_counts must be whole numbers >= 0",
    )
    _refuse_where(
        (rate_per_bin < 0) | np.isinf(rate_per_bin),
        rate_per_bin,
        "rate must be finite and >= 0 (expected spikes per bin)",
    )
    valid = ~(np.isnan(counts) | np.isnan(rate_per_bin))
    return counts[valid].astype(np.int64), rate_per_bin[valid]


def _refuse_where(bad: NDArray[np.bool_], values: NDArray[Any], rule: str) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(
            f"{rule}; got {values[first]:g} in bin {first}, {int(bad.sum())} bad bins in all."
        )
