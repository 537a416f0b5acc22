"""Hostile input by machine: generated functions, arguments and keywords for every public call, and what may come of them.

A case is a dict of plain literals, so it can be printed, journalled before it runs, and run again:
``python tests/hostile.py "{...}"``. ``python tests/hostile.py SEED COUNT JOURNAL`` draws and judges so many; a death or a
hang leaves the case that did it in the journal. A case ends well in one of four ways:

- a right answer: of the documented shape, within the error bar (where the call says success) of the analytic derivative of
  the smooth function underneath;
- a ValueError, a TypeError or one of the documented others that a line of fastfd itself raises, naming an argument;
- f's own exception, the very object or its repetition;
- a MemoryError where something huge was asked for.

Whatever happens, arguments keep their bits, and the floating-point state is what it was.
"""

import array
import ast
import faulthandler
import math
import re
import sys
import traceback
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import scipy.sparse
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from numba import njit
from scipy.optimize import Bounds

import fastfd

#: Seconds for a case; the slowest take one.
LIMIT = 90
PACKAGE = str(Path(fastfd.__file__).parent)
HERE = (lambda: None).__code__.co_filename  # as tracebacks have it


# --- smooth functions with known derivatives --------------------------------------------------------------------------


def weights(m, n):
    """Of no particular pattern."""
    return np.cos(1.0 + np.arange(m * n).reshape(m, n) ** 1.5)


def waves(x, m):
    """m sums of sines; twice differentiable in closed form. Powers of x where it is far from 1."""
    flat = np.asarray(x).reshape(-1)
    W = weights(m, flat.size)
    return (W * np.sin(flat)).sum(axis=1) + 0.25 * (W * flat).sum(axis=1) ** 2


def waves_slope(x, m):
    W = weights(m, x.size)
    return W * np.cos(x) + 0.5 * (W @ x)[:, None] * W


def waves_curvature(x):
    w = weights(1, x.size)[0]
    return np.diag(-w * np.sin(x)) + 0.5 * np.outer(w, w)


def wave(x):
    return np.sin(2.0 * x) + 0.5 * x


def wave_slope(x, order):
    return 2.0**order * np.sin(2.0 * x + order * np.pi / 2) + (0.5 if order == 1 else 0.0)


# --- the same in njit, and njit functions that misbehave ----------------------------------------------------------------

#: How many results they give.
M = 3


@njit(cache=True)
def native_sums(x, m):
    y = np.zeros(m)
    for j in range(m):
        s, t = 0.0, 0.0
        for i in range(x.size):
            w = np.cos(1.0 + (j * x.size + i) ** 1.5)
            s += w * np.sin(x[i])
            t += w * x[i]
        y[j] = s + 0.25 * t * t
    return y


@njit(cache=True)
def native_waves(x):
    return native_sums(x, M)


@njit(cache=True)
def native_sum(x):
    return native_sums(x, 1)[0]


@njit(cache=True)
def native_wave(x):
    return math.sin(2.0 * x) + 0.5 * x


@njit(cache=True)
def native_longer(x):
    """One more result where the first coordinate grows."""
    return native_sums(x, M + (1 if x[0] > 0.3 else 0))


@njit(cache=True)
def native_writes(x):
    y = native_waves(x)
    x[0] = 3.0
    return y


@njit(cache=True)
def native_view(x):
    return x[::-1]


@njit(cache=True)
def native_refuses(x):
    if abs(x[0]) > 0.5:
        raise OSError("f refuses")
    return native_waves(x)


@njit(cache=True)
def native_hole(x):
    y = native_waves(x)
    if x[0] > 0.3:
        y[M - 1] = np.nan
    return y


#: Those whose derivative is known.
KNOWN = "waves", "view", "refuses", "hole"
NATIVE = {
    "waves": native_waves, "longer": native_longer, "writes": native_writes, "view": native_view, "refuses": native_refuses,
    "hole": native_hole,
}  # fmt: skip


# --- functions in Python ------------------------------------------------------------------------------------------------


class FromF(Exception):
    """An exception of f's own."""


class Stop(BaseException):
    """One that is no Exception."""


EXCEPTIONS = {
    kind.__name__: kind
    for kind in (FromF, Stop, ValueError, TypeError, KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration, MemoryError,
                 RecursionError, ZeroDivisionError, IndexError, AttributeError, FloatingPointError, SystemError, ImportError,
                 UnicodeError, Warning, AssertionError, np.linalg.LinAlgError)
}  # fmt: skip


class Arrayish:
    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


class Broken:
    def __array__(self, dtype=None, copy=None):
        raise FromF("no array")


#: How f hands its results over: what becomes of a 1-d array of doubles, and whether that keeps the derivative.
FORMS = {
    "array": (lambda y: y, True),
    "list": (lambda y: y.tolist(), True),
    "tuple": (lambda y: tuple(y), True),
    "nested": (lambda y: [[v] for v in y.tolist()], True),
    "column": (lambda y: y[:, None], True),
    "row": (lambda y: y[None], True),
    "3-d": (lambda y: y[:, None, None], True),
    "strided": (lambda y: np.repeat(y, 2)[::2], True),
    "backwards": (lambda y: y[::-1].copy()[::-1], True),
    "big-endian": (lambda y: y.astype(">f8"), True),
    "read-only": (lambda y: _frozen(y), True),
    "broadcast": (lambda y: np.broadcast_to(y, (2, y.size)), True),
    "single": (lambda y: y.astype(np.float32), True),
    "half": (lambda y: y.astype(np.float16), True),
    "long double": (lambda y: y.astype(np.longdouble), True),
    "complex": (lambda y: y + 1j * y, True),
    "complex single": (lambda y: y.astype(np.complex64), True),
    "matrix": (lambda y: np.asmatrix(y), True),
    "masked": (lambda y: np.ma.masked_array(y, [False] * y.size), True),
    "subclass": (lambda y: y.view(type("Mine", (np.ndarray,), {})), True),
    "structured": (lambda y: np.array([(v,) for v in y], [("a", float)]), False),
    "object": (lambda y: y.astype(object), False),
    "fractions": (lambda y: [Fraction(v) if math.isfinite(v) else v for v in y], False),
    "decimals": (lambda y: [Decimal(float(v)) for v in y], False),
    "integers": (lambda y: np.nan_to_num(y).astype(int), False),
    "booleans": (lambda y: y > 0, False),
    "bytes": (lambda y: y.tobytes(), False),
    "string": (lambda y: str(y), False),
    "strings": (lambda y: y.astype(str), False),
    "dates": (lambda y: np.nan_to_num(y).astype("M8[s]"), False),
    "none": (lambda y: None, False),
    "nones": (lambda y: [None] * y.size, False),
    "ragged": (lambda y: [y, [1.0]], False),
    "dict": (lambda y: dict(enumerate(y)), False),
    "set": (lambda y: set(y.tolist()), False),
    "generator": (lambda y: (v for v in y), False),
    "memory": (lambda y: memoryview(np.ascontiguousarray(y)), True),
    "arrayish": (Arrayish, True),
    "broken": (lambda y: Broken(), False),
    "function": (lambda y: waves, False),
    "sparse": (lambda y: scipy.sparse.csr_array(y[None]), False),
    "empty": (lambda y: y[:0], False),
    "type": (lambda y: float, False),
    "self": (lambda y: NotImplemented, False),
}  # fmt: skip

#: Results from where nothing is meant to be hostile.
PLAIN = "array"
SINGLES = "single", "half", "complex single"


def _frozen(y):
    y = y.copy()
    y.flags.writeable = False
    return y


class Function:
    """A smooth function that does its deed at its k-th call, or from then on, or away from where it began."""

    def __init__(self, case, scalar):
        self.case, self.scalar = case, scalar
        self.deed, self.k = case["deed"]
        self.form = FORMS[case["form"]][0]
        self.calls, self.kept, self.start, self.buffer = 0, [], None, None
        self.raised = []

    def __call__(self, x, *extra):
        self.calls += 1
        if self.start is None:
            self.start = np.array(x)
        hook = getattr(self, f"_{self.deed}", None)
        found = hook(x, *extra) if hook else None
        return self.value(x, *extra) if found is None else found[0]

    def value(self, x, *extra):
        with np.errstate(all="ignore"):
            if self.scalar == "number":
                y = np.asarray(wave(x))
                return y[()] if self.case["form"] == PLAIN else self.form(y.reshape(-1))
            y = waves(x, 1 if self.scalar == "sum" else self.case["m"])
            if self.scalar == "sum" and self.case["form"] == PLAIN:
                return float(np.real(y[0])) if y.dtype.kind != "c" else complex(y[0])
            if y.dtype.kind == "c" and self.case["form"] != PLAIN:
                return y
            return self.form(y)

    @property
    def now(self):
        return self.calls == self.k

    def _away(self, x):
        with np.errstate(all="ignore"):
            moved = np.abs(np.asarray(x) - self.start)
            return bool((moved > 10.0**-self.k * np.maximum(1.0, np.abs(self.start))).any())

    def _raise(self, kind):
        error = EXCEPTIONS[kind]("f says so")
        self.raised.append(error)
        raise error

    # deeds: None for the plain value, or a tuple of the result

    def _raises(self, x, *extra):
        if self.now:
            self._raise(self.case["exception"])

    def _raises_away(self, x, *extra):
        if self._away(x):
            self._raise(self.case["exception"])

    def _raises_always(self, x, *extra):
        if self.calls >= self.k:
            self._raise(self.case["exception"])

    def _nan_away(self, x, *extra):
        if self._away(x):
            return (self.value(np.full_like(x, np.nan)),)

    def _inf_away(self, x, *extra):
        if self._away(x):
            return (np.full_like(np.asarray(self.value(x)), np.inf),) if self.case["form"] == PLAIN else None

    def _nan_once(self, x, *extra):
        if self.now:
            return (self.value(np.full_like(x, np.nan)),)

    def _longer(self, x, *extra):
        if self.now:
            return (np.arange(self.case["m"] + 1.0),)

    def _empty(self, x, *extra):
        if self.now:
            return (np.empty(0),)

    def _other_shape(self, x, *extra):
        if self.now:
            return (np.atleast_1d(self.value(x))[..., None],)

    def _other_form(self, x, *extra):
        if self.calls >= self.k:
            return (FORMS[self.case["other"]][0](np.atleast_1d(waves(np.real(x), self.case["m"]))),)

    def _complex_once(self, x, *extra):
        if self.now:
            return (np.asarray(self.value(x)) + 1j,)

    def _writes(self, x, *extra):
        if isinstance(x, np.ndarray) and x.size:
            x *= 2.0

    def _writes_once(self, x, *extra):
        if self.now and isinstance(x, np.ndarray) and x.size:
            x[...] = 7.0

    def _writes_nan(self, x, *extra):
        y = self.value(x)
        if self.now and isinstance(x, np.ndarray) and x.size:
            x.reshape(-1)[0] = np.nan
        return (y,)

    def _writes_and_restores(self, x, *extra):
        if isinstance(x, np.ndarray) and x.size:
            before = x.copy()
            x[...] = -5.0
            x[...] = before

    def _keeps(self, x, *extra):
        self.kept.append(np.asarray(x)[...])

    def _keeps_and_writes(self, x, *extra):
        """What it was given in earlier calls is overwritten in later ones."""
        for old in self.kept[-3:]:
            old[...] = 99.0
        if isinstance(x, np.ndarray):
            self.kept.append(x[...])

    def _one_buffer(self, x, *extra):
        y = np.asarray(self.value(x))
        if self.buffer is None or self.buffer.shape != y.shape or self.buffer.dtype != y.dtype:
            self.buffer = y.copy()
        self.buffer[...] = y
        return (self.buffer,)

    def _spoils_results(self, x, *extra):
        """Overwrites what it gave last time."""
        for old in self.kept:
            old[...] = -77.0
        y = np.array(self.value(x))
        self.kept = [y]
        return (y,)

    def _reshapes(self, x, *extra):
        if isinstance(x, np.ndarray):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                y = self.value(x)
                x.shape = (x.size, 1)
            return (y,)

    def _retypes(self, x, *extra):
        if isinstance(x, np.ndarray) and x.size and x.dtype == float:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                y = self.value(x)
                x.dtype = np.int64
            return (y,)

    def _locks(self, x, *extra):
        if isinstance(x, np.ndarray):
            x.flags.writeable = False

    def _warns(self, x, *extra):
        if self.now:
            warnings.warn("f has something to say", UserWarning, stacklevel=1)

    def _strict_floats(self, x, *extra):
        np.seterr(all="raise")

    def _differentiates(self, x, *extra):
        if self.now:
            fastfd.gradient(lambda t: t[0] * t[1], [1.0, 2.0], method="central")
            fastfd.derivative(wave, 0.5)

    def _differentiates_itself(self, x, *extra):
        if self.now and np.size(x):
            fastfd.jacobian(self, np.array(np.real(x)), method="forward")

    def _spoils_args(self, x, *extra):
        if extra and isinstance(extra[0], np.ndarray):
            extra[0][...] = 5.0


DEEDS = ["none", *(n[1:] for n in vars(Function) if re.match("_[a-z]", n) and n not in ("_away", "_raise"))]
#: Deeds that leave the derivative what it is.
HARMLESS = {
    "none", "raises", "raises_away", "raises_always", "nan_away", "inf_away", "nan_once", "writes_and_restores", "keeps",
    "keeps_and_writes", "one_buffer", "spoils_results", "warns", "strict_floats", "differentiates", "differentiates_itself",
    "spoils_args", "locks", "longer", "empty", "other_shape", "complex_once", "writes_once", "writes_nan", "reshapes", "retypes",
}  # fmt: skip
#: After these one call in many is another function's; an answer may carry the mark of it.
GLITCHES = {"nan_once", "complex_once", "other_shape", "spoils_args", "longer", "empty", "writes_once", "writes_nan"}


# --- arguments ----------------------------------------------------------------------------------------------------------

STYLES = {
    "ordinary": lambda r, s: np.round(r.uniform(-2, 2, s), 3),
    "zeros": lambda r, s: np.zeros(s),
    "negative zeros": lambda r, s: -np.zeros(s),
    "ones": lambda r, s: np.ones(s),
    "scales": lambda r, s: r.choice([-1.0, 1.0], s) * 10.0 ** r.integers(-8, 2, s),
    "tiny": lambda r, s: r.uniform(-1e-300, 1e-300, s),
    "denormal": lambda r, s: np.full(s, 5e-324),
    "large": lambda r, s: r.uniform(-1e8, 1e8, s),
    "huge": lambda r, s: r.uniform(-1e300, 1e300, s),
    "largest": lambda r, s: np.full(s, np.finfo(float).max),
    "nan": lambda r, s: np.where(r.random(s) < 0.5, np.nan, 1.0),
    "inf": lambda r, s: np.where(r.random(s) < 0.5, np.inf, 1.0),
}  # fmt: skip
#: Where the analytic derivative is known to all its digits, and the scale of the function is that of its steps.
FAIR = {"ordinary", "zeros", "negative zeros", "ones", "scales"}

MAKES = {
    "double": lambda x: x,
    "list": lambda x: x.tolist(),
    "tuple": lambda x: tuple(x) if x.ndim else float(x),
    "read-only": _frozen,
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "backwards": lambda x: x[..., ::-1].copy()[..., ::-1] if x.ndim else x,
    "Fortran": np.asfortranarray,
    "big-endian": lambda x: x.astype(">f8"),
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view("f8").reshape(x.shape),
    "subclass": lambda x: x.view(type("Mine", (np.ndarray,), {})),
    "matrix": lambda x: np.asmatrix(x),
    "masked": lambda x: np.ma.masked_array(x, x > 5),
    "long double": lambda x: x.astype(np.longdouble),
    "array.array": lambda x: array.array("d", x.reshape(-1).tolist()) if x.ndim == 1 else x,
    "memory": lambda x: memoryview(x.copy()) if x.ndim else x,
    "arrayish": lambda x: Arrayish(x),
    # what loses digits
    "single": lambda x: x.astype(np.float32),
    "half": lambda x: x.astype(np.float16),
    "integers": lambda x: np.nan_to_num(x, posinf=9, neginf=9).clip(-9, 9).astype(int),
    "bytes of integers": lambda x: np.nan_to_num(x, posinf=9, neginf=9).clip(0, 9).astype(np.uint8),
    "booleans": lambda x: x > 0,
    # what is no point
    "object": lambda x: x.astype(object),
    "complex": lambda x: x + 0j,
    "strings": lambda x: x.astype(str),
    "dates": lambda x: np.zeros(x.shape, "M8[s]"),
    "spans": lambda x: np.zeros(x.shape, "m8[s]"),
    "structured": lambda x: np.zeros(x.shape, [("a", float)]),
    "a string": lambda x: "one",
    "none": lambda x: None,
    "dict": lambda x: {"a": 1.0},
    "set": lambda x: {1.0, 2.0},
    "ragged": lambda x: [1.0, [2.0, 3.0]],
    "generator": lambda x: (v for v in (1.0, 2.0)),
    "sparse": lambda x: scipy.sparse.csr_array(np.ones((1, 2))),
    "huge integer": lambda x: 10**400,
    "function": lambda x: waves,
    "broken": lambda x: Broken(),
}  # fmt: skip
POINTS = list(MAKES)[: list(MAKES).index("object")]
SHAPES = [(), (1,), (2,), (3,), (5,), (9,), (1, 1), (2, 3), (3, 1, 2), (0,), (0, 3), (1, 0)]


#: Values that say of f what is not so: more noise than it has size, no entries in its pattern.
UNTRUE = {
    "matrix", "empty", "none stored", "too much", "one", "inf", "huge", "enormous", "true", "numpy true", "two and a half",
}  # fmt: skip
#: Keywords that say how much is to be done; so much would take years, as asked for.
COUNTS = "samples", "points", "directions"


class Unprintable:
    def __repr__(self):
        return "<unprintable>"

    def __eq__(self, other):
        raise FromF("cannot be compared")

    __hash__ = None


#: What any keyword may be handed.
NONSENSE = {
    "string": lambda x: "spam",
    "empty string": lambda x: "",
    "minus one": lambda x: -1,
    "zero": lambda x: 0,
    "one": lambda x: 1,
    "two and a half": lambda x: 2.5,
    "nan": lambda x: math.nan,
    "inf": lambda x: math.inf,
    "huge": lambda x: 10**9,
    "enormous": lambda x: 10**400,
    "complex": lambda x: 1j,
    "true": lambda x: True,
    "numpy true": lambda x: np.True_,
    "list": lambda x: [1.0, 2.0],
    "empty list": lambda x: [],
    "empty tuple": lambda x: (),
    "dict": lambda x: {},
    "array": lambda x: np.arange(3.0),
    "array of none": lambda x: np.array([None]),
    "matrix": lambda x: np.eye(3),
    "strings": lambda x: np.array(["a", "b"]),
    "date": lambda x: np.datetime64("2020-01-01"),
    "function": lambda x: waves,
    "object": lambda x: Unprintable(),
    "type": lambda x: float,
    "bytes": lambda x: b"spam",
}  # fmt: skip


def flat_size(x):
    return int(np.size(x))


#: What each keyword is meant to be handed, from the point.
SENSE = {
    "method": {
        "adaptive": lambda x: "adaptive", "central": lambda x: "central", "forward": lambda x: "forward",
        "backward": lambda x: "backward", "complex": lambda x: "complex",
        "stencil": lambda x: fastfd.Stencil((-1, 0.5, 2)), "second": lambda x: fastfd.Stencil((-1, 0, 1), 2),
    },
    "accuracy": {str(k): lambda x, k=k: k for k in (1, 2, 3, 4, 6, 8, 20, 300)},
    "step": {
        "small": lambda x: 1e-5, "half": lambda x: 0.5, "each": lambda x: np.full(np.shape(x), 1e-4),
        "denormal": lambda x: 5e-324, "longest": lambda x: 1e308, "less than an ulp": lambda x: 1e-20,
        "wrong shape": lambda x: np.ones(17), "single": lambda x: np.float32(1e-3),
    },
    "rtol": {"loose": lambda x: 1e-6, "tight": lambda x: 1e-14, "hasty": lambda x: 0.1, "denormal": lambda x: 5e-324},
    "noise": {"none": lambda x: 0.0, "little": lambda x: 1e-9, "much": lambda x: 1e-3, "too much": lambda x: 1e300},
    "bounds": {
        "wide": lambda x: (-np.inf, np.inf),
        "box": lambda x: (np.asarray(x) - 1.0, np.asarray(x) + 1.0),
        "edge": lambda x: (np.asarray(x) + 0.0, np.inf),
        "narrow": lambda x: (np.asarray(x) - 1e-9, np.asarray(x) + 1e-9),
        "point": lambda x: (np.asarray(x) + 0.0, np.asarray(x) + 0.0),
        "Bounds": lambda x: Bounds(np.asarray(x) - 1.0, np.asarray(x) + 2.0),
        "crossed": lambda x: (np.asarray(x) + 1.0, np.asarray(x) - 1.0),
        "outside": lambda x: (np.asarray(x) + 1.0, np.asarray(x) + 2.0),
        "nan": lambda x: (np.nan, np.nan),
        "none": lambda x: (None, None),
        "three": lambda x: (0.0, 1.0, 2.0),
        "wrong shape": lambda x: (np.zeros(17), np.ones(17)),
        "strings": lambda x: ("a", "b"),
        "complex": lambda x: (0j, 1j),
    },
    "parallel": {"yes": lambda x: True, "no": lambda x: False},
    "full_output": {"yes": lambda x: True, "no": lambda x: False},
    "out_size": {"one": lambda x: 1, "three": lambda x: 3, "most": lambda x: 10**15},
    "sparsity": {
        "auto": lambda x: "auto",
        "full": lambda x: np.ones((3, flat_size(x)), bool),
        "square": lambda x: scipy.sparse.csr_array(np.ones((flat_size(x), flat_size(x)))),
        "coo": lambda x: scipy.sparse.coo_matrix(np.ones((3, flat_size(x)))),
        "empty": lambda x: scipy.sparse.csr_array((3, flat_size(x))),
        "none stored": lambda x: np.zeros((3, flat_size(x))),
        "colors": lambda x: (np.ones((3, flat_size(x))), np.arange(flat_size(x))),
        "wrong colors": lambda x: (np.ones((3, flat_size(x))), np.zeros(flat_size(x), int)),
        "wrong shape": lambda x: np.eye(17),
    },
    "grad": {
        "right": lambda x: lambda t, *a: waves_slope(np.asarray(t).reshape(-1), 1)[0].reshape(np.shape(t)),
        "wrong shape": lambda x: lambda t, *a: np.zeros(17),
        "values": lambda x: np.zeros(np.shape(x)),
    },
    "order": {str(k): lambda x, k=k: k for k in (1, 2, 3, 4, 7, 10)},
    "samples": {"one": lambda x: 1, "five": lambda x: 5},
    "nan": {"yes": lambda x: True},
    "seed": {"other": lambda x: 17},
    "points": {"one": lambda x: 1, "three": lambda x: 3},
    "directions": {"two": lambda x: 2},
    "direction": {
        "ones": lambda x: np.ones(np.shape(x)), "zeros": lambda x: np.zeros(np.shape(x)), "wrong shape": lambda x: np.ones(17),
        "tiny": lambda x: np.full(np.shape(x), 1e-300), "nan": lambda x: np.full(np.shape(x), np.nan),
    },
    "ordering": {k: lambda x, k=k: k for k in ("best", "natural", "smallest_last", "largest_first", "incidence_degree")},
    "symmetric": {"yes": lambda x: True},
    "stencils": {"one": lambda x: ("central",), "pair": lambda x: (("central", 4),), "name": lambda x: "central"},
    "steps": {"some": lambda x: np.geomspace(1e-8, 1e-2, 12), "one": lambda x: [1e-4], "zero": lambda x: [0.0, 1.0]},
    "output": {"first": lambda x: 0, "last": lambda x: -1, "beyond": lambda x: 99},
    "exact": {"number": lambda x: 1.0},
    "matrix_free": {"yes": lambda x: True, "no": lambda x: False},
    "preconditioner": {"identity": lambda x: np.eye(flat_size(x)), "wrong shape": lambda x: np.eye(17)},
}  # fmt: skip

ARGS = {
    "none": lambda: (), "list": list, "array": lambda: (np.arange(3.0),), "several": lambda: (1, 2.0, "a", None, [1]),
    "int": lambda: 3, "string": lambda: "ab", "dict": lambda: {"a": 1}, "naked array": lambda: np.arange(3.0),
    "objects": lambda: (Unprintable(), FromF),
}  # fmt: skip


# --- calls --------------------------------------------------------------------------------------------------------------

FIRST = ["method", "accuracy", "step", "rtol", "bounds", "parallel", "noise", "full_output"]
#: For each public call: what f gives (a number for a number, one sum, several sums), and its keywords.
CALLS = {
    "derivative": ("number", [*FIRST, "order"]),
    "gradient": ("sum", [*FIRST, "out_size"]),
    "jacobian": ("sums", [*FIRST, "sparsity", "out_size"]),
    "hessian": ("sum", [*FIRST, "grad", "sparsity", "out_size"]),
    "jvp": ("sums", [k for k in FIRST if k != "parallel"] + ["out_size"]),
    "hvp": ("sum", [*FIRST, "out_size"]),
    "Derivative": ("number", [*FIRST[:-1], "order"]),
    "Gradient": ("sum", [*FIRST[:-1], "out_size"]),
    "Jacobian": ("sums", [*FIRST[:-1], "sparsity", "out_size"]),
    "Hessian": ("sum", [*FIRST[:-1], "grad", "sparsity", "out_size"]),
    "detect_sparsity": ("sums", ["bounds", "samples", "nan", "seed", "out_size", "full_output"]),
    "noise_level": ("sums", ["direction", "step", "bounds", "parallel", "out_size", "full_output"]),
    "check_gradient": ("sum", ["points", "directions", "seed", "bounds", "parallel", "noise"]),
    "check_jacobian": ("sums", ["points", "seed", "bounds", "parallel", "noise"]),
    "check_hessian": ("sum", ["grad", "points", "seed", "bounds", "parallel"]),
    "implicit_jacobian": ("same", ["method", "matrix_free", "preconditioner", "parallel", "full_output"]),
    "step_analysis": ("sums", ["stencils", "order", "exact", "steps", "direction", "output", "bounds"]),
    "color": (None, ["ordering", "symmetric"]),
    "propagate": ("sums", [*FIRST, "sparsity", "out_size"]),
    "relative_error": (None, []),
    "Stencil": (None, ["order"]),
}  # fmt: skip
#: What calls give back: public so that their fields are documented; nobody makes one.
RESULTS = {"GradientCheck", "Info", "NoiseInfo", "Propagated", "SparsityInfo", "StepAnalysis"}
PREPARED = "Derivative", "Gradient", "Jacobian", "Hessian"
#: Words of which one is in every clear message, besides the keywords of the call.
NAMED = {
    "f", "x", "v", "args", "F", "y", "theta", "dF", "grad", "hess", "jac", "derivative", "Hessian", "pattern", "colors",
    "offsets", "Stencil", "stencil", "cov",
}  # fmt: skip


def _mostly(*likely, other, odds):
    return st.integers(0, odds).flatmap(lambda k: st.sampled_from(other) if k == 0 else st.sampled_from(likely))


@st.composite
def cases(draw):
    call = draw(_mostly(*list(CALLS)[:10], other=list(CALLS), odds=2))
    kind, keywords = CALLS[call]
    case = {"call": call, "m": draw(st.sampled_from([3, 3, 1, 4])), "seed": draw(st.integers(0, 99))}
    case["style"] = draw(_mostly("ordinary", other=list(STYLES), odds=2))
    case["make"] = draw(_mostly("double", "list", "read-only", "strided", other=list(MAKES), odds=3))
    case["shape"] = draw(_mostly((3,), (2,), (1,), (), other=SHAPES, odds=2))
    if kind is not None:
        case["form"] = draw(_mostly(PLAIN, other=list(FORMS), odds=3))
        case["deed"] = draw(st.tuples(_mostly("none", other=DEEDS, odds=1), st.integers(1, 14)))
        if case["deed"][0].startswith("raises"):
            case["exception"] = draw(st.sampled_from(list(EXCEPTIONS)))
        if case["deed"][0] == "other_form":
            case["other"] = draw(st.sampled_from(list(FORMS)))
        case["args"] = draw(_mostly("none", other=list(ARGS), odds=9))
        if draw(st.integers(0, 7)) == 0 and kind in ("sum", "sums", "number"):
            case["native"], case["m"] = draw(st.sampled_from(list(NATIVE))), M
    some = draw(st.lists(st.sampled_from(keywords), unique=True, max_size=3)) if keywords else []
    case["keywords"] = {
        k: draw(_mostly(*((True, name) for name in SENSE[k]), other=[(False, name) for name in _nonsense(k)], odds=6))
        for k in some
    }
    if "full_output" in keywords and "full_output" not in some:
        case["keywords"]["full_output"] = (True, "yes")
    case["second"] = draw(_mostly("ones", other=list(MAKES), odds=4))  # what goes for v, theta, another array
    return case


def _nonsense(keyword):
    return [name for name in NONSENSE if keyword not in COUNTS or name not in ("huge", "enormous")]


class Wrong(AssertionError):
    """A case that did not end well."""


def built(case):
    """The point, the keywords and the extra arguments of a case."""
    base = STYLES[case["style"]](np.random.default_rng(case["seed"]), case["shape"])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        x = MAKES[case["make"]](np.asarray(base, float))
        like = x if case["make"] in POINTS else base
        like = like.values if isinstance(like, Arrayish) else like
        keywords = {k: (SENSE[k] if sense else NONSENSE)[name](like) for k, (sense, name) in case["keywords"].items()}
        second = np.ones(case["shape"]) if case["second"] == "ones" else MAKES[case["second"]](np.asarray(base, float))
    return x, keywords, ARGS[case.get("args", "none")](), second


def function_of(case, kind):
    name = case.get("native")
    if name is None:
        return Function(case, kind)
    return {"sum": native_sum, "number": native_wave}.get(kind, NATIVE[name])


def attempt(case, f, x, keywords, args, second):
    """The call itself, and a look at all that it gives."""
    call, operator = case["call"], getattr(fastfd, case["call"])
    if call in ("jvp", "hvp"):
        found = operator(f, x, second, args, **keywords)
    elif call in PREPARED:
        prepared, given_args = operator(f, **keywords), args if isinstance(args, tuple) else ()
        found = prepared(x, *given_args, full_output=True)
        again = prepared(x, *given_args)
        for _ in range(2):
            again = prepared(x, *given_args)
        _check_again(case, found, again, x, keywords)
    elif call in ("check_gradient", "check_jacobian", "check_hessian"):
        found = operator(f, claimed(case, call), x, args, **keywords)
        repr((str(found), found.passed))
    elif call in ("implicit_jacobian", "propagate"):
        found = operator(f, x, second, args, **keywords)
    elif call == "color":
        found = operator(second if case["second"] != "ones" else np.ones((3, 4)), **keywords)
    elif call == "relative_error":
        found = operator(x, second)
    elif call == "Stencil":
        found = operator(x, **keywords)
        repr((found.weights, found.accuracy, found.truncation, found.rounding))
    else:
        found = operator(f, x, args, **keywords)
    if isinstance(found, tuple) and len(found) == 2 and not isinstance(found, fastfd.Propagated):
        repr(found[1]), found[1].message
    repr(found)
    return found


def claimed(case, call):
    if call == "check_gradient":
        return lambda t, *a: waves_slope(np.asarray(t, float).reshape(-1), 1)[0].reshape(np.shape(t))
    if call == "check_jacobian":
        return lambda t, *a: waves_slope(np.asarray(t, float).reshape(-1), case["m"])
    return lambda t, *a: waves_curvature(np.asarray(t, float).reshape(-1))


def _check_again(case, found, again, x, keywords):
    """A prepared object gives the same once more (within its bars; it may remember its steps)."""
    value, info = found
    if (case.get("native") is None and case["deed"][0] != "none") or not fair(case, x, keywords):
        return
    if scipy.sparse.issparse(value):
        value, again, error = value.toarray(), again.toarray(), info.error.toarray()
    else:
        error = info.error
    if info.success and not (np.abs(np.asarray(value) - again) <= 20 * error + 1e-9 * np.abs(value).max(initial=0.0)).all():
        raise Wrong(f"other numbers when called again: {value!r}, then {again!r}")


def bits(value):
    """What must not change in an argument."""
    if isinstance(value, np.ndarray):
        kept = np.array(value, copy=True, subok=False)
        return value.shape, value.dtype, value.strides, value.flags.num, kept.tobytes() if kept.dtype != object else repr(kept)
    if isinstance(value, tuple | list):
        return type(value), tuple(map(bits, value))
    if isinstance(value, dict):
        return tuple((k, bits(v)) for k, v in value.items())
    if scipy.sparse.issparse(value):
        return value.shape, value.toarray().tobytes()
    if isinstance(value, Bounds):
        return bits(value.lb), bits(value.ub)
    if isinstance(value, Arrayish):
        return bits(value.values)
    return repr(value) if isinstance(value, int | float | str | bytes) else id(value)


def run(case):
    """One case; Wrong where it ends in none of the ways that it may."""
    kind = CALLS[case["call"]][0]
    x, keywords, args, second = built(case)
    f = function_of(case, kind) if kind else None
    given_to = (x, keywords, args, second)
    before, state, found = bits(given_to), np.geterr(), None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = attempt(case, f, *given_to)
    except Wrong:
        raise
    except BaseException as error:
        judge_exception(case, f, error, keywords)
    finally:
        left = np.seterr(**state)
    if left != state and case.get("deed", ("",))[0] != "strict_floats":
        raise Wrong(f"the floating-point state changed from {state} to {left}")
    if bits(given_to) != before and case.get("deed", ("",))[0] != "spoils_args":
        raise Wrong("an argument changed")
    if found is not None:
        judge_answer(case, found, x, keywords, second)


# --- the judge ----------------------------------------------------------------------------------------------------------


def judge_exception(case, f, error, keywords):
    """f's own, or one of fastfd's own sentences."""
    frames = traceback.extract_tb(error.__traceback__)
    inner = frames[-1].filename
    if isinstance(f, Function) and any(error is own for own in f.raised):
        return
    if isinstance(error, FromF | Stop):
        return
    ours = [frame.filename for frame in frames if frame.filename == HERE or frame.filename.startswith(PACKAGE)]
    if ours[-1] == HERE and len(set(ours)) > 1:
        return  # raised by f or another callable of ours, called from fastfd
    if isinstance(error, MemoryError) and (_asks_for_much(case)):
        return
    if isinstance(error, Warning):
        raise Wrong(f"a warning from the depths: {error!r}") from error
    if case.get("native") and ((isinstance(error, OSError) and "f refuses" in str(error)) or "umba" in type(error).__module__):
        return  # njit code: its own exception, or that it does not compile for these arguments
    if inner != HERE and _called_wrongly(case, error, inner):
        return
    if not isinstance(error, ValueError | TypeError | RuntimeError) or not inner.startswith(PACKAGE):
        raise Wrong(f"not a sentence of fastfd: {error!r}, raised in {inner}:{frames[-1].lineno}") from error
    words = set(re.findall(r"\w+", str(error)))
    known = {"a", "b"} if case["call"] == "relative_error" else NAMED | set(CALLS[case["call"]][1])
    if not words & known:
        raise Wrong(f"names no argument: {error!r}") from error


def _asks_for_much(case):
    return any(name in ("huge", "most", "enormous") for _, name in case["keywords"].values())


def _called_wrongly(case, error, inner):
    """Python's or numba's own words where f takes another number of arguments."""
    words = "positional argument" in str(error) or re.search(r"many|enough arguments: expected", str(error))
    words = words or case["keywords"].get("grad") == (False, "type")
    return isinstance(error, TypeError) and words and inner.startswith(PACKAGE)


def truth_of(case, x, keywords, second):
    """The derivative of the smooth function underneath, in the documented shape."""
    call, shape = case["call"], np.shape(x)
    flat = np.asarray(x, float).reshape(-1)
    m = 1 if CALLS[call][0] == "sum" else case["m"]
    if case.get("native") == "view" and CALLS[call][0] == "sums":
        J = np.eye(flat.size).reshape(shape * 2)[::-1]
        return J if call != "jvp" else np.tensordot(J, np.asarray(second, float), len(shape))
    if call.lower() == "derivative":
        return wave_slope(np.asarray(x, float), keywords.get("order", 1))
    if call.lower() == "hessian":
        return waves_curvature(flat).reshape(shape * 2)
    if call == "hvp":
        return (waves_curvature(flat) @ np.asarray(second, float).reshape(-1)).reshape(shape)
    J = waves_slope(flat, m)
    if call == "jvp":
        J = (J @ np.asarray(second, float).reshape(-1)).reshape(m)
    elif call.lower() == "gradient":
        return J[0].reshape(shape)
    else:
        J = J.reshape((m, *shape))
    return J if case.get("native") else formed(case, J, shape)


def formed(case, J, shape):
    """The derivative of what the form makes of f."""
    form = case["form"]
    if form in (PLAIN, "list", "tuple", "strided", "backwards", "big-endian", "read-only", "single",
                                              "half", "long double", "complex", "complex single", "masked", "subclass", "memory",
                                              "arrayish"):  # fmt: skip
        return J
    if form in ("nested", "column"):
        return J[:, None]
    if form in ("row", "matrix"):
        return J[None]
    if form == "3-d":
        return J[:, None, None]
    return np.stack([J, J])  # broadcast


def judge_answer(case, found, x, keywords, second):
    """Of the documented shape, and right where it says so."""
    call = case["call"]
    if call in RESULTS or call not in ("derivative", "gradient", "jacobian", "hessian", "jvp", "hvp", *PREPARED):
        return
    if case["make"] not in POINTS:
        raise Wrong(f"an answer for what is no point: {found!r}")
    x = np.asarray(x.values if isinstance(x, Arrayish) else x, float)
    if not np.isfinite(x).all() and call.lower() != "derivative" and "out_size" not in keywords:
        raise Wrong(f"an answer for an x that is not finite: {found!r}")
    fits = FORMS[case["form"]][1] and case["deed"][0] in HARMLESS - GLITCHES
    fits = case["native"] in KNOWN if case.get("native") else fits
    if "out_size" in keywords or not fits or (call in ("hvp", "jvp") and not np.isfinite(np.asarray(second, float)).all()):
        return
    full = call in PREPARED or bool(keywords.get("full_output"))
    value, info = found if full else (found, None)
    with np.errstate(all="ignore"):
        truth = truth_of(case, x, keywords, second)
    if scipy.sparse.issparse(value):
        value, truth = value.toarray(), truth.reshape(value.shape)
        error = info.error.toarray() if info else None
    else:
        error = info.error if info else None
    if case["form"] == "complex" and not case.get("native") and "grad" not in keywords:
        truth = truth * (1 + 1j)
    if np.shape(value) != truth.shape:
        raise Wrong(f"a result of shape {np.shape(value)}, not {truth.shape}")
    if info is not None and info.success and fair(case, x, keywords):
        terms = np.abs(x).max(initial=1.0) * np.size(x) * 2.0 ** keywords.get("order", 1)
        if case["style"] == "scales" and call.lower() in ("hessian", "hvp"):
            # where coordinates differ by 10^9 in size, one bar in some thousand is too short by 100 times; gross errors show
            terms = 1e11 * np.abs(truth).max(initial=0.0)
        _check_numbers(np.asarray(value), truth, error, terms)


def fair(case, x, keywords):
    """Whether the truth is known, and what f shows at the steps that were asked for is its smooth self."""
    steps = np.asarray(keywords.get("step", 0.0), float)
    if UNTRUE & {name for _, name in case["keywords"].values()}:
        return False
    return case["style"] in FAIR and (steps.size == 0 or steps.max() <= 0.5) and case["make"] != "half"


def _check_numbers(value, truth, error, terms):
    """Ten bars, and the rounding of the terms of f, of some size: where they cancel it is more than f shows, and the truth
    has it too."""
    rounding = 1e-15 * terms
    if not np.isfinite(error).all():
        raise Wrong(f"success with error bars {error!r}")
    off = np.abs(value - truth)
    if not (off <= 10 * error + rounding).all():
        raise Wrong(f"wrong: {value!r} for {truth!r}, with error bars {error!r}")


# --- many of them -------------------------------------------------------------------------------------------------------


def signature(wrong):
    """By what several failures count as one."""
    frames = traceback.extract_tb(wrong.__cause__.__traceback__) if wrong.__cause__ else []
    deepest = next((f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames) if f.filename.startswith(PACKAGE)), "")
    return str(wrong)[:25], deepest


def hunt(number, count, journal):
    """Draw cases and run them; the failures, the shortest case for each."""
    failures, done = {}, [0]

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, derandomize=False, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(cases())
    def each(case):
        done[0] += 1
        journal.seek(0)
        journal.write(f"{case!r}\n")
        journal.truncate()
        journal.flush()
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        try:
            run(case)
        except Wrong as wrong:
            key = signature(wrong)
            if key not in failures or len(repr(case)) < len(repr(failures[key][0])):
                failures[key] = case, str(wrong)
        finally:
            faulthandler.cancel_dump_traceback_later()

    each()
    return failures, done[0]


def main(arguments):
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))  # what asks for too much gets a MemoryError
    if len(arguments) == 1:
        run(ast.literal_eval(arguments[0]))
        return 0
    number, count = map(int, arguments[:2])
    with open(arguments[2], "w") as journal:
        failures, done = hunt(number, count, journal)
    for case, why in failures.values():
        print(f"{why}\n    python tests/hostile.py \"{case!r}\"\n")
    print(f"{done} cases, {len(failures)} kinds of failure, seed {number}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
