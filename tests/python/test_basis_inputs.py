"""Inputs of every kind: lists, data frames, xarray, files, pynapple; and scikit-learn pipelines."""

import sys

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pynapple as nap
import pytest
import xarray as xr
import zarr
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline

from spikeglm import basis as nb
from spikeglm.basis import _inputs
from spikeglm.exceptions import WindowWarning
from spikeglm.glm import GLM, PopulationGLM

RNG = np.random.default_rng(0)
N = 300
X = RNG.uniform(0, 3, size=N)
COUNTS = RNG.poisson(0.5, size=(N, 2)).astype(np.uint8)
PLACE = nb.BSplineBasis(5)
BOTH = PLACE + nb.RaisedCosineBasisLog(3, mode="conv", window_size=8)


# Data frames.


def test_lists_are_arrays():
    np.testing.assert_array_equal(PLACE.compute_features(X.tolist()), PLACE.compute_features(X))


def test_pandas_in_pandas_out():
    index = pd.date_range("2024-01-01", periods=N, freq="10ms")
    frame = pd.DataFrame(COUNTS, columns=["a", "b"], index=index)
    series = pd.Series(X, index=index)
    found = BOTH.compute_features(series, frame)
    assert type(found) is pd.DataFrame
    assert found.index.equals(index)
    assert list(found.columns[:6]) == [
        *(f"BSplineEval_{i}" for i in range(5)),
        "RaisedCosineLogConv_0_0",
    ]
    np.testing.assert_array_equal(found.to_numpy(), BOTH.compute_features(X, COUNTS))
    model = GLM(regularizer="Ridge").fit(found, frame["a"])
    assert type(model.predict(found)) is np.ndarray


def test_polars_in_polars_out():
    found = BOTH.compute_features(pl.Series(X), pl.DataFrame(COUNTS, schema=["a", "b"]))
    assert type(found) is pl.DataFrame
    np.testing.assert_array_equal(found.to_numpy(), BOTH.compute_features(X, COUNTS))
    missing = pl.Series([0.0, None, 1.0])
    assert np.isnan(PLACE.compute_features(missing).to_numpy()[1]).all()


def test_without_narwhals_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(ImportError, match=r"spikeglm\[dataframe\]"):
        PLACE.compute_features(pd.Series(X))


def test_xarray_keeps_its_time():
    t = np.arange(N) * 0.01
    counts = xr.DataArray(COUNTS.T, dims=["unit", "time"], coords={"time": t, "unit": [7, 9]})
    position = xr.DataArray(X, dims=["time"], coords={"time": t})
    found = BOTH.compute_features(position, counts)
    assert type(found) is xr.DataArray
    assert found.dims == ("time", "feature")
    np.testing.assert_array_equal(found["time"], t)
    np.testing.assert_array_equal(found.values, BOTH.compute_features(X, COUNTS))
    design = BOTH.design(position, counts)
    rate = GLM(regularizer="Ridge").fit(design, COUNTS[:, 0]).predict(design)
    np.testing.assert_array_equal(rate["time"], t)
    later = position.assign_coords(time=t + 1)
    with pytest.raises(ValueError, match="input 0 and input 1 are sampled at different times"):
        (PLACE + PLACE).compute_features(position, later)
    plain = xr.DataArray(X, dims=["bin"])
    assert PLACE.compute_features(plain).dims == ("bin", "feature")


# pynapple.


def test_event_times_are_refused_with_the_remedy():
    for events in (nap.Ts([1.0, 2.0]), nap.TsGroup({0: nap.Ts([1.0, 2.0])})):
        with pytest.raises(TypeError, match=r"count\(bin_size\)"):
            PLACE.compute_features(events)


def test_features_of_pynapple_series_have_names():
    series = nap.Tsd(t=np.arange(N) * 0.01, d=X)
    found = PLACE.compute_features(series)
    assert list(found.columns) == [f"BSplineEval_{i}" for i in range(5)]
    plain = nb.CustomBasis([np.sin], pynapple_support=False).compute_features(series)
    assert type(plain) is np.ndarray


def test_an_empty_time_support():
    series = nap.Tsd(t=np.array([]), d=np.array([]), time_support=nap.IntervalSet([], []))
    assert PLACE.compute_features(series.values).shape == (0, 5)
    with pytest.raises(ValueError, match="time support"):
        PLACE.compute_features(series)


# Files.


@pytest.fixture(params=["hdf5", "zarr"])
def stored(request, tmp_path):
    """Return a function that puts an array into a file and gives it back as it is read."""
    if request.param == "zarr":
        group = zarr.open_group(str(tmp_path / "data.zarr"), mode="w")

        def put(name, values):
            array = group.create_array(name, shape=values.shape, dtype=values.dtype)
            array[...] = values
            return array

        yield put
        return
    with h5py.File(tmp_path / "data.h5", "w") as file:
        yield lambda name, values: file.create_dataset(name, data=values, chunks=True)


@pytest.mark.parametrize("chunk_bytes", [1, 2000, 1 << 26])
@pytest.mark.parametrize("causality", ["causal", "anti-causal", "acausal"])
def test_stored_series_are_read_in_chunks(stored, monkeypatch, chunk_bytes, causality):
    monkeypatch.setattr(_inputs, "CHUNK_BYTES", chunk_bytes)
    n = 60 if chunk_bytes == 1 else N
    window = {"window_size": 9, "predictor_causality": causality}
    basis = PLACE * nb.BSplineBasis(4) + nb.RaisedCosineBasisLog(3, mode="conv", **window)
    x = X[:n].copy()
    x[5] = np.nan
    inputs = stored("x", x), stored("y", X[:n] ** 2), stored("counts", COUNTS[:n])
    found = basis.compute_features(*inputs)
    expected = basis.compute_features(x, X[:n] ** 2, COUNTS[:n])
    # Another algorithm may suit a part of the input: other rounding.
    same = {"rtol": 0, "atol": 1e-13}
    np.testing.assert_allclose(found, expected, **same)
    np.testing.assert_array_equal(basis["BSplineEval"].bounds_, [[np.nanmin(x), np.nanmax(x)]])
    out = np.empty_like(expected)
    assert basis.compute_features(*inputs, out=out) is out
    np.testing.assert_array_equal(out, found)
    np.testing.assert_array_equal(np.asarray(basis.design(*inputs)), expected)


def test_stored_series_of_which_all_samples_matter(stored):
    basis = nb.OrthExponentialEval(2, [1, 2]) + nb.CustomBasis([np.cumsum])
    found = basis.compute_features(stored("x", X), stored("y", X))
    np.testing.assert_array_equal(found, basis.compute_features(X, X))


def test_stored_series_with_epochs(monkeypatch, tmp_path):
    monkeypatch.setattr(_inputs, "CHUNK_BYTES", 3000)
    t = np.arange(N) * 0.01
    support = nap.IntervalSet(start=[0.0, 1.0, 2.5], end=[0.995, 2.395, 2.99])
    history = nb.RaisedCosineBasisLog(3, mode="conv", window_size=20)
    expected = history.compute_features(nap.TsdFrame(t=t, d=COUNTS, time_support=support))
    keep = nap.Ts(t).restrict(support).t
    rows = np.isin(np.round(t, 6), np.round(keep, 6))
    with h5py.File(tmp_path / "data.h5", "w") as file:
        data = file.create_dataset("x", data=COUNTS[rows])
        series = nap.TsdFrame(t=keep, d=data, time_support=support, load_array=False)
        assert not isinstance(series.values, np.ndarray)
        found = history.compute_features(series)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.t, expected.t)


def test_short_epochs_are_reported_once_for_stored_series(monkeypatch, tmp_path):
    monkeypatch.setattr(_inputs, "CHUNK_BYTES", 100)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        data = file.create_dataset("x", data=X[:20])
        with pytest.warns(WindowWarning) as found:
            nb.HistoryConv(30).compute_features(data)
    assert len(found) == 1


# Transformers.


def test_a_transformer_keeps_the_bounds_of_training():
    transformer = PLACE.to_transformer()
    train, test = X[:200, None], X[200:, None]
    np.testing.assert_array_equal(transformer.fit_transform(train), PLACE.compute_features(train))
    bounds = (train.min(), train.max())
    expected = nb.BSplineBasis(5, bounds=bounds).compute_features(test)
    np.testing.assert_array_equal(transformer.transform(test), expected)
    np.testing.assert_array_equal(transformer.bounds_, [bounds])
    np.testing.assert_array_equal(
        transformer.fit(test).transform(test), PLACE.compute_features(test)
    )
    with pytest.raises(NotFittedError):
        clone(transformer).transform(test)


def test_columns_of_x_are_shared_out_by_shape():
    s = nb.BSplineBasis(4) + nb.BSplineBasis(5)
    matrix = np.c_[X, X**2, X**3]
    with pytest.raises(ValueError, match="expected 2 columns for 2 inputs, but got 3"):
        s.to_transformer().fit(matrix)
    transformer = s.to_transformer().set_input_shape(2, 1)
    found = transformer.fit_transform(matrix)
    np.testing.assert_array_equal(found, s.compute_features(matrix[:, :2], matrix[:, 2]))
    names = transformer.get_feature_names_out()
    assert names[4] == "BSplineEval_1_0"
    assert len(names) == found.shape[1]
    assert clone(transformer).fit_transform(matrix).shape == found.shape


def test_set_output():
    transformer = nb.BSplineBasis(5).to_transformer().set_output(transform="pandas")
    found = transformer.fit_transform(pd.DataFrame({"x": X}))
    assert list(found.columns) == [f"BSplineEval_{i}" for i in range(5)]
    assert list(transformer.feature_names_in_) == ["x"]
    again = clone(transformer).fit_transform(pd.DataFrame({"x": X}))
    assert type(again) is pd.DataFrame


def test_a_transformer_has_the_interface_of_its_basis():
    transformer = BOTH.to_transformer()
    assert transformer.label == BOTH.label
    assert transformer["BSplineEval"].n_basis_funcs == 5
    assert len(transformer) == 2
    assert (transformer + PLACE).n_inputs == (PLACE.to_transformer() * transformer).n_inputs == 3
    assert type(transformer + PLACE) is type(2 * transformer) is nb.TransformerBasis
    assert (PLACE.to_transformer() ** 2).n_basis_funcs == 25
    alone = PLACE.to_transformer()
    alone.n_basis_funcs = 7
    assert alone.basis.n_basis_funcs == alone.set_params(basis__n_basis_funcs=7).n_basis_funcs == 7
    assert alone.set_params(n_basis_funcs=8).get_params()["basis__n_basis_funcs"] == 8
    assert alone.set_params(basis=nb.BSplineBasis(9)).n_basis_funcs == 9
    assert transformer.set_params(BSplineEval__order=3).basis["BSplineEval"].order == 3
    assert repr(alone) == "TransformerBasis(BSplineBasis(n_basis_funcs=9))"
    assert "compute_features" in dir(alone)
    assert PLACE.n_basis_funcs == 5
    with pytest.raises(AttributeError):
        alone.nothing  # noqa: B018
    with pytest.raises(TypeError, match="wraps a basis"):
        nb.TransformerBasis(3)


def test_pipelines_and_grid_searches():
    y = RNG.poisson(np.exp(np.sin(2 * X)))
    pipeline = Pipeline(
        [
            ("basis", BOTH.to_transformer().set_input_shape(1, 2)),
            ("glm", GLM(regularizer="Ridge", regularizer_strength=1e-3)),
        ]
    )
    grid = {
        "basis__BSplineEval__n_basis_funcs": [4, 8],
        "basis__RaisedCosineLogConv": [nb.HistoryConv(2), nb.BSplineConv(4, 6)],
        "glm__regularizer_strength": [1e-3, 1e-1],
    }
    data = np.c_[X, COUNTS]
    search = GridSearchCV(pipeline, grid, cv=KFold(2)).fit(data, y)
    assert len(search.cv_results_["mean_test_score"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    simple = make_pipeline(PLACE.to_transformer(), GLM(regularizer="Ridge"))
    search = GridSearchCV(simple, {"transformerbasis__n_basis_funcs": [4, 6]}, cv=2)
    assert search.fit(X[:, None], y).best_params_["transformerbasis__n_basis_funcs"] in (4, 6)
    assert PLACE.n_basis_funcs == 5


def test_a_transformer_of_pynapple_series():
    support = nap.IntervalSet(start=[0.0, 1.0], end=[0.995, 2.99])
    frame = nap.TsdFrame(t=np.arange(N) * 0.01, d=COUNTS.astype(float), time_support=support)
    history = nb.HistoryConv(5)
    found = history.to_transformer().set_input_shape(2).fit_transform(frame)
    assert type(found) is nap.TsdFrame
    np.testing.assert_array_equal(found.values, history.compute_features(frame).values)
    model = PopulationGLM(regularizer="Ridge").fit(found, frame)
    assert type(model.predict(found)) is nap.TsdFrame
