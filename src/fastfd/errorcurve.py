"""What a curve of errors over steps says: the order of the truncation, the noise of f, the best step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfd.stencils import Stencil

__all__ = ["Reading", "norm", "read"]

Array = NDArray[np.float64]

#: Errors are smoothed over a quarter of a decade to either side: enough to bridge a zero crossing, and where five
#: points truncate like h⁴ the minimum moves by less than a factor of two.
WINDOW = 0.25
#: The noise that counts is that of the last three decades of steps below the best one.
DECADES_OF_NOISE = 3.0
#: Noise is read where errors are above the limit by the first factor; truncation, where they are above the limit and
#: the noise by the second.
ABOVE_LIMIT, ABOVE_NOISE = 3.0, 10.0
#: A branch of truncation has half a decade at least, and slopes whose middle half differs by less than the first
#: share; with the second it is steady enough not to look for a better part of it.
SHORTEST_BRANCH, SPREAD, STEADY = 0.5, 0.3, 0.02


class Reading(NamedTuple):
    """The order of the truncation, the noise, the best step and the error there; nan for what does not show."""

    slope: float
    noise: float
    best_step: float
    best_error: float


def read(h: Array, error: Array, still: NDArray[np.bool_], limit: float, stencil: Stencil) -> Reading:
    """Read the errors of a stencil at rising steps h, where those below the limit mean nothing.

    `still` marks differences that are exactly zero and should not be: f has not moved, which tells nothing of its
    noise.
    """
    finite = np.isfinite(error)
    if not finite.any():
        return Reading(np.nan, np.nan, np.nan, np.nan)
    h, error, still = h[finite], error[finite], still[finite]
    smooth = np.maximum(_smoothed(h, error), limit)
    spread = np.sqrt(sum(float(w) ** 2 for w in stencil.weights)) / h**stencil.order
    noise = _noise(h, error / spread, ~still & (smooth > ABOVE_LIMIT * limit) & (h < h[_lowest(smooth)]))
    floor = np.maximum(limit, spread * np.nan_to_num(noise))
    best = _lowest(np.maximum(smooth, floor))  # no lower than its noise: the luck of a few steps does not win
    slope = _slope(h, error, smooth, best, floor)
    return Reading(slope, noise, float(h[best]), float(max(smooth[best], floor[best])))


def _lowest(smooth: Array) -> int:
    """Where the curve is lowest; in the middle, where that is in many places, as where the limit hides the bottom."""
    lowest = np.flatnonzero(smooth == smooth.min())
    return int(lowest[lowest.size // 2])


def norm(values: Any) -> float:
    """The 2-norm of all the numbers in an array; hypot, for squares could leave the range of doubles."""
    return float(np.hypot.reduce(np.abs(values), axis=None))


def _smoothed(h: Array, error: Array) -> Array:
    """Root mean squares over a window, in which a lucky zero crossing does not show."""
    logs = np.log10(h)
    lows, highs = np.searchsorted(logs, logs - WINDOW), np.searchsorted(logs, logs + WINDOW, side="right")
    return np.array([_root_mean_square(error[a:b]) for a, b in zip(lows, highs, strict=True)])


def _root_mean_square(values: Array) -> float:
    return norm(values) / float(np.sqrt(values.size))


def _noise(h: Array, amplitude: Array, rounded: NDArray[np.bool_]) -> float:
    if not rounded.any():
        return np.nan
    return _root_mean_square(amplitude[rounded & (h >= h[rounded].max() * 10.0**-DECADES_OF_NOISE)])


def _slope(h: Array, error: Array, smooth: Array, best: int, floor: Array) -> float:
    """The slope where truncation rules: from the lower end of the longest rise, as far up as it is steady."""
    start, stop = _longest_rise(smooth, (smooth > ABOVE_NOISE * floor) & (np.arange(h.size) > best))
    x, y = np.log10(h[start:stop]), np.log10(np.maximum(error[start:stop], np.finfo(float).tiny))
    steadiest, slope = SPREAD, np.nan
    while x.size > 2 and x[-1] - x[0] >= SHORTEST_BRANCH and steadiest > STEADY:
        low, middle, high = _quartiles_of_slopes(x, y)
        if high - low < steadiest * middle:
            steadiest, slope = (high - low) / middle, float(middle)
        x, y = x[: x.size * 3 // 4], y[: x.size * 3 // 4]
    return slope


def _longest_rise(smooth: Array, rules: NDArray[np.bool_]) -> tuple[int, int]:
    """Where the longest run of rising errors begins and ends, of those that stand out."""
    rises = np.concatenate([[False], (np.diff(smooth) > 0) & rules[1:] & rules[:-1], [False]])
    starts, ends = (np.flatnonzero(rises[1:-1] & ~rises[i : i + smooth.size - 1]) for i in (0, 2))
    if starts.size == 0:
        return 0, 0
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest]) + 2


def _quartiles_of_slopes(x: Array, y: Array) -> Array:
    """Of the slopes between points half a branch apart; as robust as those between all pairs (Theil 1950)."""
    half = x.size // 2
    return np.quantile((y[half:] - y[:-half]) / (x[half:] - x[:-half]), (0.25, 0.5, 0.75))
