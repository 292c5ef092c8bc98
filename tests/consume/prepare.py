"""Fits the shipped recording and writes what the C++ programs read: python prepare.py FOLDER."""

import sys
from pathlib import Path

import numpy as np

import spikeglm as nmo


def main(folder: Path) -> None:
    """Write model.npz, inputs.f64 (position and count of each bin) and rates.f64."""
    cell = nmo.datasets.load_place_cell()
    place = nmo.basis.BSplineBasis(8, bounds=(0, 100))
    history = nmo.basis.RaisedCosineBasisLog(5, mode="conv", window_size=100)
    basis = place + history
    X = basis.compute_features(cell.position, cell.spike_counts)
    model = nmo.glm.GLM(regularizer="Ridge", regularizer_strength=1e-5)
    model.fit(X, cell.spike_counts)
    nmo.online.save_online(model, basis, folder / "model.npz")
    inputs = np.column_stack([cell.position, cell.spike_counts]).astype(np.float64)
    inputs.tofile(folder / "inputs.f64")
    np.asarray(model.predict(X), dtype=np.float64).tofile(folder / "rates.f64")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
