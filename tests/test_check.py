"""Checks of gradients, Jacobians and Hessians: right ones pass, wrong ones are named, doubtful ones are not accused."""

import json
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy.sparse import diags_array

import fastfd
from fastfd.testing import assert_gradient
from fastfd.verdicts import SCALE, grade

CORRECT, INCONCLUSIVE, WRONG = range(3)


@njit
def scaled(x, scales):
    """Parameters and derivatives of all sizes."""
    total = 0.0
    for i in range(x.size):
        total += np.sin(x[i] / scales[i]) + 0.1 * (x[i] / scales[i]) ** 2
    return total


@njit
def scaled_gradient(x, scales):
    return (np.cos(x / scales) + 0.2 * x / scales) / scales


def scaled_problem(n, seed):
    rng = np.random.default_rng(seed)
    scales = 10.0 ** rng.uniform(-6, 6, n)
    return rng.uniform(0.3, 1.2, n) * rng.choice([-1, 1], n) * scales, (scales,)


def quadratic(p):
    return float(np.sum(p["w"] ** 3) + 2 * p["layers"][0]["bias"] @ p["layers"][0]["bias"])


def quadratic_gradient(p):
    return {"w": 3 * p["w"] ** 2, "layers": [{"bias": 4 * p["layers"][0]["bias"]}]}


PARAMETERS = {"w": np.array([[1.0, -2.0, 0.5], [3.0, 0.25, 1.5]]), "layers": [{"bias": np.array([1.0, 2.0, 3.0, -4.0])}]}


def kinds(report):
    return {finding.kind for finding in report.findings}


# --- the measure ----------------------------------------------------------------------------------------------------


def test_relative_error():
    assert fastfd.relative_error(np.zeros(3), np.zeros(3)) == 0.0
    assert fastfd.relative_error([1.0, 0.0], [0.0, 0.0]) == 1.0
    assert fastfd.relative_error([1e-200, 0.0], [1e-200 * (1 + 1e-6), 0.0]) == pytest.approx(5e-7, rel=1e-5)
    assert np.isnan(fastfd.relative_error([np.nan], [1.0]))
    with pytest.raises(ValueError, match=r"a and b must have one shape, got \(2,\) and \(3,\)"):
        fastfd.relative_error([1, 2], [1, 2, 3])


def test_the_scale_of_practitioners():
    assert [grade(e) for e in (0.0, 9e-8, 1e-7, 1e-5, 1e-3, 1.0)] == [
        "correct", "correct", "probably correct", "suspicious", "a bug", "a bug",
    ]  # fmt: skip
    assert [limit for limit, _ in SCALE] == [1e-7, 1e-5, 1e-3, np.inf]


# --- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_an_error_of_a_millionth_in_one_of_a_thousand(seed):
    x, args = scaled_problem(1000, seed)
    right = scaled_gradient(x, *args)
    report = fastfd.check_gradient(scaled, scaled_gradient, x, args)
    assert report.passed and report.conclusive
    k = int(np.random.default_rng(seed).integers(1000))
    wrong = right.copy()
    wrong[k] *= 1 + 1e-6
    report = fastfd.check_gradient(scaled, wrong, x, args)
    assert not report.passed and np.flatnonzero(report.verdict == WRONG).tolist() == [k]
    assert f"x[{k}]" in str(report) and report.findings[0].indices == (k,)


def test_most_columns_cost_two_evaluations():
    x, args = scaled_problem(1000, 5)
    ordinary = np.ones(1000)
    report = fastfd.check_gradient(scaled, scaled_gradient, x / args[0], (ordinary,))
    assert report.passed and report.nfev <= 3 * 2 * 1000


@pytest.mark.parametrize("wrong", [1.0, 1.1])
@pytest.mark.parametrize("keywords", [{}, {"points": 3}, {"directions": 2}])
def test_every_evaluation_is_counted(wrong, keywords):
    calls = []

    def f(x):
        calls.append(x)
        return float(np.sin(x).sum())

    assert fastfd.check_gradient(f, lambda x: wrong * np.cos(x), np.arange(0.1, 9), **keywords).nfev == len(calls)


def test_structures_have_names():
    report = fastfd.check_gradient(quadratic, quadratic_gradient, PARAMETERS, points=3)
    assert report.passed and report.analytic.shape == (3, 10)
    assert report.names[5] == "w[1, 2]" and report.names[8] == "layers.0.bias[2]"

    Pair = namedtuple("Pair", "a b")
    report = fastfd.check_gradient(lambda p: p.a**2 * p.b[0], lambda p: Pair(2 * p.a * p.b[0], np.array([p.a**2])),
                                   Pair(3.0, np.array([2.0])))  # fmt: skip
    assert report.passed and report.names == ("a", "b[0]")
    assert fastfd.check_gradient(lambda x: x[0] * x[1], [2.0, 1.0], [1.0, 2.0]).passed


def test_the_report():
    report = fastfd.check_gradient(quadratic, lambda p: {"w": 3 * p["w"] ** 2, "layers": [{"bias": np.zeros(4)}]}, PARAMETERS)
    lines = str(report).splitlines()
    assert lines[0].startswith("gradient check FAILED: 4 wrong of 10 entries")
    assert lines[1].startswith("  layers.0.bias: all zeros")
    assert "wrong (a bug)" in lines[3] and len(lines) == 7
    machine = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert machine["verdict"].count("wrong") == 4 and machine["names"][6] == "layers.0.bias[0]" and not machine["passed"]
    assert machine["findings"][0]["kind"] == "zeros" and machine["findings"][0]["leaf"] == "layers.0.bias"
    with pytest.raises(AssertionError, match=r"layers\.0\.bias: all zeros"):
        report.raise_if_failed()
    with pytest.raises(AssertionError, match="4 wrong of 10"):
        assert_gradient(quadratic, {"w": 3 * PARAMETERS["w"] ** 2, "layers": [{"bias": np.zeros(4)}]}, PARAMETERS)


def test_it_draws():
    pytest.importorskip("matplotlib", reason="drawing needs the extra plot").use("agg")
    x, args = scaled_problem(60, 1)
    wrong = scaled_gradient(x, *args) * np.where(np.arange(60) % 20 == 7, 1.5, 1.0)
    ax = fastfd.check_gradient(scaled, wrong, x, args).plot()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["correct (57)", "wrong (3)"]
    assert {t.get_text() for t in ax.texts} == {"x[7]", "x[27]", "x[47]"}


# --- what is not accused ----------------------------------------------------------------------------------------------


@njit
def relu_sum(x):
    return np.sum(np.maximum(x, 0.0) * np.arange(1, x.size + 1))


def test_kinks_are_inconclusive():
    x = np.array([1.0, 0.0, -2.0])
    report = fastfd.check_gradient(relu_sum, lambda x: np.where(x > 0, np.arange(1, 4), 0.0), x)
    assert report.verdict.tolist() == [CORRECT, INCONCLUSIVE, CORRECT] and report.passed and not report.conclusive
    with pytest.raises(AssertionError, match="1 inconclusive"):
        report.raise_if_failed(strict=True)


@pytest.mark.parametrize("seed", range(4))
def test_noise_does_not_accuse(seed):
    """Noise of the last digits of single precision: the right gradient is never called wrong, a wrong one is."""

    def f(x):
        return float(np.sum(np.sin(x.astype(np.float32)), dtype=np.float32))

    x = np.random.default_rng(seed).uniform(0.5, 2.0, 20)
    assert not (fastfd.check_gradient(f, np.cos, x).verdict == WRONG).any()
    assert (fastfd.check_gradient(f, lambda x: 1.3 * np.cos(x), x).verdict == WRONG).sum() >= 10


def test_a_gradient_in_single_precision_is_not_accused_of_its_rounding():
    x = np.linspace(0.1, 2, 30)
    assert fastfd.check_gradient(lambda x: np.sum(np.exp(x)), lambda x: np.exp(x.astype(np.float32)), x).passed
    report = fastfd.check_gradient(
        lambda p: np.sum(np.exp(3 * p["x"])), lambda p: {"x": 3 * np.exp(3 * p["x"].astype(np.float32))}, {"x": x}
    )
    assert report.passed and report.conclusive


def test_entries_that_vanish():
    """A softmax does not change when all its inputs grow: the derivative along the bias is rounding."""

    def f(p):
        z = p["scores"] + p["shift"]
        return float(np.log(np.exp(z - z.max()).sum()) + z.max() - z[2])

    def gradient(p):
        z = p["scores"] + p["shift"]
        q = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        q[2] -= 1
        return {"scores": q, "shift": q.sum()}

    rng = np.random.default_rng(3)
    report = fastfd.check_gradient(f, gradient, {"scores": rng.standard_normal(7), "shift": 0.3}, points=4)
    assert report.passed and report.conclusive


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.floats(-4, 4), name=st.sampled_from(["w", "b", "v"]), bug=st.floats(2.1e-5, 0.1))
def test_no_bug_is_called_correct_and_no_right_entry_wrong(seed, size, name, bug):
    """Nets of any scale; the bug is in the largest entry of one array, unless that is nothing beside the others."""
    rng = np.random.default_rng(seed)
    (inputs, hidden), batch = rng.integers(1, 6, 2), rng.integers(1, 9)
    X, y = rng.standard_normal((batch, inputs)) * 10.0**size, rng.standard_normal(batch)
    p = {"w": rng.standard_normal((inputs, hidden)), "b": rng.standard_normal(hidden), "v": rng.standard_normal(hidden)}

    def f(p):
        return np.mean((np.tanh(X @ p["w"] + p["b"]) @ p["v"] - y) ** 2)

    def gradient(p):
        a = np.tanh(X @ p["w"] + p["b"])
        r = 2 * (a @ p["v"] - y) / batch
        q = r[:, None] * p["v"] * (1 - a) * (1 + a)
        return {"w": X.T @ q, "b": q.sum(0), "v": a.T @ r}

    assert not (fastfd.check_gradient(f, gradient, p, points=2, seed=seed).verdict == WRONG).any()
    wrong = gradient(p)
    k = int(np.argmax(np.abs(wrong[name])))
    wrong[name].flat[k] *= 1 + bug
    largest = max(np.abs(a).max() for a in wrong.values())
    entry = k + sum(wrong[other].size for other in "wbv"[: "wbv".index(name)])
    verdict = fastfd.check_gradient(f, wrong, p).verdict
    assert verdict[entry] != CORRECT or abs(wrong[name].flat[k]) <= 1e-14 * largest
    assert not (np.delete(verdict, entry) == WRONG).any()


def test_gradients_that_are_not_finite():
    """The naive derivative of log(1 + exp(x)) overflows where the function does not."""
    x = np.array([1.0, 2.0, 800.0, -3.0])
    with np.errstate(over="ignore", invalid="ignore"):
        report = fastfd.check_gradient(lambda x: np.logaddexp(0, x).sum(), lambda x: np.exp(x) / (1 + np.exp(x)), x)
    assert report.verdict.tolist() == [CORRECT, CORRECT, WRONG, CORRECT] and not report.passed
    assert report.findings[0].kind == "not finite" and report.findings[0].indices == (2,)
    assert "1 of 4 entries is nan or infinite where f is finite: x[2]; the others are not wrong" in str(report)


def test_random_functions_are_said_to_be_that():
    rng = np.random.default_rng(0)
    report = fastfd.check_gradient(lambda x: np.sum(x * (rng.random(3) > 0.5)), np.ones_like, np.ones(3) * 2)
    assert kinds(report) == {"random function"} and (report.verdict == INCONCLUSIVE).all() and not report.passed
    calls = []

    def counting(x):
        calls.append(1)
        return np.sum(x) * (1.0 if len(calls) < 5 else 2.0)

    assert kinds(fastfd.check_gradient(counting, np.ones_like, np.ones(3))) == {"random function"}
    report = fastfd.check_gradient(np.sum, lambda x: rng.random(3), np.ones(3))
    assert kinds(report) == {"random function"} and "grad gives other values" in str(report)


def test_changed_input_is_said_to_be_that():
    def f(x):
        x *= 2.0
        return float(np.sum(x))

    x = np.array([1.0, 2.0])
    report = fastfd.check_gradient(f, lambda x: np.full(2, 2.0), x)
    assert kinds(report) == {"mutated input"} and (report.verdict == CORRECT).all() and not report.passed
    assert "f changes its argument in place, at x[0]" in str(report)
    compiled = njit(f)
    assert kinds(fastfd.check_gradient(compiled, lambda x: np.full(2, 2.0), x)) == {"mutated input"}
    assert x.tolist() == [1.0, 2.0]
    data = np.ones(2)

    def spoils(x, data):
        data += 1
        return float(x @ x)

    assert "args[0]" in str(fastfd.check_gradient(spoils, lambda x, data: 2 * x, x, (data,)))


# --- large models -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("faults", [[], [4321], [17, 9000, 9001]])
def test_directions(faults):
    rng = np.random.default_rng(1)
    p = {"a": rng.standard_normal((80, 100)), "b": rng.standard_normal(2000)}
    w = rng.standard_normal(10_000)

    def f(p):
        return float(np.sum(w * np.sin(np.concatenate([p["a"].ravel(), p["b"]]))))

    def gradient(p):
        g = w * np.cos(np.concatenate([p["a"].ravel(), p["b"]]))
        g[faults] *= 1.01
        return {"a": g[:8000].reshape(80, 100), "b": g[8000:]}

    report = fastfd.check_gradient(f, gradient, p, directions=2)
    assert np.flatnonzero(report.verdict == WRONG).tolist() == faults
    assert report.passed is (not faults)
    assert report.nfev <= 100 if not faults else report.nfev < 1500


def test_directions_where_everything_is_wrong():
    x = np.random.default_rng(0).standard_normal(3000)
    report = fastfd.check_gradient(lambda x: float(x @ x), lambda x: -2 * x, x, directions=1)
    assert not report.passed and kinds(report) == {"sign"} and report.nfev < 5000


# --- Jacobians and Hessians ---------------------------------------------------------------------------------------------


@njit
def rotation(x, a):
    return np.array([[x[0] * x[1], np.sin(a * x[0])], [x[1] ** 2, x[0] + x[1]]])


def rotation_jacobian(x, a):
    return np.array([[[x[1], x[0]], [a * np.cos(a * x[0]), 0.0]], [[0.0, 2 * x[1]], [1.0, 1.0]]])


def test_jacobians():
    report = fastfd.check_jacobian(rotation, rotation_jacobian, [0.5, -2.0], (3.0,), points=3)
    assert report.passed and report.names[3] == "J[0, 1, 1]" and report.analytic.shape == (3, 8)
    report = fastfd.check_jacobian(rotation, lambda x, a: -rotation_jacobian(x, a), [0.5, -2.0], (3.0,))
    assert kinds(report) == {"sign"}
    with pytest.raises(ValueError, match=r"jac must have shape \(2, 2, 2\), got \(2, 4\)"):
        fastfd.check_jacobian(rotation, np.zeros((2, 4)), [0.5, -2.0], (3.0,))


def test_a_sparse_jacobian_is_checked_with_its_zeros():
    band = diags_array([[1.0, 2.0, 3.0], [4.0, 5.0]], offsets=[0, 1])
    assert fastfd.check_jacobian(lambda x: band @ x, lambda x: band.tocsr(), np.ones(3)).passed
    assert kinds(fastfd.check_jacobian(lambda x: band @ x, band.T.tocsr(), np.ones(3))) == {"transposed"}


@njit
def saddle(x):
    return x[0] ** 2 * x[1] + np.exp(x[1] * x[2])


def saddle_gradient(x):
    e = np.exp(x[1] * x[2])
    return np.array([2 * x[0] * x[1], x[0] ** 2 + x[2] * e, x[1] * e])


def saddle_hessian(x):
    e = np.exp(x[1] * x[2])
    cross = e * (1 + x[1] * x[2])
    return np.array([[2 * x[1], 2 * x[0], 0], [2 * x[0], x[2] ** 2 * e, cross], [0, cross, x[1] ** 2 * e]])


@pytest.mark.parametrize("grad", [None, saddle_gradient])
def test_hessians(grad):
    x = [1.5, 0.5, -0.7]
    assert fastfd.check_hessian(saddle, saddle_hessian, x, grad=grad, points=2).passed
    broken = saddle_hessian(np.array(x))
    broken[1, 2] *= 1.001
    report = fastfd.check_hessian(saddle, broken, x, grad=grad)
    assert kinds(report) == {"asymmetric", "few entries"} and "H[1, 2]" in str(report)
    assert np.flatnonzero(report.verdict == WRONG).tolist() == [5]


# --- bad input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "grad", "keywords", "error", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), {}, ValueError, r"grad must have shape \(2, 3\), got \(3, 2\), its transpose"),
        ({"a": 1.0, "b": 2.0}, lambda p: {"a": 1.0}, {}, ValueError, "grad must give values for a, b, got them for a"),
        (np.ones(2), 3j * np.ones(2), {}, TypeError, "grad must give real numbers"),
        (np.array([1.0, np.nan]), np.ones(2), {}, ValueError, "x must be finite"),
        ({}, np.ones(2), {}, ValueError, "x must have at least one number"),
        (np.ones(2), np.ones(2), {"points": 3}, ValueError, "points=3 needs grad as a function"),
        (np.ones(2), np.ones(2), {"points": 0}, ValueError, "points must be an integer >= 1, got 0"),
        (np.ones(2), np.ones_like, {"directions": -1}, ValueError, "directions must be None or an integer >= 1"),
        ({"a": 1.0, "b": 2.0}, lambda p: None, {}, TypeError, "grad must give a dict with values for a, b, got NoneType"),
        ({"a": 1.0, "b": 2.0}, lambda p: np.ones(2), {}, TypeError, r"a, b, got an array of shape \(2,\) and dtype float64"),
        (np.ones(2), np.ones_like, {"bounds": 3}, ValueError, r"bounds must be a pair \(lower, upper\)"),
        (np.ones(2), np.ones_like, {"seed": "a"}, ValueError, "seed must be an integer >= 0, got 'a'"),
        (np.ones(2), np.ones_like, {"args": 3}, TypeError, "args must be a tuple"),
        (np.ones(2), np.ones_like, {"bounds": (2.0, 3.0)}, ValueError, "x below lower"),
    ],
)  # fmt: skip
def test_bad_input(x, grad, keywords, error, message):
    with pytest.raises(error, match=message):
        fastfd.check_gradient(lambda p: float(np.sum(p["a"] if isinstance(p, dict) else p)), grad, x, **keywords)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: x * 2, ValueError, r"f must return one number, got shape \(2,\); check_jacobian takes such functions"),
        (3, TypeError, "f must be callable, got int"),
        (lambda x: None, TypeError, "f must return real numbers, got NoneType"),
        (lambda x: "much", TypeError, "f must return real numbers, got str"),
        (lambda x: 1j * x.sum(), TypeError, "f must return real numbers, got complex"),
        (lambda x: np.log(x.sum() - 2), ValueError, "f must be finite at x, got -inf"),
        (lambda x: np.zeros(0), ValueError, r"f must return at least one number, got shape \(0,\)"),
    ],
)
def test_f_must_return_one_finite_number(f, error, message):
    with np.errstate(divide="ignore"), pytest.raises(error, match=message):
        fastfd.check_gradient(f, np.ones_like, np.ones(2))


def test_the_gradient_that_a_hessian_is_checked_by_must_fit():
    with pytest.raises(ValueError, match=r"grad must return the shape of x, \(3,\), got \(2,\)"):
        fastfd.check_hessian(saddle, saddle_hessian, np.ones(3), grad=lambda x: x[:2])
    with pytest.raises(TypeError, match="grad must be callable, got float"):
        fastfd.check_hessian(saddle, saddle_hessian, np.ones(3), grad=1.0)


def test_bounds_are_kept():
    lower, upper, seen = np.array([0.0, -1.0]), np.array([1.0, 4.0]), []

    def f(x):
        seen.append(x.copy())
        return float(np.sqrt(x[0]) + x[1] ** 2)

    def gradient(x):
        return np.array([0.5 / np.sqrt(x[0]), 2 * x[1]])

    report = fastfd.check_gradient(f, gradient, [0.9, 3.0], bounds=(lower, upper), points=5)
    assert report.passed and (np.array(seen) >= lower).all() and (np.array(seen) <= upper).all()


# --- the report, in words and as a picture ------------------------------------------------------------------------------


def test_what_is_inconclusive_is_explained():
    """Zero biases and symmetric data put a relu on its kink; single precision leaves a few digits."""
    kink = fastfd.check_gradient(lambda x: np.abs(x).sum(), lambda x: np.ones(3), np.zeros(3))
    assert not kink.passed and "probably a kink or a jump near x: try other points" in str(kink)
    x = np.linspace(0.3, 2, 5)
    single = fastfd.check_gradient(lambda x: np.sin(x.astype(np.float32)).sum(), np.cos, x)
    assert "probably noise in f, such as single precision" in str(single)


def test_entries_without_a_number_are_not_shown():
    x = np.linspace(0.1, 3, 500)
    report = fastfd.check_gradient(lambda x: np.sin(x).sum(), np.cos, x, directions=2)
    assert str(report).splitlines()[1:] == ["  500 entries were compared in groups only"]
    report = fastfd.check_gradient(lambda x: np.sin(x).sum(), lambda x: 2 * np.cos(x), x, directions=2)
    assert "nan" not in str(report) and "too large by the factor 2" in str(report)


def test_parts_that_are_known_show_a_transpose():
    W = np.random.default_rng(0).standard_normal((60, 60))
    report = fastfd.check_gradient(lambda p: np.sin(p["W"]).sum(), lambda p: {"W": np.cos(p["W"]).T}, {"W": W}, directions=1)
    assert kinds(report) == {"transposed"} and not report.conclusive


def test_others_are_not_called_right_where_nobody_looked():
    x = np.random.default_rng(0).standard_normal(4000)
    signs = np.where(np.arange(4000) % 2, 1, -1)
    report = fastfd.check_gradient(lambda x: np.sin(x).sum(), lambda x: signs * np.cos(x), x, directions=1)
    assert kinds(report) == {"unknown"} and "entries that could be told are wrong" in str(report)


def test_a_factor_shows_beside_a_zero():
    report = fastfd.check_gradient(lambda x: (x[1:] ** 3).sum(), lambda x: np.append(0.0, x[1:] ** 2), np.arange(1.0, 6))
    assert report.findings[0].sentence == "too small by the factor 1/3, a power of 3"


def test_the_picture_tells_signs_apart():
    pytest.importorskip("matplotlib", reason="drawing needs the extra plot").use("agg")
    x = np.linspace(0.1, 1.5, 8)
    wrong = np.cos(x) * np.where(np.arange(8) == 2, -1, 1)
    wrong[5] = 0.0
    ax = fastfd.check_gradient(lambda x: np.sin(x).sum(), wrong, x).plot()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["correct (6)", "wrong (1)", "wrong, of the other sign (1)"]
    assert {text.get_text() for text in ax.texts} == {"x[2]", "x[5]"}
