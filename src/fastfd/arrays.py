"""What users give, as arrays and as random numbers. It imports little, for all operators import it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_array", "generator"]


def as_array(values: Any, wanted: str) -> NDArray[Any]:
    """An array, of whatever dtype.

    Raises
    ------
    TypeError
        What was `wanted`, and what was got, where it is ragged or no array can be made of it.
    """
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        msg = f"{wanted}, got {values!r}"
        raise TypeError(msg) from error


def generator(seed: Any) -> np.random.Generator:
    """Random numbers from `seed`, or what is wrong with it."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        msg = f"seed must be an integer >= 0, got {seed!r}"
        raise ValueError(msg) from error
