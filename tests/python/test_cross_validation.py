import io

import numpy as np
import pynapple as nap
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit

import spikeglm as nmo
from spikeglm.glm import GLM, GLMCV, PopulationGLM, PopulationGLMCV
from spikeglm.regularizer import ElasticNet, GroupLasso

rng = np.random.default_rng(0)
N, P = 6_000, 20
X = rng.normal(size=(N, P))
BETA = np.where(np.arange(P) < 6, 0.15, 0.0)
y = rng.poisson(np.exp(X @ BETA - 0.5)).astype(float)
Y = np.column_stack([y, rng.poisson(0.5, size=N), rng.poisson(np.exp(X[:, 7] - 1.0))])
STRENGTHS = np.geomspace(0.3, 1e-4, 6)


@pytest.mark.parametrize(
    ("family", "regularizer"),
    [
        ("Poisson", "Ridge"),
        ("Poisson", "Lasso"),
        ("Gamma", "Ridge"),
        ("Poisson", GroupLasso(np.kron(np.eye(4), np.ones(5)))),
    ],
)
@pytest.mark.parametrize("cv", [5, ShuffleSplit(3, test_size=0.3, random_state=1)])
def test_equals_grid_search(family, regularizer, cv):
    link, target = ("exp", y + 0.5) if family == "Gamma" else (None, y)
    model = GLMCV(family, link, regularizer, STRENGTHS[::-1], cv=cv).fit(X, target)
    search = GridSearchCV(
        GLM(family, link, regularizer), {"regularizer_strength": list(STRENGTHS)}, cv=cv
    ).fit(X, target)
    n_folds = model.cv_scores_.shape[1]
    expected = [search.cv_results_[f"split{k}_test_score"] for k in range(n_folds)]
    assert_array_equal(model.regularizer_strengths_, STRENGTHS)
    assert_allclose(model.cv_scores_, np.transpose(expected), rtol=1e-8)
    assert model.best_strength_ == search.best_params_["regularizer_strength"]
    assert_allclose(model.coef_, search.best_estimator_.coef_, rtol=1e-8, atol=1e-10)
    assert_allclose(model.score(X, target), search.best_estimator_.score(X, target), rtol=1e-10)


def test_each_neuron_has_its_own_strength():
    model = PopulationGLMCV(regularizer="Lasso", regularizer_strengths=STRENGTHS).fit(X, Y)
    assert model.cv_scores_.shape == (6, 5, 3)
    assert model.best_strength_[1] > model.best_strength_[2]  # one that depends on nothing
    for i in range(3):
        single = GLMCV(regularizer="Lasso", regularizer_strengths=STRENGTHS).fit(X, Y[:, i])
        assert model.best_strength_[i] == single.best_strength_
        assert_allclose(model.cv_scores_[:, :, i], single.cv_scores_, rtol=1e-8)
        assert_allclose(model.coef_[:, i], single.coef_, rtol=1e-8, atol=1e-10)
    again = PopulationGLM(regularizer="Lasso", regularizer_strength=model.regularizer_strength).fit(
        X, Y
    )
    assert_allclose(model.coef_, again.coef_, rtol=1e-8, atol=1e-10)


def test_one_standard_error():
    best = GLMCV(regularizer="Lasso").fit(X, y)
    simple = GLMCV(regularizer="Lasso", rule="one-standard-error").fit(X, y)
    assert_array_equal(best.cv_scores_, simple.cv_scores_)
    assert len(best.regularizer_strengths_) == 50
    mean = best.cv_scores_.mean(axis=1)
    top = int(mean.argmax())
    error = best.cv_scores_[top].std(ddof=1) / np.sqrt(5)
    chosen = best.regularizer_strengths_[mean >= mean[top] - error].max()
    assert (
        simple.best_strength_ == chosen > best.best_strength_ == (best.regularizer_strengths_[top])
    )
    assert np.count_nonzero(simple.coef_) < np.count_nonzero(best.coef_)


def test_the_grid_begins_where_all_coefficients_are_zero():
    for regularizer in ("Lasso", "ElasticNet", GroupLasso(np.kron(np.eye(4), np.ones(5)))):
        path = GLM(regularizer=regularizer).regularization_path(X, y, n_strengths=12)
        assert path.strengths[0] == GLM(regularizer=regularizer).lambda_max(X, y)
        assert_allclose(path.strengths[-1], 1e-3 * path.strengths[0])
        assert np.count_nonzero(path.coef[0]) == 0 < np.count_nonzero(path.coef[1])
        assert np.all(path.converged)
    ridge = GLM(regularizer="Ridge").regularization_path(X, y, n_strengths=5)
    assert np.abs(ridge.coef[0]).max() < 2e-3 < 0.1 < np.abs(ridge.coef[-1]).max()


def test_a_path_holds_the_fits():
    path = GLM(regularizer="Lasso").regularization_path(X, y, STRENGTHS)
    for strength, coef, intercept, kkt in zip(
        path.strengths, path.coef, path.intercept, path.kkt, strict=True
    ):
        single = GLM(regularizer="Lasso", regularizer_strength=strength).fit(X, y)
        assert_allclose(coef, single.coef_, rtol=1e-8, atol=1e-9)
        assert_array_equal(coef == 0.0, single.coef_ == 0.0)
        assert_allclose(intercept, single.intercept_[0], rtol=1e-9)
        assert kkt < 1e-7
    population = PopulationGLM(regularizer="Lasso").regularization_path(X, Y, STRENGTHS)
    assert population.coef.shape == (6, P, 3)
    assert_allclose(population.coef[:, :, 0], path.coef, rtol=1e-8, atol=1e-10)


def test_strengths_multiply_those_of_the_regularizer():
    unit = np.linspace(0.5, 2.0, P)
    path = GLM(regularizer="Ridge", regularizer_strength=unit).regularization_path(X, y, [0.1])
    single = GLM(regularizer="Ridge", regularizer_strength=0.1 * unit).fit(X, y)
    assert_allclose(path.coef[0], single.coef_, rtol=1e-9)
    model = GLMCV(regularizer=ElasticNet((1.0, 0.9)), regularizer_strengths=[1e-2, 1e-3]).fit(X, y)
    assert model.regularizer_strength == (model.best_strength_, 0.9)


def test_weights_count_in_fits_and_scores():
    weight = rng.integers(0, 3, size=N).astype(float)
    model = GLMCV(regularizer_strengths=STRENGTHS, cv=KFold(4)).fit(X, y, sample_weight=weight)
    repeated = np.repeat(np.arange(N), weight.astype(int))
    folds = [
        (np.flatnonzero(~np.isin(repeated, test)), np.flatnonzero(np.isin(repeated, test)))
        for _, test in KFold(4).split(X)
    ]
    same = GLMCV(regularizer_strengths=STRENGTHS, cv=folds).fit(X[repeated], y[repeated])
    assert_allclose(model.cv_scores_, same.cv_scores_, rtol=1e-8)
    assert_allclose(model.coef_, same.coef_, rtol=1e-7, atol=1e-10)


def test_folds_hold_out_whole_epochs():
    epochs = nap.IntervalSet([0, 100, 200, 300, 400, 500], [60, 160, 220, 390, 420, 570])
    t = np.concatenate([np.arange(a, b, 0.1) for a, b in epochs.values])
    series = nap.TsdFrame(t=t, d=rng.normal(size=(len(t), 3)), time_support=epochs)
    counts = nap.Tsd(t=t, d=rng.poisson(1.0, size=len(t)), time_support=epochs)
    from spikeglm._cross_validation import folds_of
    from spikeglm._features import features_of

    folds = folds_of(3, features_of(series), counts)
    assert_array_equal(np.sort(np.concatenate(folds)), np.arange(len(t)))
    which = np.searchsorted(epochs.end, t)
    seen = [set(which[fold]) for fold in folds]
    assert set.union(*seen) == set(range(6))
    assert sum(map(len, seen)) == 6  # no epoch is in two folds
    model = GLMCV(regularizer_strengths=[1.0, 0.1], cv=3).fit(series, counts)
    assert model.cv_scores_.shape == (2, 3)
    assert isinstance(model.predict(series), nap.Tsd)
    # Fewer epochs than folds: ranges of samples.
    assert len(folds_of(8, features_of(series), counts)) == 8


def test_is_an_estimator():
    model = GLMCV(regularizer="Lasso", n_strengths=5)
    assert clone(model).get_params() == model.get_params()
    assert model.regularizer_strength is None
    model.fit(X, y)
    file = io.BytesIO()
    model.save_params(file)
    file.seek(0)
    loaded = nmo.load_model(file)
    assert type(loaded) is GLM
    assert loaded.regularizer_strength == model.best_strength_
    assert_array_equal(loaded.predict(X), model.predict(X))
    population = PopulationGLMCV(n_strengths=4).fit(X, Y)
    assert_array_equal(population.to_model().predict(X), population.predict(X))


def test_progress_is_shown(capsys):
    GLMCV(n_strengths=4, progress=True).fit(X, y)
    assert capsys.readouterr().err.endswith("] 20/20 fits\n")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"regularizer": "UnRegularized"}, ValueError, "has no strength to choose"),
        ({"rule": "worst"}, ValueError, "`rule` must be one of best, one-standard-error"),
        ({"cv": 1}, ValueError, "cv"),
        ({"cv": "five"}, TypeError, "`cv` must be a number of folds"),
        ({"cv": []}, ValueError, "no folds"),
        ({"cv": [([0, 1], [1, 2])]}, ValueError, "either in the training or in the test set"),
        ({"regularizer_strengths": [-1.0]}, ValueError, "zero or above"),
        ({"regularizer_strengths": []}, ValueError, "zero or above"),
        ({"regularizer_strengths": [np.nan]}, ValueError, "zero or above"),
        ({"n_strengths": 0}, ValueError, "n_strengths"),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        GLMCV(**settings).fit(X, y)


def test_neurons_that_share_groups():
    mask = np.ones((1, P, 3))
    with pytest.raises(NotImplementedError, match="do not join neurons"):
        PopulationGLMCV(regularizer=GroupLasso(mask), regularizer_strengths=[1.0]).fit(X, Y)
