"""Weights that follow a population, over the object that C and C++ programs use."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._online_decoding import Observed, built
from ._timeseries import plain
from ._validation import FloatArray, numeric_array, real_number
from .basis import Basis


class OnlineLearner(Observed):
    """Weights that follow a population bin by bin.

    Each neuron's coefficients and intercept walk at random, and are updated by the observations of
    each bin with the stochastic state point process filter (Eden, Frank, Barbieri, Solo & Brown
    2004, Neural Comput. 16:971). With ``noise=0`` these are recursive Newton steps, with
    exponential `forgetting`; with Gaussian observations recursive least squares.

    Parameters
    ----------
    model, basis :
        As for `OnlineDecoder`: where the weights start.
    initial_variance : float or (n_features + 1, n_features + 1)
        Variance of each weight before the first bin, or the covariance of coefficients and, last,
        intercept.
    noise :
        Variance that each weight gains in each bin.
    forgetting :
        Factor in (0, 1] by which what was learned counts less with each bin: 1 - 1 / n remembers
        about n bins.

    Raises
    ------
    TypeError, ValueError
        As `OnlineModel`; a number is out of range.

    Examples
    --------
    >>> import numpy as np, spikeglm as nmo
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(5000, 2))
    >>> model = nmo.glm.GLM("Gaussian").fit(X[:50], rng.normal(size=50))
    >>> learner = OnlineLearner(model, initial_variance=10.0)
    >>> for x in X:
    ...     _ = learner.push(x @ [1.0, -2.0] + 0.5, x)
    >>> learner.coef_[:, 0].round(3), learner.intercept_.round(3)
    (array([ 1., -2.]), array([0.5]))
    """

    def __init__(
        self,
        model: Any,
        basis: Basis | None = None,
        initial_variance: Any = 1e-2,
        noise: float = 0.0,
        forgetting: float = 1.0,
    ) -> None:
        super().__init__(model, basis)
        n = len(self._terms.coef) + 1
        given = numeric_array(initial_variance, "initial_variance").astype(np.float64)
        if given.shape not in ((), (n, n)):
            raise ValueError(
                f"`initial_variance` must be a number or have shape ({n}, {n}), got {given.shape}."
            )
        if not np.isfinite(self._terms.intercept).all():
            raise ValueError("a neuron that never fired has no intercept to start from.")
        self._features = built(self._terms)
        self._learner = _core.OnlineLearner(
            **self._observations,
            coef=self._terms.coef,
            intercept=self._terms.intercept,
            initial_covariance=np.eye(n) * given if given.ndim == 0 else given,
            noise=real_number(noise, "noise"),
            forgetting=real_number(forgetting, "forgetting"),
        )

    @property
    def coef_(self) -> FloatArray:
        """Coefficients as they are now, (n_features, n_neurons)."""
        return self._learner.weights()[0]

    @property
    def intercept_(self) -> FloatArray:
        """Intercepts as they are now, (n_neurons,)."""
        return self._learner.weights()[1]

    def reset(self) -> None:
        """Forget the history, not the weights: at the border of an epoch."""
        self._features.reset()

    def push(self, y: ArrayLike, *inputs: Any, offset: float = 0.0) -> FloatArray:
        """Take a bin, return the rates that the weights predicted for it, and learn from it.

        Parameters
        ----------
        y : (n_neurons,)
            Observations of the bin. NaN: nothing is learned about this neuron.
        *inputs :
            As for `OnlineModel.push`. Bins without complete history teach nothing.
        offset :
            Known part of the linear predictor.

        Returns
        -------
        :
            (n_neurons,), float64.

        Raises
        ------
        TypeError, ValueError
            Numbers or shapes of inputs are wrong.
        """
        observed = self._observation(y)
        values = self._terms.slots.rows([np.asarray(plain(x))[None] for x in inputs], "a bin")
        self._features.push_many(values)
        return self._learner.push(
            self._features.features(), real_number(offset, "offset"), observed
        )
