"""The inputs of a basis, in memory or in a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._timeseries import Axis, Epochs, plain

if TYPE_CHECKING:
    from ._base import Basis

CHUNK_BYTES = 64 << 20  # held at a time when inputs are read from a file

Slot = tuple["Basis", int]  # who takes an input, and its place among that one's inputs


@dataclass
class Inputs:
    """Time series of one length: their data, axis and epochs."""

    slots: list[Slot]
    data: list[Any]  # arrays that the core reads, or arrays that are stored in a file
    axis: Axis | None
    epochs: Epochs

    @property
    def stored(self) -> bool:
        """Whether some are stored in a file."""
        return any(is_stored(values) for values in self.data)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.data[0].shape[0]) if self.data else 0

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of each input without its samples."""
        return [tuple(values.shape[1:]) for values in self.data]

    @property
    def single(self) -> bool:
        """Whether all are float32."""
        return all(values.dtype == np.float32 for values in self.data)

    def in_memory(self) -> "Inputs":
        """Return them with all data in memory, in the type that they have."""
        return self.rows(0, self.n_samples) if self.stored else self

    def rows(self, begin: int, end: int) -> "Inputs":
        """Return some consecutive samples, in memory."""
        data = [
            leaf._as_array(values[begin:end], index)
            for (leaf, index), values in zip(self.slots, self.data, strict=True)
        ]
        epochs = [
            (max(first, begin) - begin, min(last, end) - begin)
            for first, last in self.epochs
            if first < end and last > begin
        ]
        return Inputs(self.slots, data, self.axis, epochs)

    def chunks(self) -> Iterator["Inputs"]:
        """Iterate over runs of samples that fit into memory; all at once when they are there."""
        if not self.stored:
            yield self
            return
        row_bytes = sum(
            values.dtype.itemsize * int(np.prod(values.shape[1:], dtype=np.int64))
            for values in self.data
        )
        for begin, end in steps(self.n_samples, row_bytes):
            yield self.rows(begin, end)


def is_stored(values: Any) -> bool:
    """Whether values lie in a file (HDF5, zarr) and are read by slicing."""
    return not isinstance(values, np.ndarray) and all(
        hasattr(values, name) for name in ("shape", "dtype", "chunks", "__getitem__")
    )


def steps(n_samples: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """Iterate over ranges of rows of at most CHUNK_BYTES each."""
    step = max(1, CHUNK_BYTES // max(row_bytes, 1))
    for begin in range(0, max(n_samples, 1), step):
        yield begin, min(n_samples, begin + step)


def read_inputs(slots: list[Slot], inputs: tuple[Any, ...], axis: Axis | None) -> Inputs:
    """Check the inputs of a basis; what is stored in a file stays there."""
    data = []
    for (leaf, index), values in zip(slots, inputs, strict=True):
        values = plain(values)
        if not is_stored(values):
            values = np.atleast_1d(leaf._as_array(values, index))
        data.append(values)
    lengths = [values.shape[0] for values in data]
    if len(set(lengths)) > 1:
        raise ValueError(
            "Sample size mismatch. The inputs of a basis must have the same number of samples, "
            f"got {lengths}."
        )
    epochs = None if axis is None else axis.epochs()
    if epochs is not None and not epochs:
        raise ValueError("the time support of the inputs holds no epoch, so no sample either.")
    if epochs is None:
        epochs = [(0, lengths[0] if lengths else 0)]
    return Inputs(slots, data, axis, epochs)


def as_channels(array: NDArray[Any]) -> NDArray[Any]:
    """Flatten all dimensions after the first into channels."""
    if array.ndim == 1:
        return array[:, None]
    if 0 in array.shape[1:]:
        raise ValueError(f"a basis input has no channels: its shape is {array.shape}.")
    return array.reshape(array.shape[0], int(np.prod(array.shape[1:])))
