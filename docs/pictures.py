"""The pictures of accuracy.md: `python docs/pictures.py` draws them into docs/pictures."""

import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from numba import njit

from fastfd import step_analysis

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


def main():
    HERE.mkdir(exist_ok=True)
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


if __name__ == "__main__":
    main()
