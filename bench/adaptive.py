"""The adaptive default against the libraries that also choose their steps: time and error together."""

from collections.abc import Callable, Iterator

import numpy as np

from bench import contest, functions, rivals
from bench.contest import Pairs, Rivals
from bench.table import Row, error_row
from bench.timing import Effort

NOTES = """\
fastfd adaptive: the plain function `jacobian(f, x)`, which learns its steps anew at each call; "prepared"
is `Jacobian(f)(x)`. All of fastfd with parallel=False. A figure in "x error" is the ratio of the two
errors, both at least 2e-16."""

ADAPTIVE, PREPARED, CENTRAL = "fastfd adaptive", "fastfd adaptive, prepared", "fastfd central"
OTHERS = ("numdifftools", "jacobi")


def run(effort: Effort) -> list[Row]:
    rows: list[Row] = []
    for n in (2, 10, 100):
        x = np.linspace(-1.2, 1.0, n)
        reference = functions.rosenbrock_hessian(x)
        case = f"Rosenbrock gradient n={n}"
        rows += faced(case, functions.rosenbrock_gradient, x, reference, 1 / 150, 10.0, effort)
    x = np.linspace(-1.0, 1.0, 40) + 0.1
    reference = functions.complex_step(functions.lorenz, x)
    return [*rows, *faced("Lorenz-96 flow n=40", functions.lorenz, x, reference, None, 6.5, effort)]


def faced(
    case: str,
    f: Callable,
    x: np.ndarray,
    reference: np.ndarray,
    over_others: float | None,
    over_central: float,
    effort: Effort,
) -> Iterator[Row]:
    field: Rivals = {
        ADAPTIVE: rivals.function("jacobian", f, x, parallel=False),
        PREPARED: rivals.prepared("Jacobian", f, x, parallel=False),
        CENTRAL: rivals.prepared("Jacobian", f, x, method="central", parallel=False),
        "numdifftools": rivals.numdifftools_jacobian(f, x),
        "jacobi": rivals.jacobi_jacobian(f, x),
    }
    pairs: Pairs = {
        **{(ADAPTIVE, other): over_others for other in OTHERS},
        **{(subject, CENTRAL): over_central for subject in (ADAPTIVE, PREPARED)},
    }
    timings, errors = contest.held(field, reference, effort)
    yield from contest.rows(case, pairs, timings, errors)
    if ADAPTIVE in errors:
        yield from (error_row(case, errors, ADAPTIVE, other) for other in OTHERS)
