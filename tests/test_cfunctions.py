"""C functions: ctypes, cffi, LowLevelCallable and numba.cfunc, through every operator; their errors, threads and lives."""

import ctypes
import ctypes.util
import gc
import math
import shutil
import subprocess
import threading
import weakref

import numpy as np
import pytest
from marks import compiled_only
from numba import carray, cfunc, njit, types
from scipy import LowLevelCallable, special
from scipy.optimize import rosen_der, rosen_hess, rosen_hess_prod
from scipy.sparse import diags_array
from scipy.special import cython_special

import fastfd
from fastfd.interop.partials import Partials

NUMBERS = types.CPointer(types.float64)
DOUBLES = ctypes.POINTER(ctypes.c_double)
X = np.array([-1.2, 1.0, 0.5])
C = """
#include <math.h>
#include <stddef.h>
double wave(double x) { return sin(x) * exp(x); }
double power(double x, double scale, int k, const double *shift) { return scale * pow(x + *shift, k); }
double rosen(const double *x, int n)
{
    double total = 0.0;
    for (int i = 0; i < n - 1; i++)
        total += 100 * pow(x[i + 1] - x[i] * x[i], 2) + pow(1 - x[i], 2);
    return total;
}
double rosen_size(const double *x, size_t n) { return rosen(x, (int)n); }
double rosen_three(const double *x) { return rosen(x, 3); }
double rosen_scaled(int n, double *x, void *scale) { return rosen(x, n) * (scale ? *(double *)scale : 1.0); }
double rosen_weighted(const double *x, unsigned long n, const double *w, int count, float factor)
{
    double total = factor * rosen(x, (int)n);
    for (int i = 0; i < count; i++)
        total += w[i] * x[i];
    return total;
}
void squares(const double *x, double *out, int n, int m)
{
    for (int i = 0; i < m; i++)
        out[i] = (1 + i) * x[i % n] * x[i % n];
}
void squares_by_three(const double *x, double *out) { squares(x, out, 3, 3); }
void squares_in_pairs(int n, const double *x, long m, double *out) { squares(x, out, n, (int)m); }
int squares_until(const double *x, double *out, int n, int m, double most)
{
    squares(x, out, n, m);
    return x[0] > most ? 7 : 0;
}
void rosen_gradient(const double *x, double *out, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = 0.0;
    for (int i = 0; i < n - 1; i++) {
        out[i] -= 400 * (x[i + 1] - x[i] * x[i]) * x[i] + 2 * (1 - x[i]);
        out[i + 1] += 200 * (x[i + 1] - x[i] * x[i]);
    }
}
void both(double x, double *out, int m) { for (int i = 0; i < m; i++) out[i] = (1 + i) * x * x; }
void spoils(double *x, double *out) { out[0] = x[0] * x[0]; x[0] = 9.0; }
"""
#: What ctypes is told of them.
DECLARED = {
    "wave": (ctypes.c_double, ctypes.c_double),
    "power": (ctypes.c_double, ctypes.c_double, ctypes.c_double, ctypes.c_int, DOUBLES),
    "rosen": (ctypes.c_double, DOUBLES, ctypes.c_int),
    "rosen_size": (ctypes.c_double, DOUBLES, ctypes.c_size_t),
    "rosen_three": (ctypes.c_double, np.ctypeslib.ndpointer(float)),
    "rosen_scaled": (ctypes.c_double, ctypes.c_int, DOUBLES, ctypes.c_void_p),
    "rosen_weighted": (ctypes.c_double, DOUBLES, ctypes.c_ulong, DOUBLES, ctypes.c_int, ctypes.c_float),
    "squares": (None, DOUBLES, DOUBLES, ctypes.c_int, ctypes.c_int),
    "squares_by_three": (None, DOUBLES, DOUBLES),
    "squares_in_pairs": (None, ctypes.c_int, DOUBLES, ctypes.c_long, DOUBLES),
    "squares_until": (ctypes.c_int, DOUBLES, DOUBLES, ctypes.c_int, ctypes.c_int, ctypes.c_double),
    "rosen_gradient": (None, DOUBLES, DOUBLES, ctypes.c_int),
    "both": (None, ctypes.c_double, DOUBLES, ctypes.c_int),
    "spoils": (None, DOUBLES, DOUBLES),
}


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """The path of the library of all these functions."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler `cc`")
    folder = tmp_path_factory.mktemp("c")
    (folder / "f.c").write_text(C)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", folder / "f.c", "-o", folder / "f.so", "-lm"], check=True)
    return folder / "f.so"


def declared(library, name):
    f = ctypes.CDLL(str(library))[name]
    f.restype, *f.argtypes = DECLARED[name]
    return f


def of_cffi(library, name):
    """The function, and what keeps the library open."""
    cffi = pytest.importorskip("cffi", reason="needs cffi, an optional extra")
    ffi = cffi.FFI()
    ffi.cdef(next(line.partition("{")[0] + ";" for line in C.splitlines() if f" {name}(" in line))
    lib = ffi.dlopen(str(library))
    return getattr(lib, name), (ffi, lib)


@cfunc(types.float64(types.float64))
def wave(x):
    return math.sin(x) * math.exp(x)


@cfunc(types.float64(NUMBERS, types.intc))
def rosen(p, n):
    x, total = carray(p, n), 0.0
    for i in range(n - 1):
        total += 100 * (x[i + 1] - x[i] * x[i]) ** 2 + (1 - x[i]) ** 2
    return total


@cfunc(types.void(NUMBERS, NUMBERS, types.intc, types.intc))
def squares(p, q, n, m):
    x, out = carray(p, n), carray(q, m)
    for i in range(m):
        out[i] = (1 + i) * x[i % n] ** 2


MADE = {"wave": wave, "rosen": rosen, "squares": squares}
KINDS = "ctypes", "cffi", "scipy", "scipy over cffi", "numba"


@pytest.fixture(params=KINDS)
def given(request):
    """A function of C by its name, as each kind of object brings it."""
    if request.param == "numba":
        yield MADE.__getitem__
        return
    library, kept = request.getfixturevalue("library"), []

    def get(name):
        if "cffi" in request.param:
            f, keeper = of_cffi(library, name)
            kept.append(keeper)
        else:
            f = declared(library, name)
        return LowLevelCallable(f) if "scipy" in request.param else f

    yield get


def cosine():
    """libm's, for where there is no compiler."""
    f = ctypes.CDLL(ctypes.util.find_library("m")).cos
    f.restype, f.argtypes = ctypes.c_double, (ctypes.c_double,)
    return f


# --- every kind through every operator -----------------------------------------------------------------------------------


def test_derivative(given):
    f, x = given("wave"), np.linspace(-1, 2, 7)
    slope = np.exp(x) * (np.sin(x) + np.cos(x))
    value, info = fastfd.derivative(f, x, full_output=True)
    assert np.allclose(value, slope, rtol=1e-12, atol=1e-12)
    assert info.success and np.all(np.abs(value - slope) <= info.error)
    assert isinstance(fastfd.derivative(f, 0.3), float)
    assert np.allclose(fastfd.derivative(f, x, order=2), 2 * np.exp(x) * np.cos(x), rtol=1e-8)
    assert np.allclose(fastfd.derivative(f, x, method="central", accuracy=4), slope, rtol=1e-10)


def test_gradient_and_hessian(given):
    f = given("rosen")
    assert np.allclose(fastfd.gradient(f, X), rosen_der(X), rtol=1e-12)
    assert np.allclose(fastfd.hessian(f, X), rosen_hess(X), rtol=1e-9)
    assert np.allclose(fastfd.hvp(f, X, [1.0, 2.0, 3.0]), rosen_hess_prod(X, np.array([1.0, 2.0, 3.0])), rtol=1e-9)
    g, H = fastfd.Gradient(f), fastfd.Hessian(f)
    for x in (X, X + 1, X - 1, X, 2 * X):  # beyond the second call the shorter way
        assert np.allclose(g(x), rosen_der(x), rtol=1e-11)
        assert np.allclose(H(x), rosen_hess(x), rtol=1e-8)


def test_jacobian(given):
    f = given("squares")
    J = 2 * np.diag([1, 2, 3] * X)
    for method in ("adaptive", "central", "forward"):
        assert np.allclose(fastfd.jacobian(f, X, out_size=3, method=method), J, atol=1e-6)
    assert np.allclose(fastfd.jacobian(f, X, out_size=4)[3], [8 * X[0], 0, 0])
    assert np.allclose(fastfd.jvp(f, X, [1.0, 1.0, 1.0], out_size=3), J.sum(axis=1))
    prepared = fastfd.Jacobian(f, out_size=3)
    for _ in range(5):
        assert np.allclose(prepared(X), J)
    assert np.allclose(prepared.linear_operator(X) @ [1.0, 0.0, 0.0], J[:, 0])


def test_sparse(given):
    f, x = given("squares"), np.linspace(1, 2, 30)
    J = fastfd.jacobian(f, x, out_size=30, sparsity=diags_array(np.ones(30)))
    assert J.nnz == 30 and np.allclose(J.diagonal(), 2 * np.arange(1, 31) * x)
    assert fastfd.detect_sparsity(f, x, out_size=30).nnz == 30


def test_the_others(given):
    f, g = given("rosen"), given("wave")
    assert fastfd.check_gradient(f, rosen_der, X).passed and not fastfd.check_gradient(f, lambda x: 2 * rosen_der(x), X).passed
    assert fastfd.check_hessian(f, rosen_hess, X).passed
    assert fastfd.noise_level(g, 1.0) < 1e-14
    found = fastfd.step_analysis(g, 1.0, stencils="central")
    assert found.slope[0] == pytest.approx(2, abs=0.2)


# --- signatures ----------------------------------------------------------------------------------------------------------


def test_lengths(library):
    for name in ("rosen_size", "rosen_three"):
        assert np.allclose(fastfd.gradient(declared(library, name), X), rosen_der(X), rtol=1e-12)
    J = 2 * np.diag([1, 2, 3] * X)
    for name in ("squares_by_three", "squares_in_pairs"):
        assert np.allclose(fastfd.jacobian(declared(library, name), X, out_size=3), J)
    both = fastfd.jacobian(declared(library, "both"), 3.0, out_size=2)
    assert np.allclose(both.reshape(-1), [6, 12])


def test_args(library):
    f, shift = declared(library, "power"), np.array([1.0])
    assert fastfd.derivative(f, 2.0, args=(5, 3, shift)) == pytest.approx(5 * 3 * 9, rel=1e-12)
    D = fastfd.Derivative(f)
    assert [D(2.0, k, 2, shift) for k in (1.0, 2.0, np.float32(3))] == pytest.approx([6, 12, 18])
    shift[0] = 0.0  # the same memory, other numbers
    assert D(2.0, 1.0, 2, shift) == pytest.approx(4)
    assert D(2.0, 1.0, 2, shift.ctypes.data) == D(2.0, 1.0, 2, shift.ctypes.data_as(DOUBLES)) == D(2.0, 1.0, 2, shift)
    weights = np.array([3.0, 2.0, 1.0])
    for args in ((weights, 3, 0.5), (3, weights, 3, 0.5)):  # n may be given, too
        found = fastfd.gradient(declared(library, "rosen_weighted"), X, args=args)
        assert np.allclose(found, 0.5 * rosen_der(X) + weights)
    partials = Partials(declared(library, "rosen_weighted"), {"parallel": None})  # as frameworks ask
    args = X, weights, 3, 0.5
    assert np.allclose(partials.jacobian(0, args), 0.5 * rosen_der(X) + weights) and np.allclose(partials.jacobian(1, args), X)


def test_cython():
    """SciPy's own special functions, as Cython code calls them; behind x they take whether to skip Python's dispatch."""
    j0 = LowLevelCallable.from_cython(cython_special, "j0")
    x = np.linspace(0.5, 3, 5)
    assert np.allclose(fastfd.derivative(j0, x, args=(0,)), -special.j1(x), rtol=1e-11)
    again = LowLevelCallable(LowLevelCallable(j0))
    assert np.array_equal(fastfd.derivative(again, x, args=(0,)), fastfd.derivative(j0, x, args=(0,)))


def test_user_data(library):
    f = declared(library, "rosen_scaled")
    assert np.allclose(fastfd.gradient(LowLevelCallable(f), X), rosen_der(X))  # NULL, as SciPy has it
    for scale in (2.0, 3.0):
        data = ctypes.c_double(scale)
        g = LowLevelCallable(f, ctypes.cast(ctypes.pointer(data), ctypes.c_void_p))
        prepared = fastfd.Gradient(g)
        for _ in range(4):
            assert np.allclose(prepared(X), scale * rosen_der(X))
        data.value = 5.0  # what is there may change
        assert np.allclose(prepared(X), 5 * rosen_der(X), rtol=1e-10)
        assert np.allclose(fastfd.gradient(f, X, args=(ctypes.pointer(data),)), 5 * rosen_der(X))
    with pytest.raises(TypeError, match=r"void \* give an address"):
        fastfd.gradient(f, X)
    assert np.allclose(fastfd.gradient(f, X, args=(None,)), rosen_der(X))


def test_an_unaligned_point_and_other_layouts(given):
    f, x = given("rosen"), np.asfortranarray(np.arange(6.0).reshape(2, 3) / 3)
    assert np.allclose(fastfd.gradient(f, x), rosen_der(x.ravel()).reshape(2, 3))
    assert np.allclose(fastfd.gradient(f, X.astype(">f4")), rosen_der(X.astype("f4").astype(float)))


def test_a_c_gradient_is_checked(library):
    f, g = declared(library, "rosen"), declared(library, "rosen_gradient")
    assert fastfd.check_gradient(f, g, X).passed
    assert np.allclose(fastfd.hessian(f, X, grad=g, out_size=3), rosen_hess(X))
    assert not fastfd.check_gradient(f, declared(library, "squares_by_three"), X).passed
    assert fastfd.check_jacobian(g, lambda x: rosen_hess(x), X, out_size=3).passed
    assert not fastfd.check_jacobian(g, lambda x: 2 * rosen_hess(x), X, out_size=3).passed
    found = fastfd.step_analysis(g, X, direction=0, stencils="central", out_size=3)
    assert np.allclose(found.reference, rosen_hess(X)[0])


def test_implicit():
    @cfunc(types.void(NUMBERS, NUMBERS, types.intc, NUMBERS))
    def root(y, out, n, theta):  # y² = θ
        for i in range(n):
            out[i] = y[i] ** 2 - theta[i]

    J = fastfd.implicit_jacobian(root, [2.0, 3.0], [4.0, 9.0])
    assert np.allclose(J, np.diag([0.25, 1 / 6]))


# --- what cannot be ------------------------------------------------------------------------------------------------------


def prototype(result, *kinds):
    return ctypes.CFUNCTYPE(result, *kinds)(cosine_address())


def cosine_address():
    return ctypes.cast(cosine(), ctypes.c_void_p).value


REFUSED = (
    (lambda: ctypes.CDLL(None)["cos"], "without argtypes"),
    (lambda: prototype(ctypes.c_int, ctypes.c_double), r"int \(double\).*restype"),
    (lambda: prototype(ctypes.c_float, ctypes.c_float), r"float \(float\)"),
    (lambda: prototype(ctypes.c_double, ctypes.c_char_p), "c_char_p"),
    (lambda: prototype(ctypes.c_double, ctypes.c_int), r"double \(int\)"),
    (lambda: prototype(ctypes.c_double, DOUBLES, ctypes.c_short), "c_short"),
    (lambda: prototype(ctypes.c_double, ctypes.POINTER(ctypes.c_float), ctypes.c_int), r"float \*"),
    (lambda: prototype(None, DOUBLES), r"void \(double \*\)"),
)  # fmt: skip


@pytest.mark.parametrize(("make", "sentence"), REFUSED)
def test_what_is_not_served(make, sentence):
    with pytest.raises(TypeError, match=sentence) as caught:
        fastfd.gradient(make(), X)
    assert "served are" in str(caught.value)


def test_a_cfunc_of_arrays():
    @cfunc(types.float64(types.float64[:]))
    def f(x):
        return x[0]

    with pytest.raises(TypeError, match="types are not those of C"):
        fastfd.gradient(f, X)


def test_null():
    with pytest.raises(ValueError, match=r"NULL pointer of type double \(double\)"):
        fastfd.derivative(ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(0), 1.0)


def test_out_size(library):
    f, g = declared(library, "squares_by_three"), declared(library, "rosen")
    with pytest.raises(TypeError, match=r"writes its results, void \(double \*, double \*\); say how many by out_size="):
        fastfd.jacobian(f, X)
    with pytest.raises(TypeError, match="out_size has no meaning"):
        fastfd.jacobian(g, X, out_size=1)
    with pytest.raises(ValueError, match="writes more than 2 results"):
        fastfd.jacobian(f, X, out_size=2)
    with pytest.raises(ValueError, match=r"left out\[3\] unwritten"):
        fastfd.jacobian(f, X, out_size=4)
    with pytest.raises(ValueError, match="reads beyond the 2 numbers of x"):
        fastfd.jacobian(f, X[:2], out_size=3)
    with pytest.raises(ValueError, match="reads beyond the 2 numbers of x"):
        fastfd.gradient(declared(library, "rosen_three"), X[:2])


def test_wrong_args(library):
    f, data = declared(library, "power"), np.ones(1)
    for args, error, sentence in (
        ((), TypeError, r"must have 3 extra arguments for a C function of type double \(double, double, int, double \*\)"),
        ((1.0, 2.5, data), TypeError, r"args\[1\] must be an integer for the C type int, got 2.5"),
        ((1.0, 2**40, data), ValueError, r"args\[1\] = 1099511627776 does not fit into the C type int"),
        (("a", 2, data), TypeError, r"args\[0\] must be a number for the C type double, got str"),
        ((1.0, 2, np.ones(1, np.float32)), TypeError, r"args\[2\] must be a contiguous array of dtype float64"),
        ((1.0, 2, np.ones(8)[::2]), TypeError, "ascontiguousarray"),
        ((1.0, 2, "abc"), TypeError, "got str"),
        ((1.0, 2, [1.0]), TypeError, r"args\[2\] goes to a double \*: a pointer must be an address"),
    ):
        with pytest.raises(error, match=sentence):
            fastfd.derivative(f, 1.0, args=args)


def test_shapes_and_methods(given):
    with pytest.raises(ValueError, match=r"a C function of one number.*shape \(3,\)"):
        fastfd.gradient(given("wave"), X)
    with pytest.raises(ValueError, match="method='complex' needs an f that takes complex numbers"):
        fastfd.gradient(given("rosen"), X, method="complex")


def test_status(library):
    f = declared(library, "squares_until")
    assert np.allclose(fastfd.jacobian(f, X, args=(9.0,), out_size=3), 2 * np.diag([1, 2, 3] * X))
    for parallel in (False, True):
        with pytest.raises(RuntimeError, match=r"f returned the status 7 at x = array\(\[-1.0.*and only 0 is success") as caught:
            fastfd.jacobian(f, X, args=(-1.19,), out_size=3, parallel=parallel)
        assert "coordinate 0, at x = array([-1.0" in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match=r"status 7 at x = array\(\[-1.2"):
        fastfd.jacobian(f, X, args=(-2.0,), out_size=3)


def test_a_changed_argument(library):
    with pytest.raises(ValueError, match="changes its argument x in place"):
        fastfd.jacobian(declared(library, "spoils"), X, out_size=1)


def test_exceptions_of_numba():
    """The wrapper that C would call prints them, and goes on with 0."""

    @cfunc(types.float64(NUMBERS, types.intc))
    def bad(p, n):
        x = carray(p, n)
        if x[0] > 1.0:
            raise ValueError("too far")
        return x[0]

    for at in (0.99, 2.0):
        with pytest.raises(ValueError, match="too far"):
            fastfd.gradient(bad, np.array([at]))
    assert np.allclose(fastfd.gradient(bad, np.array([0.2])), 1)


def test_in_njit_code():
    """There it is called from an njit function."""
    f = cosine()

    @njit
    def g(x):
        return f(x)

    @njit
    def slope(x):
        return fastfd.derivative(g, x)

    assert slope(0.3) == pytest.approx(-np.sin(0.3), rel=1e-12)
    with pytest.raises(Exception, match="call a C function from an njit function of yours"):
        njit(lambda x: fastfd.derivative(f, x))(0.3)


# --- threads, lives, caches ----------------------------------------------------------------------------------------------


def test_threads_give_the_same_bits(given):
    f, x = given("squares"), np.linspace(1, 2, 60)
    for method in ("adaptive", "central"):
        first, info = fastfd.jacobian(f, x, out_size=60, method=method, parallel=False, full_output=True)
        for _ in range(3):
            J, more = fastfd.jacobian(f, x, out_size=60, method=method, parallel=True, full_output=True)
            assert np.array_equal(J, first) and np.array_equal(more.error, info.error)


@compiled_only
def test_a_callback_into_python():
    """Kernels let the interpreter go; the callback takes it again, in whichever thread."""
    here = set()

    @ctypes.CFUNCTYPE(ctypes.c_double, DOUBLES, ctypes.c_int)
    def callback(x, n):
        here.add(threading.get_ident())
        return sum(math.sin(i * x[i]) for i in range(n))

    f = type(callback)(ctypes.cast(callback, ctypes.c_void_p).value)  # as C would know it, by its address
    x = np.linspace(1, 2, 60)
    slope = np.arange(60) * np.cos(np.arange(60) * x)
    for parallel in (False, True):
        assert np.allclose(fastfd.gradient(f, x, method="central", parallel=parallel), slope, atol=1e-5)
    assert np.allclose(fastfd.gradient(f, x), slope, atol=1e-8)
    assert threading.get_ident() in here


def test_what_a_callback_raises():
    """ctypes alone would print it and go on with 0."""

    @ctypes.CFUNCTYPE(ctypes.c_double, DOUBLES, ctypes.c_int)
    def f(x, n):
        if x[0] > 1.0:
            raise ZeroDivisionError("too far")
        return x[0] ** 2

    assert np.allclose(fastfd.gradient(f, [0.5]), 1)
    for at in (0.99, 2.0):
        with pytest.raises(ZeroDivisionError, match="too far"):
            fastfd.gradient(f, [at])


def test_what_owns_the_code_is_kept():
    def make(k):
        if k % 2:
            return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: k * x * x)
        return cfunc(types.float64(types.float64))(lambda x: k * x * x)

    slopes = [2 * k for k in range(12)]
    prepared = [fastfd.Derivative(make(k), method="central") for k in range(12)]
    gc.collect()
    junk = [make(0) for _ in range(3)]  # memory that was let go is used again
    assert [D(1.0) for D in prepared] == pytest.approx(slopes, rel=1e-9)
    assert [fastfd.derivative(make(k), 1.0, method="central") for k in range(12)] == pytest.approx(slopes, rel=1e-9)
    assert len(junk) == 3


def test_a_callback_is_let_go():
    class Law:
        def __call__(self, x):
            return x * x

    law = Law()
    alive = weakref.ref(law)
    for i in range(200):  # what is remembered by name is bounded
        f = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(law if i == 0 else Law())
        assert fastfd.derivative(f, 3.0, method="central") == pytest.approx(6)
    del f, law
    gc.collect()
    assert alive() is None


def test_declared_anew():
    f = cosine()
    assert fastfd.derivative(f, 1.0) == pytest.approx(-np.sin(1))
    f.restype = ctypes.c_int
    with pytest.raises(TypeError, match="restype"):
        fastfd.derivative(f, 1.0)
    f.restype = ctypes.c_double
    assert fastfd.derivative(f, 1.0) == pytest.approx(-np.sin(1))


@compiled_only
def test_nothing_compiles_for_another_function(given):
    """The address is data: another function of the same signature finds everything made."""
    from numba.core import event

    @cfunc(types.float64(NUMBERS, types.intc))
    def cube(p, n):
        return p[0] ** 3

    f = given("rosen")
    other = cube if f is rosen else cube.ctypes
    fastfd.gradient(f, X)
    with event.install_recorder("numba:compile") as found:
        assert np.allclose(fastfd.gradient(other, X), [3 * X[0] ** 2, 0, 0])
    assert not found.buffer


CHILD = """
import ctypes, ctypes.util, gc, os, threading
import numpy as np
import fastfd
f = ctypes.CDLL(ctypes.util.find_library("m")).cos
f.restype, f.argtypes = ctypes.c_double, (ctypes.c_double,)
@ctypes.CFUNCTYPE(ctypes.c_double, ctypes.POINTER(ctypes.c_double), ctypes.c_int)
def g(x, n):
    return sum(x[i] ** 2 for i in range(n))
kept, g = g, type(g)(ctypes.cast(g, ctypes.c_void_p).value)  # as C would know it, by its address
x = np.linspace(1, 2, 200)
def work():
    for _ in range(5):
        assert np.allclose(fastfd.derivative(f, x, method="central", parallel=True), -np.sin(x))
        assert np.allclose(fastfd.gradient(g, x[:40], method="central", parallel=True), 2 * x[:40], atol=1e-6)
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads], [t.join() for t in threads]
if hasattr(os, "fork"):
    if (pid := os.fork()) == 0:
        work()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
del g
gc.collect()
print("alive")
"""


@compiled_only
def test_nobody_dies(child):
    """Many threads in C and in callbacks at once, and in a forked child; then the process ends."""
    assert child(CHILD, PYTHONWARNINGS="ignore") == "alive\n"
