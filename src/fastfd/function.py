"""The user's callable, wrapped once: its signature, its calls by address, its own exceptions."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastfd.arrays import as_array
from fastfd.cfunction import CFunction, known
from fastfd.kernels.batches import enter_batch
from fastfd.kernels.compiler import jit_disabled
from fastfd.kernels.foreign import ForeignFunction
from fastfd.kernels.native import (
    LENGTH,
    MUTATED,
    OK,
    RAISED,
    NativeFunction,
    address_of,
    address_of_callback,
    callback_type,
    enter,
    enter_frame,
    has_type,
    is_compiled,
    is_declared,
    python_trampoline,
    type_names,
)
from fastfd.kernels.threads import in_turn, starts_threads
from fastfd.steps import unit_roundoff
from fastfd.workers import Crew, crew_of

__all__ = ["ALL", "SEVERAL", "Function", "Sample", "add_note", "checked_size", "defaults_of", "star_of", "where_it_was", "wrap"]

Array = NDArray[np.float64]
#: Where a column is named: all coordinates moved together, or those of one colour.
ALL, SEVERAL = -1, -2


class Sample:
    """What f returned at a point: the shape, whether it is complex, its precision, and the numbers, flat and real."""

    def __init__(self, value: Any):
        array = as_array(value, "f must return numbers, or an array of them")
        if array.dtype.kind not in "biufc":
            msg = f"f must return numbers, got {type(value).__name__} of dtype {array.dtype}"
            raise TypeError(msg)
        self.shape = array.shape
        self.complex = array.dtype.kind == "c"
        self.roundoff = unit_roundoff(array.dtype if array.dtype.kind in "fc" else np.dtype(float))
        self.flat = as_reals(array)

    @property
    def layout(self) -> tuple:
        return self.shape, self.complex


def as_reals(array: NDArray[Any]) -> Array:
    """Numbers as flat doubles; a complex one as its real and imaginary parts."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.astype(complex).view(float) if array.dtype.kind == "c" else flat.astype(float)


class Function:
    """A callable f(x, *args), or f(x, out, *args) where `out_size` says how many numbers f writes."""

    def __init__(self, f: Any, out_size: int | None):
        if not callable(f):
            msg = f"f must be callable, got {type(f).__name__}"
            raise TypeError(msg)
        self.f = f
        self.out_size = checked_size(out_size)
        self._foreign = isinstance(f, CFunction)
        self.compiled = is_compiled(f) or (self._foreign and f.python is None and not jit_disabled())
        self.crew: Crew | None = None  # who computes columns, where it is not this process
        self._fold = self._folded()
        self._natives: dict = {}

    @property
    def inlines(self) -> bool:
        """Whether f can be compiled into a loop of its own."""
        return self.compiled and not self._foreign

    def _folded(self) -> Callable[[tuple], tuple] | None:
        if self._foreign:
            return self.f.arguments
        return _fold(self.f, 1 if self.out_size is None else 2) if self.compiled else None

    def arguments(self, args: tuple) -> tuple:
        """The extra arguments as compiled code takes them: defaults filled in, a star packed; those of C in its types."""
        return self._fold(args) if self._fold else args

    def call(self, point: Any, args: tuple) -> Any:
        """f as Python calls it, on a point of its own."""
        own = self._as_taken(point, args)
        if self.out_size is None:
            return self._called(own, *self._given(args))
        out = np.full(self.out_size, np.nan)
        self._called(own, out, *self._given(args))
        return out

    def _called(self, *args: Any) -> Any:
        """f itself; an njit function with parallel regions in its turn."""
        return in_turn(self.f, *args) if self.inlines and starts_threads(self.f, args) else self.f(*args)

    def _as_taken(self, point: Any, args: tuple) -> Any:
        """A copy of a point as f takes it: a number for a 0-d array, in single precision where it was declared so."""
        own = np.array(point)
        if self.compiled and not self._foreign and is_declared(self.f):
            own = own.astype(self.native(own, args).point_dtype, copy=False)
        return own if own.ndim else own[()]

    def _given(self, args: tuple) -> tuple:
        return self._unfold(args) if self._fold and not self._foreign else args

    def _unfold(self, args: tuple) -> tuple:
        star = star_of(self.f, 1 if self.out_size is None else 2)
        return (*args[:star], *args[star]) if star is not None and star < len(args) else args

    def sample(self, point: Any, args: tuple) -> Sample:
        """f at a point, looked at with care: what comes out decides how everything is laid out."""
        if self._foreign:
            _check_out_size(self.f, self.out_size)
        elif self.compiled:
            _check_types(self._given(args))
        value = self.call(point, args)
        if value is None and self.out_size is None:
            msg = "f must return numbers, got None; for f(x, out, *args) that writes into out give out_size="
            raise TypeError(msg)
        sample = Sample(value)
        if self.out_size is not None and np.isnan(sample.flat).any():
            i = int(np.argmax(np.isnan(sample.flat)))
            msg = f"f left out[{i}] unwritten or nan (out_size={self.out_size})"
            raise ValueError(msg)
        return sample

    def callee(self, x: NDArray[Any], args: tuple, sample: Sample) -> NativeCallee | PythonCallee:
        """What a kernel calls, for points like `x` (complex for the complex step) and arguments like `args`."""
        if not self.compiled:
            return PythonCallee(self, x, sample)
        return NativeCallee(self.native(x, args), x.dtype)

    def native(self, x: NDArray[Any], args: tuple) -> NativeFunction | ForeignFunction:
        if self._foreign:
            return self.f.native(x.ndim, args)
        key = (x.ndim, x.dtype.char, type_names(args))
        if key not in self._natives:
            given = self._given(args)
            self._natives[key] = NativeFunction(self.f, x.ndim, x.dtype, args, given, self.out_size is not None)
        return self._natives[key]

    def reraise(self, point: NDArray[Any], args: tuple, column: int) -> NoReturn:
        """Call f once more where it failed, so that the user's own exception comes out."""
        where = where_it_was(point, column)
        try:
            self.call(point, args)
        except Exception as error:
            add_note(error, where)
            raise
        msg = f"f {where}, but not when it was called there again"
        raise RuntimeError(msg)


def _check_types(args: tuple) -> None:
    for i, value in enumerate(args):
        if not has_type(value):
            msg = f"args[{i}] is a {type(value).__name__}, which an njit function cannot take"
            raise TypeError(msg)


def where_it_was(point: Any, column: int) -> str:
    moved = {ALL: "moved all coordinates", SEVERAL: "moved the coordinates of one colour"}
    what = moved.get(column, f"differentiated with respect to coordinate {column}")
    return f"raised while fastfd {what}, at x = {point!r}"


def add_note(error: BaseException, note: str) -> None:
    if sys.version_info >= (3, 11):
        error.add_note(note)
    else:  # Python 3.10 has no notes; keep the text where later versions would
        error.__notes__ = [*getattr(error, "__notes__", []), note]


def checked_size(out_size: Any) -> int | None:
    """The number of results that f writes."""
    whole = isinstance(out_size, int | np.integer) and not isinstance(out_size, bool)
    if out_size is not None and not (whole and 0 <= out_size < sys.maxsize // 8):
        msg = f"out_size must be the number of results that f writes, got {out_size!r}"
        raise ValueError(msg)
    return None if out_size is None else int(out_size)


def _check_out_size(f: CFunction, out_size: int | None) -> None:
    if f.in_place and out_size is None:
        msg = f"f is a C function that writes its results, {f!s}; say how many by out_size="
        raise TypeError(msg)
    if not f.in_place and out_size is not None:
        msg = f"out_size has no meaning for f, a C function that returns its result, {f!s}"
        raise TypeError(msg)


def star_of(f: Any, leading: int) -> int | None:
    """Where among the extra arguments the star of ``f(x, *rest)`` begins."""
    parameters = list(inspect.signature(f.py_func).parameters.values())[leading:]
    kinds = [p.kind for p in parameters]
    return kinds.index(inspect.Parameter.VAR_POSITIONAL) if inspect.Parameter.VAR_POSITIONAL in kinds else None


def defaults_of(f: Any, leading: int) -> tuple:
    """The defaults of the extra arguments of an njit function; ``inspect.Parameter.empty`` where there is none."""
    return tuple(p.default for p in list(inspect.signature(f.py_func).parameters.values())[leading:])


def _fold(f: Any, leading: int) -> Callable[[tuple], tuple] | None:
    """How the arguments of a call line up with the parameters of an njit function; None where they just do."""
    star = star_of(f, leading)
    if star is not None:
        return lambda args: (*args[:star], tuple(args[star:]))
    defaults = defaults_of(f, leading)
    if all(d is inspect.Parameter.empty for d in defaults):
        return None
    return lambda args: args + defaults[len(args) :] if len(args) < len(defaults) else args


class NativeCallee:
    """An njit or C function at an address. ``enter(kernel, *head, load(args), x, *rest)`` runs a kernel on it."""

    threads = True
    enter: Any = staticmethod(enter)
    enter_batch: Any = staticmethod(enter_batch)

    def __init__(self, native: NativeFunction | ForeignFunction, dtype: np.dtype):
        self.native, self._dtype = native, dtype
        if native.parallel:  # f uses all the processors already
            self.threads, self.enter = False, partial(in_turn, enter)
        self.head = native.trampoline, native.address
        self.roundoff = unit_roundoff(native.dtype)

    def address_of(self, kernel: Any, rest: tuple) -> int:
        return address_of(kernel, self._dtype, rest)

    @staticmethod
    def load(args: tuple) -> tuple:
        return args

    def take_exception(self, status: int) -> None:
        return None

    def put_exception(self, error: BaseException | None) -> None:
        """Compiled code keeps none: f is called again where it failed."""


class _Desk:
    """Where compiled code and a Python callable hand numbers to each other during a call of a kernel; made once for many."""

    def __init__(self, x: NDArray[Any], m: int):
        self.args, self.inbox, self.outbox = (), np.empty(x.size * (x.dtype.itemsize // 8)), np.empty(m)
        boxes = (self.inbox, self.outbox)
        words = [word for box in boxes for word in (box.ctypes.data, box.size)]
        self._frame = np.array([*words, 0], np.uint64)
        self.waiting = self._frame[4:].view(float)
        self.frame = self._frame.ctypes.data  # asking takes a microsecond


class PythonCallee:
    """A Python callable behind a callback, or called by the kernel's text where there is no compiler."""

    threads = False

    def __init__(self, function: Function, x: NDArray[Any], sample: Sample):
        self._function, self._m, self._layout = function, sample.flat.size, sample.layout
        self._like = np.empty(x.shape, x.dtype)
        self._plain = x.ndim == 1 and x.dtype.char == "d"
        self._here = threading.local()  # other threads may be in f too, and f may call its own derivative
        self.roundoff = unit_roundoff(np.dtype(float))
        self._callback = callback_type(self._serve)
        self.head = (0, 0) if jit_disabled() else (python_trampoline(), address_of_callback(self._callback))

    def address_of(self, kernel: Any, rest: tuple) -> Any:
        return kernel if jit_disabled() else address_of(kernel, self._like.dtype, rest)

    @staticmethod
    def load(args: tuple) -> tuple:
        return args

    def enter(self, kernel: Any, trampoline: int, address: int, args: tuple, x: Array, *rest: Any) -> int:
        here = self._here.__dict__
        desks, free = here.setdefault("desks", []), here.setdefault("free", [])
        desk = free.pop() if free else _Desk(self._like, self._m)
        desk.args = args
        desks.append(desk)
        try:
            with np.errstate(all="ignore"):  # a search leaves the domain of f; a status says so, not a warning
                if jit_disabled():
                    return kernel(self, x.reshape(-1), *rest)
                return enter_frame(kernel, trampoline, address, desk.frame, x, *rest)
        finally:
            free.append(desks.pop())
            desk.args = ()  # not to keep them alive

    def evaluate(self, point: Array, values: Array) -> int:
        """What the text of a kernel calls where there is no compiler."""
        desk = self._here.desks[-1]
        desk.inbox.view(self._like.dtype)[:] = point
        status = self._serve()
        values[:] = desk.outbox
        return status

    def _serve(self) -> int:
        """Read the point, call f, leave its numbers: what compiled code calls back."""
        desk = self._here.desks[-1]
        try:
            point = desk.inbox.copy()
            if not self._plain:
                point = point.view(self._like.dtype).reshape(self._like.shape)
            before = point.tobytes()
            value = self._value(point, desk.args)
            if point.tobytes() != before:
                return MUTATED
            if not self._leave(value, desk.outbox):
                return LENGTH
        except BaseException as error:  # KeyboardInterrupt too: it comes out where fastfd was called
            self._here.exception = error
            return RAISED
        finally:
            desk.waiting[0] = 0.0
        return OK

    def _leave(self, value: Any, outbox: Array) -> bool:
        """Put what f returned where compiled code reads it, if it is of the shape that it was before."""
        shape, is_complex = self._layout
        if isinstance(value, float) and shape == () and not is_complex:  # numpy's among them; five times faster
            outbox[0] = value
            return True
        array = _as_array(value)
        if array.shape != shape or array.dtype.kind not in ("biufc" if is_complex else "biuf"):
            return False
        outbox[:] = array if array.ndim == 1 and not is_complex else as_reals(array.astype(complex) if is_complex else array)
        return True

    def _value(self, point: NDArray[Any], args: tuple) -> Any:
        own = point if point.ndim else point[()]
        if self._function.out_size is None:
            return self._function.f(own, *args)
        out = np.empty(self._function.out_size)
        self._function.f(own, out, *args)
        return out

    def take_exception(self, status: int) -> BaseException | None:
        """What f raised; where nothing is known of it, an interrupt came before Python was there to see it."""
        return self._here.__dict__.pop("exception", KeyboardInterrupt() if status == RAISED else None)

    def put_exception(self, error: BaseException | None) -> None:
        """What f raised elsewhere, or that it could not be sent here."""
        self._here.exception = error


def _as_array(value: Any) -> NDArray[Any]:
    """What f returned; where no array can be made of it, one that fits nowhere."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError):
        return np.asarray(None)


@lru_cache(maxsize=64)
def _wrap_once(f: Callable, out_size: int | None) -> Function:
    return Function(f, out_size)


def wrap(f: Callable, out_size: int | None, workers: Any = None) -> Function:
    """The wrapper of a callable; that of an njit or C function is kept, with what was compiled for it."""
    f, crew = known(f), crew_of(workers)
    keep = (is_compiled(f) or isinstance(f, CFunction)) and isinstance(out_size, int | None)
    if crew is None and keep:
        return _wrap_once(f, out_size)
    function = Function(f, out_size)
    function.crew = crew
    return function
