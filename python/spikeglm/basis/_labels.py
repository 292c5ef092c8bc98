"""Names of the bases in an expression.

A basis without a label of its own is called by its family; of several such ones in an expression
the later ones get _1, _2, ... in the order in which they stand. Composites are called by what they
are made of: "(place + (speed * BSplineEval))".
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._base import Basis

# Default labels of the families, which no basis of another family may take.
FAMILY_LABELS: set[str] = set()


def is_default(label: str, default: str) -> bool:
    """Whether a label is one that a basis gets by itself."""
    return re.fullmatch(rf"{re.escape(default)}(_\d+)?", label) is not None


def check_label(label: object, default: str) -> str | None:
    """Return the label that a user gave, None where it is none."""
    if label is None:
        return None
    if not isinstance(label, str):
        raise TypeError(f"`label` must be a string, got {label!r}.")
    if is_default(label, default):
        return None
    if re.sub(r"_\d+$", "", label) in FAMILY_LABELS:
        raise ValueError(f"Cannot assign {label!r} to a basis of class {default}.")
    return label


def root_of(basis: "Basis") -> "Basis":
    """Return the whole expression that a basis stands in."""
    while basis._parent is not None:
        basis = basis._parent
    return basis


def nodes(basis: "Basis") -> Iterator["Basis"]:
    """Iterate over an expression: the parts of a composite first, then itself."""
    for child in basis._children():
        yield from nodes(child)
    yield basis


def labels_of(root: "Basis") -> dict[int, str]:
    """Return the label of each basis in an expression, by its id."""
    seen: dict[str, int] = {}
    found: dict[int, str] = {}
    for basis in nodes(root):
        children = basis._children()
        if basis._label is not None:
            label = basis._label
        elif children:
            label = f" {basis._operator} ".join(found[id(child)] for child in children)
            label = f"({label})"
        else:
            default = basis._default_label()
            number = seen.get(default, 0)
            seen[default] = number + 1
            label = f"{default}_{number}" if number else default
        found[id(basis)] = label
    return found


def by_label(root: "Basis") -> dict[str, "Basis"]:
    """Return the bases in an expression by their labels."""
    labels = labels_of(root)
    return {labels[id(basis)]: basis for basis in nodes(root)}


def user_labels(root: "Basis") -> list[str]:
    """Return the labels in an expression that users gave."""
    return [basis._label for basis in nodes(root) if basis._label is not None]


def require_distinct(labels: list[str]) -> None:
    """Refuse labels that were given twice."""
    shared = sorted({label for label in labels if labels.count(label) > 1})
    if shared:
        raise ValueError(
            "All user-provided labels of basis elements must be distinct, but these are given more "
            f"than once: {', '.join(map(repr, shared))}. Change one of them before composing."
        )
