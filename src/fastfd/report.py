"""What a check of a derivative found: a verdict on every entry, as numbers, as a table and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfd.evidence import Finding, Leaf, name_of
from fastfd.verdicts import CORRECT, INCONCLUSIVE, WORDS, WRONG, entrywise_error, grade

__all__ = ["GradientCheck"]

Array = NDArray[np.float64]

#: From here on the scale of practitioners has a word for what is wrong.
SUSPICIOUS = 1e-5
#: Rows of the printed table: at most so many, and so many where all is well.
ROWS, ROWS_WHEN_WELL = 10, 3
#: An error bar of this share of the entry is no matter of digits.
KINK = 0.1


@dataclass(frozen=True)
class GradientCheck:
    """What a check found, entry by entry.

    Attributes
    ----------
    analytic, numerical : ndarray
        The derivative under test and the one by differences: ``(n,)``, the entries of all parameters in a row, or
        ``(points, n)``. `numerical` is nan where only groups of entries were compared (``directions=``).
    error : ndarray
        A bound on the error of `numerical`, absolute, entry by entry. Where the first differences agree with the analytic
        entry to seven digits it is that distance at most: nothing better was needed.
    verdict : ndarray of int
        0 correct, 1 inconclusive (the error bar is too wide to tell, or f is not smooth here), 2 wrong.
    findings : tuple of Finding
        Probable causes, each with ``kind``, ``leaf`` (the array it shows in, "" for all), ``sentence`` and ``indices``.
    x : ndarray
        The points, as `analytic`.
    nfev : int
        Evaluations of f.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfd
    >>> report = fastfd.check_gradient(lambda p: np.sum(p["w"] ** 2), lambda p: {"w": p["w"]}, {"w": np.array([1.0, 3.0, 2.0])})
    >>> report.passed
    False
    >>> print(report.findings[0])
    w: too small by the factor 1/2, the derivative of a square lacks its 2
    """

    analytic: Array
    numerical: Array
    error: Array
    verdict: NDArray[np.int8]
    findings: tuple[Finding, ...]
    x: Array
    nfev: int
    leaves: tuple[Leaf, ...]
    what: str = "gradient"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each of the n entries, such as ``layers.0.bias[3]``."""
        return tuple(self.name(i) for i in range(self.analytic.shape[-1]))

    def name(self, i: int) -> str:
        """The name of entry i."""
        return name_of(i, self.leaves)

    @property
    def relative_error(self) -> Array:
        """\\|a − b\\| / (\\|a\\| + \\|b\\|) of each entry."""
        return entrywise_error(self.analytic, self.numerical)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong, nothing else was found, and something could be decided."""
        decided = self.verdict.size == 0 or bool((self.verdict == CORRECT).any())
        return decided and not (self.verdict == WRONG).any() and not self.findings

    @property
    def conclusive(self) -> bool:
        """Whether there is a verdict on every entry."""
        return not (self.verdict == INCONCLUSIVE).any()

    def raise_if_failed(self, strict: bool = False) -> None:
        """An AssertionError with the report, unless the check passed.

        Parameters
        ----------
        strict : bool, optional
            Whether inconclusive entries fail too.

        Raises
        ------
        AssertionError
            If something is wrong.
        """
        if not self.passed or (strict and not self.conclusive):
            raise AssertionError(str(self))

    def __str__(self) -> str:
        notes = [*self.findings, *self._hints()]
        return "\n".join([self._headline(), *(f"  {note}" for note in notes), *self._table()])

    def _headline(self) -> str:
        size, count = self.verdict.size, [int((self.verdict == verdict).sum()) for verdict in (WRONG, INCONCLUSIVE)]
        parts = [f"{number} {word}" for number, word in zip(count, ("wrong", "inconclusive")) if number]
        found = f"{', '.join(parts)} of {_entries(size)}" if parts else f"all of {_entries(size)} correct"
        points = f", {len(self.analytic)} points" if self.analytic.ndim > 1 else ""
        return f"{self.what} check {'passed' if self.passed else 'FAILED'}: {found} ({self.nfev} evaluations{points})"

    def _hints(self) -> list[str]:
        """What to make of entries without a verdict, or without a number."""
        open_, compared = self.verdict == INCONCLUSIVE, np.isfinite(self.numerical)
        if any(finding.kind == "random function" for finding in self.findings):
            return []
        hints = []
        if (open_ & compared).any():
            wide = self.error[open_ & compared] > KINK * np.abs(self.numerical[open_ & compared])
            cause = "a kink or a jump near x: try other points" if wide.mean() > 0.5 else "noise in f, such as single precision"
            hints.append(f"inconclusive: differences tell no more; probably {cause}")
        if not compared.all():
            hints.append(f"{int((~compared).sum())} entries were compared in groups only")
        return hints

    def worst(self) -> NDArray[np.int64]:
        """Flat indices, the worst entries first: the wrong ones by their relative error, then the inconclusive ones."""
        error = np.where(np.isfinite(self.analytic), np.nan_to_num(self.relative_error, nan=-1.0), np.inf)
        return np.lexsort((-error.reshape(-1), -self.verdict.reshape(-1)))

    def _table(self) -> list[str]:
        telling = int(((self.verdict != CORRECT) & np.isfinite(self.numerical)).sum()) or int((self.verdict == WRONG).sum())
        order = self.worst()
        some = order[: min(ROWS, telling)] if telling else order[np.isfinite(self.numerical.reshape(-1)[order])][:ROWS_WHEN_WELL]
        if some.size == 0:
            return []
        names = [self._label(int(i)) for i in some]
        width = max([len(name) for name in names] + [len("entry")])
        head = f"  {'entry':<{width}}  {'analytic':>14}  {'numerical':>14}  {'error bar':>9}  {'rel. error':>10}  verdict"
        rest = [f"  ... and {telling - len(some)} more"] if telling > len(some) else []
        return [head, *(self._row(name, int(i), width) for name, i in zip(names, some)), *rest]

    def _label(self, i: int) -> str:
        point, entry = divmod(i, self.analytic.shape[-1])
        return self.name(entry) + (f" at point {point}" if self.analytic.ndim > 1 else "")

    def _row(self, name: str, i: int, width: int) -> str:
        a, g, e, r = (rows.reshape(-1)[i] for rows in (self.analytic, self.numerical, self.error, self.relative_error))
        verdict = int(self.verdict.reshape(-1)[i])
        word = f"{WORDS[verdict]} ({grade(r)})" if verdict == WRONG and r >= SUSPICIOUS else WORDS[verdict]
        return f"  {name:<{width}}  {a:>14.7g}  {g:>14.7g}  {e:>9.1e}  {r:>10.1e}  {word}"

    def to_dict(self) -> dict[str, Any]:
        """The report as numbers, strings and lists, fit for JSON; entries that are not known are None."""
        numbers = {"analytic": self.analytic, "numerical": self.numerical, "error": self.error,
                   "relative_error": self.relative_error, "x": self.x}  # fmt: skip
        return {
            "what": self.what, "passed": self.passed, "nfev": self.nfev, "names": list(self.names),
            **{key: _plain(values.tolist()) for key, values in numbers.items()},
            "verdict": _in_words(self.verdict.tolist()),
            "findings": [{"kind": f.kind, "leaf": f.leaf, "sentence": f.sentence, "indices": list(f.indices)}
                         for f in self.findings],
        }  # fmt: skip

    def plot(self, ax: Any = None) -> Any:
        """Draw analytic against numerical entries on logarithmic axes, coloured by their verdicts; give the axes back.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from fastfd.plotting import draw_check  # most checks are not drawn

        return draw_check(self, ax)


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if np.isfinite(value) else None


def _in_words(value: Any) -> Any:
    return [_in_words(item) for item in value] if isinstance(value, list) else WORDS[value]
