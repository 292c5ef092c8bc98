"""Penalties: every solver finds the same optimum, and relations between penalties hold."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from glm_cases import FACTS, PAIRS, make_problem
from spikeglm import _core
from spikeglm.exceptions import SpikeglmWarning
from spikeglm.glm import GLM, PopulationGLM
from spikeglm.observation_models import NegativeBinomialObservations
from spikeglm.regularizer import ElasticNet, GroupLasso, Lasso, Ridge, UnRegularized

SOLVERS = _core.solvers()
GROUPS = np.array([[1, 0, 1, 0], [0, 1, 0, 0]])
PENALTIES = {
    "UnRegularized": UnRegularized(),
    "Ridge": Ridge(0.05),
    "Lasso": Lasso(0.04),
    "ElasticNet": ElasticNet((0.06, 0.5)),
    "GroupLasso": GroupLasso(GROUPS, 0.03),
}


def case(model, link, seed=0):
    return make_problem(model, link, n=160, p=4, seed=seed)


def value(model, X, y, **rows):
    params = model.coef_, model.intercept_
    penalty = model.regularizer.penalty(model.coef_)
    return model.compute_loss(params, X, y, **rows) + penalty


def gradient(model, X, y, weight=None, offset=None):
    """Of the loss part of the objective, from the rows' derivatives."""
    offset = np.zeros(len(y)) if offset is None else offset
    weight = np.ones(len(y)) if weight is None else weight
    name = model.observation_model
    eta = X @ model.coef_ + model.intercept_ + offset
    slope = _core.row_terms(name, model.inverse_link_function, y, eta, 1.0)[1]
    share = FACTS[name]["objective_factor"] * weight * slope / weight.sum()
    return X.T @ share, share.sum()


def assert_optimal(model, X, y, penalty, tolerance, **rows):
    """The conditions of optimality of each penalty, written down anew."""
    slope, intercept = gradient(model, X, y, **rows)
    coef = model.coef_
    assert abs(intercept) <= tolerance
    if penalty == "UnRegularized":
        residual = slope
    elif penalty == "Ridge":
        residual = slope + 0.05 * coef
    elif penalty in ("Lasso", "ElasticNet"):
        absolute, quadratic = (0.04, 0.0) if penalty == "Lasso" else (0.03, 0.03)
        smooth = slope + quadratic * coef
        residual = np.where(
            coef != 0.0,
            smooth + absolute * np.sign(coef),
            np.maximum(np.abs(smooth) - absolute, 0.0),
        )
    else:
        residual = slope.copy()
        for group in GROUPS.astype(bool):
            weight = 0.03 * np.sqrt(group.sum())
            norm = np.linalg.norm(coef[group])
            if norm > 0.0:
                residual[group] += weight * coef[group] / norm
            else:
                residual[group] = max(np.linalg.norm(slope[group]) - weight, 0.0)
    assert np.all(np.abs(residual) <= tolerance)
    assert not np.any(np.signbit(coef[coef == 0.0]))


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_solvers_agree(model, link, penalty):
    data = case(model, link)
    X, y = data.X, data.y
    regularizer = PENALTIES[penalty]
    best = GLM(model, link, regularizer, solver_kwargs={"tol": 1e-10}).fit(X, y)
    assert best.converged_
    scale = np.abs(X).max() * max(1.0, np.abs(y).max())
    assert_optimal(best, X, y, penalty, 1e-9 * scale)
    least = value(best, X, y)
    for name in regularizer.allowed_solvers:
        facts = SOLVERS[name]
        kwargs = {"maxiter": 20_000, "tol": 1e-4 if facts["stochastic"] else 1e-8}
        with warnings.catch_warnings():
            # Stochastic steps of a fixed size do not suit every curvature.
            warnings.simplefilter("ignore" if facts["stochastic"] else "error")
            found = GLM(model, link, regularizer, None, name, kwargs).fit(X, y)
        if facts["stochastic"] and not found.converged_:
            assert np.isfinite(value(found, X, y))
            continue
        assert found.converged_, name
        accuracy = 1e-7 if facts["stochastic"] else 1e-10
        assert value(found, X, y) - least <= accuracy * (1.0 + abs(least)), name


@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_relations_between_penalties(model, link):
    data = case(model, link, seed=1)

    def coef(regularizer, strength):
        kwargs = {"tol": 1e-10}
        return (
            GLM(model, link, regularizer, strength, solver_kwargs=kwargs).fit(data.X, data.y).coef_
        )

    lasso = coef("Lasso", 0.02)
    assert_allclose(coef("ElasticNet", (0.02, 1.0)), lasso, atol=1e-9)
    assert_allclose(coef(GroupLasso(np.eye(4)), 0.02), lasso, atol=1e-9)
    assert_allclose(coef("ElasticNet", (0.02, 0.0)), coef("Ridge", 0.02), atol=1e-9)
    assert_allclose(coef("Lasso", np.full(4, 0.02)), lasso, atol=1e-12)
    nothing = GLM(model, link).fit(data.X, data.y)
    for regularizer, strength in [("Ridge", 0.0), ("Ridge", np.zeros(4))]:
        assert_array_equal(coef_of(GLM(model, link, regularizer, strength), data), nothing.coef_)
    for regularizer in ("Lasso", GroupLasso(GROUPS)):
        assert_allclose(coef(regularizer, 0.0), nothing.coef_, atol=1e-7)


def coef_of(model, data):
    return model.fit(data.X, data.y).coef_


@pytest.mark.parametrize("penalty", ["Ridge", "Lasso", "ElasticNet", "GroupLasso"])
@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_relations_between_data(model, link, penalty):
    data = case(model, link, seed=2)
    X, y = data.X, data.y
    rng = np.random.default_rng(3)
    weight = rng.integers(0, 4, size=len(y)).astype(float)
    offset = rng.uniform(0.0, 0.1, size=len(y)) * (0.1 if link == "reciprocal" else 1.0)

    def fitted(X, y, **rows):
        return GLM(
            model, link, PENALTIES[penalty], solver_kwargs={"tol": 1e-10, "maxiter": 500}
        ).fit(X, y, **rows)

    weighted = fitted(X, y, sample_weight=weight, offset=offset)
    assert_optimal(weighted, X, y, penalty, 1e-8 * np.abs(y).max(), weight=weight, offset=offset)
    index = np.repeat(np.arange(len(y)), weight.astype(int))
    repeated = fitted(X[index], y[index], offset=offset[index])
    assert_allclose(repeated.coef_, weighted.coef_, atol=1e-8)
    assert repeated.dof_resid_ == weighted.dof_resid_

    plain = fitted(X, y)
    order = rng.permutation(len(y))
    assert_allclose(fitted(X[order], y[order]).coef_, plain.coef_, atol=1e-8)
    assert_allclose(fitted(X + 3.0, y).coef_, plain.coef_, atol=1e-8)
    if penalty != "GroupLasso":
        columns = rng.permutation(4)
        assert_allclose(fitted(X[:, columns], y).coef_, plain.coef_[columns], atol=1e-8)
    again = GLM(model, link, PENALTIES[penalty], solver_kwargs={"tol": 1e-8}).fit(
        X, y, init_params=(plain.coef_, plain.intercept_)
    )
    assert again.n_iter_ <= 1
    padded = np.r_[np.full((3, 4), np.nan), X]
    head = fitted(padded, np.r_[y[:3], y])
    assert_allclose(head.coef_, plain.coef_, atol=1e-12)
    assert head.n_dropped_ == 3
    for n_threads in (2, 3, 7):
        model_again = GLM(
            model,
            link,
            PENALTIES[penalty],
            solver_kwargs={"tol": 1e-10, "maxiter": 500},
            n_threads=n_threads,
        )
        assert_array_equal(model_again.fit(X, y).coef_, plain.coef_)


@pytest.mark.parametrize("solver", SOLVERS)
def test_populations_are_single_fits(solver):
    """Whatever the solver: no neuron's result depends on the others."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(200, 3))
    Y = rng.poisson(np.exp(X @ rng.normal(size=(3, 4)) * 0.3 - [0.0, 1.0, -2.0, 0.5])).astype(float)
    settings = {"regularizer": "Ridge", "regularizer_strength": 0.1, "solver_name": solver}
    population = PopulationGLM(**settings).fit(X, Y)
    for i in range(4):
        single = GLM(**settings).fit(X, Y[:, i])
        assert_allclose(population.coef_[:, i], single.coef_, rtol=1e-10, atol=1e-12)
        assert population.n_iter_[i] == single.n_iter_


@pytest.mark.parametrize("penalty", ["UnRegularized", "Ridge", "Lasso"])
def test_masked_features_are_absent(penalty):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(150, 4)) + 1.0
    Y = rng.poisson(1.5, size=(150, 3)).astype(float)
    mask = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 0], [1, 1, 0]])
    regularizer = PENALTIES[penalty]
    population = PopulationGLM(regularizer=regularizer, feature_mask=mask).fit(X, Y)
    for i in range(3):
        used = mask[:, i].astype(bool)
        single = GLM(regularizer=regularizer).fit(X[:, used], Y[:, i])
        assert_allclose(population.coef_[used, i], single.coef_, atol=1e-10)
        assert_array_equal(population.coef_[~used, i], 0.0)
        assert population.dof_resid_[i] == single.dof_resid_
    parts = {"first": X[:, :2], "second": X[:, 2:]}
    by_part = {"first": np.array([1, 0, 1]), "second": np.array([1, 1, 0])}
    model = PopulationGLM(regularizer=regularizer, feature_mask=by_part).fit(parts, Y)
    assert_array_equal(model.coef_["first"][:, 1], 0.0)
    assert_array_equal(model.coef_["second"][:, 2], 0.0)
    assert np.all(model.coef_["first"][:, 0] != 0.0) or penalty == "Lasso"


def test_a_dict_is_its_arrays_side_by_side():
    rng = np.random.default_rng(6)
    parts = {"b": rng.normal(size=(100, 2)), "a": rng.normal(size=(100, 3))}
    y = rng.poisson(1.5, size=100)
    model = GLM(regularizer="Ridge").fit(parts, y)
    plain = GLM(regularizer="Ridge").fit(np.hstack([parts["b"], parts["a"]]), y)
    assert list(model.coef_) == ["b", "a"]
    assert_array_equal(np.concatenate([model.coef_["b"], model.coef_["a"]]), plain.coef_)
    assert_array_equal(model.predict(parts), plain.predict(np.hstack([parts["b"], parts["a"]])))
    with pytest.raises(ValueError, match="dict of arrays"):
        model.predict(np.hstack([parts["b"], parts["a"]]))
    groups = {"b": np.array([[1, 1], [0, 0]]), "a": np.array([[0, 0, 0], [1, 1, 1]])}
    grouped = GLM(regularizer=GroupLasso(groups, 10.0)).fit(parts, y)
    assert not any(np.any(part) for part in grouped.coef_.values())


def joint_objective(coef, intercept, X, Y, groups, strength):
    eta = X @ coef + intercept
    loss = np.sum(np.mean(np.exp(eta) - Y * eta, axis=0))
    norms = [np.sqrt(group.sum()) * np.linalg.norm(coef[group]) for group in groups]
    return loss + strength * np.sum(norms)


def test_groups_that_join_neurons():
    """A group of one feature in all neurons: selected for all or none; no better point nearby."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(300, 3))
    Y = rng.poisson(np.exp(X[:, [0]] * [0.5, -0.4] + 0.02 * X[:, [1]] + [0.1, -0.3])).astype(float)
    groups = np.zeros((3, 3, 2), dtype=int)
    for feature in range(3):
        groups[feature, feature] = 1
    strength = 0.06
    model = PopulationGLM(regularizer=GroupLasso(groups, strength)).fit(X, Y)
    assert np.all(model.converged_)
    assert np.all(model.coef_[0] != 0.0)
    assert np.all(model.coef_[1:] == 0.0)
    best = joint_objective(model.coef_, model.intercept_, X, Y, groups.astype(bool), strength)
    for _ in range(200):
        step = rng.normal(size=(4, 2)) * 10.0 ** rng.uniform(-6, -1)
        other = joint_objective(
            model.coef_ + step[:3], model.intercept_ + step[3], X, Y, groups.astype(bool), strength
        )
        assert other >= best - 1e-14
    # Groups of single coefficients in the joint shape are a lasso.
    singles = np.zeros((6, 3, 2), dtype=int)
    for i in range(6):
        singles[i, i % 3, i // 3] = 1
    lasso = PopulationGLM(regularizer="Lasso", regularizer_strength=0.03).fit(X, Y)
    found = PopulationGLM(regularizer=GroupLasso(singles, 0.03)).fit(X, Y)
    assert_allclose(found.coef_, lasso.coef_, atol=1e-9)


def test_an_orthogonal_design_is_a_threshold():
    """Gaussian, x'x / n = 1: 2 (beta - ols) + penalty' = 0."""
    X = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1.0]])[:, 1:]
    y = np.array([5.0, 1.0, -1.0, -2.0])
    ols = X.T @ y / 4

    def coef(regularizer):
        return GLM("Gaussian", regularizer=regularizer).fit(X, y).coef_

    for strength in (0.3, 2.0, 6.0):
        soft = np.sign(ols) * np.maximum(np.abs(ols) - strength / 2, 0.0)
        assert_allclose(coef(Lasso(strength)), soft, atol=1e-9)
        ridge = 2 * ols / (2 + strength)
        assert_allclose(coef(Ridge(strength)), ridge, atol=1e-9)
        net = np.sign(ols) * np.maximum(2 * np.abs(ols) - 0.3 * strength, 0.0)
        net /= 2 + 0.7 * strength
        found = coef(ElasticNet((strength, 0.3)))
        assert_allclose(found, net, atol=1e-9)
        norm = np.linalg.norm(ols)
        group = ols * max(0.0, 1 - strength * np.sqrt(3) / (2 * norm))
        found = coef(GroupLasso(np.ones((1, 3)), strength))
        assert_allclose(found, group, atol=1e-9)


def test_huge_strengths():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(100, 2))
    y = rng.poisson(2.0, size=100)
    model = GLM(regularizer="Ridge", regularizer_strength=1e12).fit(X, y)
    expected = X.T @ (y - y.mean()) / 100 / 1e12
    assert_allclose(model.coef_, expected, rtol=1e-6)
    assert_allclose(model.intercept_, np.log(y.mean()), rtol=1e-10)
    assert_array_equal(GLM(regularizer="Lasso", regularizer_strength=1e12).fit(X, y).coef_, 0.0)


def test_without_an_intercept():
    rng = np.random.default_rng(9)
    X = rng.normal(size=(200, 3)) + 1.0
    y = X @ [0.5, -1.0, 2.0] + rng.normal(size=200)
    model = GLM("Gaussian", fit_intercept=False).fit(X, y)
    assert_allclose(model.coef_, np.linalg.lstsq(X, y, rcond=None)[0], rtol=1e-9)
    assert_array_equal(model.intercept_, [0.0])
    assert model.rank_ == 3
    ridge = GLM("Gaussian", regularizer=Ridge(0.4), fit_intercept=False).fit(X, y)
    expected = np.linalg.solve(2 * X.T @ X / 200 + 0.4 * np.eye(3), 2 * X.T @ y / 200)
    assert_allclose(ridge.coef_, expected, rtol=1e-9)


def profile(a, y, mu):
    r = 1.0 / a
    terms = gammaln(y + r) - gammaln(r) + r * np.log(r / (r + mu)) + y * np.log(mu / (r + mu))
    return -np.sum(terms)


@pytest.mark.parametrize("dispersion", [0.3, 1.0, 4.0])
def test_an_estimated_dispersion_is_the_best(dispersion):
    rng = np.random.default_rng(10)
    X = rng.normal(size=(400, 2))
    mu = np.exp(X @ [0.4, -0.2] + 1.0)
    y = rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mu)).astype(float)
    model = GLM(NegativeBinomialObservations(scale="estimate")).fit(X, y)
    fixed = GLM(NegativeBinomialObservations(scale=model.dispersion_)).fit(X, y)
    assert_allclose(model.coef_, fixed.coef_, rtol=1e-8)
    best = minimize_scalar(
        lambda log: profile(np.exp(log), y, model.predict(X)),
        bounds=(-5, 4),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert model.dispersion_ == pytest.approx(np.exp(best.x), rel=1e-5)
    population = PopulationGLM(NegativeBinomialObservations(scale="estimate")).fit(X, np.c_[y, y])
    assert_array_equal(population.dispersion_, model.dispersion_)


def test_counts_without_overdispersion():
    """As the dispersion falls to zero the model is Poisson; an estimate there is said to be."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(300, 2))
    y = rng.binomial(10, 0.3, size=300).astype(float)
    poisson = GLM().fit(X, y)
    with pytest.warns(SpikeglmWarning, match="no more than Poisson"):
        model = GLM(NegativeBinomialObservations(scale="estimate")).fit(X, y)
    assert_allclose(model.coef_, poisson.coef_, atol=1e-7)
    assert model.dispersion_ < 1e-6
    small = GLM(NegativeBinomialObservations(scale=1e-9)).fit(X, y)
    assert_allclose(small.coef_, poisson.coef_, atol=1e-8)
