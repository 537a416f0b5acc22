"""Second-order jobs: mixed second derivatives of pairs of directions, by fixed stencils or by extrapolation."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfd.columns import FixedJob, SearchJob
from fastfd.function import Function
from fastfd.info import Info
from fastfd.kernels.extrapolate import CONVERGED, DOMAIN, ROUNDED, SCALELESS, workspace
from fastfd.kernels.pairs import NOTES, RUNGS, axes, fixed_pairs, mixed_pairs
from fastfd.plan import Groups, Plan, one_by_one_and
from fastfd.run import Job
from fastfd.stencils import named_stencil
from fastfd.steps import stencil_table

__all__ = ["Curvature", "FixedPairs", "SearchPairs", "mixed_stencils"]

Array = NDArray[np.float64]
#: A move along v and a move of one coordinate add up: each gets a little less than half of the room.
HALF = 0.49
#: All of it but what x - h may lose in rounding.
ALMOST = 1 - 2.0**-30
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
        error = np.sqrt((self.error**2).sum(axis=-1)).reshape(shape)
        return Info(error, self.step.reshape(x_shape), self.nfev, self.status.reshape(x_shape))


class _PairJob:
    """Two jobs on one function: along each direction, and over the pairs below the diagonal."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple, line: Any, kernel: Any, space: Any):
        self.plan, self.line = plan, line(function, plan, x, args)
        self.pairs = Job(function, x, args, kernel, space)
        self.sample, self.shape, self.result_shape = self.line.sample, x.shape, self.line.result_shape
        self.n, self.m, self.empty = x.size, self.line.m, self.line.empty

    def fits(self, x: Array, args: tuple) -> bool:
        return self.line.fits(x, args)

    def nothing(self) -> Curvature:
        empty = np.zeros((0, 0, self.m))
        return Curvature(empty, empty, np.zeros(0), 1, np.zeros(0, int))

    def matrix(self, x: Array, args: tuple, full: bool) -> Curvature:
        raise NotImplementedError

    def product(self, x: Array, args: tuple, v: Array, full: bool) -> Curvature:
        raise NotImplementedError


class FixedPairs(_PairJob):
    """The first-derivative stencil of one direction applied to that of the other; a second one on the diagonal."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple):
        super().__init__(function, plan, x, args, FixedJob, fixed_pairs, lambda n, m: (np.empty(n + m),))
        self.table = stencil_table(mixed_stencils(plan))

    def matrix(self, x: Array, args: tuple, full: bool) -> Curvature:
        steps = self.line.place(x)
        value = self._matrix(x, args, self.line.groups, steps)
        if not full:
            return Curvature(value, value, steps, 0, steps)
        finer = self._matrix(x, args, self.line.groups, steps * [0.5, 1.0])
        return self._with_error(value, finer, x, args, steps, steps)

    def _matrix(self, x: Array, args: tuple, groups: Groups, steps: Array) -> Array:
        value, count = np.empty((groups.count, groups.count, self.m)), groups.count
        centre = self.line.at(x, args)
        diagonal = self.line.sweep_rows(x, args, centre if self.line.centred else np.empty(0), groups, steps)
        rest = (centre, groups.index, groups.speeds, steps, self.table, value)
        self.pairs.run(x, args, rest, count, self.plan.parallel)
        value[np.arange(count), np.arange(count)] = diagonal
        return value

    def product(self, x: Array, args: tuple, v: Array, full: bool) -> Curvature:
        if not v.any():
            return _no_product(self.n, self.m)
        groups, steps = one_by_one_and(v), self.line.place(x, HALF)
        both = np.vstack([steps, self.line.along(x, v, HALF)])
        value = self._row(x, args, groups, both)
        if not full:
            return Curvature(value, value, steps, 0, steps)
        finer = self._row(x, args, groups, both * [0.5, 1.0])
        return self._with_error(value, finer, x, args, steps, both[-1:])

    def _row(self, x: Array, args: tuple, groups: Groups, steps: Array) -> Array:
        """The last row of the matrix: v against every coordinate."""
        value, centre = np.empty((groups.count, groups.count, self.m)), self.line.at(x, args)
        rest = (centre, groups.index, groups.speeds, steps, self.table, value)
        self.pairs.run(x, args, rest, 1, False, start=self.n)
        return value[self.n, : self.n]

    def _with_error(self, value: Array, finer: Array, x: Array, args: tuple, a: Array, b: Array) -> Curvature:
        """The change under halving, scaled up, and the rounding of both."""
        main, y0 = self.plan.stencils[0], np.abs(self.line.at(x, args))
        gain = 2.0**main.accuracy / (2.0**main.accuracy - 1)
        area = (a[:, None, :1] * b[None, :, :1]).reshape((*value.shape[:-1], 1))
        error = gain * np.abs(value - finer) + 2 * self.line.roundoff * main.rounding * 5 * y0 / area
        bad = ~np.isfinite(value).reshape(self.n, -1).all(axis=1)
        sizes = self.table[:, 0].max()
        calls = 2 * int(sizes**2 * value[..., 0].size / 2 + a.shape[0] * len(main.offsets)) + 1
        return Curvature(value, error, a[:, 0], calls, np.where(bad, DOMAIN, CONVERGED))


def mixed_stencils(plan: Plan) -> tuple[Any, ...]:
    """The first-derivative stencils that go with those of a plan for second derivatives."""
    return tuple(_first_order(plan, row) for row in range(len(plan.stencils)))


def _first_order(plan: Plan, row: int) -> Any:
    """The first-derivative stencil that goes with a row of second-derivative ones."""
    offsets, accuracy = plan.stencils[row].offsets, plan.stencils[0].accuracy
    if min(offsets) < 0 < max(offsets):
        return named_stencil("central", 1, accuracy + accuracy % 2)
    return named_stencil("forward" if max(offsets) > 0 else "backward", 1, accuracy)


class SearchPairs(_PairJob):
    """Extrapolated mixed differences; where to take them is learned along each direction."""

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

    def _search(
        self, x: Array, args: tuple, groups: Groups, reach: Array, start: int, count: int, parallel: bool | None
    ) -> Curvature:
        """The rows of the matrix from `start`, `count` of them."""
        size, y0 = groups.count, self.line.at(x, args)
        out, error, samples = (np.empty((size, self.m)) for _ in range(3))
        notes, ladders, axis = np.empty((size, NOTES)), np.empty((size, RUNGS)), np.empty((size, RUNGS, 2, self.m))
        front = y0, groups.index, groups.speeds, reach, self.plan.rtol, self.axes.roundoff
        noise, along = np.zeros(self.m), (out, error, notes, ladders, axis, samples)
        self.axes.run(x, args, (*front, noise, False, *along), size, self.plan.parallel)
        noise = _noise(samples, y0, self.axes.roundoff)
        if noise.any():
            self.axes.run(x, args, (*front, noise, True, *along), size, self.plan.parallel)
        value, bar = np.empty((size, size, self.m)), np.empty((size, size, self.m))
        self.pairs.run(x, args, (*front, noise, notes, ladders, axis, value, bar), count, parallel, start=start)
        if start:
            return self._found(value[start, :start], bar[start, :start], notes, start)
        value[np.arange(size), np.arange(size)], bar[np.arange(size), np.arange(size)] = out, error
        return self._found(value, bar, notes, size)

    def _found(self, value: Array, error: Array, notes: Array, n: int) -> Curvature:
        rows, bars, step = np.abs(value).reshape(n, -1), error.reshape(n, -1).max(axis=1), notes[:n, 0]
        lost = np.where(bars > 1e-3 * rows.max(), SCALELESS, np.where(bars > 1e-8 * rows.max(), ROUNDED, CONVERGED))
        axis = notes[:n, 2].astype(int)
        axis = np.where(axis == DOMAIN, DOMAIN, np.where(bars > 1e-3 * rows.max(), axis, np.minimum(axis, ROUNDED)))
        status = np.where(np.isfinite(rows).all(axis=1), np.maximum(axis, lost), DOMAIN)
        return Curvature(value, error, step, 1 + int(notes[:, 1].sum()), status)


def _noise(samples: Array, y0: Array, roundoff: float) -> Array:
    """The noise of f beyond its rounding, one number for each output: the axes' guesses at it, taken together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no axis may have a guess
        noise = LOUD * np.nanmedian(np.where(np.isfinite(samples), samples, np.nan), axis=0)
    return np.where(noise > 2 * roundoff * np.abs(y0), noise, 0.0)


def _no_product(n: int, m: int) -> Curvature:
    zero = np.zeros((n, m))
    return Curvature(zero, zero, np.zeros(n), 1, np.zeros(n, int))

