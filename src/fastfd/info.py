"""What a differentiation tells about itself besides the value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfd.kernels.extrapolate import CONVERGED, DOMAIN, NOISY, NONSMOOTH, ROUNDED, SCALELESS

__all__ = ["SENTENCES", "Info", "InsideInfo"]

#: A sentence for every verdict on a column.
SENTENCES: dict[int, str] = {
    CONVERGED: "converged",
    ROUNDED: "rounding in f limits the accuracy",
    NOISY: "f is noisy here: the steps are larger and the error bar wider",
    NONSMOOTH: "f does not look smooth here: a kink, a jump or an infinite slope",
    DOMAIN: "no step stays in the domain of f",
    SCALELESS: "no step was found at which f shows a derivative",
}


@dataclass(frozen=True)
class Info:
    """How a derivative was found, and how far it can be trusted.

    Attributes
    ----------
    error : ndarray
        A bound on the absolute error of each entry of the value, in its units and shape.
    step : ndarray
        The step of each column (the shortest one that counts for the least certain entry), in units of x.
    nfev : int
        Evaluations of f by this differentiation (the first call for a new shape makes one more, to learn the layout).
    status : ndarray of int
        The verdict on each column: 0 converged, 1 rounding limited, 2 noisy, 3 not smooth, 4 left the domain,
        5 scale not found.
    success : bool
        Whether every column is converged or limited by rounding alone.
    message : str
        One sentence for the worst column; at a kink with the slopes on its two sides, where both are known.
    sides : dict
        For first derivatives of numbers, at up to 8 points or columns that are not smooth: the index, and the
        derivatives to the left and to the right, where both are known to three digits.

    Examples
    --------
    >>> import fastfd
    >>> _, info = fastfd.derivative(abs, 0.0, full_output=True)
    >>> info.success, info.message
    (False, 'f does not look smooth here: a kink, a jump or an infinite slope; slopes -1 to the left, 1 to the right')
    """

    error: NDArray[np.float64]
    step: NDArray[np.float64]
    nfev: int
    status: NDArray[np.int64]
    sides: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        return bool(np.all(self.status <= ROUNDED))

    @property
    def message(self) -> str:
        if self.status.size == 0:
            return "there is nothing to differentiate"
        worst, first = int(self.status.max()), int(self.status.argmax())
        sentence = SENTENCES[worst] + (_slopes(*self.sides[first]) if first in self.sides else "")
        if self.status.size == 1 or worst == CONVERGED:
            return sentence
        where = np.unravel_index(first, self.status.shape)
        index = int(where[0]) if len(where) == 1 else tuple(map(int, where))
        count = int(np.sum(self.status == worst))
        return f"{sentence} (column {index}" + (f" and {count - 1} more)" if count > 1 else ")")

    def __repr__(self) -> str:
        worst = float(np.max(self.error)) if self.error.size else 0.0
        return f"Info(success={self.success}, message={self.message!r}, nfev={self.nfev}, largest error={worst:.1e})"


def _slopes(left: float, right: float) -> str:
    return f"; slopes {left:.4g} to the left, {right:.4g} to the right"


class InsideInfo(NamedTuple):
    """What njit code is told of a derivative: fields of :class:`Info` that it can hold.

    Attributes
    ----------
    error, step, nfev, status, success
        As in :class:`Info`; numbers instead of arrays where x is a number.
    """

    error: Any
    step: Any
    nfev: int
    status: Any
    success: bool
