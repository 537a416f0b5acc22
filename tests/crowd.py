"""Functions that the children of ``test_concurrency.py`` differentiate; in a file, so that their code is kept on disk."""

import numba
import numpy as np
from numba import njit, prange

import fastfd

POINTS = [np.array([0.3 + 0.1 * i, 1.0 + i]) for i in range(8)]


@njit(cache=True)
def small(x):
    return np.array([x[0] * x[1], np.sin(x[0]), x[1] ** 3])


def right(J, x):
    """Whether that is the Jacobian of `small`."""
    return np.allclose(J, [[x[1], x[0]], [np.cos(x[0]), 0.0], [0.0, 3 * x[1] ** 2]], rtol=1e-6, atol=1e-6)


@njit(parallel=True, cache=True)
def regions(x):
    y = np.empty(4)
    for i in prange(4):
        y[i] = np.sin(x[0] * (i + 1)) * x[1]
    return y


@njit(cache=True)
def through(x):
    """A function that has no parallel regions itself."""
    return regions(x) + x[0]


@njit(parallel=True, cache=True)
def many(points):
    out = np.empty((len(points), 3, 2))
    for i in prange(len(points)):
        out[i] = fastfd.jacobian(small, points[i], method="central")
    return out


def launched(layer):
    """numba's threads run, in the layer that was asked for."""
    regions(POINTS[0])
    assert numba.threading_layer() == layer
