"""lambda_max, compute_loss, initialize_params and simulate of the estimators."""

import numpy as np
import pynapple as nap
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glm_cases import FACTS, PAIRS, make_problem
from spikeglm import _core
from spikeglm.basis import BSplineBasis
from spikeglm.exceptions import SilentNeuronWarning
from spikeglm.glm import GLM, PopulationGLM
from spikeglm.regularizer import GroupLasso, Lasso

MASK = np.array([[1, 1, 0, 0], [0, 0, 1, 0]])
PENALTIES = {
    "Lasso": ("Lasso", lambda s: s),
    "ElasticNet": ("ElasticNet", lambda s: (s, 0.3)),
    "GroupLasso": (GroupLasso(MASK), lambda s: s),
}


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_all_are_zero_from_there_on_and_not_before(model, link, penalty):
    problem = make_problem(model, link, n=300, p=4, seed=5)
    regularizer, strength = PENALTIES[penalty]

    def fitted(value):
        return GLM(model, link, regularizer, strength(value)).fit(problem.X, problem.y)

    given = strength(1.0) if penalty == "ElasticNet" else None
    largest = GLM(model, link, regularizer, given).lambda_max(problem.X, problem.y)
    held = slice(0, 3) if penalty == "GroupLasso" else slice(None)
    for value in (largest, 2 * largest):
        coef = fitted(value).coef_[held]
        assert np.all(coef == 0.0)
        assert not np.any(np.signbit(coef))
    assert np.any(fitted(largest * (1 - 1e-4)).coef_[held] != 0.0)


def test_the_first_to_leave_is_the_steepest():
    """Of a Gaussian: 2 |x' (y - mean)| / n, and one step below only its column moves."""
    rng = np.random.default_rng(6)
    X = rng.normal(size=(200, 5))
    y = X @ [0.1, 0.0, 0.5, 0.2, 0.0] + rng.normal(size=200)
    gradient = 2 * np.abs(X.T @ (y - y.mean())) / 200
    model = GLM("Gaussian", regularizer="Lasso")
    assert model.lambda_max(X, y) == pytest.approx(gradient.max(), rel=1e-9)
    coef = model.set_params(regularizer_strength=gradient.max() * 0.99).fit(X, y).coef_
    assert np.flatnonzero(coef).tolist() == [int(np.argmax(gradient))]


def test_strengths_per_coefficient_are_multiplied():
    rng = np.random.default_rng(7)
    X = rng.normal(size=(300, 3)) * [1.0, 3.0, 1.0]
    y = rng.poisson(np.exp(0.4 * X[:, 2]))
    strengths = np.array([1.0, 2.0, 0.0])
    factor = GLM(regularizer="Lasso", regularizer_strength=strengths).lambda_max(X, y)
    coef = GLM(regularizer="Lasso", regularizer_strength=1.001 * factor * strengths).fit(X, y).coef_
    assert np.all(coef[:2] == 0.0)
    assert coef[2] != 0.0
    below = GLM(regularizer="Lasso", regularizer_strength=0.999 * factor * strengths).fit(X, y)
    assert np.any(below.coef_[:2] != 0.0)


def test_populations_masks_weights_offsets_and_lazy_designs():
    rng = np.random.default_rng(8)
    x = rng.uniform(size=400)
    basis = BSplineBasis(6, bounds=(0, 1))
    X = basis.compute_features(x)
    Y = rng.poisson(np.exp(np.c_[np.sin(6 * x), np.cos(6 * x)]))
    rows = {"sample_weight": rng.integers(1, 3, size=400), "offset": 0.2 * rng.normal(size=400)}
    mask = np.ones((6, 2))
    mask[0, 0] = 0
    model = PopulationGLM(regularizer="Lasso", feature_mask=mask)
    largest = model.lambda_max(X, Y, **rows)
    assert largest.shape == (2,)
    one = GLM(regularizer="Lasso").lambda_max(X[:, 1:], Y[:, 0], **rows)
    assert largest[0] == pytest.approx(one, rel=1e-9)
    lazy = GLM(regularizer="Lasso").lambda_max(basis.design(x), Y[:, 1], **rows)
    assert largest[1] == pytest.approx(lazy, rel=1e-9)
    strengths = np.broadcast_to(largest, (6, 2))
    assert np.all(model.set_params(regularizer_strength=strengths).fit(X, Y, **rows).coef_ == 0.0)


def test_groups_that_join_neurons_have_one_strength():
    rng = np.random.default_rng(9)
    X = rng.normal(size=(300, 3))
    Y = rng.poisson(np.exp(0.3 * X[:, [0, 1, 2]]))
    groups = np.zeros((2, 3, 3))
    groups[0, :, :2] = 1
    groups[1, :, 2] = 1
    model = PopulationGLM(regularizer=GroupLasso(groups))
    largest = model.lambda_max(X, Y)
    assert largest[0] == largest[1] != largest[2]
    strengths = largest[[0, 2]]
    coef = model.set_params(regularizer_strength=strengths).fit(X, Y).coef_
    assert np.all(coef == 0.0)
    coef = model.set_params(regularizer_strength=0.999 * strengths).fit(X, Y).coef_
    assert np.all(coef != 0.0)


def test_a_silent_neuron_and_smooth_penalties():
    X = np.random.default_rng(10).normal(size=(30, 2))
    assert GLM(regularizer="Lasso").lambda_max(X, np.zeros(30)) == 0.0
    for penalty in ("Ridge", "UnRegularized"):
        with pytest.raises(ValueError, match="at any strength"):
            GLM(regularizer=penalty).lambda_max(X, np.ones(30))


def test_loss_and_starting_parameters():
    rng = np.random.default_rng(11)
    X = rng.normal(size=(100, 2))
    y = rng.poisson(2.0, size=100).astype(float)
    weight, offset = rng.integers(0, 3, size=100), 0.1 * rng.normal(size=100)
    coef, intercept = np.array([0.2, -0.1]), np.array([0.4])
    eta = X @ coef + intercept + offset
    expected = np.average(np.exp(eta) - y * eta, weights=weight)
    found = GLM().compute_loss((coef, intercept), X, y, sample_weight=weight, offset=offset)
    assert found == pytest.approx(expected, rel=1e-12)
    squared = GLM("Gaussian").compute_loss((coef, intercept), X, y)
    assert squared == pytest.approx(np.mean((y - X @ coef - 0.4) ** 2), rel=1e-12)
    Y = np.c_[y, y + 1]
    both = PopulationGLM().compute_loss((np.c_[coef, coef], np.array([0.4, 0.4])), X, Y)
    each = [GLM().compute_loss((coef, intercept), X, Y[:, i]) for i in range(2)]
    assert both == pytest.approx(sum(each), rel=1e-12)
    assert GLM("Poisson", "identity").compute_loss((coef, intercept - 9), X, y) == np.inf

    with pytest.raises(ValueError, match="`params` must hold"):
        GLM().compute_loss((coef[:1], intercept), X, y)

    start = PopulationGLM().initialize_params(X, Y)
    assert np.all(start[0] == 0.0)
    assert start[0].shape == (2, 2)
    assert_allclose(start[1], np.log(Y.mean(axis=0)), rtol=1e-10)
    start = GLM().initialize_params({"a": X[:, :1], "b": X[:, 1:]}, y)
    assert {key: part.shape for key, part in start[0].items()} == {"a": (1,), "b": (1,)}
    GLM().fit(X, y, init_params=GLM().initialize_params(X, y))


@pytest.mark.parametrize(
    ("model", "link"), [("Poisson", "exp"), ("Poisson", "reciprocal"), ("Bernoulli", "logistic")]
)
def test_parameters_of_a_silent_neuron(model, link):
    """Its intercept is infinite: the loss there is exact, and a fit or a step starts anew."""
    rng = np.random.default_rng(15)
    X = rng.normal(size=(150, 2))
    Y = np.c_[rng.binomial(1, 0.4, size=150), np.zeros(150)]
    population = PopulationGLM(model, link, solver_name="LBFGS")
    params = population.initialize_params(X, Y)
    assert np.isinf(params[1]).tolist() == [False, True]
    alone = GLM(model, link).compute_loss((params[0][:, 0], params[1][:1]), X, Y[:, 0])
    assert population.compute_loss(params, X, Y) == pytest.approx(alone, rel=1e-14)
    assert population.compute_loss(params, X, Y[:, ::-1]) == np.inf
    with pytest.warns(SilentNeuronWarning):
        found = PopulationGLM(model, link).fit(X, Y, init_params=params)
    state = population.initialize_optimizer_and_state(params, X, Y)
    for _ in range(30):
        params, state = population.update(params, state, X, Y)
    assert population.status_[1] == "silent"
    assert_allclose(params[0], found.coef_, atol=1e-7)
    assert_array_equal(np.isinf(params[1]), [False, True])
    # Once it fires, its steps lead to the fit.
    later = Y[:, [0, 0]]
    for _ in range(30):
        params, state = population.update(params, state, X, later)
    assert_allclose(params[0], found.coef_[:, [0, 0]], atol=1e-6)


@pytest.mark.parametrize("model", FACTS)
def test_simulation_has_the_moments_of_the_model(model):
    link = _core.observation_models()[model]["default_link"]
    problem = make_problem(model, link, n=2000, p=2, seed=12)
    fitted = GLM(model, link).fit(problem.X, problem.y)
    drawn, means = fitted.simulate(3, problem.X)
    assert_allclose(means, fitted.predict(problem.X))
    again, _ = fitted.simulate(np.random.default_rng([3]), problem.X)
    assert_allclose(again, drawn)
    refitted = GLM(model, link).fit(problem.X, drawn)
    spread = np.abs(refitted.coef_ - fitted.coef_)
    errors = 6 / np.sqrt(2000)
    assert np.all(spread < errors * (1.0 + np.abs(fitted.coef_)))
    if not np.isclose(fitted.dispersion_, 1.0):
        assert refitted.dispersion_ == pytest.approx(fitted.dispersion_, rel=0.25)


def test_simulation_of_populations_and_missing_rows():
    rng = np.random.default_rng(13)
    X = rng.normal(size=(50, 2))
    model = PopulationGLM().fit(X, rng.poisson(2.0, size=(50, 3)))
    X[4] = np.nan
    drawn, means = model.simulate(0, X)
    assert drawn.shape == means.shape == (50, 3)
    assert np.all(np.isnan(drawn[4]))
    assert np.isnan(drawn).sum() == 3
    shifted = model.simulate(0, X, offset=np.full(50, 1.0))[1]
    assert_allclose(shifted, means * np.e)
    perfect = GLM("Gaussian").fit(X[:3], np.array([1.0, 2.0, 4.0]))
    with pytest.raises(ValueError, match="no dispersion"):
        perfect.simulate(0, X)


def test_simulation_of_pynapple_series():
    rng = np.random.default_rng(16)
    time = np.arange(60) * 0.01
    X = nap.TsdFrame(t=time, d=rng.normal(size=(60, 2)))
    Y = nap.TsdFrame(t=time, d=rng.poisson(2.0, size=(60, 2)).astype(float), columns=["a", "b"])
    key = np.array([0, 7], dtype=np.uint32)  # as JAX has them
    drawn, means = PopulationGLM().fit(X, Y).simulate(key, X)
    assert type(drawn) is type(means) is nap.TsdFrame
    assert list(drawn.columns) == list(means.columns) == ["a", "b"]
    assert_array_equal(drawn.t, time)
    drawn, means = GLM().fit(X, Y.d[:, 0]).simulate(key, X)
    assert type(drawn) is type(means) is nap.Tsd


def test_lasso_of_a_strength_in_the_regularizer():
    rng = np.random.default_rng(14)
    X = rng.normal(size=(60, 2))
    y = rng.poisson(2.0, size=60)
    assert GLM(regularizer=Lasso(0.5)).lambda_max(X, y) == GLM(regularizer="Lasso").lambda_max(X, y)
