"""Bugs in layers and losses: no right gradient is accused, no bug passes, and its name is found.

``python tests/test_layers.py [seed]`` prints the figures, on layers and points of their own for each seed.
"""

import sys

import numpy as np
import pytest
from layers import LAYERS, PLANTED, WRITTEN, dense, planted, written

import fastfd

CORRECT, INCONCLUSIVE, WRONG = range(3)
SEEDS = range(3)


def relative(a, b):
    """The relative error of each array."""
    return {k: fastfd.relative_error(a[k], b[k]) for k in a}


def leaves(report, verdict):
    return {report.names[i].partition("[")[0] for i in np.flatnonzero(np.atleast_2d(report.verdict == verdict).any(axis=0))}


def test_enough_layers():
    assert len(LAYERS) >= 40


@pytest.mark.parametrize("name", LAYERS)
def test_no_right_gradient_is_accused(name):
    for seed in SEEDS:
        (p, f, gradient, args), _ = planted(name, seed)
        report = fastfd.check_gradient(f, gradient, p, args, points=2)
        assert report.passed and not (report.verdict == WRONG).any(), str(report)


def judged(seeds):
    """Every planted bug: what it is, its relative size, whether it was found there and nowhere else, and what was named."""
    for name in LAYERS:
        for seed in seeds:
            (p, f, gradient, args), bugs = planted(name, seed)
            for what, leaf, broken in bugs:
                size = max(relative(broken(p, *args), gradient(p, *args)).values())
                report = fastfd.check_gradient(f, broken, p, args, points=1 + seed % 3)
                kinds = [finding.kind for finding in report.findings]
                yield (name, seed, what, leaf), size, not report.passed and leaves(report, WRONG) == {leaf}, kinds


def named(case):
    (_, _, what, _), _, _, kinds = case
    return kinds == [PLANTED[what][0]]


def test_planted_bugs_are_found_and_named():
    found = [case for case in judged(SEEDS) if case[1] >= 1e-5]
    assert len(found) >= 300 and {case[0][2] for case in found} == set(PLANTED)
    assert [case for case in found if not case[2]] == []
    assert np.mean([named(case) for case in found]) >= 0.95


IDS = [f"{name}: {new or old}" for name, old, new, _ in WRITTEN]


@pytest.mark.parametrize(("name", "right", "wrong", "kinds"), WRITTEN, ids=IDS)
def test_written_bugs_are_found_and_named(name, right, wrong, kinds):
    for seed in SEEDS:
        (p, f, gradient, args), broken = written(name, right, wrong, seed)
        assert fastfd.check_gradient(f, gradient, p, args).passed
        report = fastfd.check_gradient(f, broken, p, args, points=2, seed=seed)
        bugs = {leaf for leaf, size in relative(broken(p, *args), gradient(p, *args)).items() if size >= 1e-5}
        assert not report.passed and leaves(report, WRONG) == bugs, str(report)
        assert {finding.leaf: finding.kind for finding in report.findings} == kinds, str(report)


# --- bugs of the function, in a layer ---------------------------------------------------------------------------------


def layer(seed):
    rng = np.random.default_rng(seed)
    return rng, *dense(rng, np.tanh, lambda z: 1 - np.tanh(z) ** 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_dropout_in_training_mode(seed):
    rng, p, f, gradient, args = layer(seed)
    report = fastfd.check_gradient(lambda p, X: f(p, X * (rng.random(X.shape) > 0.5)), gradient, p, args)
    assert [finding.kind for finding in report.findings] == ["random function"] and not report.passed
    assert (report.verdict == INCONCLUSIVE).all() and "at the same point: fix its random numbers" in str(report)


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_that_are_normalised_in_place(seed):
    _, p, f, gradient, args = layer(seed)

    def normalised(p, X):
        p["weight"] /= np.linalg.norm(p["weight"])
        return f(p, X)

    report = fastfd.check_gradient(normalised, gradient, p, args)
    assert report.findings[0].kind == "mutated input" and not report.passed
    assert "f changes its argument in place, at weight[0, 0]" in str(report)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_batch_that_is_centred_in_place(seed):
    _, p, f, gradient, (X,) = layer(seed)
    before = X.copy()

    def centred(p, X):
        X -= X.mean(axis=0)
        return f(p, X)

    report = fastfd.check_gradient(centred, gradient, p, (X,))
    assert report.findings[0].kind == "mutated input" and "changes its argument args[0] in place" in str(report)
    assert (before == X).all()


if __name__ == "__main__":
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else int(np.random.default_rng().integers(10**6))
    reports = [fastfd.check_gradient(f, gradient, p, args, points=3, seed=seed)
               for name in LAYERS for (p, f, gradient, args), _ in (planted(name, seed),)]  # fmt: skip
    count = [sum(int((report.verdict == verdict).sum()) for report in reports) for verdict in range(3)]
    print(f"seed {seed}: {len(LAYERS)} layers and losses; entries of right gradients: "
          f"{count[0]} correct, {count[1]} inconclusive, {count[2]} wrong")  # fmt: skip
    cases = [case for case in judged(range(seed, seed + 3)) if case[1] >= 1e-5]
    right = [case for case in cases if named(case)]
    print(f"{len(cases)} bugs of relative size {min(case[1] for case in cases):.0e} and more: "
          f"{sum(case[2] for case in cases)} found, {len(right)} named rightly ({len(right) / len(cases):.1%})")  # fmt: skip
    for case in cases:
        if case not in right or not case[2]:
            print(" ", *case)
