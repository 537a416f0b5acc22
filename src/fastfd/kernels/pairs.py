"""Second derivatives along pairs of directions: the entries of a Hessian, or of a Hessian times a vector.

A direction is a group of coordinates that move together (see ``sweep.py``). Extrapolation of the mixed differences
shares the points on the axes; each pair then costs two evaluations a level.
"""

from __future__ import annotations

import numpy as np

from fastfd.kernels.extrapolate import CALLS, ENTRY, KNOWN, argument_size, column, look
from fastfd.kernels.native import (
    FIRST,
    LAST,
    MIDDLE,
    MUTATED,
    NONFINITE,
    OK,
    ONLY,
    assign,
    borrow,
    carrier,
    evaluate,
    fill,
    helper,
    kernel,
)
from fastfd.kernels.sweep import failed, shift, unchanged
from fastfd.kernels.tableau import BAR, BEST, COMPANION, CONTROL, NOISE, PRIMARY, TOTAL, UNIT, VALUE, H, T, clear, extend

__all__ = ["LEVELS", "axes", "fixed_pairs", "mixed_pairs"]

#: Levels of mixed differences at the most, and the ratio of their steps.
LEVELS, RATIO = 5, 2.5
#: How near the second difference must be to the second derivative where the mixed differences begin, by what
#: factor that step is sought, and how often at the most.
CLOSE, WIDER, MOST_TRIES = 0.1, 3.0, 7
#: The first step of mixed differences, at the least, along a direction without a second derivative.
FLAT_STEP = 0.02
#: The relative rounding error of mixed differences that needs no longer steps.
FINE = 1e-12


@helper
def _coords(groups, speeds, g):
    """The coordinates of a direction and their speeds."""
    lo, hi = groups[g], groups[g + 1]
    return groups[lo:hi], speeds[lo - groups[0] : hi - groups[0]]


@helper
def _shift_more(point, coords, speeds, t):
    for i in range(coords.size):
        point[coords[i]] += t * speeds[i]


@helper
def _put_back(point, x, coords):
    for i in range(coords.size):
        point[coords[i]] = x[coords[i]]


@carrier
def _corner(f, x, point, scratch, groups, speeds, i, s, j, t, row, weight, factor, part):
    """f(x + s·vᵢ + t·vⱼ), gathered into `row`."""
    ci, vi = _coords(groups, speeds, i)
    cj, vj = _coords(groups, speeds, j)
    shift(point, x, ci, vi, s)
    _shift_more(point, cj, vj, t)
    status = evaluate(f, point, row, scratch, weight, factor, part)
    if status != OK and status != NONFINITE:
        return status  # with the point as it was: somebody will want to see it
    _put_back(point, x, ci)
    _put_back(point, x, cj)
    return status


# --- fixed stencils ---------------------------------------------------------------------------------------------------


@carrier
def _product(f, x, point, scratch, groups, speeds, i, j, steps, table, out):
    """Σ Σ wₐ w_b f(x + oₐhᵢvᵢ + o_b hⱼvⱼ) / (hᵢ hⱼ): the stencil of one direction applied to that of the other."""
    a, b = table[int(steps[i, 1])], table[int(steps[j, 1])]
    width, na, nb = (a.size - 4) // 2, int(a[0]), int(b[0])
    scale = a[1] * b[1] / (steps[i, 0] * steps[j, 0])
    status = OK
    for p in range(na):
        for q in range(nb):
            weight, last = a[4 + width + p] * b[4 + width + q], p == na - 1 and q == nb - 1
            s, t = a[4 + p] * steps[i, 0], b[4 + q] * steps[j, 0]
            part = LAST if last else FIRST if p + q == 0 else MIDDLE
            status = _corner(f, x, point, scratch, groups, speeds, i, s, j, t, out, weight, scale, part)
            if status != OK and status != NONFINITE:
                return status
    return status


@kernel
def fixed_pairs(f, x, y0, groups, speeds, steps, table, out, work, lo, hi):
    """Rows lo..hi below the diagonal of the matrix of mixed second derivatives, and their mirror images."""
    point, scratch = work[: x.size], work[x.size :]
    assign(point, x)
    code = OK
    for i in range(lo, hi):
        for j in range(i):
            status = _product(f, x, point, scratch, groups, speeds, i, j, steps, table, out[i, j])
            if status == NONFINITE:
                code = failed(status, i) if code == OK else code
            elif status != OK:
                return failed(status, i)
            assign(out[j, i], out[i, j])
    return code if unchanged(point, x) else failed(MUTATED, lo)


# --- extrapolation ----------------------------------------------------------------------------------------------------


@kernel
def axes(f, x, y0, groups, speeds, reach, rtol, roundoff, out, error, notes, axis, work, tab, steps, count, members, lo, hi):
    """The second derivative along each direction, and f at the points of the mixed differences that lie on it."""
    x, y0, out, error, notes, axis = borrow(x), borrow(y0), borrow(out), borrow(error), borrow(notes), borrow(axis)
    tab, steps, count, members = borrow(tab), borrow(steps), borrow(count), borrow(members)
    steps[CONTROL, UNIT], steps[CONTROL, KNOWN] = roundoff, 0.0
    point, scratch = work[: x.size], work[x.size :]
    assign(point, x)
    fill(members[1], 0)
    count[CALLS] = count[ENTRY] = 0
    for g in range(lo, hi):
        c, v = _coords(groups, speeds, g)
        status = column(
            f, x, point, scratch, y0, c, v, reach[g], rtol, 2, argument_size(x, c, v), tab, steps, count, members,
            scratch[:0], out[g], error[g], notes[g],
        )  # fmt: skip
        if status == OK:
            status = _fit_scale(f, x, point, scratch, c, v, y0, out[g], error[g], reach[g], notes[g], axis[g], roundoff)
        if status == OK:
            status = _axis(f, x, point, scratch, c, v, notes[g], axis[g])
        if status != OK:
            return failed(status, g)
    return OK if unchanged(point, x) else failed(MUTATED, lo)


@helper
def _within(up, down, y0, curvature, h, unit):
    """Whether the second differences at h are within a tenth of the second derivatives, or lost in rounding."""
    for e in range(y0.size):
        second = ((up[e] - y0[e]) + (down[e] - y0[e])) / (h * h)
        noise = 8 * unit * (abs(up[e]) + abs(down[e]) + 2 * abs(y0[e])) / (h * h)
        if not abs(second - curvature[e]) <= CLOSE * abs(curvature[e]) + noise:
            return False
    return True


@helper
def _flat(curvature, bar):
    """Whether no second derivative stands out of its error."""
    for e in range(curvature.size):
        if abs(curvature[e]) > 10 * bar[e]:
            return False
    return True


@helper
def _far_enough(curvature, y0, unit):
    """Where rounding no longer limits the shortest of the mixed differences: a quadratic has no scale of its own,
    and going further only leaves that of the other directions."""
    h = 0.0
    for e in range(y0.size):
        h = max(h, np.sqrt(abs(y0[e] / curvature[e]))) if curvature[e] != 0.0 else h
    return RATIO ** (LEVELS - 1) * np.sqrt(unit / FINE) * h


@carrier
def _fit_scale(f, x, point, scratch, c, v, y0, curvature, bar, reach, note, axis, unit):
    """The longest step of a direction at which the second difference is still close to the second derivative.

    One direction by itself may be known from steps far shorter or longer than that; mixed differences may not:
    noise, or truncation, would limit them.
    """
    if note[4] != 0.0 or not note[3] > 0.0:
        return OK
    if _flat(curvature, bar):  # nothing to go by but the size of x
        note[3] = min(max(reach[0], FLAT_STEP), reach[1], reach[2])
        return OK
    h, change, found = note[3], 1.0, False
    for _ in range(MOST_TRIES):
        note[1] += 2
        status = look(f, x, point, scratch, c, v, h, axis[0, 0])
        if status == OK:
            status = look(f, x, point, scratch, c, v, -h, axis[0, 1])
        if status != OK and status != NONFINITE:
            return status
        close = status == OK and _within(axis[0, 0], axis[0, 1], y0, curvature, h, unit)
        if close:
            note[3], found = h, True
        if (close and change < 1.0) or (found and not close):
            return OK
        change = WIDER if close else 1.0 / WIDER
        h *= change
        if h > min(reach[1], reach[2]) or (change > 1.0 and h > _far_enough(curvature, y0, unit)):
            return OK
    return OK


@carrier
def _axis(f, x, point, scratch, c, v, note, axis):
    """f on one axis at every level: forward in axis[:, 0], backward in axis[:, 1]; nan where it is not finite."""
    h, side = note[3], note[4]
    for k in range(LEVELS):
        for way in range(2):
            row, sign = axis[k, way], 1.0 - 2.0 * way
            fill(row, np.nan)
            if side == -sign or not h > 0.0:
                continue
            status = look(f, x, point, scratch, c, v, sign * h, row)
            note[1] += 1
            if status != OK and status != NONFINITE:
                return status
        h /= RATIO
    return OK


@helper
def _mixed_central(tab, k, a, corners, here, there, y, area, s, unit):
    """The even part of the mixed difference, its odd part as companion, and the rounding of both."""
    up, down = corners[0, a] - here[0, a] - there[0, a], corners[1, a] - here[1, a] - there[1, a]
    tab[PRIMARY, k, a] = (up + down + 2 * y) / (2 * area)
    tab[COMPANION, k, a] = (up - down) / (2 * area * s)
    size = abs(corners[0, a]) + abs(corners[1, a]) + abs(here[0, a]) + abs(here[1, a])
    tab[NOISE, k, a] = unit * (size + abs(there[0, a]) + abs(there[1, a]) + 2 * abs(y)) / (2 * area)


@helper
def _mixed_one_sided(tab, k, a, corner, here, there, y, area, unit):
    tab[PRIMARY, k, a] = tab[COMPANION, k, a] = (corner - here - there + y) / area
    tab[NOISE, k, a] = unit * (abs(corner) + abs(here) + abs(there) + abs(y)) / abs(area)


@carrier
def _mixed_level(f, x, point, scratch, y0, groups, speeds, i, j, notes, axis, level, k, tab, steps, corners):
    """One level of the mixed difference of a pair; NONFINITE where f has no value there."""
    s = RATIO**-level
    hi, hj, way_i, way_j = notes[i, 3] * s, notes[j, 3] * s, notes[i, 4], notes[j, 4]
    central = way_i == 0.0 and way_j == 0.0
    if not (hi > 0.0 and hj > 0.0):
        return NONFINITE
    a, b = 1.0 if way_i == 0.0 else way_i, 1.0 if way_j == 0.0 else way_j
    for sign in range(2 if central else 1):
        t = 1.0 - 2.0 * sign
        status = _corner(
            f, x, point, scratch, groups, speeds, i, a * t * hi, j, b * t * hj, corners[sign], 1.0, 1.0, ONLY
        )
        if status != OK:
            return status
    wi, wj, unit = int(a < 0.0), int(b < 0.0), steps[CONTROL, UNIT]
    steps[H, k], steps[T, k] = s, s * s if central else s
    for e in range(y0.size):
        if central:
            _mixed_central(tab, k, e, corners, axis[i, level], axis[j, level], y0[e], hi * hj, s, unit)
        else:
            _mixed_one_sided(tab, k, e, corners[0, e], axis[i, level, wi, e], axis[j, level, wj, e], y0[e], a * b * hi * hj, unit)
        if not np.isfinite(tab[PRIMARY, k, e]):
            return NONFINITE
    extend(tab, steps, k, y0.size, 0, 0 if central else 1, 0.0, 2.0)
    return OK


@helper
def _settled(tab, entries, rtol):
    for e in range(entries):
        if not tab[BEST, TOTAL, e] <= rtol * abs(tab[BEST, VALUE, e]):
            return False
    return True


@kernel
def mixed_pairs(f, x, y0, groups, speeds, notes, axis, rtol, roundoff, out, error, work, tab, steps, count, members, lo, hi):
    """Rows lo..hi below the diagonal of the matrix of mixed second derivatives, and their mirror images.

    `notes` come from :func:`axes`; the evaluations are added to them.
    """
    y0, axis, tab, steps = borrow(y0), borrow(axis), borrow(tab), borrow(steps)
    steps[CONTROL, UNIT] = roundoff
    point, scratch = work[: x.size], work[x.size :]
    assign(point, x)
    corners = np.empty((2, y0.size))
    for i in range(lo, hi):
        for j in range(i):
            clear(tab, y0.size)
            k = 0
            for level in range(LEVELS):
                if k > 2 and _settled(tab, y0.size, rtol):
                    break
                notes[i, 1] += 2 if notes[i, 4] == 0.0 and notes[j, 4] == 0.0 else 1
                status = _mixed_level(
                    f, x, point, scratch, y0, groups, speeds, i, j, notes, axis, level, k, tab, steps, corners
                )
                if status != OK and status != NONFINITE:
                    return failed(status, i)
                k += status == OK
            for e in range(y0.size):
                out[i, j, e], error[i, j, e] = tab[BEST, VALUE, e], tab[BEST, BAR, e]
                out[j, i, e], error[j, i, e] = out[i, j, e], error[i, j, e]
    return OK if unchanged(point, x) else failed(MUTATED, lo)
