"""Decoders, bin by bin, over the objects that C and C++ programs use."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._online_terms import Terms, described, term_columns
from ._timeseries import plain
from ._validation import FloatArray, is_whole, numeric_array, real_number
from .basis import Basis
from .observation_models import resolve_model


class Observed:
    """What all of them have: the observation model, and the terms that are known in each bin."""

    def __init__(self, model: Any, basis: Basis | None) -> None:
        self._terms = described(model, basis)
        observations = resolve_model(model.observation_model)
        if observations.name == "Custom":
            raise TypeError("a custom observation model is a Python function; use one with a name.")
        self._n_outputs = len(self._terms.intercept)
        dispersion = np.asarray(model.dispersion_, dtype=np.float64).reshape(-1)
        self._observations: dict[str, Any] = {
            "model": observations.name,
            "link": self._terms.links[0],
            "dispersion": np.full(self._n_outputs, dispersion),
        }

    def _observation(self, y: Any) -> FloatArray:
        found = numeric_array(plain(y), "y").astype(np.float64).reshape(-1)
        if found.shape != (self._n_outputs,):
            raise ValueError(f"y has {found.size} values, the model has {self._n_outputs} neurons.")
        return found


class _Decoder(Observed):
    """A model of which some inputs are not known."""

    def _hide(self, states: int | Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the indices of the unknown inputs and the columns of their features."""
        n = len(self._terms.slots.shapes)
        wanted: list[Any] = list(np.atleast_1d(np.asarray(states)))
        if not wanted or any(not is_whole(i) or not 0 <= i < n for i in wanted):
            raise ValueError(
                f"unknown inputs are given by their indices among the {n} inputs of the basis, got "
                f"{states!r}."
            )
        hidden = [int(i) for i in wanted]
        sizes = [int(np.prod(shape)) for shape in self._terms.slots.shapes]
        begins = np.concatenate([[0], np.cumsum(sizes)])
        channels = {c for i in hidden for c in range(begins[i], begins[i + 1])}
        columns: list[int] = []
        for term in term_columns(self._terms.nodes):
            used = term.inputs & channels
            if used and used != term.inputs:
                raise ValueError(
                    "a term of the basis multiplies an input that is not known with one that is: "
                    "decoding needs terms of one or the other."
                )
            if used and term.remembers:
                raise ValueError(
                    "an input that is not known is convolved: decoding needs it evaluated in its "
                    "own bin."
                )
            columns += list(term.columns) if used else []
        return hidden, columns

    def _model_of_known(self, columns: list[int]) -> _core.OnlineModel:
        coef = self._terms.coef.copy()
        coef[columns] = 0.0
        return built(replace(self._terms, coef=coef))

    def _known(self, inputs: tuple[Any, ...], values: dict[int, Any]) -> FloatArray:
        """Return all inputs of a bin, with values in the place of those that are not known."""
        n = len(self._terms.slots.shapes)
        if len(inputs) != n - len(values):
            raise TypeError(
                f"a bin has {n - len(values)} known input(s) beside y, but {len(inputs)} were "
                "provided."
            )
        rest = iter(inputs)
        full = [values[i] if i in values else next(rest) for i in range(n)]
        return self._terms.slots.rows([np.asarray(plain(x))[None] for x in full], "a bin")


class OnlineDecoder(_Decoder):
    """A latent linear-Gaussian state, decoded bin by bin by a point-process filter.

    The state x moves as ``x[t] = transition @ x[t - 1] + noise`` and enters the linear predictors
    of a fitted population through linear terms (`IdentityBasis`), beside history and known inputs.
    Each bin gives the mean and the covariance of the Gaussian approximation to the state's
    posterior: the stochastic state point process filter of Eden, Frank, Barbieri, Solo & Brown
    (2004, Neural Comput. 16:971), for every observation model and inverse link. With Gaussian
    observations and the identity link it is the Kalman filter.

    Parameters
    ----------
    model, basis :
        As for `OnlineModel`. The observation model is Poisson, Gamma, Bernoulli, NegativeBinomial
        or Gaussian.
    states : int or sequence of int
        Indices, among the inputs of the basis, of those that are the state, in its order: inputs of
        `IdentityBasis` terms of their own.
    transition : (n_states, n_states)
        Matrix A.
    noise : (n_states, n_states)
        Covariance of a step, positive semidefinite.
    initial_mean : (n_states,), optional
        Mean of the state before the first bin; zeros.
    initial_covariance : (n_states, n_states), optional
        Its covariance; by default `noise`.

    Raises
    ------
    TypeError, ValueError
        As `OnlineModel`; a state enters otherwise than linearly; a matrix has another shape, or is
        no covariance.

    Examples
    --------
    >>> import numpy as np, spikeglm as nmo
    >>> rng = np.random.default_rng(0)
    >>> x = np.sin(np.arange(2000) / 100)
    >>> y = rng.poisson(np.exp(np.outer(x, rng.normal(size=20)) - 1.0))
    >>> linear = nmo.basis.IdentityBasis()
    >>> model = nmo.glm.PopulationGLM().fit(linear.compute_features(x), y)
    >>> decoder = OnlineDecoder(model, linear, 0, transition=[[0.999]], noise=[[1e-3]])
    >>> found = np.array([decoder.push(counts)[0] for counts in y])
    >>> bool(np.corrcoef(found[:, 0], x)[0, 1] > 0.95)
    True
    """

    def __init__(
        self,
        model: Any,
        basis: Basis,
        states: int | Sequence[int],
        transition: ArrayLike,
        noise: ArrayLike,
        initial_mean: ArrayLike | None = None,
        initial_covariance: ArrayLike | None = None,
    ) -> None:
        super().__init__(model, basis)
        hidden, columns = self._hide(states)
        nodes = self._terms.nodes
        for term in term_columns(nodes):
            if set(term.columns) & set(columns) and term.family != "Identity":
                raise ValueError(
                    "the state must enter through terms of IdentityBasis; for other functions of a "
                    "position, OnlineGridDecoder."
                )
        order = self._loading_order(hidden, columns)
        self._states = hidden
        n = len(order)
        shape = f"({n}, {n})"
        matrices: dict[str, Any] = {}
        for name, given in {
            "transition": transition,
            "noise": noise,
            "initial_covariance": noise if initial_covariance is None else initial_covariance,
        }.items():
            matrix = numeric_array(given, name).astype(np.float64)
            if matrix.shape != (n, n):
                raise ValueError(f"`{name}` must have shape {shape}, got {matrix.shape}.")
            matrices[name] = matrix
        mean = np.zeros(n) if initial_mean is None else numeric_array(initial_mean, "initial_mean")
        if mean.shape != (n,):
            raise ValueError(f"`initial_mean` must have shape ({n},), got {mean.shape}.")
        self._known_terms = self._model_of_known(columns)
        self._filter = _core.OnlineFilter(
            **self._observations,
            loadings=self._terms.coef[order],
            initial_mean=mean.astype(np.float64),
            **matrices,
        )
        self._zeros = {i: np.zeros(self._terms.slots.shapes[i]) for i in hidden}

    def _loading_order(self, hidden: list[int], columns: list[int]) -> list[int]:
        """Return the columns of the states in the order in which the inputs were named."""
        sizes = [int(np.prod(shape)) for shape in self._terms.slots.shapes]
        begins = np.concatenate([[0], np.cumsum(sizes)])
        of_channel: dict[int, int] = {}
        for term in term_columns(self._terms.nodes):
            if set(term.columns) & set(columns):
                of_channel.update(zip(sorted(term.inputs), term.columns, strict=True))
        return [of_channel[c] for i in hidden for c in range(begins[i], begins[i + 1])]

    def reset(self) -> None:
        """Return to the state before the first bin, without history: at the border of an epoch."""
        self._known_terms.reset()
        self._filter.reset()

    def push(self, y: ArrayLike, *inputs: Any) -> tuple[FloatArray, FloatArray]:
        """Take the observations of a bin and return mean and covariance of the state.

        Parameters
        ----------
        y : (n_neurons,)
            Observations of the bin. NaN: this neuron says nothing.
        *inputs :
            The inputs of the basis that are known, as for `OnlineModel.push`. In bins whose history
            is not complete, or has a NaN, all neurons say nothing.

        Returns
        -------
        mean : (n_states,)
        covariance : (n_states, n_states)

        Raises
        ------
        TypeError, ValueError
            Numbers or shapes of inputs are wrong.
        RuntimeError
            The covariance is no longer positive.
        """
        observed = self._observation(y)
        self._known_terms.push_many(self._known(inputs, self._zeros))
        return self._filter.push(self._known_terms.linear_predictors(), observed)


class OnlineGridDecoder(_Decoder):
    """A variable of one or two dimensions, decoded bin by bin on a grid by Bayes' rule.

    The posterior of each bin is that of the bin before, moved by the transition and multiplied with
    the likelihood of the observations given place, history and known inputs (Brown, Frank, Tang,
    Quirk & Wilson 1998, J. Neurosci. 18:7411, without their Gaussian approximation).

    Parameters
    ----------
    model, basis :
        As for `OnlineDecoder`.
    states : int or pair of int
        Indices of the inputs that are not known, one for each dimension; terms of them may be of
        any kind (splines, Fourier, products with each other), but not convolutions.
    grid : (n,) or pair of (n_0,), (n_1,)
        Values of the variable, per dimension. Places outside the bounds of the basis are excluded.
    transition : (n, n) or pair of (n_0, n_0), (n_1, n_1), optional
        Probability of each value in the next bin (column) given this one (row); rows add up to one.
        `gaussian_steps` makes one. None: the variable stays where it is.
    prior : (n,) or (n_0, n_1), optional
        Weights of the places before the first bin; uniform.

    Raises
    ------
    TypeError, ValueError
        As `OnlineDecoder`.

    Examples
    --------
    >>> import numpy as np, spikeglm as nmo
    >>> rng = np.random.default_rng(0)
    >>> x = 50 + 45 * np.sin(np.arange(4000) / 150)
    >>> centers = np.linspace(0, 100, 25)
    >>> y = rng.poisson(np.exp(-((x[:, None] - centers) ** 2) / 200 - 1.5))
    >>> place = nmo.basis.BSplineBasis(10, bounds=(0, 100))
    >>> X = place.compute_features(x)
    >>> model = nmo.glm.PopulationGLM(regularizer="Ridge", regularizer_strength=1e-4).fit(X, y)
    >>> grid = np.linspace(0, 100, 51)
    >>> steps = OnlineGridDecoder.gaussian_steps(grid, 2)
    >>> decoder = OnlineGridDecoder(model, place, 0, grid, steps)
    >>> posterior = np.array([decoder.push(counts) for counts in y])
    >>> bool(np.median(np.abs(posterior @ grid - x)) < 5)
    True
    """

    def __init__(
        self,
        model: Any,
        basis: Basis,
        states: int | Sequence[int],
        grid: Any,
        transition: Any = None,
        prior: ArrayLike | None = None,
    ) -> None:
        super().__init__(model, basis)
        hidden, columns = self._hide(states)
        shapes = self._terms.slots.shapes
        if len(hidden) > 2 or any(int(np.prod(shapes[i])) != 1 for i in hidden):
            raise ValueError("a grid has one or two dimensions, each an input of one channel.")
        axes = [grid] if len(hidden) == 1 else list(grid)
        steps = [transition] if len(hidden) == 1 else list(transition or (None, None))
        if len(axes) != len(hidden) or len(steps) != len(hidden):
            raise ValueError(
                f"`grid` and `transition` must have an array for each of {len(hidden)} states."
            )
        values = [numeric_array(axis, "grid").astype(np.float64) for axis in axes]
        if any(axis.ndim != 1 or not axis.size or not np.isfinite(axis).all() for axis in values):
            raise ValueError("`grid` must hold finite values, one array for each dimension.")
        self._shape = tuple(len(axis) for axis in values)
        matrices = []
        for n, step in zip(self._shape, steps, strict=True):
            matrix = None if step is None else numeric_array(step, "transition").astype(np.float64)
            if matrix is not None and matrix.shape != (n, n):
                raise ValueError(f"`transition` must have shape ({n}, {n}), got {matrix.shape}.")
            matrices.append(matrix)
        weights = None if prior is None else numeric_array(prior, "prior").astype(np.float64)
        if weights is not None and weights.shape != self._shape:
            raise ValueError(f"`prior` must have shape {self._shape}, got {weights.shape}.")
        places = [axis.ravel() for axis in np.meshgrid(*values, indexing="ij")]
        tuning, inside = self._tuning(hidden, columns, places)
        if inside is None:
            raise ValueError("all of `grid` lies outside the bounds of the basis.")
        self._anywhere = dict(zip(hidden, inside, strict=True))
        self._known_terms = self._model_of_known(columns)
        self._grid = _core.OnlineGrid(
            **self._observations,
            n_rows=self._shape[0],
            n_columns=self._shape[1] if len(hidden) == 2 else 1,
            tuning=tuning,
            row_transition=matrices[0],
            column_transition=matrices[1] if len(hidden) == 2 else None,
            prior=None if weights is None else weights.ravel(),
        )

    def _tuning(
        self, hidden: list[int], columns: list[int], places: list[FloatArray]
    ) -> tuple[FloatArray, list[float] | None]:
        """Return what each place adds to the linear predictors, and a place within the bounds."""
        model = built(self._terms)
        shapes = self._terms.slots.shapes
        rest = [np.zeros(shape) for i, shape in enumerate(shapes) if i not in hidden]
        tuning = np.empty((len(places[0]), self._n_outputs))
        inside = None
        for g, point in enumerate(zip(*places, strict=True)):
            model.push_many(self._known(tuple(rest), dict(zip(hidden, point, strict=True))))
            features = model.features()[columns]
            tuning[g] = features @ self._terms.coef[columns]
            if inside is None and not np.isnan(features).any():
                inside = [float(value) for value in point]
        return tuning, inside

    @staticmethod
    def gaussian_steps(grid: ArrayLike, standard_deviation: float) -> FloatArray:
        """Return the transition of a Gaussian random walk on a grid.

        Parameters
        ----------
        grid : (n,)
            Values of the variable.
        standard_deviation :
            Of a step from bin to bin, in the units of the grid; positive.

        Returns
        -------
        :
            (n, n), float64; rows add up to one.
        """
        values = numeric_array(grid, "grid").astype(np.float64)
        scale = real_number(standard_deviation, "standard_deviation")
        if values.ndim != 1 or not 0.0 < scale < np.inf:
            raise ValueError("`grid` must be 1-dimensional and `standard_deviation` positive.")
        steps = np.exp(-0.5 * ((values[:, None] - values) / scale) ** 2)
        return np.asarray(steps / steps.sum(axis=1, keepdims=True))

    def reset(self) -> None:
        """Return to the prior, without history: at the border of an epoch."""
        self._known_terms.reset()
        self._grid.reset()

    def push(self, y: ArrayLike, *inputs: Any) -> FloatArray:
        """Take the observations of a bin and return the posterior.

        Parameters
        ----------
        y, *inputs :
            As for `OnlineDecoder.push`.

        Returns
        -------
        :
            Probabilities (n,) or (n_0, n_1), which add up to one.

        Raises
        ------
        TypeError, ValueError
            Numbers or shapes of inputs are wrong.
        """
        observed = self._observation(y)
        self._known_terms.push_many(self._known(inputs, self._anywhere))
        posterior = self._grid.push(self._known_terms.linear_predictors(), observed)
        return posterior.reshape(self._shape)


def built(terms: Terms) -> _core.OnlineModel:
    """Return the model of the core."""
    return _core.OnlineModel(
        nodes=terms.nodes,
        coef=terms.coef,
        intercept=terms.intercept,
        links=terms.links,
        n_inputs=terms.n_inputs,
        single_precision=False,
    )
