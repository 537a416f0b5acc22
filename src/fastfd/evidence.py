"""What a check knows of an array of parameters, when two numbers agree, and what may be found."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastfd.verdicts import FAR, INCONCLUSIVE, WRONG

__all__ = ["LIKE_LARGEST", "PLENTY", "Case", "Evidence", "Finding", "Leaf", "name_of"]

Array = NDArray[np.float64]

#: How well numbers must agree to be explained, besides their error bars: relative, and to the largest.
LIKE, LIKE_LARGEST = 1e-6, 1e-9
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


class Case:
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

    def part(self, axis: int, slices: NDArray[np.int64]) -> Case:
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
