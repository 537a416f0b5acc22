"""Functions of several variables for judging Hessians: points, and second derivatives known to 50 digits.

Data, as in ``battery.py``: each function is written once, `@njit` on floats and the same code on mpmath numbers, so the truth is
the Hessian of the ideal function at exactly the doubles `x`. None of them is among the problems of Moré, Garbow and Hillstrom.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from types import FunctionType

import mpmath
import numpy as np
from battery import MP, _grow, evaluate_program, exactly, hashed, twin
from mpmath import mpf
from numba import njit
from numpy import arctan, cos, exp, floor, log, log1p, sin, sqrt

__all__ = ["SURFACES", "Surface", "moved", "random_surface", "vanishing"]

#: Digits, and the step of the differences relative to min(|x|, 1): they err by (1e-45 |x|/length)².
DIGITS, STEP = 150, mpf(10) ** -45


@dataclass(frozen=True, eq=False)
class Surface:
    """A function Rⁿ → R at a point. `f(x, *args)` on floats, `mp(x, *args)` on mpmath numbers."""

    name: str
    kind: str
    f: Callable
    x: np.ndarray
    mp: Callable | None  # noiseless; None where there is no Hessian
    args: tuple = ()
    bounds: tuple | None = None
    noise: float = 0.0  # absolute amplitude

    def truth(self) -> np.ndarray:
        return _hessian(self).copy()

    def gradient(self) -> np.ndarray:
        """Where steps of 1e-45 are next to nothing: at |x| of about 1, or at smooth f near 0."""
        with mpmath.workdps(DIGITS):
            x, args = exactly(self.x), tuple(map(exactly, self.args))
            sides = [[self.mp([*x[:i], v + s * STEP, *x[i + 1 :]], *args) for s in (1, -1)] for i, v in enumerate(x)]
            return np.array([float((up - down) / (2 * STEP)) for up, down in sides])


@cache
def _hessian(case: Surface) -> np.ndarray:
    """Differences along each pair of coordinates, with steps so short that nothing is left of the truncation."""
    n = case.x.size
    with mpmath.workdps(DIGITS):
        x, args = exactly(case.x), tuple(map(exactly, case.args))
        h = [STEP * (min(abs(v), mpf(1)) or mpf(1)) for v in x]

        def at(i: int, s: int, j: int, t: int) -> mpf:
            point = list(x)
            point[i] += s * h[i]
            point[j] += t * h[j]
            return case.mp(point, *args)

        centre, H = case.mp(x, *args), np.empty((n, n))
        for i in range(n):
            H[i, i] = float((at(i, 1, i, 0) - 2 * centre + at(i, -1, i, 0)) / h[i] ** 2)
            for j in range(i):
                corners = at(i, 1, j, 1) - at(i, 1, j, -1) - at(i, -1, j, 1) + at(i, -1, j, -1)
                H[i, j] = H[j, i] = float(corners / (4 * h[i] * h[j]))
    size = np.abs(H).max()
    H[np.abs(H) < max(1e-60 * size, 1e-35 * abs(float(centre)))] = 0.0  # what is left of truncation where an entry vanishes
    return np.zeros_like(H) if centre == 0 and size < 1e-80 else H  # the same where f vanishes too


# --- the functions ----------------------------------------------------------------------------------------------------


@njit
def hill(x, a):
    total = 0.0
    for i in range(len(x)):
        total = total + (x[i] - 0.25 * i) ** 2
    return exp(-a * total)


@njit
def softplus_of_sums(x, a):
    total = 0.0
    for i in range(len(x)):
        for j in range(i):
            total = total + log1p(exp(a * (x[i] + x[j])))
    return total


@njit
def chained_sines(x):
    total = 0.0
    for i in range(len(x) - 1):
        total = total + sin(x[i] * x[i + 1])
    return total


@njit
def hyperboloid(x, s):
    total = s
    for i in range(len(x)):
        total = total + x[i] * x[i]
    return sqrt(total)


@njit
def torus(x):
    return (sqrt(x[0] * x[0] + x[1] * x[1]) - 2.0) ** 2 + x[2] * x[2]


@njit
def wells(x):
    """Styblinski and Tang's wells, each coupled to the next."""
    total = 0.0
    for i in range(len(x)):
        total = total + x[i] ** 4 - 16.0 * x[i] ** 2 + 5.0 * x[i]
        if i > 0:
            total = total + 3.0 * x[i] * x[i - 1]
    return total


@njit
def griewank(x):
    total, product = 0.0, 1.0
    for i in range(len(x)):
        total = total + x[i] * x[i] / 4000.0
        product = product * cos(x[i] / sqrt(i + 1.0))
    return 1.0 + total - product


@njit
def log_sum_exp(x):
    total = 0.0
    for i in range(len(x)):
        total = total + exp(x[i])
    return log(total)


@njit
def decay_fit(p, t):
    """The misfit of p0 exp(-p1 t) + p2 to data that it cannot fit."""
    total = 0.0
    for k in range(len(t)):
        total = total + (p[0] * exp(-p[1] * t[k]) + p[2] - 1.0 / (1.0 + t[k])) ** 2
    return total


@njit
def saturation_fit(p, t):
    total = 0.0
    for k in range(len(t)):
        total = total + (p[0] * t[k] / (p[1] + t[k]) - log1p(t[k])) ** 2
    return total


@njit
def normal_likelihood(p, t):
    """In the mean and the logarithm of the width."""
    total = 0.0
    for k in range(len(t)):
        total = total + p[1] + 0.5 * (t[k] - p[0]) ** 2 * exp(-2.0 * p[1])
    return total


@njit
def cauchy_likelihood(p, t):
    total = 0.0
    for k in range(len(t)):
        total = total + log(p[1]) + log1p(((t[k] - p[0]) / p[1]) ** 2)
    return total


@njit
def cluster(x, radius):
    """Lennard-Jones atoms in the plane."""
    total = 0.0
    for i in range(len(x) // 2):
        for j in range(i):
            r2 = ((x[2 * i] - x[2 * j]) ** 2 + (x[2 * i + 1] - x[2 * j + 1]) ** 2) / radius**2
            total = total + r2**-6 - 2.0 * r2**-3
    return total


@njit
def pendulum(q):
    """The energy of a double pendulum in two angles and their speeds."""
    return (
        q[2] * q[2] + 0.5 * q[3] * q[3] + q[2] * q[3] * cos(q[0] - q[1]) - 19.6 * cos(q[0]) - 9.8 * cos(q[1])
    )


@njit
def bilinear(x):
    total = 0.0
    for i in range(len(x) - 1):
        total = total + (i + 1.0) * x[i] * x[i + 1]
    return total


@njit
def sextic(x):
    return x[0] ** 6 - 2.0 * x[0] ** 3 * x[1] ** 3 + x[1] ** 5 * x[2] + 7.0 * x[2] ** 2


@njit
def product_of_scales(x, a, b):
    return exp(a * x[0]) * cos(b * x[1])


@njit
def sum_of_scales(x, a):
    """Every axis has a length of its own, from 1/a to a."""
    total, z, s = 0.0, 0.0, 1.0 / a
    for i in range(len(x)):
        z = z + s * x[i]
        total = total + sin(s * x[i])
        s = s * a
    return total + sin(0.3 * z)


@njit
def reaction(x, rate, energy):
    return rate * x[1] * x[1] * exp(-energy / x[0])


@njit
def potential(x, gm):
    return -gm / sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2])


@njit
def gas(x, a, b):
    """Van der Waals' free energy of one mole in volume and temperature."""
    return -8.314 * x[1] * log(x[0] - b) - a / x[0] + 12.5 * x[1] * (1.0 - log(x[1]))


@njit
def waves_on(x, height, size):
    return height + size * sin(x[0]) * sin(2.0 * x[1])


@njit
def barrier(x):
    rest, total = 1.0, 0.0
    for i in range(len(x)):
        rest = rest - x[i]
        total = total - log(x[i])
    return total - log(rest)


@njit
def cobb_douglas(x, a):
    return x[0] ** a * x[1] ** (1.0 - a)


@njit
def mixing(x):
    total = 0.0
    for i in range(len(x)):
        total = total + x[i] * log(x[i])
    return total + 0.5 * x[0] * x[1]


@njit
def angle(x):
    return arctan(x[1] / x[0])


@njit
def ripples(x, a, b):
    return sin(a * x[0]) * cos(b * x[1]) + x[0] * x[1]


@njit
def rings(x, a):
    return cos(a * (x[0] * x[0] + x[1] * x[1]))


@njit
def plane_wave(x, a, b):
    return sin(a * x[0] + b * x[1])


@njit
def separate(x):
    total = 0.0
    for i in range(len(x)):
        total = total + exp(0.5 * x[i]) + cos((i + 1.0) * x[i])
    return total


@njit
def saddle(x):
    return x[0] * x[0] - x[1] * x[1] + x[0] * x[1] * x[2]


@njit
def flat_at_zero(x):
    return x[0] ** 3 + x[0] * x[1] ** 3 + sin(x[1]) ** 4


@njit
def line(x):
    total = 3.0
    for i in range(len(x)):
        total = total + (i - 1.5) * x[i]
    return total


@njit
def restless_hill(x, a, eps):
    return hill(x, a) + eps * hashed(x[0] + 0.7 * x[1])


@njit
def restless_wells(x, eps):
    return wells(x) + eps * hashed(x[0] - 0.3 * x[1])


@njit
def rounded_ripples(x, a, b, unit):
    """On a grid of values, as read from an instrument."""
    return unit * floor(ripples(x, a, b) / unit + 0.5)


@njit
def creased(x):
    return abs(x[0] - x[1]) + x[0] * x[1]


@njit
def folded(x):
    return max(x[0] * x[0], x[1]) + x[1] ** 3


@njit
def clipped(x):
    return max(x[0] + x[1], 0.0) * x[2] + sin(x[2])


@njit
def half_parabola(x):
    """The slope has a kink at 0: no second derivative there."""
    return x[0] * abs(x[0]) + x[0] * x[1]


# --- the points -------------------------------------------------------------------------------------------------------

T = np.linspace(0.0, 3.0, 9)
SAMPLE = np.array([-0.3, 0.4, 1.1, 1.3, 2.2])
TRIANGLE = np.array([0.0, 0.0, 1.0, 0.1, 0.45, 0.9])


def _surfaces(kind: str, *rows: tuple) -> tuple[Surface, ...]:
    return tuple(Surface(name, kind, f, np.array(x, float), twin(f), tuple(args)) for name, f, x, *args in rows)


def _restless(name: str, f: Callable, ideal: Callable, x: list, noise: float, *args: float) -> Surface:
    mp = twin(ideal)
    return Surface(name, "noisy", f, np.array(x, float), lambda x, *most: mp(x, *most[:-1]), (*args, noise), None, noise)


# fmt: off
SURFACES: tuple[Surface, ...] = (
    *_surfaces(
        "smooth",
        ("hill, n = 4", hill, [0.3, -0.2, 0.9, 0.5], 1.0),
        ("narrow hill, n = 3", hill, [0.02, 0.27, 0.55], 200.0),
        ("softplus of sums, n = 5", softplus_of_sums, [0.3, -1.2, 0.8, 2.0, -0.5], 1.5),
        ("chained sines, n = 6", chained_sines, [0.4, 1.1, -0.7, 2.3, 0.9, -1.6]),
        ("hyperboloid, n = 4", hyperboloid, [3.0, -0.1, 0.5, 20.0], 1.0),
        ("torus", torus, [1.2, -1.4, 0.3]),
        ("wells, n = 6", wells, [-2.9, 0.1, 2.7, -0.5, 1.3, 4.0]),
        ("griewank, n = 5", griewank, [1.0, -3.0, 0.2, 5.0, 40.0]),
        ("log-sum-exp, n = 5", log_sum_exp, [1.0, -2.0, 3.0, 0.5, 2.9]),
        ("decay fit", decay_fit, [1.1, 0.8, 0.05], T),
        ("saturation fit", saturation_fit, [2.1, 1.9], T),
        ("normal likelihood", normal_likelihood, [0.9, -0.2], SAMPLE),
        ("cauchy likelihood", cauchy_likelihood, [0.8, 0.6], SAMPLE),
        ("three atoms", cluster, TRIANGLE, 1.0),
        ("double pendulum", pendulum, [0.4, -1.0, 2.0, 0.1]),
        ("bilinear, n = 5", bilinear, [1.0, 2.0, -0.3, 0.5, 7.0]),
        ("sextic", sextic, [0.7, -1.3, 0.2]),
    ),
    *_surfaces(
        "scale",
        ("lengths of 1e-6 and 1e6", product_of_scales, [3e-7, 2e6], 1e6, 1e-6),
        ("the same at zero", product_of_scales, [0.0, 0.0], 1e6, 1e-6),
        ("lengths of 1e-6 to 1e6", sum_of_scales, [0.7e6, 0.4, 1.1e-6], 1e6),
        ("lengths of 0.01 to 100", sum_of_scales, [120.0, -0.3, 0.013, 1e-4], 100.0),
        ("a reaction at 350 K", reaction, [350.0, 0.5], 7.2e10, 8750.0),
        ("gravity at 1 AU", potential, [1.1e11, -0.9e11, 3e9], 1.327e20),
        ("a gas", gas, [2.2e-2, 300.0], 0.137, 3.87e-5),
        ("values of 1e200", product_of_scales, [459.0, 0.5], 1.0, 2.0),
        ("waves of 1 on 1e6", waves_on, [0.4, 1.3], 1e6, 1.0),
        ("waves of 1e-150", waves_on, [0.4, 1.3], 0.0, 1e-150),
    ),
    *_surfaces(
        "singular",
        ("barrier at 1e-3", barrier, [1e-3, 0.3, 0.2]),
        ("barrier in a corner", barrier, [1e-4, 1e-2, 0.98]),
        ("1/r near 0", potential, [1e-3, 2e-3, -5e-4], 1.0),
        ("Cobb-Douglas", cobb_douglas, [0.2, 30.0], 0.3),
        ("Cobb-Douglas near the axis", cobb_douglas, [1e-5, 2.0], 0.3),
        ("mixing", mixing, [1e-3, 0.4, 1e-6]),
        ("angle", angle, [0.02, 0.5]),
    ),
    *_surfaces(
        "oscillating",
        ("ripples", ripples, [0.9, 1.4], 20.0, 15.0),
        ("fast ripples on one axis", ripples, [2.0, 0.3], 300.0, 1.0),
        ("rings", rings, [3.0, 2.0], 2.0),
        ("a plane wave", plane_wave, [1.0, 2.0], 1e3, 1.0),
        ("a plane wave far out", plane_wave, [1e3, -2e3], 1.0, 2.0),
    ),
    *_surfaces(
        "zeros",
        ("separate, n = 6", separate, [0.4, -1.0, 2.0, 0.1, 5.0, -3.0]),
        ("saddle", saddle, [0.0, 0.0, 0.0]),
        ("saddle off its centre", saddle, [1.0, -2.0, 0.0]),
        ("flat at zero", flat_at_zero, [0.0, 0.0]),
        ("flat near zero", flat_at_zero, [1e-3, 0.2]),
        ("a line, n = 4", line, [1.0, 0.0, -3.0, 1e5]),
        ("wells at zero, n = 3", wells, [0.0, 0.0, 0.0]),
    ),
    replace(Surface("barrier, bounds close", "bounded", barrier, np.array([1e-3, 0.3, 0.2]), twin(barrier)),
            bounds=(0.0, 1.0)),
    Surface("wells at a bound, n = 3", "bounded", wells, np.array([-2.0, 1.0, 0.5]), twin(wells), (), ([-2.0, 0.9, -5.0], 5.0)),
    Surface("hill in a slit, n = 3", "bounded", hill, np.array([0.3, 0.1, 0.4]), twin(hill), (1.0,),
            ([0.3 - 1e-3, -9.0, 0.4], [0.3 + 1e-3, 9.0, 9.0])),
    Surface("mixing at its edge", "bounded", mixing, np.array([1e-3, 0.4, 1e-6]), twin(mixing), (), (0.0, np.inf)),
    Surface("Cobb-Douglas, one side", "bounded", cobb_douglas, np.array([0.2, 30.0]), twin(cobb_douglas), (0.3,),
            ([0.2, 0.0], [5.0, 31.0])),
    _restless("hill, noise of 1e-6", restless_hill, hill, [0.3, -0.2, 0.9], 1e-6, 1.0),
    _restless("hill, noise of 1e-10", restless_hill, hill, [0.3, -0.2, 0.9, 0.1], 1e-10, 1.0),
    _restless("wells, noise of 1e-3", restless_wells, wells, [-2.9, 0.1, 2.7], 1e-3),
    _restless("wells, noise of 1e-8", restless_wells, wells, [-2.9, 0.1, 2.7, 0.7], 1e-8),
    _restless("ripples on a grid of 1e-7", rounded_ripples, ripples, [0.4, 0.7], 1e-7, 2.0, 1.0),
    *(Surface(name, "nonsmooth", f, np.array(x), None) for name, f, x in (
        ("creased", creased, [0.7, 0.7]), ("creased at zero", creased, [0.0, 0.0]), ("folded", folded, [0.6, 0.36]),
        ("clipped", clipped, [0.3, -0.3, 1.0]), ("half a parabola", half_parabola, [0.0, 1.0]),
    )),
)
# fmt: on


def moved(case: Surface, rng: np.random.Generator) -> Surface:
    """The same function with each coordinate moved by up to 10 % of itself, inside the bounds; zeros stay."""
    if case.mp is None:
        return case
    for _ in range(50):
        x = case.x * (1.0 + rng.uniform(-0.1, 0.1, case.x.shape))
        x = x if case.bounds is None else np.clip(x, *case.bounds)
        fresh = replace(case, x=x)
        if np.isfinite(fresh.f(x, *case.args)) and np.isfinite(fresh.truth()).all():
            return fresh
    return case


# --- 0 by cancellation --------------------------------------------------------------------------------------------------


def less_product(x, c):
    return x[0] * x[1] - c


def less_cubic(x, c):
    return x[0] ** 3 + x[0] * x[1] + x[1] * x[2] - c


def less_wave(x, c):
    return exp(x[0]) * sin(3 * x[1]) + x[1] - c


def less_form(x, c):
    return 2 * x[0] * x[0] + x[0] * x[1] + 3 * x[1] * x[1] - x[1] * x[2] + x[2] * x[2] - c


def less_one(x, c):
    return exp(x[0]) - 1 + c


def equal_heights(x, c):
    return cos(x[0]) - exp(x[1]) + c


def steep_plane(x, c):
    return sin(x[0]) + 1000000 * (x[1] - x[2]) + c


def from_origin(x, c):
    return sin(x[0]) + x[0] * x[1] + c


#: f, how many numbers it takes, and where it is 0 but for the rounding of what cancels: by its argument, anywhere; near the
#: origin; or where the last two of its numbers are equal.
VANISHING = (
    (less_product, 2, "less"), (less_cubic, 3, "less"), (less_wave, 2, "less"), (less_form, 3, "less"), (less_one, 1, "origin"),
    (equal_heights, 2, "origin"), (from_origin, 2, "origin"), (steep_plane, 3, "equal"),
)  # fmt: skip


def vanishing(seed: int, count: int) -> list[Surface]:
    """Each of them at so many points."""
    rng, found = np.random.default_rng(seed), []
    for f, n, where in VANISHING:
        compiled = njit(f)
        for _ in range(count):
            x = rng.uniform(0.3, 3, n) * (1e-7 * rng.integers(0, 2) if where == "origin" else rng.choice([-1, 1], n))
            x[n - 1] = x[n - 2] if where == "equal" else x[n - 1]
            c = compiled(x, 0.0) if where == "less" else 0.0
            found.append(Surface(f.__name__, "vanishing", compiled, x, twin(f), (c,)))
    return found


# --- random compositions ----------------------------------------------------------------------------------------------


@njit
def evaluate_terms(x, weights, ops, consts, lengths):
    """Σₖ gₖ(wₖ·x) g'ₖ(w'ₖ·x): the programs of ``evaluate_program``, two a term, on sums of the coordinates."""
    total, factor, start = 0.0, 1.0, 0
    for k in range(len(lengths)):
        z = 0.0
        for i in range(len(x)):
            z = z + weights[k][i] * x[i]
        stop = start + lengths[k]
        value = evaluate_program(z, ops[start:stop], consts[start:stop])
        if k % 2 == 0:
            factor = value
        else:
            total = total + factor * value
        start = stop
    return total


_MP_TERMS = FunctionType(
    twin(evaluate_terms).__code__, MP | {"evaluate_program": twin(evaluate_program)}, "evaluate_terms"
)


def random_surface(rng: np.random.Generator) -> Surface:
    """Two or three products of random expressions in sums of the coordinates, whose scales differ by up to 10⁶."""
    while True:
        n, terms = int(rng.integers(2, 7)), 2 * int(rng.integers(1, 4))
        scale = 10.0 ** rng.uniform(-3.0, 3.0, n)
        weights = rng.standard_normal((terms, n)) * (rng.random((terms, n)) < 0.7) / scale
        grown = [_grow_gently(rng) for _ in range(terms)]
        ops, consts = (np.array(column) for column in zip(*(step for one, _ in grown for step in one), strict=True))
        lengths = np.array([len(program) for program, _ in grown])
        text = " + ".join(f"{grown[k][1]}·{grown[k + 1][1]}" for k in range(0, terms, 2))
        x, args = scale * rng.standard_normal(n), (weights, ops, consts, lengths)
        case = Surface(f"{text}, n = {n}", "random", evaluate_terms, x, _MP_TERMS, args)
        if _moderate(case, scale):
            return case


def _grow_gently(rng: np.random.Generator) -> tuple[list, str]:
    return _grow(rng, int(rng.integers(1, 4)))


def _moderate(case: Surface, scale: np.ndarray) -> bool:
    """Finite, of moderate size and curvature in units of its scales, and computed to a few ulp, at x and around it."""
    with np.errstate(all="ignore"):  # the draws, not the case, may leave a domain
        around = [case.x, *(case.x + 0.1 * s * scale for s in (-1.0, 1.0))]
        values = np.array([case.f(x, *case.args) for x in around])
        if not (np.isfinite(values) & (np.abs(values) < 1e50)).all():
            return False
        H = case.truth() * scale * scale[:, None]
    with mpmath.workdps(60):
        exact = float(case.mp(exactly(case.x), *map(exactly, case.args)))
    size = np.abs(H).max()
    near = np.abs(values[0] - exact) <= 1e-14 * (np.abs(exact) + size)
    return bool(np.isfinite(H).all() and near and 1e-3 * np.abs(values).max() < size < 1e4 * np.abs(values).max())
