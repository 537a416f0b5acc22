"""The pages: every block of Python on them runs, in order, and gives what is said beside it.

A page is a namespace: its blocks go on from one another. A line that is an expression with a comment that begins with a value, as
in ``info.success    # True``, has that value: numbers with a point to what is written, the rest exactly. A block after
``<!-- not run: ... -->`` is left out, for the reason there.
"""

import ast
import importlib
import importlib.util
import re
import textwrap
from pathlib import Path

import pytest

import fastfd

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(<!-- not run: [^>]+ -->\n+)?^( *)```python\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
FRAMEWORKS = "torch", "jax"


def blocks(page, framework=None):
    """The code of a page that needs no framework, or no other one than this, and where each block begins."""
    text = (ROOT / page).read_text()
    others = [name for name in FRAMEWORKS if name != framework]
    for found in BLOCK.finditer(text):
        code = textwrap.dedent(found[3])
        if not found[1] and not any(re.search(rf"\b{name}\b", code) for name in others):
            yield text.count("\n", 0, found.start(3)) + 1, code


def run(page, folder, space, framework=None):
    """Block by block and statement by statement; an expression is compared with the comment after it."""
    for line, code in blocks(page, framework):
        file = folder / f"{Path(page).stem}_{line}.py"  # what is compiled with cache=True comes from a file
        file.write_text(code)
        run_block(code, str(file), f"{page}, block at line {line}", space)


def run_block(code, file, where, space):
    for node in ast.parse(code).body:
        if isinstance(node, ast.Expr):
            value = eval(compile(ast.Expression(node.value), file, "eval"), space)
            after = code.splitlines()[node.end_lineno - 1].partition("#")[2].strip()
            stated = literal(after)
            assert stated is None or same(value, stated), f"{where}: {value!r} is not {after}"
        else:
            exec(compile(ast.Module([node], []), file, "exec"), space)


def literal(comment):
    """The value at the beginning of a comment, if it begins with one."""
    for text in (comment, *(comment.split(mark)[0] for mark in ";:, ")):
        try:
            return ast.literal_eval(text.strip())
        except (SyntaxError, ValueError):
            continue
    return None


def same(value, stated):
    """Whether a value is what is written; a number with a point or an exponent to the digits that are written."""
    if isinstance(stated, float):
        digits = len(re.sub(r"e.*|[-.]|^-?0\.0*", "", repr(stated)))
        return value == pytest.approx(stated, rel=0.6 * 10.0 ** (1 - digits))
    return value == stated


def test_the_reference_has_every_name():
    listed = re.findall(r"^   ([\w.]+)$", (ROOT / "docs" / "reference.rst").read_text(), re.MULTILINE)
    names = list(fastfd.__all__)
    for module in ("testing", "interop.torch", "interop.jax"):
        names += [f"{module}.{name}" for name in importlib.import_module(f"fastfd.{module}").__all__]
    assert sorted(listed) == sorted(names)


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_blocks_of_python_run(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    run(page, tmp_path, {"__name__": "__main__"})


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_blocks_with_a_framework_run(framework, tmp_path):
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is an optional extra")
    run("docs/interop.md", tmp_path, {"__name__": "__main__"}, framework)
