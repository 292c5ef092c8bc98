"""Threads, forks and instruction sets: the same answer whatever does the work."""

import hashlib
import multiprocessing
import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from spikeglm import _core
from spikeglm.basis import BSplineBasis, RaisedCosineBasisLog
from spikeglm.glm import GLM, PopulationGLM

RNG = np.random.default_rng(40)
N = 20_000
X = RNG.normal(size=(N, 12))
Y = RNG.poisson(np.exp(X @ RNG.normal(size=12) * 0.2 - 1)).astype(float)
COUNTS = RNG.poisson(0.1, size=(N, 4)).astype(np.uint8)
POSITION = RNG.uniform(size=N)
BASIS = BSplineBasis(8, bounds=(0, 1)) + RaisedCosineBasisLog(5, mode="conv", window_size=50)
# Enough rows that the work is really shared.
assert N > 16 * 128


def digest(*arrays):
    state = hashlib.sha256()
    for array in arrays:
        state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()


def fit_digest(n_threads):
    ridge = {"regularizer": "Ridge", "regularizer_strength": 1e-3, "n_threads": n_threads}
    dense = GLM(**ridge).fit(X, Y)
    lazy = GLM(**ridge).fit(BASIS.design(POSITION, COUNTS), COUNTS[:, 0])
    gamma = GLM("Gamma", "exp", n_threads=n_threads).fit(X, Y + 0.5)
    population = PopulationGLM(**ridge).fit(X, COUNTS)
    return digest(
        dense.coef_,
        dense.intercept_,
        dense.predict(X),
        [dense.kkt_, gamma.dispersion_],
        lazy.coef_,
        lazy.predict(BASIS.design(POSITION, COUNTS)),
        gamma.coef_,
        population.coef_,
    )


def test_the_same_bits_for_any_number_of_threads():
    assert len({fit_digest(n) for n in (1, 2, 3, 7, None)}) == 1


def run_python(code, **environment):
    words = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(
        words, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return result.returncode, result.stdout.strip(), result.stderr


DEFAULT_THREADS = "from spikeglm import _core; print(_core.default_threads())"


def test_the_environment_sets_the_number_of_threads():
    unset = {"SPIKEGLM_NUM_THREADS": "", "OMP_NUM_THREADS": ""}
    assert run_python(DEFAULT_THREADS, **unset | {"OMP_NUM_THREADS": "3"})[1] == "3"
    both = {"SPIKEGLM_NUM_THREADS": "5", "OMP_NUM_THREADS": "3"}
    assert run_python(DEFAULT_THREADS, **both)[1] == "5"
    for nonsense in ("0", "-2", "many", ""):
        found = run_python(DEFAULT_THREADS, **unset | {"SPIKEGLM_NUM_THREADS": nonsense})[1]
        assert 1 <= int(found) <= len(os.sched_getaffinity(0))


def test_the_affinity_mask_limits_the_number_of_threads():
    code = (
        f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {DEFAULT_THREADS}"
    )
    unset = {"SPIKEGLM_NUM_THREADS": "", "OMP_NUM_THREADS": ""}
    assert run_python(code, **unset)[1] == "1"


@pytest.mark.parametrize("bad", [0, -1, 1.5, "two", True])
def test_bad_numbers_of_threads(bad):
    with pytest.raises((ValueError, TypeError), match="n_threads"):
        GLM(n_threads=bad).fit(X, Y)


def fit_in_child(queue):
    queue.put(fit_digest(2))


def test_a_forked_child_computes():
    """Also after the parent has used its threads, and while one of them is at work."""
    expected = fit_digest(2)
    busy = threading.Thread(target=lambda: [fit_digest(2) for _ in range(3)])
    busy.start()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        # Python warns of forks in processes with threads, rightly in general.
        warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")
        children = [context.Process(target=fit_in_child, args=(queue,)) for _ in range(2)]
        for child in children:
            child.start()
    found = [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join(timeout=60)
        assert child.exitcode == 0
    busy.join()
    assert found == [expected] * len(children)


def test_two_python_threads_at_once():
    expected = fit_digest(2)
    found = []
    threads = [threading.Thread(target=lambda: found.append(fit_digest(2))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_one_model_predicts_in_several_threads():
    model = GLM().fit(X, Y)
    expected = model.predict(X)
    found = []
    threads = [threading.Thread(target=lambda: found.append(model.predict(X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(rate, expected) for rate in found)
    assert len(found) == 4


def test_joblib_workers():
    grid = {"regularizer_strength": [1e-1, 1e-2, 1e-3]}
    model = GLM(regularizer="Ridge")
    design = BASIS.design(POSITION, COUNTS)
    alone = GridSearchCV(model, grid, cv=3).fit(design, COUNTS[:, 0])
    shared = GridSearchCV(model, grid, cv=3, n_jobs=2).fit(design, COUNTS[:, 0])
    np.testing.assert_array_equal(
        alone.cv_results_["mean_test_score"], shared.cv_results_["mean_test_score"]
    )


LEVELS_CODE = """
import numpy as np, spikeglm as nmo
from spikeglm import _core
rng = np.random.default_rng(0)
X = rng.normal(size=(3001, 13))
y = rng.poisson(np.exp(X @ rng.normal(size=13) * 0.2)) * 1.0
counts = rng.poisson(0.2, size=(3001, 3))
parts = []
pairs = (("Poisson", "exp", 0), ("Poisson", "softplus", 0), ("Gamma", "exp", 1))
for model, inverse, shift in pairs:
    fitted = nmo.glm.GLM(model, inverse, solver_kwargs={"tol": 1e-13}).fit(X, y + shift)
    parts.append(fitted.coef_)
for family in ("BSpline", "CyclicBSpline", "MSpline"):
    basis = getattr(nmo.basis, family + "Basis")(7)
    parts.append(basis.compute_features(X[:, 0]).ravel())
history = nmo.basis.RaisedCosineBasisLog(4, mode="conv", window_size=20).compute_features(counts)
parts.append(history[20:].ravel())
eta = np.linspace(-20, 20, 1003)
for model, facts in _core.observation_models().items():
    observed = np.ones(1003) if facts["mean_must_be_below_one"] else np.full(1003, 2.0)
    for inverse in _core.inverse_links():
        for place in (eta, 0.1 + np.abs(eta), 0.04 * (np.abs(eta) + 0.1)):
            values = np.array(_core.row_terms(model, inverse, observed, place, 1.5))
            inside = np.isfinite(values)
            largest = np.max(np.abs(values[inside]), initial=0.0) or 1.0
            parts.append(inside.ravel())
            parts.append(np.where(inside, values, 0.0).ravel() / largest)
np.save(__import__("sys").argv[1], np.concatenate(parts))
print(_core.config()["isa"])
"""


def usable_levels():
    code, _, error = run_python("import spikeglm; spikeglm.show_config()", SPIKEGLM_ISA="none")
    assert code != 0
    assert "SPIKEGLM_ISA is 'none'" in error
    return error.rsplit("offer ", 1)[1].strip().rstrip(".").split(", ")


def test_instruction_sets_agree(tmp_path):
    values = {}
    for level in usable_levels():
        file = tmp_path / f"{level}.npy"
        words = [sys.executable, "-c", LEVELS_CODE, str(file)]
        environment = {**os.environ, "SPIKEGLM_ISA": level}
        result = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        assert result.stdout.strip() == level
        values[level] = np.load(file)
    assert "baseline" in values
    for level, found in values.items():
        np.testing.assert_allclose(found, values["baseline"], rtol=1e-12, atol=1e-13, err_msg=level)


def test_the_configuration_names_the_kernels():
    config = _core.config()
    assert config["isa"] in config["kernel_path"]
    assert os.path.exists(config["kernel_path"])
