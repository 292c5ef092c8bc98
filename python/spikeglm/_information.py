"""From the information of the rows to the uncertainty of a fitted model."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core, _facts
from ._features import Features, features_of
from ._linear_algebra import Covariance, inverse_root
from ._neuron import Neuron
from ._timeseries import plain
from ._validation import FloatArray, per_sample, whole_number
from .inference import Inference
from .observation_models import resolve_model
from .regularizer import resolve_regularizer

COVARIANCES = ("model", "robust", "hac")
INFORMATION = ("observed", "expected")
# Distance of the coefficients from the optimum of the data, in standard errors.
FARTHEST = 0.1


def inference_of(
    model: Any,
    X: Any,
    y: Any,
    covariance: str,
    information: str,
    lags: int | None,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None,
) -> Inference:
    """Return the uncertainty of a fitted GLM or PopulationGLM; see its method `inference`."""
    model._require_fitted()
    if covariance not in COVARIANCES:
        raise ValueError(
            f"`covariance` must be one of {', '.join(COVARIANCES)}; got {covariance!r}."
        )
    if information not in INFORMATION:
        raise ValueError(
            f"`information` must be one of {', '.join(INFORMATION)}; got {information!r}."
        )
    if (covariance == "hac") != (lags is not None):
        raise ValueError(
            f'`lags` is the number of rows over which scores are correlated, for covariance="hac" '
            f"and for no other; got covariance={covariance!r} and lags={lags!r}."
        )
    n_lags = 0 if lags is None else whole_number(lags, "lags", 0)
    features = features_of(X)
    columns = model._columns_of(y, features)
    coef, intercept = model._coef_matrix(), np.atleast_1d(model.intercept_)
    if coef.shape != (features.shape[1], len(columns)):
        raise ValueError(
            f"X has {features.shape[1]} features and y {len(columns)} neurons; the model was "
            f"fitted with {coef.shape[0]} and {coef.shape[1]}."
        )
    task = model._task(features, len(columns), sample_weight, offset, of_fit=True)
    task.require_core("inference")
    if task.terms.groups is not None or any(
        a is not None and np.any(a > 0) for a in task.terms.absolute
    ):
        name = type(resolve_regularizer(model.regularizer)).__name__
        raise ValueError(
            f"{name} chooses coefficients and shrinks them: standard errors that do not know of it "
            "would be too small. Fit the chosen columns again without a penalty to data that did "
            "not choose them, or use Ridge."
        )
    mask = model._mask(features, len(columns))
    dispersion = np.atleast_1d(model.dispersion_)
    problems = []
    for i, column in enumerate(columns):
        silent = np.isinf(intercept[i])
        parameter = dispersion[i] if np.isnan(task.parameter) else task.parameter
        problems.append(
            _core.Problem(
                column,
                quadratic=task.terms.quadratic[i],
                matrix=task.terms.matrix_of(i),
                excluded=None if mask is None else np.ascontiguousarray(mask[:, i] == 0),
                start_coef=np.ascontiguousarray(coef[:, i]),
                start_intercept=0.0 if silent else float(intercept[i]),
                parameter=parameter,
            )
        )
    epochs = None if features.axis is None else features.axis.epochs()
    chains = np.array([begin for begin, _ in epochs or []], dtype=np.intp)
    arguments = {key: task.arguments[key] for key in ("model", "link", "intercept", "n_threads")}
    found = _core.information(
        features.matrix,
        problems,
        **arguments,
        **task.rows,
        expected=information == "expected",
        meat=covariance != "model",
        lags=n_lags,
        chains=chains,
    )
    fits = _Fits(model, features, columns, task, X, offset)
    names = (
        [f"x{j}" for j in range(features.shape[1])] if features.names is None else features.names
    )
    facts = _facts.observation_models()[resolve_model(model.observation_model).name]
    labels = getattr(model, "_columns", None)
    neurons = []
    for i, one in enumerate(found):
        parameters = np.append(coef[:, i], intercept[i])
        dof = float(np.atleast_1d(model.dof_resid_)[i]) if facts["estimates_dispersion"] else np.inf
        given = np.ones(len(parameters), dtype=bool)
        given[-1] = arguments["intercept"]
        if mask is not None:
            given[:-1] &= mask[:, i] != 0
        cov, edf = (
            _nothing(len(parameters), given)
            if one["silent"]
            else _covariance(one, covariance, float(dispersion[i]), given, i, model)
        )
        neurons.append(
            Neuron(
                name=i if labels is None else labels[i],
                covariance=cov,
                parameters=parameters,
                edf=edf,
                dispersion=float(dispersion[i]),
                df_resid=dof,
                **fits.of(i),
                extra=int(facts["estimates_dispersion"] or np.isnan(task.parameter)),
            )
        )
    name = resolve_model(model.observation_model).name
    title = f"{type(model).__name__}: {name} observations, {task.arguments['link']} inverse link"
    penalised = any(
        (q is not None and np.any(q > 0)) or task.terms.matrix_of(i) is not None
        for i, q in enumerate(task.terms.quadratic)
    )
    return Inference(
        neurons, [str(name) for name in names], model._single, title, covariance, penalised
    )


def _nothing(n: int, given: NDArray[np.bool_]) -> tuple[Covariance, FloatArray]:
    return Covariance(np.zeros((n, 0)), np.eye(n), given), np.zeros(n)


def _covariance(
    found: dict[str, Any],
    kind: str,
    dispersion: float,
    given: NDArray[np.bool_],
    neuron: int,
    model: Any,
) -> tuple[Covariance, FloatArray]:
    """Return the covariance in the user's units, and the effective degrees of freedom."""
    if not np.isfinite(found["value"]):
        raise ValueError("the coefficients give some rows a mean outside the domain of the model.")
    n = len(given)
    penalty = found["penalty"]
    candidates = np.zeros(n, dtype=bool)
    candidates[found["identified"]] = True
    # What the rows do not identify a penalty may.
    dependent = np.zeros(n, dtype=bool)
    for vector in found["null_vectors"]:
        dependent |= (vector != 0.0) & ~candidates
    null = np.array(found["null_vectors"]).reshape(-1, n).T
    if np.any(penalty) and null.shape[1]:
        candidates |= dependent
        null = np.zeros((n, 0))
    total = found["curvature"] + penalty
    root, undetermined = inverse_root(total, candidates)
    gradient = found["gradient"] + penalty @ _gamma(found, model, neuron)
    distance = np.linalg.norm(root.T @ gradient) / np.sqrt(dispersion)
    if distance > FARTHEST:
        raise ValueError(
            f"the coefficients{'' if model._single else f' of neuron {neuron}'} are "
            f"{distance:.3g} standard errors from the best ones for these data: pass the X, y, "
            "sample_weight and offset of the fit, unchanged since, and let the fit converge."
        )
    edf = np.einsum("ij,ji->i", root, root.T @ found["curvature"])
    if kind == "model":
        factor = root * np.sqrt(dispersion)
    else:
        values, vectors = np.linalg.eigh(root.T @ found["meat"] @ root)
        factor = root @ (vectors * np.sqrt(np.maximum(values, 0.0)))
    # beta = gamma / s, intercept = gamma_0 - sum_j m_j beta_j.
    to_user = np.zeros((n, n))
    to_user[np.arange(n - 1), np.arange(n - 1)] = 1.0 / found["spread"]
    to_user[-1, :-1] = -found["location"] / found["spread"]
    to_user[-1, -1] = 1.0
    lost = to_user @ np.hstack([null, undetermined])
    length = np.linalg.norm(lost, axis=0)
    lost = lost / np.where(length > 0.0, length, 1.0)
    constant = given & ~candidates & ~dependent
    return Covariance(to_user @ factor, lost, given & ~constant), edf


def _gamma(found: dict[str, Any], model: Any, neuron: int) -> FloatArray:
    coef = model._coef_matrix()[:, neuron]
    gamma = coef * found["spread"]
    return np.append(
        gamma, float(np.atleast_1d(model.intercept_)[neuron]) + found["location"] @ coef
    )


class _Fits:
    """How well the models describe the rows."""

    def __init__(
        self,
        model: Any,
        features: Features,
        columns: list[FloatArray],
        task: Any,
        X: Any,
        offset: ArrayLike | None,
    ) -> None:
        self.name = resolve_model(model.observation_model).name
        self.columns = columns
        self.weight = task.rows["weight"]
        means, _ = model._predict_columns(X, offset)
        self.means = np.asarray(means, dtype=np.float64)
        self.dispersion = np.atleast_1d(model.dispersion_)
        self.rough = _facts.observation_models()[self.name]["estimates_dispersion"]
        self.null = self._null_means(task, features.shape[0])

    def _null_means(self, task: Any, n: int) -> list[FloatArray]:
        offset = per_sample(plain(task.rows["offset"]), n, "offset")
        link = task.arguments["link"]
        if not task.arguments["intercept"]:
            eta = np.zeros(n) if offset is None else offset
            return [np.asarray(_core.inverse_link(link, eta))] * len(self.columns)
        means = []
        for i, column in enumerate(self.columns):
            used = self._used(i)
            weight = np.ones(n) if self.weight is None else self.weight
            if offset is None:
                means.append(np.full(n, np.average(column[used], weights=weight[used])))
                continue
            parameter = self.dispersion[i] if np.isnan(task.parameter) else task.parameter
            own = np.where(used, weight, 0.0)
            result = _core.fit(
                np.zeros((n, 0)),
                [_core.Problem(np.where(used, column, np.nan), parameter=parameter, weight=own)],
                **{**task.arguments, "solver": "Newton", "settings": {}},
                **task.rows,
                max_iterations=100,
                shared_groups=None,
            )[0]
            eta = result.intercept + offset
            means.append(np.asarray(_core.inverse_link(link, eta)))
        return means

    def _used(self, i: int) -> NDArray[np.bool_]:
        used = ~(np.isnan(self.columns[i]) | np.isnan(self.means[:, i]))
        return used if self.weight is None else used & (self.weight > 0.0)

    def _sum(self, quantity: str, i: int, means: FloatArray, dispersion: float) -> float:
        used = self._used(i)
        values = _core.row_quantity(
            self.name, quantity, self.columns[i][used], means[used], dispersion
        )
        return float(np.sum(values if self.weight is None else values * self.weight[used]))

    def of(self, i: int) -> dict[str, float]:
        """Return the totals of a neuron."""
        means = np.ascontiguousarray(self.means[:, i])
        used = self._used(i)
        n = float(used.sum() if self.weight is None else self.weight[used].sum())
        deviance = self._sum("deviance", i, means, self.dispersion[i])
        dispersion = deviance / n if self.rough else self.dispersion[i]
        return {
            "log_likelihood": self._sum("log_likelihood", i, means, dispersion),
            "deviance": deviance,
            "null_deviance": self._sum("deviance", i, self.null[i], self.dispersion[i]),
            "n_samples": n,
        }
