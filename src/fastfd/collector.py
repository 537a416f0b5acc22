"""Python's garbage collector, at rest while much is made that stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_at_rest"]


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Looking for garbage time and again among all that numba keeps takes a tenth of a compilation, and of its import.

    Frozen and unfrozen, what was made meanwhile (40 MB for the largest kernel) counts as old, and waits for the next
    full collection.
    """
    if not gc.isenabled() or gc.get_freeze_count():  # somebody else has a plan
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        gc.enable()
