"""Decoders and adaptive weights against the formulas of their sources, written out in numpy."""

import numpy as np
import pytest
import scipy.stats

import spikeglm as nmo
from spikeglm.online import OnlineDecoder, OnlineGridDecoder, OnlineLearner

N = 300


def fitted(X, y, **settings):
    model = nmo.glm.PopulationGLM(regularizer="Ridge", regularizer_strength=1e-3, **settings)
    return model.fit(X, y)


@pytest.fixture
def rng():
    return np.random.default_rng(42)


def history():
    return nmo.basis.RaisedCosineBasisLog(3, mode="conv", window_size=8)


def test_point_process_filter_is_that_of_eden(rng):
    """Eden et al. (2004), with the inverses as they print them; history and NaN beside it."""
    velocity = np.cumsum(rng.normal(scale=0.1, size=(N, 2)), axis=0)
    counts = rng.poisson(np.exp(velocity @ rng.normal(size=(2, 6)) * 0.3 - 0.7)).astype(float)
    counts[50, 2] = np.nan
    basis = nmo.basis.IdentityBasis() + history()
    past = np.nan_to_num(counts)
    X = basis.compute_features(velocity, past)
    model = fitted(X, np.nan_to_num(counts))
    A = np.array([[0.99, 0.05], [-0.05, 0.99]])
    Q = np.array([[0.02, 0.005], [0.005, 0.01]])
    decoder = OnlineDecoder(model, basis, 0, A, Q, [0.1, -0.2], np.eye(2))
    base = model.intercept_ + X[:, 2:] @ model.coef_[2:]
    B = model.coef_[:2]
    for _ in range(2):
        mean, W = np.array([0.1, -0.2]), np.eye(2)
        for t in range(N):
            mean, W = A @ mean, A @ W @ A.T + Q
            used = ~np.isnan(base[t]) & ~np.isnan(counts[t])
            rate = np.exp(base[t] + B.T @ mean)[used]
            b = B[:, used]
            W = np.linalg.inv(np.linalg.inv(W) + (b * rate) @ b.T)
            mean = mean + W @ b @ (counts[t, used] - rate)
            found, covariance = decoder.push(counts[t], past[t])
            np.testing.assert_allclose(found, mean, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(covariance, W, rtol=1e-9, atol=1e-12)
        decoder.reset()


def test_gaussian_observations_give_the_kalman_filter(rng):
    """In gain form; the noise of a step is singular, as of a position that a velocity moves."""
    X = rng.normal(size=(N, 2))
    y = X @ rng.normal(size=(2, 3)) + rng.normal(scale=[0.5, 1.0, 2.0], size=(N, 3))
    linear = nmo.basis.IdentityBasis()
    model = fitted(linear.compute_features(X), y, observation_model="Gaussian")
    A, Q = np.array([[1.0, 0.1], [0.0, 0.98]]), np.diag([0.0, 0.05])
    R, C = np.diag(model.dispersion_), model.coef_.T
    decoder = OnlineDecoder(model, linear, 0, A, Q)
    mean, P = np.zeros(2), Q
    for t in range(100):
        mean, P = A @ mean, A @ P @ A.T + Q
        K = P @ C.T @ np.linalg.inv(C @ P @ C.T + R)
        mean = mean + K @ (y[t] - model.intercept_ - C @ mean)
        P = P - K @ C @ P
        found, covariance = decoder.push(y[t])
        np.testing.assert_allclose(found, mean, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(covariance, P, rtol=1e-9, atol=1e-12)


def test_states_come_in_the_order_in_which_they_are_named(rng):
    a, b = rng.normal(size=(2, N))
    y = rng.poisson(np.exp(0.5 * np.outer(a, [1, 0, 1]) + 0.5 * np.outer(b, [0, 1, 1])))
    linear = nmo.basis.IdentityBasis()
    basis = linear + linear
    model = fitted(basis.compute_features(a, b), y)
    one = OnlineDecoder(model, basis, (0, 1), np.eye(2), np.diag([0.1, 0.2]))
    other = OnlineDecoder(model, basis, (1, 0), np.eye(2), np.diag([0.2, 0.1]))
    for counts in y[:20]:
        mean, _ = one.push(counts)
        np.testing.assert_allclose(other.push(counts)[0], mean[::-1], rtol=1e-12)


@pytest.mark.parametrize("link", ["softplus", "probit", "cloglog", "logistic"])
def test_other_links(rng, link):
    """Posterior mean and variance of one bin against integration, where the data say much."""
    x = rng.normal(size=N)
    y = rng.binomial(1, 0.5, size=(N, 400))
    model = fitted(x[:, None], y, observation_model="Bernoulli", inverse_link_function=link)
    model.coef_ = rng.normal(scale=0.5, size=(1, 400))
    basis = nmo.basis.IdentityBasis().setup_basis(x)
    decoder = OnlineDecoder(model, basis, 0, [[1.0]], [[0.0]], [0.2], [[1e-3]])
    truth = rng.binomial(1, model.predict(np.array([[0.2]]))[0])
    mean, variance = decoder.push(truth)
    grid = np.linspace(0.0, 0.4, 4001)
    p = np.clip(model.predict(grid[:, None]), 1e-12, 1 - 1e-12)
    log = truth @ np.log(p.T) + (1 - truth) @ np.log1p(-p.T) - (grid - 0.2) ** 2 / 2e-3
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    expected = weight @ grid
    spread = weight @ (grid - expected) ** 2
    assert abs(mean[0] - expected) < 0.05 * np.sqrt(spread)
    assert abs(variance[0, 0] / spread - 1.0) < 0.05


def test_grid_is_the_rule_of_bayes(rng):
    x = rng.uniform(0, 10, size=N)
    counts = rng.poisson(np.exp(np.sin(np.outer(x, [1, 2, 3, 0.5, 1.5])) - 0.5)).astype(float)
    counts[40, 1] = np.nan
    past = np.nan_to_num(counts)
    basis = history() + nmo.basis.BSplineBasis(6, bounds=(0, 10))
    X = basis.compute_features(past, x)
    model = fitted(X, past)
    grid = np.linspace(-1.0, 10.0, 34)  # some of it outside
    steps = OnlineGridDecoder.gaussian_steps(grid, 0.7)
    prior = rng.random(34)
    decoder = OnlineGridDecoder(model, basis, 1, grid, steps, prior)
    place = nmo.basis.BSplineBasis(6, bounds=(0, 10)).compute_features(grid) @ model.coef_[15:]
    inside = ~np.isnan(place[:, 0])
    assert inside.sum() == 31
    base = model.intercept_ + X[:, :15] @ model.coef_[:15]
    p = prior * inside / (prior * inside).sum()
    for t in range(120):
        p = (steps.T @ p) * inside
        used = ~np.isnan(base[t]) & ~np.isnan(counts[t])
        rates = np.exp(base[t] + np.nan_to_num(place))[:, used]
        p *= np.exp(scipy.stats.poisson.logpmf(counts[t, used], rates).sum(axis=1))
        p /= p.sum()
        found = decoder.push(counts[t], past[t])
        np.testing.assert_allclose(found, p, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "log_density"),
    [
        ("NegativeBinomial", lambda y, m, d: scipy.stats.nbinom.logpmf(y, 1 / d, 1 / (1 + d * m))),
        ("Gaussian", lambda y, m, d: scipy.stats.norm.logpdf(y, m, np.sqrt(d))),
        ("Gamma", lambda y, m, d: scipy.stats.gamma.logpdf(y, 1 / d, scale=m * d)),
        ("Bernoulli", lambda y, m, d: scipy.stats.bernoulli.logpmf(y, m)),
    ],
)
def test_grid_in_two_dimensions_with_every_model(rng, name, log_density):
    x = rng.uniform(0, 1, size=(2, N))
    draw = {
        "NegativeBinomial": lambda: rng.negative_binomial(2, 0.5, size=(N, 3)),
        "Gaussian": lambda: rng.normal(size=(N, 3)) * [1, 2, 3],
        "Gamma": lambda: rng.gamma([1.0, 2.0, 4.0], size=(N, 3)),
        "Bernoulli": lambda: rng.binomial(1, 0.4, size=(N, 3)),
    }
    y = draw[name]()
    basis = nmo.basis.BSplineBasis(4, bounds=(0, 1)) * nmo.basis.CyclicBSplineBasis(
        4, bounds=(0, 1)
    )
    model = fitted(
        basis.compute_features(*x),
        y,
        observation_model=name,
        inverse_link_function="exp" if name == "Gamma" else None,
    )
    a, b = np.linspace(0, 1, 5), np.linspace(0, 1, 7)
    steps = [OnlineGridDecoder.gaussian_steps(axis, 0.3) for axis in (a, b)]
    decoder = OnlineGridDecoder(model, basis, (0, 1), (a, b), steps)
    mesh = [axis.ravel() for axis in np.meshgrid(a, b, indexing="ij")]
    means = model.predict(basis.compute_features(*mesh))
    p = np.full(35, 1 / 35)
    for t in range(30):
        p = np.kron(steps[0], steps[1]).T @ p
        density = log_density(y[t], means, np.asarray(model.dispersion_)).sum(axis=1)
        p *= np.exp(density - density.max())
        p /= p.sum()
        np.testing.assert_allclose(decoder.push(y[t]), p.reshape(5, 7), rtol=1e-8, atol=1e-13)


def test_learner_is_the_stochastic_state_filter(rng):
    counts = rng.poisson(0.4, size=(N, 3)).astype(float)
    basis = history()
    X = basis.compute_features(counts)
    model = fitted(X, counts)
    learner = OnlineLearner(model, basis, 0.05, noise=1e-4, forgetting=0.99)
    beta = np.vstack([model.coef_, model.intercept_])
    W = [0.05 * np.eye(10) for _ in range(3)]
    for t in range(150):
        x = np.append(X[t], 1.0)
        rates = np.exp(x @ beta)
        y = counts[t].copy()
        if t % 7 == 0:
            y[1] = np.nan
        np.testing.assert_allclose(learner.push(y, counts[t]), rates, rtol=1e-9)
        for o in range(3):
            W[o] = W[o] / 0.99 + 1e-4 * np.eye(10)
            if np.isnan(x).any() or np.isnan(y[o]):
                continue
            W[o] = np.linalg.inv(np.linalg.inv(W[o]) + rates[o] * np.outer(x, x))
            beta[:, o] += W[o] @ x * (y[o] - rates[o])
        np.testing.assert_allclose(learner.coef_, beta[:-1], rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(learner.intercept_, beta[-1], rtol=1e-8, atol=1e-12)


def test_learner_of_gaussian_observations_is_weighted_least_squares(rng):
    X = rng.normal(size=(200, 2))
    y = X @ [1.0, -2.0] + 0.5 + rng.normal(size=200)
    model = nmo.glm.GLM("Gaussian").fit(X, y)
    model.coef_, model.intercept_ = np.zeros(2), np.zeros(1)
    learner = OnlineLearner(model, initial_variance=4.0, forgetting=0.98)
    for t in range(200):
        learner.push([y[t]], X[t])
    design = np.column_stack([X, np.ones(200)])
    weight = 0.98 ** np.arange(199, -1, -1) / model.dispersion_
    prior = 0.98**200 / 4.0 * np.eye(3)
    expected = np.linalg.solve((design.T * weight) @ design + prior, (design.T * weight) @ y)
    np.testing.assert_allclose(learner.coef_[:, 0], expected[:2], rtol=1e-9)
    np.testing.assert_allclose(learner.intercept_, expected[2:], rtol=1e-9)


def test_learner_follows_a_drift(rng):
    X = rng.normal(size=(4000, 2))
    model = fitted(X[:400], rng.poisson(np.exp(X[:400] @ [[0.5], [0.0]])))
    learner = OnlineLearner(model, initial_variance=1e-3, noise=1e-4)
    for x in X:  # another population
        learner.push(rng.poisson(np.exp(x @ np.array([[-0.3], [0.4]]))), x)
    np.testing.assert_allclose(learner.coef_[:, 0], [-0.3, 0.4], atol=0.25)


def test_refusals(rng):
    x = rng.uniform(size=(N, 2))
    counts = rng.poisson(1.0, size=(N, 2))
    linear = nmo.basis.IdentityBasis()
    place = nmo.basis.BSplineBasis(5, bounds=(0, 1))
    with_place = place + linear
    model = fitted(with_place.compute_features(x[:, 0], x[:, 1]), counts)
    eye = np.eye(1)
    with pytest.raises(ValueError, match="OnlineGridDecoder"):
        OnlineDecoder(model, with_place, 0, eye, eye)
    with pytest.raises(ValueError, match="indices"):
        OnlineDecoder(model, with_place, 2, eye, eye)
    with pytest.raises(ValueError, match="shape"):
        OnlineDecoder(model, with_place, 1, np.eye(2), eye)
    with pytest.raises(ValueError, match="positive semidefinite"):
        OnlineDecoder(model, with_place, 1, eye, -eye)
    decoder = OnlineDecoder(model, with_place, 1, eye, eye)
    with pytest.raises(TypeError, match=r"1 known input\(s\)"):
        decoder.push(counts[0])
    with pytest.raises(ValueError, match="3 values"):
        decoder.push(np.zeros(3), 0.5)
    with pytest.raises(ValueError, match="outside the bounds"):
        OnlineGridDecoder(model, with_place, 0, [2.0, 3.0])
    with pytest.raises(ValueError, match="add up to one"):
        OnlineGridDecoder(model, with_place, 0, [0.2, 0.3], np.eye(2) * 0.9)
    with pytest.raises(ValueError, match="prior"):
        OnlineGridDecoder(model, with_place, 0, [0.2, 0.3], prior=[0.0, 0.0])
    mixed = place * linear
    model = fitted(mixed.compute_features(x[:, 0], x[:, 1]), counts)
    with pytest.raises(ValueError, match="one or the other"):
        OnlineGridDecoder(model, mixed, 0, [0.2, 0.3])
    past = history()
    model = fitted(past.compute_features(counts), counts)
    with pytest.raises(ValueError, match="convolved"):
        OnlineDecoder(model, past, 0, np.eye(2), np.eye(2))
    with pytest.raises(ValueError, match="forgetting"):
        OnlineLearner(model, past, forgetting=1.5)
    with pytest.raises(ValueError, match="initial_variance"):
        OnlineLearner(model, past, np.eye(2))


def test_an_unstable_filter_says_so(rng):
    x = rng.normal(size=N)
    model = fitted(x[:, None], rng.poisson(1.0, size=(N, 1)))
    basis = nmo.basis.IdentityBasis().setup_basis(x)
    decoder = OnlineDecoder(model, basis, 0, [[1e200]], [[1.0]])
    with pytest.raises(RuntimeError, match="no longer positive"):
        decoder.push([np.nan])
