"""``workers=``: columns computed by other processes have the same bits, and none is lost, whoever dies or lies."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import PATHS
from joblib import Parallel, delayed
from numba import njit

import fastfd
from fastfd.pool import WorkerError
from fastfd.workers import crew_of

X = np.linspace(0.1, 1.0, 9)
ENDS = np.concatenate([[0.0], X[1:]])  # the first coordinate stands at its lower bound
PATTERN = sp.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(9, 9))


def several(x, a=1.0):
    return np.array([np.sin(a * x).sum(), np.exp(x).prod(), x[0] * x[-1]])


def one(x):
    return np.sin(x).sum() * np.exp(-(x * x).sum())


def slope_of_quartic(x):
    return 4 * x**3 + np.roll(x, 1) + np.roll(x, -1)


def elementwise(x):
    return np.exp(np.sin(x))


def bratu(u):
    r = np.exp(u) - 2 * u
    r[1:] += u[:-1]
    r[:-1] += u[1:]
    return r


def in_place(x, out):
    out[:] = several(x)


CASES = {
    "jacobian": (fastfd.jacobian, several, {"x": X}),
    "args": (fastfd.jacobian, several, {"x": X, "args": (0.5,)}),
    "bounds": (fastfd.jacobian, several, {"x": ENDS, "bounds": (0.0, 1.0)}),
    "in place": (fastfd.jacobian, in_place, {"x": X, "out_size": 3}),
    "gradient": (fastfd.gradient, one, {"x": X.reshape(3, 3)}),
    "derivative": (fastfd.derivative, elementwise, {"x": X}),
    "second derivative": (fastfd.derivative, elementwise, {"x": X, "order": 2}),
    "sparse": (fastfd.jacobian, bratu, {"x": X, "sparsity": PATTERN}),
    "hessian": (fastfd.hessian, one, {"x": X}),
    "sparse hessian": (fastfd.hessian, one, {"x": X, "sparsity": PATTERN}),
    "hessian by grad": (fastfd.hessian, one, {"x": X, "grad": slope_of_quartic}),
    "compiled": (fastfd.jacobian, njit(several), {"x": X}),
}
COMPLEX = "jacobian", "args", "bounds", "gradient", "derivative", "sparse", "compiled"


@pytest.fixture(scope="module")
def executor():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def dense(value):
    return value.toarray() if sp.issparse(value) else np.asarray(value)


def assert_same(found, expected):
    (value, info), (J, reference) = found, expected
    for a, b in ((value, J), (info.error, reference.error), (info.step, reference.step), (info.status, reference.status)):
        assert np.array_equal(dense(a), dense(b))
    assert info.nfev == reference.nfev


@pytest.mark.parametrize("method", ["adaptive", "forward", "central", "complex"])
@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_from_every_operator(case, method, executor):
    if method == "complex" and case not in COMPLEX:
        pytest.skip("second derivatives and real buffers have no complex step")
    operator, f, keywords = CASES[case]
    keywords = {**keywords, "method": method}
    expected = operator(f, **keywords, full_output=True)
    assert_same(operator(f, **keywords, full_output=True, workers=executor.map), expected)
    plain = operator(f, **keywords), operator(f, **keywords, workers=map)
    assert np.array_equal(*map(dense, plain))


@pytest.mark.parametrize(
    "workers",
    [
        lambda f, it: list(map(f, it))[::-1],
        lambda f, it: Parallel(2, prefer="threads")(delayed(f)(i) for i in it),
        ThreadPoolExecutor(2),
        ThreadPoolExecutor(2).map,
        1,
        None,
    ],
    ids=["reversed", "joblib", "executor", "its map", "one", "none"],
)
def test_the_same_bits_from_every_map(workers):
    expected = fastfd.jacobian(several, X, full_output=True)
    assert_same(fastfd.jacobian(several, X, workers=workers, full_output=True), expected)


def test_joblibs_processes():
    mapping = lambda f, it: Parallel(2)(delayed(f)(i) for i in it)  # noqa: E731
    assert np.array_equal(fastfd.gradient(one, X, workers=mapping), fastfd.gradient(one, X))


def test_a_prepared_object_keeps_its_processes_and_lets_go_of_them():
    """Lambdas and closures travel, too; and the steps that it learns are those it would learn alone."""
    scale = 3.0
    alone = fastfd.Jacobian(lambda x: scale * several(x))
    with fastfd.Jacobian(lambda x: scale * several(x), workers=2) as J:
        for k in range(3):
            assert_same(J(X + 0.01 * k, full_output=True), alone(X + 0.01 * k, full_output=True))
        assert np.array_equal(J(X), alone(X))
        assert J(X[:4]).shape == (3, 4)
    assert J(X[:4]).shape == (3, 4)
    J.close()


class Unsound(ValueError):
    """An exception of its own."""


def unsound(x):
    if x[3] != X[3]:
        raise Unsound("no such thing", x[3])
    return x


class Awkward(Exception):
    """One that can be packed, but not unpacked."""

    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


def awkward(x):
    if x[3] != X[3]:
        raise Awkward("this", "that")
    return x


def changes_length(x):
    return x[: 9 - (x[3] != X[3])]


def mutates(x):
    x[0] = 7.0
    return x.copy()


@pytest.mark.parametrize("f", [unsound, awkward, changes_length])
@pytest.mark.parametrize("method", ["forward", "adaptive"])
def test_what_f_does_wrong_is_told_as_without_workers(f, method, executor):
    said = []
    for workers in (None, map, executor.map):
        with pytest.raises(Exception) as caught:
            fastfd.jacobian(f, X, method=method, workers=workers)
        said.append((type(caught.value), str(caught.value), getattr(caught.value, "__notes__", None)))
    assert said[0] == said[1] == said[2]
    if f is not changes_length:
        assert "with respect to coordinate 3, at x = array([0.1" in said[0][2][0]


def test_an_exception_tells_where_it_was(executor):
    with pytest.raises(Unsound) as caught:
        fastfd.jacobian(unsound, X, workers=executor.map)
    assert "in a worker process" in str(caught.value.__cause__) and "in unsound" in str(caught.value.__cause__)


def test_a_column_outside_the_domain_does_not_stop_the_others(executor):
    def root(x):
        return np.sqrt(np.where(x > 0, x, np.nan))

    x = np.tile([1e-9, 1.0], 5)
    expected = fastfd.jacobian(root, x, method="central")
    assert np.isnan(expected).any() and np.array_equal(
        fastfd.jacobian(root, x, method="central", workers=map), expected, equal_nan=True
    )


def test_what_cannot_be_sent_is_named():
    lock = threading.Lock()
    for f, args, name in ((lambda x: lock and x, (), "f"), (lambda x, a, b: x, (1.0, lock), r"args\[1\]")):
        with pytest.raises(TypeError, match=f"workers needs {name} sent to other processes.*function of a module"):
            fastfd.jacobian(f, X, args, workers=2)
        assert fastfd.jacobian(f, X, args, workers=map).shape == (9, 9)  # nothing is sent


@pytest.mark.parametrize(
    ("workers", "error", "text"),
    [
        (0, ValueError, "workers must be a number of processes from 1 on, or -1"),
        (-2, ValueError, "got -2"),
        (True, TypeError, "workers must be a number of processes, a map-like callable or a Dask client, got True"),
        ("2", TypeError, "got '2'"),
        (lambda f, it: list(map(f, it))[1:], WorkerError, "workers gave 8 answers for 9 pieces"),
        (lambda f, it: list(map(f, it))[:-1], WorkerError, "workers gave 8 answers for 9 pieces"),
        (lambda f, it: list(map(f, it)) * 2, WorkerError, "workers gave more than 9 answers"),
        (lambda f, it: [f(i) for i in it for _ in range(2)], WorkerError, "two answers for piece 0"),
        (lambda f, it: [f(it[0])] * 9, WorkerError, "two answers for piece 0"),
        (lambda f, it: [None for _ in it], WorkerError, "workers gave 0 answers"),
        (lambda f, it: [3.0 for _ in it], TypeError, "gives what func gives, got float"),
        (lambda f, it: None, TypeError, "gives an iterable of results, got NoneType"),
    ],
)
def test_maps_that_are_none(workers, error, text):
    with pytest.raises(error, match=text):
        fastfd.jacobian(several, X, method="forward", workers=workers)


def test_all_processors():
    crew = crew_of(-1)
    assert crew is None if os.cpu_count() == 1 else crew.pieces == 4 * os.cpu_count()


def test_threads_or_workers():
    with pytest.raises(ValueError, match="give one of the two"):
        fastfd.Jacobian(several, parallel=True, workers=2)


DEATH = """
import os, signal, tempfile, time, warnings
from pathlib import Path
import numpy as np
import fastfd
folder = Path(tempfile.mkdtemp())

def calls():
    return sum(len(log.read_text()) for log in folder.glob("calls*"))

def deadly(x):
    with open(folder / f"calls{os.getpid()}", "a") as log:
        log.write("x")
    time.sleep(0.005)
    if x[20] != 20.0 and not (folder / "dead").exists():
        (folder / "dead").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return np.sin(x) * x[::-1]

def fatal(x):
    if x[20] != 20.0:
        os.kill(os.getpid(), signal.SIGKILL)
    return x

def once(workers):
    for file in folder.iterdir():
        file.unlink()
    J, info = fastfd.jacobian(deadly, np.arange(40.0), method="central", workers=workers, full_output=True)
    assert (folder / "dead").exists()
    return J, info, calls()

def main():
    x = np.arange(40.0)
    (folder / "dead").touch()
    expected, info = fastfd.jacobian(deadly, x, method="central", full_output=True)
    {engine}
"""

OURS = """
    J, more, made = once(2)
    assert np.array_equal(J, expected) and more.nfev == info.nfev, "bits"
    assert info.nfev < made <= info.nfev + 3 + 2 * 5, (made, info.nfev)  # a piece has five columns: it alone is done anew
    try:
        fastfd.jacobian(fatal, x, method="central", workers=2)
    except RuntimeError as error:
        print(type(error).__name__, error)

if __name__ == "__main__":
    main()
"""


def test_a_worker_that_is_killed_costs_its_piece(child):
    said = child(DEATH.replace("{engine}", OURS))
    assert "WorkerError workers could not do columns 20 to 24: worker processes died 4 times over it" in said
    assert "exit status -9" in said


DASK = """
    from distributed import Client, LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            for workers in (client, client.map):
                client.wait_for_workers(2, timeout=60)
                J, more, made = once(workers)
                assert np.array_equal(J, expected) and more.nfev == info.nfev, "bits"
                assert info.nfev < made <= info.nfev + 3 + 2 * 2 * 5, (made, info.nfev)  # and one that was not fetched yet
            def odd(x):
                if x[5] != 5.0:
                    raise ZeroDivisionError("five")
                return x
            try:
                fastfd.jacobian(odd, x, method="forward", workers=client)
            except ZeroDivisionError as error:
                print(error, error.__notes__[0][:80])
            try:
                fastfd.jacobian(fatal, x, method="central", workers=client)
            except RuntimeError as error:
                print(type(error).__name__, error)

if __name__ == "__main__":
    warnings.simplefilter("default")  # those of others are theirs
    main()
"""


def test_a_cluster_of_dask_of_which_a_worker_is_killed(child):
    said = child(DEATH.replace("{engine}", DASK))
    assert "WorkerError workers could not do columns" in said
    assert "five raised while fastfd differentiated with respect to coordinate 5, at x = a" in said


MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
MPI = """
import os, sys
from pathlib import Path
import numpy as np
from mpi4py.futures import MPIPoolExecutor
import fastfd
from test_workers import ENDS, several

def f(x, folder):
    (Path(folder) / f"pid{os.getpid()}").touch()
    return several(x)

if __name__ == "__main__":
    bounds, args = (0.0, np.inf), (sys.argv[1],)
    with MPIPoolExecutor() as pool:
        for method in ("central", "adaptive"):
            here, expected = fastfd.jacobian(several, ENDS, method=method, bounds=bounds, full_output=True)
            J, info = fastfd.jacobian(f, ENDS, args, method=method, bounds=bounds, full_output=True, workers=pool.map)
            assert np.array_equal(J, here) and np.array_equal(info.error, expected.error) and info.nfev == expected.nfev
    print("same")
"""


@pytest.mark.skipif(MPIEXEC is None or find_spec("mpi4py") is None, reason="no MPI here: needs mpi4py and mpiexec")
def test_processes_of_mpi(tmp_path):
    """Three processes: the caller, which evaluates f at x, and two that compute columns."""
    (tmp_path / "script.py").write_text(MPI)
    script = [sys.executable, "-W", "error", "-m", "mpi4py.futures", str(tmp_path / "script.py"), str(tmp_path)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)}
    command = [MPIEXEC, "-n", "3", *script]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stdout) == (0, "same\n"), done.stderr
    assert 2 <= len(list(tmp_path.glob("pid*"))) <= 3


SCRIPT = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
import fastfd
folder = Path(sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts in the background ignore it

class Mine(ValueError):
    pass

def f(x):  # of a script, with its globals
    if x[0] != 1.0:
        inner = fastfd.gradient(np.sum, x, method="forward", workers=2)  # a worker starts no others
        raise Mine(float(x[1]), inner.round().tolist())
    return x

def endless(x):
    if x[0] == 1.0 and x[1] == 2.0:
        return x
    (folder / f"pid{os.getpid()}").touch()
    time.sleep(600)

try:
    fastfd.jacobian(f, [1.0, 2.0], method="forward", workers=2)
except Mine as error:
    print("mine", error, flush=True)
try:
    fastfd.jacobian(endless, [1.0, 2.0], method="forward", workers=2)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_a_script_without_a_guard_and_ctrl_c(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True) as script:
        deadline = time.monotonic() + 120
        while len(list(tmp_path.glob("pid*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(script.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        start = time.monotonic()
        said = script.communicate(timeout=60)[0]
        assert said.split("\n") == ["mine (2.0, [1.0, 1.0])", "interrupted", ""]
        assert time.monotonic() - start < 10  # a second, on a quiet machine
    for file in tmp_path.glob("pid*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.name[3:]), 0)
