"""What is wrong with the input is said, in one sentence that names it."""

import numpy as np
import pytest
from marks import compiled_only
from numba import njit
from scenarios import as_python
from scipy.optimize import Bounds

import fastfd
from fastfd.kernels.extrapolate import CONVERGED, DOMAIN

METHODS = ("adaptive", "forward", "backward", "central", "complex")
X2 = np.array([1.0, 2.0])


@njit
def product(x):
    return x[0] * x[1]


@njit
def scaled(x, a):
    return a * x


def both(f):
    return pytest.mark.parametrize("f", [f, as_python(f)], ids=["njit", "python"])


# --- keywords -------------------------------------------------------------------------------------------------------

KEYWORDS = [
    ({"method": "centred"}, "method must be one of adaptive, forward"),
    ({"method": 3}, "method must be one of"),
    ({"method": fastfd.Stencil((-1, 0, 1), 2)}, "Stencil for derivatives of order 2"),
    ({"method": "central", "accuracy": 3}, "accuracy must be even for method='central', got 3"),
    ({"method": "central", "accuracy": 0}, "accuracy must be an integer from 1 to 100"),
    ({"method": "forward", "accuracy": 1.5}, "accuracy must be an integer from 1 to 100"),
    ({"accuracy": 4}, "accuracy has no meaning with method='adaptive'"),
    ({"method": "complex", "accuracy": 2}, "accuracy has no meaning with method='complex'"),
    ({"method": "complex", "step": 1e-3}, "step has no meaning with method='complex'"),
    ({"method": "central", "rtol": 1e-3}, "rtol has no meaning with method='central'"),
    ({"rtol": 0.0}, "rtol must be a number between 0 and 1"),
    ({"rtol": 1.0}, "rtol must be a number between 0 and 1"),
    ({"rtol": -1e-9}, "rtol must be a number between 0 and 1"),
    ({"rtol": np.nan}, "rtol must be a number between 0 and 1"),
    ({"rtol": "tight"}, "rtol must be a number between 0 and 1"),
    ({"parallel": "yes"}, "parallel must be None, True or False"),
    ({"step": 0.0}, "step must be positive and finite"),
    ({"step": -1e-3}, "step must be positive and finite"),
    ({"step": [1e-3, np.nan]}, "step must be positive and finite"),
    ({"step": "small"}, "step must be a number or an array of numbers"),
    ({"step": [1e-3, 1e-3, 1e-3]}, r"step must be a number or have the shape of x, \(2,\), got shape \(3,\)"),
    ({"out_size": -1}, "out_size must be the number of results"),
    ({"out_size": 1.5}, "out_size must be the number of results"),
    ({"bounds": 3.0}, r"bounds must be a pair \(lower, upper\)"),
    ({"bounds": (0.0, 1.0, 2.0)}, r"bounds must be a pair \(lower, upper\)"),
    ({"bounds": ([0.0, 0.0, 0.0], 9.0)}, r"bounds must be numbers or arrays of the shape of x, \(2,\)"),
    ({"bounds": ("low", "high")}, "bounds must be numbers or arrays"),
    ({"bounds": (3.0, 0.0)}, "bounds do not hold at coordinate 0: lower > upper"),
    ({"bounds": (np.nan, 9.0)}, "bounds do not hold at coordinate 0"),
    ({"bounds": ([0.0, 2.5], 9.0)}, "coordinate 1: x below lower"),
    ({"bounds": (0.0, [9.0, 1.5])}, "coordinate 1: x above upper"),
    ({"bounds": Bounds([0.0, 0.0], [9.0, 1.5])}, "coordinate 1: x above upper"),
    ({"bounds": ([0.0, 2.0], [9.0, 2.0])}, "no room to move coordinate 1 from 2.0"),
    ({"bounds": ([0.0, 2.0], [9.0, 2.0]), "method": "central"}, "no room to move coordinate 1 from 2.0"),
]


@pytest.mark.parametrize(("keywords", "message"), KEYWORDS, ids=[str(k) for k, _ in KEYWORDS])
@pytest.mark.parametrize("operator", [fastfd.jacobian, fastfd.gradient])
def test_keywords(operator, keywords, message):
    with pytest.raises(ValueError, match=message):
        operator(product, X2, **keywords)


@pytest.mark.parametrize("method", METHODS)
def test_x_outside_bounds_for_every_method(method):
    with pytest.raises(ValueError, match="x above upper"):
        fastfd.jacobian(product, X2, method=method, bounds=(0.0, 1.5))


def test_unknown_keyword():
    with pytest.raises(TypeError, match="unexpected keyword argument 'epsilon'"):
        fastfd.jacobian(product, X2, epsilon=1e-3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'epsilon'"):
        fastfd.Jacobian(product, epsilon=1e-3)


# --- x, v, args -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", ["ab", [1j, 2.0], [object(), object()], [None, 1.0], np.array(["a", "b"])])
def test_x_of_another_kind(x):
    with pytest.raises(TypeError, match="x must be real numbers"):
        fastfd.jacobian(product, x)


def test_x_ragged():
    with pytest.raises(ValueError, match="x must be an array of real numbers"):
        fastfd.jacobian(product, [[1.0], [1.0, 2.0]])


@njit
def bounded(x):
    """Finite even where x is not."""
    return np.array([np.arctan(x[1].real), 1.0]) + 0 * x[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["adaptive", "forward", "backward", "central"])
@both(bounded)
def test_x_not_finite(f, method, bad):
    with pytest.raises(ValueError, match=r"x must be finite, but x\[1\] is"):
        fastfd.jacobian(f, [1.0, bad], method=method)


@pytest.mark.parametrize("operator", [fastfd.jacobian, fastfd.gradient])
def test_x_not_finite_complex_step(operator):
    with pytest.raises(ValueError, match=r"x must be finite, but x\[1\] is nan"):
        operator(product, [1.0, np.nan], method="complex")


def test_x_not_finite_names_the_index_of_a_matrix():
    with pytest.raises(ValueError, match=r"x\[\(1, 0\)\] is inf"):
        fastfd.jacobian(scaled, [[1.0, 2.0], [np.inf, 4.0]], (2.0,))


@pytest.mark.parametrize("v", [[1.0], [1.0, 2.0, 3.0], 1.0, [[1.0, 2.0]]])
def test_v_of_another_shape(v):
    with pytest.raises(ValueError, match=r"v must have the shape of x, \(2,\)"):
        fastfd.jvp(product, X2, v)


def test_v_not_finite_or_not_real():
    with pytest.raises(ValueError, match="v must be finite"):
        fastfd.jvp(product, X2, [1.0, np.nan])
    for v in ([0.0, 1e-300], [-1e300, 1.0]):
        with pytest.raises(ValueError, match="v must be zero or have its largest entry between"):
            fastfd.jvp(product, X2, v)
    with pytest.raises(TypeError, match="v must be real numbers"):
        fastfd.jvp(product, X2, [1.0, 1j])


@pytest.mark.parametrize("operator", [fastfd.jacobian, fastfd.gradient])
@pytest.mark.parametrize("args", [2.0, np.ones(2), "ab", {"a": 1}])
def test_args_not_a_tuple(operator, args):
    with pytest.raises(TypeError, match=r"args must be a tuple .*; write args=\(value,\)"):
        operator(scaled, X2, args)


@compiled_only
@pytest.mark.parametrize("bad", [object(), {"a": 1.0}, np.ones(2, ">f8"), np.ones(2, np.longdouble)])
def test_args_of_a_type_that_numba_has_not(bad):
    with pytest.raises(TypeError, match=r"args\[0\] is a \w+, which an njit function cannot take"):
        fastfd.jacobian(ignores, X2, (bad,))


@njit
def ignores(x, a):
    return x * 2


@both(scaled)
def test_wrong_number_of_args(f):
    with pytest.raises(TypeError, match="argument"):
        fastfd.jacobian(f, X2)
    with pytest.raises(TypeError, match="argument"):
        fastfd.jacobian(f, X2, (1.0, 2.0))


@both(scaled)
def test_args_of_the_wrong_length(f):
    """f itself complains: numpy and numba both, in their own words."""
    with pytest.raises(ValueError, match=r"broadcast|dimension"):
        fastfd.jacobian(f, X2, (np.ones(3),))


def test_a_list_of_args_will_do():
    assert np.allclose(fastfd.jacobian(scaled, X2, [3.0]), 3 * np.eye(2), rtol=1e-12, atol=0)


@pytest.mark.parametrize("f", [3.0, None, "sin", np.ones(2)])
def test_f_not_callable(f):
    with pytest.raises(TypeError, match="f must be callable"):
        fastfd.jacobian(f, X2)


# --- what f returns -------------------------------------------------------------------------------------------------


@njit
def says_nothing(x):
    x.sum()


@njit
def text(x):
    return "one"


@both(says_nothing)
def test_f_returns_nothing(f):
    with pytest.raises(TypeError, match=r"f must return numbers, got None; .* give out_size="):
        fastfd.jacobian(f, X2)


@both(text)
def test_f_returns_text(f):
    with pytest.raises(TypeError, match="f must return numbers, got str"):
        fastfd.jacobian(f, X2)


@njit
def infinite(x):
    return np.array([x[0], x[1] + np.log(x[0] - 1.0)])


@pytest.mark.parametrize("method", METHODS[:4])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("world", [pytest.param("njit", marks=compiled_only), "python"])
def test_f_not_finite_at_x(world, full, method):
    f = infinite if world == "njit" else quiet
    with pytest.raises(ValueError, match=r"f must be finite at x, but f\(x\)\[1\] is -inf at x = array"):
        fastfd.jacobian(f, X2, method=method, full_output=full)


def quiet(x):
    with np.errstate(all="ignore"):
        return as_python(infinite)(x)


def test_f_not_finite_at_x_complex_step():
    with pytest.raises(ValueError, match="f must be finite at x"):
        fastfd.jacobian(quiet, X2, method="complex")


def test_prepared_meets_a_point_where_f_is_not_finite():
    J = fastfd.Jacobian(infinite)
    assert J([2.0, 1.0]).shape == (2, 2)
    with pytest.raises(ValueError, match=r"f must be finite at x, but f\(x\)\[1\] is -inf"):
        J([1.0, 1.0])


@njit
def grows(x):
    """One result more to the right of 1."""
    return np.ones(2) * x[0] if x[0] <= 1.0 else np.ones(3) * x[0]


@pytest.mark.parametrize("method", METHODS[:4:3])
@both(grows)
def test_f_returns_another_length_at_another_point(f, method):
    with pytest.raises(ValueError, match=r"results of one shape, got \(2,\) at x but \(3,\) at array"):
        fastfd.jacobian(f, [1.0], method=method)


def turns_complex(x):
    return np.emath.sqrt(x[0] - 1.0) if x[0] != 1.0 else 0.0


def test_f_turns_complex_at_another_point():
    with pytest.raises(ValueError, match=r"shape|complex"):
        fastfd.jacobian(turns_complex, [1.0])


def test_f_turns_complex_when_prepared():
    """Two real numbers are not one complex number."""
    J = fastfd.Jacobian(lambda x, k: np.array([x[0], x[1]]) if k == 0 else np.array([1j * x[0] * x[1]]))
    assert np.allclose(J(X2, 0), np.eye(2))
    assert np.allclose(J(X2, 1), [[2j, 1j]])


@both(scaled)
def test_gradient_of_a_vector(f):
    with pytest.raises(ValueError, match=r"gradient needs f to return one number, got shape \(2,\); use jacobian"):
        fastfd.gradient(f, X2, (2.0,))


@njit
def one_row(x):
    return np.array([x[0] * x[1]])


def test_gradient_of_a_vector_of_one():
    assert np.allclose(fastfd.gradient(one_row, X2), [2.0, 1.0], rtol=1e-12)


@njit
def half_written(x, out):
    out[0] = x[0]


@both(half_written)
def test_out_left_unwritten(f):
    with pytest.raises(ValueError, match=r"f left out\[1\] unwritten or nan \(out_size=2\)"):
        fastfd.jacobian(f, X2, out_size=2)


def test_complex_step_on_what_is_not_analytic():
    def conjugates(x):
        return np.conj(x) * x

    with pytest.raises(ValueError, match="method='complex' needs an analytic f"):
        fastfd.jacobian(conjugates, X2, method="complex")


@pytest.mark.parametrize("more", [{}, {"sparsity": np.eye(2)}])
def test_complex_step_where_only_real_numbers_come_out(more):
    """nan is never called a success, and the step is the one that was taken, at x = 0 too."""

    def blind(x):
        return np.array([x[0], x[1] if np.real(x[1]) == x[1] else complex(np.nan, np.nan)])

    value, info = fastfd.jacobian(blind, [0.0, 2.0], method="complex", full_output=True, **more)
    assert value[0, 0] == 1.0 and np.isnan(value[1, 1])
    assert not info.success and list(info.status) == [CONVERGED, DOMAIN] and (info.step > 0).all()


def test_complex_step_on_what_drops_the_imaginary_part():
    with pytest.raises(TypeError, match="f drops the imaginary part"):
        fastfd.jacobian(lambda x: x.real**2, X2, method="complex")


@njit
def compares(x):
    return x[0] if x[0] > x[1] else x[1]


@compiled_only
def test_complex_step_on_what_takes_no_complex_numbers():
    with pytest.raises(TypeError, match="needs f to work with complex numbers, and it does not"):
        fastfd.jacobian(compares, X2, method="complex")


@njit
def cubed(x):
    return x**3


def test_complex_step_never_gives_a_wrong_power_of_a_negative_number():
    """numba's complex power is wrong in the tiny imaginary part: refused, or right."""
    try:
        found = fastfd.jacobian(cubed, -1.5, method="complex")
    except ValueError as error:
        assert "method='complex'" in str(error)
    else:
        assert abs(found - 6.75) < 1e-13


# --- nothing to do --------------------------------------------------------------------------------------------------


@njit
def as_many(x, m):
    return np.zeros(m) + np.sum(x)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
@pytest.mark.parametrize("method", METHODS)
@both(as_many)
def test_empty(f, method, n, m):
    J, info = fastfd.jacobian(f, np.ones(n), (m,), method=method, full_output=True)
    assert J.shape == info.error.shape == (m, n)
    assert info.success
    assert fastfd.jacobian(f, np.ones(n), (m,), method=method).shape == (m, n)
    assert np.array_equal(fastfd.jvp(f, np.ones(n), np.ones(n), (m,), method=method), np.zeros(m))


@pytest.mark.parametrize(("n", "m", "more"), [(0, 0, 3), (3, 0, 3), (3, 3, 0)])
@both(as_many)
def test_empty_at_first_or_later(f, n, m, more):
    J = fastfd.Jacobian(f)
    assert J(np.ones(n), m).shape == (m, n)
    assert J(np.ones(n), more).shape == (more, n)
    assert np.allclose(J(np.ones(n), more), 1.0, rtol=1e-12)


@pytest.mark.parametrize("method", ["adaptive", "central"])
def test_a_point_that_is_not_finite_where_there_is_nothing_to_do(method):
    """No results, or no direction: x is looked at all the same."""
    f = fastfd.Jacobian(lambda x: np.zeros(0), method=method)
    for call in (lambda: f(np.inf), lambda: f([1.0, np.nan]), lambda: fastfd.jvp(scaled, [1.0, np.inf], [0.0, 0.0], (2.0,))):
        with pytest.raises(ValueError, match="finite"):
            call()


def test_v_zero():
    found, info = fastfd.jvp(scaled, X2, [0.0, 0.0], (2.0,), full_output=True)
    assert np.array_equal(found, [0.0, 0.0]) and np.array_equal(info.error, [0.0, 0.0])


def test_what_was_given_may_change_afterwards():
    """Arrays in keywords, and the point of a linear operator, are as they were when they were given."""
    x, lower, upper, step = np.array([1.0, 2.0, 3.0]), np.full(3, 0.5), np.full(3, 4.0), np.full(3, 1e-3)
    J = fastfd.Jacobian(np.sqrt, method="central", step=step, bounds=(lower, upper))
    product = fastfd.Jacobian(np.sqrt).linear_operator(x)
    curvature = fastfd.Hessian(lambda x: np.sum(x**3)).linear_operator(x)
    ones = np.ones(3)
    before = J(x), product @ ones, curvature @ ones
    step[:], lower[:], upper[:] = 0.1, 1.0, 3.0
    moved = x.copy()
    x[:] = 2.0
    for now, then in zip((J(moved), product @ ones, curvature @ ones), before, strict=True):
        np.testing.assert_array_equal(now, then)
