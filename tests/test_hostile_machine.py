"""Hostile input by machine: cases drawn by hypothesis (``hostile.py``), in child processes; and what they brought to light.

``FASTFD_HOSTILE=20000 python -m pytest -n 2 -q tests/test_hostile_machine.py`` draws so many; ``FASTFD_SEED`` others than usual.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hostile import CALLS, RESULTS

import fastfd

COUNT, SEED = int(os.environ.get("FASTFD_HOSTILE", 500)), int(os.environ.get("FASTFD_SEED", 1))
#: Cases a child; the last one takes what is left.
SHARE = 2500
SCRIPT = Path(__file__).with_name("hostile.py")


def test_every_public_call_is_drawn():
    assert set(CALLS) | RESULTS == set(fastfd.__all__)


@pytest.mark.parametrize("part", range(-(-COUNT // SHARE)))
def test_a_right_answer_or_a_clear_exception(part, tmp_path):
    journal, count = tmp_path / "journal", min(SHARE, COUNT - part * SHARE)
    paths = os.pathsep.join((str(Path(fastfd.__file__).parents[1]), str(SCRIPT.parent)))
    command = [sys.executable, str(SCRIPT), str(1000 * SEED + part), str(count), str(journal)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    last = journal.read_text() if journal.exists() else "none"
    died = "" if done.stdout.endswith(f"seed {1000 * SEED + part}\n") else f"the process died or hung in the case\n{last}"
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr[-3000:]}\n{died}"


# --- what it brought to light -------------------------------------------------------------------------------------------

X = np.array([0.5, -1.25])


def square(x):
    return np.sum(x * x)


def squares(x):
    return x * x


class InTurns:
    """Results that change from call to call."""

    def __init__(self, *results):
        self.results, self.calls = results, 0

    def __call__(self, x):
        self.calls += 1
        return self.results[min(self.calls, len(self.results)) - 1]


MENDED: dict = {
    "a step of 401 digits": (lambda: fastfd.gradient(square, X, step=10**400), ValueError, "step must be a number"),
    "noise of 401 digits": (lambda: fastfd.gradient(square, X, noise=10**400), ValueError, "noise must be a number >= 0"),
    "an array for a method": (lambda: fastfd.gradient(square, X, method=X), ValueError, "method must be one of"),
    "an array for yes or no": (lambda: fastfd.gradient(square, X, parallel=X), ValueError, "parallel must be None, True"),
    "an array for full_output": (lambda: fastfd.gradient(square, X, full_output=X), ValueError, "full_output must be"),
    "a word for full_output": (lambda: fastfd.noise_level(square, X, full_output="yes"), ValueError, "full_output must be"),
    "a list for accuracy": (
        lambda: fastfd.gradient(square, X, method="central", accuracy=[2]), ValueError, "accuracy must be an integer from 1 to",
    ),
    "an accuracy out of reach": (
        lambda: fastfd.gradient(square, X, method="central", accuracy=300), ValueError, "accuracy must be an integer from 1",
    ),
    "offsets that are none": (lambda: fastfd.Stencil(None), TypeError, "offsets must be a sequence of real numbers"),
    "offsets out of reach": (
        lambda: fastfd.derivative(np.sin, 1.0, order=2, method=fastfd.Stencil((-1e-200, 0, 1e-200), 2)), ValueError,
        "offsets must not be so far",
    ),
    "a ragged point": (lambda: fastfd.gradient(square, [1.0, [2.0, 3.0]]), ValueError, "x must be an array of real numbers"),
    "a ragged tree": (
        lambda: fastfd.check_gradient(square, squares, [1.0, [2.0, 3.0]]), TypeError, "x must be real numbers in arrays",
    ),
    "ragged results": (lambda: fastfd.jacobian(lambda x: [1.0, [x[0]]], X), TypeError, "f must return numbers, or an"),
    "a word in later results": (
        lambda: fastfd.jacobian(InTurns(X, X, ["1.0", "2.0"]), X), TypeError, "f must return numbers, got list of dtype <U3",
    ),
    "a function among later results": (lambda: fastfd.gradient(InTurns(1.0, 2.0, square), X), TypeError, "f must return numbers"),
    "nan once at x": (lambda: fastfd.Gradient(InTurns(1.0, np.nan, 1.0))(X), ValueError, "f must give the same results"),
    "another length each time": (
        lambda: fastfd.noise_level(InTurns(*(np.ones(k) for k in range(1, 9))), X), ValueError, "f must return results of one",
    ),
    "another length while a pattern is sought": (
        lambda: fastfd.detect_sparsity(InTurns(*[X] * 5, np.ones(1)), X), ValueError, "f must return results of one",
    ),
    "a pattern of complex results": (lambda: fastfd.detect_sparsity(lambda x: 1j * x, X), TypeError, "f must return real"),
    "a seed that is none": (lambda: fastfd.detect_sparsity(squares, X, seed="a"), ValueError, "seed must be an integer >= 0"),
    "a gradient of another length": (
        lambda: fastfd.hessian(square, X, grad=lambda x: np.append(x, 1.0), sparsity="auto"), ValueError, "grad must return",
    ),
    "an out_size of 401 digits": (lambda: fastfd.gradient(square, X, out_size=10**400), ValueError, "out_size must be the"),
    "ragged results in a check": (
        lambda: fastfd.check_gradient(lambda x: [1.0, [x[0]]], squares, X), TypeError, "f must return real numbers, or an",
    ),
    "another length where nan is asked": (
        lambda: fastfd.detect_sparsity(InTurns(*[X] * 9, np.ones(1)), X, nan=True), ValueError, "f must return results of one",
    ),
    "an array for nan": (lambda: fastfd.detect_sparsity(squares, X, nan=X), ValueError, "nan must be True or False"),
    "other results from some call on": (
        lambda: fastfd.detect_sparsity(InTurns(*[X] * 7, 2 * X), X[:1]), ValueError, "f must give the same results",
    ),
    "a pattern that is empty": (lambda: fastfd.hessian(square, X, sparsity=()), ValueError, "sparsity must be a matrix"),
    "an order that is an array": (lambda: fastfd.color(np.eye(3), ordering=X), ValueError, "ordering must be best or one of"),
    "symmetric that is an array": (lambda: fastfd.color(np.eye(3), symmetric=X), ValueError, "symmetric must be True or False"),
    "a memoryview of two dimensions": (lambda: fastfd.Stencil(memoryview(np.eye(2))), TypeError, "offsets must be a sequence"),
    "no numbers to compare": (lambda: fastfd.relative_error({1.0}, {1.0}), TypeError, "a must be numbers, got set"),
}  # fmt: skip


@pytest.mark.parametrize("what", MENDED)
def test_a_clear_exception(what):
    call, kind, text = MENDED[what]
    with pytest.raises(kind, match=text):
        call()


EDGES = {
    "a step at the end of the doubles": lambda: fastfd.hessian(square, X, method="central", step=1e308, full_output=True),
    "bounds there": lambda: fastfd.noise_level(square, 1.0, step=1e308, bounds=(0.0, np.inf)),
    "points there": lambda: fastfd.detect_sparsity(lambda x: x / 2, np.full(2, np.finfo(float).max)),
    "points at the other end": lambda: fastfd.noise_level(square, np.full(2, 5e-324), step=5e-324),
    "infinite gradients": lambda: fastfd.relative_error([np.inf, 1.0], [1.0, 1.0]),
}


@pytest.mark.parametrize("what", EDGES)
def test_no_warning_at_the_edges(what):
    """Warnings are errors in these tests."""
    EDGES[what]()


def test_weights_beyond_the_doubles_are_infinite():
    stencil = fastfd.Stencil((-1e-200, 0, 1e-200), 2)
    assert stencil.rounding == np.inf and len(stencil.weights) == 3


def test_an_infinite_point_within_bounds_is_named():
    with pytest.raises(ValueError, match=r"x must be finite, but x\[1\] is inf"):
        fastfd.hessian(square, [1.0, np.inf], bounds=(-np.inf, np.inf))


@pytest.mark.parametrize("side", [-1, 1])
def test_a_search_in_single_precision_at_a_bound_ends(side):
    """x is no number of single precision: the step 0, by which a search ends, became the way to the next one, again and again."""
    calls, x = [], -0.477

    def f(t):
        calls.append(t)
        return np.float32(np.sin(2 * t) + 0.5 * t)

    bounds = (-np.inf, x) if side < 0 else (x, np.inf)
    found, info = fastfd.derivative(f, x, step=1e-20, bounds=bounds, full_output=True)
    assert len(calls) < 80 and (abs(found - 2 * np.cos(2 * x) - 0.5) <= info.error or not info.success)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("edge", ["nan", "inf", "bounds"])
def test_derivatives_at_the_edge_of_a_domain_have_their_sign(edge, side, order):
    """Second and fourth ones to the left of an edge came out negative, with success."""
    x, beyond = 0.5, {"nan": np.nan, "inf": np.inf, "bounds": 0.0}[edge]

    def f(t):
        return np.exp(t) if side * (t - x) >= 0.0 else beyond

    bounds = None if edge != "bounds" else (x, np.inf) if side > 0 else (-np.inf, x)
    found, info = fastfd.derivative(f, x, order=order, bounds=bounds, full_output=True)
    assert abs(found - np.exp(x)) <= 3 * info.error and info.error < 0.1
    H, info = fastfd.hessian(lambda t: f(t[0]) + t[0] * t[1], [x, 1.0], full_output=True)
    assert edge == "bounds" or (np.abs(H - [[np.exp(x), 1.0], [1.0, 0.0]]) <= 3 * info.error).all()
