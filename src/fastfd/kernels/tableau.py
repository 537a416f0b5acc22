"""Neville's table over every block of neighbouring levels, with an error estimate for each; the best block wins.

A sequence P(t) → c₀ + c₁t + c₂t² + … is known at some t (t = h² for central differences, t = h for one-sided
ones); the wanted derivative is one of the coefficients. A second sequence, the companion, carries the same
noise and less truncation. The tables run across the output entries, the last axis of `tab`.
"""

from __future__ import annotations

import numpy as np

from fastfd.kernels.compiler import helper, independent, inner
from fastfd.kernels.views import fill

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
    "HURRY",
    "LANES",
    "LINE",
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
    "breadth",
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
#: (TRUNCATION, ROUNDING, NOISY); the last correction; its first level; 1/ℓ² of the length scale that the table shows; the
#: noise amplitude that the companion shows; the error bar; its last level; whether f did not look smooth there, and now. Then
#: what belongs to no block: |f(x)|, the last gain of a block over the next shorter one with its rate (and that of the
#: companion), the truncation error of that shorter one, whether the entry has asked for all that it can use; both sequences in
#: the block that is about to be made longer; and the error of two levels in haste.
VALUE, TOTAL, TRUNCATION, ROUNDING, EMPIRICAL, BAND, TOP, RHO, RAW, BAR, BOTTOM, SLOW, ROUGH = range(13)
SIZE, GAIN, RATE, GAIN_2, SHORTER, TIRED, HIGH, HIGH_2, HASTY = range(13, 22)
#: The rows up to BAR again, from here on, for the best of the blocks that end at the level in work.
LOCAL = 22
#: By how much the error bar exceeds the estimate: the best of many blocks is an optimist, and the more so in the worst
#: of many entries. A first derivative of a number with respect to a number needs none.
CAUTION = 2.0
#: How much faster than its rate predicts a table must be assumed to fail.
DISBELIEF = 4.0
#: The same for a table of two levels, which has no rate of its own; and how visible truncation may be in it.
HURRY, FAINT = 10.0, 0.2
#: A level more that changes a value by no more than this share of its noise only adds noise.
SAME = 0.5
#: What is this many times the noise is not noise alone.
LEFT = 10.0
#: A longer block must be better than a shorter one by this factor: levels far beyond the scale of f change nothing.
WORTHWHILE = 0.9
#: In the error bar: the rounding of f and the noise that shows are in part the same; and f may round several times on its
#: way to the result, though that happens not to show.
OVERLAP, SEVERAL = 0.9, 2.0
#: Rounding of the argument is assumed, unless the companion shows noise this many times smaller.
SHOWN = 6.0
#: Doubles in a cache line.
LINE = 8
#: Rows of fewer entries are as long as there are entries, up to whole vectors; and the length of those.
NARROW, LANES = 64, 4
#: Rows of ``steps``: h, falling, and the t that goes with it; then single numbers, the first of them the unit
#: roundoff of f, and whether so little is wanted that two levels may do.
H, T, CONTROL = range(3)
UNIT, HASTE = 0, 1


def sheets(order: int) -> int:
    """The length of the first axis of ``tab`` for a derivative order (one-sided tables are the longest)."""
    return P + 3 * (order + 1)


def breadth(entries):
    """The length of the last axis of ``tab``: what is looked at of an entry stands in rows that must not all fall on the same
    few places of a cache, as they do where they are a multiple of 512 doubles apart. Behind a few there is room for whole
    vectors."""
    return entries + -entries % LANES if entries < NARROW else LINE * ((entries + LINE - 1) // LINE | 1)


@helper
def clear(tab, first, stop):
    """Forget all that was found of a range of entries (the levels stay)."""
    for row in range(ROUGH + 1):
        for a in range(first, stop):
            tab[BEST, row, a] = np.nan if row == VALUE else np.inf if row == TOTAL else 0.0


# --- one entry ----------------------------------------------------------------------------------------------------------


@inner
def _forget(tab, a):
    """No block that ends at the level in work is the best yet, or has gained. (What only some entries ask for is written, too:
    processors take hundreds of cycles to leave out by lanes what was never written.)"""
    tab[BEST, LOCAL + TOTAL, a] = tab[BEST, GAIN, a] = tab[BEST, GAIN_2, a] = np.inf
    tab[BEST, RATE, a] = tab[BEST, SHORTER, a] = tab[BEST, HIGH, a] = tab[BEST, HIGH_2, a] = tab[BEST, HASTY, a] = 0.0


@inner
def _open(tab, j, a):
    """A block of one level: the value itself."""
    tab[P, j, a], tab[C, j, a], tab[N, j, a] = tab[PRIMARY, j, a], tab[COMPANION, j, a], tab[NOISE, j, a]
    _forget(tab, a)


@inner
def _feel(tab, j, a, ratio):
    """Mark where differences of the sequence fall more slowly than t^0.75, above noise: f is not smooth there."""
    last, before = tab[PRIMARY, j, a] - tab[PRIMARY, j - 1, a], tab[PRIMARY, j - 1, a] - tab[PRIMARY, j - 2, a]
    tab[BEST, ROUGH, a] = abs(last) > max(abs(before) * ratio, tab[NOISE, j, a] + tab[NOISE, j - 1, a])


@inner
def _doubt(tab, steps, j, a):
    """A finer level far from the best value, where neither noise nor its own truncation explains it: the best
    block had only looked converged (a fast oscillation on a slow trend), so its error is at least that much."""
    if tab[BEST, TOTAL, a] < np.inf:
        bottom, value = int(tab[BEST, BOTTOM, a]), tab[BEST, VALUE, a]
        far, before = abs(tab[PRIMARY, j, a] - value), abs(tab[PRIMARY, bottom, a] - value)
        noise = min(tab[BEST, EMPIRICAL, a] * steps[H, bottom], NOISE_SHARE * tab[BEST, SIZE, a]) / steps[H, j]
        if far > max(0.5 * before, 4 * tab[NOISE, j, a], 4 * noise, tab[BEST, TOTAL, a]):
            tab[BEST, TOTAL, a], tab[BEST, BAR, a] = far, max(2 * far, tab[BEST, BAR, a])


@inner
def _raise(tab, s, i, a, w, wt, sign):
    """One coefficient, not the first, of the block that joins i..j-1 (at i, overwritten) and i+1..j (at i+1).

    With `sign` = 1 the same for bounds on errors: the weights alternate in sign, so the bounds add up.
    """
    low, high = tab[s, i + 1, a], tab[s, i, a]
    tab[s, i, a] = low + (low + sign * high) * w + (tab[s - 3, i, a] + sign * tab[s - 3, i + 1, a]) * wt


@inner
def _hurry(tab, i, a, w):
    """The error of two levels: a third would gain what the second gained, by how visible truncation is at the longer
    step. In the value or in the companion, whichever says more, for a trend can hide it in one of them."""
    low, high, even = tab[P, i + 1, a], tab[P, i, a], tab[C, i + 1, a]
    gain, band, bend = abs((low - high) * w), abs(low - high), abs(tab[COMPANION, i, a] - even)
    value = low + (low - high) * w
    visible = max(band / abs(value) if value != 0.0 else np.inf, bend / abs(even) if even != 0.0 else np.inf)
    tab[BEST, HASTY, a] = band if visible > FAINT else HURRY * visible * gain


@inner
def _bar(truncation, rounding, raw, argument, band, inside, last, caution):
    """The error bar does not profit from noise that only happens not to show; and where f rounds its argument at the
    outset, that is a derivative next to x (`inside`), and no difference shows it."""
    random = max(OVERLAP * (rounding + max(raw, argument)), SEVERAL * rounding)
    bar, noisy = 2 * truncation + random + inside + last, raw > 4 * max(rounding, argument)  # one sample of that is not enough
    return (CAUTION if noisy else caution) * (bar + (max(0.0, min(band, 10 * raw) - raw) if noisy else 0.0))


@inner
def _block(tab, p, c, i, a, w, t, below, shrink, h, known, seasoned, sought, hasty, unit, inside, caution):
    """The block i..j and its errors; it is kept where it is the best that ends at j, at the step `h`.

    Level i is at `t` and the next one at `below`; it is `known` how fast levels gain, `seasoned` where the block tells that by
    itself; and `sought` are blocks that the companion is known from, too. The argument is rounded by `inside`.
    """
    high, high_2, low, other = tab[P, i, a], tab[C, i, a], tab[P, i + 1, a], tab[C, i + 1, a]
    value, even, rounding = low + (low - high) * w, other + (other - high_2) * w, tab[N, i + 1, a] * (1 + w) + tab[N, i, a] * w
    tab[P, i, a], tab[C, i, a], tab[N, i, a] = value, even, rounding
    if p != P:
        high, value, low, rounding = tab[BEST, HIGH, a], tab[p, i, a], tab[p, i + 1, a], tab[N - P + p, i, a]
    if c != C:
        high_2, even, other = tab[BEST, HIGH_2, a], tab[c, i, a], tab[c, i + 1, a]
    gain, gain_2, band, raw, size = abs(value - low), abs(even - other), abs(low - high), abs(other - high_2) * h, abs(value)
    # 1/l^2: how much each level gains over what the one before it gained; the larger of the last two, for one may be small
    # by accident
    before, before_2, shorter = tab[BEST, GAIN, a] * below, tab[BEST, GAIN_2, a] * below, tab[BEST, SHORTER, a]
    now, rho_2 = gain / before if gain > 0.0 else 0.0, gain_2 / before_2 if gain_2 > 0.0 else 0.0
    rho = max(now, tab[BEST, RATE, a])
    tab[BEST, GAIN, a], tab[BEST, RATE, a], tab[BEST, GAIN_2, a] = gain, now, gain_2
    truncation = max(gain, abs(value - high) * shrink)
    truncation *= min(1.0, DISBELIEF * (rho if seasoned else max(rho, rho_2)) * t)
    alone = tab[BEST, HASTY, a] if hasty else band
    truncation = truncation if known and tab[BEST, ROUGH, a] == 0.0 else alone
    # Level i may change nothing where a change by one rounding already would say that it is beyond the scale of f, and
    # something was left to change: not so for a straight line, of which the shorter block shows but noise.
    idle = gain == 0.0 and unit * size * t > before and shorter > LEFT * (rounding + raw)
    beyond = known and rho * t > 1.0
    truncation = max(truncation, shorter) if beyond or (known and idle) else truncation  # what is beyond proves nothing
    tab[BEST, SHORTER, a] = truncation
    argument = inside * size / h
    noise = max(raw, min(argument, SHOWN * raw if known else band))
    total = 2 * truncation + rounding + noise + unit * size
    lost = p != P and beyond and gain > rounding  # all of its values are small
    if sought and not lost and total < WORTHWHILE * tab[BEST, LOCAL + TOTAL, a]:
        # without level j the steps are longer: what noise hides of the truncation is less than the noise that they spare, more
        # often than not, and within a bar that is cautious
        value = high if p == P and caution > 1.0 and band <= SAME * (rounding + noise) else value
        tab[BEST, LOCAL + VALUE, a], tab[BEST, LOCAL + TOTAL, a], tab[BEST, LOCAL + TRUNCATION, a] = value, total, truncation
        tab[BEST, LOCAL + ROUNDING, a], tab[BEST, LOCAL + EMPIRICAL, a], tab[BEST, LOCAL + BAND, a] = rounding, noise, band
        tab[BEST, LOCAL + TOP, a], tab[BEST, LOCAL + RHO, a], tab[BEST, LOCAL + RAW, a] = i, rho if known else np.nan, raw * h
        tab[BEST, LOCAL + BAR, a] = _bar(truncation, rounding, raw, argument, band, inside * abs(even), unit * size, caution)


@inner
def _choose(tab, steps, j, a, learns):
    """Keep the block with the least error; but a finer one whose error bar excludes the value so far wins in any
    case, for the coarser one had only looked converged."""
    row, total, best, value = LOCAL, tab[BEST, LOCAL + TOTAL, a], tab[BEST, TOTAL, a], tab[BEST, LOCAL + VALUE, a]
    if total < best or abs(value - tab[BEST, VALUE, a]) > 4 * (total + best):
        tab[BEST, VALUE, a], tab[BEST, TOTAL, a], tab[BEST, TRUNCATION, a] = value, total, tab[BEST, row + TRUNCATION, a]
        tab[BEST, ROUNDING, a], tab[BEST, EMPIRICAL, a] = tab[BEST, row + ROUNDING, a], tab[BEST, row + EMPIRICAL, a]
        tab[BEST, BAND, a], tab[BEST, TOP, a] = tab[BEST, row + BAND, a], tab[BEST, row + TOP, a]
        tab[BEST, RHO, a], tab[BEST, RAW, a] = tab[BEST, row + RHO, a], tab[BEST, row + RAW, a]
        tab[BEST, BAR, a], tab[BEST, BOTTOM, a], tab[BEST, SLOW, a] = tab[BEST, row + BAR, a], j, tab[BEST, ROUGH, a]
    elif learns and total < np.inf:
        _learn_noise(tab, steps, a)


@inner
def _learn_noise(tab, steps, a):
    """A finer block is not better, but shows more noise than the best block happened to show: believe it."""
    more = tab[BEST, LOCAL + RAW, a] / steps[H, int(tab[BEST, BOTTOM, a])] - tab[BEST, EMPIRICAL, a]
    if more > 0.0:
        tab[BEST, EMPIRICAL, a] += more
        tab[BEST, TOTAL, a], tab[BEST, BAR, a] = tab[BEST, TOTAL, a] + more, tab[BEST, BAR, a] + CAUTION * more


# --- all entries ------------------------------------------------------------------------------------------------------


@independent
def _open_all(tab, j, first, stop):
    for a in range(first, stop):
        _open(tab, j, a)


@independent
def _feel_all(tab, j, first, stop, ratio):
    for a in range(first, stop):
        _feel(tab, j, a, ratio)


@independent
def _doubt_all(tab, steps, j, first, stop):
    for a in range(first, stop):
        _doubt(tab, steps, j, a)


@helper
def _raise_all(tab, s_p, s_c, i, first, stop, w, wt):
    """All coefficients but the first, once what the longer block says of the wanted ones is kept."""
    for a in range(first, stop):
        tab[BEST, HIGH, a], tab[BEST, HIGH_2, a] = tab[P + 3 * s_p, i, a], tab[C + 3 * s_c, i, a]
        for s in range(s_c, 0, -1):
            _raise(tab, C + 3 * s, i, a, w, wt, -1.0)
        for s in range(s_p, 0, -1):
            _raise(tab, P + 3 * s, i, a, w, wt, -1.0)
            _raise(tab, N + 3 * s, i, a, w, wt, 1.0)


@independent
def _hurry_all(tab, i, first, stop, w):
    for a in range(first, stop):
        _hurry(tab, i, a, w)


@independent
def _blocks(tab, p, c, i, first, stop, w, t, below, shrink, h, known, seasoned, sought, hasty, unit, inside, caution):
    for a in range(first, stop):
        _block(tab, p, c, i, a, w, t, below, shrink, h, known, seasoned, sought, hasty, unit, inside, caution)


@independent
def _end(tab, steps, j, first, stop, learns):
    for a in range(first, stop):
        _choose(tab, steps, j, a, learns)


@independent
def _forget_all(tab, first, stop):
    for a in range(first, stop):
        _forget(tab, a)


@helper
def extend(tab, steps, j, first, stop, s_p, s_c, argument_size, caution):
    """Add level j at the bottom: all the blocks i..j, and the best of all blocks so far, for a range of entries.

    Wanted are coefficient `s_p` of the sequence, and `s_c` of its companion; a block must know a coefficient
    twice to say how well it knows it. `argument_size` is the size of the argument, whose rounding shows in f;
    `caution` multiplies the error bar.
    """
    p, c, unit, hasty = P + 3 * s_p, C + 3 * s_c, steps[CONTROL, UNIT], steps[CONTROL, HASTE] > 0.0
    for sheet in range(P + 3, P + 3 * max(s_p, s_c) + 3):  # no idea of the higher coefficients
        fill(tab[sheet, j, first:stop], 0.0)
    _open_all(tab, j, first, stop)
    if j > 1:
        root = np.sqrt(steps[T, j - 1] / steps[T, j - 2])
        _feel_all(tab, j, first, stop, root * np.sqrt(root))
    if j > 1 and s_p == 0:
        _doubt_all(tab, steps, j, first, stop)
    for i in range(j - 1, -1, -1):
        t, last, more = steps[T, i], steps[T, j], j - i - 1 - s_p  # more levels than the coefficient needs
        w = last / (t - last)
        if s_c > 0:
            _raise_all(tab, s_p, s_c, i, first, stop, w, w / last)
        if hasty:
            _hurry_all(tab, i, first, stop, w)
        _blocks(
            tab, p, c, i, first, stop, w, t, steps[T, i + 1], last / t, steps[H, j], more > 0, more > 1,
            j - i > s_c and more >= 0, hasty, unit, 2 * unit * argument_size, caution,
        )  # fmt: skip
        if more < 0:  # that says nothing yet
            _forget_all(tab, first, stop)
    _end(tab, steps, j, first, stop, s_c == 0)
