"""Expressions of bases: labels, parameters, parts, shapes, copies."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

import spikeglm as nmo
from spikeglm import basis as nb
from spikeglm.basis import (
    AdditiveBasis,
    BSplineBasis,
    BSplineEval,
    CyclicBSplineBasis,
    MSplineEval,
    MultiplicativeBasis,
    RaisedCosineBasisLog,
)

RNG = np.random.default_rng(0)
X = RNG.uniform(size=40)


def three():
    return BSplineBasis(5) + RaisedCosineBasisLog(4, mode="conv", window_size=10) * BSplineBasis(6)


# Labels.


def test_default_labels_are_numbered_in_order():
    s = three() + MSplineEval(6, label="speed")
    assert s.label == "((BSplineEval + (RaisedCosineLogConv * BSplineEval_1)) + speed)"
    assert [part.label for part in s] == [
        "BSplineEval",
        "(RaisedCosineLogConv * BSplineEval_1)",
        "speed",
    ]
    assert len(s) == 3
    assert s["BSplineEval_1"].n_basis_funcs == 6
    assert s["BSplineEval_1"].label == "BSplineEval_1"
    assert s["(RaisedCosineLogConv * BSplineEval_1)"].n_basis_funcs == 24


def test_a_user_label_renumbers_the_others():
    s = BSplineBasis(5) + BSplineBasis(6) + BSplineBasis(7)
    s["BSplineEval_1"].label = "mid"
    assert s.label == "((BSplineEval + mid) + BSplineEval_1)"
    assert s["BSplineEval_1"].n_basis_funcs == 7
    s["mid"].label = None
    assert [part.label for part in s] == ["BSplineEval", "BSplineEval_1", "BSplineEval_2"]


def test_the_whole_can_have_a_label_too():
    s = BSplineBasis(5) + BSplineBasis(6)
    s.label = "both"
    assert s.label == "both"
    assert (s * MSplineEval(4)).label == "(both * MSplineEval)"


def test_labels_that_mislead_are_refused():
    with pytest.raises(ValueError, match="Cannot assign 'MSplineEval' to a basis of class BSpline"):
        BSplineEval(5, label="MSplineEval")
    with pytest.raises(ValueError, match="Cannot assign 'MSplineConv_2'"):
        BSplineEval(5, label="MSplineConv_2")
    assert BSplineEval(5, label="BSplineEval_1").label == "BSplineEval"
    with pytest.raises(ValueError, match=r"distinct.*'x'"):
        BSplineBasis(5, label="x") + BSplineBasis(6, label="x")
    s = BSplineBasis(5, label="x") + BSplineBasis(6)
    for part in (s, s["BSplineEval"]):
        with pytest.raises(ValueError, match="'x' is already in use"):
            part.label = "x"
    with pytest.raises(TypeError, match="string, got 3"):
        BSplineBasis(5, label=3)


def test_parts_that_do_not_exist():
    s = three()
    with pytest.raises(IndexError, match=r"'nothing' not found.*'BSplineEval_1'"):
        s["nothing"]
    for index in (0, slice(2)):
        with pytest.raises(IndexError, match="by label"):
            s[index]


def test_parts_are_copied_out_without_the_expression():
    s = three()
    part = copy.deepcopy(s["BSplineEval_1"])
    assert part.label == "BSplineEval"
    assert (part + s["BSplineEval_1"]).label == "(BSplineEval + BSplineEval_1)"
    again = pickle.loads(pickle.dumps(s))
    assert again.label == s.label
    assert again["BSplineEval_1"].label == "BSplineEval_1"


# Operators.


def test_an_expression_shares_no_state_with_what_it_was_made_of():
    a = BSplineBasis(5)
    s = a + a
    a.n_basis_funcs = 9
    assert s.n_basis_funcs == 10
    s["BSplineEval_1"].n_basis_funcs = 7
    assert s["BSplineEval"].n_basis_funcs == 5
    assert s.n_basis_funcs == 12


def test_repeating_a_basis():
    a = BSplineBasis(5)
    assert (a * 3).label == (3 * a).label == "((BSplineEval + BSplineEval_1) + BSplineEval_2)"
    assert (a**2).label == "(BSplineEval * BSplineEval_1)"
    assert isinstance(a**3, MultiplicativeBasis)
    assert (a**3).n_basis_funcs == 125
    assert (a * np.int64(1)).n_inputs == (a**1).n_inputs == 1
    assert (a * 2 * 3).n_inputs == 6
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"positive, got {wrong}"):
            a * wrong
        with pytest.raises(ValueError, match=f"positive, got {wrong}"):
            a**wrong
    for wrong in (1.5, True, "2", None):
        with pytest.raises(TypeError):
            a * wrong
        with pytest.raises(TypeError):
            a**wrong
    with pytest.raises(ValueError, match="user-defined labels"):
        BSplineBasis(5, label="x") * 2


def test_nesting_keeps_the_order_of_inputs_and_columns():
    a, b, c = BSplineBasis(4), CyclicBSplineBasis(5), MSplineEval(6)
    x, y, z = RNG.uniform(size=(3, 30))
    fa, fb, fc = a.compute_features(x), b.compute_features(y), c.compute_features(z)
    kron = lambda p, q: (p[:, :, None] * q[:, None, :]).reshape(len(p), -1)  # noqa: E731
    np.testing.assert_array_equal((a * (b + c)).compute_features(x, y, z), kron(fa, np.c_[fb, fc]))
    np.testing.assert_array_equal(((a + b) * c).compute_features(x, y, z), kron(np.c_[fa, fb], fc))
    np.testing.assert_array_equal((a * b * c).compute_features(x, y, z), kron(kron(fa, fb), fc))


def test_a_sum_in_a_product_is_multiplied_channel_by_channel():
    a, b, c = BSplineBasis(4), CyclicBSplineBasis(5), MSplineEval(6)
    x, y, z = RNG.uniform(size=(3, 30, 2))
    found = ((a + b) * c).compute_features(x, y, z).reshape(30, 2, 9, 6)
    for channel in range(2):
        one = ((a + b) * c).compute_features(x[:, channel], y[:, channel], z[:, channel])
        np.testing.assert_array_equal(found[:, channel].reshape(30, -1), one)
    nested = (c * (a + b * c)).compute_features(z, x, y, z).reshape(30, 2, -1)
    for channel in range(2):
        columns = [v[:, channel] for v in (z, x, y, z)]
        np.testing.assert_array_equal(
            nested[:, channel], (c * (a + b * c)).compute_features(*columns)
        )


def test_complex_bases_do_not_multiply():
    fourier = nb.FourierEval(3)
    assert fourier.is_complex
    assert (fourier * BSplineBasis(5)).is_complex
    assert not three().is_complex
    with pytest.raises(ValueError, match="Fourier"):
        (fourier * BSplineBasis(5)) * fourier


def test_zero_adds_nothing():
    s = BSplineBasis(5) + nb.Zero()
    np.testing.assert_array_equal(s.compute_features(X, X), BSplineBasis(5).compute_features(X))
    assert nb.Zero().compute_features(X).shape == (40, 0)
    assert (nb.Zero() * BSplineBasis(5)).compute_features(X, X).shape == (40, 0)
    s.compute_features(X, np.c_[X, X])
    assert {k: v.shape for k, v in s.split_by_feature(np.ones(5), axis=0).items()} == {
        "BSplineEval": (5,),
        "Zero": (2, 0),
    }


def test_the_formula_is_the_repr():
    s = (BSplineBasis(5) + CyclicBSplineBasis(6, bounds=(0, 1))) * MSplineEval(4, label="m")
    assert repr(s) == (
        "(BSplineBasis(n_basis_funcs=5) + CyclicBSplineBasis(n_basis_funcs=6, bounds=(0, 1))) * "
        "MSplineBasis(n_basis_funcs=4, order=4, label='m')"
    )
    s = BSplineBasis(5) + (BSplineBasis(6) + BSplineBasis(7) * BSplineBasis(8))
    assert eval(repr(s), vars(nb)).label == s.label
    assert repr(s).count("(") == 4 + 1
    history = RaisedCosineBasisLog(5, mode="conv", window_size=9, shift=False)
    assert repr(history) == (
        "RaisedCosineBasisLog(n_basis_funcs=5, mode='conv', window_size=9, shift=False)"
    )
    assert repr(nb.FourierEval(3)) == "FourierBasis(frequencies=3)"


# Parameters.


def test_parameters_of_an_expression_have_labels():
    s = three()
    params = s.get_params()
    assert params["BSplineEval__n_basis_funcs"] == 5
    assert params["BSplineEval_1__label"] == "BSplineEval_1"
    assert params["RaisedCosineLogConv__window_size"] == 10
    assert params["(RaisedCosineLogConv * BSplineEval_1)"].n_basis_funcs == 24
    assert params["label"] == s.label
    assert s.set_params(BSplineEval_1__n_basis_funcs=9, BSplineEval__order=3) is s
    assert s.n_basis_funcs == 5 + 4 * 9
    s.set_params(**{"BSplineEval_1": MSplineEval(4), "RaisedCosineLogConv__label": "past"})
    assert s.label == "(BSplineEval + (past * MSplineEval))"
    s.set_params(basis1=CyclicBSplineBasis(6), basis2__label="product", label="all")
    assert [part.label for part in s] == ["CyclicBSplineEval", "product"]
    assert s.label == "all"


def test_the_longest_label_owns_a_parameter():
    s = BSplineBasis(5, label="a") + BSplineBasis(6, label="a__b")
    s.set_params(a__b__n_basis_funcs=9, a__n_basis_funcs=8)
    assert [part.n_basis_funcs for part in s] == [8, 9]


def test_wrong_parameters():
    s = three()
    with pytest.raises(ValueError, match=r"Invalid parameter 'foo'.*'BSplineEval_1'"):
        s.set_params(foo=3)
    with pytest.raises(ValueError, match="Invalid parameter 'foo'"):
        s.set_params(BSplineEval__foo=3)
    with pytest.raises(ValueError, match="by a basis only, got 3"):
        s.set_params(BSplineEval=3)
    with pytest.raises(ValueError, match="distinct"):
        (BSplineBasis(5, label="x") + BSplineBasis(6)).set_params(
            BSplineEval=BSplineBasis(4, label="x")
        )
    with pytest.raises(TypeError, match="two bases"):
        AdditiveBasis(BSplineBasis(5), 3)


@pytest.mark.parametrize("basis", [three(), BSplineBasis(5, bounds=(0, 1)), nb.FourierEval(4)])
def test_clones_keep_parameters_labels_and_shapes_and_forget_the_data(basis):
    basis.set_input_shape(*([2] * basis.n_inputs))
    cloned = clone(basis)
    assert repr(cloned) == repr(basis)
    assert cloned.input_shape == basis.input_shape
    inputs = [X[:, None] * [1, 2]] * basis.n_inputs
    basis.compute_features(*inputs)
    again = clone(basis)
    for leaf in [again] if not isinstance(again, AdditiveBasis) else [again["BSplineEval"]]:
        assert not hasattr(leaf, "bounds_")
    for copied in (copy.deepcopy(basis), pickle.loads(pickle.dumps(basis))):
        np.testing.assert_array_equal(
            copied.compute_features(*inputs), basis.compute_features(*inputs)
        )


def test_names_of_the_field_are_the_same_bases():
    pairs = [
        (nb.BSplineEval(6), BSplineBasis(6)),
        (nb.BSplineConv(6, 12), BSplineBasis(6, "conv", window_size=12)),
        (nb.CyclicBSplineEval(6, 3), CyclicBSplineBasis(6, order=3)),
        (nb.CyclicBSplineConv(6, 12), CyclicBSplineBasis(6, "conv", window_size=12)),
        (nb.MSplineEval(6), nb.MSplineBasis(6, order=4)),
        (nb.MSplineConv(6, 12), nb.MSplineBasis(6, "conv", 4, 12)),
        (nb.RaisedCosineLinearEval(6), nb.RaisedCosineBasisLinear(6)),
        (nb.RaisedCosineLinearConv(6, 12), nb.RaisedCosineBasisLinear(6, "conv", window_size=12)),
        (nb.RaisedCosineLogEval(6), RaisedCosineBasisLog(6)),
        (
            nb.RaisedCosineLogConv(6, 12, 3.0, 10.0, False),
            RaisedCosineBasisLog(6, "conv", 3.0, 10.0, False, 12),
        ),
        (nb.OrthExponentialEval(2, [1, 2]), nb.OrthExponentialBasis(2, [1, 2])),
        (
            nb.OrthExponentialConv(2, 12, [1, 2]),
            nb.OrthExponentialBasis(2, [1, 2], "conv", 12),
        ),
        (nb.IdentityEval(), nb.IdentityBasis()),
        (nb.HistoryConv(12), nb.HistoryBasis(12)),
        (nb.FourierEval(4), nb.FourierBasis(4)),
        (
            nb.BSplineConv(
                6, 12, conv_kwargs={"predictor_causality": "acausal", "batch_size_basis": 2}
            ),
            BSplineBasis(6, "conv", window_size=12, predictor_causality="acausal"),
        ),
    ]
    for ours, primary in pairs:
        assert repr(ours) == repr(primary)
        assert ours.label == primary.label
        np.testing.assert_array_equal(ours.compute_features(X), primary.compute_features(X))
    assert {name for name in nb.__all__ if name.endswith(("Eval", "Conv"))} == {
        ours.label for ours, _ in pairs
    }
    for name in nb.__all__:
        assert hasattr(nmo.basis, name)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nb.BSplineConv(5, None), ValueError, "window_size"),
        (lambda: nb.BSplineConv(5, 5.0), ValueError, r"got 5\.0"),
        (lambda: nb.BSplineConv(5, 9, conv_kwargs={"axis": 0}), ValueError, "first axis"),
        (lambda: nb.BSplineConv(5, 9, conv_kwargs={"foo": 0}), ValueError, "'foo'"),
        (lambda: nb.BSplineConv(5, 9, conv_kwargs={"batch_size_basis": 0}), ValueError, "batch"),
        (
            lambda: nb.BSplineConv(
                5, 9, conv_kwargs={"predictor_causality": "acausal", "shift": True}
            ),
            ValueError,
            "acausal",
        ),
        (lambda: BSplineBasis(5, predictor_causality="acausal"), ValueError, 'mode="eval"'),
        (
            lambda: BSplineBasis(5, "conv", window_size=9, predictor_causality="past"),
            ValueError,
            "'past'",
        ),
        (lambda: BSplineBasis(5, "conv", window_size=9, shift=3), TypeError, "got 3"),
        (lambda: BSplineBasis(5, fill_value="a"), TypeError, "fill_value"),
        (lambda: nb.OrthExponentialEval(3, [1, 2]), ValueError, "2 rates"),
        (lambda: nb.OrthExponentialEval(3, [1, 2, 2]), ValueError, "different"),
        (lambda: nb.OrthExponentialEval(2, [1, np.inf]), ValueError, "finite"),
        (lambda: setattr(nb.HistoryConv(5), "n_basis_funcs", 3), AttributeError, None),
        (lambda: nb.HistoryConv(0), ValueError, "got 0"),
        (lambda: nb.FourierEval([2, 3]), ValueError, "2 for 1 dim"),
        (lambda: nb.FourierEval(0), ValueError, "no frequency"),
        (lambda: nb.FourierEval(np.array([0.5])), ValueError, "whole numbers"),
        (lambda: nb.FourierEval(np.array([1, 1])), ValueError, "twice"),
        (lambda: nb.FourierEval(3, frequency_mask="none"), ValueError, "'none'"),
        (lambda: nb.FourierEval(3, frequency_mask=[1, 0]), ValueError, r"\(3,\)"),
        (lambda: nb.FourierEval(3, ndim=2, bounds=((0, 1),) * 3), ValueError, "2 inputs"),
        (lambda: nb.Category([1, 1, 2]), ValueError, "twice"),
        (lambda: nb.Category(0), ValueError, "got 0"),
        (lambda: nb.CustomBasis(3), (TypeError, ValueError), None),
        (lambda: nb.CustomBasis([]), ValueError, "callable"),
        (lambda: nb.CustomBasis([lambda x: x, lambda x, y: x]), ValueError, "same number"),
    ],
)
def test_bad_parameters(make, error, message):
    with pytest.raises(error, match=message):
        make()


# Shapes and parts of features.


def test_input_shapes_can_be_set_before_there_are_data():
    a = BSplineBasis(5)
    assert a.n_output_features is None
    assert a.input_shape == [None]
    assert a.set_input_shape(3).n_output_features == 15
    assert a.set_input_shape((2, 3)).n_output_features == 30
    assert a.set_input_shape(np.ones((10, 4))).input_shape == [(4,)]
    assert a.set_input_shape(1).input_shape == [()]
    assert a.set_input_shape(None).n_output_features is None
    s = three().set_input_shape(3, 2, 2)
    assert s.n_output_features == 15 + 2 * 24
    with pytest.raises(ValueError, match="3 inputs, but 1"):
        s.set_input_shape(3)
    with pytest.raises(ValueError, match="child"):
        s["BSplineEval_1"].set_input_shape(4)
    with pytest.raises(ValueError, match="positive integers"):
        a.set_input_shape((2, 0))
    with pytest.raises((TypeError, ValueError), match="input shape"):
        a.set_input_shape("a")


def test_features_are_split_by_component():
    s = three()
    x, y = RNG.uniform(size=(40, 2, 3)), RNG.uniform(size=(40, 2))
    features = s.compute_features(x, y, y)
    parts = s.split_by_feature(features)
    assert {k: v.shape for k, v in parts.items()} == {
        "BSplineEval": (40, 2, 3, 5),
        "(RaisedCosineLogConv * BSplineEval_1)": (40, 2, 24),
    }
    alone = BSplineBasis(5).compute_features(x[:, 1, 2])
    np.testing.assert_array_equal(parts["BSplineEval"][:, 1, 2], alone)
    coef = s.split_by_feature(np.arange(78.0 * 4).reshape(78, 4), axis=0)
    assert [v.shape for v in coef.values()] == [(2, 3, 5, 4), (2, 24, 4)]
    assert len(s.feature_names()) == len(set(s.feature_names())) == 78
    assert s.feature_names()[7] == "BSplineEval_0_1_2"
    with pytest.raises(ValueError, match=r"== 77.*expected 78"):
        s.split_by_feature(features[:, :-1])
    with pytest.raises(ValueError, match="set_input_shape"):
        three().split_by_feature(features)


# Bounds.


def test_bounds_are_learned_at_each_call_until_they_are_fixed():
    s = BSplineBasis(5) + CyclicBSplineBasis(6, bounds=(0, 1))
    s.compute_features(3 * X, X)
    first = s["BSplineEval"].bounds_.copy()
    s.set_bounds()
    assert s["BSplineEval"].bounds == (first[0, 0], first[0, 1])
    np.testing.assert_array_equal(s.compute_features(X, X), s.compute_features(X, X))
    np.testing.assert_array_equal(s["BSplineEval"].bounds_, first)
    s.set_bounds(None, (0, 2))
    s.compute_features(X, X)
    np.testing.assert_array_equal(s["BSplineEval"].bounds_, [[X.min(), X.max()]])
    np.testing.assert_array_equal(s["CyclicBSplineEval"].bounds_, [[0, 2]])
    with pytest.raises(ValueError, match="2 bounds, got 1"):
        s.set_bounds((0, 1))
    with pytest.raises(ValueError, match="no bounds to set"):
        nb.HistoryConv(3).set_bounds((0, 1))
    with pytest.raises(ValueError, match="learned no bounds"):
        BSplineBasis(5).set_bounds()


def test_bounds_for_each_channel():
    x = np.c_[X, 10 * X]
    basis = BSplineBasis(5, bounds=((0, 1), (0, 10)))
    found = basis.compute_features(x)
    np.testing.assert_allclose(found[:, :5], found[:, 5:], rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="2 channels, the input has 3"):
        basis.compute_features(np.c_[x, X])
    learned = BSplineBasis(5)
    learned.compute_features(x)
    learned.set_bounds()
    assert np.array(learned.bounds).shape == (2, 2)
    assert clone(learned).bounds == learned.bounds


@pytest.mark.parametrize("fill", [np.nan, 0.0, -3.0])
def test_samples_outside_are_filled_counted_and_found(fill):
    x = np.array([0.1, 1.2, 0.5, -0.3, np.nan, 1.0])
    basis = BSplineBasis(5, bounds=(0, 1), fill_value=fill)
    found = basis.compute_features(x)
    np.testing.assert_array_equal(found[[1, 3]], np.full((2, 5), fill))
    assert np.isnan(found[4]).all()
    assert not np.isnan(found[[0, 2, 5]]).any()
    np.testing.assert_array_equal(basis.n_outside_, [2])
    np.testing.assert_array_equal(basis.outside(x), [0, 1, 0, 1, 0, 0])
    product = basis * BSplineBasis(4, bounds=(0, 1))
    np.testing.assert_array_equal(
        product.compute_features(x, np.full(6, 0.5))[1],
        np.tile(fill * BSplineBasis(4).evaluate_on_grid(3)[1][1], 5),
    )
    np.testing.assert_array_equal(product.outside(x, [0, 0, 2, 0, 0, 0]), [0, 1, 1, 1, 0, 0])
    assert not BSplineBasis(5).outside(x).any()


def test_a_fitted_model_fixes_the_bounds_of_its_design():
    y = RNG.poisson(1.0, size=40)
    basis = BSplineBasis(5) + nb.HistoryConv(3)
    model = nmo.glm.GLM(regularizer="Ridge").fit(basis.design(X, y), y)
    later = basis.design(X[10:20], y[10:20])
    expected = BSplineBasis(5, bounds=(X.min(), X.max())).compute_features(X[10:20])
    np.testing.assert_array_equal(np.asarray(later)[:, :5], expected)
    assert model.predict(later).shape == (10,)
    np.testing.assert_array_equal(basis.compute_features(X[10:20], y[10:20])[:, :5], expected)
    basis.set_bounds(None, None)
    assert not np.array_equal(basis.compute_features(X[10:20], y[10:20])[:, :5], expected)
    # The bounds of the design that was fitted, whatever the basis has seen since.
    busy = BSplineBasis(5)
    design = busy.design(X)
    busy.compute_features(7 * X)
    nmo.glm.GLM(regularizer="Ridge").fit(design[5:], y[5:])
    np.testing.assert_array_equal(busy.compute_features(X[10:20]), expected)
    untouched = BSplineBasis(5)
    design = untouched.design(X)
    with pytest.raises(ValueError, match="samples"):
        nmo.glm.GLM().fit(design, y[:-1])
    untouched.compute_features(X[10:20])
    np.testing.assert_array_equal(untouched.bounds_, [[X[10:20].min(), X[10:20].max()]])


# Memory that is given.


def test_features_into_given_memory(tmp_path):
    basis = three()
    x = RNG.uniform(size=(3, 500))
    expected = basis.compute_features(*x)
    for dtype in (np.float64, np.float32):
        out = np.full(expected.shape, 7, dtype)
        assert basis.compute_features(*x, out=out) is out
        np.testing.assert_array_equal(out, expected.astype(dtype))
    mapped = np.lib.format.open_memmap(tmp_path / "f.npy", "w+", np.float64, expected.shape)
    basis.compute_features(*x, out=mapped)
    np.testing.assert_array_equal(mapped, expected)
    frozen = np.zeros(expected.shape)
    frozen.flags.writeable = False
    for wrong in (
        np.zeros((3, 4)),
        np.zeros(expected.shape, int),
        np.zeros(expected.shape, order="F"),
        np.zeros((500, 58))[:, ::2],
        frozen,
        [1.0],
    ):
        with pytest.raises((TypeError, ValueError)):
            basis.compute_features(*x, out=wrong)
    assert not frozen.any()
