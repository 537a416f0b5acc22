"""Whole processes, for what only a new process shows: start-up, caches on disk, peak memory."""

import os
import subprocess
import sys
from pathlib import Path

from bench.rivals import SOURCE


def output(script: str, cache: Path | str, *arguments: str) -> str:
    """What `script` prints in a Python of its own that keeps numba's cache in `cache`."""
    path = os.pathsep.join(filter(None, (str(SOURCE), str(SOURCE.parent), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": path}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode, so a checkout gets it too
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
