"""`python -m bench.threads`: why columns run on Python threads around a serial kernel, and not in a prange region.

Both drivers enter one serial kernel for the columns of a Jacobian, by the same door. They differ only in who hands
the columns out: the waiting threads of `fastfd.run`, or a `parallel=True` kernel around the serial one. numba's threading
layer is chosen once per process, so every layer is measured in a child, and so is what can end a process.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numba
import numpy as np
from numba import njit, prange

from bench.parallel import SETTLE, busy_process
from bench.timing import Effort, compare
from fastfd.function import wrap
from fastfd.kernels.compiler import _register_parts, kernel
from fastfd.kernels.native import FIRST, LAST, OK, evaluate
from fastfd.kernels.views import assign
from fastfd.run import Entry, shared_out

LAYERS = ("omp", "workqueue")
THREADS, N, STEP = 2, 16, 1e-5
WORK = (0.0, 0.5e-3, 2e-3, 20e-3)  # seconds a call
EFFORT = Effort(rounds=31, sample=5e-3, budget=1.5)
Call = Callable[[], object]


@njit
def heavy(x: np.ndarray, terms: int) -> np.ndarray:
    """A function whose cost is an argument, so that every amount of work runs the same machine code."""
    out = x * x
    for _ in range(terms):
        out[0] += np.sin(out[0])
    return out


@kernel
def columns(f, x, out, work, lo, hi):
    """Rows lo..hi of the transposed Jacobian by central differences."""
    point, scratch = work[: x.size], work[x.size :]
    assign(point, x)
    for j in range(lo, hi):
        point[j] = x[j] + STEP
        status = evaluate(f, point, out[j], scratch, 1.0, 1.0, FIRST)
        point[j] = x[j] - STEP
        status += evaluate(f, point, out[j], scratch, -1.0, 0.5 / STEP, LAST)
        point[j] = x[j]
        if status != OK:
            return status + 8 * j
    return OK


@njit(parallel=True, error_model="numpy", nogil=True)
def columns_parallel(f, x, out, works, lo, hi):
    """The same in one parallel region: a range of columns and a workspace for each thread."""
    threads = works.shape[0]
    codes = np.zeros(threads, np.int64)
    size = (hi - lo + threads - 1) // threads
    for t in prange(threads):
        codes[t] = columns(f, x, out, works[t], lo + t * size, min(hi, lo + (t + 1) * size))
    return codes.max()


def drivers(x: np.ndarray, terms: int) -> dict[str, Call]:
    """The same columns by one thread, by the pool and by prange."""
    _register_parts()  # numba must have heard of the kernel that the region calls
    args, function = (terms,), wrap(heavy, None)
    sample = function.sample(x, args)
    callee, m = function.callee(x, args, sample), sample.flat.size
    rows, works = np.empty((x.size, m)), np.empty((THREADS, x.size + m))
    serial = callee.address_of(columns, (rows, works[0], 0, x.size))
    region = callee.address_of(columns_parallel, (rows, works, 0, x.size))
    whole, cost = (0, x.size), np.inf
    piece = Entry(callee, (serial, *callee.head, args, x), (rows,), [(work,) for work in works])

    def pool() -> int:
        nonlocal cost
        code, cost = shared_out(piece, piece, *whole, THREADS, None, cost)
        return code

    return {
        "serial": lambda: piece(0, whole),
        "pool": pool,
        "prange": lambda: callee.enter(region, *callee.head, args, x, rows, works, *whole),
    }


def terms_for(seconds: float) -> int:
    """How many terms make a call with 2 N evaluations last this long."""
    heavy(np.ones(2), 1)
    per_term = min(elapsed([lambda: heavy(np.ones(2), 50_000)]) for _ in range(9)) / 50_000
    return int(seconds / (2 * N) / per_term)


def free_cores() -> float:
    """How many cores two threads of pure work get, as it is now: on a shared machine not always two."""
    terms = terms_for(20e-3)
    works = [drivers(np.linspace(1.0, 2.0, N), terms)["serial"] for _ in range(THREADS)]
    alone = elapsed(works[:1])
    return THREADS * min(alone, elapsed(works[:1])) / elapsed(works)


def elapsed(calls: list[Call]) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()
    return time.perf_counter() - start


def measured(state: str) -> None:
    """A line for every amount of work: medians, and the slowest call in twenty."""
    x = np.linspace(1.0, 2.0, N)
    for work in WORK:
        calls, cores = drivers(x, terms_for(work)), free_cores()
        if any(call() != OK for call in calls.values()):
            raise RuntimeError("a driver failed")
        effort = replace(EFFORT, sample=max(EFFORT.sample, 2 * work))
        times = compare(calls, effort, SETTLE)
        cells = [f"{1e6 * times.median(name):10.1f}" for name in calls]
        cells += [f"{1e6 * np.nanquantile(times.seconds[name], 0.95):10.1f}" for name in calls]
        cells += [f"{times.ratio(name, 'serial'):8.2f}" for name in ("pool", "prange")]
        print(f"{state:<22}{cores:6.1f}{1e3 * work:6.1f}" + "".join(cells), flush=True)


def report_layer() -> None:
    """In a child: the layer that the environment names."""
    numba.set_num_threads(THREADS)
    start = time.perf_counter()
    calls = drivers(np.ones(N), 1)
    calls["prange"]()
    print(f"\n{numba.threading_layer()}: first call, compilation included: {time.perf_counter() - start:.1f} s")
    print(f"{'':<22}{'free':>6}{'work':>6}{'--- median, us ---':>30}{'--- 95 % quantile ---':>30}{'over serial':>16}")
    names = f"{'serial':>10}{'pool':>10}{'prange':>10}"
    print(f"{'':<22}{'cores':>6}{'ms':>6}{names}{names}{'pool':>8}{'prange':>8}")
    measured("quiet")
    with busy_process():
        measured("beside a busy process")


# --- what ends a process ----------------------------------------------------------------------------------------------

PREPARE = f"""
import os, sys, threading
import numba, numpy as np
from bench.threads import drivers
numba.set_num_threads({THREADS})
calls = drivers(np.linspace(1.0, 2.0, {N}), 3000)
call = calls[sys.argv[1]]
call()
"""
FORK = (
    PREPARE
    + """
child = os.fork()
if child == 0:
    call()
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0)
"""
)
TWO_AT_ONCE = (
    PREPARE
    + """
def many():
    for _ in range(300):
        call()
threads = [threading.Thread(target=many) for _ in range(2)]
[t.start() for t in threads]
[t.join() for t in threads]
"""
)


def survives(script: str, driver: str, layer: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", script, driver]
    try:
        done = subprocess.run(command, env=with_layer(layer), capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "hangs"
    return "lives" if done.returncode == 0 else f"dies ({done.returncode}): {last_line(done.stderr)}"


def last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:90]


def with_layer(layer: str) -> dict[str, str]:
    return {**os.environ, "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": str(max(THREADS, os.cpu_count() or 1))}


def main() -> None:
    if "--child" in sys.argv:
        report_layer()
        return
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NUMBA_CACHE_DIR"] = cache
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}, numba {numba.__version__}, {THREADS} threads")
        for layer in LAYERS:
            subprocess.run([sys.executable, "-m", "bench.threads", "--child"], env=with_layer(layer), check=True)
        print()
        for name, script in (("a forked child calls", FORK), ("two threads call at once", TWO_AT_ONCE)):
            for driver, layer in (("pool", LAYERS[0]), *(("prange", layer) for layer in LAYERS)):
                where = f"{driver} ({layer})" if driver == "prange" else driver
                print(f"{name:<26}{where:<20}{survives(script, driver, layer)}", flush=True)


if __name__ == "__main__":
    main()
