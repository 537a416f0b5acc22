"""A prepared object remembers the steps that did well: what it saves, and that it is not fooled."""

import numpy as np
import pytest
from mgh import PROBLEMS
from numba import njit
from scenarios import decay, decay_data, decay_jacobian
from scipy.optimize import minimize

import fastfd

WATSON = next(p for p in PROBLEMS if p.name == "watson")


@njit
def wave(x, speed):
    return np.sin(speed * x[0]) + np.exp(x[1]) * x[0]


def wave_gradient(x, speed):
    return np.array([speed * np.cos(speed * x[0]) + np.exp(x[1]), np.exp(x[1]) * x[0]])


def calls_a_column(info, n):
    return (info.nfev - 1) / n


def test_nearby_points_cost_four_evaluations_a_column():
    g, x = fastfd.Gradient(wave), np.array([0.7, 0.2])
    _, first = g(x, 1.0, full_output=True)
    assert calls_a_column(first, 2) > 4
    for shift in (1e-6, 1e-3, 0.1):
        found, info = g(x + shift, 1.0, full_output=True)
        assert calls_a_column(info, 2) == 4 and info.success
        error = np.abs(found - wave_gradient(x + shift, 1.0))
        assert (error <= info.error).all() and (error <= 1e-10 * np.abs(found)).all()


@pytest.mark.parametrize("speed", [30.0, 1e4])
def test_a_function_that_has_become_faster_is_searched_anew(speed):
    g, x = fastfd.Gradient(wave), np.array([0.7, 0.2])
    g(x, 1.0)
    found, info = g(x + 0.01, speed, full_output=True)
    assert calls_a_column(info, 2) > 4
    assert np.abs(found - wave_gradient(x + 0.01, speed)).max() <= 1e-8 * speed


def test_a_point_at_the_edge_of_the_domain_is_searched_anew():
    g = fastfd.Gradient(njit(lambda x: np.sqrt(x[0]) + x[0] ** 3))
    g(np.array([1.0]))
    x = 1e-6
    found, info = g(np.array([x]), full_output=True)
    assert abs(found[0] - (0.5 / np.sqrt(x) + 3 * x**2)) <= info.error[0] < 1e-6 * found[0]


def test_operators_called_by_name_do_not_remember():
    x = np.array([0.7, 0.2])
    once = fastfd.gradient(wave, x, (1.0,))
    fastfd.gradient(wave, x + 0.1, (1.0,))
    assert (fastfd.gradient(wave, x, (1.0,)) == once).all()


@pytest.mark.parametrize("rtol", [1e-13, 1e-11])
def test_more_than_memory_gives_is_searched_for(rtol):
    g, x = fastfd.Gradient(wave, rtol=rtol), np.array([0.7, 0.2])
    g(x, 1.0)
    assert calls_a_column(g(x + 1e-3, 1.0, full_output=True)[1], 2) > 4


def test_an_optimiser_profits():
    counted, wrong = [], []
    g = fastfd.Gradient(WATSON.objective)
    anew = []

    def gradient(x):
        found, info = g(x, *WATSON.args, full_output=True)
        truth, fresh = fastfd.gradient(WATSON.objective, x, WATSON.args, full_output=True)
        counted.append(calls_a_column(info, x.size))
        anew.append(calls_a_column(fresh, x.size))
        wrong.append((np.abs(found - truth) > info.error + fresh.error).mean())
        return found

    fit = minimize(WATSON.objective, WATSON.x0, WATSON.args, jac=lambda x, *_: gradient(x), method="L-BFGS-B")
    assert fit.fun < 0.05 and len(counted) > 10
    assert np.mean(counted[1:]) <= 5 < np.mean(anew)
    assert np.mean(wrong) <= 0.01


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_jacobians_along_a_line(problem):
    J, x = fastfd.Jacobian(problem.residual), np.asarray(problem.x0, float)
    J(x, *problem.args)
    point = x * (1 + 1e-4) + 1e-6
    found, info = J(point, *problem.args, full_output=True)
    truth = problem.jacobian(point, *problem.args)
    size = np.abs(truth).max(axis=1, keepdims=True)
    off = np.abs(found - truth)
    assert (off <= info.error + 1e-15 * size).mean() >= 0.95
    assert np.quantile(off / np.where(size, size, 1.0), 0.9) <= 1e-9
    assert calls_a_column(info, x.size) <= 20


def test_threads_and_their_number_do_not_show():
    x = np.linspace(0.1, 1.0, 12)

    @njit
    def f(x):
        return np.cumsum(np.sin(x)) * x

    found = {}
    for parallel in (False, True):
        J = fastfd.Jacobian(f, parallel=parallel)
        found[parallel] = [J(x + 0.01 * k) for k in range(4)]
    assert all((a == b).all() for a, b in zip(found[False], found[True], strict=True))


def test_the_lane_remembers_too():
    """The short way for small repeated calls gives what the long one does."""
    x = np.array([0.3, 0.4])
    f = njit(lambda x: np.array([x[0] * np.exp(x[1]), np.sin(x[0])]))
    quick, slow = fastfd.Jacobian(f), fastfd.Jacobian(f)
    for k in range(6):
        a, (b, _) = quick(x + 1e-3 * k), slow(x + 1e-3 * k, full_output=True)
        assert np.allclose(a, b, rtol=1e-11, atol=1e-13)


def test_a_column_that_memory_does_not_suit_is_left_alone():
    """Outputs of very different scales: where remembered steps fail time and again, they are tried ever less often."""
    f = njit(lambda x: np.array([np.sin(x[0]), 1e-3 * np.sin(300.0 * x[0]), np.exp(-20.0 * x[0])]))
    J, x = fastfd.Jacobian(f), np.array([0.4])
    paid = [J(x + 1e-3 * k, full_output=True)[1].nfev for k in range(8)]
    anew = [fastfd.jacobian(f, x + 1e-3 * k, full_output=True)[1].nfev for k in range(8)]
    assert np.mean(paid[3:]) <= np.mean(anew[3:])


@pytest.mark.parametrize("m", [20, 300, 2000])
def test_thousands_of_outputs_do_not_wear_a_memory_out(m):
    """Among so many some gain little, or are 0, by accident."""
    (t, y), J, p = decay_data(m), fastfd.Jacobian(decay), np.array([2.4, 1.25, 0.48])
    for k in range(6):
        at = p * (1 + 0.02 * k)
        found, info = J(at, t, y, full_output=True)
        exact = decay_jacobian(at, t, y)
        error = np.abs(found - exact)
        assert (error <= info.error).mean() >= 0.99 and error.max() <= 1e-10 * np.abs(exact).max()
        assert k < 2 or calls_a_column(info, 3) == 4


def test_a_column_that_memory_did_not_suit_is_asked_again():
    """An optimiser makes long steps first, and short ones then."""
    g, x = fastfd.Gradient(wave), np.array([0.7, 0.2])
    for speed in (1.0, 30.0, 900.0, 27e3, 81e4):
        assert calls_a_column(g(x, speed, full_output=True)[1], 2) > 4
    counts = [calls_a_column(g(x + 1e-9 * k, 81e4, full_output=True)[1], 2) for k in range(12)]
    assert counts[-3:] == [4, 4, 4]
