"""Data and checks that several test files share."""

import itertools
import warnings
from dataclasses import dataclass

import numpy as np

from spikeglm import _core
from spikeglm.glm import GLM

MODELS = list(_core.observation_models())
LINKS = list(_core.inverse_links())
FACTS = _core.observation_models()

# Where the linear predictor lies, and how wide it spreads, so that means are moderate.
PREDICTORS = {
    "exp": (0.5, 0.6),
    "softplus": (1.0, 1.0),
    "reciprocal": (0.4, 0.06),
    "identity": (6.0, 0.8),
    "logistic": (0.2, 1.0),
    "probit": (0.1, 0.6),
    "cloglog": (-0.4, 0.7),
}
# Of models whose means are chances.
CHANCES = {"exp": (-0.9, 0.4), "softplus": (-1.0, 0.6), "reciprocal": (2.5, 0.4)} | {
    "identity": (0.5, 0.2)
}
SAMPLERS = {
    "Poisson": lambda rng, mu: rng.poisson(mu).astype(float),
    "Gamma": lambda rng, mu: rng.gamma(3.0, mu / 3.0),
    "Bernoulli": lambda rng, mu: rng.binomial(1, mu).astype(float),
    "NegativeBinomial": lambda rng, mu: rng.poisson(rng.gamma(1.0, mu)).astype(float),
    "Gaussian": lambda rng, mu: rng.normal(mu, 0.5),
}
VARIANCES = {
    "Poisson": lambda mu: mu,
    "Gamma": lambda mu: mu**2,
    "Bernoulli": lambda mu: mu * (1 - mu),
    "NegativeBinomial": lambda mu: mu + mu**2,
    "Gaussian": np.ones_like,
}
# A count with a mean below one, whatever the predictor, asks for more than it can have.
ALL_PAIRS = [
    (model, link)
    for model, link in itertools.product(MODELS, LINKS)
    if model in ("Bernoulli", "Gaussian") or link not in ("logistic", "probit", "cloglog")
]
# Those that are in use.
PAIRS = [
    *itertools.product(["Poisson", "Gamma"], ["exp", "softplus", "reciprocal", "identity"]),
    *itertools.product(["Bernoulli"], ["logistic", "probit", "cloglog", "identity"]),
    *itertools.product(["NegativeBinomial"], ["exp", "softplus"]),
    *itertools.product(["Gaussian"], ["identity", "exp"]),
]


@dataclass
class Problem:
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    offset: np.ndarray


def make_problem(model, link, n=300, p=3, seed=0):
    """Data that the pair describes, with weights and offsets that may be used or not."""
    rng = np.random.default_rng([seed, n, p])
    X = rng.uniform(-1, 1, size=(n, p)) @ (np.eye(p) + 0.2)
    chance = FACTS[model]["mean_must_be_below_one"] and link in CHANCES
    level, spread = (CHANCES if chance else PREDICTORS)[link]
    beta = rng.uniform(-1, 1, size=p) * spread / max(p, 1)
    offset = rng.uniform(-0.5, 0.5, size=n) * spread
    y = SAMPLERS[model](rng, _core.inverse_link(link, level + X @ beta))
    return Problem(X, y, rng.integers(1, 5, size=n).astype(float), offset)


def estimator(model="Poisson", link="exp", strength=None, **solver_kwargs):
    return GLM(
        model,
        link,
        "UnRegularized" if strength is None else "Ridge",
        strength,
        solver_kwargs=solver_kwargs or None,
    )


def fit_quietly(model, *args, **kwargs):
    """Fit and return the model with the categories of the warnings that it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*args, **kwargs)
    return model, [item.category for item in caught]


def parameters(model):
    return np.concatenate([model.intercept_, model.coef_])


def derivatives(model, X, y, weight=None, offset=None):
    """Gradient and curvature of the total penalised loss at a fit, columns centred."""
    n, p = X.shape
    weight = np.ones(n) if weight is None else weight
    link = model.inverse_link_function
    eta = X @ model.coef_ + model.intercept_ + (0.0 if offset is None else offset)
    name = model.observation_model
    _, d1, d2, _ = _core.row_terms(name, link, np.ascontiguousarray(y, float), eta, 1.0)
    Z = np.c_[np.ones(n), X - np.average(X, axis=0, weights=weight)]
    strength = 0.0 if model.regularizer_strength is None else model.regularizer_strength
    penalty = weight.sum() * np.broadcast_to(strength, p) / FACTS[name]["objective_factor"]
    gradient = Z.T @ (weight * d1) + np.r_[0.0, penalty * model.coef_]
    curvature = (Z.T * (weight * d2)) @ Z + np.diag(np.r_[0.0, penalty])
    return gradient, curvature


def kkt_residual(model, X, y, weight=None, offset=None):
    """Largest gradient in units of its curvature, recomputed from the data."""
    gradient, curvature = derivatives(model, X, y, weight, offset)
    size = np.diag(curvature)
    return np.max(np.abs(gradient[size > 0]) / np.sqrt(size[size > 0]), initial=0.0)


def objective(model, X, y, weight=None, offset=None):
    """Mean penalised loss at a fit."""
    weight = np.ones(len(y)) if weight is None else weight
    eta = X @ model.coef_ + model.intercept_ + (0.0 if offset is None else offset)
    y = np.ascontiguousarray(y, float)
    name = model.observation_model
    loss, *_ = _core.row_terms(name, model.inverse_link_function, y, eta, 1.0)
    strength = 0.0 if model.regularizer_strength is None else model.regularizer_strength
    mean = FACTS[name]["objective_factor"] * np.sum(weight * loss) / weight.sum()
    return mean + np.sum(strength * model.coef_**2) / 2


def standard_errors(model, X, y, weight=None, offset=None):
    """Of intercept and coefficients, for X as it is."""
    weight = np.ones(len(y)) if weight is None else weight
    _, curvature = derivatives(model, X, y, weight, offset)
    covariance = np.linalg.inv(curvature)
    centre = np.average(X, axis=0, weights=weight)
    to_user = np.eye(len(centre) + 1)
    to_user[0, 1:] = -centre
    return np.sqrt(np.diag(to_user @ covariance @ to_user.T))


def assert_same_parameters(found, expected, errors, times=3e-8):
    """Agreement to a fraction of a standard error; twice the tolerance of a fit is 2e-8."""
    assert np.all(np.abs(found - expected) <= times * errors + 1e-12 * np.abs(expected))


def minimum_norm_fit(model, X, y, **kwargs):
    """Of all optima, the one with the smallest coefficients, by way of the row space of X."""
    centre = X.mean(axis=0)
    _, s, directions = np.linalg.svd(X - centre, full_matrices=False)
    basis = directions[s > 1e-9 * s[0]].T
    reduced = model.fit((X - centre) @ basis, y, **kwargs)
    coef = basis @ reduced.coef_
    return coef, reduced.intercept_[0] - centre @ coef, basis.shape[1] + 1
