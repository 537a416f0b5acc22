"""`python -m bench.accuracy [table ...] [--only fastfd] [--quick]`: how right derivatives are, what they cost, and who
knows how right they are.

The truth has 50 digits. Each run draws fresh points near the listed ones; `--seed` repeats it. No time is taken here.
"""

import argparse
import inspect
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from attainable import Attainable
from battery import KINDS, VECTOR_CASES, Case, nearby_vector
from judge import (
    SOUND,
    Arrays,
    Judged,
    Method,
    Outcome,
    Score,
    judged,
    judged_hessian,
    judged_jacobian,
    judged_surface,
    known,
    points,
    pooled,
)
from mgh import MINIMISED, PROBLEMS, Problem
from surfaces import SURFACES, Surface, random_surface
from surfaces import moved as moved_surface

import fastfd
from bench import methods, trajectories
from bench.methods import FASTFD, chosen
from bench.scoreboard import (
    ALARMS,
    BARS,
    ERRORS,
    EVALUATIONS,
    NOTES,
    POINTS,
    Columns,
    Target,
    at_least,
    board,
    cross,
    figure,
    percent,
    shares,
    tally,
    verdicts,
)

SHARP = (*(kind for kind in KINDS if kind not in SOUND), "random")


@dataclass(frozen=True)
class Options:
    """What to judge, and whom."""

    seed: int
    near: int
    compositions: int
    order: int
    only: tuple[str, ...]
    kinds: tuple[str, ...]
    worst: int
    by: str

    def points(self, *kinds: str) -> list[Case]:
        """The points of these kinds, of those that were asked for."""
        asked = [kind for kind in kinds if not self.kinds or kind in self.kinds]
        return points(self.seed, self.near, self.compositions, asked) if asked else []

    def sharp(self, order: int = 1) -> list[Case]:
        """Where an accurate answer is to be had."""
        return known(self.points(*SHARP), order)

    def few(self) -> int:
        """Fresh points for each of what costs more."""
        return (self.near + 1) // 2


def scores(cases: list[Case], field: Mapping[str, Method], order: int = 1) -> dict[str, Score]:
    return {name: Score([judged(case, method, order) for case in cases]) for name, method in field.items()}


# --- derivatives of one number ---------------------------------------------------------------------------------------


def numbers(options: Options) -> Iterator[str]:
    """All classes with a sharp answer, then class by class. The targets are for the points drawn afresh: listed ones are
    what a method may have been tuned to, and harder, for many are where f bends, ends or is flat."""
    field = chosen(methods.numbers(options.order), options.only)
    found = scores(options.sharp(options.order), field, options.order)
    yield board(f"order {options.order}", found)
    yield board(f"order {options.order}, fresh points", {name: score.fresh for name, score in found.items()})
    classes = {name: by_class(score) for name, score in found.items()}
    yield cross("% within 1e-10 / 1e-12", classes, (1e-10, 1e-12))
    if FASTFD in found:
        yield board(FASTFD, classes[FASTFD])
        if options.order == 1 and not options.kinds:
            yield verdicts(number_targets(found[FASTFD].fresh, found[FASTFD]))
        yield from worst(found[FASTFD], options)


def by_class(score: Score) -> dict[str, Score]:
    return {kind: part for kind in SHARP if (part := score.of(kind)).outcomes}


def number_targets(score: Score, whole: Score) -> list[Target]:
    return [
        at_least("within 1e-10", score.within(1e-10), 0.96),
        at_least("within 1e-12", score.within(1e-12), 0.91),
        Target("mean evaluations", score.evaluations, 12),
        Target("mean evaluations, smooth", score.of("smooth").evaluations, 10),
        Target("median relative error", score.relative(), 2e-14),
        at_least("covered", score.coverage, 0.995),
        Target("median bar over error", score.sharpness, 15),
        Target("silent, at all points", whole.count(lambda o: o.silent), 0),
        Target("beyond bar, at all points", whole.count(lambda o: o.beyond_bar), 0),
    ]


def loose(options: Options) -> Iterator[str]:
    """With rtol=1e-8: what asking for less saves."""
    asked = f"{FASTFD}, rtol=1e-8"
    found = scores(options.sharp(), {FASTFD: methods.adaptive, asked: methods.with_tolerance(1e-8)})
    yield board("order 1", found)
    score = found[asked]
    yield verdicts([
        Target("rtol=1e-8: mean evaluations", score.evaluations, 8),
        at_least("rtol=1e-8: covered", score.coverage, 0.995),
    ])
    yield from worst(score, options)


def noisy(options: Options) -> Iterator[str]:
    """Functions with noise. The best error is what differences could reach, had one known the truth and so the steps:
    the least, over octaves of steps from 2^-40 |x| to 16 |x|, of the root mean square error of eight steps an octave,
    by central differences and by their Richardson extrapolations from 2 and 3 steps. The noise is seen where over the
    best step and over 1 % of x its trend is at most 3 times its scatter about a cubic; else it is a smooth function as
    f is, and nobody who calls f can tell them apart: iterations stopped at a tolerance, mostly."""
    best = {case: Attainable(case) for case in options.points("noisy")}
    columns = POINTS | shares(1e-4, 1e-6) | ERRORS | EVALUATIONS | BARS | noise_columns(best) | ALARMS
    found = scores(list(best), chosen(methods.numbers(1), options.only))
    yield board("noisy", found, columns)
    if FASTFD in found:
        score = found[FASTFD]
        yield verdicts([
            at_least("noisy: covered where the noise is seen", seen(score, best).coverage, 0.95),
            Target("noisy: median error over the best, where the noise is seen", excess(score, best), 4),
        ])
        yield from worst(score, options)


def noise_columns(best: Mapping[Case, Attainable]) -> Columns:
    return {
        "noise seen": lambda score: str(len(seen(score, best).outcomes)),
        "% covered there": lambda score: percent(seen(score, best).coverage),
        "error/best there": lambda score: figure(excess(score, best)),
    }


def seen(score: Score, best: Mapping[Case, Attainable]) -> Score:
    return score.where(lambda o: best[o.case].seen)


def excess(score: Score, best: Mapping[Case, Attainable]) -> float:
    ratios = [o.error / best[o.case].error for o in seen(score, best).outcomes]
    return float(np.median(ratios)) if ratios else np.nan


def nonsmooth(options: Options) -> Iterator[str]:
    """Kinks, jumps and infinite slopes: "flagged" is a reported failure, "confident" six digits claimed and no failure
    reported; then points near a kink, where there is a derivative."""
    field, cases = chosen(methods.numbers(1), options.only), options.points("nonsmooth", "edge")
    sure: Columns = {
        "% flagged": lambda score: percent(score.share(lambda o: o.success is False)),
        "confident": tally(lambda o: o.confident),
    }
    without = scores([case for case in cases if not case.derivative_exists], field)
    yield board("no derivative", without, POINTS | sure | EVALUATIONS)
    yield board("near a kink", scores([case for case in known(cases) if case.kind == "nonsmooth"], field))
    if FASTFD in without:
        score = without[FASTFD]
        yield verdicts([
            Target("no derivative: confident", score.count(lambda o: o.confident), 0),
            at_least("no derivative: flagged", score.share(lambda o: o.success is False), 0.9),
        ])
        yield from worst(score, options)


def orders(options: Options) -> Iterator[str]:
    """Orders 2, 3 and 4 on the smooth class."""
    cases, targets = options.points("smooth"), []
    columns = POINTS | shares(1e-4, 1e-6, 1e-7, 1e-9) | ERRORS | EVALUATIONS | BARS | ALARMS
    for order, limit in ((2, 1e-9), (3, 1e-7), (4, 1e-6)):
        found = scores(known(cases, order), chosen(methods.numbers(order), options.only), order)
        yield board(f"smooth, order {order}", found, columns)
        if FASTFD in found:
            targets += order_targets(order, limit, found[FASTFD])
            yield from worst(found[FASTFD], options)
    yield verdicts(targets)


def order_targets(order: int, limit: float, score: Score) -> list[Target]:
    return [
        at_least(f"order {order}: within {limit:.0e}", score.within(limit), 0.95),
        Target(f"order {order}: mean evaluations", score.evaluations, 14),
        at_least(f"order {order}: covered", score.coverage, 0.99),
        Target(f"order {order}: silent or beyond bar", score.count(lambda o: o.silent or o.beyond_bar), 0),
    ]


# --- arrays ----------------------------------------------------------------------------------------------------------


def vectors(options: Options) -> Iterator[str]:
    """Jacobians of functions whose outputs differ in size and length. Errors of entries are relative to the largest
    entry of their row; evaluations are per column, f(x) included."""
    rng = np.random.default_rng(options.seed)
    cases = [*VECTOR_CASES, *(nearby_vector(case, rng) for case in VECTOR_CASES for _ in range(options.near))]
    field = chosen(methods.jacobians(), options.only)
    found = {name: pooled(judged_jacobian(case, method) for case in cases) for name, method in field.items()}
    yield board("entries", found)
    if FASTFD in found:
        score = found[FASTFD]
        yield verdicts([
            at_least("vectors: entries within 1e-12", score.within(1e-12), 0.96),
            Target("vectors: evaluations per column", score.evaluations, 11),
            at_least("vectors: covered", score.coverage, 0.995),
            at_least("vectors: covered, were x rounded by half an ulp first", score.share(lambda o: o.excused), 0.995),
        ])
        yield from worst(score, options)


def hessians(options: Options) -> Iterator[str]:
    """The 18 problems of unconstrained minimisation of Moré, Garbow and Hillstrom (1981), at their starting points and
    at fresh ones within 5 %. Errors are relative to the largest entry; evaluations are per distinct entry, f(x)
    included."""
    at = {problem: moved(problem, options) for problem in MINIMISED}
    field = chosen(methods.hessians(), options.only)
    found = {n: {p: [judged_hessian(p, x, m) for x in at[p]] for p in MINIMISED} for n, m in field.items()}
    whole = {name: pooled(one for ones in each.values() for one in ones) for name, each in found.items()}
    columns = POINTS | {"largest": lambda score: figure(score.relative(1.0), ".1e")} | ERRORS | shares(1e-9)
    yield board("distinct entries", whole, columns | EVALUATIONS | BARS | ALARMS)
    if FASTFD in found:
        rows = {f"{p.name} ({p.x0.size})": pooled(ones) for p, ones in found[FASTFD].items()}
        rows["all starting points"] = pooled(ones[0] for ones in found[FASTFD].values())
        yield board("fastfd (n)", rows, columns | EVALUATIONS | BARS | ALARMS)
        score = whole[FASTFD]
        yield verdicts([
            Target("Hessians: largest error", score.relative(1.0), 1e-9),
            Target("Hessians: evaluations per distinct entry", score.evaluations, 8),
            at_least("Hessians: covered", score.coverage, 0.99),
        ])
        yield from worst(score, options)


def moved(problem: Problem, options: Options) -> list[np.ndarray]:
    """The standard starting point and a few near it."""
    rng = np.random.default_rng([options.seed, PROBLEMS.index(problem)])
    moves = rng.uniform(-0.05, 0.05, (options.few(), problem.x0.size))
    return [problem.x0, *(problem.x0 + moves * (1 + np.abs(problem.x0)))]


def surfaces(options: Options) -> Iterator[str]:
    """Hessians of other functions, with 50 digits: listed ones with fresh points near them, and random sums of products
    in 2 to 6 coordinates whose scales differ by up to 10^6. Errors are relative to the largest entry; evaluations are per
    distinct entry. Only fastfd knows bounds, or is told the noise where that is known; the rivals differentiate the same
    functions without them."""
    rng = np.random.default_rng(options.seed)
    listed = [case for case in SURFACES if case.mp is not None]
    listed += [moved_surface(case, rng) for case in listed for _ in range(options.few())]
    cases = [*listed, *(random_surface(rng) for _ in range(options.compositions // 4))]
    sharp = [case for case in cases if case.kind != "noisy"]
    columns = POINTS | shares(1e-6, 1e-9) | ERRORS | EVALUATIONS | BARS | ALARMS
    field = chosen(methods.hessians(), options.only)
    whole = {name: pooled(by_surface(case, name, method) for case in sharp) for name, method in field.items()}
    yield board("distinct entries", whole, columns)
    if FASTFD in whole:
        kinds = dict.fromkeys(case.kind for case in cases)
        rows = {kind: pooled(judged_surface(case) for case in cases if case.kind == kind) for kind in kinds}
        rows["noisy, noise= given"] = pooled(judged_surface(case, noise=case.noise) for case in cases if case.kind == "noisy")
        yield board(FASTFD, rows, columns)
        yield verdicts(surface_targets(whole[FASTFD]))
        yield from worst(whole[FASTFD], options)


def by_surface(case: Surface, name: str, method: Arrays) -> Judged:
    return judged_surface(case) if name == FASTFD else judged_surface(case, method)


def surface_targets(score: Score) -> list[Target]:
    return [
        at_least("other Hessians: covered", score.coverage, 0.985),
        at_least("other Hessians: within 1e-9", score.within(1e-9), 0.95),
        Target("other Hessians: silent", score.count(lambda o: o.silent), 0),
    ]


def prepared(options: Options) -> Iterator[str]:
    """One object at all points of a minimisation: gradients of the 18 problems above in L-BFGS-B, Jacobians of all 35
    in scipy's least_squares. Errors are relative to the largest entry of their row; evaluations are per column, f(x)
    included. "anew" is a fresh object at each of the same points."""
    found: dict[str, Score] = {}
    for name, make, problems in (
        ("gradients", trajectories.minimised, MINIMISED),
        ("Jacobians", trajectories.fitted, PROBLEMS),
    ):
        runs = [make(problem) for problem in problems]
        judged_runs = [run.judged() for run in runs]
        found[f"{name}, first call"] = pooled(ones[0] for ones in judged_runs)
        found[f"{name}, later calls"] = pooled(one for ones in judged_runs for one in ones[1:])
        found[f"{name}, anew"] = pooled(one for run in runs for one in run.judged_anew())
    yield board("entries", found)
    yield verdicts(t for name in ("gradients", "Jacobians") for t in prepared_targets(name, found[f"{name}, later calls"]))
    yield from worst(found["gradients, later calls"], options)
    yield from worst(found["Jacobians, later calls"], options)


def prepared_targets(name: str, score: Score) -> list[Target]:
    return [
        Target(f"{name}, later calls: evaluations per column", score.evaluations, 5),
        Target(f"{name}, later calls: 90 % of the errors", score.relative(0.9), 1e-10),
        at_least(f"{name}, later calls: covered", score.coverage, 0.99),
    ]


# --- the command -----------------------------------------------------------------------------------------------------

TABLES: dict[str, Callable[[Options], Iterator[str]]] = {
    "numbers": numbers,
    "loose": loose,
    "noisy": noisy,
    "nonsmooth": nonsmooth,
    "vectors": vectors,
    "orders": orders,
    "hessians": hessians,
    "surfaces": surfaces,
    "prepared": prepared,
}

OF_FASTFD = ("loose", "prepared")

RANKS: dict[str, Callable[[Outcome], float]] = {
    "error": lambda o: o.relative,
    "bar": lambda o: o.error / o.bar if o.bar else o.error and np.inf,
    "evaluations": lambda o: o.nfev,
}


def worst(score: Score, options: Options) -> Iterator[str]:
    """The points that one would look at first."""
    if options.worst:
        ranked = sorted(score.outcomes, key=RANKS[options.by], reverse=True)[: options.worst]
        yield f"fastfd, worst by {options.by}:\n" + "\n".join(map(str, ranked))


def main() -> None:
    options, tables = command_line()
    print(opening(options), flush=True)
    for table in tables:
        start = time.perf_counter()
        print(f"\n## {table}\n\n{inspect.getdoc(TABLES[table])}\n", flush=True)
        for block in TABLES[table](options):
            print(block + "\n", flush=True)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)


def command_line() -> tuple[Options, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description="how right derivatives are")
    parser.add_argument("tables", nargs="*", metavar="table", help=f"of {', '.join(TABLES)}; all unless told")
    parser.add_argument("--quick", action="store_true", help="few points: a look, not a figure to quote")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of the fresh points; another each time")
    parser.add_argument("--near", type=int, default=8, help="fresh points near each listed one")
    parser.add_argument("--random", type=int, default=800, help="random compositions")
    parser.add_argument("--order", type=int, default=1, help="of the derivatives in the table numbers")
    parser.add_argument("--only", nargs="+", default=[], choices=methods.numbers(1), help="these libraries alone")
    parser.add_argument("--kind", nargs="+", default=[], choices=[*KINDS, "random"], help="these classes of points alone")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="list the N worst points of fastfd")
    parser.add_argument("--by", choices=RANKS, default="error", help="what makes a point bad")
    given = parser.parse_args()
    if unknown := sorted(set(given.tables) - set(TABLES)):
        parser.error(f"no such table: {', '.join(unknown)}; there are {', '.join(TABLES)}")
    sizes = (1, 100) if given.quick else (given.near, given.random)
    options = Options(given.seed, *sizes, given.order, tuple(given.only), tuple(given.kind), given.worst, given.by)
    alone = [table for table in TABLES if not options.only or FASTFD in options.only or table not in OF_FASTFD]
    return options, given.tables or alone


def opening(options: Options) -> str:
    """What a reader must know to repeat it."""
    names = ["numpy", "scipy", "numba", *(() if options.only == (FASTFD,) else methods.RIVALS)]
    libraries = ", ".join(f"{name} {version(name)}" for name in names)
    sizes = f"--seed {options.seed} --near {options.near} --random {options.compositions}"
    return f"fastfd {fastfd.__version__} from {fastfd.__file__}\n{libraries}\n{sizes}\n\n{NOTES}"


if __name__ == "__main__":
    main()
