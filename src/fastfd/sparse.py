"""Sparsity: patterns found from f, colours, and what the operators keep of both."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.colored import ColoredComplex, ColoredFixed, ColoredSearch, Entries, Reads
from fastfd.function import Function
from fastfd.info import Info
from fastfd.pattern import Pattern, checked_sparsity, colored
from fastfd.plan import Plan

Array = NDArray[np.float64]


class Sparsity:
    """What ``sparsity=`` says, with its colours; or "auto", until a pattern is found."""

    def __init__(self, sparsity: Any, symmetric: bool = False):
        checked = checked_sparsity(sparsity, symmetric)
        self.symmetric, self.auto = symmetric, isinstance(checked, str)
        self.reads: Reads | None = None if isinstance(checked, str) else Reads(*checked, symmetric)

    def job(self, function: Function, plan: Plan, x: Array, args: tuple) -> Any:
        """A job for points like x."""
        kinds: dict[str, Any] = {"fixed": ColoredFixed, "adaptive": ColoredSearch, "complex": ColoredComplex}
        job = kinds[plan.kind](function, plan, x, args, self.reads)
        if job.sample.complex:
            msg = "sparsity needs an f that returns real numbers; differentiate its real and imaginary parts"
            raise ValueError(msg)
        job.check_shape()
        return job


def sparse_value(job: Any, x: Array, args: tuple, full: bool) -> tuple[Any, Info | None]:
    """The matrix, and what is known of it."""
    pattern: Pattern = job.reads.pattern
    found: Entries = job.entries(x, args, full)
    if not full:
        return pattern.matrix(found.data), None
    info = Info(pattern.matrix(found.error), found.step.reshape(job.shape), found.nfev, found.status.reshape(job.shape))
    return pattern.matrix(found.data), info
