"""The pictures of the pages: `python docs/pictures.py [name ...]` draws them, or those of these names, into docs/pictures.

Those of the gallery come out of the scripts in examples/; one that needs PyTorch is left as it is where that is not installed.
"""

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse
from matplotlib.colors import ListedColormap
from numba import njit

from fastfd import color, step_analysis

HERE = Path(__file__).parent / "pictures"


@njit
def exp(x):
    return np.exp(x)


@njit
def fast(x):
    return np.sin(50 * x)


@njit
def root(x):
    return np.sqrt(x)


@njit
def kink(x):
    return abs(x)


@njit
def lifted(x):
    return 1e10 + np.sin(x)


@njit
def noisy(x):
    """Noise of a fixed pattern, even over ± 1e-6."""
    pattern = np.sin(x * 1e9) * 43758.5453
    return np.sin(x) + 1e-6 * (2 * (pattern - np.floor(pattern)) - 1)


def draw(name, *panels):
    """A row of step analyses, given by a title and their arguments."""
    figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.4), layout="constrained", squeeze=False)
    for ax, (title, f, x, keywords) in zip(axes[0], panels, strict=True):
        step_analysis(f, x, **keywords).plot(ax).get_legend().set_title(title)
    figure.savefig(HERE / f"{name}.png", dpi=100, metadata={"Software": None})
    plt.close(figure)


#: Eight hues that differ for colour-blind eyes too (Okabe and Ito 2008).
HUES = ListedColormap(["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000"])


def laplacian(k):
    line = scipy.sparse.diags_array([1.0] * 3, offsets=[-1, 0, 1], shape=(k, k))
    return scipy.sparse.csr_array(scipy.sparse.kronsum(line, line))


def arrowhead(n):
    found = np.eye(n)
    found[0, :] = found[:, 0] = 1.0
    return scipy.sparse.csr_array(found)


def show_entries(ax, pattern, colors, title):
    """The entries of a matrix, each in the colour of its column."""
    rows, columns = pattern.nonzero()
    ax.scatter(columns, rows, c=colors[columns], s=3600 / pattern.shape[0] ** 1.45, marker="s", cmap=HUES, vmin=0, vmax=7, lw=0)
    n = pattern.shape[0]
    ax.set(title=title, aspect="equal", xlim=(-1, n), ylim=(n, -1), xlabel="column", ylabel="row")


def sparsity():
    """Patterns and colours of a Laplacian and of an arrowhead."""
    figure, axes = plt.subplots(1, 3, figsize=(12.6, 4.4), layout="constrained")
    k, grid, arrow = 12, laplacian(12), arrowhead(24)
    colors, stars = color(grid), color(arrow, symmetric=True)
    show_entries(axes[0], grid, colors, f"Laplacian on {k} × {k} points: {colors.max() + 1} colours")
    axes[1].imshow(colors.reshape(k, k), cmap=HUES, vmin=0, vmax=7)
    for i in range(k * k):
        axes[1].text(i % k, i // k, str(colors[i]), ha="center", va="center", color="white", fontsize=9)
    axes[1].set(title="the same, on the grid: no star of five twice", xticks=[], yticks=[])
    show_entries(axes[2], arrow, stars, f"arrowhead Hessian: {stars.max() + 1} colours")
    figure.savefig(HERE / "sparsity.png", dpi=100, metadata={"Software": None})
    plt.close(figure)


def accuracy():
    """Step analyses."""
    orders = {"stencils": [("central", p) for p in (2, 4, 6, 8)], "exact": math.e, "steps": np.geomspace(1e-10, 1.5, 110)}
    at_1 = {"exact": math.cos(1)}
    noise = "sin(x) with noise of ± 1e-6, at x = 1"
    draw("v", ("exp(x) at x = 1", exp, 1.0, {"exact": math.e}))
    draw("orders", ("exp(x) at x = 1", exp, 1.0, orders))
    draw(
        "scale",
        ("sin(50x) at x = 1", fast, 1.0, {"exact": 50 * math.cos(50)}),
        ("√x at x = 1e-6", root, 1e-6, {"exact": 500.0}),
    )
    draw("floor", ("1e10 + sin(x) at x = 1", lifted, 1.0, at_1), (noise, noisy, 1.0, at_1))
    draw("limit", ("exp(x) at x = 1, nothing given", exp, 1.0, {}), (noise + ", nothing given", noisy, 1.0, {}))
    draw("kink", ("|x| at x = 0.001", kink, 1e-3, {"exact": 1.0, "stencils": ("forward", "central")}))


def example(script):
    """The picture that an example draws."""
    if "import torch" in script.read_text() and importlib.util.find_spec("torch") is None:
        print(f"{script.stem}: PyTorch is not installed, its picture stays")
        return
    environment = {**os.environ, "MPLBACKEND": "agg"}
    subprocess.run([sys.executable, script, HERE / f"{script.stem}.png"], check=True, env=environment, stdout=subprocess.DEVNULL)


def main(*names):
    HERE.mkdir(exist_ok=True)
    scripts = sorted((HERE.parents[1] / "examples").glob("*.py"))
    makers = {"accuracy": accuracy, "sparsity": sparsity, **{script.stem: lambda s=script: example(s) for script in scripts}}
    for name in names or makers:
        makers[name]()


if __name__ == "__main__":
    main(*sys.argv[1:])
