"""How a score is printed: a line of figures for each method, and fastfd's figures beside their targets."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from judge import Outcome, Score

from bench.table import markdown

NOTES = """\
"% 1e-10": share within 1e-10 of the truth, relative to it where it is not 0; "median", "90 %": of the relative errors.
"evals": mean calls of f, f(x) included, counted by a function around f for all but fastfd, whose info.nfev the tests
compare with such a count.
"% covered": true error <= estimate; "bar/error": the median of their ratio where there is an error; both over the
answers that come with an estimate.
"silent": wrong by more than 1e-3, no failure reported, and no estimate of even a thousandth of the error. Where a
library reports neither success nor estimate, all that is wrong is silent.
"beyond bar": wrong by more than 1e-3, no failure reported, and the error larger than the estimate.
"no answer": nan or an exception. It counts as an infinite error."""

Columns = Mapping[str, Callable[[Score], str]]


@dataclass(frozen=True)
class Target:
    """A figure of fastfd beside its target."""

    what: str
    figure: float
    limit: float
    form: str = ".3g"
    least: bool = False

    @property
    def met(self) -> bool:
        return self.figure >= self.limit if self.least else self.figure <= self.limit

    def cells(self) -> tuple[str, ...]:
        target = f"{'>=' if self.least else '<='} {self.limit:{self.form}}"
        return self.what, format(self.figure, self.form), target, "yes" if self.met else "NO"


at_least = partial(Target, form=".1%", least=True)


def verdicts(targets: Iterable[Target]) -> str:
    return markdown([("fastfd", "measured", "target", "met"), *(t.cells() for t in targets)])


def figure(value: float, form: str = ".3g") -> str:
    return "-" if math.isnan(value) else format(value, form)


def percent(share: float) -> str:
    return figure(100 * share, ".1f")


def tally(judgement: Callable[[Outcome], bool]) -> Callable[[Score], str]:
    return lambda score: str(score.count(judgement))


def shares(*limits: float) -> Columns:
    named = {f"% {limit:.0e}".replace("e-0", "e-"): limit for limit in limits}
    return {name: lambda score, limit=limit: percent(score.within(limit)) for name, limit in named.items()}


POINTS: Columns = {"points": lambda score: str(len(score.outcomes))}
ERRORS: Columns = {
    "median": lambda score: figure(score.relative(), ".1e"),
    "90 %": lambda score: figure(score.relative(0.9), ".1e"),
}
EVALUATIONS: Columns = {"evals": lambda score: figure(score.evaluations, ".1f")}
BARS: Columns = {
    "% covered": lambda score: percent(score.coverage),
    "bar/error": lambda score: figure(score.sharpness),
}
ALARMS: Columns = {
    "silent": tally(lambda o: o.silent),
    "beyond bar": lambda score: str(score.count(lambda o: o.beyond_bar)) if score.estimated.outcomes else "-",
    "no answer": tally(lambda o: not o.answered),
}
STANDARD = POINTS | shares(1e-6, 1e-8, 1e-10, 1e-12) | ERRORS | EVALUATIONS | BARS | ALARMS


def board(title: str, scores: Mapping[str, Score], columns: Columns = STANDARD) -> str:
    """A line of these figures for each score."""
    lines = [(name, *(cell(score) for cell in columns.values())) for name, score in scores.items()]
    return markdown([(title, *columns), *lines])


def cross(title: str, scores: Mapping[str, Mapping[str, Score]], limits: tuple[float, float]) -> str:
    """A line for each of the inner names, a column for each of the outer, with two shares in every cell."""
    rows = list(dict.fromkeys(name for inner in scores.values() for name in inner))
    cells = [[" / ".join(percent(inner[row].within(limit)) for limit in limits) for inner in scores.values()] for row in rows]
    return markdown([(title, *scores), *((row, *line) for row, line in zip(rows, cells, strict=True))])
