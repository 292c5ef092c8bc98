"""pynapple series in and out."""

import subprocess
import sys

import numpy as np
import pynapple as nap
import pytest

from spikeglm.basis import BSplineBasis, RaisedCosineBasisLog
from spikeglm.exceptions import WindowWarning
from spikeglm.glm import GLM, PopulationGLM

W = 10
HISTORY = RaisedCosineBasisLog(3, mode="conv", window_size=W)
EPOCHS = nap.IntervalSet(start=[0.0, 5.0, 9.0], end=[3.99, 7.99, 14.99])


def counts_frame(dtype=np.uint8):
    rng = np.random.default_rng(7)
    t = np.arange(1500) * 0.01
    return nap.TsdFrame(
        t=t,
        d=rng.poisson(0.3, size=(t.size, 3)).astype(dtype),
        columns=["a", "b", "c"],
        metadata={"area": ["V1", "V1", "CA1"]},
        time_support=EPOCHS,
    )


def per_epoch(series):
    return [series.restrict(EPOCHS[i]).values for i in range(len(EPOCHS))]


def test_convolution_starts_anew_in_each_epoch():
    counts = counts_frame()
    features = HISTORY.compute_features(counts)
    assert type(features) is nap.TsdFrame
    np.testing.assert_array_equal(features.t, counts.t)
    np.testing.assert_array_equal(features.time_support.values, counts.time_support.values)
    by_hand = [HISTORY.compute_features(part) for part in per_epoch(counts)]
    np.testing.assert_array_equal(features.values, np.concatenate(by_hand))


def test_nothing_leaks_over_a_gap():
    counts = counts_frame(float)
    quiet = np.zeros_like(counts.values)
    last = np.flatnonzero(counts.t <= 3.99)[-1]
    quiet[last] = 1.0
    features = HISTORY.compute_features(nap.TsdFrame(t=counts.t, d=quiet, time_support=EPOCHS))
    assert np.nansum(features.values) == 0.0


def test_short_epochs_are_named_and_nan():
    t = np.arange(100) * 0.01
    support = nap.IntervalSet(start=[0.0, 0.5, 0.7], end=[0.4, 0.55, 0.99])
    series = nap.Tsd(t=t, d=np.ones(100), time_support=support)
    with pytest.warns(WindowWarning, match="epochs 1 of 3"):
        features = HISTORY.compute_features(series)
    inside = (features.t >= 0.5) & (features.t <= 0.55)
    assert np.all(np.isnan(features.values[inside]))
    assert np.sum(np.isfinite(features.values[:, 0])) == (41 - W) + (30 - W)


def test_touching_epochs_stay_apart():
    support = nap.IntervalSet(start=[0.0, 0.5], end=[0.499, 0.999])
    series = nap.Tsd(t=np.arange(100) * 0.01, d=np.ones(100), time_support=support)
    features = HISTORY.compute_features(series)
    assert np.sum(np.isnan(features.values[:, 0])) == 2 * W


def test_tensors_are_channel_major():
    rng = np.random.default_rng(8)
    t = np.arange(200) * 0.01
    data = rng.poisson(1.0, size=(200, 2, 3))
    features = HISTORY.compute_features(nap.TsdTensor(t=t, d=data))
    assert type(features) is nap.TsdFrame
    np.testing.assert_array_equal(features.values, HISTORY.compute_features(data))


def test_evaluation_keeps_the_axis():
    position = nap.Tsd(t=np.arange(300) * 0.1, d=np.linspace(0, 1, 300))
    features = BSplineBasis(5).compute_features(position)
    assert type(features) is nap.TsdFrame
    np.testing.assert_array_equal(features.t, position.t)


def test_mixed_inputs_take_the_axis_of_the_series():
    counts = counts_frame()
    basis = BSplineBasis(5, bounds=(0, 1)) + HISTORY
    features = basis.compute_features(np.linspace(0, 1, len(counts)), counts)
    assert type(features) is nap.TsdFrame
    assert features.shape == (len(counts), 5 + 9)


def test_different_time_axes_are_refused():
    counts = counts_frame()
    later = nap.TsdFrame(t=counts.t + 1.0, d=counts.values)
    with pytest.raises(ValueError, match=r"input 0 and input 1 are sampled at different times"):
        (HISTORY + HISTORY).compute_features(counts, later)
    features = HISTORY.compute_features(counts)
    moved = nap.Tsd(t=counts.t + 1.0, d=counts.values[:, 0])
    for method in (GLM().fit, GLM().fit(features, counts[:, 0]).score):
        with pytest.raises(ValueError, match="X and y are sampled at different times"):
            method(features, moved)


@pytest.mark.parametrize("lazy", [False, True])
def test_fit_drops_and_predict_keeps_the_first_rows(lazy):
    counts = counts_frame()
    X = HISTORY.design(counts) if lazy else HISTORY.compute_features(counts)
    model = GLM().fit(X, counts[:, 0])
    assert model.n_dropped_ == 3 * W
    rate = model.predict(X)
    assert type(rate) is nap.Tsd
    assert np.sum(np.isnan(rate.values)) == 3 * W
    np.testing.assert_array_equal(rate.time_support.values, counts.time_support.values)
    plain = GLM().fit(np.asarray(X), counts.values[:, 0])
    np.testing.assert_array_equal(model.coef_, plain.coef_)


@pytest.mark.parametrize("lazy", [False, True])
def test_population_predictions_carry_columns_and_metadata(lazy):
    counts = counts_frame()
    X = HISTORY.design(counts) if lazy else HISTORY.compute_features(counts)
    model = PopulationGLM().fit(X, counts)
    rates = model.predict(X)
    assert type(rates) is nap.TsdFrame
    assert list(rates.columns) == ["a", "b", "c"]
    assert list(rates.metadata["area"]) == ["V1", "V1", "CA1"]
    assert type(model.predict(np.asarray(X))) is np.ndarray


def test_counts_of_a_group():
    rng = np.random.default_rng(9)
    group = nap.TsGroup(
        {4: nap.Ts(np.sort(rng.uniform(0, 10, 80))), 9: nap.Ts(np.sort(rng.uniform(0, 10, 50)))},
        time_support=nap.IntervalSet(0, 10),
    )
    counts = group.count(0.01)
    model = PopulationGLM(regularizer="Ridge", regularizer_strength=1e-3)
    rates = model.fit(HISTORY.design(counts), counts).predict(HISTORY.design(counts))
    assert list(rates.columns) == [4, 9]


def test_rows_of_a_series_design():
    counts = counts_frame()
    view = HISTORY.design(counts)[200:700]
    model = GLM().fit(view, counts[200:700, 0])
    rate = model.predict(view)
    assert type(rate) is nap.Tsd
    np.testing.assert_array_equal(rate.t, counts.t[200:700])
    # Rows out of order of time cannot be a time series.
    assert type(model.predict(HISTORY.design(counts)[[5, 3]])) is np.ndarray


def test_pynapple_is_imported_only_when_needed():
    code = (
        "import sys, numpy as np, spikeglm as nmo;"
        "nmo.basis.BSplineBasis(5).compute_features(np.arange(9.0));"
        "assert 'pynapple' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
