"""The V of finite differences: a step too long cuts off the Taylor series, a step too short drowns in rounding.

    python examples/v_curve.py v.png

exp(x) / √(sin(x)³ + cos(x)³) at 1.5, on which Squire and Trapp (1998) showed the complex step. Stencils of a higher accuracy
reach lower, with longer steps; `method="adaptive"` combines many, and finds its steps without knowing the function. The last
column has what one gets without the picture: the error at the step that fastfd's step law chooses.
"""

import sys

import numpy as np
from numba import njit

import fastfd

EXACT = 4.053427893898621  # of the derivative, rounded


@njit
def squire_and_trapp(x):
    return np.exp(x) / np.sqrt(np.sin(x) ** 3 + np.cos(x) ** 3)


def draw(found, file):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    found.plot(ax)
    figure.savefig(file, dpi=100)


def main(file=None):
    stencils = ["forward", ("central", 2), ("central", 4), ("central", 6)]
    found = fastfd.step_analysis(squire_and_trapp, 1.5, exact=EXACT, stencils=stencils)
    print(f"{'':12} {'truncation':>10} {'best step':>10} {'error':>8} {'by the step law':>16}")
    for row in zip(found.labels, found.slope, found.best_step, found.best_error, found.rule_error["step law"]):
        print("{:12} {:>10} {:10.0e} {:8.0e} {:16.0e}".format(row[0], f"h^{row[1]:.1f}", *row[2:]))
    print(f"adaptive: error {abs(found.adaptive - EXACT):.0e}, error bar {found.info.error:.0e}, {found.info.nfev} evaluations")
    complex_step = fastfd.derivative(squire_and_trapp, 1.5, method="complex")
    print(f"complex step: error {abs(complex_step - EXACT):.0e}")
    if file:
        draw(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:2])
