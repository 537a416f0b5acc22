"""Sparsity: patterns found from f, colours, and what the operators keep of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.colored import ColoredComplex, ColoredFixed, ColoredSearch, Entries, Reads
from fastfd.detection import Detection
from fastfd.function import Function, wrap
from fastfd.info import Info
from fastfd.pattern import Pattern, checked_sparsity, colored, star_colored
from fastfd.plan import Plan, checked_flag
from fastfd.prepared import given
from fastfd.run import as_point

__all__ = ["SparsityInfo", "color", "detect_sparsity"]

Array = NDArray[np.float64]
#: How many points the pattern for "auto" is looked for at.
POINTS = 3


@dataclass(frozen=True)
class SparsityInfo:
    """How a pattern was found, and whether it may be another one elsewhere.

    Attributes
    ----------
    nfev : int
        Evaluations of f.
    points : int
        Points at which f was looked at.
    varies : int
        Entries that showed at some of the points only: the pattern depends on x, or f is flat or at a tie there.
    full : int
        Rows that seemed to have a quarter of all columns or more, and were taken to have all.
    found_late : int
        Entries that the search missed and the random probes after it found. More than none: look again, with more samples.

    Examples
    --------
    >>> import fastfd
    >>> _, info = fastfd.detect_sparsity(lambda x: [x[0] * x[1], x[2]], [0.0, 1.0, 2.0], full_output=True)
    >>> info.fixed, info.message
    (False, 'the pattern may depend on x: 1 entry showed at some points only')
    """

    nfev: int
    points: int
    varies: int
    full: int
    found_late: int

    @property
    def fixed(self) -> bool:
        """Whether the pattern was the same at all points."""
        return self.varies == 0

    @property
    def message(self) -> str:
        parts = []
        if self.varies:
            entries = "1 entry" if self.varies == 1 else f"{self.varies} entries"
            parts.append(f"the pattern may depend on x: {entries} showed at some points only")
        if self.full:
            parts.append(f"{self.full} row{'s' * (self.full > 1)} taken for full")
        return "; ".join(parts) or "the pattern was the same at all points"


def color(pattern: Any, *, ordering: str = "best", symmetric: bool = False) -> NDArray[np.integer]:
    """Colours for the columns of a sparse matrix: those of one colour can be differenced together.

    Parameters
    ----------
    pattern : sparse or dense matrix, (m, n)
        Which entries can differ from zero: those that a ``scipy.sparse`` matrix stores, or that are not zero in an array.
    ordering : {"best", "natural", "largest_first", "smallest_last", "incidence_degree"}, optional
        In which order columns get the first colour that fits. ``"best"`` (default) tries one after the other until one is
        known to be best or two bring nothing, and the cheap one alone where columns meet very many others.
    symmetric : bool, optional
        For a Hessian from gradients: a star colouring, by which each entry or its mirror image can be read.

    Returns
    -------
    colors : ndarray of int, (n,)
        From 0 on; -1 for a column without entries. What ``sparsity=(pattern, colors)`` takes, here and in SciPy.

    Raises
    ------
    ValueError
        If `pattern` is no matrix, is not symmetric where it should be, or `ordering` is unknown.

    Notes
    -----
    Columns without a row in common: Curtis, Powell and Reid (1974), Coleman and Moré (1983). Star colouring: Coleman and
    Moré (1984), by the algorithm of Gebremedhin, Tarafdar, Manne and Pothen (2007).

    Examples
    --------
    >>> import scipy.sparse
    >>> import fastfd
    >>> tridiagonal = scipy.sparse.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(7, 7))
    >>> fastfd.color(tridiagonal)
    array([0, 1, 2, 0, 1, 2, 0], dtype=int32)
    """
    found, symmetric = Pattern.of(pattern, "pattern"), checked_flag(symmetric, "symmetric")
    return star_colored(found, ordering) if symmetric else colored(found, ordering)


def detect_sparsity(
    f: Callable,
    x: Any,
    args: tuple = (),
    *,
    bounds: Any = None,
    samples: int = POINTS,
    nan: bool = False,
    seed: int = 0,
    out_size: int | None = None,
    full_output: bool = False,
) -> Any:
    """The sparsity pattern of the Jacobian of f, found by moving many coordinates at once.

    Parameters
    ----------
    f : callable
        As in :func:`fastfd.jacobian`, with real results.
    x : array_like
        The point, of any shape, real.
    args, bounds, out_size : optional
        As in :func:`fastfd.jacobian`.
    samples : int, optional
        At how many points to look, x and others within 30 % of it; 3 by default. An entry counts that shows at any.
    nan : bool, optional
        Whether f may also be called with nan in x, which shows what it uses even where that has no effect at x. Not by
        default: a compiled f that makes an index of a nan reads memory that is not its own.
    seed : int, optional
        Of the generator that draws points and steps.
    full_output : bool, optional
        Also return a :class:`SparsityInfo`.

    Returns
    -------
    pattern : csr_array of bool, (m, n)
        What ``sparsity=`` takes.
    info : SparsityInfo
        Only with `full_output`: evaluations, and whether the pattern may depend on x.

    Raises
    ------
    TypeError
        If f is not callable or returns no numbers.
    ValueError
        If x or f(x) is not finite, f gives other results when called again, or a keyword does not fit.
    Exception
        Whatever f raises.

    Notes
    -----
    Adaptive group testing (Dorfman 1943) of all rows at once: columns are halved again and again, and halves that share no row
    are moved together, in colours; O(d² log n) evaluations for rows with d entries. A change of a result is seen to the last
    bit. What it cannot see: an effect below the rounding of the result, and branches that none of the points take.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> import fastfd
    >>> @njit
    ... def second_difference(u):
    ...     r = -2 * u
    ...     r[1:] += u[:-1]
    ...     r[:-1] += u[1:]
    ...     return r
    >>> pattern, info = fastfd.detect_sparsity(second_difference, np.linspace(1, 2, 1000), full_output=True)
    >>> pattern.nnz, info.nfev < 250, info.fixed
    (2998, True, True)
    """
    if not isinstance(samples, int | np.integer) or isinstance(samples, bool) or samples < 1:
        msg = f"samples must be a whole number from 1 on, got {samples!r}"
        raise ValueError(msg)
    function, nan, full = wrap(f, out_size), checked_flag(nan, "nan"), checked_flag(full_output, "full_output")
    search = Detection(function, as_point(x), function.arguments(given(args)), bounds, int(samples), nan, seed)
    pattern = search.pattern()
    found = pattern.matrix(np.ones(pattern.size, bool))
    info = SparsityInfo(search.nfev, int(samples), search.varies, search.full, search.found)
    return (found, info) if full else found


class Sparsity:
    """What ``sparsity=`` says, with its colours; or "auto", until a pattern is found."""

    def __init__(self, sparsity: Any, symmetric: bool = False):
        checked = checked_sparsity(sparsity, symmetric)
        self.symmetric, self.auto = symmetric, isinstance(checked, str)
        self.reads: Reads | None = None if isinstance(checked, str) else Reads(*checked, symmetric)

    def widen(self, function: Function, plan: Plan, x: Array, args: tuple) -> bool:
        """Look for entries at another point, where the pattern was found from f to begin with."""
        if not self.auto or self.reads is None:
            return False
        self._take(self.reads.pattern.matrix(np.ones(self.reads.pattern.size)) + _found(function, plan, x, args))
        return True

    def _take(self, matrix: Any) -> None:
        if self.symmetric and matrix.shape[0] != matrix.shape[1]:
            msg = f"grad must return as many numbers as x has, {matrix.shape[1]}, got {matrix.shape[0]}"
            raise ValueError(msg)
        pattern = Pattern.of(matrix + matrix.T if self.symmetric else matrix)
        colors = star_colored(pattern) if self.symmetric else colored(pattern)
        self.reads = Reads(pattern, colors, self.symmetric)

    def job(self, function: Function, plan: Plan, x: Array, args: tuple) -> Any:
        """A job for points like x."""
        if self.reads is None:
            self._take(_found(function, plan, x, args))
        kinds: dict[str, Any] = {"fixed": ColoredFixed, "adaptive": ColoredSearch, "complex": ColoredComplex}
        job = kinds[plan.kind](function, plan, x, args, self.reads)
        if job.sample.complex:
            msg = "sparsity needs an f that returns real numbers; differentiate its real and imaginary parts"
            raise ValueError(msg)
        job.check_shape()
        return job


def _found(function: Function, plan: Plan, x: Array, args: tuple) -> Any:
    pattern = Detection(function, x, args, plan.bounds, POINTS, False, 0).pattern()
    return pattern.matrix(np.ones(pattern.size))


def sparse_value(job: Any, x: Array, args: tuple, full: bool) -> tuple[Any, Info | None]:
    """The matrix, and what is known of it."""
    pattern: Pattern = job.reads.pattern
    found: Entries = job.entries(x, args, full)
    if not full:
        return pattern.matrix(found.data), None
    info = Info(pattern.matrix(found.error), found.step.reshape(job.shape), found.nfev, found.status.reshape(job.shape))
    return pattern.matrix(found.data), info
