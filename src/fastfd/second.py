"""Second-order operators: Hessian, Hessian-vector product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.curvature import FixedPairs, Listed, SearchPairs
from fastfd.first import Directional, Jacobian
from fastfd.info import Info
from fastfd.matrixfree import operator_of
from fastfd.pattern import Pattern
from fastfd.prepared import COMMON, Prepared, first_call, given
from fastfd.run import as_point, checked_direction
from fastfd.sparse import Sparsity

__all__ = ["Hessian", "hessian", "hvp"]

Array = NDArray[np.float64]


class Hessian(Prepared):
    """The Hessian of f as a callable ``H(x, *args)``, prepared once for many points.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` → one number, njit, C or plain Python.
    grad, sparsity, method, accuracy, step, rtol, bounds, parallel, noise, workers, out_size, progress : optional
        As in :func:`hessian`. A pattern and its colours are kept.

    Raises
    ------
    TypeError, ValueError
        As in :func:`hessian`.

    See Also
    --------
    hessian : the same in one call.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> from scipy.optimize import minimize
    >>> import fastfd
    >>> @njit
    ... def rosenbrock(x):
    ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> found = minimize(rosenbrock, [-1.2, 1.0], method="trust-exact",
    ...                  jac=fastfd.Gradient(rosenbrock), hess=fastfd.Hessian(rosenbrock))
    >>> np.round(found.x, 6)
    array([1., 1.])
    """

    order = 2
    _names: tuple[str, ...] = (*COMMON, "grad", "sparsity", "out_size")
    _slopes: Any = None
    _listed: Listed | None = None

    def __init__(self, f: Callable, *, grad: Callable | None = None, sparsity: Any = None, **keywords: Any):
        if grad is not None:
            self.order = 1
            self._slopes = _Slopes(grad, sparsity=sparsity, **keywords)
        elif sparsity is not None:
            self._listed = Listed(_symmetric(sparsity))
        super().__init__(f, **keywords)

    def _solve(self, x: Array, args: tuple, full: bool, *more: Any) -> Any:
        if self._slopes is None:
            return super()._solve(x, args, full, *more)
        return self._slopes(x, *args, full_output=full)

    def forget(self) -> None:
        super().forget()
        if self._slopes is not None:
            self._slopes.forget()

    def close(self) -> None:
        super().close()
        if self._slopes is not None:
            self._slopes.close()

    def linear_operator(self, x: Any, *args: Any) -> Any:
        """The Hessian at x as a ``scipy.sparse.linalg.LinearOperator``; it is symmetric, and so its own adjoint.

        With `sparsity` the entries are computed once. Else a product takes the evaluations of one column of differences of
        `grad`, or, without it, O(n) evaluations of f.

        Parameters
        ----------
        x : array_like
            The point, as in a call.
        *args
            Extra arguments of f.

        Returns
        -------
        LinearOperator
            Of shape (n, n), for x of any shape.
        """
        point = as_point(x).copy()  # products come later, and x may have changed by then
        shape = point.size, point.size
        if self._listed is not None or (self._slopes is not None and self._slopes.sparse):
            matrix = self(point, *args)
            return operator_of(shape, lambda v: matrix @ v, lambda v: matrix @ v)
        along_v = self._as(_HessianVector) if self._slopes is None else self._slopes.directional()

        def product(v: Array) -> Array:
            return along_v(point, v.reshape(point.shape), *args).reshape(-1)

        return operator_of(shape, product, product)

    def _make_job(self, x: Array, args: tuple) -> Any:
        kinds: dict[str, Any] = {"fixed": FixedPairs, "adaptive": SearchPairs}
        if self._plan.kind not in kinds:
            msg = "method='complex' gives first derivatives only; use another method for second ones"
            raise ValueError(msg)
        job = kinds[self._plan.kind](self._function, self._plan, x, args)
        if int(np.prod(job.result_shape)) != 1:
            msg = f"a Hessian needs f to return one number, got shape {job.result_shape}; take the Jacobian of its parts"
            raise ValueError(msg)
        return job

    def _evaluate(self, x: Array, args: tuple, full: bool, *more: Any) -> tuple[Any, Info | None]:
        job = self._job(x, args)
        if self._listed is not None:
            return self._sparse(job, x, args, full)
        if x.size == 0:
            found = job.nothing()
        elif more:
            found = job.product(x, args, more[0], full)
        else:
            found = job.matrix(x, args, full)
        shape = job.shape if more else job.shape + job.shape
        value = found.value.view(complex) if job.sample.complex else found.value
        return value.reshape(shape), found.info(shape, job.shape) if full else None


    def _sparse(self, job: Any, x: Array, args: tuple, full: bool) -> tuple[Any, Info | None]:
        listed = self._listed
        assert listed is not None
        pattern = listed.pattern
        if pattern.shape[0] != x.size or job.sample.complex:
            msg = f"sparsity must have the shape of the Hessian of a real f, {(x.size, x.size)}, got {pattern.shape}"
            raise ValueError(msg)
        found = job.listed(x, args, listed, full)
        if not full:
            return pattern.matrix(found.value), None
        status = found.status.reshape(job.shape)
        return pattern.matrix(found.value), Info(pattern.matrix(found.error), found.step.reshape(job.shape), found.nfev, status)


def _symmetric(sparsity: Any) -> Pattern:
    """The pattern of a Hessian from f alone, where colours gain nothing: an evaluation gives one number."""
    if isinstance(sparsity, str):
        msg = f"sparsity={sparsity!r} needs grad=, the gradient of f: one number for an evaluation does not show a pattern"
        raise ValueError(msg)
    pattern = Pattern.of(sparsity[0] if isinstance(sparsity, tuple) and sparsity else sparsity)
    pattern.mirror()
    return pattern


class _Slopes(Jacobian):
    """The Jacobian of a gradient: symmetric, up to errors, and then made so."""

    def __init__(self, f: Callable, *, sparsity: Any = None, **keywords: Any):
        super().__init__(f, **keywords)
        self._sparsity = None if sparsity is None else Sparsity(sparsity, symmetric=True)

    @property
    def sparse(self) -> bool:
        return self._sparsity is not None

    def directional(self) -> Any:
        return self._as(Directional)

    def _make_job(self, x: Array, args: tuple) -> Any:
        job = super()._make_job(x, args)
        if job.m * (1 + job.sample.complex) != x.size * (1 + job.sample.complex) or job.result_shape != x.shape:
            msg = f"grad must return an array of the shape of x, {x.shape}, got {job.result_shape}"
            raise ValueError(msg)
        return job

    def _evaluate(self, x: Array, args: tuple, full: bool, *more: Any) -> tuple[Any, Info | None]:
        value, info = super()._evaluate(x, args, full)
        if self._sparsity is not None:
            return value, info
        value = _evened(value, x.ndim)
        return value, info and replace(info, error=_evened(info.error, x.ndim))


def _evened(square: Array, ndim: int) -> Array:
    """The mean of a matrix of derivatives and its transpose."""
    return 0.5 * (square + square.transpose(*range(ndim, 2 * ndim), *range(ndim)))


class _HessianVector(Hessian):
    """H·v: mixed derivatives along v and along each coordinate."""

    _names = (*COMMON, "out_size")

    def __init__(self, f: Callable, **keywords: Any):
        Prepared.__init__(self, f, **keywords)

    def __call__(self, x: Any, v: Any, *args: Any, full_output: bool = False) -> Any:  # type: ignore[override]
        point = as_point(x)
        return self._solve(point, args, full_output, checked_direction(v, point))


def hessian(
    f: Callable,
    x: Any,
    args: tuple = (),
    *,
    method: Any = "adaptive",
    accuracy: int | None = None,
    step: Any = None,
    rtol: float | None = None,
    bounds: Any = None,
    parallel: bool | None = None,
    noise: float | None = None,
    workers: Any = None,
    grad: Callable | None = None,
    sparsity: Any = None,
    out_size: int | None = None,
    progress: Any = None,
    full_output: bool = False,
) -> Any:
    """The Hessian of f at x, exactly symmetric.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` → one number; an njit function or any Python callable.
    x : array_like
        The point, of any shape, real; it is never changed.
    method : {"adaptive", "forward", "backward", "central"}, optional
        ``adaptive`` (default) extrapolates mixed central differences, which share the points on the axes. The
        others apply the first-derivative stencil along one coordinate to that along the other.
    grad : callable, optional
        ``grad(x, *args)`` → the gradient of f, of x's shape. Then its first differences are the Hessian, and f is not called.
    sparsity : sparse or dense matrix, (matrix, colors) or "auto", optional
        Which entries can differ from zero, a symmetric pattern as in :func:`fastfd.jacobian`. With `grad` a star colouring
        moves many columns at once; from f alone the pairs in the pattern are differenced one by one, in O(nnz) evaluations.
        ``"auto"`` needs `grad`.
    args, accuracy, step, rtol, bounds, parallel, noise, workers, out_size, progress, full_output : optional
        As in :func:`fastfd.jacobian`.

    Returns
    -------
    H : ndarray
        Of x's shape twice, so (n, n) for a vector. Complex for a complex-valued f. With `sparsity` a csr_array.
    info : Info
        Only with `full_output`; ``error`` has the shape and the units of H, ``step`` and ``status`` those of x.

    Raises
    ------
    TypeError, ValueError
        As in :func:`fastfd.jacobian`, and if f returns more than one number, or `method` is ``complex`` without `grad`.

    Notes
    -----
    Error bars of fixed stencils take another computation at half the steps. It shows the truncation, and how steep f is, by which
    its rounding is judged where f(x) vanishes.

    The mixed difference with two evaluations a pair and level is that of Abramowitz and Stegun (1964), 25.3.27. Star
    colouring: Coleman and Moré (1984), Gebremedhin, Tarafdar, Manne and Pothen (2007).

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> import fastfd
    >>> @njit
    ... def f(x):
    ...     return x[0] ** 2 * x[1]
    >>> np.round(fastfd.hessian(f, [1.0, 2.0]), 9)
    array([[4., 2.],
           [2., 0.]])
    """
    found = first_call(
        Hessian, f, workers, method, accuracy, step, rtol, bounds, parallel, noise, progress, grad, sparsity, out_size
    )
    return found(x, *given(args), full_output=full_output)


def hvp(
    f: Callable,
    x: Any,
    v: Any,
    args: tuple = (),
    *,
    method: Any = "adaptive",
    accuracy: int | None = None,
    step: Any = None,
    rtol: float | None = None,
    bounds: Any = None,
    parallel: bool | None = None,
    noise: float | None = None,
    out_size: int | None = None,
    progress: Any = None,
    full_output: bool = False,
) -> Any:
    """The Hessian of f at x times v, without the Hessian: O(n) evaluations.

    Parameters
    ----------
    f : callable
        As in :func:`hessian`.
    x, v : array_like
        The point and the direction, real and of one shape.
    args, method, accuracy, step, rtol, bounds, parallel, noise, out_size, progress, full_output : optional
        As in :func:`hessian`.

    Returns
    -------
    Hv : ndarray
        Of x's shape.
    info : Info
        Only with `full_output`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`hessian`, and if v has another shape than x or is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> import fastfd
    >>> @njit
    ... def f(x):
    ...     return x[0] ** 2 * x[1]
    >>> np.round(fastfd.hvp(f, [1.0, 2.0], [1.0, 1.0]), 9)
    array([6., 2.])
    """
    found = first_call(_HessianVector, f, None, method, accuracy, step, rtol, bounds, parallel, noise, progress, out_size)
    return found(x, v, *given(args), full_output=full_output)
