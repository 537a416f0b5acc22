"""Neville's table over every block of neighbouring levels, with an error estimate for each; the best block wins.

A sequence P(t) → c₀ + c₁t + c₂t² + … is known at some t (t = h² for central differences, t = h for one-sided
ones); the wanted derivative is one of the coefficients. A second sequence, the companion, carries the same
noise and less truncation. The tables run across the output entries, the last axis of `tab`.
"""

from __future__ import annotations

import numpy as np

from fastfd.kernels.native import fill, helper

__all__ = [
    "BAND",
    "BAR",
    "BEST",
    "BOTTOM",
    "CAUTION",
    "COMPANION",
    "CONTROL",
    "DISBELIEF",
    "EMPIRICAL",
    "HASTE",
    "MINUS",
    "NOISE",
    "NOISE_SHARE",
    "PLUS",
    "PRIMARY",
    "RAW",
    "RHO",
    "ROUNDING",
    "SIZE",
    "SLOW",
    "TIRED",
    "TOP",
    "TOTAL",
    "TRUNCATION",
    "UNIT",
    "VALUE",
    "H",
    "P",
    "T",
    "clear",
    "extend",
    "sheets",
]  # fmt: skip

#: What does not fall with h and is larger than this share of f is aliasing; what is smaller may be noise.
NOISE_SHARE = 1e-4

#: First axis of ``tab`` (the others: level, entry): f(x ± h) as they came, by evaluation and output; the two
#: sequences and the rounding error of the first, by level; the best blocks; then, for each coefficient, the
#: diagonals of the tables of the two sequences and of the rounding error.
PLUS, MINUS, PRIMARY, COMPANION, NOISE, BEST, P, C, N = range(9)
#: Rows of ``tab[BEST]``: the value; its total error estimate, which chooses among the blocks; the parts that made it
#: (TRUNCATION, ROUNDING, NOISY); the last correction; the block; whether f looked smooth there; 1/ℓ² of the length scale
#: that the table shows; the noise amplitude that the companion shows; the error bar. Then what belongs to no block:
#: |f(x)|, whether the last differences fall, the last gain of a block over the next shorter one with its rate (and that
#: of the companion), the truncation error of that shorter one, and whether the entry has asked for all that it can use.
VALUE, TOTAL, TRUNCATION, ROUNDING, EMPIRICAL, BAND, TOP, BOTTOM, SLOW, RHO, RAW, BAR = range(12)
SIZE, ROUGH, GAIN, RATE, GAIN_2, SHORTER, TIRED = range(12, 19)
#: The rows up to BAR again, from here on, for the best of the blocks that end at the level in work.
LOCAL = 19
#: By how much the error bar exceeds the estimate: the best of many blocks is an optimist, and the more so in the worst
#: of many entries. A first derivative of a number with respect to a number needs none.
CAUTION = 2.0
#: How much faster than its rate predicts a table must be assumed to fail.
DISBELIEF = 4.0
#: The same for a table of two levels, which has no rate of its own; and how visible truncation may be in it.
HURRY, FAINT = 10.0, 0.2
#: What is this many times the noise is not noise alone.
LEFT = 10.0
#: A longer block must be better than a shorter one by this factor: levels far beyond the scale of f change nothing.
WORTHWHILE = 0.9
#: In the error bar: the rounding of f and the noise that shows are in part the same; and f may round several times on its
#: way to the result, though that happens not to show.
OVERLAP, SEVERAL = 0.9, 2.0
#: Rounding of the argument is assumed, unless the companion shows noise this many times smaller.
SHOWN = 6.0
#: Rows of ``steps``: h, falling, and the t that goes with it; then single numbers, the first of them the unit
#: roundoff of f, and whether so little is wanted that two levels may do.
H, T, CONTROL = range(3)
UNIT, HASTE = 0, 1


def sheets(order: int) -> int:
    """The length of the first axis of ``tab`` for a derivative order (one-sided tables are the longest)."""
    return P + 3 * (order + 1)


@helper
def clear(tab, first, stop):
    """Forget every block of a range of entries (the levels stay)."""
    for a in range(first, stop):
        for row in range(BAR + 1):
            tab[BEST, row, a] = 0.0
        tab[BEST, VALUE, a], tab[BEST, TOTAL, a] = np.nan, np.inf


@helper
def _open_level(tab, j, first, stop, s_max):
    """A block of one level: the value itself, and no idea of the higher coefficients."""
    for a in range(first, stop):
        tab[P, j, a], tab[C, j, a], tab[N, j, a] = tab[PRIMARY, j, a], tab[COMPANION, j, a], tab[NOISE, j, a]
    for sheet in range(P + 3, P + 3 * s_max + 3):
        for a in range(first, stop):
            tab[sheet, j, a] = 0.0


@helper
def _feel(tab, steps, j, first, stop):
    """Mark where differences of the sequence fall more slowly than t^0.75, above noise: f is not smooth there."""
    if j >= 2:
        ratio = (steps[T, j - 1] / steps[T, j - 2]) ** 0.75
        for a in range(first, stop):
            last, before = tab[PRIMARY, j, a] - tab[PRIMARY, j - 1, a], tab[PRIMARY, j - 1, a] - tab[PRIMARY, j - 2, a]
            noise = tab[NOISE, j, a] + tab[NOISE, j - 1, a]
            tab[BEST, ROUGH, a] = abs(last) > max(abs(before) * ratio, noise)
    else:
        fill(tab[BEST, ROUGH, first:stop], 0.0)


@helper
def _doubt(tab, steps, j, a):
    """A finer level far from the best value, where neither noise nor its own truncation explains it: the best
    block had only looked converged (a fast oscillation on a slow trend), so its error is at least that much."""
    bottom, value = int(tab[BEST, BOTTOM, a]), tab[BEST, VALUE, a]
    far, before = abs(tab[PRIMARY, j, a] - value), abs(tab[PRIMARY, bottom, a] - value)
    noise = min(tab[BEST, EMPIRICAL, a] * steps[H, bottom], NOISE_SHARE * tab[BEST, SIZE, a]) / steps[H, j]
    if far > max(0.5 * before, 4 * tab[NOISE, j, a], 4 * noise, tab[BEST, TOTAL, a]):
        tab[BEST, TOTAL, a], tab[BEST, BAR, a] = far, max(2 * far, tab[BEST, BAR, a])


@helper
def _raise_coefficients(tab, sheet, s_max, i, a, w, wt, sign):
    """Coefficients s..1 of the block that joins i..j-1 (at i, overwritten) and i+1..j (at i+1).

    With `sign` = 1 the same for bounds on errors: the weights alternate in sign, so the bounds add up.
    """
    for s in range(sheet + 3 * s_max, sheet, -3):
        low, high = tab[s, i + 1, a], tab[s, i, a]
        tab[s, i, a] = low + (low + sign * high) * w + (tab[s - 3, i, a] + sign * tab[s - 3, i + 1, a]) * wt


@helper
def _join(tab, s_p, s_c, i, a, w, wt):
    """Neville's step in all three tables."""
    _raise_coefficients(tab, P, s_p, i, a, w, wt, -1.0)
    _raise_coefficients(tab, C, s_c, i, a, w, wt, -1.0)
    _raise_coefficients(tab, N, s_p, i, a, w, wt, 1.0)
    tab[P, i, a] = tab[P, i + 1, a] + (tab[P, i + 1, a] - tab[P, i, a]) * w
    tab[C, i, a] = tab[C, i + 1, a] + (tab[C, i + 1, a] - tab[C, i, a]) * w
    tab[N, i, a] = tab[N, i + 1, a] * (1 + w) + tab[N, i, a] * w


@helper
def _rate(tab, steps, i, a, value, low):
    """1/ℓ²: how much each level gains over what the one before it gained. The larger of the last two, for one may be
    small by accident."""
    gain = abs(value - low)
    now = gain / (tab[BEST, GAIN, a] * steps[T, i + 1]) if gain > 0.0 else 0.0
    rho = max(now, tab[BEST, RATE, a])
    tab[BEST, GAIN, a], tab[BEST, RATE, a] = gain, now
    return rho


@helper
def _idle(tab, steps, i, a, value, low, noise):
    """Whether level i changes nothing where a change by one rounding already would say that it is beyond the scale of f, and
    something was left to change: not so for a straight line, of which the shorter block shows but noise."""
    beyond = steps[CONTROL, UNIT] * abs(value) * steps[T, i] > tab[BEST, GAIN, a] * steps[T, i + 1]
    return value == low and beyond and tab[BEST, SHORTER, a] > LEFT * noise


@helper
def _companion_rate(tab, steps, i, a, value, low):
    """The same for the companion, without a memory of its rates."""
    gain = abs(value - low)
    rate = gain / (tab[BEST, GAIN_2, a] * steps[T, i + 1]) if gain > 0.0 else 0.0
    tab[BEST, GAIN_2, a] = gain
    return rate


@helper
def _noise(raw, argument, believed):
    """The noise in a block: what the companion shows, or the rounding of the argument where that may be hidden in it."""
    return max(raw, min(argument, SHOWN * raw) if believed else argument)


@helper
def _hasty(tab, i, a, value, low, band, even):
    """The error of two levels: a third would gain what the second gained, by how visible truncation is at the longer
    step. In the value or in the companion, whichever says more, for a trend can hide it in one of them."""
    bend = abs(tab[COMPANION, i, a] - even)
    visible = max(band / abs(value) if value != 0.0 else np.inf, bend / abs(even) if even != 0.0 else np.inf)
    return band if visible > FAINT else HURRY * visible * abs(value - low)


@helper
def _note(tab, a, value, truncation, rounding, noise, band, i, j):
    row = LOCAL
    tab[BEST, row + VALUE, a], tab[BEST, row + TRUNCATION, a], tab[BEST, row + ROUNDING, a] = value, truncation, rounding
    tab[BEST, row + EMPIRICAL, a], tab[BEST, row + BAND, a] = noise, band
    tab[BEST, row + TOP, a], tab[BEST, row + BOTTOM, a], tab[BEST, row + SLOW, a] = i, j, tab[BEST, ROUGH, a]


@helper
def _note_bar(tab, steps, a, total, raw, argument, inner, rho, caution):
    """The error bar does not profit from noise that only happens not to show; and where f rounds its argument at the
    outset, that is a derivative next to x (`inner`), and no difference shows it."""
    row = LOCAL
    rounding, noise = tab[BEST, row + ROUNDING, a], max(raw, argument)
    random = max(OVERLAP * (rounding + noise), SEVERAL * rounding)
    bar = 2 * tab[BEST, row + TRUNCATION, a] + random + inner + steps[CONTROL, UNIT] * abs(tab[BEST, row + VALUE, a])
    if raw > 4 * max(rounding, argument):  # noisy: one sample of it is not enough
        bar, caution = bar + max(0.0, min(tab[BEST, row + BAND, a], 10 * raw) - raw), CAUTION
    tab[BEST, row + TOTAL, a], tab[BEST, row + RHO, a] = total, rho
    tab[BEST, row + RAW, a] = raw * steps[H, int(tab[BEST, row + BOTTOM, a])]
    tab[BEST, row + BAR, a] = caution * bar


@helper
def _learn_noise(tab, steps, a):
    """A finer block is not better, but shows more noise than the best block happened to show: believe it."""
    bottom = int(tab[BEST, BOTTOM, a])
    more = tab[BEST, LOCAL + RAW, a] / steps[H, bottom] - tab[BEST, EMPIRICAL, a]
    if tab[BEST, LOCAL + BOTTOM, a] > bottom and more > 0.0:
        tab[BEST, EMPIRICAL, a] += more
        tab[BEST, TOTAL, a], tab[BEST, BAR, a] = tab[BEST, TOTAL, a] + more, tab[BEST, BAR, a] + CAUTION * more


@helper
def _choose(tab, steps, a, first):
    """Keep the block with the least error; but a finer one whose error bar excludes the value so far wins in any
    case, for the coarser one had only looked converged."""
    total, best = tab[BEST, LOCAL + TOTAL, a], tab[BEST, TOTAL, a]
    apart = abs(tab[BEST, LOCAL + VALUE, a] - tab[BEST, VALUE, a])
    if total < best or apart > 4 * (total + best):
        for row in range(BAR + 1):
            tab[BEST, row, a] = tab[BEST, LOCAL + row, a]
    elif first and total < np.inf:
        _learn_noise(tab, steps, a)


@helper
def extend(tab, steps, j, first, stop, s_p, s_c, argument_size, caution):
    """Add level j at the bottom: all the blocks i..j, and the best of all blocks so far, for a range of entries.

    Wanted are coefficient `s_p` of the sequence, and `s_c` of its companion; a block must know a coefficient
    twice to say how well it knows it. `argument_size` is the size of the argument, whose rounding shows in f;
    `caution` multiplies the error bar.
    """
    unit = steps[CONTROL, UNIT]
    _open_level(tab, j, first, stop, max(s_p, s_c))
    _feel(tab, steps, j, first, stop)
    for a in range(first, stop):
        if s_p == 0 and tab[BEST, TOTAL, a] < np.inf:
            _doubt(tab, steps, j, a)
        tab[BEST, LOCAL + TOTAL, a], tab[BEST, GAIN, a], tab[BEST, RATE, a], tab[BEST, GAIN_2, a] = np.inf, np.inf, 0.0, np.inf
    for i in range(j - 1, -1, -1):
        w, shrink = 1.0 / (steps[T, i] / steps[T, j] - 1.0), steps[T, j] / steps[T, i]
        size = j - i + 1
        for a in range(first, stop):
            low, high = tab[P + 3 * s_p, i + 1, a], tab[P + 3 * s_p, i, a]
            other = tab[C + 3 * s_c, i + 1, a]
            raw = abs(other - tab[C + 3 * s_c, i, a]) * steps[H, j]
            _join(tab, s_p, s_c, i, a, w, w / steps[T, j])
            if size < s_p + 2:
                continue
            value, rounding, band = tab[P + 3 * s_p, i, a], tab[N + 3 * s_p, i, a], abs(low - high)
            idle = _idle(tab, steps, i, a, value, low, rounding + raw)
            rho, rho_2 = _rate(tab, steps, i, a, value, low), _companion_rate(tab, steps, i, a, tab[C + 3 * s_c, i, a], other)
            known = size >= s_p + 3
            truncation = band
            if known and tab[BEST, ROUGH, a] == 0.0:
                truncation = max(abs(value - low), abs(value - high) * shrink)
                truncation *= min(1.0, DISBELIEF * (rho if size >= s_p + 4 else max(rho, rho_2)) * steps[T, i])
            elif steps[CONTROL, HASTE] > 0.0:
                truncation = _hasty(tab, i, a, value, low, band, other)
            if known and (idle or rho * steps[T, i] > 1.0):  # level i is beyond the scale of f, and so proves nothing
                truncation = max(truncation, tab[BEST, SHORTER, a])
            tab[BEST, SHORTER, a] = truncation
            lost = s_p > 0 and known and rho * steps[T, i] > 1.0 and tab[BEST, GAIN, a] > rounding  # all of its values are small
            if size < s_c + 2 or lost:
                continue
            argument = 2 * unit * argument_size * abs(value) / steps[H, j]
            noise = _noise(raw, argument if known else min(argument, band), known)
            total = 2 * truncation + rounding + noise + unit * abs(value)
            if total < WORTHWHILE * tab[BEST, LOCAL + TOTAL, a]:
                _note(tab, a, value, truncation, rounding, noise, band, i, j)
                inner = 2 * unit * argument_size * abs(tab[C + 3 * s_c, i, a])
                _note_bar(tab, steps, a, total, raw, argument, inner, rho if known else np.nan, caution)
    for a in range(first, stop):
        _choose(tab, steps, a, s_p == 0 and s_c == 0)
