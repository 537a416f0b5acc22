"""A contest: rivals timed in turn, their errors taken, and the rows that compare them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.table import Row, relative_error, row
from bench.timing import Effort, Inside, Timings, compare


@dataclass(frozen=True)
class Rival:
    timed: Callable[[], object] | Inside
    value: Callable[[], np.ndarray]


Rivals = Mapping[str, Rival | None]  # None: it is not here
Pairs = Mapping[tuple[str, str], float | None]  # (measured, against): the target, if there is one


def called(call: Callable[[], np.ndarray]) -> Rival:
    return Rival(call, call)


def held(
    rivals: Rivals, reference: np.ndarray | None, effort: Effort, settle: float = 0.0
) -> tuple[Timings, dict[str, float]]:
    """The timings and the errors of all rivals that are there."""
    there = {name: rival for name, rival in rivals.items() if rival is not None}
    timings = compare({name: rival.timed for name, rival in there.items()}, effort, settle)
    if reference is None:
        return timings, {}
    return timings, {name: relative_error(rival.value(), reference) for name, rival in there.items()}


def rows(case: str, pairs: Pairs, timings: Timings, errors: Mapping[str, float], note: str = "") -> list[Row]:
    """A row for each pair (measured, against), with its target, whose two sides took part."""
    there = [pair for pair in pairs if set(pair) <= set(timings.seconds)]
    return [row(case, timings, *pair, errors, pairs[pair], note) for pair in there]
