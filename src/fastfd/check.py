"""Checks of analytic derivatives: a verdict on every entry, and what the bug probably is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.arrays import generator
from fastfd.cfunction import returning
from fastfd.comparison import Compared, Comparison
from fastfd.diagnosis import diagnose
from fastfd.evidence import Evidence, Finding, Leaf, name_of
from fastfd.function import checked_size
from fastfd.kernels.extrapolate import NOISY
from fastfd.report import GradientCheck
from fastfd.second import hessian
from fastfd.subject import Subject, batches, limits_of, points_around
from fastfd.trees import Tree, in_single_precision
from fastfd.verdicts import INCONCLUSIVE, judge

__all__ = ["check_gradient", "check_hessian", "check_jacobian"]

Array = NDArray[np.float64]

#: How exactly analytic entries are known, in double and in single precision.
PRECISION, SINGLE = 1e-7, 1e-5


def _unknown(analytic: Array) -> Compared:
    """Where differences would mean nothing."""
    nothing = np.full(analytic.shape, np.nan)
    return Compared(nothing, nothing, np.full(analytic.shape, INCONCLUSIVE, np.int8), 0)


class _Check:
    """One check: the keywords, the points, and the comparison at each of them."""

    def __init__(
        self,
        subject: Subject,
        points: int,
        seed: int,
        bounds: Any,
        parallel: bool | None,
        noise: float | None = None,
        directions: int | None = None,
    ):
        generator(seed)
        self.subject, self.directions = subject, _checked_directions(directions)
        self.limits = limits_of(bounds, subject.tree)
        self._points, self._seed, self._parallel, self._noise = points, seed, parallel, noise
        self._jitter = subject.watch()

    def at_points(self, rows_of: Callable[[Any], Array]) -> list[tuple[Array, Array, Compared]]:
        """The point, the rows of the claimed derivative, (n, m), and what became of them."""
        subject, found = self.subject, []
        flats = points_around(subject, self._points, self._seed, self.limits)
        for flat in flats[:1] if subject.random else flats:
            claim = subject.analytic(flat)
            rows = rows_of(claim)
            precision = SINGLE if in_single_precision(claim) else PRECISION
            found.append((flat, rows, _unknown(rows) if subject.random else self._compared(flat, rows, precision)))
        subject.compare_with_start()
        if subject.random:  # it changed on the way
            found = [(flat, rows, _unknown(rows)) for flat, rows, _ in found]
        return found

    def _placed(self, flat: Array) -> tuple[Callable, Array, tuple, Any]:
        """What is differentiated, the point as it takes it, its arguments, and the bounds."""
        f, shaped = self.subject.target()
        shape = self.subject.tree.leaves[0].shape if shaped else flat.shape
        bounds = self.limits and tuple(b.reshape(shape) for b in self.limits)
        return f, flat.reshape(shape), self.subject.args if shaped else (), bounds

    def _compared(self, flat: Array, rows: Array, precision: float) -> Compared:
        f, x, args, bounds = self._placed(flat)
        noise = self._noise if self._noise is not None else self._jitter or None
        out_size = self.subject.out_size if f is self.subject.f else None
        comparison = Comparison(f, bounds, self._parallel, noise, precision, out_size)
        if self.directions is None:
            return comparison.columns(x, args, rows)
        leaves = [leaf.start + np.arange(leaf.size) for leaf in self.subject.tree.leaves if leaf.size]
        return comparison.directions(x, args, rows, leaves, self.directions, self._seed)


class _SecondCheck(_Check):
    """The same with second differences of f."""

    def _compared(self, flat: Array, rows: Array, precision: float) -> Compared:
        f, x, args, bounds = self._placed(flat)
        value, info = hessian(f, x, args, bounds=bounds, parallel=self._parallel, full_output=True)
        found, error = value.reshape(rows.shape), info.error.reshape(rows.shape)
        bad = info.status.reshape(-1) > NOISY
        scale = float(np.abs(rows[np.isfinite(rows)]).max(initial=0.0))
        verdict = judge(rows, found.T, error.T, bad[:, None] | bad, precision, scale)
        return Compared(found.T, error.T, verdict, info.nfev)


def _checked_directions(directions: Any) -> int | None:
    if directions is None or (isinstance(directions, int | np.integer) and not isinstance(directions, bool) and directions > 0):
        return None if directions is None else int(directions)
    msg = f"directions must be None or an integer >= 1, got {directions!r}"
    raise ValueError(msg)


def _report(subject: Subject, found: list, leaves: tuple[Leaf, ...], what: str) -> GradientCheck:
    """All points together, and the diagnosis."""
    flats = [flat for flat, _, _ in found]
    analytic, numerical, error, verdict = (
        _together([rows.T.reshape(-1) for rows in kind])
        for kind in zip(*((rows, c.rows, c.error, c.verdict) for _, rows, c in found), strict=True)
    )
    x = _together(flats) if analytic.shape[-1] == flats[0].size else np.full(analytic.shape, np.nan)
    evidence = Evidence(analytic, numerical, error, verdict, x, leaves, batches(subject.args))
    compiled = subject.target()[1]  # then it was not called through the subject
    nfev = subject.calls + compiled * sum(compared.nfev for _, _, compared in found)
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
    subject = Subject(f, returning(grad, x), x, args, "grad")
    check = _Check(subject, points, seed, bounds, parallel, noise, directions)
    _check_one_number(subject)
    found = check.at_points(lambda claim: subject.tree.flatten(claim, "grad")[:, None])
    return _report(subject, found, subject.tree.leaves, "gradient")


def _check_one_number(subject: Subject) -> None:
    if subject.start.size != 1:
        msg = f"f must return one number, got shape {subject.start.shape}; check_jacobian takes such functions"
        raise ValueError(msg)


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
    out_size: int | None = None,
) -> GradientCheck:
    """Check an analytic Jacobian: a verdict on every entry, and what the bug probably is.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` → real numbers of any shape; njit, C or plain Python.
    jac : callable or array_like
        ``jac(x, *args)`` → an array of f's shape followed by x's, or its values at x.
    x : array_like
        The point, of any shape, real.
    args, points, seed, bounds, parallel, noise : optional
        As in :func:`check_gradient`.
    out_size : int, optional
        So many results f writes in place, ``f(x, out, *args)``, as in :func:`jacobian`.

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
    J: 1 of 4 entries is wrong, the others are right: J[1, 0]
    """
    size = checked_size(out_size)
    subject = _bare_subject(f, returning(jac, range(size or 0), x), x, args, "jac", out_size=size)
    check = _Check(subject, points, seed, bounds, parallel, noise)
    shape = (*subject.start.shape, *subject.tree.leaves[0].shape)
    found = check.at_points(lambda claim: _claimed(claim, shape, "jac").reshape(-1, subject.tree.size).T)
    return _report(subject, found, (Leaf("J", shape, 0),), "Jacobian")


def _bare_subject(f: Callable, claimed: Any, x: Any, args: tuple, name: str, of: str = "f", **more: Any) -> Subject:
    subject = Subject(f, claimed, x, args, name, of, **more)
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
        ``f(x, *args)`` → one number; njit, C or plain Python.
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
    f, of = (f, "f") if grad is None else (returning(grad, x), "grad")
    subject = _bare_subject(f, returning(hess, x, x), x, args, "hess", of)
    shape = subject.tree.leaves[0].shape * 2
    check = (_SecondCheck if grad is None else _Check)(subject, points, seed, bounds, parallel)
    if grad is None:
        _check_one_number(subject)
    elif subject.start.shape != subject.tree.leaves[0].shape:
        msg = f"grad must return the shape of x, {subject.tree.leaves[0].shape}, got {subject.start.shape}"
        raise ValueError(msg)
    found = check.at_points(lambda claim: _claimed(claim, shape, "hess").reshape(-1, subject.tree.size).T)
    for _, rows, _ in found:
        _note_asymmetry(subject, rows, shape)
    return _report(subject, found, (Leaf("H", shape, 0),), "Hessian")


def _note_asymmetry(subject: Subject, rows: Array, shape: tuple[int, ...]) -> None:
    """A Hessian is symmetric, to rounding."""
    apart = np.abs(rows - rows.T)
    if (apart <= 1e-9 * (np.abs(rows) + np.abs(rows.T)) + 1e-14 * np.abs(rows).max(initial=0.0)).all():
        return
    i = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    j = i % len(rows) * len(rows) + i // len(rows)
    names = [name_of(k, (Leaf("H", shape, 0),)) for k in sorted((i, j))]
    subject.findings.append(Finding("asymmetric", "", f"a Hessian is symmetric, but {names[0]} and {names[1]} differ", (i, j)))
