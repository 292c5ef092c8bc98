"""Lazy designs give what their materialised features give."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from spikeglm.basis import (
    BSplineBasis,
    CyclicBSplineBasis,
    MSplineBasis,
    RaisedCosineBasisLinear,
    RaisedCosineBasisLog,
)
from spikeglm.design import Design
from spikeglm.glm import GLM, PopulationGLM

RNG = np.random.default_rng(20)
N = 1500
POSITION = np.cumsum(RNG.normal(size=N)) % 100
ANGLE = RNG.uniform(0, 2 * np.pi, size=N)
COUNTS = RNG.poisson(0.15, size=(N, 3)).astype(np.uint8)
WITH_GAPS = np.where(RNG.uniform(size=N) < 0.02, np.nan, POSITION)

HISTORY = RaisedCosineBasisLog(4, mode="conv", window_size=30)
FIELD = BSplineBasis(6, bounds=(0, 100))
HEADING = CyclicBSplineBasis(5, bounds=(0, 2 * np.pi))

CASES = {
    "spline": (FIELD, (POSITION,)),
    "history": (HISTORY, (COUNTS,)),
    "sum": (FIELD + HISTORY, (POSITION, COUNTS)),
    "product": (FIELD * HEADING, (POSITION, ANGLE)),
    "sum of products": (FIELD * HEADING + HISTORY, (POSITION, ANGLE, COUNTS)),
    "missing samples": (FIELD + HISTORY, (WITH_GAPS, COUNTS)),
    "convolved product": (
        RaisedCosineBasisLinear(3, mode="conv", window_size=7)
        * MSplineBasis(4, mode="conv", window_size=9),
        (COUNTS, COUNTS.astype(np.float32)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_features_are_those_of_compute_features(case):
    basis, inputs = CASES[case]
    design = basis.design(*inputs)
    features = basis.compute_features(*inputs)
    assert isinstance(design, Design)
    assert design.shape == features.shape
    assert len(design) == N
    assert design.ndim == 2
    assert np.array_equal(np.asarray(design), features, equal_nan=True)
    coef = RNG.normal(size=(features.shape[1], 2))
    np.testing.assert_allclose(design @ coef, features @ coef, rtol=0, atol=1e-11)
    np.testing.assert_allclose(design @ coef[:, 0], (features @ coef)[:, 0], rtol=0, atol=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_fits_are_those_of_the_features(case):
    basis, inputs = CASES[case]
    design, features = basis.design(*inputs), basis.compute_features(*inputs)
    lazy, dense = (
        GLM(regularizer="Ridge", regularizer_strength=1e-4).fit(X, COUNTS[:, 0])
        for X in (design, features)
    )
    np.testing.assert_allclose(lazy.coef_, dense.coef_, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(lazy.intercept_, dense.intercept_, rtol=1e-9)
    assert lazy.n_dropped_ == dense.n_dropped_ == np.isnan(features).any(axis=1).sum()
    np.testing.assert_allclose(lazy.predict(design), dense.predict(features), rtol=1e-9)
    assert lazy.score(design, COUNTS[:, 0]) == pytest.approx(dense.score(features, COUNTS[:, 0]))


@pytest.mark.parametrize(
    "rows",
    [
        slice(200, 900),
        slice(None, None, 3),
        slice(900, 200, -2),
        np.arange(400, 1000),
        RNG.permutation(N)[:300],
        RNG.uniform(size=N) < 0.5,
        [5, 5, 3],
        np.array([], dtype=int),
        [],
        -np.arange(1, 100),
    ],
    ids=repr,
)
def test_rows_keep_the_features_of_the_full_recording(rows):
    basis, inputs = CASES["sum"]
    design, features = basis.design(*inputs), basis.compute_features(*inputs)
    expected = features[rows if not isinstance(rows, list) else np.array(rows, dtype=int)]
    for view in (design[rows], design[rows, ...], design[rows, :]):
        assert view.shape == expected.shape
        assert np.array_equal(np.asarray(view), expected, equal_nan=True)


def test_rows_of_rows():
    basis, inputs = CASES["sum"]
    design, features = basis.design(*inputs), basis.compute_features(*inputs)
    assert np.array_equal(
        np.asarray(design[100:1000][::7][5:]), features[100:1000][::7][5:], equal_nan=True
    )


def test_cross_validation_takes_a_design():
    basis, inputs = CASES["sum"]
    design, features = basis.design(*inputs), basis.compute_features(*inputs)
    model = GLM(regularizer="Ridge")
    y = COUNTS[:, 0]
    grid = {"regularizer_strength": (1e-1, 1e-3)}
    lazy, dense = (GridSearchCV(model, grid, cv=4).fit(X, y) for X in (design, features))
    assert lazy.best_params_ == dense.best_params_
    np.testing.assert_allclose(
        lazy.cv_results_["mean_test_score"], dense.cv_results_["mean_test_score"], rtol=1e-10
    )
    shuffled = KFold(3, shuffle=True, random_state=0)
    ridge = GLM(regularizer="Ridge", regularizer_strength=1e-3)
    np.testing.assert_allclose(
        cross_val_score(ridge, design, y, cv=shuffled),
        cross_val_score(ridge, features, y, cv=shuffled),
        rtol=1e-10,
    )


def test_a_population_takes_a_design():
    design = HISTORY.design(COUNTS)
    model = PopulationGLM(regularizer="Ridge", regularizer_strength=1e-3).fit(design, COUNTS)
    dense = clone(model).fit(HISTORY.compute_features(COUNTS), COUNTS)
    np.testing.assert_allclose(model.coef_, dense.coef_, rtol=1e-9, atol=1e-11)


def test_float32_inputs_give_float32():
    design = HISTORY.design(COUNTS.astype(np.float32))
    assert design.dtype == np.float32
    assert np.asarray(design).dtype == np.float32
    assert np.asarray(design, dtype=np.float64).dtype == np.float64
    model = GLM(regularizer="Ridge").fit(design, COUNTS[:, 0])
    assert model.predict(design).dtype == np.float32
    assert model.coef_.dtype == np.float64


def test_inputs_stay_in_their_own_type_and_alive():
    design = HISTORY.design(RNG.poisson(0.1, size=(400, 2)).astype(np.uint8)[::2, ::-1])
    copies = [np.asarray(design) for _ in range(2)]
    assert np.array_equal(*copies, equal_nan=True)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_copies_compute_the_same(again):
    basis, inputs = CASES["sum of products"]
    for design in (basis.design(*inputs), basis.design(*inputs)[40:300]):
        copied = again(design)
        assert copied.shape == design.shape
        assert np.array_equal(np.asarray(copied), np.asarray(design), equal_nan=True)


def test_a_later_change_of_the_basis_leaves_the_design_alone():
    basis = BSplineBasis(6)
    design = basis.design(POSITION)
    before = np.asarray(design)
    basis.set_params(n_basis_funcs=9)
    basis.compute_features(2 * POSITION)
    assert np.array_equal(np.asarray(design[:]), before)


def test_wrong_use_of_a_design():
    design = HISTORY.design(COUNTS)
    with pytest.raises(IndexError, match="rows only"):
        design[:, 0]
    with pytest.raises(IndexError, match="slice, a mask or a list"):
        design[3]
    with pytest.raises(IndexError, match="integers or a mask"):
        design[[0.5, 1.0]]
    with pytest.raises(IndexError, match="out of bounds"):
        design[[N]]
    with pytest.raises(IndexError, match="1-dimensional"):
        design[[[0, 1]]]
    with pytest.raises(ValueError, match=r"\(1500, 12\).*\(5,\)"):
        design @ np.ones(5)
    with pytest.raises(ValueError, match="no array to share"):
        np.asarray(design, copy=False) if np.__version__ >= "2" else design.__array__(copy=False)
    with pytest.raises(ValueError, match=r"1500 and 10\b"):
        GLM().fit(design, np.ones(10))
    with pytest.raises(ValueError, match="has 4 features, but GLM is expecting 12"):
        GLM(regularizer="Ridge").fit(design, COUNTS[:, 0]).predict(HISTORY.design(COUNTS[:, 0]))


def test_repr_says_what_it_is():
    assert repr(HISTORY.design(COUNTS)) == "Design(shape=(1500, 12), dtype=float64)"
