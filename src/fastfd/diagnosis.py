"""What the bug in a gradient probably is: in a whole array, or in some of its entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastfd.causes import RULES, kind_of, ratio
from fastfd.evidence import LIKE_LARGEST, PLENTY, Case, Evidence, Finding, name_of
from fastfd.verdicts import FAR

__all__ = ["diagnose"]

Array = NDArray[np.float64]

#: So many wrong entries, or this share of an array, are a few; and this many are named.
FEW, SHARE, NAMED = 3, 0.2, 6


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """The probable cause for every array with wrong entries; one that all of them share is said once."""
    cases = [Case(evidence, leaf) for leaf in evidence.leaves]
    wrong = [case for case in cases if case.wrong.any()]
    found = [_explain(case) for case in wrong]
    silent = sum(not case.analytic.any() and not case.numerical.any() for case in cases)
    if len(found) > 1 and len(found) + silent == len(cases) and len({(f.kind, f.sentence) for f in found}) == 1:
        return (replace(found[0], leaf="", indices=(), sentence=f"all arrays: {found[0].sentence}"),)
    return tuple(found)


def _explain(case: Case) -> Finding:
    """The first rule that explains the array; what differs by less than rules can tell is left to its entries."""
    if case.wild.any():
        return Finding("not finite", case.leaf.name, *_not_finite(case))
    for kind, rule in () if case.explained(case.analytic, case.numerical) else RULES:
        sentence = rule(case)
        if sentence:
            return Finding(kind_of(kind, sentence), case.leaf.name, sentence)
    wrong = np.flatnonzero(case.wrong.any(axis=0))
    where = (_few_entries(case, wrong) or _part(case, wrong)) if 0 < wrong.size < case.leaf.size else None
    found = where or _alike(case, wrong) or _uneven_scale(case)
    return found or Finding("unknown", case.leaf.name, _unknown(case, wrong.size))


# --- what is wrong with some of the entries ---------------------------------------------------------------------------


def _not_finite(case: Case) -> tuple[str, tuple[int, ...]]:
    """An overflow, 0/0, the logarithm or the root of nothing: where, and whether all else is right."""
    wild = np.flatnonzero(case.wild.any(axis=0))
    others = "others are wrong too" if (case.wrong & ~case.wild).any() else "the others are not wrong"
    rest = "" if wild.size == case.leaf.size else f"; {others}"
    return f"{_of(case, wild.size)} nan or infinite where f is finite: {_named(case, wild)}{rest}", _indices(case, wild)


def _few_entries(case: Case, wrong: NDArray[np.int64]) -> Finding | None:
    if wrong.size > FEW and wrong.size > SHARE * (case.leaf.size - case.open):
        return None
    if wrong.size > FEW and (found := _alike(case, wrong) or _part(case, wrong)):
        return found
    sentence = f"{_of(case, wrong.size)} wrong, {_rest(case)}: {_named(case, wrong)}"
    return Finding("few entries", case.leaf.name, sentence, _indices(case, wrong))


def _alike(case: Case, wrong: NDArray[np.int64]) -> Finding | None:
    """Entries that should be zero, or should not."""
    numerical, bar = np.abs(case.numerical[case.wrong]), np.maximum(FAR * case.error[case.wrong], LIKE_LARGEST * case.largest)
    rest = f"{_rest(case)}: {_named(case, wrong)}"
    if not case.analytic[case.wrong].any():
        return Finding("zeros", case.leaf.name, f"{_of(case, wrong.size)} zero and should not be, {rest}", _indices(case, wrong))
    if (numerical <= bar).all():
        sentence = f"{_of(case, wrong.size)} not zero and should be, as where a mask is missing; {rest}"
        return Finding("mask", case.leaf.name, sentence, _indices(case, wrong))
    return None


def _uneven_scale(case: Case) -> Finding | None:
    """A factor for every slice along one axis, which may be another at another point."""
    shape = case.leaf.shape
    for axis in range(len(shape)) if len(shape) > 1 and case.known.all() else ():
        factors = np.array([_factors(rows, axis) for rows in _at_each_point(case)])
        spread = np.broadcast_to(np.expand_dims(factors, _others(axis, len(shape))), (len(factors), *shape))
        spread = spread.reshape(case.analytic.shape)
        enough = case.leaf.size // shape[axis] >= PLENTY and np.isfinite(factors).all()
        if enough and case.explained(case.analytic, spread * case.numerical, np.abs(spread) * case.error):
            size = f"from {factors.min():.4g} to {factors.max():.4g}"
            return Finding("scale", case.leaf.name, f"each slice along axis {axis} has a factor of its own, {size}")
    return None


def _at_each_point(case: Case) -> Iterator[tuple[Array, Array, Array]]:
    for rows in zip(case.analytic, case.numerical, case.error):
        yield tuple(row.reshape(case.leaf.shape) for row in rows)


def _factors(rows: tuple[Array, Array, Array], axis: int) -> list[float]:
    return [ratio(*parts) for parts in zip(*(np.moveaxis(row, axis, 0) for row in rows))]


def _others(axis: int, ndim: int) -> tuple[int, ...]:
    """All axes but one, behind that of the points."""
    return tuple(k + 1 for k in range(ndim) if k != axis)


def _part(case: Case, wrong: NDArray[np.int64]) -> Finding | None:
    """All that is wrong lies in some slices along one axis, as where one gate of several is; and what is wrong there."""
    places = np.unravel_index(wrong, case.leaf.shape)
    for axis, length in enumerate(case.leaf.shape):
        slices = np.unique(places[axis])
        whole = len(case.leaf.shape) > 1 or slices.size == np.ptp(slices) + 1 > FEW
        if not whole or 2 * slices.size > length:
            continue
        part = case.part(axis, slices)
        kind, sentence = next(((kind_of(k, s), s) for k, rule in RULES[:3] if (s := rule(part))), ("part", "wrong"))
        where = f"only slices {_ranges(slices)} along axis {axis}" if len(case.leaf.shape) > 1 else f"only [{_ranges(slices)}]"
        return Finding(kind, case.leaf.name, f"{where}: {sentence}; {_rest(case)}", _indices(case, wrong))
    return None


def _ranges(numbers: NDArray[np.int64]) -> str:
    """Whole numbers in order, neighbours together: ``0, 4-7``."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    words = [str(run[0]) if run.size == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(words[:NAMED]) + (f" and {len(words) - NAMED} more" if len(words) > NAMED else "")


def _unknown(case: Case, count: int) -> str:
    if case.leaf.size == 1:
        return "wrong; in one number alone no rule can be seen"
    return f"{_of(case, count)} wrong, and by no simple rule"


def _of(case: Case, count: int) -> str:
    """How many of how many, and the verb."""
    told = case.leaf.size - case.open
    which = "entries" if not case.open else "entries that could be told"
    return f"{count} of {told} {which} {'is' if count == 1 else 'are'}"


def _rest(case: Case) -> str:
    return f"{case.open} could not be told" if case.open else "the others are right"


def _named(case: Case, entries: NDArray[np.int64]) -> str:
    names = ", ".join(name_of(i, case.leaves) for i in _indices(case, entries[:NAMED]))
    return names + (f" and {entries.size - NAMED} more" if entries.size > NAMED else "")


def _indices(case: Case, entries: NDArray[np.int64]) -> tuple[int, ...]:
    """Where entries of the array are in the flat vector."""
    return tuple(int(i) + case.leaf.start for i in entries)
