"""Which entries of a matrix can differ from zero, and the colours of its columns."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.kernels.coloring import (
    columns_of,
    greedy,
    incidence_order,
    largest_order,
    neighbours,
    readable,
    smallest_order,
    star,
)

__all__ = ["AUTO", "ORDERS", "Pattern", "checked_colors", "checked_sparsity", "colored", "read_alone", "star_colored"]

Ints = NDArray[Any]
#: For ``sparsity=``: the pattern is found from f.
AUTO = "auto"
ORDERS = ("natural", "largest_first", "smallest_last", "incidence_degree")
#: The orders that look at degrees walk through all pairs of columns that meet. "best" tries them while there are at most
#: this many a column: then a colouring costs less than some hundred evaluations of a function with those rows.
MOST_PAIRS = 200


class Pattern:
    """The places of the entries of an (m, n) matrix, by rows (``indptr``, ``indices``) and by columns.

    ``starts`` holds where each column begins, ``rows`` its rows, ``place`` where its entries stand by rows.
    """

    def __init__(self, shape: tuple[int, int], indptr: Ints, indices: Ints):
        self.shape = shape
        kind = np.int32 if max(*shape, indices.size) < 2**31 - 1 else np.int64
        self.indptr: Ints = indptr.astype(kind)  # copies: the matrix that they come from may change
        self.indices: Ints = indices.astype(kind)
        self.starts: Ints = np.empty(shape[1] + 1, kind)
        self.rows: Ints = np.empty(self.size, kind)
        self.place: Ints = np.empty(self.size, kind)
        columns_of(self.indptr, self.indices, self.starts, self.rows, self.place)

    @classmethod
    def of(cls, sparsity: Any, name: str = "sparsity") -> Pattern:
        """The pattern of a sparse or dense matrix: what is stored, or what is not zero.

        Raises
        ------
        TypeError, ValueError
            If it is no matrix.
        """
        from scipy.sparse import csr_array, issparse  # 0.1 s that only sparse derivatives need

        if not issparse(sparsity):
            try:
                sparsity = np.asarray(sparsity)
                sparsity = csr_array(sparsity.astype(bool)) if sparsity.ndim == 2 else None
            except (TypeError, ValueError):
                sparsity = None
        if sparsity is None or len(sparsity.shape) != 2:
            msg = f"{name} must be a matrix: a scipy.sparse one, whose stored entries count, or an array of zeros and others"
            raise ValueError(msg)
        rows = sparsity.tocsr()
        if not rows.has_canonical_format:
            rows = rows.copy()
            rows.sum_duplicates()
        return cls((int(rows.shape[0]), int(rows.shape[1])), rows.indptr, rows.indices)

    @property
    def size(self) -> int:
        return int(self.indices.size)

    @property
    def longest(self) -> int:
        """The most entries in a row: no colouring has fewer colours."""
        return int(np.diff(self.indptr).max(initial=0))

    @property
    def thickest(self) -> int:
        """The most entries in a column."""
        return int(np.diff(self.starts).max(initial=0))

    def row_of_each(self) -> Ints:
        """The row of each entry, by rows."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))

    def matrix(self, data: NDArray[Any]) -> Any:
        """A csr_array with these entries. It has places of its own, for SciPy changes them in place (``eliminate_zeros``)."""
        found = copy(self._model)
        found.data, found.indices, found.indptr = data, self.indices.copy(), self.indptr.copy()
        return found

    @cached_property
    def _model(self) -> Any:
        """A matrix of False: to make one, SciPy looks through all indices, which takes longer than to copy them."""
        from scipy.sparse import csr_array

        found = csr_array((np.broadcast_to(False, self.size), self.indices, self.indptr), shape=self.shape)
        found.has_canonical_format = True
        return found

    def mirror(self) -> Ints:
        """For a symmetric pattern, by columns: where the mirror image of each entry stands.

        Raises
        ------
        ValueError
            If the pattern is not symmetric.
        """
        if self.shape[0] != self.shape[1] or not (
            np.array_equal(self.indptr, self.starts) and np.array_equal(self.indices, self.rows)
        ):
            msg = f"a symmetric matrix has a square, symmetric pattern; got one of shape {self.shape} that is not"
            raise ValueError(msg)
        return self.place

    def __repr__(self) -> str:
        return f"Pattern{(self.shape, self.size)}"


def _empty(pattern: Pattern, count: int) -> list[Ints]:
    return [np.empty(pattern.shape[1] + 1, pattern.indices.dtype) for _ in range(count)]


def _degrees(pattern: Pattern) -> Ints:
    degree, seen = _empty(pattern, 2)
    neighbours(pattern.indptr, pattern.indices, pattern.starts, pattern.rows, degree[:-1], seen[:-1])
    return degree[:-1]


def _natural(pattern: Pattern, degree: Ints | None) -> Ints:
    return np.arange(pattern.shape[1], dtype=pattern.indices.dtype)


def _largest(pattern: Pattern, degree: Ints) -> Ints:
    order, slots = _empty(pattern, 2)
    largest_order(degree, order[:-1], slots)
    return order[:-1]


def _dynamic(kernel: Callable) -> Callable[[Pattern, Ints], Ints]:
    def order_of(pattern: Pattern, degree: Ints) -> Ints:
        order, heads, after, before, seen = _empty(pattern, 5)
        by_rows, by_columns = (pattern.indptr, pattern.indices), (pattern.starts, pattern.rows)
        kernel(*by_rows, *by_columns, degree.copy(), order[:-1], heads, after[:-1], before[:-1], seen[:-1])
        return order[:-1]

    return order_of


_ORDER: dict[str, Callable] = dict(
    zip(ORDERS, (_natural, _largest, _dynamic(smallest_order), _dynamic(incidence_order)), strict=True)
)


def _checked_order(order: Any) -> tuple[str, ...]:
    if isinstance(order, str) and order == "best":
        return ORDERS
    if not isinstance(order, str) or order not in ORDERS:
        msg = f"ordering must be best or one of {', '.join(ORDERS)}, got {order!r}"
        raise ValueError(msg)
    return (order,)


def _best(names: tuple[str, ...], pattern: Pattern, color: Callable[[Ints], tuple[int, Ints]], least: int) -> Ints:
    """The fewest colours that some orders give; the search ends where there cannot be fewer, or where two orders in a row
    have brought nothing."""
    fewest, found, degree, vain = pattern.shape[1] + 1, np.empty(0, int), None, 0
    pairs = float((np.diff(pattern.indptr).astype(float) ** 2).sum())
    for name in names:
        if fewest <= least or vain == 2 or (len(names) > 1 and name != "natural" and pairs > MOST_PAIRS * pattern.shape[1]):
            break
        if name != "natural" and degree is None:
            degree = _degrees(pattern)
        count, colors = color(_ORDER[name](pattern, degree))
        vain = 0 if count < fewest else vain + 1
        if count < fewest:
            fewest, found = count, colors
    return found


def colored(pattern: Pattern, order: Any = "best") -> Ints:
    """A colour for each column, -1 for empty ones: columns of one colour have no row in common."""

    def color(sequence: Ints) -> tuple[int, Ints]:
        colors, taken = _empty(pattern, 2)
        count = greedy(
            pattern.indptr, pattern.indices, pattern.starts, pattern.rows, sequence, colors[:-1], taken
        )
        return count, colors[:-1]

    return _best(_checked_order(order), pattern, color, pattern.longest)


def star_colored(pattern: Pattern, order: Any = "best") -> Ints:
    """A colour for each column of a symmetric pattern: every entry or its mirror image can be read."""
    mirror = pattern.mirror()

    def color(sequence: Ints) -> tuple[int, Ints]:
        colors, spokes, taken, treated, whose, first, where = _empty(pattern, 7)
        stars, hubs = (np.empty(pattern.size, pattern.indices.dtype) for _ in range(2))
        count = star(
            pattern.starts, pattern.rows, mirror, sequence, colors[:-1], stars, hubs, spokes, taken, treated, whose, first, where
        )
        return count, colors[:-1]

    loops = int((pattern.rows == np.repeat(_natural(pattern, None), np.diff(pattern.starts))).sum())
    least = 1 if pattern.size == loops else 2
    return _best(_checked_order(order), pattern, color, least if pattern.size else 0)


def checked_colors(pattern: Pattern, colors: Any, symmetric: bool = False) -> Ints:
    """Somebody else's colours, looked at.

    Raises
    ------
    ValueError
        If two columns of one colour cannot be told apart.
    """
    given = np.asarray(colors)
    if given.shape != pattern.shape[1:] or given.dtype.kind not in "iu" or (given < -1).any():
        msg = f"colors must be {pattern.shape[1]} integers from -1 on, one for each column, got {colors!r}"
        raise ValueError(msg)
    given = given.astype(pattern.indices.dtype)
    _, dense = np.unique(given, return_inverse=True)
    given = np.where(given < 0, -1, dense.reshape(-1) - (given.size > 0 and given.min() < 0)).astype(given.dtype)
    if (given[np.diff(pattern.starts) > 0] < 0).any():
        msg = "colors must give every column that has an entry a colour"
        raise ValueError(msg)
    alone = read_alone(pattern, given)
    if symmetric:
        alone |= alone[pattern.mirror()]
    if not alone.all():
        j = int(np.searchsorted(pattern.starts, int(np.argmin(alone)), "right")) - 1
        msg = f"colors must tell the columns of each row apart, but column {j} shares a row and its colour with another one"
        raise ValueError(msg)
    return given


def read_alone(pattern: Pattern, colors: Ints) -> NDArray[np.bool_]:
    """By columns: whether each entry is the only one of its column's colour in its row."""
    alone, (tally, last) = np.empty(pattern.size, bool), _empty(pattern, 2)
    by_rows = np.empty(pattern.size, bool)
    readable(pattern.indptr, pattern.indices, colors, by_rows, tally, last)
    alone[:] = by_rows[pattern.place]
    return alone


def checked_sparsity(sparsity: Any, symmetric: bool = False) -> tuple[Pattern, Ints] | str:
    """What users may give for ``sparsity=``: "auto", a pattern, or a pair of a pattern and colours.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(sparsity, str):
        if sparsity != AUTO:
            msg = f"sparsity must be a pattern, a pair (pattern, colors) or 'auto', got {sparsity!r}"
            raise ValueError(msg)
        return sparsity
    if isinstance(sparsity, tuple) and len(sparsity) == 2 and np.ndim(sparsity[1]) == 1:
        pattern = Pattern.of(sparsity[0])
        return pattern, checked_colors(pattern, sparsity[1], symmetric)
    pattern = Pattern.of(sparsity)
    return pattern, star_colored(pattern) if symmetric else colored(pattern)
