"""Each library as it comes: its own defaults, its own estimate of the error, its calls of f counted here.

A method for one number is `(f, x, args, order) -> Answer`, one for an array of them `(f, x, args) -> Found`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import rivals

fastfd = rivals.fastfd()  # this tree's, before the tests' modules import one
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from judge import Arrays, Method, adaptive, adaptive_hessian, adaptive_jacobian  # noqa: E402

FASTFD = "fastfd"


def with_tolerance(rtol: float) -> Method:
    return lambda f, x, args, order: adaptive(f, x, args, order, rtol=rtol)


def numbers(order: int) -> Mapping[str, Method]:
    """Who gives derivatives of this order."""
    return {FASTFD: adaptive}


def jacobians() -> Mapping[str, Arrays]:
    return {FASTFD: adaptive_jacobian}


def hessians() -> Mapping[str, Arrays]:
    return {FASTFD: adaptive_hessian}


def chosen(field: Mapping[str, Any], only: tuple[str, ...]) -> dict[str, Any]:
    return {name: method for name, method in field.items() if not only or name in only}
