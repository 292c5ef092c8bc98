"""Removal of columns that the others determine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeglm import basis as nb
from spikeglm.exceptions import SpikeglmWarning
from spikeglm.identifiability_constraints import (
    apply_identifiability_constraints,
    apply_identifiability_constraints_by_basis_component,
)


def rank_of(matrix):
    """The rank; numpy 1.26 knows none of a matrix without columns."""
    return np.linalg.matrix_rank(matrix) if matrix.size else 0


def by_definition(X, add_intercept):
    """Scan from the left; a column goes if the rank of what is left does not fall."""
    X = X[np.isfinite(X).all(axis=1)]
    ones = np.ones((len(X), int(add_intercept)))
    kept = list(range(X.shape[1]))
    rank = rank_of(np.hstack([ones, X]))
    for column in range(X.shape[1]):
        rest = [c for c in kept if c != column]
        if rank_of(np.hstack([ones, X[:, rest]])) == rank:
            kept = rest
    return kept


@given(
    n=st.integers(1, 30),
    rank=st.integers(0, 5),
    p=st.integers(1, 8),
    add_intercept=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, derandomize=True, max_examples=200)
def test_the_definition(n, rank, p, add_intercept, seed):
    rng = np.random.default_rng(seed)
    # Small whole numbers: dependences are exact, and clear.
    X = (rng.integers(-3, 4, size=(n, rank)) @ rng.integers(-2, 3, size=(rank, p))).astype(float)
    if seed % 3 == 0:
        X[:, rng.integers(p)] = 2.0
    X = np.vstack([X, np.full((2, p), np.nan)])
    features, kept = apply_identifiability_constraints(X, add_intercept)
    assert kept.tolist() == by_definition(X, add_intercept)
    np.testing.assert_array_equal(features, X[:, kept])


def test_splines():
    rng = np.random.default_rng(0)
    basis = nb.BSplineBasis(5) + nb.CyclicBSplineBasis(5)
    X = basis.compute_features(*rng.uniform(size=(2, 100)))
    _, kept = apply_identifiability_constraints(X)
    assert kept.tolist() == [1, 2, 3, 4, 6, 7, 8, 9]
    _, kept = apply_identifiability_constraints(X, add_intercept=False)
    assert kept.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    features, kept = apply_identifiability_constraints(basis.design(*rng.uniform(size=(2, 100))))
    assert features.shape == (100, 8)


def test_by_component_and_channel():
    rng = np.random.default_rng(0)
    basis = nb.BSplineBasis(5) * nb.CyclicBSplineBasis(4) + nb.BSplineBasis(4)
    X = basis.compute_features(*rng.uniform(size=(3, 100, 2)))
    X[3] = np.nan
    features, kept = apply_identifiability_constraints_by_basis_component(basis, X)
    assert sorted(set(range(48)) - set(kept)) == [0, 20, 40, 44]
    np.testing.assert_array_equal(features, X[:, kept])
    same = nb.BSplineBasis(5, bounds=(0, 1)) + nb.BSplineBasis(5, bounds=(0, 1))
    x = rng.uniform(size=50)
    X = same.compute_features(x, x)
    _, kept = apply_identifiability_constraints_by_basis_component(same, X)
    assert kept.tolist() == [1, 2, 3, 4, 6, 7, 8, 9]
    assert apply_identifiability_constraints(X)[1].tolist() == [6, 7, 8, 9]


def test_float32_is_judged_with_its_own_precision():
    x = np.random.default_rng(0).uniform(size=100)
    X = nb.BSplineBasis(5).compute_features(x).astype(np.float32)
    with pytest.warns(SpikeglmWarning, match="float32"):
        features, kept = apply_identifiability_constraints(X)
    assert kept.tolist() == [1, 2, 3, 4]
    assert features.dtype == np.float32
    apply_identifiability_constraints(X, warn_if_float32=False)


def test_wrong_inputs():
    with pytest.raises(ValueError, match="no row"):
        apply_identifiability_constraints(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="2-dimensional"):
        apply_identifiability_constraints(np.ones(3))
    basis = nb.BSplineBasis(5).set_input_shape(1)
    with pytest.raises(ValueError, match="expected 5"):
        apply_identifiability_constraints_by_basis_component(basis, np.ones((4, 3)))
