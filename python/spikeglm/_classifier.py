"""Multinomial models: which of several classes each sample belongs to."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin

from . import _core
from ._callbacks import one_task
from ._features import (
    Features,
    check_names,
    features_of,
    join_coef,
    keep_bounds,
    keep_names,
    split_coef,
)
from ._links import named_link
from ._random import random_generator
from ._reports import CONVERGED, warn_about_classes
from ._settings import FitSettings, layout
from ._timeseries import common_axis, like_estimate, plain
from ._validation import FloatArray, numeric_array, per_sample, whole_number
from .observation_models import Aggregator, CategoricalObservations
from .regularizer import GroupLasso, Regularizer, resolve_regularizer, resolve_strength

_LINKS = ["log_softmax", "softmax"]


class BaseClassifier(ClassifierMixin, FitSettings):
    """Labels, fitting and prediction; arrays have neurons as a dimension of their own here."""

    classes_: NDArray[Any]

    def __init__(
        self,
        n_classes: int | None = None,
        inverse_link_function: str | Callable[..., Any] | None = None,
        regularizer: str | Regularizer | None = "Ridge",
        regularizer_strength: Any = None,
        solver_name: str | None = None,
        solver_kwargs: Mapping[str, Any] | None = None,
        fit_intercept: bool = True,
        missing: str = "drop",
        n_threads: int | None = None,
    ) -> None:
        self.n_classes = n_classes
        self.inverse_link_function = inverse_link_function
        self.regularizer = regularizer
        self.regularizer_strength = regularizer_strength
        self.solver_name = solver_name
        self.solver_kwargs = solver_kwargs
        self.fit_intercept = fit_intercept
        self.missing = missing
        self.n_threads = n_threads

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn 1.6 and newer."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        # A score is a log-likelihood.
        tags.classifier_tags.poor_score = True
        return tags

    def _more_tags(self) -> dict[str, bool]:
        """Describe it to scikit-learn before 1.6."""
        return {"allow_nan": True, "poor_score": True}

    @property
    def observation_model(self) -> CategoricalObservations:
        """The model of y, which is always categorical."""
        return CategoricalObservations()

    @property
    def scale_(self) -> float:
        """Dispersion: a categorical model has none."""
        self._require_fitted()
        return 1.0

    def set_classes(self, y: ArrayLike) -> "BaseClassifier":
        """Learn the labels of y, sorted, as `classes_`; `fit` does so by itself.

        Raises
        ------
        ValueError
            y has other than `n_classes` distinct labels, or only one.
        """
        labels = np.unique(_without_missing(np.asarray(plain(y))))
        expected = self.n_classes
        if expected is not None and whole_number(expected, "n_classes", 2) != len(labels):
            raise ValueError(
                f"y has {len(labels)} distinct labels, {list(labels[:10])}; `n_classes` is "
                f"{expected}. Leave it None to take the labels of y."
            )
        if len(labels) < 2:
            raise ValueError(
                f"y has only one class, {list(labels)}: a classifier needs at least two."
            )
        self.classes_ = labels
        return self

    def _codes(self, y: Any, n_samples: int, ndim: int) -> FloatArray:
        """Return the numbers of the labels, (n_samples, n_neurons); NaN where y is missing."""
        if y is None:
            raise ValueError("a fit requires y to be passed, but the target y is None.")
        labels = np.asarray(plain(y))
        if ndim == 1 and labels.ndim == 2 and labels.shape[1] == 1:
            from sklearn.exceptions import DataConversionWarning

            from ._validation import warn

            warn(
                "A column-vector y was passed when a 1d array was expected; y[:, 0] is used.",
                DataConversionWarning,
            )
            labels = labels[:, 0]
        if labels.ndim != ndim:
            shape = "(n_samples,)" if ndim == 1 else "(n_samples, n_neurons)"
            raise ValueError(f"y must have the shape {shape}, got {labels.shape}.")
        if len(labels) != n_samples:
            raise ValueError(
                f"X and y must have the same number of samples, got {n_samples} and {len(labels)}."
            )
        if labels.dtype.kind == "f":
            given = labels[~np.isnan(labels)]
            if np.any(given != np.round(given)) or not np.all(np.isfinite(given)):
                raise ValueError(
                    f"Unknown label type: y holds {given[given != np.round(given)][:1]}; labels "
                    "must be whole numbers, strings or truth values."
                )
        if not hasattr(self, "classes_"):
            raise RuntimeError("the labels are not known: call `fit` or `set_classes` first.")
        missing = _missing(labels)
        filled = np.where(missing, self.classes_[0], labels)
        codes = np.minimum(np.searchsorted(self.classes_, filled), len(self.classes_) - 1)
        unknown = self.classes_[codes] != filled
        if np.any(unknown):
            raise ValueError(
                f"y holds the label {filled[unknown].flat[0]!r}, which is none of "
                f"{list(self.classes_)}."
            )
        result = np.where(missing, np.nan, codes.astype(np.float64))
        return result[:, None] if ndim == 1 else result

    def _fit(
        self,
        X: Any,
        y: Any,
        init_params: Any,
        sample_weight: ArrayLike | None,
        ndim: int,
        mask: Callable[[Features, int], NDArray[np.uint8] | None],
    ) -> tuple[Features, list[dict[str, Any]]]:
        """Fit each neuron; return its results, with coefficients (n_features, n_classes)."""
        features = features_of(X)
        common_axis([("X", features.axis), ("y", y)])
        self._check_link()
        n_samples, n_features = features.shape
        if y is not None and np.asarray(plain(y)).ndim in (1, 2):
            if hasattr(self, "classes_"):
                del self.classes_
            self.set_classes(y)
        codes = self._codes(y, n_samples, ndim)
        n_neurons, n_classes = codes.shape[1], len(self.classes_)
        regularizer = resolve_regularizer(self.regularizer)
        strength = resolve_strength(self.regularizer_strength, regularizer)
        solver, settings, tolerance, max_iterations = self._solver(regularizer)
        regularizer = _with_flat_mask(regularizer, n_features, n_classes, n_neurons)
        terms = regularizer.terms(
            _flat_strength(strength, n_features, n_classes, n_neurons),
            n_features * n_classes,
            n_neurons,
        )
        if terms.matrix is not None:
            raise NotImplementedError(
                "classifiers have no Smooth penalty: use Ridge, or a GLM of each class."
            )
        weight = per_sample(plain(sample_weight), n_samples, "sample_weight")
        excluded = mask(features, n_neurons)
        starts = self._starts(init_params, features, n_neurons)
        arguments = {
            "weight": weight,
            "solver": solver,
            "settings": settings,
            "tolerance": tolerance,
            "max_iterations": max_iterations,
            "intercept": self._intercept(),
            "n_threads": self._threads(),
        }
        parts: list[tuple[Any, Any, Any]] = [(None, None, None)] * n_neurons
        if terms.groups is not None:
            for neurons, own in terms.groups.batches():
                if len(neurons) > 1:
                    raise NotImplementedError(
                        "groups that join neurons are not available for classifiers."
                    )
                parts[neurons[0]] = terms.groups.arrays_of_batch(neurons, own)
        results = [
            self._fit_neuron(
                features,
                codes[:, i].copy(),
                _by_class(terms.quadratic[i], n_features, n_classes),
                _by_class(terms.absolute[i], n_features, n_classes),
                _groups_by_class(parts[i], n_features, n_classes),
                None if excluded is None else excluded[:, i],
                starts[i],
                arguments,
            )
            for i in range(n_neurons)
        ]
        self._refuse_missing([result["n_dropped_"] for result in results])
        return features, results

    def _fit_neuron(
        self,
        features: Features,
        codes: FloatArray,
        quadratic: FloatArray | None,
        absolute: FloatArray | None,
        groups: tuple[Any, Any, Any],
        excluded: NDArray[np.uint8] | None,
        start: tuple[FloatArray | None, FloatArray | None],
        arguments: dict[str, Any],
    ) -> dict[str, Any]:
        n_features, n_classes = features.shape[1], len(self.classes_)
        weight = arguments["weight"]
        counted = ~np.isnan(codes) if weight is None else ~np.isnan(codes) & (weight > 0)
        present = np.unique(codes[counted]).astype(int)
        if len(present) < n_classes:
            absent = [str(self.classes_[k]) for k in range(n_classes) if k not in present]
            raise ValueError(
                f"the classes {', '.join(absent)} have no row in use: all have weight zero or a "
                "NaN. Leave their labels out of y."
            )
        begin, members, group_weights = groups
        result = _core.fit_categorical(
            features.matrix,
            codes,
            n_classes,
            quadratic=quadratic,
            absolute=absolute,
            begin=begin,
            members=members,
            group_weights=group_weights,
            excluded=excluded,
            start_coef=start[0],
            start_intercept=start[1],
            **arguments,
        )
        return {
            "coef_": result.coef.reshape(n_classes, n_features).T.copy(),
            "intercept_": result.intercept,
            "status_": result.status,
            "converged_": result.status in CONVERGED,
            "n_iter_": result.n_iterations,
            "kkt_": result.kkt,
            "rank_": result.rank,
            "n_dropped_": result.n_dropped,
            "dof_resid_": (result.sum_of_weights - result.rank) * (n_classes - 1),
            "aliased_": result.aliased,
            "decrement": result.decrement,
            "penalised": result.penalised,
            "n_free": n_features + int(self._intercept()) - len(result.aliased),
        }

    def _starts(
        self, init_params: Any, features: Features, n_neurons: int
    ) -> list[tuple[FloatArray | None, FloatArray | None]]:
        if init_params is None:
            return [(None, None)] * n_neurons
        n_features, n_classes = features.shape[1], len(self.classes_)
        try:
            coef, intercept = init_params
        except (TypeError, ValueError):
            raise ValueError("`init_params` must be a pair (coef, intercept) of arrays.") from None
        coef = join_coef(coef, features.widths, "init_params").astype(np.float64)
        intercept = numeric_array(intercept, "init_params").astype(np.float64)
        shapes = self._shapes(n_features, n_neurons, n_classes)
        if (coef.shape, intercept.shape) != shapes:
            raise ValueError(
                f"`init_params` must have the shapes {shapes}, got {coef.shape} and "
                f"{intercept.shape}."
            )
        if not (np.all(np.isfinite(coef)) and np.all(np.isfinite(intercept))):
            raise ValueError("`init_params` must be finite.")
        coef = coef.reshape(n_features, n_neurons, n_classes)
        intercept = intercept.reshape(n_neurons, n_classes)
        return [
            (coef[:, i].T.ravel().copy(), np.ascontiguousarray(intercept[i]))
            for i in range(n_neurons)
        ]

    @abstractmethod
    def _shapes(
        self, n_features: int, n_neurons: int, n_classes: int
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shapes of coefficients and intercepts."""

    def _check_link(self) -> None:
        if self.inverse_link_function is not None:
            named_link(self.inverse_link_function, _LINKS)

    def _log_proba(self, X: Any) -> tuple[FloatArray, Any]:
        """Return log-probabilities (n_samples, n_neurons, n_classes), and the axis of X."""
        self._require_fitted()
        features = features_of(X)
        check_names(self, features.names)
        coef = join_coef(self.coef_, self._widths(), "coef_")
        n_features = features.shape[1]
        if n_features != len(coef):
            raise ValueError(
                f"Inconsistent number of features: X has {n_features} features, but "
                f"{type(self).__name__} is expecting {len(coef)} features as input."
            )
        if features.widths != self._widths():
            raise ValueError(
                f"X is {layout(features.widths)}, the model was fitted with "
                f"{layout(self._widths())}."
            )
        n_classes = len(self.classes_)
        columns = coef.reshape(n_features, -1)
        eta = np.empty((features.shape[0], columns.shape[1]))
        for i, intercept in enumerate(np.ravel(self.intercept_)):
            eta[:, i] = _core.predict(
                features.matrix,
                np.ascontiguousarray(columns[:, i]),
                float(intercept),
                None,
                "identity",
                self._threads(),
            )
        log_proba = eta.reshape(len(eta), -1, n_classes)
        log_proba = log_proba - log_proba.max(axis=2, keepdims=True)
        log_proba -= np.log(np.exp(log_proba).sum(axis=2, keepdims=True))
        return log_proba, features.axis

    def _labels(self, log_proba: FloatArray) -> NDArray[Any]:
        """Return the likeliest labels (n_samples, n_neurons)."""
        missing = _incomplete(log_proba)
        labels = self.classes_[np.argmax(np.where(missing[..., None], 0.0, log_proba), axis=2)]
        return _with_missing(labels, missing)

    def _probabilities(self, X: Any, return_type: str) -> tuple[FloatArray, Any]:
        log_proba, axis = self._log_proba(X)
        if return_type not in ("proba", "log-proba"):
            raise ValueError(f'`return_type` must be "proba" or "log-proba", got {return_type!r}.')
        return (np.exp(log_proba) if return_type == "proba" else log_proba), axis

    def _score_codes(
        self,
        X: Any,
        y: Any,
        ndim: int,
        score_type: str,
        aggregate_sample_scores: Aggregator,
        sample_weight: ArrayLike | None,
    ) -> Any:
        log_proba, axis = self._log_proba(X)
        common_axis([("X", axis), ("y", y)])
        codes = self._codes(y, len(log_proba), ndim)
        if codes.shape[1] != log_proba.shape[1]:
            raise ValueError(
                f"y has {codes.shape[1]} neurons, the model was fitted with {log_proba.shape[1]}."
            )
        model = CategoricalObservations()
        weight = plain(sample_weight)
        one_hot = _one_hot(codes, len(self.classes_))
        if ndim == 1:
            one_hot, log_proba = one_hot[:, 0], log_proba[:, 0]
        if score_type == "log-likelihood":
            return model.log_likelihood(
                one_hot, log_proba, 1.0, aggregate_sample_scores, sample_weight=weight
            )
        return model.pseudo_r2(
            one_hot, log_proba, score_type, 1.0, aggregate_sample_scores, sample_weight=weight
        )

    def _draw(self, random_key: Any, X: Any) -> tuple[NDArray[Any], FloatArray, Any]:
        log_proba, axis = self._log_proba(X)
        uniform = random_generator(random_key).uniform(size=log_proba.shape[:2])
        cumulative = np.cumsum(np.exp(log_proba), axis=2)
        codes = np.sum(uniform[..., None] > cumulative, axis=2)
        labels = self.classes_[np.minimum(codes, len(self.classes_) - 1)]
        return _with_missing(labels, _incomplete(log_proba)), log_proba, axis


class ClassifierGLM(BaseClassifier):
    r"""Generalized linear model of one of several classes: softmax regression.

    Minimises over coefficients and intercepts, which every class has,

    .. math:: -\frac{\sum_i w_i \log p_{i, y_i}}{\sum_i w_i} + \text{penalty}(\beta), \qquad
              p_{ik} = \frac{\exp(x_i \beta_k + b_k)}{\sum_l \exp(x_i \beta_l + b_l)}

    McCullagh & Nelder (1989), Generalized Linear Models, section 5. Where the data do not see a
    shift of all classes and no penalty does, coefficients and intercepts sum to zero over classes.

    Parameters
    ----------
    n_classes :
        Number of distinct labels that y must have; None takes those of y.
    inverse_link_function :
        "log_softmax", the only one; None is the same.
    regularizer, regularizer_strength :
        As in `GLM`, Ridge of strength 1.0 by default; strengths per coefficient have the shape
        (n_features, n_classes). A mask of `GroupLasso` has the shape (n_groups, n_features,
        n_classes), or (n_groups, n_features), which groups the coefficients of all classes.
    solver_name, solver_kwargs, fit_intercept, missing, n_threads :
        As in `GLM`.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
        The labels, sorted.
    coef_ : ndarray (n_features, n_classes), float64
        A dict of arrays for a dict X.
    intercept_ : ndarray (n_classes,), float64
    rank_, aliased_, n_iter_, converged_, status_, kkt_, n_dropped_, n_features_in_ :
        As in `GLM`.
    dof_resid_ : float
        (Sum of the weights of the rows used - `rank_`) (n_classes - 1).

    Examples
    --------
    >>> import numpy as np, spikeglm as nmo
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> model = nmo.glm.ClassifierGLM(regularizer_strength=0.01).fit(X, y)
    >>> bool(np.mean(model.predict(X) == y) > 0.95)
    True
    """

    @one_task
    def fit(
        self,
        X: Any,
        y: Any,
        init_params: Any = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> "ClassifierGLM":
        """Fit the model.

        Parameters
        ----------
        X : (n_samples, n_features)
            As in `GLM.fit`.
        y : (n_samples,)
            Labels: strings, truth values or whole numbers. A NaN leaves its row out.
        init_params :
            (coef, intercept) to start from, of shapes (n_features, n_classes) and (n_classes,).
        sample_weight : (n_samples,)
            As in `GLM.fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Shapes or time axes do not match; y has another number of labels than `n_classes`, or
            only one; a class has no row in use; X holds an infinity.

        Warns
        -----
        ConvergenceWarning, SeparationWarning, IdentifiabilityWarning
            See `spikeglm.exceptions`.
        """
        features, results = self._fit(
            X, y, init_params, sample_weight, 1, lambda features, n_neurons: None
        )
        for name in _FITTED:
            setattr(self, name, results[0][name])
        self.coef_ = split_coef(self.coef_, features.widths)
        self.n_features_in_ = features.shape[1]
        keep_names(self, features.names)
        keep_bounds(X)
        warn_about_classes(results, [])
        return self

    def _shapes(self, n_features: int, n_neurons: int, n_classes: int) -> Any:
        return (n_features, n_classes), (n_classes,)

    def predict(self, X: Any) -> Any:
        """Return the likeliest label of each row, (n_samples,).

        A row with a NaN has the label NaN, or None where labels are no numbers.
        """
        log_proba, axis = self._log_proba(X)
        labels = self._labels(log_proba)[:, 0]
        return like_estimate(labels, axis) if labels.dtype.kind in "iufb" else labels

    def predict_proba(self, X: Any, return_type: str = "proba") -> Any:
        """Return the probability of each class, (n_samples, n_classes).

        `return_type` "log-proba" returns their logarithms, as NeMoS does by default. Rows with a
        NaN stay NaN.
        """
        proba, axis = self._probabilities(X, return_type)
        return like_estimate(proba[:, 0], axis, self.classes_)

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of the probability of each class, (n_samples, n_classes)."""
        return self.predict_proba(X, "log-proba")

    def score(
        self,
        X: Any,
        y: Any,
        score_type: str = "log-likelihood",
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Score the predictions for X against y; as `GLM.score`."""
        return self._score_codes(X, y, 1, score_type, aggregate_sample_scores, sample_weight)

    def simulate(self, random_key: Any, feedforward_input: Any) -> tuple[Any, Any]:
        """Draw labels; return them and the log-probabilities, as `GLM.simulate`."""
        labels, log_proba, axis = self._draw(random_key, feedforward_input)
        drawn = labels[:, 0]
        return (
            like_estimate(drawn, axis) if drawn.dtype.kind in "iufb" else drawn,
            like_estimate(log_proba[:, 0], axis, self.classes_),
        )


class ClassifierPopulationGLM(BaseClassifier):
    """`ClassifierGLM` of several neurons that share one design and the labels.

    Each neuron is fitted on its own.

    Parameters
    ----------
    n_classes, inverse_link_function, regularizer, regularizer_strength, solver_name, \
    solver_kwargs, fit_intercept, missing, n_threads :
        As in `ClassifierGLM`; strengths may also have the shape (n_features, n_neurons, n_classes).
    feature_mask :
        Zeros and ones (n_features, n_neurons, n_classes): which coefficients are not held at zero.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
    coef_ : ndarray (n_features, n_neurons, n_classes), float64
    intercept_ : ndarray (n_neurons, n_classes), float64
    rank_, aliased_, n_iter_, converged_, status_, kkt_, n_dropped_, dof_resid_, n_features_in_ :
        As in `ClassifierGLM`, with one value per neuron.
    """

    def __init__(
        self,
        n_classes: int | None = None,
        inverse_link_function: str | Callable[..., Any] | None = None,
        regularizer: str | Regularizer | None = "Ridge",
        regularizer_strength: Any = None,
        solver_name: str | None = None,
        solver_kwargs: Mapping[str, Any] | None = None,
        feature_mask: Any = None,
        fit_intercept: bool = True,
        missing: str = "drop",
        n_threads: int | None = None,
    ) -> None:
        super().__init__(
            n_classes,
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

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn 1.6 and newer."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    def _more_tags(self) -> dict[str, bool]:
        """Describe it to scikit-learn before 1.6, which joins the tags of base classes."""
        return {"multioutput": True, "multioutput_only": True}

    @one_task
    def fit(
        self,
        X: Any,
        y: Any,
        init_params: Any = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> "ClassifierPopulationGLM":
        """Fit all neurons; as `ClassifierGLM.fit`, with y of shape (n_samples, n_neurons)."""
        features, results = self._fit(X, y, init_params, sample_weight, 2, self._excluded)
        for name in _FITTED:
            values = [result[name] for result in results]
            setattr(self, name, values if name == "aliased_" else np.array(values))
        coef = np.stack([result["coef_"] for result in results], axis=1)
        self.coef_ = split_coef(coef, features.widths)
        self.n_features_in_ = features.shape[1]
        keep_names(self, features.names)
        keep_bounds(X)
        warn_about_classes(results, list(range(len(results))))
        return self

    def _shapes(self, n_features: int, n_neurons: int, n_classes: int) -> Any:
        return (n_features, n_neurons, n_classes), (n_neurons, n_classes)

    def _excluded(self, features: Features, n_neurons: int) -> NDArray[np.uint8] | None:
        if self.feature_mask is None:
            return None
        mask = self.feature_mask
        if isinstance(mask, Mapping):
            if features.widths is None or set(mask) != set(features.widths):
                raise ValueError(
                    f"`feature_mask` has the keys {sorted(map(str, mask))}; X is "
                    f"{layout(features.widths)}."
                )
            mask = np.repeat(
                np.array([np.asarray(mask[key]) for key in features.widths]),
                list(features.widths.values()),
                axis=0,
            )
        values = numeric_array(plain(mask), "`feature_mask`")
        expected = (features.shape[1], n_neurons, len(self.classes_))
        if values.shape != expected:
            raise ValueError(
                "`feature_mask` must have shape (n_features, n_neurons, n_classes) = "
                f"{expected}, got {values.shape}."
            )
        if not np.all((values == 0) | (values == 1)):
            raise ValueError("`feature_mask` must hold zeros and ones only.")
        # Per neuron, class by class.
        flat = (values == 0).transpose(2, 0, 1).reshape(-1, n_neurons)
        return np.asfortranarray(flat.astype(np.uint8))

    def predict(self, X: Any) -> Any:
        """Return the likeliest label of each row and neuron, (n_samples, n_neurons)."""
        log_proba, axis = self._log_proba(X)
        labels = self._labels(log_proba)
        return like_estimate(labels, axis) if labels.dtype.kind in "iufb" else labels

    def predict_proba(self, X: Any, return_type: str = "proba") -> Any:
        """Return the probability of each class, (n_samples, n_neurons, n_classes)."""
        proba, axis = self._probabilities(X, return_type)
        return like_estimate(proba, axis)

    def score(
        self,
        X: Any,
        y: Any,
        score_type: str = "log-likelihood",
        aggregate_sample_scores: Aggregator = np.mean,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Score the predictions for X against y; as `PopulationGLM.score`."""
        return self._score_codes(X, y, 2, score_type, aggregate_sample_scores, sample_weight)

    def simulate(self, random_key: Any, feedforward_input: Any) -> tuple[Any, Any]:
        """Draw labels; return them and the log-probabilities, as `ClassifierGLM.simulate`."""
        labels, log_proba, axis = self._draw(random_key, feedforward_input)
        return (
            like_estimate(labels, axis) if labels.dtype.kind in "iufb" else labels,
            like_estimate(log_proba, axis),
        )


_FITTED = (
    "coef_",
    "intercept_",
    "status_",
    "converged_",
    "n_iter_",
    "kkt_",
    "rank_",
    "n_dropped_",
    "dof_resid_",
    "aliased_",
)


def _incomplete(log_proba: FloatArray) -> NDArray[np.bool_]:
    return np.asarray(np.isnan(log_proba).any(axis=2))


def _missing(labels: NDArray[Any]) -> NDArray[np.bool_]:
    if labels.dtype.kind == "f":
        return np.isnan(labels)
    if labels.dtype.kind == "O":
        return np.array(
            [v is None or (isinstance(v, float) and np.isnan(v)) for v in labels.flat], dtype=bool
        ).reshape(labels.shape)
    return np.zeros(labels.shape, dtype=bool)


def _without_missing(labels: NDArray[Any]) -> NDArray[Any]:
    return labels[~_missing(labels)]


def _with_missing(labels: NDArray[Any], missing: NDArray[np.bool_]) -> NDArray[Any]:
    if not np.any(missing):
        return labels
    if labels.dtype.kind in "iufb":
        return np.where(missing, np.nan, labels.astype(np.float64))
    result = labels.astype(object)
    result[missing] = None
    return result


def _one_hot(codes: FloatArray, n_classes: int) -> FloatArray:
    """Return (..., n_classes), NaN where a code is."""
    one_hot = (codes[..., None] == np.arange(n_classes)).astype(np.float64)
    one_hot[np.isnan(codes)] = np.nan
    return one_hot


def _flat_strength(strength: Any, n_features: int, n_classes: int, n_neurons: int) -> Any:
    """Return strengths per coefficient with the classes of a feature adjacent."""
    if isinstance(strength, tuple):
        return tuple(_flat_strength(part, n_features, n_classes, n_neurons) for part in strength)
    if isinstance(strength, Mapping):
        strength = np.concatenate([np.asarray(part) for part in strength.values()])
    if np.ndim(strength) == 0 or np.shape(strength)[0] != n_features:
        return strength
    values = np.asarray(strength, dtype=np.float64)
    if values.shape == (n_features,):
        return np.repeat(values, n_classes)
    if values.shape == (n_features, n_classes):
        return values.reshape(-1)
    if values.shape == (n_features, n_neurons, n_classes):
        return values.transpose(0, 2, 1).reshape(-1, n_neurons)
    raise ValueError(
        f"`regularizer_strength` must be a number or have the shape {(n_features, n_classes)}; got "
        f"shape {values.shape}."
    )


def _with_flat_mask(
    regularizer: Regularizer, n_features: int, n_classes: int, n_neurons: int
) -> Regularizer:
    """Return a group lasso whose mask has the classes of a feature adjacent; others as they are."""
    if not isinstance(regularizer, GroupLasso) or regularizer.mask is None:
        return regularizer
    mask = regularizer.mask
    if isinstance(mask, Mapping):
        mask = np.concatenate([np.asarray(part) for part in mask.values()], axis=1)
    values = np.asarray(mask)
    shape = (n_features, n_classes)
    if values.shape[1:] == (n_features,):
        values = np.repeat(values, n_classes, axis=1)
    elif values.shape[1:] == shape:
        values = values.reshape(len(values), -1)
    elif values.shape[1:] == (n_features, n_neurons, n_classes):
        values = values.transpose(0, 1, 3, 2).reshape(len(values), -1, n_neurons)
    else:
        raise ValueError(
            f"the mask of a GroupLasso has shape {values.shape}; expected (n_groups, "
            f"{n_features}, {n_classes}), or (n_groups, {n_features}) for all classes together."
        )
    return GroupLasso(values, regularizer.regularizer_strength)


def _by_class(values: FloatArray | None, n_features: int, n_classes: int) -> FloatArray | None:
    """Return values per feature and class in the order of the core, class by class."""
    if values is None:
        return None
    return np.ascontiguousarray(values.reshape(n_features, n_classes).T).reshape(-1)


def _groups_by_class(
    parts: tuple[Any, Any, Any], n_features: int, n_classes: int
) -> tuple[Any, Any, Any]:
    begin, members, weights = parts
    if begin is None:
        return parts
    feature, k = np.divmod(members, n_classes)
    return begin, np.ascontiguousarray(feature + n_features * k).astype(np.intp), weights
