"""Fixed central differences of functions that cost next to nothing: here everything that is not f shows."""

from collections.abc import Callable, Iterator

import numpy as np

from bench import cload, contest, functions, rivals
from bench.contest import Pairs, Rivals
from bench.table import Row, figure_of
from bench.timing import Effort, Timings

NOTES = """\
fastfd: the prepared object `J(x)`, method="central", parallel=False. C: cc -O3 -march=native, same
function, same stencil, aligned workspaces allocated beforehand; it writes the transpose, n rows of m,
which suits it best. "C alone" repeats inside C into one and the same J. "C by ctypes" is called from
Python as fastfd is and, where J has 1 MB or more, writes a fresh one as fastfd does. gcc fuses multiply
and add, LLVM under numba does not. "njit loop" is the user's own loop around the same f, which LLVM may
inline there; no Python is timed in it. "fastfd less njit loop" is all that J(x) costs beyond that loop:
Python, the guards, the new J."""

RETURNING, IN_PLACE = "f returns an array", "f in place"


def run(effort: Effort) -> list[Row]:
    return [*smallest(effort), *broyden(effort), *lorenz(effort), *logistic(effort)]


def libraries(f: Callable, x: np.ndarray, args: tuple = ()) -> Rivals:
    """The Python libraries; the adaptive ones only up to n = 100, where they take 40 ms already."""
    fixed = {
        "approx_derivative 3-point": rivals.three_point(f, x, args),
        "approx_derivative 2-point": rivals.two_point(f, x, args),
        "approx_fprime": rivals.forward_fprime(f, x, args),
    }
    if x.size > 100:
        return fixed
    return {
        **fixed,
        "numdifftools": rivals.numdifftools_jacobian(f, x, args),
        "jacobi": rivals.jacobi_jacobian(f, x, args),
    }


def smallest(effort: Effort) -> Iterator[Row]:
    """n = 2: all overhead, no work."""
    f, x = functions.rosenbrock_residual, np.array([-1.2, 1.0])
    others = {"njit loop": rivals.njit_loop(f, x), **libraries(f, x)}
    field: Rivals = {
        "fastfd": rivals.prepared("Jacobian", f, x, method="central", parallel=False),
        **others,
        "a trivial njit call": contest.Rival(lambda: rivals.trivial(x), lambda: np.full((2, 2), np.nan)),
    }
    pairs: Pairs = {("fastfd", who): 1 / 30 if "3-point" in who else None for who in others}
    timings, errors = contest.held(field, functions.complex_step(f, x), effort)
    yield from contest.rows("Rosenbrock residual n=2", pairs, timings, errors)
    if "fastfd" in timings.seconds:
        yield python_share(timings)


def python_share(timings: Timings) -> Row:
    """What is left of J(x) when its kernel's work is taken off, counted in calls of an njit function."""
    names = ("fastfd", "njit loop", "a trivial njit call")
    subject, kernel, trivial = (timings.seconds[name] for name in names)
    share = float(np.nanmedian((subject - kernel) / trivial))
    left = figure_of(timings.difference("fastfd", "njit loop"), None)
    call = figure_of(timings.median("a trivial njit call"), None)
    return Row(
        *("Rosenbrock residual n=2", "fastfd less njit loop", left, "a trivial njit call", call, share, 2.0),
        unit="calls",
    )


def broyden(effort: Effort) -> Iterator[Row]:
    for n in (10, 100, 1000, 1024, 5000):
        x = np.linspace(-1.0, 1.0, n) + 0.1
        limits = {10: (None, None), 100: (2.0, 1.1)}.get(n, (1.2, 1.2))
        reference = functions.broyden_jacobian(x)
        yield from both_forms(f"Broyden n={n}", "broyden", x, reference, limits, effort)


def lorenz(effort: Effort) -> Iterator[Row]:
    x = np.linspace(-1.0, 1.0, 40) + 0.1
    reference = functions.complex_step(functions.lorenz, x)
    yield from both_forms("Lorenz-96 flow n=40", "lorenz", x, reference, (1.2, 1.2), effort)


def both_forms(
    case: str,
    name: str,
    x: np.ndarray,
    reference: np.ndarray,
    limits: tuple[float | None, float | None],
    effort: Effort,
) -> Iterator[Row]:
    """The same function returning its result and writing it in place; the libraries know only the first."""
    returning, in_place = getattr(functions, name), getattr(functions, name + "_into")
    for form, f, limit in ((RETURNING, returning, limits[0]), (IN_PLACE, in_place, limits[1])):
        options = {} if form is RETURNING else {"out_size": x.size}
        field: Rivals = {
            "fastfd": rivals.prepared("Jacobian", f, x, method="central", parallel=False, **options),
            "C alone": rivals.c_alone(name, x, x.size),
            "C by ctypes": rivals.c_called(name, x, x.size),
            "njit loop": rivals.njit_loop(f, x, in_place=form is IN_PLACE),
            **(libraries(f, x) if form is RETURNING else {}),
        }
        pairs: Pairs = {
            **{("fastfd", who): limit if who.startswith("C") else None for who in list(field)[1:]},
            ("njit loop", "C alone"): None,
        }
        timings, errors = contest.held(field, reference, effort)
        yield from contest.rows(f"{case}, {form}", pairs, timings, errors)


def logistic(effort: Effort) -> Iterator[Row]:
    """A gradient, m = 1, with the data handed over as args."""
    features, labels = functions.logistic_data()
    w = np.linspace(-0.5, 0.5, features.shape[1])
    data = cload.Samples.of(features, labels)
    field: Rivals = {
        "fastfd": rivals.prepared(
            "Gradient", functions.logistic, w, (features, labels), method="central", parallel=False
        ),
        "C alone": rivals.c_alone("logistic", w, 1, data=data.address),
        "C by ctypes": rivals.c_called("logistic", w, 1, data=data.address),
        **libraries(functions.logistic, w, (features, labels)),
    }
    pairs: Pairs = {("fastfd", against): None for against in list(field)[1:]}
    timings, errors = contest.held(field, functions.logistic_gradient(w, features, labels), effort)
    yield from contest.rows("logistic gradient n=30, 569 samples", pairs, timings, errors)
