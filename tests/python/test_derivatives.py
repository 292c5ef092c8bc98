"""The loss of a row and its derivatives, for every observation model with every inverse link."""

import itertools
import math

import numpy as np
import pytest

from spikeglm import _core

MODELS = _core.observation_models()
LINKS = _core.inverse_links()
PAIRS = list(itertools.product(MODELS, LINKS))
WIDE = np.longdouble
LARGEST = WIDE(np.finfo(float).max)

# Values of y inside the support of a model; anything positive will do for one that is not listed.
OBSERVATIONS = {
    "Poisson": [0.0, 1.0, 2.5, 40.0],
    "Gamma": [1e-3, 0.7, 12.0],
    "Bernoulli": [0.0, 0.3, 1.0],
    "NegativeBinomial": [0.0, 1.0, 2.5, 40.0],
    "Gaussian": [-3.0, 0.0, 12.0],
    None: [0.5, 1.0, 3.0],
}
# Of models that have a parameter.
PARAMETER = 0.4
BELOW_ONE = ["Bernoulli"]
ANY_MEAN = ["Gaussian"]
# Links whose means never leave (0, 1), though rounding may say otherwise.
SHARES = ["logistic", "probit", "cloglog"]
# Predictors where no term is close to an overflow.
MODERATE = np.array([-30, -21, -20, -19.9, -8, -2, -0.5, 1e-3, 0.1, 0.5, 1, 3, 9, 20, 30.0])
EXTREME = np.r_[
    [-745, -744.5, -710, -709, -700, -38, -30, -1e-5, -1e-300, -0.0],
    [0.0, 1e-300, 1e-5, 30, 36.8, 700, 709, 710, 744.5, 745],
]


def observations(model):
    return OBSERVATIONS.get(model, OBSERVATIONS[None])


def terms(model, link, y, eta, parameter=PARAMETER):
    y, eta = np.broadcast_arrays(np.asarray(y, dtype=float), np.asarray(eta, dtype=float))
    shape = y.shape
    found = _core.row_terms(model, link, y.ravel().copy(), eta.ravel().copy(), parameter)
    return [part.reshape(shape) for part in found]


def inside(model, link, etas):
    """The predictors whose means are in the domain of every model, or of this one."""
    mean = _core.inverse_link(link, etas)
    return etas[(mean > 0) & ((mean < 1) | (model not in BELOW_ONE) | (link in SHARES))]


def grid(model, link, etas):
    """All pairs of an observation and a predictor with a positive mean."""
    etas = inside(model, link, etas)
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
        tolerance = 1e-8 * np.abs(derivative) + 20 * error + 1e-13 * (noise + np.abs(y) + 1) / step
        assert np.all(np.abs(found - derivative) <= tolerance)


# The same in extended precision, from the formulas of a textbook.


def wide_mills(x):
    """phi / Phi below zero, by the continued fraction or the library's erfc."""
    below = np.minimum(x, WIDE(-5))
    k = 0 * x
    for n in range(200, 0, -1):
        k = n / (k - below)
    cdf = np.array([math.erfc(-float(v) / math.sqrt(2)) / 2 for v in np.maximum(x, -5)])
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi, dtype=WIDE)
    return np.where(x <= -5, k - below, density / np.where(x > -5, cdf, 1))


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
    if link == "logistic":
        share, rest = 1 / (1 + np.exp(-eta)), 1 / (1 + np.exp(eta))
        return [share, share * rest, share * rest * (rest - share)]
    if link == "probit":
        density = np.exp(-(eta**2) / 2) / np.sqrt(2 * np.pi, dtype=WIDE)
        below = density / wide_mills(-np.abs(eta))
        return [np.where(eta < 0, below, 1 - below), density, -eta * density]
    if link == "cloglog":
        e = np.exp(eta)
        slope = np.exp(eta - e)
        return [-np.expm1(-e), slope, slope - np.exp(2 * eta - e)]
    if link == "reciprocal":
        return [1 / eta, -1 / eta**2, 2 / eta**3]
    if link == "identity":
        return [eta, one, 0 * one]
    return None


def wide_log_mean(link, eta):
    """Log mu, also where mu is close to one."""
    mu, *_ = wide_mean(link, eta)
    eta = eta.astype(WIDE)
    if link == "logistic":
        return -np.log1p(np.exp(-eta))
    if link == "probit":
        density = np.exp(-(eta**2) / 2) / np.sqrt(2 * np.pi, dtype=WIDE)
        return np.where(eta > 0, np.log1p(-density / wide_mills(-np.abs(eta))), np.log(mu))
    if link == "cloglog":
        return np.where(eta > 0, np.log1p(-np.exp(-np.exp(eta))), np.log(mu))
    return np.log(mu)


def wide_rest(link, eta):
    """log(1 - mu), and the first two derivatives of mu divided by 1 - mu."""
    mu, slope, bend = wide_mean(link, eta)
    eta = eta.astype(WIDE)
    if link == "logistic":
        return -np.log1p(np.exp(eta)), mu, mu * (1 / (1 + np.exp(eta)) - mu)
    if link == "probit":
        density = np.exp(-(eta**2) / 2) / np.sqrt(2 * np.pi, dtype=WIDE)
        mills = np.where(eta > 0, wide_mills(-np.abs(eta)), density / (1 - mu))
        log_rest = np.where(
            eta > 0,
            -(eta**2) / 2 - np.log(2 * np.pi, dtype=WIDE) / 2 - np.log(mills),
            np.log1p(-mu),
        )
        return log_rest, mills, -eta * mills
    if link == "cloglog":
        e = np.exp(eta)
        return -e, e, e * (1 - e)
    return np.log1p(-mu), slope / (1 - mu), bend / (1 - mu)


def wide_terms(model, link, y, eta):
    """Lists of summands: of the loss, d1, d2 and the expected d2; and factors they contain."""
    mean = wide_mean(link, eta)
    if mean is None:
        return None
    mu, slope_of_mu, bend = mean
    y = y.astype(WIDE)
    log_mu = wide_log_mean(link, eta)
    relative = slope_of_mu / mu
    if model == "Poisson":
        return [
            [mu, -y * log_mu],
            [slope_of_mu, -relative * y],
            [bend, -bend / mu * y, relative**2 * y],
            [relative * slope_of_mu],
        ], [relative**2]
    if model == "Gamma":
        ratio = y / mu
        return [
            [log_mu, ratio],
            [relative, -relative * ratio],
            [bend / mu, -(relative**2), -bend / mu * ratio, 2 * relative**2 * ratio],
            [relative**2],
        ], [1 / mu]
    if model == "Bernoulli":
        log_rest, slope_to_rest, bend_to_rest = wide_rest(link, eta)
        return [
            [-y * log_mu, -(1 - y) * log_rest],
            [-y * relative, (1 - y) * slope_to_rest],
            [
                *(-y * bend / mu, y * relative**2),
                *((1 - y) * bend_to_rest, (1 - y) * slope_to_rest**2),
            ],
            [relative * slope_to_rest],
        ], [relative**2, slope_to_rest**2]
    if model == "NegativeBinomial":
        a = WIDE(PARAMETER)
        share, rest = a * mu / (1 + a * mu), 1 / (1 + a * mu)
        return [
            [np.log1p(a * mu) / a, y * np.log1p(1 / (a * mu))],
            [slope_of_mu * rest, -y * relative * rest],
            [
                *(relative**2 * rest * share * (1 / a + y), bend * rest),
                *(-(relative**2) * share / a, -bend / mu * y * rest, relative**2 * y * rest),
            ],
            [relative**2 * share / a],
        ], [relative**2, np.abs(bend / mu)]
    if model == "Gaussian":
        return [
            [mu**2 / 2, -y * mu, y**2 / 2],
            [mu * slope_of_mu, -y * slope_of_mu],
            [slope_of_mu**2, mu * bend, -y * bend],
            [slope_of_mu**2],
        ], [np.abs(mu), np.abs(bend)]
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
        if link in SHARES:
            # The second derivative of the mean is a difference of two terms of the first's size.
            size += np.abs(wide_mean(link, eta)[1])
        # A factor that overflows may take the product with it, y / mu for a small y for example.
        representable = np.max([size, *factors], axis=0) < LARGEST / 4
        assert np.all(np.isfinite(found[representable]))
        tolerance = 2e-14 * size + 8 * 5e-324 * np.max([1 + 0 * size, *factors], axis=0)
        # exp(x) carries the rounding of x: |x| eps.
        tolerance = tolerance * (1 + np.abs(eta) / 16)
        assert np.all(np.abs(found - value)[representable] <= tolerance[representable])
        beyond = np.abs(value) > 4 * LARGEST
        assert np.all(np.isinf(found[beyond]))


@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_terms_are_never_nan(model, link):
    y = np.array([*observations(model), 1e-300, 1e-5])
    if model not in BELOW_ONE:
        y = np.r_[y, 1e8, 1e300 if model not in ANY_MEAN else 1e150]
    for found in terms(model, link, y[:, None], EXTREME[None]):
        assert not np.any(np.isnan(found))
    # A loss of minus infinity would win every line search.
    assert np.all(terms(model, link, y[:, None], EXTREME[None])[0] > -np.inf)


@pytest.mark.parametrize("model", sorted(set(MODELS) - set(ANY_MEAN)))
@pytest.mark.parametrize("link", ["identity", "reciprocal"])
def test_outside_the_domain_everything_is_infinite(model, link):
    eta = np.array([-745.0, -1.0, -1e-300])
    for found in terms(model, link, np.array(observations(model))[:, None], eta[None]):
        np.testing.assert_array_equal(found, np.inf)


@pytest.mark.parametrize("link", ["identity", "exp", "softplus"])
def test_a_chance_above_one_has_infinite_loss(link):
    (loss, *_) = terms("Bernoulli", link, np.array([0.0, 0.5, 1.0])[:, None], [[1.0001, 3, 700]])
    np.testing.assert_array_equal(loss, np.inf)


def test_a_mean_of_zero_or_infinity_has_infinite_loss():
    for model in MODELS:
        assert terms(model, "identity", 1.0, 0.0)[0] == np.inf or model in ANY_MEAN
        assert terms(model, "reciprocal", 1.0, 0.0)[0] == np.inf


@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_expected_curvature_is_the_expectation_of_the_observed_one(model, link):
    etas = inside(model, link, MODERATE)
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
    assert np.all(expected >= 0)
    assert np.all(expected[np.abs(etas) < 3] > 0)
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
        noise = 1e-15 * np.sum(np.exp(log_p) * np.abs(d2))
        found = np.sum(np.exp(log_p) * d2)
        np.testing.assert_allclose(found, expected[0], rtol=1e-10, atol=noise)
        variance_of_score = np.sum(np.exp(log_p) * d1**2)
        np.testing.assert_allclose(variance_of_score, expected[0], rtol=1e-10)


def test_default_links_are_canonical_where_a_model_has_one_in_use():
    known = {model: facts["canonical_link"] for model, facts in MODELS.items()}
    assert known["Poisson"] == "exp"
    assert known["Gamma"] == "reciprocal"
    assert known["Bernoulli"] == "logistic"
    assert known["NegativeBinomial"] is None
    assert known["Gaussian"] == "identity"
    for model, canonical in known.items():
        assert canonical in (None, MODELS[model]["default_link"])


@pytest.mark.parametrize("model", [m for m in MODELS if MODELS[m]["canonical_link"]])
def test_with_the_canonical_link_both_curvatures_are_one(model):
    link = MODELS[model]["canonical_link"]
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
