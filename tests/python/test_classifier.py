"""Classifiers: against scikit-learn, against the Bernoulli model, and in every shape."""

import io
import warnings

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks

from spikeglm import _core, load_model
from spikeglm.basis import BSplineBasis
from spikeglm.exceptions import ConvergenceWarning, IdentifiabilityWarning, SeparationWarning
from spikeglm.glm import GLM, ClassifierGLM, ClassifierPopulationGLM
from spikeglm.observation_models import CategoricalObservations
from spikeglm.regularizer import ElasticNet, GroupLasso, Lasso, Ridge, UnRegularized

RNG = np.random.default_rng(20)
N, P, K = 300, 3, 4
X = RNG.normal(size=(N, P)) * [1.0, 5.0, 0.2] + [0.0, 20.0, 0.0]
LOGITS = (X - X.mean(0)) @ (RNG.normal(size=(P, K)) / X.std(0)[:, None]) + RNG.normal(size=K)
Y = np.array([RNG.choice(K, p=np.exp(e) / np.exp(e).sum()) for e in LOGITS])
NAMES = np.array(["rest", "groom", "walk", "turn"])

PENALTIES = {
    "UnRegularized": UnRegularized(),
    "Ridge": Ridge(0.05),
    "Lasso": Lasso(0.02),
    "ElasticNet": ElasticNet((0.03, 0.5)),
    "GroupLasso": GroupLasso(np.eye(P), 0.02),
}


def objective(coef, intercept, regularizer, X=X, y=Y, weight=None):
    eta = X @ coef + intercept
    largest = eta.max(axis=1)
    log_p = eta - largest[:, None] - np.log(np.exp(eta - largest[:, None]).sum(1))[:, None]
    loss = -np.average(log_p[np.arange(len(y)), y], weights=weight)
    if isinstance(regularizer, GroupLasso):  # one group per feature, over all classes
        norms = np.linalg.norm(coef, axis=1)
        return loss + regularizer.regularizer_strength * np.sqrt(coef.shape[1]) * norms.sum()
    return loss + regularizer.penalty(coef.reshape(-1))


def value(model, **data):
    return objective(model.coef_, model.intercept_, model.regularizer, **data)


def test_equals_scikit_learn():
    """Its penalty is C sum of losses + |w|^2 / 2: C = 1 / (strength n)."""
    model = ClassifierGLM(regularizer_strength=0.1).fit(X, Y)
    peer = LogisticRegression(C=1 / (0.1 * N), tol=1e-12, solver="newton-cg", max_iter=10_000)
    peer.fit(X, Y)
    assert_allclose(model.coef_, peer.coef_.T, atol=2e-6)
    assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-6)
    assert_array_equal(model.predict(X), peer.predict(X))
    assert objective(model.coef_, model.intercept_, Ridge(0.1)) <= objective(
        peer.coef_.T, peer.intercept_, Ridge(0.1)
    )
    assert model.converged_
    assert model.kkt_ < 1e-8
    assert model.rank_ == P + 1
    assert model.dof_resid_ == (N - P - 1) * (K - 1)
    assert_allclose(model.coef_.sum(axis=1), 0.0, atol=1e-10)
    assert_allclose(model.intercept_.sum(), 0.0, atol=1e-12)


def test_two_classes_are_a_bernoulli_model():
    """w and -w cost twice w^2 / 2: the Bernoulli coefficient 2 w has half of the strength."""
    y = (Y > 1).astype(int)
    model = ClassifierGLM(regularizer_strength=0.1).fit(X, y)
    single = GLM("Bernoulli", regularizer="Ridge", regularizer_strength=0.05).fit(X, y)
    assert_allclose(model.coef_[:, 1] - model.coef_[:, 0], single.coef_, rtol=1e-7)
    assert_allclose(np.diff(model.intercept_), single.intercept_, rtol=1e-7)
    assert_allclose(model.predict_proba(X)[:, 1], single.predict(X), rtol=1e-7)
    assert_allclose(model.score(X, y), single.score(X, y), rtol=1e-9)
    for kind in ("pseudo-r2-McFadden", "pseudo-r2-Cohen"):
        assert_allclose(model.score(X, y, kind), single.score(X, y, kind), rtol=1e-8)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_solvers_agree(penalty):
    regularizer = PENALTIES[penalty]
    best = ClassifierGLM(regularizer=regularizer, solver_kwargs={"tol": 1e-10}).fit(X, Y)
    least = value(best)
    assert best.converged_
    for name in regularizer.allowed_solvers:
        stochastic = _core.solvers()[name]["stochastic"]
        kwargs = {"maxiter": 20_000, "tol": 1e-3 if stochastic else 1e-8}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if stochastic else "error", ConvergenceWarning)
            found = ClassifierGLM(
                regularizer=regularizer, solver_name=name, solver_kwargs=kwargs
            ).fit(X, Y)
        assert value(found) - least <= (1e-5 if stochastic else 1e-10) * (1.0 + least), name
    if penalty in ("UnRegularized", "Ridge"):
        flat = np.r_[best.coef_.ravel(), best.intercept_]

        def at(params):
            return objective(params[: P * K].reshape(P, K), params[P * K :], regularizer)

        assert np.all(np.abs(approx_fprime(flat, at, 1e-6)) < 1e-4)
    else:
        for _ in range(300):
            step = RNG.normal(size=(P + 1, K)) * 10.0 ** RNG.uniform(-7, -1)
            other = objective(best.coef_ + step[:P], best.intercept_ + step[P], regularizer)
            assert other >= least - 1e-13
        assert not np.any(np.signbit(best.coef_[best.coef_ == 0]))
    if penalty == "GroupLasso":
        zero = np.all(best.coef_ == 0, axis=1)
        assert_array_equal(zero, np.any(best.coef_ == 0, axis=1))


@pytest.mark.parametrize("penalty", ["UnRegularized", "Ridge", "Lasso"])
def test_relations(penalty):
    def fitted(X, y, **rows):
        return ClassifierGLM(regularizer=PENALTIES[penalty]).fit(X, y, **rows)

    plain = fitted(X, Y)
    weight = RNG.integers(1, 4, size=N).astype(float)
    weighted = fitted(X, Y, sample_weight=weight)
    index = np.repeat(np.arange(N), weight.astype(int))
    assert_allclose(
        value(fitted(X[index], Y[index]), weight=weight), value(weighted, weight=weight)
    )
    assert_allclose(
        weighted.predict_proba(X), fitted(X[index], Y[index]).predict_proba(X), atol=1e-6
    )
    order = RNG.permutation(N)
    assert_allclose(fitted(X[order], Y[order]).predict_proba(X), plain.predict_proba(X), atol=1e-6)
    shifted = fitted(X + 1e3, Y)
    assert_allclose(shifted.predict_proba(X + 1e3), plain.predict_proba(X), atol=1e-6)
    padded = np.r_[np.full((3, P), np.nan), X]
    head = fitted(padded, np.r_[Y[:3], Y])
    assert head.n_dropped_ == 3
    assert_allclose(head.predict_proba(X), plain.predict_proba(X), atol=1e-6)
    assert np.all(np.isnan(head.predict_proba(padded)[:3]))
    assert np.all(np.isnan(head.predict(padded)[:3]))
    again = ClassifierGLM(regularizer=PENALTIES[penalty]).fit(
        X, Y, init_params=(plain.coef_, plain.intercept_)
    )
    assert again.n_iter_ <= 1
    for n_threads in (1, 3, 7):
        model = ClassifierGLM(regularizer=PENALTIES[penalty], n_threads=n_threads).fit(X, Y)
        assert_array_equal(model.coef_, plain.coef_)


@pytest.mark.parametrize(
    "labels",
    [NAMES, np.array([3, -1, 10, 7]), np.array([2.0, 4.0, 1.0, 0.0]), NAMES.astype(object)],
)
def test_labels_of_every_kind(labels):
    y = labels[Y]
    model = ClassifierGLM().fit(X, y)
    assert_array_equal(model.classes_, np.unique(labels))
    assert set(model.predict(X)) <= set(labels)
    reference = ClassifierGLM().fit(X, Y)
    order = [list(model.classes_).index(label) for label in labels]
    assert_allclose(model.predict_proba(X)[:, order], reference.predict_proba(X), rtol=1e-9)
    assert_allclose(model.score(X, y), reference.score(X, Y), rtol=1e-10)
    drawn, log_proba = model.simulate(3, X)
    assert set(drawn) <= set(labels)
    assert_allclose(log_proba, model.predict_proba(X, "log-proba"))
    assert_allclose(np.exp(log_proba), model.predict_proba(X))
    assert ClassifierGLM().fit(X, Y > 1).classes_.dtype == bool


def test_draws_have_the_probabilities():
    model = ClassifierGLM(regularizer_strength=0.01).fit(X, Y)
    x = np.tile(X[:1], (20_000, 1))
    drawn, _ = model.simulate(1, x)
    shares = [np.mean(drawn == k) for k in range(K)]
    assert_allclose(shares, model.predict_proba(X[:1])[0], atol=0.015)


def test_missing_labels_leave_their_rows_out():
    y = Y.astype(float)
    y[:7] = np.nan
    model = ClassifierGLM().fit(X, y)
    assert model.n_dropped_ == 7
    assert_allclose(model.coef_, ClassifierGLM().fit(X[7:], Y[7:]).coef_, atol=1e-10)
    names = NAMES.astype(object)[Y]
    names[:7] = None
    assert ClassifierGLM().fit(X, names).n_dropped_ == 7
    assert np.isfinite(model.score(X, y))


def test_collinear_columns_and_separated_classes():
    with pytest.warns(IdentifiabilityWarning):
        doubled = ClassifierGLM(regularizer=None).fit(np.c_[X, X[:, 0], np.ones(N)], Y)
    plain = ClassifierGLM(regularizer=None).fit(X, Y)
    assert_allclose(doubled.coef_[[0, 3]], plain.coef_[[0, 0]] / 2, atol=1e-7)
    assert_array_equal(doubled.coef_[4], 0.0)
    assert doubled.aliased_.tolist() == [4]
    assert doubled.rank_ == P + 1
    x = np.r_[np.linspace(-2, -1, 10), np.linspace(1, 2, 10), np.linspace(4, 5, 10)][:, None]
    y = np.repeat([0, 1, 2], 10)
    with pytest.warns(SeparationWarning):
        model = ClassifierGLM(regularizer=None).fit(x, y)
    assert not model.converged_
    assert np.all(np.isfinite(model.coef_))
    assert_array_equal(model.predict(x), y)
    assert ClassifierGLM().fit(x, y).converged_


def test_populations():
    Y2 = np.c_[Y, RNG.permutation(Y)]
    mask = np.ones((P, 2, K), dtype=int)
    mask[1, 0] = 0
    mask[2, 1, 3] = 0
    model = ClassifierPopulationGLM(feature_mask=mask).fit(X, Y2)
    assert model.coef_.shape == (P, 2, K)
    assert model.intercept_.shape == (2, K)
    first = ClassifierGLM().fit(X[:, [0, 2]], Y)
    assert_allclose(model.coef_[[0, 2], 0], first.coef_, atol=1e-9)
    assert_array_equal(model.coef_[mask == 0], 0.0)
    assert_array_equal(
        ClassifierPopulationGLM().fit(X, Y2).coef_[:, 0], ClassifierGLM().fit(X, Y).coef_
    )
    assert model.predict(X).shape == (N, 2)
    assert model.predict_proba(X).shape == (N, 2, K)
    each = model.score(X, Y2, aggregate_sample_scores=lambda scores: scores.mean(0))
    assert each.shape == (2,)
    assert_allclose(model.score(X, Y2), each.mean())
    drawn, log_proba = model.simulate(0, X)
    assert drawn.shape == (N, 2)
    assert log_proba.shape == (N, 2, K)
    strengths = np.full((P, 2, K), 0.5)
    found = ClassifierPopulationGLM(regularizer_strength=strengths).fit(X, Y2)
    assert_allclose(found.coef_, ClassifierPopulationGLM(regularizer_strength=0.5).fit(X, Y2).coef_)
    start = np.zeros((P, 2, K)), np.zeros((2, K))
    ClassifierPopulationGLM().fit(X, Y2, init_params=start)


def test_dicts_and_lazy_designs():
    parts = {"a": X[:, :1], "b": X[:, 1:]}
    model = ClassifierGLM().fit(parts, Y)
    assert {key: part.shape for key, part in model.coef_.items()} == {"a": (1, K), "b": (2, K)}
    assert_allclose(model.predict_proba(parts), ClassifierGLM().fit(X, Y).predict_proba(X))
    x = RNG.uniform(size=N)
    basis = BSplineBasis(6, bounds=(0, 1))
    lazy = ClassifierGLM().fit(basis.design(x), Y)
    dense = ClassifierGLM().fit(basis.compute_features(x), Y)
    assert_allclose(lazy.coef_, dense.coef_, atol=1e-10)
    assert_allclose(
        lazy.predict_proba(basis.design(x)), dense.predict_proba(basis.compute_features(x))
    )


@pytest.mark.parametrize("which", [ClassifierGLM, ClassifierPopulationGLM])
def test_files(which):
    y = NAMES[Y] if which is ClassifierGLM else np.c_[NAMES[Y], NAMES[Y]]
    model = which(regularizer_strength=0.3).fit(X, y)
    file = io.BytesIO()
    model.save_params(file)
    loaded = load_model(io.BytesIO(file.getvalue()))
    assert type(loaded) is which
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_searches():
    search = GridSearchCV(ClassifierGLM(), {"regularizer_strength": [1e-3, 1.0]}, cv=3).fit(X, Y)
    assert search.best_params_["regularizer_strength"] == 1e-3


def test_quantities():
    """By hand: the mean of the logarithms of what happened."""
    proba = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    y = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    model = CategoricalObservations()
    assert_allclose(model.log_likelihood(y, np.log(proba)), (np.log(0.5) + np.log(0.1)) / 2)
    assert_allclose(model.deviance(y, np.log(proba)), [-2 * np.log(0.5), -2 * np.log(0.1)])
    null = np.log(0.5)
    expected = 1 - (np.log(0.5) + np.log(0.1)) / (2 * null)
    assert_allclose(model.pseudo_r2(y, np.log(proba)), expected)
    assert_allclose(model.likelihood(y, np.log(proba)), np.sqrt(0.05))
    drawn = model.sample_generator(0, np.log(np.tile(proba[:1], (5000, 1))))
    assert_allclose(drawn.mean(0), proba[0], atol=0.03)
    assert model.estimate_scale(y, np.log(proba), 1) == 1.0
    with pytest.raises(ValueError, match="no scale"):
        model.deviance(y, np.log(proba), 2.0)
    with pytest.raises(NotImplementedError, match="score type"):
        model.pseudo_r2(y, np.log(proba), "r2")


def test_what_is_refused():
    with pytest.raises(ValueError, match="4 distinct labels"):
        ClassifierGLM(n_classes=3).fit(X, Y)
    assert ClassifierGLM(n_classes=4).fit(X, Y).classes_.size == 4
    with pytest.raises(ValueError, match="only one class"):
        ClassifierGLM().fit(X, np.zeros(N, dtype=int))
    with pytest.raises(ValueError, match="Unknown label type"):
        ClassifierGLM().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="have no row in use"):
        ClassifierGLM().fit(X, Y, sample_weight=(Y != 2).astype(float))
    with pytest.raises(ValueError, match="same number of samples"):
        ClassifierGLM().fit(X, Y[1:])
    with pytest.raises(ValueError, match="shape"):
        ClassifierPopulationGLM().fit(X, Y)
    with pytest.raises(ValueError, match="infin"):
        ClassifierGLM().fit(np.where(X.max() - 1e-9 < X, np.inf, X), Y)
    with pytest.raises(ValueError, match="unknown inverse link"):
        ClassifierGLM(inverse_link_function="exp").fit(X, Y)
    with pytest.raises(ValueError, match="ClassifierGLM"):
        GLM("Categorical").fit(X, Y)
    with pytest.raises(ValueError, match="init_params"):
        ClassifierGLM().fit(X, Y, init_params=(np.zeros((P, 2)), np.zeros(2)))
    with pytest.raises(ValueError, match="feature_mask"):
        ClassifierPopulationGLM(feature_mask=np.ones((P, 2))).fit(X, np.c_[Y, Y])
    with pytest.raises(ValueError, match="mask of a GroupLasso"):
        ClassifierGLM(regularizer=GroupLasso(np.ones((1, 7)))).fit(X, Y)
    model = ClassifierGLM().fit(X, Y)
    with pytest.raises(ValueError, match="none of"):
        model.score(X, Y + 1)
    with pytest.raises(ValueError, match="return_type"):
        model.predict_proba(X, "logit")
    with pytest.raises(ValueError, match="number of features"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="not fitted"):
        ClassifierGLM().predict(X)


if tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 6):

    @estimator_checks.parametrize_with_checks(
        [ClassifierGLM(), ClassifierGLM(regularizer="Lasso", regularizer_strength=0.01)],
        expected_failed_checks=lambda estimator: {
            "check_estimators_empty_data_messages": "without columns a fit is that of the intercept"
        },
    )
    @pytest.mark.filterwarnings("ignore")
    def test_checks_of_scikit_learn(estimator, check):
        check(estimator)
