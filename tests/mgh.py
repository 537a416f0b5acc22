"""The 35 problems of Moré, Garbow and Hillstrom (ACM TOMS 7, 17-41, 1981), as data.

Each residual is an `@njit` function that also runs as plain Python and on complex x; each Jacobian is written
by hand from the formula and accepts complex x too, so that a complex step through it gives exact second
derivatives. Indices in the docstrings count from 1, as in the paper. Three formulas are rewritten without a
change of value: helical valley's angle and the absolute value in Gulf so that they are analytic, 1 - cos x
in trigonometric so that it keeps its digits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from scenarios import as_python


@dataclass(frozen=True, eq=False)
class Problem:
    """A residual r: Rⁿ → Rᵐ, its standard starting point and what is known about it."""

    name: str
    residual: Callable[..., np.ndarray]
    x0: np.ndarray
    jacobian: Callable[..., np.ndarray]
    args: tuple[Any, ...] = ()
    minimum: float | None = None  # of the sum of squares, its first six digits, as published
    hessian: Callable[..., np.ndarray] | None = None  # of the sum of squares, where it is one line

    @cached_property
    def objective(self) -> Callable[..., float]:
        """The sum of squares as an njit function of (x, *args); it compiles when first called."""
        return sum_of_squares(self.residual, len(self.args))


def sum_of_squares(residual: Callable[..., np.ndarray], n_args: int) -> Callable[..., float]:
    """Σ rᵢ² as an njit function; of fixed arity, because numba makes one tuple of `*args`."""
    forms = (
        lambda x: np.sum(residual(x) ** 2),
        lambda x, a: np.sum(residual(x, a) ** 2),
        lambda x, a, b: np.sum(residual(x, a, b) ** 2),
    )
    return njit(forms[n_args])


def gradient_reference(problem: Problem, x: np.ndarray) -> np.ndarray:
    """The gradient 2 Jᵀr of the sum of squares; x may be complex."""
    return 2 * problem.jacobian(x, *problem.args).T @ as_python(problem.residual)(x, *problem.args)


def hessian_reference(problem: Problem, x: np.ndarray, h: float = 1e-30) -> np.ndarray:
    """The Hessian of the sum of squares: a complex step through the gradient, then made symmetric."""
    columns = [gradient_reference(problem, x + h * 1j * e).imag / h for e in np.eye(x.size)]
    return (np.array(columns) + np.transpose(columns)) / 2


@njit
def rosenbrock(x):
    """MGH 1, and its extension 21: 10 (x₂ - x₁²), 1 - x₁ for each pair."""
    r = np.empty_like(x)
    r[0::2] = 10 * (x[1::2] - x[0::2] ** 2)
    r[1::2] = 1 - x[0::2]
    return r


def rosenbrock_jacobian(x):
    i = np.arange(0, x.size, 2)
    J = np.zeros((x.size, x.size), x.dtype)
    J[i, i], J[i, i + 1], J[i + 1, i] = -20 * x[i], 10, -1
    return J


def rosenbrock_hessian(x):
    """For a single pair."""
    return np.array([[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200]])


@njit
def freudenstein_roth(x):
    """MGH 2."""
    return np.array([
        -13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1],
        -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1],
    ])


def freudenstein_roth_jacobian(x):
    return np.array([[1, (10 - 3 * x[1]) * x[1] - 2], [1, (3 * x[1] + 2) * x[1] - 14]])


@njit
def powell_badly_scaled(x):
    """MGH 3."""
    return np.array([1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001])


def powell_badly_scaled_jacobian(x):
    return np.array([[1e4 * x[1], 1e4 * x[0]], [-np.exp(-x[0]), -np.exp(-x[1])]])


@njit
def brown_badly_scaled(x):
    """MGH 4."""
    return np.array([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2])


def brown_badly_scaled_jacobian(x):
    return np.array([[1, 0], [0, 1], [x[1], x[0]]])


def brown_badly_scaled_hessian(x):
    mixed = 4 * x[0] * x[1] - 4
    return np.array([[2 + 2 * x[1] ** 2, mixed], [mixed, 2 + 2 * x[0] ** 2]])


@njit
def beale(x):
    """MGH 5: yᵢ - x₁ (1 - x₂ⁱ)."""
    return np.array([1.5 - x[0] * (1 - x[1]), 2.25 - x[0] * (1 - x[1] ** 2), 2.625 - x[0] * (1 - x[1] ** 3)])


def beale_jacobian(x):
    i = np.arange(1, 4)
    return np.column_stack([x[1] ** i - 1, i * x[0] * x[1] ** (i - 1)])


@njit
def jennrich_sampson(x, i):
    """MGH 6: 2 + 2i - (exp(i x₁) + exp(i x₂))."""
    return 2 + 2 * i - (np.exp(i * x[0]) + np.exp(i * x[1]))


def jennrich_sampson_jacobian(x, i):
    return -i[:, None] * np.exp(np.outer(i, x))


@njit
def helical_valley(x):
    """MGH 7: 10 (x₃ - 10 θ(x₁, x₂)), 10 (√(x₁² + x₂²) - 1), x₃; θ in turns, cut at x₁ = 0 > x₂."""
    rho = np.sqrt(x[0] ** 2 + x[1] ** 2)
    theta = 0.25 - np.arctan(x[0] / (rho + x[1])) / np.pi  # from the x₂ axis, half-angle: no branch at x₁ = 0
    return np.array([10 * (x[2] - 10 * theta), 10 * (rho - 1), x[2]])


def helical_valley_jacobian(x):
    rho = np.sqrt(x[0] ** 2 + x[1] ** 2)
    turn = 50 / (np.pi * rho**2)
    return np.array([
        [turn * x[1], -turn * x[0], 10],
        [10 * x[0] / rho, 10 * x[1] / rho, 0],
        [0, 0, 1],
    ])


@njit
def bard(x, u, y):
    """MGH 8: yᵢ - (x₁ + uᵢ / (vᵢ x₂ + wᵢ x₃)), with uᵢ = i, vᵢ = 16 - i, wᵢ = min(uᵢ, vᵢ)."""
    v = 16 - u
    return y - (x[0] + u / (v * x[1] + np.minimum(u, v) * x[2]))


def bard_jacobian(x, u, y):
    v, w = 16 - u, np.minimum(u, 16 - u)
    slope = u / (v * x[1] + w * x[2]) ** 2
    return np.column_stack([-np.ones(u.size), v * slope, w * slope])


@njit
def gaussian(x, t, y):
    """MGH 9: x₁ exp(-x₂ (tᵢ - x₃)² / 2) - yᵢ."""
    return x[0] * np.exp(-x[1] * (t - x[2]) ** 2 / 2) - y


def gaussian_jacobian(x, t, y):
    d = t - x[2]
    bell = np.exp(-x[1] * d**2 / 2)
    return np.column_stack([bell, -x[0] * d**2 / 2 * bell, x[0] * x[1] * d * bell])


@njit
def meyer(x, t, y):
    """MGH 10: x₁ exp(x₂ / (tᵢ + x₃)) - yᵢ."""
    return x[0] * np.exp(x[1] / (t + x[2])) - y


def meyer_jacobian(x, t, y):
    d = t + x[2]
    growth = np.exp(x[1] / d)
    return np.column_stack([growth, x[0] / d * growth, -x[0] * x[1] / d**2 * growth])


@njit
def gulf(x, t, y):
    """MGH 11: exp(-|yᵢ - x₂|^x₃ / x₁) - tᵢ; the paper's "y mi x₂" is a misprint for the minus sign."""
    power = ((y - x[1]) ** 2) ** (x[2] / 2)  # |y - x₂|^x₃, analytic
    return np.exp(-power / x[0]) - t


def gulf_jacobian(x, t, y):
    d = y - x[1]
    power = (d**2) ** (x[2] / 2) / x[0]
    slope = power * np.exp(-power)
    return np.column_stack([slope / x[0], slope * x[2] / d, -slope * np.log(d**2) / 2])


@njit
def box(x, t):
    """MGH 12: exp(-tᵢ x₁) - exp(-tᵢ x₂) - x₃ (exp(-tᵢ) - exp(-10 tᵢ))."""
    return np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t))


def box_jacobian(x, t):
    return np.column_stack([-t * np.exp(-t * x[0]), t * np.exp(-t * x[1]), np.exp(-10 * t) - np.exp(-t)])


@njit
def powell_singular(x):
    """MGH 13, and its extension 22: x₁ + 10 x₂, √5 (x₃ - x₄), (x₂ - 2 x₃)², √10 (x₁ - x₄)² for each four."""
    r = np.empty_like(x)
    r[0::4] = x[0::4] + 10 * x[1::4]
    r[1::4] = np.sqrt(5) * (x[2::4] - x[3::4])
    r[2::4] = (x[1::4] - 2 * x[2::4]) ** 2
    r[3::4] = np.sqrt(10) * (x[0::4] - x[3::4]) ** 2
    return r


def powell_singular_jacobian(x):
    i = np.arange(0, x.size, 4)
    J = np.zeros((x.size, x.size), x.dtype)
    inner, outer = 2 * (x[i + 1] - 2 * x[i + 2]), 2 * np.sqrt(10) * (x[i] - x[i + 3])
    J[i, i], J[i, i + 1] = 1, 10
    J[i + 1, i + 2], J[i + 1, i + 3] = np.sqrt(5), -np.sqrt(5)
    J[i + 2, i + 1], J[i + 2, i + 2] = inner, -2 * inner
    J[i + 3, i], J[i + 3, i + 3] = outer, -outer
    return J


@njit
def wood(x):
    """MGH 14."""
    return np.array([
        10 * (x[1] - x[0] ** 2),
        1 - x[0],
        np.sqrt(90) * (x[3] - x[2] ** 2),
        1 - x[2],
        np.sqrt(10) * (x[1] + x[3] - 2),
        (x[1] - x[3]) / np.sqrt(10),
    ])


def wood_jacobian(x):
    a, b = np.sqrt(90), np.sqrt(10)
    return np.array([
        [-20 * x[0], 10, 0, 0],
        [-1, 0, 0, 0],
        [0, 0, -2 * a * x[2], a],
        [0, 0, -1, 0],
        [0, b, 0, b],
        [0, 1 / b, 0, -1 / b],
    ])


@njit
def kowalik_osborne(x, u, y):
    """MGH 15: yᵢ - x₁ (uᵢ² + uᵢ x₂) / (uᵢ² + uᵢ x₃ + x₄)."""
    return y - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def kowalik_osborne_jacobian(x, u, y):
    above, below = u**2 + u * x[1], u**2 + u * x[2] + x[3]
    slope = x[0] * above / below**2
    return np.column_stack([-above / below, -x[0] * u / below, u * slope, slope])


@njit
def brown_dennis(x, t):
    """MGH 16: (x₁ + tᵢ x₂ - exp tᵢ)² + (x₃ + x₄ sin tᵢ - cos tᵢ)²."""
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2


def brown_dennis_jacobian(x, t):
    a, b = x[0] + t * x[1] - np.exp(t), x[2] + x[3] * np.sin(t) - np.cos(t)
    return 2 * np.column_stack([a, a * t, b, b * np.sin(t)])


@njit
def osborne1(x, t, y):
    """MGH 17: yᵢ - (x₁ + x₂ exp(-tᵢ x₄) + x₃ exp(-tᵢ x₅))."""
    return y - (x[0] + x[1] * np.exp(-t * x[3]) + x[2] * np.exp(-t * x[4]))


def osborne1_jacobian(x, t, y):
    a, b = np.exp(-t * x[3]), np.exp(-t * x[4])
    return np.column_stack([-np.ones(t.size), -a, -b, t * x[1] * a, t * x[2] * b])


@njit
def biggs_exp6(x, t, y):
    """MGH 18: x₃ exp(-tᵢ x₁) - x₄ exp(-tᵢ x₂) + x₆ exp(-tᵢ x₅) - yᵢ."""
    return x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4]) - y


def biggs_exp6_jacobian(x, t, y):
    a, b, c = np.exp(-t * x[0]), np.exp(-t * x[1]), np.exp(-t * x[4])
    return np.column_stack([-t * x[2] * a, t * x[3] * b, a, -b, -t * x[5] * c, c])


@njit
def osborne2(x, t, y):
    """MGH 19: yᵢ - (x₁ exp(-tᵢ x₅) + Σₖ₌₂..₄ xₖ exp(-xₖ₊₄ (tᵢ - xₖ₊₇)²))."""
    r = y - x[0] * np.exp(-t * x[4])
    for k in range(1, 4):
        r -= x[k] * np.exp(-x[k + 4] * (t - x[k + 7]) ** 2)
    return r


def osborne2_jacobian(x, t, y):
    decay, d = np.exp(-t * x[4]), t[:, None] - x[8:]
    bells = np.exp(-x[5:8] * d**2)
    bumps = x[1:4] * bells
    return np.column_stack([-decay, -bells, t * x[0] * decay, bumps * d**2, -2 * bumps * x[5:8] * d])


@njit
def watson(x, t):
    """MGH 20: Σⱼ (j - 1) xⱼ tᵢʲ⁻² - (Σⱼ xⱼ tᵢʲ⁻¹)² - 1 for 29 values t; then x₁ and x₂ - x₁² - 1."""
    j = np.arange(x.size)
    r = np.empty(t.size + 2, x.dtype)
    for i in range(t.size):
        powers = t[i] ** j
        r[i] = np.sum(j[1:] * x[1:] * powers[:-1]) - np.sum(x * powers) ** 2 - 1
    r[-2] = x[0]
    r[-1] = x[1] - x[0] ** 2 - 1
    return r


def watson_jacobian(x, t):
    j = np.arange(x.size)
    powers = t[:, None] ** j
    slopes = j * t[:, None] ** np.maximum(j - 1, 0)
    J = np.zeros((t.size + 2, x.size), x.dtype)
    J[:-2] = slopes - 2 * (powers @ x)[:, None] * powers
    J[-2, 0], J[-1, 0], J[-1, 1] = 1, -2 * x[0], 1
    return J


@njit
def penalty1(x):
    """MGH 23: √1e-5 (xᵢ - 1), then Σ xⱼ² - 1/4."""
    r = np.empty(x.size + 1, x.dtype)
    r[:-1] = np.sqrt(1e-5) * (x - 1)
    r[-1] = np.sum(x**2) - 0.25
    return r


def penalty1_jacobian(x):
    return np.vstack([np.sqrt(1e-5) * np.eye(x.size), 2 * x])


def penalty1_hessian(x):
    return (2e-5 + 4 * (np.sum(x**2) - 0.25)) * np.eye(x.size) + 8 * np.outer(x, x)


@njit
def penalty2(x):
    """MGH 24: x₁ - 1/5; √1e-5 (eᵢ + eᵢ₋₁ - yᵢ) and √1e-5 (eᵢ - exp(-1/10)), i ≥ 2; Σ (n - j + 1) xⱼ² - 1."""
    n = x.size
    i = np.arange(2, n + 1)
    e = np.exp(x / 10)
    r = np.empty(2 * n, x.dtype)
    r[0] = x[0] - 0.2
    r[1:n] = np.sqrt(1e-5) * (e[1:] + e[:-1] - np.exp(i / 10) - np.exp((i - 1) / 10))
    r[n:-1] = np.sqrt(1e-5) * (e[1:] - np.exp(-0.1))
    r[-1] = np.sum(np.arange(n, 0, -1) * x**2) - 1
    return r


def penalty2_jacobian(x):
    n = x.size
    E = np.diag(np.sqrt(1e-5) / 10 * np.exp(x / 10))
    return np.vstack([np.eye(n)[0], E[1:] + E[:-1], E[1:], 2 * np.arange(n, 0, -1) * x])


@njit
def variably_dimensioned(x):
    """MGH 25: xᵢ - 1, then s = Σ j (xⱼ - 1), then s²."""
    n = x.size
    s = np.sum(np.arange(1, n + 1) * (x - 1))
    r = np.empty(n + 2, x.dtype)
    r[:n], r[n], r[n + 1] = x - 1, s, s**2
    return r


def variably_dimensioned_jacobian(x):
    j = np.arange(1, x.size + 1)
    return np.vstack([np.eye(x.size), j, 2 * np.sum(j * (x - 1)) * j])


def variably_dimensioned_hessian(x):
    j = np.arange(1, x.size + 1)
    return 2 * np.eye(x.size) + (2 + 12 * np.sum(j * (x - 1)) ** 2) * np.outer(j, j)


@njit
def trigonometric(x):
    """MGH 26: n - Σ cos xⱼ + i (1 - cos xᵢ) - sin xᵢ."""
    c = 2 * np.sin(x / 2) ** 2  # 1 - cos x with all its digits
    return np.sum(c) + np.arange(1, x.size + 1) * c - np.sin(x)


def trigonometric_jacobian(x):
    return np.sin(x) + np.diag(np.arange(1, x.size + 1) * np.sin(x) - np.cos(x))


@njit
def brown_almost_linear(x):
    """MGH 27: xᵢ + Σ xⱼ - (n + 1) for i < n, then Π xⱼ - 1."""
    r = x + np.sum(x) - (x.size + 1)
    r[-1] = np.prod(x) - 1
    return r


def brown_almost_linear_jacobian(x):
    J = np.eye(x.size, dtype=x.dtype) + 1
    J[-1] = [np.prod(np.delete(x, j)) for j in range(x.size)]
    return J


@njit
def discrete_boundary_value(x):
    """MGH 28: 2 xᵢ - xᵢ₋₁ - xᵢ₊₁ + h² (xᵢ + tᵢ + 1)³ / 2, with h = 1 / (n + 1), tᵢ = i h, x₀ = xₙ₊₁ = 0."""
    h = 1 / (x.size + 1)
    t = h * np.arange(1, x.size + 1)
    r = 2 * x + h**2 / 2 * (x + t + 1) ** 3
    r[1:] -= x[:-1]
    r[:-1] -= x[1:]
    return r


def discrete_boundary_value_jacobian(x):
    n, h = x.size, 1 / (x.size + 1)
    t = h * np.arange(1, n + 1)
    return np.diag(2 + 1.5 * h**2 * (x + t + 1) ** 2) - np.eye(n, k=-1) - np.eye(n, k=1)


@njit
def discrete_integral_equation(x):
    """MGH 29: xᵢ + h/2 ((1 - tᵢ) Σⱼ≤ᵢ tⱼ cⱼ + tᵢ Σⱼ>ᵢ (1 - tⱼ) cⱼ), with cⱼ = (xⱼ + tⱼ + 1)³."""
    h = 1 / (x.size + 1)
    t = h * np.arange(1, x.size + 1)
    c = (x + t + 1) ** 3
    below, above = t * c, (1 - t) * c
    r = x.copy()
    for i in range(x.size):
        r[i] += h / 2 * ((1 - t[i]) * np.sum(below[: i + 1]) + t[i] * np.sum(above[i + 1 :]))
    return r


def discrete_integral_equation_jacobian(x):
    h = 1 / (x.size + 1)
    t = h * np.arange(1, x.size + 1)
    kernel = np.minimum.outer(t, t) * (1 - np.maximum.outer(t, t))
    return np.eye(x.size) + 1.5 * h * kernel * (x + t + 1) ** 2


@njit
def broyden_tridiagonal(x):
    """MGH 30: (3 - 2 xᵢ) xᵢ - xᵢ₋₁ - 2 xᵢ₊₁ + 1, with x₀ = xₙ₊₁ = 0."""
    r = (3 - 2 * x) * x + 1
    r[1:] -= x[:-1]
    r[:-1] -= 2 * x[1:]
    return r


def broyden_tridiagonal_jacobian(x):
    return np.diag(3 - 4 * x) - np.eye(x.size, k=-1) - 2 * np.eye(x.size, k=1)


@njit
def broyden_banded(x):
    """MGH 31: xᵢ (2 + 5 xᵢ²) + 1 - Σⱼ xⱼ (1 + xⱼ) over j ≠ i with i - 5 ≤ j ≤ i + 1."""
    r = x * (2 + 5 * x**2) + 1
    for i in range(x.size):
        for j in range(max(0, i - 5), min(x.size, i + 2)):
            if j != i:
                r[i] -= x[j] * (1 + x[j])
    return r


def broyden_banded_jacobian(x):
    n = x.size
    band = np.tri(n, k=1) - np.tri(n, k=-6) - np.eye(n)
    return np.diag(2 + 15 * x**2) - band * (1 + 2 * x)


def linear_hessian(jacobian):
    """2 JᵀJ: all there is when the residual is linear."""
    return lambda x, *args: 2 * jacobian(x, *args).T @ jacobian(x, *args)


@njit
def linear_full_rank(x, m):
    """MGH 32: xᵢ - 2/m Σ xⱼ - 1 for i ≤ n, then - 2/m Σ xⱼ - 1."""
    r = np.full(m, -2 / m * np.sum(x) - 1)
    r[: x.size] += x
    return r


def linear_full_rank_jacobian(x, m):
    return np.eye(m, x.size) - 2 / m


@njit
def linear_rank1(x, m):
    """MGH 33: i Σ j xⱼ - 1."""
    return np.arange(1, m + 1) * np.sum(np.arange(1, x.size + 1) * x) - 1


def linear_rank1_jacobian(x, m):
    return np.outer(np.arange(1.0, m + 1), np.arange(1.0, x.size + 1))


@njit
def linear_rank1_zeros(x, m):
    """MGH 34: (i - 1) Σ j xⱼ - 1 over 1 < j < n, with zeros for the first and last row too."""
    rows = np.arange(m)
    rows[-1] = 0
    return rows * np.sum(np.arange(2, x.size) * x[1:-1]) - 1


def linear_rank1_zeros_jacobian(x, m):
    rows, columns = np.arange(0.0, m), np.arange(1.0, x.size + 1)
    rows[-1] = columns[0] = columns[-1] = 0
    return np.outer(rows, columns)


@njit
def chebyquad(x):
    """MGH 35: Σⱼ Tᵢ(xⱼ) / n - ∫Tᵢ, with Tᵢ shifted to [0, 1]; ∫Tᵢ = -1 / (i² - 1) for even i, else 0."""
    u = 2 * x - 1
    r = np.empty_like(x)
    before, T = np.ones_like(x), u
    for i in range(1, x.size + 1):
        r[i - 1] = np.sum(T) / x.size + (1 / (i**2 - 1) if i % 2 == 0 else 0.0)
        before, T = T, 2 * u * T - before
    return r


def chebyquad_jacobian(x):
    """dTᵢ/dx = 2 i Uᵢ₋₁(2x - 1), with U of the second kind."""
    u = 2 * x - 1
    U = [np.ones_like(x), 2 * u]
    while len(U) < x.size:
        U.append(2 * u * U[-1] - U[-2])
    return 2 / x.size * np.arange(1, x.size + 1)[:, None] * np.array(U)


BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])

GAUSSIAN = np.array([
    0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989,
    0.3521, 0.2420, 0.1295, 0.0540, 0.0175, 0.0044, 0.0009,
])  # fmt: skip

MEYER = np.array([
    34780.0, 28610.0, 23650.0, 19630.0, 16370.0, 13720.0, 11540.0, 9744.0,
    8261.0, 7030.0, 6005.0, 5147.0, 4427.0, 3820.0, 3307.0, 2872.0,
])  # fmt: skip

KOWALIK_OSBORNE_U = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])
KOWALIK_OSBORNE_Y = np.array([
    0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246,
])  # fmt: skip

OSBORNE1 = np.array([
    0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751,
    0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490,
    0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406,
])  # fmt: skip

OSBORNE2 = np.array([
    1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608,
    0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661,
    0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428,
    0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559,
    0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054,
])  # fmt: skip

BIGGS_T = np.arange(1, 14) / 10
BIGGS_Y = np.exp(-BIGGS_T) - 5 * np.exp(-10 * BIGGS_T) + 3 * np.exp(-4 * BIGGS_T)

GULF_T = np.arange(1, 100) / 100
GULF_Y = 25 + (-50 * np.log(GULF_T)) ** (2 / 3)


def start(n: int, *pattern: float) -> np.ndarray:
    """The pattern again and again, n entries in all."""
    return np.resize(np.array(pattern, float), n)


def grid(n: int) -> np.ndarray:
    """i / (n + 1) for i = 1..n."""
    return np.arange(1, n + 1) / (n + 1)


# In the order of the paper. The arrays are shared: hand over a copy of x0 where f might write into it.
# fmt: off
PROBLEMS = (
    Problem("rosenbrock", rosenbrock, start(2, -1.2, 1), rosenbrock_jacobian, (), 0.0, rosenbrock_hessian),
    Problem("freudenstein_roth", freudenstein_roth, start(2, 0.5, -2), freudenstein_roth_jacobian, (), 0.0),
    Problem("powell_badly_scaled", powell_badly_scaled, start(2, 0, 1), powell_badly_scaled_jacobian,
            (), 0.0),
    Problem("brown_badly_scaled", brown_badly_scaled, start(2, 1), brown_badly_scaled_jacobian, (), 0.0,
            brown_badly_scaled_hessian),
    Problem("beale", beale, start(2, 1), beale_jacobian, (), 0.0),
    Problem("jennrich_sampson", jennrich_sampson, start(2, 0.3, 0.4), jennrich_sampson_jacobian,
            (np.arange(1.0, 11.0),), 124.362),
    Problem("helical_valley", helical_valley, start(3, -1, 0, 0), helical_valley_jacobian, (), 0.0),
    Problem("bard", bard, start(3, 1), bard_jacobian, (np.arange(1.0, 16.0), BARD), 8.21487e-3),
    Problem("gaussian", gaussian, start(3, 0.4, 1, 0), gaussian_jacobian,
            (np.arange(7, -8, -1) / 2, GAUSSIAN), 1.12793e-8),
    Problem("meyer", meyer, start(3, 0.02, 4000, 250), meyer_jacobian,
            (45 + 5 * np.arange(1.0, 17.0), MEYER), 87.9458),
    Problem("gulf", gulf, start(3, 5, 2.5, 0.15), gulf_jacobian, (GULF_T, GULF_Y), 0.0),
    Problem("box", box, start(3, 0, 10, 20), box_jacobian, (np.arange(1, 11) / 10,), 0.0),
    Problem("powell_singular", powell_singular, start(4, 3, -1, 0, 1), powell_singular_jacobian, (), 0.0),
    Problem("wood", wood, start(4, -3, -1), wood_jacobian, (), 0.0),
    Problem("kowalik_osborne", kowalik_osborne, start(4, 0.25, 0.39, 0.415, 0.39), kowalik_osborne_jacobian,
            (KOWALIK_OSBORNE_U, KOWALIK_OSBORNE_Y), 3.07505e-4),
    Problem("brown_dennis", brown_dennis, start(4, 25, 5, -5, -1), brown_dennis_jacobian,
            (np.arange(1, 21) / 5,), 85822.2),
    Problem("osborne1", osborne1, start(5, 0.5, 1.5, -1, 0.01, 0.02), osborne1_jacobian,
            (10 * np.arange(33.0), OSBORNE1), 5.46489e-5),
    Problem("biggs_exp6", biggs_exp6, start(6, 1, 2, 1, 1, 1, 1), biggs_exp6_jacobian,
            (BIGGS_T, BIGGS_Y), 0.0),
    Problem("osborne2", osborne2, start(11, 1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5),
            osborne2_jacobian, (np.arange(65) / 10, OSBORNE2), 4.01377e-2),
    Problem("watson", watson, start(9, 0), watson_jacobian, (np.arange(1, 30) / 29,), 1.39976e-6),
    Problem("extended_rosenbrock", rosenbrock, start(10, -1.2, 1), rosenbrock_jacobian, (), 0.0),
    Problem("extended_powell_singular", powell_singular, start(12, 3, -1, 0, 1), powell_singular_jacobian,
            (), 0.0),
    Problem("penalty1", penalty1, np.arange(1.0, 11.0), penalty1_jacobian, (), 7.08765e-5, penalty1_hessian),
    Problem("penalty2", penalty2, start(10, 0.5), penalty2_jacobian, (), 2.93660e-4),
    Problem("variably_dimensioned", variably_dimensioned, 1 - np.arange(1, 11) / 10,
            variably_dimensioned_jacobian, (), 0.0, variably_dimensioned_hessian),
    Problem("trigonometric", trigonometric, start(10, 0.1), trigonometric_jacobian, (), 0.0),
    Problem("brown_almost_linear", brown_almost_linear, start(10, 0.5), brown_almost_linear_jacobian,
            (), 0.0),
    Problem("discrete_boundary_value", discrete_boundary_value, grid(10) * (grid(10) - 1),
            discrete_boundary_value_jacobian, (), 0.0),
    Problem("discrete_integral_equation", discrete_integral_equation, grid(10) * (grid(10) - 1),
            discrete_integral_equation_jacobian, (), 0.0),
    Problem("broyden_tridiagonal", broyden_tridiagonal, start(12, -1), broyden_tridiagonal_jacobian, (), 0.0),
    Problem("broyden_banded", broyden_banded, start(12, -1), broyden_banded_jacobian, (), 0.0),
    Problem("linear_full_rank", linear_full_rank, start(8, 1), linear_full_rank_jacobian, (20,), 20 - 8,
            linear_hessian(linear_full_rank_jacobian)),
    Problem("linear_rank1", linear_rank1, start(8, 1), linear_rank1_jacobian, (20,), 20 * 19 / (2 * 41),
            linear_hessian(linear_rank1_jacobian)),
    Problem("linear_rank1_zeros", linear_rank1_zeros, start(8, 1), linear_rank1_zeros_jacobian, (20,),
            (20**2 + 3 * 20 - 6) / (2 * (2 * 20 - 3)), linear_hessian(linear_rank1_zeros_jacobian)),
    Problem("chebyquad", chebyquad, grid(8), chebyquad_jacobian, (), 3.51687e-3),
)
# fmt: on

#: The 18 that the paper gives for unconstrained minimisation, in the order above.
MINIMISED = tuple(problem for problem in PROBLEMS if problem.name in {
    "helical_valley", "biggs_exp6", "gaussian", "powell_badly_scaled", "box", "variably_dimensioned", "watson",
    "penalty1", "penalty2", "brown_badly_scaled", "brown_dennis", "gulf", "trigonometric", "extended_rosenbrock",
    "extended_powell_singular", "beale", "wood", "chebyquad",
})  # fmt: skip
