"""How kernels are compiled: by fewer passes than numba's own and linked once, and nothing is lost on the way."""

import numpy as np
import pytest
from marks import compiled_only
from numba import njit

import fastfd

TEXT = """
from fastfd.kernels.compiler import gate, helper, independent
from fastfd.kernels.views import fill

@helper
def mixed(table, i, j):
    return table[i, j] + 10 * table[j, i]

@gate
def total(table, order):
    fill(table[1], 7.0)
    out = 0.0
    for i in range(table.shape[0]):
        out += mixed(table, i, order[i])
        table[i, 0] = -out
    return out

@gate
def ends(numbers):
    return numbers[0] + numbers[-1]

@helper
def twice(numbers):
    return numbers * 2.0

@helper
def power(x, n):
    return x ** n

@helper
def at(numbers, i):
    return numbers[i]

@gate
def doubled(numbers):
    more, out = twice(numbers), 0.0
    for i in range(more.size):
        out += more[i]
    return out

@gate
def powered(x, n):
    return 1.0 + power(x, n)

@gate
def looked_up(numbers, i):
    return 1.0 + at(numbers, i)

@gate
def extremes(a, b, n):
    found, steps = 0.0, 0
    for i in range(n, 4):
        found, steps = max(a, found) + min(b, a), steps + int(b + i)
    return found, steps, max(n, 2), min(n, 2)
"""

#: The same loop as a part of either kind.
ROWS = """
@{kind}
def rows_{kind}(table, a, b, c, d, e):
    for i in range(table.shape[1]):
        table[a, i] = table[b, i] * table[c, i] - table[d, i] * table[e, i]
        table[b, i] = table[a, i] + table[e, i] if table[c, i] > 0.0 else table[d, i]
        table[c, i] = max(table[b, i], table[a, i])
        table[d, i] = table[c, i] - table[b, i]

@gate
def mixed_{kind}(table, order):
    rows_{kind}(table, order[0], order[1], order[2], order[3], order[4])
"""


def total(table, order):
    """The same by NumPy."""
    table[1] = 7.0
    out = 0.0
    for i, j in enumerate(order):
        out += table[i, j] + 10 * table[j, i]
        table[i, 0] = -out
    return out


@pytest.fixture
def run(child, tmp_path):
    """Run a script that can import the kernels above; nothing is cached at first."""
    (tmp_path / "texts.py").write_text(TEXT + ROWS.format(kind="helper") + ROWS.format(kind="independent"))
    head = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport numpy as np, texts\n"
    return lambda script, **environment: child(head + script, NUMBA_CACHE_DIR=str(tmp_path), **environment).split()


@compiled_only
@pytest.mark.parametrize("checked", ("0", "1"))
def test_elements_and_parts(run, checked):
    """Numbers are read and written where NumPy has them, by a kernel just compiled and by one from disk."""
    script = """
table = np.arange(12.0).reshape(3, 4)
print(texts.total(table, np.array([2, 0, 1])), *table.ravel(), sum(texts.total.stats.cache_hits.values()))
"""
    table = np.arange(12.0).reshape(3, 4)
    expected = [total(table, [2, 0, 1]), *table.ravel()]
    for hits in (0, 1):
        assert [float(word) for word in run(script, NUMBA_BOUNDSCHECK=checked)] == [*expected, hits]


@compiled_only
def test_independent_rounds_go_side_by_side(run):
    """LLVM takes several rounds at a time, and does not ask whether rows of one array are the same; the numbers are."""
    script = """
found = []
for text in (texts.mixed_helper, texts.mixed_independent):
    table = np.cos(np.arange(5.0 * 83)).reshape(5, 83)
    text(table, np.array([3, 1, 4, 0, 2]))
    found.append(table)
    llvm = "".join(text.inspect_llvm().values())
    print("x double>" in llvm, "memcheck" in llvm)
print(np.array_equal(*found))
"""
    assert run(script) == ["True", "True", "True", "False", "True"]


@compiled_only
def test_kernels_do_not_count_from_the_end(run):
    """Nobody asks whether an index is negative; where bounds are checked, that is an error."""
    script = """
try:
    texts.ends(np.ones(3))
except IndexError:
    print("out of range")
"""
    assert run(script, NUMBA_BOUNDSCHECK="1") == ["out", "of", "range"]


@compiled_only
def test_a_part_that_makes_an_array_gives_it_back(run):
    script = """
from numba.core.runtime import rtsys
def held():
    counts = rtsys.get_allocation_stats()
    return counts.mi_alloc - counts.mi_free
numbers = np.arange(4.0)
print(texts.doubled(numbers))
before = held()
print(sum(texts.doubled(numbers) for _ in range(50)), held() == before)
"""
    assert run(script, NUMBA_NRT_STATS="1") == ["12.0", "600.0", "True"]


@compiled_only
def test_what_a_part_raises_comes_out(run):
    """A kernel asks how a call ended where it may end badly, and only there."""
    script = """
print(texts.powered(2.0, 3), texts.looked_up(np.ones(3), 1))
for call, given in ((texts.powered, (2.0, np.iinfo(np.int64).min)), (texts.looked_up, (np.ones(3), 3))):
    try:
        call(*given)
    except (OverflowError, IndexError) as error:
        print(type(error).__name__)
"""
    assert run(script, NUMBA_BOUNDSCHECK="1") == ["9.0", "2.0", "OverflowError", "IndexError"]


@compiled_only
def test_extremes_and_ranges_are_those_of_python(run):
    """Of numbers that are not numbers, too; ranges may be empty."""
    script = """
for a in (1.5, float("nan"), 2.5, -0.0):
    for n in (0, 3, 4, 9):
        found, steps = 0.0, 0
        for i in range(n, 4):
            found, steps = max(a, found) + min(-0.25, a), steps + int(i - 0.25)
        expected = found, steps, max(n, 2), min(n, 2)
        print(np.array_equal(texts.extremes(a, -0.25, n), expected, equal_nan=True))
"""
    assert run(script) == ["True"] * 16


def test_the_collector_is_left_as_it_was(run):
    script = """
import gc
def compiled(numbers):
    texts.looked_up(numbers, 0)
    return gc.isenabled(), gc.get_freeze_count() > 0
print(*compiled(np.ones(3)))
gc.freeze()
print(*compiled(np.ones(3, np.float32)))
gc.unfreeze()
gc.disable()
print(*compiled(np.ones(3, int)))
"""
    assert run(script) == ["True", "False", "True", "True", "False", "False"]


def test_a_part_serves_code_that_numba_compiles():
    """So many points that f is compiled into the loop, and a part of ours with it."""

    @njit
    def wave(x):
        return np.sin(3 * x)

    x = np.linspace(0.0, 2.0, 100_000)
    assert np.allclose(fastfd.derivative(wave, x, method="central"), 3 * np.cos(3 * x), rtol=0, atol=1e-8)


@compiled_only
def test_nothing_is_kept(child):
    """References to arrays are given back, in compiled code too."""
    script = """
import sys
import numpy as np
from numba import njit
from numba.core.runtime import rtsys
import fastfd

@njit
def f(x, a):
    return a * x * x
x, a = np.linspace(1.0, 2.0, 5), np.ones(5)
def work():
    for keywords in ({}, {"bounds": (1.0, 3.0)}, {"method": "central"}):
        fastfd.jacobian(f, x, args=(a,), parallel=False, **keywords)
def held():
    counts = rtsys.get_allocation_stats()
    return counts.alloc - counts.free, counts.mi_alloc - counts.mi_free, sys.getrefcount(x), sys.getrefcount(a)
work()
before = held()
for _ in range(20):
    work()
print(held() == before, rtsys.get_allocation_stats().alloc > 0)
"""
    assert child(script, NUMBA_NRT_STATS="1") == "True True\n"


@compiled_only
def test_what_waits_for_the_second_node_is_given_back(child):
    """However that ends: well, with nan, raising, with another number of results, with a changed argument."""
    script = """
import numpy as np
from numba import njit
from numba.core.runtime import rtsys
import fastfd

@njit
def f(x, how):
    if x[0] < 1.0:
        if how == 1:
            return x * np.nan
        if how == 2:
            raise KeyError("low")
        if how == 3:
            return np.ones(7)
        if how == 4:
            x[0] = 0.0
    return x * x
x = np.linspace(1.0, 2.0, 300)
def outcome(how):
    try:
        J = fastfd.jacobian(f, x, args=(how,), method="central", parallel=False)
        return "nan" if np.isnan(J).any() else "fine"
    except Exception as error:
        return type(error).__name__
def held():
    counts = rtsys.get_allocation_stats()
    return counts.alloc - counts.free, counts.mi_alloc - counts.mi_free
print(*map(outcome, range(5)))
before = held()
for _ in range(20):
    list(map(outcome, range(5)))
print(held() == before)
"""
    assert child(script, NUMBA_NRT_STATS="1") == "fine nan KeyError ValueError ValueError\nTrue\n"
