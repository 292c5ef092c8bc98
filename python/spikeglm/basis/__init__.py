"""Composable bases: they turn time series into the columns of a design matrix.

A basis is a small value object. `a + b` puts features side by side, `a * b` multiplies each
function of `a` with each of `b`. In `mode="eval"` a basis is evaluated at the values of its input;
in `mode="conv"` the input is convolved with the basis, causally and without the present bin.

The names of NeMoS (`BSplineEval`, `BSplineConv`, ...) are functions that return these bases with
its defaults.
"""

from . import _labels
from ._base import Basis
from ._category import Category
from ._composite import AdditiveBasis, MultiplicativeBasis
from ._custom import CustomBasis, PythonBasis
from ._families import (
    BSplineBasis,
    CyclicBSplineBasis,
    HistoryBasis,
    IdentityBasis,
    MSplineBasis,
    OrthExponentialBasis,
    RaisedCosineBasisLinear,
    RaisedCosineBasisLog,
    Zero,
)
from ._fourier import FourierBasis
from ._nemos_names import (
    BSplineConv,
    BSplineEval,
    CyclicBSplineConv,
    CyclicBSplineEval,
    FourierEval,
    HistoryConv,
    IdentityEval,
    MSplineConv,
    MSplineEval,
    OrthExponentialConv,
    OrthExponentialEval,
    RaisedCosineLinearConv,
    RaisedCosineLinearEval,
    RaisedCosineLogConv,
    RaisedCosineLogEval,
)
from ._transformer import TransformerBasis

__all__ = [
    "AdditiveBasis",
    "BSplineBasis",
    "BSplineConv",
    "BSplineEval",
    "Basis",
    "Category",
    "CustomBasis",
    "CyclicBSplineBasis",
    "CyclicBSplineConv",
    "CyclicBSplineEval",
    "FourierBasis",
    "FourierEval",
    "HistoryBasis",
    "HistoryConv",
    "IdentityBasis",
    "IdentityEval",
    "MSplineBasis",
    "MSplineConv",
    "MSplineEval",
    "MultiplicativeBasis",
    "OrthExponentialBasis",
    "OrthExponentialConv",
    "OrthExponentialEval",
    "PythonBasis",
    "RaisedCosineBasisLinear",
    "RaisedCosineBasisLog",
    "RaisedCosineLinearConv",
    "RaisedCosineLinearEval",
    "RaisedCosineLogConv",
    "RaisedCosineLogEval",
    "TransformerBasis",
    "Zero",
]

for _family in list(globals().values()):
    _labels.FAMILY_LABELS.update(getattr(_family, "_labels_by_mode", {}).values())
del _family
