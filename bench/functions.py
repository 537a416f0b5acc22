"""The functions every rival differentiates, with their derivatives written by hand.

Those with a C rival exist in place (`f(x, out)`) and, around that, returning a fresh array; the same
arithmetic stands in `bench/c/`. The loops run over slices because numba's check for negative indices
keeps LLVM from vectorising `x[i - 1]`, and `error_model="numpy"` is what any numba user who cares for
speed writes.
"""

from collections.abc import Callable

import numpy as np
from numba import njit

STEPS, DT = 50, 0.01


@njit(error_model="numpy")
def broyden_into(x: np.ndarray, out: np.ndarray) -> None:
    n = x.size
    left, middle, right, inner = x[: n - 2], x[1 : n - 1], x[2:], out[1 : n - 1]
    out[0] = (3.0 - 2.0 * x[0]) * x[0] - 2.0 * x[1] + 1.0
    for i in range(n - 2):
        inner[i] = (3.0 - 2.0 * middle[i]) * middle[i] - left[i] - 2.0 * right[i] + 1.0
    out[n - 1] = (3.0 - 2.0 * x[n - 1]) * x[n - 1] - x[n - 2] + 1.0


@njit(error_model="numpy")
def broyden(x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    broyden_into(x, out)
    return out


def broyden_jacobian(x: np.ndarray) -> np.ndarray:
    n = x.size
    J = np.zeros((n, n))
    i = np.arange(n)
    J[i, i] = 3.0 - 4.0 * x
    J[i[1:], i[:-1]] = -1.0
    J[i[:-1], i[1:]] = -2.0
    return J


@njit(error_model="numpy")
def slope(x: np.ndarray, k: np.ndarray) -> None:
    n = x.size
    two_left, left, middle, right, inner = x[: n - 3], x[1 : n - 2], x[2 : n - 1], x[3:], k[2 : n - 1]
    k[0] = (x[1] - x[n - 2]) * x[n - 1] - x[0] + 8.0
    k[1] = (x[2] - x[n - 1]) * x[0] - x[1] + 8.0
    for i in range(n - 3):
        inner[i] = (right[i] - two_left[i]) * left[i] - middle[i] + 8.0
    k[n - 1] = (x[0] - x[n - 3]) * x[n - 2] - x[n - 1] + 8.0


@njit(error_model="numpy")
def ahead(y: np.ndarray, k: np.ndarray, h: float, at: np.ndarray) -> None:
    for i in range(y.size):
        at[i] = y[i] + h * k[i]


@njit(error_model="numpy")
def lorenz_into(x: np.ndarray, out: np.ndarray) -> None:
    at, k1, k2 = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    k3, k4 = np.empty_like(x), np.empty_like(x)
    ahead(x, x, 0.0, out)
    for _ in range(STEPS):
        slope(out, k1)
        ahead(out, k1, 0.5 * DT, at)
        slope(at, k2)
        ahead(out, k2, 0.5 * DT, at)
        slope(at, k3)
        ahead(out, k3, DT, at)
        slope(at, k4)
        for i in range(x.size):
            out[i] += DT / 6.0 * (k1[i] + 2.0 * (k2[i] + k3[i]) + k4[i])


@njit(error_model="numpy")
def lorenz(x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    lorenz_into(x, out)
    return out


@njit(error_model="numpy")
def lorenz_laps(x: np.ndarray, laps: int) -> np.ndarray:
    """The flow map several times: the same derivatives to find, at a price."""
    out = lorenz(x)
    for _ in range(laps - 1):
        out = lorenz(out)
    return out


@njit(error_model="numpy")
def lorenz_energy(x: np.ndarray, laps: int) -> float:
    out, total = lorenz_laps(x, laps), 0.0
    for value in out:
        total += value * value
    return total


@njit(error_model="numpy")
def rosenbrock_residual(x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    out[0] = 10.0 * (x[1] - x[0] * x[0])
    out[1] = 1.0 - x[0]
    return out


@njit(error_model="numpy")
def rosenbrock(x: np.ndarray) -> float:
    total = 0.0
    for i in range(x.size - 1):
        total += 100.0 * (x[i + 1] - x[i] * x[i]) ** 2 + (1.0 - x[i]) ** 2
    return total


@njit(error_model="numpy")
def rosenbrock_gradient(x: np.ndarray) -> np.ndarray:
    out = np.zeros_like(x)
    for i in range(x.size - 1):
        bend = x[i + 1] - x[i] * x[i]
        out[i] -= 400.0 * bend * x[i] + 2.0 * (1.0 - x[i])
        out[i + 1] += 200.0 * bend
    return out


def rosenbrock_hessian(x: np.ndarray) -> np.ndarray:
    diagonal = np.zeros(x.size)
    diagonal[:-1] = 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    diagonal[1:] += 200.0
    beside = -400.0 * x[:-1]
    return np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)


@njit(error_model="numpy")
def logistic(w: np.ndarray, features: np.ndarray, labels: np.ndarray) -> float:
    loss = 0.0
    for r in range(labels.size):
        z = 0.0
        for i in range(w.size):
            z += features[r, i] * w[i]
        loss += np.log1p(np.exp(-abs(z))) + max(z, 0.0) - labels[r] * z
    return loss / labels.size


def logistic_gradient(w: np.ndarray, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return features.T @ (sigmoid(features @ w) - labels) / labels.size


def logistic_hessian(w: np.ndarray, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    p = sigmoid(features @ w)
    return (features.T * (p * (1.0 - p))) @ features / labels.size


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-z))


def logistic_data() -> tuple[np.ndarray, np.ndarray]:
    """Made-up samples in the shape of the breast-cancer set, 569 by 30: the same numbers everywhere."""
    rng = np.random.default_rng(7)
    features = rng.standard_normal((569, 30))
    labels = (features @ rng.standard_normal(30) + rng.standard_normal(569) > 0.0).astype(float)
    return features, labels


def polynomial_function() -> Callable:
    """A new function at every call, so that what its compilation costs can be timed again and again."""

    @njit(error_model="numpy")
    def polynomial(x: float) -> float:
        return 1.0 + x * (2.0 - x * (0.5 + x * (0.25 - x * 0.125)))

    return polynomial


def expsin_function() -> Callable:
    @njit(error_model="numpy")
    def expsin(x: float) -> float:
        return np.exp(-0.5 * x) * np.sin(3.0 * x)

    return expsin


def polynomial_derivative(x: np.ndarray) -> np.ndarray:
    return 2.0 - x * (1.0 + x * (0.75 - x * 0.5))


def expsin_derivative(x: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * x) * (3.0 * np.cos(3.0 * x) - 0.5 * np.sin(3.0 * x))


def complex_step(f: Callable, x: np.ndarray) -> np.ndarray:
    """The exact Jacobian of an analytic f: no difference is taken, so the step may be tiny."""
    columns = [f(x + 1e-30j * unit).imag / 1e-30 for unit in np.eye(x.size)]
    return np.array(columns).T
