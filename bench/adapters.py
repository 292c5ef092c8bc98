"""The contenders: one short function each.

A fit returns (coef, intercept): (n_features,) and a number, or (n_features, n_neurons) and
(n_neurons,). Features are returned as an array of the complete rows, in any layout; dimensions
after the first count as columns. `tolerance` means whatever the contender's own setting means; None
leaves it at the contender's default. A function may raise NotImplementedError for a problem that
the contender cannot state.
"""

import importlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, reduce
from inspect import signature
from operator import mul
from typing import Any

import numpy as np
from formulas import Array
from problems import Problem

FITS = ("glm", "population")
SPLINES = ("bspline", "cyclic")
FEATURES = (*SPLINES, "cosine", "convolution")


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
@peer("spikeglm-dense", ("tensor",), "spikeglm")
def spikeglm(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    return _spikeglm(problem, problem.X, tolerance)


@peer("spikeglm", ("tensor",), "spikeglm")
def spikeglm_lazy(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    return _spikeglm(problem, _spikeglm_basis(problem).design(*problem.inputs), tolerance)


def _spikeglm(problem: Problem, X: Any, tolerance: float | None) -> tuple[Array, Array]:
    from spikeglm.glm import GLM, PopulationGLM

    estimator = PopulationGLM if problem.kind == "population" else GLM
    model = estimator(
        problem.family.capitalize(),
        "exp",
        regularizer="Ridge",
        regularizer_strength=problem.strength,
        solver_kwargs=given("tol", tolerance),
    ).fit(X, problem.y)
    return model.coef_, model.intercept_


@peer("spikeglm", ("path",), "spikeglm")
def spikeglm_path(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    from spikeglm.glm import GLM
    from spikeglm.regularizer import GroupLasso

    size = problem.group_size
    groups = np.kron(np.eye(problem.X.shape[1] // size), np.ones(size)) if size else None
    model = GLM(
        regularizer=GroupLasso(groups) if size else "Lasso",
        solver_kwargs=given("tol", tolerance),
    )
    path = model.regularization_path(problem.X, problem.y, problem.strengths)
    return path.coef, path.intercept


@peer("spikeglm", ("cv",), "spikeglm")
def spikeglm_cv(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    from spikeglm.glm import GLMCV

    model = GLMCV(
        regularizer_strengths=problem.strengths, solver_kwargs=given("tol", tolerance)
    ).fit(problem.X, problem.y)
    return model.coef_, model.intercept_


@peer("spikeglm-gridsearch", ("cv",), "spikeglm", "sklearn.model_selection")
def spikeglm_search(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    from spikeglm.glm import GLM

    model = GLM(regularizer="Ridge", solver_kwargs=given("tol", tolerance))
    return _searched(problem, model, "regularizer_strength")


@peer("sklearn-newton", ("cv",), "sklearn.linear_model", "sklearn.model_selection")
def sklearn_newton_search(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    return _sklearn_search("newton-cholesky", problem, tolerance)


@peer("sklearn-lbfgs", ("cv",), "sklearn.linear_model", "sklearn.model_selection")
def sklearn_lbfgs_search(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    return _sklearn_search("lbfgs", problem, tolerance)


def _sklearn_search(solver: str, problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    from sklearn.linear_model import PoissonRegressor

    settings = given("tol", tolerance) | {"max_iter": 10_000}
    return _searched(problem, PoissonRegressor(solver=solver, **settings), "alpha")


def _searched(problem: Problem, model: Any, strength: str) -> tuple[Array, Array]:
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(model, {strength: problem.strengths}, cv=5)
    return _coef_of(search.fit(problem.X, problem.y).best_estimator_)


@peer("sklearn-newton", FITS, "sklearn.linear_model", largest=250_000_000)
def sklearn_newton(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    return _sklearn("newton-cholesky", problem, tolerance)


@peer("sklearn-lbfgs", (*FITS, "tensor"), "sklearn.linear_model")
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


@peer("nemos", FITS, "jax", "nemos", largest=60_000_000)
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


@peer("adelie", ("path",), "adelie", environment="adelie")
def adelie_path(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    size = problem.group_size or 1
    groups = np.arange(0, problem.X.shape[1], size)
    return _adelie(problem.X, problem.y, problem.strengths, groups, 1.0, tolerance)


@peer("adelie", ("cv",), "adelie", environment="adelie")
def adelie_cv(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    X, y, groups = problem.X, problem.y, np.arange(problem.X.shape[1])
    scores = np.zeros(len(problem.strengths))
    for test in np.array_split(np.arange(len(X)), 5):
        train = np.setdiff1d(np.arange(len(X)), test)
        coefs, intercepts = _adelie(X[train], y[train], problem.strengths, groups, 0.0, tolerance)
        eta = X[test] @ coefs.T + intercepts
        scores += np.mean(y[test, None] * eta - np.exp(eta), axis=0)
    best = [problem.strengths[int(scores.argmax())]]
    coefs, intercepts = _adelie(X, y, best, groups, 0.0, tolerance)
    return coefs[0], intercepts[0]


def _adelie(
    X: Array, y: Array, strengths: list[float], groups: Any, alpha: float, tolerance: float | None
) -> tuple[Array, Array]:
    from adelie import glm, grpnet

    path = grpnet(
        np.asfortranarray(X),
        glm.poisson(y),
        groups=groups,
        alpha=alpha,
        lmda_path=strengths,
        early_exit=False,
        n_threads=threads(),
        progress_bar=False,
        **given("tol", tolerance),
        **given("irls_tol", tolerance),
    )
    return path.betas.toarray(), path.intercepts


@peer("nemos", ("path",), "jax", "nemos")
def nemos_path(problem: Problem, tolerance: float | None) -> tuple[Array, Array]:
    from nemos.glm import GLM
    from nemos.regularizer import GroupLasso

    if len(problem.strengths) > 1:
        raise NotImplementedError("minutes for a path")
    size = problem.group_size
    groups = np.kron(np.eye(problem.X.shape[1] // size), np.ones(size)) if size else None
    model = GLM(
        regularizer=GroupLasso(mask=groups) if size else "Lasso",
        regularizer_strength=problem.strengths[0],
        solver_name="ProximalGradient",
        solver_kwargs=given("tol", tolerance) | {"maxiter": 10_000},
    ).fit(problem.X, problem.y)
    return np.asarray(model.coef_)[None], np.asarray(model.intercept_)


def _coef_of(model: Any) -> tuple[Array, float]:
    return model.coef_, model.intercept_


def _per_neuron(problem: Problem, fit: Callable[[Array], Any]) -> tuple[Array, Array]:
    if problem.y.ndim == 1:
        return fit(problem.y)
    fits = [fit(y) for y in np.ascontiguousarray(problem.y.T)]
    return np.stack([coef for coef, _ in fits], axis=1), np.array([b for _, b in fits])


# Features


@peer("spikeglm", FEATURES, "spikeglm")
def spikeglm_features(problem: Problem, tolerance: float | None) -> Array:
    return _spikeglm_basis(problem).compute_features(*problem.inputs)[problem.window_size :]


@peer("spikeglm-out", FEATURES, "spikeglm")
def spikeglm_out(problem: Problem, tolerance: float | None) -> Array:
    """Into memory that the caller has at hand."""
    basis, out = _spikeglm_basis(problem), _at_hand(len(problem.X), problem.n_features)
    if "out" not in signature(basis.compute_features).parameters:
        raise NotImplementedError("this spikeglm has no `out`")
    return basis.compute_features(*problem.inputs, out=out)[problem.window_size :]


def _spikeglm_basis(problem: Problem) -> Any:
    from spikeglm.basis import BSplineBasis, CyclicBSplineBasis, RaisedCosineBasisLog

    n = problem.n_basis_funcs
    if problem.kind == "convolution":
        return RaisedCosineBasisLog(n, mode="conv", window_size=problem.window_size)
    families = {"cyclic": CyclicBSplineBasis, "cosine": RaisedCosineBasisLog}
    family = families.get(problem.kind, BSplineBasis)
    return reduce(mul, (family(n, bounds=(0, 1)) for _ in problem.inputs))


@peer("nemos", FEATURES, "jax", "nemos")
def nemos_features(problem: Problem, tolerance: float | None) -> Array:
    features = _nemos_basis(problem).compute_features(*problem.inputs)
    return np.asarray(features)[problem.window_size :]


def _nemos_basis(problem: Problem) -> Any:
    from nemos.basis import BSplineEval, CyclicBSplineEval, RaisedCosineLogConv, RaisedCosineLogEval

    n = problem.n_basis_funcs
    if problem.kind == "convolution":
        return RaisedCosineLogConv(n, window_size=problem.window_size)
    families = {"cyclic": CyclicBSplineEval, "cosine": RaisedCosineLogEval}
    family = families.get(problem.kind, BSplineEval)
    return reduce(mul, (family(n, bounds=(0, 1)) for _ in problem.inputs))


@peer("sklearn-splines", SPLINES, "sklearn.preprocessing")
def sklearn_splines(problem: Problem, tolerance: float | None) -> Array:
    from sklearn.preprocessing import SplineTransformer

    cyclic = problem.kind == "cyclic"
    splines = SplineTransformer(
        degree=3,
        knots=np.linspace(0.0, 1.0, problem.n_basis_funcs + (1 if cyclic else -2))[:, None],
        extrapolation="periodic" if cyclic else "continue",  # the fastest
    )
    return _products([splines.fit_transform(x[:, None]) for x in problem.inputs])


@peer("scipy-splines", SPLINES, "scipy.interpolate")
def scipy_splines(problem: Problem, tolerance: float | None) -> Array:
    from scipy.interpolate import BSpline

    n = problem.n_basis_funcs
    if problem.kind == "cyclic":
        knots, which = np.arange(-3, n + 4) / n, np.arange(n + 3) % n
    else:
        knots, which = np.pad(np.linspace(0.0, 1.0, n - 2), 3, mode="edge"), np.arange(n)
    # Half the time of `BSpline.design_matrix(...).toarray()`.
    splines = BSpline(knots, np.eye(n)[which], 3)
    return _products([splines(x) for x in problem.inputs])


def _products(factors: list[Array]) -> Array:
    """Return the row-wise products in the way that is the fastest in numpy."""
    return factors[0] if len(factors) == 1 else np.einsum("ni,nj->nij", *factors)


@peer("numpy", ("cosine",))
def numpy_cosines(problem: Problem, tolerance: float | None) -> Array:
    n = problem.n_basis_funcs
    peaks = np.linspace(0.0, 1.0 - 2.0 / (n + 1.0), n)
    scale = 0.5 * np.pi / (peaks[1] - peaks[0])
    phase = np.log1p(50.0 * problem.X)
    phase *= scale / np.log1p(50.0)
    features = np.empty((n, len(phase)))
    for peak, column in zip(scale * peaks, features, strict=True):
        np.subtract(phase, peak, out=column)
        np.clip(column, -np.pi, np.pi, out=column)
        np.cos(column, out=column)
        column += 1.0
        column *= 0.5
    return features.T


@peer("oaconvolve", ("convolution",), "scipy.signal")
def oaconvolve(problem: Problem, tolerance: float | None) -> Array:
    return _convolved(problem, "oaconvolve")


@peer("fftconvolve", ("convolution",), "scipy.signal")
def fftconvolve(problem: Problem, tolerance: float | None) -> Array:
    return _convolved(problem, "fftconvolve")


def _convolved(problem: Problem, name: str) -> Array:
    """All trains with all filters in one call, along the time axis of X as it is."""
    import scipy.signal

    trains = problem.X.reshape(len(problem.X), -1, 1)
    features = getattr(scipy.signal, name)(trains, problem.kernels[:, None], mode="valid", axes=0)
    return features[:-1]


@peer("oaconvolve-tuned", ("convolution",), "scipy.signal")
def oaconvolve_tuned(problem: Problem, tolerance: float | None) -> Array:
    """Every series contiguous in time, two threads; features come out column by column.

    Of ways to call scipy this is the fastest. A fit that takes rows would have to transpose them.
    """
    import scipy.fft
    import scipy.signal

    trains = np.ascontiguousarray(problem.X.reshape(len(problem.X), -1).T)[:, None, :]
    kernels = np.ascontiguousarray(problem.kernels.T)[None]
    with scipy.fft.set_workers(threads()):
        features = scipy.signal.oaconvolve(trains, kernels, mode="valid", axes=-1)
    return features[:, :, :-1].transpose(2, 0, 1)


# What no contender can be faster than


@peer("limit", (*FITS, "tensor", "path", "cv"))
def read_once(problem: Problem, tolerance: float | None) -> None:
    """Read X once with all threads."""
    _in_parallel(np.max, problem.X.reshape(-1))


@peer("limit", FEATURES)
def write_once(problem: Problem, tolerance: float | None) -> None:
    """Write something into fresh memory of the size of the features, with all threads."""
    _fill(np.empty((len(problem.X), problem.n_features)))


@peer("limit-out", FEATURES)
def write_again(problem: Problem, tolerance: float | None) -> None:
    """The same, into memory that has been written before."""
    _fill(_at_hand(len(problem.X), problem.n_features))


def _fill(array: Array) -> None:
    _in_parallel(lambda part: part.fill(1.0), array.reshape(-1))


@cache
def _at_hand(*shape: int) -> Array:
    return np.ones(shape)


def _in_parallel(work: Callable[[Array], Any], array: Array) -> None:
    list(_pool().map(work, np.array_split(array, threads())))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads())
