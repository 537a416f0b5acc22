"""Second-order operators: Hessian, Hessian-vector product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.curvature import FixedPairs, SearchPairs
from fastfd.info import Info
from fastfd.prepared import Prepared, first_call, given
from fastfd.run import as_point, checked_direction

__all__ = ["Hessian", "hessian", "hvp"]

Array = NDArray[np.float64]


class Hessian(Prepared):
    """The Hessian of f as a callable ``H(x, *args)``, prepared once for many points.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` → one number, njit or plain Python.
    method, accuracy, step, rtol, bounds, parallel, noise, out_size : optional
        As in :func:`hessian`.

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
        if x.size == 0:
            found = job.nothing()
        elif more:
            found = job.product(x, args, more[0], full)
        else:
            found = job.matrix(x, args, full)
        shape = job.shape if more else job.shape + job.shape
        value = found.value.view(complex) if job.sample.complex else found.value
        return value.reshape(shape), found.info(shape, job.shape) if full else None


class _HessianVector(Hessian):
    """H·v: mixed derivatives along v and along each coordinate."""

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
    out_size: int | None = None,
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
    args, accuracy, step, rtol, bounds, parallel, noise, out_size, full_output : optional
        As in :func:`fastfd.jacobian`.

    Returns
    -------
    H : ndarray
        Of x's shape twice, so (n, n) for a vector. Complex for a complex-valued f.
    info : Info
        Only with `full_output`; ``error`` has the shape and the units of H, ``step`` and ``status`` those of x.

    Raises
    ------
    TypeError, ValueError
        As in :func:`fastfd.jacobian`, and if f returns more than one number or `method` is ``complex``.

    Notes
    -----
    The mixed difference with two evaluations a pair and level is that of Abramowitz and Stegun (1964), 25.3.27.

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
    keywords = {"method": method, "accuracy": accuracy, "step": step, "rtol": rtol, "bounds": bounds,
                "parallel": parallel, "noise": noise, "out_size": out_size}  # fmt: skip
    return first_call(Hessian, f, keywords)(x, *given(args), full_output=full_output)


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
    full_output: bool = False,
) -> Any:
    """The Hessian of f at x times v, without the Hessian: O(n) evaluations.

    Parameters
    ----------
    f : callable
        As in :func:`hessian`.
    x, v : array_like
        The point and the direction, real and of one shape.
    args, method, accuracy, step, rtol, bounds, parallel, noise, out_size, full_output : optional
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
    keywords = {"method": method, "accuracy": accuracy, "step": step, "rtol": rtol, "bounds": bounds,
                "parallel": parallel, "noise": noise, "out_size": out_size}  # fmt: skip
    return first_call(_HessianVector, f, keywords)(x, v, *given(args), full_output=full_output)
