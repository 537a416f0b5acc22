"""C functions under fastfd's kernels against the njit function of the same code."""

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numba import carray, cfunc, types
from scipy import LowLevelCallable

from bench import cload, contest, functions, rivals
from bench.contest import Pairs, Rivals
from bench.table import Row
from bench.timing import Effort

NOTES = """\
All are fastfd's prepared object, parallel=False; only f differs. "njit" is the njit function, "numba.cfunc" calls the same from
behind the interface of C, where it is inlined: the same machine code. "C" is the same function in C (cc -O3 -march=native), a
LowLevelCallable. gcc fuses multiply and add, which LLVM under numba does not, so this compares compilers, too. The Jacobians'
f work in place, Rosenbrock's function returns its number, exp(-x/2) sin(3x) takes one at a time."""

NJIT, CALLBACK, LIBRARY = "njit", "numba.cfunc", "C"
LIMIT = 1.05
MORE = 4  # times as many rounds as others take: these ratios are told apart by per cents


NUMBERS = types.CPointer(types.float64)


def run(effort: Effort) -> list[Row]:
    rows: list[Row] = []
    effort = replace(effort, rounds=MORE * effort.rounds, budget=MORE * effort.budget)
    for n in (2, 10, 100, 1000):
        x = np.linspace(-1.0, 1.0, n) + 0.1
        for method in ("central", "adaptive") if n < 1000 else ("central",):
            case = f"Broyden n={n}, {method}"
            rows += vectors(case, "broyden", functions.broyden_into, x, method, functions.broyden_jacobian(x), effort)
    x = np.linspace(-1.0, 1.0, 40) + 0.1
    reference = functions.complex_step(functions.lorenz, x)
    rows += vectors("Lorenz-96 flow n=40, central", "lorenz", functions.lorenz_into, x, "central", reference, effort)
    return [*rows, *gradients(effort), *elementwise(effort)]


def vectors(
    case: str, name: str, f: Callable, x: np.ndarray, method: str, reference: np.ndarray, effort: Effort
) -> Iterator[Row]:
    @cfunc(types.void(types.int64, NUMBERS, NUMBERS), error_model="numpy")
    def entry(n, x, out):
        f(carray(x, n), carray(out, n))

    fs = {NJIT: f, CALLBACK: entry, LIBRARY: library(name)}
    yield from faced("Jacobian", case, fs, x, reference, effort, method=method, out_size=x.size)


def gradients(effort: Effort) -> Iterator[Row]:
    @cfunc(types.float64(NUMBERS, types.intc), error_model="numpy")
    def entry(x, n):
        return functions.rosenbrock(carray(x, n))

    x = np.linspace(-1.2, 1.0, 30)
    fs = {NJIT: functions.rosenbrock, CALLBACK: entry}
    for kind, reference in (("Gradient", functions.rosenbrock_gradient(x)), ("Hessian", functions.rosenbrock_hessian(x))):
        yield from faced(kind, f"{kind} of Rosenbrock n=30, adaptive", fs, x, reference, effort)


def elementwise(effort: Effort) -> Iterator[Row]:
    f = functions.expsin_function()
    x = np.linspace(0.0, 3.0, 1000)
    fs = {NJIT: f, CALLBACK: cfunc(types.float64(types.float64), error_model="numpy")(lambda x: f(x))}
    for method in ("central", "adaptive"):
        case = f"derivative at 1000 points, {method}"
        yield from faced("Derivative", case, fs, x, functions.expsin_derivative(x), effort, method=method)


def faced(
    kind: str, case: str, fs: dict, x: np.ndarray, reference: np.ndarray, effort: Effort, **keywords: object
) -> Iterator[Row]:
    field: Rivals = {
        name: None if f is None else rivals.prepared(kind, f, x, parallel=False, **keywords) for name, f in fs.items()
    }
    pairs: Pairs = {(name, NJIT): LIMIT for name in list(fs)[1:]}
    timings, errors = contest.held(field, reference, effort)
    yield from contest.rows(case, pairs, timings, errors)


def library(name: str) -> LowLevelCallable | None:
    if cload.library() is None:
        return None
    numbers = ctypes.POINTER(ctypes.c_double)
    return LowLevelCallable(cload.function(f"{name}_function", cload.LONG, numbers, numbers, cload.ADDRESS))
