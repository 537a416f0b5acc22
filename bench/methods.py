"""Each library as it comes: its own defaults, its own estimate of the error, its calls of f counted here.

A method for one number is `(f, x, args, order) -> Answer`, one for an array of them `(f, x, args) -> Found`. A library
is imported where it is called, so that fastfd can be judged where there is no other.
"""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from judge import Answer, Arrays, Found, Method, adaptive, adaptive_hessian, adaptive_jacobian

FASTFD = "fastfd"
RIVALS = ("numdifftools", "jacobi", "statsmodels")
NOWHERE = os.open(os.devnull, os.O_WRONLY)
Said = tuple[Any, Any, bool | None]  # the value, the estimate of its error, the success; nan and None: not said


class Counted:
    """f as a library wants to call it; every point counts, however many of them come in one call."""

    def __init__(self, f: Callable, args: tuple):
        self.f, self.args, self.calls = f, args, 0

    def at(self, x: Any) -> Any:
        """f at one number or vector."""
        self.calls += 1
        return self.f(x, *self.args)

    def each(self, x: Any) -> Any:
        """f of one number, elementwise."""
        x = np.asarray(x, float)
        return np.array([self.at(t) for t in x.ravel().tolist()]).reshape(x.shape)[()]

    def only(self, x: np.ndarray) -> Any:
        """f of one number, which comes as a vector."""
        return self.at(float(x[0]))

    def along(self, x: np.ndarray) -> np.ndarray:
        """f of a vector that lies along the first axis, at all the others' places."""
        values = np.array([self.at(column.copy()) for column in x.reshape(len(x), -1).T])
        return values.T.reshape(values.shape[1:] + x.shape[1:])


@contextmanager
def mute() -> Iterator[None]:
    """LAPACK prints to the process's own standard output where a library hands it infinities."""
    kept = os.dup(1)
    os.dup2(NOWHERE, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def heard(solve: Callable[[], Said]) -> Said:
    """What a library says, but for its warnings; an exception is no answer."""
    with mute(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return solve()
        except Exception:
            return np.nan, np.nan, None


def number(solve: Callable[[Counted, float, int], Said]) -> Method:
    def method(f: Callable, x: float, args: tuple, order: int) -> Answer:
        counted = Counted(f, args)
        value, bar, success = heard(lambda: solve(counted, x, order))
        return Answer(np.asarray(value).item(), np.asarray(bar).item(), counted.calls, success)

    return method


def array(solve: Callable[[Counted, np.ndarray], Said]) -> Arrays:
    def method(f: Callable, x: np.ndarray, args: tuple) -> Found:
        counted = Counted(f, args)
        value, error, success = heard(lambda: solve(counted, x))
        return Found(value, error, counted.calls, success)

    return method


# --- one number ------------------------------------------------------------------------------------------------------


@number
def numdifftools_derivative(f: Counted, x: float, order: int) -> Said:
    from numdifftools import Derivative

    found = Derivative(f.each, n=order, full_output=True)(x)
    return found.estimate, found.error_estimate, None


@number
def jacobi_derivative(f: Counted, x: float, order: int) -> Said:
    from jacobi import jacobi

    return *jacobi(f.each, x), None


@number
def scipy_derivative(f: Counted, x: float, order: int) -> Said:
    from scipy.differentiate import derivative

    found = derivative(f.each, x)
    return found.df, found.error, bool(found.success)


@number
def three_point(f: Counted, x: float, order: int) -> Said:
    from scipy.optimize._numdiff import approx_derivative

    return approx_derivative(f.only, [x], method="3-point"), np.nan, None


@number
def statsmodels_derivative(f: Counted, x: float, order: int) -> Said:
    from statsmodels.tools.numdiff import approx_fprime

    return approx_fprime(np.array([x]), f.only, centered=True), np.nan, None


def with_tolerance(rtol: float) -> Method:
    return lambda f, x, args, order: adaptive(f, x, args, order, rtol=rtol)


def numbers(order: int) -> Mapping[str, Method]:
    """Who gives derivatives of this order."""
    field = {FASTFD: adaptive, "numdifftools": numdifftools_derivative}
    first = {
        "jacobi": jacobi_derivative,
        "scipy.differentiate": scipy_derivative,
        "scipy 3-point": three_point,
        "statsmodels": statsmodels_derivative,
    }
    return field | first if order == 1 else field


# --- Jacobians and Hessians ------------------------------------------------------------------------------------------


@array
def numdifftools_jacobian(f: Counted, x: np.ndarray) -> Said:
    from numdifftools import Jacobian

    found = Jacobian(f.at, full_output=True)(x)
    return found.estimate, found.error_estimate, None


@array
def jacobi_jacobian(f: Counted, x: np.ndarray) -> Said:
    from jacobi import jacobi

    return *jacobi(f.at, x), None


@array
def scipy_jacobian(f: Counted, x: np.ndarray) -> Said:
    from scipy.differentiate import jacobian

    found = jacobian(f.along, x)
    return found.df, found.error, found.success


@array
def three_point_jacobian(f: Counted, x: np.ndarray) -> Said:
    from scipy.optimize._numdiff import approx_derivative

    return approx_derivative(f.at, x, method="3-point"), np.nan, None


@array
def statsmodels_jacobian(f: Counted, x: np.ndarray) -> Said:
    from statsmodels.tools.numdiff import approx_fprime

    return approx_fprime(x, f.at, centered=True), np.nan, None


def jacobians() -> Mapping[str, Arrays]:
    return {
        FASTFD: adaptive_jacobian,
        "numdifftools": numdifftools_jacobian,
        "jacobi": jacobi_jacobian,
        "scipy.differentiate": scipy_jacobian,
        "scipy 3-point": three_point_jacobian,
        "statsmodels": statsmodels_jacobian,
    }


@array
def numdifftools_hessian(f: Counted, x: np.ndarray) -> Said:
    from numdifftools import Hessian

    found = Hessian(f.at, full_output=True)(x)
    return found.estimate, found.error_estimate, None


@array
def scipy_hessian(f: Counted, x: np.ndarray) -> Said:
    from scipy.differentiate import hessian

    found = hessian(f.along, x)
    return found.ddf, found.error, found.success


@array
def statsmodels_hessian(f: Counted, x: np.ndarray) -> Said:
    from statsmodels.tools.numdiff import approx_hess

    return approx_hess(x, f.at), np.nan, None


def hessians() -> Mapping[str, Arrays]:
    return {
        FASTFD: adaptive_hessian,
        "numdifftools": numdifftools_hessian,
        "scipy.differentiate": scipy_hessian,
        "statsmodels": statsmodels_hessian,
    }


def chosen(field: Mapping[str, Any], only: tuple[str, ...]) -> dict[str, Any]:
    return {name: method for name, method in field.items() if not only or name in only}
