"""Step analysis: what is known of an error curve must come out of it, in numbers, in tables and in pictures."""

import math
import sys
import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

import fastfd
from fastfd import Stencil, step_analysis
from fastfd.errorcurve import read

THREE = Stencil((0, 1)), Stencil((-1, 1)), Stencil((-2, -1, 1, 2))
NOMINAL = np.array([1, 2, 4])


@njit
def exponential(x, c=1.0, s=1.0):
    return c * np.exp(x / s)


@njit
def noisy(x, amplitude):
    """With a fixed pattern of noise, even over ± amplitude."""
    pattern = np.sin(x * 1e9) * 43758.5453
    return np.exp(x) + amplitude * (2 * (pattern - np.floor(pattern)) - 1)


@njit
def polar(x):
    return np.array([x[0] * np.cos(x[1]), x[0] * np.sin(x[1]), 3.0 * x[0]])


@njit
def root(x):
    return np.sqrt(x)


def rational(x):
    return 1 / (1 + x * x)


@njit
def kink(x):
    return abs(x)


@njit
def offset(x):
    return 1e10 + np.sin(x)


@njit
def fast(x):
    return np.sin(50 * x)


def theory(stencil, sigma, derivative):
    """The step with the least sum of truncation C₁|f⁽ᵈ⁺ᵖ⁾|hᵖ and noise √(Σw²) σ/hᵈ, and that sum."""
    d, p = stencil.order, stencil.accuracy
    rounding = math.sqrt(sum(w**2 for w in stencil.weights)) * sigma
    h = (d * rounding / (p * stencil.truncation * derivative)) ** (1 / (d + p))
    return h, stencil.truncation * derivative * h**p + rounding / h**d


def within(found, known, factor):
    ratio = np.asarray(found) / np.asarray(known)
    return np.all((ratio < factor) & (ratio > 1 / factor))


# --- the reading of a curve whose parts are known ---------------------------------------------------------------------

STEPS = 10.0 ** (np.arange(-150, 1) / 10)


def curve(stencil, sigma, seed):
    """Of a function with derivatives of 1, and noise."""
    rounding = math.sqrt(sum(w**2 for w in stencil.weights)) * sigma / STEPS
    return np.abs(stencil.truncation * STEPS**stencil.accuracy + rounding * np.random.default_rng(seed).normal(size=STEPS.size))


def reading(stencil, error, limit=0.0):
    return read(STEPS, error, np.zeros(error.size, bool), limit, stencil)


curves = given(st.sampled_from(THREE), st.floats(-16, -6), st.integers(0, 10**6))


@curves
def test_parts_of_a_curve_are_found(stencil, log_sigma, seed):
    sigma = 10**log_sigma
    found = reading(stencil, curve(stencil, sigma, seed))
    h, least = theory(stencil, sigma, 1.0)
    assert abs(found.slope - stencil.accuracy) < 0.1 * stencil.accuracy
    assert within(found.noise, sigma, 1.7)
    assert within(found.best_step, h, 5) and within(found.best_error, least, 3)


@pytest.mark.parametrize("stencil", THREE)
def test_a_lucky_zero_crossing_does_not_win(stencil):
    h, _ = theory(stencil, 1e-12, 1.0)
    for k in range(STEPS.size):
        error = curve(stencil, 1e-12, 7)
        error[k] = 0.0
        assert within(reading(stencil, error).best_step, h, 5), k


@curves
def test_noise_alone_has_no_order(stencil, log_sigma, seed):
    rounding = curve(stencil, 10**log_sigma, seed) - stencil.truncation * STEPS**stencil.accuracy
    found = reading(stencil, np.abs(rounding))
    assert np.isnan(found.slope) and found.best_step > 0.1


def test_truncation_alone_has_no_noise():
    found = reading(THREE[1], STEPS**2 / 6)
    assert found.slope == pytest.approx(2.0) and np.isnan(found.noise) and found.best_step == STEPS[0]


def test_a_plateau_has_no_order():
    """|x| beside its kink: exact below, wrong by 1 − x/h above."""
    assert np.isnan(reading(THREE[0], np.maximum(0.0, 1 - 1e-5 / STEPS)).slope)


def test_what_the_limit_hides_is_not_read():
    error = curve(THREE[2], 1e-14, 3)
    open_, hidden = reading(THREE[2], error), reading(THREE[2], error, 1e-9)
    assert open_.best_error < 1e-9 and hidden.best_error == 1e-9
    assert abs(hidden.slope - 4) < 0.1 and within(hidden.noise, 1e-14, 1.7)
    assert np.isnan(reading(THREE[2], error, 10.0)[:2]).all()


def test_a_curve_without_numbers():
    assert np.isnan(reading(THREE[0], np.full(STEPS.size, np.nan))).all()


# --- functions with known answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [exponential, math.exp], ids=["njit", "python"])
@pytest.mark.parametrize("exact", [math.e, None])
def test_orders_and_noise_of_exp(f, exact):
    found = step_analysis(f, 1.0, exact=exact)
    assert np.all(np.abs(found.slope - NOMINAL) < 0.05 * NOMINAL)
    assert within(found.relative_noise, 2.0**-53, 5)
    assert np.array_equal(found.error, np.abs(found.error)) and found.error.shape == (3, found.step.size)
    assert np.allclose(found.relative_error * found.reference, found.error, rtol=1e-15)
    assert (found.limit < 1e-15) == found.exact == (exact is not None)


def test_both_worlds_see_the_same():
    native, python = (step_analysis(f, 1.0, exact=-0.5) for f in (njit(rational), rational))
    assert np.array_equal(native.error, python.error) and native.nfev == python.nfev


@pytest.mark.parametrize("order", [2, 3, 4])
def test_orders_of_higher_derivatives(order):
    found = step_analysis(exponential, 1.0, order=order, exact=math.e, stencils=("central", ("central", 4)))
    assert np.all(np.abs(found.slope - NOMINAL[1:]) < 0.05 * NOMINAL[1:])
    assert within(found.relative_noise, 2.0**-53, 5)


@pytest.mark.parametrize("amplitude", [1e-12, 1e-8, 1e-4])
def test_known_noise_and_the_optimum(amplitude):
    found = step_analysis(noisy, 1.0, (amplitude,), exact=math.e)
    sigma = amplitude / math.sqrt(3)
    assert within(found.noise, sigma, 2)
    h, least = np.transpose([theory(stencil, sigma, math.e) for stencil in found.stencils])
    assert within(found.best_step, h, 5) and within(found.best_error, least, 3)
    assert np.all(found.error.min(axis=1) <= found.best_error)


def test_the_adaptive_value_and_its_error_bar_are_the_reference():
    found = step_analysis(fast, 1.0)
    value, info = fastfd.derivative(fast, 1.0, rtol=1e-15, full_output=True)
    assert found.reference == found.adaptive == value and found.limit == info.error == found.info.error
    assert found.info.step == info.step <= found.longest_step
    assert np.all(found.best_error >= found.limit)


def test_errors_at_the_rules_are_those_of_the_operators():
    found = step_analysis(exponential, 1.0, exact=math.e)
    eps = np.finfo(float).eps
    for i, stencil in enumerate(found.stencils):
        for rule, step in (("step law", None), ("sqrt(eps)", eps ** (1 / 2)), ("cbrt(eps)", eps ** (1 / 3))):
            value, info = fastfd.derivative(exponential, 1.0, method=stencil, step=step, full_output=True)
            assert found.rule_step[rule][i] == info.step
            assert found.rule_error[rule][i] == abs(value - math.e)


def test_curves_are_those_of_the_operators():
    found = step_analysis(exponential, 1.0, exact=math.e, stencils=["backward", ("central", 6), THREE[1]])
    assert found.labels == ("backward 1", "central 6", "(-1, 1)")
    x = np.ones(found.step.size)
    for stencil, error in zip(found.stencils, found.error, strict=True):
        values = fastfd.derivative(exponential, x, method=stencil, step=found.step)
        assert np.array_equal(np.abs(values - math.e), error)


@pytest.mark.parametrize("stencils", ["central", ("central", 2), THREE[1], ["central"]])
def test_one_stencil_may_be_given_alone(stencils):
    assert [s.offsets for s in step_analysis(math.exp, 1.0, stencils=stencils).stencils] == [(-1, 1)]


def test_single_precision_is_seen():
    found = step_analysis(lambda x: np.float32(np.sin(np.float32(x))), 1.0, exact=math.cos(1.0))
    eps = np.finfo(np.float32).eps
    assert within(found.relative_noise, eps / 2, 5)
    assert within(found.rule_step["sqrt(eps)"], eps**0.5, 1.001)


def test_a_kink_leaves_no_order_and_no_error_below_it():
    found = step_analysis(kink, 1e-3, exact=1.0, stencils=("forward", "central"))
    assert np.isnan(found.slope).all() and np.all(found.error[:, found.step < 1e-3] < 1e-15)


def test_a_constant_lifts_the_noise():
    plain, lifted = step_analysis(np.sin, 1.0, exact=math.cos(1)), step_analysis(offset, 1.0, exact=math.cos(1))
    assert within(lifted.relative_noise, 2.0**-53, 6) and np.all(lifted.noise > 1e9 * plain.noise)
    assert np.all(lifted.best_step > 10 * plain.best_step) and np.all(lifted.best_error > 1e3 * plain.best_error)


def test_differences_that_leave_the_domain_are_gaps():
    found = step_analysis(root, 1e-6, exact=500.0)
    gone = NOMINAL[:, None] // 2 * found.step > 1e-6
    assert gone[1].any() and np.array_equal(np.isnan(found.error), gone)


@pytest.mark.parametrize("x", [1.0, 2.0, 1e-6])
def test_steps_do_not_step_on_a_pole(x):
    found = step_analysis(lambda x: 1 / x, x, exact=-1 / x**2)
    assert np.all(np.abs(found.slope - NOMINAL) < 0.05 * NOMINAL)


def test_bounds_keep_f_from_being_called_outside():
    found = step_analysis(math.log, 1e-3, exact=1e3, bounds=(0.0, None))  # math.log raises there
    assert np.all(np.abs(found.slope - NOMINAL) < 0.05 * NOMINAL)
    assert np.isnan(found.rule_error["step law"][2]) and found.rule_step["step law"][2] > 5e-4
    with pytest.raises(ValueError, match="math domain error"):
        step_analysis(math.log, 1e-3, exact=1e3)


# --- arrays -----------------------------------------------------------------------------------------------------------

X = np.array([2.0, 0.5])


def test_a_coordinate_is_a_direction():
    index, vector = step_analysis(polar, X, direction=1), step_analysis(polar, X, direction=[0.0, 1.0])
    assert np.array_equal(index.error, vector.error) and np.array_equal(index.step, vector.step)
    truth = [-2 * np.sin(0.5), 2 * np.cos(0.5), 0.0]
    assert np.all(np.abs(index.reference - truth) <= index.info.error) and index.value.shape == (3,)


def test_along_a_direction_f_is_a_function_of_one_number():
    v, steps = np.array([0.3, -1.5]), np.geomspace(1e-8, 1e-1, 30)
    along = step_analysis(polar, X, direction=v, steps=steps, output=1, exact=0.0)
    single = step_analysis(lambda t: polar(X + t * v)[1], 0.0, steps=steps, exact=0.0)
    assert np.allclose(along.error, single.error, rtol=1e-6)


def test_outputs_by_themselves_and_together():
    options = {"direction": 1, "exact": np.zeros(3)}
    together = step_analysis(polar, X, **options)
    parts = [step_analysis(polar, X, direction=1, exact=0.0, output=i).error for i in range(3)]
    assert np.allclose(together.error, np.linalg.norm(parts, axis=0), rtol=1e-14)


def test_x_of_two_dimensions_and_complex_results():
    x = np.array([[1.0, 2.0], [3.0, 0.5]])
    found = step_analysis(lambda x: np.exp(1j * x[1, 1]) * x[0], x, direction=(1, 1), exact=1j * np.exp(0.5j) * x[0])
    assert np.all(np.abs(found.slope - NOMINAL) < 0.05 * NOMINAL) and found.reference.shape == (2,)


# --- invariants -------------------------------------------------------------------------------------------------------

powers = st.integers(-60, 60).map(lambda k: 2.0**k)


@given(powers)
def test_f_times_c_has_c_times_the_error(c):
    base, scaled = (step_analysis(exponential, 1.0, (k, 1.0), exact=k * math.e) for k in (1.0, c))
    for name in ("error", "noise", "best_error", "limit"):
        assert np.array_equal(getattr(scaled, name), c * getattr(base, name))
    for name in ("step", "best_step", "relative_error", "relative_noise"):
        assert np.array_equal(getattr(scaled, name), getattr(base, name))
    assert np.allclose(scaled.slope, base.slope, rtol=1e-12)  # of logarithms


@given(powers)
def test_x_times_s_has_s_times_the_steps_and_a_share_of_the_error(s):
    steps = np.geomspace(1e-14, 1.0, 120)
    base, scaled = (step_analysis(exponential, k, (1.0, k), exact=math.e / k, steps=k * steps) for k in (1.0, s))
    for name, power in (("step", 1), ("best_step", 1), ("error", -1), ("best_error", -1), ("noise", 0), ("slope", 0)):
        assert np.allclose(getattr(scaled, name), s**power * getattr(base, name), rtol=1e-12)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_edges_of_the_doubles(size):
    found = step_analysis(exponential, 1.0, (size, 1.0))
    assert np.all(np.abs(found.slope - NOMINAL) < 0.05 * NOMINAL) and within(found.relative_noise, 2.0**-53, 5)


@pytest.mark.parametrize("x", [0.0, 5e-324, 1e-12, 1e5])
def test_steps_follow_the_scale_of_f_where_x_does_not_tell(x):
    found = step_analysis(np.sin, x)
    assert 1e-17 < found.step[0] < 1e-10 and 0.1 < found.step[-1] < 1e6
    assert np.all(np.diff(found.step) > 0) and np.array_equal(x + found.step - x, found.step)


@pytest.mark.parametrize("order", [1, 2])
def test_nfev_counts_the_calls(order):
    calls = []

    def f(x):
        calls.append(x)
        return math.exp(x[0]) + x[1]

    found = step_analysis(f, [1.0, 2.0], direction=0, order=order, steps=[1e-5, 1e-3])
    assert found.nfev == len(calls)


def test_the_caller_keeps_his_arrays():
    x, v, steps = X.copy(), np.array([1.0, 2.0]), np.array([1e-3, 1e-5])
    step_analysis(polar, x, direction=v, steps=steps)
    assert np.array_equal(x, X) and v.tolist() == [1.0, 2.0] and steps.tolist() == [1e-3, 1e-5]


# --- the tables -------------------------------------------------------------------------------------------------------


def test_tables_are_aligned_and_say_what_the_arrays_say():
    found = step_analysis(exponential, 1.0)
    head, fits, rules, decades = (block.split("\n") for block in str(found).split("\n\n"))
    assert f"below {found.limit:.1e} they cannot be seen" in head[1] and f"{found.nfev} evaluations" in head[0]
    for block in (fits, rules, decades):
        assert len({len(line) for line in block}) == 1
    for i, (line, label) in enumerate(zip(fits[1:], found.labels, strict=True)):
        words = line.removeprefix(label).split()
        assert words[:2] == [f"h^{found.slope[i]:.2f}", f"h^{NOMINAL[i]}"]
        assert words[2] == f"{found.noise[i]:.1e}" and words[4] == f"{found.best_step[i]:.1e}"
    assert len(decades) == 17 and decades[2].startswith("1.0e-01")


def test_tables_do_not_tell_what_the_limit_hides():
    found = step_analysis(exponential, 1.0)
    assert found.error[2].min() < found.limit
    numbers = [float(word) for line in str(found).split("\n\n")[3].split("\n")[1:] for word in line.replace("<", " ").split()[1:]]
    assert min(numbers) == float(f"{found.limit:.1e}")


def test_tables_of_what_does_not_show():
    text = str(step_analysis(lambda x: 3.0, 1.0, stencils="central"))
    assert "central 2           -      h^2           -         -" in text
    assert repr(step_analysis(math.exp, 1.0)) == "StepAnalysis(exp at x = 1.0: forward 1, central 2, central 4)"


# --- bad input --------------------------------------------------------------------------------------------------------

BAD = [
    ({"stencils": "adaptive"}, "stencils must be of forward, backward, central, pairs .* got 'adaptive'"),
    ({"stencils": 3}, "stencils must be of forward, .* got 3"),
    ({"stencils": ()}, "stencils must name one stencil at least"),
    ({"stencils": ("forward", ("central", 4.5))}, r"stencils must be of forward, .* got \('central', 4.5\)"),
    ({"stencils": ("central", 3)}, "accuracy must be even for method='central', got 3"),
    ({"stencils": Stencil((-1, 0, 1), 2)}, "stencils holds a Stencil for derivatives of order 2; this needs order 1"),
    ({"order": 0}, "order must be an integer from 1 to 10, got 0"),
    ({"exact": "a"}, r"exact must be numbers of the shape of the result, \(\), got 'a'"),
    ({"exact": [1.0]}, r"exact must be numbers of the shape of the result, \(\), got \[1.0\]"),
    ({"exact": math.nan}, "exact must be finite, got nan"),
    ({"steps": []}, r"steps must be positive and finite, got \[\]"),
    ({"steps": [1e-3, -1.0]}, r"steps must be positive and finite, got \[0.001, -1.0\]"),
    ({"steps": "short"}, "steps must be an array of numbers, got 'short'"),
    ({"steps": [1e-30, 1.0]}, "steps must be long enough to move x = 1.0, got 1e-30"),
    ({"direction": 1}, r"direction must be the index of a coordinate of x, of shape \(\), got 1"),
    ({"direction": 0.0}, "direction must not be zero"),
    ({"output": 0}, r"output must be an index into the results of f, of shape \(\), got 0"),
    ({"bounds": (2.0, 3.0)}, "bounds do not hold at coordinate 0: x below lower"),
]
BAD_ON_ARRAYS = [
    ({}, r"direction must be given for an x of shape \(2,\)"),
    ({"direction": 2}, r"direction must be the index of a coordinate of x, of shape \(2,\), got 2"),
    ({"direction": True}, r"direction must have the shape of x, \(2,\), got \(\)"),
    ({"direction": [1.0, np.inf]}, "direction must be finite"),
    ({"direction": 0, "output": 5}, r"output must be an index into the results of f, of shape \(3,\), got 5"),
    ({"direction": 0, "exact": 1.0}, r"exact must be numbers of the shape of the result, \(3,\), got 1.0"),
]


@pytest.mark.parametrize(("keywords", "message"), BAD, ids=[str(k) for k, _ in BAD])
def test_keywords_that_do_not_fit(keywords, message):
    with pytest.raises(ValueError, match=message):
        step_analysis(exponential, 1.0, **keywords)


@pytest.mark.parametrize(("keywords", "message"), BAD_ON_ARRAYS, ids=[str(k) for k, _ in BAD_ON_ARRAYS])
def test_keywords_that_do_not_fit_arrays(keywords, message):
    with pytest.raises(ValueError, match=message):
        step_analysis(polar, X, **keywords)


def test_no_function_no_point_no_arguments_no_value():
    with pytest.raises(TypeError, match="f must be callable"):
        step_analysis(3, 1.0)
    with pytest.raises(TypeError, match="x must be real"):
        step_analysis(math.exp, 1j)
    with pytest.raises(TypeError, match="args must be a tuple"):
        step_analysis(noisy, 1.0, 1e-3)
    with pytest.raises(ValueError, match="f must be finite at x"):
        step_analysis(lambda x: math.nan, 1.0)
    with pytest.raises(ValueError, match=r"no derivative here .* give exact="):
        step_analysis(lambda x: 1.0 if x == 1.0 else math.nan, 1.0)
    with pytest.raises(ValueError, match=r"f must return a number at least, .* got a result of shape \(0,\)"):
        step_analysis(lambda x: np.empty(0), [1.0], direction=0)


def test_an_exception_of_f_names_the_coordinate_that_moved():
    def f(x):
        if x[1] > 5:
            raise KeyError("too far")
        return x[1]

    with pytest.raises(KeyError, match="too far") as caught:
        step_analysis(f, [1.0, 2.0], direction=1, steps=[1e-3, 10.0])
    assert "with respect to coordinate 1," in caught.value.__notes__[0]


# --- the picture ------------------------------------------------------------------------------------------------------

PICTURES = {
    "exp": (exponential, 1.0, {"exact": math.e}),
    "against adaptive": (exponential, 1.0, {}),
    "oscillating": (fast, 1.0, {"exact": 50 * math.cos(50)}),
    "singular": (root, 1e-6, {"exact": 500.0}),
    "kink": (kink, 1e-3, {"exact": 1.0}),
    "offset": (offset, 1.0, {}),
    "noise": (noisy, 1.0, {"args": (1e-6,)}),
    "array": (polar, X, {"direction": [1.0, 0.5], "order": 2, "stencils": ["forward", "backward", "central", ("central", 4)]}),
    "nothing to see": (np.cos, 0.0, {"exact": 0.0}),
    "constant": (lambda x: 0.0, 1.0, {}),
    "gone": (np.sqrt, 0.0, {"exact": 0.0, "stencils": "central"}),
}


@pytest.fixture
def pyplot():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot

    yield matplotlib.pyplot
    matplotlib.pyplot.close("all")


def boxes(ax, renderer):
    """Where there is text: legend, labels of the axes, of the rules and of the ticks that can be seen."""
    ticks = [
        tick.label1
        for axis in (ax.xaxis, ax.yaxis)
        for tick in axis.get_major_ticks()
        if tick.label1.get_text() and axis.get_view_interval()[0] <= tick.get_loc() <= axis.get_view_interval()[1]
    ]
    artists = ax.get_legend(), ax.xaxis.label, ax.yaxis.label, *ax.texts, *ticks
    return [artist.get_window_extent(renderer) for artist in artists]


@pytest.mark.parametrize(("name", "size"), [*((name, (4.0, 3.0)) for name in PICTURES), ("exp", (6.4, 4.8))])
def test_nothing_overlaps(name, size, pyplot):
    f, x, keywords = PICTURES[name]
    figure, ax = pyplot.subplots(figsize=size, dpi=100, layout="constrained")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's own sqrt, called where it is not defined
        found = step_analysis(f, x, **keywords)
    assert found.plot(ax) is ax
    figure.canvas.draw()
    texts = boxes(ax, figure.canvas.get_renderer())
    assert len(texts) >= 5
    for a, b in combinations(texts, 2):
        assert not a.overlaps(b), (a, b)
    assert not any(ax.bbox.padded(-1).overlaps(box) for box in texts)
    assert all(figure.bbox.x0 <= t.x0 and t.x1 <= figure.bbox.x1 and t.y1 <= figure.bbox.y1 for t in texts)


def test_the_picture_shows_the_curves_and_the_steps(pyplot):
    found = step_analysis(exponential, 1.0, exact=math.e)
    ax = found.plot()
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    lines = {line.get_label(): line for line in ax.lines}
    for i, label in enumerate(found.labels):
        line = lines[f"{label}, $h^{{{found.slope[i]:.1f}}}$"]
        assert np.array_equal(line.get_ydata(), np.maximum(found.error[i], found.limit))
    marked = [tuple(map(float, (*line.get_xdata(), *line.get_ydata()))) for line in ax.lines if len(line.get_xdata()) == 1]
    for i in range(3):
        assert (found.best_step[i], found.best_error[i]) in marked
        assert (found.rule_step["step law"][i], found.rule_error["step law"][i]) in marked
    assert [t.get_text() for t in ax.texts] == ["√ε", "∛ε"]
    assert ax.get_legend().get_title().get_text() == found.title
    low, high = ax.get_ylim()
    assert low < found.best_error.min() and high > math.e


def test_units_of_the_axes(pyplot):
    found = step_analysis(exponential, 1.0, order=4, stencils="central")
    assert found.plot().get_ylabel() == "error of f⁽⁴⁾ (units of f/x⁴)"


def test_without_matplotlib_a_sentence_says_what_to_install(monkeypatch):
    found = step_analysis(math.exp, 1.0)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "fastfd\[plot\]"'):
        found.plot()
