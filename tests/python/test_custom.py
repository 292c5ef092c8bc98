"""Links and models of users: the fits of the core where both exist, other fits where only one."""

import io
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import expit, gammaln
from sklearn.base import clone

import spikeglm as nmo
from spikeglm import _core
from spikeglm.basis import BSplineBasis
from spikeglm.exceptions import IdentifiabilityWarning
from spikeglm.glm import GLM, PopulationGLM
from spikeglm.links import InverseLink
from spikeglm.observation_models import CustomObservations
from spikeglm.regularizer import ElasticNet, GroupLasso, Lasso, Ridge

RNG = np.random.default_rng(30)
N = 400
X = RNG.normal(size=(N, 3)) * [1.0, 4.0, 0.3] + [0.0, 10.0, 0.0]
Z = (X - X.mean(0)) / X.std(0)
Y = RNG.poisson(np.exp(Z @ [0.4, -0.3, 0.2] + 0.5)).astype(float)


def softplus(eta):
    return np.logaddexp(0.0, eta)


EXP = InverseLink(np.exp, np.exp, np.exp)
SOFTPLUS = InverseLink(softplus, expit, lambda eta: expit(eta) * expit(-eta))
POISSON = CustomObservations(
    loss=lambda y, mu: mu - y * np.log(mu),
    first=lambda y, mu: 1 - y / mu,
    second=lambda y, mu: y / mu**2,
    variance=lambda mu: mu,
    support=lambda y: y >= 0,
    log_likelihood_of=lambda y, mu, phi: y * np.log(mu) - mu - gammaln(y + 1),
    sample=lambda generator, mu, phi: generator.poisson(mu),
)
GAUSSIAN = CustomObservations(
    loss=lambda y, mu: (y - mu) ** 2 / 2,
    first=lambda y, mu: mu - y,
    second=lambda y, mu: np.ones_like(mu),
    variance=np.ones_like,
    estimates_dispersion=True,
    inverse_link_function="identity",
)
PENALTIES = {
    "none": None,
    "ridge": Ridge(0.1),
    "lasso": Lasso(0.05),
    "net": ElasticNet((0.05, 0.5)),
    "group": GroupLasso(np.array([[1, 0, 1], [0, 1, 0]]), 0.03),
}


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(
    ("own", "core"),
    [
        (("Poisson", EXP), ("Poisson", "exp")),
        (("Poisson", SOFTPLUS), ("Poisson", "softplus")),
        (("Gamma", EXP), ("Gamma", "exp")),
        ((POISSON, "exp"), ("Poisson", "exp")),
        ((POISSON, SOFTPLUS), ("Poisson", "softplus")),
    ],
)
def test_the_fit_of_the_core(own, core, penalty):
    y = Y + 0.5 if core[0] == "Gamma" else Y
    weight = RNG.integers(0, 3, size=N).astype(float)
    offset = 0.1 * RNG.normal(size=N)
    x = X.copy()
    x[3] = np.nan
    rows = {"sample_weight": weight, "offset": offset}
    found = GLM(*own, PENALTIES[penalty], solver_kwargs={"tol": 1e-10}).fit(x, y, **rows)
    expected = GLM(*core, PENALTIES[penalty], solver_kwargs={"tol": 1e-10}).fit(x, y, **rows)
    assert_allclose(found.coef_, expected.coef_, rtol=1e-7, atol=1e-9)
    assert_allclose(found.intercept_, expected.intercept_, atol=1e-8)
    assert_allclose(found.dispersion_, expected.dispersion_, rtol=1e-7)
    for name in ("rank_", "n_dropped_", "dof_resid_", "status_", "converged_"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.kkt_ < 1e-7
    assert_array_equal(found.coef_ == 0.0, expected.coef_ == 0.0)
    assert_allclose(found.predict(x), expected.predict(x), rtol=1e-7)
    for kind in ("log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen"):
        assert found.score(x, y, kind) == pytest.approx(expected.score(x, y, kind), rel=1e-6)
    params = expected.coef_, expected.intercept_
    assert found.compute_loss(params, x, y, **rows) == pytest.approx(
        expected.compute_loss(params, x, y, **rows), rel=1e-10
    )


@pytest.mark.parametrize("solver", _core.solvers())
def test_every_solver(solver):
    stochastic = _core.solvers()[solver]["stochastic"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if stochastic else "error")
        model = GLM("Poisson", SOFTPLUS, Ridge(0.1), solver_name=solver).fit(X, Y)
    expected = GLM("Poisson", "softplus", Ridge(0.1)).fit(X, Y)
    assert_allclose(model.predict(X), expected.predict(X), rtol=1e-2 if stochastic else 1e-6)


def test_a_gaussian_of_a_users_own():
    y = Z @ [1.0, -0.5, 0.0] + 0.3 * RNG.normal(size=N)
    found = GLM(GAUSSIAN).fit(X, y)
    expected = GLM("Gaussian").fit(X, y)
    assert_allclose(found.coef_, expected.coef_, rtol=1e-8)
    assert_allclose(found.dispersion_, expected.dispersion_, rtol=1e-10)
    assert_allclose(
        GAUSSIAN.estimate_scale(y, expected.predict(X), expected.dof_resid_),
        expected.dispersion_,
        rtol=1e-10,
    )


def test_a_link_that_the_core_lacks():
    """exp below zero, 1 + eta above: the mean of a rectified drive; against scipy."""
    link = InverseLink(
        mean=lambda e: np.where(e < 0, np.exp(np.minimum(e, 0)), 1 + e),
        first=lambda e: np.where(e < 0, np.exp(np.minimum(e, 0)), 1.0),
        second=lambda e: np.where(e < 0, np.exp(np.minimum(e, 0)), 0.0),
    )

    def loss(params):
        mu = link.mean(Z @ params[:3] + params[3])
        return np.mean(mu - Y * np.log(mu)) + 0.05 * np.sum(params[:3] ** 2)

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-10})
    model = GLM("Poisson", link, Ridge(0.1)).fit(Z, Y)
    assert model.converged_
    assert loss(np.r_[model.coef_, model.intercept_]) <= best.fun + 1e-13
    assert_allclose(model.coef_, best.x[:3], atol=1e-5)


def test_a_model_that_the_core_lacks():
    """Inverse Gaussian with the log link, by iteratively reweighted least squares."""
    model = CustomObservations(
        loss=lambda y, mu: (y - mu) ** 2 / (2 * y * mu**2),
        first=lambda y, mu: (mu - y) / mu**3,
        second=lambda y, mu: (3 * y - 2 * mu) / mu**4,
        variance=lambda mu: mu**3,
        estimates_dispersion=True,
        support=lambda y: y > 0,
    )
    y = RNG.wald(np.exp(Z @ [0.3, 0.0, -0.2]), 10.0)
    design = np.c_[Z, np.ones(N)]
    beta = np.array([0.0, 0.0, 0.0, np.log(y.mean())])
    for _ in range(200):
        mu = np.exp(design @ beta)
        weight = 1 / mu  # mu'^2 / V
        beta = np.linalg.solve(
            design.T @ (design * weight[:, None]),
            design.T @ (weight * (design @ beta + (y - mu) / mu)),
        )
    found = GLM(model).fit(Z, y)
    assert_allclose(np.r_[found.coef_, found.intercept_], beta, atol=1e-8)
    phi = np.sum((y - mu) ** 2 / mu**3) / (N - 4)
    assert found.dispersion_ == pytest.approx(phi, rel=1e-7)
    with pytest.raises(ValueError, match="outside the model's support"):
        GLM(model).fit(Z, y - y.min())
    with pytest.raises(ValueError, match="cannot be simulated"):
        found.simulate(0, Z)


def test_populations_masks_designs_and_threads():
    x = RNG.uniform(size=N)
    basis = BSplineBasis(5, bounds=(0, 1))
    Y2 = np.c_[Y, RNG.poisson(2.0, size=N)]
    mask = np.ones((5, 2))
    mask[0, 1] = 0
    own = PopulationGLM("Poisson", EXP, "Ridge", 0.1, feature_mask=mask).fit(basis.design(x), Y2)
    core = PopulationGLM("Poisson", "exp", "Ridge", 0.1, feature_mask=mask).fit(basis.design(x), Y2)
    assert_allclose(own.coef_, core.coef_, atol=1e-8)
    assert_allclose(own.predict(basis.design(x)), core.predict(basis.design(x)), rtol=1e-7)
    again = PopulationGLM("Poisson", EXP, "Ridge", 0.1, feature_mask=mask, n_threads=2)
    assert_array_equal(again.fit(basis.design(x), Y2).coef_, own.coef_)


def test_columns_that_say_nothing():
    with pytest.warns(IdentifiabilityWarning):
        model = GLM("Poisson", EXP).fit(np.c_[X, X[:, 0], np.ones(N)], Y)
    plain = GLM().fit(X, Y)
    assert_allclose(model.coef_[[0, 3]], plain.coef_[0] / 2, rtol=1e-6)
    assert model.coef_[4] == 0.0
    assert model.aliased_.tolist() == [4]
    assert model.rank_ == 4
    through_zero = GLM("Poisson", EXP, fit_intercept=False).fit(Z, Y)
    assert_allclose(through_zero.coef_, GLM(fit_intercept=False).fit(Z, Y).coef_, atol=1e-8)


def test_simulation():
    model = GLM(POISSON).fit(X, Y)
    drawn, means = model.simulate(0, X)
    assert drawn.shape == (N,)
    assert abs(np.mean(drawn - means)) < 0.2


def test_conventions():
    model = GLM(POISSON, SOFTPLUS)
    assert clone(model).inverse_link_function is not SOFTPLUS
    clone(model).fit(X, Y)
    model.fit(X, Y)
    with pytest.raises(TypeError, match="mapping_dict"):
        model.save_params(io.BytesIO())
    named = GLM("Poisson", None).fit(X, Y)
    file = io.BytesIO()
    named.save_params(file)
    loaded = nmo.load_model(
        io.BytesIO(file.getvalue()), mapping_dict={"inverse_link_function": EXP}
    )
    assert_allclose(loaded.predict(X), named.predict(X))


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"links\.InverseLink"):
        GLM(inverse_link_function=lambda eta: eta**2).fit(X, Y)
    wrong = InverseLink(np.exp, np.exp, lambda eta: 2 * np.exp(eta))
    with pytest.raises(ValueError, match=r"`second` is .* not the derivative"):
        GLM("Poisson", wrong).fit(X, Y)
    wrong = InverseLink(np.exp, lambda eta: -np.exp(eta), np.exp)
    with pytest.raises(ValueError, match=r"`first` is .* not the derivative"):
        GLM("Poisson", wrong).fit(X, Y)
    wrong = InverseLink(lambda eta: np.exp(eta)[:1], np.exp, np.exp)
    with pytest.raises(ValueError, match="vectorised"):
        GLM("Poisson", wrong).fit(X, Y)
    broken = InverseLink(np.exp, np.exp, lambda eta: 1 / 0)
    model = GLM("Poisson", broken)
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y)
    assert not hasattr(model, "coef_")
    wrong = CustomObservations(
        lambda y, mu: mu - y * np.log(mu), lambda y, mu: 1 + y / mu, lambda y, mu: y / mu**2
    )
    with pytest.raises(ValueError, match="first derivative of the loss"):
        GLM(wrong).fit(X, Y)
    with pytest.raises(ValueError, match="y >= 0"):
        GLM("Poisson", EXP).fit(X, -Y)
    with pytest.raises(ValueError, match="infinite at row"):
        GLM("Poisson", EXP).fit(np.where(X.max() - 1e-9 < X, np.inf, X), Y)
    for call in (
        lambda m: m.lambda_max(X, Y),
        lambda m: m.initialize_params(X, Y),
        lambda m: m.initialize_optimizer_and_state(None, X, Y),
    ):
        with pytest.raises(NotImplementedError, match="of the core"):
            call(GLM("Poisson", EXP, "Lasso"))
    joint = np.ones((1, 3, 2))
    with pytest.raises(NotImplementedError, match="join neurons"):
        PopulationGLM("Poisson", EXP, GroupLasso(joint)).fit(X, np.c_[Y, Y])
