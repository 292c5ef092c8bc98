"""Convolution against `numpy.convolve`, epoch by epoch, and the helpers around it."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeglm import _core
from spikeglm.basis import RaisedCosineBasisLog
from spikeglm.convolve import create_convolutional_predictor
from spikeglm.exceptions import WindowWarning
from spikeglm.utils import nan_pad, row_wise_kron, shift_time_series

METHODS = ["automatic", "direct", "events", "dense", "fourier"]
FILTERS = np.array([[1.0], [10.0], [100.0]])
NAN = np.nan


def by_definition(filters, x, causality, shift, epochs):
    """Valid convolution, padded and shifted, of each (epoch, channel, filter) alone."""
    window = len(filters)
    out = np.full((*x.shape, filters.shape[1]), np.nan)
    before = {"causal": window - 1, "anti-causal": 0, "acausal": (window - 1) // 2}[causality]
    for begin, end in epochs:
        for c in range(x.shape[1] if end - begin >= window else 0):
            samples = x[begin:end, c].astype(np.float64)
            missing = np.convolve(np.isnan(samples), np.ones(window), "valid") > 0.5
            for f, k in enumerate(filters.T):
                valid = np.convolve(np.nan_to_num(samples), k, "valid")
                valid[missing] = np.nan
                column = np.full(end - begin, np.nan)
                column[before : before + len(valid)] = valid
                if shift and causality == "causal":
                    column = np.append(np.nan, column[:-1])
                elif shift:
                    column = np.append(column[1:], np.nan)
                out[begin:end, c, f] = column
    return out.reshape(len(x), -1)


def tolerance(filters, x):
    """1e-12 of sum(abs(filter)) * max(abs(x)), for each column."""
    largest = np.max(np.abs(np.nan_to_num(x.astype(np.float64))), axis=0, initial=0.0)
    return 1e-12 * np.outer(largest, np.abs(filters).sum(axis=0)).ravel()


def assert_close(values, expected, bound):
    np.testing.assert_array_equal(np.isnan(values), np.isnan(expected))
    assert (np.nan_to_num(np.abs(values - expected)) <= bound).all()


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, channels = draw(st.integers(1, 400)), draw(st.integers(1, 11))
    window = draw(st.sampled_from([1, 2, 3, 8, 31, 64, 101]))
    filters = rng.normal(size=(window, draw(st.integers(1, 10))))
    filters[:, rng.random(filters.shape[1]) < 0.2] = 0.0
    if draw(st.booleans()) and window < 32:
        filters = np.eye(window)
    x = rng.normal(size=(n, channels)) * 10.0 ** rng.integers(-5, 6, channels)
    x *= rng.random(x.shape) < draw(st.sampled_from([0.0, 0.02, 0.3, 1.0]))
    dtype = draw(st.sampled_from(["f8", "f4", "i8", "u1", "i2", "bool"]))
    with np.errstate(invalid="ignore"):
        x = x.astype(dtype) if dtype != "u1" else np.abs(x).astype(np.int64).astype("u1")
    if x.dtype.kind == "f":
        x[rng.random(x.shape) < draw(st.sampled_from([0.0, 0.01]))] = np.nan
    layout = draw(st.sampled_from(["C", "F", "strided", "reversed"]))
    if layout == "F":
        x = np.asfortranarray(x)
    elif layout == "strided":
        x = np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3]
    elif layout == "reversed":
        x = x[::-1].copy()[::-1]
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=6)))
    epochs = list(zip([0, *cuts], [*cuts, n], strict=True))  # they touch
    keep = draw(st.lists(st.booleans(), min_size=len(epochs), max_size=len(epochs)))
    epochs = [epoch for epoch, kept in zip(epochs, keep, strict=True) if kept]
    causality = draw(st.sampled_from(["causal", "anti-causal", "acausal"]))
    shift = causality != "acausal" and draw(st.booleans())
    return filters, x, causality, shift, epochs


@settings(derandomize=True, max_examples=60, deadline=None)
@given(problems())
def test_every_method_agrees_with_numpy(problem):
    filters, x, causality, shift, epochs = problem
    expected = by_definition(filters, x, causality, shift, epochs)
    bound = tolerance(filters, x)
    identity = filters.shape[0] == filters.shape[1] and (filters == np.eye(len(filters))).all()
    for method in [*METHODS, *(["copies"] if identity else [])]:
        design = _core.convolution(filters, x, causality, shift, epochs, method).design()
        values = design.materialise(False, 1)
        assert_close(values, expected, bound)
        np.testing.assert_array_equal(values, design.materialise(False, 3))
        rows = np.arange(len(x))[:: max(1, len(x) // 7)]
        assert_close(design.rows(rows).materialise(False, 1), expected[rows], bound)
        single = design.materialise(True, 2)
        np.testing.assert_array_equal(single, values.astype(np.float32))


@pytest.mark.parametrize("density", [0.02, 1.0])
@pytest.mark.parametrize("method", METHODS)
def test_long_inputs_and_windows(method, density):
    rng = np.random.default_rng(3)
    x = rng.random((30_000, 3)) * (rng.random((30_000, 3)) < density)
    filters = rng.normal(size=(700, 9))
    epochs = [(0, 11_000), (11_000, 11_500), (12_000, 30_000)]
    values = _core.convolution(filters, x, "causal", True, epochs, method).design()
    expected = by_definition(filters, x, "causal", True, epochs)
    assert_close(values.materialise(False, 0), expected, tolerance(filters, x))


def test_features_are_written_where_asked(tmp_path):
    x = np.random.default_rng(0).random((700, 2))
    design = _core.convolution(np.ones((4, 3)), x, "causal", True, [(0, 700)]).design()
    expected = design.materialise(False, 0)
    for dtype in (np.float64, np.float32):
        out = np.empty((700, 6), dtype)
        assert design.materialise(dtype == np.float32, 0, out) is out
        np.testing.assert_array_equal(out, expected.astype(dtype))
    on_disk = np.memmap(tmp_path / "features", np.float64, "w+", shape=(700, 6))
    design.materialise(False, 0, out=on_disk)
    np.testing.assert_array_equal(on_disk, expected)

    readonly = np.empty((700, 6))
    readonly.flags.writeable = False
    for bad in (np.empty((6, 700)).T, np.empty((700, 12))[:, ::2], readonly):
        with pytest.raises(ValueError, match="C-contiguous"):
            design.materialise(False, 0, bad)
    with pytest.raises(ValueError, match=r"shape \(700, 6\), got \(700, 5\)"):
        design.materialise(False, 0, np.empty((700, 5)))
    with pytest.raises(TypeError, match="dtype float64, got float32"):
        design.materialise(False, 0, np.empty((700, 6), np.float32))
    with pytest.raises(TypeError, match="numpy array"):
        design.materialise(False, 0, [1.0])


def column(*values):
    return np.array(values)[:, None]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, column(NAN, NAN, NAN, 123, 234, 345, 456)),
        ({"shift": False}, column(NAN, NAN, 123, 234, 345, 456, 567)),
        (
            {"predictor_causality": "anti-causal"},
            column(234, 345, 456, 567, NAN, NAN, NAN),
        ),
        ({"predictor_causality": "acausal"}, column(NAN, 123, 234, 345, 456, 567, NAN)),
    ],
)
@pytest.mark.parametrize("use_fft", [None, True, False])
def test_predictor_by_hand(options, expected, use_fft):
    values = create_convolutional_predictor(FILTERS, np.arange(1, 8), use_fft=use_fft, **options)
    np.testing.assert_allclose(values, expected, rtol=1e-13)


def test_even_acausal_window_warns():
    with pytest.warns(UserWarning, match="should probably be odd"):
        values = create_convolutional_predictor(FILTERS[:2], np.arange(1, 8), "acausal")
    np.testing.assert_array_equal(values, column(12, 23, 34, 45, 56, 67, NAN))


def test_basis_reference_values():
    features = RaisedCosineBasisLog(5, mode="conv", window_size=10).compute_features(np.arange(15))
    np.testing.assert_allclose(
        features[10],
        [9, 4.583908608846, 4.976169987521, 13.894112497726, 21.191263110264],
        rtol=1e-11,
    )


def test_time_axis_and_dtype():
    x = np.random.default_rng(1).random((3, 40, 2)).astype(np.float32)
    filters = np.random.default_rng(2).normal(size=(5, 4))
    values = create_convolutional_predictor(filters, x, axis=1)
    assert values.shape == (3, 40, 2, 4)
    assert values.dtype == np.float32
    for i in range(3):
        alone = create_convolutional_predictor(filters, x[i])
        np.testing.assert_array_equal(values[i], alone)
    expected = by_definition(filters, x[1], "causal", True, [(0, 40)]).reshape(40, 2, 4)
    np.testing.assert_allclose(values[1], expected, rtol=1e-5, atol=1e-5)


def test_pynapple_by_epoch():
    nap = pytest.importorskip("pynapple")
    support = nap.IntervalSet([0, 6], [4, 9.5])
    series = nap.Tsd(t=np.arange(10.0), d=np.arange(10.0), time_support=support)
    values = create_convolutional_predictor(FILTERS, series)
    assert isinstance(values, nap.TsdFrame)
    expected = column(NAN, NAN, NAN, 12, 123, NAN, NAN, NAN, 678)
    np.testing.assert_allclose(values.values, expected)
    np.testing.assert_array_equal(values.time_support.values, support.values)
    frame = nap.TsdFrame(t=np.arange(10.0), d=np.ones((10, 2)))
    assert isinstance(create_convolutional_predictor(FILTERS, frame), nap.TsdTensor)
    with pytest.raises(ValueError, match="pynapple series is its first"):
        create_convolutional_predictor(FILTERS, frame, axis=1)
    with pytest.warns(WindowWarning, match="epochs 1 of 2"):
        create_convolutional_predictor(np.ones((5, 1)), series, shift=False)


def test_short_series_warn_only_without_a_complete_window():
    with pytest.warns(WindowWarning, match="an input of 3 samples"):
        values = create_convolutional_predictor(FILTERS, np.arange(3.0))
    assert np.isnan(values).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = create_convolutional_predictor(FILTERS, np.arange(3.0), shift=False)
    np.testing.assert_allclose(values, column(NAN, NAN, 12))


def test_window_of_one():
    values = create_convolutional_predictor([[2.0, 3.0]], np.arange(3.0))
    np.testing.assert_array_equal(values, [[NAN, NAN], [0, 0], [2, 3]])


@pytest.mark.parametrize(
    ("filters", "series", "options", "error", "match"),
    [
        (FILTERS[:, 0], np.ones(9), {}, ValueError, "2 dimensional"),
        (FILTERS, np.ones(0), {}, ValueError, "Empty array.*time_series"),
        (np.ones((3, 0)), np.ones(9), {}, ValueError, "Empty array.*basis_matrix"),
        (FILTERS, np.float64(3), {}, ValueError, "axis"),
        (FILTERS, np.ones(9), {"axis": 1}, ValueError, "number of dimensions"),
        (FILTERS, np.ones(9), {"axis": -1}, ValueError, "non negative"),
        (FILTERS, np.ones(9), {"predictor_causality": "future"}, ValueError, "must be one of"),
        (
            FILTERS,
            np.ones(9),
            {"predictor_causality": "acausal", "shift": True},
            ValueError,
            "Cannot shift",
        ),
        (FILTERS, np.ones(9), {"batch_size_samples": 2}, ValueError, "too small"),
        (FILTERS, np.ones(9), {"batch_size_channels": 0}, ValueError, "strictly positive"),
        (FILTERS, np.ones(9), {"batch_size_basis": 1.5}, ValueError, "strictly positive"),
        (FILTERS, np.ones(9), {"use_fft": "yes"}, ValueError, "use_fft"),
        (FILTERS, {"a": np.ones(9)}, {}, TypeError, "dict"),
        (FILTERS, [np.ones(9)], {}, TypeError, "list"),
        (FILTERS, np.array([1, 2, np.inf, 4]), {}, ValueError, "sample 2, channel 0"),
        (FILTERS * np.inf, np.ones(9), {}, ValueError, "not finite"),
    ],
)
def test_predictor_refuses(filters, series, options, error, match):
    with pytest.raises(error, match=match):
        create_convolutional_predictor(filters, series, **options)


def test_batch_sizes_change_nothing():
    x = np.random.default_rng(0).random((50, 3))
    batched = create_convolutional_predictor(
        FILTERS, x, batch_size_samples=7, batch_size_channels=1, batch_size_basis=1
    )
    np.testing.assert_array_equal(batched, create_convolutional_predictor(FILTERS, x))


def test_nan_pad():
    x = np.arange(3.0)
    np.testing.assert_array_equal(nan_pad(x, 2), [NAN, NAN, 0, 1, 2])
    np.testing.assert_array_equal(nan_pad(x, 2, "anti-causal"), [0, 1, 2, NAN, NAN])
    np.testing.assert_array_equal(nan_pad(x, 2, "acausal"), [NAN, 0, 1, 2, NAN])
    with pytest.warns(UserWarning, match="should probably be even"):
        np.testing.assert_array_equal(nan_pad(x, 3, "acausal"), [NAN, 0, 1, 2, NAN, NAN])
    padded = nan_pad(np.ones((2, 3), np.float32), 1, axis=1)
    assert padded.dtype == np.float32
    np.testing.assert_array_equal(padded, [[NAN, 1, 1, 1]] * 2)
    for size in (0, -1, 1.0, True):
        with pytest.raises(ValueError, match="positive integer"):
            nan_pad(x, size)
    with pytest.raises(ValueError, match="must be one of"):
        nan_pad(x, 1, "future")
    with pytest.raises(ValueError, match="number of dimensions"):
        nan_pad(x, 1, axis=1)
    with pytest.raises(ValueError, match="float dtype"):
        nan_pad(np.arange(3), 1)


def test_shift_time_series():
    x = np.arange(3.0)
    np.testing.assert_array_equal(shift_time_series(x), [NAN, 0, 1])
    np.testing.assert_array_equal(shift_time_series(x, "anti-causal"), [1, 2, NAN])
    np.testing.assert_array_equal(shift_time_series(x[None], axis=1), [[NAN, 0, 1]])
    np.testing.assert_array_equal(shift_time_series(np.ones(1)), [NAN])
    np.testing.assert_array_equal(x, [0, 1, 2])
    with pytest.raises(ValueError, match="must be one of"):
        shift_time_series(x, "acausal")
    with pytest.raises(ValueError, match="float dtype"):
        shift_time_series(np.arange(3))
    with pytest.raises(ValueError, match="non negative"):
        shift_time_series(x, axis=-1)


def test_row_wise_kron():
    rng = np.random.default_rng(0)
    a, c = rng.normal(size=(2, 7)), rng.normal(size=(4, 7))
    product = row_wise_kron(a, c)
    for t in range(7):
        np.testing.assert_array_equal(product[:, t], np.kron(a[:, t], c[:, t]))
    np.testing.assert_array_equal(row_wise_kron(a.T, c.T, False, False), product.T)
    np.testing.assert_array_equal(row_wise_kron(a[0], c), row_wise_kron(a[:1], c))
    np.testing.assert_array_equal(row_wise_kron(a[0], c[0]), a[0] * c[0])
    assert row_wise_kron(np.ones((2, 3), int), np.ones((2, 3), int)).dtype == np.int64
    assert row_wise_kron(a.astype(np.float32), c.astype(np.float32)).dtype == np.float32
    with pytest.raises(ValueError, match="compiling"):
        row_wise_kron(a, c, jit=True)
    with pytest.raises(ValueError, match="got 7 and 6"):
        row_wise_kron(a, c[:, :6])
    with pytest.raises(ValueError, match="one or two dimensions"):
        row_wise_kron(np.ones((2, 2, 2)), c)
