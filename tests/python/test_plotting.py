"""What the pictures of fits and data show: lines, bands, limits and labels."""

import sys
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter1d

import spikeglm as nmo
from spikeglm import plotting
from spikeglm.basis import (
    BSplineBasis,
    Category,
    CyclicBSplineBasis,
    IdentityBasis,
    RaisedCosineBasisLog,
)
from spikeglm.glm import GLM, GLMCV, PopulationGLM, PopulationGLMCV
from spikeglm.goodness_of_fit import calibration, time_rescaling

Z95 = stats.norm.ppf(0.975)


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def vertices(collection):
    """Return the corners of a filled band."""
    return {tuple(corner) for corner in np.round(collection.get_paths()[0].vertices, 9)}


def assert_band(ax, x, low, high):
    (band,) = ax.collections
    corners = vertices(band)
    for each in (low, high):
        assert {tuple(p) for p in np.round(np.c_[x, each], 9)} <= corners


def bars(ax, number=0):
    """Return points and ends (n, 2 ends, xy) of a set of error bars."""
    points, _, lines = ax.containers[number].lines
    return points, np.array(lines[0].get_segments())


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# Coefficients.


def test_coefficients_and_their_intervals():
    coef, errors = np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.2, 0.4])
    ax = plt.figure().add_subplot()
    found = plotting.plot_coefficients(
        coef, standard_errors=errors, names=["a", "b", "c"], level=0.9, ax=ax
    )
    assert found is ax
    points, ends = bars(ax)
    np.testing.assert_allclose(points.get_xdata(), coef)
    np.testing.assert_allclose(points.get_ydata(), [0, 1, 2])
    z = stats.norm.ppf(0.95)
    np.testing.assert_allclose(ends[:, :, 0], np.c_[coef - z * errors, coef + z * errors])
    assert ax.get_ylim() == (2.5, -0.5)  # the first at the top
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.get_xlabel() == "coefficient (90 % interval)"


def test_coefficients_with_a_band_or_without():
    ax = plotting.plot_coefficients([1.0, 2.0], band=([0.0, 1.5], [3.0, 2.5]))
    np.testing.assert_allclose(bars(ax)[1][:, :, 0], [[0, 3], [1.5, 2.5]])
    ax = plotting.plot_coefficients([1.0, 2.0])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("coefficient", "feature")
    ax = plotting.plot_coefficients([1.0, 2.0], standard_errors=[0.5, np.nan])
    _, _, (lines,) = ax.containers[0].lines
    assert [len(ends) for ends in lines.get_segments()] == [2, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"coef": [[1.0]]}, r"shape \(n_features,\), got \(1, 1\)"),
        ({"coef": [1.0], "names": ["a", "b"]}, "must name 1 features, got 2"),
        ({"coef": [1.0], "standard_errors": [1.0, 2.0]}, r"shape \(1,\), got \(2,\)"),
        ({"coef": [1.0], "standard_errors": [-1.0]}, "must not be negative"),
        ({"coef": [1.0], "standard_errors": [1.0], "level": 95}, "between 0 and 1, got 95"),
        ({"coef": [1.0], "standard_errors": [1.0], "band": ([0], [1])}, "not both"),
        ({"coef": [1.0], "band": ([1.0], [0.0])}, "low is above its high"),
    ],
)
def test_refusals_of_coefficients(arguments, message):
    with pytest.raises(ValueError, match=message):
        plotting.plot_coefficients(**arguments)


# Filters and curves.

HISTORY = RaisedCosineBasisLog(4, mode="conv", window_size=60, label="history")
POSITION = BSplineBasis(6, bounds=(0, 100), label="position (cm)")


class Joint:
    """Bands from a covariance of coefficients and, last, intercept."""

    def __init__(self, matrix):
        self.matrix = matrix

    def band(self, rows, level, *, simultaneous, intercept, neuron):
        assert intercept
        assert not simultaneous
        assert neuron == 0
        R = np.column_stack([rows, np.ones(len(rows))])
        return SimpleNamespace(
            critical=stats.norm.ppf(0.5 + level / 2),
            standard_errors=np.sqrt(np.einsum("ij,jk,ik->i", R, self.matrix, R)),
        )


def covariance(p, seed=0):
    root = np.random.default_rng(seed).normal(size=(p, p))
    return 0.01 * root @ root.T


def test_filter_with_its_band_in_seconds():
    coef, cov = np.array([-2.0, 1.0, 0.5, 0.2]), covariance(4)
    ax = plotting.plot_term(HISTORY, coef, covariance=cov, bin_size=0.002)
    line, _ = ax.get_lines()
    kernel = HISTORY.kernel_
    lags = 0.002 * np.arange(1, 61)
    np.testing.assert_allclose(line.get_xdata(), lags)
    np.testing.assert_allclose(line.get_ydata(), kernel @ coef, atol=1e-14)
    errors = np.array([np.sqrt(row @ cov @ row) for row in kernel])
    assert_band(ax, lags, kernel @ coef - Z95 * errors, kernel @ coef + Z95 * errors)
    assert ax.get_xlabel() == "lag (s)"
    assert ax.get_ylabel() == "filter (linear predictor)"
    assert plotting.plot_term(HISTORY, coef).get_xlabel() == "lag (bins)"


def test_curve_with_a_given_band():
    coef = np.arange(6.0)
    grid, functions = POSITION.evaluate_on_grid(30)
    values = functions @ coef
    ax = plotting.plot_term(
        POSITION, coef, band=(values - 1, values + 2), n_points=30, color="k", label="cell 3"
    )
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), values, atol=1e-14)
    assert_band(ax, grid, values - 1, values + 2)
    assert ax.get_lines()[0].get_label() == "cell 3"
    assert ax.get_xlim() == (0, 100)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("position (cm)", "term (linear predictor)")


def test_categories_and_polar_curves():
    turn = Category(["left", "right"], label="turn")
    ax = plotting.plot_term(turn, [0.5, -1.0], covariance=np.diag([0.04, 0.01]))
    points, ends = bars(ax)
    np.testing.assert_allclose(points.get_ydata(), [0.5, -1.0])
    np.testing.assert_allclose(np.ptp(ends[:, :, 1], axis=1), 2 * Z95 * np.array([0.2, 0.1]))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["left", "right"]
    polar = plt.figure().add_subplot(projection="polar")
    angle = CyclicBSplineBasis(5, bounds=(-180, 180))
    plotting.plot_term(angle, np.arange(5.0), ax=polar)
    assert np.ptp(polar.get_lines()[0].get_xdata()) == pytest.approx(2 * np.pi)
    with pytest.raises(ValueError, match="polar Axes show a bounded input"):
        plotting.plot_term(HISTORY, np.ones(4), ax=polar)


def test_two_inputs_are_an_image():
    basis = POSITION * BSplineBasis(5, bounds=(0, 1), label="speed")
    ax = plt.figure().add_subplot()
    assert plotting.plot_term(basis, np.arange(30.0), n_points=11, ax=ax) is ax
    assert len(ax.get_images()) == 1
    with pytest.raises(ValueError, match=r"two inputs.*no band"):
        plotting.plot_term(basis, np.arange(30.0), covariance=np.eye(30))
    with pytest.raises(ValueError, match="is a sum of 2 components"):
        plotting.plot_term(POSITION + HISTORY, np.ones(10))
    with pytest.raises(ValueError, match="negative variance"):
        plotting.plot_term(POSITION, np.ones(6), covariance=-np.eye(6))


# Couplings.


def test_coupling_matrix_diverges_from_zero():
    matrix = np.array([[-1.0, 0.5, 0.0], [0.25, np.nan, -0.2]])
    ax = plotting.plot_coupling_matrix(matrix, senders="abc", receivers=["x", "y"], label="gain")
    (image,) = ax.get_images()
    np.testing.assert_array_equal(np.ma.filled(image.get_array(), np.nan), matrix)
    assert image.get_clim() == (-1.0, 1.0)
    middle = image.cmap(image.norm(0.0))
    assert np.ptp(middle[:3]) < 0.02  # no coupling has no colour
    assert image.colorbar.ax.get_ylabel() == "gain"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b", "c"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["x", "y"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("from neuron", "to neuron")
    many = plotting.plot_coupling_matrix(np.eye(90), senders=range(90))
    assert len(many.get_xticks()) <= 30
    assert plotting.plot_coupling_matrix(np.zeros((2, 2))).get_images()[0].get_clim() == (-1, 1)
    with pytest.raises(ValueError, match="must name 3 neurons, got 2"):
        plotting.plot_coupling_matrix(matrix, senders="ab")


def test_grid_of_filters():
    filters = np.random.default_rng(0).normal(size=(2, 3, 10))
    lags = np.arange(1, 11)
    axes = plotting.plot_coupling_filters(
        filters, lags, band=(filters - 1, filters + 1), senders="abc", bin_size=0.01
    )
    assert axes.shape == (2, 3)
    for (r, s), ax in np.ndenumerate(axes):
        (line,) = (one for one in ax.get_lines() if len(one.get_xdata()) == 10)
        np.testing.assert_allclose(line.get_xdata(), 0.01 * lags)
        np.testing.assert_array_equal(line.get_ydata(), filters[r, s])
        assert_band(ax, 0.01 * lags, filters[r, s] - 1, filters[r, s] + 1)
        assert ax.get_ylim() == axes[0, 0].get_ylim()
    assert axes[0, 0].get_ylim()[1] > filters.max() + 1
    assert [ax.get_title() for ax in axes[0]] == ["from a", "from b", "from c"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["to 0", "to 1"]
    assert axes[1, 1].get_xlabel() == "lag (s)"
    mine = plt.subplots(2, 3)[1]
    assert plotting.plot_coupling_filters(filters, lags, axes=mine)[1, 2] is mine[1, 2]
    with pytest.raises(ValueError, match="too many to see"):
        plotting.plot_coupling_filters(np.zeros((30, 30, 2)), [1, 2])
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        plotting.plot_coupling_filters(filters, lags, axes=mine[0])


def test_couplings_of_a_fit():
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.2, (3000, 3)).astype(float)
    basis = RaisedCosineBasisLog(4, mode="conv", window_size=20, label="coupling") + IdentityBasis(
        label="speed"
    )
    X = basis.compute_features(counts, rng.normal(size=3000))
    model = PopulationGLM(regularizer="Ridge", regularizer_strength=1e-3)
    model.fit(X, rng.poisson(0.3, (3000, 2)))
    filters, lags = model.coupling_filters(basis, "coupling")
    assert filters.shape == (2, 3, 20)
    np.testing.assert_array_equal(lags, np.arange(1, 21))
    # A spike of the sender adds its filter to the linear predictor.
    for sender in range(3):
        impulse = np.zeros((80, 3))
        impulse[30, sender] = 1.0
        features = np.nan_to_num(basis.compute_features(impulse, np.zeros(80)))
        response = features @ model.coef_
        np.testing.assert_allclose(response[31:51].T, filters[:, sender], atol=1e-12)
    ax = model.plot_coupling(basis, "coupling")
    np.testing.assert_allclose(ax.get_images()[0].get_array(), filters.sum(axis=2))
    peak = model.plot_coupling(basis, "coupling", kind="peak").get_images()[0].get_array()
    expected = [[max(f, key=abs) for f in row] for row in filters]
    np.testing.assert_allclose(peak, expected)
    several = SimpleNamespace(covariance=np.stack([covariance(13, 3), covariance(13, 4)], axis=-1))
    axes = model.plot_coupling_filters(
        basis, "coupling", bin_size=0.01, inference=several, level=0.9
    )
    assert axes.shape == (2, 3)
    kernel, z = basis["coupling"].kernel_, stats.norm.ppf(0.95)
    for r in range(2):
        for s in range(3):
            block = several.covariance[4 * s : 4 * s + 4, 4 * s : 4 * s + 4, r]
            half = z * np.sqrt([f @ block @ f for f in kernel])
            assert_band(axes[r, s], 0.01 * lags, filters[r, s] - half, filters[r, s] + half)
    one = model.plot_term(basis, "coupling", neuron=1, channel=2, inference=several)
    half = Z95 * np.sqrt([f @ several.covariance[8:12, 8:12, 1] @ f for f in kernel])
    assert_band(one, lags, filters[1, 2] - half, filters[1, 2] + half)
    with pytest.raises(ValueError, match="say which `label`: 'coupling', 'speed'"):
        model.plot_coupling(basis)
    with pytest.raises(ValueError, match="is no coupling"):
        model.plot_coupling(basis, "speed")
    with pytest.raises(ValueError, match='"integral" or "peak", got \'mean\''):
        model.plot_coupling(basis, "coupling", kind="mean")
    with pytest.raises(ValueError, match="say which `channel`"):
        model.plot_term(basis, "coupling", neuron=0)
    one = model.plot_term(basis, "coupling", neuron=1, channel=2)
    np.testing.assert_allclose(one.get_lines()[0].get_ydata(), filters[1, 2], atol=1e-12)
    with pytest.raises(ValueError, match="`channel` 7 is not in it"):
        model.plot_term(basis, "coupling", neuron=1, channel=7)
    with pytest.raises(ValueError, match="say which `neuron`, 0 to 1"):
        model.plot_term(basis, "coupling")


# Tuning curves.


@pytest.fixture(scope="module")
def tuned():
    """A fit with two terms, of which the second goes along with the first."""
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 100, 4000)
    speed = 0.02 * x + rng.normal(size=4000)
    y = rng.poisson(np.exp(-1.5 + 1.5 * np.exp(-((x - 40) ** 2) / 300) + 0.4 * speed))
    basis = POSITION + IdentityBasis(label="speed")
    X = basis.compute_features(x, speed)
    return x, speed, y, basis, X


@pytest.mark.parametrize("link", ["exp", "softplus"])
def test_tuning_curve_is_the_mean_over_the_other_terms(tuned, link):
    _, speed, y, basis, X = tuned
    settings = {"regularizer": "Ridge", "regularizer_strength": 1e-3}
    model = GLM(inverse_link_function=link, **settings).fit(X, y)
    points, means, band = model.tuning_curve(basis, X, "position (cm)", n_points=7)
    assert band is None
    np.testing.assert_array_equal(points, np.linspace(0, 100, 7))
    expected = [
        model.predict(basis.compute_features(np.full(4000, point), speed)).mean()
        for point in points
    ]
    np.testing.assert_allclose(means, expected, rtol=2e-6)

    cov = covariance(8, 2)
    _, _, (low, high) = model.tuning_curve(
        basis, X, "position (cm)", n_points=7, inference=Joint(cov), level=0.9
    )
    rest = speed * model.coef_[6]
    other = np.average(speed, weights=np.exp(rest) if link == "exp" else None)
    functions = POSITION.evaluate_on_grid(7)[1]
    half = stats.norm.ppf(0.95) * np.sqrt(
        [row @ cov @ row for row in np.c_[functions, np.full(7, other), np.ones(7)]]
    )
    inverse = {"exp": np.exp, "softplus": lambda eta: np.logaddexp(0, eta)}[link]
    eta = functions @ model.coef_[:6] + model.intercept_
    for limit, sign in ((low, -1), (high, 1)):
        expected = [inverse(e + sign * h + rest).mean() for e, h in zip(eta, half, strict=True)]
        np.testing.assert_allclose(limit, expected, rtol=2e-6)
    if link == "exp":  # to first order the band of the mean over the rows, in its own derivative
        steps = 1e-5 * np.eye(8)
        changes = [
            [
                np.log(
                    np.exp(
                        np.r_[f] @ (model.coef_[:6] + d[:6])
                        + model.intercept_
                        + d[7]
                        + speed * (model.coef_[6] + d[6])
                    ).mean()
                )
                for d in (step, -step)
            ]
            for f in functions[3:4]
            for step in steps
        ]
        gradient = np.array([(up - down) / 2e-5 for up, down in changes])
        assert half[3] == pytest.approx(
            stats.norm.ppf(0.95) * np.sqrt(gradient @ cov @ gradient), rel=1e-6
        )


def test_tuning_curve_of_a_decreasing_link_and_missing_rows(tuned):
    _, _, y, basis, X = tuned
    gap = X.copy()
    gap[:50] = np.nan
    model = GLM("Gamma", regularizer="Ridge", regularizer_strength=1e-2)
    model.fit(np.abs(X), 1.0 + y)
    inference = Joint(1e-6 * np.eye(8))
    _, means, (low, high) = model.tuning_curve(
        basis, np.abs(X), "position (cm)", inference=inference
    )
    defined = np.isfinite(low)
    assert 80 < defined.sum() < 100  # beyond the pole of 1 / eta no mean is positive
    assert np.all((low < means)[defined] & (means < high)[defined])
    assert np.nanmin(means) > 0
    poisson = GLM(regularizer="Ridge", regularizer_strength=1e-3).fit(gap, y)
    np.testing.assert_allclose(
        poisson.tuning_curve(basis, gap, "position (cm)")[1],
        poisson.tuning_curve(basis, X[50:], "position (cm)")[1],
    )


def test_raw_tuning_curve_is_spikes_over_occupancy(tuned):
    x, _, y, basis, X = tuned
    model = GLM(regularizer="Ridge", regularizer_strength=1e-3).fit(X, y)
    ax = plt.figure().add_subplot()
    cov = Joint(covariance(8))
    found = model.plot_tuning(
        basis, X, x, y, "position (cm)", ax, n_groups=8, bin_size=0.05, inference=cov
    )
    assert found is ax
    points, ends = bars(ax)
    group = np.minimum((x / 12.5).astype(int), 7)
    spikes, samples = np.bincount(group, y), np.bincount(group)
    np.testing.assert_allclose(points.get_xdata(), 12.5 * np.arange(8) + 6.25)
    np.testing.assert_allclose(points.get_ydata(), spikes / samples / 0.05)
    np.testing.assert_allclose(
        ends[:, :, 1],
        np.c_[stats.chi2.ppf(0.025, 2 * spikes), stats.chi2.ppf(0.975, 2 * spikes + 2)]
        / 2
        / samples[:, None]
        / 0.05,
    )
    lines = {line.get_label(): line for line in ax.get_lines()}
    same = lines["model, same samples"].get_ydata()
    np.testing.assert_allclose(same, np.bincount(group, model.predict(X)) / samples / 0.05)
    curve = model.tuning_curve(basis, X, "position (cm)", n_points=200, inference=cov)
    np.testing.assert_allclose(lines["model, this term"].get_ydata(), curve[1] / 0.05)
    band = next(c for c in ax.collections if len(c.get_paths()) == 1)
    assert {tuple(p) for p in np.round(np.c_[curve[0], curve[2][1] / 0.05], 9)} <= vertices(band)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("position (cm)", "rate (spikes/s)")
    assert ax.get_xlim() == (0, 100)
    assert ax.get_ylim()[0] == 0
    assert set(legend(ax)) == {
        "spikes / occupancy, 95 % interval",
        "model, same samples",
        "model, this term",
    }


def test_tuning_to_an_angle_is_polar():
    rng = np.random.default_rng(4)
    angle = rng.uniform(-180, 180, 1000)
    y = rng.poisson(np.exp(np.cos(np.radians(angle)) - 1))
    ax = plotting.plot_tuning(
        angle,
        y,
        curve=([-180, 0, 180], [0.1, 1.0, 0.1]),
        bounds=(-180, 180),
        n_groups=4,
        polar=True,
        name="head direction (deg)",
    )
    assert ax.name == "polar"
    points, _ = bars(ax)
    np.testing.assert_allclose(points.get_xdata(), np.pi * np.array([-0.75, -0.25, 0.25, 0.75]))
    np.testing.assert_allclose(
        points.get_ydata(), [y[(angle >= a) & (angle < a + 90)].mean() for a in (-180, -90, 0, 90)]
    )
    (curve,) = (line for line in ax.get_lines() if line.get_label() == "model, this term")
    np.testing.assert_allclose(curve.get_xdata(), [-np.pi, 0, np.pi])
    assert ax.get_title() == "head direction (deg)\nrate (spikes/bin)"


def test_tuning_leaves_out_what_is_missing_or_outside():
    ax = plotting.plot_tuning(
        [0.5, 1.5, np.nan, 5.0, 0.6], [1, 2, 9, 9, np.nan], bounds=(0, 3), n_groups=3
    )
    points, _ = bars(ax)
    # Nobody was in the last part: no point there.
    np.testing.assert_allclose(points.get_xydata(), [[0.5, 1.0], [1.5, 2.0]])
    for arguments, message in [
        (([1.0, 2.0], [1.0]), "must both have shape"),
        (([1.0, 2.0], [1.0, -1.0]), "zero or above"),
        (([1.0, 1.0], [1.0, 1.0]), "x has no range"),
    ]:
        with pytest.raises(ValueError, match=message):
            plotting.plot_tuning(*arguments)
    with pytest.raises(ValueError, match="no sample of x lies between 5 and 6"):
        plotting.plot_tuning([1.0, 2.0], [1, 1], bounds=(5, 6))
    with pytest.raises(ValueError, match="fitted `curve`, which is not given"):
        plotting.plot_tuning([1.0, 2.0], [1, 1], band=([0], [1]))
    with pytest.raises(ValueError, match="`bin_size`"):
        plotting.plot_tuning([1.0, 2.0], [1, 1], bin_size=0.0)


def test_refusals_of_tuning_curves(tuned):
    x, _, y, _, X = tuned
    basis = POSITION + HISTORY
    X = basis.compute_features(x, y.astype(float))
    model = GLM(regularizer="Ridge").fit(X, y)
    with pytest.raises(ValueError, match="is a filter, which plot_term draws"):
        model.tuning_curve(basis, X, "history")
    with pytest.raises(ValueError, match="must be one of 'position"):
        model.tuning_curve(basis, X, "speed")
    with pytest.raises(ValueError, match="is drawn by plot_tuning"):
        model.plot_field(basis, X, "position (cm)")
    with pytest.raises(ValueError, match="expected number of features"):
        model.tuning_curve(POSITION, X)
    with pytest.raises(ValueError, match="X has 2 features"):
        model.tuning_curve(basis, X[:, :2], "position (cm)")
    assert model.plot_term(basis, "history").get_xlabel() == "lag (bins)"


# Two dimensions.


def test_rate_maps_raw_and_fitted():
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, 80, 3000), rng.uniform(0, 40, 3000)
    counts = rng.poisson(0.1 + 0.8 * np.exp(-((x - 30) ** 2 + (y - 20) ** 2) / 200))
    bounds = ((0, 80), (0, 40))
    ax = plotting.plot_rate_map(
        x, y, counts, bounds=bounds, n_groups=4, bin_size=0.1, names=("x (cm)", "y (cm)")
    )
    (image,) = ax.get_images()
    shown = np.asarray(image.get_array()).T
    for (i, j), value in np.ndenumerate(shown):
        here = (x // 20 == i) & (y // 10 == j)
        assert value == pytest.approx(counts[here].mean() / 0.1)
    assert tuple(image.get_extent()) == (0, 80, 0, 40)
    assert image.get_clim()[0] == 0.0
    assert image.colorbar.ax.get_ylabel() == "rate (spikes/s)"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (cm)", "y (cm)")

    basis = BSplineBasis(5, bounds=(0, 80), label="x") * BSplineBasis(5, bounds=(0, 40), label="y")
    X = basis.compute_features(x, y)
    model = GLM(regularizer="Ridge", regularizer_strength=1e-3).fit(X, counts)
    ax = plt.figure().add_subplot()
    assert model.plot_field(basis, X, ax=ax, bin_size=0.1, n_points=9) is ax
    (image,) = ax.get_images()
    xs, ys = np.meshgrid(np.linspace(0, 80, 9), np.linspace(0, 40, 9), indexing="ij")
    expected = model.predict(basis.compute_features(xs.ravel(), ys.ravel())) / 0.1
    np.testing.assert_allclose(np.asarray(image.get_array()).T.ravel(), expected, rtol=1e-9)
    np.testing.assert_allclose(image.get_extent(), (-5, 85, -2.5, 42.5))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    with pytest.raises(ValueError, match="drawn by plot_field"):
        model.plot_tuning(basis, X, x, counts)


def test_rate_map_is_blank_where_nobody_was():
    ax = plotting.plot_rate_map([0.1, 0.9], [0.1, 0.9], [1, 2], n_groups=2)
    shown = np.ma.filled(ax.get_images()[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown, [[1, np.nan], [np.nan, 2]])
    with pytest.raises(ValueError, match="no sample lies within the bounds"):
        plotting.plot_rate_map([0.1, 0.9], [0.1, 0.9], [1, 2], bounds=((5, 6), (5, 6)))


# Rates in time.


def drawn_counts(ax):
    (area,) = ax.collections
    return area


def test_rate_over_smoothed_counts():
    rng = np.random.default_rng(6)
    counts, rate = rng.poisson(0.2, 400).astype(float), rng.uniform(0.1, 0.3, 400)
    ax = plt.figure().add_subplot()
    settings = {"bin_size": 0.01, "smoothing": 0.05, "smooth_rate": False}
    assert plotting.plot_rate(counts, rate, ax=ax, **settings) is ax
    (line,) = ax.get_lines()
    np.testing.assert_allclose(line.get_xdata(), 0.01 * np.arange(400))
    np.testing.assert_allclose(line.get_ydata(), rate / 0.01)
    weight = gaussian_filter1d(np.ones(400), 5.0, mode="constant")
    smooth = gaussian_filter1d(counts, 5.0, mode="constant") / weight / 0.01
    corners = vertices(drawn_counts(ax))
    assert {tuple(p) for p in np.round(np.c_[0.01 * np.arange(400), smooth], 9)} <= corners
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "rate (spikes/s)")
    assert ax.get_ylim()[1] > max(smooth.max(), rate.max() / 0.01)
    assert legend(ax) == ["spikes, smoothed over 0.05 s", "model"]
    ax = plotting.plot_rate(counts, rate)
    (line,) = ax.get_lines()
    weight = gaussian_filter1d(np.ones(400), 10.0, mode="constant")
    np.testing.assert_allclose(
        line.get_ydata(), gaussian_filter1d(rate, 10.0, mode="constant") / weight
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (bins)", "rate (spikes/bin)")


def test_smoothing_does_not_cross_gaps():
    counts = np.r_[np.full(20, 1.0), np.nan, np.full(20, 3.0)]
    ax = plotting.plot_rate(counts, counts, smoothing=5)
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), counts)
    nap = pytest.importorskip("pynapple")
    t = np.r_[:20, 100:120].astype(float)
    series = nap.Tsd(
        t, np.repeat([1.0, 3.0], 20), time_support=nap.IntervalSet([0, 100], [19, 119])
    )
    ax = plotting.plot_rate(series, series, smoothing=5)
    (line,) = ax.get_lines()
    np.testing.assert_allclose(line.get_ydata(), counts)
    np.testing.assert_allclose(line.get_xdata(), np.r_[t[:20], np.nan, t[20:]])
    assert ax.get_xlabel() == "time (s)"
    with pytest.raises(ValueError, match="`smoothing` must be zero or above"):
        plotting.plot_rate(counts, counts, smoothing=-1)


def test_rate_of_a_neuron_of_a_population():
    rng = np.random.default_rng(7)
    X, Y = rng.normal(size=(300, 2)), rng.poisson(1.0, (300, 3))
    model = PopulationGLM().fit(X, Y)
    ax = model.plot_rate(X, Y, neuron=2, smoothing=0)
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), model.predict(X)[:, 2])
    assert legend(ax) == ["spikes", "model"]
    errors = SimpleNamespace(standard_errors=np.full((2, 3), 0.1))
    ax = model.plot_coefficients(neuron=1, inference=errors)
    points, ends = bars(ax)
    np.testing.assert_allclose(points.get_xdata(), model.coef_[:, 1])
    np.testing.assert_allclose(np.ptp(ends[:, :, 0], axis=1), 2 * Z95 * 0.1)
    for neuron in (3, -1, True, 1.0):
        with pytest.raises(ValueError, match="`neuron` must be a number from 0 to 2"):
            model.plot_rate(X, Y, neuron=neuron)


@pytest.mark.parametrize("lazy", [False, True])
def test_pictures_of_time_series(lazy):
    nap = pytest.importorskip("pynapple")
    rng = np.random.default_rng(10)
    t = 0.1 * np.r_[:300, 400:700]
    epochs = nap.IntervalSet([0, 40], [29.95, 69.95])
    x = nap.Tsd(t, rng.uniform(0, 100, 600), time_support=epochs)
    Y = nap.TsdFrame(t, rng.poisson(0.5, (600, 2)), time_support=epochs, columns=["a", "b"])
    basis = POSITION + HISTORY.__sklearn_clone__().set_params(window_size=10)
    X = basis.design(x, Y) if lazy else basis.compute_features(x, Y)
    model = PopulationGLM(regularizer="Ridge", regularizer_strength=1e-3).fit(X, Y)
    ax = model.plot_rate(X, Y, neuron=1, bin_size=0.1, smoothing=0)
    drawn, rate = ax.get_lines()[0], np.asarray(model.predict(X))[:, 1] / 0.1
    np.testing.assert_allclose(drawn.get_xdata(), np.r_[t[:300], np.nan, t[300:]])
    np.testing.assert_allclose(drawn.get_ydata(), np.r_[rate[:300], np.nan, rate[300:]])
    ax = model.plot_tuning(basis, X, x, Y, "position (cm)", neuron=0, n_groups=5)
    known = ~np.isnan(rate)
    group = np.minimum(x.values // 20, 4).astype(int)[known]
    expected = np.bincount(group, Y.values[known, 0]) / np.bincount(group)
    np.testing.assert_allclose(bars(ax)[0].get_ydata(), expected)
    names = model.plot_coupling(basis, "history").get_yticklabels()
    assert [name.get_text() for name in names] == ["a", "b"]
    assert model.plot_coupling_filters(basis, "history")[1, 0].get_ylabel() == "to b"


def test_goodness_of_fit_of_a_fit():
    rng = np.random.default_rng(9)
    X, Y = rng.normal(size=(500, 2)), rng.poisson(0.3, (500, 3))
    model = PopulationGLM().fit(X, Y)
    rate = model.predict(X)[:, 1]
    ax = plt.figure().add_subplot()
    assert model.plot_ks(X, Y, ax, neuron=1, rng=4, discrete="Poisson") is ax
    test = time_rescaling(Y[:, 1], rate, rng=4, discrete="Poisson")
    np.testing.assert_array_equal(ax.get_lines()[-1].get_xdata()[1:-1], test.model_cdf)
    ax = model.plot_calibration(X, Y, neuron=1, n_groups=4, bin_size=0.1)
    found = calibration(Y[:, 1], rate, n_groups=4)
    np.testing.assert_allclose(
        bars(ax)[0].get_xydata() * 0.1, np.c_[found.predicted, found.observed]
    )


def test_a_model_that_is_not_fitted_has_no_pictures():
    with pytest.raises(Exception, match="not fitted"):
        GLM().plot_coefficients()


# Paths and cross-validation.


@pytest.fixture(scope="module")
def sparse_data():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(400, 5))
    return X, rng.poisson(np.exp(X @ [0.6, -0.4, 0.2, 0, 0] - 1))


def test_path(sparse_data):
    path = GLM(regularizer="Lasso").regularization_path(*sparse_data, n_strengths=12)
    ax = plt.figure().add_subplot()
    assert path.plot(ax, names=list("abcde"), chosen=0.03) is ax
    lines = {line.get_label(): line for line in ax.get_lines()}
    for i, name in enumerate("abcde"):
        np.testing.assert_array_equal(lines[name].get_xdata(), path.strengths)
        np.testing.assert_array_equal(lines[name].get_ydata(), path.coef[:, i])
    looks = {(lines[n].get_color(), lines[n].get_linestyle()) for n in "abcde"}
    assert len(looks) == 5
    assert len({lines[n].get_linestyle() for n in "abcd"}) == 4  # in black and white too
    assert lines["chosen, 0.03"].get_xdata() == [0.03, 0.03]
    assert ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("strength of the penalty", "coefficient")
    assert legend(ax) == [*"abcde", "chosen, 0.03"]
    assert path.plot().get_legend() is None


def test_path_with_strength_zero_and_of_a_population(sparse_data):
    X, y = sparse_data
    model = PopulationGLM(regularizer="Ridge")
    path = model.regularization_path(X, np.c_[y, y[::-1]], regularizer_strengths=[1, 0.1, 0])
    ax = path.plot(neuron=1)
    assert ax.get_xscale() == "symlog"
    np.testing.assert_array_equal(ax.get_lines()[1].get_ydata(), path.coef[:, 0, 1])
    with pytest.raises(ValueError, match="say which `neuron`, 0 to 1"):
        path.plot()
    with pytest.raises(ValueError, match="every strength is zero"):
        plotting.plot_path([0.0], [[1.0]])
    with pytest.raises(ValueError, match="one neuron's"):
        plotting.plot_path(path.strengths, path.coef)


def test_scores_mark_best_and_one_standard_error(sparse_data):
    model = GLMCV(regularizer="Lasso", n_strengths=15, rule="one-standard-error").fit(*sparse_data)
    ax = plt.figure().add_subplot()
    assert model.plot_scores(ax) is ax
    points, ends = bars(ax)
    strengths, scores = model.regularizer_strengths_, model.cv_scores_
    mean, error = scores.mean(axis=1), scores.std(axis=1, ddof=1) / np.sqrt(5)
    np.testing.assert_allclose(points.get_xydata(), np.c_[strengths, mean])
    np.testing.assert_allclose(ends[:, :, 1], np.c_[mean - error, mean + error])
    best = np.argmax(mean)
    largest = max(s for s, m in zip(strengths, mean, strict=True) if m >= mean[best] - error[best])
    marks = {line.get_label().split(",")[0]: line for line in ax.get_lines()}
    assert marks["best"].get_xdata() == [strengths[best]]
    assert marks["one standard error"].get_xdata() == [largest]
    assert legend(ax) == [
        f"best, {strengths[best]:.3g}",
        f"one standard error, {largest:.3g} (chosen)",
    ]
    dashed = [line for line in ax.get_lines() if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed[0].get_ydata(), mean[best] - error[best])
    assert ax.get_ylabel().startswith("log-likelihood (nats/sample)")
    assert ax.get_xscale() == "log"


def test_scores_of_a_population_and_refusals(sparse_data):
    X, y = sparse_data
    model = PopulationGLMCV(n_strengths=4, cv=3).fit(X, np.c_[y, y[::-1]])
    points, _ = bars(model.plot_scores(neuron=1))
    np.testing.assert_allclose(points.get_ydata(), model.cv_scores_[:, :, 1].mean(axis=1))
    with pytest.raises(ValueError, match="say which `neuron`"):
        model.plot_scores()
    with pytest.raises(ValueError, match="no strength has a score"):
        plotting.plot_scores([1.0], [[np.nan, 1.0]])
    one_fold = plotting.plot_scores([1.0, 2.0], [[1.0], [2.0]])
    assert legend(one_fold) == ["best, 2"]


def test_pictures_without_matplotlib_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install spikeglm\[plot\]"):
        plotting.plot_coefficients([1.0])
    with pytest.raises(ImportError, match=r"pip install spikeglm\[plot\]"):
        plotting.plot_coupling_filters(np.zeros((1, 1, 2)), [1, 2])


def test_importing_does_not_import_matplotlib():
    import subprocess

    code = "import sys, spikeglm; assert not any('matplotlib' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert nmo.plotting is plotting
