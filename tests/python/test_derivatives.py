"""The loss of a row and its derivatives, for every observation model with every inverse link."""

import itertools

import numpy as np
import pytest

from spikeglm import _core

MODELS = _core.observation_models()
LINKS = _core.inverse_links()
PAIRS = list(itertools.product(MODELS, LINKS))
WIDE = np.longdouble
LARGEST = WIDE(np.finfo(float).max)

# Values of y inside the support of a model; anything positive will do for one that is not listed.
OBSERVATIONS = {"Poisson": [0.0, 1.0, 2.5, 40.0], "Gamma": [1e-3, 0.7, 12.0], None: [0.5, 1.0, 3.0]}
# Predictors where no term is close to an overflow.
MODERATE = np.array([-30, -21, -20, -19.9, -8, -2, -0.5, 1e-3, 0.1, 0.5, 1, 3, 9, 20, 30.0])
EXTREME = np.r_[
    [-745, -744.5, -710, -709, -700, -38, -30, -1e-5, -1e-300, -0.0],
    [0.0, 1e-300, 1e-5, 30, 36.8, 700, 709, 710, 744.5, 745],
]


def observations(model):
    return OBSERVATIONS.get(model, OBSERVATIONS[None])


def terms(model, link, y, eta):
    y, eta = np.broadcast_arrays(np.asarray(y, dtype=float), np.asarray(eta, dtype=float))
    shape = y.shape
    found = _core.row_terms(model, link, y.ravel().copy(), eta.ravel().copy())
    return [part.reshape(shape) for part in found]


def grid(model, link, etas):
    """All pairs of an observation and a predictor with a positive mean."""
    etas = etas[_core.inverse_link(link, etas) > 0]
    y, eta = np.meshgrid(observations(model), etas)
    return y.ravel(), eta.ravel()


def slope(function, at, step):
    """Central difference, extrapolated twice; with an estimate of its error."""

    def difference(h):
        return (function(at + h) - function(at - h)) / (2 * h)

    coarse, middle, fine = (difference(step * factor) for factor in (1.0, 0.5, 0.25))
    first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    best = (16 * second - first) / 15
    return best, np.abs(best - second)


@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_derivatives_are_slopes(model, link):
    y, eta = grid(model, link, MODERATE)
    # A step that stays on the side of zero where the mean is positive.
    step = np.minimum(1e-2, np.abs(eta) / 10)
    loss, d1, d2, _ = terms(model, link, y, eta)
    for function, derivative, noise in [(0, d1, np.abs(loss)), (1, d2, np.abs(d1))]:
        found, error = slope(lambda at, which=function: terms(model, link, y, at)[which], eta, step)
        # log(mu) near -20 or the square of a vanishing mean leave no digits to a difference.
        tolerance = 1e-8 * np.abs(derivative) + 20 * error + 1e-13 * (noise + y + 1) / step
        assert np.all(np.abs(found - derivative) <= tolerance)


# The same in extended precision, from the formulas of a textbook.


def wide_mean(link, eta):
    """Mean and its first two derivatives."""
    eta = eta.astype(WIDE)
    one = np.ones_like(eta)
    if link == "exp":
        return [np.exp(eta)] * 3
    if link == "softplus":
        share, rest = 1 / (1 + np.exp(-eta)), 1 / (1 + np.exp(eta))
        value = np.maximum(eta, 0) + np.log1p(np.exp(-np.abs(eta)))
        return [value, share, share * rest]
    if link == "reciprocal":
        return [1 / eta, -1 / eta**2, 2 / eta**3]
    if link == "identity":
        return [eta, one, 0 * one]
    return None


def wide_terms(model, link, y, eta):
    """Lists of summands: of the loss, d1, d2 and the expected d2; and factors they contain."""
    mean = wide_mean(link, eta)
    if mean is None:
        return None
    mu, slope_of_mu, bend = mean
    y = y.astype(WIDE)
    if model == "Poisson":
        return [
            [mu, -y * np.log(mu)],
            [slope_of_mu, -slope_of_mu / mu * y],
            [bend, -bend / mu * y, (slope_of_mu / mu) ** 2 * y],
            [slope_of_mu / mu * slope_of_mu],
        ], [(slope_of_mu / mu) ** 2]
    if model == "Gamma":
        relative = slope_of_mu / mu
        ratio = y / mu
        return [
            [np.log(mu), ratio],
            [relative, -relative * ratio],
            [bend / mu, -(relative**2), -bend / mu * ratio, 2 * relative**2 * ratio],
            [relative**2],
        ], [1 / mu]
    return None


@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_terms_equal_the_formulas_in_extended_precision(model, link):
    y, eta = grid(model, link, np.r_[MODERATE, EXTREME[EXTREME != 0]])
    with np.errstate(all="ignore"):
        expected = wide_terms(model, link, y, eta)
    if expected is None:
        pytest.fail(f"write down the formulas of {model} with {link} in this file")
    expected, factors = expected
    for found, summands in zip(terms(model, link, y, eta), expected, strict=True):
        value = np.sum(summands, axis=0)
        size = np.sum(np.abs(summands), axis=0)
        # A factor that overflows may take the product with it, y / mu for a small y for example.
        representable = np.max([size, *factors], axis=0) < LARGEST / 4
        assert np.all(np.isfinite(found[representable]))
        tolerance = 1e-14 * size + 8 * 5e-324 + 1e-14 * np.abs(value)
        # exp(x) carries the rounding of x: |x| eps.
        tolerance = tolerance * (1 + np.abs(eta) / 16)
        assert np.all(np.abs(found - value)[representable] <= tolerance[representable])
        beyond = np.abs(value) > 4 * LARGEST
        assert np.all(np.isinf(found[beyond]))


@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_terms_are_never_nan(model, link):
    y = np.array([*observations(model), 1e-300, 1e-5, 1e8, 1e300])
    for found in terms(model, link, y[:, None], EXTREME[None]):
        assert not np.any(np.isnan(found))
    # A loss of minus infinity would win every line search.
    assert np.all(terms(model, link, y[:, None], EXTREME[None])[0] > -np.inf)


@pytest.mark.parametrize("model", ["Poisson", "Gamma"])
@pytest.mark.parametrize("link", ["identity", "reciprocal"])
def test_outside_the_domain_everything_is_infinite(model, link):
    eta = np.array([-745.0, -1.0, -1e-300])
    for found in terms(model, link, np.array(observations(model))[:, None], eta[None]):
        np.testing.assert_array_equal(found, np.inf)


def test_a_mean_of_zero_or_infinity_has_infinite_loss():
    for model in MODELS:
        assert terms(model, "identity", 1.0, 0.0)[0] == np.inf
        assert terms(model, "reciprocal", 1.0, 0.0)[0] == np.inf


@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_expected_curvature_is_the_expectation_of_the_observed_one(model, link):
    etas = MODERATE[_core.inverse_link(link, MODERATE) > 0]
    mean = _core.inverse_link(link, etas)
    ys = np.array(observations(model))
    # The observed curvature is affine in y for exponential families ...
    d2 = terms(model, link, ys[:, None], etas[None])[2]
    weight = (ys - ys[0]) / (ys[-1] - ys[0])
    line = d2[0] + weight[:, None] * (d2[-1] - d2[0])
    size = np.abs(d2).max(axis=0) + 1e-12
    np.testing.assert_allclose(d2 / size, line / size, rtol=0, atol=1e-10)
    # ... so that its expectation is its value at the mean.
    _, d1, at_mean, expected = terms(model, link, mean, etas)
    np.testing.assert_allclose(at_mean, expected, rtol=1e-6, atol=1e-12)
    assert np.all(expected > 0)
    # The score has mean zero.
    assert np.all(np.abs(d1) <= 1e-12 * (np.abs(terms(model, link, 2 * mean, etas)[1]) + 1))


@pytest.mark.parametrize("link", LINKS)
def test_expected_curvature_of_counts_by_summation(link):
    etas = np.array([-3.0, -0.4, 0.05, 0.5, 1.7, 3.0])
    etas = etas[_core.inverse_link(link, etas) > 0]
    for eta in etas:
        (mu,) = _core.inverse_link(link, np.array([eta]))
        counts = np.arange(0, int(mu + 40 * np.sqrt(mu) + 60), dtype=float)
        log_p = counts * np.log(mu) - mu - np.cumsum(np.log(np.maximum(counts, 1)))
        _, d1, d2, expected = terms("Poisson", link, counts, np.full_like(counts, eta))
        np.testing.assert_allclose(np.sum(np.exp(log_p) * d2), expected[0], rtol=1e-10)
        variance_of_score = np.sum(np.exp(log_p) * d1**2)
        np.testing.assert_allclose(variance_of_score, expected[0], rtol=1e-10)


@pytest.mark.parametrize("model", MODELS)
def test_default_links_are_canonical(model):
    link = MODELS[model]["default_link"]
    y, eta = grid(model, link, MODERATE)
    _, _, d2, expected = terms(model, link, y, eta)
    np.testing.assert_allclose(d2, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("link", LINKS)
def test_inverse_links(link):
    etas = np.r_[MODERATE, EXTREME[EXTREME != 0]]
    found = _core.inverse_link(link, etas)
    with np.errstate(all="ignore"):
        expected = wide_mean(link, etas)
    if expected is None:
        pytest.fail(f"write down the formula of {link} in this file")
    expected = expected[0]
    representable = np.abs(expected) < LARGEST
    tolerance = 1e-15 * (4 + np.abs(etas)) * np.abs(expected) + 1e-323
    assert np.all(np.abs(found - expected)[representable] <= tolerance[representable])
    assert np.all(np.isinf(found[~representable]))


@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_a_row_has_the_same_bits_wherever_it_stands(model, link):
    """Means of 1..20 rows agree with each row alone, so the tail of a packet is no special case."""
    eta = np.linspace(0.1, 3, 20)
    alone = np.concatenate([_core.inverse_link(link, eta[i : i + 1]) for i in range(20)])
    for n in range(1, 21):
        np.testing.assert_array_equal(_core.inverse_link(link, eta[:n]), alone[:n])
