"""Models in files: plain arrays by name in an uncompressed .npz, without pickle.

`format_version`, `spikeglm_version` and `model_class` say what a file holds, `param/...` what the
model was constructed with, `fitted/...` what it learned. How values are stored is said in
`_model_values.py`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._model_values import (
    LABELS,
    Node,
    Reader,
    class_name,
    is_learned,
    put_value,
    refuse_unknown,
    suggestion,
    text_of,
    tree_of,
)
from ._npz import Arrays, plain_array, read_arrays, write_arrays
from ._validation import warn
from ._version import __version__
from .exceptions import SpikeglmWarning

_FORMAT = 1
# Types (numpy kinds) and, per class, dimensions of what predictions are made from.
_NUMPY_KINDS = {
    "coef_": "f",
    "intercept_": "f",
    "dispersion_": "f",
    "n_features_in_": "i",
    "converged_": "b",
    "status_": "U",
}
_COEF_NDIM = {"GLM": 1, "PopulationGLM": 2}


def save(model: Any, path: Any) -> None:
    """Write a model, fitted or not, to a file that `load_model` reads.

    Parameters
    ----------
    model :
        An estimator of this package.
    path :
        Path, to which ".npz" is appended where it is missing, or a binary file object. A path holds
        the whole model afterwards, or what it held before.

    Raises
    ------
    TypeError
        A parameter or attribute is nothing that a file can hold: a function other than the known
        inverse links, for example.
    """
    arrays: Arrays = {
        "format_version": np.array(_FORMAT, dtype="<i8"),
        "spikeglm_version": plain_array(__version__, "spikeglm_version"),
        "model_class": plain_array(class_name(model, "the model"), "model_class"),
    }
    for name, value in model.get_params(deep=False).items():
        put_value(arrays, f"param/{name}", value)
    for name, value in vars(model).items():
        if is_learned(name) and name not in LABELS:
            put_value(arrays, f"fitted/{name}", value)
        elif name in LABELS:
            labels: Arrays = {}
            try:
                put_value(labels, f"fitted/{name}", value)
            except TypeError as error:
                warn(f"{error} It is left out.", SpikeglmWarning)
            else:
                arrays |= labels
    write_arrays(path, arrays)


def load_model(path: Any, mapping_dict: Mapping[str, Any] | None = None) -> Any:
    """Read a model that `save_params` wrote.

    Nothing in the file is executed or imported, and everything is checked: files of strangers are
    safe to load.

    Parameters
    ----------
    path :
        Path of the file, or a binary file object.
    mapping_dict :
        Parameters to set to other values than the file has, by name as in `set_params`:
        ``{"inverse_link_function": function}`` for what a file cannot hold.

    Returns
    -------
    :
        The model, fitted if it was. Its predictions are those of the saved one, bit for bit. Arrays
        of strings have a fixed-length dtype; numpy scalars are Python numbers.

    Raises
    ------
    ValueError
        The file is damaged, compressed, of a later format, or holds something that no model of this
        package has; `mapping_dict` names a parameter that the model does not have.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import io, numpy as np, spikeglm as nmo
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> model = nmo.glm.GLM().fit(X, np.ones(100))
    >>> file = io.BytesIO()
    >>> model.save_params(file)
    >>> loaded = nmo.load_model(io.BytesIO(file.getvalue()))
    >>> np.array_equal(loaded.predict(X), model.predict(X))
    True
    """
    root = tree_of(read_arrays(path))
    _check_format(root)
    known_keys = ("format_version", "spikeglm_version", "model_class", "param", "fitted")
    refuse_unknown(root.children, known_keys, "key")
    name = text_of(root.children.get("model_class"), "model_class")
    param, fitted = (root.children.get(key, Node()) for key in ("param", "fitted"))
    for key, node in (("param", param), ("fitted", fitted)):
        if node.array is not None:
            raise ValueError(f"{key!r} must not be an array.")
    for attribute in fitted.children:
        if not is_learned(attribute):
            raise ValueError(
                f"'fitted/{attribute[:80]}' is no fitted attribute"
                f"{suggestion(attribute, [*_NUMPY_KINDS, *LABELS])}."
            )
    mapping = dict(mapping_dict or {})
    reader = Reader(mapping)
    model = reader.object(name, param.children, fitted.children, "model_class", "")
    unused = sorted(set(mapping) - reader.used)
    if unused:
        raise ValueError(
            f"`mapping_dict` sets {unused[0]!r}, which the model does not have"
            f"{suggestion(unused[0], reader.paths)}."
        )
    _check_fitted(model)
    return model


def inspect_npz(path: Any) -> None:
    """Print what a model file holds: versions, class, parameters and fitted attributes.

    Parameters
    ----------
    path :
        Path of the file, or a binary file object.

    Raises
    ------
    ValueError
        The file is damaged, or not one of plain arrays. Formats and classes that this version does
        not know are printed.
    OSError
        The file cannot be read.
    """
    arrays = read_arrays(path)
    width = max((len(key) for key in arrays), default=0)
    for key, array in arrays.items():
        print(f"{key:<{width}}  {_shown(array)}")


def _shown(array: NDArray[Any]) -> str:
    if array.ndim == 0:
        return str(array.item())
    values = f" {array.tolist()}" if array.size <= 8 else ""
    return f"{array.dtype} {array.shape}{values}"


def _check_format(root: Node) -> None:
    node = root.children.get("format_version")
    if (
        node is None
        or node.children
        or node.array is None
        or node.array.shape
        or node.array.dtype != np.int64
    ):
        raise ValueError("this is no model file of spikeglm: it has no whole `format_version`.")
    version = int(node.array)
    if version != _FORMAT:
        writer = root.children.get("spikeglm_version", Node()).array
        raise ValueError(
            f"the file has format {version}, written by spikeglm "
            f"{'unknown' if writer is None else str(writer)[:40]}; spikeglm {__version__} reads "
            f"format {_FORMAT}. Update spikeglm."
        )
    text_of(root.children.get("spikeglm_version"), "spikeglm_version")


def _check_fitted(model: Any) -> None:
    """Refuse fitted attributes that contradict each other."""
    learned = {name: value for name, value in vars(model).items() if is_learned(name)}
    if not learned or not hasattr(model, "predict"):
        return
    for name in ("coef_", "intercept_", "n_features_in_"):
        if name not in learned:
            raise ValueError(f"'fitted/{name}' is missing{suggestion(name, learned)}.")
    parts = learned["coef_"]
    parts = list(parts.values()) if isinstance(parts, dict) else [parts]
    for name, kind in _NUMPY_KINDS.items():
        for value in parts if name == "coef_" else [learned[name]] if name in learned else []:
            if np.asarray(value).dtype.kind != kind:
                raise ValueError(f"'fitted/{name}' has the wrong type: {_shown_type(value)}.")
    try:
        coef = np.concatenate([np.atleast_1d(part) for part in parts])
    except ValueError as error:
        raise ValueError(f"the arrays of 'fitted/coef_' do not fit together: {error}") from None
    intercept = np.asarray(learned["intercept_"])
    n_features = learned["n_features_in_"]
    if not isinstance(n_features, int):
        raise ValueError(f"'fitted/n_features_in_' must be an integer: {_shown_type(n_features)}.")
    ndim = _COEF_NDIM.get(type(model).__name__, coef.ndim)
    neurons = coef.shape[1:] or (1,)
    if coef.ndim == 0 or coef.ndim != ndim or coef.shape[0] != n_features:
        raise ValueError(
            f"'fitted/coef_' has shape {coef.shape}; a {type(model).__name__} of {n_features} "
            f"features has {ndim} dimension(s), features first."
        )
    if intercept.shape != neurons or coef.dtype != np.float64 or intercept.dtype != np.float64:
        raise ValueError(
            f"'fitted/intercept_' has shape {intercept.shape} and dtype {intercept.dtype}, "
            f"'fitted/coef_' {coef.shape} and {coef.dtype}: float64 of shape {neurons} was "
            "expected for the intercept."
        )
    if not np.all(np.isfinite(coef)) or np.any(np.isnan(intercept)):
        raise ValueError("coefficients must be finite, and intercepts must not be NaN.")
    if np.shape(learned.get("dispersion_", 0.0)) not in ((), intercept.shape):
        raise ValueError("'fitted/dispersion_' must be a number, or one for each neuron.")
    for name in LABELS:
        labels = learned.get(name)
        if labels is not None and len(np.atleast_1d(labels)) != neurons[-1]:
            raise ValueError(
                f"'fitted/{name}' must have an entry for each of {neurons[-1]} neurons."
            )
    zeros: Any = np.zeros((1, n_features))
    if isinstance(learned["coef_"], dict):
        zeros = {key: zeros[:, : len(part)] for key, part in learned["coef_"].items()}
    try:  # on what is left to go wrong
        model.predict(zeros)
    except Exception as error:
        raise ValueError(f"the model of the file cannot predict: {error}") from error


def _shown_type(value: Any) -> str:
    return f"{np.asarray(value).dtype}, {type(value).__name__}"
