"""fastfd as jac=, hess=, hessp= of SciPy: the known optimum, on standard problems and on data that people know."""

from functools import cache

import numpy as np
import pytest
from mgh import PROBLEMS
from numba import njit
from scipy.integrate import solve_ivp
from scipy.optimize import Bounds, curve_fit, least_squares, minimize, root
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_diabetes

import fastfd

MGH = {problem.name: problem for problem in PROBLEMS}


@njit
def rosenbrock(x):
    total = 0.0
    for i in range(x.size - 1):
        total += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


START = np.array([1.3, 0.7, 0.8, 1.9])


# --- minimize -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["BFGS", "CG", "L-BFGS-B", "SLSQP"])
def test_gradient_of_rosenbrock(solver):
    found = minimize(rosenbrock, START, jac=fastfd.Gradient(rosenbrock), method=solver, tol=1e-9)
    assert np.allclose(found.x, 1.0, atol=1e-4) and found.fun < 1e-8


def test_bounds_of_lbfgsb_are_kept():
    """The gradient is asked for on the bound, and looks inwards."""
    bounds = Bounds([-2.0] * 4, [0.5, 2.0, 2.0, 2.0])
    seen = []

    def f(x):
        seen.append(x.copy())
        return rosenbrock(x)

    found = minimize(f, [0.2, 0.7, 0.8, 1.9], jac=fastfd.Gradient(f, bounds=bounds), bounds=bounds, method="L-BFGS-B")
    assert found.x[0] == 0.5 and found.success
    assert all((bounds.lb <= x).all() and (x <= bounds.ub).all() for x in seen)
    free = fastfd.gradient(rosenbrock, found.x)[1:]
    assert np.abs(free).max() < 1e-3 * np.abs(fastfd.gradient(rosenbrock, START)).max()


def test_constraint_of_slsqp():
    """Rosenbrock's function on a disc of radius 1."""
    circle = {"type": "ineq", "fun": disc, "jac": fastfd.Gradient(disc)}
    found = minimize(
        rosenbrock, [0.0, 0.0], jac=fastfd.Gradient(rosenbrock), constraints=[circle], method="SLSQP", tol=1e-12
    )
    assert found.success and np.allclose(found.x, [0.7864151509718389, 0.6176983165954114], atol=1e-5)


@njit
def disc(x):
    return 1.0 - x[0] ** 2 - x[1] ** 2


@pytest.mark.parametrize("solver", ["Newton-CG", "trust-constr", "trust-ncg", "trust-exact", "dogleg"])
def test_hessian(solver):
    start = [1.3, 1.6] if solver == "dogleg" else START  # dogleg needs a positive definite Hessian
    found = minimize(
        rosenbrock, start, jac=fastfd.Gradient(rosenbrock), hess=fastfd.Hessian(rosenbrock), method=solver, tol=1e-10
    )
    assert np.allclose(found.x, 1.0, atol=1e-5)


@pytest.mark.parametrize("solver", ["Newton-CG", "trust-constr"])
def test_hessian_vector_product(solver):
    found = minimize(
        rosenbrock, START, jac=fastfd.Gradient(rosenbrock), method=solver, tol=1e-10,
        hessp=lambda x, p: fastfd.hvp(rosenbrock, x, p),
    )  # fmt: skip
    assert np.allclose(found.x, 1.0, atol=1e-5)


# --- least_squares, curve_fit, root ---------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["lm", "trf", "dogbox"])
@pytest.mark.parametrize("name", ["rosenbrock", "bard", "kowalik_osborne", "box", "helical_valley", "osborne1"])
def test_least_squares_reaches_the_published_minimum(name, solver):
    problem = MGH[name]
    options = {"args": problem.args, "method": solver, "xtol": 1e-12, "ftol": 1e-14, "gtol": 1e-14, "max_nfev": 3000}
    found = least_squares(problem.residual, problem.x0, jac=fastfd.Jacobian(problem.residual), **options)
    assert 2 * found.cost == pytest.approx(problem.minimum, rel=2e-6, abs=1e-20)


def test_least_squares_within_bounds():
    """Problem 2 of Hock and Schittkowski: the Jacobian looks inwards where trf comes near a bound."""
    problem, bounds = MGH["rosenbrock"], ([-2.0, 1.5], [2.0, 3.0])
    jac = fastfd.Jacobian(problem.residual, bounds=bounds)
    found = least_squares(problem.residual, [1.9, 2.0], jac=jac, bounds=bounds, method="trf", xtol=1e-14, ftol=1e-14)
    assert np.allclose(found.x, [1.2243707487, 1.5], atol=1e-6)


MISRA1A_Y = np.array([10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78])
MISRA1A_X = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
MISRA1A = np.array([2.3894212918e02, 5.5015643181e-04])
MISRA1A_RSS = 1.2455138894e-01


@njit
def misra1a(b, x, y):
    return b[0] * (1 - np.exp(-b[1] * x)) - y


@pytest.mark.parametrize("start", [[500.0, 0.0001], [250.0, 0.0005]])
@pytest.mark.parametrize("solver", ["lm", "trf"])
def test_nist_misra1a(start, solver):
    """Both of NIST's starting points, to all certified digits."""
    found = least_squares(
        misra1a, start, jac=fastfd.Jacobian(misra1a), args=(MISRA1A_X, MISRA1A_Y), method=solver, x_scale="jac",
        xtol=1e-15, ftol=1e-15, gtol=1e-15,
    )  # fmt: skip
    # A trust region stops where the cost's rounding hides any decrease, some 1e-9 away, and with the analytic Jacobian as
    # often: the gradient, which one Gauss-Newton step reads, knows the optimum better than the cost does.
    J = fastfd.jacobian(misra1a, found.x, args=(MISRA1A_X, MISRA1A_Y))
    assert np.allclose(found.x - np.linalg.lstsq(J, found.fun)[0], MISRA1A, rtol=1e-10, atol=0)
    assert np.allclose(found.x, MISRA1A, rtol=1e-8, atol=0)
    assert 2 * found.cost == pytest.approx(MISRA1A_RSS, rel=1e-9)


def test_curve_fit():
    def model(x, b1, b2):
        return b1 * (1 - np.exp(-b2 * x))

    J = fastfd.Jacobian(misra1a)
    found, _ = curve_fit(
        model, MISRA1A_X, MISRA1A_Y, p0=[250.0, 0.0005], xtol=1e-15, ftol=1e-15,
        jac=lambda x, *b: J(np.array(b), x, MISRA1A_Y),
    )  # fmt: skip
    assert np.allclose(found, MISRA1A, rtol=1e-8, atol=0)


@pytest.mark.parametrize("solver", ["hybr", "lm"])
@pytest.mark.parametrize("name", ["broyden_tridiagonal", "broyden_banded", "discrete_integral_equation"])
def test_root(name, solver):
    problem = MGH[name]
    found = root(problem.residual, problem.x0, jac=fastfd.Jacobian(problem.residual), method=solver, tol=1e-12)
    assert found.success and np.abs(problem.residual(found.x)).max() < 1e-10


# --- stiff equations ------------------------------------------------------------------------------------------------


@njit
def robertson(y, t):
    """Robertson's reactions: rates from 0.04 to 3e7."""
    slow, middle, fast = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    return np.array([-slow + middle, slow - middle - fast, fast])


@pytest.mark.parametrize("solver", ["Radau", "BDF"])
def test_robertson(solver):
    """At t = 40, as published by Hairer and Wanner (and SUNDIALS)."""
    J = fastfd.Jacobian(robertson)
    found = solve_ivp(
        lambda t, y: robertson(y, t), (0.0, 40.0), [1.0, 0.0, 0.0], method=solver, jac=lambda t, y: J(y, t),
        rtol=1e-9, atol=1e-13,
    )  # fmt: skip
    assert found.success
    assert np.allclose(found.y[:, -1], [0.7158270688, 9.185534765e-6, 0.2841637457], rtol=1e-6, atol=0)


# --- data that ship with scikit-learn -------------------------------------------------------------------------------


@njit
def logistic_loss(w, X, y, penalty):
    """Mean log-loss of w[1:]·x + w[0], y in {-1, 1}, with a ridge on all but the intercept."""
    total = 0.0
    for i in range(X.shape[0]):
        z = w[0]
        for j in range(X.shape[1]):
            z += X[i, j] * w[1 + j]
        total += np.logaddexp(0.0, -y[i] * z)
    ridge = 0.0
    for j in range(1, w.size):
        ridge += w[j] ** 2
    return total / X.shape[0] + 0.5 * penalty * ridge


@cache
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return (X - X.mean(0)) / X.std(0), 2.0 * y - 1.0, 1.0 / y.size


def analytic_gradient(w, X, y, penalty):
    pull = -y * expit(-y * (X @ w[1:] + w[0])) / y.size
    return np.concatenate([[pull.sum()], X.T @ pull + penalty * w[1:]])


def test_logistic_regression_on_breast_cancer():
    X, y, penalty = cancer()
    args = X, y, penalty
    w = np.linspace(-1, 1, 31)
    truth = analytic_gradient(w, *args)
    g, info = fastfd.gradient(logistic_loss, w, args, full_output=True)
    error = np.abs(g - truth)
    assert error.max() < 1e-11 and np.mean(error <= info.error) >= 0.95
    found = minimize(
        logistic_loss, np.zeros(31), args=args, jac=fastfd.Gradient(logistic_loss), method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000},
    )  # fmt: skip
    exact = minimize(
        logistic_loss, np.zeros(31), args=args, jac=analytic_gradient, method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000},
    )  # fmt: skip
    assert np.abs(analytic_gradient(found.x, *args)).max() < 1e-7
    assert found.fun == pytest.approx(exact.fun, rel=1e-10)
    assert np.mean(np.sign(X @ found.x[1:] + found.x[0]) == y) > 0.98


@njit
def linear_residual(w, X, y):
    return X @ w[1:] + w[0] - y


def test_linear_regression_on_diabetes():
    X, y = load_diabetes(return_X_y=True)
    found = least_squares(
        linear_residual, np.zeros(11), jac=fastfd.Jacobian(linear_residual), args=(X, y), method="lm", xtol=1e-15
    )
    exact = np.linalg.lstsq(np.column_stack([np.ones(y.size), X]), y, rcond=None)[0]
    assert np.allclose(found.x, exact, rtol=1e-8, atol=1e-6)
    assert found.x[0] == pytest.approx(152.133484163)  # scikit-learn's intercept_
