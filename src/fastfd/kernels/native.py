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
import hashlib
from collections.abc import Callable
from typing import Any

import numba
import numba.np.numpy_support
import numpy as np
from llvmlite import ir
from numba import cloudpickle
from numba.core import cgutils, types
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError, TypingError
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, overload, register_model

from fastfd.kernels.compiler import PART, borrowing, entry_point, gate, helper, inner, jit_disabled, kernel
from fastfd.kernels.threads import is_parallel
from fastfd.kernels.views import address_in, borrow, doubles_at, flattened, hold, nonfinite, trace, word_type

__all__ = [
    "ASTRAY", "CLOSE", "FIRST", "LAST", "LENGTH", "MANY", "MIDDLE", "MISPLACED", "MUTATED", "NONFINITE", "OK", "ONLY",
    "OPEN", "RAISED", "STALE", "UNKNOWN", "NativeFunction", "NumbaError", "Signature", "TypingError", "Unsupported",
    "address_of", "address_of_callback", "call", "call_kernel", "callback_type", "callee_type", "enter", "enter_frame",
    "evaluate", "frame_matches", "gather", "has_type", "is_compiled", "is_declared", "laid_down", "load_field",
    "make_frame", "native_call", "pickled", "plain_type", "python_trampoline", "resolve", "result_dtype",
    "trampoline_args", "type_names", "types",
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

#: What a kernel knows of f; and what a trampoline takes, but for its signature.
callee_type = types.UniTuple(word_type, 3)
_flags = (types.float64, types.float64, types.int64)
trampoline_args = (word_type, word_type, word_type, word_type, word_type, types.int64, *_flags)
_trampoline_abi = (types.voidptr, *trampoline_args)  # an opaque signature still takes up one argument


class Unsupported(TypeError):
    """The function has a signature that no trampoline can serve; the message says why."""


def is_compiled(f: object) -> bool:
    """Whether `f` is an njit function that kernels can call natively."""
    return isinstance(f, Dispatcher) and f.targetoptions.get("nopython", True) and not jit_disabled()


def is_declared(f: Any) -> bool:
    """Whether an njit function has explicit signatures and takes nothing else."""
    return not f._can_compile


# --- the signature, as a type without a value ----------------------------------------------------------------------


class Signature(types.Opaque):
    """How ``f`` is called: what the frame holds, what ``f`` takes and what it returns; hashable, picklable."""

    def __init__(self, point: types.Type, extra: types.Type, takes: tuple, returns: types.Type, in_place: bool):
        self.point, self.extra, self.takes, self.returns, self.in_place = point, extra, takes, returns, in_place
        super().__init__(name=f"fastfd.Signature{(point, extra, takes, returns, in_place)}")

    @property
    def trampoline(self) -> tuple[Callable, tuple]:
        """The text that serves it, and the types to compile that for."""
        returning = _trampoline_for_arrays if self.returns == _KEPT_KIND else _trampoline
        return _trampoline_in_place if self.in_place else returning, (self, *trampoline_args)

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
def make_frame(typingctx, extra, point):
    """Lay the extra arguments and the shaped point on the stack of the caller; give the address."""

    def codegen(context, builder, sig, args):
        return laid_down(context, builder, (extra, point), args)

    return word_type(extra, point), codegen


def laid_down(context, builder, kinds, values):
    """The address of a frame with these values."""
    point, extra = kinds[1], kinds[0]
    frame = cgutils.alloca_once(builder, _frame_type(context, point, extra))
    tag = ir.Constant(ir.IntType(64), _tag(point, extra))
    for i, value in enumerate((tag, *values)):
        builder.store(value, cgutils.gep_inbounds(builder, frame, 0, i))
    return builder.ptrtoint(frame, context.get_value_type(word_type))


@intrinsic
def frame_matches(typingctx, sig_type, frame):
    def codegen(context, builder, sig, args):
        found = builder.load(builder.inttoptr(args[1], ir.IntType(64).as_pointer()))
        return builder.icmp_signed("==", found, ir.Constant(ir.IntType(64), _tag(sig_type.point, sig_type.extra)))

    return types.boolean(sig_type, frame), codegen


def load_field(context, builder, sig_type, frame, field):
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
        array = context.make_array(result)(context, builder, value=load_field(context, builder, sig_type, args[1], 2))
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


# --- calls ---------------------------------------------------------------------------------------------------------


@intrinsic(prefer_literal=False)
def _call_user(typingctx, sig_type, address, frame, leading):
    """Call ``f(*leading, *extra)``: whether it raised, and what it returned (zero bits where it raised)."""
    result = types.Tuple((types.boolean, sig_type.returns))

    def codegen(context, builder, sig, args):
        extra = cgutils.unpack_tuple(builder, load_field(context, builder, sig_type, args[2], 1), len(sig_type.extra))
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
        return context.make_tuple(builder, result, (status.is_error, builder.load(slot)))

    return result(sig_type, address, frame, leading), codegen


#: What can wait as it is.
_KEPT_KIND = types.Array(types.float64, 1, "C")


@intrinsic
def _references(typingctx, array):
    """How many there are to an array: what a NRT_MemInfo begins with. 0 where it has none."""

    def codegen(context, builder, sig, args):
        owner, number = context.make_array(array)(context, builder, value=args[0]).meminfo, ir.IntType(64)
        count = cgutils.alloca_once_value(builder, number(0))
        with builder.if_then(cgutils.is_not_null(builder, owner)):
            builder.store(builder.load(builder.bitcast(owner, number.as_pointer())), count)
        return builder.load(count)

    return types.int64(array), codegen


@intrinsic
def _keep(typingctx, array, place):
    """Hold an array until :func:`_let_go`; its owner, and where its numbers begin, in two words at `place`."""

    def codegen(context, builder, sig, args):
        context.nrt.incref(builder, array, args[0])
        view = context.make_array(array)(context, builder, value=args[0])
        for i, pointer in enumerate((view.meminfo, view.data)):
            builder.store(builder.bitcast(pointer, cgutils.voidptr_t), _word_at(builder, args[1], i))
        return context.get_dummy_value()

    return types.void(array, place), codegen


@intrinsic
def _let_go(typingctx, place):
    def codegen(context, builder, sig, args):
        array = context.make_array(_KEPT_KIND)(context, builder)
        array.meminfo = builder.load(_word_at(builder, args[0], 0))
        context.nrt.decref(builder, _KEPT_KIND, array._getvalue())
        return context.get_dummy_value()

    return types.void(place), codegen


def _word_at(builder, place, i):
    words = builder.inttoptr(place, cgutils.voidptr_t.as_pointer())
    return builder.gep(words, [ir.Constant(ir.IntType(32), i)])


def native_call(context, builder, address, result, arg_types, args):
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
        return native_call(context, builder, trampoline, types.int64, _trampoline_abi, values)

    return types.int64(callee, x, y, scratch, m, *_flags), codegen


@intrinsic(prefer_literal=False)
def call_kernel(typingctx, address, callee, x, rest):
    arg_types = (callee_type, x, *rest)

    def codegen(context, builder, sig, args):
        values = [args[1], args[2], *cgutils.unpack_tuple(builder, args[3], len(rest))]
        return native_call(context, builder, args[0], types.int64, arg_types, values)

    return types.int64(address, callee, x, rest), codegen


# --- what f returns, as flat doubles -------------------------------------------------------------------------------


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


@inner
def gather(values, y, weight, factor, part):
    """``y = weight*values`` for the first node of a stencil, ``y = (y + weight*values)*factor`` after it.

    The weights are whole numbers and the factor comes last, so the difference of two near values is exact. At the
    last node, whether anything came out that is not finite, in the same pass.
    """
    if len(values) != y.size:
        return LENGTH
    bad = np.int64(0)
    if part in (FIRST, ONLY, OPEN):
        for i in range(y.size):
            y[i] = total = weight * values[i]
            bad |= trace(total)
    else:
        by = 1.0 if part == MIDDLE else factor
        for i in range(y.size):
            y[i] = total = (y[i] + weight * values[i]) * by
            bad |= trace(total)
    return NONFINITE if bad != 0 and part in (ONLY, LAST, CLOSE) else OK


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
def _can_wait(alone, values, scratch, m, weight):
    """Whether what f returned at the first of two nodes can wait as it is: one pass over numbers less."""
    waits, note = alone and values.size == m, doubles_at(scratch, m)
    note[MARK], note[WEIGHT] = 1.0 if waits else 0.0, weight
    return waits


@inner
def _waited(scratch, m, part):
    return part == CLOSE and m >= MANY and doubles_at(scratch, m)[MARK] != 0.0


@helper
def _gather_both(scratch, values, y, weight, factor):
    if values.size != y.size:
        return LENGTH
    first, first_weight = doubles_at(_doubles_as_words(scratch)[1], y.size), doubles_at(scratch, y.size)[WEIGHT]
    bad = np.int64(0)
    for i in range(y.size):
        y[i] = total = (first_weight * first[i] + weight * values[i]) * factor
        bad |= trace(total)
    return NONFINITE if bad != 0 else OK


@kernel
def _trampoline(sig_type, address, frame, x, y, scratch, m, weight, factor, part):
    if not frame_matches(sig_type, frame):
        return STALE
    point = _as_taken(sig_type, _point(sig_type, frame, x))
    raised, value = _call_user(sig_type, address, frame, (point,))
    if raised:
        return RAISED
    values = _flat(value)
    status = gather(borrow(values), doubles_at(y, m), weight, factor, part)
    hold(values)
    return status


@kernel
def _trampoline_for_arrays(sig_type, address, frame, x, y, scratch, m, weight, factor, part):
    if not frame_matches(sig_type, frame):
        return STALE
    point, waited, status = _as_taken(sig_type, _point(sig_type, frame, x)), _waited(scratch, m, part), RAISED
    raised, values = _call_user(sig_type, address, frame, (point,))
    if not raised:
        if part == OPEN and m >= MANY and _can_wait(_references(values) == 1, borrow(values), scratch, m, weight):
            _keep(values, scratch)
            status = OK
        elif waited:
            status = _gather_both(scratch, borrow(values), doubles_at(y, m), weight, factor)
        else:
            status = gather(borrow(values), doubles_at(y, m), weight, factor, part)
        hold(values)
    if waited:
        _let_go(scratch)
    return status


@kernel
def _trampoline_in_place(sig_type, address, frame, x, y, scratch, m, weight, factor, part):
    if not frame_matches(sig_type, frame):
        return STALE
    direct = weight == 1.0 and part in (FIRST, ONLY, OPEN)
    out = doubles_at(y if direct else scratch, m)
    raised, _ = _call_user(sig_type, address, frame, (_point(sig_type, frame, x), out))
    if raised:
        return RAISED
    if direct:
        return NONFINITE if part == ONLY and nonfinite(out) else OK
    return gather(out, doubles_at(y, m), weight, factor, part)


# --- Python callables, by the same door ----------------------------------------------------------------------------


callback_type = ctypes.CFUNCTYPE(ctypes.c_int64)
#: Where in the frame of a Python callable it says that Python has not answered.
_WAITING = 32


@kernel
def _python_trampoline(opaque, address, frame, x, y, scratch, m, weight, factor, part):
    """Copy the point where Python reads it, call back, gather the numbers it left.

    The frame is five words: inbox, its size, outbox, its size, and a double that is not 0 until Python has answered.
    """
    words = _doubles_as_words(frame)
    inbox, outbox = doubles_at(words[0], np.intp(words[1])), doubles_at(words[2], np.intp(words[3]))
    point = doubles_at(x, inbox.size)
    for i in range(inbox.size):
        inbox[i] = point[i]
    waiting = doubles_at(frame + np.uintp(_WAITING), 1)
    waiting[0] = 1.0
    status = _call_back(address)
    if waiting[0] != 0.0:  # interrupted before its first line: Python ignores that, and the status is whatever was there
        return RAISED
    if status != OK:
        return status
    return gather(outbox, doubles_at(y, m), weight, factor, part)


@intrinsic
def _doubles_as_words(typingctx, frame):
    result = types.UniTuple(word_type, 4)

    def codegen(context, builder, sig, args):
        pointer = builder.inttoptr(args[0], context.get_value_type(word_type).as_pointer())
        words = [builder.load(builder.gep(pointer, [ir.Constant(ir.IntType(32), i)])) for i in range(4)]
        return context.make_tuple(builder, result, words)

    return result(frame), codegen


@intrinsic
def _call_back(typingctx, address):
    def codegen(context, builder, sig, args):
        pointer = ir.FunctionType(ir.IntType(64), []).as_pointer()
        return builder.call(builder.inttoptr(args[0], pointer), [])

    return types.int64(address), codegen


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


# --- evaluate, in the worlds where kernels live --------------------------------------------------------------------


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
    if f == callee_type:
        return lambda f, x, y, scratch, weight, factor, part: _call_trampoline(
            f, address_in(x), address_in(y), address_in(scratch), y.size, weight, factor, part
        )
    if isinstance(f, types.UniTuple) and isinstance(f.dtype, types.Array):
        return lambda f, x, y, scratch, weight, factor, part: _recall(f, x, y)
    return None


# --- from Python into a kernel -------------------------------------------------------------------------------------


@gate
def enter(kernel_address, trampoline, address, extra, point, *rest):
    """From Python into a kernel: keep the extra arguments in a frame while the kernel runs."""
    callee = (trampoline, address, make_frame(extra, point))
    return call_kernel(kernel_address, callee, flattened(point), rest)


@gate
def enter_frame(kernel_address, trampoline, address, frame, point, *rest):
    """The same with a frame that Python made."""
    return call_kernel(kernel_address, (trampoline, address, frame), flattened(point), rest)


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


def call(kernel_address: Any, f: Any, x: Any, rest: tuple) -> int:
    """A kernel called by its address (interpreted: the kernel itself)."""
    return kernel_address(f, x, *rest)


@overload(call, jit_options={**PART, "forceinline": True})
def _call_overload(kernel_address, f, x, rest):
    return lambda kernel_address, f, x, rest: call_kernel(kernel_address, f, x, rest)


# --- addresses -----------------------------------------------------------------------------------------------------


def address_of(text: Any, dtype: Any, rest: tuple) -> int:
    """The address of a kernel for points of a dtype and the types of the arrays that it will be handed."""
    point = types.Array(numba.from_dtype(np.dtype(dtype)), 1, "C")
    return entry_point(text, (callee_type, point, *map(numba.typeof, rest)))


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
        resolved = resolve(f, point, ndim == 0, tuple(map(numba.typeof, given)), in_place)
        compiled = f.get_compile_result(resolved)
        self.returns, self.takes = compiled.signature.return_type, tuple(map(plain_type, compiled.signature.args))
        sig_type = Signature(point, extra_types, self.takes, self.returns, in_place)
        self.point_dtype = numba.np.numpy_support.as_dtype(getattr(self.takes[0], "dtype", self.takes[0]))
        self.address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        try:
            self.trampoline = entry_point(*sig_type.trampoline)
        except TypingError as error:
            raise Unsupported(sig_type.complaint) from error
        self.dtype = result_dtype(self.returns, self.takes[0])
        self.parallel = is_parallel(compiled)
        self._compiled = compiled  # keeps the code alive


def plain_type(taken: types.Type) -> types.Type:
    """The arguments behind a star are a tuple like any other."""
    return types.Tuple(tuple(taken)) if isinstance(taken, types.StarArgTuple | types.StarArgUniTuple) else taken


def resolve(f: Any, point: types.Array, scalar: bool, extra: Any, in_place: bool) -> Any:
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


def result_dtype(returns: Any, point: types.Type) -> np.dtype:
    """Double unless the point or the result is held in single precision; complex where the result is."""
    while isinstance(returns, types.Array | types.BaseTuple | types.List):
        returns = returns.types[0] if isinstance(returns, types.Tuple) else getattr(returns, "dtype", None)
    singles = (types.float32, types.complex64)
    is_complex = isinstance(returns, types.Complex)
    single = returns in singles or getattr(point, "dtype", point) in singles
    names = {(False, False): "f8", (False, True): "f4", (True, False): "c16", (True, True): "c8"}
    return np.dtype(names[is_complex, single])
