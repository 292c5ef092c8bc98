"""What the pictures of bases show."""

import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from spikeglm.basis import (
    AdditiveBasis,
    BSplineBasis,
    Category,
    CustomBasis,
    CyclicBSplineBasis,
    FourierBasis,
    HistoryBasis,
    IdentityBasis,
    MSplineBasis,
    OrthExponentialBasis,
    RaisedCosineBasisLinear,
    RaisedCosineBasisLog,
    Zero,
)

POSITION = BSplineBasis(6, bounds=(-50, 100), label="position (cm)")
SPEED = RaisedCosineBasisLinear(4, bounds=(0, 60), label="speed (cm/s)")
COUPLING = RaisedCosineBasisLog(5, mode="conv", window_size=30)


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def coefficients(basis):
    return np.random.default_rng(3).normal(size=basis.n_basis_funcs)


def curves(ax):
    """Return x and the values of the lines, one column each."""
    lines = ax.get_lines()
    x = lines[0].get_xdata()
    assert all(np.array_equal(line.get_xdata(), x) for line in lines)
    return x, np.column_stack([line.get_ydata() for line in lines])


def image(ax):
    """Return what an image shows at (x, y), and its extent."""
    (shown,) = ax.get_images()
    assert shown.origin == "lower"
    return np.asarray(shown.get_array()).T, shown.get_extent()


@pytest.mark.parametrize(
    "basis",
    [
        POSITION,
        SPEED,
        MSplineBasis(5, bounds=(10, 30)),
        CyclicBSplineBasis(5, bounds=(0, 2 * np.pi)),
        FourierBasis(4, bounds=(0, 360)),
        IdentityBasis(bounds=(-1, 1)),
    ],
    ids=lambda basis: type(basis).__name__,
)
def test_curves_are_the_functions_over_the_bounds(basis):
    x, values = curves(basis.plot(n_points=37))
    grid, expected = basis.evaluate_on_grid(37)
    np.testing.assert_array_equal(x, grid)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-14)


def test_names_of_a_curve_panel():
    ax = POSITION.plot()
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == (
        "position (cm)",
        "position (cm)",
        "value",
    )
    assert ax.get_xlim() == (-50, 100)
    ax = BSplineBasis(5).plot()
    assert (ax.get_title(), ax.get_xlabel()) == ("BSplineEval", "input (rescaled)")
    assert ax.get_xlim() == (0, 1)
    assert ax.get_legend() is None


def test_bounds_that_were_learned_are_shown():
    basis = BSplineBasis(5)
    basis.setup_basis(np.array([2.0, 7.0, 3.0]))
    ax = basis.plot()
    assert ax.get_xlim() == (2, 7)
    assert ax.get_xlabel() == "input"
    assert basis.bounds is None


def test_channels_share_a_picture():
    same, different = (
        BSplineBasis(5, bounds=((0, 2), (0, 2))),
        BSplineBasis(5, bounds=((0, 2), (1, 9))),
    )
    assert same.plot().get_xlim() == (0, 2)
    ax = different.plot(n_points=11)
    assert ax.get_xlabel() == "input (rescaled)"
    expected = BSplineBasis(5, bounds=(0, 1)).evaluate_on_grid(11)[1]
    np.testing.assert_allclose(curves(ax)[1], expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("causality", ["causal", "anti-causal", "acausal"])
@pytest.mark.parametrize("shift", [None, False])
@pytest.mark.parametrize("window", [4, 5])
def test_filters_are_responses_to_an_impulse(causality, shift, window):
    basis = BSplineBasis(
        4, mode="conv", window_size=window, predictor_causality=causality, shift=shift
    )
    impulse = np.zeros(41)
    impulse[20] = 1.0
    lags, values = curves(basis.plot())
    responses = basis.compute_features(impulse)
    np.testing.assert_allclose(values, responses[20 + lags.astype(int)], rtol=0, atol=1e-12)
    assert np.nansum(np.abs(responses)) == pytest.approx(np.abs(values).sum())


def test_time_axis_is_in_bins_or_seconds():
    ax = COUPLING.plot()
    assert ax.get_xlabel() == "lag (bins)"
    np.testing.assert_array_equal(curves(ax)[0], np.arange(1, 31))
    ax = COUPLING.plot(bin_size=0.01)
    assert ax.get_xlabel() == "lag (s)"
    np.testing.assert_allclose(curves(ax)[0], 0.01 * np.arange(1, 31))
    np.testing.assert_allclose(ax.get_xlim(), (0.005, 0.305))
    future = HistoryBasis(3, predictor_causality="anti-causal").plot()
    assert future.get_xlabel() == "lag (bins; below 0: the future)"


def test_colours_run_from_dark_to_light_but_not_to_yellow():
    for n in (2, 8, 50):
        ax = BSplineBasis(n, order=2).plot()
        weights = np.array([0.2126, 0.7152, 0.0722])
        luminance = [weights @ to_rgb(line.get_color()) for line in ax.get_lines()]
        assert np.all(np.diff(luminance) > 0)
        assert luminance[-1] < 0.75


def test_sines_have_the_colour_of_their_cosines():
    ax = FourierBasis(3, frequency_mask="all").plot()
    constant, cos1, cos2, sin1, sin2 = ax.get_lines()
    assert [line.get_linestyle() for line in (constant, cos1, cos2, sin1, sin2)] == [*"---"] + [
        "--"
    ] * 2
    assert (cos1.get_color(), cos2.get_color()) == (sin1.get_color(), sin2.get_color())
    assert ax.get_ylabel() == "value (sines dashed)"


def test_weighted_sum_over_weighted_functions():
    coef = coefficients(POSITION)
    ax = POSITION.plot(coef=coef, n_points=50)
    functions = POSITION.evaluate_on_grid(50)[1]
    *parts, total, zero = curves(ax)[1].T
    np.testing.assert_allclose(np.transpose(parts), functions * coef, rtol=0, atol=1e-14)
    np.testing.assert_allclose(total, functions @ coef, rtol=0, atol=1e-14)
    assert not zero.any()
    *faint, dark, _ = ax.get_lines()
    assert all(line.get_linewidth() < dark.get_linewidth() for line in faint)
    assert all(line.get_alpha() < 1 for line in faint)
    assert ax.get_ylabel() == "linear predictor"
    assert COUPLING.plot(coef=np.ones(5)).get_ylabel() == "filter"


def test_history_is_stems():
    stems = HistoryBasis(4).plot().collections[0].get_segments()
    np.testing.assert_array_equal(stems, [[[lag, 0], [lag, 1]] for lag in (1, 2, 3, 4)])
    stems = HistoryBasis(2).plot(coef=[0.5, -2], bin_size=0.1).collections[0].get_segments()
    np.testing.assert_allclose(stems, [[[0.1, 0], [0.1, 0.5]], [[0.2, 0], [0.2, -2]]])


def test_categories_are_bars_with_their_names():
    basis = Category(["right", "left"], label="turn")
    ax = basis.plot(coef=[0.25, -1.5])
    assert [bar.get_height() for bar in ax.patches] == [0.25, -1.5]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["left", "right"]
    assert ax.get_xlabel() == "turn"
    assert [bar.get_height() for bar in basis.plot().patches] == [1, 1]
    assert len(Category(100).plot().get_xticks()) <= 12


def test_polar_axes_show_one_turn():
    for bounds in ((0, 2 * np.pi), (-180, 180), (0, 1)):
        ax = plt.figure().add_subplot(projection="polar")
        basis = CyclicBSplineBasis(5, bounds=bounds)
        assert basis.plot(ax, n_points=73) is ax
        theta, values = curves(ax)
        assert theta[-1] - theta[0] == pytest.approx(2 * np.pi)
        np.testing.assert_allclose(theta[0], 2 * np.pi * bounds[0] / (bounds[1] - bounds[0]))
        np.testing.assert_allclose(values[0], values[-1], atol=1e-14)
    with pytest.raises(ValueError, match="polar Axes show functions of one bounded input"):
        COUPLING.plot(ax)


def test_product_is_tiles_where_its_peaks_lie():
    basis = POSITION * SPEED
    ax = basis.plot(n_points=31)
    assert ax.get_title() == "(position (cm) * speed (cm/s))"
    assert ax.get_xlabel() == "position (cm), -50 to 100"
    assert ax.get_ylabel() == "speed (cm/s), 0 to 60"
    assert len(ax.child_axes) == 24
    values = basis.evaluate_on_grid(31, 31)[2]
    ax.figure.canvas.draw()
    corners = []
    for i, tile in enumerate(ax.child_axes):
        shown, extent = image(tile)
        np.testing.assert_allclose(shown, values[..., i], rtol=0, atol=1e-14)
        # Points are in the middle of their pixels, 5 cm and 2 cm/s wide.
        np.testing.assert_allclose(extent, (-52.5, 102.5, -1, 61))
        assert (tile.get_xlim(), tile.get_ylim()) == ((-50, 100), (0, 60))
        assert not len(tile.get_xticks())
        corners.append(tile.get_position().p0)
    corners = np.reshape(corners, (6, 4, 2))
    assert np.all(np.diff(corners[..., 0], axis=0) > 0)
    assert np.all(np.diff(corners[..., 1], axis=1) > 0)


def test_factors_without_bounds_cover_zero_to_one():
    basis = BSplineBasis(4) * BSplineBasis(5, order=3)
    ax = basis.plot(n_points=21)
    assert ax.get_xlabel() == "BSplineEval (rescaled), 0 to 1"
    assert ax.get_ylabel() == "BSplineEval_1 (rescaled), 0 to 1"
    first = BSplineBasis(4).evaluate_on_grid(21)[1]
    second = BSplineBasis(5, order=3).evaluate_on_grid(21)[1]
    shown, _ = image(ax.child_axes[7])
    np.testing.assert_allclose(shown, np.outer(first[:, 1], second[:, 2]), rtol=0, atol=1e-14)


def test_many_bumps_are_contours_at_half_of_their_maximum():
    basis = BSplineBasis(8, bounds=(0, 80), label="x") * BSplineBasis(7, bounds=(0, 70), label="y")
    ax = basis.plot(n_points=81)
    assert not ax.child_axes
    (outlines,) = ax.collections
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 80), (0, 70))
    peaks = basis.evaluate_on_grid(400, 400)[2].max(axis=(0, 1))
    lines = [path.vertices for path in outlines.get_paths()]
    assert len(lines) == 56
    for i, line in enumerate(lines):
        on_line = basis.evaluate(*np.clip(line.T, 0, [[80], [70]]))[:, i]
        np.testing.assert_allclose(on_line, 0.5 * peaks[i], rtol=0.05)
    colors = outlines.get_colors().reshape(8, 7, 4)
    assert len(np.unique(colors, axis=0)) == 8
    assert np.all(colors == colors[:, :1])


def test_waves_in_two_dimensions():
    basis = FourierBasis((0, 3), ndim=2, bounds=((0, 10), (0, 1)), label="grid")
    ax = basis.plot(n_points=11)
    assert len(ax.child_axes) == basis.n_basis_funcs == 16
    assert ax.get_xlabel() == "grid, input 0, 0 to 10"
    x, y = np.meshgrid(np.linspace(0, 10, 11), np.linspace(0, 1, 11), indexing="ij")
    shown, _ = image(ax.child_axes[4])  # the frequencies 1 and 2
    np.testing.assert_allclose(shown, np.cos(2 * np.pi * (x / 10 + 2 * y)), rtol=0, atol=1e-13)
    np.testing.assert_allclose(ax.child_axes[4].get_images()[0].get_clim(), (-1, 1))
    ax = FourierBasis(5, ndim=2).plot(n_points=11)
    assert len(ax.child_axes) == 36
    assert ax.get_title() == "FourierEval: the first 36 of 48"


def test_weighted_sum_of_two_inputs_is_an_image_with_a_colour_bar():
    basis = POSITION * COUPLING
    coef = coefficients(basis)
    ax = basis.plot(coef=coef, n_points=16)
    shown, extent = image(ax)
    first, second = POSITION.evaluate_on_grid(16)[1], COUPLING.kernel_
    expected = first @ coef.reshape(6, 5) @ second.T
    np.testing.assert_allclose(shown, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(extent, (-55, 105, 0.5, 30.5))
    assert ax.get_ylabel() == "RaisedCosineLogConv: lag (bins)"
    assert ax.get_images()[0].colorbar.ax.get_ylabel() == "filter"


def test_weighted_sum_with_a_category_has_a_line_for_each():
    basis = Category(["left", "right"], label="direction") * POSITION
    coef = coefficients(basis)
    ax = basis.plot(coef=coef, n_points=20)
    functions = POSITION.evaluate_on_grid(20)[1]
    left, right, _ = ax.get_lines()
    np.testing.assert_allclose(left.get_ydata(), functions @ coef[:6], rtol=0, atol=1e-14)
    np.testing.assert_allclose(right.get_ydata(), functions @ coef[6:], rtol=0, atol=1e-14)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["left", "right"]
    assert ax.get_legend().get_title().get_text() == "direction"
    assert ax.get_xlabel() == "position (cm)"


def test_sum_has_a_panel_for_each_component():
    basis = (
        POSITION + COUPLING + POSITION.__sklearn_clone__().set_params(label="p") * SPEED + Zero()
    )
    coef = coefficients(basis)
    panels = basis.plot(coef=coef, bin_size=0.01, n_points=16)
    assert [panel.get_title() for panel in panels] == [
        "position (cm)",
        "RaisedCosineLogConv",
        "(p * speed (cm/s))",
    ]
    basis.set_input_shape(*[1] * basis.n_inputs)
    parts = list(basis.split_by_feature(coef, axis=0).values())
    total = curves(panels[0])[1][:, -2]
    np.testing.assert_allclose(total, POSITION.evaluate_on_grid(16)[1] @ parts[0], atol=1e-14)
    total = curves(panels[1])[1][:, -2]
    np.testing.assert_allclose(total, COUPLING.kernel_ @ parts[1], atol=1e-14)
    expected = (POSITION * SPEED).evaluate_on_grid(16, 16)[2] @ parts[2]
    np.testing.assert_allclose(image(panels[2])[0], expected, atol=1e-13)


def test_panels_can_be_given():
    _, axes = plt.subplots(1, 2)
    panels = (POSITION + COUPLING).plot(axes)
    assert list(panels) == list(axes)
    assert POSITION.plot(axes[1]) is axes[1]
    n_figures = len(plt.get_fignums())
    assert len((COUPLING * 12).plot()) == 12
    assert len(plt.get_fignums()) == n_figures + 1


def test_custom_functions_need_bounds():
    basis = CustomBasis([np.sin, lambda x: x**2], bounds=(0, 3))
    before = dict(basis.__dict__)
    x, values = curves(basis.plot(n_points=9))
    np.testing.assert_allclose(values, np.column_stack([np.sin(x), x**2]))
    assert basis.__dict__ == before
    plane = CustomBasis([lambda x, y: x + 2 * y], bounds=(0, 1))
    shown, _ = image(plane.plot(n_points=3).child_axes[0])
    np.testing.assert_allclose(shown, [[0, 1, 2], [0.5, 1.5, 2.5], [1, 2, 3]])
    with pytest.raises(ValueError, match="pass `bounds` to the CustomBasis"):
        CustomBasis([np.sin]).plot()


def test_transformers_can_be_drawn():
    x, _ = curves(POSITION.to_transformer().plot(n_points=5))
    np.testing.assert_array_equal(x, [-50, -12.5, 25, 62.5, 100])


def test_children_can_be_drawn():
    basis = POSITION * SPEED * COUPLING
    with pytest.raises(ValueError, match=r"one or two inputs.*has 3.*'speed \(cm/s\)'"):
        basis.plot()
    assert basis["speed (cm/s)"].plot().get_title() == "speed (cm/s)"
    with pytest.raises(ValueError, match="one or two inputs"):
        FourierBasis(2, ndim=3).plot()


@pytest.mark.parametrize(
    ("basis", "arguments", "error", "message"),
    [
        (POSITION, {"coef": np.ones(5)}, ValueError, r"each of the 6 functions, got shape \(5,\)"),
        (POSITION, {"coef": np.ones((6, 2))}, ValueError, "one neuron"),
        (POSITION, {"coef": ["a"] * 6}, TypeError, "coef must hold numbers"),
        (POSITION, {"n_points": 1}, ValueError, "`n_points` must be an integer from 2"),
        (POSITION, {"bin_size": 0.01}, ValueError, "no meaning without a basis in mode"),
        (COUPLING, {"bin_size": 0.0}, ValueError, "must be above 0"),
        (COUPLING, {"bin_size": "1"}, TypeError, "`bin_size` must be a number"),
        (COUPLING, {"ax": 3}, TypeError, "`ax` must be matplotlib Axes"),
        (Zero(), {}, ValueError, "no functions to draw"),
        (OrthExponentialBasis(2, [1, 2]), {"coef": [1, 2]}, ValueError, "depend on the samples"),
    ],
)
def test_errors_make_no_figure(basis, arguments, error, message):
    with pytest.raises(error, match=message):
        basis.plot(**arguments)
    assert not plt.get_fignums()


def test_number_of_axes_must_fit():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="must hold 2 Axes"):
        AdditiveBasis(POSITION, COUPLING).plot(ax)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'spikeglm\[plot\]'"):
        POSITION.plot()
