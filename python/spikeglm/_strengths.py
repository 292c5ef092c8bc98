"""Fits at many strengths and on many choices of rows, as one batch of the core."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._features import Features
from ._reports import CONVERGED
from ._settings import Task
from ._validation import FloatArray, warn
from .exceptions import ConvergenceWarning
from .regularizer import PenaltyTerms, Regularizer

Progress = Callable[[int, int], None]


@dataclass
class StrengthProblems:
    """The problems of each strength and neuron, for fits that do not join neurons."""

    estimator: Any
    features: Features
    columns: list[FloatArray]
    task: Task
    terms: list[PenaltyTerms]  # of each strength
    groups: list[dict[int, _core.Groups | None]]  # of each strength: those of each neuron
    mask: NDArray[np.uint8] | None

    @classmethod
    def of(
        cls,
        estimator: Any,
        features: Features,
        columns: list[FloatArray],
        task: Task,
        regularizer: Regularizer,
        unit: Any,
        strengths: FloatArray,
    ) -> "StrengthProblems":
        """Prepare them; `unit` is what each of the strengths multiplies."""
        task.require_core("a fit at many strengths")
        terms = [
            regularizer.terms(regularizer.times(unit, float(s)), features.shape[1], len(columns))
            for s in strengths
        ]
        groups: list[dict[int, _core.Groups | None]] = []
        for term in terms:
            own: dict[int, _core.Groups | None] = {}
            for neurons, members in [] if term.groups is None else term.groups.batches():
                if len(neurons) > 1:
                    raise NotImplementedError(
                        "fits at many strengths need penalties that do not join neurons; fit "
                        "PopulationGLM at each strength instead."
                    )
                assert term.groups is not None
                own[neurons[0]] = term.groups.of_batch(neurons, members) if members else None
            groups.append(own)
        mask = estimator._mask(features, len(columns))
        return cls(estimator, features, columns, task, terms, groups, mask)

    def problem(
        self,
        strength: int,
        neuron: int,
        weight: FloatArray | None,
        start: tuple[FloatArray | None, float] = (None, 0.0),
    ) -> _core.Problem:
        """Return the problem of the strength and neuron with these numbers."""
        return replace(self.task, terms=self.terms[strength]).problem(
            self.columns[neuron],
            neuron,
            start,
            self.mask,
            self.groups[strength].get(neuron),
            weight=weight,
        )

    def fit(
        self, problems: list[_core.Problem], progress: Progress | None = None
    ) -> list[_core.FitResult]:
        """Fit problems that `problem` has made."""
        arguments = self.task.arguments
        if self.estimator.solver_name is None:
            arguments = arguments | {"solver": ""}  # chosen by cost
        return _core.fit(
            self.features.matrix,
            problems,
            **arguments,
            **self.task.rows,
            max_iterations=self.task.max_iterations,
            shared_groups=None,
            progress=progress,
        )


def mean_of(results: Iterable[_core.FitResult]) -> tuple[FloatArray | None, float]:
    """Return the mean of fits as a start, where all are finite."""
    coef = np.mean([result.coef for result in results], axis=0)
    intercept = float(np.mean([result.intercept for result in results]))
    return (coef, intercept) if np.isfinite(intercept) else (None, 0.0)


def warn_unfinished(results: list[_core.FitResult], what: str) -> None:
    """Warn of fits that did not converge; those that run to infinity have an end of their own."""
    unfinished = sum(result.status not in (*CONVERGED, "separated") for result in results)
    if unfinished:
        warn(
            f"{unfinished} of {len(results)} fits of the {what} did not converge; raise maxiter in "
            "solver_kwargs, or leave out the smallest strengths.",
            ConvergenceWarning,
        )


def strength_grid(largest: float, n_strengths: int, ratio: float) -> FloatArray:
    """Return strengths from the largest down to its `ratio`, evenly spaced on a log axis."""
    if not largest > 0.0:
        raise ValueError(
            "y does not depend on any column of X, so that no strength is the largest of interest; "
            "pass `regularizer_strengths`."
        )
    return largest * np.geomspace(1.0, ratio, n_strengths)


class ProgressBar:
    """A line on stderr that shows how many of the fits are done."""

    width = 40

    def __call__(self, done: int, total: int) -> None:
        """Draw it; the line ends with the last fit."""
        filled = self.width * done // max(total, 1)
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r[{'#' * filled:<{self.width}}] {done}/{total} fits{end}")
        sys.stderr.flush()
