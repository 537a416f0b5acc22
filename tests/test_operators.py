"""Every scenario × operator × method × world."""

from functools import cache, partial

import numpy as np
import pytest
from judge import Answer, Score, judged, known, points
from numba import njit
from scenarios import SCENARIOS, U32, U64, Scenario, as_python
from surfaces import vanishing

import fastfd

#: Method, its keywords, its order of accuracy (None: extrapolated or exact).
METHODS = {
    "adaptive": ({}, None),
    "forward": ({"method": "forward"}, 1),
    "backward, 2": ({"method": "backward", "accuracy": 2}, 2),
    "central": ({"method": "central"}, 2),
    "central, 4": ({"method": "central", "accuracy": 4}, 4),
    "a stencil": ({"method": fastfd.Stencil((-3, -1, 1, 2))}, 3),
    "complex": ({"method": "complex"}, None),
}
REAL = [s for s in SCENARIOS if s.out_size is None and not np.iscomplexobj(s.truth)]
GRADIENTS = [s for s in SCENARIOS if s.shape == () and not np.iscomplexobj(s.truth)]



def named(scenarios):
    return pytest.mark.parametrize("scenario", scenarios, ids=lambda s: s.name)


def by_method(scenarios):
    pairs = [(s, m) for s in scenarios for m in METHODS if m != "complex" or s.analytic]
    return pytest.mark.parametrize(("scenario", "method"), pairs, ids=[f"{s.name}-{m}" for s, m in pairs])


@cache
def writes(scenario: Scenario):
    """The function of a scenario, writing its results in place."""
    f = scenario.f

    @njit
    def write(x, out):
        out[:] = np.ravel(np.asarray(f(x)))

    @njit
    def write_1(x, out, a):
        out[:] = np.ravel(np.asarray(f(x, a)))

    @njit
    def write_2(x, out, a, b):
        out[:] = np.ravel(np.asarray(f(x, a, b)))

    return (write, write_1, write_2)[len(scenario.args)]


def tolerance(scenario: Scenario, p: int | None, order: int = 1) -> float:
    """Extrapolation comes near the roundoff u; a stencil of accuracy p to u^(p/(p + order)), at scales of about 1."""
    u, size = scenario.roundoff, max(1.0, np.max(np.abs(scenario.truth), initial=0.0))
    if p is None:
        return size * {U64: 1e-11, U32: 1e-5}[u]
    return 100 * size * u ** (p / (p + order))


def check(found, info, scenario: Scenario, truth, limit: float, p: int | None) -> None:
    truth, slack = np.asarray(truth), 1 if p is None else 2  # halving a step shows the leading error term alone
    assert np.shape(found) == np.shape(info.error) == truth.shape
    assert np.iscomplexobj(found) == np.iscomplexobj(truth)
    error = np.abs(found - truth)
    assert np.max(error, initial=0.0) <= limit
    assert (error <= slack * info.error).all()
    assert info.success or scenario.roundoff == U32, info.message  # to the search, single precision is noise


@by_method(SCENARIOS)
@pytest.mark.parametrize("world", ["njit", "python"])
def test_jacobian(scenario, method, world):
    keywords, p = METHODS[method]
    f = scenario.f if world == "njit" else as_python(scenario.f)
    J, info = fastfd.jacobian(
        f, scenario.x, scenario.args, out_size=scenario.out_size, full_output=True, **keywords
    )
    check(J, info, scenario, scenario.truth, tolerance(scenario, p), p)


@named([s for s in REAL if s.roundoff == U64])  # an `out` of doubles hides single precision
@pytest.mark.parametrize("method", ["adaptive", "central"])
@pytest.mark.parametrize("world", ["njit", "python"])
def test_jacobian_in_place(scenario, method, world):
    keywords, p = METHODS[method]
    g, x, truth = writes(scenario), scenario.point, scenario.truth
    m = int(np.prod(scenario.shape))
    g = g if world == "njit" else as_python(g)
    J, info = fastfd.jacobian(g, x, scenario.args, out_size=m, full_output=True, **keywords)
    check(J, info, scenario, truth.reshape(m, *x.shape), tolerance(scenario, p), p)


@by_method(GRADIENTS)
@pytest.mark.parametrize("world", ["njit", "python"])
def test_gradient(scenario, method, world):
    keywords, p = METHODS[method]
    f = scenario.f if world == "njit" else as_python(scenario.f)
    g, info = fastfd.gradient(f, scenario.x, scenario.args, full_output=True, **keywords)
    check(g, info, scenario, scenario.truth, tolerance(scenario, p), p)


@by_method(SCENARIOS)
@pytest.mark.parametrize("world", ["njit", "python"])
def test_jvp(scenario, method, world):
    keywords, p = METHODS[method]
    f = scenario.f if world == "njit" else as_python(scenario.f)
    v = np.cos(1.0 + np.arange(scenario.point.size)).reshape(scenario.point.shape)
    found, info = fastfd.jvp(
        f, scenario.x, v, scenario.args, out_size=scenario.out_size, full_output=True, **keywords
    )
    truth = np.tensordot(scenario.truth, v, v.ndim)
    check(found, info, scenario, truth, v.size * tolerance(scenario, p), p)


@named(SCENARIOS)
def test_prepared_gives_the_same_bits_as_the_call(scenario):
    keywords = {"out_size": scenario.out_size, "rtol": 1e-12}  # by default it tries the steps of the call before
    J = fastfd.Jacobian(scenario.f, **keywords)
    called, info = fastfd.jacobian(scenario.f, scenario.x, scenario.args, **keywords, full_output=True)
    for _ in range(2):  # the second call finds workspaces in use before
        again, more = J(scenario.x, *scenario.args, full_output=True)
        assert np.array_equal(J(scenario.x, *scenario.args), called) and np.array_equal(again, called)
        assert np.array_equal(more.error, info.error) and more.nfev == info.nfev


@named(GRADIENTS)
def test_prepared_gradient_is_the_jacobian(scenario):
    gradient = fastfd.Gradient(scenario.f)(scenario.x, *scenario.args)
    assert np.array_equal(gradient, fastfd.jacobian(scenario.f, scenario.x, scenario.args))


@named([s for s in SCENARIOS if s.point.size and s.shape != (0,)])
def test_nfev_of_fixed_stencils_follows_the_formula(scenario):
    """One at x, and with the error estimate two stencils a column."""
    options = {"method": "central", "out_size": scenario.out_size, "full_output": True}
    _, info = fastfd.jacobian(scenario.f, scenario.x, scenario.args, **options)
    assert info.nfev == 1 + 2 * 2 * scenario.point.size


@pytest.mark.parametrize("method", METHODS)
def test_nfev_counts_the_calls(method):
    calls = []

    def f(x):
        calls.append(x)
        return x[0] ** 2 * x[1] + 0 * x[0]

    keywords, _ = METHODS[method]
    J = fastfd.Jacobian(f, **keywords)
    J([1.0, 2.0])  # looks at what f returns
    calls.clear()
    _, info = J([1.0, 2.0], full_output=True)
    assert len(calls) == info.nfev


def test_columns_are_contiguous():
    by_name = {s.name: s for s in SCENARIOS}
    J = fastfd.jacobian(by_name["decay"].f, by_name["decay"].x, by_name["decay"].args)
    assert J.flags.f_contiguous and J.shape == (5, 2)


def test_adaptive_is_better_than_fixed_central():
    ratios = []
    for s in SCENARIOS:
        if s.truth.size and s.roundoff == U64 and np.any(s.truth):
            options = {"out_size": s.out_size}
            error = [
                np.max(np.abs(fastfd.jacobian(s.f, s.x, s.args, method=m, **options) - s.truth))
                for m in ("adaptive", "central")
            ]
            ratios.append(error[0] / max(error[1], 1e-16))
    assert len(ratios) > 12 and np.median(ratios) < 1e-2


@pytest.mark.parametrize("keywords", [{}, {"step": 1e-3}, {"step": 1e-2}, {"accuracy": 4}], ids=str)
@pytest.mark.parametrize("method", ["forward", "central"])
def test_fixed_bars_cover_whatever_limits_them(method, keywords):
    """Rounding, or truncation, of which half the step shows the leading term only."""
    cases = known(points(20261125, 4, 200, ["smooth", "random"]))

    def fixed(f, x, args, order):
        value, info = fastfd.derivative(f, x, args, method=method, full_output=True, **keywords)
        return Answer(float(value), float(info.error))

    assert Score([judged(case, fixed) for case in cases]).coverage >= 0.99


@pytest.mark.parametrize("keywords", [{"method": "forward"}, {"method": "central"}, {"method": "central", "accuracy": 4},
                                      {"method": "central", "step": 1e-5}], ids=str)  # fmt: skip
def test_bars_of_fixed_stencils_know_what_cancels_in_f(keywords):
    """|f(x)| does not, where it is 0: that left 17 to 23 % of the errors uncovered."""
    covered = []
    for case in vanishing(20261126, 15):
        truth, pattern = case.gradient(), np.ones((1, case.x.size))
        gradient, info = fastfd.gradient(case.f, case.x, case.args, full_output=True, **keywords)
        J, told = fastfd.jacobian(case.f, case.x, case.args, full_output=True, **keywords)
        S, sparse = fastfd.jacobian(case.f, case.x, case.args, sparsity=pattern, full_output=True, **keywords)
        assert np.array_equal(J, gradient) and np.array_equal(told.error, info.error)
        assert np.array_equal(np.ravel(S.toarray()), gradient)
        np.testing.assert_allclose(np.ravel(sparse.error.toarray()), info.error, rtol=1e-13)
        covered += list(np.abs(gradient - truth) <= info.error)
    assert np.mean(covered) >= 0.99


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("method", ["forward", "central"])
def test_so_do_those_of_one_number(method, order):
    covered = []
    for x in np.random.default_rng(8).uniform(0.3, 3, 60):
        for f, truth in ((np.exp, (np.exp(x),) * 3), (np.log, (1 / x, -1 / x**2, 2 / x**3))):
            value, info = fastfd.derivative(partial(less, f, f(x)), x, order=order, method=method, full_output=True)
            covered.append(abs(value - truth[order - 1]) <= info.error)
    assert np.mean(covered) >= 0.99


def less(f, c, x):
    return f(x) - c
