"""The operators in the user's njit code against the same from Python: per call, and what compiling costs."""

import time
from collections.abc import Callable, Iterator

import numpy as np
from numba import njit

from bench import contest, functions, rivals
from bench.contest import Pairs, Rival, Rivals
from bench.table import Row, duration
from bench.timing import Effort, Inside

NOTES = """\
"in njit" repeats the call in compiled code; "from Python" is the plain function, "prepared" the object, both with
parallel=False. The prepared adaptive object remembers its steps from call to call, here always at the same point, and does less;
a call in njit code searches anew, as the plain function does. "compiling" is the first call of a new njit function that calls the
operator, its f and the kernels compiled before; against it the same with a loop of central differences written there."""

INSIDE, PYTHON, PREPARED = "in njit", "from Python", "prepared"


def run(effort: Effort) -> list[Row]:
    rows: list[Row] = []
    for n in (2, 10, 100, 1000):
        x = np.linspace(-1.0, 1.0, n) + 0.1
        for method in ("central", "adaptive"):
            rows += faced(f"Broyden n={n}, {method}", functions.broyden, x, method, functions.broyden_jacobian(x), effort)
    x = np.linspace(-1.2, 1.0, 10)
    return [*rows, *compiling(functions.broyden, x)]


def faced(case: str, f: Callable, x: np.ndarray, method: str, reference: np.ndarray, effort: Effort) -> Iterator[Row]:
    field: Rivals = {
        INSIDE: Rival(*repeated(f, x, method)),
        PYTHON: rivals.function("jacobian", f, x, method=method, parallel=False),
        PREPARED: rivals.prepared("Jacobian", f, x, method=method, parallel=False),
    }
    pairs: Pairs = {(INSIDE, PYTHON): 1.0, (INSIDE, PREPARED): 1.0 if method == "central" else None}
    timings, errors = contest.held(field, reference, effort)
    yield from contest.rows(case, pairs, timings, errors)


def repeated(f: Callable, x: np.ndarray, method: str) -> tuple[Inside, Callable]:
    """Each result is let go before the next call, as it is when Python calls."""
    fastfd = rivals.fastfd()
    if method == "central":
        once = njit(lambda x: fastfd.jacobian(f, x, method="central"))
    else:
        once = njit(lambda x: fastfd.jacobian(f, x))

    @njit
    def loop(repeats, x):
        total = 0.0
        for _ in range(repeats):
            total += once(x)[0, 0]
        return total

    return Inside(lambda repeats: loop(repeats, x)), lambda: once(x)


def compiling(f: Callable, x: np.ndarray) -> Iterator[Row]:
    """Medians of seven first calls."""
    fastfd = rivals.fastfd()

    def central():
        return njit(lambda x: fastfd.jacobian(f, x, method="central"))

    def adaptive():
        return njit(lambda x: fastfd.jacobian(f, x))

    def by_hand():
        def loop(x):
            J = np.empty((x.size, x.size))
            for i in range(x.size):
                h, there = 1e-5, x.copy()
                there[i] += h
                up = f(there)
                there[i] = x[i] - h
                J[:, i] = (up - f(there)) / (2 * h)
            return J

        return njit(loop)

    seconds = {name: [first_call(made(), x) for _ in range(8)][1:] for name, made in
               (("central", central), ("adaptive", adaptive), ("by hand", by_hand))}  # fmt: skip
    hand = float(np.median(seconds["by hand"]))
    for name in ("central", "adaptive"):
        took = float(np.median(seconds[name]))
        yield Row("compiling", f"jacobian, {name}", duration(took), "a loop by hand", duration(hand), took / hand)


def first_call(function: Callable, x: np.ndarray) -> float:
    start = time.perf_counter()
    function(x)
    return time.perf_counter() - start
