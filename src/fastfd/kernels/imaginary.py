"""The complex step: f'(x) = Im f(x + ih) / h, without subtraction, so h can be as small as it likes."""

from __future__ import annotations

from fastfd.kernels.compiler import kernel
from fastfd.kernels.native import NONFINITE, OK, ONLY, evaluate
from fastfd.kernels.sweep import failed
from fastfd.kernels.views import assign
from fastfd.steps import imaginary_step

__all__ = ["imaginary", "imaginary_points"]


@kernel
def imaginary(f, x, out, work, values, scratch, lo, hi):
    """Rows lo..hi of the transposed Jacobian of an analytic f; `values` holds real and imaginary parts by turns."""
    assign(work, x)
    for j in range(lo, hi):
        h = imaginary_step(x[j].real)
        work[j] = complex(x[j].real, h)
        status = evaluate(f, work, values, scratch, 1.0, 1.0, ONLY)
        if status != OK and status != NONFINITE:
            return failed(status, j)
        work[j] = x[j]
        for i in range(out.shape[1]):
            out[j, i] = values[2 * i + 1] / h
    return OK


@kernel
def imaginary_points(f, x, out, work, values, scratch, lo, hi):
    """The same for a function of one number at many points."""
    for i in range(lo, hi):
        h = imaginary_step(x[i].real)
        work[0] = complex(x[i].real, h)
        status = evaluate(f, work, values, scratch, 1.0, 1.0, ONLY)
        if status != OK and status != NONFINITE:
            return failed(status, i)
        for k in range(out.shape[1]):
            out[i, k] = values[2 * k + 1] / h
    return OK
