"""Methods of fitted populations that draw who drives whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import plotting
from ._pictures import Pictures, covariance_of, parts_of
from ._validation import FloatArray
from .plotting._axes import quantile_of
from .plotting._terms import curve_errors, picture_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PopulationPictures(Pictures):
    """What only `PopulationGLM` draws."""

    def coupling_filters(
        self, basis: Any, label: str | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the filters from the channels of an input to the neurons.

        Parameters
        ----------
        basis : Basis
            The basis that computed X.
        label : str, optional
            Which of its components: a convolution of (n_samples, n_senders). Not needed where
            there is one component.

        Returns
        -------
        filters : ndarray (n_receivers, n_senders, n_lags)
            In units of the linear predictor: the log gain, under an exp link, that a spike of the
            sender has some bins later.
        lags : ndarray (n_lags,)
            How many bins ago each value looks.
        """
        model: Any = self
        model._require_fitted()
        coef = model._coef_matrix()
        component, columns = parts_of(basis, label, len(coef))
        picture, _ = picture_of(component, np.zeros(component.n_basis_funcs), None, None)
        if len(picture.inputs) != 1 or not picture.inputs[0].in_bins or columns.ndim > 2:
            raise ValueError(
                f'{component.label} is no coupling: that is a convolution (mode="conv") of an '
                "input (n_samples, n_senders)."
            )
        columns = np.atleast_2d(columns)
        filters = np.einsum("lf,sfr->rsl", picture.values, coef[columns])
        return filters, picture.inputs[0].points

    def plot_coupling(
        self,
        basis: Any,
        label: str | None = None,
        ax: Axes | None = None,
        *,
        kind: str = "integral",
        **settings: Any,
    ) -> Axes:
        """Draw the matrix of couplings; see `spikeglm.plotting.plot_coupling_matrix`.

        Parameters
        ----------
        basis, label :
            As in `coupling_filters`.
        kind : {"integral", "peak"}
            What stands for a filter: its sum over the lags, the log of the total gain of a spike
            under an exp link; or its value farthest from zero.
        ax, **settings :
            As there: `senders`, `receivers`, `cmap`.

        Returns
        -------
        matplotlib.axes.Axes
        """
        filters, _ = self.coupling_filters(basis, label)
        if kind == "integral":
            matrix = filters.sum(axis=2)
        elif kind == "peak":
            farthest = np.abs(filters).argmax(axis=2)[..., None]
            matrix = np.take_along_axis(filters, farthest, axis=2)[..., 0]
        else:
            raise ValueError(f'`kind` must be "integral" or "peak", got {kind!r}.')
        settings.setdefault("receivers", getattr(self, "_columns", None))
        settings.setdefault("label", f"{kind} of the filter (linear predictor)")
        return plotting.plot_coupling_matrix(matrix, ax=ax, **settings)

    def plot_coupling_filters(
        self,
        basis: Any,
        label: str | None = None,
        axes: Any = None,
        *,
        inference: Any = None,
        level: float = 0.95,
        **settings: Any,
    ) -> Any:
        """Draw a grid of the filters; see `spikeglm.plotting.plot_coupling_filters`.

        Parameters
        ----------
        basis, label :
            As in `coupling_filters`.
        inference : object, optional
            As in `plot_term`; draws the band of each filter.
        level : float, default 0.95
            Coverage of the bands at each lag.
        axes, **settings :
            As there: `bin_size`, `senders`, `receivers`.

        Returns
        -------
        ndarray of matplotlib.axes.Axes, shape (n_receivers, n_senders)
        """
        filters, lags = self.coupling_filters(basis, label)
        settings.setdefault("receivers", getattr(self, "_columns", None))
        if inference is not None:
            model: Any = self
            component, columns = parts_of(basis, label, len(model._coef_matrix()))
            functions = picture_of(component, np.zeros(component.n_basis_funcs), None, None)[0]
            errors = [
                [
                    curve_errors(functions.values, covariance_of(inference, receiver, sender))
                    for sender in np.atleast_2d(columns)
                ]
                for receiver in range(len(filters))
            ]
            half = quantile_of(level) * np.array(errors)
            settings.setdefault("band", (filters - half, filters + half))
        return plotting.plot_coupling_filters(filters, lags, axes=axes, **settings)
