"""Bases against formulas written down independently, and the rules of composition."""

import copy
import itertools
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline
from sklearn.base import clone

from spikeglm.basis import (
    AdditiveBasis,
    BSplineBasis,
    CyclicBSplineBasis,
    MultiplicativeBasis,
    RaisedCosineBasisLog,
)
from spikeglm.exceptions import ConstantInputWarning, SpikeglmWarning, WindowWarning

EPS = np.finfo(float).eps
ATOMIC = [BSplineBasis, CyclicBSplineBasis, RaisedCosineBasisLog]


# Independent formulas, for u in [0, 1].


def b_splines(u, n, order):
    inner = np.linspace(0, 1 + EPS, n - order + 2)
    knots = np.r_[np.zeros(order - 1), inner, np.full(order - 1, 1 + EPS)]
    return BSpline(knots, np.eye(n), order - 1, extrapolate=False)(u)


def cyclic_b_splines(u, n, order):
    cut = np.linspace(0, 1 + EPS, n + 1)
    knots = np.r_[cut[-order:-1] - cut[-1] + cut[0], cut]
    period = cut[-1] - cut[0]
    out = np.zeros((len(u), n))
    for j in range(n):
        element = BSpline.basis_element(knots[j : j + order + 1], extrapolate=False)
        out[:, j] = np.nan_to_num(element(u)) + np.where(
            u > cut[n + 1 - order], np.nan_to_num(element(u - period)), 0.0
        )
    return out


def raised_cosines(u, n, width=2.0, time_scaling=50.0, enforce_decay_to_zero=True):
    last = 1 - width / (n + width - 1) if enforce_decay_to_zero else 1.0
    peaks = np.linspace(0, last, n)
    v = np.log(time_scaling * u + 1) / np.log(time_scaling + 1)
    phase = np.pi * (v[:, None] - peaks) / ((peaks[1] - peaks[0]) * width)
    return 0.5 * (np.cos(np.clip(phase, -np.pi, np.pi)) + 1)


INDEPENDENT = {
    BSplineBasis: lambda u, basis: b_splines(u, basis.n_basis_funcs, basis.order),
    CyclicBSplineBasis: lambda u, basis: cyclic_b_splines(u, basis.n_basis_funcs, basis.order),
    RaisedCosineBasisLog: lambda u, basis: raised_cosines(
        u,
        basis.n_basis_funcs,
        basis.width,
        50.0 if basis.time_scaling is None else basis.time_scaling,
        basis.enforce_decay_to_zero,
    ),
}


def expected_values(basis, u):
    return INDEPENDENT[type(basis)](np.asarray(u, dtype=float), basis)


def assert_equal_values(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    scale = np.nanmax(np.abs(expected), initial=0.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * scale)


def grid_with_knots(n_intervals):
    u = np.r_[np.linspace(0, 1, 401), np.arange(n_intervals + 1) / n_intervals]
    return np.sort(np.r_[u, np.clip(u + 1e-9, 0, 1), np.clip(u - 1e-9, 0, 1)])


# Splines.


@pytest.mark.parametrize("order", range(1, 7))
@pytest.mark.parametrize("extra", [0, 1, 2, 7, 30])
def test_b_splines(order, extra):
    n = order + extra
    u = grid_with_knots(n - order + 1)
    basis = BSplineBasis(n, order=order, bounds=(0, 1))
    found = basis.compute_features(u)
    if order > 1:
        assert_equal_values(found, b_splines(u, n, order))
    else:  # a step may fall on either side of a knot that both sides round
        inner = np.min(np.abs(u[:, None] - np.arange(1, n) / n), axis=1, initial=1.0) > 1e-12
        assert_equal_values(found[inner], b_splines(u, n, order)[inner])
    assert np.all(found >= 0)
    assert np.all((found > 0).sum(axis=1) <= order)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-13)


@pytest.mark.parametrize("order", range(2, 7))
@pytest.mark.parametrize("extra", [0, 1, 2, 7, 30])
def test_cyclic_b_splines(order, extra):
    n = order + extra
    u = grid_with_knots(n)
    basis = CyclicBSplineBasis(n, order=order, bounds=(0, 1))
    found = basis.compute_features(u)
    # For order = n the description wraps at u = 1/n, with both pieces in one column.
    assert_equal_values(found, cyclic_b_splines(u, n, order))
    assert np.all(found >= 0)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-13)
    # All functions are shifts of one another, and the ends meet.
    np.testing.assert_allclose(found[-1], found[0], rtol=0, atol=1e-13)
    shifted = basis.compute_features((np.linspace(0, 1, 50, endpoint=False) + 1 / n) % 1.0)
    plain = basis.compute_features(np.linspace(0, 1, 50, endpoint=False))
    np.testing.assert_allclose(shifted, np.roll(plain, 1, axis=1), rtol=0, atol=1e-12)


SEVEN = np.array([0, 0.1, 0.25, 0.5, 0.7, 0.9, 1])


@pytest.mark.parametrize(
    ("basis", "u", "row"),
    [
        (BSplineBasis(5), 0.1, [0.512, 0.434, 0.052, 0.002, 0]),
        (BSplineBasis(5), 0.25, [0.125, 0.59375, 0.25, 0.03125, 0]),
        (BSplineBasis(5), 0.5, [0, 0.25, 0.5, 0.25, 0]),
        (BSplineBasis(5), 0.7, [0, 0.054, 0.324, 0.558, 0.064]),
        (CyclicBSplineBasis(6), 0.0, [1 / 6, 2 / 3, 1 / 6, 0, 0, 0]),
        (CyclicBSplineBasis(6), 0.1, [0.0106667, 0.4146667, 0.5386667, 0.036, 0, 0]),
        (CyclicBSplineBasis(6), 0.7, [0.2826667, 0.0013333, 0, 0, 0.0853333, 0.6306667]),
        (CyclicBSplineBasis(5, order=3), 0.25, [0, 0.28125, 0.6875, 0.03125, 0]),
        (
            RaisedCosineBasisLog(5),
            0.1,
            [0, 0.04293794599533, 0.7027172385098, 0.9570620540047, 0.2972827614902],
        ),
        (RaisedCosineBasisLog(5), 0.0, [1, 0.5, 0, 0, 0]),
        (RaisedCosineBasisLog(5), 1.0, [0, 0, 0, 0, 0]),
        (
            RaisedCosineBasisLog(5, enforce_decay_to_zero=False, time_scaling=10),
            0.5,
            [0, 7.6179e-05, 0.5087277295, 0.9999238209, 0.4912722705],
        ),
    ],
)
def test_digits_of_another_package(basis, u, row):
    found = basis.compute_features(SEVEN)[u == SEVEN][0]
    assert np.all(np.abs(found - row) < np.where(np.asarray(row) == 7.6179e-05, 1e-9, 5e-8))


def test_order_one_splines_are_steps():
    found = BSplineBasis(3, order=1).compute_features(np.linspace(0, 1, 5))
    np.testing.assert_array_equal(found, np.eye(3)[[0, 0, 1, 2, 2]])


# Raised cosines.


@pytest.mark.parametrize("n", [2, 3, 5, 12])
@pytest.mark.parametrize("width", [1.5, 2.0, 2.5, 4])
@pytest.mark.parametrize("time_scaling", [None, 1e-3, 1.0, 1e4])
@pytest.mark.parametrize("enforce", [True, False])
def test_raised_cosines(n, width, time_scaling, enforce):
    u = np.linspace(0, 1, 997)
    basis = RaisedCosineBasisLog(
        n, width=width, time_scaling=time_scaling, enforce_decay_to_zero=enforce
    )
    found = basis.compute_features(u)
    expected = expected_values(basis, u)
    # log(s u + 1) / log(s + 1) loses digits for small s: 1e-16 / s, times the slope of the bumps.
    loss = 1e-15 / min(1.0, time_scaling or 50.0) * np.pi * n
    np.testing.assert_allclose(found, expected, rtol=0, atol=max(1e-12, loss))
    assert np.all((found >= 0) & (found <= 1))
    if enforce:
        np.testing.assert_allclose(found[-1], 0, rtol=0, atol=1e-12)
    assert np.argmax(found[0]) == 0


def test_raised_cosines_with_a_tiny_time_scaling_are_linear():
    u = np.linspace(0, 1, 50)
    for time_scaling in (1e-9, 1e-13, 1e-17, 1e-300):
        found = RaisedCosineBasisLog(4, time_scaling=time_scaling).compute_features(u)
        peaks = np.linspace(0, 1 - 2 / 5, 4)
        phase = np.clip(np.pi * (u[:, None] - peaks) / (0.2 * 2), -np.pi, np.pi)
        np.testing.assert_allclose(found, 0.5 * (np.cos(phase) + 1), rtol=0, atol=1e-6)


# Bounds.


@given(
    low=st.floats(-1e6, 1e6),
    width=st.floats(1e-3, 1e6),
    data=st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=30),
    which=st.sampled_from(ATOMIC),
)
@settings(deadline=None, derandomize=True, max_examples=150)
def test_bounds_rescale_and_mask(low, width, data, which):
    high = low + width
    x = low + width * np.array(data)
    basis = which(6, bounds=(low, high))
    found = basis.compute_features(x)
    inside = (x >= low) & (x <= high)
    assert np.all(np.isnan(found[~inside]))
    u = (x[inside] - low) / (high - low)
    assert_equal_values(found[inside], expected_values(basis, u))
    np.testing.assert_array_equal(basis.bounds_, [[low, high]])


@pytest.mark.parametrize("which", ATOMIC)
def test_without_bounds_each_call_learns_them_per_column(which):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2)) * [1, 50]
    x[3, 1] = np.nan
    basis = which(5)
    found = basis.compute_features(x)
    low, high = np.nanmin(x, axis=0), np.nanmax(x, axis=0)
    np.testing.assert_array_equal(basis.bounds_, np.c_[low, high])
    u = (x - low) / (high - low)
    for column in range(2):
        values = np.full((40, 5), np.nan)
        seen = ~np.isnan(u[:, column])
        values[seen] = expected_values(basis, u[seen, column])
        assert_equal_values(found[:, 5 * column : 5 * column + 5], values)
    basis.compute_features(3 * x[:, 0])
    np.testing.assert_array_equal(basis.bounds_, [[3 * low[0], 3 * high[0]]])


@pytest.mark.parametrize("which", ATOMIC)
def test_one_channel_out_of_bounds_blanks_the_row(which):
    x = np.full((4, 2), 0.5)
    x[1, 0], x[2, 1] = 1.5, -0.1
    found = which(5, bounds=(0, 1)).compute_features(x)
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), [False, True, True, False])
    np.testing.assert_array_equal(np.isnan(found).any(axis=1), [False, True, True, False])


@pytest.mark.parametrize("which", ATOMIC)
def test_missing_samples_blank_their_channel(which):
    x = np.array([[0.1, np.nan], [0.2, 0.3], [np.nan, 0.9]])
    found = np.isnan(which(5, bounds=(0, 1)).compute_features(x).reshape(3, 2, 5))
    np.testing.assert_array_equal(found.all(axis=2), np.isnan(x))
    np.testing.assert_array_equal(found.any(axis=2), np.isnan(x))


def test_a_range_that_overflows_is_refused_or_right():
    x = np.array([-1.7e308, 0.0, 1.7e308])
    found = BSplineBasis(5).compute_features(x)
    assert_equal_values(found, b_splines(np.array([0, 0.5, 1.0]), 5, 4))


# Values at points and on grids.


@pytest.mark.parametrize("which", ATOMIC)
def test_evaluate_keeps_the_shape(which):
    basis = which(5, bounds=(2, 4))
    x = np.random.default_rng(0).uniform(2, 4, size=(3, 4, 2))
    found = basis.evaluate(x)
    assert found.shape == (3, 4, 2, 5)
    assert_equal_values(found.reshape(-1, 5), expected_values(basis, (x.ravel() - 2) / 2))
    scalar = basis.evaluate(3.0)
    assert scalar.shape == (5,)
    assert_equal_values(scalar[None], expected_values(basis, [0.5]))
    assert basis.evaluate(x.astype(np.float32)).dtype == np.float64


def test_evaluate_without_bounds_uses_the_range_of_each_column():
    x = np.array([[1.0, 2.0], [3.0, 5.0], [2.0, 4.0]])
    found = BSplineBasis(5).evaluate(x)
    for column, u in enumerate([[0.0, 1.0, 0.5], [0.0, 1.0, 2 / 3]]):
        assert_equal_values(found[:, column], b_splines(np.array(u), 5, 4))


@pytest.mark.parametrize("which", ATOMIC)
def test_evaluate_on_grid(which):
    grid, values = which(5).evaluate_on_grid(11)
    np.testing.assert_array_equal(grid, np.linspace(0, 1, 11))
    assert_equal_values(values, expected_values(which(5), grid))
    grid, values = which(5, bounds=(-3, 7)).evaluate_on_grid(11)
    np.testing.assert_array_equal(grid, np.linspace(-3, 7, 11))
    assert_equal_values(values, expected_values(which(5), (grid + 3) / 10))


def test_evaluate_on_grid_of_composites():
    left = BSplineBasis(5, bounds=(0, 2))
    right = CyclicBSplineBasis(4, bounds=(-1, 1))
    x, y, values = (left * right).evaluate_on_grid(6, 3)
    np.testing.assert_array_equal(x, np.repeat(np.linspace(0, 2, 6)[:, None], 3, axis=1))
    np.testing.assert_array_equal(y, np.repeat(np.linspace(-1, 1, 3)[None], 6, axis=0))
    a, b = left.evaluate(x), right.evaluate(y)
    np.testing.assert_array_equal(values, (a[..., :, None] * b[..., None, :]).reshape(6, 3, 20))
    *_, free = (BSplineBasis(5) * CyclicBSplineBasis(4)).evaluate_on_grid(6, 3)
    np.testing.assert_allclose(free, values, rtol=0, atol=1e-13)
    *_, summed = (left + right).evaluate_on_grid(6, 3)
    np.testing.assert_array_equal(summed, np.concatenate([a, b], axis=-1))


@pytest.mark.parametrize("which", ATOMIC)
@pytest.mark.parametrize("window", [1, 2, 9])
def test_the_grid_of_a_conv_basis_is_its_filters(which, window):
    grid, filters = which(5, mode="conv", window_size=window).evaluate_on_grid(window)
    assert_equal_values(filters, expected_values(which(5), grid))


# Convolution.


def convolved(x, filters):
    """Feature t is sum_k filters[k] x[t - 1 - k]; the first rows lack a complete window."""
    window, n = filters.shape
    out = np.full((len(x), n), np.nan)
    for column in range(n):
        full = np.convolve(x, filters[:, column])
        out[window:, column] = full[window - 1 : len(x) - 1]
    return out


@pytest.mark.parametrize("which", ATOMIC)
@pytest.mark.parametrize("window", [1, 2, 3, 10, 127, 128, 129, 200])
def test_convolution(which, window):
    rng = np.random.default_rng(window)
    filters = expected_values(which(5), np.linspace(0, 1, window))
    basis = which(5, mode="conv", window_size=window)
    for x in (rng.normal(size=700), rng.poisson(0.05, size=700).astype(float)):
        found = basis.compute_features(x)
        assert np.all(np.isnan(found[:window]))
        assert not np.any(np.isnan(found[window:]))
        bound = 1e-12 * np.abs(filters).sum(axis=0).max() * np.abs(x).max()
        np.testing.assert_allclose(found, convolved(x, filters), rtol=0, atol=bound)


def test_convolution_digits_of_another_package():
    basis = RaisedCosineBasisLog(5, mode="conv", window_size=10)
    found = basis.compute_features(np.arange(15))[10]
    expected = [9, 4.583908608846, 4.976169987521, 13.894112497726, 21.191263110264]
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-12)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1,), (2, 1, 2)])
@pytest.mark.parametrize("layout", ["C", "F", "strided", "reversed"])
def test_channels_of_a_convolution(shape, layout):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, *shape))
    if layout == "F":
        given = np.asfortranarray(x)
    elif layout == "strided":
        given = np.repeat(x, 2, axis=0)[::2]
    else:
        given = x[::-1].copy()[::-1] if layout == "reversed" else x
    found = RaisedCosineBasisLog(4, mode="conv", window_size=7).compute_features(given)
    filters = raised_cosines(np.linspace(0, 1, 7), 4)
    columns = [
        convolved(x[(slice(None), *channel)], filters)
        for channel in itertools.product(*map(range, shape))
    ]
    assert_equal_values(found, np.hstack(columns))


def test_the_present_and_the_future_do_not_leak():
    x = np.zeros(50)
    x[20] = 1.0
    basis = RaisedCosineBasisLog(4, mode="conv", window_size=10)
    found = basis.compute_features(x)
    assert not np.any(found[10:21])
    np.testing.assert_array_equal(found[21], basis.evaluate_on_grid(10)[1][0])
    assert not np.any(found[31:])


@given(
    n=st.integers(1, 60),
    window=st.integers(1, 20),
    missing=st.lists(st.integers(0, 59), max_size=4),
)
@settings(deadline=None, derandomize=True, max_examples=150)
def test_missing_samples_blank_the_window_that_follows(n, window, missing):
    x = np.random.default_rng(n).normal(size=n)
    missing = [index for index in missing if index < n]
    x[missing] = np.nan
    basis = RaisedCosineBasisLog(3, mode="conv", window_size=window)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = basis.compute_features(x)
    assert [item.category for item in caught] == ([WindowWarning] if n <= window else [])
    blank = np.arange(n) < window
    for index in missing:
        blank[index + 1 : index + 1 + window] = True
    np.testing.assert_array_equal(np.isnan(found), np.repeat(blank[:, None], 3, axis=1))
    filters = raised_cosines(np.linspace(0, 1, window), 3)
    expected = convolved(np.nan_to_num(x), filters)
    np.testing.assert_allclose(found[~blank], expected[~blank], rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [1, 9, 10])
def test_a_window_that_leaves_nothing_warns(n):
    basis = BSplineBasis(5, mode="conv", window_size=10)
    with pytest.warns(WindowWarning, match=rf"window of 10 samples .* {n}"):
        found = basis.compute_features(np.ones(n))
    assert found.shape == (n, 5)
    assert np.all(np.isnan(found))


def test_a_window_one_shorter_than_the_data_leaves_one_row():
    found = BSplineBasis(5, mode="conv", window_size=10).compute_features(np.ones(11))
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), [True] * 10 + [False])


# Composition.


def columns_of(basis, x):
    return basis.compute_features(x)


@given(
    first=st.sampled_from(ATOMIC),
    second=st.sampled_from(ATOMIC),
    n_first=st.integers(4, 7),
    n_second=st.integers(4, 7),
    modes=st.tuples(st.booleans(), st.booleans()),
    channels=st.integers(1, 3),
)
@settings(deadline=None, derandomize=True, max_examples=80)
def test_sums_and_products(first, second, n_first, n_second, modes, channels):
    rng = np.random.default_rng(n_first)
    x, z = rng.normal(size=(2, 30, channels))
    conv = {"mode": "conv", "window_size": 5}
    a = first(n_first, **(conv if modes[0] else {}))
    b = second(n_second, **(conv if modes[1] else {}))
    left, right = a.compute_features(x), b.compute_features(z)
    np.testing.assert_array_equal((a + b).compute_features(x, z), np.hstack([left, right]))
    product = (
        left.reshape(30, channels, n_first, 1) * right.reshape(30, channels, 1, n_second)
    ).reshape(30, -1)
    np.testing.assert_array_equal((a * b).compute_features(x, z), product)
    assert (a + b).n_basis_funcs == n_first + n_second
    assert (a * b).n_basis_funcs == n_first * n_second
    assert (a + b).n_inputs == (a * b).n_inputs == 2


def test_nested_composition():
    rng = np.random.default_rng(0)
    x, y, z = rng.uniform(size=(3, 25))
    a, b, c = BSplineBasis(5), CyclicBSplineBasis(4), RaisedCosineBasisLog(3)
    fa, fb, fc = a.compute_features(x), b.compute_features(y), c.compute_features(z)

    def kron(left, right):
        return (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)

    found = (a + b * c).compute_features(x, y, z)
    np.testing.assert_array_equal(found, np.hstack([fa, kron(fb, fc)]))
    found = ((a + b) * c).compute_features(x, y, z)
    np.testing.assert_array_equal(found, kron(np.hstack([fa, fb]), fc))
    found = (a * (b + c)).compute_features(x, y, z)
    np.testing.assert_array_equal(found, kron(fa, np.hstack([fb, fc])))
    found = (a * b * c).compute_features(x, y, z)
    np.testing.assert_allclose(found, kron(kron(fa, fb), fc), rtol=4e-16)
    found = (a + b + c).compute_features(x, y, z)
    np.testing.assert_array_equal(found, np.hstack([fa, fb, fc]))
    values = (a + b * c).evaluate(x[:4], y[:4], z[:4])
    assert values.shape == (4, 17)


def test_terms_of_a_sum_may_differ_in_channels():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(20, 3)), rng.normal(size=20)
    a, b = BSplineBasis(5), CyclicBSplineBasis(4)
    found = (a + b).compute_features(x, z)
    np.testing.assert_array_equal(found, np.hstack([a.compute_features(x), b.compute_features(z)]))


def test_a_basis_may_stand_twice_in_an_expression():
    basis = BSplineBasis(5)
    x = np.random.default_rng(0).normal(size=(2, 20))
    found = (basis + basis).compute_features(x[0], 10 * x[1])
    np.testing.assert_array_equal(
        found, np.hstack([basis.compute_features(x[0]), basis.compute_features(10 * x[1])])
    )


def test_operators_build_expressions():
    a, b = BSplineBasis(5), CyclicBSplineBasis(4)
    assert isinstance(a + b, AdditiveBasis)
    assert isinstance(a * b, MultiplicativeBasis)
    for operand in (3, "b", None, np.ones(3)):
        with pytest.raises(TypeError):
            _ = a + operand


# Types and inputs.


@pytest.mark.parametrize(
    "basis",
    [
        BSplineBasis(5),
        CyclicBSplineBasis(5),
        RaisedCosineBasisLog(5),
        RaisedCosineBasisLog(5, mode="conv", window_size=4),
    ],
)
def test_features_follow_the_input_type(basis):
    x = np.random.default_rng(0).uniform(0, 100, size=30)
    single = basis.compute_features(x.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(
        single, basis.compute_features(x.astype(np.float32).astype(float)), rtol=1e-6, atol=1e-6
    )
    for dtype in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">f8", "f2", "g"):
        given = x.astype(dtype)
        found = basis.compute_features(given)
        assert found.dtype == np.float64, dtype
        np.testing.assert_array_equal(found, basis.compute_features(given.astype(float)))
    given = x > 50
    np.testing.assert_array_equal(
        basis.compute_features(given), basis.compute_features(given.astype(float))
    )
    found = basis.compute_features(x.astype(">f4"))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(basis.compute_features(list(x)), basis.compute_features(x))
    np.testing.assert_array_equal(
        basis.compute_features(x.astype(object)), basis.compute_features(x)
    )


def test_mixed_input_types_give_double():
    x = np.linspace(0, 1, 9)
    both = BSplineBasis(5) + BSplineBasis(4)
    assert both.compute_features(x.astype("f4"), x.astype("f4")).dtype == np.float32
    assert both.compute_features(x.astype("f4"), x).dtype == np.float64
    assert both.compute_features(x.astype("f4"), np.arange(9)).dtype == np.float64


def test_inputs_are_left_alone():
    x = np.random.default_rng(0).normal(size=(20, 2))
    x.flags.writeable = False
    kept = x.copy()
    for basis in (BSplineBasis(5), RaisedCosineBasisLog(5, mode="conv", window_size=4)):
        basis.compute_features(x)
        basis.evaluate(x)
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("which", ATOMIC)
def test_empty_inputs(which):
    assert which(5).compute_features(np.zeros(0)).shape == (0, 5)
    assert which(5).compute_features(np.zeros((0, 3))).shape == (0, 15)
    conv = which(5, mode="conv", window_size=3)
    assert conv.compute_features(np.zeros((0, 2))).shape == (0, 10)


@pytest.mark.parametrize("which", ATOMIC)
def test_a_constant_input_warns(which):
    with pytest.warns(ConstantInputWarning, match="one value"):
        found = which(5).compute_features(np.full(4, 3.0))
    assert_equal_values(found, expected_values(which(5), np.zeros(4)))
    # With bounds there is nothing to learn; a convolution does not rescale.
    which(5, bounds=(0, 4)).compute_features(np.full(4, 3.0))
    which(5, mode="conv", window_size=2).compute_features(np.full(4, 3.0))
    assert np.all(np.isnan(which(5).compute_features(np.full(4, np.nan))))


@pytest.mark.parametrize("basis", [BSplineBasis(5), BSplineBasis(5, mode="conv", window_size=2)])
@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinities_are_refused(basis, bad):
    x = np.zeros((300, 2))
    x[255, 1] = bad
    with pytest.raises(ValueError, match=r"infinite value at sample 255, channel 1"):
        basis.compute_features(x)


def test_bad_inputs_are_refused():
    basis = BSplineBasis(5)
    with pytest.raises(TypeError, match=r"requires 1 input\(s\).* but 2 were"):
        basis.compute_features([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(TypeError, match="but 0 were"):
        basis.compute_features()
    with pytest.raises(ValueError, match=r"\[4, 3\]"):
        (basis + basis).compute_features(np.arange(4), np.arange(3))
    with pytest.raises(ValueError, match="complex"):
        basis.compute_features([1j, 2.0])
    with pytest.raises(TypeError, match="numbers"):
        basis.compute_features(["a", "b"])
    with pytest.raises(ValueError, match=r"\(3, 0\)"):
        basis.compute_features(np.zeros((3, 0)))
    with pytest.raises(ValueError, match=r"\[\(2,\), \(\)\]"):
        (basis * basis).compute_features(np.ones((3, 2)) * [[1], [2], [3]], np.arange(3))
    with pytest.raises(ValueError, match=r"one shape.*\(2, 3\).*\(2, 4\)"):
        (basis + basis).evaluate(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(TypeError, match="2 inputs, but 1"):
        (basis + basis).evaluate_on_grid(4)
    with pytest.raises(ValueError, match=r"from 1 to .* got 0"):
        basis.evaluate_on_grid(0)


def test_a_missing_input_is_refused():
    with pytest.raises((TypeError, ValueError)):
        BSplineBasis(5).compute_features(None)


def test_masked_arrays_do_not_lose_their_mask():
    x = np.ma.masked_array([0.0, 0.5, 99.0, 1.0], mask=[False, False, True, False])
    try:
        found = BSplineBasis(5).compute_features(x)
    except (TypeError, ValueError):
        return
    expected = BSplineBasis(5).compute_features([0.0, 0.5, np.nan, 1.0])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("which", "settings", "error", "message"),
    [
        (BSplineBasis, {"n_basis_funcs": 0}, ValueError, "got 0"),
        (BSplineBasis, {"n_basis_funcs": -2}, ValueError, "got -2"),
        (BSplineBasis, {"n_basis_funcs": 4.5}, ValueError, r"got 4\.5"),
        (BSplineBasis, {"n_basis_funcs": "4"}, TypeError, "got '4'"),
        (BSplineBasis, {"n_basis_funcs": 3}, ValueError, r"`order` \(4\).*\(3\)"),
        (BSplineBasis, {"order": 0}, ValueError, "got 0"),
        (BSplineBasis, {"order": 6}, ValueError, r"`order` \(6\).*\(5\)"),
        (BSplineBasis, {"order": 10**10}, ValueError, "order"),
        (BSplineBasis, {"n_basis_funcs": 10**20}, (ValueError, MemoryError), "n_basis_funcs"),
        (CyclicBSplineBasis, {"order": 1}, ValueError, "got 1"),
        (CyclicBSplineBasis, {"order": 6}, ValueError, r"`order` \(6\).*\(5\)"),
        (RaisedCosineBasisLog, {"n_basis_funcs": 1}, ValueError, "at least 2, got 1"),
        (RaisedCosineBasisLog, {"width": 1.0}, ValueError, r"got 1\.0"),
        (RaisedCosineBasisLog, {"width": 2.3}, ValueError, r"got 2\.3"),
        (RaisedCosineBasisLog, {"width": np.nan}, ValueError, "got nan"),
        (RaisedCosineBasisLog, {"width": "wide"}, (TypeError, ValueError), "width"),
        (RaisedCosineBasisLog, {"width": None}, (TypeError, ValueError), "width"),
        (RaisedCosineBasisLog, {"time_scaling": 0.0}, ValueError, r"got 0\.0"),
        (RaisedCosineBasisLog, {"time_scaling": -1.0}, ValueError, r"got -1\.0"),
        (RaisedCosineBasisLog, {"time_scaling": np.inf}, ValueError, "got inf"),
        (RaisedCosineBasisLog, {"time_scaling": "a"}, (TypeError, ValueError), "time_scaling"),
        (BSplineBasis, {"mode": "evaluate"}, ValueError, "'evaluate'"),
        (BSplineBasis, {"mode": "conv"}, ValueError, "window_size"),
        (BSplineBasis, {"mode": "conv", "window_size": 0}, ValueError, "got 0"),
        (BSplineBasis, {"mode": "conv", "window_size": -7}, ValueError, "got -7"),
        (BSplineBasis, {"mode": "conv", "window_size": 10.5}, ValueError, r"got 10\.5"),
        (BSplineBasis, {"mode": "conv", "window_size": "9"}, TypeError, "got '9'"),
        (BSplineBasis, {"window_size": 9}, ValueError, "window_size"),
        (BSplineBasis, {"mode": "conv", "window_size": 9, "bounds": (0, 1)}, ValueError, "bounds"),
        (BSplineBasis, {"bounds": (1, 0)}, ValueError, r"\(1\.0, 0\.0\)"),
        (BSplineBasis, {"bounds": (1, 1)}, ValueError, r"\(1\.0, 1\.0\)"),
        (BSplineBasis, {"bounds": (0, 1, 2)}, ValueError, r"\(0, 1, 2\)"),
        (BSplineBasis, {"bounds": (0, np.nan)}, ValueError, "nan"),
        (BSplineBasis, {"bounds": 3}, TypeError, "got 3"),
        (BSplineBasis, {"bounds": (None, 1)}, TypeError, "None"),
    ],
)
def test_bad_parameters_are_refused_with_their_values(which, settings, error, message):
    arguments = {"n_basis_funcs": 5} | settings
    with pytest.raises(error, match=message):
        which(**arguments)


def test_a_parameter_that_is_set_later_is_checked_and_the_old_one_kept():
    basis = BSplineBasis(5)
    with pytest.raises(ValueError, match=r"\(4\).*\(3\)"):
        basis.set_params(n_basis_funcs=3)
    with pytest.raises(ValueError, match=r"\(4\).*\(3\)"):
        basis.n_basis_funcs = 3
    with pytest.raises(ValueError, match=r"`order` \(7\)"):
        basis.set_params(bounds=(0, 1), order=7)
    assert basis.get_params() == BSplineBasis(5).get_params() | {"fill_value": basis.fill_value}
    assert basis.set_params(n_basis_funcs=9, order=7).order == 7


def test_an_allocation_that_cannot_fit_says_how_large():
    with (
        pytest.warns(WindowWarning),
        pytest.raises(MemoryError, match=r"\d"),
    ):
        RaisedCosineBasisLog(30, mode="conv", window_size=2**31 - 1).compute_features(np.zeros(4))


# Value objects.


@pytest.mark.parametrize(
    "basis",
    [
        BSplineBasis(6, order=3, bounds=(0, 1), label="position"),
        CyclicBSplineBasis(6) * RaisedCosineBasisLog(4, width=1.5),
        BSplineBasis(6) + RaisedCosineBasisLog(4, mode="conv", window_size=5),
    ],
)
def test_bases_are_value_objects(basis):
    x = list(np.random.default_rng(0).uniform(size=(basis.n_inputs, 20)))
    expected = basis.compute_features(*x)
    for twin in (pickle.loads(pickle.dumps(basis)), copy.deepcopy(basis), clone(basis)):
        assert repr(twin) == repr(basis)
        np.testing.assert_array_equal(twin.compute_features(*x), expected)
    assert clone(basis).get_params().keys() == basis.get_params().keys()


def test_composites_take_nested_parameters():
    both = BSplineBasis(6) + CyclicBSplineBasis(5)
    both.set_params(basis1__n_basis_funcs=9)
    assert both.compute_features(np.arange(9.0), np.arange(9.0)).shape == (9, 14)


def test_warnings_point_at_the_caller():
    basis = BSplineBasis(5) + BSplineBasis(5) * BSplineBasis(4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        basis.compute_features(np.zeros(4), np.arange(4.0), np.zeros(4))
    assert len(caught) == 2
    assert all(issubclass(item.category, SpikeglmWarning) for item in caught)
    assert {item.filename for item in caught} == {__file__}
