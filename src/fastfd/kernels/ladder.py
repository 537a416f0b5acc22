"""Few levels of an even sequence, for second derivatives: the best block, the scale, the noise, the next level.

E(t) = c₀ + c₁t + c₂t² + … is known at some falling t, each with a bound on its noise; wanted is c₀. Where
``tableau.py`` has many levels and a companion to judge them by, a pair of directions has two or three, and what the
axes know: how fast such coefficients fall.
"""

from __future__ import annotations

import numpy as np

from fastfd.kernels.compiler import helper

__all__ = [
    "BOTTOM", "RATE", "RATIO", "ROUNDING", "TOP", "TRUNCATION", "VALUE", "bar", "best_block", "excess", "first_rate",
    "forecast", "second_rate", "total",
]  # fmt: skip

#: The ratio of neighbouring steps: not an integer and not dyadic, as in ``extrapolate.py``.
RATIO = 2.5
#: What is known of the best block: c₀, the two parts of its error, its first and last level, c_{k+1}/c_k.
VALUE, TRUNCATION, ROUNDING, TOP, BOTTOM, RATE = range(6)
#: How much faster than its rate predicts a block must be assumed to fail.
DISBELIEF = 4.0
#: A change this many times smaller than the rates predict is the end of a polynomial; one less small may be an accident,
#: and this share of the prediction stands in for it.
ACCIDENT, LIKELY = 100.0, 0.3
#: Where E changes this many times less, for the same change of t, than one level below, it is beyond the scale of f.
FLATTER = 0.25
#: By how much the error bar exceeds the estimates of truncation and of rounding.
CAUTION, SLOPPY = 2.0, 4.0
#: How far above its noise a coefficient is known.
CLEAR = 4.0
#: A longer block must be better than a shorter one by this factor.
WORTHWHILE = 0.9
#: Up to what c_{k+1}t/c_k a forecast is worth anything.
CLOSE = 0.2
#: A longer step that promises about as much is preferred: the next one will gain from it.
AS_GOOD = 1.2


@helper
def total(found):
    return 2.0 * found[TRUNCATION] + found[ROUNDING]


@helper
def bar(found, unit):
    """The error bar: twice the truncation, for the best of many blocks is an optimist, and four times the rounding, for
    few functions are computed to the last digit."""
    return CAUTION * (2.0 * found[TRUNCATION]) + SLOPPY * found[ROUNDING] + unit * abs(found[VALUE])


@helper
def _join(t, i, j, column, bound):
    """Neville's step to the block i..j, and the bound on its noise: the weights alternate in sign."""
    w = 1.0 / (t[i] / t[j] - 1.0)
    column[i] = column[i + 1] + (column[i + 1] - column[i]) * w
    bound[i] = bound[i + 1] * (1.0 + w) + bound[i] * w


@helper
def _neville(t, j, column, bound):
    """The diagonal of the table that ends at level j."""
    for i in range(j - 1, -1, -1):
        _join(t, i, j, column, bound)


@helper
def _doubt(values, noise, j, found):
    """A finer level far from the best value, where neither noise nor its own truncation explains it: the best block
    had only looked converged (a fast part of f that long steps do not see), so its error is at least that much."""
    far, before = abs(values[j] - found[VALUE]), abs(values[int(found[BOTTOM])] - found[VALUE])
    if far > max(0.5 * before, 4 * noise[j], total(found)):
        found[TRUNCATION] = far


@helper
def _beyond(t, values, noise, i):
    """Whether level i is beyond the scale of f."""
    here, below = t[i] - t[i + 1], t[i + 1] - t[i + 2]
    change, slack = abs(values[i + 1] - values[i]), 2 * (noise[i] + noise[i + 1])
    least, doubt = abs(values[i + 2] - values[i + 1]), 2 * (noise[i + 1] + noise[i + 2])
    return (change + slack) / here < FLATTER * (least - doubt) / below


@helper
def _blocks_ending(t, values, noise, j, size, bend, prior, column, bound, found):
    """The best of the blocks i..j, into `found` where it is better than what is there.

    What level i adds to the block below it is the error of that one; times the rate, with which this has grown from
    block to block, it is the error of its own.
    """
    least, top, error, speed = np.inf, -1, np.inf, 0.0
    before, rate, floor = max(abs(values[j]), size), prior, size * bend * t[j]
    for i in range(j - 1, -1, -1):
        if j - i > 1 and _beyond(t, values, noise, i):
            break
        seen = abs(column[i] - column[i + 1])
        change = max(seen, min(LIKELY * before * rate * t[i + 1], ACCIDENT * seen)) if j - i > 1 else seen
        change, floor = max(change, floor), floor * prior * t[i]
        rate = change / (before * t[i + 1]) if change > 0.0 else 0.0
        before, pace = change, max(rate, prior)
        if pace * t[i] > 1.0 and j - i > 1:
            break
        if pace * t[i] > 1.0:
            continue
        if top == i + 1 and seen > error:
            error, least = seen, 2 * seen + bound[top]
        truncation = change * (1.0 if j - i == 1 and prior == 0.0 else min(1.0, DISBELIEF * pace * t[i]))
        if 2 * truncation + bound[i] < WORTHWHILE * least:
            least, top, error, speed = 2 * truncation + bound[i], i, truncation, pace
    if least < WORTHWHILE * total(found):
        found[VALUE], found[TRUNCATION], found[ROUNDING] = column[top], error, bound[top]
        found[TOP], found[BOTTOM], found[RATE] = top, j, speed


@helper
def best_block(t, values, noise, levels, size, bend, prior, work, found):
    """c₀ from the block of neighbouring levels with the least error estimate.

    `size` is what c₀ is measured by, and `bend` and `prior` are c₁/c₀ and c_{k+1}/c_k as they are to be expected (0 where
    nothing is): a coefficient that happens to vanish does not make those after it vanish.
    """
    column, bound = work[0], work[1]
    found[VALUE], found[TRUNCATION], found[ROUNDING], found[RATE] = np.nan, np.inf, np.inf, 0.0
    found[TOP] = found[BOTTOM] = 0.0
    for j in range(levels):
        column[j], bound[j] = values[j], noise[j]
        if total(found) < np.inf:
            _doubt(values, noise, j, found)
        _neville(t, j, column, bound)
        _blocks_ending(t, values, noise, j, size, bend, prior, column, bound, found)


@helper
def first_rate(t, values, noise, found):
    """c₁/c₀, as far as the noise allows to say: the least bound that a level of the best block gives."""
    rate, value = np.inf, abs(found[VALUE])
    for k in range(int(found[TOP]), int(found[BOTTOM]) + 1):
        if value > 0.0:
            rate = min(rate, (abs(values[k] - found[VALUE]) + noise[k]) / (value * t[k]))
    return rate


@helper
def _three(a, b, c, t, values, noise):
    """What three levels tell of c₂: how far apart their two lines end, how far noise may take them, and what that is in
    units of c₁."""
    upper, lower, across = 1.0 / (t[a] / t[b] - 1.0), 1.0 / (t[b] / t[c] - 1.0), 1.0 / (t[a] / t[c] - 1.0)
    high, low = values[b] + (values[b] - values[a]) * upper, values[c] + (values[c] - values[b]) * lower
    unsure = noise[c] * (1.0 + lower) + noise[b] * (1.0 + lower + upper) + noise[a] * upper
    change = abs(low + (low - high) * across - values[c])
    return abs(low - high), unsure, across / (change * t[b]) if change > 0.0 else np.inf


@helper
def second_rate(t, values, noise, levels):
    """c₂/c₁, and whether c₂ shows through the noise: from the shortest three levels where it does so clearly, for there
    the coefficients after it say least; else the least bound that three levels give."""
    rate, seen, clear = np.inf, False, False
    for a in range(levels - 3, -1, -1):
        for b in range(a + 1, levels - 1):
            for c in range(b + 1, levels):
                apart, unsure, scale = _three(a, b, c, t, values, noise)
                seen |= apart > unsure
                if apart > CLEAR * unsure:
                    rate = min(rate, (apart + unsure) * scale) if clear else (apart + unsure) * scale
                    clear = True
                elif not clear:
                    rate = min(rate, (apart + unsure) * scale)
        if clear:
            break
    return rate, seen


@helper
def excess(t, values, noise, levels, work):
    """How many times larger than their noise the differences of neighbouring blocks are that end at the last level: about
    one where the noise is what it is said to be, for truncation falls from block to block."""
    column, bound, least, last = work[0], work[1], np.inf, levels - 1
    for j in range(last):
        column[j], bound[j] = values[j], noise[j]
        _neville(t, j, column, bound)
    column[last], bound[last] = values[last], noise[last]
    for i in range(last - 1, -1, -1):
        apart, unsure = abs(column[i + 1] - column[i]), bound[i + 1] + bound[i]
        least = min(least, apart / unsure) if unsure > 0.0 else least
        _join(t, i, last, column, bound)
    return least


@helper
def forecast(t, levels, found, size, rate, most):
    """The least error that one more level promises, and where: 0 for below the last one, n for n steps above the block; -1
    where nothing can be promised."""
    top, bottom, noise, model = int(found[TOP]), int(found[BOTTOM]), found[ROUNDING], size
    least, where = np.inf, -1
    for k in range(top, bottom + 1):
        model *= rate * t[k]
    if 2 * found[TRUNCATION] > noise:
        below = t[levels - 1] / RATIO**2
        least, where = 2 * found[TRUNCATION] * min(1.0, DISBELIEF * rate * below) + noise * t[bottom] / below, 0
        size *= max(1.0, found[TRUNCATION] / model) if model > 0.0 else 1.0
    for above in range(1, most + 1):
        longer = rate * t[top] * RATIO ** (2 * above)
        if longer > CLOSE:
            break
        product = size * longer * rate * t[top]
        for k in range(top + 1, bottom + 1):
            product *= rate * t[k]
            error = 2 * product + noise * t[bottom] / t[k]
            if error < AS_GOOD * least:
                least, where = min(error, least), above
    return least, where
