"""What a user is told about a fit."""

from collections.abc import Sequence
from typing import Any

from . import _core
from ._validation import warn
from .exceptions import (
    ConvergenceWarning,
    IdentifiabilityWarning,
    SeparationWarning,
    SilentNeuronWarning,
    SpikeglmWarning,
)

# A silent neuron's rate of zero is its exact optimum.
CONVERGED = ("converged", "precision limit", "silent")

_REMEDIES = {
    "max iterations": "raise maxiter in solver_kwargs",
    "line search failed": "scale the columns of X, add a penalty, or choose a link whose mean "
    "stays in its domain",
    "saddle point": "pass other init_params",
}


_NO_OVERDISPERSION = (
    "the counts vary no more than Poisson counts: the estimated dispersion is at its lower bound. "
    'Use observation_model="Poisson".'
)
# Of an estimated dispersion of a negative binomial, with room for rounding.
_SMALLEST_DISPERSION = 1.01e-8


def warn_about(
    results: Sequence[_core.FitResult], neurons: Sequence[Any], estimated: bool = False
) -> None:
    """Warn once per finding; `neurons` names each result, and is empty for a single neuron.

    `estimated`: the dispersion is that of a negative binomial, estimated with the coefficients.
    """
    found: dict[tuple[type[Warning], str], list[int]] = {}
    for i, result in enumerate(results):
        findings = _findings(result)
        if estimated and result.dispersion <= _SMALLEST_DISPERSION:
            findings.append((SpikeglmWarning, _NO_OVERDISPERSION))
        for finding in findings:
            found.setdefault(finding, []).append(i)
    for (category, message), members in found.items():
        who = f"neuron {_listed([neurons[i] for i in members])}: " if neurons else ""
        warn(who + message, category)


def _findings(result: _core.FitResult) -> list[tuple[type[Warning], str]]:
    if result.status == "silent":
        message = (
            f"y is {result.mean_y:g} in every row used: the mean is fitted as exactly that, with "
            "coefficients 0. Leave such neurons out."
        )
        return [(SilentNeuronWarning, message)]

    findings: list[tuple[type[Warning], str]] = []
    if len(result.aliased):
        findings.append((IdentifiabilityWarning, _aliased(result.aliased)))
    if result.rank < result.n_free and not result.penalised:
        findings.append((IdentifiabilityWarning, _collinear(result.rank, result.n_free)))
    if result.status == "separated":
        columns = _listed(result.separated) if len(result.separated) else "none (intercept only)"
        message = (
            f"the likelihood grows without bound along columns {columns}: "
            f"{result.n_separated_rows} rows are predicted perfectly in the limit. The other "
            "predictions are right; those coefficients are not. Use Ridge, or drop these columns "
            "or rows."
        )
        findings.append((SeparationWarning, message))
    elif result.status not in CONVERGED:
        message = _stopped(result.status, result.n_iterations, result.decrement)
        findings.append((ConvergenceWarning, message))
    return findings


def warn_about_classes(results: Sequence[dict[str, Any]], neurons: Sequence[Any]) -> None:
    """As `warn_about`, for classifiers."""
    found: dict[tuple[type[Warning], str], list[int]] = {}
    for i, result in enumerate(results):
        for finding in _findings_of_classes(result):
            found.setdefault(finding, []).append(i)
    for (category, message), members in found.items():
        who = f"neuron {_listed([neurons[i] for i in members])}: " if neurons else ""
        warn(who + message, category)


def _findings_of_classes(result: dict[str, Any]) -> list[tuple[type[Warning], str]]:
    findings: list[tuple[type[Warning], str]] = []
    if len(result["aliased_"]):
        findings.append((IdentifiabilityWarning, _aliased(result["aliased_"])))
    if result["rank_"] < result["n_free"] and not result["penalised"]:
        findings.append((IdentifiabilityWarning, _collinear(result["rank_"], result["n_free"])))
    status = result["status_"]
    if status == "separated":
        message = (
            "some rows are predicted with certainty: the likelihood grows without bound, and the "
            "coefficients are as large as rounding lets them be. Use Ridge."
        )
        findings.append((SeparationWarning, message))
    elif status not in CONVERGED:
        findings.append(
            (ConvergenceWarning, _stopped(status, result["n_iter_"], result["decrement"]))
        )
    return findings


def _aliased(columns: Any) -> str:
    return (
        f"X is constant in column {_listed(columns)} over the rows used: its effect cannot be told "
        "from the intercept and its coefficient is 0. Leave it out."
    )


def _collinear(rank: int, n_free: int) -> str:
    return (
        f"the columns of X and the intercept are linearly dependent (rank {rank} of {n_free}): "
        "many coefficients fit equally well and the smallest are returned; predictions are "
        "unaffected. Use Ridge, or drop columns (a B-spline basis sums to one, like the intercept)."
    )


def _stopped(status: str, n_iterations: int, decrement: float) -> str:
    return (
        f"the fit stopped ({status}) after {n_iterations} steps, at {decrement:.2g} standard "
        f"errors from the optimum. To go on: {_REMEDIES[status]}."
    )


def _listed(names: Any) -> str:
    shown = ", ".join(str(name) for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")
