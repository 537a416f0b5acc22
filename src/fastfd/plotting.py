"""Pictures: errors over steps, analytic against numerical derivatives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.errorcurve import norm
from fastfd.extras import require
from fastfd.verdicts import CORRECT, INCONCLUSIVE, WORDS, WRONG

__all__ = ["draw", "draw_check"]

#: Colours that the colour-blind tell apart (Okabe and Ito 2008), the most different ones first.
COLOURS = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
GREY = "0.45"
SIGNS = {"sqrt(eps)": "√ε", "cbrt(eps)": "∛ε"}
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
#: Errors so many times the derivative itself are all the same to a reader, and so are steps so many times shorter than
#: the first that gives any digit.
HOPELESS, CONTEXT = 30.0, 30.0
#: The lowest line is so many times above the bottom.
BAND = 8.0


def draw(found: Any, ax: Any = None) -> Any:
    """Errors of a step analysis over steps, on logarithmic axes."""
    ax = _new_axes() if ax is None else ax
    curves = _visible(found.error, found.limit)
    for i, curve in enumerate(curves):
        _draw_curve(found, ax, i, curve)
    _draw_adaptive(found, ax)
    _frame(found, ax, curves)
    _draw_rules(found, ax)
    _describe(found, ax)
    return ax


def _new_axes() -> Any:
    plt = require("matplotlib.pyplot", "plot", "plot")
    return plt.subplots(figsize=(6.0, 4.0), layout="constrained")[1]


def _visible(errors: Any, limit: float) -> NDArray[np.float64]:
    """Below the limit nothing is known; and 0 has no logarithm."""
    raised = np.maximum(errors, limit)
    return np.where(raised > 0, raised, np.nan)


def _draw_curve(found: Any, ax: Any, i: int, curve: NDArray[np.float64]) -> None:
    colour, slope = COLOURS[i % len(COLOURS)], found.slope[i]
    fitted = "" if np.isnan(slope) else f", $h^{{{slope:.1f}}}$"
    ax.loglog(found.step, curve, color=colour, lw=1.0, label=found.labels[i] + fitted)
    law, best = (_visible(e[i], found.limit) for e in (found.rule_error["step law"], found.best_error))
    ax.plot(found.rule_step["step law"][i], law, "D", ms=5.5, mfc=colour, mec="white", mew=0.8)
    ax.plot(found.best_step[i], best, "o", ms=8, mfc="none", mec=colour, mew=1.5)


def _draw_adaptive(found: Any, ax: Any) -> None:
    """The adaptive value at its error, over its steps; or, where it is the reference, what it hides."""
    if found.exact:
        error = _adaptive_error(found)
        ax.plot((found.info.step, found.longest_step), (error, error), "k-", lw=2.5, label="adaptive")
    elif found.limit > 0:
        ax.axhspan(found.limit / BAND, found.limit, color="0.88", lw=0, label="error bar of adaptive")


def _adaptive_error(found: Any) -> NDArray[np.float64]:
    return _visible(norm(found.adaptive - found.reference), found.limit)


def _frame(found: Any, ax: Any, curves: NDArray[np.float64]) -> None:
    """Leave out what is hopeless, steps that give nothing else, and strokes of luck below the best."""
    shown, size = curves[~np.isnan(curves)], norm(found.reference)
    if shown.size == 0:
        return
    top, best = 3 * shown.max(), _visible(found.best_error, found.limit)
    lowest = np.nanmin([shown.max(), _adaptive_error(found), *best])
    if np.nanmax(found.best_error) < size:
        top = min(top, HOPELESS * size)
    steps, useful = (found.step[there.any(axis=0)] for there in (~np.isnan(curves), curves < size))
    left = max(steps[0], useful[0] / CONTEXT) if useful.size else steps[0]
    ax.set(xlim=(left / 2, steps[-1] * 2), ylim=(lowest / BAND, top))


def _draw_rules(found: Any, ax: Any) -> None:
    left, right = ax.get_xlim()
    for rule, sign in SIGNS.items():
        h = found.rule_step[rule][0]
        if left < h < right:
            ax.axvline(h, color=GREY, lw=0.8, ls=":")
            ax.annotate(sign, (h, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 2), textcoords="offset points",
                        ha="center", va="bottom", fontsize=8, color=GREY)  # fmt: skip


def _describe(found: Any, ax: Any) -> None:
    for marker, label in (("D", "h by the step law"), ("o", "best h")):
        filled = GREY if marker == "D" else "none"
        ax.plot([], [], marker, ms=5.5, mfc=filled, mec=GREY, label=label)
    primes = "′" * found.order if found.order <= 3 else f"⁽{str(found.order).translate(RAISED)}⁾"
    power = "" if found.order == 1 else str(found.order).translate(RAISED)
    ax.set_xlabel("step h (units of x)", fontsize=8)
    ax.set_ylabel(f"error of f{primes} (units of f/x{power})", fontsize=8)
    ax.tick_params(labelsize=7)
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "borderaxespad": 1.6, "frameon": False}
    ax.legend(title=found.title, title_fontsize=9, fontsize=7, ncols=3, handlelength=1.5, columnspacing=1.2, **above)


#: Of a check: the colour and the sign of each verdict, the wrong ones on top; those of the other sign are hollow.
MARKS = {CORRECT: (COLOURS[0], "o"), INCONCLUSIVE: (COLOURS[4], "s"), WRONG: (COLOURS[1], "X")}
#: So many wrong entries are named, and no two that are nearer than this, in decades.
NAMED, NEARBY = 3, 0.3
#: From this share of the width on a name stands to the left: above the diagonal soon, away from what is right, and below it late.
LEFTWARD = {True: 0.15, False: 0.75}


def draw_check(found: Any, ax: Any = None) -> Any:
    """Analytic against numerical entries by size, on logarithmic axes; the right ones lie on the diagonal."""
    ax = _new_axes() if ax is None else ax
    sizes = [np.abs(a.reshape(-1)) for a in (found.numerical, found.analytic)]
    low, high = _range(np.concatenate(sizes))
    places = np.clip(sizes, low, high)
    ax.loglog((low, high), (low, high), "-", color=GREY, lw=0.8, zorder=0)
    for label, some, colour, mark, face in _kinds_of_entries(found):
        if some.any():
            ax.plot(*places[:, some], mark, color=colour, ms=5, mec=colour if face == "none" else "white", mfc=face,
                    mew=1.0 if face == "none" else 0.5, label=f"{label} ({some.sum()})")  # fmt: skip
    ax.set(xlim=(low / 2, high * 2), ylim=(low / 2, high * 2))
    _name_worst(found, ax, places)
    ax.set_xlabel("size of the numerical derivative", fontsize=8)
    ax.set_ylabel("size of the analytic derivative", fontsize=8)
    ax.tick_params(labelsize=7)
    ax.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, handlelength=1.0)
    return ax


def _kinds_of_entries(found: Any) -> Iterator[tuple[str, NDArray[np.bool_], str, str, str]]:
    """Of each kind of entry the label, where it is, its colour, its mark and how that is filled."""
    known = np.isfinite(found.numerical.reshape(-1)) & np.isfinite(found.analytic.reshape(-1))
    opposite = found.numerical.reshape(-1) * found.analytic.reshape(-1) < 0
    for verdict, (colour, mark) in MARKS.items():
        some = known & (found.verdict.reshape(-1) == verdict)
        yield WORDS[verdict], some & ~(opposite & (verdict == WRONG)), colour, mark, colour
        if verdict == WRONG:
            yield "wrong, of the other sign", some & opposite, colour, mark, "none"


def _range(sizes: NDArray[np.float64]) -> tuple[float, float]:
    """From the smallest to the largest; zeros lie at the lower end."""
    seen = sizes[np.isfinite(sizes) & (sizes > 0)]
    if seen.size == 0:
        return 0.1, 1.0
    return float(max(seen.min(), seen.max() * 1e-16)) / 3, float(seen.max()) * 3


def _name_worst(found: Any, ax: Any, places: NDArray[np.float64]) -> None:
    """The worst that lie apart from each other, inside the frame."""
    order = found.worst()
    wrong = order[(found.verdict.reshape(-1)[order] == WRONG) & np.isfinite(places[:, order]).all(axis=0)]
    taken: list[NDArray[np.float64]] = []
    left, right = np.log10(ax.get_xlim())
    for i in wrong:
        at = np.log10(places[:, i])
        if len(taken) == NAMED or any(np.abs(at - other).max() < NEARBY for other in taken):
            continue
        taken.append(at)
        side = "right" if at[0] > left + LEFTWARD[bool(at[1] > at[0])] * (right - left) else "left"
        ax.annotate(found.name(int(i) % found.analytic.shape[-1]), places[:, i], xytext=(-6 if side == "right" else 6, -3),
                    textcoords="offset points", fontsize=7, ha=side)  # fmt: skip
