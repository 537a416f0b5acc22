"""Columns computed elsewhere: a kernel on a function as a task that other processes can be given, and what comes back."""

from __future__ import annotations

import pickle
import threading
import traceback
import uuid
from collections.abc import Callable, Generator
from contextlib import closing
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfd.function import Function, Sample
from fastfd.kernels.compiler import house_stamp
from fastfd.kernels.native import NONFINITE, OK, pickled
from fastfd.workers import Crew

__all__ = ["Output", "Remote", "Task", "begun", "both_halves", "fresh", "handed_out"]


# --- what a kernel writes --------------------------------------------------------------------------------------------


def _rows(lo: int, hi: int) -> Any:
    return slice(lo, hi)


class Output(NamedTuple):
    """An array that a kernel writes, and which places of it belong to columns lo..hi; `begun`: it reads it, too."""

    array: NDArray[Any]
    places: Callable[[int, int], Any] = _rows
    begun: bool = False


def fresh(*arrays: NDArray[Any]) -> tuple[Output, ...]:
    """Arrays with a row for each column, of which a kernel reads only what it wrote."""
    return tuple(map(Output, arrays))


def begun(*arrays: NDArray[Any]) -> tuple[Output, ...]:
    """Arrays with a row for each column that hold something already."""
    return tuple(Output(array, begun=True) for array in arrays)


def both_halves(*matrices: NDArray[Any]) -> tuple[Output, ...]:
    """Symmetric matrices: rows lo..hi up to the diagonal, and their mirror images."""
    lower, upper = (lambda lo, hi: np.s_[lo:hi, :hi]), (lambda lo, hi: np.s_[:hi, lo:hi])
    return tuple(Output(matrix, half) for matrix in matrices for half in (lower, upper))


# --- the task --------------------------------------------------------------------------------------------------------


class _Piece(NamedTuple):
    """Some columns, and where in the arrays among the kernel's arguments its results for them are."""

    lo: int
    hi: int
    places: tuple[tuple[int, Any], ...]

    def __str__(self) -> str:
        return f"columns {self.lo} to {self.hi - 1}"


class _Done(NamedTuple):
    """The kernel's answer, the results, and where it failed: the point, and what f raised."""

    code: int
    values: list[NDArray[Any]]
    point: NDArray[Any] | None = None
    error: bytes | None = None
    trace: str = ""


class _Blank(NamedTuple):
    """Room for results: what is in it need not travel."""

    shape: tuple[int, ...]
    dtype: Any


class Remote(Exception):
    """Where in another process f raised: the cause of the same exception here."""

    def __str__(self) -> str:
        return f"in a worker process\n\n{self.args[0]}"


class _Recipe(NamedTuple):
    """All that a kernel needs: the function, the shape of its points, that of its results and whether they are complex, a point
    (or many), arguments, which of these are written to, and which one begins with the point where f is called."""

    f: Callable
    out_size: int | None
    shape: tuple[int, ...]
    layout: tuple[tuple[int, ...], bool]
    kernel: Any
    x: NDArray[Any]
    args: tuple
    rest: tuple
    written: frozenset[int]
    work: int


class Task:
    """A kernel on a function, for any columns, with arrays of its own for each piece."""

    def __init__(self, recipe: _Recipe):
        self._recipe, self._lock = recipe, threading.Lock()
        self._entry: tuple[Any, Any] | None = None

    @cached_property
    def _parcel(self) -> tuple[bytes, str, bytes]:
        try:
            contents = pickled(tuple(self._recipe))
        except Exception as error:
            raise TypeError(_complaint(self._recipe, error)) from error
        return uuid.uuid4().bytes, house_stamp(), contents

    def __reduce__(self) -> tuple:
        return _unpacked, self._parcel

    @cached_property
    def pickled(self) -> bytes:
        """The task for another process; made once, however many pieces there are.

        Raises
        ------
        TypeError
            If f or its arguments cannot be sent, naming them.
        """
        return pickle.dumps(self)

    def __call__(self, piece: _Piece) -> _Done:
        recipe, (callee, address) = self._recipe, self._entered()
        rest = self._own()
        x = recipe.x if recipe.x.ndim else recipe.x.reshape(1)
        code = callee.enter(address, *callee.head, callee.load(recipe.args), x, *rest, piece.lo, piece.hi)
        if code % 8 in (OK, NONFINITE):
            return _Done(code, [np.ascontiguousarray(rest[i][place]) for i, place in piece.places])
        point = rest[recipe.work].reshape(-1)[: int(np.prod(recipe.shape))].copy()
        return _Done(code, [], point, *_told(callee.take_exception(code % 8)))

    def _entered(self) -> tuple[Any, Any]:
        """What is called, and the kernel's address; once in a process."""
        with self._lock:
            if self._entry is None:
                recipe = self._recipe
                shape, is_complex = recipe.layout
                point = np.empty(recipe.shape, recipe.x.dtype)
                sample = Sample(np.zeros(shape, complex if is_complex else float))
                callee = Function(recipe.f, recipe.out_size).callee(point, recipe.args, sample)
                self._entry = callee, callee.address_of(recipe.kernel, (*self._own(), 0, 0))
            return self._entry

    def _own(self) -> tuple:
        """The kernel's arguments, with arrays of this piece's own where it writes."""
        return tuple(_copy(value) if i in self._recipe.written else value for i, value in enumerate(self._recipe.rest))


def _copy(value: Any) -> NDArray[Any]:
    return np.empty(value.shape, value.dtype) if isinstance(value, _Blank) else value.copy()


#: Tasks that came with the pieces of a map: taken out of their parcel once in a process, for a few calls at a time.
_recent: dict[bytes, Task] = {}
_MOST_RECENT = 4
_unpacking = threading.Lock()


def _unpacked(token: bytes, stamp: str, contents: bytes) -> Task:
    with _unpacking:
        if token not in _recent:
            if stamp != house_stamp():
                msg = "workers need the same version of fastfd as their caller, and here is another"
                raise ImportError(msg)
            while len(_recent) >= _MOST_RECENT:
                del _recent[next(iter(_recent))]
            _recent[token] = Task(_Recipe(*pickle.loads(contents)))
        return _recent[token]


def _complaint(recipe: _Recipe, error: Exception) -> str:
    parts = {"f": recipe.f} | {f"args[{i}]": value for i, value in enumerate(recipe.args)}
    name = next((name for name, part in parts.items() if not _travels(part)), "f")
    return (
        f"workers needs {name} sent to other processes, and it cannot be pickled ({error}); open files, locks and connections "
        "stay where they are: let f be a function of a module that opens there what it needs"
    )


def _travels(value: Any) -> bool:
    try:
        pickled(value)
    except Exception:
        return False
    return True


def _told(error: BaseException | None) -> tuple[bytes | None, str]:
    """An exception as it can be sent, if it can, and as text."""
    if error is None:
        return None, ""
    if not isinstance(error, Exception):
        raise error
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        sent = pickled(error)
        pickle.loads(sent)  # some can be packed, but not unpacked
    except Exception:
        return None, text
    return sent, text


def _raised(done: _Done) -> Exception | None:
    """The exception of f in another process."""
    if done.error is None:
        return None
    error = pickle.loads(done.error)
    error.__cause__ = Remote(done.trace)
    return error


# --- handing out -----------------------------------------------------------------------------------------------------


def handed_out(crew: Crew, recipe: tuple, outputs: tuple[Output, ...], start: int, stop: int) -> Generator[tuple, None, None]:
    """The columns from `start` to `stop`, in pieces, by others: the results go to their places, and for each piece, in order,
    comes (columns done, code, point, exception)."""
    *what, rest, work = recipe
    where = [next(i for i, value in enumerate(rest) if value is output.array) for output in outputs]
    blank = {i: _Blank(output.array.shape, output.array.dtype) for i, output in zip(where, outputs) if not output.begun}
    blank |= {i: _Blank(value.shape, value.dtype) for i, value in enumerate(rest[work:], work) if isinstance(value, np.ndarray)}
    given = tuple(blank.get(i, value) for i, value in enumerate(rest))
    function, out_size, shape, layout, kernel, x, args = what
    written = frozenset(where) | frozenset(blank)
    task = Task(_Recipe(function, out_size, shape, layout, kernel, x, args, given, written, work))
    pieces = [
        _Piece(lo, hi, tuple((i, output.places(lo, hi)) for i, output in zip(where, outputs)))
        for lo, hi in _cut(start, stop, crew.pieces)
    ]
    with closing(crew.answers(task, pieces)) as answers:
        for done, piece in zip(answers, pieces):  # answers first: they end after the last piece
            for (_, place), output, values in zip(piece.places, outputs, done.values):
                output.array[place] = values
            yield piece.hi - start, done.code, done.point, _raised(done)


def _cut(start: int, stop: int, pieces: int) -> list[tuple[int, int]]:
    """Pieces that differ by one column at the most."""
    count = min(pieces, stop - start)
    ends = [start + k * (stop - start) // count for k in range(count + 1)]
    return list(pairwise(ends))
