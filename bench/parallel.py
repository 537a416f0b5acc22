"""Threads: what two of them gain, and whether leaving the choice to fastfd ever costs."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numba
import numpy as np

from bench import contest, functions, rivals
from bench.contest import Pairs, Rivals
from bench.table import Row
from bench.timing import Effort

NOTES = """\
fastfd: `Jacobian(f, method="central", parallel=...)`, 2 threads. C OpenMP: the columns shared among 2
threads, each with its own x and workspace. A sleep of 20 ms before each sample lets the threads of the
rival before go to sleep: those of OpenMP spin for 5 to 10 ms after their last region, on a core that
others want. A sample of forced threads takes 10 ms, for the first call after a sleep is slower. "beside
a busy process": another process spins on one core all the while. "quiet" is only as quiet as the
machine."""

THREADS, SETTLE, SAMPLE = 2, 2e-2, 1e-2
SERIAL, CHOICE, PARALLEL = (f"fastfd parallel={choice}" for choice in (False, None, True))
FREE = (("broyden", 10, None), ("broyden", 100, None))  # the choice alone: a region costs more than this work
FORCED = (("broyden", 1000, 0.7), ("broyden", 5000, 0.7), ("lorenz", 40, 0.55))


def run(effort: Effort) -> list[Row]:
    """Three times the rounds: a noisy neighbour weighs most on ratios near 1."""
    effort = replace(effort, rounds=3 * effort.rounds)
    before = numba.get_num_threads()
    numba.set_num_threads(min(THREADS, before))
    try:
        quiet = [*chosen("quiet", effort), *forced(effort)]
        with busy_process():
            return [*quiet, *chosen("beside a busy process", effort)]
    finally:
        numba.set_num_threads(before)


def chosen(state: str, effort: Effort) -> Iterator[Row]:
    """parallel=None against serial.

    No forced threads here: beside a busy process a region may cost 10 ms, and a sample may hold thousands.
    """
    for name, n, _ in (*FREE, *FORCED):
        f, x = getattr(functions, name), np.linspace(-1.0, 1.0, n) + 0.1
        field: Rivals = {CHOICE: prepared(f, x, None), SERIAL: prepared(f, x, False)}
        timings, errors = contest.held(field, None, effort, SETTLE)
        yield from contest.rows(f"{name} n={n}, {state}", {(CHOICE, SERIAL): 1.1}, timings, errors)


def forced(effort: Effort) -> Iterator[Row]:
    for name, n, limit in FORCED:
        f, x = getattr(functions, name), np.linspace(-1.0, 1.0, n) + 0.1
        field: Rivals = {
            **{who: prepared(f, x, who == PARALLEL) for who in (SERIAL, PARALLEL)},
            "C alone": rivals.c_alone(name, x, n),
            "C OpenMP": rivals.c_alone(name, x, n, threads=THREADS),
        }
        pairs: Pairs = {
            (PARALLEL, SERIAL): limit,
            (PARALLEL, "C OpenMP"): None,
            ("C OpenMP", "C alone"): None,
        }
        timings, errors = contest.held(field, None, replace(effort, sample=SAMPLE), SETTLE)
        yield from contest.rows(f"{name} n={n}, quiet", pairs, timings, errors)


def prepared(f: Callable, x: np.ndarray, choice: bool | None) -> contest.Rival | None:
    return rivals.prepared("Jacobian", f, x, method="central", parallel=choice)


@contextmanager
def busy_process() -> Iterator[None]:
    """A process that spins; it ends by itself should this one die."""
    spin = "import time\nend = time.monotonic() + 600\nwhile time.monotonic() < end: pass"
    child = subprocess.Popen([sys.executable, "-c", spin])
    try:
        yield
    finally:
        child.kill()
        child.wait()
