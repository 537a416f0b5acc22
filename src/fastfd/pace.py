"""Long work in short pieces: between two of them Python looks for Ctrl-C, and progress is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import reduce
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.extras import require
from fastfd.kernels.batches import LEFT, RANGES, WANTED, first_failure, watch
from fastfd.kernels.native import OK

__all__ = ["PACE", "Batches", "Pieces", "Report", "checked_progress", "reporter", "reporting", "shared"]

Batch = NDArray[np.int64]

#: Seconds that a piece should take: an interrupt waits for half of it, and the 3 us between pieces are no cost.
PACE = 0.1
#: A piece has at most so many times the columns of the one before, for the first columns may be cheap by chance. Where all
#: that is left should take less than a fifth of PACE nothing is risked.
GROWTH, SHORT = 8, 0.2
#: A caller that waits for helpers looks up so many times.
GLANCES = 8
#: A piece never has more columns: two counts make a word of a batch.
CROWD = 2**31 - 1


class Pieces:
    """Columns lo..hi, handed out in pieces of about PACE.

    What a column cost in an earlier call says nothing of this one, for the arguments may be others: the first piece is one
    column.
    """

    threads = 1

    def __init__(self, lo: int, hi: int):
        self._next, self._hi, self._size = lo, hi, 0
        self.cost, self.done, self.seconds = np.inf, 0, 0.0
        self._lock = threading.Lock()

    def take(self, thread: int = 0) -> Any:
        """The next piece, (lo, hi), or None."""
        with self._lock:
            return self._taken(thread)

    def _taken(self, thread: int) -> Any:
        lo, left = self._next, self._hi - self._next
        if left <= 0:
            return None
        self._size = max(1, min(left, self._fitting(left)))
        self._next = lo + self._size
        return lo, self._next

    def _fitting(self, left: int) -> int:
        if self.cost == np.inf:
            return 1
        fitting = self.threads * PACE / max(self.cost, 1e-12)
        fitting = fitting if self.cost * left < SHORT * PACE else min(fitting, GROWTH * self._size)
        return int(min(fitting, CROWD))

    def run(self, piece: Callable[[int, Any], int], thread: int, part: Any) -> int:
        """One piece, by the clock."""
        start = perf_counter()
        code = piece(thread, part)
        seconds = perf_counter() - start
        with self._lock:
            columns = self._over(thread, part)
            self.cost = seconds / columns if columns else self.cost
            self.done, self.seconds = self.done + columns, self.seconds + seconds
        return code

    def _over(self, thread: int, part: Any) -> int:
        """A thread is through with a part: how many columns of it were its own."""
        return part[1] - part[0]

    def stop(self) -> None:
        """Nobody gets another piece."""
        with self._lock:
            self._next = self._hi


class Batches(Pieces):
    """Columns lo..hi for several threads, in batches of about PACE, of which all take pieces (``enter_batch``).

    A helper that has done its part may be long in coming back to Python: what is asked of all threads is read from the batches.
    """

    def __init__(self, lo: int, hi: int, threads: int, cost: float):
        super().__init__(lo, hi)
        self.threads, self.cost = threads, cost
        self._batches: list[Batch] = []
        self._open = False  # whether there may be something left of the last one
        self._inside: set[int] = set()  # who has it, or has had it
        self._late = 0  # helpers who came when all was over
        self.kept: Any = None  # what must live as long as a helper is at work

    def _taken(self, thread: int) -> Any:
        """The batch that others are at, or else the next one; none where one of them has failed."""
        failed = self._batches and self._batches[-1][WANTED] < self._size
        if not self._open and not failed and (part := super()._taken(thread)):
            self._batches.append(shared(part[0], part[1], self.threads))
            self._open, self._inside = True, set()
        if self._open:
            self._inside.add(thread)
            return self._batches[-1]
        self._late += thread > 0 and thread not in self._inside
        return None

    def _over(self, thread: int, part: Batch) -> int:
        self._open = self._open and part is not self._batches[-1]  # nothing is left of it: the thread has looked
        return int(part[RANGES + self.threads + thread])

    @property
    def failure(self) -> int:
        """The first failure of all, or OK."""
        codes = (int(code) for batch in self._batches for code in batch[RANGES + 2 * self.threads :])
        return reduce(first_failure, codes, OK)

    def left(self, helpers: int, rounds: int) -> bool:
        """Whether so many helpers have left the last batch, or do so while the caller waits awake; all is done then. Now and then
        it asks whether one has come too late to get there."""
        last = self._batches[-1][LEFT:]
        for _ in range(GLANCES):
            watch(last, helpers - self._late, rounds // GLANCES)
            if last[0] >= helpers - self._late:
                return True
        return False

    def stop(self) -> None:
        super().stop()
        if self._batches:
            self._batches[-1][WANTED] = 0


def shared(lo: int, hi: int, threads: int) -> Batch:
    """A batch of the columns lo..hi, a range for each thread."""
    ends = [(hi - lo) * i // threads for i in range(threads + 1)]
    ranges = [start << 32 | stop for start, stop in pairwise(ends)]
    return np.array([lo, hi - lo, 0, *ranges, *[0] * 2 * threads], np.int64)


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
