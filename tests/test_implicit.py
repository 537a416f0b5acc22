"""Derivatives of solutions: against analytic ones, with error bars that cover, and refused where there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

import fastfd


@njit
def kepler(E, p):
    return E - p[1] * np.sin(E) - p[0]


def kepler_solution(M, e):
    E = M
    for _ in range(200):
        E -= (E - e * np.sin(E) - M) / (1 - e * np.cos(E))
    return E


@given(st.floats(0.1, 3.0), st.floats(0.01, 0.9))
def test_kepler(M, e):
    E = kepler_solution(M, e)
    J, info = fastfd.implicit_jacobian(kepler, E, [M, e], full_output=True)
    exact = np.array([1.0, np.sin(E)]) / (1 - e * np.cos(E))
    assert J.shape == (2,) and (not info.success or np.allclose(J, exact, rtol=1e-9, atol=0))
    assert (np.abs(J - exact) <= info.error).all()


def test_error_bars_are_sharp():
    """F is zero at a solution, so that its rounding hides at times, and a search says that it does not trust itself."""
    rng, sharp = np.random.default_rng(0), []
    for M, e in rng.uniform([0.1, 0.05], [3.0, 0.9], (30, 2)):
        E = kepler_solution(M, e)
        J, info = fastfd.implicit_jacobian(kepler, E, [M, e], full_output=True)
        sharp.append((info.error <= 1e-9 * np.abs(J)).all())
    assert sum(sharp) >= 27


def linear(y, theta):
    return theta @ y - np.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize("f", [linear, njit(linear)], ids=["Python", "njit"])
def test_a_linear_system_by_its_matrix(f):
    """y = A⁻¹ b: dy_i/dA_jk = -(A⁻¹)_ij y_k."""
    A = np.array([[4.0, 1.0, 0.5], [0.2, 3.0, -1.0], [1.0, 0.3, 5.0]])
    y = np.linalg.solve(A, [1.0, 2.0, 3.0])
    J, info = fastfd.implicit_jacobian(f, y, A, full_output=True)
    exact = -np.linalg.inv(A)[:, :, None] * y
    assert J.shape == (3, 3, 3) and (np.abs(J - exact) <= info.error).all() and np.abs(J - exact).max() < 1e-13


def test_units_do_not_make_it_singular():
    """Unknowns from 1e-9 to 1e9, and equations in other units."""
    units = np.array([1e-9, 1.0, 1e9])

    def scaled(y, theta):
        return linear(y / units, theta) * units[::-1] ** 2

    A = np.array([[4.0, 1.0, 0.5], [0.2, 3.0, -1.0], [1.0, 0.3, 5.0]])
    y = np.linalg.solve(A, [1.0, 2.0, 3.0]) * units
    exact = -np.linalg.inv(A)[:, :, None] * (y / units) * units[:, None, None]
    assert np.allclose(fastfd.implicit_jacobian(scaled, y, A), exact, rtol=1e-9, atol=0)


def test_a_quadratic_programme():
    """Its optimality conditions: min ½yᵀQy − θᵀy with Ay = b."""
    Q, A = np.array([[3.0, 0.5], [0.5, 2.0]]), np.array([[1.0, 1.0]])
    K = np.block([[Q, A.T], [A, np.zeros((1, 1))]])

    def conditions(z, theta):
        return K @ z - np.append(theta, 1.0)

    theta = np.array([1.0, -2.0])
    J = fastfd.implicit_jacobian(conditions, np.linalg.solve(K, np.append(theta, 1.0)), theta)
    assert np.allclose(J, np.linalg.inv(K)[:, :2], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("off", [1e-3, 1e-6, 1e-9])
def test_a_solution_that_is_not_exact_is_improved(off):
    E = kepler_solution(1.0, 0.4)
    exact = np.array([1.0, np.sin(E)]) / (1 - 0.4 * np.cos(E))
    J, info = fastfd.implicit_jacobian(kepler, E + off, [1.0, 0.4], full_output=True)
    assert np.allclose(J, exact, rtol=1e-10, atol=0) and (np.abs(J - exact) <= info.error).all()


# --- large ------------------------------------------------------------------------------------------------------------


@njit
def bratu(y, theta):
    """y'' + θ₀ exp(y) + θ₁ = 0 on a grid, zero at both ends; in units in which the matrix is (2, -1)."""
    n, out = y.size, np.empty_like(y)
    h2 = 1.0 / (n + 1) ** 2
    for i in range(n):
        left, right = (y[i - 1] if i > 0 else 0.0), (y[i + 1] if i < n - 1 else 0.0)
        out[i] = 2 * y[i] - left - right - h2 * (theta[0] * np.exp(y[i]) + theta[1])
    return out


def bratu_matrix(y, theta):
    n = y.size
    h2 = 1.0 / (n + 1) ** 2
    return np.diag(2 - h2 * theta[0] * np.exp(y)) - np.diag(np.ones(n - 1), 1) - np.diag(np.ones(n - 1), -1)


def test_a_boundary_value_problem_with_and_without_its_matrix():
    n, theta = 60, np.array([1.5, 0.3])
    y = np.zeros(n)
    for _ in range(20):
        y -= np.linalg.solve(bratu_matrix(y, theta), bratu(y, theta))
    right = np.stack([np.exp(y), np.ones(n)], axis=1) / (n + 1) ** 2
    exact = np.linalg.solve(bratu_matrix(y, theta), right)
    J, info = fastfd.implicit_jacobian(bratu, y, theta, full_output=True)
    assert np.allclose(J, exact, rtol=1e-10, atol=0) and (np.abs(J - exact) <= info.error).all()
    assert np.allclose(fastfd.implicit_jacobian(bratu, y, theta, matrix_free=True), exact, rtol=1e-7, atol=0)


@njit
def reaction(y, theta):
    """A strong reaction with weak diffusion: theta[0]·y³ + y - theta[1] + coupling to the neighbours."""
    out = np.empty_like(y)
    n = y.size
    for i in range(n):
        around = y[(i + 1) % n] + y[i - 1] - 2 * y[i]
        out[i] = theta[0] * y[i] ** 3 + y[i] - theta[1] - 0.1 * around
    return out


def test_large_systems_need_no_matrix():
    """10 000 unknowns that are all alike: one cubic equation has the answer."""
    a, b = 2.0, 3.0
    y = np.roots([a, 0.0, 1.0, -b])
    y = float(y[np.abs(y.imag) < 1e-12].real[0])
    J = fastfd.implicit_jacobian(reaction, np.full(10_000, y), [a, b])
    slope = 3 * a * y**2 + 1
    assert J.shape == (10_000, 2) and np.allclose(J, [-(y**3) / slope, 1 / slope], rtol=1e-8, atol=0)


# --- refused ------------------------------------------------------------------------------------------------------------


def test_a_fold():
    """y² = θ at θ = 0."""
    with pytest.raises(np.linalg.LinAlgError, match="dF/dy is singular to working precision"):
        fastfd.implicit_jacobian(lambda y, theta: y**2 - theta, 0.0, 0.0)


def test_equations_that_leave_an_unknown_open():
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        fastfd.implicit_jacobian(lambda y, t: np.array([y[0] + y[1] - t, 3 * (y[0] + y[1] - t)]), [0.25, 0.75], 1.0)


def test_gmres_that_does_not_converge():
    weights = np.linspace(1e-7, 1, 400)
    with pytest.raises(RuntimeError, match="GMRES did not converge"):
        fastfd.implicit_jacobian(lambda y, t: np.roll(y, 1) * weights - t, np.zeros(400), np.zeros(1), matrix_free=True)


@pytest.mark.parametrize(
    ("F", "y", "theta", "keywords", "error", "message"),
    [
        (lambda y, t: y[:1], [1.0, 2.0], 1.0, {}, ValueError, r"F must return as many numbers as y has, 2, got shape \(1,\)"),
        (lambda y, t: y - t, [1.0, 2.0], [5.0, 9.0], {}, ValueError, r"y must solve F\(y, theta\) = 0, but F is up to 7"),
        (lambda y, t: y + 1j, 1.0, 1.0, {}, TypeError, "F must return real numbers"),
        (3, 1.0, 1.0, {}, TypeError, "F must be callable, got int"),
        (lambda y, t: y - t, "a", 1.0, {}, TypeError, "y must be real numbers"),
        (lambda y, t: y - t, 1.0, 1.0, {"matrix_free": True, "full_output": True}, ValueError, "full_output=True has no meaning"),
        (lambda y, t: y - t, 1.0, 1.0, {"preconditioner": np.eye(1)}, ValueError, "preconditioner has no meaning"),
        (lambda y, t: y - t, 1.0, 1.0, {"args": 3}, TypeError, "args must be a tuple"),
    ],
)
def test_bad_input(F, y, theta, keywords, error, message):
    with pytest.raises(error, match=message):
        fastfd.implicit_jacobian(F, y, theta, **keywords)
