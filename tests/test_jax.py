"""fastfd and JAX: operations under jit, grad and vmap."""

import numpy as np
import pytest
from numba import njit
from scenarios import as_python

jax = pytest.importorskip("jax", reason='jax is an optional dependency: pip install "fastfd[jax]"')

import jax.numpy as jnp  # noqa: E402

from fastfd.interop.jax import differentiable  # noqa: E402


@pytest.fixture(autouse=True)
def double():
    """For the whole process, as users set it: the threads that call back do not see a context."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@njit
def iterate(x, A, shift, n):
    y = x.copy()
    for _ in range(n):
        y = np.tanh(A @ y) + shift
    return y


def iterate_in_jax(x, A, shift, n):
    for _ in range(n):
        x = jnp.tanh(A @ x) + shift
    return x


operation = differentiable(iterate)


def values():
    rng = np.random.default_rng(3)
    return jnp.asarray(rng.normal(size=3)), jnp.asarray(rng.normal(size=(3, 3))), jnp.asarray(0.3)


def loss(f):
    return lambda *arrays: (f(*arrays, 3) ** 2).sum()


def plain(f):
    return f


both = pytest.mark.parametrize("transform", [plain, jax.jit], ids=["eager", "jit"])


@both
def test_values(transform):
    ours, theirs = (transform(lambda *a, f=f: f(*a, 3))(*values()) for f in (operation, iterate_in_jax))
    assert ours.dtype == float and np.allclose(ours, theirs, rtol=1e-13)


@both
@pytest.mark.parametrize("f", [iterate, as_python(iterate)], ids=["njit", "Python"])
@pytest.mark.parametrize("argnums", [0, 1, 2, (0, 1, 2)], ids=str)
def test_grad(f, transform, argnums):
    ours, theirs = (transform(jax.grad(loss(g), argnums))(*values()) for g in (differentiable(f), iterate_in_jax))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs)):
        assert np.allclose(a, b, rtol=1e-10)


@both
@pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])
def test_jacobians_in_both_modes(mode, transform):
    ours, theirs = (transform(mode(lambda *a, f=f: f(*a, 3), 1))(*values()) for f in (operation, iterate_in_jax))
    assert ours.shape == (3, 3, 3) and np.allclose(ours, theirs, rtol=1e-10)


def test_jvp():
    x, A, shift = values()
    ours, theirs = (jax.jvp(lambda x, f=f: f(x, A, shift, 3), (x,), (x * 2,)) for f in (operation, iterate_in_jax))
    assert np.allclose(ours, theirs, rtol=1e-10)


@both
def test_vmap_of_grad(transform):
    x, A, shift = values()
    batch = jnp.stack([x, -x, 2 * x, x + 1])
    ours, theirs = (
        transform(jax.vmap(jax.grad(loss(f), (0, 1)), in_axes=(0, None, None)))(batch, A, shift)
        for f in (operation, iterate_in_jax)
    )
    assert ours[0].shape == (4, 3) and ours[1].shape == (4, 3, 3)
    assert all(np.allclose(a, b, rtol=1e-10) for a, b in zip(ours, theirs))


@both
def test_grad_of_vmap(transform):
    x, A, shift = values()
    batch = jnp.stack([x, -x, 2 * x, x + 1])

    def total(f):
        return lambda A: jax.vmap(loss(f), in_axes=(0, None, None))(batch, A, shift).sum()

    ours, theirs = (transform(jax.grad(total(f)))(A) for f in (operation, iterate_in_jax))
    assert np.allclose(ours, theirs, rtol=1e-10)


def test_check_grads_of_jax():
    from jax.test_util import check_grads

    check_grads(lambda *a: operation(*a, 3), values(), order=1, modes=("fwd", "rev"), atol=1e-7, rtol=1e-7)


def test_only_arguments_that_move_are_differentiated():
    moved = []

    def f(x, y):
        moved.append(float(y[0]))
        return x @ y

    x, y = jnp.ones(2), jnp.full(2, 3.0)
    assert np.allclose(jax.grad(differentiable(f, out_shape=()))(x, y), y) and set(moved) == {3.0}


def test_single_precision_is_computed_in_double():
    seen = []

    def f(x):
        seen.append(x.dtype)
        return x**3

    for x64, dtype in ((False, jnp.float32), (True, jnp.float32), (True, jnp.bfloat16)):
        jax.config.update("jax_enable_x64", x64)
        x = jnp.asarray([1.0, 2.0], dtype)
        gradient = jax.jit(jax.grad(lambda x: differentiable(f)(x).sum()))(x)
        assert gradient.dtype == dtype and gradient.tolist() == [3.0, 12.0]
    assert set(seen) == {np.dtype(float)}


def test_whole_numbers():
    """A traced count reaches f as an int, and has no derivative."""
    x, A, shift = values()
    gradient = jax.jit(jax.grad(lambda x, n: operation(x, A, shift, n)[0]))(x, 2)
    assert np.allclose(gradient, jax.grad(lambda x: iterate_in_jax(x, A, shift, 2)[0])(x), rtol=1e-10)


def test_the_shape_of_the_result():
    def f(x):
        if x[0] == 1.0:
            raise KeyError("not here")
        return np.outer(x, x)

    x = jnp.asarray([2.0, 3.0])
    assert differentiable(f)(x).shape == (2, 2)
    with pytest.raises(ValueError, match=r"f could not be called at ones .*'not here'.*; give out_shape="):
        jax.jit(differentiable(f))(x)
    assert jax.jit(differentiable(f, out_shape=(2, 2)))(x)[0, 1] == 6.0


def test_large_arrays_arrive():
    """More than the runtime copies at once; callbacks have waited for ever on such arrays."""
    total = differentiable(lambda x: x.sum(), out_shape=())
    assert jax.jit(lambda x: total(2 * x) + 1)(jnp.ones(2_000_000)) == 4_000_001


def test_second_derivatives_are_refused():
    with pytest.raises(TypeError, match=r"cannot be differentiated again; .* use fastfd\.hessian"):
        jax.hessian(loss(operation))(*values())


def test_complex_numbers_are_refused():
    with pytest.raises(TypeError, match="argument 0 must be real, got complex128"):
        operation(*(v.astype(complex) for v in values()), 3)


def test_bad_keywords_are_refused_at_once():
    with pytest.raises(ValueError, match="method must be"):
        differentiable(iterate, method="sideways")
