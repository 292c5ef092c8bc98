"""The families that are not in test_basis_values.py, against independent formulas."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeglm import basis as nb
from spikeglm.exceptions import ConstantInputWarning, SpikeglmWarning
from spikeglm.glm import GLM

RNG = np.random.default_rng(0)
SEVEN = np.array([0, 0.1, 0.25, 0.5, 0.7, 0.9, 1])
PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)


def assert_close(found, expected, atol=1e-12):
    assert found.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=atol * max(np.nanmax(np.abs(expected), initial=0), 1e-300)
    )


def per_channel(x, values, bounds=None):
    """Apply `values(u)` to each column of x, rescaled by its own range."""
    columns = x.reshape(len(x), -1)
    out = []
    for column in columns.T:
        low, high = (np.nanmin(column), np.nanmax(column)) if bounds is None else bounds
        seen = ~np.isnan(column)
        part = values((column[seen] - low) / (high - low))
        full = np.full((len(column), part.shape[1]), np.nan)
        full[seen] = part
        out.append(full)
    found = np.hstack(out)
    if bounds is not None:
        outside = np.any((columns < bounds[0]) | (columns > bounds[1]), axis=1)
        found[outside] = np.nan
    return found


samples = st.builds(
    lambda n, shape, seed, missing: _samples(n, shape, seed, missing),
    st.integers(8, 60),
    st.sampled_from([(), (1,), (2,), (2, 3)]),
    st.integers(0, 99),
    st.floats(0, 0.3),
)


def _samples(n, shape, seed, missing):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, *shape)) * 10.0 ** rng.integers(-3, 4)
    x[rng.uniform(size=x.shape) < missing] = np.nan
    x[:4] = np.nan_to_num(x[:4]) + np.arange(4).reshape(-1, *(1,) * len(shape))
    return x


# M-splines and linear raised cosines.


def m_splines(u, n, order):
    """Ramsay's recursion, in the order of his definition."""
    eps = np.finfo(float).eps
    t = np.r_[np.zeros(order - 1), np.linspace(0, 1 + eps, n - order + 2), [1 + eps] * (order - 1)]

    def value(i, k):
        width = t[i + k] - t[i]
        if width < 1e-6:
            return np.zeros(len(u))
        if k == 1:
            return np.where((t[i] <= u) & (u < t[i + 1]), 1 / width, 0.0)
        both = (u - t[i]) * value(i, k - 1) + (t[i + k] - u) * value(i + 1, k - 1)
        return k * both / ((k - 1) * width)

    return np.stack([value(i, order) for i in range(n)], axis=1)


@PROPERTY
@given(x=samples, order=st.integers(1, 6), extra=st.integers(0, 9))
def test_m_splines(x, order, extra):
    n = order + extra
    found = nb.MSplineEval(n, order).compute_features(x)
    width = (np.nanmax(x, axis=0) - np.nanmin(x, axis=0)).reshape(-1)
    expected = per_channel(x, lambda u: m_splines(u, n, order)) / np.repeat(width, n)
    if order == 1:  # a step may fall on either side of a knot that both sides round
        return
    assert_close(found, expected)
    filters = nb.MSplineBasis(n, order=order, mode="conv", window_size=50).kernel_
    assert_close(filters[1:-1], m_splines(np.linspace(0, 1, 50), n, order)[1:-1], 1e-11)


def test_m_splines_integrate_to_one():
    grid, values = nb.MSplineBasis(7, order=4, bounds=(2, 5)).evaluate_on_grid(20001)
    inside = (values[1:] + values[:-1]) / 2
    np.testing.assert_allclose(inside.sum(axis=0) * (grid[1] - grid[0]), 1, rtol=1e-6)


@PROPERTY
@given(x=samples, n=st.integers(2, 12), width=st.sampled_from([1.5, 2.0, 3.5]))
def test_linear_raised_cosines(x, n, width):
    peaks = np.linspace(0, 1, n)

    def bumps(u):
        phase = np.pi * (u[:, None] - peaks) / (width * (peaks[1] - peaks[0]))
        return 0.5 * (np.cos(np.clip(phase, -np.pi, np.pi)) + 1)

    assert_close(nb.RaisedCosineLinearEval(n, width).compute_features(x), per_channel(x, bumps))


@pytest.mark.parametrize(
    ("basis", "u", "row"),
    [
        (nb.MSplineEval(5), 0.1, [4.096, 1.736, 0.208, 0.008, 0]),
        (nb.MSplineEval(5), 0.0, [8, 0, 0, 0, 0]),
        (nb.MSplineEval(5, bounds=(0, 2)), 0.0, [4, 0, 0, 0, 0]),
        (nb.MSplineBasis(5), 0.1, [4.8, 1.6, 0, 0, 0]),
        (
            nb.RaisedCosineLinearEval(5),
            0.1,
            [0.904508497187, 0.793892626146, 0.095491502813, 0, 0],
        ),
        (
            nb.FourierEval(3),
            0.1,
            [0.8090169943749, 0.3090169943749, 0.5877852522925, 0.9510565162952],
        ),
    ],
)
def test_digits_of_another_package(basis, u, row):
    found = basis.compute_features(SEVEN)[u == SEVEN][0]
    np.testing.assert_allclose(found, row, rtol=0, atol=1e-11)


# Fourier.


def fourier(us, combinations):
    phase = 2 * np.pi * sum(u[:, None] * f for u, f in zip(us, combinations, strict=True))
    constant = np.all(np.array(combinations) == 0, axis=0)
    return np.hstack([np.cos(phase), np.sin(phase)[:, ~constant]])


@PROPERTY
@given(
    x=samples,
    frequencies=st.one_of(
        st.integers(2, 9), st.tuples(st.integers(0, 3), st.integers(4, 9)), st.just([0, 2, 7, 400])
    ),
    mask=st.sampled_from(["no-intercept", "all", None]),
    bounds=st.sampled_from([None, (-1.0, 7.5)]),
)
def test_fourier_of_one_input(x, frequencies, mask, bounds):
    given_ = np.array(frequencies) if isinstance(frequencies, list) else frequencies
    f = np.arange(given_) if np.ndim(given_) == 0 else given_
    f = np.arange(*f) if isinstance(f, tuple) else f
    if mask == "no-intercept":
        f = f[f > 0]
    basis = nb.FourierEval(given_, bounds=bounds, frequency_mask=mask)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = basis.compute_features(x)
    if bounds is None:
        expected = per_channel(x, lambda u: fourier([u], [f]))
    else:  # the bounds are a period: nothing is filled
        columns = x.reshape(len(x), -1)
        expected = np.hstack([fourier([(c - bounds[0]) / 8.5], [f]) for c in columns.T])
    # Rounding of u is multiplied by the frequency and the number of turns.
    turns = 1 + (0 if bounds is None else np.nanmax(np.abs(x)))
    assert_close(found, expected, 1e-15 * (10 + 2 * np.pi * max(f) * turns))
    assert basis.n_basis_funcs == found.shape[1] // max(1, x[0].size)


@pytest.mark.parametrize("channels", [(), (2,), (3, 2)])
def test_fourier_of_two_inputs(channels):
    x, y = RNG.uniform(size=(2, 50, *channels))
    basis = nb.FourierEval([3, (1, 3)], ndim=2, bounds=((0, 1), (0, 2)))
    f = np.array(list(itertools.product(range(3), (1, 2)))).T
    found = basis.compute_features(x, y)
    expected = [
        fourier([a, b / 2], f)
        for a, b in zip(x.reshape(50, -1).T, y.reshape(50, -1).T, strict=True)
    ]
    assert_close(found, np.hstack(expected))
    values = basis.evaluate(x, y)
    assert values.shape == (50, *channels, 12)
    assert_close(values.reshape(50, -1), found)
    *grids, on_grid = basis.evaluate_on_grid(4, 5)
    assert on_grid.shape == (4, 5, 12)
    assert grids[1].max() == 2
    parts = basis.split_by_feature(found)
    assert parts["FourierEval"].shape == (50, *channels, 12)


def test_masks_of_fourier_bases():
    first = nb.FourierEval(2, ndim=2)
    np.testing.assert_array_equal(first.masked_frequencies, [[0, 1, 1], [1, 0, 1]])
    np.testing.assert_array_equal(
        nb.FourierEval(3, frequency_mask=[1, 0, 1]).masked_frequencies, [[0, 2]]
    )
    np.testing.assert_array_equal(
        nb.FourierEval(3, ndim=2, frequency_mask=lambda a, b: a == b).masked_frequencies,
        [[0, 1, 2], [0, 1, 2]],
    )
    assert nb.FourierEval(2, frequency_mask="all").n_basis_funcs == 3
    none = nb.FourierEval(1)
    assert none.compute_features(SEVEN).shape == (7, 0)


def test_fourier_bounds_are_learned_fixed_and_set():
    x, y = RNG.uniform(size=(2, 30))
    basis = nb.FourierEval(2, ndim=2)
    basis.compute_features(x, 3 * y)
    learned = basis.bounds_.copy()
    np.testing.assert_array_equal(learned[:, 0], [[x.min(), x.max()], [3 * y.min(), 3 * y.max()]])
    basis.set_bounds()
    basis.compute_features(x[:5], y[:5])
    np.testing.assert_array_equal(basis.bounds_, learned)
    basis.set_bounds((0, 1), (0, 3))
    assert basis.bounds == ((0.0, 1.0), (0.0, 3.0))
    with pytest.warns(ConstantInputWarning):
        nb.FourierEval(2).compute_features(np.ones(5))
    with pytest.raises(ValueError, match="same shape"):
        nb.FourierEval(2, ndim=2).compute_features(x, np.c_[x, x])


# Orthogonalised exponentials.


@PROPERTY
@given(x=samples, n=st.integers(1, 3))
def test_orthogonal_exponentials(x, n):
    rates = [1.0, 3.0, 7.0][:n]
    found = nb.OrthExponentialEval(n, rates).compute_features(x)

    def orth(u):
        return scipy.linalg.orth(np.exp(-np.outer(u, rates)))

    expected = per_channel(x, orth)
    signs = np.sign(np.nansum(found * expected, axis=0))
    assert_close(found * signs, expected, 1e-11)


def test_orthogonal_exponentials_of_a_window():
    kernel = nb.OrthExponentialConv(3, 8, [1, 2, 3]).kernel_
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(3), atol=1e-12)
    first = [0.62932026, 0.48494441, 0.37856201, 0.29915519, 0.23910518, 0.19310235]
    np.testing.assert_allclose(np.abs(kernel[:6, 0]), first, atol=5e-9)
    with pytest.raises(ValueError, match="at least as many samples, got 2"):
        nb.OrthExponentialEval(3, [1, 2, 3]).compute_features(SEVEN[:2])
    many = nb.OrthExponentialEval(3, [1, 2, 3]).evaluate(RNG.uniform(size=(5, 2)))
    assert many.shape == (5, 2, 3)


def test_dependent_exponentials_become_zero_columns():
    rates = [1.0, 1.0 + 1e-13, 2.0]
    found = nb.OrthExponentialEval(3, rates).compute_features(np.linspace(0, 1, 50))
    assert np.sum(np.all(found == 0, axis=0)) == 1
    kept = found[:, np.any(found != 0, axis=0)]
    np.testing.assert_allclose(kept.T @ kept, np.eye(2), atol=1e-12)


# Identity, history, categories.


def test_identity():
    x = RNG.normal(size=(20, 2))
    x[3, 0] = np.nan
    np.testing.assert_array_equal(nb.IdentityEval().compute_features(x), x)
    np.testing.assert_array_equal(nb.IdentityEval().compute_features(np.ones(4)), np.ones((4, 1)))
    bounded = nb.IdentityEval(bounds=(-1, 1), fill_value=0.0)
    found = bounded.compute_features(x)
    outside = np.any((x < -1) | (x > 1), axis=1)
    expected = x.copy()
    expected[outside] = 0
    np.testing.assert_array_equal(found, expected)
    grid, values = nb.IdentityEval().evaluate_on_grid(4)
    np.testing.assert_array_equal(values[:, 0], grid)
    slope = nb.IdentityEval() * nb.BSplineEval(5)
    np.testing.assert_allclose(
        slope.compute_features(x[:, 1], SEVEN[RNG.integers(0, 7, 20)]).sum(axis=1), x[:, 1]
    )


@pytest.mark.parametrize("window", [1, 3, 10])
def test_history(window):
    x = RNG.normal(size=(30, 2))
    found = nb.HistoryConv(window).compute_features(x).reshape(30, 2, window)
    assert np.isnan(found[:window]).all()
    for t in range(window, 30):
        np.testing.assert_array_equal(found[t], x[t - window : t][::-1].T)
    np.testing.assert_array_equal(nb.HistoryConv(3).compute_features(np.arange(8.0))[3], [2, 1, 0])
    np.testing.assert_array_equal(
        nb.HistoryConv(window).evaluate_on_grid(window)[1], np.eye(window)
    )


def test_categories():
    found = nb.Category(["b", "a", "c"]).compute_features(["a", "b", "zz"])
    np.testing.assert_array_equal(found, [[1, 0, 0], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(
        nb.Category(3).compute_features([2, 0, -1, 5]),
        [[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0]],
    )
    missing = nb.Category([1.5, 0.5]).compute_features(np.array([0.5, np.nan, 1.5]))
    np.testing.assert_array_equal(missing, [[1, 0], [np.nan, np.nan], [0, 1]])
    objects = nb.Category(["x", "y"]).compute_features(np.array(["y", None, "x"], dtype=object))
    np.testing.assert_array_equal(objects, [[0, 1], [np.nan, np.nan], [1, 0]])
    two = nb.Category(2).compute_features(np.array([[0, 1], [1, 1]]))
    np.testing.assert_array_equal(two, [[1, 0, 0, 1], [0, 1, 0, 1]])
    np.testing.assert_array_equal(
        nb.Category(["a", "b"]).compute_features([1, 2]), np.zeros((2, 2))
    )
    with pytest.raises(ValueError, match="'zz', which is none of"):
        nb.Category(["b", "a"], out_of_category=False).compute_features(["a", "zz"])
    labels, values = nb.Category(["b", "a"]).evaluate_on_grid(2)
    assert labels.tolist() == ["a", "b"]
    np.testing.assert_array_equal(values, np.eye(2))
    with pytest.raises(ValueError, match="2 categories"):
        nb.Category(2).evaluate_on_grid(3)
    gated = (nb.Category(["run", "rest"]) * nb.BSplineEval(5)).compute_features(
        ["run", "rest", "run"], SEVEN[:3]
    )
    assert not gated[0, :5].any()
    assert not gated[1, 5:].any()


# Functions of users.


def test_custom_functions():
    x, y = RNG.normal(size=(2, 30))
    basis = nb.CustomBasis(
        [lambda a, b, k: k * a * b, lambda a, b, k: a + b], basis_kwargs={"k": 3}
    )
    assert basis.n_inputs == 2
    np.testing.assert_array_equal(basis.compute_features(x, y), np.c_[3 * x * y, x + y])
    np.testing.assert_array_equal(basis.evaluate(x, y), np.c_[3 * x * y, x + y])
    both = (basis * nb.BSplineEval(4)).compute_features(x, y, x)
    splines = nb.BSplineEval(4).compute_features(x)
    np.testing.assert_allclose(both[:, :4], (3 * x * y)[:, None] * splines)
    assert nb.CustomBasis(np.square).compute_features(x).shape == (30, 1)
    with pytest.raises(AttributeError, match="evaluate_on_grid"):
        basis.evaluate_on_grid(3, 4)


def test_custom_functions_of_many_dimensions():
    images = RNG.normal(size=(6, 3, 2))
    rows = nb.CustomBasis([lambda a: a.sum(1), lambda a: 2 * a.sum(1)], ndim_input=2)
    found = rows.compute_features(images)
    np.testing.assert_allclose(found.reshape(6, 2, 2)[..., 0], images.sum(1))
    np.testing.assert_allclose(found.reshape(6, 2, 2)[..., 1], 2 * images.sum(1))
    assert rows.n_output_features == 4
    shaped = nb.CustomBasis(
        [lambda a: a[:, :, None] * np.array([1.0, 2])], ndim_input=2, output_shape=(3, 2)
    )
    assert shaped.compute_features(images).shape == (6, 12)
    assert shaped.split_by_feature(np.ones(12), axis=0)["CustomBasis"].shape == (3, 2, 2, 1)
    per_element = nb.CustomBasis([lambda a: a**2])
    product = per_element * nb.BSplineEval(5)
    assert product.compute_features(images, images).shape == (6, 30)
    bounded = nb.CustomBasis([lambda a: a], bounds=(0, 1), fill_value=-1.0)
    np.testing.assert_array_equal(bounded.compute_features([0.5, 2.0]), [[0.5], [-1]])
    np.testing.assert_array_equal(bounded.outside([0.5, 2.0]), [False, True])
    with pytest.raises(ValueError, match="samples of shape"):
        nb.CustomBasis([lambda a: a], ndim_input=2, output_shape=7).compute_features(images)
    with pytest.raises(ValueError, match="6 samples first"):
        nb.CustomBasis([lambda a: a[:2]]).compute_features(images)
    with pytest.raises(ValueError, match="3 dimensions"):
        nb.CustomBasis([lambda a: a], ndim_input=3).compute_features(images[:, 0, 0])


class Powers(nb.PythonBasis):
    def functions(self, u):
        return u[:, None] ** np.arange(1, self.n_basis_funcs + 1)


class Wrong(nb.PythonBasis):
    def functions(self, u):
        return u


def test_a_basis_in_python_is_a_basis():
    x = RNG.normal(size=(50, 2))
    x[4, 1] = np.nan
    expected = per_channel(x, lambda u: u[:, None] ** [1, 2, 3])
    assert_close(Powers(3).compute_features(x), expected)
    assert_close(
        Powers(3, bounds=(-1, 1)).compute_features(x),
        per_channel(x, lambda u: u[:, None] ** [1, 2, 3], (-1, 1)),
    )
    conv = Powers(2, mode="conv", window_size=4)
    np.testing.assert_allclose(conv.kernel_, np.linspace(0, 1, 4)[:, None] ** [1, 2])
    t = np.arange(20.0)
    kernel = conv.kernel_
    found = conv.compute_features(t)
    np.testing.assert_allclose(found[10], kernel.T @ t[9:5:-1])
    s = Powers(3) + nb.BSplineEval(5)
    assert s.label == "(Powers + BSplineEval)"
    assert repr(Powers(3, "conv", 9)) == "Powers(n_basis_funcs=3, mode='conv', window_size=9)"
    design = s.design(x[:, 0], x[:, 0])
    y = RNG.poisson(1.0, 50)
    assert GLM(regularizer="Ridge").fit(design, y).converged_
    with pytest.raises(ValueError, match=r"\(50, 3\), got \(50,\)"):
        Wrong(3).compute_features(x[:, 0])


@pytest.mark.parametrize(
    ("basis", "inputs"),
    [
        (nb.FourierEval(4), 1),
        (nb.FourierEval(2, ndim=2), 2),
        (nb.OrthExponentialEval(2, [1, 2]), 1),
        (nb.IdentityEval(), 1),
        (nb.HistoryConv(5), 1),
        (Powers(3), 1),
        (nb.CustomBasis([np.sin, np.cos]), 1),
        (nb.FourierEval(3) * nb.BSplineEval(5) + nb.IdentityEval(), 3),
        (nb.MSplineEval(6) + nb.Category(3) * nb.BSplineEval(4), 3),
    ],
    ids=lambda value: getattr(value, "label", value),
)
def test_lazy_designs_of_every_family(basis, inputs):
    x = RNG.uniform(0, 2, size=(400, inputs, 2))
    columns = [x[:, i] for i in range(inputs)]
    if "Category" in basis.label:
        columns[1] = RNG.integers(0, 3, size=(400, 2))
    design = basis.design(*columns)
    dense = basis.compute_features(*columns)
    np.testing.assert_array_equal(np.asarray(design), dense)
    y = RNG.poisson(1.0, 400)
    model = GLM(regularizer="Ridge", regularizer_strength=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lazy = model.fit(design, y).coef_.copy()
    np.testing.assert_allclose(lazy, model.fit(dense, y).coef_, rtol=1e-8, atol=1e-10)


def test_unsorted_frequencies_warn():
    with pytest.warns(SpikeglmWarning, match="not sorted"):
        unsorted = nb.FourierEval(np.array([3, 1]))
    np.testing.assert_array_equal(unsorted.masked_frequencies, [[1, 3]])
