"""Whatever goes in: a documented error, an optimum, or a warning that says why not."""

import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import DataConversionWarning

from glm_cases import PAIRS, kkt_residual
from spikeglm.basis import BSplineBasis, CyclicBSplineBasis, RaisedCosineBasisLog
from spikeglm.exceptions import SilentNeuronWarning, SpikeglmWarning
from spikeglm.glm import GLM

LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
}
DTYPES = ["f8", "f8", "f4", ">f8", ">f4", "f2", "i4", "i8", "u1", ">i2", "bool"]


def columns(rng, kind, n):
    """A column of a design, and sometimes one that is not fit for one."""
    if kind == "constant":
        return np.full(n, rng.choice([0.0, 1.0, -250.0]))
    if kind == "counts":
        return rng.poisson(0.3, size=n) * 1.0
    if kind == "group":
        return (rng.random(n) < 0.2) * 1.0
    if kind == "far away":
        return 1e5 + rng.normal(size=n)
    if kind == "large":
        return 1e6 * rng.normal(size=n)
    if kind == "small":
        return 1e-6 * rng.normal(size=n)
    return rng.normal(size=n)


def targets(rng, kind, n):
    if kind == "counts":
        return rng.poisson(2.0, size=n) * 1.0
    if kind == "few counts":
        return rng.poisson(0.05, size=n) * 1.0
    if kind == "zeros":
        return np.zeros(n)
    if kind == "large counts":
        return rng.poisson(1e7, size=n) * 1.0
    if kind == "positive":
        return rng.gamma(2.0, size=n)
    if kind == "wide":
        return np.exp(8 * rng.normal(size=n))
    return rng.normal(size=n)


KINDS_OF_COLUMNS = st.sampled_from(
    ["plain"] * 4 + ["constant", "counts", "group", "far away", "large", "small", "repeated"]
)
KINDS_OF_TARGETS = st.sampled_from(
    [
        "counts",
        "counts",
        "positive",
        "positive",
        "few counts",
        "zeros",
        "large counts",
        "wide",
        "signed",
    ]
)
MISSING = st.sampled_from(["none", "none", "head", "scattered", "all"])


def allowed(category):
    return issubclass(category, SpikeglmWarning | DataConversionWarning)


@given(
    n=st.integers(0, 50),
    kinds=st.lists(KINDS_OF_COLUMNS, max_size=12),
    target=KINDS_OF_TARGETS,
    pair=st.sampled_from(PAIRS),
    strength=st.sampled_from([None, None, 0.0, 1e-6, 0.1, 10.0]),
    dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(sorted(LAYOUTS)),
    missing=st.tuples(MISSING, MISSING),
    weighted=st.sampled_from(["no", "no", "whole", "real"]),
    shifted=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, derandomize=True, max_examples=2500)
def test_a_fit_ends_well_or_says_why_not(
    n, kinds, target, pair, strength, dtype, layout, missing, weighted, shifted, seed
):
    rng = np.random.default_rng(seed)
    X = np.zeros((n, len(kinds)))
    for j, kind in enumerate(kinds):
        X[:, j] = X[:, rng.integers(j)] if kind == "repeated" and j else columns(rng, kind, n)
    y = targets(rng, target, n)
    floating = np.dtype(dtype).kind == "f"
    for values, pattern in ((X, missing[0] if floating else "none"), (y, missing[1])):
        rows = {
            "none": slice(0, 0),
            "head": slice(0, n // 4),
            "scattered": rng.random(n) < 0.1,
            "all": slice(None),
        }[pattern]
        if values.ndim == 1 or values.shape[1]:
            values[rows if values.ndim == 1 else (rows, 0)] = np.nan
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given_x = LAYOUTS[layout](np.nan_to_num(X) if not floating else X).astype(dtype)
    weight = {
        "no": None,
        "whole": rng.integers(0, 4, size=n).astype(float),
        "real": rng.gamma(1.0, size=n),
    }[weighted]
    offset = rng.uniform(0, 0.5, size=n) if shifted else None

    model = GLM(
        pair[0],
        pair[1],
        "UnRegularized" if strength is None else "Ridge",
        strength,
        solver_kwargs={"maxiter": 60},
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(given_x, y, sample_weight=weight, offset=offset)
        except (ValueError, TypeError) as error:
            assert len(str(error)) > 20  # noqa: PT017
            assert not hasattr(model, "coef_")
            return
    categories = [item.category for item in caught]
    assert all(map(allowed, categories)), caught
    assert len(set(map(str, (item.message for item in caught)))) == len(caught)
    assert {item.filename for item in caught} <= {__file__}

    assert np.all(np.isfinite(model.coef_))
    plain = np.asarray(given_x, dtype=float)
    predicted = model.predict(given_x, offset=offset)
    assert not np.any(np.isnan(predicted[~np.isnan(plain).any(axis=1)]))
    if SilentNeuronWarning in categories:
        assert model.converged_
        return
    assert np.all(np.isfinite(model.intercept_))
    if not model.converged_:
        assert categories
        assert np.all(np.isfinite([model.kkt_, model.n_iter_]))
        return
    # Residuals are of a loss with a dispersion of one; y in large units has larger ones.
    unit = max(1.0, np.nan_to_num(model.dispersion_) ** 0.5)
    assert model.kkt_ <= 1e-5 * unit  # an offset may cost a small mean its digits
    used = ~(np.isnan(plain).any(axis=1) | np.isnan(y))
    if weight is not None:
        used &= weight > 0
    if pair[1] in ("exp", "softplus"):  # elsewhere a mean may be a difference that loses its digits
        rows = [None if values is None else values[used] for values in (weight, offset)]
        # Columns at 1e6 standard deviations from zero cost the intercept as many digits.
        assert kkt_residual(model, plain[used], y[used], *rows) <= 1e-3 * unit
    assert (
        model.n_dropped_
        == (np.isnan(plain).any(axis=1) | np.isnan(y) & (True if weight is None else weight > 0))[
            slice(None) if weight is None else weight > 0
        ].sum()
    )
    assert model.rank_ <= min(used.sum(), len(kinds) + 1)


@given(
    which=st.sampled_from([BSplineBasis, CyclicBSplineBasis, RaisedCosineBasisLog]),
    n_funcs=st.integers(4, 9),
    window=st.one_of(st.none(), st.integers(1, 70)),
    n=st.integers(0, 60),
    channels=st.lists(st.integers(1, 3), max_size=2),
    dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(sorted(LAYOUTS)),
    missing=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, derandomize=True, max_examples=300)
def test_features_do_not_depend_on_type_and_layout(
    which, n_funcs, window, n, channels, dtype, layout, missing, seed
):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 100, size=(n, *channels)).astype(dtype)
    if missing and x.dtype.kind == "f":
        x[rng.random(x.shape) < 0.05] = np.nan
    given_x = LAYOUTS[layout](x) if x.ndim == 2 else x
    mode = {} if window is None else {"mode": "conv", "window_size": window}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = which(n_funcs, **mode).compute_features(given_x)
        plain = which(n_funcs, **mode).compute_features(np.asarray(x, dtype=float, order="C"))
    assert all(map(allowed, [item.category for item in caught])), caught
    single = np.dtype(dtype).newbyteorder("=") == np.float32
    assert found.dtype == (np.float32 if single else np.float64)
    assert found.shape == (n, n_funcs * int(np.prod(channels)))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(plain))
    np.testing.assert_array_equal(found, plain.astype(found.dtype))
