"""Linear algebra on matrices that are never held as a whole."""

from collections.abc import Iterable

import numpy as np

from ._validation import FloatArray

BLOCK_ROWS = 8192


def triangular_factor(blocks: Iterable[FloatArray], n_columns: int) -> FloatArray:
    """Return R of the QR decomposition of the matrix that the blocks of rows make up."""
    r: FloatArray = np.empty((0, n_columns))
    for block in blocks:
        r = np.asarray(np.linalg.qr(np.vstack([r, block]), mode="r"))
    return r
