"""A noisy simulator: how noisy, derivatives with error bars that say so, and a fit where differences of textbook steps stop.

    python examples/noisy_simulator.py noisy.png

Lotka and Volterra's hares and lynxes by the Runge-Kutta method, in single precision, as many a simulator computes. The results
come as doubles, so their type does not tell that five digits are right. Steps made for sixteen digits see rounding in
place of derivatives. The data are pelts in thousands a year, traded by the Hudson's Bay Company from 1900 to 1920. The same
simulator in double precision says what is right.
"""

import sys

import numpy as np
from numba import njit
from scipy.optimize import approx_fprime, least_squares

import fastfd

HARES = 30, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22, 25.4, 27.1, 40.3, 57, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2, 24.7
LYNXES = 4, 6.1, 9.8, 35.2, 59.4, 41.7, 19, 13, 8.3, 9.1, 7.4, 8, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6
DATA = np.log([HARES, LYNXES]).T.ravel()
START = np.array([0.5, 0.03, 0.03, 0.7, 30.0, 4.0])  # two rates of the hares, two of the lynxes, how many of each in 1900
STEPS = 50  # a year


@njit
def growth(hares, lynxes, p):
    """Of the logarithms."""
    return p[0] - p[1] * np.exp(lynxes), p[2] * np.exp(hares) - p[3]


def simulator(number):
    """The logarithms of both in each year as a function of the parameters, computed with this type of number."""

    @njit
    def simulate(p):
        p = p.astype(number)
        x, y, h, two, six = np.log(p[4]), np.log(p[5]), number(1 / STEPS), number(2), number(6)
        seen = np.empty((len(HARES), 2))
        for year in range(len(HARES)):
            seen[year, 0], seen[year, 1] = x, y
            for _ in range(STEPS):
                x1, y1 = growth(x, y, p)
                x2, y2 = growth(x + h / two * x1, y + h / two * y1, p)
                x3, y3 = growth(x + h / two * x2, y + h / two * y2, p)
                x4, y4 = growth(x + h * x3, y + h * y3, p)
                x += h / six * (x1 + two * (x2 + x3) + x4)
                y += h / six * (y1 + two * (y2 + y3) + y4)
        return seen.ravel()

    return simulate


def fit(simulate, jac):
    return least_squares(lambda p: simulate(p) - DATA, START, jac=jac, x_scale="jac")


def errors(noisy, exact, noise, p):
    """Of the derivative of all results by the first rate, typically: forward and central differences, fastfd, its error bar."""
    truth = fastfd.jacobian(exact, p)[:, 0]
    ours, info = fastfd.jacobian(noisy, p, noise=noise, full_output=True)
    several = approx_fprime(p, noisy)[:, 0], fastfd.jacobian(noisy, p, method="central")[:, 0], ours[:, 0]
    inside = np.mean(np.abs(ours[:, 0] - truth) <= info.error[:, 0])
    return [*(np.median(np.abs(some - truth)) for some in several), np.median(info.error[:, 0]), inside]


def draw(rates, found, fits, file):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.8), layout="constrained", width_ratios=(1, 1.25))
    kinds = ("forward, √ε", "0.6", "v"), ("central, ∛ε", "#E69F00", "s"), ("fastfd", "#0072B2", "o")
    for (name, colour, mark), curve in zip(kinds, found.T):
        left.semilogy(rates, curve, mark, ms=4, color=colour, label=name)
    left.semilogy(rates, found[:, 3], color="#0072B2", lw=1, label="its error bar")
    left.set(xlabel="birth rate of hares", ylabel="typical error of the derivative", ylim=(3e-6, 1e4), title="derivatives")
    left.legend(frameon=False, ncols=2, loc="upper center", fontsize=8)
    years = np.arange(1900, 1921)
    for (name, curve), style in zip(fits.items(), (("0.6", ":"), ("#0072B2", "-"))):
        right.plot(years, np.exp(curve[::2]), style[1], color=style[0], label=f"hares, {name}")
    right.plot(years, HARES, "o", ms=4, color="#D55E00", label="hares, pelts")
    right.set(xlabel="year", ylabel="thousands", ylim=(0, 125), title="the fit", xticks=range(1900, 1921, 5))
    right.legend(frameon=False, fontsize=8, loc="upper right")
    figure.savefig(file, dpi=100)


def main(file=None):
    single, double = simulator(np.float32), simulator(np.float64)
    noise, info = fastfd.noise_level(single, START, full_output=True)
    real = np.abs(single(START) - double(START)).max()
    print(f"noise of the simulator, found in {info.nfev} evaluations: {noise.max():.0e} (its rounding at the start: {real:.0e})")
    rates = np.linspace(0.45, 0.65, 21)
    found = np.array([errors(single, double, noise.max(), np.append(rate, START[1:])) for rate in rates])
    typical = np.median(found, axis=0)
    print("typical error: forward {:.0e}, central {:.0e}, fastfd {:.0e}, its error bar {:.0e}".format(*typical[:4]))
    print(f"errors inside the error bars: {found[:, 4].mean():.1%}")
    jac = fastfd.Jacobian(single, noise=noise.max())
    fits = {"SciPy's default": fit(single, "2-point"), "SciPy's 3-point": fit(single, "3-point"), "fastfd": fit(single, jac)}
    best = fit(double, fastfd.Jacobian(double))
    for name, one in {**fits, "in double precision": best}.items():
        print(f"fit, {name:20} sum of squares {2 * one.cost:8.5f}, rates {one.x[:4].round(4)}")
    if file:
        draw(rates, found, {name: single(fits[name].x) for name in ("SciPy's default", "fastfd")}, file)


if __name__ == "__main__":
    main(*sys.argv[1:2])
