"""What one differentiation does: the method, its stencils, the steps and the groups of coordinates that move."""

from __future__ import annotations

import sys
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.stencils import Stencil, named_stencil
from fastfd.steps import relative_step, stencil_table

__all__ = ["ENOUGH", "Groups", "Plan", "along", "along_often", "checked_flag", "checked_order", "one_by_one", "one_by_one_and"]

MAX_ORDER = 10
METHODS = ("adaptive", "forward", "backward", "central", "complex")
#: Where adaptive extrapolation stops. The error bar is a bound; the error itself is usually some 20 times smaller,
#: and 1e-13 costs 1.6 evaluations more for the same errors.
RTOL = 1e-12
#: What remembered steps must reach: two levels do, where a search takes four or five.
ENOUGH = 1e-10


@dataclass(frozen=True)
class Plan:
    """The keywords of an operator, checked once."""

    kind: str  # "adaptive", "fixed" or "complex"
    order: int
    stencils: tuple[Stencil, ...]
    rtol: float
    step: Any
    bounds: Any
    parallel: bool | None
    noise: float = 0.0  # known to be in f, absolute
    learns: bool = False  # whether steps that did well are tried first at the next point

    @classmethod
    def of(cls, order: int, method: Any, accuracy: Any, step: Any, rtol: Any, bounds: Any, parallel: Any,
           noise: Any = None) -> Plan:  # fmt: skip
        """Check the keywords.

        Raises
        ------
        ValueError
            Naming the keyword that does not fit.
        """
        _check_method(method, order)
        kind = method if method in ("adaptive", "complex") else "fixed"
        _check_belongs("accuracy", accuracy, method in ("forward", "backward", "central"), method)
        _check_belongs("rtol", rtol, kind == "adaptive", method)
        _check_belongs("step", step, kind != "complex", method)
        if parallel is not None:
            checked_flag(parallel, "parallel", "None, True or False")
        stencils = _stencils(method, order, accuracy) if kind == "fixed" else ()
        _check_belongs("noise", noise, kind == "adaptive", method)
        level = _checked_noise(noise)
        return cls(kind, order, stencils, _checked_rtol(rtol), _checked_step(step), deepcopy(bounds), parallel, level)

    def learning(self, wanted: bool) -> Plan:
        """The same with a memory of steps."""
        return replace(self, learns=wanted and self.kind == "adaptive")

    @property
    def table(self) -> NDArray[np.float64]:
        return stencil_table(self.stencils)

    def relative_step(self, roundoff: float) -> float:
        return relative_step(self.stencils[0], roundoff)

    @property
    def uses_centre(self) -> bool:
        """Whether a stencil looks at x itself: the one asked for, or one that may stand in for it at a bound."""
        return 0 in self.stencils[0].offsets or self.bounds is not None

    def steps_for(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """The steps that the user gave, one a coordinate; an empty array where fastfd is to choose."""
        if self.step is None:
            return np.empty(0)
        try:
            return np.array(np.broadcast_to(self.step, shape)).reshape(-1)
        except ValueError as error:
            msg = f"step must be a number or have the shape of x, {shape}, got shape {np.shape(self.step)}"
            raise ValueError(msg) from error


def checked_flag(value: Any, name: str, choice: str = "True or False") -> bool:
    """Yes or no; 1 and 0 will do."""
    if not isinstance(value, bool | np.bool_ | int) or value not in (True, False):
        msg = f"{name} must be {choice}, got {value!r}"
        raise ValueError(msg)
    return bool(value)


def checked_order(order: Any) -> int:
    """The order of a derivative."""
    if not isinstance(order, int | np.integer) or isinstance(order, bool) or not 1 <= order <= MAX_ORDER:
        msg = f"order must be an integer from 1 to {MAX_ORDER}, got {order!r}"
        raise ValueError(msg)
    return int(order)


def _check_method(method: Any, order: int) -> None:
    if isinstance(method, Stencil):
        if method.order != order:
            msg = f"method is a Stencil for derivatives of order {method.order}; this needs order {order}"
            raise ValueError(msg)
    elif not isinstance(method, str) or method not in METHODS:
        msg = f"method must be one of {', '.join(METHODS)} or a Stencil, got {method!r}"
        raise ValueError(msg)


def _check_belongs(name: str, value: Any, fits: bool, method: Any) -> None:
    if value is not None and not fits:
        msg = f"{name} has no meaning with method={method!r}; leave it out"
        raise ValueError(msg)


def _checked_rtol(rtol: Any) -> float:
    if rtol is None:
        return RTOL
    if not isinstance(rtol, int | float | np.number) or not 0 < rtol < 1:
        msg = f"rtol must be a number between 0 and 1, got {rtol!r}"
        raise ValueError(msg)
    return float(rtol)


def _checked_noise(noise: Any) -> float:
    number = isinstance(noise, int | float | np.number) and not isinstance(noise, bool)
    if noise is None or (number and 0 <= noise <= sys.float_info.max):
        return float(noise or 0.0)
    msg = f"noise must be a number >= 0, the amplitude of the noise in f, got {noise!r}"
    raise ValueError(msg)


def _checked_step(step: Any) -> NDArray[np.float64] | None:
    if step is None:
        return None
    try:
        steps = np.array(step, float)  # a copy: the caller's may change
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"step must be a number or an array of numbers, got {step!r}"
        raise ValueError(msg) from error
    if not (np.isfinite(steps) & (steps > 0)).all():
        msg = f"step must be positive and finite, got {step!r}"
        raise ValueError(msg)
    return steps


def _stencils(method: Any, order: int, accuracy: Any) -> tuple[Stencil, ...]:
    """The stencil asked for, then the one-sided ones that stand in for it at bounds."""
    main = method if isinstance(method, Stencil) else named_stencil(method, order, accuracy)
    others = (named_stencil(side, order, main.accuracy) for side in ("forward", "backward"))
    return (main, *(s for s in others if s != main))


@dataclass(frozen=True)
class Groups:
    """Coordinates that move together, and how fast: a column of the result for each group.

    ``index`` holds where each group begins (in itself), then where the last one ends, then the coordinates.
    """

    index: NDArray[np.int64]
    speeds: NDArray[np.float64]
    count: int


def one_by_one(n: int) -> Groups:
    """Every coordinate by itself: a dense Jacobian."""
    return Groups(np.concatenate([np.arange(n + 1) + n + 1, np.arange(n)]), np.ones(n), n)


def one_by_one_and(v: NDArray[np.float64]) -> Groups:
    """Every coordinate by itself, then all together along v: what a Hessian-vector product pairs up."""
    n = v.size
    starts = np.concatenate([np.arange(n + 1), [2 * n]]) + n + 2
    return Groups(np.concatenate([starts, np.arange(n), np.arange(n)]), np.concatenate([np.ones(n), v]), n + 1)


def along(v: NDArray[np.float64]) -> Groups:
    """All coordinates together along v: a Jacobian-vector product."""
    return Groups(np.concatenate([[2, 2 + v.size], np.arange(v.size)]), v, 1)


def along_often(v: NDArray[np.float64], times: int) -> Groups:
    """The same, so many times over: a step for each."""
    starts = np.arange(times + 1) * v.size + times + 1
    return Groups(np.concatenate([starts, np.tile(np.arange(v.size), times)]), np.tile(v, times), times)
