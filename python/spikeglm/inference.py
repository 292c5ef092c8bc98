"""How sure are the coefficients? Standard errors, intervals, tests, bands and a summary.

`GLM.inference` and `PopulationGLM.inference` make an :class:`Inference`, to which
`standard_errors_`, `conf_int`, `wald_test`, `likelihood_ratio_test` and `summary` of a fitted model
are shortcuts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ._neuron import Neuron
from ._validation import FloatArray, whole_number

__all__ = ["Band", "Inference", "TestResult"]

_DRAWS = 20_000


@dataclass(frozen=True)
class TestResult:
    """Outcome of a test.

    Attributes
    ----------
    statistic : float
    pvalue : float
        Probability of a statistic as large, were the hypothesis true.
    distribution : str
        Of the statistic: "chi2" or "F".
    df : float
        Number of restrictions.
    df_resid : float
        Residual degrees of freedom of an F statistic; infinity for chi2.
    """

    statistic: float
    pvalue: float
    distribution: str
    df: float
    df_resid: float = np.inf

    __test__ = False  # no test for pytest

    @classmethod
    def of(cls, chi2: float, df: float, df_resid: float) -> "TestResult":
        """Return the test of a chi2 statistic, as F where the dispersion was estimated."""
        if np.isinf(df_resid):
            return cls(chi2, float(stats.chi2.sf(chi2, df)), "chi2", df)
        ratio = chi2 / df
        return cls(ratio, float(stats.f.sf(ratio, df, df_resid)), "F", df, df_resid)


@dataclass(frozen=True, eq=False)
class Band:
    """A fitted curve with its confidence band.

    Attributes
    ----------
    estimate, low, high, standard_errors : ndarray of float64, shape (n_points,)
        On the scale that was asked for; `standard_errors` on that of the linear predictor.
    critical : float
        Half width of the band in standard errors, on the scale of the linear predictor.
    level : float
    simultaneous : bool
        Whether the band covers the whole curve at once, or each point for itself.
    """

    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    standard_errors: FloatArray
    critical: float
    level: float
    simultaneous: bool


class Inference:
    """Uncertainty of the coefficients of a fitted model.

    Made by `GLM.inference` and `PopulationGLM.inference`; for a population attributes have one more
    axis for the neurons, at their end.

    Attributes
    ----------
    covariance_type : str
        "model" (the inverse information times the dispersion; Bayesian under a penalty), "robust"
        or "hac".
    standard_errors : ndarray of float64, (n_features,) or (n_features, n_neurons)
        NaN where the data do not identify the coefficient.
    intercept_standard_errors : ndarray of float64, (n_neurons,)
    covariance : ndarray of float64, (n_features, n_features) or (n_features, n_features, n_neurons)
        Of the coefficients. NaN as `standard_errors`.
    edf : ndarray of float64, (n_features,) or (n_features, n_neurons)
        Effective degrees of freedom of each coefficient; one without a penalty.
    log_likelihood, deviance, null_deviance, aic, bic : float, or ndarray (n_neurons,)
        In nats. For Gaussian and Gamma models the log-likelihood is that at the dispersion
        deviance / n, as R states it, and the dispersion counts as a parameter in `aic` and `bic`.
        With `sample_weight`, n is the sum of the weights, which count rows; R takes weights as
        precisions, and n as the number of rows.

    Notes
    -----
    With H the information of the rows at the solution and S the curvature of a quadratic penalty on
    the same scale, "model" is phi (H + S)^-1: without a penalty the usual one (McCullagh & Nelder
    1989, section 4.4); with one the posterior covariance under the prior that the penalty stands
    for, whose intervals cover well across a curve (Wood 2006, Generalized Additive Models, section
    4.8). "robust" is (H + S)^-1 sum_i s_i s_i' (H + S)^-1 for the scores s_i of the rows (White
    1982, Econometrica 50); "hac" takes products of scores up to `lags` rows apart too, with
    Bartlett's weights (Newey & West 1987, Econometrica 55), never across a gap or the border of an
    epoch.
    """

    def __init__(
        self,
        neurons: Sequence[Neuron],
        features: Sequence[str],
        single: bool,
        title: str,
        covariance_type: str,
        penalised: bool,
    ) -> None:
        self._neurons = list(neurons)
        self._features = list(features)
        self._single = single
        self._title = title
        self._penalised = penalised
        self.covariance_type = covariance_type

    def __repr__(self) -> str:
        """Name what it is of; `summary` has the numbers."""
        return f"<Inference of {self._title}, covariance {self._description}; see summary()>"

    @property
    def _description(self) -> str:
        bayesian = self.covariance_type == "model" and self._penalised
        return "Bayesian (posterior under the penalty)" if bayesian else self.covariance_type

    def _stack(self, values: list[Any]) -> Any:
        return values[0] if self._single else np.stack(values, axis=-1)

    def _each(self, name: str) -> Any:
        values = np.array([getattr(neuron, name) for neuron in self._neurons])
        return float(values[0]) if self._single else values

    @property
    def standard_errors(self) -> FloatArray:
        """Standard errors of the coefficients."""
        return self._stack([n.covariance.standard_errors[:-1] for n in self._neurons])

    @property
    def intercept_standard_errors(self) -> FloatArray:
        """Standard errors of the intercepts, (n_neurons,)."""
        return np.array([n.covariance.standard_errors[-1] for n in self._neurons])

    @property
    def covariance(self) -> FloatArray:
        """Covariance of the coefficients."""
        return self._stack([n.covariance.shown[:-1, :-1] for n in self._neurons])

    @property
    def edf(self) -> FloatArray:
        """Effective degrees of freedom of each coefficient."""
        return self._stack([n.edf[:-1] for n in self._neurons])

    @property
    def log_likelihood(self) -> Any:
        """Log-likelihood of the rows, in nats."""
        return self._each("log_likelihood")

    @property
    def deviance(self) -> Any:
        """Deviance, unscaled."""
        return self._each("deviance")

    @property
    def null_deviance(self) -> Any:
        """Deviance of the model without coefficients."""
        return self._each("null_deviance")

    def _criterion(self, factor: Any) -> Any:
        factors = np.broadcast_to(factor, len(self._neurons))
        values = np.array([n.criterion(f) for n, f in zip(self._neurons, factors, strict=True)])
        return float(values[0]) if self._single else values

    @property
    def aic(self) -> Any:
        """Akaike's criterion, 2 k - 2 log L, with effective degrees of freedom as k."""
        return self._criterion(2.0)

    @property
    def bic(self) -> Any:
        """Schwarz' criterion, log(n) k - 2 log L."""
        return self._criterion(np.log([n.n_samples for n in self._neurons]))

    @property
    def statistics(self) -> FloatArray:
        """Coefficients over their standard errors: z, or t where the dispersion is estimated."""
        return self._stack([n.parameters[:-1] for n in self._neurons]) / self.standard_errors

    @property
    def pvalues(self) -> FloatArray:
        """Two-sided p-values of the coefficients, each against zero."""
        return self._stack([n.pvalues[:-1] for n in self._neurons])

    @property
    def intercept_pvalues(self) -> FloatArray:
        """Two-sided p-values of the intercepts, (n_neurons,)."""
        return np.array([n.pvalues[-1] for n in self._neurons])

    def conf_int(self, level: float = 0.95, *, intercept: bool = False) -> FloatArray:
        """Return confidence intervals of the coefficients, each for itself.

        Parameters
        ----------
        level :
            Probability that an interval covers.
        intercept :
            Whether to give those of the intercepts instead.

        Returns
        -------
        ndarray of float64
            (n_features, 2), for a population (n_features, 2, n_neurons); of the intercepts
            (n_neurons, 2).
        """
        _check_level(level)
        intervals = []
        for neuron in self._neurons:
            half = neuron.quantile(level) * neuron.covariance.standard_errors
            intervals.append(np.stack([neuron.parameters - half, neuron.parameters + half], axis=1))
        if intercept:
            return np.array([interval[-1] for interval in intervals])
        return self._stack([interval[:-1] for interval in intervals])

    def wald_test(
        self, restrictions: Any, value: ArrayLike = 0.0, *, neuron: int = 0
    ) -> TestResult:
        """Test linear restrictions of the coefficients, R beta = value.

        Parameters
        ----------
        restrictions :
            Names or numbers of the coefficients that are zero under the hypothesis, a slice, or R,
            (n_restrictions, n_features), or with the intercept last (n_restrictions,
            n_features + 1).
        value : (n_restrictions,)
            What they are equal to.
        neuron :
            Which one of a population.

        Returns
        -------
        TestResult
            (R beta - value)' (R V R')^- (R beta - value): chi2, over its degrees of freedom F where
            the dispersion is estimated. Restrictions that others imply are not counted twice.

        Raises
        ------
        ValueError
            The data do not determine a restriction.
        """
        one = self._neurons[neuron]
        R = self._restrictions(restrictions)
        one.covariance.require_estimable(R)
        difference = R @ one.parameters - np.broadcast_to(np.asarray(value, float), len(R))
        V = R @ one.covariance.matrix @ R.T
        scale = 1.0 / np.sqrt(np.diag(V))
        values, vectors = np.linalg.eigh(V * scale[:, None] * scale)
        kept = values > 1e-10 * values.max()
        projected = vectors[:, kept].T @ (difference * scale)
        chi2 = float(np.sum(projected**2 / values[kept]))
        return TestResult.of(chi2, float(kept.sum()), one.df_resid)

    def curve_test(self, rows: ArrayLike, *, columns: Any = None, neuron: int = 0) -> TestResult:
        """Test whether a fitted curve is flat: whether its input matters.

        Parameters
        ----------
        rows : (n_points, n_columns)
            The basis at the points of the curve, as in `band`.
        columns :
            Which coefficients `rows` multiplies, a slice or numbers; all by default.
        neuron :
            Which one of a population.

        Returns
        -------
        TestResult
            Wood (2013), Biometrika 100, eq. 2: the curve, less its mean, against its r largest
            directions of variance, r being the effective degrees of freedom of the coefficients,
            rounded. That the data chose the strengths is not allowed for.

        Raises
        ------
        ValueError
            The data do not determine the shape of the curve.
        """
        one = self._neurons[neuron]
        values, R = self._curve(rows, columns)
        seen = ~np.isnan(values).any(axis=1)
        R = R[seen] - R[seen].mean(axis=0)
        one.covariance.require_estimable(R[np.abs(R).max(axis=1) > 0.0])
        curve = R @ one.parameters
        left, singular, _ = np.linalg.svd(R @ one.covariance.root, full_matrices=False)
        rank = int(np.sum(singular > 1e-7 * singular[0])) if singular.size else 0
        if rank == 0:
            raise ValueError("the curve is flat whatever its coefficients are.")
        used = np.abs(R).max(axis=0)[:-1] > 0.0
        df = min(max(1, round(float(np.nansum(one.edf[:-1][used])))), rank)
        chi2 = float(np.sum((left[:, :df].T @ curve / singular[:df]) ** 2))
        return TestResult.of(chi2, df, one.df_resid)

    def determined_covariance(self, columns: Any = None, *, neuron: int = 0) -> FloatArray:
        """Return the covariance of what the data determine of some coefficients.

        Directions along which the data say nothing, as the level of a spline beside an intercept,
        are taken out; fitted coefficients have nothing along them.

        Parameters
        ----------
        columns :
            A slice or numbers; all by default.
        neuron :
            Which one of a population.

        Returns
        -------
        ndarray of float64, (n_columns, n_columns)
        """
        one = self._neurons[neuron].covariance
        index = np.arange(len(self._features))[slice(None) if columns is None else columns]
        null = one.undetermined[index]
        left, singular, _ = np.linalg.svd(null, full_matrices=False)
        left = left[:, singular > 1e-8]
        root = one.root[index]
        root = root - left @ (left.T @ root)
        return np.asarray(root @ root.T)

    def _curve(self, rows: ArrayLike, columns: Any) -> tuple[FloatArray, FloatArray]:
        """Return rows of a basis, and the same as contrasts of all parameters."""
        n = len(self._features)
        index = np.arange(n)[slice(None) if columns is None else columns]
        values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        if values.ndim != 2 or values.shape[1] != len(index):
            raise ValueError(
                f"rows must have a column for each of the {len(index)} coefficients, got shape "
                f"{np.shape(rows)}."
            )
        R = np.zeros((len(values), n + 1))
        R[:, index] = values
        return values, R

    def _restrictions(self, given: Any) -> FloatArray:
        n = len(self._features)
        if isinstance(given, slice):
            given = np.arange(n)[given]
        if isinstance(given, str):
            given = [given]
        items = list(given) if isinstance(given, list | tuple) else given
        if isinstance(items, list) and all(isinstance(item, str) for item in items):
            unknown = [item for item in items if item not in self._features]
            if unknown:
                raise ValueError(
                    f"no coefficient is called {unknown[0]!r}; they are called "
                    f"{', '.join(self._features[:8])}{', ...' if n > 8 else ''}."
                )
            items = [self._features.index(item) for item in items]
        array = np.asarray(items)
        if array.ndim <= 1 and array.dtype.kind in "iu":
            index = np.atleast_1d(array)
            if index.size == 0 or index.min() < -n or index.max() >= n:
                raise ValueError(f"coefficients are numbered 0 to {n - 1}, got {given!r}.")
            R = np.zeros((len(index), n + 1))
            R[np.arange(len(index)), index] = 1.0
            return R
        R = np.atleast_2d(array.astype(np.float64))
        if R.ndim != 2 or R.shape[1] not in (n, n + 1):
            raise ValueError(
                f"restrictions must have {n} columns, or {n + 1} with the intercept last; got "
                f"shape {array.shape}."
            )
        return R if R.shape[1] == n + 1 else np.hstack([R, np.zeros((len(R), 1))])

    def likelihood_ratio_test(self, other: "Inference") -> Any:
        """Test this model against a larger or smaller one that contains it.

        Parameters
        ----------
        other :
            The other model's; both of fits to the same y, one nested in the other.

        Returns
        -------
        TestResult
            Twice the difference of the log-likelihoods, chi2; where the dispersion is estimated the
            difference of deviances over it, F (Venables & Ripley 2002, section 7.1). A list of
            them, one per neuron, for a population.

        Raises
        ------
        ValueError
            The models differ in their rows or neurons, have as many coefficients, or a penalty.
        """
        if self._penalised or other._penalised:
            raise ValueError(
                "penalised models have no likelihood-ratio test; use `wald_test` of the "
                "coefficients, or compare `aic`."
            )
        if len(self._neurons) != len(other._neurons):
            raise ValueError(
                f"the models have {len(self._neurons)} and {len(other._neurons)} neurons."
            )
        results = []
        for a, b in zip(self._neurons, other._neurons, strict=True):
            if a.n_samples != b.n_samples or not np.isclose(
                a.null_deviance, b.null_deviance, rtol=1e-9
            ):
                raise ValueError(
                    "the models were fitted to different rows or different y; "
                    f"{a.n_samples:g} and {b.n_samples:g} samples."
                )
            small, large = sorted((a, b), key=lambda n: float(np.nansum(n.edf)))
            df = float(np.nansum(large.edf) - np.nansum(small.edf))
            if df < 0.5:
                raise ValueError(
                    "the models have equally many coefficients: none contains the other."
                )
            if np.isinf(large.df_resid):
                chi2 = 2.0 * (large.log_likelihood - small.log_likelihood)
            else:
                chi2 = (small.deviance - large.deviance) / large.dispersion
            results.append(TestResult.of(max(chi2, 0.0), round(df), large.df_resid))
        return results[0] if self._single else results

    def band(
        self,
        rows: ArrayLike,
        level: float = 0.95,
        *,
        simultaneous: bool = True,
        intercept: bool = False,
        centered: bool = False,
        inverse_link: Any = None,
        neuron: int = 0,
        columns: Any = None,
        random_state: int = 0,
    ) -> Band:
        """Return a fitted curve, a filter or a tuning curve, with its confidence band.

        Parameters
        ----------
        rows : (n_points, n_columns)
            The basis at the points of the curve: ``basis.evaluate_on_grid`` of a tuning curve, the
            basis itself over the window of a filter.
        level :
            Probability that the band covers.
        simultaneous :
            Whether it is to cover all points at once: its half width in standard errors is the
            quantile of the largest of |z| over the points, from 20,000 draws (Ruppert, Wand &
            Carroll 2003, Semiparametric Regression, section 6.5).
        intercept :
            Whether the intercept belongs to the curve.
        centered :
            Whether to take the curve less its mean over the points: splines sum to one, so that
            their level cannot be told from the intercept, but their shape can.
        inverse_link :
            A function of arrays, ``numpy.exp`` say, through which estimate and band are passed.
        neuron :
            Which one of a population.
        columns :
            Which coefficients `rows` multiplies, a slice or numbers; all by default.
        random_state :
            Seed of the draws.

        Returns
        -------
        Band

        Raises
        ------
        ValueError
            The data do not determine the curve; `centered` or `intercept` may help.
        """
        _check_level(level)
        one = self._neurons[neuron]
        values, R = self._curve(rows, columns)
        R[:, -1] = float(intercept)
        seen = ~np.isnan(values).any(axis=1)
        if centered:
            R -= R[seen].mean(axis=0)
        one.covariance.require_estimable(R[seen])
        estimate = R @ one.parameters
        errors = np.full(len(R), np.nan)
        root = one.covariance.root
        projected = R[seen] @ root
        errors[seen] = np.sqrt(np.sum(projected**2, axis=1))
        critical = one.quantile(level)
        if simultaneous:
            critical = _largest(projected, level, one.df_resid, random_state)
        low, high = estimate - critical * errors, estimate + critical * errors
        if inverse_link is not None:
            low, estimate, high = inverse_link(low), inverse_link(estimate), inverse_link(high)
            low, high = np.minimum(low, high), np.maximum(low, high)
        return Band(estimate, low, high, errors, float(critical), level, simultaneous)

    def summary(self, neuron: int | None = None, level: float = 0.95) -> str:
        """Return a table of the coefficients, to be printed.

        Parameters
        ----------
        neuron :
            Which one of a population; all by default.
        level :
            Of the confidence intervals.
        """
        _check_level(level)
        if neuron is not None:
            neuron = whole_number(neuron, "neuron", 0)
            return self._summary_of(self._neurons[neuron], level)
        return "\n\n".join(self._summary_of(one, level) for one in self._neurons)

    def _summary_of(self, one: Neuron, level: float) -> str:
        title = self._title + ("" if self._single else f", neuron {one.name}")
        return one.summary(title, self._features, self._description, level)


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ValueError(f"`level` must lie between 0 and 1, got {level!r}.")


def _largest(projected: FloatArray, level: float, df_resid: float, seed: int) -> float:
    """Return the quantile of the largest |z| of the points, whose covariance is A A'."""
    length = np.linalg.norm(projected, axis=1)
    unit = projected[length > 0.0] / length[length > 0.0, None]
    if len(unit) == 0:
        return 0.0
    generator = np.random.default_rng(seed)
    # Only the space that the points span matters.
    _, singular, axes = np.linalg.svd(unit, full_matrices=False)
    kept = singular > 1e-10 * singular[0]
    points = unit @ axes[kept].T
    largest = np.empty(_DRAWS)
    for first in range(0, _DRAWS, 1000):
        draws = generator.standard_normal((points.shape[1], 1000))
        largest[first : first + 1000] = np.abs(points @ draws).max(axis=0)
    if not np.isinf(df_resid):
        largest /= np.sqrt(generator.chisquare(df_resid, _DRAWS) / df_resid)
    return float(np.quantile(largest, level))
