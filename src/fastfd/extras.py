"""Packages that only some parts need: imported when such a part is used, and asked for in one sentence."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["require"]


def require(module: str, extra: str, what: str) -> Any:
    """A module of an optional dependency.

    Raises
    ------
    ImportError
        If it is not installed, saying what needs it and how to get it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name not in (package, module):  # it is there, but something that it needs itself is not
            raise
        msg = f'{what} needs {package}, which is not installed: pip install "fastfd[{extra}]"'
        raise ImportError(msg) from error
