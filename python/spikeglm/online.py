"""Fitted models bin by bin: what a program in the loop of an experiment computes.

`OnlineModel` is the object that C and C++ programs use (``spikeglm/online.h``, `get_include`), so
that a notebook can rehearse what the rig will do; `save_online` writes the file that they load.
`OnlineDecoder` and `OnlineGridDecoder` decode a variable from the activity of a fitted population,
`OnlineLearner` lets its weights follow the data (``spikeglm/online_decoding.h``).
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._npz import write_arrays
from ._online_decoding import OnlineDecoder, OnlineGridDecoder
from ._online_learner import OnlineLearner
from ._online_terms import InputSlots, described, file_arrays
from ._timeseries import plain
from ._validation import FloatArray, per_sample, real_number
from .basis import Basis

__all__ = ["OnlineDecoder", "OnlineGridDecoder", "OnlineLearner", "OnlineModel", "save_online"]


class OnlineModel:
    """A fitted model that takes one bin after the other.

    The rates of `push` over a recording are those of ``model.predict(basis.compute_features(...))``
    to 1e-10, NaN included: the first `n_initial` bins, before windows are complete, and bins with a
    missing input (NaN, a dropped packet) in their window or in their own terms. With two epochs,
    call `reset` between them.

    Parameters
    ----------
    model : GLM or PopulationGLM
        Fitted, with one of the named inverse links.
    basis : Basis, optional
        What made its features, after it has computed them: shapes and bounds are known then.
        Convolutions must be causal. Without a basis, the inputs are the features.
    dtype :
        "float64", or "float32": history, filters and weights are then stored and multiplied in
        single precision, which halves the time of large models; rates differ by about 1e-6.

    Raises
    ------
    TypeError
        The model is of another class, or its inverse link is a user's own.
    ValueError
        The basis does not fit the model, has not computed features, looks ahead, or depends on the
        whole recording.

    Notes
    -----
    Nothing is allocated in `push` below Python: history lies in a ring, features are made once per
    input and then multiplied with the weights of all neurons, without those that are zero. Where
    few inputs are not zero, filters are added up at these (Pillow et al. 2008, Nature 454:995,
    has such a model).

    Examples
    --------
    >>> import numpy as np, spikeglm as nmo
    >>> counts = np.random.default_rng(0).poisson(0.1, size=(2000, 3))
    >>> history = nmo.basis.RaisedCosineBasisLog(4, mode="conv", window_size=20)
    >>> X = history.compute_features(counts)
    >>> model = nmo.glm.PopulationGLM(regularizer="Ridge", regularizer_strength=1e-3)
    >>> online = OnlineModel(model.fit(X, counts), history)
    >>> rates = np.array([online.push(bin_counts) for bin_counts in counts])
    >>> bool(np.allclose(rates, model.predict(X), rtol=1e-10, atol=0, equal_nan=True))
    True
    """

    def __init__(self, model: Any, basis: Basis | None = None, dtype: str = "float64") -> None:
        terms = described(model, basis)
        self._slots = terms.slots
        self._core = _core.OnlineModel(
            nodes=terms.nodes,
            coef=terms.coef,
            intercept=terms.intercept,
            links=terms.links,
            n_inputs=terms.n_inputs,
            single_precision=_is_single(dtype),
        )

    @classmethod
    def load(cls, path: Any, dtype: str = "float64") -> "OnlineModel":
        """Read a model as C++ programs read it.

        Parameters
        ----------
        path :
            A file of `save_online`, or of `save_params`, whose inputs are the features; or a binary
            file object.
        dtype :
            As in the constructor.

        Returns
        -------
        :
            A model with one input of `n_inputs` channels: those of all inputs of the basis, side by
            side.

        Raises
        ------
        ValueError
            The file is damaged, or of another kind or version.
        OSError
            The file cannot be read.
        """
        single = _is_single(dtype)
        if hasattr(path, "read"):
            content = path.read()
        else:
            with open(path, "rb") as file:
                content = file.read()
        made = cls.__new__(cls)
        made._core = _core.OnlineModel.load_memory(content, single)
        made._slots = InputSlots.flat(made._core.n_inputs)
        return made

    @property
    def n_inputs(self) -> int:
        """Number of input channels."""
        return self._core.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of neurons."""
        return self._core.n_outputs

    @property
    def n_initial(self) -> int:
        """Bins after a reset before there are rates."""
        return self._core.n_initial

    @property
    def is_predictive(self) -> bool:
        """Whether all terms look at earlier bins only, so that `next` needs no inputs."""
        return self._core.is_predictive

    @property
    def features_(self) -> FloatArray:
        """The features of the last bin, (n_features,)."""
        return self._core.features()

    def reset(self) -> None:
        """Forget the history: at the border of an epoch."""
        self._core.reset()

    def push(self, *inputs: Any, offset: float = 0.0) -> FloatArray:
        """Take one bin and return its rates.

        Parameters
        ----------
        *inputs :
            One per input of the basis: a number, or an array of its channels. NaN is a missing
            sample.
        offset :
            Known part of the linear predictor.

        Returns
        -------
        :
            (n_outputs,), float64; per bin, as `predict`.

        Raises
        ------
        TypeError
            The number of inputs is wrong, or one does not hold real numbers.
        ValueError
            A shape is wrong, or a number infinite; the bin counts as missing then.
        """
        values = self._slots.rows([np.asarray(plain(x))[None] for x in inputs], "a bin")
        return self._core.push_many(values, np.array([real_number(offset, "offset")]))[0]

    def push_many(self, *inputs: Any, offset: ArrayLike | None = None) -> FloatArray:
        """Take a buffer of consecutive bins and return their rates.

        Parameters
        ----------
        *inputs : (n_bins, ...)
            One per input of the basis. Epochs of labelled series are not looked at: `reset`
            separates them.
        offset : (n_bins,), optional
            Known part of the linear predictor.

        Returns
        -------
        :
            (n_bins, n_outputs), float64.

        Raises
        ------
        TypeError, ValueError
            As `push`.
        """
        values = self._slots.rows([plain(x) for x in inputs], "bins")
        return self._core.push_many(values, per_sample(offset, len(values), "offset"))

    def next(self, *inputs: Any, offset: float = 0.0) -> FloatArray:
        """Return the rates of the bin that comes next, which is not remembered.

        Parameters
        ----------
        *inputs :
            What terms of evaluation need of that bin, as for `push`; none for a model that
            `is_predictive`.
        offset :
            Known part of the linear predictor.

        Returns
        -------
        :
            (n_outputs,), float64.

        Raises
        ------
        ValueError
            The rates depend on inputs of the bin that were not given, or a convolution includes its
            own bin.
        """
        offset = real_number(offset, "offset")
        if not inputs:
            return self._core.next(None, offset)
        values = self._slots.rows([np.asarray(plain(x))[None] for x in inputs], "a bin")
        return self._core.next(values[0], offset)


def save_online(model: Any, basis: Basis | None, path: Any) -> None:
    """Write a fitted model with its basis to a file that C and C++ programs load.

    Parameters
    ----------
    model, basis :
        As for `OnlineModel`.
    path :
        Path, to which ".npz" is appended where it is missing, or a binary file object. A path holds
        the whole model afterwards, or what it held before.

    Raises
    ------
    TypeError, ValueError
        As `OnlineModel`.

    Examples
    --------
    >>> import io, numpy as np, spikeglm as nmo
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> model = nmo.glm.GLM().fit(X, np.ones(100))
    >>> file = io.BytesIO()
    >>> save_online(model, None, file)
    >>> online = OnlineModel.load(io.BytesIO(file.getvalue()))
    >>> bool(np.allclose(online.push_many(X)[:, 0], model.predict(X), rtol=1e-10))
    True
    """
    terms = described(model, basis)
    # What cannot be built is not written either.
    OnlineModel(model, basis)
    write_arrays(path, file_arrays(terms))


def _is_single(dtype: Any) -> bool:
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = ""
    if name not in ("float64", "float32"):
        raise ValueError(f'`dtype` must be "float64" or "float32", got {dtype!r}.')
    return name == "float32"
