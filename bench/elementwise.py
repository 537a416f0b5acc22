"""The derivative at a million points: no overhead counts, only whether f is inlined and vectorised."""

import time
from collections.abc import Callable, Iterator

import numpy as np

from bench import contest, functions, rivals
from bench.contest import Pairs, Rivals
from bench.table import Row, figure_of
from bench.timing import Effort, Timings

NOTES = """\
fastfd: `derivative(f, x, method="central", parallel=False)`. "C alone" repeats inside C into the same
array; "C by ctypes" fills a fresh one, as fastfd does. Neither gcc (without -ffast-math) nor numba
(without SVML) vectorises exp and sin: both call libm. The first and second call are those of a function
just made, the median of three."""

POINTS = 10**6
FRESH = 3


def run(effort: Effort) -> list[Row]:
    return [
        *faced("polynomial", functions.polynomial_function, functions.polynomial_derivative, 1.5, effort),
        *faced("expsin", functions.expsin_function, functions.expsin_derivative, 1.1, effort),
    ]


def faced(name: str, make: Callable, exact: Callable, limit: float, effort: Effort) -> Iterator[Row]:
    f, x, case = make(), np.linspace(-2.0, 2.0, POINTS), f"{name}, 10^6 points"
    field: Rivals = {
        "fastfd central": rivals.function("derivative", f, x, method="central", parallel=False),
        "fastfd adaptive": rivals.function("derivative", f, x, parallel=False),
        "C alone": rivals.c_derivative_alone(name, x),
        "C by ctypes": rivals.c_derivative_called(name, x),
        "njit loop": rivals.njit_derivative(f, x),
    }
    pairs: Pairs = {
        ("fastfd central", "C alone"): limit,
        ("fastfd central", "C by ctypes"): limit,
        ("fastfd central", "njit loop"): None,
        ("fastfd adaptive", "fastfd central"): None,
        ("njit loop", "C alone"): None,
    }
    timings, errors = contest.held(field, exact(x), effort)
    yield from contest.rows(case, pairs, timings, errors)
    if "fastfd central" in timings.seconds:
        yield from first_calls(case, make, x, limit, timings)


def first_calls(case: str, make: Callable, x: np.ndarray, limit: float, timings: Timings) -> Iterator[Row]:
    """What a user pays who differentiates a new function once, and a second time."""
    first, second = np.median([two_calls(make(), x) for _ in range(FRESH)], axis=0)
    yield Row(case, "fastfd, first call of a new f", figure_of(first, None), "", "", float(first), unit="s")
    if "C by ctypes" in timings.seconds:
        c = timings.median("C by ctypes")
        figures = (figure_of(second, None), "C by ctypes", figure_of(c, None))
        yield Row(case, "fastfd, second call of a new f", *figures, float(second / c), limit)


def two_calls(f: Callable, x: np.ndarray) -> tuple[float, float]:
    call = rivals.function("derivative", f, x, method="central", parallel=False).value
    start = time.perf_counter()
    call()
    between = time.perf_counter()
    call()
    return between - start, time.perf_counter() - between
