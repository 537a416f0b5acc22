"""Solvers written wholly in njit code, with derivatives from fastfd inside.

A damped Newton method for a system of equations, and a stiff initial value problem by the implicit trapezoidal rule, whose
steps are solved by Newton's method. Nothing goes back to Python between the first line and the last.

    python examples/newton_in_njit.py
"""

import numpy as np
from numba import njit, prange
from scipy.integrate import solve_ivp

import fastfd


@njit
def newton(f, x, args, tol=1e-12, most=50):
    """A zero of f by Newton's method; a step that does not shrink \\|f\\| is halved."""
    y = f(x, *args)
    for k in range(most):
        size = np.linalg.norm(y)
        if size <= tol:
            return x, k, True
        direction = np.linalg.solve(fastfd.jacobian(f, x, args), -y)
        damping = 1.0
        while damping > 1e-10:
            there = x + damping * direction
            y = f(there, *args)
            if np.linalg.norm(y) < (1.0 - 1e-4 * damping) * size:
                break
            damping *= 0.5
        x = there
    return x, most, False


@njit
def broyden(x, shift):
    """Broyden's tridiagonal function (Moré, Garbow and Hillstrom 1981, no. 30)."""
    y = (3.0 - 2.0 * x) * x + shift
    y[1:] -= x[:-1]
    y[:-1] -= 2.0 * x[1:]
    return y


@njit
def van_der_pol(y, mu):
    return np.array([y[1], mu * (1.0 - y[0] ** 2) * y[1] - y[0]])


@njit
def trapezoid(f, y, args, end, steps):
    """Implicit trapezoidal rule: y⁺ - y = h/2 (f(y) + f(y⁺)), each step by Newton's method with one Jacobian."""
    h, identity = end / steps, np.eye(y.size)
    for _ in range(steps):
        slope = f(y, *args)
        matrix = identity - 0.5 * h * fastfd.jacobian(f, y, args, method="central")
        there = y + h * slope
        for _ in range(20):
            residual = there - y - 0.5 * h * (slope + f(there, *args))
            correction = np.linalg.solve(matrix, -residual)
            there = there + correction
            if np.linalg.norm(correction) <= 1e-10 * (1.0 + np.linalg.norm(there)):
                break
        y = there
    return y


@njit(parallel=True)
def many_zeros(shifts, n):
    """Newton's method for many systems, on all processors."""
    zeros, failed = np.empty((shifts.size, n)), np.zeros(shifts.size, np.int64)
    for i in prange(shifts.size):
        x, _, found = newton(broyden, -np.ones(n), (shifts[i],))
        zeros[i] = x
        failed[i] = 0 if found else 1
    return zeros, failed.sum()


def main() -> None:
    x, iterations, found = newton(broyden, -np.ones(10), (1.0,))
    print(f"Broyden's function, n = 10: {iterations} iterations, |f| = {np.linalg.norm(broyden(x, 1.0)):.1e}, found: {found}")

    zeros, failed = many_zeros(np.linspace(0.5, 1.5, 200), 10)
    worst = max(np.linalg.norm(broyden(x, shift)) for x, shift in zip(zeros, np.linspace(0.5, 1.5, 200)))
    print(f"200 of them in a prange: {failed} failed, largest |f| = {worst:.1e}")

    mu, start, end = 100.0, np.array([2.0, 0.0]), 50.0
    exact = solve_ivp(lambda t, y: van_der_pol(y, mu), (0, end), start, method="Radau", rtol=1e-11, atol=1e-12).y[:, -1]
    for steps in (500, 1000, 2000):
        error = np.abs(trapezoid(van_der_pol, start, (mu,), end, steps) - exact).max()
        print(f"Van der Pol, mu = 100, to t = 50 in {steps} steps of the trapezoidal rule: error {error:.1e}")


if __name__ == "__main__":
    main()
