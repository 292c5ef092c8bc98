"""The snippets of the NeMoS quickstart, each with only its import line changed."""

import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pynapple as nap
import pytest
from sklearn.model_selection import GridSearchCV

import spikeglm as nmo
from spikeglm.exceptions import IdentifiabilityWarning, SeparationWarning

mpl.use("Agg")

# Random data of 100 samples and 37 features are collinear and separated: saying so is right.
pytestmark = [
    pytest.mark.filterwarnings("ignore::spikeglm.exceptions.IdentifiabilityWarning"),
    pytest.mark.filterwarnings("ignore::spikeglm.exceptions.SeparationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:pynapple"),
]

# A recording with the units and the head direction of the original, where there is one.
NWB = Path(__file__).parents[3] / "shared" / "data" / "pynapple_nwb" / "A8604-211122.nwb"


def features():
    np.random.seed(0)  # noqa: NPY002
    # define 3 input features of shape (n_samples, )
    input_1, input_2, input_3 = 0.2 * np.random.normal(size=(3, 100))  # noqa: NPY002

    basis_1 = nmo.basis.MSplineBasis(n_basis_funcs=5)
    basis_2 = nmo.basis.CyclicBSplineBasis(n_basis_funcs=6)
    basis_3 = nmo.basis.MSplineBasis(n_basis_funcs=7)

    basis = basis_1 * basis_2 + basis_3
    return basis.compute_features(input_1, input_2, input_3)


def test_feature_representation():
    X = features()
    assert X.shape == (100, 37)
    assert np.all(np.isfinite(X))


def test_fit_a_glm():
    X = features()
    spike_counts = np.random.poisson(size=X.shape[0])  # noqa: NPY002

    model = nmo.glm.GLM()
    model.fit(X, spike_counts)

    assert model.coef_.shape == (37,)
    assert model.intercept_.shape == (1,)
    assert np.all(np.isfinite(model.predict(X)))


def test_population_by_convolution():
    np.random.seed(1)  # noqa: NPY002
    spike_counts = np.random.poisson(size=(1000, 3))  # noqa: NPY002

    X = nmo.basis.RaisedCosineBasisLog(5, mode="conv", window_size=100).compute_features(
        spike_counts
    )
    assert X.shape == (1000, 15)

    glm = nmo.glm.PopulationGLM().fit(X, spike_counts)
    firing_rate = glm.predict(X)
    ll = glm.score(X, spike_counts)

    assert firing_rate.shape == (1000, 3)
    assert np.all(np.isfinite(firing_rate[100:]))
    assert np.all(np.isnan(firing_rate[:100]))
    assert np.isfinite(ll)


def test_continuous_observations():
    glm = nmo.glm.GLM(observation_model=nmo.observation_models.GammaObservations())

    rng = np.random.default_rng(2)
    X = rng.uniform(0, 1, size=(400, 2))
    y = rng.gamma(3.0, 1 / (1 + X @ [2.0, 1.0]) / 3.0)
    glm.fit(X, y)
    np.testing.assert_allclose(glm.coef_, [2.0, 1.0], atol=0.5)


def test_regularization():
    glm = nmo.glm.GLM(regularizer="Ridge", regularizer_strength=0.1)
    X = features()
    counts = np.random.poisson(size=X.shape[0])  # noqa: NPY002
    assert glm.fit(X, counts).converged_


def test_predict_keeps_the_time_axis():
    rng = np.random.default_rng(3)
    t = np.arange(500) * 0.01
    X = nap.TsdFrame(t=t, d=rng.normal(size=(500, 2)))
    y = nap.Tsd(t=t, d=rng.poisson(1.0, size=500))
    model = nmo.glm.GLM()

    assert type(X) is nap.TsdFrame
    model.fit(X, y)
    firing_rate = model.predict(X)
    assert type(firing_rate) is nap.Tsd
    assert firing_rate.shape == (500,)
    np.testing.assert_array_equal(firing_rate.t, X.t)


def head_direction_analysis(spikes, head_dir, unit):
    """Run the lines from `counts = ...` on."""
    counts = spikes[unit].count(0.01, ep=head_dir.time_support)  # restrict and bin
    upsampled_head_dir = head_dir.bin_average(0.01)  # up-sample head direction

    X = nmo.basis.CyclicBSplineBasis(10).compute_features(upsampled_head_dir)
    model = nmo.glm.GLM().fit(X, counts)

    raw_tuning = nap.compute_1d_tuning_curves(spikes, head_dir, nb_bins=100)[unit]
    model_tuning = nap.compute_1d_tuning_curves_continuous(
        model.predict(X)[:, np.newaxis] * X.rate,  # scale by the sampling rate
        head_dir,
        nb_bins=100,
    )[0]
    return X, counts, model, raw_tuning, model_tuning


def synthetic_head_direction_cell():
    rng = np.random.default_rng(4)
    dt, n = 0.01, 60_000
    t = np.arange(n) * dt
    angle = np.mod(np.cumsum(rng.normal(0, 0.06, size=n)), 2 * np.pi)
    rate = 2.0 + 28.0 * np.exp(4 * (np.cos(angle - 2.0) - 1))  # spikes/s
    spike_bins = np.flatnonzero(rng.uniform(size=n) < rate * dt)
    spike_times = np.sort(t[spike_bins] + rng.uniform(-0.4, 0.4, size=spike_bins.size) * dt)
    epoch = nap.IntervalSet(0, t[-1])
    spikes = nap.TsGroup({6: nap.Ts(t=spike_times)}, time_support=epoch)
    return spikes, nap.Tsd(t=t, d=angle, time_support=epoch)


@pytest.fixture(scope="module")
def head_direction():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        spikes, head_dir = synthetic_head_direction_cell()
        return head_direction_analysis(spikes, head_dir, 6)


def test_head_direction_is_recovered(head_direction):
    X, counts, model, raw_tuning, model_tuning = head_direction
    assert type(X) is nap.TsdFrame
    assert X.shape == (counts.shape[0], 10)
    angles = np.asarray(model_tuning.index)
    truth = 2.0 + 28.0 * np.exp(4 * (np.cos(angles - 2.0) - 1))
    # About 6,000 spikes over ten functions: a few per cent each; the sharp peak is smoothed a bit.
    np.testing.assert_allclose(model_tuning.values, truth, rtol=0.15, atol=0.8)
    assert np.corrcoef(raw_tuning.values, model_tuning.values)[0, 1] > 0.97
    assert model.converged_


def test_plot_of_the_tuning_curves(head_direction):
    import matplotlib.pyplot as plt

    *_, raw_tuning, model_tuning = head_direction
    plt.subplot(111, projection="polar")
    plt.plot(raw_tuning.index, raw_tuning.values, label="raw")
    plt.plot(model_tuning.index, model_tuning.values, label="glm")
    plt.legend()
    plt.yticks([])
    plt.xlabel("heading angle")
    assert len(plt.gca().lines) == 2
    plt.close("all")


@pytest.mark.filterwarnings("ignore")  # of the file reader
def test_recorded_units():
    if not NWB.exists():  # the file may not be shipped; the synthetic cell stands in for it
        return
    data = nap.load_file(str(NWB))
    spikes = data["units"]
    # The file holds no head direction: an angle that turns at a constant speed takes its place.
    support = data["epochs"]
    t = np.arange(support.start[0], support.end[0], 0.005)
    head_dir = nap.Tsd(t=t, d=np.mod(0.7 * t, 2 * np.pi), time_support=support)
    X, counts, model, _, model_tuning = head_direction_analysis(spikes, head_dir, 6)
    assert X.shape == (counts.shape[0], 10)
    assert model.converged_
    valid = ~np.isnan(X.values).any(axis=1)
    assert np.all(np.isfinite(np.asarray(model.predict(X))[valid]))
    # The angle says nothing about the unit, so the curve lies near its mean rate.
    np.testing.assert_allclose(model_tuning.values, spikes[6].rate, rtol=0.5)

    counts = spikes.count(0.01)
    history = nmo.basis.RaisedCosineBasisLog(5, mode="conv", window_size=50)
    population = nmo.glm.PopulationGLM(regularizer="Ridge", regularizer_strength=1e-4)
    predicted = population.fit(history.design(counts), counts).predict(history.design(counts))
    assert list(predicted.columns) == list(counts.columns)
    assert np.all(population.converged_)


@pytest.mark.parametrize("key", ["regularizer__regularizer_strength", "regularizer_strength"])
@pytest.mark.parametrize("lazy", [False, True])
def test_grid_search(key, lazy):
    rng = np.random.default_rng(5)
    position = rng.uniform(size=500)
    counts = rng.poisson(np.exp(2 * np.sin(2 * np.pi * position)))
    basis = nmo.basis.BSplineBasis(8, bounds=(0, 1))
    X = basis.design(position) if lazy else basis.compute_features(position)

    model = nmo.glm.GLM(regularizer="Ridge")
    param_grid = {key: (0.01, 0.001)}
    cls = GridSearchCV(model, param_grid=param_grid, cv=5)
    cls.fit(X, counts)

    assert cls.best_params_ == {key: 0.001}
    assert model.get_params()["regularizer"] == "Ridge"


def test_random_data_warn_with_this_package_only():
    X = features()
    counts = np.random.poisson(size=X.shape[0])  # noqa: NPY002
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nmo.glm.GLM().fit(X, counts)
    assert caught
    assert {item.category for item in caught} <= {IdentifiabilityWarning, SeparationWarning}
    assert all(item.filename == __file__ for item in caught)
