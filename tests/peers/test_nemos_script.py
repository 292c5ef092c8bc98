"""The same script under NeMoS, in float64, and under spikeglm: the same results."""

import jax

jax.config.update("jax_enable_x64", True)

from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from numpy.testing import assert_allclose  # noqa: E402

SCRIPT = Path(__file__).parents[1] / "scripts" / "coupling.py"


def run(text):
    found = {}
    exec(compile(text, str(SCRIPT), "exec"), found)
    return found


def test_both_find_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = SCRIPT.read_text()
    ours = run(text.replace("import nemos as nmo", "import spikeglm as nmo"))
    # NeMoS 0.2.8 cannot load a group lasso that it has saved.
    head, _, rest = text.partition("# The model survives its file.")
    theirs = run(head + "# How many" + rest.partition("# How many")[2])
    assert_allclose(ours["model"].coef_, np.asarray(theirs["model"].coef_), atol=1e-5)
    np.testing.assert_array_equal(ours["connected"], theirs["connected"])
    assert_allclose(ours["log_likelihood"], float(theirs["log_likelihood"]), rtol=1e-8)
    assert_allclose(ours["pseudo_r2"], float(theirs["pseudo_r2"]), rtol=1e-6)
    assert_allclose(ours["drawn_rate"], np.asarray(theirs["drawn_rate"]), rtol=1e-5)
    assert np.shape(ours["drawn"]) == np.shape(theirs["drawn"])
    assert ours["best"] == theirs["best"]
    assert_allclose(ours["tuning"], np.asarray(theirs["tuning"]), rtol=1e-5)
