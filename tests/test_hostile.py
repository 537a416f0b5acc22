"""Functions that raise, alias, reuse buffers, write where they should not; arrays of every make."""

import re

import numpy as np
import pytest
from marks import compiled_only
from numba import float32, float64, njit, typed, types
from scenarios import as_python

import fastfd
from fastfd.kernels.native import MANY

METHODS = ("adaptive", "forward", "central")
X = np.array([0.5, -1.25, 2.0, 3.0])
WORLDS = pytest.mark.parametrize("world", ["njit", "python"])


def in_world(f, world):
    return f if world == "njit" else as_python(f)


# --- f raises -------------------------------------------------------------------------------------------------------


@njit
def guarded(x):
    """Raises as soon as the third coordinate moves."""
    if x[2] != 2.0:
        raise LookupError("no third coordinate")
    return x * x


class Refused(Exception):
    pass


def refuses(x):
    if x[2] != 2.0:
        raise Refused("not with me")
    return x * x


@pytest.mark.parametrize("parallel", [False, True, None])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("f", "kind", "text"), [
    (guarded, LookupError, "no third coordinate"),
    (as_python(guarded), LookupError, "no third coordinate"),
    (refuses, Refused, "not with me"),
], ids=["njit", "python", "own class"])  # fmt: skip
def test_the_users_exception_comes_out_with_a_note(f, kind, text, method, parallel):
    with pytest.raises(kind, match=text) as caught:
        fastfd.jacobian(f, X, method=method, parallel=parallel)
    assert str(caught.value) == text
    (note,) = caught.value.__notes__
    assert re.search(r"with respect to coordinate 2, at x = array\(\[ 0.5 .*-1.25.*3. .*\]\)", note)


@pytest.mark.parametrize("parallel", [False, True])
def test_after_an_exception_all_is_well(parallel):
    J = fastfd.Jacobian(maybe, parallel=parallel)
    for _ in range(3):
        with pytest.raises(ValueError, match="told to"):
            J(X, True)
        assert np.allclose(J(X, False), np.eye(4), rtol=1e-12, atol=0)


@njit
def maybe(x, fail):
    if fail and x[1] != -1.25:
        raise ValueError("told to")
    return x * 1.0


@njit
def always(x):
    raise ValueError("never works")


@WORLDS
def test_f_raises_at_x(world):
    with pytest.raises(ValueError, match="never works"):
        fastfd.jacobian(in_world(always, world), X)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_interrupts_come_out(interrupt, method):
    def f(x):
        if x[1] != X[1]:
            raise interrupt
        return x * x

    with pytest.raises(interrupt):
        fastfd.jacobian(f, X, method=method)


def test_an_exception_that_does_not_repeat():
    """Raised once: the callable is not asked again, the exception itself comes out."""
    calls = []

    def f(x):
        calls.append(1)
        if len(calls) == 4:
            raise Refused("once")
        return x * x

    with pytest.raises(Refused, match="once"):
        fastfd.jacobian(f, X)


@njit
def divides(x):
    return 1.0 / (x[0] - x[0])


@compiled_only
def test_zero_division_of_njit_code():
    with pytest.raises(ZeroDivisionError):
        fastfd.jacobian(divides, X)


# --- f returns what it was given, or the same memory again ----------------------------------------------------------

BUFFER = np.empty(4)


@njit
def identity(x):
    return x


@njit
def reverse(x):
    return x[::-1]


@njit
def every_other(x):
    return x[::2]


@njit
def through_args(x, buffer):
    buffer[:] = x * x
    return buffer


def through_module(x):
    BUFFER[:] = x * x
    return BUFFER


def through_module_view(x):
    BUFFER[:] = x * x
    return BUFFER[::2]


EYE = np.eye(4)
ALIASES = [
    (identity, (), EYE),
    (as_python(identity), (), EYE),
    (reverse, (), EYE[::-1]),
    (as_python(reverse), (), EYE[::-1]),
    (every_other, (), EYE[::2]),
    (as_python(every_other), (), EYE[::2]),
    (through_args, (np.empty(4),), np.diag(2 * X)),
    (as_python(through_args), (np.empty(4),), np.diag(2 * X)),
    (through_module, (), np.diag(2 * X)),
    (through_module_view, (), np.diag(2 * X)[::2]),
]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("f", "args", "truth"), ALIASES)
def test_aliases(f, args, truth, method, full):
    found = fastfd.jacobian(f, X, args, method=method, full_output=full)
    assert np.allclose(found[0] if full else found, truth, rtol=1e-6, atol=1e-7)


@njit
def spoils(x, kept):
    """Writes over what it has returned before."""
    for old in kept:
        old[:] = -1.0
    out = x * x
    kept.append(out)
    return out


@njit
def in_turns(x, rows, turn):
    """Writes over the row that it returned before, and returns the other."""
    rows[turn[0]] = -1.0
    turn[0] = 1 - turn[0]
    rows[turn[0]] = x * x
    return rows[turn[0]]


CROWD = np.linspace(0.5, 1.5, 3 * MANY)
SQUARES, CROWDED = np.diag(2 * CROWD), np.eye(CROWD.size)
CROWDS = [
    (identity, lambda: (), CROWDED),
    (reverse, lambda: (), CROWDED[::-1]),
    (every_other, lambda: (), CROWDED[::2]),
    (through_args, lambda: (np.empty(CROWD.size),), SQUARES),
    (in_turns, lambda: (np.empty((2, CROWD.size)), np.zeros(1, int)), SQUARES),
    (spoils, lambda: (typed.List([np.empty(CROWD.size)]),), SQUARES),
    (as_python(through_args), lambda: (np.empty(CROWD.size),), SQUARES),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("f", "args", "truth"), CROWDS, ids=lambda value: getattr(value, "__name__", ""))
def test_aliases_of_many_numbers(f, args, truth, method):
    """What f returned at one node waits for the other where it is many numbers: only if nobody else has them."""
    assert np.allclose(fastfd.jacobian(f, CROWD, args(), method=method, parallel=False), truth, rtol=1e-6, atol=1e-7)


@njit
def crowd_of(x):
    return np.sin(x) * x


def test_many_numbers_wait_with_the_same_bits():
    step = 2.0**-12
    J = fastfd.jacobian(crowd_of, CROWD, method="central", step=step)
    for k, column in enumerate(J.T):
        ends = [CROWD.copy(), CROWD.copy()]
        ends[0][k], ends[1][k] = CROWD[k] + step, CROWD[k] - step
        assert np.array_equal(column, (crowd_of(ends[0]) - crowd_of(ends[1])) * (0.5 / step))


def test_aliases_with_the_complex_step():
    assert np.allclose(fastfd.jacobian(reverse, X, method="complex"), EYE[::-1], rtol=1e-14, atol=0)


# --- f changes its argument -----------------------------------------------------------------------------------------


@njit
def doubles_it(x):
    x *= 2.0
    return x * 1.0


@njit
def clips_the_last(x):
    x[-1] = min(x[-1], 1.0)
    return x * 1.0


@njit
def sorts(x):
    x.sort()
    return x * 1.0


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("method", [*METHODS, "backward"])
@pytest.mark.parametrize("f", [doubles_it, clips_the_last, sorts])
@WORLDS
def test_f_changes_its_argument(world, f, method, parallel):
    x = X.copy()
    with pytest.raises(ValueError, match=r"f changes its argument x in place; let it work on a copy"):
        fastfd.jacobian(in_world(f, world), x, method=method, parallel=parallel)
    assert np.array_equal(x, X)


@njit
def spoils_a_later_one(x, now):
    if now and x[0] != 0.5:
        x[2] = 0.0
    return x * x


@njit
def spoils_an_earlier_one(x, now):
    if now and x[3] != 3.0:
        x[1] = 7.0
    return x * x


@njit
def total_later(x, now):
    return np.sum(spoils_a_later_one(x, now) ** 2)


@njit
def total_earlier(x, now):
    return np.sum(spoils_an_earlier_one(x, now) ** 2)


SPOILED = [
    (fastfd.Jacobian, spoils_a_later_one), (fastfd.Jacobian, spoils_an_earlier_one),
    (fastfd.Gradient, total_later), (fastfd.Gradient, total_earlier),
    (fastfd.Hessian, total_later), (fastfd.Hessian, total_earlier),
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("operator", "f"), SPOILED)
@WORLDS
def test_f_changes_a_coordinate_that_does_not_move(world, operator, f, method):
    """It is moved itself later on, or was before; all columns in one go, for their cost is known."""
    D = operator(in_world(f, world), method=method)
    for _ in range(3):
        D(X, False)
    with pytest.raises(ValueError, match="f changes its argument"):
        D(X, True)


def test_f_changes_its_argument_complex_step():
    with pytest.raises(ValueError, match="f changes its argument x in place"):
        fastfd.jacobian(doubles_it, X, method="complex")


@WORLDS
def test_f_changes_its_argument_in_a_later_call(world):
    J = fastfd.Jacobian(in_world(doubles_if, world))
    assert np.allclose(J(X, False), EYE)
    with pytest.raises(ValueError, match="f changes its argument"):
        J(X, True)


@njit
def doubles_if(x, now):
    if now:
        x *= 2.0
    return x * 1.0


# --- signatures and precisions --------------------------------------------------------------------------------------


@njit(float64[:](float64[:]))
def declared(x):
    return np.sin(x)


@njit([float64[:](types.Array(float64, 1, "C", readonly=True)), float64[:](float64[:])])
def declared_readonly(x):
    return np.sin(x)


@njit(float64[::1](float64[::1]))
def declared_contiguous(x):
    return np.sin(x)


@njit(float64[:](types.Array(float64, 1, "A", readonly=True)))
def only_readonly(x):
    return np.sin(x)


@njit([float32[:](float32[:]), float64[:](float64[:])])
def declared_twice(x):
    return np.sin(x)


@pytest.mark.parametrize(
    "f", [declared, declared_readonly, declared_contiguous, only_readonly, declared_twice], ids=lambda f: f.__name__
)
def test_explicit_signatures(f):
    assert np.allclose(fastfd.jacobian(f, X), np.diag(np.cos(X)), rtol=1e-12, atol=0)
    assert np.allclose(fastfd.Jacobian(f)(X.tolist()), np.diag(np.cos(X)), rtol=1e-12, atol=0)


@njit(float32[:](float32[:]))
def declared_single(x):
    return np.sin(x)


@njit(float64[:](float32[:]))
def single_in(x):
    return np.sin(x).astype(np.float64)


@njit
def single_out(x):
    return np.sin(x).astype(np.float32)


@njit
def single_within(x):
    return np.sin(x.astype(np.float32)).astype(np.float64)


@njit(float32(float32))
def single_number(x):
    return np.sin(x)


SINGLES = ["both", "in", "out", "python"]
#: The best fixed step reaches u^(2/3) = 1.5e-5 and u^(1/2) = 2.4e-4 in single precision.
SINGLE_LIMITS = {"adaptive": 1e-5, "central": 1e-4, "forward": 2e-3}


@pytest.mark.parametrize("method", SINGLE_LIMITS)
@pytest.mark.parametrize("f", [declared_single, single_in, single_out, as_python(single_out)], ids=SINGLES)
def test_single_precision(f, method):
    J, info = fastfd.jacobian(f, X, method=method, full_output=True)
    error = np.abs(J - np.diag(np.cos(X)))
    assert error.max() < SINGLE_LIMITS[method]
    assert (error <= info.error).all() and info.error.max() < 20 * SINGLE_LIMITS[method]


def test_single_precision_that_does_not_show():
    """Doubles outside, single within: only the search can notice."""
    J, info = fastfd.jacobian(single_within, X, full_output=True)
    error = np.abs(J - np.diag(np.cos(X)))
    assert (error <= info.error).all()
    assert error.max() < SINGLE_LIMITS["central"]  # no worse than a step that is chosen for single precision


@pytest.mark.parametrize("method", SINGLE_LIMITS)
def test_single_precision_of_one_number(method):
    d, info = fastfd.jacobian(single_number, 0.5, method=method, full_output=True)
    assert abs(d - np.cos(0.5)) < min(SINGLE_LIMITS[method], info.error)


@pytest.mark.parametrize("seed", range(8))
def test_single_precision_is_covered_at_many_points(seed):
    x = np.random.default_rng(seed).uniform(-3, 3, 20)
    J, info = fastfd.jacobian(single_out, x, full_output=True)
    assert np.mean(np.abs(J - np.diag(np.cos(x))).diagonal() <= info.error.diagonal()) >= 0.95


# --- what f may return ----------------------------------------------------------------------------------------------


@njit
def number_0d(x):
    return np.array(x[0] * x[1])


@njit
def fortran(x):
    return np.asfortranarray(np.outer(x[:2], x[:3]))


@njit
def integers(x):
    return np.array([1, 2])


@njit
def bools(x):
    return x > 0


@njit
def mixed_tuple(x):
    return x[0] * x[1], 3, True


@njit
def list_of_int(x):
    return [1, 2, 3]


@njit
def complex_single(x):
    return np.exp(1j * x[:2]).astype(np.complex64)


def _outer(x):
    J = np.zeros((2, 3, 4))
    for i in range(2):
        for j in range(3):
            J[i, j, i] += x[j]
            J[i, j, j] += x[i]
    return J


FIRST = np.array([X[1], X[0], 0, 0])
RESULTS = [
    (number_0d, FIRST, 1e-11),
    (fortran, _outer(X), 1e-11),
    (integers, np.zeros((2, 4)), 0.0),
    (bools, np.zeros((4, 4)), 0.0),
    (mixed_tuple, np.stack([FIRST, 0 * FIRST, 0 * FIRST]), 1e-11),
    (list_of_int, np.zeros((3, 4)), 0.0),
    (complex_single, 1j * np.diag(np.exp(1j * X))[:2], 1e-5),
]


@pytest.mark.parametrize(("f", "truth", "limit"), RESULTS, ids=[f.__name__ for f, *_ in RESULTS])
@WORLDS
def test_results_of_every_kind(f, truth, limit, world):
    J, info = fastfd.jacobian(in_world(f, world), X, full_output=True)
    assert J.shape == truth.shape and np.iscomplexobj(J) == np.iscomplexobj(truth)
    error = np.abs(J - truth)
    assert error.max() <= limit and (error <= info.error).all()


# --- x of every make ------------------------------------------------------------------------------------------------


@njit
def weighted(x):
    total = np.zeros(2)
    flat = np.ascontiguousarray(x).reshape(-1)
    for i in range(flat.size):
        total[0] += (i + 1) * flat[i] ** 2
        total[1] += np.sin(flat[i])
    return total


def _frozen(x):
    x = x.copy()
    x.flags.writeable = False
    return x


MAKES = {
    "list": lambda x: x.tolist(),
    "read-only": _frozen,
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "reversed": lambda x: x[..., ::-1].copy()[..., ::-1],
    "Fortran": np.asfortranarray,
    "big-endian": lambda x: x.astype(">f8"),
    "single": lambda x: x.astype(np.float32),
    "long double": lambda x: x.astype(np.longdouble),
    "integers": lambda x: x.astype(int),
    "subclass": lambda x: x.view(type("Mine", (np.ndarray,), {})),
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view("f8").reshape(x.shape),
}


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("shape", [(6,), (2, 3)])
@WORLDS
def test_x_of_every_make(make, shape, world):
    f, base = in_world(weighted, world), np.arange(1.0, 7.0).reshape(shape)
    x = MAKES[make](base)
    before = np.array(x)
    J = fastfd.jacobian(f, x)
    assert np.array_equal(J, fastfd.jacobian(f, base)) and J.shape == (2, *shape)
    assert np.array_equal(np.array(x), before)


@njit
def stretched(x, w):
    return w * x


@pytest.mark.parametrize("make", ["read-only", "strided", "Fortran", "single"])
def test_args_of_every_make(make):
    w = MAKES[make](np.array([1.0, 2.0, 3.0, 4.0]))
    assert np.allclose(fastfd.jacobian(stretched, X, (w,)), np.diag(w), rtol=1e-12, atol=0)
    assert np.array_equal(w, [1.0, 2.0, 3.0, 4.0])


# --- arguments: defaults, stars, new types --------------------------------------------------------------------------


@njit
def many_defaults(x, a=2.0, b=3):
    return a * x**b


@njit
def after_one(x, a, *rest):
    return a * x[0] + rest[0] * x[1] + len(rest)


@njit
def only_star(x, *rest):
    return len(rest) * x


@njit
def star_in_place(x, out, *rest):
    out[0] = rest[0] * x[0]


@WORLDS
def test_default_arguments(world):
    f = in_world(many_defaults, world)
    for args, slope in (((), 24.0), ((1.0,), 12.0), ((1.0, 2), 4.0)):
        assert abs(fastfd.jacobian(f, 2.0, args) - slope) < 1e-10
        assert abs(fastfd.Jacobian(f)(2.0, *args) - slope) < 1e-10


@WORLDS
def test_star_arguments(world):
    f = in_world(after_one, world)
    assert np.allclose(fastfd.jacobian(f, X[:2], (2.0, 3.0, 4)), [2.0, 3.0], rtol=1e-12)
    assert np.allclose(fastfd.jacobian(f, X[:2], (2, 3.0)), [2.0, 3.0], rtol=1e-12)


@WORLDS
@pytest.mark.parametrize("count", [0, 1, 3])
def test_star_arguments_of_any_number(world, count):
    J = fastfd.Jacobian(in_world(only_star, world))
    assert np.allclose(J(X, *range(count)), count * EYE, rtol=1e-12, atol=0)


@WORLDS
def test_star_arguments_in_place(world):
    J = fastfd.jacobian(in_world(star_in_place, world), X[:1], (3.0,), out_size=1)
    assert np.allclose(J, [[3.0]], rtol=1e-12)


@WORLDS
@pytest.mark.parametrize("method", METHODS)
def test_new_types_of_args_after_preparation(world, method):
    J = fastfd.Jacobian(in_world(stretched, world), method=method)
    for w in (2, 2.5, np.arange(1.0, 5.0), np.float32(1.5), True, 2, np.arange(1, 5), (2 * np.ones(8))[::2]):
        assert np.allclose(J(X, w), np.diag(w * np.ones(4)), rtol=1e-6, atol=1e-7)


@njit
def residual(p, t, y):
    return p[0] * np.exp(-p[1] * t) - y


@WORLDS
@pytest.mark.parametrize("method", METHODS)
def test_new_lengths_of_args_after_preparation(world, method):
    J, p = fastfd.Jacobian(in_world(residual, world), method=method), np.array([2.0, 0.5])
    for m in (5, 8, 3, 1, 3):
        t = np.linspace(0, 1, m)
        truth = np.stack([np.exp(-0.5 * t), -2 * t * np.exp(-0.5 * t)], 1)
        assert np.allclose(J(p, t, 1 + t), truth, rtol=1e-6, atol=1e-6)


@WORLDS
def test_new_shapes_of_x_after_preparation(world):
    J = fastfd.Jacobian(in_world(stretched, world))
    for shape in ((2,), (3,), (2, 2), (), (2,), (1, 2, 2)):
        n = int(np.prod(shape))
        assert np.allclose(J(np.ones(shape), 3.0).reshape(n, n), 3 * np.eye(n), rtol=1e-12, atol=0)


@njit
def grid(x, rows, columns):
    return np.ones((rows, columns)) * x[0]


@WORLDS
def test_new_shapes_of_results_with_as_many_entries(world):
    J = fastfd.Jacobian(in_world(grid, world))
    for shape in ((2, 6), (3, 4), (6, 2)):
        assert J([1.0], *shape).shape == (*shape, 1)


@compiled_only
def test_values_of_arguments_do_not_compile_again():
    J = fastfd.Jacobian(stretched)
    J(X, 1.25)
    before = len(stretched.overloads)
    for w in np.linspace(1, 2, 5):
        J(X, float(w))
    assert len(stretched.overloads) == before
