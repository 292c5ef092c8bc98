"""Generalized linear models."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._estimator import BaseGLM, InitParams, keep_bounds, rows_of, starts_of
from ._reports import CONVERGED, warn_about
from ._timeseries import common_axis, like_estimate, plain, time_axis
from ._validation import FloatArray, target_matrix, target_vector
from .observation_models import Aggregator

__all__ = ["GLM", "PopulationGLM"]


class GLM(BaseGLM):
    r"""Generalized linear model of one neuron.

    Minimises over coefficients and intercept

    .. math:: \frac{\sum_i w_i\,\ell(y_i, \eta_i)}{\sum_i w_i}
              + \tfrac12 \sum_j s_j \beta_j^2, \qquad
              \eta = X\beta + b + \text{offset}

    where :math:`\ell` is the negative log-likelihood without constants. McCullagh & Nelder (1989),
    Generalized Linear Models.

    Parameters
    ----------
    observation_model :
        "Poisson", "Gamma", or an object of `spikeglm.observation_models`.
    inverse_link_function :
        "exp", "softplus", "reciprocal" or "identity", a numpy, scipy or jax function of that name,
        or None for the model's default.
    regularizer :
        "UnRegularized", "Ridge", or an object of `spikeglm.regularizer`; None is "UnRegularized".
    regularizer_strength :
        Number, or one per coefficient; None means 1.0 for Ridge. Must be None without a penalty.
    solver_name :
        "Newton", or None for the default of the regularizer.
    solver_kwargs :
        `tol`: distance to the optimum at which to stop, in standard errors (default 1e-8);
        `maxiter`: largest number of steps (default 100).
    n_threads :
        Largest number of threads; the result does not depend on it. None takes the environment
        variable SPIKEGLM_NUM_THREADS, else OMP_NUM_THREADS, else the processors that the affinity
        mask and the cgroup quota leave.

    Attributes
    ----------
    coef_ : ndarray (n_features,), float64
        Coefficients. Exactly zero for columns that are constant.
    intercept_ : ndarray (1,), float64
        Intercept; -inf under the exp link for a neuron that never fires.
    dispersion_, scale_ : float
        Dispersion phi: 1, or Pearson's estimate for models that have one; NaN without residual
        degrees of freedom.
    dof_resid_ : float
        Sum of the weights of the rows used, minus `rank_`.
    rank_ : int
        Rank of [1, X] over the rows used.
    aliased_ : ndarray of int
        Columns that are constant over the rows used.
    n_iter_ : int
        Steps taken.
    converged_ : bool
        Whether the optimum was reached.
    status_ : str
        "converged", "precision limit" (rounding allows no further progress; counted as converged),
        "max iterations", "line search failed", "saddle point", "separated" or "silent".
    kkt_ : float
        max_j |g_j| / sqrt(h_jj) at the returned point, for the gradient g and the exact diagonal h
        of the curvature of the total penalised negative log-likelihood, columns centred.
    n_dropped_ : int
        Rows left out because of a NaN in X or y.
    n_features_in_ : int
        Number of columns of X.

    Examples
    --------
    >>> import numpy as np, spikeglm as nmo
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2))
    >>> y = rng.poisson(np.exp(0.5 * X[:, 0] - 1))
    >>> nmo.glm.GLM().fit(X, y).converged_
    True
    """

    dispersion_: float

    def fit(
        self,
        X: Any,
        y: Any,
        init_params: InitParams | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> "GLM":
        """Fit the model.

        Parameters
        ----------
        X : (n_samples, n_features)
            Design matrix of any real dtype and memory layout, not copied; a pynapple TsdFrame; or a
            lazy design (`Basis.design`). A row with a NaN is left out; an infinity raises.
        y : (n_samples,)
            Observations, counts per bin for Poisson. A NaN leaves its row out.
        init_params :
            (coef, intercept) to start from.
        sample_weight : (n_samples,)
            Number of times that each row counts; zero leaves it out. Need not be whole.
        offset : (n_samples,)
            Known part of the linear predictor, log exposure for example. Must be finite.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Shapes or time axes do not match; y is outside the model's support; X, y or offset hold
            an infinity; no row is left; unknown names or parameters out of range.

        Warns
        -----
        ConvergenceWarning, SeparationWarning, IdentifiabilityWarning, SilentNeuronWarning
            See `spikeglm.exceptions`. An interrupted or refused fit leaves the model as it was.
        """
        _, (n_samples, n_features), _ = rows_of(X)
        common_axis([("X", X), ("y", y)])
        target = target_vector(plain(y), n_samples)
        starts = starts_of(init_params, n_features, 1)
        (result,) = self._fit_columns(X, [target], starts, sample_weight, offset)

        self.coef_ = result.coef
        self.intercept_ = np.array([result.intercept])
        self.dispersion_ = result.dispersion
        self.dof_resid_ = result.sum_of_weights - result.rank
        self.rank_ = result.rank
        self.aliased_ = result.aliased
        self.n_iter_ = result.n_iterations
        self.status_ = result.status
        self.converged_ = result.status in CONVERGED
        self.kkt_ = result.kkt
        self.n_dropped_ = result.n_dropped
        self.n_features_in_ = n_features
        keep_bounds(X)
        warn_about([result], n_features, [])
        return self

    @property
    def scale_(self) -> float:
        """Dispersion phi, under the name that NeMoS gives it."""
        self._require_fitted()
        return self.dispersion_

    def predict(self, X: Any, *, offset: ArrayLike | None = None) -> Any:
        """Return the mean of y for each row, (n_samples,).

        For counts this is the expected count per bin: multiply it by the sampling rate for
        spikes/s. float32 for a float32 X, float64 otherwise; a pynapple Tsd where X has a time
        axis. Rows with a NaN stay NaN.
        """
        self._require_fitted()
        means, axis = self._predict_columns(X, self.coef_[:, None], offset)
        return like_estimate(means[:, 0], axis)

    def score(
        self,
        X: Any,
        y: Any,
        score_type: str = "log-likelihood",
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        offset: ArrayLike | None = None,
    ) -> Any:
        """Score the predictions for X against y.

        Parameters
        ----------
        X, y, offset :
            As in `fit`; rows with a NaN are left out.
        score_type :
            "log-likelihood" (in nats, with all normalising constants), "pseudo-r2-McFadden" or
            "pseudo-r2-Cohen".
        aggregate_sample_scores :
            Turns scores per sample into what is returned; the mean by default, `numpy.sum` for the
            total.
        """
        self._require_fitted()
        common_axis([("X", X), ("y", y)])
        means, _ = self._predict_columns(X, self.coef_[:, None], offset)
        target = target_vector(plain(y), means.shape[0])
        rate = means[:, 0].astype(np.float64)
        return self._score(target, rate, score_type, self.dispersion_, aggregate_sample_scores)


class PopulationGLM(BaseGLM):
    """Generalized linear models of several neurons that share one design.

    Each neuron is fitted on its own, with the objective of `GLM`: its result does not depend on
    which other neurons are fitted with it. A NaN in one neuron's y leaves that row out for that
    neuron only.

    Parameters
    ----------
    observation_model, inverse_link_function, regularizer, solver_name, solver_kwargs, n_threads :
        As in `GLM`.
    regularizer_strength :
        Number, one per coefficient (n_features,), or one per coefficient and neuron
        (n_features, n_neurons).

    Attributes
    ----------
    coef_ : ndarray (n_features, n_neurons), float64
    intercept_ : ndarray (n_neurons,), float64
    dispersion_, scale_, dof_resid_, rank_, n_iter_, converged_, status_, kkt_, n_dropped_ :
        As in `GLM`, arrays with one value per neuron.
    aliased_ : list of ndarray
        Per neuron, the columns that are constant over its rows.
    n_features_in_ : int
        Number of columns of X.
    """

    dispersion_: FloatArray
    # Columns and metadata of the y of training, for the time series that `predict` returns.
    _columns: Any = None
    _metadata: Any = None

    def fit(
        self,
        X: Any,
        y: Any,
        init_params: InitParams | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> "PopulationGLM":
        """Fit all neurons.

        Parameters
        ----------
        X : (n_samples, n_features)
            As in `GLM.fit`.
        y : (n_samples, n_neurons)
            Observations; an array or a pynapple TsdFrame, whose columns `predict` returns.
        init_params :
            (coef, intercept) of shapes (n_features, n_neurons) and (n_neurons,).
        sample_weight, offset : (n_samples,)
            As in `GLM.fit`, the same for all neurons.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `GLM.fit`.

        Warns
        -----
        ConvergenceWarning, SeparationWarning, IdentifiabilityWarning, SilentNeuronWarning
            Name the neurons, by column of y.
        """
        _, (n_samples, n_features), _ = rows_of(X)
        common_axis([("X", X), ("y", y)])
        target = target_matrix(plain(y), n_samples)
        n_neurons = target.shape[1]
        starts = starts_of(init_params, n_features, n_neurons)
        results = self._fit_columns(X, list(target.T), starts, sample_weight, offset)

        self.coef_ = np.stack([result.coef for result in results], axis=1)
        self.intercept_ = _each(results, "intercept")
        self.dispersion_ = _each(results, "dispersion")
        self.rank_ = _each(results, "rank")
        self.dof_resid_ = _each(results, "sum_of_weights") - self.rank_
        self.aliased_ = [result.aliased for result in results]
        self.n_iter_ = _each(results, "n_iterations")
        self.status_ = _each(results, "status")
        self.converged_ = np.isin(self.status_, CONVERGED)
        self.kkt_ = _each(results, "kkt")
        self.n_dropped_ = _each(results, "n_dropped")
        self.n_features_in_ = n_features
        columns = getattr(y, "columns", None) if time_axis(y) is not None else None
        self._columns = None if columns is None else np.asarray(columns)
        self._metadata = None if columns is None else getattr(y, "metadata", None)
        keep_bounds(X)
        names = range(n_neurons) if columns is None else columns
        warn_about(results, n_features, list(names))
        return self

    @property
    def scale_(self) -> FloatArray:
        """Dispersion phi of each neuron, under the name that NeMoS gives it."""
        self._require_fitted()
        return self.dispersion_

    def predict(self, X: Any, *, offset: ArrayLike | None = None) -> Any:
        """Return the mean of y for each row and neuron, (n_samples, n_neurons).

        As `GLM.predict`; where X has a time axis, a pynapple TsdFrame with the columns and metadata
        of the y of training.
        """
        self._require_fitted()
        means, axis = self._predict_columns(X, self.coef_, offset)
        return like_estimate(means, axis, self._columns, self._metadata)

    def score(
        self,
        X: Any,
        y: Any,
        score_type: str = "log-likelihood",
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        offset: ArrayLike | None = None,
    ) -> Any:
        """Score the predictions for X against y.

        Parameters
        ----------
        X, y, offset :
            As in `fit`. Rows with a NaN in X or in any neuron's y are left out.
        score_type :
            As in `GLM.score`.
        aggregate_sample_scores :
            Turns scores (n_samples, n_neurons) into what is returned; the mean over all by default,
            ``lambda scores: scores.mean(axis=0)`` for one score per neuron.
        """
        self._require_fitted()
        common_axis([("X", X), ("y", y)])
        means, _ = self._predict_columns(X, self.coef_, offset)
        target = target_matrix(plain(y), means.shape[0])
        if target.shape != means.shape:
            raise ValueError(
                f"y has {target.shape[1]} neurons, the model was fitted with {means.shape[1]}."
            )
        rate = means.astype(np.float64)
        return self._score(target, rate, score_type, self.dispersion_, aggregate_sample_scores)


def _each(results: Sequence[_core.FitResult], attribute: str) -> NDArray[Any]:
    return np.array([getattr(result, attribute) for result in results])
