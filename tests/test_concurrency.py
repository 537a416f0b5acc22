"""Many threads on every threading layer, forks, a prange of the user's, an empty cache for many at once: each in a process of
its own, with the right numbers, and nobody dies.

``FASTFD_LONG=1`` does more of everything.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import PATHS
from marks import compiled_only

LONG = "FASTFD_LONG" in os.environ
CALLS = 20_000 if LONG else 2000

FUNCTIONS = """
import os, sys, threading
import numpy as np, fastfd
from crowd import *
"""


def _libraries():
    """Where wheels put shared libraries, which the loader does not know of."""
    return os.pathsep.join(filter(None, (str(Path(sys.prefix) / "lib"), os.environ.get("LD_LIBRARY_PATH"))))


def on_layer(child, layer, script):
    if layer == "tbb" and find_spec("tbb") is None and not any(Path(sys.prefix).glob("lib/libtbb.so*")):
        pytest.skip("the tbb package is not installed")
    return child(FUNCTIONS + script, NUMBA_THREADING_LAYER=layer, LD_LIBRARY_PATH=_libraries(), NUMBA_NUM_THREADS="4",
                 NUMBA_CACHE_DIR=os.environ.get("NUMBA_CACHE_DIR", ""))  # fmt: skip


layers = pytest.mark.parametrize("layer", ["omp", "tbb", "workqueue"])
pytestmark = compiled_only

THREADS = """
launched({layer!r})
sys.setswitchinterval(1e-5)
shared, failed = fastfd.Jacobian(small, method="central"), []
truths = [(fastfd.jacobian(small, x, method="central"), fastfd.jacobian(through, x, method="central")) for x in POINTS]
assert all(right(t, x) for (t, _), x in zip(truths, POINTS))

def work(i):
    try:
        own, x, (truth, other) = fastfd.Jacobian(small, method="central", parallel=i % 2 == 0), POINTS[i], truths[i]
        for k in range({calls}):
            J = shared(x) if k % 3 else own(x)
            if not np.array_equal(J, truth):
                failed.append((i, k, J))
            if k % 100 == 0 and not np.array_equal(fastfd.jacobian(through, x, method="central"), other):
                failed.append((i, k, "through"))
    except BaseException as error:
        failed.append((i, error))

threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print("right" if not failed else failed[:3])
"""


@layers
def test_eight_threads(child, layer):
    """8 × 2000 Jacobians; among them such of a function with parallel regions, which workqueue takes one at a time."""
    assert on_layer(child, layer, THREADS.format(layer=layer, calls=CALLS)) == "right\n"


FORK = """
import warnings
warnings.simplefilter("ignore")  # of forks with threads
launched({layer!r})
J = fastfd.Jacobian(small, method="central", parallel=True)
truth, other = J(POINTS[1]), fastfd.jacobian(through, POINTS[1], method="central")
threads = [threading.Thread(target=J, args=(x,)) for x in POINTS]
[t.start() for t in threads]
[t.join() for t in threads]

def child():
    assert np.array_equal(J(POINTS[1]), truth)
    assert np.array_equal(fastfd.jacobian(small, POINTS[1], method="central", parallel=True), truth)
    try:
        assert np.array_equal(fastfd.jacobian(through, POINTS[1], method="central"), other)
    except RuntimeError as error:
        assert {layer!r} == "omp" and "f has parallel regions, and GNU OpenMP cannot" in str(error), error

children = []
for _ in range({count}):
    children.append(os.fork())
    if children[-1] == 0:
        import signal, traceback
        signal.alarm(60)
        try:
            child()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(3)
print([os.waitpid(pid, 0)[1] for pid in children])
assert np.array_equal(J(POINTS[1]), truth)
assert np.array_equal(fastfd.jacobian(through, POINTS[1], method="central"), other)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@layers
def test_four_forked_children(child, layer):
    """After the parent's threads and parallel regions: the same bits; where GNU OpenMP would end the child, an exception."""
    count = 40 if LONG else 4
    assert on_layer(child, layer, FORK.format(layer=layer, count=count)) == f"{[0] * count}\n"


PRANGE = """
launched({layer!r})

points = np.random.default_rng(1).uniform(0.1, 2, (1000, 2))
for _ in range(3):
    found = many(points)
assert np.array_equal(found, [fastfd.jacobian(small, x, method="central") for x in points])
print(all(right(J, x) for J, x in zip(found, points)))
"""


@layers
def test_inside_a_prange(child, layer):
    assert on_layer(child, layer, PRANGE.format(layer=layer)) == "True\n"


COLD = FUNCTIONS + """
from numba import njit
number, matrix = njit(lambda x: np.sin(x)), njit(lambda x: x @ x)
kinds = {"small": (small, POINTS[2]), "number": (number, 0.5), "matrix": (matrix, np.eye(2) + 1)}
f, x = kinds[sys.argv[1]]
print(repr(fastfd.jacobian(f, x, method=sys.argv[2])))
"""


def test_eight_processes_with_one_empty_cache(tmp_path):
    """They compile kernels, some the same and some for other types, write them all at once, and read what others wrote."""
    method = "adaptive" if LONG else "central"
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(PATHS)}

    def started(kind):
        command = [sys.executable, "-W", "error", "-c", COLD, kind, method]
        return kind, subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    kinds = ("small", "number", "matrix", "small", "number", "matrix", "small", "small")
    found: dict[str, set] = {kind: set() for kind in kinds}
    for kind, process in [started(kind) for kind in kinds]:
        out, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        found[kind].add(out)
    assert all(len(values) == 1 for values in found.values()), found
