"""Pictures of bases: a panel for each additive component, curves of one input, images of two."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._validation import FloatArray, bounds_ranges, numeric_array, real_number, whole_number
from ._atomic import AtomicBasis
from ._base import Basis
from ._category import Category
from ._custom import CustomBasis
from ._families import HistoryBasis, IdentityBasis, OrthExponentialBasis
from ._fourier import FourierBasis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Style = tuple[Any, str]  # colour and line style

DARK = "0.1"
# Okabe-Ito without yellow, for categories, which have no order.
CATEGORY_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "black")
MOST_TILES, LONGEST_ROW = 36, 12
MOST_MARKED_BINS = 40
CURVE_POINTS, IMAGE_POINTS = 500, 101


@dataclass(frozen=True)
class Input:
    """One input of a basis as an axis of a picture."""

    points: FloatArray
    name: str
    categories: tuple[str, ...] | None = None
    in_bins: bool = False

    @property
    def edges(self) -> tuple[float, float]:
        """Where an image with a pixel around each point begins and ends."""
        half = 0.5 * self.step
        return float(self.points[0]) - half, float(self.points[-1]) + half

    @property
    def limits(self) -> tuple[float, float]:
        """What the axis shows: all of each bin and category, and no more than the bounds."""
        return self.edges if self.is_discrete else (float(self.points[0]), float(self.points[-1]))

    @property
    def is_discrete(self) -> bool:
        """Whether there is nothing between the points."""
        return self.in_bins or self.categories is not None

    @property
    def extent(self) -> str:
        """What the axis shows, where it has no ticks."""
        if self.categories is None:
            return f"{self.points[0]:.4g} to {self.points[-1]:.4g}"
        return " to ".join(dict.fromkeys((self.categories[0], self.categories[-1])))

    @property
    def step(self) -> float:
        """Distance between points."""
        return float(self.points[1] - self.points[0]) if len(self.points) > 1 else 1.0


@dataclass(frozen=True)
class Picture:
    """A component of a basis, its functions on a grid, and their weights where there are any."""

    component: Basis
    inputs: list[Input]
    values: FloatArray  # one dimension for each input, then the functions
    weights: FloatArray | None


def draw(
    basis: Basis, ax: Any, n_points: int | None, bin_size: float | None, coef: Any
) -> "Axes | NDArray[Any]":
    """Do what `Basis.plot` says."""
    components = [component for component in basis if component.n_basis_funcs]
    if not components:
        raise ValueError(f"{basis.label} has no functions to draw.")
    _check_time(components, bin_size)
    pictures = [
        _picture(component, n_points, bin_size, weights)
        for component, weights in zip(components, _weights(components, coef), strict=True)
    ]
    panels = _panels(ax, len(pictures))
    for panel, picture in zip(panels, pictures, strict=True):
        _draw_panel(panel, picture)
    return panels[0] if len(panels) == 1 else panels


# What is drawn.


def _check_time(components: list[Basis], bin_size: float | None) -> None:
    if bin_size is None:
        return
    if not 0 < real_number(bin_size, "bin_size") < np.inf:
        raise ValueError(f"`bin_size` (in seconds) must be above 0, got {bin_size!r}.")
    if not any(_is_conv(leaf) for component in components for leaf in component._leaves()):
        raise ValueError('`bin_size` has no meaning without a basis in mode="conv".')


def _is_conv(basis: Basis) -> bool:
    return isinstance(basis, AtomicBasis) and basis.mode == "conv"


def _weights(components: list[Basis], coef: Any) -> Sequence[FloatArray | None]:
    """Return the coefficients of each component."""
    if coef is None:
        return [None] * len(components)
    counts = [component.n_basis_funcs for component in components]
    array = numeric_array(coef, "coef").astype(np.float64)
    if array.shape != (sum(counts),):
        raise ValueError(
            f"`coef` must have one entry for each of the {sum(counts)} functions, got shape "
            f"{array.shape}; for inputs of several channels pass those of one channel, for a "
            "population those of one neuron."
        )
    for component in components:
        for leaf in component._leaves():
            if isinstance(leaf, OrthExponentialBasis) and leaf.mode == "eval":
                raise ValueError(
                    f"the functions of {leaf.label} depend on the samples that they were computed "
                    "from, so that `coef` says nothing of a grid: draw "
                    "compute_features(x) @ coef against x instead."
                )
    return np.split(array, np.cumsum(counts)[:-1])


def _picture(
    component: Basis, n_points: int | None, bin_size: float | None, weights: FloatArray | None
) -> Picture:
    if component.n_inputs > 2:
        parts = ", ".join(repr(leaf.label) for leaf in component._leaves())
        hint = f" Draw its parts ({parts}) one by one: basis[label].plot()."
        raise ValueError(
            f"functions of one or two inputs can be drawn, {component.label} has "
            f"{component.n_inputs}." + (hint if component._children() else "")
        )
    if n_points is None:
        n_points = CURVE_POINTS if component.n_inputs == 1 else IMAGE_POINTS
    n_points = whole_number(n_points, "n_points", 2)
    named = component.n_inputs > 1
    inputs = [_input(leaf, index, n_points, bin_size, named) for leaf, index in component._slots()]
    return Picture(component, inputs, _values_at(component, inputs), weights)


def _input(leaf: Any, index: int, n_points: int, bin_size: float | None, named: bool) -> Input:
    """Return the axis of an input; `named` where the picture has another one."""
    name = leaf.label if named or leaf._label is not None else "input"
    if _is_conv(leaf):
        lags = _lags(leaf)
        prefix = f"{name}: " if named else ""
        future = "" if lags[0] >= 0 else "; below 0: the future"
        unit = "bins" if bin_size is None else "s"
        scaled = lags * (1.0 if bin_size is None else bin_size)
        return Input(scaled, f"{prefix}lag ({unit}{future})", in_bins=True)
    if isinstance(leaf, Category):
        categories = tuple(map(str, leaf._sorted()))
        return Input(np.arange(len(categories), dtype=np.float64), name, categories)
    if leaf.n_inputs > 1:
        name = f"{name}, input {index}"
    found = _range(leaf, index)
    if found is None and not isinstance(leaf, IdentityBasis):
        name += " (rescaled)"
    low, high = found or (0.0, 1.0)
    return Input(np.linspace(low, high, n_points), name)


def _lags(basis: Any) -> FloatArray:
    """Return how many samples ago each entry of the filters looks; negative in the future."""
    window = int(basis.window_size)
    last = {
        "causal": window - 1 + basis._shifts(),
        "anti-causal": -int(basis._shifts()),
        "acausal": (window - 1) // 2,
    }[basis.predictor_causality]
    return np.arange(last - window + 1, last + 1, dtype=np.float64)


def _range(leaf: Any, index: int) -> tuple[float, float] | None:
    """Return the bounds that were given, frozen or learned; None without, or if channels differ."""
    if isinstance(leaf, FourierBasis):
        given = leaf._given()
        learned = leaf.bounds_[index] if hasattr(leaf, "bounds_") else []
        ranges = learned if given is None else given[index : index + 1]
    else:
        ranges = bounds_ranges(leaf.bounds) or getattr(leaf, "bounds_", [])
    if len(ranges) == 0 and isinstance(leaf, CustomBasis):
        raise ValueError(
            f"the functions of {leaf.label} say nothing of where they live: pass `bounds` to the "
            "CustomBasis to draw it."
        )
    pairs = {(float(low), float(high)) for low, high in ranges}
    if len(pairs) != 1:
        return None
    ((low, high),) = pairs
    return (low, high) if low < high and np.isfinite(high - low) else None


def _values_at(basis: Any, inputs: list[Input]) -> FloatArray:
    """Return the functions on the grid of the inputs, (*points, n_basis_funcs)."""
    if basis._children():
        first, second = (
            _values_at(factor, [axis])
            for factor, axis in zip(basis._children(), inputs, strict=True)
        )
        product = first[:, None, :, None] * second[None, :, None, :]
        return product.reshape(len(first), len(second), -1)
    if _is_conv(basis):
        return basis.kernel_
    if isinstance(basis, Category):
        return np.eye(basis.n_basis_funcs)
    grids = [grid.ravel() for grid in np.meshgrid(*(i.points for i in inputs), indexing="ij")]
    # A copy: the bounds may differ by channel, and a CustomBasis remembers what it has returned.
    basis = copy.copy(basis)
    if not isinstance(basis, CustomBasis):
        basis.set_bounds(*((axis.points[0], axis.points[-1]) for axis in inputs))
    values = basis.evaluate(*grids)
    shape = (*(len(axis.points) for axis in inputs), basis.n_basis_funcs)
    if values.size != np.prod(shape):
        raise ValueError(
            f"the functions of {basis.label} return samples of shape {values.shape[1:-1]}; only "
            "those that return one number for each sample can be drawn."
        )
    return values.reshape(shape)


# Where it is drawn.


def _panels(ax: Any, n_panels: int) -> NDArray[Any]:
    try:
        from matplotlib import pyplot
        from matplotlib.axes import Axes
    except ImportError as error:
        raise ImportError(
            "plot needs matplotlib, which is not installed: pip install 'spikeglm[plot]'"
        ) from error

    if ax is not None:
        panels = np.ravel(np.asarray(ax, dtype=object))
        if not all(isinstance(panel, Axes) for panel in panels):
            raise TypeError(f"`ax` must be matplotlib Axes, or an array of them, got {ax!r}.")
        if len(panels) != n_panels:
            raise ValueError(
                f"`ax` must hold {n_panels} Axes, one for each additive component that has "
                f"functions, got {len(panels)}."
            )
        return panels
    n_columns = min(n_panels, 3) if n_panels <= 9 else int(np.ceil(np.sqrt(n_panels)))
    n_rows = -(-n_panels // n_columns)
    width = min(3.8, 16 / n_columns) if n_panels > 1 else 5.0
    size = (width * n_columns, 0.75 * width * n_rows)
    figure = pyplot.figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(n_rows, n_columns)
    return np.array([figure.add_subplot(grid[divmod(i, n_columns)]) for i in range(n_panels)])


def _draw_panel(ax: Any, picture: Picture) -> None:
    first, *rest = picture.inputs
    if ax.name == "polar" and (rest or first.in_bins or first.categories is not None):
        raise ValueError(
            f"polar Axes show functions of one bounded input, which {picture.component.label} is "
            "not."
        )
    ax.set_title(picture.component.label)
    if not rest:
        _draw_curves(ax, picture)
    elif picture.weights is None:
        _draw_functions_of_two(ax, picture)
    else:
        _draw_sum_of_two(ax, picture, picture.values @ picture.weights)


# One input.


def _draw_curves(ax: Any, picture: Picture) -> None:
    (axis,) = picture.inputs
    weights = picture.weights
    styles = _styles(picture.component)
    ax.set_xlabel(axis.name)
    if axis.categories is not None or isinstance(picture.component, HistoryBasis):
        heights = np.ones(len(axis.points)) if weights is None else weights
        colors = [color for color, _ in styles] if weights is None else DARK
        _draw_indicators(ax, axis, heights, colors)
    else:
        x = axis.points
        if ax.name == "polar":
            x = 2 * np.pi * x / (x[-1] - x[0])
        marker = "o" if axis.in_bins and len(x) <= MOST_MARKED_BINS else None
        values = picture.values if weights is None else picture.values * weights
        width, alpha = (1.5, 1.0) if weights is None else (1.0, 0.5)
        for function, (color, style) in zip(values.T, styles, strict=True):
            ax.plot(
                x, function, style, color=color, lw=width, alpha=alpha, marker=marker, markersize=3
            )
        if weights is not None:
            ax.plot(x, values.sum(axis=1), color=DARK, lw=2.5, marker=marker, markersize=4)
            ax.plot(x, np.zeros(len(x)), color="0.6", lw=0.8, zorder=0)
    if ax.name != "polar":
        ax.set_ylabel(_value_name(picture, any(style != "-" for _, style in styles)))
        ax.set_xlim(*axis.limits)


def _draw_indicators(ax: Any, axis: Input, heights: FloatArray, colors: Any) -> None:
    if axis.categories is not None:
        ax.bar(axis.points, heights, width=0.7, color=colors)
        _name_categories(ax.xaxis, axis.categories)
    else:
        ax.vlines(axis.points, 0.0, heights, colors=colors, lw=1.2)
        if len(axis.points) <= MOST_MARKED_BINS:
            ax.scatter(axis.points, heights, c=colors, s=14, zorder=3)
    ax.axhline(0.0, color="0.6", lw=0.8, zorder=0)


def _value_name(picture: Picture, has_sines: bool) -> str:
    if picture.weights is None:
        return "value (sines dashed)" if has_sines else "value"
    if any(axis.in_bins for axis in picture.inputs):
        return "filter"
    return "linear predictor"


def _styles(basis: Basis) -> list[Style]:
    """Return how each function is drawn: colours in order; of a frequency, the sine dashed."""
    if isinstance(basis, Category) and basis.n_basis_funcs <= len(CATEGORY_COLORS):
        return [(color, "-") for color in CATEGORY_COLORS[: basis.n_basis_funcs]]
    if not isinstance(basis, FourierBasis):
        return [(color, "-") for color in _sequence(basis.n_basis_funcs)]
    frequencies = basis.masked_frequencies
    colors = _sequence(frequencies.shape[1])
    sines = [color for color, f in zip(colors, frequencies.T, strict=True) if np.any(f != 0)]
    return [(color, "-") for color in colors] + [(color, "--") for color in sines]


def _sequence(n: int) -> list[Any]:
    """Return n colours in perceptual order, from dark on, ending before the yellows."""
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0.0, 0.8, n)))


def _name_categories(axis: Any, categories: tuple[str, ...]) -> None:
    every = -(-len(categories) // 12)
    shown = range(0, len(categories), every)
    crowded = axis.axis_name == "x" and sum(len(categories[i]) for i in shown) > 40
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    axis.set_ticks(list(shown), [categories[i] for i in shown], **turned)


# Two inputs.


def _draw_functions_of_two(ax: Any, picture: Picture) -> None:
    functions = np.moveaxis(picture.values, -1, 0)
    on_a_plane = min(functions.shape[1:]) > 1
    if len(functions) > MOST_TILES and on_a_plane and not _change_sign(functions):
        _draw_contours(ax, picture, functions)
    else:
        _draw_tiles(ax, picture, functions)


def _change_sign(functions: FloatArray) -> bool:
    return bool(functions.min() < -1e-9 * functions.max())  # more than rounding does


def _draw_contours(ax: Any, picture: Picture, functions: FloatArray) -> None:
    # Not Axes.contour for each function, which is far slower for 400 of them.
    from contourpy import contour_generator
    from matplotlib.collections import LineCollection

    x, y = picture.inputs
    children = picture.component._children()
    n_slow = children[0].n_basis_funcs if children else len(functions)
    lines: list[Any] = []
    colors: list[Any] = []
    for function, color in zip(
        functions, np.repeat(_sequence(n_slow), len(functions) // n_slow, axis=0), strict=True
    ):
        found = contour_generator(x.points, y.points, function.T).lines(0.5 * function.max())
        lines += found
        colors += [color] * len(found)
    ax.add_collection(LineCollection(lines, colors=colors, linewidths=0.8))
    _name_axes(ax, picture)


def _draw_tiles(ax: Any, picture: Picture, functions: FloatArray) -> None:
    if len(functions) > MOST_TILES:
        title = f"{picture.component.label}: the first {MOST_TILES} of {len(functions)}"
        ax.set_title(title)
        functions = functions[:MOST_TILES]
    signed = _change_sign(functions)
    places = _places(picture.component, len(functions))
    n_columns, n_rows = np.max(places, axis=0) + 1
    for (column, row), function in zip(places, functions, strict=True):
        corner = (column / n_columns, row / n_rows)
        tile = ax.inset_axes((*corner, 0.92 / n_columns, 0.92 / n_rows))
        peak = np.abs(function).max()
        cmap, lowest = ("PuOr", -peak) if signed else ("Purples", 0.0)
        _show_image(tile, picture, function, cmap=cmap, vmin=lowest, vmax=peak)
        tile.set(xticks=[], yticks=[], xlabel="", ylabel="")
    first, second = (f"{axis.name}, {axis.extent}" for axis in picture.inputs)
    ax.set(xticks=[], yticks=[], xlabel=first, ylabel=second)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _places(component: Basis, n_tiles: int) -> list[tuple[int, int]]:
    """Return column and row, from below, of each tile.

    Those of a product lie where their peaks lie: columns along the first input, rows along the
    second. Others are read like text.
    """
    if component._children():
        slow, fast = (factor.n_basis_funcs for factor in component._children())
        if max(slow, fast) <= LONGEST_ROW and slow * fast == n_tiles:
            return [divmod(i, fast) for i in range(n_tiles)]
    n_columns = int(np.ceil(np.sqrt(n_tiles)))
    last_row = (n_tiles - 1) // n_columns
    return [(i % n_columns, last_row - i // n_columns) for i in range(n_tiles)]


def _draw_sum_of_two(ax: Any, picture: Picture, surface: FloatArray) -> None:
    for i, axis in enumerate(picture.inputs):
        if axis.categories is not None and len(axis.categories) <= len(CATEGORY_COLORS):
            _draw_curve_of_each_category(ax, picture, i, np.moveaxis(surface, i, 0))
            return
    image = _show_image(ax, picture, surface, cmap="viridis")
    ax.figure.colorbar(image, ax=ax, label=_value_name(picture, False))


def _draw_curve_of_each_category(ax: Any, picture: Picture, i: int, curves: FloatArray) -> None:
    category, other = picture.inputs[i], picture.inputs[1 - i]
    marker = "o" if other.is_discrete and len(other.points) <= MOST_MARKED_BINS else None
    for curve, name, color in zip(curves, category.categories or (), CATEGORY_COLORS, strict=False):
        ax.plot(other.points, curve, color=color, lw=2.0, marker=marker, markersize=4, label=name)
    ax.axhline(0.0, color="0.6", lw=0.8, zorder=0)
    ax.set(xlabel=other.name, ylabel=_value_name(picture, False), xlim=other.limits)
    if other.categories is not None:
        _name_categories(ax.xaxis, other.categories)
    ax.legend(title=category.name, frameon=False)


def _show_image(ax: Any, picture: Picture, values: FloatArray, **colors: Any) -> Any:
    """Draw values (x, y) as an image, each point in the middle of its pixel."""
    x, y = picture.inputs
    image = ax.imshow(
        values.T,
        origin="lower",
        aspect="auto",
        extent=(*x.edges, *y.edges),
        interpolation="nearest" if x.is_discrete or y.is_discrete else "bilinear",
        **colors,
    )
    _name_axes(ax, picture)
    return image


def _name_axes(ax: Any, picture: Picture) -> None:
    x, y = picture.inputs
    ax.set(xlabel=x.name, ylabel=y.name, xlim=x.limits, ylim=y.limits)
    for axis, side in ((x, ax.xaxis), (y, ax.yaxis)):
        if axis.categories is not None:
            _name_categories(side, axis.categories)
