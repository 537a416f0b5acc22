"""What a check of a gradient costs against its evaluations alone, and differences against a gradient written by hand."""

import numpy as np
from numba import njit

from bench import functions, rivals
from bench.table import Row, row
from bench.timing import Effort, compare

NOTES = """\
"evaluations" are the 2n calls of f that central differences take, in a compiled loop that does nothing else. The checks
are of right gradients; "one wrong" has an error of 1e-6, relative, in one entry. "by hand" is the gradient in compiled code."""

LIMIT = 3.0


@njit
def evaluations(f, x):
    """f at x ± h in every coordinate."""
    total, point = 0.0, x.copy()
    for i in range(x.size):
        for h in (1e-6, -1e-6):
            point[i] = x[i] + h
            total += f(point)
        point[i] = x[i]
    return total


@njit
def waves(x):
    """A mean of one term per parameter: the derivatives are small against it."""
    total = 0.0
    for i in range(x.size):
        total += np.sin(x[i]) + 0.5 * x[i] ** 2
    return total / x.size


@njit
def waves_gradient(x):
    return (np.cos(x) + x) / x.size


def run(effort: Effort) -> list[Row]:
    if rivals.fastfd() is None:
        return []
    x = np.random.default_rng(0).uniform(0.5, 1.5, 10_000)
    rows = []
    losses = {"Rosenbrock": (functions.rosenbrock, functions.rosenbrock_gradient), "waves": (waves, waves_gradient)}
    for name, (f, gradient) in losses.items():
        rows += checked(f"{name}, 10 000 parameters", f, gradient, x, effort)
    for n in (2, 10, 100, 1000):
        rows += by_hand(n, effort)
    return rows


def checked(case, f, gradient, x, effort):
    import fastfd

    wrong = gradient(x).copy()
    wrong[1234] *= 1 + 1e-6
    found = fastfd.check_gradient(f, wrong, x)
    note = f"named: {', '.join(found.names[i] for i in np.flatnonzero(found.verdict == 2)[:3])}"
    field = {
        "check": lambda: fastfd.check_gradient(f, gradient, x, parallel=False),
        "check, one wrong": lambda: fastfd.check_gradient(f, wrong, x, parallel=False),
        "evaluations": lambda: evaluations(f, x),
    }
    timings = compare(field, effort)
    yield row(case, timings, "check", "evaluations", {}, LIMIT)
    yield row(case, timings, "check, one wrong", "evaluations", {}, LIMIT, note)


def by_hand(n, effort):
    import fastfd

    x = np.linspace(-1.2, 1.0, n)
    ours = {m: fastfd.Gradient(functions.rosenbrock, method=m, parallel=False) for m in ("central", "adaptive")}
    exact = functions.rosenbrock_gradient(x)
    errors = {name: float(np.abs(g(x) - exact).max() / np.abs(exact).max()) for name, g in ours.items()}
    field = {name: lambda g=g: g(x) for name, g in ours.items()}
    timings = compare({**field, "by hand": lambda: functions.rosenbrock_gradient(x)}, effort)
    for name in ours:
        yield row(f"Rosenbrock gradient n={n}", timings, name, "by hand", {**errors, "by hand": 0.0})
