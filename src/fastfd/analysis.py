"""What the error of a finite difference does as the step shrinks: truncation against rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastfd.columns import Columns, FixedJob, SearchJob
from fastfd.errorcurve import norm, read
from fastfd.function import Function, wrap
from fastfd.info import Info
from fastfd.plan import Plan, along, along_often, checked_order
from fastfd.plotting import draw
from fastfd.prepared import given
from fastfd.run import Job, as_point, checked_direction
from fastfd.stencils import Stencil, named_stencil
from fastfd.steps import even_step, relative_step

__all__ = ["StepAnalysis", "step_analysis"]

Array = NDArray[np.float64]

#: Ten steps a decade, a little longer than the powers of ten: x = 1 and h = 1 would put a node of 1/x on its pole.
PER_DECADE, LONGER = 10, 1.007
#: How far the steps reach, at least and at most, over the longest that counts in the adaptive search.
FURTHER, FURTHEST = 3.0, 1e3
#: The adaptive value that errors are measured against is as good as it can be.
RTOL = 1e-15
#: Groups of coordinates that one sweep moves are held in memory: so many coordinates at a time.
LARGEST = 1 << 22
#: What people write, as powers of the machine epsilon.
POWERS = {"sqrt(eps)": 1 / 2, "cbrt(eps)": 1 / 3}
NAMES = "forward", "backward", "central"
#: A title names so many coordinates.
FEW = 3


@dataclass(frozen=True, eq=False)
class StepAnalysis:
    """Errors of finite differences over a range of steps. ``print`` shows tables, :meth:`plot` a picture.

    Attributes
    ----------
    title : str
        The function and the point.
    order : int
        The order d of the derivative.
    stencils : tuple of Stencil
        What was analysed; the S rows of the arrays below.
    labels : tuple of str
        A name for each: the method and its accuracy, or the offsets.
    step : ndarray
        The K steps, rising, in units of x (of t, where x moves along x + t·v).
    error : ndarray
        Absolute errors, (S, K), in units of f/xᵈ; the 2-norm over the outputs where f has several. nan where a
        node of the stencil has left the domain of f.
    reference : float or ndarray
        The derivative that errors are measured against: the exact one where it was given, else the adaptive one.
    limit : float
        Errors below this cannot be seen: the error bar of the adaptive value, or the rounding of the exact one.
    value : float or ndarray
        f(x).
    slope : ndarray
        The fitted order of the truncation error, (S,); the nominal one is the stencil's ``accuracy``. nan where no
        truncation stands out of the noise.
    noise : ndarray
        The standard deviation of the noise of f that explains the errors at steps below the best, (S,), in units
        of f: the error there is about √(Σwᵢ²) · noise / hᵈ. nan where no such steps show it.
    best_step, best_error : ndarray
        Where the smoothed error is least, and how large it is there, (S,).
    rule_step, rule_error : dict of str to ndarray
        The step that each rule chooses and the error there, (S,): ``"step law"``, fastfd's own, and ``"sqrt(eps)"``
        and ``"cbrt(eps)"``, each times max(1, \\|x\\|).
    adaptive : float or ndarray
        The value of ``method="adaptive"``.
    info : Info
        Its error bar, its shortest step that counts, and its verdict.
    longest_step : float
        The longest step that counts in it.
    exact : bool
        Whether the reference was given.
    nfev : int
        Evaluations of f, all together.

    Examples
    --------
    >>> import math
    >>> from fastfd import step_analysis
    >>> found = step_analysis(math.exp, 1.0, exact=math.e)
    >>> found
    StepAnalysis(exp at x = 1.0: forward 1, central 2, central 4)
    >>> [round(float(p), 1) for p in found.slope]
    [1.0, 2.0, 4.0]
    >>> bool(found.best_error[2] < found.best_error[1] < found.best_error[0])
    True
    """

    title: str
    order: int
    stencils: tuple[Stencil, ...]
    labels: tuple[str, ...]
    step: Array
    error: Array
    reference: Any
    limit: float
    value: Any
    slope: Array
    noise: Array
    best_step: Array
    best_error: Array
    rule_step: dict[str, Array]
    rule_error: dict[str, Array]
    adaptive: Any
    info: Info
    longest_step: float
    exact: bool
    nfev: int

    @property
    def relative_error(self) -> Array:
        """Errors over the size of the reference."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.error / norm(self.reference)

    @property
    def relative_noise(self) -> Array:
        """Noise over the size of f(x)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.noise / norm(self.value)

    def plot(self, ax: Any = None) -> Any:
        """Draw errors against steps on logarithmic axes, one line a stencil.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default. The legend stands above the axes: a figure made with
            ``layout="constrained"`` leaves room for it.

        Returns
        -------
        ax : matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return draw(self, ax)

    def __repr__(self) -> str:
        return f"StepAnalysis({self.title}: {', '.join(self.labels)})"

    def __str__(self) -> str:
        return "\n\n".join("\n".join(lines) for lines in (_head(self), _fits(self), _rules(self), _decades(self)))


# --- the tables -------------------------------------------------------------------------------------------------------


def _head(found: StepAnalysis) -> list[str]:
    kind = "the exact derivative" if found.exact else "the adaptive value"
    info, steps = found.info, f"steps {_short(found.info.step)} to {_short(found.longest_step)}"
    return [
        f"{found.title}, derivative of order {found.order}; {found.nfev} evaluations",
        f"errors against {kind} {found.reference!s}; below {_short(found.limit)} they cannot be seen",
        f"adaptive: {found.adaptive!s}, error bar {_short(norm(info.error))}, {steps}; {info.message}",
    ]


def _fits(found: StepAnalysis) -> list[str]:
    rows = [["stencil", "truncation", "nominal", "noise of f", "over |f|", "best h", "error there"]]
    for i, label in enumerate(found.labels):
        slope = "-" if np.isnan(found.slope[i]) else f"h^{found.slope[i]:.2f}"
        numbers = map(_short, (found.noise[i], found.relative_noise[i], found.best_step[i]))
        rows.append([label, slope, f"h^{found.stencils[i].accuracy}", *numbers, _seen(found.best_error[i], found)])
    return _aligned(rows)


def _rules(found: StepAnalysis) -> list[str]:
    rows = [["rule", *(text for rule in found.rule_step for text in (f"h by {rule}", "error"))]]
    for i, label in enumerate(found.labels):
        pairs = ((_short(found.rule_step[r][i]), _seen(found.rule_error[r][i], found)) for r in found.rule_step)
        rows.append([label, *(text for pair in pairs for text in pair)])
    return _aligned(rows)


def _decades(found: StepAnalysis) -> list[str]:
    logs = np.log10(found.step)
    decades = np.arange(np.floor(logs[-1]), np.ceil(logs[0]) - 1, -1)
    nearest = dict.fromkeys(int(np.abs(logs - decade).argmin()) for decade in decades)
    rows = [["h", *(f"error, {label}" for label in found.labels)]]
    rows += [[_short(found.step[k]), *(_seen(e, found) for e in found.error[:, k])] for k in nearest]
    return _aligned(rows)


def _aligned(rows: list[list[str]]) -> list[str]:
    """Columns as wide as their widest cell: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]


def _short(number: Any) -> str:
    return "-" if np.isnan(number) else f"{number:.1e}"


def _seen(error: float, found: StepAnalysis) -> str:
    return f"< {_short(found.limit)}" if error <= found.limit > 0 else _short(error)


# --- what is evaluated ------------------------------------------------------------------------------------------------


class _Along(Job):
    """One column, along a direction v."""

    _v: Array

    def fail(self, code: int, x: Array, args: tuple, work: Array, column: int) -> NoReturn:
        super().fail(code, x, args, work, int(np.argmax(self._v != 0.0)))  # not the number of the step


class _Ladder(_Along, FixedJob):
    """Several stencils at many steps along one direction v, in one sweep."""

    def __init__(self, function: Function, stencils: tuple[Stencil, ...], x: Array, args: tuple, v: Array, bounds: Any):
        plan = Plan.of(stencils[0].order, stencils[0], None, None, None, bounds, None)
        super().__init__(function, replace(plan, stencils=stencils), x, args)
        self._v = v

    def differences(self, x: Array, args: tuple, y0: Array, steps: Array) -> tuple[Array, int]:
        """A difference for each row (h, which stencil) of `steps`, nan outside the bounds; and how often f was called."""
        values, inside = np.full((len(steps), self.m), np.nan), self._inside(x, steps)
        for rows in np.array_split(inside, 1 + inside.size * x.size // LARGEST):
            if rows.size:
                values[rows] = self.sweep_rows(x, args, y0, along_often(self._v, rows.size), steps[rows])
        nodes = np.array([np.count_nonzero(s.nodes[0]) for s in self.plan.stencils])
        return values, int(nodes[steps[inside, 1].astype(int)].sum())

    def _inside(self, x: Array, steps: Array) -> NDArray[np.intp]:
        """The rows that stay inside the bounds."""
        lower, upper = self.room_along(x, self._v, 1.0)
        if lower.size == 0:
            return np.arange(len(steps))
        h, (down, up) = steps[:, 0], self.table[steps[:, 1].astype(int), 2:4].T
        return np.flatnonzero((h * down <= -lower) & (h * up <= upper))

    def exact(self, x: Array, h: Array) -> Array:
        """Steps that move x without rounding error, where one coordinate moves alone."""
        moving = np.flatnonzero(self._v)
        if moving.size > 1:
            return h
        speed = abs(self._v[moving[0]])
        return np.vectorize(even_step, otypes=[float])(x.reshape(-1)[moving[0]], speed * h, self.roundoff) / speed

    def rules(self, x: Array) -> dict[str, Array]:
        """The steps that rules choose, one a stencil: a share of max(1, |x|), and no coordinate goes further."""
        moving, stencils, eps = self._v != 0.0, self.plan.stencils, 2 * self.roundoff
        unit = float(np.min(np.maximum(1.0, np.abs(x.reshape(-1)[moving])) / np.abs(self._v[moving])))
        shares = {"step law": np.array([relative_step(s, self.roundoff) for s in stencils])}
        shares |= {name: np.full(len(stencils), eps**power) for name, power in POWERS.items()}
        return {name: self.exact(x, unit * share) for name, share in shares.items()}

class _Reference(_Along, SearchJob):
    """The adaptive search along v."""

    def __init__(self, function: Function, x: Array, args: tuple, v: Array, order: int, bounds: Any):
        super().__init__(function, Plan.of(order, "adaptive", None, None, RTOL, bounds, None), x, args)
        self._v = v

    def found(self, x: Array, args: tuple) -> Columns:
        return self.columns(x, args, along(self._v), self.along(x, self._v))


def _checked_direction(direction: Any, x: Array) -> Array:
    """The direction as a flat vector: given as the index of a coordinate, as a vector, or needless."""
    if direction is None:
        if x.size == 1:
            return np.ones(1)
        msg = f"direction must be given for an x of shape {x.shape}: the index of a coordinate, or a vector of that shape"
        raise ValueError(msg)
    whole = isinstance(direction, int | np.integer) and not isinstance(direction, bool)
    if whole or (isinstance(direction, tuple) and len(direction) == x.ndim > 1):
        v = np.zeros(x.shape)
        try:
            v[direction] = 1.0
        except IndexError as error:
            msg = f"direction must be the index of a coordinate of x, of shape {x.shape}, got {direction!r}"
            raise ValueError(msg) from error
        return v.reshape(-1)
    v = checked_direction(direction, x, "direction")
    if not v.any():
        msg = "direction must not be zero"
        raise ValueError(msg)
    return v


def _checked_stencils(stencils: Any, order: int) -> tuple[tuple[str, Stencil], ...]:
    """Stencils with their names: one or several names, pairs (name, accuracy) or Stencils."""
    several = isinstance(stencils, Sequence) and not isinstance(stencils, str) and not _is_pair(stencils)
    chosen = tuple(_named(spec, order) for spec in (stencils if several else (stencils,)))
    if not chosen:
        msg = "stencils must name one stencil at least"
        raise ValueError(msg)
    return chosen


def _is_pair(spec: Any) -> bool:
    two = isinstance(spec, Sequence) and len(spec) == 2
    return two and isinstance(spec[0], str) and isinstance(spec[1], int | np.integer)


def _named(spec: Any, order: int) -> tuple[str, Stencil]:
    if isinstance(spec, Stencil):
        if spec.order != order:
            msg = f"stencils holds a Stencil for derivatives of order {spec.order}; this needs order {order}"
            raise ValueError(msg)
        return f"({', '.join(map(str, spec.offsets))})", spec
    name, accuracy = spec if _is_pair(spec) else (spec, None)
    if not isinstance(name, str) or name not in NAMES:
        msg = f"stencils must be of {', '.join(NAMES)}, pairs (name, accuracy) or Stencils, got {spec!r}"
        raise ValueError(msg)
    stencil = named_stencil(name, order, accuracy)
    return f"{name} {stencil.accuracy}", stencil


def _checked_steps(steps: Any, ladder: _Ladder, x: Array) -> Array:
    """The steps that the user gave, rising and exact."""
    try:
        wanted = np.unique(np.asarray(steps, float))
    except (TypeError, ValueError) as error:
        msg = f"steps must be an array of numbers, got {steps!r}"
        raise ValueError(msg) from error
    if wanted.size == 0 or not (np.isfinite(wanted) & (wanted > 0)).all():
        msg = f"steps must be positive and finite, got {steps!r}"
        raise ValueError(msg)
    exact = np.unique(ladder.exact(x, wanted))
    if exact[0] <= 0:
        msg = f"steps must be long enough to move x = {x!s}, got {wanted[0]!s}"
        raise ValueError(msg)
    return exact


def _span(ladder: _Ladder, x: Array, v: Array, longest: float) -> Array:
    """Steps over all that doubles can show: down from max(1, |x|), if the adaptive search found f to be as wide."""
    moving, eps = v != 0.0, 2 * ladder.roundoff
    size = float(np.max(np.abs(x.reshape(-1)[moving] / v[moving])))
    top = min(max(1.0, size, FURTHER * longest), FURTHEST * longest) if longest > 0 else max(1.0, size)
    first, last = np.ceil(PER_DECADE * np.log10((eps * max(size, top), top)))
    return np.unique(ladder.exact(x, LONGER * 10.0 ** (np.arange(first, last + 1) / PER_DECADE)))



# --- what is shown ----------------------------------------------------------------------------------------------------


class _Outputs:
    """The outputs of f that are asked for, out of rows of all of them."""

    def __init__(self, job: Job, output: Any):
        self._job = job
        self._index = () if output is None else output if isinstance(output, tuple) else (output,)
        try:
            self.shape = np.empty(job.result_shape)[self._index].shape
        except IndexError as error:
            msg = f"output must be an index into the results of f, of shape {job.result_shape}, got {output!r}"
            raise ValueError(msg) from error
        if 0 in self.shape:
            msg = f"f must return a number at least, whose error can be shown, got a result of shape {job.result_shape}"
            raise ValueError(msg)

    def of(self, rows: Array) -> NDArray[Any]:
        """The outputs of every row, in the shape of f."""
        values = rows.view(complex) if self._job.sample.complex else rows
        return values.reshape(-1, *self._job.result_shape)[(slice(None), *self._index)]

    def one(self, row: Array) -> Any:
        return self.of(row[None])[0]


def _checked_exact(exact: Any, shape: tuple[int, ...]) -> Any:
    value = np.asarray(exact)
    if value.dtype.kind not in "biufc" or value.shape != shape:
        msg = f"exact must be numbers of the shape of the result, {shape}, got {exact!r}"
        raise ValueError(msg)
    if not np.isfinite(value).all():
        msg = f"exact must be finite, got {exact!r}"
        raise ValueError(msg)
    return value[()]


def _title(f: Any, x: Array, direction: Any) -> str:
    name = getattr(f, "__name__", type(f).__name__).replace("<lambda>", "f")
    where = f"{name} at x = {_in_line(x)}" if x.size <= FEW else f"{name} at x of shape {x.shape}"
    if direction is None or x.ndim == 0:
        return where
    if isinstance(direction, int | np.integer | tuple):
        return f"{where}, coordinate {direction}"
    return f"{where} along {_in_line(np.asarray(direction))}" if x.size <= FEW else f"{where} along a direction"


def _in_line(array: NDArray[Any]) -> str:
    return " ".join(str(array).split())


def step_analysis(
    f: Callable,
    x: Any,
    args: tuple = (),
    *,
    stencils: Any = ("forward", "central", ("central", 4)),
    order: int = 1,
    exact: Any = None,
    steps: Any = None,
    direction: Any = None,
    output: Any = None,
    bounds: Any = None,
    out_size: int | None = None,
) -> StepAnalysis:
    """What the error of finite differences does as the step shrinks.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` → a number or an array; an njit function or any Python callable.
    x : array_like
        The point, real: a number or an array of any shape.
    args : tuple, optional
        Extra arguments of f.
    stencils : str, (str, int), Stencil or a sequence of these, optional
        ``"forward"``, ``"backward"`` or ``"central"``, a pair of such a name and an accuracy, or a
        :class:`Stencil`. By default the forward, the central and the five-point central difference.
    order : int, optional
        The order of the derivative, 1 (default) to 10.
    exact : float or array_like, optional
        The derivative, of the shape of the result. By default errors are measured against
        ``method="adaptive"``, and those below its error bar cannot be seen.
    steps : array_like, optional
        The steps, in units of x. By default ten a decade, over all that the precision of f can show.
    direction : int, tuple of int or array_like of x's shape, optional
        Where x is an array: the index of the coordinate that moves, or a vector v to move along; the derivative is then
        that of f(x + t·v) at t = 0. Needed unless x is one number.
    output : int or tuple of int, optional
        Where f returns an array: the index of the result to look at. By default the error is the 2-norm over all.
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
        f is never evaluated outside; a difference with a node there is left out.
    out_size : int, optional
        So many results f writes in place, ``f(x, out, *args)``.

    Returns
    -------
    found : StepAnalysis
        Steps, errors and what they show. ``print(found)`` gives tables, ``found.plot()`` a picture.

    Raises
    ------
    TypeError
        If f is not callable or returns no numbers, or x is not real.
    ValueError
        If an argument does not fit, x or f(x) is not finite, or neither `exact` nor an adaptive value is there to
        measure against.
    Exception
        Whatever f raises. Nodes go as far as a few times the longest step, and twice the longest of the rules;
        `bounds` keep them back.

    See Also
    --------
    derivative, jvp : the derivative itself, with steps that are chosen.

    Notes
    -----
    A difference of order d and accuracy p has the error C₁ f⁽ᵈ⁺ᵖ⁾hᵖ of truncation and about √(Σwᵢ²) σ/hᵈ of rounding,
    σ being the standard deviation of the noise of f (Moré and Wild 2011); on logarithmic axes two straight lines
    that make a V. All steps and all stencils are evaluated in one sweep.

    References
    ----------
    P. E. Gill, W. Murray, M. A. Saunders and M. H. Wright, "Computing forward-difference intervals for numerical
    optimization", SIAM J. Sci. Stat. Comput. 4 (1983).

    J. J. Moré and S. M. Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33 (2011).

    Examples
    --------
    >>> import numpy as np
    >>> from numba import njit
    >>> import fastfd
    >>> @njit
    ... def f(x):
    ...     return np.exp(x)
    >>> found = fastfd.step_analysis(f, 1.0, stencils="central", exact=np.exp(1.0))
    >>> round(float(found.slope[0]), 1), bool(1e-6 < found.best_step[0] < 1e-4)
    (2.0, True)

    ``print(found)`` shows the tables, ``found.plot()`` the picture.
    """
    function, point, order = wrap(f, out_size), as_point(x), checked_order(order)
    args, v = function.arguments(given(args)), _checked_direction(direction, point)
    labels, chosen = zip(*_checked_stencils(stencils, order), strict=True)
    ladder = _Ladder(function, chosen, point, args, v, bounds)
    outputs, y0 = _Outputs(ladder, output), ladder.at(point, args)
    searched = _Reference(function, point, args, v, order, bounds).found(point, args)
    adaptive, info, longest = outputs.one(searched.rows[0]), _info(searched, outputs), float(searched.longest[0])
    reference = adaptive if exact is None else _checked_exact(exact, outputs.shape)
    limit = _limit(reference, info, exact is not None)
    h = _span(ladder, point, v, longest) if steps is None else _checked_steps(steps, ladder, point)
    rules = ladder.rules(point)
    rows = np.array([(t, s) for s in range(len(chosen)) for t in (*h, *(rule[s] for rule in rules.values()))])
    differences, calls = ladder.differences(point, args, y0, rows)
    values = outputs.of(differences)
    error, size = (np.array(list(map(norm, all_))).reshape(len(chosen), -1) for all_ in (values - reference, values))
    curves, at_rules = error[:, : h.size], error[:, h.size :]
    still = (size == 0.0) & (error > 0.0)
    readings = [read(h, curves[s], still[s, : h.size], limit, stencil) for s, stencil in enumerate(chosen)]
    slope, noise, best_step, best_error = map(np.array, zip(*readings, strict=True))
    return StepAnalysis(
        _title(f, point, direction), order, chosen, labels, h, curves, reference, limit, outputs.one(y0), slope, noise,
        best_step, best_error, rules, dict(zip(rules, at_rules.T, strict=True)), adaptive, info, longest,
        exact is not None, 3 + info.nfev + calls,
    )  # fmt: skip


def _info(found: Columns, outputs: _Outputs) -> Info:
    error = np.abs(outputs.one(found.error[0]))
    return Info(error, found.step.reshape(()), found.nfev, found.status.reshape(()))


def _limit(reference: Any, info: Info, exact: bool) -> float:
    """What an error against the reference cannot show."""
    limit = float(np.finfo(float).eps) / 2 * norm(reference) if exact else norm(info.error)
    if not np.isfinite(limit):
        msg = f"f has no derivative here that errors could be measured against ({info.message}); give exact="
        raise ValueError(msg)
    return limit
