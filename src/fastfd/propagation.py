"""Propagation of errors: the covariance of what a function makes of uncertain numbers, to first order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from fastfd.first import jacobian
from fastfd.function import wrap
from fastfd.plan import checked_flag
from fastfd.prepared import given
from fastfd.run import Changed, as_point

__all__ = ["Propagated", "propagate"]

Array = NDArray[np.float64]
#: How far a covariance matrix may be from symmetric, and a correlation beyond 1, in units of the standard deviations.
TOLERANCE = 1e-8


class Propagated(NamedTuple):
    """The value of a function of uncertain numbers, and its covariance.

    Attributes
    ----------
    y : float or ndarray
        f(x), of f's shape.
    cov : float, ndarray or csr_array
        Its covariance: the variance of a number, (m, m) for m results, f's shape twice in general.

    Examples
    --------
    >>> import fastfd
    >>> found = fastfd.propagate(lambda x: x[0] * x[1], [3.0, 2.0], [0.01, 0.04])
    >>> found.y, round(found.cov, 9), round(found.std, 9)
    (6.0, 0.4, 0.632455532)
    """

    y: Any
    cov: Any

    @property
    def std(self) -> Any:
        """The standard deviation of each result, of f's shape: a float for a number."""
        shape = np.shape(self.y)
        m = np.size(self.y)
        flat = self.cov if scipy.sparse.issparse(self.cov) else np.reshape(self.cov, (m, m))
        std = np.sqrt(np.maximum(flat.diagonal(), 0.0)).reshape(shape)  # below 0 is rounding
        return std if shape else float(std)


Propagated.y.__doc__ = "The value f(x), of f's shape."
Propagated.cov.__doc__ = "The covariance of the value."


def propagate(
    f: Callable,
    x: Any,
    cov: Any,
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
    full_output: bool = False,
) -> Any:
    """The value f(x) and its covariance J·cov·Jᵀ, for an x that is known with covariance `cov`.

    Parameters
    ----------
    f : callable
        As in :func:`jacobian`, with real results.
    x : array_like
        The point: the best estimates, of any shape, real.
    cov : array_like or sparse matrix
        The covariance of x: variances alone, of x's shape (a number for a number), where errors are independent; or a matrix
        (n, n) for the n elements of x in C order, a ``scipy.sparse`` one too, or an array of x's shape twice. In units of x².
    args, method, accuracy, step, rtol, bounds, parallel, noise, workers, sparsity, out_size, full_output : optional
        As in :func:`jacobian`, which differentiates f.

    Returns
    -------
    result : Propagated
        The pair (y, cov), and ``result.std``. ``cov`` is the variance of a number, (m, m) for m results, of f's shape twice in
        general; exactly symmetric. It is a csr_array of shape (m, m) if `sparsity` is given and `cov` is sparse or of variances
        alone; else it has no zeros to speak of, and is dense.
    info : Info
        Only with `full_output`: that of the Jacobian.

    Raises
    ------
    TypeError, ValueError
        As in :func:`jacobian`; if f is complex; if `cov` has another shape, is not finite or not symmetric, has a negative
        variance, or a correlation beyond 1.

    Notes
    -----
    The law of propagation of uncertainty (JCGM 100:2008, "Guide to the expression of uncertainty in measurement", 5.2.2, and
    JCGM 102:2011, 6.2, for more than one result): exact for a linear f, and good where f is nearly linear within a few standard
    deviations of x. Where J vanishes, at an extremum of f, the first order says nothing.

    Examples
    --------
    The resistance and the reactance from voltage, current and phase, measured together (JCGM 100:2008, H.2):

    >>> import numpy as np
    >>> import fastfd
    >>> def impedance(x):
    ...     v, i, phase = x
    ...     return v / i * np.cos(phase), v / i * np.sin(phase)
    >>> std = np.array([3.2e-3, 9.5e-6, 7.5e-4])
    >>> correlation = np.array([[1, -0.36, 0.86], [-0.36, 1, -0.65], [0.86, -0.65, 1]])
    >>> found = fastfd.propagate(impedance, [4.999, 19.661e-3, 1.04446], np.outer(std, std) * correlation)
    >>> np.round(found.y, 2), np.round(found.std, 2)
    (array([127.73, 219.85]), array([0.07, 0.3 ]))
    """
    point, extra, full = as_point(x), given(args), checked_flag(full_output, "full_output")
    known = _checked(cov, point)
    J, info = jacobian(
        f, point, extra, method=method, accuracy=accuracy, step=step, rtol=rtol, bounds=bounds, parallel=parallel, noise=noise,
        workers=workers, sparsity=sparsity, out_size=out_size, full_output=True,
    )  # fmt: skip
    y = _value(f, point, extra, out_size)
    if np.size(y) * point.size != np.prod(np.shape(J)):
        raise Changed
    with np.errstate(all="ignore"):  # where variances leave the range of the doubles they are infinite, and say so
        result = Propagated(y if y.ndim else float(y), _product(J, known, y.shape))
    return (result, info) if full else result


def _value(f: Callable, x: Array, args: tuple, out_size: int | None) -> Array:
    function = wrap(f, out_size)
    sample = function.sample(x, function.arguments(args))
    if sample.complex:
        msg = "f must return real numbers to propagate errors; let it return its real and imaginary parts"
        raise TypeError(msg)
    return sample.flat.reshape(sample.shape)


def _product(J: Any, cov: Any, shape: tuple[int, ...]) -> Any:
    """J·cov·Jᵀ, symmetric to the bit."""
    m = int(np.prod(shape))
    J = J if scipy.sparse.issparse(J) else np.asarray(J).reshape(m, cov.shape[0])
    if cov.ndim == 1:
        scaled = J * np.sqrt(cov)
        found = scaled @ scaled.T
    else:
        found = J @ (cov @ J.T)
    found = 0.5 * (found + found.T)
    if scipy.sparse.issparse(found):
        return scipy.sparse.csr_array(found)
    return found.reshape(shape + shape) if shape else float(found[0, 0])


# --- what is known of x ----------------------------------------------------------------------------------------------


def _checked(cov: Any, x: Array) -> Any:
    """Variances as a vector, or a symmetric matrix.

    Raises
    ------
    TypeError, ValueError
        If it is no covariance of x.
    """
    if scipy.sparse.issparse(cov):
        return _checked_matrix(scipy.sparse.csr_array(cov, dtype=float), x)
    array = as_point(cov, "cov")
    if array.shape == x.shape:
        flat = array.reshape(-1)
        _check_variances(flat)
        return flat
    if array.shape in ((x.size, x.size), x.shape + x.shape):
        return _checked_matrix(array.reshape(x.size, x.size), x)
    raise ValueError(_shapes(x, array.shape))


def _shapes(x: Array, shape: tuple[int, ...]) -> str:
    fitting = dict.fromkeys([x.shape, (x.size, x.size), x.shape + x.shape])
    kinds = " or ".join(map(str, fitting))
    return f"cov must hold the variances or the covariance matrix of x, of shape {kinds}, got {shape}"


def _checked_matrix(cov: Any, x: Array) -> Any:
    if cov.shape != (x.size, x.size):
        raise ValueError(_shapes(x, cov.shape))
    variances = cov.diagonal()
    _check_variances(variances)
    std = np.sqrt(variances)
    rows, columns = np.nonzero(cov) if isinstance(cov, np.ndarray) else cov.nonzero()
    there, back = (np.asarray(part).reshape(-1) for part in (cov[rows, columns], cov[columns, rows]))
    unit = std[rows] * std[columns]
    _check(np.abs(there - back) <= TOLERANCE * unit, rows, columns, there, "symmetric")
    _check(np.abs(there) <= (1 + TOLERANCE) * unit, rows, columns, there, "one of correlations up to 1")
    return 0.5 * (cov + cov.T)


def _check(fine: Any, rows: Any, columns: Any, values: Array, what: str) -> None:
    if not fine.all():
        k = int(np.argmin(fine))
        msg = f"cov must be {what}, but cov[{rows[k]}, {columns[k]}] is {values[k]!s}"
        raise ValueError(msg)


def _check_variances(variances: Array) -> None:
    fine = np.isfinite(variances) & (variances >= 0.0)
    if not fine.all():
        i = int(np.argmin(fine))
        msg = f"cov must have finite variances >= 0, but that of element {i} is {variances[i]!s}"
        raise ValueError(msg)
