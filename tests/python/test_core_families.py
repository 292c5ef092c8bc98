"""Families, Fourier features, columns and ranges of the core against formulas in numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeglm import _core

DTYPES = [np.float64, np.float32, np.int64, np.int16, np.int8, np.uint8, np.uint64, np.bool_]
seeds = st.integers(0, 2**32 - 1)


def features(expression, n_threads=1):
    return expression.design().materialise(False, n_threads)


def evaluation(basis, x, bounds, fill=np.nan):
    x = np.asarray(x)
    cols = 1 if x.ndim == 1 else x.shape[1]
    return features(_core.evaluation(basis, x, [_core.Bounds(*bounds)] * cols, fill))


@st.composite
def inputs(draw, max_channels=4, with_nan=True):
    """Draw an array (samples, channels) of some dtype and memory layout."""
    rng = np.random.default_rng(draw(seeds))
    shape = draw(st.integers(1, 300)), draw(st.integers(1, max_channels))
    dtype = draw(st.sampled_from(DTYPES))
    values = rng.uniform(0, 100, size=shape)
    if with_nan and np.issubdtype(dtype, np.floating) and draw(st.booleans()):
        values[rng.random(shape) < 0.1] = np.nan
    array = values.astype(dtype)
    layout = draw(st.sampled_from(["C", "F", "reversed", "every second"]))
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "reversed":
        return array[::-1, ::-1]
    if layout == "every second":
        wide = np.repeat(np.repeat(array, 2, axis=0), 2, axis=1)
        return wide[::2, ::2]
    return array


def test_the_new_families_are_known_by_name():
    assert {"Identity", "OneHot", "OrthExponential"} <= set(_core.basis_families())


@given(inputs())
@settings(deadline=None, derandomize=True, max_examples=40)
def test_identity_is_the_value_and_bounds_only_fill(x):
    basis = _core.Basis("Identity", n_basis_funcs=1)
    np.testing.assert_array_equal(
        evaluation(basis, x, (-np.inf, np.inf)), x.astype(np.float64), strict=True
    )
    filled = x.astype(np.float64)
    filled[((filled < 20) | (filled > 60)).any(axis=1)] = -3.0
    np.testing.assert_array_equal(evaluation(basis, x, (20, 60), -3.0), filled)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8])
def test_one_hot_is_a_row_of_the_identity_matrix_or_zero(dtype):
    codes = np.array([[0, 3], [2, -1], [1, 4], [-1, 0]], dtype)
    expected = np.vstack([np.eye(4), np.zeros(4), np.zeros(4)])[codes.astype(int)]
    expected[codes == -1] = 0
    basis = _core.Basis("OneHot", n_basis_funcs=4)
    result = evaluation(basis, codes, (-np.inf, np.inf))
    np.testing.assert_array_equal(result, expected.reshape(4, 8))


def test_one_hot_of_nan_is_nan():
    basis = _core.Basis("OneHot", n_basis_funcs=3)
    result = evaluation(basis, [1.0, np.nan, 1.5], (-np.inf, np.inf))
    np.testing.assert_array_equal(result, [[0, 1, 0], [np.nan] * 3, [0, 0, 0]])


@given(seeds, st.integers(1, 6), st.integers(1, 6), st.integers(1, 50))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_exponentials_are_mixed_by_the_matrix(seed, n_rates, n_basis_funcs, n_samples):
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0, 30, n_rates)
    mixing = rng.normal(size=(n_rates, n_basis_funcs))
    basis = _core.Basis(
        "OrthExponential", n_basis_funcs=n_basis_funcs, decay_rates=list(rates), mixing=mixing
    )
    x = rng.uniform(-2, 5, n_samples)
    expected = np.exp(-rates * ((x + 2) / 7)[:, None]) @ mixing
    np.testing.assert_allclose(evaluation(basis, x, (-2, 5)), expected, rtol=0, atol=1e-13)
    grid = np.linspace(0, 1, n_samples) if n_samples > 1 else np.zeros(1)
    expected = np.exp(-rates * grid[:, None]) @ mixing
    np.testing.assert_allclose(basis.filters(n_samples), expected, rtol=0, atol=1e-13)


def test_exponentials_can_be_orthonormal_per_channel():
    rng = np.random.default_rng(1)
    x = rng.uniform(size=(400, 2)) ** [1, 3]
    rates = [1.0, 2.0, 5.0]
    bases = []
    for column in x.T:
        raw = np.exp(-np.multiply.outer(column, rates))
        bases.append(
            _core.Basis(
                "OrthExponential",
                n_basis_funcs=3,
                decay_rates=rates,
                mixing=np.linalg.inv(np.linalg.qr(raw, mode="r")),
            )
        )
    result = features(_core.evaluation(bases, x, [_core.Bounds(0, 1)] * 2, np.nan))
    for q in (result[:, :3], result[:, 3:]):
        np.testing.assert_allclose(q.T @ q, np.eye(3), atol=1e-10)


def test_exponentials_refuse_a_matrix_that_does_not_fit():
    with pytest.raises(ValueError, match="3\\) columns, got 2"):
        _core.Basis("OrthExponential", 3, decay_rates=[1.0], mixing=np.ones((1, 2)))
    with pytest.raises(ValueError, match="2 rates, 3 functions and a matrix of 3"):
        _core.Basis("OrthExponential", 3, decay_rates=[1.0, 2.0], mixing=np.ones((1, 3)))
    with pytest.raises(ValueError, match="2-D, got 1-D"):
        _core.Basis("OrthExponential", 3, decay_rates=[1.0], mixing=np.ones(3))
    with pytest.raises(ValueError, match="0 elements"):
        _core.Basis("OrthExponential", 3, decay_rates=[1.0])


def fourier(arrays, bounds, frequencies):
    """Return the features by their formula, phases reduced in extended precision."""
    columns = []
    for c in range(arrays[0].shape[1]):
        phase = 0
        for x, (low, high), f in zip(arrays, bounds, frequencies, strict=True):
            u = (x[:, c].astype(np.longdouble) - low) / (np.longdouble(high) - low)
            phase = phase + np.multiply.outer(u, f)
        angle = 2 * np.longdouble(np.pi) * (phase % 1)
        columns += [np.cos(angle), np.sin(angle[:, frequencies.any(axis=0)])]
    return np.hstack(columns).astype(np.float64)


@given(seeds, st.integers(1, 3), st.integers(1, 3), st.integers(1, 7), st.sampled_from(DTYPES))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_fourier_follows_its_formula(seed, n_inputs, n_channels, n_waves, dtype):
    rng = np.random.default_rng(seed)
    n_samples = int(rng.integers(1, 200))
    arrays = [
        rng.uniform(-50, 120, size=(n_samples, n_channels)).clip(0 if dtype != np.float64 else -50)
        for _ in range(n_inputs)
    ]
    arrays = [array.astype(dtype) for array in arrays]
    if dtype == np.float64:
        arrays[0][rng.random(arrays[0].shape) < 0.05] = np.nan
    frequencies = rng.integers(0, [[3], [30], [1001]][n_inputs - 1], size=(n_inputs, n_waves))
    frequencies = frequencies.astype(np.float64)
    bounds = [(low, low + rng.uniform(20, 200)) for low in rng.uniform(-100, 100, n_inputs)]
    expression = _core.fourier(
        arrays, [[_core.Bounds(*pair)] * n_channels for pair in bounds], frequencies
    )
    n_basis = 2 * n_waves - int((~frequencies.any(axis=0)).sum())
    result = features(expression)
    assert result.shape == (n_samples, n_channels * n_basis)
    expected = fourier([a.astype(np.float64) for a in arrays], bounds, frequencies)
    # Over 10 periods the formula in extended precision loses up to 3e-14 itself.
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-13)


def test_fourier_is_periodic_and_does_not_fill():
    x = np.linspace(0, 2 * np.pi, 101)[:, None]
    period = [[_core.Bounds(0, 2 * np.pi)]]
    frequencies = np.arange(5.0)[None]
    once = features(_core.fourier([x], period, frequencies))
    later = features(_core.fourier([x + 2 * np.pi], period, frequencies))
    np.testing.assert_allclose(once, later, atol=1e-13)
    np.testing.assert_array_equal(once[:, 0], 1.0)
    # Columns of different waves are orthogonal over a whole period.
    gram = once[:-1].T @ once[:-1] / 100
    np.testing.assert_allclose(gram, np.diag([1] + [0.5] * 8), atol=1e-12)


def test_fourier_refuses_what_does_not_fit():
    x = np.zeros((5, 2))
    bounds = [[_core.Bounds(0, 1)] * 2]
    for frequencies, message in [
        (np.ones((2, 3)), "each of 1 inputs, got 2"),
        (np.full((1, 3), 0.5), "whole numbers from zero, got 0.5"),
        (np.full((1, 3), -1.0), "got -1"),
        (np.full((1, 3), np.nan), "got nan"),
        (np.empty((1, 0)), "0 frequencies"),
    ]:
        with pytest.raises(ValueError, match=message):
            _core.fourier([x], bounds, frequencies)
    with pytest.raises(ValueError, match=r"\(5, 2\) and \(4, 2\)"):
        _core.fourier([x, x[1:]], bounds * 2, np.ones((2, 1)))


@given(inputs(max_channels=3), st.integers(1, 3))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_columns_are_the_features_given(x, n_basis_funcs):
    values = np.repeat(x, n_basis_funcs, axis=1)
    given_values = _core.columns(values, x.shape[1])
    np.testing.assert_array_equal(features(given_values), values.astype(np.float64))
    waves = _core.fourier([x], [[_core.Bounds(0, 100)] * x.shape[1]], np.array([[1.0, 2.0]]))
    product = features(_core.product_of(given_values, waves))
    left = values.astype(np.float64).reshape(*x.shape, n_basis_funcs)
    right = features(waves).reshape(*x.shape, 4)
    expected = (left[..., :, None] * right[..., None, :]).reshape(x.shape[0], -1)
    np.testing.assert_array_equal(product, expected)


def test_columns_refuse_uneven_channels():
    with pytest.raises(ValueError, match="3 channels, got 4 columns"):
        _core.columns(np.zeros((5, 4)), 3)


@given(inputs(max_channels=20))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_column_range_is_nanmin_nanmax_and_counts_values_outside(x):
    bounds = [(float(c), 50.0 + c) for c in range(x.shape[1])]
    ranges, n_outside = _core.column_range(x, [_core.Bounds(*pair) for pair in bounds])
    free, none_outside = _core.column_range(x)
    assert none_outside == [0] * x.shape[1]
    for c, (low, high) in enumerate(bounds):
        column = x[:, c].astype(np.float64)
        expected = (0.0, 1.0)
        if not np.isnan(column).all():
            expected = np.nanmin(column), np.nanmax(column)
        assert (ranges[c].low, ranges[c].high) == expected == (free[c].low, free[c].high)
        assert n_outside[c] == int(((column < low) | (column > high)).sum())


def test_column_range_names_the_infinity():
    x = np.zeros((3000, 3), np.float32)
    x[2500, 1] = -np.inf
    with pytest.raises(ValueError, match="sample 2500, channel 1"):
        _core.column_range(x)


@pytest.mark.parametrize("family", ["RaisedCosineLinear", "RaisedCosineLog"])
@pytest.mark.parametrize("n_basis_funcs", [2, 5, 8, 100])
def test_raised_cosines_to_1e_13(family, n_basis_funcs):
    x = np.random.default_rng(0).uniform(-1, 4, 5000)
    basis = _core.Basis(family, n_basis_funcs, enforce_decay_to_zero=False)
    values = evaluation(basis, x, (-1, 4))
    u = ((x + 1) / 5)[:, None]
    v = u if family.endswith("Linear") else np.log1p(50 * u) / np.log(51)
    phase = (v * (n_basis_funcs - 1) - np.arange(n_basis_funcs)) / 2
    expected = 0.5 * (1 + np.cos(np.pi * np.clip(phase, -1, 1)))
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-13)
    assert (values[np.abs(phase) > 1 + 1e-12] == 0).all()
    assert values.min() >= 0
    assert values.max() <= 1


@pytest.mark.parametrize("n_threads", [2, 3])
def test_features_have_the_same_bits_for_any_number_of_threads_and_any_rows(n_threads):
    x = np.random.default_rng(2).uniform(size=(5003, 2))
    bounds = [_core.Bounds(0, 1)] * 2
    log = _core.Basis("RaisedCosineLog", 7)
    rates = _core.Basis(
        "OrthExponential", 2, decay_rates=[1.0, 90.0], mixing=np.array([[1, 2], [3.0, 4]])
    )
    waves = _core.fourier([x, x[:, ::-1]], [bounds, bounds], np.array([[0, 1, 5.0], [3, 0, 2]]))
    for expression in [
        _core.evaluation(log, x, bounds, np.nan),
        _core.evaluation(rates, x, bounds, np.nan),
        waves,
    ]:
        whole = features(expression)
        np.testing.assert_array_equal(features(expression, n_threads), whole)
        rows = np.array([17, 4999, 3, 1000, 1001, 1002])
        some = expression.design().rows(rows).materialise(False, 1)
        np.testing.assert_array_equal(some, whole[rows])
