"""The operators inside the user's own njit code, under the same names.

What is known from types is decided when the user's code compiles: the method, its stencils, how f is called, the shape of the
result. The rest is done by kernels (``kernels/inside.py``), compiled once, that the user's code calls by the names of
symbols. So its compilation holds little more than allocating the result, one call, and raising what is to be raised.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from fastfd.curvature import mixed_stencils
from fastfd.function import defaults_of, star_of
from fastfd.info import InsideInfo
from fastfd.kernels import inside
from fastfd.kernels.embedded import Embedded, Mentioned, carried, frozen, linked, linked_call, roomy, seldom, small
from fastfd.kernels.extrapolate import ROUNDED, extrapolate, extrapolate_points
from fastfd.kernels.native import ASTRAY, LENGTH, MISPLACED, MUTATED, OK, RAISED, TypingError, Unsupported, type_names, types
from fastfd.kernels.pairs import axes, fixed_pairs, mixed_pairs
from fastfd.kernels.sweep import sweep, sweep_points
from fastfd.kernels.tableau import LINE, breadth
from fastfd.kernels.views import as_complex, carve, flattened, from_line, hold, on_stack, stretch
from fastfd.plan import RTOL, Plan, checked_order
from fastfd.steps import change_to_error, node_table, stencil_table, unit_roundoff

__all__ = ["compiled"]

#: What kernels take after f and x (see ``embedded.kernel_types``).
_SWEEP, _EXTRAPOLATE = "1dd112iw12121bii", "111dddiw12221221" + "32wWbii"
_SWEEP_POINTS, _EXTRAPOLATE_POINTS = "22i21ii", "2dddi222132wWii"
_DIFFERENCES, _SEARCH = "a11dd112ibdd22211", "a1111dddi22211"
_AXES, _PAIRS, _FIXED_PAIRS = "1w12dd1b222242132wWii", "1w12dd122433132wWii", "1w12231ii"
_CURVATURE_BY_SEARCH, _CURVATURE_BY_DIFFERENCES = "aa1111ddd22211", "aa11dd11222bdd22211"
_DIFFERENCES_AT_POINTS, _SEARCH_POINTS = "a1dd11222idd22211", "a111dddi22211"
#: The stencil that is f itself.
_IDENTITY = np.array([[1.0, 1.0, 0.0, 0.0, 0.0, 1.0]])
_NOTED = inside.NOTED
_room_for_curvature, _room_for_curvature_search = small(inside.room_for_curvature), small(inside.room_for_curvature_search)
_room_for_search, _room_for_differences = small(inside.room_for_search), small(inside.room_for_differences)
for _called in (inside.room_for_tables, breadth):  # by these
    small(_called)


# --- keywords -------------------------------------------------------------------------------------------------------


def _constant(name: str, given: Any) -> Any:
    """The value of a keyword that decides what is compiled."""
    if isinstance(given, types.Literal):
        return given.literal_value
    if isinstance(given, types.Omitted):
        return given.value
    if isinstance(given, types.NoneType):
        return None
    if isinstance(given, Mentioned):
        return given.value
    if not isinstance(given, types.Type):  # a default
        return given
    msg = f"{name} decides what is compiled: write it out as a constant in njit code; it is a variable of type {given}"
    raise TypingError(msg)


def _absent(given: Any) -> bool:
    return given is None or isinstance(given, types.NoneType) or (isinstance(given, types.Omitted) and given.value is None)


def _is_number(given: Any) -> bool:
    return isinstance(types.unliteral(given), types.Integer | types.Float)


def _is_array(given: Any) -> bool:
    return isinstance(given, types.Array) and isinstance(given.dtype, types.Integer | types.Float | types.Boolean)


def _number(name: str, given: Any, default: float) -> Any:
    """How a keyword that is a number is read."""
    if _absent(given):
        return small(lambda value: default)
    if _is_number(given):
        return small(lambda value: float(value))
    msg = f"{name} must be a number, got {given}"
    raise TypingError(msg)


def _numbers(name: str, given: Any, default: float | None) -> Any:
    """How a number for each coordinate is laid out in a workspace: ``read(space, start, x, value)``; none, if there are none."""
    if _absent(given):
        if default is None:
            return small(lambda space, start, x, value: stretch(space, 0, 0))
        return small(lambda space, start, x, value: _filled(space, start, x, default))
    if _is_number(given):
        return small(lambda space, start, x, value: _filled(space, start, x, float(value)))
    if _is_array(given):
        return _spread
    msg = f"{name} must be a number or an array of the shape of x, got {given}"
    raise TypingError(msg)


@small
def _filled(space, start, x, value):
    part = stretch(space, start, start + x.size)
    for i in range(part.size):
        part[i] = value
    return part


@small
def _spread(space, start, x, values):
    if values.shape != x.shape:
        _complain(inside.MISSHAPEN)
    part = stretch(space, start, start + x.size)
    for i, value in enumerate(values.flat):
        part[i] = value
    return part


def _kinds(given: Any) -> tuple:
    """The types in the type of a tuple."""
    return tuple(given)


def _bounds(given: Any) -> tuple[Any, Any]:
    """How bounds are read: a lower and an upper half of ``_numbers``."""
    if _absent(given):
        none = _numbers("bounds", None, None)
        return none, none
    if not (isinstance(given, types.BaseTuple) and len(given) == 2):
        msg = f"bounds must be a pair (lower, upper) of numbers, arrays or None in njit code, got {given}"
        raise TypingError(msg)
    below, above = _kinds(given)
    lower, upper = _numbers("bounds", below, -np.inf), _numbers("bounds", above, np.inf)
    return (
        small(lambda space, start, x, value: lower(space, start, x, value[0])),
        small(lambda space, start, x, value: upper(space, start, x, value[1])),
    )


# --- the function -----------------------------------------------------------------------------------------------------


class _Called:
    """How f is called at points like x, and what it returns."""

    def __init__(self, f: Any, x: Any, args: Any, in_place: bool):
        if not isinstance(f, types.Dispatcher | types.FunctionType):
            msg = f"f must be an njit function, or a function value of a known signature, in njit code; got {f}"
            msg += " (call a C function from an njit function of yours)"
            raise TypingError(msg)
        self.scalar, self.in_place = not isinstance(x, types.Array), in_place
        self.ndim = 0 if self.scalar else x.ndim
        point = types.Array(types.float64, max(self.ndim, 1), "C")
        self.fold, extra, given = _folded(f, tuple(map(types.unliteral, _args_of(args))), 2 if in_place else 1)
        try:
            embedded = Embedded(f, point, self.ndim == 0, types.Tuple(extra), given, in_place)
        except Unsupported as error:
            raise TypingError(str(error)) from error
        self.callee, self.returns = _present(embedded.callee, f), embedded.returns
        self.roundoff, self.complex = unit_roundoff(embedded.dtype), embedded.dtype.kind == "c" and not in_place
        self.own = _own_point(self.scalar, embedded.taken == types.float32)
        self.again = _call_again(self.scalar, in_place, self.own)
        self.shape_of, self.result_ndim = _shape_of(self.returns, in_place, self.own)


def _present(callee: Any, f: Any) -> Any:
    """A function value may come without an address that njit code can call."""
    if isinstance(f, types.Dispatcher):
        return callee

    def checked(f, extra, point):
        words = callee(f, extra, point)
        if words[1] == 0:
            _complain(inside.NO_CODE)
        return words

    return small(checked)


def _args_of(args: Any) -> tuple:
    if isinstance(args, types.BaseTuple):
        return _kinds(args)
    if isinstance(args, types.Omitted) or args == ():
        return ()
    msg = f"args must be a tuple of the extra arguments of f, got {args}; write args=(value,)"
    raise TypingError(msg)


def _folded(f: Any, extra: tuple, leading: int) -> tuple[Any, tuple, tuple]:
    """How extra arguments line up with the parameters of f, as ``function.Function`` has it; their types so, and as given."""
    if not isinstance(f, types.Dispatcher):
        return small(lambda args: args), extra, extra
    star = star_of(f.dispatcher, leading)
    if star is not None:
        return carried(lambda args: args[:star] + (args[star:],)), (*extra[:star], types.Tuple(extra[star:])), extra
    missing = defaults_of(f.dispatcher, leading)[len(extra) :]
    if not missing or inspect.Parameter.empty in missing:
        return small(lambda args: args), extra, extra
    whole = (*extra, *map(types.unliteral, type_names(missing)))
    return small(lambda args: args + missing), whole, whole


def _own_point(scalar: bool, single: bool) -> Any:
    """A point that f may have for its own, from a flat one and the shape."""
    if scalar:
        return small(lambda flat, x: np.float32(flat[0])) if single else small(lambda flat, x: flat[0])
    if single:
        return small(lambda flat, x: flat.astype(np.float32).reshape(x.shape))
    return small(lambda flat, x: flat.copy().reshape(x.shape))


def _call_again(scalar: bool, in_place: bool, own: Any) -> Any:
    """Call f where it raised, as the user's code would."""
    if in_place:
        return small(lambda f, flat, x, args, size: f(own(flat, x), np.empty(size), *args))
    return small(lambda f, flat, x, args, size: f(own(flat, x), *args))


def _shape_of(returns: Any, in_place: bool, own: Any) -> tuple[Any, int]:
    """How the shape of the result is learned: from the type, or from a call; and its dimensions."""
    if in_place:
        return small(lambda f, flat, x, args, size: (size,)), 1
    if isinstance(returns, types.Number | types.Boolean):
        return small(lambda f, flat, x, args, size: ()), 0
    if isinstance(returns, types.Array):
        return small(lambda f, flat, x, args, size: f(own(flat, x), *args).shape), returns.ndim
    if isinstance(returns, types.List):
        return small(lambda f, flat, x, args, size: (len(f(own(flat, x), *args)),)), 1
    if isinstance(returns, types.BaseTuple) and all(isinstance(t, types.Number | types.Boolean) for t in _kinds(returns)):
        count = len(returns)
        return small(lambda f, flat, x, args, size: (count,)), 1
    msg = f"f must return a number, an array, or a tuple or list of numbers in njit code, got {returns}"
    raise TypingError(msg)


def _contiguous(name: str, x: Any) -> Any:
    """A point as contiguous doubles: itself where it is just that."""
    if isinstance(types.unliteral(x), types.Integer | types.Float | types.Boolean):
        return small(lambda x: on_stack(x))
    if not _is_array(x):
        msg = f"{name} must be a real number or an array of real numbers in njit code, got {x}"
        raise TypingError(msg)
    if x.dtype != types.float64:
        return small(lambda x: np.ascontiguousarray(x).astype(np.float64))
    return small(lambda x: x) if x.layout == "C" else small(lambda x: np.ascontiguousarray(x))


# --- what went wrong --------------------------------------------------------------------------------------------------


@seldom
def _complain(code):
    """Raise what a code says."""
    if code == inside.UNFIT_RTOL:
        raise ValueError("rtol must be a number between 0 and 1")
    if code == inside.UNFIT_NOISE:
        raise ValueError("noise must be a number >= 0, the amplitude of the noise in f")
    if code == inside.UNFIT_STEP:
        raise ValueError("step must be positive and finite")
    if code == inside.CROSSED:
        raise ValueError("bounds do not hold: lower > upper at a coordinate")
    if code == inside.OUTSIDE:
        raise ValueError("bounds do not hold: x is outside at a coordinate")
    if code == inside.UNFIT_DIRECTION:
        raise ValueError("v must be finite, and zero or with its largest entry between 1e-280 and 1e280")
    if code == inside.NO_CODE:
        raise TypeError("f is a function value that njit code cannot call (a cfunc?); hand over an njit function")
    if code == inside.MISDIRECTED:
        raise ValueError("v must have the shape of x")
    if code == inside.MISSHAPEN:
        raise ValueError("step and bounds must be numbers or have the shape of x")
    if code == inside.MANY:
        raise ValueError("f must return one number; use jacobian")
    if code == inside.NO_WAY:
        raise ValueError("bounds leave no room to move along v")
    if code % 8 == MISPLACED and (code // 8) % 2 == 0:
        raise ValueError("x must be finite")
    if code % 8 == MISPLACED:
        raise ValueError("bounds, or a step that is too short, leave no room to move a coordinate; leave it out of x")
    if code % 8 == ASTRAY:
        raise ValueError("f must be finite at x")
    if code % 8 == MUTATED:
        raise ValueError("f changes its argument x in place; let it work on a copy (x = x.copy())")
    if code % 8 == LENGTH:
        raise ValueError("f must return results of one shape, at x and elsewhere")
    raise RuntimeError("f raised while fastfd differentiated it, but not when it was called there again")


# --- results ----------------------------------------------------------------------------------------------------------


def _assembled(result_ndim: int, x_ndim: int) -> Any:
    """Rows of the transpose as the user's array: ``form(rows, shape, x)``."""
    if result_ndim == 0 and x_ndim == 0:
        return small(lambda rows, shape, x: rows[0, 0])
    if result_ndim == 0:
        return small(lambda rows, shape, x: rows.reshape(x.shape))
    if x_ndim == 0:
        return small(lambda rows, shape, x: rows.reshape(shape))
    if result_ndim == 1 and x_ndim == 1:
        return small(lambda rows, shape, x: rows.T)
    axes = (*range(x_ndim, x_ndim + result_ndim), *range(x_ndim))
    return small(lambda rows, shape, x: rows.reshape(x.shape + shape).transpose(axes))


def _read_rows(is_complex: bool) -> Any:
    return small(lambda rows: as_complex(rows)) if is_complex else small(lambda rows: rows)


def _read_errors(is_complex: bool) -> Any:
    """Errors of real and imaginary parts as one."""

    def magnitude(rows):
        joined = np.empty((rows.shape[0], rows.shape[1] // 2))
        for i in range(joined.shape[0]):
            for k in range(joined.shape[1]):
                joined[i, k] = np.hypot(rows[i, 2 * k], rows[i, 2 * k + 1])
        return joined

    return small(magnitude) if is_complex else small(lambda rows: rows)


def _noted(ndim: int, column: int, dtype: Any) -> Any:
    """A column of the notes in the shape of x."""
    if ndim == 0:
        return small(lambda notes, x: dtype(notes[0, column]))

    def read(notes, x):
        values = np.empty(x.shape, dtype)
        flat = flattened(values)
        for i in range(flat.size):
            flat[i] = notes[i, column]
        return values

    return small(read)


@small
def _evaluations(notes):
    total = 0.0
    for i in range(notes.shape[0]):
        total += notes[i, inside.CALLS]
    return int(total)


@small
def _successful(notes):
    worst = 0.0
    for i in range(notes.shape[0]):
        worst = max(worst, notes[i, inside.VERDICT])
    return worst <= ROUNDED


def _counted(plan: Plan, points: bool) -> Any:
    """The evaluations: those of the columns and f(x), which a search at many points counts among them."""
    if not points:
        return small(lambda notes: 1 + _evaluations(notes))
    free = 0 if plan.kind == "adaptive" else 1
    return small(lambda notes: (free + _evaluations(notes)) * (notes.shape[0] > 0))


def _output(full: bool, form: Any, is_complex: bool, ndim: int, count: Any) -> Any:
    """What comes back: the value, or the value and what is known of it."""
    rows_of, errors_of = _read_rows(is_complex), _read_errors(is_complex)
    if not full:
        return small(lambda out, error, notes, shape, x: form(rows_of(out), shape, x))
    step_of, status_of = _noted(ndim, inside.STEP, np.float64), _noted(ndim, inside.VERDICT, np.int64)

    def both(out, error, notes, shape, x):
        info = InsideInfo(
            form(errors_of(error), shape, x), step_of(notes, x), count(notes), status_of(notes, x), _successful(notes),
        )  # fmt: skip
        return form(rows_of(out), shape, x), info

    return small(both)


# --- first derivatives ------------------------------------------------------------------------------------------------


def _plan_of(order: int, method: Any, accuracy: Any, parallel: Any, step: Any, rtol: Any, noise: Any) -> Plan:
    """The keywords that decide what is compiled, checked as from Python."""
    if _constant("parallel", parallel):
        msg = "parallel=True is for calls from Python: in njit code a call runs on its thread; call it from your own prange"
        raise TypingError(msg)
    if _constant("method", method) == "complex":
        msg = "method='complex' is for calls from Python; in njit code use 'adaptive' or method='central', accuracy=4"
        raise TypingError(msg)
    length, tolerance, level = (None if _absent(given) else 0.5 for given in (step, rtol, noise))  # looked at when it runs
    try:
        return Plan.of(
            order, _constant("method", method), _constant("accuracy", accuracy), length, tolerance, None, None, level
        )
    except ValueError as error:
        raise TypingError(str(error)) from error


class _Law:
    """What a kernel is told of the method, as ``columns.FixedJob`` and ``SearchJob`` have it."""

    def __init__(self, plan: Plan, called: _Called, bounds: Any):
        main = plan.stencils[0]
        self.table, self.relative = frozen(plan.table), plan.relative_step(called.roundoff)
        self.centred = 0 in main.offsets or not _absent(bounds)
        self.gain = change_to_error(main)
        self.weight = 2 * called.roundoff * main.rounding * (1 + 2.0**main.order)


def _runner(plan: Plan, called: _Called, bounds: Any, points: bool, rtol: Any, noise: Any) -> tuple[Any, Any]:
    """``run(callee, flat, v, given, lower, upper, rtol, noise, out, error, notes, work, rest)``, and the size of the rest."""
    order, roundoff = plan.order, called.roundoff
    if plan.kind == "adaptive":
        tolerance, level = _number("rtol", rtol, RTOL), _number("noise", noise, 0.0)
        if points:
            address, drive = linked(extrapolate_points, _EXTRAPOLATE_POINTS), linked_call(inside.search_points, _SEARCH_POINTS)
            return small(lambda callee, flat, v, given, lower, upper, rtol, noise, out, error, notes, work, rest: drive(
                callee, flat, (address(), given, lower, upper, tolerance(rtol), roundoff, level(noise), order, out, error,
                               notes, work, rest))), _room_for_search  # fmt: skip
        address, drive = linked(extrapolate, _EXTRAPOLATE), linked_call(inside.search, _SEARCH)
        return small(lambda callee, flat, v, given, lower, upper, rtol, noise, out, error, notes, work, rest: drive(
            callee, flat, (address(), v, given, lower, upper, tolerance(rtol), roundoff, level(noise), order, out, error,
                           notes, work, rest))), _room_for_search  # fmt: skip
    law = _Law(plan, called, bounds)
    table, relative, centred, gain, weight = law.table, law.relative, law.centred, law.gain, law.weight
    if points:
        address, drive = linked(sweep_points, _SWEEP_POINTS), linked_call(inside.differences_at_points, _DIFFERENCES_AT_POINTS)
        identity, nodes = frozen(_IDENTITY), frozen(node_table(plan.table))
        return small(lambda callee, flat, v, given, lower, upper, rtol, noise, out, error, notes, work, rest: drive(
            callee, flat, (address(), given, relative, roundoff, lower, upper, table(), nodes(), identity(), order, gain, weight,
                           out, error, notes, work, rest))), _room_for_differences  # fmt: skip
    address, drive = linked(sweep, _SWEEP), linked_call(inside.differences, _DIFFERENCES)
    return small(lambda callee, flat, v, given, lower, upper, rtol, noise, out, error, notes, work, rest: drive(
        callee, flat, (address(), v, given, relative, roundoff, lower, upper, table(), order, centred, gain, weight, out,
                       error, notes, work, rest))), _room_for_differences  # fmt: skip


def _first(f, x, v, args, order, method, accuracy, step, rtol, bounds, parallel, noise, out_size, full, kind):
    """The compiled text of a first-order operator: ``core(f, x, v, args, step, rtol, bounds, noise, out_size)``."""
    plan = _plan_of(order, method, accuracy, parallel, step, rtol, noise)
    full, points = bool(_constant("full_output", full)), kind == "derivative"
    contiguous, read_step, (read_lower, read_upper) = _contiguous("x", x), _numbers("step", step, None), _bounds(bounds)
    called = _Called(f, types.float64 if points else x, args, not _absent(out_size))
    run, room = _runner(plan, called, bounds, points, rtol, noise)
    fold, callee, shape_of, again = called.fold, called.callee, called.shape_of, called.again
    directed, one, parts = kind == "jvp", kind in ("derivative", "gradient"), 2 if called.complex else 1
    kept = x.ndim if isinstance(x, types.Array) and not directed else 0
    form = _assembled(0 if one else called.result_ndim, kept)
    output = _output(full, form, called.complex, kept, _counted(plan, points))
    way_of, sized, product = _way(v, directed), _size_of(out_size), _product(called.result_ndim)
    errors_for = _errors_for(full)
    framed = small(lambda flat, point: flat) if called.scalar else small(lambda flat, point: point)
    plain, checked = plan.kind == "adaptive" or points, _check_number(called, points and kept == 0)

    def core(f, x, v, args, step, rtol, bounds, noise, out_size):
        point = contiguous(x)
        flat = flattened(point)
        shape = shape_of(f, flat, point, args, sized(out_size))
        n, m = flat.size, parts * product(shape)
        if one and m != parts:
            _complain(inside.MANY)
        width, groups = 1 if points else n, 1 if directed else n
        out = roomy(np.empty((groups, m)))
        at = width + (-width) % LINE + m
        held = np.empty(LINE + at + (3 + _NOTED) * n + _NOTED + room(n, m, groups, order))
        space = from_line(held)
        error = errors_for(space, out)
        work = stretch(space, 0, width + m if plain else at)
        given, lower = read_step(space, at, point, step), read_lower(space, at + n, point, bounds)
        upper, notes = read_upper(space, at + 2 * n, point, bounds), carve(space, at + 3 * n, (groups, _NOTED))
        rest = stretch(space, at + (3 + _NOTED) * n + _NOTED, space.size)
        who, way = callee(f, fold(args), framed(flat, point)), way_of(v, point, flat)
        code = run(who, flat, flattened(way), given, lower, upper, rtol, noise, out, error, notes, work, rest)
        hold(args)
        hold(way)
        if code != OK:
            if code > 0 and code % 8 == RAISED:
                again(f, stretch(space, 0, width), point, args, sized(out_size))
            _complain(code)
        checked(f, flat, point, args, out)
        hold(held)
        return output(out, error, notes, shape, point)

    return small(core)


def _errors_for(full: bool) -> Any:
    """Room for error bars, where they are wanted."""
    if full:
        return small(lambda space, out: np.empty(out.shape))
    return small(lambda space, out: carve(space, 0, (0, out.shape[1])))


def _way(v: Any, directed: bool) -> Any:
    """The direction, contiguous; empty where there is none."""
    if not directed:
        return small(lambda v, x, flat: stretch(flat, 0, 0))
    contiguous = _contiguous("v", v)

    def read(v, x, flat):
        way = contiguous(v)
        if way.shape != x.shape:
            _complain(inside.MISDIRECTED)
        return way

    return small(read)


def _size_of(out_size: Any) -> Any:
    if _absent(out_size):
        return small(lambda size: 0)
    if isinstance(types.unliteral(out_size), types.Integer):
        return small(lambda size: size)
    msg = f"out_size must be the number of results that f writes, got {out_size}"
    raise TypingError(msg)


def _product(ndim: int) -> Any:
    if ndim == 0:
        return small(lambda shape: 1)

    def product(shape):
        count = 1
        for extent in shape:
            count *= extent
        return count

    return small(product)


def _check_number(called: _Called, wanted: bool) -> Any:
    """For one number nan is an error where f(x) itself is."""
    if not wanted:
        return small(lambda f, flat, x, args, out: None)
    own = called.own

    def check(f, flat, x, args, out):
        if np.isnan(out[0, 0]) and not np.isfinite(f(own(flat, x), *args)):
            _complain(ASTRAY)

    return small(check)


# --- second derivatives -----------------------------------------------------------------------------------------------


def _second_runner(plan: Plan, called: _Called, bounds: Any, rtol: Any, noise: Any) -> tuple[Any, Any]:
    """As ``_runner``: ``run(callee, flat, v, given, lower, upper, rtol, noise, out, error, notes, work, rest)``."""
    roundoff = called.roundoff
    if plan.kind == "adaptive":
        tolerance, known = _number("rtol", rtol, RTOL), _number("noise", noise, 0.0)
        along, across = linked(axes, _AXES), linked(mixed_pairs, _PAIRS)
        drive = linked_call(inside.curvature_by_search, _CURVATURE_BY_SEARCH)
        return small(lambda callee, flat, v, given, lower, upper, rtol, noise, out, error, notes, work, rest: drive(
            callee, flat, (along(), across(), v, given, lower, upper, tolerance(rtol), roundoff, known(noise), out, error,
                           notes, work, rest))), _room_for_curvature_search  # fmt: skip
    law, main = _Law(plan, called, bounds), plan.stencils[0]
    table, relative, centred, gain = law.table, law.relative, law.centred, law.gain
    nodes, mixed = frozen(node_table(plan.table)), frozen(node_table(stencil_table(mixed_stencils(plan))))
    weight = 2 * roundoff * main.rounding * 5
    along, across = linked(sweep, _SWEEP), linked(fixed_pairs, _FIXED_PAIRS)
    drive = linked_call(inside.curvature_by_differences, _CURVATURE_BY_DIFFERENCES)
    return small(lambda callee, flat, v, given, lower, upper, rtol, noise, out, error, notes, work, rest: drive(
        callee, flat, (along(), across(), v, given, relative, roundoff, lower, upper, table(), nodes(), mixed(), centred, gain,
                       weight, out, error, notes, work, rest))), _room_for_curvature  # fmt: skip


def _second(f, x, v, args, method, accuracy, step, rtol, bounds, parallel, noise, out_size, full, directed):
    """The compiled text of a second-order operator: ``core(f, x, v, args, step, rtol, bounds, noise, out_size)``."""
    plan = _plan_of(2, method, accuracy, parallel, step, rtol, noise)
    full, contiguous, read_step = bool(_constant("full_output", full)), _contiguous("x", x), _numbers("step", step, None)
    called, (read_lower, read_upper) = _Called(f, x, args, not _absent(out_size)), _bounds(bounds)
    run, room = _second_runner(plan, called, bounds, rtol, noise)
    fold, callee, shape_of, again, x_ndim = called.fold, called.callee, called.shape_of, called.again, called.ndim
    parts, form = 2 if called.complex else 1, _assembled(0, x_ndim) if directed else _squared(x_ndim)
    output, one = _output(full, form, called.complex, x_ndim, _counted(plan, False)), int(directed)
    way_of, sized, product = _way(v, directed), _size_of(out_size), _product(called.result_ndim)
    errors_for = _errors_for(full)

    def core(f, x, v, args, step, rtol, bounds, noise, out_size):
        point = contiguous(x)
        flat = flattened(point)
        shape = shape_of(f, flat, point, args, sized(out_size))
        n, m = flat.size, parts * product(shape)
        if m != parts:
            _complain(inside.MANY)
        entries = n if directed else n * n
        out = roomy(np.empty((entries, m)))
        at = n + (-n) % LINE + m
        held = np.empty(LINE + at + (3 + _NOTED) * n + room(n, m, one))
        space = from_line(held)
        error = errors_for(space, out)
        given, lower = read_step(space, at, point, step), read_lower(space, at + n, point, bounds)
        upper, notes = read_upper(space, at + 2 * n, point, bounds), carve(space, at + 3 * n, (n, _NOTED))
        rest, work = stretch(space, at + (3 + _NOTED) * n, space.size), stretch(space, 0, n + m)
        who, way = callee(f, fold(args), point), way_of(v, point, flat)
        code = run(who, flat, flattened(way), given, lower, upper, rtol, noise, out, error, notes, work, rest)
        hold(args)
        hold(way)
        if code != OK:
            if code > 0 and code % 8 == RAISED:
                again(f, stretch(space, 0, n), point, args, sized(out_size))
            _complain(code)
        hold(held)
        return output(out, error, notes, shape, point)

    return small(core)


def _squared(ndim: int) -> Any:
    """The entries of a Hessian in x's shape twice."""
    if ndim == 0:
        return small(lambda rows, shape, x: rows[0, 0])
    return small(lambda rows, shape, x: rows.reshape(x.shape + x.shape))


# --- the operators ----------------------------------------------------------------------------------------------------


def _derivative(f, x, args=(), order=1, method="adaptive", accuracy=None, step=None, rtol=None, bounds=None, parallel=None,
                noise=None, full_output=False):  # fmt: skip
    try:
        whole = checked_order(_constant("order", order))
    except ValueError as error:
        raise TypingError(str(error)) from error
    core = _first(f, x, None, args, whole, method, accuracy, step, rtol, bounds, parallel, noise, None, full_output, "derivative")
    return lambda f, x, args=(), order=1, method="adaptive", accuracy=None, step=None, rtol=None, bounds=None, parallel=None, \
        noise=None, full_output=False: core(f, x, None, args, step, rtol, bounds, noise, None)  # fmt: skip


def _columns(kind: str) -> Callable:
    def typed(f, x, args=(), method="adaptive", accuracy=None, step=None, rtol=None, bounds=None, parallel=None, noise=None,
              out_size=None, full_output=False):  # fmt: skip
        core = _first(f, x, None, args, 1, method, accuracy, step, rtol, bounds, parallel, noise, out_size, full_output, kind)
        return lambda f, x, args=(), method="adaptive", accuracy=None, step=None, rtol=None, bounds=None, parallel=None, \
            noise=None, out_size=None, full_output=False: core(f, x, None, args, step, rtol, bounds, noise, out_size)  # fmt: skip

    return typed


def _jvp(f, x, v, args=(), method="adaptive", accuracy=None, step=None, rtol=None, bounds=None, noise=None, out_size=None,
         full_output=False):  # fmt: skip
    core = _first(f, x, v, args, 1, method, accuracy, step, rtol, bounds, None, noise, out_size, full_output, "jvp")
    return lambda f, x, v, args=(), method="adaptive", accuracy=None, step=None, rtol=None, bounds=None, noise=None, \
        out_size=None, full_output=False: core(f, x, v, args, step, rtol, bounds, noise, out_size)  # fmt: skip


def _hessian(f, x, args=(), method="adaptive", accuracy=None, step=None, rtol=None, bounds=None, parallel=None, noise=None,
             out_size=None, full_output=False):  # fmt: skip
    core = _second(f, x, None, args, method, accuracy, step, rtol, bounds, parallel, noise, out_size, full_output, False)
    return lambda f, x, args=(), method="adaptive", accuracy=None, step=None, rtol=None, bounds=None, parallel=None, \
        noise=None, out_size=None, full_output=False: core(f, x, None, args, step, rtol, bounds, noise, out_size)  # fmt: skip


def _hvp(f, x, v, args=(), method="adaptive", accuracy=None, step=None, rtol=None, bounds=None, parallel=None, noise=None,
         out_size=None, full_output=False):  # fmt: skip
    core = _second(f, x, v, args, method, accuracy, step, rtol, bounds, parallel, noise, out_size, full_output, True)
    return lambda f, x, v, args=(), method="adaptive", accuracy=None, step=None, rtol=None, bounds=None, parallel=None, \
        noise=None, out_size=None, full_output=False: core(f, x, v, args, step, rtol, bounds, noise, out_size)  # fmt: skip


_TYPED: dict[str, Callable] = {
    "derivative": _derivative, "gradient": _columns("gradient"), "jacobian": _columns("jacobian"), "jvp": _jvp,
    "hessian": _hessian, "hvp": _hvp,
}  # fmt: skip


def compiled(name: str) -> Callable:
    """What looks at the types of a call of the operator `name` in njit code, and gives the text to compile."""
    typed = _TYPED[name]

    def text(*given: Any, **named: Any) -> Callable:
        for keyword in named.keys() - inspect.signature(typed).parameters.keys():
            raise TypingError(f"fastfd.{name} takes no {keyword} in njit code")
        return typed(*given, **named)

    return text
