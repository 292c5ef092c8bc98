"""Coupled simulation, the filters for it, and the check that comes before."""

import inspect
import sys
import types
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from scipy.stats import gamma

from spikeglm.convolve import create_convolutional_predictor
from spikeglm.exceptions import DivergenceError, SpikeglmWarning, StabilityWarning
from spikeglm.glm import PopulationGLM
from spikeglm.simulation import (
    coupling_stability,
    difference_of_gammas,
    regress_filter,
    simulate_recurrent,
)

N, W, B, F, T = 3, 6, 2, 2, 400
RNG = np.random.default_rng(50)
MODEL = {
    "coupling_coef": RNG.normal(size=(N, N, B)) * 0.05,
    "feedforward_coef": RNG.normal(size=(N, F)),
    "intercepts": RNG.normal(size=N) - 1.0,
    "random_key": 3,
    "feedforward_input": RNG.normal(size=(T, N, F)) * 0.3,
    "coupling_basis_matrix": RNG.random((W, B)),
    "init_y": RNG.poisson(1.0, size=(W, N)),
}
LINKS = {"softplus": lambda eta: np.logaddexp(0.0, eta), "exp": np.exp}


def one_neuron(filter_, intercept, link, n_bins=1000):
    """Arguments of a neuron that drives itself through a filter."""
    return {
        "coupling_coef": np.asarray(filter_, float)[None, None, :],
        "feedforward_coef": np.zeros((1, 0)),
        "intercepts": [intercept],
        "random_key": 0,
        "feedforward_input": np.zeros((n_bins, 1, 0)),
        "coupling_basis_matrix": np.eye(len(filter_)),
        "init_y": np.zeros((len(filter_), 1)),
        "inverse_link_function": link,
    }


def stability(filter_, intercept, link):
    arguments = one_neuron(filter_, intercept, link)
    names = inspect.signature(coupling_stability).parameters
    wanted = {name: value for name, value in arguments.items() if name in names}
    return coupling_stability(**wanted)


def quiet(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StabilityWarning)
        return function(*args, **kwargs)


# --- filters ---


def test_difference_of_gammas_reference_values():
    expected = [
        -0.9744036184,
        0.1325937222,
        0.1649787139,
        0.0677801177,
        0.0072221929,
        -0.0156653695,
        -0.0194475884,
        -0.0163042732,
        -0.0118145072,
        -0.0079491184,
    ]
    assert_allclose(difference_of_gammas(10), expected, atol=1e-10)


def test_difference_of_gammas_is_the_difference_of_densities():
    inhibition, excitation = gamma(a=1.5, scale=1 / 0.7), gamma(a=3.0, scale=1 / 1.2)
    x = np.linspace(0, max(inhibition.ppf(0.9), excitation.ppf(0.9)), 50)
    expected = excitation.pdf(x) - inhibition.pdf(x)
    expected /= np.linalg.norm(expected)
    values = difference_of_gammas(50, 0.9, inhib_a=1.5, excit_a=3.0, inhib_b=0.7, excit_b=1.2)
    assert_allclose(values, expected, atol=1e-12)
    assert values.dtype == np.float64
    assert_array_equal(difference_of_gammas(1), [-1.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ws": 0}, "`ws` must be an integer"),
        ({"upper_percentile": 1.0}, "upper_percentile"),
        ({"upper_percentile": -0.1}, "upper_percentile"),
        ({"inhib_a": 0.0}, "inhib_a"),
        ({"excit_a": 0.5}, "excit_a must be finite and >= 1"),
        ({"excit_b": -1.0}, "excit_b"),
        ({"inhib_b": np.nan}, "inhib_b"),
        ({"excit_a": 1.0, "excit_b": 1.0}, "do not differ"),
    ],
)
def test_difference_of_gammas_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        difference_of_gammas(**({"ws": 10} | arguments))


def test_regress_filter():
    basis = RNG.normal(size=(20, 4))
    coef = RNG.normal(size=(3, 2, 4))
    filters = np.einsum("wb,ijb->wij", basis, coef)
    assert_allclose(regress_filter(filters, basis), coef, atol=1e-12)
    with pytest.raises(ValueError, match=r"`coupling_filters` must be 3-dimensional"):
        regress_filter(filters[:, 0], basis)
    with pytest.raises(ValueError, match=r"`eval_basis` must be 2-dimensional"):
        regress_filter(filters, basis[:, 0])
    with pytest.raises(ValueError, match="window size of 20, eval_basis of 19"):
        regress_filter(filters, basis[1:])
    with pytest.raises(ValueError, match=r"`coupling_filters` must be finite, got nan at \(2, 1"):
        regress_filter(np.where(filters == filters[2, 1, 0], np.nan, filters), basis)


# --- simulation ---


def test_signature_is_that_of_nemos():
    assert list(inspect.signature(simulate_recurrent).parameters) == [
        "coupling_coef",
        "feedforward_coef",
        "intercepts",
        "random_key",
        "feedforward_input",
        "coupling_basis_matrix",
        "init_y",
        "inverse_link_function",
    ]


@pytest.mark.parametrize("link", LINKS)
def test_rates_follow_from_the_counts_before(link):
    counts, rates = quiet(simulate_recurrent, **MODEL, inverse_link_function=link)
    assert counts.shape == rates.shape == (T, N)
    assert counts.dtype == np.int64
    assert rates.dtype == np.float64
    # Features as a fit gets them, for the whole series at once.
    series = np.concatenate([MODEL["init_y"], counts]).astype(float)
    features = create_convolutional_predictor(MODEL["coupling_basis_matrix"], series)
    features = features.reshape(T + W, N * B)[W:]
    eta = MODEL["intercepts"] + features @ MODEL["coupling_coef"].reshape(N, -1).T
    eta += np.einsum("tnk,nk->tn", MODEL["feedforward_input"], MODEL["feedforward_coef"])
    assert_allclose(rates, LINKS[link](eta), rtol=1e-12)
    # Pearson's statistic of Poisson counts.
    assert np.mean((counts - rates) ** 2 / rates) == pytest.approx(1.0, abs=0.15)


def test_a_fit_recovers_what_was_simulated():
    coef = np.array([[[-0.8, 0.2], [0.4, 0.0]], [[0.3, -0.5], [-1.0, 0.1]]])
    basis = np.exp(-np.arange(8)[:, None] / [1.0, 4.0])
    counts, _ = quiet(
        simulate_recurrent,
        coef,
        np.zeros((2, 0)),
        [-1.0, -1.5],
        1,
        np.zeros((60000, 2, 0)),
        basis,
        np.zeros((8, 2)),
        "exp",
    )
    X = create_convolutional_predictor(basis, counts.astype(float)).reshape(len(counts), -1)
    model = PopulationGLM().fit(X, counts)
    assert_allclose(model.coef_.T.reshape(coef.shape), coef, atol=0.1)
    assert_allclose(model.intercept_, [-1.0, -1.5], atol=0.06)


@pytest.mark.parametrize(
    "function", ["softplus", "jax.nn.softplus", "exp", np.exp, expit, lambda x: x]
)
def test_links(function):
    known = function in ("softplus", "jax.nn.softplus", "exp", np.exp, expit)
    if function is expit:
        assert np.all(simulate_recurrent(**MODEL, inverse_link_function=function)[1] < 1.0)
    elif known:
        name = "exp" if function in ("exp", np.exp) else "softplus"
        first = simulate_recurrent(**MODEL, inverse_link_function=function)[1]
        assert_array_equal(first, simulate_recurrent(**MODEL, inverse_link_function=name)[1])
    else:
        with pytest.raises(ValueError, match="unknown inverse link"):
            simulate_recurrent(**MODEL, inverse_link_function=function)


def test_default_link_is_softplus():
    rates = simulate_recurrent(**MODEL)[1]
    assert_array_equal(rates, simulate_recurrent(**MODEL, inverse_link_function="softplus")[1])


def test_random_keys(monkeypatch):
    def counts(key):
        return simulate_recurrent(**(MODEL | {"random_key": key}))[0]

    assert_array_equal(counts(7), counts(np.int32(7)))
    assert_array_equal(counts(7), counts(np.array(7, np.uint32)))
    assert not np.array_equal(counts(7), counts(8))
    generator = np.random.default_rng(7)
    assert_array_equal(counts(generator), counts(np.random.default_rng(7)))
    assert not np.array_equal(counts(generator), counts(np.random.default_rng(7)))  # it moved on
    old_key = np.array([0, 7], np.uint32)

    class Key:  # what jax.random.key returns: its dtype is none of numpy's
        dtype = "key<fry>"

    jax = types.SimpleNamespace(random=types.SimpleNamespace(key_data=lambda key: old_key))
    monkeypatch.setitem(sys.modules, "jax", jax)
    assert_array_equal(counts(Key()), counts(old_key))
    for wrong in (-1, 0.5, None, "seed", [], [3, -1]):
        with pytest.raises(ValueError, match="`random_key` must be a numpy"):
            counts(wrong)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("coupling_coef", np.zeros((N, N)), "`coupling_coef` must be 3-dimensional"),
        ("coupling_coef", np.zeros((N, N + 1, B)), r"= \(3, 3, 2\), .* got \(3, 4, 2\)"),
        ("coupling_coef", np.zeros((N, N, B + 1)), r"= \(3, 3, 2\), .* got \(3, 3, 3\)"),
        ("feedforward_coef", np.zeros(N), "`feedforward_coef` must be 2-dimensional"),
        ("feedforward_coef", np.zeros((N + 1, F)), "one row for each of the 3 neurons"),
        ("feedforward_input", np.zeros((T, N)), "`feedforward_input` must be 3-dimensional"),
        ("feedforward_input", np.zeros((T, N, F + 1)), r"n_time_bins, 3, 2\).* got \(400, 3, 3\)"),
        ("intercepts", 0.0, r"`intercepts` must be 1-dimensional \(n_neurons,\)"),
        ("intercepts", np.zeros(0), "no neurons"),
        ("coupling_basis_matrix", np.zeros(W), "`coupling_basis_matrix` must be 2-dimensional"),
        ("coupling_basis_matrix", np.zeros((0, B)), "no rows"),
        ("init_y", np.zeros((W + 1, N)), r"\(6, 3\), .* got \(7, 3\)"),
        ("init_y", np.zeros((W, N + 1)), r"\(6, 3\), .* got \(6, 4\)"),
        ("init_y", np.full((W, N), np.nan), r"`init_y` must be finite, got nan at \(0, 0\)"),
        ("intercepts", [0.0, -np.inf, 0.0], r"`intercepts` must be finite, got -inf at \(1,\)"),
    ],
)
def test_shape_errors(name, value, message):
    with pytest.raises(ValueError, match=message):
        simulate_recurrent(**(MODEL | {name: value}))
    if name in inspect.signature(coupling_stability).parameters:
        names = inspect.signature(coupling_stability).parameters
        arguments = {key: item for key, item in (MODEL | {name: value}).items() if key in names}
        with pytest.raises(ValueError, match=message):
            coupling_stability(**arguments)


def test_no_bins():
    counts, rates = simulate_recurrent(**(MODEL | {"feedforward_input": np.zeros((0, N, F))}))
    assert counts.shape == rates.shape == (0, N)


def test_inputs_stay_as_they_are():
    before = {name: np.array(value) for name, value in MODEL.items()}
    simulate_recurrent(**MODEL)
    for name, value in before.items():
        assert_array_equal(MODEL[name], value)


def test_a_runaway_stops_with_neuron_and_bin():
    arguments = one_neuron([0.5, 0.5], 1.0, "exp")
    with (
        pytest.warns(StabilityWarning, match=r"divergent.* neuron\(s\) 0 "),
        pytest.raises(DivergenceError, match=r"the rate of neuron 0 in bin \d+ is"),
    ):
        simulate_recurrent(**arguments)


def test_a_negative_rate_is_an_error():
    arguments = one_neuron([-1.0], 0.5, "identity")
    with pytest.raises(ValueError, match=r"neuron 0 in bin \d+ is negative.*'identity'"):
        simulate_recurrent(**arguments)


# --- stability ---


@pytest.mark.parametrize("link", ["identity", "softplus"])
def test_border_of_a_linear_model(link):
    filter_ = np.array([0.5, 0.3, 0.2])
    inside = stability(filter_ * (1 - 1e-6), 0.1, link)
    assert inside.status == "stable"
    assert inside.excitation == pytest.approx(1 - 1e-6, rel=1e-12)
    for factor in (1.0, 1 + 1e-6):
        with pytest.warns(StabilityWarning, match="excitation 1;"):
            assert stability(filter_ * factor, 0.1, link).status == "divergent"


def test_linear_network():
    # Spectral radius of the summed filters: 0.8 = sqrt(0.4 * 1.6), shared among lags.
    coef = np.array([[[0.0, 0.0], [0.1, 0.3]], [[0.8, 0.8], [0.0, 0.0]]])
    basis = np.eye(2)
    result = coupling_stability(coef, [0.1, 0.2], basis, "identity")
    assert result.status == "stable"
    assert result.excitation == pytest.approx(0.8, rel=1e-12)
    assert result.gain == pytest.approx(0.8, rel=1e-6)
    # Hawkes (1971): (I - H)^-1 b
    expected = np.linalg.solve(np.eye(2) - coef.sum(axis=2), [0.1, 0.2])
    assert_allclose(result.rates, expected, rtol=1e-4)
    _, rates = simulate_recurrent(
        coef,
        np.zeros((2, 0)),
        [0.1, 0.2],
        0,
        np.zeros((40000, 2, 0)),
        basis,
        np.zeros((2, 2)),
        "identity",
    )
    assert_allclose(rates.mean(axis=0), expected, rtol=0.1)
    with pytest.warns(StabilityWarning):
        assert coupling_stability(coef * 1.26, [0.1, 0.2], basis, "identity").status == "divergent"


def test_inhibition_alone_is_stable():
    for link in ("exp", "softplus", "identity"):
        result = stability([-3.0, -1.0], 1.0, link)
        assert result.status == "stable"
        assert result.excitation == 0.0


def test_border_of_the_exp_link():
    # r = exp(b + c r), c = sum(exp(h) - 1), has a solution up to c exp(b) = 1 / e.
    filter_ = np.array([0.3, 0.2, -0.1])
    border = -1.0 - np.log(np.expm1(filter_).sum())
    below = stability(filter_, border - 2.0, "exp")
    assert below.status == "locally stable"
    assert below.rates[0] == pytest.approx(np.exp(border - 2 + below.gain), rel=1e-4)
    with pytest.warns(StabilityWarning, match="close to the border of stability"):
        assert stability(filter_, border - 0.01, "exp").status == "locally stable"
    with pytest.warns(StabilityWarning, match="divergent"):
        assert stability(filter_, border + 0.01, "exp").status == "divergent"


def test_refractoriness_does_not_hide_excitation():
    # The plain sum of the filter is -17, but a refractory bin takes away one bin's worth at most.
    with pytest.warns(StabilityWarning, match="divergent"):
        stability([-20.0, *[0.3] * 10], -0.5, "exp")


def test_filters_that_overflow():
    with pytest.warns(StabilityWarning):
        assert stability([800.0], -5.0, "exp").status == "divergent"


def test_drive_is_the_mean_of_the_input():
    arguments = one_neuron([0.3], -1.0, "exp")
    names = ("coupling_coef", "intercepts", "coupling_basis_matrix", "inverse_link_function")
    model = {name: arguments[name] for name in names}
    varying = np.array([0.0, 1.0, -2.0, 0.5])[:, None, None]
    constant = np.full((4, 1, 1), np.log(np.mean(np.exp(varying))))
    results = [
        coupling_stability(**model, feedforward_coef=[[1.0]], feedforward_input=given)
        for given in (varying, constant)
    ]
    assert results[0].gain == pytest.approx(results[1].gain, rel=1e-6)
    assert results[0].gain != pytest.approx(coupling_stability(**model).gain, rel=1e-2)
    with pytest.raises(ValueError, match="give both"):
        coupling_stability(**model, feedforward_coef=[[1.0]])


def test_warning_class_and_place():
    assert issubclass(StabilityWarning, SpikeglmWarning)
    with pytest.warns(StabilityWarning) as caught:
        coupling_stability([[[2.0]]], [0.0], [[1.0]])
    assert caught[0].filename == __file__


def test_oscillations_are_bounded():
    # A delayed loop of excitation and inhibition: nothing grows.
    coef = np.array([[[2.0], [-4.0]], [[2.0], [-2.4]]])
    result = coupling_stability(coef, [0.5, -3.0], [[1.0]], "softplus")
    assert result.status in ("locally stable", "undecided")


def test_verdicts_hold_in_simulations():
    rng = np.random.default_rng(1)
    basis = np.exp(-np.arange(20)[:, None] / [1.0, 3.0, 6.0, 12.0])
    outcomes = {"stable": [], "divergent": [], "calm": []}
    for seed in range(80):
        n, link = int(rng.integers(1, 6)), ("exp", "softplus")[seed % 2]
        coef = rng.normal(size=(n, n, 4)) * rng.choice([0.05, 0.2, 0.4]) / np.sqrt(n)
        coef[np.arange(n), np.arange(n), 0] -= rng.choice([0.0, 3.0])
        intercepts = rng.normal(size=n) * 0.3 + rng.choice([-4.0, -2.5, -1.0])
        result = quiet(coupling_stability, coef, intercepts, basis, link)
        group = "calm" if result.status == "locally stable" and result.gain < 0.2 else result.status
        if group not in outcomes:
            continue
        none, silence = np.zeros((n, 0)), np.zeros((20, n))
        still = np.zeros((2000, n, 0))
        try:
            quiet(simulate_recurrent, coef, none, intercepts, seed, still, basis, silence, link)
            outcomes[group].append(False)
        except DivergenceError:
            outcomes[group].append(True)
    assert min(len(exploded) for exploded in outcomes.values()) >= 5
    assert not any(outcomes["stable"])
    assert np.mean(outcomes["calm"]) <= 0.1
    assert np.mean(outcomes["divergent"]) >= 0.7
