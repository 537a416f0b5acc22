"""Threads, processes, forks: the same bits whoever computes, and nobody dies."""

import os
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from marks import compiled_only
from numba import njit
from scenarios import as_python

import fastfd
from fastfd.helpers import offer
from fastfd.kernels.batches import LEFT, RANGES, take_piece
from fastfd.kernels.native import OK
from fastfd.pace import shared
from fastfd.run import LARGE, shared_out, stretches

METHODS = ("adaptive", "forward", "central", "complex")


@njit
def coupled(x):
    """Slow enough, at 60 columns, that threads pay."""
    y = np.empty_like(x)
    for i in range(x.size):
        total = 0.0 * x[0]
        for j in range(x.size):
            total += np.sin(x[j] * (1 + i)) / (1 + j)
        y[i] = total
    return y


X = np.linspace(-1.0, 2.0, 60)


@pytest.mark.parametrize("method", METHODS)
def test_parallel_gives_the_same_bits(method):
    results = [
        fastfd.jacobian(coupled, X, method=method, parallel=parallel, full_output=True)
        for parallel in (False, True, None, True)
    ]
    (first, info), *others = results
    for J, more in others:
        assert np.array_equal(J, first) and np.array_equal(more.error, info.error)
        assert np.array_equal(more.step, info.step) and more.nfev == info.nfev


@pytest.mark.parametrize("parallel", [None, True, False])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_column_outside_the_domain_does_not_stop_the_others(parallel, compiled):
    """Not in the first call either, when a few columns tell what all of them will cost."""
    x = np.tile([1e-4, 1.0], 20)

    def root(x):
        return np.sqrt(np.where(x > 0, x, np.nan))

    def root_of_one(x):
        return np.sqrt(x) if x > 0 else np.nan

    f, g = (njit(root), njit(root_of_one)) if compiled else (root, root_of_one)
    options = {"method": "central", "step": 1e-3, "parallel": parallel}
    slopes = np.where(x == 1.0, (np.sqrt(1.001) - np.sqrt(0.999)) / 2e-3, np.nan)
    for _ in range(2):
        assert np.allclose(fastfd.derivative(g, x, **options), slopes, rtol=1e-9, equal_nan=True)
        J = fastfd.jacobian(f, x, **options)
        assert np.allclose(np.diag(J), slopes, rtol=1e-9, equal_nan=True)
        assert not J[~np.eye(40, dtype=bool)].any()


def switching(interval):
    """Let Python threads take turns often: races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    return before


def in_threads(call, inputs, expected):
    before = switching(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(call, inputs))
    finally:
        switching(before)
    for value, truth in zip(found, expected, strict=True):
        assert np.array_equal(value, truth)


@njit
def small(x, a):
    return np.array([a * x[0] * x[1], np.sin(x[0]), x[1] ** 3])


#: By default an adaptive object tries the steps of the call before: other bits than those of a search.
SEARCH = {"adaptive": {"rtol": 1e-12}, "central": {}, "forward": {}, "complex": {}}


@pytest.mark.parametrize("method", METHODS[:3])
@pytest.mark.parametrize("world", ["njit", "python"])
def test_one_prepared_object_in_eight_threads(world, method):
    J = fastfd.Jacobian(small if world == "njit" else as_python(small), method=method, **SEARCH[method])
    inputs = [np.array([0.1 * i, 1.0 + i]) for i in range(64)]
    in_threads(lambda x: J(x, float(x[1])), inputs * 4, [J(x, float(x[1])) for x in inputs] * 4)


def test_one_prepared_object_in_eight_threads_with_lengths_that_change():
    J = fastfd.Jacobian(repeated, rtol=1e-12)
    inputs = [(np.array([1.0 + i]), 1 + i % 3) for i in range(48)]
    in_threads(lambda given: J(*given), inputs * 4, [J(*given) for given in inputs] * 4)


@njit
def repeated(x, m):
    return np.ones(m) * x[0]


def test_prepared_objects_in_threads_while_their_columns_are_shared():
    J = fastfd.Jacobian(coupled, parallel=True, rtol=1e-12)
    inputs = [X + 0.01 * i for i in range(8)]
    in_threads(J, inputs * 2, [J(x) for x in inputs] * 2)


def test_a_derivative_inside_a_differentiated_function():
    """The same callable, differentiated twice in one another."""

    def inner(x):
        return x[0] ** 3 * x[1]

    def slope(x):
        return fastfd.gradient(inner, x, method="central")[0]

    found = fastfd.gradient(slope, [2.0, 3.0], method="central", step=1e-3)
    assert np.allclose(found, [36.0, 12.0], rtol=1e-4)


def test_a_callable_that_differentiates_itself():
    def power(x, k):
        return x[0] ** 4 if k == 0 else float(fastfd.gradient(power, x, (k - 1,), method="central", step=1e-3)[0])

    assert abs(fastfd.gradient(power, [1.0], (1,), method="central", step=1e-3)[0] - 12.0) < 1e-3


# --- children -------------------------------------------------------------------------------------------------------

DIGEST = """
import hashlib, numpy as np, fastfd
from test_threads import coupled, X
digest = hashlib.sha256()
for method in ("adaptive", "central"):
    for parallel in (False, True, None):
        J, info = fastfd.jacobian(coupled, X, method=method, parallel=parallel, full_output=True)
        digest.update(J.tobytes() + info.error.tobytes())
print(digest.hexdigest())
"""


def test_the_number_of_threads_changes_no_bit(child):
    assert len({child(DIGEST, NUMBA_NUM_THREADS=n) for n in ("1", "2", "4")}) == 1


FORK = """
import os, signal, numpy as np, fastfd
from test_threads import as_python, coupled, X, small
J = fastfd.Jacobian(coupled, parallel=True, rtol=1e-12)
truth = J(X)
Python = fastfd.Jacobian(as_python(coupled), rtol=1e-12)
P = Python(X[:4])
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    ok = np.array_equal(J(X), truth) and np.array_equal(fastfd.jacobian(coupled, X, parallel=True), truth)
    ok = ok and np.array_equal(Python(X[:4]), P)
    ok = ok and np.allclose(fastfd.jacobian(small, [1.0, 2.0], (3.0,))[0], [6.0, 3.0])
    os._exit(0 if ok else 3)
assert os.waitpid(pid, 0)[1] == 0
assert np.array_equal(J(X), truth)
print("ok")
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_a_forked_child_computes(child):
    assert child(FORK.replace("import os", "import warnings; warnings.simplefilter('ignore')\nimport os")) == "ok\n"


POOL = """
import multiprocessing, numpy as np, fastfd
from test_threads import coupled, X
def task(i):
    return fastfd.jacobian(coupled, X + i, parallel=True)
if __name__ == "__main__":
    import warnings; warnings.simplefilter("ignore")
    fastfd.jacobian(coupled, X, parallel=True)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(task, range(4)).get(timeout=60)
    assert all(np.array_equal(J, task(i)) for i, J in enumerate(found))
    print("ok")
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_a_pool_of_forked_children(child):
    assert child(POOL) == "ok\n"


def test_an_interrupt_reaches_the_caller(child):
    """A signal during a long search with a Python callable ends it."""
    out = child("""
import os, signal, time, fastfd
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have jobs in the background ignore it
def slow(x):
    if x[3] != 1.0:
        os.kill(os.getpid(), signal.SIGINT)
    return x * x
try:
    fastfd.jacobian(slow, [1.0] * 6)
except KeyboardInterrupt:
    print("interrupted")
""")
    assert out == "interrupted\n"


@njit
def raises_twice(x):
    total = 0.0
    for i in range(20000):
        total += np.sin(x[i % x.size])
    if x[11] != 1.0:
        raise ValueError("column 11")
    if x[31] != 1.0:
        raise ValueError("column 31")
    return total * x


def test_an_exception_under_threads_leaves_the_process_alive(child):
    out = child("""
import numpy as np, fastfd
from test_threads import raises_twice
for parallel in (True, None, True):
    try:
        fastfd.jacobian(raises_twice, np.ones(40), parallel=parallel)
    except ValueError as error:
        print(error, "coordinate 11" in error.__notes__[0])
""")
    assert out == "column 11 True\n" * 3


@compiled_only
def test_a_warm_cache_compiles_no_kernel(child, tmp_path):
    script = """
import time, numpy as np, fastfd
from numba import njit
@njit
def f(x):
    return x * x
start = time.perf_counter()
fastfd.jacobian(f, np.ones(3))
print(time.perf_counter() - start)
"""
    cold, warm = (float(child(script, NUMBA_CACHE_DIR=str(tmp_path))) for _ in range(2))
    assert warm < 0.5 * cold


def test_without_compiler_the_text_runs(child):
    """NUMBA_DISABLE_JIT=1: the same kernels as plain Python."""
    script = """
import numpy as np, fastfd
from scenarios import as_python, polar
J, info = fastfd.jacobian(as_python(polar), [2.0, 0.5], full_output=True)
print(J.tobytes().hex(), info.nfev)
"""
    assert child(script) == child(script, NUMBA_DISABLE_JIT="1")


@compiled_only
def test_the_wait_for_threads_is_no_work():
    """A call that took long once, on a busy machine, goes back to one thread when its work is small."""
    J = fastfd.Jacobian(coupled)
    J(np.ones(3))
    (job,) = J._jobs.values()
    job._cost = 1.0
    assert not job.lean

    def nothing_to_do(thread, part):
        for _ in stretches(part, thread):
            pass
        return OK

    assert job.divide(nothing_to_do, lambda: nothing_to_do, 0, 8, [()], tuple, None) == OK
    assert job.lean


#: What a script begins with.
WAVE = """
import os, threading
import numpy as np
from numba import njit
import fastfd
@njit
def f(x):
    return np.sin(x * x[0])
x = np.linspace(1.0, 2.0, 300)
serial = fastfd.jacobian(f, x, parallel=False)
"""

on_linux = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux tells processors of threads")


@on_linux
@compiled_only
def test_helpers_keep_off_the_processor_of_the_caller():
    """And only they are told where to be."""
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("one processor: nobody can keep off it")
    fastfd.jacobian(coupled, X, parallel=True)
    helpers = [thread for thread in threading.enumerate() if thread.name.startswith("fastfd_")]
    assert helpers and os.sched_getaffinity(0) == allowed
    for thread in helpers:
        assert thread.native_id and len(allowed - os.sched_getaffinity(thread.native_id)) == 1


@on_linux
@compiled_only
def test_a_caller_on_one_processor(child):
    """Pinned before or after helpers are there, to the processor that it is on, it shares that, or they have the others."""
    script = """
for allowed in ({min(os.sched_getaffinity(0))}, os.sched_getaffinity(0), {max(os.sched_getaffinity(0))}):
    os.sched_setaffinity(0, allowed)
    print(np.array_equal(fastfd.jacobian(f, x, parallel=True), serial), os.sched_getaffinity(0) == allowed)
"""
    assert child(WAVE + script) == "True True\n" * 3


@compiled_only
def test_a_helper_that_takes_its_time_is_waited_for():
    """Longer than the caller stays awake, too: the last columns are the dear ones."""

    @njit
    def dear_at_the_end(x):
        total = 0.0
        for k in range(2_000_000 if x[-1] != 1.0 else 10):
            total += np.sin(k * x[-1])
        return x * total

    x = np.linspace(0.0, 1.0, 9)
    J = fastfd.jacobian(dear_at_the_end, x, method="forward", parallel=True)
    assert np.array_equal(J, fastfd.jacobian(dear_at_the_end, x, method="forward", parallel=False))


@compiled_only
def test_many_callers_at_once_from_the_start(child):
    """They share the helpers, who are started once, and none of them is moved."""
    script = """
gate, found = threading.Barrier(8), []
def call():
    gate.wait()
    found.append(np.array_equal(fastfd.jacobian(f, x, parallel=True), serial))
    if hasattr(os, "sched_getaffinity"):
        found.append(os.sched_getaffinity(0) == os.sched_getaffinity(os.getpid()))
threads = [threading.Thread(target=call) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
helpers = [t for t in threading.enumerate() if t.name.startswith("fastfd_")]
print(len(found) >= 8 and all(found), len(helpers) < max(2, os.cpu_count()))
"""
    assert child(WAVE + script) == "True True\n"


# --- batches --------------------------------------------------------------------------------------------------------


def taken_by(batch, threads, bell, pause=0.0):
    """The columns that each thread takes of a batch."""

    def take(thread):
        found = []
        while (piece := take_piece(batch, bell, thread)) and piece[0] < piece[1]:
            found += range(*piece)
            time.sleep(pause if thread else 0.0)
        return found

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(take, range(threads)))


@compiled_only
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 5000])
def test_each_column_of_a_batch_is_taken_once(threads, count):
    batch = shared(100, 100 + count, threads)
    columns = taken_by(batch, threads, np.zeros(2, np.int64))
    assert sorted(column for own in columns for column in own) == list(range(100, 100 + count))
    assert batch[RANGES + threads : RANGES + 2 * threads].tolist() == [len(own) for own in columns]
    assert batch[LEFT] == threads - 1


@compiled_only
def test_who_is_quick_takes_over_what_others_have():
    batch = shared(0, 64, 2)
    quick, slow = taken_by(batch, 2, np.zeros(2, np.int64), pause=0.05)
    assert len(quick) > 32 > len(slow) and sorted(quick + slow) == list(range(64))


def test_a_result_is_free_when_its_caller_drops_it():
    """Helpers that are slow to come back do not keep it: the next one would need new memory."""
    J = fastfd.Jacobian(wide, parallel=True, method="central")
    for _ in range(5):
        result = J(X[:40])
        rows = weakref.ref(result.base)
        assert result.base.nbytes > LARGE
        del result
        assert rows() is None


@njit
def wide(x):
    return np.sin(np.arange(1000) * x[0]) + x[-1]


@pytest.mark.parametrize("early", [False, True])
def test_what_helpers_write_lives_as_long_as_they_do(early, monkeypatch):
    """Also where an exception ends the call of its caller, or an interrupt does at once."""
    begun, over = threading.Event(), threading.Event()

    def interrupted(*offered):
        offer(*offered)
        assert begun.wait(60)
        raise KeyboardInterrupt

    class Piece:
        def __call__(self, thread, part):
            assert begun.wait(60)
            raise KeyboardInterrupt

    def helping(thread, part):
        begun.set()
        assert over.wait(60)
        return OK

    if early:
        monkeypatch.setattr("fastfd.run.offer", interrupted)
    piece = Piece()
    kept = weakref.ref(piece)
    with pytest.raises(KeyboardInterrupt):
        shared_out(piece, helping, 0, 100, 2, None, np.inf)
    del piece
    assert kept() is not None
    over.set()
    for _ in range(600):
        if kept() is None:
            break
        time.sleep(0.1)
    assert kept() is None


@compiled_only
@pytest.mark.parametrize("parallel", [False, True, None])
def test_the_first_column_that_fails_is_named(parallel):
    """Whoever comes to a failure first, columns before it are still looked at."""
    J = fastfd.Jacobian(raises_twice, method="central", parallel=parallel)
    for _ in range(20):
        with pytest.raises(ValueError, match="column 11"):
            J(np.ones(40))
