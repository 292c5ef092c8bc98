"""The contenders: one short function each.

A fit returns (coef, intercept): (n_features,) and a number, or (n_features, n_neurons) and
(n_neurons,). Features are returned as an array of the complete rows, in any layout. `tolerance`
means whatever the contender's own setting means; None leaves it at the contender's default.
A function may raise NotImplementedError for a problem that the contender cannot state.
"""

import importlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from problems import Array, Problem

FITS = ("glm", "population")


@dataclass(frozen=True)
class Peer:
    name: str
    run: Callable[[Problem, float | None], Any]
    modules: tuple[str, ...]
    environment: str
    largest: int

    def load(self) -> dict[str, str]:
        """Import what `run` needs and return the versions of the packages."""
        loaded = {name: importlib.import_module(name) for name in self.modules}
        if "jax" in loaded:
            loaded["jax"].config.update("jax_enable_x64", True)
        roots = {name.split(".")[0] for name in (*self.modules, "numpy")}
        return {name: importlib.import_module(name).__version__ for name in sorted(roots)}


PEERS: dict[tuple[str, str], Peer] = {}  # by name and kind of problem


def peer(
    name: str, kinds: tuple[str, ...], *modules: str, environment: str = "main", largest: int = 0
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a contender.

    `kinds` of problems it takes, `modules` that are imported before the clock starts, the
    `environment` that it lives in, and the `largest` number of elements of X that it is given
    (0: any), for those that would take minutes.
    """

    def register(run: Callable[..., Any]) -> Callable[..., Any]:
        entry = Peer(name, run, modules, environment, largest)
        PEERS.update({(name, kind): entry for kind in kinds})
        return run

    return register


def given(name: str, tolerance: float | None) -> dict[str, float]:
    return {} if tolerance is None else {name: tolerance}


def threads() -> int:
    return len(os.sched_getaffinity(0))


# Fits


@peer("spikeglm", FITS, "spikeglm")
def spikeglm(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    from spikeglm.glm import GLM, PopulationGLM

    estimator = GLM if problem.kind == "glm" else PopulationGLM
    model = estimator(
        problem.family.capitalize(),
        "exp",
        regularizer="Ridge",
        regularizer_strength=problem.strength,
        solver_kwargs=given("tol", tolerance),
    ).fit(problem.X, problem.y)
    return model.coef_, model.intercept_


@peer("sklearn-newton", FITS, "sklearn.linear_model")
def sklearn_newton(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    return _sklearn("newton-cholesky", problem, tolerance)


@peer("sklearn-lbfgs", FITS, "sklearn.linear_model")
def sklearn_lbfgs(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    return _sklearn("lbfgs", problem, tolerance)


def _sklearn(solver: str, problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    from sklearn.linear_model import GammaRegressor, PoissonRegressor

    estimator = PoissonRegressor if problem.family == "poisson" else GammaRegressor
    settings = given("tol", tolerance) | {"max_iter": 10_000}
    model = estimator(alpha=problem.strength, solver=solver, **settings)
    return _per_neuron(problem, lambda y: _coef_of(model.fit(problem.X, y)))


@peer("glum", FITS, "glum")
def glum(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(
        family=problem.family,
        link="log",
        alpha=problem.strength,
        l1_ratio=0,
        max_iter=10_000,
        **given("gradient_tol", tolerance),
    )
    return _per_neuron(problem, lambda y: _coef_of(model.fit(problem.X, y)))


@peer("statsmodels", ("glm",), "statsmodels.api", largest=100_000)
def statsmodels(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    import statsmodels.api as sm

    if problem.family == "poisson":
        family = sm.families.Poisson()
    else:
        family = sm.families.Gamma(sm.families.links.Log())
    strength = np.full(problem.X.shape[1] + 1, problem.strength)
    strength[0] = 0.0
    model = sm.GLM(problem.y, sm.add_constant(problem.X), family=family)
    # Coordinate descent; its rounds are limited by `maxiter`.
    settings = given("cnvrg_tol", tolerance) | {"maxiter": 10_000}
    params = model.fit_regularized(alpha=strength, L1_wt=0.0, **settings).params
    return params[1:], params[0]


@peer("nemos", FITS, "jax", "nemos")
def nemos(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    import jax.numpy as jnp
    from nemos.glm import GLM, PopulationGLM

    estimator = GLM if problem.kind == "glm" else PopulationGLM
    model = estimator(
        problem.family.capitalize(),
        jnp.exp,
        regularizer="Ridge",
        regularizer_strength=problem.strength,
        solver_name="LBFGS",
        solver_kwargs=given("tol", tolerance) | {"maxiter": 10_000},
    ).fit(problem.X, problem.y)
    return np.asarray(model.coef_), np.asarray(model.intercept_)


@peer("adelie", ("glm",), "adelie", environment="adelie")
def adelie(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    from adelie import glm, grpnet

    if problem.family != "poisson":
        raise NotImplementedError(problem.family)
    path = grpnet(
        np.asfortranarray(problem.X),
        glm.poisson(problem.y),
        alpha=0.0,
        penalty=np.ones(problem.X.shape[1]),
        lmda_path=[problem.strength],
        early_exit=False,
        n_threads=threads(),
        progress_bar=False,
        **given("tol", tolerance),
        **given("irls_tol", tolerance),
    )
    return path.betas.toarray()[-1], path.intercepts[-1]


def _coef_of(model: Any) -> tuple[Array, float]:
    return model.coef_, model.intercept_


def _per_neuron(problem: Problem, fit: Callable[[Array], Any]) -> tuple[Array, Array]:
    if problem.kind == "glm":
        return fit(problem.y)
    fits = [fit(y) for y in np.ascontiguousarray(problem.y.T)]
    return np.stack([coef for coef, _ in fits], axis=1), np.array([b for _, b in fits])


# Features


@peer("spikeglm", ("convolution", "spline"), "spikeglm")
def spikeglm_features(problem: Problem, tolerance: float | None) -> Array:
    from spikeglm.basis import BSplineBasis, RaisedCosineBasisLog

    n, window = problem.n_basis_funcs, problem.window_size
    if problem.kind == "spline":
        return BSplineBasis(n, bounds=(0, 1)).compute_features(problem.X)
    basis = RaisedCosineBasisLog(n, mode="conv", window_size=window)
    return basis.compute_features(problem.X)[window:]


@peer("nemos", ("convolution", "spline"), "jax", "nemos")
def nemos_features(problem: Problem, tolerance: float | None) -> Array:
    from nemos.basis import BSplineEval, RaisedCosineLogConv

    n, window = problem.n_basis_funcs, problem.window_size
    if problem.kind == "spline":
        return np.asarray(BSplineEval(n, bounds=(0, 1)).compute_features(problem.X))
    return np.asarray(RaisedCosineLogConv(n, window_size=window).compute_features(problem.X))[
        window:
    ]


@peer("oaconvolve", ("convolution",), "scipy.signal")
def oaconvolve(problem: Problem, tolerance: float | None) -> Array:
    from scipy.signal import oaconvolve

    return oaconvolve(problem.X[:, None], problem.kernels, mode="valid", axes=0)[:-1]


@peer("sklearn-splines", ("spline",), "sklearn.preprocessing")
def sklearn_splines(problem: Problem, tolerance: float | None) -> Array:
    from sklearn.preprocessing import SplineTransformer

    knots = np.linspace(0.0, 1.0, problem.n_basis_funcs - 2)[:, None]
    return SplineTransformer(knots=knots, degree=3).fit_transform(problem.X[:, None])


@peer("scipy-splines", ("spline",), "scipy.interpolate")
def scipy_splines(problem: Problem, tolerance: float | None) -> Array:
    from scipy.interpolate import BSpline

    knots = np.concatenate([[0.0] * 3, np.linspace(0.0, 1.0, problem.n_basis_funcs - 2), [1.0] * 3])
    return BSpline.design_matrix(problem.X, knots, 3).toarray()


# What no contender can be faster than


@peer("limit", FITS)
def read_once(problem: Problem, tolerance: float | None) -> None:
    """Read X once with all threads."""
    _in_parallel(np.max, problem.X.reshape(-1))


@peer("limit", ("convolution", "spline"))
def write_once(problem: Problem, tolerance: float | None) -> None:
    """Write something into fresh memory of the size of the features, with all threads."""
    _in_parallel(
        lambda part: part.fill(1.0), np.empty((len(problem.X), problem.n_basis_funcs)).reshape(-1)
    )


def _in_parallel(work: Callable[[Array], Any], array: Array) -> None:
    list(_pool().map(work, np.array_split(array, threads())))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads())
