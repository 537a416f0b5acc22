"""Judging derivatives against the truth: one number at a time, then the shares over many.

The tests judge by this, and so does `python -m bench.accuracy`, which judges the rivals too. Hence the answer of any
method is made of what such methods can say: a value, an estimate of its error, a success; nan and None stand for what
they do not say.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite, isnan, nan
from typing import Any

import numpy as np
from battery import CASES, KINDS, Case, VectorCase, nearby, random_composition
from mgh import Problem, hessian_reference
from surfaces import Surface

import fastfd
from fastfd.kernels.extrapolate import ROUNDED

SOUND = {"nonsmooth", "noisy"}  # kinds with no sharp answer: judged by their error bars alone
LISTED = frozenset(map(id, CASES))
WRONG = 1e-3  # relative: an answer that is no use to anybody


@dataclass(frozen=True)
class Answer:
    """What a method says of one derivative, and how often it called f."""

    value: float
    bar: float = nan
    nfev: int = 0
    success: bool | None = None
    note: str = ""


Method = Callable[[Callable, float, tuple, int], Answer]


@dataclass(frozen=True)
class Outcome:
    """One number found, against the truth."""

    case: Any  # named; for a message
    answer: Answer
    truth: float
    scale: float | None = None  # what an error is relative to, if not the truth itself
    where: tuple[int, ...] = ()  # the entry of an array

    @property
    def value(self) -> float:
        return self.answer.value

    @property
    def bar(self) -> float:
        return self.answer.bar

    @property
    def nfev(self) -> int:
        return self.answer.nfev

    @property
    def success(self) -> bool | None:
        return self.answer.success

    @property
    def answered(self) -> bool:
        return not isnan(self.value)

    @property
    def error(self) -> float:
        return abs(self.value - self.truth) if self.answered else inf

    @property
    def relative(self) -> float:
        """Absolute where the truth is zero."""
        size = abs(self.truth) if self.scale is None else self.scale
        return self.error / size if size else self.error

    @property
    def estimated(self) -> bool:
        return self.answered and not isnan(self.bar)

    @property
    def covered(self) -> bool:
        return self.error <= self.bar

    @property
    def excused(self) -> bool:
        """Covered, or by no more beyond the bar than half an ulp of x does to the truth of a vector case."""
        return self.covered or self.error <= self.bar + float(self.case.blur()[self.where])

    @property
    def sharpness(self) -> float:
        """How many times larger the estimate is than the error; nan where there is no error."""
        return self.bar / self.error if self.error else nan

    @property
    def beyond_bar(self) -> bool:
        """Wrong, beyond its bar, and called a success: a fast oscillation below 1e-4 of f is taken for noise, which
        is said; its bar may then fall short (docs/limitations.md)."""
        return self.success is not False and not self.covered and self.relative > WRONG

    @property
    def silent(self) -> bool:
        """Wrong, with nothing that warns: no failure reported, and no estimate of even a thousandth of the error."""
        warned = not self.answered or self.success is False or self.bar >= self.error / 1000
        return self.relative > WRONG and not warned

    @property
    def confident(self) -> bool:
        """Sure of six digits; at a point without a derivative nobody should be."""
        return self.answered and self.success is not False and not self.bar > 1e-6 * abs(self.value)

    def __str__(self) -> str:
        return (
            f"{self.case.name} {self.where or ''}[x = {self.case.x!r}]: {self.value!r}, error {self.error:.1e} "
            f"(relative {self.relative:.1e}, bar {self.bar:.1e}), {self.nfev} calls, {self.answer.note}"
        )


@dataclass(frozen=True)
class Score:
    """Figures over many outcomes. One that there is nothing for is nan."""

    outcomes: Sequence[Outcome]
    cost: float | None = None  # evaluations, where the outcomes are parts of larger answers

    def share(self, judgement: Callable[[Outcome], bool]) -> float:
        return float(np.mean([judgement(o) for o in self.outcomes])) if self.outcomes else nan

    def count(self, judgement: Callable[[Outcome], bool]) -> int:
        return sum(map(judgement, self.outcomes))

    def within(self, limit: float) -> float:
        return self.share(lambda o: o.relative <= limit)

    def relative(self, quantile: float = 0.5) -> float:
        """A quantile of the relative errors; no answer counts as an infinite error."""
        errors = sorted(o.relative for o in self.outcomes)
        return errors[min(int(quantile * len(errors)), len(errors) - 1)] if errors else nan

    @cached_property
    def estimated(self) -> "Score":
        """Those that came with an estimate of their error."""
        return self.where(lambda o: o.estimated)

    @property
    def evaluations(self) -> float:
        if self.cost is not None:
            return self.cost
        return float(np.mean([o.nfev for o in self.outcomes])) if self.outcomes else nan

    @property
    def coverage(self) -> float:
        return self.estimated.share(lambda o: o.covered)

    @property
    def sharpness(self) -> float:
        """The median of the estimate over the error, where there is an error."""
        ratios = [o.sharpness for o in self.estimated.outcomes if o.error]
        return float(np.median(ratios)) if ratios else nan

    @property
    def fresh(self) -> "Score":
        """Those at points that are on no list, so that nothing can have been tuned to them."""
        return self.where(lambda o: id(o.case) not in LISTED)

    def where(self, judgement: Callable[[Outcome], bool]) -> "Score":
        return Score([o for o in self.outcomes if judgement(o)])

    def of(self, *kinds: str) -> "Score":
        return self.where(lambda o: o.case.kind in kinds)


def adaptive(f: Callable, x: float, args: tuple, order: int = 1, **keywords: Any) -> Answer:
    """fastfd's default method."""
    value, info = fastfd.derivative(f, x, args, order=order, full_output=True, **keywords)
    return Answer(float(value), float(info.error), info.nfev, info.success, info.message)


def judged(case: Case, method: Method = adaptive, order: int = 1) -> Outcome:
    return Outcome(case, method(case.f, case.x, case.args, order), case.truth(order))


def is_sharp(case: Case) -> bool:
    """Whether an accurate answer is to be had."""
    return case.kind not in SOUND and case.derivative_exists


def points(seed: int, near: int, compositions: int, kinds: Iterable[str] = ()) -> list[Case]:
    """Every listed case with so many fresh points near it, then random compositions; of these kinds, or of all.

    Each case has a stream of its own, so the points of one kind are the same whichever others are asked for.
    """
    wanted = set(kinds) or {*KINDS, "random"}
    listed = [(i, case) for i, case in enumerate(CASES) if case.kind in wanted]
    fresh = [new for i, case in listed for new in _near(case, np.random.default_rng([seed, i]), near)]
    rng = np.random.default_rng([seed, len(CASES)])
    others = compositions if "random" in wanted else 0
    return [*(case for _, case in listed), *fresh, *(random_composition(rng) for _ in range(others))]


def _near(case: Case, rng: np.random.Generator, count: int) -> list[Case]:
    """None for a case that is about one point alone."""
    fresh = [nearby(case, rng) for _ in range(count)]
    return [new for new in fresh if new is not case]


def known(cases: Iterable[Case], order: int = 1) -> list[Case]:
    """Those whose derivative of this order exists."""
    return [case for case in cases if isfinite(case.truth(order))]


# --- arrays of derivatives -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """An array of derivatives as a method gives it; the rest broadcasts to its shape, nan and None as in an answer."""

    value: np.ndarray
    error: Any = nan
    nfev: int = 0
    success: Any = None


Arrays = Callable[[Callable, np.ndarray, tuple], Found]


@dataclass(frozen=True)
class Judged:
    """An array entry by entry, and the evaluations per column or distinct entry, f(x) included."""

    entries: list[Outcome]
    cost: float


@dataclass(frozen=True)
class At:
    """A problem at a point."""

    name: str
    x: np.ndarray


def said(value: np.ndarray, info: fastfd.Info) -> Found:
    """What fastfd says of a Jacobian or a gradient: a verdict on each column."""
    return Found(value, info.error, info.nfev, info.status <= ROUNDED)


def adaptive_jacobian(f: Callable, x: np.ndarray, args: tuple) -> Found:
    return said(*fastfd.jacobian(f, x, args, full_output=True))


def adaptive_hessian(f: Callable, x: np.ndarray, args: tuple, **keywords: Any) -> Found:
    value, info = fastfd.hessian(f, x, args, full_output=True, **keywords)
    fine = info.status <= ROUNDED
    return Found(value, info.error, info.nfev, fine & fine[:, None])


def judged_jacobian(case: VectorCase, method: Arrays = adaptive_jacobian) -> Judged:
    """Entries relative to the largest of their row, for rows may differ in units; evaluations per column."""
    return judged_columns(case, method(case.f, case.x, case.args), case.truth())


def judged_columns(case: Any, found: Found, truth: np.ndarray) -> Judged:
    scale = np.max(np.abs(truth), axis=-1, keepdims=True)
    return Judged(entries(case, found, truth, scale), found.nfev / case.x.size)


def judged_hessian(problem: Problem, x: np.ndarray, method: Arrays = adaptive_hessian) -> Judged:
    """The upper triangle relative to the largest entry; evaluations per entry of the triangle.

    The truth comes by a complex step in extended precision.
    """
    truth = hessian_reference(problem, x.astype(np.longdouble))
    return _judged_triangle(At(problem.name, x), method(problem.objective, x, problem.args), truth)


def judged_surface(case: Surface, method: Arrays | None = None, **keywords: Any) -> Judged:
    """The same for a function with a truth of 50 digits; inside its bounds by fastfd, which alone knows bounds here."""
    if method is None:
        found = adaptive_hessian(case.f, case.x, case.args, bounds=case.bounds, **keywords)
        return _judged_triangle(case, found, case.truth())
    return _judged_triangle(case, method(case.f, case.x, case.args), case.truth())


def _judged_triangle(case: Any, found: Found, truth: np.ndarray) -> Judged:
    whole = entries(case, found, truth, np.max(np.abs(truth)))
    upper = [o for o in whole if o.where[0] <= o.where[1]]
    return Judged(upper, found.nfev / len(upper))


def entries(case: Any, found: Found, truth: np.ndarray, scale: Any) -> list[Outcome]:
    """Every entry by itself; `scale` says what its error is relative to."""
    said = np.broadcast(found.value, found.error, found.success, truth, scale)
    return [
        Outcome(case, Answer(float(value), float(bar), 0, None if fine is None else bool(fine)), float(true), float(size), i)
        for i, (value, bar, fine, true, size) in zip(np.ndindex(said.shape), said, strict=True)
    ]


def pooled(found: Iterable[Judged]) -> Score:
    """All entries together, and the mean of the costs."""
    found = list(found)
    return Score([o for one in found for o in one.entries], float(np.mean([one.cost for one in found])))
