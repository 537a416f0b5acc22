"""Points without a derivative: the verdict, and the slopes on both sides where there are two."""

import numpy as np
import pytest
from numba import njit
from scenarios import as_python

import fastfd


@njit
def bent(x, left, right):
    return np.exp(x) + (left * (x - 1) if x < 1 else right * (x - 1))


@pytest.mark.parametrize(("left", "right"), [(-1.0, 1.0), (0.0, 3.0), (2.0, -5.0)])
@pytest.mark.parametrize("world", ["njit", "python"])
def test_both_slopes_of_a_kink(left, right, world):
    f = bent if world == "njit" else as_python(bent)
    _, info = fastfd.derivative(f, 1.0, (left, right), full_output=True)
    assert not info.success and np.allclose(info.sides[0], (np.e + left, np.e + right), rtol=1e-3)
    assert f"slopes {info.sides[0][0]:.4g} to the left, {info.sides[0][1]:.4g} to the right" in info.message


def test_among_points_the_one_that_is_bent():
    _, info = fastfd.derivative(bent, [0.5, 1.0, 2.0], (-1.0, 1.0), full_output=True)
    assert set(info.sides) == {1} and "(column 1)" in info.message


@pytest.mark.parametrize("bounds", [None, (-1.0, 2.0)])
def test_coordinates_of_a_gradient(bounds):
    f = njit(lambda x: np.abs(x).sum())
    _, info = fastfd.gradient(f, [0.0, 1.0, 0.0], bounds=bounds, full_output=True)
    assert set(info.sides) == {0, 2} and all(np.allclose(s, (-1, 1), rtol=1e-3) for s in info.sides.values())


@pytest.mark.parametrize("f", [njit(lambda x: np.sqrt(np.abs(x))), njit(lambda x: np.floor(x))])
def test_no_slopes_where_there_are_none(f):
    _, info = fastfd.derivative(f, 0.0, full_output=True)
    assert not info.success and not info.sides and "slopes" not in info.message


@njit
def edge_of_a_root(x):
    return np.array([x[0], np.sqrt(x[1] - 1.0)])


@pytest.mark.parametrize("v", [(0.0, 1.0), (0.0, 0.3), (1.0, 0.3), (1.0, 1e-10)])
def test_an_infinite_slope_along_a_direction(v):
    """On the way down to a step at which f is finite on both sides, none may be so short that x + hv is x."""
    value, info = fastfd.jvp(edge_of_a_root, [0.0, 1.0], v, full_output=True)
    assert not info.success and not info.error[1] < abs(value[1]) and value[1] != 0.0


def test_the_evaluations_are_counted():
    calls = []

    def f(x):
        calls.append(x)
        return abs(x)

    _, info = fastfd.derivative(f, 0.0, full_output=True)
    assert 0 in info.sides and abs(len(calls) - info.nfev) <= 3  # and a look at the layout for each search


def test_an_exception_on_one_side_is_not_the_users():
    """It is only diagnosis that asks there."""

    def f(x):
        if x > 1e9:
            raise OverflowError
        return abs(x)

    value, info = fastfd.derivative(f, 0.0, full_output=True)
    assert np.isfinite(value) and not info.success
