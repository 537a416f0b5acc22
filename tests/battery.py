"""A battery for judging adaptive differentiation: functions, points, and derivatives known to 50 digits.

Data only. Each function is written once and lives in two worlds: `@njit` on floats, and the same code on mpmath
numbers (`twin`). So the truth is the derivative of the ideal function at exactly the double `x`, with every literal and
argument taken as exactly the double it is. Nothing is raised outside a domain: numpy's functions return nan or inf there.
"""

import math
import operator
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from math import erf, frexp, gamma, lgamma, pi

import mpmath
import numpy as np
from mpmath import mpf
from numba import njit
from numpy import (
    arccos,
    arcsin,
    arctan,
    cos,
    divide,
    empty,
    exp,
    expm1,
    float32,
    floor,
    inf,
    log,
    log1p,
    nan,
    power,
    sin,
    sqrt,
    tan,
    tanh,
)

KINDS = ("smooth", "scale", "singular", "edge", "oscillating", "zero", "nonsmooth", "noisy")

# ------------------------------------------------------------------------------------------- the world of 50 digits

SAME = ("cos", "erf", "exp", "expm1", "floor", "gamma", "log", "log1p", "power", "sin", "sqrt", "tan", "tanh")
MP = {name: getattr(mpmath, name) for name in SAME} | {
    "arccos": mpmath.acos,
    "arcsin": mpmath.asin,
    "arctan": mpmath.atan,
    "divide": operator.truediv,
    "empty": lambda n: [mpf(0)] * n,
    "inf": inf,
    "lgamma": mpmath.loggamma,
    "nan": nan,
    "pi": pi,
}


def twin(f: Callable) -> Callable:
    """The code of `f` with mpmath's functions in place of numpy's."""
    return types.FunctionType(getattr(f, "py_func", f).__code__, MP, f.__name__)


def exactly(value):
    """A float as the mpf it is; an array as the list of its entries."""
    if isinstance(value, np.ndarray):
        return [exactly(v) for v in value.tolist()]
    return mpf(value) if isinstance(value, float) else value


def _difference(g: Callable, x: mpf, h: mpf, order: int) -> tuple[list, list]:
    """Forward difference quotients of g: mpf -> list, and the largest |g| that went into each."""
    rows = [g(x + k * h) for k in range(order + 1)]
    signs = [(-1) ** (order - k) * math.comb(order, k) for k in range(order + 1)]
    columns = list(zip(*rows, strict=True))
    quotients = [mpmath.fdot(signs, column) / h**order for column in columns]
    return quotients, [max(abs(v) for v in column) for column in columns]


def _limit(g: Callable, x: mpf, h: mpf, order: int) -> list:
    """Limits of the difference quotients on the side of h, from two steps; nan where they do not settle."""
    smaller = h / 2**33
    (coarse, _), (fine, size) = _difference(g, x, h, order), _difference(g, x, smaller, order)

    def settle(a, b, largest):
        rounding = 2**order * largest * mpf(10) ** (5 - mpmath.mp.dps) / abs(smaller) ** order
        if abs(b) <= rounding or abs(b) < abs(a) / 1000:  # a multiple of h, √h, …: the limit is zero
            return mpf(0)
        return b if abs(a - b) < abs(b) / 10**25 else mpmath.nan

    return [settle(*entry) for entry in zip(coarse, fine, size, strict=True)]


def limits(g: Callable, x: float, order: int = 1, side: int = 0) -> list[float]:
    """Derivatives at x of g: mpf -> list; each side by itself, nan where the two differ.

    One-sided quotients with h ≈ 1e-70·min(|x|, 1) err by h over the length scale, so 50 digits survive down to length
    scales of 1e-20·|x|; the working digits leave 150 below the cancellation.
    """
    small = min(abs(x), 1.0) or 1.0
    digits = 250 + order * math.ceil(80 - math.log10(small)) + math.ceil(max(0.0, math.log10(abs(x) or 1.0)))
    with mpmath.workdps(digits):
        h = mpmath.ldexp(1, math.frexp(small)[1] - 233)  # a power of two: x + kh is exact
        right, left = (_limit(g, mpf(x), s * h, order) if side in (0, s) else None for s in (1, -1))
        pairs = zip(right or left, left or right, strict=True)
        return [float(a) if abs(a - b) <= abs(a) / 10**20 else nan for a, b in pairs]


# --------------------------------------------------------------------------------------------------------- the nouns


@dataclass(frozen=True, eq=False)
class Case:
    """A function R -> R at a point. `f(x, *args)` on floats, `mp(x, *args)` on mpmath numbers."""

    name: str
    kind: str
    f: Callable
    x: float
    mp: Callable | None  # noiseless; None where there is no (finite) derivative at x
    noise: float = 0.0  # absolute amplitude of the noise at x
    args: tuple = ()
    about: float = 0.0  # what the point is near to: nearby points keep the order of the distance from here
    side: int = 0  # at an edge: +1 where f lives on [x, …), -1 on (…, x]
    length: float = 1.0  # how far nearby points may go where x is `about` itself
    pinned: bool = False  # args[-1] is the kink, minimum, … at x, and moves along with it
    relative_noise: float = 0.0

    @property
    def derivative_exists(self) -> bool:
        return self.mp is not None

    def exact(self, x: float | None = None) -> float:
        """The ideal, noiseless value, rounded once."""
        with mpmath.workdps(60):
            return float(self.mp(exactly(float(self.x if x is None else x)), *map(exactly, self.args)))

    def truth(self, order: int = 1, x: float | None = None) -> float:
        """The derivative of the ideal function, one-sided where f is; nan where there is none."""
        return _truth(self, order, self.x if x is None else float(x))


@lru_cache(maxsize=2**14)
def _truth(case: Case, order: int, x: float) -> float:
    if case.mp is None:
        return nan
    args = tuple(map(exactly, case.args))
    return limits(lambda t: [case.mp(t, *args)], x, order, case.side if x == case.x else 0)[0]


@dataclass(frozen=True, eq=False)
class VectorCase:
    """A function R^n -> R^m at a point."""

    name: str
    f: Callable
    x: np.ndarray
    mp: Callable
    args: tuple = ()

    def exact(self) -> np.ndarray:
        with mpmath.workdps(60):
            return np.array([float(v) for v in self.mp(exactly(self.x), *map(exactly, self.args))])

    def truth(self) -> np.ndarray:
        """The Jacobian (m, n)."""
        return _jacobian(self).copy()


    def blur(self) -> np.ndarray:
        """How far the Jacobian moves with half an ulp of any coordinate: f may round x before all else."""
        up = np.diag(np.nextafter(self.x, np.inf) - self.x)
        return np.max([abs(replace(self, x=self.x + ulp).truth() - self.truth()) / 2 for ulp in up], axis=0)


@cache
def _jacobian(case: VectorCase) -> np.ndarray:
    x, args = exactly(case.x), tuple(map(exactly, case.args))
    columns = [
        limits(lambda t, j=j: case.mp(x[:j] + [t] + x[j + 1 :], *args), float(case.x[j]))
        for j in range(len(x))
    ]
    return np.array(columns).T


# ------------------------------------------------------------------------------- functions: waves, powers, elementary


@njit
def wave(x, a, b):
    return sin(a * x + b)


@njit
def hump(x, a, c):
    return cos(a * (x - c))


@njit
def offset(x, c, s):
    return c + s * sin(x)


@njit
def growth(x, a, s):
    return s * exp(a * x)


@njit
def logarithm(x, a):
    return log(x - a)


@njit
def root(x, a, s):
    return sqrt(s * (x - a))


@njit
def monomial(x, n, c):
    return power(x - c, n)


@njit
def tangent(x):
    return tan(x)


@njit
def front(x, a, b):
    return tanh(a * (x - b))


@njit
def angle(x, a):
    return arctan(a * x)


@njit
def lorentz(x, w, c):
    return 1.0 / (1.0 + ((x - c) / w) ** 2)


@njit
def gauss(x, w, c):
    return exp(-0.5 * ((x - c) / w) ** 2)


@njit
def quartic(x, a, b, c, d, e):
    return a + x * (b + x * (c + x * (d + x * e)))


@njit
def roots_five(x):
    return (x - 1.0) * (x - 2.0) * (x - 3.0) * (x - 4.0) * (x - 5.0)


@njit
def arcsine(x):
    return arcsin(x)


@njit
def error_function(x, a):
    return erf(a * x)


@njit
def factorial(x):
    return gamma(x) if 0.0 < x < 171.0 else nan


@njit
def log_factorial(x):
    return lgamma(x) if x > 0.0 else inf


@njit
def logistic(x, a, b):
    return 1.0 / (1.0 + exp(-a * (x - b)))


@njit
def softplus(x):
    return log1p(exp(x))


@njit
def damped(x, w, k):
    return sin(w * x) * exp(-k * x)


@njit
def exp_sine(x):
    return exp(sin(x))


@njit
def conic(x, a, s):
    return sqrt(a + s * x * x)


@njit
def self_power(x):
    return exp(x * log(x))


@njit
def saturation(x, k):
    return x / (k + x)


@njit
def planck(x):
    return divide(x * x * x, expm1(x))


@njit
def lennard_jones(x):
    return 4.0 * (power(x, -12.0) - power(x, -6.0))


@njit
def x_log_x(x):
    return x * log(x)


@njit
def entropy(x):
    return -x * log(x) - (1.0 - x) * log1p(-x)


@njit
def beta_density(x, a, b):
    return power(x, a) * power(1.0 - x, b)


@njit
def area_tangent(x):
    return 0.5 * (log1p(x) - log1p(-x))


# ----------------------------------------------------------------------------------- functions: oscillation and zeros


@njit
def sinc(x):
    return divide(sin(x), x)


@njit
def chirp(x, n):
    return cos(power(x, n))


@njit
def bessel(x):
    """J0 by the trapezoidal rule, exact to rounding for |x| < 300."""
    total = 0.0
    for k in range(200):
        total += cos(x * sin((k + 0.5) * pi / 200.0))
    return total / 200.0


@njit
def airy_like(x):
    return sin(2.0 * x * sqrt(x) / 3.0 + pi / 4.0) / sqrt(sqrt(x))


@njit
def chebyshev(x, n):
    return cos(n * arccos(x))


@njit
def comb(x):
    total = 0.0
    for k in range(1, 31):
        total += sin(k * x) / k
    return total


@njit
def beat(x, a, b):
    return sin(a * x) * sin(b * x)


@njit
def pythagoras(x, a):
    return sin(a * x) ** 2 + cos(a * x) ** 2


@njit
def flat(x):
    return exp(divide(-1.0, x * x)) if x != 0.0 else 0.0


# ------------------------------------------------------------------------- functions: a kink, jump or cusp at c


@njit
def absolute(x, p, c):
    return power(abs(x - c), p)


@njit
def hinge(x, c):
    return max(x - c, 0.0)


@njit
def jump(x, c):
    return exp(x) + (1.0 if x >= c else 0.0)


@njit
def stairs(x, c):
    return floor(x - c)


@njit
def signed_power(x, p, c):
    return power(abs(x - c), p) * (1.0 if x >= c else -1.0)


@njit
def pieces(x, a, b, c):
    """Value and slope at c: 1, a on the left; 1, b on the right."""
    t = x - c
    return exp(a * t) if t < 0.0 else 1.0 + sin(b * t)


@njit
def clamped(x, c):
    return min(max(sin(x), sin(c)), 0.9)


@njit
def restless(x, n, c):
    t = x - c
    return power(t, n) * sin(divide(1.0, t)) if t != 0.0 else 0.0


# ------------------------------------------------------------------------------------------------- functions: noisy


@njit
def hashed(x):
    """A number in [-1, 1) from the bits of x, the same under CPython and numba."""
    mantissa, exponent = frexp(x)
    bits = int(mantissa * 9007199254740992.0)
    state = ((bits & 0x3FFFFFF) * 1103515245 + 12345 + exponent + 4096) % 2147483647
    for _ in range(3):
        state = ((state ^ (state >> 13) ^ ((bits >> 26) & 0x7FFFFFF)) * 1566083941 + 2531011) % 2147483647
    return 2.0 * state / 2147483647.0 - 1.0


@njit
def jitter_exp(x, a, eps):
    return exp(a * x) * (1.0 + eps * hashed(x))


@njit
def jitter_sin(x, a, eps):
    return sin(a * x) + eps * hashed(x)


@njit
def single_sin(x, a):
    return float(sin(float32(a) * float32(x)))


@njit
def rounded_sin(x, unit):
    return floor(sin(x) / unit + 0.5) * unit


@njit
def bisected(x, tolerance):
    """y³ + y = x by bisection, to an interval of the given width."""
    low, high = min(x, 0.0), max(x, 0.0)
    for _ in range(200):
        if high - low <= tolerance:
            break
        y = 0.5 * (low + high)
        if y * y * y + y < x:
            low = y
        else:
            high = y
    return 0.5 * (low + high)


@njit
def newtonian(x, tolerance):
    """y³ + y = x by Newton, stopped by the size of the residual."""
    y = x
    for _ in range(200):
        residual = y * y * y + y - x
        if abs(residual) <= tolerance:
            break
        y -= residual / (3.0 * y * y + 1.0)
    return y


@njit
def contracted(x, tolerance):
    """y² + y = x by the fixed point of x / (1 + y), stopped by the size of the last change."""
    y = 0.5 * x
    for _ in range(200):
        change = divide(x, 1.0 + y) - y
        y += change
        if abs(change) <= tolerance:
            return y
    return nan


@njit
def truncated_exp(x, tolerance):
    total, term = 1.0, x
    for k in range(2, 1000):
        if abs(term) <= tolerance:
            break
        total += term
        term *= x / k
    return total


def cubic_root(x, *_):
    scale = mpmath.sqrt(mpf(4) / 3)
    return scale * mpmath.sinh(mpmath.asinh(3 * x / scale) / 3)


def quadratic_root(x, *_):
    return (mpmath.sqrt(1 + 4 * x) - 1) / 2


def bessel_zero(x):
    return mpmath.besselj(0, x)


def sine(x, a, *_):
    return mpmath.sin(a * x)


def exponential(x, a, *_):
    return mpmath.exp(a * x)


# -------------------------------------------------------------------------------------------------------- the tables


def _cases(kind: str, *rows: tuple) -> Iterable[Case]:
    """Rows are (name, f, x, args) and what else a Case holds; `noise` is absolute, or relative if negative."""
    for name, f, x, args, *more in rows:
        options = {"mp": twin(f)} | (more[0] if more else {})
        case = Case(name, kind, f, x, args=args, **options)
        yield with_noise(case)


def with_noise(case: Case) -> Case:
    """Relative noise as the absolute amplitude at x."""
    return replace(case, noise=case.relative_noise * abs(case.exact())) if case.relative_noise else case


AT_1, HALF_PI = {"about": 1.0}, pi / 2.0
KINK = {"mp": None, "pinned": True}  # no derivative at x = args[-1]
CENTRE = {"pinned": True}  # zero derivative at x = args[-1]
RIGHT, LEFT = {"side": 1}, {"side": -1}

SMOOTH = _cases(
    "smooth",
    ("sin x at 1", wave, 1.0, (1.0, 0.0)),
    ("sin x at 0", wave, 0.0, (1.0, 0.0)),
    ("sin x at 100", wave, 100.0, (1.0, 0.0)),
    ("sin(3x + 1) at -2", wave, -2.0, (3.0, 1.0)),
    ("cos x at 0.7", hump, 0.7, (1.0, 0.0)),
    ("cos(2(x - 3)) at 5", hump, 5.0, (2.0, 3.0)),
    ("10 + sin x at 2", offset, 2.0, (10.0, 1.0)),
    ("exp x at 0", growth, 0.0, (1.0, 1.0)),
    ("exp x at 1", growth, 1.0, (1.0, 1.0)),
    ("exp x at -3", growth, -3.0, (1.0, 1.0)),
    ("exp x at 20", growth, 20.0, (1.0, 1.0)),
    ("3 exp(-2x) at 0.4", growth, 0.4, (-2.0, 3.0)),
    ("log x at 2", logarithm, 2.0, (0.0,)),
    ("log x at 1", logarithm, 1.0, (0.0,)),
    ("log(x + 3) at 4", logarithm, 4.0, (-3.0,), {"about": -3.0}),
    ("sqrt x at 2", root, 2.0, (0.0, 1.0)),
    ("sqrt(10 - x) at 3", root, 3.0, (10.0, -1.0), {"about": 10.0}),
    ("x^3 at 1.5", monomial, 1.5, (3.0, 0.0)),
    ("x^7 at -1.2", monomial, -1.2, (7.0, 0.0)),
    ("x^2.5 at 3", monomial, 3.0, (2.5, 0.0)),
    ("x^(1/3) at 5", monomial, 5.0, (1.0 / 3.0, 0.0)),
    ("1/x at 2", monomial, 2.0, (-1.0, 0.0)),
    ("1/(x - 1)^2 at 3", monomial, 3.0, (-2.0, 1.0), AT_1),
    ("tan x at 0.5", tangent, 0.5, ()),
    ("tan x at -1", tangent, -1.0, ()),
    ("tanh x at 0.5", front, 0.5, (1.0, 0.0)),
    ("tanh 2(x - 1) at 0", front, 0.0, (2.0, 1.0), {"length": 0.3}),
    ("atan x at 1", angle, 1.0, (1.0,)),
    ("atan 5x at 0.3", angle, 0.3, (5.0,)),
    ("Lorentz at 1", lorentz, 1.0, (1.0, 0.0)),
    ("Runge at 0.3", lorentz, 0.3, (0.2, 0.0)),
    ("Gauss at 1", gauss, 1.0, (1.0, 0.0)),
    ("Gauss(2, 5) at 2.5", gauss, 2.5, (2.0, 5.0), {"about": 5.0}),
    ("cubic at 1.7", quartic, 1.7, (1.0, -2.0, 0.5, 1.0, 0.0)),
    ("quartic at -2.3", quartic, -2.3, (1.0, 1.0, -3.0, 0.2, 1.0)),
    ("line at 3", quartic, 3.0, (2.0, -7.0, 0.0, 0.0, 0.0)),
    ("five roots at 0.5", roots_five, 0.5, ()),
    ("five roots at a root", roots_five, 3.0, (), {"about": 2.5}),
    ("asin at 0.5", arcsine, 0.5, ()),
    ("asin at -0.3", arcsine, -0.3, ()),
    ("erf at 0.8", error_function, 0.8, (1.0,)),
    ("Gamma at 3.5", factorial, 3.5, ()),
    ("log Gamma at 7.2", log_factorial, 7.2, ()),
    ("logistic at 0.6", logistic, 0.6, (1.0, 0.0)),
    ("logistic 4(x - 2) at 1", logistic, 1.0, (4.0, 2.0), {"about": 2.0}),
    ("softplus at -1", softplus, -1.0, ()),
    ("sin(2x) exp(-x/5) at 3", damped, 3.0, (2.0, 0.2)),
    ("exp(sin x) at 0.4", exp_sine, 0.4, ()),
    ("sqrt(1 + x^2) at 0.9", conic, 0.9, (1.0, 1.0)),
    ("x^x at 1.3", self_power, 1.3, ()),
    ("x/(2 + x) at 5", saturation, 5.0, (2.0,)),
    ("Planck at 2.5", planck, 2.5, ()),
    ("Lennard-Jones at 1.2", lennard_jones, 1.2, ()),
    ("x log x at 2", x_log_x, 2.0, ()),
    ("entropy at 0.3", entropy, 0.3, ()),
    ("beta at 0.4", beta_density, 0.4, (2.0, 3.5)),
    ("circle at 0.6", conic, 0.6, (1.0, -1.0)),
    ("atanh at 0.5", area_tangent, 0.5, ()),
)

SCALE = _cases(
    "scale",
    ("sin 1e4x at 1", wave, 1.0, (1e4, 0.0)),
    ("sin 1e6x at 1", wave, 1.0, (1e6, 0.0)),
    ("sin at 1e6", wave, 1e6, (1.0, 0.0)),
    ("sin at 1e4", wave, 1e4, (1.0, 0.0)),
    ("sin at 1e-12", wave, 1e-12, (1.0, 0.0)),
    ("sin(x + 1) at 1e-12", wave, 1e-12, (1.0, 1.0)),
    ("sin(x + 1) at 1e-6", wave, 1e-6, (1.0, 1.0)),
    ("sin 1e-10x at 1e10", wave, 1e10, (1e-10, 0.0)),
    ("sin 1e-12x at 1e12", wave, 1e12, (1e-12, 0.0)),
    ("sin 1e-6x at 1", wave, 1.0, (1e-6, 0.5)),
    ("sin 1e6x at 0", wave, 0.0, (1e6, 0.0), {"length": 1e-6}),
    ("sin(1e6x + 1) at 1e-6", wave, 1e-6, (1e6, 1.0)),
    ("sin(1e12x + 1) at 1e-12", wave, 1e-12, (1e12, 1.0)),
    ("exp 1e8x at 1e-8", growth, 1e-8, (1e8, 1.0)),
    ("exp -1e-6x at 1e6", growth, 1e6, (-1e-6, 1.0)),
    ("exp x at 1e-12", growth, 1e-12, (1.0, 1.0)),
    ("exp x at 300", growth, 300.0, (1.0, 1.0)),
    ("exp x at -300", growth, -300.0, (1.0, 1.0)),
    ("exp 100x at 1", growth, 1.0, (100.0, 1.0)),
    ("1e200 exp x at 1", growth, 1.0, (1.0, 1e200)),
    ("1e-200 exp x at 1", growth, 1.0, (1.0, 1e-200)),
    ("1e150 sin x at 2", offset, 2.0, (0.0, 1e150)),
    ("1e-150 sin x at 2", offset, 2.0, (0.0, 1e-150)),
    ("1e10 + sin x at 1", offset, 1.0, (1e10, 1.0)),
    ("1e6 + sin x at 1", offset, 1.0, (1e6, 1.0)),
    ("1 + 1e-8 sin x at 1", offset, 1.0, (1.0, 1e-8)),
    ("log at 1e12", logarithm, 1e12, (0.0,)),
    ("log at 1e6", logarithm, 1e6, (0.0,)),
    ("sqrt at 1e12", root, 1e12, (0.0, 1.0)),
    ("x^2 at 1e-100", monomial, 1e-100, (2.0, 0.0)),
    ("x^3 at 1e12", monomial, 1e12, (3.0, 0.0)),
    ("x^20 at 1e10", monomial, 1e10, (20.0, 0.0)),
    ("1/x at 1e12", monomial, 1e12, (-1.0, 0.0)),
    ("tanh 1e6(x - 1) near 1", front, 1.0 + 5e-7, (1e6, 1.0), AT_1),
    ("tanh 1e3(x - 1) at 1", front, 1.0, (1e3, 1.0), {"about": 1.0, "length": 1e-3}),
    ("Lorentz 1e-4 near 1", lorentz, 1.0001, (1e-4, 1.0), AT_1),
    ("Lorentz 1e6 at 2e6", lorentz, 2e6, (1e6, 0.0)),
    ("Gauss 1e-3 near 5", gauss, 5.001, (1e-3, 5.0), {"about": 5.0}),
    ("Gauss 1e5 near 1e6", gauss, 1.1e6, (1e5, 1e6), {"about": 1e6}),
    ("atan 1e5x at 1e-5", angle, 1e-5, (1e5,)),
    ("atan x at 1e6", angle, 1e6, (1.0,)),
    ("logistic 1e3(x - 2) near 2", logistic, 2.001, (1e3, 2.0), {"about": 2.0}),
    ("sqrt(1e-12 + x^2) at 1e-6", conic, 1e-6, (1e-12, 1.0)),
    ("x/(1e-6 + x) at 1e-6", saturation, 1e-6, (1e-6,)),
    ("x/(1e6 + x) at 1e3", saturation, 1e3, (1e6,)),
    ("small quadratic at 1e9", quartic, 1e9, (1.0, 1e-9, 1e-18, 0.0, 0.0)),
    ("log Gamma at 1e8", log_factorial, 1e8, ()),
    ("Lennard-Jones at 30", lennard_jones, 30.0, ()),
)

SINGULAR = _cases(
    "singular",
    ("log at 1e-3", logarithm, 1e-3, (0.0,)),
    ("log at 1e-12", logarithm, 1e-12, (0.0,)),
    ("log(x - 1) at 1.001", logarithm, 1.001, (1.0,), AT_1),
    ("log(x - 1) at 1 + 1e-7", logarithm, 1.0 + 1e-7, (1.0,), AT_1),
    ("1/x at 1e-8", monomial, 1e-8, (-1.0, 0.0)),
    ("1/x at 1e-3", monomial, 1e-3, (-1.0, 0.0)),
    ("1/(x - 1) at 1.01", monomial, 1.01, (-1.0, 1.0), AT_1),
    ("1/(x - 1) at 1 - 1e-6", monomial, 1.0 - 1e-6, (-1.0, 1.0), AT_1),
    ("1/(x - 2)^3 at 2.001", monomial, 2.001, (-3.0, 2.0), {"about": 2.0}),
    ("sqrt(x - 1) at 1.001", root, 1.001, (1.0, 1.0), AT_1),
    ("sqrt at 1e-6", root, 1e-6, (0.0, 1.0)),
    ("sqrt at 1e-12", root, 1e-12, (0.0, 1.0)),
    ("cbrt at 1e-6", monomial, 1e-6, (1.0 / 3.0, 0.0)),
    ("x^-1.5 at 1e-4", monomial, 1e-4, (-1.5, 0.0)),
    ("tan at 1.5", tangent, 1.5, (), {"about": HALF_PI}),
    ("tan at pi/2 - 1e-4", tangent, HALF_PI - 1e-4, (), {"about": HALF_PI}),
    ("tan at pi/2 + 1e-6", tangent, HALF_PI + 1e-6, (), {"about": HALF_PI}),
    ("Gamma at 1e-4", factorial, 1e-4, ()),
    ("log Gamma at 1e-6", log_factorial, 1e-6, ()),
    ("atanh at 0.9999", area_tangent, 0.9999, (), AT_1),
    ("atanh at -1 + 1e-7", area_tangent, -1.0 + 1e-7, (), {"about": -1.0}),
    ("x log x at 1e-8", x_log_x, 1e-8, ()),
    ("x^x at 1e-5", self_power, 1e-5, ()),
    ("Lennard-Jones at 0.05", lennard_jones, 0.05, ()),
)

EDGE = _cases(
    "edge",
    ("sqrt(1 - x) at 1 - 1e-9", root, 1.0 - 1e-9, (1.0, -1.0), AT_1),
    ("sqrt(1 - x) at 0.999", root, 0.999, (1.0, -1.0), AT_1),
    ("x log x at 1e-3", x_log_x, 1e-3, ()),
    ("x log x at 1e-14", x_log_x, 1e-14, ()),
    ("x^1.5 at 1e-9", monomial, 1e-9, (1.5, 0.0)),
    ("asin at 1 - 1e-9", arcsine, 1.0 - 1e-9, (), AT_1),
    ("asin at 0.99", arcsine, 0.99, (), AT_1),
    ("asin at -1 + 1e-6", arcsine, -1.0 + 1e-6, (), {"about": -1.0}),
    ("circle at 0.9999", conic, 0.9999, (1.0, -1.0), AT_1),
    ("circle at -1 + 1e-8", conic, -1.0 + 1e-8, (1.0, -1.0), {"about": -1.0}),
    ("entropy at 1e-6", entropy, 1e-6, ()),
    ("beta at 1e-5", beta_density, 1e-5, (0.5, 2.5)),
    ("x^1.5 at 0", monomial, 0.0, (1.5, 0.0), RIGHT),
    ("x^2.5 at 0", monomial, 0.0, (2.5, 0.0), RIGHT),
    ("(x - 2)^1.5 at 2", monomial, 2.0, (1.5, 2.0), {"side": 1, "about": 2.0}),
    ("x(1 - x)^2.5 at 0", beta_density, 0.0, (1.0, 2.5), {"length": 0.5}),
    ("x^1.5 (1 - x)^3 at 1", beta_density, 1.0, (1.5, 3.0), {"about": 1.0, "length": 0.5}),
    ("sqrt(x) (1 - x)^1.5 at 1", beta_density, 1.0, (0.5, 1.5), LEFT | AT_1),
    ("x^0.5 (1 - x) at 1", beta_density, 1.0, (0.5, 1.0), AT_1 | {"length": 0.5}),
    ("exp(x log x) at 1e-10", self_power, 1e-10, ()),
    ("sqrt at 0", root, 0.0, (0.0, 1.0), RIGHT | {"mp": None}),
    ("asin at 1", arcsine, 1.0, (), LEFT | AT_1 | {"mp": None}),
)

OSCILLATING = _cases(
    "oscillating",
    ("sin 50x at 1", wave, 1.0, (50.0, 0.0)),
    ("sin 50x at 2.3", wave, 2.3, (50.0, 0.0)),
    ("sin 300x at 1", wave, 1.0, (300.0, 0.0)),
    ("cos 1000(x - 1) at 3", hump, 3.0, (1000.0, 1.0)),
    ("5 + sin x at 500", offset, 500.0, (5.0, 1.0)),
    ("cos x^2 at 5", chirp, 5.0, (2.0,)),
    ("cos x^2 at 30", chirp, 30.0, (2.0,)),
    ("cos x^3 at 9", chirp, 9.0, (3.0,)),
    ("sin 1/x at 0.1", chirp, 0.1, (-1.0,)),
    ("cos 1/x at 0.01", chirp, 0.01, (-1.0,)),
    ("J0 at 20", bessel, 20.0, (), {"mp": bessel_zero}),
    ("J0 at 60", bessel, 60.0, (), {"mp": bessel_zero}),
    ("Airy-like at 8", airy_like, 8.0, ()),
    ("Airy-like at 40", airy_like, 40.0, ()),
    ("T20 at 0.7", chebyshev, 0.7, (20.0,)),
    ("T50 at 0.3", chebyshev, 0.3, (50.0,)),
    ("sawtooth of 30 terms at 1.5", comb, 1.5, ()),
    ("sawtooth of 30 terms at 0.1", comb, 0.1, ()),
    ("sin 40x sin 43x at 1.1", beat, 1.1, (40.0, 43.0)),
    ("sin x sin 100x at 2", beat, 2.0, (1.0, 100.0)),
    ("sin 30x exp(-x/2) at 2", damped, 2.0, (30.0, 0.5)),
    ("sinc at 40", sinc, 40.0, ()),
    ("x^2 sin 1/x at 0.02", restless, 0.02, (2.0, 0.0)),
    ("tan x at 40.2", tangent, 40.2, (), {"about": 40.0}),
)

ZERO = _cases(
    "zero",
    ("cos at 0", hump, 0.0, (1.0, 0.0), CENTRE),
    ("cos 10(x - 2) at 2", hump, 2.0, (10.0, 2.0), CENTRE),
    ("(x - 1)^2 at 1", monomial, 1.0, (2.0, 1.0), CENTRE),
    ("(x - 1000)^2 at 1000", monomial, 1000.0, (2.0, 1000.0), CENTRE),
    ("x^4 at 0", monomial, 0.0, (4.0, 0.0), CENTRE),
    ("x^3 at 0", monomial, 0.0, (3.0, 0.0), CENTRE),
    ("Gauss at its peak", gauss, 3.0, (0.5, 3.0), CENTRE),
    ("Lorentz at its peak", lorentz, 0.5, (0.1, 0.5), CENTRE),
    ("quartic at 0", quartic, 0.0, (3.0, 0.0, 1.0, 1.0, 1.0)),
    ("sqrt(1 + x^2) at 0", conic, 0.0, (1.0, 1.0)),
    ("constant 7 at 3", quartic, 3.0, (7.0, 0.0, 0.0, 0.0, 0.0)),
    ("constant 0 at 1", quartic, 1.0, (0.0, 0.0, 0.0, 0.0, 0.0)),
    ("constant 1e10 at 0", quartic, 0.0, (1e10, 0.0, 0.0, 0.0, 0.0)),
    ("sin^2 + cos^2 at 1", pythagoras, 1.0, (1.0,)),
    ("sinc at 1e-5", sinc, 1e-5, ()),
    ("sinc at 1e-8", sinc, 1e-8, ()),
    ("sin x at pi/2", wave, HALF_PI, (1.0, 0.0)),
    ("cos x at pi", hump, pi, (1.0, 0.0)),
    ("exp(-1/x^2) at 0", flat, 0.0, ()),
    ("exp(-1/x^2) at 0.15", flat, 0.15, ()),
    ("exp(sin x) at pi/2", exp_sine, HALF_PI, ()),
    ("Lennard-Jones at its minimum", lennard_jones, 2.0 ** (1.0 / 6.0), (), {"about": 2.0}),
    ("x log x at 1/e", x_log_x, math.exp(-1.0), ()),
    ("circle at 0", conic, 0.0, (1.0, -1.0)),
    ("tanh at 25", front, 25.0, (1.0, 0.0)),
)

NONSMOOTH = _cases(
    "nonsmooth",
    ("|x| at 0", absolute, 0.0, (1.0, 0.0), KINK),
    ("|x - 1| at 1", absolute, 1.0, (1.0, 1.0), KINK),
    ("sqrt|x| at 0", absolute, 0.0, (0.5, 0.0), KINK),
    ("max(x, 0) at 0", hinge, 0.0, (0.0,), KINK),
    ("max(x - 3, 0) at 3", hinge, 3.0, (3.0,), KINK),
    ("exp with a jump at 0", jump, 0.0, (0.0,), KINK),
    ("exp with a jump at 1", jump, 1.0, (1.0,), KINK),
    ("floor at 0", stairs, 0.0, (0.0,), KINK),
    ("floor(x - 2) at 2", stairs, 2.0, (2.0,), KINK),
    ("cbrt at 0", signed_power, 0.0, (1.0 / 3.0, 0.0), KINK),
    ("slopes 1 and 2 at 0.5", pieces, 0.5, (1.0, 2.0, 0.5), KINK),
    ("slopes 1 and 1.01 at 2", pieces, 2.0, (1.0, 1.01, 2.0), KINK),
    ("clamped sin at the clamp", clamped, 0.4, (0.4,), KINK),
    ("x sin 1/x at 0", restless, 0.0, (1.0, 0.0), KINK),
    ("|x - 1| at 1.001", absolute, 1.001, (1.0, 1.0), AT_1),
    ("|x - 1| at 1 - 1e-6", absolute, 1.0 - 1e-6, (1.0, 1.0), AT_1),
    ("|x| at 0.3", absolute, 0.3, (1.0, 0.0)),
    ("|x|^1.5 at 0", absolute, 0.0, (1.5, 0.0), CENTRE),
    ("x|x| at 0", signed_power, 0.0, (2.0, 0.0), CENTRE),
    ("x|x| at 0.01", signed_power, 0.01, (2.0, 0.0)),
    ("(x - 1)|x - 1| at 1.1", signed_power, 1.1, (2.0, 1.0), AT_1),
    ("max(x - 3, 0) at 3.01", hinge, 3.01, (3.0,), {"about": 3.0}),
    ("max(x - 3, 0) at 2.9", hinge, 2.9, (3.0,), {"about": 3.0}),
    ("exp near a jump", jump, 1.02, (1.0,), AT_1),
    ("floor at 2.5", stairs, 2.5, (0.0,), {"about": 2.0}),
    ("slope 1 on both sides at 0.5", pieces, 0.5, (1.0, 1.0, 0.5), CENTRE),
    ("slopes 1 and 2 at 0.45", pieces, 0.45, (1.0, 2.0, 0.5), {"about": 0.5}),
    ("clamped sin at 0.45", clamped, 0.45, (0.4,), {"about": 0.4}),
    ("clamped sin on its plateau", clamped, 1.3, (0.4,), {"about": 1.12}),
    ("x^2 sin 1/x at 0", restless, 0.0, (2.0, 0.0), CENTRE),
    ("|x|^3 at 0", absolute, 0.0, (3.0, 0.0), CENTRE),
)

NOISY = _cases(
    "noisy",
    ("exp, noise 1e-6", jitter_exp, 1.0, (1.0, 1e-6), {"mp": exponential, "relative_noise": 1e-6}),
    ("exp, noise 1e-10", jitter_exp, 1.0, (1.0, 1e-10), {"mp": exponential, "relative_noise": 1e-10}),
    ("exp, noise 1e-3", jitter_exp, 0.5, (1.0, 1e-3), {"mp": exponential, "relative_noise": 1e-3}),
    ("exp(-x/100), noise 1e-6", jitter_exp, 30.0, (-0.01, 1e-6), {"mp": exponential, "relative_noise": 1e-6}),
    ("exp at 0, noise 1e-8", jitter_exp, 0.0, (1.0, 1e-8), {"mp": exponential, "relative_noise": 1e-8}),
    ("sin, noise 1e-6", jitter_sin, 1.0, (1.0, 1e-6), {"mp": sine, "noise": 1e-6}),
    ("sin, noise 1e-9", jitter_sin, 2.5, (1.0, 1e-9), {"mp": sine, "noise": 1e-9}),
    ("sin 50x, noise 1e-8", jitter_sin, 0.3, (50.0, 1e-8), {"mp": sine, "noise": 1e-8}),
    ("sin 1e-3x, noise 1e-6", jitter_sin, 700.0, (1e-3, 1e-6), {"mp": sine, "noise": 1e-6}),
    ("sin in single precision", single_sin, 1.1, (1.0,), {"mp": sine, "noise": 1.2e-7}),
    ("sin 7x in single precision", single_sin, 0.9, (7.0,), {"mp": sine, "noise": 1.1e-6}),
    ("sin rounded to 1e-6", rounded_sin, 0.8, (1e-6,), {"mp": lambda x, _: mpmath.sin(x), "noise": 5e-7}),
    ("sin rounded to 1e-10", rounded_sin, 0.8, (1e-10,), {"mp": lambda x, _: mpmath.sin(x), "noise": 5e-11}),
    ("cubic by bisection to 1e-8", bisected, 3.0, (1e-8,), {"mp": cubic_root, "noise": 5e-9}),
    ("cubic by bisection to 1e-12", bisected, 3.0, (1e-12,), {"mp": cubic_root, "noise": 5e-13}),
    ("cubic by Newton to 1e-4", newtonian, 3.0, (1e-4,), {"mp": cubic_root, "noise": 1e-4}),
    ("cubic by Newton to 1e-8", newtonian, 7.0, (1e-8,), {"mp": cubic_root, "noise": 1e-8}),
    ("quadratic by a fixed point to 1e-8", contracted, 2.0, (1e-8,), {"mp": quadratic_root, "noise": 1e-8}),
    ("exp by a series to 1e-8", truncated_exp, 2.0, (1e-8,), {"mp": lambda x, _: mpmath.exp(x), "noise": 2e-8}),
)  # fmt: skip

CASES: tuple[Case, ...] = (*SMOOTH, *SCALE, *SINGULAR, *EDGE, *OSCILLATING, *ZERO, *NONSMOOTH, *NOISY)


# ------------------------------------------------------------------------------------------------------ fresh points


def nearby(case: Case, rng: np.random.Generator) -> Case:
    """The same function at a fresh point, of the same kind: as near to its singularity, kink, … within 10…30 %."""
    for _ in range(50):
        fresh = with_noise(_moved(case, rng))
        if math.isfinite(fresh.f(fresh.x, *fresh.args)) and (
            fresh.mp is None or math.isfinite(fresh.truth())
        ):
            return fresh
    return case


def _moved(case: Case, rng: np.random.Generator) -> Case:
    sign = rng.choice((-1.0, 1.0))
    if case.pinned:
        x = float(case.x * (1.0 + sign * rng.uniform(0.1, 0.3)) or sign * rng.uniform(0.1, 1.0))
        return replace(case, x=x, args=(*case.args[:-1], x))
    if case.x != case.about:
        return replace(
            case, x=float(case.about + (case.x - case.about) * (1.0 + sign * rng.uniform(0.1, 0.3)))
        )
    if case.mp is None:  # an infinite slope is at this one point
        return case
    distance = case.length * 10.0 ** rng.uniform(-3.0, -0.5)
    return replace(case, x=float(case.x + (case.side or sign) * distance), side=0)


def nearby_vector(case: VectorCase, rng: np.random.Generator) -> VectorCase:
    """The same function with each coordinate moved by up to 10 % of itself, where f is finite."""
    for _ in range(50):
        fresh = replace(case, x=case.x * (1.0 + rng.uniform(-0.1, 0.1, case.x.shape)))
        if np.isfinite(fresh.f(fresh.x, *fresh.args)).all() and np.isfinite(fresh.truth()).all():
            return fresh
    return case


# ------------------------------------------------------------------------------------------------ random compositions

X, SCALED, SHIFTED = 0, 4, 5
BINARY, UNARY = (1, 2, 3), tuple(range(6, 16))


@njit
def evaluate_program(x, ops, consts):
    """A stack machine: consts[i] belongs to ops[i]."""
    stack, top = empty(16), -1
    for i in range(len(ops)):
        op, c = ops[i], consts[i]
        if op == 0:
            top += 1
            stack[top] = x
        elif op <= 3:
            top -= 1
            a, b = stack[top], stack[top + 1]
            stack[top] = a + b if op == 1 else a - b if op == 2 else a * b
        else:
            a = stack[top]
            if op == 4:
                a = c * a
            elif op == 5:
                a = c + a
            elif op == 6:
                a = sin(a)
            elif op == 7:
                a = cos(a)
            elif op == 8:
                a = exp(a)
            elif op == 9:
                a = log(a)
            elif op == 10:
                a = sqrt(a)
            elif op == 11:
                a = tanh(a)
            elif op == 12:
                a = arctan(a)
            elif op == 13:
                a = 1.0 / (1.0 + a * a)
            elif op == 14:
                a = a * a
            else:
                a = a * a * a
            stack[top] = a
    return stack[0]


NAMES = dict(
    zip(UNARY, ("sin", "cos", "exp", "log", "sqrt", "tanh", "atan", "bell", "square", "cube"), strict=True)
)
TEMPLATES = {1: "({} + {})", 2: "({} - {})", 3: "{}·{}"}


def _grow(rng: np.random.Generator, depth: int) -> tuple[list, str]:
    """A random expression: its program as (op, const) pairs, and its text."""
    if depth == 0:
        program, text = [(X, 0.0)], "x"
    elif rng.random() < 0.4:
        (left, a), (right, b) = _grow(rng, depth - 1), _grow(rng, int(rng.integers(depth)))
        op = int(rng.choice(BINARY))
        program, text = [*left, *right, (op, 0.0)], TEMPLATES[op].format(a, b)
    else:
        inner, a = _grow(rng, depth - 1)
        op = int(rng.choice(UNARY))
        program, text = [*inner, (op, 0.0)], f"{NAMES[op]}({a})"
    if rng.random() < 0.4:
        c = float(rng.choice((-1.0, 1.0)) * 10.0 ** rng.uniform(-3.0, 3.0))
        program, text = [*program, (SCALED, c)], f"{c:.3g}·{text}"
    if rng.random() < 0.2:
        c = float(rng.uniform(-3.0, 3.0))
        program, text = [*program, (SHIFTED, c)], f"({c:.3g} + {text})"
    return program, text


def random_composition(rng: np.random.Generator) -> Case:
    """A random composition at a random point, where f and f' are finite, nonzero and of moderate condition."""
    while True:
        program, text = _grow(rng, int(rng.integers(2, 5)))
        ops, consts = (np.array(column) for column in zip(*program, strict=True))
        x = float(rng.choice((-1.0, 1.0)) * 10.0 ** rng.uniform(-2.0, 2.0))
        case = Case(
            f"{text} at {x:.4g}", "random", evaluate_program, x, twin(evaluate_program), args=(ops, consts)
        )
        if _moderate(case):
            return case


def _moderate(case: Case) -> bool:
    """|x f'/f| within 1e-3 … 1e4, and a few ulp of rounding in f, at x and 10 % to either side."""
    x = case.x
    with np.errstate(all="ignore"):  # the draws, not the case, may leave a domain
        values = [case.f(t, *case.args) for t in (x, 0.9 * x, 1.1 * x)]
    if not all(math.isfinite(v) and 1e-100 < abs(v) < 1e100 for v in values):
        return False
    slope = case.truth()
    if not 1e-3 < abs(x * slope / values[0]) < 1e4:
        return False
    return abs(values[0] - case.exact()) <= 1e-15 * (abs(values[0]) + abs(x * slope))


# -------------------------------------------------------------------------------- vector functions, of unequal outputs


@njit
def amplitudes(x, r):
    y, p = empty(6), 1.0
    for i in range(6):
        y[i] = p * sin(x[0] + i * x[1])
        p *= r
    return y


@njit
def frequencies(x, r):
    y, p = empty(5), 1.0
    for i in range(5):
        y[i] = cos(p * x[0]) * x[1] / p
        p *= r
    return y


@njit
def lines(x, r):
    """Resonances of widths 1, r, r², … half a width away from x[0]."""
    y, w = empty(5), 1.0
    for i in range(5):
        y[i] = x[1] / (w * w + (x[0] - (1.0 + 0.5 * w)) ** 2)
        w *= r
    return y


@njit
def exponents(x, r):
    y, p = empty(len(x)), 1.0
    for i in range(len(x)):
        y[i] = exp(p * x[i]) + 1e-3 * x[0]
        p *= r
    return y


@njit
def robertson(x, a, b, c):
    y = empty(3)
    y[0] = -a * x[0] + b * x[1] * x[2]
    y[1] = a * x[0] - b * x[1] * x[2] - c * x[1] * x[1]
    y[2] = c * x[1] * x[1]
    return y


@njit
def reactor(x, rate, energy):
    """Arrhenius: temperature x[0], concentration x[1]."""
    y, k = empty(4), rate * exp(-energy / x[0])
    y[0] = k
    y[1] = k * x[1]
    y[2] = 1e-8 * x[0] * x[0] * x[0] * x[0]
    y[3] = log(k * x[1] * x[1])
    return y


@njit
def badly_scaled(x):
    """Powell's and Brown's badly scaled systems on the same unknowns."""
    y = empty(5)
    y[0] = 1e4 * x[0] * x[1] - 1.0
    y[1] = exp(-x[0]) + exp(-x[1]) - 1.0001
    y[2] = x[0] - 1e6
    y[3] = x[1] - 2e-6
    y[4] = x[0] * x[1] - 2.0
    return y


@njit
def chained_rosenbrock(x, a):
    n = len(x) - 1
    y = empty(2 * n)
    for i in range(n):
        y[2 * i] = a * (x[i + 1] - x[i] * x[i])
        y[2 * i + 1] = 1.0 - x[i]
    return y


@njit
def diode(x, saturation_current, thermal_voltage):
    y = empty(3)
    y[0] = saturation_current * expm1(x[0] / thermal_voltage)
    y[1] = y[0] - (x[1] - x[0]) / 1e3
    y[2] = y[0] * x[0]
    return y


@njit
def gravity(x, gm):
    """The pull of the origin on x, its potential and its tidal trace."""
    y = empty(5)
    r2 = x[0] * x[0] + x[1] * x[1] + x[2] * x[2]
    r = sqrt(r2)
    for i in range(3):
        y[i] = -gm * x[i] / (r2 * r)
    y[3] = -gm / r
    y[4] = gm / (r2 * r)
    return y


@njit
def broyden(x):
    n = len(x)
    y = empty(n)
    for i in range(n):
        y[i] = (3.0 - 2.0 * x[i]) * x[i] + 1.0
        if i > 0:
            y[i] = y[i] - x[i - 1]
        if i < n - 1:
            y[i] = y[i] - 2.0 * x[i + 1]
    return y


@njit
def meyer(x):
    y = empty(8)
    for i in range(8):
        y[i] = x[0] * exp(x[1] / (45.0 + 5.0 * i + x[2]))
    return y


@njit
def peak_on_baseline(x):
    y = empty(9)
    for i in range(9):
        y[i] = x[0] * exp(-0.5 * ((0.25 * i - x[1]) / x[2]) ** 2) + x[3]
    return y


@njit
def near_edges(x):
    y = empty(5)
    y[0] = log(x[0]) + x[3]
    y[1] = divide(1.0, x[1])
    y[2] = sqrt(x[2]) * x[0]
    y[3] = arcsin(x[3])
    y[4] = 1e6 + sin(x[0] + x[1] + x[2] + x[3])
    return y


@njit
def idle_rows(x):
    y = empty(5)
    y[0] = 1e8 + sin(x[0])
    y[1] = 3.0
    y[2] = x[0]
    y[3] = 1e-10 * x[1] * x[1]
    y[4] = 0.0 * x[0]
    return y


def _vectors(*rows: tuple) -> tuple[VectorCase, ...]:
    return tuple(VectorCase(name, f, np.array(x), twin(f), args) for name, f, x, *args in rows)


VECTOR_CASES: tuple[VectorCase, ...] = _vectors(
    ("amplitudes of 1 to 1e15", amplitudes, [0.7, 0.3], 1e3),
    ("amplitudes of 1 to 1e-50", amplitudes, [-1.2, 2.1], 1e-10),
    ("amplitudes of 1 to 32 at 100", amplitudes, [100.0, 30.0], 2.0),
    ("frequencies of 1 to 1e4", frequencies, [0.9, 2.0], 10.0),
    ("frequencies of 1 to 1e-8", frequencies, [0.9, -3.0], 0.01),
    ("frequencies of 1 to 81", frequencies, [4.1, 1e-5], 3.0),
    ("lines of width 1 to 1e-4", lines, [1.0, 2.0], 0.1),
    ("lines of width 1 to 1e4", lines, [3.0, 1e3], 10.0),
    ("lengths of 1 to 1e4", exponents, [0.5, 0.5, 0.2, -0.3], 0.05),
    ("lengths of 1 to 1e-4", exponents, [0.5, 0.1, 0.02, -3e-4, 1e-4], 10.0),
    ("Robertson at the start", robertson, [1.0, 3.6e-5, 1e-3], 0.04, 1e4, 3e7),
    ("Robertson late", robertson, [1e-2, 4e-8, 0.99], 0.04, 1e4, 3e7),
    ("reactor at 350 K", reactor, [350.0, 0.5], 7.2e10, 8750.0),
    ("reactor at 1500 K", reactor, [1500.0, 1e-6], 7.2e10, 8750.0),
    ("badly scaled at Powell's root", badly_scaled, [1.098e-5, 9.106]),
    ("badly scaled at Brown's root", badly_scaled, [1e6, 2e-6]),
    ("chained Rosenbrock, n = 6", chained_rosenbrock, [-1.2, 1.0, 0.5, -0.3, 2.0, 1.1], 10.0),
    ("chained Rosenbrock, stiff", chained_rosenbrock, [1.0, 1.0, 0.999, 1e3], 1e5),
    ("diode at 0.6 V", diode, [0.6, 5.0], 1e-12, 0.02585),
    ("diode at -2 V", diode, [-2.0, -3.0], 1e-12, 0.02585),
    ("gravity at 1 AU", gravity, [1.1e11, -0.9e11, 3e9], 1.327e20),
    ("gravity at 1e-3", gravity, [1e-3, 2e-3, -5e-4], 1.0),
    ("Broyden tridiagonal, n = 8", broyden, [-1.0, -0.5, 0.2, 1e-3, 3.0, 50.0, -7.0, 1.0]),
    ("Meyer", meyer, [0.0056096, 6181.35, 345.224]),
    ("peak on a baseline", peak_on_baseline, [1e3, 1.1, 0.2, 1e-2]),
    ("narrow peak on a high baseline", peak_on_baseline, [1.0, 1.26, 0.05, 1e4]),
    ("near edges", near_edges, [1e-3, 1e-5, 1e-8, 0.999]),
    ("idle rows", idle_rows, [1.0, 1e5]),
)
