"""Scenarios: functions, points, and derivatives known in closed form. Data only.

Every function is njit and runs as plain Python too (``as_python(f)``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit


def as_python(f: Callable) -> Callable:
    """An njit function as plain Python, whether or not NUMBA_DISABLE_JIT is set."""
    return getattr(f, "py_func", f)


U64, U32 = 2.0**-53, 2.0**-24


@dataclass(frozen=True, eq=False)
class Scenario:
    """f at a point. The Jacobian has f's shape followed by x's."""

    name: str
    f: Callable
    x: Any
    jacobian: Any
    args: tuple = ()
    hessian: Any = None  # where f returns one number
    out_size: int | None = None  # f writes in place
    analytic: bool = True  # runs on complex numbers, and is analytic there
    roundoff: float = U64

    @property
    def point(self) -> np.ndarray:
        return np.asarray(self.x, float)

    @property
    def truth(self) -> np.ndarray:
        return np.asarray(self.jacobian)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of f's result."""
        return self.truth.shape[: self.truth.ndim - self.point.ndim]


# --- numbers to numbers ---------------------------------------------------------------------------------------------


@njit
def wave(x, a):
    return np.sin(a * x)


@njit
def powers(x):
    return np.array([x, x * x, x * x * x])


@njit
def phase(x):
    return np.exp(2j * x)


@njit
def default_scale(x, scale=3.0):
    return scale * x * x


# --- vectors to numbers ---------------------------------------------------------------------------------------------


@njit
def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def rosenbrock_gradient(x):
    return [-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)]


def rosenbrock_hessian(x):
    return [[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200.0]]


@njit
def quadratic(x, A, b):
    total = 0.0 * x[0]
    for i in range(x.size):
        total += b[i] * x[i]
        for j in range(x.size):
            total += 0.5 * A[i, j] * x[i] * x[j]
    return total


@njit
def sum_of_squares(x):
    total = 0.0 * x[0, 0]
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            total += (i + 2 * j + 1) * x[i, j] ** 2
    return total


@njit
def starred(x, *weights):
    return weights[0] * np.exp(x[0]) + weights[1] * np.log(x[1])


# --- vectors to vectors ---------------------------------------------------------------------------------------------


@njit
def polar(x):
    return np.array([x[0] * np.cos(x[1]), x[0] * np.sin(x[1])])


@njit
def decay(p, t, y):
    return p[0] * np.exp(-p[1] * t) - y


@njit
def as_tuple(x):
    return x[0] * x[1], x[0] + x[1], np.sin(x[0])


@njit
def as_list(x):
    return [x[0] * x[1], x[0] + x[1]]


@njit
def pairs(x, ab):
    a, b = ab
    return np.array([a * x[0], b * x[1] ** 2])


@njit
def complex_pair(x):
    return np.array([np.exp(1j * x[0]) * x[1], x[0] + 2j * x[1]])


@njit
def outer(x):
    """R³ → R²ˣ²."""
    return np.array([[x[0] * x[1], x[1] * x[2]], [np.sin(x[2]), x[0] ** 2]])


@njit
def row_products(x):
    """R²ˣ³ → R²."""
    return np.array([x[0, 0] * x[0, 1] * x[0, 2], x[1, 0] * x[1, 1] * x[1, 2]])


@njit
def gram(x):
    """R²ˣ³ → R²ˣ²."""
    return x @ x.T


@njit
def transposed(x):
    """Not contiguous."""
    y = np.stack((x * x, 3 * x))
    return y.T


@njit
def whole(x):
    return int(np.floor(x[0])) + 2


@njit
def positive(x):
    return x[0] > 0


@njit
def single(x):
    """Single precision inside and out."""
    y = x.astype(np.float32)
    return np.sin(y) * np.float32(2)


@njit
def in_place(x, out, a):
    out[0] = a * x[0] * x[1]
    out[1] = np.exp(x[0])
    out[2] = 7.0


@njit
def nothing(x):
    return x[:0]


@njit
def size_and_sum(x):
    return np.array([1.0 * x.size, np.sum(x)])


def _gram_jacobian(x):
    d = np.eye(2)
    return np.einsum("ik,jl->ijkl", d, x) + np.einsum("jk,il->ijkl", d, x)


T = np.linspace(0.0, 2.0, 5)
A3 = np.array([[2.0, 0.5, -1.0], [0.5, 3.0, 0.25], [-1.0, 0.25, 5.0]])
B3 = np.array([1.0, -2.0, 0.5])
X3 = np.array([0.3, -1.2, 2.0])
X23 = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
WEIGHTS23 = np.array([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])
P2 = np.array([2.5, 1.3])

SCENARIOS = (
    Scenario("wave", wave, 0.7, 2 * np.cos(1.4), (2.0,), -4 * np.sin(1.4)),
    Scenario("powers of a number", powers, -1.5, [1.0, -3.0, 6.75]),
    Scenario("phase", phase, 0.3, 2j * np.exp(0.6j), analytic=False),
    Scenario("default argument", default_scale, 2.0, 12.0, (), 6.0),
    Scenario("default argument given", default_scale, 2.0, 20.0, (5.0,), 10.0),
    Scenario("Rosenbrock", rosenbrock, [-1.2, 1.0], rosenbrock_gradient([-1.2, 1.0]),
             hessian=rosenbrock_hessian([-1.2, 1.0])),
    Scenario("quadratic", quadratic, X3, A3 @ X3 + B3, (A3, B3), A3),
    Scenario("function of a matrix", sum_of_squares, X23, 2 * WEIGHTS23 * X23,
             hessian=np.diag(2 * WEIGHTS23.ravel()).reshape(2, 3, 2, 3)),
    Scenario("star", starred, [0.5, 2.0], [3 * np.exp(0.5), -1.0], (3.0, -2.0), [[3 * np.exp(0.5), 0], [0, 0.5]]),
    Scenario("polar", polar, [2.0, 0.5],
             [[np.cos(0.5), -2 * np.sin(0.5)], [np.sin(0.5), 2 * np.cos(0.5)]]),
    Scenario("decay", decay, P2, np.stack([np.exp(-1.3 * T), -2.5 * T * np.exp(-1.3 * T)], 1), (T, 1 + T)),
    Scenario("tuple", as_tuple, [0.5, 2.0], [[2.0, 0.5], [1, 1], [np.cos(0.5), 0]]),
    Scenario("list", as_list, [0.5, 2.0], [[2.0, 0.5], [1, 1]]),
    Scenario("tuple among the arguments", pairs, [0.5, 2.0], [[3.0, 0], [0, 20.0]], ((3.0, 5),)),
    Scenario("complex values", complex_pair, [0.5, 2.0], [[2j * np.exp(0.5j), np.exp(0.5j)], [1, 2j]], analytic=False),
    Scenario("matrix-valued", outer, X3, [[[X3[1], X3[0], 0], [0, X3[2], X3[1]]],
                                          [[0, 0, np.cos(X3[2])], [2 * X3[0], 0, 0]]]),
    Scenario("matrix to vector", row_products, X23, [[[-2.0, 1.0, -0.5], [0, 0, 0]],
                                                     [[0, 0, 0], [-0.1875, -1.125, 0.375]]]),
    Scenario("matrix to matrix", gram, X23, _gram_jacobian(X23), analytic=False),  # numba: no complex @ real
    Scenario("not contiguous", transposed, X3, np.stack([2 * np.diag(X3), 3 * np.eye(3)], 1)),
    Scenario("integer", whole, [1.5, 2.0], [0.0, 0.0], analytic=False),
    Scenario("bool", positive, [1.5, 2.0], [0.0, 0.0], analytic=False),
    Scenario("single precision", single, X3, 2 * np.diag(np.cos(X3)), analytic=False, roundoff=U32),
    Scenario("in place", in_place, [0.5, 2.0], [[6.0, 1.5], [np.exp(0.5), 0], [0, 0]], (3.0,), out_size=3,
             analytic=False),
    Scenario("no inputs", size_and_sum, np.empty(0), np.empty((2, 0)), analytic=False),
    Scenario("no outputs", nothing, X3, np.empty((0, 3)), analytic=False),
)  # fmt: skip


# --- a fit ------------------------------------------------------------------------------------------------------------


@njit(error_model="numpy")
def decay(p, t, y):
    return p[0] * np.exp(-p[1] * t) + p[2] - y


def decay_jacobian(p, t, y):
    e = np.exp(-p[1] * t)
    return np.stack([e, -p[0] * t * e, np.ones_like(t)], axis=1)


def decay_data(m):
    """Times, and what was measured there, with noise."""
    rng, t = np.random.default_rng(7), np.linspace(0.0, 4.0, m)
    return t, decay(np.array([2.5, 1.3, 0.5]), t, 0.05 * rng.standard_normal(m))
