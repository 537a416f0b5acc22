"""Logistic regression by Newton's method in a trust region, with a gradient and a Hessian that nobody wrote.

    pip install "fastfd[plot]" scikit-learn
    python examples/logistic_regression.py logistic.png

Wisconsin's breast cancer data: 569 tumours, 30 standardised measurements of each, malignant or benign. SciPy's `trust-constr`
gets the loss with its derivatives from fastfd; with those written by hand; and, for want of a Hessian, with the gradient
by hand and BFGS. The Hessian at the minimum gives the standard errors of the coefficients.
"""

import sys

import numpy as np
from numba import njit
from scipy.optimize import BFGS, minimize
from sklearn.datasets import load_breast_cancer

import fastfd

DATA = load_breast_cancer()
X = np.column_stack([(DATA.data - DATA.data.mean(0)) / DATA.data.std(0), np.ones(len(DATA.data))])
SIGNS = 1.0 - 2.0 * DATA.target  # 1 malignant, -1 benign
PENALTY = 1.0


@njit
def loss(w, X, signs, penalty):
    """Σ log(1 + exp(-s x·w)) + penalty/2 |w|², without the intercept."""
    margins = signs * (X @ w)
    return np.sum(np.log1p(np.exp(-np.abs(margins))) + np.maximum(-margins, 0.0)) + 0.5 * penalty * np.sum(w[:-1] ** 2)


def gradient(w, X, signs, penalty):
    p = 1 / (1 + np.exp(signs * (X @ w)))
    return -X.T @ (signs * p) + penalty * np.append(w[:-1], 0)


def hessian(w, X, signs, penalty):
    p = 1 / (1 + np.exp(signs * (X @ w)))
    return (X.T * (p * (1 - p))) @ X + penalty * np.diag(np.append(np.ones(len(w) - 1), 0))


def fit(jac, hess):
    """The result of SciPy, and the size of the exact gradient at each iteration."""
    sizes, args = [], (X, SIGNS, PENALTY)
    found = minimize(loss, np.zeros(X.shape[1]), args=args, jac=jac, hess=hess, method="trust-constr",
                     options={"gtol": 1e-6, "maxiter": 300},
                     callback=lambda w, state: sizes.append(np.abs(gradient(w, *args)).max()))  # fmt: skip
    return found, sizes


def draw(runs, w, errors, file):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 4.4), layout="constrained", width_ratios=(1, 1.2))
    styles = ("#0072B2", "-", 3), ("#E69F00", "--", 1.5), ("0.5", "-", 1)
    for (name, (_, sizes)), (colour, line, width) in zip(runs.items(), styles):
        left.semilogy(range(1, len(sizes) + 1), sizes, line, color=colour, lw=width, label=name)
    left.set(xlabel="iteration", ylabel="largest entry of the gradient", title="trust-constr")
    left.legend(frameon=False)
    order = np.argsort(np.abs(w[:-1] / errors[:-1]))[-12:]
    right.errorbar(w[order], range(12), xerr=2 * errors[order], fmt="o", color="#0072B2", capsize=3)
    right.axvline(0, color="0.5", lw=0.8)
    right.set(yticks=range(12), yticklabels=DATA.feature_names[order], xlabel="coefficient ± 2 standard errors",
              title="the surest twelve; to the right: malignant")  # fmt: skip
    figure.savefig(file, dpi=100)


def main(file=None):
    runs = {
        "derivatives by fastfd": fit(fastfd.Gradient(loss), fastfd.Hessian(loss)),
        "by hand": fit(gradient, hessian),
        "gradient by hand, BFGS": fit(gradient, BFGS()),
    }
    print(f"{'':24} {'iterations':>10} {'loss':>16} {'largest slope':>13}")
    for name, (found, sizes) in runs.items():
        print(f"{name:24} {found.nit:10} {found.fun:16.11f} {sizes[-1]:13.1e}")
    w, args = runs["derivatives by fastfd"][0].x, (X, SIGNS, PENALTY)
    H, info = fastfd.hessian(loss, w, args=args, full_output=True)
    exact = hessian(w, *args)
    wrong, largest = np.abs(H - exact), np.abs(exact).max()
    print(f"Hessian {H.shape} in {info.nfev} evaluations: largest error {wrong.max() / largest:.0e} of the largest entry,")
    print(f"inside its error bar in {np.mean(wrong <= info.error):.1%} of the entries")
    right = np.mean((X @ w > 0) == (SIGNS > 0))
    print(f"{right:.1%} of the tumours on the right side")
    if file:
        draw(runs, w, np.sqrt(np.diag(np.linalg.inv(H))), file)


if __name__ == "__main__":
    main(*sys.argv[1:2])
