"""Features and fits beside NeMoS in float64, in an environment that has both."""

import jax

jax.config.update("jax_enable_x64", True)

import nemos as peer  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

import spikeglm as nmo  # noqa: E402

RNG = np.random.default_rng(0)
X_1D = np.sort(RNG.uniform(-3.0, 5.0, size=400))
COUNTS = RNG.poisson(0.4, size=(400, 3)).astype(float)

EVALUATED = [
    (nmo.basis.BSplineBasis(7), peer.basis.BSplineEval(7)),
    (nmo.basis.BSplineBasis(6, order=2), peer.basis.BSplineEval(6, order=2)),
    (nmo.basis.BSplineBasis(5, bounds=(-2, 4)), peer.basis.BSplineEval(5, bounds=(-2, 4))),
    (nmo.basis.CyclicBSplineBasis(8), peer.basis.CyclicBSplineEval(8)),
    (nmo.basis.CyclicBSplineBasis(5, order=3), peer.basis.CyclicBSplineEval(5, order=3)),
    (nmo.basis.MSplineBasis(6), peer.basis.MSplineEval(6, order=2)),
    (nmo.basis.MSplineBasis(6, order=4), peer.basis.MSplineEval(6)),
    (nmo.basis.MSplineBasis(6, bounds=(-2, 4)), peer.basis.MSplineEval(6, 2, bounds=(-2, 4))),
    (nmo.basis.RaisedCosineBasisLinear(5), peer.basis.RaisedCosineLinearEval(5)),
    (nmo.basis.RaisedCosineBasisLinear(5, width=3), peer.basis.RaisedCosineLinearEval(5, width=3)),
    (nmo.basis.RaisedCosineBasisLog(6), peer.basis.RaisedCosineLogEval(6)),
    (
        nmo.basis.RaisedCosineBasisLog(6, time_scaling=10, enforce_decay_to_zero=False),
        peer.basis.RaisedCosineLogEval(6, time_scaling=10, enforce_decay_to_zero=False),
    ),
]
CONVOLVED = [
    (nmo.basis.BSplineBasis, peer.basis.BSplineConv, {}),
    (nmo.basis.CyclicBSplineBasis, peer.basis.CyclicBSplineConv, {}),
    (nmo.basis.MSplineBasis, peer.basis.MSplineConv, {"order": 2}),
    (nmo.basis.RaisedCosineBasisLinear, peer.basis.RaisedCosineLinearConv, {}),
    (nmo.basis.RaisedCosineBasisLog, peer.basis.RaisedCosineLogConv, {}),
]


def assert_same(found, expected):
    expected = np.asarray(expected)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.nanmax(np.abs(expected)))


@pytest.mark.parametrize(("ours", "theirs"), EVALUATED, ids=lambda b: type(b).__name__)
def test_evaluated_features(ours, theirs):
    assert_same(ours.compute_features(X_1D), theirs.compute_features(X_1D))


@pytest.mark.parametrize(("ours", "theirs", "settings"), CONVOLVED)
@pytest.mark.parametrize("window", [20, 63])
def test_convolved_features(ours, theirs, settings, window):
    basis = ours(6, mode="conv", window_size=window)
    reference = theirs(6, window_size=window, **settings)
    assert_same(basis.compute_features(COUNTS), reference.compute_features(COUNTS))


def test_compositions():
    for combine in (lambda a, b: a + b, lambda a, b: a * b):
        ours = combine(nmo.basis.BSplineBasis(5), nmo.basis.CyclicBSplineBasis(6))
        theirs = combine(peer.basis.BSplineEval(5), peer.basis.CyclicBSplineEval(6))
        inputs = (X_1D, RNG.uniform(size=400))
        assert_same(ours.compute_features(*inputs), theirs.compute_features(*inputs))


@pytest.mark.parametrize("strength", [0.1, 0.001])
def test_ridge_fits(strength):
    features = nmo.basis.RaisedCosineBasisLog(4, mode="conv", window_size=30).compute_features(
        COUNTS
    )
    settings = {"regularizer": "Ridge", "regularizer_strength": strength}
    ours = nmo.glm.PopulationGLM(**settings).fit(features, COUNTS)
    theirs = peer.glm.PopulationGLM(
        **settings, solver_name="LBFGS", solver_kwargs={"tol": 1e-13, "maxiter": 10_000}
    ).fit(features, COUNTS)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-7)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-7)
    for score in ("log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen"):
        assert ours.score(features, COUNTS, score) == pytest.approx(
            float(theirs.score(features, COUNTS, score)), abs=1e-7
        )
