"""Every example runs in a process of its own, prints what it shows and saves its picture; those on pages print what is there."""

import importlib.util
import os
import re
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


PAGES = ("gradient-checking", "when", "c-functions")
SHOWN = re.compile(r"```python\n(.*?)```\n\n```\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]\d+)?")


@pytest.mark.parametrize("page", PAGES)
def test_pages_show_what_is_printed(page, capsys):
    """Words as they are, numbers to two digits, but for error bars and counts of evaluations, which depend on the platform."""
    blocks = SHOWN.findall((EXAMPLES[0].parents[1] / "docs" / f"{page}.md").read_text())
    assert blocks
    for code, shown in blocks:
        exec(code, {})
        printed = capsys.readouterr().out
        assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split()
        large = [[float(n) for n in NUMBER.findall(text) if 1e-3 < abs(float(n)) < 20] for text in (printed, shown)]
        assert large[0] == pytest.approx(large[1], rel=1e-2)
