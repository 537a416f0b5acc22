"""The noise in a computed function, from differences of equally spaced values (ECnoise)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastfd.columns import SearchJob
from fastfd.function import ALL, Function, wrap
from fastfd.kernels.sweep import sweep
from fastfd.plan import Plan, checked_flag
from fastfd.prepared import given
from fastfd.run import as_point, checked_direction
from fastfd.steps import START, exact_step

__all__ = ["NoiseInfo", "noise_level"]

Array = NDArray[np.float64]

#: Nine values give eight levels of differences; the authors advise seven to nine.
ORDER = 8
#: So many neighbouring levels must agree, within this factor.
AGREEING, FACTOR = 3, 4.0
#: Values that differ by more than this share of the largest are too far apart to tell noise from f.
SPREAD = 0.1
#: A level below this share of the spread of the values is noise all the same: they lie on a steep f, or near a zero.
FAINT = 0.01
#: Differences that are almost all this many times smaller than the largest one belong to a kink or a jump.
LONELY = 30.0
#: Second differences below this share of f leave no room for a curvature: values on a coarse grid may line up by chance.
STRAIGHT = 4 * 2.0**-53
#: How the step changes between tables: faster and faster, for the scale of f may be far away.
CHANGES = 1e2, 1e2, 1e4, 1e8, 1e16, 1e32, 1e64, 1e128
GOLDEN = (5**0.5 - 1) / 2
#: The nine points are centred at x or, at the edge of the domain, on one side of it.
PLACES = np.arange(ORDER + 1) - ORDER // 2, np.arange(ORDER + 1), -np.arange(ORDER + 1)

#: The verdict on an output.
FOUND, NONE, UNSETTLED, DOMAIN = range(4)
SENTENCES: dict[int, str] = {
    FOUND: "a noise level was found",
    NONE: "no noise: f is constant here, or its differences vanish exactly",
    UNSETTLED: "no noise level was found at any step; the number is an upper estimate",
    DOMAIN: "f is not finite at the points around x",
}
#: The verdict on one table: as above, or what to do about the step.
DOUBTFUL, TOO_STRAIGHT, TOO_SMALL, TOO_LARGE = range(4, 8)


@dataclass(frozen=True)
class NoiseInfo:
    """How a noise level was found, and how far it can be trusted.

    Attributes
    ----------
    relative : ndarray
        The noise over \\|f(x)\\|, in f's shape; infinite where f(x) = 0 is noisy.
    step : ndarray
        The distance of neighbouring points, in units of `direction`, that gave the level of each output of f.
    direction : ndarray
        Of x's shape: the points are x + k · step · direction. The largest entry of the default is 1: the step is in units of x.
    status : ndarray of int
        The verdict on each output: 0 found, 1 no noise, 2 not found (the level is an upper estimate), 3 left the domain.
    nfev : int
        Evaluations of f (the layout of the result takes one more).
    found : bool
        Whether every output has a level that was found (status 0).
    message : str
        One sentence for the worst output.

    Examples
    --------
    >>> import fastfd
    >>> _, info = fastfd.noise_level(lambda x: round(x**2, 6), 0.7, full_output=True)
    >>> info.found, info.message
    (True, 'a noise level was found')
    """

    relative: Array
    step: Array
    direction: Array
    status: NDArray[np.int64]
    nfev: int

    @property
    def found(self) -> bool:
        return bool(np.all(self.status == FOUND))

    @property
    def message(self) -> str:
        return SENTENCES[int(self.status.max(initial=FOUND))]

    def __repr__(self) -> str:
        worst = float(np.max(self.relative, initial=0.0))
        return f"NoiseInfo(found={self.found}, message={self.message!r}, nfev={self.nfev}, largest share={worst:.1e})"


# --- one table ------------------------------------------------------------------------------------------------------


class Table:
    """Differences of equally spaced values of f, (ORDER + 1, m), and what they say about the noise of each output."""

    def __init__(self, values: Array):
        self.finite: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(values))
        values = np.where(self.finite, values, 0.0)
        self._exponent = np.frexp(np.abs(values).max(axis=0))[1]  # keeps the squares inside the doubles
        self._values = np.ldexp(values, -self._exponent)

    @cached_property
    def _differences(self) -> list[Array]:
        return [np.diff(self._values, k, axis=0) for k in range(1, ORDER + 1)]

    @cached_property
    def _levels(self) -> Array:
        """σₖ = √(γₖ · mean(Tₖ²)), γₖ = (k!)²/(2k)!: the noise, if the k-th differences show nothing else."""
        gamma = [1 / comb(2 * k, k) for k in range(1, ORDER + 1)]
        return np.array([np.sqrt(g * (t * t).mean(axis=0)) for g, t in zip(gamma, self._differences)])

    @cached_property
    def agreed(self) -> NDArray[np.int64]:
        """The first level whose differences change sign and which agrees with the next ones; -1 where there is none."""
        windows = np.lib.stride_tricks.sliding_window_view(self._levels, AGREEING, axis=0)
        signs = [(t.min(axis=0) < 0) & (t.max(axis=0) > 0) for t in self._differences[: len(windows)]]
        agree = np.array(signs) & (windows.max(axis=2) <= FACTOR * windows.min(axis=2))
        return np.where(agree.any(axis=0), agree.argmax(axis=0), -1)

    @cached_property
    def verdicts(self) -> NDArray[np.int64]:
        """What this table says about each output."""
        flat = np.sum(self._differences[0] == 0, axis=0) > ORDER / 2
        straight = (self._levels[1] <= STRAIGHT * np.abs(self._values).max(axis=0)) | (self._levels[-AGREEING] == 0)
        agreed = np.where(self.agreed < 0, TOO_LARGE, np.where(self._doubtful, DOUBTFUL, FOUND))
        return np.where(self.finite, np.where(flat, TOO_SMALL, np.where(straight, TOO_STRAIGHT, agreed)), DOMAIN)

    @cached_property
    def _doubtful(self) -> NDArray[np.bool_]:
        """Where another step must confirm the level: the values spread widely, or a kink may have made it."""
        spread, size = np.ptp(self._values, axis=0), np.abs(self._values).max(axis=0)
        level = np.take_along_axis(self._levels, np.maximum(self.agreed, 0)[None], axis=0)[0]
        return (spread > SPREAD * size) & (level > FAINT * spread) | self._lonely

    @cached_property
    def _lonely(self) -> NDArray[np.bool_]:
        """Where all but a few differences of a level, up to those that agree, are next to nothing."""
        lonely = np.zeros(self.finite.size, bool)
        for k, t in enumerate(self._differences[: ORDER // 2]):
            lonely |= (k < self.agreed + AGREEING) & (np.abs(t).max(axis=0) > LONELY * np.median(np.abs(t), axis=0))
        return lonely

    def level(self, i: int, k: int) -> float:
        """The noise of an output by the differences of one level."""
        return float(np.ldexp(self._levels[k, i], self._exponent[i]))

    def least(self, i: int) -> float:
        """An upper estimate: the noise is part of every level."""
        return float(np.ldexp(self._levels[: 1 - AGREEING, i].min(), self._exponent[i]))


# --- the points, and the search for a step ---------------------------------------------------------------------------


class Line(SearchJob):
    """f on a line through x: tables for any step, each evaluated once for all outputs."""

    def __init__(self, function: Function, plan: Plan, x: Array, args: tuple, direction: Any):
        super().__init__(function, plan, x, args)
        self.kernel, self._workspace = sweep, lambda n, m: (np.empty(n + m),)
        self._x, self._args, self._limits = x, args, self.bounds(x)
        self._tables: dict[tuple[float, int], Table | None] = {}
        self._free = direction is None
        self.v = self._default(x) if direction is None else checked_direction(direction, x, "direction")
        if x.size and not self.v.any():
            msg = f"x cannot move: {'bounds leave no room' if direction is None else 'direction is zero'}"
            raise ValueError(msg)
        self.first, self.last = self._steps(x)
        self.centre, self.nfev = self.at(x, args), 1

    def _default(self, x: Array) -> Array:
        """Every coordinate by its size, times a number between 1/2 and 1 that differs from one to the next: along x
        itself whatever depends on ratios of coordinates would not change."""
        v = self.roomy(x) * (1 - 0.5 * (np.arange(x.size) * GOLDEN % 1))
        return v / (np.abs(v).max(initial=0.0) or 1.0)

    def _steps(self, x: Array) -> tuple[float, float]:
        """The first step and the longest."""
        h = float(self.along(x, self.v)[0, 0]) if x.size else 1.0
        if self.given.size:
            return h, CHANGES[2] * h
        moving = np.flatnonzero(self.v)
        with np.errstate(over="ignore"):
            unit = np.abs(self.roomy(x)[moving] / self.v[moving]).min(initial=h / START)
        return self.roundoff ** (1 / 3) * float(unit), 2 * h / ORDER

    def look(self, i: int, h: float) -> Table | None:
        """The first choice of points around which an output is finite."""
        for place in range(len(PLACES)):
            if (h, place) not in self._tables:
                self._tables[h, place] = self._table(h, PLACES[place])
            table = self._tables[h, place]
            if table is not None and table.finite[i]:
                return table
        return None

    def _table(self, h: float, nodes: NDArray[np.int64]) -> Table | None:
        """The table for a step, without rounding error in it; None where bounds leave no room."""
        flat = self._x.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):  # points beyond the doubles are beyond the domain of f
            step = _off_grid(h * self.v, flat) if self._free else h * self.v
            step = np.array([exact_step(a, b, self.roundoff) for a, b in zip(flat, step)])
            ends, (lower, upper) = flat + step * nodes[[0, -1], None], self._limits
        if lower.size and not ((ends >= lower) & (ends <= upper)).all():
            return None
        self.nfev += ORDER
        return Table(self._values(step, nodes))

    def _values(self, step: Array, nodes: NDArray[np.int64]) -> Array:
        """f(x + k · step) for all the nodes k: a sweep of as many stencils that are f itself; f(x) is known."""
        others, n = nodes[nodes != 0], step.size
        stencils = np.array([[1.0, 1.0, 0.0, 0.0, k, 1.0] for k in others])
        index = np.concatenate([np.arange(ORDER + 1) * n + ORDER + 1, np.tile(np.arange(n), ORDER)])
        moves, out = np.column_stack([np.ones(ORDER), np.arange(ORDER)]), np.empty((ORDER, self.m))
        law = self.given, 1.0, self.roundoff, *self.free, stencils, 0
        rest = (*law, index, np.tile(step, ORDER), out, np.empty(0), moves)
        self.run(self._x, self._args, rest, ORDER, self.plan.parallel, False)
        return np.insert(out, int(np.argmin(np.abs(nodes))), self.centre, axis=0)

    def fail(self, code: int, x: Array, args: tuple, work: Array, column: int) -> NoReturn:
        """The number is that of a node: no coordinate moves alone."""
        super().fail(code, x, args, work, ALL)


def _off_grid(step: Array, x: Array) -> Array:
    """Steps that are no multiples of the spacing of single precision at x, nor nearly so: an f that works in single
    precision would round all points alike, and its noise would not show."""
    grid = np.ldexp(1.0, np.maximum(np.frexp(x)[1] - 24, -1074))  # 0 would be no grid
    return np.where(np.abs(step) > grid, (np.floor(step / grid) + GOLDEN) * grid, step)


class Level(NamedTuple):
    """What is known of the noise of one output, the step that told it, and the verdict."""

    noise: float
    step: float
    status: int


class Search:
    """The step at which one output shows its noise: a hundredth of one too large, a hundredfold of one too small."""

    def __init__(self, line: Line, i: int):
        self._line, self._i = line, i
        self._small, self._large, self._factors = 0.0, np.inf, iter(CHANGES)
        self._doubtful: tuple[float, Table] | None = None
        self._straight: tuple[float, Table] | None = None
        self._estimate = Level(np.nan, line.first, DOMAIN)

    def level(self) -> Level:
        """The level of the first table that convinces, or the best that can be said without one."""
        h = self._line.first
        while h > 0:
            table, verdict = self._line.look(self._i, h), TOO_LARGE
            if table is not None:
                verdict = int(table.verdicts[self._i])
                found = self._found(h, table, verdict)
                if found is not None:
                    return found
                self._learn(h, table, verdict)
            h = self._next(h, verdict)
        return self._last_resort()

    def _last_resort(self) -> Level:
        """What waits for a confirmation that no step had room for: what shows up close only is not made by a kink."""
        doubtful, straight = self._doubtful, self._straight
        if doubtful is not None and (doubtful[0] < straight[0] if straight is not None else self._small > 0):
            return self._agreed(*doubtful)
        return self._estimate if straight is None else self._agreed(*straight)

    def _found(self, h: float, table: Table, verdict: int) -> Level | None:
        if self._doubtful is not None and verdict != TOO_SMALL and self._stays(self._doubtful[1], table):
            return self._agreed(*self._doubtful)
        if verdict == FOUND or (verdict == TOO_STRAIGHT and self._straight is not None):
            return self._agreed(h, table)
        return None

    def _agreed(self, h: float, table: Table) -> Level:
        k = int(table.agreed[self._i])
        return Level(table.level(self._i, k), h, FOUND) if k >= 0 else Level(0.0, h, NONE)

    def _stays(self, before: Table, table: Table) -> bool:
        """Whether a level that f itself may have made is still there at another step."""
        k = int(before.agreed[self._i])
        return before.level(self._i, k) / FACTOR < table.level(self._i, k) < before.level(self._i, k) * FACTOR

    def _learn(self, h: float, table: Table, verdict: int) -> None:
        """Keep what may be needed: an upper estimate, and the levels that wait for another table to confirm them."""
        if verdict == TOO_STRAIGHT:
            self._straight = h, table
        elif verdict != TOO_SMALL:
            self._doubtful = (h, table) if verdict == DOUBTFUL else None
        if verdict != TOO_SMALL or self._large == np.inf:
            least = table.least(self._i)
            self._estimate = Level(least, h, UNSETTLED if least > 0 else NONE)

    def _next(self, h: float, verdict: int) -> float:
        """The next step, between those known too small and too large; 0 where there is none."""
        if verdict in (TOO_SMALL, TOO_STRAIGHT):
            self._small = h
        else:
            self._large = h
        if self._large < np.inf and self._small > 0:
            return float(np.sqrt(self._small) * np.sqrt(self._large)) if self._large > 2 * self._small else 0.0
        factor = next(self._factors, np.inf) * (GOLDEN if verdict == TOO_STRAIGHT else 1)  # a multiple would line up again
        if self._small == 0:
            return h / factor
        if h < self._line.last:
            return min(factor * h, self._line.last)
        return GOLDEN * h if verdict == TOO_STRAIGHT else 0.0


# --- the operator ----------------------------------------------------------------------------------------------------


def noise_level(
    f: Callable,
    x: Any,
    args: tuple = (),
    *,
    direction: Any = None,
    step: Any = None,
    bounds: Any = None,
    parallel: bool | None = None,
    out_size: int | None = None,
    full_output: bool = False,
) -> Any:
    """The noise in the computed f at x: the standard deviation of what is in its last digits.

    Every computed function is a smooth one plus noise: rounding, an iteration that stops at a tolerance, a table
    that is looked up. How large it is decides how well f can be differentiated, and with which step.

    Parameters
    ----------
    f : callable
        As in :func:`fastfd.jacobian`: numbers of any shape.
    x : array_like
        The point, of any shape, real; it is never changed.
    args : tuple, optional
        Extra arguments of f.
    direction : array_like of x's shape, optional
        Which way the points lie: x + k · h · direction, nine of them. By default every coordinate moves by its size
        (one that is 0 as if it were 1) times a fixed number between 1/2 and 1 that differs from one to the next.
    step : float or array_like of x's shape, optional
        The distance of neighbouring points, in units of x, to begin with. By default the cube root of f's rounding
        unit, 4.8e-6, as a share of x: there the third differences of a function of the scale of x drown in rounding. Give the
        step of the differences to come where noise depends on the distance, as that of solvers does.
    bounds, parallel, out_size : optional
        As in :func:`fastfd.jacobian`.
    full_output : bool, optional
        Also return a :class:`NoiseInfo`.

    Returns
    -------
    noise : float or ndarray
        In the units and the shape of f. 0 where f shows none; nan where f is not finite around x.
    info : NoiseInfo
        Only with `full_output`: whether the level was found, the step, the evaluations, the noise relative to f(x).

    Raises
    ------
    TypeError, ValueError
        As in :func:`fastfd.jacobian`, and if `direction` has another shape than x, is not finite or is zero.
    Exception
        Whatever f raises.

    Notes
    -----
    ECnoise (Moré and Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33, 2011; the idea is R. W. Hamming's, 1971):
    k-th differences T of equally spaced values of a smooth function fall like hᵏ, and for noise of standard deviation σ
    the mean of T² is (2k)!/(k!)² · σ². The first level k whose differences change sign and which agrees with the two after it,
    within a factor of 4, tells σ, usually within that factor. If half of the values are equal the step is too small, and a
    hundredfold one is tried; if no levels agree it is too large, and a hundredth is tried. Where the values differ by more
    than a tenth of the largest, or all but a few differences vanish as they do beside a kink, a level counts if it stays with a
    hundredth of the step.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> import fastfd
    >>> @njit
    ... def single(x):
    ...     return np.float64(np.sin(np.float32(x)))
    >>> noise = fastfd.noise_level(single, 1.0)
    >>> 1e-8 < noise < 1e-7
    True
    >>> noise, info = fastfd.noise_level(np.sin, 1.0, full_output=True)
    >>> info.found, bool(info.relative < 1e-15), info.nfev
    (True, True, 9)
    """
    point, function, full = as_point(x), wrap(f, out_size), checked_flag(full_output, "full_output")
    plan = Plan.of(1, "adaptive", None, step, None, bounds, parallel)
    line = Line(function, plan, point, function.arguments(given(args)), direction)
    levels = [Search(line, i).level() for i in range(line.m)]
    noise, info = _assembled(line, *np.array(levels).reshape(line.m, 3).T)
    return (noise, info) if full else noise


def _assembled(line: Line, noise: Array, step: Array, status: Array) -> tuple[Any, NoiseInfo]:
    """Everything in f's shape; real and imaginary parts as one number."""
    shape = (*line.result_shape, 1 + line.sample.complex)
    level, size = (np.hypot.reduce(np.abs(a).reshape(shape), axis=-1) for a in (noise, line.centre))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(level == 0, 0.0, level / size)
    verdict = status.reshape(shape).max(axis=-1).astype(int)
    info = NoiseInfo(relative, step.reshape(shape).min(axis=-1), line.v.reshape(line.shape), verdict, line.nfev)
    return (level if level.ndim else float(level)), info
