"""Values of many kinds as plain arrays by key, and back.

A value at key P is

- a number, truth value or text: the array P without dimensions;
- an array: P;
- None: ``P/none``, True;
- a list or tuple: ``P/list`` or ``P/tuple``, its length, and ``P/0``, ``P/1``, ...;
- a dict: ``P/dict``, its keys (percent-encoded below), and ``P/<key>`` for each;
- an object of this package: ``P/class``, its name, and ``P/<name>`` for each parameter and for what
  it learned, which ends in an underscore;
- a pandas frame: ``P/frame``, its column names, ``P/index``, and ``P/0``, ``P/1``, ...
"""

import difflib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from . import _core
from ._links import named_link
from ._npz import Arrays, plain_array
from ._version import __version__

_DEEPEST = 16
_PACKAGE = __name__.partition(".")[0]
_LEARNED = re.compile(r"[A-Za-z][A-Za-z0-9_]*_")
# What else a fitted model carries: the columns of the series that it was fitted to.
LABELS = ("_columns", "_metadata")
_KINDS = ("class", "none", "list", "tuple", "dict", "frame")
_REMEDY = (
    "A model file holds no code: leave it None, save, and set it with `mapping_dict` when the "
    "model is loaded."
)

# --- writing ---


def class_name(value: Any, what: str) -> str:
    """Return the name of the class of an object of this package; refuse others."""
    name = type(value).__name__
    if _known_classes().get(name) is not type(value):
        raise TypeError(f"{what} is a {name}, which is no class of {_PACKAGE}. {_REMEDY}")
    return name


def put_value(arrays: Arrays, key: str, value: Any, depth: int = 0) -> None:
    """Add a value to the arrays, under a key and what is below it."""
    if depth > _DEEPEST:
        raise TypeError(f"{key} is nested more than {_DEEPEST} deep.")

    def put(name: str, part: Any) -> None:
        put_value(arrays, f"{key}/{name}", part, depth + 1)

    if value is None:
        arrays[f"{key}/none"] = np.array(True)
    elif isinstance(value, str):
        arrays[key] = plain_array(np.array(value, dtype=object), key)
    elif isinstance(value, bool | np.bool_):
        arrays[key] = np.array(bool(value))
    elif isinstance(value, float | np.floating):
        arrays[key] = np.array(float(value), dtype="<f8")
    elif isinstance(value, int | np.integer):
        if not -(2**63) <= int(value) < 2**63:
            raise TypeError(f"{key} is {value}, which is no 64-bit integer.")
        arrays[key] = np.array(int(value), dtype="<i8")
    elif isinstance(value, np.ndarray):
        arrays[key] = plain_array(value, key)
    elif isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        arrays[f"{key}/{kind}"] = np.array(len(value), dtype="<i8")
        for i, part in enumerate(value):
            put(str(i), part)
    elif isinstance(value, Mapping):
        arrays[f"{key}/dict"] = _names(value, f"the keys of {key}")
        for name, part in value.items():
            put(f"dict/{_encoded(name)}", part)
    elif type(value).__name__ == "DataFrame" and hasattr(value, "columns"):
        arrays[f"{key}/frame"] = _names(value.columns, f"the columns of {key}")
        put("index", value.index.to_numpy())
        for i, name in enumerate(value.columns):
            put(str(i), value[name].to_numpy())
    elif isinstance(value, BaseEstimator):
        arrays[f"{key}/class"] = plain_array(class_name(value, key), key)
        learned = {k: v for k, v in vars(value).items() if _LEARNED.fullmatch(k)}
        for name, part in {**value.get_params(deep=False), **learned}.items():
            put(name, part)
    elif callable(value) and key.endswith("/inverse_link_function"):
        try:
            arrays[key] = plain_array(named_link(value, _core.inverse_links()), key)
        except ValueError as error:
            raise TypeError(f"{key} cannot be saved: {error} {_REMEDY}") from None
    else:
        raise TypeError(f"{key} cannot be saved: it is a {type(value).__name__}. {_REMEDY}")


def _names(names: Iterable[Any], what: str) -> NDArray[Any]:
    listed = list(names)
    if not all(isinstance(name, str) for name in listed):
        raise TypeError(f"{what} must be strings to be saved, got {listed!r}.")
    return plain_array(np.array(listed, dtype=object), what)


def _encoded(name: str) -> str:
    return quote(name, safe="") or "%"


def is_learned(name: str) -> bool:
    """Whether an attribute of this name is what a fit leaves behind."""
    return name in LABELS or _LEARNED.fullmatch(name) is not None


# --- reading ---


class Node:
    """What lies at a key: an array, keys below it, or both."""

    def __init__(self) -> None:
        self.array: NDArray[Any] | None = None
        self.children: dict[str, Node] = {}


def tree_of(arrays: Arrays) -> Node:
    """Return the arrays by the parts of their keys."""
    root = Node()
    for key, array in arrays.items():
        parts = key.split("/")
        if len(parts) > 3 * _DEEPEST:
            raise ValueError(f"{key[:80]!r}... is nested too deep.")
        node = root
        for part in parts:
            node = node.children.setdefault(part, Node())
        node.array = array
    return root


class Reader:
    """Builds values from the keys of a file, with replacements for parameters.

    Classes are looked up among those of this package: a name in a file imports nothing.
    """

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self.mapping = mapping
        self.classes = _known_classes()
        self.used: set[str] = set()
        self.paths: list[str] = []  # of all parameters, as `set_params` names them

    def value(self, node: Node, key: str, path: str) -> Any:
        """Return the value at a key; `path` names the parameter that it belongs to."""
        below = node.children
        if not below:
            if node.array is None:
                raise ValueError(f"{key!r} is empty.")
            return node.array if node.array.ndim else node.array.item()
        if node.array is not None:
            raise ValueError(f"{key!r} is an array and something else at once.")
        kind = next((kind for kind in _KINDS if kind in below), None)
        if kind is None:
            raise ValueError(f"{key!r} has unknown parts{_first(below)}.")
        rest = {name: child for name, child in below.items() if name != kind}
        if kind == "class":
            name = text_of(below[kind], f"{key}/class")
            learned = {part: child for part, child in rest.items() if _LEARNED.fullmatch(part)}
            given = {part: child for part, child in rest.items() if part not in learned}
            return self.object(name, given, learned, f"{key}/class", f"{path}__")
        inner, other = rest, below[kind].children
        if kind == "dict":
            inner, other = other, rest
        _refuse_parts(other, key)
        head = below[kind].array
        if kind == "none":
            if head is None or head.shape or head.dtype != np.bool_ or not head:
                raise ValueError(f"'{key}/none' must be True.")
            _refuse_parts(inner, key)
            return None
        if kind in ("list", "tuple"):
            if head is None or head.shape or head.dtype != np.int64:
                raise ValueError(f"'{key}/{kind}' must be a 64-bit integer, the length.")
            if int(head) != len(inner):
                raise ValueError(f"{key!r} has {len(inner)} items, not {int(head)}.")
            items = self._items(inner, [str(i) for i in range(len(inner))], key)
            return items if kind == "list" else tuple(items)
        names = _checked_names(head, f"{key}/{kind}")
        if kind == "dict":
            values = self._items(inner, [_encoded(name) for name in names], f"{key}/dict")
            return dict(zip(names, values, strict=True))
        columns = [str(i) for i in range(len(names))]
        index, *values = self._items(inner, ["index", *columns], key)
        return _frame(names, index, values, key)

    def _items(self, below: dict[str, Node], names: list[str], key: str) -> list[Any]:
        missing = [name for name in names if name not in below]
        if missing:
            raise ValueError(f"'{key}/{missing[0]}' is missing.")
        _refuse_parts({name: below[name] for name in set(below) - set(names)}, key)
        return [self.value(below[name], f"{key}/{name}", "") for name in names]

    def object(
        self,
        name: str,
        given: dict[str, Node],
        learned: dict[str, Node],
        key: str,
        prefix: str,
    ) -> Any:
        """Return an object of a class of this package, from its parameters and what it learned."""
        cls = self.classes.get(name)
        if cls is None:
            raise ValueError(
                f"{key!r} is {name!r}, which is no class of {_PACKAGE} {__version__}"
                f"{suggestion(name, self.classes)}."
            )
        parameters = [p for p in inspect.signature(cls).parameters if not p.startswith("_")]
        refuse_unknown(given, parameters, f"parameter of {name}")
        self.paths += [prefix + parameter for parameter in parameters]
        settings = {}
        for parameter in parameters:
            path = prefix + parameter
            if path in self.mapping:
                settings[parameter] = self.mapping[path]
                self.used.add(path)
            elif parameter in given:
                settings[parameter] = self.value(given[parameter], f"param/{path}", path)
        built = _build(cls, settings)
        for attribute, node in learned.items():
            if inspect.getattr_static(cls, attribute, None) is not None:
                raise ValueError(f"{attribute!r} of {name} is not stored but computed.")
            vars(built)[attribute] = self.value(node, f"fitted/{attribute}", "")
        return built


def _build(cls: Callable[..., Any], settings: dict[str, Any]) -> Any:
    try:
        return cls(**settings)
    except Exception as error:
        raise ValueError(
            f"the parameters of {cls.__name__} do not fit together: {error}"
        ) from error


def _known_classes() -> dict[str, type[BaseEstimator]]:
    """Return the classes that a file may name: the concrete public ones of this package.

    Bases are not among them. Models do not hold any, and their constructors allocate what their
    parameters say, where those of models and their parts only keep them.
    """
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == _PACKAGE and module is not None
    ]
    return {
        cls.__name__: cls
        for module in modules
        for cls in list(vars(module).values())
        if isinstance(cls, type)
        and issubclass(cls, BaseEstimator)
        and cls.__module__.partition(".")[0] == _PACKAGE
        and not cls.__module__.startswith(f"{_PACKAGE}.basis")
        and not cls.__name__.startswith(("_", "Base"))
        and not inspect.isabstract(cls)
    }


def _checked_names(head: NDArray[Any] | None, key: str) -> list[str]:
    if head is None or head.ndim != 1 or head.dtype.kind != "U":
        raise ValueError(f"{key!r} must be a list of names.")
    names = head.tolist()
    if len(set(names)) != len(names):
        raise ValueError(f"{key!r} has a name twice.")
    return list(names)


def _frame(names: list[str], index: Any, values: list[Any], key: str) -> Any:
    if any(np.ndim(column) != 1 or len(column) != len(index) for column in [index, *values]):
        raise ValueError(f"the columns of {key!r} must be 1-dimensional and of one length.")
    try:
        import pandas
    except ImportError:  # then there is no pynapple either, for which it was kept
        return None
    frame = pandas.DataFrame(dict(enumerate(values)), index=index)
    frame.columns = names
    return frame


def text_of(node: Node | None, key: str) -> str:
    """Return the text at a key."""
    if node is None or node.children or node.array is None:
        raise ValueError(f"{key!r} is missing, or is no text.")
    if node.array.shape or node.array.dtype.kind != "U":
        raise ValueError(
            f"{key!r} must be a text, got {node.array.dtype} of shape {node.array.shape}."
        )
    return str(node.array.item())


def _refuse_parts(below: dict[str, Node], key: str) -> None:
    if below:
        raise ValueError(f"{key!r} has unknown parts{_first(below)}.")


def _first(below: Iterable[str]) -> str:
    return f": {sorted(below)[0][:80]!r}"


def refuse_unknown(found: Iterable[str], known: Iterable[str], what: str) -> None:
    """Refuse names that are not known, and suggest the nearest that is."""
    listed = list(known)
    for name in found:
        if name not in listed:
            raise ValueError(f"{name[:80]!r} is no {what}{suggestion(name, listed)}.")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: what may have been meant."""
    near = difflib.get_close_matches(name[:80], list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
