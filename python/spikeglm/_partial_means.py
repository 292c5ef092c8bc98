"""What a model predicts as a function of one term, over the data that it was fitted to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _core, _facts
from ._features import features_of
from ._timeseries import plain
from ._validation import FloatArray, per_sample
from .links import InverseLink
from .observation_models import resolve_model

# Linear predictors are averaged in this many groups of nearly equal values: the mean of a smooth
# inverse link is then off by h^2 / 24 of its second derivative, for groups h wide.
_GROUPS = 2000
_ROWS_AT_ONCE = 8192


class PartialMean:
    """The mean over the rows of X of the mean of y, for values of one term."""

    def __init__(
        self, model: Any, X: Any, columns: Any, index: int, offset: ArrayLike | None
    ) -> None:
        features = features_of(X)
        coef = model._coef_matrix()[:, index].copy()
        if features.shape[1] != len(coef):
            raise ValueError(
                f"X has {features.shape[1]} features, the model was fitted with {len(coef)}."
            )
        coef[columns] = 0.0
        intercept = float(np.ravel(model.intercept_)[index])
        if not np.isfinite(intercept):
            raise ValueError("a neuron that was silent has no tuning curve.")
        rest = _core.predict_many(
            features.matrix,
            coef[:, None],
            np.array([intercept]),
            per_sample(plain(offset), features.shape[0], "offset"),
            "identity",
            None,
            model._threads(),
        )[:, 0]
        self.rows = np.flatnonzero(np.isfinite(rest))
        rest = rest[self.rows].astype(np.float64)
        if not len(rest):
            raise ValueError("every row of X has a NaN: there is nothing to average over.")
        low, width = rest.min(), np.ptp(rest) or 1.0
        group = np.minimum((rest - low) / width * _GROUPS, _GROUPS - 1).astype(int)
        count = np.bincount(group)
        self.rest = np.bincount(group, rest)[count > 0] / count[count > 0]
        self.share = count[count > 0] / len(rest)
        observations = resolve_model(model.observation_model)
        self.link = model._link(observations)
        self.columns, self.index, self.threads = columns, index, model._threads()
        self.matrix, self.n_features = features.matrix, len(coef)
        # What each row weighs in the derivative of the logarithm of the mean.
        self.weight = np.exp(rest - rest.max()) if self.link == "exp" else np.ones(len(rest))
        facts = _facts.observation_models().get(observations.name, {})
        self.positive = bool(facts.get("mean_must_be_positive"))

    def __call__(self, values: FloatArray) -> FloatArray:
        return np.array([self._mean(value) for value in values.ravel()]).reshape(values.shape)

    def half_width(self, functions: FloatArray, inference: Any, level: float) -> FloatArray:
        """Return half the width of the band of the linear predictor, at the values of one term.

        All other columns are at their means over the rows: under an exp link weighted by the rows'
        means, so that the band is that of the curve to first order.
        """
        flat = functions.reshape(-1, functions.shape[-1])
        rows = np.tile(self._others(), (len(flat), 1))
        rows[:, self.columns] = flat
        band = inference.band(rows, level, simultaneous=False, intercept=True, neuron=self.index)
        half = band.critical * band.standard_errors
        return np.asarray(half, dtype=np.float64).reshape(functions.shape[:-1])

    def _others(self) -> FloatArray:
        total = np.zeros(self.n_features)
        unit, nothing = np.eye(self.n_features), np.zeros(self.n_features)
        for start in range(0, len(self.rows), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            rows = self.rows[part].astype(np.intp)
            features = _core.predict_many(
                self.matrix, unit, nothing, None, "identity", rows, self.threads
            )
            total += self.weight[part] @ features
        return total / self.weight.sum()

    def _mean(self, value: float) -> float:
        means = self._inverse(self.rest + value)
        # Beyond the pole of 1 / eta, or below zero under an identity link.
        if not np.all(np.isfinite(means)) or (self.positive and means.min() < 0.0):
            return np.nan
        return float(means @ self.share)

    def _inverse(self, eta: FloatArray) -> FloatArray:
        if isinstance(self.link, InverseLink):
            return self.link(eta)
        return _core.inverse_link(self.link, eta)
