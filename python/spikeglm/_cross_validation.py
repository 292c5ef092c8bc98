"""GLMs whose strength of the penalty is chosen by cross-validation."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._callbacks import one_task
from ._features import Features, features_of, keep_bounds
from ._glm import GLM, PopulationGLM
from ._paths import chosen_strengths, one_neuron, unit_strength
from ._reports import warn_about
from ._strengths import ProgressBar, StrengthProblems, mean_of, warn_unfinished
from ._timeseries import plain
from ._validation import FloatArray, whole_number
from .observation_models import Observations, resolve_model
from .regularizer import Regularizer, resolve_regularizer

Folds = list[NDArray[np.intp]]

_RULES = ("best", "one-standard-error")


class CrossValidated:
    """What `GLMCV` and `PopulationGLMCV` share; the other base is the model that they are."""

    _model_class: ClassVar[Any]
    observation_model: str | Observations
    regularizer: Any
    regularizer_strengths: Any
    n_strengths: int
    cv: Any
    rule: str
    score_type: str
    progress: bool
    n_features_in_: int
    regularizer_strengths_: FloatArray
    cv_scores_: FloatArray
    best_strength_: Any

    def _set_parameters(self, **parameters: Any) -> None:
        for name, value in parameters.items():
            setattr(self, name, value)

    @property
    def regularizer_strength(self) -> Any:
        """The strength that was chosen, as the model itself takes it; None before the fit."""
        if not hasattr(self, "best_strength_"):
            return None
        regularizer = resolve_regularizer(self.regularizer)
        unit = regularizer.unit_strength(regularizer.regularizer_strength)
        strength = np.asarray(self.best_strength_)
        if strength.ndim == 0 or np.all(strength == strength[0]):
            return regularizer.times(unit, float(strength.flat[0]))
        n_features = self.n_features_in_
        each = np.broadcast_to(strength, (n_features, len(strength)))
        return regularizer.times_each(unit, each)

    def save_params(self, filename: Any) -> None:
        """Write the model with the chosen strength, as `GLM.save_params` does.

        What is read back is a `GLM` or `PopulationGLM`.
        """
        self.to_model().save_params(filename)

    def plot_scores(
        self, ax: Any = None, *, neuron: int | None = None, **errorbar_kwargs: Any
    ) -> Any:
        """Draw the scores with the one-standard-error mark; see `spikeglm.plotting.plot_scores`.

        Parameters
        ----------
        ax, **errorbar_kwargs :
            As there.
        neuron : int, optional
            Which neuron of a population, by column of y.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from .plotting import plot_scores

        fitted: Any = self
        fitted._require_fitted()
        scores = one_neuron(self.cv_scores_, 2, neuron)
        chosen = float(np.ravel(self.best_strength_)[neuron or 0])
        unit = " (nats/sample)" if self.score_type == "log-likelihood" else ""
        return plot_scores(
            self.regularizer_strengths_,
            scores,
            chosen=chosen,
            score_name=f"{self.score_type}{unit}",
            ax=ax,
            **errorbar_kwargs,
        )

    def to_model(self) -> Any:
        """Return the fitted model with the chosen strength, a `GLM` or `PopulationGLM`."""
        fitted: Any = self
        fitted._require_fitted()
        model = self._model(self.regularizer_strength)
        for name, value in vars(self).items():
            if name.endswith("_") and name not in _OF_CV:
                setattr(model, name, value)
        for name in ("_columns", "_metadata"):
            if name in vars(self):
                setattr(model, name, getattr(self, name))
        return model

    def _model(self, strength: Any = None) -> Any:
        """Return the model that is fitted, with a strength."""
        estimator: Any = self
        parameters = estimator.get_params(deep=False)
        for name in _PARAMETERS_OF_CV:
            del parameters[name]
        return self._model_class(**parameters, regularizer_strength=strength)

    def _cross_validate(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
    ) -> tuple[Features, list[_core.FitResult], dict[str, Any]]:
        """Return X, the fits to all rows, and what was found of the strengths."""
        if self.rule not in _RULES:
            raise ValueError(f"`rule` must be one of {', '.join(_RULES)}; got {self.rule!r}.")
        model = self._model()
        features = features_of(X)
        columns = model._columns_of(y, features)
        regularizer = resolve_regularizer(self.regularizer)
        if regularizer.default_strength is None:
            raise ValueError(
                f"{type(regularizer).__name__} has no strength to choose here; use a regularizer "
                "that has one, such as Ridge. Smooth chooses its own in the fit of a GLM."
            )
        strengths = chosen_strengths(
            model, X, y, self.regularizer_strengths, self.n_strengths, sample_weight, offset
        )
        unit = unit_strength(model, regularizer)
        task = model._task(features, len(columns), sample_weight, offset)
        problems = StrengthProblems.of(model, features, columns, task, regularizer, unit, strengths)
        folds = folds_of(self.cv, features, y)
        weight = task.rows["weight"]
        training = []
        for test in folds:
            own = np.ones(features.shape[0]) if weight is None else weight.copy()
            own[test] = 0.0
            training.append(own)
        shape = len(folds), len(strengths), len(columns)
        results = problems.fit(
            [
                problems.problem(s, i, training[f])
                for f in range(shape[0])
                for s in range(shape[1])
                for i in range(shape[2])
            ],
            ProgressBar() if self.progress else None,
        )
        warn_unfinished(results, "cross-validation")
        by_fold = np.empty(len(results), dtype=object)
        by_fold[:] = results
        by_fold = by_fold.reshape(shape)
        scores = np.stack(
            [
                self._fold_scores(features, columns, task, by_fold[f], test)
                for f, test in enumerate(folds)
            ],
            axis=1,
        )
        best = [choose(scores[:, :, i], self.rule) for i in range(len(columns))]
        # The folds are close to the whole.
        refits = problems.fit(
            [problems.problem(s, i, weight, mean_of(by_fold[:, s, i])) for i, s in enumerate(best)]
        )
        model._refuse_missing([result.n_dropped for result in refits])
        found = {
            "regularizer_strengths_": strengths,
            "cv_scores_": model._squeezed(scores),
            "best_strength_": model._per_neuron(strengths[best]),
        }
        return features, refits, found

    def _fold_scores(
        self,
        features: Features,
        columns: list[FloatArray],
        task: Any,
        results: NDArray[Any],
        test: NDArray[np.intp],
    ) -> FloatArray:
        """Return the scores (n_strengths, n_neurons) on the rows `test`."""
        model = resolve_model(self.observation_model)
        weight, offset = task.rows["weight"], task.rows["offset"]
        own_weight = None if weight is None else weight[test]
        scores = np.empty(results.shape)
        for i, column in enumerate(columns):
            means = _core.predict_many(
                features.matrix,
                np.stack([result.coef for result in results[:, i]], axis=1),
                np.array([result.intercept for result in results[:, i]]),
                None if offset is None else offset[test],
                task.arguments["link"],
                test,
                task.arguments["n_threads"],
            )
            for s in range(len(results)):
                arguments = column[test], means[:, s]
                scale = results[s, i].dispersion
                if self.score_type == "log-likelihood":
                    scores[s, i] = model.log_likelihood(
                        *arguments, scale, np.mean, sample_weight=own_weight
                    )
                else:
                    scores[s, i] = model.pseudo_r2(
                        *arguments, self.score_type, scale, np.mean, sample_weight=own_weight
                    )
        return scores


_PARAMETERS_OF_CV = ("regularizer_strengths", "n_strengths", "cv", "rule", "score_type", "progress")
_OF_CV = ("regularizer_strengths_", "cv_scores_", "best_strength_")


class GLMCV(CrossValidated, GLM):
    """GLM whose strength of the penalty is chosen by cross-validation.

    All folds and strengths are fitted as one batch that shares the passes over X. Scores are those
    of `GLM.score`, so that the result is that of scikit-learn's GridSearchCV over `GLM`.

    Parameters
    ----------
    observation_model, inverse_link_function, regularizer, solver_name, solver_kwargs, \
    fit_intercept, missing, n_threads :
        As in `GLM`; the regularizer must have a strength. Strengths that are given to the
        regularizer itself are multiplied by those that are tried.
    regularizer_strengths : (n_strengths,)
        Strengths to try; None: a grid as that of `GLM.regularization_path`.
    n_strengths :
        Length of that grid.
    cv :
        Number of folds, each a range of samples that is held out (of whole epochs, where X is a
        time series with at least as many epochs); or a splitter of scikit-learn, or an iterable of
        (training, test) rows.
    rule :
        "best": the strength with the best mean score; "one-standard-error": the largest whose mean
        score is within one standard error of the best. Breiman et al. (1984), Classification and
        Regression Trees, section 3.4.3.
    score_type :
        As in `GLM.score`.
    progress :
        Whether to show a progress bar.

    Attributes
    ----------
    best_strength_ : float
        The strength that was chosen; all fitted attributes of `GLM` are those of the fit to all
        samples with it.
    regularizer_strengths_ : ndarray (n_strengths,)
        Strengths that were tried, the largest first.
    cv_scores_ : ndarray (n_strengths, n_folds)
        Score of each on the samples that were held out.

    Examples
    --------
    >>> import numpy as np, spikeglm as nmo
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3))
    >>> y = rng.poisson(np.exp(0.5 * X[:, 0] - 1))
    >>> model = nmo.glm.GLMCV(regularizer="Lasso", n_strengths=20).fit(X, y)
    >>> model.cv_scores_.shape
    (20, 5)
    """

    _model_class = GLM

    def __init__(
        self,
        observation_model: str | Observations = "Poisson",
        inverse_link_function: str | Callable[..., Any] | None = None,
        regularizer: str | Regularizer = "Ridge",
        regularizer_strengths: ArrayLike | None = None,
        n_strengths: int = 50,
        cv: Any = 5,
        rule: str = "best",
        score_type: str = "log-likelihood",
        solver_name: str | None = None,
        solver_kwargs: Mapping[str, Any] | None = None,
        fit_intercept: bool = True,
        missing: str = "drop",
        n_threads: int | None = None,
        progress: bool = False,
    ) -> None:
        self._set_parameters(
            observation_model=observation_model,
            inverse_link_function=inverse_link_function,
            regularizer=regularizer,
            regularizer_strengths=regularizer_strengths,
            n_strengths=n_strengths,
            cv=cv,
            rule=rule,
            score_type=score_type,
            solver_name=solver_name,
            solver_kwargs=solver_kwargs,
            fit_intercept=fit_intercept,
            missing=missing,
            n_threads=n_threads,
            progress=progress,
        )

    @one_task
    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> "GLMCV":
        """Choose the strength, and fit with it.

        Parameters
        ----------
        X, y, sample_weight, offset :
            As in `GLM.fit`; weights count in the scores too.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `GLM.fit`; the regularizer has no strength; the folds are not as described.
        NotImplementedError
            As `GLM.regularization_path`.

        Warns
        -----
        ConvergenceWarning
            Says how many of the fits did not converge; else as `GLM.fit`.
        """
        features, results, found = self._cross_validate(X, y, sample_weight, offset)
        self._assign(results, features)
        self._set_parameters(**found)
        keep_bounds(X)
        self._remember(X, y, sample_weight, offset)
        warn_about(results, [], self._estimates_parameter())
        return self


class PopulationGLMCV(CrossValidated, PopulationGLM):
    """Models of several neurons, for each of which the strength is chosen by cross-validation.

    Parameters
    ----------
    observation_model, inverse_link_function, regularizer, solver_name, solver_kwargs, \
    feature_mask, fit_intercept, missing, n_threads :
        As in `PopulationGLM`.
    regularizer_strengths, n_strengths, cv, rule, score_type, progress :
        As in `GLMCV`. The grid begins at the largest strength that any neuron calls for.

    Attributes
    ----------
    best_strength_ : ndarray (n_neurons,)
        The strength that was chosen for each neuron; all fitted attributes of `PopulationGLM` are
        those of the fit to all samples with them.
    regularizer_strengths_ : ndarray (n_strengths,)
        Strengths that were tried, the largest first.
    cv_scores_ : ndarray (n_strengths, n_folds, n_neurons)
        Score of each on the samples that were held out.
    """

    _model_class = PopulationGLM

    def __init__(
        self,
        observation_model: str | Observations = "Poisson",
        inverse_link_function: str | Callable[..., Any] | None = None,
        regularizer: str | Regularizer = "Ridge",
        regularizer_strengths: ArrayLike | None = None,
        n_strengths: int = 50,
        cv: Any = 5,
        rule: str = "best",
        score_type: str = "log-likelihood",
        solver_name: str | None = None,
        solver_kwargs: Mapping[str, Any] | None = None,
        feature_mask: Any = None,
        fit_intercept: bool = True,
        missing: str = "drop",
        n_threads: int | None = None,
        progress: bool = False,
    ) -> None:
        self._set_parameters(
            observation_model=observation_model,
            inverse_link_function=inverse_link_function,
            regularizer=regularizer,
            regularizer_strengths=regularizer_strengths,
            n_strengths=n_strengths,
            cv=cv,
            rule=rule,
            score_type=score_type,
            solver_name=solver_name,
            solver_kwargs=solver_kwargs,
            feature_mask=feature_mask,
            fit_intercept=fit_intercept,
            missing=missing,
            n_threads=n_threads,
            progress=progress,
        )

    @one_task
    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> "PopulationGLMCV":
        """Choose the strengths, and fit with them; arguments and errors as in `GLMCV.fit`."""
        features, results, found = self._cross_validate(X, y, sample_weight, offset)
        self._assign(results, features)
        self._set_parameters(**found)
        keep_bounds(X)
        self._remember(X, y, sample_weight, offset)
        warn_about(results, self._keep_columns(y, len(results)), self._estimates_parameter())
        return self


def choose(scores: FloatArray, rule: str) -> int:
    """Return the number of the strength that scores (n_strengths, n_folds) speak for.

    "one-standard-error": the largest strength, the first, whose mean score is within one standard
    error of the best. Breiman, Friedman, Olshen & Stone (1984), section 3.4.3.
    """
    mean = scores.mean(axis=1)
    if np.all(np.isnan(mean)):
        raise ValueError("no strength has a score: every fold has too few rows to be scored.")
    best = int(np.nanargmax(mean))
    if rule == "best" or scores.shape[1] < 2:
        return best
    error = scores[best].std(ddof=1) / np.sqrt(scores.shape[1])
    return int(np.argmax(mean >= mean[best] - error))


def folds_of(cv: Any, features: Features, y: Any) -> Folds:
    """Return the rows that each fold holds out.

    An integer divides the rows into so many ranges, as scikit-learn's KFold does. Where X has
    epochs, at least as many as folds, whole epochs are held out, in order and about equally many
    samples in each fold.
    """
    n = features.shape[0]
    if isinstance(cv, int | np.integer) and not isinstance(cv, bool):
        n_folds = whole_number(cv, "cv", 2)
        if n_folds > n:
            raise ValueError(f"`cv` asks for {n_folds} folds of {n} samples.")
        epochs = None if features.axis is None else features.axis.epochs()
        if epochs is not None:
            epochs = [epoch for epoch in epochs if epoch[1] > epoch[0]]
        if epochs is None or len(epochs) < n_folds:
            return [np.asarray(part, np.intp) for part in np.array_split(np.arange(n), n_folds)]
        ends = np.cumsum([stop - begin for begin, stop in epochs])
        middles = ends - 0.5 * np.diff(ends, prepend=0)
        fold = np.minimum((middles * n_folds / ends[-1]).astype(int), n_folds - 1)
        fold = _without_gaps(fold, n_folds)
        return [
            np.concatenate(
                [np.arange(*epochs[e], dtype=np.intp) for e in np.flatnonzero(fold == k)]
            )
            for k in range(n_folds)
        ]
    splits: Iterable[Any]
    if hasattr(cv, "split") and not isinstance(cv, str):
        splits = cv.split(np.zeros((n, 1)), plain(y))
    elif isinstance(cv, Iterable) and not isinstance(cv, str):
        splits = cv
    else:
        raise TypeError(
            "`cv` must be a number of folds, a splitter of scikit-learn, or an iterable of "
            f"(training, test) rows; got {cv!r}."
        )
    folds = []
    for train, test in splits:
        rows = np.arange(n)
        train, test = rows[np.asarray(train)], rows[np.asarray(test)]
        if len(np.intersect1d(train, test)) or len(train) + len(test) != n:
            raise ValueError(
                "every row must be either in the training or in the test set of a fold of `cv`: "
                f"one has {len(train)} and {len(test)} of {n} rows."
            )
        folds.append(np.sort(test).astype(np.intp))
    if not folds:
        raise ValueError("`cv` has no folds.")
    return folds


def _without_gaps(fold: NDArray[Any], n_folds: int) -> NDArray[Any]:
    """Return the numbers of folds, in order, changed so that each fold has an epoch."""
    fold = fold.copy()
    for e in range(len(fold)):  # no fold is skipped, and none is left without
        low = fold[e - 1] if e else 0
        fold[e] = min(max(fold[e], low), low + 1 if e else 0)
        fold[e] = max(fold[e], n_folds - (len(fold) - e))
    return fold
