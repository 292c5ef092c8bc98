"""Recordings that ship with the package, for examples and tests.

Nothing is downloaded: the files lie in ``spikeglm/data``, each with its licence.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

__all__ = ["PlaceCell", "load_place_cell"]


@dataclass(frozen=True, eq=False)
class PlaceCell:
    """Spikes of a place cell and the position on the track, in bins of ``bin_size`` seconds.

    Attributes
    ----------
    time : ndarray of float64, shape (177761,)
        Time of the position sample, in s.
    position : ndarray of float64, shape (177761,)
        Position on the linear track, in cm.
    direction : ndarray of int8, shape (177761,)
        1 where the next position is larger, 0 elsewhere, the last bin included.
    spike_counts : ndarray of int64, shape (177761,)
        Number of spikes in each bin, 0 or 1; 220 in total.
    bin_size : float
        0.001 s.
    """

    time: NDArray[np.float64]
    position: NDArray[np.float64]
    direction: NDArray[np.int8]
    spike_counts: NDArray[np.int64]
    bin_size: float


def load_place_cell() -> PlaceCell:
    """Load 178 s of a place cell on a linear track.

    Returns
    -------
    PlaceCell
        Time, position, direction of movement and spike counts; new arrays at each call,
        without NaN.

    Notes
    -----
    The data were published with M. A. Kramer and U. T. Eden, *Case Studies in Neural Data
    Analysis*, MIT Press, 2016, under the MIT licence (``data/LICENSE_place_cell.txt``). Cite
    the book when you use them.

    The position is a cubic spline in time with a knot every 100 ms, so its third differences
    hardly vary. The file holds them, taken on the 64-bit patterns of the floats and split by
    byte: exact, and six times smaller than the compressed floats.

    Examples
    --------
    >>> import spikeglm as nmo
    >>> cell = nmo.datasets.load_place_cell()
    >>> int(cell.spike_counts.sum())
    220
    """
    file = resources.files("spikeglm").joinpath("data", "place_cell.npz")
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        bytes_by_place = stored["position_bytes"]
        spike_index = stored["spike_index"]

    bit_pattern = np.ascontiguousarray(bytes_by_place.T).view("<i8")[:, 0].astype(np.int64)
    for _ in range(3):
        np.cumsum(bit_pattern, out=bit_pattern)
    position = bit_pattern.view(np.float64)

    n_bins = position.size
    spike_counts = np.zeros(n_bins, dtype=np.int64)
    np.add.at(spike_counts, spike_index, 1)
    return PlaceCell(
        time=np.arange(1, n_bins + 1) / 1000,
        position=position,
        direction=(np.diff(position, append=position[-1]) > 0).astype(np.int8),
        spike_counts=spike_counts,
        bin_size=0.001,
    )
