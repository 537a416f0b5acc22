"""First-order jobs: the columns of a Jacobian by fixed stencils, by extrapolation or by the complex step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastfd.function import Function
from fastfd.kernels.extrapolate import (
    CONVERGED,
    DOMAIN,
    FIRST_STEP,
    MEMORY,
    NOISE_LEVEL,
    NOISE_SEEN,
    ROUNDED,
    SCALELESS,
    extrapolate,
    share_rounding_of,
    workspace,
)
from fastfd.kernels.imaginary import imaginary
from fastfd.kernels.native import NONFINITE, NumbaError
from fastfd.kernels.packed import packed_call
from fastfd.kernels.sweep import INNER, most_change_of, sweep
from fastfd.kernels.tableau import LINE
from fastfd.plan import Groups, Plan, along, one_by_one
from fastfd.remote import begun, fresh
from fastfd.run import Job, aligned, bad_coordinate
from fastfd.steps import TINY_ROOM, change_to_error, checked_bounds, hefts, imaginary_steps, place_reach, place_steps

__all__ = [
    "MOST_SIDES", "NOT_COMPLEX", "REAL_ONLY", "Columns", "ComplexJob", "FixedJob", "ImaginaryJob", "SearchJob", "disagreement",
    "exact_columns", "most_change_along", "nothing", "one_sided", "scales_of", "verdicts",
]  # fmt: skip

Array = NDArray[np.float64]
#: Calls of less than so many seconds keep Python's lock: other threads ask for it after 5 ms only.
BRIEF = 1e-5
NOTHING = np.empty(0)
NO_MEMORY = np.empty((0, MEMORY))


class Columns(NamedTuple):
    """Rows of the transposed Jacobian, their error bars, and what is known of each."""

    rows: Array
    error: Array
    step: Array
    nfev: int
    status: NDArray[np.int64]
    longest: Array = NOTHING


def nothing(x: Array, n: int, m: int) -> Columns:
    """The columns of an empty Jacobian, at a point that has to be finite all the same."""
    wrong = ~np.isfinite(x.reshape(-1))
    if wrong.any():
        bad_coordinate(x, 2 * int(np.argmax(wrong)))
    return Columns(np.zeros((n, m)), np.zeros((n, m)), np.zeros(n), 1, np.zeros(n, int))


class _StepJob(Job):
    """What fixed and searched steps have in common: a place for each coordinate inside the bounds."""

    free = NOTHING, NOTHING

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple, kernel: Any, space: Any):
        super().__init__(function, x, args, kernel, space)
        self.plan, self.given, self.groups = plan, plan.steps_for(x.shape), one_by_one(x.size)

    def lane(self, form: tuple) -> Callable[[Array], Any] | None:
        """The derivative by the shortest way, for calls without extra arguments that are too small for threads.

        At two coordinates, looking at types and packing arguments costs three times the derivative. The lane packs
        them once. It writes rows into a new array of the shape, dtype and order in `form`, or gives None where
        anything is out of the ordinary.
        """
        if self.plan.parallel or self.plan.bounds is not None or not self.lean:
            return None
        n, front = self.groups.count, self._front(*self.free, self.groups)
        rest = (*front, np.empty((n, self.m)), *self._scratch(), *self._workspace(n, self.m), True, 0, n)
        long = self._cost * n > BRIEF
        return packed_call(self._kernel, self.callee.head, np.empty(self.shape), rest, len(front), np.empty(*form), long)

    def _front(self, lower: Array, upper: Array, groups: Groups) -> tuple:
        """What a kernel is told before where to write."""
        raise NotImplementedError

    def _scratch(self) -> tuple:
        """What it is given to write besides the rows, where nobody asks for it."""
        raise NotImplementedError

    def bounds(self, x: Array, share: float = 1.0) -> tuple[Array, Array]:
        """The bounds, or those of a share of the room (where two moves add up)."""
        if self.plan.bounds is None:
            return self.free
        lower, upper = checked_bounds(self.plan.bounds, x)
        if share == 1.0:
            return lower, upper
        flat = x.reshape(-1)
        with np.errstate(invalid="ignore", over="ignore"):  # an x that is not finite is named where steps are placed
            return flat - share * (flat - lower), flat + share * (upper - flat)

    def room_along(self, x: Array, v: Array, share: float) -> tuple[Array, Array]:
        """How far x + tv may go: bounds on t, a hair inside those of x."""
        if self.plan.bounds is None:
            return self.free
        lower, upper = checked_bounds(self.plan.bounds, x)
        moving, flat = v != 0.0, x.reshape(-1)
        down, up = (flat - lower)[moving], (upper - flat)[moving]
        down, up = np.where(v[moving] > 0, down, up), np.where(v[moving] > 0, up, down)
        with np.errstate(over="ignore", invalid="ignore"):  # a v next to nothing has all the room there is
            rooms = [(room / np.abs(v[moving])).min() * share * (1 - 2.0**-50) for room in (down, up)]
        low, high = (room if room > TINY_ROOM else 0.0 for room in rooms)
        return np.array([-low]), np.array([high])

    def roomy(self, x: Array) -> Array:
        """A direction in which every coordinate can move, as far as it can: into the larger side of its bounds."""
        flat = x.reshape(-1)
        if not np.isfinite(flat).all():
            bad_coordinate(x, 2 * int(np.argmin(np.isfinite(flat))))
        direction = np.where(flat == 0.0, 1.0, np.abs(flat))
        if self.plan.bounds is None:
            return direction
        lower, upper = checked_bounds(self.plan.bounds, x)
        down, up = flat - lower, upper - flat
        return np.where(np.maximum(down, up) <= TINY_ROOM, 0.0, np.where(up >= down, direction, -direction))

    @staticmethod
    def _check(x: Array, code: int) -> None:
        if code >= 0:
            bad_coordinate(x, code)


def _shortest(steps: Array, v: Array) -> float:
    moving = v != 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        return float((steps[moving] / np.abs(v[moving])).min())


def _no_room_along(v: Array) -> NoReturn:
    msg = f"bounds leave no room to move along v = {v!r}"
    raise ValueError(msg)


class FixedJob(_StepJob):
    """Fixed stencils."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple):
        super().__init__(function, plan, x, args, sweep, lambda n, m: (aligned(n + -n % LINE + m),))
        self.table, self.relative = plan.table, plan.relative_step(self.roundoff)
        self.centred = plan.uses_centre
        free = 1 if self.centred else 0  # f(x) is at hand already
        self._calls = np.array([len(s.nodes[0]) - free * (0.0 in s.nodes[0]) for s in plan.stencils])

    def place(self, x: Array, share: float = 1.0) -> Array:
        """A step and a stencil for each coordinate, in a share of the room."""
        steps = np.empty((x.size, 2))
        law = self.given, self.relative, self.roundoff
        self._check(x, place_steps(x.reshape(-1), *law, *self.bounds(x, share), self.table, steps))
        return steps

    def _front(self, lower: Array, upper: Array, groups: Groups, table: Array | None = None) -> tuple:
        law = self.given, self.relative, self.roundoff, lower, upper, self.table if table is None else table
        return (*law, self.plan.order, groups.index, groups.speeds)

    def _scratch(self) -> tuple:
        return self._centre(), np.empty((self.groups.count, 2))

    def along(self, x: Array, v: Array, share: float = 1.0) -> Array:
        """A step and a stencil along v: no coordinate goes further than its own step and room."""
        steps, own = np.empty((1, 2)), np.empty((x.size, 2))
        law = self.given, self.relative, self.roundoff
        self._check(x, place_steps(x.reshape(-1), *law, *self.free, self.table, own))
        lower, upper = self.room_along(x, v, share)
        h = np.array([_shortest(own[:, 0], v)])
        if place_steps(np.zeros(1), h, 1.0, 0.0, lower, upper, self.table, steps) >= 0:
            _no_room_along(v)
        return steps

    def rows(self, x: Array, args: tuple) -> Array:
        return self.sweep_rows(x, args, self._centre(), self.groups, np.empty((x.size, 2)), True)

    def _centre(self) -> Array:
        return np.empty(self.m) if self.centred else NOTHING

    def columns(self, x: Array, args: tuple, groups: Groups, steps: Array) -> Columns:
        """With an error estimate: halving the step shows the truncation, and twice the work."""
        y0 = self.at(x, args)
        centre = y0 if self.centred else NOTHING
        rows = self.sweep_rows(x, args, centre, groups, steps)
        finer = self.sweep_rows(x, args, centre, groups, steps * [0.5, 1.0])
        with np.errstate(over="ignore"):
            about = x if groups is self.groups else np.array([np.abs(x).max() / np.abs(groups.speeds).max()])
        return self.judged(rows, finer, self.inner_size(about, y0, steps, rows), steps)

    def product(self, x: Array, args: tuple, groups: Groups, steps: Array) -> Array:
        """The rows alone."""
        return self.sweep_rows(x, args, self.at(x, args) if self.centred else NOTHING, groups, steps)

    def sweep_rows(
        self, x: Array, args: tuple, centre: Array, groups: Groups, steps: Array, begin: bool = False,
        table: Array | None = None,
    ) -> Array:  # fmt: skip
        rows, plan = np.empty((groups.count, self.m)), self.plan
        lower, upper = self.bounds(x) if begin else self.free
        rest = (*self._front(lower, upper, groups, table), rows, centre, steps)
        if self.run(x, args, rest, groups.count, plan.parallel, begin, writes=fresh(rows)) % 8 == NONFINITE:
            self.at(x, args)  # not finite at x itself: that is an error; else a node left the domain, and nan says so
        return rows

    def inner_size(self, x: Array, y0: Array, steps: Array, slopes: Array) -> Array:
        """How large the numbers are whose rounding is in f(x), where they may cancel."""
        most = most_change_along(slopes, scales_of(x, steps, self.relative))
        return np.maximum(np.abs(y0), INNER / self.plan.order * most)

    def judged(self, rows: Array, finer: Array, size: Array, steps: Array) -> Columns:
        """The truncation error, and the rounding of both steps, of numbers of some size."""
        main = self.plan.stencils[0]
        h = steps[:, :1]
        with np.errstate(all="ignore"):  # at the edges of the doubles the error bar is infinite or nan, and says so
            scale = 2 * self.roundoff * main.rounding * (1 + 2.0**main.order) / h**main.order
            scale *= hefts(self.table, steps)[:, None]
            rounding = scale * (size + np.abs(rows) * h**main.order)
            error = change_to_error(main) * np.abs(rows - finer) + rounding
        nfev = 1 + 2 * int(self.looks(steps).sum())
        return Columns(rows, error, steps[:, 0], nfev, _verdicts(rows, error, rounding))

    def looks(self, steps: Array) -> NDArray[np.int64]:
        """The evaluations that each column takes, besides f(x)."""
        return self._calls[steps[:, 1].astype(int)]


def scales_of(x: Array, steps: Array, relative: float) -> Array:
    """The scale of f along each coordinate by the step law, or the coordinate if that is larger."""
    with np.errstate(over="ignore"):  # of steps at the end of the doubles
        return np.maximum(np.abs(x.reshape(-1)), steps[:, 0] / relative)


def most_change_along(slopes: Array, v: Array) -> Array:
    """Σ \\|vₖ ∂f/∂xₖ\\|, for each output."""
    most = np.empty(slopes.shape[1])
    most_change_of(slopes, v, most)
    return most


def _verdicts(rows: Array, error: Array, rounding: Array) -> NDArray[np.int64]:
    """What to think of columns of fixed stencils, by their error bars."""
    lost = ((error > 0.1 * np.abs(rows)) & (error / 10 > rounding)).any(axis=1)
    fair = error.max(axis=1) > 1e-6 * np.abs(rows).max(axis=1)
    return verdicts(lost, fair, np.isfinite(rows).all(axis=1))


def verdicts(lost: Any, fair: Any, finite: Any) -> NDArray[np.int64]:
    """Columns that show no derivative, those that are known fairly, and those that stayed in the domain, in numbers."""
    return np.where(finite, np.where(lost, SCALELESS, np.where(fair, ROUNDED, CONVERGED)), DOMAIN)


class SearchJob(_StepJob):
    """Adaptive extrapolation."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple):
        super().__init__(function, plan, x, args, extrapolate, lambda n, m: workspace(n, m, plan.order))
        self.memory = np.zeros((x.size, MEMORY)) if plan.learns else NO_MEMORY

    def place(self, x: Array, share: float = 1.0) -> Array:
        """Where the search begins at each coordinate, and the room it has (a share of it)."""
        reach = np.empty((x.size, 3))
        self._check(x, place_reach(x.reshape(-1), self.given, self.plan.order, self.plan.rtol, *self.bounds(x, share), reach))
        return reach

    def _front(self, lower: Array, upper: Array, groups: Groups) -> tuple:
        plan = self.plan
        return self.given, lower, upper, plan.rtol, self.roundoff, plan.noise, plan.order, groups.index, groups.speeds

    def _scratch(self) -> tuple:
        n = self.groups.count
        return np.empty((0, self.m)), np.empty((n, 5)), np.empty(self.m), np.empty((n, 3)), self.memory

    def along(self, x: Array, v: Array, share: float = 1.0) -> Array:
        """Where the search along v begins, and the room it has."""
        reach, own = np.empty((1, 3)), np.empty((x.size, 3))
        self._check(x, place_reach(x.reshape(-1), self.given, self.plan.order, self.plan.rtol, *self.free, own))
        lower, upper = self.room_along(x, v, share)
        h = np.array([_shortest(own[:, 0], v)])
        if place_reach(np.zeros(1), h, self.plan.order, self.plan.rtol, lower, upper, reach) >= 0:
            _no_room_along(v)
        return reach

    def rows(self, x: Array, args: tuple) -> Array:
        return self._search(x, args, np.empty(self.m), self.groups, np.empty((x.size, 3)), True)[0]

    def columns(self, x: Array, args: tuple, groups: Groups, reach: Array) -> Columns:
        rows, error, notes = self._search(x, args, self.at(x, args), groups, reach)
        step, calls, status, longest = notes.T[:4]
        if groups is self.groups and groups.count > 1:
            share_rounding_of(x.reshape(-1), notes, self.roundoff, rows, error, np.empty(self.m))
        return Columns(rows, error, step, 1 + int(calls.sum()), status.astype(int), longest)

    def _search(
        self, x: Array, args: tuple, y0: Array, groups: Groups, reach: Array, begin: bool = False
    ) -> tuple[Array, Array, Array]:
        plan, shape = self.plan, (groups.count, self.m)
        rows, notes = np.empty(shape), np.empty((groups.count, 5))
        error = np.empty((0, self.m)) if begin else np.empty(shape)
        memory = self.memory if groups is self.groups else NO_MEMORY
        lower, upper = self.bounds(x) if begin else self.free
        rest = (*self._front(lower, upper, groups), rows, error, notes, y0, reach, memory)
        writes = fresh(rows, error, notes) + begun(memory)
        self.run(x, args, rest, groups.count, plan.parallel, begin, writes=writes)
        _pool(memory)
        return rows, error, notes


#: One-sided derivatives are looked for at this many columns at the most, and told when known to this share.
MOST_SIDES, TOLD = 8, 1e-3


def one_sided(function: Function, plan: Plan, x: Array, args: tuple, i: int) -> tuple[Array, Array, int] | None:
    """The derivatives along coordinate i to its left and to its right, and the evaluations; None where one is not known."""
    lower, upper = (np.full(x.size, b) for b in (-np.inf, np.inf)) if plan.bounds is None else checked_bounds(plan.bounds, x)
    v, found = (np.arange(x.size) == i).astype(float), []
    for closed in (1, 0):  # the upper bound, then the lower one, at x itself
        ends = np.array([lower, upper])
        ends[closed, i] = x.reshape(-1)[i]
        bounded = replace(plan, bounds=tuple(ends.reshape(2, *x.shape)), learns=False)
        job = SearchJob(function, bounded, x, args)
        try:
            found.append(job.columns(x, args, along(v), job.along(x, v)))
        except Exception:  # no room, or f raises there: that is not what was asked for
            return None
    left, right = found
    scale = max(np.abs(left.rows).max(), np.abs(right.rows).max())
    known = all(side.error.max() <= TOLD * scale for side in found)  # false for nan too
    return (left.rows[0], right.rows[0], left.nfev + right.nfev) if known else None


def _pool(memory: Array) -> None:
    """One noise for all columns: f is the same in all of them, and a column that saw little of it was lucky."""
    known = memory[memory[:, FIRST_STEP] > 0.0, NOISE_SEEN]
    if known.size:
        known.sort()  # a third of the time of np.median, which was most of a small search
        median = 0.5 * (known[(known.size - 1) // 2] + known[known.size // 2])
        np.maximum(memory[:, NOISE_SEEN], 2 * median, out=memory[:, NOISE_LEVEL])


NOT_COMPLEX = "method='complex' needs f to work with complex numbers, and it does not"
REAL_ONLY = "method='complex' needs f to return complex numbers for complex x; f drops the imaginary part"


class ComplexJob(Job):
    """The same function, compiled for complex numbers; its derivative is real."""

    def __init__(self, function: Function, x: Array, args: tuple, kernel: Any, space: Any):
        try:
            super().__init__(function, x.astype(complex), args, kernel, space)
        except (NumbaError, TypeError) as error:
            raise TypeError(NOT_COMPLEX) from error
        if not self.sample.complex:
            raise TypeError(REAL_ONLY)
        self.m, self.sample.complex = self.m // 2, False


def exact_columns(rows: Array, roundoff: float, x: Array, nfev: int) -> Columns:
    """What the complex step gives: all digits that f itself has."""
    with np.errstate(over="ignore"):
        error = 8 * roundoff * np.abs(rows)
    return Columns(rows, error, imaginary_steps(x), nfev, verdicts(False, False, np.isfinite(rows).all(axis=1)))


class ImaginaryJob(ComplexJob):
    """The complex step, compared with real differences."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple):
        super().__init__(function, x, args, imaginary, _imaginary_workspace)
        self.plan = plan
        self._real = SearchJob(function, Plan.of(1, "adaptive", None, None, None, plan.bounds, False), x, args)

    def rows(self, x: Array, args: tuple) -> Array:
        return self.columns(x, args).rows

    def columns(self, x: Array, args: tuple) -> Columns:
        direction = self._real.roomy(x)
        rows = np.empty((x.size, self.m))
        self.run(x.astype(complex), args, (rows,), x.size, self.plan.parallel, writes=fresh(rows))
        nfev = x.size + (self._compare(x, args, rows, direction) if direction.any() else 0)
        return exact_columns(rows, self.roundoff, x.reshape(-1), nfev)

    def _compare(self, x: Array, args: tuple, rows: Array, direction: Array) -> int:
        """Real differences along a direction against the complex step; a second search, from far shorter steps, must
        confirm what the first has against it."""
        reach, nfev = self._real.along(x, direction), 0
        for shorter in (1.0, 1e-4):
            real = self._real.columns(x, args, along(direction), reach * [shorter, 1.0, 1.0])
            nfev += real.nfev
            wrong = disagreement(direction @ rows, np.abs(direction) @ np.abs(rows), real)
            if wrong is None:
                return nfev
        raise ValueError(wrong)


def _imaginary_workspace(n: int, m: int) -> tuple:
    return np.empty(n, complex), np.empty(2 * m), np.empty(2 * m)


def disagreement(found: Array, size: Array, real: Columns) -> str | None:
    """What to say where products of a complex-step Jacobian, from parts of some size, and real derivatives differ by more
    than both can be wrong: f is not analytic there."""
    expected, bar = real.rows[0], real.error[0]
    wrong = np.abs(found - expected) > 10 * bar + 1e-6 * (size + np.abs(expected))
    if real.status[0] > ROUNDED or not wrong.any():
        return None
    i = int(np.argmax(wrong))
    return (
        f"method='complex' needs an analytic f, but along x output {i} changes by {found[i]:.6g} where real "
        f"differences say {expected[i]:.6g}: f takes abs, conj, real, a power of a negative number or the like; "
        "use another method"
    )
