"""Inverse links by name, alias or well-known function."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _core
from .links import InverseLink

_ALIASES = {
    "one_over_x": "reciprocal",
    "inverse": "reciprocal",
    "expit": "logistic",
    "sigmoid": "logistic",
    "logit": "logistic",
    "ndtr": "probit",
    "norm.cdf": "probit",
    "norm_cdf": "probit",
    "complementary_log_log": "cloglog",
}
_FUNCTIONS: dict[Any, str] = {np.exp: "exp", np.reciprocal: "reciprocal"}
# Functions of other packages, recognised by what they call themselves.
_FOREIGN_MODULES = ("jax", "nemos", "scipy", "torch")


def resolve_link(link: Any, model: str) -> Any:
    """Return the core's name of an inverse link, or a user's own; None is the model's default."""
    if isinstance(link, InverseLink):
        return link
    if link is None and model == "Custom":
        raise ValueError("a custom observation model needs an inverse link.")
    if link is None:
        return str(_core.observation_models()[model]["default_link"])
    return named_link(link, _core.inverse_links())


def named_link(link: str | Callable[..., Any], known: list[str]) -> str:
    """Return the name among `known` that a string or a function of another package stands for."""
    name: Any = None
    if isinstance(link, str):
        # A full path, "jax.scipy.stats.norm.cdf" for example: the longest ending that is a name.
        parts = link.split(".")
        endings = [".".join(parts[i:]) for i in range(len(parts))]
        name = next((end for end in endings if _ALIASES.get(end, end) in known), None)
    elif callable(link):
        name = _function_name(link)
    name = _ALIASES.get(str(name), name)
    if name not in known:
        raise ValueError(
            f"unknown inverse link function {link!r}; known: {', '.join(known)}, and the numpy, "
            "scipy or jax functions of these names. One of your own goes with its derivatives into "
            "a spikeglm.links.InverseLink."
        )
    return str(name)


def _function_name(function: Callable[..., Any]) -> Any:
    try:
        if function in _FUNCTIONS:
            return _FUNCTIONS[function]
    except TypeError:  # not hashable
        return None
    owner = getattr(function, "__self__", None)  # of a bound method, scipy.stats.norm.cdf
    module = getattr(function if owner is None else owner, "__module__", None)
    module = str(module or type(function).__module__)
    name = getattr(function, "__name__", None)
    if isinstance(function, np.ufunc) and name in ("expit", "ndtr", "exp"):
        return name  # ufuncs of scipy.special do not say where they are from
    if module.split(".")[0] not in _FOREIGN_MODULES:
        return None
    if name == "cdf":
        normal = "norm" in module or type(owner).__name__.startswith("norm")
        return "norm.cdf" if normal else None
    return name
