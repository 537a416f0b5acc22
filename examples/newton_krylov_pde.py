"""A nonlinear partial differential equation in a million unknowns, by Newton's method without a matrix.

    python examples/newton_krylov_pde.py bratu.png --size 1000

Bratu's problem Δu + λ exp(u) = 0 on a square, u = 0 at the edge. Newton's method wants J(u) s = -F(u); a Krylov method
solves that from products J(u) v alone, and `Jacobian(F).linear_operator(u)` gives each for two evaluations of F. What is
kept is some vectors of the size of u: 8 MB each at a million unknowns. The preconditioner is the inverse of the Laplacian by
sine transforms, which knows nothing of λ. The step is a long one: F is nearly linear, and at so many points rounding in F,
divided by the step, would else be all that the smallest eigenvalues of J see.
"""

import argparse
import resource
import sys
import time

import numpy as np
from numba import njit
from scipy.fft import dstn, idstn
from scipy.sparse.linalg import LinearOperator, gmres

import fastfd

STRENGTH = 6.0


@njit(error_model="numpy")
def bratu(u, out, k):
    """h²(Δu + λ exp(u)) on a k by k grid of inner points."""
    for i in range(k):
        for j in range(k):
            at = i * k + j
            total = STRENGTH / (k + 1) ** 2 * np.exp(u[at]) - 4 * u[at]
            total += (u[at - k] if i > 0 else 0.0) + (u[at + k] if i < k - 1 else 0.0)
            out[at] = total + (u[at - 1] if j > 0 else 0.0) + (u[at + 1] if j < k - 1 else 0.0)


def inverse_laplacian(k):
    """Of the five-point Laplacian, by its eigenvectors."""
    waves = 2 * np.cos(np.pi * np.arange(1, k + 1) / (k + 1)) - 2
    eigenvalues = waves[:, None] + waves[None, :]

    def apply(v):
        return idstn(dstn(v.reshape(k, k), type=1) / eigenvalues, type=1).reshape(-1)

    return LinearOperator((k * k, k * k), apply, dtype=float)


def solve(k):
    """Newton's method: the solution, and the size of the residual after each step."""
    n = k * k
    J = fastfd.Jacobian(bratu, method="central", step=1e-2, out_size=n)
    u, residual, inverse, sizes = np.zeros(n), np.empty(n), inverse_laplacian(k), []
    bratu(u, residual, k)
    for _ in range(10):
        sizes.append(np.abs(residual).max())
        print(f"largest residual {sizes[-1]:.1e}")
        if sizes[-1] < 1e-12 / k:
            break
        step, _ = gmres(J.linear_operator(u, k), -residual, rtol=1e-4, restart=10, maxiter=2, M=inverse)
        u += step
        bratu(u, residual, k)
    return u.reshape(k, k), sizes


def draw(u, path):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(4.4, 3.6), layout="constrained")
    figure.colorbar(ax.imshow(u, extent=(0, 1, 0, 1), cmap="cividis"), label="u")
    ax.set_title(f"Bratu's problem, λ = {STRENGTH:g}, {u.size} unknowns")
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture", nargs="?", help="where to draw the solution (.png)")
    parser.add_argument("--size", type=int, default=100, help="inner points a side; 1000 for a million unknowns")
    options = parser.parse_args()
    start = time.perf_counter()
    u, sizes = solve(options.size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{u.size} unknowns, {len(sizes) - 1} Newton steps, {time.perf_counter() - start:.1f} s, peak {peak:.0f} MB")
    print(f"largest u {u.max():.6f}")
    if options.picture:
        draw(u, options.picture)
    if sizes[-1] > 1e-5 * sizes[0]:
        sys.exit("did not converge")


if __name__ == "__main__":
    main()
