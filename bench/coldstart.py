"""Start-up, in whole processes: what a script pays that differentiates once."""

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace

from bench import child, contest, rivals
from bench.contest import Pairs
from bench.table import Row, figure_of
from bench.timing import Effort, Timings, compare

NOTES = """\
Whole processes, interpreter start included, numba's cache in a folder of their own. "new f": a function
that no process before has seen; "same f": compiled again as well, since f is not declared cache=True. `import
fastfd` by itself imports nothing; with the first name that is asked for comes numba. The calls inside one
process are single measurements."""

FUNCTION = """
import numpy as np
from numba import njit
@njit
def f(x, scale):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = scale * x[i] * x[i] - {number}.0 * x[i - 1]
    return out
x = np.linspace(0.0, 1.0, 10)
"""
CALL = FUNCTION + "f(x, 2.0)"
DERIVATIVE = "import fastfd" + FUNCTION + "fastfd.jacobian(f, x, args=(2.0,))"
PROBE = (
    "import fastfd, json, time"
    + FUNCTION
    + """
def clocked(call, *args):
    start = time.perf_counter()
    call(*args)
    return time.perf_counter() - start
def differentiate(x, scale):
    fastfd.jacobian(f, x, args=(scale,))
first = clocked(differentiate, x, 2.0)
again = clocked(differentiate, x, 2.0)
values = clocked(differentiate, x + 1.0, 3.0)
f(x, 2)
kind = clocked(differentiate, x, 2)
print(json.dumps([first, again, values, kind]))
"""
)
BASELINE, FIRST = "import numba, compile f, call f", "fastfd, empty cache"
IMPORTS = ("import fastfd", "from fastfd import jacobian")
WARM = ("fastfd, warm cache, same f", "fastfd, warm cache, new f")


def run(effort: Effort) -> list[Row]:
    with tempfile.TemporaryDirectory() as cache:
        timings = compare(processes(cache), replace(effort, rounds=max(3, effort.rounds // 3), budget=6.0))
    if rivals.fastfd() is None:
        return [baseline_row(timings)]
    return [*process_rows(timings), *probed()]


def processes(cache: str) -> dict[str, Callable[[], object]]:
    """compare() calls each twice before it measures: that warms the cache."""
    numbers = itertools.count(10)
    plain = {
        "import numba": lambda: child.output("import numba", cache),
        BASELINE: lambda: child.output(CALL.format(number=next(numbers)), cache),
    }
    if rivals.fastfd() is None:
        return plain
    return {
        **plain,
        IMPORTS[0]: lambda: child.output(IMPORTS[0], cache),
        IMPORTS[1]: lambda: child.output(IMPORTS[1], cache),
        WARM[0]: lambda: child.output(DERIVATIVE.format(number=1), cache),
        WARM[1]: lambda: child.output(DERIVATIVE.format(number=next(numbers)), cache),
        FIRST: from_nothing,
    }


def from_nothing() -> None:
    with tempfile.TemporaryDirectory() as cache:
        child.output(DERIVATIVE.format(number=1), cache)


def baseline_row(timings: Timings) -> Row:
    figure = figure_of(timings.median(BASELINE), None)
    return Row("process", BASELINE, figure, "", "", timings.median(BASELINE), unit="s")


def process_rows(timings: Timings) -> Iterator[Row]:
    pairs: Pairs = {(new, "import numba"): 1.1 for new in IMPORTS} | {(warm, BASELINE): 1.1 for warm in WARM}
    yield from contest.rows("process", pairs, timings, {})
    figures = [figure_of(timings.median(name), None) for name in (FIRST, BASELINE)]
    more = timings.difference(FIRST, BASELINE)
    yield Row("process", FIRST, figures[0], BASELINE, figures[1], more, 4.0, unit="s more")


def probed() -> Iterator[Row]:
    """New values must compile nothing (the smallest compilation takes 30 ms), a new type once per disk."""
    with tempfile.TemporaryDirectory() as cache:
        empty, warm = (json.loads(child.output(PROBE.format(number=n), cache)) for n in (1, 2))
    yield timed("same values again", empty[1], None)
    yield timed("new argument values", empty[2], 0.01)
    yield timed("new argument type, empty cache", empty[3], 1.5)
    yield timed("new argument type, from disk", warm[3], 0.1)


def timed(name: str, seconds: float, limit: float | None) -> Row:
    return Row(
        "call in one process", f"fastfd, {name}", figure_of(seconds, None), "", "", seconds, limit, "s"
    )
