"""Padding, shifting and multiplying arrays."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._timeseries import plain
from ._validation import is_whole, non_negative_axis, warn

__all__ = ["nan_pad", "row_wise_kron", "shift_time_series"]


def nan_pad(
    conv_time_series: ArrayLike,
    pad_size: int,
    predictor_causality: Literal["causal", "acausal", "anti-causal"] = "causal",
    axis: int = 0,
) -> NDArray[np.floating[Any]]:
    """Add `pad_size` samples of NaN along the time axis.

    Parameters
    ----------
    conv_time_series :
        Floating-point array of any dimension.
    pad_size :
        Number of samples to add, at least 1.
    predictor_causality : "causal", "anti-causal" or "acausal"
        Where: before the data, after them, or half on either side. Of an odd number, the larger
        half comes after, with a UserWarning.
    axis :
        Time axis.

    Returns
    -------
    :
        An array of the same dtype.

    Raises
    ------
    ValueError
        The dtype is not floating-point, `pad_size` is not a positive integer, or `axis` or
        `predictor_causality` do not exist.

    Examples
    --------
    >>> nan_pad(np.array([1.0, 2.0]), 1)
    array([nan,  1.,  2.])
    """
    if not (is_whole(pad_size) and pad_size > 0):
        raise ValueError(f"pad_size must be a positive integer, got {pad_size!r}.")
    before = {"causal": pad_size, "acausal": pad_size // 2, "anti-causal": 0}
    _require_one_of(predictor_causality, tuple(before))
    array, axis = _floating(conv_time_series, axis, "conv_time_series")
    if predictor_causality == "acausal" and pad_size % 2 == 1:
        warn(
            f"with an acausal filter pad_size should probably be even, got {pad_size}: there is "
            "one more NaN after the data than before.",
            UserWarning,
        )
    widths = [(0, 0)] * array.ndim
    widths[axis] = (before[predictor_causality], pad_size - before[predictor_causality])
    return np.pad(array, widths, constant_values=np.nan)


def shift_time_series(
    time_series: ArrayLike,
    predictor_causality: Literal["causal", "anti-causal"] = "causal",
    axis: int = 0,
) -> NDArray[np.floating[Any]]:
    """Move a time series by one sample; a NaN takes the free place.

    Parameters
    ----------
    time_series :
        Floating-point array of any dimension.
    predictor_causality : "causal" or "anti-causal"
        Forward, so that ``[0, 1, 2]`` becomes ``[nan, 0, 1]``, or backward, ``[1, 2, nan]``.
    axis :
        Time axis.

    Returns
    -------
    :
        An array of the same shape and dtype.

    Raises
    ------
    ValueError
        The dtype is not floating-point, or `axis` or `predictor_causality` do not exist.
    """
    _require_one_of(predictor_causality, ("causal", "anti-causal"))
    array, axis = _floating(time_series, axis, "time_series")
    shifted = np.full_like(array, np.nan)
    source, target = np.moveaxis(array, axis, 0), np.moveaxis(shifted, axis, 0)
    if predictor_causality == "causal":
        target[1:] = source[:-1]
    else:
        target[:-1] = source[1:]
    return shifted


def row_wise_kron(
    A: ArrayLike, C: ArrayLike, jit: bool = False, transpose: bool = True
) -> NDArray[Any]:
    """Return the Kronecker product of each row of A with the same row of C.

    Parameters
    ----------
    A : (n_a, n_samples), or (n_samples, n_a) without `transpose`
        The slow factor; one dimension is one entry per sample.
    C : (n_c, n_samples), or (n_samples, n_c) without `transpose`
        The fast factor, with as many samples.
    jit :
        Only False: nothing needs compiling.
    transpose :
        Whether samples are columns, of the result too.

    Returns
    -------
    :
        (n_a * n_c, n_samples), or (n_samples, n_a * n_c) without `transpose`.

    Raises
    ------
    ValueError
        `jit` is true, the arrays are not 1- or 2-dimensional, or the numbers of samples differ.

    Examples
    --------
    >>> row_wise_kron(np.array([[1, 2]]), np.array([[3, 4], [5, 6]]))
    array([[ 3,  8],
           [ 5, 12]])
    """
    if jit:
        raise ValueError("jit=True is not supported: nothing needs compiling. Leave `jit` out.")
    slow, fast = np.asarray(plain(A)), np.asarray(plain(C))
    if slow.ndim not in (1, 2) or fast.ndim not in (1, 2):
        raise ValueError(
            f"A and C must have one or two dimensions, got shapes {slow.shape} and {fast.shape}."
        )
    if transpose:
        slow, fast = slow.T, fast.T
    n_samples = slow.shape[0]
    if fast.shape[0] != n_samples:
        raise ValueError(
            f"A and C must have the same number of samples, got {n_samples} and {fast.shape[0]}."
        )
    if slow.ndim == fast.ndim == 1:
        return np.asarray(slow * fast)
    slow, fast = slow.reshape(n_samples, -1), fast.reshape(n_samples, -1)
    product = np.asarray(slow[:, :, None] * fast[:, None, :])
    product = product.reshape(n_samples, slow.shape[1] * fast.shape[1])
    return product.T if transpose else product


def _require_one_of(causality: str, choices: tuple[str, ...]) -> None:
    if causality not in choices:
        raise ValueError(f"predictor_causality must be one of {choices}, got {causality!r}.")


def _floating(values: ArrayLike, axis: int, name: str) -> tuple[NDArray[np.floating[Any]], int]:
    array = np.asarray(plain(values))
    axis = non_negative_axis(axis, array.ndim, name)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{name} must have a float dtype, got {array.dtype}.")
    return array, axis
