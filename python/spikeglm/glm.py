"""Generalized linear models."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from . import _core
from ._links import resolve_link
from ._validation import design_matrix, per_sample, target_vector, whole_number
from .exceptions import (
    ConvergenceWarning,
    IdentifiabilityWarning,
    NotFittedError,
    SeparationWarning,
    SilentNeuronWarning,
)
from .observation_models import Aggregator, Observations, resolve_model
from .regularizer import Regularizer, resolve_regularizer

_CONVERGED = ("converged", "precision limit")


class GLM(RegressorMixin, BaseEstimator):  # type: ignore[misc]
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

    def __init__(
        self,
        observation_model: str | Observations = "Poisson",
        inverse_link_function: str | Callable[..., Any] | None = None,
        regularizer: str | Regularizer | None = "UnRegularized",
        regularizer_strength: Any = None,
        solver_name: str | None = None,
        solver_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.observation_model = observation_model
        self.inverse_link_function = inverse_link_function
        self.regularizer = regularizer
        self.regularizer_strength = regularizer_strength
        self.solver_name = solver_name
        self.solver_kwargs = solver_kwargs

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        init_params: tuple[ArrayLike, ArrayLike] | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> "GLM":
        """Fit the model.

        Parameters
        ----------
        X : (n_samples, n_features)
            Design matrix, any real dtype and memory layout; not copied. A row with a NaN is left
            out; an infinity raises.
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
            Shapes do not match; y is outside the model's support; X, y or offset hold an infinity;
            no row is left; unknown names or parameters out of range.

        Warns
        -----
        ConvergenceWarning, SeparationWarning, IdentifiabilityWarning, SilentNeuronWarning
            See `spikeglm.exceptions`. An interrupted or refused fit leaves the model as it was.
        """
        model = resolve_model(self.observation_model)
        link = self._link(model)
        regularizer = resolve_regularizer(self.regularizer)
        tolerance, max_iterations = self._solver_settings(regularizer)

        matrix = design_matrix(X)
        n_samples, n_features = matrix.shape
        target = target_vector(y, n_samples)
        start_coef, start_intercept = _initial_parameters(init_params, n_features)
        (result,) = _core.fit(
            matrix,
            [target],
            model=model.name,
            link=link,
            weight=per_sample(sample_weight, n_samples, "sample_weight"),
            offset=per_sample(offset, n_samples, "offset"),
            strength=[regularizer.coefficient_strengths(self.regularizer_strength, n_features)],
            start_coef=[start_coef],
            start_intercept=[start_intercept],
            tolerance=tolerance,
            max_iterations=max_iterations,
        )

        self.coef_ = result.coef
        self.intercept_ = np.array([result.intercept])
        self.dispersion_ = result.dispersion
        self.dof_resid_ = result.sum_of_weights - result.rank
        self.rank_ = result.rank
        self.aliased_ = result.aliased
        self.n_iter_ = result.n_iterations
        self.status_ = result.status
        self.converged_ = result.status in (*_CONVERGED, "silent")
        self.kkt_ = result.kkt
        self.n_dropped_ = result.n_dropped
        self.n_features_in_ = n_features
        _warn_about(result, n_features, tolerance, max_iterations)
        return self

    @property
    def scale_(self) -> float:
        """Dispersion phi, under the name that NeMoS gives it."""
        self._require_fitted()
        return float(self.dispersion_)

    def predict(self, X: ArrayLike, *, offset: ArrayLike | None = None) -> NDArray[Any]:
        """Return the mean of y for each row, (n_samples,).

        For counts this is the expected count per bin: multiply it by the sampling rate for
        spikes/s. float32 for a float32 X, float64 otherwise. Rows with a NaN stay NaN.
        """
        self._require_fitted()
        matrix = design_matrix(X)
        if matrix.shape[1] != self.n_features_in_:
            raise ValueError(
                f"Inconsistent number of features: X has {matrix.shape[1]} columns, the model was "
                f"fitted with {self.n_features_in_}."
            )
        mean = _core.predict(
            matrix,
            coef=self.coef_,
            intercept=float(self.intercept_[0]),
            offset=per_sample(offset, matrix.shape[0], "offset"),
            link=self._link(resolve_model(self.observation_model)),
        )
        return mean.astype(np.float32) if matrix.dtype == np.float32 else mean

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
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
        rate = np.asarray(self.predict(X, offset=offset), dtype=np.float64)
        target = target_vector(y, rate.shape[0])
        model = resolve_model(self.observation_model)
        if score_type == "log-likelihood":
            return model.log_likelihood(
                target, rate, self.dispersion_, aggregate_sample_scores
            )
        return model.pseudo_r2(
            target, rate, score_type, self.dispersion_, aggregate_sample_scores
        )

    def _link(self, model: Observations) -> str:
        given = self.inverse_link_function
        return resolve_link(model.inverse_link_function if given is None else given, model.name)

    def _solver_settings(self, regularizer: Regularizer) -> tuple[float, int]:
        name = regularizer.default_solver if self.solver_name is None else self.solver_name
        if name not in regularizer.allowed_solvers:
            raise ValueError(
                f"solver {name!r} cannot minimise a {type(regularizer).__name__} objective; "
                f"choose from {', '.join(regularizer.allowed_solvers)}."
            )
        settings = {"tol": 1e-8, "maxiter": 100}
        given = dict(self.solver_kwargs or {})
        unknown = sorted(set(given) - set(settings))
        if unknown:
            raise NameError(
                f"solver {name!r} has no setting {unknown[0]!r}; it takes {', '.join(settings)}."
            )
        settings |= given
        tolerance = settings["tol"]
        if not (isinstance(tolerance, int | float | np.number) and 0.0 < tolerance < np.inf):
            raise ValueError(f"`tol` must be a positive number, got {tolerance!r}.")
        return float(tolerance), whole_number(settings["maxiter"], "maxiter", 1)

    def _require_fitted(self) -> None:
        if not hasattr(self, "coef_"):
            raise NotFittedError(
                f"This {type(self).__name__} is not fitted yet: call `fit` before this method."
            )


def _initial_parameters(
    init_params: tuple[ArrayLike, ArrayLike] | None, n_features: int
) -> tuple[NDArray[np.float64] | None, float]:
    if init_params is None:
        return None, 0.0
    try:
        coef, intercept = init_params
        coef = np.asarray(coef, dtype=np.float64)
        intercept = np.asarray(intercept, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            "`init_params` must be a pair (coef, intercept) of arrays of numbers."
        ) from None
    if coef.shape != (n_features,) or intercept.size != 1:
        raise ValueError(
            f"`init_params` must hold {n_features} coefficients and one intercept, got shapes "
            f"{coef.shape} and {intercept.shape}."
        )
    if not (np.all(np.isfinite(coef)) and np.all(np.isfinite(intercept))):
        raise ValueError("`init_params` must be finite.")
    return coef, float(intercept.reshape(()))


def _listed(indices: NDArray[np.intp]) -> str:
    shown = ", ".join(str(index) for index in indices[:10])
    return shown + (f" and {len(indices) - 10} more" if len(indices) > 10 else "")


def _warn_about(
    result: _core.FitResult, n_features: int, tolerance: float, max_iterations: int
) -> None:
    if result.status == "silent":
        _warn(
            "y is zero in every row used: the rate is fitted as exactly zero, with coefficients 0. "
            "Leave this neuron out.",
            SilentNeuronWarning,
        )
        return
    if len(result.aliased):
        _warn(
            f"X is constant in column {_listed(result.aliased)} over the rows used: its effect "
            "cannot be told from the intercept and its coefficient is 0. Leave it out.",
            IdentifiabilityWarning,
        )
    n_free = n_features - len(result.aliased) + 1
    if result.rank < n_free:
        _warn(
            f"the columns of X and the intercept are linearly dependent (rank {result.rank} of "
            f"{n_free}): without a penalty many coefficients fit equally well and the smallest are "
            "returned; predictions are unaffected. Use Ridge, or drop columns (a B-spline basis "
            "sums to one, like the intercept).",
            IdentifiabilityWarning,
        )
    if result.status == "separated":
        columns = _listed(result.separated) if len(result.separated) else "none (intercept only)"
        _warn(
            f"the likelihood grows without bound along columns {columns}: {result.n_separated_rows} "
            "rows are predicted perfectly in the limit. The other predictions are right; those "
            "coefficients are not. Use Ridge, or drop these columns or rows.",
            SeparationWarning,
        )
    elif result.status not in _CONVERGED:
        remedy = {
            "max iterations": f"raise maxiter (now {max_iterations}) in solver_kwargs",
            "line search failed": "scale the columns of X, add a penalty, or choose a link whose "
            "mean stays in its domain",
            "saddle point": "pass other init_params",
        }[result.status]
        _warn(
            f"the fit stopped ({result.status}) after {result.n_iterations} steps at a distance "
            f"of {result.decrement:.2g} standard errors from the optimum; the tolerance is "
            f"{tolerance:.2g}. To go on: {remedy}.",
            ConvergenceWarning,
        )


def _warn(message: str, category: type[Warning]) -> None:
    warnings.warn(message, category, stacklevel=4)
