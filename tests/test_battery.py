"""The battery's data are what they claim: counts, values, and derivatives by ways that share nothing with `limits`."""

import math
from collections import Counter
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from battery import (
    CASES,
    KINDS,
    VECTOR_CASES,
    exactly,
    limits,
    nearby,
    random_composition,
    twin,
)
from mpmath import mpf

U = 2.0**-53
NAMED = {case.name: case for case in CASES}
COMPARING = ("factorial", "log_factorial", "flat", "restless")  # their code compares x: no complex x


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def complex_step(g, x):
    """Im g(x + ih)/h at 100 digits: no subtraction, no limit, only for analytic g: mpf -> list."""
    with mpmath.workdps(100):
        h = mpf(10) ** -60 * mpf(min(abs(x), 1.0) or 1.0)
        return [float(mpmath.im(v) / h) for v in g(mpmath.mpc(x, h))]


def agree(a, b, absolute=0.0):
    return abs(a - b) <= 4 * U * abs(b) + absolute


def _cubic_root(x):
    return mpmath.findroot(lambda y: y**3 + y - x, 1.7)


def test_counts():
    counts = Counter(case.kind for case in CASES)
    assert set(counts) == set(KINDS) and min(counts.values()) >= 15
    assert counts["smooth"] >= 50 and len(CASES) >= 150 and len(VECTOR_CASES) >= 24
    assert len(NAMED) == len(CASES) and len({case.name for case in VECTOR_CASES}) == len(VECTOR_CASES)
    assert len({case.f for case in (*CASES, *VECTOR_CASES)}) <= 72


@named([case for case in CASES if case.derivative_exists])
def test_value_is_the_ideal_function_but_for_rounding_and_noise(case):
    allowed = 8 * U * (abs(case.exact()) + abs(case.x * case.truth())) + case.noise
    assert abs(case.f(case.x, *case.args) - case.exact()) <= allowed


@named([case for case in CASES if case.kind == "noisy"])
def test_noise_has_the_stated_amplitude(case):
    points = case.x + 1e-4 * np.arange(-300, 300) / 7.0
    noise = [abs(case.f(x, *case.args) - case.exact(x)) for x in points.tolist()]
    assert max(noise) <= 1.05 * case.noise  # relative noise, a little off x
    if not case.name.startswith(("cubic by Newton", "quadratic")):  # stopped well inside their tolerance
        assert max(noise) >= 0.15 * case.noise


@named([case for case in CASES if case.derivative_exists and case.kind != "nonsmooth"])
def test_truth_by_the_complex_step(case):
    if getattr(case.f, "__name__", "") in COMPARING:
        pytest.skip("not written for complex x")
    args = tuple(map(exactly, case.args))
    (slope,) = complex_step(lambda t: [case.mp(t, *args)], case.x)
    assert agree(case.truth(), slope, absolute=1e-25 if case.truth() == 0.0 else 0.0)


@named(VECTOR_CASES)
def test_vector_value_and_jacobian(case):
    value, jacobian = case.exact(), case.truth()
    assert jacobian.shape == (len(value), len(case.x)) and np.isfinite(jacobian).all()
    allowed = 8 * U * (np.abs(value) + np.abs(jacobian) @ np.abs(case.x) + case.name.startswith("badly"))
    assert (np.abs(case.f(case.x, *case.args) - value) <= allowed).all()
    x, args = exactly(case.x), tuple(map(exactly, case.args))
    for j in range(len(x)):
        column = complex_step(lambda t, j=j: case.mp([*x[:j], t, *x[j + 1 :]], *args), float(case.x[j]))
        assert all(agree(a, b) for a, b in zip(jacobian[:, j], column, strict=True))


@pytest.mark.parametrize(
    ("name", "order", "closed"),
    [
        ("sin x at 1", 2, lambda x: -mpmath.sin(x)),
        ("sin x at 1", 3, lambda x: -mpmath.cos(x)),
        ("sin x at 1", 4, mpmath.sin),
        ("sin at 1e6", 4, mpmath.sin),
        ("sin 1e-10x at 1e10", 2, lambda x: -(mpf(1e-10) ** 2) * mpmath.sin(mpf(1e-10) * x)),
        ("exp 1e8x at 1e-8", 4, lambda x: mpf(1e8) ** 4 * mpmath.exp(mpf(1e8) * x)),
        ("log at 1e-12", 3, lambda x: 2 / x**3),
        ("log at 1e12", 4, lambda x: -6 / x**4),
        ("sqrt(1 - x) at 1 - 1e-9", 1, lambda x: -1 / (2 * mpmath.sqrt(1 - x))),
        ("sqrt(1 - x) at 1 - 1e-9", 2, lambda x: -1 / (4 * mpmath.sqrt(1 - x) ** 3)),
        ("asin at 1 - 1e-9", 1, lambda x: 1 / mpmath.sqrt(1 - x * x)),
        ("tan at pi/2 + 1e-6", 1, lambda x: 1 + mpmath.tan(x) ** 2),
        ("tan at pi/2 + 1e-6", 2, lambda x: 2 * mpmath.tan(x) * (1 + mpmath.tan(x) ** 2)),
        ("1/x at 1e-8", 3, lambda x: -6 / x**4),
        ("1e10 + sin x at 1", 3, lambda x: -mpmath.cos(x)),
        ("1e-200 exp x at 1", 2, lambda x: mpf(1e-200) * mpmath.exp(x)),
        ("x^4 at 0", 3, lambda x: mpf(0)),
        ("x^4 at 0", 4, lambda x: mpf(24)),
        ("(x - 1)^2 at 1", 2, lambda x: mpf(2)),
        ("(x - 1)^2 at 1", 3, lambda x: mpf(0)),
        ("x^2.5 at 0", 2, lambda x: mpf(0)),
        ("Gamma at 3.5", 1, lambda x: mpmath.gamma(x) * mpmath.digamma(x)),
        ("Gamma at 1e-4", 1, lambda x: mpmath.gamma(x) * mpmath.digamma(x)),
        ("log Gamma at 7.2", 3, lambda x: mpmath.polygamma(2, x)),
        ("log Gamma at 1e8", 1, mpmath.digamma),
        ("log Gamma at 1e-6", 1, mpmath.digamma),
        ("x^x at 1e-5", 1, lambda x: x**x * (mpmath.log(x) + 1)),
        ("J0 at 20", 1, lambda x: -mpmath.besselj(1, x)),
        ("J0 at 60", 2, lambda x: mpmath.besselj(1, x) / x - mpmath.besselj(0, x)),
        ("sinc at 1e-5", 1, lambda x: (x * mpmath.cos(x) - mpmath.sin(x)) / x**2),
        ("exp(-1/x^2) at 0.15", 1, lambda x: 2 * mpmath.exp(-1 / x**2) / x**3),
        ("x^2 sin 1/x at 0.02", 1, lambda x: 2 * x * mpmath.sin(1 / x) - mpmath.cos(1 / x)),
        ("x|x| at 0.01", 1, lambda x: 2 * x),
        ("cubic by Newton to 1e-8", 1, lambda x: 1 / (1 + 3 * _cubic_root(x) ** 2)),
        ("|x - 1| at 1 - 1e-6", 1, lambda x: mpf(-1)),
        ("|x|^1.5 at 0", 1, lambda x: mpf(0)),
        ("|x|^3 at 0", 2, lambda x: mpf(0)),
        ("max(x - 3, 0) at 3.01", 1, lambda x: mpf(1)),
        ("exp near a jump", 1, mpmath.exp),
        ("floor at 2.5", 1, lambda x: mpf(0)),
        ("slope 1 on both sides at 0.5", 1, lambda x: mpf(1)),
        ("slopes 1 and 2 at 0.45", 1, lambda x: mpmath.exp(x - 0.5)),
        ("clamped sin at 0.45", 1, mpmath.cos),
        ("x^2 sin 1/x at 0", 1, lambda x: mpf(0)),
        ("x(1 - x)^2.5 at 0", 1, lambda x: mpf(1)),
        ("x^0.5 (1 - x) at 1", 1, lambda x: mpf(-1)),
        ("exp(-1/x^2) at 0", 1, lambda x: mpf(0)),
    ],
)
def test_truth_by_closed_forms(name, order, closed):
    case = NAMED[name]
    with mpmath.workdps(60):
        assert agree(case.truth(order), float(closed(mpf(case.x))))


@named([case for case in CASES if not case.derivative_exists])
def test_where_there_is_no_derivative_the_limits_do_not_exist(case):
    args = tuple(map(exactly, case.args))
    assert math.isnan(limits(lambda t: [twin(case.f)(t, *args)], case.x, side=case.side)[0])


def test_second_derivatives_differ_in_side_at_a_jump_of_curvature():
    assert NAMED["x|x| at 0"].truth(1) == 0.0 and math.isnan(NAMED["x|x| at 0"].truth(2))


def test_nearby_points_are_fresh_and_of_the_same_kind():
    rng = np.random.default_rng(1)
    for case in CASES:
        fresh = nearby(case, rng)
        assert fresh.kind == case.kind and fresh.f is case.f
        assert fresh.x != case.x or (case.kind == "edge" and case.mp is None)
        assert math.isfinite(fresh.f(fresh.x, *fresh.args))
        assert fresh.derivative_exists == case.derivative_exists == math.isfinite(fresh.truth())
        if case.x != case.about and not case.pinned:
            assert 0.69 < (fresh.x - case.about) / (case.x - case.about) < 1.31
        if case.pinned and case.kind == "zero":
            assert fresh.truth() == 0.0


def test_random_compositions_are_of_moderate_condition_and_known_twice():
    rng = np.random.default_rng(2)
    cases = [random_composition(rng) for _ in range(60)]
    assert len({case.name for case in cases}) == 60
    assert all(a.f is b.f for a, b in pairwise(cases))
    for case in cases:
        args = tuple(map(exactly, case.args))
        (slope,) = complex_step(lambda t, case=case, args=args: [case.mp(t, *args)], case.x)
        assert agree(case.truth(), slope), case.name
