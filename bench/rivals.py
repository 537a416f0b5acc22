"""Each library as one small adapter: `(f, x) -> Rival`. None stands for a rival that is not here."""

import importlib
from collections.abc import Callable
from functools import cache
from types import ModuleType

import jacobi
import numdifftools
import numpy as np
from numba import njit
from scipy.optimize import approx_fprime
from scipy.optimize._numdiff import approx_derivative

from bench import ROOT, cload, loops
from bench.contest import Rival, called
from bench.timing import Inside

SQRT_EPS = float(np.sqrt(np.finfo(float).eps))
SOURCE = ROOT / "src"
C_KINDS = (*(cload.LONG, cload.LONG), *(cload.ADDRESS,) * 4, cload.INT)
FRESH_FROM = 1 << 20  # bytes of J; below, malloc's memory is warm and asking numpy for an address costs 1 us


@cache
def fastfd() -> ModuleType | None:
    """This tree's fastfd, not an installed one; None where it does not import, and the rivals still run."""
    try:
        module = importlib.import_module("fastfd")
    except ImportError:
        return None
    return module if module.__file__ else None  # a folder without __init__.py imports too


def prepared(kind: str, f: Callable, x: np.ndarray, args: tuple = (), **options: object) -> Rival | None:
    """fastfd's prepared object: "Jacobian", "Gradient" or "Hessian"."""
    operator = getattr(fastfd(), kind, None)
    if operator is None:
        return None
    D = operator(f, **options)
    return called(lambda: D(x, *args))


def function(name: str, f: Callable, x: np.ndarray, **options: object) -> Rival | None:
    """fastfd's plain function, which remembers nothing between two calls but what it compiled."""
    operator = getattr(fastfd(), name, None)
    return None if operator is None else called(lambda: operator(f, x, **options))


def forward_fprime(f: Callable, x: np.ndarray, args: tuple = ()) -> Rival:
    return called(lambda: approx_fprime(x, f, SQRT_EPS, *args))


def two_point(f: Callable, x: np.ndarray, args: tuple = ()) -> Rival:
    return called(lambda: approx_derivative(f, x, method="2-point", args=args))


def three_point(f: Callable, x: np.ndarray, args: tuple = ()) -> Rival:
    return called(lambda: approx_derivative(f, x, method="3-point", args=args))


def numdifftools_jacobian(f: Callable, x: np.ndarray, args: tuple = ()) -> Rival:
    D = numdifftools.Jacobian(f)
    return called(lambda: D(x, *args))


def numdifftools_hessian(f: Callable, x: np.ndarray, args: tuple = ()) -> Rival:
    D = numdifftools.Hessian(f)
    return called(lambda: D(x, *args))


def jacobi_jacobian(f: Callable, x: np.ndarray, args: tuple = ()) -> Rival:
    return called(lambda: jacobi.jacobi(f, x, *args)[0])


def njit_loop(f: Callable, x: np.ndarray, in_place: bool = False) -> Rival:
    """The hand-written loop alone, without the call from Python."""
    return Rival(*alone(f, cload.aligned_copy(x), in_place))


def alone(f: Callable, x: np.ndarray, in_place: bool) -> tuple[Inside, Callable]:
    jt, low = cload.aligned(x.size, x.size), cload.aligned(x.size)
    loop, buffers = (loops.in_place(f), (jt, low)) if in_place else (loops.returning(f), (jt,))
    return Inside(lambda repeats: loop(repeats, x, *buffers)), lambda: jt.T


def c_loop(
    name: str, x: np.ndarray, m: int, data: int | None = None, threads: int = 1
) -> Callable[[int, int], None]:
    """`loop(reps, address of J)` in C, its workspaces allocated beforehand and its addresses at hand."""
    x, work = cload.aligned_copy(x), cload.aligned(threads * (x.size + m))
    parallel = threads > 1
    entry = cload.function(name + ("_jacobian_omp" if parallel else "_jacobian"), *C_KINDS[: 6 + parallel])
    n, at, tail = x.size, x.ctypes.data, (work.ctypes.data, data, *([threads] if parallel else []))
    return lambda reps, jt, keep=(x, work): entry(reps, n, at, jt, *tail)


def c_alone(name: str, x: np.ndarray, m: int, **how: int) -> Rival | None:
    """C without Python: it repeats inside, into the same J again and again."""
    if cload.library() is None:
        return None
    jt, loop = cload.aligned(x.size, m), c_loop(name, x, m, **how)
    at = jt.ctypes.data
    return Rival(Inside(lambda repeats: loop(repeats, at)), lambda: jt.T)


def c_called(name: str, x: np.ndarray, m: int, **how: int) -> Rival | None:
    """C as Python meets it: one ctypes call, and a fresh J where its pages cost more than the call."""
    if cload.library() is None:
        return None
    jt, loop = cload.aligned(x.size, m), c_loop(name, x, m, **how)
    at = jt.ctypes.data

    def again() -> np.ndarray:
        loop(1, at)
        return jt.T

    def fresh() -> np.ndarray:
        jt = np.empty((x.size, m))
        loop(1, jt.ctypes.data)
        return jt.T

    return called(fresh if jt.nbytes >= FRESH_FROM else again)


def c_derivative_alone(name: str, x: np.ndarray) -> Rival | None:
    if cload.library() is None:
        return None
    entry = cload.function(f"{name}_derivative", *C_KINDS[:4])
    x, d = cload.aligned_copy(x), cload.aligned(x.size)
    addresses = (x.ctypes.data, d.ctypes.data)
    return Rival(Inside(lambda repeats: entry(repeats, x.size, *addresses)), lambda: d)


def c_derivative_called(name: str, x: np.ndarray) -> Rival | None:
    if cload.library() is None:
        return None
    entry = cload.function(f"{name}_derivative", *C_KINDS[:4])

    def fresh() -> np.ndarray:
        d = np.empty_like(x)
        entry(1, x.size, x.ctypes.data, d.ctypes.data)
        return d

    return called(fresh)


def njit_derivative(f: Callable, x: np.ndarray) -> Rival:
    loop, x, d = loops.elementwise(f), cload.aligned_copy(x), cload.aligned(x.size)
    return Rival(Inside(lambda repeats: loop(repeats, x, d)), lambda: d)


@njit
def trivial(x: np.ndarray) -> float:
    return x[0]
