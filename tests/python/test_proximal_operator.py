"""Proximal operators minimise what they are defined by: ||z - x||^2 / 2 + scaling * penalty(z)."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spikeglm import proximal_operator as prox
from spikeglm.regularizer import ElasticNet, GroupLasso, Lasso, Ridge

RNG = np.random.default_rng(0)
X = np.array([1.3, -0.4, 0.05, -2.0, 0.0])
STRENGTHS = np.array([0.5, 2.0, 1.0, 0.0, 3.0])
MASK = np.array([[1, 0, 1, 0, 0], [0, 1, 0, 0, 1]])
CASES = {
    "ridge": (prox.prox_ridge, 0.7, Ridge()),
    "ridge, a strength each": (prox.prox_ridge, STRENGTHS, Ridge()),
    "lasso": (prox.prox_lasso, 0.7, Lasso()),
    "lasso, a strength each": (prox.prox_lasso, STRENGTHS, Lasso()),
    "elastic net": (prox.prox_elastic_net, (0.7, 0.3), ElasticNet()),
    "elastic net, strengths": (prox.prox_elastic_net, (STRENGTHS, 0.3), ElasticNet()),
    "group lasso": (lambda x, s, t: prox.prox_group_lasso(x, s, MASK, t), 0.7, GroupLasso(MASK)),
    "group lasso, strengths": (
        lambda x, s, t: prox.prox_group_lasso(x, s, MASK, t),
        np.array([0.2, 5.0]),
        GroupLasso(MASK),
    ),
}


@pytest.mark.parametrize("scaling", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("name", CASES)
def test_no_other_point_is_better(name, scaling):
    operator, strength, penalty = CASES[name]

    def objective(z):
        return 0.5 * np.sum((z - X) ** 2) + scaling * penalty.penalty(z, strength)

    found = operator(X, strength, scaling)
    least = objective(found)
    # Strongly convex: away from the minimum it grows at least with half the squared distance.
    for step in RNG.normal(size=(200, 5)) * np.logspace(-5, 0, 200)[:, None]:
        assert objective(found + step) >= least + 0.5 * np.sum(step**2) - 1e-13
    for axis in np.eye(5):
        assert objective(found * (1 - axis)) >= least - 1e-13


def test_without_penalty_and_without_strength():
    assert_array_equal(prox.prox_none(X, 3.0, 0.5), X)
    for operator in (prox.prox_ridge, prox.prox_lasso):
        assert_array_equal(operator(X, 0.0, 0.5), X)
    assert_array_equal(prox.prox_elastic_net(X, (0.0, 0.5)), X)
    assert_array_equal(prox.prox_group_lasso(X, 0.0, MASK), X)


def test_relations():
    assert_allclose(prox.prox_elastic_net(X, (0.7, 1.0), 0.2), prox.prox_lasso(X, 0.7, 0.2))
    assert_allclose(prox.prox_elastic_net(X, (0.7, 0.0), 0.2), prox.prox_ridge(X, 0.7, 0.2))
    alone = prox.prox_group_lasso(X, STRENGTHS, np.eye(5), 0.2)
    assert_allclose(alone, prox.prox_lasso(X, STRENGTHS, 0.2))


def test_zeros_are_positive():
    for found in (
        prox.prox_lasso(-X, 9.0),
        prox.prox_elastic_net(-X, (9.0, 0.9)),
        prox.prox_group_lasso(-X, 9.0, np.ones((1, 5))),
    ):
        assert_array_equal(found, np.zeros(5))
        assert not np.any(np.signbit(found))


def test_norms_of_groups():
    """sqrt(size) times the norm; a group without members has none of either."""
    mask = np.vstack([MASK, np.zeros(5)])
    assert_allclose(prox.compute_normalization(mask), [np.sqrt(2), np.sqrt(2), 0.0])
    norms = np.array([np.hypot(1.3, 0.05), 0.4, 0.0])
    assert_allclose(prox.masked_norm_2(X, mask, normalize=False), norms)
    assert_allclose(prox.masked_norm_2(X, mask), norms * np.sqrt([2, 2, 0]))


def test_groups_of_coefficients_of_several_neurons():
    coef = RNG.normal(size=(3, 2))
    mask = np.zeros((2, 3, 2))
    mask[0, :, 0] = mask[1, :2, 1] = 1
    found = prox.prox_group_lasso(coef, [0.3, 50.0], mask, 0.5)
    shrunk = 1 - 0.5 * 0.3 * np.sqrt(3) / np.linalg.norm(coef[:, 0])
    assert_allclose(found[:, 0], coef[:, 0] * max(shrunk, 0.0))
    assert_array_equal(found[:2, 1], 0.0)
    assert found[2, 1] == coef[2, 1]  # in no group
