"""What holds for every function: exactness, linearity, symmetry, and one result whoever computes it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numba import njit

import fastfd

numbers = st.floats(-4.0, 4.0).map(lambda v: round(v, 3))


def vectors(n):
    return arrays(float, n, elements=numbers)


@njit
def polynomial(x, c):
    """Horner, elementwise."""
    y = np.zeros_like(x)
    for i in range(c.size):
        y = y * x + c[i]
    return y


def polynomial_slope(x, c):
    return np.polyval(np.polyder(np.poly1d(c)), x)


def size(x, c):
    """Of the terms of a polynomial, so of its rounding error over u."""
    return np.polyval(np.abs(c), np.abs(x) + 1.0)


@given(vectors(3), vectors(5))
def test_adaptive_is_exact_on_polynomials(x, c):
    J, info = fastfd.jacobian(polynomial, x, (c,), full_output=True)
    error = np.abs(np.diagonal(J) - polynomial_slope(x, c))
    assert (error <= 1e-11 * size(x, c)).all()
    assert (error <= np.diagonal(info.error) + 1e-15 * size(x, c)).all()
    assert np.array_equal(J - np.diag(np.diagonal(J)), np.zeros((3, 3)))


@pytest.mark.parametrize(("method", "accuracy"), [
    ("forward", 1), ("forward", 2), ("backward", 3), ("central", 2), ("central", 4), ("central", 6),
])  # fmt: skip
@given(data=st.data())
def test_stencils_are_exact_up_to_their_order(method, accuracy, data):
    """On a polynomial of degree ≤ accuracy only rounding is left: that of f over a step of 1/2."""
    x, c = data.draw(vectors(2)), data.draw(vectors(accuracy + 1))
    J = fastfd.jacobian(polynomial, x, (c,), method=method, accuracy=accuracy, step=0.5)
    assert (np.abs(np.diagonal(J) - polynomial_slope(x, c)) <= 1e-12 * size(np.abs(x) + 3, c)).all()


@njit
def pieces(x):
    return np.array([np.sin(x[0]) * x[1], x[2] ** 2 + x[0], np.exp(0.3 * x[1])])


def called_from_python(x):
    """The same machine code: numpy's own sin and exp differ from it in the last bit."""
    return pieces(x)


@njit
def more(x):
    return np.array([x[0] * x[2], np.cos(x[1]), x[0] ** 2 - x[2]])


@njit
def combined(x, a, b):
    return a * pieces(x) + b * more(x)


@pytest.mark.parametrize(("method", "limit"), [("adaptive", 1e-11), ("central", 1e-8), ("complex", 1e-14)])
@given(x=vectors(3), a=numbers, b=numbers)
def test_linear_in_f(method, limit, x, a, b):
    whole = fastfd.jacobian(combined, x, (a, b), method=method)
    parts = a * fastfd.jacobian(pieces, x, method=method) + b * fastfd.jacobian(more, x, method=method)
    assert np.abs(whole - parts).max() <= limit * (1 + abs(a) + abs(b)) * 20  # |f|, |J| ≤ 20 here


@given(vectors(3), numbers.filter(bool))
def test_powers_of_two_scale_the_result_exactly(x, a):
    """f · 2ᵏ has the same bits but for the exponent."""
    scale = 2.0 ** np.round(a)
    assert np.array_equal(
        fastfd.jacobian(combined, x, (scale, 0.0)), scale * fastfd.jacobian(combined, x, (1.0, 0.0))
    )


@njit
def mixed(x, order):
    """The same function of coordinates in another order."""
    y = x[order]
    return np.array([np.sin(y[0]) * y[1] + y[3], y[2] ** 2 + y[0], np.exp(0.3 * y[1])])


@pytest.mark.parametrize("method", ["adaptive", "forward", "central", "complex"])
@given(x=vectors(4), order=st.permutations(range(4)))
def test_equivariant_under_permutation(method, x, order):
    order = np.array(order)
    inverse = np.argsort(order)
    identity = np.arange(4)
    J = fastfd.jacobian(mixed, x, (identity,), method=method)
    permuted = fastfd.jacobian(mixed, x[inverse], (order,), method=method)
    assert np.array_equal(permuted, J[:, inverse])


@pytest.mark.parametrize("method", ["adaptive", "forward", "central", "complex"])
@given(x=vectors(3))
def test_serial_parallel_and_python_have_the_same_bits(method, x):
    serial, info = fastfd.jacobian(pieces, x, method=method, parallel=False, full_output=True)
    for f, parallel in ((pieces, True), (pieces, None), (called_from_python, None)):
        J, other = fastfd.jacobian(f, x, method=method, parallel=parallel, full_output=True)
        assert np.array_equal(J, serial) and np.array_equal(other.error, info.error)
        assert np.array_equal(other.status, info.status) and other.nfev == info.nfev


@given(vectors(3))
def test_rows_know_nothing_of_each_other_with_fixed_steps(x):
    J = fastfd.jacobian(pieces, x, method="central")
    for i in range(3):
        assert np.array_equal(fastfd.gradient(lambda t, i=i: pieces(t)[i], x, method="central"), J[i])


@given(vectors(3), vectors(3))
def test_jvp_is_the_jacobian_times_v(x, v):
    """Within both error bars."""
    J, info = fastfd.jacobian(pieces, x, full_output=True)
    found, other = fastfd.jvp(pieces, x, v, full_output=True)
    assert (np.abs(found - J @ v) <= info.error @ np.abs(v) + other.error + 1e-15 * (np.abs(J) @ np.abs(v))).all()


@given(vectors(3), st.permutations(["adaptive", "central", "forward"]))
def test_calls_leave_no_trace(x, methods):
    """What was asked before changes no later answer (steps are remembered for errors up to 1e-10, not below)."""
    rtol = {"adaptive": {"rtol": 1e-12}}
    fresh = {m: fastfd.Jacobian(pieces, method=m, **rtol.get(m, {}))(x) for m in methods}
    for m in methods:
        prepared = fastfd.Jacobian(pieces, method=m, **rtol.get(m, {}))
        prepared(x + 1.0)
        assert np.array_equal(prepared(x), fresh[m])
        assert np.array_equal(fastfd.jacobian(pieces, x, method=m), fresh[m])
