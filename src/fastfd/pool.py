"""Processes that work for this one: they get a task once, and pieces of it. One that dies is replaced, its piece done anew."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from itertools import count
from queue import SimpleQueue
from typing import IO, Any

__all__ = ["RETRIES", "Pool", "WorkerError", "inside_worker", "serve"]

#: A piece whose worker dies is given to others so many times: one that dies of the piece itself would take them all.
RETRIES = 3
#: Seconds that a worker has to end by itself when it is told to.
PATIENCE = 1.0
#: A worker is a new interpreter, not a fork of one that may have threads, and it does not run the user's script again.
_BEGIN = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from fastfd.pool import serve; serve()"
_LENGTH = 8

_inside = False


class WorkerError(RuntimeError):
    """Workers that cannot do what they were given."""


def inside_worker() -> bool:
    """Whether this process is a worker: it starts no others."""
    return _inside


# --- messages --------------------------------------------------------------------------------------------------------


def _send(pipe: IO[bytes], message: Any) -> None:
    data = message if isinstance(message, bytes) else pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    pipe.write(len(data).to_bytes(_LENGTH, "little"))
    pipe.write(data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    head = pipe.read(_LENGTH)
    size = int.from_bytes(head, "little")
    data = pipe.read(size)
    if len(head) < _LENGTH or len(data) < size:
        raise EOFError
    return data


# --- the worker's side -----------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer pieces until nobody asks any more. What f prints goes to standard error: standard output is the answers' way."""
    global _inside
    _inside = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the caller ends its workers
    inbox, outbox = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _send(outbox, "here")
    task: Any = None
    with suppress(EOFError, BrokenPipeError):
        while True:
            kind, content = pickle.loads(_receive(inbox))
            if kind == "task":
                task = content
            else:
                _send(outbox, _answer(task, content))


def _answer(task: bytes | Callable, piece: Any) -> bytes:
    """The result of a piece, or what kept the worker from it."""
    try:
        loaded = pickle.loads(task) if isinstance(task, bytes) else task
        return pickle.dumps((True, loaded(piece)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        return pickle.dumps((False, f"{type(error).__name__}: {error}"))


# --- the caller's side -----------------------------------------------------------------------------------------------


class _Worker:
    """One process, its pipes, and the number of the task it was given last."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", _BEGIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._task = -1
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout

    def greet(self) -> None:
        """Wait until it is there."""
        try:
            self._to.write(pickle.dumps(sys.path))
            self._to.flush()
            _receive(self._from)
        except OSError as error:
            raise EOFError from error

    def ask(self, number: int, task: bytes, piece: Any) -> tuple[bool, Any]:
        """The answer to a piece; EOFError where the process dies of it."""
        try:
            if self._task != number:
                _send(self._to, ("task", task))
                self._task = number
            _send(self._to, ("piece", piece))
            return pickle.loads(_receive(self._from))
        except OSError as error:
            raise EOFError from error

    def end(self, patience: float = 0.0) -> int:
        """End the process; what it ended with."""
        if not patience:
            self._process.kill()
        with suppress(OSError):
            self._to.close()
        try:
            code = self._process.wait(patience or None)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._from.close()
        return code


class _Share:
    """One task shared out: pieces that wait, answers that came, and how often a piece has cost a worker."""

    def __init__(self, task: bytes, number: int, pieces: list):
        self.task, self.number, self.pieces = task, number, pieces
        self.waiting = deque(range(len(pieces)))
        self.answers: SimpleQueue = SimpleQueue()
        self.deaths = [0] * len(pieces)
        self.over = False

    def work(self, pool: Pool, place: int) -> None:
        """What the thread beside a worker does: hand it pieces while there are some. One that is still starting holds none."""
        with pool.locks[place], suppress(IndexError):
            while self.waiting and not self.over:
                try:
                    worker = pool.worker(place)
                except EOFError:
                    code = pool.bury(place)
                    self._give_up(self.waiting.popleft(), f"a worker process ended as it began, with exit status {code}")
                else:
                    self._do(self.waiting.popleft(), pool, worker, place)

    def _do(self, k: int, pool: Pool, worker: _Worker, place: int) -> None:
        try:
            self.answers.put((k, *worker.ask(self.number, self.task, self.pieces[k])))
        except EOFError:
            code = pool.bury(place)
            self.deaths[k] += 1
            if self.deaths[k] <= RETRIES:
                self.waiting.appendleft(k)
            else:
                self._give_up(k, f"worker processes died {self.deaths[k]} times over it, the last with exit status {code}")
        except BaseException as error:  # what came back cannot be read
            self._give_up(k, f"{type(error).__name__}: {error}")

    def _give_up(self, k: int, why: str) -> None:
        self.answers.put((k, False, why))


class Pool:
    """A number of processes, started when they are first needed."""

    def __init__(self, size: int):
        self.size, self._numbers, self._lock = size, count(), threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._workers: list[_Worker | None] = [None] * self.size
        self.locks = [threading.Lock() for _ in range(self.size)]
        self._pid = os.getpid()
        self._finalizer = weakref.finalize(self, _end, self._workers, self._pid)

    def worker(self, place: int) -> _Worker:
        """The worker of a place, which may have to be started; EOFError where it does not come."""
        worker = self._workers[place]
        if worker is None:
            worker = self._workers[place] = _Worker()
            worker.greet()
        return worker

    def bury(self, place: int) -> int:
        """Forget a worker that died; what it ended with."""
        worker, self._workers[place] = self._workers[place], None
        return 0 if worker is None else worker.end(PATIENCE)

    def answers(self, task: bytes, pieces: list) -> Generator[Any, None, None]:
        """The results of the pieces, in their order.

        Raises
        ------
        WorkerError
            If workers cannot start or load the task, or one after the other dies of one piece.
        """
        with self._lock:
            if self._pid != os.getpid():  # after a fork: those are the parent's
                self._begin()
            share = _Share(task, next(self._numbers), pieces)
            for place in range(min(self.size, len(pieces))):
                threading.Thread(target=share.work, args=(self, place), daemon=True).start()
            done = False
            try:
                yield from _in_order(share)
                done = True
            finally:
                share.over = True
                if not done:  # an exception, here or at the caller's: nobody waits for what they are at
                    _end(self._workers, self._pid)

    def close(self) -> None:
        """End the processes; a later call starts others."""
        with self._lock:
            _end(self._workers, self._pid, PATIENCE)


def _in_order(share: _Share) -> Generator[Any, None, None]:
    early: dict[int, tuple[bool, Any]] = {}
    for k in range(len(share.pieces)):
        while k not in early:
            place, *answer = share.answers.get()
            early[place] = tuple(answer)
        fine, result = early.pop(k)
        if not fine:
            msg = f"workers could not do {share.pieces[k]}: {result}"
            raise WorkerError(msg)
        yield result


def _end(workers: list, pid: int, patience: float = 0.0) -> None:
    """End all processes of a list, if they are this one's children."""
    for place, worker in enumerate(workers):
        if worker is not None and pid == os.getpid():
            workers[place] = None
            worker.end(patience)
