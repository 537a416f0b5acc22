"""Prepared objects after a few calls, when arguments are packed once: the same bits, the same errors as ever."""

import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from marks import compiled_only
from numba import njit

import fastfd

pytestmark = compiled_only
METHODS = ("adaptive", "forward", "central")
X = np.array([0.7, 1.9])


@njit
def vector(x):
    return np.array([x[0] * x[1], np.sin(x[0]), x[1] ** 3])


@njit
def written(x, out):
    out[0], out[1], out[2] = x[0] * x[1], np.sin(x[0]), x[1] ** 3


@njit
def number(x):
    return np.sum(np.sin(x) * x)


@njit
def wave(x):
    return np.exp(1j * x[0]) * x[1] * np.ones(2)


@njit
def of_matrix(x):
    return np.array([x[0, 0] * x[1, 1], x[0, 1] ** 2])


def in_lane(operator, f, x, **keywords):
    """A prepared object that has a lane for points like x, and what it gave before it had."""
    D = operator(f, **keywords)
    before = [D(x) for _ in range(4)]
    assert set(D._lanes) == {x.shape}
    return D, before[0]


SHAPES = [
    (fastfd.Jacobian, vector, X, {}),
    (fastfd.Jacobian, vector, X, {"method": "adaptive", "rtol": 1e-12}),
    (fastfd.Jacobian, written, X, {"out_size": 3}),
    (fastfd.Jacobian, number, X, {}),
    (fastfd.Gradient, number, X, {}),
    (fastfd.Gradient, number, X.reshape(1, 2), {}),
    (fastfd.Jacobian, wave, X, {}),
    (fastfd.Jacobian, of_matrix, np.array([[1.0, 2.0], [3.0, 4.0]]), {}),
]


@pytest.mark.parametrize(("operator", "f", "x", "more"), SHAPES)
def test_the_same_bits_in_an_array_of_its_own(operator, f, x, more):
    D, before = in_lane(operator, f, x, **{"method": "central", **more})
    first, second = D(x), D(x)
    assert first.shape == before.shape and first.dtype == before.dtype and first.strides == before.strides
    assert first.tobytes() == second.tobytes() == before.tobytes()
    assert (first if first.base is None else first.base).flags.owndata
    first[...] = -1.0
    assert second.tobytes() == before.tobytes()


def test_results_go_when_they_are_dropped():
    """The lane makes them, and an array that nobody got."""
    J, _ = in_lane(fastfd.Jacobian, touchy, X, method="central")
    tracemalloc.start()
    try:
        for x in [X, np.array([0.7, np.nan]), X] * 200:  # the lane has no answer to the second
            assert (J._lane(x) is None) == (not np.isfinite(x).all())
        nones, held = sys.getrefcount(None), tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            assert J._lane(X) is not None
            assert J._lane(np.array([0.7, np.nan])) is None
        assert tracemalloc.get_traced_memory()[0] - held < 1000  # an array has some 100 bytes
        assert abs(sys.getrefcount(None) - nones) < 100
    finally:
        tracemalloc.stop()


def test_no_memory_for_a_result():
    """NumPy's own error; and the lane serves on."""
    J, before = in_lane(fastfd.Jacobian, vector, X, method="central")
    layout, _ = J._lane.__self__.kept
    layout[2] *= 2**50
    with pytest.raises(MemoryError):
        J(X)
    layout[2] //= 2**50
    assert np.array_equal(J._lane(X), before)


KINDS = [
    [0.7, 1.9], (0.7, 1.9), X.astype(np.float32), X.astype(">f8"), np.repeat(X, 2)[::2], X[::-1][::-1],
    np.array([1, 2]), X.view(np.recarray), X.astype(np.longdouble), np.frombuffer(X.tobytes()),
]  # fmt: skip


@pytest.mark.parametrize("x", KINDS, ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')}")
def test_points_of_every_kind(x):
    D, _ = in_lane(fastfd.Jacobian, vector, X, method="central")
    assert np.array_equal(D(x), fastfd.Jacobian(vector, method="central")(np.array(x, float)))


def test_an_unaligned_point():
    D, before = in_lane(fastfd.Jacobian, vector, X, method="central")
    raw = np.zeros(17, np.uint8)
    x = raw[1:].view(float)
    x[:] = X
    assert not x.flags.aligned and np.array_equal(D(x), before)


@njit
def elementwise(x):
    return np.sin(x) * x


def test_shapes_take_turns():
    points = [np.linspace(0.5, 1.5, n) for n in (1, 2, 3, 40)]
    J = fastfd.Jacobian(elementwise, method="central")
    for _ in range(6):
        for x in points:
            assert np.allclose(J(x), np.diag(np.sin(x) + x * np.cos(x)), rtol=1e-8, atol=0)
    assert set(J._lanes) == {x.shape for x in points}
    with pytest.raises(TypeError, match="x must be real numbers"):
        J(np.ones(2, complex))


@njit
def touchy(x):
    return np.log(x) if x[0] <= 5.0 else np.ones(3) * x[0]


def test_what_is_out_of_the_ordinary():
    """Errors keep their words, and the lane serves on."""
    J, before = in_lane(fastfd.Jacobian, touchy, X, method="central")
    with pytest.raises(ValueError, match="x must be finite"):
        J(np.array([0.7, np.nan]))
    with pytest.raises(ValueError, match="f must be finite at x"):
        J(np.array([0.7, 0.0]))
    with pytest.raises(ValueError, match="results of one shape"):
        J(np.array([5.0, 1.0]))
    assert np.array_equal(J(X), before)
    assert J(np.array([6.0, 1.0])).shape == (3, 2)
    assert np.array_equal(J(X), before)


@pytest.mark.parametrize("brief", [0.0, np.inf])
@pytest.mark.parametrize("method", METHODS)
def test_many_threads_in_one_lane(method, brief, monkeypatch):
    """One is in the lane, the others go round it: where Python's lock is given away, and where it is kept."""
    monkeypatch.setattr("fastfd.columns.BRIEF", brief)
    keywords = {"method": method} | ({"rtol": 1e-12} if method == "adaptive" else {})  # a search, whatever was before
    J, _ = in_lane(fastfd.Jacobian, vector, X, **keywords)
    assert J._lane.__self__[1] == (brief == 0.0)  # the word that says so
    inputs = [np.array([0.1 * i, 1.0 + i]) for i in range(64)]
    expected = [fastfd.Jacobian(vector, **keywords)(x) for x in inputs]
    start = threading.Barrier(8)

    def all_of_them(_):
        start.wait()
        return [J(x) for x in inputs * 20]

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(all_of_them, range(8)):
            assert all(np.array_equal(a, b) for a, b in zip(found, expected * 20, strict=True))
