"""The threads that numba itself starts: how many there would be, and functions with parallel regions, one at a time."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
import numba.np.ufunc.parallel

__all__ = ["in_turn", "is_parallel", "starts_threads", "thread_count"]


def thread_count() -> int:
    """How many threads numba would use. Not before it has started its own is it asked: that would start them, and a process
    whose OpenMP threads run can no longer fork."""
    return numba.get_num_threads() if _layer() else numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]


def _layer() -> str | None:
    """The threading layer, once it runs."""
    return numba.np.ufunc.parallel._threading_layer


#: Held while a function runs that starts parallel regions of its own, where the layer takes one at a time ("workqueue").
_turn = threading.RLock()
#: Whether this is the child of a process whose GNU OpenMP threads ran: the next parallel region ends it.
_stranded = False


def _in_child() -> None:
    global _turn, _stranded
    _turn, _stranded = threading.RLock(), _layer() == "omp" and sys.modules["numba.np.ufunc.omppool"].openmp_vendor == "GNU"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def starts_threads(f: Any, args: tuple) -> bool:
    """Whether an njit function has parallel regions, or what it calls has; it is compiled for that if it was not before."""
    if not f.overloads:
        with suppress(Exception):  # the call will say what is wrong
            f.compile(tuple(map(numba.typeof, args)))
    return any(map(is_parallel, f.overloads.values()))


def is_parallel(compiled: Any) -> bool:
    """What numba must do before the code runs says so: it starts the threads."""
    return any(getattr(init, "__name__", "") == "_reload_parfors" for init in compiled.reload_init)


def in_turn(call: Callable, *args: Any) -> Any:
    """Call what has parallel regions: not while another thread does, where numba would end the process.

    Raises
    ------
    RuntimeError
        In a forked child that numba would end.
    """
    if _stranded:
        msg = (
            "f has parallel regions, and GNU OpenMP cannot enter one in a process that was forked after its threads had started: "
            "start processes by 'spawn', or set NUMBA_THREADING_LAYER to tbb or workqueue, or compile f without parallel=True"
        )
        raise RuntimeError(msg)
    if _layer() not in ("workqueue", None):
        return call(*args)
    with _turn:
        return call(*args)
