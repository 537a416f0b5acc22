"""What the tests share: a hypothesis profile without a clock, and child processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

import fastfd

settings.register_profile("fastfd", deadline=None, derandomize=True, max_examples=30)
settings.register_profile("long", deadline=None, derandomize=False, max_examples=1000)  # with --hypothesis-seed=N
settings.load_profile("fastfd")

PATHS = str(Path(fastfd.__file__).parents[1]), str(Path(__file__).parent)


@pytest.fixture(scope="session")
def child(tmp_path_factory):
    """Run a script in a process of its own, with a throwaway cache that such processes share; give its output."""
    cache = str(tmp_path_factory.mktemp("cache"))

    def run(script: str, **environment: str) -> str:
        env = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join(PATHS)} | environment
        command = [sys.executable, "-W", "error", "-c", script]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
