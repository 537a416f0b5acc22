"""Columns that threads share: batches in words of memory, of which each takes pieces without Python's lock."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastfd.kernels.compiler import gate, helper, jit_disabled
from fastfd.kernels.native import NONFINITE, OK, call_kernel, make_frame
from fastfd.kernels.views import flattened

__all__ = ["LEFT", "RANGES", "ROUNDS", "WANTED", "enter_batch", "first_failure", "take_piece", "watch"]


@intrinsic
def _word_now(typingctx, words, i):
    def codegen(context, builder, sig, args):
        data = context.make_array(words)(context, builder, value=args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "acquire", 8)

    return words.dtype(words, types.intp), codegen


#: A word as other threads have left it.
_now: Any = (lambda words, i: words[i]) if jit_disabled() else _word_now


@helper
def _awake(words, i, wanted, rounds):
    """Wait, awake, until other threads have brought a word to what is wanted, or so many rounds are over."""
    while rounds > 0 and _now(words, i) < wanted:
        rounds -= 1


@gate
def watch(count, wanted, rounds):
    """The same for Python, whose lock is free meanwhile."""
    _awake(count, 0, wanted, rounds)


#: A batch of columns that threads share, in words: the first column; how many are wanted, which a failure lowers to those before
#: it; how many helpers have left; a range for each thread, its ends counted from the first column, in the halves of a word; how
#: many columns each has done; how they came out.
BASE, WANTED, LEFT, RANGES = range(4)
_HALF = 32
#: A piece is one part in so many of what is left of a range.
PARTS = 4
#: A bell, in words: how often it was rung, and the rounds for which a helper that has nothing to do waits awake for that.
RUNG, ROUNDS = range(2)


@intrinsic
def _add(typingctx, words, i):
    """Add 1 to a word; no other thread comes between."""

    def codegen(context, builder, sig, args):
        data = context.make_array(words)(context, builder, value=args[0]).data
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", builder.gep(data, [args[1]]), one, "acq_rel")

    return types.int64(words, types.intp), codegen


@intrinsic
def _exchange_if(typingctx, words, i, known, word):
    """Whether a word was as known, and is another one now; no other thread comes between."""

    def codegen(context, builder, sig, args):
        data = context.make_array(words)(context, builder, value=args[0]).data
        place = builder.gep(data, [args[1]])
        return builder.extract_value(builder.cmpxchg(place, args[2], args[3], "acq_rel", "acquire"), 1)

    return types.boolean(words, types.intp, types.int64, types.int64), codegen


@helper
def _range_now(batch, i):
    """The range of a thread, (word, lo, hi), as far as it is wanted."""
    word = _now(batch, i)
    return word, word >> _HALF, min(word & (2**_HALF - 1), _now(batch, WANTED))


@helper
def _cut(batch, i, word, lo, hi):
    """Whether a range was still that word, and is (lo, hi) now."""
    return _exchange_if(batch, i, word, lo << _HALF | hi)


@helper
def _piece(batch, own):
    """The next piece of one's own range, (lo, hi). Ranges are apart: in rows that are neighbours threads would write to the same
    cache lines, which has cost up to half of their time."""
    while True:
        word, lo, hi = _range_now(batch, own)
        stop = lo + max(1, (hi - lo) // PARTS)
        if lo >= hi:
            if not _taken_over(batch, own, word):
                return lo, lo
        elif _cut(batch, own, word, stop, hi):
            return lo, stop


@helper
def _taken_over(batch, own, none):
    """Whether another thread had something left: the later half of it is one's own now."""
    for i in range(RANGES, RANGES + _sharers(batch)):
        word, lo, hi = _range_now(batch, i)
        half = lo + (hi - lo) // 2
        if lo < hi and _cut(batch, i, word, lo, half):
            return _cut(batch, own, none, half, hi)
    return False


@helper
def _sharers(batch):
    return (batch.size - RANGES) // 3


@helper
def _lower(batch, code):
    """Columns after a fatal failure are not wanted any more."""
    while code % 8 not in (OK, NONFINITE):
        wanted, before = _now(batch, WANTED), code // 8 - batch[BASE]
        if before >= wanted or _exchange_if(batch, WANTED, wanted, before):
            break


@helper
def first_failure(one, other):
    """The failure with the lower column, a fatal one before one that is only not finite."""
    if one == OK or other == OK:
        return one | other
    if (one % 8 == NONFINITE) != (other % 8 == NONFINITE):
        return other if one % 8 == NONFINITE else one
    return min(one, other)


@helper
def _ring(bell, thread):
    """The caller, who is thread 0, rings: it has come to other columns, and out of Python. How often that was, for a helper."""
    return _now(bell, RUNG) if thread > 0 else _add(bell, RUNG)


@helper
def _leave(batch, bell, thread, rung):
    """A helper has found nothing left. It waits here for a while, and not for Python's lock, which the caller wants now."""
    if thread > 0:
        _add(batch, LEFT)
        _awake(bell, RUNG, rung + 1, bell[ROUNDS])


@gate
def enter_batch(kernel_address, trampoline, address, extra, point, batch, bell, thread, *rest):
    """Into a kernel with piece after piece of a batch, until none is left. Python's lock is not needed in between: a thread that
    waited for it would sleep, and might be woken where another one runs."""
    callee, flat = (trampoline, address, make_frame(extra, point)), flattened(point)
    own, base, threads, found = RANGES + thread, batch[BASE], _sharers(batch), OK
    rung = _ring(bell, thread)
    while True:
        lo, hi = _piece(batch, own)
        if lo >= hi:
            break
        code = call_kernel(kernel_address, callee, flat, rest + (base + lo, base + hi))
        found = first_failure(found, code)
        batch[own + threads] += hi - lo
        batch[own + 2 * threads] = found
        _lower(batch, code)
    _leave(batch, bell, thread, rung)
    return found


@gate
def take_piece(batch, bell, thread):
    """The next piece of a batch, (lo, hi), for what is no kernel; empty, and the helper has left, where none is left."""
    rung, own = _ring(bell, thread), RANGES + thread
    lo, hi = _piece(batch, own)
    batch[own + _sharers(batch)] += hi - lo
    if lo >= hi:
        _leave(batch, bell, thread, rung)
    return batch[BASE] + lo, batch[BASE] + hi
