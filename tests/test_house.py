"""The shape of the house: floors, the public list, documents whose examples run, functions of a size to read."""

import ast
import doctest
import importlib
import inspect
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fastfd

ROOT = Path(fastfd.__file__).parent

#: A module imports only from the floors below its own, or from its own floor without a circle.
FLOORS = {
    "kernels.compiler": 0, "kernels.views": 0, "kernels.threads": 0, "kernels.native": 0, "kernels.batches": 0,
    "kernels.packed": 0, "kernels.embedded": 0, "kernels.foreign": 0, "stencils": 0,
    "kernels": 0, "extras": 0, "arrays": 0, "collector": 0,
    "pool": 0, "helpers": 0, "workers": 1, "pace": 1, "steps": 1, "errorcurve": 1, "verdicts": 1, "evidence": 2, "cfunction": 2,
    "kernels.sweep": 2, "kernels.tableau": 2, "kernels.extrapolate": 2, "kernels.imaginary": 2, "kernels.pairs": 2,
    "kernels.coloring": 2, "kernels.compressed": 2, "kernels.pointwise": 2, "kernels.ladder": 2, "kernels.inside": 2,
    "function": 3, "pattern": 3, "plan": 3, "info": 3, "causes": 3, "diagnosis": 3, "trees": 3, "subject": 3,
    "remote": 4, "run": 4,
    "columns": 5, "colored": 5, "curvature": 5, "detection": 5, "points": 5, "prepared": 5,
    "matrixfree": 6, "first": 6, "second": 6, "sparse": 6, "implicit": 6, "noise": 6, "comparison": 6, "propagation": 7,
    "plotting": 7, "report": 7, "check": 7, "testing": 7, "analysis": 7, "overloads": 7, "optimize": 7,
    "interop": 8, "interop.partials": 8, "interop.torch": 8, "interop.jax": 8,
    "__main__": 9, "": 9,
}  # fmt: skip

#: Only these may know numba from within: how a kernel is compiled, and how kernels, functions of the user's and Python call
#: each other.
INSIDERS = tuple(module for module, floor in FLOORS.items() if module.startswith("kernels.") and floor == 0)
INTERNALS = ("numba.core", "numba.extending", "numba.np", "numba._", "numba.experimental", "llvmlite")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}
by_module = pytest.mark.parametrize("module", FILES)


def imported(tree: ast.AST) -> list[str]:
    """Full names of all the modules (and of the names from modules) that a file imports, wherever it does so."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def inner_imports(module: str) -> set[str]:
    """The modules of this package that one imports."""
    found = set()
    for name in imported(TREES[module]):
        if name.split(".")[0] == "fastfd":
            inside = name.removeprefix("fastfd").removeprefix(".")
            found.add(inside if inside in FILES else inside.rpartition(".")[0])
    return found


def functions(tree: ast.AST):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@by_module
def test_floors(module):
    assert module in FLOORS, "a new file: give it a floor"
    for other in inner_imports(module):
        assert FLOORS[other] <= FLOORS[module], f"{module} looks up to {other}"


def test_no_circles():
    order = list(TopologicalSorter({module: inner_imports(module) for module in FILES}).static_order())
    assert set(order) == set(FILES)


@by_module
def test_only_three_files_know_numba_from_within(module):
    inside = [name for name in imported(TREES[module]) if name.startswith(INTERNALS)]
    reached = [
        ast.unparse(node) for node in ast.walk(TREES[module])
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith(INTERNALS)
    ]  # fmt: skip
    assert module in INSIDERS or not (inside or reached)


@by_module
def test_no_private_names_of_others(module):
    """``other._name`` only on self, cls and the like; dispatchers' private names only in the file that may."""
    if module in INSIDERS:
        return
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            assert isinstance(node.value, ast.Name | ast.Attribute | ast.Call), ast.unparse(node)
            owner = ast.unparse(node.value)
            assert owner in ("self", "cls", "job", "found", "super()"), ast.unparse(node)
    for name in imported(TREES[module]):
        if not name.startswith(("fastfd", "__future__")):
            assert not any(part.startswith("_") for part in name.split(".")), name


@by_module
def test_functions_can_be_read(module):
    """At most 45 lines without the docstring, at most three blocks deep."""
    for node in functions(TREES[module]):
        documented = ast.get_docstring(node) is not None
        first = node.body[min(documented, len(node.body) - 1)]
        lines = node.end_lineno - first.lineno + 1
        assert lines <= 45, f"{node.name} has {lines} lines"


@by_module
def test_each_module_says_what_it_is_and_what_it_offers(module):
    assert ast.get_docstring(TREES[module])
    if module not in ("kernels", "__main__", "interop"):
        assert hasattr(importlib.import_module(f"fastfd.{module}".rstrip(".")), "__all__")


@by_module
def test_all_lists_what_exists(module):
    if module == "__main__":
        return
    loaded = importlib.import_module(f"fastfd.{module}".rstrip("."))
    names = getattr(loaded, "__all__", [])
    assert len(set(names)) == len(names)
    assert all(hasattr(loaded, name) for name in names)


# --- the public list ------------------------------------------------------------------------------------------------

PUBLIC = {name: getattr(fastfd, name) for name in fastfd.__all__}
CALLABLES = {name: value for name, value in PUBLIC.items() if callable(value)}
by_name = pytest.mark.parametrize("name", PUBLIC)


def test_the_public_list_is_complete_and_sorted():
    names = {name for name in dir(fastfd) if not name.startswith("_") and not inspect.ismodule(getattr(fastfd, name))}
    starred: dict[str, object] = {}
    exec("from fastfd import *", starred)
    assert names == set(fastfd.__all__) == starred.keys() - {"__builtins__"}
    assert list(fastfd.__all__) == sorted(fastfd.__all__)


def test_names_that_come_when_asked_for_are_those_that_type_checkers_see():
    block = next(node for node in TREES[""].body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert {name: getattr(importlib.import_module(module), name) for name, module in seen.items()} == PUBLIC
    assert not set(PUBLIC) & set(FILES), "importing the module of that name would hide it"
    with pytest.raises(AttributeError, match="no attribute 'jacobain'"):
        fastfd.jacobain  # noqa: B018


def test_operators_are_public():
    for module in ("first", "second", "sparse", "implicit", "propagation"):
        if module in FILES:
            assert set(importlib.import_module(f"fastfd.{module}").__all__) <= set(fastfd.__all__)


@by_name
def test_documented(name):
    text = inspect.getdoc(PUBLIC[name])
    assert text, "no docstring"
    sections = ["Examples"] if inspect.isclass(PUBLIC[name]) else ["Parameters", "Returns", "Raises", "Examples"]
    assert [s for s in sections if f"\n{s}\n{'-' * len(s)}\n" not in text] == []
    assert ">>> " in text


@by_name
def test_parameters_are_documented(name):
    value = PUBLIC[name]
    if inspect.isclass(value):
        return
    text = inspect.getdoc(value)
    for parameter in inspect.signature(value).parameters:
        assert parameter in text.partition("Returns\n")[0], f"{parameter} is not explained"


@by_name
def test_annotated(name):
    value = PUBLIC[name]
    if inspect.isfunction(value):
        signature = inspect.signature(value)
        assert signature.return_annotation is not signature.empty
        assert all(p.annotation is not p.empty for p in signature.parameters.values())


@by_name
def test_examples_run(name):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in doctest.DocTestFinder(recurse=False).find(PUBLIC[name], name, globs={}):
        runner.run(test)
    assert runner.tries > 0 and runner.failures == 0


def test_keywords_mean_the_same_everywhere():
    """One vocabulary: a keyword of one operator has the default of the other."""
    defaults: dict[str, object] = {}
    for name, value in CALLABLES.items():
        if inspect.isfunction(value):
            for parameter in inspect.signature(value).parameters.values():
                if parameter.kind is parameter.KEYWORD_ONLY:
                    first = defaults.setdefault(parameter.name, parameter.default)
                    assert first == parameter.default, f"{parameter} of {name}"
    assert {"method", "accuracy", "step", "rtol", "bounds", "full_output"} <= set(defaults)


def test_import_costs_next_to_nothing(child):
    """Not even numba is imported until a name is asked for, and no optional dependency then."""
    script = """
import sys, fastfd
print(*(m for m in ("numba", "numpy", "fastfd.first") if m in sys.modules))
fastfd.jacobian
heavy = "scipy.optimize", "scipy.sparse", "sklearn", "matplotlib", "torch", "jax", "fastfd.second"
print(*(m for m in heavy if m in sys.modules))
"""
    assert child(script) == "\n\n"
