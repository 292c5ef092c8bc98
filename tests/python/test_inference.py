"""Standard errors, intervals, tests and bands against published and independent values."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import spikeglm as nmo
from spikeglm.exceptions import SeparationWarning, SilentNeuronWarning

REFERENCE = Path(__file__).parents[1] / "reference"
SYNTHETIC = json.loads((REFERENCE / "synthetic_R.json").read_text())
CLASSIC = json.loads((REFERENCE / "classic_R.json").read_text())
PLACE = json.loads((REFERENCE / "place_cell.json").read_text())
MODELS = {
    "poisson": "Poisson",
    "binomial": "Bernoulli",
    "gamma": "Gamma",
    "Gamma": "Gamma",
    "gaussian": "Gaussian",
}
LINKS = {
    "log": "exp",
    "logit": "logistic",
    "probit": "probit",
    "cloglog": "cloglog",
    "inverse": "reciprocal",
    "identity": "identity",
}


def data(n=400, p=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 0.3
    y = rng.poisson(np.exp(X @ np.linspace(0.4, -0.3, p) - 0.5)).astype(float)
    return X, y


def with_intercept(X):
    return np.hstack([X, np.ones((len(X), 1))])


def all_errors(inference):
    return np.append(inference.standard_errors, inference.intercept_standard_errors)


@pytest.mark.parametrize("name", SYNTHETIC["fits"])
def test_synthetic_references(name):
    fit = SYNTHETIC["fits"][name]
    X = np.array(SYNTHETIC["X"], float)[:, : fit["columns"]]
    y = np.array(SYNTHETIC["y"][fit["y"]], float)
    weight = np.array(SYNTHETIC["weights"], float) if fit["weights"] else None
    offset = np.array(SYNTHETIC["offset"], float) if fit["offset"] else None
    model = nmo.glm.GLM(MODELS[fit["family"]], LINKS[fit["link"]])
    model.fit(X, y, sample_weight=weight, offset=offset)
    inference = model.inference()
    found = np.append(inference.intercept_standard_errors, inference.standard_errors)
    assert_allclose(inference.deviance, fit["deviance"], rtol=1e-9)
    assert_allclose(inference.null_deviance, fit["null_deviance"], rtol=1e-9)
    if name == "gaussian":
        # Weights count rows here, R's are precisions: the same up to the degrees of freedom.
        assert weight is not None
        dof = np.array([len(y), weight.sum()]) - len(fit["coef"])
        assert_allclose(found * np.sqrt(dof[1] / dof[0]), fit["se"], rtol=1e-6)
        return
    assert_allclose(found, fit["se"], rtol=1e-6)
    assert_allclose(inference.log_likelihood, fit["R_logLik"], rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in CLASSIC if name != "versions"])
def test_classic_references(name):
    fit = CLASSIC[name]
    if fit["family"] not in MODELS:
        pytest.fail(f"unknown family {fit['family']}")
    X, y = np.array(fit["X"], float), np.array(fit["y"], float)
    constant = np.ptp(X, axis=0) == 0.0
    model = nmo.glm.GLM(MODELS[fit["family"]], LINKS[fit["link"]]).fit(X[:, ~constant], y)
    inference = model.inference()
    expected = np.array(fit["se"], float)
    assert_allclose(inference.standard_errors, expected[~constant], rtol=1e-6)
    assert_allclose(inference.intercept_standard_errors, expected[constant], rtol=1e-6)
    assert_allclose(inference.deviance, fit["deviance"], rtol=1e-8)
    assert_allclose(inference.null_deviance, fit["null_deviance"], rtol=1e-8)
    assert_allclose(inference.aic, fit["aic"], rtol=1e-8)
    assert_allclose(inference.bic, fit["bic"], rtol=1e-8)
    ratios = np.abs(np.array(fit["coef"], float)) / expected
    dof = len(y) - len(expected)
    tails = stats.t.sf(ratios, dof) if fit["family"] == "Gamma" else stats.norm.sf(ratios)
    # Coefficients that are zero to rounding have no digits to compare.
    assert_allclose(inference.pvalues, 2.0 * tails[~constant], rtol=1e-6, atol=1e-10)


def test_place_cell():
    cell = nmo.datasets.load_place_cell()
    columns = np.column_stack([cell.position, cell.position**2, cell.direction])
    models = {
        f"place_m{p + 1}": nmo.glm.GLM().fit(columns[:, :p], cell.spike_counts) for p in (1, 2, 3)
    }
    for name, model in models.items():
        inference = model.inference()
        expected = PLACE[name]
        errors = np.append(inference.intercept_standard_errors, inference.standard_errors)
        assert_allclose(errors, expected["se"], rtol=1e-6)
        pvalues = np.append(inference.intercept_pvalues, inference.pvalues)
        assert_allclose(pvalues[1:], expected["pvalues"][1:], rtol=2e-6)
        assert_allclose(inference.aic, expected["aic"], rtol=1e-9)
    m2, m3, m4 = models.values()
    published = PLACE["place_m3"]["published"]
    assert abs(m2.inference().aic - m3.inference().aic - published["dAIC_2_3"]) < 1e-3
    assert_allclose(m3.inference().pvalues[1], published["p_beta2"], rtol=5e-6)
    published = PLACE["place_m4"]["published"]
    difference = m3.inference().aic - m4.inference().aic
    assert abs(difference - published["dAIC_3_4_output"]) < 1e-3
    # The book takes two standard errors.
    interval = m4.conf_int(level=2.0 * stats.norm.cdf(2.0) - 1.0)[2]
    assert_allclose(interval, published["CI_beta3"], rtol=2e-6)
    assert_allclose(m4.inference().pvalues[2], published["p_beta3"], rtol=5e-6)
    test = m4.likelihood_ratio_test(m3)
    assert test.df == 1
    assert_allclose(test.statistic, PLACE["place_m3"]["deviance"] - PLACE["place_m4"]["deviance"])


def test_robust_and_hac_equal_their_formulas():
    X, y = data()
    model = nmo.glm.GLM(solver_kwargs={"tol": 1e-12}).fit(X, y)
    Z = with_intercept(X)
    mu = model.predict(X)
    bread = np.linalg.inv(Z.T * mu @ Z)
    scores = Z * (y - mu)[:, None]
    expected = np.sqrt(np.diag(bread @ scores.T @ scores @ bread))
    assert_allclose(all_errors(model.inference(covariance="robust")), expected, rtol=1e-7)
    for lags in (1, 7, 130):
        meat = scores.T @ scores
        for lag in range(1, lags + 1):
            product = scores[lag:].T @ scores[:-lag]
            meat = meat + (1 - lag / (lags + 1)) * (product + product.T)
        expected = np.sqrt(np.diag(bread @ meat @ bread))
        found = all_errors(model.inference(covariance="hac", lags=lags))
        assert_allclose(found, expected, rtol=1e-7)


def test_correlation_ends_at_gaps_and_epochs():
    import pynapple as nap

    X, y = data()
    y[150] = np.nan
    t = np.arange(400.0)
    epochs = nap.IntervalSet([0.0, 250.0], [249.0, 399.0])
    frame = nap.TsdFrame(t, X, time_support=epochs)
    counts = nap.Tsd(t, y, time_support=epochs)
    model = nmo.glm.GLM(solver_kwargs={"tol": 1e-12}).fit(frame, counts)
    used = ~np.isnan(y)
    Z = with_intercept(X)
    mu = np.asarray(model.predict(X))
    bread = np.linalg.inv((Z[used].T * mu[used]) @ Z[used])
    scores = Z * (y - mu)[:, None]
    lags = 5
    meat = np.zeros((4, 4))
    for chain in (slice(0, 150), slice(151, 250), slice(250, 400)):
        own = scores[chain]
        meat += own.T @ own
        for lag in range(1, lags + 1):
            product = own[lag:].T @ own[:-lag]
            meat += (1 - lag / (lags + 1)) * (product + product.T)
    found = all_errors(model.inference(covariance="hac", lags=lags))
    assert_allclose(found, np.sqrt(np.diag(bread @ meat @ bread)), rtol=1e-7)


def test_weights_count_rows():
    X, y = data(n=150)
    weight = np.random.default_rng(1).integers(0, 4, size=150).astype(float)
    repeated = np.repeat(np.arange(150), weight.astype(int))
    for options in ({}, {"covariance": "robust"}):
        one = nmo.glm.GLM().fit(X, y, sample_weight=weight).inference(**options)
        other = nmo.glm.GLM().fit(X[repeated], y[repeated]).inference(**options)
        assert_allclose(one.standard_errors, other.standard_errors, rtol=1e-8)
        assert_allclose(one.aic, other.aic, rtol=1e-10)
    with pytest.raises(ValueError, match="sample_weight must be 0 or 1"):
        nmo.glm.GLM().fit(X, y, sample_weight=weight).inference(covariance="hac", lags=2)


def test_observed_information_is_the_second_derivative():
    X, y = data(n=200, p=2)
    y = (y > 0).astype(float)
    model = nmo.glm.GLM("Bernoulli", "cloglog", solver_kwargs={"tol": 1e-12}).fit(X, y)

    def loss(parameters):
        eta = X @ parameters[:2] + parameters[2]
        return -np.sum(y * np.log(-np.expm1(-np.exp(eta))) - (1 - y) * np.exp(eta))

    point = np.append(model.coef_, model.intercept_)
    h = 1e-4
    hessian = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            a, b = h * np.eye(3)[i], h * np.eye(3)[j]
            terms = loss(point + a + b) - loss(point + a - b) - loss(point - a + b)
            hessian[i, j] = (terms + loss(point - a - b)) / (4 * h * h)
    expected = np.sqrt(np.diag(np.linalg.inv(hessian)))
    assert_allclose(all_errors(model.inference(information="observed")), expected, rtol=1e-5)


def test_ridge_has_the_posterior_of_its_prior():
    X, y = data()
    strength = 0.2
    model = nmo.glm.GLM("Gaussian", regularizer="Ridge", regularizer_strength=strength).fit(X, y)
    Z = with_intercept(X)
    # Mean squared error + strength / 2 beta^2: in units of half the sum, n strength / 2.
    S = np.diag([len(X) * strength / 2] * 3 + [0.0])
    A = np.linalg.inv(Z.T @ Z + S)
    inference = model.inference()
    assert_allclose(all_errors(inference), np.sqrt(model.dispersion_ * np.diag(A)), rtol=1e-8)
    assert_allclose(np.sum(inference.edf), np.trace(A @ Z.T @ Z) - 1.0, rtol=1e-9)
    assert "Bayesian" in model.summary()


@pytest.mark.filterwarnings("ignore::spikeglm.exceptions.IdentifiabilityWarning")
def test_what_is_not_identified_is_nan():
    X, y = data()
    with_copy = np.column_stack([X, X[:, 0], np.full(len(X), 2.0)])
    model = nmo.glm.GLM().fit(with_copy, y)
    plain = nmo.glm.GLM().fit(X, y)
    errors = model.standard_errors_
    assert np.isnan(errors[[0, 3, 4]]).all()
    assert_allclose(errors[[1, 2]], plain.standard_errors_[[1, 2]], rtol=1e-6)
    # The sum of the two copies is determined.
    test = model.wald_test([[1.0, 0.0, 0.0, 1.0, 0.0]])
    assert_allclose(test.statistic, plain.wald_test([0]).statistic, rtol=1e-6)
    with pytest.raises(ValueError, match="do not determine contrast 0"):
        model.wald_test([0])
    assert "nan" in model.summary()


def test_separated_coefficients_are_nan():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    X[:, 1] = np.arange(200) < 20
    y = rng.poisson(1.0, size=200).astype(float)
    y[:20] = 0.0
    with pytest.warns(SeparationWarning):
        model = nmo.glm.GLM().fit(X, y)
    assert np.isnan(model.standard_errors_[1])
    assert np.isfinite(model.standard_errors_[0])


def test_silent_neurons_are_nan_and_others_are_as_alone():
    X, y = data()
    Y = np.stack([y, np.zeros(len(y)), np.roll(y, 7)], axis=1)
    Y[5, 2] = np.nan
    mask = np.ones((3, 3))
    mask[1, 2] = 0
    with pytest.warns(SilentNeuronWarning):
        model = nmo.glm.PopulationGLM(feature_mask=mask).fit(X, Y)
    errors = model.standard_errors_
    assert np.isnan(errors[:, 1]).all()
    alone = nmo.glm.GLM().fit(X, y)
    assert_allclose(errors[:, 0], alone.standard_errors_, rtol=1e-8)
    last = nmo.glm.GLM().fit(X[:, [0, 2]], Y[:, 2])
    assert_allclose(errors[[0, 2], 2], last.standard_errors_, rtol=1e-8)
    assert np.isnan(errors[1, 2])
    assert_allclose(model.inference().aic[[0, 2]], [alone.inference().aic, last.inference().aic])
    assert model.conf_int().shape == (3, 2, 3)
    assert model.summary(neuron=2).count("neuron 2") == 1


def test_lazy_designs_and_other_layouts_give_the_same():
    rng = np.random.default_rng(0)
    x = rng.random(600)
    counts = rng.poisson(0.3, size=600).astype(float)
    basis = nmo.basis.BSplineBasis(6, bounds=(0, 1)) + nmo.basis.RaisedCosineBasisLog(
        3, mode="conv", window_size=12
    )
    y = rng.poisson(1.0, size=600).astype(float)
    ridge = {"regularizer": "Ridge", "regularizer_strength": 1e-3}
    lazy = nmo.glm.GLM(**ridge).fit(basis.design(x, counts), y)
    dense = nmo.glm.GLM(**ridge).fit(basis.compute_features(x, counts), y)
    for options in ({}, {"covariance": "robust"}, {"covariance": "hac", "lags": 3}):
        found = lazy.inference(**options).standard_errors
        assert_allclose(found, dense.inference(**options).standard_errors, rtol=1e-7)
    single = nmo.glm.GLM().fit(np.asfortranarray(data()[0].astype(np.float32)), data()[1])
    double = nmo.glm.GLM().fit(data()[0].astype(np.float32).astype(float), data()[1])
    assert_allclose(single.standard_errors_, double.standard_errors_, rtol=1e-8)


def test_far_columns_keep_their_digits():
    X, y = data()
    near = nmo.glm.GLM().fit(X, y).inference(covariance="robust").standard_errors
    far = nmo.glm.GLM().fit(X * 1e3 + 5e3, y).inference(covariance="robust").standard_errors
    assert_allclose(far * 1e3, near, rtol=1e-6)


def test_bands():
    rng = np.random.default_rng(3)
    x = rng.random(800)
    basis = nmo.basis.BSplineBasis(6, bounds=(0, 1))
    X = basis.compute_features(x)[:, 1:]
    y = rng.poisson(np.exp(np.sin(6 * x))).astype(float)
    inference = nmo.glm.GLM().fit(X, y).inference()
    _, values = basis.evaluate_on_grid(60)
    pointwise = inference.band(values[:, 1:], simultaneous=False)
    whole = inference.band(values[:, 1:])
    assert_allclose(pointwise.critical, stats.norm.ppf(0.975))
    assert 2.3 < whole.critical < 3.5  # between one and sixty independent points
    assert_allclose(whole.high - whole.estimate, whole.critical * whole.standard_errors)
    V = inference.covariance
    expected = np.sqrt(np.einsum("ij,jk,ik->i", values[:, 1:], V, values[:, 1:]))
    assert_allclose(pointwise.standard_errors, expected, rtol=1e-8, atol=1e-12)
    one = inference.band(values[:1, 1:] + 1.0)
    assert_allclose(one.critical, stats.norm.ppf(0.975), rtol=0.02)
    rate = inference.band(values[:, 1:], intercept=True, inverse_link=np.exp)
    assert (rate.low > 0).all()
    assert (rate.low <= rate.estimate).all()
    with pytest.raises(ValueError, match="a column for each of the 5"):
        inference.band(values)


def test_wald_tests_take_names_numbers_and_matrices():
    pd = pytest.importorskip("pandas")
    X, y = data()
    model = nmo.glm.GLM("Gaussian").fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    by_name = model.wald_test(["a", "c"])
    assert by_name == model.wald_test([0, 2]) == model.wald_test(np.eye(3)[[0, 2]])
    assert by_name.distribution == "F"
    # The F test of nested models.
    small = nmo.glm.GLM("Gaussian").fit(X[:, [1]], y)
    nested = model.likelihood_ratio_test(small)
    assert_allclose(by_name.statistic, nested.statistic, rtol=1e-7)
    assert_allclose(by_name.pvalue, nested.pvalue, rtol=1e-6)
    # A restriction that is implied counts once.
    assert_allclose(model.wald_test([[1, 0, 0], [2, 0, 0]]).pvalue, model.wald_test([0]).pvalue)
    with pytest.raises(ValueError, match="no coefficient is called 'd'"):
        model.wald_test("d")
    with pytest.raises(ValueError, match="numbered 0 to 2"):
        model.wald_test([3])


def test_data_are_those_of_the_fit():
    X, y = data()
    model = nmo.glm.GLM().fit(X, y)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        with pytest.raises(ValueError, match="does not have the data"):
            other.summary()
        assert_allclose(other.inference(X, y).standard_errors, model.standard_errors_)
    with pytest.raises(ValueError, match="standard errors from the best"):
        model.inference(X, np.roll(y, 1))
    with pytest.raises(ValueError, match="both X and y"):
        model.inference(X)
    assert (
        model.fit(X[:200], y[:200]).standard_errors_[0] > model.inference().standard_errors[0] / 2
    )


def test_penalties_that_choose_refuse():
    X, y = data()
    for regularizer in ("Lasso", "ElasticNet", nmo.regularizer.GroupLasso(np.ones((1, 3)))):
        model = nmo.glm.GLM(regularizer=regularizer, regularizer_strength=0.01).fit(X, y)
        with pytest.raises(ValueError, match="chooses coefficients"):
            model.inference()
    ridge, plain = nmo.glm.GLM(regularizer="Ridge").fit(X, y), nmo.glm.GLM().fit(X, y)
    with pytest.raises(ValueError, match="no likelihood-ratio test"):
        ridge.likelihood_ratio_test(plain)
    with pytest.raises(ValueError, match="`lags` is the number"):
        plain.inference(covariance="hac")
    with pytest.raises(ValueError, match="`covariance` must be one of"):
        plain.inference(covariance="bootstrap")
