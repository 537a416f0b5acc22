"""Stencils: where a function is looked at, and what each look weighs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from math import factorial, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stencil", "named_stencil"]

#: The highest accuracy of a named stencil: beyond some 20 rounding in f is all that grows.
HIGHEST = 100


@dataclass(frozen=True)
class Stencil:
    """A finite-difference stencil: f⁽ᵈ⁾(x) ≈ Σ wᵢ f(x + oᵢh) / hᵈ.

    The weights are solved in exact rationals (Fornberg 1988) and rounded once.

    Parameters
    ----------
    offsets : sequence of real numbers
        The nodes oᵢ in units of the step; all different, more of them than `order`.
    order : int, optional
        The order d of the derivative, at least 1.

    Attributes
    ----------
    weights : tuple of Fraction
        The exact wᵢ.
    accuracy : int
        The order p of the truncation error, C₁ f⁽ᵈ⁺ᵖ⁾ hᵖ.
    truncation, rounding : float
        C₁ = \\|Σ wᵢ oᵢᵈ⁺ᵖ\\| / (d+p)! and C₂ = Σ \\|wᵢ\\|, so that rounding is C₂ ε \\|f\\| / hᵈ.

    Raises
    ------
    ValueError
        If an offset repeats or is not finite, if `order` is less than 1, or if there are too few offsets.

    References
    ----------
    B. Fornberg, "Generation of finite difference formulas on arbitrarily spaced grids", Math. Comp. 51 (1988).

    Examples
    --------
    >>> from fastfd import Stencil
    >>> five_point = Stencil((-2, -1, 1, 2))
    >>> [str(w) for w in five_point.weights], five_point.accuracy
    (['1/12', '-2/3', '2/3', '-1/12'], 4)
    """

    offsets: tuple[float | Fraction, ...]
    order: int = 1
    _exact: tuple[Fraction, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "offsets", _as_tuple(self.offsets))
        object.__setattr__(self, "order", _checked_order(self.order))
        object.__setattr__(self, "_exact", _checked_offsets(self.offsets, self.order))

    @cached_property
    def weights(self) -> tuple[Fraction, ...]:
        return _fornberg(self._exact, self.order)

    @cached_property
    def accuracy(self) -> int:
        p = len(self.offsets) - self.order
        while self._moment(self.order + p) == 0:  # symmetry gives central stencils one order for nothing
            p += 1
        return p

    @cached_property
    def truncation(self) -> float:
        k = self.order + self.accuracy
        return _as_float(abs(self._moment(k)) / factorial(k))

    @cached_property
    def rounding(self) -> float:
        return _as_float(sum(map(abs, self.weights), Fraction(0)))

    @property
    def _numba_type_(self) -> object:
        """What numba asks for where njit code mentions a stencil."""
        from fastfd.kernels.embedded import Mentioned

        return Mentioned(self)

    def _moment(self, k: int) -> Fraction:
        return sum((w * o**k for w, o in zip(self.weights, self._exact, strict=True)), Fraction(0))

    @cached_property
    def nodes(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Offsets, whole-numbered weights and the factor that makes them the weights; zero weights left out.

        A node of weight 1, if there is one, comes first: an f that writes in place writes it where it belongs.
        """
        used = [(o, w) for o, w in zip(self._exact, self.weights, strict=True) if w]
        denominator = lcm(*(w.denominator for _, w in used))
        used.sort(key=lambda node: node[1] * denominator != 1)
        try:
            whole = np.array([float(w * denominator) for _, w in used])
            return np.array([float(o) for o, _ in used]), whole, float(Fraction(1, denominator))
        except OverflowError as error:
            msg = f"offsets must not be so far apart that weights leave the range of the doubles, got {self.offsets!r}"
            raise ValueError(msg) from error


def _as_float(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _as_tuple(offsets: Any) -> tuple:
    try:
        return tuple(offsets)
    except (TypeError, NotImplementedError) as error:
        msg = f"offsets must be a sequence of real numbers, got {offsets!r}"
        raise TypeError(msg) from error


def _checked_order(order: int) -> int:
    if not isinstance(order, int | np.integer) or isinstance(order, bool) or order < 1:
        msg = f"order must be an integer of at least 1, got {order!r}"
        raise ValueError(msg)
    return int(order)


def _checked_offsets(offsets: Sequence[float | Fraction], order: int) -> tuple[Fraction, ...]:
    try:
        exact = tuple(Fraction(o) if not isinstance(o, np.generic) else Fraction(o.item()) for o in offsets)
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"offsets must be finite real numbers, got {offsets!r}"
        raise ValueError(msg) from error
    if len(set(exact)) < len(exact):
        msg = f"offsets must all differ, got {offsets!r}"
        raise ValueError(msg)
    if len(exact) <= order:
        msg = f"offsets must be more than order = {order} of them, got {len(exact)}"
        raise ValueError(msg)
    return exact


def _fornberg(nodes: Sequence[Fraction], order: int) -> tuple[Fraction, ...]:
    """The weights at 0 of the derivative of the interpolating polynomial (Fornberg 1988, his recursion)."""
    c = [[Fraction(0)] * (order + 1) for _ in nodes]
    c[0][0], c1 = Fraction(1), Fraction(1)
    for i in range(1, len(nodes)):
        c2 = Fraction(1)
        for j in range(i):
            c3 = nodes[i] - nodes[j]
            c2 *= c3
            if j == i - 1:
                last = c[j]
                c[i] = [c1 / c2 * ((k and k * last[k - 1]) - nodes[j] * last[k]) for k in range(order + 1)]
            c[j] = [(nodes[i] * c[j][k] - (k and k * c[j][k - 1])) / c3 for k in range(order + 1)]
        c1 = c2
    return tuple(row[order] for row in c)


def named_stencil(method: str, order: int = 1, accuracy: int | None = None) -> Stencil:
    """The ``forward``, ``backward`` or ``central`` stencil of an order and an accuracy (1 or 2 by default).

    Raises
    ------
    ValueError
        If `accuracy` is not an integer from 1 to 100, or odd for a central stencil.
    """
    p = accuracy if accuracy is not None else 2 if method == "central" else 1
    if not isinstance(p, int | np.integer) or isinstance(p, bool) or not 1 <= p <= HIGHEST:
        msg = f"accuracy must be an integer from 1 to {HIGHEST}, got {accuracy!r}"
        raise ValueError(msg)
    return _solved(method, order, int(p))


@lru_cache(maxsize=256)
def _solved(method: str, order: int, accuracy: int) -> Stencil:
    if method == "central":
        return Stencil(_central_offsets(order, accuracy), order)
    sign = 1 if method == "forward" else -1
    return Stencil(tuple(sign * i for i in range(order + accuracy)), order)


def _central_offsets(order: int, accuracy: int) -> tuple[int, ...]:
    if accuracy % 2:
        msg = f"accuracy must be even for method='central', got {accuracy}"
        raise ValueError(msg)
    half = (order + 1) // 2 - 1 + accuracy // 2
    return tuple(i for i in range(-half, half + 1) if i or order % 2 == 0)
