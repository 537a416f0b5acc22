"""The derivative at a million points: no overhead counts, only whether f is inlined and vectorised."""

import time
from collections.abc import Callable, Iterator

import numpy as np

from bench import contest, functions, rivals
from bench.contest import Pairs, Rivals
from bench.table import Row, figure_of
from bench.timing import Effort

NOTES = """\
fastfd: `derivative(f, x, method="central", parallel=False)`. "C alone" repeats inside C into the same
array; "C by ctypes" fills a fresh one, as fastfd does. Neither gcc (without -ffast-math) nor numba
(without SVML) vectorises exp and sin: both call libm. The first and second call are those of a function
just made, the median of five; the second is between two calls of C, which is as cold."""

POINTS = 10**6
FRESH = 5


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
        yield from first_calls(case, make, x, limit, field["C by ctypes"])


def first_calls(case: str, make: Callable, x: np.ndarray, limit: float, c: contest.Rival | None) -> Iterator[Row]:
    """What a user pays who differentiates a new function once, and a second time; before and after that C is called once."""
    rounds = np.array([few_calls(make(), x, c.value if c else None) for _ in range(FRESH)])
    first, before, second, after = np.median(rounds, axis=0)
    yield Row(case, "fastfd, first call of a new f", figure_of(first, None), "", "", float(first), unit="s")
    if c is not None:
        ratio = float(np.median(rounds[:, 2] / rounds[:, [1, 3]].mean(axis=1)))
        figures = (figure_of(second, None), "C by ctypes, once", figure_of((before + after) / 2, None))
        yield Row(case, "fastfd, second call of a new f", *figures, ratio, limit)


def few_calls(f: Callable, x: np.ndarray, c: Callable | None) -> list[float]:
    """The seconds of the first call, of one of C, of the second call and of another of C."""
    call = rivals.function("derivative", f, x, method="central", parallel=False).value
    return [seconds_of(action) if action else np.nan for action in (call, c, call, c)]


def seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
