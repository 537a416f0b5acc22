"""Sparse Jacobians: the colours' evaluations against C, SciPy's grouping, patterns found, and a stiff problem end to end."""

import json
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from time import perf_counter

import numpy as np
import scipy.sparse
from numba import njit
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares
from scipy.optimize._numdiff import approx_derivative, group_columns

from bench import child, cload, contest, functions, rivals
from bench.contest import Pairs, Rival, Rivals, called
from bench.table import Row, figure_of
from bench.timing import Effort

NOTES = """\
Broyden's tridiagonal function with its pattern known. fastfd: the prepared `J(x)`, parallel=False. C: three colours, two
evaluations each, straight into the data of the matrix, its workspaces allocated beforehand; "C by ctypes" writes a fresh
matrix as fastfd does. SciPy: approx_derivative with groups found beforehand. "evaluations" counts calls of f; a colouring is
timed against an f of that pattern. The Brusselator is Hairer and Wanner's with diffusion 0.02 on 5000 points, BDF to t = 1;
num_jac is what SciPy's implicit solvers call with jac_sparsity=. The error of one run is against the other. Memory is the
peak during the call less what was there before and less the matrix, from a process of its own, after a small call."""

N = 100_000


def run(effort: Effort) -> list[Row]:
    parts = tridiagonal, colours, detection, brusselator, bundle, memory
    return [row for part in parts for row in part(effort)]


def band(n: int, reach: int = 1) -> scipy.sparse.csr_array:
    offsets = range(-reach, reach + 1)
    return scipy.sparse.csr_array(scipy.sparse.diags_array([1.0] * len(offsets), offsets=list(offsets), shape=(n, n)))


def grid(k: int) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array(scipy.sparse.kronsum(band(k), band(k)))


# --- one Jacobian -----------------------------------------------------------------------------------------------------


def compressed_c(x: np.ndarray, fresh: bool) -> Rival | None:
    if cload.library() is None:
        return None
    entry = cload.function("compressed_jacobian", cload.LONG, cload.LONG, *(cload.ADDRESS,) * 3)
    point, work, kept = cload.aligned_copy(x), cload.aligned(3 * x.size), cload.aligned(3 * x.size - 2)

    def call(keep: tuple = (point, work)) -> np.ndarray:
        data = np.empty(kept.size) if fresh else kept
        entry(1, x.size, point.ctypes.data, data.ctypes.data, work.ctypes.data)
        return data

    return called(call)


def tridiagonal(effort: Effort) -> Iterator[Row]:
    x, pattern = np.linspace(1.0, 2.0, N), band(N)
    groups = group_columns(pattern)
    exact = scipy.sparse.csr_array(
        scipy.sparse.diags_array([-np.ones(N - 1), 3 - 4 * x, -2 * np.ones(N - 1)], offsets=[-1, 0, 1])
    ).data
    J = rivals.fastfd().Jacobian
    prepared = {
        "fastfd central, in place": J(
            functions.broyden_into, sparsity=pattern, method="central", parallel=False, out_size=N
        ),
        "fastfd central": J(functions.broyden, sparsity=pattern, method="central", parallel=False),
        "fastfd adaptive, in place": J(functions.broyden_into, sparsity=pattern, parallel=False, out_size=N),
        "fastfd adaptive": J(functions.broyden, sparsity=pattern, parallel=False),
    }
    scipys = "approx_derivative(sparsity=) 3-point"
    field: Rivals = {
        **{name: called(lambda D=D: D(x).data) for name, D in prepared.items()},
        "C": compressed_c(x, False),
        "C by ctypes": compressed_c(x, True),
        scipys: called(
            lambda: approx_derivative(functions.broyden, x, method="3-point", sparsity=(pattern, groups)).data
        ),
    }
    pairs: Pairs = {
        ("fastfd central, in place", "C"): 2.0,
        ("fastfd central, in place", "C by ctypes"): 2.0,
        ("fastfd central", "C by ctypes"): None,
        ("fastfd central", scipys): 1 / 25,
        ("fastfd adaptive, in place", "fastfd central, in place"): 8.0,
        ("fastfd adaptive", "fastfd central"): 8.0,
    }
    timings, errors = contest.held(field, exact, effort)
    yield from contest.rows(f"tridiagonal n={N}", pairs, timings, errors)
    adaptive = errors["fastfd adaptive"]
    yield Row(f"tridiagonal n={N}", "fastfd adaptive", f"{adaptive:.0e}", "", "", adaptive, 1e-11, unit="relative error")


# --- colours and patterns ---------------------------------------------------------------------------------------------


def colours(effort: Effort) -> Iterator[Row]:
    color = rivals.fastfd().color
    million = np.linspace(1.0, 2.0, 10**6)
    cases = (("tridiagonal n=1e6", band(10**6), False, 3, lambda: functions.broyden(million)),
             ("5-point Laplacian n=1e6", grid(1000), False, 7, lambda: reaction(million, 1000)),
             ("band of 7 n=1e5", band(10**5, 3), False, 7, None),
             ("arrowhead Hessian n=2000", arrow(2000), True, 3, None))  # fmt: skip
    for case, pattern, symmetric, most, f in cases:
        ours = seconds(partial(color, pattern, symmetric=symmetric))
        theirs = int(group_columns(pattern).max()) + 1
        count = int(color(pattern, symmetric=symmetric).max()) + 1
        yield Row(case, "color", figure_of(ours, None), "group_columns", f"{theirs} colours", count, most, unit="colours")
        if f is not None:
            one = seconds(f)
            yield Row(
                case, "color", figure_of(ours, None), "f(x)", figure_of(one, None), ours / one, 300.0, unit="evaluations"
            )


def arrow(n: int) -> scipy.sparse.csr_array:
    found = scipy.sparse.eye_array(n).tolil()
    found[0, :] = found[:, 0] = 1.0
    return scipy.sparse.csr_array(found)


def seconds(call: Callable) -> float:
    """The best of some runs, after a first one that compiles."""
    call()
    times = []
    for _ in range(5):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


@njit
def reaction(u: np.ndarray, k: int) -> np.ndarray:
    """A reaction and diffusion on a k by k grid."""
    out = u**3 - 4 * u
    for i in range(k):
        for j in range(k):
            at = i * k + j
            out[at] += (u[at - k] if i > 0 else 0.0) + (u[at + k] if i < k - 1 else 0.0)
            out[at] += (u[at - 1] if j > 0 else 0.0) + (u[at + 1] if j < k - 1 else 0.0)
    return out


def detection(effort: Effort) -> Iterator[Row]:
    detect, x = rivals.fastfd().detect_sparsity, np.linspace(1.0, 2.0, 10**4)
    cases = (("tridiagonal n=1e4", functions.broyden, (), band(10**4), 250),
             ("5-point Laplacian n=1e4", reaction, (100,), grid(100), 600))  # fmt: skip
    for case, f, args, pattern, most in cases:
        found, info = detect(f, x, args, full_output=True)
        missing = int((pattern.astype(bool).astype(int) - found.astype(int)).data.clip(0).sum())
        note = f"{missing} entries missing, {found.nnz - pattern.nnz} too many"
        took = figure_of(seconds(lambda f=f, args=args: detect(f, x, args)), None)
        yield Row(case, "detect_sparsity", took, "", "", info.nfev, most, unit="evaluations", note=note)


# --- solvers ----------------------------------------------------------------------------------------------------------


@njit
def brusselator_rates(y: np.ndarray, t: float) -> np.ndarray:
    """u' = 1 + u²v - 4u + αu'', v' = 3u - u²v + αv''; u and v by turns."""
    n = y.size // 2
    out, alpha = np.empty(y.size), 0.02 * (n + 1) ** 2
    for i in range(n):
        u, v = y[2 * i], y[2 * i + 1]
        left_u, left_v = (y[2 * i - 2], y[2 * i - 1]) if i > 0 else (1.0, 3.0)
        right_u, right_v = (y[2 * i + 2], y[2 * i + 3]) if i < n - 1 else (1.0, 3.0)
        out[2 * i] = 1 + u * u * v - 4 * u + alpha * (left_u - 2 * u + right_u)
        out[2 * i + 1] = 3 * u - u * u * v + alpha * (left_v - 2 * v + right_v)
    return out


def brusselator(effort: Effort, n: int = 5000) -> Iterator[Row]:
    s = np.arange(1, n + 1) / (n + 1)
    y0 = np.stack([1 + np.sin(2 * np.pi * s), np.full(n, 3.0)], axis=1).reshape(-1)
    pattern = scipy.sparse.csr_array(
        scipy.sparse.kron(scipy.sparse.eye_array(n), np.ones((2, 2))) + scipy.sparse.kron(band(n), np.eye(2))
    )
    J = rivals.fastfd().Jacobian(brusselator_rates, sparsity=pattern, method="central")

    def solved(**how: object):
        return solve_ivp(lambda t, y: brusselator_rates(y, t), (0, 1), y0, method="BDF", rtol=1e-6, **how)

    with_ours, with_theirs = {"jac": lambda t, y: J(y, t)}, {"jac_sparsity": pattern}
    field: Rivals = {
        "BDF, fastfd": called(lambda: solved(**with_ours).y[:, -1]),
        "BDF, jac_sparsity=": called(lambda: solved(**with_theirs).y[:, -1]),
    }
    timings, errors = contest.held(field, solved(**with_ours).y[:, -1], Effort(7, effort.sample, 60.0))
    ours, theirs = solved(**with_ours), solved(**with_theirs)
    note = f"{ours.t.size} and {theirs.t.size} steps, {ours.njev} and {theirs.njev} Jacobians"
    case = f"Brusselator n={2 * n}"
    yield from contest.rows(case, {("BDF, fastfd", "BDF, jac_sparsity="): 1.0}, timings, errors, note)
    solver_jacobian = scipy_jacobian(y0, pattern)
    parts: Rivals = {"fastfd J(y)": called(lambda: J(y0, 0.0).data), "SciPy's num_jac": called(solver_jacobian)}
    timings, _ = contest.held(parts, None, effort)
    yield from contest.rows(f"{case}, one Jacobian", {("fastfd J(y)", "SciPy's num_jac"): 1 / 10}, timings, {})


def scipy_jacobian(y: np.ndarray, pattern: scipy.sparse.csr_array) -> Callable:
    """What SciPy's implicit solvers call with jac_sparsity=."""
    from scipy.integrate._ivp.common import num_jac

    def vectorized(t: float, columns: np.ndarray) -> np.ndarray:
        return np.stack([brusselator_rates(np.ascontiguousarray(c), t) for c in columns.T], axis=1)

    structure, at = (scipy.sparse.csc_matrix(pattern), group_columns(pattern)), brusselator_rates(y, 0.0)
    return lambda: num_jac(vectorized, 0.0, y, at, 1e-6, None, structure)[0]


@njit
def projected(p: np.ndarray, uses: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Residuals of pictures of points: 6 numbers a camera, 3 a point."""
    out = np.empty(uses.shape[0])
    for k in range(out.size):
        c, s = uses[k, 0], uses[k, 6]
        depth = 5 + p[s + 2] + p[c + 5]
        out[k] = (p[s + k % 2] + p[c + k % 2] * p[s + 2] + p[c + 2 + k % 2]) / depth + 0.1 * p[c + 4] * p[s + 1 - k % 2]
        out[k] -= seen[k]
    return out


@cache
def observations(cameras: int, points: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    c, s = np.repeat(rng.integers(0, cameras, (points, 4)), 2, axis=1).reshape(-1), np.repeat(np.arange(points), 8)
    return np.concatenate([6 * c[:, None] + np.arange(6), 6 * cameras + 3 * s[:, None] + np.arange(3)], axis=1)


def bundle(effort: Effort, cameras: int = 20, points: int = 800) -> Iterator[Row]:
    uses, rng = observations(cameras, points), np.random.default_rng(1)
    n = 6 * cameras + 3 * points
    truth = 0.3 * rng.normal(size=n)
    seen = projected(truth, uses, np.zeros(uses.shape[0]))
    rows = np.repeat(np.arange(uses.shape[0]), 9)
    pattern = scipy.sparse.csr_array((np.ones(rows.size), (rows, uses.reshape(-1))), shape=(uses.shape[0], n))
    start = truth + 0.02 * rng.normal(size=n)
    J = rivals.fastfd().Jacobian(projected, sparsity=pattern, method="central")

    def fitted(**how: object):
        return least_squares(projected, start, args=(uses, seen), tr_solver="lsmr", max_nfev=15, **how)

    field: Rivals = {
        "least_squares, fastfd": called(lambda: fitted(jac=J).x),
        "least_squares, jac_sparsity=": called(lambda: fitted(jac="3-point", jac_sparsity=pattern).x),
    }
    timings, _ = contest.held(field, None, Effort(3, effort.sample, 60.0))
    note = f"costs {fitted(jac=J).cost:.0e} and {fitted(jac='3-point', jac_sparsity=pattern).cost:.0e}"
    case = f"bundle adjustment {pattern.shape[0]} by {n}"
    yield from contest.rows(case, {tuple(field): None}, timings, {}, note)


# --- memory -----------------------------------------------------------------------------------------------------------

SCRIPT = """
import json, sys
import numpy as np
import scipy.sparse
import fastfd
from bench import functions
def call(n):
    x = np.linspace(1.0, 2.0, n)
    pattern = scipy.sparse.csr_array(scipy.sparse.diags_array([1.0] * 3, offsets=[-1, 0, 1], shape=(n, n)))
    J = fastfd.Jacobian(functions.broyden_into, sparsity=pattern, out_size=n, parallel=False, **{keywords})
    return x, J
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
x, J = call(100)
J(x)
x, J = call(10**6)
open("/proc/self/clear_refs", "w").write("5")
before = peak()
matrix = J(x)
print(json.dumps(peak() - before - matrix.data.nbytes))
"""


def memory(effort: Effort) -> Iterator[Row]:
    if not Path("/proc/self/clear_refs").exists():
        return
    for name, keywords in (("fastfd central", '{"method": "central"}'), ("fastfd adaptive", "{}")):
        with tempfile.TemporaryDirectory() as cache:
            used = json.loads(child.output(SCRIPT.replace("{keywords}", keywords), cache))
        yield Row("tridiagonal n=1e6, peak beyond the matrix", name, "", "", "", used / 1e6, 200.0, unit="MB")
