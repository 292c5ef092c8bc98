"""Where random numbers come from."""

import sys
from typing import Any

import numpy as np


def random_generator(random_key: Any) -> np.random.Generator:
    """Return a generator: the one that was given, or a new one from a seed.

    A seed is a non-negative integer or an array of them. A JAX key is taken as a seed from its
    numbers; the random numbers are those of numpy all the same.
    """
    if isinstance(random_key, np.random.Generator):
        return random_key
    seed = random_key
    if not isinstance(getattr(seed, "dtype", np.dtype(int)), np.dtype):  # a typed JAX key
        seed = sys.modules["jax"].random.key_data(seed)
    numbers = np.asarray(seed)
    if numbers.dtype.kind not in "iu" or numbers.size == 0 or np.any(numbers < 0):
        raise ValueError(
            "`random_key` must be a numpy.random.Generator, a non-negative integer or an array of "
            f"them, got {random_key!r}."
        )
    return np.random.default_rng([int(number) for number in numbers.ravel()])
