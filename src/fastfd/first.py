"""First-order operators: derivative of one number, gradient, Jacobian, Jacobian-vector product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.colored import Missed
from fastfd.columns import MOST_SIDES, Columns, FixedJob, ImaginaryJob, SearchJob, nothing, one_sided
from fastfd.info import Info
from fastfd.kernels.extrapolate import NONSMOOTH
from fastfd.matrixfree import operator_of
from fastfd.plan import along, checked_order
from fastfd.points import JOBS
from fastfd.prepared import COMMON, Prepared, assemble, first_call, given
from fastfd.run import Job, as_point, checked_direction
from fastfd.sparse import Sparsity, sparse_value

__all__ = ["Derivative", "Gradient", "Jacobian", "derivative", "gradient", "jacobian", "jvp"]

Array = NDArray[np.float64]


class Jacobian(Prepared):
    """The Jacobian of f as a callable ``J(x, *args)``, prepared once for many points.

    Parameters
    ----------
    f : callable
        ``f(x, *args)``, njit, C or plain Python; or ``f(x, out, *args)`` with `out_size`.
    method : {"adaptive", "forward", "backward", "central", "complex"} or Stencil, optional
        How to differentiate; see :func:`jacobian`.
    accuracy, step, rtol, bounds, parallel, noise, workers, sparsity, out_size, progress : optional
        As in :func:`jacobian`. A sparsity pattern and its colours are kept; with ``"auto"`` they are found at the first point.

    Raises
    ------
    TypeError, ValueError
        As in :func:`jacobian`, here for the keywords and at the call for the point.

    See Also
    --------
    jacobian : the same in one call.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> from scipy.optimize import least_squares
    >>> import fastfd
    >>> @njit
    ... def residual(p, t, y):
    ...     return p[0] * np.exp(-p[1] * t) - y
    >>> t = np.linspace(0, 4, 9)
    >>> y = 2.5 * np.exp(-1.3 * t)
    >>> fit = least_squares(residual, [1.0, 1.0], jac=fastfd.Jacobian(residual), args=(t, y))
    >>> np.round(fit.x, 6)
    array([2.5, 1.3])
    """

    _names: tuple[str, ...] = (*COMMON, "out_size", "sparsity")
    _sparsity: Any = None

    def __init__(self, f: Callable, *, sparsity: Any = None, **keywords: Any):
        super().__init__(f, **keywords)
        self._sparsity = None if sparsity is None else Sparsity(sparsity)

    def linear_operator(self, x: Any, *args: Any) -> Any:
        """The Jacobian at x as a ``scipy.sparse.linalg.LinearOperator``, without its entries.

        A product takes the evaluations of one column. The adjoint takes the entries, so it exists only with `sparsity`; then
        they are computed once, and both products are theirs.

        Parameters
        ----------
        x : array_like
            The point, as in a call.
        *args
            Extra arguments of f.

        Returns
        -------
        LinearOperator
            Of shape (m, n), for f and x of any shape.
        """
        point = as_point(x).copy()  # products come later, and x may have changed by then
        if self._sparsity is not None:
            matrix = self(point, *args)
            return operator_of(matrix.shape, lambda v: matrix @ v, lambda u: matrix.T @ u)
        found = self._as(Directional)
        m = found._job(point, self._function.arguments(args)).m
        return operator_of((m, point.size), lambda v: found(point, v.reshape(point.shape), *args).reshape(-1), None)

    def _make_job(self, x: Array, args: tuple) -> Job:
        if self._sparsity is not None:
            return self._sparsity.job(self._function, self._plan, x, args)
        kinds: dict[str, Any] = {"fixed": FixedJob, "adaptive": SearchJob, "complex": ImaginaryJob}
        return kinds[self._plan.kind](self._function, self._plan, x, args)

    def _evaluate(self, x: Array, args: tuple, full: bool, *more: Any) -> tuple[Any, Info | None]:
        job = self._job(x, args)
        if self._sparsity is not None:
            return self._sparse(job, x, args, full)
        if not full and not job.empty:
            rows = job.rows(x, args)
            self._open_lane(job, x, args)
            return assemble(rows, job), None
        found = nothing(x, x.size, job.m) if job.empty else self._columns(job, x, args)
        info = self._info(found, job)
        return assemble(found.rows, job), _with_sides(info, job, [(x, i) for i in range(x.size)], args)

    def _sparse(self, job: Any, x: Array, args: tuple, full: bool) -> tuple[Any, Info | None]:
        """The matrix; with a pattern that was found at other points, once more if it misses an entry here."""
        try:
            return sparse_value(job, x, args, full)
        except Missed:
            if self._sparsity is None or not self._sparsity.widen(self._function, self._plan, x, args):
                raise
            self._jobs.clear()
            return sparse_value(self._job(x, args), x, args, full)

    def _open_lane(self, job: Any, x: Array, args: tuple) -> None:
        """From the third call on small jobs without extra arguments go by a shorter way."""
        if args or self._plan.kind == "complex" or len(job.result_shape) > 1:
            return
        if job.again and x.shape not in self._lanes and (lane := _shaped(job)):
            self._lane = self._lanes[x.shape] = lane
        job.again = True

    def _columns(self, job: Any, x: Array, args: tuple) -> Columns:
        if self._plan.kind == "complex":
            return job.columns(x, args)
        return job.columns(x, args, job.groups, job.place(x))

    def _info(self, found: Columns, job: Job) -> Info:
        error = _magnitude(assemble(found.error, job))
        return Info(error, found.step.reshape(job.shape), found.nfev, found.status.reshape(job.shape))


def _shaped(job: Any) -> Callable | None:
    """A lane that writes rows of the transpose into the user's array, or what goes for one by other strides."""
    dtype = np.dtype(complex if job.sample.complex else float)
    m = 8 * job.m // dtype.itemsize
    if job.result_shape == ():
        return job.lane((job.shape, dtype, "C"))
    if len(job.shape) == 1:
        return job.lane(((m, *job.shape), dtype, "F"))
    lane = job.lane(((int(np.prod(job.shape)), job.m), np.dtype(float), "C"))
    return lane and (lambda x: None if (rows := lane(x)) is None else assemble(rows, job))


def _magnitude(error: NDArray[Any]) -> Array:
    """Errors of real and imaginary parts as one."""
    return np.hypot(error.real, error.imag) if np.iscomplexobj(error) else error


class Gradient(Jacobian):
    """The gradient of f as a callable ``g(x, *args)``, prepared once for many points.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` → one number, njit, C or plain Python.
    method, accuracy, step, rtol, bounds, parallel, noise, workers, out_size, progress : optional
        As in :func:`jacobian`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`gradient`.

    See Also
    --------
    gradient : the same in one call.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> from scipy.optimize import minimize
    >>> import fastfd
    >>> @njit
    ... def rosenbrock(x):
    ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> found = minimize(rosenbrock, [-1.2, 1.0], jac=fastfd.Gradient(rosenbrock), method="BFGS")
    >>> np.round(found.x, 6)
    array([1., 1.])
    """

    _names = (*COMMON, "out_size")

    def __init__(self, f: Callable, **keywords: Any):
        Prepared.__init__(self, f, **keywords)

    def _make_job(self, x: Array, args: tuple) -> Job:
        job = super()._make_job(x, args)
        if int(np.prod(job.result_shape)) != 1:
            msg = f"gradient needs f to return one number, got shape {job.result_shape}; use jacobian"
            raise ValueError(msg)
        job.result_shape = ()
        return job


class Derivative(Prepared):
    """The derivative of a function of one number as a callable ``d(x, *args)``, elementwise.

    Parameters
    ----------
    f : callable
        ``f(x, *args)``: a number for a number, njit, C or plain Python.
    order : int, optional
        The order of the derivative, 1 (default) to 10.
    method, accuracy, step, rtol, bounds, parallel, noise, workers, progress : optional
        As in :func:`derivative`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`derivative`.

    See Also
    --------
    derivative : the same in one call.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> import fastfd
    >>> @njit
    ... def f(x):
    ...     return np.exp(2 * x)
    >>> d = fastfd.Derivative(f, order=2)
    >>> np.round(d([0.0, 0.5]) / np.exp([0.0, 1.0]), 9)
    array([4., 4.])
    """

    _names = (*COMMON, "order")

    def __init__(self, f: Callable, *, order: int = 1, **keywords: Any):
        self.order = checked_order(order)
        super().__init__(f, **keywords)

    def _job(self, x: Array, args: tuple) -> Any:
        job = self._jobs.get(())
        if job is None or job.empty or (self._plan.step is not None and job.given_shape != x.shape):
            job = self._jobs[()] = self._make_job(x, args)
        return job

    def _make_job(self, x: Array, args: tuple) -> Any:
        plan = replace(self._plan, step=None)  # one point stands for all; the steps of all follow
        job = JOBS[plan.kind](self._function, plan, x.reshape(-1)[0], args)
        if int(np.prod(job.result_shape)) != 1:
            msg = f"derivative needs f to return a number for a number, got shape {job.result_shape}; use jacobian"
            raise ValueError(msg)
        job.given, job.given_shape = self._plan.steps_for(x.shape), x.shape
        return job

    def _evaluate(self, x: Array, args: tuple, full: bool, *more: Any) -> tuple[Any, Info | None]:
        if x.size == 0:
            return x.copy(), Info(x.copy(), x.copy(), 0, np.zeros(x.shape, int)) if full else None
        job, flat = self._job(x, args), x.reshape(-1)
        found = job.columns_at(flat, args) if full else None
        rows = found.rows if found else job.rows(flat, args)
        if x.ndim == 0 and np.isnan(rows).any():
            job.at(x, args)  # for one number nan is an error where f(x) itself is
        value = _elementwise(rows, job, x)
        if found is None:
            return value, None
        points = [(np.array(point), 0) for point in x.reshape(-1)]
        return value, _with_sides(_point_info(found, job, x), job, points, args)


def _with_sides(info: Info, job: Any, places: list[tuple[Array, int]], args: tuple) -> Info:
    """At kinks of a number: the slopes on both sides. `places`: for each verdict the point and the coordinate."""
    plan, kinks = job.plan, np.flatnonzero(info.status.reshape(-1) == NONSMOOTH)
    if plan.kind != "adaptive" or plan.order != 1 or job.m != 1:
        return info
    nfev = info.nfev
    for k in kinks[:MOST_SIDES].tolist():
        found = one_sided(job.function, plan, places[k][0], args, places[k][1])
        if found:
            info.sides[k], nfev = (float(found[0][0]), float(found[1][0])), nfev + found[2]
    return replace(info, nfev=nfev)


def _elementwise(rows: Array, job: Job, x: Array) -> Any:
    values = rows.view(complex) if job.sample.complex else rows
    return values.reshape(x.shape)[()] if x.ndim else values.reshape(-1)[0].item()


def _point_info(found: Columns, job: Job, x: Array) -> Info:
    error = _magnitude(found.error.view(complex) if job.sample.complex else found.error)
    return Info(error.reshape(x.shape), found.step.reshape(x.shape), found.nfev, found.status.reshape(x.shape))


class Directional(Jacobian):
    """J·v: all coordinates move together along v."""

    _names = ("method", "accuracy", "step", "rtol", "bounds", "noise", "out_size")

    def __init__(self, f: Callable, **keywords: Any):
        Prepared.__init__(self, f, **keywords)

    def __call__(self, x: Any, v: Any, *args: Any, full_output: bool = False) -> Any:  # type: ignore[override]
        point = as_point(x)
        return self._solve(point, args, full_output, checked_direction(v, point))

    def _evaluate(self, x: Array, args: tuple, full: bool, *more: Any) -> tuple[Any, Info | None]:
        job, v = self._job(x, args), more[0]
        if job.empty or not v.any():
            found = nothing(x, 1, job.m)
        elif self._plan.kind == "complex":
            found = _combined(job.columns(x, args), v)
        elif self._plan.kind == "fixed" and not full:
            return _row(job.product(x, args, along(v), job.along(x, v)), job), None
        else:
            found = job.columns(x, args, along(v), job.along(x, v))
        return _row(found.rows, job), self._info(found, job) if full else None

    def _info(self, found: Columns, job: Job) -> Info:
        error = _magnitude(_row(found.error, job))
        return Info(error, found.step.reshape(()), found.nfev, found.status.reshape(()))


def _combined(found: Columns, v: Array) -> Columns:
    rows, error = (v @ found.rows)[None], (np.abs(v) @ found.error)[None]
    return Columns(rows, error, found.step[:1], found.nfev, found.status[:1])


def _row(rows: Array, job: Job) -> NDArray[Any]:
    row = rows[0].view(complex) if job.sample.complex else rows[0]
    return row.reshape(job.result_shape)


def derivative(
    f: Callable,
    x: Any,
    args: tuple = (),
    *,
    order: int = 1,
    method: Any = "adaptive",
    accuracy: int | None = None,
    step: Any = None,
    rtol: float | None = None,
    bounds: Any = None,
    parallel: bool | None = None,
    noise: float | None = None,
    workers: Any = None,
    progress: Any = None,
    full_output: bool = False,
) -> Any:
    """The derivative of a function of one number, elementwise over x.

    Parameters
    ----------
    f : callable
        ``f(x, *args)``: a number for a number; an njit function or any Python callable.
    x : array_like
        Points, real, of any shape.
    args : tuple, optional
        Extra arguments of f.
    order : int, optional
        The order of the derivative, 1 (default) to 10.
    method, accuracy, step, rtol, bounds, parallel, noise, workers, progress, full_output : optional
        As in :func:`jacobian`; `step` and `bounds` broadcast against x, ``complex`` gives first derivatives only.

    Returns
    -------
    d : float or ndarray
        Of x's shape, a float for a float; complex for a complex-valued f. In an array, nan where f is not finite.
    info : Info
        Only with `full_output`; ``error``, ``step`` and ``status`` have x's shape.

    Raises
    ------
    TypeError, ValueError
        As in :func:`jacobian`, and if `order` is not from 1 to 10 or f returns more than one number.

    Notes
    -----
    Adaptive derivatives of all orders come from the same pairs f(x ± h): orders 1, 3, 5, … are coefficients in h² of
    the odd part of f, orders 2, 4, … of its even part.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> import fastfd
    >>> @njit
    ... def f(x):
    ...     return np.sin(x)
    >>> round(fastfd.derivative(f, 0.0), 12)
    1.0
    >>> np.round(fastfd.derivative(f, [0.0, np.pi / 2], order=2), 9) + 0.0
    array([ 0., -1.])
    """
    found = first_call(Derivative, f, workers, method, accuracy, step, rtol, bounds, parallel, noise, progress, order)
    return found(x, *given(args), full_output=full_output)


def jacobian(
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
    sparsity: Any = None,
    out_size: int | None = None,
    progress: Any = None,
    full_output: bool = False,
) -> Any:
    """The Jacobian of f at x.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` → numbers, an array of any shape, or a tuple or list of numbers; an njit function or any
        Python callable. With `out_size` it is called as ``f(x, out, *args)`` and writes its results into ``out``.
    x : array_like
        The point, of any shape, real; it is never changed.
    args : tuple, optional
        Extra arguments of f.
    method : {"adaptive", "forward", "backward", "central", "complex"} or Stencil, optional
        ``adaptive`` (default): Richardson extrapolation of central differences that finds its own steps and
        bounds its own error. The named differences take a step for the whole point from the step law.
        ``complex``: the complex step, for an f that is analytic and works with complex numbers.
    accuracy : int, optional
        Order of the truncation error of ``forward``, ``backward`` (default 1) and ``central`` (default 2, even).
    step : float or array_like of x's shape, optional
        The absolute step, in units of x; the first step for ``adaptive``. Chosen automatically by default.
    rtol : float, optional
        Where ``adaptive`` may stop: at an estimated relative error of this size. Default 1e-12.
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
        Numbers or arrays of x's shape. f is never evaluated outside.
    parallel : bool, optional
        Whether columns may run on several threads; None (default) decides by the measured cost. The result has
        the same bits in any case.
    noise : float, optional
        For ``adaptive``: the amplitude of the noise in f, absolute, where it is known (:func:`noise_level` estimates it).
        It then need not show by chance: steps and error bars allow for it from the start.
    workers : int, map-like callable or distributed.Client, optional
        For an f that takes long: columns are shared among so many processes (-1: one for each processor), or go in pieces
        through ``workers(func, iterable)``, as of an executor, a pool or MPI, or to a Dask cluster. None or 1 (default): columns
        stay in this process. The result has the same bits in any case. f and `args` are pickled; see :meth:`Jacobian.close`.
    sparsity : sparse or dense matrix, (matrix, colors) or "auto", optional
        Which entries can differ from zero: those that a ``scipy.sparse`` matrix of shape (m, n) stores, or that are not zero
        in an array. Columns that have no row in common then move together (:func:`color`). ``"auto"`` finds the pattern
        first (:func:`detect_sparsity`).
    out_size : int, optional
        How many results f writes into its second argument.
    progress : bool or callable, optional
        True: a bar of columns while they are computed (tqdm; extra ``progress``). Or ``progress(done, total)``, called about ten
        times a second; the total grows where several passes over the columns are made. Calls shorter than that tell nothing.
    full_output : bool, optional
        Also return an :class:`Info`.

    Returns
    -------
    J : ndarray
        Of f's shape followed by x's, so (m, n) for vectors; a view whose columns are contiguous. Complex for a
        complex-valued f. With `sparsity` a ``scipy.sparse.csr_array`` of shape (m, n) for f and x of any shape.
    info : Info
        Only with `full_output`: ``error`` bounds the error of every entry in the units of J; fixed stencils
        estimate it by halving the step, at twice the evaluations. With `sparsity` it is a csr_array too.

    Raises
    ------
    TypeError
        If f is not callable or returns no numbers, or x is not real.
    ValueError
        If a keyword does not fit, x or f(x) is not finite, x is outside the bounds or they leave no room, f
        changes its argument, or returns another length at another point; if `sparsity` has another shape than the
        Jacobian, or is seen to miss an entry.
    Exception
        Whatever f raises, with a note that names the coordinate and the point.

    Notes
    -----
    Extrapolation follows Richardson (1911) with Neville's table over all blocks of neighbouring steps, in the
    spirit of Ridders (1982); the error bar uses the even part of f as a witness of noise. Weights of stencils:
    Fornberg (1988). Complex step: Squire and Trapp (1998). Columns in groups: Curtis, Powell and Reid (1974).

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> import fastfd
    >>> @njit
    ... def polar(x):
    ...     return np.array([x[0] * np.cos(x[1]), x[0] * np.sin(x[1])])
    >>> J, info = fastfd.jacobian(polar, [2.0, 0.0], full_output=True)
    >>> np.round(J, 12) + 0.0
    array([[1., 0.],
           [0., 2.]])
    >>> bool((info.error < 1e-11).all()), info.success
    (True, True)
    """
    found = first_call(Jacobian, f, workers, method, accuracy, step, rtol, bounds, parallel, noise, progress, out_size, sparsity)
    return found(x, *given(args), full_output=full_output)


def gradient(
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
    out_size: int | None = None,
    progress: Any = None,
    full_output: bool = False,
) -> Any:
    """The gradient of f at x.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` → one number; an njit function or any Python callable.
    x : array_like
        The point, of any shape, real; it is never changed.
    args, method, accuracy, step, rtol, bounds, parallel, noise, workers, out_size, progress, full_output : optional
        As in :func:`jacobian`; a gradient is a Jacobian with one row.

    Returns
    -------
    g : ndarray
        Of x's shape. Complex for a complex-valued f.
    info : Info
        Only with `full_output`; ``error`` has the shape and the units of g.

    Raises
    ------
    TypeError, ValueError
        As in :func:`jacobian`, and if f returns more than one number.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> import fastfd
    >>> @njit
    ... def norm(x):
    ...     return np.sqrt(np.sum(x * x))
    >>> np.round(fastfd.gradient(norm, [3.0, 4.0]), 12)
    array([0.6, 0.8])
    """
    found = first_call(Gradient, f, workers, method, accuracy, step, rtol, bounds, parallel, noise, progress, out_size)
    return found(x, *given(args), full_output=full_output)


def jvp(
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
    noise: float | None = None,
    out_size: int | None = None,
    full_output: bool = False,
) -> Any:
    """The Jacobian of f at x times v, at the cost of one column.

    Parameters
    ----------
    f : callable
        As in :func:`jacobian`.
    x, v : array_like
        The point and the direction, real and of one shape.
    args, method, accuracy, step, rtol, bounds, noise, out_size, full_output : optional
        As in :func:`jacobian`; no coordinate moves further than its own step.

    Returns
    -------
    Jv : ndarray
        Of f's shape.
    info : Info
        Only with `full_output`; ``step`` is in units of v.

    Raises
    ------
    TypeError, ValueError
        As in :func:`jacobian`, and if v has another shape than x or is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> import fastfd
    >>> @njit
    ... def product(x):
    ...     return x[0] * x[1]
    >>> round(float(fastfd.jvp(product, [3.0, 4.0], [1.0, -1.0])), 12)
    1.0
    """
    found = first_call(Directional, f, None, method, accuracy, step, rtol, bounds, noise, out_size)
    return found(x, v, *given(args), full_output=full_output)
