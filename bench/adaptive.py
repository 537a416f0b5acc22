"""The adaptive default against the libraries that also choose their steps: time and error together."""

from collections.abc import Callable, Iterator

import numpy as np
from scenarios import decay, decay_data, decay_jacobian
from scipy.optimize import least_squares

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
    rows += faced("Lorenz-96 flow n=40", functions.lorenz, x, reference, None, 6.5, effort)
    for laps in (2, 6):
        rows += paid(f"Lorenz-96 flow, {laps} laps", "jacobian", functions.lorenz_laps, x, laps, effort)
        rows += paid(f"Lorenz-96 energy, {laps} laps", "gradient", functions.lorenz_energy, x, laps, effort)
    for m in (20, 2000):
        rows += fitted(m, effort)
    return rows


def fitted(m: int, effort: Effort) -> Iterator[Row]:
    """A whole fit of three parameters by SciPy; the errors are those of the parameters, against the fit by exact derivatives."""
    fastfd = rivals.fastfd()
    if fastfd is None:
        return
    f, start, args = decay, np.array([1.0, 1.0, 0.0]), decay_data(m)

    def fit(jac: Callable | str) -> Callable[[], np.ndarray]:
        return lambda: least_squares(f, start, jac=jac, args=args, xtol=1e-12, ftol=1e-12, gtol=1e-12).x

    central, adaptive = (fastfd.Jacobian(f, parallel=False, method=method) for method in ("central", "adaptive"))
    jacs = {ADAPTIVE: adaptive, CENTRAL: central, "SciPy 2-point": "2-point", "SciPy 3-point": "3-point"}
    pairs: Pairs = {(who, against): None for who in (CENTRAL, ADAPTIVE) for against in jacs if "point" in against}
    timings, errors = contest.held({n: contest.called(fit(j)) for n, j in jacs.items()}, fit(decay_jacobian)(), effort)
    yield from contest.rows(f"least_squares, {m} points, 3 parameters", pairs, timings, errors)


def paid(case: str, operator: str, f: Callable, x: np.ndarray, laps: int, effort: Effort) -> Iterator[Row]:
    """An f that takes 10 us and more: time against time, where the target is evaluations against evaluations."""
    fastfd = rivals.fastfd()
    if fastfd is None:
        return
    call, prepared = getattr(fastfd, operator), getattr(fastfd, operator.title())
    central = prepared(f, method="central", parallel=False)
    timings, _ = contest.held({
        "f itself": contest.called(lambda: f(x, laps)),
        CENTRAL: contest.called(lambda: central(x, laps)),
        ADAPTIVE: contest.called(lambda: call(f, x, (laps,), parallel=False)),
    }, None, effort)  # fmt: skip
    evaluations = call(f, x, (laps,), full_output=True)[1].nfev / (2 * x.size)
    note = f"{1e6 * timings.median('f itself'):.0f} us an evaluation, {evaluations:.2f} times as many"
    yield from contest.rows(case, {(ADAPTIVE, CENTRAL): 1.2 * evaluations}, timings, {}, note)


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
