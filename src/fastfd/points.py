"""Elementwise jobs: one number in, one number out, at many points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.columns import Columns, ComplexJob, FixedJob, SearchJob, exact_columns, scales_of
from fastfd.function import Function
from fastfd.kernels.extrapolate import ROUNDED, extrapolate_points, workspace
from fastfd.kernels.imaginary import imaginary_points
from fastfd.kernels.native import OK
from fastfd.kernels.pointwise import pointwise
from fastfd.kernels.sweep import INNER, add_nodes_of, sweep_points
from fastfd.plan import Plan
from fastfd.remote import fresh
from fastfd.run import bad_coordinate, lent, stretches
from fastfd.steps import checked_bounds, node_row, node_table

__all__ = ["FixedPoints", "ImaginaryPoints", "SearchPoints"]

Array = NDArray[np.float64]

#: From so many points on, compiling f into the loop pays within one call.
WORTH_INLINING = 100_000
#: So many points of a complex-step derivative are compared with real differences.
CHECKED_POINTS = 4


class FixedPoints(FixedJob):
    """Fixed stencils at many points."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple):
        super().__init__(function, plan, x, args)
        self.kernel, self.centred = sweep_points, False
        self._calls = np.array([len(s.nodes[0]) for s in plan.stencils])
        self._workspace = lambda n, m: (np.empty(1 + m),)

    def rows(self, x: Array, args: tuple) -> Array:
        plain = self.plan.bounds is None and self.given.size == 0 and self.function.inlines and self.function.crew is None
        if x.size >= WORTH_INLINING and plain and not self.sample.complex and self.roundoff < 1e-10:
            return self._inline(x, args)
        return self._sweep_points(x, args, self.place(x))

    def columns_at(self, x: Array, args: tuple) -> Columns:
        """With an error estimate by halving the step."""
        steps, y0 = self.place(x), np.empty((x.size, self.m))
        rows = self._sweep_points(x, args, steps)
        identity = np.array([[1.0, 1.0, 0.0, 0.0, 0.0, 1.0]])  # the stencil that is f itself
        self._sweep_with(x, args, np.column_stack([np.ones(x.size), np.zeros(x.size)]), identity, 0, y0)
        scales = INNER / min(self.plan.order, 2) * scales_of(x, steps, self.relative)[:, None]
        first = self.plan.order == 1
        if first:
            finer, slopes = self._sweep_points(x, args, steps * [0.5, 1.0]), np.abs(rows)
        else:
            finer, slopes = self._node_by_node(x, args, y0, steps)
        with np.errstate(all="ignore"):  # at the edges of the doubles the error bar is infinite or nan, and says so
            size = np.maximum(np.abs(y0), scales * slopes) + (0.0 if first else steps[:, :1] * slopes)
        return self.judged(rows, finer, size, steps)

    def _node_by_node(self, x: Array, args: tuple, y0: Array, steps: Array) -> tuple[Array, Array]:
        """The derivatives at half the steps, and the slopes of f up to their nodes."""
        table, looks = node_table(self.table), steps * [0.5, 1.0]
        values, sums, slopes = np.zeros((3, x.size, self.m))
        for k in range(int(table[steps[:, 1].astype(int), 0].max(initial=0))):
            looks[:, 1] = node_row(table, steps[:, 1], k)
            self._sweep_with(x, args, looks, table, self.plan.order, values)
            add_nodes_of(values, table, looks, self.plan.order, y0, sums, slopes)
        return sums, slopes

    def _sweep_points(self, x: Array, args: tuple, steps: Array) -> Array:
        return self._sweep_with(x, args, steps, self.table, self.plan.order, np.empty((x.size, self.m)))

    def _sweep_with(self, x: Array, args: tuple, steps: Array, table: Array, order: int, out: Array) -> Array:
        self.run(x, args, (steps, table, order, out), x.size, self.plan.parallel, writes=fresh(out))
        return out

    @cached_property
    def _loop(self) -> Callable:
        offsets, weights, factor = self.plan.stencils[0].nodes
        return pointwise(self.function.f, tuple(offsets.tolist()), tuple(weights.tolist()), factor, self.plan.order)

    def _inline(self, x: Array, args: tuple) -> Array:
        loop, out = self._loop, np.empty(x.size)

        def into(out: Array) -> Callable[[int, Any], int]:
            def piece(thread: int, part: Any) -> int:
                for lo, hi in stretches(part, thread):
                    loop(x, args, self.relative, out, lo, hi)
                return OK

            return piece

        self.divide(into(out), lambda: into(lent(out)), 0, x.size, [()], tuple, self.plan.parallel)
        return out[:, None]


class SearchPoints(SearchJob):
    """Adaptive extrapolation at many points; nan where f is not finite."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple):
        super().__init__(function, plan, x, args)
        self.kernel, self._workspace = extrapolate_points, lambda n, m: workspace(1, m, plan.order)

    def rows(self, x: Array, args: tuple) -> Array:
        return self._search_points(x, args)[0]

    def columns_at(self, x: Array, args: tuple) -> Columns:
        rows, error, notes = self._search_points(x, args)
        step, calls, status = notes.T[:3]
        nfev = int(np.maximum(calls, 1).sum())  # f(x) is among the calls, but where it ends the search it is not counted
        return Columns(rows, error, step, nfev, status.astype(int))

    def _search_points(self, x: Array, args: tuple) -> tuple[Array, Array, Array]:
        shape, plan = (x.size, self.m), self.plan
        rows, error, notes = np.empty(shape), np.empty(shape), np.empty((x.size, 5))
        rest = (self.place(x), plan.rtol, self.roundoff, plan.noise, plan.order, rows, error, notes)
        self.run(x, args, rest, x.size, plan.parallel, writes=fresh(rows, error, notes))
        return rows, error, notes


class ImaginaryPoints(ComplexJob):
    """The complex step at many points; a few of them are compared with real differences."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple):
        if plan.order != 1:
            msg = f"method='complex' gives derivatives of order 1 only, got order={plan.order}"
            raise ValueError(msg)
        space = lambda n, m: (np.empty(1, complex), np.empty(2 * m), np.empty(2 * m))  # noqa: E731
        super().__init__(function, x, args, imaginary_points, space)
        self.plan = plan
        self._real = SearchPoints(function, Plan.of(1, "adaptive", None, None, None, None, False), x, args)
        self.given = np.empty(0)

    def rows(self, x: Array, args: tuple) -> Array:
        return self.columns_at(x, args).rows

    def columns_at(self, x: Array, args: tuple) -> Columns:
        if not np.isfinite(x).all():
            bad_coordinate(x, 2 * int(np.argmin(np.isfinite(x))))
        rows = np.empty((x.size, self.m))
        self.run(x.astype(complex), args, (rows,), x.size, self.plan.parallel, writes=fresh(rows))
        nfev = x.size + self._compare(x, rows, args)
        return exact_columns(rows, self.roundoff, x, nfev)

    def _compare(self, x: Array, rows: Array, args: tuple) -> int:
        few = np.unique(np.linspace(0, x.size - 1, CHECKED_POINTS).astype(int))
        near = np.ascontiguousarray(x[few])
        bounds = None if self.plan.bounds is None else tuple(b[few] for b in checked_bounds(self.plan.bounds, x))
        self._real.plan = replace(self._real.plan, bounds=bounds)
        real = self._real.columns_at(near, args)
        wrong = np.abs(rows[few] - real.rows) > 10 * real.error + 1e-6 * (np.abs(rows[few]) + np.abs(real.rows))
        wrong &= (real.status <= ROUNDED)[:, None]
        if wrong.any():
            i = int(np.argmax(wrong.any(axis=1)))
            msg = (
                f"method='complex' needs an analytic f, but at x = {x[few[i]]!s} it gives {rows[few[i], 0]:.6g} where "
                f"real differences say {real.rows[i, 0]:.6g}: f takes abs, conj, real, a power of a negative number or the "
                "like; use another method"
            )
            raise ValueError(msg)
        return real.nfev


JOBS: dict[str, Any] = {"fixed": FixedPoints, "adaptive": SearchPoints, "complex": ImaginaryPoints}
