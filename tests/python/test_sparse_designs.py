"""Fits of designs whose rows are sparse are those of their materialised features."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, KFold

from spikeglm import _core
from spikeglm.basis import (
    BSplineBasis,
    CyclicBSplineBasis,
    MSplineBasis,
    RaisedCosineBasisLinear,
    RaisedCosineBasisLog,
)
from spikeglm.glm import GLM, PopulationGLM

RNG = np.random.default_rng(31)
N = 6000
X = RNG.uniform(size=N)
Y = 0.5 + 0.5 * np.sin(np.cumsum(RNG.normal(size=N)) * 0.05)
ANGLE = np.cumsum(RNG.normal(size=N)) * 0.2 % (2 * np.pi)
PAIRS = RNG.uniform(size=(N, 2))
COUNTS = RNG.poisson(0.2, size=N)
SPIKES = RNG.poisson(np.exp(-1.5 + np.sin(5 * X) + np.cos(ANGLE) + Y)).astype(float)
MISSING = np.where(RNG.uniform(size=N) < 0.03, np.nan, X)

PLACE = BSplineBasis(10, bounds=(0, 1))
COARSE = BSplineBasis(6, order=3, bounds=(0, 1))
DENSITY = MSplineBasis(8, order=3, bounds=(0, 1))
HEADING = CyclicBSplineBasis(9, bounds=(0, 2 * np.pi))
BUMPS = RaisedCosineBasisLinear(3, bounds=(0, 1))
HISTORY = RaisedCosineBasisLog(4, mode="conv", window_size=25)

CASES = {
    "spline": (PLACE, (X,)),
    "two channels": (PLACE, (PAIRS,)),
    "product": (PLACE * COARSE, (X, Y)),
    "three factors": (COARSE * COARSE * HEADING, (X, Y, ANGLE)),
    "cyclic product": (HEADING * PLACE, (ANGLE, X)),
    "product with cyclic": (PLACE * HEADING, (X, ANGLE)),
    "product of channels": (COARSE * COARSE, (PAIRS, PAIRS[::-1])),
    "three splines": (PLACE + HEADING + DENSITY, (X, ANGLE, Y)),
    "spline and history": (PLACE + HISTORY, (X, COUNTS)),
    "history between splines": (HEADING + HISTORY + BUMPS + DENSITY, (ANGLE, COUNTS, X, Y)),
    "spline times history": (PLACE * HISTORY, (X, COUNTS)),
    "sum as a factor": ((PLACE + BUMPS) * HEADING, (X, Y, ANGLE)),
    "missing samples": (PLACE * HEADING + HISTORY, (MISSING, ANGLE, COUNTS)),
    "outside the bounds": (BSplineBasis(10, bounds=(0.1, 0.9)) + HEADING, (X, ANGLE)),
}


def fit(design, y=SPIKES, strength=1e-3, weight=None, **settings):
    regularizer = {"regularizer": "Ridge", "regularizer_strength": strength} if strength else {}
    return GLM(**regularizer, **settings).fit(design, y, sample_weight=weight)


def check_same(lazy, dense, design, features, tolerance=1e-9):
    scale = 1.0 + np.abs(dense.coef_).max()
    np.testing.assert_allclose(lazy.coef_, dense.coef_, rtol=0, atol=tolerance * scale)
    np.testing.assert_allclose(lazy.intercept_, dense.intercept_, rtol=0, atol=tolerance * scale)
    assert lazy.status_ == dense.status_
    np.testing.assert_allclose(
        lazy.predict(design), dense.predict(features), rtol=1e-9, equal_nan=True
    )
    assert np.isclose(
        lazy.score(design, SPIKES[: len(features)]),
        dense.score(features, SPIKES[: len(features)]),
        rtol=1e-10,
    )


@pytest.mark.parametrize("case", CASES)
def test_ridge_is_that_of_the_features(case):
    basis, inputs = CASES[case]
    design, features = basis.design(*inputs), basis.compute_features(*inputs)
    check_same(fit(design), fit(features), design, features)


@pytest.mark.filterwarnings("ignore::spikeglm.exceptions.IdentifiabilityWarning")
@pytest.mark.parametrize("case", ["spline", "product", "three splines", "spline and history"])
def test_without_a_penalty_too(case):
    """Splines sum to one, like the intercept: the smallest of many solutions is asked for."""
    basis, inputs = CASES[case]
    design, features = basis.design(*inputs), basis.compute_features(*inputs)
    check_same(fit(design, strength=0), fit(features, strength=0), design, features, 1e-8)


@pytest.mark.parametrize("case", ["product", "history between splines", "missing samples"])
def test_weights_with_zeros_and_missing_counts(case):
    basis, inputs = CASES[case]
    design, features = basis.design(*inputs), basis.compute_features(*inputs)
    weight = RNG.integers(0, 3, size=N).astype(float)
    y = np.where(RNG.uniform(size=N) < 0.05, np.nan, SPIKES)
    lazy, dense = (fit(rows, y, weight=weight) for rows in (design, features))
    check_same(lazy, dense, design, features)


@pytest.mark.parametrize("case", ["product", "history between splines", "missing samples"])
@pytest.mark.parametrize("rows", [slice(100, 3100), slice(None, None, 3), X < 0.4])
def test_rows_of_a_design(case, rows):
    basis, inputs = CASES[case]
    design, features = basis.design(*inputs)[rows], basis.compute_features(*inputs)[rows]
    lazy, dense = (fit(part, SPIKES[rows]) for part in (design, features))
    np.testing.assert_allclose(lazy.coef_, dense.coef_, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        lazy.predict(design), dense.predict(features), rtol=1e-9, equal_nan=True
    )


@pytest.mark.parametrize("model", ["Gamma", "Poisson"])
@pytest.mark.parametrize("link", ["exp", "softplus"])
def test_every_model_takes_sparse_rows(model, link):
    basis, inputs = CASES["product with cyclic"]
    design, features = basis.design(*inputs), basis.compute_features(*inputs)
    y = SPIKES + (0.5 if model == "Gamma" else 0.0)
    lazy, dense = (
        GLM(model, link, regularizer="Ridge", regularizer_strength=1e-2).fit(rows, y)
        for rows in (design, features)
    )
    np.testing.assert_allclose(lazy.coef_, dense.coef_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(lazy.scale_, dense.scale_, rtol=1e-9)


@pytest.mark.parametrize("case", ["product", "history between splines", "three factors"])
def test_the_number_of_threads_does_not_change_a_bit(case):
    basis, inputs = CASES[case]
    design = basis.design(*inputs)
    one, two, five = (fit(design, n_threads=n) for n in (1, 2, 5))
    assert np.array_equal(one.coef_, two.coef_)
    assert np.array_equal(one.coef_, five.coef_)
    assert np.array_equal(one.predict(design), two.predict(design))


def test_cross_validation():
    basis, inputs = CASES["product"]
    design, features = basis.design(*inputs), basis.compute_features(*inputs)
    grid = {"regularizer_strength": (1e-1, 1e-3)}
    for folds in (3, KFold(3, shuffle=True, random_state=0)):
        lazy, dense = (
            GridSearchCV(GLM(regularizer="Ridge"), grid, cv=folds).fit(rows, SPIKES)
            for rows in (design, features)
        )
        np.testing.assert_allclose(
            lazy.cv_results_["mean_test_score"], dense.cv_results_["mean_test_score"], rtol=1e-10
        )


def test_a_population():
    basis, inputs = CASES["three splines"]
    design, features = basis.design(*inputs), basis.compute_features(*inputs)
    y = np.column_stack([SPIKES, SPIKES[::-1], COUNTS])
    lazy, dense = (
        PopulationGLM(regularizer="Ridge", regularizer_strength=1e-3).fit(rows, y)
        for rows in (design, features)
    )
    np.testing.assert_allclose(lazy.coef_, dense.coef_, rtol=0, atol=1e-9)


def test_places_that_were_never_visited():
    """Their columns are zero in every row: constant, so that their coefficients are zero."""
    basis = BSplineBasis(12, bounds=(0, 1))
    position = 0.3 * X
    design, features = basis.design(position), basis.compute_features(position)
    never = features.max(axis=0) == 0
    assert never.sum() >= 5
    lazy, dense = (fit(rows) for rows in (design, features))
    assert np.all(lazy.coef_[never] == 0)
    np.testing.assert_allclose(lazy.coef_, dense.coef_, rtol=0, atol=1e-9)


def test_a_distant_column_beside_sparse_ones():
    """Only columns far from zero are shifted row by row; here the history is one."""
    far = 1000 + RNG.uniform(size=N)
    basis = PLACE * HEADING + HISTORY
    design, features = basis.design(X, ANGLE, far), basis.compute_features(X, ANGLE, far)
    lazy, dense = (fit(rows) for rows in (design, features))
    np.testing.assert_allclose(lazy.coef_, dense.coef_, rtol=0, atol=1e-9)


def test_sums_by_channel():
    bounds = [_core.Bounds(0, 1)] * 2
    left = _core.evaluation(_core.Basis("BSpline", 8), PAIRS, bounds, np.nan)
    right = _core.evaluation(_core.Basis("MSpline", 3, 2), PAIRS[::-1], bounds, np.nan)
    a, b, both = (
        expression.design().materialise(False, 1).reshape(N, 2, -1)
        for expression in (left, right, _core.sum_of(left, right, by_channel=True))
    )
    assert np.array_equal(both, np.concatenate([a, b], axis=2))
    side_by_side = _core.sum_of(left, right).design().materialise(False, 1)
    assert np.array_equal(side_by_side, np.hstack([a.reshape(N, -1), b.reshape(N, -1)]))
    product = _core.product_of(_core.sum_of(left, right, True), left).design()
    expected = both[:, :, :, None] * a[:, :, None, :]
    assert np.array_equal(product.materialise(False, 1), expected.reshape(N, -1))


LEVEL_CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from test_sparse_designs import CASES, SPIKES, fit
import numpy as np
designs = [basis.design(*inputs) for basis, inputs in CASES.values()]
np.save(sys.argv[2], np.concatenate([fit(design).coef_ for design in designs]))
"""


@pytest.mark.skipif(_core.config()["isa"] == "baseline", reason="there is one level only")
def test_the_baseline_gives_the_same(tmp_path):
    found = []
    for level in ("baseline", _core.config()["isa"]):
        file = tmp_path / f"{level}.npy"
        words = [sys.executable, "-c", LEVEL_CODE, os.path.dirname(__file__), str(file)]
        subprocess.run(words, env={**os.environ, "SPIKEGLM_ISA": level}, check=True)
        found.append(np.load(file))
    np.testing.assert_allclose(*found, rtol=0, atol=1e-9)
