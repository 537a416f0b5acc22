"""`python -m bench [group ...] [--quick]`: the tables that the README quotes."""

import argparse
import importlib
import os
import platform
import sys
import time
import traceback
from importlib.metadata import version

from bench import cload, rivals
from bench.table import rendered
from bench.timing import QUICK, Effort

GROUPS = (
    "jacobians", "adaptive", "elementwise", "hessians", "parallel", "memory", "coldstart", "checking", "sparse", "inside",
    "cfunctions", "workers", "long",
)  # fmt: skip
LIBRARIES = ("numba", "numpy", "scipy", "numdifftools", "jacobi")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="fastfd against its rivals")
    parser.add_argument("groups", nargs="*", metavar="group", help=f"of {', '.join(GROUPS)}; all unless told")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look, not a figure to quote")
    options = parser.parse_args()
    unknown = sorted(set(options.groups) - set(GROUPS))
    if unknown:
        parser.error(f"no such group: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    print(header(), flush=True)
    effort = QUICK if options.quick else Effort()
    failed = [group for group in options.groups or GROUPS if not reported(group, effort)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def header() -> str:
    """What a reader must know to compare: versions, processor, how busy it was, and who is missing."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    lines = [
        f"{time.strftime('%Y-%m-%d %H:%M')}, Python {platform.python_version()}, {libraries}",
        f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}",
        "times are medians; a figure is the median over the rounds of the ratio within a round;",
        "an error is the largest one relative to the largest entry",
    ]
    if cload.library() is None:
        lines.append("no C rivals: there is no compiler `cc` here")
    if rivals.fastfd() is None:
        lines.append(f"no fastfd: it cannot be imported from {rivals.SOURCE}")
    else:
        lines.append(f"fastfd from {rivals.fastfd().__file__}")
    return "\n".join(lines)


def processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def reported(group: str, effort: Effort) -> bool:
    """Print the group's table. A group that fails says why and leaves the others their turn."""
    print(f"\n## {group}\n", flush=True)
    start = time.perf_counter()
    try:
        module = importlib.import_module(f"bench.{group}")
        rows = module.run(effort)
    except Exception:
        traceback.print_exc()
        return False
    print(rendered(rows) if rows else "nothing to measure")
    print(f"\n{module.NOTES}\n({time.perf_counter() - start:.0f} s)", flush=True)
    return True


if __name__ == "__main__":
    main()
