"""Every basis beside NeMoS in float64: values, compositions, shapes, missing samples, epochs."""

import jax

jax.config.update("jax_enable_x64", True)

import warnings  # noqa: E402

import nemos as peer  # noqa: E402
import numpy as np  # noqa: E402
import pynapple as nap  # noqa: E402
import pytest  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import spikeglm as nmo  # noqa: E402

# NeMoS compiles anew for every shape: shapes are few, values are many.
PROPERTY = settings(deadline=None, derandomize=True, max_examples=12)
SHAPES = [(60,), (60, 2), (60, 2, 3)]


def assert_same(found, expected, atol=1e-12):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    scale = np.nanmax(np.abs(expected), initial=0.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol * scale)


def samples(shape, seed, missing=0.1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 10.0 ** rng.integers(-2, 3)
    x[rng.uniform(size=shape) < missing] = np.nan
    x[:3] = np.arange(3).reshape(-1, *(1,) * (len(shape) - 1))
    return x


def pair(name, *args, **kwargs):
    return getattr(nmo.basis, name)(*args, **kwargs), getattr(peer.basis, name)(*args, **kwargs)


def features(basis, *inputs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return basis.compute_features(*inputs)


splines = st.tuples(
    st.sampled_from(["BSpline", "MSpline", "CyclicBSpline"]), st.integers(2, 6), st.integers(0, 8)
).map(lambda t: (t[0], (t[1] + t[2],), {"order": t[1]}))
linear_cosines = st.tuples(st.integers(2, 9), st.sampled_from([1.5, 2.0, 3.0])).map(
    lambda t: ("RaisedCosineLinear", (t[0],), {"width": t[1]})
)
log_cosines = st.tuples(
    st.integers(2, 9), st.sampled_from([1.5, 2.0]), st.sampled_from([2.0, 50.0]), st.booleans()
).map(
    lambda t: (
        "RaisedCosineLog",
        (t[0],),
        {"width": t[1], "time_scaling": t[2], "enforce_decay_to_zero": t[3]},
    )
)
families = st.one_of(splines, linear_cosines, log_cosines)


@PROPERTY
@given(
    family=families,
    shape=st.sampled_from(SHAPES),
    seed=st.integers(0, 99),
    bounds=st.sampled_from([None, (-1.0, 2.5)]),
)
def test_evaluated(family, shape, seed, bounds):
    name, args, kwargs = family
    ours, theirs = pair(f"{name}Eval", *args, bounds=bounds, **kwargs)
    x = samples(shape, seed)
    assert_same(features(ours, x), features(theirs, x))
    assert ours.label == theirs.label
    assert ours.n_output_features == theirs.n_output_features
    assert ours.input_shape == theirs.input_shape


@PROPERTY
@given(
    family=families,
    shape=st.sampled_from(SHAPES),
    seed=st.integers(0, 99),
    window=st.sampled_from([5, 12]),
    causality=st.sampled_from(["causal", "anti-causal", "acausal"]),
    shift=st.booleans(),
)
def test_convolved(family, shape, seed, window, causality, shift):
    name, args, kwargs = family
    settings_ = {"predictor_causality": causality}
    if causality != "acausal":
        settings_["shift"] = shift
    ours, theirs = pair(f"{name}Conv", *args, window_size=window, conv_kwargs=settings_, **kwargs)
    x = samples(shape, seed, 0.02)
    assert_same(features(ours, x), features(theirs, x), 2e-12)
    assert_same(ours.kernel_, theirs.kernel_)


@PROPERTY
@given(
    borders=st.lists(st.integers(0, 119), min_size=2, max_size=8, unique=True),
    window=st.sampled_from([5, 12]),
    causality=st.sampled_from(["causal", "anti-causal", "acausal"]),
    seed=st.integers(0, 99),
)
def test_epochs(borders, window, causality, seed):
    borders = np.sort(borders)[: len(borders) // 2 * 2] * 0.1
    support = nap.IntervalSet(start=borders[::2], end=borders[1::2])
    rng = np.random.default_rng(seed)
    series = nap.TsdFrame(
        t=np.arange(120) * 0.1, d=rng.poisson(0.5, (120, 2)).astype(float), time_support=support
    )
    if len(series) == 0:
        return
    ours, theirs = pair(
        "RaisedCosineLogConv", 4, window_size=window, conv_kwargs={"predictor_causality": causality}
    )
    found, expected = features(ours, series), features(theirs, series)
    assert_same(found.values, expected.values)
    np.testing.assert_array_equal(found.t, expected.t)
    np.testing.assert_array_equal(found.time_support.values, expected.time_support.values)


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "n_inputs"),
    [
        ("FourierEval", (4,), {}, 1),
        ("FourierEval", ((1, 6),), {"bounds": (-1, 3), "frequency_mask": "all"}, 1),
        ("FourierEval", ([2, 3],), {"ndim": 2}, 2),
        ("FourierEval", (3,), {"ndim": 2, "bounds": ((0, 1), (-2, 2))}, 2),
        ("HistoryConv", (5,), {}, 1),
        ("IdentityEval", (), {}, 1),
        ("IdentityEval", (), {"bounds": (-1, 1)}, 1),
        ("BSplineEval", (6,), {"bounds": (-1, 1), "fill_value": 0.0}, 1),
        ("MSplineEval", (6,), {"bounds": (-1, 1), "fill_value": -2.0}, 1),
        ("Zero", (), {}, 1),
    ],
)
@pytest.mark.parametrize("shape", SHAPES)
def test_others(name, args, kwargs, n_inputs, shape):
    ours, theirs = pair(name, *args, **kwargs)
    x = [samples(shape, seed) for seed in range(n_inputs)]
    # Angles of frequency f lose f times the rounding of u.
    assert_same(features(ours, *x), features(theirs, *x), 1e-12 if name != "FourierEval" else 1e-11)
    assert ours.label == theirs.label


@pytest.mark.parametrize("shape", [(60,), (60, 2)])
def test_orthogonal_exponentials_up_to_sign(shape):
    x = samples(shape, 1)
    for ours, theirs in (
        pair("OrthExponentialEval", 3, [1.0, 4.0, 10.0]),
        pair("OrthExponentialConv", 3, 9, [1.0, 4.0, 10.0]),
    ):
        found, expected = features(ours, x), np.asarray(features(theirs, x))
        signs = np.sign(np.nansum(found * expected, axis=0))
        assert_same(found * signs, expected, 1e-11)


COMPOSITIONS = [
    lambda b: b.BSplineEval(5) + b.MSplineEval(6) * b.CyclicBSplineEval(4),
    lambda b: (b.BSplineEval(5) + b.RaisedCosineLogConv(4, window_size=7)) * b.MSplineEval(5),
    lambda b: b.BSplineEval(5) * 2 + b.IdentityEval(label="speed"),
    lambda b: b.CyclicBSplineEval(5) ** 2 * b.HistoryConv(3),
    lambda b: b.FourierEval(3) * b.BSplineEval(4) + b.Zero(),
    lambda b: 2 * (b.BSplineEval(4) + b.BSplineConv(4, 6)),
]


@pytest.mark.parametrize("compose", COMPOSITIONS)
def test_compositions(compose):
    ours, theirs = compose(nmo.basis), compose(peer.basis)
    n_inputs = ours.n_inputs
    x = [samples((60,), seed, 0.02) for seed in range(n_inputs)]
    found, expected = features(ours, *x), features(theirs, *x)
    assert_same(found, expected, 1e-11)
    assert ours.label == theirs.label
    assert len(ours) == len(theirs)
    assert [part.label for part in ours] == [part.label for part in theirs]
    assert ours.n_output_features == theirs.n_output_features
    ours_split = ours.split_by_feature(found)
    theirs_split = theirs.split_by_feature(np.asarray(expected))
    assert list(ours_split) == list(theirs_split)
    for label in ours_split:
        assert_same(ours_split[label], theirs_split[label], 1e-11)
    # Parameters have the same keys, but for those that only one side has.
    keys = {
        key for key in theirs.get_params() if not key.endswith(("__conv_kwargs", "__fill_value"))
    }
    assert keys <= set(ours.get_params())


@pytest.mark.parametrize("compose", [COMPOSITIONS[0], COMPOSITIONS[3]])
def test_compositions_of_channels(compose):
    ours, theirs = compose(nmo.basis), compose(peer.basis)
    x = [samples((60, 2), seed, 0.02) for seed in range(ours.n_inputs)]
    assert_same(features(ours, *x), features(theirs, *x), 1e-11)


def test_values_and_grids():
    for name, args in [("BSplineEval", (5,)), ("MSplineEval", (5,)), ("RaisedCosineLogEval", (5,))]:
        for bounds in (None, (-1.0, 2.0)):
            ours, theirs = pair(name, *args, bounds=bounds)
            x = np.random.default_rng(0).uniform(-1, 2, size=(20, 2))
            assert_same(ours.evaluate(x), theirs.evaluate(x))
            for mine, other in zip(
                ours.evaluate_on_grid(9), theirs.evaluate_on_grid(9), strict=True
            ):
                assert_same(mine, other)


def test_identifiability():
    b = nmo.basis.BSplineEval(5) * nmo.basis.CyclicBSplineEval(4) + nmo.basis.BSplineEval(4)
    p = peer.basis.BSplineEval(5) * peer.basis.CyclicBSplineEval(4) + peer.basis.BSplineEval(4)
    x = np.random.default_rng(0).uniform(size=(3, 100, 2))
    X, Z = b.compute_features(*x), np.asarray(p.compute_features(*x))
    ours, theirs = nmo.identifiability_constraints, peer.identifiability_constraints
    np.testing.assert_array_equal(
        ours.apply_identifiability_constraints(X)[1],
        theirs.apply_identifiability_constraints(Z)[1],
    )
    np.testing.assert_array_equal(
        ours.apply_identifiability_constraints_by_basis_component(b, X)[1],
        theirs.apply_identifiability_constraints_by_basis_component(p, Z)[1],
    )
