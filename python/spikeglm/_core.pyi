from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float64]

class Basis:
    def __init__(
        self,
        family: str,
        n_basis_funcs: int,
        order: int = ...,
        width: float = ...,
        time_scaling: float = ...,
        enforce_decay_to_zero: bool = ...,
        decay_rates: list[float] = ...,
        mixing: _Vector | None = ...,
    ) -> None: ...
    @property
    def n_basis_funcs(self) -> int: ...
    def evaluate(self, x: _Vector, bounds: Bounds, /) -> _Vector: ...
    def filters(self, window_size: int, /) -> _Vector: ...

class Bounds:
    def __init__(self, low: float, high: float) -> None: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...

class BoundExpression:
    def design(self) -> BoundDesign: ...

class BoundDesign:
    @property
    def shape(self) -> tuple[int, int]: ...
    def rows(self, rows: NDArray[np.intp], /) -> BoundDesign: ...
    def materialise(
        self, single_precision: bool, n_threads: int, out: NDArray[Any] | None = ...
    ) -> NDArray[Any]: ...

class FitResult:
    @property
    def coef(self) -> _Vector: ...
    @property
    def intercept(self) -> float: ...
    @property
    def dispersion(self) -> float: ...
    @property
    def status(self) -> str: ...
    @property
    def n_iterations(self) -> int: ...
    @property
    def decrement(self) -> float: ...
    @property
    def kkt(self) -> float: ...
    @property
    def sum_of_weights(self) -> float: ...
    @property
    def mean_y(self) -> float: ...
    @property
    def rank(self) -> int: ...
    @property
    def n_used(self) -> int: ...
    @property
    def n_dropped(self) -> int: ...
    @property
    def aliased(self) -> NDArray[np.intp]: ...
    @property
    def separated(self) -> NDArray[np.intp]: ...
    @property
    def n_separated_rows(self) -> int: ...
    @property
    def n_free(self) -> int: ...
    @property
    def penalised(self) -> bool: ...

def config() -> dict[str, str]: ...
def default_threads() -> int: ...
def basis_families() -> list[str]: ...
def observation_models() -> dict[str, dict[str, Any]]: ...
def inverse_links() -> list[str]: ...
def column_range(
    input: NDArray[Any], bounds: list[Bounds] | None = ...
) -> tuple[list[Bounds], list[int]]: ...
def evaluation(
    bases: Basis | list[Basis], input: NDArray[Any], bounds: list[Bounds], fill_value: float, /
) -> BoundExpression: ...
def fourier(
    inputs: list[NDArray[Any]], bounds: list[list[Bounds]], frequencies: _Vector, /
) -> BoundExpression: ...
def columns(values: NDArray[Any], channels: int, /) -> BoundExpression: ...
def convolution(
    filters: NDArray[np.float64],
    input: NDArray[Any],
    causality: str,
    shift: bool,
    epochs: list[tuple[int, int]],
    method: str = ...,
) -> BoundExpression: ...
def sum_of(
    left: BoundExpression, right: BoundExpression, by_channel: bool = ...
) -> BoundExpression: ...
def product_of(left: BoundExpression, right: BoundExpression, /) -> BoundExpression: ...

class Groups:
    def __init__(
        self, begin: NDArray[np.intp], members: NDArray[np.intp], weights: _Vector
    ) -> None: ...

class Problem:
    def __init__(
        self,
        y: _Vector,
        *,
        quadratic: _Vector | None = ...,
        absolute: _Vector | None = ...,
        groups: Groups | None = ...,
        excluded: NDArray[np.uint8] | None = ...,
        start_coef: _Vector | None = ...,
        start_intercept: float = ...,
        parameter: float = ...,
        weight: _Vector | None = ...,
        matrix: NDArray[np.float64] | None = ...,
    ) -> None: ...

def solvers() -> dict[str, dict[str, Any]]: ...
def fit(
    x: NDArray[Any] | BoundDesign,
    problems: list[Problem],
    *,
    model: str,
    link: str,
    weight: _Vector | None,
    offset: _Vector | None,
    shared_groups: Groups | None,
    solver: str,
    settings: dict[str, float],
    tolerance: float,
    max_iterations: int,
    intercept: bool,
    n_threads: int,
    progress: Callable[[int, int], None] | None = ...,
) -> list[FitResult]: ...
def gradient_at_zero(
    x: NDArray[Any] | BoundDesign,
    problem: Problem,
    *,
    model: str,
    link: str,
    weight: _Vector | None,
    offset: _Vector | None,
    intercept: bool,
    n_threads: int,
) -> _Vector: ...
def information(
    x: NDArray[Any] | BoundDesign,
    problems: list[Problem],
    *,
    model: str,
    link: str,
    weight: _Vector | None,
    offset: _Vector | None,
    intercept: bool,
    n_threads: int,
    expected: bool = ...,
    meat: bool = ...,
    lags: int = ...,
    chains: NDArray[np.intp] = ...,
    covariances: list[NDArray[np.float64]] = ...,
) -> list[dict[str, Any]]: ...

class Stepper:
    def __init__(
        self,
        x: NDArray[Any] | BoundDesign,
        problem: Problem,
        *,
        model: str,
        link: str,
        weight: _Vector | None,
        offset: _Vector | None,
        solver: str,
        settings: dict[str, float],
        tolerance: float,
        intercept: bool,
        n_threads: int,
    ) -> None: ...
    def step(
        self,
        x: NDArray[Any] | BoundDesign,
        problem: Problem,
        weight: _Vector | None,
        offset: _Vector | None,
    ) -> FitResult: ...

def minimise(
    evaluate: Callable[[_Vector, str], tuple[float, _Vector, _Vector | None]],
    row_gradients: Callable[[NDArray[np.intp], _Vector], _Vector],
    start: _Vector,
    *,
    n_rows: int,
    canonical: bool,
    quadratic: _Vector,
    begin: NDArray[np.intp],
    members: NDArray[np.intp],
    weights: _Vector,
    solver: str,
    settings: dict[str, float],
    tolerance: float,
    max_iterations: int,
    scale: float,
) -> dict[str, Any]: ...

class CategoricalResult:
    @property
    def coef(self) -> _Vector: ...
    @property
    def intercept(self) -> _Vector: ...
    @property
    def status(self) -> str: ...
    @property
    def n_iterations(self) -> int: ...
    @property
    def decrement(self) -> float: ...
    @property
    def kkt(self) -> float: ...
    @property
    def sum_of_weights(self) -> float: ...
    @property
    def rank(self) -> int: ...
    @property
    def n_used(self) -> int: ...
    @property
    def n_dropped(self) -> int: ...
    @property
    def aliased(self) -> NDArray[np.intp]: ...
    @property
    def penalised(self) -> bool: ...

def fit_categorical(
    x: NDArray[Any] | BoundDesign,
    y: _Vector,
    n_classes: int,
    *,
    weight: _Vector | None,
    quadratic: _Vector | None,
    absolute: _Vector | None,
    begin: NDArray[np.intp] | None,
    members: NDArray[np.intp] | None,
    group_weights: _Vector | None,
    excluded: NDArray[np.uint8] | None,
    start_coef: _Vector | None,
    start_intercept: _Vector | None,
    solver: str,
    settings: dict[str, float],
    tolerance: float,
    max_iterations: int,
    intercept: bool,
    n_threads: int,
) -> CategoricalResult: ...
def predict(
    x: NDArray[Any] | BoundDesign,
    coef: _Vector,
    intercept: float,
    offset: _Vector | None,
    link: str,
    n_threads: int,
) -> _Vector: ...
def predict_many(
    x: NDArray[Any] | BoundDesign,
    coef: NDArray[np.float64],
    intercept: _Vector,
    offset: _Vector | None,
    link: str,
    rows: NDArray[np.intp] | None,
    n_threads: int,
) -> NDArray[np.float64]: ...
def row_quantity(
    model: str, quantity: str, y: _Vector, mu: _Vector, dispersion: float
) -> _Vector: ...
def row_terms(
    model: str, link: str, y: _Vector, eta: _Vector, parameter: float
) -> tuple[_Vector, _Vector, _Vector, _Vector]: ...
def inverse_link(link: str, eta: _Vector) -> _Vector: ...

class OnlineModel:
    def __init__(
        self,
        nodes: list[dict[str, Any]],
        coef: NDArray[np.float64],
        intercept: _Vector,
        links: list[str],
        n_inputs: int,
        single_precision: bool,
    ) -> None: ...
    @staticmethod
    def load_memory(file: bytes, single_precision: bool) -> OnlineModel: ...
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_initial(self) -> int: ...
    @property
    def is_predictive(self) -> bool: ...
    def reset(self) -> None: ...
    def push_many(
        self, inputs: NDArray[np.float64], offsets: _Vector | None = ...
    ) -> NDArray[np.float64]: ...
    def next(self, inputs: _Vector | None = ..., offset: float = ...) -> _Vector: ...
    def features(self) -> _Vector: ...
    def linear_predictors(self) -> _Vector: ...

class OnlineFilter:
    def __init__(
        self,
        model: str,
        link: str,
        dispersion: _Vector,
        loadings: NDArray[np.float64],
        transition: NDArray[np.float64],
        noise: NDArray[np.float64],
        initial_mean: _Vector,
        initial_covariance: NDArray[np.float64],
    ) -> None: ...
    def reset(self) -> None: ...
    def push(self, eta: _Vector, y: _Vector, /) -> tuple[_Vector, NDArray[np.float64]]: ...

class OnlineGrid:
    def __init__(
        self,
        model: str,
        link: str,
        dispersion: _Vector,
        n_rows: int,
        n_columns: int,
        tuning: NDArray[np.float64],
        row_transition: NDArray[np.float64] | None,
        column_transition: NDArray[np.float64] | None,
        prior: _Vector | None,
    ) -> None: ...
    def reset(self) -> None: ...
    def push(self, eta: _Vector, y: _Vector, /) -> _Vector: ...

class OnlineLearner:
    def __init__(
        self,
        model: str,
        link: str,
        dispersion: _Vector,
        coef: NDArray[np.float64],
        intercept: _Vector,
        initial_covariance: NDArray[np.float64],
        noise: float,
        forgetting: float,
    ) -> None: ...
    def push(self, features: _Vector, offset: float, y: _Vector, /) -> _Vector: ...
    def weights(self) -> tuple[NDArray[np.float64], _Vector]: ...
