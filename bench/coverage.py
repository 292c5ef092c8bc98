"""How often do 95 % intervals and bands cover? `python bench/coverage.py [--repeats 500]`.

Needs spikeglm only. Simulates data sets of known truth, with a seed: intervals of coefficients of
unpenalised fits, and pointwise intervals across curves whose smoothness REML chooses, which cover
on average over the curve (Wood 2006, section 4.8). Then 50 tuning curves, where the mean squared
error of REML stands beside that of the best fixed strength, chosen with knowledge of the truth.
"""

import argparse
from collections.abc import Callable

import numpy as np

import spikeglm as nmo
from spikeglm.regularizer import Smooth, roughness

Array = np.ndarray
LINKS = {"Poisson": "exp", "Gamma": "exp", "Bernoulli": "logistic"}


def draw(family: str, eta: Array, rng: np.random.Generator) -> Array:
    if family == "Poisson":
        return rng.poisson(np.exp(eta)).astype(float)
    if family == "Gamma":
        return rng.gamma(2.0, np.exp(eta) / 2.0)
    return (rng.random(len(eta)) < 1.0 / (1.0 + np.exp(-eta))).astype(float)


def of_coefficients(family: str, repeats: int) -> tuple[float, float]:
    """Return the coverage of intervals of five coefficients, and of all at once by a band."""
    rng = np.random.default_rng(1)
    truth = np.array([0.5, -0.3, 0.2, 0.0, 0.4])
    inside, together = [], []
    for _ in range(repeats):
        X = rng.normal(size=(600, 5))
        model = nmo.glm.GLM(family, LINKS[family]).fit(X, draw(family, X @ truth - 0.3, rng))
        low, high = model.conf_int().T
        inside.append((low <= truth) & (truth <= high))
        band = model.inference().band(np.eye(5))
        together.append(np.all((band.low <= truth) & (truth <= band.high)))
    return float(np.mean(inside)), float(np.mean(together))


def of_curves(family: str, repeats: int) -> float:
    """Return the coverage across a curve, its level included."""
    rng = np.random.default_rng(2)
    basis = nmo.basis.BSplineBasis(20, bounds=(0, 1)).set_input_shape(1)
    grid, rows = basis.evaluate_on_grid(100)
    truth = np.sin(2 * np.pi * grid) * np.exp(grid) / 2.0
    inside = []
    for _ in range(repeats):
        x = rng.random(1000)
        eta = np.sin(2 * np.pi * x) * np.exp(x) / 2.0
        model = nmo.glm.GLM(family, LINKS[family], regularizer=Smooth(roughness(basis)))
        model.fit(basis.compute_features(x), draw(family, eta, rng))
        band = model.inference().band(rows, simultaneous=False, intercept=True)
        inside.append((band.low <= truth) & (truth <= band.high))
    return float(np.mean(inside))


def of_tuning_curves() -> tuple[float, float, float]:
    """Return mean squared errors of REML, the best strength for all, and each curve's best."""
    rng = np.random.default_rng(3)
    basis = nmo.basis.CyclicBSplineBasis(18, bounds=(0, 2 * np.pi)).set_input_shape(1)
    grid, rows = basis.evaluate_on_grid(200)
    penalties = roughness(basis)
    strengths = np.geomspace(1e-7, 10.0, 33)
    chosen, fixed = [], []
    for _ in range(50):
        peak, width, height = rng.uniform(0, 2 * np.pi), rng.uniform(1, 8), rng.uniform(0.5, 2.5)

        def curve(angle: Array, *, at=peak, kappa=width, gain=height) -> Array:
            return gain * np.exp(kappa * (np.cos(angle - at) - 1.0)) - 2.0

        x = rng.uniform(0, 2 * np.pi, size=5000)
        X, y = basis.compute_features(x), rng.poisson(np.exp(curve(x))).astype(float)

        def error(strength: float | None, *, X=X, y=y, truth: Callable = curve) -> float:
            model = nmo.glm.GLM(regularizer=Smooth(penalties), regularizer_strength=strength)
            model.fit(X, y)
            return float(np.mean((rows @ model.coef_ + model.intercept_ - truth(grid)) ** 2))

        chosen.append(error(None))
        fixed.append([error(s) for s in strengths])
    errors = np.array(fixed)
    return (
        float(np.mean(chosen)),
        float(errors.mean(axis=0).min()),
        float(errors.min(axis=1).mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=500)
    repeats = parser.parse_args().repeats
    for family in LINKS:
        each, all_at_once = of_coefficients(family, repeats)
        print(f"{family:10} coefficients {each:.3f}, together {all_at_once:.3f}", flush=True)
    for family in LINKS:
        print(f"{family:10} curves       {of_curves(family, repeats):.3f}", flush=True)
    ours, best, oracle = of_tuning_curves()
    print(f"mean squared error of tuning curves: REML {ours:.5f}")
    print(f"the best strength for all   {best:.5f}, ratio {ours / best:.3f}")
    print(f"the best one for each curve {oracle:.5f}, ratio {ours / oracle:.3f}")


if __name__ == "__main__":
    main()
