"""Pictures of data and fits, drawn with matplotlib (``pip install 'spikeglm[plot]'``).

Each function takes ``ax=`` and returns it. Fitted models, paths and cross-validated models have
methods ``plot...`` that call these with what they know.
"""

from ._coupling import plot_coupling_filters, plot_coupling_matrix
from ._data import plot_rate, plot_rate_map, plot_tuning
from ._fits import plot_path, plot_scores
from ._terms import plot_coefficients, plot_term

__all__ = [
    "plot_coefficients",
    "plot_coupling_filters",
    "plot_coupling_matrix",
    "plot_path",
    "plot_rate",
    "plot_rate_map",
    "plot_scores",
    "plot_term",
    "plot_tuning",
]
