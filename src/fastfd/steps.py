"""The step law: the h that balances truncation against rounding, made exactly representable, inside the bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.kernels.compiler import gate, helper
from fastfd.stencils import Stencil

__all__ = [
    "HASTY", "LONGEST", "NO_ROOM", "SHORTEST", "START", "TINY_ROOM", "base_step", "base_step_in_doubles", "bound_pair",
    "change_to_error", "checked_bounds", "even_step", "exact_along", "exact_step", "first_step", "heft", "hefts",
    "imaginary_step", "imaginary_steps", "node_row", "node_table", "place", "place_reach", "place_search", "place_steps",
    "relative_step", "stencil_table", "unit_roundoff", "widest",
]  # fmt: skip

#: The first step of an adaptive search over |x|; start and ratio matter little, the estimate and the control decide.
START = 0.12
#: With less than this relative accuracy wanted, an adaptive search may end after two steps.
HASTY = 1e-10
#: Where the bounds leave no room to move a coordinate.
NO_ROOM = -1.0
#: A coordinate that moves by fewer roundings than this stands still.
STILL = 8
#: Between these the largest entry of a direction has to be: a step along it has all its digits then, and does not overflow.
SHORTEST, LONGEST = 1e-280, 1e280
#: Less room than this is none: numbers there have too few digits to divide into steps.
TINY_ROOM = 1e-300
#: The complex step over |x|, and where x is next to nothing: its square must vanish against everything, itself never.
TINY, TINIEST = 2.0**-66, 2.0**-133


def unit_roundoff(dtype: np.dtype) -> float:
    return float(np.finfo(dtype).eps) / 2


def relative_step(stencil: Stencil, roundoff: float) -> float:
    """The h/L with the least C₁ hᵖ/Lᵖ + C₂ u (L/h)ᵈ, for a function of length scale L."""
    d, p = stencil.order, stencil.accuracy
    return float((d * stencil.rounding * 2 * roundoff / (p * stencil.truncation)) ** (1 / (d + p)))


def change_to_error(stencil: Stencil) -> float:
    """How much larger the truncation error may be than the change that half the step makes: twice the leading term of it, for
    there are others."""
    return 2.0 * 2.0**stencil.accuracy / (2.0**stencil.accuracy - 1)


def stencil_table(stencils: tuple[Stencil, ...]) -> NDArray[np.float64]:
    """One row a stencil: size, factor, reach down, reach up, then the offsets, then the whole-numbered weights."""
    width = max(s.nodes[0].size for s in stencils)
    table = np.zeros((len(stencils), 4 + 2 * width))
    for row, stencil in zip(table, stencils, strict=True):
        offsets, weights, factor = stencil.nodes
        row[:4] = offsets.size, factor, max(0.0, -offsets.min()), max(0.0, offsets.max())
        row[4 : 4 + offsets.size] = offsets
        row[4 + width : 4 + width + offsets.size] = weights
    return table


def node_table(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """A table, and after its rows one for each node of each of them (and as many for all): f there alone, with its weight."""
    width = widest(table)
    alone = np.zeros((len(table), width, table.shape[1]))
    alone[..., 0], alone[..., 1] = np.arange(width) < table[:, :1], table[:, 1:2]
    alone[..., 4], alone[..., 4 + width] = table[:, 4 : 4 + width], table[:, 4 + width :]
    return np.vstack([table, alone.reshape(-1, table.shape[1])])


@helper
def widest(table):
    """How many nodes a row of the table has room for."""
    return (table.shape[1] - 4) // 2


@helper
def node_row(table, s, k):
    """The row of :func:`node_table` for node k of stencil s."""
    width = widest(table)
    return table.shape[0] // (1 + width) + s * width + k


@helper
def heft(table, s):
    """The rounding of stencil s against that of the one that was asked for: one-sided stencils have larger weights."""
    width, own, asked = widest(table), 0.0, 0.0
    for k in range(4 + width, 4 + 2 * width):
        own += abs(table[s, k] * table[s, 1])
        asked += abs(table[0, k] * table[0, 1])
    return own / asked


def hefts(table: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """:func:`heft` of the stencil in each row of `steps`, as :func:`place` gives them."""
    return np.array([heft(table, s) for s in range(len(table))])[steps[:, 1].astype(int)]


@helper
def exact_step(x, h, roundoff):
    """The h next to the given one for which x + h has no rounding error, in the precision of f."""
    if roundoff > 1e-10:
        return np.float64(np.float32(x + h)) - x
    return (x + h) - x


@helper
def even_step(x, h, roundoff):
    """The same for x + h/2 as well, where error bars look: in double precision, and where there is one."""
    even = 2.0 * ((x + 0.5 * h) - x)
    return even if roundoff <= 1e-10 and even > 0.0 and (x + even) - x == even else exact_step(x, h, roundoff)


@helper
def exact_along(x, coords, speeds, h, first, roundoff):
    """h without rounding error in x + h, where one coordinate moves. Along a direction it is 0 once one of those that the
    first step moved stands still, or nearly: what f loses then would not show."""
    if coords.size == 1 and speeds[0] == 1.0:  # 0 stays 0, also where x is no number of single precision
        return exact_step(x[coords[0]], h, roundoff) if h > 0.0 else h
    for i in range(coords.size):
        least, speed = STILL * roundoff * abs(x[coords[i]]), abs(speeds[i])
        if speed * h < least <= speed * first:
            return 0.0
    return h


@helper
def base_step(x, relative, roundoff):
    return even_step(x, relative * max(1.0, abs(x)), roundoff)


@helper
def base_step_in_doubles(x, relative):
    """:func:`base_step` without the question of precision, which would keep a loop over points from vectorising, and without
    half steps, for no error bars are made of it."""
    h = relative * (abs(x) if abs(x) > 1.0 else 1.0)
    return (x + h) - x


@helper
def imaginary_step(x):
    return TINY * abs(x) if abs(x) >= SHORTEST else TINIEST


def imaginary_steps(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """:func:`imaginary_step` of every coordinate."""
    return np.where(np.abs(x) >= SHORTEST, TINY * np.abs(x), TINIEST)


@helper
def _fits(x, h, row, lower, upper):
    return x - row[2] * h >= lower and x + row[3] * h <= upper


@helper
def _largest(x, row, lower, upper):
    """The longest step of one stencil inside the bounds."""
    down = (x - lower) / row[2] if row[2] > 0 else np.inf
    up = (upper - x) / row[3] if row[3] > 0 else np.inf
    return min(down, up)


@helper
def _roomiest(x, table, lower, upper):
    best, length = 0, -1.0
    for s in range(table.shape[0]):
        if _largest(x, table[s], lower, upper) > length:
            best, length = s, _largest(x, table[s], lower, upper)
    return best


@helper
def _inside(x, h, row, lower, upper, roundoff):
    """Shorten a step until every node is inside the bounds after rounding too."""
    h = even_step(x, min(h, _largest(x, row, lower, upper)), roundoff)
    for _ in range(4):
        if _fits(x, h, row, lower, upper):
            break
        h = even_step(x, h * (1 - 2.0**-8), roundoff)
    return h if _fits(x, h, row, lower, upper) and h > 0 else NO_ROOM


@helper
def place(x, given, relative, roundoff, lower, upper, table, steps):
    """Give every coordinate a step and a stencil: rows (h, row of the table). -1, or where and what is wrong.

    The first row of the table is the stencil that was asked for; the others stand in for it where bounds leave it
    no room.
    """
    for i in range(x.size):
        if not np.isfinite(x[i]):
            return 2 * i
        h = even_step(x[i], given[i], roundoff) if given.size else base_step(x[i], relative, roundoff)
        s = 0
        if lower.size and not _fits(x[i], h, table[0], lower[i], upper[i]):
            while s < table.shape[0] - 1 and not _fits(x[i], h, table[s], lower[i], upper[i]):
                s += 1
            if not _fits(x[i], h, table[s], lower[i], upper[i]):
                s = _roomiest(x[i], table, lower[i], upper[i])
                h = _inside(x[i], h, table[s], lower[i], upper[i], roundoff)
        if h <= 0.0:
            return 2 * i + 1
        steps[i, 0], steps[i, 1] = h, s
    return -1


@gate
def place_steps(x, given, relative, roundoff, lower, upper, table, steps):
    """:func:`place`, called from Python."""
    return place(x, given, relative, roundoff, lower, upper, table, steps)


@helper
def first_step(x, order, rtol):
    """Where an adaptive search begins: it finds the scale of f, so this need only be sane.

    Rounding in a derivative of order d grows like 1/hᵈ, so higher orders begin further out. Where little is wanted a first
    derivative begins further in: the error of two levels falls like h⁴, and so they do if f has a scale of x/10.
    """
    hurry = min(1.0, 2.0 * rtol**0.25) if order == 1 and rtol > HASTY else 1.0
    return hurry * START * order * (max(abs(x), 10.0 ** (-3.0 / order)) if x != 0.0 else 1.0)


@helper
def place_search(x, given, order, rtol, lower, upper, reach):
    """Rows of `reach` for the adaptive kernel: the first step, the room below, the room above. -1 or what is wrong."""
    for i in range(x.size):
        if not np.isfinite(x[i]):
            return 2 * i
        h, down, up = given[i] if given.size else first_step(x[i], order, rtol), np.inf, np.inf
        if lower.size:
            down, up = x[i] - lower[i], upper[i] - x[i]
            if down <= 0.0 and up <= 0.0:
                return 2 * i + 1
            inner = min(down, up)
            h = min(h, inner if inner > 1e-3 * h else max(down, up))
        reach[i, 0], reach[i, 1], reach[i, 2] = h, down, up
    return -1


@gate
def place_reach(x, given, order, rtol, lower, upper, reach):
    """:func:`place_search`, called from Python."""
    return place_search(x, given, order, rtol, lower, upper, reach)


def checked_bounds(bounds: Any, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds as arrays of the size of `x` (empty arrays: none), `x` inside them.

    Raises
    ------
    ValueError
        Naming the first coordinate where `bounds` are no bounds, or where `x` is outside.
    """
    lower, upper = bound_pair(bounds)
    try:
        low, high = (np.array(np.broadcast_to(np.asarray(b, float), x.shape)).reshape(-1) for b in (lower, upper))
    except (TypeError, ValueError) as error:
        msg = f"bounds must be numbers or arrays of the shape of x, {x.shape}, got {bounds!r}"
        raise ValueError(msg) from error
    flat = x.reshape(-1)
    for wrong, why in ((~(low <= high), "lower > upper"), (flat < low, "x below lower"), (flat > high, "x above upper")):
        if wrong.any():
            i = int(np.argmax(wrong))
            msg = f"bounds do not hold at coordinate {i}: {why} (lower {low[i]!s}, x {flat[i]!s}, upper {high[i]!s})"
            raise ValueError(msg)
    return low, high


def bound_pair(bounds: Any) -> tuple[Any, Any]:
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):  # scipy.optimize.Bounds
        return bounds.lb, bounds.ub
    try:
        lower, upper = bounds
    except (TypeError, ValueError) as error:
        msg = f"bounds must be a pair (lower, upper) or a scipy.optimize.Bounds, got {bounds!r}"
        raise ValueError(msg) from error
    return (-np.inf if lower is None else lower), (np.inf if upper is None else upper)
