"""Finding the pattern of a Jacobian from a function that can only be called: group testing of all rows at once.

A row with d entries is a group-testing problem: move some columns, and the row tells whether one of its d is among them. All
rows answer each probe. The columns are halved again and again: where both halves of a block are tested, each row knows which
of its blocks matter, and halves that no row has in common are moved in one probe, in so many colours. So a probe tells each
row a whole bit, a row has at most 2d halves open, and log₂ n rounds of O(d²) colours find them all.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastfd.arrays import generator
from fastfd.function import SEVERAL, Function, Sample, add_note, where_it_was
from fastfd.pattern import Pattern, colored
from fastfd.steps import checked_bounds

__all__ = ["Detection"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Pairs = tuple[Ints, Ints]
#: How far probes move a coordinate, over |x| (and over SMALL where x is smaller), at least and at most: each by another
#: length, so that what moves together does not cancel.
NEAREST, FARTHEST, SMALL = 1e-3, 2e-3, 1e-2
#: No probe is beyond the doubles.
LARGEST = np.finfo(float).max
#: Other points are this far from x, over |x|: with other signs of differences, and off zeros and ties.
SPREAD = 0.3
#: A row that has more than this share of the blocks open, once there are so many, is taken for full.
FULL, LEAST_BLOCKS = 0.25, 512
#: Random probes of what was found, at each point; a column that is missed shows in each with probability 1/(e(d + 1)).
CHECKS = 6


class Detection:
    """One search: the points, f there, the probes.

    Attributes
    ----------
    nfev : int
    varies : int
        Entries that showed at some points and not at others.
    full : int
        Rows that were taken for full.
    found : int
        Entries that only the random probes at the end brought to light.
    """

    def __init__(self, function: Function, x: Array, args: tuple, bounds: Any, points: int, nan: bool, seed: int):
        self.function, self.args, self.x, self.nan = function, args, x.reshape(-1), nan
        self.shape, self.rng, self.nfev = x.shape, generator(seed), 0
        lower, upper = (-np.inf, np.inf) if bounds is None else checked_bounds(bounds, x)
        self.bounds = np.full(x.size, np.maximum(lower, -LARGEST)), np.full(x.size, np.minimum(upper, LARGEST))
        self.varies = self.full = self.found = 0
        self.m = -1  # until it is known
        here = self._finite(self.x)
        self.m = here.size
        self.points = [(self.x, here), *(self._another() for _ in range(points - 1))]
        if not np.array_equal(self._at(self.x), here, equal_nan=True):
            _varies()
        self._moves = [self._moved(point) for point, _ in self.points]

    # --- f, and points to call it at -------------------------------------------------------------------------------

    def _at(self, point: Array) -> Array:
        self.nfev += 1
        shaped = point.reshape(self.shape)
        try:
            value = self.function.call(shaped, self.args)
        except Exception as error:
            add_note(error, where_it_was(shaped, SEVERAL))
            raise
        sample = Sample(value)
        if sample.complex:
            msg = f"f must return real numbers, got {type(value).__name__} of complex ones"
            raise TypeError(msg)
        if sample.flat.size != (self.m if self.m >= 0 else sample.flat.size):
            msg = f"f must return results of one shape, got {self.m} numbers at x but {sample.flat.size} at {shaped!r}"
            raise ValueError(msg)
        return sample.flat

    def _finite(self, point: Array) -> Array:
        if not np.isfinite(point).all():
            i = int(np.argmin(np.isfinite(point)))
            msg = f"x must be finite, but x[{i}] is {point[i]!s}"
            raise ValueError(msg)
        value = self._at(point)
        if not np.isfinite(value).all():
            i = int(np.argmin(np.isfinite(value)))
            msg = f"f must be finite at x, but f(x)[{i}] is {value[i]!s} at x = {point.reshape(self.shape)!r}"
            raise ValueError(msg)
        return value

    def _another(self) -> tuple[Array, Array]:
        """A point near x at which f is finite, with f there: nearer where it is not."""
        scale, reach = np.maximum(np.abs(self.x), SMALL), SPREAD
        for _ in range(6):
            with np.errstate(over="ignore"):  # at the edge of the doubles f may not be finite, and the next one is nearer
                point = self.x + reach * scale * self.rng.uniform(-1, 1, self.x.size)
            point = np.clip(point, *self.bounds)
            value = self._at(point)
            if np.isfinite(value).all():
                return point, value
            reach /= 8
        return self.x, self._at(self.x)

    def _moved(self, point: Array) -> Array:
        """Where probes from a point move its coordinates: away from zero, unless bounds or rounding say otherwise."""
        step = self.rng.uniform(NEAREST, FARTHEST, point.size) * np.maximum(np.abs(point), SMALL)
        lower, upper = self.bounds
        away = np.where(point < 0, -step, step)
        with np.errstate(over="ignore"):  # then it is beyond the upper bound
            there = np.where((point + away > upper) | (point + away < lower), point - away, point + away)
            farthest = np.where(upper - point >= point - lower, upper, lower)
        return np.where((there > upper) | (there < lower), farthest, there)

    def _answers(self, k: int, columns: NDArray[Any]) -> NDArray[np.bool_]:
        """Which rows change when some columns move from point k (a nan counts as a change)."""
        point, value = self.points[k]
        probe = point.copy()
        probe[columns] = self._moves[k][columns]
        moved = self._at(probe) != value
        return moved | self._with_nan(k, columns) if self.nan and k == 0 else moved

    def _with_nan(self, k: int, columns: NDArray[Any]) -> NDArray[np.bool_]:
        """Which rows become nan when some columns are: those that use them, whatever their values."""
        probe = self.points[k][0].copy()
        probe[columns] = np.nan
        try:
            return np.isnan(self._at(probe))
        except Exception:  # an index, a comparison, an int of nan: that is no answer
            self.nan = False
            return np.zeros(self.m, bool)

    # --- halving ------------------------------------------------------------------------------------------------------

    def pattern(self) -> Pattern:
        n = self.x.size
        edges, rows, blocks = np.array([0, n]), np.arange(self.m), np.zeros(self.m, int)
        full = np.zeros(self.m, bool)
        while edges.size - 1 < n:
            edges, children = _halved(edges)
            pairs = _children(rows, blocks, children)
            last = edges.size - 1 == n
            full |= self._full_rows(pairs[0], edges.size - 1)
            keep = ~full[pairs[0]]
            rows, blocks = self._tested((pairs[0][keep], pairs[1][keep]), edges, last)
        return self._verified(rows, blocks, full) if n else Pattern((self.m, 0), np.zeros(self.m + 1, int), np.zeros(0, int))

    def _full_rows(self, rows: Ints, blocks: int) -> NDArray[np.bool_]:
        """Rows that a search would take nearly as many evaluations for as there are columns."""
        counts = np.bincount(rows, minlength=self.m)
        return counts > FULL * blocks if blocks >= LEAST_BLOCKS else np.zeros(self.m, bool)

    def _tested(self, pairs: Pairs, edges: Ints, last: bool) -> Pairs:
        """The pairs of a row and a block that matter at some point."""
        rows, blocks = pairs
        candidates = _pattern(rows, blocks, (self.m, edges.size - 1))
        colors = colored(candidates, "natural")
        seen = np.zeros((len(self.points), rows.size), bool)
        block_of = np.repeat(np.arange(edges.size - 1), np.diff(edges))
        by_color = np.argsort(colors[blocks], kind="stable")
        stops = np.searchsorted(colors[blocks][by_color], np.arange(colors.max(initial=-1) + 2))
        for c in range(stops.size - 1):
            mine, columns = by_color[stops[c] : stops[c + 1]], np.flatnonzero(colors[block_of] == c)
            for k in range(len(self.points)):
                seen[k, mine] = self._answers(k, columns)[rows[mine]]
        some = seen.any(axis=0)
        if last:
            self.varies = int((some & ~seen.all(axis=0)).sum())
        return rows[some], blocks[some]

    # --- checking -----------------------------------------------------------------------------------------------------

    def _verified(self, rows: Ints, columns: Ints, full: NDArray[np.bool_]) -> Pattern:
        """Random columns move, and no row may change that has none of them; the rows that do are searched once more."""
        n, self.full = self.x.size, int(full.sum())
        for _ in range(CHECKS):
            found = _pattern(rows, columns, (self.m, n))
            density = 1.0 / (1.0 + np.median(np.diff(found.indptr)) if self.m else 1.0)
            for k in range(len(self.points)):
                chosen = self.rng.random(n) < density
                wrong = self._answers(k, np.flatnonzero(chosen)) & ~full
                wrong[rows[chosen[columns]]] = False
                if wrong.any():
                    rows, columns = self._searched(k, wrong, chosen, rows, columns)
        whole = np.flatnonzero(full)
        rows = np.concatenate([rows, np.repeat(whole, n)])
        columns = np.concatenate([columns, np.tile(np.arange(n), whole.size)])
        return _pattern(rows, columns, (self.m, n))

    def _searched(self, k: int, wrong: NDArray[np.bool_], chosen: NDArray[np.bool_], rows: Ints, columns: Ints) -> Pairs:
        """Rows that changed although no known column of theirs moved: the columns, by halving again."""
        left, open_rows = [np.flatnonzero(chosen)], np.flatnonzero(wrong)
        while left:
            part = left.pop()
            hit = open_rows[self._answers(k, part)[open_rows]]
            if hit.size == 0:
                continue
            if part.size == 0:
                _varies()
            if part.size == 1:
                rows, columns = np.concatenate([rows, hit]), np.concatenate([columns, np.full(hit.size, part[0])])
                self.found, self.varies = self.found + hit.size, self.varies + hit.size
            else:
                left += [part[: part.size // 2], part[part.size // 2 :]]
        return rows, columns


def _varies() -> NoReturn:
    msg = "f must give the same results at the same point; it gave others when it was called there again"
    raise ValueError(msg)


def _halved(edges: Ints) -> tuple[Ints, tuple[Ints, Ints]]:
    """Blocks of columns in halves: where these begin; for each block its first half and how many it has (1 or 2)."""
    sizes = np.diff(edges)
    parts = np.where(sizes > 1, 2, 1)
    first = np.concatenate([[0], np.cumsum(parts)])
    begins = np.empty(first[-1] + 1, int)
    begins[first[:-1]], begins[-1] = edges[:-1], edges[-1]
    middle = first[:-1][parts == 2] + 1
    begins[middle] = (edges[:-1] + (sizes + 1) // 2)[parts == 2]
    return begins, (first[:-1], parts)


def _children(rows: Ints, blocks: Ints, halves: tuple[Ints, Ints]) -> Pairs:
    """Pairs of a row and a block, as pairs of the row and each half."""
    first, parts = halves
    two = parts[blocks] == 2
    return np.concatenate([rows, rows[two]]), np.concatenate([first[blocks], first[blocks[two]] + 1])


def _pattern(rows: Ints, columns: Ints, shape: tuple[int, int]) -> Pattern:
    """The pattern of some pairs, each once."""
    keys = np.unique(rows * np.int64(shape[1]) + columns)
    rows, columns = np.divmod(keys, max(1, shape[1]))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return Pattern(shape, indptr, columns)
