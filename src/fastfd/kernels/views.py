"""Arrays in compiled code that own nothing: views of memory that somebody else keeps, and what is asked of flat numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic, overload

from fastfd.kernels.compiler import PART, borrowing, helper, inner, jit_disabled

__all__ = [
    "address_in", "array_at", "as_complex", "as_words", "assign", "borrow", "carve", "doubles_at", "fill", "flattened",
    "from_line", "hold", "nonfinite", "on_stack", "stretch", "trace", "word_type",
]  # fmt: skip

#: An address.
word_type = types.uintp


def array_at(context, builder, kind, address, shape):
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
def doubles_at(typingctx, address, size):
    """So many doubles at an address, borrowed."""
    result = types.Array(types.float64, 1, "C")

    def codegen(context, builder, sig, args):
        return array_at(context, builder, result, args[0], [args[1]])

    return result(types.uintp, types.intp), codegen


@intrinsic
def address_in(typingctx, array):
    """Where the numbers of an array begin."""
    def codegen(context, builder, sig, args):
        data = context.make_array(array)(context, builder, value=args[0]).data
        return builder.ptrtoint(data, context.get_value_type(word_type))

    return word_type(array), codegen


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


@intrinsic
def _trace_of(typingctx, number):
    def codegen(context, builder, sig, args):
        return builder.bitcast(builder.fsub(args[0], args[0]), ir.IntType(64))

    return types.int64(types.float64), codegen


#: Not 0 for nan and infinities: the bits of number - number. Taken together by ``|`` in a loop they tell whether all numbers
#: are finite. That vectorises, where a sum would not, and costs 4 ns more than the loop alone at 100 numbers.
trace: Any = (lambda number: 0 if np.isfinite(number) else 1) if jit_disabled() else _trace_of


@inner
def nonfinite(values):
    """Whether any of `values` is nan or infinite."""
    bad = np.int64(0)
    for i in range(values.size):
        bad |= trace(values[i])
    return bad != 0


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
def _carved(typingctx, space, start, shape):
    result = types.Array(types.float64, len(shape), "C")

    def codegen(context, builder, sig, args):
        data = builder.gep(context.make_array(space)(context, builder, value=args[0]).data, [args[1]])
        address = builder.ptrtoint(data, context.get_value_type(word_type))
        return array_at(context, builder, result, address, cgutils.unpack_tuple(builder, args[2], len(shape)))

    return result(space, types.intp, types.UniTuple(types.intp, len(shape))), codegen


def carve(space: Any, start: int, shape: tuple) -> Any:
    """An array in a stretch of a workspace, borrowed."""
    return space[start : start + int(np.prod(shape))].reshape(shape)


@overload(carve, jit_options={**PART, "forceinline": True})
def _carve_overload(space, start, shape):
    return lambda space, start, shape: _carved(space, start, shape)


@intrinsic
def _on_stack(typingctx, number):
    kind = types.Array(types.float64, 1, "C")

    def codegen(context, builder, sig, args):
        value = context.cast(builder, args[0], number, types.float64)
        place = cgutils.alloca_once(builder, value.type)
        builder.store(value, place)
        address = builder.ptrtoint(place, context.get_value_type(word_type))
        return array_at(context, builder, kind, address, [context.get_constant(types.intp, 1)])

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
        start = np.intp((np.uintp(_LINE) - address_in(room) % np.uintp(_LINE)) % np.uintp(_LINE)) // 8
        return stretch(room, start, room.size)

    return begin
