"""Penalties on the coefficients. The intercept is never penalised."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from . import _facts
from ._groups import MaskGroups, default_mask, groups_of_mask
from ._roughness import difference_penalty, roughness
from ._validation import FloatArray, warn
from .exceptions import SpikeglmWarning

__all__ = [
    "ElasticNet",
    "GroupLasso",
    "Lasso",
    "Regularizer",
    "Ridge",
    "Smooth",
    "UnRegularized",
    "difference_penalty",
    "roughness",
]


@dataclass
class PenaltyTerms:
    """What the core is told about each neuron's penalty; None where there is no such term."""

    quadratic: Sequence[FloatArray | None]
    absolute: Sequence[FloatArray | None]
    groups: MaskGroups | None = None
    # A in beta' A beta / 2, (n_features, n_features).
    matrix: Sequence[FloatArray | None] | None = None

    def matrix_of(self, neuron: int) -> FloatArray | None:
        """Return the penalty matrix of a neuron."""
        return None if self.matrix is None else self.matrix[neuron]


class Regularizer(ABC, BaseEstimator):
    """Base of all regularizers.

    Parameters
    ----------
    regularizer_strength :
        The strength, which may be given here or to the model: None here leaves it to the model.
    """

    smooth: ClassVar[bool] = True
    default_strength: ClassVar[float | None] = 1.0
    # Smallest strength of a grid as a share of the largest.
    grid_ratio: ClassVar[float] = 1e-6

    def __init__(self, regularizer_strength: Any = None) -> None:
        self.regularizer_strength = regularizer_strength

    @property
    def allowed_solvers(self) -> tuple[str, ...]:
        """Names of the solvers that can minimise an objective with this penalty."""
        known = _facts.solvers()
        return tuple(
            name for name, facts in known.items() if self.smooth or facts["handles_groups"]
        )

    @property
    def default_solver(self) -> str:
        """Name of the solver that a model uses when it is told none."""
        return "Newton" if self.smooth else "ProxNewton"

    def check_solver(self, solver_name: str) -> None:
        """Raise ValueError when a solver cannot minimise an objective with this penalty."""
        if solver_name in self.allowed_solvers:
            return
        if isinstance(solver_name, str) and "[" in solver_name:
            raise ValueError(
                f"solver {solver_name!r} names a backend; the solvers here have none: use "
                f"{solver_name.split('[')[0]!r}."
            )
        raise ValueError(
            f"solver {solver_name!r} cannot minimise a {type(self).__name__} objective; choose "
            f"from {', '.join(self.allowed_solvers)}."
        )

    def _or_own(self, strength: Any) -> Any:
        return self.regularizer_strength if strength is None else strength

    @abstractmethod
    def terms(self, strength: Any, n_features: int, n_neurons: int) -> PenaltyTerms:
        """Return the terms of each neuron's penalty for a strength, None being the default."""

    def unit_strength(self, strength: Any) -> Any:
        """Return strengths to be multiplied: one, or those per coefficient or group as they are."""
        return 1.0 if np.ndim(strength) == 0 and not isinstance(strength, Mapping) else strength

    def times(self, unit: Any, factor: float) -> Any:
        """Return what `unit_strength` returned, multiplied."""
        if isinstance(unit, Mapping):
            return {key: factor * np.asarray(part) for key, part in unit.items()}
        return factor * np.asarray(unit) if np.ndim(unit) else factor * float(unit)

    def times_each(self, unit: Any, factors: FloatArray) -> Any:
        """Return what `unit_strength` returned for factors (n_features, n_neurons)."""
        values = np.asarray(unit)
        return factors * (values[:, None] if values.ndim == 1 else values)

    @abstractmethod
    def penalty(self, coef: ArrayLike, strength: Any = None) -> float:
        """Return the value that is added to the mean negative log-likelihood.

        `coef` has the shape (n_features,) or (n_features, n_neurons); `strength` is the model's
        `regularizer_strength`, None the regularizer's own.
        """


class UnRegularized(Regularizer):
    """No penalty: maximum likelihood.

    Where the data do not determine the coefficients, the fit returns the limit of Ridge as its
    strength falls to zero and warns.
    """

    default_strength = None

    def terms(self, strength: Any, n_features: int, n_neurons: int) -> PenaltyTerms:
        """Return no terms: nothing is penalised."""
        if strength is not None:
            raise ValueError(
                f"UnRegularized takes no strength, got regularizer_strength={strength!r}; "
                'choose regularizer="Ridge" or leave it None.'
            )
        nothing = [None] * n_neurons
        return PenaltyTerms(nothing, nothing)

    def penalty(self, coef: ArrayLike, strength: Any = None) -> float:
        """Return 0."""
        return 0.0


class Ridge(Regularizer):
    """Quadratic penalty sum(strength * coef**2) / 2 on the mean negative log-likelihood.

    The strength is a number, one per coefficient, or one per coefficient and neuron; None means
    1.0. It equals `alpha` of scikit-learn's PoissonRegressor and GammaRegressor, and twice
    ``alpha / n_samples`` of its Ridge, since a Gaussian model counts the squared error in full.
    """

    def terms(self, strength: Any, n_features: int, n_neurons: int) -> PenaltyTerms:
        """Return quadratic terms."""
        values = _strengths(strength, n_features, n_neurons)
        return PenaltyTerms(_columns(values), [None] * n_neurons)

    def penalty(self, coef: ArrayLike, strength: Any = None) -> float:
        """Return sum(strength * coef**2) / 2."""
        coef, values = _coef_and_strengths(coef, self._or_own(strength))
        return float(0.5 * np.sum(values * coef**2))


class Lasso(Regularizer):
    """Absolute penalty sum(strength * abs(coef)) on the mean negative log-likelihood.

    Sets coefficients to exactly zero. The strength is a number, one per coefficient, or one per
    coefficient and neuron; None means 1.0. Tibshirani (1996), J. R. Stat. Soc. B 58:1.
    """

    smooth = False
    grid_ratio = 1e-3

    def terms(self, strength: Any, n_features: int, n_neurons: int) -> PenaltyTerms:
        """Return absolute terms."""
        values = _strengths(strength, n_features, n_neurons)
        return PenaltyTerms([None] * n_neurons, _columns(values))

    def penalty(self, coef: ArrayLike, strength: Any = None) -> float:
        """Return sum(strength * abs(coef))."""
        coef, values = _coef_and_strengths(coef, self._or_own(strength))
        return float(np.sum(values * np.abs(coef)))


class ElasticNet(Regularizer):
    """Both: sum(strength * ((1 - ratio) * coef**2 / 2 + ratio * abs(coef))).

    The model's `regularizer_strength` is a tuple (strength, ratio), each a number, one per
    coefficient, or one per coefficient and neuron; anything but a tuple is the strength, with ratio
    0.5. None means (1.0, 0.5). Ratio 1 is Lasso, 0 Ridge; between them a ratio equals `l1_ratio` of
    scikit-learn. Zou & Hastie (2005), J. R. Stat. Soc. B 67:2.
    """

    smooth = False
    grid_ratio = 1e-3

    def terms(self, strength: Any, n_features: int, n_neurons: int) -> PenaltyTerms:
        """Return quadratic and absolute terms."""
        strength, ratio = self._split(strength)
        values = _strengths(strength, n_features, n_neurons)
        ratios = _strengths(ratio, n_features, n_neurons, "the ratio of an ElasticNet")
        if np.any(ratios > 1.0):
            raise ValueError(f"the ratio of an ElasticNet must be between 0 and 1, got {ratio!r}.")
        return PenaltyTerms(_columns(values * (1.0 - ratios)), _columns(values * ratios))

    def penalty(self, coef: ArrayLike, strength: Any = None) -> float:
        """Return sum(strength * ((1 - ratio) * coef**2 / 2 + ratio * abs(coef)))."""
        strength, ratio = self._split(self._or_own(strength))
        coef, ratios = _coef_and_strengths(coef, ratio)
        _, values = _coef_and_strengths(coef, strength)
        return float(np.sum(values * (0.5 * (1.0 - ratios) * coef**2 + ratios * np.abs(coef))))

    def unit_strength(self, strength: Any) -> Any:
        """Return strengths to be multiplied, and the ratio as it is."""
        strength, ratio = self._split(strength)
        return super().unit_strength(strength), ratio

    def times(self, unit: Any, factor: float) -> Any:
        """Return what `unit_strength` returned, the strengths multiplied."""
        strength, ratio = unit
        return super().times(strength, factor), ratio

    def times_each(self, unit: Any, factors: FloatArray) -> Any:
        """Return what `unit_strength` returned, the strengths for each neuron."""
        strength, ratio = unit
        return super().times_each(strength, factors), ratio

    @staticmethod
    def _split(strength: Any) -> tuple[Any, Any]:
        if not isinstance(strength, tuple):
            return strength, 0.5
        if len(strength) != 2:
            raise ValueError(
                "`regularizer_strength` of an ElasticNet must be a strength or a tuple (strength, "
                f"ratio), got {strength!r}."
            )
        return strength


class GroupLasso(Regularizer):
    """Penalty sum(strength_g * sqrt(size_g) * norm(coef_g)) over groups g of coefficients.

    Sets the coefficients of a group to zero together. Yuan & Lin (2006), J. R. Stat. Soc. B 68:1.

    Parameters
    ----------
    mask :
        Array of zeros and ones (n_groups, n_features): which coefficients are in each group; each
        may be in one at most, and those in none are not penalised. For several neurons also
        (n_groups, n_features, n_neurons), where a group may join neurons, which are then fitted
        together; without the last axis every neuron has the groups of its own. For a dict of
        arrays as X a dict of such masks. None: all coefficients of a neuron are one group, with a
        warning.
    regularizer_strength :
        Number, or one per group, as for the model; None means 1.0.
    """

    smooth = False
    grid_ratio = 1e-3

    def __init__(self, mask: Any = None, regularizer_strength: Any = None) -> None:
        super().__init__(regularizer_strength)
        self.mask = mask

    def terms(self, strength: Any, n_features: int, n_neurons: int) -> PenaltyTerms:
        """Return terms per group."""
        nothing = [None] * n_neurons
        if self.mask is None:
            warn(
                "GroupLasso has no mask: the coefficients of each neuron are one group. Pass "
                "`mask` to group them.",
                SpikeglmWarning,
            )
        groups = self._groups(strength, n_features, n_neurons)
        return PenaltyTerms(nothing, nothing, groups if np.any(groups.weights > 0.0) else None)

    def penalty(self, coef: ArrayLike, strength: Any = None) -> float:
        """Return sum(strength_g * sqrt(size_g) * norm(coef_g))."""
        values = np.asarray(coef, dtype=np.float64)
        columns = values[:, None] if values.ndim == 1 else values
        groups = self._groups(self._or_own(strength), *columns.shape)
        flat = columns.T.ravel()
        norms = [float(np.linalg.norm(flat[members])) for members in groups.members]
        return float(np.dot(groups.weights, norms))

    def times_each(self, unit: Any, factors: FloatArray) -> Any:
        """Raise: groups have one strength for all neurons."""
        raise NotImplementedError(
            "a PopulationGLM takes one strength per group, the same for all neurons; the fitted "
            "neurons have strengths of their own. Save or fit them one by one."
        )

    def _groups(self, strength: Any, n_features: int, n_neurons: int) -> MaskGroups:
        mask = default_mask(n_features) if self.mask is None else self.mask
        return groups_of_mask(mask, 1.0 if strength is None else strength, n_features, n_neurons)


class Smooth(Regularizer):
    """Penalty sum_j strength_j * coef' S_j coef / 2 on the roughness of curves.

    The data choose the strengths, unless they are given: for each neuron its own.

    Parameters
    ----------
    penalties :
        From `roughness` of the basis; or a list of pairs, the first column and the matrix S of a
        penalty, symmetric and positive semi-definite. Penalties have the same columns, or none in
        common.
    method :
        "REML": restricted maximum likelihood, by Laplace's approximation (Wood 2011, J. R. Stat.
        Soc. B 73). "GCV": generalised cross-validation where the dispersion is estimated, and the
        unbiased risk estimator, which is Mallows' Cp or AIC, where it is known (Craven & Wahba
        1979, Numer. Math. 31).
    ridge, lasso :
        Strengths of penalties besides, as those of Ridge and Lasso; they are not chosen.
    regularizer_strength :
        None: chosen by `method`, and left in the model's `regularizer_strength_`. Otherwise a
        number, one per penalty, (n_penalties,), or one per penalty and neuron,
        (n_penalties, n_neurons); as for the model.

    Notes
    -----
    With n samples (the sum of their weights) and dispersion phi the strength s stands for the
    smoothing parameter lambda = s n / phi of the penalised log-likelihood
    log L - sum_j lambda_j coef' S_j coef / 2, for a Gaussian model, which counts the full square,
    s n / (2 phi). The penalised fit is the posterior mode under a Gaussian prior of precision
    lambda S; standard errors and bands of `inference` are those of the posterior.
    """

    default_strength = None

    def __init__(
        self,
        penalties: Any = None,
        method: str = "REML",
        ridge: float = 0.0,
        lasso: float = 0.0,
        regularizer_strength: Any = None,
    ) -> None:
        super().__init__(regularizer_strength)
        self.penalties = penalties
        self.method = method
        self.ridge = ridge
        self.lasso = lasso

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        """Whether the penalty has a gradient everywhere."""
        return not np.any(_numbers(self.lasso, "`lasso`") > 0.0)

    def chooses(self, strength: Any) -> bool:
        """Return whether strengths are left to the data."""
        if strength is not None:
            return False
        if not self.smooth:
            raise ValueError("with a lasso the strengths of smoothness must be given.")
        return True

    def matrices(self, n_features: int) -> list[tuple[int, FloatArray]]:
        """Return first column and matrix of each penalty, checked."""
        if self.method not in ("REML", "GCV"):
            raise ValueError(f'`method` must be "REML" or "GCV", got {self.method!r}.')
        if not isinstance(self.penalties, list | tuple) or not self.penalties:
            raise TypeError(
                "Smooth needs the penalties of a basis: Smooth(roughness(basis)), after the basis "
                f"has computed features; got {self.penalties!r}."
            )
        found = []
        for item in self.penalties:
            try:
                first, matrix = int(item[0]), np.asarray(item[1], dtype=np.float64)
            except (TypeError, ValueError, IndexError):
                raise TypeError(
                    f"a penalty is a pair (first column, matrix), got {item!r}."
                ) from None
            size = len(matrix) if matrix.ndim == 2 else -1
            if matrix.shape != (size, size) or first < 0 or first + size > n_features:
                raise ValueError(
                    f"a penalty on columns from {first} on has a matrix of shape {matrix.shape}; X "
                    f"has {n_features} features."
                )
            largest = np.max(np.abs(matrix), initial=0.0)
            symmetric = np.allclose(matrix, matrix.T, rtol=0.0, atol=1e-12 * largest)
            if not (np.all(np.isfinite(matrix)) and symmetric and largest > 0.0):
                raise ValueError("the matrix of a penalty must be finite, symmetric and not zero.")
            if np.linalg.eigvalsh(matrix)[0] < -1e-10 * size * largest:
                raise ValueError("the matrix of a penalty must be positive semi-definite.")
            found.append((first, matrix))
        return found

    def terms(self, strength: Any, n_features: int, n_neurons: int) -> PenaltyTerms:
        """Return a matrix for each neuron; none for strengths that are still to be chosen."""
        penalties = self.matrices(n_features)
        ridge = _columns(_strengths(self.ridge, n_features, n_neurons, "`ridge`"))
        lasso = _columns(_strengths(self.lasso, n_features, n_neurons, "`lasso`"))
        values = self._values(strength, len(penalties), n_neurons)
        matrices: list[FloatArray | None] = []
        for own in values.T:
            total = np.zeros((n_features, n_features), order="F")
            for value, (first, matrix) in zip(own, penalties, strict=True):
                columns = slice(first, first + len(matrix))
                total[columns, columns] += value * matrix
            matrices.append(total if np.any(own > 0.0) else None)
        return PenaltyTerms(ridge, lasso, matrix=matrices)

    def penalty(self, coef: ArrayLike, strength: Any = None) -> float:
        """Return the penalty of coefficients."""
        array = np.asarray(coef, dtype=np.float64)
        columns = array[:, None] if array.ndim == 1 else array
        terms = self.terms(self._or_own(strength), *columns.shape)
        total = 0.0
        for i, own in enumerate(columns.T):
            matrix, ridge, lasso = terms.matrix_of(i), terms.quadratic[i], terms.absolute[i]
            total += 0.0 if matrix is None else 0.5 * own @ matrix @ own
            total += 0.0 if ridge is None else 0.5 * np.sum(ridge * own**2)
            total += 0.0 if lasso is None else np.sum(lasso * np.abs(own))
        return float(total)

    def times_each(self, unit: Any, factors: FloatArray) -> Any:
        """Return strengths (n_penalties, n_neurons) for factors (n_features, n_neurons)."""
        each = np.broadcast_to(np.atleast_1d(unit), (len(self.penalties),))
        return each[:, None] * factors[0]

    @staticmethod
    def _values(strength: Any, n_penalties: int, n_neurons: int) -> FloatArray:
        values = _numbers(0.0 if strength is None else strength, "`regularizer_strength`")
        if values.shape not in ((), (n_penalties,), (n_penalties, n_neurons)):
            raise ValueError(
                "`regularizer_strength` of Smooth must be a number or have one value for each "
                f"penalty, shape {(n_penalties,)} or {(n_penalties, n_neurons)}; got shape "
                f"{values.shape}."
            )
        if values.ndim == 1:
            values = values[:, None]
        return np.broadcast_to(values, (n_penalties, n_neurons))


def _numbers(values: Any, name: str) -> FloatArray:
    try:
        array = np.asarray(1.0 if values is None else values, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number or an array, got {values!r}.") from None
    if not np.all(np.isfinite(array) & (array >= 0.0)):
        raise ValueError(f"{name} must be finite and not negative, got {values!r}.")
    return array


def _strengths(
    strength: Any, n_features: int, n_neurons: int, name: str = "`regularizer_strength`"
) -> FloatArray:
    """Return a strength per coefficient and neuron, (n_features, n_neurons)."""
    if isinstance(strength, tuple):
        raise TypeError(
            f"{name} must be a number or an array, got the tuple {strength!r}; only an ElasticNet "
            "takes a tuple, (strength, ratio)."
        )
    if isinstance(strength, Mapping):
        strength = np.concatenate([np.asarray(part) for part in strength.values()])
    values = _numbers(strength, name)
    if values.shape not in ((), (n_features,), (n_features, n_neurons)):
        raise ValueError(
            f"{name} must be a number or have one value for each coefficient, shape "
            f"{(n_features,)} or {(n_features, n_neurons)}; got shape {values.shape}."
        )
    if values.ndim == 1:
        values = values[:, None]
    return np.broadcast_to(values, (n_features, n_neurons))


def _columns(values: FloatArray) -> list[FloatArray | None]:
    """Return one array per neuron; zero strength is no penalty, to the bit."""
    return [column.copy() if np.any(column > 0.0) else None for column in values.T]


def _coef_and_strengths(coef: ArrayLike, strength: Any) -> tuple[FloatArray, FloatArray]:
    values = np.asarray(coef, dtype=np.float64)
    columns = values[:, None] if values.ndim == 1 else values
    return values, _strengths(strength, *columns.shape).reshape(values.shape)


def resolve_strength(of_model: Any, regularizer: Regularizer) -> Any:
    """Return the strength that was given to the model or to its regularizer."""
    own = regularizer.regularizer_strength
    if of_model is None or own is None:
        return own if of_model is None else of_model
    if not _equal(of_model, own):
        raise ValueError(
            f"the model has regularizer_strength={of_model!r} and its regularizer has "
            f"regularizer_strength={own!r}: give one of them."
        )
    return of_model


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


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
