"""A plan on a function: workspaces, threads, and what to say when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial, reduce
from math import prod
from queue import SimpleQueue
from time import perf_counter
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastfd.function import Function, Sample, add_note, where_it_was
from fastfd.helpers import bell, offer
from fastfd.kernels.batches import ROUNDS, first_failure, take_piece
from fastfd.kernels.native import ASTRAY, LENGTH, MISPLACED, MUTATED, NONFINITE, OK, RAISED, STALE
from fastfd.kernels.sweep import at
from fastfd.kernels.tableau import LINE
from fastfd.kernels.threads import thread_count
from fastfd.pace import Batches, Pieces, reporter, shared
from fastfd.remote import Output, handed_out
from fastfd.steps import LONGEST, SHORTEST

__all__ = [
    "Changed", "Entry", "Job", "aligned", "as_point", "bad_coordinate", "checked_direction", "lent", "shared_out",
    "stretches",
]  # fmt: skip

Array = NDArray[np.float64]
#: What computes a part of the columns, as thread 0, 1, …: how it came out. And what is told how many are done.
Piece = Callable[[int, Any], int]
Advance = Callable[[int], None] | None

#: Work below this many seconds stays on one thread: waking another costs some 60 us, and where the cores are busy it may come
#: late. At 1.3 ms two threads take 0.6 of the time of one, 0.7 where they have to be woken for it, and in one call of ten up to
#: 1.15; at 0.6 ms 0.7, 0.9 to 1.0, and 1.3.
WORTH_THREADS = 1e-3
#: Work below this many seconds is done in one go. Beyond it the first column is looked at by itself, which costs 8 us: had
#: it become a thousand times slower since the last call, nothing could interrupt the others for a second.
SHORT = 1e-3
#: With other arguments than in the last call it may well be slower: then so many times the cost is reckoned with.
DOUBT = 20
#: An array of so many bytes comes from the system anew where the one before is still in use.
LARGE = 1 << 16
#: Workspaces up to this many bytes are kept for the next call.
KEEP = 1 << 24


class Changed(ValueError):
    """The layout that a job was made for does not fit this call: other types, or another number of results."""

    def __init__(self) -> None:
        super().__init__("f must return results of one shape and kind, but it gave others when it was called again at x")


def aligned(size: int) -> Array:
    """Numbers from the beginning of a cache line on; vectors that straddle two lines cost 3 to 10 %."""
    raw = np.empty(size + LINE)
    start = (-raw.ctypes.data // 8) % LINE
    return raw[start : start + size]


def as_point(x: Any, name: str = "x") -> Array:
    """The point as contiguous doubles: the caller's own array where it is just that, for kernels only read it."""
    if type(x) is np.ndarray and x.dtype.char == "d" and x.flags.carray and x.dtype.isnative:
        return x
    try:
        array = np.asarray(x)
    except (TypeError, ValueError) as error:
        msg = f"{name} must be an array of real numbers, got {x!r}"
        raise (ValueError if isinstance(error, ValueError) else TypeError)(msg) from error
    if array.dtype.kind not in "biuf":
        msg = f"{name} must be real numbers, got {type(x).__name__} of dtype {array.dtype}"
        raise TypeError(msg)
    return np.array(array, dtype=float, order="C")


def checked_direction(v: Any, x: Array, name: str = "v") -> Array:
    """The direction v, flat."""
    direction = as_point(v, name)
    if direction.shape != x.shape:
        msg = f"{name} must have the shape of x, {x.shape}, got {direction.shape}"
        raise ValueError(msg)
    if not np.isfinite(direction).all():
        msg = f"{name} must be finite, got {v!r}"
        raise ValueError(msg)
    longest = np.abs(direction).max(initial=0.0)
    if longest != 0.0 and not SHORTEST <= longest <= LONGEST:
        msg = f"{name} must be zero or have its largest entry between {SHORTEST} and {LONGEST}, got {v!r}; scale it"
        raise ValueError(msg)
    return direction.reshape(-1)


def bad_coordinate(x: Array, code: int) -> NoReturn:
    """What ``place`` found wrong: 2i for a coordinate that is not finite, 2i + 1 for one that cannot move."""
    i, no_room = divmod(code, 2)
    index = i if x.ndim <= 1 else tuple(map(int, np.unravel_index(i, x.shape)))
    value = x.reshape(-1)[i]
    if no_room:
        msg = (
            f"bounds, or a step that is too short, leave no room to move coordinate {index} from {value!s}; leave that "
            "coordinate out of x, or give a longer step"
        )
    else:
        msg = f"x must be finite, but x[{index}] is {value!s}"
    raise ValueError(msg)


# --- threads ---------------------------------------------------------------------------------------------------------


def shared_out(
    piece: Piece, helping: Piece, lo: int, hi: int, threads: int, advance: Advance, cost: float
) -> tuple[int, float]:
    """Hand the columns lo..hi out to threads, the caller with `piece`, others with `helping`; each takes more when it is free.
    How they came out, and the seconds that one takes: not those in which threads wake up, or a busy machine would never leave
    them again.

    An interrupt comes to the caller between its batches, or while it waits; then nobody takes another one. Where a column is
    cheap, by what it cost before, the first one is over before the others are called: all is in the next batch then, and nobody
    is in Python before the end, to wait for each other there.
    """
    batches = Batches(lo, hi, threads, cost if cost * (hi - lo) < SHORT * threads else np.inf)
    places, done = list(range(1, threads)), SimpleQueue[Any]()
    if batches.cost == np.inf and cost < SHORT and _ends(batches.run(piece, 0, batches.take())):
        return batches.failure, batches.cost
    batches.kept = piece  # and the arrays that it writes: helpers have their numbers alone, and may outlast the caller
    try:
        offer(places, lambda thread: _work(batches, helping, thread, None), done)
        _work(batches, piece, 0, advance)
        begun = threads - 1 - _withdrawn(places)  # who has not begun is not waited for
        outcomes = [] if batches.left(begun, bell()[ROUNDS]) else [done.get() for _ in range(begun)]
    except BaseException:
        batches.stop()
        _withdrawn(places)
        raise
    batches.kept = None
    for error in outcomes:
        if isinstance(error, BaseException):
            raise error
    return batches.failure, batches.cost


class _Lent:
    """The numbers of an array, not the array: who has them does not keep it alive."""

    def __init__(self, array: NDArray[Any]):
        self.__array_interface__ = array.__array_interface__


def lent(array: NDArray[Any]) -> NDArray[Any]:
    """An array for helpers to write. They may be long in coming back to Python, and a large one that is still theirs when the
    caller has dropped it and wants another costs more than its columns: new memory."""
    return np.asarray(_Lent(array)) if array.nbytes > LARGE else array


@dataclass(slots=True)
class Entry:
    """A kernel on a function at a point, and its arguments: those of all threads, and the workspace of each."""

    callee: Any
    head: tuple
    rest: tuple
    spaces: list[tuple]
    begin: tuple = ()

    def __call__(self, thread: int, part: Any) -> int:
        """The kernel with the columns (lo, hi), or with what comes to a thread of a batch."""
        rest = (*self.rest, *self.spaces[thread], *self.begin)
        if isinstance(part, tuple):
            return self.callee.enter(*self.head, *rest, *part)
        return self.callee.enter_batch(*self.head, part, bell(), thread, *rest)

    def lent(self, *outputs: NDArray[Any]) -> Entry:
        """The same for helpers."""
        large = [a for a in outputs if a.nbytes > LARGE]  # most often there are none, and to look at all takes 6 us
        return replace(self, rest=tuple(lent(a) if any(a is out for out in large) else a for a in self.rest)) if large else self


def stretches(part: Any, thread: int) -> Iterator[tuple[int, int]]:
    """The columns of a part, (lo, hi) after (lo, hi), for what is no kernel."""
    if isinstance(part, tuple):
        yield part
    else:
        while (taken := take_piece(part, bell(), thread)) and taken[0] < taken[1]:
            yield taken


def _alone(piece: Piece, lo: int, hi: int, advance: Advance) -> tuple[int, float]:
    """The same by the caller."""
    pieces = Pieces(lo, hi)
    return _work(pieces, piece, 0, advance), pieces.seconds / (hi - lo)


def _work(pieces: Pieces, piece: Piece, thread: int, advance: Advance) -> int:
    """Piece after piece, until none is left or one has failed; those before it have been taken by then."""
    found = OK
    while (part := pieces.take(thread)) is not None:
        code = pieces.run(piece, thread, part)
        found = first_failure(found, code)
        if _ends(code):
            pieces.stop()
        if advance:
            advance(pieces.done)
    return found


def _ends(code: int) -> bool:
    """Whether the columns that are left need not be computed: where one is not finite, the others may well be."""
    return code % 8 not in (OK, NONFINITE)


def _withdrawn(places: list[int]) -> int:
    """How many places nobody had taken; now nobody can."""
    count = 0
    while True:
        try:
            places.pop()
        except IndexError:
            return count
        count += 1


# --- one layout, made once -------------------------------------------------------------------------------------------


class Job:
    """A function at points of one shape and results of one layout: addresses, workspaces, the measured cost.

    Parameters
    ----------
    function : Function
    x : ndarray
        A point of the shape to come.
    args : tuple
        Extra arguments of the types to come.
    kernel : Any
        Takes ``(f, x, *rest, lo, hi)``; ``rest`` ends with the workspace of one thread.
    workspace : callable
        ``workspace(n, m)``: the arrays that one thread needs; the point comes first.
    """

    def __init__(self, function: Function, x: NDArray[Any], args: tuple, kernel: Any, workspace: Callable):
        self.function, self.kernel, self._workspace = function, kernel, workspace
        self.sample = function.sample(x, args)
        self.shape, self.m = x.shape, self.sample.flat.size
        self.callee = function.callee(x, args, self.sample)
        self.roundoff = max(self.sample.roundoff, self.callee.roundoff)
        self.result_shape, self.layout = self.sample.shape, self.sample.layout
        self.empty = x.size == 0 or self.m == 0
        self._kernel: Any = None
        self._at: Any = None
        self._idle: list[list[tuple]] = []
        self._keep = True
        self.again = False  # whether it has been used before
        self._cost = np.inf  # seconds a column, as last measured
        self._last: list[int] = []  # with these arguments, by their addresses: not to keep them alive

    @property
    def lean(self) -> bool:
        """Whether a call is native and, as measured, far too small for threads."""
        size, alone = prod(self.shape), self.function.crew is None
        return alone and self.callee.threads and len(self.shape) > 0 and self._keep and 2 * self._cost * size < WORTH_THREADS

    def fits(self, x: Array, args: tuple) -> bool:
        """Whether results still have the layout of the first call; for 1-d results their count alone tells."""
        return len(self.result_shape) < 2 or self.function.sample(x, args).layout == self.sample.layout

    def at(self, x: Array, args: tuple) -> Array:
        """f(x), flat and real; an error where it is not finite."""
        y, work = np.empty(self.m), np.empty(x.size + self.m)
        if self._at is None:
            self._at = self.callee.address_of(at, (y, work))
        callee = self.callee
        code = callee.enter(self._at, *callee.head, callee.load(args), x if x.ndim else x.reshape(1), y, work)
        if code == ASTRAY:
            self._astray(x, y)
        if code:
            self.fail(code, x, args, work, 0)
        return y

    def _astray(self, x: Array, y: Array) -> NoReturn:
        i = int(np.argmax(~np.isfinite(y)))
        place = f"f(x)[{i // (1 + self.sample.complex)}]" if self.result_shape else "f(x)"
        msg = f"f must be finite at x, but {place} is {y[i]!s} at x = {x!r}"
        raise ValueError(msg)

    def run(
        self, x: Array, args: tuple, rest: tuple, count: int, parallel: bool | None, *begin: bool, start: int = 0,
        writes: tuple[Output, ...] = (),
    ) -> int:  # fmt: skip
        """The kernel over the columns from `start`, `count` of them; OK or NONFINITE, or else an exception.

        `begin` goes to kernels that can begin by themselves: with f(x) and the steps. `writes` are the arrays among `rest`
        that hold results, for columns that other processes or threads compute.
        """
        spaces = self._spaces(x.size)
        if self._kernel is None:
            self._kernel = self.callee.address_of(self.kernel, (*rest, *spaces[0], *begin, 0, count))
        callee, stop = self.callee, start + count
        head, extra, point = (self._kernel, *callee.head), callee.load(args), x if x.ndim else x.reshape(1)
        crew, doubt = self.function.crew, self._doubt(args)
        if crew is None and not parallel and doubt * self._cost * count < SHORT:  # as far as is known
            clock = perf_counter()
            code = callee.enter(*head, extra, point, *rest, *spaces[0], *begin, start, stop)
            self._cost = (perf_counter() - clock) / count
        else:
            code = callee.enter(*head, extra, point, *rest, *spaces[0], *begin, 0, 0) if begin == (True,) else OK
            piece = Entry(callee, (*head, extra, point), rest, spaces, (False,) * len(begin))
            if crew is not None and count > 1 and not code:
                return self._elsewhere(x, args, (*rest, *spaces[0], *piece.begin), len(rest), writes, start, stop)
            code = code or self._in_parts(piece, x, start, stop, parallel, doubt, writes)
        if code and code % 8 != NONFINITE:
            self.fail(code, x, args, spaces[0][0], code // 8)
        if self._keep:
            self._idle.append(spaces)
        return code

    def _in_parts(
        self, piece: Entry, x: Array, start: int, stop: int, parallel: bool | None, doubt: float, writes: tuple[Output, ...]
    ) -> int:
        spaces, space = piece.spaces, partial(self._workspace, x.size, self.m)
        code = self.divide(piece, lambda: piece.lent(*(w.array for w in writes)), start, stop, spaces, space, parallel, doubt)
        if code % 8 in (RAISED, LENGTH):  # the column again, so that its point is in our hands
            code = piece(0, (code // 8, code // 8 + 1)) or code
        return code

    def _doubt(self, args: tuple) -> float:
        """How much dearer a column may be than the last one was; same arguments, as those of an optimiser, speak for the cost."""
        before, self._last = self._last, list(map(id, args))
        return 1.0 if before == self._last else DOUBT

    def _elsewhere(
        self, x: Array, args: tuple, rest: tuple, work: int, writes: tuple[Output, ...], start: int, stop: int
    ) -> int:
        """The same by the function's crew. The first failure that counts is that of the first column, as it is here."""
        assert self.function.crew is not None
        recipe = self.function.f, self.function.out_size, self.shape, self.layout, self.kernel, x, args, rest, work
        codes, report = [], reporter(self.function)
        advance = report.begin(stop - start, 0) if report else None
        with closing(handed_out(self.function.crew, recipe, writes, start, stop)) as answers:
            for done, code, point, error in answers:
                if _ends(code):
                    self.callee.put_exception(error)
                    self.fail(code, x, args, point, code // 8)
                codes.append(code)
                if advance:
                    advance(done)
        return reduce(first_failure, codes, OK)

    def divide(
        self, piece: Piece, helping: Callable[[], Piece], start: int, stop: int, spaces: list, space: Callable[[], tuple],
        parallel: bool | None, doubt: float = 1.0,
    ) -> int:  # fmt: skip
        """Threads where they pay: by order, or when the columns left cost enough, by the clock."""
        done, first = start, OK
        if parallel is None and self._cost == np.inf:  # unknown yet: a few columns tell
            done = start - (start - stop) // 8
            done, first = self._looked(piece, start, done)
            if _ends(first):
                return first
        left = stop - done
        if left == 0:
            return first
        report = reporter(self.function)
        worth = parallel or (parallel is None and self._cost * left > WORTH_THREADS)
        threads = min(thread_count(), left) if worth and self.callee.threads else 1
        advance = report.begin(stop - start, done - start) if report else None
        if len(spaces) < threads:
            spaces += [space() for _ in range(len(spaces), threads)]
            piece(0, shared(0, 0, 1))  # compiled by now, where the clock runs
        if threads > 1:
            code, self._cost = shared_out(piece, helping(), done, stop, threads, advance, doubt * self._cost)
        else:
            code, self._cost = _alone(piece, done, stop, advance)
        return first_failure(first, code)

    def _looked(self, piece: Callable, start: int, stop: int) -> tuple[int, int]:
        """The first columns, until their cost is known well enough; where that was, and how they came out."""
        pieces, found = Pieces(start, stop), OK
        while not _ends(found) and (part := pieces.take()):
            found = first_failure(found, pieces.run(piece, 0, part))
            self._cost, start = pieces.cost, part[1]
            if self._cost * (part[1] - part[0]) > WORTH_THREADS:
                break
        return start, found

    def _spaces(self, n: int) -> list[tuple]:
        """Workspaces, one a thread; kept for the next call, and made anew where another call has them now."""
        try:
            return self._idle.pop()
        except IndexError:
            pass
        spaces = [self._workspace(n, self.m)]
        self._keep = sum(s.nbytes for s in spaces[0]) <= KEEP
        return spaces

    def fail(self, code: int, x: Array, args: tuple, work: Array, column: int) -> NoReturn:
        """Say what went wrong; the point where it did is still in the workspace."""
        status, point = code % 8, work[: prod(self.shape)].reshape(self.shape)
        error = self.callee.take_exception(status)
        if error is not None:
            if isinstance(error, Exception):
                add_note(error, where_it_was(point, column))
            raise error
        if status == STALE:
            raise Changed
        if status == MISPLACED:
            bad_coordinate(x, column)
        if status == ASTRAY:
            self.at(x, args)
            msg = f"f must give the same results at the same point; at x = {x!r} it was not finite once, and is now"
            raise ValueError(msg)
        if status == LENGTH:
            self._wrong_length(x, args, point)
        if status == MUTATED:
            msg = "f changes its argument x in place; let it work on a copy (x = x.copy())"
            raise ValueError(msg)
        if status == RAISED:
            self.function.reraise(point, args, column)
        msg = f"a kernel answered with status {status}"  # pragma: no cover
        raise AssertionError(msg)

    def _wrong_length(self, x: Array, args: tuple, point: Array) -> NoReturn:
        here: Sample = self.function.sample(x.reshape(self.shape) if x.size == point.size else point, args)
        if here.layout != self.layout:
            raise Changed
        there = self.function.sample(point, args)
        msg = f"f must return results of one shape, got {here.shape} at x but {there.shape} at {point!r}"
        raise ValueError(msg)
