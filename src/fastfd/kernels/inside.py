"""What the operators do around a kernel, for the user's own compiled code: steps, bounds, groups, errors, verdicts.

From Python this is the business of ``columns.py``, ``points.py`` and ``curvature.py``. Here each operator is one kernel more,
compiled once like the others. It is told the address of the kernel that does the work, cuts all that it needs from one
workspace, and checks what only shows when it runs. Its answer is that of a kernel, or one of the (negative) codes below.
"""

from __future__ import annotations

import numpy as np

from fastfd.kernels.compiler import helper, kernel
from fastfd.kernels.extrapolate import CONVERGED, DOMAIN, LEVELS, MEMORY, NOISY, ROUNDED, SCALELESS, SLOT, share_rounding
from fastfd.kernels.native import ASTRAY, MISPLACED, NONFINITE, OK, call
from fastfd.kernels.pairs import COUNT, NOISE_SHOWS, NOTES, RUNGS, STATUS, add_gradient
from fastfd.kernels.sweep import INNER, add_nodes, evaluate_at, failed, most_change
from fastfd.kernels.tableau import P, breadth
from fastfd.kernels.views import as_words, assign, carve, fill, flattened, stretch
from fastfd.steps import LONGEST, SHORTEST, TINY_ROOM, heft, node_row, place, place_search

__all__ = [
    "CALLS", "CROSSED", "MANY", "MISDIRECTED", "MISSHAPEN", "NOTED", "NO_CODE", "NO_WAY", "OUTSIDE", "STEP", "UNFIT_DIRECTION",
    "UNFIT_NOISE", "UNFIT_RTOL", "UNFIT_STEP", "VERDICT", "curvature_by_differences", "curvature_by_search", "differences",
    "differences_at_points", "room_for_curvature", "room_for_curvature_search", "room_for_differences", "room_for_search",
    "room_for_tables", "search", "search_points",
]  # fmt: skip

#: What is wrong with an argument: bounds that cross, x outside, rtol, noise, a step, a direction; no room along it; a direction,
#: steps or bounds of another shape; an f of more than one number where one is wanted, or without an address.
(CROSSED, OUTSIDE, UNFIT_RTOL, UNFIT_NOISE, UNFIT_STEP, UNFIT_DIRECTION, NO_WAY, MISDIRECTED, MISSHAPEN, MANY,
 NO_CODE) = range(-11, 0)  # fmt: skip
#: What is noted of a column, as the adaptive kernel does.
STEP, CALLS, VERDICT, NOTED = 0, 1, 2, 5
#: A move along v and a move of one coordinate add up; of all the room, what x - h may lose in rounding; from the median of
#: samples of noise to twice its standard deviation. As in ``curvature.py``.
HALF, ALMOST, LOUD = 0.49, 1 - 2.0**-30, 3.0


# --- what is checked --------------------------------------------------------------------------------------------------


@helper
def _unfit(x, given, lower, upper, rtol, noise):
    """The first thing that is wrong with the arguments, or OK."""
    if not 0.0 < rtol < 1.0:
        return UNFIT_RTOL
    if not 0.0 <= noise < np.inf:
        return UNFIT_NOISE
    for i in range(given.size):
        if not 0.0 < given[i] < np.inf:
            return UNFIT_STEP
    for i in range(lower.size):
        if not lower[i] <= upper[i]:
            return CROSSED
        if x[i] < lower[i] or x[i] > upper[i]:
            return OUTSIDE
    return OK


@helper
def _all_finite(values):
    for i in range(values.size):
        if not np.isfinite(values[i]):
            return False
    return True


@helper
def _largest(values):
    """The largest magnitude; nan where there is one, as NumPy has it."""
    largest = 0.0
    for i in range(values.size):
        if not abs(values[i]) <= largest:
            largest = abs(values[i])
            if np.isnan(largest):
                break
    return largest


@helper
def _passable(v):
    """Whether steps along v have all their digits, where there are any; no for nan."""
    longest = _largest(v)
    return longest == 0.0 or SHORTEST <= longest <= LONGEST


# --- groups -----------------------------------------------------------------------------------------------------------


@helper
def _one_by_one(index, speeds, n):
    """Every coordinate by itself, as ``plan.one_by_one``."""
    for i in range(n):
        index[i], index[n + 1 + i], speeds[i] = n + 1 + i, i, 1.0
    index[n] = 2 * n + 1


@helper
def _along(index, speeds, v):
    """All together along v, as ``plan.along``."""
    index[0], index[1] = 2, 2 + v.size
    for i in range(v.size):
        index[2 + i], speeds[i] = i, v[i]


@helper
def _shortest(own, v):
    """How far along v until a coordinate has gone its own step."""
    h = np.inf
    for i in range(v.size):
        if v[i] != 0.0:
            h = min(h, own[i, 0] / abs(v[i]))
    return h


@helper
def _room_along(x, v, lower, upper, share, ends):
    """How far x + tv may go, a hair inside the bounds: bounds on t."""
    down = up = np.inf
    for i in range(v.size):
        if v[i] != 0.0 and lower.size:
            behind, ahead = x[i] - lower[i], upper[i] - x[i]
            if v[i] < 0.0:
                behind, ahead = ahead, behind
            down, up = min(down, behind / abs(v[i])), min(up, ahead / abs(v[i]))
    down, up = down * share * (1 - 2.0**-50), up * share * (1 - 2.0**-50)
    ends[0], ends[1] = -(down if down > TINY_ROOM else 0.0), up if up > TINY_ROOM else 0.0


@helper
def _motionless(v):
    for i in range(v.size):
        if v[i] != 0.0:
            return False
    return True


@helper
def _nothing(out, error, notes):
    """Nothing to differentiate, or a direction that does not move."""
    fill(flattened(out), 0.0)
    fill(flattened(error), 0.0)
    fill(flattened(notes), 0.0)
    return OK


# --- adaptive ---------------------------------------------------------------------------------------------------------


def room_for_search(n, m, groups, order):
    """The size of the workspace of :func:`search`."""
    return 2 * groups + 2 + 8 * n + 3 * groups + m + room_for_tables(order, m) + 4


def room_for_tables(order, m):
    """The size of :func:`_tables`."""
    return ((P + 3 * (order + 1)) * LEVELS + 2) * breadth(m) + 4 * LEVELS + SLOT


@helper
def _tables(space, order, m):
    """What a search keeps of a column, as :func:`fastfd.kernels.extrapolate.workspace` has it."""
    sheets, width = P + 3 * (order + 1), breadth(m)
    tab, k = carve(space, 0, (sheets, LEVELS, width)), sheets * LEVELS * width
    steps, k = carve(space, k, (3, LEVELS)), k + 3 * LEVELS
    count, k = as_words(carve(space, k, (SLOT + LEVELS,))), k + SLOT + LEVELS
    return tab, steps, count, as_words(carve(space, k, (2, width)))


@helper
def _reach_along(x, v, given, order, rtol, lower, upper, share, space, reach):
    """Where a search along v begins, and the room it has; OK or what is wrong."""
    own, at, free = carve(space, 0, (x.size, 3)), carve(space, 3 * x.size, (4,)), stretch(space, 0, 0)
    wrong = place_search(x, given, order, rtol, free, free, own)
    if wrong >= 0:
        return failed(MISPLACED, wrong)
    at[0], at[1] = 0.0, _shortest(own, v)
    ends = stretch(at, 2, 4)
    _room_along(x, v, lower, upper, share, ends)
    low, high = (stretch(ends, 0, 1), stretch(ends, 1, 2)) if lower.size else (free, free)
    wrong = place_search(stretch(at, 0, 1), stretch(at, 1, 2), order, rtol, low, high, reach)
    return NO_WAY if wrong >= 0 else OK


@kernel
def search(f, x, address, v, given, lower, upper, rtol, roundoff, noise, order, out, error, notes, work, space):
    """The rows of a transposed Jacobian, or its product with v where there is one, by the adaptive kernel at an address."""
    n, m, groups = x.size, out.shape[1], out.shape[0]
    status = _unfit(x, given, lower, upper, rtol, noise)
    if status != OK or out.size == 0:
        return _nothing(out, error, notes) if status == OK else status
    index, k = as_words(carve(space, 0, (groups + 1 + n,))), groups + 1 + n
    speeds, reach, y0 = carve(space, k, (n,)), carve(space, k + n, (groups, 3)), carve(space, k + n + 3 * groups, (m,))
    k += n + 3 * groups + m
    memory, begin = carve(space, k, (0, MEMORY)), v.size == 0
    if begin:
        _one_by_one(index, speeds, n)
    else:
        if not _passable(v):
            return UNFIT_DIRECTION
        if _motionless(v):
            return _nothing(out, error, notes)
        _along(index, speeds, v)
        status = _reach_along(x, v, given, order, rtol, lower, upper, 1.0, stretch(space, k, space.size), reach)
        if status == OK:
            status = evaluate_at(f, x, stretch(work, 0, n), stretch(work, n, n + m), y0)
        if status != OK:
            return status
    tab, steps, count, members = _tables(stretch(space, k, space.size), order, m)
    code = call(address, f, x, (
        given, lower, upper, rtol, roundoff, noise, order, index, speeds, out, error, notes, y0, reach, memory, work, tab,
        steps, count, members, begin, 0, groups,
    ))  # fmt: skip
    if code == OK and begin and error.shape[0] > 1:
        share_rounding(x, notes, roundoff, out, error, y0)
    return code


@kernel
def search_points(f, x, address, given, lower, upper, rtol, roundoff, noise, order, out, error, notes, work, space):
    """Derivatives of a function of one number at many points, by the adaptive kernel at an address."""
    n, m = x.size, out.shape[1]
    status = _unfit(x, given, lower, upper, rtol, noise)
    if status != OK or out.size == 0:
        return status
    reach, k = carve(space, 0, (n, 3)), 3 * n
    wrong = place_search(x, given, order, rtol, lower, upper, reach)
    if wrong >= 0:
        return failed(MISPLACED, wrong)
    tab, steps, count, members = _tables(stretch(space, k, space.size), order, m)
    code = call(address, f, x, (
        reach, rtol, roundoff, noise, order, out, error, notes, work, tab, steps, count, members, 0, n,
    ))  # fmt: skip
    for i in range(n):
        notes[i, CALLS] = max(notes[i, CALLS], 1.0)
    return code


# --- fixed stencils ---------------------------------------------------------------------------------------------------


def room_for_differences(n, m, groups, order):
    """The size of the workspace of :func:`differences`."""
    return 2 * groups + 2 + 8 * n + 4 * groups + 2 * m + 5


@helper
def _steps_along(x, v, given, relative, roundoff, lower, upper, table, share, space, steps):
    """A step and a stencil along v: no coordinate goes further than its own step and room; OK or what is wrong."""
    own, at, free = carve(space, 0, (x.size, 2)), carve(space, 2 * x.size, (4,)), stretch(space, 0, 0)
    wrong = place(x, given, relative, roundoff, free, free, table, own)
    if wrong >= 0:
        return failed(MISPLACED, wrong)
    at[0], at[1] = 0.0, _shortest(own, v)
    ends = stretch(at, 2, 4)
    _room_along(x, v, lower, upper, share, ends)
    low, high = (stretch(ends, 0, 1), stretch(ends, 1, 2)) if lower.size else (free, free)
    wrong = place(stretch(at, 0, 1), stretch(at, 1, 2), 1.0, 0.0, low, high, table, steps)
    return NO_WAY if wrong >= 0 else OK


@helper
def _halve(steps, factor):
    for g in range(steps.shape[0]):
        steps[g, 0] *= factor


@helper
def _looks(row, centred):
    """How often f is called for a row of the table; f(x) may be at hand."""
    count = int(row[0])
    for i in range(int(row[0])):
        count -= centred and row[4 + i] == 0.0
    return count


@helper
def _judge(rows, finer, size, h, order, gain, weight):
    """The error bars of a column, in place of its values at half the step: the truncation error and the rounding of both
    steps; and the verdict. (``weight``: the rounding of f in the column, over ``size``/hᵈ.)"""
    power, lost, finite = 1.0, False, True
    for _ in range(order):
        power *= h
    scale = weight / power
    for k in range(rows.size):
        rounding = scale * (size[k] + abs(rows[k]) * power)
        finer[k] = error = gain * abs(rows[k] - finer[k]) + rounding
        lost |= error > 0.1 * abs(rows[k]) and error > 10 * rounding
        finite &= np.isfinite(rows[k])
    if not finite:
        return DOMAIN
    fair = _largest(finer) > 1e-6 * _largest(rows)
    return SCALELESS if lost else ROUNDED if fair else CONVERGED


@helper
def _about(x, v, room):
    """x, or how large it is against the speed it moves with along v."""
    if v.size == 0:
        return x
    room[0] = _largest(x) / _largest(v)
    return room


@helper
def _inner_size(x, y0, steps, relative, slopes, order, scales, size):
    """How large the numbers are whose rounding is in f(x), as ``columns.FixedJob``."""
    for i in range(scales.size):
        scales[i] = max(abs(x[i]), steps[i, 0] / relative)
    most_change(slopes, scales, size)
    for e in range(size.size):
        size[e] = max(abs(y0[e]), INNER / order * size[e])


@kernel
def differences(f, x, address, v, given, relative, roundoff, lower, upper, table, order, centred, gain, weight, out, error,
                notes, work, space):  # fmt: skip
    """The rows of a transposed Jacobian, or its product with v where there is one, by the sweep at an address.

    Where error bars are wanted it sweeps again, at half the steps.
    """
    n, m, groups = x.size, out.shape[1], out.shape[0]
    full, begin = error.shape[0] > 0, v.size == 0 and error.shape[0] == 0
    status = _unfit(x, given, lower, upper, 0.5, 0.0)
    if status != OK or out.size == 0:
        return _nothing(out, error, notes) if status == OK else status
    index, k = as_words(carve(space, 0, (groups + 1 + n,))), groups + 1 + n
    speeds, steps, y0 = carve(space, k, (n,)), carve(space, k + n, (groups, 2)), carve(space, k + n + 2 * groups, (m,))
    rest, free = stretch(space, k + n + 2 * groups + m, space.size), stretch(space, 0, 0)
    if v.size == 0:
        _one_by_one(index, speeds, n)
        wrong = -1 if begin else place(x, given, relative, roundoff, lower, upper, table, steps)
        status = failed(MISPLACED, wrong) if wrong >= 0 else OK
    else:
        if not _passable(v):
            return UNFIT_DIRECTION
        if _motionless(v):
            return _nothing(out, error, notes)
        _along(index, speeds, v)
        status = _steps_along(x, v, given, relative, roundoff, lower, upper, table, 1.0, rest, steps)
    point, scratch = stretch(work, 0, n), stretch(work, work.size - m, work.size)
    if status == OK and not begin:
        status = evaluate_at(f, x, point, scratch, y0)
    if status != OK:
        return status
    centre = y0 if centred else free
    low, high = (lower, upper) if begin else (free, free)
    law = given, relative, roundoff, low, high, table, order, index, speeds
    code = call(address, f, x, (*law, out, centre, steps, work, begin, 0, groups))
    if full and (code == OK or code % 8 == NONFINITE):
        _halve(steps, 0.5)
        code = call(address, f, x, (*law, error, centre, steps, work, False, 0, groups))
        _halve(steps, 2.0)
        scales, size = stretch(rest, 0, groups), stretch(rest, groups, groups + m)
        about = _about(x, v, stretch(rest, groups + m, groups + m + 1))
        _inner_size(about, y0, steps, relative, out, 1, scales, size)
        for g in range(groups):
            row = table[int(steps[g, 1])]
            notes[g, STEP], notes[g, CALLS] = steps[g, 0], 2 * _looks(row, centred)
            own = weight * heft(table, int(steps[g, 1]))
            notes[g, VERDICT] = _judge(out[g], error[g], size, steps[g, 0], order, gain, own)
    if code > 0 and code % 8 == NONFINITE:
        status = evaluate_at(f, x, point, scratch, y0)
        return ASTRAY if status == ASTRAY else OK
    return code


@kernel
def differences_at_points(f, x, address, given, relative, roundoff, lower, upper, table, nodes, identity, order, gain, weight,
                          out, error, notes, work, space):  # fmt: skip
    """Derivatives of a function of one number at many points, by the sweep at an address. `nodes` is the table with its nodes."""
    n, m, full = x.size, out.shape[1], error.shape[0] > 0
    status = _unfit(x, given, lower, upper, 0.5, 0.0)
    if status != OK or out.size == 0:
        return status
    steps, y0 = carve(space, 0, (n, 2)), carve(space, 2 * n, (n, m))
    wrong = place(x, given, relative, roundoff, lower, upper, table, steps)
    if wrong >= 0:
        return failed(MISPLACED, wrong)
    code = call(address, f, x, (steps, table, order, out, work, 0, n))
    if full and (code == OK or code % 8 == NONFINITE):
        code = _bars_at_points(
            f, x, address, relative, table, nodes, identity, order, gain, weight, steps, y0, out, error, notes, work,
            stretch(space, n * (2 + m), space.size),
        )  # fmt: skip
    return OK if code % 8 == NONFINITE else code


@helper
def _bars_at_points(f, x, address, relative, table, nodes, identity, order, gain, weight, steps, y0, out, error, notes, work,
                    space):  # fmt: skip
    """The error bars of that, from half the steps: as they are for first derivatives, else node by node, which shows slopes."""
    n, m = out.shape
    looks, slopes, values = carve(space, 0, (n, 2)), carve(space, 2 * n, (n, m)), carve(space, 2 * n + n * m, (n, m))
    for i in range(n):
        looks[i, 0], looks[i, 1] = 1.0, 0.0
        notes[i, STEP], notes[i, CALLS] = steps[i, 0], 2 * _looks(table[int(steps[i, 1])], False)
    code = call(address, f, x, (looks, identity, 0, y0, work, 0, n))
    if order == 1 and (code == OK or code % 8 == NONFINITE):
        _halve(steps, 0.5)
        code = call(address, f, x, (steps, table, order, error, work, 0, n))
        _halve(steps, 2.0)
    fill(flattened(slopes), 0.0)
    if order > 1:
        fill(flattened(error), 0.0)
    for k in range(_most_nodes(nodes, steps) if order > 1 else 0):
        for i in range(n):
            looks[i, 0], looks[i, 1] = 0.5 * steps[i, 0], node_row(nodes, int(steps[i, 1]), k)
        if code == OK or code % 8 == NONFINITE:
            code = call(address, f, x, (looks, nodes, order, values, work, 0, n))
        add_nodes(values, nodes, looks, order, y0, error, slopes)
    for i in range(n):
        h, own = steps[i, 0], weight * heft(table, int(steps[i, 1]))
        scale = INNER / min(order, 2) * max(abs(x[i]), h / relative)
        for e in range(m):
            slope = abs(out[i, e]) if order == 1 else slopes[i, e]
            y0[i, e] = max(abs(y0[i, e]), scale * slope) + (h * slope if order > 1 else 0.0)
        notes[i, VERDICT] = _judge(out[i], error[i], y0[i], h, order, gain, own)
    return code


# --- second derivatives -----------------------------------------------------------------------------------------------


@helper
def _one_by_one_and(index, speeds, v, n):
    """Every coordinate by itself, then all along v where there is one, as ``plan.one_by_one_and``."""
    if v.size == 0:
        _one_by_one(index, speeds, n)
        return
    for i in range(n + 1):
        index[i] = n + 2 + i
    index[n + 1] = 3 * n + 2
    for i in range(n):
        index[n + 2 + i] = index[2 * n + 2 + i] = i
        speeds[i], speeds[n + i] = 1.0, v[i]


@helper
def _share_of_room(x, lower, upper, share, low, high):
    """Bounds on a share of the room."""
    for i in range(lower.size):
        low[i], high[i] = x[i] - share * (x[i] - lower[i]), x[i] + share * (upper[i] - x[i])


@helper
def _median(values, count):
    """Of the first numbers, which it sorts."""
    for i in range(1, count):
        k, value = i, values[i]
        while k > 0 and values[k - 1] > value:
            values[k] = values[k - 1]
            k -= 1
        values[k] = value
    half = count // 2
    return values[half] if count % 2 else (values[half - 1] + values[half]) / 2


@helper
def _noise_seen(samples, y0, roundoff, space, noise):
    """The noise of f beyond its rounding, from the axes' guesses, where it is more than is known; whether there is any."""
    found = False
    for e in range(y0.size):
        count = 0
        for g in range(samples.shape[0]):
            if np.isfinite(samples[g, e]):
                space[count] = samples[g, e]
                count += 1
        level = LOUD * _median(space, count) if count else 0.0
        if level > max(2 * roundoff * abs(y0[e]), noise[e]):
            noise[e], found = level, True
    return found


@helper
def _judge_rows(value, error, axis_notes, poor, notes):
    """The verdict on each row of a Hessian, or each entry of its product, as ``curvature.SearchPairs``."""
    flat, width = flattened(value), value.shape[1] * value.shape[2]
    bars, largest = flattened(error), _largest(flat)
    for i in range(notes.shape[0]):
        row, bar = stretch(flat, i * width, (i + 1) * width), _largest(stretch(bars, i * width, (i + 1) * width))
        axis = int(axis_notes[i, STATUS])
        axis = poor if axis == SCALELESS else axis
        lost = poor if bar > 1e-3 * largest else ROUNDED if bar > 1e-8 * largest else CONVERGED
        if axis != DOMAIN and not bar > 1e-3 * largest:
            axis = min(axis, ROUNDED)
        notes[i, STEP], notes[i, CALLS] = axis_notes[i, 0], 0.0
        notes[i, VERDICT] = max(axis, lost) if _all_finite(row) else DOMAIN


def room_for_curvature_search(n, m, directed):
    """The size of the workspace of :func:`curvature_by_search`."""
    size = n + directed
    along = size * (4 * m + NOTES + RUNGS * (1 + 2 * m) + 3)
    return room_for_tables(2, m) + along + 2 * size * size * m + 2 * n + 2 * size + 12 * n + 2 * m + 16


@kernel
def curvature_by_search(f, x, along, across, v, given, lower, upper, rtol, roundoff, known, out, error, notes, work, space):
    """A Hessian, or its product with v, by the adaptive kernels for axes and for pairs at two addresses."""
    n, m, directed = x.size, out.shape[1], int(v.size > 0)
    size = n + directed
    status = _unfit(x, given, lower, upper, rtol, known)
    if status == OK and not _passable(v):
        status = UNFIT_DIRECTION
    if status != OK:
        return status
    if n == 0 or (directed and _motionless(v)):
        return _nothing(out, error, notes)
    index, k = as_words(carve(space, 0, (size + 1 + n + directed * n,))), size + 1 + n + directed * n
    speeds, k = carve(space, k, (n + directed * n,)), k + n + directed * n
    _one_by_one_and(index, speeds, v, n)
    low, high, k = carve(space, k, (lower.size,)), carve(space, k + lower.size, (lower.size,)), k + 2 * lower.size
    _share_of_room(x, lower, upper, HALF if directed else ALMOST, low, high)
    reach, y0, noise = carve(space, k, (size, 3)), carve(space, k + 3 * size, (m,)), carve(space, k + 3 * size + m, (m,))
    k += 3 * size + 2 * m
    wrong = place_search(x, given, 2, rtol, low, high, carve(space, k - 3 * size - 2 * m, (n, 3)))
    if wrong >= 0:
        return failed(MISPLACED, wrong)
    status = OK
    if directed:
        last = carve(space, k - 3 - 2 * m, (1, 3))
        status = _reach_along(x, v, given, 2, rtol, lower, upper, HALF, stretch(space, k, space.size), last)
    if status == OK:
        status = evaluate_at(f, x, stretch(work, 0, n), stretch(work, n, n + m), y0)
    if status != OK:
        return status
    fill(noise, known)
    own, bar, k = carve(space, k, (size, m)), carve(space, k + size * m, (size, m)), k + 2 * size * m
    samples, k = carve(space, k, (size, m)), k + size * m
    facts, ladders, k = carve(space, k, (size, NOTES)), carve(space, k + size * NOTES, (size, RUNGS)), k + size * (NOTES + RUNGS)
    axis, k = carve(space, k, (size, RUNGS, 2, m)), k + size * RUNGS * 2 * m
    return _curvature(
        f, x, along, across, directed, rtol, roundoff, index, speeds, reach, y0, noise, own, bar, samples, facts, ladders, axis,
        out, error, notes, work, stretch(space, k, space.size),
    )  # fmt: skip


@helper
def _curvature(f, x, along, across, directed, rtol, roundoff, index, speeds, reach, y0, noise, own, bar, samples, facts,
               ladders, axis, out, error, notes, work, space):  # fmt: skip
    """Along the axes, once more where f has noise, then the pairs."""
    n, m, size = x.size, y0.size, own.shape[0]
    tab, steps, count, members = _tables(space, 2, m)
    k = room_for_tables(2, m)
    front = y0, index, speeds, reach, rtol, roundoff, noise
    room = work, tab, steps, count, members
    code = call(along, f, x, (*front, False, own, bar, facts, ladders, axis, samples, *room, 0, size))
    if code == OK and _noise_seen(samples, y0, roundoff, stretch(space, k, space.size), noise):
        code = call(along, f, x, (*front, True, own, bar, facts, ladders, axis, samples, *room, 0, size))
    if code != OK:
        return code
    value, bars = carve(space, k, (size, size, m)), carve(space, k + size * size * m, (size, size, m))
    if not directed:
        value = carve(flattened(out), 0, (n, n, m))
        bars = carve(flattened(error), 0, (n, n, m)) if error.shape[0] else bars
    start = n if directed else 0
    code = call(across, f, x, (*front, facts, ladders, axis, value, bars, *room, start, size))
    for i in range(0 if directed else n):
        assign(value[i, i], own[i])
        assign(bars[i, i], bar[i])
    if directed:
        assign(flattened(out), carve(flattened(value), n * size * m, (n * m,)))
        if error.shape[0]:
            assign(flattened(error), carve(flattened(bars), n * size * m, (n * m,)))
    shape = (n, 1, m) if directed else (n, n, m)
    first = n * size * m if directed else 0
    poor = SCALELESS
    for e in range(m):
        poor = NOISY if noise[e] > NOISE_SHOWS * roundoff * abs(y0[e]) else poor
    _judge_rows(carve(flattened(value), first, shape), carve(flattened(bars), first, shape), facts, poor, notes)
    for g in range(size):
        notes[0, CALLS] += facts[g, COUNT]
    return code


def room_for_curvature(n, m, directed):
    """The size of the workspace of :func:`curvature_by_differences`."""
    size = n + directed
    return size * size * m + 3 * size * m + 7 * size + 12 * n + 4 * m + 16


@kernel
def curvature_by_differences(f, x, along, across, v, given, relative, roundoff, lower, upper, table, nodes, mixed, centred, gain,
                             weight, out, error, notes, work, space):  # fmt: skip
    """A Hessian, or its product with v, by the sweep and by pairs of fixed stencils at two addresses.

    `nodes` and `mixed` are tables with their nodes (see ``steps.node_table``): that of `table`, and that of the first-derivative
    stencils that go with it.
    """
    n, m, directed = x.size, out.shape[1], int(v.size > 0)
    size, free = n + directed, stretch(space, 0, 0)
    status = _unfit(x, given, lower, upper, 0.5, 0.0)
    if status == OK and not _passable(v):
        status = UNFIT_DIRECTION
    if status != OK:
        return status
    if n == 0 or (directed and _motionless(v)):
        return _nothing(out, error, notes)
    index, k = as_words(carve(space, 0, (size + 1 + n + directed * n,))), size + 1 + n + directed * n
    speeds, k = carve(space, k, (n + directed * n,)), k + n + directed * n
    _one_by_one_and(index, speeds, v, n)
    low, high, k = carve(space, k, (lower.size,)), carve(space, k + lower.size, (lower.size,)), k + 2 * lower.size
    _share_of_room(x, lower, upper, HALF if directed else 1.0, low, high)
    if not directed:
        assign(low, lower)
        assign(high, upper)
    steps, y0, k = carve(space, k, (size, 2)), carve(space, k + 2 * size, (m,)), k + 2 * size + m
    wrong = place(x, given, relative, roundoff, low, high, table, carve(space, k - 2 * size - m, (n, 2)))
    if wrong >= 0:
        return failed(MISPLACED, wrong)
    rest = stretch(space, k, space.size)
    if directed:
        last = carve(space, k - 2 - m, (1, 2))
        status = _steps_along(x, v, given, relative, roundoff, lower, upper, table, HALF, rest, last)
    if status == OK:
        status = evaluate_at(f, x, stretch(work, 0, n), stretch(work, n, n + m), y0)
    if status != OK:
        return status
    law = given, relative, roundoff, free, free
    if directed:
        return _stencil_product(f, x, across, v, relative, index, speeds, mixed, gain, weight, y0, steps, out, error, notes, work,
                                rest)  # fmt: skip
    return _stencil_matrix(f, x, along, across, law, index, speeds, table, nodes, mixed, centred, gain, weight, y0, steps, out,
                           error, notes, work, rest)  # fmt: skip


@helper
def _stencil_matrix(f, x, along, across, law, index, speeds, table, nodes, mixed, centred, gain, weight, y0, steps, out, error,
                    notes, work, space):  # fmt: skip
    """The matrix, and its error bars where they are wanted: from half the steps, node by node along the axes."""
    n, m, point = x.size, y0.size, stretch(work, 0, x.size + y0.size)
    own, slopes, values = carve(space, 0, (n, m)), carve(space, n * m, (n, m)), carve(space, 2 * n * m, (n, m))
    looks, size, change = carve(space, 3 * n * m, (n, 2)), carve(space, 3 * n * m + 2 * n, (m,)), stretch(space, 0, 0)
    scales, centre = carve(space, 3 * n * m + 2 * n + m, (n,)), y0 if centred else stretch(space, 0, 0)
    code = call(along, f, x, (*law, table, 2, index, speeds, own, centre, steps, work, False, 0, n))
    code = _stencil_pairs(f, x, across, code, index, speeds, mixed, y0, steps, own, out, point)
    if error.shape[0] == 0 or code != OK:
        return code
    fill(flattened(own), 0.0)
    fill(flattened(slopes), 0.0)
    for k in range(_most_nodes(nodes, steps)):
        for g in range(n):
            looks[g, 0], looks[g, 1] = 0.5 * steps[g, 0], node_row(nodes, int(steps[g, 1]), k)
        if code == OK or code % 8 == NONFINITE:
            code = call(along, f, x, (*law, nodes, 2, index, speeds, values, y0, looks, work, False, 0, n))
        add_nodes(values, nodes, looks, 2, carve(y0, 0, (1, m)), own, slopes)
    _halve(steps, 0.5)
    code = _stencil_pairs(f, x, across, code, index, speeds, mixed, y0, steps, own, error, point)
    _halve(steps, 2.0)
    _inner_size(x, y0, steps, law[1], slopes, 2, scales, size)
    _judge_pairs(flattened(out), flattened(error), size, change, slopes, steps, mixed, gain, weight, notes)
    for i in range(n):
        notes[0, CALLS] += 2 * _looks(table[int(steps[i, 1])], centred)
        for j in range(i):
            notes[0, CALLS] += 2 * mixed[int(steps[i, 1]), 0] * mixed[int(steps[j, 1]), 0]
    return code


@helper
def _most_nodes(table, steps):
    """Of the stencils that are in use."""
    most = 0
    for g in range(steps.shape[0]):
        most = max(most, int(table[int(steps[g, 1]), 0]))
    return most


@helper
def _stencil_pairs(f, x, across, code, index, speeds, mixed, y0, steps, own, out, point):
    """The matrix at some steps, of which its diagonal is known, unless something is wrong with that."""
    n, m = own.shape
    value = carve(flattened(out), 0, (n, n, m))
    if code == OK or code % 8 == NONFINITE:
        code = call(across, f, x, (y0, index, speeds, steps, mixed, value, point, 0, n))
    for i in range(n):
        assign(value[i, i], own[i])
    return OK if code % 8 == NONFINITE else code


@helper
def _stencil_product(f, x, across, v, relative, index, speeds, mixed, gain, weight, y0, steps, out, error, notes, work,
                     space):  # fmt: skip
    """The row of v in the matrix, and its error bars where they are wanted: from half the steps, node by node along v."""
    n, m, point = x.size, y0.size, stretch(work, 0, x.size + y0.size)
    value, k = carve(space, 0, (n + 1, n + 1, m)), (n + 1) * (n + 1) * m
    row, stencil = carve(flattened(value), n * (n + 1) * m, (n, m)), int(steps[n, 1])
    slopes, size, change = carve(space, k, (n, m)), carve(space, k + n * m, (m,)), carve(space, k + n * m + m, (m,))
    scales, k = carve(space, k + n * m + 2 * m, (n,)), k + n * m + 2 * m + n
    code = call(across, f, x, (y0, index, speeds, steps, mixed, value, point, n, n + 1))
    assign(flattened(out), flattened(row))
    if error.shape[0] == 0 or not (code == OK or code % 8 == NONFINITE):
        return OK if code % 8 == NONFINITE else code
    fill(flattened(error), 0.0)
    fill(flattened(slopes), 0.0)
    _halve(steps, 0.5)
    for k in range(int(mixed[stencil, 0])):
        node = node_row(mixed, stencil, k)
        steps[n, 1] = node
        if code == OK or code % 8 == NONFINITE:
            code = call(across, f, x, (y0, index, speeds, steps, mixed, value, point, n, n + 1))
        add_gradient(row, mixed[node], steps[n, 0], error, slopes)
    steps[n, 1] = stencil
    _halve(steps, 2.0)
    _inner_size(x, y0, steps, relative, slopes, 2, scales, size)
    most_change(slopes, v, change)
    for e in range(m):
        change[e] *= steps[n, 0]
    _judge_pairs(flattened(out), flattened(error), size, change, slopes, steps, mixed, gain, weight, notes)
    for j in range(n):
        notes[0, CALLS] += 2 * mixed[stencil, 0] * mixed[int(steps[j, 1]), 0]
    return OK if code % 8 == NONFINITE else code


@helper
def _judge_pairs(value, finer, size, change, slopes, steps, mixed, gain, weight, notes):
    """Error bars in place of the values at half the steps, and verdicts, as ``curvature.FixedPairs``. `change` is how much f
    changes along v, where that is what all coordinates are paired with."""
    n, m, directed = notes.shape[0], size.size, change.size > 0
    width = 1 if directed else n
    for i in range(n):
        finite = True
        for j in range(width):
            other = n if directed else j
            area = steps[i, 0] * steps[other, 0]
            own = weight * (heft(mixed, int(steps[i, 1])) * heft(mixed, int(steps[other, 1])))
            for e in range(m):
                k = (i * width + j) * m + e
                finite &= np.isfinite(value[k])
                beside = change[e] if directed else steps[j, 0] * slopes[j, e]
                around = size[e] + (steps[i, 0] * slopes[i, e] + beside)
                finer[k] = gain * abs(value[k] - finer[k]) + own * (around / area + abs(value[k]))
        notes[i, STEP], notes[i, CALLS], notes[i, VERDICT] = steps[i, 0], 0.0, CONVERGED if finite else DOMAIN
