"""Parameters in dicts, tuples and lists: one flat vector, names for its entries, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.arrays import as_array
from fastfd.evidence import Leaf, name_of

__all__ = ["Tree", "in_single_precision"]

Array = NDArray[np.float64]
#: What leaves have to be.
REGULAR = "must be real numbers in arrays of one shape each"


class Tree:
    """The structure of some parameters: what lies where in a flat vector."""

    def __init__(self, x: Any, name: str = "x"):
        self._like, self._name = x, name
        found, start, leaves = [], 0, []
        for path, value in _walk(x, ""):
            array = _as_leaf(value, path or name)
            leaves.append(Leaf(path, array.shape, start))
            found.append(array.reshape(-1))
            start += array.size
        self.leaves, self.size = tuple(leaves), start
        self.flat: Array = np.concatenate(found) if found else np.empty(0)

    @property
    def bare(self) -> bool:
        """Whether the parameters are one array."""
        return _is_leaf(self._like)

    def build(self, flat: Array) -> Any:
        """The structure with these numbers: arrays are views of them."""
        parts = iter([flat[a.start : a.start + _size(a)].reshape(a.shape) for a in self.leaves])
        return _rebuilt(self._like, parts)

    def flatten(self, values: Any, what: str) -> Array:
        """Numbers in the same structure as a flat vector of their own."""
        if self.bare:
            return _fitting(values, self.leaves[0], what)
        wanted = {leaf.name for leaf in self.leaves}
        if _is_leaf(values):
            msg = f"{what} must give a {type(self._like).__name__} with values for {_listed(wanted)}, got {_described(values)}"
            raise TypeError(msg)
        found = dict(_walk(values, ""))
        if found.keys() != wanted:
            msg = f"{what} must give values for {_listed(wanted)}, got them for {_listed(found)}"
            raise ValueError(msg)
        return np.concatenate([_fitting(found[leaf.name], leaf, what) for leaf in self.leaves])

    def names(self) -> list[str]:
        """A name for every entry."""
        return [name_of(i, self.leaves) for i in range(self.size)]


def in_single_precision(values: Any) -> bool:
    """Whether an array among them holds single precision or less."""
    dtypes = (getattr(value, "dtype", None) for _, value in _walk(values, ""))
    return any(dtype is not None and dtype.kind == "f" and dtype.itemsize < 8 for dtype in dtypes)


def _is_leaf(node: Any) -> bool:
    """Whether it is one array, or numbers in lists that make one."""
    return not isinstance(node, Mapping) and not (isinstance(node, tuple | list) and not _all_numbers(node))


def _all_numbers(node: Any) -> bool:
    if isinstance(node, tuple | list):
        return len(node) > 0 and all(map(_all_numbers, node))
    return isinstance(node, int | float | np.number)


def _walk(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every array and the path to it, such as ``layers.0.bias``."""
    if _is_leaf(node):
        yield path, node
        return
    items = node.items() if isinstance(node, Mapping) else zip(getattr(node, "_fields", range(len(node))), node, strict=True)
    for key, child in items:
        yield from _walk(child, f"{path}.{key}" if path else str(key))


def _rebuilt(node: Any, parts: Iterator[Array]) -> Any:
    if _is_leaf(node):
        return next(parts)
    if isinstance(node, Mapping):
        return {key: _rebuilt(child, parts) for key, child in node.items()}
    children = [_rebuilt(child, parts) for child in node]
    return type(node)(*children) if hasattr(node, "_fields") else type(node)(children)


def _as_leaf(value: Any, name: str) -> Array:
    array = as_array(value, f"{name} {REGULAR}")
    if array.dtype.kind not in "biuf":
        msg = f"{name} must be real numbers, got {_described(value)}"
        raise TypeError(msg)
    if not np.isfinite(array).all():
        msg = f"{name} must be finite, got {value!r}"
        raise ValueError(msg)
    return array.astype(float)


def _fitting(values: Any, leaf: Leaf, what: str) -> Array:
    array, where = as_array(values, f"{what} {REGULAR}"), f" for {leaf.name}" if leaf.name else ""
    if array.dtype.kind not in "biuf":
        msg = f"{what} must give real numbers{where}, got {_described(values)}"
        raise TypeError(msg)
    if array.shape != leaf.shape:
        turned = ", its transpose" if array.shape == leaf.shape[::-1] else ""
        msg = f"{what} must have shape {leaf.shape}{where}, got {array.shape}{turned}"
        raise ValueError(msg)
    return array.astype(float).reshape(-1)


def _size(leaf: Leaf) -> int:
    return int(np.prod(leaf.shape))


def _listed(names: Any) -> str:
    found = sorted(map(str, names))
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")


def _described(value: Any) -> str:
    """What kind of thing it is, for a message."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    return type(value).__name__ if dtype is None else f"an array of shape {shape} and dtype {dtype}"
