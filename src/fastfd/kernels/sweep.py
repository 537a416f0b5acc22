"""Fixed stencils: move a group of coordinates by the nodes, evaluate, give the weighted sum to the row."""

from __future__ import annotations

import numpy as np

from fastfd.kernels.compiler import apart, gate, helper, inner, kernel
from fastfd.kernels.native import ASTRAY, CLOSE, FIRST, LAST, MIDDLE, MISPLACED, MUTATED, NONFINITE, OK, ONLY, OPEN, evaluate
from fastfd.kernels.views import assign, borrow, fill, nonfinite, stretch
from fastfd.steps import place, widest

__all__ = [
    "INNER", "add_nodes", "add_nodes_of", "at", "evaluate_at", "failed", "most_change", "most_change_of", "note_slope", "power",
    "restore", "shift", "sweep", "sweep_points", "unchanged", "weigh",
]  # fmt: skip

#: f is made of numbers as large as this share of Σ |sₖ ∂f/∂xₖ|, or half of it for second and higher derivatives, whose bars allow
#: for more roundings; sₖ is the size or the scale of xₖ. f(x) may be 0, where they cancel.
INNER = 0.5


@inner
def shift(point, x, coords, speeds, t, before=0.0):
    """Move the coordinates of a group from x + before·v to x + t·v, written over and later restored (never ``+= h; -= h``).
    Whether they were there: f may write to its argument, now or while others moved.

    A group is one coordinate of `x`; or several, and `x` holds just them, in their order: the whole point, where all move.
    """
    if coords.size == 1:  # what the loop wants beforehand would cost more than the move
        k = np.uintp(coords[0])
        intact = point[k] == x[k] + before * speeds[0]
        point[k] = x[k] + t * speeds[0]
        return intact
    return _shift_all(point, x, coords, speeds, t, before)


@helper
def _shift_all(point, x, coords, speeds, t, before):
    apart()
    intact = True
    for i in range(coords.size):
        k = np.uintp(coords[i])
        intact &= point[k] == x[i] + before * speeds[i]
        point[k] = x[i] + t * speeds[i]
    return intact


@inner
def restore(point, x, coords, speeds, t):
    """Put a group back, -0.0 too; whether it was still where :func:`shift` had put it."""
    if coords.size == 1:
        k = np.uintp(coords[0])
        intact = point[k] == x[k] + t * speeds[0]
        point[k] = x[k]
        return intact
    return _restore_all(point, x, coords, speeds, t)


@helper
def _restore_all(point, x, coords, speeds, t):
    apart()
    intact = True
    for i in range(coords.size):
        k = np.uintp(coords[i])
        intact &= point[k] == x[i] + t * speeds[i]
        point[k] = x[i]
    return intact


@helper
def unchanged(point, x):
    intact = True
    for i in range(x.size):  # to the end: it vectorises so
        intact &= point[i] == x[i]
    return intact


@helper
def failed(status, where):
    """One number for what went wrong and at which group; its counterpart is ``divmod(code, 8)``."""
    return status + 8 * where


@inner
def evaluate_at(f, x, point, scratch, y):
    """f(x) into `y`: every derivative starts here, and bad input ends here."""
    assign(point, x)
    status = evaluate(f, point, y, scratch, 1.0, 1.0, ONLY)
    if status == NONFINITE:
        return ASTRAY
    return status if status != OK or unchanged(point, x) else MUTATED


@kernel
def at(f, x, y, work):
    """:func:`evaluate_at` by itself."""
    return evaluate_at(f, x, work[: x.size], work[x.size :], y)


@inner
def weigh(f, point, x, y0, coords, speeds, h, row, scale, out, scratch):
    """Σ wᵢ f(x + oᵢhv) · scale into `out`; f(x) is taken from `y0` where that is at hand."""
    size, half = int(row[0]), 2 + row.size // 2
    offsets, weights = stretch(row, 4, half), stretch(row, half, row.size)
    if size == 2 and (offsets[0] * offsets[1] != 0.0 or y0.size == 0):
        return _weigh_two(f, point, x, coords, speeds, h, offsets, weights, scale, out, scratch)
    status, away = OK, 0.0
    for i in range(size):
        t, weight = offsets[i] * h, weights[i]
        part = ONLY if size == 1 else LAST if i == size - 1 else FIRST if i == 0 else MIDDLE
        if t == 0.0 and y0.size:
            status = _gather_centre(y0, out, weight, scale, part)
            continue
        if not shift(point, x, coords, speeds, t, away):
            return MUTATED
        status = evaluate(f, point, out, scratch, weight, scale, part)
        if status != OK and status != NONFINITE:
            return status
        away = t
    return status if away == 0.0 or restore(point, x, coords, speeds, away) else MUTATED


@inner
def _weigh_two(f, point, x, coords, speeds, h, offsets, weights, scale, out, scratch):
    """The same for two nodes, both of them evaluated: the second whatever came of the first, if that did not fail."""
    t, u = offsets[0] * h, offsets[1] * h
    if not shift(point, x, coords, speeds, t):
        return MUTATED
    status = evaluate(f, point, out, scratch, weights[0], scale, OPEN)
    if status != OK:
        return status
    intact = shift(point, x, coords, speeds, u, t)
    status = evaluate(f, point, out, scratch, weights[1], scale, CLOSE)
    if status != OK and status != NONFINITE:
        return status
    return status if restore(point, x, coords, speeds, u) and intact else MUTATED


@helper
def _gather_centre(y0, out, weight, factor, part):
    """f(x), which is known already, into the weighted sum."""
    apart()
    for k in range(out.size):
        total = weight * y0[k] if part in (FIRST, ONLY) else out[k] + weight * y0[k]
        out[k] = total * factor if part == LAST else total
    return NONFINITE if part == LAST and nonfinite(out) else OK


@helper
def power(number, n):
    """To a power from 0 on: what numba makes of ``**`` asks for more, and takes a twentieth of a second to compile."""
    product = 1.0
    for _ in range(n):
        product *= number
    return product


@helper
def _scale(row, h, order):
    """The factor of a stencil over hᵈ: one reciprocal a column instead of a division an entry."""
    return row[1] / power(h, order)


@inner
def _begin(f, x, given, relative, roundoff, lower, upper, table, y0, steps, point, scratch):
    """A step for every coordinate, and f(x) where a stencil wants it."""
    wrong = place(x, given, relative, roundoff, lower, upper, table, steps)
    if wrong >= 0:
        return failed(MISPLACED, wrong)
    return evaluate_at(f, x, point, scratch, y0) if y0.size else OK


@kernel
def sweep(f, x, given, relative, roundoff, lower, upper, table, order, groups, speeds, out, y0, steps, work, begin, lo, hi):
    """Rows lo..hi of the transposed Jacobian: one a group of coordinates.

    `groups` holds where each group begins (in itself) and then the coordinates; `speeds` goes with those. Steps
    are rows (h, row of the table), placed here where `begin` says so. A result that is not finite is kept and
    reported; other failures end the sweep. `work` begins with room for the point and ends with room for a result.
    """
    x, out, work, table, steps = borrow(x), borrow(out), borrow(work), borrow(table), borrow(steps)
    y0, groups, speeds = borrow(y0), borrow(groups), borrow(speeds)
    point, scratch = stretch(work, 0, x.size), stretch(work, work.size - out.shape[1], work.size)
    if begin:
        status = _begin(f, x, given, relative, roundoff, lower, upper, table, y0, steps, point, scratch)
        if status != OK:
            return status
    assign(point, x)
    code, first = OK, groups[0]
    for k in range(lo, hi):
        g = np.uintp(k)
        start, stop = groups[g], groups[g + np.uintp(1)]
        coords, v = stretch(groups, start, stop), stretch(speeds, start - first, stop - first)
        h, row = steps[g, 0], table[np.uintp(steps[g, 1])]
        status = weigh(f, point, x, y0, coords, v, h, row, _scale(row, h, order), out[g], scratch)
        if status == NONFINITE:
            code = failed(status, k) if code == OK else code
        elif status != OK:
            return failed(status, k)
    return code if unchanged(point, x) else failed(MUTATED, lo)


@kernel
def sweep_points(f, x, steps, table, order, out, work, lo, hi):
    """The same for a function of one number at many points, lo..hi of them."""
    x, out, work, table, steps = borrow(x), borrow(out), borrow(work), borrow(table), borrow(steps)
    coords, speeds, point, scratch = np.zeros(1, np.int64), np.ones(1), work[:1], work[1:]
    nothing = work[:0]
    code = OK
    for i in range(lo, hi):
        point[0], h, row = x[i], steps[i, 0], table[int(steps[i, 1])]
        scale = _scale(row, h, order)
        status = weigh(f, point, x[i : i + 1], nothing, coords, speeds, h, row, scale, out[i], scratch)
        if status == NONFINITE:
            code = failed(status, i) if code == OK else code
        elif status != OK:
            return failed(status, i)
    return code


# --- for error bars ---------------------------------------------------------------------------------------------------


@helper
def most_change(slopes, speeds, out):
    """Σ |vₖ ∂f/∂xₖ|: what moves by v, or rounding by as much of it, may change f by. What left its domain tells nothing."""
    fill(out, 0.0)
    for k in range(slopes.shape[0]):
        for e in range(out.size):
            change = abs(speeds[k] * slopes[k, e])
            out[e] += change if change < np.inf else 0.0


@gate
def most_change_of(slopes, speeds, out):
    """The same for Python."""
    most_change(slopes, speeds, out)


@helper
def note_slope(slope, slopes, e):
    if slopes[e] < slope < np.inf:  # where a node is outside the domain of f, the others tell
        slopes[e] = slope


@helper
def add_nodes(values, table, steps, order, y0, sums, slopes):
    """One node of every axis, or point, as sweeps have it from the rows of ``steps.node_table``: to the differences; and how
    steep f is up to there. `y0` has a row for all, or one for each."""
    for g in range(values.shape[0]):
        h, row, here = steps[g, 0], table[int(steps[g, 1])], y0[min(g, y0.shape[0] - 1)]
        t, weight, scale = row[4] * h, row[4 + widest(table)], _scale(row, h, order)
        for e in range(values.shape[1] if row[0] == 1.0 else 0):
            sums[g, e] += values[g, e] * scale
            if t != 0.0:
                note_slope(abs((values[g, e] / weight - here[e]) / t), slopes[g], e)


@gate
def add_nodes_of(values, table, steps, order, y0, sums, slopes):
    """The same for Python."""
    add_nodes(values, table, steps, order, y0, sums, slopes)
