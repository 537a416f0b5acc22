"""Points that real minimisations visit one after another, all differentiated by one prepared object."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from judge import At, Found, Judged, judged_columns, said
from mgh import Problem, gradient_reference
from scipy.optimize import least_squares, minimize

import fastfd

CALLS = 100  # of the objective or residual, at most


@dataclass
class Recorder:
    """A prepared operator that keeps what it says of each point."""

    operator: Callable
    visits: list[tuple[np.ndarray, Found]]

    def __call__(self, x: np.ndarray, *args: Any) -> np.ndarray:
        found = said(*self.operator(x, *args, full_output=True))
        self.visits.append((x.copy(), found))
        return found.value


@dataclass(frozen=True)
class Trajectory:
    """The points in their order with what was found, and how to find and to know it otherwise."""

    problem: Problem
    visits: list[tuple[np.ndarray, Found]]
    anew: Callable[[], Callable]
    truth: Callable[[np.ndarray], np.ndarray]

    def judged(self) -> list[Judged]:
        return [self._against_truth(x, found) for x, found in self.visits]

    def judged_anew(self) -> Iterator[Judged]:
        """The same points, an object that knows nothing yet at each."""
        for x, _ in self.visits:
            yield self._against_truth(x, said(*self.anew()(x, *self.problem.args, full_output=True)))

    def _against_truth(self, x: np.ndarray, found: Found) -> Judged:
        return judged_columns(At(self.problem.name, x), found, self.truth(x.astype(np.longdouble)))


def minimised(problem: Problem) -> Trajectory:
    """Gradients of the sum of squares, where L-BFGS-B asks for them."""
    make = lambda: fastfd.Gradient(problem.objective)  # noqa: E731
    recorder = Recorder(make(), [])
    options = {"maxfun": CALLS}
    minimize(problem.objective, problem.x0, problem.args, jac=recorder, method="L-BFGS-B", options=options)
    return Trajectory(problem, recorder.visits, make, lambda x: gradient_reference(problem, x))


def fitted(problem: Problem) -> Trajectory:
    """Jacobians of the residual, where a Gauss-Newton method asks for them."""
    make = lambda: fastfd.Jacobian(problem.residual)  # noqa: E731
    recorder = Recorder(make(), [])
    least_squares(problem.residual, problem.x0, recorder, args=problem.args, max_nfev=CALLS)
    return Trajectory(problem, recorder.visits, make, lambda x: problem.jacobian(x, *problem.args))
