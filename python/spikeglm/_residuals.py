"""Residuals of every observation model, and calibration of predicted means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from ._random import random_generator
from ._timeseries import common_axis, plain
from ._validation import FloatArray, numeric_array, real_number, whole_number
from .links import checked
from .observation_models import CustomObservations, Observations, resolve_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def deviance_residuals(
    y: Any,
    rate: Any,
    observation_model: str | Observations = "Poisson",
    scale: ArrayLike | None = None,
) -> FloatArray:
    """Signed square roots of each sample's scaled deviance.

    Their squares add up to the deviance. McCullagh & Nelder (1989), Generalized Linear Models,
    section 2.4.3.

    Parameters
    ----------
    y : array_like, shape (n_samples,) or (n_samples, n_neurons)
        Observations, counts per bin for Poisson. A NaN gives NaN.
    rate : array_like, shape of `y`
        Mean of each, as ``predict`` of a fitted model returns it (per bin). A NaN gives NaN.
    observation_model : str or object of `spikeglm.observation_models`
        As in `spikeglm.glm.GLM`.
    scale : float or array_like, shape (n_neurons,), optional
        Dispersion, ``dispersion_`` of the fit; None is 1, or the model's own.

    Returns
    -------
    ndarray of float64, shape of `y`
        No unit. Above zero where more was observed than expected.

    Raises
    ------
    ValueError
        The shapes differ, a scale is not above zero, the time axes do not match, or a y is outside
        the support of the model.

    Examples
    --------
    >>> from spikeglm.goodness_of_fit import deviance_residuals
    >>> deviance_residuals([0, 2], [2.0, 2.0])
    array([-2.,  0.])
    """
    observed, mean, model, phi = _read(y, rate, observation_model, scale)
    deviance = model.deviance(observed, mean, phi)
    return np.sign(observed - mean) * np.sqrt(np.maximum(deviance, 0.0))


def pearson_residuals(
    y: Any,
    rate: Any,
    observation_model: str | Observations = "Poisson",
    scale: ArrayLike | None = None,
) -> FloatArray:
    """Difference of observation and mean, in standard deviations of the model.

    ``(y - rate) / sqrt(variance)``; McCullagh & Nelder (1989), Generalized Linear Models, section
    2.4.1, with the dispersion in the variance.

    Parameters
    ----------
    y, rate, observation_model, scale :
        As in `deviance_residuals`. Of `CustomObservations` the `variance` must be known.

    Returns
    -------
    ndarray of float64, shape of `y`
        No unit; mean 0 and variance 1 if the model is right.

    Raises
    ------
    ValueError
        As `deviance_residuals`.

    Examples
    --------
    >>> from spikeglm.goodness_of_fit import pearson_residuals
    >>> pearson_residuals([0, 8], [4.0, 4.0])
    array([-2.,  2.])
    """
    observed, mean, model, phi = _read(y, rate, observation_model, scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (observed - mean) / np.sqrt(_variance(model, mean, phi))


def quantile_residuals(
    y: Any,
    rate: Any,
    observation_model: str | Observations = "Poisson",
    scale: ArrayLike | None = None,
    *,
    rng: Any = None,
) -> FloatArray:
    """Randomised quantile residuals: exactly normal, whatever the distribution, if it is right.

    The normal quantile of F(y), the model's distribution function; of counts, that of a number
    drawn evenly between F(y - 1) and F(y). Dunn & Smyth (1996), Journal of Computational and
    Graphical Statistics 5:236-244.

    Parameters
    ----------
    y, rate, observation_model, scale :
        As in `deviance_residuals`; counts must be whole. A Gamma or Gaussian model needs its
        dispersion, `scale`.
    rng : numpy.random.Generator or int, optional
        Source of the random part of discrete models, or its seed. None: other numbers each time.

    Returns
    -------
    ndarray of float64, shape of `y`
        Standard normal and independent if model, means and dispersion are right. Infinite where an
        observation is impossible, a spike where the mean is 0 for example.

    Raises
    ------
    ValueError
        As `deviance_residuals`; counts are not whole; the dispersion of a Gamma or Gaussian model
        is missing.
    TypeError
        `CustomObservations`, which have no distribution function.

    Examples
    --------
    >>> import numpy as np
    >>> from spikeglm.goodness_of_fit import quantile_residuals
    >>> rng = np.random.default_rng(0)
    >>> rate = rng.uniform(0.01, 2.0, 10_000)
    >>> residuals = quantile_residuals(rng.poisson(rate), rate, rng=1)
    >>> bool(abs(residuals.mean()) < 0.03), bool(abs(residuals.std() - 1) < 0.03)
    (True, True)
    """
    observed, mean, model, phi = _read(y, rate, observation_model, scale)
    if isinstance(model, CustomObservations):
        raise TypeError(
            "quantile residuals need a distribution function, which CustomObservations have not; "
            "use deviance_residuals or pearson_residuals."
        )
    if model.name in ("Gamma", "Gaussian") and scale is None:
        raise ValueError(
            f"quantile residuals of a {model.name} model need its dispersion: pass `scale`, the "
            "fit's `dispersion_`."
        )
    if model.name in ("Gamma", "Gaussian"):
        distribution = (
            stats.norm(mean, np.sqrt(phi))
            if model.name == "Gaussian"
            else stats.gamma(1.0 / phi, scale=mean * phi)
        )
        return _normal_quantile(distribution.cdf(observed), distribution.sf(observed))
    whole = np.isnan(observed) | (observed == np.floor(observed))
    if not np.all(whole):
        raise ValueError(
            f"quantile residuals of a {model.name} model need whole counts, got "
            f"{observed[~whole][0]:g}."
        )
    if model.name == "Poisson":
        distribution = stats.poisson(mean)
    elif model.name == "Bernoulli":
        distribution = stats.bernoulli(mean)
    else:
        distribution = stats.nbinom(1.0 / phi, 1.0 / (1.0 + phi * mean))
    chance = distribution.pmf(observed)
    place = (np.random.default_rng() if rng is None else random_generator(rng)).random(mean.shape)
    return _normal_quantile(
        distribution.cdf(observed - 1) + place * chance,
        distribution.sf(observed) + (1.0 - place) * chance,
    )


@dataclass(frozen=True, eq=False)
class Calibration:
    """Outcome of :func:`calibration`.

    Attributes
    ----------
    predicted : ndarray of float64, shape (n_groups,)
        Mean prediction in each group, per bin; in increasing order.
    observed : ndarray of float64, shape (n_groups,)
        Mean observation in each group.
    low, high : ndarray of float64, shape (n_groups,)
        Interval of the expected value of `observed`.
    n_samples : ndarray of int, shape (n_groups,)
        Number of samples in each group.
    level : float
        Chance that an interval covers the expected value.
    """

    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray
    n_samples: NDArray[np.int_] = field(repr=False)
    level: float

    def plot(
        self, ax: Axes | None = None, *, bin_size: float | None = None, **errorbar_kwargs: Any
    ) -> Axes:
        """Draw observed against predicted means with their intervals, and the diagonal.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new pyplot figure by default.
        bin_size : float, optional
            Duration of a bin in seconds: the axes are then in spikes/s.
        **errorbar_kwargs
            Passed to ``Axes.errorbar``: ``color``, ``label`` and so on.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is missing and ``ax`` is not given.
        """
        from .plotting._axes import BLUE, DARK, GREY, new_axes, percent

        size = _positive(bin_size)
        factor, unit = (1.0, "per bin") if size is None else (1.0 / size, "spikes/s")
        if ax is None:
            ax = new_axes(figsize=(4.2, 4.2))
        x, y = factor * self.predicted, factor * self.observed
        reach = factor * np.array([self.low, self.high])
        lowest = min(0.0, float(x.min()), float(reach.min()))
        highest = max(float(x.max()), float(reach.max()))
        margin = 0.04 * (highest - lowest or 1.0)
        ends = (lowest - (margin if lowest < 0 else 0.0), highest + margin)
        if not any(line.get_label() == "perfect" for line in ax.lines):
            ax.plot(ends, ends, "--", color=GREY, lw=1.0, label="perfect", zorder=0)
        style = {
            "fmt": "o",
            "color": BLUE,
            "ecolor": DARK,
            "elinewidth": 1.0,
            "capsize": 2.5,
            "markersize": 5,
            "label": f"observed, {percent(self.level)} interval",
        }
        ax.errorbar(x, y, np.abs(reach - y), **(style | errorbar_kwargs))
        ax.set(
            xlim=ends,
            ylim=ends,
            aspect="equal",
            xlabel=f"predicted mean ({unit})",
            ylabel=f"observed mean ({unit})",
        )
        ax.legend(frameon=False, loc="upper left")
        return ax


def calibration(
    y: Any,
    rate: Any,
    observation_model: str | Observations = "Poisson",
    *,
    n_groups: int = 10,
    level: float = 0.95,
) -> Calibration:
    """Compare observed and predicted means where little, and where much, is predicted.

    Samples are sorted by their prediction and cut into groups of about equal numbers.

    Parameters
    ----------
    y, rate : array_like, shape (n_samples,) or (n_samples, n_neurons)
        As in `deviance_residuals`; neurons are pooled. Samples with a NaN are left out.
    observation_model : str or object of `spikeglm.observation_models`
        Decides on the intervals: Poisson, exact ones of a sum (Garwood 1936, Biometrika 28:437);
        Bernoulli, those of a share (Clopper & Pearson 1934, Biometrika 26:404), which cover more
        where the predictions of a group differ; else those of Student's t for the mean of
        ``y - rate``.
    n_groups : int, default 10
        Number of groups; there are fewer where predictions are tied, since those that are equal
        stay together.
    level : float, default 0.95
        Chance that each interval covers the expected value, if samples are independent.

    Returns
    -------
    Calibration
        Means and intervals, and a ``plot`` method.

    Raises
    ------
    ValueError
        As `deviance_residuals`; no sample is left; `level` is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from spikeglm.goodness_of_fit import calibration
    >>> rng = np.random.default_rng(0)
    >>> rate = rng.uniform(0.1, 2.0, 5_000)
    >>> found = calibration(rng.poisson(rate), rate, n_groups=5)
    >>> bool(np.all((found.low < found.predicted) & (found.predicted < found.high)))
    True
    """
    observed, mean, model, _ = _read(y, rate, observation_model, None, whatever_scale=True)
    n_groups = whole_number(n_groups, "n_groups", 1)
    level = real_number(level, "level")
    if not 0 < level < 1:
        raise ValueError(f"`level` must be between 0 and 1, got {level!r}.")
    kept = ~(np.isnan(observed) | np.isnan(mean))
    observed, mean = observed[kept], mean[kept]
    if not mean.size:
        raise ValueError("calibration needs samples without NaN in y and rate; there are none.")
    cuts = np.unique(np.quantile(mean, np.arange(1, n_groups) / n_groups, method="lower"))
    group = np.searchsorted(cuts, mean, side="left")
    _, group = np.unique(group, return_inverse=True)
    n = np.bincount(group)
    predicted, means = np.bincount(group, mean) / n, np.bincount(group, observed) / n
    tail = 0.5 * (1.0 - level)
    total = n * means
    if model.name == "Poisson":
        low = np.where(total > 0, special.gammaincinv(np.maximum(total, 1e-300), tail), 0.0) / n
        high = special.gammainccinv(total + 1.0, tail) / n
    elif model.name == "Bernoulli":
        rest = n - total
        low = np.where(
            total > 0, special.betaincinv(np.maximum(total, 1e-300), rest + 1.0, tail), 0.0
        )
        high = np.where(
            rest > 0,
            special.betaincinv(total + 1.0, np.maximum(rest, 1e-300), 1.0 - tail),
            1.0,
        )
    else:
        left = observed - mean - (means - predicted)[group]
        with np.errstate(divide="ignore", invalid="ignore"):  # a group of one has no spread
            error = np.sqrt(np.bincount(group, left**2) / (n - 1) / n)
        half = stats.t.isf(tail, np.maximum(n - 1, 1)) * error
        low, high = means - half, means + half
    return Calibration(predicted, means, low, high, n, level)


def _read(
    y: Any,
    rate: Any,
    observation_model: str | Observations,
    scale: ArrayLike | None,
    whatever_scale: bool = False,
) -> tuple[FloatArray, FloatArray, Observations, Any]:
    """Check what all residuals need; return y, means, model and dispersion."""
    common_axis([("y", y), ("rate", rate)])
    observed = numeric_array(plain(y), "y").astype(np.float64)
    mean = numeric_array(plain(rate), "rate").astype(np.float64)
    model = resolve_model(observation_model)
    if observed.shape != mean.shape or observed.ndim not in (1, 2):
        raise ValueError(
            "y and rate must have the same shape, (n_samples,) or (n_samples, n_neurons); got "
            f"{observed.shape} and {mean.shape}."
        )
    _require_support(model, observed, mean)
    phi = 1.0 if whatever_scale else np.asarray(model._scale(scale), dtype=np.float64)
    if np.ndim(phi) and np.shape(phi) != observed.shape[1:]:
        raise ValueError(
            f"`scale` must be one number, or one per neuron; got shape {np.shape(phi)} for y of "
            f"shape {observed.shape}."
        )
    if not np.all(phi > 0):
        raise ValueError(f"`scale` must be above 0, got {scale!r}.")
    return observed, mean, model, phi


def _require_support(model: Observations, y: FloatArray, mean: FloatArray) -> None:
    if isinstance(model, CustomObservations):
        flat = y.ravel()
        model.require_support(flat, ~np.isnan(flat))
        return
    lowest = 0.0 if model.name != "Gaussian" else -np.inf
    highest = 1.0 if model.name == "Bernoulli" else np.inf
    for name, values, open_end in (("y", y, model.name == "Gamma"), ("rate", mean, False)):
        bad = np.isinf(values) | (values < lowest) | (values > highest)
        if open_end:
            bad |= values == 0.0
        if np.any(bad):
            raise ValueError(
                f"{name} of a {model.name} model cannot be {values[bad][0]:g}; "
                f"{int(bad.sum())} such values in all."
            )


def _variance(model: Observations, mean: FloatArray, phi: Any) -> Any:
    """Return the variance of y; McCullagh & Nelder (1989), table 2.1."""
    if isinstance(model, CustomObservations):
        if model.variance is None:
            raise ValueError("Pearson residuals of CustomObservations need their `variance`.")
        result = np.full(mean.shape, np.nan)
        known = ~np.isnan(mean)
        result[known] = checked(model.variance, mean[known], "variance")
        return phi * result
    return {
        "Poisson": lambda: phi * mean,
        "Gamma": lambda: phi * mean**2,
        "Bernoulli": lambda: phi * mean * (1.0 - mean),
        "NegativeBinomial": lambda: mean + phi * mean**2,
        "Gaussian": lambda: phi * np.ones_like(mean),
    }[model.name]()


def _normal_quantile(below: FloatArray, above: FloatArray) -> FloatArray:
    """Return the normal quantile from both tails, of which the smaller one keeps its digits."""
    return np.where(below < above, special.ndtri(below), -special.ndtri(above))


def _positive(bin_size: float | None) -> float | None:
    from .plotting._axes import checked_bin_size

    return checked_bin_size(bin_size)
