"""Penalties on the coefficients. The intercept is never penalised."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator


class Regularizer(ABC, BaseEstimator):
    """Base of all regularizers.

    Parameters
    ----------
    regularizer_strength :
        The strength, which may be given here or to the model: None here leaves it to the model.
    """

    allowed_solvers: ClassVar[tuple[str, ...]] = ("Newton",)
    default_solver: ClassVar[str] = "Newton"

    def __init__(self, regularizer_strength: Any = None) -> None:
        self.regularizer_strength = regularizer_strength

    @abstractmethod
    def coefficient_strengths(
        self, strength: Any, n_features: int, n_neurons: int
    ) -> list[NDArray[np.float64] | None]:
        """Return the quadratic strength of each coefficient, or None, for each neuron."""


class UnRegularized(Regularizer):
    """No penalty: maximum likelihood.

    Where the data do not determine the coefficients, the fit returns the limit of Ridge as its
    strength falls to zero and warns.
    """

    def coefficient_strengths(
        self, strength: Any, n_features: int, n_neurons: int
    ) -> list[NDArray[np.float64] | None]:
        """Return None for each neuron: nothing is penalised."""
        if strength is not None:
            raise ValueError(
                f"UnRegularized takes no strength, got regularizer_strength={strength!r}; "
                'choose regularizer="Ridge" or leave it None.'
            )
        return [None] * n_neurons


class Ridge(Regularizer):
    """Quadratic penalty sum(strength * coef**2) / 2 on the mean negative log-likelihood.

    The strength is a number, or one per coefficient; None means 1.0. It equals `alpha` of
    scikit-learn's PoissonRegressor and GammaRegressor.
    """

    def coefficient_strengths(
        self, strength: Any, n_features: int, n_neurons: int
    ) -> list[NDArray[np.float64] | None]:
        """Return one strength per coefficient for each neuron, None where all are zero."""
        try:
            values = np.asarray(1.0 if strength is None else strength, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(
                f"`regularizer_strength` must be a number or an array, got {strength!r}."
            ) from None
        if values.shape not in ((), (n_features,), (n_features, n_neurons)):
            raise ValueError(
                "`regularizer_strength` must be a number or have one value for each coefficient, "
                f"shape {(n_features,)} or {(n_features, n_neurons)}; got shape {values.shape}."
            )
        if not np.all(np.isfinite(values) & (values >= 0.0)):
            raise ValueError(
                f"`regularizer_strength` must be finite and not negative, got {strength!r}."
            )
        if values.ndim == 1:
            values = values[:, None]
        columns = np.broadcast_to(values, (n_features, n_neurons)).T
        # Zero strength is no penalty, to the bit.
        return [column.copy() if np.any(column > 0.0) else None for column in columns]


def resolve_strength(of_model: Any, regularizer: Regularizer) -> Any:
    """Return the strength that was given to the model or to its regularizer."""
    own = regularizer.regularizer_strength
    if of_model is None or own is None:
        return own if of_model is None else of_model
    if not np.array_equal(np.asarray(of_model), np.asarray(own)):
        raise ValueError(
            f"the model has regularizer_strength={of_model!r} and its regularizer has "
            f"regularizer_strength={own!r}: give one of them."
        )
    return of_model


def resolve_regularizer(regularizer: str | Regularizer | None) -> Regularizer:
    """Return a regularizer given by name or as an object; None is UnRegularized."""
    if regularizer is None:
        return UnRegularized()
    if isinstance(regularizer, Regularizer):
        return regularizer
    classes = {cls.__name__: cls for cls in Regularizer.__subclasses__()}
    if not isinstance(regularizer, str) or regularizer not in classes:
        raise ValueError(
            f"unknown regularizer {regularizer!r}; known: {', '.join(classes)}, or an object of "
            "spikeglm.regularizer."
        )
    return classes[regularizer]()
