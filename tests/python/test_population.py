"""PopulationGLM: every neuron on its own, in one call."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from spikeglm.exceptions import (
    ConvergenceWarning,
    IdentifiabilityWarning,
    SeparationWarning,
    SilentNeuronWarning,
)
from spikeglm.glm import GLM, PopulationGLM
from spikeglm.observation_models import GammaObservations

RNG = np.random.default_rng(30)
N, P, M = 600, 4, 3
X = RNG.normal(size=(N, P)) * 0.5
COEF = RNG.normal(size=(P, M)) * 0.4
Y = RNG.poisson(np.exp(X @ COEF - 0.5)).astype(float)
SETTINGS = {
    "unpenalised": {},
    "ridge": {"regularizer": "Ridge", "regularizer_strength": 0.1},
    "softplus": {"inverse_link_function": "softplus"},
    "gamma": {"observation_model": "Gamma", "inverse_link_function": "exp"},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_equals_single_fits(setting):
    y = Y + 0.5 if setting == "gamma" else Y
    population = PopulationGLM(**SETTINGS[setting]).fit(X, y)
    for i in range(M):
        single = GLM(**SETTINGS[setting]).fit(X, y[:, i])
        np.testing.assert_array_equal(population.coef_[:, i], single.coef_)
        for name in ("intercept_", "dispersion_", "rank_", "n_iter_", "status_", "kkt_"):
            assert getattr(population, name)[i] == getattr(single, name)
        assert population.dof_resid_[i] == single.dof_resid_
        np.testing.assert_array_equal(population.predict(X)[:, i], single.predict(X))
    assert population.coef_.shape == (P, M)
    assert population.intercept_.shape == (M,)
    assert np.all(population.converged_)
    assert np.array_equal(population.scale_, population.dispersion_)


def test_reference_values():
    # Ridge of strength 0.1 on the reference data of the NeMoS comparison.
    from pathlib import Path

    data = np.load(Path(__file__).parents[1] / "reference" / "nemos_refdata.npz")
    y = np.column_stack([data["yP"], data["yNB"]])
    model = PopulationGLM(regularizer="Ridge", regularizer_strength=0.1).fit(data["X"], y)
    expected = [
        [0.334889136, -0.2399583845, 0.047015629, 0.5074185342],
        [0.3126487486, -0.210328767, 0.0211448163, 0.404519686],
    ]
    np.testing.assert_allclose(model.coef_.T, expected, atol=1e-9)
    np.testing.assert_allclose(model.intercept_, [-0.5160515682, -0.5103614068], atol=1e-9)
    assert model.score(data["X"], y) == pytest.approx(-1.0613804866, abs=1e-9)
    per_neuron = model.score(data["X"], y, aggregate_sample_scores=lambda s: s.mean(axis=0))
    np.testing.assert_allclose(per_neuron, [-1.0223073457, -1.1004536275], atol=1e-9)


def test_a_missing_value_concerns_its_neuron_only():
    y = Y.copy()
    y[10:30, 1] = np.nan
    model = PopulationGLM().fit(X, y)
    complete = PopulationGLM().fit(X, Y)
    assert list(model.n_dropped_) == [0, 20, 0]
    np.testing.assert_array_equal(model.coef_[:, [0, 2]], complete.coef_[:, [0, 2]])
    kept = ~np.isnan(y[:, 1])
    np.testing.assert_allclose(
        model.coef_[:, 1], GLM().fit(X[kept], y[kept, 1]).coef_, rtol=1e-8, atol=1e-10
    )
    assert np.isfinite(model.score(X, y))


def test_warnings_name_neurons_once():
    y = Y.copy()
    y[:, 1] = 0.0
    with pytest.warns(SilentNeuronWarning, match=r"^neuron 1: y is 0 in every row"):
        model = PopulationGLM().fit(X, y)
    assert model.intercept_[1] == -np.inf
    assert np.all(model.predict(X)[:, 1] == 0.0)
    assert list(model.converged_) == [True] * M
    assert np.isfinite(model.score(X, y))

    collinear = np.column_stack([X, X[:, 0]])
    with pytest.warns(IdentifiabilityWarning, match=r"^neuron 0, 1, 2: ") as caught:
        PopulationGLM().fit(collinear, Y)
    assert len(caught) == 1

    rare = (np.arange(N) < 40).astype(float)
    y = Y.copy()
    y[:40, 2] = 0.0
    with pytest.warns(SeparationWarning, match=r"^neuron 2: .*columns? 4") as caught:
        model = PopulationGLM().fit(np.column_stack([X, rare]), y)
    assert len(caught) == 1
    assert list(model.converged_) == [True, True, False]

    with pytest.warns(ConvergenceWarning, match=r"^neuron 0, 1, 2: |^neuron"):
        PopulationGLM(solver_kwargs={"maxiter": 1}).fit(X, Y)


def test_strengths_per_coefficient_and_neuron():
    strengths = np.array([0.1, 0.0, 1.0, 0.01])
    shared = PopulationGLM(regularizer="Ridge", regularizer_strength=strengths).fit(X, Y)
    for i in range(M):
        single = GLM(regularizer="Ridge", regularizer_strength=strengths).fit(X, Y[:, i])
        np.testing.assert_array_equal(shared.coef_[:, i], single.coef_)
    per_neuron = strengths[:, None] * [1.0, 2.0, 0.0]
    model = PopulationGLM(regularizer="Ridge", regularizer_strength=per_neuron).fit(X, Y)
    np.testing.assert_array_equal(model.coef_[:, 0], shared.coef_[:, 0])
    np.testing.assert_array_equal(model.coef_[:, 2], GLM().fit(X, Y[:, 2]).coef_)
    with pytest.raises(ValueError, match=r"\(4,\) or \(4, 3\); got shape \(3,\)"):
        PopulationGLM(regularizer="Ridge", regularizer_strength=np.ones(3)).fit(X, Y)


def test_start_from_the_solution():
    model = PopulationGLM().fit(X, Y)
    again = clone(model).fit(X, Y, init_params=(model.coef_, model.intercept_))
    assert np.all(again.n_iter_ <= 1)
    np.testing.assert_allclose(again.coef_, model.coef_, rtol=1e-7, atol=1e-9)
    with pytest.raises(ValueError, match=r"\(4, 3\) and 3 intercept"):
        clone(model).fit(X, Y, init_params=(model.coef_[:, :2], model.intercept_))


def test_one_neuron_may_be_a_column():
    model = PopulationGLM().fit(X, Y[:, :1])
    assert model.coef_.shape == (P, 1)
    assert model.predict(X).shape == (N, 1)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y[:, 0], r"2-dimensional .*got shape \(600,\).*y\[:, None\]"),
        (Y[:, :0], "no neurons"),
        (Y[:-1], "600 and 599"),
        (-Y, r"y is -\d"),
    ],
)
def test_bad_y(y, message):
    with pytest.raises(ValueError, match=message):
        PopulationGLM().fit(X, y)


def test_score_refuses_other_neurons():
    with pytest.raises(ValueError, match="2 neurons, the model was fitted with 3"):
        PopulationGLM().fit(X, Y).score(X, Y[:, :2])


def test_scores_with_a_dispersion_per_neuron():
    y = RNG.gamma(2.0, np.exp(X @ COEF) / 2.0)
    model = PopulationGLM("Gamma", "exp").fit(X, y)
    expected = [
        GammaObservations().log_likelihood(y[:, i], model.predict(X)[:, i], model.scale_[i])
        for i in range(M)
    ]
    found = model.score(X, y, aggregate_sample_scores=lambda s: s.mean(axis=0))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    for kind in ("pseudo-r2-McFadden", "pseudo-r2-Cohen"):
        assert 0 < model.score(X, y, kind) < 1


@pytest.mark.parametrize("link", ["logistic", "probit", "cloglog"])
def test_neurons_of_one_class_are_silent(link):
    rng = np.random.default_rng(19)
    X = rng.normal(size=(100, 2))
    Y = np.column_stack([np.zeros(100), rng.binomial(1, 0.4, size=100), np.ones(100)])
    with pytest.warns(SilentNeuronWarning) as caught:
        model = PopulationGLM("Bernoulli", link).fit(X, Y)
    assert len(caught) == 2
    assert model.status_.tolist() == ["silent", "converged", "silent"]
    assert_array_equal(model.predict(X)[:, [0, 2]], Y[:, [0, 2]])
    assert_array_equal(model.coef_[:, [0, 2]], 0.0)
    assert_allclose(model.coef_[:, 1], GLM("Bernoulli", link).fit(X, Y[:, 1]).coef_, rtol=1e-12)
    assert np.isfinite(model.score(X, Y))


def test_shares_are_events_but_two_is_not():
    X = np.random.default_rng(20).normal(size=(10, 1))
    y = np.linspace(0.0, 1.0, 10)
    GLM("Bernoulli").fit(X, y)
    y[4] = 2.0
    with pytest.raises(ValueError, match=r"y is 2\.0+ at row 4; expected 0 <= y <= 1"):
        GLM("Bernoulli").fit(X, y)
