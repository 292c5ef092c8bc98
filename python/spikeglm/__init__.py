"""Generalized linear models for neural activity, from a compiled core.

The modules that most work starts from:

- `spikeglm.basis`: composable bases that turn time series into features;
- `spikeglm.glm`: models that are fitted to spike counts or continuous activity;
- `spikeglm.goodness_of_fit`: whether a fitted model describes the data.
"""

from . import (
    basis,
    convolve,
    datasets,
    design,
    exceptions,
    glm,
    goodness_of_fit,
    identifiability_constraints,
    observation_models,
    proximal_operator,
    regularizer,
    simulation,
    utils,
)
from ._config import show_config
from ._model_files import inspect_npz, load_model
from ._version import __version__

__all__ = [
    "__version__",
    "basis",
    "convolve",
    "datasets",
    "design",
    "exceptions",
    "glm",
    "goodness_of_fit",
    "identifiability_constraints",
    "inspect_npz",
    "load_model",
    "observation_models",
    "proximal_operator",
    "regularizer",
    "show_config",
    "simulation",
    "utils",
]
