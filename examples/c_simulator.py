"""A simulator written in C, differentiated and fitted: a ball thrown against drag and wind.

    python examples/c_simulator.py throw.png

The simulator, Runge and Kutta's method of order 4, is compiled by the system's `cc` and loaded with ctypes. fastfd calls it by
its address from compiled code, on several threads where that pays; no Python runs between two evaluations. What it returns is
a status, not 0 for parameters that mean nothing; `bounds` keep the search for steps away from those. Where there is no C
compiler, numba compiles the same formulas.
"""

import ctypes
import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numba import carray, cfunc, types
from scipy.optimize import least_squares

import fastfd

SOURCE = """
#include <math.h>
static void slope(const double *s, double drag, double wind, double *k)
{
    double u = s[2] - wind, v = s[3], speed = sqrt(u * u + v * v);
    k[0] = s[2]; k[1] = s[3]; k[2] = -drag * speed * u; k[3] = -9.81 - drag * speed * v;
}
/* p: speed, angle, drag, wind; out: the place (x, y) at each of the m / 2 times */
int thrown(const double *p, double *out, int n, int m, const double *times)
{
    double s[4] = {0, 0, p[0] * cos(p[1]), p[0] * sin(p[1])}, at[4], k[4], sum[4], t = 0;
    if (n != 4 || p[0] <= 0 || p[2] < 0)
        return 1;
    for (int i = 0; i < m / 2; i++) {
        double h = (times[i] - t) / 50;
        for (int step = 0; step < 50; step++) {
            for (int j = 0; j < 4; j++) { at[j] = s[j]; sum[j] = 0; }
            for (int stage = 0; stage < 4; stage++) {
                double weight = stage == 1 || stage == 2 ? 2 : 1, next = stage < 2 ? h / 2 : h;
                slope(at, p[2], p[3], k);
                for (int j = 0; j < 4; j++) { sum[j] += weight * k[j]; at[j] = s[j] + next * k[j]; }
            }
            for (int j = 0; j < 4; j++) s[j] += h / 6 * sum[j];
        }
        t = times[i]; out[2 * i] = s[0]; out[2 * i + 1] = s[1];
    }
    return 0;
}
"""


DOUBLES, NUMBERS = ctypes.POINTER(ctypes.c_double), types.CPointer(types.float64)


def compiled_by_cc():
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "thrown.c").write_text(SOURCE)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "thrown.c", "-o", "thrown.so", "-lm"], cwd=folder, check=True)
        f = ctypes.CDLL(str(Path(folder) / "thrown.so")).thrown
    f.restype, f.argtypes = ctypes.c_int, (DOUBLES, DOUBLES, ctypes.c_int, ctypes.c_int, DOUBLES)
    return f


def thrown(p, out, n, m, times):
    q, k, places = carray(p, n), np.empty(4), carray(out, m)
    if n != 4 or q[0] <= 0 or q[2] < 0:
        return 1
    s, t = np.array([0.0, 0.0, q[0] * math.cos(q[1]), q[0] * math.sin(q[1])]), 0.0
    for i in range(m // 2):
        h = (times[i] - t) / 50
        for _ in range(50):
            at, total = s.copy(), np.zeros(4)
            for stage in range(4):
                u, v = at[2] - q[3], at[3]
                speed = math.sqrt(u * u + v * v)
                k[:2], k[2], k[3] = at[2:], -q[2] * speed * u, -9.81 - q[2] * speed * v
                total += (2.0 if stage in (1, 2) else 1.0) * k
                at = s + (h / 2 if stage < 2 else h) * k
            s = s + h / 6 * total
        t = times[i]
        places[2 * i], places[2 * i + 1] = s[0], s[1]
    return 0


def compiled_by_numba():
    return cfunc(types.int32(NUMBERS, NUMBERS, types.int32, types.int32, NUMBERS))(thrown)


def places(f, p, times):
    """One simulation, as Python calls it."""
    out = np.empty(2 * times.size)
    pointers = [array.ctypes.data_as(DOUBLES) for array in (np.ascontiguousarray(p), out, times)]
    status = f(*pointers[:2], 4, out.size, pointers[2])
    if status != 0:
        raise ValueError(f"status {status} for {p}")
    return out


def main(picture):
    there = shutil.which("cc") is not None
    simulator = compiled_by_cc() if there else compiled_by_numba()
    print("the simulator is compiled by", "cc" if there else "numba, for there is no compiler `cc` here")
    times, truth, sigma = np.linspace(0.1, 2.5, 25), np.array([24.0, 0.9, 0.015, -3.0]), 0.05
    called = simulator if there else simulator.ctypes
    seen = places(called, truth, times) + np.random.default_rng(0).normal(0, sigma, 2 * times.size)
    bounds = [1.0, 0.0, 0.0, -20.0], [100.0, 1.5, 1.0, 20.0]
    J = fastfd.Jacobian(simulator, out_size=2 * times.size, bounds=bounds)
    fit = least_squares(
        lambda p: places(called, p, times) - seen, [20.0, 0.7, 0.01, 0.0], jac=lambda p: J(p, times), bounds=bounds, x_scale="jac"
    )
    slopes, info = J(fit.x, times, full_output=True)
    print(f"the Jacobian, {slopes.shape[0]} by 4, from {info.nfev} simulations: largest entry {np.abs(slopes).max():.4g}")
    print(f"its largest error bar {info.error.max():.0e}; {info.message}")
    spread = sigma * np.sqrt(np.diag(np.linalg.inv(slopes.T @ slopes)))
    for name, value, plus_minus, true in zip(("speed", "angle", "drag", "wind"), fit.x, spread, truth, strict=True):
        print(f"{name:5}  {value:8.4f} ± {plus_minus:.4f}, thrown with {true}")
    try:
        fastfd.jacobian(simulator, [-1.0, 0.7, 0.01, 0.0], args=(times,), out_size=2 * times.size)
    except RuntimeError as error:
        print("a throw of negative speed:", error)
    if picture:
        draw(picture, seen.reshape(-1, 2), places(called, fit.x, times).reshape(-1, 2), slopes.reshape(-1, 2, 4) * spread)


def draw(path, seen, path_of_ball, moves):
    """What was seen, the fit, and where one standard deviation of each parameter would move the ball."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.plot(*seen.T, ".", label="seen")
    left.plot(*path_of_ball.T, label="fitted")
    left.set(xlabel="x, m", ylabel="y, m", title="A ball, by a simulator in C")
    left.legend()
    for name, move in zip(("speed", "angle", "drag", "wind"), moves.transpose(2, 0, 1), strict=True):
        right.plot(np.hypot(*move.T), label=name)
    right.set(xlabel="picture of the film", ylabel="m", title="What one standard deviation moves")
    right.legend()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
