"""Time rescaling and bits per spike: published values, hand-made cases, simulations, refusals."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from scipy.stats import norm

from spikeglm.datasets import load_place_cell
from spikeglm.goodness_of_fit import bits_per_spike, time_rescaling

REFERENCE = Path(__file__).parents[1] / "reference" / "place_cell.json"


@pytest.fixture(scope="module")
def cell():
    return load_place_cell()


@pytest.fixture(scope="module", params=["place_m2", "place_m3", "place_m4"])
def reference(request, cell):
    """A reference fit and the rate that its coefficients give, whatever our solver does."""
    values = json.loads(REFERENCE.read_text())[request.param]
    x = cell.position
    columns = np.column_stack([np.ones_like(x), x, x**2, cell.direction])
    coefficients = np.array(values["coef"])
    return values, np.exp(columns[:, : coefficients.size] @ coefficients)


def simulated_rate(n_bins, mean):
    phase = np.arange(n_bins) / n_bins
    return mean * (1 + 0.8 * np.sin(14 * phase)) * np.exp(0.5 * np.cos(40 * phase))


def test_place_cell_recording(cell):
    values = json.loads(REFERENCE.read_text())["place_m4"]
    assert cell.position.shape == cell.time.shape == cell.spike_counts.shape == (177_761,)
    assert cell.spike_counts.sum() == 220
    assert cell.direction.sum() == values["X_colsum"][3]
    assert cell.position.sum() == pytest.approx(values["X_colsum"][1], rel=1e-12)
    assert cell.position[0] == 9.296087353896938
    assert (cell.time[0], cell.time[-1], cell.bin_size) == (0.001, 177.761, 0.001)
    assert cell.time[cell.spike_counts > 0][:3].tolist() == [0.236, 3.902, 4.033]


def test_place_cell_arrays_are_the_callers_own(cell):
    again = load_place_cell()
    again.position[:] = 0
    assert load_place_cell().position[0] == cell.position[0]


def test_reference_ks(reference, cell):
    values, rate = reference
    test = time_rescaling(cell.spike_counts, rate)
    assert test.n_intervals == values["n_isi"] == 220
    assert test.ks_statistic == pytest.approx(values["ks_stat_rescaled_exp"], abs=1e-9)
    assert test.ks_bound == pytest.approx(values["ks_95_bound"], abs=1e-15)
    assert test.passed is (values["ks_stat_rescaled_exp"] <= values["ks_95_bound"])


def test_reference_bits_per_spike(reference, cell):
    values, rate = reference
    assert bits_per_spike(cell.spike_counts, rate) == pytest.approx(
        values["bits_per_spike"], abs=1e-9
    )


def test_intervals_by_hand():
    rate = [0.5, 0.25, 1.0, 2.0, 0.125]
    test = time_rescaling([0, 1, 0, 1, 0], rate)
    np.testing.assert_allclose(test.rescaled_intervals, [0.5, 1.25], rtol=1e-15)
    np.testing.assert_allclose(test.model_cdf, 1 - np.exp([-0.5, -1.25]), rtol=1e-15)
    assert test.empirical_cdf.tolist() == [0.5, 1.0]
    # Steps at 0.393 (from 0 to 1/2) and 0.713 (from 1/2 to 1): the first one's foot is farthest.
    assert test.ks_statistic == pytest.approx(1 - math.exp(-0.5), rel=1e-15)
    assert test.ks_bound == pytest.approx(1.36 / math.sqrt(2))


def test_spikes_of_one_bin_lie_evenly():
    test = time_rescaling([0, 3, 0, 1], [1.0, 0.6, 0.25, 4.0])
    np.testing.assert_allclose(test.rescaled_intervals, [1.0, 0.2, 0.2, 0.45], rtol=1e-14)


def test_spikes_at_random_stay_in_their_bin():
    counts = np.array([0, 3, 0, 1, 2])
    rate = np.array([1.0, 0.6, 0.25, 4.0, 0.5])
    test = time_rescaling(counts, rate, rng=np.random.default_rng(3))
    bin_of_spike = np.searchsorted(np.cumsum(rate), np.cumsum(test.rescaled_intervals))
    assert np.bincount(bin_of_spike, minlength=5).tolist() == counts.tolist()


def test_order_of_memory_and_type_do_not_matter():
    counts = np.random.default_rng(0).poisson(0.3, 500)
    rate = np.full(500, 0.3)
    expected = time_rescaling(counts, rate).rescaled_intervals
    for same_counts in (counts.astype(np.uint8), counts.astype(float), counts.tolist()):
        got = time_rescaling(same_counts, np.repeat(rate, 2)[::2]).rescaled_intervals
        assert np.array_equal(got, expected)


@pytest.mark.parametrize(("n_bins", "mean"), [(20_000, 0.01), (500, 0.4)])
def test_right_rate_passes_in_95_percent(n_bins, mean):
    rng = np.random.default_rng(2002)
    rate = simulated_rate(n_bins, mean)
    passed = [time_rescaling(rng.poisson(rate), rate, rng=rng).passed for _ in range(600)]
    # Three binomial standard errors of 0.95 at 600 draws are 0.027.
    assert 0.923 <= np.mean(passed) <= 0.977


def test_pynapple_epochs_and_seeds():
    nap = pytest.importorskip("pynapple")
    rng = np.random.default_rng(3)
    rate = np.full(3000, 0.1)
    counts = rng.poisson(rate)
    epochs = nap.IntervalSet([0, 2000], [999, 3999])
    t = np.r_[:1000, 2000:4000].astype(float)
    series = nap.Tsd(t, counts, time_support=epochs), nap.Tsd(t, rate, time_support=epochs)
    assert np.array_equal(
        time_rescaling(*series, rng=5).rescaled_intervals,
        time_rescaling(counts, rate, rng=np.random.default_rng([5])).rescaled_intervals,
    )
    assert bits_per_spike(*series) == bits_per_spike(counts, rate)
    with pytest.raises(ValueError, match="sampled at different times"):
        time_rescaling(series[0], nap.Tsd(t + 0.5, rate))


def test_intervals_across_borders_stay_exponential():
    # Epochs of 40 bins in which 2 spikes are expected: nearly half of the intervals cross a border.
    rng = np.random.default_rng(22)
    rate = simulated_rate(4000, 0.05)
    counts = [np.concatenate([rng.poisson(r) for r in np.split(rate, 100)]) for _ in range(300)]
    passed = [time_rescaling(y, rate, rng=rng).passed for y in counts]
    assert 0.91 <= np.mean(passed) <= 0.99


def test_discrete_intervals_by_hand():
    rate = np.array([0.5, 0.25, 0.75, 0.2, 0.1])
    counts = np.array([0, 1, 0, 1, 0])
    place = np.random.default_rng([4]).random(2)
    test = time_rescaling(counts, rate, rng=4, discrete="Bernoulli")
    expected = [
        -np.log(1 - 0.5) - np.log(1 - place[0] * 0.25),
        -np.log(1 - 0.75) - np.log(1 - place[1] * 0.2),
    ]
    np.testing.assert_allclose(test.rescaled_intervals, expected, rtol=1e-13)
    test = time_rescaling(2 * counts, rate, rng=4, discrete="Poisson")
    expected = [
        0.5 - np.log(1 - place[0] * (1 - np.exp(-0.25))),
        0.75 - np.log(1 - place[1] * (1 - np.exp(-0.2))),
    ]
    np.testing.assert_allclose(test.rescaled_intervals, expected, rtol=1e-13)


def refractory(rng, n_bins):
    """Bernoulli spikes, at most one in 3 bins: the chance depends on the history."""
    base = 0.25 * (1 + 0.6 * np.sin(np.arange(n_bins) / 20))
    chance, counts, last = np.empty(n_bins), np.zeros(n_bins, int), -9
    for k, uniform in enumerate(rng.random(n_bins)):
        chance[k] = 0.0 if k - last < 3 else base[k]
        if uniform < chance[k]:
            counts[k], last = 1, k
    return counts, chance


def test_discrete_correction_is_exact_where_bins_are_wide():
    rng = np.random.default_rng(2010)
    passed, uncorrected = [], []
    for _ in range(300):
        counts, chance = refractory(rng, 1500)
        passed.append(time_rescaling(counts, chance, rng=rng, discrete="Bernoulli").passed)
        uncorrected.append(time_rescaling(counts, chance, rng=rng).passed)
    assert 0.91 <= np.mean(passed) <= 0.99
    assert np.mean(uncorrected) < 0.5


def test_discrete_poisson_is_exact():
    rng = np.random.default_rng(2011)
    rate = simulated_rate(600, 0.5)
    passed = [
        time_rescaling(rng.poisson(rate), rate, rng=rng, discrete="Poisson").passed
        for _ in range(400)
    ]
    assert 0.918 <= np.mean(passed) <= 0.982


def test_a_certain_spike():
    test = time_rescaling([0, 1, 1], [0.5, 1.0, 1.0], rng=0, discrete="Bernoulli")
    place = np.random.default_rng([0]).random(2)
    np.testing.assert_allclose(
        test.rescaled_intervals, [np.log(2) - np.log(1 - place[0]), -np.log(1 - place[1])]
    )


@pytest.mark.parametrize(
    ("counts", "rate", "settings", "message"),
    [
        ([1, 1], [0.5, 0.5], {"discrete": "Bernoulli"}, "pass `rng`"),
        ([1, 1], [0.5, 0.5], {"discrete": "Gamma", "rng": 0}, "must be .* got 'Gamma'"),
        ([2, 1], [0.5, 0.5], {"discrete": "Bernoulli", "rng": 0}, "at most one spike; got 2"),
        ([1, 1], [0.5, 1.5], {"discrete": "Bernoulli", "rng": 0}, "at most 1; got 1.5"),
        ([1, 0, 1], [0.5, 1.0, 0.5], {"discrete": "Bernoulli", "rng": 0}, "no spike came"),
    ],
)
def test_discrete_refusals(counts, rate, settings, message):
    with pytest.raises(ValueError, match=message):
        time_rescaling(counts, rate, **settings)


def test_autocorrelation_is_that_of_normal_intervals():
    rng = np.random.default_rng(8)
    rate = np.full(3000, 0.1)
    test = time_rescaling(rng.poisson(rate), rate, rng=1)
    found = test.autocorrelation(n_lags=7)
    z = norm.ppf(1 - np.exp(-test.rescaled_intervals))
    z -= z.mean()
    expected = [np.sum(z[k:] * z[: len(z) - k]) / np.sum(z**2) for k in range(1, 8)]
    np.testing.assert_allclose(found.autocorrelation, expected, rtol=1e-9)
    assert found.lags.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert found.bound == pytest.approx(1.96 / np.sqrt(test.n_intervals))


def test_autocorrelation_bound_and_power():
    rng = np.random.default_rng(9)
    rate = simulated_rate(8000, 0.03)
    first = [
        time_rescaling(rng.poisson(rate), rate, rng=rng).autocorrelation(5) for _ in range(200)
    ]
    inside = np.mean([np.abs(each.autocorrelation) < each.bound for each in first])
    assert 0.92 <= inside <= 0.98
    # A slow change of the rate that the model misses makes neighbours alike.
    slow = rate * np.exp(1.5 * np.sin(np.arange(8000) / 600))
    found = time_rescaling(rng.poisson(slow), rate, rng=rng).autocorrelation()
    assert found.lags[-1] == 20
    assert found.autocorrelation[0] > 2 * found.bound


def test_autocorrelation_of_extreme_intervals_and_refusals():
    test = time_rescaling([1, 0, 1, 1], [0.5, 900.0, 1.0, 1.0])
    assert test.rescaled_intervals[0] == 0.0
    assert np.all(np.isfinite(test.autocorrelation().autocorrelation))
    with pytest.raises(ValueError, match="less than the 3 intervals, got 3"):
        test.autocorrelation(3)
    with pytest.raises(ValueError, match="intervals of one length"):
        time_rescaling([0, 1, 1, 1], [1.0] * 4).autocorrelation()


def test_autocorrelation_picture():
    test = time_rescaling([1, 0, 1, 1, 0, 0, 1], [0.3, 0.2, 0.7, 1.0, 0.4, 0.2, 0.9], rng=0)
    ax = axes_of_new_figure()
    found = test.autocorrelation()
    assert found.plot(ax) is ax
    (stems,) = (c for c in ax.collections if isinstance(c, LineCollection))
    np.testing.assert_allclose(
        stems.get_segments(),
        [
            [[lag, 0], [lag, value]]
            for lag, value in zip(found.lags, found.autocorrelation, strict=True)
        ],
    )
    (band,) = ax.patches
    assert (band.get_y(), band.get_height()) == (-found.bound, 2 * found.bound)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("lag (intervals)", "autocorrelation")
    assert ax.get_ylim()[1] > max(found.bound, np.abs(found.autocorrelation).max())


def test_bits_per_spike_of_a_population():
    rng = np.random.default_rng(5)
    rate = rng.uniform(0.1, 1, (200, 3))
    counts = rng.poisson(rate).astype(float)
    counts[3, 1] = np.nan
    np.testing.assert_array_equal(
        bits_per_spike(counts, rate), [bits_per_spike(counts[:, i], rate[:, i]) for i in range(3)]
    )


def test_right_rate_passes_without_rng_when_bins_are_narrow():
    rng = np.random.default_rng(14)
    rate = simulated_rate(40_000, 0.005)
    passed = [time_rescaling(rng.poisson(rate), rate).passed for _ in range(300)]
    assert 0.91 <= np.mean(passed) <= 0.99


@pytest.mark.parametrize("wrong", [lambda rate: 0.7 * rate, lambda rate: 0 * rate + rate.mean()])
def test_wrong_rate_fails(wrong):
    rng = np.random.default_rng(7)
    rate = simulated_rate(60_000, 0.02)
    assert not time_rescaling(rng.poisson(rate), wrong(rate)).passed


def test_bins_with_nan_are_as_if_absent():
    rng = np.random.default_rng(5)
    rate = simulated_rate(1000, 0.2)
    counts = rng.poisson(rate).astype(float)
    rate_gap, counts_gap = rate.copy(), counts.copy()
    rate_gap[:100] = np.nan
    rate_gap[400:450] = np.nan
    counts_gap[700:720] = np.nan
    kept = ~(np.isnan(rate_gap) | np.isnan(counts_gap))
    np.testing.assert_array_equal(
        time_rescaling(counts_gap, rate_gap).rescaled_intervals,
        time_rescaling(counts[kept], rate[kept]).rescaled_intervals,
    )
    assert bits_per_spike(counts_gap, rate_gap) == bits_per_spike(counts[kept], rate[kept])


def test_bits_per_spike_of_simple_rates():
    counts = [0, 2, 0, 2]
    assert bits_per_spike(counts, [1.0] * 4) == 0.0
    assert bits_per_spike(counts, [0.0, 2.0, 0.0, 2.0]) == pytest.approx(1.0, rel=1e-15)
    assert bits_per_spike(counts, [2.0] * 4) == pytest.approx(1 - 1 / math.log(2), rel=1e-14)
    assert bits_per_spike(counts, [1.0, 0.0, 1.0, 2.0]) == -math.inf


@pytest.mark.parametrize("measure", [time_rescaling, bits_per_spike])
@pytest.mark.parametrize(
    ("counts", "rate", "message"),
    [
        ([1, 1, 0], [0.1, 0.2], r"3 counts and 2 rates"),
        ([[1, 1]], [0.1, 0.2], r"1-dimensional.*\(1, 2\) and \(2,\)"),
        ([1, 1], 0.5, r"1-dimensional.*\(2,\) and \(\)"),
        ([1, -2, 1], [0.1] * 3, r"whole numbers >= 0; got -2 in bin 1, 1 bad bins"),
        ([1, 1, 0.5], [0.1] * 3, r"whole numbers >= 0; got 0.5 in bin 2"),
        ([1, np.inf], [0.1] * 2, r"whole numbers >= 0; got inf in bin 1"),
        ([1, 1, 1], [0.1, -0.1, -0.2], r"finite and >= 0.*got -0.1 in bin 1, 2 bad bins"),
        ([1, 1], [np.inf, 0.1], r"finite and >= 0.*got inf in bin 0"),
        ([0, 0], [0.1] * 2, r"at least \d spikes?; (0|none) in the 2 bins"),
        ([1, 1], [np.nan] * 2, r"at least \d spikes?; (0|none) in the 0 bins"),
        ([], [], r"at least \d spikes?; (0|none) in the 0 bins"),
    ],
)
def test_bad_input_is_refused(measure, counts, rate, message):
    with pytest.raises(ValueError, match=message):
        measure(counts, rate)


def test_one_spike_is_too_few_for_intervals():
    with pytest.raises(ValueError, match="at least 2 spikes; 1 in the 3 bins"):
        time_rescaling([0, 1, 0], [0.1] * 3)


def test_result_is_frozen():
    test = time_rescaling([1, 1], [1.0, 1.0])
    with pytest.raises(AttributeError):
        test.ks_statistic = 0.0


def axes_of_new_figure():
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def test_plot_draws_curve_and_band():
    rng = np.random.default_rng(1)
    test = time_rescaling(rng.poisson(0.05, 3000), np.full(3000, 0.05))
    ax = axes_of_new_figure()
    assert test.plot(ax, color="black", label="constant") is ax
    diagonal, curve = ax.lines
    assert diagonal.get_xdata().tolist() == diagonal.get_ydata().tolist() == [0.0, 1.0]
    assert curve.get_label() == "constant"
    np.testing.assert_array_equal(curve.get_xdata()[1:-1], test.model_cdf)
    np.testing.assert_array_equal(curve.get_ydata()[1:-1], test.empirical_cdf)
    (band,) = (c for c in ax.collections if isinstance(c, PolyCollection))
    corners = {tuple(corner) for corner in np.round(band.get_paths()[0].vertices, 12)}
    bound = round(test.ks_bound, 12)
    assert {(0.0, bound), (1.0, round(1 - test.ks_bound, 12))} <= corners
    assert ax.get_xlabel() == "model CDF of rescaled intervals"
    assert ax.get_ylabel() == "empirical CDF"

    test.plot(ax, band=False)
    assert len(ax.lines) == 3
    assert len(ax.collections) == 1


def test_plot_makes_its_own_axes():
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    ax = time_rescaling([1, 1], [1.0, 1.0]).plot()
    assert len(ax.lines) == 2
    plt.close(ax.figure)


def test_plot_without_matplotlib_names_the_extra(monkeypatch):
    test = time_rescaling([1, 1], [1.0, 1.0])
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install spikeglm\[plot\]"):
        test.plot()
