"""`python -m fastfd`: a Jacobian with its error bars, a fit against certified values, and what both cost."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import approx_fprime, least_squares

from fastfd import Jacobian, __version__, jacobian

Array = NDArray[np.float64]

GAS = 8.31446261815324  # J / (mol K)
#: Factor (1/s), activation energy (J/mol) and temperature (K) of a reaction: parameters of three different sizes.
REACTION = np.array([1.5e13, 8.0e4, 310.0])


@njit
def arrhenius(p: Array) -> Array:
    """The rate of a reaction, and its logarithm."""
    rate = p[0] * np.exp(-p[1] / (GAS * p[2]))
    return np.array([rate, np.log(rate)])


def arrhenius_jacobian(p: Array) -> Array:
    """By hand."""
    factor, energy, kelvin = p
    of_log = np.array([1 / factor, -1 / (GAS * kelvin), energy / (GAS * kelvin**2)])
    return np.array([factor * np.exp(-energy / (GAS * kelvin)) * of_log, of_log])


#: Misra1a, a problem of the NIST Statistical Reference Datasets, with certified results to eleven digits.
AMOUNT = np.array([10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78])
VOLUME = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
#: The sizes of the systems that are timed.
SIZES = 2, 10, 100
STARTS = (500.0, 0.0001), (250.0, 0.0005)
CERTIFIED = {
    "b1": 2.3894212918e02, "b2": 5.5015643181e-04,
    "std. error of b1": 2.7070075241e00, "std. error of b2": 7.2668688436e-06,
    "sum of squares": 1.2455138894e-01,
}  # fmt: skip


@njit
def misra1a(b: Array, x: Array, y: Array) -> Array:
    """The residuals of y = b1 (1 - exp(-b2 x))."""
    return b[0] * (1 - np.exp(-b[1] * x)) - y


@njit
def broyden(x: Array) -> Array:
    """Broyden's tridiagonal system."""
    out = np.empty_like(x)
    for i in range(x.size):
        left = x[i - 1] if i > 0 else 0.0
        right = x[i + 1] if i + 1 < x.size else 0.0
        out[i] = (3 - 2 * x[i]) * x[i] - left - 2 * right + 1
    return out


def broyden_jacobian(x: Array) -> Array:
    """By hand."""
    return np.diag(3 - 4 * x) - np.eye(x.size, k=-1) - 2 * np.eye(x.size, k=1)


def python_loop(f: Callable, x: Array) -> Array:
    """Central differences as one writes them in Python."""
    J = np.empty((f(x).size, x.size))
    for i, h in enumerate(np.cbrt(np.finfo(float).eps) * np.maximum(1.0, np.abs(x))):
        above, below = x.copy(), x.copy()
        above[i] += h
        below[i] -= h
        J[:, i] = (f(above) - f(below)) / (above[i] - below[i])
    return J


# --- 1: error bars ---------------------------------------------------------------------------------------------------


def show_error_bars() -> None:
    J, info = jacobian(arrhenius, REACTION, full_output=True)
    truth, rival = arrhenius_jacobian(REACTION), approx_fprime(REACTION, arrhenius)
    ours, bars, theirs = (e / np.abs(truth) for e in (np.abs(J - truth), info.error, np.abs(rival - truth)))
    print("1. Error bars: a reaction's rate k = A exp(-E/RT) and its logarithm, at A = 1.5e13, E = 8e4, T = 310")
    print("   J, info = fastfd.jacobian(f, x, full_output=True); all errors relative to the entry\n")
    print(f"   {'':<15}{'':>14}{'---- fastfd ----':>24}{'approx_fprime':>17}")
    print(f"   {'entry':<15}{'value':>14}{'true error':>13}{'error bar':>11}{'true error':>17}")
    for i, j in np.ndindex(truth.shape):
        entry = f"d {('k', 'ln k')[i]} / d {'AET'[j]}"
        print(f"   {entry:<15}{J[i, j]:14.5e}{ours[i, j]:13.0e}{bars[i, j]:11.0e}{theirs[i, j]:17.0e}")
    covered = int(np.sum(ours <= bars))
    print(f"\n   {covered} of {truth.size} errors are within their bars. info: {info.nfev} calls of f, {info.message}.")
    print("   SciPy's approx_fprime: 4 calls, with a step of 1.5e-8 whatever the size of the parameter.\n")


# --- 2: a fit --------------------------------------------------------------------------------------------------------


def fitted(start: tuple[float, float], jac: Any) -> Any:
    return least_squares(
        misra1a, start, jac=jac, args=(VOLUME, AMOUNT), x_scale="jac", ftol=1e-15, xtol=1e-15, gtol=1e-15
    )


def summary(fit: Any) -> list[float]:
    """What NIST certifies, of a fit: parameters, standard errors from the Jacobian, sum of squares."""
    squares = 2 * fit.cost
    inverse = np.linalg.inv(np.linalg.qr(fit.jac, mode="r"))
    errors = np.sqrt((inverse**2).sum(axis=1) * squares / (AMOUNT.size - fit.x.size))
    return [*fit.x, *errors, squares]


def digits(found: float, certified: float) -> float:
    """How many digits agree; no more than the eleven that are certified."""
    return min(11.0, -np.log10(max(abs(found / certified - 1), 1e-12)))


def show_fit() -> None:
    print("2. A fit: y = b1 (1 - exp(-b2 x)) to the 14 points of NIST's Misra1a, from its farther start")
    print("   least_squares(residual, (500, 0.0001), jac=fastfd.Jacobian(residual), args=(x, y), ...)\n")
    jacs = {"fastfd": Jacobian(misra1a), "2-point": "2-point", "3-point": "3-point"}
    found = {name: summary(fitted(STARTS[0], jac)) for name, jac in jacs.items()}
    print(f"   {'':<17}{'':>17}{'':>19}{'--- digits that agree, with jac= ---':>42}")
    print(f"   {'':<17}{'found':>17}{'certified':>19}{'fastfd':>18}{'2-point':>12}{'3-point':>12}")
    for row, (name, value) in enumerate(CERTIFIED.items()):
        agree = [digits(found[jac][row], value) for jac in jacs]
        cells = "{:18.1f}{:12.1f}{:12.1f}".format(*agree)
        print(f"   {name:<17}{found['fastfd'][row]:17.10e}{value:19.10e}{cells}")
    second = summary(fitted(STARTS[1], jacs["fastfd"]))
    worst = min(digits(a, b) for a, b in zip(second, CERTIFIED.values(), strict=True))
    print("\n   2-point and 3-point are SciPy's own differences; NIST certifies eleven digits.")
    print(f"   From the nearer start, (250, 0.0005), fastfd agrees to at least {worst:.1f} digits.\n")


# --- 3: what it costs ------------------------------------------------------------------------------------------------


def seconds(call: Callable[[], Any]) -> float:
    """Of one call, averaged over some milliseconds."""
    count, spent = 1, 0.0
    while spent < 2e-3:
        start = perf_counter()
        for _ in range(count):
            call()
        spent, count = perf_counter() - start, 2 * count
    return spent / (count // 2)


def interleaved(calls: dict[str, Callable[[], Any]], rounds: int = 9) -> dict[str, Array]:
    """All in turn, round after round, so that a slow moment hits them alike."""
    times = [[seconds(call) for call in calls.values()] for _ in range(rounds)]
    return dict(zip(calls, np.transpose(times), strict=True))


def contestants(x: Array) -> dict[str, Callable[[], Array]]:
    adaptive, central = Jacobian(broyden), Jacobian(broyden, method="central")
    return {
        "fastfd central": lambda: central(x),
        "fastfd adaptive": lambda: adaptive(x),
        "approx_fprime": lambda: approx_fprime(x, broyden),
        "loop in Python": lambda: python_loop(broyden, x),
    }


def show_cost() -> None:
    print("3. What it costs: the n x n Jacobian of Broyden's tridiagonal function, the same njit function for all")
    print("   ratio: time over fastfd central's, median of interleaved rounds; error: the largest, absolute\n")
    columns = [cost_column(n) for n in SIZES]
    print(f"   {'':<16}" + "".join(f"{f'------- n = {n} -------':^27}" for n in SIZES).rstrip())
    print(f"   {'':<16}" + " ".join(f"{'time':>9}{'ratio':>9}{'error':>8}" for _ in SIZES))
    for name in columns[0]:
        print(f"   {name:<16}" + " ".join(column[name] for column in columns))


def cost_column(n: int) -> dict[str, str]:
    x = np.linspace(-1.0, 1.0, n) + 0.1
    calls, truth = contestants(x), broyden_jacobian(x)
    errors = {name: np.abs(call() - truth).max() for name, call in calls.items()}
    times = interleaved(calls)
    ratios = {name: float(np.median(t / times["fastfd central"])) for name, t in times.items()}
    return {name: f"{microseconds(t)}{ratios[name]:9.1f}{errors[name]:8.0e}" for name, t in times.items()}


def microseconds(times: Array) -> str:
    return f"{np.median(times) * 1e6:6.1f} us"


def main() -> None:
    print(f"fastfd {__version__}: derivatives of functions you can only call\n")
    print("compiling; this takes some seconds, once on a machine ... ", end="", flush=True)
    start = perf_counter()
    jacobian(arrhenius, REACTION)
    print(f"first Jacobian after {perf_counter() - start:.1f} s\n", flush=True)
    show_error_bars()
    show_fit()
    show_cost()


if __name__ == "__main__":
    main()
