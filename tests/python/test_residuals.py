"""Residuals and calibration: formulas, laws that they must follow, refusals."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats
from scipy.special import xlogy

from spikeglm.glm import GLM, PopulationGLM
from spikeglm.goodness_of_fit import (
    calibration,
    deviance_residuals,
    pearson_residuals,
    quantile_residuals,
)
from spikeglm.observation_models import CustomObservations, NegativeBinomialObservations

MODELS = ["Poisson", "Gamma", "Bernoulli", "NegativeBinomial", "Gaussian"]
PHI = {"Poisson": None, "Gamma": 0.4, "Bernoulli": None, "NegativeBinomial": 0.7, "Gaussian": 2.5}
INVERSE_GAUSSIAN = CustomObservations(
    loss=lambda y, mu: (y - mu) ** 2 / (2 * y * mu**2),
    first=lambda y, mu: (mu - y) / mu**3,
    second=lambda y, mu: (3 * y - 2 * mu) / mu**4,
    variance=lambda mu: mu**3,
    estimates_dispersion=True,
    support=lambda y: y > 0,
)


def drawn(model, n, rng):
    """Return y and its mean, drawn by scipy."""
    mu = rng.uniform(0.05, 0.95, n) if model == "Bernoulli" else rng.uniform(0.1, 4.0, n)
    phi = PHI[model]
    law = {
        "Poisson": lambda: stats.poisson(mu),
        "Gamma": lambda: stats.gamma(1 / phi, scale=mu * phi),
        "Bernoulli": lambda: stats.bernoulli(mu),
        "NegativeBinomial": lambda: stats.nbinom(1 / phi, 1 / (1 + phi * mu)),
        "Gaussian": lambda: stats.norm(mu, np.sqrt(phi)),
    }[model]()
    return law.rvs(random_state=rng).astype(float), mu, law


def deviance(model, y, mu, phi):
    if model == "Poisson":
        return 2 * (xlogy(y, y / mu) - (y - mu))
    if model == "Gamma":
        return 2 * ((y - mu) / mu - np.log(y / mu)) / phi
    if model == "Bernoulli":
        return -2 * (xlogy(y, mu) + xlogy(1 - y, 1 - mu))
    if model == "NegativeBinomial":
        return 2 * (xlogy(y, y / mu) - (y + 1 / phi) * np.log((1 + phi * y) / (1 + phi * mu)))
    return (y - mu) ** 2 / phi


@pytest.mark.parametrize("model", MODELS)
def test_deviance_residuals_are_the_formulas(model):
    y, mu, _ = drawn(model, 300, np.random.default_rng(1))
    expected = np.sign(y - mu) * np.sqrt(deviance(model, y, mu, PHI[model]))
    found = deviance_residuals(y, mu, model, PHI[model])
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_pearson_residuals_have_the_variance_of_the_model(model):
    y, mu, law = drawn(model, 300, np.random.default_rng(2))
    expected = (y - law.mean()) / law.std()
    np.testing.assert_allclose(pearson_residuals(y, mu, model, PHI[model]), expected, rtol=1e-10)


@pytest.mark.parametrize("model", MODELS)
def test_quantile_residuals_are_normal(model):
    rng = np.random.default_rng(1996)
    y, mu, _ = drawn(model, 20_000, rng)
    residuals = quantile_residuals(y, mu, model, PHI[model], rng=rng)
    assert stats.kstest(residuals, "norm").pvalue > 0.01
    # And in each part of the range of the mean.
    for part in np.array_split(residuals[np.argsort(mu)], 4):
        assert stats.kstest(part, "norm").pvalue > 0.001


@pytest.mark.parametrize("model", ["Poisson", "NegativeBinomial", "Gamma", "Gaussian"])
def test_quantile_residuals_show_what_is_wrong(model):
    rng = np.random.default_rng(7)
    y, mu, _ = drawn(model, 5000, rng)
    assert stats.kstest(quantile_residuals(y, 1.3 * mu, model, PHI[model], rng=1), "norm")[1] < 1e-6


@pytest.mark.parametrize("model", ["Poisson", "Bernoulli", "NegativeBinomial"])
def test_quantile_residuals_lie_between_the_quantiles(model):
    y, mu, law = drawn(model, 500, np.random.default_rng(3))
    found = quantile_residuals(y, mu, model, PHI[model], rng=4)
    assert np.all(found >= stats.norm.ppf(law.cdf(y - 1)) - 1e-9)
    assert np.all(found <= stats.norm.ppf(law.cdf(y)) + 1e-9)
    assert np.array_equal(found, quantile_residuals(y, mu, model, PHI[model], rng=4))
    assert not np.array_equal(found, quantile_residuals(y, mu, model, PHI[model]))


def test_quantile_residuals_far_out_keep_their_digits():
    found = quantile_residuals([9.0, -9.0, 40.0], [0.0, 0.0, 0.0], "Gaussian", 1.0)
    np.testing.assert_allclose(found[:2], [9.0, -9.0], rtol=1e-10)
    assert 30 < found[2] <= np.inf
    (many,) = quantile_residuals([60.0], [1.0], rng=0)
    assert (
        stats.norm.isf(stats.poisson.sf(59, 1.0))
        <= many
        <= stats.norm.isf(stats.poisson.sf(60, 1.0))
    )
    assert quantile_residuals([1.0], [0.0], rng=0)[0] == np.inf


def test_populations_and_nan():
    rng = np.random.default_rng(5)
    mu = rng.uniform(0.5, 2, (50, 3))
    y = rng.gamma(2.0, mu / 2)
    y[4, 1] = np.nan
    phi = np.array([0.5, 0.4, 0.6])
    for residuals in (deviance_residuals, pearson_residuals, quantile_residuals):
        together = residuals(y, mu, "Gamma", phi)
        for i in range(3):
            np.testing.assert_allclose(
                together[:, i], residuals(y[:, i], mu[:, i], "Gamma", phi[i]), rtol=1e-13
            )
        assert np.flatnonzero(np.isnan(together)).tolist() == [13]


def test_residuals_of_a_fit():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(2000, 2))
    y = rng.poisson(np.exp(X @ [0.4, -0.3]))
    model = GLM().fit(X, y)
    rate = model.predict(X)
    # The score equations of the canonical link, and the total deviance.
    assert np.abs(X.T @ (pearson_residuals(y, rate) * np.sqrt(rate))).max() < 1e-6
    total = 2 * np.sum(xlogy(y, y / rate) - (y - rate))
    assert np.sum(deviance_residuals(y, rate) ** 2) == pytest.approx(total, rel=1e-10)
    several = PopulationGLM("Gamma", "exp").fit(X, rng.gamma(2.0, np.exp(X)))
    found = pearson_residuals(
        rng.gamma(2.0, np.exp(X)), several.predict(X), "Gamma", several.dispersion_
    )
    assert found.std() == pytest.approx(1.0, abs=0.1)


def test_models_of_ones_own():
    y, mu = np.array([0.5, 2.0, np.nan]), np.array([1.0, 1.5, 1.0])
    found = pearson_residuals(y, mu, INVERSE_GAUSSIAN, 0.5)
    np.testing.assert_allclose(found, (y - mu) / np.sqrt(0.5 * mu**3))
    found = deviance_residuals(y, mu, INVERSE_GAUSSIAN)
    np.testing.assert_allclose(found, np.sign(y - mu) * np.abs(y - mu) / (mu * np.sqrt(y)))
    with pytest.raises(TypeError, match="need a distribution function"):
        quantile_residuals(y, mu, INVERSE_GAUSSIAN)
    nb = NegativeBinomialObservations(scale=0.3)
    np.testing.assert_allclose(
        pearson_residuals([3.0], [1.0], nb), [2.0 / np.sqrt(1.3)], rtol=1e-14
    )


@pytest.mark.parametrize(
    ("y", "rate", "model", "scale", "message"),
    [
        ([1, 2], [1.0], "Poisson", None, r"same shape.*\(2,\) and \(1,\)"),
        ([1, -2], [1.0, 1.0], "Poisson", None, "y of a Poisson model cannot be -2; 1 such"),
        ([1.0, 0.0], [1.0, 1.0], "Gamma", 1.0, "y of a Gamma model cannot be 0"),
        ([1, 2], [0.5, 0.5], "Bernoulli", None, "y of a Bernoulli model cannot be 2"),
        ([1, 1], [0.5, 1.5], "Bernoulli", None, "rate of a Bernoulli model cannot be 1.5"),
        ([1, 1], [0.5, 1.5], "Gaussian", -1.0, "`scale` must be above 0"),
        ([1, 1], [0.5, 1.5], "Gaussian", [1.0, 1.0], "one number, or one per neuron"),
    ],
)
@pytest.mark.parametrize("residuals", [deviance_residuals, pearson_residuals, quantile_residuals])
def test_refusals(residuals, y, rate, model, scale, message):
    with pytest.raises(ValueError, match=message):
        residuals(y, rate, model, scale)


def test_refusals_of_quantile_residuals():
    with pytest.raises(ValueError, match=r"need whole counts, got 0\.5"):
        quantile_residuals([0.5], [1.0])
    with pytest.raises(ValueError, match="need its dispersion"):
        quantile_residuals([0.5], [1.0], "Gamma")


@pytest.fixture
def predictions():
    rng = np.random.default_rng(11)
    rate = rng.uniform(0.05, 0.9, 1000)
    return rng.poisson(rate).astype(float), rate


def test_calibration_groups_and_garwood_intervals(predictions):
    y, rate = predictions
    found = calibration(y, rate, n_groups=4, level=0.9)
    order = np.argsort(rate)
    groups = np.array_split(order, 4)
    assert found.n_samples.sum() == 1000
    assert np.ptp(found.n_samples) <= 2
    np.testing.assert_allclose(found.predicted, [rate[g].mean() for g in groups], rtol=0.01)
    total = np.round(found.observed * found.n_samples)
    np.testing.assert_allclose(total.sum(), y.sum())
    np.testing.assert_allclose(found.low, stats.chi2.ppf(0.05, 2 * total) / 2 / found.n_samples)
    np.testing.assert_allclose(
        found.high, stats.chi2.ppf(0.95, 2 * total + 2) / 2 / found.n_samples
    )


def test_calibration_of_other_models():
    rng = np.random.default_rng(12)
    y, rate = rng.binomial(1, 0.3, 60).astype(float), np.full(60, 0.3)
    found = calibration(y, rate, "Bernoulli")
    interval = stats.binomtest(int(y.sum()), 60).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose([found.low[0], found.high[0]], [interval.low, interval.high])
    none, all_ = (calibration(np.full(60, v), rate, "Bernoulli") for v in (0.0, 1.0))
    assert (none.low[0], all_.high[0]) == (0.0, 1.0)
    y = rng.normal(size=60)
    found = calibration(y, rate, "Gaussian")
    expected = stats.ttest_1samp(y, 0).confidence_interval(0.95)
    np.testing.assert_allclose([found.low[0], found.high[0]], expected)


@pytest.mark.parametrize("model", ["Poisson", "Bernoulli", "Gamma"])
def test_calibration_intervals_cover(model):
    rng = np.random.default_rng(13)
    covered = []
    for _ in range(200):
        y, mu, _ = drawn(model, 400, rng)
        found = calibration(y, mu, model, n_groups=5)
        covered.append((found.low <= found.predicted) & (found.predicted <= found.high))
    assert np.mean(covered) > 0.925


def test_calibration_of_ties_nan_and_populations(predictions):
    y, rate = predictions
    found = calibration([1.0, 0.0, 2.0, 1.0], [1.0, 1.0, 1.0, 5.0], n_groups=3)
    assert found.predicted.tolist() == [1.0, 5.0]
    assert found.n_samples.tolist() == [3, 1]
    both = calibration(np.c_[y[:500], y[500:]], np.c_[rate[:500], rate[500:]])
    np.testing.assert_allclose(both.observed, calibration(y, rate).observed)
    gap = np.r_[y, np.nan]
    np.testing.assert_array_equal(calibration(gap, np.r_[rate, 0.1]).low, calibration(y, rate).low)
    with pytest.raises(ValueError, match="there are none"):
        calibration([np.nan], [1.0])
    with pytest.raises(ValueError, match="`level` must be between 0 and 1"):
        calibration(y, rate, level=95)


def test_calibration_picture(predictions):
    found = calibration(*predictions, n_groups=6)
    ax = plt.figure().add_subplot()
    assert found.plot(ax, bin_size=0.01) is ax
    (container,) = ax.containers
    points, _, (bars,) = container.lines
    np.testing.assert_allclose(points.get_xdata(), found.predicted / 0.01)
    np.testing.assert_allclose(points.get_ydata(), found.observed / 0.01)
    ends = np.array(bars.get_segments())
    np.testing.assert_allclose(ends[:, :, 1], np.c_[found.low, found.high] / 0.01)
    assert ax.get_xlabel() == "predicted mean (spikes/s)"
    assert ax.get_ylabel() == "observed mean (spikes/s)"
    assert ax.get_xlim()[0] == 0.0
    assert ax.get_ylim()[1] > found.high.max() / 0.01
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "perfect",
        "observed, 95 % interval",
    ]
    assert found.plot(plt.figure().add_subplot()).get_xlabel() == "predicted mean (per bin)"
    plt.close("all")
