"""C functions: what they take, read from the object that brings them; called from Python as f would be.

A C function comes as a ctypes or cffi function pointer, a ``scipy.LowLevelCallable`` or a ``numba.cfunc``. Its parameters are
told apart by their types and order (``docs/c-functions.md`` has the table). Kernels call it by its address, by
``kernels/foreign.py``; here it is called for the first look, for what is checked in Python, and to say what went wrong.
"""

from __future__ import annotations

import ctypes
import gc
import operator
import re
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastfd.kernels.foreign import Callback, ForeignFunction, native_address
from fastfd.kernels.native import type_names

__all__ = ["CFunction", "known", "returning"]

Array = NDArray[np.float64]

#: So many numbers behind x and out are watched when f is called from Python.
GUARD = 32
SERVED = (
    "served are double f(double), double f(const double *x), f(const double *x, int n), f(int n, const double *x), "
    "and void or int f(const double *x, double *out) with lengths, each with further numbers, arrays and void * behind; "
    "integers are int, long, size_t and the like, an int result is a status"
)

# --- the types of C ---------------------------------------------------------------------------------------------------

_INTEGERS = {
    "int": ctypes.c_int, "unsigned": ctypes.c_uint, "unsigned int": ctypes.c_uint, "uint": ctypes.c_uint,
    "long": ctypes.c_long, "long int": ctypes.c_long, "unsigned long": ctypes.c_ulong, "ulong": ctypes.c_ulong,
    "unsigned long int": ctypes.c_ulong, "long long": ctypes.c_longlong, "longlong": ctypes.c_longlong,
    "unsigned long long": ctypes.c_ulonglong, "ulonglong": ctypes.c_ulonglong,
    "size_t": ctypes.c_size_t, "ssize_t": ctypes.c_ssize_t, "ptrdiff_t": ctypes.c_ssize_t, "Py_ssize_t": ctypes.c_ssize_t,
    "intptr_t": ctypes.c_ssize_t, "uintptr_t": ctypes.c_size_t, "npy_intp": ctypes.c_ssize_t,
    "int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64,
}  # fmt: skip
_BASES = {name: np.dtype(kind).str[1:] for name, kind in _INTEGERS.items()} | {n: n for n in ("double", "float", "void")}
_QUALIFIERS = {"const", "volatile", "restrict", "__restrict", "signed", "struct"}
_SPELLED = {"i4": "int", "u4": "unsigned int", "i8": "int64_t", "u8": "uint64_t"}
#: What ctypes makes of the types that can be handed over; pointers are words.
_CTYPES: dict[str, Any] = {
    "double": ctypes.c_double, "float": ctypes.c_float, "void": None,
    "i4": ctypes.c_int32, "u4": ctypes.c_uint32, "i8": ctypes.c_int64, "u8": ctypes.c_uint64,
}  # fmt: skip
_POINTEES = {f"{kind}*": np.dtype(ctype) for kind, ctype in _CTYPES.items() if ctype}
_NUMBERS = ("double", "float")


def _integer(kind: str) -> bool:
    return kind in _SPELLED


def _kind_of_text(text: str) -> str:
    """A type as C writes it, as one of ours: "double", "i4", "double*", "void*", …; others as they are, with a "?"."""
    stars = text.count("*") + text.count("[")
    words = [word for word in re.sub(r"\[[^]]*\]|\*", " ", text).split() if word not in _QUALIFIERS]
    base = next((_BASES[name] for name in (" ".join(words), " ".join(words[:-1])) if name in _BASES), "?")  # it may have a name
    if stars == 0:
        return base if base in _CTYPES else f"?{text.strip()}"
    return base + "*" if stars == 1 and base in _CTYPES else "void*"


def _kind_of_ctype(kind: Any) -> str:
    if kind is None:
        return "void"
    dtype = getattr(kind, "_dtype_", None)  # numpy.ctypeslib.ndpointer
    if isinstance(dtype, np.dtype):
        return (_kind_of_dtype(dtype) if dtype.isnative else "void") + "*"
    if issubclass(kind, ctypes.c_void_p):
        return "void*"
    inner = getattr(kind, "_type_", None)
    if isinstance(inner, str) and inner in "dfiIlLqQ":
        return _kind_of_dtype(np.dtype(kind))
    if isinstance(inner, type):
        found = _kind_of_ctype(inner)
        return found + "*" if found in _CTYPES else "void*"
    return f"?{getattr(kind, '__name__', kind)}"


def _kind_of_dtype(dtype: np.dtype) -> str:
    code = dtype.str[1:]
    return {"f8": "double", "f4": "float"}.get(code, code if code in _SPELLED else "void")


def _spelled(kind: str) -> str:
    base = kind.rstrip("*").lstrip("?")
    return _SPELLED.get(base, base) + (" *" if kind.endswith("*") else "")


# --- where C functions come from ----------------------------------------------------------------------------------------

_CTYPES_FUNCTION = ctypes.CFUNCTYPE(None).__mro__[1]


def _from_ctypes(f: Any) -> tuple:
    if f.argtypes is None:
        msg = (
            "f is a ctypes function without argtypes, so what it takes is not known: set f.argtypes = (ctypes.c_double,) and "
            f"f.restype = ctypes.c_double, or whatever it takes; {SERVED}"
        )
        raise TypeError(msg)
    address = ctypes.cast(f, ctypes.c_void_p).value
    return address, _kind_of_ctype(f.restype), tuple(map(_kind_of_ctype, f.argtypes)), None


def _python_behind(f: Any) -> Callable | None:
    """The Python function that a ctypes callback calls: we do, too, for ctypes prints what it raises, and goes on with 0."""
    parts = gc.get_referents(f) if isinstance(f, _CTYPES_FUNCTION) else []
    if not any(type(part).__name__ == "CThunkObject" for part in parts):
        return None
    return next((part for part in parts if callable(part) and not isinstance(part, type) and part is not f.errcheck), None)


def _cffi() -> Any:
    from cffi import FFI  # it is there where its objects are

    return FFI()


def _from_cffi(f: Any) -> tuple:
    ffi = _cffi()
    kind = ffi.typeof(f)
    if kind.kind != "function":
        msg = f"f is a cffi object of type {kind.cname}, not a function pointer; {SERVED}"
        raise TypeError(msg)
    if kind.ellipsis:
        msg = f"f is {kind.cname}, which takes a varying number of arguments; {SERVED}"
        raise TypeError(msg)
    kinds = tuple(_kind_of_text(arg.cname) for arg in kind.args)
    return int(ffi.cast("uintptr_t", f)), _kind_of_text(kind.result.cname), kinds, None


def _refuse_library(f: Any) -> NoReturn:
    msg = f"f is the function {f.__name__} of a compiled cffi module, as Python calls it; give ffi.addressof(lib, '{f.__name__}')"
    raise TypeError(msg)


def _from_scipy(f: Any) -> tuple:
    """The signature that SciPy knows, which may say more than the function; and the user data, NULL where there are none."""
    found = re.fullmatch(r"\s*([^(]*)\((.*)\)[\w\s]*", f.signature)
    if not found:
        msg = f"f is a LowLevelCallable with the signature {f.signature!r}, which is not of the form 'double (double, void *)'"
        raise TypeError(msg)
    args = [text for text in found[2].split(",") if text.strip() not in ("", "void")]
    source, data = f.function, f.user_data
    while _is_low_level(type(source)):
        source, data = source.function, source.user_data if data is None else data
    if data is None and _is_capsule(source):
        data = _capsule("GetContext", source)
    return _pointer_word(source), _kind_of_text(found[1]), tuple(map(_kind_of_text, args)), _pointer_word(data)


def _from_numba(f: Any) -> tuple:
    try:
        return _from_ctypes(f.ctypes)
    except (TypeError, NotImplementedError) as error:
        msg = f"f is a numba.cfunc whose types are not those of C ({error}); {SERVED}"
        raise TypeError(msg) from error


def _is_low_level(kind: type) -> bool:
    return kind.__name__ == "LowLevelCallable" and kind.__module__.startswith("scipy")


def _is_capsule(value: Any) -> bool:
    return type(value).__name__ == "PyCapsule"


def _capsule(what: str, capsule: Any, *more: Any) -> Any:
    ask = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, *([ctypes.c_void_p] * len(more)))
    return ask((f"PyCapsule_{what}", ctypes.pythonapi))(capsule, *more)


def _capsule_address(capsule: Any) -> int:
    return _capsule("GetPointer", capsule, _capsule("GetName", capsule)) or 0


def _is_cffi(value: Any) -> bool:
    return type(value).__module__ == "_cffi_backend"


def _pointer_word(value: Any) -> int:
    """An address, from whatever stands for one."""
    if value is None:
        return 0
    if isinstance(value, np.ndarray):
        return value.ctypes.data
    if _is_cffi(value):
        return int(_cffi().cast("uintptr_t", value))
    if _is_capsule(value):
        return _capsule_address(value)
    if isinstance(value, ctypes.Structure | ctypes.Array | ctypes.Union):
        return ctypes.addressof(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    try:
        if isinstance(value, bool | str):
            raise ctypes.ArgumentError
        return ctypes.cast(value, ctypes.c_void_p).value or 0
    except ctypes.ArgumentError:
        msg = f"a pointer must be an address, an array, None, or a pointer of ctypes or cffi, got {type(value).__name__}"
        raise TypeError(msg) from None


@lru_cache(maxsize=256)
def _reader(kind: Any) -> Callable | None:
    """What reads C functions of a Python type."""
    if issubclass(kind, _CTYPES_FUNCTION):
        return _from_ctypes
    if kind.__module__ == "_cffi_backend" and "CData" in kind.__name__:
        return _from_cffi
    if _is_low_level(kind):
        return _from_scipy
    return _from_numba if issubclass(kind, Callback) else None


def known(f: Any) -> Any:
    """A C function, looked at once; anything else as it is."""
    kind: Any = type(f)
    reader = _reader(kind)
    if reader is not None:
        return _remembered(f, reader)
    if kind is _BUILTIN and _is_cffi(f.__self__):
        _refuse_library(f)
    return f


_BUILTIN: Any = type(len)
#: C functions by the identity of their source (those of ctypes have no hash), the oldest first, and so many at most.
_read: dict[int, tuple[Any, CFunction]] = {}
_MOST = 64
_lock = threading.Lock()


def _remembered(f: Any, reader: Callable) -> CFunction:
    declared = _declared(f) if reader is _from_ctypes else None
    found = _read.get(id(f))
    if found is None or found[0] != declared:
        found = declared, CFunction(f, *reader(f))  # holds f, so that the identity stays its own
        with _lock:
            _read[id(f)] = found
            while len(_read) > _MOST:
                del _read[next(iter(_read))]
    return found[1]


def _declared(f: Any) -> tuple:
    """ctypes lets its functions be declared anew at any time."""
    return f.restype, None if f.argtypes is None else tuple(f.argtypes)


# --- a C function -------------------------------------------------------------------------------------------------------


class _Held(int):
    """An address, and what is there."""

    owner: Any = None


def _held(value: Any) -> int:
    word = _Held(_pointer_word(value))
    word.owner = value
    return word


def _leading(result: str, kinds: tuple[str, ...]) -> list[str] | None:
    """What the first parameters are: the lengths n and m, x, and out where f writes; None where they do not fit."""
    parts: list[str] = []
    last = "x" if result == "double" else "out"
    for i, kind in enumerate(kinds):
        scalar = kind == "double" and i == 0
        if "x" not in parts and (kind == "double*" or scalar):
            parts.append("x")
        elif kind == "double*" and "x" in parts:
            parts.append("out")
        elif _integer(kind) and "n" not in parts and kinds[0] != "double":
            parts.append("n")
        elif _integer(kind) and "m" not in parts and "x" in parts:
            parts.append("m")
        else:
            return None
        if parts[-1] == last:
            return parts
    return None


class CFunction:
    """A C function as a Python callable ``f(x, *args)``, or ``f(x, out, *args)`` where it writes its results.

    Parameters
    ----------
    source : object
        What it came with; kept, for it keeps the code.
    address : int
    result : str
        The kind of the result.
    kinds : tuple of str
        Those of the parameters.
    data : int or None
        The user data of a LowLevelCallable; None for other sources.
    """

    def __init__(self, source: Any, address: int | None, result: str, kinds: tuple[str, ...], data: int | None):
        self.source, self.result, self.kinds, self.data = source, result, kinds, data
        self.__name__ = getattr(source, "__name__", "f")
        if not address:
            msg = f"f is a NULL pointer of type {self}"
            raise ValueError(msg)
        self.in_place = result == "void" or _integer(result)
        leading = _leading(result, kinds) if self.in_place or result == "double" else None
        if leading is None or any(kind.startswith("?") or kind == "void" for kind in kinds):
            self._refuse()
        self._leading, self.scalar = leading, kinds[0] == "double"
        self._tail = kinds[len(leading) :]
        self._lengths = ("n",) * (not self.scalar) + ("m",) * self.in_place
        if data is not None:
            self._bind()
        self.raises = isinstance(source, Callback)
        self.address: int = native_address(source) if self.raises else address
        self.python: Any = _python_behind(source)
        self._entry = self._prototype()
        self._natives: dict = {}
        self._given: dict[int, tuple[str, ...]] = {}  # the kinds of so many extra arguments

    def __str__(self) -> str:
        return f"{_spelled(self.result)} ({', '.join(map(_spelled, self.kinds))})"

    def _refuse(self) -> NoReturn:
        hint = ""
        if self.result == "i4" and "double" in self.kinds[:1]:
            hint = "; ctypes takes the result for int unless f.restype says otherwise"
        msg = f"f is a C function of type {self}, which cannot be differentiated as it is{hint}; {SERVED}"
        raise TypeError(msg)

    def _bind(self) -> None:
        """The last pointer is for the user data that came with f."""
        if self._tail and self._tail[-1] == "void*":
            self._tail = self._tail[:-1]
        elif self.data:
            msg = f"f is a LowLevelCallable with user_data, but of type {self}, without a void * at the end for it"
            raise TypeError(msg)
        else:
            self.data = None

    # --- the parameters behind x and out ---

    def _sizes(self, count: int) -> list[str]:
        """Which lengths stand behind the pointers, where `count` extra arguments follow."""
        lengths = [part for part in self._lengths if part not in self._leading]
        integers = [*map(_integer, self._tail), False].index(False)
        most, least = len(self._tail), len(self._tail) - min(integers, len(lengths))
        if least <= count <= most:
            return lengths[: most - count]
        wanted = f"{least} to {most}" if least < most else f"{most}"
        behind = ", ".join(map(_spelled, self._tail)) or "nothing"
        msg = f"args must have {wanted} extra arguments for a C function of type {self} ({behind} behind x), got {count}"
        if self._tail[-1:] == ("void*",) and count < least:
            msg += "; for a void * give an address, an array, a pointer of ctypes or cffi, or None"
        raise TypeError(msg)

    def arguments(self, args: tuple) -> tuple:
        """Extra arguments as kernels take them: numbers of the right type and range, arrays, addresses."""
        kinds = self._given.get(len(args))
        if kinds is None:
            kinds = self._given[len(args)] = self._tail[len(self._sizes(len(args))) :]
        if all(map(_fits, args, kinds)):
            return args
        return tuple(_converted(value, kind, i) for i, (value, kind) in enumerate(zip(args, kinds, strict=True)))

    def _parts(self, count: int) -> tuple:
        """The part of each parameter: "x", "n", "out", "m", "data", or the index of an extra argument."""
        parts = (*self._leading, *self._sizes(count), *range(count))
        return (*parts, "data") if self.data is not None else parts

    def native(self, ndim: int, args: tuple) -> ForeignFunction:
        """What a kernel calls, for extra arguments of these types."""
        key = (ndim, type_names(args))
        if key not in self._natives:
            places = tuple(zip(self.kinds, self._parts(len(args)), strict=True))
            self._natives[key] = ForeignFunction(self.address, self.result, places, self.raises, self.data, ndim, key[1])
        return self._natives[key]

    # --- from Python ---

    def __call__(self, x: Any, *args: Any) -> Any:
        point, out = self._point(x), self._out(args)
        extra = self.arguments(args[self.in_place :])
        found, status = self._guarded(point, out, extra, np.nan)
        if not status and np.isnan(found).any() and self._differs(found, point, out, extra):
            msg = f"f reads beyond the {point.size} numbers of x: it needs a longer x, or goes too far"
            raise ValueError(msg)
        if isinstance(x, np.ndarray) and x.ndim and point.tobytes() != np.ascontiguousarray(x, float).tobytes():
            x[...] = point.reshape(x.shape)  # f has changed it, and whoever calls may want to know
        if status:
            msg = f"f returned the status {status} at x = {x!r}, and only 0 is success"
            if isinstance(self.source, _CTYPES_FUNCTION):
                msg += " (where f returns nothing, say so: f.restype = None)"
            raise RuntimeError(msg)
        if not self.in_place:
            return float(found[0])
        args[0].reshape(-1)[...] = found
        return None

    def _out(self, args: tuple) -> Array:
        if not self.in_place:
            return np.empty(1)
        if args and isinstance(args[0], np.ndarray) and args[0].dtype == float:
            return args[0].reshape(-1)
        msg = f"a C function of type {self} writes its results, and here is nothing to write to; give one that returns a number"
        raise TypeError(msg)

    def _point(self, x: Any) -> Array:
        if np.iscomplexobj(x):
            msg = f"method='complex' needs an f that takes complex numbers; a C function of type {self} takes real ones"
            raise ValueError(msg)
        point = np.array(x, float, order="C")
        if self.scalar and point.ndim:
            msg = f"f is a C function of one number, {self}, but x has shape {point.shape}; derivative takes it elementwise"
            raise ValueError(msg)
        return point.reshape(-1)

    def _differs(self, found: Array, point: Array, out: Array, extra: tuple) -> bool:
        """Whether what stands behind x matters."""
        if self.scalar:
            return False
        return self._guarded(point, out, extra, 0.0)[0].tobytes() != found.tobytes()

    def _guarded(self, point: Array, out: Array, extra: tuple, behind: float) -> tuple[Array, int]:
        """One call between guards: the results, and the status. x is changed where f changes it."""
        x, y = np.full(point.size + GUARD, behind), np.full(out.size + GUARD, np.nan)
        x[: point.size] = point
        y[: out.size], before = out, y[out.size :].tobytes()
        values = {"x": point[0] if self.scalar else x.ctypes.data, "n": point.size, "out": y.ctypes.data, "m": out.size,
                  "data": self.data}  # fmt: skip
        parts = self._parts(len(extra))
        result = self._entry(*(values[part] if isinstance(part, str) else _as_ctypes(extra[part]) for part in parts))
        if y[out.size :].tobytes() != before:
            msg = f"f writes more than {out.size} results; give their number as out_size"
            raise ValueError(msg)
        point[:] = x[: point.size]
        if not self.in_place:
            return np.array([result]), 0
        return y[: out.size].copy(), result or 0

    def _prototype(self) -> Callable:
        if self.python is not None:
            return self._by_python
        kinds = [_CTYPES.get(kind, ctypes.c_void_p) for kind in self.kinds]
        if not self.raises:
            return ctypes.CFUNCTYPE(_CTYPES[self.result], *kinds)(self.address)
        word = ctypes.POINTER(ctypes.c_void_p)
        inner = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, word, *kinds)(self.address)
        return lambda *values: self._by_numba(inner, values)

    def _by_python(self, *values: Any) -> Any:
        found = self.python(*_as_python(values, self.source.argtypes))
        return float(found) if self.result == "double" else int(found or 0)

    def _by_numba(self, entry: Any, values: tuple) -> Any:
        """numba's convention: a place for the result, one for the exception, and whether there is one comes back."""
        place = (_CTYPES[self.result] or ctypes.c_int64)(0)
        if entry(ctypes.addressof(place), ctypes.byref(ctypes.c_void_p()), *values) in (0, -2):
            return place.value if self.result != "void" else None
        self.source(*_as_python(values, self.source.ctypes.argtypes))
        msg = "f raised an exception in compiled code, but not in Python"
        raise RuntimeError(msg)


def _as_python(values: tuple, kinds: Any) -> list:
    """Numbers as they are, and pointers with their types."""
    return [v if hasattr(k, "value") else ctypes.cast(v, k) for v, k in zip(values, kinds, strict=True)]


def _as_ctypes(value: Any) -> Any:
    return value.ctypes.data if isinstance(value, np.ndarray) else value


def _fits(value: Any, kind: str) -> bool:
    """Whether an extra argument is what kernels take, at a glance."""
    if type(value) is float:
        return kind == "double"
    return type(value) is np.ndarray and value.dtype is _POINTEES.get(kind) and value.flags.carray


def _converted(value: Any, kind: str, i: int) -> Any:
    """An extra argument as its C type."""
    if kind in _NUMBERS:
        return _as_number(value, kind, i)
    if _integer(kind):
        return _as_integer(value, kind, i)
    if isinstance(value, np.ndarray) and kind != "void*":
        return _as_array(value, kind, i)
    try:
        return _held(value)
    except TypeError as error:
        msg = f"args[{i}] goes to a {_spelled(kind)}: {error}"
        raise TypeError(msg) from None


def _as_number(value: Any, kind: str, i: int) -> float:
    if isinstance(value, int | float | np.integer | np.floating | np.bool_) or (
        isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "biuf"
    ):
        return float(value)
    msg = f"args[{i}] must be a number for the C type {kind}, got {type(value).__name__}"
    raise TypeError(msg)


def _as_integer(value: Any, kind: str, i: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        msg = f"args[{i}] must be an integer for the C type {_spelled(kind)}, got {value!r}"
        raise TypeError(msg) from None
    limits = np.iinfo(kind)
    if not max(limits.min, -(2**63)) <= number <= min(limits.max, 2**63 - 1):
        msg = f"args[{i}] = {number} does not fit into the C type {_spelled(kind)}"
        raise ValueError(msg)
    return number


def _as_array(value: NDArray[Any], kind: str, i: int) -> NDArray[Any]:
    dtype = _POINTEES[kind]
    if value.dtype == dtype and value.flags.c_contiguous and value.flags.aligned:
        return value
    msg = f"args[{i}] must be a contiguous array of dtype {dtype} for a {_spelled(kind)}, got {value.dtype}"
    if not value.flags.c_contiguous:
        msg += ", not contiguous; np.ascontiguousarray makes it so"
    raise TypeError(msg)


def returning(f: Any, *like: Any) -> Any:
    """A C function that writes its results as one that returns them, in the shapes of others; anything else as it is."""
    found = known(f)
    if not isinstance(found, CFunction) or not found.in_place:
        return found

    shape = tuple(extent for other in like for extent in np.shape(other))

    def filled(x: Any, *args: Any) -> Array:
        out = np.full(shape, np.nan)
        found(x, out, *args)
        return out

    return filled
