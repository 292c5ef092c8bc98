"""Penalties on differences of neighbouring coefficients, from the basis that they belong to."""

import numpy as np

from ._validation import FloatArray, whole_number
from .basis import (
    Basis,
    BSplineBasis,
    CyclicBSplineBasis,
    HistoryBasis,
    MSplineBasis,
    MultiplicativeBasis,
    RaisedCosineBasisLinear,
    RaisedCosineBasisLog,
)

# Functions that lie one beside the next along their input, or along a window.
_ORDERED = (
    BSplineBasis,
    MSplineBasis,
    RaisedCosineBasisLinear,
    RaisedCosineBasisLog,
    HistoryBasis,
)


def difference_penalty(n: int, order: int = 2, *, cyclic: bool = False) -> FloatArray:
    """Return D'D for differences of the given order of `n` coefficients.

    Parameters
    ----------
    n :
        Number of coefficients.
    order :
        1 leaves constants free, 2 straight lines, and so on; below `n`.
    cyclic :
        Whether the last coefficient is a neighbour of the first. Only constants are free then.

    Returns
    -------
    ndarray of float64, (n, n)
        Eilers & Marx (1996), Statist. Sci. 11, eq. 8.

    Examples
    --------
    >>> from spikeglm.regularizer import difference_penalty
    >>> difference_penalty(3, 1)
    array([[ 1., -1.,  0.],
           [-1.,  2., -1.],
           [ 0., -1.,  1.]])
    """
    n, order = whole_number(n, "n", 1), whole_number(order, "order", 1)
    if cyclic:
        step = np.eye(n) - np.roll(np.eye(n), 1, axis=1)
        D = np.linalg.matrix_power(step, order)
    else:
        if order >= n:
            raise ValueError(f"differences of order {order} need more than {n} coefficients.")
        D = np.diff(np.eye(n), order, axis=0)
    return np.asarray(D.T @ D)


def roughness(basis: Basis, order: int = 2) -> list[tuple[int, FloatArray]]:
    """Return the penalties that make the curves of a basis smooth, for `Smooth`.

    Parameters
    ----------
    basis :
        The basis of the features, whose input shapes are known: after `compute_features`, or
        `set_input_shape`.
    order :
        Of the differences that are penalised, at most the number of functions minus one: 2 leaves
        straight lines free. For B-splines they are those of the coefficients of the derivative,
        which knows that knots are denser at the borders.

    Returns
    -------
    list of (int, ndarray)
        First column and matrix of each penalty, each with a strength of its own. A component has
        one, for all channels of its input; a product has one for each factor, a tensor sum
        S1 x I + I x S2 (Wood 2006, Biometrics 62). Components whose functions have no order
        (Category, IdentityBasis, FourierBasis, ...) have none.

    Raises
    ------
    ValueError
        Shapes are not known, or no component can be smooth.

    Examples
    --------
    >>> import numpy as np, spikeglm as nmo
    >>> basis = nmo.basis.BSplineBasis(8, bounds=(0, 1))
    >>> X = basis.compute_features(np.random.default_rng(0).random(500))
    >>> y = np.random.default_rng(1).poisson(1.0, size=500)
    >>> smooth = nmo.regularizer.Smooth(nmo.regularizer.roughness(basis))
    >>> model = nmo.glm.GLM(regularizer=smooth).fit(X, y)
    >>> model.regularizer_strength_.shape
    (1,)
    """
    order = whole_number(order, "order", 1)
    penalties: list[tuple[int, FloatArray]] = []
    first = 0
    for component in basis:
        width = component._n_own_features()
        if width is None:
            raise ValueError(
                f"the number of features of {component.label} is not known yet: call "
                "compute_features or set_input_shape first."
            )
        channels = np.eye(width // max(component.n_basis_funcs, 1))
        penalties += [
            (first, np.kron(channels, matrix).astype(np.float64))
            for matrix in _matrices(component, order)
        ]
        first += width
    if not penalties:
        raise ValueError(
            "no component of the basis has functions in an order, along which curves could be "
            "smooth: B-splines and raised cosines have."
        )
    return penalties


def _matrices(component: Basis, order: int) -> list[FloatArray]:
    factors = _factors(component)
    sizes = [factor.n_basis_funcs for factor in factors]
    matrices = []
    for i, factor in enumerate(factors):
        own = _matrix(factor, order)
        if own is None:
            continue
        before, after = int(np.prod(sizes[:i])), int(np.prod(sizes[i + 1 :]))
        matrices.append(np.kron(np.kron(np.eye(before), own), np.eye(after)))
    return matrices


def _factors(basis: Basis) -> list[Basis]:
    if isinstance(basis, MultiplicativeBasis):
        return _factors(basis.basis1) + _factors(basis.basis2)
    return [basis]


def _spline_penalty(n: int, spline_order: int, order: int) -> FloatArray:
    """Return D'D for the coefficients of the derivative of a spline with clamped, even knots.

    In units of the distance of the knots: away from the borders it is that of plain differences,
    and polynomials of lower degree are free. Li & Cao (2022), arXiv:2201.06808, eq. 6.
    """
    inner = np.linspace(0.0, n - spline_order + 1.0, n - spline_order + 2)
    knots = np.concatenate(
        [np.zeros(spline_order - 1), inner, np.full(spline_order - 1, inner[-1])]
    )
    D = np.eye(n)
    for m in range(1, order + 1):
        lag = spline_order - m
        spans = knots[m + lag : n + lag] - knots[m:n]
        D = lag * np.diff(D, axis=0) / spans[:, None]
    return np.asarray(D.T @ D)


def _matrix(basis: Basis, order: int) -> FloatArray | None:
    n = basis.n_basis_funcs
    if isinstance(basis, BSplineBasis) and order < min(basis.order, n):
        return _spline_penalty(n, basis.order, order)
    if isinstance(basis, CyclicBSplineBasis):
        return difference_penalty(n, order, cyclic=True) if n > 1 else None
    if isinstance(basis, _ORDERED) and n > 1:
        return difference_penalty(n, min(order, n - 1))
    return None
