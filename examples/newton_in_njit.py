"""Solvers written wholly in njit code, with derivatives from fastfd inside.

A damped Newton method for a system of equations, and a stiff initial value problem by the implicit trapezoidal rule, whose
steps are solved by Newton's method. Nothing goes back to Python between the first line and the last.

    python examples/newton_in_njit.py newton.png
"""

import sys

import numpy as np
from numba import njit, prange
from scipy.integrate import solve_ivp

import fastfd

SIDE = 160  # points a side of the picture


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
def cube(z):
    """z³ = 1 in the complex plane, as two equations."""
    x, y = z
    return np.array([x**3 - 3 * x * y**2 - 1.0, 3 * x**2 * y - y**3])


@njit
def van_der_pol(y, mu):
    return np.array([y[1], mu * (1.0 - y[0] ** 2) * y[1] - y[0]])


@njit
def trapezoid(f, y, args, end, steps):
    """Implicit trapezoidal rule: y⁺ - y = h/2 (f(y) + f(y⁺)), each step by Newton's method with one Jacobian."""
    h, identity, path = end / steps, np.eye(y.size), np.empty((steps + 1, y.size))
    path[0] = y
    for k in range(steps):
        slope = f(y, *args)
        matrix = identity - 0.5 * h * fastfd.jacobian(f, y, args, method="central")
        there = y + h * slope
        for _ in range(20):
            residual = there - y - 0.5 * h * (slope + f(there, *args))
            correction = np.linalg.solve(matrix, -residual)
            there = there + correction
            if np.linalg.norm(correction) <= 1e-10 * (1.0 + np.linalg.norm(there)):
                break
        y = path[k + 1] = there
    return path


@njit(parallel=True)
def basins(points):
    """From each starting point the zero of `cube` that Newton's method finds, on all processors."""
    zeros, failed = np.empty_like(points), np.zeros(len(points), np.int64)
    for i in prange(len(points)):
        x, _, found = newton(cube, points[i], ())
        zeros[i] = x
        failed[i] = 0 if found else 1
    return zeros, failed.sum()


def draw(angles, path, end, file):
    import matplotlib.pyplot as plt
    from matplotlib.colors import ListedColormap

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained", width_ratios=(1, 1.6))
    left.imshow(angles, origin="lower", extent=(-2, 2, -2, 2), cmap=ListedColormap(["#56B4E9", "#F0E442", "#0072B2"]))
    for angle in (-2, 0, 2):
        left.plot(np.cos(angle * np.pi / 3), np.sin(angle * np.pi / 3), "o", color="white", mec="black", ms=6)
    left.set(xlabel="x", ylabel="y", title="which zero of z³ = 1 is found")
    right.plot(np.linspace(0, end, len(path)), path[:, 0], color="#0072B2")
    right.set(xlabel="t", ylabel="y", title="Van der Pol, μ = 20, by the implicit trapezoidal rule")
    figure.savefig(file, dpi=100)


def main(file=None):
    x, iterations, found = newton(cube, np.array([-1.0, 2.0]), ())
    print(f"z³ = 1 from -1 + 2i: {x.round(6)} in {iterations} iterations, |f| = {np.linalg.norm(cube(x)):.1e}, found: {found}")

    side = np.linspace(-2, 2, SIDE)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    zeros, failed = basins(points)
    angles = np.rint(np.arctan2(zeros[:, 1], zeros[:, 0]) / (2 * np.pi / 3))
    worst = max(np.linalg.norm(cube(zero)) for zero in zeros)
    print(f"from {len(points)} points in a prange: {failed} failed, largest |f| = {worst:.1e}")
    print("found each of the three zeros from", *(f"{np.mean(angles == k):.1%}" for k in (-1, 0, 1)))

    mu, start, end = 20.0, np.array([2.0, 0.0]), 80.0
    exact = solve_ivp(lambda t, y: van_der_pol(y, mu), (0, end), start, method="Radau", rtol=1e-9, atol=1e-9).y[:, -1]
    for steps in (4000, 8000, 16000):
        path = trapezoid(van_der_pol, start, (mu,), end, steps)
        error = np.abs(path[-1] - exact).max()
        print(f"Van der Pol, mu = 20, to t = 80 in {steps} steps of the trapezoidal rule: error {error:.1e}")
    if file:
        draw(angles.reshape(SIDE, SIDE), path, end, file)


if __name__ == "__main__":
    main(*sys.argv[1:2])
