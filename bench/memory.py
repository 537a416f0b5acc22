"""Peak memory of a Jacobian of 5000 by 5000, beyond the 200 MB that J itself takes."""

import json
import tempfile
from pathlib import Path

from bench import child, rivals
from bench.table import Row
from bench.timing import Effort

NOTES = """\
Each figure is from a process of its own: the peak of the resident memory during the call, less the memory
before it and less J. Before, the same call at n = 50 compiles. tracemalloc sees what numpy and Python
allocate, not what compiled code does. The target reads O(threads * levels * (n + m)) as 8 arrays of n + m
numbers per thread and level, plus 4 MB, the grain of the measure (huge pages, thread stacks)."""

N, GRAIN, ARRAYS = 5000, 4.0, 8

SCRIPT = """
import json, sys, tracemalloc
import numba
import numpy as np
from bench import functions
def call(x):
    return {call}
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
numba.set_num_threads(min(2, numba.get_num_threads()))
call(np.linspace(-1.0, 1.0, 50))
x = np.linspace(-1.0, 1.0, int(sys.argv[1]))
open("/proc/self/clear_refs", "w").write("5")
before = peak()
J = call(x)
resident = peak() - before - J.nbytes
del J
tracemalloc.start()
J = call(x)
print(json.dumps([resident, tracemalloc.get_traced_memory()[1] - J.nbytes]))
"""
FASTFD = '__import__("fastfd").jacobian(functions.broyden, x, method="{}", parallel={})'
SCIPY = '__import__("scipy.optimize._numdiff").optimize._numdiff.approx_derivative(functions.broyden, x)'


def run(effort: Effort) -> list[Row]:
    """`effort` changes nothing here: memory needs no second look."""
    if not Path("/proc/self/clear_refs").exists():
        return []
    rows = [row_of("approx_derivative 3-point", SCIPY, None)]
    if rivals.fastfd() is not None:
        rows += [fastfd_row(*case) for case in (("central", 1, 1), ("central", 2, 1), ("adaptive", 1, 12))]
    return rows


def fastfd_row(method: str, threads: int, levels: int) -> Row:
    limit = GRAIN + threads * levels * ARRAYS * 2 * N * 8 / 1e6
    name = f"fastfd {method}, {threads} thread{'s' * (threads > 1)}"
    return row_of(name, FASTFD.format(method, threads > 1), limit)


def row_of(name: str, call: str, limit: float | None) -> Row:
    with tempfile.TemporaryDirectory() as cache:
        resident, traced = json.loads(child.output(SCRIPT.format(call=call), cache, str(N)))
    note = f"{traced / 1e6:.3g} MB by tracemalloc"
    return Row(f"Broyden n = m = {N}", name, "", "", "", resident / 1e6, limit, unit="MB", note=note)
