"""Long work: Ctrl-C between pieces, progress, and the same bits whatever the pieces."""

import sys
import time

import numpy as np
import pytest
from marks import compiled_only
from numba import njit
from scenarios import as_python

import fastfd
from fastfd import pace

METHODS = ("adaptive", "central", "complex")
X = np.linspace(-1.0, 2.0, 23)


@njit
def waves(x):
    return np.sin(x * x[0]) + x[-1]


@njit
def energy(x):
    return np.sum(np.sin(x * x[0])) + x[-1] ** 2


# --- pieces ---------------------------------------------------------------------------------------------------------


def pieces_of(count, seconds, monkeypatch):
    """The lengths of the pieces of columns that take some time each, by a clock of our own."""
    clock = [0.0]
    monkeypatch.setattr(pace, "perf_counter", lambda: clock[0])
    pieces, found = pace.Pieces(0, count), []

    def piece(thread, part):
        clock[0] += seconds(*part)
        found.append(part[1] - part[0])
        return 0

    while part := pieces.take():
        pieces.run(piece, 0, part)
    assert sum(found) == count == pieces.done
    return found


def test_cheap_columns_are_one_and_the_rest(monkeypatch):
    assert pieces_of(1000, lambda lo, hi: 1e-6 * (hi - lo), monkeypatch) == [1, 999]


def test_dear_columns_go_one_by_one(monkeypatch):
    assert pieces_of(5, lambda lo, hi: 2.0 * (hi - lo), monkeypatch) == [1] * 5


def test_pieces_grow_to_a_tenth_of_a_second(monkeypatch):
    found = pieces_of(10**5, lambda lo, hi: 1e-4 * (hi - lo), monkeypatch)
    assert found[:4] == [1, 8, 64, 512] and set(found[5:-1]) <= {999, 1000}


def test_no_piece_is_long_where_columns_become_dearer(monkeypatch):
    """The later half costs 50 times as much: only one piece is longer than planned."""
    times = []

    def seconds(lo, hi):
        times.append(sum(1e-3 if k < 2000 else 5e-2 for k in range(lo, hi)))
        return times[-1]

    pieces_of(2400, seconds, monkeypatch)
    assert sorted(times)[-2] <= 2 * pace.PACE


@compiled_only
def test_what_a_column_cost_is_believed_less_with_other_arguments(monkeypatch):
    """Work of half a millisecond is done in one go; but with other arguments a column is looked at first."""
    taken, run = [], pace.Pieces.run

    def noted(self, piece, thread, part):
        taken.append(part)
        return run(self, piece, thread, part)

    J = fastfd.Jacobian(scaled, method="central", parallel=False)
    J(X, 2.0)
    (job,) = J._jobs.values()
    monkeypatch.setattr(pace.Pieces, "run", noted)
    new, other, looked_at = 3.0, 4.0, [(0, 1), (1, 23)]
    for given, parts in ((new, looked_at), (new, []), (other, looked_at)):
        taken.clear()
        job._cost = 5e-4 / X.size
        J(X, given)
        assert taken == parts


@njit
def scaled(x, factor):
    return factor * x * x


@pytest.mark.parametrize("longest", [1e-9, 3e-5])
@pytest.mark.parametrize("parallel", [False, True, None])
@pytest.mark.parametrize("world", ["njit", "python"])
@pytest.mark.parametrize("method", METHODS)
def test_the_pieces_change_no_bit(method, world, parallel, longest, monkeypatch):
    f, g = (waves, energy) if world == "njit" else (as_python(waves), as_python(energy))
    options = {"method": method, "parallel": parallel, "full_output": True}
    kinds = [(fastfd.jacobian, f)] + ([(fastfd.hessian, g)] if method == "central" else [])
    whole = [call(h, X, **options) for call, h in kinds]
    monkeypatch.setattr(pace, "PACE", longest)
    monkeypatch.setattr("fastfd.run.SHORT", 0.0)
    for (call, h), (value, info) in zip(kinds, whole, strict=True):
        found, other = call(h, X, **options)
        assert np.array_equal(found, value) and np.array_equal(other.error, info.error) and other.nfev == info.nfev


# --- progress -------------------------------------------------------------------------------------------------------


def sleepy(x):
    time.sleep(4e-3)
    return x * x


def test_progress_is_told_in_columns():
    told = []
    J = fastfd.jacobian(sleepy, np.ones(60), method="central", progress=lambda done, total: told.append((done, total)))
    assert np.allclose(J, 2 * np.eye(60))
    assert (np.diff([done for done, _ in told]) > 0).all() and len(told) > 2 and told[-1] == (60, 60)


def test_each_pass_adds_its_columns():
    told = []
    keywords = {"method": "central", "progress": lambda *counts: told.append(counts), "full_output": True}
    fastfd.jacobian(sleepy, np.ones(30), **keywords)
    assert told[-1] == (60, 60) and sorted(told) == told


def test_short_calls_tell_nothing():
    told = []
    keywords = {"method": "central", "progress": lambda *counts: told.append(counts)}
    J, H = fastfd.Jacobian(waves, **keywords), fastfd.Hessian(energy, **keywords)
    for _ in range(2):  # the first time they compile
        told.clear()
        J(X, full_output=True)
        H(X, full_output=True)
    assert told == []


def test_a_derivative_inside_f_tells_nothing():
    told = []

    def outer(x):
        return sleepy(x) + fastfd.jacobian(sleepy, x[:1], method="forward")[0, 0]

    fastfd.jacobian(outer, np.ones(30), method="forward", progress=lambda *counts: told.append(counts))
    assert told[-1] == (30, 30)


def test_an_exception_of_progress_comes_out_and_the_object_works_afterwards():
    def enough(done, total):
        raise LookupError("enough")

    J = fastfd.Jacobian(sleepy, method="central", progress=enough)
    for _ in range(2):
        with pytest.raises(LookupError, match="enough"):
            J(np.ones(60))
    assert np.allclose(J(np.ones(3)), 2 * np.eye(3))


def test_a_bar(capsys):
    fastfd.jacobian(sleepy, np.ones(60), method="central", progress=True)
    assert "60/60" in capsys.readouterr().err


def test_no_bar_for_a_short_call(capsys):
    for _ in range(2):  # the first time it compiles
        capsys.readouterr()
        fastfd.gradient(energy, X, method="central", progress=True)
    assert capsys.readouterr().err == ""


def test_a_bar_needs_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r'progress=True needs tqdm, .* pip install "fastfd\[progress\]"'):
        fastfd.Jacobian(waves, progress=True)


def test_progress_that_is_none():
    with pytest.raises(ValueError, match="progress must be True, False or a callable"):
        fastfd.jacobian(waves, X, progress="yes")


# --- interrupts -------------------------------------------------------------------------------------------------------


@compiled_only
@pytest.mark.parametrize("parallel", [False, True])
def test_ctrl_c_ends_a_long_jacobian(child, parallel):
    """A run of a minute, a signal after a second; bench/long.py has the seconds that it takes."""
    out = child(f"""
from interrupt import lateness
late = lateness("central", {parallel}, 3_000_000)
assert late < 3.0, late
print("interrupted")
""")
    assert out == "interrupted\n"


def test_helpers_stop_where_the_caller_was_interrupted():
    """An exception between the caller's pieces, as Ctrl-C makes one: nobody takes another piece."""
    from fastfd.run import shared_out, stretches

    taken = []

    def piece(thread, part):
        for lo, _ in stretches(part, thread):
            taken.append(lo)
            time.sleep(0.01)
        return 0

    def interrupted(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shared_out(piece, piece, 0, 1000, 2, interrupted, np.inf)
    time.sleep(0.3)
    count = len(taken)
    time.sleep(0.3)
    assert len(taken) == count < 100


@compiled_only
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python prints what it cannot raise
@pytest.mark.parametrize("at", [2, 3, 7])
def test_an_interrupt_before_the_first_line_of_a_callback(at, monkeypatch):
    """Python would ignore it, and the value before would stand for the one that was not computed."""
    from fastfd.function import PythonCallee

    calls, serve = [], PythonCallee._serve

    def interrupted(self):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return serve(self)

    monkeypatch.setattr(PythonCallee, "_serve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fastfd.jacobian(lambda x: np.sin(x), X, method="central")
