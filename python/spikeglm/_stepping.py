"""The steps of a fit one by one."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class OptimizerState:
    """Where a fit that is made step by step stands.

    Attributes
    ----------
    n_iter : int
        Calls of `update` so far.
    moved : bool
        Whether the last step changed any neuron's parameters.
    converged : bool
        Whether the last step found all neurons at their optimum. Solvers of first order do not find
        that out by themselves: compare parameters, or use `fit`.
    status : list of str
        Per neuron "max iterations" after a step, else why none was taken, as in ``status_``.
    """

    n_iter: int = 0
    moved: bool = True
    converged: bool = False
    status: list[str] = field(default_factory=list)
    steppers: list[Any] = field(default_factory=list, repr=False)
