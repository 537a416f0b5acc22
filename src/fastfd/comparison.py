"""A derivative that is claimed against differences, each column as exactly as its verdict needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfd.columns import NOTHING, FixedJob, SearchJob
from fastfd.function import wrap
from fastfd.kernels.extrapolate import NOISY
from fastfd.plan import Groups, Plan, along
from fastfd.verdicts import CORRECT, FAR, INCONCLUSIVE, WRONG, judge

__all__ = ["Compared", "Comparison"]

Array = NDArray[np.float64]

#: What rounding leaves of a sum of analytic entries, as a share of its root mean square.
SUM = 1e-3
#: An error bar of this share of the same tells whether one of a million columns is left out.
TELLING = 1e-3
#: Groups of so many columns are looked at one by one; so many wrong groups are too many to be divided further, and so
#: many columns of each are looked at then.
SMALL, MOST_GROUPS, SAMPLED = 8, 16, 8


class Compared(NamedTuple):
    """Rows of the transposed Jacobian by differences, their error bars, the verdicts, and the evaluations of f."""

    rows: Array
    error: Array
    verdict: NDArray[np.int8]
    nfev: int


def _some(columns: NDArray[np.int64]) -> Groups:
    """Some coordinates, one by one."""
    k = columns.size
    return Groups(np.concatenate([np.arange(k + 1) + k + 1, columns]), np.ones(k), k)


class Comparison:
    """A function at points of one shape, and how close to its differences an analytic derivative must come.

    Parameters
    ----------
    f : callable
        The function.
    bounds, parallel, noise
        As in ``jacobian``.
    precision : float
        The relative accuracy of the analytic entries: closer agreement proves them right.
    out_size : int, optional
        As in ``jacobian``.
    """

    def __init__(
        self,
        f: Callable,
        bounds: Any,
        parallel: bool | None,
        noise: float | None,
        precision: float,
        out_size: int | None = None,
    ):
        self._function, self._precision = wrap(f, out_size), precision
        self._search = Plan.of(1, "adaptive", None, None, None, bounds, parallel, noise)
        self._plain = [Plan.of(1, "central", accuracy, None, None, bounds, parallel) for accuracy in (2, 4)]

    def columns(self, x: Array, args: tuple, analytic: Array) -> Compared:
        """Every column against the rows of `analytic`, (n, m).

        Two evaluations a column settle most: no wrong entry agrees with a difference to seven digits by chance, and so
        the agreement is all the error bar that is needed. Four settle those where rounding is in the way; only the others
        are worth a search.
        """
        rows, error = np.full(analytic.shape, np.nan), np.full(analytic.shape, np.nan)
        verdict = np.full(analytic.shape, INCONCLUSIVE, np.int8)
        todo, nfev = np.arange(len(analytic)), 0
        for plan in self._plain:
            job = FixedJob(self._function, plan, x, args)
            rows[todo] = job.sweep_rows(x, args, job.at(x, args) if job.centred else NOTHING, _some(todo), job.place(x)[todo])
            nfev += plan.stencils[0].accuracy * todo.size + 1
            todo = todo[~self._agrees(rows[todo], analytic[todo])]
            if todo.size == 0:
                break
        error[:], verdict[:] = self._precision * np.abs(analytic), CORRECT
        return self._searched(x, args, analytic, Compared(rows, error, verdict, nfev), todo)

    def _agrees(self, rows: Array, analytic: Array) -> NDArray[np.bool_]:
        """Whether all entries of a column do."""
        return np.all(np.abs(rows - analytic) <= self._precision * np.abs(analytic), axis=1)

    def _searched(self, x: Array, args: tuple, analytic: Array, found: Compared, todo: NDArray[np.int64]) -> Compared:
        """Some columns by adaptive extrapolation; its error bars decide."""
        if todo.size == 0:
            return found
        job = SearchJob(self._function, self._search, x, args)
        better = job.columns(x, args, _some(todo), job.place(x)[todo])
        found.rows[todo], found.error[todo] = better.rows, better.error
        doubtful = np.broadcast_to((better.status > NOISY)[:, None], better.rows.shape)
        scale = np.abs(analytic[np.isfinite(analytic)]).max(initial=0.0)
        found.verdict[todo] = judge(analytic[todo], better.rows, better.error, doubtful, self._precision, scale)
        return found._replace(nfev=found.nfev + better.nfev)

    # --- a few directions in place of all columns ---

    def directions(self, x: Array, args: tuple, analytic: Array, leaves: list, count: int, seed: int) -> Compared:
        """Random directions; where one disagrees, its parts, down to the columns that are wrong.

        The weights of a direction are random, so errors of several columns do not cancel. Group testing: R. Dorfman, "The
        detection of defective members of large populations", Annals of Mathematical Statistics 14 (1943).
        """
        rng, n = np.random.default_rng(seed), len(analytic)
        nothing = np.full(analytic.shape, np.nan)
        found = Compared(nothing, nothing.copy(), np.full(analytic.shape, CORRECT, np.int8), 0)
        for _ in range(count):
            v = rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 1.5, n) * _reach(x)
            found = self._divided(x, args, analytic, found, [np.arange(n), *leaves], v, rng)
            if (found.verdict != CORRECT).any():
                break
        return found

    def _divided(
        self, x: Array, args: tuple, analytic: Array, found: Compared, groups: list, v: Array, rng: np.random.Generator
    ) -> Compared:
        """Groups that disagree, halved and halved again; the first is the whole, the others are its parts."""
        whole, *parts = groups
        verdict, calls = self._group(x, args, analytic, whole, v)
        found, seen = found._replace(nfev=found.nfev + calls), verdict == CORRECT
        front = [] if seen else parts if len(parts) > 1 else _halves(whole)
        while front:
            wrong, calls = self._wrong_among(x, args, analytic, found, front, v)
            found = found._replace(nfev=found.nfev + calls)
            large = [group for group in wrong if group.size > SMALL]
            small = [group for group in wrong if group.size <= SMALL]
            if len(large) > MOST_GROUPS:
                small += [_sample(group, found, rng) for group in large]
                large = []
            for group in small:
                found = self._searched(x, args, analytic, found, group)
            seen = seen or bool(small)
            front = [half for group in large for half in _halves(group)]
        if not seen and (found.verdict == CORRECT).all():  # wrong by less than its parts can show
            found.verdict[whole] = INCONCLUSIVE
        return found

    def _wrong_among(
        self, x: Array, args: tuple, analytic: Array, found: Compared, groups: list, v: Array
    ) -> tuple[list, int]:
        """Which groups are wrong; those that cannot be told are marked."""
        wrong, nfev = [], 0
        for group in groups:
            verdict, calls = self._group(x, args, analytic, group, v)
            nfev += calls
            if verdict == WRONG:
                wrong.append(group)
            elif verdict == INCONCLUSIVE:
                found.verdict[group] = INCONCLUSIVE
        return wrong, nfev

    def _group(self, x: Array, args: tuple, analytic: Array, group: NDArray[np.int64], v: Array) -> tuple[int, int]:
        """The verdict on some columns together, and the evaluations."""
        part = np.zeros_like(v)
        part[group] = v[group]
        job = SearchJob(self._function, self._search, x, args)
        found = job.columns(x, args, along(part), job.along(x, part))
        terms = part[group, None] * analytic[group]
        allowed = FAR * found.error[0] + SUM * self._precision * np.linalg.norm(terms, axis=0)
        rounding = 64 * job.roundoff * np.abs(terms).sum(axis=0)
        if not (np.abs(terms.sum(axis=0) - found.rows[0]) <= allowed + rounding).all():  # nan too
            return (INCONCLUSIVE if found.status[0] > NOISY or not np.isfinite(found.rows).all() else WRONG), found.nfev
        told = (FAR * found.error[0] <= TELLING * np.linalg.norm(terms, axis=0)) | ~terms.any(axis=0)
        return (CORRECT if told.all() and found.status[0] <= NOISY else INCONCLUSIVE), found.nfev


def _halves(group: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    half = group.size // 2
    return [part for part in (group[:half], group[half:]) if part.size]


def _sample(group: NDArray[np.int64], found: Compared, rng: np.random.Generator) -> NDArray[np.int64]:
    """Some columns of a group that is wrong in too many places; the others stay open."""
    found.verdict[group] = INCONCLUSIVE
    return np.sort(rng.choice(group, SAMPLED, replace=False))


def _reach(x: Array) -> Array:
    """How far coordinates may move: by their own size, the small ones as far as is usual."""
    size = np.abs(x.reshape(-1))
    usual = float(np.sqrt(np.mean(size**2))) or 1.0
    return np.maximum(size, 1e-3 * usual)
