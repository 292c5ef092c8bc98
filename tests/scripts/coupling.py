"""Coupling between neurons of a small population, and tuning to position: a script for NeMoS."""

import nemos as nmo
import numpy as np
import pynapple as nap
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

# Counts of four neurons in bins of 10 ms: the first two follow position, the third the first one.
rng = np.random.default_rng(123)
n_neurons, n_bins, bin_size = 4, 3000, 0.01
time = np.arange(n_bins) * bin_size
position = 0.5 + 0.5 * np.sin(0.7 * time)
rate = np.full((n_bins, n_neurons), 0.15)
rate[:, 0] = 0.6 * np.exp(-((position - 0.3) ** 2) / 0.02) + 0.1
rate[:, 1] = 0.5 * np.exp(-((position - 0.8) ** 2) / 0.03) + 0.1
spikes = rng.poisson(rate)
spikes[5:, 2] += rng.binomial(spikes[:-5, 0], 0.3)
counts = nap.TsdFrame(t=time, d=spikes)

# Everybody's history, seen through three filters over 200 ms.
basis = nmo.basis.RaisedCosineLogConv(3, window_size=20, label="coupling")
X = basis.compute_features(counts)
n_features = X.shape[1]

# One group for each pair of neurons, so that connections are selected as a whole.
groups = np.zeros((n_neurons * n_neurons, n_features, n_neurons))
for source in range(n_neurons):
    for target in range(n_neurons):
        groups[source * n_neurons + target, 3 * source : 3 * source + 3, target] = 1

# Nobody listens to the last neuron, but itself.
mask = np.ones((n_features, n_neurons))
mask[9:, :3] = 0

model = nmo.glm.PopulationGLM(
    observation_model="Poisson",
    regularizer=nmo.regularizer.GroupLasso(mask=groups),
    regularizer_strength=0.01,
    feature_mask=mask,
    solver_kwargs={"tol": 1e-9, "maxiter": 20000},
)
model.fit(X, spikes)
coupling = basis.split_by_feature(np.asarray(model.coef_), axis=0)["coupling"]
connected = np.linalg.norm(coupling, axis=1) > 0
predicted = model.predict(X)
log_likelihood = model.score(X, spikes)
pseudo_r2 = model.score(X, spikes, score_type="pseudo-r2-McFadden")

# Spikes that the model would have fired, once every neuron has a history.
drawn, drawn_rate = model.simulate(np.array([0, 123], dtype=np.uint32), X[20:])

# The model survives its file.
model.save_params("coupling.npz")
loaded = nmo.load_model("coupling.npz")
same = np.allclose(np.nan_to_num(loaded.predict(X)), np.nan_to_num(predicted))

# How many splines does position need, and how smooth should they be?
pipeline = Pipeline(
    [
        ("basis", nmo.basis.BSplineEval(6, bounds=(0, 1)).to_transformer()),
        ("glm", nmo.glm.GLM(regularizer="Ridge", solver_kwargs={"tol": 1e-9, "maxiter": 20000})),
    ]
)
grid = {"basis__n_basis_funcs": [5, 8], "glm__regularizer_strength": [0.001, 0.1]}
search = GridSearchCV(pipeline, grid, cv=3).fit(position[:, None], spikes[:, 0])
best = search.best_params_
tuning = search.best_estimator_.predict(np.linspace(0, 1, 50)[:, None])
