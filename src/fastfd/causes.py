"""Causes that explain all the numbers of one array: each rule gives a sentence, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from fastfd.evidence import PLENTY, Case, Leaf
from fastfd.verdicts import FAR

__all__ = ["RULES", "kind_of", "ratio"]

Array = NDArray[np.float64]

#: Arrays of more dimensions are not searched for swapped axes.
MOST_AXES = 5


def kind_of(kind: str, sentence: str) -> str:
    """The kind of a finding: a factor may be the mean over a batch."""
    return "batch mean" if kind == "factor" and "mean" in sentence else kind


def _zeros(case: Case) -> str:
    if case.analytic.any():
        return ""
    return "all zeros: its gradient is never computed, is not handed back, or the graph is cut on the way to it"


def _sign(case: Case) -> str:
    return "the sign is flipped (analytic = -numerical)" if case.explained(case.analytic, -case.numerical) else ""


def ratio(analytic: Array, numerical: Array, error: Array) -> float:
    """The factor between two arrays that differ by one, from the entries known best."""
    weight = np.where(error > 0, np.abs(numerical) / np.maximum(error, 1e-300), np.inf)
    usable = np.flatnonzero(np.isfinite(numerical) & np.isfinite(error) & (numerical != 0))
    best = usable[np.argsort(-weight.reshape(-1)[usable])[:9]]
    return float(np.median(analytic.reshape(-1)[best] / numerical.reshape(-1)[best])) if best.size else np.nan


def _factor(case: Case) -> str:
    c = ratio(case.analytic, case.numerical, case.error)
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


def _axes_swapped(case: Case) -> str:
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


def _reordered(case: Case) -> str:
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


def _missing_term(case: Case) -> str:
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


def _same_along_an_axis(case: Case, rest: Array) -> str:
    """A mean or a sum over an axis that is not taken off, as in the backward pass of a norm or a softmax."""
    shape = case.leaf.shape
    for axis in range(len(shape)) if len(shape) > 1 and case.known.all() else ():
        full = rest.reshape(-1, *shape)
        term = np.broadcast_to(full.mean(axis=axis + 1, keepdims=True), full.shape).reshape(rest.shape)
        if shape[axis] >= PLENTY and _explains_rest(case, rest, term):
            return f"analytic - numerical is the same all along axis {axis}: a mean or a sum over it is missing, or too much"
    return ""


def _least_squares(rest: Array, term: Array, case: Case) -> float:
    usable = case.known & np.isfinite(term)
    size = float(np.sum(term[usable] ** 2))
    return float(np.sum(rest[usable] * term[usable])) / size if size > 0 and usable.any() else np.nan


def _explains_rest(case: Case, rest: Array, term: Array) -> bool:
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
RULES: tuple[tuple[str, Callable[[Case], str]], ...] = (
    ("zeros", _zeros),
    ("sign", _sign),
    ("factor", _factor),
    ("transposed", lambda case: _axes_swapped(case) if len(case.leaf.shape) == 2 else ""),
    ("permuted", lambda case: _axes_swapped(case) if len(case.leaf.shape) > 2 else ""),
    ("permuted", _reordered),
    ("missing term", _missing_term),
)  # fmt: skip
