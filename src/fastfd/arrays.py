"""What users give, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_array"]


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
