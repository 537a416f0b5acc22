"""Errors of x through f, to first order: known answers, shapes, and what is no covariance."""

import numpy as np
import pytest
import scipy.sparse as sp
from numba import njit

import fastfd

A = np.array([[1.0, 2.0, 0.0], [0.5, -1.0, 4.0]])
COV = np.array([[4.0, 1.0, 0.5], [1.0, 2.0, -0.3], [0.5, -0.3, 1.0]])
X = np.array([1.0, 2.0, 3.0])


@njit
def linear(x):
    return np.array([x[0] + 2 * x[1], 0.5 * x[0] - x[1] + 4 * x[2]])


def chain(x):
    """A tridiagonal Jacobian."""
    y = x**2
    y[1:] += 0.3 * x[:-1]
    y[:-1] += 0.2 * x[1:]
    return y


def test_a_linear_function_is_exact():
    found, info = fastfd.propagate(linear, X, COV, full_output=True)
    y, cov = found
    assert np.allclose(y, A @ X, rtol=1e-15) and np.allclose(cov, A @ COV @ A.T, rtol=1e-13)
    assert np.array_equal(cov, cov.T) and np.allclose(found.std, np.sqrt(np.diag(A @ COV @ A.T)), rtol=1e-13)
    assert info.success and info.nfev > 6


def test_independent_errors():
    variances = np.diag(COV)
    for cov in (variances, np.diag(variances), sp.diags_array(variances), sp.csc_matrix(np.diag(variances))):
        found = fastfd.propagate(linear, X, cov)
        assert np.allclose(found.cov, A @ np.diag(variances) @ A.T, rtol=1e-13) and np.array_equal(found.cov, found.cov.T)


def test_one_number_of_one_number():
    found = fastfd.propagate(np.log, 2.0, 0.01)
    assert isinstance(found.y, float) and isinstance(found.cov, float) and isinstance(found.std, float)
    assert np.allclose((found.y, found.cov, found.std), (np.log(2), 0.0025, 0.05), rtol=1e-12)


@pytest.mark.parametrize("sigma", [1e-3, 0.3])
def test_products_and_quotients(sigma):
    """Relative variances add up (JCGM 100:2008, 5.1.6)."""
    relative = np.array([0.01, 0.02, 0.03]) * sigma
    found = fastfd.propagate(lambda x: x[0] * x[1] ** 2 / x[2], X, (relative * X) ** 2)
    assert np.isclose(found.std / found.y, np.sqrt(relative[0] ** 2 + 4 * relative[1] ** 2 + relative[2] ** 2), rtol=1e-12)


def test_monte_carlo_agrees():
    cov = 1e-6 * COV
    samples = np.random.default_rng(7).multivariate_normal(X, cov, 100_000)
    drawn = np.cov(np.array([np.exp(-samples[:, 0]) * samples[:, 1], np.sin(samples[:, 2])]))
    found = fastfd.propagate(lambda x: (np.exp(-x[0]) * x[1], np.sin(x[2])), X, cov)
    unit = np.outer(found.std, found.std)
    assert (np.abs(drawn - found.cov) <= 0.02 * unit).all()  # six standard deviations of an estimate from 100 000


def test_shapes():
    f, x = lambda x: np.outer(x[0], x[1]), np.array([[1.0, 2.0], [3.0, 4.0]])
    full = np.diag([1.0, 2.0, 3.0, 4.0])
    by_variances = fastfd.propagate(f, x, np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert by_variances.y.shape == by_variances.std.shape == (2, 2) and by_variances.cov.shape == (2, 2, 2, 2)
    for cov in (full, full.reshape(2, 2, 2, 2), sp.csr_array(full)):
        assert np.allclose(fastfd.propagate(f, x, cov).cov, by_variances.cov, rtol=1e-13)
    assert fastfd.propagate(lambda x: x[:0], X, COV).cov.shape == (0, 0)


def test_sparse_is_dense_with_zeros():
    x = np.linspace(0.5, 1.5, 30)
    pattern = sp.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(30, 30))
    cov = sp.diags_array([0.1, 1.0, 0.1], offsets=[-2, 0, 2], shape=(30, 30))
    dense = fastfd.propagate(chain, x, cov.toarray(), method="central")
    sparse = fastfd.propagate(chain, x, cov, method="central", sparsity=pattern)
    assert isinstance(sparse.cov, sp.csr_array) and sparse.cov.nnz < 30 * 10
    assert np.allclose(sparse.cov.toarray(), dense.cov, rtol=1e-9, atol=1e-12) and (sparse.cov != sparse.cov.T).nnz == 0
    assert np.allclose(sparse.std, dense.std, rtol=1e-9) and sparse.std.shape == (30,)
    variances = fastfd.propagate(chain, x, cov.diagonal(), method="central", sparsity=pattern)
    assert isinstance(variances.cov, sp.csr_array)
    assert isinstance(fastfd.propagate(chain, x, cov, method="central").cov, np.ndarray)
    assert isinstance(fastfd.propagate(chain, x, cov.toarray(), method="central", sparsity=pattern).cov, np.ndarray)


def test_keywords_reach_the_jacobian():
    seen = []

    def f(x, a):
        seen.append(x.copy())
        return a * x

    found, info = fastfd.propagate(f, X, COV, (2.0,), method="forward", bounds=(X - 1, X), step=1e-6, full_output=True)
    assert np.allclose(found.cov, 4 * COV, rtol=1e-6) and (np.array(seen) <= X).all() and np.allclose(info.step, 1e-6, rtol=1e-9)
    in_place = fastfd.propagate(lambda x, out: np.multiply(x, 2.0, out=out), X, COV, out_size=3, workers=map)
    assert np.allclose(in_place.cov, 4 * COV, rtol=1e-12) and np.array_equal(in_place.y, 2 * X)


def bent(i, j, value):
    cov = COV.copy()
    cov[i, j] = value
    return cov


@pytest.mark.parametrize(
    ("cov", "text"),
    [
        (np.ones(2), r"cov must hold the variances or the covariance matrix of x, of shape \(3,\) or \(3, 3\), got \(2,\)"),
        (1.0, r"got \(\)"),
        (np.ones((3, 2)), r"got \(3, 2\)"),
        (sp.eye_array(4), r"got \(4, 4\)"),
        ([1.0, -2.0, 1.0], "cov must have finite variances >= 0, but that of element 1 is -2.0"),
        ([1.0, np.inf, 1.0], "element 1 is inf"),
        (bent(2, 2, -1.0), "element 2 is -1.0"),
        (bent(0, 1, 1.5), r"cov must be symmetric, but cov\[0, 1\] is 1.5"),
        (bent(0, 1, np.nan), r"cov\[0, 1\] is nan"),
        (sp.csr_array(bent(0, 2, 0.0)), r"cov must be symmetric, but cov\[2, 0\] is 0.5"),
        (COV + np.array([[0, 5, 0], [5, 0, 0], [0, 0, 0]]), r"correlations up to 1, but cov\[0, 1\] is 6.0"),
    ],
)
def test_what_is_no_covariance(cov, text):
    with pytest.raises(ValueError, match=text):
        fastfd.propagate(linear, X, cov)


def test_what_has_none():
    with pytest.raises(TypeError, match="cov must be real numbers, got list of dtype"):
        fastfd.propagate(linear, X, ["a", "b", "c"])
    with pytest.raises(ValueError, match="full_output must be True or False, got array"):
        fastfd.propagate(linear, X, COV, full_output=np.ones(2))
    with pytest.raises(TypeError, match="f must return real numbers to propagate errors"):
        fastfd.propagate(lambda x: 1j * x, X, COV)


@pytest.mark.parametrize("calls", range(1, 30))
def test_results_that_disappear(calls):
    """From whichever call on f gives none: before the Jacobian is done it is made anew, of nothing; or just when the value is
    asked for; or after all that."""
    answers = iter([True] * calls)
    try:
        found = fastfd.propagate(lambda x: x if next(answers, False) else x[:0], [1.0, 2.0], [0.1, 0.1])
    except ValueError as error:
        assert "f must return results of one shape" in str(error)
    else:
        assert np.allclose(found.cov, np.diag([0.1, 0.1] if found.y.size else []))
        assert (found.y.size == 2) == (calls > 10)


def test_variances_beyond_the_doubles():
    """Infinite, without a warning from the depths."""
    assert np.isinf(fastfd.propagate(lambda x: 1e200 * x[0], [1.0, 2.0], [1e300, 1.0]).cov)
