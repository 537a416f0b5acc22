"""Sparse first-order jobs: the entries of a Jacobian with a known pattern, colour by colour."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastfd.columns import NOT_COMPLEX, REAL_ONLY, FixedJob, disagreement, scales_of, verdicts
from fastfd.function import SEVERAL, Function
from fastfd.kernels.compressed import imaginary_colors, law_steps, own_steps, search_colors, search_space, sweep_colors
from fastfd.kernels.native import NONFINITE, NumbaError
from fastfd.kernels.sweep import INNER
from fastfd.pattern import Pattern, read_alone
from fastfd.plan import Plan, along
from fastfd.remote import Output, begun, fresh
from fastfd.run import Job, aligned, bad_coordinate
from fastfd.steps import change_to_error, checked_bounds, hefts, imaginary_steps, place_reach, place_steps

__all__ = ["ColoredComplex", "ColoredFixed", "ColoredSearch", "Entries", "Missed", "Reads"]

Array = NDArray[np.float64]
Ints = NDArray[Any]
NOTHING = np.empty(0)


class Missed(ValueError):
    """A result moved although no entry of the pattern says that it can."""


class Entries(NamedTuple):
    """The entries in the order of the pattern, their error bars, and what is known of each column."""

    data: Array
    error: Array
    step: Array
    nfev: int
    status: NDArray[np.int64]


def _alone(data: Array) -> Entries:
    """Entries of which nobody asked how well they are known."""
    return Entries(data, data, NOTHING, 0, np.zeros(0, int))


class Reads:
    """A pattern, its colours, and where each entry is read: in its own column, or in that of its mirror image.

    ``first`` and ``coords`` are the colours' columns; ``starts``, ``rows`` and ``place`` what is read, by columns.
    """

    def __init__(self, pattern: Pattern, colors: Ints, symmetric: bool = False):
        self.pattern, self.colors = pattern, colors
        self.copied: tuple[Ints, Ints] | None = None
        self.starts, self.rows, self.place = pattern.starts, pattern.rows, pattern.place
        if symmetric:
            self._read_once()
        self.first, self.coords = grouped(colors)
        self.in_order = self.arranged(self.coords)

    def arranged(self, coords: Ints) -> tuple[Ints, Ints, Ints]:
        """What is read, in another order of the columns."""
        counts = np.diff(self.starts)[coords]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(self.starts.dtype)
        from_old = np.repeat(self.starts[coords] - starts[:-1], counts) + np.arange(starts[-1])
        return starts, self.rows[from_old], self.place[from_old]

    def _read_once(self) -> None:
        """Of each entry and its mirror image the one that stands alone; the other is a copy."""
        alone, columns = read_alone(self.pattern, self.colors), np.repeat(np.arange(self.pattern.shape[1]), np.diff(self.starts))
        mirror = self.pattern.mirror()
        first = alone & (~alone[mirror] | (self.rows >= columns))
        self.copied = self.place[first], self.place[mirror[first]]
        kind = self.starts.dtype
        self.starts = np.concatenate([[0], np.cumsum(np.bincount(columns[first], minlength=self.pattern.shape[1]))]).astype(kind)
        self.rows, self.place = self.rows[first], self.place[first]

    def complete(self, data: Array) -> Array:
        """With the mirror images filled in."""
        if self.copied is not None:
            data[self.copied[1]] = data[self.copied[0]]
        return data

    def watched(self, count: int) -> NDArray[np.int64]:
        """Room for what moves although it cannot, in each colour; none where mirror images move too and are not read."""
        return np.full(count if self.copied is None else 0, -1)

    @property
    def thickest(self) -> int:
        return int(np.diff(self.starts).max(initial=1))

    def worst(self, values: Array) -> Array:
        """The largest of the values that are read in each column."""
        found = np.zeros(self.pattern.shape[1])
        filled = np.diff(self.starts) > 0
        if filled.any():
            found[filled] = np.maximum.reduceat(values[self.place], self.starts[:-1][filled])
        return found


def written(first: Ints, order: tuple[Ints, Ints, Ints], *entries: Array) -> tuple[Output, ...]:
    """Lists of entries, of which a kernel writes those of colours lo..hi."""
    starts, _, place = order
    return tuple(Output(a, lambda lo, hi: place[starts[first[lo]] : starts[first[hi]]]) for a in entries)


def grouped(colors: Ints) -> tuple[NDArray[np.int64], Ints]:
    """Where the columns of each colour begin, and the columns; those without a colour are left out."""
    order = np.argsort(colors, kind="stable").astype(colors.dtype)
    counts = np.bincount(colors + 1, minlength=1)
    return np.cumsum(counts) - counts[0], order[counts[0] :]


class _ColoredJob(Job):
    """What the colours have in common, whatever the method."""

    def __init__(self, function: Function, plan: Plan, x: NDArray[Any], args: tuple, reads: Reads, kernel: Any, space: Any):
        super().__init__(function, x, args, kernel, space)
        self.plan, self.reads, self.missed = plan, reads, np.full(0, -1)
        self.given = plan.steps_for(x.shape)

    def check_shape(self) -> None:
        n, shape = int(np.prod(self.shape)), self.reads.pattern.shape
        if shape != (self.m, n):
            msg = f"sparsity must have the shape of the Jacobian, {(self.m, n)}, got {shape}"
            raise ValueError(msg)

    def bounds(self, x: Array) -> tuple[Array, Array]:
        return (NOTHING, NOTHING) if self.plan.bounds is None else checked_bounds(self.plan.bounds, x)

    def sweep(self, x: NDArray[Any], args: tuple, count: int, *rest: Any, writes: tuple[Output, ...]) -> None:
        """The kernel over all colours; an error where f is not finite at x itself, or a pattern misses an entry."""
        if count and self.run(x, args, rest, count, self.plan.parallel, writes=writes + begun(self.missed)) % 8 == NONFINITE:
            self.at_real(x.real, args)
        if (self.missed >= 0).any():
            g = int(np.argmax(self.missed >= 0))
            msg = (
                f"sparsity misses an entry in row {int(self.missed[g])}: that result of f changes when only columns without an "
                "entry there are moved (or f does not give the same result twice)"
            )
            raise Missed(msg)

    def at_real(self, x: Array, args: tuple) -> Array:
        return self.at(x, args)

    def fail(self, code: int, x: Array, args: tuple, work: Array, column: int) -> NoReturn:
        super().fail(code, x, args, work, SEVERAL)

    @staticmethod
    def _check(x: Array, code: int) -> None:
        if code >= 0:
            bad_coordinate(x, code)


class ColoredFixed(_ColoredJob):
    """Fixed stencils."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple, reads: Reads):
        super().__init__(function, plan, x, args, reads, sweep_colors, _fixed_space)
        self.table, self.relative = plan.table, plan.relative_step(self.roundoff)
        self.centred = plan.uses_centre
        free = 1 if self.centred else 0  # f(x) is at hand already
        self._calls = np.array([len(s.nodes[0]) - free * (0.0 in s.nodes[0]) for s in plan.stencils])

    def entries(self, x: Array, args: tuple, full: bool) -> Entries:
        reads, here, speeds = self.reads, np.empty(self.reads.coords.size), np.empty(self.reads.coords.size)
        by_law = not full and self.plan.bounds is None and not self.given.size
        if by_law and law_steps(x.reshape(-1), self.relative, self.roundoff, reads.coords, here, speeds):
            data = self._data(x, args, self.at(x, args) if self.centred else NOTHING, self._colors, here, speeds)
            return _alone(data)
        steps = np.empty((x.size, 2))
        law = self.given, self.relative, self.roundoff, *self.bounds(x)
        self._check(x, place_steps(x.reshape(-1), *law, self.table, steps))
        y0 = self.at(x, args) if self.centred or full else NOTHING
        groups = self._groups(steps)
        own_steps(x.reshape(-1), steps, groups[1], here, speeds)
        data = self._data(x, args, y0, groups, here, speeds)
        if not full:
            return _alone(data)
        size = self._inner_size(x, y0, steps, data)
        return self._judged(data, self._data(x, args, y0, groups, here, 0.5 * speeds), size, steps, groups)

    def _inner_size(self, x: Array, y0: Array, steps: Array, data: Array) -> Array:
        """How large the numbers are whose rounding is in f(x), as in ``columns.FixedJob``."""
        pattern, scales = self.reads.pattern, scales_of(x, steps, self.relative)
        with np.errstate(all="ignore"):
            change = np.abs(scales[pattern.indices] * data)
        return np.maximum(np.abs(y0), INNER * np.bincount(pattern.row_of_each(), np.where(change < np.inf, change, 0.0), self.m))

    @property
    def _colors(self) -> tuple[NDArray[np.int64], Ints, Ints]:
        return self.reads.first, self.reads.coords, np.zeros(self.reads.first.size - 1, np.int64)

    def _groups(self, steps: Array) -> tuple[NDArray[np.int64], Ints, Ints]:
        """The colours; where bounds give columns of one colour different stencils, each stencil is a colour of its own."""
        reads, kinds = self.reads, len(self.plan.stencils)
        if self.plan.bounds is None or not steps[:, 1].any():
            return self._colors
        split = np.where(reads.colors < 0, -1, reads.colors * kinds + steps[:, 1].astype(int))
        used, finer = np.unique(split, return_inverse=True)
        first, coords = grouped(finer.reshape(-1) - (used[0] < 0))
        return first, coords, used[used >= 0] % kinds

    def _data(self, x: Array, args: tuple, y0: Array, groups: tuple, here: Array, speeds: Array) -> Array:
        first, coords, which = groups
        data, count = np.empty(self.reads.pattern.size), first.size - 1
        self.missed = self.reads.watched(count)
        reads, centre = self.reads, y0 if self.centred else NOTHING
        order = reads.in_order if coords is reads.coords else reads.arranged(coords)
        writes = written(first, order, data)
        columns = first, coords, here, speeds, which
        self.sweep(x, args, count, self.table, *columns, centre, *order, data, self.missed, writes=writes)
        return reads.complete(data)

    def _judged(self, data: Array, finer: Array, size: Array, steps: Array, groups: tuple) -> Entries:
        """The truncation error, and the rounding of both steps."""
        main, pattern = self.plan.stencils[0], self.reads.pattern
        h, rows = steps[pattern.indices, 0], pattern.row_of_each()
        weight = 2 * self.roundoff * main.rounding * 3 * hefts(self.table, steps)[pattern.indices]
        with np.errstate(all="ignore"):  # at the edges of the doubles the error bar is infinite or nan, and says so
            rounding = weight / h * (size[rows] + np.abs(data) * h)
            error = change_to_error(main) * np.abs(data - finer) + rounding
        nfev = 1 + 2 * int(self._calls[groups[2]].sum())
        return Entries(data, error, steps[:, 0], nfev, self._verdicts(data, error, rounding))

    def _verdicts(self, data: Array, error: Array, rounding: Array) -> NDArray[np.int64]:
        lost = (error > 0.1 * np.abs(data)) & (error / 10 > rounding)
        worst, size = self.reads.worst(error), self.reads.worst(np.abs(data))
        return verdicts(self.reads.worst(lost.astype(float)) > 0, worst > 1e-6 * size, np.isfinite(size))


def _fixed_space(n: int, m: int) -> tuple:
    return aligned(n), aligned(m), np.empty(m)


class ColoredSearch(_ColoredJob):
    """Adaptive extrapolation."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple, reads: Reads):
        thickest, widest = reads.thickest, int(np.diff(reads.first).max(initial=0))
        super().__init__(
            function, plan, x, args, reads, search_colors, lambda n, m: search_space(n, m, thickest, widest)
        )

    def entries(self, x: Array, args: tuple, full: bool) -> Entries:
        plan, reads, n = self.plan, self.reads, x.size
        reach = np.empty((n, 3))
        self._check(x, place_reach(x.reshape(-1), self.given, 1, plan.rtol, *self.bounds(x), reach))
        data, count = np.empty(reads.pattern.size), reads.first.size - 1
        error, notes = (np.empty(data.size), np.zeros((n, 5))) if full else (NOTHING, np.empty((0, 5)))  # much memory
        self.missed, calls = reads.watched(count), np.zeros(count, np.int64)
        writes = (*written(reads.first, reads.in_order, data, *((error,) if full else ())), *fresh(calls))
        if full:
            writes += (Output(notes, lambda lo, hi: reads.coords[reads.first[lo] : reads.first[hi]], begun=True),)
        self.sweep(
            x, args, count, reach, plan.rtol, self.roundoff, plan.noise, reads.first, reads.coords, self.at(x, args),
            reads.starts, reads.rows, reads.place, data, error, notes, self.missed, calls, writes=writes,
        )  # fmt: skip
        reads.complete(data)
        if not full:
            return _alone(data)
        return Entries(data, reads.complete(error), notes[:, 0], 1 + int(calls.sum()), notes[:, 2].astype(int))


class ColoredComplex(_ColoredJob):
    """The complex step."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple, reads: Reads):
        try:
            super().__init__(function, plan, x.astype(complex), args, reads, imaginary_colors, _complex_space)
        except (NumbaError, TypeError) as error:
            raise TypeError(NOT_COMPLEX) from error
        if not self.sample.complex:
            raise TypeError(REAL_ONLY)
        self.m, self.sample.complex = self.m // 2, False
        differences = Plan.of(1, "central", 4, None, None, plan.bounds, False)
        self._real = FixedJob(function, differences, x, args)

    def entries(self, x: Array, args: tuple, full: bool) -> Entries:
        reads, data = self.reads, np.empty(self.reads.pattern.size)
        count = reads.first.size - 1
        self.missed = self.reads.watched(count)
        self.sweep(
            x.astype(complex), args, count, reads.first, reads.coords, *reads.in_order, data, self.missed,
            writes=written(reads.first, reads.in_order, data),
        )  # fmt: skip
        reads.complete(data)
        count += self._compare(x, args, data)
        status = verdicts(False, False, np.isfinite(reads.worst(np.abs(data))))
        return Entries(data, 8 * self.roundoff * np.abs(data), imaginary_steps(x.reshape(-1)), count, status)

    def at_real(self, x: Array, args: tuple) -> Array:
        return self._real.at(x, args)

    def _compare(self, x: Array, args: tuple, data: Array) -> int:
        """Real differences along a direction against the complex step: an f that is not analytic is told by them."""
        direction = self._real.roomy(x)
        if not direction.any():
            return 0
        matrix = self.reads.pattern.matrix(data)
        real = self._real.columns(x, args, along(direction), self._real.along(x, direction))
        wrong = disagreement(matrix @ direction, abs(matrix) @ np.abs(direction), real)
        if wrong is not None:
            raise ValueError(wrong)
        return real.nfev


def _complex_space(n: int, m: int) -> tuple:
    return np.empty(n, complex), np.empty(2 * m), np.empty(2 * m), np.empty(m)
