"""Adaptive Richardson extrapolation: one ladder of steps a column, one table an output entry.

The state of a column is four arrays: `tab` (see ``tableau.py``), `steps` (rows h, t, and two numbers of the
control), `count` (counters, then for each level the evaluation it came from) and `members` (rows: the output
entries that respond; whether an output is among them).
"""

from __future__ import annotations

import numpy as np

from fastfd.kernels.native import (
    MISPLACED,
    MUTATED,
    NONFINITE,
    OK,
    ONLY,
    as_words,
    assign,
    borrow,
    carrier,
    evaluate,
    fill,
    helper,
    kernel,
)
from fastfd.kernels.sweep import evaluate_at, failed, restore, shift, unchanged
from fastfd.kernels.tableau import (
    BAND,
    BEST,
    BOTTOM,
    COMPANION,
    CONTROL,
    EMPIRICAL,
    MINUS,
    NOISE,
    NOISE_SHARE,
    PLUS,
    PRIMARY,
    ROUNDING,
    SIZE,
    SLOW,
    TOP,
    TOTAL,
    UNIT,
    VALUE,
    H,
    T,
    clear,
    extend,
    sheets,
)  # fmt: skip
from fastfd.steps import START, exact_step, place_search

__all__ = [
    "CONVERGED", "DOMAIN", "NOISY", "NONSMOOTH", "ROUNDED", "SCALELESS", "argument_size", "column", "error_bar",
    "extrapolate", "extrapolate_points", "look", "workspace",
]  # fmt: skip

#: No column needs more levels, or more evaluations.
LEVELS, MOST_CALLS = 32, 70
#: Not an integer and not dyadic: a periodic f aliases coherently on such steps and looks converged.
RATIO = 3.7
#: Outputs compared at a time: most do not respond to a column.
BLOCK = 32
MOST_UPS = 6
#: Noise this many times the rounding of f is called by its name.
NOISE_SHOWS = 1e3
#: Once the first entry is known, others ask for more levels only if they are known this many times worse than wanted,
#: and the column has had fewer evaluations than this.
PATIENCE, MOST_SHARED_CALLS = 1e3, 24
#: Entries below this share of the largest do not lead while noise limits them.
MINOR = 1e-2

#: The verdict on a column; the sentences that go with them stand in ``info.py``.
CONVERGED, ROUNDED, NOISY, NONSMOOTH, DOMAIN, SCALELESS = range(6)

#: Counters: levels, entries that respond, evaluations, fast falls, moves up, the last move, the side that left the
#: domain last (-1, 1); from SLOT on: where a level's evaluations are kept.
LEVEL, ENTRY, CALLS, FALLS, UPS, LAST, SIDE, SLOT = range(8)
DOWN, UP, FILL = range(3)
#: More in the control row of ``steps``: the least step known to leave the domain, the lead's error before its move.
BAD, PREVIOUS = 1, 2


def workspace(n: int, m: int, order: int) -> tuple:
    """What one thread needs: point and scratch, tables, steps, counters, members."""
    return (
        np.empty(n + m), np.empty((sheets(order), LEVELS, m)), np.empty((3, LEVELS)),
        np.empty(SLOT + LEVELS, np.int64), np.zeros((2, m), np.int64),
    )  # fmt: skip


# --- looking at f ---------------------------------------------------------------------------------------------------


@carrier
def look(f, x, point, scratch, coords, speeds, h, row):
    """f(x + hv) into `row`."""
    shift(point, x, coords, speeds, h)
    status = evaluate(f, point, row, scratch, 1.0, 1.0, ONLY)
    if status != OK and status != NONFINITE:
        return status
    return status if restore(point, x, coords, speeds, h) else MUTATED


@carrier
def _pair(f, x, point, scratch, coords, speeds, h, reach, tab, count):
    """f(x ± h) into the next slot. The side that failed last is asked first: then a failure costs one call."""
    first = -1 if count[SIDE] < 0 else 1
    for side in (first, -first):
        if h > reach[1 + (side > 0)]:
            count[SIDE] = side
            return NONFINITE
        row = tab[PLUS if side > 0 else MINUS, count[LEVEL]]
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
    whole = a.size - a.size % BLOCK
    for start in range(0, whole, BLOCK):
        differ = 0
        for k in range(BLOCK):
            differ |= a[start + k] ^ b[start + k]
        if differ:
            _enlist(a, b, start, start + BLOCK, count, members)
    _enlist(a, b, whole, a.size, count, members)


@helper
def _fill_central(tab, steps, count, members, y0, k, order, x_size):
    """The odd and the even part of f at level k, for every entry that responds."""
    h, slot = steps[H, k], count[SLOT + k]
    half, square, unit = 0.5 / h, 1.0 / (h * h), steps[CONTROL, UNIT]
    steps[T, k] = h * h
    for a in range(count[ENTRY]):
        i = members[0, a]
        up, down, mid = tab[PLUS, slot, i], tab[MINUS, slot, i], y0[i]
        odd, even = (up - down) * half, ((up - mid) + (down - mid)) * square
        size = abs(up) + abs(down)
        if order % 2:
            tab[PRIMARY, k, a], tab[COMPANION, k, a], tab[NOISE, k, a] = odd, even, unit * size * half
        else:
            tab[PRIMARY, k, a], tab[COMPANION, k, a] = even, odd
            tab[NOISE, k, a] = unit * (size + 2 * abs(mid)) * square
        # the argument is rounded inside f, as in sin(a·x): that shows like rounding of f, and grows like 1/hᵈ as well
        tab[NOISE, k, a] += unit * x_size * abs(odd) * (2 * half if order % 2 else 2 * square)


@helper
def _fill_one_sided(tab, steps, count, members, y0, k, side):
    """(f(x ± h) - f(x)) / ±h at level k: the sequence is its own companion, one coefficient further."""
    h, slot = steps[H, k], count[SLOT + k]
    steps[T, k] = h
    for a in range(count[ENTRY]):
        i = members[0, a]
        there, here = tab[PLUS, slot, i], y0[i]
        tab[PRIMARY, k, a] = tab[COMPANION, k, a] = (there - here) / (side * h)
        tab[NOISE, k, a] = steps[CONTROL, UNIT] * (abs(there) + abs(here)) / h


@helper
def _level(tab, steps, count, members, y0, k, order, side, x_size):
    """Level k of the central (`side` = 0) or the one-sided ladder, and all the blocks that end there."""
    if side:
        _fill_one_sided(tab, steps, count, members, y0, k, side)
        extend(tab, steps, k, count[ENTRY], order - 1, order, x_size)
    else:
        _fill_central(tab, steps, count, members, y0, k, order, x_size)
        extend(tab, steps, k, count[ENTRY], (order - 1) // 2, order // 2, x_size)


@helper
def _insert(tab, steps, count, members, y0, h, order, side, x_size):
    """A new level at its place among the falling steps; the tables grow at the bottom or are made anew."""
    levels, known = count[LEVEL], count[ENTRY]
    _notice(tab[PLUS, levels], y0, count, members)
    if not side:
        _notice(tab[MINUS, levels], y0, count, members)
    for a in range(known, count[ENTRY]):
        tab[BEST, SIZE, a] = abs(y0[members[0, a]])
    k = levels
    while k > 0 and steps[H, k - 1] < h:
        steps[H, k], count[SLOT + k] = steps[H, k - 1], count[SLOT + k - 1]
        k -= 1
    steps[H, k], count[SLOT + k] = h, levels
    count[LEVEL] = levels + 1
    if k < levels or count[ENTRY] > known:
        clear(tab, count[ENTRY])
        k = 0
    for j in range(k, levels + 1):
        _level(tab, steps, count, members, y0, j, order, side, x_size)


# --- where to look next ---------------------------------------------------------------------------------------------


@helper
def ratio_of(order):
    """Higher derivatives need more levels, and rounding grows like 1/hᵈ: the levels must lie closer together."""
    return RATIO ** (2.0 / ((order + 1) // 2 + 1))


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
def _turmoil(tab, steps, count, members, y0, k, a):
    """0 where the bottom behaves like a smooth f, 1 where it does not, 2 where h is far beyond the scale of f."""
    i = members[0, a]
    here, above = _even(tab, count, y0, k, i), _even(tab, count, y0, k - 1, i)
    if here > 0.5 * above and here > 4 * _floor(tab, steps, count, y0, k, i):
        return 2
    if k < 2:
        return 0
    last, before = abs(tab[PRIMARY, k, a] - tab[PRIMARY, k - 1, a]), abs(tab[PRIMARY, k - 1, a] - tab[PRIMARY, k - 2, a])
    if last <= before * steps[H, k] / steps[H, k - 1] or last <= 4 * tab[NOISE, k, a]:
        return 0
    return 2 if last > 0.2 * abs(tab[PRIMARY, k, a]) else 1


@helper
def _tiny(tab, steps, count, members, y0, k, a):
    """Whether what does not fall is so small against f itself that it is noise, not aliasing."""
    i = members[0, a]
    wobble = abs(tab[PRIMARY, k, a] - tab[PRIMARY, k - 1, a]) * steps[H, k]
    return max(_even(tab, count, y0, k, i), wobble) <= NOISE_SHARE * abs(y0[i])


@helper
def _climb(tab, steps, count, a, order, noise, rtol):
    """A larger step where noise limits the best block, as far as truncation lets it; 0 where that cannot pay."""
    top, bottom, value = int(tab[BEST, TOP, a]), int(tab[BEST, BOTTOM, a]), abs(tab[BEST, VALUE, a])
    for k in range(top, bottom):
        if steps[H, k] > 1.5 * ratio_of(order) * steps[H, k + 1]:
            count[LAST] = FILL
            return np.sqrt(steps[H, k] * steps[H, k + 1])
    need = noise / (rtol * value) if value > 0 else 1e6
    gap = abs(tab[PRIMARY, top, a] - tab[PRIMARY, top + 1, a])
    grow = np.sqrt(0.1 * value / gap) if gap > 0 else 16.0 ** (1 + count[UPS])
    grow = ratio_of(order) if order > 2 else grow  # the wanted coefficient is not the value that the sequence tends to
    h = steps[H, top] * min(grow, max(need, ratio_of(order)))
    limit = min(steps[CONTROL, BAD], steps[H, top - 1] if top > 0 else np.inf)
    if h >= limit:
        h = np.sqrt(steps[H, top] * limit)
    count[LAST] = UP
    return h if h > 1.5 * steps[H, top] else 0.0


@helper
def _descend(tab, steps, count, members, y0, a, order):
    """The step below, while that pays; -1 where it does not."""
    k, total, ratio = count[LEVEL] - 1, tab[BEST, TOTAL, a], ratio_of(order)
    turmoil = _turmoil(tab, steps, count, members, y0, k, a)
    if turmoil and not _tiny(tab, steps, count, members, y0, k, a):
        count[FALLS] += turmoil == 2
        return steps[H, k] / (ratio * (4.0 if order <= 2 else 1.5) ** count[FALLS])
    if turmoil == 2 and count[UPS] < MOST_UPS:
        count[UPS], count[LAST] = count[UPS] + 1, UP
        return min(16 * steps[H, 0], np.sqrt(steps[H, 0] * steps[CONTROL, BAD]))
    count[FALLS] = 0
    room = tab[BEST, BOTTOM, a] == k or 10 * ratio * tab[NOISE, k, a] < total
    pays = room and ratio * tab[BEST, ROUNDING, a] < total < 0.5 * steps[CONTROL, PREVIOUS]
    return steps[H, k] / ratio if pays or total == np.inf else -1.0


@helper
def _decide(tab, steps, count, members, y0, a, order, rtol):
    """The next step for the entry in the lead, or 0 where it has what it can get."""
    total, before = tab[BEST, TOTAL, a], steps[CONTROL, PREVIOUS]
    if count[LAST] == DOWN:
        h = _descend(tab, steps, count, members, y0, a, order)
        if count[FALLS] == 0:
            steps[CONTROL, PREVIOUS] = total
        if h >= 0.0:
            return h
    elif total >= before:  # the last move did not pay: half way back, but only where much is wanting
        much = total > PATIENCE * rtol * abs(tab[BEST, VALUE, a]) and tab[BEST, TOP, a] > 0
        if not much or count[UPS] >= MOST_UPS:
            return 0.0
    steps[CONTROL, PREVIOUS] = total
    noise = tab[BEST, ROUNDING, a] + tab[BEST, EMPIRICAL, a]
    if tab[BEST, SLOW, a] and _tiny(tab, steps, count, members, y0, count[LEVEL] - 1, a):
        noise += tab[BEST, BAND, a]  # differences that do not fall, in digits that far down, are noise
    if noise <= 0.2 * total or count[UPS] >= MOST_UPS:
        return 0.0
    count[UPS] += 1
    return _climb(tab, steps, count, a, order, noise, rtol)


@helper
def _largest(tab, count):
    size = 0.0
    for a in range(count[ENTRY]):
        size = max(size, abs(tab[BEST, VALUE, a])) if tab[BEST, TOTAL, a] < np.inf else size
    return size


@helper
def _worst(tab, count, rtol, hopeful):
    """The entry that is known least well against its own size, or -1 where all are known well enough.

    Entries far smaller than the largest must not send all to steps that noise in them alone asks for. With
    `hopeful`, only entries that noise does not limit: for the others the first lead has done what can be done.
    """
    worst, doubt, least = -1, rtol, MINOR * _largest(tab, count)
    for a in range(count[ENTRY]):
        total, noise = tab[BEST, TOTAL, a], tab[BEST, ROUNDING, a] + tab[BEST, EMPIRICAL, a]
        size = abs(tab[BEST, VALUE, a])
        if total < np.inf and noise > 0.5 * total and (hopeful or size < least):
            continue
        share = total / size if size != 0.0 else np.inf
        if not share <= doubt and total > 0.0:
            worst, doubt = a, share
    return worst


@helper
def _next_step(tab, steps, count, members, y0, lead, order, rtol):
    """The step that the lead asks for, and the lead. It passes from an entry that can gain no more to the one that
    is known least, while there is one worth the evaluations. Step 0: all are done."""
    if count[LEVEL] < 2:
        return steps[H, 0] / ratio_of(order), -1
    if lead < 0:
        lead = _worst(tab, count, rtol, False)
        if lead < 0:
            return 0.0, lead
    elif tab[BEST, TOTAL, lead] <= rtol * abs(tab[BEST, VALUE, lead]):
        return _hand_over(tab, steps, count, members, y0, lead, order, rtol)
    h = _decide(tab, steps, count, members, y0, lead, order, rtol)
    return (h, lead) if h > 0.0 else _hand_over(tab, steps, count, members, y0, lead, order, rtol)


@helper
def _hand_over(tab, steps, count, members, y0, lead, order, rtol):
    climbed = count[UPS] > 0
    a = _worst(tab, count, PATIENCE * rtol, climbed)
    if a < 0 or a == lead or count[CALLS] > MOST_SHARED_CALLS:
        return 0.0, lead
    count[FALLS], count[UPS], count[LAST], steps[CONTROL, PREVIOUS] = 0, 0, DOWN, np.inf
    return _decide(tab, steps, count, members, y0, a, order, rtol), a


@helper
def _retreat(steps, count, h):
    """After x ± h left the domain: far down at the start, half way back after a move up, else 0."""
    steps[CONTROL, BAD] = min(steps[CONTROL, BAD], h)
    count[FALLS] += count[LEVEL] == 0
    if count[LEVEL] == 0:
        return h / (2.0 * 4.0 ** count[FALLS]) if count[FALLS] < 10 else 0.0
    count[UPS] += 1
    back = np.sqrt(steps[H, 0] * h)
    return back if count[LAST] == UP and back > 1.3 * steps[H, 0] and count[UPS] < MOST_UPS else 0.0


@helper
def _exact(x, coords, h, unit):
    """h without rounding error in x + h, where one coordinate moves."""
    return exact_step(x[coords[0]], h, unit) if coords.size == 1 else h


@carrier
def _central(f, x, point, scratch, y0, coords, speeds, reach, rtol, order, x_size, tab, steps, count, members):
    """Up and down the steps until every entry is known as well as it can be."""
    h, lead = _exact(x, coords, reach[0], steps[CONTROL, UNIT]), -1
    while h > 0.0 and count[LEVEL] < LEVELS and count[CALLS] < MOST_CALLS:
        status = _pair(f, x, point, scratch, coords, speeds, h, reach, tab, count)
        if status == NONFINITE:
            h = _exact(x, coords, _retreat(steps, count, h), steps[CONTROL, UNIT])
            continue
        if status != OK:
            return status
        count[FALLS] *= count[LEVEL] > 0
        _insert(tab, steps, count, members, y0, h, order, 0, x_size)
        if count[ENTRY] == 0:  # nothing moved: once more with a step that does not depend on x
            h = START if count[LEVEL] == 1 and h < START else 0.0
            continue
        h, lead = _next_step(tab, steps, count, members, y0, lead, order, rtol)
        h = _exact(x, coords, h, steps[CONTROL, UNIT])
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
    count[LEVEL] = 0
    clear(tab, count[ENTRY])
    while count[LEVEL] < LEVELS // 2 and misses < 12:
        h, k = _exact(x, coords, h, steps[CONTROL, UNIT]), count[LEVEL]
        if h <= 0.0:
            break
        count[CALLS] += 1
        status = look(f, x, point, scratch, coords, speeds, side * h, tab[PLUS, k])
        if status == NONFINITE:
            h, misses = h / 8.0, misses + 1
            continue
        if status != OK:
            return status
        _insert(tab, steps, count, members, y0, h, order, side, x_size)
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
def error_bar(tab, a):
    """Twice the total, for the best of many blocks is an optimist; more where f is noisy."""
    empirical, extra = tab[BEST, EMPIRICAL, a], 0.0
    if empirical > 4 * tab[BEST, ROUNDING, a]:
        extra = 2 * max(0.0, min(tab[BEST, BAND, a], 10 * empirical) - empirical)
    return 2 * tab[BEST, TOTAL, a] + extra


@helper
def _report(tab, steps, count, members, y0, order, scale, out, error):
    """Hand out a column; an output that never moved has derivative 0, within what rounding can hide."""
    if count[LEVEL] == 0:
        fill(out, np.nan)
        fill(error, np.inf)
        return
    hidden = 4 * steps[CONTROL, UNIT] / steps[H, 0] ** order
    for i in range(out.size):
        out[i], error[i] = 0.0, hidden * abs(y0[i])
    for a in range(count[ENTRY]):
        i = members[0, a]
        out[i], error[i] = scale * tab[BEST, VALUE, a], scale * error_bar(tab, a)


@helper
def _improve(tab, count, members, scale, out, error):
    """Hand out the entries that are better known from one side; whether there are any."""
    better = False
    for a in range(count[ENTRY]):
        i, e = members[0, a], scale * error_bar(tab, a)
        if e < error[i] or np.isnan(out[i]):
            out[i], error[i], better = scale * tab[BEST, VALUE, a], e, True
    return better


@helper
def _kinked(tab, steps, count, members, y0, a):
    """Whether the even part falls like h, as at a kink, or not at all and too large for noise, as at a jump."""
    k, i = count[LEVEL] - 1, members[0, a]
    if k < 1:
        return False
    here, above, ratio = _even(tab, count, y0, k, i), _even(tab, count, y0, k - 1, i), steps[H, k] / steps[H, k - 1]
    return here > above * ratio * np.sqrt(ratio) and here > NOISE_SHARE * max(abs(y0[i]), _change(tab, count, k, i))


@helper
def _verdict(tab, steps, count, members, y0, a, order, rtol, central):
    """What to think of one entry."""
    size, total, noise = abs(tab[BEST, VALUE, a]), tab[BEST, TOTAL, a], tab[BEST, ROUNDING, a]
    if total <= max(rtol, 1e-12) * size:
        return CONVERGED
    if not total < np.inf:
        return SCALELESS
    empirical, bottom = tab[BEST, EMPIRICAL, a], int(tab[BEST, BOTTOM, a])
    kinked = central and _kinked(tab, steps, count, members, y0, a)
    if total > 1e-6 * size and (kinked or tab[BEST, SLOW, a]):
        return NONSMOOTH
    cell = steps[H, bottom] ** order
    if empirical > max(0.25 * total, 4 * noise) and (
        empirical * cell > NOISE_SHOWS * steps[CONTROL, UNIT] * (tab[BEST, SIZE, a] + size * cell)
    ):
        return NOISY
    return ROUNDED if 4 * (noise + empirical) > total or total <= 1e-6 * size else SCALELESS


@helper
def _judge(tab, steps, count, members, y0, order, rtol, side, note):
    """The worst verdict of a column, and the block that gave the least certain entry: its shortest and longest step."""
    worst, status = -1.0, CONVERGED if count[LEVEL] else DOMAIN
    note[0] = note[3] = steps[H, 0] if count[LEVEL] else np.nan
    for a in range(count[ENTRY]):
        status = max(status, _verdict(tab, steps, count, members, y0, a, order, rtol, side == 0))
        doubt = tab[BEST, TOTAL, a] / (abs(tab[BEST, VALUE, a]) + 1e-300)
        if worst < doubt < np.inf:
            worst, note[0] = doubt, steps[H, int(tab[BEST, BOTTOM, a])]
            note[3] = steps[H, int(tab[BEST, TOP, a])]
    note[2], note[4] = status, side


@helper
def _reset(steps, count, members):
    for a in range(count[ENTRY]):
        members[1, members[0, a]] = 0
    fill(count[:SLOT], 0)
    steps[CONTROL, BAD], steps[CONTROL, PREVIOUS] = np.inf, np.inf


@helper
def _poor(out, error):
    for i in range(out.size):
        if not error[i] <= 1e-9 * abs(out[i]):
            return True
    return False


@carrier
def column(f, x, point, scratch, y0, coords, speeds, reach, rtol, order, x_size, tab, steps, count, members, out,
            error, note):  # fmt: skip
    """One column: central differences, and one-sided ones where they cannot have both sides."""
    _reset(steps, count, members)
    scale = _factorial(order)
    status = _central(
        f, x, point, scratch, y0, coords, speeds, reach, rtol, order, x_size, tab, steps, count, members
    )
    if status == OK:
        _report(tab, steps, count, members, y0, order, scale if order % 2 else 0.5 * scale, out, error)
        _judge(tab, steps, count, members, y0, order, rtol, 0, note)
    if status == OK and steps[CONTROL, BAD] < np.inf and _poor(out, error):
        blank = count[LEVEL] == 0
        status = _one_sided(
            f, x, point, scratch, y0, coords, speeds, reach, rtol, order, x_size, tab, steps, count, members
        )
        if status == OK and blank:
            _report(tab, steps, count, members, y0, order, scale, out, error)
            _judge(tab, steps, count, members, y0, order, rtol, -count[SIDE], note)
        elif status == OK and _improve(tab, count, members, scale, out, error):
            _judge(tab, steps, count, members, y0, order, rtol, -count[SIDE], note)
    note[1] = count[CALLS]
    return status


@helper
def argument_size(x, coords, speeds):
    """How large the argument is against the speed it moves with: its rounding shows in f."""
    size = speed = 0.0
    for i in range(coords.size):
        size, speed = max(size, abs(x[coords[i]])), max(speed, abs(speeds[i]))
    return size / speed if speed > 0 else 0.0


@kernel
def extrapolate(f, x, given, lower, upper, rtol, roundoff, order, groups, speeds, out, error, notes, y0, reach, work, tab,
                steps, count, members, begin, lo, hi):  # fmt: skip
    """Rows lo..hi of the transposed Jacobian, of its error and of the notes: the shortest step that counts, the
    evaluations, the verdict, the longest step that counts, the side (0: both).

    `reach` holds the first step of each group and the room below and above it; it and f(x), in `y0`, are found here
    where `begin` says so. An `error` without rows is not wanted (and a fresh one costs more than the table).
    """
    x, y0, out, error, notes, work = borrow(x), borrow(y0), borrow(out), borrow(error), borrow(notes), borrow(work)
    tab, steps, count, members = borrow(tab), borrow(steps), borrow(count), borrow(members)
    point, scratch = work[: x.size], work[x.size :]
    steps[CONTROL, UNIT] = roundoff
    if begin:
        wrong = place_search(x, given, order, lower, upper, reach)
        status = failed(MISPLACED, wrong) if wrong >= 0 else evaluate_at(f, x, point, scratch, y0)
        if status != OK:
            return status
    assign(point, x)
    fill(members[1], 0)
    count[ENTRY] = 0
    for g in range(lo, hi):
        coords = groups[groups[g] : groups[g + 1]]
        v = speeds[groups[g] - groups[0] : groups[g + 1] - groups[0]]
        status = column(
            f, x, point, scratch, y0, coords, v, reach[g], rtol, order, argument_size(x, coords, v), tab, steps,
            count, members, out[g], error[g] if error.shape[0] else scratch, notes[g],
        )  # fmt: skip
        if status != OK:
            return failed(status, g)
    return OK if unchanged(point, x) else failed(MUTATED, lo)


@kernel
def extrapolate_points(f, x, reach, rtol, roundoff, order, out, error, notes, work, tab, steps, count, members, lo, hi):
    """The same for a function of one number at many points; nan where f is not finite at a point."""
    x, reach, out, error, notes, work = borrow(x), borrow(reach), borrow(out), borrow(error), borrow(notes), borrow(work)
    tab, steps, count, members = borrow(tab), borrow(steps), borrow(count), borrow(members)
    point, scratch = work[:1], work[1:]
    steps[CONTROL, UNIT] = roundoff
    coords, speeds, y0 = np.zeros(1, np.int64), np.ones(1), np.zeros(out.shape[1])
    fill(members[1], 0)
    count[ENTRY] = 0
    for i in range(lo, hi):
        here = x[i : i + 1]
        fill(out[i], np.nan)
        fill(error[i], np.inf)
        notes[i, 0], notes[i, 1], notes[i, 2] = np.nan, 0, DOMAIN
        status = look(f, here, point, scratch, coords, speeds, 0.0, y0)
        if status == OK:
            status = column(
                f, here, point, scratch, y0, coords, speeds, reach[i], rtol, order, abs(x[i]), tab, steps, count,
                members, out[i], error[i], notes[i],
            )  # fmt: skip
            notes[i, 1] += 1
        if status != OK and status != NONFINITE:
            return failed(status, i)
    return OK
