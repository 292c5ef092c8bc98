"""The conventions of scikit-learn: its own checks, routing, names of features, searches."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from spikeglm.basis import BSplineBasis
from spikeglm.glm import GLM, PopulationGLM

RNG = np.random.default_rng(8)
X = RNG.normal(size=(240, 3))
Y = RNG.poisson(np.exp(0.5 * X[:, 0])).astype(float)
WEIGHT = RNG.integers(0, 4, size=240).astype(float)
OFFSET = RNG.normal(size=240) * 0.3

ESTIMATORS = [
    GLM(),
    GLM("Gaussian"),
    GLM("Gaussian", regularizer="Lasso", regularizer_strength=0.1),
    GLM("Gaussian", regularizer="Ridge", solver_name="LBFGS"),
    PopulationGLM("Gaussian"),
    PopulationGLM(regularizer="Ridge"),
]


def expected_failures(estimator):
    reasons = {
        "check_estimators_empty_data_messages": "without columns a fit is that of the intercept"
    }
    if isinstance(estimator, PopulationGLM) and estimator.observation_model == "Poisson":
        reasons["check_regressor_multioutput"] = "its y is negative, whatever the tags say"
    return reasons


if tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 6):

    @estimator_checks.parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
    @pytest.mark.filterwarnings("ignore")
    def test_checks_of_scikit_learn(estimator, check):
        check(estimator)


def repeated(*arrays):
    return [np.repeat(array, WEIGHT.astype(int), axis=0) for array in arrays]


@pytest.mark.parametrize("kind", ["log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen"])
@pytest.mark.parametrize("aggregate", [np.mean, np.sum])
def test_a_weight_in_a_score_is_a_row_repeated(kind, aggregate):
    model = GLM().fit(X, Y)
    x, y, offset = repeated(X, Y, OFFSET)
    found = model.score(X, Y, kind, aggregate, sample_weight=WEIGHT, offset=OFFSET)
    assert found == pytest.approx(model.score(x, y, kind, aggregate, offset=offset), rel=1e-12)
    population = PopulationGLM().fit(X, np.c_[Y, Y + 1])
    found = population.score(X, np.c_[Y, Y + 1], kind, aggregate, sample_weight=WEIGHT)
    expected = population.score(x, np.c_[y, y + 1], kind, aggregate)
    assert found == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match=r"numpy\.mean or numpy\.sum"):
        model.score(X, Y, kind, np.median, sample_weight=WEIGHT)
    with pytest.raises(ValueError, match="not negative"):
        model.score(X, Y, sample_weight=-WEIGHT)
    with pytest.raises(ValueError, match="nothing to score"):
        model.score(X, Y, sample_weight=0 * WEIGHT)


def scores_by_hand(model, folds):
    scores = []
    for train, test in folds.split(X):
        fitted = clone(model).fit(
            X[train], Y[train], sample_weight=WEIGHT[train], offset=OFFSET[train]
        )
        scores.append(
            fitted.score(X[test], Y[test], sample_weight=WEIGHT[test], offset=OFFSET[test])
        )
    return scores


def test_routing_of_weights_and_offsets():
    folds = KFold(4)
    with sklearn.config_context(enable_metadata_routing=True):
        model = (
            GLM(regularizer="Ridge")
            .set_fit_request(sample_weight=True, offset=True)
            .set_score_request(sample_weight=True, offset=True)
            .set_predict_request(offset=True)
        )
        params = {"sample_weight": WEIGHT, "offset": OFFSET}
        found = cross_val_score(model, X, Y, cv=folds, params=params)
        assert_allclose(found, scores_by_hand(model, folds), rtol=1e-12)

        grid = {"regularizer_strength": [0.01, 1.0]}
        search = GridSearchCV(model, grid, cv=folds).fit(X, Y, **params)
        assert_allclose(
            search.cv_results_["split2_test_score"][1], scores_by_hand(model, folds)[2], rtol=1e-12
        )

        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        pipeline.fit(X, Y, **params)
        direct = clone(model).fit(StandardScaler().fit_transform(X), Y, **params)
        assert_array_equal(
            pipeline.predict(X, offset=OFFSET),
            direct.predict(StandardScaler().fit_transform(X), offset=OFFSET),
        )


def test_a_search_over_penalties_and_numbers_of_functions():
    position = RNG.uniform(size=240)
    pipeline = make_pipeline(
        BSplineBasis(6, bounds=(0, 1)).to_transformer(), GLM(regularizer="Ridge")
    )
    grid = {
        "transformerbasis__basis__n_basis_funcs": [5, 8],
        "glm__regularizer": ["Ridge", "Lasso"],
        "glm__regularizer_strength": [1e-3, 1e-1],
    }
    search = GridSearchCV(pipeline, grid, cv=3).fit(position[:, None], Y)
    assert search.best_estimator_[-1].coef_.size in (5, 8)
    assert len(search.cv_results_["params"]) == 8
    assert np.all(np.isfinite(search.cv_results_["mean_test_score"]))


def test_names_of_features():
    frame = pd.DataFrame(X, columns=["speed", "angle", "depth"])
    model = GLM().fit(frame, Y)
    assert_array_equal(model.feature_names_in_, ["speed", "angle", "depth"])
    model.predict(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["angle", "speed", "depth"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)
    plain = GLM().fit(X, Y)
    assert not hasattr(plain, "feature_names_in_")
    with pytest.warns(UserWarning, match="fitted without feature names"):
        plain.predict(frame)
    assert not hasattr(model.fit(X, Y), "feature_names_in_")


def test_tags_say_what_is_true():
    tags = pytest.importorskip("sklearn.utils").get_tags
    assert tags(GLM()).input_tags.allow_nan
    assert tags(GLM()).target_tags.positive_only
    assert not tags(GLM("Gaussian")).target_tags.positive_only
    assert tags(PopulationGLM()).target_tags.multi_output
    assert not tags(PopulationGLM()).target_tags.single_output


def test_html():
    assert "GLM" in GLM()._repr_html_()
    assert "PopulationGLM" in make_pipeline(StandardScaler(), PopulationGLM())._repr_html_()


def test_missing_rows_may_be_refused():
    x = X.copy()
    x[:3, 0] = np.nan
    assert GLM().fit(x, Y).n_dropped_ == 3
    model = GLM(missing="raise")
    with pytest.raises(ValueError, match="3 rows have a NaN"):
        model.fit(x, Y)
    assert not hasattr(model, "coef_")
    model.fit(X, Y)
    with pytest.raises(ValueError, match='must be "drop"'):
        GLM(missing="ignore").fit(X, Y)
