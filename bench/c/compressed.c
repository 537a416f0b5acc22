#include "central.h"

/* Broyden's tridiagonal function, as in broyden.c */
INLINE void tridiagonal(long n, const double *restrict x, double *restrict y)
{
    y[0] = (3.0 - 2.0 * x[0]) * x[0] - 2.0 * x[1] + 1.0;
    for (long i = 1; i < n - 1; i++)
        y[i] = (3.0 - 2.0 * x[i]) * x[i] - x[i - 1] - 2.0 * x[i + 1] + 1.0;
    y[n - 1] = (3.0 - 2.0 * x[n - 1]) * x[n - 1] - x[n - 2] + 1.0;
}

/* A sparse Jacobian as a C programmer would write it who knows that it is tridiagonal: three colours, two evaluations
 * each, and the changes straight into the data of a CSR matrix, whose row i begins at 3i - 1. work: 3n numbers */
void compressed_jacobian(long reps, long n, const double *restrict x0, double *restrict data, double *restrict work)
{
    double *x = work, *up = work + n, *down = work + 2 * n;
    for (long r = 0; r < reps; r++) {
        memcpy(x, x0, n * sizeof(double));
        for (long color = 0; color < 3; color++) {
            for (long j = color; j < n; j += 3)
                x[j] = x0[j] + step(x0[j]);
            tridiagonal(n, x, up);
            for (long j = color; j < n; j += 3)
                x[j] = x0[j] - step(x0[j]);
            tridiagonal(n, x, down);
            for (long j = color; j < n; j += 3) {
                double h = step(x0[j]), scale = 1.0 / ((x0[j] + h) - (x0[j] - h));
                for (long i = j > 0 ? j - 1 : 0; i <= j + 1 && i < n; i++)
                    data[2 * i + j] = (up[i] - down[i]) * scale;
                x[j] = x0[j];
            }
        }
    }
}
