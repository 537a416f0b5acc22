"""Hessians of functions outside the problems of Moré, Garbow and Hillstrom, against 50 digits."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from judge import Score, judged_surface, pooled
from scenarios import as_python
from surfaces import SURFACES, Surface, moved, random_surface

import fastfd

KNOWN = [case for case in SURFACES if case.mp is not None]
SHARP = [case for case in KNOWN if case.kind != "noisy"]
SMOOTH = [case for case in SHARP if case.kind == "smooth"]

#: Largest error relative to the largest entry, where not 1e-9: what rounding of f leaves.
HARD = {
    "waves of 1 on 1e6": 1e-6,
    "mixing": 1e-6,
    "mixing at its edge": 1e-6,
}


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def keywords(case: Surface) -> dict:
    return {} if case.bounds is None else {"bounds": case.bounds}


def test_counts():
    counts = Counter(case.kind for case in SURFACES)
    assert len(KNOWN) >= 45 and min(counts.values()) >= 5
    assert len({case.name for case in SURFACES}) == len(SURFACES)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("bilinear, n = 5", lambda x: np.diag([1.0, 2.0, 3.0, 4.0], 1) + np.diag([1.0, 2.0, 3.0, 4.0], -1)),
        ("saddle off its centre", lambda x: np.array([[2.0, x[2], x[1]], [x[2], -2.0, x[0]], [x[1], x[0], 0.0]])),
        ("log-sum-exp, n = 5", lambda x: np.diag(p := np.exp(x) / np.exp(x).sum()) - np.outer(p, p)),
    ],
)
def test_the_truth_is_the_formula(name, expected):
    case = next(case for case in SURFACES if case.name == name)
    assert np.allclose(case.truth(), expected(case.x), rtol=1e-14, atol=1e-15)


@named(SHARP)
@pytest.mark.parametrize("world", ["njit", "python"])
def test_hessian(case, world):
    f = case.f if world == "njit" else as_python(case.f)
    H, info = fastfd.hessian(f, case.x, case.args, full_output=True, **keywords(case))
    error, size = np.abs(H - case.truth()), np.abs(case.truth()).max()
    assert np.array_equal(H, H.T)
    assert error.max() <= HARD.get(case.name, 1e-9) * size or not info.success, info
    assert (error <= info.error).mean() >= 0.6  # all of them together: test_the_bars_of_all_cases_cover


def test_the_bars_of_all_cases_cover():
    score = pooled(judged_surface(case) for case in SHARP)
    assert score.coverage >= 0.985
    assert score.count(lambda o: o.silent or o.beyond_bar) == 0


def test_smooth_functions_cost_eight_evaluations_an_entry():
    score = pooled(judged_surface(case) for case in SMOOTH)
    assert score.relative(1.0) <= 1e-9 and score.coverage >= 0.99 and score.evaluations <= 8.5


def test_fresh_points_and_random_compositions():
    rng = np.random.default_rng(20)
    score = pooled(judged_surface(moved(case, rng)) for case in SHARP)
    others = pooled(judged_surface(random_surface(rng)) for _ in range(60))
    assert score.coverage >= 0.985 and others.coverage >= 0.97
    assert Score([*score.outcomes, *others.outcomes]).count(lambda o: o.silent) == 0
    assert others.within(1e-9) >= 0.95 and others.evaluations <= 10


@named([case for case in SURFACES if case.kind == "noisy"])
def test_noise_that_is_known(case):
    """It makes the steps longer: errors without it are at least as large as the entries here, and are flagged."""
    H, info = fastfd.hessian(case.f, case.x, case.args, noise=case.noise, full_output=True)
    error, size = np.abs(H - case.truth()), np.abs(case.truth()).max()
    assert (error <= info.error).all()
    assert error.max() <= 10 * (case.noise / np.abs(case.f(case.x, *case.args))) ** 0.5 * size


@named([case for case in SURFACES if case.kind == "noisy"])
def test_noise_that_is_not_known_is_never_silent(case):
    H, info = fastfd.hessian(case.f, case.x, case.args, full_output=True)
    error, size = np.abs(H - case.truth()), np.abs(case.truth()).max()
    assert not info.success or (error <= np.maximum(info.error, 1e-3 * size)).all()


@named([case for case in SURFACES if case.name.startswith(("hill, n", "wells, n")) and case.kind == "noisy"])
def test_noise_is_found(case):
    """Where nothing but noise is left of f, it is measured, and the steps are made longer."""
    H, info = fastfd.hessian(case.f, case.x, case.args, full_output=True)
    error, size = np.abs(H - case.truth()), np.abs(case.truth()).max()
    assert error.max() <= 10 * (case.noise / np.abs(case.f(case.x, *case.args))) ** 0.5 * size
    assert (error <= info.error).mean() >= 0.85


@named([case for case in SURFACES if case.kind == "nonsmooth" and case.name != "half a parabola"])
def test_kinks_are_flagged(case):
    """That of a slope, as in x|x|, is not: the second differences on its two sides agree."""
    _, info = fastfd.hessian(case.f, case.x, case.args, full_output=True)
    assert not info.success


@named([*SMOOTH[:6], *(case for case in SHARP if case.kind == "zeros")])
def test_hvp_is_the_product(case):
    v = np.cos(np.arange(case.x.size) + 0.5)
    found, info = fastfd.hvp(case.f, case.x, v, case.args, full_output=True)
    truth = case.truth() @ v
    error, size = np.abs(found - truth), np.abs(case.truth()).max()
    assert (error <= info.error + 1e-14 * size).all()
    assert error.max() <= (1e-8 * size if size else 1e-12) or not info.success


@named([case for case in SHARP if case.bounds is None][:30])
def test_a_prepared_object_gives_the_same_bits(case):
    H = fastfd.Hessian(case.f)
    first = H(case.x, *case.args)
    H(case.x * 1.001, *case.args)
    assert np.array_equal(H(case.x, *case.args), first)
    assert np.array_equal(fastfd.hessian(case.f, case.x, case.args, parallel=True), first)


@pytest.mark.parametrize("case", [replace(SMOOTH[3], bounds=(SMOOTH[3].x - r, SMOOTH[3].x + r)) for r in (1e-1, 1e-2, 1e-3)])
def test_little_room_costs_digits_only(case):
    H, info = fastfd.hessian(case.f, case.x, case.args, bounds=case.bounds, full_output=True)
    assert (np.abs(H - case.truth()) <= info.error).all()
    assert info.error.max() <= 1e-6 * np.abs(H).max()


def test_functions_without_coupling_give_exact_zeros():
    case = next(case for case in SURFACES if case.name == "separate, n = 6")
    H = fastfd.hessian(case.f, case.x, case.args)
    assert np.count_nonzero(H - np.diag(np.diag(H))) == 0


def test_polynomials_are_known_to_the_last_digits():
    """Where truncation vanishes, longer steps cost nothing but make rounding smaller."""
    from mgh import rosenbrock, rosenbrock_hessian

    x = np.array([0.0138, 0.0897])  # near 0: steps in proportion to x are far too short
    truth = rosenbrock_hessian(x)
    H, info = fastfd.hessian(lambda x: np.sum(rosenbrock(x) ** 2), x, full_output=True)
    assert np.abs(H - truth).max() <= 1e-12 * np.abs(truth).max()
    assert (np.abs(H - truth) <= info.error).all()
