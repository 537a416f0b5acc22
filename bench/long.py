"""Long work: what the pieces cost between which Python looks for Ctrl-C, and how soon an interrupt comes through."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from interrupt import sines

from bench import child, contest
from bench.contest import Rival, Rivals
from bench.table import Row
from bench.timing import Effort

NOTES = """\
fastfd: `Jacobian(f, method="central")(x, args)`, in pieces as it is, and with pieces switched off (`PACE` and `SHORT` infinite),
in turns in one process. Ctrl-C: a child process gets SIGINT one second into a Jacobian of a minute; seconds until
KeyboardInterrupt is caught, the largest of three."""

PIECES, WHOLE = "in pieces", "in one go"


def run(effort: Effort) -> list[Row]:
    often = replace(effort, rounds=4 * effort.rounds)
    rows = [*costs("10 us", 8, 40, 1.02, often), *costs("2 ms", 50, 2000, 1.01, often)]
    seconds = Effort(rounds=max(5, effort.rounds // 3), sample=effort.sample, budget=20.0)
    return [*rows, *costs("1 s", 500, 100_000, 1.01, seconds), *interrupts()]


def costs(what: str, n: int, rounds: int, limit: float, effort: Effort) -> Iterator[Row]:
    import fastfd

    J, x = fastfd.Jacobian(sines, method="central", parallel=False), np.linspace(1.0, 2.0, n)
    field: Rivals = {
        PIECES: Rival(lambda: J(x, rounds), lambda: J(x, rounds)),
        WHOLE: Rival(whole(lambda: J(x, rounds)), whole(lambda: J(x, rounds))),
    }
    timings, errors = contest.held(field, J(x, rounds), effort)
    yield from contest.rows(f"a call of {what}, {n} columns", {(PIECES, WHOLE): limit}, timings, errors)


def whole(call: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    """The same without pieces; switching costs 0.2 us."""
    from fastfd import pace, run

    def switched() -> np.ndarray:
        before = pace.PACE, run.SHORT
        pace.PACE = run.SHORT = np.inf
        try:
            return call()
        finally:
            pace.PACE, run.SHORT = before

    return switched


INTERRUPT = """
import sys
import bench
from interrupt import lateness
print(lateness(sys.argv[1], sys.argv[2] == "True", int(sys.argv[3])))
"""


def interrupts() -> Iterator[Row]:
    """The largest of three delays."""
    import os

    cache = os.environ.get("NUMBA_CACHE_DIR", "")
    kinds = ("central", False, 6_000_000), ("central", True, 12_000_000), ("adaptive", False, 1_000_000)
    for method, parallel, rounds in kinds:
        found = [float(child.output(INTERRUPT, cache, method, str(parallel), str(rounds))) for _ in range(3)]
        late = f"{max(found):.2f} s"
        yield Row(f"Ctrl-C, {method}, parallel={parallel}", "fastfd", late, "", "", max(found), 1.0, unit=" s")
