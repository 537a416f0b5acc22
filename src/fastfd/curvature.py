"""Second-order jobs: mixed second derivatives of pairs of directions, by fixed stencils or by extrapolation."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfd.columns import NOTHING, FixedJob, SearchJob, most_change_along
from fastfd.function import Function
from fastfd.info import Info
from fastfd.kernels.extrapolate import CONVERGED, DOMAIN, NOISY, ROUNDED, SCALELESS, workspace
from fastfd.kernels.pairs import (
    NOISE_SHOWS,
    NOTES,
    RUNGS,
    add_gradient_of,
    axes,
    fixed_listed,
    fixed_pairs,
    mixed_listed,
    mixed_pairs,
)
from fastfd.kernels.sweep import add_nodes_of
from fastfd.pattern import Pattern
from fastfd.plan import Groups, Plan, one_by_one_and
from fastfd.remote import Output, begun, both_halves, fresh
from fastfd.run import Job
from fastfd.stencils import named_stencil
from fastfd.steps import change_to_error, hefts, node_row, node_table, stencil_table

__all__ = ["Curvature", "FixedPairs", "Listed", "SearchPairs", "mixed_stencils"]

Array = NDArray[np.float64]
#: A move along v and a move of one coordinate add up: each gets a little less than half of the room.
HALF = 0.49
#: All of it but what x - h may lose in rounding.
ALMOST = 1 - 2.0**-30
#: Steps and their stencils at half the steps.
HALVED = np.array([0.5, 1.0])
#: From the median of samples of noise to twice its standard deviation.
LOUD = 3.0


class Curvature(NamedTuple):
    """A Hessian, or its product with a vector: values and errors with real and imaginary parts last."""

    value: Array
    error: Array
    step: Array
    nfev: int
    status: NDArray[np.int64]

    def info(self, shape: tuple[int, ...], x_shape: tuple[int, ...]) -> Info:
        error = np.hypot.reduce(self.error, axis=-1).reshape(shape)  # squares would leave the range of the doubles
        return Info(error, self.step.reshape(x_shape), self.nfev, self.status.reshape(x_shape))


class Listed:
    """The pairs below the diagonal that a symmetric pattern names, and where they go in its rows.

    ``starts`` and ``partners`` list them row by row, ``below`` and ``above`` where an entry and its mirror image stand,
    ``ends`` and ``diagonal`` the places on the diagonal and which ones.
    """

    def __init__(self, pattern: Pattern):
        mirror, rows = pattern.mirror(), pattern.row_of_each()
        lower, on = pattern.indices < rows, pattern.indices == rows
        self.pattern, self.partners = pattern, pattern.indices[lower].astype(np.int64)
        self.starts = np.concatenate([[0], np.cumsum(np.bincount(rows[lower], minlength=pattern.shape[0]))])
        self.below, self.above = np.flatnonzero(lower), mirror[lower]
        self.ends, self.diagonal = np.flatnonzero(on), rows[on]

    def spread(self, pairs: Array, axes: Array) -> Array:
        """All entries of the pattern from those of the pairs and those along the axes."""
        data = np.empty(self.pattern.size)
        data[self.below] = data[self.above] = pairs[:, 0]
        data[self.ends] = axes[self.diagonal, 0]
        return data

    def written(self, *lists: Array) -> tuple[Output, ...]:
        """Lists of pairs, as kernels write them row by row."""
        return tuple(Output(a, lambda lo, hi: slice(self.starts[lo], self.starts[hi])) for a in lists)

    def worst(self, data: Array) -> Array:
        """The largest entry of each row."""
        found, filled = np.zeros(self.pattern.shape[0]), np.diff(self.pattern.indptr) > 0
        if filled.any():
            found[filled] = np.maximum.reduceat(data, self.pattern.indptr[:-1][filled])
        return found


class _PairJob:
    """Jobs on one function: along each direction, over the pairs below the diagonal, and over some of them."""

    listing: Any

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple, line: Any, kernel: Any, space: Any):
        self.plan, self.line = plan, line(function, plan, x, args)
        self.pairs = Job(function, x, args, kernel, space)
        self.some = Job(function, x, args, self.listing, space)
        self.sample, self.shape, self.result_shape = self.line.sample, x.shape, self.line.result_shape
        self.n, self.m, self.empty = x.size, self.line.m, self.line.empty

    def fits(self, x: Array, args: tuple) -> bool:
        return self.line.fits(x, args)

    def nothing(self) -> Curvature:
        empty = np.zeros((0, 0, self.m))
        return Curvature(empty, empty, np.zeros(0), 1, np.zeros(0, int))

    def matrix(self, x: Array, args: tuple, full: bool) -> Curvature:
        raise NotImplementedError

    def listed(self, x: Array, args: tuple, pairs: Listed, full: bool) -> Curvature:
        """The entries of a pattern, in the order of its rows."""
        raise NotImplementedError

    def product(self, x: Array, args: tuple, v: Array, full: bool) -> Curvature:
        raise NotImplementedError


class FixedPairs(_PairJob):
    """The first-derivative stencil of one direction applied to that of the other; a second one on the diagonal.

    For error bars all is done again at half the steps, and there node by node along the axes, or along v: so it shows how steep f
    is, without which nobody knows its rounding where f(x) is 0.
    """

    listing = staticmethod(fixed_listed)

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple):
        super().__init__(function, plan, x, args, FixedJob, fixed_pairs, lambda n, m: (np.empty(n + m),))
        self.table = stencil_table(mixed_stencils(plan))

    @cached_property
    def _nodes(self) -> tuple[Array, Array]:
        """The tables along axes and of pairs, with their nodes."""
        return node_table(self.line.table), node_table(self.table)

    def matrix(self, x: Array, args: tuple, full: bool) -> Curvature:
        steps, y0, groups = self.line.place(x), self.line.at(x, args), self.line.groups
        value = self._pairs(x, args, y0, groups, steps, self._diagonal(x, args, y0, steps))
        if not full:
            return Curvature(value, value, steps, 0, steps)
        along, slopes = self._node_by_node(x, args, y0, steps)
        finer = self._pairs(x, args, y0, groups, steps * HALVED, along)
        h, heft, nodes = steps[:, 0], self._hefts(steps), self._looks(steps)
        with np.errstate(all="ignore"):  # at the edges of the doubles the error bar is infinite or nan, and says so
            change = steps[:, :1] * slopes
            size = self.line.inner_size(x, y0, steps, slopes) + (change[:, None] + change)
            error = self._bars(value, finer, np.multiply.outer(h, h), np.multiply.outer(heft, heft), size)
        calls = (nodes.sum() ** 2 - (nodes**2).sum()) // 2 + self.line.looks(steps).sum()
        return self._found(value, error, steps, calls)

    def _diagonal(self, x: Array, args: tuple, y0: Array, steps: Array) -> Array:
        return self.line.sweep_rows(x, args, y0 if self.line.centred else NOTHING, self.line.groups, steps)

    def _pairs(self, x: Array, args: tuple, y0: Array, groups: Groups, steps: Array, diagonal: Array) -> Array:
        value, count = np.empty((groups.count, groups.count, self.m)), groups.count
        rest = (y0, groups.index, groups.speeds, steps, self.table, value)
        self.pairs.run(x, args, rest, count, self.plan.parallel, writes=both_halves(value))
        value[np.arange(count), np.arange(count)] = diagonal
        return value

    def _node_by_node(self, x: Array, args: tuple, y0: Array, steps: Array) -> tuple[Array, Array]:
        """The second derivatives along the axes at half the steps, and the slopes of f up to their nodes."""
        table, looks = self._nodes[0], steps * HALVED
        sums, slopes = np.zeros((2, self.n, self.m))
        for k in range(int(table[steps[:, 1].astype(int), 0].max())):
            looks[:, 1] = node_row(table, steps[:, 1], k)
            values = self.line.sweep_rows(x, args, y0, self.line.groups, looks, table=table)
            add_nodes_of(values, table, looks, 2, y0[None], sums, slopes)
        return sums, slopes

    def listed(self, x: Array, args: tuple, pairs: Listed, full: bool) -> Curvature:
        steps, y0 = self.line.place(x), self.line.at(x, args)
        data = self._listed(x, args, pairs, steps, self._diagonal(x, args, y0, steps))
        if not full:
            return Curvature(data, data, steps, 0, steps)
        along, slopes = self._node_by_node(x, args, y0, steps)
        finer = self._listed(x, args, pairs, steps * HALVED, along)
        rows, columns = pairs.pattern.row_of_each(), pairs.pattern.indices
        h, heft, nodes = steps[:, 0], self._hefts(steps), self._looks(steps)
        with np.errstate(all="ignore"):
            size, change = self.line.inner_size(x, y0, steps, slopes)[0], h * slopes[:, 0]
            size = size + (change[rows] + change[columns])
            error = self._bars(data, finer, h[rows] * h[columns], heft[rows] * heft[columns], size)
        first = np.repeat(np.arange(self.n), np.diff(pairs.starts))
        calls = (nodes[first] * nodes[pairs.partners]).sum() + self.line.looks(steps).sum()
        status = np.where(np.isfinite(pairs.worst(np.abs(data))), CONVERGED, DOMAIN)
        return Curvature(data, error, steps[:, 0], 1 + 2 * int(calls), status)

    def _listed(self, x: Array, args: tuple, pairs: Listed, steps: Array, diagonal: Array) -> Array:
        groups, out = self.line.groups, np.empty((pairs.partners.size, self.m))
        rest = groups.index, groups.speeds, steps, self.table, pairs.starts, pairs.partners, out
        self.some.run(x, args, rest, self.n, self.plan.parallel, writes=pairs.written(out))
        return pairs.spread(out, diagonal)

    def product(self, x: Array, args: tuple, v: Array, full: bool) -> Curvature:
        if not v.any():
            return _no_product(self.n, self.m)
        groups, steps, y0 = one_by_one_and(v), self.line.place(x, HALF), self.line.at(x, args)
        both = np.vstack([steps, self.line.along(x, v, HALF)])
        value = self._row(x, args, y0, groups, both, self.table)
        if not full:
            return Curvature(value, value, steps, 0, steps)
        finer, slopes = self._gradient_by_gradient(x, args, y0, groups, both)
        h, heft, nodes = both[:, 0], self._hefts(both), self._looks(both)
        with np.errstate(all="ignore"):
            size = self.line.inner_size(x, y0, steps, slopes) + (h[-1] * most_change_along(slopes, v) + steps[:, :1] * slopes)
            error = self._bars(value, finer, h[:-1] * h[-1], heft[:-1] * heft[-1], size)
        return self._found(value, error, steps, nodes[:-1].sum() * nodes[-1])

    def _row(self, x: Array, args: tuple, y0: Array, groups: Groups, steps: Array, table: Array) -> Array:
        """The last row of the matrix: v against every coordinate."""
        value = np.empty((groups.count, groups.count, self.m))
        self.pairs.run(x, args, (y0, groups.index, groups.speeds, steps, table, value), 1, False, start=self.n)
        return value[self.n, : self.n]

    def _gradient_by_gradient(self, x: Array, args: tuple, y0: Array, groups: Groups, both: Array) -> tuple[Array, Array]:
        """The product at half the steps, and the slopes of f at the nodes along v."""
        table, looks, stencil = self._nodes[1], both * HALVED, int(both[-1, 1])
        sums, slopes = np.zeros((2, self.n, self.m))
        for k in range(int(table[stencil, 0])):
            looks[-1, 1] = row = node_row(table, stencil, k)
            values = self._row(x, args, y0, groups, looks, table)
            add_gradient_of(values, table[row], looks[-1, 0], sums, slopes)
        return sums, slopes

    def _hefts(self, steps: Array) -> Array:
        return hefts(self.table, steps)

    def _looks(self, steps: Array) -> NDArray[np.int64]:
        """The nodes of each direction's first-derivative stencil."""
        return self.table[steps[:, 1].astype(int), 0].astype(int)

    def _bars(self, value: Array, finer: Array, area: Array, heft: Array, size: Array) -> Array:
        """The truncation error, and the rounding of both steps: of f as large as it is at the nodes (`size` and, aside from both
        axes, the second derivative), with one-sided stencils' larger weights."""
        main, shape = self.plan.stencils[0], (*area.shape, *(1,) * (value.ndim - area.ndim))
        area, weight = area.reshape(shape), 2 * self.line.roundoff * main.rounding * 5 * heft.reshape(shape)
        return change_to_error(main) * np.abs(value - finer) + weight * (size / area + np.abs(value))

    def _found(self, value: Array, error: Array, steps: Array, calls: int) -> Curvature:
        bad = ~np.isfinite(value).reshape(self.n, -1).all(axis=1)
        return Curvature(value, error, steps[:, 0], 1 + 2 * int(calls), np.where(bad, DOMAIN, CONVERGED))


def mixed_stencils(plan: Plan) -> tuple[Any, ...]:
    """The first-derivative stencils that go with those of a plan for second derivatives."""
    return tuple(_first_order(plan, row) for row in range(len(plan.stencils)))


def _first_order(plan: Plan, row: int) -> Any:
    """The first-derivative stencil that goes with a row of second-derivative ones."""
    offsets, accuracy = plan.stencils[row].offsets, plan.stencils[0].accuracy
    if min(offsets) < 0 < max(offsets):
        return named_stencil("central", 1, accuracy + accuracy % 2)
    return named_stencil("forward" if max(offsets) > 0 else "backward", 1, accuracy)


class _Axes(NamedTuple):
    """What pairs must know of the directions, and the second derivatives along them."""

    known: tuple
    out: Array
    error: Array
    notes: Array
    noisy: bool


class SearchPairs(_PairJob):
    """Extrapolated mixed differences; where to take them is learned along each direction."""

    listing = staticmethod(mixed_listed)

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple):
        super().__init__(function, plan, x, args, SearchJob, mixed_pairs, lambda n, m: workspace(n, m, 1))
        self.axes = Job(function, x, args, axes, lambda n, m: workspace(n, m, 2))

    def matrix(self, x: Array, args: tuple, full: bool) -> Curvature:
        n = self.n
        return self._search(x, args, self.line.groups, self.line.place(x, ALMOST), 0, n, self.plan.parallel)

    def product(self, x: Array, args: tuple, v: Array, full: bool) -> Curvature:
        if not v.any():
            return _no_product(self.n, self.m)
        reach = np.vstack([self.line.place(x, HALF), self.line.along(x, v, HALF)])
        return self._search(x, args, one_by_one_and(v), reach, self.n, 1, False)

    def listed(self, x: Array, args: tuple, pairs: Listed, full: bool) -> Curvature:
        groups, shape = self.line.groups, (pairs.partners.size, self.m)
        along = self._axes(x, args, groups, self.line.place(x, ALMOST))
        out, error = np.empty(shape), np.empty(shape)
        rest = *along.known, pairs.starts, pairs.partners, out, error
        writes = pairs.written(out, error) + begun(along.notes)
        self.some.run(x, args, rest, self.n, self.plan.parallel, writes=writes)
        value, bar = pairs.spread(out, along.out), pairs.spread(error, along.error)
        notes = along.notes
        status = _verdicts(pairs.worst(np.abs(value)), pairs.worst(bar), notes[:, 2].astype(int), along.noisy)
        return Curvature(value, bar, notes[:, 0], 1 + int(notes[:, 1].sum()), status)

    def _axes(self, x: Array, args: tuple, groups: Groups, reach: Array) -> _Axes:
        """What pairs must know of each direction."""
        size, y0 = groups.count, self.line.at(x, args)
        out, error, samples = (np.empty((size, self.m)) for _ in range(3))
        notes, ladders, axis = np.empty((size, NOTES)), np.empty((size, RUNGS)), np.empty((size, RUNGS, 2, self.m))
        front = y0, groups.index, groups.speeds, reach, self.plan.rtol, self.axes.roundoff
        noise, along = np.full(self.m, self.plan.noise), (out, error, notes, ladders, axis, samples)
        self.axes.run(x, args, (*front, noise, False, *along), size, self.plan.parallel, writes=fresh(*along))
        seen = _noise(samples, y0, self.axes.roundoff)
        if (seen > noise).any():
            noise = np.maximum(seen, noise)
            self.axes.run(x, args, (*front, noise, True, *along), size, self.plan.parallel, writes=begun(*along))
        noisy = bool((noise > NOISE_SHOWS * self.axes.roundoff * np.abs(y0)).any())
        return _Axes((*front, noise, notes, ladders, axis), out, error, notes, noisy)

    def _search(
        self, x: Array, args: tuple, groups: Groups, reach: Array, start: int, count: int, parallel: bool | None
    ) -> Curvature:
        """The rows of the matrix from `start`, `count` of them."""
        size, (known, out, error, notes, noisy) = groups.count, self._axes(x, args, groups, reach)
        value, bar = np.empty((size, size, self.m)), np.empty((size, size, self.m))
        writes = both_halves(value, bar) + begun(notes)
        self.pairs.run(x, args, (*known, value, bar), count, parallel, start=start, writes=writes)
        if start:
            return self._found(value[start, :start], bar[start, :start], notes, start, noisy)
        value[np.arange(size), np.arange(size)], bar[np.arange(size), np.arange(size)] = out, error
        return self._found(value, bar, notes, size, noisy)

    def _found(self, value: Array, error: Array, notes: Array, n: int, noisy: bool) -> Curvature:
        rows, bars, step = np.abs(value).reshape(n, -1).max(axis=1), error.reshape(n, -1).max(axis=1), notes[:n, 0]
        status = _verdicts(rows, bars, notes[:n, 2].astype(int), noisy)
        return Curvature(value, error, step, 1 + int(notes[:, 1].sum()), status)


def _verdicts(rows: Array, bars: Array, axis: NDArray[np.int64], noisy: bool) -> NDArray[np.int64]:
    """What to think of each row of a Hessian, by its largest entry, its widest bar, the verdict on its axis, and whether f
    is noisy."""
    largest, poor = rows.max(initial=0.0), NOISY if noisy else SCALELESS
    lost = np.where(bars > 1e-3 * largest, poor, np.where(bars > 1e-8 * largest, ROUNDED, CONVERGED))
    axis = np.where(axis == SCALELESS, poor, axis)
    axis = np.where(axis == DOMAIN, DOMAIN, np.where(bars > 1e-3 * largest, axis, np.minimum(axis, ROUNDED)))
    return np.where(np.isfinite(rows), np.maximum(axis, lost), DOMAIN)


def _noise(samples: Array, y0: Array, roundoff: float) -> Array:
    """The noise of f beyond its rounding, one number for each output: the axes' guesses at it, taken together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no axis may have a guess
        noise = LOUD * np.nanmedian(np.where(np.isfinite(samples), samples, np.nan), axis=0)
    return np.where(noise > 2 * roundoff * np.abs(y0), noise, 0.0)


def _no_product(n: int, m: int) -> Curvature:
    zero = np.zeros((n, m))
    return Curvature(zero, zero, np.zeros(n), 1, np.zeros(n, int))

