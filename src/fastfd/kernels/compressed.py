"""Sparse Jacobians: the columns of a colour move together, each by its own step, and each row knows whose change it sees.

The entries are read column by column: `starts` holds where each column begins, `rows` which result an entry is read from
and `place` where it goes. In sweeps the columns stand in the order of the colours, in searches in their own.
"""

from __future__ import annotations

import numpy as np

from fastfd.kernels.compiler import apart, carrier, gate, helper, inner, kernel
from fastfd.kernels.extrapolate import (
    CONVERGED,
    KNOWN,
    LEVELS,
    MINOR,
    RATIO,
    ROUNDED,
    SCALELESS,
    SLOT,
    column,
    nothing_known,
)
from fastfd.kernels.native import MUTATED, NONFINITE, OK, ONLY, UNKNOWN, evaluate
from fastfd.kernels.sweep import failed, unchanged, weigh
from fastfd.kernels.tableau import CAUTION, CONTROL, DISBELIEF, LANES, SHOWN, UNIT, breadth, sheets
from fastfd.kernels.views import assign, borrow, nonfinite, stretch
from fastfd.steps import base_step, exact_step, imaginary_step

__all__ = ["imaginary_colors", "law_steps", "own_steps", "search_colors", "search_space", "sweep_colors"]


# --- fixed stencils ---------------------------------------------------------------------------------------------------


@gate
def own_steps(x, steps, coords, here, speeds):
    """Each coordinate and its step, in the order in which colours have them."""
    for i in range(coords.size):
        here[i], speeds[i] = x[coords[i]], steps[coords[i], 0]


@gate
def law_steps(x, relative, roundoff, coords, here, speeds):
    """The same by the step law, where there are neither bounds nor steps given; whether x is finite."""
    for i in range(coords.size):
        here[i] = x[np.uintp(coords[i])]
    for i in range(here.size):  # a loop of its own, for it vectorises
        speeds[i] = base_step(here[i], relative, roundoff)
    return not nonfinite(x)


@inner
def _count_moved(values):
    count = 0
    for i in range(values.size):
        count += values[i] != 0.0
    return count


@helper
def _outside(values, inside):
    """The first result that moved although the colour has no entry there."""
    for i in range(values.size):
        if values[i] != 0.0 and not inside[i]:
            return i
    return -1


@helper
def _stranger(values, rows):
    """The same, where the colour's entries are read from `rows`."""
    inside = np.zeros(values.size, np.bool_)
    for k in range(rows.size):
        inside[rows[k]] = True
    return _outside(values, inside)


@helper
def _hand_out(values, speeds, factor, starts, rows, place, out):
    """Each result to the entry that it belongs to; how many of them are not zero.

    One loop over all entries, for columns have few: a loop for each takes a quarter more time.
    """
    apart()
    moved, scale, i, begin = 0, 0.0, np.uintp(0), np.uintp(starts[0])
    for e in range(begin, np.uintp(starts[speeds.size])):
        while e == begin:
            scale = factor / speeds[i]
            i += np.uintp(1)
            begin = np.uintp(starts[i])  # of the next column, which this one has no entry before
        value = values[np.uintp(rows[e])]
        moved += value != 0.0
        out[np.uintp(place[e])] = value * scale
    return moved


@kernel
def sweep_colors(f, x, table, first, coords, here, speeds, which, y0, starts, rows, place, out, missed, point, values, scratch,
                 lo, hi):  # fmt: skip
    """The entries of colours lo..hi by fixed stencils.

    `first` and `coords` are the colours' columns, `here` and `speeds` x there and the steps, `which` the colours' rows of
    the table; `starts`, `rows` and `place` follow the order of `coords`, so that memory is read as it lies.
    `missed` tells for each colour a result that moved although the pattern says it cannot, or -1; or it is empty, where
    not all that can move is read.
    """
    x, out, table, here, speeds, y0 = borrow(x), borrow(out), borrow(table), borrow(here), borrow(speeds), borrow(y0)
    coords, starts, rows, place = borrow(coords), borrow(starts), borrow(rows), borrow(place)
    point, values, scratch = borrow(point), borrow(values), borrow(scratch)
    assign(point, x)
    code = OK
    for g in range(lo, hi):
        start, stop = first[g], first[g + 1]
        v, row = stretch(speeds, start, stop), table[which[g]]
        origin = stretch(here, start, stop) if stop - start > 1 else x
        status = weigh(f, point, origin, y0, stretch(coords, start, stop), v, 1.0, row, 1.0, values, scratch)
        if status == NONFINITE:
            code = failed(status, g) if code == OK else code
        elif status != OK:
            return failed(status, g)
        moved = _hand_out(values, v, row[1], stretch(starts, start, stop + 1), rows, place, out)
        if missed.size > 0 and row[0] == 2.0:  # two equal numbers cancel to the last bit; with weights of 8 they may not
            mine = stretch(rows, starts[start], starts[stop])
            missed[g] = _stranger(values, mine) if _count_moved(values) > moved else -1
    return code if unchanged(point, x) else failed(MUTATED, lo)


@kernel
def imaginary_colors(f, x, first, coords, starts, rows, place, out, missed, point, values, scratch, parts, lo, hi):
    """The same by the complex step; `values` holds real and imaginary parts by turns."""
    assign(point, x)
    code = OK
    for g in range(lo, hi):
        mine = coords[first[g] : first[g + 1]]
        for i in range(mine.size):
            j = mine[i]
            point[j] = complex(x[j].real, imaginary_step(x[j].real))
        status = evaluate(f, point, values, scratch, 1.0, 1.0, ONLY)
        if status != OK and status != NONFINITE:
            return failed(status, g)
        code = failed(status, g) if status != OK and code == OK else code
        for i in range(parts.size):
            parts[i] = values[2 * i + 1]
        moved = 0
        for i in range(first[g], first[g + 1]):
            h = imaginary_step(x[coords[i]].real)
            point[coords[i]] = x[coords[i]]
            for k in range(starts[i], starts[i + 1]):
                moved += parts[rows[k]] != 0.0
                out[place[k]] = parts[rows[k]] / h
        if missed.size > 0:
            mine = rows[starts[first[g]] : starts[first[g + 1]]]
            missed[g] = _stranger(parts, mine) if _count_moved(parts) > moved else -1
    return code


# --- adaptive: three steps for all columns of a colour ----------------------------------------------------------------

#: Entries are worked on in blocks of this many, by instructions that take several at a time. A block has a row for each of
#: f at x ± h (three steps, falling), f(x), 1/(2h), the shortest step, |x|.
BLOCK = 128
UP, DOWN, HERE, HALF, SHORT, ABOUT, WHOLE = 0, 3 * BLOCK, 6 * BLOCK, 7 * BLOCK, 10 * BLOCK, 11 * BLOCK, 12 * BLOCK
#: What comes out, as rows: the derivatives, the estimates of their errors, the noise in those, the error bars.
VALUE, TOTAL, NOISE, BAR = range(4)
#: What is noted of a column: the shortest step that counts, evaluations (which the columns of a colour share: 0), the
#: verdict, the longest step, the side.
STEP, COUNT, STATUS, LONGEST, SIDE = range(5)
#: Three steps do where their estimate is this many times what is wanted (the errors are ten times smaller), or this many
#: times where no others promise more.
MODEST, PATIENT = 10.0, 100.0
#: A column that three steps did not do for gets as many others, where they promise to, this many times; longer ones by this
#: factor at the most.
CHANCES, LONGEST_STRIDE = 2, 30.0
#: Noise limits where it is this share of the error; by how much the promises of truncation and noise may disagree.
LIMITING, SLACK = 0.3, 10.0
#: Differences of a smooth function fall faster than this from step to step.
SMOOTH = RATIO**1.5
#: Keeps zero over zero zero.
LEAST = 1e-300
#: The weights in Neville's table of neighbouring steps, and of the outer ones; the three steps over the longest.
NEAR, FAR = 1.0 / (RATIO**2 - 1.0), 1.0 / (RATIO**4 - 1.0)
SHARES = 1.0, 1.0 / RATIO, 1.0 / RATIO**2
#: Columns search together while they have at most this many entries, so that what is kept of them has a bound; and no
#: search needs more evaluations than this.
TOGETHER, MOST_LOOKS = 4096, 104


def search_space(n, m, thickest, widest):
    """What one thread needs for :func:`search_colors`: columns have up to `thickest` entries, colours `widest` columns."""
    together, width = max(TOGETHER, thickest), breadth(thickest)
    return (
        np.empty(n), np.empty((6, m)), np.empty(m), np.empty((2, widest), np.int64), np.empty(widest), np.ones(WHOLE),
        np.empty((4, thickest + BLOCK)),
        np.empty(sheets(1) * LEVELS * width), np.empty((3, LEVELS)), np.zeros(SLOT + LEVELS, np.int64),
        np.empty((2, width), np.int64), np.empty((together, 3 + MOST_LOOKS)), np.empty(together * MOST_LOOKS),
    )  # fmt: skip


@carrier
def _three_pairs(f, x, point, scratch, mine, spans, unit, planes):
    """f with all the columns at once at ± their three steps."""
    for k in range(6):
        share, sign = SHARES[k // 2], 1.0 - 2.0 * (k % 2)
        for i in range(mine.size):
            j = np.uintp(mine[i])
            point[j] = x[j] + sign * exact_step(x[j], share * spans[i], unit)
        status = evaluate(f, point, planes[k], scratch, 1.0, 1.0, ONLY)
        if status != OK and status != NONFINITE:
            return status
        if (k == 0 or k == 5) and not _still_there(point, x, mine, spans, unit, share, sign):
            return MUTATED
    for i in range(mine.size):
        point[mine[i]] = x[mine[i]]
    return OK


@helper
def _still_there(point, x, mine, spans, unit, share, sign):
    """Whether f left its argument alone. Once at the beginning and once at the end: to look costs as much as to move."""
    intact = True
    for i in range(mine.size):
        j = np.uintp(mine[i])
        intact &= point[j] == x[j] + sign * exact_step(x[j], share * spans[i], unit)
    return intact


@helper
def _three_levels(block, unit, known, values, totals, noises, bars):
    """The entries of a block: what ``tableau.py`` does with three levels, in a straight line."""
    apart()
    for a in range(BLOCK):
        y, half_0, half_1, half_2 = block[HERE + a], block[HALF + a], block[HALF + BLOCK + a], block[HALF + 2 * BLOCK + a]
        up, down, short, argument = block[UP + a], block[DOWN + a], block[SHORT + a], 4 * unit * block[ABOUT + a]
        d0, e0 = (up - down) * half_0, ((up - y) + (down - y)) * (4 * half_0 * half_0)
        n0, still = (unit * (abs(up) + abs(down)) + 2 * known) * half_0, abs(up - y) + abs(down - y)
        up, down = block[UP + BLOCK + a], block[DOWN + BLOCK + a]
        d1, e1 = (up - down) * half_1, ((up - y) + (down - y)) * (4 * half_1 * half_1)
        n1, still = (unit * (abs(up) + abs(down)) + 2 * known) * half_1, still + abs(up - y) + abs(down - y)
        up, down = block[UP + 2 * BLOCK + a], block[DOWN + 2 * BLOCK + a]
        d2, e2 = (up - down) * half_2, ((up - y) + (down - y)) * (4 * half_2 * half_2)
        n2, still = (unit * (abs(up) + abs(down)) + 2 * known) * half_2, still + abs(up - y) + abs(down - y)
        high, low = d1 + (d1 - d0) * NEAR, d2 + (d2 - d1) * NEAR
        even_high, even_low = e1 + (e1 - e0) * NEAR, e2 + (e2 - e1) * NEAR
        value, even = low + (low - high) * FAR, even_low + (even_low - even_high) * FAR
        noise_high = n1 * (1 + NEAR) + n0 * NEAR
        rounding = (n2 * (1 + NEAR) + n1 * NEAR) * (1 + FAR) + noise_high * FAR
        gain, before, even_gain, even_before = abs(value - low), abs(low - d2), abs(even - even_low), abs(even_low - e2)
        even_gain, even_before = (even_gain, even_before) if even_before != 0.0 else (gain, before)  # f may be odd about x
        rate, scale = max(gain * even_before, even_gain * before) * RATIO**2, before * even_before  # the rate times the scale
        band, smooth = abs(d2 - d1), abs(d2 - d1) <= max(abs(d1 - d0) / SMOOTH, n1 + n2)
        truncation = max(gain, abs(value - high) / RATIO**4) * min(1.0, DISBELIEF * rate / (scale + LEAST))
        truncation = max(truncation, band if rate > scale else 0.0)  # there the longest step proves nothing
        truncation = truncation if smooth else abs(low - high)
        raw, inside = abs(even_low - even_high) * short, argument * abs(value) * half_2
        noise = rounding + min(inside, SHOWN * raw)  # without `raw`, which may be truncation in the even part
        total, bar = 2 * truncation + rounding + max(raw, min(inside, SHOWN * raw)), 2 * truncation + rounding + max(raw, inside)
        two = 2 * abs(high - d1) + noise_high + max(abs(e1 - e0) * (short * RATIO), argument * abs(high) * half_1)
        value, even = (high, even_high) if two < total else (value, even)  # the longer steps alone, where there is but noise
        bar, total = (two, two) if two < total else (bar, total)
        values[a], noises[a], totals[a] = value, noise, total if still != 0.0 else 0.0
        bar = CAUTION * (bar + unit * abs(value) + 0.5 * argument * abs(even))
        bars[a] = bar if still != 0.0 else 4 * unit * abs(y) * half_0


@inner
def _put(block, a, planes, y0, i):
    """f at x ± three steps, and at x, of result i."""
    for k in range(3):
        block[UP + k * BLOCK + a], block[DOWN + k * BLOCK + a] = planes[2 * k, i], planes[2 * k + 1, i]
    block[HERE + a] = y0[i]


@inner
def _work_out(block, unit, known, found, start):
    """The entries of a block, to `found` from `start` on."""
    _three_levels(
        block, unit, known, stretch(found[VALUE], start, start + BLOCK), stretch(found[TOTAL], start, start + BLOCK),
        stretch(found[NOISE], start, start + BLOCK), stretch(found[BAR], start, start + BLOCK),
    )  # fmt: skip


@helper
def _entries(columns, spans, x, y0, unit, known, starts, rows, planes, block, found):
    """The entries of some columns, one after the other."""
    a = start = 0
    for i in range(columns.size):
        j, longest = np.uintp(columns[i]), spans[i]
        middle, short = exact_step(x[j], SHARES[1] * longest, unit), exact_step(x[j], SHARES[2] * longest, unit)
        half = 0.5 / exact_step(x[j], longest, unit), 0.5 / middle, 0.5 / short
        for k in range(starts[j], starts[j + np.uintp(1)]):
            _put(block, a, planes, y0, np.uintp(rows[k]))
            block[HALF + a], block[HALF + BLOCK + a], block[HALF + 2 * BLOCK + a] = half
            block[SHORT + a], block[ABOUT + a] = short, abs(x[j])
            a += 1
            if a == BLOCK:
                _work_out(block, unit, known, found, start)
                a, start = 0, start + BLOCK
    if a > 0:
        _work_out(block, unit, known, found, start)


@helper
def _stride(found, start, stop, enough):
    """-1 where all entries of a column are known well enough; else by how much its steps should be longer, or 0 where no
    other three steps promise enough."""
    least, most, largest = 0.0, np.inf, 0.0
    for e in range(start, stop):
        largest = max(largest, abs(found[VALUE, e]))
    for e in range(start, stop):
        size, total, noise = abs(found[VALUE, e]), found[TOTAL, e], found[NOISE, e]
        if not (total < np.inf and size < np.inf):
            return 0.0
        if total <= enough * size or (noise > 0.5 * total and size < MINOR * largest):
            continue
        if size == 0.0:
            return 0.0
        least = max(least, 2 * noise / (enough * size))
        if noise < LIMITING * total:  # truncation falls like h⁶, in the even part like h⁵
            most = min(most, (0.25 * enough * size / total) ** 0.2)
    if least == 0.0:
        return -1.0
    if least > SLACK * most:
        return 0.0
    stride = most if least <= most else np.sqrt(least * most)
    return min(stride if stride < np.inf else 2 * least, LONGEST_STRIDE)


@helper
def _note(notes, j, step, status, longest, side):
    """What is known of a column, where somebody asked for it; the columns of a colour share the evaluations."""
    if notes.size > 0:
        note = notes[j]
        note[STEP], note[COUNT], note[STATUS], note[LONGEST], note[SIDE] = step, 0.0, status, longest, side


@helper
def _sort_out(x, y0, mine, spans, reach, rtol, unit, known, starts, rows, place, planes, block, found, notes, out, error, others,
              left, last):  # fmt: skip
    """Keep the columns that are known; those that deserve another chance to the front of `mine`, the rest to `others`."""
    again = i = 0
    while i < mine.size:
        stop = _batch(mine, i, mine.size, starts, BLOCK)
        _entries(mine[i:stop], spans[i:stop], x, y0, unit, known, starts, rows, planes, block, found)
        start = 0
        for c in range(i, stop):
            j = np.uintp(mine[c])
            first, end = starts[j], start + starts[j + np.uintp(1)] - starts[j]
            stride, longest = _stride(found, start, end, MODEST * rtol), spans[c]
            settled = stride < 0.0 or ((stride == 0.0 or last) and _stride(found, start, end, PATIENT * rtol) < 0.0)
            if settled:
                for e in range(start, end):
                    k = np.uintp(place[first + e - start])
                    out[k] = found[VALUE, e]
                    if error.size > 0:
                        error[k] = found[BAR, e]
                _note(notes, j, SHARES[2] * longest, CONVERGED if stride < 0.0 else ROUNDED, longest, 0.0)
            elif stride > 0.0 and not last and longest * stride <= min(reach[j, 1], reach[j, 2]):
                mine[again], spans[again] = j, longest * stride
                again += 1
            else:
                others[left] = j
                left += 1
            start = end
        i = stop
    return again, left


@helper
def _moved(values, y0, mine, starts, rows):
    """The first result that moved although no column of the colour has it, or -1."""
    all_moved, moved = 0, 0
    for i in range(y0.size):
        all_moved += values[i] != y0[i]
    for i in range(mine.size):
        for k in range(starts[mine[i]], starts[mine[i] + 1]):
            moved += values[rows[k]] != y0[rows[k]]
    if all_moved == moved:
        return -1
    apart, inside = np.empty(y0.size), np.zeros(y0.size, np.bool_)
    for i in range(y0.size):
        apart[i] = 0.0 if values[i] == y0[i] else 1.0
    for i in range(mine.size):
        for k in range(starts[mine[i]], starts[mine[i] + 1]):
            inside[rows[k]] = True
    return _outside(apart, inside)


# --- adaptive: the full search, for what is left ----------------------------------------------------------------------

#: A column's record: how many points it has, the one asked for, the points; then whether it waits for f there or opposite,
#: has what it asked for, or its search is over.
HELD, ASKED, POINTS, STATE = 0, 1, 2, 2 + MOST_LOOKS
WAITS, OPPOSITE, SERVED, OVER = range(4)


@carrier
def _run_again(j, asked, values, x, y0, reach, rtol, starts, rows, place, tab, steps, count, members, notes, out, error):
    """The search of one column on what is recorded: whether it is over."""
    lo, hi = starts[j], starts[j + 1]
    d = hi - lo
    here, found, bar, note, coords, speeds = np.empty(d), np.empty(d), np.empty(d), np.empty(5), np.zeros(1, np.int64), np.ones(1)
    point = np.empty(1)
    point[0] = x[j]
    for k in range(lo, hi):
        here[k - lo] = y0[rows[k]]
    layers, width = tab.size // (LEVELS * members.shape[1]), d + -d % LANES
    table = tab[: layers * LEVELS * width].reshape((layers, LEVELS, width))
    status = column(
        (asked, values), x[j : j + 1], point, here, here, coords, speeds, reach[j], rtol, 1, abs(x[j]), table, steps, count,
        members, here[:0], found, bar, note,
    )  # fmt: skip
    if status == UNKNOWN and asked[HELD] + 2 <= MOST_LOOKS:
        return False
    for k in range(lo, hi):  # a number alone is judged with less caution than one of many
        out[place[k]] = found[k - lo]
        if error.size > 0:
            error[place[k]] = bar[k - lo] * (CAUTION if d == 1 else 1.0)
    _note(notes, j, note[STEP], note[STATUS] if status == OK else SCALELESS, note[LONGEST], note[SIDE])
    return True


@carrier
def _look_together(f, x, point, scratch, mine, asked, values, starts, rows, y, state):
    """f where the columns in some state ask for it, into their records."""
    start = 0
    for b in range(mine.size):
        if asked[b, STATE] == state:
            point[mine[b]] = asked[b, ASKED]
    status = evaluate(f, point, y, scratch, 1.0, 1.0, ONLY)
    if status != OK and status != NONFINITE:
        return status
    for b in range(mine.size):
        j, s = mine[b], int(asked[b, HELD])
        d = starts[j + 1] - starts[j]
        if asked[b, STATE] == state:
            asked[b, POINTS + s], asked[b, HELD], asked[b, STATE] = asked[b, ASKED], s + 1, SERVED
            for k in range(d):
                values[start + s * d + k] = y[rows[starts[j] + k]]
            if point[j] != asked[b, ASKED]:
                return MUTATED
            point[j] = x[j]
        start += d * MOST_LOOKS
    return OK


@helper
def _ask_opposite(x, mine, asked, reach):
    """Searches look at pairs: the other one of a pair is asked for beforehand, where it is in bounds; how many are."""
    count = 0
    for b in range(mine.size):
        j = mine[b]
        h = asked[b, ASKED] - x[j]
        if asked[b, STATE] == SERVED and abs(h) <= min(reach[j, 1], reach[j, 2]):
            asked[b, ASKED], asked[b, STATE] = x[j] - h, OPPOSITE
            count += 1
    return count


@carrier
def _search_together(f, x, point, scratch, mine, reach, rtol, y0, starts, rows, place, tab, steps, count, members, asked, values,
                     y, notes, out, error):  # fmt: skip
    """Full searches of some columns of a colour, which share evaluations of f: how many, and a status."""
    for b in range(mine.size):
        asked[b, HELD], asked[b, STATE] = 0.0, SERVED
    looks = 0
    while True:
        waiting = start = 0
        for b in range(mine.size):
            j = mine[b]
            size = (starts[j + 1] - starts[j]) * MOST_LOOKS
            if asked[b, STATE] != OVER:
                over = _run_again(
                    j, asked[b], values[start : start + size], x, y0, reach, rtol, starts, rows, place, tab, steps, count,
                    members, notes, out, error,
                )  # fmt: skip
                asked[b, STATE] = OVER if over else WAITS
                waiting += not over
            start += size
        if waiting == 0:
            return looks, OK
        status = _look_together(f, x, point, scratch, mine, asked, values, starts, rows, y, WAITS)
        looks += 1
        if status == OK and _ask_opposite(x, mine, asked, reach) > 0:
            status = _look_together(f, x, point, scratch, mine, asked, values, starts, rows, y, OPPOSITE)
            looks += 1
        if status != OK:
            return looks, status


@helper
def _batch(others, start, left, starts, most):
    """Where the columns end that search together."""
    entries, stop = 0, start
    while stop < left and (stop == start or entries + starts[others[stop] + 1] - starts[others[stop]] <= most):
        entries += starts[others[stop] + 1] - starts[others[stop]]
        stop += 1
    return stop


@helper
def _begin_color(mine, reach, spans, lists):
    """The columns with room for three steps on both sides, and the others."""
    again = left = 0
    for i in range(mine.size):
        j = mine[i]
        if reach[j, 0] <= min(reach[j, 1], reach[j, 2]):
            lists[0, again], spans[again] = j, reach[j, 0]
            again += 1
        else:
            lists[1, left] = j
            left += 1
    return again, left


@carrier
def _color(f, x, point, planes, scratch, lists, spans, block, found, tab, steps, count, members, asked, values, mine, reach, rtol,
           unit, known, y0, starts, rows, place, out, error, notes, watch):  # fmt: skip
    """The entries of one colour: evaluations, a result that moved although it cannot, a status."""
    again, left = _begin_color(mine, reach, spans, lists)
    calls, chance, missed = 0, 0, -1
    while again > 0:
        status = _three_pairs(f, x, point, scratch, lists[0, :again], spans, unit, planes)
        if status != OK:
            return calls, missed, status
        calls += 6
        if calls == 6 and watch:
            missed = _moved(planes[0], y0, lists[0, :again], starts, rows)
        chance += 1
        again, left = _sort_out(
            x, y0, lists[0, :again], spans, reach, rtol, unit, known, starts, rows, place, planes, block, found, notes, out,
            error, lists[1], left, chance > CHANCES,
        )  # fmt: skip
    start = 0
    while start < left:
        stop = _batch(lists[1], start, left, starts, asked.shape[0])
        looks, status = _search_together(
            f, x, point, scratch, lists[1, start:stop], reach, rtol, y0, starts, rows, place, tab, steps, count, members, asked,
            values, planes[0], notes, out, error,
        )  # fmt: skip
        calls += looks
        if status != OK:
            return calls, missed, status
        start = stop
    return calls, missed, OK


@kernel
def search_colors(f, x, reach, rtol, roundoff, known, first, coords, y0, starts, rows, place, out, error, notes, missed, calls,
                  point, planes, scratch, lists, spans, block, found, tab, steps, count, members, asked, values, lo,
                  hi):  # fmt: skip
    """The entries of colours lo..hi by extrapolation, their error bars, and the notes of the columns as in ``extrapolate.py``,
    the latter two where there is room for them.

    Each column has its own steps. Three do for most; the others search as a column by itself would, but look at f together.
    """
    x, y0, reach, out, error, notes = borrow(x), borrow(y0), borrow(reach), borrow(out), borrow(error), borrow(notes)
    coords, starts, rows, place, planes = borrow(coords), borrow(starts), borrow(rows), borrow(place), borrow(planes)
    lists, block, tab, steps, count = borrow(lists), borrow(block), borrow(tab), borrow(steps), borrow(count)
    members, asked, values, found, spans = borrow(members), borrow(asked), borrow(values), borrow(found), borrow(spans)
    steps[CONTROL, UNIT], steps[CONTROL, KNOWN] = roundoff, known
    nothing_known(count, members)
    assign(point, x)
    for g in range(lo, hi):
        mine = coords[first[g] : first[g + 1]]
        calls[g], stranger, status = _color(
            f, x, point, planes, scratch, lists, spans, block, found, tab, steps, count, members, asked, values, mine, reach,
            rtol, roundoff, known, y0, starts, rows, place, out, error, notes, missed.size > 0,
        )  # fmt: skip
        if status != OK:
            return failed(status, g)
        if missed.size > 0:
            missed[g] = stranger
    return OK if unchanged(point, x) else failed(MUTATED, lo)
