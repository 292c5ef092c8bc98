"""What GLM and PopulationGLM share: the call of the core, neuron by neuron."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin

from . import _core, _facts
from ._custom import Loss, fit_columns
from ._features import Features, check_names, features_of, join_coef, keep_names, split_coef
from ._inferable import Inferable
from ._links import resolve_link
from ._paths import RegularizationPath, regularization_path
from ._pictures import Pictures
from ._reports import CONVERGED
from ._settings import FitSettings, Task, layout
from ._smoothness import Chooser
from ._stepping import OptimizerState
from ._timeseries import Axis, plain
from ._validation import FloatArray, numeric_array, per_sample, whole_number
from .links import InverseLink
from .observation_models import Aggregator, Observations, resolve_model
from .regularizer import Regularizer, Smooth, resolve_regularizer, resolve_strength

InitParams = tuple[Any, ArrayLike]


class BaseGLM(Inferable, Pictures, RegressorMixin, FitSettings):
    """Settings, fitting and prediction, neuron by neuron."""

    rank_: Any
    dof_resid_: Any
    n_iter_: Any
    _single = False  # one neuron

    def __init__(
        self,
        observation_model: str | Observations = "Poisson",
        inverse_link_function: str | Callable[..., Any] | None = None,
        regularizer: str | Regularizer | None = "UnRegularized",
        regularizer_strength: Any = None,
        solver_name: str | None = None,
        solver_kwargs: Mapping[str, Any] | None = None,
        fit_intercept: bool = True,
        missing: str = "drop",
        n_threads: int | None = None,
    ) -> None:
        self.observation_model = observation_model
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
        # A score is a log-likelihood, and many models cannot have the y of scikit-learn's tests.
        tags.regressor_tags.poor_score = True
        tags.target_tags.positive_only = self._positive_only()
        return tags

    def _more_tags(self) -> dict[str, bool]:
        """Describe it to scikit-learn before 1.6."""
        positive = self._positive_only()
        return {"allow_nan": True, "poor_score": True, "requires_positive_y": positive}

    def _positive_only(self) -> bool:
        facts = _facts.observation_models().get(resolve_model(self.observation_model).name, {})
        return bool(facts.get("mean_must_be_positive", False))

    def _fit_columns(
        self,
        features: Features,
        columns: list[FloatArray],
        starts: list[tuple[FloatArray | None, float]],
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
        mask: NDArray[np.uint8] | None = None,
    ) -> tuple[list[Any], FloatArray | None]:
        """Fit each column of y; return the results and strengths that were chosen.

        `mask`: features (n_features, n_neurons) that are in use.
        """
        task = self._task(features, len(columns), sample_weight, offset)
        chosen = None
        regularizer = resolve_regularizer(self.regularizer)
        if isinstance(regularizer, Smooth) and regularizer.chooses(
            resolve_strength(self.regularizer_strength, regularizer)
        ):
            chosen, starts = self._choose_smoothness(regularizer, task, features, columns, mask)
        terms = task.terms
        if task.custom:
            if terms.matrix is not None:
                task.require_core("Smooth")
            loss = Loss(
                resolve_model(self.observation_model), task.arguments["link"], task.parameter
            )
            X = features.matrix if isinstance(features.matrix, np.ndarray) else features.dense()
            if np.isnan(task.parameter):
                raise NotImplementedError(
                    "a dispersion is estimated with the coefficients for links of the core only: "
                    "give the model a `scale`."
                )
            by_hand = fit_columns(
                X,
                columns,
                loss,
                terms,
                starts,
                mask,
                task.rows["weight"],
                task.rows["offset"],
                task.arguments,
                task.max_iterations,
            )
            self._refuse_missing([result.n_dropped for result in by_hand])
            return by_hand, None

        def solve(
            neurons: list[int], own: _core.Groups | None, shared: _core.Groups | None
        ) -> list[_core.FitResult]:
            problems = [task.problem(columns[i], i, starts[i], mask, own) for i in neurons]
            arguments = task.arguments
            if self.solver_name is None and shared is None:
                arguments = arguments | {"solver": ""}  # chosen by cost
            return _core.fit(
                features.matrix,
                problems,
                **arguments,
                **task.rows,
                max_iterations=task.max_iterations,
                shared_groups=shared,
            )

        if terms.groups is None:
            together = solve(list(range(len(columns))), None, None)
            self._refuse_missing([result.n_dropped for result in together])
            return together, chosen
        results: dict[int, _core.FitResult] = {}
        for neurons, groups in terms.groups.batches():
            own = terms.groups.of_batch(neurons, groups) if groups else None
            alone = len(neurons) == 1
            found = solve(neurons, own if alone else None, None if alone else own)
            results.update(zip(neurons, found, strict=True))
        ordered = [results[i] for i in range(len(columns))]
        self._refuse_missing([result.n_dropped for result in ordered])
        return ordered, chosen

    def _choose_smoothness(
        self,
        regularizer: Smooth,
        task: "Task",
        features: Features,
        columns: list[FloatArray],
        mask: NDArray[np.uint8] | None,
    ) -> tuple[FloatArray, list[tuple[FloatArray | None, float]]]:
        """Return strengths (n_penalties, n_neurons), and where the coefficients are."""
        task.require_core("the choice of smoothness")
        if np.isnan(task.parameter):
            raise NotImplementedError(
                "smoothness is not chosen together with the dispersion of a negative binomial: "
                "give the model a `scale`, or strengths."
            )
        name = resolve_model(self.observation_model).name
        penalties = regularizer.matrices(features.shape[1])
        searches = Chooser(
            features,
            columns,
            task,
            penalties,
            regularizer.method,
            bool(_facts.observation_models()[name]["estimates_dispersion"]),
            mask,
        ).choose()
        chosen = np.zeros((len(penalties), len(columns)))
        for i, search in enumerate(searches):
            if search.strengths.size:
                chosen[search.members, i] = search.strengths / search.scale
        task.terms = regularizer.terms(chosen, features.shape[1], len(columns))
        return chosen, [(search.coef, search.intercept) for search in searches]

    def initialize_optimizer_and_state(
        self,
        init_params: InitParams | None,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> OptimizerState:
        """Prepare the solver for steps that are taken one by one with `update`.

        Parameters
        ----------
        init_params :
            (coef, intercept), whose shapes are checked, or None.
        X, y, sample_weight, offset :
            As in `fit`. Units and centres of the columns, and which columns are constant, are
            those of these rows for all steps.

        Returns
        -------
        OptimizerState
            To be passed to `update`.

        Raises
        ------
        ValueError
            As `fit`.
        NotImplementedError
            Neurons share a group of the penalty.

        Examples
        --------
        >>> import numpy as np, spikeglm as nmo
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(500, 2))
        >>> y = rng.poisson(np.exp(0.5 * X[:, 0] - 1))
        >>> model = nmo.glm.GLM(solver_name="LBFGS")
        >>> params = np.zeros(2), np.zeros(1)
        >>> state = model.initialize_optimizer_and_state(params, X, y)
        >>> for _ in range(20):
        ...     params, state = model.update(params, state, X, y)
        >>> np.allclose(params[0], nmo.glm.GLM().fit(X, y).coef_, atol=1e-6)
        True
        """
        features = features_of(X)
        columns = self._columns_of(y, features)
        starts = starts_of(init_params, features, len(columns))
        task = self._task(features, len(columns), sample_weight, offset)
        task.require_core("a fit step by step")
        problems = self._separate_problems(task, features, columns, starts)
        steppers = [
            _core.Stepper(features.matrix, problem, **task.arguments, **task.rows)
            for problem in problems
        ]
        return OptimizerState(steppers=steppers)

    def update(
        self,
        params: InitParams,
        opt_state: OptimizerState,
        X: Any,
        y: Any,
        *,
        n_samples: int | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> tuple[InitParams, OptimizerState]:
        """Take one step of the solver, on these or other rows.

        Sets the fitted attributes to what is known after the step: ``converged_`` and ``status_``
        are those of the step, ``kkt_`` is NaN, ``rank_`` that of the rows of
        `initialize_optimizer_and_state`.

        Parameters
        ----------
        params :
            (coef, intercept) to start from.
        opt_state :
            From `initialize_optimizer_and_state` or the last step; it is changed in place.
        X, y, sample_weight, offset :
            As in `fit`; rows with a NaN are left out.
        n_samples :
            Number of samples that ``dof_resid_`` counts, where these rows are a part of them only.

        Returns
        -------
        params, opt_state :
            After the step.
        """
        if not isinstance(opt_state, OptimizerState):
            raise TypeError(
                "`opt_state` must come from `initialize_optimizer_and_state`, got "
                f"{type(opt_state).__name__}."
            )
        features = features_of(X)
        columns = self._columns_of(y, features)
        if len(columns) != len(opt_state.steppers):
            raise ValueError(
                f"y has {len(columns)} neurons, `opt_state` is of {len(opt_state.steppers)}."
            )
        starts = starts_of(params, features, len(columns), "params")
        task = self._task(features, len(columns), sample_weight, offset)
        problems = self._separate_problems(task, features, columns, starts)
        results = [
            stepper.step(features.matrix, problem, **task.rows)
            for stepper, problem in zip(opt_state.steppers, problems, strict=True)
        ]
        opt_state.n_iter += 1
        opt_state.status = [result.status for result in results]
        opt_state.moved = any(result.n_iterations for result in results)
        opt_state.converged = all(status in CONVERGED for status in opt_state.status)
        self._assign(results, features)
        self.n_iter_ = opt_state.n_iter
        if n_samples is not None:
            self.dof_resid_ = whole_number(n_samples, "n_samples", 1) - self.rank_
        return (self.coef_, self.intercept_), opt_state

    def _separate_problems(
        self,
        task: "Task",
        features: Features,
        columns: list[FloatArray],
        starts: list[tuple[FloatArray | None, float]],
    ) -> list[_core.Problem]:
        groups: list[_core.Groups | None] = [None] * len(columns)
        if task.terms.groups is not None:
            for neurons, own in task.terms.groups.batches():
                if len(neurons) > 1:
                    raise NotImplementedError(
                        "steps cannot be taken one by one where neurons share a group of the "
                        "penalty; use `fit`."
                    )
                groups[neurons[0]] = task.terms.groups.of_batch(neurons, own) if own else None
        mask = self._mask(features, len(columns))
        return [
            task.problem(column, i, starts[i], mask, groups[i]) for i, column in enumerate(columns)
        ]

    def _task(
        self,
        features: Features,
        n_neurons: int,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
        of_fit: bool = False,
    ) -> "Task":
        """Check the settings, weights and offsets, and return them as the core takes them."""
        n_samples, n_features = features.shape
        model = resolve_model(self.observation_model)
        regularizer = resolve_regularizer(self.regularizer)
        strength = resolve_strength(self.regularizer_strength, regularizer)
        if strength is None and of_fit:
            strength = getattr(self, "regularizer_strength_", None)
        solver, settings, tolerance, max_iterations = self._solver(regularizer)
        terms = regularizer.terms(strength, n_features, n_neurons)
        rows = {
            "weight": per_sample(plain(sample_weight), n_samples, "sample_weight"),
            "offset": per_sample(plain(offset), n_samples, "offset"),
        }
        arguments = {
            "model": model.name,
            "link": self._link(model),
            "solver": solver,
            "settings": settings,
            "tolerance": tolerance,
            "intercept": self._intercept(),
            "n_threads": self._threads(),
        }
        return Task(terms, model._parameter(), arguments, rows, max_iterations)

    def _predict_columns(
        self, X: Any, offset: ArrayLike | None
    ) -> tuple[NDArray[Any], Axis | None]:
        """Return means (n_samples, n_neurons)."""
        features = features_of(X)
        n_samples, n_features = features.shape
        coef = self._coef_matrix()
        check_names(self, features.names)
        if n_features != len(coef):
            raise ValueError(
                f"Inconsistent number of features: X has {n_features} features, but "
                f"{type(self).__name__} is expecting {len(coef)} features as input."
            )
        widths = self._widths()
        if features.widths != widths:
            raise ValueError(
                f"X is {layout(features.widths)}, the model was fitted with {layout(widths)}."
            )
        link = self._link(resolve_model(self.observation_model))
        offset = per_sample(plain(offset), n_samples, "offset")
        own = isinstance(link, InverseLink)
        with np.errstate(over="ignore"):  # of float32
            values = _core.predict_many(
                features.matrix,
                coef,
                self.intercept_,
                offset,
                "identity" if own else link,
                None,
                self._threads(),
            )
            means = (link(values) if own else values).astype(features.dtype, copy=False)
        return means, features.axis

    def _score(
        self,
        target: FloatArray,
        rate: FloatArray,
        score_type: str,
        scale: Any,
        aggregate_sample_scores: Aggregator,
        sample_weight: ArrayLike | None,
    ) -> Any:
        model = resolve_model(self.observation_model)
        weight = plain(sample_weight)
        if score_type == "log-likelihood":
            return model.log_likelihood(
                target, rate, scale, aggregate_sample_scores, sample_weight=weight
            )
        return model.pseudo_r2(
            target, rate, score_type, scale, aggregate_sample_scores, sample_weight=weight
        )

    def simulate(
        self, random_key: Any, feedforward_input: Any, *, offset: ArrayLike | None = None
    ) -> tuple[Any, Any]:
        """Draw observations from the fitted model.

        Coupled models, whose input depends on what was drawn before, are simulated by
        `spikeglm.simulation.simulate_recurrent`.

        Parameters
        ----------
        random_key :
            numpy Generator, or a seed: an integer, or a JAX key, whose numbers are taken as one.
        feedforward_input : (n_samples, n_features)
            Design, as X in `predict`.
        offset : (n_samples,)
            As in `predict`.

        Returns
        -------
        observations, means :
            As `predict` returns means: (n_samples,), or (n_samples, n_neurons) for a population.
            NaN in rows with a NaN.

        Examples
        --------
        >>> import numpy as np, spikeglm as nmo
        >>> X = np.random.default_rng(0).normal(size=(100, 2))
        >>> model = nmo.glm.GLM().fit(X, np.random.default_rng(1).poisson(2.0, size=100))
        >>> counts, rate = model.simulate(0, X)
        >>> counts.shape, bool(np.all(rate > 0))
        ((100,), True)
        """
        means = self.predict(feedforward_input, offset=offset)
        scale = np.asarray(self.dispersion_, dtype=np.float64)
        if not np.all(np.isfinite(scale)):
            raise ValueError(
                "the model has no dispersion to simulate with: its fit had no residual degrees of "
                "freedom."
            )
        model = resolve_model(self.observation_model)
        drawn = model.sample_generator(random_key, np.asarray(plain(means)), scale)
        return self._like_predictions(drawn, feedforward_input), means

    def initialize_params(self, X: Any, y: Any) -> tuple[Any, FloatArray]:
        """Return the parameters of the model without effects: zeros, and the best intercept.

        Parameters
        ----------
        X, y :
            As in `fit`.

        Returns
        -------
        coef, intercept :
            As `coef_` and `intercept_`.
        """
        features = features_of(X)
        columns = self._columns_of(y, features)
        task = self._task(features, len(columns), None, None)
        task.require_core("`initialize_params`")
        nothing = np.zeros((features.shape[1], len(columns)), dtype=np.uint8)
        results = _core.fit(
            features.matrix,
            [
                _core.Problem(column, excluded=nothing[:, i] == 0, parameter=task.parameter)
                for i, column in enumerate(columns)
            ],
            **{**task.arguments, "solver": "Newton", "settings": {}},
            **task.rows,
            max_iterations=100,
            shared_groups=None,
        )
        coef = self._squeezed(np.zeros(nothing.shape))
        return split_coef(coef, features.widths), _each(results, "intercept")

    def compute_loss(
        self,
        params: InitParams,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> float:
        """Return the objective without its penalty, summed over neurons.

        Parameters
        ----------
        params :
            (coef, intercept).
        X, y, sample_weight, offset :
            As in `fit`; rows with a NaN are left out.

        Returns
        -------
        :
            Mean over samples of the negative log-likelihood without constants (of a Gaussian the
            squared error); +inf where a mean is outside the model's domain, or zero where y is
            not.
        """
        features = features_of(X)
        columns = self._columns_of(y, features)
        task = self._task(features, len(columns), sample_weight, offset)
        starts = starts_of(params, features, len(columns), "params")
        model = resolve_model(self.observation_model)
        weight = task.rows["weight"]
        parameter = task.parameter
        if np.isnan(parameter):
            self._require_fitted()  # the dispersion that was estimated
        total = 0.0
        for i, (column, (coef, intercept)) in enumerate(zip(columns, starts, strict=True)):
            assert coef is not None  # params are no None
            eta = _core.predict(
                features.matrix, coef, intercept, task.rows["offset"], "identity", self._threads()
            )
            if np.isnan(task.parameter):
                parameter = float(np.ravel(self.dispersion_)[i])
            used = ~(np.isnan(eta) | np.isnan(column))
            if weight is not None:
                used &= weight > 0.0
            if not np.any(used):
                raise ValueError("no row can be used: all have a NaN or weight zero.")
            link = task.arguments["link"]
            if task.custom:
                loss = Loss(model, link, parameter).terms(column[used], eta[used])[0]
            elif np.isinf(intercept):  # every mean is zero, or one
                mean = _core.predict(features.matrix, coef, intercept, None, link, self._threads())
                loss = np.where(column[used] == mean[used], 0.0, np.inf)
            else:
                loss = _core.row_terms(model.name, link, column[used], eta[used], parameter)[0]
            total += float(np.average(loss, weights=None if weight is None else weight[used]))
        facts = _facts.observation_models().get(model.name, {"objective_factor": 1.0})
        return total * float(facts["objective_factor"])

    def regularization_path(
        self,
        X: Any,
        y: Any,
        regularizer_strengths: ArrayLike | None = None,
        n_strengths: int = 50,
        *,
        progress: bool = False,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> RegularizationPath:
        """Fit at many strengths of the penalty at once; the model itself stays as it is.

        All strengths share the passes over X, so that a path costs a few fits.

        Parameters
        ----------
        X, y, sample_weight, offset :
            As in `fit`.
        regularizer_strengths : (n_strengths,)
            Strengths in any order; where the model's `regularizer_strength` has one per
            coefficient or group, factors of those. None: from the smallest strength at which all
            coefficients are zero down to 1e-3 of it, evenly on a log axis; for Ridge from a
            thousand times that down to 1e-6 of it.
        n_strengths :
            Length of that grid.
        progress :
            Whether to show a progress bar.

        Returns
        -------
        RegularizationPath
            `strengths`, the largest first, `coef` (n_strengths, n_features), `intercept`, and
            `converged`, `n_iter` and `kkt` of each fit; for a population with a last axis for the
            neurons.

        Raises
        ------
        ValueError
            As `fit`, and for strengths that are no numbers or below zero.
        NotImplementedError
            Neurons share a group of the penalty; or the model or link is one of the user's own.

        Warns
        -----
        ConvergenceWarning
            Says how many of the fits did not converge.

        Examples
        --------
        >>> import numpy as np, spikeglm as nmo
        >>> X = np.random.default_rng(0).normal(size=(100, 3))
        >>> y = np.random.default_rng(1).poisson(np.exp(0.5 * X[:, 0]))
        >>> path = nmo.glm.GLM(regularizer="Lasso").regularization_path(X, y, n_strengths=20)
        >>> path.coef.shape, np.any(path.coef[0] != 0.0).item()
        ((20, 3), False)
        """
        return regularization_path(
            self,
            X,
            y,
            regularizer_strengths,
            n_strengths,
            progress,
            sample_weight,
            offset,
        )

    def _largest_strength(
        self,
        X: Any,
        y: Any,
        regularizer: Regularizer,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
    ) -> float:
        """Return the strength at which a grid of strengths begins."""
        rows = {"sample_weight": sample_weight, "offset": offset}
        if not regularizer.smooth:
            return float(np.max(self.lambda_max(X, y, **rows)))
        lasso = type(self)(**(self.get_params(deep=False) | {"regularizer": "Lasso"}))
        return 1e3 * float(np.max(lasso.lambda_max(X, y, **rows)))

    def lambda_max(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> Any:
        """Return the smallest strength at which all penalised coefficients are exactly zero.

        Where strengths are given per coefficient or group, the factor that they must be multiplied
        with. Friedman, Hastie & Tibshirani (2010), J. Stat. Softw. 33:1, section 2.5.

        Parameters
        ----------
        X, y, sample_weight, offset :
            As in `fit`.

        Returns
        -------
        :
            A number; for a population one per neuron, (n_neurons,), where those that share a group
            of the penalty have the same. Rounded up by 1e-10 of it.

        Raises
        ------
        ValueError
            The penalty sets no coefficients to zero; or as `fit`.

        Examples
        --------
        >>> import numpy as np, spikeglm as nmo
        >>> X = np.random.default_rng(0).normal(size=(100, 3))
        >>> y = np.random.default_rng(1).poisson(2.0, size=100)
        >>> model = nmo.glm.GLM(regularizer="Lasso")
        >>> strength = model.lambda_max(X, y)
        >>> model.set_params(regularizer_strength=strength).fit(X, y).coef_
        array([0., 0., 0.])
        """
        features = features_of(X)
        columns = self._columns_of(y, features)
        regularizer = resolve_regularizer(self.regularizer)
        if regularizer.smooth:
            raise ValueError(
                f"a {type(regularizer).__name__} penalty sets no coefficients to zero, at any "
                "strength; those of Lasso, ElasticNet and GroupLasso do."
            )
        task = self._task(features, len(columns), sample_weight, offset)
        task.require_core("`lambda_max`")
        strength = resolve_strength(self.regularizer_strength, regularizer)
        terms = regularizer.terms(
            regularizer.unit_strength(strength), features.shape[1], len(columns)
        )
        task.terms = terms
        mask = self._mask(features, len(columns))
        fixed = {key: task.arguments[key] for key in ("model", "link", "intercept", "n_threads")}
        held = None if terms.groups is None else terms.groups.members_of_neurons()

        def gradient(i: int) -> FloatArray:
            groups = None
            if held is not None:  # those whose coefficients are penalised, each on its own
                own = held[i]
                groups = _core.Groups(np.arange(len(own) + 1), own, np.ones(len(own)))
            problem = task.problem(columns[i], i, (None, 0.0), mask, groups)
            return _core.gradient_at_zero(features.matrix, problem, **fixed, **task.rows)

        gradients = np.stack([gradient(i) for i in range(len(columns))], axis=1)
        if terms.groups is not None:
            largest = terms.groups.strength_that_zeroes(gradients)
        else:
            largest = np.array(
                [
                    np.max(np.abs(column[weights > 0.0]) / weights[weights > 0.0], initial=0.0)
                    for column, weights in zip(
                        gradients.T,
                        [np.zeros(0) if a is None else a for a in terms.absolute],
                        strict=True,
                    )
                ]
            )
        return self._per_neuron(largest * (1.0 + 1e-10))

    def _coef_matrix(self) -> FloatArray:
        """Return the coefficients as (n_features, n_neurons)."""
        coef = join_coef(self.coef_, self._widths(), "coef_").astype(np.float64)
        return coef[:, None] if coef.ndim == 1 else coef

    def _keep(self, results: list[_core.FitResult], features: Features) -> dict[str, Any]:
        """Set the coefficients; return the other fitted attributes, one value per neuron."""
        coef = np.stack([result.coef for result in results], axis=1)
        self.coef_ = split_coef(self._squeezed(coef), features.widths)
        self.intercept_ = _each(results, "intercept")
        self.n_features_in_ = features.shape[1]
        keep_names(self, features.names)
        rank = _each(results, "rank")
        status = _each(results, "status")
        return {
            "dispersion_": _each(results, "dispersion"),
            "dof_resid_": _each(results, "sum_of_weights") - rank,
            "rank_": rank,
            "n_iter_": _each(results, "n_iterations"),
            "converged_": np.array([each in CONVERGED for each in status]),
            "status_": status,
            "kkt_": _each(results, "kkt"),
            "n_dropped_": _each(results, "n_dropped"),
        }

    def _squeezed(self, coef: FloatArray) -> FloatArray:
        return coef

    def _per_neuron(self, values: FloatArray) -> Any:
        return values

    def predict(self, X: Any, *, offset: ArrayLike | None = None) -> Any:
        """Return means."""
        raise NotImplementedError

    def _like_predictions(self, values: NDArray[Any], X: Any) -> Any:
        """Return what was drawn for the rows of X in the kind that predictions have."""
        raise NotImplementedError

    def _columns_of(self, y: Any, features: Features) -> list[FloatArray]:
        """Check y and its time axis, and return the neurons' observations."""
        raise NotImplementedError

    def _mask(self, features: Features, n_neurons: int) -> NDArray[np.uint8] | None:
        return None

    def _assign(self, results: list[_core.FitResult], features: Features) -> None:
        """Set the fitted attributes."""
        raise NotImplementedError

    def _link(self, model: Observations) -> Any:
        given = self.inverse_link_function
        return resolve_link(model.inverse_link_function if given is None else given, model.name)

    def _estimates_parameter(self) -> bool:
        return bool(np.isnan(resolve_model(self.observation_model)._parameter()))


def _each(results: list[_core.FitResult], attribute: str) -> NDArray[Any]:
    return np.array([getattr(result, attribute) for result in results])


def starts_of(
    init_params: InitParams | None, features: Features, n_neurons: int, name: str = "init_params"
) -> list[tuple[FloatArray | None, float]]:
    """Return the coefficients, or None, and the intercept from which each neuron starts."""
    if init_params is None:
        return [(None, 0.0)] * n_neurons
    n_features = features.shape[1]
    try:
        coef, intercept = init_params
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be a pair (coef, intercept) of arrays.") from None
    try:
        coef = join_coef(coef, features.widths, name).astype(np.float64)
        intercept = numeric_array(intercept, name).astype(np.float64)
    except TypeError:
        raise ValueError(
            f"`{name}` must be a pair (coef, intercept) of arrays of numbers."
        ) from None
    expected = (n_features,) if n_neurons == 1 and coef.ndim == 1 else (n_features, n_neurons)
    if coef.shape != expected or intercept.size != n_neurons:
        raise ValueError(
            f"`{name}` must hold coefficients of shape {expected} and {n_neurons} "
            f"intercept(s), got shapes {coef.shape} and {intercept.shape}."
        )
    if not np.all(np.isfinite(coef)) or np.any(np.isnan(intercept)):
        raise ValueError(f"`{name}` must be finite, but for intercepts of neurons that never fire.")
    columns = coef.reshape(n_features, n_neurons).T
    return [
        (np.ascontiguousarray(column), float(value))
        for column, value in zip(columns, intercept.reshape(-1), strict=True)
    ]
