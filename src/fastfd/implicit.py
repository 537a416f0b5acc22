"""Derivatives of functions that are given by an equation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, lapack
from scipy.sparse.linalg import LinearOperator, gmres

from fastfd.cfunction import returning
from fastfd.first import jacobian, jvp
from fastfd.info import Info
from fastfd.kernels.compiler import inline_njit
from fastfd.kernels.native import is_compiled
from fastfd.plan import checked_flag
from fastfd.prepared import given
from fastfd.run import as_point

__all__ = ["implicit_jacobian"]

Array = NDArray[np.float64]

#: From this many unknowns on the matrix is not formed.
LARGE = 2000
#: Newton steps towards the solution: at most so many, none below this share of y, and none beyond that one.
MOST_STEPS, ENOUGH, ASTRAY = 3, 1e-11, 0.1
#: How exactly, relative, matrix-free systems are solved, and in how many cycles of how many iterations.
RESIDUAL, CYCLES, RESTART = 1e-10, 20, 100
#: What F may be at a solution, against what the terms of its linear part are.
NEAR = 1e-8


class _Linear(NamedTuple):
    """The equation near a point: both Jacobians as matrices, and the residual."""

    by_y: Array
    by_theta: Array
    errors: tuple[Array, Array]
    residual: Array
    info: Info


def implicit_jacobian(
    F: Callable,
    y: Any,
    theta: Any,
    args: tuple = (),
    *,
    method: Any = "adaptive",
    matrix_free: bool | None = None,
    preconditioner: Any = None,
    parallel: bool | None = None,
    full_output: bool = False,
) -> Any:
    """The Jacobian ∂y/∂θ of the function y(θ) that solves F(y, θ) = 0, without differentiating through a solver.

    Parameters
    ----------
    F : callable
        ``F(y, theta, *args)`` → as many real numbers as y has; njit, C or plain Python.
    y : array_like
        The solution at `theta`, of any shape. One that is not exact is first improved by up to three Newton steps.
    theta : array_like
        The parameters, of any shape.
    args : tuple, optional
        Extra arguments of F.
    method, parallel : optional
        As in :func:`jacobian`.
    matrix_free : bool, optional
        Whether ∂F/∂y is only multiplied by vectors (GMRES; each product four evaluations of F, five-point differences) instead
        of being formed and factorised. Default None: beyond 2000 unknowns.
    preconditioner : LinearOperator or matrix, optional
        For GMRES: an approximate inverse of ∂F/∂y.
    full_output : bool, optional
        Whether to return ``(J, info)``; not with `matrix_free`, where the size of the inverse is not known.

    Returns
    -------
    J : ndarray
        −(∂F/∂y)⁻¹ ∂F/∂θ, of y's shape followed by theta's.
    info : Info
        Only with `full_output`; ``error`` bounds the error of each entry, in its units; ``step`` and ``status`` are those of
        theta, and ``nfev`` counts all evaluations of F.

    Raises
    ------
    numpy.linalg.LinAlgError
        If ∂F/∂y is singular to working precision, or to the error of its differences: y is then no function of θ here
        (a fold, a bifurcation, or unknowns that the equations do not determine).
    ValueError
        If F does not return as many numbers as y has, y is not near a solution, or a keyword does not fit.
    RuntimeError
        If GMRES does not converge; a `preconditioner` helps.
    TypeError
        If y, theta or F's results are not real numbers.

    See Also
    --------
    jacobian : for functions that can be called.

    Notes
    -----
    The implicit function theorem (U. Dini, 1878). The error bars E of both Jacobians go through the equation:
    \\|δJ\\| ≤ \\|A⁻¹\\| (E_B + E_A \\|J\\|) entry by entry, with A = ∂F/∂y and B = ∂F/∂θ, as in N. J. Higham, *Accuracy and
    Stability of Numerical Algorithms* (2002), section 7.2. GMRES: Y. Saad and M. H. Schultz (1986).

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> import fastfd
    >>> @njit
    ... def kepler(E, p):  # mean anomaly p[0], eccentricity p[1]
    ...     return E - p[1] * np.sin(E) - p[0]
    >>> E = 1.0
    >>> for _ in range(50):
    ...     E = 0.8 + 0.3 * np.sin(E)
    >>> J = fastfd.implicit_jacobian(kepler, E, [0.8, 0.3])
    >>> np.allclose(J, np.array([1.0, np.sin(E)]) / (1 - 0.3 * np.cos(E)), rtol=1e-12)
    True
    """
    at, parameters, extra = as_point(y, "y"), as_point(theta, "theta"), given(args)
    F = returning(F, at)
    _check_equation(F, at, parameters, extra)
    keywords, full = {"method": method, "parallel": parallel}, checked_flag(full_output, "full_output")
    if at.size > LARGE if matrix_free is None else checked_flag(matrix_free, "matrix_free", "None, True or False"):
        if full:
            msg = "full_output=True has no meaning with matrix_free=True: the size of the inverse is not known"
            raise ValueError(msg)
        return _by_products(F, at, parameters, extra, keywords, preconditioner).reshape(at.shape + parameters.shape)
    if preconditioner is not None:
        msg = "preconditioner has no meaning with matrix_free=False"
        raise ValueError(msg)
    J, info = _by_matrix(F, at, parameters, extra, keywords)
    J = J.reshape(at.shape + parameters.shape)
    return (J, replace(info, error=info.error.reshape(J.shape))) if full else J


def _check_equation(F: Callable, y: Array, theta: Array, args: tuple) -> None:
    if not callable(F):
        msg = f"F must be callable, got {type(F).__name__}"
        raise TypeError(msg)
    residual = np.asarray(F(_own(y), _own(theta), *args))
    if residual.dtype.kind not in "biuf":
        msg = f"F must return real numbers, got {residual.dtype}"
        raise TypeError(msg)
    if residual.size != y.size:
        msg = f"F must return as many numbers as y has, {y.size}, got shape {residual.shape}"
        raise ValueError(msg)


def _own(x: Array) -> Any:
    return x.copy() if x.ndim else x[()]


@lru_cache(maxsize=64)
def _compiled_swap(F: Callable) -> Any:
    return inline_njit(lambda theta, y, *rest: F(y, theta, *rest))


def _swapped(F: Any) -> Callable:
    """The same with the parameters first."""
    return _compiled_swap(F) if is_compiled(F) else lambda theta, y, *rest: F(y, theta, *rest)


# --- with the matrix --------------------------------------------------------------------------------------------------


def _linearised(F: Callable, y: Array, theta: Array, args: tuple, keywords: dict) -> _Linear:
    n = y.size
    by_y, info = jacobian(F, y, (_own(theta), *args), **keywords, full_output=True)
    by_theta, other = jacobian(_swapped(F), theta, (_own(y), *args), **keywords, full_output=True)
    residual = np.asarray(F(_own(y), _own(theta), *args), float).reshape(-1)
    errors = info.error.reshape(n, n), other.error.reshape(n, theta.size)
    total = Info(other.error, other.step, info.nfev + other.nfev + 1, other.status)
    return _Linear(np.reshape(by_y, (n, n)), np.reshape(by_theta, (n, theta.size)), errors, residual, total)


def _by_matrix(F: Callable, y: Array, theta: Array, args: tuple, keywords: dict) -> tuple[Array, Info]:
    """The Jacobian at the solution, from where Newton's method gets to from `y`."""
    before, last, nfev = None, np.inf, 0
    for step in range(MOST_STEPS + 1):
        linear = _linearised(F, y, theta, args, keywords)
        inverse, nfev = _inverse(linear), nfev + linear.info.nfev
        J = -inverse @ linear.by_theta
        move = inverse @ linear.residual
        length = float(np.abs(move).max(initial=0.0))
        if step == 0 and not length <= ASTRAY * np.abs(y).max(initial=0.0) + _blur(linear, inverse):
            _no_solution(linear, length)
        if length <= ENOUGH * np.abs(y).max(initial=0.0) + _blur(linear, inverse) or step == MOST_STEPS or length >= last:
            break
        y, before, last = y - move.reshape(y.shape), J, length
    error = _error(linear, inverse, J, (length + _blur(linear, inverse)) / max(float(np.abs(y).max(initial=0.0)), 1e-300))
    if before is not None:  # what another Newton step would change, as the last one did
        error = error + np.abs(J - before) * min(1.0, length / last)
    return J, replace(linear.info, error=error, nfev=nfev)


def _blur(linear: _Linear, inverse: Array) -> float:
    """How far rounding in F alone may move a solution."""
    size = np.abs(linear.by_y).max(axis=1, initial=0.0)
    return float(64 * np.finfo(float).eps * (np.abs(inverse) @ size).max(initial=0.0))


def _no_solution(linear: _Linear, length: float) -> NoReturn:
    largest = float(np.abs(linear.residual).max())
    msg = f"y must solve F(y, theta) = 0, but F is up to {largest:.3g} there, and a Newton step would move y by {length:.3g}"
    raise ValueError(msg)


def _inverse(linear: _Linear) -> Array:
    """(∂F/∂y)⁻¹ by rows and columns of like size, so that units do not count as singular."""
    A, n = linear.by_y, len(linear.by_y)
    if not np.isfinite(A).all() or not np.isfinite(linear.by_theta).all():
        msg = "F must be finite around y and theta, but a derivative is not"
        raise ValueError(msg)
    rows = _scale(A, 1)
    columns = _scale(A * rows[:, None], 0)
    scaled = A * rows[:, None] * columns
    factors, pivots, zero = lapack.dgetrf(scaled)
    rcond = 0.0 if zero else float(lapack.dgecon(factors, np.abs(scaled).sum(axis=0).max(initial=0.0))[0])
    if rcond < n * np.finfo(float).eps:
        _singular(rcond)
    inverse = lapack.dgetrs(factors, pivots, np.eye(n))[0]
    blurred = np.abs(inverse) @ (linear.errors[0] * rows[:, None] * columns)
    if not blurred.sum(axis=1).max(initial=0.0) < 1.0:
        _singular(rcond)
    return inverse * columns[:, None] * rows


def _scale(A: Array, axis: int) -> Array:
    size = np.abs(A).max(axis=axis, initial=0.0)
    return 1 / np.where(size > 0, size, 1.0)


def _singular(rcond: float) -> NoReturn:
    msg = (
        f"dF/dy is singular to working precision (reciprocal condition {rcond:.1e}): y is no function of theta here, "
        "as at a fold or a bifurcation, or the equations leave an unknown open"
    )
    raise LinAlgError(msg)


def _error(linear: _Linear, inverse: Array, J: Array, drift: float) -> Array:
    """|A⁻¹| (E_B + E_A |J|), with what the error of A does to the inverse itself, and the rounding of the solution.

    `drift`: how far, relative, y may be from the solution; A then changes by as much as if it were homogeneous in y.
    """
    of_A, of_B = linear.errors
    size = np.abs(inverse)
    growth = 1 / (1 - min(0.99, float((size @ of_A).sum(axis=1).max(initial=0.0))))
    rounding = (8 * len(J) * np.finfo(float).eps + min(drift, 1.0)) * (size @ (np.abs(linear.by_y) @ np.abs(J)))
    return growth * (size @ (of_B + of_A @ np.abs(J))) + rounding


# --- without it -------------------------------------------------------------------------------------------------------


def _by_products(F: Callable, y: Array, theta: Array, args: tuple, keywords: dict, preconditioner: Any) -> Array:
    n, given_args = y.size, (_own(theta), *args)

    def product(v: Array) -> Array:
        length = float(np.abs(v).max())
        if length == 0.0:
            return np.zeros(n)
        return length * np.reshape(jvp(F, y, (v / length).reshape(y.shape), given_args, method="central", accuracy=4), -1)

    A = LinearOperator((n, n), matvec=product, dtype=np.dtype(float))
    B = np.reshape(jacobian(_swapped(F), theta, (_own(y), *args), **keywords), (n, theta.size))
    residual = np.asarray(F(_own(y), _own(theta), *args), float).reshape(-1)
    if np.linalg.norm(residual) > NEAR * np.linalg.norm(product(y.reshape(-1))):
        largest = float(np.abs(residual).max())
        msg = f"y must solve F(y, theta) = 0, but F is up to {largest:.3g} there; without the matrix it is not improved"
        raise ValueError(msg)
    return np.stack([_solved(A, -b, preconditioner) for b in B.T], axis=1)


def _solved(A: LinearOperator, b: Array, preconditioner: Any) -> Array:
    """A⁻¹ b, or an error."""
    if not b.any():
        return np.zeros_like(b)
    x, _ = gmres(A, b, rtol=RESIDUAL, atol=0.0, restart=RESTART, maxiter=CYCLES, M=preconditioner)
    left = float(np.linalg.norm(A.matvec(x) - b) / np.linalg.norm(b))
    if not left <= 10 * RESIDUAL:
        msg = f"GMRES did not converge: a residual of {left:.1e} is left; dF/dy is near singular, or give a preconditioner"
        raise RuntimeError(msg)
    return x
