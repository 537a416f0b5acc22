"""Derivatives of functions of one number, of every order, elementwise over points of any shape."""

import numpy as np
import pytest
from battery import CASES
from numba import njit
from scenarios import SCENARIOS, U64, as_python
from test_operators import METHODS, check, tolerance

import fastfd

NUMBERS = [s for s in SCENARIOS if s.point.ndim == 0 and s.shape == ()]
POINTS = np.array([[0.3, -1.2, 2.0], [0.0, 5.0, -0.01]])


@njit
def wave(x, a):
    return np.sin(a * x)


def wave_derivative(x, a, order):
    return a**order * np.sin(a * x + order * np.pi / 2)


@pytest.mark.parametrize("scenario", NUMBERS, ids=lambda s: s.name)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("world", ["njit", "python"])
def test_derivative(scenario, method, world):
    if method == "complex" and not scenario.analytic:
        pytest.skip("not analytic")
    keywords, p = METHODS[method]
    f = scenario.f if world == "njit" else as_python(scenario.f)
    found, info = fastfd.derivative(f, scenario.x, scenario.args, full_output=True, **keywords)
    check(found, info, scenario, scenario.truth, tolerance(scenario, p), p)
    assert fastfd.Derivative(f, **keywords)(scenario.x, *scenario.args) == found


@pytest.mark.parametrize("order", range(1, 11))
@pytest.mark.parametrize("world", ["njit", "python"])
def test_adaptive_orders(order, world):
    f = wave if world == "njit" else as_python(wave)
    found, info = fastfd.derivative(f, POINTS, (1.5,), order=order, full_output=True)
    error = np.abs(found - wave_derivative(POINTS, 1.5, order))
    assert found.shape == info.error.shape == info.step.shape == info.status.shape == POINTS.shape
    assert (error <= info.error + 1e-14 * 1.5**order).all()
    # no worse than a stencil of accuracy 4, which reaches u^(4/(4 + order)) at a step that suits f, or flagged
    sure = info.status <= 1
    assert sure.any()
    assert error[sure].max() <= 100 * U64 ** (4 / (4 + order)) * 1.5**order


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize(("method", "accuracy"), [("forward", 2), ("backward", 2), ("central", 2), ("central", 4)])
def test_fixed_orders(order, method, accuracy):
    options = {"order": order, "method": method, "accuracy": accuracy}
    found = fastfd.derivative(wave, POINTS, (1.5,), **options)
    limit = 100 * 5**accuracy * U64 ** (accuracy / (accuracy + order))  # the step grows with |x|, 5 at most
    assert np.abs(found - wave_derivative(POINTS, 1.5, order)).max() <= limit * 1.5**order


@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (2, 3), (2, 0, 3)])
@pytest.mark.parametrize("method", ["adaptive", "central", "complex"])
def test_shapes(shape, method):
    x = np.linspace(0.5, 1.5, int(np.prod(shape))).reshape(shape)
    found, info = fastfd.derivative(wave, x, (2.0,), method=method, full_output=True)
    assert np.shape(found) == np.shape(info.error) == shape
    assert np.allclose(found, 2 * np.cos(2 * x), rtol=1e-7)


def test_a_float_for_a_float():
    assert isinstance(fastfd.derivative(wave, 1.0, (2.0,)), float)


@pytest.mark.parametrize("order", [1, 2])
def test_every_point_has_the_bits_that_it_has_alone(order):
    """However many points, however many threads."""
    x = np.linspace(-2, 2, 101)
    alone = [fastfd.derivative(wave, v, (2.0,), order=order) for v in x.tolist()]
    for parallel in (False, True, None):
        assert np.array_equal(fastfd.derivative(wave, x, (2.0,), order=order, parallel=parallel), alone)


@njit
def root(x):
    return np.sqrt(x)


@pytest.mark.parametrize("method", ["central", "adaptive"])
def test_each_point_may_have_a_step_of_its_own(method):
    x, steps = np.array([[0.5, 1.0], [2.0, 3.0]]), np.array([[1e-3, 1e-4], [0.1, 1e-2]])
    found, info = fastfd.derivative(np.sin, x, method=method, step=steps, full_output=True)
    alone = [fastfd.derivative(np.sin, p, method=method, step=h) for p, h in zip(x.flat, steps.flat, strict=True)]
    assert np.array_equal(found.ravel(), alone)
    if method == "central":
        assert np.array_equal(info.step / 2, (x + steps / 2) - x)  # x + h and x + h/2 are free of rounding
    with pytest.raises(ValueError, match=r"step must be a number or have the shape of x, \(2, 2\), got shape \(3,\)"):
        fastfd.derivative(np.sin, x, method=method, step=[0.1, 0.2, 0.3])


def test_points_where_f_is_not_finite_give_nan_and_say_so():
    found, info = fastfd.derivative(root, [1.0, -1.0, 4.0], full_output=True)
    assert np.isnan(found[1]) and np.allclose(found[[0, 2]], [0.5, 0.25], rtol=1e-11)
    assert not info.success and info.status[1] > 1 and (info.status[[0, 2]] <= 1).all()


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("x", [0.7, [0.7], [[0.7, 1.3], [-1.0, 2.0]]])
def test_nfev_counts_the_calls(x, order):
    calls = []

    def f(t):
        calls.append(t)
        return np.sqrt(t) if t > 0 else np.nan

    d = fastfd.Derivative(f, order=order)
    d(x)  # looks at what f returns
    d(x, full_output=True)
    calls.clear()
    _, info = d(x, full_output=True)
    assert info.nfev == len(calls)


@pytest.mark.parametrize("method", ["adaptive", "forward", "central"])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("upper", [1.0, np.nextafter(1.0, 2.0), 1.0 + 1e-9])
def test_never_outside_bounds(method, order, upper):
    seen = []

    def f(x):
        seen.append(float(x))
        return np.sin(x)

    x = np.array([0.0, 1e-9, 0.3, 1.0])
    fastfd.derivative(f, x, bounds=(0.0, upper), order=order, method=method, full_output=True)
    assert min(seen) >= 0.0 and max(seen) <= upper


@njit
def fails(x):
    if x > 2.0:
        raise LookupError("beyond two")
    return x * x


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("method", ["adaptive", "central"])
@pytest.mark.parametrize("world", ["njit", "python"])
def test_the_users_exception_comes_out(world, method, parallel):
    f = fails if world == "njit" else as_python(fails)
    with pytest.raises(LookupError, match="beyond two"):
        fastfd.derivative(f, [0.0, 1.0, 3.0], method=method, parallel=parallel)


@njit
def two(x):
    return np.array([x, x * x])


@pytest.mark.parametrize(("keywords", "message"), [
    ({"order": 0}, "order"), ({"order": 11}, "order"), ({"order": 1.5}, "order"), ({"order": True}, "order"),
    ({"order": 2, "method": "complex"}, "complex"),
    ({"method": fastfd.Stencil((-1, 1)), "order": 2}, "Stencil for derivatives of order 1"),
    ({"accuracy": 2}, "accuracy has no meaning"), ({"step": [1e-3, 1e-3]}, "step"), ({"bounds": (2.0, 3.0)}, "bounds"),
])  # fmt: skip
def test_guards(keywords, message):
    with pytest.raises(ValueError, match=message):
        fastfd.derivative(wave, [1.0, 1.0, 1.0], (2.0,), **keywords)


def test_more_than_one_number():
    with pytest.raises((TypeError, ValueError), match="return a number for a number"):
        fastfd.derivative(two, 1.0)


SMOOTH = [case for case in CASES if case.kind == "smooth"]


@pytest.mark.parametrize(("order", "limit", "least"), [(2, 1e-8, 0.95), (3, 1e-6, 0.95), (4, 1e-5, 0.95)])
def test_higher_orders_on_the_battery(order, limit, least):
    """Right to `limit` relative to the truth, or (zero derivatives) covered by the bar; and the bars cover."""
    right, covered = [], []
    for case in SMOOTH:
        value, info = fastfd.derivative(case.f, case.x, case.args, order=order, full_output=True)
        error = abs(value - case.truth(order))
        right.append(error <= limit * abs(case.truth(order)) or error <= info.error < limit)
        covered.append(error <= info.error)
    assert np.mean(right) >= least and np.mean(covered) >= 0.95
