"""A function of several arguments and its Jacobian by each of them: what a framework calls on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fastfd.cfunction import known
from fastfd.first import Jacobian
from fastfd.kernels.native import is_compiled
from fastfd.prepared import anew

__all__ = ["Partials", "as_argument"]


def as_argument(array: NDArray[Any]) -> Any:
    """An array of a framework as f takes it: a copy of its own in double precision; a number for a 0-d array."""
    own = np.array(array, dtype=None if array.dtype.kind in "biu" else float, order="C")
    return own if own.ndim else own.item()


class Partials:
    """f(*args) and ∂f/∂args[i], each by a :class:`fastfd.Jacobian` made when it is first asked for.

    Parameters
    ----------
    f : callable
        njit, C or plain Python; it returns a real number or a real array.
    keywords : dict
        Those of :class:`fastfd.Jacobian`, for every argument.
    """

    def __init__(self, f: Callable, keywords: dict[str, Any]):
        self.f, self._keywords = known(f), keywords
        self._jacobians = {0: self._prepared(self.f)}

    def _prepared(self, f: Callable) -> Jacobian:
        """Without memory: frameworks count on results that depend on the arguments alone."""
        return anew(Jacobian, f, self._keywords)

    def value(self, args: tuple) -> NDArray[np.float64]:
        """f, as an array of doubles."""
        value = np.asarray(self.f(*args))
        if value.dtype.kind not in "biuf":
            msg = f"f must return real numbers, got dtype {value.dtype}"
            raise TypeError(msg)
        return value.astype(float)

    def jacobian(self, i: int, args: tuple) -> NDArray[np.float64]:
        """∂f/∂args[i]: the shape of f, then that of the argument."""
        if i not in self._jacobians:
            self._jacobians[i] = self._prepared(_led_by(self.f, i))
        return self._jacobians[i](args[i], *args[:i], *args[i + 1 :])

    def pullback(self, i: int, args: tuple, cotangent: NDArray[Any]) -> NDArray[np.float64]:
        """Σⱼ cotangentⱼ ∂fⱼ/∂args[i]."""
        return np.tensordot(cotangent, self.jacobian(i, args), cotangent.ndim)


def _led_by(f: Callable, i: int) -> Callable:
    """The same function with its i-th argument in front, where fastfd differentiates; compiled where f is."""

    def led(x, *rest):
        return f(*(rest[:i] + (x,) + rest[i:]))

    return njit(led) if is_compiled(f) else led
