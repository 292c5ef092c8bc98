"""The estimator: relations that hold for every fit, hard data, bad inputs, behaviour."""

import copy
import os
import pickle
import signal
import threading
import time
import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from scipy.special import ndtr
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV

from glm_cases import (
    PAIRS,
    VARIANCES,
    assert_same_parameters,
    estimator,
    fit_quietly,
    kkt_residual,
    make_problem,
    minimum_norm_fit,
    objective,
    parameters,
    standard_errors,
)
from spikeglm.basis import BSplineBasis, CyclicBSplineBasis
from spikeglm.exceptions import (
    ConvergenceWarning,
    IdentifiabilityWarning,
    NotFittedError,
    SeparationWarning,
    SilentNeuronWarning,
    SpikeglmWarning,
)
from spikeglm.glm import GLM
from spikeglm.observation_models import PoissonObservations, resolve_model
from spikeglm.regularizer import Ridge, UnRegularized

CASES = [(*pair, strength) for pair in PAIRS for strength in (None, 0.03)]
LOG_LINK = [(model, strength) for model in ("Poisson", "Gamma") for strength in (None, 0.03)]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case)))
def case(request):
    model, link, _ = request.param
    data = make_problem(model, link)
    fitted = estimator(*request.param)
    fitted.fit(data.X, data.y, sample_weight=data.weight, offset=data.offset)
    errors = standard_errors(fitted, data.X, data.y, data.weight, data.offset)
    return request.param, data, fitted, errors


# Relations between fits.


def test_fits_satisfy_the_optimality_conditions(case):
    _, data, fitted, _ = case
    assert fitted.converged_
    assert fitted.status_ == "converged"
    residual = kkt_residual(fitted, data.X, data.y, data.weight, data.offset)
    assert residual <= 1e-8 * max(1.0, np.sqrt(fitted.dispersion_))
    assert abs(residual - fitted.kkt_) <= 1e-9
    assert fitted.dof_resid_ == data.weight.sum() - 4
    assert fitted.coef_.dtype == fitted.intercept_.dtype == np.float64
    assert fitted.coef_.shape == (3,)
    assert fitted.intercept_.shape == (1,)


def test_a_weight_is_a_number_of_repetitions(case):
    settings, data, fitted, errors = case
    times = data.weight.astype(int)
    repeated = estimator(*settings).fit(
        np.repeat(data.X, times, axis=0),
        np.repeat(data.y, times),
        offset=np.repeat(data.offset, times),
    )
    assert_same_parameters(parameters(repeated), parameters(fitted), errors)
    np.testing.assert_allclose(repeated.dispersion_, fitted.dispersion_, rtol=1e-7)
    assert repeated.dof_resid_ == fitted.dof_resid_


def test_weight_zero_leaves_a_row_out(case):
    settings, data, fitted, errors = case
    n = len(data.y)
    at = np.r_[0, 0, 5, 130, 255, n, n]
    filler = np.full((7, 3), 1e3)
    filler[3] = np.nan
    padded = estimator(*settings).fit(
        np.insert(data.X, at, filler, axis=0),
        np.insert(data.y, at, 1e4),
        sample_weight=np.insert(data.weight, at, 0.0),
        offset=np.insert(data.offset, at, 0.0),
    )
    assert_same_parameters(parameters(padded), parameters(fitted), errors)
    np.testing.assert_allclose(padded.dispersion_, fitted.dispersion_, rtol=1e-7)
    assert padded.n_dropped_ == 0


def test_missing_rows_are_dropped(case):
    settings, data, fitted, errors = case
    at = np.r_[0, 0, 5, 130, 255, 300, 300]
    X = np.insert(data.X, at, 0.1, axis=0)
    y = np.insert(data.y, at, 1.0)
    rows = at + np.arange(7)
    X[rows[:3], [0, 1, 2]] = np.nan
    X[rows[3]] = np.nan
    y[rows[3:]] = np.nan
    padded = estimator(*settings).fit(
        X,
        y,
        sample_weight=np.insert(data.weight, at, 1.0),
        offset=np.insert(data.offset, at, 0.0),
    )
    assert_same_parameters(parameters(padded), parameters(fitted), errors)
    np.testing.assert_allclose(padded.dispersion_, fitted.dispersion_, rtol=1e-7)
    assert padded.n_dropped_ == 7
    assert padded.dof_resid_ == fitted.dof_resid_
    predicted = padded.predict(X)
    np.testing.assert_array_equal(np.isnan(predicted), np.isnan(X).any(axis=1))
    kept = ~(np.isnan(X).any(axis=1) | np.isnan(y))
    for kind in ("log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen"):
        np.testing.assert_allclose(
            padded.score(X, y, kind), padded.score(X[kept], y[kept], kind), rtol=1e-12
        )


def test_the_order_of_rows_does_not_matter(case):
    settings, data, fitted, errors = case
    order = np.random.default_rng(1).permutation(len(data.y))
    shuffled = estimator(*settings).fit(
        data.X[order],
        data.y[order],
        sample_weight=data.weight[order],
        offset=data.offset[order],
    )
    assert_same_parameters(parameters(shuffled), parameters(fitted), errors)
    np.testing.assert_allclose(
        objective(shuffled, data.X, data.y, data.weight, data.offset),
        objective(fitted, data.X, data.y, data.weight, data.offset),
        rtol=1e-12,
    )


def test_the_order_of_columns_does_not_matter(case):
    settings, data, fitted, errors = case
    order = [2, 0, 1]
    shuffled = estimator(*settings).fit(
        data.X[:, order], data.y, sample_weight=data.weight, offset=data.offset
    )
    assert_same_parameters(shuffled.coef_, fitted.coef_[order], errors[1:][order])
    assert_same_parameters(shuffled.intercept_, fitted.intercept_, errors[:1])


@pytest.mark.parametrize("scale", [[1e4, 1, 1e-4], [-1, 3, 1e150], [1e-150, 1e8, 1]])
def test_a_scale_of_a_column_divides_its_coefficient(case, scale):
    (model, link, strength), data, fitted, errors = case
    scale = np.array(scale)
    strength = None if strength is None else strength * scale**2
    if strength is not None and (np.min(strength) < 1e-200 or np.max(strength) > 1e200):
        return
    scaled = estimator(model, link, strength).fit(
        data.X * scale, data.y, sample_weight=data.weight, offset=data.offset
    )
    assert scaled.converged_
    assert_same_parameters(
        parameters(scaled) * np.r_[1, scale], parameters(fitted), errors, times=1e-7
    )


@pytest.mark.parametrize("shift", [1.0, 5e3, 1e6])
def test_a_shift_of_the_columns_moves_only_the_intercept(case, shift):
    settings, data, fitted, errors = case
    shift = shift * np.array([1.0, -0.3, 2.0])
    X = data.X + shift
    moved = estimator(*settings).fit(X, data.y, sample_weight=data.weight, offset=data.offset)
    assert moved.converged_
    # The digits that the shifted data still hold.
    lost = 4e-16 * np.abs(shift).max() * np.sqrt(len(data.y))
    assert np.all(
        np.abs(moved.coef_ - fitted.coef_) <= 3e-8 * errors[1:] + lost * (1 + np.abs(fitted.coef_))
    )
    np.testing.assert_allclose(
        X @ moved.coef_ + moved.intercept_,
        data.X @ fitted.coef_ + fitted.intercept_,
        rtol=0,
        atol=1e-7 * errors[0] + 10 * lost,
    )


def test_large_scale_and_offset_together(case):
    (model, link, strength), data, fitted, errors = case
    strength = None if strength is None else strength * 1e6
    X = data.X * 1e3 + 5e3
    moved = estimator(model, link, strength)
    moved.fit(X, data.y, sample_weight=data.weight, offset=data.offset)
    assert_same_parameters(moved.coef_ * 1e3, fitted.coef_, errors[1:])


@pytest.mark.parametrize("factor", [1e-6, 0.1, 7.0, 1e6])
@pytest.mark.parametrize(("model", "strength"), LOG_LINK)
def test_a_factor_of_y_moves_the_intercept_of_log_links(model, strength, factor):
    data = make_problem(model, "exp")
    plain = estimator(model, "exp", strength).fit(data.X, data.y)
    # A penalty weighs less against counts that weigh more.
    scaled_strength = strength and strength * (factor if model == "Poisson" else 1.0)
    scaled = estimator(model, "exp", scaled_strength).fit(data.X, data.y * factor)
    errors = standard_errors(scaled, data.X, data.y * factor)
    expected = parameters(plain) + np.r_[np.log(factor), 0, 0, 0]
    errors = np.maximum(errors, standard_errors(plain, data.X, data.y))
    assert_same_parameters(parameters(scaled), expected, errors)


def test_an_offset_is_a_column_with_a_known_coefficient(case):
    (model, link, strength), data, fitted, errors = case
    known = data.X[:, 2] * fitted.coef_[2]
    fixed = estimator(model, link, strength).fit(
        data.X[:, :2], data.y, sample_weight=data.weight, offset=data.offset + known
    )
    assert_same_parameters(fixed.coef_, fitted.coef_[:2], errors[1:3])
    assert_same_parameters(fixed.intercept_, fitted.intercept_, errors[:1])


@pytest.mark.parametrize("constant", [-400.0, 3.0, 1e4])
def test_a_constant_offset_moves_the_intercept(case, constant):
    settings, data, fitted, errors = case
    moved = estimator(*settings).fit(
        data.X, data.y, sample_weight=data.weight, offset=data.offset + constant
    )
    lost = 4e-16 * abs(constant) * 20
    assert np.all(np.abs(moved.coef_ - fitted.coef_) <= 3e-8 * errors[1:] + lost)
    moved_intercept = moved.intercept_ + constant
    np.testing.assert_allclose(
        moved_intercept, fitted.intercept_, rtol=0, atol=3e-8 * errors[0] + lost
    )


def test_halved_columns_twice_share_the_coefficients(case):
    (model, link, strength), data, fitted, errors = case
    twice = estimator(model, link, strength and strength / 2)
    twice, caught = fit_quietly(
        twice,
        np.hstack([data.X, data.X]) / 2,
        data.y,
        sample_weight=data.weight,
        offset=data.offset,
    )
    assert twice.converged_
    assert caught == ([IdentifiabilityWarning] if strength is None else [])
    assert twice.rank_ == 4
    assert_same_parameters(twice.coef_, np.tile(fitted.coef_, 2), np.tile(errors[1:], 2))
    assert_same_parameters(twice.intercept_, fitted.intercept_, errors[:1])
    assert twice.kkt_ <= 1e-8


def test_all_rows_twice_change_nothing(case):
    settings, data, fitted, errors = case
    twice = estimator(*settings).fit(
        np.vstack([data.X, data.X]),
        np.tile(data.y, 2),
        sample_weight=np.tile(data.weight, 2),
        offset=np.tile(data.offset, 2),
    )
    assert_same_parameters(parameters(twice), parameters(fitted), errors)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_only_ratios_of_weights_matter(case, factor):
    settings, data, fitted, errors = case
    scaled = estimator(*settings).fit(
        data.X, data.y, sample_weight=data.weight * factor, offset=data.offset
    )
    assert_same_parameters(parameters(scaled), parameters(fitted), errors, times=1e-6)


def test_a_fit_that_starts_at_the_solution_stays(case):
    settings, data, fitted, errors = case
    warm = estimator(*settings).fit(
        data.X,
        data.y,
        init_params=(fitted.coef_, fitted.intercept_),
        sample_weight=data.weight,
        offset=data.offset,
    )
    assert warm.n_iter_ <= 1
    assert_same_parameters(parameters(warm), parameters(fitted), errors)


def test_the_start_does_not_matter(case):
    settings, data, fitted, errors = case
    shifted = parameters(fitted) * 1.05
    other = estimator(*settings).fit(
        data.X,
        data.y,
        init_params=(shifted[1:], shifted[0]),
        sample_weight=data.weight,
        offset=data.offset,
    )
    assert_same_parameters(parameters(other), parameters(fitted), errors)


def test_scores_are_what_they_are_called(case):
    (model, _, strength), data, fitted, _ = case
    X, y = data.X, data.y
    observations = resolve_model(model)
    mu = fitted.predict(X, offset=data.offset)
    null = np.full_like(y, y.mean())
    deviance = observations.deviance(y, mu).sum()
    null_deviance = observations.deviance(y, null).sum()
    np.testing.assert_allclose(
        fitted.score(X, y, "pseudo-r2-Cohen", offset=data.offset),
        1 - deviance / null_deviance,
        rtol=1e-12,
        atol=1e-15,  # a pseudo-R2 is a difference from one
    )
    scale = fitted.dispersion_
    likelihood = observations.log_likelihood(y, mu, scale, np.sum)
    null_likelihood = observations.log_likelihood(y, null, scale, np.sum)
    np.testing.assert_allclose(
        fitted.score(X, y, aggregate_sample_scores=np.sum, offset=data.offset), likelihood
    )
    np.testing.assert_allclose(
        fitted.score(X, y, "pseudo-r2-McFadden", offset=data.offset),
        1 - likelihood / null_likelihood,
        rtol=1e-12,
        atol=1e-15,  # a pseudo-R2 is a difference from one
    )
    # The deviance is twice the distance to the likelihood of the data themselves.
    saturated = observations.log_likelihood(y, y, scale, np.sum)
    np.testing.assert_allclose(deviance / scale, 2 * (saturated - likelihood), rtol=1e-9, atol=1e-9)
    if strength is None and model == "Poisson":
        assert deviance <= null_deviance * 1.2


def test_residuals_are_orthogonal_to_the_intercept(case):
    (model, link, _), data, fitted, _ = case
    eta = data.X @ fitted.coef_ + fitted.intercept_ + data.offset
    mu = fitted.predict(data.X, offset=data.offset)
    slope = {
        "exp": mu,
        "softplus": 1 / (1 + np.exp(-eta)),
        "reciprocal": -(mu**2),
        "identity": np.ones_like(mu),
        "logistic": mu * (1 - mu),
        "probit": np.exp(-(eta**2) / 2) / np.sqrt(2 * np.pi),
        "cloglog": np.exp(eta - np.exp(eta)),
    }[link]
    variance = VARIANCES[model](mu)
    terms = data.weight * (data.y - mu) * slope / variance
    assert abs(terms.sum()) <= 1e-8 * np.sqrt(np.sum(data.weight * slope**2 / variance))


def test_strength_zero_is_no_penalty_to_the_bit(case):
    (model, link, _), data, *_ = case
    plain = estimator(model, link).fit(data.X, data.y)
    for zero in (0, 0.0, np.zeros(3)):
        same = estimator(model, link, zero).fit(data.X, data.y)
        assert same.coef_.tobytes() == plain.coef_.tobytes()
        assert same.intercept_.tobytes() == plain.intercept_.tobytes()


def test_fits_are_reproducible_to_the_bit(case):
    settings, data, fitted, _ = case
    again = estimator(*settings).fit(data.X, data.y, sample_weight=data.weight, offset=data.offset)
    assert again.coef_.tobytes() == fitted.coef_.tobytes()


def test_a_huge_strength_leaves_the_mean(case):
    (model, link, _), data, *_ = case
    fitted = estimator(model, link, 1e12).fit(data.X, data.y)
    assert fitted.converged_
    assert 0 < np.abs(fitted.coef_).max() < 1e-10
    np.testing.assert_allclose(fitted.predict(data.X), data.y.mean(), rtol=1e-9)
    # To first order: minus the gradient at the null model, over the strength.
    null = estimator(model, link, 1e12).fit(data.X, data.y)
    null.coef_ = np.zeros(3)
    assert kkt_residual(fitted, data.X, data.y) <= 1e-8


@pytest.mark.parametrize("strength", [0.1, [0.1, 0.0, 3.0]])
def test_one_strength_per_coefficient(strength):
    data = make_problem("Poisson", "exp")
    fitted = estimator(strength=strength and np.array(strength)).fit(data.X, data.y)
    assert kkt_residual(fitted, data.X, data.y) <= 1e-8
    uniform = estimator(strength=np.full(3, 0.1)).fit(data.X, data.y)
    scalar = estimator(strength=0.1).fit(data.X, data.y)
    assert uniform.coef_.tobytes() == scalar.coef_.tobytes()


# Designs that do not identify their coefficients.


@pytest.mark.parametrize(("model", "link"), PAIRS)
def test_collinear_columns_give_the_limit_of_ridge(model, link):
    data = make_problem(model, link)
    X = np.c_[data.X, data.X @ [1.0, -2.0, 0.5] + 3.0, data.X[:, 0] * 10]
    fitted, caught = fit_quietly(estimator(model, link), X, data.y)
    assert caught == [IdentifiabilityWarning]
    assert fitted.converged_
    coef, intercept, rank = minimum_norm_fit(estimator(model, link), X, data.y)
    np.testing.assert_allclose(fitted.coef_, coef, rtol=0, atol=1e-8 * np.abs(coef).max())
    np.testing.assert_allclose(fitted.intercept_, intercept, rtol=1e-8)
    assert fitted.rank_ == rank == 4
    assert fitted.dof_resid_ == 296
    # The gap to ridge shrinks in proportion to its strength.
    gaps = [
        np.abs(estimator(model, link, s).fit(X, data.y).coef_ - coef).max() for s in (1e-6, 1e-7)
    ]
    assert gaps[1] <= 0.2 * gaps[0] + 1e-6 * np.abs(coef).max()
    assert gaps[1] <= 1e-3 * np.abs(coef).max()


def test_splines_that_sum_to_one_give_the_limit_of_ridge():
    rng = np.random.default_rng(0)
    position, phase = rng.uniform(size=(2, 800))
    basis = BSplineBasis(8, bounds=(0, 1)) * CyclicBSplineBasis(5, bounds=(0, 1))
    X = (basis + BSplineBasis(6, bounds=(0, 1))).compute_features(position, phase, position)
    y = rng.poisson(np.exp(np.sin(6 * position) + np.cos(2 * np.pi * phase)))
    with pytest.warns(IdentifiabilityWarning, match="rank 42 of 47") as caught:
        fitted = GLM().fit(X, y)
    assert len(caught) == 1
    coef, intercept, rank = minimum_norm_fit(GLM(), X, y)
    assert fitted.rank_ == rank
    np.testing.assert_allclose(fitted.coef_, coef, rtol=0, atol=1e-8 * np.abs(coef).max())
    np.testing.assert_allclose(fitted.intercept_, intercept, rtol=1e-8)
    assert fitted.kkt_ <= 1e-8


# A chance of zero costs nothing where y is zero: with an identity link the optimum is there.
@pytest.mark.parametrize(("model", "link"), [p for p in PAIRS if p != ("Bernoulli", "identity")])
@pytest.mark.parametrize("strength", [1e-3, 1.0])
def test_more_columns_than_rows_with_a_penalty(model, link, strength):
    data = make_problem(model, link, n=20, p=40)
    fitted = estimator(model, link, strength).fit(data.X, data.y)
    assert fitted.converged_
    assert kkt_residual(fitted, data.X, data.y) <= 1e-8
    coef, intercept, _ = minimum_norm_fit(estimator(model, link, strength), data.X, data.y)
    np.testing.assert_allclose(fitted.coef_, coef, rtol=0, atol=1e-7 * np.abs(coef).max())
    np.testing.assert_allclose(fitted.intercept_, intercept, rtol=1e-7)


def test_more_columns_than_rows_without_a_penalty():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 40)), rng.poisson(1.0, size=20)
    fitted, caught = fit_quietly(GLM(), X, y)
    assert IdentifiabilityWarning in caught
    assert SeparationWarning in caught
    assert not fitted.converged_
    assert fitted.rank_ == 20
    np.testing.assert_allclose(fitted.predict(X), y, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("distance", [1e-4, 1e-5, 1e-6, 1e-7, 1e-9])
def test_nearly_equal_columns_converge_honestly(distance):
    data = make_problem("Poisson", "exp", n=500)
    rng = np.random.default_rng(0)
    X = np.c_[data.X, data.X[:, 0] + distance * rng.normal(size=500)]
    fitted, caught = fit_quietly(estimator(), X, data.y)
    assert fitted.converged_
    assert caught == ([] if fitted.rank_ == 5 else [IdentifiabilityWarning])
    assert kkt_residual(fitted, X, data.y) <= 1e-8 + 1e-15 / distance
    assert fitted.kkt_ <= 1e-8


def test_constant_columns_are_left_at_zero():
    data = make_problem("Poisson", "exp")
    plain = estimator().fit(data.X, data.y)
    X = np.insert(data.X, [0, 1, 3], [0.0, -7.25, 1e9], axis=1)
    with pytest.warns(IdentifiabilityWarning, match="column 0, 2, 5 ") as caught:
        fitted = estimator().fit(X, data.y)
    assert len(caught) == 1
    np.testing.assert_array_equal(fitted.aliased_, [0, 2, 5])
    np.testing.assert_array_equal(fitted.coef_[[0, 2, 5]], 0.0)
    assert not np.any(np.signbit(fitted.coef_[[0, 2, 5]]))
    assert fitted.rank_ == 4
    np.testing.assert_allclose(fitted.predict(X), plain.predict(data.X), rtol=1e-9)
    # Constant over the rows used is what counts.
    X = data.X.copy()
    X[:, 1] = 5.0
    X[7] = np.nan
    X[8, 1] = 4.0
    weight = np.ones(300)
    weight[8] = 0.0
    with pytest.warns(IdentifiabilityWarning, match="column 1 "):
        fitted = estimator().fit(X, data.y, sample_weight=weight)
    assert fitted.coef_[1] == 0.0


@pytest.mark.parametrize("scale", [1e-200, 1e-300, 1e200, 1e300])
def test_columns_of_extreme_scale_are_fitted_or_refused(scale):
    data = make_problem("Poisson", "exp")
    plain = estimator().fit(data.X, data.y)
    X = data.X * [1.0, scale, 1.0]
    try:
        fitted = estimator().fit(X, data.y)
    except ValueError as error:
        assert "column" in str(error)  # noqa: PT017
        return
    np.testing.assert_allclose(fitted.predict(X), plain.predict(data.X), rtol=1e-6)


# Data that are hard on a solver.


def test_counts_of_a_hundred_million():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = rng.poisson(np.exp(18.4 + X @ [0.1, -0.2, 0.0]))
    fitted = estimator().fit(X, y)
    assert fitted.status_ == "converged"
    np.testing.assert_allclose(fitted.coef_, [0.1, -0.2, 0.0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [1e12, 1e14, 1e17])
def test_a_tolerance_below_rounding_ends_at_the_limit_of_precision(size):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    y = np.round(np.exp(X @ [0.04, 0.08, 0.0]) * size)
    fitted = estimator().fit(X, y)
    assert fitted.converged_
    assert fitted.n_iter_ < 30
    np.testing.assert_allclose(fitted.coef_, [0.04, 0.08, 0.0], rtol=0, atol=1e-12)


def test_an_unreachable_tolerance_ends_early():
    data = make_problem("Poisson", "exp")
    fitted = estimator(tol=1e-300).fit(data.X, data.y)
    assert fitted.status_ == "precision limit"
    assert fitted.n_iter_ < 30


def test_two_spikes_in_many_bins():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 3))
    y = np.zeros(20_000)
    y[[177, 12_345]] = 1.0
    fitted = estimator().fit(X, y)
    assert fitted.converged_
    assert kkt_residual(fitted, X, y) <= 1e-8
    np.testing.assert_allclose(fitted.predict(X).sum(), 2.0, rtol=1e-8)


@pytest.mark.parametrize("value", [800.0, -800.0, 1e5])
def test_one_extreme_row(value):
    data = make_problem("Poisson", "exp")
    X = data.X.copy()
    X[7, 1] = value
    fitted = estimator().fit(X, data.y)
    assert fitted.converged_
    assert kkt_residual(fitted, X, data.y) <= 1e-7
    assert np.all(np.isfinite(fitted.predict(X)))


def scoring_fit(X, y, offset):
    """Poisson regression by damped Fisher scoring from a start that fits the total count."""
    Z = np.c_[np.ones(len(y)), X]
    beta = np.r_[np.log(y.sum()) - np.logaddexp.reduce(offset), np.zeros(X.shape[1])]

    def loss(at):
        return np.sum(np.exp(Z @ at + offset) - y * (Z @ at + offset))

    for _ in range(200):
        mu = np.exp(Z @ beta + offset)
        step = np.linalg.lstsq(Z * np.sqrt(mu)[:, None], (y - mu) / np.sqrt(mu), rcond=None)[0]
        length = 1.0
        while loss(beta + length * step) > loss(beta) + 1e-13 * abs(loss(beta)):
            length /= 2
        beta = beta + length * step
        if np.max(np.abs(step)) < 1e-12:
            break
    return beta


@pytest.mark.parametrize("spread", [2.0, 6.0, 10.0])
def test_offsets_of_many_magnitudes(spread):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    offset = spread * rng.normal(size=500)
    eta = X @ [0.4, 0.8, 0.0] + offset
    y = rng.poisson(np.exp(eta + np.log(1000) - np.logaddexp.reduce(eta))).astype(float)
    fitted = estimator().fit(X, y, offset=offset)
    assert fitted.converged_
    assert fitted.n_iter_ <= 30
    np.testing.assert_allclose(parameters(fitted), scoring_fit(X, y, offset), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("exposure", [10.0, 30.0])
def test_one_row_of_enormous_exposure(exposure):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(500, 3))
    offset = np.zeros(500)
    offset[3] = exposure
    y = rng.poisson(np.exp(X @ [0.4, 0.8, 0.0] - 1)).astype(float)
    y[3] = np.round(np.exp(X[3] @ [0.4, 0.8, 0.0] - 1 + exposure))
    fitted = estimator().fit(X, y, offset=offset)
    np.testing.assert_allclose(parameters(fitted), scoring_fit(X, y, offset), rtol=1e-6, atol=1e-8)


def test_an_exposure_that_hides_all_other_rows_is_not_called_converged():
    """One row with 1e20 of the curvature leaves no digits for the others."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(500, 3))
    y = rng.poisson(np.exp(X @ [0.4, 0.8, 0.0] - 1)).astype(float)
    offset = np.zeros(500)
    offset[3], y[3] = 45.0, np.round(np.exp(X[3] @ [0.4, 0.8, 0.0] + 44.0))
    fitted, caught = fit_quietly(estimator(), X, y, offset=offset)
    assert fitted.converged_ == (caught == [])
    assert fitted.rank_ == 4


@pytest.mark.parametrize("model", ["Poisson", "Gamma"])
def test_the_rank_is_that_of_the_design(model):
    """Not of the design as the weights of some model see it."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(40, 3))
        offset = rng.normal(size=40)
        y = rng.poisson(1e6, size=40) * 1.0
        fitted, caught = fit_quietly(estimator(model, "reciprocal"), X, y, offset=offset)
        assert IdentifiabilityWarning not in caught
        assert fitted.rank_ == 4
        # Here eta is what is left of numbers a million times as large.
        assert not fitted.converged_ or fitted.kkt_ <= 1e-6


def test_gamma_regression_with_offsets_needs_few_steps():
    """The loss is convex, so that the observed curvature serves from the start."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(40, 2))
        offset = 5 * rng.normal(size=40)
        fitted, caught = fit_quietly(
            estimator("Gamma", "exp"), X, rng.gamma(2.0, size=40), offset=offset
        )
        assert caught == []
        assert fitted.n_iter_ <= 50


@pytest.mark.parametrize("link", ["exp", "softplus", "reciprocal", "identity"])
@pytest.mark.parametrize("coef", [[0.0, 0.0], [0.3, -0.2]])
def test_a_gamma_model_without_noise_is_fitted(link, coef):
    """A dispersion of zero must not make the tolerance unreachable."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(100, 2))
    eta = 2.0 + X @ coef
    y = {"exp": np.exp(eta), "softplus": np.log1p(np.exp(eta)), "identity": eta}.get(link, 1 / eta)
    fitted, caught = fit_quietly(estimator("Gamma", link), X, y)
    assert caught == []
    assert fitted.converged_
    assert fitted.n_iter_ <= 20
    np.testing.assert_allclose(parameters(fitted), [2.0, *coef], rtol=0, atol=1e-9)


@pytest.mark.parametrize("top", [720.0, 2000.0])
def test_the_starting_point_is_feasible_for_any_offset(top):
    data = make_problem("Poisson", "exp")
    offset = np.zeros(300)
    offset[:150] = top  # two halves of the recording in different units
    X = np.c_[data.X, offset > 0]
    fitted = estimator().fit(X, data.y, offset=offset)
    assert fitted.converged_
    np.testing.assert_allclose(fitted.coef_[3], -top, rtol=1e-2)


@pytest.mark.parametrize("factor", [1e-9, 1e-20, 1e-100, 1e20, 1e100])
def test_the_unit_of_y_does_not_matter(factor):
    data = make_problem("Poisson", "exp")
    plain = estimator().fit(data.X, data.y)
    scaled, caught = fit_quietly(estimator(), data.X, data.y * factor)
    assert SeparationWarning not in caught
    np.testing.assert_allclose(scaled.coef_, plain.coef_, rtol=0, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-9, 1e-20, 1e-100, 1e20, 1e100])
def test_the_unit_of_the_weights_does_not_matter(factor):
    data = make_problem("Poisson", "exp")
    plain = estimator().fit(data.X, data.y, sample_weight=data.weight)
    scaled, caught = fit_quietly(estimator(), data.X, data.y, sample_weight=data.weight * factor)
    assert SeparationWarning not in caught
    np.testing.assert_allclose(scaled.coef_, plain.coef_, rtol=0, atol=1e-6)


@pytest.mark.parametrize("link", ["exp", "identity", "reciprocal"])
@pytest.mark.parametrize("unit", [1e-15, 1e-12, 1e-9, 1e9, 1e12, 1e15])
def test_the_unit_of_a_continuous_signal_does_not_matter(link, unit):
    """Currents in A, conductances in S: a signal of 1e-12 is not unusual."""
    data = make_problem("Gamma", link)
    plain = estimator("Gamma", link).fit(data.X, data.y)
    scaled, caught = fit_quietly(estimator("Gamma", link), data.X, data.y * unit)
    assert caught == []
    assert scaled.converged_
    np.testing.assert_allclose(
        scaled.predict(data.X) / unit, plain.predict(data.X), rtol=1e-6, atol=0
    )
    np.testing.assert_allclose(scaled.dispersion_, plain.dispersion_, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e200])
def test_a_dispersion_does_not_underflow(unit):
    data = make_problem("Gamma", "exp")
    plain = estimator("Gamma", "exp").fit(data.X, data.y)
    scaled = estimator("Gamma", "exp").fit(data.X, data.y * unit)
    np.testing.assert_allclose(scaled.dispersion_, plain.dispersion_, rtol=1e-6)


@pytest.mark.parametrize("tolerance", [1e-6, 1e-3, 1e-1, 0.9])
def test_a_loose_tolerance_is_not_separation(tolerance):
    data = make_problem("Poisson", "exp")
    exact = estimator().fit(data.X, data.y)
    fitted, caught = fit_quietly(estimator(tol=tolerance), data.X, data.y)
    assert caught == []
    assert fitted.converged_
    errors = standard_errors(exact, data.X, data.y)
    assert np.all(np.abs(parameters(fitted) - parameters(exact)) <= 1.01 * tolerance * errors)


def test_spare_digits_of_rounded_counts():
    """Counts that need not be whole, fitted without a word."""
    data = make_problem("Poisson", "exp")
    fitted = estimator().fit(data.X, data.y + 0.5)
    assert fitted.converged_


# Optima at infinity.


def separated_data(seed, kind):
    """Rows of one group hold no spike. Returns X, y, the column and the group."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.choice([30, 200, 1000])), int(rng.integers(0, 4))
    X = rng.normal(size=(n, p))
    group = rng.random(n) < rng.choice([0.1, 0.5, 0.9])
    group[:2], group[2:12] = True, False
    y = rng.poisson(np.exp(0.3 * X.sum(axis=1) + rng.choice([-1.0, 1.0, 3.0]))).astype(float)
    y[2:12] += 1
    y[group] = 0.0
    column = {
        "indicator": group * 1.0,
        "graded": group * rng.uniform(0.5, 2.0, size=n),
        "complement": 1.0 - group,
    }[kind]
    extra = rng.normal(size=n)
    return np.c_[X, column, extra], y, p, group


@pytest.mark.parametrize("link", ["exp", "softplus"])
@pytest.mark.parametrize("kind", ["indicator", "graded", "complement"])
def test_separation_is_recognised(link, kind):
    wrong = []
    for seed in range(25):
        X, y, column, group = separated_data(seed, kind)
        fitted, caught = fit_quietly(estimator(link=link), X, y)
        if caught != [SeparationWarning] or fitted.converged_ or fitted.status_ != "separated":
            wrong.append((seed, fitted.status_, fitted.converged_))
            continue
        kept = estimator(link=link)
        kept.fit(np.delete(X[~group], column, axis=1), y[~group])
        expected = (
            PoissonObservations()
            .deviance(y[~group], kept.predict(np.delete(X[~group], column, axis=1)))
            .sum()
        )
        found = PoissonObservations().deviance(y, fitted.predict(X)).sum()
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert not wrong


@pytest.mark.parametrize("kind", ["indicator", "graded", "complement"])
def test_separation_names_columns_and_rows(kind):
    wrong = []
    for seed in range(25):
        X, y, column, group = separated_data(seed, kind)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator().fit(X, y)
        messages = [str(item.message) for item in caught]
        expected = f"along columns {column}: {group.sum()} rows"
        if not any(expected in message for message in messages):
            wrong.append((seed, expected, messages))
    assert not wrong


def test_a_bin_without_spikes_is_named():
    """Place fields on a one-hot or order-1 spline basis: the empty bin runs to minus infinity."""
    X = np.eye(5)[np.arange(100) % 5]
    y = (np.arange(100) % 5 > 0) * 1.0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = GLM().fit(X, y)
    (separation,) = [item for item in caught if item.category is SeparationWarning]
    assert "columns 0: 20 rows" in str(separation.message)
    np.testing.assert_allclose(fitted.predict(X), y, rtol=1e-6, atol=1e-6)


def test_a_penalty_removes_separation():
    X, y, *_ = separated_data(0, "indicator")
    fitted = estimator(strength=1e-3).fit(X, y)
    assert fitted.converged_
    assert kkt_residual(fitted, X, y) <= 1e-8


@pytest.mark.parametrize("link", ["exp", "softplus", "reciprocal", "identity"])
def test_silent_neurons(link):
    data = make_problem("Poisson", link)
    with pytest.warns(SilentNeuronWarning) as caught:
        fitted = estimator("Poisson", link).fit(data.X, np.zeros(300))
    assert len(caught) == 1
    np.testing.assert_array_equal(fitted.coef_, 0.0)
    np.testing.assert_array_equal(fitted.predict(data.X), 0.0)
    assert fitted.status_ == "silent"
    assert fitted.converged_
    assert fitted.score(data.X, np.zeros(300)) == 0.0
    if link == "exp":
        assert fitted.intercept_[0] == -np.inf
    assert fitted.score(data.X, np.eye(300)[3]) == -np.inf
    np.testing.assert_array_equal(fitted.predict(data.X, offset=np.full(300, 3.0)) >= 0, True)


def test_scores_of_a_silent_recording_do_not_warn():
    data = make_problem("Poisson", "exp")
    fitted = estimator().fit(data.X, data.y)
    for kind in ("pseudo-r2-McFadden", "pseudo-r2-Cohen"):
        assert not fitted.score(data.X, np.zeros(300), kind) > 0


@pytest.mark.parametrize("link", ["exp", "softplus", "reciprocal", "identity"])
def test_counts_at_the_border_of_the_domain_end_with_a_warning_or_at_the_optimum(link):
    """With few counts an identity link pushes some means to zero."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (rng.random(300) < 0.05) * 1.0
    fitted, caught = fit_quietly(estimator("Poisson", link), X, y)
    assert np.all(np.isfinite(parameters(fitted)))
    assert fitted.converged_ == (caught == [])
    if fitted.converged_:
        assert kkt_residual(fitted, X, y) <= 1e-7


# Few rows and columns.


def test_no_columns_leave_the_intercept():
    data = make_problem("Poisson", "exp")
    for model, link in PAIRS:
        data = make_problem(model, link)
        fitted = estimator(model, link).fit(data.X[:, :0], data.y)
        assert fitted.coef_.shape == (0,)
        assert fitted.rank_ == 1
        np.testing.assert_allclose(fitted.predict(data.X[:4, :0]), data.y.mean(), rtol=1e-12)
        estimator(model, link, 1.0).fit(data.X[:, :0], data.y)


def test_one_sample():
    fitted, caught = fit_quietly(estimator(), [[1.0, 2.0]], [3.0])
    assert caught == [IdentifiabilityWarning]
    np.testing.assert_allclose(fitted.predict([[1.0, 2.0]]), [3.0])
    assert fitted.dof_resid_ == 0
    gamma, _ = fit_quietly(estimator("Gamma", "exp"), [[1.0, 2.0]], [3.0])
    assert np.isnan(gamma.dispersion_)


def test_a_score_without_a_dispersion_is_nan_or_refused():
    gamma, _ = fit_quietly(estimator("Gamma", "exp"), [[1.0], [2.0]], [3.0, 4.0])
    assert np.isnan(gamma.dispersion_)
    try:
        score = gamma.score([[1.0], [2.0]], [3.0, 4.0])
    except ValueError:
        return
    assert np.isnan(score)


# What users pass in.


LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided rows": lambda X: np.repeat(X, 2, axis=0)[::2],
    "strided columns": lambda X: np.repeat(X, 3, axis=1)[:, ::3],
    "reversed rows": lambda X: X[::-1].copy()[::-1],
    "reversed columns": lambda X: X[:, ::-1].copy()[:, ::-1],
    "transposed": lambda X: X.T.copy().T,
    "big endian": lambda X: X.astype(">f8"),
    "big endian single": lambda X: X.astype(">f4"),
    "single": lambda X: X.astype("f4"),
    "half": lambda X: X.astype("f2"),
    "long double": lambda X: X.astype("g"),
    "objects": lambda X: X.astype(object),
    "lists": lambda X: X.tolist(),
    "unaligned": lambda X: np.frombuffer(b"\0" + X.tobytes(), "u1")[1:].view("f8").reshape(X.shape),
    "field of records": lambda X: np.array(
        [(row, 0) for row in X], dtype=[("x", "f8", (3,)), ("flag", "u1")]
    )["x"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    data = make_problem("Poisson", "exp")
    X = LAYOUTS[layout](data.X)
    expected = estimator().fit(np.array(X, dtype=float, order="C"), data.y)
    fitted = estimator().fit(X, data.y)
    errors = standard_errors(expected, data.X, data.y)
    assert_same_parameters(parameters(fitted), parameters(expected), errors)
    predicted = fitted.predict(X)
    single = layout in ("single", "big endian single")
    assert predicted.dtype == (np.float32 if single else np.float64)
    np.testing.assert_allclose(
        predicted, expected.predict(np.array(X, dtype=float)), rtol=1e-6 if single else 1e-9
    )


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4", "bool"])
def test_integer_columns(dtype):
    rng = np.random.default_rng(0)
    X = (rng.integers(0, 2 if dtype == "bool" else 100, size=(300, 3))).astype(dtype)
    y = rng.poisson(2.0, size=300)
    fitted = estimator().fit(X, y)
    assert fitted.coef_.tobytes() == estimator().fit(X.astype(float), y).coef_.tobytes()
    assert fitted.predict(X).dtype == np.float64


@pytest.mark.parametrize("dtype", ["i8", "u1", "f4", ">f8", "bool", object])
def test_types_of_y(dtype):
    data = make_problem("Poisson", "exp")
    y = np.minimum(data.y, 1) if dtype == "bool" else data.y
    fitted = estimator().fit(data.X, y.astype(dtype))
    assert fitted.coef_.tobytes() == estimator().fit(data.X, y).coef_.tobytes()
    strided = estimator().fit(data.X, np.repeat(y.astype(dtype), 2)[::2])
    assert fitted.coef_.tobytes() == strided.coef_.tobytes()


def test_inputs_are_never_written():
    data = make_problem("Poisson", "exp")
    kept = copy.deepcopy(data)
    for array in vars(data).values():
        array.flags.writeable = False
    fitted = estimator(strength=0.1).fit(
        data.X, data.y, sample_weight=data.weight, offset=data.offset
    )
    fitted.score(data.X, data.y)
    for name, array in vars(data).items():
        np.testing.assert_array_equal(array, getattr(kept, name))


def test_results_do_not_share_memory_with_arguments():
    data = make_problem("Poisson", "exp")
    start = np.zeros(3)
    fitted = estimator().fit(data.X, data.y, init_params=(start, [0.1]))
    start[:] = 99.0
    assert np.all(fitted.coef_ != 99.0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.zeros(300)}, ValueError, r"2-dimensional.*\(300,\).*\[:, None\]"),
        ({"X": np.zeros((1, 300, 3))}, ValueError, r"2-dimensional.*\(1, 300, 3\)"),
        ({"X": np.zeros((299, 3))}, ValueError, "299 and 300"),
        ({"X": np.zeros((0, 3)), "y": np.zeros(0)}, ValueError, "0 samples"),
        ({"X": np.zeros((300, 3), dtype=complex)}, ValueError, "complex"),
        ({"X": scipy.sparse.csr_matrix((300, 3))}, TypeError, "sparse"),
        ({"X": scipy.sparse.coo_array((300, 3))}, TypeError, "sparse"),
        ({"X": np.full((300, 3), "a")}, TypeError, "numbers"),
        ({"X": np.full((300, 3), {}, dtype=object)}, TypeError, "numbers"),
        ({"X": [[1.0, 2.0], [3.0]]}, ValueError, "shape"),
        ({"X": np.full((300, 3), np.nan)}, ValueError, "300.*window longer"),
        ({"y": np.zeros((300, 2))}, ValueError, r"\(300, 2\)"),
        ({"y": np.zeros(299)}, ValueError, "300 and 299"),
        ({"y": np.full(300, np.nan)}, ValueError, "300"),
        ({"y": np.zeros(300, dtype=complex)}, ValueError, "complex"),
        ({"y": np.where(np.arange(300) == 7, -1.0, 1.0)}, ValueError, r"y is -1\.0+ at row 7"),
        ({"y": np.where(np.arange(300) == 9, np.inf, 1.0)}, ValueError, "y is inf at row 9"),
        ({"sample_weight": np.ones(299)}, ValueError, "300 and 299"),
        ({"sample_weight": 2.0}, ValueError, "1-dimensional"),
        ({"sample_weight": np.ones((300, 1))}, ValueError, "1-dimensional"),
        ({"sample_weight": -np.arange(300.0)}, ValueError, r"sample_weight is -1\.0+ at row 1"),
        ({"sample_weight": np.full(300, np.nan)}, ValueError, "sample_weight is nan at row 0"),
        ({"sample_weight": np.full(300, np.inf)}, ValueError, "sample_weight is inf at row 0"),
        ({"sample_weight": np.zeros(300)}, ValueError, "weight zero"),
        ({"offset": np.zeros(2)}, ValueError, "300 and 2"),
        ({"offset": np.full(300, np.nan)}, ValueError, "offset is nan at row 0"),
        ({"offset": np.full(300, -np.inf)}, ValueError, "offset is -inf at row 0"),
        ({"init_params": 3}, ValueError, "init_params"),
        ({"init_params": ([0.0, 0.0], 0.0)}, ValueError, r"\(2,\)"),
        ({"init_params": ([0.0, 0.0, 0.0], [0.0, 0.0])}, ValueError, r"\(2,\)"),
        ({"init_params": ([np.nan, 0.0, 0.0], 0.0)}, ValueError, "finite"),
        ({"init_params": ([1e4, 0.0, 0.0], 0.0)}, ValueError, "initial parameters"),
        ({"init_params": ("abc", 0.0)}, ValueError, "init_params"),
    ],
)
def test_bad_data_are_refused(change, error, message):
    data = make_problem("Poisson", "exp")
    arguments = {"X": data.X, "y": data.y} | change
    model = estimator()
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        model.fit(**arguments)
    assert vars(model) == before


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("neighbour", [0.0, np.nan])
def test_infinities_are_refused_with_their_place(value, neighbour):
    data = make_problem("Poisson", "exp")
    data.X[257, 1], data.X[257, 0] = value, neighbour
    with pytest.raises(ValueError, match="row 257, column 1"):
        estimator().fit(data.X, data.y)


def test_infinities_are_refused_by_a_prediction():
    data = make_problem("Poisson", "exp")
    fitted = estimator().fit(data.X, data.y)
    data.X[257, 1] = np.inf
    with pytest.raises(ValueError, match="row 257, column 1"):
        fitted.predict(data.X)
    with pytest.raises(ValueError, match="row 257, column 1"):
        fitted.score(data.X, data.y)


@pytest.mark.parametrize("bad", [0.0, -0.5])
def test_gamma_needs_positive_values(bad):
    data = make_problem("Gamma", "exp")
    data.y[17] = bad
    with pytest.raises(ValueError, match=r"at row 17.*dF/F"):
        estimator("Gamma", "exp").fit(data.X, data.y)
    data.y[17] = 1e-300
    for link in ("exp", "softplus", "reciprocal"):
        assert estimator("Gamma", link).fit(data.X, data.y).converged_


def test_scores_check_what_they_score():
    data = make_problem("Poisson", "exp")
    fitted = estimator().fit(data.X, data.y)
    for bad, message in [
        (data.y[:-1], "300 and 299"),
        (np.where(np.arange(300) == 7, -1.0, data.y), "row 7"),
        (np.where(np.arange(300) == 7, np.inf, data.y), "row 7"),
    ]:
        for kind in ("log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen"):
            with pytest.raises(ValueError, match=message):
                fitted.score(data.X, bad, kind)
    with pytest.raises(NotImplementedError, match="r2"):
        fitted.score(data.X, data.y, "r2")


def test_a_score_of_nothing_is_refused():
    data = make_problem("Poisson", "exp")
    fitted = estimator().fit(data.X, data.y)
    for X, y in [(data.X[:0], data.y[:0]), (data.X * np.nan, data.y)]:
        for kind in ("log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen"):
            with pytest.raises(ValueError, match=r"sample|row"):
                fitted.score(X, y, kind)


def test_a_prediction_of_nothing_is_empty():
    data = make_problem("Poisson", "exp")
    fitted = estimator().fit(data.X, data.y)
    assert fitted.predict(data.X[:0]).shape == (0,)


def test_a_single_precision_prediction_may_overflow_quietly():
    data = make_problem("Poisson", "exp")
    fitted = estimator().fit(data.X, data.y)
    X = (data.X * 100 / np.abs(fitted.coef_).max()).astype(np.float32)
    predicted = fitted.predict(X)
    assert predicted.dtype == np.float32
    assert np.all(predicted >= 0)


def test_masked_arrays_do_not_lose_their_mask():
    data = make_problem("Poisson", "exp")
    mask = np.zeros(data.X.shape, dtype=bool)
    mask[5, 1] = True
    X = np.ma.masked_array(np.where(mask, 1e3, data.X), mask=mask)
    try:
        fitted = estimator().fit(X, data.y)
    except (TypeError, ValueError):
        return
    expected = estimator().fit(np.where(mask, np.nan, data.X), data.y)
    np.testing.assert_array_equal(fitted.coef_, expected.coef_)


def test_dates_are_not_numbers():
    with pytest.raises(TypeError):
        estimator().fit(np.arange(300).astype("M8[s]")[:, None], np.ones(300))


def test_a_column_of_y_is_flattened_with_a_warning():
    data = make_problem("Poisson", "exp")
    with pytest.warns(DataConversionWarning, match=r"\(300, 1\)"):
        fitted = estimator().fit(data.X, data.y[:, None])
    assert fitted.coef_.tobytes() == estimator().fit(data.X, data.y).coef_.tobytes()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"observation_model": "Poison"}, ValueError, "'Poison'.*Gamma.*Poisson"),
        ({"observation_model": None}, ValueError, "None"),
        ({"observation_model": 3}, ValueError, "3"),
        ({"inverse_link_function": "expo"}, ValueError, "'expo'.*exp.*softplus"),
        ({"inverse_link_function": np.log1p}, ValueError, "log1p"),
        ({"inverse_link_function": lambda x: x}, ValueError, "lambda"),
        ({"inverse_link_function": ["exp"]}, (TypeError, ValueError), "exp.*softplus"),
        ({"regularizer": "Rigde"}, ValueError, "'Rigde'.*Ridge"),
        ({"regularizer": 3}, ValueError, "3"),
        ({"regularizer_strength": 1.0}, ValueError, r"1\.0.*Ridge"),
        ({"regularizer": "Ridge", "regularizer_strength": -0.5}, ValueError, r"-0\.5"),
        ({"regularizer": "Ridge", "regularizer_strength": np.nan}, ValueError, "nan"),
        ({"regularizer": "Ridge", "regularizer_strength": np.inf}, ValueError, "inf"),
        ({"regularizer": "Ridge", "regularizer_strength": "strong"}, TypeError, "'strong'"),
        ({"regularizer": "Ridge", "regularizer_strength": [1.0, 2.0]}, ValueError, r"\(2,\)"),
        ({"regularizer": "Ridge", "regularizer_strength": [1.0, -2.0, 0.0]}, ValueError, "-2"),
        ({"solver_name": "Newtown"}, ValueError, "'Newtown'.*Newton"),
        ({"solver_kwargs": {"tolerance": 1}}, NameError, "'tolerance'.*tol, maxiter"),
        ({"solver_kwargs": {"tol": 0.0}}, ValueError, r"0\.0"),
        ({"solver_kwargs": {"tol": -1e-3}}, ValueError, r"-0\.001"),
        ({"solver_kwargs": {"tol": np.nan}}, ValueError, "nan"),
        ({"solver_kwargs": {"tol": "small"}}, (TypeError, ValueError), "'small'"),
        ({"solver_kwargs": {"maxiter": 0}}, ValueError, "0"),
        ({"solver_kwargs": {"maxiter": 1.5}}, ValueError, r"1\.5"),
        ({"solver_kwargs": {"maxiter": "many"}}, TypeError, "'many'"),
        ({"solver_kwargs": "fast"}, (TypeError, ValueError), "solver_kwargs"),
    ],
)
def test_bad_settings_are_refused_by_fit(settings, error, message):
    data = make_problem("Poisson", "exp")
    model = GLM(**settings)
    with pytest.raises(error, match=message):
        model.fit(data.X, data.y)
    assert not hasattr(model, "coef_")


def test_a_very_large_maxiter_is_allowed():
    data = make_problem("Poisson", "exp")
    assert estimator(maxiter=10**12).fit(data.X, data.y).converged_


def test_names_objects_and_functions_mean_the_same():
    data = make_problem("Poisson", "exp")
    expected = GLM().fit(data.X, data.y).coef_.tobytes()
    for settings in (
        {"observation_model": "PoissonObservations"},
        {"observation_model": PoissonObservations()},
        {"observation_model": PoissonObservations(inverse_link_function="exp")},
        {"inverse_link_function": np.exp},
        {"regularizer": None},
        {"regularizer": UnRegularized()},
        {"solver_name": "Newton"},
        {"solver_kwargs": {}},
    ):
        assert GLM(**settings).fit(data.X, data.y).coef_.tobytes() == expected
    ridge = GLM(regularizer="Ridge", regularizer_strength=0.5).fit(data.X, data.y)
    same = GLM(regularizer=Ridge(), regularizer_strength=0.5).fit(data.X, data.y)
    assert ridge.coef_.tobytes() == same.coef_.tobytes()
    softplus = GLM(inverse_link_function="softplus").fit(data.X, data.y)
    same = GLM(PoissonObservations(inverse_link_function="softplus")).fit(data.X, data.y)
    assert softplus.coef_.tobytes() == same.coef_.tobytes()
    one = GLM(regularizer="Ridge").fit(data.X, data.y)
    assert (
        one.coef_.tobytes()
        == GLM(regularizer="Ridge", regularizer_strength=1.0).fit(data.X, data.y).coef_.tobytes()
    )


def test_too_few_steps_warn_with_numbers():
    data = make_problem("Poisson", "exp")
    with pytest.warns(ConvergenceWarning, match=r"after 1 steps.*maxiter") as caught:
        fitted = estimator(maxiter=1).fit(data.X, data.y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert isinstance(caught[0].message, SpikeglmWarning)
    assert not fitted.converged_
    assert fitted.status_ == "max iterations"
    assert fitted.n_iter_ == 1
    assert fitted.kkt_ > 1e-6


@pytest.mark.parametrize(
    "use",
    [
        lambda model, data: model.predict(data.X),
        lambda model, data: model.score(data.X, data.y),
        lambda model, data: model.scale_,
    ],
    ids=["predict", "score", "scale_"],
)
def test_what_needs_a_fit_says_so(use):
    with pytest.raises(NotFittedError, match="fit"):
        use(GLM(), make_problem("Poisson", "exp"))


def test_another_number_of_columns_is_refused():
    data = make_problem("Poisson", "exp")
    fitted = estimator().fit(data.X, data.y)
    for X in (data.X[:, :2], np.c_[data.X, data.X]):
        with pytest.raises(ValueError, match=f"{X.shape[1]} features.* 3"):
            fitted.predict(X)
        with pytest.raises(ValueError, match=f"{X.shape[1]} features.* 3"):
            fitted.score(X, data.y)
    with pytest.raises(ValueError, match="2-dimensional"):
        fitted.predict(data.X[0])
    with pytest.raises(ValueError, match="300 and 4"):
        fitted.predict(data.X, offset=np.zeros(4))


def test_predictions_are_the_mean_function(case):
    (_, link, _), data, fitted, _ = case
    eta = data.X @ fitted.coef_ + fitted.intercept_ + data.offset
    mean = {
        "exp": np.exp(eta),
        "softplus": np.log1p(np.exp(eta)),
        "reciprocal": 1 / eta,
        "identity": eta,
        "logistic": 1 / (1 + np.exp(-eta)),
        "probit": ndtr(eta),
        "cloglog": 1 - np.exp(-np.exp(eta)),
    }[link]
    np.testing.assert_allclose(fitted.predict(data.X, offset=data.offset), mean, rtol=1e-13)


# Estimators as objects.


@pytest.mark.parametrize("fitted", [False, True])
def test_copies(fitted):
    data = make_problem("Gamma", "exp")
    model = GLM("Gamma", np.exp, Ridge(), 0.1, solver_kwargs={"tol": 1e-9})
    if fitted:
        model.fit(data.X, data.y)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        assert vars(twin).keys() == vars(model).keys()
        if fitted:
            np.testing.assert_array_equal(twin.predict(data.X), model.predict(data.X))
            assert twin.scale_ == model.scale_
        else:
            twin.fit(data.X, data.y)
    fresh = clone(model)
    assert not hasattr(fresh, "coef_")
    assert repr(fresh) == repr(model)
    fresh.fit(data.X, data.y)


def test_a_second_fit_replaces_the_first():
    data = make_problem("Poisson", "exp")
    model = estimator().fit(data.X, data.y)
    model.fit(data.X[:, :2], data.y)
    assert model.coef_.shape == (2,)
    assert model.n_features_in_ == 2


def test_a_refused_fit_leaves_the_model_as_it_was():
    data = make_problem("Poisson", "exp")
    model = estimator().fit(data.X, data.y)
    before = copy.deepcopy(vars(model))
    with pytest.raises(ValueError, match="row 0"):
        model.fit(data.X, -data.y - 1)
    assert before.keys() == vars(model).keys()
    np.testing.assert_array_equal(before["coef_"], model.coef_)


def test_grid_search_over_the_strength():
    data = make_problem("Poisson", "exp")
    search = GridSearchCV(
        GLM(regularizer="Ridge"), {"regularizer_strength": [0.0, 0.01, 100.0]}, cv=4
    ).fit(data.X, data.y)
    scores = [
        np.mean(
            [
                GLM(regularizer="Ridge", regularizer_strength=strength)
                .fit(np.delete(data.X, fold, axis=0), np.delete(data.y, fold))
                .score(data.X[fold], data.y[fold])
                for fold in np.arange(300).reshape(4, 75)
            ]
        )
        for strength in (0.0, 0.01, 100.0)
    ]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], scores, rtol=1e-12)
    assert search.best_estimator_.converged_


# The process.


def interrupt_after(seconds):
    sent = []

    def send():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    # A process that was started in the background may have inherited that it is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(seconds, send)
    timer.start()
    return timer, sent


def test_an_interrupted_fit_stops_and_leaves_the_model_as_it_was():
    rng = np.random.default_rng(0)
    X = np.tile(rng.normal(size=(500, 60)).astype(np.float32), (4000, 1))
    y = rng.poisson(1.0, size=len(X))
    model = estimator().fit(X[:500], y[:500])
    before = copy.deepcopy(vars(model))
    timer, sent = interrupt_after(0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        stopped = time.monotonic()
    finally:
        timer.cancel()
    assert stopped - sent[0] < 2.0
    assert vars(model).keys() == before.keys()
    np.testing.assert_array_equal(model.coef_, before["coef_"])
    assert model.n_iter_ == before["n_iter_"]


def test_an_interrupted_fit_of_many_columns_stops():
    """The work on p x p matrices must listen too, not only the passes over rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2500, 2000)).astype(np.float32)
    y = rng.poisson(1.0, size=2500)
    timer, sent = interrupt_after(1.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            estimator(strength=0.1).fit(X, y)
        stopped = time.monotonic()
    finally:
        timer.cancel()
    assert stopped - sent[0] < 2.0


def test_threads_may_fit_and_predict_at_once():
    data = make_problem("Poisson", "exp", n=3000)
    shared = estimator().fit(data.X, data.y)
    expected = shared.coef_.tobytes()
    found, predicted = [], []

    def work():
        found.append(estimator().fit(data.X, data.y).coef_.tobytes())
        predicted.append(shared.predict(data.X).tobytes())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {expected}
    assert len(found) == 8
    assert set(predicted) == {shared.predict(data.X).tobytes()}


@pytest.mark.parametrize("dtype", [np.float64, np.uint8])
def test_more_entries_than_a_32_bit_size_holds(dtype):
    n, p = 2**20 + 3, 2100
    assert n * p > 2**31
    rng = np.random.default_rng(0)
    small = rng.integers(0, 3, size=(p + 50, p)).astype(dtype)
    fitted = estimator(strength=1.0)
    fitted.coef_, fitted.intercept_ = rng.normal(size=p) / p, np.array([0.5])
    fitted.n_features_in_, fitted.dispersion_ = p, 1.0
    found = fitted.predict(np.broadcast_to(small[:1], (n, p)))
    assert found.shape == (n,)
    np.testing.assert_allclose(
        found[[0, 1, n // 2, n - 1]], np.exp(small[0] @ fitted.coef_ + 0.5), rtol=1e-12
    )
    assert np.ptp(found) == 0.0


def test_stride_zero_columns():
    data = make_problem("Poisson", "exp")
    same = np.broadcast_to(data.X[:, :1], (300, 3))
    fitted, caught = fit_quietly(estimator(), same, data.y)
    assert caught == [IdentifiabilityWarning]
    single = estimator().fit(data.X[:, :1], data.y)
    np.testing.assert_allclose(fitted.coef_, np.full(3, single.coef_[0] / 3), rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 127, 128, 129, 1023, 1025])
@pytest.mark.parametrize("p", [1, 9])
def test_sizes_around_those_of_blocks(n, p):
    data = make_problem("Poisson", "exp", n=n, p=p)
    data.y += 1
    fitted = estimator(strength=0.1)
    fitted, _ = fit_quietly(fitted, data.X, data.y)
    assert fitted.converged_
    assert kkt_residual(fitted, data.X, data.y) <= 1e-8


def test_collinear_columns_in_units_far_apart():
    rng = np.random.default_rng(60)
    X = rng.normal(size=(40, 5)) * [1e6, 1.0, 1.0, 1e-6, 1.0]
    y = rng.poisson(2.0, size=40)
    with pytest.warns(IdentifiabilityWarning):
        model = GLM().fit(np.column_stack([X, X[:, 0]]), y)
    expected = GLM().fit(X, y)
    assert model.rank_ == 6
    assert_close = np.testing.assert_allclose
    assert_close(model.coef_[[0, 5]], expected.coef_[0] / 2, rtol=1e-8)
    assert_close(model.coef_[1:5], expected.coef_[1:], rtol=1e-8)
    assert model.kkt_ <= 1e-8


def exact_ridge(X, y, strength):
    """Solve the ridge problem of a Gaussian by elimination in rational numbers."""
    A = [[Fraction(float(v)) for v in [*row, 1.0]] for row in X]
    n, p = X.shape
    strengths = [Fraction(strength)] * p + [Fraction(0)]
    H = [
        [
            2 * sum(row[i] * row[j] for row in A) / n + (strengths[i] if i == j else 0)
            for j in range(p + 1)
        ]
        for i in range(p + 1)
    ]
    b = [
        2 * sum(row[i] * Fraction(float(v)) for row, v in zip(A, y, strict=True)) / n
        for i in range(p + 1)
    ]
    for i in range(p + 1):
        for k in range(i + 1, p + 1):
            factor = H[k][i] / H[i][i]
            H[k] = [u - factor * v for u, v in zip(H[k], H[i], strict=True)]
            b[k] -= factor * b[i]
    x = [Fraction(0)] * (p + 1)
    for i in reversed(range(p + 1)):
        x[i] = (b[i] - sum(H[i][j] * x[j] for j in range(i + 1, p + 1))) / H[i][i]
    return np.array(x, dtype=float)


@pytest.mark.parametrize("strength", [0.125, 2.0**-20])
def test_a_penalty_that_only_just_identifies_in_units_far_apart(strength):
    rng = np.random.default_rng(61)
    X = rng.normal(size=(3, 5)) * [1e-7, 4e5, 4e5, 1.0, 1.0]
    X[:, 2] = X[:, 1]
    y = rng.normal(size=3)
    model = GLM("Gaussian", regularizer="Ridge", regularizer_strength=strength).fit(X, y)
    expected = exact_ridge(X, y, strength)
    found = np.r_[model.coef_, model.intercept_]
    errors = 1.0 / np.sqrt(np.r_[(X * X).sum(axis=0) + strength, 3.0])
    assert np.all(np.abs(found - expected) <= 1e-8 * (np.abs(expected) + errors))
