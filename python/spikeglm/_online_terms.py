"""A fitted model and its basis as the nodes that the core evaluates bin by bin.

Nodes are in postfix order, as spikeglm/online.h says; `file_arrays` gives them the names that
cpp/src/online/model_file.cpp reads.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._expression import Columns, Convolution, Expression, Fourier, Pair
from ._links import resolve_link
from ._npz import Arrays, plain_array
from ._validation import FloatArray, numeric_array
from ._version import __version__
from .basis import Basis
from .basis._base import Shape
from .basis._inputs import Slot, as_channels
from .glm import GLM, PopulationGLM
from .links import InverseLink
from .observation_models import resolve_model

_FORMAT = 1
Node = dict[str, Any]


@dataclass(frozen=True)
class InputSlots:
    """The inputs of a model: by whom they are read (None: as they are), and their shapes."""

    slots: tuple[Slot | None, ...]
    shapes: tuple[Shape, ...]

    @classmethod
    def flat(cls, n_channels: int) -> "InputSlots":
        """Return one input of plain channels."""
        return cls((None,), ((n_channels,),))

    def rows(self, inputs: list[Any], what: str) -> FloatArray:
        """Return the channels of all inputs side by side, (n_bins, n_inputs)."""
        if len(inputs) != len(self.shapes):
            raise TypeError(
                f"{what} of this model has {len(self.shapes)} input(s), but {len(inputs)} were "
                "provided."
            )
        columns = []
        for i, (slot, shape, values) in enumerate(
            zip(self.slots, self.shapes, inputs, strict=True)
        ):
            array = np.asarray(
                numeric_array(values, f"input {i}")
                if slot is None
                else slot[0]._as_array(values, slot[1])
            )
            if array.ndim < 1 or _squeezed(array.shape[1:]) != _squeezed(shape):
                raise ValueError(
                    f"input {i} has shape {array.shape[1:]} in each bin; the model was made for "
                    f"{shape}."
                )
            columns.append(as_channels(array).astype(np.float64))
        lengths = sorted({len(column) for column in columns})
        if len(lengths) > 1:
            raise ValueError(f"inputs must have the same number of bins, got {lengths}.")
        return np.concatenate(columns, axis=1)


@dataclass(frozen=True)
class Terms:
    """What an online model is built from."""

    nodes: list[Node]
    coef: FloatArray
    intercept: FloatArray
    links: list[str]
    slots: InputSlots

    @property
    def n_inputs(self) -> int:
        """Number of channels of all inputs."""
        return sum(int(np.prod(shape)) for shape in self.slots.shapes)


def described(model: Any, basis: Basis | None) -> Terms:
    """Return the terms of a fitted model, after all checks that need no numbers."""
    if not isinstance(model, GLM | PopulationGLM):
        raise TypeError(
            f"online are fitted models of the classes GLM and PopulationGLM, got {model!r}."
        )
    model._require_fitted()
    link = model._link(resolve_model(model.observation_model))
    if isinstance(link, InverseLink):
        raise TypeError(
            "the inverse link of the model is a Python function, which no program in a rig can "
            "call; fit with one of the named links."
        )
    coef = model._coef_matrix()
    if basis is None:
        slots = InputSlots.flat(len(coef))
        nodes = [_identity(len(coef))] if len(coef) else []
    else:
        slots, nodes = _terms_of(basis)
        if basis.n_output_features != len(coef):
            raise ValueError(
                f"the basis makes {basis.n_output_features} features, the model has coefficients "
                f"of {len(coef)}: pass the basis that made the features of the fit."
            )
    return Terms(
        nodes=nodes,
        coef=np.ascontiguousarray(coef),
        intercept=np.asarray(model.intercept_, dtype=np.float64).reshape(-1),
        links=[resolve_link(link, "")],
        slots=slots,
    )


def _terms_of(basis: Any) -> tuple[InputSlots, list[Node]]:
    if not isinstance(basis, Basis):
        raise TypeError(f"`basis` must be a basis or None, got {basis!r}.")
    shapes = basis.input_shape
    bounded = [leaf for leaf in basis._leaves() if getattr(leaf, "_bounded", lambda: False)()]
    if None in shapes or any(not hasattr(leaf, "bounds_") for leaf in bounded):
        raise ValueError(
            "the basis has not seen its inputs: call compute_features or setup_basis with those of "
            "the fit first, so that shapes and bounds are known."
        )
    if basis._context() is None:
        raise ValueError(
            "a term of the basis depends on all samples of the recording, which do not exist while "
            "it is made: exponentials in eval mode, or a function of your own."
        )
    known = tuple(shape for shape in shapes if shape is not None)
    slots = InputSlots(tuple(basis._slots()), known)
    arrays: list[NDArray[Any]] = [np.zeros((1, int(np.prod(shape)))) for shape in known]
    first = {}  # input of the core, by array
    begin = 0
    for array in arrays:
        first[id(array)] = begin
        begin += array.shape[1]
    nodes: list[Node] = []
    _append(basis._bind(arrays, [(0, 1)], False), first, nodes)
    return slots, nodes


@dataclass(frozen=True)
class Term:
    """What lies side by side in X: its columns, the inputs that it reads, its kind."""

    columns: range
    inputs: frozenset[int]
    remembers: bool  # whether a convolution is part of it
    family: str | None  # of a single term of evaluation


def term_columns(nodes: list[Node]) -> list[Term]:
    """Return the terms of a model from its nodes."""
    stack: list[tuple[int, int, frozenset[int], bool, str | None]] = []
    for node in nodes:
        kind = node["kind"]
        if kind in ("product", "sum"):
            right, left = stack.pop(), stack.pop()
            channels = left[1]
            n = left[0] * right[0] // channels if kind == "product" else left[0] + right[0]
            stack.append((n, channels, left[2] | right[2], left[3] or right[3], None))
            continue
        channels, first = node["n_channels"], node["first_input"]
        n_inputs = channels
        if kind == "convolution":
            n = channels * node["filters"].shape[1]
        elif kind == "fourier":
            frequencies = node["frequencies"]
            n = channels * (frequencies.shape[1] + int(np.any(frequencies != 0, axis=0).sum()))
            n_inputs = channels * frequencies.shape[0]
        else:
            n = channels * node["n_basis_funcs"]
        inputs = frozenset(range(first, first + n_inputs))
        stack.append((n, channels, inputs, kind == "convolution", node.get("family")))
    terms, begin = [], 0
    for n, _, inputs, remembers, family in stack:
        terms.append(Term(range(begin, begin + n), inputs, remembers, family))
        begin += n
    return terms


def _append(expression: Expression, first: dict[int, int], nodes: list[Node]) -> None:
    """Add the nodes of an expression in postfix order."""
    if isinstance(expression, Pair):
        _append(expression.left, first, nodes)
        _append(expression.right, first, nodes)
        if expression.product or expression.by_channel:
            nodes.append({"kind": "product" if expression.product else "sum"})
        return
    if isinstance(expression, Columns):
        raise ValueError(
            "a term of the basis is a Python function, or makes no features: it cannot be computed "
            "online. Tabulate it in a basis of this package first."
        )
    array = expression.inputs[0] if isinstance(expression, Fourier) else expression.input
    node: Node = {"first_input": first[id(array)], "n_channels": array.shape[1]}
    if isinstance(expression, Convolution):
        if expression.causality != "causal":
            raise ValueError(
                f"a convolution of the basis is {expression.causality}: it looks at bins that have "
                "not come yet. Only causal convolutions are online."
            )
        node |= {
            "kind": "convolution",
            "filters": np.ascontiguousarray(expression.filters, dtype=np.float64),
            "includes_own_bin": not expression.shift,
        }
    elif isinstance(expression, Fourier):
        node |= {
            "kind": "fourier",
            "frequencies": np.ascontiguousarray(expression.frequencies, dtype=np.float64),
            "bounds": np.array(expression.bounds, dtype=np.float64).reshape(-1, 2),
        }
    else:
        (parameters,) = expression.parameters
        node |= _evaluation(expression.family, parameters, expression.bounds, expression.fill_value)
    nodes.append(node)


def _evaluation(
    family: str, parameters: dict[str, Any], bounds: Any, fill_value: float
) -> dict[str, Any]:
    return {
        "kind": "evaluation",
        "family": family,
        "n_basis_funcs": int(parameters["n_basis_funcs"]),
        "order": int(parameters.get("order", 4)),
        "width": float(parameters.get("width", 2.0)),
        "time_scaling": float(parameters.get("time_scaling", 50.0)),
        "enforce_decay_to_zero": bool(parameters.get("enforce_decay_to_zero", True)),
        "fill_value": float(fill_value),
        "bounds": np.array(bounds, dtype=np.float64).reshape(-1, 2),
    }


def _identity(n_channels: int) -> Node:
    bounds = [(-np.inf, np.inf)] * n_channels
    node = {"first_input": 0, "n_channels": n_channels}
    return node | _evaluation("Identity", {"n_basis_funcs": 1}, bounds, np.nan)


def file_arrays(terms: Terms) -> Arrays:
    """Return the arrays of a file that the core reads."""
    arrays: Arrays = {
        "online_version": np.array(_FORMAT, dtype="<i8"),
        "spikeglm_version": plain_array(__version__, "spikeglm_version"),
        "n_inputs": np.array(terms.n_inputs, dtype="<i8"),
        "n_nodes": np.array(len(terms.nodes), dtype="<i8"),
    }
    for i, node in enumerate(terms.nodes):
        for name, value in node.items():
            if isinstance(value, int) and not isinstance(value, bool):
                value = np.int64(value)
            arrays[f"node/{i}/{name}"] = plain_array(value, name)
    arrays["coef"] = plain_array(terms.coef, "coef")
    arrays["intercept"] = plain_array(terms.intercept, "intercept")
    arrays["links"] = plain_array(np.array(terms.links), "links")
    return arrays


def _squeezed(shape: Shape) -> Shape:
    """Return a shape in which one channel is no dimension."""
    return () if int(np.prod(shape)) == 1 else tuple(shape)
