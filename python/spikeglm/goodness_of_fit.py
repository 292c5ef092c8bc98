"""How well does a fitted rate explain the spikes? Time rescaling and bits per spike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["TimeRescaling", "bits_per_spike", "time_rescaling"]


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
        Number of intervals, equal to the number of spikes.
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
            ax = _new_axes()
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
    rng: np.random.Generator | None = None,
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
    rng : numpy.random.Generator, optional
        If given, spikes lie at random within their bin. By default they lie evenly, the first
        one at its beginning: one spike per bin, as is usual with 1 ms bins, is at the start of
        its bin. With wide bins (expected counts of 0.1 and more) that discreteness alone moves
        the statistic, and a generator takes it away.

    Returns
    -------
    TimeRescaling
        Intervals, Kolmogorov-Smirnov statistic and 95 % bound, and a ``plot`` method.

    Raises
    ------
    ValueError
        If the arrays are not 1-dimensional and of one length, the counts are negative or not
        whole, the rate is negative, one of them is infinite, or fewer than 2 spikes remain.

    Notes
    -----
    Bins with NaN in either array are taken out, with their spikes, and time runs on as if they
    had not been there; this covers the first bins of a convolution and gaps between epochs, and
    leaves the intervals exponential. The bound does not allow for parameters that were
    estimated from the same spikes, so it is conservative for a fitted model: what fails is
    wrong, what passes is not thereby right.

    References
    ----------
    E. N. Brown, R. Barbieri, V. Ventura, R. E. Kass and L. M. Frank, "The time-rescaling
    theorem and its application to neural spike train data analysis", *Neural Computation*
    14:325-346, 2002.

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

    bin_of_spike = np.repeat(np.arange(counts.size), counts)
    if rng is None:
        first_of_bin = np.repeat(np.cumsum(counts) - counts, counts)
        place_in_bin = (np.arange(bin_of_spike.size) - first_of_bin) / counts[bin_of_spike]
    else:
        place_in_bin = rng.random(bin_of_spike.size)
    expected_before_bin = np.cumsum(rate_per_bin) - rate_per_bin
    rescaled_time = expected_before_bin[bin_of_spike] + place_in_bin * rate_per_bin[bin_of_spike]
    intervals = np.diff(np.sort(rescaled_time), prepend=0.0)

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


def bits_per_spike(spike_counts: ArrayLike, rate: ArrayLike) -> float:
    """Poisson log-likelihood gained over a constant rate, per spike, in bits.

    The constant is the mean count of the same bins. On bins that the model was not fitted to,
    the value may be negative.

    Parameters
    ----------
    spike_counts : array_like, shape (n_bins,)
        Number of spikes in each bin: integers >= 0, of any dtype.
    rate : array_like, shape (n_bins,)
        Expected number of spikes in each bin (not per second), >= 0.

    Returns
    -------
    float
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
    counts = np.asarray(spike_counts, dtype=np.float64)
    rate_per_bin = np.asarray(rate, dtype=np.float64)
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


def _refuse_where(bad: NDArray[np.bool_], values: NDArray[np.float64], rule: str) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(
            f"{rule}; got {values[first]:g} in bin {first}, {int(bad.sum())} bad bins in all."
        )


def _new_axes() -> Axes:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "plotting needs matplotlib: pip install spikeglm[plot], or pass the axes to draw on."
        ) from error
    return plt.subplots()[1]
