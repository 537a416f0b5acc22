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
    "BEST",
    "BOTTOM",
    "COMPANION",
    "CONTROL",
    "EMPIRICAL",
    "MINUS",
    "NOISE",
    "NOISE_SHARE",
    "PLUS",
    "PRIMARY",
    "ROUNDING",
    "SIZE",
    "SLOW",
    "TOP",
    "TOTAL",
    "UNIT",
    "VALUE",
    "H",
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
#: Rows of ``tab[BEST]``: the value, its total error estimate, the parts that made it, the block, whether f looked
#: smooth there; and what belongs to no block: |f(x)|, and whether the last differences fall.
VALUE, TOTAL, ROUNDING, EMPIRICAL, BAND, TOP, BOTTOM, SLOW, SIZE, ROUGH = range(10)
#: The same eight rows again, from here on, for the best of the blocks that end at the level in work.
LOCAL = 10
#: Rows of ``steps``: h, falling, and the t that goes with it; then single numbers, the first of them the unit
#: roundoff of f.
H, T, CONTROL = range(3)
UNIT = 0


def sheets(order: int) -> int:
    """The length of the first axis of ``tab`` for a derivative order (one-sided tables are the longest)."""
    return P + 3 * (order + 1)


@helper
def clear(tab, entries):
    """Forget every block (the levels stay)."""
    for a in range(entries):
        tab[BEST, VALUE, a], tab[BEST, TOTAL, a], tab[BEST, SLOW, a] = np.nan, np.inf, 0.0


@helper
def _open_level(tab, j, entries, s_max):
    """A block of one level: the value itself, and no idea of the higher coefficients."""
    for a in range(entries):
        tab[P, j, a], tab[C, j, a], tab[N, j, a] = tab[PRIMARY, j, a], tab[COMPANION, j, a], tab[NOISE, j, a]
    for sheet in range(P + 3, P + 3 * s_max + 3):
        for a in range(entries):
            tab[sheet, j, a] = 0.0


@helper
def _feel(tab, steps, j, entries):
    """Mark where differences of the sequence fall more slowly than t^0.75, above noise: f is not smooth there."""
    if j >= 2:
        ratio = (steps[T, j - 1] / steps[T, j - 2]) ** 0.75
        for a in range(entries):
            last, before = tab[PRIMARY, j, a] - tab[PRIMARY, j - 1, a], tab[PRIMARY, j - 1, a] - tab[PRIMARY, j - 2, a]
            noise = tab[NOISE, j, a] + tab[NOISE, j - 1, a]
            tab[BEST, ROUGH, a] = abs(last) > max(abs(before) * ratio, noise)
    else:
        fill(tab[BEST, ROUGH], 0.0)


@helper
def _doubt(tab, steps, j, a):
    """A finer level far from the best value, where neither noise nor its own truncation explains it: the best
    block had only looked converged (a fast oscillation on a slow trend), so its error is at least that much."""
    bottom, value = int(tab[BEST, BOTTOM, a]), tab[BEST, VALUE, a]
    far, before = abs(tab[PRIMARY, j, a] - value), abs(tab[PRIMARY, bottom, a] - value)
    noise = min(tab[BEST, EMPIRICAL, a] * steps[H, bottom], NOISE_SHARE * tab[BEST, SIZE, a]) / steps[H, j]
    if far > max(0.5 * before, 4 * tab[NOISE, j, a], 4 * noise, tab[BEST, TOTAL, a]):
        tab[BEST, TOTAL, a] = far


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
def _note(tab, a, value, total, rounding, even, band, i, j):
    best = LOCAL
    tab[BEST, best + VALUE, a], tab[BEST, best + TOTAL, a], tab[BEST, best + ROUNDING, a] = value, total, rounding
    tab[BEST, best + EMPIRICAL, a], tab[BEST, best + BAND, a] = even, band
    tab[BEST, best + TOP, a], tab[BEST, best + BOTTOM, a], tab[BEST, best + SLOW, a] = i, j, tab[BEST, ROUGH, a]


@helper
def _choose(tab, a):
    """Keep the block with the least error; but a finer one whose error bar excludes the value so far wins in any
    case, for the coarser one had only looked converged."""
    total, best = tab[BEST, LOCAL + TOTAL, a], tab[BEST, TOTAL, a]
    apart = abs(tab[BEST, LOCAL + VALUE, a] - tab[BEST, VALUE, a])
    if total < best or apart > 4 * (total + best):
        for row in range(LOCAL):
            if row <= SLOW:
                tab[BEST, row, a] = tab[BEST, LOCAL + row, a]


@helper
def extend(tab, steps, j, entries, s_p, s_c, x_size):
    """Add level j at the bottom: all the blocks i..j, and the best of all blocks so far for every entry.

    Wanted are coefficient `s_p` of the sequence, and `s_c` of its companion; a block must know a coefficient
    twice to say how well it knows it. `x_size` is the size of the argument, whose rounding shows in f.
    """
    unit = steps[CONTROL, UNIT]
    _open_level(tab, j, entries, max(s_p, s_c))
    _feel(tab, steps, j, entries)
    for a in range(entries):
        if s_p == 0 and tab[BEST, TOTAL, a] < np.inf:
            _doubt(tab, steps, j, a)
        tab[BEST, LOCAL + TOTAL, a] = np.inf
    for i in range(j - 1, -1, -1):
        w, shrink = 1.0 / (steps[T, i] / steps[T, j] - 1.0), steps[T, j] / steps[T, i]
        size = j - i + 1
        for a in range(entries):
            low, high = tab[P + 3 * s_p, i + 1, a], tab[P + 3 * s_p, i, a]
            even = abs(tab[C + 3 * s_c, i + 1, a] - tab[C + 3 * s_c, i, a]) * steps[H, j]
            _join(tab, s_p, s_c, i, a, w, w / steps[T, j])
            if size < max(s_p, s_c) + 2:
                continue
            value, rounding, band = tab[P + 3 * s_p, i, a], tab[N + 3 * s_p, i, a], abs(low - high)
            known = size >= s_p + 3 and tab[BEST, ROUGH, a] == 0.0
            truncation = max(abs(value - low), abs(value - high) * shrink) if known else band
            even = max(even, min(band, unit * abs(x_size * value) / steps[H, j]))
            total = 2 * truncation + rounding + even + unit * abs(value)
            if total < tab[BEST, LOCAL + TOTAL, a]:
                _note(tab, a, value, total, rounding, even, band, i, j)
    for a in range(entries):
        _choose(tab, a)
