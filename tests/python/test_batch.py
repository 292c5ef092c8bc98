"""Many problems over one X, and single fits whose curvature comes from a part of the rows."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spikeglm import _core
from spikeglm.exceptions import ConvergenceWarning, SeparationWarning, SilentNeuronWarning
from spikeglm.glm import GLM, PopulationGLM
from spikeglm.regularizer import GroupLasso

N, P = 24_000, 24


def exact(model, solver, **settings):
    return type(model)(**(model.get_params(deep=False) | {"solver_name": solver} | settings))


def design(kind, rng, n=N, p=P):
    X = rng.normal(size=(n, p))
    if kind == "correlated":  # in time, and columns with each other
        X = np.cumsum(X, axis=0)
        X -= np.roll(X, 50, axis=0)
        X[:50] = 0.0
        X = X / X.std(axis=0) + 0.7 * rng.normal(size=(n, 1))
    if kind == "spikes":  # rare
        X = (X > 2.3).astype(float)
    if kind == "far":  # from zero, and in other units
        X = X * np.geomspace(1e-3, 1e3, p) + 1e4
    return X


def response(family, eta, rng):
    if family == "Gamma":
        return rng.gamma(1.5, np.exp(eta) / 1.5) + 1e-9
    if family == "Bernoulli":
        return rng.binomial(1, 1.0 / (1.0 + np.exp(-eta))).astype(float)
    if family == "Gaussian":
        return eta + rng.normal(size=eta.shape)
    if family == "NegativeBinomial":
        return rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(eta))).astype(float)
    return rng.poisson(np.exp(eta)).astype(float)


@pytest.mark.parametrize("kind", ["plain", "correlated", "spikes", "far"])
@pytest.mark.parametrize(
    ("family", "link"),
    [
        ("Poisson", "exp"),
        ("Poisson", "softplus"),
        ("Gamma", "exp"),
        ("Bernoulli", "logistic"),
        ("Bernoulli", "cloglog"),
        ("Gaussian", "identity"),
        ("Gaussian", "exp"),  # losses that are not convex
        ("Gamma", "softplus"),
        ("NegativeBinomial", "exp"),
    ],
)
@pytest.mark.parametrize("penalty", [("UnRegularized", None), ("Ridge", 1e-3), ("Lasso", 3e-3)])
def test_equals_newton(kind, family, link, penalty):
    rng = np.random.default_rng(list(f"{kind}{family}{link}".encode()))
    X = design(kind, rng)
    spread = X.std(axis=0)
    beta = rng.normal(size=P) * (rng.random(P) < 0.6) / spread * 0.6 / np.sqrt(P)
    eta = (X - X.mean(axis=0)) @ beta - 0.5
    mean_of_gaussian = family == "Gaussian" and link == "exp"
    y = response(family, np.exp(eta) if mean_of_gaussian else eta, rng)
    strength = penalty[1]
    if strength is not None and kind == "far":
        strength = strength * spread ** (2 if penalty[0] == "Ridge" else 1)
    model = GLM(family, link, penalty[0], strength).fit(X, y)
    solver = "ProxNewton" if penalty[0] == "Lasso" else "Newton"
    reference = exact(model, solver).fit(X, y)
    assert model.status_ in ("converged", "precision limit")
    assert model.kkt_ < 1e-6
    scaled = (model.coef_ - reference.coef_) * spread
    assert np.abs(scaled).max() < 1e-9 * max(1.0, np.abs(reference.coef_ * spread).max())
    if penalty[0] == "Lasso":
        assert_array_equal(model.coef_ == 0.0, reference.coef_ == 0.0)
    assert_allclose(model.intercept_, reference.intercept_, rtol=1e-8)
    assert_allclose(model.dispersion_, reference.dispersion_, rtol=1e-9)
    assert model.rank_ == reference.rank_


def test_a_loose_tolerance_is_met():
    rng = np.random.default_rng(1)
    X = design("correlated", rng)
    y = response("Poisson", X @ rng.normal(size=P) * 0.1 - 1.0, rng)
    best = GLM(regularizer="Ridge", regularizer_strength=1e-3, solver_kwargs={"tol": 1e-10})
    best.fit(X, y)
    Z = np.column_stack([X, np.ones(N)])
    mu = best.predict(X)
    H = Z.T @ (mu[:, None] * Z) + N * 1e-3 * np.diag(np.append(np.ones(P), 0.0))
    for tol in (1e-1, 1e-3, 1e-5):
        model = exact(best, None, solver_kwargs={"tol": tol}).fit(X, y)
        d = np.append(model.coef_ - best.coef_, model.intercept_ - best.intercept_)
        assert model.converged_
        assert np.sqrt(d @ H @ d) < 1.01 * tol


@pytest.mark.parametrize("penalty", [("Ridge", 1e-6), ("UnRegularized", None)])
def test_hard_neurons(penalty):
    """Rates over four decades, strong modulation, near separation, silence, and rows missing."""
    rng = np.random.default_rng(2)
    X = design("spikes", rng, p=20)
    X += 0.2 * rng.normal(size=X.shape)
    rates = np.geomspace(3e-4, 3.0, 8)
    Y = rng.poisson(rates * np.exp(np.clip(X @ rng.normal(size=(20, 8)), -8, 3))).astype(float)
    silent = np.zeros((N, 1))
    rare = np.zeros((N, 1))
    rare[np.argsort(X[:, 0])[-3:]] = 1.0  # three spikes at the largest values of a column
    Y = np.hstack([Y, silent, rare])
    Y[:500, 3] = np.nan
    model = PopulationGLM(regularizer=penalty[0], regularizer_strength=penalty[1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, Y)
    kinds = {warning.category for warning in caught}
    assert SilentNeuronWarning in kinds
    assert ConvergenceWarning not in kinds
    assert (SeparationWarning in kinds) == (penalty[0] == "UnRegularized")
    assert model.status_[8] == "silent"
    assert model.n_dropped_.tolist() == [0, 0, 0, 500] + [0] * 6
    for i in range(8):
        single = GLM(
            regularizer=penalty[0], regularizer_strength=penalty[1], solver_name="Newton"
        ).fit(X, Y[:, i])
        assert_allclose(
            model.coef_[:, i], single.coef_, rtol=1e-7, atol=1e-8 * np.abs(single.coef_).max()
        )


def test_neurons_do_not_depend_on_each_other():
    rng = np.random.default_rng(3)
    X = design("correlated", rng)
    Y = response("Poisson", X @ rng.normal(size=(P, 7)) * 0.1 - 1.0, rng)
    settings = {"regularizer": "Ridge", "regularizer_strength": 1e-4}
    together = PopulationGLM(**settings).fit(X, Y)
    some = PopulationGLM(**settings).fit(X, Y[:, [5, 2]])
    alone = GLM(**settings).fit(X, Y[:, 5])
    for coef in (some.coef_[:, 0], alone.coef_):
        assert_allclose(
            together.coef_[:, 5], coef, rtol=1e-10, atol=1e-10 * np.abs(alone.coef_).max()
        )


def test_thread_counts_give_the_same_bits():
    rng = np.random.default_rng(4)
    X = design("plain", rng)
    Y = response("Poisson", X @ rng.normal(size=(P, 5)) * 0.1 - 1.0, rng)
    fits = [
        PopulationGLM(regularizer="Lasso", regularizer_strength=1e-3, n_threads=k).fit(X, Y)
        for k in (1, 2, 3, 7)
    ]
    for fit in fits[1:]:
        assert_array_equal(fit.coef_, fits[0].coef_)
        assert_array_equal(fit.kkt_, fits[0].kkt_)


def test_masks_weights_offsets_and_starts():
    rng = np.random.default_rng(5)
    X = design("plain", rng)
    offset = 0.3 * rng.normal(size=N)
    Y = response("Poisson", X @ rng.normal(size=(P, 4)) * 0.1 - 1.0 + offset[:, None], rng)
    weight = rng.integers(0, 3, size=N).astype(float)
    mask = (rng.random((P, 4)) < 0.7).astype(int)
    X[:100] = np.nan
    settings = {"regularizer": "Ridge", "regularizer_strength": 1e-3, "feature_mask": mask}
    model = PopulationGLM(**settings).fit(X, Y, sample_weight=weight, offset=offset)
    newton = PopulationGLM(**settings, solver_name="Newton")
    newton.fit(X, Y, sample_weight=weight, offset=offset)
    assert_allclose(model.coef_, newton.coef_, rtol=1e-7, atol=1e-10)
    assert_array_equal(model.coef_[mask == 0], 0.0)
    assert_allclose(model.kkt_, 0.0, atol=1e-7)
    again = PopulationGLM(**settings).fit(
        X, Y, (model.coef_, model.intercept_), sample_weight=weight, offset=offset
    )
    assert np.all(again.n_iter_ <= 1)


def test_masks_hide_no_dependence_from_others():
    rng = np.random.default_rng(8)
    X = design("plain", rng)
    X[:, 1] = 2.0 * X[:, 0] + 1.0
    Y = response("Poisson", X[:, 2:5] * 0.2 - 1.0, rng)
    mask = np.ones((P, 3), int)
    mask[1, 0] = 0  # only the first neuron's columns are independent
    for regularizer, strength in (("Ridge", 1e-3), ("Lasso", 1e-3), ("UnRegularized", None)):
        model = PopulationGLM(
            regularizer=regularizer, regularizer_strength=strength, feature_mask=mask
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, Y)
        assert model.rank_.tolist() == [P, P, P]
        warned = [w for w in caught if "linearly dependent" in str(w.message)]
        assert [str(w.message)[:10] for w in warned] == (
            ["neuron 1, "] if regularizer == "UnRegularized" else []
        )


@pytest.mark.parametrize("grouped", [False, True])
def test_a_working_set_of_columns(grouped):
    rng = np.random.default_rng(9)
    n, p = 1500, 1000
    X = rng.normal(size=(n, p))
    X[7, 900] = np.nan  # in a column that no model needs
    beta = np.where(np.arange(p) < 15, 0.15, 0.0)
    y = rng.poisson(np.exp(np.nan_to_num(X) @ beta - 0.5)).astype(float)
    regularizer = GroupLasso(np.kron(np.eye(p // 5), np.ones(5))) if grouped else "Lasso"
    model = GLM(regularizer=regularizer)
    largest = model.lambda_max(X, y)
    path = model.regularization_path(X, y, largest * np.array([1.0, 0.7, 0.4]))
    assert_array_equal(path.coef[0], 0.0)
    for strength, coef in zip(path.strengths, path.coef, strict=True):
        model.set_params(regularizer_strength=strength)
        reference = exact(model, "ProxNewton").fit(X, y)
        single = model.fit(X, y)
        for found in (coef, single.coef_):
            assert_allclose(found, reference.coef_, rtol=1e-7, atol=1e-9)
            assert_array_equal(found == 0.0, reference.coef_ == 0.0)
        assert single.n_dropped_ == reference.n_dropped_ == 1
        assert single.converged_
        assert single.kkt_ < 1e-7
        assert_allclose(single.intercept_, reference.intercept_, rtol=1e-8)


def test_too_few_steps_are_reported():
    rng = np.random.default_rng(6)
    X = design("correlated", rng)
    y = response("Poisson", X @ rng.normal(size=P) * 0.1 - 1.0, rng)
    with pytest.warns(ConvergenceWarning, match="max iterations"):
        model = GLM(solver_kwargs={"maxiter": 1, "tol": 1e-10}).fit(X, y)
    assert not model.converged_


def test_an_interrupted_fit_is_abandoned():
    rng = np.random.default_rng(7)
    X = design("plain", rng)
    y = response("Poisson", X @ rng.normal(size=P) * 0.1 - 1.0, rng)

    def stop(done, total):
        raise KeyboardInterrupt

    arguments = {
        "model": "Poisson",
        "link": "exp",
        "weight": None,
        "offset": None,
        "shared_groups": None,
        "solver": "",
        "settings": {},
        "tolerance": 1e-8,
        "max_iterations": 100,
        "intercept": True,
        "n_threads": 2,
    }
    with pytest.raises(KeyboardInterrupt):
        _core.fit(X, [_core.Problem(y)], **arguments, progress=stop)
