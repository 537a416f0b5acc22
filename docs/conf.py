"""The site: `python -m sphinx -W -n docs docs/_build`. Nothing is fetched, and nothing that is made here is committed.

The pages are plain Markdown that reads as well in the repository, so what only the site needs is said here: the tree of pages
(appended to index.md), the pages made of files outside docs/, and where links to those files go.
"""

import re
from pathlib import Path

import fastfd

ROOT = Path(__file__).parent.parent
MADE = Path(__file__).parent / "_made"

project, author, copyright = "fastfd", "The fastfd developers", "The fastfd developers"
version = release = fastfd.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc", "myst_parser"]
exclude_patterns = ["_build", "_templates", "pictures"]
templates_path = ["_templates"]

# --- Markdown -------------------------------------------------------------------------------------------------------
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# --- docstrings -----------------------------------------------------------------------------------------------------
autodoc_typehints = "none"  # numpydoc's sections say more
autodoc_mock_imports = ["torch", "jax"]
autosummary_generate = True
numpydoc_show_class_members = False
#: All but the checks of taste. PR01 to PR04 see no parameters that one line explains together, but tests/test_house.py does.
numpydoc_validation_checks = {
    "all", "ES01", "EX01", "SA01", "SA03", "GL01", "GL08", "PR01", "PR02", "PR03", "PR04", "PR08", "PR09",
    "RT01", "RT02", "RT03", "RT05", "SS05", "SS06",
}  # fmt: skip

# --- looks ----------------------------------------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = "fastfd"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {"**": ["tree.html"]}
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False, "navbar_center": []}

#: The pages by their place in the tree, with the short titles that some have there.
TREE = {
    "Use": {
        "operators": "", "guide": "", "sparse": "Sparse derivatives", "inside-njit": "Inside njit code", "c-functions": "",
        "parallel": "", "long-work": "", "gradient-checking": "", "interop": "", "gallery": "", "reference": "",
    },
    "Understand": {
        "methods": "", "accuracy": "", "performance": "", "when": "Differences or AD", "limitations": "", "rationale": "",
    },
    "Take part": {"contributing": "", "_made/changelog": ""},
}  # fmt: skip


def toctree(caption, pages):
    """A part of the tree; a page that does not exist is left out."""
    there = [page for page in pages if page.startswith("_") or any(Path(__file__).parent.glob(f"{page}.*"))]
    entries = [f"{pages[page]} <{page}>" if pages[page] else page for page in there]
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(entries) + "\n```\n"


def make_pages(app):
    """Pages of the changelog and of each example."""
    (MADE / "examples").mkdir(parents=True, exist_ok=True)
    write(MADE / "changelog.rst", ".. include:: ../../CHANGELOG.md\n   :parser: myst_parser.sphinx_\n")
    for script in (ROOT / "examples").glob("*.py"):
        title = f"examples/{script.name}"
        code = f".. literalinclude:: ../../../examples/{script.name}\n"
        write(MADE / "examples" / f"{script.stem}.rst", f":orphan:\n\n{title}\n{'=' * len(title)}\n\n{code}")


def write(path, text):
    """Only what has changed, or all of it would be read anew each time."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def adapt(app, page, source):
    """Links out of docs/ go to the pages made of those files."""
    source[0] = re.sub(r"\]\(\.\./examples/(\w+)\.py\)", r"](_made/examples/\1.rst)", source[0])
    source[0] = source[0].replace("](../CHANGELOG.md)", "](_made/changelog.rst)")
    if page == "index":
        source[0] += "".join(toctree(*entry) for entry in TREE.items())


def setup(app):
    app.connect("builder-inited", make_pages)
    app.connect("source-read", adapt)
