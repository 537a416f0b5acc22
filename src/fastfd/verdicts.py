"""When two gradients agree: the relative error, the scale of practitioners, and the verdict on one entry."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastfd.arrays import as_array

__all__ = ["CORRECT", "INCONCLUSIVE", "SCALE", "WORDS", "WRONG", "entrywise_error", "grade", "judge", "relative_error"]

#: The verdict on an entry, and the words for it.
CORRECT, INCONCLUSIVE, WRONG = range(3)
WORDS = "correct", "inconclusive", "wrong"

#: What practitioners make of a relative error: below the number, the word.
SCALE: tuple[tuple[float, str], ...] = (
    (1e-7, "correct"),
    (1e-5, "probably correct"),
    (1e-3, "suspicious"),
    (np.inf, "a bug"),
)

#: A difference shows a bug when it is so many times the error bar.
FAR = 10.0
#: An error bar of this share of the entry tells all bugs that are worth a name.
SHARP = 1e-6
#: Entries below this share of the largest vanish: terms that cancel leave as much behind.
VANISHING = 1e-14


def relative_error(a: ArrayLike, b: ArrayLike) -> float:
    """‖a − b‖ / (‖a‖ + ‖b‖): how far two gradients are apart, 0 where both vanish.

    Parameters
    ----------
    a, b : array_like
        Two gradients, or other arrays of numbers, of one shape.

    Returns
    -------
    error : float
        From 0 to 1, without a unit; nan where an entry is nan or infinite. Below 1e-7 practitioners call a gradient correct,
        up to 1e-5 probably correct, up to 1e-3 suspicious, and above that a bug.

    Raises
    ------
    TypeError
        If `a` or `b` are not numbers.
    ValueError
        If the shapes differ.

    Notes
    -----
    The measure and the scale are those of F.-F. Li, A. Karpathy and J. Johnson, "CS231n: Convolutional neural networks
    for visual recognition", Stanford University (2015), section on gradient checks, with the sum of two norms, which
    is 1 for a gradient that is left out.

    Examples
    --------
    >>> import fastfd
    >>> fastfd.relative_error([1.0, 2.0], [1.0, 2.0])
    0.0
    >>> round(fastfd.relative_error([3.0, 4.0], [-3.0, -4.0]), 9)
    1.0
    """
    first, second = _numbers(a, "a"), _numbers(b, "b")
    if first.shape != second.shape:
        msg = f"a and b must have one shape, got {first.shape} and {second.shape}"
        raise ValueError(msg)
    largest = float(max(np.abs(first).max(initial=0.0), np.abs(second).max(initial=0.0)))
    if largest == 0.0:
        return 0.0
    with np.errstate(invalid="ignore"):
        first, second = first / largest, second / largest  # or the squares of tiny numbers vanish
    return float(np.linalg.norm(first - second) / (np.linalg.norm(first) + np.linalg.norm(second)))


def _numbers(values: Any, name: str) -> NDArray[Any]:
    array = as_array(values, f"{name} must be an array of numbers")
    if array.dtype.kind not in "biufc":
        msg = f"{name} must be numbers, got {type(values).__name__} of dtype {array.dtype}"
        raise TypeError(msg)
    return array


def entrywise_error(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """The same for each entry."""
    size = np.abs(a) + np.abs(b)
    return np.abs(a - b) / np.where(size == 0.0, 1.0, size)


def grade(error: float) -> str:
    """What practitioners call a relative error."""
    return next((word for limit, word in SCALE if error < limit), SCALE[-1][1])


def judge(
    analytic: NDArray[Any], numerical: NDArray[Any], error: NDArray[np.float64], doubtful: NDArray[np.bool_], precision: float,
    scale: float,
) -> NDArray[np.int8]:
    """The verdict on each entry.

    Wrong: further from the numerical derivative than its error bar by far, and by more than `precision`, the relative
    accuracy that the analytic entries can have. Correct: as close as an error bar allows that could have shown a bug. Else,
    and wherever the numerical derivative itself is doubtful, inconclusive. An entry that is nothing by both, the analytic one
    against `scale`, the largest of all, is correct: no difference could tell more.
    """
    apart, size = np.abs(analytic - numerical), np.maximum(np.abs(analytic), np.abs(numerical))
    vanishing = VANISHING * scale
    nothing = (size <= np.maximum(vanishing, FAR * error)) & (np.abs(analytic) <= vanishing) & (error <= vanishing / SHARP)
    near = apart <= np.maximum(FAR * error, precision * size)
    verdict = np.where(near, np.where(error <= max(SHARP, precision) * size, CORRECT, INCONCLUSIVE), WRONG)
    verdict = np.where(doubtful | ~np.isfinite(numerical) | ~np.isfinite(error), INCONCLUSIVE, verdict)
    verdict = np.where(nothing & ~doubtful, CORRECT, verdict)
    return np.where(np.isfinite(analytic), verdict, WRONG).astype(np.int8)
