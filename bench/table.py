"""Rows of figures, and the one way they are printed: plain text that is a Markdown table too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.timing import Timings

EPS = float(np.finfo(float).eps)
COLUMNS = ("case", "measured", "time, error", "against", "time, error", "figure", "target", "met", "note")


@dataclass(frozen=True)
class Row:
    """One figure. Every target is an upper limit: "30 times faster" is a ratio of at most 1/30."""

    case: str
    subject: str
    subject_figure: str
    rival: str
    rival_figure: str
    figure: float
    limit: float | None = None
    unit: str = "x"
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        met = "" if self.limit is None else ("yes" if self.figure <= self.limit else "NO")
        target = "" if self.limit is None else f"<= {amount(self.limit, self.unit)}"
        figure = amount(self.figure, self.unit)
        return (
            *(self.case, self.subject, self.subject_figure, self.rival, self.rival_figure),
            *(figure, target, met, self.note),
        )


def row(
    case: str,
    timings: Timings,
    subject: str,
    rival: str,
    errors: Mapping[str, float],
    limit: float | None = None,
    note: str = "",
) -> Row:
    """The ratio of two rivals of one comparison, each with its time and its error."""
    full = max(timings.rounds(name) for name in timings.seconds)
    few = f"slow: {timings.rounds(rival)} of {full} rounds" if timings.rounds(rival) < full else ""
    figures = [figure_of(timings.median(name), errors.get(name)) for name in (subject, rival)]
    notes = "; ".join(filter(None, (note, few)))
    return Row(case, subject, figures[0], rival, figures[1], timings.ratio(subject, rival), limit, note=notes)


def error_row(case: str, errors: Mapping[str, float], subject: str, rival: str) -> Row:
    """The ratio of two errors; none counts as less than one rounding."""
    mine, other = (max(errors[name], EPS) for name in (subject, rival))
    return Row(case, subject, f"{mine:.0e}", rival, f"{other:.0e}", mine / other, 1.0, unit="x error")


def figure_of(seconds: float, error: float | None) -> str:
    return duration(seconds) if error is None else f"{duration(seconds)}, {error:.0e}"


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def amount(value: float, unit: str) -> str:
    """A small ratio is read as "so many times faster"."""
    if unit == "s":
        return duration(value)
    if unit == "x" and 0.0 < value <= 0.2:
        return f"1/{1.0 / value:.0f}"
    return f"{value:.3g}{'x' if unit == 'x' else ' ' + unit}"


def relative_error(value: np.ndarray, reference: np.ndarray) -> float:
    """The largest error relative to the largest entry: what an optimiser or a solver feels."""
    return float(np.max(np.abs(value - reference)) / np.max(np.abs(reference)))


def rendered(rows: list[Row]) -> str:
    """The table; a column that nobody filled is left out."""
    table = [COLUMNS, *(r.cells() for r in rows)]
    filled = [c for c in range(len(COLUMNS)) if any(line[c] for line in table[1:])]
    return markdown([[line[c] for c in filled] for line in table])


def markdown(table: Sequence[Sequence[str]]) -> str:
    """Lines of cells, the first of them the header."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in table]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
