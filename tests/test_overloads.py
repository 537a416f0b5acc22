"""The operators inside njit code: the same numbers as from Python, in threads, from disk, and when things go wrong."""

import warnings

import numpy as np
import pytest
from marks import compiled_only
from numba import cfunc, njit, prange
from numba.core.errors import NumbaExperimentalFeatureWarning, TypingError
from scenarios import SCENARIOS, X3, X23, polar, quadratic, rosenbrock
from surfaces import vanishing

import fastfd

pytestmark = compiled_only

FIELDS = "error", "step", "nfev", "status", "success"


def assert_same(inside, outside):
    """Bit for bit, error bars and all."""
    value, info = inside
    expected, told = outside
    assert np.array_equal(value, expected, equal_nan=True), (value, expected)
    assert np.shape(value) == np.shape(expected)
    for field in FIELDS:
        mine, theirs = getattr(info, field), getattr(told, field)
        assert np.array_equal(mine, theirs, equal_nan=True) and np.shape(mine) == np.shape(theirs), (field, mine, theirs)


def caller(operator, f, **constants):
    """An njit function ``(x, args)`` that calls an operator."""
    code = ", ".join(f"{name}={value!r}" for name, value in constants.items())
    space = {"fastfd": fastfd, "f": f}
    exec(f"def call(x, args): return fastfd.{operator}(f, x, args=args, full_output=True, {code})", space)
    return njit(space["call"])


def along(operator, f, **constants):
    """An njit function ``(x, v, args)``."""
    code = ", ".join(f"{name}={value!r}" for name, value in constants.items())
    space = {"fastfd": fastfd, "f": f}
    exec(f"def call(x, v, args): return fastfd.{operator}(f, x, v, args=args, full_output=True, {code})", space)
    return njit(space["call"])


def as_njit_takes(x):
    return float(x) if np.ndim(x) == 0 else np.asarray(x, float)


def sized(scenario):
    return {} if scenario.out_size is None else {"out_size": scenario.out_size}


@pytest.mark.parametrize("method", ["adaptive", "central", "forward"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_jacobian(scenario, method):
    x = as_njit_takes(scenario.x)
    inside = caller("jacobian", scenario.f, method=method, **sized(scenario))(x, scenario.args)
    outside = fastfd.jacobian(scenario.f, x, scenario.args, method=method, full_output=True, **sized(scenario))
    assert_same(inside, outside)


NUMBERS = [s for s in SCENARIOS if s.shape == () and np.size(s.x)]


@pytest.mark.parametrize("scenario", NUMBERS, ids=lambda s: s.name)
def test_gradient(scenario):
    x = as_njit_takes(scenario.x)
    inside = caller("gradient", scenario.f)(x, scenario.args)
    assert_same(inside, fastfd.gradient(scenario.f, x, scenario.args, full_output=True))


@pytest.mark.parametrize("method", ["adaptive", "central", "backward"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivative(order, method):
    @njit
    def wave(x, a):
        return np.sin(a * x) * np.exp(x)

    call = caller("derivative", wave, order=order, method=method)
    for x in (0.7, X23, np.empty(0)):
        inside, outside = call(x, (2.0,)), fastfd.derivative(wave, x, (2.0,), order=order, method=method, full_output=True)
        if order == 3 and method != "adaptive":  # NumPy's power is not the product in the last bit
            np.testing.assert_allclose(inside[1].error, outside[1].error, rtol=1e-14)
            inside = inside[0], inside[1]._replace(error=outside[1].error)
        assert_same(inside, outside)


TWICE = [s for s in SCENARIOS if s.hessian is not None]


@pytest.mark.parametrize("method", ["adaptive", "central"])
@pytest.mark.parametrize("scenario", TWICE, ids=lambda s: s.name)
def test_hessian(scenario, method):
    x = as_njit_takes(scenario.x)
    inside = caller("hessian", scenario.f, method=method)(x, scenario.args)
    assert_same(inside, fastfd.hessian(scenario.f, x, scenario.args, method=method, full_output=True))


@pytest.mark.parametrize("method", ["central", "forward"])
@pytest.mark.parametrize("case", vanishing(20261126, 1), ids=lambda case: case.name)
def test_bars_where_f_vanishes(case, method):
    """They are made of the slopes of f then, in both worlds alike."""
    more, v = {"method": method, "full_output": True}, np.cos(1.0 + np.arange(case.x.size))
    for name in ("gradient", "hessian"):
        outside = getattr(fastfd, name)(case.f, case.x, case.args, **more)
        assert_same(caller(name, case.f, method=method)(case.x, case.args), outside)
    for name in ("jvp", "hvp"):
        outside = getattr(fastfd, name)(case.f, case.x, v, case.args, **more)
        assert_same(along(name, case.f, method=method)(case.x, v, case.args), outside)


@pytest.mark.parametrize("method", ["adaptive", "central"])
@pytest.mark.parametrize("f, x, args", [(rosenbrock, [-1.2, 1.0], ()), (quadratic, X3, (np.eye(3), X3))])
def test_products(f, x, args, method):
    x = np.array(x)
    for v in (np.linspace(-2.0, 1.0, x.size), 0 * x):
        for operator in ("jvp", "hvp"):
            outside = getattr(fastfd, operator)(f, x, v, args, method=method, full_output=True)
            product = along(operator, f, method=method)
            assert_same(product(x, v, args), outside)
            assert_same(product(x, np.repeat(v, 2)[::2], args), outside)


# --- keywords -------------------------------------------------------------------------------------------------------


@njit
def with_keywords(x, step, lower, rtol, noise):
    return (
        fastfd.jacobian(polar, x, step=step, rtol=rtol, noise=noise, full_output=True),
        fastfd.jacobian(polar, x, bounds=(lower, None), method="central", accuracy=4, full_output=True),
        fastfd.jvp(polar, x, x, bounds=(lower, 3.0), full_output=True),
        fastfd.hvp(rosenbrock, x, x, bounds=(lower, np.inf), method="central", step=1e-3, full_output=True),
        fastfd.hessian(rosenbrock, x, bounds=(lower, 3.0), rtol=1e-8, full_output=True),
    )


def test_keywords():
    """Numbers, arrays and None for steps and bounds; a bound at x itself."""
    x = np.array([2.0, 0.5])
    step, lower = np.array([0.1, 0.2]), np.array([2.0, -1.0])
    found = with_keywords(x, step, lower, 1e-9, 1e-14)
    more = {"full_output": True}
    expected = (
        fastfd.jacobian(polar, x, step=step, rtol=1e-9, noise=1e-14, **more),
        fastfd.jacobian(polar, x, bounds=(lower, None), method="central", accuracy=4, **more),
        fastfd.jvp(polar, x, x, bounds=(lower, 3.0), **more),
        fastfd.hvp(rosenbrock, x, x, bounds=(lower, np.inf), method="central", step=1e-3, **more),
        fastfd.hessian(rosenbrock, x, bounds=(lower, 3.0), rtol=1e-8, **more),
    )
    for inside, outside in zip(found, expected):
        assert_same(inside, outside)


WIDE = fastfd.Stencil((-2, -1, 0.5, 1, 3))


def test_a_stencil_of_ones_own():
    @njit
    def call(x):
        return fastfd.jacobian(polar, x, method=WIDE, full_output=True)

    x = np.array([2.0, 0.5])
    assert_same(call(x), fastfd.jacobian(polar, x, method=WIDE, full_output=True))


def test_points_of_any_kind():
    """Integers, single precision, strides, columns first, read only: each as from Python, and x stays as it is."""
    frozen = X23.copy()
    frozen.flags.writeable = False
    f = SCENARIOS[7].f

    @njit
    def call(x):
        return fastfd.gradient(f, x, method="central")

    strided, whole = np.tile(X23, (2, 2))[::2, ::2], np.arange(6).reshape(2, 3)
    for x in (X23, X23.astype(np.float32), np.asfortranarray(X23), strided, frozen, whole):
        before = x.copy()
        assert np.array_equal(call(x), fastfd.gradient(f, x, method="central"))
        assert np.array_equal(x, before)


def rejected(text, **names):
    """The message of the TypingError that compiling an expression in ``x`` gives."""
    space = {"fastfd": fastfd, "f": rosenbrock, **names}
    exec(f"def call(x, more): return {text}", space)
    with pytest.raises(TypingError) as caught:
        njit(space["call"])(np.ones(2), 3)
    return str(caught.value)


@pytest.mark.parametrize("text, message", [
    ("fastfd.gradient(f, x, parallel=True)", "call it from your own prange"),
    ("fastfd.gradient(f, x, workers=2)", "fastfd.gradient takes no workers in njit code"),
    ("fastfd.hessian(f, x, sparsity=x)", "fastfd.hessian takes no sparsity in njit code"),
    ("fastfd.gradient(f, x, method='complex')", "method='complex' is for calls from Python"),
    ("fastfd.gradient(f, x, method='centre')", "method must be one of"),
    ("fastfd.gradient(f, x, method='central', accuracy=3)", "accuracy must be even"),
    ("fastfd.gradient(f, x, method='central', accuracy=more)", "accuracy decides what is compiled: write it out as a constant"),
    ("fastfd.gradient(f, x, method='central', rtol=1e-3)", "rtol has no meaning with method='central'"),
    ("fastfd.gradient(f, x, full_output=more > 0)", "full_output decides what is compiled"),
    ("fastfd.derivative(f, x, order=11)", "order must be an integer from 1 to 10"),
    ("fastfd.gradient(f, x, 3.0)", "args must be a tuple"),
    ("fastfd.gradient(f, x, bounds=1.0)", "bounds must be a pair"),
    ("fastfd.gradient(f, x, step='small')", "step must be a number or an array"),
    ("fastfd.gradient(f, 'here')", "x must be a real number or an array"),
    ("fastfd.gradient(3, x)", "f must be an njit function"),
])  # fmt: skip
def test_what_cannot_work_is_said_when_it_compiles(text, message):
    assert message in rejected(text)


@njit
def noisy_paraboloid(x):
    return x[0] ** 2 + 3.0 * x[0] * x[1] + 1e-6 * np.sin(1e9 * x[0] + 1e8 * x[1])


@njit
def curvatures(x, v, noise):
    matrix, info = fastfd.hessian(noisy_paraboloid, x, noise=noise, full_output=True)
    return matrix, info.error, fastfd.hvp(noisy_paraboloid, x, v, noise=noise)


def test_a_known_noise_in_second_derivatives():
    """Steps long enough for it, and the bits that Python has."""
    x, v = np.array([0.7, -0.4]), np.array([1.0, 2.0])
    matrix, error, product = curvatures(x, v, 1e-6)
    assert (np.abs(matrix - [[2.0, 3.0], [3.0, 0.0]]) <= error).all() and error.max() < 0.1
    assert np.array_equal(matrix, fastfd.hessian(noisy_paraboloid, x, noise=1e-6))
    assert np.array_equal(product, fastfd.hvp(noisy_paraboloid, x, v, noise=1e-6))


# --- when things go wrong -------------------------------------------------------------------------------------------


class Refusal(Exception):
    pass


@njit
def refuses(x, limit):
    if x[0] > limit:
        raise Refusal("too far")
    return x[0] * x[1]


@njit
def mutates(x):
    x[0] += 1.0
    return x[0]


@njit
def varies(x):
    return x[: 1 + (x[0] > 1.0)]


@njit
def many(x):
    return x * 2.0


@njit
def guarded(x, limit):
    try:
        return fastfd.gradient(refuses, x, (limit,))
    except Exception:
        return np.full(x.size, -1.0)


@njit
def one_of(which, x, v, bounds, step):
    if which == 0:
        return fastfd.gradient(refuses, x, (1.05,))
    if which == 1:
        return fastfd.gradient(mutates, x)
    if which == 2:
        return fastfd.gradient(many, x)
    if which == 3:
        return fastfd.gradient(rosenbrock, x, bounds=(bounds[0], bounds[1]))
    if which == 4:
        return fastfd.gradient(rosenbrock, x, step=step)
    return fastfd.jvp(many, x, v)


def test_what_goes_wrong_at_run_time_is_raised():
    x, nan, far = np.ones(2), np.array([np.nan, 1.0]), np.array([0.0, 9.0])
    with pytest.raises(Refusal, match="too far"):
        one_of(0, x, x, far, 0.1)
    for which, where, v, bounds, step, message in [
        (1, x, x, far, 0.1, "f changes its argument x in place"),
        (2, x, x, far, 0.1, "f must return one number; use jacobian"),
        (3, x, x, (2.0, 3.0), 0.1, "x is outside"),
        (3, x, x, (3.0, 2.0), 0.1, "lower > upper"),
        (3, x, x, (1.0, 1.0), 0.1, "no room to move"),
        (3, nan, x, far, 0.1, "x must be finite|x is outside"),
        (4, x, x, far, -1.0, "step must be positive"),
        (5, x, np.ones(3), far, 0.1, "v must have the shape of x"),
        (5, x, nan, far, 0.1, "v must be finite"),
        (5, x, 1e-300 * x, far, 0.1, "v must be finite, and zero or with its largest entry between"),
    ]:
        with pytest.raises(ValueError, match=message):
            one_of(which, where, v, np.array(bounds), step)
    assert np.array_equal(x, np.ones(2))


def test_a_result_of_another_length_is_an_error():
    @njit
    def call(x):
        return fastfd.jacobian(varies, x)

    with pytest.raises(ValueError, match="one shape"):
        call(np.ones(2))


def test_njit_code_may_catch_what_f_raises():
    assert np.array_equal(guarded(np.ones(2), 1.05), [-1.0, -1.0])
    np.testing.assert_allclose(guarded(np.ones(2), 9.0), [1.0, 1.0], rtol=1e-12)


# --- where f comes from -----------------------------------------------------------------------------------------------


@njit
def apply(f, x):
    return fastfd.gradient(f, x)


@njit("float64(float64[::1])")
def declared(x):
    return x[0] * np.exp(x[1])


@njit
def from_within(x):
    def inner(y):
        return y[0] * np.exp(y[1])

    return fastfd.gradient(inner, x)


@njit
def chosen(functions, x):
    total = np.zeros(x.size)
    for f in functions:
        total += fastfd.gradient(f, x)
    return total


def test_functions_as_arguments_values_and_within():
    """An argument, a function inside the function, one of several in a tuple, which are values without a type of their own."""
    x = np.array([2.0, 0.5])
    expected = fastfd.gradient(declared, x)
    assert np.array_equal(apply(declared, x), expected)
    assert np.array_equal(from_within(x), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaExperimentalFeatureWarning)
        both = chosen((declared, declared_too), x)
    assert np.array_equal(both, expected + fastfd.gradient(declared_too, x))


def test_a_function_value_that_cannot_be_called_is_said_to_be_one():
    @cfunc("float64(float64)")
    def square(x):
        return x * x

    @njit
    def call(f, x):
        return fastfd.derivative(f, x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaExperimentalFeatureWarning)
        with pytest.raises(TypeError, match="hand over an njit function"):
            call(square, 2.0)


@njit
def slope(x):
    return fastfd.gradient(rosenbrock, x)


def test_a_derivative_of_a_derivative():
    """From Python and in njit code: a kernel in a function that a kernel calls."""

    @njit
    def call(x):
        return fastfd.jacobian(slope, x, method="central", step=1e-3)

    x = np.array([-1.2, 1.0])
    assert np.array_equal(call(x), fastfd.jacobian(slope, x, method="central", step=1e-3))
    np.testing.assert_allclose(call(x), fastfd.hessian(rosenbrock, x), rtol=1e-5)


@njit("float64(float64[::1])")
def declared_too(x):
    return x[0] * x[1]


# --- threads, disk, memory ------------------------------------------------------------------------------------------


@njit(parallel=True)
def at_all(points, out):
    for i in prange(points.shape[0]):
        out[i] = fastfd.gradient(rosenbrock, points[i])


def test_in_a_prange():
    points = np.random.default_rng(3).normal(size=(500, 2))
    out = np.empty_like(points)
    at_all(points, out)
    assert np.array_equal(out, [fastfd.gradient(rosenbrock, x) for x in points])


MODULE = """
import numpy as np
from numba import njit
import fastfd

@njit(cache=True)
def f(x, a):
    return np.array([a * x[0] * x[1], np.sin(x[1]), x[0]])

@njit(cache=True)
def solve(x):
    J, info = fastfd.jacobian(f, x, args=(2.0,), full_output=True)
    return J, info.success

@njit(cache=True)
def outer(x):
    return solve(x)[0] + fastfd.jacobian(f, x, args=(2.0,), method="central")
"""


def test_loads_from_disk_in_the_next_process(child, tmp_path):
    """Code compiled with other sources of fastfd is not taken from there."""
    (tmp_path / "users.py").write_text(MODULE)
    script = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
import numpy as np, users
x = np.array([2.0, 0.5])
print(users.outer(x).tolist())
hits = lambda function: sum(function.stats.cache_hits.values())
print(hits(users.outer))
from users import fastfd
assert np.array_equal(users.outer(x), users.solve(x)[0] + fastfd.jacobian(users.f, x, (2.0,), method="central"))
"""
    first, second = child(script).splitlines(), child(script).splitlines()
    assert first[1] == "0" and second[1] == "1"
    assert first[0] == second[0]
    stale = "import fastfd.kernels.embedded as embedded\nembedded.house_stamp = lambda: 'other sources'\n" + script
    assert child(stale).splitlines()[:2] == first


@pytest.mark.parametrize("method", ["adaptive", "central", "forward"])
def test_comes_before_all_calls_from_python(child, method):
    """Parts of kernels, whose arguments LLVM has changed, must not be taken for parts of the same name in what Python calls."""
    script = f"""
import numpy as np
from numba import njit
import fastfd
from scenarios import rosenbrock

@njit
def inside(x):
    return fastfd.gradient(rosenbrock, x, method={method!r}, full_output=True)

x = np.array([2.0, 0.5])
mine, info = inside(x)
value, told = fastfd.gradient(rosenbrock, x, method={method!r}, full_output=True)
assert np.array_equal(mine, value) and np.array_equal(info.error, told.error)
"""
    child(script)


def test_allocates_the_result_and_one_workspace(child):
    script = """
import numpy as np
from numba import njit
from numba.core.runtime import _nrt_python as nrt
import fastfd
from scenarios import rosenbrock, in_place

@njit
def calls(x, times):
    for _ in range(times):
        fastfd.gradient(rosenbrock, x)
        fastfd.gradient(rosenbrock, x, method="central")
        fastfd.jacobian(in_place, x, args=(3.0,), out_size=3)

def counted(times):
    before, freed = nrt.memsys_get_stats_alloc(), nrt.memsys_get_stats_free()
    calls(x, times)
    return nrt.memsys_get_stats_alloc() - before, nrt.memsys_get_stats_free() - freed

x = np.ones(2)
calls(x, 1)
nrt.memsys_enable_stats()
handed_over = counted(0)  # x itself
print(*(many - none for many, none in zip(counted(100), handed_over)))
"""
    assert child(script).split() == ["600", "600"]


def test_interpreted(child):
    """Without a compiler the same text is Python, and calls the operator from there."""
    script = """
import numpy as np
from numba import njit
import fastfd

@njit
def f(x):
    return x[0] * x[1]

@njit
def newton(x):
    g, info = fastfd.gradient(f, x, full_output=True)
    return g, info.success

print(newton(np.array([2.0, 3.0])))
"""
    assert child(script, NUMBA_DISABLE_JIT="1") == "(array([3., 2.]), True)\n"
