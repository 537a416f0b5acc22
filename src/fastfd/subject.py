"""What a check is about: a function of structured parameters, its claimed derivative, and the points to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from fastfd.arrays import as_array, generator
from fastfd.cfunction import CFunction, known
from fastfd.evidence import Finding, name_of
from fastfd.steps import bound_pair, checked_bounds
from fastfd.trees import Tree
from fastfd.verdicts import relative_error

__all__ = ["Subject", "batches", "limits_of", "points_around"]

Array = NDArray[np.float64]

#: Two calls of f at one point that differ by more than this share are no function; less is noise.
SAME = 1e-9
#: Random points are nearer than this ratio; and so often one is drawn nearer where f is not finite.
SPREAD, DRAWS = 2.0, 8


class Subject:
    """A function of structured parameters and the derivative that is claimed for it, both on numbers of their own.

    Attributes
    ----------
    of, name : str
        What messages call the function and the derivative.
    tree : Tree
        The structure of x.
    start : ndarray
        f(x), of the shape that f gives; known after :meth:`watch`.
    findings : list of Finding
        What was seen on the way: arguments that change, and results that do.
    calls : int
        Evaluations of f, but for those that compiled code makes by itself.
    """

    def __init__(
        self, f: Callable, claimed: Any, x: Any, args: tuple, name: str, of: str = "f", out_size: int | None = None
    ):
        if not callable(known(f)):
            msg = f"{of} must be callable, got {type(f).__name__}"
            raise TypeError(msg)
        self.f, self.claimed, self.args = known(f), claimed, _as_tuple(args)
        self.of, self.name, self.out_size = of, name, out_size
        self.tree = Tree(x)
        if self.tree.size == 0:
            msg = "x must have at least one number to be checked"
            raise ValueError(msg)
        self.findings: list[Finding] = []
        self.start, self.calls = np.empty(0), 0
        self._spoils = False

    def value(self, flat: Array) -> Array:
        """f at a point, as an array of its own."""
        point = flat.copy()
        found = self._evaluated(point)
        self._look_for_changes(point, flat, self.of)
        return _real(found, self.of)

    def _evaluated(self, point: Array) -> Any:
        self.calls += 1
        if self.out_size is None:
            return self.f(self.tree.build(point), *self._data())
        out = np.full(self.out_size, np.nan)
        self.f(self.tree.build(point), out, *self._data())
        return out

    def _data(self) -> tuple:
        """The extra arguments; copies where they would be changed."""
        return tuple(a.copy() if self._spoils and isinstance(a, np.ndarray) else a for a in self.args)

    def target(self) -> tuple[Callable, bool]:
        """What is differentiated, and whether it takes points in their own shape: compiled functions of one array do."""
        mutates = any(finding.kind == "mutated input" for finding in self.findings)
        if self.tree.bare and not mutates and (hasattr(self.f, "py_func") or isinstance(self.f, CFunction)):
            return self.f, True
        return (lambda flat, *args: self._evaluated(flat.copy())), False

    def analytic(self, flat: Array) -> Any:
        """The claimed derivative at a point; a sparse one with its zeros."""
        if not callable(self.claimed):
            return _filled(self.claimed)
        point = flat.copy()
        found = self.claimed(self.tree.build(point), *self._data())
        self._look_for_changes(point, flat, self.name)
        return _filled(found)

    def watch(self) -> float:
        """Call f and the derivative twice at x; what they change, and how much they differ, which is the noise of f."""
        data = [(i, a, a.copy()) for i, a in enumerate(self.args) if isinstance(a, np.ndarray)]
        self.start = self.value(self.tree.flat)
        _check_value(self.start, self.of)
        noise = self.compare_with_start()
        if callable(self.claimed):
            self._compare_claims(self.tree.flat)
        for i, array, before in data:
            if not np.array_equal(array, before, equal_nan=True):
                array[...], self._spoils = before, True
                who = f"{self.of} or {self.name}"
                self._note("mutated input", f"{who} changes its argument args[{i}] in place; let it work on a copy")
        return noise

    def compare_with_start(self) -> float:
        """f(x) once more: how far it is from the first."""
        again = self.value(self.tree.flat)
        if again.shape != self.start.shape:
            sentence = f"{self.of} returns results of shape {self.start.shape}, then of shape {again.shape}"
            self._note("random function", sentence)
            return 0.0
        apart, size = np.abs(self.start - again).max(initial=0.0), np.abs(self.start).max(initial=0.0)
        if not apart <= SAME * size:
            values = f"{_short(self.start)}, then {_short(again)}"
            self._note("random function", f"{self.of} gives {values} at the same point: fix its random numbers, or its state")
        return float(apart)

    def _compare_claims(self, flat: Array) -> None:
        first, second = (self._flat_claim(self.analytic(flat)) for _ in range(2))
        if first.shape == second.shape and not relative_error(first, second) <= SAME and np.isfinite(first).all():
            self._note("random function", f"{self.name} gives other values when it is called again at the same point")

    def _flat_claim(self, claim: Any) -> Array:
        try:
            return self.tree.flatten(claim, self.name)
        except (ValueError, TypeError):  # a Jacobian, or it will be said where its shape is checked
            return np.asarray(claim, float).reshape(-1) if isinstance(claim, np.ndarray) else np.zeros(0)

    def _look_for_changes(self, point: Array, flat: Array, who: str) -> None:
        if not np.array_equal(point, flat, equal_nan=True):
            where = name_of(int(np.argmax(point != flat)), self.tree.leaves)
            self._note("mutated input", f"{who} changes its argument in place, at {where}; let it work on a copy")

    def _note(self, kind: str, sentence: str) -> None:
        if not any(f.kind == kind for f in self.findings):
            self.findings.append(Finding(kind, "", sentence))

    @property
    def random(self) -> bool:
        """Whether f, or the derivative, is no function of its arguments."""
        return any(finding.kind == "random function" for finding in self.findings)


def _real(found: Any, of: str) -> Array:
    """What a function returned, as doubles."""
    values = as_array(found, f"{of} must return real numbers, or an array of them")
    if values.dtype.kind not in "biuf":
        kind = f"an array of dtype {values.dtype}" if isinstance(found, np.ndarray | list | tuple) else type(found).__name__
        msg = f"{of} must return real numbers, got {kind}"
        raise TypeError(msg)
    return np.array(values, float)


def _check_value(value: Array, of: str) -> None:
    if value.size == 0:
        msg = f"{of} must return at least one number, got shape {value.shape}"
        raise ValueError(msg)
    if not np.isfinite(value).all():
        msg = f"{of} must be finite at x, got {value.reshape(-1)[~np.isfinite(value.reshape(-1))][0]}"
        raise ValueError(msg)


def _filled(claim: Any) -> Any:
    """A sparse matrix as an array."""
    return claim.toarray() if issparse(claim) else claim


def _as_tuple(args: Any) -> tuple:
    if isinstance(args, tuple | list):
        return tuple(args)
    msg = f"args must be a tuple of the extra arguments of f, got {type(args).__name__}; write args=(value,)"
    raise TypeError(msg)


def _short(values: Any) -> str:
    return f"{values.reshape(-1)[0]:.10g}" if values.size else "nothing"


def batches(args: tuple) -> tuple[int, ...]:
    """Lengths that are probably those of a batch."""
    return tuple(dict.fromkeys(a.shape[0] for a in map(np.asarray, args) if a.dtype.kind in "biuf" and a.ndim and len(a) > 1))


# --- the points ------------------------------------------------------------------------------------------------------


def points_around(subject: Subject, count: int, seed: int, limits: tuple[Array, Array] | None) -> list[Array]:
    """x and others around it, of other signs too, where f is finite."""
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        msg = f"points must be an integer >= 1, got {count!r}"
        raise ValueError(msg)
    if count > 1 and not callable(subject.claimed):
        msg = f"points={count} needs {subject.name} as a function, got its values at one point"
        raise ValueError(msg)
    rng = generator(seed)
    return [subject.tree.flat, *(_drawn(subject, rng, limits) for _ in range(count - 1))]


def _drawn(subject: Subject, rng: np.random.Generator, limits: tuple[Array, Array] | None) -> Array:
    """A random point, in the end near x, where f is finite."""
    x = subject.tree.flat
    usual = float(np.sqrt(np.mean(x**2))) or 1.0
    size = np.where(x == 0.0, 0.3 * usual, x) * SPREAD ** rng.uniform(-1, 1, x.size)
    signs = rng.choice([-1.0, 1.0], x.size)
    for k in range(DRAWS):
        point = signs * size if k == 0 else x + (size - x) * 0.5 ** (k - 1)
        point = point if limits is None else _inside(point, x, *limits, rng)
        if _is_finite(subject, point):
            return point
    return x.copy()


def _inside(point: Array, x: Array, lower: Array, upper: Array, rng: np.random.Generator) -> Array:
    """Where a bound is passed, a place between x and the bound."""
    way = rng.uniform(0.2, 0.8, x.size)
    end = np.clip(point, lower, upper)
    return np.where(end == point, point, x + way * (end - x))


def _is_finite(subject: Subject, point: Array) -> bool:
    try:
        with np.errstate(all="ignore"):
            return bool(np.isfinite(subject.value(point)).all())
    except Exception:  # outside its domain f may say so as it likes
        return False


def limits_of(bounds: Any, tree: Tree) -> tuple[Array, Array] | None:
    """Bounds in the structure of x, or numbers, as flat arrays."""
    if bounds is None:
        return None
    pair = bound_pair(bounds)
    flat = [b if np.ndim(b) == 0 and not isinstance(b, Mapping) else tree.flatten(b, "bounds") for b in pair]
    return checked_bounds(tuple(flat), tree.flat)
