"""The demo: a published place cell analysis, refitted, and the model one would fit today."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from .basis import BSplineBasis, RaisedCosineBasisLog
from .datasets import PlaceCell, load_place_cell
from .glm import GLM
from .goodness_of_fit import TimeRescaling, bits_per_spike, time_rescaling

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]

# Okabe-Ito, told apart by colour-blind readers and in grey print.
BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.35"

HISTORY_WINDOW = 150  # bins, here ms
# Best of six between 1e-8 and 1e-5 on the same held-out blocks; their likelihoods differ little.
RIDGE_STRENGTH = 3e-6

DIRECTION = BSplineBasis(2, order=1, bounds=(0, 1))  # order 1: one indicator per direction
POSITION = BSplineBasis(10, bounds=(-0.5, 100))
HISTORY = RaisedCosineBasisLog(6, mode="conv", window_size=HISTORY_WINDOW)


class Published(NamedTuple):
    """Numbers of Kramer and Eden (2016), as printed in the notebook of their chapter."""

    coefficients: tuple[float, ...]
    aic: float | None
    aic_drop: float | None


PUBLISHED = {
    "M2": Published((-7.438887, 0.012943), 3344.790862938608, None),
    "M3": Published((-26.279057, 0.690114, -0.005463), 2708.7763622920475, 636.0145006465605),
    "M4": Published((-28.870275, 0.688905, -0.005452, 3.275282), None, 233.8694473933126),
}
TERMS = ("1", "x", "x^2", "direction")


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model and what was needed to fit it."""

    name: str
    terms: str
    model: GLM
    features: FloatArray
    rate: FloatArray  # expected spikes per bin
    seconds: float


def run(output: Path) -> int:
    """Print the tables and write the picture; return the exit status.

    Returns
    -------
    int
        0 if every published number was met, 1 otherwise.
    """
    cell = load_place_cell()
    print(
        f"Place cell on a linear track: {cell.position.size:,} bins of 1 ms, "
        f"{cell.spike_counts.sum()} spikes.\n"
        "Data and published values: Kramer & Eden, Case Studies in Neural Data Analysis, 2016.\n"
    )
    published = fit_published(cell)
    agree = _print_published(published, cell)
    extended = fit_extended(cell)
    _print_comparison([*published, *extended], cell)

    try:
        figure = draw(cell, published[-1], extended[-1])
    except ImportError:
        print('\nFor the picture, install matplotlib: pip install "spikeglm[plot]"')
    else:
        figure.savefig(output, dpi=150)
        print(f"\nPicture written to {output}")
    return 0 if agree else 1


def fit_published(cell: PlaceCell) -> list[Fit]:
    """Fit the models M2 to M4 of the book: a Gaussian place field, then the direction."""
    x = cell.position
    columns = np.column_stack([x, x**2, cell.direction])
    return [
        _fit(f"M{p + 1}", terms, columns[:, :p], cell, GLM())
        for p, terms in ((1, "x"), (2, "x, x^2"), (3, "x, x^2, direction"))
    ]


def fit_extended(cell: PlaceCell) -> list[Fit]:
    """Fit a place field of free shape in each direction, without and with spike history."""
    field = DIRECTION * POSITION
    field_features = field.compute_features(cell.direction, cell.position)
    full_features = (field + HISTORY).compute_features(
        cell.direction, cell.position, cell.spike_counts
    )
    return [
        _fit("S1", "spline(x) by direction", field_features, cell, _ridge()),
        _fit("S2", "S1 + spike history", full_features, cell, _ridge()),
    ]


def _ridge() -> GLM:
    return GLM(regularizer="Ridge", regularizer_strength=RIDGE_STRENGTH)


def _fit(name: str, terms: str, features: FloatArray, cell: PlaceCell, model: GLM) -> Fit:
    start = time.perf_counter()
    model.fit(features, cell.spike_counts)
    seconds = time.perf_counter() - start
    return Fit(name, terms, model, features, np.asarray(model.predict(features)), seconds)


def _aic(fit: Fit, cell: PlaceCell) -> float:
    log_likelihood = fit.model.score(
        fit.features, cell.spike_counts, aggregate_sample_scores=np.sum
    )
    return float(2 * (fit.model.coef_.size + 1) - 2 * log_likelihood)


def _held_out_rate(fit: Fit, cell: PlaceCell, n_folds: int = 5, block: int = 5000) -> FloatArray:
    """Rate of each block of 5 s, predicted by a model that was fitted to the other folds."""
    fold = np.arange(cell.position.size) // block % n_folds
    rate = np.empty(cell.position.size)
    for k in range(n_folds):
        held_out = fold == k
        model = clone(fit.model).fit(
            fit.features[~held_out],
            cell.spike_counts[~held_out],
            init_params=(fit.model.coef_, fit.model.intercept_),  # few steps from here
        )
        rate[held_out] = model.predict(fit.features[held_out])
    return rate


def _print_published(fits: list[Fit], cell: PlaceCell) -> bool:
    print(f"{'':3} {'':22} {'fitted':>12} {'published':>12}")
    agree = True

    def line(model: str, what: str, fitted: float, expected: float | None, digits: int) -> None:
        nonlocal agree
        text = f"{fitted:.{digits}f}"
        expected_text = "" if expected is None else f"{expected:.{digits}f}"
        verdict = "" if expected is None else "ok" if text == expected_text else "DIFFERS"
        agree = agree and verdict != "DIFFERS"
        print(f"{model:3} {what:22} {text:>12} {expected_text:>12}  {verdict}".rstrip())

    previous = np.nan
    for fit in fits:
        reference = PUBLISHED[fit.name]
        fitted = np.concatenate([fit.model.intercept_, fit.model.coef_])
        for i, (value, expected) in enumerate(zip(fitted, reference.coefficients, strict=True)):
            line("" if i else fit.name, TERMS[i], value, expected, digits=6)
        aic = _aic(fit, cell)
        line("", "AIC", aic, reference.aic, digits=3)
        if reference.aic_drop is not None:
            line("", "AIC below the previous", previous - aic, reference.aic_drop, digits=3)
        previous = aic
    return agree


def _print_comparison(fits: list[Fit], cell: PlaceCell) -> None:
    # One set of rows for all: those in which the longest model has its whole history.
    rows = slice(HISTORY_WINDOW, None)
    counts = cell.spike_counts[rows]
    tests = [time_rescaling(counts, fit.rate[rows]) for fit in fits]
    print(
        f"\nOn the same {counts.size:,} bins; S1 and S2 have {POSITION.n_basis_funcs} splines in "
        f"each direction and Ridge of strength {RIDGE_STRENGTH:g},\nS2 also "
        f"{HISTORY.n_basis_funcs} history functions over {HISTORY_WINDOW} ms. "
        "Bits per spike are gained over a constant rate;\nheld out: fitted to four fifths of the "
        "recording, in turns, in blocks of 5 s.\n"
    )
    print(
        f"{'':2} {'':23} {'coefs':>5} {'iter':>4} {'KKT':>8} {'fit, ms':>8} "
        f"{'bits/spike':>10} {'held out':>8} {'KS':>6}  95 % band"
    )
    for fit, test in zip(fits, tests, strict=True):
        verdict = "inside" if test.passed else "outside"
        print(
            f"{fit.name:2} {fit.terms:23} {fit.model.coef_.size + 1:5} "
            f"{int(np.max(fit.model.n_iter_)):4} {float(np.max(fit.model.kkt_)):8.1e} "
            f"{1e3 * fit.seconds:8.1f} {bits_per_spike(counts, fit.rate[rows]):10.3f} "
            f"{bits_per_spike(counts, _held_out_rate(fit, cell)[rows]):8.3f} "
            f"{test.ks_statistic:6.3f}  {test.ks_bound:.3f} {verdict}"
        )


def draw(cell: PlaceCell, published: Fit, full: Fit) -> Figure:
    """Draw place field, history filter and time rescaling side by side.

    Parameters
    ----------
    cell : PlaceCell
    published : Fit
        The last published model, for comparison.
    full : Fit
        The model with splines by direction and spike history.

    Returns
    -------
    matplotlib.figure.Figure
        Three axes, with an Agg canvas.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(
        {
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "legend.fontsize": 8.5,
        }
    ):
        figure = Figure(figsize=(11, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        field, history, rescaling = figure.subplots(1, 3, width_ratios=(1.35, 1, 1))
        _draw_field(field, cell, published, full)
        _draw_history(history, full)
        rows = slice(HISTORY_WINDOW, None)
        _draw_rescaling(
            rescaling,
            time_rescaling(cell.spike_counts[rows], published.rate[rows]),
            time_rescaling(cell.spike_counts[rows], full.rate[rows]),
        )
    return figure


def _draw_field(ax: Axes, cell: PlaceCell, published: Fit, full: Fit) -> None:
    edges = np.arange(0, 101, 4)
    grid = np.linspace(0, 100, 401)
    directions = ((1, BLUE, "S2, towards 100 cm"), (0, VERMILION, "S2, towards 0 cm"))
    for direction, color, label in directions:
        moving = cell.direction == direction
        in_bin = np.histogram(cell.position[moving], edges)[0] * cell.bin_size
        spikes = np.histogram(cell.position[moving], edges, weights=cell.spike_counts[moving])[0]
        ax.stairs(spikes / in_bin, edges, color=color, fill=True, alpha=0.25)
        # The place field proper: the rate when no spike came within the history window.
        features = (DIRECTION * POSITION).compute_features(np.full(grid.size, direction), grid)
        eta = full.model.intercept_ + features @ full.model.coef_[: features.shape[1]]
        ax.plot(grid, np.exp(eta) / cell.bin_size, color=color, linewidth=2, label=label)
    gaussian = np.column_stack([grid, grid**2, np.ones(grid.size)])
    ax.plot(
        grid,
        np.asarray(published.model.predict(gaussian)) / cell.bin_size,
        color=GREY,
        linewidth=1.2,
        linestyle="--",
        label="M4, towards 100 cm",
    )
    ax.set(
        title="Place field",
        xlabel="position on the track (cm)",
        ylabel="rate (spikes/s)",
        xlim=(0, 100),
        ylim=(0, None),
    )
    ax.legend(title="bars: recorded, lines: fitted", loc="upper left", alignment="left")


def _draw_history(ax: Axes, full: Fit) -> None:
    kernels = HISTORY.evaluate_on_grid(HISTORY_WINDOW)[1]
    multiplier = np.exp(kernels @ full.model.coef_[-HISTORY.n_basis_funcs :])
    lag = np.arange(1, HISTORY_WINDOW + 1)
    ax.axhline(1, color="0.55", linewidth=0.8)
    ax.plot(lag, multiplier, color=GREEN, linewidth=2)
    ax.set(
        title="Spike history",
        xlabel="time since a spike (ms)",
        ylabel="rate multiplier",
        xlim=(0, HISTORY_WINDOW),
        ylim=(0, None),
    )


def _draw_rescaling(ax: Axes, published: TimeRescaling, full: TimeRescaling) -> None:
    published.plot(ax, color=GREY, linewidth=1.2, label="M4, published")
    full.plot(ax, band=False, color=GREEN, linewidth=1.6, label="S2, splines and history")
    ax.set(title="Time rescaling", aspect="auto")  # as high as its neighbours
    ax.legend(loc="lower right")
