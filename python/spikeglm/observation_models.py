"""Observation models: the distribution of y given its mean.

The mathematics lives in the core, one header per model; a class here gives it a name, its
documentation, the textbook quantities and a sampler.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from . import _core, _facts
from ._links import resolve_link
from ._random import random_generator
from ._validation import per_sample, real_number
from .links import checked

Aggregator = Callable[[NDArray[np.float64]], Any]


class Observations(ABC, BaseEstimator):
    """Base of all observation models.

    Parameters
    ----------
    inverse_link_function :
        Inverse link that a model uses when it is given none of its own; None means the default of
        the distribution.
    """

    name: ClassVar[str]

    def __init__(self, inverse_link_function: str | Callable[..., Any] | None = None) -> None:
        self.inverse_link_function = inverse_link_function

    @property
    def default_inverse_link_function(self) -> str:
        """Name of the inverse link that is used when none is given."""
        return resolve_link(self.inverse_link_function, self.name)

    def _parameter(self) -> float:
        """Return the parameter of the distribution, NaN where it is to be estimated."""
        return 1.0

    def _scale(self, given: Any) -> Any:
        return 1.0 if given is None else given

    def likelihood(
        self,
        y: ArrayLike,
        predicted_rate: ArrayLike,
        scale: float | NDArray[np.float64] | None = None,
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Return exp of what `log_likelihood` returns."""
        return np.exp(
            self.log_likelihood(
                y, predicted_rate, scale, aggregate_sample_scores, sample_weight=sample_weight
            )
        )

    def sample_generator(
        self,
        key: Any,
        predicted_rate: ArrayLike,
        scale: float | NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Draw observations.

        Parameters
        ----------
        key :
            numpy Generator, or a seed: an integer, or a JAX key, whose numbers are taken as one.
        predicted_rate :
            Mean of each observation, any shape. A NaN gives NaN.
        scale :
            As in `log_likelihood`.

        Returns
        -------
        :
            float64, the shape of `predicted_rate`.
        """
        generator = random_generator(key)
        rate = np.asarray(predicted_rate, dtype=np.float64)
        missing = np.isnan(rate)
        facts = _facts.observation_models()[self.name]
        inside = ~missing & np.isfinite(rate)
        if facts["mean_must_be_positive"]:
            inside &= rate >= 0.0
        if facts["mean_must_be_below_one"]:
            inside &= rate <= 1.0
        if not np.all(inside | missing):
            worst = rate[~(inside | missing)].flat[0]
            raise ValueError(
                f"{self.name} observations cannot have the mean {worst}: expected a finite one"
                + (", zero or above" if facts["mean_must_be_positive"] else "")
                + (", at most one" if facts["mean_must_be_below_one"] else "")
                + "."
            )
        scale = np.broadcast_to(np.asarray(self._scale(scale), dtype=np.float64), rate.shape)
        drawn = self._draw(generator, np.where(missing, 0.5, rate), scale)
        return np.where(missing, np.nan, drawn.astype(np.float64))

    @abstractmethod
    def _draw(
        self,
        generator: np.random.Generator,
        rate: NDArray[np.float64],
        scale: NDArray[np.float64],
    ) -> NDArray[Any]:
        """Draw one observation per rate."""

    def log_likelihood(
        self,
        y: ArrayLike,
        predicted_rate: ArrayLike,
        scale: float | NDArray[np.float64] | None = None,
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Log-likelihood with all normalising constants.

        Parameters
        ----------
        y :
            Observations, any shape.
        predicted_rate :
            Mean of each observation, same shape.
        scale :
            Dispersion, one number or one per neuron; read by models that have one. None is 1, or
            the model's own.
        aggregate_sample_scores :
            Turns the values per sample into what is returned.
        sample_weight : (n_samples,)
            Number of times that each sample counts, for `numpy.mean` and `numpy.sum`.

        Returns
        -------
        :
            The aggregate, in nats. Samples with a NaN, in any neuron for 2-D inputs, are left out,
            and those of weight zero.
        """
        observed, rate, weight = _complete(y, predicted_rate, sample_weight)
        rows = self._quantity("log_likelihood", observed, rate, self._scale(scale))
        return _aggregate(rows, aggregate_sample_scores, weight)

    def deviance(
        self,
        y: ArrayLike,
        predicted_rate: ArrayLike,
        scale: float | NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Scaled deviance of each sample, same shape as `y`; zero where the rate equals y.

        `scale` divides it, or is the dispersion of a model (negative binomial) that has it as its
        parameter; None is 1, or the model's own.
        """
        observed, rate = _same_shape(y, predicted_rate)
        scale = self._scale(scale)
        rows = self._quantity("deviance", observed, rate, scale)
        return rows if self._has_parameter() else rows / scale

    def pseudo_r2(
        self,
        y: ArrayLike,
        predicted_rate: ArrayLike,
        score_type: str = "pseudo-r2-McFadden",
        scale: float | NDArray[np.float64] | None = None,
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Share of the null model's misfit that the rates explain.

        McFadden: 1 - LL / LL_null. Cohen: 1 - deviance / deviance_null. The null model is the mean
        of the scored y; aggregation comes before the ratio.

        Parameters
        ----------
        y, predicted_rate, scale, aggregate_sample_scores, sample_weight :
            As in `log_likelihood`; the null model's mean is weighted too.
        score_type :
            "pseudo-r2-McFadden" or "pseudo-r2-Cohen".
        """
        quantities = {"pseudo-r2-McFadden": "log_likelihood", "pseudo-r2-Cohen": "deviance"}
        if score_type not in quantities:
            raise NotImplementedError(
                f"score type {score_type!r} is not known; expected one of {', '.join(quantities)}."
            )
        observed, rate, weight = _complete(y, predicted_rate, sample_weight)
        null_rate = np.broadcast_to(np.average(observed, 0, weight), observed.shape)
        quantity = quantities[score_type]
        scale = self._scale(scale)
        # The deviance cancels its scale in the ratio.
        used = scale if quantity == "log_likelihood" or self._has_parameter() else 1.0
        model, null = (
            _aggregate(
                self._quantity(quantity, observed, mean, used), aggregate_sample_scores, weight
            )
            for mean in (rate, null_rate)
        )
        # A constant y leaves nothing to explain: NaN, or -inf for a model that misses it.
        if quantity == "log_likelihood":
            null = np.where(null == 0.0, -0.0, null)
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1.0 - np.divide(model, null)

    def estimate_scale(self, y: ArrayLike, predicted_rate: ArrayLike, dof_resid: float) -> float:
        """Pearson estimate of the dispersion; for models without one their own, or 1.

        sum((y - mu)^2 / V(mu)) / dof_resid; McCullagh & Nelder (1989), eq. 4.23 and section 8.3.6.
        """
        if not _facts.observation_models()[self.name]["estimates_dispersion"]:
            return float(self._scale(None))
        if not dof_resid > 0:
            raise ValueError(
                f"`dof_resid` must be positive to estimate a dispersion, got {dof_resid}."
            )
        observed, rate = _same_shape(y, predicted_rate)
        residuals = self._quantity("pearson_residual", observed, rate, 1.0)
        return float(np.nansum(residuals**2) / dof_resid)

    def pearson(
        self,
        y: NDArray[np.float64],
        rate: NDArray[np.float64],
        weight: NDArray[np.float64],
        dof_resid: float,
        parameter: float,
    ) -> float:
        """Return the dispersion of a fit: Pearson's estimate, the parameter, or 1."""
        facts = _facts.observation_models()[self.name]
        if not facts["estimates_dispersion"]:
            return parameter if facts["has_parameter"] else 1.0
        if not dof_resid > 0:
            return float("nan")
        residuals = self._quantity("pearson_residual", y, rate, 1.0)
        return float(np.dot(weight, residuals**2) / dof_resid)

    def _has_parameter(self) -> bool:
        return bool(_facts.observation_models()[self.name]["has_parameter"])

    def _quantity(
        self,
        quantity: str,
        y: NDArray[np.float64],
        rate: NDArray[np.float64],
        scale: float | NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return a textbook quantity of each sample; `scale` may differ along the last axis."""
        if y.ndim < 2:
            rows = _core.row_quantity(self.name, quantity, y.ravel(), rate.ravel(), float(scale))
            return rows.reshape(y.shape)
        columns = [
            self._quantity(quantity, y[..., i], rate[..., i], float(value))
            for i, value in enumerate(np.broadcast_to(scale, y.shape[-1]))
        ]
        return np.stack(columns, axis=-1)


class PoissonObservations(Observations):
    """Spike counts: y ~ Poisson(mu), variance mu.

    Default inverse link exp, so that coefficients multiply the rate. Dispersion 1. Non-integer y
    are accepted (quasi-likelihood); negative y are refused.
    """

    name = "Poisson"

    def _draw(self, generator: Any, rate: Any, scale: Any) -> Any:
        return generator.poisson(rate)


class GammaObservations(Observations):
    """Positive continuous y, calcium transients for example: variance phi mu^2.

    Default inverse link 1/eta (canonical); exp is the usual choice where effects multiply. The
    dispersion phi is Pearson's estimate. y <= 0 is refused.
    """

    name = "Gamma"

    def _draw(self, generator: Any, rate: Any, scale: Any) -> Any:
        return generator.gamma(1.0 / scale, rate * scale)


class BernoulliObservations(Observations):
    """Events that happen or not: y is 0 or 1 with P(y = 1) = mu, variance mu (1 - mu).

    Default inverse link logistic (canonical); probit and cloglog are the other usual ones, and any
    other is taken where its means stay between 0 and 1. Dispersion 1. Shares between 0 and 1 are
    accepted: as many trials as `sample_weight` says. Other y are refused.
    """

    name = "Bernoulli"

    def _draw(self, generator: Any, rate: Any, scale: Any) -> Any:
        return generator.binomial(1, rate)


class NegativeBinomialObservations(Observations):
    """Spike counts that vary more than Poisson: variance mu + scale mu^2.

    Default inverse link exp. Non-integer y are accepted; negative y are refused. Hilbe (2011),
    Negative Binomial Regression.

    Parameters
    ----------
    scale :
        Dispersion, above zero: 1 / scale is the shape. "estimate" finds it by maximum likelihood
        together with the coefficients, per neuron, and leaves it in the model's `dispersion_`.
    inverse_link_function :
        As in `Observations`.
    """

    name = "NegativeBinomial"

    def __init__(
        self,
        scale: float | str = 1.0,
        inverse_link_function: str | Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(inverse_link_function)
        self.scale = scale

    def _parameter(self) -> float:
        if isinstance(self.scale, str):
            if self.scale == "estimate":
                return float("nan")
            raise ValueError(f'`scale` must be a number or "estimate", got {self.scale!r}.')
        scale = real_number(self.scale, "scale")
        if not 0.0 < scale < np.inf:
            raise ValueError(f"`scale` must be positive and finite, got {scale!r}.")
        return scale

    def _scale(self, given: Any) -> Any:
        if given is not None:
            return given
        scale = self._parameter()
        if np.isnan(scale):
            raise ValueError(
                "the scale of this model is estimated by a fit: pass `scale`, the fit's "
                "`dispersion_`."
            )
        return scale

    def _draw(self, generator: Any, rate: Any, scale: Any) -> Any:
        return generator.poisson(generator.gamma(1.0 / scale, rate * scale))


class GaussianObservations(Observations):
    """Continuous y of constant variance phi.

    Default inverse link identity (canonical): linear regression. The dispersion phi is the residual
    sum of squares divided by the residual degrees of freedom. In a penalised objective the squared
    error counts in full, without the factor 1/2.
    """

    name = "Gaussian"

    def _draw(self, generator: Any, rate: Any, scale: Any) -> Any:
        return generator.normal(rate, np.sqrt(scale))


class CustomObservations(Observations):
    """An observation model of your own, written in Python.

    A fit evaluates it in numpy and holds X in memory: expect ten times the time of a model of the
    core.

    Parameters
    ----------
    loss, first, second : callable
        Vectorised functions of (y, mean), arrays of float64 and one shape: minus the log-likelihood
        with dispersion 1, up to what does not depend on the mean, and its first and second
        derivative in the mean. They are compared with differences before a fit.
    inverse_link_function :
        Inverse link that models use when they are given none: a name, or an `InverseLink`.
    variance : callable, optional
        Variance of y for a mean, with dispersion 1. Gives the expected curvature, which steps use
        where the observed one is not positive, and Pearson's dispersion.
    estimates_dispersion :
        Whether the dispersion is estimated, with `variance`; else it is 1.
    support : callable, optional
        Whether y may be observed, array to array of bool; others are refused by `fit`.
    log_likelihood_of : callable, optional
        Log-likelihood of (y, mean, dispersion) with all constants. Without it scores are minus the
        loss divided by the dispersion, and differ by a constant.
    sample : callable, optional
        Draws y: (numpy Generator, mean, dispersion) to an array. `simulate` needs it.

    Examples
    --------
    Inverse Gaussian: variance mean**3.

    >>> import numpy as np, spikeglm as nmo
    >>> model = nmo.observation_models.CustomObservations(
    ...     loss=lambda y, mu: (y - mu) ** 2 / (2 * y * mu**2),
    ...     first=lambda y, mu: (mu - y) / mu**3,
    ...     second=lambda y, mu: (3 * y - 2 * mu) / mu**4,
    ...     variance=lambda mu: mu**3,
    ...     estimates_dispersion=True,
    ...     support=lambda y: y > 0,
    ... )
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(500, 1))
    >>> y = rng.wald(np.exp(X[:, 0]), 20.0)
    >>> fitted = nmo.glm.GLM(model).fit(X, y)
    >>> bool(abs(fitted.coef_[0] - 1) < 0.2), bool(abs(fitted.dispersion_ - 1 / 20) < 0.01)
    (True, True)
    """

    name = "Custom"

    def __init__(
        self,
        loss: Callable[[Any, Any], Any],
        first: Callable[[Any, Any], Any],
        second: Callable[[Any, Any], Any],
        inverse_link_function: Any = "exp",
        variance: Callable[[Any], Any] | None = None,
        estimates_dispersion: bool = False,
        support: Callable[[Any], Any] | None = None,
        log_likelihood_of: Callable[[Any, Any, Any], Any] | None = None,
        sample: Callable[[Any, Any, Any], Any] | None = None,
    ) -> None:
        super().__init__(inverse_link_function)
        self.loss = loss
        self.first = first
        self.second = second
        self.variance = variance
        self.estimates_dispersion = estimates_dispersion
        self.support = support
        self.log_likelihood_of = log_likelihood_of
        self.sample = sample

    @property
    def default_inverse_link_function(self) -> Any:
        """Inverse link that is used when none is given."""
        return resolve_link(self.inverse_link_function, self.name)

    def terms(
        self, y: NDArray[np.float64], mean: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return loss, first and second derivative in the mean, and the expected second one."""

        def of(function: Callable[[Any, Any], Any], name: str) -> NDArray[np.float64]:
            return checked(lambda mu: function(y, mu), mean, name, finite=False)

        second = of(self.second, "second")
        if self.variance is None:
            expected = np.maximum(second, 0.0)
        else:
            expected = 1.0 / checked(self.variance, mean, "variance", finite=False)
        return of(self.loss, "loss"), of(self.first, "first"), second, expected

    def require_support(self, y: NDArray[np.float64], used: NDArray[np.bool_]) -> None:
        """Raise ValueError at the first row in use whose y cannot be observed."""
        if self.support is None:
            return
        good = checked(self.support, y[used], "support").astype(bool)
        if not np.all(good):
            row = int(np.flatnonzero(used)[np.argmin(good)])
            raise ValueError(f"y is {y[row]} at row {row}, which is outside the model's support.")

    def pearson(
        self,
        y: NDArray[np.float64],
        rate: NDArray[np.float64],
        weight: NDArray[np.float64],
        dof_resid: float,
        parameter: float,
    ) -> float:
        """Return Pearson's dispersion where it is estimated, else 1."""
        if not self.estimates_dispersion:
            return 1.0
        if self.variance is None:
            raise ValueError("`estimates_dispersion` needs `variance`.")
        if not dof_resid > 0:
            return float("nan")
        squares = (y - rate) ** 2 / checked(self.variance, rate, "variance")
        return float(np.dot(weight, squares) / dof_resid)

    def estimate_scale(self, y: ArrayLike, predicted_rate: ArrayLike, dof_resid: float) -> float:
        """Pearson's dispersion where it is estimated, else 1."""
        observed, rate = _same_shape(y, predicted_rate)
        kept = ~(np.isnan(observed) | np.isnan(rate))
        ones = np.ones(int(kept.sum()))
        return self.pearson(observed[kept], rate[kept], ones, dof_resid, 1.0)

    def sample_generator(
        self,
        key: Any,
        predicted_rate: ArrayLike,
        scale: float | NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Draw observations with `sample`; as `Observations.sample_generator`."""
        if self.sample is None:
            raise ValueError(
                "this model cannot be simulated: construct it with `sample`, a function of "
                "(generator, mean, dispersion)."
            )
        rate = np.asarray(predicted_rate, dtype=np.float64)
        missing = np.isnan(rate)
        generator = random_generator(key)
        dispersion = np.broadcast_to(np.asarray(self._scale(scale), dtype=np.float64), rate.shape)
        drawn = np.full(rate.shape, np.nan)
        drawn[~missing] = checked(
            lambda mu: self.sample(generator, mu, dispersion[~missing]),  # type: ignore[misc]
            rate[~missing],
            "sample",
        )
        return drawn

    def _draw(self, generator: Any, rate: Any, scale: Any) -> Any:
        raise NotImplementedError

    def _has_parameter(self) -> bool:
        return False

    def _quantity(
        self,
        quantity: str,
        y: NDArray[np.float64],
        rate: NDArray[np.float64],
        scale: float | NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return a quantity of each sample, NaN where y or the mean is."""
        result = np.full(y.shape, np.nan)
        known = ~(np.isnan(y) | np.isnan(rate))
        observed, mean = y[known], rate[known]
        phi = np.broadcast_to(np.asarray(scale, dtype=np.float64), y.shape)[known]

        def loss(mu: NDArray[np.float64]) -> NDArray[np.float64]:
            return checked(lambda m: self.loss(observed, m), mu, "loss", finite=False)

        if quantity == "deviance":
            saturated = loss(observed)
            # y log(y / mean) at y = 0 and the like: their limit.
            saturated = np.where(np.isnan(saturated), loss(observed + 1e-300), saturated)
            result[known] = 2.0 * (loss(mean) - saturated)
        elif self.log_likelihood_of is None:
            result[known] = -loss(mean) / phi
        else:
            given = self.log_likelihood_of
            result[known] = checked(
                lambda mu: given(observed, mu, phi), mean, "log_likelihood_of", finite=False
            )
        return result


class CategoricalObservations(BaseEstimator):
    """One of several classes, with probabilities that sum to one.

    Arrays end in a dimension of classes: y is one-hot, and what predicts it are log-probabilities,
    as `ClassifierGLM.predict_proba` returns them for ``return_type="log-proba"``. There is no
    dispersion: `scale` is there for the signature and must be 1 or None.
    """

    name: ClassVar[str] = "Categorical"
    default_inverse_link_function: ClassVar[str] = "log_softmax"

    def log_likelihood(
        self,
        y: ArrayLike,
        log_proba: ArrayLike,
        scale: float | None = None,
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Return the aggregate of the log-probabilities of the classes that occurred, in nats.

        Parameters
        ----------
        y, log_proba : (n_samples, ..., n_classes)
            One-hot classes and log-probabilities. Samples with a NaN are left out.
        scale :
            1, or None.
        aggregate_sample_scores, sample_weight :
            As in `Observations.log_likelihood`.
        """
        scores, weight = self._scores(y, log_proba, scale, sample_weight)
        return _aggregate(scores, aggregate_sample_scores, weight)

    def likelihood(
        self,
        y: ArrayLike,
        log_proba: ArrayLike,
        scale: float | None = None,
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Return exp of what `log_likelihood` returns."""
        return np.exp(
            self.log_likelihood(
                y, log_proba, scale, aggregate_sample_scores, sample_weight=sample_weight
            )
        )

    def deviance(
        self, y: ArrayLike, log_proba: ArrayLike, scale: float | None = None
    ) -> NDArray[np.float64]:
        """Return -2 log p of the class that occurred, (n_samples, ...); NaN where either is."""
        self._require_no_scale(scale)
        one_hot, log_p = _same_shape(y, log_proba)
        deviance = -2.0 * np.sum(one_hot * np.where(one_hot > 0.0, log_p, 0.0), axis=-1)
        missing = (np.isnan(one_hot) | np.isnan(log_p)).any(axis=-1)
        return np.where(missing, np.nan, deviance)

    def pseudo_r2(
        self,
        y: ArrayLike,
        log_proba: ArrayLike,
        score_type: str = "pseudo-r2-McFadden",
        scale: float | None = None,
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Return 1 - LL / LL_null; the null model has the shares of the scored classes.

        The deviance of a saturated model is zero, so that McFadden's and Cohen's are the same.
        """
        if score_type not in ("pseudo-r2-McFadden", "pseudo-r2-Cohen"):
            raise NotImplementedError(
                f"score type {score_type!r} is not known; expected pseudo-r2-McFadden or "
                "pseudo-r2-Cohen."
            )
        scores, weight = self._scores(y, log_proba, scale, sample_weight)
        one_hot, _, _ = _complete(y, log_proba, sample_weight)
        with np.errstate(divide="ignore"):
            null = np.broadcast_to(np.log(np.average(one_hot, 0, weight)), one_hot.shape)
        null_scores = np.sum(one_hot * np.where(one_hot > 0.0, null, 0.0), axis=-1)
        model = _aggregate(scores, aggregate_sample_scores, weight)
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1.0 - np.divide(model, _aggregate(null_scores, aggregate_sample_scores, weight))

    def estimate_scale(self, y: ArrayLike, log_proba: ArrayLike, dof_resid: float) -> float:
        """Return 1: there is no dispersion."""
        return 1.0

    def sample_generator(
        self, key: Any, log_proba: ArrayLike, scale: float | None = None
    ) -> NDArray[np.float64]:
        """Draw one-hot classes, the shape of `log_proba`; as `Observations.sample_generator`."""
        self._require_no_scale(scale)
        values = np.asarray(log_proba, dtype=np.float64)
        cumulative = np.cumsum(np.exp(values), axis=-1)
        uniform = random_generator(key).uniform(size=values.shape[:-1])
        drawn = np.minimum(np.sum(uniform[..., None] > cumulative, axis=-1), values.shape[-1] - 1)
        one_hot = (drawn[..., None] == np.arange(values.shape[-1])).astype(np.float64)
        return np.where(np.isnan(values).any(axis=-1, keepdims=True), np.nan, one_hot)

    def _scores(
        self, y: ArrayLike, log_proba: ArrayLike, scale: Any, sample_weight: Any
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        self._require_no_scale(scale)
        one_hot, log_p, weight = _complete(y, log_proba, sample_weight)
        return np.sum(one_hot * np.where(one_hot > 0.0, log_p, 0.0), axis=-1), weight

    @staticmethod
    def _require_no_scale(scale: Any) -> None:
        if scale is not None and np.any(np.asarray(scale) != 1.0):
            raise ValueError(f"a categorical model has no scale, got {scale!r}.")


def resolve_model(model: str | Observations) -> Observations:
    """Return an observation model given by name or as an object."""
    if isinstance(model, Observations):
        return model
    classes = {
        cls.name: cls for cls in Observations.__subclasses__() if cls is not CustomObservations
    }
    key = str(model).split(".")[-1].removesuffix("Observations")
    if isinstance(model, CategoricalObservations) or key == "Categorical":
        raise ValueError(
            "a categorical model is fitted by ClassifierGLM or ClassifierPopulationGLM."
        )
    if not isinstance(model, str) or key not in classes:
        raise ValueError(
            f"unknown observation model {model!r}; known: {', '.join(sorted(classes))}, or an "
            "object of spikeglm.observation_models."
        )
    return classes[key]()


def _same_shape(
    y: ArrayLike, predicted_rate: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    observed = np.asarray(y, dtype=np.float64)
    rate = np.asarray(predicted_rate, dtype=np.float64)
    if observed.shape != rate.shape:
        raise ValueError(
            f"y and the predicted rate must have the same shape, got {observed.shape} and "
            f"{rate.shape}."
        )
    return observed, rate


def _complete(
    y: ArrayLike, predicted_rate: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the samples (rows) without a NaN, with their weights; refuse to score none."""
    observed, rate = _same_shape(y, predicted_rate)
    if observed.ndim == 0:
        observed, rate = observed[None], rate[None]
    missing = np.isnan(observed) | np.isnan(rate)
    kept = np.asarray(~missing.any(axis=tuple(range(1, missing.ndim))))
    weight = per_sample(sample_weight, len(kept), "sample_weight")
    if weight is not None:
        if not np.all(np.isfinite(weight) & (weight >= 0.0)):
            raise ValueError("sample_weight must be finite and not negative.")
        kept &= weight > 0.0
        weight = weight[kept]
    if not np.any(kept):
        raise ValueError(
            f"there is nothing to score: {len(kept)} samples, all with a NaN in y or in the "
            "predicted rate, or with weight zero."
        )
    return observed[kept], rate[kept], weight


def _aggregate(
    scores: NDArray[np.float64], aggregator: Aggregator, weight: NDArray[np.float64] | None
) -> Any:
    if weight is None:
        return aggregator(scores)
    if aggregator not in (np.mean, np.sum):
        raise ValueError(
            "with `sample_weight`, `aggregate_sample_scores` must be numpy.mean or numpy.sum."
        )
    total = np.tensordot(weight, scores, axes=1).sum()
    return total / (weight.sum() * scores[0].size) if aggregator is np.mean else total
