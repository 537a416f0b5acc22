"""How a kernel calls the user's function.

A kernel never sees the type of ``f``. It calls :func:`evaluate` with a *callee*, three machine words
``(trampoline, address, frame)``:

``address``
    where the user's compiled function begins;
``frame``
    where the extra arguments (and the shape of ``x``) lie for the time of one call;
``trampoline``
    a small compiled adapter that knows the signature of ``f``: it loads the arguments from the frame, calls
    ``f``, turns an exception into a status and hands the result on as flat doubles.

So the large kernels compile once on a machine, whatever functions they meet; a trampoline compiles once per
signature; both are cached on disk; and a new user function costs nothing beyond its own compilation. A Python
callable enters by the same door, with a trampoline that calls back (see ``docs/rationale.md``).
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from types import MethodType
from typing import Any

import numba
import numba.np.ufunc.parallel
import numpy as np
from llvmlite import ir
from llvmlite.binding import add_symbol
from numba import cloudpickle
from numba.core import cgutils, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError, TypingError
from numba.core.imputils import impl_ret_borrowed, lower_constant
from numba.core.registry import cpu_target
from numba.extending import NativeValue, box, intrinsic, models, overload, register_jitable, register_model, unbox

from fastfd.kernels.compiler import (
    PART,
    borrowing,
    carrier,
    entry_point,
    gate,
    helper,
    house_stamp,
    independent,
    inline_njit,
    inner,
    jit_disabled,
    kernel,
    locked_gate,
    winding_kernel,
)

__all__ = [
    "ASTRAY",
    "CLOSE",
    "FIRST",
    "LAST",
    "LEFT",
    "LENGTH",
    "MANY",
    "MIDDLE",
    "MISPLACED",
    "MUTATED",
    "NONFINITE",
    "OK",
    "ONLY",
    "OPEN",
    "RAISED",
    "RANGES",
    "ROUNDS",
    "STALE",
    "UNKNOWN",
    "WANTED",
    "Embedded",
    "Mentioned",
    "NativeFunction",
    "NumbaError",
    "TypingError",
    "Unsupported",
    "address_of",
    "address_of_callback",
    "apart",
    "as_complex",
    "as_words",
    "assign",
    "borrow",
    "call",
    "callback_type",
    "carried",
    "carrier",
    "carve",
    "enter",
    "enter_batch",
    "enter_frame",
    "evaluate",
    "fill",
    "first_failure",
    "flattened",
    "from_line",
    "frozen",
    "gate",
    "has_type",
    "helper",
    "hold",
    "house_stamp",
    "in_turn",
    "independent",
    "inline_njit",
    "inner",
    "is_compiled",
    "is_declared",
    "jit_disabled",
    "kernel",
    "kernel_types",
    "linked",
    "linked_call",
    "nonfinite",
    "on_stack",
    "overloaded",
    "packed_call",
    "pickled",
    "python_trampoline",
    "refresh",
    "roomy",
    "seldom",
    "small",
    "starts_threads",
    "stretch",
    "take_piece",
    "thread_count",
    "type_names",
    "types",
    "watch",
    "winding_kernel",
]  # fmt: skip

#: What one evaluation, and so a whole kernel, answers. Only OK leaves a usable result, and NONFINITE one with nan.
#: ASTRAY: f(x) itself is not finite.
#: MISPLACED: a coordinate of x is not finite, or has no room to move; it comes with 2i or 2i + 1.
OK, RAISED, LENGTH, STALE, MUTATED, NONFINITE, MISPLACED, ASTRAY = range(8)
#: What a record answers (see :func:`evaluate`) where it has nothing; no kernel hands it on.
UNKNOWN = 8

#: Where an evaluation stands in the weighted sum over the nodes of a stencil. OPEN and CLOSE are the first and the last of two:
#: what f returned at the first may wait as it is, so nothing else is evaluated in between, and the second always follows.
FIRST, MIDDLE, LAST, ONLY, OPEN, CLOSE = range(6)



_word = types.uintp
_callee = types.UniTuple(_word, 3)
_flags = (types.float64, types.float64, types.int64)
_trampoline_args = (_word, _word, _word, _word, _word, types.int64, *_flags)
_trampoline_abi = (types.voidptr, *_trampoline_args)  # an opaque signature still takes up one argument


class Unsupported(TypeError):
    """The function has a signature that no trampoline can serve; the message says why."""


def is_compiled(f: object) -> bool:
    """Whether `f` is an njit function that kernels can call natively."""
    return isinstance(f, Dispatcher) and f.targetoptions.get("nopython", True) and not jit_disabled()


def is_declared(f: Any) -> bool:
    """Whether an njit function has explicit signatures and takes nothing else."""
    return not f._can_compile


# --- numba's threads --------------------------------------------------------------------------------------------


def thread_count() -> int:
    """How many threads numba would use. Not before it has started its own is it asked: that would start them, and a process
    whose OpenMP threads run can no longer fork."""
    return numba.get_num_threads() if _layer() else numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]


def _layer() -> str | None:
    """The threading layer, once it runs."""
    return numba.np.ufunc.parallel._threading_layer


#: Held while a function runs that starts parallel regions of its own, where the layer takes one at a time ("workqueue").
_turn = threading.RLock()
#: Whether this is the child of a process whose GNU OpenMP threads ran: the next parallel region ends it.
_stranded = False


def _in_child() -> None:
    global _turn, _stranded
    _turn, _stranded = threading.RLock(), _layer() == "omp" and sys.modules["numba.np.ufunc.omppool"].openmp_vendor == "GNU"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def starts_threads(f: Any, args: tuple) -> bool:
    """Whether an njit function has parallel regions, or what it calls has; it is compiled for that if it was not before."""
    if not f.overloads:
        with suppress(Exception):  # the call will say what is wrong
            f.compile(type_names(args))
    return any(map(_is_parallel, f.overloads.values()))


def _is_parallel(compiled: Any) -> bool:
    """What numba must do before the code runs says so: it starts the threads."""
    return any(getattr(init, "__name__", "") == "_reload_parfors" for init in compiled.reload_init)


def in_turn(call: Callable, *args: Any) -> Any:
    """Call what has parallel regions: not while another thread does, where numba would end the process.

    Raises
    ------
    RuntimeError
        In a forked child that numba would end.
    """
    if _stranded:
        msg = (
            "f has parallel regions, and GNU OpenMP cannot enter one in a process that was forked after its threads had started: "
            "start processes by 'spawn', or set NUMBA_THREADING_LAYER to tbb or workqueue, or compile f without parallel=True"
        )
        raise RuntimeError(msg)
    if _layer() not in ("workqueue", None):
        return call(*args)
    with _turn:
        return call(*args)


# --- the signature, as a type without a value ---------------------------------------------------------------


class Signature(types.Opaque):
    """How ``f`` is called: what the frame holds, what ``f`` takes and what it returns; hashable, picklable."""

    def __init__(self, point: types.Type, extra: types.Type, takes: tuple, returns: types.Type, in_place: bool):
        self.point, self.extra, self.takes, self.returns, self.in_place = point, extra, takes, returns, in_place
        super().__init__(name=f"fastfd.Signature{(point, extra, takes, returns, in_place)}")

    @property
    def trampoline(self) -> tuple[Callable, tuple]:
        """The text that serves it, and the types to compile that for."""
        return _trampoline_in_place if self.in_place else _trampoline, (self, *_trampoline_args)

    @property
    def complaint(self) -> str:
        return f"f returns {self.returns}; it must return a number, an array, or a tuple or list of numbers"


register_model(Signature)(models.OpaqueModel)


def _tag(point: types.Type, extra: types.Type) -> int:
    """A number that names the layout of a frame; the same in every process, since it is cached with the code."""
    return int.from_bytes(hashlib.sha256(f"{point}|{extra}".encode()).digest()[:7], "little")


def _frame_type(context: Any, point: types.Type, extra: types.Type) -> ir.Type:
    fields = [ir.IntType(64), context.get_value_type(extra), context.get_value_type(point)]
    return ir.LiteralStructType(fields)


@intrinsic
def _make_frame(typingctx, extra, point):
    """Lay the extra arguments and the shaped point on the stack of the caller; give the address."""

    def codegen(context, builder, sig, args):
        return _frame(context, builder, (extra, point), args)

    return _word(extra, point), codegen


def _frame(context, builder, kinds, values):
    point, extra = kinds[1], kinds[0]
    frame = cgutils.alloca_once(builder, _frame_type(context, point, extra))
    tag = ir.Constant(ir.IntType(64), _tag(point, extra))
    for i, value in enumerate((tag, *values)):
        builder.store(value, cgutils.gep_inbounds(builder, frame, 0, i))
    return builder.ptrtoint(frame, context.get_value_type(_word))


@intrinsic
def _frame_matches(typingctx, sig_type, frame):
    def codegen(context, builder, sig, args):
        found = builder.load(builder.inttoptr(args[1], ir.IntType(64).as_pointer()))
        return builder.icmp_signed("==", found, ir.Constant(ir.IntType(64), _tag(sig_type.point, sig_type.extra)))

    return types.boolean(sig_type, frame), codegen


def _load(context, builder, sig_type, frame, field):
    pointer = builder.inttoptr(frame, _frame_type(context, sig_type.point, sig_type.extra).as_pointer())
    return builder.load(cgutils.gep_inbounds(builder, pointer, 0, field))


@borrowing
@intrinsic
def _point(typingctx, sig_type, frame, x):
    """The doubles at address `x`, in the shape that the frame remembers (a number where ``f`` takes one)."""
    scalar = not isinstance(sig_type.takes[0], types.Array)
    result = sig_type.point.dtype if scalar else sig_type.point

    def codegen(context, builder, sig, args):
        data_type = context.get_data_type(sig_type.point.dtype).as_pointer()
        data = builder.inttoptr(args[2], data_type)
        if scalar:
            return context.unpack_value(builder, result, data)
        array = context.make_array(result)(context, builder, value=_load(context, builder, sig_type, args[1], 2))
        array.data = data
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()

    return result(sig_type, frame, x), codegen


def _forget_python_error(context, builder, status):
    """An exception from object mode waits in the interpreter; the user's own is raised again later, so drop it."""
    with builder.if_then(status.is_python_exc, likely=False):
        python = context.get_python_api(builder)
        gil = python.gil_ensure()
        python.err_clear()
        python.gil_release(gil)


@intrinsic(prefer_literal=False)
def _call_user(typingctx, sig_type, address, frame, leading):
    """Call ``f(*leading, *extra)``: whether it raised, what it returned (zero bits where it raised), and whether that is an array
    that nobody else holds."""
    result = types.Tuple((types.boolean, sig_type.returns, types.boolean))

    def codegen(context, builder, sig, args):
        extra = cgutils.unpack_tuple(builder, _load(context, builder, sig_type, args[2], 1), len(sig_type.extra))
        given = [*zip(cgutils.unpack_tuple(builder, args[3], len(leading)), leading, strict=True)]
        given += zip(extra, sig_type.extra, strict=True)
        values = [context.cast(builder, v, have, want) for (v, have), want in zip(given, sig_type.takes, strict=True)]
        conv = context.call_conv
        pointer = conv.get_function_type(sig_type.returns, sig_type.takes).as_pointer()
        function = builder.inttoptr(args[1], pointer)
        status, value = conv.call_function(builder, function, sig_type.returns, sig_type.takes, values)
        slot = cgutils.alloca_once_value(builder, cgutils.get_null_value(value.type))
        with builder.if_then(status.is_ok):
            builder.store(value, slot)
        _forget_python_error(context, builder, status)
        value = builder.load(slot)
        return context.make_tuple(builder, result, (status.is_error, value, _held_by_us_alone(context, builder, sig_type, value)))

    return result(sig_type, address, frame, leading), codegen


#: What can wait as it is.
_WAITING_KIND = types.Array(types.float64, 1, "C")


def _held_by_us_alone(context, builder, sig_type, value):
    """A view, or an array that f keeps, may be written to in the next call."""
    if sig_type.returns != _WAITING_KIND:
        return cgutils.false_bit
    array = context.make_array(_WAITING_KIND)(context, builder, value=value)
    alone, number = cgutils.alloca_once_value(builder, cgutils.false_bit), ir.IntType(64)
    with builder.if_then(cgutils.is_not_null(builder, array.meminfo)):
        count = builder.load(builder.bitcast(array.meminfo, number.as_pointer()))  # a NRT_MemInfo begins with it
        builder.store(builder.icmp_unsigned("==", count, number(1)), alone)
    return builder.load(alone)


@intrinsic
def _keep(typingctx, array, place):
    """Hold an array until :func:`_let_go`; where it is, in two words at `place`."""

    def codegen(context, builder, sig, args):
        if array == _WAITING_KIND:
            context.nrt.incref(builder, array, args[0])
            view = context.make_array(array)(context, builder, value=args[0])
            for i, pointer in enumerate((view.meminfo, view.data)):
                builder.store(builder.bitcast(pointer, cgutils.voidptr_t), _word_at(builder, args[1], i))
        return context.get_dummy_value()

    return types.void(array, place), codegen


@intrinsic
def _let_go(typingctx, place):
    def codegen(context, builder, sig, args):
        array = context.make_array(_WAITING_KIND)(context, builder)
        array.meminfo = builder.load(_word_at(builder, args[0], 0))
        context.nrt.decref(builder, _WAITING_KIND, array._getvalue())
        return context.get_dummy_value()

    return types.void(place), codegen


def _word_at(builder, place, i):
    words = builder.inttoptr(place, cgutils.voidptr_t.as_pointer())
    return builder.gep(words, [ir.Constant(ir.IntType(32), i)])


def _native_call(context, builder, address, result, arg_types, args):
    """Call a compiled function of ours by its address; they never raise, so the status is not looked at."""
    pointer = context.call_conv.get_function_type(result, arg_types).as_pointer()
    function = builder.inttoptr(address, pointer)
    return context.call_conv.call_function(builder, function, result, arg_types, args)[1]


@intrinsic
def _call_trampoline(typingctx, callee, x, y, scratch, m, weight, factor, part):
    def codegen(context, builder, sig, args):
        trampoline, address, frame = cgutils.unpack_tuple(builder, args[0], 3)
        opaque = cgutils.get_null_value(context.get_value_type(types.voidptr))
        values = [opaque, address, frame, *args[1:]]
        return _native_call(context, builder, trampoline, types.int64, _trampoline_abi, values)

    return types.int64(callee, x, y, scratch, m, *_flags), codegen


@intrinsic(prefer_literal=False)
def _call_kernel(typingctx, address, callee, x, rest):
    arg_types = (_callee, x, *rest)

    def codegen(context, builder, sig, args):
        values = [args[1], args[2], *cgutils.unpack_tuple(builder, args[3], len(rest))]
        return _native_call(context, builder, args[0], types.int64, arg_types, values)

    return types.int64(address, callee, x, rest), codegen


def _array(context, builder, kind, address, shape):
    """A contiguous array at an address, owned by somebody else."""
    from numba.np.arrayobj import populate_array  # a fifth of the import of numba, needed to compile only

    array, data_type = context.make_array(kind)(context, builder), context.get_data_type(kind.dtype)
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(data_type))
    strides = [itemsize]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    populate_array(array, builder.inttoptr(address, data_type.as_pointer()), shape, strides, itemsize, None)
    return array._getvalue()


@borrowing
@intrinsic
def _doubles(typingctx, address, size):
    result = types.Array(types.float64, 1, "C")

    def codegen(context, builder, sig, args):
        return _array(context, builder, result, args[0], [args[1]])

    return result(types.uintp, types.intp), codegen


@borrowing
@intrinsic
def _waiting(typingctx, place, size):
    """The array that :func:`_keep` was given."""

    def codegen(context, builder, sig, args):
        data = builder.ptrtoint(builder.load(_word_at(builder, args[0], 1)), context.get_value_type(_word))
        return _array(context, builder, _WAITING_KIND, data, [args[1]])

    return _WAITING_KIND(types.uintp, types.intp), codegen


@intrinsic
def _address(typingctx, array):
    def codegen(context, builder, sig, args):
        data = context.make_array(array)(context, builder, value=args[0]).data
        return builder.ptrtoint(data, context.get_value_type(_word))

    return _word(array), codegen


@borrowing
@intrinsic
def _borrowed(typingctx, array):
    if not isinstance(array, types.Array):  # a number, a tuple, a list: as it is
        return array(array), lambda context, builder, sig, args: impl_ret_borrowed(context, builder, array, args[0])

    def codegen(context, builder, sig, args):
        view = context.make_array(array)(context, builder, value=args[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(array), codegen


#: The same array without its reference count: a kernel makes many views, and each would count up and down.
borrow: Any = (lambda array: array) if jit_disabled() else _borrowed


@intrinsic
def hold(typingctx, value):
    """Does nothing; but what it is given lives until then."""

    def codegen(context, builder, sig, args):
        return context.get_dummy_value()

    return types.void(value), codegen


@intrinsic
def _apart(typingctx):
    def codegen(context, builder, sig, args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


#: Keeps the function that says it out of its callers.
apart: Any = (lambda: None) if jit_disabled() else _apart


@borrowing
@intrinsic
def _stretch(typingctx, array, start, stop):
    def codegen(context, builder, sig, args):
        view = context.make_array(array)(context, builder, value=args[0])
        size = builder.sub(args[2], args[1])
        view.data = builder.gep(view.data, [args[1]])
        view.nitems = size
        view.shape = cgutils.pack_array(builder, [size])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(array, types.intp, types.intp), codegen


#: ``array[start:stop]`` of a contiguous array, borrowed, without the questions about negative numbers.
stretch: Any = (lambda array, start, stop: array[start:stop]) if jit_disabled() else _stretch


@borrowing
@intrinsic
def _same_doubles_as_words(typingctx, array):
    result = array.copy(dtype=types.int64)

    def codegen(context, builder, sig, args):
        doubles = context.make_array(array)(context, builder, value=args[0])
        words = context.make_array(result)(context, builder)
        for field in ("nitems", "itemsize", "shape", "strides"):
            setattr(words, field, getattr(doubles, field))
        words.data = builder.bitcast(doubles.data, words.data.type)
        return words._getvalue()

    return result(array), codegen


#: ``array.view(np.int64)``, borrowed; numba's own takes as long to compile as five parts of a kernel.
as_words: Any = (lambda array: array.view(np.int64)) if jit_disabled() else _same_doubles_as_words


@borrowing
@intrinsic
def flattened(typingctx, array):
    """``array.reshape(-1)`` of a contiguous array, borrowed."""
    result = types.Array(array.dtype, 1, "C")

    def codegen(context, builder, sig, args):
        shaped = context.make_array(array)(context, builder, value=args[0])
        flat = context.make_array(result)(context, builder)
        flat.data, flat.nitems, flat.itemsize = shaped.data, shaped.nitems, shaped.itemsize
        flat.shape = cgutils.pack_array(builder, [shaped.nitems])
        flat.strides = cgutils.pack_array(builder, [shaped.itemsize])
        return flat._getvalue()

    return result(array), codegen


# --- what f returns, as flat doubles --------------------------------------------------------------------------


def _flat(value: Any) -> Any:
    """Numbers, arrays, tuples and lists as one flat run of real numbers (complex: real and imaginary parts)."""


@overload(_flat, jit_options=PART)
def _flat_overload(value):
    if isinstance(value, types.Complex):
        return lambda value: (value.real, value.imag)
    if isinstance(value, types.Number | types.Boolean):
        return lambda value: (value,)
    if isinstance(value, types.Array):
        return _flat_array(value)
    if isinstance(value, types.BaseTuple | types.List):
        return lambda value: _flat(np.array(value))
    return None


def _flat_array(value):
    if isinstance(value.dtype, types.Complex):
        part = types.float64 if value.dtype is types.complex128 else types.float32
        dtype = numba.np.numpy_support.as_dtype(part)
        return lambda value: np.ascontiguousarray(value).reshape(-1).view(dtype)
    if value.ndim == 1:
        return lambda value: value
    return lambda value: np.ascontiguousarray(value).reshape(-1)


@intrinsic
def _trace_of(typingctx, number):
    def codegen(context, builder, sig, args):
        return builder.bitcast(builder.fsub(args[0], args[0]), ir.IntType(64))

    return types.int64(types.float64), codegen


#: Not 0 for nan and infinities: the bits of number - number. Taken together by ``|`` in a loop they tell whether all numbers
#: are finite. That vectorises, where a sum would not, and costs 4 ns more than the loop alone at 100 numbers.
_trace: Any = (lambda number: 0 if np.isfinite(number) else 1) if jit_disabled() else _trace_of


@inner
def nonfinite(values):
    """Whether any of `values` is nan or infinite."""
    bad = np.int64(0)
    for i in range(values.size):
        bad |= _trace(values[i])
    return bad != 0


@inner
def _gather(values, y, weight, factor, part):
    """``y = weight*values`` for the first node of a stencil, ``y = (y + weight*values)*factor`` after it.

    The weights are whole numbers and the factor comes last, so the difference of two near values is exact. At the
    last node, whether anything came out that is not finite, in the same pass.
    """
    if len(values) != y.size:
        return LENGTH
    if part in (FIRST, OPEN):
        for i in range(y.size):
            y[i] = weight * values[i]
        return OK
    if part == MIDDLE:
        for i in range(y.size):
            y[i] = y[i] + weight * values[i]
        return OK
    bad = np.int64(0)
    if part in (LAST, CLOSE):
        for i in range(y.size):
            y[i] = total = (y[i] + weight * values[i]) * factor
            bad |= _trace(total)
    else:
        for i in range(y.size):
            y[i] = total = weight * values[i]
            bad |= _trace(total)
    return NONFINITE if bad != 0 else OK


def _as_taken(sig_type: Any, x: Any) -> Any:
    """The point in the precision that ``f`` takes (single precision where its signature says so)."""


@overload(_as_taken, jit_options=PART)
def _as_taken_overload(sig_type, x):
    want = sig_type.takes[0]
    have = getattr(want, "dtype", want)
    if isinstance(x, types.Array) and have != x.dtype:
        dtype = numba.np.numpy_support.as_dtype(have)
        return lambda sig_type, x: x.astype(dtype)
    return lambda sig_type, x: x


#: From so many numbers on what f returned waits: of fewer a copy costs no more than two arrays that are there at a time.
MANY = 100
#: What waits is told of in `scratch`: by two words, and whether anything does and its weight, in the numbers after them.
MARK, WEIGHT = 2, 3


@helper
def _is_to_wait(values, scratch, m, weight, part, alone):
    """Whether what f returned at the first of two nodes can wait as it is: one pass over numbers less."""
    if part != OPEN or m < MANY:
        return False
    waits, note = alone and len(values) == m, _doubles(scratch, m)
    note[MARK], note[WEIGHT] = 1.0 if waits else 0.0, weight
    return waits


@helper
def _waited(scratch, m, part):
    return part == CLOSE and m >= MANY and _doubles(scratch, m)[MARK] != 0.0


@inner
def _gather_both(first, first_weight, values, y, weight, factor):
    if len(values) != y.size:
        return LENGTH
    bad = np.int64(0)
    for i in range(y.size):
        y[i] = total = (first_weight * first[i] + weight * values[i]) * factor
        bad |= _trace(total)
    return NONFINITE if bad != 0 else OK


@kernel
def _trampoline(sig_type, address, frame, x, y, scratch, m, weight, factor, part):
    if not _frame_matches(sig_type, frame):
        return STALE
    point, status, waited = _as_taken(sig_type, _point(sig_type, frame, x)), RAISED, _waited(scratch, m, part)
    raised, value, alone = _call_user(sig_type, address, frame, (point,))
    if not raised:
        values = _flat(value)
        if _is_to_wait(borrow(values), scratch, m, weight, part, alone):
            _keep(values, scratch)
            status = OK
        elif waited:
            first_weight = _doubles(scratch, m)[WEIGHT]
            status = _gather_both(_waiting(scratch, m), first_weight, borrow(values), _doubles(y, m), weight, factor)
        else:
            status = _gather(borrow(values), _doubles(y, m), weight, factor, part)
        hold(values)
    if waited:
        _let_go(scratch)
    return status


@kernel
def _trampoline_in_place(sig_type, address, frame, x, y, scratch, m, weight, factor, part):
    if not _frame_matches(sig_type, frame):
        return STALE
    direct = weight == 1.0 and part in (FIRST, ONLY, OPEN)
    out = _doubles(y if direct else scratch, m)
    raised, _, _ = _call_user(sig_type, address, frame, (_point(sig_type, frame, x), out))
    if raised:
        return RAISED
    if direct:
        return NONFINITE if part == ONLY and nonfinite(out) else OK
    return _gather(out, _doubles(y, m), weight, factor, part)


# --- Python callables, by the same door ------------------------------------------------------------------------

callback_type = ctypes.CFUNCTYPE(ctypes.c_int64)
#: Where in the frame of a Python callable it says that Python has not answered.
_WAITING = 32


@kernel
def _python_trampoline(opaque, address, frame, x, y, scratch, m, weight, factor, part):
    """Copy the point where Python reads it, call back, gather the numbers it left.

    The frame is five words: inbox, its size, outbox, its size, and a double that is not 0 until Python has answered.
    """
    words = _doubles_as_words(frame)
    inbox, outbox = _doubles(words[0], np.intp(words[1])), _doubles(words[2], np.intp(words[3]))
    point = _doubles(x, inbox.size)
    for i in range(inbox.size):
        inbox[i] = point[i]
    waiting = _doubles(frame + np.uintp(_WAITING), 1)
    waiting[0] = 1.0
    status = _call_back(address)
    if waiting[0] != 0.0:  # interrupted before its first line: Python ignores that, and the status is whatever was there
        return RAISED
    if status != OK:
        return status
    return _gather(outbox, _doubles(y, m), weight, factor, part)


@intrinsic
def _doubles_as_words(typingctx, frame):
    result = types.UniTuple(_word, 4)

    def codegen(context, builder, sig, args):
        pointer = builder.inttoptr(args[0], context.get_value_type(_word).as_pointer())
        words = [builder.load(builder.gep(pointer, [ir.Constant(ir.IntType(32), i)])) for i in range(4)]
        return context.make_tuple(builder, result, words)

    return result(frame), codegen


@intrinsic
def _call_back(typingctx, address):
    def codegen(context, builder, sig, args):
        pointer = ir.FunctionType(ir.IntType(64), []).as_pointer()
        return builder.call(builder.inttoptr(args[0], pointer), [])

    return types.int64(address), codegen


# --- evaluate, in the worlds where kernels live ------------------------------------------------------------------


@helper
def _recall(record, x, y):
    """What a record has for the number x[0]; or else the number is noted as asked for."""
    asked, values = record
    for s in range(int(asked[0])):
        if asked[2 + s] == x[0]:
            for i in range(y.size):
                y[i] = values[s * y.size + i]
            return NONFINITE if nonfinite(y) else OK
    asked[1] = x[0]
    return UNKNOWN


def evaluate(f: Any, x: Any, y: Any, scratch: Any, weight: float, factor: float, part: int) -> int:
    """One evaluation of ``f`` at `x`, gathered into `y`; a status.

    `part` says where in a sum it stands: FIRST, MIDDLE, LAST, or the ONLY one.

    The text of the kernels runs as plain Python too (``NUMBA_DISABLE_JIT=1``): then `f` is a Python object. Or `f` is a
    record of what a function of one number gave: a pair of arrays, (how many numbers it has, the one asked for in vain,
    the numbers) and the results one after the other. A search that runs on a record ends where it has to wait for f, and
    is run again with more; so the searches of many coordinates share evaluations.
    """
    if isinstance(f, tuple):
        return _recall(f, x, y)
    values = np.empty(y.size)
    status = f.evaluate(x, values)
    if status != OK:
        return status
    first, last = part in (FIRST, ONLY, OPEN), part in (LAST, ONLY, CLOSE)
    y[:] = weight * values if first else (y + weight * values) * (factor if last else 1.0)
    return NONFINITE if last and not np.isfinite(y).all() else OK


@overload(evaluate, jit_options={**PART, "forceinline": True})
def _evaluate_overload(f, x, y, scratch, weight, factor, part):
    if f == _callee:
        return lambda f, x, y, scratch, weight, factor, part: _call_trampoline(
            f, _address(x), _address(y), _address(scratch), y.size, weight, factor, part
        )
    if isinstance(f, types.UniTuple) and isinstance(f.dtype, types.Array):
        return lambda f, x, y, scratch, weight, factor, part: _recall(f, x, y)
    return None


@helper
def fill(out, value):
    """``out[:] = value``, without the error message about shapes, which takes a second to compile."""
    for i in range(out.size):
        out[i] = value


@helper
def assign(out, values):
    """``out[:] = values``, likewise."""
    for i in range(out.size):
        out[i] = values[i]


@intrinsic
def _word_now(typingctx, words, i):
    def codegen(context, builder, sig, args):
        data = context.make_array(words)(context, builder, value=args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "acquire", 8)

    return words.dtype(words, types.intp), codegen


#: A word as other threads have left it.
_now: Any = (lambda words, i: words[i]) if jit_disabled() else _word_now


@helper
def _awake(words, i, wanted, rounds):
    """Wait, awake, until other threads have brought a word to what is wanted, or so many rounds are over."""
    while rounds > 0 and _now(words, i) < wanted:
        rounds -= 1


@gate
def watch(count, wanted, rounds):
    """The same for Python, whose lock is free meanwhile."""
    _awake(count, 0, wanted, rounds)


@gate
def enter(kernel_address, trampoline, address, extra, point, *rest):
    """From Python into a kernel: keep the extra arguments in a frame while the kernel runs."""
    callee = (trampoline, address, _make_frame(extra, point))
    return _call_kernel(kernel_address, callee, flattened(point), rest)


#: A batch of columns that threads share, in words: the first column; how many are wanted, which a failure lowers to those before
#: it; how many helpers have left; a range for each thread, its ends counted from the first column, in the halves of a word; how
#: many columns each has done; how they came out.
BASE, WANTED, LEFT, RANGES = range(4)
_HALF = 32
#: A piece is one part in so many of what is left of a range.
PARTS = 4
#: A bell, in words: how often it was rung, and the rounds for which a helper that has nothing to do waits awake for that.
RUNG, ROUNDS = range(2)


@intrinsic
def _add(typingctx, words, i):
    """Add 1 to a word; no other thread comes between."""

    def codegen(context, builder, sig, args):
        data = context.make_array(words)(context, builder, value=args[0]).data
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", builder.gep(data, [args[1]]), one, "acq_rel")

    return types.int64(words, types.intp), codegen


@intrinsic
def _exchange_if(typingctx, words, i, known, word):
    """Whether a word was as known, and is another one now; no other thread comes between."""

    def codegen(context, builder, sig, args):
        data = context.make_array(words)(context, builder, value=args[0]).data
        place = builder.gep(data, [args[1]])
        return builder.extract_value(builder.cmpxchg(place, args[2], args[3], "acq_rel", "acquire"), 1)

    return types.boolean(words, types.intp, types.int64, types.int64), codegen


@helper
def _range_now(batch, i):
    """The range of a thread, (word, lo, hi), as far as it is wanted."""
    word = _now(batch, i)
    return word, word >> _HALF, min(word & (2**_HALF - 1), _now(batch, WANTED))


@helper
def _cut(batch, i, word, lo, hi):
    """Whether a range was still that word, and is (lo, hi) now."""
    return _exchange_if(batch, i, word, lo << _HALF | hi)


@helper
def _piece(batch, own):
    """The next piece of one's own range, (lo, hi). Ranges are apart: in rows that are neighbours threads would write to the same
    cache lines, which has cost up to half of their time."""
    while True:
        word, lo, hi = _range_now(batch, own)
        stop = lo + max(1, (hi - lo) // PARTS)
        if lo >= hi:
            if not _taken_over(batch, own, word):
                return lo, lo
        elif _cut(batch, own, word, stop, hi):
            return lo, stop


@helper
def _taken_over(batch, own, none):
    """Whether another thread had something left: the later half of it is one's own now."""
    for i in range(RANGES, RANGES + _sharers(batch)):
        word, lo, hi = _range_now(batch, i)
        half = lo + (hi - lo) // 2
        if lo < hi and _cut(batch, i, word, lo, half):
            return _cut(batch, own, none, half, hi)
    return False


@helper
def _sharers(batch):
    return (batch.size - RANGES) // 3


@helper
def _lower(batch, code):
    """Columns after a fatal failure are not wanted any more."""
    while code % 8 not in (OK, NONFINITE):
        wanted, before = _now(batch, WANTED), code // 8 - batch[BASE]
        if before >= wanted or _exchange_if(batch, WANTED, wanted, before):
            break


@helper
def first_failure(one, other):
    """The failure with the lower column, a fatal one before one that is only not finite."""
    if one == OK or other == OK:
        return one | other
    if (one % 8 == NONFINITE) != (other % 8 == NONFINITE):
        return other if one % 8 == NONFINITE else one
    return min(one, other)


@helper
def _ring(bell, thread):
    """The caller, who is thread 0, rings: it has come to other columns, and out of Python. How often that was, for a helper."""
    return _now(bell, RUNG) if thread > 0 else _add(bell, RUNG)


@helper
def _leave(batch, bell, thread, rung):
    """A helper has found nothing left. It waits here for a while, and not for Python's lock, which the caller wants now."""
    if thread > 0:
        _add(batch, LEFT)
        _awake(bell, RUNG, rung + 1, bell[ROUNDS])


@gate
def enter_batch(kernel_address, trampoline, address, extra, point, batch, bell, thread, *rest):
    """Into a kernel with piece after piece of a batch, until none is left. Python's lock is not needed in between: a thread that
    waited for it would sleep, and might be woken where another one runs."""
    callee, flat = (trampoline, address, _make_frame(extra, point)), flattened(point)
    own, base, threads, found = RANGES + thread, batch[BASE], _sharers(batch), OK
    rung = _ring(bell, thread)
    while True:
        lo, hi = _piece(batch, own)
        if lo >= hi:
            break
        code = _call_kernel(kernel_address, callee, flat, rest + (base + lo, base + hi))
        found = first_failure(found, code)
        batch[own + threads] += hi - lo
        batch[own + 2 * threads] = found
        _lower(batch, code)
    _leave(batch, bell, thread, rung)
    return found


@gate
def take_piece(batch, bell, thread):
    """The next piece of a batch, (lo, hi), for what is no kernel; empty, and the helper has left, where none is left."""
    rung, own = _ring(bell, thread), RANGES + thread
    lo, hi = _piece(batch, own)
    batch[own + _sharers(batch)] += hi - lo
    if lo >= hi:
        _leave(batch, bell, thread, rung)
    return batch[BASE] + lo, batch[BASE] + hi


@gate
def enter_frame(kernel_address, trampoline, address, frame, point, *rest):
    """The same with a frame that Python made."""
    return _call_kernel(kernel_address, (trampoline, address, frame), flattened(point), rest)


def pickled(value: Any) -> bytes:
    """Anything for another process, functions of a script, closures and njit functions among it, by numba's own pickler."""
    return cloudpickle.dumps(value)


def type_names(values: tuple) -> tuple:
    """What numba makes of some arguments; hashable."""
    return tuple(map(numba.typeof, values))


def has_type(value: Any) -> bool:
    """Whether numba knows what to make of an argument."""
    try:
        numba.typeof(value)
    except (ValueError, NumbaError):
        return False
    return True


# --- one call, packed once -----------------------------------------------------------------------------------------


class _ArrayObject(ctypes.Structure):
    """What an array looks like in memory, behind the head that all objects have (``PyArrayObject_fields``)."""

    _fields_ = (
        ("head", ctypes.c_char * (object.__basicsize__ - ctypes.sizeof(ctypes.c_void_p))),
        ("type", ctypes.c_size_t),
        ("data", ctypes.c_size_t),
        ("ndim", ctypes.c_int),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.c_size_t),
        ("base", ctypes.c_size_t),
        ("dtype", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


#: The flags of a contiguous and aligned array.
_PLAIN = 0x101
_TYPE, _DATA, _NDIM, _SHAPE = (getattr(_ArrayObject, name).offset for name in ("type", "data", "ndim", "shape"))
_DTYPE, _FLAGS = _ArrayObject.dtype.offset, _ArrayObject.flags.offset


def _is_as_drawn(x: Any) -> bool:
    """Whether arrays look as above; they do in all of NumPy 1 and 2."""
    there = _ArrayObject.from_address(id(x))
    known = (there.type, there.data, there.ndim, there.dtype, there.flags)
    return known == (id(type(x)), x.ctypes.data, x.ndim, id(x.dtype), x.flags.num) and there.shape[0] == x.shape[0]


class Object(types.Opaque):
    """A Python object by its address: 2 ns, where numba takes 65 to look at an array."""


_object = Object("fastfd.Object")
register_model(Object)(models.OpaqueModel)


@unbox(Object)
def _unbox_object(kind, obj, c):
    return NativeValue(c.builder.bitcast(obj, cgutils.voidptr_t))


@box(Object)
def _box_object(kind, value, c):
    """The object itself, whose reference goes to Python. None of them: an exception has been set."""
    return c.builder.bitcast(value, c.pyapi.pyobj)


@intrinsic
def _word_of(typingctx, address, offset):
    """The word at an offset from an address or in an object."""

    def codegen(context, builder, sig, args):
        start = args[0] if address == _word else builder.ptrtoint(args[0], context.get_value_type(_word))
        pointer = context.get_value_type(_word).as_pointer()
        return builder.load(builder.inttoptr(builder.add(start, args[1]), pointer))

    return _word(address, types.intp), codegen


@intrinsic
def _exchange(typingctx, address, word):
    """Write a word and give the one that was there; no other thread comes between."""

    def codegen(context, builder, sig, args):
        pointer = builder.inttoptr(args[0], context.get_value_type(_word).as_pointer())
        return builder.atomic_rmw("xchg", pointer, args[1], "acq_rel")

    return _word(_word, _word), codegen


@intrinsic
def _release(typingctx, address):
    """Write 0 to a word, after all that was written before."""

    def codegen(context, builder, sig, args):
        word = context.get_value_type(_word)
        builder.store_atomic(ir.Constant(word, 0), builder.inttoptr(args[0], word.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(_word), codegen


#: A record, in words: whether it is in use, whether it takes so long that Python's lock is given away, where it is unpacked, the
#: type, the dtype and the number of dimensions of the point, where the layout of the result is, the kernel, the trampoline, f;
#: then the extents of the point, then the arguments of the kernel. A layout: the number of dimensions, NumPy's number of the
#: dtype, the extents, the strides.
_IN_USE, _LONG, _DOOR, _KIND, _FORMAT, _DIMENSIONS, _RESULT, _CALLEE, _EXTENTS = (8 * i for i in (0, 1, 2, 3, 4, 5, 6, 7, 10))


class Packed(types.Opaque):
    """How the tail of a record is read. The numbers of the point and of the argument `out` come with each call."""

    def __init__(self, point: types.Array, rest: tuple, out: int):
        self.point, self.rest, self.out = point, rest, out
        super().__init__(name=f"fastfd.Packed{(point, rest, out)}")


register_model(Packed)(models.OpaqueModel)


class _Words:
    """The words of a record, one after the other."""

    def __init__(self, builder, record, start):
        self.builder, self.at = builder, start
        self.words = builder.inttoptr(record, ir.IntType(8).as_pointer())

    def next(self):
        where = self.builder.gep(self.words, [ir.Constant(ir.IntType(32), self.at)])
        self.at += 8
        return self.builder.load(self.builder.bitcast(where, ir.IntType(64).as_pointer()))

    def value(self, context, kind, elsewhere):
        """An argument of the kernel; an array whose numbers may be elsewhere than when it was packed."""
        word = self.next()
        if isinstance(kind, types.Array):
            shape = [self.next() for _ in range(kind.ndim)]
            return _array(context, self.builder, kind, elsewhere or word, shape)
        if kind == types.float64:
            return self.builder.bitcast(word, ir.DoubleType())
        return self.builder.trunc(word, context.get_value_type(kind))


@intrinsic
def _unpacked_call(typingctx, kind, record, x, out):
    """Call the kernel of a record."""

    def codegen(context, builder, sig, args):
        words = _Words(builder, args[1], _CALLEE)
        kernel_address, trampoline, address = (words.next() for _ in range(3))
        shape = [words.next() for _ in range(kind.point.ndim)]
        no_extra = cgutils.get_null_value(context.get_value_type(types.Tuple(())))
        point = _array(context, builder, kind.point, args[2], shape)
        frame = _frame(context, builder, (types.Tuple(()), kind.point), (no_extra, point))
        callee = context.make_tuple(builder, _callee, (trampoline, address, frame))
        flat = types.Array(kind.point.dtype, 1, "C")
        point = _array(context, builder, flat, args[2], [functools.reduce(builder.mul, shape)])
        rest = [words.value(context, t, args[3] if i == kind.out else None) for i, t in enumerate(kind.rest)]
        return _native_call(context, builder, kernel_address, types.int64, (_callee, flat, *kind.rest), (callee, point, *rest))

    return types.int64(kind, record, x, out), codegen


@kernel
def _unpack(kind, record, x, out):
    return _unpacked_call(kind, record, x, out)


@intrinsic
def _through_door(typingctx, door, record, x, out):
    def codegen(context, builder, sig, args):
        opaque = cgutils.get_null_value(context.get_value_type(types.voidptr))
        return _native_call(context, builder, args[0], types.int64, (types.voidptr, *sig.args[1:]), (opaque, *args[1:]))

    return types.int64(door, record, x, out), codegen


@inner
def _is_of_kind(x, record):
    """Whether an object is a plain array of the dtype and shape that a record was made for."""
    if _word_of(x, _TYPE) != _word_of(record, _KIND) or _word_of(x, _DTYPE) != _word_of(record, _FORMAT):
        return False
    ndim, shape = np.int32(_word_of(x, _NDIM)), _word_of(x, _SHAPE)
    if ndim != np.int64(_word_of(record, _DIMENSIONS)) or _word_of(x, _FLAGS) & np.uintp(_PLAIN) != _PLAIN:
        return False
    for i in range(ndim):
        if _word_of(shape, 8 * i) != _word_of(record, _EXTENTS + 8 * i):
            return False
    return True


@intrinsic
def _none(typingctx):
    def codegen(context, builder, sig, args):
        return builder.bitcast(context.get_python_api(builder).make_none(), cgutils.voidptr_t)

    return _object(), codegen


@intrinsic
def _new_array(typingctx, layout):
    """An array of that layout, by numba's own door to NumPy: half of what ``np.empty`` takes to look at its arguments."""

    def codegen(context, builder, sig, args):
        python, word = context.get_python_api(builder), context.get_value_type(types.intp)
        words = builder.inttoptr(args[0], word.as_pointer())
        ndim, number = (builder.load(builder.gep(words, [ir.Constant(word, i)])) for i in range(2))
        extents = builder.gep(words, [ir.Constant(word, 2)])
        strides, whole = builder.gep(extents, [ndim]), ir.IntType(32)
        kind = ir.FunctionType(python.pyobj, [whole, words.type, words.type, cgutils.voidptr_t, whole, whole])
        make = cgutils.get_or_insert_function(builder.module, kind, "numba_ndarray_new")
        given = builder.trunc(ndim, whole), extents, strides, cgutils.get_null_value(cgutils.voidptr_t)
        array = builder.call(make, [*given, builder.trunc(number, whole), ir.Constant(whole, 0)])
        return builder.bitcast(array, cgutils.voidptr_t)

    return _object(_word), codegen


@intrinsic
def _dropped(typingctx, value):
    def codegen(context, builder, sig, args):
        python = context.get_python_api(builder)
        python.decref(builder.bitcast(args[0], python.pyobj))
        return context.get_dummy_value()

    return types.void(value), codegen


@intrinsic
def _exists(typingctx, value):
    return types.boolean(value), lambda context, builder, sig, args: cgutils.is_not_null(builder, args[0])


@intrinsic
def _unlocked(typingctx):
    """Gives Python's lock away."""

    def codegen(context, builder, sig, args):
        return builder.ptrtoint(context.get_python_api(builder).save_thread(), context.get_value_type(_word))

    return _word(), codegen


@intrinsic
def _locked(typingctx, state):
    """Takes it again."""

    def codegen(context, builder, sig, args):
        context.get_python_api(builder).restore_thread(builder.inttoptr(args[0], cgutils.voidptr_t))
        return context.get_dummy_value()

    return types.void(state), codegen


@locked_gate
def _run_packed(record_object, x):
    record = _word_of(record_object, _DATA)
    if not _is_of_kind(x, record) or _exchange(record + np.uintp(_IN_USE), np.uintp(1)) != 0:
        return _none()
    value = _new_array(_word_of(record, _RESULT))
    if _exists(value):
        long = _word_of(record, _LONG) != 0
        state = _unlocked() if long else np.uintp(0)
        code = _through_door(_word_of(record, _DOOR), record, _word_of(x, _DATA), _word_of(value, _DATA))
        if long:
            _locked(state)
        if code != OK:
            _dropped(value)
            value = _none()
    _release(record + np.uintp(_IN_USE))
    return value


class _Record(np.ndarray):
    """The words of a record, and the arrays that they tell of."""

    kept: tuple = ()


def _words_of(value: Any) -> list[int]:
    if isinstance(value, np.ndarray):
        return [value.ctypes.data, *value.shape]
    return np.array([value], float if isinstance(value, float) else np.int64).view(np.uint64).tolist()


def packed_call(
    kernel_address: int, head: tuple, x: Any, rest: tuple, out: int, value: Any, long: bool
) -> Callable | None:  # fmt: skip
    """``run(x)`` calls a kernel with all these arguments, and gives a new array laid out as `value` is, with the numbers that the
    kernel writes to ``rest[out]``.

    Numba takes 65 ns to look at an array, and a kernel has a dozen: here they are looked at once. The answer is None where `x` is
    not of the kind of the first one, another thread is inside, or the kernel's status is not OK. Whoever calls sees to it that
    `value` takes as many numbers as ``rest[out]``. Where a call is not `long`, Python's lock is kept: to give it away and take it
    again costs 20 ns. None instead of it all where arrays are not laid out as we know them.
    """
    if not _is_as_drawn(x):  # pragma: no cover
        return None
    kind = Packed(numba.typeof(x), tuple(map(numba.typeof, rest)), out)
    door = entry_point(_unpack, (kind, _word, _word, _word))
    layout = np.array([value.ndim, value.dtype.num, *value.shape, *value.strides], np.int64)
    words = [0, long, door, id(type(x)), id(x.dtype), x.ndim, layout.ctypes.data, kernel_address, *head, *x.shape]
    record = np.array([*words, *(word for given in rest for word in _words_of(given))], np.uint64).view(_Record)
    record.kept = layout, rest
    _run_packed.compile((_object,) * 2)
    return MethodType(_run_packed.overloads[(_object,) * 2].entry_point, record)  # a partial would make one more tuple


# --- parts of a workspace, and kernels called by kernels -------------------------------------------------------------


@intrinsic
def _carved(typingctx, space, start, shape):
    result = types.Array(types.float64, len(shape), "C")

    def codegen(context, builder, sig, args):
        data = builder.gep(context.make_array(space)(context, builder, value=args[0]).data, [args[1]])
        address = builder.ptrtoint(data, context.get_value_type(_word))
        return _array(context, builder, result, address, cgutils.unpack_tuple(builder, args[2], len(shape)))

    return result(space, types.intp, types.UniTuple(types.intp, len(shape))), codegen


def carve(space: Any, start: int, shape: tuple) -> Any:
    """An array in a stretch of a workspace, borrowed."""
    return space[start : start + int(np.prod(shape))].reshape(shape)


@overload(carve, jit_options={**PART, "forceinline": True})
def _carve_overload(space, start, shape):
    return lambda space, start, shape: _carved(space, start, shape)


def call(kernel_address: Any, f: Any, x: Any, rest: tuple) -> int:
    """A kernel called by its address (interpreted: the kernel itself)."""
    return kernel_address(f, x, *rest)


@overload(call, jit_options={**PART, "forceinline": True})
def _call_overload(kernel_address, f, x, rest):
    return lambda kernel_address, f, x, rest: _call_kernel(kernel_address, f, x, rest)


#: What a kernel takes after f and x, a letter each: numbers (d), integers (i), truth (b), addresses (a), arrays of doubles
#: of 1 to 4 dimensions, of integers of one (w) and two (W).
_LETTERS: dict[str, types.Type] = {
    "d": types.float64, "i": types.int64, "b": types.boolean, "a": _word,
    **{str(ndim): types.Array(types.float64, ndim, "C") for ndim in range(1, 5)},
    "w": types.Array(types.int64, 1, "C"), "W": types.Array(types.int64, 2, "C"),
}  # fmt: skip


def kernel_types(letters: str, dtype: Any = float) -> tuple:
    """The types that a kernel is compiled for, from letters."""
    point = types.Array(numba.from_dtype(np.dtype(dtype)), 1, "C")
    return (_callee, point, *(_LETTERS[letter] for letter in letters))


# --- inside the user's compiled code ---------------------------------------------------------------------------------


class _Need:
    """A kernel that compiled code of the user's calls by the name of a symbol.

    numba keeps what a function needs with its code on disk (it has this for threads that must run). Read back in another
    process, before the code is, it compiles or loads the kernel and gives the symbol its address there. Code that was made
    with other sources of this package counts as not on disk.
    """

    def __init__(self, text: Callable, arg_types: tuple, symbol: str):
        self.text, self.arg_types, self.symbol = text, arg_types, symbol
        add_symbol(symbol, entry_point(text, arg_types))

    def __call__(self) -> None:
        """What numba calls when it loads the code."""

    def __reduce__(self) -> tuple:
        return _needed_again, (house_stamp(), self.text.__module__, self.text.__name__, self.arg_types, self.symbol)


def _needed_again(stamp: str, module: str, name: str, arg_types: tuple, symbol: str) -> _Need:
    if stamp != house_stamp():
        msg = "compiled with another version of fastfd"
        raise FileNotFoundError(msg)  # to numba: there is no such code on disk
    return _Need(getattr(import_module(module), name), arg_types, symbol)


@functools.cache
def _need(text: Callable, arg_types: tuple) -> _Need:
    name = hashlib.sha256(f"{house_stamp()}{arg_types}".encode()).hexdigest()[:16]
    return _Need(text, arg_types, f"fastfd_{text.__name__}_{name}")


def _linked_address(context: Any, builder: Any, text: Callable, arg_types: tuple) -> Any:
    need = _need(text, arg_types)
    context.active_code_library._reload_init.add(need)
    entry = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), []), need.symbol)
    return builder.ptrtoint(entry, context.get_value_type(_word))


def linked(text: Callable, letters: str, dtype: Any = float) -> Any:
    """For compiled code: a function that gives the address of a kernel."""

    @intrinsic
    def address(typingctx):
        return _word(), lambda context, builder, sig, args: _linked_address(
            context, builder, text, kernel_types(letters, dtype)
        )

    return address


def linked_call(text: Callable, letters: str, dtype: Any = float) -> Any:
    """For compiled code: a function ``(callee, x, rest)`` that calls a kernel."""
    arg_types = kernel_types(letters, dtype)

    @intrinsic(prefer_literal=False)
    def run(typingctx, callee, x, rest):
        def codegen(context, builder, sig, args):
            given = zip(cgutils.unpack_tuple(builder, args[2], len(rest)), rest, arg_types[2:], strict=True)
            values = [*args[:2], *(context.cast(builder, value, have, want) for value, have, want in given)]
            address = _linked_address(context, builder, text, arg_types)
            return _native_call(context, builder, address, types.int64, arg_types, values)

        return types.int64(callee, x, rest), codegen

    return run


def frozen(array: np.ndarray) -> Any:
    """For compiled code: a function that gives a constant array."""

    @intrinsic
    def constant(typingctx):
        kind = types.Array(numba.from_dtype(array.dtype), array.ndim, "C")
        return kind(), lambda context, builder, sig, args: context.make_constant_array(builder, kind, array)

    return constant


class Embedded:
    """A function of the user's as it is called from the user's own compiled code.

    Attributes
    ----------
    callee
        ``callee(f, extra, point)`` in compiled code: what kernels call.
    returns, dtype
        As in :class:`NativeFunction`.
    """

    def __init__(self, f: Any, point: Any, scalar: bool, extra: Any, given: tuple, in_place: bool):
        compiled = None
        if isinstance(f, types.Dispatcher):
            compiled = f.dispatcher.get_compile_result(_resolve(f.dispatcher, point, scalar, given, in_place))
        signature = compiled.signature if compiled else f.get_precise().signature
        self.returns, takes = signature.return_type, tuple(map(_plain, signature.args))
        self.dtype, self.taken = _result_dtype(self.returns, takes[0]), getattr(takes[0], "dtype", takes[0])
        sig_type = Signature(point, extra, takes, self.returns, in_place)
        try:
            entry_point(*sig_type.trampoline)
        except TypingError as error:
            raise Unsupported(sig_type.complaint) from error
        self.callee = _callee_maker(compiled, sig_type)


def _callee_maker(compiled: Any, sig_type: Signature) -> Any:
    """An njit function is linked to its caller, as if it were called there; a function value brings its address along."""

    @intrinsic
    def callee(typingctx, f, extra, point):
        def codegen(context, builder, sig, args):
            if compiled is None:
                address = context.make_helper(builder, f, value=args[0]).jit_addr
            else:
                address = context.declare_function(builder.module, compiled.fndesc)
                context.add_linking_libs([compiled.library])
            trampoline = _linked_address(context, builder, *sig_type.trampoline)
            values = zip(cgutils.unpack_tuple(builder, args[1], len(extra)), extra, sig_type.extra, strict=True)
            plain = [context.cast(builder, value, have, want) for value, have, want in values]
            packed = context.make_tuple(builder, sig_type.extra, plain)
            frame = _frame(context, builder, (sig_type.extra, sig_type.point), (packed, args[2]))
            words = trampoline, builder.ptrtoint(address, context.get_value_type(_word)), frame
            return context.make_tuple(builder, _callee, words)

        return _callee(f, extra, point), codegen

    return callee


@intrinsic
def _on_stack(typingctx, number):
    kind = types.Array(types.float64, 1, "C")

    def codegen(context, builder, sig, args):
        value = context.cast(builder, args[0], number, types.float64)
        place = cgutils.alloca_once(builder, value.type)
        builder.store(value, place)
        address = builder.ptrtoint(place, context.get_value_type(_word))
        return _array(context, builder, kind, address, [context.get_constant(types.intp, 1)])

    return kind(number), codegen


#: An array of one number.
on_stack: Any = _on_stack


@intrinsic
def _as_complex(typingctx, doubles):
    result = doubles.copy(dtype=types.complex128)

    def codegen(context, builder, sig, args):
        given = context.make_array(doubles)(context, builder, value=args[0])
        made = context.make_array(result)(context, builder)
        shape = cgutils.unpack_tuple(builder, given.shape)
        shape[-1] = builder.sdiv(shape[-1], shape[-1].type(2))
        strides = [*cgutils.unpack_tuple(builder, given.strides)[:-1], shape[-1].type(16)]
        made.data, made.meminfo, made.parent = builder.bitcast(given.data, made.data.type), given.meminfo, given.parent
        made.nitems, made.itemsize = builder.sdiv(given.nitems, shape[-1].type(2)), shape[-1].type(16)
        made.shape, made.strides = cgutils.pack_array(builder, shape), cgutils.pack_array(builder, strides)
        return impl_ret_borrowed(context, builder, result, made._getvalue())

    return result(doubles), codegen


#: Rows of real and imaginary parts as complex numbers, the same memory.
as_complex: Any = _as_complex


#: Bytes in a cache line.
_LINE = 64


def from_line(room: Any) -> Any:
    """A workspace from the beginning of a cache line on, borrowed; up to a line shorter."""
    return room


@overload(from_line, jit_options={**PART, "forceinline": True})
def _from_line_overload(room):
    def begin(room):
        start = np.intp((np.uintp(_LINE) - _address(room) % np.uintp(_LINE)) % np.uintp(_LINE)) // 8
        return stretch(room, start, room.size)

    return begin


class Mentioned(types.Opaque):
    """A Python object that compiled code mentions; what it is, is known when that compiles."""

    def __init__(self, value: Any):
        self.value = value
        super().__init__(name=f"fastfd.Mentioned({value!r})")


register_model(Mentioned)(models.OpaqueModel)


@lower_constant(Mentioned)
def _mention(context, builder, kind, value):
    return context.get_dummy_value()


#: From so many bytes on NumPy asks Linux for huge pages, which numba's allocations do not: a fresh result costs a third then.
_HUGE, _PAGE, _MADV_HUGEPAGE = 1 << 22, 1 << 12, 14


def _advised(context, builder, kind, value):
    array, word = context.make_array(kind)(context, builder, value=value), ir.IntType(64)
    start = builder.ptrtoint(array.data, word)
    first = builder.and_(builder.add(start, word(_PAGE - 1)), word(-_PAGE))
    size = builder.sub(builder.add(start, builder.mul(array.nitems, array.itemsize)), first)
    with builder.if_then(builder.icmp_signed(">=", size, word(_HUGE)), likely=False):
        signature = ir.FunctionType(ir.IntType(32), [word, word, ir.IntType(32)])
        advise = cgutils.get_or_insert_function(builder.module, signature, "madvise")
        builder.call(advise, [first, size, ir.IntType(32)(_MADV_HUGEPAGE)])
    return value


@intrinsic
def roomy(typingctx, array):
    """A fresh array; where it is large, in huge pages if the system has them, as NumPy's are."""
    if sys.platform == "linux":
        return array(array), lambda context, builder, sig, args: impl_ret_borrowed(
            context, builder, array, _advised(context, builder, array, args[0])
        )
    return array(array), lambda context, builder, sig, args: impl_ret_borrowed(context, builder, array, args[0])


#: User code that is kept on disk must not mention f as a value: what receives it is inlined, down to the last mention.
_CARRIED: dict[str, Any] = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def carried(text: Callable) -> Callable:
    """A part of the user's compiled code."""
    return register_jitable(**_CARRIED)(text)


def small(text: Callable) -> Callable:
    """The same for what needs no more of numba than a part of a kernel does (raises nothing), and compiles as fast."""
    return register_jitable(**{**PART, "forceinline": True})(text)


def seldom(text: Callable) -> Callable:
    """A part that is hardly ever called, and so not inlined."""
    return register_jitable(**{**_CARRIED, "forceinline": False})(text)


def overloaded(function: Callable) -> Callable:
    """How a function of ours is compiled in the user's code: a decorator for what looks at the types."""
    return overload(function, jit_options={**PART, "forceinline": True}, prefer_literal=True, strict=False)


def refresh() -> None:
    """Tell numba of new overloads, should it be in the middle of a compilation."""
    if global_compiler_lock.is_locked():
        cpu_target.typing_context.refresh()


# --- addresses -----------------------------------------------------------------------------------------------------


def address_of(text: Any, dtype: Any, rest: tuple) -> int:
    """The address of a kernel for points of a dtype and the types of the arrays that it will be handed."""
    point = types.Array(numba.from_dtype(np.dtype(dtype)), 1, "C")
    return entry_point(text, (_callee, point, *map(numba.typeof, rest)))


def address_of_callback(callback: Any) -> int:
    return ctypes.cast(callback, ctypes.c_void_p).value or 0


def python_trampoline() -> int:
    return entry_point(_python_trampoline, _trampoline_abi)


class NativeFunction:
    """An njit function compiled for one kind of point and one tuple of extra arguments.

    Attributes
    ----------
    trampoline, address : int
        What a kernel needs to call it.
    returns : numba.types.Type
    dtype : numpy.dtype
        Of the results: real or complex, single or double.
    parallel : bool
        Whether it has parallel regions.
    """

    def __init__(self, f: Any, ndim: int | None, dtype: Any, extra: tuple, given: tuple, in_place: bool):
        point = types.Array(numba.from_dtype(np.dtype(dtype)), max(ndim or 0, 1) if ndim != 0 else 1, "C")
        extra_types = types.Tuple(tuple(map(numba.typeof, extra)))
        resolved = _resolve(f, point, ndim == 0, tuple(map(numba.typeof, given)), in_place)
        compiled = f.get_compile_result(resolved)
        self.returns, self.takes = compiled.signature.return_type, tuple(map(_plain, compiled.signature.args))
        sig_type = Signature(point, extra_types, self.takes, self.returns, in_place)
        self.point_dtype = numba.np.numpy_support.as_dtype(getattr(self.takes[0], "dtype", self.takes[0]))
        self.address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        try:
            self.trampoline = entry_point(*sig_type.trampoline)
        except TypingError as error:
            raise Unsupported(sig_type.complaint) from error
        self.dtype = _result_dtype(self.returns, self.takes[0])
        self.parallel = _is_parallel(compiled)
        self._compiled = compiled  # keeps the code alive


def _plain(taken: types.Type) -> types.Type:
    """The arguments behind a star are a tuple like any other."""
    return types.Tuple(tuple(taken)) if isinstance(taken, types.StarArgTuple | types.StarArgUniTuple) else taken


def _resolve(f: Any, point: types.Array, scalar: bool, extra: Any, in_place: bool) -> Any:
    """The overload of `f` that serves these types, in single precision where it was declared so."""
    single = types.complex64 if isinstance(point.dtype, types.Complex) else types.float32
    errors: list[Exception] = []
    for dtype in (point.dtype, single):
        x = dtype if scalar else types.Array(dtype, point.ndim, "C")
        leading = (x, types.Array(types.float64, 1, "C")) if in_place else (x,)
        try:
            found = cpu_target.typing_context.resolve_function_type(types.Dispatcher(f), (*leading, *extra), {})
        except NumbaError as error:
            errors.append(error)
        else:
            if found is not None:
                return found
        if f._can_compile:
            break
    if errors:
        raise errors[0]
    msg = f"f has no signature for {point if not scalar else point.dtype} and {extra}"
    raise Unsupported(msg)


def _result_dtype(returns: Any, point: types.Type) -> np.dtype:
    """Double unless the point or the result is held in single precision; complex where the result is."""
    while isinstance(returns, types.Array | types.BaseTuple | types.List):
        returns = returns.types[0] if isinstance(returns, types.Tuple) else getattr(returns, "dtype", None)
    singles = (types.float32, types.complex64)
    is_complex = isinstance(returns, types.Complex)
    single = returns in singles or getattr(point, "dtype", point) in singles
    names = {(False, False): "f8", (False, True): "f4", (True, False): "c16", (True, True): "c8"}
    return np.dtype(names[is_complex, single])
