"""Fits step by step: they arrive where `fit` does."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spikeglm import _core
from spikeglm.glm import GLM, PopulationGLM
from spikeglm.observation_models import NegativeBinomialObservations
from spikeglm.regularizer import GroupLasso, Lasso, Ridge

RNG = np.random.default_rng(3)
X = RNG.normal(size=(300, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 0.0]
Y = RNG.poisson(np.exp(0.3 * X[:, [0]] + [0.2, -0.5])).astype(float)
START = np.zeros(3), np.zeros(1)


def stepped(model, n, X=X, y=Y[:, 0], params=START, **rows):
    state = model.initialize_optimizer_and_state(params, X, y, **rows)
    for _ in range(n):
        params, state = model.update(params, state, X, y, **rows)
    return params, state


PENALTIES = {
    "Ridge": Ridge(0.05),
    "Lasso": Lasso(0.05),
    "GroupLasso": GroupLasso(np.array([[1, 1, 0], [0, 0, 1]]), 0.05),
}


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("solver", _core.solvers())
def test_steps_lead_to_the_fit(solver, penalty):
    facts = _core.solvers()[solver]
    if penalty != "Ridge" and not facts["handles_groups"]:
        model = GLM(regularizer=PENALTIES[penalty], solver_name=solver)
        with pytest.raises(ValueError, match="cannot minimise"):
            model.initialize_optimizer_and_state(START, X, Y[:, 0])
        return
    fit = GLM(regularizer=PENALTIES[penalty]).fit(X, Y[:, 0])
    model = GLM(regularizer=PENALTIES[penalty], solver_name=solver)
    n_steps = 20 if "Newton" in solver else 800
    (coef, intercept), state = stepped(model, n_steps)
    tolerance = 1e-4 if facts["stochastic"] else 1e-7
    assert_allclose(coef, fit.coef_, atol=tolerance)
    assert_allclose(intercept, fit.intercept_, atol=10 * tolerance)
    assert state.n_iter == model.n_iter_ == n_steps
    assert model.coef_ is coef
    assert model.rank_ == fit.rank_
    assert model.dof_resid_ == fit.dof_resid_
    assert not np.any(np.signbit(coef[coef == 0]))


@pytest.mark.parametrize("solver", ["Newton", "ProxNewton"])
def test_newton_knows_when_it_has_arrived(solver):
    state = stepped(GLM(solver_name=solver), 30)[1]
    assert state.converged
    assert not state.moved
    assert state.status == ["converged"]
    first = stepped(GLM(solver_name=solver), 1)[1]
    assert first.moved
    assert not first.converged


def test_rows_change_between_steps():
    parts = np.array_split(np.arange(300), 3)
    model = GLM(solver_name="GradientDescent")
    params = START
    state = model.initialize_optimizer_and_state(params, X, Y[:, 0])
    for i in range(6):
        rows = parts[i % 3]
        params, state = model.update(params, state, X[rows], Y[rows, 0], n_samples=300)
        assert model.dof_resid_ == 300 - model.rank_
    fit = GLM().fit(X, Y[:, 0])
    assert model.score(X, Y[:, 0]) == pytest.approx(fit.score(X, Y[:, 0]), abs=0.05)


def test_weights_offsets_and_missing_rows():
    weight = RNG.integers(0, 3, size=300).astype(float)
    offset = RNG.normal(size=300) * 0.1
    x, y = X.copy(), Y[:, 0].copy()
    x[5, 1] = y[7] = np.nan
    (coef, intercept), _ = stepped(GLM(), 20, x, y, sample_weight=weight, offset=offset)
    fit = GLM().fit(x, y, sample_weight=weight, offset=offset)
    assert_allclose(coef, fit.coef_, atol=1e-8)
    assert_allclose(intercept, fit.intercept_, atol=1e-8)


def test_populations_masks_and_dicts():
    mask = np.array([[1, 1], [0, 1], [1, 0]])
    start = np.zeros((3, 2)), np.zeros(2)
    model = PopulationGLM(feature_mask=mask)
    (coef, _), state = stepped(model, 20, X, Y, start)
    assert_allclose(coef, PopulationGLM(feature_mask=mask).fit(X, Y).coef_, atol=1e-8)
    assert len(state.status) == 2
    assert model.status_.shape == (2,)

    parts = {"a": X[:, :1], "b": X[:, 1:]}
    start = {"a": np.zeros(1), "b": np.zeros(2)}, np.zeros(1)
    (coef, _), _ = stepped(GLM(), 20, parts, params=start)
    assert_allclose(coef["b"], GLM().fit(X, Y[:, 0]).coef_[1:], atol=1e-8)


def test_an_estimated_dispersion_takes_steps_as_well():
    rng = np.random.default_rng(4)
    y = rng.negative_binomial(1.5, 0.4, size=300).astype(float)

    def model():
        return GLM(NegativeBinomialObservations(scale="estimate"))

    stepping = model()
    stepped(stepping, 60, y=y)
    fit = model().fit(X, y)
    assert stepping.dispersion_ == pytest.approx(fit.dispersion_, rel=1e-7)
    assert_allclose(stepping.coef_, fit.coef_, atol=1e-7)


def test_what_steps_cannot_do_is_refused():
    model = GLM()
    state = model.initialize_optimizer_and_state(START, X, Y[:, 0])
    with pytest.raises(TypeError, match="opt_state"):
        model.update(START, None, X, Y[:, 0])
    with pytest.raises(ValueError, match="`params` must hold"):
        model.update((np.zeros(2), np.zeros(1)), state, X, Y[:, 0])
    with pytest.raises(ValueError, match="y has 2 neurons"):
        PopulationGLM().update((np.zeros((3, 2)), np.zeros(2)), state, X, Y)
    with pytest.raises(ValueError, match="expected 3"):
        model.update((np.zeros(2), np.zeros(1)), state, X[:, :2], Y[:, 0])
    shared = PopulationGLM(regularizer=GroupLasso(mask=np.ones((1, 3, 2))))
    with pytest.raises(NotImplementedError, match="share a group"):
        shared.initialize_optimizer_and_state(None, X, Y)
