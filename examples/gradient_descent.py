"""Plain gradient descent with numerical gradients, and what a real optimiser does with the same ones.

    python examples/gradient_descent.py descent.png

Rosenbrock's valley: the gradient points across the valley, hardly ever along it, so that each step that does not
overshoot is short. Better gradients do not help: even exact ones do not. A quasi-Newton method learns the
curvature from the same gradients.
"""

import sys

import numpy as np
from numba import njit
from scipy.optimize import minimize

import fastfd

START = np.array([-1.2, 1.0])


@njit
def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def exact_gradient(x):
    cross = 200 * (x[1] - x[0] ** 2)
    return np.array([-2 * x[0] * cross - 2 * (1 - x[0]), cross])


def descend(gradient, x, rate, steps):
    """x ← x − rate · ∇f(x), every point kept."""
    path = [x]
    for _ in range(steps):
        path.append(path[-1] - rate * gradient(path[-1]))
    return np.array(path)


def quasi_newton(gradient):
    """The points that BFGS visits."""
    path = [START]
    found = minimize(rosenbrock, START, jac=gradient, method="BFGS", callback=lambda x: path.append(x.copy()))
    return np.array(path), found


def report(paths):
    print(f"{'':28}  {'steps':>6}  {'f at the end':>12}  {'distance to (1, 1)':>18}")
    for name, path in paths.items():
        print(f"{name:28}  {len(path) - 1:>6}  {rosenbrock(path[-1]):>12.1e}  {np.linalg.norm(path[-1] - 1):>18.1e}")


def draw(paths, file):
    """The ways through the valley, and f along them."""
    import matplotlib.pyplot as plt  # the extra "plot"; the table needs none

    figure, (plane, curve) = plt.subplots(1, 2, figsize=(9.0, 3.8), layout="constrained")
    x, y = np.meshgrid(np.linspace(-1.6, 1.4, 300), np.linspace(-0.5, 1.6, 300))
    height = np.array([rosenbrock(np.array(p)) for p in zip(x.flat, y.flat)]).reshape(x.shape)
    plane.contour(x, y, np.log10(height + 1e-3), 16, colors="0.8", linewidths=0.7)
    for (name, path), colour, mark in zip(paths.items(), ("#0072B2", "#D55E00"), (",", "o")):
        label = f"{name}, {len(path) - 1} steps"
        plane.plot(*path.T, mark + "-", color=colour, ms=4, lw=2.5 if mark == "," else 1, label=label)
        curve.loglog(np.arange(1, len(path) + 1), [rosenbrock(p) for p in path], color=colour, label=label)
    plane.plot(*START, "s", color="k", ms=6, label="start")
    plane.plot(1, 1, "*", ms=14, color="#009E73", mec="white", label="minimum")
    plane.set(xlabel="x₀", ylabel="x₁", xlim=(-1.6, 1.4), ylim=(-0.5, 1.6))
    curve.set(xlabel="step", ylabel="f")
    plane.legend(loc="upper center", fontsize=8)
    figure.savefig(file, dpi=100)


def main(file=None):
    gradient = fastfd.Gradient(rosenbrock)
    path, found = quasi_newton(gradient)
    plain = descend(gradient, START, 1e-3, 2000)
    report({"descent": plain, "descent, exact gradients": descend(exact_gradient, START, 1e-3, 2000),
            "BFGS": path})  # fmt: skip
    errors = [np.abs(gradient(x) - exact_gradient(x)).max() for x in plain[::50]]
    print(f"\nlargest error of a numerical gradient on the way: {max(errors):.1e}")
    print(f"BFGS called f {found.nfev} times and its gradient {found.njev} times")
    if file:
        draw({"gradient descent": plain, "BFGS": path}, file)


if __name__ == "__main__":
    main(*sys.argv[1:2])
