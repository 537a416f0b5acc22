"""Adaptive Richardson extrapolation: one ladder of steps a column, one table an output entry.

The search falls to where f is smooth, fast where h is far beyond the scale of f, and then weighs truncation against
noise: a model of the truncation error, A·Π ρt over the levels of a block (t = h²; ρ ≈ 1/ℓ² is how much each level gained
over what the one before it gained), tells the longest step that brings truncation down to the noise, or, where noise
limits, the step further out that promises most.

The state of a column is four arrays: `tab` (see ``tableau.py``), `steps` (rows h, t, and two numbers of the
control), `count` (counters, then for each level the evaluation it came from) and `members` (rows: the output
entries that respond; whether an output is among them).
"""

from __future__ import annotations

import numpy as np

from fastfd.kernels.compiler import carrier, gate, helper, independent, inner, winding_kernel
from fastfd.kernels.native import MISPLACED, MUTATED, NONFINITE, OK, ONLY, evaluate
from fastfd.kernels.sweep import INNER, evaluate_at, failed, power, restore, shift, unchanged
from fastfd.kernels.tableau import (
    BAND,
    BAR,
    BEST,
    BOTTOM,
    CAUTION,
    COMPANION,
    CONTROL,
    DISBELIEF,
    EMPIRICAL,
    HASTE,
    HURRY,
    LANES,
    MINUS,
    NOISE,
    NOISE_SHARE,
    PLUS,
    PRIMARY,
    RAW,
    RHO,
    ROUNDING,
    SIZE,
    SLOW,
    TIRED,
    TOP,
    TOTAL,
    TRUNCATION,
    UNIT,
    VALUE,
    H,
    T,
    breadth,
    clear,
    extend,
    sheets,
)  # fmt: skip
from fastfd.kernels.views import as_words, assign, borrow, fill, stretch
from fastfd.steps import HASTY, START, exact_along, place_search

__all__ = [
    "CONVERGED", "DOMAIN", "ENTRY", "FIRST_STEP", "KNOWN", "LEVELS", "MEMORY", "MINOR", "NOISE_LEVEL",
    "NOISE_SEEN", "NOISY", "NONSMOOTH", "RATIO", "ROUNDED", "SCALELESS", "SLOT", "argument_size", "column", "extrapolate",
    "extrapolate_points", "look", "nothing_known", "share_rounding", "share_rounding_of", "workspace",
]  # fmt: skip

#: Where a step is close to the scale of f: h²/ℓ².
CLOSE = 0.2
#: Where noise is this share of the error that is wanted, shorter steps are the last resort.
AMPLE = 0.3
#: Truncation is brought down to this share of the noise; steps nearer than this ratio tell nothing new; a step must
#: promise to take the error down to this share; and how often it may fail to.
BALANCE, LEAST_RATIO, PAYS, MOST_MISSES = 0.3, 1.6, 0.7, 1
#: Fast falls without a change in f.
MOST_FALLS = 4
#: How steady the slope at a kink is, or the height of a jump, against the bend.
STEADY = 0.05
#: How closely noise is looked into: at this multiple of √u·x, or this share of the shortest step; and how calm f must
#: be there, against the noise, to be smooth.
CLOSE_UP, FAR_DOWN, CALM = 0.5, 1e-3, 0.2
#: No column needs more levels, or more evaluations.
LEVELS, MOST_CALLS = 32, 70
#: Neighbouring steps, how much faster each fast fall is than the one before, and how far it goes up where nothing tells:
#: not integers, nor their roots: a periodic f aliases coherently on such steps and looks converged.
RATIO, FALL, LEAP = 3.7, 4.3, 17.3
#: Up to so many entries the tables of all grow with that of the lead.
FEW_ENTRIES = 16
#: Outputs compared at a time: most do not respond to a column.
BLOCK = 32
#: Entries whose tables grow together: all that is looked at of them fits into the nearest cache.
TILE = 64
#: How often it goes up, and how often where a high derivative is nothing but noise: next to it a step more is a factor
#: of a hundred, so what does not show on steps beyond |x| is hardly there.
MOST_UPS, HOPELESS_UPS = 6, 3
#: Noise this many times the rounding of f is called by its name.
NOISE_SHOWS = 1e3
#: Once the first entry is known, others ask for more levels only if they are known this many times worse than wanted,
#: and the column has had fewer evaluations than this.
PATIENCE, MOST_SHARED_CALLS = 1e2, 24
#: Entries below this share of the largest do not lead while noise limits them.
MINOR = 1e-2
#: Last, where the column has had no more evaluations than this, come those that noise limits, are known this many times
#: worse than wanted, change f over the longest step by more than this share of it, and themselves by less than this one.
FEW, EAGER, LITTLE, STRAIGHT = 13, 10.0, 1e-5, 1e-6

#: What a column is remembered by: two steps, the share of the gain of the second over the first that is left as an
#: error, how visible truncation was at these steps, the noise that it saw and the noise to be assumed (relative to
#: the size of what f is made of), |f| itself where f is one number, and for how many calls in a row this did not do. A
#: column without a memory has a first step of 0.
FIRST_STEP, SECOND_STEP, LEFT, VISIBLE, NOISE_SEEN, NOISE_LEVEL, HEIGHT, FAILED, MEMORY = range(9)
#: What gains less than this share of what the others gain on the whole may do so by accident.
SHARE = 0.3
#: By how much the error bar exceeds what is expected at remembered steps.
WARY = CAUTION**2
#: How much more visible truncation may be at another point; an error of which share is small enough there; the range of
#: ratios of two levels worth remembering.
ALIKE, ENOUGH, NEAREST, FARTHEST = 10.0, 1e-10, 1.5, 20.0

#: The verdict on a column; the sentences that go with them stand in ``info.py``.
CONVERGED, ROUNDED, NOISY, NONSMOOTH, DOMAIN, SCALELESS = range(6)

#: Counters: levels, entries that respond, evaluations, fast falls, moves up, the last move, the side that left the
#: domain last (-1, 1), moves that did not pay, whether noise was looked into, whether a step at the scale of f is on
#: trial, whether x itself was tried as a scale, how many levels the tables of all entries and that of the entry in the lead
#: have; from SLOT on: where a level's evaluations are kept.
LEVEL, ENTRY, CALLS, FALLS, UPS, LAST, SIDE, MISSES, LOOKED, TRIAL, OWN, DONE, AHEAD, SLOT = range(14)
DOWN, UP, INTO = range(3)
#: More in the control row of ``steps``: the least step known to leave the domain, the lead's error before its move, its
#: noise then, the model of its truncation error (A·Π ρt over the levels), the noise that is being looked into, the
#: factor of the error bars, the noise that the user knows of; from MEMO on: room for a memory.
BAD, PREVIOUS, NOISE_BEFORE, MODEL_A, MODEL_RHO, WOBBLE, CARE, KNOWN, MEMO = range(2, 11)


def workspace(n: int, m: int, order: int) -> tuple:
    """What one thread needs: point and scratch, tables, steps, counters, members."""
    return (
        np.empty(n + m), np.empty((sheets(order), LEVELS, breadth(m))), np.empty((3, LEVELS)),
        np.empty(SLOT + LEVELS, np.int64), np.empty((2, breadth(m)), np.int64),
    )  # fmt: skip


# --- looking at f ---------------------------------------------------------------------------------------------------


@carrier
def look(f, x, point, scratch, coords, speeds, h, row):
    """f(x + hv) into `row`."""
    if not shift(point, x, coords, speeds, h):
        return MUTATED
    status = evaluate(f, point, row, scratch, 1.0, 1.0, ONLY)
    if status != OK and status != NONFINITE:
        return status
    return status if restore(point, x, coords, speeds, h) else MUTATED


@carrier
def _pair(f, x, point, scratch, y0, coords, speeds, h, reach, tab, count):
    """f(x ± h) into the next slot. The side that failed last is asked first: then a failure costs one call."""
    first = -1 if count[SIDE] < 0 else 1
    for side in (first, -first):
        if h > reach[1 + (side > 0)]:
            count[SIDE] = side
            return NONFINITE
        row = stretch(tab[PLUS if side > 0 else MINUS, count[LEVEL]], 0, y0.size)
        count[CALLS] += 1
        status = look(f, x, point, scratch, coords, speeds, side * h, row)
        if status == NONFINITE:
            count[SIDE] = side
        if status != OK:
            return status
    return OK


@helper
def _enlist(a, b, start, stop, count, members):
    for i in range(start, stop):
        if a[i] != b[i] and not members[1, i]:
            members[0, count[ENTRY]], members[1, i] = i, 1
            count[ENTRY] += 1


@helper
def _notice(row, y0, count, members):
    """Enlist the output entries that respond for the first time; bit patterns, in blocks that vectorise."""
    a, b = as_words(row), as_words(y0)
    whole = b.size - b.size % BLOCK
    for start in range(0, whole, BLOCK):
        differ = 0
        for k in range(BLOCK):
            differ |= a[start + k] ^ b[start + k]
        if differ:
            _enlist(a, b, start, start + BLOCK, count, members)
    _enlist(a, b, whole, b.size, count, members)


@inner
def _fill_entry(tab, members, y0, k, slot, a, is_odd, half, square, unit, known, argument):
    """Both parts of one entry, with the rounding of the one that is wanted."""
    i, scale, centre, above = members[0, a], half if is_odd else square, 0.0 if is_odd else 2.0, k - (k > 0)
    up, down, mid = tab[PLUS, slot, i], tab[MINUS, slot, i], y0[i]
    odd, even = (up - down) * half, ((up - mid) + (down - mid)) * square
    value, other = (odd, even) if is_odd else (even, odd)
    noise = (unit * (abs(up) + abs(down) + centre * abs(mid)) + (2.0 + centre) * known) * scale
    # the argument is rounded inside f, as in sin(a·x), and for higher derivatives that grows like 1/hᵈ as well
    noise += 2.0 * scale * argument * abs(odd) if argument > 0.0 else 0.0
    before, noise_before = abs(tab[PRIMARY, above, a]), tab[NOISE, above, a]
    hidden = before if before > 0.0 else noise_before  # perhaps h is too short to be seen
    tab[PRIMARY, k, a], tab[COMPANION, k, a] = value, other
    tab[NOISE, k, a] = noise + hidden if k > 0 and value == 0.0 else noise


@independent
def _fill_many(tab, members, y0, k, slot, first, stop, is_odd, half, square, unit, known, argument):
    for a in range(first, stop):
        _fill_entry(tab, members, y0, k, slot, a, is_odd, half, square, unit, known, argument)


@helper
def _fill_central(tab, steps, count, members, y0, k, order, x_size, first, stop):
    """The odd and the even part of f at level k, for a range of the entries that respond."""
    h, slot, unit, known = steps[H, k], count[SLOT + k], steps[CONTROL, UNIT], steps[CONTROL, KNOWN]
    half, square, is_odd, argument = 0.5 / h, 1.0 / (h * h), order % 2 == 1, unit * x_size if order > 1 else 0.0
    steps[T, k] = h * h
    if stop - first > 1:
        _fill_many(tab, members, y0, k, slot, first, stop, is_odd, half, square, unit, known, argument)
    else:
        _fill_entry(tab, members, y0, k, slot, first, is_odd, half, square, unit, known, argument)


@helper
def _fill_one_sided(tab, steps, count, members, y0, k, order, side, first, stop):
    """(f(x ± h) - f(x)) / ±h at level k: the sequence is its own companion, one coefficient further.

    In h to the left its coefficient of order d - 1 has the sign (-1)^(d-1), which goes into the sequence.
    """
    h, slot = steps[H, k], count[SLOT + k]
    steps[T, k], toward = h, side * h if order % 2 else h
    for a in range(first, stop):
        i = members[0, a]
        there, here = tab[PLUS, slot, i], y0[i]
        tab[PRIMARY, k, a] = tab[COMPANION, k, a] = (there - here) / toward
        tab[NOISE, k, a] = (steps[CONTROL, UNIT] * (abs(there) + abs(here)) + 2 * steps[CONTROL, KNOWN]) / h


@helper
def _level(tab, steps, count, members, y0, k, order, side, x_size, first, stop):
    """Level k of the central (`side` = 0) or the one-sided ladder, and all the blocks that end there."""
    if side:
        _fill_one_sided(tab, steps, count, members, y0, k, order, side, first, stop)
        extend(tab, steps, k, first, stop, order - 1, order, x_size, CAUTION)
    else:
        _fill_central(tab, steps, count, members, y0, k, order, x_size, first, stop)
        argument = x_size if order == 1 else 0.0
        extend(tab, steps, k, first, stop, (order - 1) // 2, order // 2, argument, steps[CONTROL, CARE])


@inner
def _filled_up(count, stop):
    """Up to where a range of entries is worked on: behind the last entry, tables of output 0 fill a vector up. It takes no longer
    than two numbers."""
    return stop + -stop % LANES if stop == count[ENTRY] > 1 else stop


@helper
def _tables(tab, steps, count, members, y0, order, side, x_size, first, stop, done):
    """The tables of a range of entries, which have `done` levels, with the levels that came since."""
    stop = _filled_up(count, stop)
    if done == 0:
        clear(tab, first, stop)
    for a in range(first, stop, TILE):
        for k in range(done, count[LEVEL]):
            _level(tab, steps, count, members, y0, k, order, side, x_size, a, min(a + TILE, stop))


@helper
def _lead_on(tab, steps, count, members, y0, order, x_size, lead):
    """The table of the entry in the lead: the others wait until theirs are looked at, where they are many."""
    if count[ENTRY] <= FEW_ENTRIES:
        _catch_up(tab, steps, count, members, y0, order, 0, x_size, -1)
    else:
        _tables(tab, steps, count, members, y0, order, 0, x_size, lead, lead + 1, count[AHEAD])
        count[AHEAD] = count[LEVEL]


@helper
def _catch_up(tab, steps, count, members, y0, order, side, x_size, lead):
    """The tables of all, beside that of the lead, unless they are made anew."""
    done, entries = count[DONE], count[ENTRY]
    if done < count[LEVEL]:
        rest = 0 if done == 0 or lead < 0 else lead + 1
        _tables(tab, steps, count, members, y0, order, side, x_size, rest, entries, done)
        if rest > 0:
            _tables(tab, steps, count, members, y0, order, side, x_size, 0, lead, done)
        count[DONE] = count[AHEAD] = count[LEVEL]


@helper
def _size_around(tab, slot, y0, i):
    """|f| at x and at the pair in a slot: f(x) itself may vanish, as residuals do at a solution."""
    return max(abs(y0[i]), min(abs(tab[PLUS, slot, i]), abs(tab[MINUS, slot, i])))


@helper
def _insert(tab, steps, count, members, y0, h, side):
    """A new level at its place among the falling steps; tables that have levels below it must be made anew."""
    levels, known = count[LEVEL], count[ENTRY]
    _notice(tab[PLUS, levels], y0, count, members)
    if not side:
        _notice(tab[MINUS, levels], y0, count, members)
    for a in range(known, count[ENTRY]):
        tab[BEST, SIZE, a], tab[BEST, TIRED, a] = _size_around(tab, levels, y0, members[0, a]), 0.0
    k = levels
    while k > 0 and steps[H, k - 1] < h:
        steps[H, k], count[SLOT + k] = steps[H, k - 1], count[SLOT + k - 1]
        k -= 1
    steps[H, k], count[SLOT + k] = h, levels
    count[LEVEL] = levels + 1
    count[DONE] = 0 if k < count[DONE] or count[ENTRY] > known else count[DONE]
    count[AHEAD] = 0 if k < count[AHEAD] or count[ENTRY] > known else count[AHEAD]


# --- where to look next ---------------------------------------------------------------------------------------------


@helper
def ratio_of(order):
    """Higher derivatives need more levels, and rounding grows like 1/hᵈ: the levels must lie closer together."""
    return RATIO if order < 3 else RATIO ** (2.0 / ((order + 1) // 2 + 1))


@helper
def _change(tab, count, k, i):
    slot = count[SLOT + k]
    return abs(tab[PLUS, slot, i] - tab[MINUS, slot, i])


@helper
def _even(tab, count, y0, k, i):
    slot = count[SLOT + k]
    return abs((tab[PLUS, slot, i] - y0[i]) + (tab[MINUS, slot, i] - y0[i]))


@helper
def _floor(tab, steps, count, y0, k, i):
    slot = count[SLOT + k]
    return steps[CONTROL, UNIT] * (abs(tab[PLUS, slot, i]) + abs(tab[MINUS, slot, i]) + 2 * abs(y0[i]))


@helper
def _near(steps, k, order):
    """Whether level k is one ordinary step below the level above it."""
    return steps[H, k - 1] <= 1.5 * ratio_of(order) * steps[H, k]


@helper
def _turmoil(tab, steps, count, members, y0, a, order):
    """0 where the bottom behaves like a smooth f, 1 where it does not, 2 where h is far beyond the scale of f."""
    i, k = members[0, a], count[LEVEL] - 1
    here, above = _even(tab, count, y0, k, i), _even(tab, count, y0, k - 1, i)
    if k > 1 and count[FALLS] > 0:  # one of those above may be small by accident
        above = max(above, _even(tab, count, y0, k - 2, i))
    if here > 0.5 * above and here > 4 * _floor(tab, steps, count, y0, k, i):
        return 2
    if k < 2 or not _near(steps, k, order) or not _near(steps, k - 1, order):
        return 0
    last, before = abs(tab[PRIMARY, k, a] - tab[PRIMARY, k - 1, a]), abs(tab[PRIMARY, k - 1, a] - tab[PRIMARY, k - 2, a])
    if last <= before * steps[H, k] / steps[H, k - 1] or last <= 4 * tab[NOISE, k, a]:
        return 0
    return 2 if last > 0.2 * abs(tab[PRIMARY, k, a]) else 1


@helper
def _settled_down(tab, steps, count, members, y0, a):
    """Whether f is far calmer at the bottom, after a fast fall, than it was above."""
    i, k = members[0, a], count[LEVEL] - 1
    even, change = _even(tab, count, y0, k - 1, i), _change(tab, count, k - 1, i)
    if k > 1:  # one of them may be small by accident
        even, change = max(even, _even(tab, count, y0, k - 2, i)), max(change, _change(tab, count, k - 2, i))
    calm = max(0.05 * even, 4 * _floor(tab, steps, count, y0, k, i))
    return _even(tab, count, y0, k, i) <= calm and _change(tab, count, k, i) <= 0.3 * change


@helper
def _wobble(tab, steps, count, members, y0, a):
    """What does not fall with h at the bottom."""
    k = count[LEVEL] - 1
    change = abs(tab[PRIMARY, k, a] - tab[PRIMARY, k - 1, a]) * steps[H, k]
    return max(_even(tab, count, y0, k, members[0, a]), change)


@helper
def _tiny(tab, steps, count, members, y0, a):
    """Whether what does not fall is so small against f itself that it may be noise, not aliasing."""
    above = count[SLOT + count[LEVEL] - 2]
    return _wobble(tab, steps, count, members, y0, a) <= NOISE_SHARE * _size_around(tab, above, y0, members[0, a])


@helper
def _deeper(steps, count, order):
    """A fast fall, faster each time."""
    speed = FALL if order <= 2 else 1.5 if order <= 4 else 1.0  # the higher, the narrower is the range of good steps
    return steps[H, count[LEVEL] - 1] / (ratio_of(order) * power(speed, count[FALLS]))


@helper
def _taken(steps, count, h):
    for k in range(count[LEVEL]):
        if 0.8 < steps[H, k] / h < 1.25:
            return True
    return False


@helper
def _at_scale(tab, steps, count, members, y0, a, order):
    """After a fast fall: a step at the scale of f, as |f|, |f′| and |f″| at the bottom tell it."""
    k, i, ratio = count[LEVEL] - 1, members[0, a], ratio_of(order)
    h, here = steps[H, k], abs(y0[i])
    slope, bend = _change(tab, count, k, i) / (2 * h), _even(tab, count, y0, k, i) / (2 * h * h)
    around = _change(tab, count, k - 1, i) + _even(tab, count, y0, k - 1, i)
    bent = np.sqrt(bend / around) if around > 0 else np.inf
    inverse = max(slope / here if here > 0 else 0.0, min(bent, bend / slope) if slope > 0 else 0.0)
    reach = np.sqrt(CLOSE) / inverse if inverse > 0 else np.inf
    guess = min(max(reach, h / ratio), steps[H, k - 1] / ratio)
    if _taken(steps, count, guess):
        return h / ratio
    count[TRIAL] = guess > h
    return guess


@helper
def _look_into(steps, count, wobble, x_size):
    """Close up, a fast oscillation falls apart into a smooth function; noise does not."""
    count[LOOKED], count[LAST], count[MISSES], steps[CONTROL, WOBBLE] = 1, INTO, 0, wobble
    bottom, close = steps[H, count[LEVEL] - 1], CLOSE_UP * np.sqrt(steps[CONTROL, UNIT]) * x_size
    return close if 0.0 < close < FAR_DOWN * bottom else FAR_DOWN * bottom


@helper
def _saw_smooth(tab, steps, count, members, y0, a):
    """Whether f is smooth close up and its slope another one."""
    i, k = members[0, a], count[LEVEL] - 1
    slope, limit = tab[PRIMARY, k, a], CALM * steps[CONTROL, WOBBLE]
    off = abs(slope - tab[BEST, VALUE, a]) * steps[H, k]
    seen = _change(tab, count, k, i) > 8 * _floor(tab, steps, count, y0, k, i)
    return seen and _even(tab, count, y0, k, i) < limit and 4 * tab[NOISE, k, a] * steps[H, k] < off < limit


@helper
def _endless(tab, count, members, a):
    """Whether f changes as much after so many fast falls as before: that is noise, however large."""
    i, k = members[0, a], count[LEVEL] - 1
    return count[FALLS] >= MOST_FALLS and _change(tab, count, k, i) > 0.3 * _change(tab, count, k - MOST_FALLS, i)


@helper
def _descend(tab, steps, count, members, y0, a, order, x_size):
    """The fall to where f is smooth; -1 where the bottom is there."""
    k = count[LEVEL] - 1
    if count[TRIAL]:
        count[TRIAL] = 0
        apart = abs(tab[PRIMARY, k - 1, a] - tab[PRIMARY, k, a]) > 0.5 * abs(tab[PRIMARY, k, a])
        if apart and not _tiny(tab, steps, count, members, y0, a):
            count[FALLS] += 1
            return _deeper(steps, count, order)
        count[FALLS] = 0
        return -1.0
    turmoil, fell = _turmoil(tab, steps, count, members, y0, a, order), count[FALLS] > 0 and not _near(steps, k, order)
    restless = fell and turmoil == 0 and not _settled_down(tab, steps, count, members, y0, a)
    loud = (turmoil or restless) and not _tiny(tab, steps, count, members, y0, a)
    if loud and not _endless(tab, count, members, a):
        if restless:  # calmer, but not calm: close to the scale of f
            return steps[H, k] / power(ratio_of(order), 2)
        count[FALLS] += turmoil == 2
        return _deeper(steps, count, order)
    turmoil = 2 if restless else turmoil
    if turmoil == 2 and not count[LOOKED] and order <= 2:
        return _look_into(steps, count, _wobble(tab, steps, count, members, y0, a), x_size)
    if turmoil == 2 and count[UPS] < MOST_UPS:
        count[UPS], count[LAST] = count[UPS] + 1, UP
        return min(LEAP * steps[H, 0], np.sqrt(steps[H, 0] * steps[CONTROL, BAD]))
    if fell:
        return _at_scale(tab, steps, count, members, y0, a, order)
    count[FALLS] = 0
    return -1.0


@helper
def _demand(order):
    """Errors of higher derivatives change by large factors from step to step: only such gains are worth a step."""
    return 1.0 if order == 1 else order**1.25


@helper
def _finer(tab, steps, count, a, order, truncation, noise, wanted):
    """Where truncation limits: the longest step, below the block or in a gap of it, that brings truncation down to
    the noise; 0 where there is none. Where noise there is more than is wanted, the longest of two."""
    top, bottom, k, ratio = int(tab[BEST, TOP, a]), int(tab[BEST, BOTTOM, a]), count[LEVEL] - 1, ratio_of(order)
    rho, h = tab[BEST, RHO, a], steps[H, bottom]
    count[LAST] = DOWN
    ample = order == 1 and bottom > top and steps[H, bottom - 1] > 2 * h
    if not rho > 0.0:
        if ample and noise * ratio > AMPLE * wanted:
            return np.sqrt(steps[H, bottom - 1] * h)
        return steps[H, k] / ratio if bottom == k else 0.0
    want = np.sqrt(BALANCE * noise / (truncation * rho))
    if want < h:  # below: there the noise grows like 1/hᵈ
        if ample and noise > AMPLE * wanted:
            return np.sqrt(steps[H, bottom - 1] * h)
        step = max(h * (want / h) ** (2.0 / (2.0 + order)), h / ratio)
        if order == 1 and noise * h / step > wanted:
            step = h * (want * want / (rho * power(h, 4))) ** 0.2
        return min(max(step, h / ratio), h / LEAST_RATIO) if bottom == k else 0.0
    gap, fill_in = 2.0, 0.0
    for m in range(top, bottom):
        if steps[H, m] > gap * steps[H, m + 1] and steps[H, m] * steps[H, m + 1] <= want * want:
            gap, fill_in = steps[H, m] / steps[H, m + 1], np.sqrt(steps[H, m] * steps[H, m + 1])
    if fill_in > 0.0:
        return fill_in
    return h / LEAST_RATIO if bottom == k else 0.0


@helper
def _predicted(tab, steps, a, order, new, noise):
    """The least error to expect of the blocks that end somewhere in the best block once a step is added to it."""
    top, bottom = int(tab[BEST, TOP, a]), int(tab[BEST, BOTTOM, a])
    size, least = 0, (order - 1) // 2 + 1
    product = longest = steps[CONTROL, MODEL_A]
    rho, best, pending = steps[CONTROL, MODEL_RHO], np.inf, new
    k = top
    while k <= bottom or pending > 0.0:
        h = steps[H, k] if k <= bottom else 0.0
        if pending > h:
            h, pending = pending, 0.0
        else:
            k += 1
        product *= rho * h * h
        longest = product if size == 0 else longest
        if size >= least:
            truncation = product if size > least else longest
            best = min(best, 2 * truncation + noise * power(steps[H, bottom] / h, order))
        size += 1
    return best


@helper
def _gap(tab, a, noise):
    """What the two longest steps of the block differ by, where that is more than noise."""
    top = int(tab[BEST, TOP, a])
    gap = abs(tab[PRIMARY, top, a] - tab[PRIMARY, top + 1, a])
    return gap if gap > 4 * (tab[NOISE, top + 1, a] + noise) else 0.0


@helper
def _up_to(steps, top, h):
    """A step above level `top`, short of what is known to be too long; 0 where there is no room."""
    limit = min(steps[CONTROL, BAD], steps[H, top - 1] if top > 0 else np.inf)
    h = h if h < limit else np.sqrt(steps[H, top] * limit)
    return h if h >= 1.5 * steps[H, top] else 0.0


@helper
def _place(steps, top, bottom, c, ratio, longest):
    """Candidates for a new step: the middle of gap c, or above the block, near and far; 0 where there is no room."""
    if c < bottom:
        return np.sqrt(steps[H, c] * steps[H, c + 1]) if steps[H, c] > 2 * steps[H, c + 1] else 0.0
    return _up_to(steps, top, ratio * steps[H, top] if c == bottom else max(ratio * steps[H, top], longest))


@helper
def _climb(tab, steps, count, a, order, total, noise, rtol):
    """Where noise limits: the step, above the block or in a gap of it, that promises most; 0 where none pays."""
    top, bottom, value, ratio = int(tab[BEST, TOP, a]), int(tab[BEST, BOTTOM, a]), abs(tab[BEST, VALUE, a]), ratio_of(order)
    need = noise / (rtol * value) if value > 0 else 1e6
    if not steps[CONTROL, MODEL_RHO] > 0.0:  # truncation never showed
        if order > 2:  # the wanted coefficient is not the value that the sequence tends to
            return _up_to(steps, top, ratio * steps[H, top])
        gap = _gap(tab, a, noise)
        if gap == 0.0 or value == 0.0:
            return _up_to(steps, top, steps[H, top] * max(ratio, min(need, power(LEAP, count[UPS]))))
        steps[CONTROL, MODEL_A], steps[CONTROL, MODEL_RHO] = value, gap / (value * steps[T, top])
    product = value
    for k in range(top, bottom + 1):
        product *= steps[CONTROL, MODEL_RHO] * steps[T, k]
    steps[CONTROL, MODEL_A] = min(steps[CONTROL, MODEL_A], value * max(1.0, tab[BEST, TRUNCATION, a] / product))
    longest = min(np.sqrt(CLOSE / steps[CONTROL, MODEL_RHO]), steps[H, top] * need)
    found, least = 0.0, total
    for c in range(top, bottom + 2):
        h = _place(steps, top, bottom, c, ratio, longest)
        error = _predicted(tab, steps, a, order, h, noise) if h > 0.0 else np.inf
        if error < least:
            found, least = h, error
    return found if least < PAYS / _demand(order) * total else 0.0


@helper
def _kinked(tab, steps, count, members, y0, a):
    """Whether the even part falls like h, as at a kink, or not at all and too large for noise, as at a jump."""
    k, i = count[LEVEL] - 1, members[0, a]
    if k < 1:
        return False
    here, above, ratio = _even(tab, count, y0, k, i), _even(tab, count, y0, k - 1, i), steps[H, k] / steps[H, k - 1]
    return here > above * ratio * np.sqrt(ratio) and here > NOISE_SHARE * max(abs(y0[i]), _change(tab, count, k, i))


@helper
def _clearly(tab, steps, count, members, y0, a):
    """Whether f at the bottom is a kink, whose central slope is steady, or a jump, whose height is; an oscillation whose even
    part fell by accident is neither."""
    k, i = count[LEVEL] - 1, members[0, a]
    if k < 1:
        return False
    odd, odd_above = tab[PRIMARY, k, a] * steps[H, k], tab[PRIMARY, k - 1, a] * steps[H, k - 1]
    even, even_above = _even(tab, count, y0, k, i), _even(tab, count, y0, k - 1, i)
    kink = abs(odd - odd_above * steps[H, k] / steps[H, k - 1]) <= STEADY * even
    jump = max(abs(odd - odd_above), abs(even - even_above)) <= STEADY * even
    return kink or jump


@helper
def _suspicious(tab, steps, count, members, y0, a, order, x_size):
    """Noise by far larger than rounding may be an oscillation: the step that tells, or 0."""
    bottom, raw, size = int(tab[BEST, BOTTOM, a]), tab[BEST, RAW, a], abs(y0[members[0, a]])
    kinked = _kinked(tab, steps, count, members, y0, a) and _clearly(tab, steps, count, members, y0, a)
    if order > 2 or kinked:
        return 0.0
    raw *= power(steps[H, bottom], order - 1)
    rounding, known = tab[BEST, ROUNDING, a] * power(steps[H, bottom], order), 1e-8 * abs(tab[BEST, VALUE, a])
    if raw <= 4 * rounding or tab[BEST, TOTAL, a] <= known:
        return 0.0
    if raw > NOISE_SHARE * size and count[FALLS] < 8:
        count[FALLS], count[LAST], count[MISSES] = count[FALLS] + 1, DOWN, 0
        return _deeper(steps, count, order)
    if raw > NOISE_SHOWS * steps[CONTROL, UNIT] * size and not count[LOOKED]:
        return _look_into(steps, count, raw, x_size)
    return 0.0


@helper
def _weigh(tab, steps, count, members, y0, a, order, rtol, x_size):
    """Truncation against noise, in the best block: the step that takes the larger down, or 0."""
    total, rounding, noise = tab[BEST, TOTAL, a], tab[BEST, ROUNDING, a], tab[BEST, EMPIRICAL, a]
    if total == np.inf:
        return steps[H, count[LEVEL] - 1] / ratio_of(order)
    falling = noise < 0.5 * steps[CONTROL, NOISE_BEFORE] and noise > 4 * rounding  # then it is truncation
    steps[CONTROL, NOISE_BEFORE] = noise
    count[MISSES] = count[MISSES] + 1 if total >= 0.5 / _demand(order) * steps[CONTROL, PREVIOUS] else 0
    steps[CONTROL, PREVIOUS] = min(steps[CONTROL, PREVIOUS], total)
    if count[MISSES] > MOST_MISSES + max(0, order - 4) // 2:
        return 0.0
    truncation = max(tab[BEST, TRUNCATION, a], noise if falling else 0.0)
    noise = rounding if falling else rounding + noise
    if 2 * truncation > noise:
        wanted = rtol * abs(tab[BEST, VALUE, a])
        hidden = 2 * steps[CONTROL, UNIT] * x_size * abs(tab[BEST, VALUE, a]) / steps[H, int(tab[BEST, BOTTOM, a])]
        if order == 1:
            noise = max(noise, hidden)
        return _finer(tab, steps, count, a, order, _model(tab, steps, a, order, truncation), noise, wanted)
    h = _suspicious(tab, steps, count, members, y0, a, order, x_size)
    hopeless = order > 2 and abs(tab[BEST, VALUE, a]) <= noise
    if h > 0.0 or count[UPS] >= (HOPELESS_UPS if hopeless else MOST_UPS):
        return h
    count[UPS], count[LAST] = count[UPS] + 1, UP
    return _climb(tab, steps, count, a, order, total, noise, rtol)


@helper
def _model(tab, steps, a, order, truncation):
    """A and ρ of the model A·Π ρt of the truncation error, where the table shows it; the error that is to be expected."""
    top, bottom, rho = int(tab[BEST, TOP, a]), int(tab[BEST, BOTTOM, a]), tab[BEST, RHO, a]
    if rho > 0.0:
        product = 1.0
        for k in range(top, bottom + 1):
            product *= rho * steps[T, k]
        steps[CONTROL, MODEL_A], steps[CONTROL, MODEL_RHO] = truncation / product, rho
    return max(truncation, 1e-300)


@helper
def _decide(tab, steps, count, members, y0, a, order, rtol, x_size):
    """The next step for the entry in the lead, or 0 where it has what it can get."""
    if count[LAST] == INTO:
        count[LAST] = UP
        if _saw_smooth(tab, steps, count, members, y0, a):
            count[LAST], count[FALLS], count[MISSES], steps[CONTROL, PREVIOUS] = DOWN, 0, 0, np.inf
            return steps[H, count[LEVEL] - 1] * power(ratio_of(order), 2)
    if count[LAST] == DOWN:
        h = _descend(tab, steps, count, members, y0, a, order, x_size)
        if h >= 0.0:
            return h
    h = _weigh(tab, steps, count, members, y0, a, order, rtol, x_size)
    return h if h > 0.0 else _suspicious(tab, steps, count, members, y0, a, order, x_size)


@helper
def _try_own(tab, steps, count, a, x_size):
    """A tiny x as the scale of f, where steps far larger than x gave nothing: its own step, or 0."""
    lost = tab[BEST, TOTAL, a] > 1e-3 * max(abs(tab[BEST, VALUE, a]), MINOR * _largest(tab, count))
    if count[OWN] or not lost or x_size == 0.0 or steps[H, count[LEVEL] - 1] <= 2 * x_size:
        return 0.0
    count[OWN], count[LAST], count[MISSES], steps[CONTROL, PREVIOUS] = 1, DOWN, 0, np.inf
    return START * x_size


@helper
def _largest(tab, count):
    size = 0.0
    for a in range(count[ENTRY]):
        size = max(size, abs(tab[BEST, VALUE, a])) if tab[BEST, TOTAL, a] < np.inf else size
    return size


@helper
def _limited(tab, a):
    """Whether noise is most of what is not known of an entry."""
    total = tab[BEST, TOTAL, a]
    return total < np.inf and tab[BEST, ROUNDING, a] + tab[BEST, EMPIRICAL, a] > 0.5 * total


@helper
def _noise_limited(tab, a):
    """The same, and it is noise: not so much of f that it may be aliasing."""
    return _limited(tab, a) and tab[BEST, RAW, a] <= NOISE_SHARE * tab[BEST, SIZE, a]


@helper
def _counts(tab, steps, a):
    """Whether an entry moves its own output by more than next to nothing."""
    return abs(tab[BEST, VALUE, a]) * steps[H, int(tab[BEST, TOP, a])] > LITTLE * tab[BEST, SIZE, a]


@helper
def _promising(tab, steps, a):
    """Whether an entry counts in its own output and hardly changes over the longest step, so that a far longer one
    promises much."""
    top, size = int(tab[BEST, TOP, a]), abs(tab[BEST, VALUE, a])
    if not _counts(tab, steps, a):
        return False
    gap = _gap(tab, a, tab[BEST, ROUNDING, a] + tab[BEST, EMPIRICAL, a])
    even, bend = abs(tab[COMPANION, top + 1, a]), abs(tab[COMPANION, top, a] - tab[COMPANION, top + 1, a])
    return gap < STRAIGHT * size and (gap == 0.0 or bend < LITTLE * even)


@helper
def _out_of_place(tab, steps, count, lead):
    """Whether the lead turned out to be far smaller than the largest entry, next to nothing in its own output, and limited by
    noise."""
    small = _noise_limited(tab, lead) and abs(tab[BEST, VALUE, lead]) < MINOR * _largest(tab, count)
    return small and not _counts(tab, steps, lead)


@helper
def _worst(tab, steps, count, rtol, patience):
    """The entry that is known least well against its own size, of those that have not had their turn; -1 where all are
    known well enough. Entries far smaller than the largest must not send all to steps that noise in them asks for; they,
    and those that are known not much worse than wanted, come last, and only where they promise much.
    """
    worst, doubt, last, doubt_last, least = -1, patience * rtol, -1, EAGER * rtol, MINOR * _largest(tab, count)
    for a in range(count[ENTRY]):
        total, size = tab[BEST, TOTAL, a], abs(tab[BEST, VALUE, a])
        limited = _noise_limited(tab, a)
        if tab[BEST, TIRED, a] != 0.0 or not total > 0.0:
            continue
        share = total / size if size != 0.0 else np.inf
        if not share <= doubt and not (limited and size < least):
            worst, doubt = a, share
        elif limited and not share <= doubt_last and _promising(tab, steps, a):
            last, doubt_last = a, share
    return last if worst < 0 and count[CALLS] <= FEW else worst


@helper
def _second_step(steps, order):
    """Down; but where f ends not far above, and far above the first step that did not leave its domain, up."""
    h, ratio = steps[H, 0], ratio_of(order)
    return np.sqrt(h * steps[CONTROL, BAD]) if ratio * ratio * h < steps[CONTROL, BAD] < np.inf else h / ratio


@helper
def _next_step(tab, steps, count, members, y0, lead, order, rtol, x_size):
    """The step that the lead asks for, and the lead. It passes from an entry that can gain no more to the one that
    is known least, while there is one worth the evaluations. Step 0: all are done."""
    if count[LEVEL] < 2:
        return _second_step(steps, order), -1
    if lead >= 0:
        _lead_on(tab, steps, count, members, y0, order, x_size, lead)
    if lead < 0 or _out_of_place(tab, steps, count, lead):
        _catch_up(tab, steps, count, members, y0, order, 0, x_size, lead)
        lead = _worst(tab, steps, count, rtol, 1.0)
        if lead < 0:
            return 0.0, lead
        _new_lead(steps, count)
    h, known = 0.0, tab[BEST, TOTAL, lead] <= rtol * abs(tab[BEST, VALUE, lead])
    if not known:
        h = _decide(tab, steps, count, members, y0, lead, order, rtol, x_size)
    if h > 0.0:
        return h, lead
    _catch_up(tab, steps, count, members, y0, order, 0, x_size, lead)
    h = 0.0 if known else _try_own(tab, steps, count, lead, x_size)
    return (h, lead) if h > 0.0 else _hand_over(tab, steps, count, members, y0, lead, order, rtol, x_size)


@helper
def _hand_over(tab, steps, count, members, y0, lead, order, rtol, x_size):
    tab[BEST, TIRED, lead] = 1.0
    while count[CALLS] <= MOST_SHARED_CALLS:
        a = _worst(tab, steps, count, rtol, PATIENCE)
        if a < 0:
            break
        _new_lead(steps, count)
        h = _decide(tab, steps, count, members, y0, a, order, rtol, x_size)
        if h > 0.0:
            return h, a
        tab[BEST, TIRED, a] = 1.0
    return 0.0, lead


@helper
def _new_lead(steps, count):
    """A fresh start for the control; what is known of the domain and of x stays."""
    count[FALLS] = count[UPS] = count[MISSES] = count[LOOKED] = count[TRIAL] = 0
    count[LAST] = DOWN
    steps[CONTROL, PREVIOUS] = steps[CONTROL, NOISE_BEFORE] = np.inf
    steps[CONTROL, MODEL_RHO] = 0.0


@helper
def _retreat(steps, count, h, order):
    """After x ± h left the domain: far down at the start, half way back after a move up, else 0."""
    steps[CONTROL, BAD] = min(steps[CONTROL, BAD], h)
    count[FALLS] += count[LEVEL] == 0
    if count[LEVEL] == 0:
        return h / (2.0 * power(4.0, count[FALLS])) if count[FALLS] < 10 else 0.0
    if count[LEVEL] == 1 and count[ENTRY] > 0:
        return _second_step(steps, order)
    count[UPS] += 1
    back = np.sqrt(steps[H, 0] * h)
    return back if count[LAST] == UP and back > 1.3 * steps[H, 0] and count[UPS] < MOST_UPS else 0.0


@carrier
def _central(f, x, point, scratch, y0, coords, speeds, reach, rtol, order, x_size, tab, steps, count, members):
    """Up and down the steps until every entry is known as well as it can be."""
    h, lead = reach[0], -1
    if count[LEVEL] > 0:  # what was remembered did not do, but it is known
        h, lead = _next_step(tab, steps, count, members, y0, lead, order, rtol, x_size)
    h = exact_along(x, coords, speeds, h, reach[0], steps[CONTROL, UNIT])
    while h > 0.0 and count[LEVEL] < LEVELS and count[CALLS] < MOST_CALLS:
        status = _pair(f, x, point, scratch, y0, coords, speeds, h, reach, tab, count)
        if status == NONFINITE:
            h = exact_along(x, coords, speeds, _retreat(steps, count, h, order), reach[0], steps[CONTROL, UNIT])
            continue
        if status != OK:
            return status
        count[FALLS] *= count[LEVEL] > 0
        _insert(tab, steps, count, members, y0, h, 0)
        if count[ENTRY] == 0:  # nothing moved: once more with a step that does not depend on x
            h = START if count[LEVEL] == 1 and h < START else 0.0
            continue
        h, lead = _next_step(tab, steps, count, members, y0, lead, order, rtol, x_size)
        h = exact_along(x, coords, speeds, h, reach[0], steps[CONTROL, UNIT])
    _catch_up(tab, steps, count, members, y0, order, 0, x_size, lead)
    return OK


# --- steps that did well at another point -----------------------------------------------------------------------------


@inner
def _pair_of_levels(tab, k, a, w):
    """What levels k and k + 1 make of an entry, its gain over level k + 1 alone, and how visible truncation is: against
    the value, or in the companion, whichever says less. `w` is t/(t₀ - t) of these levels."""
    low, high, even, above = tab[PRIMARY, k + 1, a], tab[PRIMARY, k, a], tab[COMPANION, k + 1, a], tab[COMPANION, k, a]
    value = low + (low - high) * w
    gain, bend, seen = abs(value - low), abs(even - above), 4 * (tab[NOISE, k, a] + tab[NOISE, k + 1, a])
    visible = min(gain / abs(value) if value != 0.0 else np.inf, bend / abs(even) if even != 0.0 else np.inf)
    return value, gain, visible if gain > seen else 0.0


@inner
def _made_of(y0, size, h, largest, x_size):
    """How large the numbers are that f is made of, whose rounding shows; f(x) may be 0, where they cancel."""
    return abs(y0) + size * h + INNER * x_size * largest


@helper
def _weight(steps, k):
    return steps[T, k + 1] / (steps[T, k] - steps[T, k + 1])


@helper
def _usual_gain(tab, steps, k, count):
    """The largest value that levels k and k + 1 make, and their gain over level k + 1 as a share of the value, on the whole.
    One that gains less may do so by accident."""
    largest, values, gains, w = 0.0, 0.0, 0.0, _weight(steps, k)
    for a in range(count[ENTRY]):
        value, gain, _ = _pair_of_levels(tab, k, a, w)
        largest, values, gains = max(largest, abs(value)), values + abs(value), gains + gain
    return largest, gains / values if values > 0.0 else 0.0


@helper
def _fond(tab, steps, count, members, y0, k, x_size, memory):
    """Levels k and k + 1 as a memory; the truncation error and the noise of its worst entry."""
    fill(memory, 0.0)
    largest, usual = _usual_gain(tab, steps, k, count)
    worst, noise, gains, offs, h, w = 0.0, 0.0, 0.0, 0.0, steps[H, k + 1], _weight(steps, k)
    for a in range(count[ENTRY]):
        value, gain, visible = _pair_of_levels(tab, k, a, w)
        size, rounding = max(abs(tab[BEST, VALUE, a]), 1e-3 * largest), tab[NOISE, k + 1, a] + tab[BEST, RAW, a] / h
        gain, off = max(gain, SHARE * usual * size), abs(value - tab[BEST, VALUE, a])
        if tab[BEST, TOP, a] == k and tab[BEST, BOTTOM, a] == k + 1:  # the value itself: what its estimate says
            off = tab[BEST, TRUNCATION, a]
        elif tab[BEST, TOP, a] == k and tab[BEST, BOTTOM, a] == k + 2:  # perhaps the value, too, though a level more was known
            off = max(off, tab[BEST, BAND, a])
        if visible > 0.0:  # what is left of a small gain is noise
            memory[LEFT], memory[VISIBLE] = max(memory[LEFT], (off - rounding) / gain), max(memory[VISIBLE], visible)
            gains, offs = gains + gain, offs + off
        seen = tab[BEST, RAW, a] / _made_of(y0[members[0, a]], size, h, largest, x_size)
        memory[NOISE_SEEN] = memory[NOISE_LEVEL] = max(memory[NOISE_SEEN], seen)
        worst, noise = max(worst, off / size), max(noise, rounding / size)
    memory[LEFT] = min(1.0, max(memory[LEFT], offs / gains if gains > 0.0 else 0.0))
    memory[FIRST_STEP], memory[SECOND_STEP] = steps[H, k], h
    memory[HEIGHT] = abs(y0[0]) if y0.size == 1 else 0.0
    return worst, noise


@helper
def _remember(tab, steps, count, members, y0, x_size, memory, trial):
    """The two neighbouring levels that came closest to the result, drawn together until noise would limit them."""
    memory[FIRST_STEP], least, before = 0.0, np.inf, 0.0
    for k in range(count[LEVEL] - 1):
        if not NEAREST <= steps[H, k] / steps[H, k + 1] <= FARTHEST:
            continue
        worst, noise = _fond(tab, steps, count, members, y0, k, x_size, trial)
        trial[LEFT] = max(trial[LEFT], before)  # small by accident?
        before = trial[LEFT] * steps[T, k + 1] / steps[T, k]
        if worst + noise < least and noise > 0.0:
            least = worst + noise
            shrink = min(1.0, max(0.03, (0.1 * noise / worst) ** 0.2)) if worst > 0.0 else 1.0
            assign(memory, trial)
            memory[FIRST_STEP], memory[SECOND_STEP] = shrink * memory[FIRST_STEP], shrink * memory[SECOND_STEP]
            memory[LEFT], memory[VISIBLE] = shrink * shrink * memory[LEFT], shrink * shrink * memory[VISIBLE]


@helper
def _familiar(tab, steps, count, members, y0, x_size, rtol, memory):
    """Whether two remembered steps do for every entry here: then they stand in the table with their error bars."""
    entries, whole = count[ENTRY], _filled_up(count, count[ENTRY])
    for k in range(2):
        _fill_central(tab, steps, count, members, y0, k, 1, x_size, 0, whole)
    largest, usual = _usual_gain(tab, steps, 0, count)
    left, visible, level, height = DISBELIEF * memory[LEFT], ALIKE * memory[VISIBLE], memory[NOISE_LEVEL], memory[HEIGHT]
    unit, wanted, h, w = steps[CONTROL, UNIT], max(rtol, ENOUGH), steps[H, 1], _weight(steps, 0)
    return _strangers(
        tab, members, y0, entries, whole, x_size, wanted, unit, h, w, largest, usual, left, visible, level, height
    ) == 0  # fmt: skip


@independent
def _strangers(tab, members, y0, entries, whole, x_size, wanted, unit, h, w, largest, usual, left, most_visible, level, height):
    """The values that two levels make, with their error bars; how many are not known as well as is wanted."""
    strange = 0
    for a in range(whole):
        value, gain, visible = _pair_of_levels(tab, 0, a, w)
        size, here = max(abs(value), 1e-3 * largest), abs(y0[members[0, a]])
        truncation = (left if visible <= most_visible else HURRY) * max(gain, SHARE * usual * size)
        here = max(here, np.sqrt(here * height))  # the noise in a sum of squares falls like its root
        noise = max(2 * unit * x_size * size, level * _made_of(here, size, h, largest, x_size)) / h
        noise += tab[NOISE, 1, a] + 2 * unit * x_size * abs(tab[COMPANION, 1, a])
        total = 2 * truncation + noise + unit * size
        strange += 0 if a >= entries or total <= max(wanted * size, 2 * noise) else 1
        tab[BEST, VALUE, a], tab[BEST, TOTAL, a], tab[BEST, BAR, a] = value, total, WARY * total
        tab[BEST, TRUNCATION, a], tab[BEST, ROUNDING, a], tab[BEST, EMPIRICAL, a] = truncation, tab[NOISE, 1, a], noise
        tab[BEST, TOP, a], tab[BEST, BOTTOM, a], tab[BEST, SLOW, a] = 0, 1, 0.0
    return strange


@inner
def _trusted(failed):
    """A memory that fails is asked again after 1, 2, 4, … calls: an optimiser's steps become short."""
    return failed & (failed - 1) == 0


@helper
def _learn(tab, steps, count, members, y0, x_size, known, good, memory):
    """How the memory did, and another one where it did not."""
    failed = 0 if known else int(memory[FAILED]) + (memory[FIRST_STEP] > 0.0)
    if not known and _trusted(failed):
        memory[FIRST_STEP] = 0.0
        if good:
            _remember(tab, steps, count, members, y0, x_size, memory, steps[CONTROL, MEMO : MEMO + MEMORY])
    memory[FAILED] = failed


@carrier
def _recall(f, x, point, scratch, y0, coords, speeds, reach, tab, steps, count, members, memory):
    """The two remembered steps, as the first levels of the ladder."""
    for k in range(2):
        h = exact_along(x, coords, speeds, memory[FIRST_STEP + k], reach[0], steps[CONTROL, UNIT])
        if not h > 0.0 or (k == 1 and h >= steps[H, 0]):
            return OK
        status = _pair(f, x, point, scratch, y0, coords, speeds, h, reach, tab, count)
        if status == NONFINITE:
            steps[CONTROL, BAD] = min(steps[CONTROL, BAD], h)
            return OK
        if status != OK:
            return status
        _insert(tab, steps, count, members, y0, h, 0)
    return OK


# --- one-sided, at the edge of the domain -----------------------------------------------------------------------------


@helper
def _settled(tab, count, k, rtol):
    """Whether no entry gains from a finer one-sided level."""
    for a in range(count[ENTRY]):
        total = tab[BEST, TOTAL, a]
        if total > rtol * abs(tab[BEST, VALUE, a]) and (total == np.inf or tab[BEST, BOTTOM, a] > k - 3):
            return False
    return True


@carrier
def _one_sided(f, x, point, scratch, y0, coords, speeds, reach, rtol, order, x_size, tab, steps, count, members):
    """Into the side where f lives, with differences that converge like h: steps halved, Neville in h."""
    side, misses = 1 if count[SIDE] < 0 else -1, 0
    h = min(reach[0], reach[1 + (side > 0)])
    count[LEVEL] = count[DONE] = count[AHEAD] = 0
    while count[LEVEL] < LEVELS // 2 and misses < 12:
        h, k = exact_along(x, coords, speeds, h, reach[0], steps[CONTROL, UNIT]), count[LEVEL]
        if h <= 0.0:
            break
        count[CALLS] += 1
        status = look(f, x, point, scratch, coords, speeds, side * h, stretch(tab[PLUS, k], 0, y0.size))
        if status == NONFINITE:
            h, misses = h / 8.0, misses + 1
            continue
        if status != OK:
            return status
        _insert(tab, steps, count, members, y0, h, side)
        _catch_up(tab, steps, count, members, y0, order, side, x_size, -1)
        if k >= order + 2 and _settled(tab, count, k, rtol):
            break
        h /= 2.0
    return OK


# --- what came out ---------------------------------------------------------------------------------------------------


@helper
def _factorial(order):
    product = 1.0
    for i in range(2, order + 1):
        product *= i
    return product


@helper
def _report(tab, steps, count, members, y0, order, scale, out, error):
    """Hand out a column; an output that never moved has derivative 0, within what rounding can hide."""
    if count[LEVEL] == 0:
        fill(out, np.nan)
        fill(error, np.inf)
        return
    hidden = 4 * steps[CONTROL, UNIT] / power(steps[H, 0], order)
    for i in range(out.size):
        out[i], error[i] = 0.0, hidden * abs(y0[i])
    for a in range(count[ENTRY]):
        i = members[0, a]
        out[i], error[i] = scale * tab[BEST, VALUE, a], scale * tab[BEST, BAR, a]


@helper
def _improve(tab, count, members, scale, out, error):
    """Hand out the entries that are better known from one side; whether there are any."""
    better = False
    for a in range(count[ENTRY]):
        i, e = members[0, a], scale * tab[BEST, BAR, a]
        calm = tab[BEST, SLOW, a] == 0.0 and tab[BEST, TIRED, a] == 0.0
        if (e < error[i] and calm) or np.isnan(out[i]):
            out[i], error[i], better = scale * tab[BEST, VALUE, a], e, True
    return better


@helper
def _verdict(tab, steps, count, members, y0, a, order, rtol, x_size, central, largest):
    """What to think of one entry; `largest` is that of the column, by which far smaller ones are judged.

    Noise goes by that name where the rounding of numbers that f may be made of does not explain it: those of a residual, model
    less data, cancel in f(x), and of thousands some cancel all but completely. What other outputs show of them counts, too.
    """
    size, total, noise = max(abs(tab[BEST, VALUE, a]), MINOR * largest), tab[BEST, TOTAL, a], tab[BEST, ROUNDING, a]
    if total <= max(rtol, 1e-12) * size:
        return CONVERGED
    if not total < np.inf:
        return SCALELESS
    empirical, bottom = tab[BEST, EMPIRICAL, a], int(tab[BEST, BOTTOM, a])
    kinked = central and _kinked(tab, steps, count, members, y0, a)
    if total > 1e-6 * size and (kinked or tab[BEST, SLOW, a]):
        return NONSMOOTH
    cell = power(steps[H, bottom], order)
    made_of = tab[BEST, SIZE, a] + size * cell + largest * power(INNER * x_size, order)
    if empirical > max(0.25 * total, 4 * noise) and empirical * cell > NOISE_SHOWS * steps[CONTROL, UNIT] * made_of:
        return NOISY
    return ROUNDED if 4 * (noise + empirical) > total or total <= 1e-6 * size else SCALELESS


@helper
def _judge(tab, steps, count, members, y0, order, rtol, x_size, side, note):
    """The worst verdict of a column, and the block that gave the least certain entry: its shortest and longest step."""
    worst, status = -1.0, CONVERGED if count[LEVEL] else DOMAIN
    note[0] = note[3] = steps[H, 0] if count[LEVEL] else np.nan
    largest = _largest(tab, count)
    for a in range(count[ENTRY]):
        status = max(status, _verdict(tab, steps, count, members, y0, a, order, rtol, x_size, side == 0, largest))
        doubt = tab[BEST, TOTAL, a] / (abs(tab[BEST, VALUE, a]) + 1e-300)
        if worst < doubt < np.inf:
            worst, note[0] = doubt, steps[H, int(tab[BEST, BOTTOM, a])]
            note[3] = steps[H, int(tab[BEST, TOP, a])]
    note[2], note[4] = status, side


@helper
def nothing_known(count, members):
    """No output is known to respond to anything."""
    fill(members[0], 0)
    fill(members[1], 0)
    count[ENTRY] = 0


@helper
def _reset(steps, count, members):
    for a in range(count[ENTRY]):
        members[1, members[0, a]], members[0, a] = 0, 0
    fill(count[:SLOT], 0)
    steps[CONTROL, BAD] = np.inf
    _new_lead(steps, count)


@helper
def _tire(tab, count):
    """From one side, with steps as long at the most, noise is larger: entries that it limits have nothing to gain there."""
    for a in range(count[ENTRY]):
        tab[BEST, TIRED, a] = _limited(tab, a)


@helper
def _poor(tab, count, members, out, error, rtol, order):
    """Whether an entry that has something to gain is known less well than is wanted, or than is usual."""
    enough = CAUTION * max(rtol, 1e-10 * power(10.0, order))
    for a in range(count[ENTRY]):
        i = members[0, a]
        if tab[BEST, TIRED, a] == 0.0 and not error[i] <= enough * abs(out[i]):
            return True
    return count[LEVEL] == 0


@carrier
def column(f, x, point, scratch, y0, coords, speeds, reach, rtol, order, x_size, tab, steps, count, members, memory, out,
            error, note):  # fmt: skip
    """One column: central differences, and one-sided ones where they cannot have both sides.

    `memory` is empty, or what is remembered of this column (zeros at first) and what will be.
    """
    _reset(steps, count, members)
    steps[CONTROL, HASTE] = order == 1 and rtol > HASTY
    steps[CONTROL, CARE] = 1.0 if order == 1 and x.size == 1 and y0.size == 1 else CAUTION
    scale = _factorial(order) if order % 2 else 0.5 * _factorial(order)
    status, known = OK, False
    if memory.size and memory[FIRST_STEP] > 0.0 and _trusted(int(memory[FAILED])):
        status = _recall(f, x, point, scratch, y0, coords, speeds, reach, tab, steps, count, members, memory)
        known = status == OK and count[LEVEL] == 2 and _familiar(tab, steps, count, members, y0, x_size, rtol, memory)
    if status == OK and not known:
        status = _central(
            f, x, point, scratch, y0, coords, speeds, reach, rtol, order, x_size, tab, steps, count, members
        )
    if status == OK:
        _report(tab, steps, count, members, y0, order, scale, out, error)
        _judge(tab, steps, count, members, y0, order, max(rtol, ENOUGH) if known else rtol, x_size, 0, note)
        if memory.size:
            _learn(tab, steps, count, members, y0, x_size, known, note[2] <= ROUNDED, memory)
    bent = count[LEVEL] > 0 and note[2] == NONSMOOTH  # with one slope on each side: neither is the derivative
    if status == OK and steps[CONTROL, BAD] < np.inf and not bent:
        _tire(tab, count)
        if _poor(tab, count, members, out, error, rtol, order):
            status = _from_one_side(
                f, x, point, scratch, y0, coords, speeds, reach, rtol, order, x_size, tab, steps, count, members, out,
                error, note,
            )  # fmt: skip
    note[1] = count[CALLS]
    return status


@carrier
def _from_one_side(f, x, point, scratch, y0, coords, speeds, reach, rtol, order, x_size, tab, steps, count, members,
                   out, error, note):  # fmt: skip
    """What is better known from one side."""
    blank, scale = count[LEVEL] == 0, _factorial(order)
    status = _one_sided(
        f, x, point, scratch, y0, coords, speeds, reach, rtol, order, x_size, tab, steps, count, members
    )
    if status == OK and blank:
        _report(tab, steps, count, members, y0, order, scale, out, error)
        _judge(tab, steps, count, members, y0, order, rtol, x_size, -count[SIDE], note)
    elif status == OK and _improve(tab, count, members, scale, out, error):
        _judge(tab, steps, count, members, y0, order, rtol, x_size, -count[SIDE], note)
    return status


@helper
def share_rounding(x, notes, unit, rows, error, inner):
    """What the differences of one column do not show. f is made of numbers as large as INNER · Σ |xₖ ∂f/∂xₖ|, where f(x), in
    which they cancel, may be 0: their rounding is in each difference. And f rounds another xₖ first, as in cos(p·xₖ)·xⱼ, by
    u·xₖ at the most: column j changes by u·xₖ·∂²f/∂xₖ∂xⱼ, the scale of xⱼ being what it is by about u·xₖ·(∂f/∂xₖ)/xⱼ."""
    fill(inner, 0.0)
    for k in range(rows.shape[0]):
        for e in range(inner.size):
            inner[e] += abs(rows[k, e]) * abs(x[k])
    for j in range(rows.shape[0]):
        h = notes[j, 0]  # the shortest step that counts; nan where there is none
        share = unit * (INNER / h + 1.0 / max(abs(x[j]), h)) if h > 0.0 else 0.0
        for e in range(inner.size):
            error[j, e] += share * inner[e] if inner[e] < np.inf else 0.0


@gate
def share_rounding_of(x, notes, unit, rows, error, inner):
    """The same for Python."""
    share_rounding(x, notes, unit, rows, error, inner)


@helper
def argument_size(x, coords, speeds):
    """How large the argument is against the speed it moves with: its rounding shows in f."""
    size = speed = 0.0
    for i in range(coords.size):
        size, speed = max(size, abs(x[coords[i]])), max(speed, abs(speeds[i]))
    return size / speed if speed > 0 else 0.0


@winding_kernel
def extrapolate(f, x, given, lower, upper, rtol, roundoff, known, order, groups, speeds, out, error, notes, y0, reach, memory,
                work, tab, steps, count, members, begin, lo, hi):  # fmt: skip
    """Rows lo..hi of the transposed Jacobian, of its error and of the notes: the shortest step that counts, the
    evaluations, the verdict, the longest step that counts, the side (0: both).

    `reach` holds the first step of each group and the room below and above it; it and f(x), in `y0`, are found here
    where `begin` says so. An `error` without rows is not wanted (and a fresh one costs more than the table). `memory` has
    a row for each group, or none.
    """
    x, y0, out, error, notes, work = borrow(x), borrow(y0), borrow(out), borrow(error), borrow(notes), borrow(work)
    tab, steps, count, members, memory = borrow(tab), borrow(steps), borrow(count), borrow(members), borrow(memory)
    point, scratch = work[: x.size], work[x.size :]
    steps[CONTROL, UNIT], steps[CONTROL, KNOWN] = roundoff, known
    if begin:
        wrong = place_search(x, given, order, rtol, lower, upper, reach)
        status = failed(MISPLACED, wrong) if wrong >= 0 else evaluate_at(f, x, point, scratch, y0)
        if status != OK:
            return status
    assign(point, x)
    nothing_known(count, members)
    for g in range(lo, hi):
        coords = groups[groups[g] : groups[g + 1]]
        v = speeds[groups[g] - groups[0] : groups[g + 1] - groups[0]]
        status = column(
            f, x, point, scratch, y0, coords, v, reach[g], rtol, order, argument_size(x, coords, v), tab, steps,
            count, members, memory[g] if memory.shape[0] else scratch[:0], out[g],
            error[g] if error.shape[0] else scratch, notes[g],
        )  # fmt: skip
        if status != OK:
            return failed(status, g)
    return OK if unchanged(point, x) else failed(MUTATED, lo)


@winding_kernel
def extrapolate_points(f, x, reach, rtol, roundoff, known, order, out, error, notes, work, tab, steps, count, members, lo, hi):
    """The same for a function of one number at many points; nan where f is not finite at a point."""
    x, reach, out, error, notes, work = borrow(x), borrow(reach), borrow(out), borrow(error), borrow(notes), borrow(work)
    tab, steps, count, members = borrow(tab), borrow(steps), borrow(count), borrow(members)
    point, scratch = work[:1], work[1:]
    steps[CONTROL, UNIT], steps[CONTROL, KNOWN] = roundoff, known
    coords, speeds, y0 = np.zeros(1, np.int64), np.ones(1), np.zeros(out.shape[1])
    nothing_known(count, members)
    for i in range(lo, hi):
        here, bar, point[0] = x[i : i + 1], error[i] if error.shape[0] else scratch, x[i]
        fill(out[i], np.nan)
        fill(bar, np.inf)
        notes[i, 0], notes[i, 1], notes[i, 2] = np.nan, 0, DOMAIN
        status = look(f, here, point, scratch, coords, speeds, 0.0, y0)
        if status == OK:
            status = column(
                f, here, point, scratch, y0, coords, speeds, reach[i], rtol, order, abs(x[i]), tab, steps, count,
                members, scratch[:0], out[i], bar, notes[i],
            )  # fmt: skip
            notes[i, 1] += 1
        if status != OK and status != NONFINITE:
            return failed(status, i)
    return OK
