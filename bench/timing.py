"""Interleaved timing: all rivals in turn, round after round, so that a slow minute hits them all alike.

The figure is the median of the ratios *within* a round, never a ratio of two medians: on a shared machine
one minute differs from the next by more than the differences that matter.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Effort:
    """How long one comparison may take."""

    rounds: int = 25
    sample: float = 2e-3  # seconds per timing sample: long beside the clock's tick, short beside a time slice
    budget: float = 2.0  # seconds per rival; one too slow for it sits out most rounds, and the table says so


QUICK = Effort(rounds=7, budget=0.5)
LEAST_ROUNDS = 3


@dataclass(frozen=True)
class Inside:
    """A rival that repeats inside compiled code, `call(repeats)`, so that no Python is timed."""

    call: Callable[[int], object]


def repeated(rival: Callable[[], object] | Inside) -> Callable[[int], object]:
    if isinstance(rival, Inside):
        return rival.call

    def loop(repeats: int) -> None:
        for _ in range(repeats):
            rival()

    return loop


@dataclass(frozen=True)
class Timings:
    """Seconds per call, one entry per round; NaN where a slow rival sat out."""

    seconds: dict[str, np.ndarray]

    def median(self, name: str) -> float:
        return float(np.nanmedian(self.seconds[name]))

    def rounds(self, name: str) -> int:
        return int(np.isfinite(self.seconds[name]).sum())

    def ratio(self, subject: str, rival: str) -> float:
        """The median over the rounds in which both took part of the subject's time over the rival's."""
        return float(np.nanmedian(self.seconds[subject] / self.seconds[rival]))

    def difference(self, subject: str, rival: str) -> float:
        return float(np.nanmedian(self.seconds[subject] - self.seconds[rival]))


def compare(rivals: dict[str, Callable | Inside], effort: Effort, settle: float = 0.0) -> Timings:
    """Time the rivals round robin.

    Every rival is called twice before the clock starts: compilation, first touch of memory and learned steps
    are warm-up here; coldstart.py times them apart.

    `settle` seconds of sleep before each sample let the spinning threads of a parallel rival go to sleep.
    """
    loops = {name: repeated(rival) for name, rival in rivals.items()}
    repeats = {name: calibrated(loop, effort) for name, loop in loops.items()}
    stride = {name: strided(loops[name], repeats[name], effort) for name in loops}
    seconds = {name: np.full(effort.rounds, np.nan) for name in loops}
    with no_collector():
        for r in range(effort.rounds):
            for name in turned(list(loops), r):
                if r % stride[name] == 0:
                    time.sleep(settle)
                    seconds[name][r] = sampled(loops[name], repeats[name])
    return Timings(seconds)


def sampled(loop: Callable[[int], object], repeats: int) -> float:
    start = time.perf_counter()
    loop(repeats)
    return (time.perf_counter() - start) / repeats


def calibrated(loop: Callable[[int], object], effort: Effort) -> int:
    """The number of repeats that fills one sample: at least three times in a row, for what loses its processor fills any."""
    loop(1)
    loop(1)
    repeats = 1
    while min(sampled(loop, repeats) for _ in range(3)) * repeats < effort.sample:
        repeats *= 2
    return repeats


def strided(loop: Callable[[int], object], repeats: int, effort: Effort) -> int:
    """Take part in every how-many-th round."""
    affordable = int(effort.budget / (sampled(loop, repeats) * repeats))
    return max(1, effort.rounds // max(LEAST_ROUNDS, affordable))


def turned(names: list[str], r: int) -> list[str]:
    """Who goes first changes with the round, or one rival would always find the cache another has left."""
    first = r % max(1, len(names))
    return names[first:] + names[:first]


@contextmanager
def no_collector() -> Iterator[None]:
    """Garbage collection would strike whoever happens to run."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
