"""No evaluation outside bounds, however narrow, by any method."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit
from scipy.optimize import Bounds

import fastfd

METHODS = {
    "adaptive": {},
    "adaptive, step": {"step": 0.5},
    "forward": {"method": "forward"},
    "backward": {"method": "backward"},
    "central": {"method": "central"},
    "central, 4": {"method": "central", "accuracy": 4},
    "central, step": {"method": "central", "step": 0.5},
    "a stencil": {"method": fastfd.Stencil((-0.7, 0.3, 1.9))},
    "complex": {"method": "complex"},
}
#: The accuracy order of fixed stencils: their error bars see the leading term of the error, hᵖ, and not the next.
ORDERS = {"forward": 1, "backward": 1, "central": 2, "central, 4": 4, "central, step": 2, "a stencil": 2}
by_method = pytest.mark.parametrize("method", METHODS)


def record(points):
    """A smooth function that notes where it was asked (the real part, for the complex step)."""

    def f(x):
        points.append(np.real(x).copy())
        return np.sum(np.sin(x)) + x[0] * x[-1]

    return f


def slopes(x):
    """The gradient of what `record` makes, for two coordinates."""
    return np.cos(x) + x[::-1]


@st.composite
def boxes(draw):
    """x, lower and upper: widths from nothing over a few ulps to far away, x at an edge or between."""
    x = np.array([draw(st.sampled_from([0.0, 1.0, -1.0]) | st.floats(-1e3, 1e3)) for _ in range(2)])
    sides = []
    for _ in range(4):
        ulps = draw(st.integers(0, 40))
        share = draw(st.floats(1e-12, 10.0) | st.just(np.inf))
        sides.append((ulps, share, draw(st.booleans())))
    room = [u * np.spacing(abs(v)) if few else s * max(abs(v), 1e-3) for (u, s, few), v in zip(sides, [*x, *x])]
    return x, x - room[:2], x + room[2:]


def allowed(call):
    """The result, or None where the bounds leave no room, or the direction is next to nothing, and that is said."""
    try:
        return call()
    except ValueError as error:
        assert "no room" in str(error) or "largest entry between" in str(error)


def inside(points, lower, upper):
    return all((lower <= p).all() and (p <= upper).all() for p in points)


@by_method
@given(boxes())
@example((np.array([1e-5, 1.0]), np.array([-1e-4 / 3, 0.9]), np.array([1e-4 / 7, 1.1])))
@example((np.array([0.0, 0.0]), np.array([0.0, -1e-9]), np.array([1.0, 0.0])))
def test_jacobian_stays_inside(method, box):
    x, lower, upper = box
    points = []
    allowed(lambda: fastfd.jacobian(record(points), x, bounds=(lower, upper), full_output=True, **METHODS[method]))
    assert inside(points, lower, upper)


@by_method
@given(boxes(), st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=2))
@example((np.array([0.0, 1.0]), np.array([0.0, 0.0]), np.array([9.0, 1.0])), [1.0, -1.0])
@example((np.array([0.0, 0.0]), np.array([-np.inf, -np.inf]), np.array([1e-3, np.inf])), [0.0, 2.3e-313])
def test_jvp_stays_inside(method, box, v):
    x, lower, upper = box
    points = []
    keywords = {"bounds": (lower, upper), "full_output": True} | METHODS[method]
    allowed(lambda: fastfd.jvp(record(points), x, v, **keywords))
    assert inside(points, lower, upper)


@by_method
@given(boxes())
@example((np.array([0.0, 9.0]), np.array([-5e-324, -np.inf]), np.array([0.0, np.inf])))
@example((np.array([0.0, 1.0]), np.array([-1e-323, 0.0]), np.array([2e-323, np.inf])))
@example((np.array([0.0, 4.4e-308]), np.array([-np.inf, -np.inf]), np.array([0.001, 0.001])))
def test_inside_bounds_the_answer_is_right_or_flagged(method, box):
    """Within the error bar, or no success; but for the rounding of the two terms of the gradient, which the reference has
    too, and for what the bar of a fixed stencil does not see: the next term of the error, hᵖ⁺¹ for a sine."""
    x, lower, upper = box
    keywords = {"bounds": (lower, upper), "full_output": True} | METHODS[method]
    found = allowed(lambda: fastfd.jacobian(record([]), x, **keywords))
    if found is not None:
        value, info = found
        rounding = 2.0**-52 * (np.abs(np.cos(x)) + np.abs(x[::-1]))
        unseen = info.step ** (ORDERS[method] + 1) if method in ORDERS else 0.0
        assert not info.success or (np.abs(value - slopes(x)) <= info.error + rounding + unseen).all()


@njit
def root(x):
    return np.sqrt(x[0]) + np.sqrt(1.0 - x[1])


@pytest.mark.parametrize("bounds", [([0, 0], [1, 1]), (0.0, 1.0), Bounds([0, 0], [1, 1]), ([0, 0], None), (None, 1.0)])
@pytest.mark.parametrize("method", ["adaptive", "forward", "central"])
def test_bounds_of_every_kind(bounds, method):
    g = fastfd.gradient(root, [1e-6, 1 - 1e-6], bounds=bounds, method=method)
    assert g.shape == (2,)
    if method == "adaptive":
        assert np.allclose(g, [500.0, -500.0], rtol=1e-6)


@pytest.mark.parametrize(("method", "limit"), [("adaptive", 1e-9), ("forward", 1e-6), ("central", 1e-7)])
@pytest.mark.parametrize("x", [[0.0, 1.0], [1.0, 0.0], [0.5, 1.0], [0.0, 0.0]])
def test_at_a_corner(x, method, limit):
    points = []
    g, info = fastfd.gradient(record(points), x, bounds=(0.0, 1.0), method=method, full_output=True)
    assert np.allclose(g, slopes(np.array(x)), rtol=0, atol=limit)
    assert inside(points, 0.0, 1.0) and info.success


@pytest.mark.parametrize(("method", "limit"), [("adaptive", 1e-9), ("forward", 1e-6), ("central", 1e-7)])
@pytest.mark.parametrize(("x", "v"), [([0.0, 1.0], [1.0, -2.0]), ([0.0, 1.0], [-1.0, 1.0]), ([0.0, 0.5], [1.0, 1.0])])
def test_jvp_at_a_corner(x, v, method, limit):
    points = []
    found, info = fastfd.jvp(record(points), x, v, bounds=(0.0, 1.0), method=method, full_output=True)
    assert inside(points, 0.0, 1.0)
    assert abs(found - slopes(np.array(x)) @ v) < limit and info.success


@pytest.mark.parametrize("method", ["adaptive", "forward", "central"])
def test_jvp_where_v_leaves_the_box_both_ways(method):
    """x + tv is outside for every t: said, never evaluated."""
    points = []
    keywords = {"bounds": (0.0, 1.0), "method": method, "full_output": True}
    found = allowed(lambda: fastfd.jvp(record(points), [0.0, 1.0], [1.0, 1.0], **keywords))
    assert inside(points, 0.0, 1.0)
    assert found is None or not found[1].success


def test_a_coordinate_that_does_not_move_may_have_no_room():
    """jvp along a direction that leaves a fixed coordinate alone."""
    found = fastfd.jvp(record([]), [0.5, 2.0], [1.0, 0.0], bounds=([0.0, 2.0], [1.0, 2.0]))
    assert abs(found - (np.cos(0.5) + 2.0)) < 1e-10
