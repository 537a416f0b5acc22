"""Hessians of a function of 30 variables."""

from collections.abc import Callable, Iterator

import numpy as np

from bench import contest, functions, rivals
from bench.contest import Pairs, Rivals
from bench.table import Row, error_row
from bench.timing import Effort

NOTES = """\
fastfd: the plain function `hessian(f, x)`, adaptive, parallel=False; "prepared" is `Hessian(f)(x)`, "on all
threads" the plain function with parallel=None, as users call it, which shares what takes a millisecond or more.
jacobi and scipy.optimize have no Hessian of a scalar function. A figure in "x error" is the ratio of the
two errors."""

PLAIN, PREPARED, THREADS, CENTRAL = "fastfd", "fastfd, prepared", "fastfd, on all threads", "fastfd central"


def run(effort: Effort) -> list[Row]:
    x = np.linspace(-1.2, 1.0, 30)
    rosenbrock = faced(
        "Rosenbrock n=30", functions.rosenbrock, x, (), functions.rosenbrock_hessian(x), effort
    )
    data = functions.logistic_data()
    w = np.linspace(-0.5, 0.5, 30)
    reference = functions.logistic_hessian(w, *data)
    return [*rosenbrock, *faced("logistic loss n=30", functions.logistic, w, data, reference, effort)]


def faced(
    case: str, f: Callable, x: np.ndarray, args: tuple, reference: np.ndarray, effort: Effort
) -> Iterator[Row]:
    field: Rivals = {
        PLAIN: rivals.function("hessian", f, x, args=args, parallel=False),
        PREPARED: rivals.prepared("Hessian", f, x, args, parallel=False),
        THREADS: rivals.function("hessian", f, x, args=args),
        CENTRAL: rivals.prepared("Hessian", f, x, args, method="central", parallel=False),
        "numdifftools": rivals.numdifftools_hessian(f, x, args),
    }
    pairs: Pairs = {
        **{(subject, "numdifftools"): 1 / 20 for subject in (PLAIN, PREPARED, THREADS)},
        (CENTRAL, "numdifftools"): None,
    }
    timings, errors = contest.held(field, reference, effort)
    yield from contest.rows(case, pairs, timings, errors)
    if PLAIN in errors:
        yield error_row(case, errors, PLAIN, "numdifftools")
