"""What the bug in a gradient probably is: each rule explains all the numbers of one array, or says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from fastfd.verdicts import FAR, INCONCLUSIVE, WRONG

__all__ = ["Evidence", "Finding", "Leaf", "diagnose", "name_of"]

Array = NDArray[np.float64]

#: How well numbers must agree to be explained, besides their error bars: relative, and to the largest.
LIKE, LIKE_LARGEST = 1e-6, 1e-9
#: So many wrong entries, or this share of an array, are a few; and this many are named.
FEW, SHARE, NAMED = 3, 0.2, 6
#: Arrays of more dimensions are not searched for swapped axes.
MOST_AXES = 5
#: Fewer numbers than this can agree with almost any rule: then only factors that have a meaning count.
PLENTY = 3


@dataclass(frozen=True)
class Leaf:
    """One array of the parameters, and where its entries begin in the flat vector."""

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Evidence:
    """What a check knows: rows are points, columns the entries of the flat vector."""

    analytic: Array
    numerical: Array
    error: Array
    verdict: NDArray[np.int8]
    x: Array
    leaves: tuple[Leaf, ...]
    sizes: tuple[int, ...] = ()  # lengths that mean something, batches first


@dataclass(frozen=True)
class Finding:
    """A probable cause: its kind, the array that shows it ("" for all), and what to tell a developer."""

    kind: str
    leaf: str
    sentence: str
    indices: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.leaf}: {self.sentence}" if self.leaf else self.sentence


def name_of(index: int, leaves: Sequence[Leaf], bare: str = "x") -> str:
    """The name of an entry of the flat vector: ``layers.0.bias[3]``, or ``x[3]`` of one array without a name."""
    leaf = next(a for a in reversed(leaves) if a.start <= index)
    where = np.unravel_index(index - leaf.start, leaf.shape) if leaf.shape else ()
    return (leaf.name or bare) + (f"[{', '.join(map(str, map(int, where)))}]" if where else "")


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """The probable cause for every array with wrong entries; one that all of them share is said once."""
    cases = [_Case(evidence, leaf) for leaf in evidence.leaves]
    wrong = [case for case in cases if case.wrong.any()]
    found = [_explain(case) for case in wrong]
    silent = sum(not case.analytic.any() and not case.numerical.any() for case in cases)
    if len(found) > 1 and len(found) + silent == len(cases) and len({(f.kind, f.sentence) for f in found}) == 1:
        return (replace(found[0], leaf="", indices=(), sentence=f"all arrays: {found[0].sentence}"),)
    return tuple(found)


class _Case:
    """One array: its numbers at all points, (points, size), and when two numbers agree."""

    def __init__(self, evidence: Evidence, leaf: Leaf):
        part = slice(leaf.start, leaf.start + leaf.size)
        self.leaf, self.sizes, self.leaves = leaf, evidence.sizes, evidence.leaves
        rows = (np.atleast_2d(a)[:, part] for a in (evidence.analytic, evidence.numerical, evidence.error, evidence.x))
        self.analytic, self.numerical, self.error, self.x = rows
        verdict = np.atleast_2d(evidence.verdict)[:, part]
        self.wrong, self.wild = verdict == WRONG, ~np.isfinite(self.analytic)
        self.open = int(((verdict == INCONCLUSIVE).any(axis=0) & ~self.wrong.any(axis=0)).sum())
        self.known = np.isfinite(self.numerical) & np.isfinite(self.error) & np.isfinite(self.analytic)
        self.largest = float(np.abs(self.numerical[self.known]).max(initial=0.0))

    def part(self, axis: int, slices: NDArray[np.int64]) -> _Case:
        """The same for some slices along an axis."""
        found, shape = copy(self), list(self.leaf.shape)
        for name in ("analytic", "numerical", "error", "x", "wrong", "wild", "known"):
            rows = getattr(self, name)
            setattr(found, name, rows.reshape(-1, *shape).take(slices, axis + 1).reshape(len(rows), -1))
        shape[axis] = slices.size
        found.leaf = replace(self.leaf, shape=tuple(shape))
        return found

    def agree(self, a: Array, b: Array, error: Array | None = None) -> NDArray[np.bool_]:
        """Where numbers are alike within the error bars; where nothing is known all is alike."""
        bar = FAR * (self.error if error is None else error) + LIKE * (np.abs(a) + np.abs(b)) + LIKE_LARGEST * self.largest
        return (np.abs(a - b) <= bar) | ~self.known

    def explained(self, a: Array, b: Array, error: Array | None = None) -> bool:
        return bool(self.agree(a, b, error).all())

    @property
    def plenty(self) -> bool:
        return int((self.known & (np.abs(self.numerical) > LIKE * self.largest)).sum()) >= PLENTY


def _explain(case: _Case) -> Finding:
    """The first rule that explains the array; what differs by less than rules can tell is left to its entries."""
    if case.wild.any():
        return Finding("not finite", case.leaf.name, *_not_finite(case))
    for kind, rule in () if case.explained(case.analytic, case.numerical) else RULES:
        sentence = rule(case)
        if sentence:
            return Finding(_kind(kind, sentence), case.leaf.name, sentence)
    wrong = np.flatnonzero(case.wrong.any(axis=0))
    where = (_few_entries(case, wrong) or _part(case, wrong)) if 0 < wrong.size < case.leaf.size else None
    found = where or _alike(case, wrong) or _uneven_scale(case)
    return found or Finding("unknown", case.leaf.name, _unknown(case, wrong.size))


def _kind(kind: str, sentence: str) -> str:
    return "batch mean" if kind == "factor" and "mean" in sentence else kind


# --- the rules: a sentence, or nothing --------------------------------------------------------------------------------


def _zeros(case: _Case) -> str:
    if case.analytic.any():
        return ""
    return "all zeros: its gradient is never computed, is not handed back, or the graph is cut on the way to it"


def _sign(case: _Case) -> str:
    return "the sign is flipped (analytic = -numerical)" if case.explained(case.analytic, -case.numerical) else ""


def _ratio(analytic: Array, numerical: Array, error: Array) -> float:
    """The factor between two arrays that differ by one, from the entries known best."""
    weight = np.where(error > 0, np.abs(numerical) / np.maximum(error, 1e-300), np.inf)
    usable = np.flatnonzero(np.isfinite(numerical) & np.isfinite(error) & (numerical != 0))
    best = usable[np.argsort(-weight.reshape(-1)[usable])[:9]]
    return float(np.median(analytic.reshape(-1)[best] / numerical.reshape(-1)[best])) if best.size else np.nan


def _factor(case: _Case) -> str:
    c = _ratio(case.analytic, case.numerical, case.error)
    if not np.isfinite(c) or c == 0.0 or not case.explained(case.analytic, c * case.numerical, abs(c) * case.error):
        return ""
    meaning = _meaning(c, case.sizes, _lengths(case.leaves))
    if not meaning and not case.plenty:
        return ""
    return f"too {'large' if abs(c) > 1 else 'small'} by the factor {_nice(c)}" + (f", {meaning}" if meaning else "")


def _lengths(leaves: Iterable[Leaf]) -> list[int]:
    return sorted({length for leaf in leaves for length in (*leaf.shape, leaf.size) if length > 1})


def _nice(c: float) -> str:
    for number, word in ((abs(c), "{}"), (1 / abs(c), "1/{}")):
        if abs(number - round(number)) < 1e-6 * number and round(number) > 0:
            return ("-" if c < 0 else "") + (word.format(round(number)) if round(number) > 1 or word == "{}" else "1")
    return f"{c:.6g}"


def _meaning(c: float, batches: Iterable[int], lengths: Iterable[int]) -> str:
    """What a factor stands for, with the sign."""
    sign = "with the sign flipped" if c < 0 else ""
    words = [w for forms in _forms(batches, lengths) for w, value in forms if abs(abs(c) - value) <= 1e-5 * value]
    many = min(abs(abs(c) - 2), abs(abs(c) - 0.5)) < 1e-5  # these two have many causes
    found = "; or ".join(words[: 2 if many else 1])
    return f"{found}, {sign}" if found and sign else found or sign


def _forms(batches: Iterable[int], lengths: Iterable[int]) -> Iterator[list[tuple[str, float]]]:
    """Factors that have a name: those of a mean over a batch, small numbers, then lengths and their roots."""
    for n in batches:
        if n > 1:
            yield [(f"the mean over {n} is missing", float(n)), (f"the mean over {n} is taken twice or of a sum", 1 / n)]
    yield [("the derivative of a square, or ½ in front of it", 2.0), ("the derivative of a square lacks its 2", 0.5)]
    for n in [*batches, *lengths]:
        yield [(f"the length {n}", float(n)), (f"one over the length {n}", 1 / n)]
        yield [(f"the root of the length {n}", n**0.5), (f"one over the root of the length {n}", n**-0.5)]
        if n > 1:
            yield [(f"n/(n-1) with n = {n}", n / (n - 1)), (f"(n-1)/n with n = {n}", (n - 1) / n)]
            yield [(f"the square of the length {n}", float(n) ** 2), (f"one over the square of the length {n}", 1 / n**2)]
    yield [(f"a power of {n}", float(n) ** k) for n in (10, 3, 4, 2) for k in (1, -1, 2, -2, 3, -3) if n ** abs(k) > 2]
    yield [("pi", np.pi), ("one over pi", 1 / np.pi), ("2 pi", 2 * np.pi), ("ln 2", np.log(2)), ("1/ln 2", 1 / np.log(2))]


def _axes_swapped(case: _Case) -> str:
    """The transpose, or another order of the axes, laid out as if it were none."""
    shape = case.leaf.shape
    if not 2 <= len(shape) <= MOST_AXES or not case.plenty:
        return ""
    for axes in list(permutations(range(len(shape))))[1:]:
        if case.explained(_turned_back(case.analytic, shape, axes), case.numerical):
            order = "" if len(shape) == 2 else f" (axes {axes} instead of {tuple(range(len(shape)))})"
            return f"transposed{order}"
    return ""


def _turned_back(rows: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """What it was before its axes were put in that order."""
    turned = rows.reshape(-1, *(shape[a] for a in axes))
    return turned.transpose(0, *(int(a) + 1 for a in np.argsort(axes))).reshape(rows.shape)


def _reordered(case: _Case) -> str:
    """The right numbers at other places: turned round, shifted, or in an order of their own."""
    if not case.plenty:
        return ""
    for axis, length in enumerate(case.leaf.shape):
        for word, back in _moves(axis + 1, length):
            if case.explained(back(case.analytic.reshape(-1, *case.leaf.shape)).reshape(case.analytic.shape), case.numerical):
                return f"the entries are {word} along axis {axis}"
    if not case.known.all():
        return ""
    ours, theirs = np.argsort(case.analytic, axis=1), np.argsort(case.numerical, axis=1)
    a, b, bar = (np.take_along_axis(r, i, 1) for r, i in ((case.analytic, ours), (case.numerical, theirs), (case.error, theirs)))
    return "the right numbers in another order" if case.explained(a, b, bar) else ""


def _moves(axis: int, length: int) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    """What may have been done, and what undoes it."""
    yield "in reverse order", lambda rows: np.flip(rows, axis)
    yield "shifted by 1", lambda rows: np.roll(rows, -1, axis)
    yield "shifted by -1", lambda rows: np.roll(rows, 1, axis)


def _missing_term(case: _Case) -> str:
    """What is missing, or too much, is a regulariser's gradient or a constant."""
    rest = case.analytic - case.numerical
    terms = (("x", case.x), ("sign(x)", np.sign(case.x)), ("1", np.ones_like(case.x)), ("x³", case.x**3))
    if not case.plenty and rest.size < PLENTY:
        return ""
    for word, term in terms:
        c = _least_squares(rest, term, case)
        if np.isfinite(c) and c != 0.0 and _explains_rest(case, rest, c * term):
            return _term_sentence(word, c)
    return _same_along_an_axis(case, rest)


def _same_along_an_axis(case: _Case, rest: Array) -> str:
    """A mean or a sum over an axis that is not taken off, as in the backward pass of a norm or a softmax."""
    shape = case.leaf.shape
    for axis in range(len(shape)) if len(shape) > 1 and case.known.all() else ():
        full = rest.reshape(-1, *shape)
        term = np.broadcast_to(full.mean(axis=axis + 1, keepdims=True), full.shape).reshape(rest.shape)
        if shape[axis] >= PLENTY and _explains_rest(case, rest, term):
            return f"analytic - numerical is the same all along axis {axis}: a mean or a sum over it is missing, or too much"
    return ""


def _least_squares(rest: Array, term: Array, case: _Case) -> float:
    usable = case.known & np.isfinite(term)
    size = float(np.sum(term[usable] ** 2))
    return float(np.sum(rest[usable] * term[usable])) / size if size > 0 and usable.any() else np.nan


def _explains_rest(case: _Case, rest: Array, term: Array) -> bool:
    """Whether a term is the difference: it must be far better known than what is left."""
    left = np.abs(rest - term)
    bar = FAR * case.error + 1e-7 * (np.abs(case.analytic) + np.abs(case.numerical)) + 1e-5 * np.abs(term)
    return bool(((left <= bar) | ~case.known).all())


def _term_sentence(word: str, c: float) -> str:
    names = {"x": f"{abs(c):.6g}·x, the gradient of a regulariser {abs(c) / 2:.6g}·|x|²", "1": f"the constant {abs(c):.6g}",
             "sign(x)": f"{abs(c):.6g}·sign(x), the gradient of a regulariser {abs(c):.6g}·|x|₁",
             "x³": f"{abs(c):.6g}·x³"}  # fmt: skip
    return f"a term is {'missing' if c < 0 else 'too much'}: {names[word]}"


#: From the most special to the most general.
RULES: tuple[tuple[str, Callable[[_Case], str]], ...] = (
    ("zeros", _zeros),
    ("sign", _sign),
    ("factor", _factor),
    ("transposed", lambda case: _axes_swapped(case) if len(case.leaf.shape) == 2 else ""),
    ("permuted", lambda case: _axes_swapped(case) if len(case.leaf.shape) > 2 else ""),
    ("permuted", _reordered),
    ("missing term", _missing_term),
)  # fmt: skip


# --- what is wrong with some of the entries ---------------------------------------------------------------------------


def _not_finite(case: _Case) -> tuple[str, tuple[int, ...]]:
    """An overflow, 0/0, the logarithm or the root of nothing: where, and whether all else is right."""
    wild = np.flatnonzero(case.wild.any(axis=0))
    others = "others are wrong too" if (case.wrong & ~case.wild).any() else "the others are not wrong"
    rest = "" if wild.size == case.leaf.size else f"; {others}"
    return f"{_of(case, wild.size)} nan or infinite where f is finite: {_named(case, wild)}{rest}", _indices(case, wild)


def _few_entries(case: _Case, wrong: NDArray[np.int64]) -> Finding | None:
    if wrong.size > FEW and wrong.size > SHARE * (case.leaf.size - case.open):
        return None
    if wrong.size > FEW and (found := _alike(case, wrong) or _part(case, wrong)):
        return found
    sentence = f"{_of(case, wrong.size)} wrong, {_rest(case)}: {_named(case, wrong)}"
    return Finding("few entries", case.leaf.name, sentence, _indices(case, wrong))


def _alike(case: _Case, wrong: NDArray[np.int64]) -> Finding | None:
    """Entries that should be zero, or should not."""
    numerical, bar = np.abs(case.numerical[case.wrong]), np.maximum(FAR * case.error[case.wrong], LIKE_LARGEST * case.largest)
    rest = f"{_rest(case)}: {_named(case, wrong)}"
    if not case.analytic[case.wrong].any():
        return Finding("zeros", case.leaf.name, f"{_of(case, wrong.size)} zero and should not be, {rest}", _indices(case, wrong))
    if (numerical <= bar).all():
        sentence = f"{_of(case, wrong.size)} not zero and should be, as where a mask is missing; {rest}"
        return Finding("mask", case.leaf.name, sentence, _indices(case, wrong))
    return None


def _uneven_scale(case: _Case) -> Finding | None:
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


def _at_each_point(case: _Case) -> Iterator[tuple[Array, Array, Array]]:
    for rows in zip(case.analytic, case.numerical, case.error):
        yield tuple(row.reshape(case.leaf.shape) for row in rows)


def _factors(rows: tuple[Array, Array, Array], axis: int) -> list[float]:
    return [_ratio(*parts) for parts in zip(*(np.moveaxis(row, axis, 0) for row in rows))]


def _others(axis: int, ndim: int) -> tuple[int, ...]:
    """All axes but one, behind that of the points."""
    return tuple(k + 1 for k in range(ndim) if k != axis)


def _part(case: _Case, wrong: NDArray[np.int64]) -> Finding | None:
    """All that is wrong lies in some slices along one axis, as where one gate of several is; and what is wrong there."""
    places = np.unravel_index(wrong, case.leaf.shape)
    for axis, length in enumerate(case.leaf.shape):
        slices = np.unique(places[axis])
        whole = len(case.leaf.shape) > 1 or slices.size == np.ptp(slices) + 1 > FEW
        if not whole or 2 * slices.size > length:
            continue
        part = case.part(axis, slices)
        kind, sentence = next(((_kind(k, s), s) for k, rule in RULES[:3] if (s := rule(part))), ("part", "wrong"))
        where = f"only slices {_ranges(slices)} along axis {axis}" if len(case.leaf.shape) > 1 else f"only [{_ranges(slices)}]"
        return Finding(kind, case.leaf.name, f"{where}: {sentence}; {_rest(case)}", _indices(case, wrong))
    return None


def _ranges(numbers: NDArray[np.int64]) -> str:
    """Whole numbers in order, neighbours together: ``0, 4-7``."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    words = [str(run[0]) if run.size == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(words[:NAMED]) + (f" and {len(words) - NAMED} more" if len(words) > NAMED else "")


def _unknown(case: _Case, count: int) -> str:
    if case.leaf.size == 1:
        return "wrong; in one number alone no rule can be seen"
    return f"{_of(case, count)} wrong, and by no simple rule"


def _of(case: _Case, count: int) -> str:
    """How many of how many, and the verb."""
    told = case.leaf.size - case.open
    which = "entries" if not case.open else "entries that could be told"
    return f"{count} of {told} {which} {'is' if count == 1 else 'are'}"


def _rest(case: _Case) -> str:
    return f"{case.open} could not be told" if case.open else "the others are right"


def _named(case: _Case, entries: NDArray[np.int64]) -> str:
    names = ", ".join(name_of(i, case.leaves) for i in _indices(case, entries[:NAMED]))
    return names + (f" and {entries.size - NAMED} more" if entries.size > NAMED else "")


def _indices(case: _Case, entries: NDArray[np.int64]) -> tuple[int, ...]:
    """Where entries of the array are in the flat vector."""
    return tuple(int(i) + case.leaf.start for i in entries)
