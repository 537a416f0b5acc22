"""The judge judges right: methods whose faults are known by construction, and figures that can be told by hand."""

import math

import numpy as np
import pytest
from attainable import Attainable
from battery import CASES, VECTOR_CASES, nearby_vector
from judge import Answer, At, Found, Outcome, Score, entries, is_sharp, judged, judged_hessian, judged_jacobian, points, pooled
from mgh import MINIMISED, hessian_reference

from bench.methods import Counted, array, number
from bench.scoreboard import Target, at_least, board, cross

NAMED = {case.name: case for case in CASES}
SHARP = [case for case in CASES if is_sharp(case) and case.truth()]


def outcome(value: float, bar: float = math.nan, success: bool | None = None, truth: float = 1.0) -> Outcome:
    return Outcome(At("made up", np.zeros(1)), Answer(value, bar, 3, success), truth)


def scored(method) -> Score:
    return Score([judged(case, lambda f, x, args, order, case=case: method(case.truth(order))) for case in SHARP])


def test_a_method_that_is_always_right():
    score = scored(lambda truth: Answer(truth, 0.0, 7, True))
    assert score.within(0.0) == score.coverage == 1 and score.relative(1.0) == 0 and score.evaluations == 7
    assert score.count(lambda o: o.silent or o.beyond_bar) == 0 and math.isnan(score.sharpness)


def test_a_method_that_is_always_wrong_and_sure():
    score = scored(lambda truth: Answer(2 * truth, 0.0, 7, True))
    assert score.within(0.99) == score.coverage == score.sharpness == 0 and score.within(1.0) == 1
    assert score.share(lambda o: o.silent) == score.share(lambda o: o.beyond_bar) == score.share(lambda o: o.confident) == 1


@pytest.mark.parametrize(("said", "silent", "beyond"), [
    ({"bar": math.inf}, False, False),
    ({"bar": 0.5, "success": False}, False, False),
    ({"bar": 0.5, "success": True}, False, True),
    ({"bar": 1.1e-3, "success": True}, False, True),
    ({"bar": 0.9e-3, "success": True}, True, True),
    ({"bar": 0.0}, True, True),
    ({}, True, True),
])  # fmt: skip
def test_what_warns_of_an_error_as_large_as_the_truth(said, silent, beyond):
    o = outcome(2.0, **said)
    assert (o.silent, o.beyond_bar) == (silent, beyond)


def test_an_error_of_use_is_never_silent():
    assert not outcome(1 + 0.9e-3, bar=0.0).silent and not outcome(1 + 0.9e-3, bar=0.0).beyond_bar


def test_no_answer_is_neither_right_nor_silent_nor_covered():
    none = outcome(math.nan, math.nan)
    assert none.relative == math.inf and not (none.silent or none.covered or none.confident or none.estimated)
    both = Score([none, outcome(1.0, bar=0.1)])
    assert both.within(1.0) == 0.5 and both.coverage == 1 and both.relative(0.9) == math.inf


def test_without_estimates_there_is_no_coverage():
    score = scored(lambda truth: Answer(truth))
    assert math.isnan(score.coverage) and math.isnan(score.sharpness) and score.within(1e-12) == 1


def test_errors_are_relative_to_the_truth_where_it_is_not_zero():
    assert outcome(2.5, truth=2.0).relative == 0.25
    assert outcome(2.5, truth=0.0).relative == 2.5
    assert Outcome(None, Answer(2.5), 0.0, scale=10.0).relative == 0.25


def test_quantiles_and_sharpness_by_hand():
    score = Score([outcome(1 + k / 8, bar=k / 2) for k in (3, 1, 2, 0)])
    assert score.relative(0.0) == 0 and score.relative(0.5) == 0.25 and score.relative(1.0) == 0.375
    assert score.sharpness == 4 and score.coverage == 1


def test_nothing_to_judge():
    score = Score([])
    assert all(map(math.isnan, (score.within(1.0), score.relative(), score.evaluations, score.coverage, score.sharpness)))


# --- arrays -----------------------------------------------------------------------------------------------------------


def test_entries_have_their_own_bars_and_the_verdict_of_their_column():
    truth = np.array([[1.0, 2.0], [10.0, 0.0]])
    found = Found(truth + [[0.0, 1.0], [5.0, 5.0]], np.array([[0.0, 2.0], [1.0, 6.0]]), 9, np.array([False, True]))
    judged_entries = entries(None, found, truth, np.array([[2.0], [10.0]]))
    assert [o.where for o in judged_entries] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [o.relative for o in judged_entries] == [0, 0.5, 0.5, 0.5]
    assert [o.covered for o in judged_entries] == [True, True, False, True]
    assert [o.beyond_bar for o in judged_entries] == [False, False, False, False]  # that column was called a failure
    wrong = entries(None, Found(truth + 1, 0.0, 9, np.array([False, True])), truth, 1.0)
    assert [o.silent for o in wrong] == [False, True, False, True]


def test_a_jacobian_is_judged_by_its_rows():
    case = VECTOR_CASES[0]
    off = np.max(np.abs(case.truth()), axis=1, keepdims=True) * 1e-9
    one = judged_jacobian(case, lambda f, x, args: Found(case.truth() + off, 2 * off, 10))
    score = pooled([one, one])
    assert np.allclose([o.relative for o in score.outcomes], 1e-9, rtol=1e-6)
    assert score.evaluations == 10 / case.x.size and score.coverage == 1 and len(score.outcomes) == 2 * case.truth().size


def test_a_hessian_is_judged_by_its_upper_triangle():
    problem = next(p for p in MINIMISED if p.name == "wood")
    truth = hessian_reference(problem, problem.x0)
    lower = np.tril(np.full(truth.shape, 1e9), -1)
    one = judged_hessian(problem, problem.x0, lambda f, x, args: Found(truth + lower, 0.0, 50))
    assert len(one.entries) == 10 and one.cost == 5
    assert max(o.relative for o in one.entries) <= 1e-14


def test_half_an_ulp_of_x_excuses_what_no_difference_can_see():
    case = next(c for c in VECTOR_CASES if c.name == "badly scaled at Brown's root")
    blur = case.blur()[4]  # x0 x1 - 2: each derivative is the other coordinate
    assert np.allclose(blur, np.spacing(case.x[::-1]) / 2)
    truth, scale = case.truth(), np.ones((5, 1))
    for share, excused in ((0.9, False), (1.1, True)):
        an_ulp_off = Found(truth + 2 * case.blur(), share * case.blur())
        by_place = {o.where: o for o in entries(case, an_ulp_off, truth, scale)}
        assert by_place[4, 1].excused == excused and not by_place[4, 1].covered


# --- points -----------------------------------------------------------------------------------------------------------


def test_points_are_fresh_by_the_seed_and_the_same_whoever_else_is_asked_for():
    def places(*kinds, seed=7):
        return [(case.name, case.x) for case in points(seed, 2, 3, kinds)]

    some, more = places("nonsmooth", "random"), places("zero", "nonsmooth", "random")
    assert set(some) < set(more) and some == places("nonsmooth", "random") and len(set(some)) == len(some)
    fresh = set(some) - {(case.name, case.x) for case in CASES}
    assert len(fresh) == 2 * 31 + 3 and not fresh & set(places("nonsmooth", "random", seed=8))


def test_vector_points_stay_near():
    rng = np.random.default_rng(3)
    for case in VECTOR_CASES[::3]:
        fresh = nearby_vector(case, rng)
        assert (np.abs(fresh.x / case.x - 1) <= 0.1 + 1e-12).all() and (fresh.x != case.x).all()
        assert np.isfinite(fresh.truth()).all()


@pytest.mark.parametrize("name", ["sin, noise 1e-6", "exp, noise 1e-10", "sin rounded to 1e-10", "sin in single precision"])
def test_the_best_under_noise_is_neither_luck_nor_out_of_reach(name):
    """An error of some noise over the step, and one that a difference there does have."""
    best = Attainable(NAMED[name])
    assert 0.1 < best.error * best.step / best.case.noise < 10
    assert best.seen
    errors = [abs(best._difference(h) - best.case.truth()) for h in best.step * np.linspace(0.1, 0.5, 40)]
    assert best.error <= 3 * np.median(errors)


@pytest.mark.parametrize("name", ["cubic by Newton to 1e-4", "exp by a series to 1e-8"])
def test_a_smooth_bias_is_not_seen(name):
    assert not Attainable(NAMED[name]).seen


# --- what the command prints ------------------------------------------------------------------------------------------


def test_calls_are_counted_in_every_shape():
    counted = Counted(lambda x, a: a * x, (2.0,))
    assert counted.each(3.0) == 6 and counted.only(np.array([3.0])) == 6 and counted.calls == 2
    assert (counted.each(np.ones((2, 3))) == 2 * np.ones((2, 3))).all() and counted.calls == 8
    swap = Counted(lambda x: np.array([x[1], x[0], x[0]]), ())
    grid = np.arange(8.0).reshape(2, 4)
    assert np.array_equal(swap.along(grid), grid[[1, 0, 0]]) and swap.calls == 4
    assert Counted(np.sum, ()).along(grid).tolist() == [4, 6, 8, 10]


def test_a_method_that_raises_has_no_answer_but_its_calls_count():
    def solve(f, x, order):
        f.at(x)
        raise ValueError(order)

    said = number(solve)(math.sin, 1.0, (), 1)
    assert math.isnan(said.value) and said.nfev == 1
    found = array(lambda f, x: solve(f, 1.0, 1))(math.sin, np.ones(2), ())
    assert not any(o.answered for o in entries(None, found, np.ones((2, 2)), 1.0)) and found.nfev == 1


@pytest.mark.parametrize(("target", "met"), [
    (Target("few", 3.0, 3.0), "yes"), (Target("few", 3.1, 3.0), "NO"), (Target("few", math.nan, 3.0), "NO"),
    (at_least("much", 0.95, 0.95), "yes"), (at_least("much", 0.9, 0.95), "NO"), (at_least("much", math.nan, 0.1), "NO"),
])  # fmt: skip
def test_targets(target, met):
    assert target.cells()[-1] == met and target.met == (met == "yes")


def test_boards_show_the_figures():
    right, wrong = outcome(1.0, bar=0.0, success=True), outcome(2.0, bar=0.0, success=True)
    half, none = Score([right, wrong]), Score([outcome(math.nan)])
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in board("who", {"a": half, "b": none}).splitlines()]
    a, b = (dict(zip(lines[0], line)) for line in lines[2:])
    assert a["who"] == "a" and a["points"] == "2" and a["% 1e-12"] == "50.0" and a["% covered"] == "50.0"
    assert a["silent"] == a["beyond bar"] == "1" and a["evals"] == "3.0" and a["no answer"] == "0"
    assert b["% 1e-6"] == "0.0" and b["% covered"] == b["beyond bar"] == "-" and b["no answer"] == "1"
    assert "| a    | 50.0 / 100.0 |" in cross("% by", {"half": {"a": half}}, (1e-10, 1.0))
