"""Optional packages: what is said when they are missing, and examples that run when they are there."""

import doctest
import importlib

import pytest

WITHOUT = """
import sys
sys.modules[{package!r}] = None
import {module} as module
try:
    {call}
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("package", "module", "call", "sentence"),
    [
        ("torch", "fastfd.interop.torch", "module.differentiable(abs)",
         'fastfd.interop.torch needs torch, which is not installed: pip install "fastfd[torch]"'),
        ("torch", "fastfd.interop.torch", "module.check(abs, ())",
         'fastfd.interop.torch needs torch, which is not installed: pip install "fastfd[torch]"'),
        ("jax", "fastfd.interop.jax", "module.differentiable(abs)",
         'fastfd.interop.jax needs jax, which is not installed: pip install "fastfd[jax]"'),
        ("matplotlib", "fastfd.plotting", "module.draw(None)",
         'plot needs matplotlib, which is not installed: pip install "fastfd[plot]"'),
    ],
    ids=["torch: differentiable", "torch: check", "jax", "matplotlib"],
)  # fmt: skip
def test_a_missing_package_is_asked_for(child, package, module, call, sentence):
    assert child(WITHOUT.format(package=package, module=module, call=call)) == sentence + "\n"


def test_a_package_that_is_broken_says_so_itself(child, tmp_path):
    """A package that is there but cannot be imported is not called missing."""
    (tmp_path / "torch.py").write_text("import what_torch_needs")
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from fastfd.interop.torch import differentiable
try:
    differentiable(abs)
except ImportError as error:
    print(error)
"""
    assert child(script) == "No module named 'what_torch_needs'\n"


@pytest.mark.parametrize("package", ["torch", "jax"])
def test_examples_run(package):
    pytest.importorskip(package, reason=f'{package} is an optional dependency: pip install "fastfd[{package}]"')
    module = importlib.import_module(f"fastfd.interop.{package}")
    results = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert results.attempted > 0 and results.failed == 0
