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
    plt = __import__("fastfd.extras", fromlist=["require"]).require("matplotlib.pyplot", "plot", "this picture")
    figure, ax = plt.subplots(figsize=(6.0, 4.2), layout="constrained")
    x, y = np.meshgrid(np.linspace(-1.6, 1.4, 300), np.linspace(-0.5, 1.6, 300))
    height = np.array([rosenbrock(np.array(p)) for p in zip(x.flat, y.flat)]).reshape(x.shape)
    ax.contourf(x, y, np.log10(height + 1e-3), 24, cmap="Greys", alpha=0.6)
    for (name, path), colour, mark in zip(paths.items(), ("#0072B2", "#D55E00"), (".", "o")):
        ax.plot(*path.T, mark + "-", color=colour, ms=3 if mark == "." else 5, lw=1, label=f"{name}, {len(path) - 1} steps")
    ax.plot(1, 1, "*", ms=14, color="#009E73", mec="white", label="minimum")
    ax.set(xlabel="x₀", ylabel="x₁", xlim=(-1.6, 1.4), ylim=(-0.5, 1.6))
    ax.legend(loc="lower left", fontsize=8)
    figure.savefig(file, dpi=150)


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
