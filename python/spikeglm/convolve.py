"""Convolution of time series with a bank of filters."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._timeseries import like_input, plain, time_axis
from ._validation import is_whole, non_negative_axis, numeric_array, warn
from .basis._atomic import warn_about_short_epochs

Causality = Literal["causal", "acausal", "anti-causal"]

__all__ = ["create_convolutional_predictor"]

_METHOD = {None: "automatic", True: "fourier", False: "direct"}


def create_convolutional_predictor(
    basis_matrix: ArrayLike,
    time_series: Any,
    predictor_causality: Causality = "causal",
    shift: bool | None = None,
    axis: int = 0,
    batch_size_samples: int | None = None,
    batch_size_channels: int | None = None,
    batch_size_basis: int | None = None,
    use_fft: bool | None = None,
) -> Any:
    """Convolve every series with every filter, epoch by epoch.

    Parameters
    ----------
    basis_matrix : (window_size, n_basis_funcs)
        Finite filters. The first row weighs the sample nearest to the predicted one when the window
        lies in the past.
    time_series : (n_samples, ...)
        Array of any real dtype, or pynapple Tsd, TsdFrame or TsdTensor, of which each epoch is
        convolved separately. NaN marks missing samples.
    predictor_causality : "causal", "anti-causal" or "acausal"
        Whether the window lies in the past of its sample, in the future, or around it.
    shift :
        Move the result by one sample, so that no sample sees itself; by default for causal and
        anti-causal windows. Not possible for acausal ones.
    axis :
        Time axis of an array. That of a pynapple series is its first.
    batch_size_samples, batch_size_channels, batch_size_basis :
        Checked for compatibility and otherwise without effect: beside the result, the memory in use
        does not grow with the input.
    use_fft :
        Whether the result is computed by Fourier transforms. By default the cheapest way is taken,
        in view of the window and of how many samples are zero. All agree to 1e-12 of
        sum(abs(filter)) * max(abs(time_series)).

    Returns
    -------
    :
        The shape of the input plus a last axis of filters: an array, or the pynapple series of that
        dimension with the time axis and support of the input. float32 for float32, else float64.
        NaN where the window is not complete within its epoch, and where it holds a missing sample.

    Raises
    ------
    TypeError
        `time_series` is a container of series, or does not hold real numbers.
    ValueError
        Shapes are wrong or empty, an option has no meaning, or a value is infinite.

    Warns
    -----
    WindowWarning
        An epoch is shorter than the window: all its rows are NaN.
    UserWarning
        An acausal window has an even number of samples, one more in the future than in the past.

    Examples
    --------
    >>> import numpy as np
    >>> from spikeglm.convolve import create_convolutional_predictor
    >>> filters = np.array([[1.0], [10.0]])
    >>> create_convolutional_predictor(filters, np.arange(1.0, 5.0)).ravel()
    array([nan, nan, 12., 23.])
    """
    filters = numeric_array(basis_matrix, "basis_matrix")
    if filters.ndim != 2:
        raise ValueError(
            "basis_matrix must be a 2 dimensional array (window_size, n_basis_funcs); "
            f"{filters.ndim} dimensions provided instead."
        )
    if isinstance(time_series, dict | list | tuple):
        raise TypeError(
            f"time_series is a {type(time_series).__name__}; pass one array or pynapple series at "
            "a time."
        )
    times = time_axis(time_series)
    series = numeric_array(plain(time_series), "time_series")
    axis = non_negative_axis(axis, series.ndim, "time_series")
    if times is not None and axis != 0:
        raise ValueError(f"the time axis of a pynapple series is its first, got axis={axis}.")
    for array, name in ((series, "time_series"), (filters, "basis_matrix")):
        if array.size == 0:
            raise ValueError(f"Empty array provided: {name} has shape {array.shape}.")

    causalities = ("causal", "acausal", "anti-causal")
    if predictor_causality not in causalities:
        raise ValueError(
            f"predictor_causality must be one of {causalities}, got {predictor_causality!r}."
        )
    acausal = predictor_causality == "acausal"
    shift = not acausal if shift is None else bool(shift)
    if shift and acausal:
        raise ValueError("Cannot shift the predictor when `predictor_causality` is 'acausal'.")
    if use_fft not in (None, True, False):
        raise ValueError(f"`use_fft` must be None, True or False, got {use_fft!r}.")

    window = filters.shape[0]
    for name, size in (
        ("batch_size_samples", batch_size_samples),
        ("batch_size_channels", batch_size_channels),
        ("batch_size_basis", batch_size_basis),
    ):
        if size is not None and not (is_whole(size) and size >= 1):
            raise ValueError(f"`{name}` must be a strictly positive integer, got {size!r}.")
    if batch_size_samples is not None and batch_size_samples < window:
        raise ValueError(
            f"Batch size too small: `batch_size_samples` is {batch_size_samples}, less than the "
            f"window of {window} samples."
        )
    if acausal and window % 2 == 0:
        warn(
            f"with an acausal window `basis_matrix.shape[0]` should probably be odd, got {window}: "
            "an even window reaches one sample further into the future than into the past.",
            UserWarning,
        )

    by_time = np.moveaxis(series, axis, 0)
    n_samples, *channels = by_time.shape
    known = None if times is None else times.epochs()
    epochs = [(0, n_samples)] if known is None else known
    warn_about_short_epochs(epochs, window, window - 1 + shift)
    features = (
        _core.convolution(
            filters.astype(np.float64, copy=False),
            by_time.reshape(n_samples, -1),
            predictor_causality,
            shift,
            epochs,
            _METHOD[use_fft],
        )
        .design()
        .materialise(series.dtype == np.float32, 0)
    )
    by_channel = features.reshape(n_samples, *channels, filters.shape[1])
    return like_input(np.moveaxis(by_channel, 0, axis), times)
