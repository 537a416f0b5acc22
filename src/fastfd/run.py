"""A plan on a function: workspaces, threads, and what to say when it fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from time import perf_counter
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastfd.function import Function, Sample, add_note, where_it_was
from fastfd.helpers import Results, offer
from fastfd.kernels.native import ASTRAY, LENGTH, MISPLACED, MUTATED, NONFINITE, OK, RAISED, STALE, thread_count
from fastfd.kernels.sweep import at
from fastfd.pace import Pieces, reporter
from fastfd.remote import Output, handed_out
from fastfd.steps import LONGEST, SHORTEST

__all__ = ["LINE", "Changed", "Job", "aligned", "as_point", "bad_coordinate", "checked_direction"]

Array = NDArray[np.float64]

#: Work below this many seconds stays on one thread: waking another costs some 65 us, and where the cores are busy it may come
#: late. At 2 ms two threads take 0.7 of the time of one on a quiet machine and 0.8 beside a busy process, at 1 ms 0.9 and
#: up to twice as long.
WORTH_THREADS = 2e-3
#: Work below this many seconds is done in one go. Beyond it the first column is looked at by itself, which costs 8 us: had
#: it become a thousand times slower since the last call, nothing could interrupt the others for a second.
SHORT = 1e-3
#: The columns are handed out in this many pieces a thread, so that one that is held up does not hold up the rest.
PIECES = 4
#: Workspaces up to this many bytes are kept for the next call.
KEEP = 1 << 24


#: Numbers in a cache line.
LINE = 8


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


def _share(
    piece: Callable[[int, int, int], int],
    lo: int,
    hi: int,
    threads: int,
    advance: Callable[[int], None] | None = None,
) -> tuple[int, float]:
    """Hand the columns lo..hi out to threads, the caller among them; each takes the next piece when it is free. How they came
    out, and the seconds of work: not those in which threads wake up, or a busy machine would never leave them again.

    An interrupt comes to the caller between its pieces, or while it waits; then nobody takes another one.
    """
    if threads == 1:
        pieces = Pieces(lo, hi, hi - lo)
        return _work(pieces, piece, 0, advance), pieces.seconds
    pieces = Pieces(lo, hi, max(1, -(-(hi - lo) // (threads * PIECES))))
    places = list(range(1, threads))
    done = Results()
    offer(places, lambda thread: _work(pieces, piece, thread, None), done)
    try:
        codes = [_work(pieces, piece, 0, advance)]
        begun = threads - 1 - _withdrawn(places)  # who has not begun is not waited for
        codes += done.wait(begun)
    finally:
        pieces.stop()
        _withdrawn(places)
    for code in codes:
        if isinstance(code, BaseException):
            raise code
    return _first_failure(codes), pieces.seconds


def _work(pieces: Pieces, piece: Callable[[int, int, int], int], thread: int, advance: Callable[[int], None] | None) -> int:
    """Piece after piece, until none is left or one has failed; those before it have been taken by then."""
    codes = []
    while part := pieces.take():
        codes.append(pieces.run(piece, thread, *part))
        if _ends(codes[-1]):
            pieces.stop()
        if advance:
            advance(pieces.done)
    return _first_failure(codes)


def _ends(code: int) -> bool:
    """Whether the columns that are left need not be computed: where one is not finite, the others may well be."""
    return code % 8 not in (OK, NONFINITE)


def _withdrawn(places: list[int]) -> int:
    """How many places nobody had taken; now nobody can."""
    count = 0
    with suppress(IndexError):
        while True:
            places.pop()
            count += 1
    return count


def _first_failure(codes: list[int]) -> int:
    """The failure with the lowest column, a fatal one before one that is only not finite."""
    failures = [c for c in codes if c]
    return min(failures, key=lambda c: (c % 8 == NONFINITE, c // 8), default=OK)


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

    @property
    def lean(self) -> bool:
        """Whether a call is native and, as measured, far too small for threads."""
        size = int(np.prod(self.shape))
        alone = self.function.crew is None
        return alone and self.callee.threads and len(self.shape) > 0 and self._keep and 4 * self._cost * size < WORTH_THREADS

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
        that hold results, for columns that other processes compute.
        """
        spaces = self._spaces(x.size)
        if self._kernel is None:
            self._kernel = self.callee.address_of(self.kernel, (*rest, *spaces[0], *begin, 0, count))
        callee, stop = self.callee, start + count
        head, extra, point = (self._kernel, *callee.head), callee.load(args), x if x.ndim else x.reshape(1)
        crew = self.function.crew
        if crew is None and not parallel and self._cost * count < SHORT:  # as far as is known
            clock = perf_counter()
            code = callee.enter(*head, extra, point, *rest, *spaces[0], *begin, start, stop)
            self._cost = (perf_counter() - clock) / count
        else:

            def piece(thread: int, lo: int, hi: int) -> int:
                return callee.enter(*head, extra, point, *rest, *spaces[thread], *later, lo, hi)

            later = (False,) * len(begin)
            code = callee.enter(*head, extra, point, *rest, *spaces[0], *begin, 0, 0) if begin == (True,) else OK
            if crew is not None and count > 1 and not code:
                return self._elsewhere(x, args, (*rest, *spaces[0], *later), len(rest), writes, start, stop)
            code = code or self.divide(piece, start, stop, spaces, lambda: self._workspace(x.size, self.m), parallel)
            if code % 8 in (RAISED, LENGTH):  # the column again, so that its point is in our hands
                code = piece(0, code // 8, code // 8 + 1) or code
        if code and code % 8 != NONFINITE:
            self.fail(code, x, args, spaces[0][0], code // 8)
        if self._keep:
            self._idle.append(spaces)
        return code

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
        return _first_failure(codes)

    def divide(
        self, piece: Callable, start: int, stop: int, spaces: list, space: Callable, parallel: bool | None
    ) -> int:
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
        while len(spaces) < threads:
            spaces.append(space())
        code, seconds = _share(piece, done, stop, threads, advance)
        self._cost = seconds / left
        return _first_failure([first, code])

    def _looked(self, piece: Callable, start: int, stop: int) -> tuple[int, int]:
        """The first columns, until their cost is known well enough; where that was, and how they came out."""
        pieces, codes = Pieces(start, stop, stop - start), [OK]
        while (part := pieces.take()) and not _ends(codes[-1]):
            codes.append(pieces.run(piece, 0, *part))
            self._cost, start = pieces.cost, part[1]
            if self._cost * (part[1] - part[0]) > WORTH_THREADS:
                break
        return start, _first_failure(codes)

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
        status, point = code % 8, work[: int(np.prod(self.shape))].reshape(self.shape)
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
