"""A stiff partial differential equation in thousands of unknowns, with a sparse Jacobian whose pattern nobody wrote down.

    python examples/stiff_pde.py pattern.png

The Brusselator in two dimensions: two substances that react and diffuse, one ten times faster than the other, so that spots
grow out of small irregularities (Turing 1952; Prigogine and Lefever 1968). Diffusion makes it stiff: SciPy's BDF method solves
linear equations with the Jacobian. Differences of single columns would take as many evaluations as there are unknowns;
`sparsity="auto"` finds which unknowns each equation contains, and columns that share no equation are then differenced together.
"""

import sys

import numpy as np
from numba import njit
from scipy.integrate import solve_ivp

import fastfd

A, B, SLOW, FAST, END = 3.0, 9.0, 5.0, 50.0, 12.0  # SLOW, FAST: diffusion over the square of the distance of two points


@njit
def brusselator(y, k):
    """dy/dt on a k by k torus; y has u and v of each point next to each other."""
    out = np.empty_like(y)
    for i in range(k):
        for j in range(k):
            at, above, below = 2 * (i * k + j), 2 * ((i - 1) % k * k + j), 2 * ((i + 1) % k * k + j)
            left, right = 2 * (i * k + (j - 1) % k), 2 * (i * k + (j + 1) % k)
            u, v = y[at], y[at + 1]
            out[at] = A - (B + 1) * u + u * u * v + SLOW * (y[above] + y[below] + y[left] + y[right] - 4 * u)
            around = y[above + 1] + y[below + 1] + y[left + 1] + y[right + 1]
            out[at + 1] = B * u - u * u * v + FAST * (around - 4 * v)
    return out


def start(k):
    """The state without a pattern, a little disturbed."""
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 2 * k * k)
    return np.tile([A, B / A], k * k) + noise


def solve(y, k, **jacobian):
    return solve_ivp(lambda t, y: brusselator(y, k), (0, END), y, method="BDF", rtol=1e-5, atol=1e-7, **jacobian)


def draw(found, k, file):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(9.0, 3.2), layout="constrained")
    for ax, time in zip(axes, (0.0, 1.0, END)):
        nearest = np.abs(found.t - time).argmin()
        image = ax.imshow(found.y[::2, nearest].reshape(k, k), vmin=0, vmax=found.y[::2].max(), cmap="cividis")
        ax.set(title=f"t = {found.t[nearest]:.2g}", xticks=[], yticks=[])
    figure.colorbar(image, ax=axes, label="u")
    figure.savefig(file, dpi=100)


def main(file=None, k="40"):
    k = int(k)
    y, n = start(k), 2 * k * k
    pattern, seen = fastfd.detect_sparsity(brusselator, y, args=(k,), full_output=True)
    colors = fastfd.color(pattern).max() + 1
    print(f"{n} unknowns: {pattern.nnz} entries found in {seen.nfev} evaluations, in {colors} colours")
    print(f"evaluations for a Jacobian by central differences: {2 * colors}, column by column {2 * n}")

    J = fastfd.Jacobian(brusselator, sparsity="auto", method="central")  # finds the pattern by itself
    found = solve(y, k, jac=lambda t, y: J(y, k))
    print(f"to t = {END:g}: {found.t.size} steps, {found.nfev} evaluations, {found.njev} Jacobians, {found.nlu} factorisations")

    theirs = solve(y, k, jac_sparsity=pattern)
    apart = np.abs(found.y[:, -1] - theirs.y[:, -1]).max()
    print(f"with SciPy's differences by this pattern: {theirs.t.size} steps; largest difference at the end {apart:.0e}")
    if file:
        draw(found, k, file)


if __name__ == "__main__":
    main(*sys.argv[1:3])
