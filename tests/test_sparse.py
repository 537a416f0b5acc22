"""Sparsity: colours against known optima, patterns found from f, sparse derivatives against dense ones, in solvers."""

import numpy as np
import pytest
import scipy.sparse
from numba import njit
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares, newton_krylov
from scipy.sparse.linalg import gmres, lsmr
from structures import STRUCTURES, arrow, band, bundle, function_of, grid

import fastfd

by_structure = pytest.mark.parametrize("case", STRUCTURES, ids=lambda case: case.name)
ORDERS = ("natural", "largest_first", "smallest_last", "incidence_degree", "best")


def apart(pattern, colors):
    """Whether no two columns of a colour share a row."""
    rows = scipy.sparse.csr_array(pattern)
    found = [colors[rows.indices[a:b]].tolist() for a, b in zip(rows.indptr[:-1], rows.indptr[1:], strict=True)]
    return all(len(set(row)) == len(row) for row in found)


def is_star(pattern, colors):
    """Whether every entry, or its mirror image, is alone in its row among those of its column's colour."""
    rows = scipy.sparse.coo_array(pattern)
    table = scipy.sparse.csr_array(pattern)

    def alone(i, j):
        return np.sum(colors[table.indices[table.indptr[i] : table.indptr[i + 1]]] == colors[j]) == 1

    return all(alone(i, j) or alone(j, i) for i, j in zip(*rows.coords, strict=True))


# --- colours ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ordering", ORDERS)
@by_structure
def test_columns_of_a_colour_share_no_row(case, ordering):
    colors = fastfd.color(case.pattern, ordering=ordering)
    used = np.diff(case.pattern.tocsc().indptr) > 0
    assert (colors[used] >= 0).all() and (colors[~used] == -1).all()
    assert apart(case.pattern, colors)


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [(band(1000, 1, 1), 3, 3), (band(500, 3, 2), 6, 6), (grid(30), 5, 7), (band(200, 0, 0), 1, 1), (arrow(100), 100, 100)],
    ids=["tridiagonal", "band", "grid", "diagonal", "arrowhead"],
)
def test_few_colours(pattern, least, most):
    assert least <= fastfd.color(pattern).max() + 1 <= most


@pytest.mark.parametrize("ordering", ORDERS)
@pytest.mark.parametrize(
    ("pattern", "most"),
    [(arrow(300), 2), (band(300, 1, 1), 3), (grid(20), 6), (band(100, 0, 0), 1)],
    ids=["arrow", "band", "grid", "diagonal"],
)
def test_star_colouring(pattern, most, ordering):
    colors = fastfd.color(pattern, symmetric=True, ordering=ordering)
    assert is_star(pattern, colors)
    assert colors.max() + 1 <= most


def test_star_colouring_of_anything_symmetric():
    for case in STRUCTURES:
        if case.pattern.shape[0] == case.pattern.shape[1]:
            pattern = case.pattern + case.pattern.T
            assert is_star(pattern, fastfd.color(pattern, symmetric=True))


def test_an_arrowhead_of_any_size_is_coloured_at_once():
    """Neighbours of the hub are not looked through once for each of them: n² steps would take minutes."""
    n = 200_000
    leaves, hub = np.arange(1, n), np.zeros(n - 1, int)
    rows, columns = np.concatenate([hub, leaves, np.arange(n)]), np.concatenate([leaves, hub, np.arange(n)])
    pattern = scipy.sparse.coo_array((np.ones(rows.size), (rows, columns)), shape=(n, n))
    assert fastfd.color(pattern, symmetric=True).max() + 1 == 2
    assert fastfd.color(pattern).max() + 1 == n


# --- detection --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", [0, 1, 2], ids=["x", "elsewhere", "zero"])
@by_structure
def test_no_entry_is_missed(case, point):
    x = (case.x, np.random.default_rng(8).normal(size=case.x.size), np.zeros(case.x.size))[point]
    found, info = fastfd.detect_sparsity(case.f, x, full_output=True)
    missing = case.pattern.astype(bool).astype(int) - found.astype(int)
    assert missing.max() <= 0
    if not info.full:
        assert found.nnz == case.pattern.nnz


@pytest.mark.parametrize(("pattern", "most"), [(band(10_000, 1, 1), 250), (grid(100), 600)], ids=["tridiagonal", "grid"])
def test_detection_takes_far_fewer_evaluations_than_columns(pattern, most):
    f = function_of(scipy.sparse.csr_array(pattern))
    found, info = fastfd.detect_sparsity(f, np.linspace(1.0, 2.0, 10_000), full_output=True)
    assert info.nfev <= most
    assert (found.astype(int) - scipy.sparse.csr_array(pattern).astype(bool).astype(int)).nnz == 0


def test_detection_counts_its_evaluations():
    calls = []

    def f(x):
        calls.append(x)
        return np.roll(x, 1) * x

    assert fastfd.detect_sparsity(f, np.arange(1.0, 20.0), full_output=True)[1].nfev == len(calls)


def test_a_pattern_that_depends_on_x_is_said_to():
    pattern, info = fastfd.detect_sparsity(lambda x: x[0] * x[1:], np.zeros(5), full_output=True)
    assert not info.fixed and info.varies > 0 and "may depend on x" in info.message
    assert pattern.nnz == 8
    assert fastfd.detect_sparsity(lambda x: x[0] * x[1:], np.ones(5), full_output=True)[1].fixed


def test_nan_shows_what_points_do_not():
    f = lambda x: np.array([x[0] + (0.0 * x[1]), x[1]])  # noqa: E731
    assert fastfd.detect_sparsity(f, [1.0, 1.0]).nnz == 2
    assert fastfd.detect_sparsity(f, [1.0, 1.0], nan=True).nnz == 3
    swallows = lambda x: np.array([x[0] if x[1] > 0 else 0.0, np.nan_to_num(x[1])])  # noqa: E731
    assert fastfd.detect_sparsity(swallows, [1.0, 1.0], nan=True).toarray().tolist()[1] == [False, True]


def test_detection_stays_in_bounds():
    def f(x):
        assert (x >= 0).all() and (x <= 1).all()
        return np.sqrt(x) * np.sqrt(1 - x)

    assert fastfd.detect_sparsity(f, [0.0, 0.5, 1.0], bounds=(0, 1)).toarray().tolist() == np.eye(3, dtype=bool).tolist()


@pytest.mark.parametrize(
    ("f", "x", "message"),
    [
        (lambda x: np.random.default_rng().normal(size=3), np.ones(3), "same results"),
        (lambda x: np.log(x), -np.ones(2), "f must be finite at x"),
        (lambda x: x, [np.nan], "x must be finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_detection_refuses(f, x, message):
    with pytest.raises(ValueError, match=message):
        fastfd.detect_sparsity(f, x)
    with pytest.raises(ValueError, match="samples must be"):
        fastfd.detect_sparsity(f, x, samples=0)


# --- sparse Jacobians -------------------------------------------------------------------------------------------------

FIXED = [{"method": "central"}, {"method": "central", "accuracy": 4}, {"method": "forward"}, {"method": "backward"}]


@pytest.mark.parametrize("keywords", FIXED, ids=str)
@by_structure
def test_fixed_differences_are_those_of_the_dense_ones(case, keywords):
    """Columns that move together do not know of each other: the entries and their error bars differ by rounding at most."""
    J, info = fastfd.jacobian(case.f, case.x, sparsity=case.pattern, full_output=True, **keywords)
    dense, of_dense = fastfd.jacobian(case.f, case.x, full_output=True, **keywords)
    rows, columns = case.pattern.nonzero()
    assert J.shape == dense.shape and J.nnz == info.error.nnz == rows.size
    np.testing.assert_allclose(J.toarray()[rows, columns], dense[rows, columns], rtol=1e-14, atol=0)
    np.testing.assert_allclose(info.error.toarray()[rows, columns], of_dense.error[rows, columns], rtol=1e-6, atol=0)
    assert np.array_equal(fastfd.Jacobian(case.f, sparsity=case.pattern, **keywords)(case.x).data, J.data)


@pytest.mark.parametrize("rtol", [None, 1e-6])
@by_structure
def test_adaptive_agrees_with_the_dense_one(case, rtol):
    J, info = fastfd.jacobian(case.f, case.x, sparsity=case.pattern, rtol=rtol, full_output=True)
    dense, of_dense = fastfd.jacobian(case.f, case.x, full_output=True)
    rows, columns = case.pattern.nonzero()
    error, bar = np.abs(J.toarray() - dense)[rows, columns], (info.error.toarray() + of_dense.error)[rows, columns]
    assert (error <= bar).mean() >= 0.99  # an error bar is an estimate
    assert error.max() <= (1e-11 if rtol is None else 1e-6) * np.abs(dense).max()
    assert info.success or not of_dense.success


@njit
def chain(x):
    y = np.empty(x.size)
    for i in range(x.size):
        left, right = x[i - 1] if i > 0 else 0.0, x[i + 1] if i < x.size - 1 else 0.0
        y[i] = np.exp(-left * x[i]) + np.sin(3 * x[i] * right) + x[i] ** 3
    return y


@njit
def chain_jacobian(x):
    J = np.zeros((x.size, x.size))
    for i in range(x.size):
        left, right = x[i - 1] if i > 0 else 0.0, x[i + 1] if i < x.size - 1 else 0.0
        J[i, i] = -left * np.exp(-left * x[i]) + 3 * right * np.cos(3 * x[i] * right) + 3 * x[i] ** 2
        if i > 0:
            J[i, i - 1] = -x[i] * np.exp(-left * x[i])
        if i < x.size - 1:
            J[i, i + 1] = 3 * x[i] * np.cos(3 * x[i] * right)
    return J


def test_adaptive_is_accurate_and_its_bar_covers():
    x = np.linspace(0.3, 2.0, 700)
    J, info = fastfd.jacobian(chain, x, sparsity=band(700, 1, 1), full_output=True)
    exact = chain_jacobian(x)
    error = np.abs(J.toarray() - exact)
    assert error.max() <= 1e-11 * np.abs(exact).max()
    assert np.mean(error <= info.error.toarray() + 1e-300) > 0.999
    assert (info.status <= 1).mean() > 0.99 and info.step.shape == info.status.shape == x.shape


def test_columns_have_steps_of_their_own():
    """Scales from 1e-9 to 1e9 in one colour: each column is searched at its own."""
    scale = 10.0 ** np.linspace(-9, 9, 37)
    f = njit(lambda x: np.exp(x / scale))
    J, info = fastfd.jacobian(f, np.zeros(37) * scale, sparsity=scipy.sparse.eye_array(37), full_output=True)
    assert np.abs(J.diagonal() * scale - 1).max() < 1e-10
    assert info.success


def test_kinks_and_domains_are_told_column_by_column():
    f = njit(lambda x: np.where(np.arange(4) == 1, np.abs(x), np.where(np.arange(4) == 2, np.sqrt(x), x * x)))
    J, info = fastfd.jacobian(f, np.array([1.0, 0.0, 1e-6, 2.0]), sparsity=scipy.sparse.eye_array(4), full_output=True)
    assert np.abs(J.diagonal()[[0, 2, 3]] / [2.0, 500.0, 4.0] - 1).max() < 1e-9
    assert info.status[1] == 3 and info.status[[0, 2, 3]].max() <= 1 and not info.success


@pytest.mark.parametrize("keywords", [{}, {"method": "central"}, {"method": "forward"}], ids=str)
def test_bounds(keywords):
    lower, upper = np.zeros(60), np.full(60, 2.0)

    def f(x):
        assert (x >= lower).all() and (x <= upper).all()
        return np.sin(x) + np.roll(x, 1) ** 2

    x = np.linspace(0.0, 2.0, 60)
    pattern = scipy.sparse.csr_array(np.eye(60) + np.roll(np.eye(60), 1, axis=0))
    J = fastfd.jacobian(f, x, sparsity=pattern, bounds=(lower, upper), **keywords)
    exact = np.diag(np.cos(x)) + np.roll(np.eye(60), 1, axis=0) * (2 * x)
    assert np.abs(J.toarray() - exact).max() < (2e-7 if keywords else 1e-8)


@pytest.mark.parametrize("method", ["central", "adaptive", "complex"])
def test_matrices_are_the_users_own(method):
    """What SciPy does to a matrix in place concerns no other one, nor the operator, nor the pattern that was given."""
    pattern = scipy.sparse.csr_array(band(6, 1, 1))
    given = pattern.copy()
    J, x = fastfd.Jacobian(lambda x: x**2 * (x > 2.5), sparsity=given, method=method), np.arange(1.0, 7.0)
    first, second = J(x), J(x)
    kept = second.toarray()
    first.eliminate_zeros()
    assert first.nnz < second.nnz == pattern.nnz
    given.indices[:], given.indptr[:] = 0, 0
    np.testing.assert_array_equal(second.toarray(), kept)
    np.testing.assert_array_equal(J(x).toarray(), kept)
    matrix, info = fastfd.jacobian(lambda x: x**2 * (x > 2.5), x, sparsity=pattern, method=method, full_output=True)
    matrix.eliminate_zeros()
    assert info.error.nnz == pattern.nnz


def test_threads_give_the_same_bits():
    x, pattern = np.linspace(0.3, 2.0, 400), band(400, 1, 1)
    for keywords in ({}, {"method": "central"}):
        one, two = (fastfd.jacobian(chain, x, sparsity=pattern, parallel=p, **keywords) for p in (False, True))
        assert np.array_equal(one.data, two.data)


@pytest.mark.parametrize("keywords", [{"method": "central"}, {"method": "forward"}, {"method": "complex"}], ids=str)
def test_evaluations_are_those_of_the_colours(keywords):
    calls = []

    def f(x):
        calls.append(x)
        return np.concatenate([x[:1], x[1:] * x[:-1]])

    J = fastfd.Jacobian(f, sparsity=band(50, 1, 0), **keywords)
    J(np.linspace(1, 2, 50))
    calls.clear()
    J(np.linspace(1, 2, 50))
    assert len(calls) <= {"central": 4, "forward": 3, "complex": 11}[keywords["method"]]


def test_arguments_shapes_and_in_place():
    f = njit(lambda x, a, b: a * x * x + b)
    J = fastfd.Jacobian(f, sparsity=scipy.sparse.eye_array(6), method="central")
    x = np.arange(6.0).reshape(2, 3)
    assert np.abs(J(x, 3.0, 1.0).diagonal() - 6 * x.reshape(-1)).max() < 1e-8
    assert J(x, 3.0, 1.0, full_output=True)[1].step.shape == (2, 3)
    assert np.abs(fastfd.jacobian(f, x, (3, 1), sparsity=scipy.sparse.eye_array(6)).diagonal() - 6 * x.reshape(-1)).max() < 1e-10

    @njit
    def g(x, out):
        out[:] = x[:3] * x[1:]

    J = fastfd.jacobian(g, np.arange(4.0), sparsity=np.eye(3, 4) + np.eye(3, 4, k=1), out_size=3)
    assert np.abs(J.toarray() - (np.eye(3, 4) * [1, 2, 3, 0] + np.eye(3, 4, k=1) * [0, 0, 1, 2])).max() < 1e-11


def test_auto_finds_the_pattern_and_widens_it():
    @njit
    def f(x):
        y = np.append(x * x, 1.0)
        if x[0] > 5:
            y[4] += x[3]
        return y

    J = fastfd.Jacobian(f, sparsity="auto")
    assert J(np.arange(1.0, 5.0)).nnz == 4
    assert J(np.arange(6.0, 10.0)).toarray()[4, 3] == pytest.approx(1.0)


def test_a_pattern_that_is_seen_to_miss_an_entry_is_an_error():
    f = njit(lambda x: x * x + x[2] * (np.arange(6) == 0))
    pattern = np.eye(6)
    pattern[0, 2], pattern[2, 2] = 1.0, 0.0
    for keywords in ({}, {"method": "central"}, {"method": "forward"}, {"method": "complex"}):
        with pytest.raises(ValueError, match="sparsity misses an entry in row 2"):
            fastfd.jacobian(f, np.arange(1.0, 7.0), sparsity=pattern, **keywords)


@pytest.mark.parametrize(
    ("sparsity", "message"),
    [
        ("all", "'auto'"),
        (np.ones(3), "must be a matrix"),
        (object(), "must be a matrix"),
        (np.eye(4), "shape of the Jacobian"),
        ((np.eye(3), np.zeros(2, int)), "one for each column"),
        ((np.ones((3, 3)), np.zeros(3, int)), "tell the columns"),
        ((np.eye(3), -np.ones(3, int)), "a colour"),
    ],
)
def test_bad_sparsity(sparsity, message):
    with pytest.raises(ValueError, match=message):
        fastfd.jacobian(np.sin, np.ones(3), sparsity=sparsity)


def test_colours_of_ones_own():
    J = fastfd.jacobian(np.sin, np.ones(4), sparsity=(scipy.sparse.eye_array(4), np.array([7, 3, 3, 7])))
    assert np.abs(J.diagonal() - np.cos(1)).max() < 1e-11


def test_complex_results_and_exceptions():
    with pytest.raises(ValueError, match="real numbers"):
        fastfd.jacobian(lambda x: x * 1j, np.ones(2), sparsity=np.eye(2))

    def f(x):
        if (x > 1).any():
            raise RuntimeError("too far")
        return x

    with pytest.raises(RuntimeError, match="too far") as caught:
        fastfd.jacobian(f, np.ones(2), sparsity=np.eye(2))
    assert "one colour" in caught.value.__notes__[0]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)], ids=str)
@pytest.mark.parametrize("method", ["adaptive", "central"])
def test_empty(shape, method):
    J = fastfd.jacobian(lambda x: np.zeros(shape[0]), np.ones(shape[1]), sparsity=np.zeros(shape), method=method)
    assert J.shape == shape and J.nnz == 0


# --- Hessians ---------------------------------------------------------------------------------------------------------


@njit
def energy(x):
    total = 0.0
    for i in range(1, x.size):
        total += np.exp(-x[i]) * x[0] + x[i] ** 4
    return total


@njit
def energy_gradient(x):
    g = np.zeros(x.size)
    for i in range(1, x.size):
        g[0] += np.exp(-x[i])
        g[i] = -np.exp(-x[i]) * x[0] + 4 * x[i] ** 3
    return g


@pytest.mark.parametrize("keywords", [{}, {"method": "central"}], ids=str)
@pytest.mark.parametrize("grad", [None, energy_gradient], ids=["f", "gradient"])
def test_sparse_hessian(grad, keywords):
    x = np.linspace(0.5, 1.5, 14)
    exact = np.diag(np.exp(-x) * x[0] + 12 * x**2)
    exact[0, 0], exact[0, 1:], exact[1:, 0] = 0.0, -np.exp(-x[1:]), -np.exp(-x[1:])
    H, info = fastfd.hessian(energy, x, sparsity=arrow(14), grad=grad, full_output=True, **keywords)
    assert np.array_equal(H.toarray(), H.toarray().T)
    assert np.abs(H.toarray() - exact).max() < (1e-5 if keywords else 1e-9)
    assert info.error.shape == H.shape and info.step.shape == x.shape
    if grad and keywords:
        assert info.nfev == 1 + 2 * 2 * 2  # two colours, two evaluations, twice for the error


def test_hessian_from_gradients():
    x = np.linspace(0.5, 1.5, 8)
    dense = fastfd.hessian(energy, x, grad=energy_gradient)
    assert np.array_equal(dense, dense.T) and np.abs(dense - fastfd.hessian(energy, x)).max() < 1e-9
    assert fastfd.hessian(energy, x, grad=energy_gradient, sparsity="auto").nnz == 2 * 7 + 7
    with pytest.raises(ValueError, match="needs grad="):
        fastfd.hessian(energy, x, sparsity="auto")
    with pytest.raises(ValueError, match="symmetric"):
        fastfd.hessian(energy, x, sparsity=band(8, 1, 0))
    with pytest.raises(ValueError, match="grad must return"):
        fastfd.hessian(energy, x, grad=energy)


# --- without entries --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keywords", [{}, {"method": "central"}, {"method": "forward"}], ids=str)
def test_linear_operators(keywords):
    x, v = np.linspace(0.5, 1.5, 14), np.cos(np.arange(14.0))
    J, A = fastfd.Jacobian(energy_gradient, **keywords).linear_operator(x), fastfd.jacobian(energy_gradient, x)
    assert np.abs(J @ v - A @ v).max() < 1e-6
    with pytest.raises(NotImplementedError, match="sparsity="):
        J.T @ v
    H = fastfd.Hessian(energy).linear_operator(x)
    assert np.abs(H @ v - A @ v).max() < 1e-7 and np.abs(H.T @ v - A @ v).max() < 1e-7
    of_gradient = fastfd.Hessian(energy, grad=energy_gradient, **keywords).linear_operator(x)
    assert np.abs(of_gradient @ v - A @ v).max() < 1e-6
    sparse = fastfd.Jacobian(energy_gradient, sparsity=arrow(14)).linear_operator(x)
    assert np.abs(sparse.T @ v - A.T @ v).max() < 1e-8
    assert np.abs(fastfd.Hessian(energy, sparsity=arrow(14)).linear_operator(x) @ v - A @ v).max() < 1e-7


def test_krylov_solvers():
    x = np.linspace(0.5, 1.5, 14)
    b = np.ones(14)
    A = fastfd.jacobian(energy_gradient, x)
    found, code = gmres(fastfd.Jacobian(energy_gradient).linear_operator(x), b, rtol=1e-9)
    assert code == 0 and np.abs(found - np.linalg.solve(A, b)).max() < 1e-8
    sparse = fastfd.Jacobian(energy_gradient, sparsity=arrow(14)).linear_operator(x)
    assert np.abs(A @ lsmr(sparse, b, atol=1e-14, btol=1e-14, maxiter=200)[0] - b).max() < 1e-6
    with pytest.raises(NotImplementedError):
        lsmr(fastfd.Jacobian(energy_gradient).linear_operator(x), b)


# --- solvers ----------------------------------------------------------------------------------------------------------


@njit
def brusselator(t, y):
    """u' = 1 + u²v - 4u + αu'', v' = 3u - u²v + αv'' on a line; u and v by turns."""
    n = y.size // 2
    out, alpha = np.empty(y.size), 0.02 * (n + 1) ** 2
    for i in range(n):
        u, v = y[2 * i], y[2 * i + 1]
        left_u, left_v = (y[2 * i - 2], y[2 * i - 1]) if i > 0 else (1.0, 3.0)
        right_u, right_v = (y[2 * i + 2], y[2 * i + 3]) if i < n - 1 else (1.0, 3.0)
        out[2 * i] = 1 + u * u * v - 4 * u + alpha * (left_u - 2 * u + right_u)
        out[2 * i + 1] = 3 * u - u * u * v + alpha * (left_v - 2 * v + right_v)
    return out


@njit
def brusselator_at(y, t):
    return brusselator(t, y)


def test_stiff_ode():
    n = 60
    grid_points = np.arange(1, n + 1) / (n + 1)
    y0 = np.stack([1 + np.sin(2 * np.pi * grid_points), np.full(n, 3.0)], axis=1).reshape(-1)
    cells, neighbours = scipy.sparse.eye_array(n), band(n, 1, 1)
    pattern = scipy.sparse.csr_array(scipy.sparse.kron(cells, np.ones((2, 2))) + scipy.sparse.kron(neighbours, np.eye(2)))
    J = fastfd.Jacobian(brusselator_at, sparsity=pattern, method="central")
    ours = solve_ivp(brusselator, (0, 2), y0, method="BDF", jac=lambda t, y: J(y, t), rtol=1e-6)
    theirs = solve_ivp(brusselator, (0, 2), y0, method="BDF", jac_sparsity=pattern, rtol=1e-6)
    assert ours.success and abs(ours.t.size - theirs.t.size) <= 0.05 * theirs.t.size
    assert np.abs(ours.y[:, -1] - theirs.y[:, -1]).max() < 1e-4


def test_bundle_adjustment():
    rng = np.random.default_rng(0)
    pattern = scipy.sparse.csr_array(bundle(5, 20, 1))
    uses = pattern.indices.reshape(-1, 9)
    truth = rng.normal(size=pattern.shape[1]) * 0.3

    @njit
    def observed(p):
        out = np.empty(uses.shape[0])
        for k in range(out.size):
            c, point = p[uses[k, :6]], p[uses[k, 6:]]
            depth = 5 + point[2] + c[5]
            out[k] = (point[k % 2] + c[k % 2] * point[2] + c[2 + k % 2]) / depth + 0.1 * c[4] * point[1 - k % 2]
        return out

    data = observed(truth)
    J = fastfd.Jacobian(njit(lambda p: observed(p) - data), sparsity=pattern)
    start = truth + 0.05 * rng.normal(size=truth.size)
    fit = least_squares(lambda p: observed(p) - data, start, jac=J, tr_solver="lsmr", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert fit.cost < 1e-12


def test_newton_krylov():
    n = 30
    end = np.zeros(1)
    f = njit(lambda u: -2 * u + np.concatenate((u[1:], end)) + np.concatenate((end, u[:-1])) + 0.002 * np.exp(u))
    J = fastfd.Jacobian(f, method="central")
    u = np.zeros(n)
    for _ in range(8):
        step, code = gmres(J.linear_operator(u), -f(u), rtol=1e-8, restart=n)
        assert code == 0
        u = u + step
    assert np.abs(f(u)).max() < 1e-10
    assert np.abs(u - newton_krylov(f, np.zeros(n), f_tol=1e-11)).max() < 1e-8
