"""A fit to real data, with error bars on its parameters and on its curve.

    python examples/fit_real_data.py fit.png

Thurber's measurements of electron mobility in a semiconductor, over the logarithm of its density: one of the harder of NIST's
Statistical Reference Datasets, whose results are certified to eleven digits. SciPy does the fit, from a start far away, and
fastfd its Jacobian. The covariance of the parameters is s²(JᵀJ)⁻¹; through the derivatives by them it gives the error
of whatever is computed from them: here the curve itself, and where it has half of its height.
"""

import sys

import numpy as np
from numba import njit
from scipy.optimize import brentq, least_squares

import fastfd

MOBILITY, DENSITY = np.array([
    (80.574, -3.067), (84.248, -2.981), (87.264, -2.921), (87.195, -2.912), (89.076, -2.840), (89.608, -2.797),
    (89.868, -2.702), (90.101, -2.699), (92.405, -2.633), (95.854, -2.481), (100.696, -2.363), (101.060, -2.322),
    (401.672, -1.501), (390.724, -1.460), (567.534, -1.274), (635.316, -1.212), (733.054, -1.100), (759.087, -1.046),
    (894.206, -0.915), (990.785, -0.714), (1090.109, -0.566), (1080.914, -0.545), (1122.643, -0.400), (1178.351, -0.309),
    (1260.531, -0.109), (1273.514, -0.103), (1288.339, 0.010), (1327.543, 0.119), (1353.863, 0.377), (1414.509, 0.790),
    (1425.208, 0.963), (1421.384, 1.006), (1442.962, 1.115), (1464.350, 1.572), (1468.705, 1.841), (1447.894, 2.047),
    (1457.628, 2.200),
]).T  # fmt: skip
START = 1000.0, 1000.0, 400.0, 40.0, 0.7, 0.3, 0.03
CERTIFIED = np.array([1.2881396800e03, 1.4910792535e03, 5.8323836877e02, 7.5416644291e01, 9.6629502864e-01, 3.9797285797e-01,
                      4.9727297349e-02])  # fmt: skip
THEIR_ERRORS = np.array([4.6647963344e00, 3.9571156086e01, 2.8698696102e01, 5.5675370270e00, 3.1333340687e-02,
                         1.4984928198e-02, 6.5842344623e-03])  # fmt: skip


@njit
def curve(b, x):
    return (b[0] + x * (b[1] + x * (b[2] + x * b[3]))) / (1 + x * (b[4] + x * (b[5] + x * b[6])))


@njit
def residuals(b, x, y):
    return curve(b, x) - y


def half_height(b):
    """Where the curve has half of its height at 0; nan, which a search for steps steps back from, where that is far off."""
    sides = [curve(b, x) - b[0] / 2 for x in (-1.5, -1.0)]
    return brentq(lambda x: curve(b, x) - b[0] / 2, -1.5, -1.0, xtol=1e-13) if sides[0] < 0 < sides[1] else np.nan


def digits(found, certified):
    """How many of them agree, at least."""
    return -np.log10(np.max(np.abs(found / certified - 1)))


def draw(b, covariance, file):
    import matplotlib.pyplot as plt

    x = np.linspace(-3.08, 2.22, 300)
    y, cov = fastfd.propagate(lambda b: curve(b, x), b, covariance)
    band = 2 * np.sqrt(np.diag(cov))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    left.plot(x, y, color="#0072B2", label="fit")
    left.plot(DENSITY, MOBILITY, "o", ms=4, color="#D55E00", label="measured")
    left.set(xlabel="logarithm of the density", ylabel="mobility", title="Thurber's data")
    left.legend(frameon=False)
    right.fill_between(x, -band, band, color="#0072B2", alpha=0.25, lw=0, label="± 2 standard errors of the curve")
    right.plot(DENSITY, MOBILITY - curve(b, DENSITY), "o", ms=4, color="#D55E00", label="measured − fit")
    right.axhline(0, color="#0072B2", lw=1)
    right.set(xlabel="logarithm of the density", ylabel="mobility", title="residuals, and the error of the curve")
    right.set_ylim(-45, 60)
    right.legend(frameon=False, loc="upper right")
    figure.savefig(file, dpi=100)


def main(file=None):
    jac = fastfd.Jacobian(residuals, rtol=1e-12)  # all digits at each point, where by default ten will do from the second on
    data = DENSITY, MOBILITY
    fit = least_squares(residuals, START, jac=jac, args=data, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    b = fit.x
    for _ in range(20):  # a sum of squares shows half of the digits of its minimum; Gauss-Newton steps find the rest
        b = b - np.linalg.lstsq(jac(b, *data), residuals(b, *data))[0]
    J = jac(b, *data)
    covariance = 2 * fit.cost / (DENSITY.size - b.size) * np.linalg.inv(J.T @ J)
    errors = np.sqrt(np.diag(covariance))
    print(f"{'parameter':>18} {'certified':>15} {'std. error':>15} {'certified':>15}")
    for row in zip(b, CERTIFIED, errors, THEIR_ERRORS):
        print("{:18.10g} {:15.10g} {:15.8g} {:15.8g}".format(*row))
    print(f"digits that agree: {digits(b, CERTIFIED):.1f} of the parameters, {digits(errors, THEIR_ERRORS):.1f} of their errors")
    print(f"sum of squares {2 * fit.cost:.7f}, certified 5642.7082397, after {fit.njev} Jacobians")
    at, variance = fastfd.propagate(half_height, b, covariance)
    print(f"half height at {at:.4f} ± {np.sqrt(np.squeeze(variance)):.4f}")
    if file:
        draw(b, covariance, file)


if __name__ == "__main__":
    main(*sys.argv[1:2])
