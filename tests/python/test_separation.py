"""Rows that a likelihood predicts perfectly in the limit, against a linear program."""

import csv
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

from spikeglm.exceptions import SeparationWarning
from spikeglm.glm import GLM

DATA = sorted((Path(__file__).parents[1] / "reference" / "separation").glob("*.csv"))


def separated_rows(X, y):
    """Largest set of rows with y = 0 that some direction separates: Z d <= 0, Z d = 0 for y > 0."""
    design = np.c_[X, np.ones(len(y))]
    stops = y > 0
    n_open, p = int(np.sum(~stops)), design.shape[1]
    found = linprog(
        np.r_[np.zeros(p), -np.ones(n_open)],
        A_ub=np.c_[design[~stops], np.eye(n_open)],
        b_ub=np.zeros(n_open),
        A_eq=np.c_[design[stops], np.zeros((int(stops.sum()), n_open))],
        b_eq=np.zeros(int(stops.sum())),
        bounds=[(None, None)] * p + [(0, 1)] * n_open,
    )
    rows = np.zeros(len(y), dtype=bool)
    rows[np.flatnonzero(~stops)] = found.x[p:] > 0.5
    return rows


def fit(X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = GLM().fit(X, y)
    messages = [str(item.message) for item in caught if item.category is SeparationWarning]
    return model, messages


def check(X, y, separated):
    model, messages = fit(X, y)
    assert model.converged_ == (not separated.any())
    np.testing.assert_array_equal(model.predict(X) < 1e-9, separated)
    if separated.any():
        (message,) = messages
        assert f" {separated.sum()} rows are predicted perfectly" in message
        # The others are as if the separated rows were not there.
        rest, none = fit(X[~separated], y[~separated])
        assert none == []
        np.testing.assert_allclose(
            model.predict(X[~separated]), rest.predict(X[~separated]), rtol=1e-6
        )


def factor_design(file):
    with open(file, newline="") as lines:
        rows = list(csv.DictReader(lines))
    columns = []
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name.startswith("id"):
            columns += [np.array([v == level for v in values], float) for level in set(values)]
        elif name not in ("y", "separated"):
            columns.append(np.array(values, dtype=float))
    y = np.array([row["y"] for row in rows], dtype=float)
    truth = np.array([row["separated"] for row in rows], dtype=float) > 0
    return np.column_stack(columns), y, truth


@pytest.mark.parametrize("file", DATA, ids=lambda file: file.stem)
def test_published_data_sets(file):
    X, y, truth = factor_design(file)
    check(X, y, truth)


def test_the_published_data_sets_are_there():
    assert len(DATA) == 9


@pytest.mark.parametrize("seed", range(40))
def test_random_sparse_designs(seed):
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(8, 60)), int(rng.integers(1, 8))
    X = rng.integers(-1, 3, size=(n, p)) * (rng.random((n, p)) < 0.4)
    y = rng.poisson(0.4, size=n).astype(float)
    y[rng.integers(n)] += 1
    check(X.astype(float), y, separated_rows(X, y))


@pytest.mark.parametrize("link", ["logistic", "probit", "cloglog"])
def test_all_rows_separated_on_both_sides(link):
    """What is left when the ones are separated is silent; coefficients stay finite all the same."""
    x = np.array([-2.0, -1.0, -0.5, 1.0, 2.0])
    y = np.array([0.0, 0.0, 0.0, 1.0, 1.0])
    with pytest.warns(SeparationWarning):
        model = GLM("Bernoulli", link).fit(x[:, None], y)
    assert np.all(np.isfinite(model.coef_))
    assert np.all(np.isfinite(model.intercept_))
    np.testing.assert_allclose(model.predict(x[:, None]), y, atol=1e-12)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("link", ["logistic", "probit", "cloglog"])
def test_the_finite_part_of_a_separated_bernoulli_fit(link, side):
    """A group whose events all are, or are not: the others are fitted as if it were absent."""
    rng = np.random.default_rng(17)
    group = np.arange(80) < 15
    x = rng.normal(size=80)
    y = np.where(group, float(side), rng.binomial(1, 0.5, size=80))
    X = np.column_stack([group, x])
    with pytest.warns(SeparationWarning, match="columns 0: 15 rows"):
        model = GLM("Bernoulli", link).fit(X, y)
    assert not model.converged_
    assert model.status_ == "separated"
    rest = GLM("Bernoulli", link).fit(x[~group, None], y[~group])
    np.testing.assert_allclose(model.predict(X)[~group], rest.predict(x[~group, None]), rtol=1e-7)
    np.testing.assert_allclose(model.predict(X)[group], side, atol=1e-12)
    model = GLM("Bernoulli", link, "Ridge", 0.01).fit(X, y)
    assert model.converged_
