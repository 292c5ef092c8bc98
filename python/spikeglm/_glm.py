"""Generalized linear models of one neuron and of many."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._callbacks import one_task
from ._estimator import BaseGLM, InitParams, starts_of
from ._features import Features, features_of, keep_bounds
from ._population_pictures import PopulationPictures
from ._reports import warn_about
from ._settings import layout
from ._timeseries import common_axis, like_estimate, plain, time_axis
from ._validation import FloatArray, numeric_array, target_matrix, target_vector
from .observation_models import Aggregator, Observations
from .regularizer import Regularizer


class GLM(BaseGLM):
    r"""Generalized linear model of one neuron.

    Minimises over coefficients and intercept

    .. math:: \frac{\sum_i w_i\,\ell(y_i, \eta_i)}{\sum_i w_i} + \text{penalty}(\beta),
              \qquad \eta = X\beta + b + \text{offset}

    where :math:`\ell` is the negative log-likelihood without constants (for a Gaussian the full
    square :math:`(y - \mu)^2`) and the penalty is that of the regularizer, which leaves the
    intercept out. McCullagh & Nelder (1989), Generalized Linear Models.

    Parameters
    ----------
    observation_model :
        "Poisson", "Gamma", "Bernoulli", "NegativeBinomial", "Gaussian", or an object of
        `spikeglm.observation_models`.
    inverse_link_function :
        "exp", "softplus", "logistic", "probit", "cloglog", "reciprocal" or "identity", a numpy,
        scipy or jax function of that meaning, or None for the model's default.
    regularizer :
        "UnRegularized", "Ridge", "Lasso", "ElasticNet", "GroupLasso", or an object of
        `spikeglm.regularizer`; None is "UnRegularized".
    regularizer_strength :
        Number, or one per coefficient (per group for GroupLasso); a tuple (strength, ratio) for
        ElasticNet. None means 1.0, and ratio 0.5. Must be None without a penalty.
    solver_name :
        "Newton" (for smooth penalties), "ProxNewton", "LBFGS", "BFGS", "NonlinearCG",
        "GradientDescent", "ProximalGradient", "SVRG", "ProxSVRG". None chooses by cost: where n is
        large, a curvature from a part of the rows that secant pairs correct, and gradients of all
        rows; Newton's method (ProxNewton for penalties with kinks) where it is cheaper, or where
        the other cannot be certified.
    solver_kwargs :
        `tol`: distance to the optimum at which to stop, in standard errors (default 1e-8; 1e-3 of
        the stochastic solvers); `maxiter`: largest number of steps; and the solver's own settings,
        which an unknown one lists.
    fit_intercept :
        Whether the model has an intercept; False holds it at zero, and columns are not centred.
    missing :
        "drop" leaves out rows with a NaN in X or y, as convolutions make them; "raise" raises a
        ValueError that counts them.
    n_threads :
        Largest number of threads; the result does not depend on it. None takes the environment
        variable SPIKEGLM_NUM_THREADS, else OMP_NUM_THREADS, else the processors that the affinity
        mask and the cgroup quota leave.

    Attributes
    ----------
    coef_ : ndarray (n_features,), float64
        Coefficients. Exactly zero for columns that are constant. A dict of arrays for a dict X.
    intercept_ : ndarray (1,), float64
        Intercept; -inf under the exp link for a neuron that never fires.
    dispersion_, scale_ : float
        Dispersion phi: 1, or Pearson's estimate for models that have one (NaN without residual
        degrees of freedom), or the scale of a negative binomial.
    dof_resid_ : float
        Sum of the weights of the rows used, minus `rank_`.
    rank_ : int
        Rank of [1, X] over the rows used; of X without an intercept. On 1,000 columns and more
        under a penalty that sets coefficients to zero, and with no solver named: that of the
        columns that the search came to need.
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
        max_j |g_j| / sqrt(h_jj) at the returned point, for the gradient g (of a penalty with kinks
        the subgradient of least norm) and the exact diagonal h of the curvature of the total
        penalised negative log-likelihood, columns centred.
    n_dropped_ : int
        Rows left out because of a NaN in X or y.
    regularizer_strength_ : ndarray (n_penalties,), float64
        Strengths that a `Smooth` penalty has let the data choose; only then.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Names of the columns, where X is a data frame whose columns are strings.

    Notes
    -----
    With scikit-learn 1.9 or newer, `set_callbacks` takes its callbacks, such as
    `sklearn.callback.ProgressBar`; searches and pipelines pass theirs on. A fit is one task to
    them: steps of a solver are not reported. Who wants to see those takes them with `update`.

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
    _single = True

    @one_task
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
            Design matrix of any real dtype and memory layout, not copied; a pynapple TsdFrame; a
            lazy design (`Basis.design`); or a dict of arrays (n_samples, n_features_i), which is
            joined. A row with a NaN is left out; an infinity raises.
        y : (n_samples,)
            Observations, counts per bin for Poisson. A NaN leaves its row out.
        init_params :
            (coef, intercept) to start from; an infinite intercept, of a neuron that was silent, is
            ignored.
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
        features = features_of(X)
        columns = self._columns_of(y, features)
        starts = starts_of(init_params, features, 1)
        results, chosen = self._fit_columns(features, columns, starts, sample_weight, offset)

        self._assign(results, features)
        keep_bounds(X)
        self._remember(X, y, sample_weight, offset, chosen)
        warn_about(results, [], self._estimates_parameter())
        return self

    def _columns_of(self, y: Any, features: Features) -> list[FloatArray]:
        common_axis([("X", features.axis), ("y", y)])
        return [target_vector(plain(y), features.shape[0])]

    def _assign(self, results: list[_core.FitResult], features: Features) -> None:
        for name, values in self._keep(results, features).items():
            setattr(self, name, values[0].item())
        self.aliased_ = results[0].aliased

    def _squeezed(self, coef: FloatArray) -> FloatArray:
        return coef[..., 0]

    def _per_neuron(self, values: FloatArray) -> float:
        return float(values[0])

    def _like_predictions(self, values: NDArray[Any], X: Any) -> Any:
        return like_estimate(values, features_of(X).axis)

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
        means, axis = self._predict_columns(X, offset)
        return like_estimate(means[:, 0], axis)

    def score(
        self,
        X: Any,
        y: Any,
        score_type: str = "log-likelihood",
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        sample_weight: ArrayLike | None = None,
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
        sample_weight : (n_samples,)
            Number of times that each row counts, for `numpy.mean` and `numpy.sum`.
        """
        self._require_fitted()
        means, axis = self._predict_columns(X, offset)
        common_axis([("X", axis), ("y", y)])
        target = target_vector(plain(y), means.shape[0])
        rate = means[:, 0].astype(np.float64)
        return self._score(
            target, rate, score_type, self.dispersion_, aggregate_sample_scores, sample_weight
        )


class PopulationGLM(PopulationPictures, BaseGLM):
    """Generalized linear models of several neurons that share one design.

    Each neuron is fitted on its own, with the objective of `GLM`: its result does not depend on
    which other neurons are fitted with it. Only neurons that share a group of `GroupLasso` are one
    problem, the sum of their objectives. A NaN in one neuron's y leaves that row out for that
    neuron only.

    Parameters
    ----------
    observation_model, inverse_link_function, regularizer, solver_name, solver_kwargs, \
    fit_intercept, missing, n_threads :
        As in `GLM`.
    regularizer_strength :
        As in `GLM`; also one per coefficient and neuron, (n_features, n_neurons).
    feature_mask :
        Zeros and ones (n_features, n_neurons): which features each neuron's model has; the other
        coefficients are zero. For a dict X a dict with one value per neuron, (n_neurons,), for each
        array. None: all.

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
    feature_names_in_ : ndarray of str
        Names of the columns, where X is a data frame whose columns are strings.
    """

    dispersion_: FloatArray

    def __init__(
        self,
        observation_model: str | Observations = "Poisson",
        inverse_link_function: str | Callable[..., Any] | None = None,
        regularizer: str | Regularizer | None = "UnRegularized",
        regularizer_strength: Any = None,
        solver_name: str | None = None,
        solver_kwargs: Mapping[str, Any] | None = None,
        feature_mask: Any = None,
        fit_intercept: bool = True,
        missing: str = "drop",
        n_threads: int | None = None,
    ) -> None:
        super().__init__(
            observation_model,
            inverse_link_function,
            regularizer,
            regularizer_strength,
            solver_name,
            solver_kwargs,
            fit_intercept,
            missing,
            n_threads,
        )
        self.feature_mask = feature_mask

    # Columns and metadata of the y of training, for the time series that `predict` returns.
    _columns: Any = None
    _metadata: Any = None

    @one_task
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
        features = features_of(X)
        target = self._columns_of(y, features)
        n_neurons = len(target)
        starts = starts_of(init_params, features, n_neurons)
        mask = self._mask(features, n_neurons)
        results, chosen = self._fit_columns(features, target, starts, sample_weight, offset, mask)

        self._assign(results, features)
        keep_bounds(X)
        self._remember(X, y, sample_weight, offset, chosen)
        warn_about(results, self._keep_columns(y, n_neurons), self._estimates_parameter())
        return self

    def _keep_columns(self, y: Any, n_neurons: int) -> list[Any]:
        """Keep the columns of a time series y for predictions; return names of the neurons."""
        columns = getattr(y, "columns", None) if time_axis(y) is not None else None
        self._columns = None if columns is None else np.asarray(columns)
        self._metadata = None if columns is None else getattr(y, "metadata", None)
        return list(range(n_neurons) if columns is None else columns)

    def _columns_of(self, y: Any, features: Features) -> list[FloatArray]:
        common_axis([("X", features.axis), ("y", y)])
        return list(target_matrix(plain(y), features.shape[0]).T)

    def _assign(self, results: list[_core.FitResult], features: Features) -> None:
        for name, values in self._keep(results, features).items():
            setattr(self, name, values)
        self.aliased_ = [result.aliased for result in results]

    def _mask(self, features: Features, n_neurons: int) -> NDArray[np.uint8] | None:
        """Return the feature mask as (n_features, n_neurons), a byte each."""
        given = self.feature_mask
        if given is None:
            return None
        if isinstance(given, Mapping):
            if features.widths is None or set(given) != set(features.widths):
                raise ValueError(
                    f"`feature_mask` has the keys {sorted(map(str, given))}; X is "
                    f"{layout(features.widths)}."
                )
            rows = [np.asarray(given[key]) for key in features.widths]
            wrong = [row.shape for row in rows if row.shape != (n_neurons,)]
            if wrong:
                raise ValueError(
                    "`feature_mask` must have one value per neuron for each array of X, shape "
                    f"{(n_neurons,)}; got shape {wrong[0]}."
                )
            mask = np.repeat(np.array(rows), list(features.widths.values()), axis=0)
        else:
            mask = numeric_array(plain(given), "`feature_mask`")
        expected = (features.shape[1], n_neurons)
        if mask.shape != expected:
            raise ValueError(
                f"`feature_mask` must have shape (n_features, n_neurons) = {expected}, got "
                f"{mask.shape}."
            )
        if not np.all((mask == 0) | (mask == 1)):
            raise ValueError("`feature_mask` must hold zeros and ones only.")
        return mask.astype(np.uint8)

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn 1.6 and newer."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    def _more_tags(self) -> dict[str, bool]:
        """Describe it to scikit-learn before 1.6, which joins the tags of base classes."""
        return {"multioutput": True, "multioutput_only": True}

    def _like_predictions(self, values: NDArray[Any], X: Any) -> Any:
        return like_estimate(values, features_of(X).axis, self._columns, self._metadata)

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
        means, axis = self._predict_columns(X, offset)
        return like_estimate(means, axis, self._columns, self._metadata)

    def score(
        self,
        X: Any,
        y: Any,
        score_type: str = "log-likelihood",
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        sample_weight: ArrayLike | None = None,
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
        sample_weight : (n_samples,)
            As in `GLM.score`.
        """
        self._require_fitted()
        means, axis = self._predict_columns(X, offset)
        common_axis([("X", axis), ("y", y)])
        target = target_matrix(plain(y), means.shape[0])
        if target.shape != means.shape:
            raise ValueError(
                f"y has {target.shape[1]} neurons, the model was fitted with {means.shape[1]}."
            )
        rate = means.astype(np.float64)
        return self._score(
            target, rate, score_type, self.dispersion_, aggregate_sample_scores, sample_weight
        )
