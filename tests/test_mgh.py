"""The hand-written Jacobians of the Moré-Garbow-Hillstrom problems, against a complex step."""

import numpy as np
import pytest
from mgh import MINIMISED, PROBLEMS, Problem, hessian_reference
from scenarios import as_python


def points(problem: Problem) -> list[np.ndarray]:
    """The standard starting point and three near it."""
    rng = np.random.default_rng(1981)
    moves = rng.uniform(-0.05, 0.05, (3, problem.x0.size))
    return [problem.x0, *(problem.x0 + moves * (1 + np.abs(problem.x0)))]


def complex_step(problem: Problem, x: np.ndarray, h: float = 1e-20) -> np.ndarray:
    residual = as_python(problem.residual)
    columns = [residual(x + h * 1j * e, *problem.args).imag / h for e in np.eye(x.size)]
    return np.transpose(columns)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_jacobian_agrees_with_complex_step(problem: Problem) -> None:
    for x in points(problem):
        truth = complex_step(problem, x)
        error = np.abs(problem.jacobian(x, *problem.args) - truth)
        assert error.max() <= 1e-12 * np.abs(truth).max()


@pytest.mark.parametrize("problem", MINIMISED, ids=lambda problem: problem.name)
def test_hessian_in_extended_precision_agrees_with_double_and_closed_forms(problem: Problem) -> None:
    """Where long doubles are wider, the complex step in them is good to the last digit of a double."""
    truth = hessian_reference(problem, problem.x0.astype(np.longdouble))
    assert truth.dtype == np.longdouble
    scale = np.abs(truth).max()
    assert np.abs(hessian_reference(problem, problem.x0) - truth).max() <= 1e-12 * scale
    if problem.hessian is not None:
        assert np.abs(problem.hessian(problem.x0, *problem.args) - truth).max() <= 1e-14 * scale


def test_the_problems_of_minimisation_are_the_papers() -> None:
    assert len(MINIMISED) == 18
