"""The planted bugs: no right gradient is accused, no bug passes, and its name is found."""

import numpy as np
import pytest
from layers import BUGS, LAYERS, planted

import fastfd

WRONG = 2
SEEDS = range(3)


def relative(a, b):
    return max(fastfd.relative_error(a[k], b[k]) for k in a)


def test_enough_layers():
    assert len(LAYERS) >= 40


@pytest.mark.parametrize("name", LAYERS)
def test_no_right_gradient_is_accused(name):
    for seed in SEEDS:
        (p, f, gradient, args), _ = planted(name, seed)
        report = fastfd.check_gradient(f, gradient, p, args, points=2)
        assert report.passed, str(report)


def verdicts():
    """For every bug: layer, kind, array, whether it was found in that array alone, and the kinds that were named."""
    for name in LAYERS:
        for seed in SEEDS:
            (p, f, gradient, args), bugs = planted(name, seed)
            for kind, leaf, broken in bugs:
                size = relative(broken(p, *args), gradient(p, *args))
                report = fastfd.check_gradient(f, broken, p, args)
                wrong = {report.names[i].partition("[")[0] for i in np.flatnonzero(report.verdict == WRONG)}
                yield name, kind, leaf, size, report.passed, wrong == {leaf}, [finding.kind for finding in report.findings]


def test_bugs_are_found_and_named():
    found = list(verdicts())
    assert len(found) >= 300 and {kind for _, kind, *_ in found} == set(BUGS)
    missed = [case for case in found if case[3] >= 1e-5 and (case[4] or not case[5])]
    assert missed == []
    named = [kinds == [kind.partition(" ½")[0].partition(",")[0]] for _, kind, _, size, _, _, kinds in found if size >= 1e-5]
    assert np.mean(named) >= 0.95


if __name__ == "__main__":
    cases = list(verdicts())
    right = [case for case in cases if case[6] == [case[1].partition(" ½")[0].partition(",")[0]]]
    print(f"{len(LAYERS)} layers and losses, {len(cases)} bugs: {sum(not c[4] for c in cases)} found, {len(right)} named rightly")
    for case in cases:
        if case not in right:
            print(*case)
