"""What differences of a noisy function could reach at a point, if one knew the truth and so the best steps."""

from collections.abc import Iterator
from functools import cached_property
from math import inf

import numpy as np
from battery import Case

PER_OCTAVE = 8
OCTAVES = (-40, 4)  # of the steps, in units of |x|
SAMPLES = 101
SMOOTH = 3.0


class Attainable:
    """The best error, and whether f shows the noise that makes it.

    Steps from 2⁻⁴⁰|x| to 16|x|, eight an octave; central differences at h, their Richardson extrapolation from h and
    h/2, and from h, h/2 and h/4. The error of a step is the root mean square over the octave around it: among many
    steps some are right by luck, and luck is not to be attained.
    """

    def __init__(self, case: Case):
        self.case, self.scale = case, abs(case.x) or case.length
        with np.errstate(all="ignore"):  # steps that leave the domain
            self.error, self.step = min(self._octaves())

    def _octaves(self) -> Iterator[tuple[float, float]]:
        """The errors of all octaves by each formula, and the step in the middle."""
        steps = self.scale * 2.0 ** np.arange(OCTAVES[0], OCTAVES[1], 1 / PER_OCTAVE)
        table = np.array([self._difference(h) for h in steps])
        for weight in (4.0, 16.0, 64.0):
            errors = np.abs(table - self.case.truth())
            windows = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(errors, nan=inf), PER_OCTAVE + 1)
            norms = np.sqrt(np.mean(windows**2, axis=1))
            best = int(np.argmin(norms))
            yield float(norms[best]), float(steps[best + PER_OCTAVE // 2])
            table, steps = (weight * table[:-PER_OCTAVE] - table[PER_OCTAVE:]) / (weight - 1), steps[PER_OCTAVE:]

    def _difference(self, h: float) -> float:
        above, below = self.case.x + h, self.case.x - h
        return (self._f(above) - self._f(below)) / (above - below)

    def _f(self, x: float) -> float:
        return self.case.f(x, *self.case.args)

    @cached_property
    def seen(self) -> bool:
        """Whether the noise is rough over the best step and over 1 % of x. Where its trend outweighs its scatter about
        a cubic by far, as within one count of an iteration, it is a smooth function like f itself, and nobody who only
        calls f can tell the two apart."""
        return max(self._smoothness(self.step), self._smoothness(0.01 * self.scale)) <= SMOOTH

    def _smoothness(self, reach: float) -> float:
        """The trend of the noise over its scatter; of pure noise seldom above 1."""
        t = np.linspace(-1.0, 1.0, SAMPLES)
        noise = np.array([self._f(x) - self.case.exact(x) for x in (self.case.x + reach * t).tolist()])
        cubic = np.polynomial.Polynomial.fit(t, noise, 3, domain=(-1, 1))
        scatter = np.sqrt(np.mean((noise - cubic(t)) ** 2))
        return float(abs(cubic.coef[1]) / scatter) if scatter else inf
