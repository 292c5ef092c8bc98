"""A script that was written for NeMoS runs with its import changed."""

from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "coupling.py"


def test_the_script_runs_with_its_import_changed(tmp_path, monkeypatch):
    pytest.importorskip("pynapple")
    monkeypatch.chdir(tmp_path)
    text = SCRIPT.read_text()
    changed = text.replace("import nemos as nmo", "import spikeglm as nmo")
    assert sum(a != b for a, b in zip(text.split("\n"), changed.split("\n"), strict=True)) == 1
    found = {}
    exec(compile(changed, str(SCRIPT), "exec"), found)
    assert np.all(found["model"].converged_)
    # The first neuron drives the third.
    assert found["connected"][0, 2]
    assert not found["connected"][3, :3].any()
    assert found["coupling"].shape == (4, 3, 4)
    assert found["same"]
    assert found["pseudo_r2"] > 0
    assert found["predicted"].shape == (3000, 4)
    drawn, rate = np.asarray(found["drawn"]), np.asarray(found["drawn_rate"])
    np.testing.assert_array_equal(rate, np.asarray(found["predicted"])[20:])
    # Poisson sums: five standard deviations.
    assert np.all(np.abs(drawn.sum(axis=0) - rate.sum(axis=0)) < 5 * np.sqrt(rate.sum(axis=0)))
    assert found["tuning"][15] > 3 * found["tuning"][45]
    assert found["best"]["basis__n_basis_funcs"] in (5, 8)


@pytest.mark.parametrize(
    "name", ["fetch", "glm_hmm", "hmm", "pytrees", "solvers", "styles", "tree_utils"]
)
def test_what_is_absent_says_what_to_do(name):
    import spikeglm

    with pytest.raises(AttributeError, match=f"spikeglm has no '{name}': .{{10}}"):
        getattr(spikeglm, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        spikeglm.nothing  # noqa: B018
