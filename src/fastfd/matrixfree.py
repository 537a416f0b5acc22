"""Derivatives as linear operators: products without entries, for Krylov methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

__all__ = ["operator_of"]

Array = NDArray[np.float64]


def operator_of(shape: tuple[int, int], product: Callable[[Array], Array], adjoint: Callable[[Array], Array] | None) -> Any:
    """A LinearOperator from its products; without an adjoint it says why when it is asked for one."""
    from scipy.sparse.linalg import LinearOperator  # 0.1 s that only operators need

    return LinearOperator(shape, lambda v: product(_flat(v)), rmatvec=adjoint or _no_adjoint, dtype=np.float64)


def _flat(v: Any) -> Array:
    return np.asarray(v, float).reshape(-1)


def _no_adjoint(u: Any) -> NoReturn:
    msg = (
        "finite differences give J @ v, not J.T @ u: that takes the entries. Give the Jacobian a sparsity= pattern, or use a "
        "solver without adjoints (gmres, lgmres, bicgstab)"
    )
    raise NotImplementedError(msg)
