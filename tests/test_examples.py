"""Every example runs in a process of its own, prints what it shows and saves its picture."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
NEEDS = {"check_attention": "torch", "train_through_simulator": "torch"}


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_example(script, tmp_path):
    for module in ("matplotlib", NEEDS.get(script.stem, "numpy")):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{script.name} needs {module}, an optional extra")
    picture = tmp_path / "picture.png"
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run([sys.executable, "-W", "error", script, picture], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 4
    assert ".png" not in script.read_text() or picture.read_bytes().startswith(b"\x89PNG")
