"""Functions that are not compiled: what workers gain, what a killed one costs, and one process against SciPy."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import rosen

from bench import rivals
from bench.table import Row, duration, row
from bench.timing import Effort, Timings, compare

NOTES = """\
64 columns by forward differences of an f of 50 ms in Python: one that sleeps, which shows what handing out costs however
busy the cores are, and one that computes, which needs two cores to itself. "killed": f sleeps 0.2 s; one of two workers ends by
SIGKILL in the middle of its second piece of four; all pieces are 8 columns, 1.6 s. The figure there is the time that the death
added, in pieces: what was lost, and that one works alone until another process is there.
Dask: `distributed.LocalCluster` of processes with one thread each. The rows against SciPy are of one process: prepared objects,
and `scipy.optimize._numdiff.approx_derivative` with the same stencil, as called by SciPy's optimisers."""

COLUMNS, PIECES = 64, 8
SECONDS, LONG = 0.05, 0.2
X = np.linspace(1.0, 2.0, COLUMNS)
SIZES = 1, 2, 10, 100, 1000


def sleeping(x: np.ndarray) -> np.ndarray:
    time.sleep(SECONDS)
    return x * x


def computing(x: np.ndarray, rounds: int) -> np.ndarray:
    total = 0.0
    for k in range(rounds):
        total += k * 1e-9
    return x * x + total


def deadly(x: np.ndarray, mark: str) -> np.ndarray:
    """Sleeps, and once ends the process that it is in: where the mark is, it is no more."""
    time.sleep(LONG)
    if x[20] != X[20] and os.path.exists(mark):
        os.remove(mark)
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def run(effort: Effort) -> list[Row]:
    rounds = 3 if effort.rounds < 10 else 7
    return [*shared_out(rounds), *killed(rounds), *against_scipy(effort)]


def shared_out(rounds: int) -> Iterator[Row]:
    """Two workers against one, by Dask and by processes of our own."""
    fastfd = rivals.fastfd()
    with cluster(1) as one, cluster(2) as two:
        for name, f, args in (("sleeps", sleeping, ()), ("computes", computing, (calibrated(),))):
            field: dict[str, Callable] = {}
            for who, workers in (("Dask, 1 worker", one), ("Dask, 2 workers", two), ("workers=2", 2), ("no workers", None)):
                field[who] = partial(fastfd.Jacobian(f, method="forward", workers=workers), X, *args)
            timings = in_turns(field, rounds)
            yield row(f"f {name}", timings, "Dask, 2 workers", "Dask, 1 worker", {}, 1 / 1.7)
            yield row(f"f {name}", timings, "workers=2", "no workers", {}, 1 / 1.7)


def calibrated() -> int:
    """How many rounds take as long as they should, by the fastest of some."""
    sample = min(timed(lambda: computing(X, 100_000)) for _ in range(7))
    return int(100_000 * SECONDS / sample)


def killed(rounds: int) -> Iterator[Row]:
    """One death for each crew: a cluster of Dask does not always replace a second one."""
    fastfd = rivals.fastfd()
    mark = Path(tempfile.mkdtemp()) / "mark"
    for who, crew in (("Dask, 2 workers", partial(cluster, 2)), ("workers=2", partial(nullcontext, 2))):
        samples: dict[str, list[float]] = {"whole": [], "killed": []}
        for _ in range(rounds):
            with crew() as workers:
                f = fastfd.Jacobian(deadly, method="forward", workers=workers)
                f(X, str(mark))
                for name in samples:
                    if name == "killed":
                        mark.touch()
                    samples[name].append(timed(lambda: f(X, str(mark))))  # noqa: B023
                f.close()
        after, before = (float(np.median(samples[name])) for name in ("killed", "whole"))
        extra = (after - before) / (LONG * COLUMNS / PIECES)
        yield Row("one worker killed", who, duration(after), "none killed", duration(before), extra, None, " pieces")


def against_scipy(effort: Effort) -> Iterator[Row]:
    from scipy.optimize._numdiff import approx_derivative

    fastfd = rivals.fastfd()
    for n in SIZES:
        x = np.linspace(0.5, 1.5, n)
        fields = [("x.x", square, fastfd.Gradient), ("x*x", squares, fastfd.Jacobian)]
        fields += [("SciPy's rosen", rosen, fastfd.Gradient)] if n > 1 else []
        for name, f, operator in fields:
            for ours, theirs in (("forward", "2-point"), ("central", "3-point")):
                field = {f"fastfd {ours}": partial(operator(f, method=ours), x),
                         f"SciPy {theirs}": partial(approx_derivative, f, x, method=theirs)}  # fmt: skip
                yield row(f"{name}, n={n}", compare(field, effort), *field, {}, 1.0)


def square(x: np.ndarray) -> float:
    return x @ x


def squares(x: np.ndarray) -> np.ndarray:
    return x * x


# --- clocks and clusters ---------------------------------------------------------------------------------------------


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def in_turns(field: dict[str, Callable], rounds: int) -> Timings:
    """Seconds of calls that take seconds, each once a round after one to start all processes."""
    for call in field.values():
        call()
    names = list(field)
    seconds = {name: np.full(rounds, np.nan) for name in names}
    for r in range(rounds):
        for name in names[r % len(names) :] + names[: r % len(names)]:
            seconds[name][r] = timed(field[name])
    return Timings(seconds)


@contextmanager
def cluster(workers: int) -> Iterator:
    from distributed import Client, LocalCluster

    settings = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with LocalCluster(**settings, silence_logs=50) as local, Client(local) as client:
        yield client
