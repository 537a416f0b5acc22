"""Every example runs in a process of its own, prints what it shows and saves its picture; those on pages print what is there."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEEDS = {
    "check_attention": "torch", "train_through_simulator": "torch", "logistic_regression": "sklearn",
}  # fmt: skip
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]\d+)?")
RESULT = re.compile(r"-?\d+\.\d{3,}(?!\d*e)")

#: What an example claims: words of a line that it prints, and what the numbers in that line must be.
CLAIMS = {
    "c_simulator": {
        "largest error bar": lambda n: n[0] < 1e-7,
        "speed ": lambda n: abs(n[0] - n[2]) < 3 * n[1],
        "drag ": lambda n: abs(n[0] - n[2]) < 3 * n[1],
        "a throw of negative speed": lambda n: n[0] == 1,
    },
    "check_attention": {"gradient check FAILED": lambda n: n[:2] == [20, 60], "key: too large": lambda n: n[0] == 2},
    "fit_real_data": {
        "digits that agree": lambda n: min(n) > 9.5,
        "sum of squares": lambda n: n[0] == n[1] == 5642.7082397,
        "half height": lambda n: n == pytest.approx([-1.1905, 0.0076], rel=0.01),
    },
    "gradient_descent": {"numerical gradient": lambda n: n[0] < 1e-11, "BFGS  ": lambda n: n[0] < 60 and n[1] < 1e-10},
    "logistic_regression": {
        "derivatives by fastfd": lambda n: n[0] <= 20 and n[2] < 1e-6,
        "largest error": lambda n: n[3] < 1e-7,
        "error bar": lambda n: n[0] > 99.5,
    },
    "newton_in_njit": {
        "points in a prange": lambda n: n[1] == 0 and n[2] <= 1e-12,
        "in 4000 steps": lambda n: n[-1] < 0.1,
        "in 16000 steps": lambda n: n[-1] < 0.1 / 14,
    },
    "newton_krylov_pde": {"Newton steps": lambda n: n[1] <= 6, "largest u": lambda n: n == pytest.approx([0.79693], abs=1e-5)},
    "noisy_simulator": {
        "typical error": lambda n: n[2] < n[1] / 100 and n[2] < n[3] < n[1],
        "inside the error bars": lambda n: n[0] > 95,
        "fit, SciPy's default": lambda n: n[0] > 10,
        "fit, fastfd": lambda n: n[0] == pytest.approx(2.01866, abs=2e-4),
    },
    "stiff_pde": {
        "entries found": lambda n: n[:2] == [3200, 19200] and n[2] < 600 and n[3] <= 8,
        "largest difference": lambda n: n[-1] < 1e-6,
    },
    "train_through_simulator": {"after training": lambda n: n[0] < 0.5},
    "v_curve": {"adaptive": lambda n: n[0] < 1e-12 and n[0] <= n[1], "complex step": lambda n: n[0] < 1e-14},
}


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_example(script, tmp_path):
    for module in ("matplotlib", NEEDS.get(script.stem, "numpy")):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{script.name} needs {module}, an optional extra")
    picture = tmp_path / "picture.png"
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run([sys.executable, "-W", "error", script, picture], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    lines = done.stdout.splitlines()
    for words, holds in CLAIMS[script.stem].items():
        (line,) = [line for line in lines if words in line]
        assert holds([float(n) for n in NUMBER.findall(line)]), line
    if script.stem != "c_simulator" or shutil.which("cc"):  # without it the script says so, and numba compiles instead
        compare(done.stdout, in_gallery(script.stem))


def in_gallery(name):
    """What docs/gallery.md says that an example prints."""
    page = (ROOT / "docs" / "gallery.md").read_text()
    shown = re.search(rf"\$ python examples/{name}\.py {name}\.png\n(.*?)```", page, re.DOTALL)
    assert shown, f"docs/gallery.md does not show {name}.py"
    assert (ROOT / "docs" / "pictures" / f"{name}.png").exists()
    return shown[1]


def compare(printed, shown):
    """Words as they are; numbers of three decimals and more, which are results, to two digits; the others may vary."""
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split()
    assert [float(n) for n in RESULT.findall(printed)] == pytest.approx([float(n) for n in RESULT.findall(shown)], rel=1e-2)


PAGES = ("gradient-checking", "when", "c-functions")
SHOWN = re.compile(r"```python\n(.*?)```\n\n```\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_pages_show_what_is_printed(page, capsys):
    """Words as they are, numbers to two digits, but for error bars and counts of evaluations, which depend on the platform."""
    blocks = SHOWN.findall((ROOT / "docs" / f"{page}.md").read_text())
    assert blocks
    for code, shown in blocks:
        exec(code, {})
        printed = capsys.readouterr().out
        assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split()
        large = [[float(n) for n in NUMBER.findall(text) if 1e-3 < abs(float(n)) < 20] for text in (printed, shown)]
        assert large[0] == pytest.approx(large[1], rel=1e-2)
