"""Threads that wait for work, beside the one that has it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from time import perf_counter
from typing import Any

import numpy as np

from fastfd.kernels.batches import ROUNDS, watch

__all__ = ["bell", "offer"]

#: Seconds for which a caller waits awake for helpers that are not done, and a helper for more to do. To wake a thread costs the
#: one that does it up to 20 us, and takes 50.
AWAKE = 2e-4


def _processor_of_thread() -> Callable[[], int]:
    """What tells the processor that a thread is on, in 90 ns; -1 where the system does not tell."""
    try:
        return ctypes.CDLL(None).sched_getcpu
    except (AttributeError, OSError, TypeError):  # not Linux
        return lambda: -1


_processor = _processor_of_thread()


class _Helpers:
    """As many as were ever wanted at a time, but fewer than there are processors.

    Handing work over costs the caller 3 us, with an executor and its futures 8; waking a processor that is idle 10 to 20 more.
    """

    def __init__(self) -> None:
        self.inbox: SimpleQueue = SimpleQueue()
        self._most = (os.cpu_count() or 1) - 1  # asking takes 6 us
        self._lock = threading.Lock()
        self._threads: list[int] = []  # as the system counts them
        self._avoided = -1
        self.bell = np.zeros(2, np.int64)

    def offer(self, places: list[int], work: Callable[[int], int], done: SimpleQueue) -> None:
        wanted = min(len(places), self._most)
        if len(self._threads) < wanted:
            with self._lock:
                self._start(wanted)
        self._make_way(_processor())
        for _ in range(wanted):
            self.inbox.put((places, work, done))

    def _start(self, wanted: int) -> None:
        self.bell[ROUNDS] = self.bell[ROUNDS] or _rounds_in(AWAKE)
        while len(self._threads) < wanted:
            thread = threading.Thread(target=self._wait, name=f"fastfd_{len(self._threads) + 1}", daemon=True)
            thread.start()
            self._threads.append(thread.native_id or 0)
            self._avoided = -1

    def _make_way(self, here: int) -> None:
        """Keep helpers away from the processor that the caller is on, among those that it may be on. Linux may leave a thread on
        that of the one that woke it, though others are idle; it is not run there before the caller's time slice is over, some
        milliseconds later."""
        if here in (-1, self._avoided):
            return
        if others := os.sched_getaffinity(0) - {here}:
            self._avoided = here
            for thread in filter(None, self._threads):
                with suppress(OSError):  # not allowed, or not any more
                    os.sched_setaffinity(thread, others)

    def _wait(self) -> None:
        while True:
            _take_place(*self.inbox.get())  # names here would keep the arrays of the last work alive


def _rounds_in(seconds: float) -> int:
    """How often a thread that waits awake looks in that time."""
    never, trial = np.zeros(1, np.int64), 20_000

    def seconds_of_trial() -> float:
        start = perf_counter()
        watch(never, 1, trial)
        return perf_counter() - start

    return int(trial * seconds / min(seconds_of_trial() for _ in range(5)))


def _take_place(places: list[int], work: Callable[[int], int], done: SimpleQueue) -> None:
    try:
        place = places.pop()
    except IndexError:  # the others were quicker
        return
    try:
        done.put(work(place))
    except BaseException as error:
        done.put(error)


_helpers = _Helpers()


def _new_helpers() -> None:
    global _helpers
    _helpers = _Helpers()


if hasattr(os, "register_at_fork"):  # threads do not survive a fork; the child makes its own
    os.register_at_fork(after_in_child=_new_helpers)


def bell() -> Any:
    """What a caller rings for the helpers that wait awake (``enter_batch``)."""
    return _helpers.bell


def offer(places: list[int], work: Callable[[int], int], done: SimpleQueue) -> None:
    """Let helpers take the places that are still there when they come; how the work of each came out goes to `done`."""
    _helpers.offer(places, work, done)
