"""fastfd and JAX: simulators as differentiable operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from fastfd.extras import require
from fastfd.interop.partials import Partials, as_argument

__all__ = ["differentiable"]


def differentiable(
    f: Callable,
    *,
    out_shape: Sequence[int] | None = None,
    method: Any = "adaptive",
    accuracy: int | None = None,
    step: Any = None,
    rtol: float | None = None,
    bounds: Any = None,
    parallel: bool | None = None,
    noise: float | None = None,
) -> Callable:
    """A function you can only call as one that JAX compiles, maps and differentiates; its derivative is fastfd's.

    Parameters
    ----------
    f : callable
        ``f(*args)`` → a real number or array of fixed shape; an njit function or any Python callable. It gets a JAX array
        of floating-point numbers as a float64 array of its own, other JAX arrays as arrays of their dtype, a 0-d array
        as a number, and all else as it is. It must not keep state: JAX calls it as often as it likes.
    out_shape : sequence of int, optional
        The shape of f's result. By default f is called once more for arguments of new shapes, to see it: at the arguments, or,
        where JAX only traces them, at ones of their shapes.
    method, accuracy, step, rtol, bounds, parallel, noise : optional
        As in :func:`fastfd.jacobian`, the same for every argument that is differentiated; an array for `step` or
        `bounds` must therefore suit all of them.

    Returns
    -------
    operation : callable
        ``operation(*args)`` → a JAX array of f's shape, of the dtype that the floating-point JAX arrays among `args` promote to
        (JAX's default where there is none).

    Raises
    ------
    ImportError
        If JAX is not installed.
    TypeError, ValueError
        As :class:`fastfd.Jacobian`, here for the keywords; when called, if an argument is complex. When differentiated
        twice. What f raises comes out of JAX's runtime, as an error of its own that quotes it.

    Notes
    -----
    f runs on the host through ``jax.pure_callback``; ``jax.custom_jvp`` gives its derivative J·t, with the Jacobian J from a
    second callback that does not depend on t, so that JAX can transpose it: forward and reverse mode both work (``jvp``,
    ``grad``, ``jacfwd``, ``jacrev``), and only arguments with a tangent are differentiated. ``vmap`` evaluates one
    sample after the other. All is computed in double precision and cast back.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from numba import njit
    >>> from fastfd.interop.jax import differentiable
    >>> @njit
    ... def polar(x):
    ...     return np.array([x[0] * np.cos(x[1]), x[0] * np.sin(x[1])])
    >>> J = jax.jit(jax.jacobian(differentiable(polar)))(jax.numpy.array([2.0, 0.0]))
    >>> np.round(np.asarray(J), 6) + 0.0
    array([[1., 0.],
           [0., 2.]], dtype=float32)
    """
    jax = _jax()
    keywords = {"method": method, "accuracy": accuracy, "step": step, "rtol": rtol,
                "bounds": bounds, "parallel": parallel, "noise": noise}  # fmt: skip
    partials = Partials(f, keywords)

    made = lru_cache(maxsize=64, typed=True)(partial(_Operation, partials, out_shape))  # JAX compiles each anew

    def apply(*args: Any) -> Any:
        arrays = [a for a in args if isinstance(a, jax.Array)]
        form = tuple(_Form(a.shape, a.dtype) if isinstance(a, jax.Array) else a for a in args)
        return (made if _hashable(form) else made.__wrapped__)(*form)(*arrays)

    apply.__name__, apply.__doc__ = getattr(f, "__name__", "f"), getattr(f, "__doc__", None)
    return apply


def _jax() -> Any:
    return require("jax", "jax", "fastfd.interop.jax")


class _Form(NamedTuple):
    """What is known of a JAX array before its values."""

    shape: tuple[int, ...]
    dtype: Any


def _hashable(form: tuple) -> bool:
    try:
        hash(form)
    except TypeError:
        return False
    return True


class _Operation:
    """f for arguments of one form, as JAX's own arrays see it: the other arguments are fixed."""

    def __init__(self, partials: Partials, out_shape: Sequence[int] | None, *form: Any):
        self._jax = _jax()
        self._partials, self._form = partials, form
        self._places = [i for i, a in enumerate(form) if isinstance(a, _Form)]
        self._dtype = self._result_dtype()
        self._shape = None if out_shape is None else tuple(out_shape)
        self._value = self._jax.custom_jvp(self._host(self._partials.value))
        self._value.defjvp(self._jvp, symbolic_zeros=True)
        self._jacobians: dict[int, Any] = {}

    def __call__(self, *arrays: Any) -> Any:
        if self._shape is None:
            self._shape = self._seen_shape(arrays)
        return self._value(*arrays)

    def _jvp(self, primals: tuple, tangents: tuple) -> tuple:
        """f, and Σᵢ ∂f/∂argᵢ · tᵢ over the arguments that move."""
        total = self._jax.numpy.zeros(self._shape, self._dtype)
        for k, tangent in enumerate(tangents):
            if not isinstance(tangent, self._jax.custom_derivatives.SymbolicZero):
                jacobian = self._jacobian(k)(*primals)
                total += self._jax.numpy.tensordot(jacobian, tangent, tangent.ndim).astype(self._dtype)
        return self._value(*primals), total

    def _jacobian(self, k: int) -> Any:
        """∂f by the k-th array, as an operation that cannot be differentiated."""
        if k not in self._jacobians:
            i = self._places[k]
            once = self._jax.custom_jvp(self._host(partial(self._partials.jacobian, i), self._form[i].shape))
            once.defjvp(_refuse)
            self._jacobians[k] = once
        return self._jacobians[k]

    def _host(self, compute: Callable, more: tuple[int, ...] = ()) -> Callable:
        """What calls `compute` on the host; its result has the shape of f and then `more`."""

        def callback(*values: Any) -> Any:
            return np.asarray(compute(self._arguments(values)), self._dtype)

        def operation(*arrays: Any) -> Any:
            out = self._jax.ShapeDtypeStruct((*(self._shape or ()), *more), self._dtype)
            return self._jax.pure_callback(callback, out, *arrays, vmap_method="sequential")

        return operation

    def _arguments(self, values: Any) -> tuple:
        """All arguments as f takes them, with these values for JAX's."""
        given = list(self._form)
        for i, value in zip(self._places, values):
            given[i] = as_argument(np.asarray(value))
        return tuple(given)

    def _seen_shape(self, arrays: tuple) -> tuple[int, ...]:
        """The shape of f's result, from one call; while JAX traces there are no values, and ones stand in."""
        traced = any(isinstance(a, self._jax.core.Tracer) for a in arrays)
        try:
            return self._partials.value(self._arguments(map(_ones_like, arrays) if traced else arrays)).shape
        except Exception as error:
            if not traced:
                raise
            msg = f"f could not be called at ones to see the shape of its result ({error!r}); give out_shape="
            raise ValueError(msg) from error

    def _result_dtype(self) -> Any:
        dtypes = [self._form[i].dtype for i in self._places]
        for i, dtype in zip(self._places, dtypes):
            if dtype.kind == "c":
                msg = f"argument {i} must be real, got {dtype}; hand over its real and imaginary parts"
                raise TypeError(msg)
        floating = [d for d in dtypes if self._jax.numpy.issubdtype(d, np.floating)]
        return self._jax.numpy.result_type(*floating or [float])


def _ones_like(array: Any) -> Any:
    return np.ones(array.shape, array.dtype)


def _refuse(primals: tuple, tangents: tuple) -> Any:
    msg = (
        "the derivative of fastfd.interop.jax.differentiable cannot be differentiated again;"
        " for second derivatives of f use fastfd.hessian"
    )
    raise TypeError(msg)
