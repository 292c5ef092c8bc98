"""Penalties on the coefficients. The intercept is never penalised."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator


class Regularizer(BaseEstimator):  # type: ignore[misc]
    """Base of all regularizers. The strength belongs to the model."""

    allowed_solvers: ClassVar[tuple[str, ...]] = ("Newton",)
    default_solver: ClassVar[str] = "Newton"

    def coefficient_strengths(
        self, strength: Any, n_features: int
    ) -> NDArray[np.float64] | None:
        """Return the quadratic strength of each coefficient, or None for no penalty."""
        raise NotImplementedError


class UnRegularized(Regularizer):
    """No penalty: maximum likelihood.

    Where the data do not determine the coefficients, the fit returns the limit of Ridge as its
    strength falls to zero and warns.
    """

    def coefficient_strengths(self, strength: Any, n_features: int) -> None:
        """Return None: nothing is penalised."""
        if strength is not None:
            raise ValueError(
                f"UnRegularized takes no strength, got regularizer_strength={strength!r}; "
                'choose regularizer="Ridge" or leave it None.'
            )


class Ridge(Regularizer):
    """Quadratic penalty sum(strength * coef**2) / 2 on the mean negative log-likelihood.

    The strength is a number, or one per coefficient; None means 1.0. It equals `alpha` of
    scikit-learn's PoissonRegressor and GammaRegressor.
    """

    def coefficient_strengths(
        self, strength: Any, n_features: int
    ) -> NDArray[np.float64] | None:
        """Return one strength per coefficient, or None where all are zero."""
        try:
            values = np.asarray(1.0 if strength is None else strength, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(
                f"`regularizer_strength` must be a number or an array, got {strength!r}."
            ) from None
        if values.shape not in ((), (n_features,)):
            raise ValueError(
                "`regularizer_strength` must be a number or have one value for each of the "
                f"{n_features} coefficients, got shape {values.shape}."
            )
        if not np.all(np.isfinite(values) & (values >= 0.0)):
            raise ValueError(
                f"`regularizer_strength` must be finite and not negative, got {strength!r}."
            )
        # Zero strength is no penalty, to the bit.
        return np.broadcast_to(values, (n_features,)).copy() if np.any(values > 0.0) else None


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
