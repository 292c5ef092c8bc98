"""Groups of coefficients, of one neuron or of several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._validation import FloatArray

Members = NDArray[np.intp]


@dataclass
class MaskGroups:
    """Groups whose members are numbered feature + n_features * neuron, with their weights."""

    members: list[Members]
    weights: FloatArray
    n_features: int
    n_neurons: int

    def batches(self) -> list[tuple[list[int], list[int]]]:
        """Return the neurons that have to be fitted together, each time with their groups."""
        neurons = [np.unique(members // self.n_features) for members in self.members]
        root = list(range(self.n_neurons))

        def find(neuron: int) -> int:
            while root[neuron] != neuron:
                neuron = root[neuron]
            return neuron

        for joined in neurons:
            for neuron in joined[1:]:
                first, second = sorted((find(int(joined[0])), find(int(neuron))))
                root[second] = first
        batches: dict[int, tuple[list[int], list[int]]] = {}
        for neuron in range(self.n_neurons):
            batches.setdefault(find(neuron), ([], []))[0].append(neuron)
        for group, joined in enumerate(neurons):
            batches[find(int(joined[0]))][1].append(group)
        return list(batches.values())

    def members_of_neurons(self) -> list[Members]:
        """Return, per neuron, its features that are in a group with a weight."""
        penalised = [m for m, weight in zip(self.members, self.weights, strict=True) if weight > 0]
        flat = np.concatenate([*penalised, np.empty(0, np.intp)])
        neurons, features = np.divmod(flat, self.n_features)
        return [
            np.sort(features[neurons == neuron]).astype(np.intp) for neuron in range(self.n_neurons)
        ]

    def strength_that_zeroes(self, gradients: FloatArray) -> FloatArray:
        """Return, per neuron, the factor of the weights that outweighs (n_features, n_neurons)."""
        flat = gradients.T.ravel()
        ratios = [
            float(np.linalg.norm(flat[members])) / weight if weight > 0.0 else 0.0
            for members, weight in zip(self.members, self.weights, strict=True)
        ]
        largest = np.zeros(self.n_neurons)
        for neurons, groups in self.batches():
            largest[neurons] = max((ratios[group] for group in groups), default=0.0)
        return largest

    def of_batch(self, neurons: list[int], groups: list[int]) -> _core.Groups:
        """Return the chosen groups with the neurons counted from the first of the batch."""
        return _core.Groups(*self.arrays_of_batch(neurons, groups))

    def arrays_of_batch(
        self, neurons: list[int], groups: list[int]
    ) -> tuple[Members, Members, FloatArray]:
        """Return where each group begins among the members, the members, and the weights."""
        position = {neuron: i for i, neuron in enumerate(neurons)}
        members = [
            np.array(
                [i % self.n_features + self.n_features * position[i // self.n_features] for i in m],
                dtype=np.intp,
            )
            for m in (self.members[group].tolist() for group in groups)
        ]
        begin = np.concatenate([[0], np.cumsum([len(m) for m in members])]).astype(np.intp)
        flat = np.concatenate([*members, np.empty(0, np.intp)]).astype(np.intp)
        return begin, flat, self.weights[groups]


def default_mask(n_features: int) -> NDArray[Any]:
    """Return the mask of one group of all coefficients."""
    return np.ones((1, n_features))


def groups_of_mask(mask: Any, strength: Any, n_features: int, n_neurons: int) -> MaskGroups:
    """Check a mask and return its groups, weighted with strength and root of size."""
    if isinstance(mask, Mapping):
        mask = np.concatenate([np.asarray(part) for part in mask.values()], axis=1)
    values = np.asarray(mask)
    if values.dtype.kind not in "biuf" or values.ndim not in (2, 3) or values.size == 0:
        raise ValueError(
            "the mask of a GroupLasso must be an array of zeros and ones of shape (n_groups, "
            f"n_features) or (n_groups, n_features, n_neurons), got shape {values.shape} and dtype "
            f"{values.dtype}."
        )
    expected = (n_features,) if values.ndim == 2 else (n_features, n_neurons)
    if values.shape[1:] != expected:
        raise ValueError(
            f"the mask of a GroupLasso has shape {values.shape}; expected (n_groups, "
            f"{', '.join(map(str, expected))}) for {n_features} features"
            + (f" and {n_neurons} neurons." if values.ndim == 3 else ".")
        )
    if not np.all((values == 0) | (values == 1)):
        raise ValueError("the mask of a GroupLasso must hold zeros and ones only.")
    in_groups = values.sum(axis=0)
    if np.any(in_groups > 1):
        where = np.argwhere(in_groups > 1)[0].tolist()
        raise ValueError(
            f"the mask of a GroupLasso puts coefficient {where if len(where) > 1 else where[0]} "
            "into more than one group."
        )
    empty = np.flatnonzero(values.reshape(len(values), -1).sum(axis=1) == 0)
    if len(empty):
        raise ValueError(f"group {empty[0]} of the mask of a GroupLasso has no members.")

    strengths = np.asarray(strength, dtype=np.float64)
    if strengths.shape not in ((), (len(values),)):
        raise ValueError(
            "`regularizer_strength` of a GroupLasso must be a number or have one value per group, "
            f"shape {(len(values),)}; got shape {strengths.shape}."
        )
    if not np.all(np.isfinite(strengths) & (strengths >= 0.0)):
        raise ValueError(
            f"`regularizer_strength` must be finite and not negative, got {strength!r}."
        )
    strengths = np.broadcast_to(strengths, len(values))
    members: list[Members] = []
    weights: list[float] = []
    for group, weight in zip(values, strengths, strict=True):
        if group.ndim == 1:
            own = np.flatnonzero(group)
            members += [own + n_features * neuron for neuron in range(n_neurons)]
            weights += [float(weight) * np.sqrt(len(own))] * n_neurons
        else:
            members.append(np.flatnonzero(group.T))
            weights.append(float(weight) * np.sqrt(len(members[-1])))
    return MaskGroups(members, np.array(weights), n_features, n_neurons)
