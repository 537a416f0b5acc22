"""Second derivatives along pairs of directions: the entries of a Hessian, or of a Hessian times a vector.

A direction is a group of coordinates that move together (see ``sweep.py``); each has a ladder of steps of its own, all
of one ratio, so that a pair moves in proportion, and shares f on the axes with the others: a level costs it two
evaluations. What the levels mean stands in ``ladder.py``.
"""

from __future__ import annotations

import numpy as np

from fastfd.kernels.compiler import carrier, gate, helper, kernel, winding_kernel
from fastfd.kernels.extrapolate import (
    CONVERGED,
    KNOWN,
    NOISY,
    ROUNDED,
    SCALELESS,
    argument_size,
    column,
    look,
    nothing_known,
)
from fastfd.kernels.ladder import (
    BOTTOM,
    RATE,
    RATIO,
    ROUNDING,
    TOP,
    TRUNCATION,
    VALUE,
    bar,
    best_block,
    excess,
    first_rate,
    forecast,
    second_rate,
    total,
)
from fastfd.kernels.native import FIRST, LAST, MIDDLE, MUTATED, NONFINITE, OK, ONLY, evaluate
from fastfd.kernels.sweep import failed, note_slope, shift, unchanged
from fastfd.kernels.tableau import BAR, BEST, COMPANION, CONTROL, NOISE, PRIMARY, TOTAL, UNIT, H, T, clear, extend
from fastfd.kernels.tableau import VALUE as CHOSEN
from fastfd.kernels.views import assign, borrow, fill
from fastfd.steps import START, exact_along

__all__ = [
    "COUNT", "NOISE_SHOWS", "NOTES", "RUNGS", "STATUS", "add_gradient", "add_gradient_of", "axes", "fixed_listed", "fixed_pairs",
    "mixed_listed", "mixed_pairs",
]  # fmt: skip

#: Rungs of a ladder, and the one of its first step.
RUNGS, ORIGIN = 52, 20
#: What is noted of an axis. As by ``column``: the shortest step that counts, the evaluations, the verdict, the first step of
#: the ladder, the side (0: both). Then the first rung that pairs use; the size of the second derivative; over that rung, how
#: it bends (c₁/c₀) and how the next coefficients fall (c₂/c₁); whether ``column`` had to help; how small rounding is to be.
STEP, COUNT, STATUS, FIRST_STEP, SIDE, WINDOW, SIZE, BEND, PRIOR, HELPED, FINEST, NOTES = range(12)
#: The same of one output while an axis is searched, with c₁ itself, and whether c₂ shows through the noise.
FACT_SIZE, FACT_BEND, FACT_PRIOR, FACT_SLOPE, FACT_SEEN, FACTS = range(6)
EVEN, EVEN_NOISE, ODD, ODD_NOISE = range(4)
#: Rungs that all pairs share; those that an axis looks at, the levels that a pair looks at beyond the shared ones, and
#: one-sided levels, at the most.
SHARED, MOST_RUNGS, MOST_EXTRA, ONE_SIDED = 3, 13, 5, 5
MOST_LEVELS, STOP = 24, 99
#: The scale of f is known: where the error is this share of the second derivative.
ROUGHLY = 1e-2
#: One more level must promise to take the error down to this share; a level is a miss if it does not take it down to
#: that. After a miss one goes on only where less than six digits are known.
PAYS, MISS, POOR = 0.2, 0.35, 1e-6
#: An entry that is known to this share of its size is worth no levels beyond the shared ones.
ENOUGH = 1e-10
#: Rungs upwards in one move, on an axis and by a pair.
LONGEST_JUMP, PAIR_JUMP = 3, 2
#: How often the rungs that pairs share may be moved for what was seen there.
MOST_AIMS = 8
#: Rungs upwards to where c₂ may show; twice as many where it does not.
PROBE = 3
#: Two moves add up, so that c₃ of a pair is this many times c₁(c₂/c₁)² of its axes. Rounding
#: needs not be less than FINE, and where there are many axes than MANY/n²: so many entries share what an axis costs.
MIX, FINE, MANY = 40.0, 1e-14, 1e-12
#: How near E on the longest shared rung must be to what the levels below predict, against the second derivative.
NEAR = 0.1
#: By how much c₁/c₀ of the even and of the odd part are believed to differ. By accident c₂/c₁ may seem less than the
#: usual share of c₁/c₀; where it is far less, f is a polynomial there; where it seems far more, it is noise.
SPREAD, USUAL, POLYNOMIAL, UNUSUAL = 3.0, 0.5, 0.01, 1e3
#: Where E·t falls less than to this share over 39 times shorter t, it is noise.
FLUTTER = 0.4
#: Noise this many times the rounding of f is called by its name.
NOISE_SHOWS = 1e3
#: By how much the error bar exceeds the estimate.
CAUTION = 2.0


@helper
def _coords(groups, speeds, g):
    """The coordinates of a direction and their speeds."""
    lo, hi = groups[g], groups[g + 1]
    return groups[lo:hi], speeds[lo - groups[0] : hi - groups[0]]


@helper
def _is_at(point, x, coords):
    """Whether they are still where :func:`_put_back` had left them."""
    intact = True
    for i in range(coords.size):
        intact &= point[coords[i]] == x[coords[i]]
    return intact


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
    if not (_is_at(point, x, cj) and shift(point, x, ci, vi, s)):
        return MUTATED
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


@kernel
def fixed_listed(f, x, groups, speeds, steps, table, starts, partners, out, work, lo, hi):
    """The same for some pairs: those of direction i with ``partners[starts[i]:starts[i + 1]]``, a row of `out` each."""
    point, scratch = work[: x.size], work[x.size :]
    assign(point, x)
    code = OK
    for i in range(lo, hi):
        for k in range(starts[i], starts[i + 1]):
            status = _product(f, x, point, scratch, groups, speeds, i, partners[k], steps, table, out[k])
            if status == NONFINITE:
                code = failed(status, i) if code == OK else code
            elif status != OK:
                return failed(status, i)
    return code if unchanged(point, x) else failed(MUTATED, lo)


# --- fixed stencils: how steep f is, for their error bars -------------------------------------------------------------


@helper
def add_gradient(values, row, h, sums, slopes):
    """One node along a direction, as ``fixed_pairs`` has it: the gradient there, with its weight, to the product with the
    Hessian; and how steep f is."""
    weight = row[4 + row.size // 2 - 2] * row[1] / h
    for j in range(values.shape[0]):
        for e in range(values.shape[1]):
            sums[j, e] += values[j, e]
            note_slope(abs(values[j, e] / weight), slopes[j], e)


@gate
def add_gradient_of(values, row, h, sums, slopes):
    """The same for Python."""
    add_gradient(values, row, h, sums, slopes)


# --- one axis ---------------------------------------------------------------------------------------------------------


@helper
def _step(x, coords, speeds, first, rung, unit):
    """The step of a rung."""
    return exact_along(x, coords, speeds, first * RATIO ** (ORIGIN - rung), first, unit)


@helper
def _step_of(x, groups, speeds, g, first, rung, unit):
    coords, v = _coords(groups, speeds, g)
    return _step(x, coords, v, first, rung, unit)


@carrier
def _stand(f, x, point, scratch, coords, speeds, rung, reach, unit, ladder, axis, note):
    """f on both sides of a rung, unless it is known there."""
    if ladder[rung] > 0.0:
        return OK
    h = _step(x, coords, speeds, note[FIRST_STEP], rung, unit)
    if not 0.0 < h <= min(reach[1], reach[2]):
        return NONFINITE
    for way in range(2):
        note[COUNT] += 1
        status = look(f, x, point, scratch, coords, speeds, h - 2 * way * h, axis[rung, way])
        if status != OK:
            return status
    ladder[rung] = h
    return OK


@helper
def _read(ladder, axis, y0, noise, unit, x_size, desk):
    """The even and the odd part of f on all the rungs that are known, and their noise: the rounding of f, that of its
    argument inside f, and what f is known to have beyond them. How many rungs these are."""
    rungs, t, parts = desk[0], desk[1], desk[2]
    k = 0
    for rung in range(RUNGS):
        if not ladder[rung] > 0.0:
            continue
        h = ladder[rung]
        rungs[k], t[k] = rung, h * h
        for e in range(y0.size):
            up, down, mid = axis[rung, 0, e], axis[rung, 1, e], y0[e]
            rounding = unit * (abs(up) + abs(down) + x_size * abs(up - down) / h)
            parts[EVEN, e, k], parts[ODD, e, k] = ((up - mid) + (down - mid)) / (h * h), (up - down) / (2 * h)
            parts[EVEN_NOISE, e, k] = (rounding + 2 * unit * abs(mid) + 4 * noise[e]) / (h * h)
            parts[ODD_NOISE, e, k] = (rounding + 2 * noise[e]) / (2 * h)
        k += 1
    return k


@helper
def _survey(e, levels, desk):
    """The second derivative of output e, and what the even and the odd part tell of the scale of f along the axis.

    Either may be near a zero and seem to bend fast, so the slower one is believed; and it gives the second derivative a
    size where that is near a zero.
    """
    t, even, odd, work, found, aside, facts = desk[1], desk[2][EVEN, e], desk[2][ODD, e], desk[3], desk[4][e], desk[5], desk[6][e]
    even_noise, odd_noise = desk[2][EVEN_NOISE, e], desk[2][ODD_NOISE, e]
    best_block(t, even, even_noise, levels, 0.0, 0.0, 0.0, work, found)
    best_block(t, odd, odd_noise, levels, 0.0, 0.0, 0.0, work, aside)
    top = aside[TOP] = found[TOP]
    aside[BOTTOM] = found[BOTTOM]
    bends = first_rate(t, even, even_noise, found), first_rate(t, odd, odd_noise, aside)
    bend = min(max(bends), SPREAD * min(bends))
    prior, facts[FACT_SEEN] = second_rate(t, even, even_noise, levels)
    facts[FACT_SIZE], facts[FACT_BEND] = abs(found[VALUE]), bend
    if bend < np.inf and total(aside) < np.inf:
        facts[FACT_SIZE] = max(abs(found[VALUE]), 2 * abs(aside[VALUE]) * np.sqrt(bend))
    facts[FACT_PRIOR] = min(max(prior, USUAL * bend) if prior > POLYNOMIAL * bend else prior, UNUSUAL * bend)
    facts[FACT_SLOPE] = (even[int(top)] - found[VALUE]) / t[int(top)]


@helper
def _survey_all(ladder, axis, y0, noise, unit, x_size, desk):
    """:func:`_survey` of all outputs: the number of levels, and the output with the largest second derivative, which leads."""
    levels, lead, facts = _read(ladder, axis, y0, noise, unit, x_size, desk), 0, desk[6]
    for e in range(y0.size):
        _survey(e, levels, desk)
        lead = e if facts[e, FACT_SIZE] > facts[lead, FACT_SIZE] else lead
    return levels, lead


@helper
def _height(axis, y0, e, rung, noise, unit):
    """How large the numbers are whose rounding shows."""
    return max(abs(y0[e]), abs(axis[rung, 0, e]), abs(axis[rung, 1, e])) + noise[e] / unit


@helper
def _first_shared(facts, height, unit, fine, first, top, probe):
    """The rung where pairs begin: on the last that they share the truncation of three levels is as large as the rounding.

    While noise hides c₂ at the longest step so far, it only bounds that truncation, and a far longer step will tell.
    """
    h, size = first / RATIO ** (SHARED - 1), facts[FACT_SIZE]
    if size > 0.0:
        rounding, third = 4 * unit * height / size, MIX * facts[FACT_BEND] * facts[FACT_PRIOR] ** 2 * RATIO**6
        longest = np.sqrt(rounding / fine)
        h = min(longest, (rounding / third) ** 0.125) if third > 0.0 else longest
        if facts[FACT_SEEN] == 0.0:
            h = min(longest, max(h, top * RATIO ** (probe - SHARED + 1)))
    below = np.log(first / h) / np.log(RATIO) if h > 0.0 else 0.0
    return min(max(ORIGIN + int(np.ceil(below - 1e-9)) - (SHARED - 1), 0), RUNGS - SHARED)


@helper
def _fits(ladder, axis, y0, e, rung, found, facts):
    """Whether E on a rung is what the levels below predict: f has no other scale there."""
    t = ladder[rung] ** 2
    even, slope = ((axis[rung, 0, e] - y0[e]) + (axis[rung, 1, e] - y0[e])) / t, facts[FACT_SLOPE] * t
    size = facts[FACT_SIZE]
    if facts[FACT_PRIOR] < 0.1 * facts[FACT_BEND]:
        size = max(size, abs(slope))
    return abs(even - found[VALUE] - slope) <= NEAR * size + found[ROUNDING]


@carrier
def _aim(f, x, point, scratch, coords, speeds, reach, unit, y0, noise, e, placed, probe, ladder, axis, note, desk):
    """f on the first of the rungs that the pairs share: where it should be as far as is known, and f has no other scale."""
    found, facts, before = desk[4][e], desk[6][e], int(note[WINDOW])
    height = _height(axis, y0, e, desk[0][int(found[BOTTOM])], noise, unit)
    top, status = ladder[desk[0][0]], NONFINITE
    rung = _first_shared(facts, height, unit, note[FINEST], note[FIRST_STEP], top, probe)
    if placed and -1 <= rung - before <= 0 and ladder[before] > 0.0 and _fits(ladder, axis, y0, e, before, found, facts):
        return OK
    while rung < RUNGS - SHARED:
        status = _stand(f, x, point, scratch, coords, speeds, rung, reach, unit, ladder, axis, note)
        if (status != OK and status != NONFINITE) or (status == OK and _fits(ladder, axis, y0, e, rung, found, facts)):
            break
        rung += 1
    note[WINDOW] = rung
    return status


@carrier
def _place(f, x, point, scratch, coords, speeds, reach, unit, y0, noise, placed, ladder, axis, note, desk):
    """f on the rungs that the pairs share. What is seen there of the scale of f may say that they should be longer still."""
    x_size, probe = argument_size(x, coords, speeds), PROBE
    for _ in range(MOST_AIMS):
        e, before = _survey_all(ladder, axis, y0, noise, unit, x_size, desk)[1], note[WINDOW]
        status = _aim(f, x, point, scratch, coords, speeds, reach, unit, y0, noise, e, placed, probe, ladder, axis, note, desk)
        longer = not placed or note[WINDOW] < before
        placed, probe = True, 2 * probe
        for below in range(1, SHARED):
            if status == OK and (desk[6][e, FACT_SEEN] != 0.0 or not longer):
                rung = int(note[WINDOW]) + below
                status = _stand(f, x, point, scratch, coords, speeds, rung, reach, unit, ladder, axis, note)
        if status != OK or not longer:
            break
    return status


@helper
def _fall(x_size, first, falls, last):
    """Where no block of levels makes sense: down, faster each time; first to x as the scale of f, if that is further."""
    own = ORIGIN + int(np.ceil(np.log(first / (2 * START * x_size)) / np.log(RATIO))) if x_size > 0.0 else 0
    return own if falls == 1 and own > last else last + falls


@helper
def _next_rung(e, levels, rtol, desk):
    """The rung that promises most, or -1."""
    rungs, t, noise, found, facts = desk[0], desk[1], desk[2][EVEN_NOISE, e], desk[4][e], desk[6][e]
    error, below, top = total(found), rungs[levels - 1] + 1, rungs[int(found[TOP])]
    finer = 2 * found[TRUNCATION] > found[ROUNDING] and noise[levels - 1] < error
    if finer and int(found[BOTTOM]) < levels - 1:
        return below
    needed = np.log(found[ROUNDING] / (rtol * abs(found[VALUE]))) / (2 * np.log(RATIO)) if found[VALUE] != 0.0 else LONGEST_JUMP
    most = min(max(int(needed), 1), LONGEST_JUMP)
    promise, jump = forecast(t, levels, found, facts[FACT_SIZE], facts[FACT_BEND], most)
    if promise <= PAYS * error or (jump > 0 and not finer and error > POOR * facts[FACT_SIZE]):
        return below if jump == 0 else top - jump
    return below if finer and error > POOR * facts[FACT_SIZE] else -1


@carrier
def _search(f, x, point, scratch, coords, speeds, y0, noise, reach, rtol, unit, ladder, axis, note, desk):
    """Up and down the ladder until the second derivative is known; NONFINITE where f does not live on both sides."""
    x_size, last, falls, placed = argument_size(x, coords, speeds), np.inf, 0, False
    for rung in range(ORIGIN, ORIGIN + 3):
        status = _stand(f, x, point, scratch, coords, speeds, rung, reach, unit, ladder, axis, note)
        if status != OK:
            return status
    for _ in range(MOST_RUNGS):
        levels, e = _survey_all(ladder, axis, y0, noise, unit, x_size, desk)
        found, size = desk[4][e], desk[6][e, FACT_SIZE]
        error, value = total(found), abs(found[VALUE])
        enough = max(rtol * value, ENOUGH * size if placed else 0.0)
        if error == np.inf:
            falls += 1
            rung = _fall(x_size, note[FIRST_STEP], falls, desk[0][levels - 1])
        elif not placed and error <= ROUGHLY * size:
            placed = True
            status = _place(f, x, point, scratch, coords, speeds, reach, unit, y0, noise, False, ladder, axis, note, desk)
            if status != OK:
                return status
            continue
        elif error <= enough or (value <= found[ROUNDING] and levels > 3) or MISS * last < error <= POOR * size:
            break
        else:
            last, rung = error, _next_rung(e, levels, rtol, desk)
        if not 0 <= rung < RUNGS or ladder[rung] > 0.0:
            break
        status = _stand(f, x, point, scratch, coords, speeds, rung, reach, unit, ladder, axis, note)
        if status != OK and (status != NONFINITE or error == np.inf):
            return status
        if status == NONFINITE:
            break
    return _place(f, x, point, scratch, coords, speeds, reach, unit, y0, noise, placed, ladder, axis, note, desk)


@helper
def _verdict(found, size, rtol, noise, rounding):
    error = total(found)
    if not error < np.inf or (error > POOR * size and 2 * found[TRUNCATION] > found[ROUNDING]):
        return SCALELESS
    if error <= max(rtol, 1e-12) * abs(found[VALUE]):
        return CONVERGED
    return NOISY if noise > NOISE_SHOWS * rounding else ROUNDED


@helper
def _report(ladder, axis, y0, noise, unit, rtol, x_size, desk, out, error, note, sample):
    """The second derivatives along an axis, what pairs must know of it, and samples of the noise of f."""
    levels, lead = _survey_all(ladder, axis, y0, noise, unit, x_size, desk)
    rungs, t, parts, work, founds, facts = desk[0], desk[1], desk[2], desk[3], desk[4], desk[6]
    note[STATUS], note[STEP] = CONVERGED, ladder[rungs[int(founds[lead, BOTTOM])]]
    for e in range(y0.size):
        found, last = founds[e], levels - 1
        out[e], error[e] = found[VALUE], bar(found, unit)
        sample[e] = excess(t, parts[EVEN, e], parts[EVEN_NOISE, e], levels, work) * parts[EVEN_NOISE, e, last] * t[last] / 4
        note[STATUS] = max(note[STATUS], _verdict(found, facts[lead, FACT_SIZE], rtol, noise[e], unit * abs(y0[e])))
    longest, bend, prior = ladder[int(note[WINDOW])] ** 2, facts[lead, FACT_BEND], facts[lead, FACT_PRIOR]
    known = bend < np.inf and prior < np.inf
    note[SIZE] = facts[lead, FACT_SIZE]
    note[BEND], note[PRIOR] = (bend * longest, prior * longest) if known else (0.0, 0.0)


@helper
def _forget(ladder, note):
    fill(ladder, np.nan)
    note[WINDOW], note[SIZE], note[BEND], note[PRIOR] = ORIGIN, 0.0, 0.0, 0.0


@helper
def _flutter(levels, desk, sample):
    """A guess at the noise where the ladder ended in it: E falls like 1/t there, while for a smooth f it is constant, and at
    a kink it falls like the root of that."""
    t, even = desk[1], desk[2][EVEN]
    fill(sample, np.nan)
    for e in range(sample.size):
        if levels >= 4:
            low = abs(even[e, levels - 1]) * t[levels - 1] + abs(even[e, levels - 2]) * t[levels - 2]
            high = abs(even[e, levels - 3]) * t[levels - 3] + abs(even[e, levels - 4]) * t[levels - 4]
            sample[e] = max(low, high) / 8 if low > FLUTTER * high else np.nan


@carrier
def _one_side(f, x, point, scratch, coords, speeds, unit, ladder, axis, note):
    """f on the rungs that one-sided pairs share, on the side where it lives."""
    way = int(note[SIDE] < 0.0)
    for rung in range(ORIGIN, ORIGIN + ONE_SIDED):
        fill(axis[rung, 0], np.nan)
        fill(axis[rung, 1], np.nan)
        ladder[rung] = _step(x, coords, speeds, note[FIRST_STEP], rung, unit)
        note[COUNT] += 1
        status = look(f, x, point, scratch, coords, speeds, (1 - 2 * way) * ladder[rung], axis[rung, way])
        if status != OK and status != NONFINITE:
            return status
    return OK


@carrier
def _with_help(f, x, point, scratch, coords, speeds, y0, noise, reach, rtol, unit, ladder, axis, note, desk, tab, steps, count,
               members, out, error, sample):  # fmt: skip
    """Where the ladder does not reach, the general search finds where f is smooth, or the side where it lives; from there
    once more."""
    calls, x_size = note[COUNT], argument_size(x, coords, speeds)
    _flutter(_read(ladder, axis, y0, noise, unit, x_size, desk), desk, sample)
    status = column(
        f, x, point, scratch, y0, coords, speeds, reach, rtol, 2, x_size, tab, steps, count, members, scratch[:0], out,
        error, note,
    )  # fmt: skip
    note[COUNT] += calls
    note[HELPED] = 1.0
    _forget(ladder, note)
    if status != OK or not note[FIRST_STEP] > 0.0:
        return status
    if note[SIDE] != 0.0:
        return _one_side(f, x, point, scratch, coords, speeds, unit, ladder, axis, note)
    verdict, step, value, limit = note[STATUS], note[STEP], out.copy(), error.copy()
    status = _search(f, x, point, scratch, coords, speeds, y0, noise, reach, rtol, unit, ladder, axis, note, desk)
    if status == NONFINITE:
        _forget(ladder, note)
        return OK
    if status == OK:
        _report(ladder, axis, y0, noise, unit, rtol, x_size, desk, out, error, note, sample)
        if not error.max() <= limit.max() or note[STATUS] == SCALELESS:
            note[STATUS], note[STEP] = verdict, step
            assign(out, value)
            assign(error, limit)
    return status


@winding_kernel
def axes(f, x, y0, groups, speeds, reach, rtol, roundoff, noise, again, out, error, notes, ladders, axis, samples, work, tab,
         steps, count, members, lo, hi):  # fmt: skip
    """The second derivative along each direction, f on the rungs that pairs share, and what pairs must know of the axes.

    `again` goes on with what is there, once it is known how much noise f has; `samples` are guesses at that.
    """
    x, y0, reach, noise, out, error = borrow(x), borrow(y0), borrow(reach), borrow(noise), borrow(out), borrow(error)
    notes, ladders, axis, samples = borrow(notes), borrow(ladders), borrow(axis), borrow(samples)
    tab, steps, count, members = borrow(tab), borrow(steps), borrow(count), borrow(members)
    steps[CONTROL, UNIT], steps[CONTROL, KNOWN] = roundoff, 0.0
    point, scratch = work[: x.size], work[x.size :]
    assign(point, x)
    nothing_known(count, members)
    desk = (
        np.empty(RUNGS, np.int64), np.empty(RUNGS), np.empty((4, y0.size, RUNGS)), np.empty((2, RUNGS)),
        np.empty((y0.size, 6)), np.empty(6), np.empty((y0.size, FACTS)),
    )  # fmt: skip
    for g in range(lo, hi):
        c, v = _coords(groups, speeds, g)
        if again and notes[g, SIDE] != 0.0:
            continue
        if not again or notes[g, HELPED] != 0.0:
            _forget(ladders[g], notes[g])
            notes[g, COUNT] = notes[g, COUNT] if again else 0.0
            notes[g, FIRST_STEP], notes[g, SIDE], notes[g, HELPED] = reach[g, 0], 0.0, 0.0
            notes[g, FINEST] = min(FINE, MANY / notes.shape[0] ** 2)
        status = _search(
            f, x, point, scratch, c, v, y0, noise, reach[g], rtol, roundoff, ladders[g], axis[g], notes[g], desk
        )
        if status == OK:
            _report(
                ladders[g], axis[g], y0, noise, roundoff, rtol, argument_size(x, c, v), desk, out[g], error[g], notes[g],
                samples[g],
            )  # fmt: skip
        if status == NONFINITE or (status == OK and notes[g, STATUS] == SCALELESS):
            status = _with_help(
                f, x, point, scratch, c, v, y0, noise, reach[g], rtol, roundoff, ladders[g], axis[g], notes[g], desk, tab,
                steps, count, members, out[g], error[g], samples[g],
            )  # fmt: skip
        if status != OK:
            return failed(status, g)
    return OK if unchanged(point, x) else failed(MUTATED, lo)


# --- pairs ------------------------------------------------------------------------------------------------------------


@carrier
def _beside(f, x, point, scratch, groups, speeds, g, rung, way, reach, unit, notes, ladders, axis, spent, row):
    """f on one side of an axis, found there or anew, into `row`."""
    if not 0 <= rung < RUNGS:
        return NONFINITE
    if ladders[g, rung] > 0.0 and axis[g, rung, way, 0] == axis[g, rung, way, 0]:
        assign(row, axis[g, rung, way])
        return OK
    c, v = _coords(groups, speeds, g)
    h = _step(x, c, v, notes[g, FIRST_STEP], rung, unit)
    if not 0.0 < h <= reach[g, 2 - way]:
        return NONFINITE
    spent[COUNT] += 1
    return look(f, x, point, scratch, c, v, h - 2 * way * h, row)


@carrier
def _around(f, x, point, scratch, groups, speeds, i, j, level, reach, unit, notes, ladders, axis, rows):
    """f on both axes and at both corners, at one level of a pair: up and down i, up and down j, the corners; and the area."""
    a, b = int(notes[i, WINDOW]) + level, int(notes[j, WINDOW]) + level
    for way in range(2):
        status = _beside(
            f, x, point, scratch, groups, speeds, i, a, way, reach, unit, notes, ladders, axis, notes[i], rows[way]
        )
        if status == OK:
            status = _beside(
                f, x, point, scratch, groups, speeds, j, b, way, reach, unit, notes, ladders, axis, notes[i], rows[2 + way]
            )
        if status != OK:
            return status, 0.0
    s = _step_of(x, groups, speeds, i, notes[i, FIRST_STEP], a, unit)
    t = _step_of(x, groups, speeds, j, notes[j, FIRST_STEP], b, unit)
    for way in range(2):
        sign = 1.0 - 2 * way
        notes[i, COUNT] += 1
        status = _corner(f, x, point, scratch, groups, speeds, i, sign * s, j, sign * t, rows[4 + way], 1.0, 1.0, ONLY)
        if status != OK:
            return status, 0.0
    return OK, s * t


@helper
def _mixed(rows, y, e, way):
    """f(x + a + b) - f(x + a) - f(x + b) + f(x) on one side, in an order that keeps digits."""
    return (rows[4 + way, e] - rows[way, e]) - (rows[2 + way, e] - y)


@helper
def _heights(rows, y, e, far_i, far_j):
    """The numbers whose rounding shows, and what the rounding of the arguments does to them; those are `far` from 0, in steps."""
    size = 2 * abs(y) + far_i * abs(rows[0, e] - rows[1, e]) + far_j * abs(rows[2, e] - rows[3, e])
    for row in range(6):
        size += abs(rows[row, e])
    return size


@helper
def _enter(level, area, far_i, far_j, rows, y0, noise, unit, levels, order, t, parts):
    """The even part of the mixed difference, at its place among the levels."""
    k = levels
    while k > 0 and order[k - 1] > level:
        order[k], t[k] = order[k - 1], t[k - 1]
        for e in range(y0.size):
            parts[EVEN, e, k], parts[EVEN_NOISE, e, k] = parts[EVEN, e, k - 1], parts[EVEN_NOISE, e, k - 1]
        k -= 1
    order[k], t[k] = level, RATIO ** (-2.0 * level)
    for e in range(y0.size):
        parts[EVEN, e, k] = (_mixed(rows, y0[e], e, 0) + _mixed(rows, y0[e], e, 1)) / (2 * area)
        parts[EVEN_NOISE, e, k] = (unit * _heights(rows, y0[e], e, far_i, far_j) + 8 * noise[e]) / (2 * area)


@helper
def _apart(rows, far_i, far_j, y0, noise, unit):
    """Whether the two directions have nothing to do with each other: on both sides f is a sum, up to its noise."""
    for e in range(y0.size):
        least = 4 * unit * _heights(rows, y0[e], e, far_i, far_j) + 16 * noise[e]
        if not max(abs(_mixed(rows, y0[e], e, 0)), abs(_mixed(rows, y0[e], e, 1))) <= least:
            return False
    return True


@helper
def _next_level(t, order, parts, levels, lowest, extra, last, size, prior, calm, rtol, founds, e):
    """The level that a pair needs next, or STOP. `calm` is noise · t were f at the corners no larger than at x."""
    found, noise = founds[e], parts[EVEN_NOISE, e]
    error, truncated = total(found), 2 * found[TRUNCATION] > found[ROUNDING]
    size = max(size, abs(found[VALUE])) if error < np.inf else size
    if error <= rtol * size:
        return STOP
    if lowest + 1 < SHARED and (truncated or error == np.inf):
        return lowest + 1
    if error <= max(rtol, ENOUGH) * size or extra >= MOST_EXTRA or (extra > 0 and MISS * last < error <= POOR * size):
        return STOP
    if not error <= 0.1 * size:
        return lowest + 1 + (extra > 0)
    if truncated and noise[levels - 1] < error and int(found[BOTTOM]) < levels - 1:
        return lowest + 1
    if levels > 1 and noise[levels - 1] < 0.5 * noise[levels - 2]:  # f at the corners is far larger than at x
        size_here, before = noise[levels - 1] * t[levels - 1], noise[levels - 2] * t[levels - 2]
        apart = order[levels - 1] - order[levels - 2]
        return lowest + max(1, int(apart * np.log(size_here / calm) / np.log(before / size_here)) if calm > 0.0 else 1)
    promise, jump = forecast(t, levels, found, size, max(found[RATE], prior), PAIR_JUMP)
    if promise > PAYS * error:
        return STOP
    return lowest + 1 if jump == 0 else order[int(found[TOP])] - jump


@helper
def _roughly(even, noise, levels):
    """Where no block makes sense, by what the axes say of the scale: the shortest level, as uncertain as all of them differ."""
    last, apart = levels - 1, 0.0
    for k in range(last):
        apart = max(apart, abs(even[k] - even[last]))
    return even[last], CAUTION * (apart + noise[last])


@helper
def _added(a, b):
    """Lengths add up; these go with their squares."""
    return (np.sqrt(a) + np.sqrt(b)) ** 2


@carrier
def _pair(f, x, point, scratch, y0, groups, speeds, i, j, reach, rtol, unit, noise, notes, ladders, axis, rows, order, desk, out,
          error):  # fmt: skip
    """The mixed derivative of two directions that have both sides."""
    t, parts, work, founds = desk[1], desk[2], desk[3], desk[4]
    bend, prior = _added(notes[i, BEND], notes[j, BEND]), _added(notes[i, PRIOR], notes[j, PRIOR])
    size, levels, extra, level, last, lowest = np.sqrt(notes[i, SIZE]) * np.sqrt(notes[j, SIZE]), 0, 0, 0, np.inf, -1
    far, aside = argument_size(x, *_coords(groups, speeds, i)), argument_size(x, *_coords(groups, speeds, j))
    fill(out, np.nan)
    fill(error, np.inf)
    while level != STOP and lowest < MOST_LEVELS:
        status, area = _around(f, x, point, scratch, groups, speeds, i, j, level, reach, unit, notes, ladders, axis, rows)
        if status != OK and status != NONFINITE:
            return status
        extra += level < 0 or (level >= SHARED and levels > 0)
        if status == NONFINITE:
            if level < lowest:
                break
            lowest = level
            level += 1
            continue
        h = notes[i, FIRST_STEP] * RATIO ** (ORIGIN - notes[i, WINDOW] - level)
        far_i, far_j = far / h, aside * h / area
        _enter(level, area, far_i, far_j, rows, y0, noise, unit, levels, order, t, parts)
        lowest, levels = max(lowest, level), levels + 1
        alone = levels == 1 and _apart(rows, far_i, far_j, y0, noise, unit)
        worst = 0
        for e in range(y0.size):
            best_block(t, parts[EVEN, e], parts[EVEN_NOISE, e], levels, size, bend, prior, work, founds[e])
            worst = e if total(founds[e]) > total(founds[worst]) else worst
            out[e], error[e] = founds[e, VALUE], bar(founds[e], unit)
            if levels > 1 and not total(founds[e]) < np.inf:
                out[e], error[e] = _roughly(parts[EVEN, e], parts[EVEN_NOISE, e], levels)
            if alone:
                out[e], error[e] = 0.0, CAUTION * parts[EVEN_NOISE, e, 0] + abs(parts[EVEN, e, 0])
        if alone:
            return OK
        if levels == 1:
            level += 1
            continue
        calm = 4 * (unit * abs(y0[worst]) + noise[worst]) * RATIO ** (-2.0 * level) / area
        level = _next_level(t, order, parts, levels, lowest, extra, last, size, prior, calm, rtol, founds, worst)
        last = total(founds[worst])
        for k in range(levels):
            level = STOP if order[k] == level else level
    return OK


@helper
def _mixed_one_sided(tab, k, a, corner, here, there, y, area, unit):
    tab[PRIMARY, k, a] = tab[COMPANION, k, a] = (corner - here - there + y) / area
    tab[NOISE, k, a] = unit * (abs(corner) + abs(here) + abs(there) + abs(y)) / abs(area)


@carrier
def _one_sided_level(f, x, point, scratch, y0, groups, speeds, i, j, level, reach, notes, ladders, axis, k, tab, steps, rows):
    """One level of a pair of which one has one side only; the other goes up."""
    unit, a, b = steps[CONTROL, UNIT], int(notes[i, WINDOW]) + level, int(notes[j, WINDOW]) + level
    way_i, way_j = int(notes[i, SIDE] < 0.0), int(notes[j, SIDE] < 0.0)
    status = _beside(
        f, x, point, scratch, groups, speeds, i, a, way_i, reach, unit, notes, ladders, axis, notes[i], rows[0]
    )
    if status == OK:
        status = _beside(
            f, x, point, scratch, groups, speeds, j, b, way_j, reach, unit, notes, ladders, axis, notes[i], rows[1]
        )
    if status != OK:
        return status
    s = (1 - 2 * way_i) * _step_of(x, groups, speeds, i, notes[i, FIRST_STEP], a, unit)
    t = (1 - 2 * way_j) * _step_of(x, groups, speeds, j, notes[j, FIRST_STEP], b, unit)
    notes[i, COUNT] += 1
    status = _corner(f, x, point, scratch, groups, speeds, i, s, j, t, rows[2], 1.0, 1.0, ONLY)
    if status == OK:
        steps[H, k] = steps[T, k] = RATIO**-level
        for e in range(y0.size):
            _mixed_one_sided(tab, k, e, rows[2, e], rows[0, e], rows[1, e], y0[e], s * t, unit)
        extend(tab, steps, k, 0, y0.size, 0, 1, 0.0, CAUTION)
    return status


@helper
def _settled(tab, entries, rtol):
    for e in range(entries):
        if not tab[BEST, TOTAL, e] <= rtol * abs(tab[BEST, CHOSEN, e]):
            return False
    return True


@carrier
def _one_sided_pair(f, x, point, scratch, y0, groups, speeds, i, j, reach, rtol, notes, ladders, axis, tab, steps, rows, out,
                    error):  # fmt: skip
    """The mixed derivative of two directions of which one has one side only: Neville's table in h."""
    clear(tab, 0, y0.size)
    k = 0
    for level in range(ONE_SIDED):
        if k > 2 and _settled(tab, y0.size, rtol):
            break
        status = _one_sided_level(
            f, x, point, scratch, y0, groups, speeds, i, j, level, reach, notes, ladders, axis, k, tab, steps, rows
        )
        if status != OK and status != NONFINITE:
            return status
        k += status == OK
    for e in range(y0.size):
        out[e], error[e] = tab[BEST, CHOSEN, e], tab[BEST, BAR, e]
    return OK


@winding_kernel
def mixed_pairs(f, x, y0, groups, speeds, reach, rtol, roundoff, noise, notes, ladders, axis, out, error, work, tab, steps, count,
                members, lo, hi):  # fmt: skip
    """Rows lo..hi below the diagonal of the matrix of mixed second derivatives, and their mirror images.

    `notes`, `ladders` and `axis` come from :func:`axes`; the evaluations are added to them.
    """
    y0, axis, tab, steps = borrow(y0), borrow(axis), borrow(tab), borrow(steps)
    steps[CONTROL, UNIT], steps[CONTROL, KNOWN] = roundoff, 0.0
    point, scratch = work[: x.size], work[x.size :]
    assign(point, x)
    rows, order = np.empty((6, y0.size)), np.empty(RUNGS, np.int64)
    desk = (
        order, np.empty(RUNGS), np.empty((4, y0.size, RUNGS)), np.empty((2, RUNGS)), np.empty((y0.size, 6)), np.empty(6),
        np.empty((y0.size, FACTS)),
    )  # fmt: skip
    for i in range(lo, hi):
        for j in range(i):
            if notes[i, SIDE] == 0.0 and notes[j, SIDE] == 0.0:
                status = _pair(
                    f, x, point, scratch, y0, groups, speeds, i, j, reach, rtol, roundoff, noise, notes, ladders, axis, rows,
                    order, desk, out[i, j], error[i, j],
                )  # fmt: skip
            else:
                status = _one_sided_pair(
                    f, x, point, scratch, y0, groups, speeds, i, j, reach, rtol, notes, ladders, axis, tab, steps, rows,
                    out[i, j], error[i, j],
                )  # fmt: skip
            if status != OK:
                return failed(status, i)
            assign(out[j, i], out[i, j])
            assign(error[j, i], error[i, j])
    return OK if unchanged(point, x) else failed(MUTATED, lo)


@winding_kernel
def mixed_listed(f, x, y0, groups, speeds, reach, rtol, roundoff, noise, notes, ladders, axis, starts, partners, out, error, work,
                 tab, steps, count, members, lo, hi):  # fmt: skip
    """The same for some pairs: those of direction i with ``partners[starts[i]:starts[i + 1]]``, a row of `out` each."""
    y0, axis, tab, steps = borrow(y0), borrow(axis), borrow(tab), borrow(steps)
    steps[CONTROL, UNIT], steps[CONTROL, KNOWN] = roundoff, 0.0
    point, scratch = work[: x.size], work[x.size :]
    assign(point, x)
    rows, order = np.empty((6, y0.size)), np.empty(RUNGS, np.int64)
    desk = (
        order, np.empty(RUNGS), np.empty((4, y0.size, RUNGS)), np.empty((2, RUNGS)), np.empty((y0.size, 6)), np.empty(6),
        np.empty((y0.size, FACTS)),
    )  # fmt: skip
    for i in range(lo, hi):
        for k in range(starts[i], starts[i + 1]):
            j = partners[k]
            if notes[i, SIDE] == 0.0 and notes[j, SIDE] == 0.0:
                status = _pair(
                    f, x, point, scratch, y0, groups, speeds, i, j, reach, rtol, roundoff, noise, notes, ladders, axis, rows,
                    order, desk, out[k], error[k],
                )  # fmt: skip
            else:
                status = _one_sided_pair(
                    f, x, point, scratch, y0, groups, speeds, i, j, reach, rtol, notes, ladders, axis, tab, steps, rows,
                    out[k], error[k],
                )  # fmt: skip
            if status != OK:
                return failed(status, i)
    return OK if unchanged(point, x) else failed(MUTATED, lo)
