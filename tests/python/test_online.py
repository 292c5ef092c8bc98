"""Bin by bin gives what `predict` gives for the whole recording."""

import io
from pathlib import Path

import numpy as np
import pytest

import spikeglm as nmo
from spikeglm.__main__ import main
from spikeglm.online import OnlineModel, save_online

RNG = np.random.default_rng(20261126)
N = 700
COUNTS = RNG.poisson(0.15, size=(N, 3))
POSITION = np.clip(np.cumsum(RNG.normal(size=N)) * 3 + 50, 0, 100)
ANGLE = RNG.uniform(0, 2 * np.pi, size=N)
STATE = RNG.integers(0, 3, size=N)


def conv(n=4, window=17, **settings):
    return nmo.basis.RaisedCosineBasisLog(n, mode="conv", window_size=window, **settings)


def spline(n=5, **settings):
    return nmo.basis.BSplineBasis(n, bounds=(0, 100), **settings)


# Name, basis, inputs.
BASES = {
    "coupling": (conv, [COUNTS]),
    "own_bin": (lambda: conv(shift=False), [COUNTS]),
    "windows": (lambda: conv(3, 9) + conv(5, 31), [COUNTS, COUNTS[:, 0]]),
    "window_of_one": (lambda: nmo.basis.HistoryBasis(1), [COUNTS]),
    "history": (lambda: nmo.basis.HistoryBasis(6), [COUNTS]),
    "exponentials": (
        lambda: nmo.basis.OrthExponentialBasis(2, [3.0, 9.0], mode="conv", window_size=12),
        [COUNTS],
    ),
    "splines_conv": (lambda: nmo.basis.MSplineBasis(5, mode="conv", window_size=20), [COUNTS]),
    "place": (lambda: spline() + conv(), [POSITION, COUNTS]),
    "learned_bounds": (lambda: nmo.basis.RaisedCosineBasisLinear(5), [POSITION]),
    "msplines": (lambda: nmo.basis.MSplineBasis(5), [POSITION]),
    "fill_value": (lambda: nmo.basis.BSplineBasis(5, bounds=(20, 80), fill_value=0.0), [POSITION]),
    "outside": (lambda: nmo.basis.BSplineBasis(5, bounds=(20, 80)) + conv(), [POSITION, COUNTS]),
    "angle": (lambda: nmo.basis.CyclicBSplineBasis(6, bounds=(0, 2 * np.pi)), [ANGLE]),
    "fourier": (lambda: nmo.basis.FourierBasis(3, ndim=2), [POSITION, ANGLE]),
    "map": (lambda: spline(4) * nmo.basis.CyclicBSplineBasis(5), [POSITION, ANGLE]),
    "gain": (lambda: spline(4) * conv(2, 8), [POSITION, COUNTS[:, 1]]),
    "product_of_sum": (lambda: (spline(4) + conv(2, 8)) * nmo.basis.IdentityBasis(), None),
    "sum_by_channel": (
        lambda: (conv(2, 8) + conv(3, 5)) * nmo.basis.IdentityBasis(),
        [COUNTS, COUNTS, RNG.normal(size=(N, 3))],
    ),
    "category": (lambda: nmo.basis.Category(3) + conv(), [STATE, COUNTS]),
    "linear": (lambda: nmo.basis.IdentityBasis(), [RNG.normal(size=(N, 2))]),
}


class Squares(nmo.basis.PythonBasis):
    def functions(self, u):
        return np.stack([u, u**2], axis=-1)


def case(name):
    make, inputs = BASES[name]
    if inputs is None:
        inputs = [POSITION, COUNTS[:, 0], RNG.normal(size=N)]
    return make(), inputs


def population(n_features, link=None, n_neurons=4, seed=1):
    """Return a population with chosen coefficients: rates need not be those of any data."""
    rng = np.random.default_rng(seed)
    model = nmo.glm.PopulationGLM(regularizer="Ridge", regularizer_strength=1.0)
    model.fit(np.array([[0.0], [1.0]]), np.ones((2, n_neurons)))
    model.n_features_in_ = n_features
    model.inverse_link_function = link
    model.coef_ = rng.normal(scale=0.2, size=(n_features, n_neurons))
    model.intercept_ = rng.normal(scale=0.3, size=n_neurons)
    return model


def assert_same(rates, expected):
    np.testing.assert_array_equal(np.isnan(rates), np.isnan(expected))
    np.testing.assert_allclose(rates, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", BASES)
def test_push_over_a_recording_is_predict(name):
    basis, inputs = case(name)
    X = basis.compute_features(*inputs)
    model = population(X.shape[1])
    online = OnlineModel(model, basis)
    expected = model.predict(X)
    assert np.isfinite(expected).any(axis=0).all()
    rates = np.array([online.push(*(x[t] for x in inputs)) for t in range(N)])
    assert_same(rates, expected)
    np.testing.assert_allclose(online.features_, X[-1], rtol=1e-12, atol=1e-13)
    online.reset()
    split = [online.push_many(*(x[a:b] for x in inputs)) for a, b in [(0, 1), (1, 300), (300, N)]]
    assert_same(np.concatenate(split), expected)
    if name != "outside":  # where later bins are NaN too
        assert online.n_initial == np.isnan(X).any(axis=1).argmin()


@pytest.mark.parametrize("name", BASES)
def test_a_file_holds_the_same_model(name):
    basis, inputs = case(name)
    X = basis.compute_features(*inputs)
    model = population(X.shape[1])
    file = io.BytesIO()
    save_online(model, basis, file)
    loaded = OnlineModel.load(io.BytesIO(file.getvalue()))
    flat = np.column_stack([x.reshape(N, -1) for x in inputs])
    np.testing.assert_array_equal(
        loaded.push_many(flat), OnlineModel(model, basis).push_many(*inputs)
    )


@pytest.mark.parametrize("link", nmo._core.inverse_links())
def test_every_inverse_link(link):
    basis, inputs = case("place")
    X = basis.compute_features(*inputs)
    model = population(X.shape[1])
    model.inverse_link_function = link
    if link == "reciprocal":
        model.intercept_ = np.abs(model.intercept_) + 5.0
    assert_same(OnlineModel(model, basis).push_many(*inputs), model.predict(X))


def test_epochs_are_separated_by_reset():
    nap = pytest.importorskip("pynapple")
    basis, _ = case("coupling")
    support = nap.IntervalSet([0, 200, 450], [149, 399, N - 1])
    counts = nap.TsdFrame(np.arange(N, dtype=float), COUNTS, time_support=support)
    X = basis.compute_features(counts)
    model = population(X.shape[1])
    online = OnlineModel(model, basis)
    expected = np.asarray(model.predict(X))
    rates = []
    for begin, end in [(0, 150), (200, 400), (450, N)]:
        online.reset()
        rates.append(online.push_many(COUNTS[begin:end]))
    assert np.isnan(expected).any(axis=1).sum() == 3 * 17
    assert_same(np.concatenate(rates), expected)


@pytest.mark.parametrize("name", ["coupling", "own_bin", "place", "gain", "map", "fourier"])
def test_missing_inputs(name):
    basis, inputs = case(name)
    inputs = [np.array(x, dtype=float) for x in inputs]
    for i, x in enumerate(inputs):
        x[[100 + i, 101, 350, 420 + 7 * i]] = np.nan
    X = basis.compute_features(*inputs)
    model = population(X.shape[1])
    assert_same(OnlineModel(model, basis).push_many(*inputs), model.predict(X))


@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 3, 10), (8, 5, 12), (33, 8, 40), (50, 20, 5)])
def test_events_and_whole_windows(density, shape):
    """Both ways to make features, at sizes that do and do not fill registers."""
    n_channels, n_basis, window = shape
    rng = np.random.default_rng(3)
    counts = rng.normal(size=(200, n_channels)) * (rng.random((200, n_channels)) < density)
    counts[90:140] = rng.normal(size=(50, n_channels))  # it may change on the way
    basis = (
        nmo.basis.HistoryBasis(window)
        if n_basis == 1
        else nmo.basis.MSplineBasis(n_basis, order=min(4, n_basis), mode="conv", window_size=window)
    )
    X = basis.compute_features(counts)
    for n_neurons in (1, 7, 8, 9, 40, 150, 260):
        model = population(X.shape[1], "identity", n_neurons)
        rates, expected = OnlineModel(model, basis).push_many(counts), model.predict(X)
        np.testing.assert_array_equal(np.isnan(rates), np.isnan(expected))
        magnitude = np.abs(X) @ np.abs(model.coef_) + np.abs(model.intercept_)
        assert np.nanmax(np.abs(rates - expected) / magnitude) < 1e-14


@pytest.mark.parametrize("n_neurons", [4, 300])
def test_float32(n_neurons):
    basis, inputs = case("place")
    X = basis.compute_features(*inputs)
    model = population(X.shape[1], "identity", n_neurons)
    rates = OnlineModel(model, basis, dtype="float32").push_many(*inputs)
    magnitude = np.abs(X) @ np.abs(model.coef_) + np.abs(model.intercept_)
    error = np.abs(rates - model.predict(X)) / magnitude
    assert np.nanmax(error) < 2e-6
    assert np.nanmax(error) > 0.0


def test_feature_mask_and_offset():
    basis, inputs = case("place")
    X = basis.compute_features(*inputs)
    rng = np.random.default_rng(5)
    mask = rng.integers(0, 2, size=(X.shape[1], 3))
    y = rng.poisson(0.3, size=(N, 3))
    model = nmo.glm.PopulationGLM(
        regularizer="Ridge", regularizer_strength=0.1, feature_mask=mask
    ).fit(X, y)
    assert np.all(model.coef_[mask == 0] == 0.0)
    offset = rng.normal(size=N)
    online = OnlineModel(model, basis)
    expected = model.predict(X, offset=offset)
    assert_same(online.push_many(*inputs, offset=offset), expected)
    online.reset()
    one = [online.push(*(x[t] for x in inputs), offset=offset[t]) for t in range(40)]
    assert_same(np.array(one), expected[:40])


def test_one_neuron_and_features_as_inputs():
    X = RNG.normal(size=(300, 4))
    model = nmo.glm.GLM().fit(X, RNG.poisson(1.0, size=300))
    online = OnlineModel(model)
    rates = online.push_many(X)
    assert rates.shape == (300, 1)
    assert_same(rates[:, 0], model.predict(X))
    assert online.n_initial == 0
    assert not online.is_predictive


def test_silent_neuron():
    X = RNG.normal(size=(300, 2))
    with pytest.warns(nmo.exceptions.SpikeglmWarning):
        model = nmo.glm.GLM().fit(X, np.zeros(300))
    assert np.all(OnlineModel(model).push_many(X) == model.predict(X)[:, None])


def test_next_gives_the_rates_before_the_bin():
    basis, inputs = case("windows")
    X = basis.compute_features(*inputs)
    model = population(X.shape[1])
    online, again = OnlineModel(model, basis), OnlineModel(model, basis)
    assert online.is_predictive
    assert online.n_initial == 31
    for t in range(60):
        ahead = online.next()
        np.testing.assert_array_equal(ahead, online.next())
        bins = [x[t] for x in inputs]
        np.testing.assert_array_equal(ahead, online.push(*bins))
        np.testing.assert_array_equal(ahead, again.push(*bins))


def test_next_with_a_term_of_its_own_bin():
    basis, inputs = case("place")
    X = basis.compute_features(*inputs)
    model = population(X.shape[1])
    online = OnlineModel(model, basis)
    assert not online.is_predictive
    with pytest.raises(ValueError, match="pass its inputs"):
        online.next()
    for t in range(30):
        ahead = online.next(POSITION[t], np.zeros(3))  # counts of the bin do not matter
        np.testing.assert_array_equal(ahead, online.push(POSITION[t], COUNTS[t]))
    own = OnlineModel(population(12), conv(shift=False).setup_basis(COUNTS))
    with pytest.raises(ValueError, match="push it"):
        own.next(np.zeros(3))


def test_infinite_input_counts_as_missing():
    basis, (counts,) = case("coupling")
    X = basis.compute_features(counts)
    model = population(X.shape[1])
    online = OnlineModel(model, basis)
    online.push_many(counts[:30])
    with pytest.raises(ValueError, match="infinite"):
        online.push(np.array([0.0, np.inf, 1.0]))
    assert np.isnan(online.push_many(counts[31:48])).all()
    assert np.isfinite(online.push(counts[48])).all()


def test_load_of_save_params(tmp_path):
    X = {"a": RNG.normal(size=(200, 2)), "b": RNG.normal(size=(200, 1))}
    y = RNG.gamma(2.0, size=(200, 3))
    for model in [
        nmo.glm.PopulationGLM(observation_model="Gamma", inverse_link_function="softplus"),
        nmo.glm.PopulationGLM(observation_model=nmo.observation_models.GammaObservations()),
        nmo.glm.PopulationGLM("Gaussian"),
    ]:
        model.fit(X, y)
        model.save_params(tmp_path / "model.npz")
        online = OnlineModel.load(tmp_path / "model.npz")
        flat = np.column_stack([X["a"], X["b"]])
        assert_same(online.push_many(flat), model.predict(X))


def test_refusals():
    basis, inputs = case("coupling")
    X = basis.compute_features(*inputs)
    model = population(X.shape[1])
    with pytest.raises(TypeError, match="GLM and PopulationGLM"):
        OnlineModel(basis)
    with pytest.raises(nmo.exceptions.NotFittedError):
        OnlineModel(nmo.glm.GLM())
    with pytest.raises(TypeError, match="must be a basis"):
        OnlineModel(model, "basis")
    with pytest.raises(ValueError, match="has not seen its inputs"):
        OnlineModel(model, conv())
    with pytest.raises(ValueError, match="makes 15 features"):
        OnlineModel(model, conv(5).setup_basis(COUNTS))
    with pytest.raises(ValueError, match="acausal"):
        OnlineModel(model, conv(predictor_causality="acausal").setup_basis(COUNTS))
    with pytest.raises(ValueError, match="all samples"):
        OnlineModel(
            model, nmo.basis.OrthExponentialBasis(4, [1.0, 2.0, 3.0, 4.0]).setup_basis(COUNTS)
        )
    with pytest.raises(ValueError, match="function of your own"):
        OnlineModel(population(2), nmo.basis.CustomBasis([np.sin, np.cos]).setup_basis(POSITION))
    with pytest.raises(ValueError, match="Python function"):
        OnlineModel(population(2), Squares(2).setup_basis(POSITION))
    with pytest.raises(ValueError, match="dtype"):
        OnlineModel(model, basis, dtype="float16")
    own = population(X.shape[1])
    own.inverse_link_function = nmo.links.InverseLink(np.exp, np.exp, np.exp, np.log)
    with pytest.raises(TypeError, match="Python function"):
        OnlineModel(own, basis)
    online = OnlineModel(model, basis)
    with pytest.raises(TypeError, match=r"1 input\(s\), but 2"):
        online.push(COUNTS[0], COUNTS[0])
    with pytest.raises(ValueError, match="shape"):
        online.push(COUNTS[0][:2])
    with pytest.raises(ValueError, match="same number of samples"):
        online.push_many(COUNTS, offset=np.zeros(3))
    with pytest.raises(TypeError, match="numbers"):
        online.push(np.array(["a", "b", "c"]))


def saved(name="place"):
    basis, inputs = case(name)
    X = basis.compute_features(*inputs)
    file = io.BytesIO()
    save_online(population(X.shape[1]), basis, file)
    return file.getvalue()


def with_array(content, key, value):
    arrays = dict(np.load(io.BytesIO(content)))
    arrays[key] = value
    if value is None:
        del arrays[key]
    file = io.BytesIO()
    nmo._npz.write_arrays(file, arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("online_version", np.int64(2), "format 2.*reads format 1"),
        ("online_version", np.array(1.0), "64-bit integer"),
        ("n_inputs", np.int64(5), "read 4 inputs, not 5"),
        ("n_inputs", np.int64(2**62), "inputs"),
        ("n_nodes", np.int64(-1), "zero or more"),
        ("n_nodes", np.int64(3), "node/2/kind' is missing"),
        ("n_nodes", np.int64(1), "is not known"),
        ("coef", np.zeros((16, 4)), "make 17 features"),
        ("coef", np.full((17, 4), np.nan), "finite"),
        ("intercept", np.zeros(3), "4 values"),
        ("links", np.array(["exp", "exp"]), "one inverse link"),
        ("links", np.array(["sine"]), "unknown inverse link"),
        ("node/0/kind", np.array("wavelet"), "not known"),
        ("node/0/family", np.array("Haar"), "unknown basis"),
        ("node/0/n_basis_funcs", np.int64(2**40), "makes"),
        ("node/0/order", np.int64(2**40), "too large"),
        ("node/0/bounds", np.array([[0.0, np.inf]]), "finite and in order"),
        ("node/0/bounds", np.array([[0.0, 1.0, 2.0]]), "shape"),
        ("node/1/n_channels", np.int64(2**40), "inputs"),
        ("node/1/first_input", np.int64(2**62), "inputs"),
        ("node/1/filters", np.full((17, 4), np.inf), "finite"),
        ("node/1/filters", np.zeros((0, 4)), "at least one bin"),
        ("node/1/filters", np.zeros(17), "two dimensions"),
        ("node/1/includes_own_bin", np.int64(0), "truth"),
        ("node/1/secret", np.int64(0), "not known"),
        ("coef", None, "missing"),
        ("online_version", None, "holds no model"),
    ],
)
def test_files_that_contradict_themselves(key, value, message):
    with pytest.raises(ValueError, match=message):
        OnlineModel.load(io.BytesIO(with_array(saved(), key, value)))


def test_damaged_files():
    content = saved()
    OnlineModel.load(io.BytesIO(content))
    rng = np.random.default_rng(0)
    for length in [0, 1, 21, 22, *rng.integers(0, len(content), size=60).tolist()]:
        with pytest.raises(ValueError, match="model file"):
            OnlineModel.load(io.BytesIO(content[:length]))
    for extra in [b"\0", content, b"PK\x05\x06" + bytes(18)]:
        with pytest.raises(ValueError, match=r"model file|no model"):
            OnlineModel.load(io.BytesIO(content + extra))
    refused = 0
    for place in rng.integers(0, len(content), size=600):
        changed = bytearray(content)
        changed[place] ^= 1 << rng.integers(0, 8)
        try:
            OnlineModel.load(io.BytesIO(bytes(changed)))
        except ValueError:
            refused += 1
    # What is left are fields that say nothing: times and versions of the archive.
    assert refused > 550


def test_compressed_files_are_refused():
    file = io.BytesIO()
    np.savez_compressed(file, **dict(np.load(io.BytesIO(saved()))))
    with pytest.raises(ValueError, match="compressed"):
        OnlineModel.load(io.BytesIO(file.getvalue()))


def test_unfitted_and_other_classes_in_files():
    file = io.BytesIO()
    nmo.glm.GLM().save_params(file)
    with pytest.raises(ValueError, match="not fitted"):
        OnlineModel.load(io.BytesIO(file.getvalue()))
    file = io.BytesIO()
    nmo.glm.ClassifierGLM(n_classes=2).save_params(file)
    with pytest.raises(ValueError, match="ClassifierGLM"):
        OnlineModel.load(io.BytesIO(file.getvalue()))


def test_headers_and_cmake_files_of_an_installation(capsys):
    """Of an installation by pip; a source tree beside a compiled extension has none."""
    folder = Path(nmo._core.__file__).parent
    if not (folder / "include").is_dir():
        for find in (nmo.get_include, nmo.get_cmake_dir):
            with pytest.raises(FileNotFoundError, match="installation by pip"):
                find()
        return
    assert (Path(nmo.get_include()) / "spikeglm" / "online.h").is_file()
    assert (Path(nmo.get_cmake_dir()) / "spikeglm-config.cmake").is_file()
    assert (Path(nmo.get_cmake_dir()).parents[1] / "pkgconfig" / "spikeglm.pc").is_file()
    assert main(["--cmakedir"]) == 0
    assert main(["--includedir"]) == 0
    assert capsys.readouterr().out.split() == [nmo.get_cmake_dir(), nmo.get_include()]


def test_a_command_is_needed(capsys):
    with pytest.raises(SystemExit) as exit_:
        main([])
    assert exit_.value.code == 2
    assert "demo or info" in capsys.readouterr().err
