"""Functions with a known sparsity pattern: data for the tests of detection and of sparse derivatives."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numba import njit


@dataclass(frozen=True)
class Structure:
    """A function that depends on what `pattern` says, and on all of it near `x`."""

    name: str
    f: Callable
    x: np.ndarray
    pattern: scipy.sparse.csr_array


@njit
def mixed(x, indptr, indices):
    """Each result from its row of a pattern: products, so that entries vanish at zeros, sums and a smooth function."""
    y = np.empty(indptr.size - 1)
    for i in range(y.size):
        total, product = 0.0, 1.0
        for k in range(indptr[i], indptr[i + 1]):
            value = x[indices[k]]
            total += np.sin((1.0 + k % 3) * value) + 0.5 * value * value
            product *= 1.0 + 0.1 * value
        y[i] = total + product
    return y


def function_of(pattern):
    indptr, indices = pattern.indptr.astype(np.int64), pattern.indices.astype(np.int64)
    return lambda x: mixed(x, indptr, indices)


def band(n, low, high):
    offsets = range(-low, high + 1)
    return scipy.sparse.diags_array([1.0] * len(offsets), offsets=list(offsets), shape=(n, n))


def grid(k, corners=False, wrap=False):
    one = band(k, 1, 1).tolil()
    if wrap:
        one[0, k - 1] = one[k - 1, 0] = 1.0
    eye = scipy.sparse.eye_array(k)
    return scipy.sparse.kron(one, one) if corners else scipy.sparse.kron(one, eye) + scipy.sparse.kron(eye, one)


def arrow(n, row=True, column=True):
    found = scipy.sparse.eye_array(n).tolil()
    if row:
        found[0, :] = 1.0
    if column:
        found[:, 0] = 1.0
    return found


def scattered(m, n, per_row, seed):
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(m), per_row)
    return scipy.sparse.coo_array((np.ones(rows.size), (rows, rng.integers(0, n, rows.size))), shape=(m, n))


def shuffled(pattern, seed):
    rng = np.random.default_rng(seed)
    return pattern.tocsr()[rng.permutation(pattern.shape[0])][:, rng.permutation(pattern.shape[1])]


def bundle(cameras, points, seed):
    """Two residuals an observation, of one camera (6 numbers) and one point (3)."""
    rng = np.random.default_rng(seed)
    rows, columns = [], []
    for k, (p, c) in enumerate((p, c) for p in range(points) for c in rng.choice(cameras, 3, replace=False)):
        uses = [*range(6 * c, 6 * c + 6), *range(6 * cameras + 3 * p, 6 * cameras + 3 * p + 3)]
        for r in (2 * k, 2 * k + 1):
            rows += [r] * 9
            columns += uses
    return scipy.sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(6 * points, 6 * cameras + 3 * points))


PATTERNS = {
    "diagonal": band(200, 0, 0), "tridiagonal": band(300, 1, 1), "pentadiagonal": band(300, 2, 2),
    "lower bidiagonal": band(257, 1, 0), "upper band": band(150, 0, 4), "lower triangle": scipy.sparse.tril(np.ones((40, 40))),
    "grid": grid(17), "grid with corners": grid(13, corners=True), "periodic grid": grid(12, wrap=True),
    "three dimensions": scipy.sparse.kronsum(grid(5), band(5, 1, 1)),
    "arrowhead": arrow(60), "arrow column": arrow(300, row=False), "arrow row": arrow(80, column=False),
    "blocks": scipy.sparse.block_diag([np.ones((4, 4))] * 40), "tall blocks": scipy.sparse.block_diag([np.ones((5, 2))] * 30),
    "scattered": scattered(300, 200, 3, 0), "wide": scattered(50, 400, 5, 1), "tall": scattered(500, 60, 2, 2),
    "shuffled grid": shuffled(grid(15), 3), "shuffled band": shuffled(band(200, 1, 2), 4), "bundle": bundle(6, 25, 5),
    "empty rows and columns": scattered(300, 300, 1, 6) * (np.arange(300) % 7 > 0)[:, None], "dense": np.ones((20, 30)),
    "one row": np.ones((1, 100)), "one column": np.ones((100, 1)),
}  # fmt: skip


def _structure(name, pattern):
    found = scipy.sparse.csr_array(pattern)
    found.eliminate_zeros()
    found.sum_duplicates()
    return Structure(name, function_of(found), np.linspace(-1.0, 1.3, found.shape[1]) + 0.01, found)


STRUCTURES = [_structure(*item) for item in PATTERNS.items()]
