"""Methods of fitted models that draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from . import plotting
from ._partial_means import PartialMean
from ._validation import FloatArray, is_whole
from .plotting._axes import per_time
from .plotting._data import draw_field
from .plotting._terms import picture_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Pictures:
    """What `GLM` and `PopulationGLM` draw."""

    def plot_coefficients(
        self,
        ax: Axes | None = None,
        *,
        neuron: int | None = None,
        inference: Any = None,
        level: float = 0.95,
        names: Any = None,
        **errorbar_kwargs: Any,
    ) -> Axes:
        """Draw the coefficients; see `spikeglm.plotting.plot_coefficients`.

        Parameters
        ----------
        ax, level, names, **errorbar_kwargs :
            As there; `feature_names_in_` are the names where there are any.
        neuron : int, optional
            Which neuron of a population, by column of y.
        inference : object, optional
            Has `standard_errors`, (n_features,) or (n_features, n_neurons).

        Returns
        -------
        matplotlib.axes.Axes
        """
        coef, index = _coef_of(self, neuron)
        errors = None
        if inference is not None:
            errors = np.asarray(inference.standard_errors, dtype=np.float64)
            errors = errors[:, index] if errors.ndim == 2 else errors
        if names is None:
            names = getattr(self, "feature_names_in_", None)
        return plotting.plot_coefficients(
            coef, standard_errors=errors, level=level, names=names, ax=ax, **errorbar_kwargs
        )

    def plot_term(
        self,
        basis: Any,
        label: str | None = None,
        ax: Axes | None = None,
        *,
        neuron: int | None = None,
        channel: Any = None,
        inference: Any = None,
        level: float = 0.95,
        bin_size: float | None = None,
        **line_kwargs: Any,
    ) -> Axes:
        """Draw a fitted filter or curve; see `spikeglm.plotting.plot_term`.

        Parameters
        ----------
        basis : Basis
            The basis that computed X.
        label : str, optional
            Which of its components; not needed where there is one.
        ax, level, bin_size, **line_kwargs :
            As there.
        neuron : int, optional
            Which neuron of a population, by column of y.
        channel : int or tuple of int, optional
            Which channel of an input of several, the sending neuron for example.
        inference : object, optional
            Has `covariance` of the coefficients without the intercept, (n_features, n_features),
            of a population (n_features, n_features, n_neurons).

        Returns
        -------
        matplotlib.axes.Axes
        """
        coef, index = _coef_of(self, neuron)
        component, columns = _term(basis, label, len(coef), channel)
        return plotting.plot_term(
            component,
            coef[columns],
            covariance=covariance_of(inference, index, columns),
            level=level,
            bin_size=bin_size,
            ax=ax,
            **line_kwargs,
        )

    def tuning_curve(
        self,
        basis: Any,
        X: Any,
        label: str | None = None,
        *,
        neuron: int | None = None,
        inference: Any = None,
        level: float = 0.95,
        n_points: int = 100,
        offset: ArrayLike | None = None,
    ) -> tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray] | None]:
        """Return the mean of y as a function of one term, all others as they were in the data.

        The mean over the rows of X of what the model predicts when one term takes the value that it
        has at each point, which a raw tuning curve estimates where the variables are independent of
        each other. Friedman (2001), Annals of Statistics 29:1189, section 8.2.

        Parameters
        ----------
        basis, label, neuron :
            As in `plot_term`; the term has one input or two, and is not a convolution.
        inference : Inference, optional
            Its `band` gives that of the curve.
        X : (n_samples, n_features)
            As in `fit`. Rows with a NaN are left out.
        level : float, default 0.95
            Coverage of the band at each point: that of the linear predictor, with the intercept and
            all other columns at their means (under an exp link weighted by the rows' means, which
            is right to first order), and the mean of y that follows from each end.
        n_points : int, default 100
            Number of points over the bounds of an input.
        offset : (n_samples,)
            As in `fit`.

        Returns
        -------
        points : ndarray (n_points,), or a tuple of two
        means : ndarray (n_points,), or (n_points, n_points) over two inputs
            Expected counts per bin. NaN where some row would have a mean that the model cannot
            have, below zero under a reciprocal or identity link.
        band : (low, high), or None without `inference`
        """
        coef, index = _coef_of(self, neuron)
        component, columns = _term(basis, label, len(coef), None)
        picture, weights = picture_of(component, coef[columns], None, n_points)
        if any(axis.in_bins for axis in picture.inputs):
            raise ValueError(f"{component.label} is a filter, which plot_term draws.")
        values = picture.values @ weights
        mean = PartialMean(self, X, columns, index, offset)
        band = None
        if inference is not None:
            half = mean.half_width(picture.values, inference, level)
            ends = [mean(values - half), mean(values + half)]
            # A decreasing inverse link, 1 / eta, turns them round.
            band = np.minimum(*ends), np.maximum(*ends)
        points = tuple(axis.points for axis in picture.inputs)
        return (points[0] if len(points) == 1 else points), mean(values), band  # type: ignore[return-value]

    def plot_tuning(
        self,
        basis: Any,
        X: Any,
        x: Any,
        y: Any,
        label: str | None = None,
        ax: Axes | None = None,
        *,
        neuron: int | None = None,
        inference: Any = None,
        level: float = 0.95,
        offset: ArrayLike | None = None,
        **settings: Any,
    ) -> Axes:
        """Draw a fitted tuning curve over the raw one; see `spikeglm.plotting.plot_tuning`.

        Where the variables of other terms go along with x, the curve of the term alone differs from
        the raw one; the model's means over the same samples, which are drawn as well, should not.

        Parameters
        ----------
        basis, X, label, neuron, inference, level, offset :
            As in `tuning_curve`, which is drawn.
        x : (n_samples,)
            The variable of that term, and `y` the spike counts, (n_samples,) or
            (n_samples, n_neurons), for the raw curve.
        ax, **settings :
            As there: `bin_size`, `polar`, `n_groups`, `name`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        points, means, band = self.tuning_curve(
            basis,
            X,
            label,
            neuron=neuron,
            inference=inference,
            level=level,
            n_points=200,
            offset=offset,
        )
        if means.ndim != 1:
            raise ValueError("a term of two inputs is drawn by plot_field.")
        settings.setdefault("bounds", (points[0], points[-1]))
        if label is not None:
            settings.setdefault("name", label)
        counts, rate = self._counts_and_rate(X, y, neuron, offset)
        return plotting.plot_tuning(
            x,
            counts,
            curve=(points, means),
            band=band,
            rate=rate,
            level=level,
            ax=ax,
            **settings,
        )

    def plot_field(
        self,
        basis: Any,
        X: Any,
        label: str | None = None,
        ax: Axes | None = None,
        *,
        neuron: int | None = None,
        bin_size: float | None = None,
        n_points: int = 60,
        offset: ArrayLike | None = None,
        **image_kwargs: Any,
    ) -> Axes:
        """Draw the fitted mean over two inputs, as an image with a colour bar.

        Parameters
        ----------
        basis, X, label, neuron, n_points, offset :
            As in `tuning_curve`; the term has two inputs, a product of bases for example.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new pyplot figure by default.
        bin_size : float, optional
            Duration of a bin in seconds: colours are then in spikes/s.
        **image_kwargs
            Passed to ``Axes.imshow``.

        Returns
        -------
        matplotlib.axes.Axes
        """
        points, means, _ = self.tuning_curve(
            basis, X, label, neuron=neuron, n_points=n_points, offset=offset
        )
        if means.ndim != 2:
            raise ValueError("a term of one input is drawn by plot_tuning.")
        coef, _ = _coef_of(self, neuron)
        component, columns = _term(basis, label, len(coef), None)
        inputs = picture_of(component, coef[columns], None, 2)[0].inputs
        half = [0.5 * (p[1] - p[0]) for p in points]
        extent = tuple(
            end for p, h in zip(points, half, strict=True) for end in (p[0] - h, p[-1] + h)
        )
        return draw_field(
            per_time(bin_size)[0] * means,
            extent,
            (inputs[0].name, inputs[1].name),
            bin_size,
            ax,
            image_kwargs,
        )

    def plot_rate(
        self,
        X: Any,
        y: Any,
        ax: Axes | None = None,
        *,
        neuron: int | None = None,
        offset: ArrayLike | None = None,
        **settings: Any,
    ) -> Axes:
        """Draw the fitted rate over smoothed counts; see `spikeglm.plotting.plot_rate`.

        Parameters
        ----------
        X, y, offset :
            As in `fit`.
        neuron : int, optional
            Which neuron of a population, by column of y.
        ax, **settings :
            As there: `bin_size`, `smoothing`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        counts, rate = self._counts_and_rate(X, y, neuron, offset)
        return plotting.plot_rate(counts, rate, ax=ax, **settings)

    def plot_ks(
        self,
        X: Any,
        y: Any,
        ax: Axes | None = None,
        *,
        neuron: int | None = None,
        rng: Any = None,
        discrete: str | None = None,
        offset: ArrayLike | None = None,
        **line_kwargs: Any,
    ) -> Axes:
        """Draw the time-rescaling test; see `spikeglm.goodness_of_fit.time_rescaling`.

        Parameters
        ----------
        X, y, offset :
            As in `fit`.
        neuron : int, optional
            Which neuron of a population, by column of y.
        rng, discrete :
            As there.
        ax, **line_kwargs :
            As in `spikeglm.goodness_of_fit.TimeRescaling.plot`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from .goodness_of_fit import time_rescaling

        counts, rate = self._counts_and_rate(X, y, neuron, offset)
        test = time_rescaling(counts, rate, rng=rng, discrete=discrete)
        return test.plot(ax, **line_kwargs)

    def plot_calibration(
        self,
        X: Any,
        y: Any,
        ax: Axes | None = None,
        *,
        neuron: int | None = None,
        n_groups: int = 10,
        level: float = 0.95,
        bin_size: float | None = None,
        offset: ArrayLike | None = None,
        **errorbar_kwargs: Any,
    ) -> Axes:
        """Draw observed against predicted means; see `spikeglm.goodness_of_fit.calibration`.

        Parameters
        ----------
        X, y, offset :
            As in `fit`.
        neuron : int, optional
            Which neuron of a population, by column of y.
        n_groups, level :
            As there.
        ax, bin_size, **errorbar_kwargs :
            As in `spikeglm.goodness_of_fit.Calibration.plot`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from .goodness_of_fit import calibration

        model: Any = self
        counts, rate = self._counts_and_rate(X, y, neuron, offset)
        found = calibration(counts, rate, model.observation_model, n_groups=n_groups, level=level)
        return found.plot(ax, bin_size=bin_size, **errorbar_kwargs)

    def _counts_and_rate(
        self, X: Any, y: Any, neuron: int | None, offset: ArrayLike | None
    ) -> tuple[Any, Any]:
        """Return what was observed and predicted of one neuron."""
        _, index = _coef_of(self, neuron)
        model: Any = self
        return _column(y, index), _column(model.predict(X, offset=offset), index)


def _coef_of(model: Any, neuron: int | None) -> tuple[FloatArray, int]:
    """Return the coefficients of one neuron, and its number."""
    model._require_fitted()
    coef = model._coef_matrix()
    n_neurons = coef.shape[1]
    if neuron is None:
        if n_neurons > 1:
            raise ValueError(f"say which `neuron`, 0 to {n_neurons - 1}, is to be drawn.")
        return coef[:, 0], 0
    if not is_whole(neuron) or not 0 <= neuron < n_neurons:
        raise ValueError(f"`neuron` must be a number from 0 to {n_neurons - 1}, got {neuron!r}.")
    return coef[:, neuron], int(neuron)


def _column(values: Any, index: int) -> Any:
    """Return one neuron's samples, of a series its series."""
    if len(values.shape if hasattr(values, "shape") else np.shape(values)) == 1:
        return values
    if hasattr(values, "iloc"):
        return values.iloc[:, index]
    return (values if hasattr(values, "shape") else np.asarray(values))[:, index]


def parts_of(basis: Any, label: str | None, n_features: int) -> tuple[Any, Any]:
    """Return a component and the numbers of its columns, (*input shape, n_basis_funcs)."""
    parts = basis.split_by_feature(np.arange(n_features), axis=0)
    if label is None:
        if len(parts) > 1:
            raise ValueError(f"say which `label`: {', '.join(map(repr, parts))}.")
        label = next(iter(parts))
    if label not in parts:
        raise ValueError(f"`label` must be one of {', '.join(map(repr, parts))}; got {label!r}.")
    components = {component.label: component for component in basis}
    return components[label], parts[label]


def _term(basis: Any, label: str | None, n_features: int, channel: Any) -> tuple[Any, Any]:
    """Return a component and the numbers of its columns, of one channel."""
    component, columns = parts_of(basis, label, n_features)
    if channel is not None:
        try:
            columns = columns[channel]
        except IndexError:
            raise ValueError(
                f"{component.label} has an input of shape {columns.shape[:-1]} for each sample; "
                f"`channel` {channel!r} is not in it."
            ) from None
    if columns.ndim == 2 and len(columns) == 1:
        columns = columns[0]
    if columns.ndim != 1 or len(columns) != component.n_basis_funcs:
        raise ValueError(
            f"{component.label} has an input of shape {columns.shape[:-1]} for each sample: say "
            "which `channel` to draw, one of it."
        )
    return component, columns


def covariance_of(inference: Any, index: int, columns: Any) -> Any:
    """Return the covariance of some coefficients of one neuron, or None."""
    if inference is None:
        return None
    if hasattr(inference, "determined_covariance"):
        return inference.determined_covariance(columns, neuron=index)
    matrix = np.asarray(inference.covariance, dtype=np.float64)
    matrix = matrix[..., index] if matrix.ndim == 3 else matrix
    return matrix[np.ix_(columns, columns)]
