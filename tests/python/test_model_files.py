"""Models in files: what goes in comes out, and nothing else does."""

import io
import os
import pathlib
import zipfile

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

import spikeglm
from spikeglm import inspect_npz, load_model
from spikeglm._model_files import save
from spikeglm._model_values import Reader, put_value, tree_of
from spikeglm._npz import read_arrays, write_arrays
from spikeglm.exceptions import SilentNeuronWarning, SpikeglmWarning
from spikeglm.glm import GLM, PopulationGLM
from spikeglm.observation_models import GammaObservations, PoissonObservations
from spikeglm.regularizer import Ridge

RNG = np.random.default_rng(60)
N, P, M = 200, 4, 3
X = RNG.normal(size=(N, P))
Y = RNG.poisson(np.exp(0.3 * X[:, :M] - 0.5)).astype(float)
MODELS = {
    "names": lambda: GLM("Poisson", "softplus"),
    "objects": lambda: GLM(
        GammaObservations(inverse_link_function=np.exp), regularizer=Ridge(regularizer_strength=0.5)
    ),
    "function": lambda: GLM(inverse_link_function=np.exp),
    "settings": lambda: GLM(solver_kwargs={"tol": 1e-6, "maxiter": 50}, n_threads=2),
    "strengths": lambda: GLM(regularizer="Ridge", regularizer_strength=np.array([0, 1.0, 2, 3])),
    "population": lambda: PopulationGLM(regularizer="Ridge", regularizer_strength=0.1),
    "population objects": lambda: PopulationGLM(PoissonObservations(), regularizer=Ridge()),
}


def fitted(name):
    model = MODELS[name]()
    y = Y if isinstance(model, PopulationGLM) else Y[:, 0]
    return model.fit(X, y + 1.0)


def packed(model):
    file = io.BytesIO()
    model.save_params(file)
    return file.getvalue()


def unpacked(content, **kwargs):
    return load_model(io.BytesIO(content), **kwargs)


def changed(content, **arrays):
    """A file with some arrays replaced, added, or with None taken out; "/" is written "__"."""
    new = {key.replace("__", "/"): value for key, value in arrays.items()}
    merged = read_arrays(io.BytesIO(content)) | new
    file = io.BytesIO()
    write_arrays(file, {k: np.asarray(v) for k, v in merged.items() if v is not None})
    return file.getvalue()


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, BaseEstimator):
        assert_same(vars(one), vars(other))
    else:
        assert one == other or (one != one and other != other)


# --- round trips ---


@pytest.mark.parametrize("name", MODELS)
def test_round_trip(name):
    model = fitted(name)
    loaded = unpacked(packed(model))
    assert type(loaded) is type(model)
    assert_array_equal(loaded.predict(X), model.predict(X))
    # A file does without the data of the fit.
    kept = set(vars(model)) - {"_fit_data", "_inferred"}
    assert set(vars(loaded)) == kept
    for attribute in kept:
        if attribute.endswith("_") or name in ("names", "settings", "strengths", "population"):
            assert_same(getattr(loaded, attribute), getattr(model, attribute))
    y = Y if isinstance(model, PopulationGLM) else Y[:, 0]
    assert loaded.score(X, y + 1.0) == model.score(X, y + 1.0)
    loaded.coef_[...] = 0.0  # arrays are its own, and can be written
    assert_array_equal(loaded.fit(X, y + 1.0).coef_, model.coef_)
    assert packed(unpacked(packed(model))) == packed(model)


@pytest.mark.parametrize("name", MODELS)
def test_unfitted(name):
    loaded = unpacked(packed(MODELS[name]()))
    assert not hasattr(loaded, "coef_")
    assert repr(loaded.get_params()["regularizer"]) == repr(MODELS[name]().regularizer)


def test_function_becomes_its_name():
    assert unpacked(packed(fitted("function"))).inverse_link_function == "exp"
    model = unpacked(packed(fitted("objects"))).observation_model
    assert model.inverse_link_function == "exp"


def test_silent_neuron():
    with pytest.warns(SilentNeuronWarning):
        model = PopulationGLM().fit(X, Y * [1.0, 0.0, 1.0])
    loaded = unpacked(packed(model))
    assert loaded.intercept_[1] == -np.inf
    assert_array_equal(loaded.predict(X), model.predict(X))


def test_series(tmp_path):
    nap = pytest.importorskip("pynapple")
    y = nap.TsdFrame(
        t=np.arange(N) * 0.1,
        d=Y,
        columns=["a", "b", "ü/1"],
        metadata={"area": ["CA1", "CA3", "CA1"], "depth": [0.1, 0.2, 0.3]},
    )
    x = nap.TsdFrame(t=y.t, d=X)
    model = PopulationGLM().fit(x, y)
    model.save_params(tmp_path / "m")
    loaded = load_model(tmp_path / "m.npz")
    expected, found = model.predict(x), loaded.predict(x)
    assert list(found.columns) == list(expected.columns)
    assert found.metadata.equals(expected.metadata)
    assert_array_equal(found.values, expected.values)


def test_labels_that_no_file_holds_are_left_out():
    model = fitted("population")
    model._columns = np.array(["a", 1, ("x", 2)], dtype=object)
    with pytest.warns(SpikeglmWarning, match="_columns has dtype object.*left out"):
        content = packed(model)
    assert unpacked(content)._columns is None


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["", "a", "none", "dict", "a/b", "%", "ü", "."]), inner)
    ),
    max_leaves=8,
)


@given(VALUES)
@example({"": {"class": None}, "list": [(), {}]})
@settings(deadline=None, derandomize=True)
def test_any_value(value):
    arrays = {}
    put_value(arrays, "param/value", value)
    file = io.BytesIO()
    write_arrays(file, arrays)
    root = tree_of(read_arrays(io.BytesIO(file.getvalue())))
    node = root.children["param"].children["value"]
    assert_same(Reader({}).value(node, "param/value", "value"), value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="i1").reshape(2, 3),
        np.asfortranarray(RNG.normal(size=(3, 4))),
        np.arange(5, dtype=">f8")[::-2],
        np.array([], dtype=np.float32),
        np.zeros((0, 3), np.uint16),
        np.array([[True], [False]]),
        np.array(["", "αβγ", "a b"]),
        np.array([], dtype=str),
        np.array([np.nan, -np.inf, -0.0]),
        np.zeros((1,) * 8),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays(array):
    arrays = {}
    put_value(arrays, "a", array)
    file = io.BytesIO()
    write_arrays(file, arrays)
    loaded = read_arrays(io.BytesIO(file.getvalue()))["a"]
    assert_same(loaded, array.astype(array.dtype.newbyteorder("=")))
    assert loaded.flags.writeable
    assert loaded.flags.owndata or loaded.base.flags.owndata
    # numpy reads the same file, with pickle forbidden.
    theirs = np.load(io.BytesIO(file.getvalue()), allow_pickle=False)["a"]
    assert_array_equal(theirs, array)


def test_a_class_of_the_future_needs_no_code_here(monkeypatch):
    class Shrinkage(BaseEstimator):
        def __init__(self, order=2, cyclic=False, groups=None):
            self.order = order
            self.cyclic = cyclic
            self.groups = groups

    class TimeGLM(GLM):
        def __init__(self, *, penalty=None, names=(), regularizer=None):
            super().__init__(regularizer=regularizer)
            self.penalty = penalty
            self.names = names

        @classmethod
        def _get_param_names(cls):
            return ["names", "penalty", "regularizer"]

    Shrinkage.__module__ = TimeGLM.__module__ = "spikeglm.glm"
    monkeypatch.setattr(spikeglm.glm, "Shrinkage", Shrinkage, raising=False)
    monkeypatch.setattr(spikeglm.glm, "TimeGLM", TimeGLM, raising=False)
    penalty = Shrinkage(3, True, [("a", 1), ("b", np.arange(3))])
    penalty.weights_ = np.ones(3)
    model = TimeGLM(penalty=penalty, names=("x", None, 2.5)).fit(X, Y[:, 0])
    model.history_ = [{"loss": np.arange(3.0), "step": 1}, None]
    loaded = unpacked(packed(model))
    assert type(loaded) is TimeGLM
    assert_same(loaded.penalty, penalty)
    assert loaded.names == model.names
    assert_same(loaded.history_, model.history_)
    assert_array_equal(loaded.predict(X), model.predict(X))


# --- files ---


def test_paths(tmp_path, monkeypatch):
    model = fitted("names")
    monkeypatch.chdir(tmp_path)
    model.save_params("one")
    model.save_params("two.npz")
    model.save_params(pathlib.Path("three"))
    model.save_params(os.fsencode("four"))
    with open("five.bin", "wb") as file:
        model.save_params(file)
    names = {"one.npz", "two.npz", "three.npz", "four.npz", "five.bin"}
    assert set(os.listdir()) == names  # no temporary file is left
    assert {pathlib.Path(name).read_bytes() for name in names} == {packed(model)}
    for name in names:
        assert_array_equal(load_model(name).coef_, model.coef_)
    with open("one.npz", "rb") as file:
        assert_array_equal(load_model(file).coef_, model.coef_)
    with pytest.raises(FileNotFoundError):
        load_model("none.npz")
    with pytest.raises(TypeError, match="binary mode"), open("one.npz", encoding="latin-1") as file:
        load_model(file)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.npz"
    fitted("names").save_params(path)
    before = path.read_bytes()

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        fitted("settings").save_params(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.npz"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "m.npz"
    link.symlink_to(tmp_path / "there" / "m.npz")
    fitted("names").save_params(link)
    assert link.is_symlink()
    assert os.listdir(tmp_path / "there") == ["m.npz"]


def test_plain_uncompressed_little_endian_arrays():
    with zipfile.ZipFile(io.BytesIO(packed(fitted("population objects")))) as archive:
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        assert all(info.filename.isascii() for info in archive.infolist())
    data = np.load(io.BytesIO(packed(fitted("population objects"))), allow_pickle=False)
    assert data["format_version"] == 1
    assert data["spikeglm_version"] == spikeglm.__version__
    assert data["model_class"] == "PopulationGLM"
    assert data["param/regularizer/class"] == "Ridge"
    assert data["param/regularizer/regularizer_strength/none"]
    assert data["fitted/coef_"].dtype.str == "<f8"
    assert data["fitted/aliased_/list"] == M
    assert {array.dtype.kind for array in data.values()} <= set("biufU")


def test_inspect(capsys):
    inspect_npz(io.BytesIO(packed(fitted("objects"))))
    printed = capsys.readouterr().out
    assert "GammaObservations" in printed
    assert f"float64 ({P},)" in printed
    later = changed(packed(fitted("names")), format_version=7, model_class="FutureGLM")
    inspect_npz(io.BytesIO(later))
    assert "FutureGLM" in capsys.readouterr().out


# --- what cannot be saved ---


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"inverse_link_function": lambda x: x}, "unknown inverse link.*mapping_dict"),
        ({"solver_kwargs": {"f": np.exp}}, "solver_kwargs/dict/f cannot be saved: it is a ufunc"),
        ({"solver_kwargs": {3: 1.0}}, "must be strings"),
        ({"regularizer_strength": 2**63}, "no 64-bit integer"),
        ({"regularizer_strength": 1j}, "it is a complex"),
        ({"regularizer_strength": np.array([1j])}, "dtype complex128"),
        ({"regularizer_strength": np.array([None])}, "dtype object"),
        ({"regularizer_strength": np.ma.masked_array([1.0])}, "masked"),
        ({"regularizer_strength": {1.0}}, "it is a set"),
        ({"solver_name": "Newton\0"}, "ends in NUL"),
        ({"regularizer": Ridge}, "cannot be saved"),
    ],
)
def test_save_refuses(parameters, message):
    with pytest.raises(TypeError, match=message):
        packed(GLM(**parameters))


def test_save_refuses_loops_and_strangers():
    loop = []
    loop.append(loop)
    with pytest.raises(TypeError, match="nested more than 16 deep"):
        packed(GLM(solver_kwargs=loop))

    class MyRidge(Ridge):
        pass

    with pytest.raises(TypeError, match="MyRidge, which is no class of spikeglm"):
        packed(GLM(regularizer=MyRidge()))
    with pytest.raises(TypeError, match="no class of spikeglm"):
        save(BaseEstimator(), io.BytesIO())


# --- mapping ---


def test_mapping():
    content = packed(fitted("objects"))
    assert unpacked(content, mapping_dict={"n_threads": 3}).n_threads == 3
    loaded = unpacked(content, mapping_dict={"observation_model__inverse_link_function": np.exp})
    assert loaded.observation_model.inverse_link_function is np.exp
    ridge = Ridge(2.0)
    assert unpacked(content, mapping_dict={"regularizer": ridge}).regularizer is ridge
    with pytest.raises(ValueError, match=r"'regularizer_stregth'.*mean 'regularizer_strength'"):
        unpacked(content, mapping_dict={"regularizer_stregth": 1.0})


# --- hostile files ---


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"format_version": 2}, "format 2, written by spikeglm .* reads format 1"),
        ({"format_version": 1.0}, "no model file"),
        ({"format_version": None}, "no model file of spikeglm"),
        ({"spikeglm_version": 3}, "spikeglm_version' must be a text"),
        ({"model_class": "GML"}, "'GML', which is no class.*did you mean 'GLM'"),
        ({"model_class": "os.system"}, "no class of spikeglm"),
        ({"model_class": "BaseGLM"}, "no class of spikeglm"),
        ({"model_class": "BSplineBasis"}, "no class of spikeglm"),
        ({"model_class": None}, "'model_class' is missing"),
        ({"model_class": np.array(["GLM"])}, "must be a text"),
        ({"model_class": "PopulationGLM"}, "has shape"),
        ({"extra": 1}, "'extra' is no key"),
        ({"params__n_threads": 1}, "'params' is no key; did you mean 'param'"),
        ({"param": 1}, "'param' must not be an array"),
        ({"param__n_thread__none": True}, "no parameter of GLM; did you mean 'n_threads'"),
        ({"param__coef_": np.zeros(P)}, "no parameter of GLM"),
        ({"param__n_threads": 1}, "an array and something else"),
        ({"param__n_threads__none": False}, "must be True"),
        ({"param__n_threads__none": 1}, "must be True"),
        ({"param__n_threads__none": None, "param__n_threads__what": 1}, "unknown parts: 'what'"),
        ({"param__n_threads__extra": 1}, "unknown parts: 'extra'"),
        ({"param__solver_kwargs__none": None, "param__solver_kwargs__list": 2}, "0 items, not 2"),
        ({"param__solver_kwargs__none": None, "param__solver_kwargs__list": -1}, "items, not -1"),
        ({"param__solver_kwargs__none": None, "param__solver_kwargs__dict": ["a"]}, "dict/a' is m"),
        (
            {"param__solver_kwargs__none": None, "param__solver_kwargs__dict": ["a", "a"]},
            "name twice",
        ),
        ({"param__regularizer": None, "param__regularizer__class": "Popen"}, "no class of"),
        ({"param__regularizer": None, "param__regularizer__class": "FourierBasis"}, "no class of"),
        ({"param__regularizer": None, "param__regularizer__class": 3}, "must be a text"),
        (
            {
                "param__regularizer": None,
                "param__regularizer__class": "Ridge",
                "param__regularizer__strength": 1.0,
            },
            "'strength' is no parameter of Ridge",
        ),
        ({"fitted__coef": np.zeros(P)}, "'fitted/coef' is no fitted attribute.*'coef_'"),
        ({"fitted____class__": "x"}, "no fitted attribute|is no key|not the name"),
        ({"fitted__predict": 1}, "no fitted attribute"),
        ({"fitted__scale_": 1.0}, "not stored but computed"),
        ({"fitted__coef_": None}, "'fitted/coef_' is missing"),
        ({"fitted__intercept_": None}, "'fitted/intercept_' is missing"),
        ({"fitted__n_features_in_": P + 1}, "of 5 features"),
        ({"fitted__n_features_in_": float(P)}, "n_features_in_' has the wrong type"),
        ({"fitted__n_features_in_": 10**18}, "features"),
        ({"fitted__coef_": np.zeros((P, 1))}, r"has shape \(4, 1\); a GLM"),
        ({"fitted__coef_": 0.0}, "has shape"),
        ({"fitted__coef_": np.zeros(P, np.float32)}, "float64"),
        ({"fitted__coef_": np.zeros(P, int)}, "wrong type"),
        ({"fitted__coef_": np.array(["0"] * P)}, "wrong type"),
        ({"fitted__coef_": np.full(P, np.nan)}, "coefficients must be finite"),
        ({"fitted__coef_": np.full(P, -np.inf)}, "coefficients must be finite"),
        ({"fitted__intercept_": np.array([np.nan])}, "intercepts must not be NaN"),
        ({"fitted__intercept_": np.zeros(2)}, r"intercept_' has shape \(2,\)"),
        ({"fitted__intercept_": 0.0}, r"intercept_' has shape \(\)"),
        ({"fitted__dispersion_": np.ones(3)}, "dispersion_"),
        ({"fitted___columns": np.array(["a", "b"])}, "entry for each of 1 neurons"),
        ({"param__inverse_link_function": "rm", "param__inverse_link_function__none": None}, "rm"),
        ({"param__observation_model": "Poison"}, "cannot predict: unknown observation model"),
    ],
    ids=str,
)
def test_load_refuses(arrays, message):
    content = packed(GLM().fit(X, Y[:, 0]))
    with pytest.raises(ValueError, match=message):
        unpacked(changed(content, **arrays))


def archive_of(*members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def npy(header, data=b"", version=b"\x01\x00"):
    header = header.encode()
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + data


def described(descr="'<f8'", order="False", shape="(1,)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a model file"),
        (b"PK\x03\x04 and no more", "not a model file"),
        (npy(described(), bytes(8)), "not a model file"),
        (archive_of(("a.txt", b"")), "not the name of an array"),
        (archive_of(("../a.npy", b"")), "not a plain array"),
        (archive_of(("/a.npy", b"")), "not the name"),
        (archive_of(("a//b.npy", b"")), "not the name"),
        (archive_of(("a b.npy", b"")), "not the name"),
        (archive_of(("a.npy", b"")), "not a plain array"),
        (archive_of(("a.npy", npy(described("'|O'"), bytes(8)))), "not a plain array"),
        (archive_of(("a.npy", npy(described("'>f8'"), bytes(8)))), "not a plain array"),
        (archive_of(("a.npy", npy(described("'<c16'"), bytes(16)))), "not a plain array"),
        (archive_of(("a.npy", npy(described("'<M8[s]'"), bytes(8)))), "not a plain array"),
        (archive_of(("a.npy", npy(described("[('x', '<f8')]"), bytes(8)))), "not a plain array"),
        (archive_of(("a.npy", npy(described("'<U0'"), b""))), "not a plain array"),
        (archive_of(("a.npy", npy(described(shape="(-1,)"), bytes(8)))), "not a plain array"),
        (archive_of(("a.npy", npy(described(shape="(1)"), bytes(8)))), "not a plain array"),
        (archive_of(("a.npy", npy(described(shape="(1, 1, 1, 1, 1, 1, 1, 1, 1)")))), "not a plain"),
        (archive_of(("a.npy", npy("__import__('os')", bytes(8)))), "not a plain array"),
        (archive_of(("a.npy", npy(described(), bytes(8), b"\x02\x00"))), "not a plain array"),
        (archive_of(("a.npy", npy(described(), bytes(9)))), "should have 8 B"),
        (archive_of(("a.npy", npy(described(), bytes(7)))), "should have 8 B"),
        (archive_of(("a.npy", npy(described(shape="(9999999999,)")))), "should have"),
        (archive_of(("a.npy", npy(described(shape="(0, 4294967296)")))), "should have 0 B"),
        (archive_of(("a.npy", npy(described("'|b1'"), b"\x02"))), "neither 0 nor 1"),
        (archive_of(("a.npy", npy(described("'<U1'"), b"\xff\xff\xff\x7f"))), "not Unicode"),
        (archive_of(("a.npy", npy(described("'<U1'"), b"\x00\xd8\x00\x00"))), "not Unicode"),
        (archive_of(("a.npy", bytes(10**6)), compression=zipfile.ZIP_DEFLATED), "compressed"),
        (archive_of(("a.npy", npy(described(), bytes(8)))), "no model file of spikeglm"),
        (archive_of((f"{'a/' * 60}a.npy", npy(described(), bytes(8)))), "nested too deep"),
    ],
)
def test_bytes_are_refused(content, message):
    with pytest.raises(ValueError, match=message):
        unpacked(content)


def test_twice():
    member = npy(described(), bytes(8))
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = archive_of(("a.npy", member), ("a.npy", member))
    with pytest.raises(ValueError, match="'a' is there twice"):
        unpacked(content)


def test_overlapping_members():
    # Many entries for one member: a bomb without compression.
    member = npy(described(shape="(500,)"), bytes(4000))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", member)
        for letter in "bcd":
            info = zipfile.ZipInfo(f"{letter}.npy")
            info.CRC = archive.infolist()[0].CRC
            info.file_size = info.compress_size = len(member)
            info.header_offset = 0
            archive.filelist.append(info)
    with pytest.raises(ValueError, match="overlap"):
        unpacked(file.getvalue())


def test_numpy_savez_writes_model_files_too(tmp_path):
    model = fitted("population")
    arrays = read_arrays(io.BytesIO(packed(model)))
    np.savez(tmp_path / "m.npz", **arrays)
    assert_array_equal(load_model(tmp_path / "m.npz").predict(X), model.predict(X))
    np.savez_compressed(tmp_path / "c.npz", **arrays)
    with pytest.raises(ValueError, match="compressed"):
        load_model(tmp_path / "c.npz")


CONTENT = packed(fitted("population objects"))
EXPECTED = fitted("population objects").predict(X)


def loads_equal_or_refuses(content):
    try:
        model = unpacked(content)
    except ValueError:
        return
    assert type(model) is PopulationGLM
    assert_array_equal(model.predict(X), EXPECTED)
    assert packed(model) == CONTENT


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
@settings(deadline=None, derandomize=True, max_examples=400)
def test_flipped_bytes(position, flip):
    content = bytearray(CONTENT)
    content[position] ^= flip
    loads_equal_or_refuses(bytes(content))


@given(st.integers(CONTENT.index(b"PK\x01\x02"), len(CONTENT) - 1), st.integers(1, 255))
@settings(deadline=None, derandomize=True, max_examples=600)
def test_flipped_bytes_of_the_directory(position, flip):
    content = bytearray(CONTENT)
    content[position] ^= flip
    loads_equal_or_refuses(bytes(content))


@given(st.integers(0, len(CONTENT) - 1), st.integers(0, 64))
@settings(deadline=None, derandomize=True)
def test_cut_and_cut_out(position, width):
    loads_equal_or_refuses(CONTENT[:position])
    loads_equal_or_refuses(CONTENT[:position] + CONTENT[position + width :])


ARRAYS = read_arrays(io.BytesIO(CONTENT))
STRAY = st.sampled_from(
    [
        np.array(True),
        np.array(-1),
        np.array(2.5),
        np.array("GLM"),
        np.zeros(3),
        np.zeros((P, M)),
        np.zeros((0, 2), np.int8),
        np.array(["a", "b"]),
    ]
)


@example({"fitted/n_features_in_": np.zeros((0, 2), np.int8)})
@given(
    st.dictionaries(
        st.sampled_from(sorted(ARRAYS))
        | st.sampled_from(["param", "fitted", "fitted/x_", "param/solver_kwargs/dict/a"])
        | st.builds(
            "{}/{}".format, st.sampled_from(sorted(ARRAYS)), st.sampled_from(["none", "0"])
        ),
        st.none() | STRAY,
        max_size=3,
    )
)
@settings(deadline=None, derandomize=True, max_examples=300)
def test_stray_values(changes):
    # Whatever a valid file says, the model can predict or is refused.
    merged = {k: v for k, v in (ARRAYS | changes).items() if v is not None}
    file = io.BytesIO()
    write_arrays(file, merged)
    try:
        model = unpacked(file.getvalue())
    except ValueError:
        return
    if hasattr(model, "coef_"):
        assert model.predict(X).shape == (N, M)
