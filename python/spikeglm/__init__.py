"""Generalized linear models for neural activity, from a compiled core.

The modules that most work starts from:

- `spikeglm.basis`: composable bases that turn time series into features;
- `spikeglm.glm`: models that are fitted to spike counts or continuous activity;
- `spikeglm.goodness_of_fit`: whether a fitted model describes the data;
- `spikeglm.plotting`: pictures of all of these;
- `spikeglm.online`: fitted models bin by bin, as C++ programs in a rig run them.
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
    inference,
    links,
    observation_models,
    online,
    plotting,
    proximal_operator,
    regularizer,
    simulation,
    utils,
)
from ._config import get_cmake_dir, get_include, show_config
from ._model_files import inspect_npz, load_model
from ._version import __version__

__all__ = [
    "__version__",
    "basis",
    "convolve",
    "datasets",
    "design",
    "exceptions",
    "get_cmake_dir",
    "get_include",
    "glm",
    "goodness_of_fit",
    "identifiability_constraints",
    "inference",
    "inspect_npz",
    "links",
    "load_model",
    "observation_models",
    "online",
    "plotting",
    "proximal_operator",
    "regularizer",
    "show_config",
    "simulation",
    "utils",
]

# What users of NeMoS may reach for, and what to do instead.
_ABSENT = {
    "fetch": "the recording that ships with the package is in spikeglm.datasets",
    "glm_hmm": "hidden Markov models are not available",
    "hmm": "hidden Markov models are not available",
    "pytrees": "X may be a dict of arrays",
    "solvers": "solvers go by name, `solver_name`; `Regularizer.allowed_solvers` lists them",
    "styles": "plots take the styles of matplotlib",
    "tree_utils": "X may be a dict of arrays",
    "type_casting": "inputs are converted where they are read",
}


def __getattr__(name: str) -> object:
    if name in _ABSENT:
        raise AttributeError(f"spikeglm has no {name!r}: {_ABSENT[name]}.")
    raise AttributeError(f"module 'spikeglm' has no attribute {name!r}")
