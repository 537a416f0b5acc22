"""For test suites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastfd.check import check_gradient

__all__ = ["assert_gradient"]


def assert_gradient(f: Callable, grad: Any, x: Any, args: tuple = (), *, strict: bool = False, **keywords: Any) -> None:
    """Raise unless a gradient is right.

    Parameters
    ----------
    f, grad, x, args
        As in :func:`fastfd.check_gradient`.
    strict : bool, optional
        Whether entries that cannot be decided fail too. Default False: only all of them together do.
    **keywords
        Those of :func:`fastfd.check_gradient`: `points`, `directions`, `bounds`, …

    Raises
    ------
    AssertionError
        If it is wrong: which entries, by how much, and what the bug probably is.
    TypeError, ValueError
        As in :func:`fastfd.check_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastfd.testing import assert_gradient
    >>> assert_gradient(lambda x: np.sum(np.sin(x)), np.cos, np.array([0.5, 2.0]), points=3)
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    check_gradient(f, grad, x, args, **keywords).raise_if_failed(strict)
