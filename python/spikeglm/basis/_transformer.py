"""Bases as scikit-learn transformers."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from .._callbacks import CallbackSupport, one_task
from .._features import check_names, column_names, keep_names
from .._timeseries import like_input, plain, time_axis
from .._validation import design_matrix
from ..exceptions import NotFittedError
from ._base import Basis


class TransformerBasis(TransformerMixin, BaseEstimator, CallbackSupport):
    """A basis in a scikit-learn pipeline.

    Parameters
    ----------
    basis :
        The basis; it is copied.

    Notes
    -----
    X holds the inputs of the basis side by side, (n_samples, n_columns): one column for each input,
    or as many as `set_input_shape` says. `fit` learns the bounds that were not given, and
    `transform` uses them for whatever data follow; samples outside become `fill_value`. What was
    learned is in `basis_`, a copy; `set_input_shape`, `set_bounds` and `setup_basis` change the
    basis itself and ask for a new fit.

    Everything else (labels, `compute_features`, `+`, `*`, ...) is passed on to the basis.
    Parameters of the basis are parameters of the transformer, as ``basis__name`` and as ``name``.

    Examples
    --------
    >>> import numpy as np, spikeglm as nmo
    >>> from sklearn.pipeline import make_pipeline
    >>> rng = np.random.default_rng(0)
    >>> position = rng.uniform(0, 1, size=(1000, 1))
    >>> counts = rng.poisson(np.exp(np.sin(6 * position[:, 0])))
    >>> place = nmo.basis.BSplineBasis(8).to_transformer()
    >>> model = make_pipeline(place, nmo.glm.GLM(regularizer="Ridge", regularizer_strength=1e-3))
    >>> model.fit(position, counts).predict(position).shape
    (1000,)
    """

    def __init__(self, basis: Basis) -> None:
        if not isinstance(basis, Basis):
            raise TypeError(f"TransformerBasis wraps a basis, got {basis!r}.")
        self.basis = copy.deepcopy(basis)

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn should know: NaN are allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _more_tags(self) -> dict[str, bool]:
        """Return the same for scikit-learn before 1.6."""
        return {"allow_nan": True}

    def __sklearn_clone__(self) -> "TransformerBasis":
        """Return a transformer of a basis with the same parameters and shapes."""
        cloned = type(self)(self.basis.__sklearn_clone__())
        if hasattr(self, "_sklearn_output_config"):
            cloned._sklearn_output_config = copy.deepcopy(self._sklearn_output_config)
        if hasattr(self, "_skl_callbacks"):  # the same objects, as in scikit-learn's own clones
            cloned._skl_callbacks = self._skl_callbacks
        return cloned

    @one_task
    def fit(self, X: Any, y: Any = None) -> "TransformerBasis":
        """Learn the bounds of the inputs, those that were not given, from X."""
        matrix = design_matrix(plain(X))
        for size, what in zip(matrix.shape, ("sample", "feature"), strict=True):
            if size == 0:
                raise ValueError(
                    f"X has 0 {what}(s) (shape={matrix.shape}) while a minimum of 1 is required."
                )
        fitted = self.basis.__sklearn_clone__()
        fitted.design(*_split(matrix, fitted)).freeze_bounds()
        self.basis_ = fitted
        self.n_features_in_ = matrix.shape[1]
        keep_names(self, column_names(X))
        return self

    def transform(self, X: Any, y: Any = None) -> Any:
        """Return the features of X: an array, or a pynapple series where X is one."""
        self._require_fitted()
        check_names(self, column_names(X))
        matrix = design_matrix(plain(X))
        if matrix.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {matrix.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        inputs = _split(matrix, self.basis_)
        axis = time_axis(X)
        epochs = [(0, len(inputs[0]))] if axis is None else (axis.epochs() or [(0, len(inputs[0]))])
        features = self._features(inputs, epochs)
        return like_input(features, axis if axis is not None and axis.keeps_estimates else None)

    def _features(self, inputs: list[NDArray[Any]], epochs: Any) -> NDArray[Any]:
        read = self.basis_._read(tuple(inputs))
        read.epochs = epochs
        return self.basis_._design_of(read).materialise()

    def _require_fitted(self) -> None:
        if not hasattr(self, "n_features_in_"):
            raise NotFittedError(
                f"This {type(self).__name__} is not fitted yet: call `fit`, so that it knows its "
                "bounds."
            )

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the features."""
        self._require_fitted()
        if input_features is not None and len(input_features) != self.n_features_in_:
            raise ValueError(
                "input_features should have length equal to number of features "
                f"({self.n_features_in_}), got {len(input_features)}."
            )
        return np.asarray(self.basis_.feature_names(), dtype=object)

    # The interface of the basis.

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the basis and its parameters, as ``basis__name`` and as ``name``."""
        own = self.basis.get_params() if deep else {}
        nested = {f"basis__{name}": value for name, value in own.items()}
        return {"basis": self.basis, **nested, **own}

    def set_params(self, **params: Any) -> "TransformerBasis":
        """Set the basis, or parameters of it."""
        if "basis" in params:
            self.basis = copy.deepcopy(params.pop("basis"))
        if params:
            self.basis.set_params(**{k.removeprefix("basis__"): v for k, v in params.items()})
        return self

    def __getattr__(self, name: str) -> Any:
        """Pass on to the basis; methods that return it return this transformer."""
        if name.startswith("_") or "basis" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        if name not in ("set_input_shape", "setup_basis", "set_bounds"):
            is_parameter = name in self.basis.get_params()
            return getattr(self.basis if is_parameter else self._basis_in_use(), name)
        found = getattr(self.basis, name)

        def chained(*args: Any, **kwargs: Any) -> TransformerBasis:
            found(*args, **kwargs)
            for learned in ("basis_", "n_features_in_", "feature_names_in_"):
                self.__dict__.pop(learned, None)
            return self

        return chained

    def _basis_in_use(self) -> Any:
        return self.__dict__.get("basis_", self.basis)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set parameters of the basis on the basis."""
        if name not in ("basis",) and "basis" in self.__dict__ and name in self.basis.get_params():
            setattr(self.basis, name, value)
        else:
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        """Return the names of this class and of the basis."""
        return sorted({*super().__dir__(), *(n for n in dir(self.basis) if n[0] != "_")})

    def __getitem__(self, label: str) -> Basis:
        """Return a basis by its label."""
        return self.basis[label]

    def __iter__(self) -> Any:
        """Iterate over the additive components."""
        return iter(self.basis)

    def __len__(self) -> int:
        """Return the number of additive components."""
        return len(self.basis)

    def __add__(self, other: Any) -> "TransformerBasis":
        """Put features side by side."""
        return TransformerBasis(self.basis + _basis_of(other))

    def __mul__(self, other: Any) -> "TransformerBasis":
        """Multiply features, or repeat the basis."""
        return TransformerBasis(self.basis * _basis_of(other))

    def __rmul__(self, other: int) -> "TransformerBasis":
        """Repeat the basis."""
        return TransformerBasis(self.basis * other)

    def __pow__(self, exponent: int) -> "TransformerBasis":
        """Multiply the basis with itself."""
        return TransformerBasis(self.basis**exponent)

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """Return the call that makes this transformer."""
        return f"TransformerBasis({self.basis!r})"


def _basis_of(value: Any) -> Any:
    return value.basis if isinstance(value, TransformerBasis) else value


def _split(matrix: NDArray[Any], basis: Basis) -> list[NDArray[Any]]:
    """Return the inputs of the basis that lie side by side in a matrix."""
    shapes = [shape or () for shape in basis.input_shape]
    widths = [int(np.prod(shape)) for shape in shapes]
    if matrix.shape[1] != sum(widths):
        raise ValueError(
            f"Input mismatch: expected {sum(widths)} columns for {len(widths)} inputs, but got "
            f"{matrix.shape[1]} columns in X. To say how many columns each input has, call "
            "`set_input_shape` before `fit`."
        )
    parts = np.split(matrix, np.cumsum(widths)[:-1], axis=1)
    return [part.reshape(len(part), *shape) for part, shape in zip(parts, shapes, strict=True)]
