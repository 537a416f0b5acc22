"""The hand-written njit rival: the loop a numba user writes around his own function.

It is made once per function, as the user's would be, so that LLVM knows f and may inline it, which a
kernel that gets f's address cannot. It writes rows of the transpose and repeats inside, as the C rival
does.
"""

from collections.abc import Callable

import numpy as np
from numba import njit

CBRT_EPS = 6.055454452393343e-06


@njit(error_model="numpy")
def moved(x: float) -> tuple[float, float]:
    h = CBRT_EPS * max(1.0, abs(x))
    return x + h, x - h


def returning(f: Callable) -> Callable:
    """`loop(reps, x, jt)` for a function that returns its result."""

    @njit(error_model="numpy")
    def loop(reps: int, x: np.ndarray, jt: np.ndarray) -> None:
        for _ in range(reps):
            for j in range(x.size):
                kept, row = x[j], jt[j]
                above, below = moved(kept)
                scale = 1.0 / (above - below)
                x[j] = above
                high = f(x)
                x[j] = below
                low = f(x)
                x[j] = kept
                for i in range(row.size):
                    row[i] = (high[i] - low[i]) * scale

    return loop


def in_place(f: Callable) -> Callable:
    """`loop(reps, x, jt, low)` for a function that writes its result."""

    @njit(error_model="numpy")
    def loop(reps: int, x: np.ndarray, jt: np.ndarray, low: np.ndarray) -> None:
        for _ in range(reps):
            for j in range(x.size):
                kept, row = x[j], jt[j]
                above, below = moved(kept)
                scale = 1.0 / (above - below)
                x[j] = above
                f(x, row)
                x[j] = below
                f(x, low)
                x[j] = kept
                for i in range(row.size):
                    row[i] = (row[i] - low[i]) * scale

    return loop


def elementwise(f: Callable) -> Callable:
    """`loop(reps, x, d)` for a function of one number."""

    @njit(error_model="numpy")
    def loop(reps: int, x: np.ndarray, d: np.ndarray) -> None:
        for _ in range(reps):
            for i in range(x.size):
                above, below = moved(x[i])
                d[i] = (f(above) - f(below)) / (above - below)

    return loop
