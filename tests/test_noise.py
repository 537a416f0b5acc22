"""The noise in f: estimates against noise of known size, and what is said where there is none to find."""

import math

import battery
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

import fastfd
from fastfd import noise_level

U = 2.0**-53
#: Standard deviation of a uniform distribution over its width.
UNIFORM = 12**-0.5
SMOOTH = [
    (np.sin, mpmath.sin), (np.exp, mpmath.exp), (np.arctan, mpmath.atan),
    (lambda x: x**3 - x + 2, lambda x: x**3 - x + 2),
    (lambda x: 1 / (1 + x * x), lambda x: 1 / (1 + x * x)),
    (lambda x: math.log1p(x * x) + 1, lambda x: mpmath.log1p(x * x) + 1),
]  # fmt: skip


def points(count, seed):
    """Random points and one of the smooth functions for each."""
    rng = np.random.default_rng(seed)
    x = rng.choice([-1, 1], count) * 10 ** rng.uniform(-1, 0.7, count)
    return [(float(a), *SMOOTH[i % len(SMOOTH)]) for i, a in enumerate(x)]


def within(ratios, factor=4.0):
    """The share of estimates within a factor of the truth."""
    return np.mean([1 / factor < r < factor for r in ratios])


def around(f, truth, x, count=40):
    """The standard deviation of f from the truth at random points about x, as far apart as the differences are."""
    rng = np.random.default_rng(count)
    return np.std([float(f(t) - truth(t)) for t in x * (1 + 2e-5 * rng.uniform(-1, 1, count))])


# --- noise of known size ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [1e-12, 1e-9, 1e-6, 1e-3, 0.3, 10.0])
def test_noise_of_known_size(sigma):
    ratios = []
    for x, g, _ in points(120, 1):
        noise, info = noise_level(lambda t, g=g: g(t) + sigma / UNIFORM / 2 * battery.hashed(t), x, full_output=True)
        assert info.found and info.nfev <= 25
        ratios.append(noise / sigma)
    assert within(ratios) >= 0.95
    assert 0.7 < np.median(ratios) < 1.4


def test_rounding_of_doubles():
    ratios = []
    with mpmath.workdps(30):
        for x, g, exact in points(60, 2):
            ratios.append(noise_level(g, x) / around(lambda t, g=g: mpmath.mpf(g(t)), lambda t, e=exact: e(mpmath.mpf(t)), x))
    assert within(ratios) >= 0.95


def single(x):
    return np.float64(np.sin(np.float32(x)))


def returned_single(x):
    return np.float32(np.sin(x))


@pytest.mark.parametrize("f", [njit(single), single, njit(returned_single), returned_single])
def test_single_precision(f):
    assert within([noise_level(f, x) / around(f, np.sin, x, 200) for x, *_ in points(100, 3)]) >= 0.95


@njit
def bisected(x, turns):
    """y³ + y = x by bisection from [0, 3]."""
    low, high = 0.0, 3.0
    for _ in range(turns):
        y = 0.5 * (low + high)
        low, high = (y, high) if y * y * y + y < x else (low, y)
    return 0.5 * (low + high)


@pytest.mark.parametrize("turns", [10, 20, 30, 40])
def test_tolerance_of_a_solver(turns):
    """The error of a bisection is spread evenly over the last interval."""
    found = [noise_level(bisected, x, (turns,)) for x in np.random.default_rng(4).uniform(1, 9, 100)]
    assert within(np.array(found) / (3 * 0.5**turns * UNIFORM)) >= 0.95


@pytest.mark.parametrize("unit", [1e-3, 1e-6, 1e-10])
def test_rounded_results(unit):
    found = [noise_level(battery.rounded_sin, x, (unit,), full_output=True) for x, *_ in points(100, 5)]
    assert within([noise / (unit * UNIFORM) for noise, info in found if info.found]) >= 0.95
    assert np.mean([info.found for _, info in found]) >= 0.95


def test_noise_that_depends_on_the_distance():
    """The iteration takes the same number of turns at neighbouring points, not at distant ones."""
    case = lambda step: noise_level(battery.newtonian, 7.0, (1e-1,), step=step)  # noqa: E731
    assert case(None) < 1e-14 < 1e-4 < case(0.5)


# --- nothing but rounding, or nothing at all --------------------------------------------------------------------------

ORDINARY = [c for c in battery.CASES if c.kind == "smooth"]


@pytest.mark.parametrize("case", ORDINARY, ids=lambda c: c.name)
def test_smooth_functions_have_rounding_only(case):
    noise, info = noise_level(case.f, case.x, case.args, full_output=True)
    inner = abs(case.x * case.truth())  # what the rounding of an intermediate result can do
    assert noise <= 4 * U * (abs(case.f(case.x, *case.args)) + inner) + 1e-20
    assert info.found or noise == 0.0


@pytest.mark.parametrize(("f", "x"), [
    (lambda x: 3.0, 1.0), (lambda x: 3.0, 0.0), (lambda x: x, 1.7), (lambda x: x, -1e150), (lambda x: 2 * x + 0.0, 1e-150),
    (lambda x: 0 * x, 5.0), (lambda x: abs(x - 1), 1.001),
])  # fmt: skip
def test_exact_functions_have_none(f, x):
    noise, info = noise_level(f, x, full_output=True)
    assert noise == 0.0 and info.relative == 0.0 and not info.found
    assert info.message == "no noise: f is constant here, or its differences vanish exactly"


@pytest.mark.parametrize(("f", "x", "size"), [
    (lambda x: 1 + abs(x), 0.0, 1.0),
    (lambda x: 1 + x * abs(x), 0.0, 1.0),
    (lambda x: max(x, 0.5), 0.5, 0.5),
    (lambda x: 1 / (x - 1), 1 + 1e-7, 1e7),
    (lambda x: math.sin(1e5 * x), 1.0, 1e5),
])  # fmt: skip
def test_what_belongs_to_f_is_not_noise(f, x, size):
    """Kinks, poles and fast oscillation change with the step."""
    noise, info = noise_level(f, x, full_output=True)
    assert info.found and noise < 32 * U * size


def test_zero_of_f():
    """Relative to nothing, but not to nan: the noise is that of the points around."""
    noise, info = noise_level(np.sin, 0.0, full_output=True)
    assert 0 < noise < 1e-20 and info.relative == np.inf


@pytest.mark.parametrize("x", [1e150, 1e-150, 1e-290, 1.7e308, -1e300])
def test_far_scales(x):
    noise, info = noise_level(lambda t: math.sin(t / x), x, full_output=True)
    assert info.found and noise < 4 * U
    noise, info = noise_level(lambda t: 1.0 + math.atan(t), x, full_output=True)
    assert noise < 4 * U


# --- laws -----------------------------------------------------------------------------------------------------------

numbers = st.floats(-5, 5).filter(lambda v: abs(v) > 1e-3)


def rough(x):
    return math.cos(x) + 1e-7 * battery.hashed(x)


@given(numbers, st.integers(-900, 900))
def test_units_of_f(x, k):
    """A power of two changes no digit, neither of the values nor of the noise."""
    assert noise_level(lambda t: math.ldexp(rough(t), k), x) == math.ldexp(noise_level(rough, x), k)


@given(numbers, st.floats(-1e6, 1e6).filter(lambda c: abs(c) > 1e-6))
def test_any_factor(x, c):
    assert math.isclose(noise_level(lambda t: c * rough(t), x), abs(c) * noise_level(rough, x), rel_tol=1e-6)


@given(numbers, st.integers(-900, 900))
def test_units_of_x(x, k):
    there = noise_level(lambda t: rough(math.ldexp(t, -k)), math.ldexp(x, k))
    assert there == noise_level(rough, x)


@given(st.lists(numbers, min_size=1, max_size=4))
def test_every_output_has_its_own_table(x):
    def parts(t):
        return [rough(t.sum()), 0.1 * t[0], math.exp(t[-1]) + 1e-3 * battery.hashed(t[0]), 7.0, math.floor(1e4 * t[0])]

    noise, info = noise_level(parts, x, full_output=True)
    assert noise.shape == info.status.shape == info.step.shape == (5,)
    for i in range(5):
        alone, about = noise_level(lambda t, i=i: parts(t)[i], x, full_output=True)
        assert math.isclose(noise[i], alone, rel_tol=1e-12) and info.status[i] == about.status and about.nfev <= info.nfev


# --- the call -------------------------------------------------------------------------------------------------------


@njit
def pair(x):
    return np.array([np.sin(x[0]) * x[1] + 1e-6 * battery.hashed(x[0]), x[0] * x[1] / 3])


@njit
def pair_into(x, out, scale=1.0):
    y = pair(x)
    out[0], out[1] = scale * y[0], scale * y[1]


def test_worlds_agree_and_results_repeat():
    x = np.array([1.2, 3.4])
    noise = noise_level(pair, x)
    assert noise[0] > 1e-8 > 1e-14 > noise[1] > 0
    assert np.array_equal(noise, noise_level(pair, x))
    assert np.array_equal(noise, noise_level(lambda t: pair(t), x))
    assert np.array_equal(noise, noise_level(pair_into, x, out_size=2))
    assert np.array_equal(4 * noise, noise_level(pair_into, x, (4.0,), out_size=2))
    assert np.array_equal(noise, noise_level(pair, x, parallel=True))
    assert np.array_equal(x, [1.2, 3.4])


def test_shapes():
    noise, info = noise_level(lambda x: np.outer(x, [1, 2, 3]) / 3, np.ones((2,)), full_output=True)
    assert noise.shape == info.relative.shape == info.status.shape == (2, 3)
    assert info.direction.shape == (2,)
    assert type(noise_level(np.sin, 1)) is float
    assert noise_level(lambda x: [x.sum()], np.ones((2, 2))).shape == (1,)
    assert noise_level(lambda x: np.array([]), 1.0).shape == (0,)
    assert np.array_equal(noise_level(lambda x: [1.0, 2.0], []), [0, 0])


def test_complex_results():
    def f(x):
        return 1e-6 * complex(0, battery.hashed(x)) + np.exp(1j * x)

    parts = noise_level(lambda x: [f(x).real, f(x).imag], 1.0)
    assert parts[0] < 1e-15 and math.isclose(noise_level(f, 1.0), math.hypot(*parts))


def test_what_info_tells():
    calls = []
    noise, info = noise_level(lambda x: calls.append(x) or rough(x), 2.0, full_output=True)
    assert len(calls) == info.nfev + 1 == 10  # one for the layout, one for f(x), eight around it
    assert np.allclose(np.diff(sorted(set(calls))), info.step, rtol=0.02)
    assert info.relative == noise / abs(rough(2.0)) and info.direction == 1.0
    assert info.message == "a noise level was found" and "found=True" in repr(info)


def test_direction():
    x, seen = np.array([2.0, -3e5, 0.0]), []
    noise_level(lambda t: seen.append(t) or float(t.sum()), x)
    moves = np.abs(np.diff(seen[-8:], axis=0)).max(axis=0) / [2.0, 3e5, 1.0]
    assert (moves > 0).all() and moves.max() / moves.min() < 2.1
    seen.clear()
    info = noise_level(lambda t: seen.append(t) or float(np.sin(t).sum()), x, direction=[1.0, 0.0, -1.0], full_output=True)[1]
    offsets = np.array(seen) - x
    assert (offsets[:, 1] == 0).all() and np.allclose(offsets[:, 0], -offsets[:, 2], rtol=0.02)
    assert np.array_equal(info.direction, [1.0, 0.0, -1.0])


def test_a_ratio_has_noise_too():
    """Along x itself it would be constant."""
    assert noise_level(lambda x: float(x[0] / x[1] + 1e-6 * battery.hashed(x[0])), [3.0, 7.0]) > 1e-7


def test_step_is_the_first_distance():
    seen = []
    noise_level(lambda t: seen.append(t) or rough(t), 1.0, step=1e-3)
    assert math.isclose(max(seen) - 1.0, 4e-3, rel_tol=1e-3)


@pytest.mark.parametrize(("x", "bounds"), [
    (1.0, (1.0, 3.0)), (3.0, (1.0, 3.0)), (2.0, (2.0 - 1e-7, 2.0 + 1e-9)), ([1.0, 3.0, 2.0], (1.0, 3.0)),
])  # fmt: skip
def test_bounds_are_never_left(x, bounds):
    seen = []

    def f(t):
        seen.append(np.copy(t))
        return np.sum(np.sin(t)) + 1e-9 * battery.hashed(np.sum(t))

    noise = noise_level(f, x, bounds=bounds)
    assert 1e-10 < noise < 4e-9
    assert np.min(seen) >= bounds[0] and np.max(seen) <= bounds[1]


@pytest.mark.parametrize("f", [lambda x: np.sqrt(x - 1) + 2, lambda x: np.sqrt(1 - x) + 2, lambda x: np.sqrt(1 + 1e-6 - x) + 2])
def test_edge_of_the_domain(f):
    noise, info = noise_level(lambda x: f(x) + 1e-8 * battery.hashed(x), 1.0, full_output=True)
    assert info.found and 1e-9 < noise < 3e-8


def test_nowhere_else_finite():
    noise, info = noise_level(lambda x: 1.0 if x == 2.0 else math.nan, 2.0, full_output=True)
    assert math.isnan(noise) and not info.found and info.message == "f is not finite at the points around x"


def test_only_one_output_leaves_the_domain():
    noise, info = noise_level(lambda x: [math.sin(x), 1.0 if x == 2.0 else math.inf], 2.0, full_output=True)
    assert 0 < noise[0] < 1e-15 and math.isnan(noise[1]) and list(info.status) == [0, 3]


@pytest.mark.parametrize(("call", "kind", "text"), [
    (lambda: noise_level(3, 1.0), TypeError, "f must be callable, got int"),
    (lambda: noise_level(math.sin, 1j), TypeError, "x must be real numbers"),
    (lambda: noise_level(math.sin, math.nan), ValueError, "x must be finite, but"),
    (lambda: noise_level(lambda x: math.inf, 1.0), ValueError, r"f must be finite at x, but f\(x\) is inf"),
    (lambda: noise_level(lambda x: "no", 1.0), TypeError, "f must return numbers"),
    (lambda: noise_level(math.sin, 1.0, args=2), TypeError, "args must be a tuple"),
    (lambda: noise_level(math.sin, 1.0, direction=[1.0, 2.0]), ValueError, "direction must have the shape of x"),
    (lambda: noise_level(math.sin, 1.0, direction=math.inf), ValueError, "direction must be finite"),
    (lambda: noise_level(math.sin, 1.0, direction="up"), TypeError, "direction must be real numbers"),
    (lambda: noise_level(math.sin, 1.0, direction=0.0), ValueError, "direction is zero"),
    (lambda: noise_level(math.sin, 1.0, step=0), ValueError, "step must be positive"),
    (lambda: noise_level(math.sin, 1.0, bounds=(2, 3)), ValueError, "bounds do not hold"),
    (lambda: noise_level(math.sin, 1.0, bounds=(1, 1)), ValueError, "bounds leave no room"),
    (lambda: noise_level(math.sin, 1.0, direction=1.0, bounds=(1, 1)), ValueError, "bounds leave no room"),
    (lambda: noise_level(pair_into, [1.0, 2.0], out_size=-2), ValueError, "out_size must be"),
    (lambda: noise_level(math.sin, 1.0, parallel=3), ValueError, "parallel must be"),
])  # fmt: skip
def test_bad_input(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_exceptions_of_f_say_where():
    with pytest.raises(ValueError, match="math domain error") as caught:
        noise_level(lambda x: math.sqrt(x - 1), 1.0)
    assert "moved all coordinates, at x = array(0.9999" in caught.value.__notes__[0]


# --- a noise that is known ----------------------------------------------------------------------------------------------


@njit
def hummed(x, amplitude):
    return np.exp(x) + amplitude * np.sin(1e9 * x * x)


@pytest.mark.parametrize("amplitude", [1e-9, 1e-6, 1e-3])
def test_a_known_noise_makes_steps_longer_and_bars_true(amplitude):
    points = np.linspace(0.5, 2.0, 60)
    truth = np.exp(points)
    found, info = fastfd.derivative(hummed, points, (amplitude,), noise=amplitude, full_output=True)
    unknown = fastfd.derivative(hummed, points, (amplitude,))
    assert (np.abs(found - truth) <= info.error).mean() >= 0.98
    assert np.median(np.abs(found - truth)) <= max(np.median(np.abs(unknown - truth)), 20 * amplitude)
    assert np.median(info.error) <= 1e3 * amplitude


def test_a_known_noise_that_is_not_there_costs_only_width():
    exact, info = fastfd.gradient(lambda x: np.sum(np.exp(x)), [0.3, 0.7], noise=1e-8, full_output=True)
    assert (np.abs(exact - np.exp([0.3, 0.7])) <= info.error).all() and (info.error >= 1e-9).all()


@pytest.mark.parametrize("noise", [-1.0, np.nan, np.inf, "a", True, [1.0]])
def test_a_noise_that_is_none(noise):
    with pytest.raises(ValueError, match="noise must be a number >= 0"):
        fastfd.derivative(np.exp, 1.0, noise=noise)


@pytest.mark.parametrize(("call", "more"), [(fastfd.Jacobian, {"method": "central"}), (fastfd.Hessian, {"method": "central"})])
def test_noise_where_it_has_no_meaning(call, more):
    with pytest.raises(ValueError, match="noise has no meaning"):
        call(np.sum, noise=1e-6, **more)([1.0])
