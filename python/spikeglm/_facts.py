"""What the core knows of its models and solvers, asked for once."""

from functools import cache
from typing import Any

from . import _core


@cache
def observation_models() -> dict[str, dict[str, Any]]:
    """Return facts of each observation model, by name; not to be changed."""
    return _core.observation_models()


@cache
def solvers() -> dict[str, dict[str, Any]]:
    """Return facts of each solver, by name; not to be changed."""
    return _core.solvers()
