"""What a fitted model answers about its uncertainty, from the data that it was fitted to."""

from typing import Any

from numpy.typing import ArrayLike

from ._features import split_coef
from ._information import inference_of
from ._validation import FloatArray
from .inference import Inference, TestResult


class Inferable:
    """Methods of models that are fitted neuron by neuron."""

    _require_fitted: Any
    _squeezed: Any
    _widths: Any
    _fit_data: tuple[Any, Any, Any, Any] | None = None  # X, y, weights and offsets of the fit
    _inferred: Inference | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled and copied: everything but the data of the fit."""
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]
        return state | {key: None for key in ("_fit_data", "_inferred") if key in state}

    def _remember(
        self, X: Any, y: Any, sample_weight: Any, offset: Any, chosen: FloatArray | None = None
    ) -> None:
        """Keep references to the data of the fit, for questions after it, and chosen strengths."""
        self.__dict__.pop("regularizer_strength_", None)
        if chosen is not None:
            self.regularizer_strength_ = self._squeezed(chosen)
        self._fit_data = (X, y, sample_weight, offset)
        self._inferred = None

    def inference(
        self,
        X: Any = None,
        y: Any = None,
        *,
        covariance: str = "model",
        information: str = "expected",
        lags: int | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> Inference:
        """Return standard errors, intervals, tests and a summary of the fitted model.

        Takes one pass over X with the exact curvature, for each neuron.

        Parameters
        ----------
        X, y, sample_weight, offset :
            The data of the fit. None: those of the last call of `fit`, to which the model keeps
            references until it is pickled or copied.
        covariance :
            "model": the inverse information times the dispersion; under Ridge the posterior
            covariance. "robust": holds where the variance of y is not what the model says.
            "hac": also where scores up to `lags` rows apart are correlated, within epochs.
        information :
            "expected", as R and statsmodels state it, or "observed" (Efron & Hinkley 1978); the
            same under a canonical link.
        lags :
            For "hac".

        Returns
        -------
        Inference

        Raises
        ------
        ValueError
            The penalty sets coefficients to zero; or the data are not those of the fit.
        NotImplementedError
            The model or link is one of the user's own.

        Examples
        --------
        >>> import numpy as np, spikeglm as nmo
        >>> X = np.random.default_rng(0).normal(size=(500, 2))
        >>> y = np.random.default_rng(1).poisson(np.exp(0.5 * X[:, 0] - 1))
        >>> model = nmo.glm.GLM().fit(X, y)
        >>> model.inference().standard_errors.round(3)
        array([0.073, 0.073])
        >>> model.inference(covariance="robust").conf_int().shape
        (2, 2)
        """
        self._require_fitted()
        if X is None and y is None:
            if self._fit_data is None:
                raise ValueError(
                    "the model does not have the data of its fit any more (it was loaded, pickled "
                    "or copied): pass them, `inference(X, y)`."
                )
            X, y, sample_weight, offset = self._fit_data
        elif X is None or y is None:
            raise ValueError("pass both X and y, or neither.")
        return inference_of(self, X, y, covariance, information, lags, sample_weight, offset)

    def _own_inference(self) -> Inference:
        if self._inferred is None:
            self._inferred = self.inference()
        return self._inferred

    @property
    def standard_errors_(self) -> Any:
        """Standard errors of the coefficients, in the shape of `coef_`; see `inference`."""
        return split_coef(self._own_inference().standard_errors, self._widths())

    @property
    def covariance_(self) -> FloatArray:
        """Covariance of the coefficients; see `Inference.covariance`."""
        return self._own_inference().covariance

    def conf_int(self, level: float = 0.95) -> FloatArray:
        """Return confidence intervals of the coefficients; see `Inference.conf_int`."""
        return self._own_inference().conf_int(level)

    def wald_test(
        self, restrictions: Any, value: ArrayLike = 0.0, *, neuron: int = 0
    ) -> TestResult:
        """Test linear restrictions of the coefficients; see `Inference.wald_test`."""
        return self._own_inference().wald_test(restrictions, value, neuron=neuron)

    def likelihood_ratio_test(self, other: Any) -> Any:
        """Test against another model of the same y; see `Inference.likelihood_ratio_test`.

        `other` is a fitted model or its `inference`.
        """
        theirs = other._own_inference() if isinstance(other, Inferable) else other
        return self._own_inference().likelihood_ratio_test(theirs)

    def summary(self, neuron: int | None = None, level: float = 0.95) -> str:
        """Return a table of the coefficients, to be printed; see `Inference.summary`."""
        return self._own_inference().summary(neuron, level)
