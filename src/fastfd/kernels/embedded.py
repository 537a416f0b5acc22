"""Functions of the user's as they are called from the user's own compiled code, and the parts that make up that code."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from llvmlite.binding import add_symbol
from numba.core import cgutils, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import TypingError
from numba.core.imputils import impl_ret_borrowed, lower_constant
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, overload, register_jitable, register_model

from fastfd.kernels.compiler import PART, entry_point, house_stamp
from fastfd.kernels.native import Signature, Unsupported, callee_type, laid_down, native_call, plain_type, resolve, result_dtype
from fastfd.kernels.views import word_type

__all__ = [
    "Embedded", "Mentioned", "carried", "frozen", "kernel_types", "linked", "linked_call", "overloaded", "refresh", "roomy",
    "seldom", "small",
]  # fmt: skip

#: What a kernel takes after f and x, a letter each: numbers (d), integers (i), truth (b), addresses (a), arrays of doubles
#: of 1 to 4 dimensions, of integers of one (w) and two (W).
_LETTERS: dict[str, types.Type] = {
    "d": types.float64, "i": types.int64, "b": types.boolean, "a": word_type,
    **{str(ndim): types.Array(types.float64, ndim, "C") for ndim in range(1, 5)},
    "w": types.Array(types.int64, 1, "C"), "W": types.Array(types.int64, 2, "C"),
}  # fmt: skip


def kernel_types(letters: str, dtype: Any = float) -> tuple:
    """The types that a kernel is compiled for, from letters."""
    point = types.Array(numba.from_dtype(np.dtype(dtype)), 1, "C")
    return (callee_type, point, *(_LETTERS[letter] for letter in letters))


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
    """The user's code on disk knows this function by its name and module: they must stay."""
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
    return builder.ptrtoint(entry, context.get_value_type(word_type))


def linked(text: Callable, letters: str, dtype: Any = float) -> Any:
    """For compiled code: a function that gives the address of a kernel."""

    @intrinsic
    def address(typingctx):
        return word_type(), lambda context, builder, sig, args: _linked_address(
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
            return native_call(context, builder, address, types.int64, arg_types, values)

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
            compiled = f.dispatcher.get_compile_result(resolve(f.dispatcher, point, scalar, given, in_place))
        signature = compiled.signature if compiled else f.get_precise().signature
        self.returns, takes = signature.return_type, tuple(map(plain_type, signature.args))
        self.dtype, self.taken = result_dtype(self.returns, takes[0]), getattr(takes[0], "dtype", takes[0])
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
            frame = laid_down(context, builder, (sig_type.extra, sig_type.point), (packed, args[2]))
            words = trampoline, builder.ptrtoint(address, context.get_value_type(word_type)), frame
            return context.make_tuple(builder, callee_type, words)

        return callee_type(f, extra, point), codegen

    return callee


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
