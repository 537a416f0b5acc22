"""Second derivatives: every scenario × method × world, exact symmetry, the rules that hold for every function."""

from functools import partial

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mgh import PROBLEMS, hessian_reference
from numba import njit
from scenarios import SCENARIOS, as_python
from surfaces import vanishing

import fastfd

HESSIANS = [s for s in SCENARIOS if s.hessian is not None]
#: Limits relative to the largest entry; fixed steps reach u^(p/(p + 2)): 1e-5, 1e-8, and 1e-10 for accuracy 4.
METHODS = {
    "adaptive": ({}, 1e-8),
    "forward": ({"method": "forward"}, 1e-3),
    "backward": ({"method": "backward"}, 1e-3),
    "central": ({"method": "central"}, 1e-5),
    "central, 4": ({"method": "central", "accuracy": 4}, 1e-7),
}
FIXED = [keywords for method, (keywords, _) in METHODS.items() if method != "adaptive"] + [{"method": "central", "step": 1e-5}]
by_method = pytest.mark.parametrize("method", METHODS)
by_world = pytest.mark.parametrize("world", ["njit", "python"])
named = pytest.mark.parametrize("scenario", HESSIANS, ids=lambda s: s.name)


def in_world(f, world):
    return f if world == "njit" else as_python(f)


def check(found, info, truth, limit, bound):
    truth = np.asarray(truth, float)
    assert np.shape(found) == np.shape(info.error) == truth.shape
    error = np.abs(found - truth)
    assert error.max() <= limit * max(1.0, np.abs(truth).max())
    assert not bound or (error <= info.error).all()  # one halving estimates, extrapolation bounds
    assert info.success, info.message


@named
@by_method
@by_world
def test_hessian(scenario, method, world):
    keywords, limit = METHODS[method]
    f = in_world(scenario.f, world)
    H, info = fastfd.hessian(f, scenario.x, scenario.args, full_output=True, **keywords)
    check(H, info, scenario.hessian, limit, method == "adaptive")
    n = scenario.point.size
    assert np.array_equal(np.reshape(H, (n, n)), np.reshape(H, (n, n)).T)
    assert np.array_equal(fastfd.Hessian(f, **keywords)(scenario.x, *scenario.args), H)


@named
@by_method
@by_world
def test_hvp(scenario, method, world):
    keywords, limit = METHODS[method]
    v = np.cos(1.0 + np.arange(scenario.point.size)).reshape(scenario.point.shape)
    found, info = fastfd.hvp(
        in_world(scenario.f, world), scenario.x, v, scenario.args, full_output=True, **keywords
    )
    truth = np.tensordot(scenario.hessian, v, v.ndim)
    check(found, info, truth, limit * v.size * max(1.0, np.abs(scenario.hessian).max()), method == "adaptive")


@pytest.mark.parametrize("problem", [p for p in PROBLEMS if p.x0.size <= 6], ids=lambda p: p.name)
def test_hessian_of_mgh_objectives(problem):
    H, info = fastfd.hessian(problem.objective, problem.x0, problem.args, full_output=True)
    truth = hessian_reference(problem, problem.x0)
    error = np.abs(H - truth)
    # brown_badly_scaled is 1e12 where its curvature is 2: rounding leaves one digit, which is said
    assert error.max() <= 1e-7 * np.abs(truth).max() or not info.success
    assert np.mean(error <= info.error + 1e-13 * np.abs(truth).max()) >= 0.9


def test_a_hessian_costs_two_evaluations_a_pair_and_level():
    """n = 10: 3001 evaluations in numdifftools, 221 in optimagic."""
    calls = []

    def f(x):
        calls.append(1)
        return np.sum(x**2) + np.prod(1 + 0.1 * x)

    H = fastfd.Hessian(f)
    H(np.linspace(0.1, 1, 10))
    calls.clear()
    _, info = H(np.linspace(0.1, 1, 10), full_output=True)
    assert len(calls) == info.nfev <= 700


@njit
def bowl(x, a):
    return a * np.sum(x * x) + np.exp(x[0] * x[-1]) + np.sin(x[1])


def bowl_hessian(x, a):
    n, e = x.size, np.exp(x[0] * x[-1])
    H = 2 * a * np.eye(n)
    H[0, 0] += x[-1] ** 2 * e
    H[-1, -1] += x[0] ** 2 * e
    H[0, -1] += e * (1 + x[0] * x[-1])
    H[-1, 0] = H[0, -1]
    H[1, 1] -= np.sin(x[1])
    return H


numbers = st.floats(-1.5, 1.5).map(lambda v: round(v, 3))
points = arrays(float, 4, elements=numbers)


@given(points, numbers)
@example(np.array([0.0, -1.5, 0.0, 0.0]), 0.0)
def test_adaptive_is_right(x, a):
    H, info = fastfd.hessian(bowl, x, (a,), full_output=True)
    error = np.abs(H - bowl_hessian(x, a))
    # where exp(x0 x3) hides its scale from each axis a mixed entry is known less well, and its bar says so
    assert (error <= np.maximum(1e-6, info.error)).all()


def test_the_error_bar_covers():
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(100):
        x, a = rng.uniform(-1.5, 1.5, 4), rng.uniform(-1, 1)
        H, info = fastfd.hessian(bowl, x, (a,), full_output=True)
        covered.append(np.abs(H - bowl_hessian(x, a)) <= info.error + 1e-15)
    assert np.mean(covered) >= 0.97


@pytest.mark.parametrize("keywords", FIXED, ids=str)
def test_bars_of_fixed_stencils_know_what_cancels_in_f(keywords):
    """|f(x)| does not, where it is 0: that left 5 to 13 % of the errors uncovered, by any factor."""
    covered = []
    for case in vanishing(20261126, 15):
        truth, v = case.truth(), np.cos(1.0 + np.arange(case.x.size))
        H, info = fastfd.hessian(case.f, case.x, case.args, full_output=True, **keywords)
        S, told = fastfd.hessian(case.f, case.x, case.args, sparsity=np.ones(truth.shape), full_output=True, **keywords)
        product, known = fastfd.hvp(case.f, case.x, v, case.args, full_output=True, **keywords)
        assert np.array_equal(S.toarray(), H) and np.array_equal(told.error.toarray(), info.error)
        assert np.array_equal(info.error, info.error.T)
        covered += [*(np.abs(H - truth) <= info.error).ravel(), *(np.abs(product - truth @ v) <= known.error)]
    assert np.mean(covered) >= 0.99


@pytest.mark.parametrize("keywords", FIXED, ids=str)
@pytest.mark.parametrize("options", [{}, {"bounds": (0.5, 3.0)}], ids=["free", "bounds"])
def test_nfev_of_fixed_stencils_counts_the_calls(keywords, options):
    """Each node of both steps once, and x."""
    calls, x, full = [], np.array([0.5, 1.0, 3.0]), {"full_output": True}

    def f(x):
        calls.append(x)
        return x[0] ** 2 * x[1] + x[2]

    def counted(call, **more):
        calls.clear()
        return call(x, **more), len(calls)

    for sparsity in (None, np.eye(3), [[1, 1, 0], [1, 0, 0], [0, 0, 1]]):
        H = fastfd.Hessian(f, sparsity=sparsity, **keywords, **options)
        H(x)  # looks at what f returns
        (_, info), count = counted(H, **full)
        assert info.nfev == count
    along = partial(fastfd.hvp, f, v=np.array([1.0, 0.5, -1.0]), **keywords, **options)
    along(x)
    (_, info), count = counted(along, **full)
    assert info.nfev == 1 + 2 * (count - counted(along)[1])


def test_success_is_not_claimed_for_uncertain_entries():
    rng = np.random.default_rng(7)
    for _ in range(100):
        x, a = rng.uniform(-1.5, 1.5, 4), rng.uniform(-1, 1)
        H, info = fastfd.hessian(bowl, x, (a,), full_output=True)
        assert not info.success or info.error.max() <= 1e-3 * np.abs(H).max(), (x, a, info)


@pytest.mark.parametrize("method", METHODS)
@given(x=points)
def test_serial_parallel_and_python_have_the_same_bits(method, x):
    keywords, _ = METHODS[method]
    results = [
        fastfd.hessian(f, x, (2.0,), parallel=parallel, **keywords)
        for f, parallel in ((bowl, False), (bowl, True), (lambda x, a: bowl(x, a), None))
    ]
    assert all(np.array_equal(H, results[0]) for H in results)


def test_steps_as_long_as_the_room_stay_inside():
    """x - (x - lower) may round to below lower."""
    x, seen = np.array([0.125, 0.0, 0.0, 0.0]), []
    lower, upper = x - 0.01, x + np.array([0.0, 0.01, 0.01, 0.01])

    def f(y):
        seen.append(y.copy())
        return bowl(y, 0.0)

    fastfd.hessian(f, x, bounds=(lower, upper))
    assert all((lower <= y).all() and (y <= upper).all() for y in seen)


@pytest.mark.parametrize("method", METHODS)
@given(x=points, a=numbers, data=st.data())
def test_never_outside_bounds(method, x, a, data):
    room = data.draw(arrays(float, (2, 4), elements=st.sampled_from([0.0, 1e-9, 1e-4, 0.01, 1.0])))
    lower, upper = x - room[0], x + room[1]
    seen = []

    def f(y):
        seen.append(y.copy())
        return bowl(y, a)

    keywords, _ = METHODS[method]
    for call in (fastfd.hessian, lambda f, x, **k: fastfd.hvp(f, x, np.array([1.0, -1.0, 0.5, 0.0]), **k)):
        try:
            call(f, x, bounds=(lower, upper), full_output=True, **keywords)
        except ValueError as error:
            assert "no room" in str(error)
    assert all((lower <= y).all() and (y <= upper).all() for y in seen)


@njit
def raises_off_axis(x):
    if x[0] != 1.0 and x[2] != 3.0:
        raise LookupError("not both")
    return np.sum(x * x)


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("method", ["adaptive", "central"])
@by_world
def test_the_users_exception_comes_out(world, method, parallel):
    with pytest.raises(LookupError, match="not both") as caught:
        fastfd.hessian(in_world(raises_off_axis, world), [1.0, 2.0, 3.0], method=method, parallel=parallel)
    assert any("at x = array" in note for note in caught.value.__notes__)


@njit
def vector(x):
    return x * x


@njit
def changes(x):
    x[0] += 1.0
    return np.sum(x)


@by_world
def test_guards(world):
    with pytest.raises(ValueError, match=r"needs f to return one number, got shape \(2,\)"):
        fastfd.hessian(in_world(vector, world), [1.0, 2.0])
    with pytest.raises(ValueError, match="method='complex' gives first derivatives only"):
        fastfd.hessian(in_world(bowl, world), [1.0, 2.0], (1.0,), method="complex")
    with pytest.raises(ValueError, match="f changes its argument x in place"):
        fastfd.hessian(in_world(changes, world), [1.0, 2.0])
    with pytest.raises(ValueError, match=r"x must be finite, but x\[1\] is nan"):
        fastfd.hessian(in_world(bowl, world), [1.0, np.nan], (1.0,))
    with pytest.raises(ValueError, match="v must have the shape of x"):
        fastfd.hvp(in_world(bowl, world), [1.0, 2.0], [1.0], (1.0,))


def test_empty_and_v_zero():
    assert fastfd.hessian(lambda x: 1.0, np.empty(0)).shape == (0, 0)
    assert np.array_equal(fastfd.hvp(bowl, [1.0, 2.0], [0.0, 0.0], (1.0,)), [0.0, 0.0])


def test_one_prepared_object_in_eight_threads():
    from test_threads import in_threads

    H = fastfd.Hessian(bowl)
    inputs = [np.array([0.1 * i, 1.0, -0.5, 0.3]) for i in range(24)]
    in_threads(lambda x: H(x, float(x[0])), inputs * 3, [H(x, float(x[0])) for x in inputs] * 3)
