"""Inverse links by name, alias or well-known function."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _core

_ALIASES = {"one_over_x": "reciprocal", "inverse": "reciprocal"}
_FUNCTIONS: dict[Any, str] = {np.exp: "exp", np.reciprocal: "reciprocal"}
# Functions of other packages, recognised by what they call themselves.
_FOREIGN_MODULES = ("jax", "nemos", "scipy", "torch")


def resolve_link(link: str | Callable[..., Any] | None, model: str) -> str:
    """Return the core's name of an inverse link; None gives the model's default."""
    known = _core.inverse_links()
    if link is None:
        return str(_core.observation_models()[model]["default_link"])
    name: Any = None
    if callable(link):
        name = _FUNCTIONS.get(link)
        module = getattr(link, "__module__", None) or ""
        if name is None and module.split(".")[0] in _FOREIGN_MODULES:
            name = getattr(link, "__name__", None)
    elif isinstance(link, str):
        name = link.split(".")[-1]
    name = _ALIASES.get(str(name), name)
    if name not in known:
        raise ValueError(
            f"unknown inverse link function {link!r}; known: {', '.join(known)}, and the numpy, "
            "scipy or jax functions of these names."
        )
    return str(name)
