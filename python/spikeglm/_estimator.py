"""What the estimators share: settings, the call of the core, starting values."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from . import _core
from ._links import resolve_link
from ._timeseries import Axis, common_axis, plain
from ._validation import (
    FloatArray,
    design_matrix,
    numeric_array,
    per_sample,
    whole_number,
)
from .design import Design
from .exceptions import NotFittedError
from .observation_models import Aggregator, Observations, resolve_model
from .regularizer import Regularizer, resolve_regularizer, resolve_strength

InitParams = tuple[ArrayLike, ArrayLike]


class BaseGLM(RegressorMixin, BaseEstimator):
    """Settings, fitting and prediction, neuron by neuron."""

    coef_: FloatArray
    intercept_: FloatArray
    n_features_in_: int

    def __init__(
        self,
        observation_model: str | Observations = "Poisson",
        inverse_link_function: str | Callable[..., Any] | None = None,
        regularizer: str | Regularizer | None = "UnRegularized",
        regularizer_strength: Any = None,
        solver_name: str | None = None,
        solver_kwargs: Mapping[str, Any] | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.observation_model = observation_model
        self.inverse_link_function = inverse_link_function
        self.regularizer = regularizer
        self.regularizer_strength = regularizer_strength
        self.solver_name = solver_name
        self.solver_kwargs = solver_kwargs
        self.n_threads = n_threads

    def set_params(self, **params: Any) -> "BaseGLM":
        """Set parameters by name, as scikit-learn does.

        ``regularizer__regularizer_strength`` sets the strength of the regularizer itself; a
        regularizer that was given by name becomes an object for it.
        """
        if any(key.startswith("regularizer__") for key in params):
            regularizer = params.get("regularizer", self.regularizer)
            params["regularizer"] = resolve_regularizer(regularizer)
        super().set_params(**params)
        return self

    def save_params(self, filename: Any) -> None:
        """Write the model, fitted or not, to an .npz file that `spikeglm.load_model` reads.

        Parameters
        ----------
        filename :
            Path, to which ".npz" is appended where it is missing, or a binary file object.

        Raises
        ------
        TypeError
            A parameter is nothing that a file can hold, such as an unknown function.
        """
        from ._model_files import save

        save(self, filename)

    def _fit_columns(
        self,
        X: Any,
        columns: list[FloatArray],
        starts: list[tuple[FloatArray | None, float]],
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
    ) -> list[_core.FitResult]:
        model = resolve_model(self.observation_model)
        regularizer = resolve_regularizer(self.regularizer)
        strength = resolve_strength(self.regularizer_strength, regularizer)
        tolerance, max_iterations = self._solver_settings(regularizer)
        matrix, (n_samples, n_features), _ = rows_of(X)
        return _core.fit(
            matrix,
            columns,
            model=model.name,
            link=self._link(model),
            weight=per_sample(plain(sample_weight), n_samples, "sample_weight"),
            offset=per_sample(plain(offset), n_samples, "offset"),
            strength=regularizer.coefficient_strengths(strength, n_features, len(columns)),
            start_coef=[coef for coef, _ in starts],
            start_intercept=[intercept for _, intercept in starts],
            tolerance=tolerance,
            max_iterations=max_iterations,
            n_threads=self._threads(),
        )

    def _predict_columns(
        self, X: Any, coef: FloatArray, offset: ArrayLike | None
    ) -> tuple[NDArray[Any], Axis | None]:
        """Return means (n_samples, n_neurons) for coefficients (n_features, n_neurons)."""
        matrix, (n_samples, n_features), dtype = rows_of(X)
        if n_features != self.n_features_in_:
            raise ValueError(
                f"Inconsistent number of features: X has {n_features} columns, the model was "
                f"fitted with {self.n_features_in_}."
            )
        link = self._link(resolve_model(self.observation_model))
        offset = per_sample(plain(offset), n_samples, "offset")
        means = np.empty((n_samples, coef.shape[1]), dtype, order="F")
        with np.errstate(over="ignore"):  # of float32
            for i, intercept in enumerate(self.intercept_):
                column = np.ascontiguousarray(coef[:, i])
                means[:, i] = _core.predict(
                    matrix, column, float(intercept), offset, link, self._threads()
                )
        return means, common_axis([("X", X)])

    def _score(
        self,
        target: FloatArray,
        rate: FloatArray,
        score_type: str,
        scale: Any,
        aggregate_sample_scores: Aggregator,
    ) -> Any:
        model = resolve_model(self.observation_model)
        if score_type == "log-likelihood":
            return model.log_likelihood(target, rate, scale, aggregate_sample_scores)
        return model.pseudo_r2(target, rate, score_type, scale, aggregate_sample_scores)

    def _threads(self) -> int:
        return 0 if self.n_threads is None else whole_number(self.n_threads, "n_threads", 1)

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
        if not isinstance(self.solver_kwargs, Mapping | None):
            raise TypeError(f"`solver_kwargs` must be a dict, got {self.solver_kwargs!r}.")
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
        max_iterations = settings["maxiter"]
        if isinstance(max_iterations, int) and max_iterations > 2**31 - 1:
            max_iterations = 2**31 - 1  # never reached
        return float(tolerance), whole_number(max_iterations, "maxiter", 1)

    def _require_fitted(self) -> None:
        if not hasattr(self, "coef_"):
            raise NotFittedError(
                f"This {type(self).__name__} is not fitted yet: call `fit` before this method."
            )


def rows_of(X: Any) -> tuple[Any, tuple[int, int], Any]:
    """Return X as the core takes it, its shape, and the dtype of predictions."""
    if isinstance(X, Design):
        return X._core, X.shape, X.dtype
    matrix = design_matrix(plain(X))
    return matrix, matrix.shape, np.float32 if matrix.dtype == np.float32 else np.float64


def keep_bounds(X: Any) -> None:
    """Fix the bounds of the basis behind a lazy design, so that later features are on its scale."""
    if isinstance(X, Design):
        X.freeze_bounds()


def starts_of(
    init_params: InitParams | None, n_features: int, n_neurons: int
) -> list[tuple[FloatArray | None, float]]:
    """Return the coefficients, or None, and the intercept from which each neuron starts."""
    if init_params is None:
        return [(None, 0.0)] * n_neurons
    try:
        coef, intercept = (
            numeric_array(part, "init_params").astype(np.float64) for part in init_params
        )
    except (TypeError, ValueError):
        raise ValueError(
            "`init_params` must be a pair (coef, intercept) of arrays of numbers."
        ) from None
    expected = (n_features,) if n_neurons == 1 and coef.ndim == 1 else (n_features, n_neurons)
    if coef.shape != expected or intercept.size != n_neurons:
        raise ValueError(
            f"`init_params` must hold coefficients of shape {expected} and {n_neurons} "
            f"intercept(s), got shapes {coef.shape} and {intercept.shape}."
        )
    if not (np.all(np.isfinite(coef)) and np.all(np.isfinite(intercept))):
        raise ValueError("`init_params` must be finite.")
    columns = coef.reshape(n_features, n_neurons).T
    return [
        (np.ascontiguousarray(column), float(value))
        for column, value in zip(columns, intercept.reshape(-1), strict=True)
    ]
