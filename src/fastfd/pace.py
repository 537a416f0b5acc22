"""Long work in short pieces: between two of them Python looks for Ctrl-C, and progress is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from time import perf_counter
from typing import Any

import numpy as np

from fastfd.extras import require

__all__ = ["PACE", "Pieces", "Report", "checked_progress", "reporter", "reporting"]

#: Seconds that a piece should take: an interrupt waits for half of it, and the 3 us between pieces are no cost.
PACE = 0.1
#: A piece has at most so many times the columns of the one before, for the first columns may be cheap by chance. Where all
#: that is left should take less than a fifth of PACE nothing is risked.
GROWTH, SHORT = 8, 0.2


class Pieces:
    """Columns lo..hi, handed out to one thread or several, in pieces of about PACE.

    What a column cost in an earlier call says nothing of this one, for the arguments may be others: the first piece is one
    column.
    """

    def __init__(self, lo: int, hi: int, most: int):
        self._next, self._hi, self._most, self._size = lo, hi, most, 0
        self.cost, self.done, self.seconds = np.inf, 0, 0.0
        self._lock = threading.Lock()

    def take(self) -> tuple[int, int] | None:
        """The next piece, or None."""
        with self._lock:
            lo = self._next
            if lo >= self._hi:
                return None
            self._size = max(1, min(self._most, self._fitting(self._hi - lo)))
            self._next = min(lo + self._size, self._hi)
            return lo, self._next

    def _fitting(self, left: int) -> int:
        if self.cost == np.inf:
            return 1
        fitting = PACE / max(self.cost, 1e-12)
        return int(fitting if self.cost * left < SHORT * PACE else min(fitting, GROWTH * self._size))

    def run(self, piece: Callable[[int, int, int], int], thread: int, lo: int, hi: int) -> int:
        """One piece, by the clock."""
        start = perf_counter()
        code = piece(thread, lo, hi)
        seconds = perf_counter() - start
        self.cost = seconds / (hi - lo)
        with self._lock:
            self.done, self.seconds = self.done + hi - lo, self.seconds + seconds
        return code

    def stop(self) -> None:
        """Nobody gets another piece."""
        with self._lock:
            self._next = self._hi


# --- progress ---------------------------------------------------------------------------------------------------------


class Report:
    """What a user is told of one call that takes longer than PACE: columns done and columns known of. Each pass over them
    adds its own."""

    def __init__(self, tell: Callable[[int, int], Any]):
        self._tell, self._done, self._total, self._start = tell, 0, 0, perf_counter()

    def begin(self, count: int, over: int) -> Callable[[int], None]:
        """A pass over so many columns, some of which are over: what to call with how many of the others are done."""
        before, self._total = self._done + over, self._total + count
        self._done = before

        def advance(done: int) -> None:
            self._done = before + done
            if perf_counter() - self._start > PACE:
                self._tell(self._done, self._total)

        return advance


def checked_progress(progress: Any) -> Callable | None:
    """What makes a :class:`Report` for a call, as a context; None where none is wanted.

    Raises
    ------
    ImportError
        If a bar is wanted and tqdm is not there.
    ValueError
        If it is neither yes, no nor callable.
    """
    if progress is None or progress is False:
        return None
    if progress is True:
        return _bar(require("tqdm", "progress", "progress=True").tqdm)
    if not callable(progress):
        msg = f"progress must be True, False or a callable that takes (done, total), got {progress!r}"
        raise ValueError(msg)
    return lambda: nullcontext(Report(progress))


def _bar(tqdm: Any) -> Callable:
    """A bar that is drawn when there is something to tell, so short calls draw none."""

    @contextmanager
    def report() -> Iterator[Report]:
        bars: list[Any] = []

        def tell(done: int, total: int) -> None:
            if not bars:
                bars.append(tqdm(total=total, unit="column"))
            bars[0].total = total
            bars[0].update(done - bars[0].n)

        try:
            yield Report(tell)
        finally:
            for bar in bars:
                bar.close()

    return report


class _Here(threading.local):
    report: Report | None = None
    about: Any = None


_here = _Here()


def reporter(about: Any) -> Report | None:
    """The report that is to be given in this thread, if it is about this function: f may take derivatives of others."""
    return _here.report if about is _here.about else None


@contextmanager
def reporting(report: Report, about: Any) -> Iterator[None]:
    """Within it derivatives of a function are reported."""
    outer, (_here.report, _here.about) = (_here.report, _here.about), (report, about)
    try:
        yield
    finally:
        _here.report, _here.about = outer
