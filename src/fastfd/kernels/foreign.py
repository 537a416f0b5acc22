"""How a kernel calls a C function.

The door is that of ``native.py``: three words, a trampoline, an address and a frame. Only the trampoline differs. It calls by the
convention of C, and what stands at each place of the call is decided when it compiles: from the types of the C function, not from
where it is. So one trampoline, cached on disk, serves all functions of a signature, and addresses are never kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.ccallback import CFunc as Callback
from numba.extending import intrinsic, models, register_model

from fastfd.kernels.compiler import entry_point, kernel
from fastfd.kernels.native import (
    FIRST,
    NONFINITE,
    OK,
    ONLY,
    OPEN,
    RAISED,
    STALE,
    Signature,
    frame_matches,
    gather,
    load_field,
    trampoline_args,
)
from fastfd.kernels.views import doubles_at, nonfinite

__all__ = ["Callback", "ForeignFunction", "native_address"]

#: The types of C: what a pointer points to is no concern of a call.
_TYPES: dict[str, ir.Type] = {
    "double": ir.DoubleType(), "float": ir.FloatType(), "void": ir.VoidType(),
    "i4": ir.IntType(32), "u4": ir.IntType(32), "i8": ir.IntType(64), "u8": ir.IntType(64),
}  # fmt: skip
_POINTER = ir.IntType(8).as_pointer()
_NUMBA = {"double": types.float64, "void": types.none, "i4": types.int32, "u4": types.uint32,
          "i8": types.int64, "u8": types.uint64}  # fmt: skip


class CSignature(Signature):
    """How a C function is called: the place of each value, by its type and its part in the call.

    Parameters
    ----------
    point, extra : Type
        As for an njit function: the array that x is, and the tuple of extra arguments.
    result : str
        "double", "void", or an integer that is a status.
    places : tuple of (kind, part)
        ``part``: "x", "n", "out", "m", "data" (the user data that came with f), or the index of an extra argument.
    bound : bool
        Whether the address is that of a pair, of the function and its user data.
    raises : bool
        Whether it is code of numba's, which is called by numba's convention, for it may raise.
    """

    def __init__(self, point: types.Type, extra: types.Type, result: str, places: tuple, bound: bool, raises: bool):
        self.point, self.extra, self.result, self.places, self.bound, self.raises = point, extra, result, places, bound, raises
        self.in_place = result != "double"
        types.Opaque.__init__(self, name=f"fastfd.CSignature{(point, extra, result, places, bound, raises)}")

    @property
    def trampoline(self) -> tuple[Callable, tuple]:
        return _c_trampoline_in_place if self.in_place else _c_trampoline, (self, *trampoline_args)


register_model(CSignature)(models.OpaqueModel)


class _Places:
    """What stands at each place of a call."""

    def __init__(self, context, builder, sig_type, words):
        self.context, self.builder, self.sig_type = context, builder, sig_type
        self.address, self.frame, self.x, self.out, self.m = words
        self.data = None
        if sig_type.bound:
            pair = builder.inttoptr(self.address, ir.IntType(64).as_pointer())
            self.address = builder.load(pair)
            self.data = builder.load(builder.gep(pair, [ir.Constant(ir.IntType(32), 1)]))

    def value(self, kind, part):
        want = _TYPES.get(kind, _POINTER)
        word = self.number(part, want) if kind in _TYPES else self.pointer(part)
        return self.builder.inttoptr(word, want) if want is _POINTER else word

    def number(self, part, want):
        if part == "x":
            return self.builder.load(self.builder.inttoptr(self.x, want.as_pointer()))
        if part in ("n", "m"):
            word = self.m if part == "m" else self._size()
            return word if word.type == want else self.builder.trunc(word, want)
        value, have = self._extra(part)
        if isinstance(want, ir.IntType):
            return value if value.type == want else self.builder.trunc(value, want)
        return self.context.cast(self.builder, value, have, types.float64 if want == _TYPES["double"] else types.float32)

    def pointer(self, part):
        """As a word."""
        if isinstance(part, str):
            return {"x": self.x, "out": self.out, "data": self.data}[part]
        value, have = self._extra(part)
        if isinstance(have, types.Array):
            data = self.context.make_array(have)(self.context, self.builder, value=value).data
            return self.builder.ptrtoint(data, ir.IntType(64))
        return value

    def _extra(self, i):
        extra = load_field(self.context, self.builder, self.sig_type, self.frame, 1)
        return self.builder.extract_value(extra, i), self.sig_type.extra[i]

    def _size(self):
        point = load_field(self.context, self.builder, self.sig_type, self.frame, 2)
        return self.context.make_array(self.sig_type.point)(self.context, self.builder, value=point).nitems


@intrinsic
def _call_c(typingctx, sig_type, address, frame, x, out, m):
    """Call a C function: its status (0 is success), and the number that it returned."""
    returns = types.Tuple((types.int64, types.float64))

    def codegen(context, builder, sig, args):
        places = _Places(context, builder, sig_type, args[1:])
        values = [places.value(kind, part) for kind, part in sig_type.places]
        call = _by_numba if sig_type.raises else _by_c
        failed, value = call(context, builder, sig_type, places.address, values)
        status, number = ir.Constant(ir.IntType(64), 0), ir.Constant(ir.DoubleType(), 0.0)
        if sig_type.result == "double":
            number = value
        elif sig_type.result != "void":
            status = builder.zext(builder.icmp_unsigned("!=", value, value.type(0)), ir.IntType(64))
        if failed is not None:
            status = builder.or_(status, builder.zext(failed, ir.IntType(64)))
        return context.make_tuple(builder, returns, (status, number))

    return returns(sig_type, address, frame, x, out, m), codegen


def _by_c(context, builder, sig_type, address, values):
    function_type = ir.FunctionType(_TYPES[sig_type.result], [value.type for value in values])
    return None, builder.call(builder.inttoptr(address, function_type.as_pointer()), values)


def _by_numba(context, builder, sig_type, address, values):
    """The same arguments, but it says whether it raised."""
    result = _NUMBA[sig_type.result]
    kinds = tuple(_NUMBA.get(kind, types.float32 if kind == "float" else types.voidptr) for kind, _ in sig_type.places)
    function = builder.inttoptr(address, context.call_conv.get_function_type(result, kinds).as_pointer())
    status, value = context.call_conv.call_function(builder, function, result, kinds, values)
    slot = cgutils.alloca_once_value(builder, cgutils.get_null_value(value.type))
    with builder.if_then(status.is_ok):
        builder.store(value, slot)
    return status.is_error, builder.load(slot)


@kernel
def _c_trampoline(sig_type, address, frame, x, y, scratch, m, weight, factor, part):
    if not frame_matches(sig_type, frame):
        return STALE
    status, value = _call_c(sig_type, address, frame, x, scratch, m)
    if status != 0:
        return RAISED
    return gather((value,), doubles_at(y, m), weight, factor, part)


@kernel
def _c_trampoline_in_place(sig_type, address, frame, x, y, scratch, m, weight, factor, part):
    if not frame_matches(sig_type, frame):
        return STALE
    direct = weight == 1.0 and part in (FIRST, ONLY, OPEN)
    target = y if direct else scratch
    status, _ = _call_c(sig_type, address, frame, x, target, m)
    if status != 0:
        return RAISED
    out = doubles_at(target, m)
    if direct:
        return NONFINITE if part == ONLY and nonfinite(out) else OK
    return gather(out, doubles_at(y, m), weight, factor, part)


class ForeignFunction:
    """A C function made ready for one kind of point and one tuple of extra arguments.

    Parameters
    ----------
    address : int
        Where it is.
    result, places, raises
        As in :class:`CSignature`.
    data : int, optional
        The user data that goes with it.
    ndim : int
        Of the points.
    extra : tuple
        Extra arguments of the types to come.

    Attributes
    ----------
    trampoline, address, dtype
        As in :class:`NativeFunction`.
    """

    dtype = point_dtype = np.dtype(float)
    parallel = False  # as far as anybody knows

    def __init__(
        self, address: int, result: str, places: tuple, raises: bool, data: int | None, ndim: int, extra: tuple[types.Type, ...]
    ):
        point = types.Array(types.float64, max(ndim, 1), "C")
        signature = CSignature(point, types.Tuple(extra), result, places, data is not None, raises)
        self.trampoline = entry_point(*signature.trampoline)
        self._pair = np.array([address, data or 0], np.uintp)
        self.address = address if data is None else self._pair.ctypes.data


def native_address(f: Any) -> int:
    """Where the code behind a ``numba.cfunc`` begins: the wrapper for C around it prints exceptions, and goes on with 0."""
    return f._library.get_pointer_to_function(f.native_name.removeprefix("cfunc."))
