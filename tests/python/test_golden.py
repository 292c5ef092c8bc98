"""Fits against published values and against other packages that were run to full precision."""

import json
from pathlib import Path

import numpy as np
import pytest

from spikeglm.glm import GLM
from spikeglm.observation_models import GammaObservations, PoissonObservations

REFERENCE = Path(__file__).parents[1] / "reference"
CLASSIC = json.loads((REFERENCE / "classic_R.json").read_text())
SYNTHETIC = json.loads((REFERENCE / "synthetic_R.json").read_text())

MODELS = {"poisson": PoissonObservations, "gamma": GammaObservations}
LINKS = {"log": "exp", "inverse": "reciprocal"}

CLASSIC_FITS = sorted(set(CLASSIC) - {"versions"})
SYNTHETIC_FITS = sorted(
    name for name, fit in SYNTHETIC["fits"].items() if fit["family"].lower() in MODELS
)


def classic_case(name):
    case = CLASSIC[name]
    X = np.array(case["X"], dtype=float)
    np.testing.assert_array_equal(X[:, 0], 1.0)
    return case, X[:, 1:], np.array(case["y"], dtype=float), None, None


def synthetic_case(name):
    case = SYNTHETIC["fits"][name]
    X = np.array(SYNTHETIC["X"])[:, : case["columns"]]
    y = np.array(SYNTHETIC["y"][case["y"]], dtype=float)
    offset = np.array(SYNTHETIC["offset"]) if case["offset"] else None
    weights = np.array(SYNTHETIC["weights"], dtype=float) if case["weights"] else None
    return case, X, y, offset, weights


CASES = dict.fromkeys(CLASSIC_FITS, classic_case) | dict.fromkeys(SYNTHETIC_FITS, synthetic_case)


@pytest.fixture(scope="module", params=CASES)
def fitted(request):
    case, X, y, offset, weights = CASES[request.param](request.param)
    model = GLM(MODELS[case["family"].lower()](), LINKS[case["link"]])
    model.fit(X, y, sample_weight=weights, offset=offset)
    weights = np.ones(len(y)) if weights is None else weights
    return case, model, X, y, offset, weights


def test_cases_are_the_expected_ones():
    assert len(CLASSIC_FITS) == 6
    assert SYNTHETIC_FITS == ["gamma_inverse", "gamma_log", "poisson", "poisson_offset_weights"]


def test_coefficients_equal_r(fitted):
    case, model, *_ = fitted
    found = np.concatenate([model.intercept_, model.coef_])
    tolerance = 1e-8 * (np.abs(case["coef"]) + np.array(case["se"]))
    assert np.all(np.abs(found - case["coef"]) <= tolerance)


def test_fit_is_certified(fitted):
    _, model, X, *_ = fitted
    assert model.converged_
    assert model.status_ == "converged"
    assert model.kkt_ <= 1e-8
    assert model.rank_ == X.shape[1] + 1
    assert model.aliased_.size == 0
    assert model.n_dropped_ == 0


def test_deviance_and_dispersion_equal_r(fitted):
    case, model, X, y, offset, weights = fitted
    mu = model.predict(X, offset=offset)
    if "fitted" in case:
        np.testing.assert_allclose(mu, case["fitted"], rtol=1e-8)
    deviance = np.sum(weights * model.observation_model.deviance(y, mu))
    np.testing.assert_allclose(deviance, case["deviance"], rtol=1e-9)
    np.testing.assert_allclose(model.dispersion_, case["dispersion"], rtol=1e-8)
    assert model.scale_ == model.dispersion_
    assert model.dof_resid_ == weights.sum() - len(case["coef"])
    if "df_residual" in case:
        assert model.dof_resid_ == case["df_residual"]
    null = GLM(model.observation_model, model.inverse_link_function)
    null.fit(X[:, :0], y, sample_weight=weights, offset=offset)
    null_mu = null.predict(X[:, :0], offset=offset)
    np.testing.assert_allclose(
        np.sum(weights * model.observation_model.deviance(y, null_mu)),
        case["null_deviance"],
        rtol=1e-9,
    )


def test_estimate_scale_equals_dispersion(fitted):
    _, model, X, y, offset, weights = fitted
    if not np.all(weights == 1.0):
        return
    scale = model.observation_model.estimate_scale(
        y, model.predict(X, offset=offset), model.dof_resid_
    )
    np.testing.assert_allclose(scale, model.dispersion_, rtol=1e-12)


def test_log_likelihood_equals_r(fitted):
    case, model, X, y, offset, weights = fitted
    mu = model.predict(X, offset=offset)
    # R evaluates a Gamma likelihood at the dispersion deviance / n.
    scale = case["deviance"] / len(y) if case["family"].lower() == "gamma" else 1.0
    rows = model.observation_model.log_likelihood(y, mu, scale, aggregate_sample_scores=np.array)
    expected = case["logLik"] if "logLik" in case else case["R_logLik"]
    np.testing.assert_allclose(np.sum(weights * rows), expected, rtol=1e-9)
    if "aic" in case:
        n_parameters = len(case["coef"]) + (case["family"].lower() == "gamma")
        np.testing.assert_allclose(
            2 * n_parameters - 2 * np.sum(weights * rows), case["aic"], rtol=1e-9
        )


@pytest.mark.parametrize(
    ("name", "coef", "extra"),
    [
        ("dobson_poisson", [3.045, -4.543e-01, -2.930e-01, 0.0, 0.0], {"deviance": 5.1291}),
        ("clotting_lot1_gamma", [-0.01655438, 0.01534311], {"dispersion_": 0.002446059}),
    ],
)
def test_printed_values_of_textbooks(name, coef, extra):
    case, X, y, *_ = classic_case(name)
    model = GLM(MODELS[case["family"].lower()](), LINKS[case["link"]]).fit(X, y)
    np.testing.assert_allclose(np.r_[model.intercept_, model.coef_], coef, rtol=2e-4, atol=1e-9)
    if "deviance" in extra:
        total = model.observation_model.deviance(y, model.predict(X)).sum()
        np.testing.assert_allclose(total, extra["deviance"], atol=5e-5)
    else:
        # Printed from a fit with R's default tolerance of 1e-8, which leaves five digits here.
        np.testing.assert_allclose(model.dispersion_, extra["dispersion_"], rtol=2e-5)


# NeMoS 0.2.8, float64, tolerance 1e-12: ten digits.


@pytest.fixture(scope="module")
def nemos_data():
    with np.load(REFERENCE / "nemos_refdata.npz") as data:
        return dict(data)


NEMOS_FITS = {
    "poisson": (
        "yP",
        {},
        [0.3726565277, -0.2783741736, 0.0535456356, 0.5663750241],
        -0.5784502709,
        -1.0196987852202,
    ),
    "poisson ridge": (
        "yP",
        {"regularizer": "Ridge", "regularizer_strength": 0.1},
        [0.334889136, -0.2399583845, 0.047015629, 0.5074185342],
        -0.5160515682,
        -1.0223073457,
    ),
    "negative binomial counts as poisson ridge": (
        "yNB",
        {"regularizer": "Ridge", "regularizer_strength": 0.1},
        [0.3126487486, -0.210328767, 0.0211448163, 0.404519686],
        -0.5103614068,
        -1.1004536275,
    ),
    "gamma exp": (
        "yGa",
        {"observation_model": "Gamma", "inverse_link_function": "exp"},
        [0.2929553401, -0.1679884219, -0.0133166427, 0.5236814474],
        -0.4583816412,
        -0.4494730465,
    ),
}


@pytest.mark.parametrize("name", NEMOS_FITS)
def test_fits_equal_nemos(nemos_data, name):
    target, settings, coef, intercept, log_likelihood = NEMOS_FITS[name]
    X, y = nemos_data["X"], nemos_data[target]
    model = GLM(**settings).fit(X, y)
    np.testing.assert_allclose(model.coef_, coef, rtol=0, atol=1e-9)
    np.testing.assert_allclose(model.intercept_, [intercept], rtol=0, atol=1e-9)
    np.testing.assert_allclose(model.score(X, y), log_likelihood, rtol=0, atol=1e-9)


def test_scores_equal_nemos(nemos_data):
    X, y = nemos_data["X"], nemos_data["yP"]
    model = GLM().fit(X, y)
    np.testing.assert_allclose(model.score(X, y), -1.0196987852202, rtol=0, atol=1e-12)
    for score_type, expected in [
        ("pseudo-r2-McFadden", 0.17748938959),
        ("pseudo-r2-Cohen", 0.32245801231),
    ]:
        np.testing.assert_allclose(model.score(X, y, score_type), expected, rtol=0, atol=1e-11)


def test_gamma_scale_equals_nemos(nemos_data):
    X, y = nemos_data["X"], nemos_data["yGa"]
    model = GLM("Gamma", "exp").fit(X, y)
    np.testing.assert_allclose(model.scale_, 0.4833452157, rtol=0, atol=1e-9)
    assert model.dof_resid_ == 495


OBSERVED = np.array([0.0, 1.0, 2.0, 5.0])
RATE = np.array([0.5, 1.5, 1.0, 4.0])


def test_poisson_quantities_equal_nemos():
    model = PoissonObservations()
    for found, expected in [
        (model.log_likelihood(OBSERVED, RATE), -1.2859255024),
        (model.pseudo_r2(OBSERVED, RATE), 0.3518080803),
        (model.pseudo_r2(OBSERVED, RATE, "pseudo-r2-Cohen"), 0.7179885342),
    ]:
        np.testing.assert_allclose(found, expected, rtol=0, atol=6e-11)


def test_gamma_quantities_equal_nemos():
    model = GammaObservations()
    np.testing.assert_allclose(
        model.log_likelihood(OBSERVED + 0.5, RATE, 0.5), -1.5171725953, rtol=0, atol=6e-11
    )
    assert model.estimate_scale(OBSERVED + 0.5, RATE, 2) == 1.1953125


def test_likelihoods_equal_scipy():
    from scipy import stats

    rng = np.random.default_rng(5)
    mu = np.exp(rng.normal(size=50) * 3)
    counts = rng.poisson(mu).astype(float)
    np.testing.assert_allclose(
        PoissonObservations().log_likelihood(counts, mu, aggregate_sample_scores=np.array),
        stats.poisson.logpmf(counts, mu),
        rtol=1e-11,
        atol=1e-11,
    )
    positive = rng.gamma(2.0, mu / 2.0)
    for scale in (0.1, 1.0, 7.5):
        np.testing.assert_allclose(
            GammaObservations().log_likelihood(
                positive, mu, scale, aggregate_sample_scores=np.array
            ),
            stats.gamma.logpdf(positive, 1 / scale, scale=mu * scale),
            rtol=1e-10,
            atol=1e-10,
        )
