"""One call, packed once: a prepared object looks at its arguments the first time only, and makes its results itself."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from types import MethodType
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import NativeValue, box, intrinsic, models, register_model, unbox

from fastfd.kernels.compiler import entry_point, inner, kernel, locked_gate
from fastfd.kernels.native import OK, callee_type, laid_down, native_call
from fastfd.kernels.views import array_at, word_type

__all__ = ["packed_call"]


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
        start = args[0] if address == word_type else builder.ptrtoint(args[0], context.get_value_type(word_type))
        pointer = context.get_value_type(word_type).as_pointer()
        return builder.load(builder.inttoptr(builder.add(start, args[1]), pointer))

    return word_type(address, types.intp), codegen


@intrinsic
def _exchange(typingctx, address, word):
    """Write a word and give the one that was there; no other thread comes between."""

    def codegen(context, builder, sig, args):
        pointer = builder.inttoptr(args[0], context.get_value_type(word_type).as_pointer())
        return builder.atomic_rmw("xchg", pointer, args[1], "acq_rel")

    return word_type(word_type, word_type), codegen


@intrinsic
def _release(typingctx, address):
    """Write 0 to a word, after all that was written before."""

    def codegen(context, builder, sig, args):
        word = context.get_value_type(word_type)
        builder.store_atomic(ir.Constant(word, 0), builder.inttoptr(args[0], word.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(word_type), codegen


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
            return array_at(context, self.builder, kind, elsewhere or word, shape)
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
        point = array_at(context, builder, kind.point, args[2], shape)
        frame = laid_down(context, builder, (types.Tuple(()), kind.point), (no_extra, point))
        callee = context.make_tuple(builder, callee_type, (trampoline, address, frame))
        flat = types.Array(kind.point.dtype, 1, "C")
        point = array_at(context, builder, flat, args[2], [functools.reduce(builder.mul, shape)])
        rest = [words.value(context, t, args[3] if i == kind.out else None) for i, t in enumerate(kind.rest)]
        return native_call(context, builder, kernel_address, types.int64, (callee_type, flat, *kind.rest), (callee, point, *rest))

    return types.int64(kind, record, x, out), codegen


@kernel
def _unpack(kind, record, x, out):
    return _unpacked_call(kind, record, x, out)


@intrinsic
def _through_door(typingctx, door, record, x, out):
    def codegen(context, builder, sig, args):
        opaque = cgutils.get_null_value(context.get_value_type(types.voidptr))
        return native_call(context, builder, args[0], types.int64, (types.voidptr, *sig.args[1:]), (opaque, *args[1:]))

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

    return _object(word_type), codegen


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
        return builder.ptrtoint(context.get_python_api(builder).save_thread(), context.get_value_type(word_type))

    return word_type(), codegen


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


def packed_call(kernel_address: int, head: tuple, x: Any, rest: tuple, out: int, value: Any, long: bool) -> Callable | None:
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
    door = entry_point(_unpack, (kind, word_type, word_type, word_type))
    layout = np.array([value.ndim, value.dtype.num, *value.shape, *value.strides], np.int64)
    words = [0, long, door, id(type(x)), id(x.dtype), x.ndim, layout.ctypes.data, kernel_address, *head, *x.shape]
    record = np.array([*words, *(word for given in rest for word in _words_of(given))], np.uint64).view(_Record)
    record.kept = layout, rest
    _run_packed.compile((_object,) * 2)
    return MethodType(_run_packed.overloads[(_object,) * 2].entry_point, record)  # a partial would make one more tuple
