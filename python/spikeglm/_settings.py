"""What every estimator has: a penalty, a solver and its settings, and what the core is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from . import _core, _facts
from ._callbacks import CallbackSupport
from ._validation import FloatArray, is_whole, whole_number
from .exceptions import NotFittedError
from .links import InverseLink
from .observation_models import CustomObservations
from .regularizer import PenaltyTerms, Regularizer, resolve_regularizer


@dataclass
class Task:
    """What the core is told about the problems, beside the data of each."""

    terms: PenaltyTerms
    parameter: float
    arguments: dict[str, Any]  # settings
    rows: dict[str, Any]  # weights and offsets, arrays or None
    max_iterations: int

    @property
    def custom(self) -> bool:
        """Whether the link or the model is written in Python."""
        link, model = self.arguments["link"], self.arguments["model"]
        return isinstance(link, InverseLink) or model == CustomObservations.name

    def require_core(self, what: str) -> None:
        """Refuse what only models and links of the core can do."""
        if self.custom:
            raise NotImplementedError(
                f"{what} needs an observation model and an inverse link of the core."
            )

    def problem(
        self,
        column: FloatArray,
        i: int,
        start: tuple[FloatArray | None, float],
        mask: NDArray[np.uint8] | None,
        groups: _core.Groups | None,
        weight: FloatArray | None = None,
    ) -> _core.Problem:
        """Return the problem of neuron `i`."""
        if np.isinf(start[1]):  # of a neuron that was silent: no place to start from
            start = None, 0.0
        return _core.Problem(
            column,
            quadratic=self.terms.quadratic[i],
            absolute=self.terms.absolute[i],
            groups=groups,
            excluded=None if mask is None else np.ascontiguousarray(mask[:, i] == 0),
            start_coef=start[0],
            start_intercept=start[1],
            parameter=self.parameter,
            weight=weight,
            matrix=self.terms.matrix_of(i),
        )


class FitSettings(BaseEstimator, CallbackSupport):
    """What every estimator that is fitted has: a penalty, a solver, features and threads."""

    coef_: Any  # an array, or a dict of arrays for a dict X
    intercept_: FloatArray
    n_features_in_: int
    regularizer: str | Regularizer | None
    regularizer_strength: Any
    solver_name: str | None
    solver_kwargs: Mapping[str, Any] | None
    fit_intercept: bool
    missing: str
    n_threads: int | None

    def set_params(self, **params: Any) -> "FitSettings":
        """Set parameters by name, as scikit-learn does.

        ``regularizer__regularizer_strength`` sets the strength of the regularizer itself; a
        regularizer that was given by name becomes an object for it.
        """
        if any(key.startswith("regularizer__") for key in params):
            regularizer = params.get("regularizer", self.regularizer)
            params["regularizer"] = resolve_regularizer(regularizer)
        super().set_params(**params)
        return self

    def save_params(self, filename: Any) -> None:
        """Write the model, fitted or not, to an .npz file that `spikeglm.load_model` reads.

        Parameters
        ----------
        filename :
            Path, to which ".npz" is appended where it is missing, or a binary file object.

        Raises
        ------
        TypeError
            A parameter is nothing that a file can hold, such as an unknown function.
        """
        from ._model_files import save

        save(self, filename)

    def _refuse_missing(self, dropped: list[int]) -> None:
        if self.missing not in ("drop", "raise"):
            raise ValueError(f'`missing` must be "drop" or "raise", got {self.missing!r}.')
        if self.missing == "raise" and any(dropped):
            raise ValueError(
                f"{max(dropped)} rows have a NaN in X or y, as the first rows of convolved "
                'features do; missing="drop" leaves such rows out.'
            )

    def _widths(self) -> dict[str, int] | None:
        """Return the widths of the arrays of a dict X of training, in its order."""
        if not isinstance(self.coef_, Mapping):
            return None
        return {key: len(part) for key, part in self.coef_.items()}

    def _threads(self) -> int:
        return 0 if self.n_threads is None else whole_number(self.n_threads, "n_threads", 1)

    def _intercept(self) -> bool:
        if not isinstance(self.fit_intercept, bool | np.bool_):
            raise TypeError(f"`fit_intercept` must be True or False, got {self.fit_intercept!r}.")
        return bool(self.fit_intercept)

    def _solver(self, regularizer: Regularizer) -> tuple[str, dict[str, float], float, int]:
        """Return name, settings, tolerance and largest number of steps of the solver."""
        name = regularizer.default_solver if self.solver_name is None else self.solver_name
        regularizer.check_solver(name)
        facts = _facts.solvers()[name]
        if not isinstance(self.solver_kwargs, Mapping | None):
            raise TypeError(f"`solver_kwargs` must be a dict, got {self.solver_kwargs!r}.")
        given = dict(self.solver_kwargs or {})
        known = ["tol", "maxiter", *facts["settings"]]
        unknown = sorted(map(str, set(given) - set(known)))
        if unknown:
            raise NameError(
                f"solver {name!r} has no setting {unknown[0]!r}; it takes {', '.join(known)}."
            )
        tolerance = given.pop("tol", facts["tol"])
        if not (isinstance(tolerance, int | float | np.number) and 0.0 < tolerance < np.inf):
            raise ValueError(f"`tol` must be a positive number, got {tolerance!r}.")
        max_iterations = given.pop("maxiter", facts["maxiter"])
        if is_whole(max_iterations) and max_iterations > 2**31 - 1:
            max_iterations = 2**31 - 1  # never reached
        max_iterations = whole_number(max_iterations, "maxiter", 1)
        for key, value in given.items():
            if not isinstance(value, bool | int | float | np.number | np.bool_):
                raise TypeError(f"`{key}` of solver {name!r} must be a number, got {value!r}.")
        settings = {key: float(value) for key, value in given.items()}
        return name, settings, float(tolerance), max_iterations

    def _require_fitted(self) -> None:
        if not hasattr(self, "coef_"):
            raise NotFittedError(
                f"This {type(self).__name__} is not fitted yet: call `fit` before this method."
            )


def layout(widths: dict[str, int] | None) -> str:
    """Say what X is."""
    return "one array" if widths is None else f"a dict of arrays with these columns: {widths}"
