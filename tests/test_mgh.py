"""The hand-written Jacobians of the Moré-Garbow-Hillstrom problems, against a complex step."""

import numpy as np
import pytest
from mgh import PROBLEMS, Problem, python_residual


def points(problem: Problem) -> list[np.ndarray]:
    """The standard starting point and three near it."""
    rng = np.random.default_rng(1981)
    moves = rng.uniform(-0.05, 0.05, (3, problem.x0.size))
    return [problem.x0, *(problem.x0 + moves * (1 + np.abs(problem.x0)))]


def complex_step(problem: Problem, x: np.ndarray, h: float = 1e-20) -> np.ndarray:
    residual = python_residual(problem)
    columns = [residual(x + h * 1j * e, *problem.args).imag / h for e in np.eye(x.size)]
    return np.transpose(columns)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_jacobian_agrees_with_complex_step(problem: Problem) -> None:
    for x in points(problem):
        truth = complex_step(problem, x)
        error = np.abs(problem.jacobian(x, *problem.args) - truth)
        assert error.max() <= 1e-12 * np.abs(truth).max()
