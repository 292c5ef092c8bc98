"""Fits against published values and against other packages that were run to full precision."""

import json
from pathlib import Path

import numpy as np
import pytest

from spikeglm.glm import GLM, PopulationGLM
from spikeglm.observation_models import (
    BernoulliObservations,
    GammaObservations,
    GaussianObservations,
    NegativeBinomialObservations,
    PoissonObservations,
)
from spikeglm.proximal_operator import (
    prox_elastic_net,
    prox_group_lasso,
    prox_lasso,
    prox_ridge,
)
from spikeglm.regularizer import GroupLasso

REFERENCE = Path(__file__).parents[1] / "reference"
CLASSIC = json.loads((REFERENCE / "classic_R.json").read_text())
SYNTHETIC = json.loads((REFERENCE / "synthetic_R.json").read_text())

MODELS = {
    "poisson": PoissonObservations,
    "gamma": GammaObservations,
    "binomial": BernoulliObservations,
    "gaussian": GaussianObservations,
}
LINKS = {
    "log": "exp",
    "inverse": "reciprocal",
    "logit": "logistic",
    "probit": "probit",
    "cloglog": "cloglog",
    "identity": "identity",
}

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
    assert set(SYNTHETIC_FITS) == set(SYNTHETIC["fits"])
    assert len(SYNTHETIC_FITS) == 8


def test_coefficients_equal_r(fitted):
    case, model, *_ = fitted
    found = np.concatenate([model.intercept_, model.coef_])
    # With this link both peers stop at a gradient of 4e-7, where ours is 1e-14.
    digits = 2e-8 if case["link"] == "cloglog" else 1e-8
    tolerance = digits * (np.abs(case["coef"]) + np.array(case["se"]))
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
    # R counts rows in the degrees of freedom of a Gaussian, whose weights it takes for precisions.
    own = model.dof_resid_ / (len(y) - model.rank_) if case["family"] == "gaussian" else 1.0
    np.testing.assert_allclose(model.dispersion_ * own, case["dispersion"], rtol=1e-8)
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
    family = case["family"].lower()
    if family == "gaussian":
        # R takes a weight for a precision, and the dispersion deviance / n.
        scale = case["deviance"] / len(y)
        rows = model.observation_model.log_likelihood(
            np.sqrt(weights) * y, np.sqrt(weights) * mu, scale, np.array
        )
        found = rows.sum() + 0.5 * np.log(weights).sum()
        np.testing.assert_allclose(found, case["R_logLik"], rtol=1e-9)
        return
    # R evaluates a Gamma likelihood at the dispersion deviance / n.
    scale = case["deviance"] / len(y) if family == "gamma" else 1.0
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
    "poisson lasso": (
        "yP",
        {"regularizer": "Lasso", "regularizer_strength": 0.05},
        [0.3165927961, -0.2012127736, 0, 0.5064575359],
        -0.4996431084,
        -1.0256443326,
    ),
    "poisson elastic net": (
        "yP",
        {"regularizer": "ElasticNet", "regularizer_strength": (0.05, 0.5)},
        [0.3354487537, -0.2304742484, 0.0205711559, 0.5211810197],
        -0.5220250788,
        -1.0223369180,
    ),
    "poisson group lasso": (
        "yP",
        {
            "regularizer": GroupLasso(np.array([[1, 1, 0, 0], [0, 0, 1, 1]])),
            "regularizer_strength": 0.05,
        },
        [0.3055566202, -0.2147280944, 0.0450398614, 0.4847091672],
        -0.4859811171,
        -1.0258496585,
    ),
    "bernoulli": (
        "yB",
        {"observation_model": "Bernoulli"},
        [0.1926924356, -0.2715877303, 0.140560209, 0.5630304367],
        -0.5125004723,
        -0.6237507376,
    ),
    "gaussian": (
        "yG",
        {"observation_model": "Gaussian"},
        [0.3133390796, -0.1913292551, 0.0055478608, 0.5035758033],
        -0.495431141,
        -0.1763741178,
    ),
    "gaussian ridge": (
        "yG",
        {"observation_model": "Gaussian", "regularizer": "Ridge", "regularizer_strength": 0.1},
        [0.2998804229, -0.1809543591, 0.0054347731, 0.4804814641],
        -0.4936799168,
        None,
    ),
    "negative binomial": (
        "yNB",
        {"observation_model": "NegativeBinomial"},
        [0.3250706449, -0.1998744302, 0.0357080479, 0.4409902568],
        -0.5393479216,
        -1.0982969383,
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
    # In two of them NeMoS stopped 2e-9 from the optimum.
    np.testing.assert_allclose(model.coef_, coef, rtol=0, atol=2e-9)
    np.testing.assert_allclose(model.intercept_, [intercept], rtol=0, atol=2e-9)
    if log_likelihood is not None:
        np.testing.assert_allclose(model.score(X, y), log_likelihood, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("coef", "intercept"),
    [
        ([0.3726268916, -0.2783238709, 0.0535432917, 0.5663201348], -0.5783241947),
        ([0.37277845, -0.27855998, 0.05355372, 0.5665958], -0.5788646),
        ([0.372654341, -0.2783746513, 0.0535483099, 0.5663758097], -0.5784488594),
    ],
)
def test_nothing_that_nemos_stops_at_is_better(nemos_data, coef, intercept):
    """With default tolerances, by gradient descent, in float32, by LBFGS: near the optimum."""
    X, y = nemos_data["X"], nemos_data["yP"]
    model = GLM().fit(X, y)
    least = model.compute_loss((model.coef_, model.intercept_), X, y)
    theirs = model.compute_loss((np.array(coef), np.array([intercept])), X, y)
    assert least < theirs < least + 1e-6


def test_pseudo_r2_of_a_population_is_a_ratio_of_aggregates(nemos_data):
    X, Y = nemos_data["X"], np.c_[nemos_data["yP"], nemos_data["yNB"]]
    model = PopulationGLM().fit(X, Y)
    rate = model.predict(X)
    poisson = PoissonObservations()
    null = np.broadcast_to(Y.mean(axis=0), Y.shape)
    pooled = 1 - poisson.log_likelihood(Y, rate) / poisson.log_likelihood(Y, null)
    np.testing.assert_allclose(model.score(X, Y, "pseudo-r2-McFadden"), pooled, rtol=1e-12)
    deviance, null_deviance = (poisson.deviance(Y, mean).mean() for mean in (rate, null))
    np.testing.assert_allclose(
        model.score(X, Y, "pseudo-r2-Cohen"), 1 - deviance / null_deviance, rtol=1e-12
    )
    np.testing.assert_allclose(
        poisson.likelihood(Y, rate), np.exp(poisson.log_likelihood(Y, rate)), rtol=1e-14
    )


def test_a_population_equals_nemos(nemos_data):
    X, Y = nemos_data["X"], np.c_[nemos_data["yP"], nemos_data["yNB"]]
    model = PopulationGLM(regularizer="Ridge", regularizer_strength=0.1).fit(X, Y)
    for i, name in enumerate(["poisson ridge", "negative binomial counts as poisson ridge"]):
        np.testing.assert_allclose(model.coef_[:, i], NEMOS_FITS[name][2], rtol=0, atol=1e-9)
        np.testing.assert_allclose(model.intercept_[i], NEMOS_FITS[name][3], rtol=0, atol=1e-9)
    np.testing.assert_allclose(model.score(X, Y), -1.0613804866, rtol=0, atol=1e-9)
    each = model.score(X, Y, aggregate_sample_scores=lambda scores: scores.mean(0))
    np.testing.assert_allclose(each, [-1.0223073457, -1.1004536275], rtol=0, atol=1e-9)


def test_gaussian_scale_equals_nemos(nemos_data):
    model = GLM("Gaussian").fit(nemos_data["X"], nemos_data["yG"])
    np.testing.assert_allclose(model.scale_, 0.0841521482, rtol=0, atol=1e-10)
    assert model.dof_resid_ == 495


def test_rows_without_features_do_not_count(nemos_data):
    """NeMoS counts the rows that it drops: 499 degrees of freedom here."""
    X, y = nemos_data["X"].copy(), nemos_data["yG"]
    X[:20] = np.nan
    model = GLM("Gaussian").fit(X, y)
    assert model.dof_resid_ == 475
    residuals = y[20:] - model.predict(X[20:])
    np.testing.assert_allclose(model.scale_, np.sum(residuals**2) / 475, rtol=1e-12)


def test_proximal_operators_equal_nemos():
    x = np.array([1.0, -2.0])
    np.testing.assert_allclose(prox_ridge(x, 0.5, 0.1), [0.9523809524, -1.9047619048], atol=6e-11)
    small = np.array([1.0, -0.02])
    np.testing.assert_allclose(prox_lasso(small, 0.5, 0.1), [0.95, 0.0], atol=6e-11)
    np.testing.assert_allclose(
        prox_elastic_net(small, (0.5, 0.5), 0.1), [0.9512195122, 0.0], atol=6e-11
    )
    grouped = prox_group_lasso(
        np.array([1.0, -2.0, 0.01]), 0.5, np.array([[1, 1, 0], [0, 0, 1]]), 0.1
    )
    np.testing.assert_allclose(grouped, [0.9683772234, -1.9367544468, 0.0], atol=6e-11)
    assert not np.any(np.signbit(grouped[2:]))


@pytest.mark.parametrize("i", range(len(SYNTHETIC["paths"])))
def test_paths_equal_glmnet(i):
    case = SYNTHETIC["paths"][i]
    X = np.array(SYNTHETIC["X"])[:, : len(case["coef"])]
    y = np.array(SYNTHETIC["y"][case["family"]])
    model = GLM(
        MODELS[case["family"]](),
        regularizer="ElasticNet",
        regularizer_strength=(case["strength"], case["alpha"]),
    ).fit(X, y)
    np.testing.assert_allclose(model.coef_, case["coef"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(model.intercept_, [case["intercept"]], rtol=1e-6, atol=1e-6)
    assert np.array_equal(model.coef_ == 0.0, np.array(case["coef"]) == 0.0)


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


def test_other_quantities_equal_nemos():
    negative_binomial = NegativeBinomialObservations(scale=0.5)
    gaussian = GaussianObservations()
    for found, expected in [
        (negative_binomial.log_likelihood(OBSERVED, RATE), -1.5155006280),
        (negative_binomial.pseudo_r2(OBSERVED, RATE), 0.1924690307),
        (negative_binomial.pseudo_r2(OBSERVED, RATE, "pseudo-r2-Cohen"), 0.6507272260),
        (gaussian.log_likelihood(OBSERVED, RATE, 0.5), -1.1973649429),
        (
            BernoulliObservations().log_likelihood([0.0, 1.0, 1.0, 0.0], [0.2, 0.7, 0.4, 0.9]),
            -0.9496735800,
        ),
    ]:
        np.testing.assert_allclose(found, expected, rtol=0, atol=6e-11)


def test_the_scale_of_a_likelihood_is_the_one_given():
    """NeMoS mixes a scale that is passed with the model's own."""
    model = NegativeBinomialObservations(scale=2.0)
    np.testing.assert_allclose(
        model.log_likelihood(OBSERVED, RATE, scale=0.5), -1.5155006280, rtol=0, atol=6e-11
    )


def test_likelihoods_equal_scipy():
    """To 1e-12 of the largest of their terms; scipy's own gammaln has no more."""
    from scipy import stats

    rng = np.random.default_rng(5)
    mu = np.exp(rng.normal(size=200) * 3)

    def compare(model, y, mean, expected, scale=None):
        found = model.log_likelihood(y, mean, scale, aggregate_sample_scores=np.array)
        size = 1.0 + np.abs(expected) + np.abs(y * np.log(mean)) + np.abs(y)
        assert np.all(np.abs(found - expected) <= 1e-12 * size)

    counts = rng.poisson(mu).astype(float)
    compare(PoissonObservations(), counts, mu, stats.poisson.logpmf(counts, mu))
    positive = rng.gamma(2.0, mu / 2.0)
    real = rng.normal(mu)
    for scale in (0.1, 1.0, 7.5):
        expected = stats.gamma.logpdf(positive, 1 / scale, scale=mu * scale)
        compare(GammaObservations(), positive, mu, expected, scale)
        expected = stats.norm.logpdf(real, mu, np.sqrt(scale))
        compare(GaussianObservations(), real, mu, expected, scale)
        r = 1 / scale
        expected = stats.nbinom.logpmf(counts, r, r / (r + mu))
        compare(NegativeBinomialObservations(scale), counts, mu, expected)
    share = rng.uniform(size=200)
    events = rng.binomial(1, share).astype(float)
    expected = stats.bernoulli.logpmf(events, share)
    compare(BernoulliObservations(), events, share, expected)
