"""The C rivals: compiled when first asked for, into a folder that goes with the process, called by ctypes."""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

SOURCES = Path(__file__).parent / "c"
FLAGS = ("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")
LONG, INT, ADDRESS = ctypes.c_long, ctypes.c_int, ctypes.c_void_p
LINE = 64  # bytes; a 64-byte vector that straddles two cache lines costs C 10 to 25 %


@cache
def library() -> ctypes.CDLL | None:
    """All of bench/c in one library; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    target = Path(kept_folder().name) / "rivals.so"
    sources = map(str, sorted(SOURCES.glob("*.c")))
    subprocess.run([compiler, *FLAGS, *sources, "-o", str(target), "-lm"], check=True)
    return ctypes.CDLL(str(target))


@cache
def kept_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="fastfd-bench-")


def function(name: str, *kinds: type) -> ctypes._CFuncPtr:
    entry = getattr(library(), name)
    entry.argtypes, entry.restype = kinds, None
    return entry


def aligned(*shape: int) -> np.ndarray:
    """An array that starts on a cache line, which np.empty does not promise; its pages exist already."""
    size = int(np.prod(shape))
    raw = np.zeros(size + LINE // 8)
    start = (-raw.ctypes.data % LINE) // 8
    array = raw[start : start + size].reshape(shape)
    array[...] = 0.0
    return array


def aligned_copy(x: np.ndarray) -> np.ndarray:
    copy = aligned(*x.shape)
    copy[...] = x
    return copy


class Samples(ctypes.Structure):
    """`samples` of bench/c/logistic.c; it keeps the arrays it points to alive."""

    _fields_ = (("rows", LONG), ("features", ADDRESS), ("labels", ADDRESS))

    @classmethod
    def of(cls, features: np.ndarray, labels: np.ndarray) -> "Samples":
        samples = cls(labels.size, features.ctypes.data, labels.ctypes.data)
        samples.kept = (features, labels)
        return samples

    @property
    def address(self) -> int:
        return ctypes.addressof(self)
