"""What all operators share: keywords, jobs by shape, results in the user's shapes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastfd.cfunction import known
from fastfd.function import wrap
from fastfd.info import Info
from fastfd.pace import checked_progress, reporting
from fastfd.plan import ENOUGH, Plan, checked_flag
from fastfd.run import Changed, Job, as_point

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["COMMON", "Prepared", "anew", "assemble", "first_call", "given"]

Array = NDArray[np.float64]


#: Keywords of all operators that have columns.
COMMON = ("method", "accuracy", "step", "rtol", "bounds", "parallel", "noise", "progress")


def _no_lane(x: Any) -> None:
    """Before there is a lane."""


class Prepared:
    """A function with its keywords checked; keeps compiled code and workspaces from call to call."""

    order = 1
    #: The keywords of the operator of the same name in small letters, but for ``workers``.
    _names: tuple[str, ...] = COMMON
    _progress: Callable | None = None

    def __init__(
        self,
        f: Callable,
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
    ):
        if parallel is not None and parallel is not False and workers is not None:
            msg = "parallel=True shares columns among threads, and workers among processes: give one of the two"
            raise ValueError(msg)
        self._progress = checked_progress(progress)
        self._function = wrap(f, out_size, workers)
        plan = Plan.of(self.order, method, accuracy, step, rtol, bounds, parallel, noise)
        self._plan = plan.learning(rtol is None or plan.rtol >= ENOUGH)
        self._start()

    def _start(self) -> None:
        self._here = threading.local()
        self._lanes: dict[tuple, Any] = {}
        self._lane: Callable = _no_lane

    def _as(self, cls: Any) -> Any:
        """Another operator on the same function with the same keywords, which searches anew at each call."""
        found = cls.__new__(cls)
        found._function, found._plan = self._function, self._plan.learning(False)
        found._start()
        return found

    def __call__(self, x: Any, *args: Any, full_output: bool = False) -> Any:
        """The derivative at a point.

        Parameters
        ----------
        x : array_like
            The point, real; it is never changed.
        *args
            Extra arguments of f.
        full_output : bool, optional
            Whether to return ``(value, info)`` with an :class:`fastfd.Info`. Default False.

        Returns
        -------
        value : float, ndarray or csr_array
            As the operator of the same name in small letters returns it.
        info : Info
            Only with `full_output`.
        """
        if full_output is False and not args:
            lane = self._lane  # by itself: Python looks for a method in the class first, every time
            if (value := lane(x)) is not None:
                return value
            if type(x) is np.ndarray and (value := self._other_lane(x)) is not None:
                return value
        return self._solve(as_point(x), args, full_output)

    def _other_lane(self, x: Array) -> Any:
        """The derivative by the lane for another shape than that of the last call."""
        lane = self._lanes.get(x.shape)
        if lane is None or lane is self._lane:
            return None
        self._lane = lane
        return lane(x)

    def _solve(self, x: Array, args: tuple, full: bool, *more: Any) -> Any:
        if full is not False and full is not True:
            full = checked_flag(full, "full_output")
        args = self._function.arguments(args)
        evaluate = self._evaluate if self._progress is None else self._reported
        try:
            value, info = evaluate(x, args, full, *more)
        except Changed:  # arguments of other types, or another number of results: once more from the start
            self._jobs.clear()
            self._lanes.clear()
            self._lane = _no_lane
            value, info = evaluate(x, args, full, *more)
        return (value, info) if full else value

    def forget(self) -> None:
        """Search anew at each call."""
        self._plan = self._plan.learning(False)

    def close(self) -> None:
        """End the processes that an integer `workers` has started; a later call starts others."""
        if self._function.crew is not None:
            self._function.crew.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _reported(self, x: Array, args: tuple, full: bool, *more: Any) -> tuple[Any, Info | None]:
        assert self._progress is not None
        with self._progress() as report, reporting(report, self._function):
            return self._evaluate(x, args, full, *more)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({getattr(self._function.f, '__name__', self._function.f)!s}, {self._plan.kind})"

    def _evaluate(self, x: Array, args: tuple, full: bool, *more: Any) -> tuple[Any, Info | None]:
        raise NotImplementedError

    @property
    def _jobs(self) -> dict[tuple, Any]:
        """Jobs by the shape of x; each thread has its own, for a layout that one changes is not the other's."""
        return self._here.__dict__.setdefault("jobs", {})

    def _job(self, x: Array, args: tuple) -> Any:
        """What was made for points of this shape, if it still fits."""
        job = self._jobs.get(x.shape)
        if job is None or job.empty or (len(job.result_shape) > 1 and not job.fits(x, args)):
            job = self._jobs[x.shape] = self._make_job(x, args)
        return job

    def _make_job(self, x: Array, args: tuple) -> Any:
        raise NotImplementedError


def assemble(rows: Array, job: Job) -> NDArray[Any]:
    """Rows of the transpose, (n, m), as the user's array: the shape of f, then the shape of x; a view."""
    f_shape, x_shape = job.result_shape, job.shape
    if job.sample.complex:
        rows = rows.view(complex)
    if len(f_shape) == 1 and len(x_shape) == 1:
        return rows.T
    k = len(x_shape)
    whole = rows.reshape(x_shape + f_shape)
    return whole.transpose(*range(k, whole.ndim), *range(k))


def anew(cls: Any, f: Callable, keywords: dict[str, Any]) -> Any:
    """An object that searches anew at each call, so that what it gives depends on the arguments alone, and ends with each
    call the processes that it has started."""
    found = cls(f, **keywords)
    found.forget()
    return _Once(found) if keywords.get("workers") is not None else found


def _named(cls: Any, values: tuple) -> dict[str, Any]:
    return {name: value for name, value in zip(cls._names, values, strict=True) if value is not None}


@lru_cache(maxsize=64, typed=True)
def _kept(cls: Any, f: Callable, *values: Any) -> Any:
    return anew(cls, f, _named(cls, values))


def first_call(cls: Any, f: Callable, workers: Any, *values: Any) -> Any:
    """The object behind an operator called by name: the same one for the same function and keywords, which are `workers` and
    those in ``cls._names`` (by position they are looked up in a third of the time)."""
    f = known(f)
    if workers is not None:
        return anew(cls, f, {**_named(cls, values), "workers": workers})
    try:
        return _kept(cls, f, *values)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return anew(cls, f, _named(cls, values))  # a keyword is an array


class _Once:
    """A prepared object whose processes end with its first call."""

    def __init__(self, prepared: Prepared):
        self._prepared = prepared

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        with self._prepared as operator:
            return operator(*arguments, **keywords)


def given(args: Any) -> tuple:
    """The extra arguments of an operator called by name."""
    if isinstance(args, tuple | list):
        return tuple(args)
    msg = f"args must be a tuple of the extra arguments of f, got {type(args).__name__}; write args=(value,)"
    raise TypeError(msg)
