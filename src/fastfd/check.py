"""Checks of analytic derivatives: a verdict on every entry, and what the bug probably is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.comparison import Compared, Comparison
from fastfd.diagnosis import Evidence, Finding, Leaf, diagnose, name_of
from fastfd.kernels.extrapolate import NOISY
from fastfd.second import hessian
from fastfd.steps import checked_bounds
from fastfd.trees import Tree
from fastfd.verdicts import CORRECT, INCONCLUSIVE, WORDS, WRONG, entrywise_error, grade, judge, relative_error

__all__ = ["GradientCheck", "check_gradient", "check_hessian", "check_jacobian"]

Array = NDArray[np.float64]

#: How exactly analytic entries are known, in double and in single precision.
PRECISION, SINGLE = 1e-7, 1e-5
#: From here on the scale of practitioners has a word for what is wrong.
SUSPICIOUS = 1e-5
#: Two calls of f at one point that differ by more than this share are no function; less is noise.
SAME = 1e-9
#: Rows of the printed table: at most so many, and so many where all is well.
ROWS, ROWS_WHEN_WELL = 10, 3
#: Random points are nearer than this ratio; and so often one is drawn nearer where f is not finite.
SPREAD, DRAWS = 2.0, 8


@dataclass(frozen=True)
class GradientCheck:
    """What a check found, entry by entry.

    Attributes
    ----------
    analytic, numerical : ndarray
        The derivative under test and the one by differences: ``(n,)``, the entries of all parameters in a row, or
        ``(points, n)``. `numerical` is nan where only groups of entries were compared (``directions=``).
    error : ndarray
        A bound on the error of `numerical`, absolute, entry by entry. Where the first differences agree with the analytic
        entry to seven digits it is that distance at most: nothing better was needed.
    verdict : ndarray of int
        0 correct, 1 inconclusive (the error bar is too wide to tell, or f is not smooth here), 2 wrong.
    findings : tuple of Finding
        Probable causes, each with ``kind``, ``leaf`` (the array it shows in, "" for all), ``sentence`` and ``indices``.
    x : ndarray
        The points, as `analytic`.
    nfev : int
        Evaluations of f.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfd
    >>> report = fastfd.check_gradient(lambda p: np.sum(p["w"] ** 2), lambda p: {"w": p["w"]}, {"w": np.array([1.0, 3.0])})
    >>> report.passed
    False
    >>> print(report.findings[0])
    w: too small by the factor 1/2, the derivative of a square lacks its 2
    """

    analytic: Array
    numerical: Array
    error: Array
    verdict: NDArray[np.int8]
    findings: tuple[Finding, ...]
    x: Array
    nfev: int
    leaves: tuple[Leaf, ...]
    what: str = "gradient"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each of the n entries, such as ``layers.0.bias[3]``."""
        return tuple(self.name(i) for i in range(self.analytic.shape[-1]))

    def name(self, i: int) -> str:
        """The name of entry i."""
        return name_of(i, self.leaves)

    @property
    def relative_error(self) -> Array:
        """\\|a − b\\| / (\\|a\\| + \\|b\\|) of each entry."""
        return entrywise_error(self.analytic, self.numerical)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong, nothing else was found, and something could be decided."""
        decided = self.verdict.size == 0 or bool((self.verdict == CORRECT).any())
        return decided and not (self.verdict == WRONG).any() and not self.findings

    @property
    def conclusive(self) -> bool:
        """Whether there is a verdict on every entry."""
        return not (self.verdict == INCONCLUSIVE).any()

    def raise_if_failed(self, strict: bool = False) -> None:
        """An AssertionError with the report, unless the check passed.

        Parameters
        ----------
        strict : bool, optional
            Whether inconclusive entries fail too.

        Raises
        ------
        AssertionError
            If something is wrong.
        """
        if not self.passed or (strict and not self.conclusive):
            raise AssertionError(str(self))

    def __str__(self) -> str:
        return "\n".join([self._headline(), *(f"  {finding}" for finding in self.findings), *self._table()])

    def _headline(self) -> str:
        count = [int((self.verdict == verdict).sum()) for verdict in (WRONG, INCONCLUSIVE)]
        parts = [f"{number} {word}" for number, word in zip(count, ("wrong", "inconclusive")) if number] or ["all correct"]
        points = f", {len(self.analytic)} points" if self.analytic.ndim > 1 else ""
        state = "passed" if self.passed else "FAILED"
        return f"{self.what} check {state}: {', '.join(parts)} of {self.verdict.size} entries ({self.nfev} evaluations{points})"

    def worst(self) -> NDArray[np.int64]:
        """Flat indices, the worst entries first: the wrong ones by their relative error, then the inconclusive ones."""
        error = np.nan_to_num(self.relative_error, nan=-1.0)
        return np.lexsort((-error.reshape(-1), -self.verdict.reshape(-1)))

    def _table(self) -> list[str]:
        order, shown = self.worst(), int((self.verdict != CORRECT).sum())
        some = order[: min(ROWS, shown) or ROWS_WHEN_WELL]
        names = [self._label(int(i)) for i in some]
        width = max([len(name) for name in names] + [len("entry")])
        head = f"  {'entry':<{width}}  {'analytic':>14}  {'numerical':>14}  {'error bar':>9}  {'rel. error':>10}  verdict"
        rest = [f"  ... and {shown - len(some)} more"] if shown > len(some) else []
        return [head, *(self._row(name, int(i), width) for name, i in zip(names, some)), *rest]

    def _label(self, i: int) -> str:
        point, entry = divmod(i, self.analytic.shape[-1])
        return self.name(entry) + (f" at point {point}" if self.analytic.ndim > 1 else "")

    def _row(self, name: str, i: int, width: int) -> str:
        a, g, e, r = (rows.reshape(-1)[i] for rows in (self.analytic, self.numerical, self.error, self.relative_error))
        verdict = int(self.verdict.reshape(-1)[i])
        word = f"{WORDS[verdict]} ({grade(r)})" if verdict == WRONG and r >= SUSPICIOUS else WORDS[verdict]
        return f"  {name:<{width}}  {a:>14.7g}  {g:>14.7g}  {e:>9.1e}  {r:>10.1e}  {word}"

    def to_dict(self) -> dict[str, Any]:
        """The report as numbers, strings and lists, fit for JSON; entries that are not known are None."""
        numbers = {"analytic": self.analytic, "numerical": self.numerical, "error": self.error,
                   "relative_error": self.relative_error, "x": self.x}  # fmt: skip
        return {
            "what": self.what, "passed": self.passed, "nfev": self.nfev, "names": list(self.names),
            **{key: _plain(values.tolist()) for key, values in numbers.items()},
            "verdict": _in_words(self.verdict.tolist()),
            "findings": [{"kind": f.kind, "leaf": f.leaf, "sentence": f.sentence, "indices": list(f.indices)}
                         for f in self.findings],
        }  # fmt: skip

    def plot(self, ax: Any = None) -> Any:
        """Draw analytic against numerical entries on logarithmic axes, coloured by their verdicts; give the axes back.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from fastfd.plotting import draw_check  # most checks are not drawn

        return draw_check(self, ax)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if np.isfinite(value) else None


def _in_words(value: Any) -> Any:
    return [_in_words(item) for item in value] if isinstance(value, list) else WORDS[value]


# --- what is checked ------------------------------------------------------------------------------------------------


class _Subject:
    """A function of structured parameters and the derivative that is claimed for it, both on numbers of their own."""

    def __init__(self, f: Callable, claimed: Any, x: Any, args: tuple, name: str):
        for what, value in (("f", f),) if not callable(claimed) else (("f", f), (name, claimed)):
            if not callable(value):
                msg = f"{what} must be callable, got {type(value).__name__}"
                raise TypeError(msg)
        self.f, self.claimed, self.name, self.args = f, claimed, name, _as_tuple(args)
        self.tree = Tree(x)
        if self.tree.size == 0:
            msg = "x must have at least one number to be checked"
            raise ValueError(msg)
        self.findings: list[Finding] = []
        self.calls = 0
        self.precision = PRECISION

    def value(self, flat: Array) -> Any:
        """f, whatever it does to its arguments."""
        return self.f(self.tree.build(flat.copy()), *self.args)

    def target(self) -> tuple[Callable, bool]:
        """What is differentiated, and whether it takes points in their own shape: compiled functions of one array do."""
        mutates = any(finding.kind == "mutated input" for finding in self.findings)
        if self.tree.bare and not mutates and hasattr(self.f, "py_func"):
            return self.f, True
        return (lambda flat, *args: self.value(flat)), False

    def analytic(self, flat: Array) -> Any:
        """The claimed derivative at a point."""
        if not callable(self.claimed):
            return self.claimed
        point = flat.copy()
        found = self.claimed(self.tree.build(point), *self.args)
        self._look_for_changes(point, flat, self.name)
        return found

    def watch(self, flat: Array) -> float:
        """Call f and the derivative twice; what they change and how much they differ, which is the noise of f."""
        data = [(i, a, a.copy()) for i, a in enumerate(self.args) if isinstance(a, np.ndarray)]
        point, values = flat.copy(), []
        for _ in range(2):
            values.append(np.array(self.f(self.tree.build(point), *self.args), float))
            self._look_for_changes(point, flat, "f")
            point = flat.copy()
        if callable(self.claimed):
            self._compare_claims(flat)
        for i, array, before in data:
            if not np.array_equal(array, before, equal_nan=True):
                array[...] = before
                self._note("mutated input", f"f or {self.name} changes its argument args[{i}] in place; let it work on a copy")
        return self._difference(*values)

    def ends(self, flat: Array, before: Any) -> None:
        """f once more, when all is done."""
        self._difference(np.array(self.value(flat), float), np.array(before, float))

    def _difference(self, first: Any, second: Any) -> float:
        if first.shape != second.shape:
            self._note("random function", f"f returns results of shape {first.shape}, then of shape {second.shape}")
            return 0.0
        apart, size = np.abs(first - second).max(initial=0.0), np.abs(first).max(initial=0.0)
        if not apart <= SAME * size and np.isfinite(size):
            sentence = f"f gives {_short(first)}, then {_short(second)} at the same point: fix its random numbers, or its state"
            self._note("random function", sentence)
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
        return any(finding.kind == "random function" for finding in self.findings)


def _as_tuple(args: Any) -> tuple:
    if isinstance(args, tuple | list):
        return tuple(args)
    msg = f"args must be a tuple of the extra arguments of f, got {type(args).__name__}; write args=(value,)"
    raise TypeError(msg)


def _short(values: Any) -> str:
    return f"{values.reshape(-1)[0]:.10g}" if values.size else "nothing"


def _batches(args: tuple) -> tuple[int, ...]:
    """Lengths that are probably those of a batch."""
    return tuple(dict.fromkeys(a.shape[0] for a in map(np.asarray, args) if a.dtype.kind in "biuf" and a.ndim and len(a) > 1))


# --- the points ------------------------------------------------------------------------------------------------------


def _points(subject: _Subject, count: int, seed: int, limits: tuple[Array, Array] | None) -> list[Array]:
    """x and others around it, of other signs too, where f is finite."""
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        msg = f"points must be an integer >= 1, got {count!r}"
        raise ValueError(msg)
    if count > 1 and not callable(subject.claimed):
        msg = f"points={count} needs {subject.name} as a function, got its values at one point"
        raise ValueError(msg)
    rng = np.random.default_rng(seed)
    return [subject.tree.flat, *(_drawn(subject, rng, limits) for _ in range(count - 1))]


def _drawn(subject: _Subject, rng: np.random.Generator, limits: tuple[Array, Array] | None) -> Array:
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


def _is_finite(subject: _Subject, point: Array) -> bool:
    try:
        with np.errstate(all="ignore"):
            return bool(np.isfinite(np.asarray(subject.value(point), float)).all())
    except Exception:  # outside its domain f may say so as it likes
        return False


def _limits(bounds: Any, tree: Tree) -> tuple[Array, Array] | None:
    """Bounds in the structure of x, or numbers, as flat arrays."""
    if bounds is None:
        return None
    lower, upper = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
    flat = [b if np.ndim(b) == 0 and not isinstance(b, dict) else tree.flatten(b, "bounds") for b in (lower, upper)]
    return checked_bounds(tuple(flat), tree.flat)


# --- the checks -----------------------------------------------------------------------------------------------------


def _unknown(analytic: Array) -> Compared:
    """Where differences would mean nothing."""
    nothing = np.full(analytic.shape, np.nan)
    return Compared(nothing, nothing, np.full(analytic.shape, INCONCLUSIVE, np.int8), 0)


class _Check:
    """One check: the keywords, the points, and the comparison at each of them."""

    def __init__(self, subject: _Subject, bounds: Any, parallel: bool | None, noise: float | None, directions: int | None):
        self.subject, self.directions = subject, _checked_directions(directions)
        self.limits = _limits(bounds, subject.tree)
        self._keywords = parallel, noise

    def at_points(self, points: int, seed: int, rows_of: Callable[[Any], Array]) -> list[tuple[Array, Array, Compared]]:
        """The point, the rows of the claimed derivative, (n, m), and what became of them."""
        subject, found = self.subject, []
        jitter = subject.watch(subject.tree.flat)
        flats = [subject.tree.flat] if subject.random else _points(subject, points, seed, self.limits)
        before = subject.value(flats[0])
        for flat in flats:
            claim = subject.analytic(flat)
            rows = rows_of(claim)
            precision = SINGLE if getattr(claim, "dtype", None) == np.float32 else PRECISION
            found.append((flat, rows, _unknown(rows) if subject.random else self._compared(flat, rows, jitter, precision, seed)))
        subject.ends(flats[0], before)
        if subject.random:  # it changed on the way
            found = [(flat, rows, _unknown(rows)) for flat, rows, _ in found]
        return found

    def _compared(self, flat: Array, rows: Array, jitter: float, precision: float, seed: int) -> Compared:
        f, shaped = self.subject.target()
        shape = self.subject.tree.leaves[0].shape if shaped else flat.shape
        bounds = self.limits and tuple(b.reshape(shape) for b in self.limits)
        parallel, noise = self._keywords
        comparison = Comparison(f, bounds, parallel, noise if noise is not None else jitter or None, precision)
        x, args = flat.reshape(shape), self.subject.args if shaped else ()
        if self.directions is None:
            return comparison.columns(x, args, rows)
        leaves = [leaf.start + np.arange(leaf.size) for leaf in self.subject.tree.leaves if leaf.size]
        return comparison.directions(x, args, rows, leaves, self.directions, seed)


def _checked_directions(directions: Any) -> int | None:
    if directions is None or (isinstance(directions, int | np.integer) and not isinstance(directions, bool) and directions > 0):
        return None if directions is None else int(directions)
    msg = f"directions must be None or an integer >= 1, got {directions!r}"
    raise ValueError(msg)


def _report(subject: _Subject, found: list, leaves: tuple[Leaf, ...], what: str) -> GradientCheck:
    """All points together, and the diagnosis."""
    flats = [flat for flat, _, _ in found]
    analytic, numerical, error, verdict = (
        _together([rows.T.reshape(-1) for rows in kind])
        for kind in zip(*((rows, c.rows, c.error, c.verdict) for _, rows, c in found), strict=True)
    )
    x = _together(flats) if analytic.shape[-1] == flats[0].size else np.full(analytic.shape, np.nan)
    evidence = Evidence(analytic, numerical, error, verdict, x, leaves, _batches(subject.args))
    nfev = sum(compared.nfev for _, _, compared in found)
    findings = (*subject.findings, *diagnose(evidence))
    return GradientCheck(analytic, numerical, error, verdict, findings, x, nfev, leaves, what)


def _together(rows: list[NDArray[Any]]) -> NDArray[Any]:
    return rows[0] if len(rows) == 1 else np.stack(rows)


def check_gradient(
    f: Callable,
    grad: Any,
    x: Any,
    args: tuple = (),
    *,
    points: int = 1,
    directions: int | None = None,
    seed: int = 0,
    bounds: Any = None,
    parallel: bool | None = None,
    noise: float | None = None,
) -> GradientCheck:
    """Check an analytic gradient: a verdict on every parameter, and what the bug probably is.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` → one number; an njit function of one array or any Python callable.
    grad : callable or values
        ``grad(x, *args)`` → the gradient in the structure and shapes of x, or its values at x.
    x : array_like, or dict, tuple or list of them, nested as you like
        The parameters, real; f and grad get copies in the same structure. The report names entries by where they
        are: ``layers.0.bias[3]``.
    args : tuple, optional
        Extra arguments of f and grad.
    points : int, optional
        At how many points: x itself (default), then random ones of up to twice and down to half its size, of random signs.
    directions : int, optional
        For large models: compare derivatives along so many random directions, some 12 evaluations each, and only where
        one disagrees look for the parameters that are wrong, by halves. Default None: every parameter by itself.
    seed : int, optional
        Of the random points and directions.
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
        Numbers, or in the structure of x. f is never evaluated outside.
    parallel : bool, optional
        As in :func:`jacobian`.
    noise : float, optional
        As in :func:`jacobian`: the known amplitude of the noise in f.

    Returns
    -------
    report : GradientCheck
        ``report.passed``, ``print(report)``, ``report.raise_if_failed()`` and the numbers, entry by entry.

    Raises
    ------
    TypeError
        If f is not callable, or x or the gradient are not real numbers.
    ValueError
        If the gradient has another structure or shape than x, x is empty or not finite, f(x) is not one finite number, or a
        keyword does not fit.

    See Also
    --------
    fastfd.testing.assert_gradient : the same for test suites.
    check_jacobian, check_hessian : for the other derivatives.
    relative_error : the measure.

    Notes
    -----
    Two evaluations for each parameter settle those whose analytic entry agrees with a central difference to seven
    digits, which no wrong one does by chance. The others get four, then an adaptive search with error bars: *wrong* is what
    lies further from it than ten error bars (and 1e-7, relative), *inconclusive* what an error bar is too wide to tell.
    Where f is not smooth, or is noisy, a right gradient is not accused.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfd
    >>> def loss(p, X, y):
    ...     return np.mean((X @ p["weight"] + p["bias"] - y) ** 2)
    >>> def gradient(p, X, y):
    ...     r = X @ p["weight"] + p["bias"] - y
    ...     return {"weight": 2 * X.T @ r / len(y), "bias": 2 * r.sum()}
    >>> rng = np.random.default_rng(0)
    >>> p = {"weight": rng.standard_normal(3), "bias": 0.5}
    >>> report = fastfd.check_gradient(loss, gradient, p, args=(rng.standard_normal((8, 3)), rng.standard_normal(8)))
    >>> print(report.findings[0])
    bias: too large by the factor 8, the mean over 8 is missing
    """
    subject = _Subject(f, grad, x, args, "grad")
    if np.size(value := subject.value(subject.tree.flat)) != 1:
        msg = f"f must return one number, got shape {np.shape(value)}; check_jacobian takes such functions"
        raise ValueError(msg)
    check = _Check(subject, bounds, parallel, noise, directions)
    found = check.at_points(points, seed, lambda claim: subject.tree.flatten(claim, "grad")[:, None])
    return _report(subject, found, subject.tree.leaves, "gradient")


def check_jacobian(
    f: Callable,
    jac: Any,
    x: Any,
    args: tuple = (),
    *,
    points: int = 1,
    seed: int = 0,
    bounds: Any = None,
    parallel: bool | None = None,
    noise: float | None = None,
) -> GradientCheck:
    """Check an analytic Jacobian: a verdict on every entry, and what the bug probably is.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` → real numbers of any shape; njit or plain Python.
    jac : callable or array_like
        ``jac(x, *args)`` → an array of f's shape followed by x's, or its values at x.
    x : array_like
        The point, of any shape, real.
    args, points, seed, bounds, parallel, noise : optional
        As in :func:`check_gradient`.

    Returns
    -------
    report : GradientCheck
        Its entries are those of the Jacobian row by row, ``J[2, 0]``.

    Raises
    ------
    TypeError, ValueError
        As in :func:`check_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfd
    >>> def f(x):
    ...     return np.array([x[0] * x[1], np.sin(x[0])])
    >>> def jac(x):
    ...     return np.array([[x[1], x[0]], [-np.cos(x[0]), 0.0]])
    >>> print(fastfd.check_jacobian(f, jac, [1.0, 2.0]).findings[0])
    J: 1 of 4 entries are wrong, the others are right: J[1, 0]
    """
    subject = _bare_subject(f, jac, x, args, "jac")
    f_shape = np.shape(subject.value(subject.tree.flat))
    shape = (*f_shape, *subject.tree.leaves[0].shape)
    check = _Check(subject, bounds, parallel, noise, None)
    found = check.at_points(points, seed, lambda claim: _claimed(claim, shape, "jac").reshape(-1, subject.tree.size).T)
    return _report(subject, found, (Leaf("J", shape, 0),), "Jacobian")


def _bare_subject(f: Callable, claimed: Any, x: Any, args: tuple, name: str) -> _Subject:
    subject = _Subject(f, claimed, x, args, name)
    if not subject.tree.bare:
        msg = f"x must be one array, got a {type(x).__name__} of arrays; check_gradient takes those"
        raise TypeError(msg)
    return subject


def _claimed(claim: Any, shape: tuple[int, ...], what: str) -> Array:
    """Values under test, in the shape that they must have."""
    return Tree(np.zeros(shape)).flatten(claim, what)


def check_hessian(
    f: Callable,
    hess: Any,
    x: Any,
    args: tuple = (),
    *,
    grad: Callable | None = None,
    points: int = 1,
    seed: int = 0,
    bounds: Any = None,
    parallel: bool | None = None,
) -> GradientCheck:
    """Check an analytic Hessian: a verdict on every entry, whether it is symmetric, and what the bug probably is.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` → one number; njit or plain Python.
    hess : callable or array_like
        ``hess(x, *args)`` → an array of x's shape twice, or its values at x.
    x : array_like
        The point, of any shape, real.
    grad : callable, optional
        ``grad(x, *args)`` → the gradient of f, known to be right: then its differences are taken, which are more exact and
        need fewer evaluations than second differences of f.
    args, points, seed, bounds, parallel : optional
        As in :func:`check_gradient`.

    Returns
    -------
    report : GradientCheck
        Its entries are those of the Hessian row by row, ``H[0, 1]``.

    Raises
    ------
    TypeError, ValueError
        As in :func:`check_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfd
    >>> def f(x):
    ...     return x[0] ** 2 * x[1]
    >>> def hess(x):
    ...     return np.array([[2 * x[1], 2 * x[0]], [2 * x[0], 0.0]])
    >>> fastfd.check_hessian(f, hess, [1.0, 2.0]).passed
    True
    """
    subject = _bare_subject(f if grad is None else grad, hess, x, args, "hess")
    shape = subject.tree.leaves[0].shape * 2
    check = (_Check if grad is not None else _SecondCheck)(subject, bounds, parallel, None, None)
    found = check.at_points(points, seed, lambda claim: _claimed(claim, shape, "hess").reshape(-1, subject.tree.size).T)
    for _, rows, _ in found:
        _note_asymmetry(subject, rows, shape)
    return _report(subject, found, (Leaf("H", shape, 0),), "Hessian")


class _SecondCheck(_Check):
    """The same with second differences of f."""

    def _compared(self, flat: Array, rows: Array, jitter: float, precision: float, seed: int) -> Compared:
        f, shaped = self.subject.target()
        shape = self.subject.tree.leaves[0].shape if shaped else flat.shape
        bounds = self.limits and tuple(b.reshape(shape) for b in self.limits)
        x, args = flat.reshape(shape), self.subject.args if shaped else ()
        value, info = hessian(f, x, args, bounds=bounds, parallel=self._keywords[0], full_output=True)
        found, error = value.reshape(rows.shape), info.error.reshape(rows.shape)
        bad = info.status.reshape(-1) > NOISY
        scale = float(np.abs(rows[np.isfinite(rows)]).max(initial=0.0))
        verdict = judge(rows, found.T, error.T, bad[:, None] | bad, precision, scale)
        return Compared(found.T, error.T, verdict, info.nfev)


def _note_asymmetry(subject: _Subject, rows: Array, shape: tuple[int, ...]) -> None:
    """A Hessian is symmetric, to rounding."""
    apart = np.abs(rows - rows.T)
    if (apart <= 1e-9 * (np.abs(rows) + np.abs(rows.T)) + 1e-14 * np.abs(rows).max(initial=0.0)).all():
        return
    i = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    j = i % len(rows) * len(rows) + i // len(rows)
    names = [name_of(k, (Leaf("H", shape, 0),)) for k in sorted((i, j))]
    subject.findings.append(Finding("asymmetric", "", f"a Hessian is symmetric, but {names[0]} and {names[1]} differ", (i, j)))
