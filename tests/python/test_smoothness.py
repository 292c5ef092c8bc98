"""Smooth curves: penalties, the choice of their strengths, and what the fits are sure of."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, special, stats

import spikeglm as nmo
from spikeglm.regularizer import Ridge, Smooth, difference_penalty, roughness


def curve(x):
    return np.sin(6 * x)


def example(n=1200, n_funcs=10, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    basis = nmo.basis.BSplineBasis(n_funcs, bounds=(0, 1))
    return x, basis, basis.compute_features(x), rng


def constrained(X, penalties):
    """Return a design [1, X Q] without its null direction, and the penalties there."""
    n_features = X.shape[1]
    blocks, matrices = [], []
    for first, matrix in penalties:
        Q = np.linalg.svd(np.ones((1, len(matrix))))[2][1:].T
        blocks.append((first, Q))
        matrices.append((Q, matrix))
    size = sum(Q.shape[1] for _, Q in blocks)
    Z = np.hstack([np.ones((len(X), 1)), *(X[:, f : f + len(Q)] @ Q for f, Q in blocks)])
    S, at = [], 1
    for Q, matrix in matrices:
        whole = np.zeros((size + 1, size + 1))
        whole[at : at + Q.shape[1], at : at + Q.shape[1]] = Q.T @ matrix @ Q
        at += Q.shape[1]
        S.append(whole)
    assert n_features == sum(len(Q) for _, Q in blocks)
    return Z, S


def penalised(Z, y, S, family):
    """Return loss, coefficients and information of Newton's method in plain numpy."""
    b = np.zeros(Z.shape[1])
    b[0] = np.mean(y) if family == "Gaussian" else np.log(np.mean(y))
    for _ in range(200):
        eta = Z @ b
        if family == "Gaussian":
            d1, d2, loss = eta - y, np.ones(len(y)), 0.5 * np.sum((y - eta) ** 2)
        elif family == "Poisson":
            d1, d2, loss = np.exp(eta) - y, np.exp(eta), np.sum(np.exp(eta) - y * eta)
        else:
            ratio = y * np.exp(-eta)
            d1, d2, loss = 1 - ratio, ratio, np.sum(ratio + eta)
        H = Z.T @ (d2[:, None] * Z)
        step = np.linalg.solve(H + S, Z.T @ d1 + S @ b)
        b = b - step
        if np.max(np.abs(step)) < 1e-12:
            break
    return loss, b, H


def negative_reml(rho, Z, y, parts, family):
    """Minus the Laplace approximation of the restricted likelihood, maximised over phi."""
    strengths = np.exp(rho)
    S = sum(s * part for s, part in zip(strengths, parts, strict=True))
    loss, b, H = penalised(Z, y, S, family)
    ranks = [np.linalg.matrix_rank(part) for part in parts]
    total = loss + 0.5 * b @ S @ b
    determinants = 0.5 * (np.dot(ranks, rho) - np.linalg.slogdet(H + S)[1])
    n, free = len(y), Z.shape[1] - sum(ranks)
    if family == "Poisson":
        return total - determinants
    if family == "Gaussian":
        phi = 2.0 * total / (n - free)
        return total / phi + 0.5 * (n - free) * np.log(phi) - determinants

    def at(log_phi):
        nu = np.exp(-log_phi)
        constant = n * (nu * np.log(nu) - special.gammaln(nu)) + (nu - 1) * np.sum(np.log(y))
        return total * nu - constant - 0.5 * free * log_phi

    return optimize.minimize_scalar(at, bounds=(-10, 5), method="bounded").fun - determinants


@pytest.mark.parametrize("family", ["Poisson", "Gaussian", "Gamma"])
def test_reml_finds_the_maximum_of_the_restricted_likelihood(family):
    x, basis, X, rng = example()
    mean = np.exp(1.2 * curve(x) - 0.5)
    y = {
        "Poisson": rng.poisson(mean).astype(float),
        "Gaussian": curve(x) + 0.4 * rng.normal(size=len(x)),
        "Gamma": rng.gamma(3.0, mean / 3.0),
    }[family]
    penalties = roughness(basis)
    link = "identity" if family == "Gaussian" else "exp"
    model = nmo.glm.GLM(family, link, regularizer=Smooth(penalties)).fit(X, y)
    Z, S = constrained(X, penalties)
    best = optimize.minimize_scalar(
        lambda rho: negative_reml([rho], Z, y, S, family),
        bounds=(-5.0, 12.0),
        method="bounded",
        options={"xatol": 1e-8},
    )
    scale = len(y) / (2.0 if family == "Gaussian" else 1.0)
    assert_allclose(model.regularizer_strength_[0] * scale, np.exp(best.x), rtol=2e-3)
    _, b, _ = penalised(Z, y, np.exp(best.x) * S[0], family)
    eta = X @ model.coef_ + model.intercept_
    assert_allclose(eta, Z @ b, atol=2e-4)
    assert model.converged_


def test_means_stay_in_the_domain_of_the_link():
    rng = np.random.default_rng(0)
    basis = nmo.basis.BSplineBasis(10, bounds=(0, 1))
    for _ in range(20):
        x = rng.random(500)
        X = basis.compute_features(x)
        y = rng.gamma(2.0, np.exp(rng.normal() * curve(x)) / 2.0)
        model = nmo.glm.GLM("Gamma", regularizer=Smooth(roughness(basis))).fit(X, y)
        assert model.converged_
        assert np.all(model.predict(X) > 0.0)


def test_two_terms_and_a_population():
    rng = np.random.default_rng(5)
    n = 1500
    x, z = rng.random(n), rng.random(n) * 2 * np.pi
    basis = nmo.basis.BSplineBasis(9, bounds=(0, 1)) + nmo.basis.CyclicBSplineBasis(
        8, bounds=(0, 2 * np.pi)
    )
    X = basis.compute_features(x, z)
    Y = np.stack(
        [
            rng.poisson(np.exp(curve(x) - 0.5 + 0.5 * np.cos(z))),
            np.zeros(n),
            rng.poisson(np.exp(0.5 * curve(x) - 1.0 + np.sin(z))),
        ],
        axis=1,
    ).astype(float)
    penalties = roughness(basis)
    with pytest.warns(nmo.exceptions.SilentNeuronWarning):
        model = nmo.glm.PopulationGLM(regularizer=Smooth(penalties)).fit(X, Y)
    assert model.regularizer_strength_.shape == (2, 3)
    for i in (0, 2):
        alone = nmo.glm.GLM(regularizer=Smooth(penalties)).fit(X, Y[:, i])
        assert_allclose(model.regularizer_strength_[:, i], alone.regularizer_strength_, rtol=1e-4)
        assert_allclose(model.coef_[:, i], alone.coef_, atol=1e-4)
    Z, S = constrained(X, penalties)
    best = optimize.minimize(
        negative_reml,
        np.log(model.regularizer_strength_[:, 0] * n) + 0.3,
        args=(Z, Y[:, 0], S, "Poisson"),
        method="BFGS",
    )
    ours = negative_reml(np.log(model.regularizer_strength_[:, 0] * n), Z, Y[:, 0], S, "Poisson")
    assert ours <= best.fun + 1e-6
    assert_allclose(model.regularizer_strength_[:, 0] * n, np.exp(best.x), rtol=0.02)


def test_the_best_strengths_of_a_product():
    rng = np.random.default_rng(2)
    x, z = rng.random(2000), rng.random(2000)
    basis = nmo.basis.BSplineBasis(6, bounds=(0, 1)) * nmo.basis.BSplineBasis(5, bounds=(0, 1))
    X = basis.compute_features(x, z)
    penalties = roughness(basis)
    own = [roughness(nmo.basis.BSplineBasis(n).set_input_shape(1))[0][1] for n in (6, 5)]
    assert_allclose(penalties[0][1], np.kron(own[0], np.eye(5)))
    assert_allclose(penalties[1][1], np.kron(np.eye(6), own[1]))
    y = rng.poisson(np.exp(curve(x) * z - 0.5)).astype(float)
    model = nmo.glm.GLM(regularizer=Smooth(penalties)).fit(basis.design(x, z), y)
    Q = np.linalg.svd(np.ones((1, 30)))[2][1:].T
    Z = np.hstack([np.ones((2000, 1)), X @ Q])
    parts = [np.zeros((30, 30)) for _ in penalties]
    for part, (_, matrix) in zip(parts, penalties, strict=True):
        part[1:, 1:] = Q.T @ matrix @ Q
    U = np.linalg.eigh(sum(parts))[1][:, np.linalg.eigvalsh(sum(parts)) > 1e-9]

    def criterion(rho):
        S = sum(np.exp(r) * part for r, part in zip(rho, parts, strict=True))
        loss, b, H = penalised(Z, y, S, "Poisson")
        seen = np.linalg.slogdet(U.T @ S @ U)[1]
        return loss + 0.5 * b @ S @ b - 0.5 * seen + 0.5 * np.linalg.slogdet(H + S)[1]

    found = np.log(model.regularizer_strength_ * 2000)
    slope = optimize.approx_fprime(found, criterion, 1e-5)
    at_bound = found > 9.0
    assert_allclose(slope[~at_bound], 0.0, atol=2e-3)
    dense = nmo.glm.GLM(regularizer=Smooth(penalties)).fit(X, y)
    assert_allclose(model.predict(X), dense.predict(X), rtol=1e-4)


@pytest.mark.parametrize("family", ["Poisson", "Gaussian"])
def test_prediction_error_is_minimised(family):
    x, basis, X, rng = example(seed=4)
    y = curve(x) + 0.4 * rng.normal(size=len(x))
    if family == "Poisson":
        y = rng.poisson(np.exp(curve(x) - 0.5)).astype(float)
    penalties = roughness(basis)
    model = nmo.glm.GLM(family, regularizer=Smooth(penalties, "GCV")).fit(X, y)
    Z, S = constrained(X, penalties)
    n = len(y)

    def score(rho):
        loss, b, H = penalised(Z, y, np.exp(rho) * S[0], family)
        edf = np.trace(np.linalg.solve(H + np.exp(rho) * S[0], H))
        if family == "Gaussian":
            return n * 2.0 * loss / (n - edf) ** 2
        mu = np.exp(Z @ b)
        return (2.0 * np.sum(special.xlogy(y, y / mu) - y + mu) + 2.0 * edf) / n

    best = optimize.minimize_scalar(score, bounds=(-5.0, 12.0), method="bounded")
    scale = n / (2.0 if family == "Gaussian" else 1.0)
    # For counts the strengths are the best ones of the model at the fit itself.
    found = np.log(model.regularizer_strength_[0] * scale)
    assert score(found) <= best.fun * (1.0 + (1e-8 if family == "Gaussian" else 2e-3))


def test_given_strengths_are_the_penalty_of_the_formula():
    x, basis, X, rng = example()
    y = rng.poisson(np.exp(curve(x) - 0.5)).astype(float)
    penalties = roughness(basis)
    Z, S = constrained(X, penalties)
    for strength in (1e-4, 0.1, 1e3):
        model = nmo.glm.GLM(regularizer=Smooth(penalties), regularizer_strength=strength)
        model.fit(X, y)
        _, b, _ = penalised(Z, y, strength * len(y) * S[0], "Poisson")
        assert_allclose(X @ model.coef_ + model.intercept_, Z @ b, atol=1e-7)
        # Neither data nor penalty see a constant: the smallest coefficients sum to zero.
        assert abs(model.coef_.sum()) < 1e-6
        assert model.kkt_ < 1e-6
    # Straight lines are free: without limit the penalty leaves one.
    fitted = X @ model.coef_
    line = np.polynomial.Polynomial.fit(x, fitted, 1)(x)
    assert_allclose(fitted, line, atol=2e-3)


def test_other_penalties_besides():
    x, basis, X, rng = example()
    y = rng.poisson(np.exp(curve(x) - 0.5)).astype(float)
    penalties = roughness(basis)
    only_ridge = nmo.glm.GLM(regularizer=Smooth(penalties, ridge=0.3), regularizer_strength=0.0)
    ridge = nmo.glm.GLM(regularizer=Ridge(), regularizer_strength=0.3).fit(X, y)
    assert_allclose(only_ridge.fit(X, y).coef_, ridge.coef_, atol=1e-8)
    both = nmo.glm.GLM(regularizer=Smooth(penalties, lasso=0.02), regularizer_strength=0.05).fit(
        X, y
    )
    assert both.converged_
    assert np.any(both.coef_ == 0.0)
    for j in np.flatnonzero(both.coef_):
        mu = both.predict(X)
        matrix = Smooth(penalties).terms(0.05, 10, 1).matrix_of(0)
        gradient = X[:, j] @ (mu - y) / len(y) + matrix[j] @ both.coef_
        assert_allclose(gradient, -0.02 * np.sign(both.coef_[j]), atol=1e-7)
    with pytest.raises(ValueError, match="with a lasso the strengths"):
        nmo.glm.GLM(regularizer=Smooth(penalties, lasso=0.02)).fit(X, y)


def test_bayesian_errors_and_effective_degrees_of_freedom():
    x, basis, X, rng = example()
    y = curve(x) + 0.4 * rng.normal(size=len(x))
    penalties = roughness(basis)
    model = nmo.glm.GLM("Gaussian", regularizer=Smooth(penalties)).fit(X, y)
    inference = model.inference()
    Z, S = constrained(X, penalties)
    A = np.linalg.inv(Z.T @ Z + model.regularizer_strength_[0] * len(y) / 2.0 * S[0])
    total = np.nansum(inference.edf) + 1.0
    assert_allclose(total, np.trace(A @ Z.T @ Z), rtol=1e-6)
    _, rows = basis.evaluate_on_grid(30)
    band = inference.band(rows, intercept=True, simultaneous=False)
    R = np.hstack([np.ones((30, 1)), rows @ np.linalg.svd(np.ones((1, 10)))[2][1:].T])
    expected = np.sqrt(model.dispersion_ * np.einsum("ij,jk,ik->i", R, A, R))
    assert_allclose(band.standard_errors, expected, rtol=1e-6)
    assert_allclose(band.critical, stats.t.ppf(0.975, model.dof_resid_))


def test_bands_of_terms_whose_level_is_not_determined():
    x, basis, X, rng = example()
    y = rng.poisson(np.exp(curve(x) - 0.5)).astype(float)
    model = nmo.glm.GLM(regularizer=Smooth(roughness(basis))).fit(X, y)
    inference = model.inference()
    _, rows = basis.evaluate_on_grid(40)
    with pytest.raises(ValueError, match="of curves `centered`"):
        inference.band(rows)
    band = inference.band(rows, centered=True, simultaneous=False)
    Z, S = constrained(X, roughness(basis))
    _, b, H = penalised(Z, y, model.regularizer_strength_[0] * len(y) * S[0], "Poisson")
    V = np.linalg.inv(H + model.regularizer_strength_[0] * len(y) * S[0])
    Q = np.linalg.svd(np.ones((1, 10)))[2][1:].T
    R = (rows - rows.mean(axis=0)) @ Q
    expected = np.sqrt(np.einsum("ij,jk,ik->i", R, V[1:, 1:], R))
    assert_allclose(band.standard_errors, expected, rtol=1e-5)
    assert_allclose(band.estimate, R @ b[1:], atol=1e-5)
    # In pictures: of the fitted coefficients, which sum to zero.
    C = inference.determined_covariance()
    assert_allclose(C, Q @ V[1:, 1:] @ Q.T, rtol=1e-5, atol=1e-12)
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    ax = model.plot_term(basis, inference=inference)
    assert len(ax.collections) == 1
    assert np.isfinite(ax.collections[0].get_paths()[0].vertices).all()


def test_curves_that_matter_and_that_do_not():
    rng = np.random.default_rng(11)
    basis = nmo.basis.BSplineBasis(8, bounds=(0, 1)) + nmo.basis.BSplineBasis(8, bounds=(0, 1))
    basis.set_input_shape(1, 1)
    _, rows = nmo.basis.BSplineBasis(8, bounds=(0, 1)).evaluate_on_grid(50)
    penalties = roughness(basis)
    matters, idle = [], []
    for _ in range(150):
        x, z = rng.random(400), rng.random(400)
        y = rng.poisson(np.exp(0.7 * curve(x) - 0.5)).astype(float)
        model = nmo.glm.GLM(regularizer=Smooth(penalties)).fit(basis.compute_features(x, z), y)
        inference = model.inference()
        matters.append(inference.curve_test(rows, columns=slice(0, 8)).pvalue)
        idle.append(inference.curve_test(rows, columns=slice(8, 16)).pvalue)
    assert max(matters) < 1e-3
    # Of 150 tests at 5 %, between 2 and 17 with probability 0.999 if they are exact.
    assert 2 <= np.sum(np.array(idle) < 0.05) <= 17


def test_what_is_saved_keeps_its_strengths(tmp_path):
    x, basis, X, rng = example()
    y = rng.poisson(np.exp(curve(x) - 0.5)).astype(float)
    model = nmo.glm.GLM(regularizer=Smooth(roughness(basis))).fit(X, y)
    model.save_params(tmp_path / "smooth.npz")
    loaded = nmo.load_model(tmp_path / "smooth.npz")
    assert_allclose(loaded.regularizer_strength_, model.regularizer_strength_)
    assert_allclose(loaded.inference(X, y).edf, model.inference().edf)
    # A fit with strengths of its own forgets those that were chosen.
    model.set_params(regularizer_strength=1.0).fit(X, y)
    assert not hasattr(model, "regularizer_strength_")


def test_bad_penalties_are_refused():
    x, basis, X, rng = example()
    y = rng.poisson(1.0, size=len(x)).astype(float)

    def fit(regularizer, **options):
        return nmo.glm.GLM(regularizer=regularizer, **options).fit(X, y)

    with pytest.raises(TypeError, match=r"Smooth\(roughness\(basis\)\)"):
        fit("Smooth")
    with pytest.raises(ValueError, match="positive semi-definite"):
        fit(Smooth([(0, -np.eye(3))]))
    with pytest.raises(ValueError, match="has 10 features"):
        fit(Smooth([(8, np.eye(3))]))
    with pytest.raises(ValueError, match="overlap"):
        fit(Smooth([(0, np.eye(3)), (2, np.eye(3))]))
    with pytest.raises(ValueError, match="symmetric"):
        fit(Smooth([(0, np.triu(np.ones((3, 3))))]))
    with pytest.raises(ValueError, match='"REML" or "GCV"'):
        fit(Smooth(roughness(basis), "AIC"))
    with pytest.raises(ValueError, match="one value for each penalty"):
        fit(Smooth(roughness(basis)), regularizer_strength=[1.0, 2.0])
    with pytest.raises(ValueError, match="not known yet"):
        roughness(nmo.basis.BSplineBasis(5, mode="conv", window_size=10))
    with pytest.raises(ValueError, match="no component"):
        roughness(nmo.basis.IdentityBasis().set_input_shape(1))
    with pytest.raises(ValueError, match="need more than 2"):
        difference_penalty(2, 2)


@pytest.mark.parametrize("family", ["Poisson", "Gamma"])
def test_masks_weights_offsets_and_gaps(family):
    rng = np.random.default_rng(8)
    n = 900
    x, z = rng.random(n), rng.random(n)
    basis = nmo.basis.BSplineBasis(8, bounds=(0, 1)) + nmo.basis.BSplineBasis(7, bounds=(0, 1))
    X = basis.compute_features(x, z)
    offset = rng.normal(size=n) * 0.2
    mean = np.exp(curve(x) + offset)
    y = rng.poisson(mean).astype(float) if family == "Poisson" else rng.gamma(2.0, mean / 2.0)
    penalties = roughness(basis)
    settings = {"observation_model": family, "inverse_link_function": "exp"}
    rows = {"offset": offset}

    # A feature that a neuron does not have is as none at all.
    mask = np.ones((15, 2))
    mask[8:, 1] = 0
    both = nmo.glm.PopulationGLM(**settings, regularizer=Smooth(penalties), feature_mask=mask)
    both.fit(X, np.stack([y, y], axis=1), **rows)
    first = nmo.glm.GLM(**settings, regularizer=Smooth(penalties[:1])).fit(X[:, :8], y, **rows)
    assert_allclose(both.regularizer_strength_[0, 1], first.regularizer_strength_[0], rtol=1e-5)
    assert both.regularizer_strength_[1, 1] == 0.0
    assert_allclose(both.coef_[:8, 1], first.coef_, atol=1e-6)

    # Weights are repetitions, zero leaves a row out, as NaN in X or y do.
    weight = rng.integers(0, 3, size=n).astype(float)
    weighted = nmo.glm.GLM(**settings, regularizer=Smooth(penalties))
    weighted.fit(X, y, sample_weight=weight, **rows)
    again = np.repeat(np.arange(n), weight.astype(int))
    repeated = nmo.glm.GLM(**settings, regularizer=Smooth(penalties))
    repeated.fit(X[again], y[again], offset=offset[again])
    # The second curve is flat; where on the plateau its strength ends says nothing.
    assert_allclose(weighted.regularizer_strength_[0], repeated.regularizer_strength_[0], rtol=1e-4)
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-3)
    holed, gaps = X.copy(), y.copy()
    holed[weight == 0.0, 0] = np.nan
    gaps[:50] = np.nan
    left = (weight > 0.0) & (np.arange(n) >= 50)
    with_gaps = nmo.glm.GLM(**settings, regularizer=Smooth(penalties)).fit(holed, gaps, **rows)
    without = nmo.glm.GLM(**settings, regularizer=Smooth(penalties))
    without.fit(X[left], y[left], offset=offset[left])
    assert_allclose(with_gaps.regularizer_strength_[0], without.regularizer_strength_[0], rtol=1e-4)
    assert_allclose(with_gaps.predict(X), without.predict(X), rtol=1e-3)


def test_who_has_no_smoothness_says_so():
    x, basis, X, rng = example(n=200)
    y = rng.poisson(1.0, size=len(x)).astype(float)
    smooth = Smooth(roughness(basis))
    with pytest.raises(NotImplementedError, match="no Smooth penalty"):
        nmo.glm.ClassifierGLM(regularizer=smooth).fit(X, y > 1)
    with pytest.raises(ValueError, match="Smooth chooses its own"):
        nmo.glm.GLMCV(regularizer=smooth).fit(X, y)
    own = nmo.links.InverseLink(np.exp, np.exp, np.exp)
    for strength in (None, 1.0):
        model = nmo.glm.GLM(
            inverse_link_function=own, regularizer=smooth, regularizer_strength=strength
        )
        with pytest.raises(NotImplementedError, match="inverse link of the core"):
            model.fit(X, y)
    estimated = nmo.observation_models.NegativeBinomialObservations(scale="estimate")
    negative = nmo.glm.GLM(estimated, regularizer=smooth)
    with pytest.raises(NotImplementedError, match="give the model a `scale`"):
        negative.fit(X, y)


def test_penalties_of_kinds_of_bases():
    cyclic = difference_penalty(5, 1, cyclic=True)
    assert_allclose(cyclic.sum(axis=0), 0.0)
    assert cyclic[0, -1] == -1.0
    basis = (
        nmo.basis.IdentityBasis()
        + nmo.basis.RaisedCosineBasisLog(4, mode="conv", window_size=20)
        + nmo.basis.CyclicBSplineBasis(6, bounds=(0, 1)) * nmo.basis.BSplineBasis(4, bounds=(0, 1))
    )
    basis.set_input_shape(1, 3, 1, 1)
    found = roughness(basis)
    assert [first for first, _ in found] == [1, 13, 13]
    assert_allclose(found[0][1], np.kron(np.eye(3), difference_penalty(4)))
    assert_allclose(found[1][1], np.kron(difference_penalty(6, cyclic=True), np.eye(4)))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_penalty_of_a_spline_is_that_of_its_derivative(order):
    from scipy.interpolate import BSpline

    n, degree = 9, 3
    knots = np.concatenate(
        [np.zeros(degree), np.arange(n - degree + 1), np.full(degree, n - degree)]
    )
    coef = np.random.default_rng(0).normal(size=n)
    derivative = BSpline(knots, coef, degree).derivative(order)
    basis = nmo.basis.BSplineBasis(n).set_input_shape(1)
    matrix = roughness(basis, order)[0][1]
    assert_allclose(coef @ matrix @ coef, np.sum(derivative.c[: n - order] ** 2), rtol=1e-10)
