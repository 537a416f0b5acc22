"""`python -m bench.accuracy [table ...] [--only fastfd] [--quick]`: how right derivatives are, at what cost, and who
knows how right.

Truth has 50 digits. Each run draws fresh points near the listed ones; `--seed` repeats it. No time is taken here.
"""

import argparse
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from bench import methods
from bench.methods import FASTFD, chosen
from bench.table import markdown

# isort: split
from battery import KINDS, VECTOR_CASES, nearby_vector
from judge import SOUND, Score, judged, judged_hessian, judged_jacobian, known, points, pooled
from mgh import PROBLEMS, Problem

SHARP = (*(kind for kind in KINDS if kind not in SOUND), "random")
LIMITS = (1e-6, 1e-8, 1e-10, 1e-12)


@dataclass(frozen=True)
class Options:
    """What to judge, and whom."""

    seed: int
    near: int = 8
    compositions: int = 800
    order: int = 1
    only: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    worst: int = 0
    by: str = "error"

    def points(self, *kinds: str) -> list:
        """The points of these kinds, of those that were asked for."""
        asked = [kind for kind in kinds if not self.kinds or kind in self.kinds]
        return points(self.seed, self.near, self.compositions, asked) if asked else []


@dataclass(frozen=True)
class Target:
    """A figure of fastfd beside its target."""

    what: str
    figure: float
    limit: float
    form: str = ".3g"
    least: bool = False

    def cells(self) -> tuple[str, ...]:
        met = self.figure >= self.limit if self.least else self.figure <= self.limit
        target = f"{'>=' if self.least else '<='} {self.limit:{self.form}}"
        return self.what, format(self.figure, self.form), target, "yes" if met else "NO"


def at_least(what: str, share: float, limit: float) -> Target:
    return Target(what, share, limit, ".1%", least=True)


def verdicts(targets: Iterable[Target]) -> str:
    return markdown([("fastfd", "measured", "target", "met"), *(t.cells() for t in targets)])


# --- how a score is printed ------------------------------------------------------------------------------------------


def percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.1f}"


def figure(value: float, form: str = ".3g") -> str:
    return "-" if np.isnan(value) else format(value, form)


def header(first: str, limits: tuple[float, ...] = LIMITS) -> tuple[str, ...]:
    shares = (f"% {limit:.0e}".replace("e-0", "e-") for limit in limits)
    return (first, "points", *shares, "median", "90 %", "evals", "% covered", "bar/error", "silent", "beyond bar", "nan")


def line(name: str, score: Score, limits: tuple[float, ...] = LIMITS, evaluations: float | None = None) -> tuple[str, ...]:
    barred = bool(score.estimated.outcomes)
    return (
        *(name, str(len(score.outcomes)), *(percent(score.within(limit)) for limit in limits)),
        *(figure(score.relative(), ".1e"), figure(score.relative(0.9), ".1e")),
        figure(score.evaluations if evaluations is None else evaluations, ".1f"),
        *(percent(score.coverage), figure(score.sharpness)),
        *(str(score.count(lambda o: o.silent)), str(score.count(lambda o: o.beyond_bar)) if barred else "-"),
        str(score.count(lambda o: not o.answered)),
    )


RANKS = {
    "error": lambda o: o.relative,
    "bar": lambda o: o.error / o.bar if o.bar else o.error and np.inf,
    "evaluations": lambda o: o.nfev,
}


def worst(score: Score, options: Options) -> Iterator[str]:
    """The points that one would look at first."""
    if options.worst:
        ranked = sorted(score.outcomes, key=RANKS[options.by], reverse=True)[: options.worst]
        yield f"fastfd, worst by {options.by}:\n" + "\n".join(map(str, ranked))


# --- derivatives of one number ---------------------------------------------------------------------------------------


def scores(cases: list, field: dict, order: int = 1) -> dict[str, Score]:
    cases = known(cases, order)
    return {name: Score([judged(case, method, order) for case in cases]) for name, method in field.items()}


def side_by_side(first: str, found: dict[str, Score], limits: tuple[float, ...] = LIMITS) -> str:
    return markdown([header(first, limits), *(line(name, score, limits) for name, score in found.items())])


def numbers(options: Options) -> Iterator[str]:
    """All classes with a sharp answer, then class by class."""
    found = scores(options.points(*SHARP), chosen(methods.numbers(options.order), options.only), options.order)
    yield side_by_side(f"order {options.order}", found)
    yield from (by_class(name, score) for name, score in found.items())
    if FASTFD in found:
        if options.order == 1 and not options.kinds:
            yield verdicts(number_targets(found[FASTFD]))
        yield from worst(found[FASTFD], options)


def by_class(name: str, score: Score) -> str:
    return side_by_side(name, {kind: part for kind in SHARP if (part := score.of(kind)).outcomes})


def number_targets(score: Score) -> list[Target]:
    return [
        at_least("within 1e-10", score.within(1e-10), 0.96),
        at_least("within 1e-12", score.within(1e-12), 0.91),
        Target("mean evaluations", score.evaluations, 12),
        Target("mean evaluations, smooth", score.of("smooth").evaluations, 10),
        Target("median relative error", score.relative(), 2e-14),
        at_least("covered", score.coverage, 0.995),
        Target("median bar over error", score.sharpness, 15),
        Target("silent: no warning within a factor of 1000", score.count(lambda o: o.silent), 0),
        Target("beyond the bar: a success, wrong by 1e-3", score.count(lambda o: o.beyond_bar), 0),
    ]


def loose(options: Options) -> Iterator[str]:
    """With rtol=1e-8: what asking for less saves."""
    field = {FASTFD: methods.adaptive, "fastfd, rtol=1e-8": methods.with_tolerance(1e-8)}
    found = scores(options.points(*SHARP), field)
    yield side_by_side("order 1", found)
    score = found["fastfd, rtol=1e-8"]
    yield verdicts([
        Target("rtol=1e-8: mean evaluations", score.evaluations, 8),
        at_least("rtol=1e-8: covered", score.coverage, 0.995),
    ])
    yield from worst(score, options)


def orders(options: Options) -> Iterator[str]:
    """Orders 2, 3 and 4 on the smooth class."""
    cases, targets = options.points("smooth"), []
    for order, limit in ((2, 1e-9), (3, 1e-7), (4, 1e-6)):
        found = scores(cases, chosen(methods.numbers(order), options.only), order)
        yield side_by_side(f"smooth, order {order}", found, (1e-4, 1e-6, 1e-7, 1e-9))
        if FASTFD in found:
            targets += order_targets(order, limit, found[FASTFD])
            yield from worst(found[FASTFD], options)
    yield verdicts(targets)


def order_targets(order: int, limit: float, score: Score) -> list[Target]:
    return [
        at_least(f"order {order}: within {limit:.0e}", score.within(limit), 0.95),
        Target(f"order {order}: mean evaluations", score.evaluations, 14),
        at_least(f"order {order}: covered", score.coverage, 0.99),
        Target(f"order {order}: silent", score.count(lambda o: o.silent), 0),
    ]


# --- arrays ----------------------------------------------------------------------------------------------------------


def vectors(options: Options) -> Iterator[str]:
    """Jacobians of functions whose outputs differ in size and length; every entry is judged."""
    rng = np.random.default_rng(options.seed)
    cases = [*VECTOR_CASES, *(nearby_vector(case, rng) for case in VECTOR_CASES for _ in range(options.near))]
    field = chosen(methods.jacobians(), options.only)
    found = {name: pooled(judged_jacobian(case, method) for case in cases) for name, method in field.items()}
    yield markdown([header("vectors, entries"), *(line(name, score, evaluations=e) for name, (score, e) in found.items())])
    if FASTFD in found:
        score, evaluations = found[FASTFD]
        yield verdicts([
            at_least("vectors: entries within 1e-12 of the largest of their row", score.within(1e-12), 0.96),
            Target("vectors: evaluations per column, f(x) included", evaluations, 11),
            at_least("vectors: entries covered", score.coverage, 0.995),
        ])
        yield from worst(score, options)


MINIMIZED = (
    *("helical_valley", "biggs_exp6", "gaussian", "powell_badly_scaled", "box", "variably_dimensioned", "watson"),
    *("penalty1", "penalty2", "brown_badly_scaled", "brown_dennis", "gulf", "trigonometric", "extended_rosenbrock"),
    *("extended_powell_singular", "beale", "wood", "chebyquad"),
)


def hessians(options: Options) -> Iterator[str]:
    """Hessians of the 18 problems of unconstrained minimisation of Moré, Garbow and Hillstrom (1981)."""
    problems = [problem for problem in PROBLEMS if problem.name in MINIMIZED]
    points = {problem: moved(problem, options) for problem in problems}
    field = chosen(methods.hessians(), options.only)
    found = {n: {p: [judged_hessian(p, x, m) for x in points[p]] for p in problems} for n, m in field.items()}
    for name, by_problem in found.items():
        rows = {f"{p.name} ({p.x0.size})": pooled(ones) for p, ones in by_problem.items()}
        rows["all starting points"] = pooled(ones[0] for ones in by_problem.values())
        rows["all points"] = pooled(one for ones in by_problem.values() for one in ones)
        yield markdown([hessian_header(name), *(hessian_line(row, *scored) for row, scored in rows.items())])
        if name == FASTFD:
            yield verdicts(hessian_targets(*rows["all points"]))
            yield from worst(rows["all points"][0], options)


def moved(problem: Problem, options: Options) -> list[np.ndarray]:
    """The standard starting point and a few near it."""
    rng = np.random.default_rng([options.seed, PROBLEMS.index(problem)])
    moves = rng.uniform(-0.05, 0.05, (max(1, options.near // 2), problem.x0.size))
    return [problem.x0, *(problem.x0 + moves * (1 + np.abs(problem.x0)))]


def hessian_header(name: str) -> tuple[str, ...]:
    return (f"{name}: Hessian (n)", "entries", "largest error", "% 1e-9", "evals/entry", "% covered", "bar/error", "silent")


def hessian_line(name: str, score: Score, evaluations: float) -> tuple[str, ...]:
    return (
        *(name, str(len(score.outcomes)), figure(score.relative(1.0), ".1e"), percent(score.within(1e-9))),
        *(figure(evaluations, ".1f"), percent(score.coverage), figure(score.sharpness)),
        str(score.count(lambda o: o.silent)),
    )


def hessian_targets(score: Score, evaluations: float) -> list[Target]:
    return [
        Target("Hessians: largest error relative to the largest entry", score.relative(1.0), 1e-9),
        Target("Hessians: evaluations per distinct entry, f(x) included", evaluations, 8),
        at_least("Hessians: entries covered", score.coverage, 0.99),
    ]


# --- the command -----------------------------------------------------------------------------------------------------

TABLES: dict[str, Callable[[Options], Iterator[str]]] = {
    "numbers": numbers,
    "loose": loose,
    "vectors": vectors,
    "orders": orders,
    "hessians": hessians,
}


def main() -> None:
    options, tables = asked()
    print(opening(options), flush=True)
    for table in tables:
        start = time.perf_counter()
        print(f"\n## {table}: {TABLES[table].__doc__}\n", flush=True)
        for block in TABLES[table](options):
            print(block + "\n", flush=True)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)


def asked() -> tuple[Options, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description="how right the derivatives are")
    parser.add_argument("tables", nargs="*", metavar="table", help=f"of {', '.join(TABLES)}; all unless told")
    parser.add_argument("--quick", action="store_true", help="few points: a look, not a figure to quote")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of the fresh points; fresh unless told")
    parser.add_argument("--near", type=int, default=8, help="fresh points near each listed one")
    parser.add_argument("--random", type=int, default=800, help="random compositions")
    parser.add_argument("--order", type=int, default=1, help="of the derivative, for the table numbers")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these libraries alone")
    parser.add_argument("--kind", nargs="+", default=[], choices=[*KINDS, "random"], help="these classes of points alone")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="list the N worst points of fastfd")
    parser.add_argument("--by", choices=[*RANKS], default="error", help="what makes a point bad")
    given = parser.parse_args()
    if unknown := sorted(set(given.tables) - set(TABLES)):
        parser.error(f"no such table: {', '.join(unknown)}; there are {', '.join(TABLES)}")
    sizes = (1, 100) if given.quick else (given.near, given.random)
    options = Options(given.seed, *sizes, given.order, tuple(given.only), tuple(given.kind), given.worst, given.by)
    return options, given.tables or [*TABLES]


def opening(options: Options) -> str:
    names = ("numpy", "scipy", "numba", "numdifftools", "jacobi")
    libraries = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{libraries}\nfastfd from {methods.fastfd.__file__}\n--seed {options.seed}, {options.near} fresh points near each"


if __name__ == "__main__":
    main()
