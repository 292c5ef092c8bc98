"""The conventions of scikit-learn: its checks, routing, names of features, searches, callbacks."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from spikeglm.basis import BSplineBasis, RaisedCosineBasisLog, TransformerBasis
from spikeglm.glm import GLM, ClassifierGLM, ClassifierPopulationGLM, PopulationGLM

RNG = np.random.default_rng(8)
X = RNG.normal(size=(240, 3))
Y = RNG.poisson(np.exp(0.5 * X[:, 0])).astype(float)
WEIGHT = RNG.integers(0, 4, size=240).astype(float)
OFFSET = RNG.normal(size=240) * 0.3

RELEASE = tuple(map(int, sklearn.__version__.split(".")[:2]))


class AnyWidth(TransformerBasis):
    """Takes its shape of input from X, because the checks bring X of several widths."""

    def fit(self, X, y=None):
        given = self.basis
        shape = np.asarray(X).shape
        if len(shape) == 2 and shape[1] > 0:
            self.basis = given.__sklearn_clone__().set_input_shape(shape[1])
        try:
            return super().fit(X, y)
        finally:
            self.basis = given


ESTIMATORS = [
    GLM(),
    GLM("Gaussian"),
    GLM("Gaussian", regularizer="Lasso", regularizer_strength=0.1),
    GLM("Gaussian", regularizer="Ridge", solver_name="LBFGS"),
    PopulationGLM("Gaussian"),
    PopulationGLM(regularizer="Ridge"),
    AnyWidth(BSplineBasis(5)),
    AnyWidth(RaisedCosineBasisLog(3, mode="conv", window_size=5)),
]


def expected_failures(estimator):
    if isinstance(estimator, TransformerBasis):
        reasons = {
            "check_do_not_raise_errors_in_init_or_set_params": "what is no basis is refused at "
            "once, because everything is passed on to it",
            "check_set_params": "the basis is copied, so that a change of one is none of the other",
        }
        if estimator.basis.mode == "conv":
            for order in ("sample_order", "subset"):
                reasons[f"check_methods_{order}_invariance"] = "a convolution looks at past samples"
        return reasons
    reasons = {
        "check_estimators_empty_data_messages": "without columns a fit is that of the intercept"
    }
    if isinstance(estimator, PopulationGLM) and estimator.observation_model == "Poisson":
        reasons["check_regressor_multioutput"] = "its y is negative, whatever the tags say"
    return reasons


# Older releases cannot be told which checks are expected to fail.
if RELEASE >= (1, 6):

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
    place = BSplineBasis(6, bounds=(0, 1)).to_transformer()
    pipeline = Pipeline([("basis", place), ("glm", GLM(regularizer="Ridge"))])
    grid = {
        "basis__n_basis_funcs": [5, 8],
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
    if RELEASE < (1, 6):
        assert GLM()._get_tags()["allow_nan"]
        assert GLM()._get_tags()["requires_positive_y"]
        assert not GLM("Gaussian")._get_tags()["requires_positive_y"]
        assert PopulationGLM()._get_tags()["multioutput_only"]
        return
    from sklearn.utils import get_tags as tags

    assert tags(GLM()).input_tags.allow_nan
    assert tags(GLM()).target_tags.positive_only
    assert not tags(GLM("Gaussian")).target_tags.positive_only
    assert tags(PopulationGLM()).target_tags.multi_output
    assert not tags(PopulationGLM()).target_tags.single_output


def test_names_of_inputs_of_a_transformer():
    frame = pd.DataFrame({"speed": X[:, 0], "angle": X[:, 1]})
    transformer = (BSplineBasis(4) + BSplineBasis(5)).to_transformer().fit(frame)
    assert_array_equal(transformer.feature_names_in_, ["speed", "angle"])
    with pytest.raises(ValueError, match="feature names should match"):
        transformer.transform(frame[["angle", "speed"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        transformer.transform(frame.to_numpy())
    assert not hasattr(transformer.fit(frame.to_numpy()), "feature_names_in_")
    with pytest.raises(ValueError, match="X has 3 features, but TransformerBasis is expecting 2"):
        transformer.transform(X)
    with pytest.raises(ValueError, match="length equal to number of features"):
        transformer.get_feature_names_out(["speed"])
    assert len(transformer.get_feature_names_out(["speed", "angle"])) == 9
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        transformer.fit(X[:0, :2])


def test_a_fit_leaves_the_basis_of_a_transformer_as_it_was():
    transformer = BSplineBasis(5).to_transformer()
    before = pickle.dumps(transformer.basis)
    transformer.fit(X[:, :1])
    assert pickle.dumps(transformer.basis) == before
    low, high = X[:, 0].min(), X[:, 0].max()
    assert_array_equal(transformer.basis_.bounds_, [[low, high]])
    assert_array_equal(transformer.bounds_, [[low, high]])
    again = pickle.loads(pickle.dumps(transformer))
    assert_array_equal(again.transform(X[:9, :1]), transformer.transform(X[:9, :1]))
    transformer.set_bounds((low - 1, high + 1))  # of the basis: what was learned holds no more
    with pytest.raises(ValueError, match="not fitted"):
        transformer.transform(X[:, :1])
    found = transformer.fit_transform(X[:, :1])
    expected = BSplineBasis(5, bounds=(low - 1, high + 1)).compute_features(X[:, 0])
    assert_array_equal(found, expected)


class Diary:
    """A callback that notes down what it is told."""

    max_propagation_depth = None

    def __init__(self):
        self.notes = []

    def setup(self, estimator, context):
        self.notes.append(("setup", type(estimator).__name__))

    def teardown(self, estimator, context):
        self.notes.append(("teardown", type(estimator).__name__))

    def on_fit_task_begin(self, estimator, context):
        self.notes.append(("begin", type(estimator).__name__))

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        known = isinstance(fitted_estimator, GLM)
        score = fitted_estimator.score(X, y, **metadata or {}) if known else None
        self.notes.append(("end", type(estimator).__name__, score))


@pytest.mark.skipif(RELEASE < (1, 9), reason="scikit-learn has callbacks from 1.9 on")
class TestCallbacks:
    def test_a_fit_is_one_task(self):
        diary = Diary()
        model = GLM().set_callbacks(diary).fit(X, Y, sample_weight=WEIGHT, offset=OFFSET)
        score = model.score(X, Y, sample_weight=WEIGHT, offset=OFFSET)
        assert diary.notes == [
            ("setup", "GLM"),
            ("begin", "GLM"),
            ("end", "GLM", score),
            ("teardown", "GLM"),
        ]
        assert_array_equal(model.coef_, GLM().fit(X, Y, sample_weight=WEIGHT, offset=OFFSET).coef_)
        with pytest.raises(ValueError, match="same number of samples"):
            model.fit(X, Y[:-1])
        assert [note[0] for note in diary.notes[4:]] == ["setup", "begin", "teardown"]

    @pytest.mark.parametrize("model", [PopulationGLM(), ClassifierGLM(), ClassifierPopulationGLM()])
    def test_so_is_that_of_every_model(self, model):
        diary = Diary()
        y = Y > 0
        model.set_callbacks(diary).fit(X, y if isinstance(model, ClassifierGLM) else np.c_[y, y])
        assert [note[0] for note in diary.notes] == ["setup", "begin", "end", "teardown"]

    def test_searches_and_pipelines_pass_them_on(self):
        diary = Diary()
        pipeline = make_pipeline(BSplineBasis(5).to_transformer(), GLM(regularizer="Ridge"))
        grid = {"glm__regularizer_strength": [0.1, 1.0]}
        search = GridSearchCV(pipeline, grid, cv=3).set_callbacks(diary)
        search.fit(X[:, :1], Y)
        ended = [name for note, name, *_ in diary.notes if note == "end"]
        assert ended.count("GLM") == ended.count("TransformerBasis") == 2 * 3 + 1

    def test_a_warning_points_at_the_line_of_the_user(self):
        with pytest.warns(UserWarning, match="never|every row") as caught:
            GLM().set_callbacks(Diary()).fit(X, np.zeros(240))
        assert caught[0].filename == __file__

    def test_a_clone_keeps_them(self):
        diary = Diary()
        for estimator in (GLM(), BSplineBasis(5).to_transformer()):
            clone(estimator.set_callbacks(diary)).fit(X[:, :1], Y)
        assert [note[1] for note in diary.notes if note[0] == "end"] == ["GLM", "TransformerBasis"]


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
