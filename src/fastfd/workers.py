"""What ``workers=`` says: who does the pieces of a task, and that each is done once."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastfd.extras import require
from fastfd.pool import RETRIES, Pool, WorkerError, inside_worker

__all__ = ["PIECES", "Crew", "crew_of"]

#: A worker gets its share in this many pieces: a slow or a dead one holds up the rest by a piece at the most.
PIECES = 4
#: Pieces for a map that does not say how many work behind it.
UNKNOWN = 64


class Crew:
    """Those who work: a task goes to them in pieces, and an answer comes back for each, in order."""

    #: How many pieces keep them all busy.
    pieces: int

    def answers(self, task: Any, pieces: list) -> Generator[Any, None, None]:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what was started."""


def crew_of(workers: Any) -> Crew | None:
    """Who works; None where columns stay in this process.

    Raises
    ------
    TypeError, ValueError
        If `workers` is neither a number of processes nor map-like.
    """
    if workers is None:
        return None
    if isinstance(workers, int | np.integer) and not isinstance(workers, bool):
        return _processes(int(workers))
    owner = getattr(workers, "__self__", workers)
    if hasattr(owner, "scatter") and hasattr(owner, "submit"):
        return _Dask(owner)
    if callable(workers):
        return _Map(workers)
    if callable(getattr(workers, "map", None)):
        return _Map(workers.map)
    msg = f"workers must be a number of processes, a map-like callable or a Dask client, got {workers!r}"
    raise TypeError(msg)


def _processes(number: int) -> Crew | None:
    if number != -1 and number < 1:
        msg = f"workers must be a number of processes from 1 on, or -1 for all processors, got {number}"
        raise ValueError(msg)
    size = number if number > 0 else os.cpu_count() or 1
    return None if size == 1 or inside_worker() else _Processes(size)


class _Processes(Crew):
    """Processes of our own on this machine; they live until they are closed."""

    def __init__(self, size: int):
        self._pool, self.pieces = Pool(size), PIECES * size

    def answers(self, task: Any, pieces: list) -> Generator[Any, None, None]:
        return self._pool.answers(task.pickled, pieces)

    def close(self) -> None:
        self._pool.close()


# --- a map of the user's ---------------------------------------------------------------------------------------------


class _Answer(NamedTuple):
    """What came back for which piece."""

    number: int
    result: Any


def _numbered(task: Callable, numbered: tuple[int, Any]) -> _Answer:
    return _Answer(numbered[0], task(numbered[1]))


class _Map(Crew):
    """A map-like callable: ``workers(func, iterable)``. It is not trusted to keep the order, or to leave nothing out."""

    pieces = UNKNOWN

    def __init__(self, mapping: Callable):
        self._map = mapping

    def answers(self, task: Any, pieces: list) -> Generator[Any, None, None]:
        early: dict[int, Any] = {}
        results, k = iter(self._results(task, pieces)), 0
        while k < len(pieces):
            if k in early:
                yield early.pop(k)
                k += 1
            elif (answer := next(results, None)) is None:
                msg = f"workers gave {k + len(early)} answers for {len(pieces)} pieces: a map must give one for each"
                raise WorkerError(msg)
            else:
                _take(answer, early, k)
        if next(results, None) is not None:
            msg = f"workers gave more than {len(pieces)} answers for {len(pieces)} pieces"
            raise WorkerError(msg)

    def _results(self, task: Any, pieces: list) -> Any:
        results = self._map(partial(_numbered, task), list(enumerate(pieces)))
        if not hasattr(results, "__iter__"):
            msg = f"workers must be map-like: workers(func, iterable) gives an iterable of results, got {type(results).__name__}"
            raise TypeError(msg)
        return results


def _take(answer: Any, early: dict[int, Any], k: int) -> None:
    if not isinstance(answer, _Answer):
        msg = f"workers must be map-like: workers(func, iterable) gives what func gives, got {type(answer).__name__}"
        raise TypeError(msg)
    if answer.number < k or answer.number in early:
        msg = f"workers gave two answers for piece {answer.number}: a map must give one for each"
        raise WorkerError(msg)
    early[answer.number] = answer.result


# --- Dask ------------------------------------------------------------------------------------------------------------


class _Dask(Crew):
    """A ``distributed.Client``: the task goes to all its workers once; it gives pieces of workers that die to others."""

    def __init__(self, client: Any):
        self._client = client
        if getattr(client, "asynchronous", False):
            msg = "workers must be a Dask client that waits for results, got one made with asynchronous=True"
            raise ValueError(msg)

    @property
    def pieces(self) -> int:  # type: ignore[override]
        return PIECES * max(1, sum(self._client.nthreads().values()))

    def answers(self, task: Any, pieces: list) -> Generator[Any, None, None]:
        """Fetched as they come, for an answer that waits is lost with the worker that has it."""
        as_completed = require("distributed", "dask", "a Dask client").as_completed
        numbers = self._handed_out(task, dict(enumerate(pieces)))
        early: dict[int, Any] = {}
        tries, coming = [0] * len(pieces), as_completed(list(numbers))
        try:
            for k in range(len(pieces)):
                while k not in early:
                    future = next(coming)
                    place = numbers.pop(future)
                    if self._is_lost(future, tries, place):
                        numbers |= (anew := self._handed_out(task, {place: pieces[place]}))
                        coming.update(anew)
                    else:
                        _take(_fetched(future, pieces[place]), early, k)
                yield early.pop(k)
        finally:
            self._client.cancel(list(numbers))

    def _handed_out(self, task: Any, pieces: dict[int, Any]) -> dict[Any, int]:
        """Futures for some pieces, and the pieces' numbers."""
        task.pickled  # noqa: B018 - what cannot be sent is told before anybody is asked
        shared = self._client.scatter(task, broadcast=True, hash=False)
        return {self._client.submit(_numbered, shared, numbered, pure=False): numbered[0] for numbered in pieces.items()}

    @staticmethod
    def _is_lost(future: Any, tries: list[int], place: int) -> bool:
        """Whether a piece must be handed out anew: all copies of the task, or the answer, went with their workers."""
        tries[place] += 1
        return future.status in ("lost", "cancelled") and tries[place] <= RETRIES


def _fetched(future: Any, piece: Any) -> Any:
    """What f raises comes as an answer; here it is workers that died, or that cannot load what they were sent."""
    if future.status in ("lost", "cancelled"):
        msg = f"workers could not do {piece}: Dask lost the workers that had it, {1 + RETRIES} times over"
        raise WorkerError(msg)
    try:
        return future.result()
    except Exception as error:
        msg = f"workers could not do {piece}: {type(error).__name__}: {error}"
        raise WorkerError(msg) from error
